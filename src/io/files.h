/* files.h - whole small files, directories and the lock that keeps two daemons off one home. */
#ifndef RF_IO_FILES_H
#define RF_IO_FILES_H

#include "base/buf.h"

/*
 * rf_file_read appends a regular file's bytes to `out`.
 * max_len  more bytes than that are RF_ELIMIT
 * Errors: RF_ENOTFOUND, RF_EFORBIDDEN, RF_ELIMIT, RF_EINVAL not a regular file, RF_ENOMEM, RF_ESYSTEM (errno tells).
 */
int rf_file_read(const char *path, size_t max_len, struct rf_buf *out);
/*
 * rf_file_read_secret is rf_file_read of a file with secrets: it must be this user's and nobody else's to read or write, and no link.
 * why  on error the reason for a person, borrowed until the thread's next strerror
 * Errors: besides, RF_EFORBIDDEN also for a file that others have rights on, or that is another user's.
 */
int rf_file_read_secret(const char *path, size_t max_len, struct rf_buf *out, const char **why);
/*
 * rf_file_write replaces the file at once and durably: a new file beside it, fsync, rename, fsync of the directory. Whoever reads sees
 * the old or the new bytes, also after a crash.
 * mode  permissions, e.g. 0600; the umask does not apply
 * Errors: RF_ENOTFOUND no such directory, RF_EFORBIDDEN, RF_ELIMIT the path is too long, RF_ESYSTEM (errno tells).
 */
int rf_file_write(const char *path, struct rf_view bytes, unsigned mode);
/* rf_dir_make makes a directory and its missing parents; what exists is left as it is. Errors: RF_EFORBIDDEN, RF_EEXIST something that is
 * no directory, RF_ELIMIT, RF_ESYSTEM. */
int rf_dir_make(const char *path, unsigned mode);

/* rf_file_why is the text of an error that a function above has just returned: the system's own where it refused ("No space left on
 * device", "Read-only file system"), else rf_error_text. Borrowed, until the thread's next strerror. */
const char *rf_file_why(int error);

/* A lock file, held while the process lives (flock); it holds the owner's process ID as text. */
struct rf_lock {
    int fd;
    long owner; /* after RF_EBUSY: who holds it, 0 unknown */
};
/* rf_lock_take takes the lock without waiting. Errors: RF_EBUSY, RF_ENOTFOUND, RF_EFORBIDDEN, RF_ESYSTEM. */
int rf_lock_take(const char *path, struct rf_lock *out);
void rf_lock_release(struct rf_lock *lock); /* the file stays */

#endif
