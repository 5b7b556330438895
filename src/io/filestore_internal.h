/* filestore_internal.h - what the files of the store of files share. */
#ifndef RF_IO_FILESTORE_INTERNAL_H
#define RF_IO_FILESTORE_INTERNAL_H

#include <sys/types.h>
#include "base/list.h"
#include "base/map.h"
#include "io/filestore.h"

#define OPEN_MAX_FILES 16

struct stored {
    struct rf_map_node node;
    struct rf_list open; /* in store->open while it has descriptors */
    uint8_t id[RF_FILE_ID_LEN], secret[RF_FILE_SECRET_LEN];
    struct rf_file_shape shape;
    struct rf_file_keys keys;
    char name[RF_FILE_MAX_NAME + 1];
    char type[RF_FILE_MAX_TYPE + 1];
    char *path, *part; /* owned; part: where it grows, or grew; NULL: it was shared */
    bool whole;
    int64_t mtime_ns; /* of a whole one */
    uint8_t *have;    /* owned; of one that is not whole */
    uint8_t *noted;   /* owned; what ID.have says */
    uint64_t unsynced;
    int fd, tree_fd; /* -1: not open */
    bool seen;       /* `part` was opened or made; it was: */
    dev_t device;
    ino_t inode;
};

struct rf_filestore {
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    char *dir;
    struct rf_map files;
    struct rf_list open; /* used last in front */
    size_t open_count;
    uint8_t *plain; /* a chunk */
    char why[600];
};

/* fs_say notes a sentence and gives `error` back; number: errno, 0 none. */
int fs_say(struct rf_filestore *store, int error, const char *path, int number);
int fs_error(int number); /* of errno */
struct stored *fs_find(const struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN]);
/* fs_path writes DIR/ID.what. Errors: RF_ELIMIT. */
int fs_path(const struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN], const char *what, char *out);
void fs_tell(const struct stored *s, struct rf_filestore_file *out);
/* fs_keep takes a new one into the table; taken in any case. */
int fs_keep(struct rf_filestore *store, struct stored *s);
int fs_save(struct rf_filestore *store, const struct stored *s); /* ID.file */
struct stored *fs_new(struct rf_filestore *store, const struct rf_file_reference *reference, const char *path,
                      const char *part);
void fs_free(struct rf_filestore *store, struct stored *s);
/* fs_open opens bytes and tree. Errors: RF_ENOTFOUND, RF_EFORBIDDEN, RF_ECONFLICT what grew is another file now, RF_ESYSTEM. */
int fs_open(struct rf_filestore *store, struct stored *s);
void fs_shut(struct rf_filestore *store, struct stored *s);
/* Both: all bytes, or an error with its sentence. */
int fs_write_at(struct rf_filestore *store, int fd, const char *path, const void *bytes, size_t len,
                uint64_t at);
int fs_read_at(struct rf_filestore *store, int fd, const char *path, void *bytes, size_t len, uint64_t at);
/* fs_sync: filestore_chunks.c. */
int fs_sync(struct rf_filestore *store, struct stored *s);
/* filestore_place.c: where files go. fs_place finds the path that `to` means for a name, and the path to grow at, where nothing is yet (part may be NULL). */
int fs_place(struct rf_filestore *store, const char *to, const char *name, const uint8_t *id, char *path,
             char *part);
/* fs_free_path makes `path` one that does not exist yet: "name (2).txt". Errors: RF_EEXIST there are too many. */
int fs_free_path(char *path);
int fs_rename_new(const char *from, const char *to); /* 0 or errno; never replaces */
void fs_sync_dir(const char *path);                  /* of the directory it is in */

#endif
