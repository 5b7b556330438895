/* password.c - a password from standard input. Byte by byte: no buffer of a library shall keep it. */
#include "io/password.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static struct termios before; /* for the handler; only while a password is typed */

static void on_ending(int number)
{
    int saved = errno;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    raise(number); /* SA_RESETHAND: now it does what it did before */
    errno = saved;
}

/* echo_off returns whether there is a terminal whose echo is off now. What was typed too early is thrown away: it was seen. */
static bool echo_off(struct sigaction *old)
{
    const struct sigaction ending = {.sa_handler = on_ending, .sa_flags = (int)SA_RESETHAND};
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    for (size_t i = 0; i < RF_COUNT(endings); i++)
        sigaction(endings[i], &ending, &old[i]);
    (void)!write(STDERR_FILENO, "password: ", 10);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    return true;
}

static void echo_on(const struct sigaction *old)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    for (size_t i = 0; i < RF_COUNT(endings); i++)
        sigaction(endings[i], &old[i], NULL);
    (void)!write(STDERR_FILENO, "\n", 1); /* the one that was not shown */
}

static int read_line(char *out, size_t out_size)
{
    size_t len = 0;
    bool any = false;
    for (;;) {
        char c = '\n';
        ssize_t n = read(STDIN_FILENO, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return RF_ESYSTEM;
        if (n == 0 && !any)
            return RF_ENOTFOUND;
        any = true;
        if (c == '\n')
            break;
        if (len + 1 >= out_size)
            return RF_ELIMIT;
        out[len++] = c;
    }
    if (len > 0 && out[len - 1] == '\r')
        len--;
    out[len] = '\0';
    return len > 0 && strlen(out) == len ? RF_OK : RF_EFORMAT;
}

int rf_password_read(char *out, size_t out_size)
{
    struct sigaction old[RF_COUNT(endings)];
    bool silent = echo_off(old);
    int e = read_line(out, out_size);
    if (silent)
        echo_on(old);
    if (e != RF_OK)
        rf_wipe(out, out_size);
    return e;
}
