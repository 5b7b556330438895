/*
 * watch.c - the one timer of each link.
 *
 * CONNECTING, HANDSHAKE, CLOSING: the timer is the state's time-out.
 * UP: it stands at the earliest of these or before; when it fires it looks what is due and is set anew.
 *   - waiting for an acknowledgement: after the RTO the link is suspect (host.suspect), after silence_us more it ends
 *   - output that the flow does not take: after silence_us it ends
 *   - OVERLAY, nothing either way for keepalive_us: a keep-alive is sent
 *   - APP, nothing either way for app_idle_us: it ends
 * A timer that fires late (the process slept) first gives the peer the same time to be heard.
 *
 * The RTO is RFC 6298's: SRTT, RTTVAR from one measured frame at a time, at least 1 s, at most 60 s.
 */
#include "link/table.h"

#include "base/error.h"

#define RTO_MIN_US (1 * RF_US_PER_S)
#define RTO_MAX_US (60 * RF_US_PER_S)
#define LATE_US    (RF_US_PER_S / 2)

/* ---- round trip ---- */

static void rtt_sample(struct rf_link *link, uint64_t rtt_us)
{
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
    if (link->rto_us < RTO_MIN_US)
        link->rto_us = RTO_MIN_US;
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
}

/* An acknowledgement of `seq` stands for all before it: the stream keeps the order. What we never sent is ignored. */
void watch_acked(struct rf_links *links, struct rf_link *link, uint32_t seq)
{
    const uint64_t now = links_now(links);

    if (!link->waiting || seq - link->acked_seq >= link->send_seq - link->acked_seq)
        return;
    link->acked_seq = seq + 1;
    link->waiting = link->acked_seq != link->send_seq;
    link->waiting_us = now;
    if (link->timing && seq - link->timed_seq < UINT32_C(0x80000000)) {
        link->timing = false;
        rtt_sample(link, now - link->timed_us);
    }
    if (link->suspect) {
        link->suspect = false;
        if (links->host.suspect)
            links->host.suspect(links->host.ctx, link->id, false);
    }
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

static uint64_t next_check(const struct rf_links *links, const struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    uint64_t at = RF_NEVER;

    if (link->waiting)
        at = link->waiting_us + link->rto_us + (link->suspect ? config->silence_us : 0);
    else if (link->purpose == RF_LINK_OVERLAY && config->overlay_hash && config->keepalive_us)
        at = link->activity_us + link->keepalive_us;
    if (link->purpose == RF_LINK_APP && config->app_idle_us)
        at = link->activity_us + config->app_idle_us;
    if (link_backlog(link) > 0)
        at = earlier(at, link->progress_us + config->silence_us);
    return at;
}

void watch(struct rf_links *links, struct rf_link *link)
{
    uint64_t at = next_check(links, link);

    if (at == RF_NEVER || (rf_timer_is_set(&link->timer) && link->timer.at_us <= at))
        return;
    if (rf_timer_set(links->env->timers, &link->timer, at))
        link_end(links, link, RF_ENOMEM, false); /* nobody would watch over it */
}

static void check_up(struct rf_links *links, struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    const uint64_t now = links_now(links);

    if (link_backlog(link) > 0 && now - link->progress_us >= config->silence_us) {
        links->counters.closed_silent++;
        link_end(links, link, RF_ETIMEOUT, false);
    } else if (link->waiting && now - link->waiting_us >= link->rto_us + config->silence_us) {
        links->counters.closed_silent++;
        link_end(links, link, RF_ETIMEOUT, true);
    } else if (link->purpose == RF_LINK_APP && config->app_idle_us &&
               now - link->activity_us >= config->app_idle_us) {
        links->counters.closed_idle++;
        link_end(links, link, RF_ETIMEOUT, true);
    } else if (link->waiting && !link->suspect && now - link->waiting_us >= link->rto_us) {
        links->counters.suspected++;
        link->suspect = true;
        if (links->host.suspect)
            links->host.suspect(links->host.ctx, link->id, true);
    } else if (!link->waiting && link->purpose == RF_LINK_OVERLAY && config->overlay_hash &&
               config->keepalive_us && now - link->activity_us >= link->keepalive_us) {
        keepalive_send(links, link);
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
    if (link->state == RF_LINK_CONNECTING)
        links->counters.connect_failed++;
    else
        links->counters.handshake_timeout++;
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
