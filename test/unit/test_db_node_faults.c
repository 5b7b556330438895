/*
 * test_db_node_faults.c - the node's database on a disk that fails: the n-th write or sync (support/faulty_vfs.h) says
 * "disk full" or "input/output error". Each failed batch must leave nothing behind, be told clearly, and the next one must work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/assert.h"
#include "db/node.h"
#include "support/faulty_vfs.h"

static int group_setup(void **state)
{
    (void)state;
    return faulty_vfs_install();
}

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
    faulty_after = -1;
    if (rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text)) != 0)
        fail_msg("%s", text);
    assert_int_equal(write_batch(s, 1, 3000), 0);
    uint64_t committed = 1;
    size_t failures = 0;
    for (int after = 0; after < 40; after++) {
        faulty_after = after;
        faulty_with = rc;
        int error = write_batch(s, committed + 1, 3000);
        bool failed_inside = faulty_after == 0;
        faulty_after = -1;
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
        faulty_after = after;
        faulty_with = SQLITE_FULL;
        int error = rf_node_sqlite_open(rf_mem_system(), path, &s, text, sizeof(text));
        faulty_after = -1;
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
