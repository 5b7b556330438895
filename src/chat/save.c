/*
 * save.c - the way to the disk. What a call changes is gathered in the open batch; chat_leave gives it away when no other one is under way. When it is on disk, what waited for that is done: messages leave,
 * commands are answered, people are told. A batch that the disk refuses is given again every 5 s, and nothing else happens meanwhile: so what is on disk is always a state that was.
 *
 * Should there be no memory to write something down, the engine stops for good (chat->broken): what is on disk is whole, and the next start goes on from there.
 */
#include "chat/internal.h"

#define RETRY_US      (5 * CHAT_S)
#define BATCH_MAX_LEN ((size_t)256 << 20)

static void batch_free(struct rf_chat *chat, struct chat_batch *batch)
{
    if (batch == NULL)
        return;
    rf_region_deinit(&batch->region);
    rf_free(chat->mem, batch->ops);
    rf_free(chat->mem, batch);
}

static struct chat_batch *open_batch(struct rf_chat *chat)
{
    struct chat_batch *batch = chat->disk.open;
    if (batch != NULL || chat->broken != 0)
        return chat->broken == 0 ? batch : NULL;
    batch = rf_zalloc(chat->mem, sizeof(*batch));
    if (batch == NULL) {
        save_break(chat);
        return NULL;
    }
    rf_region_init(&batch->region, chat->mem, BATCH_MAX_LEN);
    batch->last = &batch->first;
    return chat->disk.open = batch;
}

void save_break(struct rf_chat *chat)
{
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_DISK, .error = RF_ENOMEM};
    if (chat->broken != 0)
        return;
    chat->broken = RF_ENOMEM;
    if (chat->config.event != NULL)
        chat->config.event(chat->config.event_arg, &event);
}

struct rf_keep_op *save_op(struct rf_chat *chat, enum rf_keep_op_type type)
{
    struct chat_batch *batch = open_batch(chat);
    if (batch == NULL)
        return NULL;
    if (batch->count == batch->cap) {
        size_t cap = batch->cap == 0 ? 16 : 2 * batch->cap;
        struct rf_keep_op *ops = rf_resize(chat->mem, batch->ops, cap * sizeof(*ops));
        if (ops == NULL) {
            save_break(chat);
            return NULL;
        }
        batch->ops = ops;
        batch->cap = cap;
    }
    struct rf_keep_op *op = &batch->ops[batch->count++];
    memset(op, 0, sizeof(*op));
    op->type = type;
    return op;
}

struct rf_region *save_region(struct rf_chat *chat)
{
    struct chat_batch *batch = open_batch(chat);
    return batch == NULL ? NULL : &batch->region;
}

struct rf_view save_copy(struct rf_chat *chat, struct rf_view v)
{
    struct rf_region *region = save_region(chat);
    struct rf_view copy = {NULL, 0};
    if (region == NULL || v.len == 0)
        return copy;
    copy = rf_region_copy(region, v);
    if (copy.p == NULL) {
        save_break(chat);
        copy.len = 0;
    }
    return copy;
}

static void state_op(struct rf_chat *chat, const struct chat_conv *conv, enum rf_keep_op_type type,
                     enum chat_part part, struct rf_view name, struct rf_view value)
{
    struct rf_view kept_name = save_copy(chat, name), kept = save_copy(chat, value);
    struct rf_keep_op *op = save_op(chat, type);
    if (op == NULL)
        return;
    if (conv != NULL)
        memcpy(op->state.conversation, conv->id, sizeof(conv->id));
    op->state.part = part;
    op->state.name = kept_name;
    op->state.value = kept;
}

void save_state(struct rf_chat *chat, const struct chat_conv *conv, enum chat_part part, struct rf_view name,
                struct rf_view value)
{
    state_op(chat, conv, RF_KEEP_STATE_PUT, part, name, value);
}

void save_drop(struct rf_chat *chat, const struct chat_conv *conv, enum chat_part part, struct rf_view name)
{
    state_op(chat, conv, RF_KEEP_STATE_DELETE, part, name, rf_view_of(NULL, 0));
}

/* ---- what waits for it ---- */

struct chat_after *save_after(struct rf_chat *chat, const struct chat_conv *conv, chat_after_fn fn)
{
    struct rf_region *region = save_region(chat);
    struct chat_after *after = region == NULL ? NULL : rf_region_alloc(region, sizeof(*after));
    if (after == NULL) {
        save_break(chat);
        return NULL;
    }
    after->fn = fn;
    if (conv != NULL)
        memcpy(after->conversation, conv->id, sizeof(conv->id));
    *chat->disk.open->last = after;
    chat->disk.open->last = &after->next;
    return after;
}

static void do_done(struct rf_chat *chat, const struct chat_after *after)
{
    const struct rf_chat_result *result = after->data;
    (void)chat;
    after->done(after->done_arg, result);
}

void save_done(struct rf_chat *chat, const struct chat_conv *conv, rf_chat_done_fn done, void *arg, int error,
               const struct rf_keep_name *name)
{
    struct rf_chat_result now = {.error = error, .why = error != 0 ? rf_error_text(error) : ""};
    if (done == NULL)
        return;
    if (conv != NULL)
        memcpy(now.conversation, conv->id, sizeof(conv->id));
    if (name != NULL)
        now.name = *name;
    struct chat_after *after = save_after(chat, conv, do_done);
    struct rf_chat_result *result =
        after == NULL ? NULL : rf_region_alloc(&chat->disk.open->region, sizeof(*result));
    if (result == NULL) {
        if (after != NULL)
            *after = (struct chat_after){.next = after->next};
        now.error = RF_ENOMEM;
        now.why = rf_error_text(RF_ENOMEM);
        done(arg, &now);
        return;
    }
    *result = now;
    after->data = result;
    after->done = done;
    after->done_arg = arg;
}

static void do_event(struct rf_chat *chat, const struct chat_after *after)
{
    const struct rf_chat_event *event = after->data;
    if (chat->config.event != NULL)
        chat->config.event(chat->config.event_arg, event);
}

void save_event(struct rf_chat *chat, const struct rf_chat_event *event)
{
    struct chat_after *after = save_after(chat, NULL, do_event);
    struct rf_chat_event *copy = NULL;
    struct rf_keep_entry *entry = NULL;
    struct rf_chat_presence *presence = NULL;
    if (after == NULL)
        return;
    after->fn = NULL;
    struct rf_region *region = &chat->disk.open->region;
    copy = rf_region_alloc(region, sizeof(*copy));
    if (event->entry != NULL)
        entry = rf_region_alloc(region, sizeof(*entry));
    if (event->presence != NULL)
        presence = rf_region_alloc(region, sizeof(*presence));
    if (copy == NULL || (event->entry != NULL && entry == NULL) ||
        (event->presence != NULL && presence == NULL) ||
        (event->entry != NULL && rf_keep_entry_copy(region, event->entry, entry) != 0)) {
        save_break(chat);
        return;
    }
    *copy = *event;
    copy->user = save_copy(chat, event->user);
    copy->text = save_copy(chat, event->text);
    if (event->entry != NULL)
        copy->entry = entry;
    if (event->presence != NULL) {
        *presence = *event->presence;
        presence->text = save_copy(chat, presence->text);
        copy->presence = presence;
    }
    after->fn = do_event;
    after->data = copy;
}

/* ---- giving it away ---- */

static void retry_fired(struct rf_timer *timer, void *arg)
{
    struct rf_chat *chat = arg;
    (void)timer;
    chat_enter(chat);
    if (chat->disk.flying != NULL)
        chat->config.keep->commit(chat->config.keep->arg, ++chat->disk.token, chat->disk.flying->ops,
                                  chat->disk.flying->count);
    chat_leave(chat);
}

void save_init(struct rf_chat *chat)
{
    rf_timer_init(&chat->disk.retry, retry_fired, chat);
}

/* Commands whose answers wait in a batch that will not come to the disk any more. */
static void batch_cancel(struct rf_chat *chat, struct chat_batch *batch)
{
    struct rf_chat_result result = {.error = RF_ECANCELLED, .why = rf_error_text(RF_ECANCELLED)};
    for (struct chat_after *a = batch != NULL ? batch->first : NULL; a != NULL; a = a->next)
        if (a->done != NULL)
            a->done(a->done_arg, &result);
    batch_free(chat, batch);
}

void save_deinit(struct rf_chat *chat)
{
    rf_timer_stop(chat->env->timers, &chat->disk.retry);
    batch_cancel(chat, chat->disk.flying);
    batch_cancel(chat, chat->disk.open);
    chat->disk = (struct chat_disk){.open = NULL};
}

static void encode_dirty(struct rf_chat *chat, struct chat_conv *conv)
{
    struct rf_buf out;
    rf_buf_init(&out, chat->mem, 1 << 20);
    if ((conv->dirty & DIRTY_CORE) != 0) {
        conv_encode(conv, &out);
        if (rf_buf_error(&out) != 0)
            save_break(chat);
        save_state(chat, conv, PART_CORE, rf_view_of(NULL, 0), rf_buf_view(&out));
    }
    if ((conv->dirty & DIRTY_ROSTER) != 0)
        save_state(chat, conv, PART_ROSTER, rf_view_of(NULL, 0), rf_buf_view(&conv->roster));
    group_encode(conv);
    conv->dirty = 0;
    rf_buf_deinit(&out);
}

/* What no disk takes is a mistake of ours, not the disk's: repeated, it would hold everything up for ever. A history does without a line; without a piece of state nothing goes on. */
static void leave_out_bad(struct rf_chat *chat, struct chat_batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct rf_keep_op *op = &batch->ops[i];
        bool good = rf_keep_ops_check(op, 1) == 0;
        if (!good && (op->type == RF_KEEP_STATE_PUT || op->type == RF_KEEP_STATE_DELETE))
            save_break(chat);
        if (good)
            batch->ops[kept++] = *op;
        else
            chat->counters.changes_unfit++;
    }
    batch->count = kept;
}

void save_flush(struct rf_chat *chat)
{
    struct chat_disk *disk = &chat->disk;
    if (disk->flying != NULL || chat->broken != 0 || chat->freeing || !chat->loaded)
        return;
    RF_LIST_EACH(&chat->order, it)
    {
        struct chat_conv *conv = RF_LIST_ENTRY(it, struct chat_conv, list);
        if (conv->dirty != 0 || conv->fresh.len > 0)
            encode_dirty(chat, conv);
    }
    if (disk->open != NULL)
        leave_out_bad(chat, disk->open);
    if (disk->open == NULL || chat->broken != 0)
        return;
    disk->flying = disk->open;
    disk->open = NULL;
    chat->config.keep->commit(chat->config.keep->arg, ++disk->token, disk->flying->ops, disk->flying->count);
}

static void kept_bad(struct rf_chat *chat, int error)
{
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_DISK, .error = error};
    chat->counters.commits_failed++;
    chat_timer(chat, &chat->disk.retry, RETRY_US);
    if (!chat->disk.failing && chat->config.event != NULL)
        chat->config.event(chat->config.event_arg, &event);
    chat->disk.failing = true;
}

void rf_chat_kept(struct rf_chat *chat, uint64_t token, int error)
{
    struct chat_batch *batch = chat->disk.flying;
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_DISK};
    if (batch == NULL || token != chat->disk.token || chat->freeing)
        return;
    chat_enter(chat);
    if (error != 0) {
        kept_bad(chat, error);
        chat_leave(chat);
        return;
    }
    if (chat->disk.failing && chat->config.event != NULL)
        chat->config.event(chat->config.event_arg, &event);
    chat->disk.failing = false;
    chat->disk.flying = NULL;
    for (struct chat_after *a = batch->first; a != NULL; a = a->next)
        if (a->fn != NULL)
            a->fn(chat, a);
    batch_free(chat, batch);
    RF_LIST_EACH(&chat->order, it)
    {
        log_kick(RF_LIST_ENTRY(it, struct chat_conv, list)); /* reading waits for the disk */
    }
    chat_leave(chat);
}
