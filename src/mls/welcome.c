/* welcome.c - GroupInfo and Welcome: made, and entered by. */
#include "mls/commit.h"

#include "mls/bytes.h"

/* ---- made ---- */

/* put_extensions: the tree, and the key for those who want to come in by themselves. Both are values with a length inside the extension's. */
static int put_extensions(const struct mls_kit *kit, const struct mls_epoch *epoch, bool with_tree,
                          bool with_external_pub, struct rf_buf *out)
{
    struct rf_hpke_pair pair;
    size_t mark;
    int r = 0;

    if (with_tree) {
        rf_buf_u16(out, MLS_EXT_RATCHET_TREE);
        mark = mls_open(out);
        mls_tree_encode(&epoch->tree, out);
        mls_close(out, mark);
    }
    if (with_external_pub && (r = mls_external_pair(kit, &epoch->secrets, &pair)) == 0) {
        rf_buf_u16(out, MLS_EXT_EXTERNAL_PUB);
        mark = mls_open(out);
        mls_put_v(out, mls_pair_public(&pair));
        mls_close(out, mark);
        rf_wipe(&pair, sizeof(pair));
    }
    return r != 0 ? r : rf_buf_error(out);
}

int mls_group_info_put(const struct mls_kit *kit, struct mls_epoch *epoch, const struct rf_key *key,
                       bool with_tree, bool with_external_pub, struct rf_buf *out)
{
    uint8_t tag[MLS_HASH_LEN], signature[RF_SIGNATURE_MAX_LEN];
    struct mls_group_info info = {.context = epoch->context, .signer = epoch->own};
    struct rf_buf extensions, sig;
    size_t begin = out->len;
    struct rf_view made;
    int r;

    rf_buf_init(&extensions, kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_fixed(&sig, signature, sizeof(signature));
    if ((r = put_extensions(kit, epoch, with_tree, with_external_pub, &extensions)) != 0 ||
        (r = mls_confirmation_tag(kit, &epoch->secrets, epoch->context.confirmed_transcript_hash, tag)) != 0)
        goto out;
    info.extensions = rf_buf_view(&extensions);
    info.confirmation_tag = rf_view_of(tag, sizeof(tag));
    mls_group_info_encode_unsigned(&info, out);
    if ((r = rf_buf_error(out)) != 0)
        goto out;
    made = rf_view_of(out->p + begin, out->len - begin);
    if ((r = mls_sign(kit, key, "GroupInfoTBS", &made, 1, &sig)) == 0) {
        mls_put_v(out, rf_buf_view(&sig));
        r = rf_buf_error(out);
    }
out:
    rf_buf_deinit(&extensions);
    return r;
}

/* encrypt_info appends the GroupInfo under the welcome secret. */
static int encrypt_info(const struct mls_welcoming *w, struct rf_buf *out)
{
    uint8_t welcome[MLS_HASH_LEN], key[MLS_KEY_LEN], nonce[MLS_NONCE_LEN];
    struct rf_buf info;
    int r;

    rf_buf_init(&info, w->kit->mem, RF_MLS_INFO_MAX_LEN);
    if ((r = mls_group_info_put(w->kit, w->next, w->key, w->with_tree, true, &info)) == 0 &&
        (r = mls_welcome_secret(w->kit, w->joiner, w->psk_secret, welcome)) == 0 &&
        (r = mls_welcome_key(w->kit, welcome, key, nonce)) == 0)
        r = w->kit->crypto->ops->aead_seal(w->kit->crypto, key, nonce, rf_view_of(NULL, 0),
                                           rf_buf_view(&info), out);
    rf_wipe(welcome, sizeof(welcome));
    rf_wipe(key, sizeof(key));
    rf_buf_deinit(&info);
    return r;
}

/* path_secret_for: that of the node where the ways of committer and new member meet. */
static struct rf_view path_secret_for(const struct mls_welcoming *w, uint32_t leaf)
{
    uint32_t meet = mls_ancestor(leaf, mls_common_level(w->next->own, leaf));

    for (unsigned i = 0; w->draft != NULL && i < w->draft->path.count; i++)
        if (w->draft->path.node[i] == meet)
            return rf_view_of(w->draft->secret[i], MLS_HASH_LEN);
    return rf_view_of(NULL, 0);
}

/* put_entry: one new member's EncryptedGroupSecrets. */
static int put_entry(const struct mls_welcoming *w, const struct mls_key_package *kp, uint32_t leaf,
                     struct rf_view psks, struct rf_view sealed_info, struct rf_buf *out)
{
    struct mls_group_secrets secrets = {.joiner_secret = rf_view_of(w->joiner, MLS_HASH_LEN),
                                        .path_secret = path_secret_for(w, leaf),
                                        .psks = psks};
    uint8_t ref[MLS_HASH_LEN];
    struct rf_buf plain;
    int r;

    secrets.has_path_secret = secrets.path_secret.len > 0;
    rf_buf_init(&plain, w->kit->mem, RF_MLS_MESSAGE_MAX_LEN);
    mls_group_secrets_encode(&secrets, &plain);
    if ((r = rf_buf_error(&plain)) == 0 &&
        (r = mls_ref_hash(w->kit, "MLS 1.0 KeyPackage Reference", kp->whole, ref)) == 0) {
        mls_put_v(out, rf_view_of(ref, sizeof(ref)));
        r = mls_encrypt(w->kit, kp->init_key, "Welcome", sealed_info, rf_buf_view(&plain), out);
    }
    rf_buf_deinit(&plain);
    return r;
}

int mls_welcome_put(const struct mls_welcoming *w, struct rf_buf *out)
{
    struct rf_buf sealed, psks;
    size_t mark, at = 0;
    int r;

    rf_buf_init(&sealed, w->kit->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&psks, w->kit->mem, RF_MLS_MESSAGE_MAX_LEN);
    r = encrypt_info(w, &sealed);
    for (size_t i = 0; i < w->list->count; i++)
        if (w->list->at[i].proposal.type == MLS_PSK)
            rf_buf_view_put(&psks, w->list->at[i].proposal.psk.whole);
    mls_message_head(out, MLS_WELCOME);
    rf_buf_u16(out, w->kit->suite->id);
    mark = mls_open(out);
    for (size_t i = 0; i < w->list->count && r == 0; i++)
        if (w->list->at[i].proposal.type == MLS_ADD)
            r = put_entry(w, &w->list->at[i].proposal.add, w->applied->added.at[at++] / 2, rf_buf_view(&psks),
                          rf_buf_view(&sealed), out);
    mls_close(out, mark);
    mls_put_v(out, rf_buf_view(&sealed));
    if (r == 0 && (r = rf_buf_error(&psks)) == 0)
        r = rf_buf_error(out);
    rf_buf_deinit(&sealed);
    rf_buf_deinit(&psks);
    return r;
}

int rf_mls_group_info(struct rf_mls *group, bool with_tree, struct rf_buf *out)
{
    int r = mls_group_works(group);

    if (r != 0)
        return r;
    mls_message_head(out, MLS_GROUP_INFO);
    return mls_group_info_put(&group->kit, group->now, group->key, with_tree, true, out);
}

/* ---- examined ---- */

/* check_members: every leaf by itself, and all together. */
static int check_members(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                         const struct mls_epoch *epoch)
{
    int r = mls_members_meet(&epoch->tree, epoch->context.extensions);

    for (uint32_t i = 0; i < epoch->tree.leaf_count && r == 0; i++) {
        struct mls_place place = {epoch->context.group_id, i};

        if (epoch->tree.leaves[i] != NULL)
            r = mls_leaf_check(kit, rules, &epoch->tree.leaves[i]->leaf, 0, &place);
    }
    return r;
}

int mls_info_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                   const struct mls_group_info *info, struct rf_view tree, struct mls_epoch *epoch)
{
    uint8_t hash[MLS_HASH_LEN];
    const struct mls_leaf *signer;
    int r;

    if (info->context.suite != kit->suite->id || info->context.group_id.len > RF_MLS_GROUP_ID_MAX_LEN)
        return RF_EUNSUPPORTED;
    if (!mls_extensions_unique(info->extensions))
        return RF_EDUPLICATE;
    if (tree.len == 0 && !mls_extension_find(info->extensions, MLS_EXT_RATCHET_TREE, &tree))
        return RF_ENOTFOUND;
    if ((r = mls_tree_decode(kit, tree, &epoch->tree)) != 0 ||
        (r = mls_epoch_copy_context(epoch, info->context.whole)) != 0)
        return r;
    if ((signer = mls_tree_leaf(&epoch->tree, info->signer)) == NULL)
        return RF_ENOTFOUND;
    if ((r = mls_verify(kit, signer->signature_key, "GroupInfoTBS", &info->unsigned_part, 1,
                        info->signature)) != 0 ||
        (r = mls_tree_root_hash(kit, &epoch->tree, hash)) != 0)
        return r;
    if (!rf_view_equal(rf_view_of(hash, sizeof(hash)), info->context.tree_hash))
        return RF_EMISMATCH;
    if ((r = mls_tree_check(kit, &epoch->tree)) != 0 ||
        (r = mls_context_extensions_check(kit, rules, epoch->context.extensions)) != 0 ||
        (r = check_members(kit, rules, epoch)) != 0)
        return r;
    return mls_interim_hash(kit, epoch->context.confirmed_transcript_hash, info->confirmation_tag,
                            epoch->interim);
}

/* ---- entered by ---- */

/* What the steps of joining share. */
struct joining {
    const struct rf_mls_env *env;
    const struct mls_kit *kit;
    const struct mls_welcome *welcome;
    const struct mls_key_package *kp;
    const struct rf_mls_key_package_secret *secret;
    struct rf_buf plain, info_bytes; /* GroupSecrets, GroupInfo */
    struct mls_group_secrets secrets;
    struct mls_group_info info;
    uint8_t joiner[MLS_HASH_LEN], psk_secret[MLS_HASH_LEN];
};

static int open_secrets(struct joining *j)
{
    struct rf_view list = j->welcome->secrets, in;
    struct mls_welcome_entry entry;
    uint8_t ref[MLS_HASH_LEN];
    struct rf_hpke_pair pair;
    int r = mls_ref_hash(j->kit, "MLS 1.0 KeyPackage Reference", j->kp->whole, ref);

    if (r != 0)
        return r;
    do
        if (!mls_next_welcome_entry(&list, &entry))
            return RF_ENOTFOUND;
    while (!rf_view_equal(entry.new_member, rf_view_of(ref, sizeof(ref))));
    if (j->kp->init_key.len != j->kit->suite->public_len)
        return RF_EFORMAT;
    memcpy(pair.private, j->secret->init, sizeof(pair.private));
    memcpy(pair.public, j->kp->init_key.p, j->kp->init_key.len);
    pair.public_len = j->kp->init_key.len;
    r = mls_decrypt(j->kit, &pair, "Welcome", j->welcome->encrypted_group_info, entry.secrets.kem_output,
                    entry.secrets.ciphertext, &j->plain);
    rf_wipe(&pair, sizeof(pair));
    in = rf_buf_view(&j->plain);
    if (r != 0 || (r = mls_group_secrets_decode(&in, &j->secrets)) != 0)
        return r;
    if (in.len != 0 || j->secrets.joiner_secret.len != MLS_HASH_LEN)
        return RF_EFORMAT;
    memcpy(j->joiner, j->secrets.joiner_secret.p, sizeof(j->joiner));
    return 0;
}

static int psk_secret(struct joining *j)
{
    struct rf_view list = j->secrets.psks;
    uint16_t count = 0, index = 0;
    struct mls_psk_id id;
    struct rf_buf psk;
    int r = 0;

    while (mls_next_psk_id(&list, &id))
        count++;
    list = j->secrets.psks;
    rf_buf_init(&psk, j->kit->mem, 1 << 16);
    while (r == 0 && mls_next_psk_id(&list, &id)) {
        rf_buf_reset(&psk);
        if (id.type == MLS_PSK_RESUMPTION)
            r = RF_EUNSUPPORTED; /* of a group that we are not in */
        else if ((r = mls_psk_find(j->env, NULL, &id, &psk)) == 0)
            r = mls_psk_next(j->kit, &id, rf_buf_view(&psk), index++, count, j->psk_secret);
    }
    rf_buf_deinit(&psk);
    return r;
}

static int open_info(struct joining *j)
{
    uint8_t welcome[MLS_HASH_LEN], key[MLS_KEY_LEN], nonce[MLS_NONCE_LEN];
    struct rf_view in;
    int r;

    if ((r = mls_welcome_secret(j->kit, j->joiner, j->psk_secret, welcome)) == 0 &&
        (r = mls_welcome_key(j->kit, welcome, key, nonce)) == 0)
        r = j->kit->crypto->ops->aead_open(j->kit->crypto, key, nonce, rf_view_of(NULL, 0),
                                           j->welcome->encrypted_group_info, &j->info_bytes);
    rf_wipe(welcome, sizeof(welcome));
    rf_wipe(key, sizeof(key));
    in = rf_buf_view(&j->info_bytes);
    if (r != 0 || (r = mls_group_info_decode(&in, &j->info)) != 0)
        return r;
    return in.len == 0 ? 0 : RF_EFORMAT;
}

/* own_leaf finds the key package's leaf in the tree, and its keys. */
static int own_leaf(struct joining *j, struct mls_epoch *epoch)
{
    for (uint32_t i = 0; i < epoch->tree.leaf_count && epoch->own == RF_MLS_NO_LEAF; i++)
        if (epoch->tree.leaves[i] != NULL &&
            rf_view_equal(epoch->tree.leaves[i]->leaf.whole, j->kp->leaf.whole))
            epoch->own = i;
    if (epoch->own == RF_MLS_NO_LEAF)
        return RF_ENOTFOUND;
    mls_keys_set(&epoch->keys, 0, j->secret->leaf);
    if (!j->secrets.has_path_secret)
        return 0;
    return mls_path_join(j->kit, &epoch->tree, epoch->own, j->info.signer, j->secrets.path_secret,
                         &epoch->keys);
}

static int confirm(struct joining *j, struct mls_epoch *epoch)
{
    uint8_t tag[MLS_HASH_LEN];
    int r;

    if ((r = mls_epoch_start(j->kit, epoch, j->joiner, j->psk_secret)) != 0 ||
        (r = mls_confirmation_tag(j->kit, &epoch->secrets, epoch->context.confirmed_transcript_hash, tag)) !=
            0)
        return r;
    return rf_view_equal_secret(rf_view_of(tag, sizeof(tag)), j->info.confirmation_tag) ? 0 : RF_EAUTH;
}

static int enter(struct joining *j, struct rf_view tree, struct rf_mls *group)
{
    struct mls_epoch *epoch = mls_epoch_new(mls_mem(group));
    int r;

    if (epoch == NULL)
        return RF_ENOMEM;
    if ((r = open_secrets(j)) == 0 && (r = psk_secret(j)) == 0 && (r = open_info(j)) == 0 &&
        (r = mls_info_check(j->kit, j->env->rules, &j->info, tree, epoch)) == 0 &&
        (r = own_leaf(j, epoch)) == 0 && (r = confirm(j, epoch)) == 0) {
        rf_buf_view_put(&group->id, epoch->context.group_id);
        if ((r = rf_buf_error(&group->id)) == 0)
            r = mls_group_enter(group, epoch, NULL);
    }
    if (r != 0)
        mls_epoch_free(epoch);
    return r;
}

int rf_mls_join(const struct rf_mls_env *env, struct rf_view welcome, struct rf_view key_package,
                const struct rf_mls_key_package_secret *secret, const struct rf_key *key, struct rf_view tree,
                struct rf_mls **out)
{
    struct mls_message message, package;
    struct joining j = {
        .env = env, .welcome = &message.welcome, .kp = &package.key_package, .secret = secret};
    struct rf_mls *group = NULL;
    int r;

    if (welcome.len > RF_MLS_INFO_MAX_LEN || tree.len > RF_MLS_INFO_MAX_LEN)
        return RF_ELIMIT;
    if ((r = mls_message_decode(welcome, &message)) != 0 ||
        (r = mls_message_decode(key_package, &package)) != 0)
        return r;
    if (message.wire_format != MLS_WELCOME || package.wire_format != MLS_KEY_PACKAGE)
        return RF_EINVAL;
    if (message.welcome.suite != package.key_package.suite)
        return RF_EMISMATCH;
    if ((r = mls_group_new(env, message.welcome.suite, key, &group)) != 0)
        return r;
    j.kit = &group->kit;
    rf_buf_init(&j.plain, mls_mem(group), RF_MLS_MESSAGE_MAX_LEN);
    rf_buf_init(&j.info_bytes, mls_mem(group), RF_MLS_INFO_MAX_LEN);
    r = enter(&j, tree, group);
    rf_buf_deinit(&j.plain);
    rf_buf_deinit(&j.info_bytes);
    rf_wipe(j.joiner, sizeof(j.joiner));
    rf_wipe(j.psk_secret, sizeof(j.psk_secret));
    if (r != 0)
        rf_mls_free(group);
    else
        *out = group;
    return r;
}

bool rf_mls_welcome_names(struct rf_view welcome, const uint8_t ref[RF_MLS_SECRET_LEN])
{
    struct mls_message message;
    struct mls_welcome_entry entry;

    if (mls_message_decode(welcome, &message) != 0 || message.wire_format != MLS_WELCOME)
        return false;
    while (mls_next_welcome_entry(&message.welcome.secrets, &entry))
        if (rf_view_equal(entry.new_member, rf_view_of(ref, RF_MLS_SECRET_LEN)))
            return true;
    return false;
}
