/* commit_make.c - Commits of our own: the next epoch is built beside the current one and stays pending until the log shows the Commit. */
#include "mls/commit.h"

#include "mls/bytes.h"

/* What the steps of making a Commit share. */
struct work {
    struct mls_making *m;
    const struct mls_kit *kit;
    struct mls_applied applied;
    struct mls_epoch *next;
    struct mls_path_draft draft;
    struct rf_buf body; /* the Commit */
    struct mls_frame frame;
    uint8_t psk_secret[MLS_HASH_LEN], joiner[MLS_HASH_LEN], tag[MLS_HASH_LEN];
};

static void put_list(const struct mls_list *list, struct rf_buf *out)
{
    size_t mark = mls_open(out);

    for (size_t i = 0; i < list->count; i++) {
        const struct mls_listed *one = &list->at[i];

        rf_buf_u8(out, one->cached != NULL ? MLS_BY_REFERENCE : MLS_BY_VALUE);
        if (one->cached != NULL)
            mls_put_v(out, rf_view_of(one->cached->ref, MLS_HASH_LEN));
        else
            mls_proposal_encode(&one->proposal, out);
    }
    mls_close(out, mark);
}

static int set_context(struct work *w, struct rf_view confirmed)
{
    const struct mls_group_context *old = &w->m->from->context;

    return mls_epoch_set_context(w->kit, w->next, old->group_id, old->epoch + 1, confirmed,
                                 w->applied.extensions);
}

/* build_tree: the list and the path, and the Commit that says so. */
static int build_tree(struct work *w)
{
    struct mls_making *m = w->m;
    const struct mls_group_context *old = &m->from->context;
    int r;

    if ((r = mls_epoch_next(m->from, &w->next)) != 0 ||
        (r = mls_list_apply(w->kit, m->from, w->next, m->list, &m->who, &w->applied)) != 0)
        return r;
    w->next->own = m->who.leaf;
    if (w->applied.path_required && m->fields == NULL)
        return RF_EINVAL;
    if (m->fields != NULL && (r = mls_path_make(w->kit, &w->next->tree, m->who.leaf, m->fields, old->group_id,
                                                m->group->key, &w->next->keys, &w->draft)) != 0)
        return r;
    if ((r = mls_next_check(m->from, w->next, &w->applied,
                            m->fields != NULL || w->applied.added.count > 0)) != 0 ||
        (r = set_context(w, old->confirmed_transcript_hash)) != 0)
        return r;
    put_list(m->list, &w->body);
    rf_buf_bool(&w->body, m->fields != NULL);
    if (m->fields != NULL)
        r = mls_path_encode(w->kit, &w->next->tree, m->who.leaf, &w->draft, &w->applied.added,
                            rf_buf_view(&w->next->context_bytes), &w->body);
    return r != 0 ? r : rf_buf_error(&w->body);
}

/* sign: the frame, the transcript with it, and the new epoch's secrets. */
static int sign(struct work *w)
{
    struct mls_making *m = w->m;
    uint8_t confirmed[MLS_HASH_LEN];
    struct rf_view hash = rf_view_of(confirmed, sizeof(confirmed));
    struct mls_content content = {
        .group_id = m->from->context.group_id,
        .epoch = m->from->context.epoch,
        .sender = {m->who.external ? MLS_NEW_MEMBER_COMMIT : MLS_MEMBER, m->from->own},
        .authenticated_data = m->authenticated_data,
        .type = MLS_COMMIT,
        .body = rf_buf_view(&w->body)};
    int r;

    if ((r = mls_frame_sign(w->kit, m->from, m->group->key, &content, m->wire_format, &w->frame)) != 0 ||
        (r = mls_confirmed_hash(w->kit, rf_view_of(m->from->interim, MLS_HASH_LEN), m->wire_format,
                                w->frame.content.whole, w->frame.auth.signature, confirmed)) != 0 ||
        (r = set_context(w, hash)) != 0 ||
        (r = mls_list_psk_secret(m->group, m->list, w->applied.psk_count, w->psk_secret)) != 0 ||
        (r = mls_joiner(w->kit, m->init, w->draft.commit_secret, rf_buf_view(&w->next->context_bytes),
                        w->joiner)) != 0 ||
        (r = mls_epoch_start(w->kit, w->next, w->joiner, w->psk_secret)) != 0 ||
        (r = mls_confirmation_tag(w->kit, &w->next->secrets, hash, w->tag)) != 0)
        return r;
    w->frame.auth.confirmation_tag = rf_view_of(w->tag, sizeof(w->tag));
    return mls_interim_hash(w->kit, hash, w->frame.auth.confirmation_tag, w->next->interim);
}

/* finish: the message, the Welcome, and the object that waits for the log. */
static int finish(struct work *w, struct rf_buf *out, struct mls_pending *p)
{
    struct mls_making *m = w->m;
    struct mls_welcoming welcoming = {w->kit, w->next,   m->group->key, m->list,           &w->applied,
                                      NULL,   w->joiner, w->psk_secret, m->tree_in_welcome};
    size_t before = out->len;
    int r;

    if (m->fields != NULL)
        welcoming.draft = &w->draft;
    if ((r = mls_frame_put(w->kit, m->from, &w->frame, 1, out)) != 0)
        return r;
    if (out->len - before > RF_MLS_MESSAGE_MAX_LEN)
        r = RF_ELIMIT;
    if (r == 0)
        r = mls_message_hash(w->kit, rf_view_of(out->p + before, out->len - before), p->message);
    if (r == 0 && w->applied.added.count > 0)
        r = mls_welcome_put(&welcoming, &p->welcome);
    if (r == 0)
        r = mls_applied_take(&w->applied, m->who.external ? m->who.leaf : RF_MLS_NO_LEAF, &p->added,
                             &p->removed);
    if (r != 0) {
        out->len = before;
        return r;
    }
    p->epoch = m->from->context.epoch;
    p->closes = w->applied.closes;
    p->next = w->next;
    w->next = NULL;
    return 0;
}

int mls_commit_make(struct mls_making *making, struct rf_buf *out, struct mls_pending **pending)
{
    struct rf_mem *mem = mls_mem(making->group);
    struct work w = {.m = making, .kit = &making->group->kit};
    struct mls_pending *made = rf_zalloc(mem, sizeof(*made));
    int r = RF_ENOMEM;

    rf_buf_init(&w.body, mem, RF_MLS_MESSAGE_MAX_LEN);
    if (made != NULL) {
        rf_buf_init(&made->welcome, mem, RF_MLS_INFO_MAX_LEN);
        mls_nodes_init(&made->added, mem);
        mls_nodes_init(&made->removed, mem);
        if ((r = build_tree(&w)) == 0 && (r = sign(&w)) == 0)
            r = finish(&w, out, made);
    }
    if (r == 0)
        *pending = made;
    else
        mls_pending_free(making->group, made);
    mls_epoch_free(w.next);
    mls_applied_deinit(&w.applied);
    mls_frame_deinit(&w.frame);
    rf_buf_deinit(&w.body);
    rf_wipe(&w.draft, sizeof(w.draft));
    rf_wipe(w.psk_secret, sizeof(w.psk_secret));
    rf_wipe(w.joiner, sizeof(w.joiner));
    return r;
}
