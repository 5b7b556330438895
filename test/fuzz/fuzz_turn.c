/*
 * fuzz_turn.c - a relay with one allocation gets any datagrams from its client and its peers. The input is a row of steps: a byte that says what, a length, bytes.
 * Requests are signed with good credentials, so that what stands behind authentication is reached.
 */
#include "support/fuzz_env.h"
#include "turn/turn.h"

struct world {
    struct fuzz_env e;
    struct rf_turn *turn;
    struct rf_turn_from from;
    struct rf_turn_credentials credentials;
    struct rf_turn_alloc *alloc; /* the newest that lives */
    uint8_t nonce[64];
    size_t nonce_len;
};

static int host_open(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even,
                     struct rf_addr *relayed, void **socket)
{
    struct world *w = ctx;
    (void)even;
    *relayed = (struct rf_addr){.family = family, .port = 5000};
    *socket = alloc;
    w->alloc = alloc;
    return 0;
}

static void host_close(void *ctx, void *socket)
{
    struct world *w = ctx;
    if (w->alloc == socket)
        w->alloc = NULL;
}

static void hand_in(struct world *w, struct rf_view bytes)
{
    struct rf_stun_msg m;
    struct rf_turn_act act;
    struct rf_view nonce;
    rf_turn_client(w->turn, &w->from, bytes, &act);
    if (act.type != RF_TURN_REPLY)
        return;
    if (rf_stun_decode(act.bytes, &m) != 0)
        abort();
    if (rf_stun_find(&m, RF_STUN_NONCE, &nonce) && nonce.len <= sizeof(w->nonce)) {
        memcpy(w->nonce, nonce.p, nonce.len);
        w->nonce_len = nonce.len;
    }
}

/* The method is the first byte, the attributes what follows. */
static void signed_request(struct world *w, struct rf_view attrs)
{
    uint8_t room[2048], txn[RF_STUN_TXN_LEN], method = 3, type, value_len;
    struct rf_view value;
    struct rf_buf out;
    (void)rf_view_u8(&attrs, &method);
    rf_rng_fill(&w->e.rng.rng, txn, sizeof(txn));
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, RF_STUN_REQUEST, method & 15, txn);
    rf_stun_put(&out, RF_STUN_USERNAME, rf_view_str(w->credentials.user));
    rf_stun_put(&out, RF_STUN_REALM, rf_view_str("r"));
    rf_stun_put(&out, RF_STUN_NONCE, rf_view_of(w->nonce, w->nonce_len));
    while (fuzz_attr(&attrs, &type, &value_len, &value))
        rf_stun_put(&out, type, value);
    fuzz_sign(&out, w->e.crypto, w->credentials.user, "r", w->credentials.password);
    if (rf_stun_end(&out) == 0)
        hand_in(w, rf_buf_view(&out));
}

static void from_peer(struct world *w, struct rf_view bytes)
{
    struct rf_addr peer = {.family = 4};
    struct rf_turn_wrap wrap;
    if (w->alloc == NULL || bytes.len < 6)
        return;
    memcpy(peer.ip, bytes.p, 4);
    peer.port = (uint16_t)(bytes.p[4] << 8 | bytes.p[5]);
    if (rf_turn_peer(w->turn, w->alloc, &peer, bytes.len, &wrap) &&
        (wrap.head_len > RF_TURN_HEAD_MAX || wrap.pad > 3 || wrap.to == NULL))
        abort();
}

static void step(struct world *w, struct rf_view *in)
{
    struct rf_view bytes;
    uint8_t what;
    if (!fuzz_step(in, &what, &bytes)) {
        in->len = 0;
        return;
    }
    if (what % 4 == 0) {
        hand_in(w, bytes);
    } else if (what % 4 == 1) {
        signed_request(w, bytes);
    } else if (what % 4 == 2) {
        from_peer(w, bytes);
    } else {
        w->e.now.mono_us += (uint64_t)bytes.len * 10 * RF_US_PER_S;
        w->e.now.wall_ms += (uint64_t)bytes.len * 10000;
        rf_timers_run(&w->e.timers, w->e.now.mono_us, SIZE_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.e.now = {.mono_us = 1, .wall_ms = 1000000}};
    struct rf_turn_host host = {&w, host_open, host_close};
    struct rf_view in = rf_view_of(data, size);
    fuzz_env_init(&w.e);
    struct rf_turn_config config = {.crypto = w.e.crypto, .host = &host, .realm = "r"};
    w.from.addr = (struct rf_addr){.family = 4, .port = 9, .ip = {192, 0, 2, 1}};
    if (rf_turn_new(&w.e.env, &config, &w.turn) != 0 ||
        rf_turn_credentials(w.e.crypto, config.secret, "u", UINT64_C(4000000000000), &w.credentials) != 0)
        abort();
    while (in.len > 0)
        step(&w, &in);
    rf_turn_free(w.turn);
    fuzz_env_deinit(&w.e);
    return 0;
}
