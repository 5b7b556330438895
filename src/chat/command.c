/* command.c - what people ask of their conversations. */
#include "base/text.h"
#include "chat/internal.h"

static int find(struct rf_chat *chat, const uint8_t *id, struct chat_conv **out)
{
    int error = chat_ready(chat);
    if (error != 0)
        return error;
    *out = chat_conv_find(chat, id);
    return *out == NULL ? RF_ENOTFOUND : 0;
}

static int find_member(struct rf_chat *chat, const uint8_t *id, struct chat_conv **out)
{
    int error = find(chat, id, out);
    return error != 0 ? error : conv_works(*out);
}

static int find_admin(struct rf_chat *chat, const uint8_t *id, struct chat_conv **out)
{
    int error = find_member(chat, id, out);
    return error != 0 ? error : conv_is_admin(*out, chat->principal) ? 0 : RF_EFORBIDDEN;
}

static int check_users(const struct rf_view *users, size_t count, bool names)
{
    if (count == 0)
        return RF_EINVAL;
    if (count > RF_CHAT_MAX_USERS)
        return RF_ELIMIT;
    for (size_t i = 0; i < count; i++)
        if (users[i].len == 0 || users[i].len > RF_KEEP_MAX_PRINCIPAL || (names && !rf_name_valid(users[i])))
            return RF_EINVAL;
    return 0;
}

static int check_text(struct rf_view text, size_t max)
{
    return text.len > max ? RF_ELIMIT : rf_utf8_valid(text) ? 0 : RF_EINVAL;
}

/* ---- creating ---- */

static void on_kept(struct rf_chat *chat, const struct chat_after *after)
{
    struct chat_conv *conv = chat_conv_find(chat, after->conversation);
    if (conv == NULL)
        return;
    conv->kept = true;
    change_kick(conv);
}

static int found_group(struct chat_conv *conv, struct rf_view title, bool direct)
{
    struct rf_chat *chat = conv->chat;
    struct rf_roster roster;
    uint8_t hash[RF_SHA256_LEN];
    int error = roster_first(conv, &conv->roster);
    if (error == 0)
        error = rf_sha256(chat->config.crypto, rf_buf_view(&conv->roster), hash);
    if (error == 0)
        error = rf_roster_decode(rf_buf_view(&conv->roster), &roster);
    if (error != 0)
        return error;
    struct shape shape = {.flags = direct ? SHAPE_DIRECT : 0,
                          .roster_hash = rf_view_of(hash, sizeof(hash)),
                          .admins = roster.admins,
                          .title = title};
    return group_create(conv, &shape);
}

static int create(struct rf_chat *chat, struct rf_view title, bool direct, struct chat_conv **out)
{
    uint8_t nonce[RF_CONVERSATION_NONCE_LEN], id[RF_CONVERSATION_LEN];
    struct chat_conv *conv = NULL;
    rf_rng_fill(chat->env->secret, nonce, sizeof(nonce));
    int error =
        rf_conversation_id(chat->config.crypto, rf_view_of(nonce, sizeof(nonce)), chat->principal, id);
    if (error == 0)
        error = conv_new(chat, id, &conv);
    if (error != 0)
        return error;
    memcpy(conv->nonce, nonce, sizeof(nonce));
    chat_set(&conv->creator, chat->principal);
    conv->chain_known = true;
    error = found_group(conv, title, direct);
    if (error != 0) {
        conv_free(conv);
        return error;
    }
    conv->dirty |= DIRTY_CORE | DIRTY_ROSTER | DIRTY_GROUP;
    conv_set_state(conv, RF_CHAT_CREATING);
    *out = conv;
    return 0;
}

static int remember_direct(struct chat_conv *conv, struct rf_view user)
{
    struct chat_peer *peer = peer_get(conv->chat, user);
    if (peer == NULL)
        return RF_ENOMEM;
    peer->has_direct = true;
    memcpy(peer->direct, conv->id, sizeof(conv->id));
    peer_save(peer);
    return 0;
}

static bool direct_exists(struct rf_chat *chat, struct rf_view user, uint8_t id[RF_CONVERSATION_LEN])
{
    const struct chat_peer *peer = peer_find(chat, user);
    const struct chat_conv *conv =
        peer != NULL && peer->has_direct ? chat_conv_find(chat, peer->direct) : NULL;
    if (conv == NULL || conv->state == RF_CHAT_ENDED || conv->state == RF_CHAT_LEAVING)
        return false;
    memcpy(id, conv->id, sizeof(conv->id));
    return true;
}

int rf_chat_create(struct rf_chat *chat, struct rf_view title, bool direct, const struct rf_view *users,
                   size_t user_count, struct rf_view note, uint8_t id[RF_CONVERSATION_LEN],
                   rf_chat_done_fn done, void *arg)
{
    struct rf_view own = chat->config.identity->cert->user;
    struct chat_conv *conv = NULL;
    int error = chat_ready(chat);
    if (error == 0 && user_count > 0)
        error = check_users(users, user_count, true);
    if (error == 0)
        error = check_text(title, RF_CHAT_MAX_TITLE);
    if (error == 0)
        error = check_text(note, RF_CHAT_MAX_NOTE);
    if (error == 0 && direct && (user_count != 1 || rf_view_equal(users[0], own)))
        error = RF_EINVAL;
    if (error == 0 && direct && direct_exists(chat, users[0], id))
        error = RF_EEXIST;
    if (error == 0 && direct && peer_get(chat, users[0]) == NULL)
        error = RF_ELIMIT;
    if (error != 0)
        return error;
    chat_enter(chat);
    error = create(chat, title, direct, &conv);
    if (error == 0 && direct)
        error = remember_direct(conv, users[0]);
    if (error == 0 && user_count > 0)
        error = change_new(conv, CHANGE_ADD, users, user_count, note, done, arg);
    else if (error == 0)
        save_done(chat, conv, done, arg, 0, NULL);
    if (error == 0) {
        (void)change_new(conv, CHANGE_ADD, &own, 1, rf_view_of(NULL, 0), NULL, NULL); /* our other devices */
        (void)save_after(chat, conv, on_kept);
        memcpy(id, conv->id, sizeof(conv->id));
    } else if (conv != NULL) {
        save_break(chat);
    }
    chat_leave(chat);
    return error;
}

/* ---- coming and going ---- */

static int change(struct chat_conv *conv, enum change_what what, const struct rf_view *users, size_t count,
                  struct rf_view text, rf_chat_done_fn done, void *arg)
{
    chat_enter(conv->chat);
    int error = change_new(conv, what, users, count, text, done, arg);
    chat_leave(conv->chat);
    return error;
}

int rf_chat_invite(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                   size_t user_count, struct rf_view note, rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    int error = find_admin(chat, id, &conv);
    if (error == 0)
        error = check_users(users, user_count, true);
    if (error == 0)
        error = check_text(note, RF_CHAT_MAX_NOTE);
    if (error == 0 && conv->direct)
        error = RF_EFORBIDDEN; /* a chat of two stays one */
    return error != 0 ? error : change(conv, CHANGE_ADD, users, user_count, note, done, arg);
}

int rf_chat_accept(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error != 0)
        return error;
    if (conv->state != RF_CHAT_INVITED)
        return conv->state == RF_CHAT_ENDED ? RF_ECLOSED : RF_EEXIST;
    chat_enter(chat);
    conv->accept_done = done;
    conv->accept_arg = arg;
    conv_set_state(conv, RF_CHAT_JOINING);
    if (done != NULL)
        change_tell_own(conv, conv->scan); /* this user's other devices need not be asked */
    if (conv->direct)
        (void)remember_direct(conv, rf_buf_view(&conv->inviter));
    log_kick(conv);
    chat_leave(chat);
    return 0;
}

/* Being let in may take for ever, where there is nobody, or never was: who waits for it can go. */
static bool waits_outside(const struct chat_conv *conv)
{
    return conv->state == RF_CHAT_JOINING && conv->group == NULL;
}

int rf_chat_refuse(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error != 0)
        return error;
    if (conv->state != RF_CHAT_INVITED && !waits_outside(conv))
        return RF_EINVAL;
    chat_enter(chat);
    if (conv->refused_ms == 0)
        conv->refused_ms = chat->env->now->wall_ms;
    conv->dirty |= DIRTY_CORE; /* who is in the group must come in to go out */
    conv_set_state(conv, RF_CHAT_JOINING);
    save_done(chat, conv, done, arg, 0, NULL);
    log_kick(conv);
    chat_leave(chat);
    return 0;
}

static size_t admins_of(const struct chat_conv *conv)
{
    struct shape shape;
    return conv->group != NULL && group_shape(conv, &shape) == 0 ? shape.admins.len / RF_ROSTER_TAG_LEN : 0;
}

/* Nobody else is in it: nobody is to be told. */
static void end_alone(struct chat_conv *conv)
{
    group_reset(conv);
    conv->dirty &= ~(unsigned)(DIRTY_GROUP | DIRTY_SENT);
    save_drop(conv->chat, conv, PART_GROUP, rf_view_of(NULL, 0));
    out_drop(conv, OUT_SAY);
    out_drop(conv, OUT_HANDSHAKE);
    out_drop(conv, OUT_WELCOME);
    change_deinit(conv, RF_ECLOSED);
    conv_set_state(conv, RF_CHAT_ENDED);
    log_watch(conv, false);
}

int rf_chat_leave(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                  void *arg)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error == 0 && (conv->state == RF_CHAT_INVITED || waits_outside(conv)))
        return rf_chat_refuse(chat, id, done, arg);
    if (error == 0)
        error = conv_works(conv);
    if (error != 0)
        return error;
    bool alone = conv->users.count <= 1;
    if (!alone && conv_is_admin(conv, chat->principal) && admins_of(conv) < 2)
        return conv->direct ? change(conv, CHANGE_LEAVE, NULL, 0, rf_view_of(NULL, 0), done, arg)
                            : RF_EFORBIDDEN;
    if (!alone)
        return change(conv, CHANGE_LEAVE, NULL, 0, rf_view_of(NULL, 0), done, arg);
    chat_enter(chat);
    end_alone(conv);
    save_done(chat, conv, done, arg, 0, NULL);
    chat_leave(chat);
    return 0;
}

int rf_chat_kick(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_view *users,
                 size_t user_count, rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    int error = find_admin(chat, id, &conv);
    if (error == 0)
        error = check_users(users, user_count, false);
    for (size_t i = 0; i < user_count && error == 0; i++)
        if (rf_view_equal(users[i], chat->principal))
            error = RF_EINVAL;
        else if (group_user(conv, users[i]) == NULL)
            error = RF_ENOTFOUND;
    return error != 0 ? error
                      : change(conv, CHANGE_REMOVE, users, user_count, rf_view_of(NULL, 0), done, arg);
}

int rf_chat_set_role(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view user,
                     enum rf_chat_role role, rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    int error = find_admin(chat, id, &conv);
    if (error == 0 && role != RF_CHAT_ADMIN_ROLE && role != RF_CHAT_MEMBER_ROLE)
        error = RF_EINVAL;
    if (error == 0 && group_user(conv, user) == NULL)
        error = RF_ENOTFOUND;
    if (error == 0 && role == RF_CHAT_MEMBER_ROLE && admins_of(conv) < 2)
        error = RF_EFORBIDDEN; /* there must be one */
    if (error == 0 && role == RF_CHAT_MEMBER_ROLE && rf_view_equal(user, chat->principal))
        error = RF_EINVAL; /* another admin does that */
    enum change_what what = role == RF_CHAT_ADMIN_ROLE ? CHANGE_ADMIN : CHANGE_MEMBER;
    return error != 0 ? error : change(conv, what, &user, 1, rf_view_of(NULL, 0), done, arg);
}

int rf_chat_set_title(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view title,
                      rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    int error = find_admin(chat, id, &conv);
    if (error == 0)
        error = check_text(title, RF_CHAT_MAX_TITLE);
    return error != 0 ? error : change(conv, CHANGE_TITLE, NULL, 0, title, done, arg);
}

int rf_chat_set_topic(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_view topic,
                      rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    int error = find_admin(chat, id, &conv);
    if (error == 0)
        error = check_text(topic, RF_CHAT_MAX_TOPIC);
    return error != 0 ? error : change(conv, CHANGE_TOPIC, NULL, 0, topic, done, arg);
}

int rf_chat_mute(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], bool muted)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error != 0)
        return error;
    chat_enter(chat);
    conv->muted = muted;
    conv_changed(conv);
    chat_leave(chat);
    return 0;
}

int rf_chat_forget(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], rf_chat_done_fn done,
                   void *arg)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error != 0)
        return error;
    if (conv->state != RF_CHAT_ENDED && !waits_outside(conv))
        return RF_EBUSY;
    chat_enter(chat);
    struct rf_keep_op *op = save_op(chat, RF_KEEP_FORGET);
    if (op != NULL)
        memcpy(op->change.conversation, conv->id, sizeof(conv->id));
    save_done(chat, conv, done, arg, 0, NULL);
    conv_free(conv);
    chat_leave(chat);
    return 0;
}

/* ---- saying ---- */

/* What is said and not in the log yet stands behind everything in the history. */
static void show_unsent(struct chat_conv *conv, const struct rf_chat_text *text,
                        const struct rf_keep_name *name)
{
    struct rf_chat *chat = conv->chat;
    struct rf_view sender = save_copy(chat, chat->principal), copy = save_copy(chat, text->text);
    struct rf_keep_op *op = save_op(chat, RF_KEEP_ENTRY_PUT);
    if (op == NULL)
        return;
    memcpy(op->entry.conversation, conv->id, sizeof(conv->id));
    op->entry.index = RF_KEEP_PENDING;
    op->entry.kind = RF_CHAT_KIND_TEXT;
    op->entry.flags = RF_CHAT_FLAG_OWN | RF_CHAT_FLAG_UNSENT;
    op->entry.sender = sender;
    op->entry.name = *name;
    op->entry.sent_ms = op->entry.received_ms = chat->env->now->wall_ms;
    op->entry.reply_to = text->reply_to;
    op->entry.text = copy;
}

static void put_name(enum item_type type, const struct rf_keep_name *name, struct rf_buf *items)
{
    uint8_t bytes[RF_ID_MAX_LEN + 16];
    struct rf_buf body;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    name_encode(name, &body);
    item_put(type, rf_buf_view(&body), items);
}

/* say queues the items; text: what of it is shown at once, or NULL. */
static int say(struct chat_conv *conv, struct rf_buf *items, const struct rf_chat_text *text,
               rf_chat_done_fn done, void *arg)
{
    struct rf_chat *chat = conv->chat;
    struct rf_keep_name name;
    chat_enter(chat);
    int error = rf_buf_error(items) != 0 ? RF_ENOMEM : out_say(conv, rf_buf_view(items), text != NULL, &name);
    if (error == 0) {
        if (text != NULL)
            show_unsent(conv, text, &name);
        save_done(chat, conv, done, arg, 0, &name);
        out_kick(conv);
    }
    chat_leave(chat);
    return error;
}

int rf_chat_send(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_chat_text *text,
                 rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    struct rf_buf items;
    int error = find_member(chat, id, &conv);
    if (error == 0)
        error = text->text.len == 0 ? RF_EINVAL : check_text(text->text, RF_CHAT_MAX_TEXT);
    if (error == 0 && text->mention_count > RF_CHAT_MAX_MENTIONS)
        error = RF_ELIMIT;
    for (size_t i = 0; i < text->mention_count && error == 0; i++)
        if (text->mentions[i].len == 0 || text->mentions[i].len > RF_KEEP_MAX_PRINCIPAL)
            error = RF_EINVAL;
    if (error != 0)
        return error;
    rf_buf_init(&items, chat->mem, 1 << 18);
    item_put(ITEM_TEXT, text->text, &items);
    if (text->reply_to.device.len > 0)
        put_name(ITEM_REPLY, &text->reply_to, &items);
    for (size_t i = 0; i < text->mention_count; i++)
        item_put(ITEM_MENTION, text->mentions[i], &items);
    error = say(conv, &items, text, done, arg);
    rf_buf_deinit(&items);
    return error;
}

static bool names(const struct rf_keep_name *name)
{
    return name->device.len >= RF_ID_MIN_LEN && name->sequence > 0 && name->sequence <= RF_KEEP_MAX_INDEX;
}

int rf_chat_edit(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], const struct rf_keep_name *name,
                 struct rf_view text, rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    struct rf_buf items;
    int error = find_member(chat, id, &conv);
    if (error == 0)
        error = text.len == 0 || !names(name) ? RF_EINVAL : check_text(text, RF_CHAT_MAX_TEXT);
    if (error != 0)
        return error;
    rf_buf_init(&items, chat->mem, 1 << 18);
    put_name(ITEM_EDIT, name, &items);
    item_put(ITEM_TEXT, text, &items);
    error = say(conv, &items, NULL, done, arg);
    rf_buf_deinit(&items);
    return error;
}

int rf_chat_delete(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                   const struct rf_keep_name *name, rf_chat_done_fn done, void *arg)
{
    struct chat_conv *conv;
    struct rf_buf items;
    int error = find_member(chat, id, &conv);
    if (error == 0 && !names(name))
        error = RF_EINVAL;
    if (error != 0)
        return error;
    rf_buf_init(&items, chat->mem, 256);
    put_name(ITEM_DELETE, name, &items);
    error = say(conv, &items, NULL, done, arg);
    rf_buf_deinit(&items);
    return error;
}

int rf_chat_react(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                  const struct rf_keep_name *name, struct rf_view reaction, bool on, rf_chat_done_fn done,
                  void *arg)
{
    struct chat_conv *conv;
    struct rf_buf items, body;
    int error = find_member(chat, id, &conv);
    if (error == 0)
        error = reaction.len == 0 || !names(name) ? RF_EINVAL : check_text(reaction, RF_KEEP_MAX_REACTION);
    if (error != 0)
        return error;
    rf_buf_init(&items, chat->mem, 512);
    rf_buf_init(&body, chat->mem, 256);
    rf_buf_bool(&body, on);
    name_encode(name, &body);
    rf_buf_view_put(&body, reaction);
    item_put(ITEM_REACT, rf_buf_view(&body), &items);
    error = say(conv, &items, NULL, done, arg);
    rf_buf_deinit(&body);
    rf_buf_deinit(&items);
    return error;
}

int rf_chat_mark(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], enum rf_chat_mark kind,
                 uint64_t index)
{
    struct chat_conv *conv;
    int error = find(chat, id, &conv);
    if (error == 0 && kind != RF_CHAT_MARK_READ && kind != RF_CHAT_MARK_DELIVERED)
        error = RF_EINVAL;
    if (error != 0)
        return error;
    uint64_t *mark = kind == RF_CHAT_MARK_READ ? &conv->read_index : &conv->delivered_index;
    uint64_t next = index < conv->next ? index + 1 : conv->next;
    if (next <= *mark)
        return 0;
    chat_enter(chat);
    *mark = next;
    conv_changed(conv);
    out_mark(conv);
    chat_leave(chat);
    return 0;
}
