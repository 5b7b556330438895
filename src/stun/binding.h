/*
 * binding.h - answers to strangers: Binding requests without credentials (RFC 8489, section 7.3.1), and the budget of what is answered to people who have shown nothing.
 *
 * Each source network (an IPv4 address, a /64) has a second's worth of answers, filled up as time passes; networks share 1,024 places by hash. So nothing is remembered of
 * anybody, and nobody is flooded through us.
 */
#ifndef RF_STUN_BINDING_H
#define RF_STUN_BINDING_H

#include "base/clock.h"
#include "stun/stun.h"

#define RF_STUN_ASKERS 1024
struct rf_stun_askers {
    uint64_t full_us[RF_STUN_ASKERS]; /* when the budget of that place would be full again */
};
/* rf_stun_may_ask takes cost_us (of the second) out of the budget of `from`; false: there is not enough left. seed keys the places. */
bool rf_stun_may_ask(struct rf_stun_askers *askers, const uint64_t seed[2], const struct rf_addr *from,
                     uint64_t now_us, uint64_t cost_us);

#define RF_STUN_BINDING_COST_US (RF_US_PER_S / 200)
/*
 * rf_stun_answer_binding writes the answer to a Binding request into `out` (empty; 128 bytes suffice): XOR-MAPPED-ADDRESS, or 420 for what it does not know.
 * Errors: RF_EUNKNOWN no Binding request, or one with USERNAME, which is ICE's; RF_ELIMIT over the budget; those of rf_stun_decode and of `out`.
 */
int rf_stun_answer_binding(struct rf_stun_askers *askers, const uint64_t seed[2], const struct rf_addr *from,
                           uint64_t now_us, struct rf_view datagram, struct rf_buf *out);

#endif
