/* process.c - the log's next message. */
#include "mls/commit.h"
#include "mls/mls.h"

/* head_of: group, epoch and kind of a message, which can be read without any key. */
static int head_of(const struct mls_message *m, struct rf_view *group_id, uint64_t *epoch,
                   uint8_t *content_type)
{
    if (m->wire_format == MLS_PUBLIC_MESSAGE) {
        *group_id = m->public.content.group_id;
        *epoch = m->public.content.epoch;
        *content_type = m->public.content.type;
        return m->public.content.authenticated_data.len <= RF_MLS_AAD_MAX_LEN ? 0 : RF_ELIMIT;
    }
    if (m->wire_format != MLS_PRIVATE_MESSAGE)
        return RF_EINVAL; /* not one for a log */
    *group_id = m->private.group_id;
    *epoch = m->private.epoch;
    *content_type = m->private.content_type;
    return 0;
}

/* epoch_of finds the epoch that a message is read in. */
static int epoch_of(struct rf_mls *group, uint64_t epoch, uint8_t content_type, struct mls_epoch **out)
{
    if (epoch > group->now->context.epoch)
        return RF_ENOTYET;
    if (epoch == group->now->context.epoch) {
        *out = group->now;
        return 0;
    }
    for (int i = 0; i < RF_MLS_PAST_EPOCHS && content_type == MLS_APPLICATION; i++)
        if (group->past[i] != NULL && group->past[i]->context.epoch == epoch) {
            *out = group->past[i];
            return 0;
        }
    return RF_EEXPIRED;
}

/* keep_lists: who came and went, for the event. The group owns them then, and `added` and `removed` are empty. */
static void keep_lists(struct rf_mls *group, struct mls_nodes *added, struct mls_nodes *removed,
                       struct rf_mls_event *out)
{
    mls_nodes_deinit(&group->added);
    mls_nodes_deinit(&group->removed);
    group->added = *added;
    group->removed = *removed;
    mls_nodes_init(added, mls_mem(group));
    mls_nodes_init(removed, mls_mem(group));
    out->added = group->added.at;
    out->added_count = group->added.count;
    out->removed = group->removed.at;
    out->removed_count = group->removed.count;
}

/* take_pending: our Commit stood in the log. */
static int take_pending(struct rf_mls *group, struct rf_mls_event *out)
{
    struct mls_pending *p = group->pending;
    struct mls_nodes added = p->added, removed = p->removed;
    struct rf_buf welcome = p->welcome;
    struct mls_epoch *next = p->next;
    bool closes = p->closes;
    uint64_t epoch = p->epoch;
    int r;

    p->next = NULL;
    rf_buf_init(&p->welcome, mls_mem(group), RF_MLS_INFO_MAX_LEN);
    mls_nodes_init(&p->added, mls_mem(group));
    mls_nodes_init(&p->removed, mls_mem(group));
    if ((r = mls_group_enter(group, next, &removed)) != 0) { /* frees p when it succeeds */
        p->added = added;
        p->removed = removed;
        p->next = next;
        p->welcome = welcome;
        return r;
    }
    rf_buf_deinit(&group->welcome);
    group->welcome = welcome;
    *out = (struct rf_mls_event){.type = RF_MLS_EVENT_COMMIT_OWN,
                                 .sender_type = RF_MLS_SENDER_MEMBER,
                                 .sender = next->own,
                                 .epoch = epoch};
    keep_lists(group, &added, &removed, out);
    if (closes) { /* a ReInit is committed alone: there is no Welcome */
        mls_group_leave(group, RF_MLS_CLOSED);
        out->type = RF_MLS_EVENT_CLOSED;
    }
    return 0;
}

static int take_commit(struct rf_mls *group, struct mls_frame *frame, struct rf_mls_event *out)
{
    struct mls_received got;
    int r = mls_commit_receive(group, frame, &got);

    out->beaten = group->pending != NULL;
    if (r == 0)
        out->sender = got.sender; /* who came in by itself has a leaf now */
    if (r == 0 && got.own_removed) {
        keep_lists(group, &got.added, &got.removed, out);
        out->type = RF_MLS_EVENT_REMOVED;
        mls_group_leave(group, RF_MLS_REMOVED);
    } else if (r == 0 && (r = mls_frame_accept(&group->kit, group->now, frame)) == 0 &&
               (r = mls_group_enter(group, got.next, &got.removed)) == 0) {
        got.next = NULL;
        keep_lists(group, &got.added, &got.removed, out);
        out->type = got.closes ? RF_MLS_EVENT_CLOSED : RF_MLS_EVENT_COMMIT;
        if (got.closes)
            mls_group_leave(group, RF_MLS_CLOSED);
    }
    mls_received_deinit(&got);
    return r;
}

static int take_proposal(struct rf_mls *group, struct mls_frame *frame, struct rf_view message,
                         struct rf_mls_event *out)
{
    struct mls_cached *cached;
    const struct rf_mls_rules *rules = group->env->rules;
    int r = mls_cache_room(group, frame->content.body.len);

    if (rules != NULL && rules->members_only && frame->content.sender.type != RF_MLS_SENDER_MEMBER)
        return RF_EFORBIDDEN;
    if (r != 0 || (r = mls_cache_add(group, frame, message, &cached)) != 0)
        return r;
    if ((r = mls_frame_accept(&group->kit, group->now, frame)) != 0) {
        group->cached_count--;
        rf_free(mls_mem(group), cached);
        return r;
    }
    cached->seen = true;
    out->type = RF_MLS_EVENT_PROPOSAL;
    out->change = (enum rf_mls_change_type)cached->proposal.type;
    out->leaf = out->change == RF_MLS_REMOVE ? cached->proposal.removed : RF_MLS_NO_LEAF;
    return 0;
}

/* own_again: is it a proposal that we made? It stands in the log now. Errors: RF_ENOTFOUND it is none, RF_ELIMIT nobody keeps it. */
static int own_again(struct rf_mls *group, const uint8_t hash[MLS_HASH_LEN])
{
    for (size_t i = 0; i < group->cached_count; i++) {
        struct mls_cached *one = group->cached[i];
        int r;

        if (!one->own || memcmp(one->message, hash, MLS_HASH_LEN) != 0)
            continue;
        if (!one->seen && (r = mls_cache_room(group, one->len)) != 0)
            return r;
        one->seen = true;
        return 0;
    }
    return RF_ENOTFOUND;
}

/* take: a message whose frame was opened. */
static int take(struct rf_mls *group, struct mls_epoch *epoch, struct mls_frame *frame,
                struct rf_view message, struct rf_mls_event *out)
{
    int r;

    *out = (struct rf_mls_event){.type = RF_MLS_EVENT_APPLICATION,
                                 .sender_type = (enum rf_mls_sender_type)frame->content.sender.type,
                                 .sender = frame->content.sender.index,
                                 .epoch = frame->content.epoch,
                                 .authenticated_data = frame->content.authenticated_data,
                                 .generation = frame->generation};
    if (frame->content.type == MLS_COMMIT)
        return take_commit(group, frame, out);
    if (frame->content.type == MLS_PROPOSAL)
        return take_proposal(group, frame, message, out);
    if ((r = mls_frame_accept(&group->kit, epoch, frame)) == 0)
        out->data = frame->content.body;
    return r;
}

static bool was_dropped(const struct rf_mls *group, const uint8_t hash[MLS_HASH_LEN])
{
    for (uint32_t i = 0; i < group->dropped_count; i++)
        if (memcmp(group->dropped[i], hash, MLS_HASH_LEN) == 0)
            return true;
    return false;
}

/* joining: only our own Commit is understood; another one of its epoch has beaten it. */
static int while_joining(struct rf_mls *group, const uint8_t hash[MLS_HASH_LEN], uint64_t epoch,
                         uint8_t content_type, struct rf_mls_event *out)
{
    if (group->pending == NULL)
        return RF_ENOTYET;
    if (memcmp(group->pending->message, hash, MLS_HASH_LEN) == 0)
        return take_pending(group, out);
    return content_type == MLS_COMMIT && epoch >= group->pending->epoch ? RF_ECONFLICT : RF_ENOTYET;
}

int rf_mls_process(struct rf_mls *group, struct rf_view bytes, struct rf_mls_event *out)
{
    uint8_t content_type, hash[MLS_HASH_LEN];
    struct mls_epoch *epoch = NULL;
    struct mls_message message;
    struct mls_frame frame;
    struct rf_view id;
    uint64_t number;
    int r;

    if (bytes.len > RF_MLS_MESSAGE_MAX_LEN)
        return RF_ELIMIT;
    if (group->state > RF_MLS_MEMBER)
        return RF_ECLOSED;
    if ((r = mls_message_decode(bytes, &message)) != 0 ||
        (r = head_of(&message, &id, &number, &content_type)) != 0)
        return r;
    if (!rf_view_equal(id, rf_buf_view(&group->id)))
        return RF_EMISMATCH;
    if ((r = mls_message_hash(&group->kit, bytes, hash)) != 0)
        return r;
    if (group->state == RF_MLS_JOINING)
        return while_joining(group, hash, number, content_type, out);
    if ((r = epoch_of(group, number, content_type, &epoch)) != 0)
        return r;
    if (group->pending != NULL && memcmp(group->pending->message, hash, sizeof(hash)) == 0)
        return take_pending(group, out);
    if (was_dropped(group, hash)) { /* others take it; another Commit of this epoch must not be taken by us */
        mls_group_leave(group, RF_MLS_REMOVED);
        return RF_ECANCELLED;
    }
    *out = (struct rf_mls_event){
        .type = RF_MLS_EVENT_OWN, .sender_type = RF_MLS_SENDER_MEMBER, .sender = epoch->own, .epoch = number};
    if ((r = own_again(group, hash)) != RF_ENOTFOUND)
        return r;
    r = message.wire_format == MLS_PUBLIC_MESSAGE
            ? mls_frame_open_public(&group->kit, epoch, &message, &frame)
            : mls_frame_open_private(&group->kit, epoch, &message.private, &frame);
    if (r != 0)
        return r;
    if (frame.own) /* forged, or of another life of ours: a Commit or Proposal of it has no place here */
        return content_type == MLS_APPLICATION ? 0 : RF_EDUPLICATE;
    if ((r = take(group, epoch, &frame, bytes, out)) != 0) {
        mls_frame_deinit(&frame);
        return r;
    }
    mls_frame_deinit(&group->opened);
    group->opened = frame;
    return 0;
}
