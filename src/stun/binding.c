/* binding.c - answers to strangers. */
#include "stun/binding.h"

#include "base/map.h"

bool rf_stun_may_ask(struct rf_stun_askers *askers, const uint64_t seed[2], const struct rf_addr *from,
                     uint64_t now_us, uint64_t cost_us)
{
    struct rf_view net = rf_view_of(from->ip, from->family == 4 ? 4 : 8);
    uint64_t *full_us = &askers->full_us[rf_hash64(seed, net) % RF_STUN_ASKERS];
    uint64_t from_us = *full_us > now_us ? *full_us : now_us;
    if (from_us + cost_us > now_us + RF_US_PER_S)
        return false;
    *full_us = from_us + cost_us;
    return true;
}

int rf_stun_answer_binding(struct rf_stun_askers *askers, const uint64_t seed[2], const struct rf_addr *from,
                           uint64_t now_us, struct rf_view datagram, struct rf_buf *out)
{
    struct rf_stun_msg msg;
    struct rf_view user;
    uint16_t unknown[RF_STUN_MAX_UNKNOWN];
    int error = rf_stun_is(datagram) ? rf_stun_decode(datagram, &msg) : RF_EUNKNOWN;
    if (error != 0)
        return error;
    if (msg.class != RF_STUN_REQUEST || msg.method != RF_STUN_BINDING ||
        rf_stun_find(&msg, RF_STUN_USERNAME, &user))
        return RF_EUNKNOWN;
    if (!rf_stun_may_ask(askers, seed, from, now_us, RF_STUN_BINDING_COST_US))
        return RF_ELIMIT;
    size_t count = rf_stun_unknown(&msg, NULL, 0, unknown);
    rf_stun_begin(out, count == 0 ? RF_STUN_SUCCESS : RF_STUN_ERROR, RF_STUN_BINDING, msg.txn);
    if (count == 0) {
        rf_stun_put_address(out, RF_STUN_XOR_MAPPED_ADDRESS, true, from);
    } else {
        rf_stun_put_error(out, RF_STUN_UNKNOWN_ATTRIBUTE);
        rf_stun_put_unknown(out, unknown, count);
    }
    if (msg.fingerprint_at != 0)
        rf_stun_put_fingerprint(out);
    return rf_stun_end(out);
}
