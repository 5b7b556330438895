/* chat_json.c - conversations, entries of their history, members, contacts and presence as JSON values. */
#include <stdio.h>
#include "base/text.h"
#include "control/chat_internal.h"

static void id_text(const uint8_t id[RF_CONVERSATION_LEN], char out[CHAT_ID_TEXT_LEN])
{
    for (size_t i = 0; i < RF_CONVERSATION_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", id[i]);
}

json_t *control_chat_id_json(const uint8_t id[RF_CONVERSATION_LEN])
{
    char text[CHAT_ID_TEXT_LEN];
    id_text(id, text);
    return json_string(text);
}

json_t *control_chat_principal_json(struct rf_view principal)
{
    return principal.len == 0 || rf_name_valid(principal) ? control_json_view(principal)
                                                          : control_json_hex(principal);
}

json_t *control_chat_message_json(const struct rf_keep_name *name)
{
    char text[RF_ID_TEXT_LEN];
    if (name->device.len == 0)
        return json_null();
    return json_sprintf("%s:%llu", rf_id_text(&name->device, text), (unsigned long long)name->sequence);
}

/* ---- short ids ---- */

struct neighbour {
    const uint8_t *id;
    size_t common; /* hex digits that the nearest other one shares */
};

static void compare_ids(void *arg, const struct rf_chat_info *info)
{
    struct neighbour *n = arg;
    size_t same = 0;
    if (memcmp(info->id, n->id, RF_CONVERSATION_LEN) == 0)
        return;
    while (info->id[same] == n->id[same])
        same++;
    size_t digits = 2 * same + ((info->id[same] ^ n->id[same]) < 0x10);
    n->common = digits > n->common ? digits : n->common;
}

const char *control_chat_short_id(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                                  char out[CHAT_ID_TEXT_LEN])
{
    struct neighbour n = {.id = id};
    rf_chat_each(chat, compare_ids, &n);
    id_text(id, out);
    out[n.common + 1 > CHAT_SHORT_LEN ? n.common + 1 : CHAT_SHORT_LEN] = '\0';
    return out;
}

/* ---- conversations and their members ---- */

json_t *control_chat_info_json(const struct rf_chat *chat, const struct rf_chat_info *info)
{
    char text[CHAT_ID_TEXT_LEN];
    json_t *o = json_object();
    json_object_set_new(o, "id", control_chat_id_json(info->id));
    json_object_set_new(o, "short",
                        json_null()); /* at the end: asking the engine ends the life of what it lent us */
    json_object_set_new(o, "state", json_string(rf_chat_state_name(info->state)));
    json_object_set_new(o, "title", control_json_view(info->title));
    json_object_set_new(o, "topic", control_json_view(info->topic));
    json_object_set_new(o, "direct", json_boolean(info->direct));
    if (info->direct)
        json_object_set_new(o, "peer", control_chat_principal_json(info->peer));
    json_object_set_new(o, "creator", control_chat_principal_json(info->creator));
    if (info->state == RF_CHAT_INVITED) {
        json_object_set_new(o, "inviter", control_chat_principal_json(info->inviter));
        json_object_set_new(o, "note", control_json_view(info->note));
    }
    json_object_set_new(o, "admin", json_boolean(info->admin));
    json_object_set_new(o, "muted", json_boolean(info->muted));
    json_object_set_new(o, "doubted", json_boolean(info->doubted));
    json_object_set_new(o, "users", json_integer((json_int_t)info->user_count));
    json_object_set_new(o, "devices", json_integer((json_int_t)info->device_count));
    json_object_set_new(o, "next", json_integer((json_int_t)info->next_index));
    json_object_set_new(o, "behind",
                        json_integer(info->log_next > info->next_index
                                         ? (json_int_t)(info->log_next - info->next_index)
                                         : 0));
    json_object_set_new(o, "read", json_integer((json_int_t)info->read_index));
    json_object_set_new(o, "unsent", json_integer((json_int_t)info->unsent));
    json_object_set_new(o, "epoch", json_integer((json_int_t)info->epoch));
    json_object_set_new(o, "short", json_string(control_chat_short_id(chat, info->id, text)));
    return o;
}

json_t *control_chat_user_json(const struct rf_chat_user *user)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", control_json_view(user->name));
    json_object_set_new(o, "principal", control_chat_principal_json(user->principal));
    json_object_set_new(o, "role", json_string(user->role == RF_CHAT_ADMIN_ROLE ? "admin" : "member"));
    json_object_set_new(o, "devices", json_integer((json_int_t)user->device_count));
    json_object_set_new(o, "self", json_boolean(user->self));
    return o;
}

/* ---- entries ---- */

static json_t *reactions_json(const struct rf_keep_entry *entry)
{
    json_t *list = json_array();
    for (size_t i = 0; i < entry->reaction_count; i++) {
        const struct rf_keep_reaction *r = &entry->reactions[i];
        json_t *o = json_object();
        json_object_set_new(o, "from", control_chat_principal_json(r->sender));
        json_object_set_new(o, "reaction", control_json_view(r->reaction));
        json_object_set_new(o, "time", control_json_time(r->time_ms));
        json_array_append_new(list, o);
    }
    return list;
}

json_t *control_chat_entry_json(const struct rf_keep_entry *entry)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", control_chat_id_json(entry->conversation));
    json_object_set_new(
        o, "index", entry->index == RF_KEEP_PENDING ? json_null() : json_integer((json_int_t)entry->index));
    json_object_set_new(o, "message", control_chat_message_json(&entry->name));
    json_object_set_new(o, "kind", json_string(rf_chat_kind_name(entry->kind)));
    json_object_set_new(o, "from", control_chat_principal_json(entry->sender));
    json_object_set_new(o, "time", control_json_time(entry->sent_ms));
    json_object_set_new(o, "received", control_json_time(entry->received_ms));
    json_object_set_new(o, "text", control_json_view(entry->text));
    json_object_set_new(o, "own", json_boolean((entry->flags & RF_CHAT_FLAG_OWN) != 0));
    if ((entry->flags & RF_CHAT_FLAG_MENTIONED) != 0)
        json_object_set_new(o, "mentioned", json_true());
    if (entry->reply_to.device.len != 0)
        json_object_set_new(o, "reply_to", control_chat_message_json(&entry->reply_to));
    if (entry->edited_ms != 0)
        json_object_set_new(o, "edited", control_json_time(entry->edited_ms));
    if (entry->deleted_ms != 0) {
        json_object_set_new(o, "deleted", control_json_time(entry->deleted_ms));
        json_object_set_new(o, "deleted_by", control_chat_principal_json(entry->deleted_by));
    }
    if (entry->reaction_count > 0)
        json_object_set_new(o, "reactions", reactions_json(entry));
    return o;
}

/* ---- people ---- */

json_t *control_chat_presence_json(const struct rf_chat_presence *presence)
{
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(rf_chat_availability_name(presence->availability)));
    json_object_set_new(o, "text", control_json_view(presence->text));
    json_object_set_new(o, "since",
                        presence->since_ms != 0 ? control_json_time(presence->since_ms) : json_null());
    return o;
}

json_t *control_chat_contact_json(const struct rf_chat_contact *contact)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", control_json_view(contact->user));
    json_object_set_new(o, "state", json_string(rf_chat_contact_state_name(contact->state)));
    json_object_set_new(o, "since",
                        contact->since_ms != 0 ? control_json_time(contact->since_ms) : json_null());
    if (contact->state == RF_CHAT_CONTACT_ASKING)
        json_object_set_new(o, "note", control_json_view(contact->note));
    if (contact->state == RF_CHAT_CONTACT_ACCEPTED)
        json_object_set_new(o, "presence", control_chat_presence_json(&contact->presence));
    json_object_set_new(o, "chat", contact->has_direct ? control_chat_id_json(contact->direct) : json_null());
    return o;
}
