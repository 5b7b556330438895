/* filestore_chunks.c - chunks in and out: checked, decrypted and written; read, encrypted and compared. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "io/files.h"
#include "io/filestore_internal.h"

#define SYNC_BYTES ((uint64_t)32 << 20)

static uint64_t chunk_at(const struct stored *s, uint32_t index)
{
    return (uint64_t)index << s->shape.chunk_bits;
}

/* ---- in ---- */

int fs_sync(struct rf_filestore *store, struct stored *s)
{
    char path[RF_FILESTORE_PATH_MAX];
    size_t len = rf_file_bits_len(rf_file_chunk_count(&s->shape));
    if (s->fd < 0 || memcmp(s->have, s->noted, len) == 0)
        return 0;
    if (fdatasync(s->fd) != 0 || fdatasync(s->tree_fd) != 0) {
        /* the next one would say that all is well, and the system may have dropped any of what came since the last */
        memcpy(s->have, s->noted, len);
        s->unsynced = 0;
        return fs_say(store, RF_ESYSTEM, s->part, errno);
    }
    int error = fs_path(store, s->id, ".have", path);
    if (error == 0)
        error = rf_file_write(path, rf_view_of(s->have, len), 0600);
    if (error != 0)
        return fs_say(store, error, path, error == RF_ESYSTEM ? errno : 0);
    memcpy(s->noted, s->have, len);
    s->unsynced = 0;
    return 0;
}

int rf_filestore_sync(struct rf_filestore *store, const uint8_t id[RF_FILE_ID_LEN])
{
    struct stored *s = fs_find(store, id);
    return s != NULL && !s->whole ? fs_sync(store, s) : 0;
}

/* The chunk's leaf and the nodes of its proof, where they belong in the tree. */
static int write_nodes(struct rf_filestore *store, const struct stored *s, uint32_t index,
                       const uint8_t *leaf, struct rf_view proof)
{
    size_t places[RF_FILE_MAX_DEPTH], count = rf_file_proof_at(&s->shape, index, places);
    int error =
        fs_write_at(store, s->tree_fd, s->part, leaf, RF_FILE_HASH_LEN, (uint64_t)index * RF_FILE_HASH_LEN);
    for (size_t i = 0; i < count && error == 0; i++)
        error = fs_write_at(store, s->tree_fd, s->part, proof.p + i * RF_FILE_HASH_LEN, RF_FILE_HASH_LEN,
                            places[i] * RF_FILE_HASH_LEN);
    return error;
}

static int put(struct rf_filestore *store, struct rf_files_put *job)
{
    struct stored *s = fs_find(store, job->id);
    uint8_t leaf[RF_FILE_HASH_LEN];
    struct rf_buf plain;
    if (s == NULL)
        return fs_say(store, RF_ENOTFOUND, "files", 0);
    if (s->whole || job->index >= rf_file_chunk_count(&s->shape))
        return fs_say(store, RF_EINVAL, s->path, 0);
    int error = rf_file_check(store->crypto, &s->shape, s->id, job->index, job->sealed, job->proof, leaf);
    rf_buf_fixed(&plain, store->plain, (size_t)1 << RF_FILE_MAX_BITS);
    if (error == 0)
        error = rf_file_open(store->crypto, &s->keys, job->index, job->sealed, &plain);
    if (error != 0)
        return fs_say(store, error, s->path, 0);
    error = fs_open(store, s);
    if (error == 0)
        error = fs_write_at(store, s->fd, s->part, plain.p, plain.len, chunk_at(s, job->index));
    if (error == 0)
        error = write_nodes(store, s, job->index, leaf, job->proof);
    if (error != 0)
        return error;
    rf_file_bit_set(s->have, job->index);
    s->unsynced += plain.len;
    if (s->unsynced >= SYNC_BYTES)
        error = fs_sync(store, s);
    if (error != 0)
        rf_file_bit_clear(s->have, job->index);
    return error;
}

void rf_filestore_put(struct rf_filestore *store, struct rf_files_put *job)
{
    job->error = put(store, job);
    /* what others sent is told by these numbers, what the disk says must not be taken for it */
    if (job->error != 0)
        snprintf(job->why, sizeof(job->why), "%.159s", store->why);
}

/* ---- out ---- */

static int check_unchanged(struct rf_filestore *store, const struct stored *s)
{
    struct stat st;
    if (!s->whole)
        return 0;
    if (fstat(s->fd, &st) != 0)
        return fs_say(store, RF_ESYSTEM, s->path, errno);
    if ((uint64_t)st.st_size == s->shape.size && st.st_nlink > 0 &&
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec == s->mtime_ns)
        return 0;
    snprintf(store->why, sizeof(store->why), "%.400s: it was changed since it was shared", s->path);
    return RF_EMISMATCH;
}

static int read_proof(struct rf_filestore *store, const struct stored *s, uint32_t index, uint8_t *proof,
                      size_t *len)
{
    size_t places[RF_FILE_MAX_DEPTH], count = rf_file_proof_at(&s->shape, index, places);
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = fs_read_at(store, s->tree_fd, s->path, proof + i * RF_FILE_HASH_LEN, RF_FILE_HASH_LEN,
                           places[i] * RF_FILE_HASH_LEN);
    *len = count * RF_FILE_HASH_LEN;
    return error;
}

static int get(struct rf_filestore *store, struct rf_files_get *job)
{
    struct stored *s = fs_find(store, job->id);
    uint8_t proof[RF_FILE_MAX_DEPTH * RF_FILE_HASH_LEN], wanted[RF_FILE_HASH_LEN], leaf[RF_FILE_HASH_LEN];
    size_t proof_len = 0;
    if (s == NULL)
        return fs_say(store, RF_ENOTFOUND, "files", 0);
    if (job->index >= rf_file_chunk_count(&s->shape) || (!s->whole && !rf_file_bit(s->have, job->index)))
        return fs_say(store, RF_EINVAL, s->path, 0);
    uint32_t len = rf_file_chunk_len(&s->shape, job->index);
    int error = fs_open(store, s);
    if (error == 0)
        error = check_unchanged(store, s);
    if (error == 0)
        error = fs_read_at(store, s->fd, s->path, store->plain, len, chunk_at(s, job->index));
    if (error == 0)
        error = fs_read_at(store, s->tree_fd, s->path, wanted, sizeof(wanted),
                           (uint64_t)job->index * RF_FILE_HASH_LEN);
    if (error == 0)
        error = read_proof(store, s, job->index, proof, &proof_len);
    if (error != 0)
        return error;
    rf_files_chunk_front(job->channel, job->index, rf_view_of(proof, proof_len), len + RF_AEAD_TAG_LEN,
                         &job->message);
    size_t before = job->message.len;
    error = rf_file_seal(store->crypto, &s->keys, job->index, rf_view_of(store->plain, len), &job->message);
    if (error == 0)
        error = rf_buf_error(&job->message);
    if (error == 0)
        error =
            rf_file_leaf(store->crypto, rf_view_of(job->message.p + before, job->message.len - before), leaf);
    if (error == 0 && memcmp(leaf, wanted, sizeof(leaf)) != 0) {
        snprintf(store->why, sizeof(store->why), "%.400s: it is not what was shared", s->path);
        error = RF_EMISMATCH;
    }
    return error;
}

void rf_filestore_get(struct rf_filestore *store, struct rf_files_get *job)
{
    job->error = get(store, job);
    struct stored *s = fs_find(store, job->id);
    if (job->error == 0)
        return;
    if (s != NULL && s->whole)
        fs_shut(store, s); /* there may be another one by that name next time */
}
