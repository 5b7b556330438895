/*
 * chat_internal.h - the inside of the database of conversations, shared by the files chat_*.c of this folder only.
 *
 *   chat_seal.c          keys; sealing rows and naming them
 *   chat_words.c         words of a text as keyed hashes
 *   chat_sqlite.c        opening, transactions, load
 *   chat_sqlite_state.c  conversations, states, marks
 *   chat_sqlite_entry.c  entries and their reactions, the index
 *   chat_sqlite_query.c  questions
 *   chat_sqlite_upkeep.c what can wait
 *
 * Functions return 0 or our error; text and SQLite's result are noted by chat_failed where they arise.
 */
#ifndef RF_DB_CHAT_INTERNAL_H
#define RF_DB_CHAT_INTERNAL_H

#include <stdio.h>
#include "db/chat.h"
#include "db/chat_words.h"
#include "db/sqlite.h"

#define CHAT_NAME_LEN  12 /* bytes of a row's name */
#define CHAT_ERROR_LEN 400

enum chat_statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_META_GET,
    ST_META_PUT,
    ST_CONVERSATIONS,
    ST_CONVERSATION_ADD,
    ST_CONVERSATION_DELETE,
    ST_STATES,
    ST_STATE_PUT,
    ST_STATE_DELETE,
    ST_STATE_FORGET,
    ST_MARKS,
    ST_MARK_GET,
    ST_MARK_PUT,
    ST_MARK_FORGET,
    ST_ENTRY_GET,
    ST_ENTRY_ADD,
    ST_ENTRY_SET,
    ST_ENTRY_DELETE,
    ST_ENTRY_UP,
    ST_ENTRY_DOWN,
    ST_ENTRY_COUNT,
    ST_ENTRY_ABOVE,
    ST_ENTRY_FROM,
    ST_ENTRY_SCAN,
    ST_ENTRY_OF,
    ST_RAW_GET,
    ST_RAW_PUT,
    ST_RAW_DELETE,
    ST_REACTION_PUT,
    ST_REACTION_DELETE,
    ST_REACTIONS,
    ST_REACTIONS_DELETE,
    ST_WORD_ADD,
    ST_WORD_DELETE,
    ST_WORD_MERGE,
    ST_WORD_FIND,
    ST_COUNT
};

/* What a sealed row is bound to, besides its bytes. The numbers are in files. */
enum chat_table {
    CHAT_CHECK,
    CHAT_CONVERSATION,
    CHAT_STATE,
    CHAT_MARK,
    CHAT_ENTRY,
    CHAT_RAW,
    CHAT_REACTION,
    CHAT_TABLES
};
struct chat_place {
    enum chat_table table;
    uint8_t conversation[RF_KEEP_CONVERSATION_LEN];
    uint64_t id, index;
    struct rf_view name; /* up to CHAT_NAME_LEN bytes */
};

struct chat_keys {
    uint8_t seal[CHAT_TABLES][RF_AEAD_KEY_LEN];
    uint8_t name[RF_SHA256_LEN];
    uint8_t word[RF_SHA256_LEN];
};

struct chat_conversation {
    int64_t local; /* its number here, from 1 */
    uint8_t id[RF_KEEP_CONVERSATION_LEN];
};

struct chat_sqlite {
    struct rf_keep_store store;
    struct rf_secret_mem secret;
    struct rf_mem *mem;       /* of the struct */
    struct rf_crypto *crypto; /* borrowed */
    struct rf_rng *rng;       /* borrowed */
    sqlite3 *db;
    sqlite3_stmt *st[ST_COUNT];
    struct chat_keys keys;
    struct chat_words words;
    struct chat_conversation *conversations; /* all of them */
    size_t conversation_count, conversation_cap;
    bool stale;        /* the list of them could not be read after a failure */
    int64_t next_id;   /* of an entry */
    int64_t unindexed; /* entries from this one on are not in the index yet, unless they have no text */
    uint64_t removed;  /* texts that were taken out of the index since it was last merged */
    bool merging;
    bool wiped;                  /* something was overwritten or removed: the log still has it */
    struct rf_buf plain, sealed; /* scratch: an opened row; a row to be written */
    struct rf_buf tokens;
    const char *doing; /* for error_text */
    int rc;            /* SQLite's result behind the last error; SQLITE_OK: it was none of SQLite's */
    char error[CHAT_ERROR_LEN];
};

/* ---- chat_sqlite.c ---- */

/* chat_failed notes a result of SQLite and returns our error; chat_broken one of ours. */
int chat_failed(struct chat_sqlite *s, int rc);
int chat_broken(struct chat_sqlite *s, int error, const char *why);
/* chat_step runs a statement that returns no rows. */
int chat_step(struct chat_sqlite *s, enum chat_statement which);
struct rf_view chat_column(sqlite3_stmt *st, int column);
/* chat_meta_get reads a small value into `out` (RF_ENOTFOUND), chat_meta_put writes it. */
int chat_meta_get(struct chat_sqlite *s, const char *key, uint8_t *out, size_t len);
int chat_meta_put(struct chat_sqlite *s, const char *key, const uint8_t *bytes, size_t len);
int chat_meta_number(struct chat_sqlite *s, const char *key, uint64_t *out); /* absent: unchanged */
int chat_meta_set_number(struct chat_sqlite *s, const char *key, uint64_t value);
/* chat_begin, chat_end: a transaction; chat_end commits if `error` is 0, else rolls back; returns what came of it. */
int chat_begin(struct chat_sqlite *s);
int chat_end(struct chat_sqlite *s, int error);

/* ---- chat_seal.c ---- */

/* chat_keys_derive makes this file's keys out of the key and the file's salt. */
int chat_keys_derive(struct rf_crypto *crypto, const uint8_t key[RF_CHAT_KEY_LEN], struct rf_view salt,
                     struct chat_keys *out);
/* chat_seal replaces what is in s->sealed by nonce and ciphertext of `plain`. */
int chat_seal(struct chat_sqlite *s, const struct chat_place *place, struct rf_view plain);
/* chat_open appends what was sealed. RF_EAUTH: that is not what was sealed for this place. */
int chat_open(struct chat_sqlite *s, const struct chat_place *place, struct rf_view sealed,
              struct rf_buf *out);
/* chat_name makes a row's name of what it is called: the table and the parts, each with its length. */
int chat_name(struct chat_sqlite *s, enum chat_table table, const uint8_t *conversation, uint64_t number,
              struct rf_view a, struct rf_view b, uint8_t out[CHAT_NAME_LEN]);

/* ---- chat_sqlite_state.c ---- */

int chat_conversations_load(struct chat_sqlite *s);
int chat_conversations_fresh(struct chat_sqlite *s); /* ... if they could not be read before */
/* chat_local: a conversation's number here; 0 in `out`: it has none yet, and is not to be made. */
int chat_local(struct chat_sqlite *s, const uint8_t id[RF_KEEP_CONVERSATION_LEN], bool make, int64_t *out);
const uint8_t *chat_conversation(const struct chat_sqlite *s, int64_t local); /* NULL: none */
int chat_state_put(struct chat_sqlite *s, const struct rf_keep_state *state);
int chat_state_delete(struct chat_sqlite *s, const struct rf_keep_state *state);
int chat_mark_put(struct chat_sqlite *s, const struct rf_keep_mark *mark);
int chat_states_show(struct chat_sqlite *s, int (*each)(void *ctx, const struct rf_keep_record *record),
                     void *ctx);
int chat_marks_show(struct chat_sqlite *s, int (*each)(void *ctx, const struct rf_keep_record *record),
                    void *ctx);
int chat_forget(struct chat_sqlite *s, const uint8_t conversation[RF_KEEP_CONVERSATION_LEN]);

/* ---- chat_sqlite_entry.c ---- */

/* A row of entries. */
struct chat_entry_row {
    int64_t id, local;
    uint64_t index;
    struct rf_view sealed;
};
/* chat_entry_open opens a row into `out`, whose views point into the bytes appended to `plain`. RF_EAUTH: it is damaged. */
int chat_entry_open(struct chat_sqlite *s, const struct chat_entry_row *row, struct rf_buf *plain,
                    struct rf_keep_entry *out);
int chat_entry_put(struct chat_sqlite *s, const struct rf_keep_entry *entry);
int chat_entry_change(struct chat_sqlite *s, enum rf_keep_op_type type, const struct rf_keep_change *change);
int chat_entry_name(struct chat_sqlite *s, const uint8_t *conversation, const struct rf_keep_name *name,
                    uint8_t out[CHAT_NAME_LEN]);
/* chat_entries_forget removes all entries of a conversation. */
int chat_entries_forget(struct chat_sqlite *s, int64_t local);
int chat_index_add(struct chat_sqlite *s, int64_t id, const uint8_t *conversation, struct rf_view text);

/* ---- chat_sqlite_query.c, chat_sqlite_upkeep.c ---- */

void chat_query(struct rf_keep_store *store, const struct rf_keep_query *query, struct rf_region *region,
                struct rf_keep_answer *answer);
bool chat_upkeep(struct rf_keep_store *store);
/* chat_index_reset makes the index anew and empty; chat_upkeep fills it. chat_index_remake: within a transaction, before the numbers are read. */
int chat_index_reset(struct chat_sqlite *s);
int chat_index_remake(struct chat_sqlite *s);
extern const char chat_word_schema[];

#endif
