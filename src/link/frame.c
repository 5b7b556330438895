/*
 * frame.c - what goes over a link that is UP: frames and their acknowledgements, or an application's bytes.
 *
 * Every data frame received is acknowledged at once (RFC 6940, section 6.6): the acknowledgements of one input are
 * collected in links->scratch->acks and leave in one record, with the first frame that is sent on this link meanwhile, else
 * at the end of the input. A peer that does not read gets none beyond ACK_BACKLOG_MAX_LEN of output, and when it has read again
 * one of the newest number, whose mask stands for those before it. On links of datagrams each leaves at once, in a record of its own
 * (D47); the queue puts it into one datagram with what follows.
 */
#include "link/table.h"

#include "base/error.h"
#include "wire/header.h"

#define CODE_LEN 2 /* of the message code, which follows the header */

/* The destination list of a keep-alive: one opaque ID, eight zero bytes, which no node issues. */
static const uint8_t keepalive_dests[] = {3, 9, 8, 0, 0, 0, 0, 0, 0, 0, 0};

/* ---- out ---- */

static void acknowledge(struct rf_links *links, struct rf_link *link, uint32_t sequence)
{
    struct rf_frame ack;

    rf_ack_log_add(&link->received, sequence, &ack);
    if (link->is_datagrams) {
        rf_buf_reset(&links->scratch->frame);
        rf_frame_encode(&ack, &links->scratch->frame);
        if (!rf_buf_error(&links->scratch->frame))
            links->counters->acks_out += !plain_write(links, link, rf_buf_view(&links->scratch->frame));
        return;
    }
    link->ack_owed = link_backlog(link) > ACK_BACKLOG_MAX_LEN;
    if (link->ack_owed)
        return;
    rf_frame_encode(&ack, &links->scratch->acks);
    links->counters->acks_out++;
}

int plain_write(struct rf_links *links, struct rf_link *link, struct rf_view plain)
{
    struct rf_buf *wire;
    size_t mark;
    int err;

    if (link_ops(links, link)->channel_state(link->channel) != RF_CHANNEL_UP)
        return RF_ECLOSED; /* the input that is being delivered ended with a good-bye or an error */
    wire = out_begin(links, link, &mark);
    err = link_ops(links, link)->channel_write(link->channel, plain, wire);
    out_end(links, link, mark);
    if (err)
        link_end(links, link, err, false);
    return err;
}

void acks_flush(struct rf_links *links, struct rf_link *link)
{
    if (links->scratch->acks.len > 0 && link->state == RF_LINK_UP)
        (void)plain_write(links, link, rf_buf_view(&links->scratch->acks));
    rf_buf_reset(&links->scratch->acks);
}

void ack_pay(struct rf_links *links, struct rf_link *link)
{
    const struct rf_frame ack = {.type = RF_FRAME_ACK,
                                 .sequence = link->received.newest,
                                 .received = (uint32_t)link->received.seen & ~UINT32_C(1)};

    if (!link->ack_owed || link->state != RF_LINK_UP || link_backlog(link) > ACK_BACKLOG_MAX_LEN)
        return;
    link->ack_owed = false;
    rf_buf_reset(&links->scratch->frame);
    rf_frame_encode(&ack, &links->scratch->frame);
    if (!rf_buf_error(&links->scratch->frame) &&
        !plain_write(links, link, rf_buf_view(&links->scratch->frame)))
        links->counters->acks_out++;
}

static int send_data(struct rf_links *links, struct rf_link *link, struct rf_view message)
{
    struct rf_frame frame = {.type = RF_FRAME_DATA, .sequence = link->send_seq, .message = message};
    int err;

    if (link->is_datagrams)
        return reliable_send(links, link, message);
    rf_buf_reset(&links->scratch->frame);
    if (links->ack_link == link) {
        rf_buf_view_put(&links->scratch->frame, rf_buf_view(&links->scratch->acks));
        rf_buf_reset(&links->scratch->acks);
    }
    rf_frame_encode(&frame, &links->scratch->frame);
    err = rf_buf_error(&links->scratch->frame);
    if (!err)
        err = plain_write(links, link, rf_buf_view(&links->scratch->frame));
    if (err)
        return err;
    link->send_seq++;
    link->activity_us = links_now(links);
    watch_sent(links, link, frame.sequence);
    return 0;
}

/* Is there room for `len` more bytes? An empty backlog takes any message. */
static bool backlog_has_room(const struct rf_links *links, const struct rf_link *link, size_t len)
{
    size_t backlog = link->is_datagrams ? link->datagrams->held_len : link_backlog(link);

    if (backlog == 0)
        return true;
    if (links->backlog_total + len > links->config.max_backlog_total_len)
        return backlog + len <= SMALL_BACKLOG_LEN;
    return backlog + len <= links->config.max_backlog_len;
}

size_t message_room(const struct rf_links *links, const struct rf_link *link)
{
    size_t room = SIZE_MAX;

    if (link->state != RF_LINK_UP)
        return 0;
    if (link->is_datagrams)
        room = link_ops(links, link)->channel_room(link->channel);
    if (!link_has_frames(link))
        return room;
    room -= RF_FRAME_DATA_LEN;
    return room < links->config.max_message_len ? room : links->config.max_message_len;
}

int frame_send(struct rf_links *links, struct rf_link *link, struct rf_view message)
{
    int err;

    if (message.len == 0 || message.len > message_room(links, link))
        return RF_ELIMIT;
    if (!backlog_has_room(links, link, message.len)) {
        links->counters->dropped_backlog++;
        return RF_EAGAIN;
    }
    err = send_data(links, link, message);
    if (err)
        return err;
    links->counters->frames_out++;
    link->frames_out++;
    link->message_us = links_now(links);
    kept_add(links, link, message);
    return 0;
}

int app_send(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    int err;

    if (link->is_datagrams && !link_is_ordered(link) && bytes.len > message_room(links, link))
        return RF_ELIMIT;
    if (!backlog_has_room(links, link, bytes.len)) {
        links->counters->dropped_backlog++;
        return RF_EAGAIN;
    }
    err = link_is_ordered(link) ? ordered_send(links, link, bytes) : plain_write(links, link, bytes);
    if (err)
        return err;
    link->activity_us = link->message_us = links_now(links);
    watch(links, link);
    return 0;
}

int rf_links_send(struct rf_links *links, rf_link_id id, struct rf_view message)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->state != RF_LINK_UP || link->purpose != RF_LINK_OVERLAY)
        return RF_ENOTFOUND;
    return frame_send(links, link, message);
}

int rf_links_app_send(struct rf_links *links, rf_link_id id, struct rf_view bytes)
{
    struct rf_link *link = link_find(links, id);

    if (!link || link->state != RF_LINK_UP || link->purpose != RF_LINK_APP)
        return RF_ENOTFOUND;
    return app_send(links, link, bytes);
}

/* ---- keep-alive ---- */

void keepalive_send(struct rf_links *links, struct rf_link *link)
{
    uint8_t bytes[RF_HEADER_MIN_LEN + sizeof keepalive_dests];
    struct rf_header header = {
        .overlay = links->config.overlay_hash,
        .ttl = 1,
        .fragment = RF_FRAGMENT_WHOLE,
        .transaction_id = rf_rng_u64(links->env->jitter),
        .dests = rf_view_of(keepalive_dests, sizeof keepalive_dests),
    };
    struct rf_buf message;

    rf_buf_fixed(&message, bytes, sizeof bytes);
    rf_header_encode(&header, 0, &message);
    if (rf_buf_error(&message) || send_data(links, link, rf_buf_view(&message)))
        return;
    links->counters->keepalives_out++;
}

static bool is_keepalive(struct rf_view message)
{
    static const uint8_t lengths[] = {0, 0, 0, sizeof keepalive_dests, 0, 0};

    return message.len == RF_HEADER_MIN_LEN + sizeof keepalive_dests &&
           memcmp(message.p + 32, lengths, sizeof lengths) == 0 &&
           memcmp(message.p + RF_HEADER_MIN_LEN, keepalive_dests, sizeof keepalive_dests) == 0;
}

/* ---- in ---- */

static void data_frame(struct rf_links *links, struct rf_link *link, const struct rf_frame *frame)
{
    acknowledge(links, link, frame->sequence);
    link->activity_us = links_now(links);
    if (!link_is_ordered(link) && is_keepalive(frame->message)) {
        links->counters->keepalives_in++;
        return;
    }
    /* pieces of a stream tell by their places whether they came before */
    if (link->is_datagrams && (link->state != RF_LINK_UP ||
                               (!link_is_ordered(link) && reliable_twice(links, link, frame->message)))) {
        links->counters->messages_twice += link->state == RF_LINK_UP;
        return;
    }
    links->counters->frames_in++;
    link->frames_in++;
    link->message_us = links_now(links);
    if (link_is_ordered(link))
        ordered_input(links, link, frame->message);
    else if (links->host.message)
        links->host.message(links->host.ctx, link->id, frame->message);
}

static void bad_frame(struct rf_links *links, struct rf_link *link, int err)
{
    if (err == RF_ELIMIT)
        links->counters->message_too_large++;
    else if (err != RF_ENOMEM)
        links->counters->frames_bad++;
    link_end(links, link, err, true);
}

/* How much of a message that is too large is gathered: its header, and the message code behind it. */
static int front_len(const struct rf_links *links, struct rf_view front, size_t *out)
{
    int err;

    *out = RF_HEADER_MIN_LEN;
    if (front.len < RF_HEADER_MIN_LEN)
        return 0;
    err = rf_header_len(front, out);
    *out += CODE_LEN;
    return err || *out <= links->config.max_message_len ? err : RF_ELIMIT;
}

/*
 * A message that is too large (reload.md 1.8): its front is shown to node/, which may answer; then the link ends. It ends without that if
 * the header alone is too large, or is none.
 */
static void too_large_input(struct rf_links *links, struct rf_link *link, struct rf_frame_reader *reader,
                            struct rf_view plain)
{
    struct rf_buf *front = &reader->pending;
    size_t len, take;
    int err;

    while (!(err = front_len(links, rf_buf_view(front), &len)) && front->len < len) {
        if (plain.len == 0)
            return; /* the rest is on its way */
        take = len - front->len < plain.len ? len - front->len : plain.len;
        rf_buf_put(front, plain.p, take);
        plain = rf_view_of(plain.p + take, plain.len - take);
        if (rf_buf_error(front)) {
            bad_frame(links, link, rf_buf_error(front));
            return;
        }
    }
    if (!err && links->host.too_large)
        links->host.too_large(links->host.ctx, link->id, rf_buf_view(front));
    bad_frame(links, link, RF_ELIMIT);
}

static void too_large_begin(struct rf_links *links, struct rf_link *link, struct rf_frame_reader *reader,
                            struct rf_view plain)
{
    if (reader->pending.len == 0) /* the frame was not cut: its head is still in there */
        plain = rf_view_of(plain.p + RF_FRAME_DATA_LEN, plain.len - RF_FRAME_DATA_LEN);
    rf_buf_reset(&reader->pending);
    link->too_large = true;
    too_large_input(links, link, reader, plain);
}

static void read_frames(struct rf_links *links, struct rf_link *link, struct rf_frame_reader *reader,
                        struct rf_view plain)
{
    struct rf_frame frame;

    reader->max_message_len = links->config.max_message_len;
    while (link->state == RF_LINK_UP) {
        int err = rf_frame_reader_next(reader, &plain, &frame);
        if (err == RF_ESHORT)
            break;
        if (err == RF_ELIMIT) {
            too_large_begin(links, link, reader, plain);
            return;
        }
        if (err) {
            bad_frame(links, link, err);
        } else if (frame.type == RF_FRAME_DATA) {
            data_frame(links, link, &frame);
        } else {
            links->counters->acks_in++;
            watch_acked(links, link, frame.sequence);
        }
    }
}

void reader_drop(struct rf_links *links, struct rf_link *link)
{
    if (link->reader)
        rf_frame_reader_deinit(link->reader);
    rf_free(links->env->mem, link->reader);
    link->reader = NULL;
}

/* Most inputs end where a frame ends: a link has a reader of its own only from one that does not until the next. */
static void overlay_input(struct rf_links *links, struct rf_link *link, struct rf_view plain)
{
    struct rf_frame_reader *reader = link->reader ? link->reader : &links->reader;

    if (link->too_large)
        too_large_input(links, link, reader, plain);
    else
        read_frames(links, link, reader, plain);
    if (link->state != RF_LINK_UP || reader->pending.len == 0) {
        rf_frame_reader_deinit(&links->reader);
        reader_drop(links, link);
    } else if (reader != link->reader) {
        link->reader = rf_memdup(links->env->mem, reader, sizeof *reader);
        if (!link->reader) {
            rf_frame_reader_deinit(reader);
            bad_frame(links, link, RF_ENOMEM);
        }
        rf_frame_reader_init(reader, links->env->mem, links->config.max_message_len);
    }
}

void record_input(struct rf_links *links, struct rf_link *link, struct rf_view record)
{
    struct rf_frame frame;

    if (!link_has_frames(link)) {
        frames_input(links, link, record);
        return;
    }
    while (record.len > 0 && link->state == RF_LINK_UP) {
        int err = rf_frame_next(&record, links->config.max_message_len, &frame);
        if (err == RF_ELIMIT) {
            rf_frame_reader_init(&links->reader, links->env->mem, links->config.max_message_len);
            too_large_begin(links, link, &links->reader, record);
            rf_frame_reader_deinit(&links->reader);
            if (link->state != RF_LINK_UP)
                return;
            err = RF_EFORMAT; /* not even the header is in this record */
        }
        if (err) {
            bad_frame(links, link,
                      err == RF_ESHORT ? RF_EFORMAT : err); /* no frame goes on in the next record */
        } else if (frame.type == RF_FRAME_DATA) {
            data_frame(links, link, &frame);
        } else {
            links->counters->acks_in++;
            reliable_acked(links, link, frame.sequence, frame.received);
        }
    }
}

void frames_input(struct rf_links *links, struct rf_link *link, struct rf_view plain)
{
    if (plain.len == 0 || link->state != RF_LINK_UP)
        return;
    if (link->purpose == RF_LINK_OVERLAY) {
        overlay_input(links, link, plain);
        return;
    }
    link->activity_us = link->message_us = links_now(links);
    if (links->host.app_data)
        links->host.app_data(links->host.ctx, link->id, plain);
}
