/*
 * datagram.c - links of datagrams: the doors for what comes in, the queue of what goes out, strangers, and the clock of handshakes.
 *
 * A handshake's flight is sent again REPEAT_US after it went out (less where the round trip is known), then after twice that, and so on, until the
 * handshake is done or its time is up: connect_timeout_us for a peer that says nothing, handshake_timeout_us from his first datagram on.
 */
#include "link/table.h"

#include "base/assert.h"
#include "base/error.h"

#define REPEAT_US      RF_US_PER_S /* RFC 6347, section 4.2.4.1 */
#define REPEAT_MIN_US  (RF_US_PER_S / 5)
#define QUEUE_MOVE_LEN 65536

/* ---- the queue ---- */

static struct queued *entry(const struct datagram_queue *queue, size_t at)
{
    return (struct queued *)(void *)(queue->buf.p + at);
}

static size_t aligned(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* Moves what was taken out of the way. */
static void queue_tidy(struct datagram_queue *queue)
{
    struct rf_buf *buf = &queue->buf;
    size_t off = aligned(queue->off) < buf->len ? aligned(queue->off) : buf->len;

    if (off == 0 || (off < buf->len && off < QUEUE_MOVE_LEN))
        return;
    memmove(buf->p, buf->p + off, buf->len - off);
    buf->len -= off;
    queue->last -= queue->last < off ? queue->last : off;
    queue->off = 0;
}

/* Adds the records to the last datagram, if that is of the same link and still has room. */
static bool queue_join(struct rf_links *links, rf_link_id flow, struct rf_view bytes)
{
    struct datagram_queue *queue = &links->queue;
    struct queued *last;

    if (flow == 0 || queue->off >= queue->buf.len)
        return false;
    last = entry(queue, queue->last);
    if (last->flow != flow || last->whole || last->len + bytes.len > links->config.mtu)
        return false;
    queue->buf.len = queue->last + sizeof *last + last->len; /* over its padding */
    rf_buf_view_put(&queue->buf, bytes);
    if (rf_buf_error(&queue->buf))
        return false;
    entry(queue, queue->last)->len += (uint32_t)bytes.len;
    return true;
}

static void queue_put(struct rf_links *links, const struct queued *head, struct rf_view bytes)
{
    static const uint8_t zero[8];
    struct datagram_queue *queue = &links->queue;
    size_t before, at;

    if (!head->whole && queue_join(links, head->flow, bytes))
        return;
    queue_tidy(queue);
    if (queue->buf.len - queue->off + bytes.len > links->config.max_datagram_queue_len) {
        links->counters->datagrams_lost++;
        return;
    }
    before = queue->buf.len;
    at = aligned(before);
    rf_buf_put(&queue->buf, zero, at - before);
    rf_buf_put(&queue->buf, head, sizeof *head);
    rf_buf_view_put(&queue->buf, bytes);
    if (rf_buf_error(&queue->buf)) {
        queue->buf.error = 0; /* lost, as on any network */
        queue->buf.len = before;
        links->counters->datagrams_lost++;
        return;
    }
    entry(queue, at)->len = (uint32_t)bytes.len;
    queue->last = at;
}

bool queue_take(struct rf_links *links, struct rf_flow_action *out)
{
    struct datagram_queue *queue = &links->queue;
    const struct queued *head;
    const size_t at = aligned(queue->off);

    if (at >= queue->buf.len)
        return false;
    head = entry(queue, at);
    *out = (struct rf_flow_action){.type = RF_FLOW_DATAGRAM,
                                   .flow = head->flow,
                                   .addr = head->addr,
                                   .base = head->base,
                                   .bytes = rf_view_of((const uint8_t *)(head + 1), head->len)};
    queue->off = at + sizeof *head + head->len;
    links->counters->datagrams_out++;
    links->counters->bytes_out += head->len;
    return true;
}

void queue_trim(struct rf_links *links)
{
    rf_buf_deinit(&links->wire);
    queue_tidy(&links->queue);
    if (links->queue.buf.len == 0) {
        rf_buf_deinit(&links->queue.buf);
        links->queue.last = 0;
    }
}

void datagrams_flush(struct rf_links *links, struct rf_link *link)
{
    struct rf_view all = rf_buf_view(&links->wire), one;
    struct queued head = {.flow = link->id,
                          .whole = link->datagrams->apart ||
                                   (link->state == RF_LINK_UP && !link_has_frames(link))};

    if (link->datagrams->addressed) {
        head.addr = link->remote;
        head.base = link->base;
    }
    while (rf_view_v(&all, 2, &one) == 0) {
        queue_put(links, &head, one);
        link->bytes_out += one.len;
    }
    rf_buf_reset(&links->wire);
}

/* ---- life ---- */

static struct rf_view address_of(const struct rf_map_node *node)
{
    const struct link_datagrams *d = RF_CONTAINER(node, struct link_datagrams, node);
    return rf_view_of(d->key, sizeof d->key);
}

static void make_key(uint32_t base, const struct rf_addr *remote, uint8_t out[ADDRESS_KEY_LEN])
{
    struct rf_buf buf;

    rf_buf_fixed(&buf, out, ADDRESS_KEY_LEN);
    rf_buf_u32(&buf, base);
    rf_buf_u8(&buf, remote->family);
    rf_buf_u16(&buf, remote->port);
    rf_buf_put(&buf, remote->ip, remote->family == 4 ? 4 : 16);
    memset(out + buf.len, 0, ADDRESS_KEY_LEN - buf.len);
}

void datagrams_init(struct rf_links *links)
{
    rf_map_init(&links->by_address, links->env->mem, links->env->seed, address_of);
    rf_buf_init(&links->wire, links->env->mem, (size_t)1 << 20);
    rf_buf_init(&links->queue.buf, links->env->mem,
                links->config.max_datagram_queue_len + QUEUE_MOVE_LEN * 2);
    if (links->config.datagram_ops)
        links->config.datagram_ops->engine_set_mtu(links->config.datagram_engine, links->config.mtu);
}

void datagrams_deinit(struct rf_links *links)
{
    rf_map_deinit(&links->by_address);
    rf_buf_deinit(&links->wire);
    rf_buf_deinit(&links->queue.buf);
}

/* Makes it a link of datagrams; remote NULL: of a path. Errors: RF_EEXIST, RF_ENOMEM. */
static int datagrams_new(struct rf_links *links, struct rf_link *link, uint32_t base,
                         const struct rf_addr *remote)
{
    struct link_datagrams *d = rf_zalloc(links->env->mem, sizeof *d);
    int err = 0;

    if (!d)
        return RF_ENOMEM;
    reliable_init(d);
    d->link = link;
    d->repeat_us = REPEAT_US;
    link->base = base;
    link->is_datagrams = true;
    link->is_path = remote == NULL;
    link->rto_us = RF_US_PER_S / 2;
    if (remote) {
        d->addressed = true;
        make_key(base, remote, d->key);
        err = rf_map_insert(&links->by_address, &d->node);
    }
    if (err) {
        rf_free(links->env->mem, d);
        return err;
    }
    link->datagrams = d;
    return 0;
}

void datagrams_leave(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;

    if (!d || d->left)
        return;
    d->left = true;
    reliable_deinit(links, link);
    if (d->addressed)
        rf_map_remove(&links->by_address, &d->node);
}

void datagrams_free(struct rf_links *links, struct rf_link *link)
{
    datagrams_leave(links, link);
    ordered_free(links, link);
    rf_free(links->env->mem, link->datagrams);
    link->datagrams = NULL;
    link->is_datagrams = false;
}

/* ---- the handshake's clock ---- */

static int clock_set(struct rf_links *links, struct rf_link *link)
{
    const struct link_datagrams *d = link->datagrams;
    const uint64_t at = d->repeat_at_us < d->deadline_us ? d->repeat_at_us : d->deadline_us;

    return rf_timer_set(links->env->timers, &link->timer, at);
}

/* A flight went out, or none is to be repeated yet. */
static int clock_begin(struct rf_links *links, struct rf_link *link, uint64_t timeout_us)
{
    struct link_datagrams *d = link->datagrams;

    if (timeout_us)
        d->deadline_us = links_now(links) + timeout_us;
    d->repeat_at_us = links_now(links) + d->repeat_us;
    return clock_set(links, link);
}

bool datagrams_repeat(struct rf_links *links, struct rf_link *link)
{
    struct link_datagrams *d = link->datagrams;
    struct rf_buf *wire;
    size_t mark, len;
    int err = 0;

    if (link->state != RF_LINK_HANDSHAKE || links_now(links) >= d->deadline_us)
        return false;
    d->repeat_us *= 2;
    if (link->channel) {
        wire = out_begin(links, link, &mark);
        err = link_ops(links, link)->channel_tick(link->channel, wire);
        len = wire->len;
        out_end(links, link, mark);
        links->counters->flights_again += len > 0;
    }
    if (!err)
        err = clock_begin(links, link, 0);
    if (err) {
        links->counters->handshake_failed++;
        link_fail(links, link, err);
    }
    return true;
}

static void repeat_by_rtt(struct rf_link *link, uint64_t rtt_us)
{
    struct link_datagrams *d = link->datagrams;

    if (rtt_us == 0)
        return;
    link->srtt_us = 0;
    watch_rtt(link, rtt_us);
    d->repeat_us = link->rto_us > REPEAT_MIN_US ? link->rto_us : REPEAT_MIN_US;
    if (d->repeat_us > REPEAT_US)
        d->repeat_us = REPEAT_US;
}

/* ---- beginnings ---- */

/* A client's first flight. */
static int hail(struct rf_links *links, struct rf_link *link)
{
    struct rf_buf *wire;
    size_t mark;
    int err;

    budget_charge(links);
    link_set_state(links, link, RF_LINK_HANDSHAKE);
    err = channel_open(links, link);
    if (err)
        return err;
    wire = out_begin(links, link, &mark);
    err = link_ops(links, link)->channel_start(link->channel, wire);
    out_end(links, link, mark);
    return err ? err : clock_begin(links, link, links->config.connect_timeout_us);
}

int datagrams_dial(struct rf_links *links, struct rf_link *link, const struct rf_link_way *way)
{
    int err;

    if (!links->config.datagram_ops)
        return RF_EUNSUPPORTED;
    err = datagrams_new(links, link, way->base, &way->addr);
    if (!err)
        err = hail(links, link);
    if (!err)
        return 0;
    if (link->channel)
        link_ops(links, link)->channel_free(link->channel);
    link->channel = NULL;
    datagrams_free(links, link);
    links->counters->connect_failed++;
    return err;
}

int rf_links_attach_path(struct rf_links *links, const struct rf_link_path *path, rf_link_id *out)
{
    struct rf_link *link;
    int err;

    if (!links->config.datagram_ops)
        return RF_EUNSUPPORTED;
    if (links->map.count >= links->config.max_links)
        return RF_ELIMIT;
    err = link_new(links, &link);
    if (err)
        return err;
    link->outgoing = !path->server;
    link->purpose = (uint8_t)path->purpose;
    link->application = path->application;
    if (path->remote)
        link->remote = *path->remote;
    if (path->local)
        link->local = *path->local;
    err = dial_new(links, NULL, 0, path->expect, path->purpose, path->application, &link->dial);
    if (!err)
        err = datagrams_new(links, link, 0, NULL);
    if (!err) {
        repeat_by_rtt(link, path->rtt_us);
        link->flow_open = true;
        link_set_state(links, link, RF_LINK_HANDSHAKE);
        err = path->server ? clock_begin(links, link, links->config.handshake_timeout_us) : hail(links, link);
    }
    if (err) {
        link_free(links, link);
        return err;
    }
    *out = link->id;
    return 0;
}

void rf_links_path_changed(struct rf_links *links, rf_link_id flow, const struct rf_addr *remote,
                           const struct rf_addr *local, uint64_t rtt_us)
{
    struct rf_link *link = link_find(links, flow);

    if (!link || !link->datagrams || link->datagrams->addressed)
        return;
    if (remote)
        link->remote = *remote;
    if (local)
        link->local = *local;
    repeat_by_rtt(link, rtt_us);
    if (link->state == RF_LINK_UP && link_has_frames(link)) {
        reliable_again(links, link);
        watch(links, link);
    } else if (link->state == RF_LINK_HANDSHAKE) {
        (void)datagrams_repeat(links, link);
    }
}

/* ---- what comes in ---- */

static void count_dropped(struct rf_links *links, struct rf_link *link)
{
    uint32_t dropped = link_ops(links, link)->channel_dropped(link->channel);

    links->counters->records_dropped += dropped - link->datagrams->channel_dropped;
    link->datagrams->channel_dropped = dropped;
}

static void deliver(struct rf_links *links, struct rf_link *link, int err)
{
    struct rf_view all = rf_buf_view(&links->scratch->plain), record;

    while (link->state == RF_LINK_UP && rf_view_v(&all, 2, &record) == 0)
        record_input(links, link, record);
    if (link->state != RF_LINK_UP)
        return;
    if (err)
        link_end(links, link, err, false);
    else if (link_ops(links, link)->channel_state(link->channel) == RF_CHANNEL_CLOSED)
        link_end(links, link, RF_ECLOSED, true);
}

/* The handshake goes on, or is over. */
static void advance(struct rf_links *links, struct rf_link *link, int err, bool sent)
{
    enum rf_channel_state state = link_ops(links, link)->channel_state(link->channel);
    const bool first = !link->datagrams->heard;

    if (!err && state == RF_CHANNEL_UP) {
        link_up(links, link);
        return;
    }
    link->datagrams->heard = true;
    if (!err && state == RF_CHANNEL_CLOSED)
        err = RF_ECLOSED;
    if (!err && (first || sent))
        err = clock_begin(links, link, first ? links->config.handshake_timeout_us : 0);
    if (err) {
        links->counters->handshake_failed++;
        link_fail(links, link, err);
    }
}

static void feed(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    struct rf_buf *wire;
    size_t mark, len;
    int err;

    rf_buf_reset(&links->scratch->plain);
    wire = out_begin(links, link, &mark);
    err = link_ops(links, link)->channel_input(link->channel, bytes, &links->scratch->plain, wire);
    len = wire->len;
    out_end(links, link, mark);
    count_dropped(links, link);
    if (link->state == RF_LINK_HANDSHAKE)
        advance(links, link, err, len > 0);
    if (link->state == RF_LINK_UP)
        deliver(links, link, err);
}

/* A datagram for a link, and all that follows. */
static void input(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    if (link->state != RF_LINK_HANDSHAKE && link->state != RF_LINK_UP)
        return;
    link->bytes_in += bytes.len;
    link->datagrams->heard_us = links_now(links);
    if (!channel_ensure(links, link))
        return;
    links->ack_link = link;
    feed(links, link, bytes);
    links->ack_link = NULL;
    if (link->state == RF_LINK_UP) {
        watch(links, link);
        quiet_active(links);
    }
    report_ended(links);
}

/* Somebody who showed a good cookie. */
static void welcome(struct rf_links *links, uint32_t base, const struct rf_addr *remote, struct rf_view bytes,
                    const struct rf_hello *hello)
{
    static const struct rf_addr unknown;
    struct rf_link *link;
    int err;

    if (link_accept(links, remote, &unknown, &link))
        return;
    err = datagrams_new(links, link, base, remote);
    if (!err)
        err = channel_open(links, link);
    if (!err)
        err = clock_begin(links, link, links->config.handshake_timeout_us);
    if (err) {
        link_free(links, link);
        return;
    }
    link->datagrams->tag = hello->tag;
    link->datagrams->heard = true;
    link_ops(links, link)->channel_greet(link->channel, hello);
    input(links, link, bytes);
}

/* A datagram from an address without a link, or one that might begin anew. */
static void stranger(struct rf_links *links, uint32_t base, const struct rf_addr *remote,
                     struct rf_view bytes, struct rf_link *link)
{
    const struct rf_link_config *config = &links->config;
    uint8_t peer[ADDRESS_KEY_LEN];
    struct rf_hello hello = {.bad_cookie = false};
    int err;

    make_key(base, remote, peer);
    rf_buf_reset(&links->wire);
    err = config->datagram_ops->hello(config->datagram_engine, rf_view_of(peer, sizeof peer), bytes, &hello,
                                      &links->wire);
    if (link && (err == RF_EFORMAT || (!err && link->datagrams->tag == hello.tag))) {
        input(links, link, bytes);
    } else if (link && link->outgoing && link->state == RF_LINK_HANDSHAKE) {
        links->counters->datagrams_unknown++; /* both dial: who is asked first answers, the other waits */
    } else if (err == RF_EAGAIN) {
        struct rf_view all = rf_buf_view(&links->wire), one;
        const struct queued head = {.addr = *remote, .base = base, .whole = true};
        links->counters->cookies_out++;
        links->counters->cookies_bad += hello.bad_cookie;
        if (rf_view_v(&all, 2, &one) == 0)
            queue_put(links, &head, one);
        rf_buf_reset(&links->wire);
    } else if (!err) {
        if (link) {
            links->counters->replaced++;
            link_end(links, link, RF_ECLOSED, false);
        }
        welcome(links, base, remote, bytes, &hello);
        report_ended(links);
    } else {
        links->counters->datagrams_unknown++;
    }
}

void rf_links_datagram(struct rf_links *links, rf_link_id flow, struct rf_view bytes)
{
    struct rf_link *link = link_find(links, flow);

    RF_ASSERT(!links->ack_link);
    if (!link || !link->datagrams || link->datagrams->addressed || bytes.len == 0)
        return;
    links->counters->datagrams_in++;
    links->counters->bytes_in += bytes.len;
    input(links, link, bytes);
}

void rf_links_datagram_from(struct rf_links *links, uint32_t base, const struct rf_addr *remote,
                            struct rf_view bytes)
{
    struct rf_map_node *node;
    struct rf_link *link = NULL;
    uint8_t key[ADDRESS_KEY_LEN];

    RF_ASSERT(!links->ack_link);
    if (!links->config.datagram_ops || bytes.len == 0)
        return;
    links->counters->datagrams_in++;
    links->counters->bytes_in += bytes.len;
    make_key(base, remote, key);
    node = rf_map_find(&links->by_address, rf_view_of(key, sizeof key));
    if (node)
        link = RF_CONTAINER(node, struct link_datagrams, node)->link;
    stranger(links, base, remote, bytes, link);
}
