/* contact.c - who may reach us at once: requests, answers, blocks. */
#include "chat/internal.h"
#include "base/text.h"

#define ASKING_MAX 100

static void tell(struct chat_peer *peer)
{
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_CONTACT,
                                  .user = rf_buf_view(&peer->name),
                                  .contact = (enum rf_chat_contact_state)peer->contact};
    if (peer->contact == RF_CHAT_CONTACT_ASKING)
        event.text = rf_buf_view(&peer->note);
    save_event(peer->chat, &event);
}

static void become(struct chat_peer *peer, uint8_t state)
{
    peer->contact = state;
    peer->since_ms = peer->chat->env->now->wall_ms;
    peer_save(peer);
    presence_watch(peer, state == RF_CHAT_CONTACT_ACCEPTED);
    tell(peer);
}

/* ---- what came ---- */

/* Anybody can ask: of those who wait the one who has waited longest goes when there are too many. */
static void forget_oldest(struct rf_chat *chat)
{
    struct chat_peer *oldest = NULL;
    size_t count = 0;
    RF_LIST_EACH(&chat->peer_order, it)
    {
        struct chat_peer *peer = RF_LIST_ENTRY(it, struct chat_peer, list);
        if (peer->contact != RF_CHAT_CONTACT_ASKING)
            continue;
        count++;
        if (oldest == NULL || peer->since_ms < oldest->since_ms)
            oldest = peer;
    }
    if (count < ASKING_MAX)
        return;
    oldest->contact = 0;
    peer_save(oldest);
    tell(oldest); /* its place is given to another one when there is need (peer_get) */
}

void contact_request(struct rf_chat *chat, struct rf_view user, struct rf_view text)
{
    struct chat_peer *peer = peer_find(chat, user);
    if (peer == NULL || peer->contact == 0)
        forget_oldest(chat);
    peer = peer_get(chat, user);
    if (peer == NULL) {
        chat->counters.notes_refused++; /* too many who are waiting */
        return;
    }
    switch (peer->contact) {
    case RF_CHAT_CONTACT_BLOCKED:
        return;
    case RF_CHAT_CONTACT_ACCEPTED: /* he has forgotten us */
        if (peer_note(peer, NOTE_ACCEPTED, NULL, rf_view_of(NULL, 0)) != 0)
            save_break(chat);
        return;
    case RF_CHAT_CONTACT_REQUESTED: /* both asked */
        peer_unnote(peer, NOTE_REQUEST, NULL);
        become(peer, RF_CHAT_CONTACT_ACCEPTED);
        if (peer_note(peer, NOTE_ACCEPTED, NULL, rf_view_of(NULL, 0)) != 0)
            save_break(chat);
        return;
    default:
        chat_set(&peer->note, text);
        become(peer, RF_CHAT_CONTACT_ASKING);
    }
}

void contact_answer(struct rf_chat *chat, struct rf_view user, bool accepted)
{
    struct chat_peer *peer = peer_find(chat, user);
    if (peer == NULL || peer->contact != RF_CHAT_CONTACT_REQUESTED)
        return;
    peer_unnote(peer, NOTE_REQUEST, NULL);
    become(peer, accepted ? RF_CHAT_CONTACT_ACCEPTED : RF_CHAT_CONTACT_REFUSED);
}

/* ---- commands ---- */

static int check_user(const struct rf_chat *chat, struct rf_view user)
{
    int error = chat_ready(chat);
    if (error != 0)
        return error;
    return !rf_name_valid(user) || rf_view_equal(user, chat->config.identity->cert->user) ? RF_EINVAL : 0;
}

static size_t contact_count(const struct rf_chat *chat)
{
    size_t count = 0;
    RF_LIST_EACH(&chat->peer_order, it)
    {
        count += RF_LIST_ENTRY(it, const struct chat_peer, list)->contact != 0;
    }
    return count;
}

int rf_chat_contact_add(struct rf_chat *chat, struct rf_view user, struct rf_view note, rf_chat_done_fn done,
                        void *arg)
{
    int error = check_user(chat, user);
    if (error != 0)
        return error;
    if (note.len > RF_CHAT_MAX_NOTE || !rf_utf8_valid(note))
        return RF_EINVAL;
    struct chat_peer *peer = peer_find(chat, user);
    if (peer != NULL && peer->contact == RF_CHAT_CONTACT_ASKING)
        return rf_chat_contact_accept(chat, user, done, arg);
    if (peer != NULL && peer->contact == RF_CHAT_CONTACT_ACCEPTED)
        return RF_EEXIST;
    if (peer != NULL && peer->contact == RF_CHAT_CONTACT_BLOCKED)
        return RF_EFORBIDDEN;
    if (contact_count(chat) >= RF_CHAT_MAX_CONTACTS)
        return RF_ELIMIT;
    if (peer != NULL && peer->done != NULL)
        return RF_EBUSY;
    peer = peer_get(chat, user);
    if (peer == NULL)
        return RF_ENOMEM;
    chat_enter(chat);
    peer->done = done;
    peer->done_arg = arg;
    become(peer, RF_CHAT_CONTACT_REQUESTED);
    if (peer_note(peer, NOTE_REQUEST, NULL, note) != 0)
        save_break(chat);
    chat_leave(chat);
    return 0;
}

static int answer(struct rf_chat *chat, struct rf_view user, bool accept, rf_chat_done_fn done, void *arg)
{
    int error = check_user(chat, user);
    struct chat_peer *peer = error == 0 ? peer_find(chat, user) : NULL;
    if (error != 0)
        return error;
    if (peer == NULL || peer->contact != RF_CHAT_CONTACT_ASKING)
        return RF_ENOTFOUND;
    chat_enter(chat);
    become(peer, accept ? RF_CHAT_CONTACT_ACCEPTED : RF_CHAT_CONTACT_REFUSED);
    if (peer_note(peer, accept ? NOTE_ACCEPTED : NOTE_REFUSED, NULL, rf_view_of(NULL, 0)) != 0)
        save_break(chat);
    save_done(chat, NULL, done, arg, 0, NULL);
    chat_leave(chat);
    return 0;
}

int rf_chat_contact_accept(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg)
{
    return answer(chat, user, true, done, arg);
}

int rf_chat_contact_refuse(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg)
{
    return answer(chat, user, false, done, arg);
}

int rf_chat_contact_block(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg)
{
    int error = check_user(chat, user);
    struct chat_peer *peer = error == 0 ? peer_get(chat, user) : NULL;
    if (error != 0)
        return error;
    if (peer == NULL)
        return RF_ENOMEM;
    chat_enter(chat);
    peer_unnote(peer, NOTE_REQUEST, NULL);
    become(peer, RF_CHAT_CONTACT_BLOCKED);
    save_done(chat, NULL, done, arg, 0, NULL);
    chat_leave(chat);
    return 0;
}

int rf_chat_contact_remove(struct rf_chat *chat, struct rf_view user, rf_chat_done_fn done, void *arg)
{
    int error = check_user(chat, user);
    struct chat_peer *peer = error == 0 ? peer_find(chat, user) : NULL;
    if (error != 0)
        return error;
    if (peer == NULL || peer->contact == 0)
        return RF_ENOTFOUND;
    chat_enter(chat);
    peer_unnote(peer, NOTE_REQUEST, NULL);
    become(peer, 0);
    save_done(chat, NULL, done, arg, 0, NULL);
    chat_leave(chat);
    return 0;
}

void rf_chat_each_contact(const struct rf_chat *chat,
                          void (*fn)(void *arg, const struct rf_chat_contact *contact), void *arg)
{
    RF_LIST_EACH(&chat->peer_order, it)
    {
        const struct chat_peer *peer = RF_LIST_ENTRY(it, const struct chat_peer, list);
        struct rf_chat_contact contact = {
            .user = rf_buf_view(&peer->name),
            .state = (enum rf_chat_contact_state)peer->contact,
            .since_ms = peer->since_ms,
            .presence = {(enum rf_chat_availability)peer->availability, rf_buf_view(&peer->status),
                         peer->status_ms},
            .has_direct = peer->has_direct,
        };
        if (peer->contact == RF_CHAT_CONTACT_ASKING)
            contact.note = rf_buf_view(&peer->note);
        memcpy(contact.direct, peer->direct, sizeof(contact.direct));
        if (peer->contact != 0)
            fn(arg, &contact);
    }
}
