/* internal.h - what the files of this room share: the table, connections, who asks and who is asked. */
#ifndef RF_FILES_INTERNAL_H
#define RF_FILES_INTERNAL_H

#include "base/assert.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "files/files.h"

#define PROGRESS_US (RF_US_PER_S / 4)
#define IDLE_US     (20 * RF_US_PER_S)

struct fetch;

struct file {
    struct rf_map_node node;
    uint8_t id[RF_FILE_ID_LEN];
    struct rf_file_shape shape;
    struct rf_file_keys keys;
    uint32_t chunk_count, have_count;
    uint8_t *have;       /* owned; NULL: all */
    struct fetch *fetch; /* owned; NULL: not fetched now */
    uint64_t unread_us;  /* not served before that: it could not be read; 0: it can */
};

/* A file that the other end of a connection asks for. */
struct channel {
    struct rf_list list;
    uint16_t number;
    struct file *file;
};

/* Chunks that it asked for. */
struct want {
    struct rf_list list;
    uint16_t channel;
    uint32_t first;
    uint32_t count;
};

struct conn {
    struct rf_map_node node;
    struct rf_list list; /* files->conns, whose turn it is first */
    rf_files_conn id;
    struct rf_id peer;
    struct rf_buf in; /* of a message that is not whole */
    bool doomed;      /* to be closed at the next turn */
    bool outgoing;
    uint64_t heard_us;
    uint64_t used_us;      /* when something was last said of a channel */
    uint16_t next_channel; /* of ours */
    /* serving */
    struct rf_list channels, wants;
    size_t channel_count, want_count, wanted; /* wanted: chunks */
    size_t reading, reading_len;              /* jobs, and bytes that will be sent then */
    size_t wrong;                             /* questions for what he may not have */
};

enum source_state { SOURCE_WAITING, SOURCE_ATTACHING, SOURCE_OPENING, SOURCE_READY, SOURCE_BAD };

struct ask {
    uint32_t index;
    uint64_t at_us;
    bool writing; /* it came, and is at the disk */
};

struct source {
    struct rf_list list;
    struct fetch *fetch;
    uint64_t id; /* and token */
    struct rf_id node_id;
    uint8_t *user, *route; /* owned */
    size_t user_len, route_len;
    enum source_state state;
    uint64_t
        at_us; /* WAITING: until; ATTACHING, OPENING: since; READY: the last chunk, or the first question */
    uint64_t pause_us; /* of the next wait */
    rf_files_conn conn;
    uint16_t channel;
    uint8_t *bits; /* owned; NULL: it has all */
    struct ask asks[RF_FILES_WINDOW];
    size_t ask_count, window;
    uint64_t chunk_us; /* smoothed, between chunks */
    uint32_t
        cursor; /* its own: who follows what another one has just got would ask others for the same as he does */
    unsigned dry_count; /* questions whether it has more, in a row */
    bool dry;           /* it has nothing that is still to be asked for */
    bool opening;       /* OPEN was said, and no HAVE came since */
};

enum fetch_state { FETCH_RUNNING, FETCH_STALLED, FETCH_FINISHING };

struct fetch {
    struct rf_list list;
    struct file *file;
    enum fetch_state state;
    uint64_t at_us;         /* STALLED: until */
    uint8_t *taken;         /* owned; bits of what is asked for or being written */
    uint32_t cursor;        /* where sources begin */
    struct rf_list sources; /* whose turn it is first */
    size_t source_count;
    uint32_t told_count; /* chunks, when progress was told last */
    uint64_t told_us;
    bool alone_told; /* NO_SOURCE */
};

struct rf_files {
    struct rf_files_config config;
    struct rf_files_world world;
    struct rf_files_counters counters;
    struct rf_now now;
    struct rf_map files, conn_map;
    struct rf_list conns, fetches;
    size_t fetch_count;
    size_t reading; /* get jobs under way */
    uint64_t next_source;
    double send_tokens; /* bytes; with a send_rate */
    uint64_t send_tokens_us;
    struct rf_buf out; /* scratch: a message to be sent */
};

/* files.c */
struct file *files_find(const struct rf_files *files, const uint8_t id[RF_FILE_ID_LEN]);
struct conn *files_conn(const struct rf_files *files, rf_files_conn id);
/* files_say sends a small message; false: the connection is doomed. */
bool files_say(struct rf_files *files, struct conn *conn, const struct rf_file_message *message);
void files_doom(struct conn *conn);            /* closed at the next turn */
uint64_t files_bytes(const struct file *file); /* that are here */
void files_tell(struct rf_files *files, const struct file *file, enum rf_files_event_type type,
                const struct rf_id *node, int error, const char *why);
/* serve.c: an error is one for which the connection is closed */
int serve_message(struct rf_files *files, struct conn *conn, const struct rf_file_message *message);
void serve_pump(struct rf_files *files);
void serve_conn_free(struct rf_files *files, struct conn *conn);
void serve_forget(struct rf_files *files, const struct file *file);
uint64_t serve_deadline(const struct rf_files *files);
/* fetch.c */
int fetch_message(struct rf_files *files, struct conn *conn, struct rf_file_message *message,
                  struct rf_view whole);
void fetch_conn_down(struct rf_files *files, rf_files_conn conn);
bool fetch_uses(const struct rf_files *files, rf_files_conn conn);
void fetch_turn(struct rf_files *files);
void fetch_free(struct rf_files *files, struct fetch *fetch);
uint64_t fetch_deadline(const struct rf_files *files);
/* source.c */
void source_free(struct rf_files *files, struct source *source);
void source_rest(struct rf_files *files, struct source *source,
                 bool failed); /* -> WAITING; its questions are taken back */
void source_begin(struct rf_files *files, struct source *source); /* WAITING -> ATTACHING */
void source_unask(struct source *source, size_t at);
void source_pump(struct rf_files *files, struct source *source); /* asks for what there is room for */
void source_came(struct rf_files *files, struct source *source, size_t at); /* a chunk */
int source_message(struct rf_files *files, struct source *source, const struct rf_file_message *message);
uint64_t source_due(const struct source *source, uint64_t now_us); /* when it has something to do */
uint64_t source_slowness(const struct source *source,
                         uint64_t now_us); /* us that a chunk takes; 0: not known */
void source_turn(struct rf_files *files, struct source *source);

#endif
