/*
 * chat.h - the commands `chat ...`, `contact ...` and `presence` on a member's engine (chat/chat.h), and its events for those who listen (docs/protocol/control.md,
 * "Conversations").
 */
#ifndef RF_CONTROL_CHAT_H
#define RF_CONTROL_CHAT_H

#include "chat/chat.h"
#include "control/control.h"

struct rf_control_chat;

struct rf_control_chat_config {
    struct rf_mem *mem;
    struct rf_control *control; /* borrowed, outlives it */
    /* engine: the one object's engine, ready to be called now (rf_node_chat); NULL: this device has none, and the commands say so */
    struct rf_chat *(*engine)(void *ctx);
    void *ctx;
};
/* rf_control_chat_new adds the commands. Errors: RF_ENOMEM, RF_EEXIST, RF_ELIMIT of rf_control_add. */
int rf_control_chat_new(const struct rf_control_chat_config *config, struct rf_control_chat **out);
/* rf_control_chat_free takes them away again; after the engine has ended (its commands have had their answers). NULL allowed. */
void rf_control_chat_free(struct rf_control_chat *chat);
/* rf_control_chat_event is what the engine's event function calls: tells who listens, and answers those who wait for a message of theirs. */
void rf_control_chat_event(struct rf_control_chat *chat, const struct rf_chat_event *event);

#endif
