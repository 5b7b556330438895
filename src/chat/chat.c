/* chat.c - making and ending the engine, its doors, and what all its files share. The commands stand in command.c. */
#include "chat/internal.h"

#define PAUSE_MIN_US (2 * CHAT_S)
#define PAUSE_MAX_US (300 * CHAT_S)

#define X(name, help) {#name, help, offsetof(struct rf_chat_counters, name)},
RF_COUNTERS_DEFINE(chat, RF_CHAT_COUNTERS, X)
#undef X

/* ---- names ---- */

const char *rf_chat_event_name(enum rf_chat_event_type type)
{
    static const char *const names[] = {"?",      "conversation", "invited",  "entry",   "changed",  "mark",
                                        "missed", "doubt",        "rejoined", "contact", "presence", "disk"};
    return (size_t)type < RF_COUNT(names) ? names[type] : "?";
}

const char *rf_chat_state_name(enum rf_chat_state state)
{
    static const char *const names[] = {"?", "invited", "creating", "joining", "member", "leaving", "ended"};
    return (size_t)state < RF_COUNT(names) ? names[state] : "?";
}

const char *rf_chat_kind_name(uint16_t kind)
{
    static const char *const names[] = {"unknown", "text",   "created", "joined",     "left", "title",
                                        "topic",   "admins", "device",  "unreadable", "file"};
    return kind < RF_COUNT(names) ? names[kind] : names[0];
}

const char *rf_chat_contact_state_name(enum rf_chat_contact_state state)
{
    static const char *const names[] = {"none", "requested", "asking", "accepted", "refused", "blocked"};
    return (size_t)state < RF_COUNT(names) ? names[state] : "?";
}

const char *rf_chat_availability_name(enum rf_chat_availability a)
{
    static const char *const names[] = {"offline", "online", "away", "busy", "invisible"};
    return (size_t)a < RF_COUNT(names) ? names[a] : "?";
}

/* ---- shared ---- */

void chat_enter(struct rf_chat *chat)
{
    chat->depth++;
}

void chat_leave(struct rf_chat *chat)
{
    if (--chat->depth == 0)
        save_flush(chat);
}

int chat_ready(const struct rf_chat *chat)
{
    return chat->broken != 0 ? chat->broken : chat->loaded ? 0 : RF_ENOTYET;
}

static struct rf_view conv_key(const struct rf_map_node *node)
{
    const struct chat_conv *conv = RF_CONTAINER(node, const struct chat_conv, node);
    return rf_view_of(conv->id, sizeof(conv->id));
}

static struct rf_view peer_key(const struct rf_map_node *node)
{
    return rf_buf_view(&RF_CONTAINER(node, const struct chat_peer, node)->name);
}

static struct rf_view seen_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, const struct chat_seen, node)->device);
}

struct chat_conv *chat_conv_find(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN])
{
    struct rf_map_node *node = rf_map_find(&chat->conversations, rf_view_of(id, RF_CONVERSATION_LEN));
    return node == NULL ? NULL : RF_CONTAINER(node, struct chat_conv, node);
}

uint64_t chat_backoff(struct rf_chat *chat, uint64_t *pause_us)
{
    uint64_t pause = *pause_us < PAUSE_MIN_US ? PAUSE_MIN_US : 2 * *pause_us;
    *pause_us = pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US;
    return rf_rng_between(chat->env->jitter, *pause_us / 2, *pause_us);
}

void chat_timer(struct rf_chat *chat, struct rf_timer *timer, uint64_t delay_us)
{
    if (rf_env_timer_in(chat->env, timer, delay_us) != 0)
        save_break(chat);
}

void chat_set(struct rf_buf *buf, struct rf_view v)
{
    rf_buf_reset(buf);
    rf_buf_view_put(buf, v);
}

struct rf_view chat_principal_of(const struct rf_cert *cert)
{
    struct rf_signer signer = {.cert = (struct rf_cert *)(uintptr_t)cert, .node_id = cert->node_ids[0]};
    return rf_view_equal(cert->x509.issuer, cert->x509.subject) ? rf_id_view(&cert->node_ids[0])
                                                                : rf_principal(&signer);
}

int chat_resource_of(const struct rf_chat *chat, struct rf_view name, struct rf_id *out)
{
    return rf_overlay_hash(chat->config.crypto, &name, 1, chat->conf->id_len, out);
}

/* ---- life ---- */

/* The key with which letters to this device are opened: out of the secret that is kept apart from the database. */
static int make_door(struct rf_chat *chat)
{
    uint8_t ikm[RF_SHA256_LEN];
    struct rf_view parts[] = {rf_view_str("ringfolk door key"),
                              rf_view_of(chat->config.secret, RF_CHAT_SECRET_LEN)};
    int error = chat->config.crypto->ops->hash(chat->config.crypto, RF_HASH_SHA256, parts, 2, ikm);
    if (error == 0)
        error =
            rf_hpke_derive_pair(chat->config.crypto, chat->kem, rf_view_of(ikm, sizeof(ikm)), &chat->door);
    rf_wipe(ikm, sizeof(ikm));
    struct rf_buf buf;
    rf_buf_fixed(&buf, chat->leaf_extensions, sizeof(chat->leaf_extensions));
    if (error == 0)
        door_leaf_extension(chat, &buf);
    chat->leaf_extensions_len = buf.len;
    return error != 0 ? error : rf_buf_error(&buf);
}

static int make_identity(struct rf_chat *chat)
{
    const struct rf_identity *identity = chat->config.identity;
    enum rf_key_type type = chat->config.crypto->ops->key_type(identity->key);
    chat->suite = type == RF_KEY_P256 ? RF_MLS_SUITE_P256 : RF_MLS_SUITE_X25519;
    chat->kem = type == RF_KEY_P256 ? RF_DH_P256 : RF_DH_X25519;
    chat->principal = chat_principal_of(identity->cert);
    rf_buf_reset(&chat->credential);
    if (type != RF_KEY_P256 && type != RF_KEY_ED25519)
        return RF_EUNSUPPORTED;
    return rules_credential(identity->cert, &chat->credential);
}

int rf_chat_new(const struct rf_env *env, const struct rf_chat_config *config, struct rf_chat **out)
{
    struct rf_chat *chat = rf_zalloc(env->mem, sizeof(*chat));
    if (chat == NULL)
        return RF_ENOMEM;
    chat->env = env;
    rf_secret_mem_init(&chat->secret, env->mem);
    chat->mem = &chat->secret.mem;
    chat->config = *config;
    chat->conf = rf_conf_hold(config->conf);
    rf_map_init(&chat->conversations, chat->mem, env->seed, conv_key);
    rf_map_init(&chat->peers, chat->mem, env->seed, peer_key);
    rf_map_init(&chat->noted, chat->mem, env->seed, seen_key);
    rf_list_init(&chat->order);
    rf_list_init(&chat->peer_order);
    rf_list_init(&chat->queries);
    rf_buf_init(&chat->credential, chat->mem, 1 << 16);
    rf_buf_init(&chat->status, chat->mem, RF_CHAT_MAX_NOTE);
    chat->availability = RF_CHAT_ONLINE;
    save_init(chat);
    keys_init(chat);
    presence_init(chat);
    rules_init(chat);
    int error = rf_trust_new(config->crypto, chat->mem, env->seed, 4096, &chat->members);
    if (error == 0)
        error = rules_conf(chat);
    if (error == 0)
        error = make_identity(chat);
    if (error == 0)
        error = make_door(chat);
    if (error == 0)
        error = chat_resource_of(chat, config->identity->cert->user, &chat->inbox);
    if (error != 0) {
        rf_chat_free(chat);
        return error;
    }
    *out = chat;
    return 0;
}

static void queries_end(struct rf_chat *chat)
{
    while (!rf_list_empty(&chat->queries)) {
        struct chat_query *q = RF_LIST_ENTRY(chat->queries.next, struct chat_query, list);
        struct rf_keep_answer answer = {.error = RF_ECANCELLED};
        rf_list_remove(&q->list);
        q->done(q->arg, &answer);
        rf_free(chat->mem, q);
    }
}

void rf_chat_free(struct rf_chat *chat)
{
    if (chat == NULL)
        return;
    struct rf_mem *under = chat->env->mem;
    chat->freeing = true;
    chat->depth++;
    if (chat->online)
        rf_chat_online(chat, false);
    inbox_stop(chat);
    presence_stop(chat);
    keys_deinit(chat);
    while (!rf_list_empty(&chat->order))
        conv_free(RF_LIST_ENTRY(chat->order.next, struct chat_conv, list));
    while (!rf_list_empty(&chat->peer_order))
        peer_free(RF_LIST_ENTRY(chat->peer_order.next, struct chat_peer, list));
    queries_end(chat);
    save_deinit(chat);
    seen_clear(chat, &chat->noted);
    rf_map_deinit(&chat->noted);
    rf_map_deinit(&chat->conversations);
    rf_map_deinit(&chat->peers);
    rf_buf_deinit(&chat->credential);
    rf_buf_deinit(&chat->status);
    rf_trust_free(chat->members);
    rf_conf_release(chat->conf);
    rf_wipe(&chat->door, sizeof(chat->door));
    rf_wipe(chat->config.secret, sizeof(chat->config.secret));
    rf_free(under, chat);
}

/* ---- loading ---- */

static int keep_copy(struct rf_chat *chat, struct rf_buf *buf, struct rf_view value)
{
    (void)chat;
    chat_set(buf, value);
    return rf_buf_error(buf);
}

static int load_conv(struct chat_conv *conv, const struct rf_keep_state *s)
{
    struct rf_chat *chat = conv->chat;
    struct rf_view value = s->value;
    switch (s->part) {
    case PART_CORE:
        return conv_decode(conv, value);
    case PART_GROUP:
        return keep_copy(chat, &conv->saved_group, value);
    case PART_ROSTER:
        return keep_copy(chat, &conv->roster, value);
    case PART_KNOWN:
        return keep_copy(chat, &conv->known, value);
    case PART_SENT: {
        conv->sent_known = true;
        int error = rf_view_u64(&value, &conv->sent_epoch);
        return error != 0 ? RF_EFORMAT : rf_view_u32(&value, &conv->sent) != 0 ? RF_EFORMAT : 0;
    }
    case PART_HANDSHAKE:
        return group_load_handshake(conv, s->name, value);
    case PART_PIECE:
        return piece_load(conv, s->name, value);
    case PART_SEEN:
        return seen_load(chat, &conv->seen, s->name, value);
    case PART_OUT:
        return out_load(conv, s->name, value);
    case PART_CHANGE:
        return change_load(conv, s->name, value);
    default:
        return RF_EFORMAT;
    }
}

static int load_own(struct rf_chat *chat, const struct rf_keep_state *s)
{
    switch (s->part) {
    case PART_PRESENCE:
        return presence_load(chat, s->value);
    case PART_KEYS:
        return keys_load(chat, s->name, s->value);
    case PART_PEER:
        return peer_load(chat, s->name, s->value);
    case PART_NOTE:
        return seen_load(chat, &chat->noted, s->name, s->value);
    default:
        return RF_EFORMAT;
    }
}

/* Something of it is gone, nobody knows what: our place in its group is, then, and we come in again by the door. */
static int load_damaged(struct rf_chat *chat, const uint8_t *id)
{
    static const uint8_t none[RF_CONVERSATION_LEN];
    if (memcmp(id, none, sizeof(none)) == 0)
        return 0;
    struct chat_conv *conv = chat_conv_find(chat, id);
    int error = conv == NULL ? conv_new(chat, id, &conv) : 0;
    if (error == 0)
        conv->damaged = true;
    return error;
}

int rf_chat_load(struct rf_chat *chat, const struct rf_keep_record *record)
{
    static const uint8_t none[RF_CONVERSATION_LEN];
    const struct rf_keep_state *s = record->state;
    if (chat->loaded)
        return RF_EINVAL;
    if (record->damaged != NULL)
        return load_damaged(chat, record->damaged);
    if (s == NULL)
        return 0; /* marks are the history's */
    if (memcmp(s->conversation, none, sizeof(none)) == 0)
        return load_own(chat, s);
    struct chat_conv *conv = chat_conv_find(chat, s->conversation);
    int error = conv == NULL ? conv_new(chat, s->conversation, &conv) : 0;
    return error != 0 ? error : load_conv(conv, s);
}

int rf_chat_loaded(struct rf_chat *chat)
{
    int error = chat->broken;
    chat_enter(chat);
    RF_LIST_EACH_SAFE(&chat->order, it)
    {
        struct chat_conv *conv = RF_LIST_ENTRY(it, struct chat_conv, list);
        if (conv->state == 0 && !conv->damaged)
            conv_free(conv); /* what was left of one that is forgotten */
        else if (error == 0)
            error = group_restore(conv);
    }
    chat->loaded = error == 0;
    chat_leave(chat);
    return error;
}

/* ---- online ---- */

static void conv_online(struct chat_conv *conv)
{
    log_kick(conv);
    door_waits(conv);
    out_kick(conv);
    change_kick(conv);
}

void rf_chat_online(struct rf_chat *chat, bool online)
{
    if (chat->online == online || (!chat->loaded && online))
        return;
    chat_enter(chat);
    chat->online = online;
    if (online) {
        keys_online(chat);
        inbox_online(chat);
        presence_online(chat);
        RF_LIST_EACH_SAFE(&chat->order, it)
        {
            conv_online(RF_LIST_ENTRY(it, struct chat_conv, list));
        }
        RF_LIST_EACH_SAFE(&chat->peer_order, it)
        {
            peer_kick(RF_LIST_ENTRY(it, struct chat_peer, list));
        }
    }
    chat_leave(chat);
}

void rf_chat_configure(struct rf_chat *chat, struct rf_conf *conf)
{
    rf_conf_hold(conf);
    rf_conf_release(chat->conf);
    chat->conf = conf;
    (void)rules_conf(chat); /* without memory the old rules stay */
}

void rf_chat_renewed(struct rf_chat *chat)
{
    chat_enter(chat);
    if (make_identity(chat) == 0)
        keys_changed(chat);
    chat_leave(chat);
}

const struct rf_chat_counters *rf_chat_counters(const struct rf_chat *chat)
{
    return &chat->counters;
}

/* ---- questions to the history ---- */

int rf_chat_query(struct rf_chat *chat, const struct rf_keep_query *query,
                  void (*done)(void *arg, const struct rf_keep_answer *answer), void *arg)
{
    struct chat_query *q = rf_zalloc(chat->mem, sizeof(*q));
    if (q == NULL)
        return RF_ENOMEM;
    *q = (struct chat_query){.token = ++chat->query_token, .done = done, .arg = arg};
    rf_list_push_back(&chat->queries, &q->list);
    chat->config.keep->query(chat->config.keep->arg, q->token, query);
    return 0;
}

void rf_chat_answered(struct rf_chat *chat, uint64_t token, const struct rf_keep_answer *answer)
{
    RF_LIST_EACH(&chat->queries, it)
    {
        struct chat_query *q = RF_LIST_ENTRY(it, struct chat_query, list);
        if (q->token != token)
            continue;
        rf_list_remove(&q->list);
        chat_enter(chat);
        q->done(q->arg, answer);
        chat_leave(chat);
        rf_free(chat->mem, q);
        return;
    }
}
