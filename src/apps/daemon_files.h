/*
 * daemon_files.h - files between members, in the daemon: what commands call. One rf_files, a store in HOME/files behind a thread of its own, application connections of the node.
 *
 * Everything is called in the loop's thread; the functions that are given here are called back later, never from inside, and may call all of this again. Commands of its own (docs/protocol/control.md):
 * file-share, file-fetch, file-cancel, file-forget, files.
 */
#ifndef RF_APPS_DAEMON_FILES_H
#define RF_APPS_DAEMON_FILES_H

#include "apps/daemon.h"
#include "io/filestore.h"

enum daemon_file_news {
    DAEMON_FILE_PROGRESS = 1,
    DAEMON_FILE_STALLED,   /* the disk: error, why; it goes on by itself */
    DAEMON_FILE_NO_SOURCE, /* nobody who has it is to be reached now; it is looked for again */
    DAEMON_FILE_BAD,       /* `node` gave something else and is not asked again */
    DAEMON_FILE_DONE,      /* the last one */
    DAEMON_FILE_FAILED,    /* the last one: error, why */
};
/* What is told of a file that is being shared or fetched. All that is pointed to is borrowed for the call. */
struct daemon_file_said {
    enum daemon_file_news news;
    uint8_t id[RF_FILE_ID_LEN]; /* zeros: small, or not known yet */
    const char *name;
    uint64_t bytes, size;
    size_t source_count;
    struct rf_id node;
    int error;
    const char *why;          /* a sentence, or NULL */
    const char *path;         /* fetched: where it is */
    struct rf_view reference; /* shared: what a message has to carry (files/reference.h) */
};
typedef void (*daemon_file_fn)(void *arg, const struct daemon_file_said *said);

/* daemon_files_share reads a file (absolute path) and gives its reference. small: one of up to 32 kB goes into the reference. type: a media type or "". Errors: RF_ENOMEM; all else comes by `fn`. */
int daemon_files_share(struct daemon *d, const char *path, const char *type, bool small, daemon_file_fn fn,
                       void *arg);
/*
 * daemon_files_fetch fetches what a reference speaks of, or goes on with it, from the devices of those users that are online; they are looked up now and again.
 * to     a directory or a path, absolute; looked at only when it is begun
 * names  full user names, at most DAEMON_FILE_MAX_NAMES; may be none (a small file; or daemon_files_ask later)
 * One `fn` for a file at a time: a later one takes its place, and the earlier one hears RF_ECANCELLED.
 * Errors: those of rf_file_reference_decode, RF_ELIMIT too many names, RF_ENOMEM; all else comes by `fn`.
 */
#define DAEMON_FILE_MAX_NAMES 64
int daemon_files_fetch(struct daemon *d, struct rf_view reference, const char *to, const char *const *names,
                       size_t name_count, daemon_file_fn fn, void *arg);
/* daemon_files_unhear: whoever gave this arg wants to hear no more; what it began goes on. */
void daemon_files_unhear(struct daemon *d, const void *arg);
/* daemon_files_cancel stops a fetch; what is here stays. daemon_files_forget also forgets the file: it is not served any more; a part of one is removed. Errors: RF_ENOTFOUND. */
int daemon_files_cancel(struct daemon *d, const uint8_t id[RF_FILE_ID_LEN]);
int daemon_files_forget(struct daemon *d, const uint8_t id[RF_FILE_ID_LEN]);

struct daemon_file_known {
    uint8_t id[RF_FILE_ID_LEN];
    const char *name, *type, *path;
    bool fetched; /* else it was shared here */
    struct rf_files_info info;
};
void daemon_files_each(struct daemon *d, void (*fn)(void *arg, const struct daemon_file_known *known),
                       void *arg);

int daemon_files_open(struct daemon *d);      /* after the node and control */
uint64_t daemon_files_turn(struct daemon *d); /* returns when it has something to do next (mono_us) */
void daemon_files_close(struct daemon *d);    /* before the node goes */
void daemon_files_counters(struct daemon *d,
                           void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                      uint64_t value),
                           void *arg);
/* daemon_files_commands.c */
int daemon_files_commands(struct daemon *d);

#endif
