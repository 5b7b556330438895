/*
 * engine_gnutls_dtls.c - the DTLS engine: DTLS 1.2 with certificates on both sides, on GnuTLS with memory transport.
 *
 * GnuTLS is given one record at a time, as if each had come in its own datagram: the borders of the records in a datagram are
 * looked at here, so that a damaged one costs nothing but itself. Anti-replay is on (a window of 64 records).
 *
 * Time. GnuTLS would send a flight again when its own clock says so. Here its time-out is 0, which means "whenever the handshake is
 * called and nothing came": channel_tick calls it, when link/'s timer fires. Calls with input make it repeat flights, too (a
 * repeated flight of the peer's, or half of one): of those only one in REPEAT_US goes out, so that a stranger who slips datagrams
 * in cannot make much of little. What is a repetition is seen in the message numbers of the handshake (RFC 6347, section 4.2.2);
 * once UP, every flight is one.
 *
 * Sessions are resumed by their ID, not by a ticket: a ticket holds the client's certificate and would not fit into the one
 * datagram that a ClientHello has to be for a stateless cookie. The server keeps SESSIONS_MAX of them, none of a client that link/
 * refused, and only with the extended master secret (RFC 7627), without which a resumed session could be somebody else's.
 *
 * Cookies: a MAC over the peer's address under a key that is made anew every COOKIE_US; the key before is still good.
 */
#include "link/engine.h"

#include <errno.h>
#include <gnutls/dtls.h>
#include "base/assert.h"
#include "base/error.h"
#include "link/gnutls_kit.h"

#define PRIORITY                                                                                             \
    "NONE:+VERS-DTLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA"          \
    ":+GROUP-X25519:+GROUP-SECP256R1" KIT_SIGNATURES

#define HEAD_LEN 13 /* of a record, RFC 6347 section 4.1 */
#define HELLO_MIN_LEN                                                                                        \
    64 /* record and handshake head, version, random, three lengths: longer than our answer */
#define MTU_DEFAULT    1200
#define NO_TIMEOUT_MS  0x7fffffffu /* 24 days: link/ decides when a handshake took too long */
#define REPEAT_US      (RF_US_PER_S / 4)
#define COOKIE_US      (60 * RF_US_PER_S)
#define COOKIE_KEY_LEN 32
#define SESSIONS_MAX   4096

enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };

struct dtls_engine {
    struct rf_engine base;
    struct saved_set sessions; /* as server by session ID */
    size_t mtu;
    uint8_t cookie_keys[2][COOKIE_KEY_LEN]; /* the newest first */
    uint64_t cookie_us;                     /* when it was made */
};

struct dtls_channel {
    struct rf_channel base;
    uint16_t next_number; /* of the handshake's messages: above all that were sent */
    bool repeats;         /* what is pushed now is a repetition */
    bool may_repeat;      /* and goes out all the same */
    bool sent;            /* something went out in this call */
    uint64_t flight_us;   /* when the last flight went out */
};

static struct dtls_engine *dtls_engine(struct rf_engine *engine)
{
    return RF_CONTAINER(engine, struct dtls_engine, base);
}

static struct dtls_channel *dtls_channel(struct rf_channel *channel)
{
    return RF_CONTAINER(channel, struct dtls_channel, base);
}

/* ---- engine ---- */

static void engine_free(struct rf_engine *engine)
{
    if (engine)
        saved_deinit(&dtls_engine(engine)->sessions);
    kit_engine_free(engine);
}

static int engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                               struct rf_view key_pem)
{
    int err = kit_engine_set_identity(engine, certs, cert_count, key_pem);

    if (!err)
        saved_drop_all(&dtls_engine(engine)->sessions);
    return err;
}

static void engine_set_mtu(struct rf_engine *engine, size_t mtu)
{
    RF_ASSERT(mtu >= 256 && mtu <= KIT_RECORD_LEN);
    dtls_engine(engine)->mtu = mtu;
}

/* ---- the first datagram ---- */

/* Takes the record at the front; false: there is no whole one. */
static bool next_record(struct rf_view *in, struct rf_view *record)
{
    size_t len;

    if (in->len < HEAD_LEN || in->p[1] != 254)
        return false;
    len = HEAD_LEN + ((size_t)in->p[11] << 8 | in->p[12]);
    return rf_view_take(in, len, record) == 0;
}

/* A ClientHello in one piece, in epoch 0, at the front of the datagram. */
static bool is_hello(struct rf_view in)
{
    static const uint8_t zero[3];
    struct rf_view record;

    return next_record(&in, &record) && record.len >= HELLO_MIN_LEN && record.p[0] == RECORD_HANDSHAKE &&
           memcmp(record.p + 3, zero, 2) == 0 && record.p[13] == 1 && memcmp(record.p + 19, zero, 3) == 0 &&
           memcmp(record.p + 14, record.p + 22, 3) == 0;
}

static void turn_cookie_keys(struct dtls_engine *engine)
{
    uint64_t now = engine->base.env->now->mono_us;

    if (now - engine->cookie_us < COOKIE_US)
        return;
    memcpy(engine->cookie_keys[1], engine->cookie_keys[0], COOKIE_KEY_LEN);
    rf_rng_fill(engine->base.env->secret, engine->cookie_keys[0], COOKIE_KEY_LEN);
    if (now - engine->cookie_us >= 2 * COOKIE_US)
        rf_rng_fill(engine->base.env->secret, engine->cookie_keys[1], COOKIE_KEY_LEN);
    engine->cookie_us = now;
}

static ssize_t push_cookie(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
    rf_buf_v(ptr, 2, rf_view_of(data, len));
    return (ssize_t)len;
}

static int hello(struct rf_engine *engine, struct rf_view peer, struct rf_view datagram, struct rf_hello *out,
                 struct rf_buf *wire)
{
    struct dtls_engine *dtls = dtls_engine(engine);
    gnutls_dtls_prestate_st state = {0};
    gnutls_datum_t key = {NULL, COOKIE_KEY_LEN};
    int code = GNUTLS_E_BAD_COOKIE;
    size_t cookie;

    if (!is_hello(datagram))
        return RF_EFORMAT;
    turn_cookie_keys(dtls);
    for (int i = 0; i < 2 && code == GNUTLS_E_BAD_COOKIE; i++) {
        key.data = dtls->cookie_keys[i];
        code = gnutls_dtls_cookie_verify(&key, (void *)(uintptr_t)peer.p, peer.len,
                                         (void *)(uintptr_t)datagram.p, datagram.len, &state);
    }
    if (code != 0 && code != GNUTLS_E_BAD_COOKIE)
        return RF_EFORMAT;
    *out = (struct rf_hello){.state = {state.record_seq, state.hsk_read_seq, state.hsk_write_seq},
                             .tag = rf_hash64(engine->env->seed, rf_view_of(datagram.p + 27, 32))};
    if (code == 0 && state.hsk_read_seq > 1)
        out->state[2] = state.hsk_read_seq - 1; /* an older cookie was refused before */
    if (code == 0)
        return 0;
    cookie = HEAD_LEN + 12 + 34; /* the session ID, then the cookie: GnuTLS saw that they are there */
    cookie += 1 + (size_t)datagram.p[cookie];
    out->bad_cookie = datagram.p[cookie] > 0;
    key.data = dtls->cookie_keys[0];
    state = (gnutls_dtls_prestate_st){.record_seq = datagram.p[10], .hsk_write_seq = datagram.p[18]};
    (void)gnutls_dtls_cookie_send(&key, (void *)(uintptr_t)peer.p, peer.len, &state, wire, push_cookie);
    return rf_buf_error(wire) ? rf_buf_error(wire) : RF_EAGAIN;
}

/* ---- transport: GnuTLS pulls records from the input of the running call and pushes datagrams into its output ---- */

static ssize_t transport_pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
    struct rf_channel *channel = ptr;
    struct rf_view record;

    while (next_record(&channel->in, &record)) {
        if (record.len <= len) {
            memcpy(data, record.p, record.len);
            return (ssize_t)record.len;
        }
        channel->dropped++;
    }
    channel->dropped += channel->in.len > 0;
    channel->in.len = 0;
    gnutls_transport_set_errno(channel->session, EAGAIN);
    return -1;
}

/* Does a repetition begin with this datagram? A flight begins with a message of the handshake; what follows it in epoch 1 goes with it. */
static void see_repetition(struct dtls_channel *channel, const uint8_t *p, size_t len)
{
    uint16_t number;

    if (channel->base.state == RF_CHANNEL_UP) {
        channel->repeats = true;
        return;
    }
    if (len < HEAD_LEN + 12 || p[0] != RECORD_HANDSHAKE || p[4] != 0)
        return;
    number = (uint16_t)(p[17] << 8 | p[18]);
    if (p[19] | p[20] | p[21]) /* a later piece of a message */
        return;
    channel->repeats = number < channel->next_number;
    if (!channel->repeats)
        channel->next_number = number + 1;
}

static ssize_t transport_push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
    struct rf_channel *channel = ptr;
    struct dtls_channel *dtls = dtls_channel(channel);
    const uint8_t *p = data;

    if (channel->wire && len > 0 && p[0] != RECORD_ALERT && p[0] != 23) {
        see_repetition(dtls, p, len);
        if (dtls->repeats && !dtls->may_repeat)
            return (ssize_t)len;
        dtls->sent = true;
    }
    return kit_push(channel, data, len);
}

static int transport_pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    struct rf_channel *channel = ptr;
    (void)ms;
    return channel->in.len >= HEAD_LEN;
}

/* ---- sessions of a server ---- */

static int db_store(void *ptr, gnutls_datum_t key, gnutls_datum_t data)
{
    struct rf_channel *channel = ptr;

    if (gnutls_session_ext_master_secret_status(channel->session))
        saved_put(&dtls_engine(channel->engine)->sessions, rf_view_of(key.data, key.size),
                  rf_view_of(data.data, data.size));
    return 0;
}

static gnutls_datum_t db_retrieve(void *ptr, gnutls_datum_t key)
{
    struct rf_channel *channel = ptr;
    struct rf_view found =
        saved_find(&dtls_engine(channel->engine)->sessions, rf_view_of(key.data, key.size));
    gnutls_datum_t out = {NULL, 0};

    if (found.len > 0 && (out.data = gnutls_malloc(found.len)) != NULL) {
        memcpy(out.data, found.p, found.len);
        out.size = (unsigned)found.len;
    }
    return out;
}

static int db_remove(void *ptr, gnutls_datum_t key)
{
    struct rf_channel *channel = ptr;

    saved_drop(&dtls_engine(channel->engine)->sessions, rf_view_of(key.data, key.size));
    return 0;
}

/* ---- channel: life ---- */

static int channel_begin(struct rf_channel *channel)
{
    gnutls_dtls_set_timeouts(channel->session, 0, NO_TIMEOUT_MS);
    gnutls_dtls_set_mtu(channel->session, (unsigned)dtls_engine(channel->engine)->mtu);
    if (channel->server) {
        gnutls_db_set_ptr(channel->session, channel);
        gnutls_db_set_store_function(channel->session, db_store);
        gnutls_db_set_retrieve_function(channel->session, db_retrieve);
        gnutls_db_set_remove_function(channel->session, db_remove);
    }
    return 0;
}

static const struct kit_kind dtls_kind = {
    .name = "DTLS",
    .priority = PRIORITY,
    .engine_len = sizeof(struct dtls_engine),
    .channel_len = sizeof(struct dtls_channel),
    .flags = GNUTLS_DATAGRAM | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS,
    .datagrams = true,
    .pull = transport_pull,
    .push = transport_push,
    .pull_timeout = transport_pull_timeout,
    .begin = channel_begin,
};

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    struct dtls_engine *engine;
    int err = kit_engine_new(&dtls_kind, env, certs, cert_count, key_pem, out);

    if (err)
        return err;
    engine = dtls_engine(*out);
    engine->mtu = MTU_DEFAULT;
    saved_init(&engine->sessions, env->mem, env->seed, SESSIONS_MAX);
    rf_rng_fill(env->secret, engine->cookie_keys, sizeof engine->cookie_keys);
    engine->cookie_us = env->now->mono_us;
    return 0;
}

static void channel_greet(struct rf_channel *channel, const struct rf_hello *hello)
{
    gnutls_dtls_prestate_st state = {
        .record_seq = hello->state[0], .hsk_read_seq = hello->state[1], .hsk_write_seq = hello->state[2]};

    gnutls_dtls_prestate_set(channel->session, &state);
}

/* ---- channel: handshake and records ---- */

/* What is pushed from now on goes to `wire`; repetitions only if `tick`, or if the last flight is old enough. */
static void call_begin(struct rf_channel *channel, struct rf_view in, struct rf_buf *wire, bool tick)
{
    struct dtls_channel *dtls = dtls_channel(channel);

    channel->in = in;
    channel->wire = wire;
    dtls->repeats = dtls->sent = false;
    dtls->may_repeat = tick || channel->engine->env->now->mono_us - dtls->flight_us >= REPEAT_US;
}

static void call_end(struct rf_channel *channel)
{
    channel->wire = NULL;
    channel->in = rf_view_of(NULL, 0);
    if (dtls_channel(channel)->sent)
        dtls_channel(channel)->flight_us = channel->engine->env->now->mono_us;
}

static int handshake(struct rf_channel *channel)
{
    int err = kit_handshake(channel);

    /* 3.7.9 goes on measuring: a link that is older than this would end with the first record that it does not expect */
    if (channel->state == RF_CHANNEL_UP)
        gnutls_dtls_set_timeouts(channel->session, 0, UINT32_MAX);
    return err;
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    int err = 0;

    call_begin(channel, in, wire, false);
    if (channel->state == RF_CHANNEL_HANDSHAKE)
        err = handshake(channel);
    if (!err && channel->state == RF_CHANNEL_UP && channel->in.len > 0)
        err = kit_read(channel, plain);
    call_end(channel);
    return err;
}

static int channel_start(struct rf_channel *channel, struct rf_buf *wire)
{
    int err;

    RF_ASSERT(!channel->server && channel->state == RF_CHANNEL_HANDSHAKE);
    call_begin(channel, rf_view_of(NULL, 0), wire, true);
    err = handshake(channel);
    call_end(channel);
    return err;
}

static int channel_tick(struct rf_channel *channel, struct rf_buf *wire)
{
    int err;

    if (channel->state != RF_CHANNEL_HANDSHAKE)
        return 0;
    call_begin(channel, rf_view_of(NULL, 0), wire, true);
    err = handshake(channel);
    call_end(channel);
    return err;
}

static size_t channel_room(const struct rf_channel *channel)
{
    return gnutls_dtls_get_data_mtu(channel->session);
}

static int channel_write(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    ssize_t code;

    RF_ASSERT(channel->state == RF_CHANNEL_UP);
    if (plain.len > channel_room(channel))
        return RF_ELIMIT;
    channel->wire = wire;
    code = gnutls_record_send(channel->session, plain.p, plain.len);
    channel->wire = NULL;
    if (code >= 0)
        return 0;
    return gnutls_error_is_fatal((int)code) ? kit_fail(channel, (int)code) : RF_EAGAIN;
}

/* ---- channel: the peer ---- */

static int channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    (void)wire;
    if (channel->state == RF_CHANNEL_UP && channel->resume_key)
        kit_save(channel, gnutls_session_ext_master_secret_status(channel->session) != 0);
    return 0;
}

static uint32_t channel_dropped(const struct rf_channel *channel)
{
    return channel->dropped;
}

const struct rf_engine_ops rf_engine_gnutls_dtls = {
    .name = "gnutls-dtls12",
    .engine_new = engine_new,
    .engine_free = engine_free,
    .engine_set_identity = engine_set_identity,
    .channel_input = channel_input,
    .channel_start = channel_start,
    .channel_write = channel_write,
    .channel_admit = channel_admit,
    KIT_OPS,
    .engine_set_mtu = engine_set_mtu,
    .hello = hello,
    .channel_greet = channel_greet,
    .channel_tick = channel_tick,
    .channel_room = channel_room,
    .channel_dropped = channel_dropped,
};
