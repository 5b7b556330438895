/*
 * candidate.c - candidates: ours from bases, STUN servers and relays; the other agent's (RFC 8445, sections 5.1.1 to 5.1.3).
 *
 * A foundation is the kind's letter, the first base of that address and the server: "h0", "s0a1", "r2".
 */
#include <stdio.h>

#include "ice/internal.h"

#define GROW 4

uint32_t ice_priority(uint8_t kind, uint16_t local_preference)
{
    static const uint8_t type_preference[] = {0, 126, 100, 110, 0};
    return (uint32_t)type_preference[kind] << 24 | (uint32_t)local_preference << 8 | 255;
}

/* Of a way: a base's own; relays come in the order of their servers, those that datagrams reach first. */
static uint16_t preference_of(const struct rf_ice *ice, uint8_t way)
{
    return ice_is_base(way) ? ice->bases[way].preference : (uint16_t)(UINT16_MAX - way);
}

uint32_t ice_prflx_priority(const struct rf_ice *ice, uint8_t way)
{
    return ice_priority(RF_ICE_KIND_PRFLX, preference_of(ice, way));
}

/* The first base of the same IP address: ports do not matter to foundations. */
static unsigned base_group(const struct rf_ice *ice, uint8_t base)
{
    unsigned i = 0;
    while (i < base && !rf_addr_same_ip(&ice->bases[i].addr, &ice->bases[base].addr))
        i++;
    return i;
}

/* Room for one more of `size` bytes in an array that grows by GROW; NULL: no memory, the array is as it was. */
static void *grow(struct rf_ice *ice, void *array, size_t count, size_t size)
{
    return count % GROW != 0 ? array : rf_resize(ice->env->mem, array, (count + GROW) * size);
}

void ice_local_add(struct rf_ice_session *s, const struct ice_local *local)
{
    for (size_t i = 0; i < s->local_count; i++)
        if (rf_addr_equal(&s->locals[i].cand.addr, &local->cand.addr) && s->locals[i].way == local->way)
            return; /* redundant (section 5.1.3): those of higher priority come first */
    struct ice_local *locals =
        s->local_count < RF_ICE_MAX_LOCAL ? grow(s->ice, s->locals, s->local_count, sizeof(*locals)) : NULL;
    if (locals == NULL) {
        s->ice->counters.limited++;
        return;
    }
    s->locals = locals;
    s->locals[s->local_count++] = *local;
}

static void add_host(struct rf_ice_session *s, uint8_t base)
{
    const struct ice_base *b = &s->ice->bases[base];
    struct ice_local l = {.way = base, .cand = {.addr = b->addr, .kind = RF_ICE_KIND_HOST}};
    l.cand.priority = ice_priority(l.cand.kind, b->preference);
    snprintf(l.cand.foundation, sizeof(l.cand.foundation), "h%u", base_group(s->ice, base));
    ice_local_add(s, &l);
}

static void add_reflexive(struct rf_ice_session *s, uint8_t base, const struct rf_addr *mapped,
                          char server_kind, unsigned server)
{
    const struct ice_base *b = &s->ice->bases[base];
    struct ice_local l = {.way = base,
                          .cand = {.addr = *mapped, .related = b->addr, .kind = RF_ICE_KIND_SRFLX}};
    l.cand.priority = ice_priority(l.cand.kind, b->preference);
    snprintf(l.cand.foundation, sizeof(l.cand.foundation), "s%u%c%u", base_group(s->ice, base), server_kind,
             server);
    ice_local_add(s, &l);
}

static void add_relayed(struct rf_ice_session *s, uint8_t server)
{
    uint8_t way = (uint8_t)(RF_ICE_MAX_BASES + server), base;
    struct rf_addr relayed, mapped;
    ice_relay_addrs(s->ice->relays[server], &relayed, &mapped, &base);
    if (base != RF_ICE_NO_BASE && s->relaying != RF_ICE_RELAY_ONLY && (s->bases >> base & 1) != 0 &&
        mapped.family != 0)
        add_reflexive(s, base, &mapped, 'r', server);
    struct ice_local l = {.way = way,
                          .cand = {.addr = relayed, .related = mapped, .kind = RF_ICE_KIND_RELAY}};
    l.cand.priority = ice_priority(l.cand.kind, preference_of(s->ice, way));
    snprintf(l.cand.foundation, sizeof(l.cand.foundation), "r%u", server);
    ice_local_add(s, &l);
}

void ice_gather(struct rf_ice_session *s)
{
    struct rf_ice *ice = s->ice;
    rf_free(ice->env->mem, s->locals);
    s->locals = NULL;
    s->local_count = 0;
    for (uint8_t b = 0; b < RF_ICE_MAX_BASES && s->relaying != RF_ICE_RELAY_ONLY; b++)
        if (ice->bases[b].addr.family != 0 && (s->bases >> b & 1) != 0)
            add_host(s, b);
    for (size_t i = 0; i < RF_ICE_MAX_STUN && s->relaying != RF_ICE_RELAY_ONLY; i++)
        for (uint8_t b = 0; ice->stuns[i] != NULL && b < RF_ICE_MAX_BASES; b++) {
            const struct ice_probe *p = &ice->stuns[i]->probes[b];
            if (p->mapped.family != 0 && ice->bases[b].addr.family != 0 && (s->bases >> b & 1) != 0)
                add_reflexive(s, b, &p->mapped, 'a', (unsigned)i);
        }
    for (uint8_t i = 0; i < RF_ICE_MAX_TURN; i++)
        if ((s->relays >> i & 1) != 0 && ice_relay_ready(ice->relays[i]))
            add_relayed(s, i);
}

/* ---- the other agent's ---- */

struct rf_ice_cand *ice_remote_find(struct rf_ice_session *s, const struct rf_addr *addr)
{
    for (size_t i = 0; i < s->remote_count; i++)
        if (rf_addr_equal(&s->remotes[i].addr, addr))
            return &s->remotes[i];
    return NULL;
}

/* An address that one host has: no multicast, no broadcast, not "this network". */
static bool is_unicast(const struct rf_addr *addr)
{
    if (addr->family == 4)
        return addr->ip[0] != 0 && addr->ip[0] < 224;
    return addr->family == 6 && addr->ip[0] != 0xff && !rf_addr_is_any(addr);
}

struct rf_ice_cand *ice_remote_add(struct rf_ice_session *s, const struct rf_ice_cand *cand)
{
    bool usable = is_unicast(&cand->addr) && cand->addr.port != 0 && cand->kind >= RF_ICE_KIND_HOST &&
                  cand->kind <= RF_ICE_KIND_RELAY && cand->priority != 0;
    struct rf_ice_cand *known = usable ? ice_remote_find(s, &cand->addr) : NULL;
    if (known != NULL && known->kind == RF_ICE_KIND_PRFLX && cand->kind != RF_ICE_KIND_PRFLX)
        *known = *cand; /* found by its checks before (section 7.3.1.3) */
    if (known != NULL)
        return known;
    struct rf_ice_cand *remotes = usable && s->remote_count < RF_ICE_MAX_REMOTE
                                      ? grow(s->ice, s->remotes, s->remote_count, sizeof(*remotes))
                                      : NULL;
    if (remotes == NULL) {
        s->ice->counters.limited++;
        return NULL;
    }
    s->remotes = remotes;
    s->remotes[s->remote_count] = *cand;
    s->remotes[s->remote_count].foundation[RF_ICE_FOUNDATION_MAX] = '\0';
    return &s->remotes[s->remote_count++];
}
