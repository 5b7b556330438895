/*
 * fuzz_ice.c - an agent with a session in each state, an allocation at a relay and one that comes by a stream gets any datagrams. The input is a row of steps: a byte that says what, a length,
 * bytes. Messages get a transaction ID of ours, good integrity and a good fingerprint where the step says so, so that what stands behind these is reached.
 */
#include <stdio.h>

#include "ice/ice.h"
#include "support/fuzz_env.h"

#define SESSIONS 3
#define TXNS     16

struct world {
    struct fuzz_env e;
    struct rf_ice *ice;
    rf_ice_id sessions[SESSIONS];
    uint8_t txns[TXNS][RF_STUN_TXN_LEN]; /* of the newest requests of ours */
    struct rf_addr to[TXNS];
    uint8_t txn_count;
    uint32_t stream;
    uint8_t allocate[RF_STUN_TXN_LEN]; /* the newest Allocate */
};

static const char peer_pass[] = "peerpeerpeerpeerpeerpeer";

static void drain(struct world *w)
{
    struct rf_ice_out out;
    struct rf_stun_msg m;
    while (rf_ice_next(w->ice, &out)) {
        if (out.type == RF_ICE_OUT_CONNECT)
            w->stream = out.stream;
        if ((out.type != RF_ICE_OUT_DATAGRAM && out.type != RF_ICE_OUT_STREAM) || !rf_stun_is(out.bytes))
            continue;
        if (rf_stun_decode(out.bytes, &m) != 0)
            abort();
        if (m.class != RF_STUN_REQUEST)
            continue;
        if (m.method == RF_TURN_ALLOCATE)
            memcpy(w->allocate, m.txn, RF_STUN_TXN_LEN);
        memcpy(w->txns[w->txn_count % TXNS], m.txn, RF_STUN_TXN_LEN);
        w->to[w->txn_count++ % TXNS] = out.remote;
    }
}

static void hand_in(struct world *w, const struct rf_addr *from, bool stream, struct rf_view bytes)
{
    rf_ice_id session = 0;
    struct rf_view data = {0};
    enum rf_ice_in what = stream ? rf_ice_stream_input(w->ice, w->stream, bytes, &session, &data)
                                 : rf_ice_input(w->ice, 0, from, bytes, &session, &data);
    struct rf_ice_info info;
    if (what == RF_ICE_IN_DATA && (rf_ice_info(w->ice, session, &info) != 0 || data.p < bytes.p ||
                                   data.p + data.len > bytes.p + bytes.len))
        abort();
    drain(w);
}

static void put_attrs(struct world *w, struct rf_buf *out, struct rf_view *in)
{
    struct rf_view value;
    uint8_t type, len;
    while (fuzz_attr(in, &type, &len, &value)) {
        rf_stun_put(out, type < 0xf0 ? type : (uint16_t)(0x8000 | type), value);
        if (len > 200)
            rf_stun_put_address(out, type, true, &w->to[len % TXNS]);
    }
}

/* A message with head, attributes and integrity as the input wants them. */
static void message(struct world *w, struct rf_view in)
{
    uint8_t room[2048], head[4] = {0};
    struct rf_buf out;
    struct rf_ice_params p;
    char user[100];
    for (size_t i = 0; i < sizeof(head); i++)
        (void)rf_view_u8(&in, &head[i]);
    size_t txn = head[1] % TXNS;
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, head[0] & 3, (head[0] & 4) != 0 ? RF_STUN_BINDING : head[0] >> 4, w->txns[txn]);
    bool have = rf_ice_local(w->ice, w->sessions[head[2] % SESSIONS], &p) == 0;
    if ((head[0] & 3) == RF_STUN_REQUEST && have) {
        int len = snprintf(user, sizeof(user), "%.*s:peer", (int)p.ufrag.len, (const char *)p.ufrag.p);
        rf_stun_put(&out, RF_STUN_USERNAME, rf_view_of(user, (size_t)len));
        rf_stun_put_u32(&out, RF_ICE_PRIORITY, 1000 + head[3]);
    }
    if ((head[3] & 1) != 0)
        rf_stun_put_address(&out, RF_STUN_XOR_MAPPED_ADDRESS, true, &w->to[head[3] % TXNS]);
    if ((head[3] & 2) != 0)
        rf_stun_put_address(&out, RF_TURN_XOR_RELAYED_ADDRESS, true, &w->to[head[3] % TXNS]);
    put_attrs(w, &out, &in);
    if ((head[3] & 4) != 0 && (head[0] & 3) == RF_STUN_REQUEST && have)
        rf_stun_put_integrity(&out, w->e.crypto, RF_HASH_SHA1, p.password);
    else if ((head[3] & 4) != 0)
        rf_stun_put_integrity(&out, w->e.crypto, RF_HASH_SHA1, rf_view_str(peer_pass));
    else if ((head[3] & 8) != 0)
        fuzz_sign(&out, w->e.crypto, "u", "r", "p"); /* what the relay knows */
    rf_stun_put_fingerprint(&out);
    if (rf_stun_end(&out) == 0)
        hand_in(w, &w->to[(head[2] >> 4) % TXNS], (head[2] & 8) != 0, rf_buf_view(&out));
}

static void start(struct world *w, rf_ice_id id, struct rf_view in)
{
    struct rf_ice_cand cands[8] = {0};
    struct rf_ice_params remote = {rf_view_str("peer"), rf_view_str(peer_pass), cands, 0};
    for (uint8_t kind; remote.candidate_count < 8 && rf_view_u8(&in, &kind) == 0; remote.candidate_count++) {
        struct rf_ice_cand *c = &cands[remote.candidate_count];
        c->addr = w->to[kind % TXNS];
        c->addr.port = (uint16_t)(c->addr.port + (kind >> 5));
        c->kind = kind & 7;
        c->priority = kind;
    }
    (void)rf_ice_start(w->ice, id, &remote);
}

static void session_step(struct world *w, struct rf_view in)
{
    struct rf_ice_session_config config = {0};
    struct rf_ice_wrap wrap;
    uint8_t what = 0;
    (void)rf_view_u8(&in, &what);
    rf_ice_id *id = &w->sessions[what % SESSIONS];
    if (what >> 4 < 6) {
        start(w, *id, in);
    } else if (what >> 4 < 8) {
        (void)rf_ice_restart(w->ice, *id);
    } else if (what >> 4 < 10) {
        rf_ice_close(w->ice, *id);
        config.controlling = what & 1;
        config.consent_us = 5 * RF_US_PER_S;
        (void)rf_ice_open(w->ice, &config, id);
    } else if (what >> 4 < 12) {
        struct rf_addr addr = {.family = 4, .port = (uint16_t)(1 + what), .ip = {10, 0, 0, what}};
        (void)rf_ice_base_set(w->ice, 0, &addr, 1);
    } else if (what >> 4 < 14) {
        if ((what & 1) != 0)
            rf_ice_stream_up(w->ice, w->stream);
        else
            rf_ice_stream_down(w->ice, w->stream);
    } else if (rf_ice_send(w->ice, *id, what, &wrap) == 0 && wrap.head_len > RF_ICE_HEAD_MAX) {
        abort();
    }
    drain(w);
}

static void step(struct world *w, struct rf_view *in)
{
    struct rf_view bytes;
    uint8_t what;
    if (!fuzz_step(in, &what, &bytes)) {
        in->len = 0;
        return;
    }
    if (what % 8 == 0)
        hand_in(w, &w->to[(what >> 4) % TXNS], (what & 8) != 0, bytes);
    else if (what % 8 < 5)
        message(w, bytes);
    else if (what % 8 == 5)
        session_step(w, bytes);
    else {
        w->e.now.mono_us +=
            what % 8 == 6 ? (uint64_t)bytes.len * 10 * RF_US_PER_MS : (uint64_t)bytes.len * RF_US_PER_S;
        rf_timers_run(&w->e.timers, w->e.now.mono_us, 10000);
        drain(w);
    }
}

/* The relay makes its allocation: 401, then success. */
static void relay_up(struct world *w, const struct rf_addr *server)
{
    struct rf_addr relayed = {.family = 4, .port = 50000, .ip = {45, 0, 0, 1}};
    uint8_t room[300];
    struct rf_buf out;
    for (int i = 0; i < 8; i++) {
        w->e.now.mono_us += 5 * RF_US_PER_MS;
        rf_timers_run(&w->e.timers, w->e.now.mono_us, 100);
        drain(w);
    }
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, RF_STUN_ERROR, RF_TURN_ALLOCATE, w->allocate);
    rf_stun_put_error(&out, RF_STUN_UNAUTHENTICATED);
    rf_stun_put(&out, RF_STUN_REALM, rf_view_str("r"));
    rf_stun_put(&out, RF_STUN_NONCE, rf_view_str("nonce"));
    if (rf_stun_end(&out) == 0)
        hand_in(w, server, false, rf_buf_view(&out));
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, RF_STUN_SUCCESS, RF_TURN_ALLOCATE, w->allocate);
    rf_stun_put_address(&out, RF_TURN_XOR_RELAYED_ADDRESS, true, &relayed);
    fuzz_sign(&out, w->e.crypto, "u", "r", "p");
    if (rf_stun_end(&out) == 0)
        hand_in(w, server, false, rf_buf_view(&out));
    if (rf_ice_counters(w->ice)->allocations != 1)
        abort();
}

static void world_init(struct world *w)
{
    struct rf_ice_config config;
    struct rf_addr base = {.family = 4, .port = 6084, .ip = {10, 0, 0, 1}},
                   server = {.family = 4, .port = 3478, .ip = {45, 0, 0, 1}};
    struct rf_ice_turn turn = {.addr = server, .user = "u", .pass = "p"};
    uint8_t number;
    fuzz_env_init(&w->e);
    rf_ice_config_default(&config);
    config.crypto = w->e.crypto;
    config.serve = true;
    for (size_t i = 0; i < TXNS; i++)
        w->to[i] = (struct rf_addr){
            .family = 4, .port = (uint16_t)(1000 + i), .ip = {10, 0, 0, (uint8_t)(2 + i % 4)}};
    if (rf_ice_new(&w->e.env, &config, &w->ice) != 0 || rf_ice_base_set(w->ice, 0, &base, 1) != 0 ||
        rf_ice_stun_add(w->ice, &server) != 0 || rf_ice_turn_add(w->ice, &turn, &number) != 0)
        abort();
    turn.stream = true;
    if (rf_ice_turn_add(w->ice, &turn, &number) != 0)
        abort();
    for (size_t i = 0; i < SESSIONS; i++) {
        struct rf_ice_session_config session = {.controlling = i % 2 == 0, .consent_us = 5 * RF_US_PER_S};
        if (rf_ice_open(w->ice, &session, &w->sessions[i]) != 0)
            abort();
    }
    w->to[0] = server;
    relay_up(w, &server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.e.now = {.mono_us = 1000000, .wall_ms = 1000000}};
    struct rf_view in = rf_view_of(data, size);
    world_init(&w);
    while (in.len > 0)
        step(&w, &in);
    rf_ice_free(w.ice);
    if (rf_timers_next(&w.e.timers) != RF_NEVER)
        abort();
    fuzz_env_deinit(&w.e);
    return 0;
}
