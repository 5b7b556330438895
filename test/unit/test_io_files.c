/* test_io_files.c - files, directories, the lock, log lines. */
#include "test_io.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "io/files.h"
#include "io/log_stderr.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", dir, name);
    return out;
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/rf_test_io.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void test_write_read(void **state)
{
    struct rf_buf buf;
    struct stat st;

    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    assert_int_equal(rf_file_read(in_dir("absent"), 100, &buf), RF_ENOTFOUND);
    assert_int_equal(rf_file_write(in_dir("a"), rf_view_str("hello"), 0640), 0);
    assert_int_equal(rf_file_read(in_dir("a"), 5, &buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_str("hello")));
    assert_int_equal(stat(in_dir("a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    rf_buf_reset(&buf);
    assert_int_equal(rf_file_read(in_dir("a"), 4, &buf), RF_ELIMIT);
    assert_int_equal(rf_file_read(dir, 100, &buf), RF_EINVAL);
    /* replaced as a whole, by an empty file too */
    assert_int_equal(rf_file_write(in_dir("a"), rf_view_of(NULL, 0), 0600), 0);
    rf_buf_reset(&buf);
    assert_int_equal(rf_file_read(in_dir("a"), 0, &buf), 0);
    assert_int_equal(buf.len, 0);
    assert_int_equal(rf_file_write(in_dir("no/such/a"), rf_view_str("x"), 0600), RF_ENOTFOUND);
    rf_buf_deinit(&buf);
}

/* A directory in the place of the file makes the rename fail: no temporary file may stay behind. */
static void test_write_leaves_nothing(void **state)
{
    char command[200];

    (void)state;
    assert_int_equal(rf_dir_make(in_dir("taken/x"), 0700), 0);
    assert_true(rf_file_write(in_dir("taken"), rf_view_str("x"), 0600) < 0);
    snprintf(command, sizeof command, "test -z \"$(ls %s | grep 'taken\\.')\"", dir);
    assert_int_equal(system(command), 0);
}

static void test_secret(void **state)
{
    struct rf_buf buf;
    const char *why;

    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    assert_int_equal(rf_file_read_secret(in_dir("no secret"), 100, &buf, &why), RF_ENOTFOUND);
    assert_non_null(why);
    assert_int_equal(rf_file_write(in_dir("secret"), rf_view_str("hush"), 0600), 0);
    assert_int_equal(rf_file_read_secret(in_dir("secret"), 100, &buf, &why), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_str("hush")));
    assert_int_equal(rf_file_read_secret(in_dir("secret"), 3, &buf, &why), RF_ELIMIT);
    assert_non_null(why);
    rf_buf_reset(&buf);
    static const mode_t open_to_others[] = {0640, 0604, 0602, 0660, 0610};
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        assert_int_equal(chmod(in_dir("secret"), open_to_others[i]), 0);
        assert_int_equal(rf_file_read_secret(in_dir("secret"), 100, &buf, &why), RF_EFORBIDDEN);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(chmod(in_dir("secret"), 0400), 0);
    assert_int_equal(symlink("secret", in_dir("to the secret")), 0);
    assert_int_equal(rf_file_read_secret(in_dir("to the secret"), 100, &buf, &why), RF_ESYSTEM);
    assert_non_null(strstr(why, "link"));
    assert_int_equal(rf_file_read_secret(dir, 100, &buf, &why), RF_EINVAL);
    if (geteuid() == 0) {
        assert_int_equal(chown(in_dir("secret"), 4242, 4242), 0);
        assert_int_equal(rf_file_read_secret(in_dir("secret"), 100, &buf, &why), RF_EFORBIDDEN);
        assert_non_null(strstr(why, "another user"));
    }
    assert_int_equal(buf.len, 0);
    rf_buf_deinit(&buf);
}

static void test_make_dir(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(rf_dir_make(in_dir("p/q//r"), 0700), 0);
    assert_int_equal(rf_dir_make(in_dir("p/q/r"), 0700), 0);
    assert_int_equal(stat(in_dir("p/q/r"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rf_file_write(in_dir("f"), rf_view_str("x"), 0600), 0);
    assert_int_equal(rf_dir_make(in_dir("f"), 0700), RF_EEXIST);
    assert_int_equal(rf_dir_make(in_dir("f/g"), 0700), RF_EEXIST);
    assert_int_equal(rf_dir_make("", 0700), RF_ELIMIT);
}

static void test_lock(void **state)
{
    struct rf_lock a, b;

    (void)state;
    assert_int_equal(rf_lock_take(in_dir("lock"), &a), 0);
    assert_int_equal(rf_lock_take(in_dir("lock"), &b), RF_EBUSY);
    assert_int_equal(b.owner, getpid());
    rf_lock_release(&b); /* holds nothing: harmless */
    assert_int_equal(rf_lock_take(in_dir("lock"), &b), RF_EBUSY);
    rf_lock_release(&a);
    assert_int_equal(rf_lock_take(in_dir("lock"), &b), 0);
    rf_lock_release(&b);
    assert_int_equal(rf_lock_take(in_dir("no/lock"), &b), RF_ENOTFOUND);
}

static void test_log(void **state)
{
    struct rf_log_stderr log;
    enum rf_log_level level;
    char text[2000] = "", long_text[800];
    regex_t regex;
    int fd = open(in_dir("log"), O_RDWR | O_CREAT, 0600);

    (void)state;
    assert_true(fd >= 0);
    rf_log_fd_init(&log, RF_LOG_INFO, fd);
    rf_log_write(&log.log, RF_LOG_WARN, "link", "peer %d", 7);
    rf_log_write(&log.log, RF_LOG_DEBUG, "link", "not shown");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    rf_log_write(&log.log, RF_LOG_ERROR, "link", "%s", long_text);
    assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
    assert_int_equal(
        regcomp(&regex,
                "^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9][0-9][0-9]Z warn "
                "link: peer 7\n20[^\n]* error link: xxx[x]*\n$",
                REG_NOSUB),
        0);
    assert_int_equal(regexec(&regex, text, 0, NULL, 0), 0);
    regfree(&regex);
    close(fd);
    assert_int_equal(rf_log_level_parse("debug", &level), 0);
    assert_int_equal(level, RF_LOG_DEBUG);
    assert_int_equal(rf_log_level_parse("loud", &level), RF_EUNKNOWN);
    assert_string_equal(rf_log_level_text(RF_LOG_INFO), "info");
}

int test_io_files(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read), cmocka_unit_test(test_write_leaves_nothing),
        cmocka_unit_test(test_secret),     cmocka_unit_test(test_make_dir),
        cmocka_unit_test(test_lock),       cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests_name("io files", tests, setup, teardown);
}
