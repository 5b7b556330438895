/* plain_kit.c - what the two engines without protection share. */
#include "link/plain_kit.h"

#include "base/assert.h"
#include "base/error.h"

/* ---- engine ---- */

int plain_engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                              struct rf_view key_pem)
{
    struct rf_buf fresh;
    size_t len = 0;
    uint8_t *bytes;

    (void)key_pem;
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

void plain_engine_free(struct rf_engine *engine)
{
    if (!engine)
        return;
    rf_free(engine->env->mem, engine->certs);
    rf_free(engine->env->mem, engine);
}

int plain_engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                     struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine = rf_zalloc(env->mem, sizeof *engine);
    int err;

    if (!engine)
        return RF_ENOMEM;
    engine->env = env;
    err = plain_engine_set_identity(engine, certs, cert_count, key_pem);
    if (err) {
        plain_engine_free(engine);
        return err;
    }
    *out = engine;
    return 0;
}

/* ---- channel ---- */

int plain_channel_new(size_t len, struct rf_engine *engine, bool server, const char *const *alpn,
                      size_t alpn_count, struct rf_channel **out)
{
    struct rf_channel *channel;

    if (alpn_count > PLAIN_ALPN_MAX)
        return RF_EINVAL;
    for (size_t i = 0; i < alpn_count; i++)
        if (strlen(alpn[i]) > PLAIN_ALPN_MAX_LEN)
            return RF_EINVAL;
    channel = rf_zalloc(engine->env->mem, len);
    if (!channel)
        return RF_ENOMEM;
    channel->engine = engine;
    channel->server = server;
    channel->alpn_count = alpn_count;
    for (size_t i = 0; i < alpn_count; i++)
        strcpy(channel->offered[i], alpn[i]);
    rf_buf_init(&channel->hello, engine->env->mem, PLAIN_HELLO_LEN);
    *out = channel;
    return 0;
}

void plain_channel_free(struct rf_channel *channel)
{
    if (!channel)
        return;
    rf_buf_deinit(&channel->hello);
    rf_free(channel->engine->env->mem, channel);
}

void plain_put_hello(const struct rf_channel *channel, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 1);

    if (channel->server && channel->alpn[0])
        rf_buf_v(out, 1, rf_view_str(channel->alpn));
    for (size_t i = 0; !channel->server && i < channel->alpn_count; i++)
        rf_buf_v(out, 1, rf_view_str(channel->offered[i]));
    rf_buf_close(out, mark, 1);
    rf_buf_v(out, 2, rf_view_of(channel->engine->certs, channel->engine->certs_len));
}

/* Chooses the first of the peer's names that we know, too. */
static int choose_alpn(struct rf_channel *channel, struct rf_view names)
{
    bool any = false;

    while (names.len > 0) {
        struct rf_view name;
        if (rf_view_v(&names, 1, &name))
            return RF_EFORMAT;
        any = true;
        for (size_t i = 0; i < channel->alpn_count && !channel->alpn[0]; i++)
            if (rf_view_equal(name, rf_view_str(channel->offered[i])))
                strcpy(channel->alpn, channel->offered[i]);
    }
    return any && !channel->alpn[0] ? RF_EFORMAT : 0;
}

int plain_read_hello(struct rf_channel *channel, struct rf_view *in)
{
    struct rf_view names;

    if (rf_view_v(in, 1, &names) || rf_view_v(in, 2, &channel->peer_certs))
        return RF_ESHORT;
    if (channel->peer_certs.len == 0)
        return RF_EAUTH;
    return choose_alpn(channel, names);
}

int plain_channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    (void)wire;
    rf_buf_deinit(&channel->hello); /* idle links are many */
    channel->peer_certs = rf_view_of(NULL, 0);
    return 0;
}

enum rf_channel_state plain_channel_state(const struct rf_channel *channel)
{
    return channel->state;
}

size_t plain_channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max)
{
    struct rf_view in = channel->peer_certs;
    size_t count = 0;

    while (count < max && in.len > 0 && rf_view_v(&in, 2, &out[count]) == 0)
        count++;
    return count;
}

const char *plain_channel_alpn(const struct rf_channel *channel)
{
    return channel->alpn;
}

bool plain_channel_resumed(const struct rf_channel *channel)
{
    (void)channel;
    return false;
}
