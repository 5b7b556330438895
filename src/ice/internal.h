/*
 * internal.h - what the files of ice/ share.
 *
 *   ice.c        birth and death, bases, the queue
 *   input.c      whose a datagram is
 *   pace.c       when a new transaction may begin: one order over all sessions
 *   txn.c        transactions: IDs, retransmissions, who is told
 *   probe.c      STUN servers: server-reflexive addresses;  behaviour.c: what they tell about the NAT
 *   candidate.c  foundations, priorities, local and remote candidates
 *   session.c    a session's life and its timer
 *   pair.c       the check list: pairs, order, freezing, who is next
 *   check.c      checks that we send, and what their answers mean
 *   nominate.c   which pair is chosen, when; the selected path and its changes
 *   answer.c     checks that we are sent; STUN for strangers
 *   consent.c    keep-alives, consent
 *   relay.c      TURN client: allocation and refresh;  login.c: its credentials;  permit.c: permissions and channels;  relay_data.c: what travels
 *
 * A way is where something leaves from: below RF_ICE_MAX_BASES a base, above it the relay of a TURN server.
 */
#ifndef RF_ICE_INTERNAL_H
#define RF_ICE_INTERNAL_H

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "ice/ice.h"
#include "stun/stun.h"

#define ICE_MIN_US         (5 * RF_US_PER_MS) /* between any two new transactions (RFC 8445, section 14.2) */
#define ICE_WAYS           (RF_ICE_MAX_BASES + RF_ICE_MAX_TURN)
#define ICE_UFRAG_LEN      8  /* 48 random bits; 24 are the least (section 5.3) */
#define ICE_PASS_LEN       24 /* 144; 128 are the least */
#define ICE_MSG_MAX        1400
#define ICE_MAX_EARLY      8
#define ICE_KEY_MAX        20
#define ICE_OLD_PATH_US    (10 * RF_US_PER_S)
#define ICE_CONSENT_END_US (30 * RF_US_PER_S) /* RFC 7675, section 5.1 */
#define ICE_DOUBT_US       (300 * RF_US_PER_MS)

struct ice_pair;
struct ice_relay;
struct rf_ice_session;

/* ---- in and out ---- */

struct ice_in { /* where a message came from */
    uint8_t way;
    struct rf_addr from;
    uint32_t stream; /* 0: none */
};
struct ice_out {
    struct rf_list at;
    struct rf_ice_out out;
    uint8_t bytes[];
};

/* ---- transactions ---- */

struct ice_txn;
struct ice_txn_ops {
    /* true: it was the answer, and txn is freed; false: it was none (wrong integrity): go on waiting. timeout frees txn, too. */
    bool (*answer)(struct ice_txn *txn, const struct ice_in *in, const struct rf_stun_msg *msg);
    void (*timeout)(struct ice_txn *txn);
};
struct ice_txn {
    struct rf_map_node node;
    uint8_t id[RF_STUN_TXN_LEN];
    struct rf_list at; /* of the owner's */
    struct rf_timer timer;
    struct rf_stun_retry retry;
    struct rf_ice *ice;
    const struct ice_txn_ops *ops;
    void *owner;
    uint64_t sent_us;
    struct rf_addr to;
    uint32_t stream; /* 0: by datagrams */
    uint16_t arg;    /* the owner's */
    uint8_t way;
    bool once;      /* never sent again */
    bool cancelled; /* not sent again any more, but an answer counts (section 7.3.1.4) */
    uint16_t len;
    uint8_t bytes[];
};

/* ---- a session ---- */

/* A remote transport address over a way: whose data come from there. */
struct ice_tuple {
    struct rf_map_node node;
    struct rf_ice_session *session; /* NULL: not in the map */
    uint8_t key_len, key[ICE_KEY_MAX];
};

struct ice_creds {           /* one ICE generation of a session */
    struct rf_map_node node; /* by our ufrag */
    struct rf_ice_session *session;
    char *remote_ufrag, *remote_pass; /* owned; NULL: not known yet */
    char ufrag[ICE_UFRAG_LEN + 1], pass[ICE_PASS_LEN + 1];
};

struct ice_local { /* a candidate of ours */
    struct rf_ice_cand cand;
    uint8_t way; /* of its base */
};

enum ice_pair_state { ICE_FROZEN = 0, ICE_WAITING, ICE_IN_PROGRESS, ICE_SUCCEEDED, ICE_PAIR_FAILED };
struct ice_pair {
    struct rf_list order;   /* check list, best first */
    struct rf_list trigger; /* triggered-check queue */
    struct rf_list txns;
    struct ice_tuple tuple;
    struct rf_ice_session *session;
    uint64_t priority, group, first_sent_us, rtt_us;
    uint32_t local_priority, remote_priority;
    struct rf_addr remote;
    uint8_t way, local_kind, remote_kind;
    uint8_t permit; /* relayed: its permission's place; ICE_NO_PERMIT */
    enum ice_pair_state state;
    bool nominate;       /* we: the next check says USE-CANDIDATE */
    bool peer_nominated; /* they did */
};

struct ice_path {
    bool set;
    uint8_t way, local_kind, remote_kind, permit, channel;
    struct rf_addr remote;
    struct ice_tuple tuple;
    struct ice_creds *creds; /* borrowed from the session */
    uint32_t remote_priority;
    uint64_t priority, rtt_us, sent_us, data_us, heard_us, consent_us; /* data_us: the session's own */
    uint64_t asked_us; /* for consent, first since it was given; 0: not */
};

struct ice_early { /* a check that came before the other agent's candidates */
    struct rf_addr from;
    uint32_t priority;
    uint8_t way;
    bool nominated;
};

struct rf_ice_session {
    struct rf_map_node node;
    rf_ice_id id;
    struct rf_list all, active; /* active: of those that gather, or of those that have pairs to check */
    struct rf_ice *ice;
    enum rf_ice_state state;
    bool controlling, moving, unanswered;
    uint8_t again_count;
    uint8_t relaying;
    uint16_t bases;
    uint16_t relays; /* bit per TURN server that it holds */
    uint64_t tie_breaker;
    uint64_t keepalive_us, consent_us;
    uint64_t idle_us;                    /* rf_ice_idle; 0: as keepalive_us */
    struct ice_creds *creds, *old_creds; /* owned; old ones until the restart has succeeded */
    struct ice_local *locals;            /* owned; freed on completion */
    struct rf_ice_cand *told;            /* owned; for rf_ice_local */
    struct rf_ice_cand *remotes;         /* owned; freed on completion */
    struct ice_early *early;             /* owned */
    uint8_t local_count, remote_count, early_count, pair_count;
    struct rf_list pairs, triggered;
    struct ice_pair *nominating;
    struct ice_path path, old_path;
    struct rf_list consents; /* transactions */
    struct rf_timer timer;   /* at the earliest of: */
    uint64_t gather_at, gather_relay_at, connect_at, grace_at, keep_at, consent_at, old_path_at, move_at,
        doubt_at;
    uint64_t started_us, first_valid_us, selected_us, doubt_since_us, again_us;
    struct ice_pair *doubt; /* will be nominated unless the path shows life */
};

/* ---- servers ---- */

enum ice_probe_state {
    ICE_PROBE_NONE = 0,
    ICE_PROBE_QUEUED,
    ICE_PROBE_ASKED,
    ICE_PROBE_DONE,
    ICE_PROBE_FAILED
};
struct ice_job { /* a transaction that waits for its turn */
    struct rf_list at;
    void (*run)(struct ice_job *job);
};
struct ice_probe { /* a STUN server seen from a base */
    struct ice_job job;
    struct rf_ice *ice;
    struct ice_txn *txn;
    struct rf_addr mapped;
    uint64_t answered_us, rtt_us;
    uint8_t base, server, state;
    bool silent; /* the last time it was asked */
};
struct ice_stun {
    struct rf_addr addr;
    struct ice_probe probes[RF_ICE_MAX_BASES];
};

struct ice_base {
    struct rf_addr addr; /* family 0: none */
    uint16_t preference;
};

struct rf_ice {
    const struct rf_env *env;
    struct rf_ice_config config;
    struct rf_crypto *crypto;
    struct ice_base bases[RF_ICE_MAX_BASES];
    struct ice_stun *stuns[RF_ICE_MAX_STUN];   /* owned */
    struct ice_relay *relays[RF_ICE_MAX_TURN]; /* owned */
    struct rf_map sessions, ufrags, tuples, txns;
    struct rf_list all, active, gathering, jobs;
    struct rf_list queue;     /* struct ice_out */
    struct ice_out *borrowed; /* that rf_ice_next gave last */
    size_t queued;
    rf_ice_id last_id;
    uint32_t last_stream;
    struct rf_ice_session *last; /* that rf_ice_send was for */
    struct rf_timer pace, keep;
    uint64_t next_any_us, next_check_us;
    uint64_t askers[64]; /* when a stranger's budget would be full, by hash of its network */
    struct rf_ice_counters counters;
    uint8_t build[ICE_MSG_MAX];
};

static inline uint64_t ice_now(const struct rf_ice *ice)
{
    return ice->env->now->mono_us;
}
static inline bool ice_is_base(uint8_t way)
{
    return way < RF_ICE_MAX_BASES;
}
static inline struct ice_relay *ice_relay_of(const struct rf_ice *ice, uint8_t way)
{
    return ice->relays[way - RF_ICE_MAX_BASES];
}

/* ice.c */
/* ice_push appends to the queue; false: no room. bytes are copied. */
bool ice_push(struct rf_ice *ice, const struct rf_ice_out *out, struct rf_view bytes);
void ice_event(struct rf_ice_session *s, enum rf_ice_out_type type, int error);
/* ice_emit sends a message of ours over a way. */
void ice_emit(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, struct rf_view bytes);
struct rf_ice_session *ice_find(const struct rf_ice *ice, rf_ice_id id);
/* ice_tuple_put: data from there are this session's from now on. `force`: also if they are another one's now. */
void ice_tuple_put(struct ice_tuple *tuple, struct rf_ice_session *s, uint8_t way,
                   const struct rf_addr *remote, bool force);
void ice_tuple_drop(struct ice_tuple *tuple, struct rf_ice *ice);
struct ice_tuple *ice_tuple_find(const struct rf_ice *ice, uint8_t way, const struct rf_addr *remote);

/* input.c. ice_inner: what a relay brought. */
enum rf_ice_in ice_inner(struct rf_ice *ice, uint8_t way, const struct rf_addr *from, struct rf_view bytes,
                         rf_ice_id *session, struct rf_view *data);

/* pace.c */
void ice_pace_init(struct rf_ice *ice);
void ice_pace_kick(struct rf_ice *ice); /* there may be something to do */
void ice_job_queue(struct rf_ice *ice, struct ice_job *job);

/* txn.c */
/* ice_txn_begin begins a request with a new ID in ice->build. */
void ice_txn_begin(struct rf_ice *ice, struct rf_buf *out, uint16_t method, uint8_t id[RF_STUN_TXN_LEN]);
struct ice_txn_start {
    const struct ice_txn_ops *ops;
    void *owner;
    struct rf_list *list; /* may be NULL */
    struct rf_addr to;
    uint64_t rto_us;
    uint32_t stream;
    uint16_t arg;
    uint8_t way;
    bool once;
};
/* ice_txn_send ends the message, sends it and waits for the answer. NULL: it could not be built, or no memory. */
struct ice_txn *ice_txn_send(struct rf_ice *ice, const struct ice_txn_start *start, struct rf_buf *out,
                             const uint8_t id[RF_STUN_TXN_LEN]);
void ice_txn_free(struct ice_txn *txn); /* NULL allowed */
void ice_txn_free_all(struct rf_list *list);
void ice_txn_answer(struct rf_ice *ice, const struct ice_in *in, const struct rf_stun_msg *msg);
struct rf_view ice_key_of_txn(const struct rf_map_node *node);

/* probe.c */
void ice_probe_init(struct ice_stun *stun, struct rf_ice *ice, uint8_t server);
void ice_probe_drop(struct ice_probe *probe);
bool ice_probe_suits(const struct ice_probe *probe,
                     uint16_t mask); /* one of these bases, of the server's family */
/* ice_probe_want: ask what is not known of the bases in `mask`. ice_probe_pending: does somebody still have to answer? */
void ice_probe_want(struct rf_ice *ice, uint16_t mask);
bool ice_probe_pending(const struct rf_ice *ice, uint16_t mask);
void ice_probe_keep(struct rf_ice *ice); /* while a session is not connected: the bindings must last */

/* candidate.c */
void ice_gather(struct rf_ice_session *s); /* fills s->locals */
void ice_local_add(struct rf_ice_session *s, const struct ice_local *local);
uint32_t ice_priority(uint8_t kind, uint16_t local_preference);
uint32_t ice_prflx_priority(const struct rf_ice *ice, uint8_t way);
/* ice_remote_add: NULL: cannot be used, or too many (counted). */
struct rf_ice_cand *ice_remote_add(struct rf_ice_session *s, const struct rf_ice_cand *cand);
struct rf_ice_cand *ice_remote_find(struct rf_ice_session *s, const struct rf_addr *addr);

/* session.c */
void ice_session_wake(struct rf_ice_session *s); /* a deadline has changed */
void ice_session_gathered(struct rf_ice *ice);   /* something is known: are sessions ready? */
void ice_session_fail(struct rf_ice_session *s, int error);
void ice_session_free(struct rf_ice_session *s);
void ice_session_strip(struct rf_ice_session *s);    /* frees candidates and pairs */
void ice_session_free_old(struct rf_ice_session *s); /* the generation before */
void ice_session_base_moved(struct rf_ice_session *s, uint8_t base);
/* ice_session_relay_gone: what it had over this relay is gone; for good, or it is being made again. */
void ice_session_relay_gone(struct rf_ice_session *s, uint8_t way, bool again);
void ice_session_relays(struct rf_ice_session *s); /* lets go of relays that it does not need any more */
struct rf_view ice_key_of_session(const struct rf_map_node *node);
struct rf_view ice_key_of_ufrag(const struct rf_map_node *node);

/* pair.c */
#define ICE_NO_PERMIT 0xff
void ice_pairs_form(struct rf_ice_session *s);
void ice_pairs_with(struct rf_ice_session *s, const struct rf_ice_cand *remote);
/* ice_pair_new puts it in its place; NULL: no room. */
struct ice_pair *ice_pair_new(struct rf_ice_session *s, uint8_t way, uint8_t local_kind,
                              uint32_t local_priority, const char *local_foundation,
                              const struct rf_ice_cand *remote);
void ice_pair_free(struct ice_pair *pair);
struct ice_pair *ice_pair_find(struct rf_ice_session *s, uint8_t way, const struct rf_addr *remote);
struct ice_pair *ice_pair_next(struct rf_ice_session *s); /* the next ordinary check's, or NULL */
bool ice_pair_relayed(const struct ice_pair *pair);
bool ice_pair_usable(const struct ice_pair *pair); /* its permission is there */
void ice_pair_trigger(struct ice_pair *pair);
void ice_pairs_roles(struct rf_ice_session *s); /* the role has changed */
void ice_pairs_unfreeze(struct rf_ice_session *s, uint64_t group);
void ice_pair_dead(struct ice_pair *pair);

/* check.c */
void ice_check_send(struct ice_pair *pair);
/* ice_check_put writes USERNAME, PRIORITY, role, integrity and fingerprint of a check with these credentials. */
void ice_check_put(struct rf_ice_session *s, struct rf_buf *out, const struct ice_creds *creds, uint8_t way,
                   bool use_candidate);
void ice_switch_role(struct rf_ice_session *s);

/* nominate.c */
void ice_nominate_look(struct rf_ice_session *s); /* is there something to nominate? */
void ice_select(struct ice_pair *pair);           /* may free it and all other pairs */
void ice_path_drop(struct rf_ice_session *s, struct ice_path *path);
/* ice_peer_check: a good check came; priority of the candidate it came from, if that is new */
void ice_peer_check(struct rf_ice_session *s, uint8_t way, const struct rf_addr *from, uint32_t priority,
                    bool nominated);
void ice_doubt_over(struct rf_ice_session *s);

/* answer.c */
void ice_answer(struct rf_ice *ice, const struct ice_in *in, const struct rf_stun_msg *msg);

/* consent.c */
void ice_consent_begin(struct rf_ice_session *s);
void ice_consent_ask(struct rf_ice_session *s);
void ice_keep_fire(struct rf_ice_session *s);
void ice_consent_fire(struct rf_ice_session *s);
/* ice_consent_used: something is sent, perhaps after a long rest. ice_consent_as_ever: rests are no longer than without rf_ice_idle, from now on. */
void ice_consent_used(struct rf_ice_session *s);
void ice_consent_as_ever(struct rf_ice_session *s);

/* relay.c */
bool ice_relay_up(const struct rf_ice *ice, uint8_t way);
int ice_relay_new(struct rf_ice *ice, const struct rf_ice_turn *turn, uint8_t server);
int ice_relay_login(struct ice_relay *relay, const char *user, const char *pass);
void ice_relay_free(struct ice_relay *relay);
void ice_relay_hold(struct rf_ice_session *s);    /* the session wants relays */
void ice_relay_release(struct rf_ice_session *s); /* and does not any more */
bool ice_relay_pending(const struct ice_relay *relay);
bool ice_relay_ready(const struct ice_relay *relay);
void ice_relay_base_gone(struct rf_ice *ice, uint8_t base);
/* ice_relay_addrs: the allocation's addresses; mapped.family 0: not told. */
void ice_relay_addrs(const struct ice_relay *relay, struct rf_addr *relayed, struct rf_addr *mapped,
                     uint8_t *base);

/* permit.c: places in a relay's tables; ICE_NO_PERMIT: full */
uint8_t ice_permit_hold(struct rf_ice *ice, uint8_t way, const struct rf_addr *peer);
void ice_permit_release(struct rf_ice *ice, uint8_t way, uint8_t permit);
bool ice_permit_ready(const struct rf_ice *ice, uint8_t way, uint8_t permit);
uint8_t ice_channel_hold(struct rf_ice *ice, uint8_t way, const struct rf_addr *peer);
void ice_channel_release(struct rf_ice *ice, uint8_t way, uint8_t channel);

/* relay_data.c */
void ice_relay_emit(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, struct rf_view bytes);
void ice_relay_wrap(struct rf_ice *ice, uint8_t way, const struct rf_addr *to, uint8_t channel, size_t len,
                    struct rf_ice_wrap *out);
/* ice_relay_at: the relay that this came from, NULL if none. */
struct ice_relay *ice_relay_at(const struct rf_ice *ice, const struct ice_in *in);
enum rf_ice_in ice_relay_channel(struct rf_ice *ice, const struct ice_in *in, struct rf_view bytes,
                                 rf_ice_id *session, struct rf_view *data);
enum rf_ice_in ice_relay_indication(struct rf_ice *ice, const struct ice_in *in,
                                    const struct rf_stun_msg *msg, rf_ice_id *session, struct rf_view *data);

#endif
