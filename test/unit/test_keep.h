/* test_keep.h - what the tests of stores of conversations share: a store, on a disk or in memory, and short words for changes and questions. */
#ifndef RF_TEST_KEEP_H
#define RF_TEST_KEEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/rng.h"
#include "chat/keep.h"
#include "crypto/crypto.h"

struct kit {
    bool on_disk;
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    struct rf_rng_seeded rng;
    char dir[64];
    char path[96];
    uint8_t key[32];
    struct rf_keep_store *store;
    struct rf_region region; /* of the last answer */
    struct rf_keep_answer answer;
};

/* kit_open makes a kit with an open store; kit_close removes what it left. kit_reopen closes and opens the database (memory: nothing). */
void kit_open(struct kit *k, bool on_disk);
void kit_close(struct kit *k);
void kit_reopen(struct kit *k);
/* kit_try opens the database at k->path; its error, with the sentence in `text`. */
int kit_try(struct kit *k, char *text, size_t text_len);

extern const uint8_t kit_a[16], kit_b[16]; /* conversations */
struct rf_keep_name kit_name(uint64_t device, uint64_t sequence);

/* Changes: to be passed to kit_apply. */
struct rf_keep_op op_state(const uint8_t *conversation, uint32_t part, const char *name, const char *value);
struct rf_keep_op op_no_state(const uint8_t *conversation, uint32_t part, const char *name);
struct rf_keep_op op_text(const uint8_t *conversation, uint64_t index, uint64_t sequence, const char *text);
struct rf_keep_op op_change(enum rf_keep_op_type type, const uint8_t *conversation, uint64_t sequence,
                            const char *by, const char *text, uint64_t number);
struct rf_keep_op op_mark(const uint8_t *conversation, uint8_t kind, const char *who, uint64_t index);
int kit_apply(struct kit *k, const struct rf_keep_op *ops, size_t count);
void kit_must(struct kit *k, const struct rf_keep_op *ops,
              size_t count); /* fails the test with the store's words */
#define APPLY(k, ...)                                                                                        \
    kit_must(k, (struct rf_keep_op[]){__VA_ARGS__},                                                          \
             sizeof((struct rf_keep_op[]){__VA_ARGS__}) / sizeof(struct rf_keep_op))

/* kit_ask asks; the answer is in k->answer until the next question. Returns its error. */
int kit_ask(struct kit *k, const struct rf_keep_query *query);
/* kit_page: the texts of a page, each with its index, "3:hello 4:bye"; '+' at the end: there is more. */
const char *kit_page(struct kit *k, const struct rf_keep_query *query);
const char *kit_all(struct kit *k, const uint8_t *conversation);
const char *kit_search(struct kit *k, const uint8_t *conversation, const char *words);
/* kit_states: what load shows, sorted, one line each. */
const char *kit_states(struct kit *k);
const struct rf_keep_entry *kit_find(struct kit *k, const uint8_t *conversation, uint64_t sequence, bool raw);

#endif
