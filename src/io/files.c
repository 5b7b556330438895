/* files.c - whole small files, directories, the lock file. */
#include "io/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"

static int error_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return RF_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return RF_EFORBIDDEN;
    case ENAMETOOLONG:
        return RF_ELIMIT;
    case ENOMEM:
        return RF_ENOMEM;
    default:
        return RF_ESYSTEM;
    }
}

const char *rf_file_why(int error)
{
    return error != 0 && error == error_of_errno() ? strerror(errno) : rf_error_text(error);
}

static void close_keep_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

/* ---- reading ---- */

static int read_all(int fd, size_t max_len, struct rf_buf *out)
{
    const size_t before = out->len;
    uint8_t chunk[8192];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of_errno();
        if (n == 0)
            return rf_buf_error(out);
        if (out->len - before + (size_t)n > max_len)
            return RF_ELIMIT;
        rf_buf_put(out, chunk, (size_t)n);
        rf_wipe(chunk, sizeof chunk); /* keys pass through here */
        if (rf_buf_error(out))
            return rf_buf_error(out);
    }
}

static int read_open(int fd, size_t max_len, struct rf_buf *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_of_errno();
    return S_ISREG(st.st_mode) ? read_all(fd, max_len, out) : RF_EINVAL;
}

int rf_file_read(const char *path, size_t max_len, struct rf_buf *out)
{
    int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return error_of_errno();
    err = read_open(fd, max_len, out);
    close_keep_errno(fd);
    return err;
}

int rf_file_read_secret(const char *path, size_t max_len, struct rf_buf *out, const char **why)
{
    struct stat st;
    int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);

    *why = NULL;
    if (fd < 0) {
        err = error_of_errno();
        *why =
            errno == ELOOP ? "it is a link, and a secret must stand in a file of its own" : rf_file_why(err);
        return err;
    }
    if (fstat(fd, &st) == 0 && st.st_uid != geteuid()) {
        err = RF_EFORBIDDEN;
        *why = "it belongs to another user";
    } else if (fstat(fd, &st) == 0 && (st.st_mode & 077) != 0) {
        err = RF_EFORBIDDEN;
        *why = "others than its owner have rights on it: chmod 600, and take it for known";
    } else {
        err = read_open(fd, max_len, out);
    }
    close_keep_errno(fd);
    if (err != 0 && *why == NULL)
        *why = rf_file_why(err);
    return err;
}

/* ---- writing ---- */

static int write_all(int fd, struct rf_view bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.p, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of_errno();
        bytes.p += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

static int sync_parent(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    int fd, err = 0;

    if (!slash) {
        strcpy(dir, ".");
    } else {
        memcpy(dir, path, len + 1);
        dir[len > 0 ? len : 1] = '\0';
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_of_errno();
    if (fsync(fd) < 0)
        err = error_of_errno();
    close_keep_errno(fd);
    return err;
}

int rf_file_write(const char *path, struct rf_view bytes, unsigned mode)
{
    char temp[PATH_MAX];
    int err, fd;

    if (snprintf(temp, sizeof temp, "%s.XXXXXX", path) >= (int)sizeof temp)
        return RF_ELIMIT;
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return error_of_errno();
    err = write_all(fd, bytes);
    if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        err = error_of_errno();
    close_keep_errno(fd);
    if (!err && rename(temp, path) < 0)
        err = error_of_errno();
    if (err) {
        int saved = errno;
        unlink(temp);
        errno = saved;
        return err;
    }
    return sync_parent(path);
}

/* ---- directories ---- */

static int make_one(const char *path, unsigned mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return error_of_errno();
    if (stat(path, &st) < 0)
        return error_of_errno();
    return S_ISDIR(st.st_mode) ? 0 : RF_EEXIST;
}

int rf_dir_make(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    int err;

    if (len == 0 || len >= sizeof part)
        return RF_ELIMIT;
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        err = make_one(part, mode);
        if (err)
            return err;
    }
    return make_one(path, mode);
}

/* ---- the lock ---- */

static long read_owner(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int rf_lock_take(const char *path, struct rf_lock *out)
{
    char text[32];
    int err, len, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    *out = (struct rf_lock){.fd = -1};
    if (fd < 0)
        return error_of_errno();
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        err = errno == EWOULDBLOCK ? RF_EBUSY : error_of_errno();
        out->owner = read_owner(fd);
        close_keep_errno(fd);
        return err;
    }
    len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        err = error_of_errno();
        close_keep_errno(fd);
        return err;
    }
    out->fd = fd;
    return 0;
}

void rf_lock_release(struct rf_lock *lock)
{
    if (lock->fd < 0)
        return;
    close(lock->fd);
    lock->fd = -1;
}
