/*
 * filestore.h - files that this computer shares, has fetched, or is fetching: where they are, and their trees. For one thread of the shell's that may wait for disks.
 *
 * The directory (0700) has for each file, by the hex of its id:
 *   ID.file  what it is (secret and path in it, 0600), replaced as a whole
 *   ID.tree  the nodes of its hash tree, one array (files/format.h); of a file that is being fetched those that came so far, where they belong
 *   ID.have  of one that is being fetched: a bit for each chunk that is durable; written after what it speaks of (at the latest every SYNC_BYTES, or with rf_filestore_sync), replaced as a whole. Whatever stops
 *            us costs what came since then
 * The bytes themselves are where the user has them: of a shared file nothing is copied. A fetched one grows beside its place as ".NAME.ID.part" (32 digits of its id) and gets its name when it is whole; nothing that is there is
 * ever replaced: "name (2).txt". If what grows is removed or replaced meanwhile, it is begun anew.
 *
 * What is read for others is compared with the tree, and size and time of the last change with those that were noted: a file that was changed gives nothing.
 */
#ifndef RF_IO_FILESTORE_H
#define RF_IO_FILESTORE_H

#include "files/files.h"

#define RF_FILESTORE_PATH_MAX 4096

struct rf_filestore; /* opaque, owned */

/* What is known of a file. */
struct rf_filestore_file {
    struct rf_files_file file; /* have: owned by the store, until the next call */
    char name[RF_FILE_MAX_NAME + 1];
    char type[RF_FILE_MAX_TYPE + 1];
    char path
        [RF_FILESTORE_PATH_MAX]; /* where it is, or will be (then it may become another one in that directory) */
    bool fetched;                /* came from others; else it was shared here */
    bool whole;
};

/*
 * rf_filestore_open makes the directory if it must. mem and crypto are borrowed; crypto is this thread's alone.
 * Errors: those of rf_dir_make, RF_ENOMEM.
 */
int rf_filestore_open(struct rf_mem *mem, struct rf_crypto *crypto, const char *dir,
                      struct rf_filestore **out);
void rf_filestore_close(struct rf_filestore *store); /* notes what is durable */
/* rf_filestore_load reads what is there; `each` for every file. Damaged ones are left out and counted. Errors: RF_ENOMEM, RF_ESYSTEM. */
int rf_filestore_load(struct rf_filestore *store,
                      void (*each)(void *ctx, const struct rf_filestore_file *file), void *ctx,
                      size_t *damaged_count);
/* rf_filestore_why is a sentence about the last error; borrowed until the next call. */
const char *rf_filestore_why(const struct rf_filestore *store);

/* ---- sharing ---- */

struct rf_filestore_import; /* a file that is being read, to be shared; owned */
/*
 * rf_filestore_import_begin opens a file. Its name is what the path ends with, cleaned. chunk_bits: RF_FILE_BITS, or what a benchmark wants.
 * small  a file of at most RF_FILE_MAX_SMALL bytes becomes a small one: its bytes in the reference, nothing kept here
 * Errors: RF_ENOTFOUND, RF_EFORBIDDEN, RF_EINVAL no regular file, a bad type or relative path, RF_ELIMIT larger than RF_FILE_MAX_SIZE, RF_ENOMEM, RF_ESYSTEM.
 */
int rf_filestore_import_begin(struct rf_filestore *store, const char *path, const char *type,
                              uint8_t chunk_bits, bool small, const uint8_t secret[RF_FILE_SECRET_LEN],
                              struct rf_filestore_import **out);
/* rf_filestore_import_step reads on, about 4 MiB. 0: done, the file is kept, and *out filled (small: not kept, only the reference). RF_EAGAIN: there is more. RF_ECONFLICT it was changed meanwhile; those of reading and writing. */
int rf_filestore_import_step(struct rf_filestore *store, struct rf_filestore_import *import,
                             struct rf_filestore_file *out);
uint64_t rf_filestore_import_done(const struct rf_filestore_import *import, uint64_t *size); /* bytes read */
/* rf_filestore_import_reference: after it is done; views are the import's. */
void rf_filestore_import_reference(const struct rf_filestore_import *import, struct rf_file_reference *out);
void rf_filestore_import_end(struct rf_filestore_import *import); /* frees; what was not done is forgotten */

/* ---- fetching ---- */

/*
 * rf_filestore_begin prepares to fetch a file, or goes on with one that was begun (then `to` is not looked at). One that was begun with another secret or size, and of which nothing came, is forgotten: that reference was wrong.
 * to    where to: a directory, or a path with another name; absolute
 * *out  what is there now; whole: there is nothing left to fetch
 * Errors: RF_EINVAL a small one or a relative path, RF_ECONFLICT some of it is here by a reference with another secret or size, RF_ENOTFOUND no such directory, RF_EFORBIDDEN, RF_ENOMEM, RF_ESYSTEM.
 */
int rf_filestore_begin(struct rf_filestore *store, const struct rf_file_reference *reference, const char *to,
                       struct rf_filestore_file *out);
/* rf_filestore_look: what is there now. Errors: RF_ENOTFOUND; after a begin that failed also for one that was there. */
int rf_filestore_look(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN],
                      struct rf_filestore_file *out);
/* rf_filestore_put, _get do the jobs of files/files.h; their results stand in the jobs. */
void rf_filestore_put(struct rf_filestore *store, struct rf_files_put *job);
void rf_filestore_get(struct rf_filestore *store, struct rf_files_get *job);
/* rf_filestore_sync makes durable what came, and notes it. Errors: RF_ESYSTEM: what came since the last time is not here any more. */
int rf_filestore_sync(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN]);
/* rf_filestore_finish: all chunks are there: the file gets its name, which is then in `out`. Errors: RF_ENOTFOUND, RF_ENOTYET a chunk is missing, RF_ECONFLICT what grew is not there any more (to be begun again), RF_EFORBIDDEN, RF_ESYSTEM. */
int rf_filestore_finish(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN],
                        struct rf_filestore_file *out);
/* rf_filestore_forget: what we know of it, and what there is of it if it is not whole. A whole file stays where it is. Unknown: nothing. */
void rf_filestore_forget(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN]);
/* rf_filestore_save_small writes a small file to a directory or path, as above. path: RF_FILESTORE_PATH_MAX bytes, where it went. */
int rf_filestore_save_small(struct rf_filestore *store, const struct rf_file_reference *reference,
                            const char *to, char *path);

#endif
