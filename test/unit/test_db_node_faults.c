/*
 * test_db_node_faults.c - the node's database on a disk that fails: a thin layer below SQLite (a VFS) refuses the n-th write or sync with
 * "disk full" or "input/output error". Each failed batch must leave nothing behind, be told clearly, and the next one must work.
 */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/assert.h"
#include "db/node.h"

/* ---- the failing VFS ---- */

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};
static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;
static sqlite3_io_methods faulty_methods;
static int fail_after = -1; /* operations that still succeed; -1 = all */
static int fail_with;

static int fault(void)
{
    if (fail_after < 0)
        return SQLITE_OK;
    if (fail_after == 0)
        return fail_with;
    fail_after--;
    return SQLITE_OK;
}
static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->real;
}
static int f_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}
static int f_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), p, n, at);
}
static int f_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    int rc = fault();
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xWrite(real_of(file), p, n, at);
}
static int f_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
static int f_sync(sqlite3_file *file, int flags)
{
    int rc = fault();
    if (rc == SQLITE_FULL)
        rc = SQLITE_IOERR_FSYNC;
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}
static int f_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int f_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}
static int f_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
static int f_check(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
static int f_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}
static int f_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int f_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int f_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    struct faulty_file *f = (struct faulty_file *)file;
    f->real = (sqlite3_file *)(f + 1);
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
    f->base.pMethods = rc == SQLITE_OK ? &faulty_methods : NULL;
    return rc;
}

static int group_setup(void **state)
{
    (void)state;
    faulty_methods = (sqlite3_io_methods){
        .iVersion = 1, /* no shared memory, no mmap: an exclusive WAL needs neither */
        .xClose = f_close,
        .xRead = f_read,
        .xWrite = f_write,
        .xTruncate = f_truncate,
        .xSync = f_sync,
        .xFileSize = f_size,
        .xLock = f_lock,
        .xUnlock = f_unlock,
        .xCheckReservedLock = f_check,
        .xFileControl = f_control,
        .xSectorSize = f_sector,
        .xDeviceCharacteristics = f_device,
    };
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    faulty_vfs.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
    faulty_vfs.xOpen = f_open;
    return sqlite3_vfs_register(&faulty_vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* ---- the tests ---- */

struct seen {
    size_t count;
    uint64_t generations; /* sum */
};
static int see(void *ctx, const struct rf_record *r)
{
    struct seen *seen = ctx;
    seen->count++;
    seen->generations += r->generation;
    return 0;
}

#define OPS 6
static int write_batch(struct rf_node_store *s, uint64_t generation, size_t data_len)
{
    static uint8_t data[60000];
    struct rf_persist_op ops[OPS];
    for (uint32_t i = 0; i < OPS; i++)
        ops[i] = (struct rf_persist_op){.type = RF_PERSIST_PUT,
                                        .record = {.resource = rf_view_str("0123456789abcdef"),
                                                   .kind = i,
                                                   .generation = generation,
                                                   .expires_ms = UINT64_MAX,
                                                   .stored_data = rf_view_of(data, data_len),
                                                   .cert = rf_view_str("cert")}};
    struct rf_node_batch batch = {1, ops, OPS};
    return s->ops->apply(s, &batch, 1);
}

static void run_faults(int rc, const char *word)
{
    char path[] = "/tmp/rf-dbf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct rf_node_store *s = NULL;
    char text[256] = "";
    fail_after = -1;
    if (rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text)) != 0)
        fail_msg("%s", text);
    assert_int_equal(write_batch(s, 1, 3000), 0);
    uint64_t committed = 1;
    size_t failures = 0;
    for (int after = 0; after < 40; after++) {
        fail_after = after;
        fail_with = rc;
        int error = write_batch(s, committed + 1, 3000);
        bool failed_inside = fail_after == 0;
        fail_after = -1;
        if (error == 0) {
            committed++;
        } else {
            assert_int_equal(error, RF_EDATABASE);
            assert_true(failed_inside);
            assert_non_null(strstr(s->ops->error_text(s), word));
            failures++;
        }
        struct seen seen = {.count = 0};
        assert_int_equal(s->ops->load(s, see, &seen), 0);
        assert_int_equal(seen.count, OPS);
        assert_int_equal(seen.generations, OPS * committed); /* all of a batch or nothing of it */
        assert_int_equal(write_batch(s, ++committed, 3000), 0);
    }
    assert_true(failures >= 5);
    s->ops->close(s);
    if (rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text)) != 0)
        fail_msg("%s", text);
    struct seen seen = {.count = 0};
    assert_int_equal(s->ops->load(s, see, &seen), 0);
    assert_int_equal(seen.generations, OPS * committed);
    s->ops->close(s);
    char wal[64];
    snprintf(wal, sizeof(wal), "%s-wal", path);
    unlink(wal);
    unlink(path);
}

static void test_disk_full(void **state)
{
    (void)state;
    run_faults(SQLITE_FULL, "disk");
}

static void test_io_error(void **state)
{
    (void)state;
    run_faults(SQLITE_IOERR_WRITE, "check the disk");
}

static void test_open_fails(void **state)
{
    (void)state;
    for (int after = 0; after < 12; after++) {
        char path[] = "/tmp/rf-dbo-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        struct rf_node_store *s = NULL;
        char text[256] = "";
        fail_after = after;
        fail_with = SQLITE_FULL;
        int error = rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text));
        fail_after = -1;
        if (error == 0) {
            s->ops->close(s);
        } else {
            assert_int_equal(error, RF_EDATABASE);
            assert_true(strlen(text) > 20);
            assert_int_equal(rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text)), 0);
            s->ops->close(s);
        }
        assert_true(after > 0 || error != 0);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_io_error),
        cmocka_unit_test(test_open_fails),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
