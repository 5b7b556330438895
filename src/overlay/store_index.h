/*
 * store_index.h - the storage's memory: Resource-ID -> Kind -> values, with the signers' certificates (once each), the quota accounts,
 * the order in which values end, and for Find the resources of each Kind in order. It decides nothing: store_*.c do.
 *
 * A value is either in the index (value->set is set) or detached, owned by whoever took it out (a Store that the disk has not
 * confirmed keeps the values it replaced, to put them back).
 */
#ifndef RF_OVERLAY_STORE_INDEX_H
#define RF_OVERLAY_STORE_INDEX_H

#include "base/intern.h"
#include "base/list.h"
#include "base/timer.h"
#include "ident/ident.h"
#include "overlay/store_tree.h"
#include "wire/stored.h"

#define STORE_ARRAY_APPEND UINT32_C(0xffffffff)
#define STORE_SLOT_MAX     512 /* bytes of a dictionary key that we accept */

struct store_cert {
    struct rf_map_node node; /* in index->certs, by cert->sha256 */
    size_t refs, bytes;
    struct rf_cert *cert; /* one reference */
};

/* What one user (or, where names are only claims, one node) stores here. */
struct store_account {
    struct rf_map_node node; /* in index->accounts, by name */
    size_t bytes;
    size_t name_len;
    uint8_t name[];
};

struct store_resource {
    struct store_tree_node node; /* in index->resources, by id */
    struct rf_id id;
    struct store_tree sets;
    struct rf_list work; /* in a list of store_sync.c, or alone */
    uint32_t
        confirmed[2]; /* numbers of the replicas that have everything that is here (store_sync.c); 0 = none */
    struct rf_id home; /* not ours: who was responsible when last looked at; len 0 = not known */
    bool own;          /* we answered for it when last looked at */
    uint64_t own_us;   /* since when, then */
    bool twins;        /* ours: a log may have an element twice (store_log.c) */
    bool loaded;       /* from disk, or just become ours: who else has it is not known yet */
    bool parting;      /* not ours to hold any more: it was offered to its home, or is going to be */
    uint8_t duty;      /* not ours: must the home get it from us? enum store_duty */
    bool busy;         /* store_sync.c is passing it on */
    bool touched;      /* changed in a way that the pass under way may have missed */
    uint8_t queue;     /* of store_sync.c, that `work` is in */
    uint8_t failures;  /* in a row, of passing it on */
};

/* All values of one Kind at one resource. */
struct store_set {
    struct store_tree_node node; /* in resource->sets, by kind */
    struct store_tree_node find; /* in the Kind's tree, by the resource's id */
    struct store_resource *resource;
    uint32_t kind;
    uint8_t kind_key[4]; /* big-endian */
    enum rf_model model;
    uint64_t generation; /* >= 1 */
    struct store_tree values;
    size_t existing_count; /* values with exists = true */
    size_t bytes;          /* of all StoredData */
};

struct store_change;
struct store_value {
    struct store_tree_node node; /* in set->values, by slot */
    struct rf_timer expiry;      /* in index->expiry, whose time is wall_ms */
    struct store_set *set;       /* NULL while detached */
    struct store_cert *cert;
    struct store_account *account;
    struct store_change *made_by; /* the change of a Store under way that put it here, or NULL */
    struct store_change *kept_by; /* the change of a Store under way that replaced it, or NULL */
    uint64_t storage_time_ms;
    uint64_t expires_ms;
    struct rf_id signer;
    bool exists;
    bool checked; /* its signature was verified in this life of the process */
    uint8_t replica_number;
    uint16_t slot_len;
    uint32_t data_len;    /* of the whole StoredData */
    uint32_t content_off; /* of DataValue's bytes within the StoredData; they reach content_len far */
    uint32_t content_len;
    bool
        is_cert; /* DataValue's bytes are the signer's certificate, which `cert` holds: they are left out of `bytes` */
    struct rf_interned *shared; /* one reference; NULL: the bytes are `own` */
    const uint8_t *bytes;       /* slot, then StoredData */
    uint8_t own[];
};

/* The resources that hold one Kind, in order. */
struct store_finder {
    uint32_t kind;
    struct store_tree tree;
};

/* What the first value needs; most clients never hold one. */
struct store_tables {
    struct rf_map certs, accounts;
    struct rf_timers expiry;
};

struct store_index {
    struct rf_mem *mem;
    struct rf_intern *shared; /* borrowed; NULL: each value has its own bytes */
    struct store_tree resources;
    uint64_t seed[2];
    struct store_tables *tables; /* owned; NULL: there was no value yet */
    struct store_finder *finders;
    size_t finder_count;
    size_t set_count, value_count;
    size_t bytes; /* of values and certificates, with an estimate of what surrounds them */
    void (*resource_gone)(void *arg, struct store_resource *resource); /* before it is freed; may be NULL */
    void *arg;
};

/* shared: where bytes of values are that others hold, too; borrowed, NULL: each value has its own. */
void store_index_init(struct store_index *index, struct rf_mem *mem, const uint64_t seed[2],
                      struct rf_intern *shared);
void store_index_deinit(struct store_index *index); /* all values that are in; detached ones must be gone */

/* What a new value is made of; everything is copied, the certificate held. */
struct store_value_spec {
    struct rf_view slot;
    struct rf_view data;             /* StoredData as received, real array index filled in */
    size_t content_off, content_len; /* of DataValue's bytes within data */
    struct rf_view account;
    struct rf_id signer;
    struct rf_cert *cert;
    uint64_t storage_time_ms, expires_ms;
    uint8_t replica_number;
    bool exists;
    bool checked;
    void (*expire)(struct rf_timer *timer, void *arg); /* of expiry */
    void *arg;
};
/* A detached value. Errors: RF_ENOMEM, RF_ELIMIT the slot or the value is too long. */
int store_value_new(struct store_index *index, const struct store_value_spec *spec, struct store_value **out);
void store_value_free(struct store_index *index,
                      struct store_value *value); /* a detached one; NULL allowed */
struct rf_view store_value_slot(const struct store_value *value);
/* The StoredData: appended to `out`; compared, from `off` on, with as many bytes as `bytes` has (as memcmp; off + bytes.len within data_len). */
void store_value_data(const struct store_value *value, struct rf_buf *out);
int store_value_compare(const struct store_value *value, size_t off, struct rf_view bytes);
struct rf_view store_value_content(const struct store_value *value);
/* What it counts against quotas. */
size_t store_value_cost(const struct store_value *value);
size_t store_cost(size_t slot_len, size_t data_len);
/* What a certificate takes in a message, with its intermediates. */
size_t store_cert_len(const struct rf_cert *cert);
/* store_value_put appends the StoredData with the lifetime that is left at wall_ms (at least 1 s). */
void store_value_put(const struct store_value *value, uint64_t wall_ms, struct rf_buf *out);
/* Is it dead at wall_ms, though its timer may not have run? */
bool store_value_ended(const struct store_value *value, uint64_t wall_ms);

struct store_resource *store_index_resource(const struct store_index *index, struct rf_view id);
/* The first resource behind `id`, which need not be there; len 0: the first of all. NULL: there is none. */
struct store_resource *store_resource_after(const struct store_index *index, const struct rf_id *id);
struct store_set *store_index_set(const struct store_index *index, struct rf_view id, uint32_t kind);
struct store_set *store_resource_set(const struct store_resource *resource, uint32_t kind);
struct store_value *store_set_value(const struct store_set *set, struct rf_view slot);
/* In order, NULL starts and ends. */
struct store_set *store_set_next(const struct store_resource *resource, const struct store_set *set);
struct store_value *store_value_next(const struct store_set *set, const struct store_value *value);
/* The first value of the set whose slot is not before `slot`. */
struct store_value *store_value_at_least(const struct store_set *set, struct rf_view slot);
/* store_set_end: the index after an array's last element. */
uint32_t store_set_end(const struct store_set *set);

/*
 * store_index_put puts a detached value into (id, kind), which come into being where needed. `old` receives the value that it replaced,
 * detached, or NULL. Errors: RF_ENOMEM (nothing changed).
 */
int store_index_put(struct store_index *index, const struct rf_id *id, uint32_t kind, enum rf_model model,
                    struct store_value *value, struct store_value **old);
/* store_index_take detaches a value that is in; its Kind and resource go when nothing is left in them. */
void store_index_take(struct store_index *index, struct store_value *value);

/* store_index_nearest: the resource nearest to `id` on the ring that holds the Kind. false: none. */
bool store_index_nearest(const struct store_index *index, const struct rf_id *id, uint32_t kind,
                         struct rf_id *out);
size_t store_index_account_bytes(const struct store_index *index, struct rf_view account);

#endif
