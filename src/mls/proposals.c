/* proposals.c - a Commit's list of proposals. */
#include "mls/proposals.h"

#include "base/assert.h"
#include "mls/bytes.h"

void mls_list_init(struct mls_list *list, struct rf_mem *mem)
{
    *list = (struct mls_list){.mem = mem};
}

void mls_list_deinit(struct mls_list *list)
{
    rf_free(list->mem, list->at);
    mls_list_init(list, list->mem);
}

int mls_list_add(struct mls_list *list, const struct mls_proposal *proposal, struct mls_sender sender,
                 const struct mls_cached *cached)
{
    if (list->count == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : 4;
        struct mls_listed *at;

        if (list->count >= RF_MLS_PROPOSALS_MAX)
            return RF_ELIMIT;
        if ((at = rf_resize(list->mem, list->at, cap * sizeof(*at))) == NULL)
            return RF_ENOMEM;
        list->at = at;
        list->cap = cap;
    }
    list->at[list->count++] = (struct mls_listed){*proposal, sender, cached};
    return 0;
}

int mls_list_read(struct rf_mls *group, const struct mls_commit *commit, struct mls_sender sender,
                  struct mls_list *out)
{
    struct rf_view entries = commit->proposals;
    struct mls_commit_entry entry;
    int r = 0;

    while (r == 0 && mls_next_commit_entry(&entries, &entry)) {
        const struct mls_cached *cached = NULL;

        if (!entry.by_reference) {
            r = mls_list_add(out, &entry.proposal, sender, NULL);
            continue;
        }
        if (sender.type != MLS_MEMBER)
            return RF_EINVAL;
        if ((cached = mls_cache_find(group, entry.reference)) == NULL || !cached->seen)
            return RF_ENOTFOUND; /* one of ours that never stood in the log is unknown to others */
        r = mls_list_add(out, &cached->proposal, cached->sender, cached);
    }
    return r;
}

/* ---- examined ---- */

/* What the checks of a list share. */
struct check {
    const struct rf_mls *group;
    const struct mls_epoch *epoch;
    const struct mls_list *list;
    const struct mls_committer *committer;
    struct rf_view extensions; /* those of the new epoch: they count for all (section 12.3) */
};

static const struct rf_mls_rules *rules_of(const struct check *c)
{
    return c->group->env->rules;
}

static bool removes(const struct check *c, uint32_t leaf)
{
    for (size_t i = 0; i < c->list->count; i++)
        if (c->list->at[i].proposal.type == MLS_REMOVE && c->list->at[i].proposal.removed == leaf)
            return true;
    return false;
}

static int check_add(const struct check *c, const struct mls_listed *one)
{
    uint32_t leaf;
    int r = mls_key_package_check(&c->group->kit, rules_of(c), &one->proposal.add);

    if (r != 0)
        return r;
    if ((r = mls_leaf_meets(&one->proposal.add.leaf, c->extensions)) != 0)
        return r;
    if (mls_tree_find_signer(&c->epoch->tree, one->proposal.add.leaf.signature_key, &leaf) &&
        !removes(c, leaf))
        return RF_EDUPLICATE;
    return 0;
}

static int check_update(const struct check *c, const struct mls_listed *one)
{
    struct mls_place place = {c->epoch->context.group_id, one->sender.index};
    const struct mls_leaf *old = mls_tree_leaf(&c->epoch->tree, one->sender.index);
    int r;

    if (one->sender.type != MLS_MEMBER ||
        (!c->committer->external && one->sender.index == c->committer->leaf))
        return RF_EINVAL;
    if (old == NULL)
        return RF_ENOTFOUND;
    if (rf_view_equal(old->encryption_key, one->proposal.update.encryption_key))
        return RF_EDUPLICATE;
    if ((r = mls_leaf_check(&c->group->kit, rules_of(c), &one->proposal.update, MLS_SOURCE_UPDATE, &place)) !=
            0 ||
        (r = mls_leaf_meets(&one->proposal.update, c->extensions)) != 0)
        return r;
    return mls_successor(&c->group->kit, rules_of(c), old, &one->proposal.update);
}

static int check_psk(const struct check *c, size_t at)
{
    const struct mls_psk_id *id = &c->list->at[at].proposal.psk;

    if (id->nonce.len != MLS_HASH_LEN)
        return RF_EINVAL;
    if (id->type == MLS_PSK_RESUMPTION && id->usage != MLS_USAGE_APPLICATION)
        return RF_EUNSUPPORTED; /* only in the first Commit of a group that follows another one */
    for (size_t i = 0; i < at; i++)
        if (c->list->at[i].proposal.type == MLS_PSK &&
            rf_view_equal(c->list->at[i].proposal.psk.whole, id->whole))
            return RF_EDUPLICATE;
    return 0;
}

/* updates: the list replaces this leaf; the new one is examined with the Update. */
static bool updates(const struct check *c, uint32_t leaf)
{
    for (size_t i = 0; i < c->list->count; i++)
        if (c->list->at[i].proposal.type == MLS_UPDATE && c->list->at[i].sender.index == leaf)
            return true;
    return false;
}

/* check_extensions: a new list for the GroupContext, and that all who stay support it. */
static int check_extensions(const struct check *c, struct rf_view extensions)
{
    const struct mls_tree *tree = &c->epoch->tree;
    int r = mls_context_extensions_check(&c->group->kit, rules_of(c), extensions);

    for (uint32_t i = 0; i < tree->leaf_count && r == 0; i++)
        if (tree->leaves[i] != NULL && (r = mls_leaf_meets(&tree->leaves[i]->leaf, extensions)) != 0 &&
            (removes(c, i) || updates(c, i)))
            r = 0;
    return r;
}

/* check_one: a proposal by itself (section 12.1). */
static int check_one(const struct check *c, size_t at)
{
    const struct mls_listed *one = &c->list->at[at];

    switch (one->proposal.type) {
    case MLS_ADD:
        return check_add(c, one);
    case MLS_UPDATE:
        return check_update(c, one);
    case MLS_REMOVE:
        if (mls_tree_leaf(&c->epoch->tree, one->proposal.removed) == NULL)
            return RF_ENOTFOUND;
        return !c->committer->external && one->proposal.removed == c->committer->leaf ? RF_EINVAL : 0;
    case MLS_PSK:
        return check_psk(c, at);
    case MLS_REINIT:
        return one->proposal.reinit.version < MLS_VERSION || c->list->count > 1 ? RF_EINVAL : 0;
    case MLS_EXTERNAL_INIT:
        return c->committer->external ? 0 : RF_EINVAL;
    default:
        return check_extensions(c, one->proposal.extensions);
    }
}

/* target: the leaf that an Update or Remove changes. */
static uint32_t target(const struct mls_listed *one)
{
    return one->proposal.type == MLS_UPDATE   ? one->sender.index
           : one->proposal.type == MLS_REMOVE ? one->proposal.removed
                                              : RF_MLS_NO_LEAF;
}

/* check_doubles: two that do the same (section 12.2). Leaves are few against members, so all pairs are looked at. */
static int check_doubles(const struct check *c)
{
    unsigned extensions = 0;

    for (size_t i = 0; i < c->list->count; i++) {
        const struct mls_listed *one = &c->list->at[i];
        uint32_t leaf = target(one);

        if (one->proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS && ++extensions > 1)
            return RF_EDUPLICATE;
        for (size_t k = 0; k < i; k++) {
            const struct mls_listed *other = &c->list->at[k];

            if (leaf != RF_MLS_NO_LEAF && leaf == target(other))
                return RF_EDUPLICATE;
            if (one->proposal.type == MLS_ADD && other->proposal.type == MLS_ADD &&
                rf_view_equal(one->proposal.add.leaf.signature_key, other->proposal.add.leaf.signature_key))
                return RF_EDUPLICATE;
        }
    }
    return 0;
}

/* check_external: the list of one who adds itself (section 12.2, last part). */
static int check_external(const struct mls_list *list)
{
    unsigned inits = 0, removed = 0;

    for (size_t i = 0; i < list->count; i++) {
        switch (list->at[i].proposal.type) {
        case MLS_EXTERNAL_INIT:
            inits++;
            break;
        case MLS_REMOVE:
            removed++;
            break;
        case MLS_PSK:
            break;
        default:
            return RF_EINVAL;
        }
    }
    return inits == 1 && removed <= 1 ? 0 : RF_EINVAL;
}

static int ask_rules(const struct check *c, const struct mls_listed *one)
{
    const struct rf_mls_rules *rules = rules_of(c);
    struct rf_mls_change_seen seen = {.type = (enum rf_mls_change_type)one->proposal.type,
                                      .sender_type = (enum rf_mls_sender_type)one->sender.type,
                                      .sender = one->sender.index,
                                      .leaf = target(one)};

    if (rules == NULL || rules->change == NULL)
        return 0;
    if (one->proposal.type == MLS_ADD)
        mls_identity(&c->group->kit, &one->proposal.add.leaf, &seen.who);
    else if (one->proposal.type == MLS_UPDATE)
        mls_identity(&c->group->kit, &one->proposal.update, &seen.who);
    else if (one->proposal.type == MLS_EXTERNAL_INIT && c->committer->joiner != NULL)
        mls_identity(&c->group->kit, c->committer->joiner, &seen.who);
    else if (one->proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS)
        seen.extensions = one->proposal.extensions;
    return rules->change(rules->ctx, c->group, &seen);
}

int mls_list_check(const struct rf_mls *group, const struct mls_epoch *epoch, const struct mls_list *list,
                   const struct mls_committer *committer)
{
    struct check c = {group, epoch, list, committer, epoch->context.extensions};
    int r;

    if (committer->external && (r = check_external(list)) != 0)
        return r;
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS)
            c.extensions = list->at[i].proposal.extensions;
    if ((r = check_doubles(&c)) != 0)
        return r;
    for (size_t i = 0; i < list->count; i++)
        if ((r = check_one(&c, i)) != 0 || (r = ask_rules(&c, &list->at[i])) != 0)
            return r;
    return 0;
}

/* ---- applied ---- */

void mls_applied_deinit(struct mls_applied *applied)
{
    if (applied->added.mem != NULL)
        mls_nodes_deinit(&applied->added);
    if (applied->removed.mem != NULL)
        mls_nodes_deinit(&applied->removed);
}

int mls_applied_take(struct mls_applied *applied, uint32_t joined, struct mls_nodes *added,
                     struct mls_nodes *removed)
{
    if (joined != RF_MLS_NO_LEAF && mls_nodes_add(&applied->added, 2 * joined) != 0)
        return RF_ENOMEM;
    *added = applied->added;
    *removed = applied->removed;
    applied->added.mem = applied->removed.mem = NULL; /* not ours any more */
    for (size_t i = 0; i < added->count; i++)
        added->at[i] /= 2;
    return 0;
}

/* apply_changes: updates, then removes; and what else of the list is only noted. */
static int apply_changes(const struct mls_epoch *epoch, struct mls_epoch *next, const struct mls_list *list,
                         struct mls_applied *out)
{
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++) {
        const struct mls_listed *one = &list->at[i];

        out->path_required |= one->proposal.type == MLS_UPDATE || one->proposal.type == MLS_REMOVE ||
                              one->proposal.type == MLS_EXTERNAL_INIT ||
                              one->proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS;
        if (one->proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS)
            out->extensions = one->proposal.extensions;
        else if (one->proposal.type == MLS_EXTERNAL_INIT)
            out->kem_output = one->proposal.kem_output;
        else if (one->proposal.type == MLS_REINIT)
            out->closes = true;
        else if (one->proposal.type == MLS_PSK)
            out->psk_count++;
        if (one->proposal.type != MLS_UPDATE)
            continue;
        r = mls_tree_update(&next->tree, one->sender.index, one->proposal.update.whole);
        if (one->sender.index == epoch->own)
            out->own_update = one->cached;
    }
    for (size_t i = 0; i < list->count && r == 0; i++) {
        if (list->at[i].proposal.type != MLS_REMOVE)
            continue;
        mls_tree_remove(&next->tree, list->at[i].proposal.removed);
        out->own_removed |= list->at[i].proposal.removed == epoch->own;
        r = mls_nodes_add(&out->removed, list->at[i].proposal.removed);
    }
    return r;
}

int mls_list_apply(const struct mls_kit *kit, const struct mls_epoch *epoch, struct mls_epoch *next,
                   const struct mls_list *list, struct mls_committer *committer, struct mls_applied *out)
{
    uint32_t leaf;
    int r;

    *out = (struct mls_applied){.extensions = epoch->context.extensions, .path_required = list->count == 0};
    mls_nodes_init(&out->added, kit->mem);
    mls_nodes_init(&out->removed, kit->mem);
    if ((r = apply_changes(epoch, next, list, out)) != 0)
        return r;
    if (out->removed.count > 0)
        mls_tree_truncate(&next->tree);
    for (size_t i = 0; i < list->count && r == 0; i++)
        if (list->at[i].proposal.type == MLS_ADD &&
            (r = mls_tree_add(&next->tree, list->at[i].proposal.add.leaf.whole, &leaf)) == 0)
            r = mls_nodes_add(&out->added, 2 * leaf);
    if (r == 0 && committer->external) {
        committer->leaf = mls_tree_free_place(&next->tree);
        r = mls_tree_grow_for(&next->tree, committer->leaf);
    }
    if (r != 0)
        return r;
    if (out->own_update != NULL) {
        if (!out->own_update->has_leaf_key)
            return RF_ENOTFOUND; /* made by another life of this device: its key is lost, and the device comes in again */
        mls_keys_drop(&next->keys, 0);
        mls_keys_set(&next->keys, 0, out->own_update->leaf_key);
    }
    if (!out->own_removed && next->own != RF_MLS_NO_LEAF)
        mls_keys_follow(&next->keys, &next->tree, next->own);
    return 0;
}

/* ---- pre-shared keys ---- */

int mls_psk_find(const struct rf_mls_env *env, const struct rf_mls *group, const struct mls_psk_id *id,
                 struct rf_buf *out)
{
    if (id->type == MLS_PSK_EXTERNAL)
        return env->rules != NULL && env->rules->psk != NULL ? env->rules->psk(env->rules->ctx, id->id, out)
                                                             : RF_ENOTFOUND;
    if (group == NULL || !rf_view_equal(id->id, rf_buf_view(&group->id)))
        return RF_ENOTFOUND;
    for (size_t i = 0; i < RF_MLS_RESUMPTIONS_MAX; i++)
        if (group->resumptions[i].epoch == id->epoch + 1) { /* kept plus 1, so that 0 is an empty place */
            rf_buf_put(out, group->resumptions[i].secret, MLS_HASH_LEN);
            return rf_buf_error(out);
        }
    return RF_ENOTFOUND;
}

int mls_list_psk_secret(struct rf_mls *group, const struct mls_list *list, uint16_t count,
                        uint8_t psk_secret[MLS_HASH_LEN])
{
    struct rf_buf psk;
    uint16_t index = 0;
    int r = 0;

    memset(psk_secret, 0, MLS_HASH_LEN);
    rf_buf_init(&psk, mls_mem(group), 1 << 16);
    for (size_t i = 0; i < list->count && r == 0; i++) {
        if (list->at[i].proposal.type != MLS_PSK)
            continue;
        rf_buf_reset(&psk);
        if ((r = mls_psk_find(group->env, group, &list->at[i].proposal.psk, &psk)) == 0)
            r = mls_psk_next(&group->kit, &list->at[i].proposal.psk, rf_buf_view(&psk), index++, count,
                             psk_secret);
    }
    rf_buf_deinit(&psk);
    return r;
}
