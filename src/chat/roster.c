/* roster.c - the roster that the home checks writers by: made from the one before, compared with what the group says. */
#include <stdlib.h>
#include "chat/internal.h"

struct tags {
    uint8_t (*p)[RF_ROSTER_TAG_LEN];
    size_t count, cap;
};

static int tags_add(struct rf_chat *chat, struct tags *tags, const uint8_t *tag)
{
    if (tags->count == tags->cap) {
        size_t cap = tags->cap == 0 ? 32 : 2 * tags->cap;
        void *p = rf_resize(chat->mem, tags->p, cap * RF_ROSTER_TAG_LEN);
        if (p == NULL)
            return RF_ENOMEM;
        tags->p = p;
        tags->cap = cap;
    }
    memcpy(tags->p[tags->count++], tag, RF_ROSTER_TAG_LEN);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, RF_ROSTER_TAG_LEN);
}

static struct rf_view tags_view(struct tags *tags)
{
    if (tags->count > 0)
        qsort(tags->p, tags->count, RF_ROSTER_TAG_LEN, compare);
    size_t kept = 0;
    for (size_t i = 0; i < tags->count; i++)
        if (kept == 0 || memcmp(tags->p[kept - 1], tags->p[i], RF_ROSTER_TAG_LEN) != 0)
            memmove(tags->p[kept++], tags->p[i], RF_ROSTER_TAG_LEN);
    tags->count = kept;
    return rf_view_of(tags->p, kept * RF_ROSTER_TAG_LEN);
}

/* The users that a change names. */
static int named(struct chat_conv *conv, const struct chat_change *change, struct tags *out)
{
    struct rf_view list = rf_buf_view(change->what == CHANGE_ADD ? &change->packages : &change->users), one;
    uint8_t tag[RF_ROSTER_TAG_LEN];
    int error = 0;
    while (error == 0 && list.len > 0 && rf_view_v(&list, 1, &one) == 0) {
        struct rf_view package;
        if (change->what == CHANGE_ADD && rf_view_v(&list, 2, &package) != 0)
            break;
        error = rf_conversation_tag(conv->chat->config.crypto, conv->id, one, tag);
        if (error == 0)
            error = tags_add(conv->chat, out, tag);
    }
    (void)tags_view(out);
    return error;
}

static bool there(const struct tags *tags, const uint8_t *tag)
{
    return rf_roster_has(rf_view_of(tags->p, tags->count * RF_ROSTER_TAG_LEN), tag);
}

/* Where a tag of the roster stands after the change: 0 nowhere, 1 member, 2 admin. */
static int place_after(const struct chat_change *change, const struct tags *names, const struct tags *present,
                       const uint8_t *tag, int before)
{
    bool is_named = there(names, tag);
    switch (change->what) {
    case CHANGE_REMOVE:
        return is_named ? 0 : before;
    case CHANGE_ADMIN:
        return is_named ? 2 : before;
    case CHANGE_MEMBER:
        return is_named ? 1 : before;
    case CHANGE_TIDY:
        return is_named && !there(present, tag) ? 0 : before; /* unless he is back */
    default:
        return before;
    }
}

static int sort_out(struct chat_conv *conv, const struct chat_change *change, const struct rf_roster *before,
                    struct tags out[3])
{
    struct tags names = {NULL, 0, 0}, present = {NULL, 0, 0};
    int error = named(conv, change, &names);
    for (struct rf_map_node *n = rf_map_next(&conv->users, NULL); n != NULL && error == 0;
         n = rf_map_next(&conv->users, n))
        error = tags_add(conv->chat, &present, RF_CONTAINER(n, const struct chat_user, node)->tag);
    (void)tags_view(&present);
    for (int list = 1; list <= 2; list++) {
        struct rf_view tags = list == 1 ? before->members : before->admins;
        for (size_t i = 0; i < tags.len && error == 0; i += RF_ROSTER_TAG_LEN)
            error = tags_add(conv->chat, &out[place_after(change, &names, &present, tags.p + i, list)],
                             tags.p + i);
    }
    for (size_t i = 0; i < names.count && error == 0 && change->what == CHANGE_ADD; i++)
        if (!rf_roster_has(before->admins, names.p[i]))
            error = tags_add(conv->chat, &out[1], names.p[i]);
    rf_free(conv->chat->mem, names.p);
    rf_free(conv->chat->mem, present.p);
    return error;
}

int roster_next(struct chat_conv *conv, const struct chat_change *change, struct rf_buf *out)
{
    struct rf_chat *chat = conv->chat;
    struct rf_roster before, next;
    struct tags lists[3] = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
    uint8_t hash[RF_SHA256_LEN];
    int error = rf_roster_decode(rf_buf_view(&conv->roster), &before);
    if (error == 0)
        error = sort_out(conv, change, &before, lists);
    if (error == 0)
        error = rf_sha256(chat->config.crypto, rf_buf_view(&conv->roster), hash);
    if (error == 0) {
        next = before;
        next.sequence++;
        next.previous = rf_view_of(hash, sizeof(hash));
        next.members = tags_view(&lists[1]);
        next.admins = tags_view(&lists[2]);
        if (rf_view_equal(next.members, before.members) && rf_view_equal(next.admins, before.admins))
            error = RF_EEXIST;
        else if (next.admins.len == 0)
            error = RF_EFORBIDDEN;
        else if (next.admins.len + next.members.len > RF_CHAT_MAX_USERS * RF_ROSTER_TAG_LEN)
            error = RF_ELIMIT;
    }
    if (error == 0) {
        rf_buf_reset(out);
        rf_roster_encode(&next, out);
        error = rf_buf_error(out);
    }
    for (int i = 0; i < 3; i++)
        rf_free(chat->mem, lists[i].p);
    return error;
}

int roster_first(struct chat_conv *conv, struct rf_buf *out)
{
    static const uint8_t zeros[RF_ROSTER_HASH_LEN];
    uint8_t tag[RF_ROSTER_TAG_LEN];
    int error = rf_conversation_tag(conv->chat->config.crypto, conv->id, conv->chat->principal, tag);
    struct rf_roster roster = {
        .nonce = rf_view_of(conv->nonce, sizeof(conv->nonce)),
        .creator = conv->chat->principal,
        .previous = rf_view_of(zeros, sizeof(zeros)),
        .admins = rf_view_of(tag, sizeof(tag)),
    };
    rf_buf_reset(out);
    if (error == 0)
        rf_roster_encode(&roster, out);
    return error != 0 ? error : rf_buf_error(out);
}

/* The one that is known, or, where none is, what the group says of it. */
static bool follows(const struct chat_conv *conv, const struct rf_roster *next, struct rf_view value,
                    const struct shape *shape, bool by_admin)
{
    struct rf_crypto *crypto = conv->chat->config.crypto;
    struct rf_roster known;
    uint8_t hash[RF_SHA256_LEN], known_hash[RF_SHA256_LEN];
    uint32_t sequence = shape->sequence;
    struct rf_view before = shape->roster_hash;
    if (rf_sha256(crypto, value, hash) != 0)
        return false;
    if (conv->roster.len > 0 && rf_roster_decode(rf_buf_view(&conv->roster), &known) == 0 &&
        known.sequence >= sequence) {
        if (rf_sha256(crypto, rf_buf_view(&conv->roster), known_hash) != 0)
            return false;
        sequence = known.sequence;
        before = rf_view_of(known_hash, sizeof(known_hash));
    }
    if (next->sequence == sequence)
        return rf_view_equal(rf_view_of(hash, sizeof(hash)), before); /* whoever signed it: it stood there */
    if (next->sequence < sequence || !by_admin)
        return false;
    return next->sequence > sequence + 1 || rf_view_equal(next->previous, before);
}

bool roster_adopt(struct chat_conv *conv, const struct rf_fetched_value *value)
{
    struct rf_roster next;
    struct shape shape;
    uint8_t id[RF_CONVERSATION_LEN], tag[RF_ROSTER_TAG_LEN];
    if (!value->exists || value->signer == NULL || conv->group == NULL || group_shape(conv, &shape) != 0 ||
        rf_roster_decode(value->value, &next) != 0 ||
        rf_conversation_id(conv->chat->config.crypto, next.nonce, next.creator, id) != 0 ||
        memcmp(id, conv->id, sizeof(id)) != 0)
        return false;
    bool by_admin = rf_conversation_tag(conv->chat->config.crypto, conv->id,
                                        chat_principal_of(value->signer->cert), tag) == 0 &&
                    rf_roster_has(shape.admins, tag);
    if (!follows(conv, &next, value->value, &shape, by_admin)) {
        if (!conv->doubted)
            log_doubt(conv, "the home gives a roster that no admin made out of the one before");
        return false;
    }
    memcpy(conv->nonce, next.nonce.p, sizeof(conv->nonce));
    chat_set(&conv->creator, next.creator);
    chat_set(&conv->roster, value->value);
    conv->dirty |= DIRTY_ROSTER | DIRTY_CORE;
    return rf_buf_error(&conv->roster) == 0;
}
