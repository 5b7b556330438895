/* chat_events.c - what the engine tells, for those who listen. */
#include "control/chat_internal.h"

/* how `listen` calls it */
static const char *type_of(enum rf_chat_event_type type)
{
    switch (type) {
    case RF_CHAT_EVENT_CONVERSATION:
        return "chat";
    case RF_CHAT_EVENT_INVITED:
        return "chat_invited";
    case RF_CHAT_EVENT_ENTRY:
        return "chat_entry";
    case RF_CHAT_EVENT_CHANGED:
        return "chat_changed";
    case RF_CHAT_EVENT_MARK:
        return "chat_mark";
    case RF_CHAT_EVENT_MISSED:
        return "chat_missed";
    case RF_CHAT_EVENT_DOUBT:
        return "chat_doubt";
    case RF_CHAT_EVENT_REJOINED:
        return "chat_rejoined";
    case RF_CHAT_EVENT_DISK:
        return "chat_disk";
    case RF_CHAT_EVENT_CONTACT:
        return "contact";
    case RF_CHAT_EVENT_PRESENCE:
        return "presence";
    }
    return "chat_unknown";
}

static void set_text(json_t *o, const char *key, struct rf_view text)
{
    if (text.len > 0)
        json_object_set_new(o, key, control_json_view(text));
}

/* of which conversation: id, and what people call it */
static void set_conversation(json_t *o, const struct rf_control_chat *control,
                             const struct rf_chat_event *event)
{
    char text[CHAT_ID_TEXT_LEN];
    struct rf_chat_info info;
    struct rf_chat *chat = control->config.engine(control->config.ctx);
    if (!event->of_conversation)
        return;
    json_object_set_new(o, "id", control_chat_id_json(event->conversation));
    if (chat == NULL || !rf_chat_find(chat, event->conversation, &info))
        return;
    json_object_set_new(o, "title", control_json_view(info.title));
    json_object_set_new(o, "state", json_string(rf_chat_state_name(info.state)));
    json_object_set_new(o, "direct", json_boolean(info.direct));
    if (info.direct)
        json_object_set_new(o, "peer", control_chat_principal_json(info.peer));
    json_object_set_new(o, "short", json_string(control_chat_short_id(chat, event->conversation, text)));
}

static json_t *presence_fields(json_t *o, const struct rf_chat_presence *presence)
{
    json_decref(o);
    return control_chat_presence_json(presence);
}

static json_t *fields_of(const struct rf_chat_event *event)
{
    json_t *o = event->type == RF_CHAT_EVENT_ENTRY && event->entry != NULL
                    ? control_chat_entry_json(event->entry)
                    : json_object();
    if (event->type == RF_CHAT_EVENT_CHANGED && event->entry != NULL)
        json_object_set_new(o, "message", control_chat_message_json(&event->entry->name));
    if (event->type == RF_CHAT_EVENT_CONTACT)
        json_object_set_new(o, "state", json_string(rf_chat_contact_state_name(event->contact)));
    if (event->type == RF_CHAT_EVENT_PRESENCE && event->presence != NULL)
        o = presence_fields(o, event->presence);
    if (event->type == RF_CHAT_EVENT_CONTACT || event->type == RF_CHAT_EVENT_PRESENCE)
        json_object_set_new(o, "name", control_json_view(event->user));
    else if (event->user.len > 0 && event->type != RF_CHAT_EVENT_ENTRY)
        json_object_set_new(o, "user", control_chat_principal_json(event->user));
    if (event->type == RF_CHAT_EVENT_MARK) {
        json_object_set_new(o, "mark",
                            json_string(event->mark.kind == RF_CHAT_MARK_READ ? "read" : "delivered"));
        json_object_set_new(o, "index", json_integer((json_int_t)event->mark.index));
    }
    if (event->type == RF_CHAT_EVENT_MISSED)
        json_object_set_new(o, "count", json_integer((json_int_t)event->count));
    if (event->type == RF_CHAT_EVENT_DISK)
        json_object_set_new(o, "error",
                            event->error != 0 ? json_string(control_error_name(event->error)) : json_null());
    if (event->type != RF_CHAT_EVENT_ENTRY)
        set_text(o, "text", event->text);
    return o;
}

void rf_control_chat_event(struct rf_control_chat *chat, const struct rf_chat_event *event)
{
    if (event->type == RF_CHAT_EVENT_ENTRY && event->entry != NULL && event->own)
        control_chat_wait_seen(chat, event->entry);
    if (rf_control_listeners(chat->config.control) == 0)
        return;
    json_t *fields =
        fields_of(event); /* before the engine is asked, which ends the life of what it lent us */
    set_conversation(fields, chat, event);
    rf_control_event(chat->config.control, type_of(event->type), fields);
}
