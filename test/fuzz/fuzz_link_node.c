/* fuzz_link_node.c - what the fuzz targets of links share. */
#include "fuzz_link_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto/openssl/openssl.h"

struct fuzz_node fuzz_node;
struct fuzz_links run;

void fuzz_check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fuzz_link: %s\n", what);
    abort();
}

static void node_make(void)
{
    static struct rf_crypto *crypto;
    const uint64_t seed[2] = {1, 2};
    struct rf_trust_config config = {
        .overlay = rf_view_str("example.org"), .id_len = 16, .self_signed = RF_DIGEST_SHA256};
    struct rf_x509_spec spec = {.email = rf_view_str("a@example.org"),
                                .not_after_ms = UINT64_C(4000000000000),
                                .serial_lo = 1,
                                .uri_count = 1};
    struct rf_buf spki, uri, der;
    struct rf_key *key;
    struct rf_view uri_view;

    crypto = rf_crypto_openssl_new(rf_mem_system());
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&uri, rf_mem_system(), 4096);
    rf_buf_fixed(&der, fuzz_node.cert, sizeof fuzz_node.cert);
    fuzz_check(crypto->ops->key_generate(crypto, RF_KEY_ED25519, &key) == 0, "key");
    fuzz_check(crypto->ops->key_spki(crypto, key, &spki) == 0, "spki");
    fuzz_check(rf_node_id_derive(crypto, RF_DIGEST_SHA256, rf_buf_view(&spki), 0, 16, &fuzz_node.id) == 0,
               "id");
    rf_reload_uri_put(&uri, &fuzz_node.id, config.overlay);
    uri_view = rf_buf_view(&uri);
    spec.uris = &uri_view;
    fuzz_check(crypto->ops->x509_issue(crypto, &spec, rf_buf_view(&spki), NULL, key, &der) == 0,
               "certificate");
    fuzz_node.cert_len = der.len;
    fuzz_check(rf_trust_new(crypto, rf_mem_system(), seed, 8, &fuzz_node.trust) == 0 &&
                   rf_trust_configure(fuzz_node.trust, &config) == 0,
               "trust");
    crypto->ops->key_free(crypto, key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&uri);
}

void fuzz_node_hello(const char *alpn, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 1);

    rf_buf_v(out, 1, rf_view_str(alpn));
    rf_buf_close(out, mark, 1);
    mark = rf_buf_open(out, 2);
    rf_buf_v(out, 2, fuzz_node_cert());
    rf_buf_close(out, mark, 2);
}

int fuzz_run(const uint8_t *data, size_t size,
             void (*life)(const struct rf_env *env, struct rf_now *now, struct rf_view in))
{
    struct rf_now now = {.mono_us = RF_US_PER_S, .wall_ms = UINT64_C(1750000000000)};
    struct rf_timers timers;
    struct rf_rng_seeded rng;
    struct rf_mem_test mem;
    struct rf_env env;

    if (size < 2)
        return 0;
    if (!fuzz_node.trust)
        node_make();
    memset(&run, 0, sizeof run);
    run.flags = data[0];
    rf_mem_test_init(&mem);
    mem.allowed = data[1] == 255 ? SIZE_MAX : data[1];
    rf_timers_init(&timers, &mem.mem);
    rf_rng_seeded_init(&rng, 1);
    env = (struct rf_env){
        .mem = &mem.mem, .timers = &timers, .now = &now, .secret = &rng.rng, .jitter = &rng.rng};
    life(&env, &now, rf_view_of(data + 2, size - 2));
    rf_timers_deinit(&timers);
    fuzz_check(mem.live_count == 0, "memory leaks");
    return 0;
}

void fuzz_message(void *ctx, rf_link_id link, struct rf_view message)
{
    volatile uint8_t sum = 0;

    (void)ctx;
    fuzz_check(message.len <= 5000, "message too large");
    run.messages++;
    if (run.flags & 2)
        (void)rf_links_send(run.links, link, message);
    if ((run.flags & 4) && run.messages == 3)
        rf_links_close(run.links, link, RF_ECANCELLED);
    for (size_t i = 0; i < message.len; i++) /* still there after the close */
        sum = (uint8_t)(sum + message.p[i]);
}

void fuzz_app_data(void *ctx, rf_link_id link, struct rf_view bytes)
{
    (void)ctx;
    fuzz_check(bytes.len > 0, "no bytes");
    if (run.flags & 2)
        (void)rf_links_app_send(run.links, link, bytes);
}
