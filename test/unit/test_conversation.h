/*
 * test_conversation.h - what the tests of conversations share: five supernodes, writers, and a conversation between them.
 * Peers 10, 40, 80, c0, e0 (first byte of the Node-ID); alice founds, bob and carol are members, mallory is nobody.
 */
#ifndef RF_TEST_CONVERSATION_H
#define RF_TEST_CONVERSATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "overlay/watch_internal.h"
#include "support/store_net.h"
#include "usage/chatlog.h"

enum { P10, P40, P80, PC0, PE0, PEERS, ALICE = PEERS, ALICE2, BOB, CAROL, MALLORY, CV_NODES };

struct conversation {
    uint8_t nonce[RF_CONVERSATION_NONCE_LEN], id[RF_CONVERSATION_LEN];
    struct rf_id resource;
    uint8_t roster[2048]; /* the last one that was stored */
    size_t roster_len;
    uint32_t sequence;
};
extern struct sn_net net;
extern struct conversation cv;

/* conversation_setup_with: kinds for the document, and what changes the storages' configuration; both may be NULL. */
void conversation_setup_with(const struct rf_kind_def *kinds, size_t kind_count,
                             void (*tweak)(struct rf_store_config *config));
int conversation_setup(void **state);
int conversation_teardown(void **state);
struct sn_node *cv_node(size_t number);
const struct rf_store_counters *cv_counters(size_t number);
size_t cv_home(void); /* of the conversation; side 0 */
/* A node that was added gets its Kinds and answers exp_a. */
void cv_start_node(struct sn_node *n);
/* Starts a node again from its disk. */
void cv_restart(size_t number);
/* Puts peers on a side; the others stay where they are. */
void cv_side(int side, const size_t *numbers, size_t count);

/* A roster as `creator` would make it; tags of admins and members by node numbers, lists end with CV_NODES. Returns its length. */
size_t cv_roster(const struct conversation *c, const char *creator, uint32_t sequence, struct rf_view before,
                 const size_t *admins, const size_t *members, uint8_t *out, size_t out_len);
/* Stores and waits: 0 or the error code. */
uint16_t cv_store(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  bool exists, struct rf_view value, uint32_t lifetime_s);
/* The next roster of the conversation, by `writer`; kept in cv if it was taken. */
uint16_t cv_change(size_t writer, const size_t *admins, const size_t *members);
/* An entry of that text. cv_append waits; cv_start does not. */
struct cv_heard {
    bool done;
    int error;
    uint16_t code;
};
void cv_start(size_t writer, uint64_t sequence, const char *text, struct cv_heard *heard);
uint16_t cv_append(size_t writer, uint64_t sequence, const char *text);
/* The log as node `at` holds it: "0=one 1=two". Borrowed until the next call. */
const char *cv_log(size_t at);
/* How often `what` stands in `text`. */
size_t cv_count(const char *text, const char *what);
/* Runs until all of these are done, at most 60 s. */
void cv_wait(const struct cv_heard *heard, size_t count);

#define CV_TEST(name) cmocka_unit_test_setup_teardown(name, conversation_setup, conversation_teardown)
#define CV_LIST(...)  ((const size_t[]){__VA_ARGS__, CV_NODES})
#define CV_NOBODY     ((const size_t[]){CV_NODES})

#endif
