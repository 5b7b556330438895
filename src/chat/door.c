/*
 * door.c - the way in for a device whose user is in the group and that is not, or not any more: its database was lost, its Welcome could not be opened, the log was reordered under it.
 *
 * The door is a GroupInfo of the current epoch, closed for the door keys of devices. Who has made a Commit writes the door for all, if they are not too many, so that it is open when nobody
 * is there. Who finds it missing, not for him, or of an epoch that is over, *knocks*: an entry of the log with his door key; members who read that write the door anew after a random moment, unless another one
 * was faster. With the door the device adds itself (external Commit), in place of its former leaf, and says so in the log by that.
 */
#include "chat/internal.h"
#include "mls/bytes.h"

#define ALL_MAX      64             /* devices for which the door stands open all the time */
#define LOOK_US      (10 * CHAT_S)  /* so long a Welcome is waited for */
#define ENTER_US     (300 * CHAT_S) /* so long our own Commit may take to come to stand in the log */
#define KNOCK_MS     (UINT64_C(60) * 1000)
#define DOOR_LIFE_S  (30 * 24 * 3600)
#define REFUSED_MS   (UINT64_C(7) * 24 * 3600 * 1000)
#define AGAIN_MS     (UINT64_C(600) * 1000)
#define KNOCKS_MAX   4096
#define DOOR_MAX_LEN ((size_t)1 << 20)
#define DOOR_AAD_LEN (RF_CONVERSATION_LEN + 12 + CHAT_CHAIN_LEN)

static void door_fired(struct rf_timer *timer, void *arg);

void door_init(struct chat_conv *conv)
{
    rf_timer_init(&conv->door_timer, door_fired, conv);
    rf_buf_init(&conv->knocks, conv->chat->mem, KNOCKS_MAX);
    rf_buf_init(&conv->door_out, conv->chat->mem, DOOR_MAX_LEN);
}

void door_deinit(struct chat_conv *conv)
{
    rf_timer_stop(conv->chat->env->timers, &conv->door_timer);
    conv->chat->config.net.cancel(conv->chat->config.net.ctx, &conv->door_timer);
    rf_buf_deinit(&conv->knocks);
    rf_buf_deinit(&conv->door_out);
}

static struct chat_conv *conv_of(void *arg)
{
    return RF_CONTAINER((struct rf_timer *)arg, struct chat_conv, door_timer);
}

void door_leaf_extension(const struct rf_chat *chat, struct rf_buf *out)
{
    rf_buf_u16(out, RF_CHAT_DOOR_KEY);
    mls_put_v(out, rf_view_of(chat->door.public, chat->door.public_len));
}

/* ---- writing it ---- */

static bool leaf_key(const struct chat_conv *conv, uint32_t leaf, struct rf_view *key)
{
    struct rf_view list = rf_mls_leaf_extensions(conv->group, leaf);
    while (list.len > 0) {
        uint16_t type = 0;
        if (rf_view_u16(&list, &type) != 0 || mls_take_v(&list, key) != 0)
            return false;
        if (type == RF_CHAT_DOOR_KEY)
            return true;
    }
    return false;
}

/* What stands before the letter belongs to it: nobody but its writer says where the group is to be read on from. */
static struct rf_view door_aad(const struct chat_conv *conv, const struct door_head *head,
                               uint8_t bytes[DOOR_AAD_LEN])
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, DOOR_AAD_LEN);
    rf_buf_put(&buf, conv->id, sizeof(conv->id));
    rf_buf_u64(&buf, head->epoch);
    rf_buf_u32(&buf, head->next);
    rf_buf_view_put(&buf, head->chain);
    return rf_buf_view(&buf);
}

static int seal(struct chat_conv *conv, struct rf_buf *out)
{
    struct rf_chat *chat = conv->chat;
    struct rf_buf info, doors, letter;
    struct rf_view key;
    rf_buf_init(&info, chat->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_init(&doors, chat->mem, 1 << 17);
    rf_buf_init(&letter, chat->mem, RF_MLS_INFO_MAX_LEN);
    rf_buf_view_put(&doors, rf_buf_view(&conv->knocks));
    for (uint32_t i = 0; i < rf_mls_leaf_count(conv->group) && conv->door_all; i++)
        if (leaf_key(conv, i, &key))
            rf_buf_v(&doors, 1, key);
    int error = rf_mls_group_info(conv->group, true, &info);
    if (error == 0)
        error = rf_buf_error(&doors);
    struct door_head head = {.epoch = rf_mls_epoch(conv->group),
                             .next = conv->next,
                             .chain = rf_view_of(conv->chain, CHAT_CHAIN_LEN)};
    uint8_t aad[DOOR_AAD_LEN];
    if (error == 0)
        error =
            letter_seal(chat, rf_buf_view(&doors), door_aad(conv, &head, aad), rf_buf_view(&info), &letter);
    head.letter = rf_buf_view(&letter);
    rf_buf_reset(out);
    if (error == 0)
        door_encode(&head, out);
    rf_buf_deinit(&info);
    rf_buf_deinit(&doors);
    rf_buf_deinit(&letter);
    return error != 0 ? error : rf_buf_error(out);
}

static void store_piece(struct chat_conv *conv);

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    if (conv->chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(conv->chat);
    if (result->error != 0) {
        conv->door_busy = false;
        chat_timer(conv->chat, &conv->door_timer, chat_backoff(conv->chat, &conv->door_pause_us));
    } else if (++conv->door_piece < conv->door_pieces) {
        store_piece(conv);
    } else {
        conv->door_busy = conv->door_wanted = conv->door_own = false;
        conv->door_pause_us = 0;
        rf_buf_reset(&conv->knocks);
        rf_buf_deinit(&conv->door_out);
    }
    chat_leave(conv->chat);
}

static void store_piece(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    size_t part = (conv->door_out.len + conv->door_pieces - 1) / conv->door_pieces,
           at = part * conv->door_piece;
    size_t len = conv->door_out.len - at < part ? conv->door_out.len - at : part;
    uint8_t slot[4] = {0, 0, 0, (uint8_t)conv->door_piece};
    struct door_piece piece = {.set = rf_view_of(conv->door_set, DOOR_SET_LEN),
                               .piece = conv->door_piece,
                               .pieces = conv->door_pieces,
                               .bytes = rf_view_of(conv->door_out.p + at, len)};
    struct rf_buf body, value;
    rf_buf_init(&body, chat->mem, 1 << 17);
    rf_buf_init(&value, chat->mem, 1 << 17);
    door_piece_encode(&piece, &body);
    rf_note_encode(rf_buf_view(&body), &value);
    int error = rf_buf_error(&body) != 0 ? RF_ENOMEM : rf_buf_error(&value);
    if (error == 0)
        error =
            chat->config.net.store(chat->config.net.ctx, &conv->resource, RF_KIND_DOOR, rf_view_of(slot, 4),
                                   true, rf_buf_view(&value), DOOR_LIFE_S, on_stored, &conv->door_timer);
    rf_buf_deinit(&body);
    rf_buf_deinit(&value);
    conv->door_busy = error == 0;
    if (error != 0)
        chat_timer(chat, &conv->door_timer, chat_backoff(chat, &conv->door_pause_us));
}

static void write_door(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    size_t room = out_piece_len(chat);
    if (!conv->chain_known || !log_caught_up(conv) || rf_mls_state(conv->group) != RF_MLS_MEMBER) {
        chat_timer(chat, &conv->door_timer, 2 * CHAT_S);
        return;
    }
    conv->door_all = rf_mls_member_count(conv->group) <= ALL_MAX;
    int error = seal(conv, &conv->door_out);
    size_t pieces = (conv->door_out.len + room - 1) / room;
    if (error != 0 ||
        pieces > DOOR_MAX_PIECES) { /* too large a group: who is added anew comes in by Welcome */
        conv->door_wanted = conv->door_own = false;
        return;
    }
    rf_rng_fill(chat->env->jitter, conv->door_set, DOOR_SET_LEN);
    conv->door_piece = 0;
    conv->door_pieces = (uint16_t)pieces;
    store_piece(conv);
}

void door_soon(struct chat_conv *conv)
{
    conv->door_own = conv->door_own || rf_mls_member_count(conv->group) <= ALL_MAX;
    conv->door_wanted = conv->door_wanted || conv->door_own;
    if (conv->door_wanted && !conv->door_busy)
        chat_timer(conv->chat, &conv->door_timer,
                   rf_rng_between(conv->chat->env->jitter, CHAT_S, 2 * CHAT_S));
}

/* Of many who wait so, few are early: the first has mostly written when the others look. */
static uint64_t late(struct chat_conv *conv, uint64_t spread_us)
{
    uint64_t delay = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t one = rf_rng_between(conv->chat->env->jitter, 200 * RF_US_PER_MS, spread_us);
        delay = one > delay ? one : delay;
    }
    return delay;
}

void door_knocked(struct chat_conv *conv, const struct chat_entry *e)
{
    struct rf_chat *chat = conv->chat;
    uint64_t spread = CHAT_S + conv->users.count * 200 * RF_US_PER_MS;
    uint64_t now_ms = chat->env->now->wall_ms;
    if (conv->group == NULL || rf_id_equal(&e->name.device, &chat->config.identity->node_id) ||
        group_user(conv, chat_principal_of(e->signer->cert)) == NULL || e->whole.len > RF_DH_PUBLIC_MAX_LEN)
        return;
    if (conv->knocks.len + e->whole.len + 1 < KNOCKS_MAX)
        rf_buf_v(&conv->knocks, 1, e->whole);
    conv->door_wanted = true;
    if (conv->door_left_ms != 0 && now_ms < conv->door_left_ms + AGAIN_MS)
        conv->door_own = true; /* what another one wrote has not let him in */
    if (!conv->door_busy)
        chat_timer(chat, &conv->door_timer, late(conv, spread));
}

/* ---- going in by it ---- */

static void knock(struct chat_conv *conv)
{
    struct rf_chat *chat = conv->chat;
    uint64_t now_ms = chat->env->now->wall_ms;
    if (conv->refused_ms != 0 && (conv->barred || now_ms > conv->refused_ms + REFUSED_MS)) {
        out_drop(conv, OUT_KNOCK);
        change_deinit(conv, RF_ECLOSED);
        conv_set_state(conv, RF_CHAT_ENDED); /* nobody lets us in to go out */
        log_watch(conv, false);
        return;
    }
    if (conv->handshake <
        CHAT_HANDSHAKES + now_ms / 1000) /* what a former life of ours has used is not used again */
        conv->handshake = CHAT_HANDSHAKES + now_ms / 1000;
    if (!conv->knocked || now_ms > conv->knock_ms + KNOCK_MS) {
        out_drop(conv, OUT_KNOCK);
        if (out_message(conv, OUT_KNOCK, rf_view_of(chat->door.public, chat->door.public_len), NULL) == 0) {
            conv->knocked = true;
            conv->knock_ms = now_ms;
        }
    }
    chat_timer(chat, &conv->door_timer, chat_backoff(chat, &conv->door_pause_us) + 3 * CHAT_S);
}

void door_waits(struct chat_conv *conv)
{
    if (conv->state == RF_CHAT_JOINING && conv->group != NULL)
        chat_timer(conv->chat, &conv->door_timer, ENTER_US);
}

/* The group that a GroupInfo tells of, with us in it, and the Commit that brings us in. */
static int join(struct chat_conv *conv, struct rf_view info, struct rf_buf *commit, struct rf_mls **group)
{
    struct rf_chat *chat = conv->chat;
    struct rf_mls_profile profile;
    struct rf_buf key;
    struct rf_view none = {NULL, 0};
    uint32_t replaces = RF_MLS_NO_LEAF;
    rf_buf_init(&key, chat->mem, 128);
    int error = rf_key_public(chat->config.crypto, chat->config.identity->key, &key);
    if (error == 0 && rf_mls_info_find_leaf(&chat->mls, info, none, rf_buf_view(&key), &replaces) != 0)
        replaces = RF_MLS_NO_LEAF; /* another device of a member's */
    if (error == 0)
        error = group_profile(chat, &profile);
    if (error == 0)
        error = rf_mls_join_external(&chat->mls, info, none, &profile, replaces, none, commit, group);
    if (error == 0 && !rf_view_equal(rf_mls_id(*group), rf_view_of(conv->id, sizeof(conv->id)))) {
        rf_mls_free(*group);
        *group = NULL;
        error = RF_EMISMATCH;
    }
    rf_buf_deinit(&key);
    return error;
}

/* Who is a member still gives his place up for that of a later epoch only. */
static int enter(struct chat_conv *conv, const struct door_head *head, struct rf_view info)
{
    struct rf_chat *chat = conv->chat;
    struct rf_mls *group = NULL;
    struct rf_buf commit;
    rf_buf_init(&commit, chat->mem, RF_MLS_MESSAGE_MAX_LEN);
    int error = join(conv, info, &commit, &group);
    if (error == 0 && conv->group != NULL && rf_mls_epoch(group) <= rf_mls_epoch(conv->group)) {
        rf_mls_free(group);
        error = RF_EEXPIRED;
    }
    if (error == 0) {
        if (conv->group != NULL)
            group_lost(conv);
        conv->group = group;
        conv->next = conv->ring_from = head->next;
        memcpy(conv->chain, head->chain.p, CHAT_CHAIN_LEN);
        conv->chain_known = true;
        conv->dirty |= DIRTY_CORE | DIRTY_GROUP;
        pieces_clear(conv);
        error = out_message(conv, OUT_HANDSHAKE, rf_buf_view(&commit), NULL);
        door_waits(conv);
    }
    if (error != 0 && conv->state == RF_CHAT_JOINING)
        group_reset(conv);
    rf_buf_deinit(&commit);
    return error;
}

/* The pieces that belong to the first one, put together. Only what users of the group have written counts. */
static int gather(const struct chat_conv *conv, const struct rf_fetch_result *result, struct rf_buf *out)
{
    struct door_piece first = {.pieces = 0}, piece;
    for (uint16_t number = 0; number == 0 || number < first.pieces; number++) {
        bool found = false;
        for (size_t i = 0; i < result->value_count && !found; i++) {
            struct rf_view content;
            if (!result->values[i].exists || result->values[i].signer == NULL ||
                !group_knew(conv, chat_principal_of(result->values[i].signer->cert)) ||
                rf_note_decode(result->values[i].value, &content) != 0 ||
                door_piece_decode(content, &piece) != 0 || piece.piece != number ||
                (number > 0 && !rf_view_equal(piece.set, first.set)))
                continue;
            found = true;
            first = number == 0 ? piece : first;
            rf_buf_view_put(out, piece.bytes);
        }
        if (!found)
            return RF_ENOTFOUND;
    }
    return rf_buf_error(out);
}

/* Has another member opened to all who knocked? */
static bool stands_open(struct chat_conv *conv, const struct door_head *head)
{
    struct rf_view list = rf_buf_view(&conv->knocks), key;
    if (head->epoch != rf_mls_epoch(conv->group))
        return false;
    while (rf_view_v(&list, 1, &key) == 0)
        if (!letter_is_for(conv->chat, head->letter, key))
            return false;
    return true;
}

/* A member looked, since somebody knocked. */
static void looked(struct chat_conv *conv, const struct door_head *head)
{
    if (head == NULL || !stands_open(conv, head)) {
        write_door(conv);
        return;
    }
    conv->door_wanted = false;
    conv->door_left_ms = conv->chat->env->now->wall_ms;
    rf_buf_reset(&conv->knocks);
}

static void on_door(void *arg, const struct rf_fetch_result *result)
{
    struct chat_conv *conv = conv_of(arg);
    struct rf_chat *chat = conv->chat;
    struct rf_buf door, info;
    struct door_head head;
    uint8_t aad[DOOR_AAD_LEN];
    if (chat->freeing || result->error == RF_ECANCELLED)
        return;
    chat_enter(chat);
    conv->door_busy = false;
    rf_buf_init(&door, chat->mem, DOOR_MAX_LEN);
    rf_buf_init(&info, chat->mem, RF_MLS_INFO_MAX_LEN);
    int error = result->error != 0 ? result->error : gather(conv, result, &door);
    if (error == 0)
        error = door_decode(rf_buf_view(&door), &head);
    bool wanted = conv->state == RF_CHAT_MEMBER && conv->group != NULL && conv->door_wanted;
    if (wanted)
        looked(conv, error == 0 ? &head : NULL);
    if (error == 0 && head.epoch < conv->door_epoch)
        error = RF_EEXPIRED; /* it was no good the last time */
    if (error == 0)
        error = letter_open(chat, door_aad(conv, &head, aad), head.letter, &info);
    bool joins = conv->state == RF_CHAT_JOINING && conv->group == NULL;
    bool compares = conv->state == RF_CHAT_MEMBER && conv->group != NULL && conv->door_compares;
    conv->door_compares = false;
    if (error == 0 && (joins || compares))
        error = enter(conv, &head, rf_buf_view(&info));
    if (error != 0 && joins)
        knock(conv);
    rf_buf_deinit(&door);
    rf_buf_deinit(&info);
    log_kick(conv);
    chat_leave(chat);
}

static void look(struct chat_conv *conv)
{
    struct rf_chat_net *net = &conv->chat->config.net;
    int error = net->lookup(net->ctx, &conv->resource, RF_KIND_DOOR, on_door, &conv->door_timer);
    conv->door_busy = error == 0;
    if (error != 0)
        chat_timer(conv->chat, &conv->door_timer, chat_backoff(conv->chat, &conv->door_pause_us));
}

void door_look(struct chat_conv *conv)
{
    if (!conv->door_busy && !rf_timer_is_set(&conv->door_timer))
        chat_timer(conv->chat, &conv->door_timer, LOOK_US);
}

static void door_fired(struct rf_timer *timer, void *arg)
{
    struct chat_conv *conv = arg;
    (void)timer;
    chat_enter(conv->chat);
    if (conv->door_busy || !conv->chat->online || conv->chat->broken != 0)
        ;
    else if (conv->state == RF_CHAT_JOINING && conv->group == NULL)
        look(conv);
    else if (conv->state == RF_CHAT_JOINING)
        door_beaten(conv); /* it did not come: the door was wrong, or the home keeps it back */
    else if (conv->state == RF_CHAT_MEMBER && conv->group != NULL && conv->door_compares)
        look(conv);
    else if (conv->state == RF_CHAT_MEMBER && conv->group != NULL && conv->door_wanted &&
             conv->knocks.len > 0 && !conv->door_own)
        look(conv);
    else if (conv->state == RF_CHAT_MEMBER && conv->group != NULL && conv->door_wanted)
        write_door(conv);
    chat_leave(conv->chat);
}

void door_compare(struct chat_conv *conv)
{
    conv->door_compares = true;
    if (!conv->door_busy)
        chat_timer(conv->chat, &conv->door_timer,
                   rf_rng_between(conv->chat->env->jitter, CHAT_S, 3 * CHAT_S));
}

/* ---- what came of it ---- */

void door_entered(struct chat_conv *conv, const struct chat_entry *e)
{
    struct rf_chat *chat = conv->chat;
    struct rf_keep_entry entry = {.kind = RF_CHAT_KIND_DEVICE,
                                  .sender = chat->principal,
                                  .sent_ms = chat->env->now->wall_ms,
                                  .text = rf_view_str("came in with a device by itself")};
    if (group_adopt(conv) != 0) {
        save_break(chat);
        return;
    }
    if (conv->sequence < chat->env->now->wall_ms / 1000) /* as in knock() */
        conv->sequence = chat->env->now->wall_ms / 1000;
    rf_timer_stop(chat->env->timers, &conv->door_timer);
    conv->ahead = 0;
    conv->knocked = false;
    conv->door_pause_us = 0;
    conv->scan = 0;
    rf_buf_reset(&conv->known);
    save_drop(chat, conv, PART_KNOWN, rf_view_of(NULL, 0));
    conv->dirty |= DIRTY_CORE | DIRTY_GROUP;
    chat->counters.rejoins++;
    entry_show(conv, e, &entry);
    conv_event(conv, RF_CHAT_EVENT_REJOINED);
    conv_set_state(conv, RF_CHAT_MEMBER);
    door_soon(conv);
}

void door_beaten(struct chat_conv *conv)
{
    conv->door_epoch = rf_mls_epoch(conv->group) + 1;
    change_again(conv);
    group_reset(conv);
    conv->dirty &= ~(unsigned)(DIRTY_GROUP | DIRTY_SENT);
    save_drop(conv->chat, conv, PART_GROUP, rf_view_of(NULL, 0));
    out_drop(conv, OUT_HANDSHAKE);
    conv->scan = conv->next;
    conv->knocked = false;
    chat_timer(conv->chat, &conv->door_timer, rf_rng_between(conv->chat->env->jitter, CHAT_S, 3 * CHAT_S));
}
