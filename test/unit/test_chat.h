/*
 * test_chat.h - what the tests of the member's side share: three supernodes and some devices, whole nodes on a virtual clock, each device with an engine and a disk in memory that outlives it.
 */
#ifndef RF_TEST_CHAT_H
#define RF_TEST_CHAT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/chat.h"
#include "support/node_net.h"

#define S             RF_US_PER_S
#define WORLD_SUPERS  3
#define WORLD_DEVICES 16

struct device {
    size_t node;      /* in the net */
    const char *name; /* user, without domain */
    struct rf_keep_store *store;
    struct rf_keep_queue queue;
    bool on;
    bool disk_fails;
    size_t commits, commit_bytes; /* that reached the disk */
    unsigned events[16];
    int last_error; /* of a command */
    unsigned done;  /* commands that were answered */
    struct rf_keep_name last_name;
    uint8_t invited[RF_CONVERSATION_LEN]; /* last one */
};

struct world {
    struct node_net net;
    struct device devices[WORLD_DEVICES];
    size_t count;
};
extern struct world world;
extern uint32_t world_message_size; /* of the next world's overlay */

/* world_init: devices of these users; the same name twice: two devices of one user. */
void world_init(uint64_t seed, const char *const *users, size_t count);
void world_deinit(void);
void device_start(size_t i);
void device_kill(size_t i);      /* what was not on its disk is lost */
void device_lose_disk(size_t i); /* while it is killed: its database is gone, its keys are not */
struct rf_chat *chat_of(size_t i);
/* What a device's disk gives at its start goes through this; NULL: to its engine. */
extern int (*world_load)(void *chat, const struct rf_keep_record *record);
/* world_withhold: the homes do not have the log's entry at this index from now on. */
void world_withhold(const struct rf_id *resource, uint8_t index);
/* world_run lets time pass. world_until: until `done` or so many seconds; whether it was done. */
void world_run(uint64_t us);
bool world_until(unsigned seconds, bool (*done)(void *arg), void *arg);
/* What a command is given: counts into the device. */
void on_done(void *device, const struct rf_chat_result *result);
#define DONE(i) on_done, &world.devices[i]
/* The history as text: "alice:hello bob:hi"; changes of the group in brackets: "[joined bob@example.org]". Borrowed until the fourth next call. */
const char *history(size_t i, const uint8_t *id);
const char *texts_of(size_t i, const uint8_t *id); /* texts only */
/* Runs until each of these devices' texts are these (changes of the group left out); fails after so many seconds. */
void expect_texts(const size_t *devices, size_t count, const uint8_t *id, unsigned seconds,
                  const char *texts);
#define ALL(...) (const size_t[]){__VA_ARGS__}, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t)
void send_text(size_t i, const uint8_t *id, const char *text);
enum rf_chat_state state_of(size_t i, const uint8_t *id);
size_t users_in(size_t i, const uint8_t *id);
void expect_state(size_t i, const uint8_t *id, enum rf_chat_state state, unsigned seconds);
void expect_users(size_t i, const uint8_t *id, size_t count, unsigned seconds);
/* make_group: device 0 creates "team" with the users, who accept. */
void make_group(const char *const *users, size_t count, const size_t *devices, size_t device_count,
                uint8_t *id);

#endif
