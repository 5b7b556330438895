/*
 * watch.c - the timer of each link, and one timer for the keep-alives of all.
 *
 * CONNECTING, HANDSHAKE, CLOSING: the timer is the state's time-out.
 * UP: it stands at the earliest of these or before, and is stopped when there is none; when it fires it looks what is due and is set anew.
 *   - waiting for an acknowledgement: after the RTO the link is suspect (host.suspect), after silence_us more it ends
 *   - output that the flow does not take: after silence_us it ends
 *   - APP, nothing either way for app_idle_us: it ends
 * A timer that fires late (the process slept) first gives the peer the same time to be heard.
 *
 * Keep-alives. Idle links are many, and what goes over them is rare: so a link that is UP for OVERLAY stands in links->quiet, a wheel of
 * QUIET_SLOTS slots of an eighth of keepalive_us each, in the slot in which it will have been silent for long enough if nothing goes over it
 * until then. Activity does not move it. At the end of a slot all its links are looked at: who was silent gets a keep-alive, the others go
 * to the slot that is now theirs. So the links of a node cost one wake-up per slot, and nothing when a message goes over them. A node with
 * no more than QUIET_FEW links looks at all of them whenever something went over one, and is woken only when one was silent. Slots begin at
 * a random moment of each node, so that one of two ends comes first.
 *
 * The RTO is RFC 6298's: SRTT, RTTVAR from one measured frame at a time, at least 1 s, at most 60 s.
 */
#include "link/table.h"

#include "base/error.h"

#define RTO_MIN_US           (1 * RF_US_PER_S)
#define RTO_MIN_DATAGRAMS_US (RF_US_PER_S / 10)
#define RTO_MAX_US           (60 * RF_US_PER_S)
#define LATE_US              (RF_US_PER_S / 2)

/* ---- round trip ---- */

void watch_rtt(struct rf_link *link, uint64_t rtt_us)
{
    const uint32_t rto_min_us = link->is_datagrams ? RTO_MIN_DATAGRAMS_US : RTO_MIN_US;
    uint32_t diff, rtt = (uint32_t)(rtt_us < RTO_MAX_US ? rtt_us : RTO_MAX_US);

    if (rtt == 0)
        rtt = 1; /* 0 stands for unknown */
    if (link->srtt_us == 0) {
        link->srtt_us = rtt;
        link->rttvar_us = rtt / 2;
    } else {
        diff = rtt > link->srtt_us ? rtt - link->srtt_us : link->srtt_us - rtt;
        link->rttvar_us = (3 * link->rttvar_us + diff) / 4;
        link->srtt_us = (7 * link->srtt_us + rtt) / 8;
    }
    link->rto_us = link->srtt_us + 4 * link->rttvar_us;
    if (link->rto_us < rto_min_us)
        link->rto_us = rto_min_us;
    if (link->rto_us > RTO_MAX_US)
        link->rto_us = RTO_MAX_US;
}

void watch_sent(struct rf_links *links, struct rf_link *link, uint32_t seq)
{
    if (!link->waiting) {
        link->waiting = true;
        link->waiting_us = links_now(links);
        link->acked_seq = seq;
    }
    if (!link->timing) {
        link->timing = true;
        link->timed_seq = seq;
        link->timed_us = links_now(links);
    }
    watch(links, link);
    quiet_active(links);
}

/* An acknowledgement of `seq` stands for all before it: the stream keeps the order. What we never sent is ignored. */
void watch_acked(struct rf_links *links, struct rf_link *link, uint32_t seq)
{
    const uint64_t now = links_now(links);

    if (!link->waiting || seq - link->acked_seq >= link->send_seq - link->acked_seq)
        return;
    link->acked_seq = seq + 1;
    kept_acked(links, link);
    link->waiting = link->acked_seq != link->send_seq;
    link->waiting_us = now;
    if (link->timing && seq - link->timed_seq < UINT32_C(0x80000000)) {
        link->timing = false;
        watch_rtt(link, now - link->timed_us);
    }
    watch_suspect(links, link, false);
}

void watch_suspect(struct rf_links *links, struct rf_link *link, bool suspect)
{
    if (link->suspect == suspect)
        return;
    links->counters->suspected += suspect;
    link->suspect = suspect;
    if (links->host.suspect)
        links->host.suspect(links->host.ctx, link->id, suspect);
}

/* ---- the timer ---- */

int watch_deadline(struct rf_links *links, struct rf_link *link, uint64_t delay_us)
{
    return rf_env_timer_in(links->env, &link->timer, delay_us);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How long an application's connection may be idle; 0: for ever. */
static uint64_t app_idle_us(const struct rf_link_config *config, const struct rf_link *link)
{
    return link->lasts_ms != 0 ? link->lasts_ms * RF_US_PER_MS : config->app_idle_us;
}

static uint64_t next_check(const struct rf_links *links, const struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    uint64_t at = RF_NEVER;

    if (link->is_datagrams)
        at = reliable_next(link);
    else if (link->waiting)
        at = link->waiting_us + link->rto_us + (link->suspect ? config->silence_us : 0);
    if (link->purpose == RF_LINK_APP && app_idle_us(config, link))
        at = earlier(at, link->activity_us + app_idle_us(config, link));
    if (link_backlog(link) > 0)
        at = earlier(at, link->progress_us + config->silence_us);
    return at;
}

void watch(struct rf_links *links, struct rf_link *link)
{
    uint64_t at = next_check(links, link);

    if (at == RF_NEVER)
        rf_timer_stop(links->env->timers, &link->timer);
    if (at == RF_NEVER || (rf_timer_is_set(&link->timer) && link->timer.at_us <= at))
        return;
    if (rf_timer_set(links->env->timers, &link->timer, at))
        link_end(links, link, RF_ENOMEM, false); /* nobody would watch over it */
}

static void check_up(struct rf_links *links, struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    const uint64_t now = links_now(links);

    if (link->is_datagrams && link_has_frames(link))
        reliable_fired(links, link);
    if (link->is_datagrams && (link->state != RF_LINK_UP || link->purpose == RF_LINK_OVERLAY))
        return;
    if (link_backlog(link) > 0 && now - link->progress_us >= config->silence_us) {
        links->counters->closed_silent++;
        link_end(links, link, RF_ETIMEOUT, false);
    } else if (!link->is_datagrams && link->waiting &&
               now - link->waiting_us >= link->rto_us + config->silence_us) {
        links->counters->closed_silent++;
        link_end(links, link, RF_ETIMEOUT, true);
    } else if (link->purpose == RF_LINK_APP && app_idle_us(config, link) &&
               now - link->activity_us >= app_idle_us(config, link)) {
        links->counters->closed_idle++;
        link_end(links, link, RF_ETIMEOUT, true);
    } else if (!link->is_datagrams && link->waiting && !link->suspect &&
               now - link->waiting_us >= link->rto_us) {
        watch_suspect(links, link, true);
    }
}

void rf_links_keepalive(struct rf_links *links, rf_link_id id, uint64_t quiet_us)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->state != RF_LINK_UP || link->purpose != RF_LINK_OVERLAY ||
        !links->config.overlay_hash || link->waiting || links_now(links) - link->activity_us < quiet_us)
        return;
    keepalive_send(links, link);
}

void rf_links_prod(struct rf_links *links, rf_link_id id)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->state != RF_LINK_UP || !link->is_datagrams || link->datagrams->held_len > 0)
        return;
    if (link_is_ordered(link))
        ordered_prod(links, link);
    else if (link->purpose == RF_LINK_OVERLAY)
        keepalive_send(links, link);
}

static uint64_t quiet_slot_us(const struct rf_links *links)
{
    return links->config.keepalive_us / QUIET_SLOTS + 1;
}

/* Looked at in the slot of this moment, which ends at most a slot later. */
static uint64_t quiet_due_us(const struct rf_links *links, const struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    uint64_t keepalive_us = config->keepalive_us * (link->quiet_times > 1 ? link->quiet_times : 1);

    if (link->is_datagrams && !link->is_path && link->outgoing &&
        config->datagram_keepalive_us < keepalive_us)
        keepalive_us = config->datagram_keepalive_us;
    if (link->lasts_ms != 0)
        keepalive_us = link->lasts_ms * RF_US_PER_MS;
    return link->activity_us + keepalive_us - quiet_slot_us(links);
}

static uint64_t quiet_end_us(const struct rf_links *links, uint64_t tick)
{
    return (tick + 1) * quiet_slot_us(links) - links->quiet_phase_us;
}

/* The slot of the wheel that it stands in. */
static uint64_t quiet_tick_of(const struct rf_links *links, uint64_t at_us)
{
    return (at_us + links->quiet_phase_us) / quiet_slot_us(links);
}

static bool quiet_few(const struct rf_links *links)
{
    return links->map.count <= QUIET_FEW;
}

/* When to look next. */
static uint64_t quiet_next(const struct rf_links *links)
{
    const uint64_t now_tick = quiet_tick_of(links, links_now(links));
    uint64_t next = RF_NEVER;

    for (size_t i = 0; i < QUIET_SLOTS; i++) {
        const struct rf_list *slot = &links->quiet[(now_tick + i) % QUIET_SLOTS];
        if (!quiet_few(links) && !rf_list_empty(slot))
            return quiet_end_us(links, now_tick + i);
        RF_LIST_EACH(slot, it)
        {
            uint64_t tick =
                quiet_tick_of(links, quiet_due_us(links, RF_LIST_ENTRY(it, struct rf_link, quiet)));
            next = earlier(next, quiet_end_us(links, tick > now_tick ? tick : now_tick));
        }
    }
    return next;
}

static void quiet_arm(struct rf_links *links)
{
    uint64_t next = quiet_next(links);

    if (next != links->quiet_timer.at_us)
        rf_timer_set(links->env->timers, &links->quiet_timer, next); /* set since its birth: cannot fail */
}

void quiet_watch(struct rf_links *links, struct rf_link *link)
{
    const uint64_t now = links_now(links), due = quiet_due_us(links, link);
    const uint64_t last = now + (QUIET_SLOTS - 1) * quiet_slot_us(links);
    uint64_t tick = quiet_tick_of(links, earlier(due > now ? due : now, last));

    if (link->purpose != RF_LINK_OVERLAY || !links->config.overlay_hash || !links->config.keepalive_us)
        return;
    rf_list_remove(&link->quiet);
    rf_list_push_back(&links->quiet[tick % QUIET_SLOTS], &link->quiet);
    if (quiet_few(links))
        quiet_arm(links);
    else if (links->quiet_timer.at_us > quiet_end_us(links, tick))
        rf_timer_set(links->env->timers, &links->quiet_timer, quiet_end_us(links, tick));
}

void quiet_active(struct rf_links *links)
{
    if (quiet_few(links))
        quiet_arm(links);
}

static void quiet_break(struct rf_links *links, struct rf_link *link)
{
    keepalive_send(links, link);
    if (!link->second || link->state != RF_LINK_UP || links->quiet_slept)
        return;
    links->counters->keepalives_late++;
    if (links->host.late)
        links->host.late(links->host.ctx, link->id);
}

/* One slot is over. */
static void quiet_look(struct rf_links *links, struct rf_list *slot)
{
    struct rf_list due;

    rf_list_init(&due);
    while (
        !rf_list_empty(slot)) { /* taken out first: some go back to the same one, for a turn of the wheel */
        struct rf_list *it = slot->next;
        rf_list_remove(it);
        rf_list_push_back(&due, it);
    }
    while (!rf_list_empty(&due)) {
        struct rf_link *link = RF_LIST_ENTRY(due.next, struct rf_link, quiet);
        rf_list_remove(&link->quiet);
        if (!link->waiting && quiet_due_us(links, link) <= links_now(links))
            quiet_break(links, link);
        if (link->state == RF_LINK_UP)
            quiet_watch(links, link);
    }
}

static void quiet_fired(struct rf_timer *timer, void *arg)
{
    struct rf_links *links = arg;
    const uint64_t now_tick = quiet_tick_of(links, links_now(links));
    size_t slots = 0;

    links->quiet_slept = links_now(links) - timer->at_us >= LATE_US;
    rf_timer_set(links->env->timers, timer, RF_NEVER); /* takes its old place again, so it needs no memory */
    if (quiet_few(links))
        links->quiet_tick = now_tick > QUIET_SLOTS ? now_tick - QUIET_SLOTS : 0; /* all */
    for (; links->quiet_tick < now_tick && slots < QUIET_SLOTS; links->quiet_tick++, slots++)
        quiet_look(links, &links->quiet[links->quiet_tick % QUIET_SLOTS]);
    links->quiet_tick = now_tick;
    quiet_arm(links);
    report_ended(links);
}

int quiet_init(struct rf_links *links)
{
    for (size_t i = 0; i < QUIET_SLOTS; i++)
        rf_list_init(&links->quiet[i]);
    links->quiet_phase_us = rf_rng_below(links->env->jitter, quiet_slot_us(links));
    links->quiet_tick = (links_now(links) + links->quiet_phase_us) / quiet_slot_us(links);
    rf_timer_init(&links->quiet_timer, quiet_fired, links);
    return rf_timer_set(links->env->timers, &links->quiet_timer, RF_NEVER);
}

void quiet_rest(struct rf_links *links)
{
    rf_timer_set(links->env->timers, &links->quiet_timer, RF_NEVER);
}

void quiet_deinit(struct rf_links *links)
{
    rf_timer_stop(links->env->timers, &links->quiet_timer);
}

static void fired_up(struct rf_links *links, struct rf_link *link)
{
    uint64_t late = links_now(links) - link->timer.at_us;

    if (late >= LATE_US) {
        link->waiting_us += late;
        link->progress_us += late;
        link->activity_us += late;
        if (watch_deadline(links, link, LATE_US) == 0)
            return;
    }
    check_up(links, link);
    if (link->state == RF_LINK_UP)
        watch(links, link);
}

static void fired_early(struct rf_links *links, struct rf_link *link)
{
    if (link->is_datagrams && datagrams_repeat(links, link))
        return;
    if (link->state == RF_LINK_CONNECTING)
        links->counters->connect_failed++;
    else
        links->counters->handshake_timeout++;
    link_fail(links, link, RF_ETIMEOUT);
}

/* The output of a closing link was not taken: forget it, and tell the shell so. */
static void fired_closing(struct rf_links *links, struct rf_link *link)
{
    out_discard(links, link);
    link->want_close = link->flow_open;
    link_want(links, link);
}

void link_timer_fired(struct rf_timer *timer, void *arg)
{
    struct rf_links *links = arg;
    struct rf_link *link = RF_CONTAINER(timer, struct rf_link, timer);

    if (link->state == RF_LINK_UP)
        fired_up(links, link);
    else if (link->state == RF_LINK_CLOSING)
        fired_closing(links, link);
    else
        fired_early(links, link);
    report_ended(links);
}
