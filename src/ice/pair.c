/* pair.c - the check list: which pairs there are, their order and states, whose turn it is (RFC 8445, section 6.1.2 to 6.1.4). */
#include "ice/internal.h"

bool ice_pair_relayed(const struct ice_pair *pair)
{
    return !ice_is_base(pair->way) || pair->remote_kind == RF_ICE_KIND_RELAY;
}

bool ice_pair_usable(const struct ice_pair *pair)
{
    return ice_is_base(pair->way) || ice_permit_ready(pair->session->ice, pair->way, pair->permit);
}

static uint64_t priority_of(const struct rf_ice_session *s, const struct ice_pair *pair)
{
    uint64_t g = s->controlling ? pair->local_priority : pair->remote_priority;
    uint64_t d = s->controlling ? pair->remote_priority : pair->local_priority;
    return ((g < d ? g : d) << 32) + 2 * (g > d ? g : d) + (g > d);
}

static void put_in_order(struct rf_ice_session *s, struct ice_pair *pair)
{
    pair->priority = priority_of(s, pair);
    struct rf_list *before = &s->pairs;
    while (before->prev != &s->pairs &&
           RF_LIST_ENTRY(before->prev, struct ice_pair, order)->priority < pair->priority)
        before = before->prev;
    rf_list_push_back(before, &pair->order);
}

void ice_pairs_roles(struct rf_ice_session *s)
{
    struct rf_list old;
    rf_list_init(&old);
    RF_LIST_EACH_SAFE(&s->pairs, it)
    {
        rf_list_remove(it);
        rf_list_push_back(&old, it);
    }
    RF_LIST_EACH_SAFE(&old, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        rf_list_remove(it);
        put_in_order(s, pair);
    }
}

/* ---- birth and death ---- */

static bool make_room(struct rf_ice_session *s, uint64_t priority)
{
    if (s->pair_count < RF_ICE_MAX_PAIRS)
        return true;
    s->ice->counters.limited++;
    struct ice_pair *worst = RF_LIST_ENTRY(s->pairs.prev, struct ice_pair, order);
    if (worst->priority >= priority || (worst->state != ICE_FROZEN && worst->state != ICE_WAITING))
        return false;
    ice_pair_free(worst);
    return true;
}

static uint64_t group_of(const struct rf_ice *ice, const char *local, const char *remote)
{
    char both[2 * RF_ICE_FOUNDATION_MAX + 3];
    size_t local_len = strlen(local), remote_len = strlen(remote);
    memcpy(both, local, local_len);
    both[local_len] = '\n';
    memcpy(both + local_len + 1, remote, remote_len);
    return rf_hash64(ice->env->seed, rf_view_of(both, local_len + 1 + remote_len));
}

struct ice_pair *ice_pair_new(struct rf_ice_session *s, uint8_t way, uint8_t local_kind,
                              uint32_t local_priority, const char *local_foundation,
                              const struct rf_ice_cand *remote)
{
    struct rf_ice *ice = s->ice;
    struct ice_pair *pair = rf_zalloc(ice->env->mem, sizeof(*pair));
    if (pair == NULL)
        return NULL;
    *pair = (struct ice_pair){.session = s,
                              .way = way,
                              .local_kind = local_kind,
                              .local_priority = local_priority,
                              .remote = remote->addr,
                              .remote_kind = remote->kind,
                              .remote_priority = remote->priority,
                              .permit = ICE_NO_PERMIT,
                              .group = group_of(ice, local_foundation, remote->foundation)};
    if (make_room(s, priority_of(s, pair)) && !ice_is_base(way))
        pair->permit = ice_permit_hold(ice, way, &remote->addr);
    if (s->pair_count >= RF_ICE_MAX_PAIRS || (!ice_is_base(way) && pair->permit == ICE_NO_PERMIT)) {
        rf_free(ice->env->mem, pair);
        return NULL;
    }
    rf_list_init(&pair->trigger);
    rf_list_init(&pair->txns);
    put_in_order(s, pair);
    s->pair_count++;
    if (rf_list_empty(&s->active))
        rf_list_push_back(&ice->active, &s->active);
    return pair;
}

void ice_pair_free(struct ice_pair *pair)
{
    struct rf_ice_session *s = pair->session;
    struct rf_ice *ice = s->ice;
    ice_txn_free_all(&pair->txns);
    ice_tuple_drop(&pair->tuple, ice);
    if (pair->permit != ICE_NO_PERMIT)
        ice_permit_release(ice, pair->way, pair->permit);
    if (s->nominating == pair)
        s->nominating = NULL;
    if (s->doubt == pair)
        s->doubt = NULL;
    rf_list_remove(&pair->order);
    rf_list_remove(&pair->trigger);
    rf_free(ice->env->mem, pair);
    if (--s->pair_count == 0)
        rf_list_remove(&s->active);
}

struct ice_pair *ice_pair_find(struct rf_ice_session *s, uint8_t way, const struct rf_addr *remote)
{
    RF_LIST_EACH(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->way == way && rf_addr_equal(&pair->remote, remote))
            return pair;
    }
    return NULL;
}

/* ---- forming the list ---- */

static bool is_link_local(const struct rf_addr *addr)
{
    return addr->family == 6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
}

/* What can reach what: not a relay in the public network something private; link-local only its like (section 6.1.2.2). */
static bool fits(const struct ice_local *local, const struct rf_ice_cand *remote)
{
    const struct rf_addr *l = &local->cand.addr, *r = &remote->addr;
    if (l->family != r->family || is_link_local(l) != is_link_local(r))
        return false;
    if (local->cand.kind != RF_ICE_KIND_RELAY)
        return local->cand.kind ==
               RF_ICE_KIND_HOST; /* reflexive ones are sent from their base: pairs like the host's */
    bool inside = rf_addr_is_private(l) || rf_addr_is_loopback(l);
    return inside || !(rf_addr_is_private(r) || rf_addr_is_loopback(r));
}

static void thaw(struct rf_ice_session *s)
{
    RF_LIST_EACH(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        bool busy = false;
        RF_LIST_EACH(&s->pairs, other_at)
        {
            const struct ice_pair *other = RF_LIST_ENTRY(other_at, const struct ice_pair, order);
            busy = busy || (other->group == pair->group &&
                            (other->state == ICE_WAITING || other->state == ICE_IN_PROGRESS));
        }
        if (pair->state == ICE_FROZEN && !busy)
            pair->state = ICE_WAITING;
    }
}

void ice_pairs_with(struct rf_ice_session *s, const struct rf_ice_cand *remote)
{
    for (size_t i = 0; i < s->local_count; i++) {
        const struct ice_local *l = &s->locals[i];
        bool there =
            ice_is_base(l->way) ? s->ice->bases[l->way].addr.family != 0 : ice_relay_up(s->ice, l->way);
        if (there && fits(l, remote) && ice_pair_find(s, l->way, &remote->addr) == NULL)
            ice_pair_new(s, l->way, l->cand.kind, l->cand.priority, l->cand.foundation, remote);
    }
    thaw(s);
}

void ice_pairs_form(struct rf_ice_session *s)
{
    for (size_t i = 0; i < s->remote_count; i++)
        ice_pairs_with(s, &s->remotes[i]);
}

/* ---- whose turn it is ---- */

static struct ice_pair *first_waiting(struct rf_ice_session *s)
{
    RF_LIST_EACH(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->state == ICE_WAITING && rf_list_empty(&pair->trigger) && ice_pair_usable(pair))
            return pair;
    }
    return NULL;
}

struct ice_pair *ice_pair_next(struct rf_ice_session *s)
{
    struct ice_pair *pair = first_waiting(s);
    if (pair != NULL)
        return pair;
    thaw(s);
    return first_waiting(s);
}

void ice_pair_trigger(struct ice_pair *pair)
{
    struct rf_ice_session *s = pair->session;
    RF_LIST_EACH(&pair->txns, it)
    RF_LIST_ENTRY(it, struct ice_txn, at)->cancelled = true;
    if (pair->state != ICE_SUCCEEDED)
        pair->state = ICE_WAITING;
    if (pair->nominate) { /* nothing is more urgent */
        rf_list_remove(&pair->trigger);
        rf_list_push_front(&s->triggered, &pair->trigger);
    } else if (rf_list_empty(&pair->trigger)) {
        rf_list_push_back(&s->triggered, &pair->trigger);
    }
    ice_pace_kick(s->ice);
}

void ice_pairs_unfreeze(struct rf_ice_session *s, uint64_t group)
{
    RF_LIST_EACH(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->state == ICE_FROZEN && pair->group == group)
            pair->state = ICE_WAITING;
    }
    ice_pace_kick(s->ice);
}

void ice_pair_dead(struct ice_pair *pair)
{
    struct rf_ice_session *s = pair->session;
    pair->state = ICE_PAIR_FAILED;
    pair->nominate = pair->peer_nominated = false;
    rf_list_remove(&pair->trigger);
    if (s->nominating == pair)
        s->nominating = NULL;
    if (s->state == RF_ICE_CONNECTED) {
        ice_pair_free(pair);
        if (s->pair_count == 0 && !s->moving)
            ice_session_strip(s); /* no direct way: it stays relayed */
        return;
    }
    ice_pace_kick(s->ice); /* others of its foundation may go on */
    ice_nominate_look(s);
}
