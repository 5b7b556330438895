/* conv.c - a conversation as an object: made, kept, shown. */
#include "chat/internal.h"

#define FLAG_DIRECT  1u
#define FLAG_MUTED   2u
#define FLAG_DOUBTED 4u
#define FLAG_CHAIN   8u

static struct rf_view user_key(const struct rf_map_node *node)
{
    return RF_CONTAINER(node, const struct chat_user, node)->principal;
}

static struct rf_view seen_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, const struct chat_seen, node)->device);
}

static void init_bufs(struct chat_conv *conv)
{
    struct rf_mem *mem = conv->chat->mem;
    rf_buf_init(&conv->creator, mem, 255);
    rf_buf_init(&conv->inviter, mem, 255);
    rf_buf_init(&conv->note, mem, 1024);
    rf_buf_init(&conv->title, mem, RF_CHAT_MAX_TITLE);
    rf_buf_init(&conv->topic, mem, RF_CHAT_MAX_TOPIC);
    rf_buf_init(&conv->peer, mem, 255);
    rf_buf_init(&conv->fresh, mem, (size_t)64 << 20);
    rf_buf_init(&conv->saved_group, mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&conv->roster, mem, 65536);
    rf_buf_init(&conv->known, mem, 65536);
}

int conv_new(struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct chat_conv **out)
{
    if (chat->conversations.count >= RF_CHAT_MAX_CONVERSATIONS)
        return RF_ELIMIT;
    struct chat_conv *conv = rf_zalloc(chat->mem, sizeof(*conv));
    if (conv == NULL)
        return RF_ENOMEM;
    conv->chat = chat;
    memcpy(conv->id, id, sizeof(conv->id));
    rf_list_init(&conv->list);
    rf_list_init(&conv->saved_handshakes);
    rf_list_init(&conv->pieces);
    rf_map_init(&conv->users, chat->mem, chat->env->seed, user_key);
    rf_map_init(&conv->seen, chat->mem, chat->env->seed, seen_key);
    init_bufs(conv);
    log_init(conv);
    out_init(conv);
    change_init(conv);
    door_init(conv);
    conv->sequence = 1;
    conv->handshake = CHAT_HANDSHAKES;
    int error = rf_conversation_resource(chat->config.crypto, id, chat->conf->id_len, &conv->resource);
    if (error == 0)
        error = rf_map_insert(&chat->conversations, &conv->node);
    if (error != 0) {
        rf_free(chat->mem, conv);
        return error;
    }
    rf_list_push_back(&chat->order, &conv->list);
    *out = conv;
    return 0;
}

void conv_free(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    log_stop(conv);
    door_deinit(conv);
    change_deinit(conv, RF_ECANCELLED);
    out_deinit(conv);
    group_reset(conv);
    pieces_clear(conv);
    seen_clear(chat, &conv->seen);
    rf_map_deinit(&conv->seen);
    rf_map_deinit(&conv->users);
    rf_map_remove(&chat->conversations, &conv->node);
    rf_list_remove(&conv->list);
    struct rf_buf *bufs[] = {&conv->creator, &conv->inviter, &conv->note,        &conv->title,  &conv->topic,
                             &conv->peer,    &conv->fresh,   &conv->saved_group, &conv->roster, &conv->known};
    for (size_t i = 0; i < RF_COUNT(bufs); i++)
        rf_buf_deinit(bufs[i]);
    rf_free(chat->mem, conv->ring);
    rf_free(chat->mem, conv);
}

/* ---- on disk ---- */

void conv_encode(const struct chat_conv *conv, struct rf_buf *out)
{
    rf_buf_u8(out, 1);
    rf_buf_u8(out, (uint8_t)conv->state);
    rf_buf_u8(out, (uint8_t)((conv->direct ? FLAG_DIRECT : 0) | (conv->muted ? FLAG_MUTED : 0) |
                             (conv->doubted ? FLAG_DOUBTED : 0) | (conv->chain_known ? FLAG_CHAIN : 0)));
    rf_buf_put(out, conv->nonce, sizeof(conv->nonce));
    rf_buf_v(out, 1, rf_buf_view(&conv->creator));
    rf_buf_v(out, 1, rf_buf_view(&conv->inviter));
    rf_buf_v(out, 2, rf_buf_view(&conv->note));
    rf_buf_v(out, 1, rf_buf_view(&conv->title));
    rf_buf_v(out, 2, rf_buf_view(&conv->topic));
    rf_buf_v(out, 1, rf_buf_view(&conv->peer));
    rf_buf_u64(out, conv->sequence);
    rf_buf_u64(out, conv->handshake);
    rf_buf_u32(out, conv->next);
    rf_buf_u32(out, conv->scan);
    rf_buf_put(out, conv->chain, sizeof(conv->chain));
    rf_buf_u64(out, conv->read_index);
    rf_buf_u64(out, conv->delivered_index);
    rf_buf_u64(out, conv->change_id);
    rf_buf_u32(out, conv->handshakes);
    rf_buf_u64(out, conv->roster_stored_ms);
    rf_buf_u64(out, conv->refused_ms);
}

static int take_buf(struct rf_view *in, int width, struct rf_buf *out)
{
    struct rf_view v;
    int error = rf_view_v(in, width, &v);
    if (error != 0)
        return error;
    chat_set(out, v);
    return rf_buf_error(out);
}

static int take_bytes(struct rf_view *in, uint8_t *out, size_t len)
{
    struct rf_view v;
    int error = rf_view_take(in, len, &v);
    if (error == 0)
        memcpy(out, v.p, len);
    return error;
}

static int decode_texts(struct chat_conv *conv, struct rf_view *in)
{
    static const int widths[] = {1, 1, 2, 1, 2, 1};
    struct rf_buf *bufs[] = {&conv->creator, &conv->inviter, &conv->note,
                             &conv->title,   &conv->topic,   &conv->peer};
    int error = 0;
    for (size_t i = 0; i < RF_COUNT(bufs) && error == 0; i++)
        error = take_buf(in, widths[i], bufs[i]);
    return error;
}

static int decode_numbers(struct chat_conv *conv, struct rf_view *in)
{
    int error = rf_view_u64(in, &conv->sequence);
    if (error == 0)
        error = rf_view_u64(in, &conv->handshake);
    if (error == 0)
        error = rf_view_u32(in, &conv->next);
    if (error == 0)
        error = rf_view_u32(in, &conv->scan);
    if (error == 0)
        error = take_bytes(in, conv->chain, sizeof(conv->chain));
    if (error == 0)
        error = rf_view_u64(in, &conv->read_index);
    if (error == 0)
        error = rf_view_u64(in, &conv->delivered_index);
    if (error == 0)
        error = rf_view_u64(in, &conv->change_id);
    if (error == 0)
        error = rf_view_u32(in, &conv->handshakes);
    if (error == 0)
        error = rf_view_u64(in, &conv->roster_stored_ms);
    return error != 0 ? error : rf_view_u64(in, &conv->refused_ms);
}

int conv_decode(struct chat_conv *conv, struct rf_view in)
{
    uint8_t version = 0, state = 0, flags = 0;
    int error = rf_view_u8(&in, &version);
    if (error == 0 && version != 1)
        return RF_EFORMAT;
    if (error == 0)
        error = rf_view_u8(&in, &state);
    if (error == 0)
        error = rf_view_u8(&in, &flags);
    if (error == 0)
        error = take_bytes(&in, conv->nonce, sizeof(conv->nonce));
    if (error == 0)
        error = decode_texts(conv, &in);
    if (error == 0)
        error = decode_numbers(conv, &in);
    if (error == 0 && (state < RF_CHAT_INVITED || state > RF_CHAT_ENDED || in.len != 0))
        error = RF_EFORMAT;
    if (error != 0)
        return error == RF_ENOMEM ? error : RF_EFORMAT;
    conv->state = (enum rf_chat_state)state;
    conv->direct = (flags & FLAG_DIRECT) != 0;
    conv->muted = (flags & FLAG_MUTED) != 0;
    conv->doubted = (flags & FLAG_DOUBTED) != 0;
    conv->chain_known = (flags & FLAG_CHAIN) != 0;
    conv->log_next = conv->next;
    conv->kept = true;
    conv->told_read = conv->read_index;
    conv->told_delivered = conv->delivered_index;
    return 0;
}

/* ---- what the others ask of it ---- */

void conv_event(struct chat_conv *conv, enum rf_chat_event_type type)
{
    struct rf_chat_event event = {.type = type, .of_conversation = true};
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    save_event(conv->chat, &event);
}

void conv_changed(struct chat_conv *conv)
{
    conv->dirty |= DIRTY_CORE;
    conv_event(conv, RF_CHAT_EVENT_CONVERSATION);
}

void conv_set_state(struct chat_conv *conv, enum rf_chat_state state)
{
    if (conv->state == state)
        return;
    conv->state = state;
    conv_changed(conv);
    if (state == RF_CHAT_MEMBER && conv->refused_ms != 0) {
        conv->refused_ms = 0;
        (void)change_new(conv, CHANGE_LEAVE, NULL, 0, rf_view_of(NULL, 0), NULL, NULL);
    }
    if (state == RF_CHAT_MEMBER && conv->accept_done != NULL) {
        rf_chat_done_fn done = conv->accept_done;
        conv->accept_done = NULL;
        save_done(conv->chat, conv, done, conv->accept_arg, 0, NULL);
    }
}

int conv_works(const struct chat_conv *conv)
{
    switch (conv->state) {
    case RF_CHAT_CREATING:
    case RF_CHAT_MEMBER:
        return 0;
    case RF_CHAT_LEAVING:
    case RF_CHAT_ENDED:
        return RF_ECLOSED;
    default:
        return RF_ENOTYET;
    }
}

bool conv_is_admin(const struct chat_conv *conv, struct rf_view principal)
{
    struct shape shape;
    uint8_t tag[RF_ROSTER_TAG_LEN];
    return conv->group != NULL && group_shape(conv, &shape) == 0 &&
           rf_conversation_tag(conv->chat->config.crypto, conv->id, principal, tag) == 0 &&
           rf_roster_has(shape.admins, tag);
}

/* ---- shown ---- */

static void show(const struct chat_conv *conv, struct rf_chat_info *out)
{
    *out = (struct rf_chat_info){
        .state = conv->state,
        .direct = conv->direct,
        .muted = conv->muted,
        .doubted = conv->doubted,
        .admin = conv_is_admin(conv, conv->chat->principal),
        .title = rf_buf_view(&conv->title),
        .topic = rf_buf_view(&conv->topic),
        .creator = rf_buf_view(&conv->creator),
        .inviter = rf_buf_view(&conv->inviter),
        .note = rf_buf_view(&conv->note),
        .peer = rf_buf_view(&conv->peer),
        .user_count = conv->users.count,
        .device_count = conv->group != NULL ? rf_mls_member_count(conv->group) : 0,
        .epoch = conv->group != NULL ? rf_mls_epoch(conv->group) : 0,
        .next_index = conv->next,
        .log_next = conv->log_next > conv->next ? conv->log_next : conv->next,
        .read_index = conv->read_index,
    };
    RF_LIST_EACH(&conv->outs, it)
    {
        out->unsent += RF_LIST_ENTRY(it, const struct chat_out, list)->shown;
    }
    memcpy(out->id, conv->id, sizeof(conv->id));
}

bool rf_chat_find(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN], struct rf_chat_info *out)
{
    const struct chat_conv *conv = chat_conv_find(chat, id);
    if (conv != NULL)
        show(conv, out);
    return conv != NULL;
}

void rf_chat_each(const struct rf_chat *chat, void (*fn)(void *arg, const struct rf_chat_info *info),
                  void *arg)
{
    RF_LIST_EACH(&chat->order, it)
    {
        struct rf_chat_info info;
        show(RF_LIST_ENTRY(it, const struct chat_conv, list), &info);
        fn(arg, &info);
    }
}

int rf_chat_each_user(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                      void (*fn)(void *arg, const struct rf_chat_user *user), void *arg)
{
    const struct chat_conv *conv = chat_conv_find(chat, id);
    struct shape shape;
    if (conv == NULL)
        return RF_ENOTFOUND;
    bool shaped = conv->group != NULL && group_shape(conv, &shape) == 0;
    for (struct rf_map_node *n = rf_map_next(&conv->users, NULL); n != NULL;
         n = rf_map_next(&conv->users, n)) {
        const struct chat_user *u = RF_CONTAINER(n, const struct chat_user, node);
        struct rf_chat_user user = {
            .principal = u->principal,
            .name = u->name,
            .role = shaped && rf_roster_has(shape.admins, u->tag) ? RF_CHAT_ADMIN_ROLE : RF_CHAT_MEMBER_ROLE,
            .device_count = u->device_count,
            .self = rf_view_equal(u->principal, chat->principal),
        };
        fn(arg, &user);
    }
    return 0;
}
