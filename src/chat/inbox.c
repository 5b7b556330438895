/*
 * inbox.c - what users tell each other before they share a conversation: notes in inboxes. A device has one place in each user's inbox, so what it has to say to him stands there together; it is stored again when it
 * changes, at most every 11 s, and forgotten after a week, or when it was answered.
 */
#include "chat/internal.h"
#include "base/text.h"

#define PAUSE_US (11 * CHAT_S) /* the home refuses a second one within 10 s */
#define NOTE_MS  (UINT64_C(7) * 24 * 3600 * 1000)
#define CLEAR_MS                                                                                             \
    (UINT64_C(24) * 3600 * 1000) /* what was read goes then: the user's other devices read it before */
#define LETTER_MAX    1800
#define NOTES_MAX     100 /* for one user */
#define STRANGERS_MAX 100 /* invitations that wait, */
#define STRANGER_MAX  4   /* ... of one who is no contact */

/* ---- users ---- */

struct chat_peer *peer_find(const struct rf_chat *chat, struct rf_view name)
{
    struct rf_map_node *node = rf_map_find(&chat->peers, name);
    return node == NULL ? NULL : RF_CONTAINER(node, struct chat_peer, node);
}

static void peer_fired(struct rf_timer *timer, void *arg)
{
    struct chat_peer *peer = arg;
    (void)timer;
    chat_enter(peer->chat);
    peer_kick(peer);
    chat_leave(peer->chat);
}

/* One that nothing is known of any more goes, so that another one has room. */
static void make_room(struct rf_chat *chat)
{
    RF_LIST_EACH(&chat->peer_order, it)
    {
        struct chat_peer *peer = RF_LIST_ENTRY(it, struct chat_peer, list);
        if (peer->contact != 0 || peer->has_direct || !rf_list_empty(&peer->notes) || peer->writing ||
            peer->done != NULL || peer->asking)
            continue;
        save_drop(chat, NULL, PART_PEER, rf_buf_view(&peer->name));
        peer_free(peer);
        return;
    }
}

struct chat_peer *peer_get(struct rf_chat *chat, struct rf_view name)
{
    struct chat_peer *peer = peer_find(chat, name);
    if (peer == NULL && chat->peers.count >= CHAT_MAX_PEERS)
        make_room(chat);
    if (peer != NULL || chat->peers.count >= CHAT_MAX_PEERS)
        return peer;
    peer = rf_zalloc(chat->mem, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    peer->chat = chat;
    rf_list_init(&peer->list);
    rf_list_init(&peer->notes);
    rf_buf_init(&peer->name, chat->mem, 255);
    rf_buf_init(&peer->note, chat->mem, 1024);
    rf_buf_init(&peer->status, chat->mem, 1024);
    rf_timer_init(&peer->timer, peer_fired, peer);
    rf_buf_view_put(&peer->name, name);
    if (rf_buf_error(&peer->name) != 0 || chat_resource_of(chat, name, &peer->resource) != 0 ||
        rf_map_insert(&chat->peers, &peer->node) != 0) {
        rf_buf_deinit(&peer->name);
        rf_free(chat->mem, peer);
        return NULL;
    }
    rf_list_push_back(&chat->peer_order, &peer->list);
    return peer;
}

static void note_free(struct chat_peer *peer, struct chat_note *note)
{
    rf_list_remove(&note->list);
    rf_buf_deinit(&note->body);
    rf_free(peer->chat->mem, note);
}

void peer_free(struct chat_peer *peer)
{
    struct rf_chat *chat = peer->chat;
    struct rf_chat_result result = {.error = RF_ECANCELLED, .why = rf_error_text(RF_ECANCELLED)};
    rf_timer_stop(chat->env->timers, &peer->timer);
    presence_watch(peer, false);
    chat->config.net.cancel(chat->config.net.ctx, peer);
    if (peer->done != NULL)
        peer->done(peer->done_arg, &result);
    while (!rf_list_empty(&peer->notes))
        note_free(peer, RF_LIST_ENTRY(peer->notes.next, struct chat_note, list));
    rf_map_remove(&chat->peers, &peer->node);
    rf_list_remove(&peer->list);
    rf_buf_deinit(&peer->name);
    rf_buf_deinit(&peer->note);
    rf_buf_deinit(&peer->status);
    rf_free(chat->mem, peer);
}

void peer_save(struct chat_peer *peer)
{
    struct rf_buf buf;
    rf_buf_init(&buf, peer->chat->mem, 1 << 18);
    rf_buf_u8(&buf, 1);
    rf_buf_u8(&buf, peer->contact);
    rf_buf_bool(&buf, peer->has_direct);
    rf_buf_put(&buf, peer->direct, sizeof(peer->direct));
    rf_buf_u64(&buf, peer->since_ms);
    rf_buf_v(&buf, 2, rf_buf_view(&peer->note));
    RF_LIST_EACH(&peer->notes, it)
    {
        const struct chat_note *note = RF_LIST_ENTRY(it, struct chat_note, list);
        rf_buf_u8(&buf, (uint8_t)note->type);
        rf_buf_put(&buf, note->conversation, sizeof(note->conversation));
        rf_buf_u64(&buf, note->until_ms);
        rf_buf_v(&buf, 2, rf_buf_view(&note->body));
    }
    if (rf_buf_error(&buf) != 0)
        save_break(peer->chat);
    save_state(peer->chat, NULL, PART_PEER, rf_buf_view(&peer->name), rf_buf_view(&buf));
    rf_buf_deinit(&buf);
}

static struct chat_note *note_new(struct chat_peer *peer, enum note_type type, struct rf_view body)
{
    struct chat_note *note = rf_zalloc(peer->chat->mem, sizeof(*note));
    if (note == NULL)
        return NULL;
    note->type = type;
    rf_buf_init(&note->body, peer->chat->mem, 4096);
    rf_buf_view_put(&note->body, body);
    rf_list_push_back(&peer->notes, &note->list);
    return note;
}

static int load_notes(struct chat_peer *peer, struct rf_view value)
{
    while (value.len > 0) {
        uint8_t type = 0;
        uint64_t until_ms = 0;
        struct rf_view conversation, body;
        if (rf_view_u8(&value, &type) != 0 || rf_view_take(&value, RF_CONVERSATION_LEN, &conversation) != 0 ||
            rf_view_u64(&value, &until_ms) != 0 || rf_view_v(&value, 2, &body) != 0)
            return RF_EFORMAT;
        if (until_ms <= peer->chat->env->now->wall_ms)
            continue;
        struct chat_note *note = note_new(peer, (enum note_type)type, body);
        if (note == NULL)
            return RF_ENOMEM;
        memcpy(note->conversation, conversation.p, conversation.len);
        note->until_ms = until_ms;
    }
    return 0;
}

int peer_load(struct rf_chat *chat, struct rf_view name, struct rf_view value)
{
    uint8_t version = 0;
    struct rf_view direct, note;
    struct chat_peer *peer = peer_get(chat, name);
    if (peer == NULL)
        return RF_ENOMEM;
    if (rf_view_u8(&value, &version) != 0 || version != 1 || rf_view_u8(&value, &peer->contact) != 0 ||
        rf_view_bool(&value, &peer->has_direct) != 0 ||
        rf_view_take(&value, sizeof(peer->direct), &direct) != 0 ||
        rf_view_u64(&value, &peer->since_ms) != 0 || rf_view_v(&value, 2, &note) != 0)
        return RF_EFORMAT;
    memcpy(peer->direct, direct.p, direct.len);
    chat_set(&peer->note, note);
    int error = load_notes(peer, value);
    peer->notes_changed = !rf_list_empty(&peer->notes); /* it may not have been written */
    return error;
}

/* ---- what we have to say ---- */

static void unnote(struct chat_peer *peer, enum note_type type, const uint8_t *conversation)
{
    RF_LIST_EACH_SAFE(&peer->notes, it)
    {
        struct chat_note *note = RF_LIST_ENTRY(it, struct chat_note, list);
        if (note->type == type &&
            (conversation == NULL || memcmp(note->conversation, conversation, RF_CONVERSATION_LEN) == 0)) {
            note_free(peer, note);
            peer->notes_changed = true;
        }
    }
}

void peer_unnote(struct chat_peer *peer, enum note_type type, const uint8_t *conversation)
{
    bool before = peer->notes_changed;
    peer->notes_changed = false;
    unnote(peer, type, conversation);
    if (peer->notes_changed)
        peer_save(peer);
    peer->notes_changed |= before;
    peer_kick(peer);
}

static void peer_kept(struct rf_chat *chat, const struct chat_after *after)
{
    const struct rf_view *name = after->data;
    struct chat_peer *peer = peer_find(chat, *name);
    if (peer != NULL)
        peer_kick(peer);
}

/* Those whose time is over, and the oldest of too many. */
static void forget_notes(struct chat_peer *peer)
{
    size_t count = 0;
    RF_LIST_EACH(&peer->notes, it)
    {
        count++;
    }
    RF_LIST_EACH_SAFE(&peer->notes, it)
    {
        struct chat_note *note = RF_LIST_ENTRY(it, struct chat_note, list);
        if (note->until_ms <= peer->chat->env->now->wall_ms || count > NOTES_MAX) {
            note_free(peer, note);
            count--;
        }
    }
}

int peer_note(struct chat_peer *peer, enum note_type type, const uint8_t conversation[RF_CONVERSATION_LEN],
              struct rf_view body)
{
    struct rf_chat *chat = peer->chat;
    unnote(peer, type, conversation);
    struct chat_note *note = note_new(peer, type, body);
    if (note == NULL || rf_buf_error(&note->body) != 0)
        return RF_ENOMEM;
    if (conversation != NULL)
        memcpy(note->conversation, conversation, RF_CONVERSATION_LEN);
    note->until_ms = chat->env->now->wall_ms + NOTE_MS;
    forget_notes(peer);
    peer->notes_changed = true;
    peer_save(peer);
    struct chat_after *after = save_after(chat, NULL, peer_kept);
    struct rf_view *name = after == NULL ? NULL : rf_region_alloc(save_region(chat), sizeof(*name));
    if (name == NULL)
        return RF_ENOMEM;
    *name = save_copy(chat, rf_buf_view(&peer->name));
    after->data = name;
    return 0;
}

/* What fits, the newest first. */
static void put_notes(struct chat_peer *peer, struct rf_buf *out)
{
    uint64_t now_ms = peer->chat->env->now->wall_ms;
    rf_buf_u8(out, 1);
    for (struct rf_list *it = peer->notes.prev; it != &peer->notes; it = it->prev) {
        const struct chat_note *note = RF_LIST_ENTRY(it, struct chat_note, list);
        if (note->until_ms > now_ms && out->len + note->body.len + 3 <= peer->room)
            note_put(note->type, rf_buf_view(&note->body), out);
    }
}

static void told(struct chat_peer *peer, int error)
{
    rf_chat_done_fn done = peer->done;
    peer->done = NULL;
    save_done(peer->chat, NULL, done, peer->done_arg, error, NULL);
}

static void on_written(void *arg, const struct rf_store_result *result)
{
    struct chat_peer *peer = arg;
    struct rf_chat *chat = peer->chat;
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    peer->writing = false;
    if (result->error != 0) {
        peer->notes_changed = true;
        uint64_t pause = chat_backoff(chat, &peer->pause_us);
        chat_timer(chat, &peer->timer, pause < PAUSE_US ? PAUSE_US : pause);
    } else {
        peer->pause_us = 0;
        chat_timer(chat, &peer->timer, PAUSE_US);
        told(peer, 0);
    }
    chat_leave(chat);
}

static int write_letter(struct chat_peer *peer, struct rf_view doors, size_t count)
{
    struct rf_chat *chat = peer->chat;
    struct rf_buf plain, letter, value;
    rf_buf_init(&plain, chat->mem, 4096);
    rf_buf_init(&letter, chat->mem, 4096);
    rf_buf_init(&value, chat->mem, 4096);
    peer->room = LETTER_MAX - count * 110;
    put_notes(peer, &plain);
    bool any = plain.len > 1;
    int error = rf_buf_error(&plain);
    if (error == 0 && any)
        error = letter_seal(chat, doors, rf_id_view(&peer->resource), rf_buf_view(&plain), &letter);
    if (error == 0 && any)
        rf_note_encode(rf_buf_view(&letter), &value);
    error = error != 0 ? error : rf_buf_error(&value);
    if (error == 0)
        error = chat->config.net.store(chat->config.net.ctx, &peer->resource, RF_KIND_INBOX,
                                       rf_id_view(&chat->config.identity->node_id), any, rf_buf_view(&value),
                                       NOTE_MS / 1000, on_written, peer);
    rf_buf_deinit(&plain);
    rf_buf_deinit(&letter);
    rf_buf_deinit(&value);
    return error;
}

/* The door keys of the user's devices. */
static size_t gather_doors(struct chat_peer *peer, const struct rf_fetch_result *result, struct rf_buf *doors)
{
    size_t count = 0;
    for (size_t i = 0; i < result->value_count && count < 12; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        struct rf_view content;
        struct offer offer;
        if (!v->exists || v->signer == NULL ||
            rf_id_equal(&v->signer->node_id, &peer->chat->config.identity->node_id) ||
            !rf_view_equal(v->signer->cert->user, rf_buf_view(&peer->name)) ||
            rf_note_decode(v->value, &content) != 0 || offer_decode(content, &offer) != 0)
            continue;
        rf_buf_v(doors, 1, offer.door);
        count++;
    }
    return count;
}

static void on_doors(void *arg, const struct rf_fetch_result *result)
{
    struct chat_peer *peer = arg;
    struct rf_chat *chat = peer->chat;
    struct rf_buf doors;
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    rf_buf_init(&doors, chat->mem, 4096);
    size_t count = result->error == 0 ? gather_doors(peer, result, &doors) : 0;
    int error = result->error;
    if (count == 0 && error == 0 &&
        rf_view_equal(rf_buf_view(&peer->name), chat->config.identity->cert->user)) {
        peer->notes_changed = false; /* this is the only device */
        peer->writing = false;
        rf_buf_deinit(&doors);
        chat_leave(chat);
        return;
    }
    if (count == 0 && (error == 0 || error == RF_ENOTFOUND)) {
        told(peer, RF_ENOTFOUND); /* nobody of that name has a device that could read it, until now */
        error = RF_ENOTFOUND;
    }
    if (error == 0)
        error = write_letter(peer, rf_buf_view(&doors), count);
    if (error == 0) {
        peer->notes_changed = false;
    } else {
        peer->writing = false;
        chat_timer(chat, &peer->timer, chat_backoff(chat, &peer->pause_us));
    }
    rf_buf_deinit(&doors);
    chat_leave(chat);
}

void peer_kick(struct chat_peer *peer)
{
    struct rf_chat *chat = peer->chat;
    if (!chat->online || chat->freeing || chat->broken != 0)
        return;
    if (peer->contact == RF_CHAT_CONTACT_ACCEPTED)
        presence_watch(peer, true);
    if (!peer->notes_changed || peer->writing || rf_timer_is_set(&peer->timer))
        return;
    bool had = !rf_list_empty(&peer->notes);
    forget_notes(peer);
    if (had &&
        rf_list_empty(&peer->notes)) { /* nobody could be told in time; what stands there ends by itself */
        peer->notes_changed = false;
        peer_save(peer);
        return;
    }
    int error =
        chat->config.net.lookup(chat->config.net.ctx, &peer->resource, RF_KIND_KEY_PACKAGE, on_doors, peer);
    peer->writing = error == 0;
    if (error != 0)
        chat_timer(chat, &peer->timer, chat_backoff(chat, &peer->pause_us));
}

/* ---- what others have to say ---- */

/* Whose invitations are accepted by themselves, and never too many. */
static bool is_friend(const struct rf_chat *chat, const struct rf_signer *signer)
{
    const struct chat_peer *peer = peer_find(chat, signer->cert->user);
    return (peer != NULL && peer->contact == RF_CHAT_CONTACT_ACCEPTED) ||
           rf_view_equal(chat_principal_of(signer->cert), chat->principal); /* or ourselves */
}

/* Has this one too many that wait already? */
static bool invites_too_much(const struct rf_chat *chat, const struct rf_signer *signer)
{
    size_t count = 0, his = 0;
    RF_LIST_EACH(&chat->order, it)
    {
        const struct chat_conv *conv = RF_LIST_ENTRY(it, const struct chat_conv, list);
        bool waits =
            conv->state == RF_CHAT_INVITED || (conv->state == RF_CHAT_JOINING && conv->refused_ms != 0);
        count += waits;
        his += waits && rf_view_equal(rf_buf_view(&conv->inviter), chat_principal_of(signer->cert));
    }
    return !is_friend(chat, signer) && (count >= STRANGERS_MAX || his >= STRANGER_MAX);
}

static void invited(struct chat_conv *conv, const struct invite *invite, const struct rf_signer *signer)
{
    struct rf_chat *chat = conv->chat;
    struct chat_peer *peer = peer_find(chat, signer->cert->user);
    bool friend = is_friend(chat, signer);
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_INVITED,
                                  .of_conversation = true,
                                  .user = chat_principal_of(signer->cert),
                                  .text = invite->text};
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    memcpy(conv->nonce, invite->nonce.p, sizeof(conv->nonce));
    chat_set(&conv->creator, invite->creator);
    chat_set(&conv->inviter, chat_principal_of(signer->cert));
    chat_set(&conv->note, invite->text);
    chat_set(&conv->title, invite->title);
    conv->direct = invite->direct;
    if (invite->direct)
        chat_set(&conv->peer, chat_principal_of(signer->cert));
    conv->scan = invite->from;
    conv->log_next = conv->next > invite->from ? conv->next : invite->from;
    conv->kept = true;
    if (friend && invite->direct && peer != NULL && !peer->has_direct) {
        peer->has_direct = true;
        memcpy(peer->direct, conv->id, sizeof(conv->id));
        peer_save(peer);
    }
    save_event(chat, &event);
    conv_set_state(conv, friend ? RF_CHAT_JOINING : RF_CHAT_INVITED);
    log_kick(conv);
}

static void take_invite(struct rf_chat *chat, struct rf_view body, const struct rf_signer *signer)
{
    struct invite invite;
    uint8_t id[RF_CONVERSATION_LEN];
    if (invite_decode(body, &invite) != 0 ||
        rf_conversation_id(chat->config.crypto, invite.nonce, invite.creator, id) != 0) {
        chat->counters.notes_refused++;
        return;
    }
    struct chat_conv *conv = chat_conv_find(chat, id);
    if (conv == NULL && !invites_too_much(chat, signer) && conv_new(chat, id, &conv) == 0)
        invited(conv, &invite, signer);
    else if (conv == NULL)
        chat->counters.notes_refused++;
    else if (conv->state == RF_CHAT_ENDED && invite.from >= conv->next)
        invited(conv, &invite, signer); /* brought in once more */
    else if (conv->state == RF_CHAT_INVITED &&
             rf_view_equal(chat_principal_of(signer->cert), chat->principal))
        (void)rf_chat_accept(chat, id, NULL, NULL); /* another device of ours has */
    else if (conv->state == RF_CHAT_JOINING && conv->group == NULL && invite.from > conv->scan &&
             (rf_view_equal(chat_principal_of(signer->cert), rf_buf_view(&conv->inviter)) ||
              rf_view_equal(chat_principal_of(signer->cert), chat->principal)))
        conv->scan = invite.from;
}

static void take_letter(struct rf_chat *chat, const struct rf_fetched_value *value)
{
    struct rf_view content, list, body;
    struct rf_buf plain;
    uint8_t type = 0;
    rf_buf_init(&plain, chat->mem, 4096);
    int error = rf_note_decode(value->value, &content);
    if (error == 0)
        error = letter_open(chat, rf_id_view(&chat->inbox), content, &plain);
    if (error == 0)
        error = notes_check(rf_buf_view(&plain), &list);
    if (error != 0)
        chat->counters.notes_refused++;
    while (error == 0 && note_next(&list, &type, &body) == 0) {
        if (type == NOTE_INVITE)
            take_invite(chat, body, value->signer);
        else if (type == NOTE_REQUEST && body.len <= RF_CHAT_MAX_NOTE && rf_utf8_valid(body))
            contact_request(chat, value->signer->cert->user, body);
        else if (type == NOTE_ACCEPTED || type == NOTE_REFUSED)
            contact_answer(chat, value->signer->cert->user, type == NOTE_ACCEPTED);
    }
    rf_buf_deinit(&plain);
}

static void note_read(struct rf_chat *chat, const struct rf_id *device, uint64_t time_ms)
{
    uint8_t bytes[16];
    struct rf_buf buf;
    struct chat_seen *s = seen_add(chat, &chat->noted, device, time_ms);
    if (s == NULL) {
        save_break(chat);
        return;
    }
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_buf_u64(&buf, s->highest);
    rf_buf_u64(&buf, 0);
    save_state(chat, NULL, PART_NOTE, rf_id_view(device), rf_buf_view(&buf));
}

static void on_removed(void *arg, const struct rf_store_result *result)
{
    (void)arg, (void)result; /* what stays is removed another time, or ends by itself */
}

void inbox_take(struct rf_chat *chat, const struct rf_fetched_value *value)
{
    const struct rf_id *device = &value->signer->node_id;
    struct rf_map_node *node = chat_find_id(&chat->noted, device);
    const struct chat_peer *peer = peer_find(chat, value->signer->cert->user);
    bool blocked = peer != NULL && peer->contact == RF_CHAT_CONTACT_BLOCKED;
    if (node != NULL && RF_CONTAINER(node, struct chat_seen, node)->highest >= value->storage_time_ms) {
        if (blocked || value->storage_time_ms + CLEAR_MS < chat->env->now->wall_ms)
            (void)chat->config.net.store(chat->config.net.ctx, &chat->inbox, RF_KIND_INBOX, value->slot,
                                         false, rf_view_of(NULL, 0), 60, on_removed, &chat->noted);
        return;
    }
    note_read(chat, device, value->storage_time_ms);
    if (blocked)
        chat->counters.notes_blocked++;
    else if (!rf_id_equal(device, &chat->config.identity->node_id))
        take_letter(chat, value);
}

static void look(struct rf_chat *chat);

static void on_inbox(void *arg, const struct rf_fetch_result *result)
{
    struct rf_chat *chat = RF_CONTAINER((struct rf_id *)arg, struct rf_chat, inbox);
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    chat->inbox_busy = false;
    if (result->error != 0 && result->error != RF_ENOTFOUND) {
        chat_timer(chat, &chat->inbox_timer, chat_backoff(chat, &chat->inbox_pause_us));
    } else {
        chat->inbox_pause_us = 0;
        uint32_t count = 0;
        for (size_t i = 0; i < result->value_count; i++) {
            if (!result->values[i].exists || result->values[i].signer == NULL)
                continue;
            inbox_take(chat, &result->values[i]);
            count++;
        }
        chat->config.net.known(chat->config.net.ctx, &chat->inbox, RF_KIND_INBOX, result->generation, count);
        if (chat->inbox_again)
            look(chat);
    }
    chat_leave(chat);
}

static void look(struct rf_chat *chat)
{
    chat->inbox_again = chat->inbox_busy;
    if (chat->inbox_busy || !chat->online)
        return;
    int error =
        chat->config.net.lookup(chat->config.net.ctx, &chat->inbox, RF_KIND_INBOX, on_inbox, &chat->inbox);
    chat->inbox_busy = error == 0;
    if (error != 0)
        chat_timer(chat, &chat->inbox_timer, chat_backoff(chat, &chat->inbox_pause_us));
}

static void inbox_fired(struct rf_timer *timer, void *arg)
{
    struct rf_chat *chat = arg;
    (void)timer;
    chat_enter(chat);
    look(chat);
    chat_leave(chat);
}

static void on_told(void *arg, const struct rf_watch_told *t)
{
    struct rf_chat *chat = RF_CONTAINER((struct rf_id *)arg, struct rf_chat, inbox);
    if (chat->freeing || t->outcome != RF_WATCH_HELD)
        return;
    chat_enter(chat);
    look(chat);
    chat_leave(chat);
}

void inbox_online(struct rf_chat *chat)
{
    if (chat->inbox_timer.fire == NULL)
        rf_timer_init(&chat->inbox_timer, inbox_fired, chat);
    if (!chat->inbox_watched)
        chat->inbox_watched = chat->config.net.watch(chat->config.net.ctx, &chat->inbox, RF_KIND_INBOX, 0, 0,
                                                     on_told, &chat->inbox) == 0;
}

void inbox_stop(struct rf_chat *chat)
{
    rf_timer_stop(chat->env->timers, &chat->inbox_timer);
    if (chat->inbox_watched)
        chat->config.net.unwatch(chat->config.net.ctx, &chat->inbox, RF_KIND_INBOX);
    chat->config.net.cancel(chat->config.net.ctx, &chat->inbox);
    chat->config.net.cancel(chat->config.net.ctx, &chat->noted);
}
