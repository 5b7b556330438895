/* filestore.c - the store of files: its records, what of them is open, beginning, finishing and forgetting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/text.h"
#include "io/files.h"
#include "io/filestore_internal.h"

#define VERSION     1
#define FLAG_WHOLE  1u
#define RECORD_MAX  (16 + RF_FILE_REFERENCE_LEN + 2 * RF_FILESTORE_PATH_MAX)
#define ID_TEXT_LEN (2 * RF_FILE_ID_LEN)

/* ---- errors ---- */

int fs_error(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return RF_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return RF_EFORBIDDEN;
    case ENAMETOOLONG:
        return RF_ELIMIT;
    case EEXIST:
        return RF_EEXIST;
    case ENOMEM:
        return RF_ENOMEM;
    default:
        return RF_ESYSTEM;
    }
}

int fs_say(struct rf_filestore *store, int error, const char *path, int number)
{
    snprintf(store->why, sizeof(store->why), "%.400s: %s", path,
             number != 0 ? strerror(number) : rf_error_text(error));
    return error;
}

const char *rf_filestore_why(const struct rf_filestore *store)
{
    return store->why;
}

/* ---- table ---- */

static struct rf_view stored_key(const struct rf_map_node *node)
{
    return rf_view_of(RF_CONTAINER(node, struct stored, node)->id, RF_FILE_ID_LEN);
}

struct stored *fs_find(const struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN])
{
    struct rf_map_node *node = rf_map_find(&store->files, rf_view_of(id, RF_FILE_ID_LEN));
    return node != NULL ? RF_CONTAINER(node, struct stored, node) : NULL;
}

int fs_path(const struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN], const char *what, char *out)
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, out, RF_FILESTORE_PATH_MAX);
    rf_buf_str(&buf, store->dir);
    rf_buf_u8(&buf, '/');
    rf_hex_put(&buf, rf_view_of(id, RF_FILE_ID_LEN));
    rf_buf_str(&buf, what);
    rf_buf_u8(&buf, 0);
    return rf_buf_error(&buf);
}

struct stored *fs_new(struct rf_filestore *store, const struct rf_file_reference *r, const char *path,
                      const char *part)
{
    struct stored *s = rf_zalloc(store->mem, sizeof(*s));
    if (s == NULL)
        return NULL;
    rf_list_init(&s->open);
    s->fd = s->tree_fd = -1;
    memcpy(s->id, r->id, sizeof(s->id));
    memcpy(s->secret, r->secret, sizeof(s->secret));
    s->shape = r->shape;
    memcpy(s->name, r->name.p, r->name.len);
    if (r->type.len > 0)
        memcpy(s->type, r->type.p, r->type.len);
    size_t bits = rf_file_bits_len(rf_file_chunk_count(&s->shape));
    s->path = rf_strdup(store->mem, path);
    s->part = part != NULL ? rf_strdup(store->mem, part) : NULL;
    s->have = rf_zalloc(store->mem, bits);
    s->noted = rf_zalloc(store->mem, bits);
    if (s->path == NULL || (part != NULL && s->part == NULL) || s->have == NULL || s->noted == NULL ||
        rf_file_keys(store->crypto, s->secret, &s->keys) != 0) {
        fs_free(store, s);
        return NULL;
    }
    return s;
}

void fs_free(struct rf_filestore *store, struct stored *s)
{
    fs_shut(store, s);
    rf_free(store->mem, s->path);
    rf_free(store->mem, s->part);
    rf_free(store->mem, s->have);
    rf_free(store->mem, s->noted);
    rf_free_secret(store->mem, s, sizeof(*s));
}

int fs_keep(struct rf_filestore *store, struct stored *s)
{
    int error = rf_map_insert(&store->files, &s->node);
    if (error != 0)
        fs_free(store, s);
    return error == 0 ? 0 : fs_say(store, error, "files", 0);
}

void fs_tell(const struct stored *s, struct rf_filestore_file *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->file.id, s->id, sizeof(s->id));
    memcpy(out->file.secret, s->secret, sizeof(s->secret));
    out->file.shape = s->shape;
    out->file.have = s->whole ? NULL : s->have;
    memcpy(out->name, s->name, sizeof(s->name));
    memcpy(out->type, s->type, sizeof(s->type));
    snprintf(out->path, sizeof(out->path), "%s", s->path);
    out->fetched = s->part != NULL;
    out->whole = s->whole;
}

/* ---- records ---- */

static struct rf_file_reference reference_of(const struct stored *s)
{
    struct rf_file_reference r = {
        .name = rf_view_str(s->name), .type = rf_view_str(s->type), .shape = s->shape};
    memcpy(r.id, s->id, sizeof(r.id));
    memcpy(r.secret, s->secret, sizeof(r.secret));
    return r;
}

int fs_save(struct rf_filestore *store, const struct stored *s)
{
    char path[RF_FILESTORE_PATH_MAX];
    struct rf_file_reference r = reference_of(s);
    struct rf_buf buf;
    rf_buf_init(&buf, store->mem, RECORD_MAX);
    rf_buf_u8(&buf, VERSION);
    rf_buf_u8(&buf, s->whole ? FLAG_WHOLE : 0);
    size_t mark = rf_buf_open(&buf, 2);
    rf_file_reference_encode(&r, &buf);
    rf_buf_close(&buf, mark, 2);
    rf_buf_v(&buf, 2, rf_view_str(s->path));
    rf_buf_v(&buf, 2, rf_view_str(s->part != NULL ? s->part : ""));
    rf_buf_u64(&buf, (uint64_t)s->mtime_ns);
    int error = rf_buf_error(&buf);
    if (error == 0)
        error = fs_path(store, s->id, ".file", path);
    if (error == 0)
        error = rf_file_write(path, rf_buf_view(&buf), 0600);
    if (error != 0)
        fs_say(store, error, "files", error == RF_ESYSTEM ? errno : 0);
    if (buf.p != NULL)
        rf_wipe(buf.p, buf.cap);
    rf_buf_deinit(&buf);
    return error;
}

/* A path out of a record: absolute, without NUL. */
static int take_path(struct rf_view *in, char *out)
{
    struct rf_view text;
    if (rf_view_v(in, 2, &text) != 0 || text.len >= RF_FILESTORE_PATH_MAX ||
        memchr(text.p, 0, text.len) != NULL || (text.len > 0 && text.p[0] != '/'))
        return RF_EFORMAT;
    memcpy(out, text.p, text.len);
    out[text.len] = 0;
    return 0;
}

static int decode(struct rf_filestore *store, struct rf_view in, struct stored **out)
{
    char path[RF_FILESTORE_PATH_MAX], part[RF_FILESTORE_PATH_MAX];
    struct rf_file_reference r;
    struct rf_view reference;
    uint8_t version, flags;
    uint64_t mtime;
    if (rf_view_u8(&in, &version) != 0 || version != VERSION)
        return RF_EVERSION;
    if (rf_view_u8(&in, &flags) != 0 || rf_view_v(&in, 2, &reference) != 0 ||
        rf_file_reference_decode(reference, &r) != 0 || r.small || take_path(&in, path) != 0 ||
        take_path(&in, part) != 0 || rf_view_u64(&in, &mtime) != 0 || in.len > 0 || path[0] == 0)
        return RF_EFORMAT;
    struct stored *s = fs_new(store, &r, path, part[0] != 0 ? part : NULL);
    if (s == NULL)
        return RF_ENOMEM;
    s->whole = (flags & FLAG_WHOLE) != 0;
    s->mtime_ns = (int64_t)mtime;
    *out = s;
    return 0;
}

/* What ID.have says, if it is as long as it must be and the bytes are where they were. */
static void load_have(struct rf_filestore *store, struct stored *s)
{
    char path[RF_FILESTORE_PATH_MAX];
    struct stat st;
    struct rf_buf buf;
    uint32_t count = rf_file_chunk_count(&s->shape);
    size_t len = rf_file_bits_len(count);
    rf_buf_init(&buf, store->mem, len);
    if (stat(s->part, &st) == 0 && (uint64_t)st.st_size == s->shape.size &&
        fs_path(store, s->id, ".have", path) == 0 && rf_file_read(path, len, &buf) == 0 && buf.len == len &&
        (count % 8 == 0 || (buf.p[len - 1] & (0xff >> count % 8)) == 0)) {
        memcpy(s->have, buf.p, len);
        memcpy(s->noted, buf.p, len);
    }
    rf_buf_deinit(&buf);
}

static int load_one(struct rf_filestore *store, const char *name, struct stored **out)
{
    char path[RF_FILESTORE_PATH_MAX];
    uint8_t id[RF_FILE_ID_LEN];
    struct rf_buf buf;
    rf_buf_fixed(&buf, id, sizeof(id));
    if (rf_hex_decode(rf_view_of(name, ID_TEXT_LEN), &buf) != 0)
        return RF_EFORMAT;
    rf_buf_init(&buf, store->mem, RECORD_MAX);
    int error = fs_path(store, id, ".file", path);
    if (error == 0)
        error = rf_file_read(path, RECORD_MAX, &buf);
    if (error == 0)
        error = decode(store, rf_buf_view(&buf), out);
    rf_buf_deinit(&buf);
    if (error == 0 && memcmp((*out)->id, id, sizeof(id)) != 0) {
        fs_free(store, *out);
        error = RF_EFORMAT;
    }
    if (error != 0)
        return error;
    struct stored *s = *out;
    if (s->whole && s->part != NULL && access(s->part, F_OK) == 0)
        (void)fs_rename_new(s->part, s->path); /* we were stopped just before that */
    if (!s->whole)
        load_have(store, s);
    return fs_keep(store, s);
}

int rf_filestore_load(struct rf_filestore *store,
                      void (*each)(void *ctx, const struct rf_filestore_file *file), void *ctx,
                      size_t *damaged_count)
{
    DIR *dir = opendir(store->dir);
    struct dirent *entry;
    struct rf_filestore_file file;
    int error = 0;
    *damaged_count = 0;
    if (dir == NULL)
        return fs_say(store, RF_ESYSTEM, store->dir, errno);
    while (error != RF_ENOMEM && (entry = readdir(dir)) != NULL) {
        struct stored *s;
        if (strlen(entry->d_name) != ID_TEXT_LEN + 5 || strcmp(entry->d_name + ID_TEXT_LEN, ".file") != 0)
            continue;
        error = load_one(store, entry->d_name, &s);
        *damaged_count += error != 0;
        if (error != 0)
            continue;
        fs_tell(s, &file);
        each(ctx, &file);
    }
    closedir(dir);
    rf_wipe(&file, sizeof(file));
    return error == RF_ENOMEM ? error : 0;
}

/* ---- what is open ---- */

void fs_shut(struct rf_filestore *store, struct stored *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->tree_fd >= 0)
        close(s->tree_fd);
    if (s->fd >= 0 || s->tree_fd >= 0)
        store->open_count--;
    s->fd = s->tree_fd = -1;
    rf_list_remove(&s->open);
}

static int part_lost(struct rf_filestore *store, const struct stored *s)
{
    snprintf(store->why, sizeof(store->why), "%.400s: it was removed or replaced while it was fetched",
             s->part);
    return RF_ECONFLICT; /* RF_EMISMATCH would be held against who gave a chunk */
}

/* Is what grows the one that we made? By its inode; in another life, by its size. */
static bool is_part(const struct stored *s, const struct stat *st)
{
    return S_ISREG(st->st_mode) && (uint64_t)st->st_size == s->shape.size &&
           (!s->seen || (st->st_dev == s->device && st->st_ino == s->inode));
}

static bool has_part(const struct stored *s)
{
    struct stat st;
    return lstat(s->part, &st) == 0 && is_part(s, &st);
}

static int look_at_part(struct rf_filestore *store, struct stored *s)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0)
        return fs_say(store, RF_ESYSTEM, s->part, errno);
    if (!is_part(s, &st))
        return part_lost(store, s);
    s->seen = true;
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return 0;
}

int fs_open(struct rf_filestore *store, struct stored *s)
{
    char tree[RF_FILESTORE_PATH_MAX];
    const char *path = s->whole ? s->path : s->part;
    int how = s->whole ? O_RDONLY : O_RDWR | O_NOFOLLOW;
    if (s->fd < 0) {
        if (store->open_count >= OPEN_MAX_FILES) {
            struct stored *last = RF_LIST_ENTRY(store->open.prev, struct stored, open);
            if (!last->whole)
                (void)fs_sync(store, last);
            fs_shut(store, last);
        }
        int error = fs_path(store, s->id, ".tree", tree);
        if (error != 0)
            return error;
        s->fd = open(path, how | O_CLOEXEC | O_NONBLOCK);
        if (s->fd < 0)
            return fs_say(store, fs_error(errno), path, errno);
        s->tree_fd = open(tree, how | O_CLOEXEC);
        store->open_count++;
        if (s->tree_fd < 0)
            error = fs_say(store, fs_error(errno), tree, errno);
        else if (!s->whole)
            error = look_at_part(store, s);
        if (error != 0) {
            fs_shut(store, s);
            return error;
        }
    }
    rf_list_remove(&s->open);
    rf_list_push_front(&store->open, &s->open);
    return 0;
}

int fs_write_at(struct rf_filestore *store, int fd, const char *path, const void *bytes, size_t len,
                uint64_t at)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fs_say(store, RF_ESYSTEM, path, n < 0 ? errno : ENOSPC);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int fs_read_at(struct rf_filestore *store, int fd, const char *path, void *bytes, size_t len, uint64_t at)
{
    uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = pread(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fs_say(store, RF_ESYSTEM, path, errno);
        if (n == 0)
            return fs_say(store, RF_EMISMATCH, path, 0);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- beginning, finishing, forgetting ---- */

static void forget(struct rf_filestore *store, struct stored *s)
{
    static const char *const parts[] = {".file", ".have", ".tree"};
    char path[RF_FILESTORE_PATH_MAX];
    if (!s->whole && has_part(s))
        (void)unlink(s->part);
    for (size_t i = 0; i < RF_COUNT(parts); i++)
        if (fs_path(store, s->id, parts[i], path) == 0)
            (void)unlink(path);
    rf_map_remove(&store->files, &s->node);
    fs_free(store, s);
}

/* Makes what must not be there yet. */
static int make_empty(struct rf_filestore *store, const char *path, uint64_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fs_say(store, fs_error(errno), path, errno);
    int error = ftruncate(fd, (off_t)size) != 0 ? fs_say(store, RF_ESYSTEM, path, errno) : 0;
    close(fd);
    if (error != 0)
        (void)unlink(path);
    return error;
}

/* From the beginning: nothing of it is here. */
static int make_files(struct rf_filestore *store, struct stored *s)
{
    char path[RF_FILESTORE_PATH_MAX];
    size_t bits = rf_file_bits_len(rf_file_chunk_count(&s->shape));
    fs_shut(store, s);
    s->seen = false;
    s->unsynced = 0;
    memset(s->have, 0, bits);
    memset(s->noted, 0, bits);
    int error = fs_path(store, s->id, ".have", path);
    if (error != 0)
        return error;
    (void)unlink(path);
    error = fs_path(store, s->id, ".tree", path);
    if (error != 0)
        return error;
    (void)unlink(path);
    error = make_empty(store, path, rf_file_node_count(&s->shape) * RF_FILE_HASH_LEN);
    if (error == 0)
        error = make_empty(store, s->part, s->shape.size);
    return error == 0 ? fs_open(store, s) : error;
}

static bool is_unchanged(const struct stored *s)
{
    struct stat st;
    return stat(s->path, &st) == 0 && (uint64_t)st.st_size == s->shape.size &&
           (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == s->mtime_ns;
}

/* `old`: a record of the same id, which is forgotten once it is clear where the file goes; NULL: none. */
static int begin_new(struct rf_filestore *store, const struct rf_file_reference *r, const char *to,
                     const struct stored *old)
{
    char path[RF_FILESTORE_PATH_MAX], part[RF_FILESTORE_PATH_MAX], name[RF_FILE_MAX_NAME + 1] = {0};
    memcpy(name, r->name.p, r->name.len);
    int error = fs_place(store, to, name, r->id, path, part);
    if (error != 0)
        return error;
    struct stored *s = fs_new(store, r, path, part);
    if (s == NULL)
        return fs_say(store, RF_ENOMEM, path, 0);
    if (old != NULL)
        rf_filestore_forget(store, r->id);
    error = fs_keep(store, s);
    if (error != 0)
        return error;
    error = fs_save(store,
                    s); /* before what it speaks of: whatever stops us, nothing is left that nobody knows */
    if (error == 0)
        error = make_files(store, s);
    if (error != 0)
        forget(store, s);
    return error;
}

/* What grew has gone, or is another file: that one stays, and ours grows anew beside it. */
static int begin_again(struct rf_filestore *store, struct stored *s)
{
    char part[RF_FILESTORE_PATH_MAX];
    snprintf(part, sizeof(part), "%s", s->part);
    int error = fs_free_path(part);
    char *copy = error == 0 ? rf_strdup(store->mem, part) : NULL;
    if (copy == NULL)
        return fs_say(store, error != 0 ? error : RF_ENOMEM, s->part, 0);
    rf_free(store->mem, s->part);
    s->part = copy;
    fs_shut(store, s);
    error = fs_save(store, s);
    return error == 0 ? make_files(store, s) : error;
}

static bool is_same(const struct stored *s, const struct rf_file_reference *r)
{
    return rf_view_equal_secret(rf_view_of(s->secret, sizeof(s->secret)),
                                rf_view_of(r->secret, sizeof(r->secret))) &&
           s->shape.size == r->shape.size && s->shape.chunk_bits == r->shape.chunk_bits;
}

int rf_filestore_begin(struct rf_filestore *store, const struct rf_file_reference *r, const char *to,
                       struct rf_filestore_file *out)
{
    int error = 0;
    if (r->small)
        return fs_say(store, RF_EINVAL, "a small file", 0);
    struct stored *s = fs_find(store, r->id);
    bool is_here = s != NULL && (s->whole ? is_unchanged(s) : has_part(s));
    bool some = is_here && (s->whole || rf_file_bits_count(s->have, rf_file_chunk_count(&s->shape)) > 0);
    if (s != NULL && !is_same(s, r) && some) {
        /* of a wrong reference no chunk ever gets here, so this one is wrong */
        snprintf(store->why, sizeof(store->why), "%.400s: it is fetched or here by another reference",
                 s->path);
        return RF_ECONFLICT;
    }
    if (s == NULL || !is_same(s, r) || (s->whole && !is_here))
        error = begin_new(store, r, to, s);
    else if (!is_here)
        error = begin_again(store, s);
    if (error == 0)
        fs_tell(fs_find(store, r->id), out);
    return error;
}

int rf_filestore_look(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN],
                      struct rf_filestore_file *out)
{
    const struct stored *s = fs_find(store, id);
    if (s == NULL)
        return fs_say(store, RF_ENOTFOUND, "files", 0);
    fs_tell(s, out);
    return 0;
}

/* Chooses the path, notes it, and only then gives the file its name: so whatever stops us, the record and one of both names are right. */
static int give_name(struct rf_filestore *store, struct stored *s)
{
    char path[RF_FILESTORE_PATH_MAX];
    for (int tries = 0; tries < 10; tries++) {
        snprintf(path, sizeof(path), "%s", s->path);
        int error = fs_free_path(path);
        if (error != 0)
            return fs_say(store, error, s->path, 0);
        char *copy = rf_strdup(store->mem, path);
        if (copy == NULL)
            return fs_say(store, RF_ENOMEM, path, 0);
        rf_free(store->mem, s->path);
        s->path = copy;
        error = fs_save(store, s);
        if (error != 0)
            return error;
        int number = fs_rename_new(s->part, s->path);
        if (number != EEXIST)
            return number == 0 ? 0 : fs_say(store, fs_error(number), s->path, number);
    }
    return fs_say(store, RF_EEXIST, s->path, 0);
}

int rf_filestore_finish(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN],
                        struct rf_filestore_file *out)
{
    char path[RF_FILESTORE_PATH_MAX];
    struct stored *s = fs_find(store, id);
    struct stat st;
    if (s == NULL)
        return fs_say(store, RF_ENOTFOUND, "files", 0);
    uint32_t count = rf_file_chunk_count(&s->shape);
    if (!s->whole && rf_file_bits_count(s->have, count) < count)
        return fs_say(store, RF_ENOTYET, s->path, 0);
    if (!s->whole) {
        int error = fs_open(store, s);
        if (error == 0)
            error = fs_sync(store, s);
        if (error == 0 && fstat(s->fd, &st) != 0)
            error = fs_say(store, RF_ESYSTEM, s->part, errno);
        if (error == 0 && !has_part(s))
            error = part_lost(store, s);
        if (error != 0)
            return error;
        fs_shut(store, s);
        s->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        s->whole = true;
        error = give_name(store, s);
        if (error != 0) {
            s->whole = false;
            (void)fs_save(store, s);
            return error;
        }
        fs_sync_dir(s->path);
        if (fs_path(store, id, ".have", path) == 0)
            (void)unlink(path);
    }
    fs_tell(s, out);
    return 0;
}

void rf_filestore_forget(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN])
{
    struct stored *s = fs_find(store, id);
    if (s != NULL)
        forget(store, s);
}

/* ---- life ---- */

int rf_filestore_open(struct rf_mem *mem, struct rf_crypto *crypto, const char *dir,
                      struct rf_filestore **out)
{
    static const uint64_t seed[2] = {0, 0}; /* ids are hashes with a secret in them: nobody chooses them */
    int error = rf_dir_make(dir, 0700);
    if (error != 0)
        return error;
    struct rf_filestore *store = rf_zalloc(mem, sizeof(*store));
    if (store == NULL)
        return RF_ENOMEM;
    store->mem = mem;
    store->crypto = crypto;
    rf_map_init(&store->files, mem, seed, stored_key);
    rf_list_init(&store->open);
    store->dir = rf_strdup(mem, dir);
    store->plain = rf_alloc(mem, (size_t)1 << RF_FILE_MAX_BITS);
    if (store->dir == NULL || store->plain == NULL) {
        rf_filestore_close(store);
        return RF_ENOMEM;
    }
    *out = store;
    return 0;
}

void rf_filestore_close(struct rf_filestore *store)
{
    struct rf_map_node *node;
    if (store == NULL)
        return;
    while ((node = rf_map_drain(&store->files)) != NULL) {
        struct stored *s = RF_CONTAINER(node, struct stored, node);
        if (s->fd >= 0 && !s->whole)
            (void)fs_sync(store, s);
        fs_free(store, s);
    }
    rf_map_deinit(&store->files);
    if (store->plain != NULL)
        rf_free_secret(store->mem, store->plain, (size_t)1 << RF_FILE_MAX_BITS);
    rf_free(store->mem, store->dir);
    rf_free(store->mem, store);
}
