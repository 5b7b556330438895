/* fake.c - the backend's object, its table, and hashes. */
#include "crypto/fake/fake.h"

#include "crypto/fake/backend.h"
#include "crypto/x509.h"

/* hash_parts mixes parts that may be empty; the lengths of what was put are part of the result, where they were cut is not. */
static void hash_parts(struct backend *b, struct mix *m, const struct rf_view *parts, size_t part_count,
                       size_t len, uint8_t *out)
{
    uint8_t sum[MIX_OUT_LEN];

    for (size_t i = 0; i < part_count; i++)
        if (parts[i].len > 0)
            mix_put(m, parts[i]);
    b->counts.hashes++;
    charge_hash(b, m->len);
    mix_end(m, sum);
    memcpy(out, sum, len);
}

static int fake_hash(struct rf_crypto *c, enum rf_hash alg, const struct rf_view *parts, size_t part_count,
                     uint8_t *out)
{
    struct mix m;

    if (alg != RF_HASH_MD5 && alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    mix_init(&m, alg == RF_HASH_SHA1 ? MIX_SHA1 : alg == RF_HASH_SHA256 ? MIX_SHA256 : MIX_MD5, 0);
    hash_parts(backend_of(c), &m, parts, part_count,
               alg == RF_HASH_SHA1     ? RF_SHA1_LEN
               : alg == RF_HASH_SHA256 ? RF_SHA256_LEN
                                       : RF_MD5_LEN,
               out);
    return 0;
}

static int fake_hmac(struct rf_crypto *c, enum rf_hash alg, struct rf_view key, const struct rf_view *parts,
                     size_t part_count, uint8_t *out)
{
    struct mix m;

    if (alg != RF_HASH_SHA1 && alg != RF_HASH_SHA256)
        return RF_EUNKNOWN;
    mix_init(&m, MIX_HMAC, (uint64_t)key.len << 8 | (uint64_t)alg);
    if (key.len > 0)
        mix_put(&m, key);
    hash_parts(backend_of(c), &m, parts, part_count, alg == RF_HASH_SHA1 ? RF_SHA1_LEN : RF_SHA256_LEN, out);
    return 0;
}

static const struct rf_crypto_ops ops = {
    .hash = fake_hash,
    .hmac = fake_hmac,
    .key_generate = fake_key_generate,
    .key_from_pem = fake_key_from_pem,
    .key_to_pem = fake_key_to_pem,
    .key_from_raw = fake_key_from_raw,
    .key_free = fake_key_free,
    .key_type = fake_key_type,
    .key_spki = fake_key_spki,
    .sign = fake_sign,
    .verify = fake_verify,
    .pubkey_from_spki = fake_pubkey_from_spki,
    .pubkey_free = fake_pubkey_free,
    .dh_public = fake_dh_public,
    .dh = fake_dh,
    .aead_seal = fake_aead_seal,
    .aead_open = fake_aead_open,
    .x509_decode = fake_x509_decode,
    .x509_deinit = rf_x509_deinit,
    .x509_again = fake_x509_again,
    .x509_verify = rf_x509_verify,
    .x509_issue = rf_x509_issue,
    .csr_create = rf_csr_create,
    .csr_decode = rf_csr_decode,
    .csr_deinit = rf_csr_deinit,
};

/* docs/benchmarks.md: a signature and a verification 203 us, with a second verification 357 us; the rest is from `openssl speed` of the
 * same machine and the comments of crypto/openssl. */
void rf_crypto_fake_costs_measured(struct rf_crypto_fake_costs *out)
{
    *out = (struct rf_crypto_fake_costs){.hash_ns = 200,
                                         .hash_block_ns = 150,
                                         .sign_ns = 50000,
                                         .verify_ns = 153000,
                                         .key_generate_ns = 50000,
                                         .key_decode_ns = 20000,
                                         .x509_decode_ns = 8000};
}

struct rf_crypto *rf_crypto_fake_new(struct rf_mem *mem, const struct rf_crypto_fake_config *config)
{
    struct backend *b = rf_zalloc(mem, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->crypto = (struct rf_crypto){.ops = &ops, .mem = mem, .ctx = b};
    b->config = *config;
    return &b->crypto;
}

void rf_crypto_fake_free(struct rf_crypto *crypto)
{
    if (crypto == NULL)
        return;
    rf_free(crypto->mem, backend_of(crypto));
}

void rf_crypto_fake_rng(struct rf_crypto *crypto, struct rf_rng *rng)
{
    backend_of(crypto)->config.rng = rng;
}

const struct rf_crypto_fake_counts *rf_crypto_fake_counts(const struct rf_crypto *crypto)
{
    return &((const struct backend *)crypto->ctx)->counts;
}
