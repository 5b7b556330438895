/*
 * internal.h - what the files of turn/ share.
 *
 *   turn.c     birth and death, allocations and users, their ends
 *   auth.c     credentials, nonces, who is answered at all
 *   request.c  Binding, Allocate, Refresh, CreatePermission, ChannelBind
 *   data.c     ChannelData and Send one way, what peers send the other way
 *   peer.c     whom nobody is relayed to; budgets of bytes
 */
#ifndef RF_TURN_INTERNAL_H
#define RF_TURN_INTERNAL_H

#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "stun/binding.h"
#include "stun/stun.h"
#include "turn/turn.h"

#define TURN_LIFETIME_S    600
#define TURN_PERMISSION_US (300 * RF_US_PER_S)
#define TURN_CHANNEL_US    (600 * RF_US_PER_S)
#define TURN_MAX_PEERS     64 /* permissions, and channels, of one allocation */
#define TURN_MAX_REPLY     600
#define TURN_NONCE_LEN     45 /* cookie with features 13, expiry 8, MAC 24 */
#define TURN_NONCE_MS      600000

/* A bucket of bytes: filled up to a second's worth. */
struct turn_bucket {
    uint64_t per_s;   /* 0: no limit */
    uint64_t full_us; /* when it would be full */
};

struct turn_user {
    struct rf_map_node node;
    size_t allocations;
    struct turn_bucket bucket;
    uint8_t name_len;
    char name[];
};

struct turn_permission {
    struct rf_addr addr; /* port 0 */
    uint64_t until_us;
};
struct turn_channel {
    struct rf_addr peer;
    uint16_t number;
    uint64_t until_us;
};

struct rf_turn_alloc {
    struct rf_map_node node;
    struct rf_turn *turn;
    struct rf_turn_from from;
    uint8_t key_bytes[24]; /* of `from`, what the map goes by */
    uint8_t key_len;
    struct turn_user *user;
    char *user_name;              /* whole, with the expiry; owned */
    uint8_t txn[RF_STUN_TXN_LEN]; /* of the Allocate: it may be sent again */
    struct rf_addr relayed;
    void *socket;
    struct rf_timer expiry;
    struct turn_permission *permissions; /* owned */
    struct turn_channel *channels;       /* owned */
    uint8_t permission_count, permission_cap, channel_count, channel_cap;
};

struct rf_turn {
    const struct rf_env *env;
    struct rf_crypto *crypto;
    struct rf_turn_host host;
    uint8_t secrets[2][RF_TURN_SECRET_LEN]; /* the newest first */
    size_t secret_count;
    uint8_t nonce_key[RF_TURN_SECRET_LEN];
    char *realm, *software; /* owned */
    size_t max_allocations, max_per_user;
    uint64_t user_bytes_per_s;
    uint32_t max_lifetime_s;
    bool private_peers;
    struct rf_map allocs, users;
    struct rf_turn_alloc *last; /* that the last datagram of a client was for */
    struct turn_bucket bucket;
    struct rf_stun_askers askers;
    struct rf_turn_counters counters;
    uint8_t reply[TURN_MAX_REPLY];
};

/* A request under way. */
struct turn_request {
    struct rf_turn *turn;
    const struct rf_turn_from *from;
    const struct rf_stun_msg *msg;
    struct rf_turn_alloc *alloc; /* the client's, or NULL */
    /* after authentication */
    struct rf_view user; /* whole USERNAME */
    struct rf_view name; /* what stands behind the expiry */
    uint8_t key[RF_STUN_KEY_MAX];
    size_t key_len;
    enum rf_hash integrity; /* the answer's: SHA1, SHA256; NONE before authentication */
    struct rf_buf out;
    bool silent; /* no answer at all */
};

static inline uint64_t turn_now(const struct rf_turn *turn)
{
    return turn->env->now->mono_us;
}

/* turn.c */
struct rf_turn_alloc *turn_find(struct rf_turn *turn, const struct rf_turn_from *from);
/* turn_alloc_new: errors RF_ELIMIT the user's quota, RF_EAGAIN no room, those of open. */
int turn_alloc_new(struct turn_request *r, uint8_t family, bool even, uint32_t lifetime_s,
                   struct rf_turn_alloc **out);
void turn_alloc_free(struct rf_turn_alloc *alloc);
int turn_alloc_keep(struct rf_turn_alloc *alloc, uint32_t lifetime_s);

/* auth.c. turn_authenticate: false: an answer stands in r->out, or r->silent. turn_may_ask: is this source answered without credentials? */
bool turn_authenticate(struct turn_request *r);
bool turn_may_ask(struct turn_request *r, uint64_t cost_us);

/* request.c */
void turn_refuse(struct turn_request *r, int code);
void turn_begin(struct turn_request *r, enum rf_stun_class class);
void turn_handle(struct turn_request *r);

/* data.c */
/* turn_permit: errors RF_ELIMIT. */
int turn_permit(struct rf_turn_alloc *alloc, const struct rf_addr *peer);
/* turn_bind: errors RF_ECONFLICT number or peer bound otherwise, RF_ELIMIT, RF_ENOMEM. */
int turn_bind(struct rf_turn_alloc *alloc, uint16_t number, const struct rf_addr *peer);

/* peer.c */
bool turn_peer_good(const struct rf_turn *turn, const struct rf_addr *peer);
bool turn_spend(struct rf_turn *turn, struct turn_user *user, size_t len);

#endif
