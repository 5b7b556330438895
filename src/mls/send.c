/* send.c - what we say in a group: application messages, proposals, Commits. */
#include "base/region.h"
#include "mls/bytes.h"
#include "mls/commit.h"

#define DATA_MAX_LEN (RF_MLS_MESSAGE_MAX_LEN - RF_MLS_AAD_MAX_LEN - 4096)

static int check_send(const struct rf_mls *group, struct rf_view authenticated_data)
{
    int r = mls_group_works(group);

    return r != 0 ? r : authenticated_data.len <= RF_MLS_AAD_MAX_LEN ? 0 : RF_ELIMIT;
}

static struct mls_content content_of(const struct rf_mls *group, struct rf_view authenticated_data,
                                     uint8_t type, struct rf_view body)
{
    return (struct mls_content){.group_id = rf_buf_view(&group->id),
                                .epoch = group->now->context.epoch,
                                .sender = {MLS_MEMBER, group->now->own},
                                .authenticated_data = authenticated_data,
                                .type = type,
                                .body = body};
}

int rf_mls_encrypt(struct rf_mls *group, struct rf_view data, struct rf_view authenticated_data,
                   size_t pad_to, struct rf_buf *out)
{
    struct mls_content content;
    struct mls_frame frame;
    int r = check_send(group, authenticated_data);

    if (r != 0)
        return r;
    if (data.len > DATA_MAX_LEN || pad_to > 65536)
        return RF_ELIMIT;
    if (rf_mls_proposals(group) > 0)
        return RF_EBUSY;
    content = content_of(group, authenticated_data, MLS_APPLICATION, data);
    if ((r = mls_frame_sign(&group->kit, group->now, group->key, &content, MLS_PRIVATE_MESSAGE, &frame)) == 0)
        r = mls_frame_put(&group->kit, group->now, &frame, pad_to, out);
    mls_frame_deinit(&frame);
    return r;
}

/* ---- changes ---- */

static int take_key_package(struct rf_view bytes, struct mls_key_package *out)
{
    struct mls_message message;
    int r = mls_message_decode(bytes, &message);

    if (r == 0 && message.wire_format != MLS_KEY_PACKAGE)
        r = RF_EINVAL;
    if (r == 0)
        *out = message.key_package;
    return r;
}

/* proposal_of translates a change. `nonce` must live as long as the proposal. */
static int proposal_of(struct rf_mls *group, const struct rf_mls_change *change, uint8_t nonce[MLS_HASH_LEN],
                       struct mls_proposal *out)
{
    *out = (struct mls_proposal){.type = (uint16_t)change->type};
    switch (change->type) {
    case RF_MLS_ADD:
        return take_key_package(change->key_package, &out->add);
    case RF_MLS_REMOVE:
        out->removed = change->leaf;
        return 0;
    case RF_MLS_PSK:
        rf_rng_fill(group->kit.rng, nonce, MLS_HASH_LEN);
        out->psk =
            (struct mls_psk_id){.type = change->psk_id.len > 0 ? MLS_PSK_EXTERNAL : MLS_PSK_RESUMPTION,
                                .id = change->psk_id.len > 0 ? change->psk_id : rf_buf_view(&group->id),
                                .usage = MLS_USAGE_APPLICATION,
                                .epoch = change->epoch,
                                .nonce = rf_view_of(nonce, MLS_HASH_LEN)};
        return 0;
    case RF_MLS_EXTENSIONS:
        out->extensions = change->extensions;
        return 0;
    case RF_MLS_REINIT:
        out->reinit =
            (struct mls_reinit){change->new_group_id, MLS_VERSION, change->new_suite, change->extensions};
        return 0;
    default:
        return RF_EINVAL;
    }
}

/* settle encodes a proposal into the region and reads it from there, so that it is complete and outlives what it came from. */
static int settle(struct rf_region *region, struct mls_proposal *p)
{
    struct rf_view kept = {NULL, 0};
    struct rf_buf bytes;
    int r;

    rf_buf_init(&bytes, region->mem, RF_MLS_MESSAGE_MAX_LEN);
    mls_proposal_encode(p, &bytes);
    if ((r = rf_buf_error(&bytes)) == 0) {
        kept = rf_region_copy(region, rf_buf_view(&bytes));
        r = kept.p == NULL ? RF_ENOMEM : mls_proposal_decode(&kept, p);
        if (r == 0 && kept.len != 0)
            r = RF_EFORMAT;
    }
    rf_buf_deinit(&bytes);
    return r;
}

/* own_update appends the encoded leaf of an Update of ours, and gives its private key. */
static int own_update(struct rf_mls *group, uint8_t private[RF_DH_PRIVATE_LEN], struct rf_buf *out)
{
    struct mls_place place = {rf_buf_view(&group->id), group->now->own};
    struct mls_leaf leaf = *mls_tree_leaf(&group->now->tree, group->now->own);
    struct rf_hpke_pair pair;
    int r = mls_new_pair(&group->kit, &pair);

    if (r != 0)
        return r;
    leaf.source = MLS_SOURCE_UPDATE;
    leaf.encryption_key = mls_pair_public(&pair);
    memcpy(private, pair.private, sizeof(pair.private));
    r = mls_leaf_sign(&group->kit, group->key, &leaf, &place, out);
    rf_wipe(&pair, sizeof(pair));
    return r;
}

/* check_alone: would a proposal be valid in somebody's Commit? A list of it alone is examined, as if nobody of the members committed it. */
static int check_alone(const struct rf_mls *group, const struct mls_proposal *p, struct mls_sender sender,
                       uint32_t committer)
{
    struct mls_committer who = {false, committer, NULL};
    struct mls_listed one = {*p, sender, NULL};
    struct mls_list list = {.at = &one, .count = 1};

    return mls_list_check(group, group->now, &list, &who);
}

/* send_proposal frames and keeps it. */
static int send_proposal(struct rf_mls *group, struct rf_view body, const struct rf_mls_send *send,
                         const uint8_t *leaf_key, struct rf_buf *out)
{
    uint16_t wire_format = send != NULL && send->public_message ? MLS_PUBLIC_MESSAGE : MLS_PRIVATE_MESSAGE;
    struct mls_content content =
        content_of(group, send != NULL ? send->authenticated_data : rf_view_of(NULL, 0), MLS_PROPOSAL, body);
    uint8_t auth_bytes[RF_SIGNATURE_MAX_LEN + MLS_LEN_MAX];
    size_t before = out->len;
    struct mls_cached *cached;
    struct mls_frame frame;
    struct rf_buf auth;
    int r;

    if (group->cached_count - rf_mls_proposals(group) >= RF_MLS_PROPOSALS_MAX)
        return RF_ELIMIT; /* none of ours comes back */
    rf_buf_fixed(&auth, auth_bytes, sizeof(auth_bytes));
    if ((r = mls_frame_sign(&group->kit, group->now, group->key, &content, wire_format, &frame)) == 0 &&
        (r = mls_frame_put(&group->kit, group->now, &frame, 1, out)) == 0) {
        mls_auth_encode(&frame.auth, MLS_PROPOSAL, &auth);
        frame.auth.whole = rf_buf_view(&auth);
        r = mls_cache_add(group, &frame, rf_view_of(out->p + before, out->len - before), &cached);
        if (r == 0) {
            cached->own = true;
            cached->has_leaf_key = leaf_key != NULL;
            if (leaf_key != NULL)
                memcpy(cached->leaf_key, leaf_key, sizeof(cached->leaf_key));
        }
    }
    mls_frame_deinit(&frame);
    if (r != 0)
        out->len = before;
    return r;
}

int rf_mls_propose(struct rf_mls *group, const struct rf_mls_change *change, const struct rf_mls_send *send,
                   struct rf_buf *out)
{
    uint8_t nonce[MLS_HASH_LEN], leaf_key[RF_DH_PRIVATE_LEN];
    bool update = change->type == RF_MLS_UPDATE;
    struct rf_buf leaf;
    struct rf_region region;
    struct mls_proposal p = {.type = MLS_UPDATE};
    struct rf_view in;
    int r = check_send(group, send != NULL ? send->authenticated_data : rf_view_of(NULL, 0));

    if (r != 0)
        return r;
    rf_buf_init(&leaf, mls_mem(group), RF_MLS_MESSAGE_MAX_LEN);
    rf_region_init(&region, mls_mem(group), RF_MLS_MESSAGE_MAX_LEN);
    if (update) {
        if ((r = own_update(group, leaf_key, &leaf)) == 0) {
            in = rf_buf_view(&leaf);
            r = mls_leaf_decode(&in, &p.update);
        }
    } else {
        r = proposal_of(group, change, nonce, &p);
    }
    if (r == 0 && (r = settle(&region, &p)) == 0 &&
        (r = check_alone(group, &p, (struct mls_sender){MLS_MEMBER, group->now->own}, RF_MLS_NO_LEAF)) == 0)
        r = send_proposal(group, p.whole, send, update ? leaf_key : NULL, out);
    rf_region_deinit(&region);
    rf_buf_deinit(&leaf);
    rf_wipe(leaf_key, sizeof(leaf_key));
    return r;
}

/* ---- Commits ---- */

static uint32_t target_of(const struct mls_proposal *p, struct mls_sender sender)
{
    return p->type == MLS_UPDATE ? sender.index : p->type == MLS_REMOVE ? p->removed : RF_MLS_NO_LEAF;
}

/* collides: what we take along already makes this proposal superfluous, or forbids it. */
static bool collides(const struct mls_list *list, const struct mls_cached *one)
{
    uint32_t leaf = target_of(&one->proposal, one->sender);

    for (size_t i = 0; i < list->count; i++) {
        const struct mls_listed *other = &list->at[i];

        if (leaf != RF_MLS_NO_LEAF && leaf == target_of(&other->proposal, other->sender))
            return true;
        if (one->proposal.type == MLS_GROUP_CONTEXT_EXTENSIONS && other->proposal.type == one->proposal.type)
            return true;
        if (one->proposal.type == MLS_ADD && other->proposal.type == MLS_ADD &&
            rf_view_equal(one->proposal.add.leaf.signature_key, other->proposal.add.leaf.signature_key))
            return true;
    }
    return false;
}

/* adds_somebody: somebody will come in with this Commit, who cannot know secrets of epochs before. */
static bool adds_somebody(const struct rf_mls *group, const struct mls_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].proposal.type == MLS_ADD)
            return true;
    for (size_t i = 0; i < group->cached_count; i++)
        if (group->cached[i]->seen && group->cached[i]->proposal.type == MLS_ADD)
            return true;
    return false;
}

/* take_along adds the epoch's proposals that can be committed: removes first, since they win over updates, and of those the latest (section 12.2). Those of ours that
 * were not seen in the log are unknown to others. */
static int take_along(struct rf_mls *group, bool alone, struct mls_list *list)
{
    static const bool order[] = {true, false};
    bool adds = adds_somebody(group, list);
    int r = 0;

    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = group->cached_count; i-- > 0 && r == 0;) {
            const struct mls_cached *one = group->cached[i];

            if (!one->seen || (one->proposal.type == MLS_REMOVE) != order[pass] || collides(list, one) ||
                (adds && one->proposal.type == MLS_PSK && one->proposal.psk.type == MLS_PSK_RESUMPTION) ||
                (one->proposal.type == MLS_REINIT && (!alone || rf_mls_proposals(group) > 1)) ||
                check_alone(group, &one->proposal, one->sender, group->now->own) != 0)
                continue;
            r = mls_list_add(list, &one->proposal, one->sender, one);
        }
    return r;
}

/* trial: could this list be committed? Everything but the path is done on a copy. */
static int trial(struct rf_mls *group, const struct mls_list *list)
{
    struct mls_committer who = {false, group->now->own, NULL};
    struct mls_applied applied = {.psk_count = 0};
    uint8_t psk_secret[MLS_HASH_LEN];
    struct mls_epoch *next = NULL;
    int r;

    if ((r = mls_list_check(group, group->now, list, &who)) == 0 &&
        (r = mls_epoch_next(group->now, &next)) == 0 &&
        (r = mls_list_apply(&group->kit, group->now, next, list, &who, &applied)) == 0 &&
        (r = mls_next_check(group->now, next, &applied, true)) == 0)
        r = mls_list_psk_secret(group, list, applied.psk_count, psk_secret);
    rf_wipe(psk_secret, sizeof(psk_secret));
    mls_applied_deinit(&applied);
    mls_epoch_free(next);
    return r;
}

/* sift adds those of `count` candidates to the list that can be committed with what is in it: all of them, or what is left of each half. The others die with the
 * epoch; they must not keep it from ending. */
static int sift(struct rf_mls *group, const struct mls_listed *candidates, size_t count,
                struct mls_list *list)
{
    size_t before = list->count;
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        r = mls_list_add(list, &candidates[i].proposal, candidates[i].sender, candidates[i].cached);
    if (r != 0 || count == 0 || (r = trial(group, list)) == 0 || r == RF_ENOMEM || r == RF_ECRYPTO)
        return r;
    list->count = before;
    if (count == 1)
        return 0;
    r = sift(group, candidates, count / 2, list);
    return r != 0 ? r : sift(group, candidates + count / 2, count - count / 2, list);
}

/* leave_out: of the proposals behind the first `own`, only those stay that can be committed with them. */
static int leave_out(struct rf_mls *group, size_t own, struct mls_list *list)
{
    struct mls_list candidates;
    int r = 0;

    mls_list_init(&candidates, mls_mem(group));
    for (size_t i = own; i < list->count && r == 0; i++)
        r = mls_list_add(&candidates, &list->at[i].proposal, list->at[i].sender, list->at[i].cached);
    list->count = own;
    if (r == 0)
        r = sift(group, candidates.at, candidates.count, list);
    mls_list_deinit(&candidates);
    return r;
}

static int list_changes(struct rf_mls *group, const struct rf_mls_change *changes, size_t count,
                        struct rf_region *region, struct mls_list *list)
{
    uint8_t nonce[MLS_HASH_LEN];
    struct mls_proposal p;
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        if ((r = proposal_of(group, &changes[i], nonce, &p)) == 0 && (r = settle(region, &p)) == 0)
            r = mls_list_add(list, &p, (struct mls_sender){MLS_MEMBER, group->now->own}, NULL);
    return r;
}

/* needs_path: without a path only adds, PSKs and a ReInit may be committed (section 12.4). */
static bool needs_path(const struct mls_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].proposal.type != MLS_ADD && list->at[i].proposal.type != MLS_PSK &&
            list->at[i].proposal.type != MLS_REINIT)
            return true;
    return list->count == 0;
}

/* path_leaf: fills in the leaf of the path, and examines a credential that is new. */
static int path_leaf(const struct rf_mls *group, const struct rf_mls_commit_options *options,
                     struct mls_leaf *out)
{
    const struct mls_leaf *old = mls_tree_leaf(&group->now->tree, group->now->own);
    const struct rf_mls_rules *rules = group->env->rules;
    struct rf_buf encoded;
    int r = 0;

    *out = *old;
    if (options->credential.len == 0)
        return 0;
    out->credential.body = options->credential;
    rf_buf_init(&encoded, group->kit.mem, RF_MLS_MESSAGE_MAX_LEN);
    mls_credential_encode(&out->credential, &encoded);
    out->credential.whole = rf_buf_view(&encoded);
    if ((r = rf_buf_error(&encoded)) == 0 && (r = mls_leaf_identity_check(&group->kit, rules, out)) == 0)
        r = mls_successor(&group->kit, rules, old, out);
    rf_buf_deinit(&encoded);
    out->credential.whole = rf_view_of(NULL, 0);
    return r;
}

static int build(struct rf_mls *group, const struct mls_list *list,
                 const struct rf_mls_commit_options *options, struct rf_buf *out)
{
    struct mls_making making = {.group = group,
                                .from = group->now,
                                .list = list,
                                .who = {false, group->now->own, NULL},
                                .init = group->now->secrets.init,
                                .wire_format =
                                    options->send.public_message ? MLS_PUBLIC_MESSAGE : MLS_PRIVATE_MESSAGE,
                                .authenticated_data = options->send.authenticated_data,
                                .tree_in_welcome = options->tree_in_welcome};
    struct mls_pending *pending;
    struct mls_leaf leaf;
    int r;

    if ((r = mls_list_check(group, group->now, list, &making.who)) != 0)
        return r;
    if (!options->without_path || needs_path(list)) {
        if ((r = path_leaf(group, options, &leaf)) != 0)
            return r;
        making.fields = &leaf;
    }
    if ((r = mls_commit_make(&making, out, &pending)) != 0)
        return r;
    group->pending = pending;
    return 0;
}

int rf_mls_commit(struct rf_mls *group, const struct rf_mls_change *changes, size_t change_count,
                  const struct rf_mls_commit_options *options, struct rf_buf *out)
{
    static const struct rf_mls_commit_options none;
    struct rf_region region;
    struct mls_list list;
    int r;

    if (options == NULL)
        options = &none;
    if ((r = check_send(group, options->send.authenticated_data)) != 0)
        return r;
    if (group->pending != NULL)
        return RF_EBUSY; /* it may have left */
    if (group->dropped_count == RF_MLS_DROPPED_MAX)
        return RF_ELIMIT;
    mls_list_init(&list, mls_mem(group));
    rf_region_init(&region, mls_mem(group), RF_MLS_INFO_MAX_LEN);
    r = list_changes(group, changes, change_count, &region, &list);
    if (r == 0 && !options->without_proposals)
        r = take_along(group, change_count == 0, &list);
    if (r == 0)
        r = leave_out(group, change_count, &list);
    if (r == 0)
        r = build(group, &list, options, out);
    mls_list_deinit(&list);
    rf_region_deinit(&region);
    return r;
}
