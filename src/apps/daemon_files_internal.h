/* daemon_files_internal.h - what the files of the daemon's part for files share. */
#ifndef RF_APPS_DAEMON_FILES_INTERNAL_H
#define RF_APPS_DAEMON_FILES_INTERNAL_H

#include "apps/daemon_files.h"

/* A file of the store, as the loop's thread knows it. */
struct known {
    struct rf_list list;
    uint8_t id[RF_FILE_ID_LEN];
    char name[RF_FILE_MAX_NAME + 1], type[RF_FILE_MAX_TYPE + 1];
    char *path; /* owned */
    bool fetched;
    bool unfinished; /* it was to be finished, and there was no memory for that */
};

/* One that is being fetched. */
struct fetching {
    struct rf_list list;
    uint8_t id[RF_FILE_ID_LEN];
    char **names; /* owned, each too */
    size_t name_count;
    uint64_t look_us;   /* when the names are looked up next */
    uint64_t looked_us; /* ... and were last */
    uint64_t sync_us;   /* when what came is made durable next */
    daemon_file_fn fn;  /* NULL: nobody hears */
    void *arg;
};

struct daemon_files {
    struct daemon *d;
    struct rf_files *files;
    struct rf_crypto *crypto; /* the thread's, as the store */
    struct rf_filestore *store;
    struct rf_worker *worker;
    struct rf_list attachings, knowns, fetchings, events, looks;
    struct rf_list begins, shares; /* at the worker */
    struct rf_list gets, puts;     /* jobs for which there was no memory: given back with the next turn */
    bool unfinished;               /* one of `knowns` is */
    bool closing;
    struct rf_command commands[5];
};

/* daemon_files.c */
struct known *files_known(const struct daemon_files *f, const uint8_t id[RF_FILE_ID_LEN]);
struct known *files_add_known(struct daemon_files *f, const struct rf_filestore_file *file);
void files_set_path(struct known *known, const char *path);
void files_drop_known(struct known *known);
int files_post_forget(struct daemon_files *f, const uint8_t *id); /* RF_ENOMEM */
void files_post_sync(struct daemon_files *f, const uint8_t *id);  /* no memory: not this time */
/* daemon_files_ask.c */
void files_event(void *ctx, const struct rf_files_event *event);
void files_tell_events(struct daemon_files *f);
uint64_t files_ask_turn(struct daemon_files *f, struct rf_now now);
void files_ask_close(struct daemon_files *f);

#endif
