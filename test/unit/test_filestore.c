/* test_filestore.c - the store of files on a real directory: what was shared comes out right at another one, whatever stops it in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/rng.h"
#include "crypto/openssl/openssl.h"
#include "io/filestore.h"

#define BITS 14
#define SIZE ((size_t)10 * 16384 + 77)

static struct {
    char dir[64], from[128], to[128], path[160], other[160];
    struct rf_crypto *crypto;
    struct rf_filestore *giver, *taker;
    struct rf_rng_seeded rng;
    uint8_t *bytes;
} t;

static bool disk_loses; /* the next write-back fails, as with a bad disk: once */

/* Stands before the library's. */
int fdatasync(int fd)
{
    if (disk_loses) {
        disk_loses = false;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(t.dir, sizeof(t.dir), "/tmp/rf-filestore-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.from, sizeof(t.from), "%s/giver", t.dir);
    snprintf(t.to, sizeof(t.to), "%s/taker", t.dir);
    snprintf(t.path, sizeof(t.path), "%s/some file.bin", t.dir);
    snprintf(t.other, sizeof(t.other), "%s/downloads", t.dir);
    assert_int_equal(mkdir(t.other, 0700), 0);
    t.crypto = rf_crypto_openssl_new(rf_mem_system());
    rf_rng_seeded_init(&t.rng, 7);
    assert_int_equal(rf_filestore_open(rf_mem_system(), t.crypto, t.from, &t.giver), 0);
    assert_int_equal(rf_filestore_open(rf_mem_system(), t.crypto, t.to, &t.taker), 0);
    t.bytes = malloc(SIZE);
    rf_rng_fill(&t.rng.rng, t.bytes, SIZE);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    rf_filestore_close(t.giver);
    rf_filestore_close(t.taker);
    rf_crypto_openssl_free(t.crypto);
    free(t.bytes);
    snprintf(command, sizeof(command), "rm -r '%s'", t.dir);
    return system(command);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static bool file_is(const char *path, const void *bytes, size_t len)
{
    uint8_t *got = malloc(len + 1);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    bool same = fread(got, 1, len + 1, f) == len && memcmp(got, bytes, len) == 0;
    fclose(f);
    free(got);
    return same;
}

static int import(const char *path, bool small, struct rf_filestore_import **im,
                  struct rf_filestore_file *out)
{
    uint8_t secret[32];
    rf_rng_fill(&t.rng.rng, secret, sizeof(secret));
    int error = rf_filestore_import_begin(t.giver, path, "application/x-thing", BITS, small, secret, im);
    while (error == 0 && (error = rf_filestore_import_step(t.giver, *im, out)) == RF_EAGAIN)
        error = 0;
    return error;
}

/* Shares t.bytes; the reference's views are static. */
static void share(struct rf_file_reference *r)
{
    static char name[64], type[64];
    struct rf_filestore_import *im;
    struct rf_filestore_file file;
    write_file(t.path, t.bytes, SIZE);
    assert_int_equal(import(t.path, false, &im, &file), 0);
    rf_filestore_import_reference(im, r);
    snprintf(name, sizeof(name), "%.*s", (int)r->name.len, (const char *)r->name.p);
    snprintf(type, sizeof(type), "%.*s", (int)r->type.len, (const char *)r->type.p);
    r->name = rf_view_str(name);
    r->type = rf_view_str(type);
    rf_filestore_import_end(im);
    assert_true(file.whole && !file.fetched);
    assert_string_equal(file.path, t.path);
    assert_string_equal(file.name, "some file.bin");
}

static int get(struct rf_filestore *store, const uint8_t *id, uint32_t index, struct rf_files_get *job)
{
    memset(job, 0, sizeof(*job));
    memcpy(job->id, id, 32);
    job->index = index;
    rf_buf_init(&job->message, rf_mem_system(), 100000);
    rf_filestore_get(store, job);
    return job->error;
}

/* One chunk from one store to the other; flip: a bit of it. */
static int carry(const uint8_t *id, uint32_t index, bool flip)
{
    struct rf_files_get out;
    struct rf_files_put in = {.index = index};
    struct rf_file_message m;
    assert_int_equal(get(t.giver, id, index, &out), 0);
    struct rf_view bytes = rf_buf_view(&out.message);
    assert_int_equal(rf_file_message_next(&bytes, &m), 0);
    assert_true(m.type == RF_FILE_CHUNK && m.first == index && bytes.len == 0);
    if (flip)
        out.message.p[out.message.len - 1] ^= 1;
    memcpy(in.id, id, 32);
    in.proof = m.proof;
    in.sealed = m.sealed;
    rf_filestore_put(t.taker, &in);
    rf_buf_deinit(&out.message);
    return in.error;
}

static void again(struct rf_filestore **store, const char *dir, bool politely)
{
    if (politely) /* else the caller has it still, as if it had been killed */
        rf_filestore_close(*store);
    assert_int_equal(rf_filestore_open(rf_mem_system(), t.crypto, dir, store), 0);
}

static void seen(void *ctx, const struct rf_filestore_file *file)
{
    struct rf_filestore_file *out = ctx;
    static uint8_t have[64];
    assert_int_equal(out->path[0], 0);
    *out = *file;
    if (file->file.have != NULL) {
        memcpy(have, file->file.have, rf_file_bits_len(rf_file_chunk_count(&file->file.shape)));
        out->file.have = have;
    }
}

static struct rf_filestore_file load(struct rf_filestore *store)
{
    struct rf_filestore_file file = {0};
    size_t damaged;
    assert_int_equal(rf_filestore_load(store, seen, &file, &damaged), 0);
    assert_int_equal(damaged, 0);
    return file;
}

static void test_whole_way(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    char path[300];
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_true(!file.whole && file.fetched);
    assert_int_equal(carry(r.id, 4, true), RF_EMISMATCH);
    for (uint32_t i = 0; i < 11; i++) {
        assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), RF_ENOTYET);
        assert_int_equal(carry(r.id, 10 - i, false), 0);
    }
    snprintf(path, sizeof(path), "%s/some file.bin", t.other);
    write_file(path, "mine", 4); /* is there already, and stays */
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file.whole && file_is(path, "mine", 4));
    snprintf(path, sizeof(path), "%s/some file (2).bin", t.other);
    assert_string_equal(file.path, path);
    assert_true(file_is(path, t.bytes, SIZE));
    /* and is given on, also after another start */
    again(&t.taker, t.to, true);
    file = load(t.taker);
    assert_true(file.whole && file.fetched);
    assert_string_equal(file.type, "application/x-thing");
    struct rf_files_get out;
    assert_int_equal(get(t.taker, r.id, 3, &out), 0);
    rf_buf_deinit(&out.message);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_true(file.whole);
    unlink(path); /* the user does not want it any more; asks for it again */
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_false(file.whole);
    assert_int_equal(rf_file_bits_count(file.file.have, 11), 0);
}

static void test_goes_on(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    struct rf_filestore *killed;
    struct rf_files_get out;
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(carry(r.id, 2 * i, false), 0);
    assert_int_equal(rf_filestore_sync(t.taker, r.id), 0);
    assert_int_equal(carry(r.id, 1, false), 0); /* not noted: to be fetched again */
    killed = t.taker;
    again(&t.taker, t.to, false);
    file = load(t.taker);
    assert_false(file.whole);
    assert_int_equal(rf_file_bits_count(file.file.have, 11), 4);
    assert_true(rf_file_bit(file.file.have, 6) && !rf_file_bit(file.file.have, 1));
    assert_int_equal(get(t.taker, r.id, 6, &out), 0); /* a part is given on, too */
    rf_buf_deinit(&out.message);
    assert_int_equal(get(t.taker, r.id, 1, &out), RF_EINVAL);
    rf_buf_deinit(&out.message);
    assert_int_equal(rf_filestore_begin(t.taker, &r, "/nowhere", &file), 0);
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    rf_filestore_close(killed);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file_is(file.path, t.bytes, SIZE));
}

static void find_part(char *part)
{
    char command[400];
    snprintf(command, sizeof(command), "ls -A '%s' | grep '[.]part$'", t.other);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t len = (size_t)snprintf(part, 300, "%s/", t.other);
    assert_non_null(fgets(part + len, 300 - (int)len, f));
    part[strcspn(part, "\n")] = 0;
    pclose(f);
}

/* Stopped between the record and the new name. */
static void test_stopped_at_the_end(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    char part[300], hidden[RF_FILESTORE_PATH_MAX];
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    find_part(part);
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    snprintf(hidden, sizeof(hidden), "%s", file.path);
    assert_int_equal(rename(hidden, part), 0);
    again(&t.taker, t.to, true);
    file = load(t.taker);
    assert_true(file.whole && file_is(hidden, t.bytes, SIZE));
}

static void test_changed(void **state)
{
    struct rf_file_reference r;
    struct rf_files_get out;
    (void)state;
    share(&r);
    assert_int_equal(get(t.giver, r.id, 0, &out), 0);
    rf_buf_deinit(&out.message);
    t.bytes[5] ^= 1;
    write_file(t.path, t.bytes, SIZE);
    assert_int_equal(get(t.giver, r.id, 0, &out), RF_EMISMATCH);
    assert_true(out.message.len == 0 && strstr(rf_filestore_why(t.giver), "changed") != NULL);
    rf_buf_deinit(&out.message);
    /* the same length and time: the tree tells it, and no byte of it leaves under the old nonce */
    struct rf_filestore_file file = {0};
    again(&t.giver, t.from, true);
    file = load(t.giver);
    assert_true(file.whole);
    unlink(t.path);
    assert_int_equal(get(t.giver, r.id, 0, &out), RF_ENOTFOUND);
    rf_buf_deinit(&out.message);
}

static void test_changed_unseen(void **state)
{
    struct rf_file_reference r;
    struct rf_files_get out;
    struct stat st;
    (void)state;
    share(&r);
    assert_int_equal(stat(t.path, &st), 0);
    int fd = open(t.path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 20000), 1);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    assert_int_equal(get(t.giver, r.id, 0, &out), 0);
    rf_buf_deinit(&out.message);
    assert_int_equal(get(t.giver, r.id, 1, &out), RF_EMISMATCH);
    rf_buf_deinit(&out.message);
}

static void test_imports(void **state)
{
    struct rf_filestore_import *im = NULL;
    struct rf_filestore_file file;
    struct rf_file_reference r;
    char path[RF_FILESTORE_PATH_MAX];
    (void)state;
    assert_int_equal(import("relative", false, &im, &file), RF_EINVAL);
    assert_int_equal(import("/nonexistent/x", false, &im, &file), RF_ENOTFOUND);
    assert_int_equal(import(t.dir, false, &im, &file), RF_EINVAL);
    snprintf(path, sizeof(path), "%s/pipe", t.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(import(path, false, &im, &file), RF_EINVAL);
    snprintf(path, sizeof(path), "%s/huge", t.dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(fd, (off_t)(RF_FILE_MAX_SIZE + 1)), 0);
    close(fd);
    assert_int_equal(import(path, false, &im, &file), RF_ELIMIT);
    /* small ones */
    snprintf(path, sizeof(path), "%s/a\nb.txt", t.dir);
    write_file(path, "hello", 5);
    assert_int_equal(import(path, true, &im, &file), 0);
    rf_filestore_import_reference(im, &r);
    assert_true(r.small && rf_view_equal(r.bytes, rf_view_str("hello")) &&
                rf_view_equal(r.name, rf_view_str("a_b.txt")));
    char where[RF_FILESTORE_PATH_MAX];
    assert_int_equal(rf_filestore_save_small(t.taker, &r, t.other, where), 0);
    assert_true(file_is(where, "hello", 5));
    assert_int_equal(rf_filestore_save_small(t.taker, &r, t.other, where), 0);
    assert_non_null(strstr(where, "a_b (2).txt"));
    assert_int_equal(rf_filestore_save_small(t.taker, &r, "/nonexistent/x/y", where), RF_ENOTFOUND);
    rf_filestore_import_end(im);
    /* an empty one is small in any case */
    write_file(path, "", 0);
    assert_int_equal(import(path, false, &im, &file), 0);
    rf_filestore_import_reference(im, &r);
    assert_true(r.small && r.bytes.len == 0);
    rf_filestore_import_end(im);
    /* one that changes while it is read: 5 MiB, of which a step reads 4 */
    uint8_t secret[32] = {0};
    fd = open(path, O_WRONLY);
    assert_int_equal(ftruncate(fd, 5 << 20), 0);
    assert_int_equal(rf_filestore_import_begin(t.giver, path, "", BITS, true, secret, &im), 0);
    assert_int_equal(rf_filestore_import_step(t.giver, im, &file), RF_EAGAIN);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    close(fd);
    assert_int_equal(rf_filestore_import_step(t.giver, im, &file), RF_ECONFLICT);
    rf_filestore_import_end(im);
}

/* No room: the sentence says so, and with room it goes on. The limit stands in for a full disk. */
static void test_no_room(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    struct rlimit before, low;
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(carry(r.id, 1, false), 0);
    int error = carry(r.id, 9, false);
    const char *why = rf_filestore_why(t.taker);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, RF_ESYSTEM);
    assert_non_null(strstr(why, "some file.bin"));
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file_is(file.path, t.bytes, SIZE));
}

static void test_forget_and_damage(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    char path[300];
    size_t damaged;
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_int_equal(carry(r.id, 0, false), 0);
    rf_filestore_forget(t.taker, r.id);
    assert_int_equal(rmdir(t.other), 0); /* nothing is left there */
    assert_int_equal(mkdir(t.other, 0700), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), RF_ENOTFOUND);
    for (size_t i = 0; i < 32; i++)
        snprintf(path + 2 * i, 3, "%02x", r.id[i]);
    char record[RF_FILESTORE_PATH_MAX];
    snprintf(record, sizeof(record), "%s/%s.file", t.from, path);
    write_file(record, "nonsense", 8);
    again(&t.giver, t.from, true);
    file = (struct rf_filestore_file){0};
    assert_int_equal(rf_filestore_load(t.giver, seen, &file, &damaged), 0);
    assert_true(damaged == 1 && file.path[0] == 0);
}

/* What grows is removed, or becomes another one, while it is open: nothing of what was there counts any more. */
static void test_part_removed(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    char part[300];
    (void)state;
    share(&r);
    for (int replaced = 0; replaced < 2; replaced++) {
        assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(carry(r.id, i, false), 0);
        find_part(part);
        assert_int_equal(unlink(part), 0);
        if (replaced)
            write_file(part, t.bytes + 1, SIZE - 1);
        for (uint32_t i = 4; i < 11; i++)
            assert_int_equal(carry(r.id, i, false), 0);
        assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), RF_ECONFLICT);
        assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
        assert_int_equal(rf_file_bits_count(file.file.have, 11), 0);
        for (uint32_t i = 0; i < 11; i++)
            assert_int_equal(carry(r.id, i, false), 0);
        assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
        assert_true(file_is(file.path, t.bytes, SIZE));
        if (replaced)
            assert_true(file_is(part, t.bytes + 1, SIZE - 1)); /* it was not ours: it stays */
        rf_filestore_forget(t.taker, r.id);
    }
}

/* The system says once that it lost something, and never again: what came since the last success does not count. */
static void test_write_back_fails(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    (void)state;
    share(&r);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_sync(t.taker, r.id), 0);
    for (uint32_t i = 4; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    disk_loses = true;
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), RF_ESYSTEM);
    assert_false(disk_loses);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), RF_ENOTYET);
    assert_int_equal(rf_filestore_look(t.taker, r.id, &file), 0);
    assert_int_equal(rf_file_bits_count(file.file.have, 11), 4);
    for (uint32_t i = 4; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file_is(file.path, t.bytes, SIZE));
}

/* Two files of one name, and of ids that begin alike: whoever chooses one of them does not get at the other. */
static void test_ids_begin_alike(void **state)
{
    struct rf_file_reference r, other;
    struct rf_filestore_file file;
    (void)state;
    share(&r);
    other = r;
    memset(other.id + 4, 0x55, sizeof(other.id) - 4);
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_int_equal(carry(r.id, 0, false), 0);
    assert_int_equal(rf_filestore_begin(t.taker, &other, t.other, &file), 0);
    for (uint32_t i = 1; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file_is(file.path, t.bytes, SIZE));
    rf_filestore_forget(t.taker, other.id);
    assert_true(file_is(file.path, t.bytes, SIZE));
}

/* A reference with the right id and a wrong secret or size is no obstacle to the right one, and does not take away what is here. */
static void test_wrong_reference(void **state)
{
    struct rf_file_reference r, wrong[2];
    struct rf_filestore_file file;
    (void)state;
    share(&r);
    wrong[0] = wrong[1] = r;
    wrong[0].secret[0] ^= 1;
    wrong[1].shape.size += 50000;
    wrong[0].name = wrong[1].name = rf_view_str("wrong");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rf_filestore_begin(t.taker, &wrong[i], t.other, &file), 0);
        assert_int_not_equal(carry(r.id, 10, false), 0);
    }
    assert_int_equal(rf_filestore_begin(t.taker, &r, t.other, &file), 0);
    assert_string_equal(file.name, "some file.bin");
    assert_true(memcmp(file.file.secret, r.secret, 32) == 0 && file.file.shape.size == SIZE);
    assert_int_equal(carry(r.id, 0, false), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(rf_filestore_begin(t.taker, &wrong[i], t.other, &file), RF_ECONFLICT);
    for (uint32_t i = 1; i < 11; i++)
        assert_int_equal(carry(r.id, i, false), 0);
    assert_int_equal(rf_filestore_finish(t.taker, r.id, &file), 0);
    assert_true(file_is(file.path, t.bytes, SIZE));
    assert_int_equal(rf_filestore_begin(t.taker, &wrong[0], t.other, &file), RF_ECONFLICT);
    rf_filestore_forget(t.taker, r.id);
    unlink(file.path);
}

/* Where it cannot begin nothing is left, and what was there before stays. */
static void test_cannot_begin(void **state)
{
    struct rf_file_reference r;
    struct rf_filestore_file file;
    struct rlimit before, low;
    char path[300];
    (void)state;
    share(&r);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int error = rf_filestore_begin(t.taker, &r, t.other, &file);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, RF_ESYSTEM);
    assert_int_equal(rmdir(t.other), 0);
    assert_int_equal(rmdir(t.to), 0); /* no record either */
    assert_int_equal(mkdir(t.other, 0700), 0);
    assert_int_equal(mkdir(t.to, 0700), 0);
    /* one that is here and was changed */
    t.bytes[0] ^= 1;
    write_file(t.path, t.bytes, SIZE);
    snprintf(path, sizeof(path), "%s/nowhere/x", t.dir);
    assert_int_equal(rf_filestore_begin(t.giver, &r, path, &file), RF_ENOTFOUND);
    again(&t.giver, t.from, true);
    file = (struct rf_filestore_file){0};
    file = load(t.giver);
    assert_true(file.whole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole_way),        TEST(test_goes_on),           TEST(test_stopped_at_the_end),
        TEST(test_changed),          TEST(test_changed_unseen),    TEST(test_imports),
        TEST(test_no_room),          TEST(test_forget_and_damage), TEST(test_part_removed),
        TEST(test_ids_begin_alike),  TEST(test_wrong_reference),   TEST(test_cannot_begin),
        TEST(test_write_back_fails),
    };
    return cmocka_run_group_tests_name("filestore", tests, NULL, NULL);
}
