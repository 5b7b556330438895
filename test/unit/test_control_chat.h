/* test_control_chat.h - an engine of conversations whose answers a test gives (test_control_chat_kit.c), with the commands of control/ on it. */
#ifndef RF_TEST_CONTROL_CHAT_H
#define RF_TEST_CONTROL_CHAT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "control/chat.h"

#define DESK_CHATS 8

/* The double: what it was told last, and what it will say. */
struct rf_chat {
    struct rf_chat_info chats[DESK_CHATS];
    size_t chat_count;
    struct rf_chat_user users[4]; /* of every conversation */
    size_t user_count;
    struct rf_chat_contact contacts[4];
    size_t contact_count;
    struct rf_chat_presence own;
    int next_error;  /* of the next command; then 0 */
    char said[2048]; /* the last command, in words */
    rf_chat_done_fn done;
    void *done_arg;
    struct rf_keep_store *store;
    struct rf_keep_query query; /* asked and not answered yet; its views live in region */
    struct rf_region region;
    void (*answered)(void *arg, const struct rf_keep_answer *answer);
    void *answered_arg;
    int answer_error;
};

struct desk {
    struct rf_chat engine;
    bool no_engine, offline;
    struct rf_mem mem; /* of control: the system's, which refuses when `left` is 0 */
    size_t left;
    struct rf_env env;
    struct rf_control *control;
    struct rf_control_chat *chat;
    struct rf_session *session;
    json_t *got; /* array */
};

int desk_open(void **state);
int desk_close(void **state);
/* desk_chat adds a conversation whose id begins with these hex digits, the rest zeros. */
struct rf_chat_info *desk_chat(struct desk *d, const char *digits, const char *title,
                               enum rf_chat_state state);
/* desk_say sends a request of that command; args is JSON with ' for ". Questions to the history that it asks are answered. */
void desk_say(struct desk *d, const char *cmd, const char *args);
/* desk_done ends the command under way. */
void desk_done(struct desk *d, int error, const char *why, uint64_t sequence);
/* desk_entry puts an entry into the history: sequence index+1 of device 01..., of the first conversation. */
void desk_entry(struct desk *d, uint64_t index, uint16_t kind, const char *sender, const char *text);
json_t *desk_last(const struct desk *d);     /* borrowed */
const char *desk_code(const struct desk *d); /* of the last line, if it is an error; else "" */
const char *desk_text(const struct desk *d, const char *key); /* `text` or `hint` of that error */

#endif
