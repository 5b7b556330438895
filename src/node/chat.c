/* chat.c - the engine of conversations on this node's overlay. */
#include "node/chat.h"
#include "node/internal.h"

static int net_store(void *ctx, const struct rf_id *resource, uint32_t kind, struct rf_view slot, bool exists,
                     struct rf_view value, uint32_t lifetime_s, rf_stored_fn done, void *arg)
{
    struct rf_node *node = ctx;
    return rf_store_client_store(node->store, &node->identity, resource, kind, slot, exists, value,
                                 lifetime_s, done, arg);
}

static int net_lookup(void *ctx, const struct rf_id *resource, uint32_t kind, rf_fetched_fn done, void *arg)
{
    struct rf_node *node = ctx;
    return rf_store_client_lookup(node->store, resource, kind, done, arg);
}

static int net_range(void *ctx, const struct rf_id *resource, uint32_t kind, uint32_t first, uint32_t last,
                     rf_fetched_fn done, void *arg)
{
    struct rf_node *node = ctx;
    return rf_store_client_fetch_range(node->store, resource, kind, first, last, done, arg);
}

static void net_cancel(void *ctx, const void *arg)
{
    struct rf_node *node = ctx;
    rf_store_client_cancel(node->store, arg);
}

static int net_watch(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                     uint32_t next, rf_watch_fn fn, void *arg)
{
    struct rf_node *node = ctx;
    return rf_watch_add(node->store, resource, kind, generation, next, fn, arg);
}

static void net_known(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                      uint32_t next)
{
    struct rf_node *node = ctx;
    rf_watch_known(node->store, resource, kind, generation, next);
}

static void net_unwatch(void *ctx, const struct rf_id *resource, uint32_t kind)
{
    struct rf_node *node = ctx;
    rf_watch_remove(node->store, resource, kind);
}

int rf_node_open_chat(struct rf_node *node, const struct rf_node_chat_config *config, struct rf_now now)
{
    node_enter(node, now);
    if (node->chat != NULL)
        return RF_EEXIST;
    struct rf_chat_config c = {
        .crypto = node->crypto,
        .conf = node->conf,
        .identity = &node->identity,
        .trust = node->trust,
        .net = {.store = net_store,
                .lookup = net_lookup,
                .range = net_range,
                .cancel = net_cancel,
                .watch = net_watch,
                .known = net_known,
                .unwatch = net_unwatch,
                .ctx = node},
        .keep = config->keep,
        .event = config->event,
        .event_arg = config->event_arg,
    };
    memcpy(c.secret, config->secret, sizeof(c.secret));
    int error = rf_chat_new(&node->env, &c, &node->chat);
    rf_wipe(c.secret, sizeof(c.secret));
    return error;
}

struct rf_chat *rf_node_chat(struct rf_node *node, struct rf_now now)
{
    node_enter(node, now);
    return node->chat;
}
