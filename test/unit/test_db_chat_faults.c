/*
 * test_db_chat_faults.c - the database of conversations on a disk that fails: the n-th write or sync (support/faulty_vfs.h) says "disk full" or "input/output error". Each failed
 * batch must leave nothing behind, be told clearly, reading must go on, and the next batch must work.
 */
#include "unit/test_keep.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/faulty_vfs.h"

static int group_setup(void **state)
{
    (void)state;
    return faulty_vfs_install();
}

/* A batch of every sort: an entry of its own, one that is edited, a state, a mark; and a large one, so that many pages are written. */
static int write_batch(struct kit *k, uint64_t n)
{
    static char big[20000];
    char number[24];

    memset(big, 'b', sizeof(big) - 1);
    snprintf(number, sizeof(number), "n%llu", (unsigned long long)n);
    struct rf_keep_op ops[] = {
        op_text(kit_b, n, n, number),   op_change(RF_KEEP_ENTRY_EDIT, kit_b, 1, NULL, number, n),
        op_state(kit_a, 1, "", number), op_state(kit_a, 2, "", big),
        op_mark(kit_a, 1, "bob", n),    op_change(RF_KEEP_REACT, kit_b, 1, "bob", number, n),
        op_no_state(kit_a, 2, "")};
    return kit_apply(k, ops, RF_COUNT(ops));
}

/* What the store holds is what the first `n` batches made. */
static void check(struct kit *k, uint64_t n)
{
    struct rf_keep_query q = {.type = RF_KEEP_COUNT};
    char text[100], number[24];

    memcpy(q.conversation, kit_b, 16);
    assert_int_equal(kit_ask(k, &q), 0);
    assert_int_equal(k->answer.counted.total, n);
    snprintf(number, sizeof(number), "n%llu", (unsigned long long)n);
    snprintf(text, sizeof(text), "mark conversation-aa/1/bob=%llu\nstate conversation-aa/1/=%s\n",
             (unsigned long long)n, number);
    assert_string_equal(kit_states(k), text);
    (void)kit_search(k, NULL, number);
    assert_int_equal(k->answer.count, n == 1 ? 1 : 2);
    const struct rf_keep_entry *e = kit_find(k, kit_b, 1, false);
    assert_true(rf_view_equal(e->text, rf_view_str(number)) && e->reaction_count == n);
    (void)kit_search(k, NULL, "n1");
    assert_int_equal(k->answer.count, n == 1 ? 1 : 0); /* the first one was edited */
}

static void run_faults(int rc, const char *word)
{
    struct kit k;
    size_t failures = 0;
    uint64_t committed = 1;

    faulty_after = -1;
    kit_open(&k, true);
    assert_int_equal(write_batch(&k, 1), 0);
    for (int after = 0; after < 24; after++) {
        faulty_after = after;
        faulty_with = rc;
        int error = write_batch(&k, committed + 1);
        bool failed_inside = faulty_after == 0;
        if (error == 0) {
            committed++;
        } else {
            assert_int_equal(error, RF_EDATABASE);
            assert_true(failed_inside);
            assert_non_null(strstr(k.store->ops->error_text(k.store), word));
            failures++;
            check(&k,
                  committed); /* all of a batch or nothing of it, and it can be read while the disk is full */
            (void)k.store->ops->upkeep(k.store);
        }
        faulty_after = -1;
        check(&k, committed);
        assert_int_equal(write_batch(&k, ++committed), 0);
        for (int i = 0; i < 100 && k.store->ops->upkeep(k.store); i++)
            ;
    }
    assert_true(failures >= 5);
    kit_reopen(&k);
    check(&k, committed);
    kit_close(&k);
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

/* The disk is full when the database is made: told, and no half of one is left that could not be opened later. */
static void test_open_fails(void **state)
{
    size_t failures = 0;

    (void)state;
    for (int after = 0; after < 14; after++) {
        struct kit k;
        char text[500] = "";
        faulty_after = -1;
        kit_open(&k, true);
        k.store->ops->close(k.store);
        k.store = NULL;
        assert_int_equal(remove(k.path), 0);
        faulty_after = after;
        faulty_with = SQLITE_FULL;
        int error = kit_try(&k, text, sizeof(text));
        faulty_after = -1;
        if (error != 0) {
            assert_int_equal(error, RF_EDATABASE);
            assert_non_null(strstr(text, "disk"));
            assert_int_equal(kit_try(&k, text, sizeof(text)), 0);
            failures++;
        }
        assert_int_equal(write_batch(&k, 1), 0);
        check(&k, 1);
        kit_close(&k);
    }
    assert_true(failures >= 3);
}

/* In a mount namespace of its own: a disk of 768 kB that other files fill. 0: as it should be; 77: the system does not let us. */
static int on_small_disk(void)
{
    static char fill[4096];
    struct kit k;
    char other[128];
    uint64_t n = 0;
    int error;

    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return 77;
    kit_open(&k, true);
    k.store->ops->close(k.store);
    assert_int_equal(remove(k.path), 0);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", k.dir, "tmpfs", 0, "size=768k,mode=700") != 0)
        return rmdir(k.dir) == 0 ? 77 : 1;
    assert_int_equal(kit_try(&k, NULL, 0), 0);
    for (n = 1; n <= 4; n++)
        assert_int_equal(write_batch(&k, n), 0);
    snprintf(other, sizeof(other), "%s/other", k.dir);
    int fd = open(other, O_WRONLY | O_CREAT, 0600);
    while (write(fd, fill, sizeof(fill)) == (ssize_t)sizeof(fill))
        ;
    close(fd);
    while ((error = write_batch(&k, n)) == 0) /* what is left of the log's file */
        assert_true(++n < 200);
    assert_int_equal(error, RF_EDATABASE);
    assert_non_null(strstr(k.store->ops->error_text(k.store), "the disk"));
    check(&k, n - 1);
    assert_int_equal(write_batch(&k, n), RF_EDATABASE);
    check(&k, n - 1);
    (void)k.store->ops->upkeep(k.store);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(write_batch(&k, n), 0);
    check(&k, n);
    kit_reopen(&k);
    check(&k, n);
    k.store->ops->close(k.store);
    return umount(k.dir) == 0 && rmdir(k.dir) == 0 ? 0 : 1;
}

static void test_small_disk(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        faulty_after = -1;
        _exit(on_small_disk());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_io_error),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_small_disk),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
