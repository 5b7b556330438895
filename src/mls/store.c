/*
 * store.c - a group's state as bytes and back. The format is our own: a magic, a version, then fields in MLS's way of writing. What was
 * written by another version is refused: the device comes in again by an external Commit.
 */
#include "mls/bytes.h"
#include "mls/group.h"

#define MAGIC   0x52464d4c /* "RFML" */
#define VERSION 2

/* ---- saved ---- */

static void put_keys(const struct mls_keys *keys, struct rf_buf *out)
{
    rf_buf_u32(out, keys->has);
    for (unsigned level = 0; level < MLS_LEVELS_MAX; level++)
        if (mls_keys_have(keys, level))
            rf_buf_put(out, keys->key[level], RF_DH_PRIVATE_LEN);
}

/* Of an epoch that is over only the members are needed, and most are still the same. */
enum kept_leaf { LEAF_BLANK = 0, LEAF_SAME = 1, LEAF_OTHER = 2 };

static void put_members(const struct mls_tree *tree, const struct mls_tree *now, struct rf_buf *out)
{
    rf_buf_u32(out, tree->leaf_count);
    for (uint32_t i = 0; i < tree->leaf_count; i++) {
        bool same = i < now->leaf_count && tree->leaves[i] == now->leaves[i];

        rf_buf_u8(out, tree->leaves[i] == NULL ? LEAF_BLANK : same ? LEAF_SAME : LEAF_OTHER);
        if (tree->leaves[i] != NULL && !same)
            mls_put_v(out, tree->leaves[i]->leaf.whole);
    }
}

/* put_epoch: `now` is the current epoch for one that is over, else NULL. */
static void put_epoch(const struct mls_epoch *epoch, const struct mls_epoch *now, struct rf_buf *out)
{
    size_t mark;

    rf_buf_bool(out, epoch != NULL);
    if (epoch == NULL)
        return;
    mls_put_v(out, rf_buf_view(&epoch->context_bytes));
    rf_buf_put(out, epoch->interim, MLS_HASH_LEN);
    if (now != NULL) {
        put_members(&epoch->tree, &now->tree, out);
    } else {
        mark = mls_open(out);
        mls_tree_encode(&epoch->tree, out);
        mls_close(out, mark);
    }
    rf_buf_u32(out, epoch->own);
    put_keys(&epoch->keys, out);
    rf_buf_put(out, &epoch->secrets, sizeof(epoch->secrets)); /* arrays of bytes only */
    rf_buf_bool(out, epoch->messages.mem != NULL);
    if (epoch->messages.mem != NULL)
        mls_secret_tree_save(&epoch->messages, out);
}

static void put_cached(const struct mls_cached *one, struct rf_buf *out)
{
    rf_buf_put(out, one->ref, MLS_HASH_LEN);
    rf_buf_put(out, one->message, MLS_HASH_LEN);
    rf_buf_u8(out, one->sender.type);
    rf_buf_u32(out, one->sender.index);
    rf_buf_bool(out, one->own);
    rf_buf_bool(out, one->seen);
    rf_buf_bool(out, one->has_leaf_key);
    rf_buf_put(out, one->leaf_key, RF_DH_PRIVATE_LEN);
    mls_put_v(out, rf_view_of(one->bytes, one->len));
}

static void put_leaves(const struct mls_nodes *leaves, struct rf_buf *out)
{
    rf_buf_u32(out, (uint32_t)leaves->count);
    for (size_t i = 0; i < leaves->count; i++)
        rf_buf_u32(out, leaves->at[i]);
}

static void put_pending(const struct mls_pending *pending, struct rf_buf *out)
{
    rf_buf_bool(out, pending != NULL);
    if (pending == NULL)
        return;
    rf_buf_put(out, pending->message, MLS_HASH_LEN);
    rf_buf_u64(out, pending->epoch);
    put_epoch(pending->next, NULL, out);
    mls_put_v(out, rf_buf_view(&pending->welcome));
    put_leaves(&pending->added, out);
    put_leaves(&pending->removed, out);
    rf_buf_bool(out, pending->closes);
}

int rf_mls_save(const struct rf_mls *group, struct rf_buf *out)
{
    rf_buf_u32(out, MAGIC);
    rf_buf_u8(out, VERSION);
    rf_buf_u16(out, group->kit.suite->id);
    rf_buf_u8(out, (uint8_t)group->state);
    mls_put_v(out, rf_buf_view(&group->id));
    put_epoch(group->now, NULL, out);
    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++)
        put_epoch(group->past[i], group->now, out);
    rf_buf_u32(out, (uint32_t)group->cached_count);
    for (size_t i = 0; i < group->cached_count; i++)
        put_cached(group->cached[i], out);
    put_pending(group->pending, out);
    mls_put_v(out, rf_buf_view(&group->welcome));
    for (size_t i = 0; i < RF_MLS_RESUMPTIONS_MAX; i++) {
        rf_buf_u64(out, group->resumptions[i].epoch);
        if (group->resumptions[i].epoch != 0)
            rf_buf_put(out, group->resumptions[i].secret, MLS_HASH_LEN);
    }
    rf_buf_u32(out, group->dropped_count);
    rf_buf_put(out, group->dropped, group->dropped_count * sizeof(group->dropped[0]));
    return rf_buf_error(out);
}

/* ---- restored ---- */

static int take_keys(struct rf_view *in, struct mls_keys *keys)
{
    int r = mls_take_u32(in, &keys->has);

    if (r == 0 && keys->has >> MLS_LEVELS_MAX != 0)
        r = RF_EFORMAT;
    for (unsigned level = 0; level < MLS_LEVELS_MAX && r == 0; level++)
        if (mls_keys_have(keys, level))
            r = mls_take_bytes(in, keys->key[level], RF_DH_PRIVATE_LEN);
    return r;
}

/* check_epoch: what the code relies on. */
static int check_epoch(const struct mls_kit *kit, const struct mls_epoch *epoch)
{
    if (epoch->context.suite != kit->suite->id || mls_tree_leaf(&epoch->tree, epoch->own) == NULL)
        return RF_EINVAL;
    for (uint32_t i = 0; i < epoch->tree.leaf_count; i++)
        if (epoch->tree.leaves[i] != NULL &&
            (!mls_public_good(kit->suite, epoch->tree.leaves[i]->leaf.encryption_key)))
            return RF_EINVAL;
    return epoch->messages.mem == NULL || epoch->messages.leaf_count == epoch->tree.leaf_count ? 0
                                                                                               : RF_EINVAL;
}

static int take_members(const struct mls_kit *kit, struct rf_view *in, const struct mls_tree *now,
                        struct mls_tree *out)
{
    struct rf_view leaf;
    uint32_t count;
    uint8_t kept;
    int r = mls_take_u32(in, &count);

    if (r != 0)
        return r;
    if (count == 0 || count > MLS_LEAVES_MAX || (count & (count - 1)) != 0)
        return RF_EFORMAT;
    if ((r = mls_tree_init(out, kit)) != 0)
        return r;
    r = mls_tree_grow_for(out, count - 1);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        if ((r = mls_take_u8(in, &kept)) != 0)
            break;
        if (kept == LEAF_SAME)
            mls_tree_share_leaf(out, now, i);
        else if (kept == LEAF_OTHER)
            r = (r = mls_take_v(in, &leaf)) != 0 ? r : mls_tree_set_leaf(out, i, leaf);
        else if (kept != LEAF_BLANK)
            r = RF_EFORMAT;
    }
    return r;
}

static int take_tree(const struct mls_kit *kit, struct rf_view *in, const struct mls_epoch *now,
                     struct mls_tree *out)
{
    struct rf_view tree;
    int r;

    if (now != NULL)
        return take_members(kit, in, &now->tree, out);
    return (r = mls_take_v(in, &tree)) != 0 ? r : mls_tree_decode(kit, tree, out);
}

static int take_epoch(const struct mls_kit *kit, struct rf_view *in, const struct mls_epoch *now,
                      struct mls_epoch **out)
{
    struct rf_view context;
    struct mls_epoch *epoch;
    bool present;
    int r = mls_take_optional(in, &present);

    if (r != 0 || !present)
        return r;
    if ((epoch = *out = mls_epoch_new(kit->mem)) == NULL) /* freed with what it belongs to */
        return RF_ENOMEM;
    if ((r = mls_take_v(in, &context)) != 0 || (r = mls_epoch_copy_context(epoch, context)) != 0 ||
        (r = mls_take_bytes(in, epoch->interim, MLS_HASH_LEN)) != 0 ||
        (r = take_tree(kit, in, now, &epoch->tree)) != 0 || (r = mls_take_u32(in, &epoch->own)) != 0 ||
        (r = take_keys(in, &epoch->keys)) != 0 ||
        (r = mls_take_bytes(in, &epoch->secrets, sizeof(epoch->secrets))) != 0 ||
        (r = mls_take_optional(in, &present)) != 0 ||
        (present && (r = mls_secret_tree_load(&epoch->messages, kit->mem, in)) != 0))
        return r;
    return check_epoch(kit, epoch);
}

static int take_cached(struct rf_mls *group, struct rf_view *in)
{
    struct mls_cached head = {.len = 0}, *one;
    struct rf_view body;
    int r;

    if ((r = mls_take_bytes(in, head.ref, MLS_HASH_LEN)) != 0 ||
        (r = mls_take_bytes(in, head.message, MLS_HASH_LEN)) != 0 ||
        (r = mls_take_u8(in, &head.sender.type)) != 0 || (r = mls_take_u32(in, &head.sender.index)) != 0 ||
        (r = mls_take_optional(in, &head.own)) != 0 || (r = mls_take_optional(in, &head.seen)) != 0 ||
        (r = mls_take_optional(in, &head.has_leaf_key)) != 0 ||
        (r = mls_take_bytes(in, head.leaf_key, RF_DH_PRIVATE_LEN)) != 0 || (r = mls_take_v(in, &body)) != 0)
        return r;
    if ((one = rf_alloc(mls_mem(group), sizeof(*one) + body.len)) == NULL)
        return RF_ENOMEM;
    *one = head;
    rf_wipe(&head, sizeof(head));
    one->len = body.len;
    memcpy(one->bytes, body.p, body.len);
    group->cached[group->cached_count++] = one;
    body = rf_view_of(one->bytes, one->len);
    r = mls_proposal_decode(&body, &one->proposal);
    if (r == 0 &&
        (body.len != 0 || one->sender.type < MLS_MEMBER || one->sender.type > MLS_NEW_MEMBER_PROPOSAL))
        r = RF_EINVAL;
    return r;
}

static int take_all_cached(struct rf_mls *group, struct rf_view *in)
{
    uint32_t count;
    int r = mls_take_u32(in, &count);

    if (r != 0 || count == 0)
        return r;
    if (count > 2 * RF_MLS_PROPOSALS_MAX)
        return RF_EFORMAT;
    if ((group->cached = rf_alloc(mls_mem(group), count * sizeof(struct mls_cached *))) == NULL)
        return RF_ENOMEM;
    group->cached_cap = count;
    while (r == 0 && count-- > 0)
        r = take_cached(group, in);
    return r;
}

static int take_buf(struct rf_view *in, struct rf_buf *out)
{
    struct rf_view v;
    int r = mls_take_v(in, &v);

    if (r != 0)
        return r;
    rf_buf_view_put(out, v);
    return rf_buf_error(out) == RF_ELIMIT ? RF_EFORMAT : rf_buf_error(out);
}

static int take_leaves(struct rf_view *in, struct mls_nodes *out)
{
    uint32_t count, leaf;
    int r = mls_take_u32(in, &count);

    while (r == 0 && count-- > 0)
        if ((r = mls_take_u32(in, &leaf)) == 0)
            r = mls_nodes_add(out, leaf);
    return r;
}

static int take_pending(struct rf_mls *group, struct rf_view *in)
{
    struct mls_pending *pending;
    bool present;
    int r = mls_take_optional(in, &present);

    if (r != 0 || !present)
        return r;
    if ((pending = group->pending = rf_zalloc(mls_mem(group), sizeof(*pending))) == NULL)
        return RF_ENOMEM;
    rf_buf_init(&pending->welcome, mls_mem(group), RF_MLS_INFO_MAX_LEN);
    mls_nodes_init(&pending->added, mls_mem(group));
    mls_nodes_init(&pending->removed, mls_mem(group));
    if ((r = mls_take_bytes(in, pending->message, MLS_HASH_LEN)) != 0 ||
        (r = mls_take_u64(in, &pending->epoch)) != 0 ||
        (r = take_epoch(&group->kit, in, NULL, &pending->next)) != 0 ||
        (r = take_buf(in, &pending->welcome)) != 0 || (r = take_leaves(in, &pending->added)) != 0 ||
        (r = take_leaves(in, &pending->removed)) != 0)
        return r;
    r = mls_take_optional(in, &pending->closes);
    return r != 0 ? r : pending->next != NULL && pending->next->messages.mem != NULL ? 0 : RF_EINVAL;
}

static int take_dropped(struct rf_mls *group, struct rf_view *in)
{
    uint32_t count;
    int r = mls_take_u32(in, &count);

    if (r != 0 || count > RF_MLS_DROPPED_MAX)
        return RF_EFORMAT;
    group->dropped_count = count;
    return mls_take_bytes(in, group->dropped, count * sizeof(group->dropped[0]));
}

static int take_group(struct rf_mls *group, struct rf_view *in)
{
    uint8_t state;
    int r;

    if ((r = mls_take_u8(in, &state)) != 0 || (r = take_buf(in, &group->id)) != 0 ||
        (r = take_epoch(&group->kit, in, NULL, &group->now)) != 0)
        return r;
    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++)
        if ((r = take_epoch(&group->kit, in, group->now, &group->past[i])) != 0)
            return r;
    if ((r = take_all_cached(group, in)) != 0 || (r = take_pending(group, in)) != 0 ||
        (r = take_buf(in, &group->welcome)) != 0)
        return r;
    for (size_t i = 0; i < RF_MLS_RESUMPTIONS_MAX; i++)
        if ((r = mls_take_u64(in, &group->resumptions[i].epoch)) != 0 ||
            (group->resumptions[i].epoch != 0 &&
             (r = mls_take_bytes(in, group->resumptions[i].secret, MLS_HASH_LEN)) != 0))
            return r;
    if ((r = take_dropped(group, in)) != 0)
        return r;
    if (in->len != 0 || state > RF_MLS_CLOSED)
        return RF_EFORMAT;
    group->state = (enum rf_mls_state)state;
    /* a member has an epoch with message keys, one who joins has none and a Commit that is pending */
    if ((group->now == NULL) != (group->state == RF_MLS_JOINING) ||
        (group->state == RF_MLS_JOINING && group->pending == NULL) ||
        (group->state == RF_MLS_MEMBER && group->now->messages.mem == NULL))
        return RF_EINVAL;
    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++)
        if (group->past[i] != NULL && group->past[i]->messages.mem == NULL)
            return RF_EINVAL;
    return 0;
}

int rf_mls_restore(const struct rf_mls_env *env, struct rf_view saved, const struct rf_key *key,
                   struct rf_mls **out)
{
    struct rf_mls *group;
    uint32_t magic;
    uint8_t version;
    uint16_t suite;
    int r;

    if ((r = mls_take_u32(&saved, &magic)) != 0 || (r = mls_take_u8(&saved, &version)) != 0 ||
        (r = mls_take_u16(&saved, &suite)) != 0)
        return r;
    if (magic != MAGIC)
        return RF_EFORMAT;
    if (version != VERSION)
        return RF_EVERSION;
    if ((r = mls_group_new(env, suite, key, &group)) != 0)
        return r;
    if ((r = take_group(group, &saved)) != 0)
        rf_mls_free(group);
    else
        *out = group;
    return r;
}
