/* log_stderr.c - log lines to a file descriptor. */
#include "io/log_stderr.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"

static const char *const level_texts[] = {"error", "warn", "info", "debug"};

const char *rf_log_level_text(enum rf_log_level level)
{
    return level_texts[level];
}

int rf_log_level_parse(const char *text, enum rf_log_level *out)
{
    for (size_t i = 0; i < RF_COUNT(level_texts); i++) {
        if (strcmp(text, level_texts[i]) == 0) {
            *out = (enum rf_log_level)i;
            return 0;
        }
    }
    return RF_EUNKNOWN;
}

static void line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    struct rf_log_stderr *log = ctx;
    char out[640], when[32];
    struct timespec now;
    struct tm tm;
    int len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    len = snprintf(out, sizeof out, "%s.%03ldZ %s %s: %s\n", when, now.tv_nsec / 1000000, level_texts[level],
                   room, text);
    if (len >= (int)sizeof out) {
        len = sizeof out - 1;
        out[len - 1] = '\n';
    }
    if (write(log->fd, out, (size_t)len) < 0)
        return; /* there is nobody to tell */
}

void rf_log_fd_init(struct rf_log_stderr *out, enum rf_log_level level, int fd)
{
    *out = (struct rf_log_stderr){.log = {.line = line, .ctx = out, .level = level}, .fd = fd};
}

void rf_log_stderr_init(struct rf_log_stderr *out, enum rf_log_level level)
{
    rf_log_fd_init(out, level, STDERR_FILENO);
}
