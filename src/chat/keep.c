/* keep.c - limits, copies and bytes of what is kept of conversations, and the queue of jobs between the engine and a store. */
#include "chat/keep.h"

#define ENTRY_VERSION 1

/* ---- limits ---- */

static bool name_good(const struct rf_keep_name *name)
{
    return name->device.len >= RF_ID_MIN_LEN && name->device.len <= RF_ID_MAX_LEN && name->sequence >= 1 &&
           name->sequence <= RF_KEEP_MAX_INDEX;
}

static bool no_name(const struct rf_keep_name *name)
{
    return name->device.len == 0 && name->sequence == 0;
}

static bool principal_good(struct rf_view principal)
{
    return principal.len >= 1 && principal.len <= RF_KEEP_MAX_PRINCIPAL;
}

static bool is_one(const uint8_t conversation[RF_KEEP_CONVERSATION_LEN])
{
    static const uint8_t none[RF_KEEP_CONVERSATION_LEN];

    return memcmp(conversation, none, sizeof(none)) != 0;
}

static bool entry_good(const struct rf_keep_entry *e)
{
    if (!name_good(&e->name) || !(no_name(&e->reply_to) || name_good(&e->reply_to)))
        return false;
    if (e->index > RF_KEEP_MAX_INDEX || e->sender.len > RF_KEEP_MAX_PRINCIPAL ||
        e->deleted_by.len > RF_KEEP_MAX_PRINCIPAL)
        return false;
    if (e->text.len > RF_KEEP_MAX_TEXT || e->content.len > RF_KEEP_MAX_BYTES ||
        e->raw.len > RF_KEEP_MAX_BYTES)
        return false;
    return e->deleted_ms == 0 || (e->text.len == 0 && e->content.len == 0 && e->raw.len == 0);
}

static bool change_good(enum rf_keep_op_type type, const struct rf_keep_change *c)
{
    switch (type) {
    case RF_KEEP_FORGET:
        return is_one(c->conversation);
    case RF_KEEP_ENTRY_MOVE:
        return name_good(&c->target) && c->index <= RF_KEEP_MAX_INDEX;
    case RF_KEEP_ENTRY_EDIT:
        return name_good(&c->target) && c->time_ms > 0 && c->text.len <= RF_KEEP_MAX_TEXT &&
               c->content.len <= RF_KEEP_MAX_BYTES;
    case RF_KEEP_ENTRY_DELETE:
        return name_good(&c->target) && c->time_ms > 0 && c->by.len <= RF_KEEP_MAX_PRINCIPAL;
    case RF_KEEP_ENTRY_REMOVE:
        return name_good(&c->target);
    case RF_KEEP_REACT:
    case RF_KEEP_UNREACT:
        return name_good(&c->target) && principal_good(c->by) && c->text.len >= 1 &&
               c->text.len <= RF_KEEP_MAX_REACTION;
    default:
        return false;
    }
}

static bool op_good(const struct rf_keep_op *op)
{
    switch (op->type) {
    case RF_KEEP_STATE_PUT:
    case RF_KEEP_STATE_DELETE:
        return op->state.name.len <= RF_KEEP_MAX_NAME && op->state.value.len <= RF_KEEP_MAX_BYTES;
    case RF_KEEP_ENTRY_PUT:
        return is_one(op->entry.conversation) && entry_good(&op->entry);
    case RF_KEEP_MARK:
        return principal_good(op->mark.principal) && op->mark.index <= RF_KEEP_MAX_INDEX;
    default:
        return change_good(op->type, &op->change);
    }
}

int rf_keep_ops_check(const struct rf_keep_op *ops, size_t op_count)
{
    for (size_t i = 0; i < op_count; i++)
        if (!op_good(&ops[i]))
            return RF_EINVAL;
    return 0;
}

/* ---- copies ---- */

/* Each replaces a borrowed view by one into the region; false: no memory. */
static bool take(struct rf_region *region, struct rf_view *v)
{
    if (v->len == 0) {
        *v = rf_view_of(NULL, 0);
        return true;
    }
    *v = rf_region_copy(region, *v);
    return v->p != NULL;
}

static bool take_reactions(struct rf_region *region, struct rf_keep_entry *e)
{
    struct rf_keep_reaction *copy = rf_region_array(region, e->reaction_count, sizeof(*copy));

    if (copy == NULL)
        return false;
    for (size_t i = 0; i < e->reaction_count; i++) {
        copy[i] = e->reactions[i];
        if (!take(region, &copy[i].sender) || !take(region, &copy[i].reaction))
            return false;
    }
    e->reactions = copy;
    return true;
}

int rf_keep_entry_copy(struct rf_region *region, const struct rf_keep_entry *entry, struct rf_keep_entry *out)
{
    *out = *entry;
    return take(region, &out->sender) && take(region, &out->text) && take(region, &out->content) &&
                   take(region, &out->raw) && take(region, &out->deleted_by) && take_reactions(region, out)
               ? 0
               : RF_ENOMEM;
}

static bool take_op(struct rf_region *region, struct rf_keep_op *op)
{
    switch (op->type) {
    case RF_KEEP_STATE_PUT:
    case RF_KEEP_STATE_DELETE:
        return take(region, &op->state.name) && take(region, &op->state.value);
    case RF_KEEP_ENTRY_PUT:
        op->entry.reaction_count = 0; /* of answers only */
        return rf_keep_entry_copy(region, &op->entry, &op->entry) == 0;
    case RF_KEEP_MARK:
        return take(region, &op->mark.principal);
    default:
        return take(region, &op->change.by) && take(region, &op->change.text) &&
               take(region, &op->change.content);
    }
}

int rf_keep_ops_copy(struct rf_region *region, const struct rf_keep_op *ops, size_t op_count,
                     struct rf_keep_op **out)
{
    struct rf_keep_op *copy = rf_region_array(region, op_count, sizeof(*copy));

    if (copy == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < op_count; i++) {
        copy[i] = ops[i];
        if (!take_op(region, &copy[i]))
            return RF_ENOMEM;
    }
    *out = copy;
    return 0;
}

int rf_keep_query_copy(struct rf_region *region, const struct rf_keep_query *query, struct rf_keep_query *out)
{
    *out = *query;
    return take(region, &out->words) && take(region, &out->sender) ? 0 : RF_ENOMEM;
}

/* ---- bytes ---- */

void rf_keep_entry_encode(const struct rf_keep_entry *entry, struct rf_buf *out)
{
    if (!entry_good(entry)) {
        rf_buf_fail(out, RF_EINVAL);
        return;
    }
    rf_buf_u8(out, ENTRY_VERSION);
    rf_buf_u16(out, entry->kind);
    rf_buf_u32(out, entry->flags);
    rf_buf_v(out, 1, entry->sender);
    rf_buf_v(out, 1, rf_id_view(&entry->name.device));
    rf_buf_u64(out, entry->name.sequence);
    rf_buf_u64(out, entry->sent_ms);
    rf_buf_u64(out, entry->received_ms);
    rf_buf_v(out, 1, rf_id_view(&entry->reply_to.device));
    rf_buf_u64(out, entry->reply_to.sequence);
    rf_buf_put(out, entry->hash, sizeof(entry->hash));
    rf_buf_u64(out, entry->edited_ms);
    rf_buf_u64(out, entry->deleted_ms);
    rf_buf_v(out, 1, entry->deleted_by);
    rf_buf_v(out, 3, entry->text);
    rf_buf_v(out, 4, entry->content);
}

static int take_name(struct rf_view *in, struct rf_keep_name *out)
{
    struct rf_view device;
    int r;

    if ((r = rf_view_v(in, 1, &device)) != 0 || (r = rf_view_u64(in, &out->sequence)) != 0)
        return r;
    if (device.len == 0)
        return out->sequence == 0 ? 0 : RF_EFORMAT;
    return rf_id_from(device, &out->device);
}

int rf_keep_entry_decode(struct rf_view in, struct rf_keep_entry *out)
{
    struct rf_keep_entry e;
    struct rf_view hash;
    uint8_t version;
    int r;

    memset(&e, 0, sizeof(e));
    if ((r = rf_view_u8(&in, &version)) != 0)
        return r;
    if (version != ENTRY_VERSION)
        return RF_EVERSION;
    if ((r = rf_view_u16(&in, &e.kind)) != 0 || (r = rf_view_u32(&in, &e.flags)) != 0 ||
        (r = rf_view_v(&in, 1, &e.sender)) != 0 || (r = take_name(&in, &e.name)) != 0 ||
        (r = rf_view_u64(&in, &e.sent_ms)) != 0 || (r = rf_view_u64(&in, &e.received_ms)) != 0 ||
        (r = take_name(&in, &e.reply_to)) != 0 || (r = rf_view_take(&in, RF_KEEP_HASH_LEN, &hash)) != 0 ||
        (r = rf_view_u64(&in, &e.edited_ms)) != 0 || (r = rf_view_u64(&in, &e.deleted_ms)) != 0 ||
        (r = rf_view_v(&in, 1, &e.deleted_by)) != 0 || (r = rf_view_v(&in, 3, &e.text)) != 0 ||
        (r = rf_view_v(&in, 4, &e.content)) != 0)
        return r;
    memcpy(e.hash, hash.p, sizeof(e.hash));
    if (in.len > 0)
        return RF_ELENGTH;
    if (!entry_good(&e))
        return RF_EFORMAT;
    *out = e;
    return 0;
}

/* ---- jobs ---- */

static struct rf_keep_job *job_new(struct rf_keep_queue *queue, uint64_t token)
{
    struct rf_keep_job *job = rf_zalloc(queue->mem, sizeof(*job));

    RF_ASSERT(job != NULL); /* a token must be answered */
    job->mem = queue->mem;
    job->token = token;
    job->epoch = queue->epoch;
    rf_region_init(&job->region, queue->mem, SIZE_MAX / 2);
    rf_list_push_back(&queue->jobs, &job->list);
    return job;
}

static void queue_commit(void *arg, uint64_t token, const struct rf_keep_op *ops, size_t op_count)
{
    struct rf_keep_queue *queue = arg;
    struct rf_keep_job *job = job_new(queue, token);

    job->error = rf_keep_ops_check(ops, op_count);
    if (job->error == 0)
        job->error = rf_keep_ops_copy(&job->region, ops, op_count, &job->ops);
    if (job->error == 0)
        job->op_count = op_count;
    if (queue->ready != NULL)
        queue->ready(queue->ready_arg);
}

static void queue_query(void *arg, uint64_t token, const struct rf_keep_query *query)
{
    struct rf_keep_queue *queue = arg;
    struct rf_keep_job *job = job_new(queue, token);

    job->is_query = true;
    job->answer.error = rf_keep_query_copy(&job->region, query, &job->query);
    if (queue->ready != NULL)
        queue->ready(queue->ready_arg);
}

void rf_keep_queue_init(struct rf_keep_queue *queue, struct rf_mem *mem)
{
    memset(queue, 0, sizeof(*queue));
    queue->keep = (struct rf_keep){.commit = queue_commit, .query = queue_query, .arg = queue};
    queue->mem = mem;
    rf_list_init(&queue->jobs);
}

void rf_keep_queue_deinit(struct rf_keep_queue *queue)
{
    RF_LIST_EACH_SAFE(&queue->jobs, it)
    {
        rf_keep_job_free(RF_LIST_ENTRY(it, struct rf_keep_job, list));
    }
}

void rf_keep_queue_take(struct rf_keep_queue *queue, struct rf_list *out)
{
    RF_LIST_EACH_SAFE(&queue->jobs, it)
    {
        rf_list_remove(it);
        rf_list_push_back(out, it);
    }
}

#define GROUP_MAX 256 /* commits of one transaction */

/* A commit did not come to be: those that build on it must not either. */
static void fail(struct rf_keep_queue *queue, struct rf_keep_job *job, int error)
{
    job->error = error;
    if (error != 0 && queue->failed <= job->epoch)
        queue->failed = job->epoch + 1;
}

static void apply_group(struct rf_keep_queue *queue, struct rf_keep_store *store, struct rf_keep_job **group,
                        size_t count)
{
    struct rf_keep_batch batches[GROUP_MAX];

    for (size_t i = 0; i < count; i++)
        batches[i] = (struct rf_keep_batch){group[i]->ops, group[i]->op_count};
    if (count == 0 || (count > 1 && store->ops->apply(store, batches, count) == 0))
        return;
    for (size_t i = 0; i < count; i++)
        if (group[i]->epoch < queue->failed)
            group[i]->error = RF_ECANCELLED;
        else
            fail(queue, group[i], store->ops->apply(store, &batches[i], 1));
}

/* Applies the commits from `it` on until something else comes; returns what does. */
static struct rf_list *run_commits(struct rf_keep_queue *queue, struct rf_keep_store *store,
                                   struct rf_list *jobs, struct rf_list *it)
{
    struct rf_keep_job *group[GROUP_MAX];
    size_t count = 0;

    for (; it != jobs && count < GROUP_MAX; it = it->next) {
        struct rf_keep_job *job = RF_LIST_ENTRY(it, struct rf_keep_job, list);
        if (job->is_query)
            break;
        if (job->error != 0) { /* could not even be copied: what came before it is done first */
            if (count > 0)
                break;
            fail(queue, job, job->error);
        } else if (job->epoch < queue->failed) {
            job->error = RF_ECANCELLED;
        } else {
            group[count++] = job;
        }
    }
    apply_group(queue, store, group, count);
    return it;
}

void rf_keep_jobs_run(struct rf_keep_queue *queue, struct rf_keep_store *store, struct rf_list *jobs)
{
    for (struct rf_list *it = jobs->next; it != jobs;) {
        struct rf_keep_job *job = RF_LIST_ENTRY(it, struct rf_keep_job, list);
        if (!job->is_query) {
            it = run_commits(queue, store, jobs, it);
            continue;
        }
        if (job->answer.error == 0)
            store->ops->query(store, &job->query, &job->region, &job->answer);
        it = it->next;
    }
}

void rf_keep_queue_told(struct rf_keep_queue *queue, const struct rf_keep_job *job)
{
    if (!job->is_query && job->error != 0 && job->epoch == queue->epoch)
        queue->epoch++;
}

void rf_keep_job_free(struct rf_keep_job *job)
{
    rf_list_remove(&job->list);
    rf_region_deinit(&job->region);
    rf_free(job->mem, job);
}
