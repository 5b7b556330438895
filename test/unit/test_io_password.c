/* test_io_password.c - a password from a pipe, and typed at a terminal that must not show it. */
#include "test_io.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"
#include "io/password.h"

static const struct {
    const char *input;
    size_t len;
    int error;
    const char *password;
} lines[] = {
    {"secret\n", 7, RF_OK, "secret"},
    {"secret\r\nrest", 12, RF_OK, "secret"},
    {"secret", 6, RF_OK, "secret"},
    {" two w  \n", 9, RF_OK, " two w  "},
    {"123456789\n", 10, RF_OK, "123456789"}, /* as long as the buffer lets it be */
    {"1234567890\n", 11, RF_ELIMIT, NULL},
    {"", 0, RF_ENOTFOUND, NULL},
    {"\n", 1, RF_EFORMAT, NULL},
    {"\r\n", 2, RF_EFORMAT, NULL},
    {"se\0cret\n", 8, RF_EFORMAT, NULL},
};

/* with_stdin puts `fd` in the place of standard input; back_stdin undoes it. */
static int with_stdin(int fd)
{
    int saved = dup(STDIN_FILENO);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    return saved;
}

static void back_stdin(int saved)
{
    if (saved >= 0)
        dup2(saved, STDIN_FILENO);
    close(saved >= 0 ? saved : STDIN_FILENO);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(lines); i++) {
        int fds[2];
        char out[10];
        memset(out, 'x', sizeof(out));
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], lines[i].input, lines[i].len), lines[i].len);
        close(fds[1]);
        int saved = with_stdin(fds[0]);
        int e = rf_password_read(out, sizeof(out));
        back_stdin(saved);
        close(fds[0]);
        if (e != lines[i].error)
            fail_msg("line %zu: %d", i, e);
        if (e == RF_OK)
            assert_string_equal(out, lines[i].password);
        else
            for (size_t b = 0; b < sizeof(out); b++)
                assert_int_equal(out[b], 0); /* nothing is left behind */
    }
}

static bool echoes(int fd)
{
    struct termios t;
    assert_int_equal(tcgetattr(fd, &t), 0);
    return (t.c_lflag & ECHO) != 0;
}

/* types the password as soon as nothing is shown any more */
static void *type(void *arg)
{
    int terminal = *(const int *)arg;
    while (echoes(terminal))
        poll(NULL, 0, 1);
    (void)!write(terminal, "typed secret\n", 13);
    return NULL;
}

static void test_terminal_shows_nothing(void **state)
{
    char out[64], shown[64];
    pthread_t typist;
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    int line = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(line >= 0);
    assert_true(echoes(line));
    assert_int_equal(pthread_create(&typist, NULL, type, &terminal), 0);
    int saved = with_stdin(line);
    int e = rf_password_read(out, sizeof(out));
    back_stdin(saved);
    pthread_join(typist, NULL);
    assert_int_equal(e, RF_OK);
    assert_string_equal(out, "typed secret");
    assert_true(echoes(line));
    assert_true(read(terminal, shown, sizeof(shown)) <= 0);
    close(line);
    close(terminal);
}

int test_io_password(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_terminal_shows_nothing),
    };
    return cmocka_run_group_tests_name("io password", tests, NULL, NULL);
}
