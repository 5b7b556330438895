/*
 * sim_crypto.c - real crypto for a simulation: OpenSSL's backend under a table of operations that charge what the fake one does, whatever the
 * machine at hand really takes. So a run with either differs in the arithmetic only.
 */
#include "apps/sim_main.h"
#include "base/assert.h"
#include "crypto/fake/fake.h"
#include "crypto/openssl/openssl.h"

struct charged {
    struct rf_crypto crypto; /* what the simulator gets: the inner one with other operations */
    struct rf_crypto_ops ops;
    struct rf_crypto *inner;
    struct rf_mem *mem;
    struct rf_crypto_fake_costs costs;
    void (*charge)(void *ctx, uint64_t ns);
    void *ctx;
};

static struct charged *charged_of(struct rf_crypto *c)
{
    return RF_CONTAINER(c, struct charged, crypto);
}

static void charge(struct rf_crypto *c, uint64_t ns)
{
    charged_of(c)->charge(charged_of(c)->ctx, ns);
}

static uint64_t hash_cost(const struct charged *b, const struct rf_view *parts, size_t part_count)
{
    uint64_t len = 0;

    for (size_t i = 0; i < part_count; i++)
        len += parts[i].len;
    return b->costs.hash_ns + b->costs.hash_block_ns * (len / 64 + 1);
}

static int real_hash(struct rf_crypto *c, enum rf_hash alg, const struct rf_view *parts, size_t part_count,
                     uint8_t *out)
{
    charge(c, hash_cost(charged_of(c), parts, part_count));
    return charged_of(c)->inner->ops->hash(c, alg, parts, part_count, out);
}

static int real_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts,
                     size_t part_count, struct rf_buf *out)
{
    charge(c, charged_of(c)->costs.sign_ns);
    charge(c, hash_cost(charged_of(c), parts, part_count));
    return charged_of(c)->inner->ops->sign(c, key, parts, part_count, out);
}

static int real_verify(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                       const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    charge(c, charged_of(c)->costs.verify_ns);
    charge(c, hash_cost(charged_of(c), parts, part_count));
    return charged_of(c)->inner->ops->verify(c, key, alg, parts, part_count, signature);
}

static int real_pubkey(struct rf_crypto *c, struct rf_view spki, struct rf_pubkey **out)
{
    charge(c, charged_of(c)->costs.key_decode_ns);
    return charged_of(c)->inner->ops->pubkey_from_spki(c, spki, out);
}

static int real_decode(struct rf_crypto *c, struct rf_view der, struct rf_x509 *out)
{
    charge(c, charged_of(c)->costs.x509_decode_ns);
    return charged_of(c)->inner->ops->x509_decode(c, der, out);
}

static void real_again(struct rf_crypto *c)
{
    charge(c, charged_of(c)->costs.x509_decode_ns);
    charge(c, charged_of(c)->costs.key_decode_ns);
}

static int real_key(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_key **out)
{
    charge(c, charged_of(c)->costs.key_generate_ns);
    return charged_of(c)->inner->ops->key_from_raw(c, type, raw, out);
}

/* make puts charging operations over those of OpenSSL, which look at nothing but ctx and mem of what they are given. */
static struct rf_crypto *make(void *arg, struct rf_mem *mem, void (*charge_to)(void *ctx, uint64_t ns),
                              void *ctx)
{
    struct charged *b = rf_zalloc(mem, sizeof(*b));

    (void)arg;
    if (b == NULL)
        return NULL;
    if ((b->inner = rf_crypto_openssl_new(mem)) == NULL) {
        rf_free(mem, b);
        return NULL;
    }
    rf_crypto_fake_costs_measured(&b->costs);
    b->mem = mem;
    b->charge = charge_to;
    b->ctx = ctx;
    b->crypto = *b->inner;
    b->ops = *b->inner->ops;
    b->ops.hash = real_hash;
    b->ops.sign = real_sign;
    b->ops.verify = real_verify;
    b->ops.pubkey_from_spki = real_pubkey;
    b->ops.x509_decode = real_decode;
    b->ops.x509_again = real_again;
    b->ops.key_from_raw = real_key;
    b->crypto.ops = &b->ops;
    return &b->crypto;
}

static void release(void *arg, struct rf_crypto *crypto)
{
    (void)arg;
    if (crypto != NULL) {
        struct charged *b = charged_of(crypto);

        rf_crypto_openssl_free(b->inner);
        rf_free(b->mem, b);
    }
}

void sim_crypto_real(struct rf_sim_crypto *out)
{
    *out = (struct rf_sim_crypto){.make = make, .release = release, .key_type = RF_KEY_P256};
}
