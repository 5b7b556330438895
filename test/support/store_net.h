/*
 * store_net.h - several storages in one process: a double of the overlay's transport and of the topology below real rf_store objects, on a
 * virtual clock. Messages are real (signed, encoded, decoded, verified); routing is the ring drawn from net->nodes. A test links this file
 * instead of the overlay room.
 */
#ifndef RF_TEST_SUPPORT_STORE_NET_H
#define RF_TEST_SUPPORT_STORE_NET_H

#include "base/list.h"
#include "overlay/overlay.h"
#include "overlay/store.h"
#include "support/pki.h"

#define SN_MAX_NODES 24

struct sn_record { /* the double of a disk: what is on it */
    struct rf_list list;
    struct rf_record record; /* owned bytes in `bytes` */
    uint8_t *bytes;
};

struct sn_node {
    struct sn_net *net;
    size_t number;
    char user[64];
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_overlay *overlay; /* the double's */
    struct rf_store *store;
    struct rf_timers timers;
    struct rf_env env;
    struct rf_rng_seeded rng;
    bool peer;           /* else a client */
    bool alive;          /* answers */
    bool joining;        /* linked, not in the ring yet */
    bool unaware;        /* does not know the ring around it yet: in charge of nothing, nobody's replica */
    int side;            /* only nodes of one side see each other: partitions */
    struct rf_list disk; /* struct sn_record */
    int disk_error;      /* what the disk answers; 0 = good */
    bool disk_stopped;   /* completions wait */
    uint64_t disk_us;    /* until a write is done */
    size_t persist_calls;
};

struct sn_net {
    struct rf_pki pki;
    struct rf_mem_test mem;
    struct rf_now now;
    uint64_t wall_base_ms;   /* wall clock when the monotonic one was 0; a test may set it forward */
    struct rf_timers events; /* deliveries, disk completions */
    struct sn_node nodes[SN_MAX_NODES];
    size_t count;
    uint64_t latency_us;
    size_t sent[128]; /* requests by code */
    /* true: the message is lost */
    bool (*lose)(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code);
    void *lose_arg;
    /* called on each request before its handler; may change nothing */
    void (*see)(void *arg, struct sn_node *to, const struct rf_request *request);
    void *see_arg;
    void (*tamper)(void *arg, struct sn_node *from,
                   struct rf_buf *body); /* on answers, before they are signed */
    void *tamper_arg;
    const struct rf_usage_kind *restarted_kind; /* registered again when a peer restarts; may be NULL */
};

/* kinds: required-kinds of the document. */
void sn_init(struct sn_net *net, const struct rf_kind_def *kinds, size_t kind_count);
void sn_init_pki(struct sn_net *net, const struct rf_pki_config *config);
void sn_deinit(struct sn_net *net); /* fails the test when memory is left */
/* A node with its storage. id NULL: some Node-ID. tweak: may change the configuration (may be NULL). */
struct sn_node *sn_add(struct sn_net *net, const char *user, const char *id, bool peer,
                       void (*tweak)(struct rf_store_config *config));
void sn_clear_disk(struct sn_node *node);
void sn_kill(
    struct sn_node *node); /* does not answer any more, is in no ring; its storage stays until restart */
/* The process starts again from its disk; it is in the ring afterwards. */
void sn_restart(struct sn_node *node);
/* Tells all living peers that the ring changed (joined: who is new, may be NULL; lost: who went, may be NULL). */
void sn_ring_changed(struct sn_net *net, struct sn_node *joined, struct sn_node *lost);
/* Lets time pass. */
void sn_run(struct sn_net *net, uint64_t us);
struct sn_node *sn_owner(struct sn_net *net, const struct rf_id *id, int side);
struct rf_id sn_hash(struct sn_net *net, const char *name); /* H(name) */
struct rf_id sn_id(const char *hex);                        /* "41" -> 4100... */

/* Sends a request as `from` straight to `to`, as if it had reached its destination; the answer is kept. */
struct sn_reply {
    bool done;
    int error; /* as in rf_reply */
    uint16_t error_code;
    uint8_t info[4096];
    size_t info_len;
    uint8_t body[16384];
    size_t body_len;
    size_t cert_count;
};
struct sn_raw {
    struct sn_node *from, *to;
    uint16_t code;
    struct rf_view body;
    const struct rf_view *certs;
    size_t cert_count;
    bool to_node; /* addressed to the Node-ID, else to a Resource-ID */
    struct rf_id resource;
    uint32_t max_response_len;
};
void sn_request(struct sn_net *net, const struct sn_raw *raw,
                struct sn_reply *reply); /* runs until answered, at most 20 s */
void sn_request_start(struct sn_net *net, const struct sn_raw *raw, struct sn_reply *reply);

#endif
