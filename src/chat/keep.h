/*
 * keep.h - what a member's device keeps of its conversations: the engine's own state, and the history that people read.
 *
 * The engine (chat/) never waits for a disk. It hands out batches and questions by struct rf_keep, each with a token, and the shell answers later:
 *
 *   engine -- commit(token, changes) --> shell: copies, its disk thread applies them to a store --> rf_chat_kept(token, error)
 *   engine -- query(token, question) --> shell: the disk thread asks the store                 --> rf_chat_answered(token, answer)
 *
 * Completions come exactly once each, never from inside commit or query, commits in the order in which they were given. What a question sees: all commits before it that did
 * not fail, perhaps some behind it. A batch is one transaction: all of it is on the disk when it is reported, or nothing of it is and nothing of it will be (disk full, say). Commits
 * build on one another, so when one fails all that were given before the engine was told fail, too (RF_ECANCELLED): it gives them again, in order, when it likes.
 * Whatever must not leave before the state behind it is on disk waits for the completion.
 *
 * At the start the shell calls the store's load before anything else; it shows all states and marks, not the history.
 *
 * A store (struct rf_keep_store) is synchronous: db/chat_sqlite.c on a disk, keep_mem.c in memory for the simulator and for tests. struct rf_keep_queue (keep.c) stands
 * between the two for any shell: it is a struct rf_keep that copies what it is given into jobs.
 *
 * Names. An entry of a history is named by who wrote it, device and sequence, as in the log (wire/conversation.h): its index may change when a log is joined from two, its name
 * does not. Edits, deletions and reactions name their target so; where there is no such entry they change nothing and are no error.
 */
#ifndef RF_CHAT_KEEP_H
#define RF_CHAT_KEEP_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "base/list.h"
#include "base/region.h"
#include "base/secret_mem.h"

#define RF_KEEP_CONVERSATION_LEN 16 /* RF_CONVERSATION_LEN */
#define RF_KEEP_HASH_LEN         32
#define RF_KEEP_MAX_NAME         512                /* bytes of a state's name */
#define RF_KEEP_MAX_PRINCIPAL    255                /* of a sender */
#define RF_KEEP_MAX_REACTION     64                 /* of a reaction, UTF-8 */
#define RF_KEEP_MAX_TEXT         65536              /* of a text, UTF-8 */
#define RF_KEEP_MAX_BYTES        ((size_t)64 << 20) /* of a state's value, of content and raw */
#define RF_KEEP_MAX_INDEX        INT64_MAX
#define RF_KEEP_PENDING                                                                                      \
    RF_KEEP_MAX_INDEX /* index of what was sent and is not in the log yet: behind everything; MOVE gives it its place */
#define RF_KEEP_MAX_LIMIT 1000 /* entries of an answer */
#define RF_KEEP_MAX_WORDS 16   /* that a search looks for */

/* ---- what is kept ---- */

/* A piece of the engine's state; the store looks at nothing of it. (conversation, part, name) is its key. */
struct rf_keep_state {
    uint8_t
        conversation[RF_KEEP_CONVERSATION_LEN]; /* zeros: it belongs to none (contacts, own key packages) */
    uint32_t part;                              /* the engine's number for what this is */
    struct rf_view name; /* tells pieces of one part apart (a contact's principal, a number); may be empty */
    struct rf_view value;
};

/* An entry's name; device.len 0: none. */
struct rf_keep_name {
    struct rf_id device; /* that signed it */
    uint64_t sequence;   /* 1, 2, 3 ..., up to RF_KEEP_MAX_INDEX */
};

struct rf_keep_reaction {
    struct rf_view sender; /* principal */
    struct rf_view reaction;
    uint64_t time_ms;
};

/* An entry of a history. Views are borrowed for the call; in an answer they live in its region. */
struct rf_keep_entry {
    uint8_t conversation[RF_KEEP_CONVERSATION_LEN];
    uint64_t index;        /* place in the log, up to RF_KEEP_MAX_INDEX; not unique */
    uint16_t kind;         /* the engine's: text, joined, title changed ... */
    uint32_t flags;        /* the engine's */
    struct rf_view sender; /* principal, up to RF_KEEP_MAX_PRINCIPAL bytes */
    struct rf_keep_name name;
    uint64_t sent_ms;     /* wall clock of the writer */
    uint64_t received_ms; /* of this device */
    struct rf_keep_name reply_to;
    struct rf_view text;    /* what people read and search, UTF-8 */
    struct rf_view content; /* the engine's own */
    struct rf_view
        raw; /* the log's value as it came, to be given to members who miss it; kept apart, in an answer only where asked for */
    uint8_t hash
        [RF_KEEP_HASH_LEN]; /* of the log's value or whatever the engine chains; stays when the entry is deleted */
    /* what EDIT, DELETE and REACT made of it; a PUT may bring the first three (a history that another device gives) */
    uint64_t edited_ms;        /* 0: never */
    uint64_t deleted_ms;       /* 0: it is there; else text, content, raw and reactions are empty */
    struct rf_view deleted_by; /* principal */
    const struct rf_keep_reaction *reactions; /* answers only; oldest first */
    size_t reaction_count;
};

/* How far somebody has come: read, delivered. (conversation, principal, kind) is its key; the highest index counts. */
struct rf_keep_mark {
    uint8_t conversation[RF_KEEP_CONVERSATION_LEN];
    uint8_t kind; /* the engine's */
    struct rf_view principal;
    uint64_t index;
    uint64_t time_ms;
};

/* ---- changes ---- */

enum rf_keep_op_type {
    RF_KEEP_STATE_PUT = 1, /* state: insert or replace */
    RF_KEEP_STATE_DELETE,  /* state: its key */
    RF_KEEP_ENTRY_PUT,     /* entry: insert, or replace the one of this name; reactions to it stay */
    RF_KEEP_ENTRY_MOVE,    /* change.target: to change.index */
    RF_KEEP_ENTRY_EDIT, /* change.target: text and content are those of the change, edited at time_ms; the old ones are gone for good. raw stays: members who miss the entry need it */
    RF_KEEP_ENTRY_DELETE, /* change.target: text, content, raw and reactions go for good; index, name, times and hash stay, deleted by `by` at time_ms */
    RF_KEEP_ENTRY_REMOVE, /* change.target: nothing stays */
    RF_KEEP_REACT,        /* change.target: `by` reacts with `text` at time_ms; again is the same */
    RF_KEEP_UNREACT,      /* change.target: he takes it back */
    RF_KEEP_MARK,         /* mark */
    RF_KEEP_FORGET,       /* change.conversation: its states, entries, reactions and marks go for good */
};

struct rf_keep_change {
    uint8_t conversation[RF_KEEP_CONVERSATION_LEN];
    struct rf_keep_name target;
    uint64_t index;
    struct rf_view by; /* principal */
    struct rf_view text, content;
    uint64_t time_ms;
};

struct rf_keep_op {
    enum rf_keep_op_type type;
    union {
        struct rf_keep_state state;
        struct rf_keep_entry entry;
        struct rf_keep_change change;
        struct rf_keep_mark mark;
    };
};

/* ---- questions ---- */

enum rf_keep_query_type {
    RF_KEEP_PAGE = 1, /* entries of a conversation in the order of the log */
    RF_KEEP_FIND,     /* the entry of that name, or none */
    RF_KEEP_SEARCH,   /* entries with these words, those first that came here last */
    RF_KEEP_COUNT,    /* how many there are */
};

/* Where an answer ended, to go on from there; zeros: at the beginning. The store's own, not kept over a restart. */
struct rf_keep_cursor {
    uint64_t a, b;
};

struct rf_keep_query {
    enum rf_keep_query_type type;
    uint8_t conversation[RF_KEEP_CONVERSATION_LEN]; /* SEARCH: zeros: all of them */
    struct rf_keep_name name;                       /* FIND */
    bool backwards;                                 /* PAGE: from `from` to lower indexes */
    uint64_t from; /* PAGE: index to begin at (that or the next); COUNT: counts those above apart */
    struct rf_keep_cursor cursor; /* PAGE, SEARCH: from an answer to the same question */
    uint32_t limit;               /* PAGE, SEARCH: 1 to RF_KEEP_MAX_LIMIT entries */
    size_t
        max_bytes; /* PAGE, SEARCH: ends behind the entry with which text, content and raw exceed this; 0: no such end */
    bool raw; /* PAGE, FIND: with raw */
    /*
     * SEARCH: words that must all be there, in any order, letters compared without case and accents. "in quotes": next to each other. A star behind a word: its beginning. A word with a
     * minus before it must not be there. At least one word without minus, at most RF_KEEP_MAX_WORDS.
     */
    struct rf_view words;
    struct rf_view sender;      /* SEARCH: only his; empty: everybody's */
    uint64_t from_ms, until_ms; /* SEARCH: sent then, both included; until_ms 0: no end */
};

struct rf_keep_answer {
    int error; /* 0; RF_EINVAL a question that is none (search: no word); RF_EDATABASE; RF_ENOMEM */
    struct rf_keep_entry *entries;
    size_t count;
    size_t damaged_count; /* entries that are there and cannot be read: left out */
    bool
        more; /* the cursor leads on; SEARCH: perhaps with nothing found yet, so that no question takes long */
    struct rf_keep_cursor cursor;
    struct { /* COUNT, deleted ones and those of every kind counted, pending ones not */
        uint64_t total, above;
        uint64_t first, last; /* lowest and highest index; only where total is not 0 */
    } counted;
};

/* ---- the engine's side ---- */

/* What the engine is given. All that is pointed to is borrowed for the call. */
struct rf_keep {
    void (*commit)(void *arg, uint64_t token, const struct rf_keep_op *ops, size_t op_count);
    void (*query)(void *arg, uint64_t token, const struct rf_keep_query *query);
    void *arg;
};

/* ---- the disk's side ---- */

struct rf_keep_batch {
    const struct rf_keep_op *ops;
    size_t op_count;
};

/* What load shows; one of them is set. Borrowed for the call. */
struct rf_keep_record {
    const struct rf_keep_state *state;
    const struct rf_keep_mark *mark;
    const uint8_t *
        damaged; /* a state of this conversation cannot be read; zeros: of none, or it is not known of which */
};

struct rf_keep_store {
    const struct rf_keep_store_ops *ops;
};

/* One call at a time, from any thread. */
struct rf_keep_store_ops {
    void (*close)(struct rf_keep_store *s);
    /* load calls `each` for every state and mark, in no order; stops at its first non-zero return, which it returns. Errors: RF_EDATABASE, RF_ENOMEM. */
    int (*load)(struct rf_keep_store *s, int (*each)(void *ctx, const struct rf_keep_record *record),
                void *ctx);
    /*
     * apply makes all batches durable in one transaction (group commit): all of them, or none.
     * Errors: RF_EINVAL a change that breaks a limit (which rf_keep_ops_check tells before); RF_EDATABASE (the disk is full or broken; error_text tells); RF_ENOMEM.
     */
    int (*apply)(struct rf_keep_store *s, const struct rf_keep_batch *batches, size_t batch_count);
    /* query fills `answer` (its error too), whose entries live in `region`. */
    void (*query)(struct rf_keep_store *s, const struct rf_keep_query *query, struct rf_region *region,
                  struct rf_keep_answer *answer);
    /* upkeep does a little of what can wait (what deletions left in the index, the log's length) and says whether there is more of it. To be called after
     * commits, when nothing else is to be done. */
    bool (*upkeep)(struct rf_keep_store *s);
    /* error_text: a sentence about the last error, with what to do about it; borrowed until the next call; never NULL. */
    const char *(*error_text)(struct rf_keep_store *s);
};

/* ---- keep.c: what shells share ---- */

/* rf_keep_ops_check: are all changes well formed and within the limits above? 0 or RF_EINVAL. */
int rf_keep_ops_check(const struct rf_keep_op *ops, size_t op_count);
/* rf_keep_ops_copy copies changes with all that they point to into `region`. Errors: RF_ENOMEM. */
int rf_keep_ops_copy(struct rf_region *region, const struct rf_keep_op *ops, size_t op_count,
                     struct rf_keep_op **out);
int rf_keep_query_copy(struct rf_region *region, const struct rf_keep_query *query,
                       struct rf_keep_query *out);
int rf_keep_entry_copy(struct rf_region *region, const struct rf_keep_entry *entry,
                       struct rf_keep_entry *out);

/*
 * An entry as bytes, without conversation, index, raw and reactions: what the store seals, and what a device may give another one of its user.
 *
 *   u8 version (1) | u16 kind | u32 flags | sender v8 | device v8 | u64 sequence | u64 sent_ms | u64 received_ms | reply device v8 | u64 reply sequence | hash 32 bytes |
 *   u64 edited_ms | u64 deleted_ms | deleted_by v8 | text v24 | content v32
 *
 * decode reads all of `in`; views borrow from it. Errors: RF_EVERSION; RF_ESHORT, RF_ELENGTH, RF_EFORMAT. encode: RF_EINVAL in `out`.
 */
void rf_keep_entry_encode(const struct rf_keep_entry *entry, struct rf_buf *out);
int rf_keep_entry_decode(struct rf_view in, struct rf_keep_entry *out);

/* A job: something asked and, later, its answer. Owned by whoever took it out of the queue. */
struct rf_keep_job {
    struct rf_list list;
    struct rf_mem *mem;
    struct rf_region region; /* of all below */
    uint64_t token;
    uint64_t epoch; /* failures that the engine had been told of when it gave this */
    bool is_query;
    struct rf_keep_op *ops; /* a commit */
    size_t op_count;
    int error; /* of the commit */
    struct rf_keep_query query;
    struct rf_keep_answer answer;
};

/* A struct rf_keep that makes jobs. Not to be moved. Whoever keeps secrets gives it the mem of an rf_secret_mem. */
struct rf_keep_queue {
    struct rf_keep keep; /* for the engine */
    struct rf_mem *mem;
    struct rf_list jobs;
    uint64_t epoch;
    uint64_t failed;          /* the disk thread's: commits of an epoch below this are not tried */
    void (*ready)(void *arg); /* may be NULL: called when a job came; must not take jobs at once */
    void *ready_arg;
};
/* A commit that could not be copied is a job all the same, with error RF_ENOMEM; where not even that can be had, the process ends (RF_ASSERT): a token must be answered. */
void rf_keep_queue_init(struct rf_keep_queue *queue, struct rf_mem *mem);
void rf_keep_queue_deinit(struct rf_keep_queue *queue); /* frees what nobody took */
/* rf_keep_queue_take moves all jobs to the end of `out`. */
void rf_keep_queue_take(struct rf_keep_queue *queue, struct rf_list *out);
/* rf_keep_jobs_run does all jobs of the list, in order: commits that follow one another are one transaction, and if that fails each is tried alone until one fails. Results stand
 * in the jobs. In the disk's thread: touches the jobs, the store and queue->failed only (mem is used by both threads, so it must allow that, as malloc does). */
void rf_keep_jobs_run(struct rf_keep_queue *queue, struct rf_keep_store *store, struct rf_list *jobs);
/* rf_keep_queue_told: the engine is about to be told what came of this job. What it gives from now on is tried again. */
void rf_keep_queue_told(struct rf_keep_queue *queue, const struct rf_keep_job *job);
void rf_keep_job_free(struct rf_keep_job *job);

/* ---- keep_mem.c ---- */

/* rf_keep_mem_new makes a store in memory, which outlives the engine but not its owner. It searches as the one on a disk does, but compares letters outside ASCII as they are. Errors: RF_ENOMEM. */
int rf_keep_mem_new(struct rf_mem *mem, struct rf_keep_store **out);

/* ---- keep_text.c: a history for reading elsewhere ---- */

/* rf_keep_export_json appends one entry as a JSON object and a newline: index (null: pending), device, sequence, kind (kind_name, or if that is NULL the number), from, time, received
 * (RFC 3339), text or deleted and deleted_by, and where they are: reply_to, edited, reactions. What is no UTF-8 becomes U+FFFD. */
void rf_keep_export_json(const struct rf_keep_entry *entry, const char *kind_name, struct rf_buf *out);
/*
 * rf_keep_export_text appends one entry as people read it, "[2026-11-22 14:05:09] alice@example.org: words", further lines indented, and what became of it; its reactions a line each. Nothing
 * in it moves a terminal's cursor.
 * kind_name  shown in brackets before the text; NULL: not (a plain message)
 * zone_min   minutes that the reader's clock is ahead of UTC
 */
void rf_keep_export_text(const struct rf_keep_entry *entry, const char *kind_name, int zone_min,
                         struct rf_buf *out);

#endif
