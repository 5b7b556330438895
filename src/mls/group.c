/* group.c - the group's object: made, freed, looked at; epochs that begin, proposals that wait. */
#include "mls/group.h"

#include "mls/bytes.h"

int mls_group_new(const struct rf_mls_env *env, uint16_t suite, const struct rf_key *key, struct rf_mls **out)
{
    const struct mls_suite *known = mls_suite_of(suite);
    struct rf_mls *group;

    if (known == NULL)
        return RF_EUNKNOWN;
    if (env->crypto->ops->key_type(key) != known->key_type)
        return RF_EINVAL;
    if ((group = rf_zalloc(env->mem, sizeof(*group))) == NULL)
        return RF_ENOMEM;
    rf_secret_mem_init(&group->secret, env->mem);
    group->env = env;
    group->key = key;
    group->kit = (struct mls_kit){mls_mem(group), env->crypto, env->rng, known};
    group->state = RF_MLS_JOINING;
    rf_buf_init(&group->id, mls_mem(group), RF_MLS_GROUP_ID_MAX_LEN);
    rf_buf_init(&group->welcome, mls_mem(group), RF_MLS_INFO_MAX_LEN);
    mls_nodes_init(&group->added, mls_mem(group));
    mls_nodes_init(&group->removed, mls_mem(group));
    *out = group;
    return 0;
}

void mls_pending_free(struct rf_mls *group, struct mls_pending *pending)
{
    if (pending == NULL)
        return;
    mls_epoch_free(pending->next);
    rf_buf_deinit(&pending->welcome);
    mls_nodes_deinit(&pending->added);
    mls_nodes_deinit(&pending->removed);
    rf_free(mls_mem(group), pending);
}

void mls_cached_clear(struct rf_mls *group)
{
    for (size_t i = 0; i < group->cached_count; i++)
        rf_free(mls_mem(group), group->cached[i]); /* wiped: it may hold an Update's key */
    group->cached_count = 0;
}

/* drop_secrets wipes all but what rf_mls_id and the like show. */
static void drop_secrets(struct rf_mls *group)
{
    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++) {
        mls_epoch_free(group->past[i]);
        group->past[i] = NULL;
    }
    mls_cached_clear(group);
    mls_pending_free(group, group->pending);
    group->pending = NULL;
    group->dropped_count = 0;
    rf_buf_deinit(&group->welcome);
    rf_wipe(group->resumptions, sizeof(group->resumptions));
}

void rf_mls_free(struct rf_mls *group)
{
    if (group == NULL)
        return;
    drop_secrets(group);
    mls_frame_deinit(&group->opened);
    mls_epoch_free(group->now);
    rf_free(mls_mem(group), group->cached);
    mls_nodes_deinit(&group->added);
    mls_nodes_deinit(&group->removed);
    rf_buf_deinit(&group->id);
    rf_free_secret(group->env->mem, group, sizeof(*group));
}

int mls_group_works(const struct rf_mls *group)
{
    return group->state == RF_MLS_MEMBER ? 0 : group->state == RF_MLS_JOINING ? RF_ENOTYET : RF_ECLOSED;
}

int mls_message_hash(const struct mls_kit *kit, struct rf_view message, uint8_t out[MLS_HASH_LEN])
{
    return mls_hash(kit, &message, 1, out);
}

/* ---- epochs ---- */

/* forget: in the epochs before, nothing of who was removed is read any more. An index may belong to somebody else in an older epoch still: whoever
 * had the leaf then was removed too. */
static int forget(struct rf_mls *group, const struct mls_nodes *removed)
{
    struct mls_epoch *epochs[1 + RF_MLS_PAST_EPOCHS] = {group->now};
    int r = 0;

    for (int i = 0; i < RF_MLS_PAST_EPOCHS; i++)
        epochs[1 + i] = group->past[i];
    for (size_t e = 0; e < 1 + RF_MLS_PAST_EPOCHS; e++)
        for (size_t i = 0; epochs[e] != NULL && i < removed->count && r == 0; i++)
            r = mls_secret_forget(&group->kit, &epochs[e]->messages, removed->at[i]);
    return r;
}

int mls_group_enter(struct rf_mls *group, struct mls_epoch *next, const struct mls_nodes *removed)
{
    struct mls_resumption *kept = &group->resumptions[next->context.epoch % RF_MLS_RESUMPTIONS_MAX];
    int r = removed != NULL ? forget(group, removed) : 0;

    if (r != 0)
        return r;
    if (group->now != NULL) {
        mls_epoch_free(group->past[RF_MLS_PAST_EPOCHS - 1]);
        for (int i = RF_MLS_PAST_EPOCHS - 1; i > 0; i--)
            group->past[i] = group->past[i - 1];
        group->past[0] = group->now;
        mls_epoch_retire(group->now);
    }
    group->now = next;
    group->dropped_count = 0;
    group->state = RF_MLS_MEMBER;
    kept->epoch = next->context.epoch + 1;
    memcpy(kept->secret, next->secrets.resumption, MLS_HASH_LEN);
    mls_cached_clear(group);
    mls_pending_free(group, group->pending);
    group->pending = NULL;
    return 0;
}

void mls_group_leave(struct rf_mls *group, enum rf_mls_state state)
{
    drop_secrets(group);
    if (state == RF_MLS_REMOVED && group->now != NULL) {
        mls_epoch_retire(group->now);
        rf_wipe(&group->now->secrets, sizeof(group->now->secrets));
        mls_secret_tree_deinit(&group->now->messages);
    }
    group->state = state;
}

/* ---- proposals ---- */

struct mls_cached *mls_cache_find(const struct rf_mls *group, struct rf_view ref)
{
    for (size_t i = 0; i < group->cached_count; i++)
        if (rf_view_equal(rf_view_of(group->cached[i]->ref, MLS_HASH_LEN), ref))
            return group->cached[i];
    return NULL;
}

int mls_cache_room(const struct rf_mls *group, size_t len)
{
    size_t count = 1;

    for (size_t i = 0; i < group->cached_count; i++)
        if (group->cached[i]->seen) {
            len += group->cached[i]->len;
            count++;
        }
    return count <= RF_MLS_PROPOSALS_MAX && len <= RF_MLS_PROPOSALS_MAX_LEN ? 0 : RF_ELIMIT;
}

int mls_cache_add(struct rf_mls *group, const struct mls_frame *frame, struct rf_view message,
                  struct mls_cached **out)
{
    struct rf_view body = frame->content.body;
    struct mls_cached *one;
    int r;

    if (group->cached_count == group->cached_cap) {
        size_t cap = group->cached_cap > 0 ? group->cached_cap * 2 : 4;
        struct mls_cached **at = rf_resize(mls_mem(group), group->cached, cap * sizeof(struct mls_cached *));

        if (at == NULL)
            return RF_ENOMEM;
        group->cached = at;
        group->cached_cap = cap;
    }
    if ((one = rf_zalloc(mls_mem(group), sizeof(*one) + body.len)) == NULL)
        return RF_ENOMEM;
    memcpy(one->bytes, body.p, body.len);
    one->len = body.len;
    one->sender = frame->content.sender;
    body = rf_view_of(one->bytes, one->len);
    if ((r = mls_proposal_decode(&body, &one->proposal)) != 0 ||
        (r = mls_frame_ref(&group->kit, frame, one->ref)) != 0 ||
        (r = mls_message_hash(&group->kit, message, one->message)) != 0 ||
        (r = mls_cache_find(group, rf_view_of(one->ref, MLS_HASH_LEN)) != NULL ? RF_EDUPLICATE : 0) != 0) {
        rf_free(mls_mem(group), one);
        return r;
    }
    group->cached[group->cached_count++] = one;
    *out = one;
    return 0;
}

/* ---- looking ---- */

enum rf_mls_state rf_mls_state(const struct rf_mls *group)
{
    return group->state;
}

uint16_t rf_mls_suite(const struct rf_mls *group)
{
    return group->kit.suite->id;
}

struct rf_view rf_mls_id(const struct rf_mls *group)
{
    return rf_buf_view(&group->id);
}

uint64_t rf_mls_epoch(const struct rf_mls *group)
{
    return group->now != NULL       ? group->now->context.epoch
           : group->pending != NULL ? group->pending->epoch
                                    : 0;
}

uint32_t rf_mls_own_leaf(const struct rf_mls *group)
{
    return group->now != NULL ? group->now->own : RF_MLS_NO_LEAF;
}

uint32_t rf_mls_leaf_count(const struct rf_mls *group)
{
    return group->now != NULL ? group->now->tree.leaf_count : 0;
}

size_t rf_mls_member_count(const struct rf_mls *group)
{
    size_t count = 0;

    for (uint32_t i = 0; i < rf_mls_leaf_count(group); i++)
        count += group->now->tree.leaves[i] != NULL;
    return count;
}

bool rf_mls_member(const struct rf_mls *group, uint32_t leaf, struct rf_mls_identity *out)
{
    const struct mls_leaf *found = group->now != NULL ? mls_tree_leaf(&group->now->tree, leaf) : NULL;

    if (found != NULL)
        mls_identity(&group->kit, found, out);
    return found != NULL;
}

struct rf_view rf_mls_leaf_extensions(const struct rf_mls *group, uint32_t leaf)
{
    const struct mls_leaf *found = group->now != NULL ? mls_tree_leaf(&group->now->tree, leaf) : NULL;

    return found != NULL ? found->extensions : rf_view_of(NULL, 0);
}

bool rf_mls_find_member(const struct rf_mls *group, struct rf_view signature_key, uint32_t *leaf)
{
    return group->now != NULL && mls_tree_find_signer(&group->now->tree, signature_key, leaf);
}

struct rf_view rf_mls_extensions(const struct rf_mls *group)
{
    return group->now != NULL ? group->now->context.extensions : rf_view_of(NULL, 0);
}

const uint8_t *rf_mls_authenticator(const struct rf_mls *group)
{
    return group->now != NULL && group->state != RF_MLS_REMOVED ? group->now->secrets.authenticator : NULL;
}

int rf_mls_tree(const struct rf_mls *group, struct rf_buf *out)
{
    if (group->now == NULL)
        return RF_ENOTYET;
    mls_tree_encode(&group->now->tree, out);
    return rf_buf_error(out);
}

#define EXPORT_LABEL_MAX_LEN 128
#define EXPORT_MAX_LEN       (255 * MLS_HASH_LEN)

int rf_mls_export(struct rf_mls *group, const char *label, struct rf_view context, uint8_t *out, size_t len)
{
    if (group->state != RF_MLS_MEMBER && group->state != RF_MLS_CLOSED)
        return mls_group_works(group);
    if (strlen(label) > EXPORT_LABEL_MAX_LEN || len == 0 || len > EXPORT_MAX_LEN)
        return RF_EINVAL;
    return mls_export(&group->kit, &group->now->secrets, label, context, out, len);
}

uint32_t rf_mls_sent(const struct rf_mls *group)
{
    return group->now != NULL ? mls_secret_used(&group->now->messages, group->now->own, MLS_APPLICATION_DATA)
                              : 0;
}

size_t rf_mls_proposals(const struct rf_mls *group)
{
    size_t count = 0;

    for (size_t i = 0; i < group->cached_count; i++)
        count += group->cached[i]->seen;
    return count;
}

bool rf_mls_commit_pending(const struct rf_mls *group)
{
    return group->pending != NULL;
}

void rf_mls_commit_drop(struct rf_mls *group)
{
    if (group->pending != NULL && group->dropped_count < RF_MLS_DROPPED_MAX)
        memcpy(group->dropped[group->dropped_count++], group->pending->message, MLS_HASH_LEN);
    mls_pending_free(group, group->pending);
    group->pending = NULL;
}

struct rf_view rf_mls_welcome(const struct rf_mls *group)
{
    return rf_buf_view(&group->welcome);
}

void rf_mls_welcome_drop(struct rf_mls *group)
{
    rf_buf_deinit(&group->welcome);
}
