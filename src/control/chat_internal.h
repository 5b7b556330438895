/* chat_internal.h - the inside of the chat commands of control/. */
#ifndef RF_CONTROL_CHAT_INTERNAL_H
#define RF_CONTROL_CHAT_INTERNAL_H

#include "control/chat.h"
#include "control/internal.h"

#define CHAT_COMMANDS_MAX 40
#define CHAT_SHORT_LEN    6 /* hex digits of a short id; more where they are not unique */
#define CHAT_ID_TEXT_LEN  (2 * RF_CONVERSATION_LEN + 1)
#define CHAT_NAME_LEN     300 /* of a full name */
#define CHAT_PAGE         200 /* entries of an answer if the program does not say */

struct rf_control_chat {
    struct rf_control_chat_config config;
    struct rf_list waiting; /* struct waiting: messages that are not in the log yet */
    struct rf_command commands[CHAT_COMMANDS_MAX];
    size_t command_count;
};

/* ---- chat.c ---- */

/* control_chat_engine: NULL: there is none, the call has its answer. */
struct rf_chat *control_chat_engine(struct rf_control_call *call);
/* control_chat_conversation reads the argument `id`: 32 hex digits, their unique beginning, or @NAME for the chat of two. false: the call has its answer. */
bool control_chat_conversation(struct rf_control_call *call, json_t *args, struct rf_chat **chat,
                               struct rf_chat_info *out);
/* control_chat_refuse ends the call with what the engine's error means to people. info: the conversation, or NULL. */
void control_chat_refuse(struct rf_control_call *call, int error, const struct rf_chat_info *info);
/* control_chat_name makes a full name of what somebody typed, in `storage`. false: the call has its answer. */
bool control_chat_name(struct rf_control_call *call, const char *word, char storage[CHAT_NAME_LEN],
                       struct rf_view *out);

/* A list of users: views into storage of their own. */
struct chat_users {
    struct rf_view *views;
    size_t count;
    struct rf_region region;
};
/* control_chat_users_read: full names of the strings in `words` (NULL: none). members of `id`, if that is not NULL: their principals instead, each must be one. false: the call has its
 * answer and nothing is to be freed; else control_chat_users_free. */
bool control_chat_users_read(struct rf_control_call *call, json_t *words, const uint8_t *id,
                             struct chat_users *out);
void control_chat_users_free(struct chat_users *users);

/* control_chat_begun tells the program that the engine has taken it on: {"id", "online"}. Keeps the id for control_chat_done. */
void control_chat_begun(struct rf_control_call *call, const uint8_t id[RF_CONVERSATION_LEN]);
/* control_chat_done ends a call with an engine's result; arg is the call, its `keep` the result if there is no error. */
void control_chat_done(void *arg, const struct rf_chat_result *result);
/* control_chat_online: the node is in the overlay. */
bool control_chat_online(const struct rf_control_call *call);

/* ---- chat_json.c ---- */

json_t *control_chat_id_json(const uint8_t id[RF_CONVERSATION_LEN]);
json_t *control_chat_principal_json(struct rf_view principal);      /* a name, or a Node-ID's hex digits */
json_t *control_chat_message_json(const struct rf_keep_name *name); /* "DEVICE:SEQUENCE"; null for none */
/* control_chat_short_id is the beginning that no other conversation has. */
const char *control_chat_short_id(const struct rf_chat *chat, const uint8_t id[RF_CONVERSATION_LEN],
                                  char out[CHAT_ID_TEXT_LEN]);
json_t *control_chat_info_json(const struct rf_chat *chat, const struct rf_chat_info *info);
json_t *control_chat_user_json(const struct rf_chat_user *user);
json_t *control_chat_entry_json(const struct rf_keep_entry *entry);
json_t *control_chat_contact_json(const struct rf_chat_contact *contact);
json_t *control_chat_presence_json(const struct rf_chat_presence *presence);

/* ---- chat_wait.c ---- */

/* control_chat_wait_add: the call ends when the message stands in the log. */
void control_chat_wait_add(struct rf_control_call *call, const struct rf_chat_result *result);
/* control_chat_wait_seen ends those who waited for this entry. */
void control_chat_wait_seen(struct rf_control_chat *chat, const struct rf_keep_entry *entry);
void control_chat_wait_end(struct rf_control_chat *chat); /* all of them, with RF_ECANCELLED */

/* ---- the tables ---- */

extern const struct rf_command control_chat_group_commands[], control_chat_message_commands[],
    control_chat_history_commands[], control_chat_people_commands[];
extern const size_t control_chat_group_command_count, control_chat_message_command_count,
    control_chat_history_command_count, control_chat_people_command_count;

#endif
