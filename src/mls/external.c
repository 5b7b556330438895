/* external.c - coming in by oneself: a Commit made from a GroupInfo (RFC 9420, section 12.4.3.2). */
#include "mls/bytes.h"
#include "mls/commit.h"

static int take_info(struct rf_view bytes, struct mls_message *out)
{
    int r;

    if (bytes.len > RF_MLS_INFO_MAX_LEN)
        return RF_ELIMIT;
    if ((r = mls_message_decode(bytes, out)) != 0)
        return r;
    return out->wire_format == MLS_GROUP_INFO ? 0 : RF_EINVAL;
}

/* external_pub: the key in the GroupInfo, a value inside the extension's. */
static int external_pub(const struct mls_group_info *info, struct rf_view *out)
{
    struct rf_view data;

    if (!mls_extension_find(info->extensions, MLS_EXT_EXTERNAL_PUB, &data))
        return RF_ENOTFOUND;
    return mls_take_v(&data, out) == 0 && data.len == 0 ? 0 : RF_EFORMAT;
}

/* make_list: ExternalInit, and the Remove of the leaf that is replaced. */
static int make_list(const struct rf_mls *group, const struct mls_epoch *from, const struct mls_leaf *joiner,
                     struct rf_view kem_output, uint32_t replaces, struct mls_list *list)
{
    struct mls_sender us = {MLS_NEW_MEMBER_COMMIT, 0};
    struct mls_proposal init = {.type = MLS_EXTERNAL_INIT, .kem_output = kem_output};
    struct mls_proposal removal = {.type = MLS_REMOVE, .removed = replaces};
    struct mls_committer who = {true, RF_MLS_NO_LEAF, joiner};
    int r = mls_list_add(list, &init, us, NULL);

    if (r == 0 && replaces != RF_MLS_NO_LEAF)
        r = mls_list_add(list, &removal, us, NULL);
    return r != 0 ? r : mls_list_check(group, from, list, &who);
}

static int make(struct rf_mls *group, struct mls_epoch *from, const struct mls_group_info *info,
                const struct rf_mls_profile *profile, uint32_t replaces, struct rf_view authenticated_data,
                struct rf_buf *commit)
{
    struct mls_making making = {.group = group,
                                .from = from,
                                .who = {true, RF_MLS_NO_LEAF, NULL},
                                .wire_format = MLS_PUBLIC_MESSAGE,
                                .authenticated_data = authenticated_data};
    uint8_t init[MLS_HASH_LEN], kem_output[RF_DH_PUBLIC_MAX_LEN];
    struct mls_leaf_draft draft;
    struct mls_list list;
    struct rf_view key;
    int r;

    mls_list_init(&list, mls_mem(group));
    r = mls_leaf_from_profile(&group->kit, profile, false, &draft);
    if (r == 0 && (r = mls_leaf_meets(&draft.leaf, from->context.extensions)) == 0 &&
        (r = external_pub(info, &key)) == 0 &&
        (r = mls_external_init_send(&group->kit, key, kem_output, init)) == 0 &&
        (r = make_list(group, from, &draft.leaf, rf_view_of(kem_output, group->kit.suite->public_len),
                       replaces, &list)) == 0) {
        making.list = &list;
        making.fields = &draft.leaf;
        making.init = init;
        r = mls_commit_make(&making, commit, &group->pending);
    }
    rf_wipe(init, sizeof(init));
    mls_list_deinit(&list);
    rf_buf_deinit(&draft.bytes);
    return r;
}

int rf_mls_join_external(const struct rf_mls_env *env, struct rf_view group_info, struct rf_view tree,
                         const struct rf_mls_profile *profile, uint32_t replaces,
                         struct rf_view authenticated_data, struct rf_buf *commit, struct rf_mls **out)
{
    struct mls_message message;
    struct mls_epoch *from;
    struct rf_mls *group;
    int r;

    if (authenticated_data.len > RF_MLS_AAD_MAX_LEN || tree.len > RF_MLS_INFO_MAX_LEN)
        return RF_ELIMIT;
    if ((r = take_info(group_info, &message)) != 0 ||
        (r = mls_group_new(env, message.group_info.context.suite, profile->key, &group)) != 0)
        return r;
    from = mls_epoch_new(mls_mem(group));
    r = from != NULL ? mls_info_check(&group->kit, env->rules, &message.group_info, tree, from) : RF_ENOMEM;
    if (r == 0) {
        rf_buf_view_put(&group->id, from->context.group_id);
        r = rf_buf_error(&group->id);
    }
    if (r == 0)
        r = make(group, from, &message.group_info, profile, replaces, authenticated_data, commit);
    mls_epoch_free(from);
    if (r != 0)
        rf_mls_free(group);
    else
        *out = group;
    return r;
}

int rf_mls_info_find_leaf(const struct rf_mls_env *env, struct rf_view group_info, struct rf_view tree,
                          struct rf_view signature_key, uint32_t *leaf)
{
    struct mls_message message;
    struct rf_secret_mem secret;
    struct mls_tree decoded;
    struct mls_kit kit;
    int r = take_info(group_info, &message);

    if (r != 0)
        return r;
    rf_secret_mem_init(&secret, env->mem);
    kit =
        (struct mls_kit){&secret.mem, env->crypto, env->rng, mls_suite_of(message.group_info.context.suite)};
    if (kit.suite == NULL)
        return RF_EUNKNOWN;
    if (tree.len == 0 && !mls_extension_find(message.group_info.extensions, MLS_EXT_RATCHET_TREE, &tree))
        return RF_ENOTFOUND;
    if ((r = mls_tree_decode(&kit, tree, &decoded)) != 0)
        return r;
    r = mls_tree_find_signer(&decoded, signature_key, leaf) ? 0 : RF_ENOTFOUND;
    mls_tree_deinit(&decoded);
    return r;
}
