/*
 * behaviour.c - what the answers of STUN servers tell about the NAT before a base: its mapping (RFC 4787, section 4.1), as in RFC 5780, section 4.3, but by
 * several servers at different addresses, none of which needs special abilities.
 *
 * Filtering is not asked for: that takes a server that answers from another address, and the pairs that work show it. Nor how long a binding lasts: that takes a
 * port that nothing else uses, for minutes.
 */
#include "ice/internal.h"

int rf_ice_behaviour(const struct rf_ice *ice, uint8_t base, struct rf_ice_behaviour *out)
{
    *out = (struct rf_ice_behaviour){0};
    if (base >= RF_ICE_MAX_BASES || ice->bases[base].addr.family == 0)
        return RF_EINVAL;
    const struct rf_addr *own = &ice->bases[base].addr;
    bool same = true;
    uint8_t failed = 0;
    for (size_t i = 0; i < RF_ICE_MAX_STUN; i++) {
        const struct ice_probe *p = ice->stuns[i] != NULL ? &ice->stuns[i]->probes[base] : NULL;
        if (p == NULL || !ice_probe_suits(p, 0xffff) || p->state == ICE_PROBE_NONE)
            continue;
        out->asked++;
        failed += p->silent;
        if (p->silent || p->mapped.family == 0)
            continue;
        if (out->answered++ == 0)
            out->mapped = p->mapped;
        same = same && rf_addr_equal(&out->mapped, &p->mapped);
        if (p->rtt_us != 0 && (out->rtt_us == 0 || p->rtt_us < out->rtt_us))
            out->rtt_us = p->rtt_us;
    }
    out->preserves_port = out->answered > 0 && out->mapped.port == own->port;
    if (out->answered == 0)
        out->mapping =
            out->asked > 0 && failed == out->asked ? RF_ICE_MAPPING_BLOCKED : RF_ICE_MAPPING_UNKNOWN;
    else if (!same)
        out->mapping = RF_ICE_MAPPING_DEPENDENT;
    else if (rf_addr_equal(own, &out->mapped))
        out->mapping = RF_ICE_MAPPING_NONE;
    else
        out->mapping = out->answered > 1 ? RF_ICE_MAPPING_INDEPENDENT : RF_ICE_MAPPING_UNKNOWN;
    return 0;
}
