/*
 * engine_plain_datagram.c - datagrams without any protection, for tests, benches and the simulator. Never linked into a daemon.
 *
 * A datagram is a row of records:
 *
 *     record   u8 type | u32 tag | u32 number | u16 length | bytes
 *     20 cookie   8 bytes for the client's hello
 *     21 end      u8: 0 good-bye, 1 refused
 *     22 hello    "RFPD" 1 | u8 from (0 client, 1 server) | v8 cookie | u16 total | u16 offset | a piece of
 *                 what plain_kit.h says
 *     23 data     one record of plain bytes
 *
 * The client draws the tag, which stands for the keys that there are none of: records with another one are dropped. The client sends
 * its hello, again with the cookie if it is asked for one; the server answers with its own and is UP, the client is when it has it. Pieces are
 * taken in their order; lost ones come again with the whole hello. Data records count from 1, and one that came before, or is more than
 * 64 behind, is dropped.
 */
#include "link/plain_kit.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/map.h"

#define HEAD_LEN    11
#define HELLO_HEAD  6 /* magic, from */
#define COOKIE_LEN  8
#define COOKIE_US   (60 * RF_US_PER_S)
#define REPEAT_US   (RF_US_PER_S / 4)
#define MTU_DEFAULT 1200

enum record_type { RECORD_COOKIE = 20, RECORD_END, RECORD_HELLO, RECORD_DATA };

static const uint8_t hello_magic[5] = {'R', 'F', 'P', 'D', 1};

struct record {
    uint8_t type;
    uint32_t tag, number;
    struct rf_view bytes;
};

struct piece {
    uint8_t from;
    struct rf_view cookie, bytes;
    uint16_t total, offset;
};

struct datagram_channel {
    struct rf_channel base;
    bool tagged;
    uint8_t cookie_len, cookie[COOKIE_LEN];
    uint32_t tag, sent, newest;
    uint64_t seen; /* bit n: newest - n came */
    uint64_t flight_us;
};

static struct datagram_channel *inside(struct rf_channel *channel)
{
    return RF_CONTAINER(channel, struct datagram_channel, base);
}

/* ---- engine ---- */

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    int err = plain_engine_new(env, certs, cert_count, key_pem, out);

    if (!err)
        (*out)->mtu = MTU_DEFAULT;
    return err;
}

static void engine_set_mtu(struct rf_engine *engine, size_t mtu)
{
    RF_ASSERT(mtu >= 256 && mtu <= 16384);
    engine->mtu = mtu;
}

/* ---- records ---- */

static int next_record(struct rf_view *in, struct record *out)
{
    struct rf_view rest = *in;

    if (rf_view_u8(&rest, &out->type) || rf_view_u32(&rest, &out->tag) || rf_view_u32(&rest, &out->number) ||
        rf_view_v(&rest, 2, &out->bytes))
        return RF_EFORMAT;
    *in = rest;
    return 0;
}

static int read_piece(const struct record *record, struct piece *out)
{
    struct rf_view in = record->bytes, magic;

    if (record->type != RECORD_HELLO || rf_view_take(&in, sizeof hello_magic, &magic) ||
        memcmp(magic.p, hello_magic, sizeof hello_magic) != 0 || rf_view_u8(&in, &out->from) ||
        rf_view_v(&in, 1, &out->cookie) || rf_view_u16(&in, &out->total) || rf_view_u16(&in, &out->offset) ||
        out->total > PLAIN_HELLO_LEN || in.len == 0 || in.len > (size_t)out->total - out->offset)
        return RF_EFORMAT;
    out->bytes = in;
    return 0;
}

/* A datagram of one record. */
static void put_record(struct rf_buf *wire, uint8_t type, uint32_t tag, uint32_t number, struct rf_view bytes)
{
    size_t mark = rf_buf_open(wire, 2);

    rf_buf_u8(wire, type);
    rf_buf_u32(wire, tag);
    rf_buf_u32(wire, number);
    rf_buf_v(wire, 2, bytes);
    rf_buf_close(wire, mark, 2);
}

/* ---- the first datagram ---- */

static uint64_t cookie_of(const struct rf_engine *engine, struct rf_view peer, uint64_t age)
{
    const uint64_t minute = engine->env->now->mono_us / COOKIE_US - age;
    const uint64_t seed[2] = {engine->env->seed[0] ^ minute, engine->env->seed[1]};

    return rf_hash64(seed, peer);
}

static int hello(struct rf_engine *engine, struct rf_view peer, struct rf_view datagram, struct rf_hello *out,
                 struct rf_buf *wire)
{
    const uint64_t good[2] = {cookie_of(engine, peer, 0), cookie_of(engine, peer, 1)};
    struct record record;
    struct piece piece;

    if (next_record(&datagram, &record) || read_piece(&record, &piece) || piece.from != 0 ||
        piece.offset != 0)
        return RF_EFORMAT;
    *out = (struct rf_hello){.tag = record.tag};
    for (int i = 0; i < 2; i++)
        if (piece.cookie.len == COOKIE_LEN && memcmp(piece.cookie.p, &good[i], COOKIE_LEN) == 0)
            return 0;
    out->bad_cookie = piece.cookie.len > 0;
    put_record(wire, RECORD_COOKIE, record.tag, 0, rf_view_of(&good[0], COOKIE_LEN));
    return rf_buf_error(wire) ? rf_buf_error(wire) : RF_EAGAIN;
}

/* ---- channel ---- */

static int channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out)
{
    (void)resume_key;
    return plain_channel_new(sizeof(struct datagram_channel), engine, server, alpn, alpn_count, out);
}

static void channel_greet(struct rf_channel *channel, const struct rf_hello *hello)
{
    (void)channel;
    (void)hello;
}

/* Our hello in pieces. */
static int put_hello(struct datagram_channel *channel, struct rf_buf *wire)
{
    const struct rf_engine *engine = channel->base.engine;
    const struct rf_view cookie = rf_view_of(channel->cookie, channel->cookie_len);
    const size_t most = engine->mtu - HEAD_LEN - HELLO_HEAD - 1 - cookie.len - 4;
    struct rf_buf all, piece;

    rf_buf_init(&all, engine->env->mem, PLAIN_HELLO_LEN);
    rf_buf_init(&piece, engine->env->mem, PLAIN_HELLO_LEN);
    plain_put_hello(&channel->base, &all);
    for (size_t at = 0; !rf_buf_error(&all) && at < all.len; at += most) {
        rf_buf_reset(&piece);
        rf_buf_put(&piece, hello_magic, sizeof hello_magic);
        rf_buf_u8(&piece, channel->base.server);
        rf_buf_v(&piece, 1, cookie);
        rf_buf_u16(&piece, (uint16_t)all.len);
        rf_buf_u16(&piece, (uint16_t)at);
        rf_buf_put(&piece, all.p + at, all.len - at < most ? all.len - at : most);
        if (rf_buf_error(&piece))
            rf_buf_fail(wire, rf_buf_error(&piece));
        put_record(wire, RECORD_HELLO, channel->tag, 0, rf_buf_view(&piece));
    }
    if (rf_buf_error(&all))
        rf_buf_fail(wire, rf_buf_error(&all));
    rf_buf_deinit(&all);
    rf_buf_deinit(&piece);
    channel->flight_us = engine->env->now->mono_us;
    return rf_buf_error(wire);
}

static int hello_whole(struct datagram_channel *channel, struct rf_buf *wire)
{
    struct rf_view in = rf_buf_view(&channel->base.hello);
    int err = plain_read_hello(&channel->base, &in);

    if (err)
        return err == RF_ESHORT ? RF_EFORMAT : err;
    if (channel->base.server)
        err = put_hello(channel, wire);
    if (!err)
        channel->base.state = RF_CHANNEL_UP;
    return err;
}

/* The next piece of the peer's hello, or one of a hello that is there already: then ours was lost. */
static int hello_input(struct datagram_channel *channel, const struct record *record, struct rf_buf *wire)
{
    struct piece piece;

    if (read_piece(record, &piece) || piece.from == channel->base.server) {
        channel->base.dropped++;
        return 0;
    }
    if (channel->base.server && !channel->tagged) {
        channel->tagged = true;
        channel->tag = record->tag;
    }
    if (channel->base.state == RF_CHANNEL_UP) {
        const uint64_t now = channel->base.engine->env->now->mono_us;
        if (channel->base.server && piece.offset == 0 && now - channel->flight_us >= REPEAT_US)
            return put_hello(channel, wire);
        return 0;
    }
    if (piece.offset != channel->base.hello.len)
        return 0;
    rf_buf_view_put(&channel->base.hello, piece.bytes);
    if (rf_buf_error(&channel->base.hello))
        return rf_buf_error(&channel->base.hello);
    return channel->base.hello.len < piece.total ? 0 : hello_whole(channel, wire);
}

/* True for a number that has not come before. */
static bool number_is_new(struct datagram_channel *channel, uint32_t number)
{
    const uint32_t ahead = number - channel->newest, behind = channel->newest - number;

    if (behind < 64) {
        if (channel->seen >> behind & 1)
            return false;
        channel->seen |= UINT64_C(1) << behind;
        return true;
    }
    if (ahead >= UINT32_C(0x80000000))
        return false;
    channel->seen = (ahead < 64 ? channel->seen << ahead : 0) | 1;
    channel->newest = number;
    return true;
}

static int record_input(struct datagram_channel *channel, const struct record *record, struct rf_buf *plain,
                        struct rf_buf *wire)
{
    if (record->type == RECORD_COOKIE && !channel->base.server &&
        channel->base.state == RF_CHANNEL_HANDSHAKE && record->bytes.len == COOKIE_LEN &&
        record->tag == channel->tag) {
        memcpy(channel->cookie, record->bytes.p, COOKIE_LEN);
        channel->cookie_len = COOKIE_LEN;
        return put_hello(channel, wire);
    }
    if ((!channel->base.server || channel->tagged) && record->tag != channel->tag) {
        channel->base.dropped++;
        return 0;
    }
    if (record->type == RECORD_HELLO)
        return hello_input(channel, record, wire);
    if (channel->base.state != RF_CHANNEL_UP || record->bytes.len == 0 ||
        !number_is_new(channel, record->number)) {
        channel->base.dropped++;
    } else if (record->type == RECORD_DATA) {
        rf_buf_v(plain, 2, record->bytes);
        return rf_buf_error(plain);
    } else if (record->type == RECORD_END) {
        if (record->bytes.p[0])
            return RF_EREMOTE;
        channel->base.state = RF_CHANNEL_CLOSED;
    }
    return 0;
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    struct record record;
    int err = 0;

    while (!err && in.len > 0 && channel->state <= RF_CHANNEL_UP) {
        if (next_record(&in, &record)) {
            channel->dropped++;
            break;
        }
        err = record_input(inside(channel), &record, plain, wire);
    }
    if (err)
        channel->state = RF_CHANNEL_FAILED;
    return err;
}

static int channel_start(struct rf_channel *channel, struct rf_buf *wire)
{
    inside(channel)->tag = (uint32_t)rf_rng_u64(channel->engine->env->jitter);
    inside(channel)->tagged = true;
    return put_hello(inside(channel), wire);
}

static int channel_tick(struct rf_channel *channel, struct rf_buf *wire)
{
    return channel->state == RF_CHANNEL_HANDSHAKE && !channel->server ? put_hello(inside(channel), wire) : 0;
}

static size_t channel_room(const struct rf_channel *channel)
{
    return channel->engine->mtu - HEAD_LEN;
}

static int channel_write(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    RF_ASSERT(channel->state == RF_CHANNEL_UP);
    if (plain.len > channel_room(channel))
        return RF_ELIMIT;
    put_record(wire, RECORD_DATA, inside(channel)->tag, ++inside(channel)->sent, plain);
    if (rf_buf_error(wire))
        channel->state = RF_CHANNEL_FAILED;
    return rf_buf_error(wire);
}

static void put_end(struct rf_channel *channel, uint8_t refused, struct rf_buf *wire)
{
    put_record(wire, RECORD_END, inside(channel)->tag, ++inside(channel)->sent, rf_view_of(&refused, 1));
    channel->state = refused ? RF_CHANNEL_FAILED : RF_CHANNEL_CLOSED;
}

static int channel_close(struct rf_channel *channel, struct rf_buf *wire)
{
    if (channel->state == RF_CHANNEL_UP)
        put_end(channel, 0, wire);
    return rf_buf_error(wire);
}

static void channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    (void)error;
    if (channel->state == RF_CHANNEL_UP)
        put_end(channel, 1, wire);
}

static uint32_t channel_dropped(const struct rf_channel *channel)
{
    return channel->dropped;
}

const struct rf_engine_ops rf_engine_plain_datagram = {
    .name = "plain-datagram",
    .engine_new = engine_new,
    .channel_new = channel_new,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_close = channel_close,
    .channel_refuse = channel_refuse,
    PLAIN_OPS,
    .engine_set_mtu = engine_set_mtu,
    .hello = hello,
    .channel_greet = channel_greet,
    .channel_tick = channel_tick,
    .channel_room = channel_room,
    .channel_dropped = channel_dropped,
};
