/* commit.c - what a Commit changed, and what a message says: the history, marks, and who is in it now. */
#include "chat/internal.h"
#include "base/text.h"

#define LINES_MAX_LEN ((size_t)64 << 10)

/* ---- who came and went ---- */

/* A list of principals, each with its length in front. */
static bool in_list(struct rf_view list, struct rf_view principal)
{
    struct rf_view one;
    while (rf_view_v(&list, 1, &one) == 0)
        if (rf_view_equal(one, principal))
            return true;
    return false;
}

static void list_add(struct rf_buf *list, struct rf_view principal)
{
    if (!in_list(rf_buf_view(list), principal))
        rf_buf_v(list, 1, principal);
}

/* As people read it: names are text, Node-IDs are bytes. */
static void put_line(struct rf_buf *out, struct rf_view principal)
{
    if (out->len > 0)
        rf_buf_str(out, "\n");
    if (rf_utf8_valid(principal) && rf_name_domain(principal).len > 0)
        rf_buf_view_put(out, principal);
    else
        rf_hex_put(out, principal);
}

struct moved {
    struct rf_buf gone, came; /* principals of leaves that went, of users that were not in it */
    struct rf_buf lines;
    enum rf_chat_kind kind;
};

static void move_leaves(struct chat_conv *conv, const struct rf_mls_event *event, struct moved *m)
{
    for (size_t i = 0; i < event->removed_count; i++) {
        uint32_t leaf = event->removed[i];
        if (leaf < conv->leaf_count && conv->leaves[leaf].user != NULL)
            list_add(&m->gone, conv->leaves[leaf].user->principal);
        group_blank(conv, leaf);
    }
    for (size_t i = 0; i < event->added_count; i++) {
        size_t before = conv->users.count;
        if (group_leaf(conv, event->added[i]) != 0) {
            save_break(conv->chat);
            return;
        }
        if (conv->users.count > before)
            list_add(&m->came, conv->leaves[event->added[i]].user->principal);
    }
}

/* Users that came, or went, or only devices of theirs. */
static void tell_moved(struct chat_conv *conv, const struct rf_mls_event *event, struct moved *m)
{
    struct rf_view list = rf_buf_view(&m->came), one;
    while (rf_view_v(&list, 1, &one) == 0)
        if (!in_list(rf_buf_view(&m->gone), one))
            put_line(&m->lines, one);
    m->kind = RF_CHAT_KIND_JOINED;
    if (m->lines.len > 0)
        return;
    list = rf_buf_view(&m->gone);
    while (rf_view_v(&list, 1, &one) == 0)
        if (group_user(conv, one) == NULL)
            put_line(&m->lines, one);
    m->kind = RF_CHAT_KIND_LEFT;
    if (m->lines.len > 0)
        return;
    m->kind = RF_CHAT_KIND_DEVICE;
    if (event->sender_type == RF_MLS_SENDER_NEW_COMMIT)
        rf_buf_str(&m->lines, "came in with a device by itself");
    else if (event->added_count > 0)
        rf_buf_str(&m->lines, "another device came in");
    else if (event->removed_count > 0)
        rf_buf_str(&m->lines, "a device went");
}

/* ---- what else changed ---- */

static void tell_shape(struct chat_conv *conv, struct moved *m)
{
    struct shape shape;
    uint8_t hash[RF_SHA256_LEN];
    if (group_shape(conv, &shape) != 0 || rf_sha256(conv->chat->config.crypto, shape.admins, hash) != 0)
        return;
    bool admins = memcmp(hash, conv->admins_hash, sizeof(hash)) != 0;
    memcpy(conv->admins_hash, hash, sizeof(hash));
    if (m->lines.len > 0)
        return;
    if (!rf_view_equal(shape.title, rf_buf_view(&conv->title))) {
        m->kind = RF_CHAT_KIND_TITLE;
        rf_buf_view_put(&m->lines, shape.title);
    } else if (!rf_view_equal(shape.topic, rf_buf_view(&conv->topic))) {
        m->kind = RF_CHAT_KIND_TOPIC;
        rf_buf_view_put(&m->lines, shape.topic);
    } else if (admins) {
        m->kind = RF_CHAT_KIND_ADMINS;
        for (struct rf_map_node *n = rf_map_next(&conv->users, NULL); n != NULL;
             n = rf_map_next(&conv->users, n)) {
            const struct chat_user *u = RF_CONTAINER(n, const struct chat_user, node);
            if (rf_roster_has(shape.admins, u->tag))
                put_line(&m->lines, u->principal);
        }
    } else {
        m->kind = 0;
    }
}

static void moved_init(struct rf_chat *chat, struct moved *m)
{
    *m = (struct moved){.kind = 0};
    rf_buf_init(&m->gone, chat->mem, (size_t)4 << 20);
    rf_buf_init(&m->came, chat->mem, (size_t)4 << 20);
    rf_buf_init(&m->lines, chat->mem, LINES_MAX_LEN);
}

static void moved_deinit(struct moved *m)
{
    rf_buf_deinit(&m->gone);
    rf_buf_deinit(&m->came);
    rf_buf_deinit(&m->lines);
}

/* A line is named so that no message can be: nobody edits it, deletes it or writes over it. */
static void show_change(struct chat_conv *conv, const struct chat_entry *e, struct rf_view by,
                        struct moved *m)
{
    struct chat_entry line = *e;
    struct rf_keep_entry entry = {.kind = (uint16_t)m->kind,
                                  .sender = by,
                                  .sent_ms = conv->chat->env->now->wall_ms,
                                  .text = rf_buf_view(&m->lines)};
    line.first_sequence |= CHAT_HANDSHAKES;
    if (m->kind != 0)
        entry_show(conv, &line, &entry);
}

/* Who made a Commit; who brought it to the log may be another one. */
static struct rf_view maker(const struct chat_conv *conv, const struct chat_entry *e,
                            const struct rf_mls_event *event)
{
    bool known = event->sender < conv->leaf_count && conv->leaves[event->sender].user != NULL;
    return known ? conv->leaves[event->sender].user->principal : chat_principal_of(e->signer->cert);
}

void commit_taken(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event)
{
    struct moved m;
    bool own = event->type == RF_MLS_EVENT_COMMIT_OWN;
    moved_init(conv->chat, &m);
    conv->ahead = 0;
    move_leaves(conv, event, &m);
    tell_moved(conv, event, &m);
    tell_shape(conv, &m);
    group_look(conv);
    show_change(conv, e, maker(conv, e, event), &m);
    conv_changed(conv);
    change_moved(conv, own, rf_buf_view(&m.came), rf_buf_view(&m.gone), e->index);
    for (size_t i = 0; own && i < event->added_count; i++) {
        const struct chat_leaf *leaf = &conv->leaves[event->added[i]];
        if (leaf->user != NULL && rf_view_equal(leaf->user->principal, conv->chat->principal))
            change_tell_own(conv, e->index);
    }
    change_committed(conv, own, event->beaten, e->index);
    moved_deinit(&m);
}

void commit_removed(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event)
{
    struct rf_chat *chat = conv->chat;
    struct moved m;
    moved_init(chat, &m);
    put_line(&m.lines, chat->principal);
    m.kind = RF_CHAT_KIND_LEFT;
    show_change(conv, e, maker(conv, e, event), &m);
    moved_deinit(&m);
    group_reset(conv);
    conv->dirty &= ~(unsigned)(DIRTY_GROUP | DIRTY_SENT);
    save_drop(chat, conv, PART_GROUP, rf_view_of(NULL, 0));
    save_drop(chat, conv, PART_SENT, rf_view_of(NULL, 0));
    out_drop(conv, OUT_SAY);
    out_drop(conv, OUT_HANDSHAKE);
    out_drop(conv, OUT_WELCOME);
    change_deinit(conv, RF_ECLOSED);
    conv_set_state(conv, RF_CHAT_ENDED);
    log_watch(conv, false);
}

/* ---- messages ---- */

/* A message, being put together from its items. */
struct heard {
    struct chat_conv *conv;
    const struct chat_entry *e;
    struct rf_view principal;
    uint64_t sent_ms;
    struct rf_view text;
    struct rf_keep_name reply_to, edit;
    bool edits, mentioned;
};

/* May he change what that device wrote? */
static bool may_change(const struct heard *h, const struct rf_keep_name *name, bool admin_may)
{
    if (name->sequence >= CHAT_HANDSHAKES)
        return false; /* what became of the group stands there as it was */
    if (rf_id_equal(&name->device, &h->e->name.device))
        return true;
    const struct chat_leaf *leaf = group_device(h->conv, &name->device);
    if (leaf != NULL && rf_view_equal(leaf->user->principal, h->principal))
        return true;
    return admin_may && conv_is_admin(h->conv, h->principal);
}

static struct rf_keep_op *change_op(const struct heard *h, enum rf_keep_op_type type,
                                    const struct rf_keep_name *target)
{
    struct rf_chat *chat = h->conv->chat;
    struct rf_view by = save_copy(chat, h->principal);
    struct rf_keep_op *op = save_op(chat, type);
    if (op == NULL)
        return NULL;
    memcpy(op->change.conversation, h->conv->id, sizeof(h->conv->id));
    op->change.target = *target;
    op->change.by = by;
    op->change.time_ms = h->sent_ms;
    struct rf_keep_entry entry = {.name = *target};
    memcpy(entry.conversation, h->conv->id, sizeof(h->conv->id));
    struct rf_chat_event event = {
        .type = RF_CHAT_EVENT_CHANGED, .of_conversation = true, .user = h->principal, .entry = &entry};
    memcpy(event.conversation, h->conv->id, sizeof(h->conv->id));
    save_event(chat, &event);
    return chat->broken != 0 ? NULL : op;
}

static void heard_react(const struct heard *h, struct rf_view body)
{
    struct item_react react;
    if (item_react_decode(body, &react) != 0)
        return;
    struct rf_view text = save_copy(h->conv->chat, react.reaction);
    struct rf_keep_op *op = change_op(h, react.on ? RF_KEEP_REACT : RF_KEEP_UNREACT, &react.name);
    if (op != NULL)
        op->change.text = text;
}

static void heard_mark(const struct heard *h, struct rf_view body)
{
    struct chat_conv *conv = h->conv;
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_MARK, .of_conversation = true, .user = h->principal};
    uint8_t kind = 0;
    uint64_t index = 0;
    if (rf_view_u8(&body, &kind) != 0 || rf_view_u64(&body, &index) != 0 || index > h->e->index ||
        (kind != RF_CHAT_MARK_DELIVERED && kind != RF_CHAT_MARK_READ))
        return;
    struct rf_view principal = save_copy(conv->chat, h->principal);
    struct rf_keep_op *op = save_op(conv->chat, RF_KEEP_MARK);
    if (op == NULL)
        return;
    memcpy(op->mark.conversation, conv->id, sizeof(conv->id));
    op->mark.kind = kind;
    op->mark.principal = principal;
    op->mark.index = index;
    op->mark.time_ms = h->sent_ms;
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    event.mark.kind = (enum rf_chat_mark)kind;
    event.mark.index = index;
    save_event(conv->chat, &event);
    if (rf_view_equal(h->principal, conv->chat->principal) && kind == RF_CHAT_MARK_READ &&
        index + 1 > conv->read_index) {
        conv->read_index = conv->told_read = index + 1; /* by another device of ours */
        conv_changed(conv);
    }
}

static void heard_item(struct heard *h, uint8_t type, struct rf_view body)
{
    struct rf_keep_name name;
    switch (type) {
    case ITEM_TEXT:
        h->text = body;
        break;
    case ITEM_REPLY:
        (void)name_decode(&body, &h->reply_to);
        break;
    case ITEM_MENTION:
        h->mentioned |= rf_view_equal(body, h->conv->chat->principal);
        break;
    case ITEM_EDIT:
        h->edits = name_decode(&body, &h->edit) == 0;
        break;
    case ITEM_DELETE:
        if (name_decode(&body, &name) == 0 && may_change(h, &name, true))
            (void)change_op(h, RF_KEEP_ENTRY_DELETE, &name);
        break;
    case ITEM_REACT:
        heard_react(h, body);
        break;
    case ITEM_MARK:
        heard_mark(h, body);
        break;
    default:
        break;
    }
}

static void heard_text(struct heard *h)
{
    struct rf_keep_entry entry = {
        .kind = RF_CHAT_KIND_TEXT,
        .flags = h->mentioned ? RF_CHAT_FLAG_MENTIONED : 0,
        .sender = h->principal,
        .sent_ms = h->sent_ms,
        .reply_to = h->reply_to,
        .text = h->text,
    };
    if (!h->edits) {
        entry_show(h->conv, h->e, &entry);
        return;
    }
    if (!may_change(h, &h->edit, false))
        return;
    struct rf_view text = save_copy(h->conv->chat, h->text);
    struct rf_keep_op *op = change_op(h, RF_KEEP_ENTRY_EDIT, &h->edit);
    if (op != NULL)
        op->change.text = text;
}

void say_taken(struct chat_conv *conv, const struct chat_entry *e, struct rf_view data,
               struct rf_view principal, const struct chat_out *own)
{
    struct heard h = {.conv = conv, .e = e, .principal = principal};
    struct say say = {.items = data};
    uint8_t type = 0;
    struct rf_view body;
    if (own != NULL) {
        say.sent_ms = own->sent_ms;
    } else if (say_decode(data, &say) != 0) {
        conv->chat->counters.entries_malformed++;
        return;
    } else {
        entry_check_chain(conv, say.seen, say.chain, e);
    }
    h.sent_ms = say.sent_ms;
    while (item_next(&say.items, &type, &body) == 0)
        heard_item(&h, type, body);
    if (h.text.len > 0)
        heard_text(&h);
    if (own == NULL && h.text.len > 0 && !h.edits)
        out_mark(conv);
}
