/* invite.c - who came and who goes: notes for those who were brought in, the roster without those who left, and our own leaving. */
#include "chat/internal.h"

static void put_invite(struct chat_conv *conv, uint32_t index, struct rf_buf *body)
{
    struct chat_change *change = change_front(conv);
    struct invite invite = {
        .nonce = rf_view_of(conv->nonce, sizeof(conv->nonce)),
        .creator = rf_buf_view(&conv->creator),
        .direct = conv->direct,
        .from = index,
        .title = rf_buf_view(&conv->title),
        .text =
            change != NULL && change->what == CHANGE_ADD ? rf_buf_view(&change->text) : rf_view_of(NULL, 0),
    };
    invite_encode(&invite, body);
}

static void invite_one(struct chat_conv *conv, struct rf_view name, struct rf_view body)
{
    struct chat_peer *peer = peer_get(conv->chat, name);
    if (peer == NULL && conv->chat->peers.count >= CHAT_MAX_PEERS) {
        conv->chat->counters.notes_unsent++;
        return;
    }
    if (peer == NULL || peer_note(peer, NOTE_INVITE, conv->id, body) != 0)
        save_break(conv->chat);
}

void change_tell_own(struct chat_conv *conv, uint32_t index)
{
    struct rf_buf body;
    rf_buf_init(&body, conv->chat->mem, 4096);
    put_invite(conv, index, &body);
    if (rf_buf_error(&body) == 0)
        invite_one(conv, conv->chat->config.identity->cert->user, rf_buf_view(&body));
    rf_buf_deinit(&body);
}

/* Notes for those who were brought in, as far as they are others. */
static void invite_all(struct chat_conv *conv, struct rf_view came, uint32_t index)
{
    struct rf_view one;
    struct rf_buf body;
    rf_buf_init(&body, conv->chat->mem, 4096);
    put_invite(conv, index, &body);
    while (rf_buf_error(&body) == 0 && rf_view_v(&came, 1, &one) == 0) {
        const struct chat_user *user = group_user(conv, one);
        if (user != NULL && !rf_view_equal(one, conv->chat->principal))
            invite_one(conv, user->name, rf_buf_view(&body));
    }
    rf_buf_deinit(&body);
}

void change_moved(struct chat_conv *conv, bool own, struct rf_view came, struct rf_view gone, uint32_t index)
{
    struct rf_view users[64], one;
    size_t count = 0;
    if (own)
        invite_all(conv, came, index);
    while (count < RF_COUNT(users) && rf_view_v(&gone, 1, &one) == 0)
        if (group_user(conv, one) == NULL)
            users[count++] = one;
    if (count == 0 || conv->state != RF_CHAT_MEMBER || !conv_is_admin(conv, conv->chat->principal))
        return;
    if (!rf_timer_is_set(&conv->change_timer) &&
        change_front(conv) == NULL) /* admins take their time, so that one does it */
        chat_timer(conv->chat, &conv->change_timer,
                   rf_rng_between(conv->chat->env->jitter, CHAT_S / 2, 3 * CHAT_S));
    (void)change_new(conv, CHANGE_TIDY, users, count, rf_view_of(NULL, 0), NULL, NULL);
}

/* ---- leaving ---- */

int change_leave(struct chat_conv *conv)
{
    struct rf_buf message;
    int error = 0;
    rf_buf_init(&message, conv->chat->mem, RF_MLS_MESSAGE_MAX_LEN);
    out_drop(conv, OUT_HANDSHAKE);
    for (uint32_t i = 0; i < conv->leaf_count && error == 0; i++) {
        struct rf_mls_change change = {.type = RF_MLS_REMOVE, .leaf = i};
        if (conv->leaves[i].user == NULL ||
            !rf_view_equal(conv->leaves[i].user->principal, conv->chat->principal))
            continue;
        rf_buf_reset(&message);
        error = rf_mls_propose(conv->group, &change, NULL, &message);
        if (error == 0)
            error = out_message(conv, OUT_HANDSHAKE, rf_buf_view(&message), NULL);
    }
    rf_buf_deinit(&message);
    out_kick(conv);
    return error;
}
