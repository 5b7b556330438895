/*
 * fake.h - the crypto interface for the simulator: real certificates and messages of real sizes, with hashes and signatures that cost
 * well below a microsecond and that are worth nothing outside of one process. Never linked into a program that meets a network.
 *
 * Hashes are a fast mix of 256 bits: well distributed, the same in every run, not those of SHA; so IDs differ from a real overlay's.
 * A signature is a keyed mix of the message. The key of that mix is made from the public key and the backend's own secret, so whoever
 * has the public key can have a signature *checked* here, and nobody can have one *made* without the private key: the public key is a
 * one-way mix of it. Signatures and certificates have the sizes of ECDSA P-256, RSA-2048 and Ed25519, whose names they carry.
 *
 * Certificates that are decoded several times are kept in memory once, for all nodes that use the backend.
 *
 * What an operation would cost a real node is told to `charge`, so that the simulator can add it to the node's CPU time.
 */
#ifndef RF_CRYPTO_FAKE_FAKE_H
#define RF_CRYPTO_FAKE_FAKE_H

#include "base/rng.h"
#include "crypto/crypto.h"

/* What the real operations take, in nanoseconds of one core. */
struct rf_crypto_fake_costs {
    uint32_t hash_ns;         /* one hash or MAC, however short */
    uint32_t hash_block_ns;   /* besides, for each 64 bytes begun */
    uint32_t sign_ns;         /* besides hashing the message */
    uint32_t verify_ns;       /* the same */
    uint32_t key_generate_ns; /* also from a raw value */
    uint32_t key_decode_ns;   /* a public key out of SubjectPublicKeyInfo */
    uint32_t x509_decode_ns;  /* a certificate, besides its key */
};

/*
 * rf_crypto_fake_costs_measured fills in what crypto/openssl took on the machine of docs/benchmarks.md: P-256 for every key type, since
 * that is what nodes have. A key that is not among the 512 used last costs crypto/openssl a decoding more, which is not charged.
 */
void rf_crypto_fake_costs_measured(struct rf_crypto_fake_costs *out);

struct rf_crypto_fake_config {
    uint64_t seed
        [2]; /* the secret behind signatures: the same for all backends whose nodes shall understand each other */
    struct rf_rng *rng; /* where new keys come from; borrowed */
    struct rf_crypto_fake_costs costs;
    void (*charge)(void *ctx,
                   uint64_t ns); /* may be NULL. Called within an operation; must not call the backend */
    void *charge_ctx;
};

/* How often what was done, since the backend was made. */
struct rf_crypto_fake_counts {
    uint64_t hashes, signatures, verifications, keys_decoded, certs_decoded;
    uint64_t certs_shared; /* of certs_decoded: those whose bytes were in memory already */
};

/* rf_crypto_fake_new makes a backend (owned, to be freed with _free, after everything made by it). `mem` is borrowed, `config` copied.
 * NULL: out of memory. */
struct rf_crypto *rf_crypto_fake_new(struct rf_mem *mem, const struct rf_crypto_fake_config *config);
void rf_crypto_fake_free(struct rf_crypto *crypto);
/* rf_crypto_fake_rng makes new keys come from another generator (borrowed): that of the node that is about to make one. */
void rf_crypto_fake_rng(struct rf_crypto *crypto, struct rf_rng *rng);
/* rf_crypto_fake_counts: borrowed as long as the backend lives. */
const struct rf_crypto_fake_counts *rf_crypto_fake_counts(const struct rf_crypto *crypto);

#endif
