/*
 * out.c - what is to be sent: kept, encrypted when its turn comes, on disk, appended to the log, until it stands there.
 *
 *   queued -> sealed (encrypted for the epoch of the moment) -> durable -> appended (tried) -> acknowledged -> read in the log, where it ends
 *
 * An append that is not answered is repeated with the same bytes, which the home knows by. What comes to stand in the log too many epochs late is sealed anew under the same name: nobody could read the first one.
 * One entry is under way at a time, so a device's entries stand in the order in which they were written; handshakes go before messages.
 */
#include "chat/internal.h"

#define UNSEEN_US           (60 * CHAT_S) /* acknowledged, and not in the log all that time: once more */
#define MARK_US             (2 * CHAT_S)
#define MARK_MAX_USERS      16   /* in larger ones nobody is told who has read what: it would fill the log */
#define MESSAGE_REST        3000 /* of a message, around an entry */
#define PIECE_MIN_LEN       500
#define OUT_MAX_LEN         (RF_MLS_MESSAGE_MAX_LEN + 4096)
#define OUT_WELCOME_MAX_LEN ((size_t)3 << 20) /* more than that readers do not put together */

static void out_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    chat_enter(conv->chat);
    out_kick(conv);
    chat_leave(conv->chat);
}

static void mark_fired(struct rf_timer *timer, void *arg);

void out_init(struct chat_conv *conv)
{
    rf_list_init(&conv->outs);
    rf_timer_init(&conv->out_timer, out_fired, conv);
    rf_timer_init(&conv->mark_timer, mark_fired, conv);
}

static void out_free(struct chat_conv *conv, struct chat_out *out)
{
    rf_list_remove(&out->list);
    rf_buf_deinit(&out->plain);
    rf_buf_deinit(&out->sealed);
    rf_free(conv->chat->mem, out);
    conv->out_count--;
}

void out_deinit(struct chat_conv *conv)
{
    rf_timer_stop(conv->chat->env->timers, &conv->out_timer);
    rf_timer_stop(conv->chat->env->timers, &conv->mark_timer);
    while (!rf_list_empty(&conv->outs))
        out_free(conv, RF_LIST_ENTRY(conv->outs.next, struct chat_out, list));
}

/* ---- kept ---- */

static struct rf_view out_name(uint64_t sequence, uint8_t name[8])
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, name, 8);
    rf_buf_u64(&buf, sequence);
    return rf_buf_view(&buf);
}

static void out_save(struct chat_conv *conv, const struct chat_out *out)
{
    struct rf_buf buf;
    uint8_t name[8];
    rf_buf_init(&buf, conv->chat->mem, OUT_MAX_LEN + OUT_WELCOME_MAX_LEN + 4096);
    rf_buf_u8(&buf, (uint8_t)out->type);
    rf_buf_bool(&buf, out->shown);
    rf_buf_u16(&buf, out->pieces);
    rf_buf_u64(&buf, out->sent_ms);
    rf_buf_u64(&buf, out->epoch);
    rf_buf_v(&buf, 4, rf_buf_view(&out->plain));
    rf_buf_v(&buf, 4, rf_buf_view(&out->sealed));
    if (rf_buf_error(&buf) != 0)
        save_break(conv->chat);
    save_state(conv->chat, conv, PART_OUT, out_name(out->sequence, name), rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

static struct chat_out *out_new(struct chat_conv *conv, enum out_type type, uint64_t sequence,
                                uint16_t pieces)
{
    struct chat_out *out = rf_zalloc(conv->chat->mem, sizeof(*out));
    if (out == NULL)
        return NULL;
    out->type = type;
    out->sequence = sequence;
    out->pieces = pieces;
    rf_buf_init(&out->plain, conv->chat->mem, OUT_MAX_LEN);
    rf_buf_init(&out->sealed, conv->chat->mem, type == OUT_WELCOME ? OUT_WELCOME_MAX_LEN : OUT_MAX_LEN);
    struct rf_list *at = &conv->outs; /* in order of sequence */
    while (at->prev != &conv->outs && RF_LIST_ENTRY(at->prev, struct chat_out, list)->sequence > sequence)
        at = at->prev;
    rf_list_push_back(at, &out->list);
    conv->out_count++;
    return out;
}

static int load_rest(struct chat_out *out, struct rf_view value)
{
    struct rf_view plain, sealed;
    int error = rf_view_u64(&value, &out->sent_ms);
    if (error == 0)
        error = rf_view_u64(&value, &out->epoch);
    if (error == 0)
        error = rf_view_v(&value, 4, &plain);
    if (error == 0)
        error = rf_view_v(&value, 4, &sealed);
    if (error != 0)
        return RF_EFORMAT;
    rf_buf_view_put(&out->plain, plain);
    rf_buf_view_put(&out->sealed, sealed);
    out->durable = out->tried = sealed.len > 0;
    return rf_buf_error(&out->plain) != 0 ? RF_ENOMEM : rf_buf_error(&out->sealed) != 0 ? RF_ENOMEM : 0;
}

int out_load(struct chat_conv *conv, struct rf_view name, struct rf_view value)
{
    uint64_t sequence = 0;
    uint8_t type = 0;
    bool shown = false;
    uint16_t pieces = 0;
    if (rf_view_u64(&name, &sequence) != 0 || name.len != 0 || rf_view_u8(&value, &type) != 0 ||
        rf_view_bool(&value, &shown) != 0 || rf_view_u16(&value, &pieces) != 0 || type < OUT_SAY ||
        type > OUT_KNOCK || pieces == 0 || pieces > PARCEL_MAX_PIECES)
        return RF_EFORMAT;
    struct chat_out *out = out_new(conv, (enum out_type)type, sequence, pieces);
    if (out == NULL)
        return RF_ENOMEM;
    out->shown = shown;
    return load_rest(out, value);
}

struct chat_out *out_find(const struct chat_conv *conv, uint64_t sequence)
{
    RF_LIST_EACH(&conv->outs, it)
    {
        struct chat_out *out = RF_LIST_ENTRY(it, struct chat_out, list);
        if (out->sequence == sequence)
            return out;
    }
    return NULL;
}

void out_remove(struct chat_conv *conv, struct chat_out *out)
{
    uint8_t name[8];
    save_drop(conv->chat, conv, PART_OUT, out_name(out->sequence, name));
    out_free(conv, out);
}

void out_drop(struct chat_conv *conv, enum out_type type)
{
    RF_LIST_EACH_SAFE(&conv->outs, it)
    {
        struct chat_out *out = RF_LIST_ENTRY(it, struct chat_out, list);
        if (out->type == type)
            out_remove(conv, out);
    }
}

void out_unseal(struct chat_conv *conv, struct chat_out *out)
{
    rf_buf_reset(&out->sealed);
    out->durable = out->tried = false;
    out->acked = 0;
    out_save(conv, out);
}

/* ---- queued ---- */

/* Bytes of a piece: an entry travels in one message, with signature and certificates. */
size_t out_piece_len(const struct rf_chat *chat)
{
    size_t message = chat->conf->max_message_size;
    size_t len = message > MESSAGE_REST + PIECE_MIN_LEN ? message - MESSAGE_REST : PIECE_MIN_LEN;
    return len < PARCEL_MAX_LEN ? len : PARCEL_MAX_LEN;
}

static size_t pieces_for(const struct chat_conv *conv, size_t len)
{
    return (len + out_piece_len(conv->chat) - 1) / out_piece_len(conv->chat);
}

int out_say(struct chat_conv *conv, struct rf_view items, bool shown, struct rf_keep_name *name)
{
    size_t pieces = pieces_for(conv, items.len + 2048); /* head, padding, signature and tag */
    if (conv->out_count >= CHAT_MAX_UNSENT)
        return RF_EBUSY;
    if (pieces > PARCEL_MAX_PIECES)
        return RF_ELIMIT;
    struct chat_out *out = out_new(conv, OUT_SAY, conv->sequence, (uint16_t)pieces);
    if (out == NULL)
        return RF_ENOMEM;
    rf_buf_view_put(&out->plain, items);
    if (rf_buf_error(&out->plain) != 0) {
        out_free(conv, out);
        return RF_ENOMEM;
    }
    conv->sequence += pieces;
    out->shown = shown;
    out->sent_ms = conv->chat->env->now->wall_ms;
    if (name != NULL)
        *name = (struct rf_keep_name){conv->chat->config.identity->node_id, out->sequence};
    conv->dirty |= DIRTY_CORE;
    out_save(conv, out);
    return 0;
}

static void now_durable(struct rf_chat *chat, const struct chat_after *after)
{
    struct chat_conv *conv = chat_conv_find(chat, after->conversation);
    struct chat_out *out = conv != NULL ? out_find(conv, after->number) : NULL;
    if (out == NULL || out->sealed.len == 0 || out->made != after->made)
        return; /* what was made since waits for its own batch */
    out->durable = true;
    out_kick(conv);
}

static void wait_for_disk(struct chat_conv *conv, struct chat_out *out)
{
    out_save(conv, out);
    struct chat_after *after = save_after(conv->chat, conv, now_durable);
    out->made = ++conv->chat->made;
    if (after != NULL) {
        after->number = out->sequence;
        after->made = out->made;
    }
}

int out_message(struct chat_conv *conv, enum out_type type, struct rf_view message, uint64_t *sequence)
{
    size_t pieces = pieces_for(conv, message.len);
    if (pieces > PARCEL_MAX_PIECES)
        return RF_ELIMIT;
    struct chat_out *out = out_new(conv, type, conv->handshake, (uint16_t)pieces);
    if (out == NULL)
        return RF_ENOMEM;
    rf_buf_view_put(&out->sealed, message);
    int error = rf_buf_error(&out->sealed);
    if (error != 0) {
        out_free(conv, out);
        return error; /* RF_ELIMIT: too long a one, which is no lack of memory */
    }
    conv->handshake += pieces;
    out->sent_ms = conv->chat->env->now->wall_ms;
    out->epoch = conv->group != NULL ? rf_mls_epoch(conv->group) : 0;
    conv->dirty |= DIRTY_CORE;
    if (type == OUT_HANDSHAKE)
        conv->dirty |= DIRTY_GROUP; /* its secrets must not be lost when it stands in the log */
    wait_for_disk(conv, out);
    if (sequence != NULL)
        *sequence = out->sequence;
    return 0;
}

/* ---- sealed ---- */

static void seal(struct chat_conv *conv, struct chat_out *out)
{
    static const uint8_t nothing[CHAT_CHAIN_LEN];
    struct rf_chat *chat = conv->chat;
    struct rf_buf say;
    rf_buf_init(&say, chat->mem, OUT_MAX_LEN);
    say_begin(out->sent_ms, conv->chain_known ? conv->next : 0, conv->chain_known ? conv->chain : nothing,
              &say);
    rf_buf_view_put(&say, rf_buf_view(&out->plain));
    rf_buf_reset(&out->sealed);
    int error = rf_buf_error(&say);
    if (error == 0)
        error = rf_mls_encrypt(conv->group, rf_buf_view(&say), rf_view_of(NULL, 0), 0, &out->sealed);
    rf_buf_deinit(&say);
    if (error == RF_ENOMEM)
        save_break(chat);
    if (error != 0) {
        rf_buf_reset(&out->sealed);
        return;
    }
    out->epoch = rf_mls_epoch(conv->group);
    out->tried = out->durable = false;
    out->acked = 0;
    conv->dirty |= DIRTY_SENT;
    if (rf_mls_sent(conv->group) >= CHAT_SENT_MAX)
        change_tidy_soon(conv, false);
    wait_for_disk(conv, out);
}

/* ---- sent ---- */

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct chat_conv *conv = arg;
    struct rf_chat *chat = conv->chat;
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    conv->storing = false;
    struct chat_out *out = out_find(conv, conv->storing_sequence);
    if (result->error != 0) {
        chat->counters.appends_failed++;
        chat_timer(chat, &conv->out_timer, chat_backoff(chat, &conv->out_pause_us));
    } else {
        chat->counters.appends++;
        conv->out_pause_us = 0;
        if (out != NULL) {
            out->acked++;
            out->acked_us = chat->env->now->mono_us;
        }
        if (conv->log_next <= conv->next && conv->group != NULL) /* there is one more at least */
            conv->log_next = conv->next + 1;
        log_kick(conv);
        out_kick(conv);
    }
    chat_leave(chat);
}

static void append(struct chat_conv *conv, struct chat_out *out)
{
    struct rf_chat *chat = conv->chat;
    struct rf_buf content, value;
    size_t part = (out->sealed.len + out->pieces - 1) / out->pieces, at = part * out->acked;
    size_t len = out->sealed.len - at < part ? out->sealed.len - at : part;
    struct parcel parcel = {.type = out->type == OUT_WELCOME ? PARCEL_WELCOME
                                    : out->type == OUT_KNOCK ? PARCEL_KNOCK
                                                             : PARCEL_MLS,
                            .piece = (uint16_t)out->acked,
                            .pieces = out->pieces,
                            .bytes = rf_view_of(out->sealed.p + at, len)};
    rf_buf_init(&content, chat->mem, 1 << 17);
    rf_buf_init(&value, chat->mem, 1 << 17);
    parcel_encode(&parcel, &content);
    struct rf_entry entry = {.sequence = out->sequence + out->acked, .content = rf_buf_view(&content)};
    rf_entry_encode(&entry, &value);
    int error = rf_buf_error(&content) != 0 ? RF_ENOMEM : rf_buf_error(&value);
    if (error == 0)
        error = chat->config.net.store(chat->config.net.ctx, &conv->resource, RF_KIND_LOG,
                                       rf_view_of("\xff\xff\xff\xff", 4), true, rf_buf_view(&value),
                                       CHAT_LOG_S, on_stored, conv);
    rf_buf_deinit(&content);
    rf_buf_deinit(&value);
    conv->storing = error == 0;
    conv->storing_sequence = out->sequence;
    out->tried = true;
    if (error != 0)
        chat_timer(chat, &conv->out_timer, chat_backoff(chat, &conv->out_pause_us));
}

/* What stood acknowledged for long and is not in the log is sent once more. */
static bool waits_to_be_seen(struct chat_conv *conv, struct chat_out *out)
{
    struct rf_chat *chat = conv->chat;
    if (out->acked < out->pieces)
        return false;
    uint64_t due_us = out->acked_us + UNSEEN_US;
    if (chat->env->now->mono_us < due_us || !log_caught_up(conv)) {
        chat_timer(chat, &conv->out_timer, UNSEEN_US);
        return true;
    }
    out->acked = 0;
    return false;
}

/* The next one whose turn it is: handshakes first; NULL: nothing can be sent now. */
static struct chat_out *pick(struct chat_conv *conv)
{
    bool may_say = conv->state == RF_CHAT_MEMBER && log_caught_up(conv);
    for (int handshakes = 1; handshakes >= 0; handshakes--) {
        RF_LIST_EACH(&conv->outs, it)
        {
            struct chat_out *out = RF_LIST_ENTRY(it, struct chat_out, list);
            if ((out->type != OUT_SAY) != (handshakes != 0) || (out->type == OUT_SAY && !may_say) ||
                waits_to_be_seen(conv, out))
                continue;
            return out;
        }
    }
    return NULL;
}

void out_kick(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    if (!chat->online || chat->freeing || chat->broken != 0 || conv->storing || rf_list_empty(&conv->outs))
        return;
    if (rf_timer_is_set(&conv->out_timer) && conv->out_pause_us > 0)
        return;
    struct chat_out *out = pick(conv);
    if (out == NULL)
        return;
    if (out->type == OUT_SAY && out->sealed.len > 0 && !out->tried && out->epoch != rf_mls_epoch(conv->group))
        rf_buf_reset(&out->sealed);
    if (out->type == OUT_SAY && out->sealed.len == 0) {
        if (rf_mls_proposals(conv->group) > 0)
            change_tidy_soon(conv, true); /* nothing is said before that is committed */
        else
            seal(conv, out);
    } else if (out->durable) {
        append(conv, out);
    }
}

/* ---- marks ---- */

static bool tells_marks(const struct chat_conv *conv)
{
    return conv->state == RF_CHAT_MEMBER && conv->users.count <= MARK_MAX_USERS;
}

static void put_mark(enum rf_chat_mark kind, uint64_t next, struct rf_buf *items)
{
    uint8_t bytes[9];
    struct rf_buf body;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_buf_u8(&body, (uint8_t)kind);
    rf_buf_u64(&body, next - 1);
    item_put(ITEM_MARK, rf_buf_view(&body), items);
}

static void mark_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    uint8_t bytes[64];
    struct rf_buf items;
    (void)timer;
    chat_enter(conv->chat);
    rf_buf_fixed(&items, bytes, sizeof(bytes));
    if (tells_marks(conv) && conv->read_index > conv->told_read)
        put_mark(RF_CHAT_MARK_READ, conv->read_index, &items);
    else if (tells_marks(conv) && conv->delivered_index > conv->told_delivered)
        put_mark(RF_CHAT_MARK_DELIVERED, conv->delivered_index, &items);
    if (items.len > 0 && out_say(conv, rf_buf_view(&items), false, NULL) == 0) {
        conv->told_read = conv->read_index;
        conv->told_delivered = conv->delivered_index;
        out_kick(conv);
    }
    chat_leave(conv->chat);
}

void out_mark(struct chat_conv *conv)
{
    if (conv->direct && conv->next > conv->delivered_index) {
        conv->delivered_index = conv->next;
        conv->dirty |= DIRTY_CORE;
    }
    bool read = conv->read_index > conv->told_read, delivered = conv->delivered_index > conv->told_delivered;
    if (tells_marks(conv) && (read || delivered) && !rf_timer_is_set(&conv->mark_timer))
        chat_timer(conv->chat, &conv->mark_timer, MARK_US);
}
