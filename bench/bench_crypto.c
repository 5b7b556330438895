/*
 * bench_crypto.c - what the crypto room costs: operations per second on one core, to be set beside
 * `openssl speed -seconds 2 ecdsap256 ed25519` on the same core.
 *
 *     bench_crypto [SECONDS per line, default 0.5]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/openssl/openssl.h"

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What the measured functions work on. */
struct work {
    struct rf_crypto *c;
    struct rf_key *key;
    struct rf_pubkey *pub;
    enum rf_sig_alg alg;
    struct rf_view parts[3];
    struct rf_view signature, spki, cert;
    struct rf_x509 ca;
};

static int do_sign(struct work *w)
{
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_buf out;

    rf_buf_fixed(&out, bytes, sizeof(bytes));
    return w->c->ops->sign(w->c, w->key, w->parts, 3, &out);
}

static int do_verify(struct work *w)
{
    return w->c->ops->verify(w->c, w->pub, w->alg, w->parts, 3, w->signature);
}

static int do_decode(struct work *w)
{
    struct rf_x509 cert;
    int r = w->c->ops->x509_decode(w->c, w->cert, &cert);

    if (r == 0)
        w->c->ops->x509_deinit(w->c, &cert);
    return r;
}

static int do_decode_verify(struct work *w)
{
    struct rf_x509 cert;
    int r = w->c->ops->x509_decode(w->c, w->cert, &cert);

    if (r == 0) {
        r = w->c->ops->x509_verify(w->c, &cert, &w->ca);
        w->c->ops->x509_deinit(w->c, &cert);
    }
    return r;
}

static int do_generate(struct work *w)
{
    struct rf_key *key;
    int r = w->c->ops->key_generate(w->c, w->c->ops->key_type(w->key), &key);

    if (r == 0)
        w->c->ops->key_free(w->c, key);
    return r;
}

static int do_sha256(struct work *w)
{
    uint8_t out[RF_HASH_MAX_LEN];

    return w->c->ops->hash(w->c, RF_HASH_SHA256, w->parts, 3, out);
}

static int do_sha1(struct work *w)
{
    uint8_t out[RF_HASH_MAX_LEN];

    return w->c->ops->hash(w->c, RF_HASH_SHA1, w->parts, 3, out);
}

static int do_hmac_sha1(struct work *w)
{
    uint8_t out[RF_HASH_MAX_LEN];

    return w->c->ops->hmac(w->c, RF_HASH_SHA1, rf_view_of("0123456789abcdef", 16), w->parts, 3, out);
}

static void measure(const char *what, int (*fn)(struct work *w), struct work *w, double seconds)
{
    double start = seconds_now(), end = start;
    size_t count = 0;

    while (end - start < seconds) {
        for (int i = 0; i < 16; i++)
            if (fn(w) != 0) {
                fprintf(stderr, "%s failed\n", what);
                exit(1);
            }
        count += 16;
        end = seconds_now();
    }
    printf("%-28s %12.0f/s %10.2f us\n", what, (double)count / (end - start),
           (end - start) / (double)count * 1e6);
}

static void check(int r)
{
    if (r != 0) {
        fprintf(stderr, "preparation failed: %s\n", rf_error_text(r));
        exit(1);
    }
}

static void measure_key(struct rf_crypto *c, const char *name, enum rf_key_type type, enum rf_sig_alg alg,
                        double seconds)
{
    static uint8_t message[512];
    struct work w = {.c = c, .alg = alg, .parts = {{message, 12}, {message + 12, 463}, {message + 475, 37}}};
    struct rf_view uri = rf_view_str("reload://0110a11ce000000000000000000000000001@example.org/");
    struct rf_x509_spec ca_spec = {
        .common_name = rf_view_str("bench"), .is_ca = true, .serial_lo = 1, .not_after_ms = 1};
    struct rf_x509_spec spec = {.email = rf_view_str("alice@example.org"),
                                .uris = &uri,
                                .uri_count = 1,
                                .serial_lo = 2,
                                .not_after_ms = 1};
    struct rf_buf spki, ca, cert, signature;
    char text[64];

    rf_buf_init(&spki, c->mem, 4096);
    rf_buf_init(&ca, c->mem, 4096);
    rf_buf_init(&cert, c->mem, 4096);
    rf_buf_init(&signature, c->mem, 4096);
    check(c->ops->key_generate(c, type, &w.key));
    check(c->ops->key_spki(c, w.key, &spki));
    check(c->ops->pubkey_from_spki(c, rf_buf_view(&spki), &w.pub));
    check(c->ops->sign(c, w.key, w.parts, 3, &signature));
    check(c->ops->x509_issue(c, &ca_spec, rf_buf_view(&spki), NULL, w.key, &ca));
    check(c->ops->x509_decode(c, rf_buf_view(&ca), &w.ca));
    check(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), &w.ca, w.key, &cert));
    w.signature = rf_buf_view(&signature);
    w.cert = rf_buf_view(&cert);
    snprintf(text, sizeof(text), "%s sign", name);
    measure(text, do_sign, &w, seconds);
    snprintf(text, sizeof(text), "%s verify", name);
    measure(text, do_verify, &w, seconds);
    snprintf(text, sizeof(text), "%s certificate decode", name);
    measure(text, do_decode, &w, seconds);
    snprintf(text, sizeof(text), "%s decode and verify", name);
    measure(text, do_decode_verify, &w, seconds);
    if (type != RF_KEY_RSA2048) {
        snprintf(text, sizeof(text), "%s key", name);
        measure(text, do_generate, &w, seconds);
    }
    if (type == RF_KEY_P256) {
        measure("sha1, 512 bytes", do_sha1, &w, seconds);
        measure("sha256, 512 bytes", do_sha256, &w, seconds);
        measure("hmac-sha1, 512 bytes", do_hmac_sha1, &w, seconds);
    }
    c->ops->x509_deinit(c, &w.ca);
    c->ops->pubkey_free(c, w.pub);
    c->ops->key_free(c, w.key);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&ca);
    rf_buf_deinit(&cert);
    rf_buf_deinit(&signature);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 0.5;
    struct rf_crypto *c = rf_crypto_openssl_new(rf_mem_system());

    if (c == NULL)
        return 1;
    measure_key(c, "P-256", RF_KEY_P256, RF_SIG_ECDSA_SHA256, seconds);
    measure_key(c, "Ed25519", RF_KEY_ED25519, RF_SIG_ED25519, seconds);
    measure_key(c, "RSA-2048", RF_KEY_RSA2048, RF_SIG_RSA_SHA256, seconds);
    rf_crypto_openssl_free(c);
    return 0;
}
