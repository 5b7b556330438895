/* filestore_import.c - reading a file that is to be shared: its tree, its id. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "io/files.h"
#include "io/filestore_internal.h"

#define STEP_BYTES ((uint64_t)4 << 20)

struct rf_filestore_import {
    struct rf_filestore *store;
    int fd;
    char *path; /* owned */
    char name[RF_FILE_MAX_NAME + 1];
    size_t name_len;
    char type[RF_FILE_MAX_TYPE + 1];
    struct rf_file_shape shape;
    int64_t mtime_ns;
    bool small;
    uint8_t id[RF_FILE_ID_LEN], secret[RF_FILE_SECRET_LEN];
    struct rf_file_keys keys;
    uint32_t next;
    uint8_t *nodes;       /* owned; of a small one its bytes */
    struct rf_buf sealed; /* scratch */
};

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int open_file(struct rf_filestore *store, struct rf_filestore_import *im)
{
    struct stat st;
    im->fd = open(im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not keep us */
    if (im->fd < 0)
        return fs_say(store, fs_error(errno), im->path, errno);
    if (fstat(im->fd, &st) != 0)
        return fs_say(store, RF_ESYSTEM, im->path, errno);
    if (!S_ISREG(st.st_mode)) {
        snprintf(store->why, sizeof(store->why), "%.400s: no regular file", im->path);
        return RF_EINVAL;
    }
    if ((uint64_t)st.st_size > RF_FILE_MAX_SIZE) {
        snprintf(store->why, sizeof(store->why), "%.400s: larger than 2 GiB", im->path);
        return RF_ELIMIT;
    }
    im->shape.size = (uint64_t)st.st_size;
    im->mtime_ns = mtime_of(&st);
    return 0;
}

static void name_it(struct rf_filestore_import *im)
{
    const char *slash = strrchr(im->path, '/');
    struct rf_buf buf;
    rf_buf_fixed(&buf, im->name, sizeof(im->name) - 1);
    rf_file_name_clean(rf_view_str(slash + 1), &buf);
    im->name_len = buf.len;
}

int rf_filestore_import_begin(struct rf_filestore *store, const char *path, const char *type,
                              uint8_t chunk_bits, bool small, const uint8_t secret[RF_FILE_SECRET_LEN],
                              struct rf_filestore_import **out)
{
    if (path[0] != '/' || !rf_file_type_valid(rf_view_str(type)))
        return fs_say(store, RF_EINVAL, path, 0);
    struct rf_filestore_import *im = rf_zalloc(store->mem, sizeof(*im));
    if (im == NULL)
        return fs_say(store, RF_ENOMEM, path, 0);
    im->store = store;
    im->fd = -1;
    rf_buf_init(&im->sealed, store->mem, ((size_t)1 << RF_FILE_MAX_BITS) + RF_AEAD_TAG_LEN);
    memcpy(im->secret, secret, sizeof(im->secret));
    snprintf(im->type, sizeof(im->type), "%s", type);
    im->path = rf_strdup(store->mem, path);
    int error = im->path == NULL ? RF_ENOMEM : open_file(store, im);
    if (error == 0) {
        im->shape.chunk_bits = chunk_bits;
        im->small = im->shape.size == 0 || (small && im->shape.size <= RF_FILE_MAX_SMALL);
        name_it(im);
        size_t len = im->small ? im->shape.size + 1 : rf_file_node_count(&im->shape) * RF_FILE_HASH_LEN;
        im->nodes = rf_alloc(store->mem, len);
        error = im->nodes == NULL ? fs_say(store, RF_ENOMEM, path, 0)
                                  : rf_file_keys(store->crypto, im->secret, &im->keys);
    }
    if (error != 0)
        rf_filestore_import_end(im);
    else
        *out = im;
    return error;
}

uint64_t rf_filestore_import_done(const struct rf_filestore_import *im, uint64_t *size)
{
    uint64_t done = (uint64_t)im->next << im->shape.chunk_bits;
    *size = im->shape.size;
    return done < im->shape.size ? done : im->shape.size;
}

void rf_filestore_import_reference(const struct rf_filestore_import *im, struct rf_file_reference *out)
{
    *out = (struct rf_file_reference){.small = im->small,
                                      .name = rf_view_of(im->name, im->name_len),
                                      .type = rf_view_str(im->type),
                                      .shape = im->shape};
    memcpy(out->id, im->id, sizeof(out->id));
    memcpy(out->secret, im->secret, sizeof(out->secret));
    if (im->small)
        out->bytes = rf_view_of(im->nodes, im->shape.size);
}

static int read_chunk(struct rf_filestore_import *im)
{
    struct rf_filestore *store = im->store;
    uint32_t len = rf_file_chunk_len(&im->shape, im->next);
    int error =
        fs_read_at(store, im->fd, im->path, store->plain, len, (uint64_t)im->next << im->shape.chunk_bits);
    rf_buf_reset(&im->sealed);
    if (error == 0)
        error = rf_file_seal(store->crypto, &im->keys, im->next, rf_view_of(store->plain, len), &im->sealed);
    if (error == 0)
        error = rf_file_leaf(store->crypto, rf_buf_view(&im->sealed),
                             im->nodes + (size_t)im->next * RF_FILE_HASH_LEN);
    im->next++;
    return error;
}

static int changed(struct rf_filestore_import *im)
{
    snprintf(im->store->why, sizeof(im->store->why), "%.400s: it was changed while it was read", im->path);
    return RF_ECONFLICT;
}

static int keep(struct rf_filestore_import *im, struct rf_filestore_file *out)
{
    struct rf_filestore *store = im->store;
    struct rf_file_reference r;
    char path[RF_FILESTORE_PATH_MAX];
    size_t nodes = rf_file_node_count(&im->shape);
    int error = rf_file_build(store->crypto, &im->shape, im->nodes);
    if (error == 0)
        error = rf_file_id(store->crypto, &im->shape, im->nodes + (nodes - 1) * RF_FILE_HASH_LEN, im->id);
    if (error == 0)
        error = fs_path(store, im->id, ".tree", path);
    if (error == 0)
        error = rf_file_write(path, rf_view_of(im->nodes, nodes * RF_FILE_HASH_LEN), 0600);
    if (error != 0)
        return fs_say(store, error, path, error == RF_ESYSTEM ? errno : 0);
    rf_filestore_import_reference(im, &r);
    struct stored *s = fs_new(store, &r, im->path, NULL);
    if (s == NULL)
        return fs_say(store, RF_ENOMEM, im->path, 0);
    s->whole = true;
    s->mtime_ns = im->mtime_ns;
    error = fs_save(store, s);
    if (error != 0) {
        fs_free(store, s);
        (void)unlink(path);
        return error;
    }
    error = fs_keep(store, s);
    if (error == 0)
        fs_tell(fs_find(store, im->id), out);
    return error;
}

int rf_filestore_import_step(struct rf_filestore *store, struct rf_filestore_import *im,
                             struct rf_filestore_file *out)
{
    struct stat st;
    int error = 0;
    uint64_t until = (uint64_t)im->next * (UINT64_C(1) << im->shape.chunk_bits) + STEP_BYTES;
    if (im->small) {
        error = fs_read_at(store, im->fd, im->path, im->nodes, im->shape.size, 0);
    } else {
        uint32_t count = rf_file_chunk_count(&im->shape);
        while (error == 0 && im->next < count && (uint64_t)im->next << im->shape.chunk_bits < until)
            error = read_chunk(im);
        if (error == 0 && im->next < count)
            return RF_EAGAIN;
    }
    if (error == RF_EMISMATCH) /* it ended early */
        return changed(im);
    if (error != 0)
        return error;
    if (fstat(im->fd, &st) != 0 || (uint64_t)st.st_size != im->shape.size || mtime_of(&st) != im->mtime_ns)
        return changed(im);
    return im->small ? 0 : keep(im, out);
}

void rf_filestore_import_end(struct rf_filestore_import *im)
{
    if (im == NULL)
        return;
    struct rf_mem *mem = im->store->mem;
    if (im->fd >= 0)
        close(im->fd);
    rf_buf_deinit(&im->sealed);
    rf_free(mem, im->nodes);
    rf_free(mem, im->path);
    rf_free_secret(mem, im, sizeof(*im));
}
