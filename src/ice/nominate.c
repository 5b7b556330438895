/*
 * nominate.c - which pair is chosen, and when (RFC 8445, section 8); the selected path and its changes.
 *
 * The controlling side nominates (regular nomination). A direct pair that works waits at most direct_grace_us for a better one whose answer may still be under
 * way; a relayed one waits for direct ones until these have had one and a half round trips, at most relay_grace_us, and not for those that what is known speaks against. When a relayed path is selected, direct
 * pairs are checked on; the first one that works is nominated in its place (RFC 5245's controlled agents take the best of all nominated; so do we).
 *
 * After completion a check from an unknown address means that the other agent has moved, or is late. The controlling side checks the new way,
 * and asks the old one for a sign of life; without one it changes over.
 */
#include "ice/internal.h"

#define SLACK_DIRECT_US (5 * RF_US_PER_MS)
#define SLACK_RELAY_US  (30 * RF_US_PER_MS)  /* checks wait for their turn, on both sides */
#define LATE_US         (500 * RF_US_PER_MS) /* after completion: checks that were still under way */
#define YOUNG_US        (2 * RF_US_PER_S) /* after completion: others that an aggressive peer (RFC 5245) nominates */
#define AGAIN_US        (10 * RF_US_PER_MS)
#define MAX_AGAIN       4
#define MAX_LATE_PAIRS  8

/* ---- choosing ---- */

static struct ice_pair *best_valid(struct rf_ice_session *s)
{
    struct ice_pair *best = NULL;
    RF_LIST_EACH(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->state == ICE_SUCCEEDED &&
            (best == NULL || (ice_pair_relayed(best) && !ice_pair_relayed(pair))))
            best = pair;
    }
    return best;
}

/* Do servers see us and the other agent at one address? Then it may be in our house. Unknown counts as yes. */
static bool same_house(const struct rf_ice_session *s)
{
    bool ours = false, theirs = false;
    for (size_t i = 0; i < s->local_count; i++) {
        ours = ours || s->locals[i].cand.kind == RF_ICE_KIND_SRFLX;
        for (size_t j = 0; j < s->remote_count; j++) {
            bool reflexive = s->remotes[j].kind == RF_ICE_KIND_SRFLX;
            theirs = theirs || reflexive;
            if (reflexive && rf_addr_same_ip(&s->locals[i].cand.addr, &s->remotes[j].addr))
                return true;
        }
    }
    return !ours || !theirs;
}

/* Has the other agent several reflexive addresses of one base? */
static bool peer_is_symmetric(const struct rf_ice_session *s)
{
    for (size_t i = 0; i < s->remote_count; i++)
        for (size_t j = i + 1; j < s->remote_count; j++) {
            const struct rf_ice_cand *a = &s->remotes[i], *b = &s->remotes[j];
            if (a->kind == RF_ICE_KIND_SRFLX && b->kind == RF_ICE_KIND_SRFLX && a->related.family != 0 &&
                rf_addr_equal(&a->related, &b->related) && !rf_addr_equal(&a->addr, &b->addr))
                return true;
        }
    return false;
}

/* What is known speaks against a direct pair: it is checked, but not waited for. */
static bool hopeless(const struct rf_ice_session *s, const struct ice_pair *pair)
{
    struct rf_ice_behaviour b;
    if (rf_ice_behaviour(s->ice, pair->way, &b) != 0)
        return true;
    if (b.asked > 0 && b.answered == 0)
        return true; /* no UDP gets out */
    if (pair->remote_kind == RF_ICE_KIND_HOST)
        return rf_addr_is_private(&pair->remote) && !same_house(s);
    return b.mapping == RF_ICE_MAPPING_DEPENDENT && peer_is_symmetric(s);
}

/* Until when it pays to wait for something better than `best`. */
static uint64_t ready_at(const struct rf_ice_session *s, const struct ice_pair *best)
{
    const struct rf_ice_config *c = &s->ice->config;
    bool relayed = ice_pair_relayed(best);
    uint64_t limit_us = s->first_valid_us + (relayed ? c->relay_grace_us : c->direct_grace_us), at_us = 0;
    RF_LIST_EACH(&s->pairs, it)
    {
        const struct ice_pair *pair = RF_LIST_ENTRY(it, const struct ice_pair, order);
        if (pair == best || (relayed && ice_pair_relayed(pair)) ||
            (!relayed && pair->priority < best->priority))
            continue;
        uint64_t hope_us = 0;
        if (pair->state == ICE_IN_PROGRESS || (pair->state == ICE_WAITING && pair->first_sent_us != 0))
            hope_us = pair->first_sent_us + best->rtt_us + best->rtt_us / 2 +
                      (relayed ? SLACK_RELAY_US : SLACK_DIRECT_US);
        else if (relayed && (pair->state == ICE_WAITING || pair->state == ICE_FROZEN))
            hope_us = limit_us;
        if (hope_us > at_us && !(relayed && hopeless(s, pair)))
            at_us = hope_us;
    }
    return at_us < limit_us ? at_us : limit_us;
}

static void nominate(struct ice_pair *pair)
{
    pair->session->nominating = pair;
    pair->nominate = true;
    ice_pair_trigger(pair);
}

/* Something works beside the selected path. */
static void look_again(struct rf_ice_session *s, struct ice_pair *best)
{
    bool relayed = !ice_is_base(s->path.way) || s->path.remote_kind == RF_ICE_KIND_RELAY;
    if (relayed && !ice_pair_relayed(best)) {
        nominate(best);
    } else if (s->doubt == NULL) {
        s->doubt = best;
        s->doubt_since_us = ice_now(s->ice);
        s->doubt_at = s->doubt_since_us + ICE_DOUBT_US;
        ice_consent_ask(s);
        ice_session_wake(s);
    }
}

void ice_doubt_over(struct rf_ice_session *s)
{
    struct ice_pair *pair = s->doubt;
    s->doubt = NULL;
    if (pair == NULL)
        return;
    if (s->path.heard_us >= s->doubt_since_us && !s->moving)
        ice_pair_dead(pair); /* the old way lives */
    else
        nominate(pair);
}

void ice_nominate_look(struct rf_ice_session *s)
{
    struct ice_pair *best = best_valid(s);
    if (!s->controlling || s->nominating != NULL || best == NULL)
        return;
    if (s->state == RF_ICE_CONNECTED) {
        look_again(s, best);
        return;
    }
    uint64_t at_us = ready_at(s, best);
    if (at_us <= ice_now(s->ice)) {
        nominate(best);
    } else {
        s->grace_at = at_us;
        ice_session_wake(s);
    }
}

/* ---- the selected path ---- */

void ice_path_drop(struct rf_ice_session *s, struct ice_path *path)
{
    if (!path->set)
        return;
    ice_tuple_drop(&path->tuple, s->ice);
    if (!ice_is_base(path->way)) {
        ice_permit_release(s->ice, path->way, path->permit);
        ice_channel_release(s->ice, path->way, path->channel);
    }
    *path = (struct ice_path){0};
}

/* What the path was until now is heard for a while. */
static void path_to_old(struct rf_ice_session *s)
{
    ice_path_drop(s, &s->old_path);
    ice_tuple_drop(&s->path.tuple, s->ice);
    s->old_path = s->path;
    s->path = (struct ice_path){0};
    ice_tuple_put(&s->old_path.tuple, s, s->old_path.way, &s->old_path.remote, false);
    s->old_path_at = ice_now(s->ice) + ICE_OLD_PATH_US;
}

static void path_take(struct rf_ice_session *s, struct ice_pair *pair)
{
    struct ice_path *p = &s->path;
    struct rf_ice *ice = s->ice;
    uint64_t now_us = ice_now(ice);
    *p = (struct ice_path){.set = true,
                           .way = pair->way,
                           .local_kind = pair->local_kind,
                           .remote_kind = pair->remote_kind,
                           .permit = pair->permit,
                           .channel = ICE_NO_PERMIT,
                           .remote = pair->remote,
                           .remote_priority = pair->remote_priority,
                           .priority = pair->priority,
                           .rtt_us = pair->rtt_us,
                           .creds = s->creds,
                           .sent_us = now_us,
                           .data_us = now_us,
                           .heard_us = now_us,
                           .consent_us = now_us};
    pair->permit = ICE_NO_PERMIT; /* the path holds it from now on */
    if (!ice_is_base(p->way))
        p->channel = ice_channel_hold(ice, p->way, &p->remote);
    ice_tuple_drop(&pair->tuple, ice);
    ice_tuple_put(&p->tuple, s, p->way, &p->remote, true);
    s->selected_us = now_us;
}

static void count(struct rf_ice_session *s, bool had, bool was_relayed, bool relayed)
{
    struct rf_ice_counters *c = &s->ice->counters;
    if (relayed)
        c->selected_relayed++;
    else
        c->selected_direct++;
    if (had && was_relayed && !relayed)
        c->upgraded++;
    else if (had && s->moving)
        c->moved++;
}

/* What is still worth checking when a relayed path stands: direct pairs. */
static void keep_direct(struct rf_ice_session *s, struct ice_pair *selected)
{
    s->connect_at = s->grace_at = s->move_at = s->doubt_at = 0;
    s->moving = false;
    RF_LIST_EACH_SAFE(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair == selected || ice_pair_relayed(pair) || pair->state == ICE_PAIR_FAILED)
            ice_pair_free(pair);
    }
    if (s->pair_count == 0)
        ice_session_strip(s);
    else
        ice_nominate_look(s);
}

void ice_select(struct ice_pair *pair)
{
    struct rf_ice_session *s = pair->session;
    bool relayed = ice_pair_relayed(pair), had = s->path.set;
    bool was_relayed = had && (!ice_is_base(s->path.way) || s->path.remote_kind == RF_ICE_KIND_RELAY);
    bool same = had && s->path.way == pair->way && rf_addr_equal(&s->path.remote, &pair->remote);
    count(s, had, was_relayed, relayed);
    if (same)
        ice_path_drop(s, &s->path);
    else if (had)
        path_to_old(s);
    path_take(s, pair);
    ice_txn_free_all(&s->consents);
    if (s->state != RF_ICE_CONNECTED)
        ice_session_free_old(s);
    s->state = RF_ICE_CONNECTED;
    s->nominating = NULL;
    ice_event(s, RF_ICE_OUT_SELECTED, 0);
    ice_consent_begin(s);
    if (relayed)
        keep_direct(s, pair);
    else
        ice_session_strip(s);
    ice_session_relays(s);
    ice_session_wake(s);
}

/* ---- checks of the other agent ---- */

static void remember(struct rf_ice_session *s, uint8_t way, const struct rf_addr *from, uint32_t priority,
                     bool nominated)
{
    if (s->early == NULL)
        s->early = rf_alloc(s->ice->env->mem, ICE_MAX_EARLY * sizeof(*s->early));
    for (size_t i = 0; s->early != NULL && i < s->early_count; i++)
        if (s->early[i].way == way && rf_addr_equal(&s->early[i].from, from)) {
            s->early[i].nominated = s->early[i].nominated || nominated;
            return;
        }
    if (s->early == NULL || s->early_count >= ICE_MAX_EARLY) {
        s->ice->counters.limited++;
        return;
    }
    s->early[s->early_count++] =
        (struct ice_early){.from = *from, .priority = priority, .way = way, .nominated = nominated};
}

/* A pair for a check that came from where no pair leads to. */
static struct ice_pair *pair_for(struct rf_ice_session *s, uint8_t way, const struct rf_addr *from,
                                 uint32_t priority, bool nominated)
{
    struct rf_ice *ice = s->ice;
    struct rf_ice_cand found = {.addr = *from, .kind = RF_ICE_KIND_PRFLX, .priority = priority};
    const struct rf_ice_cand *remote = &found;
    uint8_t kind = ice_is_base(way) ? RF_ICE_KIND_HOST : RF_ICE_KIND_RELAY;
    uint32_t local_priority =
        ice_priority(kind, ice_is_base(way) ? ice->bases[way].preference : UINT16_MAX - way);
    memcpy(found.foundation, "p", 2);
    if (s->state == RF_ICE_CHECKING) {
        remote = ice_remote_add(s, &found);
    } else {
        bool relayed = !ice_is_base(s->path.way) || s->path.remote_kind == RF_ICE_KIND_RELAY;
        bool late = ice_now(ice) - s->selected_us < LATE_US;
        if (!nominated && !relayed && (!s->controlling || late))
            return NULL;
        if (relayed && !ice_is_base(way) && !nominated)
            return NULL;
        if (s->pair_count >= MAX_LATE_PAIRS) {
            ice->counters.limited++;
            return NULL;
        }
    }
    if (remote == NULL || remote->priority == 0)
        return NULL;
    struct ice_pair *pair = ice_pair_new(s, way, kind, local_priority, "h", remote);
    bool young = s->state == RF_ICE_CONNECTED && ice_now(ice) - s->selected_us < YOUNG_US;
    if (pair != NULL && young && nominated && !ice_pair_relayed(pair) == ice_is_base(s->path.way) &&
        pair->priority <= s->path.priority) {
        ice_pair_free(pair); /* of all that an aggressive peer nominates the best counts */
        return NULL;
    }
    return pair;
}

/*
 * A check of the other agent says that it has begun: what we sent before has died in its NAT, what we send now meets a NAT that it has opened, or will in a moment. So
 * direct checks under way are sent anew, MAX_AGAIN times, rather than half a second later.
 */
static void again(struct rf_ice_session *s)
{
    uint64_t now_us = ice_now(s->ice);
    if (s->again_count >= MAX_AGAIN || now_us < s->again_us + AGAIN_US)
        return;
    s->again_count++;
    s->again_us = now_us;
    RF_LIST_EACH_SAFE(&s->pairs, it)
    {
        struct ice_pair *pair = RF_LIST_ENTRY(it, struct ice_pair, order);
        if (pair->state == ICE_IN_PROGRESS && !ice_pair_relayed(pair))
            ice_pair_trigger(pair);
    }
}

void ice_peer_check(struct rf_ice_session *s, uint8_t way, const struct rf_addr *from, uint32_t priority,
                    bool nominated)
{
    if (s->path.set && s->path.way == way && rf_addr_equal(&s->path.remote, from)) {
        s->path.heard_us = ice_now(s->ice);
        if (s->state == RF_ICE_CONNECTED && !s->moving)
            return;
    }
    if (s->state == RF_ICE_GATHERING || s->state == RF_ICE_READY) {
        remember(s, way, from, priority, nominated);
        return;
    }
    if (s->state != RF_ICE_CHECKING && s->state != RF_ICE_CONNECTED)
        return;
    again(s);
    struct ice_pair *pair = ice_pair_find(s, way, from);
    if (pair == NULL)
        pair = pair_for(s, way, from, priority, nominated);
    if (pair == NULL)
        return;
    ice_tuple_put(&pair->tuple, s, way, from, false);
    if (nominated && !s->controlling)
        pair->peer_nominated = true;
    if (pair->state != ICE_SUCCEEDED)
        ice_pair_trigger(pair);
    else if (pair->peer_nominated)
        ice_select(pair);
}
