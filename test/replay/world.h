/* world.h - what the files of the runner share: the node, its shell, the scripted peers. */
#ifndef RF_TEST_REPLAY_WORLD_H
#define RF_TEST_REPLAY_WORLD_H

#include "base/rng.h"
#include "link/engine.h"
#include "node/node.h"
#include "support/pki.h"
#include "wire/frame.h"

#define MAX_PEERS     12
#define MAX_ARGS      24
#define MAX_AUTO      12
#define MAX_EVENTS    256
#define MAX_DOCUMENTS 4
#define MESSAGE_MAX   65536
#define TEXT_MAX      2048

/* The words of a line, in their order; k=v are found by arg(). */
struct words {
    char *word[MAX_ARGS];
    size_t count;
};
const char *arg(const struct words *w, const char *key); /* the value of key=value, NULL */
uint64_t arg_number(const struct words *w, const char *key, uint64_t otherwise); /* decimal or 0x */

enum listens { LISTENS_YES, LISTENS_NO, LISTENS_MUTE };

/* Something that a peer received: a message, or (message.len 0) a keep-alive. */
struct item {
    struct item *next;
    struct rf_buf message;
};

struct conn; /* of a peer with the node */

struct peer {
    struct world *world;
    char name[16];
    struct rf_identity identity;
    struct rf_engine *engine;
    struct rf_addr addr;
    enum listens listens;
    bool silent; /* acknowledges nothing */
    uint16_t autos[MAX_AUTO];
    size_t auto_count;
    struct conn *conn; /* the newest; NULL: none */
    struct item *inbox;
    struct rf_buf got;  /* what was expected and came last */
    struct rf_buf sent; /* the last request */
    struct rf_buf kept; /* v32 each: pieces not sent yet */
    uint64_t last_transaction;
    unsigned dialled; /* by the node, and not yet expected */
};

struct world {
    struct rf_pki pki;
    struct rf_conf_settings {
        uint16_t sequence;
        uint32_t max_message, timer_ms, update_s, ping_s;
        uint8_t ttl;
    } settings;
    char bootstraps[TEXT_MAX]; /* names with commas */
    struct rf_addr bootstrap_addrs[MAX_PEERS];
    uint64_t seed;
    bool made;
    struct rf_now now;
    struct rf_rng_seeded rng, node_rng;
    struct rf_timers timers; /* of the peers' engines; never set */
    struct rf_env env;
    struct rf_log log; /* to stderr when REPLAY_LOG is set */
    struct rf_node *node;
    struct rf_identity identity;
    struct rf_addr addr;
    struct peer peers[MAX_PEERS];
    size_t peer_count;
    struct conn *conns; /* all that are open */
    struct rf_conf *documents[MAX_DOCUMENTS];
    size_t document_count;
    const struct rf_id *bad;    /* bad-node of the document being made, */
    uint32_t other_max_message; /* and another max-message-size; 0: that of the settings */
    bool disk_fails, disk_holds;
    uint64_t held[64]; /* tokens */
    size_t held_count;
    enum rf_node_event_type events[MAX_EVENTS];
    size_t event_count;
    bool left, done;
    int done_error;
    char *why; /* TEXT_MAX: what did not hold */
};

/* ---- world.c: the shell of the node ---- */
void world_init(struct world *w, char *why);
void world_deinit(struct world *w);
bool world_set(struct world *w, const struct words *words); /* false: why says it; likewise the others */
bool world_peer(struct world *w, const struct words *words);
bool world_node(struct world *w, const struct words *words);
bool world_document(struct world *w, const struct words *words);
struct rf_conf *world_find_document(struct world *w, uint16_t sequence);
struct peer *world_find(struct world *w, const char *name);
bool id_by_digits(const char *digits, struct rf_id *out); /* the first digits; zeros follow */
const char *world_name(const struct world *w, const struct rf_id *id, char out[RF_ID_TEXT_LEN]);
void world_settle(struct world *w); /* until nobody has anything to do now */
bool world_step(struct world *w,
                uint64_t at_us); /* to the node's next deadline; false: it is later than at_us */
void world_disk_goes(struct world *w);
bool world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3))); /* false */

/* ---- peer.c: connections of scripted peers ---- */
bool peer_dial(struct peer *p, bool greet);
bool peer_greet(struct peer *p);
void peer_dialled(struct world *w, const struct rf_flow_action *action);
void peer_take(struct world *w, rf_link_id flow);        /* the node's output on it */
void peer_flow_closed(struct world *w, rf_link_id flow); /* by the node */
bool peer_deliver(struct world *w);                      /* what waits for the node; true: something did */
bool peer_close(struct peer *p);
bool peer_raw(struct peer *p, struct rf_view bytes, bool inside); /* inside the channel */
bool peer_frame(struct peer *p, struct rf_view message);
bool peer_closed(const struct peer *p);
void peer_deinit(struct peer *p);
void conns_free(struct world *w);
struct item *inbox_pop(struct peer *p); /* to be freed with item_free */
void item_free(struct item *item);

/* ---- message.c: what peers say ---- */
int code_by_name(const char *name); /* -1 */
bool message_send(struct peer *p, const char *code, const struct words *words);
bool message_answer(struct peer *p, const struct words *words);
bool message_kept(struct peer *p);
/* message_auto answers a request if the peer does that by itself. */
bool message_auto(struct peer *p, struct rf_view message);

/* ---- body.c: the methods' bodies from words ---- */
bool body_put(struct peer *p, uint16_t code, const struct words *words, struct rf_buf *out);
bool destinations_put(struct world *w, const char *text, struct rf_buf *out);
bool resource_of(struct world *w, const char *text, struct rf_id *out);
uint16_t error_by_name(const char *name); /* 0 */

/* ---- describe.c: a received message as "code=... key=value ..." ---- */
void describe(struct world *w, struct rf_view message, char out[TEXT_MAX]);

#endif
