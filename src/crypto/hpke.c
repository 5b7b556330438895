/* hpke.c - HPKE: KEM, key schedule, messages, export. */
#include "crypto/hpke.h"

#include "base/assert.h"
#include "crypto/hkdf.h"

#define KDF_ID  1 /* HKDF-SHA256 */
#define AEAD_ID 1 /* AES-128-GCM */

/* suite_id of section 4.1 (KEM) and section 5.1 (everything else). */
struct suite_id {
    uint8_t bytes[10];
    size_t len;
};

static struct suite_id kem_id(enum rf_dh_group kem)
{
    return (struct suite_id){{'K', 'E', 'M', (uint8_t)(kem >> 8), (uint8_t)kem}, 5};
}

static struct suite_id hpke_id(enum rf_dh_group kem)
{
    return (struct suite_id){{'H', 'P', 'K', 'E', (uint8_t)(kem >> 8), (uint8_t)kem, 0, KDF_ID, 0, AEAD_ID},
                             10};
}

static int labeled_extract(struct rf_crypto *c, const struct suite_id *id, struct rf_view salt,
                           const char *label, struct rf_view ikm, uint8_t out[RF_SHA256_LEN])
{
    struct rf_view parts[] = {rf_view_str("HPKE-v1"), rf_view_of(id->bytes, id->len), rf_view_str(label),
                              ikm};

    return rf_hkdf_extract(c, salt, parts, RF_COUNT(parts), out);
}

static int labeled_expand(struct rf_crypto *c, const struct suite_id *id, const uint8_t prk[RF_SHA256_LEN],
                          const char *label, struct rf_view info, struct rf_view info_rest, uint8_t *out,
                          size_t len)
{
    uint8_t number[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    struct rf_view parts[] = {rf_view_of(number, 2),
                              rf_view_str("HPKE-v1"),
                              rf_view_of(id->bytes, id->len),
                              rf_view_str(label),
                              info,
                              info_rest};

    return rf_hkdf_expand(c, prk, parts, RF_COUNT(parts), out, len);
}

#define NOTHING rf_view_of(NULL, 0)

int rf_hpke_derive_pair(struct rf_crypto *c, enum rf_dh_group kem, struct rf_view ikm,
                        struct rf_hpke_pair *out)
{
    struct suite_id id = kem_id(kem);
    uint8_t prk[RF_SHA256_LEN];
    int r = RF_EUNKNOWN;

    out->public_len = rf_dh_public_len(kem);
    if (out->public_len == 0)
        return r;
    if ((r = labeled_extract(c, &id, NOTHING, "dkp_prk", ikm, prk)) != 0)
        goto out;
    if (kem == RF_DH_X25519) {
        r = labeled_expand(c, &id, prk, "sk", NOTHING, NOTHING, out->private, sizeof(out->private));
        if (r == 0)
            r = c->ops->dh_public(c, kem, out->private, out->public);
        goto out;
    }
    for (unsigned counter = 0; counter < 256; counter++) { /* the first always does, but for 2^-32 */
        uint8_t octet = (uint8_t)counter;

        r = labeled_expand(c, &id, prk, "candidate", rf_view_of(&octet, 1), NOTHING, out->private,
                           sizeof(out->private));
        if (r != 0 || (r = c->ops->dh_public(c, kem, out->private, out->public)) != RF_EFORMAT)
            break;
    }
    if (r == RF_EFORMAT)
        r = RF_ECRYPTO;
out:
    rf_wipe(prk, sizeof(prk));
    return r;
}

/* extract_and_expand: the KEM's shared secret out of what Diffie and Hellman gave (section 4.1). */
static int extract_and_expand(struct rf_crypto *c, enum rf_dh_group kem, const uint8_t dh[RF_DH_SHARED_LEN],
                              struct rf_view enc, struct rf_view public, uint8_t out[RF_SHA256_LEN])
{
    struct suite_id id = kem_id(kem);
    uint8_t prk[RF_SHA256_LEN];
    int r = labeled_extract(c, &id, NOTHING, "eae_prk", rf_view_of(dh, RF_DH_SHARED_LEN), prk);

    if (r == 0)
        r = labeled_expand(c, &id, prk, "shared_secret", enc, public, out, RF_SHA256_LEN);
    rf_wipe(prk, sizeof(prk));
    return r;
}

/* schedule: KeySchedule of section 5.1; wipes `shared`. */
static int schedule(struct rf_crypto *c, enum rf_dh_group kem, uint8_t shared[RF_SHA256_LEN],
                    struct rf_view info, const struct rf_hpke_psk *psk, struct rf_hpke *out)
{
    struct suite_id id = hpke_id(kem);
    struct rf_hpke_psk none = {NOTHING, NOTHING};
    uint8_t context[1 + 2 * RF_SHA256_LEN], secret[RF_SHA256_LEN];
    struct rf_view all = rf_view_of(context, sizeof(context));
    int r = RF_EINVAL;

    out->kem = kem;
    out->sequence = 0;
    context[0] = psk != NULL;
    if (psk == NULL)
        psk = &none;
    else if (psk->psk.len == 0 || psk->id.len == 0)
        goto out;
    if ((r = labeled_extract(c, &id, NOTHING, "psk_id_hash", psk->id, context + 1)) != 0 ||
        (r = labeled_extract(c, &id, NOTHING, "info_hash", info, context + 1 + RF_SHA256_LEN)) != 0 ||
        (r = labeled_extract(c, &id, rf_view_of(shared, RF_SHA256_LEN), "secret", psk->psk, secret)) != 0)
        goto out;
    r = labeled_expand(c, &id, secret, "key", all, NOTHING, out->key, sizeof(out->key));
    if (r == 0)
        r = labeled_expand(c, &id, secret, "base_nonce", all, NOTHING, out->base_nonce,
                           sizeof(out->base_nonce));
    if (r == 0)
        r = labeled_expand(c, &id, secret, "exp", all, NOTHING, out->exporter, sizeof(out->exporter));
out:
    rf_wipe(shared, RF_SHA256_LEN);
    rf_wipe(secret, sizeof(secret));
    return r;
}

int rf_hpke_send(struct rf_crypto *c, enum rf_dh_group kem, struct rf_rng *rng, struct rf_view public,
                 struct rf_view info, const struct rf_hpke_psk *psk, struct rf_hpke *out, uint8_t *enc)
{
    uint8_t ikm[RF_DH_PRIVATE_LEN], dh[RF_DH_SHARED_LEN], shared[RF_SHA256_LEN];
    struct rf_hpke_pair pair;
    int r;

    rf_rng_fill(rng, ikm, sizeof(ikm));
    if ((r = rf_hpke_derive_pair(c, kem, rf_view_of(ikm, sizeof(ikm)), &pair)) != 0 ||
        (r = c->ops->dh(c, kem, pair.private, public, dh)) != 0)
        goto out;
    memcpy(enc, pair.public, pair.public_len);
    r = extract_and_expand(c, kem, dh, rf_view_of(enc, pair.public_len), public, shared);
    if (r == 0)
        r = schedule(c, kem, shared, info, psk, out);
out:
    rf_wipe(ikm, sizeof(ikm));
    rf_wipe(dh, sizeof(dh));
    rf_wipe(&pair, sizeof(pair));
    return r;
}

int rf_hpke_receive(struct rf_crypto *c, enum rf_dh_group kem, struct rf_view enc,
                    const uint8_t private[RF_DH_PRIVATE_LEN], struct rf_view public, struct rf_view info,
                    const struct rf_hpke_psk *psk, struct rf_hpke *out)
{
    uint8_t dh[RF_DH_SHARED_LEN], shared[RF_SHA256_LEN];
    int r = c->ops->dh(c, kem, private, enc, dh);

    if (r == 0)
        r = extract_and_expand(c, kem, dh, enc, public, shared);
    if (r == 0)
        r = schedule(c, kem, shared, info, psk, out);
    rf_wipe(dh, sizeof(dh));
    return r;
}

/* nonce_of: base_nonce XOR the number of the message (section 5.2). */
static void nonce_of(const struct rf_hpke *hpke, uint8_t nonce[RF_AEAD_NONCE_LEN])
{
    memcpy(nonce, hpke->base_nonce, RF_AEAD_NONCE_LEN);
    for (int i = 0; i < 8; i++)
        nonce[RF_AEAD_NONCE_LEN - 1 - i] ^= (uint8_t)(hpke->sequence >> (8 * i));
}

int rf_hpke_seal(struct rf_crypto *c, struct rf_hpke *hpke, struct rf_view aad, struct rf_view plain,
                 struct rf_buf *out)
{
    uint8_t nonce[RF_AEAD_NONCE_LEN];
    int r;

    nonce_of(hpke, nonce);
    if ((r = c->ops->aead_seal(c, hpke->key, nonce, aad, plain, out)) == 0)
        hpke->sequence++;
    return r;
}

int rf_hpke_open(struct rf_crypto *c, struct rf_hpke *hpke, struct rf_view aad, struct rf_view sealed,
                 struct rf_buf *out)
{
    uint8_t nonce[RF_AEAD_NONCE_LEN];
    int r;

    nonce_of(hpke, nonce);
    if ((r = c->ops->aead_open(c, hpke->key, nonce, aad, sealed, out)) == 0)
        hpke->sequence++;
    return r;
}

int rf_hpke_export(struct rf_crypto *c, const struct rf_hpke *hpke, struct rf_view context, uint8_t *out,
                   size_t len)
{
    struct suite_id id = hpke_id(hpke->kem);

    return labeled_expand(c, &id, hpke->exporter, "sec", context, NOTHING, out, len);
}
