/* filestore_place.c - where fetched files go: names that are free, renaming that replaces nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/text.h"
#include "io/filestore_internal.h"

#define COPIES_MAX 999 /* "name (999).txt" */
#define PART_ID_LEN                                                                                          \
    16 /* of an id in the name that a file grows under: nobody finds another id that begins like that */
#define NAME_MAX_LEN 210 /* with what the other name adds (1 + 1 + 32 + 6 + 5) it must be a name, too */

int fs_place(struct rf_filestore *store, const char *to, const char *name, const uint8_t *id, char *path,
             char *part)
{
    struct stat st;
    char dir[RF_FILESTORE_PATH_MAX], hex[2 * PART_ID_LEN + 1];
    struct rf_buf buf;
    if (to[0] != '/')
        return fs_say(store, RF_EINVAL, to, 0);
    int len = snprintf(path, RF_FILESTORE_PATH_MAX, "%s", to);
    if (len < 0 || len >= RF_FILESTORE_PATH_MAX - 300)
        return fs_say(store, RF_ELIMIT, to, 0);
    if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
        snprintf(path, RF_FILESTORE_PATH_MAX, "%s%s%s", to, to[len - 1] == '/' ? "" : "/", name);
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) > 0 ? (int)(slash - path) : 1, path);
    if (slash[1] == 0 || stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return fs_say(store, RF_ENOTFOUND, dir, ENOENT);
    if (strlen(slash + 1) > NAME_MAX_LEN)
        return fs_say(store, RF_ELIMIT, path, ENAMETOOLONG);
    if (part == NULL)
        return 0;
    rf_buf_fixed(&buf, hex, sizeof(hex) - 1);
    rf_hex_put(&buf, rf_view_of(id, PART_ID_LEN));
    hex[buf.len] = 0;
    snprintf(part, RF_FILESTORE_PATH_MAX, "%.*s/.%s.%s.part", (int)(slash - path), path, slash + 1, hex);
    /* what is there is not ours: records are written before */
    int error = fs_free_path(part);
    return error != 0 ? fs_say(store, error, part, 0) : 0;
}

int fs_free_path(char *path)
{
    char front[RF_FILESTORE_PATH_MAX], back[64] = "";
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    snprintf(front, sizeof(front), "%s", path);
    char *name = strrchr(front, '/') + 1, *dot = strrchr(name, '.');
    if (dot != NULL && dot > name && strlen(dot) < sizeof(back)) {
        snprintf(back, sizeof(back), "%s", dot);
        *dot = 0;
    }
    for (int i = 2; i <= COPIES_MAX; i++) {
        int len = snprintf(path, RF_FILESTORE_PATH_MAX, "%s (%d)%s", front, i, back);
        if (len < 0 || len >= RF_FILESTORE_PATH_MAX)
            return RF_ELIMIT;
        if (lstat(path, &st) != 0)
            return 0;
    }
    return RF_EEXIST;
}

int fs_rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    /* a file system that cannot do that; links do not replace either */
    if (link(from, to) != 0)
        return errno;
    return unlink(from) == 0 ? 0 : errno;
}

void fs_sync_dir(const char *path)
{
    char dir[RF_FILESTORE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof(dir), "%.*s", slash > path ? (int)(slash - path) : 1, path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

static int write_new(struct rf_filestore *store, const char *path, struct rf_view bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? RF_EEXIST : fs_say(store, fs_error(errno), path, errno);
    int error = fs_write_at(store, fd, path, bytes.p, bytes.len, 0);
    if (error == 0 && fsync(fd) != 0)
        error = fs_say(store, RF_ESYSTEM, path, errno);
    close(fd);
    if (error != 0)
        (void)unlink(path);
    return error;
}

int rf_filestore_save_small(struct rf_filestore *store, const struct rf_file_reference *r, const char *to,
                            char *path)
{
    char name[RF_FILE_MAX_NAME + 1] = {0};
    if (!r->small)
        return fs_say(store, RF_EINVAL, "no small file", 0);
    memcpy(name, r->name.p, r->name.len);
    for (int tries = 0; tries < 10; tries++) {
        int error = fs_place(store, to, name, NULL, path, NULL);
        if (error == 0)
            error = fs_free_path(path);
        if (error == 0)
            error = write_new(store, path, r->bytes);
        if (error == 0)
            fs_sync_dir(path);
        if (error != RF_EEXIST)
            return error;
    }
    return fs_say(store, RF_EEXIST, path, 0);
}
