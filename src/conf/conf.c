/* conf.c - the document as an object: references, defaults, sequence numbers, signatures. */
#include "conf/parse.h"

#include "base/assert.h"

#define SEQUENCE_MODULUS 65535 /* 65535 itself is no sequence number (1.6) */

void rf_conf_draft(struct rf_conf *draft)
{
    *draft = (struct rf_conf){.expiration_ms = UINT64_MAX,
                              .id_len = 16,
                              .turn_density = 1,
                              .clients_permitted = true,
                              .chord_reactive = true,
                              .peers_to_probe = 4,
                              .chord_update_interval_s = 600,
                              .chord_ping_interval_s = 3600,
                              .max_message_size = 5000,
                              .initial_ttl = 100,
                              .reliability_timer_ms = 3000};
}

struct rf_conf *rf_conf_hold(struct rf_conf *conf)
{
    conf->refs++;
    return conf;
}

void rf_conf_release(struct rf_conf *conf)
{
    if (conf == NULL)
        return;
    RF_ASSERT(conf->refs > 0);
    if (--conf->refs > 0)
        return;
    rf_region_deinit(&conf->region);
    rf_free(conf->mem, conf);
}

bool rf_conf_sequence_newer(uint16_t a, uint16_t b)
{
    uint32_t ahead = ((uint32_t)a + SEQUENCE_MODULUS - b % SEQUENCE_MODULUS) % SEQUENCE_MODULUS;

    return a != SEQUENCE_MODULUS && ahead > 0 && ahead < 32768;
}

static bool is_signer(const struct rf_id *signers, size_t count, const struct rf_id *id)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(&signers[i], id))
            return true;
    return false;
}

/* verify_blob checks a SecurityBlock over `blob` (D7) and that its signer is one of `signers`. */
static int verify_blob(struct rf_trust *trust, uint64_t wall_ms, struct rf_view block, struct rf_view blob,
                       const struct rf_id *signers, size_t signer_count, struct rf_id *out)
{
    struct rf_security security;
    struct rf_signer signer;
    int r;

    if (rf_security_decode(block, &security) != 0)
        return RF_ESIGNATURE;
    r = rf_verify(trust, security.certs, security.cert_count, &security.signature, &blob, 1, wall_ms,
                  &signer);
    if (r != 0)
        return r;
    if (!is_signer(signers, signer_count, &signer.node_id))
        r = RF_EFORBIDDEN;
    *out = signer.node_id;
    rf_signer_deinit(&signer);
    return r;
}

int conf_kind_signer(const struct rf_conf *conf, const struct rf_kind_def *kind, struct rf_trust *trust,
                     uint64_t wall_ms, struct rf_id *out)
{
    if (conf->kind_signer_count == 0)
        return RF_EFORBIDDEN;
    return verify_blob(trust, wall_ms, kind->signature, kind->block, conf->kind_signers,
                       conf->kind_signer_count, out);
}

/* verify_kinds checks every kind-signature, if the document has kind-signers (D38). */
static int verify_kinds(const struct rf_conf *conf, struct rf_trust *trust, uint64_t wall_ms)
{
    struct rf_id signer;
    int r = 0;

    for (size_t i = 0; i < conf->kind_count && conf->kind_signer_count > 0 && r == 0; i++)
        if (conf->kinds[i].block.len > 0) /* else a registered Kind that no block speaks of */
            r = conf_kind_signer(conf, &conf->kinds[i], trust, wall_ms, &signer);
    return r;
}

int rf_conf_verify(const struct rf_conf *current, const struct rf_conf *next, struct rf_trust *trust,
                   uint64_t wall_ms)
{
    const struct rf_conf *named_by = current != NULL ? current : next;
    struct rf_id signer;
    int r = RF_ESIGNATURE;

    if (current != NULL && !rf_view_equal(current->overlay, next->overlay))
        return RF_EMISMATCH;
    if (current == NULL && next->configuration_signer_count == 0)
        r = 0; /* it names nobody: HTTPS, or whoever handed it over, has to be trusted */
    for (size_t i = 0; i < next->signature_count && r != 0; i++)
        r = verify_blob(trust, wall_ms, next->signatures[i], next->blob, named_by->configuration_signers,
                        named_by->configuration_signer_count, &signer);
    return r != 0 ? r : verify_kinds(next, trust, wall_ms);
}

int rf_conf_trust(const struct rf_conf *conf, struct rf_trust *trust)
{
    struct rf_trust_config config = {.overlay = conf->overlay,
                                     .id_len = conf->id_len,
                                     .roots = conf->roots,
                                     .root_count = conf->root_count,
                                     .self_signed = conf->self_signed,
                                     .bad_nodes = conf->bad_nodes,
                                     .bad_node_count = conf->bad_node_count};

    return rf_trust_configure(trust, &config);
}

int rf_conf_verify_alone(struct rf_crypto *crypto, struct rf_mem *mem, const struct rf_conf *current,
                         const struct rf_conf *next, uint64_t wall_ms)
{
    static const uint64_t seed[2]; /* of a cache that is used once: nothing to protect */
    struct rf_trust *trust;
    int r = rf_trust_new(crypto, mem, seed, 16, &trust);

    if (r != 0)
        return r;
    if ((r = rf_conf_trust(current != NULL ? current : next, trust)) == 0)
        r = rf_conf_verify(current, next, trust, wall_ms);
    rf_trust_free(trust);
    return r;
}
