/*
 * internal.h - the overlay's inside, shared by the files of the transport only (not by the storage, not by the topology plugin).
 *
 * overlay.c the object and its doors to node/ and topology; conns.c Connection Table; route.c destination rules of 1.2;
 * forward.c what comes in from links; send.c what goes out; opaque.c via lists kept here; fragment.c reassembly; calls.c,
 * reply.c and detour.c our requests; dispatch.c and answer.c requests of others; answers.c answers kept for duplicates; config.c configuration sequence
 * and ConfigUpdate; ping.c, diag.c, trace.c the methods that answer by themselves.
 */
#ifndef RF_OVERLAY_INTERNAL_H
#define RF_OVERLAY_INTERNAL_H

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "overlay/overlay.h"
#include "wire/diag.h"

#define OVERLAY_MIN_LIFETIME_US (15 * RF_US_PER_S)
#define OVERLAY_MAX_DESTS       255 /* entries in a destination list, as many as ttl allows hops */
#define OVERLAY_MAX_CODE        127 /* of requests that may have a handler */
/* A node may be passed once on the way to each entry of a destination list; ours have at most RF_CALL_MAX_DESTS. Who stands in a via
 * list more often is in a loop (1.12). */
#define OVERLAY_MAX_VISITS   RF_CALL_MAX_DESTS
#define OVERLAY_MAX_LOOPED   1024 /* messages to ourselves that wait */
#define OVERLAY_ERRORS_PER_S 20 /* Errors about requests that were not verified, per link; burst twice that */
#define OVERLAY_DOCUMENTS_PER_S                                                                              \
    2 /* ConfigUpdates with something new, per link: they are dear to read; burst 8 */
#define OVERLAY_OPAQUE_SLOTS    4096 /* 12 bits */
#define OVERLAY_ANSWERS_MAX_LEN ((size_t)16 * 1024 * 1024)
/* what the decoded form of a message may take */
#define OVERLAY_REGION_LEN(message_len) ((size_t)64 * 1024 + 64 * (message_len))

/* A token bucket: `rate` per second, above 0, at most `burst` at once. */
struct bucket {
    uint64_t full_ns; /* when it will be full, if nothing more is taken; each token took 1 s / rate */
};
/* keep: so many stay in */
static inline bool bucket_take_above(struct bucket *bucket, uint64_t now_us, uint64_t rate, uint64_t burst,
                                     uint64_t keep)
{
    uint64_t now_ns = now_us * 1000, each_ns = 1000 * RF_US_PER_S / rate;
    uint64_t full_ns = (bucket->full_ns > now_ns ? bucket->full_ns : now_ns) + each_ns;
    if (full_ns - now_ns > (burst - keep) * each_ns)
        return false;
    bucket->full_ns = full_ns;
    return true;
}
static inline bool bucket_take(struct bucket *bucket, uint64_t now_us, uint64_t rate, uint64_t burst)
{
    return bucket_take_above(bucket, now_us, rate, burst, 0);
}

/* ---- conns.c ---- */

/* A node that we have at least one link to. */
struct peer {
    struct rf_map_node by_node;
    struct rf_id node;
    struct rf_list conns; /* newest first */
    struct conn *best;    /* that messages take */
    uint64_t told;        /* the link that the topology was told of last */
};
/* One link. */
struct conn {
    struct rf_map_node by_link;
    struct rf_list list; /* in peer->conns */
    struct peer *peer;
    struct rf_conn info;
    struct bucket requests, maintenance, errors, documents;
    size_t max_message;  /* that it takes; 0: whatever the overlay allows */
    size_t fragment_len; /* bytes of unfinished messages that came over it */
    /* what host.kept_cert said: the other end's certificate, and the one of ours that it keeps. One reference each, or NULL */
    struct rf_cert *theirs, *ours;
};
struct conns {
    struct rf_map by_link, by_node;
};
void conns_init(struct rf_overlay *o);
void conns_deinit(struct rf_overlay *o);
struct conn *conns_find(const struct rf_overlay *o, uint64_t link); /* NULL: not up */
/* conns_verify is rf_verify_message for what came over `conn` (NULL: from ourselves): a certificate that the link keeps need not be in it. */
int conns_verify(struct rf_overlay *o, const struct conn *conn, const struct rf_message *message,
                 struct rf_signer *out);
struct conn *conns_best(const struct rf_overlay *o, const struct rf_id *node); /* NULL: not linked */

/* ---- route.c ---- */

enum route_type {
    ROUTE_DELIVER = 1, /* ours: to the upper layer */
    ROUTE_FORWARD,     /* to conn */
    ROUTE_BAD,         /* dropped silently: breaks the rules of 1.2 */
    ROUTE_REPEATS,     /* an entry stands twice */
    ROUTE_NOWHERE,     /* no next hop known */
};
struct route {
    enum route_type type;
    size_t drop_count; /* entries to take off the destination list */
    /* encoded entries to put there instead (of an opaque ID of ours); into the opaque table */
    struct rf_view prepend;
    bool expanded;
    struct rf_dest dest; /* the entry that decided; borrowed from the list */
    struct conn *conn;   /* FORWARD */
};
/* route_find applies the rules to a destination list. own: the message is ours, so a client may send it on its way. */
void route_find(struct rf_overlay *o, struct rf_view dests, size_t dest_count, bool own, struct route *out);
/* route_next_hop: the link towards a key by Connection Table and topology, NULL = none. */
struct conn *route_next_hop(struct rf_overlay *o, const struct rf_dest *dest);
bool overlay_is_responsible(const struct rf_overlay *o, const struct rf_id *key);

/* ---- opaque.c ---- */
struct opaque_slot {
    uint8_t *bytes; /* encoded destinations, owned */
    uint16_t len;
    uint8_t generation; /* 3 bits */
    uint64_t expires_us;
};
struct opaques {
    struct opaque_slot *slots; /* OVERLAY_OPAQUE_SLOTS of them, allocated at first need */
    size_t next;
};
/* opaque_keep keeps the way back of a request (its via list and the node it came from). Errors: RF_ELIMIT all slots in use, RF_ENOMEM. */
int opaque_keep(struct rf_overlay *o, struct rf_view via, const struct rf_id *from, struct rf_dest *out);
/* opaque_find returns what `compact` stands for, borrowed until the next opaque_keep; false: not ours, or stale. */
bool opaque_find(const struct rf_overlay *o, uint16_t compact, struct rf_view *out);
void opaque_deinit(struct rf_overlay *o);

/* ---- send.c ---- */

/* A message from us to ourselves, waiting for the loop timer. */
struct looped {
    struct rf_list list;
    size_t len;
    uint8_t bytes[];
};
/*
 * send_on sends one message, or a fragment of one, on a link: in fragments if that takes no more at once. `message` must not lie in o->scratch->piece.
 * Errors: those of host.send; RF_ELIMIT it is too large for the link, and its header too long to cut it. Counted.
 */
int send_on(struct rf_overlay *o, const struct conn *conn, struct rf_view message);
/* send_can_cut: can a message of so many bytes, of which `header_len` are its header, go over this link? */
bool send_can_cut(const struct conn *conn, size_t len, size_t header_len);
/*
 * send_own is send_on for a message that we have signed. To the node at the other end, which keeps our certificate with the link, it goes without
 * that. `message` must not lie in o->brief.
 */
int send_own(struct rf_overlay *o, struct conn *conn, struct rf_view message);
/* send_loop queues a message to ourselves. Errors: RF_ELIMIT, RF_ENOMEM. */
int send_loop(struct rf_overlay *o, struct rf_view message);
void send_loop_fired(struct rf_timer *timer, void *arg);
void send_loop_deinit(struct rf_overlay *o);
/*
 * send_pack builds contents and security block of a message of ours in o->scratch->rest (borrowed until the next pack).
 * Errors: RF_ENOMEM, RF_ELIMIT, RF_ECRYPTO.
 */
struct pack {
    uint64_t transaction_id;
    uint16_t code;
    struct rf_view body, extensions;
    const struct rf_view *certs;
    size_t cert_count;
};
int send_pack(struct rf_overlay *o, const struct pack *pack, struct rf_view *rest);
/* The way back of a request. */
struct way {
    uint64_t link; /* 0: ourselves */
    struct rf_id link_node;
    const struct rf_header *header; /* of the request */
};
/* send_response sends contents and security block back along `way`. Errors: RF_EUNREACHABLE, those of host.send, RF_ENOMEM, RF_ELIMIT. */
int send_response(struct rf_overlay *o, const struct way *way, struct rf_view rest);
/* send_way_put appends the response's destination list: the node the request came from and its via list, reversed (1.3). */
void send_way_put(struct rf_overlay *o, const struct way *way, struct rf_buf *out);
/* send_response_header_len: bytes of the header that send_response would make. */
size_t send_response_header_len(const struct rf_overlay *o, const struct way *way);
/* send_path_error answers a request that is not (yet) verified by an Error, within the link's rate. */
void send_path_error(struct rf_overlay *o, struct conn *conn, const struct rf_header *header,
                     uint16_t error_code, const char *text);

/* ---- forward.c ---- */

/* A message or fragment on its way in. conn: NULL if it came from ourselves. */
struct arrival {
    struct conn *conn;
    uint64_t link;
    struct rf_id link_node;
    struct rf_view message; /* whole */
    struct rf_header header;
    struct rf_view rest; /* after the header */
    struct rf_dest dest; /* once it is delivered here */
};
void forward_arrival(struct rf_overlay *o, struct arrival *a);
/* forward_code: the message code, 0 if this piece does not hold it. */
uint16_t forward_code(const struct rf_header *header, struct rf_view rest);

/* ---- fragment.c ---- */
struct assembly;
struct fragments {
    struct rf_map map;
    struct rf_list list; /* oldest first */
    size_t byte_count;   /* in all */
    struct rf_timer timer;
};
void fragments_deinit(struct rf_overlay *o);
/*
 * fragments_add takes a piece of a message that is for us. Returns the assembly when it is complete: `a` then describes the whole
 * message, borrowed from it; free it with assembly_free. NULL: not complete, or dropped.
 */
struct assembly *fragments_add(struct rf_overlay *o, struct arrival *a);
void assembly_free(struct rf_overlay *o, struct assembly *assembly);

/* ---- calls.c, reply.c ---- */
enum call_state {
    CALL_WAITING = 1, /* for the answer */
    CALL_EXCHANGING,  /* documents or Kinds are being exchanged; then it is sent anew */
    CALL_FAILED,      /* ends at the next tick with `error` */
};
#define CALL_MAX_TRIED 4
struct call {
    struct rf_map_node by_txid, by_id;
    struct rf_list list; /* in o->calls.list, oldest first */
    struct rf_overlay *overlay;
    enum call_state state;
    rf_call_id id;
    uint64_t transaction_id;
    struct rf_timer timer;
    uint8_t *message; /* as it is sent, owned */
    size_t message_len;
    uint16_t code;
    struct rf_dest target; /* last entry of the destination list; its bytes are unset */
    uint64_t link;         /* asked for; 0 = route */
    struct rf_id link_node;
    unsigned max_transmissions, transmissions, rerouted, exchanges;
    uint64_t interval_us;
    uint64_t sent_us;   /* last transmission that a link took; 0 none */
    uint64_t last_link; /* that took it */
    uint16_t sequence;  /* of our document, at the last transmission */
    int error;
    uint16_t error_code; /* the last Error, a hint */
    bool error_final;    /* it came from the right node */
    bool config_any, any_responder, quiet;
    struct rf_id exchange_with;
    struct rf_id tried[CALL_MAX_TRIED]; /* nodes that it left over, or that it is to avoid */
    size_t tried_count, tried_next;
    struct rf_id distrust[RF_CALL_MAX_AVOID]; /* whose answers are not taken */
    struct rf_id doubted; /* who gave an answer that is not believed yet, over doubted_link; len 0: nobody */
    uint64_t doubted_link;
    unsigned doubts;
    rf_reply_fn done;
    void *arg;
};
struct calls {
    struct rf_map by_txid, by_id;
    struct rf_list list;
    size_t count;
    rf_call_id last_id;
};
void calls_init(struct rf_overlay *o);
void calls_deinit(struct rf_overlay *o); /* ends them all with RF_ECANCELLED */
struct call *calls_find(const struct rf_overlay *o, uint64_t transaction_id);
/* calls_start is rf_overlay_call with a destination list given as bytes instead of call->dests, if `dests` is not empty; and not limited
 * in number (for what the overlay itself must send). */
int calls_start(struct rf_overlay *o, const struct rf_call *call, struct rf_view dests, bool unlimited,
                rf_call_id *out);
void calls_end(struct call *call, const struct rf_reply *reply); /* frees it */
struct rf_id calls_hop(const struct call *call);                 /* that took it last; len 0: none */
void calls_link_down(struct rf_overlay *o, uint64_t link);
void calls_joined(struct rf_overlay *o);     /* what found no way goes out now */
void calls_configured(struct rf_overlay *o); /* what waited for a newer document goes out now */
void calls_exchanged(struct rf_overlay *o, const struct rf_id *node); /* `node` has our document now */
/* reply_take takes a response that arrived. */
void reply_take(struct rf_overlay *o, const struct arrival *a, const struct rf_message *message);

/* ---- detour.c ---- */
/* detour_way: the link for a transmission that is to be forwarded: that of the route, or another when that was tried. */
struct conn *detour_way(struct call *call, const struct route *route);
/* detour_doubts: the answer that arrived is by somebody who hardly is in charge: not to be taken, the call asks over another way. */
/* detour_refused: the answer that arrived was not taken, because of who signed it: the call asks over another way. */
void detour_refused(struct call *call, const struct arrival *a, const struct rf_id *signer);
bool detour_doubts(struct call *call, const struct arrival *a, const struct rf_id *signer);

/* ---- answers.c ---- */
#define ANSWER_KEY_MAX_LEN (8 + RF_ID_MAX_LEN)
struct kept_answer {
    struct rf_map_node by_key, by_print;
    struct rf_list list;
    uint8_t key[ANSWER_KEY_MAX_LEN]; /* transaction ID, signer */
    size_t key_len;
    uint64_t print; /* of the request's bytes after its header */
    bool printed;   /* is in by_print */
    bool answered;
    uint64_t expires_us;
    uint8_t *rest; /* contents and security block of the answer, owned */
    size_t rest_len;
};
struct answers {
    struct rf_map by_key, by_print;
    struct rf_list list; /* oldest first */
    size_t count, byte_count;
    struct rf_timer timer;
};
void answers_deinit(struct rf_overlay *o);
uint64_t answers_print(const struct rf_overlay *o, const struct rf_message *message, struct rf_view rest);
struct kept_answer *answers_find_print(const struct rf_overlay *o, uint64_t print);
struct kept_answer *answers_find(const struct rf_overlay *o, uint64_t transaction_id,
                                 const struct rf_id *signer);
/* answers_begin notes that a request is being handled; without memory nothing is noted. */
void answers_begin(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer, uint64_t print);
/* answers_keep keeps the answer (copied); answers_forget lets the next duplicate be handled anew. */
void answers_keep(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer,
                  struct rf_view rest);
void answers_forget(struct rf_overlay *o, uint64_t transaction_id, const struct rf_id *signer);

/* ---- dispatch.c, answer.c ---- */
struct handler {
    uint16_t code;
    rf_request_fn fn;
    void *arg;
};
/* What a handler is given: `pub`, with what answering it needs. */
struct request {
    struct rf_request pub;
    struct rf_list list;    /* deferred: in o->deferred */
    bool deferred, settled; /* settled: answered, refused or deferred */
    bool keep_answer;       /* for duplicates */
    struct rf_view rest;    /* contents and security block */
    struct rf_region region;
    struct rf_message message; /* deferred: what pub.message points to */
    uint8_t *bytes;            /* deferred: what that points into, owned */
};
void dispatch_request(struct rf_overlay *o, const struct arrival *a, const struct rf_message *message);
void requests_deinit(struct rf_overlay *o); /* drops what is deferred */
struct way request_way(const struct request *request);

/* ---- config.c ---- */
#define CONFIG_PUSHES 64
struct config_push { /* a ConfigUpdate that was sent lately */
    struct rf_id node;
    uint8_t type; /* enum rf_config_update_type */
    uint16_t sequence;
    uint64_t at_us;
};
int overlay_config_init(struct rf_overlay *o);
/* overlay_config_check compares the sequence numbers of 1.6; false: the request was refused and a ConfigUpdate sent. */
bool overlay_config_check(struct rf_overlay *o, struct request *request);
/* overlay_config_push sends our document, or the Kinds that came after it, to `node`; dests: the way there, empty = routed; over `link` if not
 * 0. Not more often than every few seconds to the same node. */
void overlay_config_push(struct rf_overlay *o, enum rf_config_update_type type, const struct rf_id *node,
                         struct rf_view dests, uint64_t link);

/* ---- ping.c, diag.c, trace.c ---- */
int overlay_ping_init(struct rf_overlay *o);
int overlay_diag_init(struct rf_overlay *o);
/* overlay_diag_answer fills the DiagnosticsResponse for a checked request. Errors: RF_EEXPIRED, RF_EFORBIDDEN, RF_EINVAL, those of out. */
int overlay_diag_answer(struct rf_overlay *o, const struct rf_request *request, const struct rf_diag_req *req,
                        struct rf_buf *infos, struct rf_diag_ans *out);
/* overlay_diag_refuse answers by the Error that belongs to what overlay_diag_answer returned. */
void overlay_diag_refuse(struct rf_overlay *o, struct rf_request *request, int error);
void overlay_traces_deinit(struct rf_overlay *o);

/* ---- overlay.c ---- */
struct rf_overlay {
    const struct rf_env *env;        /* borrowed */
    struct rf_overlay_config config; /* conf: one reference */
    struct rf_overlay_host host;
    struct rf_id self;
    uint64_t start_us;
    const struct rf_topology_ops *ops;
    struct rf_topology *topology; /* NULL while it is made or after it has gone */
    bool closing;
    struct rf_overlay_counters *counters;

    float apart[3]; /* distances of Resource-IDs from who answered for them, see detour.c */
    unsigned apart_count;
    struct bucket requests; /* that are delivered here, over all links */
    struct conns conns;
    struct opaques opaques;
    struct fragments *fragments; /* owned; NULL: no fragments have come lately */
    struct calls calls;
    struct answers *answers;  /* owned; NULL while none is kept */
    struct handler *handlers; /* owned */
    size_t handler_count;
    struct rf_list deferred;
    size_t deferred_count;
    struct rf_list traces;

    struct rf_list looped;
    size_t looped_count;
    struct rf_timer loop_timer;

    struct config_push *pushes; /* CONFIG_PUSHES of them, allocated at first need: most clients never push */
    size_t push_next;
    size_t push_count; /* under way */

    int (*diag_fill)(void *arg, uint16_t kind, struct rf_buf *out);
    void *diag_arg;
    size_t (*resource_count)(void *arg);
    void *resource_arg;

    /*
     * Kept between messages, so that most allocate nothing. out: the message that is being sent; piece: a fragment of it; contents: of a message of
     * ours; rest: these with the security block, what send_pack made; brief: a message of ours without our certificate; lists: destination list
     * and options of a response.
     */
    struct rf_scratch *scratch;
};

static inline uint64_t overlay_now(const struct rf_overlay *o)
{
    return o->env->now->mono_us;
}
static inline uint8_t overlay_id_len(const struct rf_overlay *o)
{
    return o->config.conf->id_len;
}
/* The maximum request lifetime: how long fragments, answers and opaque IDs are kept (1.3, 1.4, 1.7). Never below 15 s: calls may have
 * intervals of their own. */
static inline uint64_t overlay_lifetime_us(const struct rf_overlay *o)
{
    uint64_t us = 5 * o->config.conf->reliability_timer_ms * RF_US_PER_MS;
    return us > OVERLAY_MIN_LIFETIME_US ? us : OVERLAY_MIN_LIFETIME_US;
}
static inline bool overlay_is_peer(const struct rf_overlay *o)
{
    return o->config.role == RF_ROLE_PEER;
}
#define overlay_log(o, level, ...) rf_log_write((o)->env->log, RF_LOG_##level, "overlay", __VA_ARGS__)

#endif
