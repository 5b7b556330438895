/*
 * engine.c - the link engine of the simulator: nothing is protected, but round trips, bytes and CPU are those of TLS 1.3 with client certificates.
 *
 *     client                                   server
 *     hello  (ticket if it has one)      ->
 *                                        <-    answer (certificate unless resumed); UP here on `finish`
 *     finish (certificate unless resumed)->    UP
 *                                        <-    ticket (channel_admit)
 *     data: head of 5 bytes, payload, 17 bytes of tag and padding
 *
 * Every message: u8 type | u24 length of all that follows the head | u8 flags | body. Filler makes up the size of the real thing. A resuming client shows its
 * certificate in its hello: it stands for the ticket's content. Certificates are the decoded ones of ident/.
 *
 * It also counts what passes: frames of RELOAD are read as they are written (method, size, hops of answers).
 */
#include "base/assert.h"
#include "sim/world.h"
#include "wire/frame.h"

#define HEAD_LEN      5
#define DATA_TAIL_LEN 17
#define MESSAGE_MAX   16384 /* of the handshake */
#define SESSIONS_MAX  16

/* What the real messages have besides the certificate: bytes with record heads, key shares, signatures, MACs. */
#define HELLO_LEN          330
#define ANSWER_LEN         380
#define ANSWER_RESUMED_LEN 220
#define FINISH_LEN         190
#define FINISH_RESUMED_LEN 64
#define TICKET_LEN         300

enum message_type {
    MESSAGE_DATA = 1,
    MESSAGE_BYE,
    MESSAGE_REFUSED,
    MESSAGE_HELLO,
    MESSAGE_ANSWER,
    MESSAGE_FINISH,
    MESSAGE_TICKET
};
#define FLAG_RESUMED 1

struct session {
    uint64_t key, ticket;
    struct rf_cert *peer;
};

struct rf_engine {
    const struct rf_env *env;
    struct sim_shard *shard;
    struct rf_cert *cert;
    uint64_t ticket_key; /* what our tickets are good for: this life of the node */
    struct session *sessions;
    uint32_t session_count, session_next;
};

struct rf_channel {
    struct rf_engine *engine;
    struct rf_cert *peer;
    uint8_t *pending; /* a handshake message that is not all there */
    uint32_t pending_len;
    uint32_t left, tail; /* of the data record that is being read */
    uint64_t resume_key;
    uint8_t head[HEAD_LEN], head_len;
    uint8_t state; /* enum rf_channel_state */
    bool server : 1, resumed : 1;
    bool held : 1;   /* a liar's: the data record is collected in pending */
    uint8_t offered; /* bits: alpn_names */
};

static const char *const alpn_names[] = {"reload-brief", "reload", "sip/2"}; /* the first wins */

/* ---- engine ---- */

static int engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                      struct rf_view key_pem, struct rf_engine **out)
{
    struct rf_engine *engine = rf_zalloc(env->mem, sizeof(*engine));
    (void)key_pem;
    RF_ASSERT(cert_count == 1); /* the simulated CA has no intermediates */
    if (engine == NULL)
        return RF_ENOMEM;
    engine->env = env;
    engine->shard = sim_host_of_rng(env->secret)->shard;
    engine->cert = sim_cert_get(engine->shard, certs[0]);
    engine->ticket_key = rf_rng_u64(env->secret) | 1;
    *out = engine;
    return 0;
}

static void sessions_forget(struct rf_engine *engine)
{
    for (uint32_t i = 0; i < engine->session_count; i++)
        rf_cert_release(engine->sessions[i].peer);
    rf_free(engine->env->mem, engine->sessions);
    engine->sessions = NULL;
    engine->session_count = engine->session_next = 0;
}

static void engine_free(struct rf_engine *engine)
{
    if (engine == NULL)
        return;
    sessions_forget(engine);
    rf_cert_release(engine->cert);
    rf_free(engine->env->mem, engine);
}

static int engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                               struct rf_view key_pem)
{
    (void)key_pem;
    RF_ASSERT(cert_count == 1);
    rf_cert_release(engine->cert);
    engine->cert = sim_cert_get(engine->shard, certs[0]);
    sessions_forget(engine);
    return 0;
}

static struct session *session_find(struct rf_engine *engine, uint64_t key)
{
    for (uint32_t i = 0; i < engine->session_count; i++)
        if (engine->sessions[i].key == key)
            return &engine->sessions[i];
    return NULL;
}

static void session_put(struct rf_engine *engine, uint64_t key, uint64_t ticket, struct rf_cert *peer)
{
    struct session *s = session_find(engine, key);
    if (s == NULL && engine->session_count < SESSIONS_MAX) {
        size_t count = engine->session_count + 1;
        struct session *more = rf_resize(engine->env->mem, engine->sessions, count * sizeof(*more));
        if (more == NULL)
            return;
        engine->sessions = more;
        s = &more[engine->session_count++];
        s->peer = NULL;
    } else if (s == NULL) {
        s = &engine->sessions[engine->session_next++ % SESSIONS_MAX];
    }
    rf_cert_release(s->peer);
    *s = (struct session){key, ticket, rf_cert_hold(peer)};
}

/* ---- channel ---- */

static int channel_new(struct rf_engine *engine, bool server, const char *const *alpn, size_t alpn_count,
                       struct rf_view resume_key, struct rf_channel **out)
{
    static const uint64_t seed[2] = {5, 6};
    struct rf_channel *channel = rf_zalloc(engine->env->mem, sizeof(*channel));
    if (channel == NULL)
        return RF_ENOMEM;
    channel->engine = engine;
    channel->server = server;
    channel->state = RF_CHANNEL_HANDSHAKE;
    channel->resume_key = resume_key.len > 0 ? rf_hash64(seed, resume_key) : 0;
    for (size_t i = 0; i < alpn_count; i++)
        for (size_t k = 0; k < RF_COUNT(alpn_names); k++)
            if (strcmp(alpn[i], alpn_names[k]) == 0)
                channel->offered |= (uint8_t)(1 << k);
    *out = channel;
    return 0;
}

static void channel_free(struct rf_channel *channel)
{
    if (channel == NULL)
        return;
    struct rf_mem *mem = channel->engine->env->mem;
    rf_cert_release(channel->peer);
    rf_free(mem, channel->pending);
    rf_free(mem, channel);
}

/* A handshake message: flags, a number, a byte, a certificate (NULL: none) and filler. */
static int put_message(struct rf_channel *channel, enum message_type type, uint8_t flags, uint64_t number,
                       const struct rf_cert *cert, size_t filler_len, struct rf_buf *wire)
{
    size_t before = wire->len;
    rf_buf_u8(wire, (uint8_t)type);
    size_t mark = rf_buf_open(wire, 3);
    rf_buf_u8(wire, flags);
    rf_buf_u64(wire, number);
    rf_buf_u8(wire, channel->offered);
    rf_buf_v(wire, 2, cert != NULL ? cert->x509.der : rf_view_of(NULL, 0));
    uint8_t *filler = rf_buf_reserve(wire, filler_len);
    if (filler != NULL)
        memset(filler, 0, filler_len);
    rf_buf_close(wire, mark, 3);
    channel->engine->shard->tally.handshake_bytes += wire->len - before;
    return rf_buf_error(wire);
}

static int channel_start(struct rf_channel *channel, struct rf_buf *wire)
{
    const struct session *s =
        channel->resume_key != 0 ? session_find(channel->engine, channel->resume_key) : NULL;
    if (s != NULL) { /* the session may be given up for another before the answer comes */
        channel->peer = rf_cert_hold(s->peer);
    }
    return put_message(channel, MESSAGE_HELLO, 0, s != NULL ? s->ticket : 0,
                       s != NULL ? channel->engine->cert : NULL, HELLO_LEN, wire);
}

static void charge(struct rf_channel *channel, uint64_t us)
{
    sim_charge(channel->engine->shard, us * 1000);
}

static void take_peer(struct rf_channel *channel, struct rf_view cert)
{
    rf_cert_release(channel->peer);
    channel->peer = sim_cert_get(channel->engine->shard, cert);
}

/* Those that it takes: its own dials are in its budget, but are never held up. */
static void count_handshake(const struct rf_channel *channel)
{
    struct sim_node *n = channel->engine->shard->current;
    if (n != NULL)
        n->now.handshakes += channel->resumed ? 1 : 4;
}

static int on_hello(struct rf_channel *channel, uint64_t ticket, uint8_t offered, struct rf_view cert,
                    struct rf_buf *wire)
{
    if (!channel->server)
        return RF_EFORMAT;
    if (offered != 0 && (offered & channel->offered) == 0)
        return RF_EFORMAT;
    channel->offered &= offered;
    channel->resumed = ticket == channel->engine->ticket_key && cert.len > 0;
    channel->engine->shard->tally.handshakes++;
    channel->engine->shard->tally.resumed += channel->resumed;
    count_handshake(channel);
    charge(channel, channel->resumed ? SIM_CPU_RESUMED_US : SIM_CPU_HANDSHAKE_SERVER_US / 2);
    if (channel->resumed) {
        take_peer(channel, cert);
        return put_message(channel, MESSAGE_ANSWER, FLAG_RESUMED, 0, NULL, ANSWER_RESUMED_LEN, wire);
    }
    return put_message(channel, MESSAGE_ANSWER, 0, 0, channel->engine->cert, ANSWER_LEN, wire);
}

static int on_answer(struct rf_channel *channel, bool resumed, uint8_t chosen, struct rf_view cert,
                     struct rf_buf *wire)
{
    if (channel->server || channel->state != RF_CHANNEL_HANDSHAKE)
        return RF_EFORMAT;
    channel->offered = chosen;
    channel->resumed = resumed;
    channel->state = RF_CHANNEL_UP;
    charge(channel, resumed ? SIM_CPU_RESUMED_US : SIM_CPU_HANDSHAKE_CLIENT_US);
    if (!resumed) {
        take_peer(channel, cert);
        return put_message(channel, MESSAGE_FINISH, 0, 0, channel->engine->cert, FINISH_LEN, wire);
    }
    if (channel->peer == NULL)
        return RF_EFORMAT;
    return put_message(channel, MESSAGE_FINISH, FLAG_RESUMED, 0, NULL, FINISH_RESUMED_LEN, wire);
}

static int on_finish(struct rf_channel *channel, struct rf_view cert)
{
    if (!channel->server || channel->state != RF_CHANNEL_HANDSHAKE)
        return RF_EFORMAT;
    if (!channel->resumed) {
        charge(channel, SIM_CPU_HANDSHAKE_SERVER_US / 2);
        take_peer(channel, cert);
    }
    channel->state = RF_CHANNEL_UP;
    return 0;
}

static int on_message(struct rf_channel *channel, struct rf_view message, struct rf_buf *wire)
{
    struct rf_view body = message, cert;
    uint8_t type, flags, offered;
    uint32_t len;
    uint64_t number;
    int error = rf_view_u8(&body, &type);
    if (error == 0)
        error = rf_view_u24(&body, &len);
    if (error == 0)
        error = rf_view_u8(&body, &flags);
    if (error == 0)
        error = rf_view_u64(&body, &number);
    if (error == 0)
        error = rf_view_u8(&body, &offered);
    if (error == 0)
        error = rf_view_v(&body, 2, &cert);
    if (error != 0)
        return RF_EFORMAT;
    switch (type) {
    case MESSAGE_HELLO:
        return on_hello(channel, number, offered, cert, wire);
    case MESSAGE_ANSWER:
        return on_answer(channel, (flags & FLAG_RESUMED) != 0, offered, cert, wire);
    case MESSAGE_FINISH:
        return on_finish(channel, cert);
    case MESSAGE_TICKET:
        if (channel->server || channel->peer == NULL)
            return RF_EFORMAT;
        if (channel->resume_key != 0)
            session_put(channel->engine, channel->resume_key, number, channel->peer);
        return 0;
    default:
        return RF_EFORMAT;
    }
}

/* ---- reading ---- */

/* A handshake message, collected until it is all there. */
static int read_message(struct rf_channel *channel, struct rf_view *in, struct rf_buf *wire)
{
    uint32_t whole =
        4 + ((uint32_t)channel->head[1] << 16 | (uint32_t)channel->head[2] << 8 | channel->head[3]);
    if (whole > MESSAGE_MAX)
        return RF_EFORMAT;
    if (channel->pending == NULL) {
        channel->pending = rf_alloc(channel->engine->env->mem, whole > HEAD_LEN ? whole : HEAD_LEN);
        if (channel->pending == NULL)
            return RF_ENOMEM;
        memcpy(channel->pending, channel->head, HEAD_LEN);
        channel->pending_len = HEAD_LEN;
    }
    size_t part = whole - channel->pending_len;
    if (part > in->len)
        part = in->len;
    memcpy(channel->pending + channel->pending_len, in->p, part);
    in->p += part;
    in->len -= part;
    channel->pending_len += (uint32_t)part;
    if (channel->pending_len < whole)
        return 0;
    int error = on_message(channel, rf_view_of(channel->pending, whole), wire);
    rf_free(channel->engine->env->mem, channel->pending);
    channel->pending = NULL;
    channel->head_len = 0;
    return error;
}

/* A liar reads whole records before its node does. */
static void hold_record(struct rf_channel *channel)
{
    const struct sim_node *n = channel->engine->shard->current;
    if (n == NULL || n->liar == NULL || channel->left == 0)
        return;
    channel->pending = rf_alloc(channel->engine->env->mem, channel->left);
    channel->held = channel->pending != NULL;
    channel->pending_len = 0;
}

static int read_data(struct rf_channel *channel, struct rf_view *in, struct rf_buf *plain)
{
    size_t len = in->len < channel->left ? in->len : channel->left;
    if (channel->held)
        memcpy(channel->pending + channel->pending_len, in->p, len);
    else
        rf_buf_put(plain, in->p, len);
    channel->pending_len += channel->held ? (uint32_t)len : 0;
    in->p += len;
    in->len -= len;
    channel->left -= (uint32_t)len;
    if (channel->left == 0 && channel->held) {
        uint8_t *record = channel->pending;
        channel->pending = NULL;
        channel->held = false;
        sim_liar_in(channel->engine->shard->current, rf_view_of(record, channel->pending_len), plain);
        rf_free(channel->engine->env->mem, record);
    }
    return rf_buf_error(plain);
}

static int read_head(struct rf_channel *channel, struct rf_view *in)
{
    while (in->len > 0 && channel->head_len < HEAD_LEN) {
        channel->head[channel->head_len++] = *in->p++;
        in->len--;
    }
    if (channel->head_len < HEAD_LEN)
        return 0;
    const uint8_t *h = channel->head;
    if (h[0] == MESSAGE_DATA && channel->state == RF_CHANNEL_UP) {
        channel->left = (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
        hold_record(channel);
        channel->tail = DATA_TAIL_LEN;
        channel->head_len = 0;
        sim_charge(channel->engine->shard, SIM_CPU_MESSAGE_NS);
    } else if (h[0] == MESSAGE_BYE) {
        channel->state = RF_CHANNEL_CLOSED;
    } else if (h[0] == MESSAGE_REFUSED) {
        return RF_EREMOTE;
    } else if (h[0] < MESSAGE_HELLO || h[0] > MESSAGE_TICKET) {
        return RF_EFORMAT;
    }
    return 0;
}

static int channel_input(struct rf_channel *channel, struct rf_view in, struct rf_buf *plain,
                         struct rf_buf *wire)
{
    int error = 0;
    while (error == 0 && in.len > 0 && channel->state <= RF_CHANNEL_UP) {
        if (channel->left > 0) {
            error = read_data(channel, &in, plain);
        } else if (channel->tail > 0) {
            size_t len = in.len < channel->tail ? in.len : channel->tail;
            in.p += len;
            in.len -= len;
            channel->tail -= (uint32_t)len;
        } else if (channel->head_len == HEAD_LEN) {
            error = read_message(channel, &in, wire);
        } else {
            error = read_head(channel, &in);
        }
    }
    if (error != 0)
        channel->state = RF_CHANNEL_FAILED;
    return error;
}

/* ---- writing ---- */

static bool is_maintenance(unsigned code)
{
    unsigned request = (code - 1) / 2 * 2 + 1;
    return request == RF_CODE_PROBE_REQ || request == RF_CODE_ATTACH_REQ || request == RF_CODE_JOIN_REQ ||
           request == RF_CODE_LEAVE_REQ || request == RF_CODE_UPDATE_REQ ||
           request == RF_CODE_ROUTE_QUERY_REQ || request == RF_CODE_PING_REQ ||
           request == RF_CODE_CONFIG_UPDATE_REQ;
}

#define RELOAD_HEAD_LEN 38
static unsigned u16_at(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* One RELOAD message that leaves a node: its method; of a Fetch answer on its last hop, how many it took. */
static void count_message(struct sim_node *n, struct rf_view m, size_t len)
{
    struct sim_tally *t = &n->shard->tally;
    unsigned code = SIM_CODES - 1;
    n->shard->messages++;
    n->now.messages_out++;
    if (m.len < RELOAD_HEAD_LEN)
        return;
    size_t lists = u16_at(m.p + 32) + u16_at(m.p + 34) + u16_at(m.p + 36);
    if (m.len < RELOAD_HEAD_LEN + lists + 2) { /* a bare header */
        t->keepalive_bytes += len;
        n->now.maintenance_bytes += (uint32_t)len;
        n->now.maintenance_messages++;
        return;
    }
    bool first = (m.p[13] | m.p[14] | m.p[15]) == 0; /* fragment offset 0 */
    if (first)
        code = u16_at(m.p + RELOAD_HEAD_LEN + lists);
    if (code == 0xffff)
        code = SIM_CODES - 2;
    if (code >= SIM_CODES)
        code = SIM_CODES - 1;
    t->method_bytes[code] += len;
    t->method_messages[code]++;
    if (is_maintenance(code)) {
        n->now.maintenance_bytes += (uint32_t)len;
        n->now.maintenance_messages++;
    }
    if (code == RF_CODE_FETCH_ANS && u16_at(m.p + 34) == 2u + n->shard->conf->id_len) {
        unsigned hops = n->shard->conf->initial_ttl - m.p[11] + 1u;
        t->hops[hops < SIM_HOPS ? hops : SIM_HOPS - 1]++;
    }
}

/* Frames as in wire/frame.h, which is not ours to include: data 80, u32, v24 message; ack 81, two u32. */
#define FRAME_DATA     0x80
#define FRAME_DATA_LEN 8
#define FRAME_ACK      0x81
#define FRAME_ACK_LEN  9
static void count_frames(struct sim_node *n, struct rf_view plain)
{
    while (plain.len >= FRAME_DATA_LEN) {
        const uint8_t *p = plain.p;
        size_t len = FRAME_ACK_LEN;
        if (p[0] == FRAME_DATA)
            len = FRAME_DATA_LEN + ((size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7]);
        if ((p[0] != FRAME_DATA && p[0] != FRAME_ACK) || len > plain.len)
            return; /* an application's */
        if (p[0] == FRAME_DATA) {
            struct rf_view message = rf_view_of(p + FRAME_DATA_LEN, len - FRAME_DATA_LEN);
            count_message(n, message, len + HEAD_LEN + DATA_TAIL_LEN);
            sim_charge(n->shard, SIM_CPU_MESSAGE_NS);
        } else {
            n->shard->tally.ack_bytes += len;
            n->now.maintenance_bytes += (uint32_t)len;
        }
        plain.p += len;
        plain.len -= len;
    }
}

static void put_head(struct rf_buf *wire, enum message_type type, size_t len)
{
    rf_buf_u8(wire, (uint8_t)type);
    rf_buf_u24(wire, (uint32_t)len);
    rf_buf_u8(wire, 0);
}

static void put_record(struct sim_node *n, struct rf_view plain, struct rf_buf *wire)
{
    static const uint8_t tail[DATA_TAIL_LEN] = {0};
    if (n != NULL)
        count_frames(n, plain);
    put_head(wire, MESSAGE_DATA, plain.len);
    rf_buf_view_put(wire, plain);
    rf_buf_put(wire, tail, sizeof(tail));
}

int sim_engine_record(struct sim_node *n, struct rf_view message, uint32_t sequence, struct rf_buf *out)
{
    struct rf_frame frame = {.type = RF_FRAME_DATA, .sequence = sequence, .message = message};
    struct rf_buf plain;
    rf_buf_init(&plain, n->shard->sim->config.mem, message.len + RF_FRAME_DATA_LEN);
    rf_frame_encode(&frame, &plain);
    if (rf_buf_error(&plain) == 0)
        put_record(n, rf_buf_view(&plain), out);
    else
        rf_buf_fail(out, rf_buf_error(&plain));
    rf_buf_deinit(&plain);
    return rf_buf_error(out);
}

static int channel_write(struct rf_channel *channel, struct rf_view plain, struct rf_buf *wire)
{
    struct sim_node *n = channel->engine->shard->current;
    struct rf_buf lies;
    RF_ASSERT(channel->state == RF_CHANNEL_UP && plain.len < 0xffffff);
    rf_buf_init(&lies, channel->engine->env->mem, 0xffffff);
    if (n != NULL && n->liar != NULL && sim_liar_out(n, plain, &lies))
        plain = rf_buf_view(&lies);
    put_record(n, plain, wire);
    rf_buf_deinit(&lies);
    if (rf_buf_error(wire) != 0)
        channel->state = RF_CHANNEL_FAILED;
    return rf_buf_error(wire);
}

static int channel_close(struct rf_channel *channel, struct rf_buf *wire)
{
    if (channel->state != RF_CHANNEL_UP)
        return 0;
    put_head(wire, MESSAGE_BYE, 1);
    channel->state = RF_CHANNEL_CLOSED;
    return rf_buf_error(wire);
}

static int channel_admit(struct rf_channel *channel, struct rf_buf *wire)
{
    if (!channel->server)
        return 0;
    return put_message(channel, MESSAGE_TICKET, 0, channel->engine->ticket_key, channel->peer, TICKET_LEN,
                       wire);
}

static void channel_refuse(struct rf_channel *channel, int error, struct rf_buf *wire)
{
    (void)error;
    if (channel->state != RF_CHANNEL_UP)
        return;
    put_head(wire, MESSAGE_REFUSED, 1);
    channel->state = RF_CHANNEL_FAILED;
}

static enum rf_channel_state channel_state(const struct rf_channel *channel)
{
    return (enum rf_channel_state)channel->state;
}

static size_t channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max)
{
    if (max == 0 || channel->peer == NULL)
        return 0;
    out[0] = channel->peer->x509.der;
    return 1;
}

static const char *channel_alpn(const struct rf_channel *channel)
{
    if (channel->state == RF_CHANNEL_HANDSHAKE || channel->offered == 0)
        return "";
    size_t i = 0;
    while (i + 1 < RF_COUNT(alpn_names) && (channel->offered >> i & 1) == 0)
        i++;
    return alpn_names[i];
}

static bool channel_resumed(const struct rf_channel *channel)
{
    return channel->resumed;
}

const struct rf_engine_ops sim_engine = {
    .name = "sim",
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
