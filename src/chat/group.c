/* group.c - a conversation's MLS group: made, kept on disk, and who is in it. See internal.h for what is kept. */
#include "chat/internal.h"

#define LEAF_LIFE_S      ((uint64_t)10 * 365 * 24 * 3600) /* nobody asks; the certificate's life is what counts */
#define CHECKPOINT_MIN   4096 /* bytes of handshakes, at least, that are kept beside a checkpoint */
#define CHECKPOINT_READ  500  /* messages: far below RF_MLS_FORWARD_MAX */
#define GROUP_MAX_LEAVES 65536

static const uint16_t understood[] = {RF_CHAT_SHAPE, RF_CHAT_DOOR_KEY};

int group_profile(struct rf_chat *chat, struct rf_mls_profile *out)
{
    *out = (struct rf_mls_profile){
        .key = chat->config.identity->key,
        .type = RF_MLS_X509,
        .credential = rf_buf_view(&chat->credential),
        .extensions = understood,
        .extension_count = RF_COUNT(understood),
        .leaf_extensions = rf_view_of(chat->leaf_extensions, chat->leaf_extensions_len),
    };
    return rf_buf_error(&chat->credential);
}

int group_create(struct chat_conv *conv, const struct shape *shape)
{
    struct rf_chat *chat = conv->chat;
    struct rf_mls_profile profile;
    struct rf_buf extensions;
    uint64_t now_s = chat->env->now->wall_ms / RF_MS_PER_S;
    rf_buf_init(&extensions, chat->mem, 1 << 17);
    shape_extensions(shape, &extensions);
    int error = rf_buf_error(&extensions);
    if (error == 0)
        error = group_profile(chat, &profile);
    if (error == 0)
        error = rf_mls_create(&chat->mls, chat->suite, &profile, 0, now_s + LEAF_LIFE_S,
                              rf_view_of(conv->id, sizeof(conv->id)), rf_buf_view(&extensions), &conv->group);
    rf_buf_deinit(&extensions);
    conv->dirty |= DIRTY_GROUP;
    return error != 0 ? error : group_adopt(conv);
}

int group_shape(const struct chat_conv *conv, struct shape *out)
{
    return shape_find(rf_mls_extensions(conv->group), out);
}

void group_look(struct chat_conv *conv)
{
    struct shape shape;
    if (conv->group == NULL || group_shape(conv, &shape) != 0)
        return;
    chat_set(&conv->title, shape.title);
    chat_set(&conv->topic, shape.topic);
    conv->direct = (shape.flags & SHAPE_DIRECT) != 0;
    for (struct rf_map_node *n = rf_map_next(&conv->users, NULL); n != NULL && conv->direct;
         n = rf_map_next(&conv->users, n)) {
        const struct chat_user *u = RF_CONTAINER(n, const struct chat_user, node);
        if (!rf_view_equal(u->principal, conv->chat->principal))
            chat_set(&conv->peer, u->principal);
    }
}

/* ---- who is in it ---- */

struct chat_user *group_user(const struct chat_conv *conv, struct rf_view principal)
{
    struct rf_map_node *node = rf_map_find(&conv->users, principal);
    return node == NULL ? NULL : RF_CONTAINER(node, struct chat_user, node);
}

const struct chat_leaf *group_device(const struct chat_conv *conv, const struct rf_id *device)
{
    for (size_t i = 0; i < conv->leaf_count; i++)
        if (conv->leaves[i].cert != NULL && rf_id_equal(&conv->leaves[i].cert->node_ids[0], device))
            return &conv->leaves[i];
    return NULL;
}

static void leaf_clear(struct chat_conv *conv, struct chat_leaf *leaf)
{
    struct chat_user *user = leaf->user;
    if (user != NULL && --user->device_count == 0) {
        rf_map_remove(&conv->users, &user->node);
        rf_free(conv->chat->mem, user);
    } else if (user != NULL && user->name.p == leaf->cert->user.p) {
        for (size_t i = 0; i < conv->leaf_count; i++) /* the name is another certificate's from now on */
            if (&conv->leaves[i] != leaf && conv->leaves[i].user == user)
                user->name = conv->leaves[i].cert->user;
    }
    rf_cert_release(leaf->cert);
    *leaf = (struct chat_leaf){.cert = NULL};
}

void group_blank(struct chat_conv *conv, uint32_t number)
{
    if (number < conv->leaf_count && conv->leaves[number].cert != NULL)
        leaf_clear(conv, &conv->leaves[number]);
}

static struct chat_user *user_new(struct chat_conv *conv, const struct rf_cert *cert)
{
    struct rf_view principal = chat_principal_of(cert);
    struct chat_user *user = rf_zalloc(conv->chat->mem, sizeof(*user) + principal.len);
    if (user == NULL)
        return NULL;
    memcpy(user + 1, principal.p, principal.len);
    user->principal = rf_view_of(user + 1, principal.len);
    user->name = cert->user;
    if (rf_conversation_tag(conv->chat->config.crypto, conv->id, principal, user->tag) != 0 ||
        rf_map_insert(&conv->users, &user->node) != 0) {
        rf_free(conv->chat->mem, user);
        return NULL;
    }
    return user;
}

static int leaves_grow(struct chat_conv *conv, size_t count)
{
    if (count <= conv->leaf_count)
        return 0;
    if (count > GROUP_MAX_LEAVES)
        return RF_ELIMIT;
    struct chat_leaf *leaves = rf_resize(conv->chat->mem, conv->leaves, count * sizeof(*leaves));
    if (leaves == NULL)
        return RF_ENOMEM;
    memset(leaves + conv->leaf_count, 0, (count - conv->leaf_count) * sizeof(*leaves));
    conv->leaves = leaves;
    conv->leaf_count = count;
    return 0;
}

int group_leaf(struct chat_conv *conv, uint32_t number)
{
    struct rf_mls_identity who;
    struct rf_cert *cert = NULL;
    bool there = rf_mls_member(conv->group, number, &who);
    int error = there ? leaves_grow(conv, (size_t)number + 1) : 0;
    if (error != 0 || number >= conv->leaf_count)
        return error;
    if (there)
        error = rules_cert(conv->chat, who.credential, &cert);
    if (error != 0)
        return error;
    struct chat_leaf *leaf = &conv->leaves[number];
    if (leaf->cert != NULL)
        leaf_clear(conv, leaf);
    if (!there)
        return 0;
    struct chat_user *user = group_user(conv, chat_principal_of(cert));
    if (user == NULL)
        user = user_new(conv, cert);
    if (user == NULL) {
        rf_cert_release(cert);
        return RF_ENOMEM;
    }
    user->device_count++;
    *leaf = (struct chat_leaf){cert, user};
    return 0;
}

static void leaves_free(struct chat_conv *conv)
{
    for (size_t i = 0; i < conv->leaf_count; i++)
        if (conv->leaves[i].cert != NULL)
            leaf_clear(conv, &conv->leaves[i]);
    rf_free(conv->chat->mem, conv->leaves);
    conv->leaves = NULL;
    conv->leaf_count = 0;
}

int group_adopt(struct chat_conv *conv)
{
    int error = 0;
    leaves_free(conv);
    for (uint32_t i = 0; i < rf_mls_leaf_count(conv->group) && error == 0; i++)
        error = group_leaf(conv, i);
    if (error == 0)
        group_look(conv);
    return error;
}

void group_reset(struct chat_conv *conv)
{
    leaves_free(conv);
    rf_mls_free(conv->group);
    conv->group = NULL;
    rf_buf_deinit(&conv->fresh);
    rf_buf_deinit(&conv->saved_group);
    while (!rf_list_empty(&conv->saved_handshakes)) {
        struct chat_piece *p = RF_LIST_ENTRY(conv->saved_handshakes.next, struct chat_piece, list);
        rf_list_remove(&p->list);
        rf_free(conv->chat->mem, p);
    }
}

/* ---- on disk ---- */

void group_handshake(struct chat_conv *conv, struct rf_view message)
{
    rf_buf_v(&conv->fresh, 4, message);
    conv->since_len += message.len;
    if (rf_buf_error(&conv->fresh) != 0 || conv->since_len > conv->checkpoint_len / 2 + CHECKPOINT_MIN)
        conv->dirty |= DIRTY_GROUP;
}

void group_read(struct chat_conv *conv)
{
    if (++conv->since_count >= CHECKPOINT_READ)
        conv->dirty |= DIRTY_GROUP;
}

/* By whose door we may come in again: a home could make one of its own. */
static void remember_users(struct chat_conv *conv)
{
    if (conv->users.count == 0)
        return;
    rf_buf_reset(&conv->known);
    for (struct rf_map_node *n = rf_map_next(&conv->users, NULL); n != NULL; n = rf_map_next(&conv->users, n))
        rf_buf_put(&conv->known, RF_CONTAINER(n, const struct chat_user, node)->tag, RF_ROSTER_TAG_LEN);
    save_state(conv->chat, conv, PART_KNOWN, rf_view_of(NULL, 0), rf_buf_view(&conv->known));
}

bool group_knew(const struct chat_conv *conv, struct rf_view principal)
{
    uint8_t tag[RF_ROSTER_TAG_LEN];
    if (conv->users.count > 0)
        return group_user(conv, principal) != NULL;
    if (conv->known.len == 0)
        return true; /* there was nobody yet, or nothing is left of it */
    if (rf_conversation_tag(conv->chat->config.crypto, conv->id, principal, tag) != 0)
        return false;
    for (size_t i = 0; i + sizeof(tag) <= conv->known.len; i += sizeof(tag))
        if (memcmp(conv->known.p + i, tag, sizeof(tag)) == 0)
            return true;
    return false;
}

void group_lost(struct chat_conv *conv)
{
    remember_users(conv);
    change_again(conv);
    group_reset(conv);
    conv->dirty &= ~(unsigned)(DIRTY_GROUP | DIRTY_SENT);
    save_drop(conv->chat, conv, PART_GROUP, rf_view_of(NULL, 0));
    conv->scan = conv->next;
    out_drop(conv, OUT_HANDSHAKE);
    out_drop(conv, OUT_WELCOME);
    conv_set_state(conv, RF_CHAT_JOINING);
}

static struct rf_view number_name(uint32_t number, uint8_t out[4])
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(number >> (24 - 8 * i));
    return rf_view_of(out, 4);
}

static void checkpoint(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    struct rf_buf out;
    uint8_t name[4];
    rf_buf_init(&out, chat->mem, RF_MLS_INFO_MAX_LEN);
    int error = rf_mls_save(conv->group, &out);
    if (error != 0 || rf_buf_error(&out) != 0) {
        save_break(chat);
    } else {
        save_state(chat, conv, PART_GROUP, rf_view_of(NULL, 0), rf_buf_view(&out));
        for (uint32_t i = 0; i < conv->handshakes; i++)
            save_drop(chat, conv, PART_HANDSHAKE, number_name(i, name));
        conv->checkpoint_len = out.len;
        conv->handshakes = 0;
        conv->since_len = conv->since_count = 0;
    }
    rf_buf_deinit(&out);
}

void group_encode(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    uint8_t name[4], sent[12];
    uint32_t before = conv->handshakes;
    struct rf_buf buf;
    if (conv->group != NULL && (conv->dirty & DIRTY_GROUP) != 0)
        checkpoint(conv);
    else if (conv->group != NULL && conv->fresh.len > 0)
        save_state(chat, conv, PART_HANDSHAKE, number_name(conv->handshakes++, name),
                   rf_buf_view(&conv->fresh));
    rf_buf_reset(&conv->fresh);
    if (conv->group != NULL && (conv->dirty & (DIRTY_SENT | DIRTY_GROUP)) != 0) {
        rf_buf_fixed(&buf, sent, sizeof(sent));
        rf_buf_u64(&buf, rf_mls_epoch(conv->group));
        rf_buf_u32(&buf, rf_mls_sent(conv->group));
        save_state(chat, conv, PART_SENT, rf_view_of(NULL, 0), rf_buf_view(&buf));
    }
    if (before != conv->handshakes) { /* it stands in the core */
        struct rf_buf core;
        rf_buf_init(&core, chat->mem, 1 << 16);
        conv_encode(conv, &core);
        if (rf_buf_error(&core) != 0)
            save_break(chat);
        save_state(chat, conv, PART_CORE, rf_view_of(NULL, 0), rf_buf_view(&core));
        rf_buf_deinit(&core);
    }
}

int group_load_handshake(struct chat_conv *conv, struct rf_view name, struct rf_view value)
{
    uint32_t number = 0;
    if (rf_view_u32(&name, &number) != 0 || name.len != 0)
        return RF_EFORMAT;
    struct chat_piece *p = rf_zalloc(conv->chat->mem, sizeof(*p) + value.len);
    if (p == NULL)
        return RF_ENOMEM;
    memcpy(p + 1, value.p, value.len);
    p->sequence = number;
    p->parcel.bytes = rf_view_of(p + 1, value.len);
    struct rf_list *at = &conv->saved_handshakes; /* in order */
    while (at->prev != &conv->saved_handshakes &&
           RF_LIST_ENTRY(at->prev, struct chat_piece, list)->sequence > number)
        at = at->prev;
    rf_list_push_back(at, &p->list);
    return 0;
}

/* What came behind the checkpoint is taken again. It was good then, so an error means that the state is not what it was. */
static int take_again(struct chat_conv *conv)
{
    struct rf_mls_event event;
    struct rf_view message;
    int error = 0;
    RF_LIST_EACH(&conv->saved_handshakes, it)
    {
        struct rf_view list = RF_LIST_ENTRY(it, struct chat_piece, list)->parcel.bytes;
        while (error == 0 && list.len > 0) {
            error = rf_view_v(&list, 4, &message);
            if (error == 0)
                error = rf_mls_process(conv->group, message, &event);
            rf_mls_welcome_drop(conv->group); /* it was sent, or waits among what is to be sent */
            conv->since_len += message.len;
        }
    }
    return error;
}

/* No generation that was used may be used again: as many are passed over. */
static int pass_over(struct chat_conv *conv)
{
    struct rf_buf scrap;
    int error = 0;
    rf_buf_init(&scrap, conv->chat->mem, 1 << 16);
    while (error == 0 && rf_mls_epoch(conv->group) == conv->sent_epoch &&
           rf_mls_sent(conv->group) < conv->sent) {
        rf_buf_reset(&scrap);
        error = rf_mls_encrypt(conv->group, rf_view_str("-"), rf_view_of(NULL, 0), 1, &scrap);
        if (error == RF_EBUSY) { /* nothing can be encrypted before a Commit, which begins a new epoch */
            error = 0;
            break;
        }
    }
    rf_buf_deinit(&scrap);
    return error;
}

static uint32_t handshakes_loaded(const struct chat_conv *conv)
{
    uint32_t count = 0;
    RF_LIST_EACH(&conv->saved_handshakes, it)
    {
        count++;
    }
    return count;
}

/* What cannot be gone on with must not be there at the next start. */
static void forget_saved(struct chat_conv *conv)
{
    uint8_t name[4];
    RF_LIST_EACH(&conv->saved_handshakes, it)
    {
        uint32_t number = (uint32_t)RF_LIST_ENTRY(it, const struct chat_piece, list)->sequence;
        save_drop(conv->chat, conv, PART_HANDSHAKE, number_name(number, name));
    }
    conv->handshakes = 0;
    save_drop(conv->chat, conv, PART_GROUP, rf_view_of(NULL, 0));
    save_drop(conv->chat, conv, PART_SENT, rf_view_of(NULL, 0));
}

int group_restore(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    int error = 0;
    if (conv->damaged && conv->state != RF_CHAT_INVITED && conv->state != RF_CHAT_ENDED) {
        if (conv->state == 0)
            conv->kept = true;
        conv->state = RF_CHAT_JOINING;
        error = RF_EFORMAT;
    } else if (conv->saved_group.len > 0 &&
               (!conv->sent_known || handshakes_loaded(conv) != conv->handshakes)) {
        error = RF_EFORMAT; /* an older state would use keys again */
    } else if (conv->saved_group.len > 0) {
        error = rf_mls_restore(&chat->mls, rf_buf_view(&conv->saved_group), chat->config.identity->key,
                               &conv->group);
        conv->checkpoint_len = conv->saved_group.len;
        if (error == 0)
            error = take_again(conv);
        if (error == 0 && rf_mls_state(conv->group) == RF_MLS_MEMBER)
            error = pass_over(conv);
        if (error == 0 && rf_mls_state(conv->group) == RF_MLS_MEMBER)
            error = group_adopt(conv);
        conv->since_count =
            CHECKPOINT_READ - 1; /* how far it is behind, nobody has counted: soon a new one */
    }
    if (error == RF_ENOMEM)
        return error;
    if (error != 0 ||
        (conv->group == NULL && (conv->state == RF_CHAT_MEMBER || conv->state == RF_CHAT_LEAVING ||
                                 conv->state == RF_CHAT_CREATING))) {
        forget_saved(conv);
        group_reset(conv);
        conv->state = conv->state == RF_CHAT_CREATING ? RF_CHAT_ENDED : RF_CHAT_JOINING;
        conv->dirty |= DIRTY_CORE;
    }
    rf_buf_deinit(&conv->saved_group);
    while (!rf_list_empty(&conv->saved_handshakes)) {
        struct chat_piece *p = RF_LIST_ENTRY(conv->saved_handshakes.next, struct chat_piece, list);
        rf_list_remove(&p->list);
        rf_free(chat->mem, p);
    }
    return 0;
}
