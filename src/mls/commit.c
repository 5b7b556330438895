/* commit.c - Commits that were received. */
#include "mls/commit.h"

#include "mls/bytes.h"

/* What the steps of a received Commit share. */
struct work {
    struct rf_mls *group;
    const struct mls_frame *frame;
    struct mls_commit commit;
    struct mls_list list;
    struct mls_committer who;
    struct mls_applied applied;
    struct mls_epoch *next;
    struct mls_path path;
    uint8_t init[MLS_HASH_LEN], commit_secret[MLS_HASH_LEN], psk_secret[MLS_HASH_LEN];
};

void mls_received_deinit(struct mls_received *received)
{
    mls_epoch_free(received->next);
    if (received->removed.mem != NULL) {
        mls_nodes_deinit(&received->added);
        mls_nodes_deinit(&received->removed);
    }
}

int mls_next_check(const struct mls_epoch *from, const struct mls_epoch *next,
                   const struct mls_applied *applied, bool path)
{
    bool other = !rf_view_equal(applied->extensions, from->context.extensions);
    int r = mls_members_meet(&next->tree, other ? applied->extensions : rf_view_of(NULL, 0));

    return r != 0 || !path ? r : mls_tree_unique(&next->tree);
}

/* read_list: the proposals, examined and applied to the next epoch's tree. */
static int read_list(struct work *w)
{
    struct rf_mls *group = w->group;
    int r;

    w->who.external = w->frame->content.sender.type == MLS_NEW_MEMBER_COMMIT;
    w->who.leaf = w->frame->content.sender.index;
    w->who.joiner = w->commit.has_path ? &w->commit.path.leaf : NULL;
    if ((r = mls_list_read(group, &w->commit, w->frame->content.sender, &w->list)) != 0 ||
        (r = mls_list_check(group, group->now, &w->list, &w->who)) != 0 ||
        (r = mls_epoch_next(group->now, &w->next)) != 0 ||
        (r = mls_list_apply(&group->kit, group->now, w->next, &w->list, &w->who, &w->applied)) != 0)
        return r;
    return w->applied.path_required && !w->commit.has_path ? RF_EINVAL : 0;
}

/* old_leaf: whom the path's leaf follows: the committer's own, or the one that an external Commit removes. */
static const struct mls_leaf *old_leaf(const struct work *w)
{
    const struct mls_tree *tree = &w->group->now->tree;

    if (!w->who.external)
        return mls_tree_leaf(tree, w->who.leaf);
    return w->applied.removed.count > 0 ? mls_tree_leaf(tree, w->applied.removed.at[0]) : NULL;
}

/* check_successor: may the path's leaf follow the old one? Without a rule of the application, only the same credential takes the place of a leaf that
 * an external Commit removes: whoever can sign could remove anybody else. */
static int check_successor(const struct work *w, const struct mls_leaf *old)
{
    const struct rf_mls_rules *rules = w->group->env->rules;

    if (w->who.external && (rules == NULL || rules->successor == NULL) &&
        !rf_view_equal(old->credential.whole, w->commit.path.leaf.credential.whole))
        return RF_EFORBIDDEN;
    return mls_successor(&w->group->kit, rules, old, &w->commit.path.leaf);
}

/* read_path: the committer's new leaf and the public keys above it. */
static int read_path(struct work *w)
{
    const struct rf_mls_rules *rules = w->group->env->rules;
    struct mls_place place = {w->group->now->context.group_id, w->who.leaf};
    const struct mls_leaf *leaf = &w->commit.path.leaf, *old = old_leaf(w);
    int r;

    if ((r = mls_leaf_check(&w->group->kit, rules, leaf, MLS_SOURCE_COMMIT, &place)) != 0 ||
        (r = mls_leaf_meets(leaf, w->applied.extensions)) != 0 ||
        (old != NULL && (r = check_successor(w, old)) != 0))
        return r;
    return mls_path_apply(&w->group->kit, &w->next->tree, w->who.leaf, &w->commit.path, &w->applied.added,
                          &w->path);
}

static int init_secret(struct work *w)
{
    if (!w->who.external) {
        memcpy(w->init, w->group->now->secrets.init, sizeof(w->init));
        return 0;
    }
    return mls_external_init_receive(&w->group->kit, &w->group->now->secrets, w->applied.kem_output, w->init);
}

/* open_path: the path's secret, under the provisional GroupContext. */
static int open_path(struct work *w)
{
    const struct mls_epoch *now = w->group->now;
    int r = mls_epoch_set_context(&w->group->kit, w->next, now->context.group_id, now->context.epoch + 1,
                                  now->context.confirmed_transcript_hash, w->applied.extensions);

    if (r != 0 || !w->commit.has_path)
        return r;
    return mls_path_open(&w->group->kit, &w->next->tree, w->who.leaf, w->next->own, &w->path, &w->commit.path,
                         &w->applied.added, rf_buf_view(&w->next->context_bytes), &w->next->keys,
                         w->commit_secret);
}

/* derive: transcript, key schedule, confirmation. */
static int derive(struct work *w)
{
    const struct mls_kit *kit = &w->group->kit;
    const struct mls_epoch *now = w->group->now;
    uint8_t confirmed[MLS_HASH_LEN], joiner[MLS_HASH_LEN], tag[MLS_HASH_LEN];
    struct rf_view hash = rf_view_of(confirmed, sizeof(confirmed));
    int r;

    if ((r = mls_confirmed_hash(kit, rf_view_of(now->interim, MLS_HASH_LEN), w->frame->wire_format,
                                w->frame->content.whole, w->frame->auth.signature, confirmed)) != 0 ||
        (r = mls_epoch_set_context(kit, w->next, now->context.group_id, now->context.epoch + 1, hash,
                                   w->applied.extensions)) != 0 ||
        (r = mls_list_psk_secret(w->group, &w->list, w->applied.psk_count, w->psk_secret)) != 0 ||
        (r = init_secret(w)) != 0)
        return r;
    if ((r = mls_joiner(kit, w->init, w->commit_secret, rf_buf_view(&w->next->context_bytes), joiner)) == 0 &&
        (r = mls_epoch_start(kit, w->next, joiner, w->psk_secret)) == 0 &&
        (r = mls_confirmation_tag(kit, &w->next->secrets, hash, tag)) == 0) {
        if (!rf_view_equal_secret(rf_view_of(tag, sizeof(tag)), w->frame->auth.confirmation_tag))
            r = RF_EAUTH;
        else
            r = mls_interim_hash(kit, hash, w->frame->auth.confirmation_tag, w->next->interim);
    }
    rf_wipe(joiner, sizeof(joiner));
    return r;
}

static int receive(struct work *w)
{
    struct rf_view body = w->frame->content.body;
    int r;

    if ((r = mls_commit_decode(&body, &w->commit)) != 0 || (r = read_list(w)) != 0 ||
        (w->commit.has_path && (r = read_path(w)) != 0) ||
        (r = mls_next_check(w->group->now, w->next, &w->applied,
                            w->commit.has_path || w->applied.added.count > 0)) != 0)
        return r;
    if (w->applied.own_removed)
        return 0;
    return (r = open_path(w)) != 0 ? r : derive(w);
}

int mls_commit_receive(struct rf_mls *group, const struct mls_frame *frame, struct mls_received *out)
{
    struct work w = {.group = group, .frame = frame};
    int r;

    *out = (struct mls_received){.next = NULL};
    mls_list_init(&w.list, mls_mem(group));
    if (frame->content.sender.type == MLS_NEW_MEMBER_COMMIT && frame->wire_format != MLS_PUBLIC_MESSAGE)
        return RF_EFORBIDDEN;
    r = receive(&w);
    if (r == 0)
        r = mls_applied_take(&w.applied, w.who.external ? w.who.leaf : RF_MLS_NO_LEAF, &out->added,
                             &out->removed);
    if (r == 0) {
        out->own_removed = w.applied.own_removed;
        out->closes = w.applied.closes;
        out->sender = w.who.leaf;
        if (!out->own_removed) {
            out->next = w.next;
            w.next = NULL;
        }
    }
    mls_epoch_free(w.next);
    mls_applied_deinit(&w.applied);
    mls_list_deinit(&w.list);
    rf_wipe(w.init, sizeof(w.init));
    rf_wipe(w.commit_secret, sizeof(w.commit_secret));
    rf_wipe(w.psk_secret, sizeof(w.psk_secret));
    return r;
}
