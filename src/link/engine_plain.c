/*
 * engine_plain.c - an engine without any protection, for tests, benches and the simulator. Never linked into
 * a daemon.
 *
 * Each side sends one hello, then records:
 *
 *     hello   "RFPL" 1 | contents as in plain_kit.h
 *     record  u8 type (1 data, 2 good-bye, 3 refused) | u24 length | bytes
 *
 * The client's hello goes first; the server answers; then both are UP. Data passes through as it comes,
 * without waiting for the end of its record. Nobody proves to own the certificate.
 */
#include "link/plain_kit.h"

#include "base/assert.h"
#include "base/error.h"

#define RECORD_MAX_LEN 0xffffff

enum record_type { RECORD_DATA = 1, RECORD_BYE = 2, RECORD_REFUSED = 3 };

static const uint8_t hello_magic[5] = {'R', 'F', 'P', 'L', 1};

struct stream_channel {
    struct rf_channel base;
    uint8_t head[4]; /* of the record that is being read */
    uint8_t head_len;
    uint32_t left; /* bytes of data to come in it */
};

static int channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out)
{
    (void)resume_key;
    return plain_channel_new(sizeof(struct stream_channel), engine, server, alpn, alpn_count, out);
}

static int put_hello(const struct rf_channel *channel, struct rf_buf *wire)
{
    rf_buf_put(wire, hello_magic, sizeof hello_magic);
    plain_put_hello(channel, wire);
    return rf_buf_error(wire);
}

/* Reads what is there of the peer's hello. RF_ESHORT: not all. */
static int parse_hello(struct rf_channel *channel, size_t *used)
{
    struct rf_view in = rf_buf_view(&channel->hello), magic;
    size_t known = in.len < sizeof hello_magic ? in.len : sizeof hello_magic;
    int err;

    if (memcmp(in.p, hello_magic, known) != 0)
        return RF_EFORMAT;
    err = rf_view_take(&in, sizeof hello_magic, &magic);
    if (!err)
        err = plain_read_hello(channel, &in);
    *used = channel->hello.len - in.len;
    return err;
}

static int hello_input(struct rf_channel *channel, struct rf_view *in, struct rf_buf *wire)
{
    size_t before = channel->hello.len, used = 0, room = PLAIN_HELLO_LEN - before;
    int err;

    rf_buf_put(&channel->hello, in->p, in->len < room ? in->len : room);
    err = rf_buf_error(&channel->hello);
    if (!err)
        err = parse_hello(channel, &used);
    if (err == RF_ESHORT && channel->hello.len < PLAIN_HELLO_LEN) {
        in->len = 0;
        return 0;
    }
    if (err)
        return err == RF_ESHORT ? RF_EFORMAT : err;
    in->p += used - before;
    in->len -= used - before;
    channel->hello.len = used;
    if (channel->server)
        err = put_hello(channel, wire);
    if (!err)
        channel->state = RF_CHANNEL_UP;
    return err;
}

static int record_input(struct stream_channel *channel, struct rf_view *in, struct rf_buf *plain)
{
    if (channel->left > 0) {
        size_t len = in->len < channel->left ? in->len : channel->left;
        rf_buf_put(plain, in->p, len);
        in->p += len;
        in->len -= len;
        channel->left -= (uint32_t)len;
        return rf_buf_error(plain);
    }
    channel->head[channel->head_len++] = *in->p++;
    in->len--;
    if (channel->head_len < sizeof channel->head)
        return 0;
    channel->head_len = 0;
    switch (channel->head[0]) {
    case RECORD_DATA:
        channel->left = (uint32_t)channel->head[1] << 16 | (uint32_t)channel->head[2] << 8 | channel->head[3];
        return 0;
    case RECORD_BYE:
        channel->base.state = RF_CHANNEL_CLOSED;
        return 0;
    case RECORD_REFUSED:
        return RF_EREMOTE;
    default:
        return RF_EFORMAT;
    }
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    int err = 0;

    while (!err && in.len > 0 && channel->state <= RF_CHANNEL_UP) {
        if (channel->state == RF_CHANNEL_HANDSHAKE)
            err = hello_input(channel, &in, wire);
        else
            err = record_input(RF_CONTAINER(channel, struct stream_channel, base), &in, plain);
    }
    if (err)
        channel->state = RF_CHANNEL_FAILED;
    return err;
}

static int channel_start(struct rf_channel *channel, struct rf_buf *wire)
{
    return put_hello(channel, wire);
}

static void put_record(struct rf_buf *wire, enum record_type type, struct rf_view bytes)
{
    rf_buf_u8(wire, (uint8_t)type);
    rf_buf_v(wire, 3, bytes);
}

static int channel_write(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    RF_ASSERT(channel->state == RF_CHANNEL_UP);
    while (plain.len > 0) {
        size_t len = plain.len < RECORD_MAX_LEN ? plain.len : RECORD_MAX_LEN;
        put_record(wire, RECORD_DATA, rf_view_of(plain.p, len));
        plain.p += len;
        plain.len -= len;
    }
    if (rf_buf_error(wire))
        channel->state = RF_CHANNEL_FAILED;
    return rf_buf_error(wire);
}

static int channel_close(struct rf_channel *channel, struct rf_buf *wire)
{
    if (channel->state != RF_CHANNEL_UP)
        return 0;
    put_record(wire, RECORD_BYE, rf_view_of(NULL, 0));
    channel->state = RF_CHANNEL_CLOSED;
    return rf_buf_error(wire);
}

static void channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    (void)error;
    if (channel->state != RF_CHANNEL_UP)
        return;
    put_record(wire, RECORD_REFUSED, rf_view_of(NULL, 0));
    channel->state = RF_CHANNEL_FAILED;
}

const struct rf_engine_ops rf_engine_plain = {
    .name = "plain",
    .engine_new = plain_engine_new,
    .channel_new = channel_new,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_close = channel_close,
    .channel_refuse = channel_refuse,
    PLAIN_OPS,
};
