/* entry.c - one entry of the log, in its turn: counted into the chain, put together, opened by the group, shown. */
#include "chat/internal.h"
#include "base/text.h"

#define AHEAD_MAX                                                                                            \
    3 /* messages of epochs to come: then the door says whether the group has gone on without us */

/* ---- the chain ---- */

static struct chat_ring_place *place_of(const struct chat_conv *conv, uint32_t index)
{
    return &conv->ring[index % CHAT_RING];
}

static int chain_step(struct rf_chat *chat, uint32_t index, const uint8_t digest[CHAT_CHAIN_LEN],
                      uint8_t chain[CHAT_CHAIN_LEN])
{
    uint8_t number[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8),
                         (uint8_t)index};
    struct rf_view parts[] = {rf_view_of(chain, CHAT_CHAIN_LEN), rf_view_of(number, 4),
                              rf_view_of(digest, CHAT_CHAIN_LEN)};
    return chat->config.crypto->ops->hash(chat->config.crypto, RF_HASH_SHA256, parts, 3, chain);
}

static void chain_add(struct chat_conv *conv, const struct chat_entry *e)
{
    struct rf_chat *chat = conv->chat;
    struct rf_view parts[] = {rf_id_view(&e->name.device), e->value};
    if (conv->ring == NULL) {
        conv->ring = rf_zalloc(chat->mem, CHAT_RING * sizeof(*conv->ring));
        conv->ring_from = e->index;
    }
    conv->next = e->index + 1;
    conv->dirty |= DIRTY_CORE;
    if (conv->ring == NULL) {
        save_break(chat);
        return;
    }
    if (conv->next - conv->ring_from > CHAT_RING)
        conv->ring_from = conv->next - CHAT_RING;
    struct chat_ring_place *place = place_of(conv, e->index);
    int error = chat->config.crypto->ops->hash(chat->config.crypto, RF_HASH_SHA256, parts, 2, place->digest);
    if (error == 0)
        error = chain_step(chat, e->index, place->digest, conv->chain);
    memcpy(place->chain, conv->chain, CHAT_CHAIN_LEN);
    if (error != 0)
        save_break(chat);
}

/* From what a member saw below `seen` our own value is reckoned again. */
static void chain_adopt(struct chat_conv *conv, uint32_t seen, struct rf_view chain)
{
    uint8_t value[CHAT_CHAIN_LEN];
    if (conv->ring == NULL || seen < conv->ring_from)
        return;
    memcpy(value, chain.p, sizeof(value));
    for (uint32_t i = seen; i < conv->next; i++) {
        struct chat_ring_place *place = place_of(conv, i);
        if (chain_step(conv->chat, i, place->digest, value) != 0)
            return;
        memcpy(place->chain, value, sizeof(value));
    }
    memcpy(conv->chain, value, sizeof(value));
    conv->ring_from = seen;
    conv->chain_known = true;
}

void entry_check_chain(struct chat_conv *conv, uint32_t seen, struct rf_view chain,
                       const struct chat_entry *e)
{
    const uint8_t *ours = NULL;
    if (seen > e->index) {
        log_doubt(conv, "a member had seen more entries than the home gives before his own");
        return;
    }
    if (!conv->chain_known) {
        chain_adopt(conv, seen, chain);
        return;
    }
    if (seen == e->index)
        ours = e->chain;
    else if (seen > conv->ring_from && conv->ring != NULL)
        ours = place_of(conv, seen - 1)->chain;
    if (ours != NULL && memcmp(ours, chain.p, CHAT_CHAIN_LEN) != 0 && !conv->doubted)
        log_doubt(conv, "the home gave a member another log than us");
}

/* ---- the history ---- */

void entry_show(struct chat_conv *conv, const struct chat_entry *e, struct rf_keep_entry *entry)
{
    struct rf_chat *chat = conv->chat;
    struct rf_chat_event event = {.type = RF_CHAT_EVENT_ENTRY, .of_conversation = true, .entry = entry};
    memcpy(entry->conversation, conv->id, sizeof(conv->id));
    memcpy(event.conversation, conv->id, sizeof(conv->id));
    entry->index = e->index;
    entry->received_ms = chat->env->now->wall_ms;
    entry->name = (struct rf_keep_name){e->name.device, e->first_sequence};
    entry->raw = e->value;
    memcpy(entry->hash, conv->chain, sizeof(entry->hash));
    if (rf_view_equal(entry->sender, chat->principal))
        entry->flags |= RF_CHAT_FLAG_OWN;
    struct rf_keep_op *op = save_op(chat, RF_KEEP_ENTRY_PUT);
    if (op == NULL)
        return;
    op->entry = *entry;
    size_t number = chat->disk.open->count - 1;
    struct rf_view sender = save_copy(chat, entry->sender), text = save_copy(chat, entry->text),
                   content = save_copy(chat, entry->content), raw = save_copy(chat, entry->raw);
    if (chat->broken != 0)
        return;
    op = &chat->disk.open->ops[number];
    op->entry.sender = sender;
    op->entry.text = text;
    op->entry.content = content;
    op->entry.raw = raw;
    event.user = entry->sender;
    event.own = rf_id_equal(&e->name.device, &chat->config.identity->node_id);
    save_event(chat, &event);
}

static void show_unreadable(struct chat_conv *conv, const struct chat_entry *e)
{
    struct rf_keep_entry entry = {.kind = RF_CHAT_KIND_UNREADABLE,
                                  .sender = chat_principal_of(e->signer->cert),
                                  .sent_ms = conv->chat->env->now->wall_ms};
    conv->chat->counters.entries_undecryptable++;
    entry_show(conv, e, &entry);
}

/* ---- taking ---- */

static void mark_seen(struct chat_conv *conv, const struct chat_entry *e)
{
    uint8_t value[16];
    struct chat_seen *s = NULL;
    struct rf_buf buf;
    if (e->first_sequence >= CHAT_HANDSHAKES)
        return;
    for (uint16_t i = 0; i < e->parcel.pieces; i++)
        s = seen_add(conv->chat, &conv->seen, &e->name.device, e->first_sequence + i);
    if (s == NULL) {
        save_break(conv->chat);
        return;
    }
    rf_buf_fixed(&buf, value, sizeof(value));
    rf_buf_u64(&buf, s->highest);
    rf_buf_u64(&buf, s->below);
    save_state(conv->chat, conv, PART_SEEN, rf_id_view(&s->device), rf_buf_view(&buf));
}

/* Who wrote the message must be who signed the entry: else a member could give another's words out as his. */
static bool signed_by(const struct chat_conv *conv, const struct chat_entry *e, uint32_t leaf)
{
    return leaf < conv->leaf_count && conv->leaves[leaf].cert != NULL &&
           rf_id_equal(&conv->leaves[leaf].cert->node_ids[0], &e->name.device);
}

static void application(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event)
{
    group_read(conv);
    if (!signed_by(conv, e, event->sender) || e->first_sequence >= CHAT_HANDSHAKES) {
        conv->chat->counters.entries_malformed++;
        return;
    }
    say_taken(conv, e, event->data, conv->leaves[event->sender].user->principal, NULL);
}

static void own_again(struct chat_conv *conv, const struct chat_entry *e, struct chat_out *out)
{
    if (out == NULL)
        return;
    if (out->type == OUT_SAY)
        say_taken(conv, e, rf_buf_view(&out->plain), conv->chat->principal, out);
    else
        group_handshake(conv, e->whole);
    out_remove(conv, out);
}

/* Does a device of this user want this one out of the group? */
static bool goes(const struct chat_conv *conv, const struct rf_mls_event *event)
{
    return event->sender_type == RF_MLS_SENDER_MEMBER && event->change == RF_MLS_REMOVE &&
           event->leaf == rf_mls_own_leaf(conv->group) && event->sender < conv->leaf_count &&
           conv->leaves[event->sender].user != NULL &&
           rf_view_equal(conv->leaves[event->sender].user->principal, conv->chat->principal);
}

static void taken(struct chat_conv *conv, const struct chat_entry *e, const struct rf_mls_event *event,
                  struct chat_out *own)
{
    conv->chat->counters.entries_read++;
    mark_seen(conv, e);
    switch (event->type) {
    case RF_MLS_EVENT_APPLICATION:
        application(conv, e, event);
        break;
    case RF_MLS_EVENT_OWN:
        own_again(conv, e, own);
        break;
    case RF_MLS_EVENT_PROPOSAL:
        group_handshake(conv, e->whole);
        if (goes(conv, event))
            conv_set_state(conv, RF_CHAT_LEAVING); /* another device of ours leaves for all */
        change_tidy_soon(conv, false);
        break;
    case RF_MLS_EVENT_COMMIT:
    case RF_MLS_EVENT_COMMIT_OWN:
        group_handshake(conv, e->whole);
        if (own != NULL)
            out_remove(conv, own);
        if (conv->state == RF_CHAT_JOINING)
            door_entered(conv, e);
        else
            commit_taken(conv, e, event);
        break;
    default:
        commit_removed(conv, e, event);
    }
}

/* An epoch to come. Anybody can write that number: so a few of the group's devices must have, of two users where there are others, and then nothing is given up before the door shows that epoch (door.c). */
static void ahead(struct chat_conv *conv, const struct chat_entry *e)
{
    const struct chat_leaf *leaf = group_device(conv, &e->name.device);
    if (leaf == NULL || rf_view_equal(leaf->user->principal, conv->chat->principal))
        return;
    if (conv->ahead == 0)
        memcpy(conv->ahead_tag, leaf->user->tag, sizeof(conv->ahead_tag));
    else if (memcmp(conv->ahead_tag, leaf->user->tag, sizeof(conv->ahead_tag)) != 0)
        conv->ahead_several = true;
    if (++conv->ahead < AHEAD_MAX || (conv->users.count > 2 && !conv->ahead_several))
        return;
    conv->ahead = 0;
    conv->ahead_several = false;
    door_compare(conv);
}

static void refused(struct chat_conv *conv, const struct chat_entry *e, int error, struct chat_out *own)
{
    struct rf_chat *chat = conv->chat;
    switch (error) {
    case RF_ENOMEM:
    case RF_ECRYPTO:
        save_break(chat);
        break;
    case RF_EEXPIRED: /* it came too late; its writer sees that as well, and says it again */
        if (own != NULL && own->type == OUT_SAY)
            out_unseal(conv, own);
        else if (own != NULL)
            out_remove(conv, own);
        break;
    case RF_EDUPLICATE:
        chat->counters.entries_repeated++;
        if (own != NULL)
            out_remove(conv, own);
        break;
    case RF_ECONFLICT:
        door_beaten(conv);
        break;
    case RF_ENOTYET:
        if (conv->state == RF_CHAT_JOINING)
            break; /* said before we came in */
        chat->counters.entries_undecryptable++;
        ahead(conv, e);
        break;
    case RF_ECANCELLED:
    case RF_ECLOSED:
        group_lost(conv);
        break;
    case RF_EAUTH:
    case RF_ESIGNATURE:
    case RF_ELIMIT:
        show_unreadable(conv, e);
        break;
    default:
        chat->counters.entries_refused++;
    }
}

static void take_mls(struct chat_conv *conv, const struct chat_entry *e, struct chat_out *own)
{
    struct rf_mls_event event = {.type = RF_MLS_EVENT_OWN};
    int error = rf_mls_process(conv->group, e->whole, &event);
    if (error == 0)
        taken(conv, e, &event, own);
    else
        refused(conv, e, error, own);
}

/* false: it is none of ours */
static bool decode(const struct rf_fetched_value *value, struct chat_entry *e)
{
    e->value = value->value;
    e->signer = value->signer;
    e->name.device = value->signer->node_id;
    if (rf_entry_decode(value->value, &e->entry) != 0 || e->entry.sequence > RF_KEEP_MAX_INDEX)
        return false;
    e->name.sequence = e->entry.sequence;
    return parcel_decode(e->entry.content, &e->parcel) == 0;
}

void entry_take(struct chat_conv *conv, const struct rf_fetched_value *value, uint32_t index)
{
    struct rf_chat *chat = conv->chat;
    struct chat_entry e = {.index = index};
    struct rf_buf whole;
    bool good = decode(value, &e);
    memcpy(e.chain, conv->chain, sizeof(e.chain));
    chain_add(conv, &e);
    if (!good) {
        chat->counters.entries_malformed++;
        return;
    }
    if (e.name.sequence < CHAT_HANDSHAKES && seen_has(&conv->seen, &e.name.device, e.name.sequence)) {
        chat->counters.entries_repeated++;
        return;
    }
    rf_buf_init(&whole, chat->mem, RF_MLS_INFO_MAX_LEN);
    if (piece_take(conv, &e, &whole)) {
        bool ours = rf_id_equal(&e.name.device, &chat->config.identity->node_id);
        struct chat_out *own = ours ? out_find(conv, e.first_sequence) : NULL;
        if (e.parcel.type == PARCEL_MLS) {
            take_mls(conv, &e, own);
        } else { /* a Welcome, for others; or of a later version */
            mark_seen(conv, &e);
            if (e.parcel.type == PARCEL_KNOCK)
                door_knocked(conv, &e);
            if (own != NULL)
                out_remove(conv, own);
        }
    }
    rf_buf_deinit(&whole);
}

/* ---- looking for our Welcome ---- */

/* Anybody can make a group of this name with us in it. What is entered is the group of who invited us, or of who made the conversation; a device of ours that told us of it has looked. */
static bool may_bring(const struct chat_conv *conv, const struct chat_entry *e)
{
    struct rf_view who = chat_principal_of(e->signer->cert), inviter = rf_buf_view(&conv->inviter);
    return rf_view_equal(who, inviter) || rf_view_equal(who, rf_buf_view(&conv->creator)) ||
           rf_view_equal(who, conv->chat->principal) || rf_view_equal(inviter, conv->chat->principal);
}

static bool enter(struct chat_conv *conv, const struct chat_entry *e, const struct welcome *welcome,
                  struct chat_key *key)
{
    struct rf_chat *chat = conv->chat;
    struct rf_view none = {NULL, 0}, id = rf_view_of(conv->id, sizeof(conv->id));
    int error = rf_mls_join(&chat->mls, welcome->message, rf_buf_view(&key->message), &key->secret,
                            chat->config.identity->key, none, &conv->group);
    if (error == 0 && !rf_view_equal(rf_mls_id(conv->group), id))
        error = RF_EMISMATCH;
    if (error == 0)
        error = group_adopt(conv);
    if (error == 0 && (group_device(conv, &e->name.device) == NULL || !may_bring(conv, e)))
        error = RF_EFORBIDDEN; /* handed over by nobody of the group, or not by who invited us */
    if (error != 0) {
        group_reset(conv);
        chat->counters.entries_refused++;
        return false;
    }
    keys_used(chat, key);
    conv->next = conv->ring_from = welcome->index + 1;
    conv->scan = 0;
    memcpy(conv->chain, welcome->chain.p, CHAT_CHAIN_LEN);
    conv->chain_known = true;
    conv->read_index = welcome->index;
    conv->ahead = 0;
    conv->dirty |= DIRTY_CORE | DIRTY_GROUP;
    pieces_clear(conv);
    conv_set_state(conv, RF_CHAT_MEMBER);
    return true;
}

static void show_joined(struct chat_conv *conv, const struct chat_entry *e, uint32_t index)
{
    struct rf_keep_entry entry = {.kind = RF_CHAT_KIND_JOINED, .sent_ms = conv->chat->env->now->wall_ms};
    struct chat_entry at = *e;
    at.index = index;
    const struct chat_leaf *leaf = group_device(conv, &e->name.device);
    entry.sender = leaf->user->principal;
    entry.text = conv->chat->config.identity->cert->user;
    entry_show(conv, &at, &entry);
}

bool entry_scan(struct chat_conv *conv, const struct rf_fetched_value *value)
{
    struct chat_entry e = {.index = conv->scan - 1};
    struct welcome welcome;
    struct rf_buf whole;
    bool in = false;
    if (!decode(value, &e) || e.parcel.type != PARCEL_WELCOME)
        return false;
    rf_buf_init(&whole, conv->chat->mem, RF_MLS_INFO_MAX_LEN);
    if (piece_take(conv, &e, &whole) && welcome_decode(e.whole, &welcome) == 0 && welcome.index < e.index) {
        struct chat_key *key = keys_find(conv->chat, welcome.message);
        in = key != NULL && enter(conv, &e, &welcome, key);
        if (in)
            show_joined(conv, &e, welcome.index);
    }
    rf_buf_deinit(&whole);
    return in;
}
