/* suite.c - hashes, labels, signatures and HPKE of a cipher suite. */
#include "mls/suite.h"

#include "base/assert.h"
#include "crypto/hkdf.h"
#include "mls/bytes.h"

#define LABEL_PREFIX     "MLS 1.0 "
#define LABEL_PREFIX_LEN 8
#define LABEL_MAX_LEN    192 /* with prefix; ours are short, an exporter's is checked where it comes in */

static const struct mls_suite suites[] = {
    {0x0001, RF_DH_X25519, RF_KEY_ED25519, RF_SIG_ED25519, 32},
    {0x0002, RF_DH_P256, RF_KEY_P256, RF_SIG_ECDSA_SHA256, 65},
};

const struct mls_suite *mls_suite_of(uint16_t id)
{
    for (size_t i = 0; i < RF_COUNT(suites); i++)
        if (suites[i].id == id)
            return &suites[i];
    return NULL;
}

int mls_hash(const struct mls_kit *kit, const struct rf_view *parts, size_t part_count,
             uint8_t out[MLS_HASH_LEN])
{
    return kit->crypto->ops->hash(kit->crypto, RF_HASH_SHA256, parts, part_count, out);
}

int mls_mac(const struct mls_kit *kit, const uint8_t key[MLS_HASH_LEN], const struct rf_view *parts,
            size_t part_count, uint8_t out[MLS_HASH_LEN])
{
    return kit->crypto->ops->hmac(kit->crypto, RF_HASH_SHA256, rf_view_of(key, MLS_HASH_LEN), parts,
                                  part_count, out);
}

int mls_extract(const struct mls_kit *kit, const uint8_t salt[MLS_HASH_LEN], struct rf_view ikm,
                uint8_t out[MLS_HASH_LEN])
{
    return rf_hkdf_extract(kit->crypto, rf_view_of(salt, MLS_HASH_LEN), &ikm, 1, out);
}

/* A label with its prefix and its length in front. */
struct label {
    uint8_t bytes[MLS_LEN_MAX + LABEL_MAX_LEN];
    struct rf_view all;
};

static void label_make(struct label *label, const char *text)
{
    size_t len = strlen(text), head = mls_len_bytes(label->bytes, LABEL_PREFIX_LEN + len);

    RF_ASSERT(len <= LABEL_MAX_LEN - LABEL_PREFIX_LEN);
    memcpy(label->bytes + head, LABEL_PREFIX, LABEL_PREFIX_LEN);
    memcpy(label->bytes + head + LABEL_PREFIX_LEN, text, len);
    label->all = rf_view_of(label->bytes, head + LABEL_PREFIX_LEN + len);
}

int mls_expand(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *text,
               struct rf_view context, uint8_t *out, size_t len)
{
    uint8_t number[2] = {(uint8_t)(len >> 8), (uint8_t)len}, head[MLS_LEN_MAX], prk[MLS_HASH_LEN];
    struct label label;
    struct rf_view parts[4] = {rf_view_of(number, 2)};
    int r;

    label_make(&label, text);
    parts[1] = label.all;
    parts[2] = rf_view_of(head, mls_len_bytes(head, context.len));
    parts[3] = context;
    memcpy(prk, secret, sizeof(prk));
    r = rf_hkdf_expand(kit->crypto, prk, parts, 4, out, len);
    rf_wipe(prk, sizeof(prk));
    return r;
}

int mls_derive(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *label,
               uint8_t out[MLS_HASH_LEN])
{
    return mls_expand(kit, secret, label, rf_view_of(NULL, 0), out, MLS_HASH_LEN);
}

int mls_derive_tree(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], const char *label,
                    uint32_t generation, uint8_t *out, size_t len)
{
    uint8_t number[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16), (uint8_t)(generation >> 8),
                         (uint8_t)generation};

    return mls_expand(kit, secret, label, rf_view_of(number, 4), out, len);
}

int mls_ref_hash(const struct mls_kit *kit, const char *label, struct rf_view value,
                 uint8_t out[MLS_HASH_LEN])
{
    uint8_t label_head[MLS_LEN_MAX], value_head[MLS_LEN_MAX];
    struct rf_view text = rf_view_str(label);
    struct rf_view parts[4] = {rf_view_of(label_head, mls_len_bytes(label_head, text.len)), text,
                               rf_view_of(value_head, mls_len_bytes(value_head, value.len)), value};

    return mls_hash(kit, parts, 4, out);
}

/* to_sign makes the parts of a SignContent; gives their number. */
static size_t to_sign(struct label *label, const char *text, uint8_t head[MLS_LEN_MAX],
                      const struct rf_view *parts, size_t part_count, struct rf_view *all)
{
    size_t len = 0;

    RF_ASSERT(part_count <= MLS_PARTS_MAX);
    label_make(label, text);
    all[0] = label->all;
    for (size_t i = 0; i < part_count; i++) {
        len += parts[i].len;
        all[2 + i] = parts[i];
    }
    all[1] = rf_view_of(head, mls_len_bytes(head, len));
    return 2 + part_count;
}

int mls_sign(const struct mls_kit *kit, const struct rf_key *key, const char *label,
             const struct rf_view *parts, size_t part_count, struct rf_buf *out)
{
    struct rf_view all[2 + MLS_PARTS_MAX];
    uint8_t head[MLS_LEN_MAX];
    struct label full;
    size_t count = to_sign(&full, label, head, parts, part_count, all);

    return kit->crypto->ops->sign(kit->crypto, key, all, count, out);
}

int mls_verify_with(const struct mls_kit *kit, const struct rf_pubkey *key, const char *label,
                    const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    struct rf_view all[2 + MLS_PARTS_MAX];
    uint8_t head[MLS_LEN_MAX];
    struct label full;
    size_t count = to_sign(&full, label, head, parts, part_count, all);

    return kit->crypto->ops->verify(kit->crypto, key, kit->suite->sig_alg, all, count, signature);
}

int mls_verify(const struct mls_kit *kit, struct rf_view public, const char *label,
               const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    struct rf_pubkey *key;
    int r;

    if ((r = rf_pubkey_from_raw(kit->crypto, kit->suite->key_type, public, &key)) != 0)
        return r;
    r = mls_verify_with(kit, key, label, parts, part_count, signature);
    kit->crypto->ops->pubkey_free(kit->crypto, key);
    return r;
}

/* info_make appends an EncryptContext: what HPKE is given as info. */
static int info_make(const char *text, struct rf_view context, struct rf_buf *out)
{
    struct label label;

    label_make(&label, text);
    rf_buf_view_put(out, label.all);
    mls_put_v(out, context);
    return rf_buf_error(out);
}

#define INFO_MAX_LEN ((size_t)32 << 20)

int mls_encrypt(const struct mls_kit *kit, struct rf_view public, const char *label, struct rf_view context,
                struct rf_view plain, struct rf_buf *out)
{
    uint8_t enc[RF_DH_PUBLIC_MAX_LEN];
    struct rf_hpke hpke;
    struct rf_buf info;
    size_t mark;
    int r;

    rf_buf_init(&info, kit->mem, INFO_MAX_LEN);
    if ((r = info_make(label, context, &info)) != 0 ||
        (r = rf_hpke_send(kit->crypto, kit->suite->kem, kit->rng, public, rf_buf_view(&info), NULL, &hpke,
                          enc)) != 0)
        goto out;
    mls_put_v(out, rf_view_of(enc, kit->suite->public_len));
    mark = mls_open(out);
    r = rf_hpke_seal(kit->crypto, &hpke, rf_view_of(NULL, 0), plain, out);
    mls_close(out, mark);
    if (r == 0)
        r = rf_buf_error(out);
    rf_wipe(&hpke, sizeof(hpke));
out:
    rf_buf_deinit(&info);
    return r;
}

int mls_decrypt(const struct mls_kit *kit, const struct rf_hpke_pair *pair, const char *label,
                struct rf_view context, struct rf_view kem_output, struct rf_view ciphertext,
                struct rf_buf *out)
{
    struct rf_hpke hpke;
    struct rf_buf info;
    int r;

    rf_buf_init(&info, kit->mem, INFO_MAX_LEN);
    if ((r = info_make(label, context, &info)) == 0 &&
        (r = rf_hpke_receive(kit->crypto, kit->suite->kem, kem_output, pair->private, mls_pair_public(pair),
                             rf_buf_view(&info), NULL, &hpke)) == 0) {
        r = rf_hpke_open(kit->crypto, &hpke, rf_view_of(NULL, 0), ciphertext, out);
        rf_wipe(&hpke, sizeof(hpke));
    }
    rf_buf_deinit(&info);
    return r;
}

int mls_derive_pair(const struct mls_kit *kit, const uint8_t secret[MLS_HASH_LEN], struct rf_hpke_pair *out)
{
    return rf_hpke_derive_pair(kit->crypto, kit->suite->kem, rf_view_of(secret, MLS_HASH_LEN), out);
}

int mls_new_pair(const struct mls_kit *kit, struct rf_hpke_pair *out)
{
    uint8_t ikm[MLS_HASH_LEN];
    int r;

    rf_rng_fill(kit->rng, ikm, sizeof(ikm));
    r = mls_derive_pair(kit, ikm, out);
    rf_wipe(ikm, sizeof(ikm));
    return r;
}

bool mls_public_good(const struct mls_suite *suite, struct rf_view public)
{
    return public.len == suite->public_len && (suite->kem != RF_DH_P256 || public.p[0] == 4);
}

int mls_public_check(const struct mls_kit *kit, struct rf_view public)
{
    static const uint8_t probe[RF_DH_PRIVATE_LEN] = {1}; /* any that is one for both groups */
    uint8_t shared[RF_DH_SHARED_LEN];

    if (!mls_public_good(kit->suite, public))
        return RF_EFORMAT;
    return kit->crypto->ops->dh(kit->crypto, kit->suite->kem, probe, public, shared);
}
