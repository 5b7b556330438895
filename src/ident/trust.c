/* trust.c - which certificates an overlay trusts. */
#include "ident/trust.h"

#include <stdlib.h>

/* ---- rules ---- */

static void rules_free(struct rf_crypto *crypto, struct trust_rules *rules)
{
    for (size_t i = 0; i < rules->root_count; i++)
        crypto->ops->x509_deinit(crypto, &rules->roots[i]);
    rf_free(crypto->mem, rules->roots);
    rf_free(crypto->mem, rules->bad_nodes);
    rf_free(crypto->mem, rules->overlay);
    rf_free(crypto->mem, rules);
}

static void rules_release(struct rf_crypto *crypto, struct trust_rules *rules)
{
    struct trust_rules *at = crypto->rules;

    if (rules == NULL || --rules->refs > 0)
        return;
    if (at == rules)
        crypto->rules = rules->next;
    for (; at != NULL && at != rules; at = at->next)
        if (at->next == rules)
            at->next = rules->next;
    rules_free(crypto, rules);
}

static int compare_ids(const void *a, const void *b)
{
    return rf_id_compare(a, b);
}

static int read_roots(struct rf_crypto *crypto, const struct rf_trust_config *config,
                      struct trust_rules *rules)
{
    rules->roots =
        rf_zalloc(crypto->mem, (config->root_count > 0 ? config->root_count : 1) * sizeof(*rules->roots));
    if (rules->roots == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < config->root_count; i++) {
        struct rf_x509 *root = &rules->roots[i];
        int r = crypto->ops->x509_decode(crypto, config->roots[i], root);

        if (r != 0)
            return r;
        rules->root_count++;
        if (!root->is_ca || (root->key_usage & RF_KEY_USAGE_CERT_SIGN) == 0 || root->subject_empty)
            return RF_EUNTRUSTED;
    }
    return 0;
}

/* rules_new decodes what a configuration says. */
static int rules_new(struct rf_crypto *crypto, const struct rf_trust_config *config, struct trust_rules **out)
{
    struct trust_rules *rules = rf_zalloc(crypto->mem, sizeof(*rules));
    int r = RF_ENOMEM;

    if (rules == NULL)
        return RF_ENOMEM;
    rules->refs = 1;
    rules->id_len = config->id_len;
    rules->overlay_len = config->overlay.len;
    rules->self_signed = config->self_signed;
    rules->overlay = rf_memdup(crypto->mem, config->overlay.p, config->overlay.len);
    rules->bad_nodes =
        rf_memdup(crypto->mem, config->bad_nodes, config->bad_node_count * sizeof(struct rf_id));
    if (rules->overlay != NULL && rules->bad_nodes != NULL)
        r = read_roots(crypto, config, rules);
    if (r != 0) {
        rules_free(crypto, rules);
        return r;
    }
    for (size_t i = 0; i < config->bad_node_count; i++)
        if (config->bad_nodes[i].len == config->id_len) /* others name nobody here, and do not compare */
            rules->bad_nodes[rules->bad_node_count++] = config->bad_nodes[i];
    if (rules->bad_node_count > 0)
        qsort(rules->bad_nodes, rules->bad_node_count, sizeof(struct rf_id), compare_ids);
    *out = rules;
    return 0;
}

/* Do these rules say what the configuration says? One with bad nodes is changed often and compared never. */
static bool rules_say(const struct trust_rules *rules, const struct rf_trust_config *config)
{
    if (rules->id_len != config->id_len || rules->self_signed != config->self_signed ||
        rules->root_count != config->root_count || rules->bad_node_count != 0 ||
        config->bad_node_count != 0 ||
        !rf_view_equal(rf_view_of(rules->overlay, rules->overlay_len), config->overlay))
        return false;
    for (size_t i = 0; i < rules->root_count; i++)
        if (!rf_view_equal(rules->roots[i].der, config->roots[i]))
            return false;
    return true;
}

/* rules_get finds the rules that others use already, or makes new ones. */
static int rules_get(struct rf_crypto *crypto, const struct rf_trust_config *config, struct trust_rules **out)
{
    int r;

    for (struct trust_rules *rules = crypto->rules; rules != NULL; rules = rules->next) {
        if (!rules_say(rules, config))
            continue;
        for (size_t i = 0; i < rules->root_count && crypto->ops->x509_again != NULL; i++)
            crypto->ops->x509_again(crypto);
        rules->refs++;
        *out = rules;
        return 0;
    }
    if ((r = rules_new(crypto, config, out)) != 0)
        return r;
    (*out)->next = crypto->rules;
    crypto->rules = *out;
    return 0;
}

int rf_trust_new(struct rf_crypto *crypto, struct rf_mem *mem, const uint64_t seed[2], size_t cache_count,
                 struct rf_trust **out)
{
    static const struct rf_trust_config nothing;
    struct rf_trust *trust = rf_zalloc(mem, sizeof(*trust));
    int r;

    if (trust == NULL)
        return RF_ENOMEM;
    if ((r = rules_get(crypto, &nothing, &trust->rules)) != 0) {
        rf_free(mem, trust);
        return r;
    }
    trust->crypto = crypto;
    trust->mem = mem;
    cert_cache_init(&trust->cache, mem, seed, cache_count);
    *out = trust;
    return 0;
}

void rf_trust_free(struct rf_trust *trust)
{
    if (trust == NULL)
        return;
    cert_cache_deinit(&trust->cache);
    rules_release(trust->crypto, trust->rules);
    rf_free(trust->mem, trust);
}

int rf_trust_configure(struct rf_trust *trust, const struct rf_trust_config *config)
{
    struct trust_rules *rules;
    int r = rules_get(trust->crypto, config, &rules);

    if (r != 0)
        return r;
    cert_cache_clear(&trust->cache);
    rules_release(trust->crypto, trust->rules);
    trust->rules = rules;
    return 0;
}

bool rf_trust_is_bad_node(const struct rf_trust *trust, const struct rf_id *id)
{
    const struct trust_rules *rules = trust->rules;

    return rules->bad_node_count > 0 && id->len == rules->id_len &&
           bsearch(id, rules->bad_nodes, rules->bad_node_count, sizeof(struct rf_id), compare_ids) != NULL;
}

int trust_window_check(const struct trust_window *window, uint64_t wall_ms)
{
    if (wall_ms < window->from_ms)
        return RF_ENOTYET;
    return wall_ms > window->until_ms ? RF_EEXPIRED : 0;
}

/*
 * check_derivation: every Node-ID of a self-signed certificate must be what the key derives: the only one without an index, several
 * ones with indices from 1 in any order.
 */
static int check_derivation(const struct rf_trust *trust, const struct rf_cert *cert)
{
    enum rf_digest_rule rule = (enum rf_digest_rule)trust->rules->self_signed;
    uint32_t first = cert->node_id_count > 1, last = first ? (uint32_t)cert->node_id_count : 0;

    for (uint32_t i = first; i <= last; i++) {
        struct rf_id id;
        int r = rf_node_id_derive(trust->crypto, rule, cert->x509.spki, i, trust->rules->id_len, &id);

        if (r != 0)
            return r;
        if (!rf_cert_has_node_id(cert, &id))
            return RF_EUNTRUSTED;
    }
    return 0;
}

static int check_self_signed(const struct rf_trust *trust, const struct rf_cert *cert)
{
    int r = check_derivation(trust, cert); /* cheaper than the signature */

    if (r != 0)
        return r;
    r = trust->crypto->ops->x509_verify(trust->crypto, &cert->x509, &cert->x509);
    return r == RF_EUNKNOWN ? RF_ESIGNATURE : r;
}

int trust_accept(struct rf_trust *trust, struct rf_cert *cert, const struct rf_view *others,
                 size_t other_count, uint64_t wall_ms)
{
    const struct rf_x509 *x = &cert->x509;
    struct trust_window window = {x->not_before_ms, x->not_after_ms};
    int r = trust_window_check(&window, wall_ms);

    if (r != 0)
        return r;
    for (size_t i = 0; i < cert->node_id_count; i++) {
        if (cert->node_ids[i].len != trust->rules->id_len)
            return RF_EMISMATCH;
        if (rf_trust_is_bad_node(trust, &cert->node_ids[i]))
            return RF_EREVOKED;
    }
    if (trust->rules->self_signed != 0 && rf_view_equal(x->issuer, x->subject))
        r = check_self_signed(trust, cert);
    else
        r = cert_chain_check(trust, cert, others, other_count, wall_ms, &window);
    if (r == 0)
        cert_cache_put(&trust->cache, cert, window.from_ms, window.until_ms);
    return r;
}

/* count_rejected counts what is the certificate's fault. */
static int count_rejected(struct rf_trust *trust, int error)
{
    if (error != 0 && error != RF_ENOMEM)
        trust->counters.cert_rejected++;
    return error;
}

/* cached_check: a certificate found in the cache needs its time looked at only. */
static int cached_check(struct rf_trust *trust, const struct cert_cache_entry *entry, uint64_t wall_ms)
{
    struct trust_window window = {entry->from_ms, entry->until_ms};

    trust->counters.cert_cache_hits++;
    return count_rejected(trust, trust_window_check(&window, wall_ms));
}

int trust_cached(struct rf_trust *trust, const struct cert_cache_entry *entry, uint64_t wall_ms,
                 struct rf_cert **out)
{
    int r = cached_check(trust, entry, wall_ms);

    if (r == 0)
        *out = rf_cert_hold(entry->cert);
    return r;
}

int rf_trust_cert(struct rf_trust *trust, struct rf_view der, const struct rf_view *others,
                  size_t other_count, uint64_t wall_ms, struct rf_cert **out)
{
    struct rf_view overlay = rf_view_of(trust->rules->overlay, trust->rules->overlay_len);
    uint8_t sha256[RF_SHA256_LEN];
    struct cert_cache_entry *entry;
    struct rf_cert *cert;
    int r;

    if (der.len > RF_CERT_MAX_LEN)
        return count_rejected(trust, RF_ELIMIT);
    if ((r = rf_sha256(trust->crypto, der, sha256)) != 0)
        return r;
    if ((entry = cert_cache_find(&trust->cache, sha256)) != NULL)
        return trust_cached(trust, entry, wall_ms, out);
    trust->counters.cert_decoded++;
    if ((r = cert_decode(trust->crypto, der, sha256, overlay, trust->rules->id_len, &cert)) != 0)
        return count_rejected(trust, r);
    if ((r = trust_accept(trust, cert, others, other_count, wall_ms)) != 0) {
        rf_cert_release(cert);
        return count_rejected(trust, r);
    }
    *out = cert;
    return 0;
}

int rf_trust_cert_again(struct rf_trust *trust, struct rf_cert *cert, uint64_t wall_ms)
{
    struct cert_cache_entry *entry = cert_cache_find(&trust->cache, cert->sha256);

    if (entry != NULL)
        return cached_check(trust, entry, wall_ms);
    return count_rejected(trust, trust_accept(trust, cert, cert->chain, cert->chain_count, wall_ms));
}

const struct rf_ident_counters *rf_trust_counters(const struct rf_trust *trust)
{
    return &trust->counters;
}

#define ROW(name, help) {#name, help, offsetof(struct rf_ident_counters, name)},
RF_COUNTERS_DEFINE(ident, RF_IDENT_COUNTERS, ROW)
