/*
 * topology.h - the small struct behind which a topology plugin (overlay/chord) lives: who is responsible, where to send next, who
 * holds replicas, and the methods Join, Leave, Update, RouteQuery. A plugin includes this header only.
 */
#ifndef RF_OVERLAY_TOPOLOGY_H
#define RF_OVERLAY_TOPOLOGY_H

#include "base/counter.h"
#include "overlay/message.h"
#include "wire/chord.h"
#include "wire/method.h"

struct rf_topology; /* the plugin's object */

enum rf_topology_role {
    RF_ROLE_CLIENT =
        1,        /* attached to the peer responsible for our Node-ID; routes and stores nothing for others */
    RF_ROLE_PEER, /* supernode */
};
enum rf_topology_state {
    RF_TOPOLOGY_IDLE = 1, /* not started */
    RF_TOPOLOGY_JOINING,  /* looking for our place */
    RF_TOPOLOGY_JOINED,   /* peer: in the ring; client: attached to its supernode */
    RF_TOPOLOGY_LEAVING,
};

struct rf_topology_params {
    struct rf_id self;
    enum rf_topology_role role;
    uint64_t update_interval_us, ping_interval_us;
    bool reactive;
    bool self_tuning;                          /* CHORD-SELF-TUNING, RFC 7363 */
    size_t peers_to_probe;                     /* with self_tuning */
    size_t successor_count, predecessor_count; /* wanted, default 3 + 3; more in large rings */
    size_t finger_count;                       /* wanted, default 16, up to 128 */
    uint64_t hold_down_us;                     /* successor replacement hold-down, 30 s */
    uint64_t backoff_max_us; /* random waits before the overlay is looked for again, at most; 0: 60 s */
};

/* What a supernode at its budget says to a client that asked to be admitted (docs/protocol/admission.md). */
#define RF_REDIRECT_MAX 8
struct rf_redirect {
    struct rf_id from;       /* who refused */
    uint64_t retry_after_us; /* not to be asked again before */
    struct rf_id alternatives[RF_REDIRECT_MAX];
    size_t alternative_count;
};

/* What a plugin asks of the overlay. Functions of message.h may be used with `overlay`. */
struct rf_topology_host {
    struct rf_overlay *overlay;
    void *ctx;
    /*
     * attach: make a link to the node (or, resource: to the peer in charge of that Resource-ID) by an Attach, source-routed through `via` if not
     * NULL, over `link` if not 0. The end is told by rf_topology_ops.attached. Already linked or under way: fine, told as well.
     * attached and link_up come later, never from inside attach or bootstrap. When the link it was sent over goes down before the answer, the Attach
     * should end at once (RF_EUNREACHABLE); a new attach for the same target on another way is then not held back by the old one.
     */
    void (*attach)(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                   uint64_t link, bool send_update);
    /*
     * admit: the same for a client, which asks to be admitted by that peer: as a client in its home, or (reserve) to stand by. So the Attach is sent
     * even when there is a link. Ends in attached or refused. May be NULL: attach is used.
     */
    void (*admit)(void *ctx, const struct rf_id *target, bool resource, const struct rf_id *via,
                  uint64_t link, bool reserve);
    /*
     * redial: make a link to a node that we were linked with, at the address where it was. 0: the end is told by attached, later. RF_ENOTFOUND: that
     * address is not known; RF_EBUSY, RF_ELIMIT, RF_ENOMEM: not now. May be NULL: lost neighbors are not looked for.
     */
    int (*redial)(void *ctx, const struct rf_id *node);
    /* bootstrap: make a link to some bootstrap or remembered node (again); link_up follows, or bootstrap_failed. One that is linked already is
     * fine too: link_up is told once more, with bootstrap set. */
    void (*bootstrap)(void *ctx);
    /* outside: the bootstrap node that was linked last says that it is not in the ring itself. true: there are others to try at once. May be NULL. */
    bool (*outside)(void *ctx);
    void (*disconnect)(void *ctx,
                       uint64_t link); /* no longer wanted by the topology; link_down may follow, or not */
    /* keepalive: have the link's peer show that it lives, unless something went over it in the last `quiet_us`. Costs a frame and its
     * acknowledgement; link_suspect follows when there is none. May be NULL: RouteQueries are used. */
    void (*keepalive)(void *ctx, uint64_t link, uint64_t quiet_us);
    /* rtt: the link's round trip in microseconds as acknowledgements of frames show it, 0: not known. May be NULL: the topology measures by answers. */
    uint32_t (*rtt)(void *ctx, uint64_t link);
    /* state changed: JOINED means responsible for (pred, self] (peer) or reachable (client). */
    void (*state)(void *ctx, enum rf_topology_state state);
    /* our range or replica set changed: storage hands over, replicates, deletes. */
    void (*range_changed)(void *ctx);
    /* A node in charge of data is gone, told before range_changed. replicas() does not name it any more, but after a Leave, from which nobody
     * returns: who takes its place gets its copies at once. */
    void (*neighbor_lost)(void *ctx, const struct rf_id *node);
    /* clients: `home` is our supernode now. guest: it is not in charge of our Node-ID, so that we are reached only through it. May be NULL. */
    void (*homed)(void *ctx, const struct rf_id *home, bool guest);
    /* reserve: may a client keep a second supernode linked at the moment? May be NULL: yes. */
    bool (*reserve)(void *ctx);
    /* how many resources still wait to be handed over to their new owner: an admitting peer gives the joiner its place when it is 0
     * (5.5 step 6 before 7), or after some seconds. May be NULL: then at once. */
    size_t (*handover_pending)(void *ctx);
};

/* A node in the Connection Table as the overlay knows it. */
struct rf_conn {
    uint64_t link;
    struct rf_id node;
    bool outgoing;
    bool suspect;
};

struct rf_topology_status_entry {
    struct rf_id node;
    /* 'p' predecessor, 's' successor, 'f' finger, 'a' admitting/own supernode, 'b' backup supernode */
    char relation;
    unsigned rank; /* 1 = nearest; finger: entry i */
    uint64_t link; /* 0 = none at the moment */
    uint32_t uptime_s;
};

struct rf_topology_ops {
    const char *name; /* topology-plugin string, "CHORD-RELOAD" */
    int (*create)(const struct rf_env *env, const struct rf_topology_params *params,
                  const struct rf_topology_host *host, struct rf_topology **out);
    void (*destroy)(struct rf_topology *t);
    void (*configure)(struct rf_topology *t, const struct rf_topology_params *params); /* new intervals */
    /* start joining; first: we are the first peer and the ring by ourselves. Told again with first while JOINING: nobody else is there */
    void (*start)(struct rf_topology *t, bool first);
    void (*leave)(struct rf_topology *t); /* send Leaves; state LEAVING */
    /* retire: the same of a peer that goes on as a client: IDLE follows when host.handover_pending is 0, or after a minute */
    void (*retire)(struct rf_topology *t);
    /* become: go on in this role, with the links that stand: state JOINING. Not while LEAVING. Links that nobody needs are released.
     * RF_ENOMEM: nothing changes. */
    int (*become)(struct rf_topology *t, enum rf_topology_role role);
    /* asked_away: a supernode of this client is about to leave, and names others */
    void (*asked_away)(struct rf_topology *t, const struct rf_redirect *redirect);
    /* moved: this computer has other addresses or another way out, so links are lost that nobody else loses: no need to wait so that not all come at once. May be NULL. */
    void (*moved)(struct rf_topology *t);

    /* link_up: a node's first link, or (node known already) the link to use for it from now on, or a bootstrap link told again.
     * link_down: its last link is gone. link_suspect: conn->suspect says whether; not told while another link to the node is sound. */
    void (*link_up)(struct rf_topology *t, const struct rf_conn *conn, bool bootstrap);
    void (*link_down)(struct rf_topology *t, const struct rf_conn *conn, int reason);
    void (*link_suspect)(struct rf_topology *t, const struct rf_conn *conn);
    /* attached: how an attach() ended; node is set on success (for resource targets: who answered) */
    void (*attached)(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node, int error);
    /* refused: an admit() ended because that peer has no room; in place of attached. May be NULL: attached tells an error. */
    void (*refused)(struct rf_topology *t, const struct rf_id *target, const struct rf_redirect *redirect);
    void (*bootstrap_failed)(struct rf_topology *t);
    /* an AttachReq with send_update came from `node` and its link is up (or was already): send it a full Update (3.7) */
    void (*update_wanted)(struct rf_topology *t, const struct rf_id *node);
    /* a call to `node` timed out although it is in the routing table */
    void (*unresponsive)(struct rf_topology *t, const struct rf_id *node);

    /* routing (5.3). responsible: key is ours. next_hop: the linked node to send to; false = none. */
    bool (*responsible)(const struct rf_topology *t, const struct rf_id *key);
    bool (*in_range)(const struct rf_topology *t,
                     const struct rf_id *key); /* as responsible; used for Node-IDs of clients */
    bool (*next_hop)(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out);
    /*
     * other_hop: a linked node, none of `tried`, over which `key` may be reached as well: the next best one, or, with `rng`, any. false: there is none,
     * or the key is ours. May be NULL.
     */
    bool (*other_hop)(const struct rf_topology *t, const struct rf_id *key, const struct rf_id *tried,
                      size_t tried_count, struct rf_rng *rng, struct rf_id *out);
    /* 2.8 rule 4: may `signer` answer for `key`, as far as our neighbor table tells? */
    bool (*as_close)(const struct rf_topology *t, const struct rf_id *signer, const struct rf_id *key);

    /* replication (5.4). replicas: successors that hold copies of our data, nearest first; returns how many (<= max). */
    size_t (*replicas)(const struct rf_topology *t, struct rf_id *out, size_t max);
    bool (*ring_is_single)(const struct rf_topology *t); /* we know no other peer */
    /* may `sender` be responsible for `key` so that we are its replica? (4.3 check 2) */
    bool (*may_replicate)(const struct rf_topology *t, const struct rf_id *sender, const struct rf_id *key);
    /* false: three predecessors lie between us and `key`, the copy can go (5.7) */
    bool (*should_hold)(const struct rf_topology *t, const struct rf_id *key);
    /* who is responsible for `key` if it is not us but a neighbor we know; false: not known here */
    bool (*owner)(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out);

    /* is this linked node a peer, as far as we know? May be NULL: nobody is */
    bool (*is_peer)(const struct rf_topology *t, const struct rf_id *node);
    /* self-tuning (5.10), both may be NULL. tuning: what a ProbeReq or ProbeAns is to say of the overlay; false: nothing. tuned: what one said. */
    bool (*tuning)(const struct rf_topology *t, struct rf_self_tuning *out);
    void (*tuned)(struct rf_topology *t, const struct rf_self_tuning *data);
    enum rf_topology_state (*state)(const struct rf_topology *t);
    size_t (*status)(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max);
    double (*share)(const struct rf_topology *t); /* of the ring that we are responsible for, 0..1 */
    double (*size)(const struct rf_topology *t);  /* peers in the ring, by estimate; 0: we are not in it */
    /* named counters: `count` descriptions at `descs` (constant); returns the struct they point into, borrowed. */
    const void *(*counters)(const struct rf_topology *t, const struct rf_counter_desc **descs, size_t *count);
};

extern const struct rf_topology_ops rf_topology_chord;

#endif
