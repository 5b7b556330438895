/* leaf.c - leaf nodes: signatures, what they must list, who they are. */
#include "mls/leaf.h"

#include "base/assert.h"
#include "crypto/x509.h"
#include "mls/bytes.h"

#define LEAF_MAX_LEN ((size_t)256 << 10)

/* place_put appends what a LeafNodeTBS holds behind the leaf. */
static struct rf_view place_put(const struct mls_place *place, struct rf_buf *out)
{
    if (place != NULL) {
        mls_put_v(out, place->group_id);
        rf_buf_u32(out, place->leaf);
    }
    return rf_buf_view(out);
}

#define PLACE_MAX_LEN (RF_MLS_GROUP_ID_MAX_LEN + 8)

int mls_leaf_sign(const struct mls_kit *kit, const struct rf_key *key, const struct mls_leaf *leaf,
                  const struct mls_place *place, struct rf_buf *out)
{
    uint8_t bytes[PLACE_MAX_LEN], signature[RF_SIGNATURE_MAX_LEN];
    struct rf_buf tail, sig;
    struct rf_view parts[2];
    size_t begin = out->len;
    int r;

    rf_buf_fixed(&tail, bytes, sizeof(bytes));
    rf_buf_fixed(&sig, signature, sizeof(signature));
    mls_leaf_encode_unsigned(leaf, out);
    if ((r = rf_buf_error(out)) != 0)
        return r;
    parts[0] = rf_view_of(out->p + begin, out->len - begin);
    parts[1] = place_put(place, &tail);
    if ((r = rf_buf_error(&tail)) != 0 || (r = mls_sign(kit, key, "LeafNodeTBS", parts, 2, &sig)) != 0)
        return r;
    mls_put_v(out, rf_buf_view(&sig));
    return rf_buf_error(out);
}

int mls_leaf_verify(const struct mls_kit *kit, const struct mls_leaf *leaf, const struct mls_place *place)
{
    uint8_t bytes[PLACE_MAX_LEN];
    struct rf_view parts[2] = {leaf->unsigned_part};
    struct rf_buf tail;

    rf_buf_fixed(&tail, bytes, sizeof(bytes));
    parts[1] = place_put(leaf->source != MLS_SOURCE_KEY_PACKAGE ? place : NULL, &tail);
    if (rf_buf_error(&tail) != 0)
        return RF_ELIMIT;
    return mls_verify(kit, leaf->signature_key, "LeafNodeTBS", parts, 2, leaf->signature);
}

void mls_identity(const struct mls_kit *kit, const struct mls_leaf *leaf, struct rf_mls_identity *out)
{
    *out = (struct rf_mls_identity){.suite = kit->suite->id,
                                    .type = (enum rf_mls_credential_type)leaf->credential.type,
                                    .credential = leaf->credential.body,
                                    .signature_key = leaf->signature_key};
}

/* check_certificate: the end entity's key is the leaf's signature key (RFC 9420, section 5.3). */
static int check_certificate(const struct mls_kit *kit, struct rf_view chain, struct rf_view signature_key)
{
    struct rf_x509 cert;
    struct rf_view der, raw;
    enum rf_key_type type;
    int r;

    if (mls_take_v(&chain, &der) != 0)
        return RF_EFORMAT; /* an empty chain */
    if ((r = kit->crypto->ops->x509_decode(kit->crypto, der, &cert)) != 0)
        return r;
    r = rf_spki_type(cert.spki, &type, &raw);
    if (r == 0 && (type != kit->suite->key_type || !rf_view_equal(raw, signature_key)))
        r = RF_EMISMATCH;
    kit->crypto->ops->x509_deinit(kit->crypto, &cert);
    return r;
}

int mls_leaf_identity_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                            const struct mls_leaf *leaf)
{
    struct rf_mls_identity who;
    int r;

    if (leaf->credential.type == MLS_X509 &&
        (r = check_certificate(kit, leaf->credential.body, leaf->signature_key)) != 0)
        return r;
    mls_identity(kit, leaf, &who);
    return rules != NULL && rules->credential != NULL ? rules->credential(rules->ctx, &who) : 0;
}

/* understands_all: the leaf's capabilities list every extension of `list` that is not RFC 9420's. */
static bool understands_all(const struct mls_leaf *leaf, struct rf_view list)
{
    struct mls_extension one;
    struct mls_u16_set known;

    if (list.len == 0)
        return true;
    mls_u16_set_init(&known, leaf->capabilities.extensions);
    while (mls_next_extension(&list, &one))
        if (one.type > MLS_EXT_DEFAULT_MAX && !mls_u16_set_has(&known, one.type))
            return false;
    return true;
}

static int check_extensions_listed(const struct mls_leaf *leaf)
{
    if (!mls_extensions_unique(leaf->extensions))
        return RF_EDUPLICATE;
    return understands_all(leaf, leaf->extensions) ? 0 : RF_EUNSUPPORTED;
}

int mls_leaf_check(const struct mls_kit *kit, const struct rf_mls_rules *rules, const struct mls_leaf *leaf,
                   uint8_t source, const struct mls_place *place)
{
    int r;

    if (source != 0 && leaf->source != source)
        return RF_EINVAL;
    if ((r = mls_public_check(kit, leaf->encryption_key)) != 0)
        return r;
    if (!mls_u16_has(leaf->capabilities.versions, MLS_VERSION) ||
        !mls_u16_has(leaf->capabilities.suites, kit->suite->id) ||
        !mls_u16_has(leaf->capabilities.credentials, leaf->credential.type))
        return RF_EUNSUPPORTED;
    if ((r = check_extensions_listed(leaf)) != 0 || (r = mls_leaf_verify(kit, leaf, place)) != 0)
        return r;
    return mls_leaf_identity_check(kit, rules, leaf);
}

/* lists_all: every value of `wanted` above `default_max` is in `list`. */
static bool lists_all(struct rf_view list, struct rf_view wanted, uint16_t default_max)
{
    struct mls_u16_set known;
    uint16_t one;

    if (wanted.len == 0)
        return true;
    mls_u16_set_init(&known, list);
    while (mls_next_u16(&wanted, &one))
        if (one > default_max && !mls_u16_set_has(&known, one))
            return false;
    return true;
}

int mls_leaf_meets(const struct mls_leaf *leaf, struct rf_view context_extensions)
{
    struct mls_required_capabilities required;
    struct rf_view data;
    int r;

    if (!understands_all(leaf, context_extensions))
        return RF_EUNSUPPORTED;
    if (!mls_extension_find(context_extensions, MLS_EXT_REQUIRED_CAPABILITIES, &data))
        return 0;
    if ((r = mls_required_capabilities_decode(data, &required)) != 0)
        return r;
    return lists_all(leaf->capabilities.extensions, required.extensions, MLS_EXT_DEFAULT_MAX) &&
                   lists_all(leaf->capabilities.proposals, required.proposals,
                             MLS_GROUP_CONTEXT_EXTENSIONS) &&
                   lists_all(leaf->capabilities.credentials, required.credentials, 0)
               ? 0
               : RF_EUNSUPPORTED;
}

int mls_context_extensions_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                                 struct rf_view extensions)
{
    struct mls_required_capabilities required;
    struct mls_external_sender sender;
    struct rf_view data, list;
    int r = 0;

    if (!mls_extensions_unique(extensions))
        return RF_EDUPLICATE;
    if (mls_extension_find(extensions, MLS_EXT_REQUIRED_CAPABILITIES, &data) &&
        (r = mls_required_capabilities_decode(data, &required)) != 0)
        return r;
    if (!mls_extension_find(extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
        return 0;
    if ((r = mls_external_senders_decode(data, &list)) != 0)
        return r;
    while (mls_next_external_sender(&list, &sender)) {
        struct rf_mls_identity who = {kit->suite->id, (enum rf_mls_credential_type)sender.credential.type,
                                      sender.credential.body, sender.signature_key};

        if (rules != NULL && rules->credential != NULL && (r = rules->credential(rules->ctx, &who)) != 0)
            return r;
    }
    return 0;
}

int mls_members_meet(const struct mls_tree *tree, struct rf_view context_extensions)
{
    bool used[MLS_X509 + 1] = {false}; /* the codec knows no other types */
    int r = 0;

    for (uint32_t i = 0; i < tree->leaf_count; i++)
        if (tree->leaves[i] != NULL)
            used[tree->leaves[i]->leaf.credential.type] = true;
    for (uint32_t i = 0; i < tree->leaf_count && r == 0; i++) {
        if (tree->leaves[i] == NULL)
            continue;
        for (uint16_t type = MLS_BASIC; type <= MLS_X509; type++)
            if (used[type] && !mls_u16_has(tree->leaves[i]->leaf.capabilities.credentials, type))
                return RF_EUNSUPPORTED;
        if (context_extensions.len > 0)
            r = mls_leaf_meets(&tree->leaves[i]->leaf, context_extensions);
    }
    return r;
}

int mls_successor(const struct mls_kit *kit, const struct rf_mls_rules *rules, const struct mls_leaf *old,
                  const struct mls_leaf *next)
{
    struct rf_mls_identity before, after;

    if (rules == NULL || rules->successor == NULL ||
        (rf_view_equal(old->credential.whole, next->credential.whole) &&
         rf_view_equal(old->signature_key, next->signature_key)))
        return 0;
    mls_identity(kit, old, &before);
    mls_identity(kit, next, &after);
    return rules->successor(rules->ctx, &before, &after);
}

int mls_key_package_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                          const struct mls_key_package *kp)
{
    int r;

    if (kp->suite != kit->suite->id)
        return RF_EUNSUPPORTED;
    if ((r = mls_public_check(kit, kp->init_key)) != 0)
        return r;
    if (rf_view_equal(kp->init_key, kp->leaf.encryption_key))
        return RF_EINVAL;
    if (!mls_extensions_unique(kp->extensions))
        return RF_EDUPLICATE;
    if ((r = mls_leaf_check(kit, rules, &kp->leaf, MLS_SOURCE_KEY_PACKAGE, NULL)) != 0)
        return r;
    return mls_verify(kit, kp->leaf.signature_key, "KeyPackageTBS", &kp->unsigned_part, 1, kp->signature);
}

/* ---- our own ---- */

static struct rf_view written(const struct rf_buf *buf, size_t from)
{
    return rf_view_of(buf->p + from, buf->len - from);
}

int mls_leaf_from_profile(const struct mls_kit *kit, const struct rf_mls_profile *profile, bool last_resort,
                          struct mls_leaf_draft *out)
{
    size_t key, versions, suites, extensions, credentials, own;
    struct rf_buf *b = &out->bytes;
    int r;

    *out = (struct mls_leaf_draft){.leaf = {.source = MLS_SOURCE_KEY_PACKAGE}};
    rf_buf_init(b, kit->mem, LEAF_MAX_LEN);
    if (kit->crypto->ops->key_type(profile->key) != kit->suite->key_type)
        return RF_EINVAL;
    key = b->len;
    if ((r = rf_key_public(kit->crypto, profile->key, b)) != 0)
        return r;
    versions = b->len;
    rf_buf_u16(b, MLS_VERSION);
    suites = b->len;
    rf_buf_u16(b, kit->suite->id);
    extensions = b->len;
    for (size_t i = 0; i < profile->extension_count; i++)
        if (profile->extensions[i] > MLS_EXT_DEFAULT_MAX)
            rf_buf_u16(b, profile->extensions[i]);
    if (last_resort)
        rf_buf_u16(b, MLS_EXT_LAST_RESORT);
    credentials = b->len;
    rf_buf_u16(b, MLS_BASIC); /* both are understood, whatever the own one is */
    rf_buf_u16(b, MLS_X509);
    own = b->len;
    rf_buf_view_put(b, profile->credential);
    rf_buf_view_put(b, profile->leaf_extensions);
    if ((r = rf_buf_error(b)) != 0)
        return r;
    out->leaf.signature_key = rf_view_of(b->p + key, versions - key);
    out->leaf.capabilities =
        (struct mls_capabilities){.versions = rf_view_of(b->p + versions, suites - versions),
                                  .suites = rf_view_of(b->p + suites, extensions - suites),
                                  .extensions = rf_view_of(b->p + extensions, credentials - extensions),
                                  .credentials = rf_view_of(b->p + credentials, own - credentials)};
    out->leaf.credential.type = (uint16_t)profile->type;
    out->leaf.credential.body = rf_view_of(b->p + own, profile->credential.len);
    out->leaf.extensions = written(b, own + profile->credential.len);
    return 0;
}
