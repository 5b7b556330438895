/*
 * fuzz_link_dtls.c - records of DTLS as a stranger sends them: the first datagram's judgement, and a server's and a client's handshake.
 *
 * The first byte: bit 0 the channel is a client. Then datagrams, each behind a length of two bytes (bit 15: instead, the flight is sent again
 * and a second passes). Each first goes to the judgement of strangers, with and without a version and lengths that fit.
 */
#include <stdlib.h>
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "fuzz_link_node.h"
#include "link/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct rf_now now = {.mono_us = RF_US_PER_S, .wall_ms = UINT64_C(1750000000000)};
static struct rf_rng_seeded rng;
static struct rf_env env;
static struct rf_engine *engine;
static const struct rf_engine_ops *const ops = &rf_engine_gnutls_dtls;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct rf_crypto *crypto; /* it lives as long as the program */
    struct rf_x509_spec spec = {
        .email = rf_view_str("a@example.org"), .not_after_ms = UINT64_C(4000000000000), .serial_lo = 1};
    struct rf_buf spki, der, pem;
    struct rf_key *key;

    (void)argc;
    (void)argv;
    crypto = rf_crypto_openssl_new(rf_mem_system());
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    rf_buf_init(&pem, rf_mem_system(), 4096);
    fuzz_check(crypto->ops->key_generate(crypto, RF_KEY_P256, &key) == 0, "key");
    fuzz_check(crypto->ops->key_spki(crypto, key, &spki) == 0, "spki");
    fuzz_check(crypto->ops->key_to_pem(crypto, key, &pem) == 0, "pem");
    fuzz_check(crypto->ops->x509_issue(crypto, &spec, rf_buf_view(&spki), NULL, key, &der) == 0,
               "certificate");
    rf_rng_seeded_init(&rng, 1);
    env = (struct rf_env){.mem = rf_mem_system(), .now = &now, .secret = &rng.rng, .jitter = &rng.rng};
    const struct rf_view cert = rf_buf_view(&der);
    fuzz_check(ops->engine_new(&env, &cert, 1, rf_buf_view(&pem), &engine) == 0, "engine");
    crypto->ops->key_free(crypto, key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    rf_buf_deinit(&pem);
    return 0;
}

/* Whole datagrams behind their lengths, none longer than the MTU. */
static void check_wire(struct rf_buf *wire)
{
    struct rf_view all = rf_buf_view(wire), one;

    while (all.len > 0) {
        fuzz_check(rf_view_v(&all, 2, &one) == 0, "a datagram that is cut");
        fuzz_check(one.len > 0 && one.len <= 1200, "a datagram of no good length");
    }
    rf_buf_reset(wire);
}

static void judge(struct rf_view in, struct rf_buf *wire)
{
    uint8_t copy[2000];
    struct rf_hello hello;

    (void)ops->hello(engine, rf_view_str("peer"), in, &hello, wire);
    check_wire(wire);
    if (in.len < 25 || in.len > sizeof copy)
        return;
    memcpy(copy, in.p, in.len);
    memcpy(copy, (const uint8_t[]){22, 254, 253, 0, 0}, 5);
    copy[11] = (uint8_t)((in.len - 13) >> 8);
    copy[12] = (uint8_t)(in.len - 13);
    memset(copy + 13, 0, 12);
    copy[13] = 1;
    copy[15] = copy[23] = (uint8_t)((in.len - 25) >> 8);
    copy[16] = copy[24] = (uint8_t)(in.len - 25);
    if (ops->hello(engine, rf_view_str("peer"), rf_view_of(copy, in.len), &hello, wire) == RF_EAGAIN)
        fuzz_check(wire->len - 2 <= in.len, "an answer longer than what it answers");
    check_wire(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const alpn[] = {"reload"};
    struct rf_view in = rf_view_of(data, size), datagram;
    struct rf_channel *channel;
    struct rf_buf plain, wire;
    uint8_t flags;
    uint16_t len;
    int err = 0;

    if (rf_view_u8(&in, &flags))
        return 0;
    rf_buf_init(&plain, rf_mem_system(), 1 << 20);
    rf_buf_init(&wire, rf_mem_system(), 1 << 20);
    fuzz_check(ops->channel_new(engine, !(flags & 1), alpn, 1, rf_view_str(""), &channel) == 0, "channel");
    if (flags & 1)
        err = ops->channel_start(channel, &wire);
    while (!err && rf_view_u16(&in, &len) == 0) {
        if (len & 0x8000) {
            now.mono_us += RF_US_PER_S;
            err = ops->channel_tick(channel, &wire);
        } else if (rf_view_take(&in, len < in.len ? len : in.len, &datagram) == 0 && datagram.len > 0) {
            judge(datagram, &wire);
            err = ops->channel_input(channel, datagram, &plain, &wire);
        }
        check_wire(&wire);
    }
    fuzz_check(ops->channel_state(channel) != RF_CHANNEL_UP, "up without a certificate");
    ops->channel_free(channel);
    rf_buf_deinit(&plain);
    rf_buf_deinit(&wire);
    return 0;
}
