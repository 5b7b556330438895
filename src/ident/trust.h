/* trust.h - the inside of rf_trust, shared by cache, chain and verification. */
#ifndef RF_IDENT_TRUST_H
#define RF_IDENT_TRUST_H

#include "base/list.h"
#include "ident/cert.h"

struct cert_cache_entry;

/* Another name of a cached certificate: SHA-256(Node-ID ‖ DER). Only certificates with several Node-IDs have them. */
struct cert_cache_alias {
    struct rf_map_node node;
    uint8_t hash[RF_SHA256_LEN];
    struct cert_cache_entry *entry;
    struct rf_id node_id;
};

/* A certificate that was checked: good within its window (that of its whole chain) as long as the configuration stays. */
struct cert_cache_entry {
    struct rf_map_node node;
    struct rf_list lru;
    struct rf_cert *cert; /* one reference */
    uint64_t from_ms, until_ms;
    struct cert_cache_alias *aliases; /* node_id_count of them, or NULL */
};

/* The cache: found by SHA-256 of the DER or by an alias; the least recently found one goes first. */
struct cert_cache {
    struct rf_mem *mem;
    struct rf_map by_hash, by_alias;
    struct rf_list lru; /* newest in front */
    size_t limit;
};
void cert_cache_init(struct cert_cache *cache, struct rf_mem *mem, const uint64_t seed[2], size_t limit);
void cert_cache_deinit(struct cert_cache *cache);
void cert_cache_clear(struct cert_cache *cache);
struct cert_cache_entry *cert_cache_find(struct cert_cache *cache, const uint8_t sha256[RF_SHA256_LEN]);
struct cert_cache_alias *cert_cache_find_alias(struct cert_cache *cache, const uint8_t hash[RF_SHA256_LEN]);
/* cert_cache_put remembers a certificate; without memory (or with limit 0) it is simply not remembered. */
void cert_cache_put(struct cert_cache *cache, struct rf_cert *cert, uint64_t from_ms, uint64_t until_ms);

/* What comes from the configuration document. All owned. Those who trust the same with one backend share it. */
struct trust_rules {
    struct trust_rules *next; /* in crypto->rules */
    size_t refs;
    uint8_t *overlay;
    size_t overlay_len;
    uint8_t id_len;
    int self_signed;
    struct rf_x509 *roots;
    size_t root_count;
    struct rf_id *bad_nodes; /* sorted */
    size_t bad_node_count;
};

struct rf_trust {
    struct rf_crypto *crypto;
    struct rf_mem *mem;
    struct trust_rules *rules; /* one reference; before the first configuration those that permit nothing */
    struct cert_cache cache;
    struct rf_ident_counters counters;
};

/* The result of a check. */
struct trust_window {
    uint64_t from_ms, until_ms;
};
/*
 * cert_chain_check looks for a chain from `cert` to a root over those of `others` that are CAs, and remembers it in the certificate.
 * window is narrowed to what all of the chain allows. Errors: RF_EUNTRUSTED, RF_ESIGNATURE, RF_ENOMEM.
 */
int cert_chain_check(const struct rf_trust *trust, struct rf_cert *cert, const struct rf_view *others,
                     size_t other_count, uint64_t wall_ms, struct trust_window *window);
/* trust_accept checks a decoded certificate fully (its time too) and puts it into the cache. */
int trust_accept(struct rf_trust *trust, struct rf_cert *cert, const struct rf_view *others,
                 size_t other_count, uint64_t wall_ms);
/* trust_cached takes a reference to a certificate found in the cache, if now is within its window. */
int trust_cached(struct rf_trust *trust, const struct cert_cache_entry *entry, uint64_t wall_ms,
                 struct rf_cert **out);
int trust_window_check(const struct trust_window *window, uint64_t wall_ms);

#endif
