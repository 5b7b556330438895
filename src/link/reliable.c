/*
 * reliable.c - messages over a link of datagrams arrive, or the link ends (reload.md 3.4; docs/protocol/links.md).
 *
 * A message is WAITING until the window lets it out, then FLYING; an acknowledgement of any of its transmissions ends it; held to be lost
 * it is WAITING again, in front of those that were never sent. Each transmission has a number of its own.
 *
 * Events:
 *   - an acknowledgement: its message is done; a message whose last number lies LOST_AFTER below is held to be lost, unless the mask says
 *     that it came. A mask is a hint (the reference and its readers disagree about the order of its bits): it delays a repetition; only
 *     from a peer that agreed on reload-brief, whose mask is like ours, it ends a message.
 *   - the timer: no acknowledgement of the oldest for the RTO: everything under way counts as lost. The wait doubles; after the fourth
 *     time in a row the link is suspect, after the fifth it ends, but not before END_US. From the second time on two datagrams
 *     go out (as RFC 9002, section 6.2.4, has it): where every tenth is lost, five times in vain would else be common.
 *   - the path changed: everything under way is sent again.
 *
 * The window counts messages, as all fit into one datagram. It is TCP's (RFC 5681): 4 at the start and after a pause, one more with each
 * acknowledgement up to the threshold and one more per window above, half of it after a loss, once per window, and 1 after a time-out.
 * The RTO is RFC 6298's from every acknowledgement of a last transmission, at least 100 ms; 500 ms before the first.
 */
#include "link/table.h"

#include "base/assert.h"
#include "base/error.h"

#define WINDOW_START  4
#define WINDOW_MAX    256
#define LOST_AFTER    3
#define SUSPECT_AFTER 4
#define END_AFTER     5
#define END_US        (15 * RF_US_PER_S) /* what five times take from the RTO that one begins with */
#define TWO_FROM      2
#define COUNT_MAX     10 /* transmissions of one message while others get through */
#define BACKOFF_US    (RF_US_PER_S / 4)
#define WAIT_MAX_US   (60 * RF_US_PER_S)
#define TWICE_US      (5 * RF_US_PER_S / 2) /* less than whoever made it waits before he repeats it (1.4) */

void reliable_init(struct link_datagrams *d)
{
    rf_list_init(&d->waiting);
    rf_list_init(&d->flying);
    d->window = WINDOW_START;
    d->threshold = WINDOW_MAX;
}

static struct sent *first_of(const struct rf_list *list)
{
    return rf_list_empty(list) ? NULL : RF_LIST_ENTRY(list->next, struct sent, list);
}

static uint32_t last_seq(const struct sent *sent)
{
    return sent->seqs[(sent->count - 1) % SEQS_KEPT];
}

static void forget(struct rf_links *links, struct rf_link *link, struct sent *sent)
{
    rf_list_remove(&sent->list);
    link->datagrams->held_len -= sent->len;
    links->backlog_total -= sent->len;
    rf_free(links->env->mem, sent);
}

void reliable_deinit(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;
    struct sent *sent;

    while ((sent = first_of(&d->flying)) != NULL || (sent = first_of(&d->waiting)) != NULL)
        forget(links, link, sent);
    d->flying_count = 0;
}

/* ---- out ---- */

/* On an error the link has ended, and the message with it. */
static int transmit(struct rf_links *links, struct rf_link *link, struct sent *sent)
{
    struct link_datagrams *d = link->datagrams;
    const struct rf_frame frame = {
        .type = RF_FRAME_DATA, .sequence = link->send_seq, .message = rf_view_of(sent->bytes, sent->len)};
    int err;

    rf_buf_reset(&links->scratch->frame);
    rf_frame_encode(&frame, &links->scratch->frame);
    err = rf_buf_error(&links->scratch->frame);
    d->apart = sent->count > 0 || d->timeouts > 0; /* what was lost takes nothing with it */
    if (err)
        link_end(links, link, err, false);
    else
        err = plain_write(links, link, rf_buf_view(&links->scratch->frame));
    d->apart = false;
    if (err)
        return err;
    links->counters->frames_again += sent->count > 0;
    sent->seqs[sent->count++ % SEQS_KEPT] = link->send_seq++;
    sent->sent_us = d->last_us = link->activity_us = links_now(links);
    rf_list_remove(&sent->list);
    rf_list_push_back(&d->flying, &sent->list);
    d->flying_count++;
    return 0;
}

static void pump(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;

    if (d->broken && link->state == RF_LINK_UP)
        link_end(links, link, RF_ETIMEOUT, true);
    while (link->state == RF_LINK_UP && d->flying_count < d->window && !rf_list_empty(&d->waiting))
        if (transmit(links, link, first_of(&d->waiting)))
            return;
}

int reliable_send(struct rf_links *links, struct rf_link *link, struct rf_view message)
{
    struct link_datagrams *d = link->datagrams;
    struct sent *sent = rf_alloc(links->env->mem, sizeof *sent + message.len);

    if (!sent)
        return RF_ENOMEM;
    *sent = (struct sent){.len = (uint32_t)message.len};
    memcpy(sent->bytes, message.p, message.len);
    rf_list_init(&sent->list);
    rf_list_push_back(&d->waiting, &sent->list);
    d->held_len += sent->len;
    links->backlog_total += sent->len;
    if (d->flying_count == 0 && d->window > WINDOW_START && links_now(links) - d->last_us > link->rto_us)
        d->window = WINDOW_START;
    pump(links, link);
    if (link->state != RF_LINK_UP)
        return RF_ECLOSED;
    link->waiting = true;
    watch(links, link);
    quiet_active(links);
    return 0;
}

/* ---- what became of it ---- */

static void done(struct rf_links *links, struct rf_link *link, struct sent *sent, bool flying)
{
    struct link_datagrams *d = link->datagrams;

    if (d->window < WINDOW_MAX && (d->flying_count >= d->window || !rf_list_empty(&d->waiting))) {
        if (d->window < d->threshold) {
            d->window++;
        } else if (++d->grown >= d->window) {
            d->window++;
            d->grown = 0;
        }
    }
    d->flying_count -= flying;
    forget(links, link, sent);
}

/* Back to those that wait: behind the other repeated ones. */
static void lost(struct rf_links *links, struct rf_link *link, struct sent *sent)
{
    struct link_datagrams *d = link->datagrams;
    struct rf_list *before = d->waiting.next;

    d->flying_count--;
    d->broken |= sent->count >= COUNT_MAX && d->ordered;
    if (sent->count >= COUNT_MAX) {
        links->counters->messages_given_up++;
        forget(links, link, sent);
        return;
    }
    while (before != &d->waiting && RF_LIST_ENTRY(before, struct sent, list)->count > 0)
        before = before->next;
    rf_list_remove(&sent->list);
    rf_list_push_back(before, &sent->list); /* that is: in front of it */
}

static void all_lost(struct rf_links *links, struct rf_link *link)
{
    while (!rf_list_empty(&link->datagrams->flying))
        lost(links, link, first_of(&link->datagrams->flying));
}

static void shrink(struct rf_link *link, uint32_t seq)
{
    struct link_datagrams *d = link->datagrams;

    if ((int32_t)(seq - d->recover_seq) < 0)
        return;
    d->recover_seq = link->send_seq;
    d->threshold = d->window / 2 > 2 ? d->window / 2 : 2;
    d->window = d->window > 1 ? d->window / 2 : 1;
    d->grown = 0;
}

static struct sent *find(const struct rf_list *list, uint32_t seq)
{
    RF_LIST_EACH(list, it)
    {
        struct sent *sent = RF_LIST_ENTRY(it, struct sent, list);
        if (sent->count == 0)
            break; /* in waiting: from here on nothing was sent */
        for (unsigned i = 0; i < sent->count && i < SEQS_KEPT; i++)
            if (sent->seqs[i] == seq)
                return sent;
    }
    return NULL;
}

/* Does the mask of the acknowledgement say that one of its transmissions came? */
static bool in_mask(const struct sent *sent, uint32_t seq, uint32_t received)
{
    for (unsigned i = 0; i < sent->count && i < SEQS_KEPT; i++) {
        const uint32_t behind = seq - sent->seqs[i];
        if (behind > 0 && behind < 32 && (received >> behind & 1))
            return true;
    }
    return false;
}

/* What an acknowledgement of `seq` says of those sent before it. */
static void look_back(struct rf_links *links, struct rf_link *link, uint32_t seq, uint32_t received)
{
    RF_LIST_EACH_SAFE(&link->datagrams->waiting, it)
    {
        struct sent *sent = RF_LIST_ENTRY(it, struct sent, list);
        if (sent->count == 0 || !link->brief)
            break;
        if (in_mask(sent, seq, received))
            done(links, link, sent, false);
    }
    RF_LIST_EACH_SAFE(&link->datagrams->flying, it)
    {
        struct sent *sent = RF_LIST_ENTRY(it, struct sent, list);
        const uint32_t last = last_seq(sent), behind = seq - last;

        if ((int32_t)behind <= 0)
            break;
        if (in_mask(sent, seq, received)) {
            if (link->brief)
                done(links, link, sent, true);
        } else if (behind >= LOST_AFTER) {
            lost(links, link, sent);
            shrink(link, last);
        }
    }
}

void reliable_acked(struct rf_links *links, struct rf_link *link, uint32_t seq, uint32_t received)
{
    struct link_datagrams *d = link->datagrams;
    struct sent *sent;

    if ((int32_t)(link->send_seq - seq) <= 0)
        return; /* never sent */
    d->timeouts = 0;
    sent = find(&d->flying, seq);
    if (sent) {
        if (last_seq(sent) == seq)
            watch_rtt(link, links_now(links) - sent->sent_us);
        done(links, link, sent, true);
    } else if ((sent = find(&d->waiting, seq)) != NULL) {
        done(links, link, sent, false);
    }
    look_back(links, link, seq, received);
    watch_suspect(links, link, false);
    pump(links, link);
    link->waiting = d->held_len > 0;
}

/* ---- time ---- */

static uint64_t wait_us(const struct rf_link *link)
{
    const unsigned k = link->datagrams->timeouts;
    uint64_t wait = (uint64_t)link->rto_us << k;

    if (k > 0 && wait < (uint64_t)BACKOFF_US << k)
        wait = (uint64_t)BACKOFF_US << k; /* a short way that broke is given some seconds, too */
    return wait < WAIT_MAX_US ? wait : WAIT_MAX_US;
}

uint64_t reliable_next(const struct rf_link *link)
{
    const struct sent *oldest = first_of(&link->datagrams->flying);

    return oldest ? oldest->sent_us + wait_us(link) : RF_NEVER;
}

/* The second datagram of a time-out: the next message, or, if there is none, the same again. */
static void send_another(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;

    if (!rf_list_empty(&d->waiting)) {
        (void)transmit(links, link, first_of(&d->waiting));
    } else if (d->flying_count > 0) {
        d->flying_count--;
        (void)transmit(links, link, first_of(&d->flying));
    }
}

void reliable_fired(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;

    if (links_now(links) < reliable_next(link))
        return;
    if (d->timeouts == 0)
        d->silent_us = first_of(&d->flying)->sent_us;
    if (++d->timeouts >= END_AFTER && links_now(links) - d->silent_us >= END_US) {
        links->counters->closed_silent++;
        link_end(links, link, RF_ETIMEOUT, true);
        return;
    }
    shrink(link, last_seq(first_of(&d->flying)));
    d->window = 1;
    all_lost(links, link);
    pump(links, link);
    if (d->timeouts >= TWO_FROM && link->state == RF_LINK_UP)
        send_another(links, link);
    link->waiting = d->held_len > 0;
    if (d->timeouts >= SUSPECT_AFTER && link->state == RF_LINK_UP)
        watch_suspect(links, link, true);
}

void reliable_again(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;

    d->window = WINDOW_START;
    d->threshold = WINDOW_MAX;
    d->grown = 0;
    d->timeouts = 0;
    all_lost(links, link);
    pump(links, link);
    link->waiting = d->held_len > 0;
}

/* ---- in ---- */

bool reliable_twice(struct rf_links *links, struct rf_link *link, struct rf_view message)
{
    struct link_datagrams *d = link->datagrams;
    const uint64_t hash = rf_hash64(links->env->seed, message) & ~UINT64_C(0xffff);
    const uint16_t now = (uint16_t)(links_now(links) * 16 / RF_US_PER_S);

    for (size_t i = 0; i < TWICE_KEPT; i++)
        if ((d->twice[i] & ~UINT64_C(0xffff)) == hash &&
            (uint16_t)(now - (uint16_t)d->twice[i]) <= 16 * TWICE_US / RF_US_PER_S)
            return true;
    d->twice[d->twice_next] = hash | now;
    d->twice_next = (uint8_t)((d->twice_next + 1) % TWICE_KEPT);
    return false;
}
