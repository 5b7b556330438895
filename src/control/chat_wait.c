/* chat_wait.c - programs that wait until a message of theirs stands in the log. */
#include "control/chat_internal.h"

struct waiting {
    struct rf_list list;
    struct rf_control_call *call;
    uint8_t id[RF_CONVERSATION_LEN];
    struct rf_keep_name name;
};

static void waiting_free(struct rf_control_chat *chat, struct waiting *w)
{
    rf_list_remove(&w->list);
    rf_free(chat->config.mem, w);
}

/* those whose program has gone: their message is sent all the same */
static void sweep(struct rf_control_chat *chat)
{
    RF_LIST_EACH_SAFE(&chat->waiting, it)
    {
        struct waiting *w = RF_LIST_ENTRY(it, struct waiting, list);
        if (!rf_call_cancelled(w->call))
            continue;
        rf_call_error(w->call, RF_ECANCELLED, NULL, NULL);
        waiting_free(chat, w);
    }
}

void control_chat_wait_add(struct rf_control_call *call, const struct rf_chat_result *result)
{
    struct rf_control_chat *chat = call->command->ctx;
    sweep(chat);
    struct waiting *w = rf_zalloc(chat->config.mem, sizeof(*w));
    if (w == NULL) {
        rf_call_error(call, RF_ENOMEM, "the message is kept and will be sent, but out of memory", NULL);
        return;
    }
    w->call = call;
    w->name = result->name;
    memcpy(w->id, result->conversation, RF_CONVERSATION_LEN);
    rf_list_push_back(&chat->waiting, &w->list);
}

void control_chat_wait_seen(struct rf_control_chat *chat, const struct rf_keep_entry *entry)
{
    RF_LIST_EACH_SAFE(&chat->waiting, it)
    {
        struct waiting *w = RF_LIST_ENTRY(it, struct waiting, list);
        if (w->name.sequence != entry->name.sequence || !rf_id_equal(&w->name.device, &entry->name.device) ||
            memcmp(w->id, entry->conversation, RF_CONVERSATION_LEN) != 0)
            continue;
        json_t *result = json_copy(w->call->keep);
        json_object_set_new(result, "index", json_integer((json_int_t)entry->index));
        rf_call_result(w->call, result);
        waiting_free(chat, w);
    }
}

void control_chat_wait_end(struct rf_control_chat *chat)
{
    RF_LIST_EACH_SAFE(&chat->waiting, it)
    {
        struct waiting *w = RF_LIST_ENTRY(it, struct waiting, list);
        rf_call_error(w->call, RF_ECANCELLED, "the daemon ends; the message is kept and sent next time",
                      NULL);
        waiting_free(chat, w);
    }
}
