/* test_turn.c - the world of the relay's tests. */
#include "test_turn.h"

#include <stdio.h>

static int host_open(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even,
                     struct rf_addr *relayed, void **socket)
{
    struct turn_world *w = ctx;
    w->asked_even = even;
    if (w->open_error != 0)
        return w->open_error;
    assert_in_range(w->opened, 0, TURN_SOCKETS - 1);
    w->allocs[w->opened++] = alloc;
    w->open++;
    *relayed = turn_addr(family == 4 ? "203.0.113.9:0" : "[2001:db8::9]:0");
    relayed->port = (uint16_t)(50000 + 2 * w->opened);
    *socket = (void *)(uintptr_t)w->opened;
    return 0;
}

static void host_close(void *ctx, void *socket)
{
    struct turn_world *w = ctx;
    size_t i = (uintptr_t)socket;
    assert_in_range(i, 1, w->opened);
    assert_non_null(w->allocs[i - 1]);
    w->allocs[i - 1] = NULL;
    w->open--;
}

struct rf_addr turn_addr(const char *text)
{
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
    return addr;
}

void turn_world_init(struct turn_world *w)
{
    *w = (struct turn_world){.alg = RF_HASH_MD5};
    still_env_init(&w->e, 1, NULL);
    w->host = (struct rf_turn_host){.ctx = w, .open = host_open, .close = host_close};
    w->config = (struct rf_turn_config){
        .crypto = w->e.crypto, .host = &w->host, .realm = "example.org", .software = "relay"};
    memset(w->config.secret, 7, sizeof(w->config.secret));
    w->from.addr = turn_addr("192.0.2.1:4000");
    assert_int_equal(rf_turn_credentials(w->e.crypto, w->config.secret, "alice", w->e.now.wall_ms + 3600000,
                                         &w->credentials),
                     0);
}

void turn_world_start(struct turn_world *w)
{
    assert_int_equal(rf_turn_new(&w->e.env, &w->config, &w->turn), 0);
}

void turn_world_deinit(struct turn_world *w)
{
    rf_turn_free(w->turn);
    rf_timers_deinit(&w->e.timers);
    assert_int_equal(w->open, 0);
    assert_int_equal(w->e.mem.live_count, 0);
    rf_crypto_openssl_free(w->e.crypto);
}

void turn_pass(struct turn_world *w, uint64_t us)
{
    uint64_t until_us = w->e.now.mono_us + us;
    while (rf_timers_next(&w->e.timers) <= until_us) {
        uint64_t step_us = rf_timers_next(&w->e.timers) - w->e.now.mono_us;
        w->e.now.mono_us += step_us;
        w->e.now.wall_ms += step_us / 1000;
        rf_timers_run(&w->e.timers, w->e.now.mono_us, SIZE_MAX);
    }
    w->e.now.wall_ms += (until_us - w->e.now.mono_us) / 1000;
    w->e.now.mono_us = until_us;
}

void turn_begin_request(struct turn_world *w, uint16_t method)
{
    uint8_t txn[RF_STUN_TXN_LEN] = {++w->txn};
    rf_buf_fixed(&w->out, w->request, sizeof(w->request));
    rf_stun_begin(&w->out, RF_STUN_REQUEST, method, txn);
}

static void sign(struct turn_world *w)
{
    static const uint8_t offered[8] = {0, 2, 0, 0, 0, 1, 0, 0}, sha256[4] = {0, 2, 0, 0};
    struct rf_view user = rf_view_str(w->credentials.user), realm = rf_view_str(w->realm);
    uint8_t key[RF_STUN_KEY_MAX];
    size_t len;
    rf_stun_put(&w->out, RF_STUN_USERNAME, user);
    rf_stun_put(&w->out, RF_STUN_REALM, realm);
    rf_stun_put(&w->out, RF_STUN_NONCE, rf_view_str(w->nonce));
    if (w->alg == RF_HASH_SHA256) {
        rf_stun_put(&w->out, RF_STUN_PASSWORD_ALGORITHMS, rf_view_of(offered, 8));
        rf_stun_put(&w->out, RF_STUN_PASSWORD_ALGORITHM, rf_view_of(sha256, 4));
    }
    assert_int_equal(
        rf_stun_long_key(w->e.crypto, w->alg, user, realm, rf_view_str(w->credentials.password), key, &len),
        0);
    rf_stun_put_integrity(&w->out, w->e.crypto, w->alg == RF_HASH_MD5 ? RF_HASH_SHA1 : RF_HASH_SHA256,
                          rf_view_of(key, len));
}

static void copy_text(const struct rf_stun_msg *m, uint16_t type, char *out, size_t size)
{
    struct rf_view v;
    if (rf_stun_find(m, type, &v)) {
        assert_in_range(v.len, 1, size - 1);
        memcpy(out, v.p, v.len);
        out[v.len] = '\0';
    }
}

int turn_send_request(struct turn_world *w)
{
    int code = 0;
    if (w->nonce[0] != '\0')
        sign(w);
    rf_stun_put_fingerprint(&w->out);
    assert_int_equal(rf_stun_end(&w->out), 0);
    rf_turn_client(w->turn, &w->from, rf_buf_view(&w->out), &w->act);
    if (w->act.type == RF_TURN_NOTHING)
        return -1;
    assert_int_equal(w->act.type, RF_TURN_REPLY);
    assert_int_equal(rf_stun_decode(w->act.bytes, &w->answer), 0);
    assert_int_equal(w->answer.txn[0], w->txn);
    assert_true(w->answer.fingerprint_at != 0);
    if (w->answer.class == RF_STUN_ERROR)
        assert_int_equal(rf_stun_error_code(&w->answer, &code, NULL), 0);
    if (code == RF_STUN_UNAUTHENTICATED || code == RF_STUN_STALE_NONCE) {
        copy_text(&w->answer, RF_STUN_REALM, w->realm, sizeof(w->realm));
        copy_text(&w->answer, RF_STUN_NONCE, w->nonce, sizeof(w->nonce));
    }
    return code;
}

int turn_allocate(struct turn_world *w)
{
    int code = RF_STUN_UNAUTHENTICATED;
    bool had_nonce = w->nonce[0] != '\0';
    for (int i = 0; i < (had_nonce ? 1 : 2) && code == RF_STUN_UNAUTHENTICATED; i++) {
        turn_begin_request(w, RF_TURN_ALLOCATE);
        rf_stun_put_u32(&w->out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
        code = turn_send_request(w);
    }
    return code;
}

int turn_refresh(struct turn_world *w, uint32_t lifetime_s)
{
    turn_begin_request(w, RF_TURN_REFRESH);
    rf_stun_put_u32(&w->out, RF_TURN_LIFETIME, lifetime_s);
    return turn_send_request(w);
}

int turn_permit_peer(struct turn_world *w, const char *peer)
{
    struct rf_addr addr = turn_addr(peer);
    turn_begin_request(w, RF_TURN_CREATE_PERMISSION);
    rf_stun_put_address(&w->out, RF_TURN_XOR_PEER_ADDRESS, true, &addr);
    return turn_send_request(w);
}

int turn_bind_peer(struct turn_world *w, uint16_t number, const char *peer)
{
    struct rf_addr addr = turn_addr(peer);
    turn_begin_request(w, RF_TURN_CHANNEL_BIND);
    rf_stun_put_u32(&w->out, RF_TURN_CHANNEL_NUMBER, (uint32_t)number << 16);
    rf_stun_put_address(&w->out, RF_TURN_XOR_PEER_ADDRESS, true, &addr);
    return turn_send_request(w);
}

void turn_send_data(struct turn_world *w, const char *peer, const char *text)
{
    struct rf_addr addr = turn_addr(peer);
    uint8_t txn[RF_STUN_TXN_LEN] = {0};
    rf_buf_fixed(&w->out, w->request, sizeof(w->request));
    rf_stun_begin(&w->out, RF_STUN_INDICATION, RF_TURN_SEND, txn);
    rf_stun_put_address(&w->out, RF_TURN_XOR_PEER_ADDRESS, true, &addr);
    rf_stun_put(&w->out, RF_TURN_DATA_ATTR, rf_view_str(text));
    assert_int_equal(rf_stun_end(&w->out), 0);
    rf_turn_client(w->turn, &w->from, rf_buf_view(&w->out), &w->act);
}

void turn_send_channel(struct turn_world *w, uint16_t number, const char *text)
{
    rf_buf_fixed(&w->out, w->request, sizeof(w->request));
    rf_buf_u16(&w->out, number);
    rf_buf_v(&w->out, 2, rf_view_str(text));
    rf_turn_client(w->turn, &w->from, rf_buf_view(&w->out), &w->act);
}

bool turn_from_peer(struct turn_world *w, const char *peer, const char *text, struct rf_view *packet)
{
    struct rf_addr addr = turn_addr(peer);
    struct rf_turn_wrap wrap;
    if (!rf_turn_peer(w->turn, w->allocs[0], &addr, strlen(text), &wrap))
        return false;
    assert_true(rf_addr_equal(&wrap.to->addr, &w->from.addr));
    rf_buf_fixed(&w->out, w->request, sizeof(w->request));
    rf_buf_put(&w->out, wrap.head, wrap.head_len);
    rf_buf_str(&w->out, text);
    rf_buf_put(&w->out, "\0\0\0", wrap.pad);
    assert_int_equal(rf_buf_error(&w->out), 0);
    *packet = rf_buf_view(&w->out);
    return true;
}

const struct rf_turn_counters *turn_counters(struct turn_world *w)
{
    static struct rf_turn_status status;
    rf_turn_status(w->turn, &status);
    return &status.counters;
}

int main(void)
{
    return test_turn_requests() + test_turn_data() + test_turn_abuse() + test_turn_attacks();
}
