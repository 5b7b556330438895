/*
 * files.h - rf_files: files that this node has for others, and files that it fetches from them; one object without I/O.
 *
 * The shell brings connections (AppAttach) and a disk, by struct rf_files_world, and calls in: what came, what is done, what time it is. The world's functions may be called from inside any call here, and
 * must not call back but where it is said. Bytes of files are never touched here: chunks are read, encrypted, checked and written where the disk is (struct rf_files_get, _put: jobs, done in a thread of the
 * shell's with format.h), so this thread handles small messages and passes buffers on.
 *
 * A file is in the table with what of it is here: all (shared, or fetched) or some chunks. What is here is served to whoever shows that he knows the file (rf_file_access); also what is still being fetched.
 *
 * Serving. A connection's questions stand in a queue; chunks are read while the connection has room (world.room), a few at a time, the connections in turn. A reader that does not read costs its room and no more. Limits for each
 * connection: channels, chunks asked for, wrong questions; beyond them it is closed.
 *
 * Fetching. States of a source:
 *   WAITING    until its time; then, if there are fewer than max_active, it is connected with
 *   ATTACHING  world.attach asked; -> OPENING or, on an error, WAITING with twice the pause
 *   OPENING    OPEN sent; HAVE -> READY; REFUSE, PATIENCE_US or the connection's end -> WAITING
 *   READY      chunks are asked for, as many at once as come in about a second (2 .. RF_FILES_WINDOW), beginning anywhere in the file so that several who fetch have different parts for each other. When nothing is left to ask
 *              for, what a slower source was asked for long ago is asked for again here. No chunk for PATIENCE_US while some are due -> WAITING
 *   BAD        it gave a chunk that is not of the file: never asked again in this fetch
 * A fetch is RUNNING, FINISHING (all is there; the shell completes the file), STALLED (the disk failed: tried again after STALL_US), DONE.
 */
#ifndef RF_FILES_FILES_H
#define RF_FILES_FILES_H

#include "base/counter.h"
#include "base/env.h"
#include "base/id.h"
#include "base/list.h"
#include "files/message.h"
#include "files/reference.h"

#define RF_FILES_APPLICATION 61453 /* of AppAttach: private range of reload.md, "Numbers" */
#define RF_FILES_WINDOW      64    /* chunks that one source is asked for at once, at most */
#define RF_FILES_MAX_SOURCES 64    /* of one fetch */

#define RF_FILES_COUNTERS(X)                                                                                 \
    X(connections, "connections for files")                                                                  \
    X(connections_refused, "connections closed at once: too many")                                           \
    X(asked, "times somebody asked for a file that is here and may have it")                                 \
    X(asked_wrong, "... for one that is not here, or without knowing its secret")                            \
    X(asked_busy, "... and was told to come later")                                                          \
    X(chunks_out, "chunks given to others")                                                                  \
    X(bytes_out, "bytes of them, plain")                                                                     \
    X(chunks_unreadable, "chunks that could not be given: the file was changed, removed or cannot be read")  \
    X(bad_messages, "connections closed: what came was malformed or too much")                               \
    X(chunks_in, "chunks that came and were written")                                                        \
    X(bytes_in, "bytes of them, plain")                                                                      \
    X(chunks_wrong, "chunks that were not of the file: their source is not asked again")                     \
    X(chunks_twice, "chunks that came and were there already")                                               \
    X(sources_lost, "times a source went away or was too slow while a file was fetched")                     \
    X(disk_failed, "times a fetched chunk could not be written")                                             \
    X(fetched, "files fetched")
RF_COUNTERS(files, RF_FILES_COUNTERS)

typedef uint64_t rf_files_conn; /* the shell's number of a connection, never 0 */

/* Who may have a file. */
struct rf_files_peer {
    struct rf_id node_id;
    struct rf_view user;  /* whose device it must be; may be empty; borrowed for the call */
    struct rf_view route; /* as in struct rf_app_target; borrowed for the call */
};

/* A file as the table knows it; secrets in it. */
struct rf_files_file {
    uint8_t id[RF_FILE_ID_LEN], secret[RF_FILE_SECRET_LEN];
    struct rf_file_shape shape;
    const uint8_t *have; /* bits of the chunks that are here; NULL: all; borrowed for the call */
};

/* A chunk to be read for somebody. The shell's thread appends a whole CHUNK to `message` (rf_files_chunk_front helps), or sets error. */
struct rf_files_get {
    struct rf_list list; /* the shell's while it has the job */
    uint8_t id[RF_FILE_ID_LEN];
    uint32_t index;
    uint16_t channel;
    rf_files_conn conn;
    struct rf_buf message;
    int error; /* RF_ENOTFOUND gone, RF_EMISMATCH changed, others: cannot be read now */
};

/* A chunk that came: to be checked (rf_file_check), opened and written. */
struct rf_files_put {
    struct rf_list list; /* the shell's while it has the job */
    uint8_t id[RF_FILE_ID_LEN];
    uint32_t index;
    uint64_t source; /* ours */
    uint8_t *bytes;  /* owned; the two point into it */
    struct rf_view proof, sealed;
    int error; /* RF_EMISMATCH, RF_ELENGTH, RF_EAUTH: it is not of the file; others: the disk, `why` says what */
    char why[160];
};

enum rf_files_event_type {
    RF_FILES_PROGRESS = 1, /* more of it is here; not more often than every PROGRESS_US */
    RF_FILES_STALLED,      /* error and why: the disk; it goes on by itself, or with rf_files_fetch */
    RF_FILES_NO_SOURCE,    /* nobody who has it can be reached now; tried again, and with new sources */
    RF_FILES_SOURCE_BAD,   /* `node` gave what is not of the file, and is not asked again */
    RF_FILES_FETCHED,      /* it is here, whole */
    RF_FILES_UNREADABLE, /* a shared file was changed, removed or cannot be read (error): it is not served */
};
struct rf_files_event {
    enum rf_files_event_type type;
    uint8_t id[RF_FILE_ID_LEN];
    uint64_t bytes; /* of it that are here */
    uint64_t size;
    size_t source_count; /* that give chunks now */
    struct rf_id node;
    int error;
    const char *why; /* borrowed; may be NULL */
};

struct rf_files_world {
    void *ctx;
    /* attach asks for a connection with a node; answered by rf_files_attached once for each token, also from inside attach. Returned errors: it was not begun. */
    int (*attach)(void *ctx, const struct rf_files_peer *peer, uint64_t token);
    /* room: bytes that may be sent now. send: within the room; an error ends the connection. close: rf_files_down may follow, from inside or later. */
    size_t (*room)(void *ctx, rf_files_conn conn);
    int (*send)(void *ctx, rf_files_conn conn, struct rf_view bytes);
    void (*close)(void *ctx, rf_files_conn conn);
    /* Jobs: taken by the shell, given back by rf_files_got, rf_files_put_done. finish: the file is whole: make it durable and let people have it; answered by rf_files_finished. */
    void (*get)(void *ctx, struct rf_files_get *job);
    void (*put)(void *ctx, struct rf_files_put *job);
    void (*finish)(void *ctx, const uint8_t id[RF_FILE_ID_LEN]);
    void (*event)(void *ctx, const struct rf_files_event *event);
};

struct rf_files_config {
    struct rf_mem *
        mem; /* borrowed; jobs are made of it and changed in the shell's thread, so it must be safe for that */
    struct rf_crypto *crypto; /* borrowed; of this thread */
    struct rf_rng *jitter;    /* borrowed */
    struct rf_id self;
    uint64_t seed[2];   /* of tables */
    size_t max_conns;   /* 0 = default (64) */
    size_t max_files;   /* in the table; 0 = default (10000) */
    size_t max_active;  /* sources of one fetch that are asked at once; 0 = default (4) */
    size_t max_fetches; /* 0 = default (16) */
    uint64_t send_rate; /* bytes per second that are served in all; 0: no limit */
};

struct rf_files;
/* rf_files_new: world is copied. Errors: RF_ENOMEM. rf_files_free: no callbacks; jobs that the shell still has are the shell's to free (rf_files_drop_get, _put). */
int rf_files_new(const struct rf_files_config *config, const struct rf_files_world *world,
                 struct rf_files **out);
void rf_files_free(struct rf_files *files);
const struct rf_files_counters *rf_files_counters(const struct rf_files *files);

/* ---- the table ---- */

/* rf_files_add puts a file in, whole or in part; nothing is fetched yet. Errors: RF_EINVAL shape, RF_EEXIST, RF_ELIMIT, RF_ENOMEM, the backend's. */
int rf_files_add(struct rf_files *files, const struct rf_files_file *file);
/* rf_files_remove takes it out: it is neither served nor fetched any more. Jobs under way end unheard. Unknown: nothing. */
void rf_files_remove(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN]);
struct rf_files_info {
    uint8_t id[RF_FILE_ID_LEN];
    uint64_t size, bytes; /* bytes: that are here */
    bool whole, fetching, stalled, finishing;
    size_t source_count, active_count; /* known; giving chunks */
};
/* Errors: RF_ENOTFOUND. */
int rf_files_info(const struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], struct rf_files_info *out);

/* ---- fetching ---- */
/* rf_files_is: the table has that file just so: the same secret, size and chunks. What the store has is right, so another one is to be removed and added anew. */
bool rf_files_is(const struct rf_files *files, const struct rf_files_file *file);
/* rf_files_lost: the disk lost all but `have` of a file that is not whole; a fetch asks for it again. Unknown, whole: nothing. */
void rf_files_lost(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], const uint8_t *have);

/* rf_files_fetch begins or goes on. Errors: RF_ENOTFOUND not in the table, RF_EEXIST whole, RF_ELIMIT too many, RF_ENOMEM. */
int rf_files_fetch(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], struct rf_now now);
/* rf_files_source names one more node that may have it; one that is known is asked soon, unless it was bad. Errors: RF_ENOTFOUND no such fetch, RF_EINVAL ourselves, RF_ELIMIT, RF_ENOMEM. */
int rf_files_source(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN],
                    const struct rf_files_peer *peer, struct rf_now now);
/* rf_files_cancel: not fetched any more; what is here stays, in the table too. Unknown: nothing. */
void rf_files_cancel(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN]);

/* ---- what comes ---- */

void rf_files_attached(struct rf_files *files, uint64_t token, int error, rf_files_conn conn,
                       struct rf_now now);
/* rf_files_up: outgoing: by an attach of ours; these have a quarter of the table for themselves. */
void rf_files_up(struct rf_files *files, rf_files_conn conn, const struct rf_id *peer, bool outgoing,
                 struct rf_now now);
void rf_files_data(struct rf_files *files, rf_files_conn conn, struct rf_view bytes, struct rf_now now);
void rf_files_down(struct rf_files *files, rf_files_conn conn, struct rf_now now);
/* Both take the job. */
void rf_files_got(struct rf_files *files, struct rf_files_get *job, struct rf_now now);
void rf_files_put_done(struct rf_files *files, struct rf_files_put *job, struct rf_now now);
/* error 0, or why the file could not be completed; then it is stalled. */
void rf_files_finished(struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN], int error, const char *why,
                       struct rf_now now);
/* rf_files_turn does what is due and what connections have room for; to be called after input and output, and at rf_files_deadline (monotonic us, RF_NEVER). */
void rf_files_turn(struct rf_files *files, struct rf_now now);
uint64_t rf_files_deadline(const struct rf_files *files);

/* rf_files_chunk_front appends what comes before the sealed chunk of a CHUNK; sealed_len: how long that will be. For the shell's thread. */
void rf_files_chunk_front(uint16_t channel, uint32_t index, struct rf_view proof, size_t sealed_len,
                          struct rf_buf *out);
void rf_files_drop_get(struct rf_mem *mem, struct rf_files_get *job);
void rf_files_drop_put(struct rf_mem *mem, struct rf_files_put *job);

#endif
