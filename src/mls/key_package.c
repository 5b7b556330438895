/* key_package.c - key packages: made, and examined before they are used; a group of ourselves. */
#include "mls/commit.h"

#include "mls/bytes.h"

/* kit_of: for what is done without a group. */
static int kit_of(const struct rf_mls_env *env, uint16_t suite, struct rf_secret_mem *secret,
                  struct mls_kit *out)
{
    rf_secret_mem_init(secret, env->mem);
    *out = (struct mls_kit){&secret->mem, env->crypto, env->rng, mls_suite_of(suite)};
    return out->suite != NULL ? 0 : RF_EUNKNOWN;
}

static int sign_package(const struct mls_kit *kit, const struct rf_key *key, struct mls_key_package *kp,
                        struct rf_buf *out)
{
    uint8_t signature[RF_SIGNATURE_MAX_LEN];
    struct rf_buf made, sig;
    struct rf_view all;
    int r;

    rf_buf_init(&made, kit->mem, RF_MLS_MESSAGE_MAX_LEN);
    rf_buf_fixed(&sig, signature, sizeof(signature));
    mls_key_package_encode_unsigned(kp, &made);
    all = rf_buf_view(&made);
    if ((r = rf_buf_error(&made)) == 0 && (r = mls_sign(kit, key, "KeyPackageTBS", &all, 1, &sig)) == 0) {
        mls_message_head(out, MLS_KEY_PACKAGE);
        rf_buf_view_put(out, all);
        mls_put_v(out, rf_buf_view(&sig));
        r = rf_buf_error(out);
    }
    rf_buf_deinit(&made);
    return r;
}

/* signed_leaf appends a leaf with source key_package, and gives its private key. */
static int signed_leaf(const struct mls_kit *kit, const struct rf_mls_profile *profile, uint64_t not_before_s,
                       uint64_t not_after_s, bool last_resort, uint8_t private[RF_DH_PRIVATE_LEN],
                       struct rf_buf *out)
{
    struct mls_leaf_draft draft;
    struct rf_hpke_pair pair;
    struct mls_leaf made;
    struct rf_view in;
    int r;

    if ((r = mls_leaf_from_profile(kit, profile, last_resort, &draft)) == 0 &&
        (r = mls_new_pair(kit, &pair)) == 0) {
        draft.leaf.encryption_key = mls_pair_public(&pair);
        draft.leaf.not_before = not_before_s;
        draft.leaf.not_after = not_after_s;
        if ((r = mls_leaf_sign(kit, profile->key, &draft.leaf, NULL, out)) == 0) {
            in = rf_buf_view(out);
            r = mls_leaf_decode(&in, &made);
        }
        if (r == 0)
            r = mls_leaf_check(kit, NULL, &made, MLS_SOURCE_KEY_PACKAGE,
                               NULL); /* what a receiver would say */
        memcpy(private, pair.private, sizeof(pair.private));
        rf_wipe(&pair, sizeof(pair));
    }
    rf_buf_deinit(&draft.bytes);
    return r;
}

int rf_mls_key_package_new(const struct rf_mls_env *env, uint16_t suite, const struct rf_mls_profile *profile,
                           uint64_t not_before_s, uint64_t not_after_s, bool last_resort,
                           struct rf_mls_key_package_secret *secret, struct rf_buf *out)
{
    static const uint8_t last_resort_extension[3] = {MLS_EXT_LAST_RESORT >> 8, MLS_EXT_LAST_RESORT & 0xff, 0};
    struct mls_key_package kp = {.version = MLS_VERSION, .suite = suite};
    struct rf_secret_mem memory;
    struct rf_hpke_pair init;
    struct mls_kit kit;
    struct rf_buf leaf;
    struct rf_view in;
    int r;

    if ((r = kit_of(env, suite, &memory, &kit)) != 0)
        return r;
    rf_buf_init(&leaf, kit.mem, RF_MLS_MESSAGE_MAX_LEN);
    if ((r = signed_leaf(&kit, profile, not_before_s, not_after_s, last_resort, secret->leaf, &leaf)) == 0 &&
        (r = mls_new_pair(&kit, &init)) == 0) {
        in = rf_buf_view(&leaf);
        r = mls_leaf_decode(&in, &kp.leaf);
        kp.init_key = mls_pair_public(&init);
        if (last_resort)
            kp.extensions = rf_view_of(last_resort_extension, sizeof(last_resort_extension));
        if (r == 0)
            r = sign_package(&kit, profile->key, &kp, out);
        memcpy(secret->init, init.private, sizeof(secret->init));
        rf_wipe(&init, sizeof(init));
    }
    rf_buf_deinit(&leaf);
    if (r != 0)
        rf_wipe(secret, sizeof(*secret));
    return r;
}

static int check_lifetime(const struct mls_leaf *leaf, uint64_t now_s, uint64_t max_lifetime_s)
{
    if (leaf->not_after < leaf->not_before)
        return RF_EINVAL;
    if (max_lifetime_s != 0 && leaf->not_after - leaf->not_before > max_lifetime_s)
        return RF_ELIMIT;
    return now_s < leaf->not_before ? RF_ENOTYET : now_s > leaf->not_after ? RF_EEXPIRED : 0;
}

int rf_mls_key_package_check(const struct rf_mls_env *env, struct rf_view bytes, uint64_t now_s,
                             uint64_t max_lifetime_s, struct rf_mls_key_package_info *out)
{
    const struct mls_key_package *kp;
    struct rf_secret_mem memory;
    struct mls_message message;
    struct mls_kit kit;
    struct rf_view data;
    int r;

    if (bytes.len > RF_MLS_MESSAGE_MAX_LEN)
        return RF_ELIMIT;
    if ((r = mls_message_decode(bytes, &message)) != 0)
        return r;
    if (message.wire_format != MLS_KEY_PACKAGE)
        return RF_EINVAL;
    kp = &message.key_package;
    if ((r = kit_of(env, kp->suite, &memory, &kit)) != 0 ||
        (r = mls_key_package_check(&kit, env->rules, kp)) != 0 ||
        (r = check_lifetime(&kp->leaf, now_s, max_lifetime_s)) != 0)
        return r;
    mls_identity(&kit, &kp->leaf, &out->who);
    out->not_before_s = kp->leaf.not_before;
    out->not_after_s = kp->leaf.not_after;
    out->last_resort = mls_extension_find(kp->extensions, MLS_EXT_LAST_RESORT, &data);
    return mls_ref_hash(&kit, "MLS 1.0 KeyPackage Reference", kp->whole, out->ref);
}

/* ---- a group of ourselves ---- */

/* first_epoch: epoch 0, whose secrets come from random bytes alone. */
static int first_epoch(struct rf_mls *group, const struct rf_mls_profile *profile, uint64_t not_before_s,
                       uint64_t not_after_s, struct rf_view extensions, struct mls_epoch *epoch)
{
    uint8_t secret[MLS_HASH_LEN], encryption[MLS_HASH_LEN], tag[MLS_HASH_LEN], private[RF_DH_PRIVATE_LEN];
    const struct mls_kit *kit = &group->kit;
    struct rf_buf leaf;
    int r;

    rf_buf_init(&leaf, kit->mem, RF_MLS_MESSAGE_MAX_LEN);
    if ((r = mls_tree_init(&epoch->tree, kit)) != 0 ||
        (r = signed_leaf(kit, profile, not_before_s, not_after_s, false, private, &leaf)) != 0 ||
        (r = mls_tree_set_leaf(&epoch->tree, 0, rf_buf_view(&leaf))) != 0 ||
        (r = mls_context_extensions_check(kit, group->env->rules, extensions)) != 0 ||
        (r = mls_members_meet(&epoch->tree, extensions)) != 0 ||
        (r = mls_epoch_set_context(kit, epoch, rf_buf_view(&group->id), 0, rf_view_of(NULL, 0),
                                   extensions)) != 0)
        goto out;
    epoch->own = 0;
    mls_keys_set(&epoch->keys, 0, private);
    rf_rng_fill(kit->rng, secret, sizeof(secret));
    if ((r = mls_secrets_derive(kit, secret, &epoch->secrets, encryption)) == 0 &&
        (r = mls_secret_tree_init(&epoch->messages, epoch->mem, 1, encryption)) == 0 &&
        (r = mls_confirmation_tag(kit, &epoch->secrets, rf_view_of(NULL, 0), tag)) == 0)
        r = mls_interim_hash(kit, rf_view_of(NULL, 0), rf_view_of(tag, sizeof(tag)), epoch->interim);
    rf_wipe(secret, sizeof(secret));
    rf_wipe(encryption, sizeof(encryption));
out:
    rf_wipe(private, sizeof(private));
    rf_buf_deinit(&leaf);
    return r;
}

int rf_mls_create(const struct rf_mls_env *env, uint16_t suite, const struct rf_mls_profile *profile,
                  uint64_t not_before_s, uint64_t not_after_s, struct rf_view id, struct rf_view extensions,
                  struct rf_mls **out)
{
    struct rf_view list = extensions, checked;
    struct mls_epoch *epoch;
    struct rf_mls *group;
    struct rf_buf encoded;
    int r;

    if ((r = mls_group_new(env, suite, profile->key, &group)) != 0)
        return r;
    rf_buf_init(&encoded, mls_mem(group), RF_MLS_MESSAGE_MAX_LEN);
    mls_put_v(&encoded, extensions);
    list = rf_buf_view(&encoded);
    rf_buf_view_put(&group->id, id);
    if ((r = rf_buf_error(&encoded)) == 0 && (r = rf_buf_error(&group->id)) == 0)
        r = mls_extensions_decode(&list, &checked);
    rf_buf_deinit(&encoded);
    epoch = r == 0 ? mls_epoch_new(mls_mem(group)) : NULL;
    if (r == 0 && epoch == NULL)
        r = RF_ENOMEM;
    if (r == 0 && (r = first_epoch(group, profile, not_before_s, not_after_s, extensions, epoch)) == 0)
        r = mls_group_enter(group, epoch, NULL);
    if (r != 0) {
        mls_epoch_free(epoch);
        rf_mls_free(group);
        return r == RF_ELIMIT ? RF_EINVAL : r;
    }
    *out = group;
    return 0;
}
