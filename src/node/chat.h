/* chat.h - the conversations of a node's user: the engine of chat/ on this node's overlay. */
#ifndef RF_NODE_CHAT_H
#define RF_NODE_CHAT_H

#include "chat/chat.h"
#include "node/node.h"

struct rf_node_chat_config {
    struct rf_keep *keep;               /* borrowed for the node's life */
    uint8_t secret[RF_CHAT_SECRET_LEN]; /* as struct rf_chat_config says; copied */
    rf_chat_event_fn event;
    void *event_arg;
};
/*
 * rf_node_open_chat makes the engine, before rf_node_start. Then come rf_chat_load for each record of the disk, and rf_chat_loaded. It lives as long as the node, which tells it when it is
 * online. Errors: RF_EEXIST, those of rf_chat_new.
 */
int rf_node_open_chat(struct rf_node *node, const struct rf_node_chat_config *config, struct rf_now now);
/* rf_node_chat is the engine, at this time: to be called before each rf_chat_* call from outside. NULL: there is none. */
struct rf_chat *rf_node_chat(struct rf_node *node, struct rf_now now);

#endif
