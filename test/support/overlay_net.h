/*
 * overlay_net.h - overlay objects joined by links in memory, on a virtual clock: for tests of the transport. One seed decides everything.
 *
 * The topology plugin is a fixed picture written here: peers in the order of their Node-IDs, linked as a line, a ring or a full mesh;
 * a peer is responsible for what lies between its predecessor and itself; clients hang on one peer each. It knows nothing of links
 * that break, so that what the transport does about it can be seen.
 */
#ifndef RF_TEST_SUPPORT_OVERLAY_NET_H
#define RF_TEST_SUPPORT_OVERLAY_NET_H

#include "base/rng.h"
#include "overlay/overlay.h"
#include "support/pki.h"

#define ONET_MAX_NODES 32
#define ONET_MAX_LINKS 256

enum onet_shape { ONET_LINE, ONET_RING, ONET_MESH };

struct onet;
struct onet_node {
    struct onet *net;
    size_t index;
    enum rf_topology_role role;
    size_t supernode; /* of a client */
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_env env;
    struct rf_rng_seeded secret, jitter;
    struct rf_overlay *overlay;
    /* what it was told */
    size_t link_ups, link_downs, suspects, disconnects, configured, unresponsive, states;
    size_t wishes;       /* attach, bootstrap */
    size_t ranges, lost; /* range_changed, neighbor_lost */
    size_t starts, leaves, attached, bootstrap_failed, updates_wanted,
        reconfigured;             /* what the topology heard */
    struct rf_topology_host host; /* that the topology was given */
    bool stranger;                /* the topology says that nothing is ours, and knows no next hop */
    struct rf_id last_unresponsive;
    uint64_t last_link_up;  /* link of the last link_up */
    size_t detour;          /* if not 0: it sends everything to node detour - 1 */
    bool refuses_documents; /* host.configured does nothing */
    struct rf_conf *conf;   /* that is in force here */
};

struct onet_link {
    size_t a, b;         /* node numbers */
    uint64_t at_a, at_b; /* its number at either end; 0 = down */
    bool full;           /* takes nothing */
    size_t max_message;  /* takes nothing larger; 0: no limit */
};

struct onet {
    struct rf_pki pki;
    struct rf_mem_test mem; /* of the overlays */
    struct rf_now now;
    struct rf_timers timers;
    struct rf_rng_seeded rng;
    enum onet_shape shape;
    size_t max_message; /* of links that are made from now on; 0: no limit */
    /* set before nodes are added: */
    uint32_t max_requests_per_s;
    enum rf_key_type key_type; /* 0: Ed25519, whose signatures are all of one length */
    bool brief;                /* links keep certificates (kept_cert) */
    bool renewed;              /* ... but an old one of node 0 */
    void (*adjust_overlay)(struct rf_overlay_config *config); /* called last, may be NULL */
    struct onet_node nodes[ONET_MAX_NODES];
    size_t count, peer_count;
    struct onet_link links[ONET_MAX_LINKS];
    size_t link_count;
    uint64_t last_number;
    uint64_t latency_us, jitter_us; /* of every message; jitter reorders */
    unsigned loss_percent, duplicate_percent;
    uint64_t messages; /* sent on links */
    bool
        other_ways; /* the topology knows other hops: every peer that is linked, in the order of their numbers */
    bool anybody; /* and takes anybody for as close as can be */
    /* sees every message before it is sent and may change it (message->p points to len writable bytes); false: it is lost */
    bool (*tap)(void *arg, size_t from, size_t to, struct rf_view *message);
    void *tap_arg;
};

/* onet_init makes `peer_count` peers with ascending Node-IDs, linked by `shape` (LINE, RING: neighbors; MESH: all with all). */
void onet_init(struct onet *net, uint64_t seed, size_t peer_count, enum onet_shape shape,
               void (*adjust)(struct rf_conf *draft, void *arg), void *arg);
/* the same without peers: set fields, then onet_start */
void onet_prepare(struct onet *net, uint64_t seed, void (*adjust)(struct rf_conf *draft, void *arg),
                  void *arg);
void onet_start(struct onet *net, size_t peer_count, enum onet_shape shape);
void onet_deinit(struct onet *net);                         /* checks that no memory is left */
size_t onet_add_client(struct onet *net, size_t supernode); /* returns its number */
size_t onet_connect(struct onet *net, size_t a, size_t b); /* another link; returns its place in net->links */
void onet_cut(struct onet *net, size_t link);
uint64_t onet_link_of(const struct onet *net, size_t from, size_t to); /* newest link's number at `from` */
void onet_run(struct onet *net, uint64_t us);
const struct rf_id *onet_id(const struct onet *net, size_t i);
/* onet_key makes a Resource-ID that node i is responsible for. */
struct rf_id onet_key(const struct onet *net, size_t i);
const struct rf_overlay_counters *onet_counters(const struct onet *net, size_t i);
/* onet_fragments: messages of which pieces wait at it; bytes, unless NULL: what they take. */
size_t onet_fragments(const struct onet *net, size_t i, size_t *bytes);
/* onet_send_raw puts a message on the link from `from` to `to`, without the tap. */
void onet_send_raw(struct onet *net, size_t from, size_t to, struct rf_view message);

/* One call and what it came to. */
struct onet_result {
    size_t done;
    int error;
    uint16_t error_code;
    uint8_t body[8192];
    size_t body_len;
    uint8_t info[256];
    size_t info_len;
    struct rf_id signer;
    uint64_t link, rtt_us;
    unsigned transmissions;
    struct rf_header header; /* without its lists */
    uint8_t dests[256];
    size_t dests_len;
    bool extension; /* the answer carries extensions */
    rf_call_id id;
};
void onet_done(void *arg, const struct rf_reply *reply); /* arg: struct onet_result */
/* onet_call sends `body` to a node (or the peer in charge of a key) with method exp_a unless code is set; fills result->id. */
int onet_call(struct onet *net, size_t from, struct rf_call *call, struct onet_result *result);
int onet_call_node(struct onet *net, size_t from, size_t to, struct rf_view body, struct onet_result *result);
int onet_call_key(struct onet *net, size_t from, const struct rf_id *key, struct rf_view body,
                  struct onet_result *result);

/* A handler of exp_a that answers with the request's body, and remembers. */
struct onet_echo {
    struct rf_overlay *overlay;
    size_t count;
    uint8_t via[2048]; /* of the last request */
    size_t via_len;
    struct rf_header header;
    struct rf_id signer;
    bool to_resource, to_wildcard;
    uint64_t link;
    /* what to do instead */
    bool defer;
    struct rf_request *deferred[16];
    size_t deferred_count;
    uint16_t refuse;   /* error code */
    size_t answer_len; /* a body of that many bytes */
    int last_error;    /* of rf_overlay_answer */
    size_t room;       /* rf_overlay_room */
};
void onet_echo_init(struct onet *net, size_t i, struct onet_echo *echo);
/* onet_line_init: a line of peers (seed 1), the last of which echoes. */
void onet_line_init(struct onet *net, size_t peer_count, void (*adjust)(struct rf_conf *draft, void *arg),
                    struct onet_echo *echo);

#endif
