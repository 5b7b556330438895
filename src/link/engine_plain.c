/*
 * engine_plain.c - an engine without any protection, for tests, benches and the simulator. Never linked into
 * a daemon.
 *
 * Each side sends one hello, then records:
 *
 *     hello   "RFPL" 1 | v8 of v8 ALPN names (client: offered, server: the one chosen or none)
 *             | v16 of v16 certificates, DER, leaf first
 *     record  u8 type (1 data, 2 good-bye, 3 refused) | u24 length | bytes
 *
 * The client's hello goes first; the server answers; then both are UP. Data passes through as it comes,
 * without waiting for the end of its record. Nobody proves to own the certificate.
 */
#include "link/engine.h"

#include "base/assert.h"
#include "base/error.h"

#define HELLO_MAX_LEN  20480
#define RECORD_MAX_LEN 0xffffff
#define ALPN_MAX       4
#define ALPN_MAX_LEN   15

enum record_type { RECORD_DATA = 1, RECORD_BYE = 2, RECORD_REFUSED = 3 };

static const uint8_t hello_magic[5] = {'R', 'F', 'P', 'L', 1};

struct rf_engine {
    const struct rf_env *env;
    uint8_t *certs; /* v16 each, as in the hello; owned */
    size_t certs_len;
};

struct rf_channel {
    struct rf_engine *engine;
    enum rf_channel_state state;
    bool server;
    size_t alpn_count;
    char offered[ALPN_MAX][ALPN_MAX_LEN + 1];
    char alpn[ALPN_MAX_LEN + 1];
    struct rf_buf hello;       /* the peer's, kept for its certificates until they are judged */
    struct rf_view peer_certs; /* v16 each */
    uint8_t head[4];           /* of the record that is being read */
    uint8_t head_len;
    uint32_t left; /* bytes of data to come in it */
};

/* ---- engine ---- */

/* Puts new certificates in the place of those there are. On an error nothing changes. */
static int set_certs(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count)
{
    struct rf_buf fresh;
    size_t len = 0;
    uint8_t *bytes;

    if (cert_count == 0 || cert_count > RF_ENGINE_CERTS_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < cert_count; i++)
        len += 2 + certs[i].len;
    bytes = rf_alloc(engine->env->mem, len);
    if (!bytes)
        return RF_ENOMEM;
    rf_buf_fixed(&fresh, bytes, len);
    for (size_t i = 0; i < cert_count; i++)
        rf_buf_v(&fresh, 2, certs[i]);
    if (rf_buf_error(&fresh)) {
        rf_free(engine->env->mem, bytes);
        return rf_buf_error(&fresh);
    }
    rf_free(engine->env->mem, engine->certs);
    engine->certs = bytes;
    engine->certs_len = len;
    return 0;
}

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine = rf_zalloc(env->mem, sizeof *engine);
    int err;

    (void)key_pem;
    if (!engine)
        return RF_ENOMEM;
    engine->env = env;
    err = set_certs(engine, certs, cert_count);
    if (err) {
        rf_free(env->mem, engine);
        return err;
    }
    *out = engine;
    return 0;
}

static void engine_free(struct rf_engine *engine)
{
    if (!engine)
        return;
    rf_free(engine->env->mem, engine->certs);
    rf_free(engine->env->mem, engine);
}

static int engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                               struct rf_view key_pem)
{
    (void)key_pem;
    return set_certs(engine, certs, cert_count);
}

/* ---- channel ---- */

static int channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out)
{
    struct rf_channel *channel;

    (void)resume_key;
    if (alpn_count > ALPN_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < alpn_count; i++)
        if (strlen(alpn[i]) > ALPN_MAX_LEN)
            return RF_EINVAL;
    channel = rf_zalloc(engine->env->mem, sizeof *channel);
    if (!channel)
        return RF_ENOMEM;
    channel->engine = engine;
    channel->server = server;
    channel->alpn_count = alpn_count;
    for (size_t i = 0; i < alpn_count; i++)
        strcpy(channel->offered[i], alpn[i]);
    rf_buf_init(&channel->hello, engine->env->mem, HELLO_MAX_LEN);
    *out = channel;
    return 0;
}

static void channel_free(struct rf_channel *channel)
{
    if (!channel)
        return;
    rf_buf_deinit(&channel->hello);
    rf_free(channel->engine->env->mem, channel);
}

static int put_hello(struct rf_channel *channel, struct rf_buf *wire)
{
    size_t mark;

    rf_buf_put(wire, hello_magic, sizeof hello_magic);
    mark = rf_buf_open(wire, 1);
    if (channel->server && channel->alpn[0])
        rf_buf_v(wire, 1, rf_view_str(channel->alpn));
    for (size_t i = 0; !channel->server && i < channel->alpn_count; i++)
        rf_buf_v(wire, 1, rf_view_str(channel->offered[i]));
    rf_buf_close(wire, mark, 1);
    rf_buf_v(wire, 2, rf_view_of(channel->engine->certs, channel->engine->certs_len));
    return rf_buf_error(wire);
}

/* Chooses the first of the peer's names that we know, too. */
static int choose_alpn(struct rf_channel *channel, struct rf_view names)
{
    bool any = false;

    while (names.len > 0) {
        struct rf_view name;
        int err = rf_view_v(&names, 1, &name);
        if (err)
            return RF_EFORMAT;
        any = true;
        for (size_t i = 0; i < channel->alpn_count && !channel->alpn[0]; i++)
            if (rf_view_equal(name, rf_view_str(channel->offered[i])))
                strcpy(channel->alpn, channel->offered[i]);
    }
    return any && !channel->alpn[0] ? RF_EFORMAT : 0;
}

/* Reads what is there of the peer's hello. RF_ESHORT: not all. */
static int parse_hello(struct rf_channel *channel, size_t *used)
{
    struct rf_view in = rf_buf_view(&channel->hello), magic, names;
    size_t known = in.len < sizeof hello_magic ? in.len : sizeof hello_magic;
    int err;

    if (memcmp(in.p, hello_magic, known) != 0)
        return RF_EFORMAT;
    err = rf_view_take(&in, sizeof hello_magic, &magic);
    if (!err)
        err = rf_view_v(&in, 1, &names);
    if (!err)
        err = rf_view_v(&in, 2, &channel->peer_certs);
    if (err)
        return err;
    *used = channel->hello.len - in.len;
    if (channel->peer_certs.len == 0)
        return RF_EAUTH;
    return choose_alpn(channel, names);
}

static int hello_input(struct rf_channel *channel, struct rf_view *in, struct rf_buf *wire)
{
    size_t before = channel->hello.len, used = 0, room = HELLO_MAX_LEN - before;
    int err;

    rf_buf_put(&channel->hello, in->p, in->len < room ? in->len : room);
    err = rf_buf_error(&channel->hello);
    if (!err)
        err = parse_hello(channel, &used);
    if (err == RF_ESHORT && channel->hello.len < HELLO_MAX_LEN) {
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

static int record_input(struct rf_channel *channel, struct rf_view *in, struct rf_buf *plain)
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
        channel->state = RF_CHANNEL_CLOSED;
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
            err = record_input(channel, &in, plain);
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

static int channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    (void)wire;
    rf_buf_deinit(&channel->hello); /* idle links are many */
    channel->peer_certs = rf_view_of(NULL, 0);
    return 0;
}

static void channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    (void)error;
    if (channel->state != RF_CHANNEL_UP)
        return;
    put_record(wire, RECORD_REFUSED, rf_view_of(NULL, 0));
    channel->state = RF_CHANNEL_FAILED;
}

static enum rf_channel_state channel_state(const struct rf_channel *channel)
{
    return channel->state;
}

static size_t channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max)
{
    struct rf_view in = channel->peer_certs;
    size_t count = 0;

    while (count < max && in.len > 0 && rf_view_v(&in, 2, &out[count]) == 0)
        count++;
    return count;
}

static const char *channel_alpn(const struct rf_channel *channel)
{
    return channel->alpn;
}

static bool channel_resumed(const struct rf_channel *channel)
{
    (void)channel;
    return false;
}

const struct rf_engine_ops rf_engine_plain = {
    .name = "plain",
    .engine_new = engine_new,
    .engine_free = engine_free,
    .engine_set_identity = engine_set_identity,
    .channel_new = channel_new,
    .channel_free = channel_free,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_close = channel_close,
    .channel_admit = channel_admit,
    .channel_refuse = channel_refuse,
    .channel_state = channel_state,
    .channel_peer_certs = channel_peer_certs,
    .channel_alpn = channel_alpn,
    .channel_resumed = channel_resumed,
};
