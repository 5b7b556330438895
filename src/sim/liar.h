/*
 * liar.h - supernodes that misbehave on purpose. A liar runs the same rf_node as everybody, so it stays in the ring, answers its neighbors and stores what
 * it is given; but a filter between its node and its links (engine.c hands it every frame in plain) swallows, changes and invents messages, signed
 * with the liar's real key. It knows what a real one could know: what passed it, the ring as its node sees it, and the document.
 *
 *   liar.c   who lies and from when on, where liars of RF_SIM_LIE_CLAIM stand, the filter, floods
 *   lies.c   what is done with one message
 *
 * A liar draws from a stream of its own and belongs to its node's shard, so sharding changes nothing.
 */
#ifndef RF_SIM_LIAR_H
#define RF_SIM_LIAR_H

#include "sim/world.h"

#define LIAR_TALES      256 /* values that a liar remembers */
#define LIAR_TALE_CERTS 2
#define LIAR_OLD        16 /* messages that it keeps to send them again */
#define LIAR_ENDS       1024

/* A value as it was stored first at a resource: good for old answers, and for forgeries. */
struct liar_tale {
    struct rf_id resource;
    uint32_t kind;
    struct rf_view stored; /* one StoredData; owned, as are the certificates */
    struct rf_view certs[LIAR_TALE_CERTS];
    size_t cert_count;
};

struct sim_liar {
    unsigned lies;        /* enum rf_sim_lie, of its step */
    bool active;          /* it lies now; before and after it only listens */
    bool drops_data;      /* DROP: Stores and Fetches, also those for itself, instead of whatever passes */
    double rate;          /* FLOOD: requests per second */
    struct rf_id claimed; /* CLAIM: its Node-ID; len 0: none */
    struct sim_stream stream;
    struct rf_identity identity;
    bool identified; /* identity is there */
    uint32_t sequence;
    uint64_t flood_us; /* when it flooded last */
    struct liar_tale *tales;
    size_t tale_count;
    struct rf_view old[LIAR_OLD]; /* owned */
    size_t old_next;
};

/* ---- liar.c, for lies.c ---- */

/* liar_identity: the node's key and certificate; NULL: out of memory. */
struct rf_identity *liar_identity(struct sim_node *n);
/* liar_send sends a message over a connection of the liar's, between those of its node; false: it cannot now. */
bool liar_send(struct sim_node *n, struct sim_ref end, struct rf_view message);
/* liar_any_end draws a connection to a supernode other than `but`; false: there is none. */
bool liar_any_end(struct sim_node *n, struct sim_ref but, struct sim_ref *out);

/* ---- lies.c ---- */

/* lie_about decides about a message that came over `end`: true, the node gets it; false, it does not. */
bool lie_about(struct sim_node *n, struct sim_ref end, struct rf_view message);
/* lie_in_update appends a message of the node's own with false neighbors to `out`; false: it is no Update. */
bool lie_in_update(struct sim_node *n, struct rf_view message, struct rf_buf *out);
/* lie_flood sends a request that nobody needs. */
void lie_flood(struct sim_node *n, struct sim_ref end);

#endif
