/*
 * relay.h - the TURN client: one allocation per server, shared by all sessions (RFC 8656).
 *
 *   IDLE        nobody wants it
 *   QUEUED      waits for its turn to ask;  CONNECTING  waits for its stream
 *   ALLOCATING  Allocate is sent: without credentials the first time, which teaches realm and nonce (login.c)
 *   READY       has relayed addresses; refreshed a minute before it runs out; nobody uses it for relay_idle_us: given back, IDLE
 *   FAILED      refused or no answer; tried again for whoever wants it RETRY_US later
 *
 * A permission is asked for per address that a pair leads to, a channel per peer of a selected path. Both are renewed while somebody holds them.
 */
#ifndef RF_ICE_RELAY_H
#define RF_ICE_RELAY_H

#include "ice/internal.h"

#define ICE_MAX_PERMITS  64
#define ICE_MAX_CHANNELS 32
#define ICE_MAX_NONCE    763 /* bytes; realm, too (RFC 8489, sections 14.9, 14.10) */

enum ice_relay_state {
    ICE_RELAY_IDLE = 0,
    ICE_RELAY_QUEUED,
    ICE_RELAY_CONNECTING,
    ICE_RELAY_ALLOCATING,
    ICE_RELAY_READY,
    ICE_RELAY_FAILED
};
enum ice_grant_state { ICE_GRANT_NONE = 0, ICE_GRANT_ASKED, ICE_GRANT_OK, ICE_GRANT_REFUSED };

/* A permission (addr without port) or a channel. */
struct ice_grant {
    struct ice_job job;
    struct ice_relay *relay;
    struct rf_addr addr;
    uint64_t until_us, renew_us; /* renew_us 0: being asked for */
    uint16_t refs;
    uint16_t number; /* of a channel; 0: a permission */
    uint8_t state, tries;
};

struct ice_login {
    uint8_t *realm, *nonce; /* owned; NULL: not known yet */
    size_t realm_len, nonce_len;
    uint8_t offered[64], offered_len; /* PASSWORD-ALGORITHMS, to be sent back */
    uint8_t key[RF_STUN_KEY_MAX], key_len;
    uint8_t user_hash[RF_SHA256_LEN];
    bool sha256, anonymous;
};

struct ice_relay {
    struct ice_job job;
    struct rf_ice *ice;
    struct {
        struct rf_addr addr;
        bool stream;
        uint8_t family;
        char *user, *pass; /* owned */
    } server;
    struct ice_login login;
    uint8_t index, base, state, tries;
    bool redirected, cleared;
    bool verifying;  /* nobody has heard from it for a while: does it still know us? */
    uint32_t stream; /* 0: none */
    uint32_t users;
    struct rf_addr relayed, mapped;
    struct rf_list txns;
    struct rf_timer timer;
    uint64_t refresh_at, idle_at, failed_us, answered_us;
    struct ice_grant permits[ICE_MAX_PERMITS], channels[ICE_MAX_CHANNELS];
};

static inline uint8_t ice_way_of(const struct ice_relay *relay)
{
    return (uint8_t)(RF_ICE_MAX_BASES + relay->index);
}

/* login.c */
void ice_login_put(
    struct ice_relay *relay,
    struct rf_buf *out); /* user name to integrity; nothing before the server has told its realm */
/* ice_login_learn takes what a 401 or 438 says. Errors: RF_EFORMAT, RF_EAUTH somebody weakened the offer, RF_ENOMEM, RF_ECRYPTO. */
int ice_login_learn(struct ice_relay *relay, const struct rf_stun_msg *msg);
bool ice_login_verify(struct ice_relay *relay, const struct rf_stun_msg *msg);
void ice_login_forget(struct ice_relay *relay);

/* relay.c */
#define ICE_AGAIN (-1) /* send the request again: the server told what it wants to see */
/* ice_relay_code: what an answer says: 0 success, an error code, ICE_AGAIN. false: it is none. */
bool ice_relay_code(struct ice_relay *relay, struct ice_txn *txn, const struct ice_in *in,
                    const struct rf_stun_msg *msg, uint8_t *tries, int *code);
/* ice_relay_request puts credentials behind what stands in `out` and sends it. */
struct ice_txn *ice_relay_request(struct ice_relay *relay, const struct ice_txn_ops *ops, void *owner,
                                  uint16_t arg, struct rf_buf *out, const uint8_t id[RF_STUN_TXN_LEN]);
void ice_relay_wake(struct ice_relay *relay);
void ice_relay_lost(struct ice_relay *relay, bool again);
void ice_relay_end(struct ice_relay *relay); /* gives the allocation back */

/* permit.c */
void ice_grants_init(struct ice_relay *relay);
void ice_grants_drop(struct ice_relay *relay);
uint64_t ice_grants_next(const struct ice_relay *relay); /* when one is to be renewed; RF_NEVER */
void ice_grants_renew(struct ice_relay *relay);
bool ice_grant_for(const struct ice_relay *relay, const struct rf_addr *peer); /* has it a permission? */

#endif
