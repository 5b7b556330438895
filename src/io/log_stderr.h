/* log_stderr.h - log lines to a file descriptor, normally stderr: "2026-11-21T10:32:11.123Z info link: text". */
#ifndef RF_IO_LOG_STDERR_H
#define RF_IO_LOG_STDERR_H

#include "base/log.h"

struct rf_log_stderr {
    struct rf_log log; /* hand this to the core */
    int fd;
};

/* rf_log_stderr_init prepares a log to stderr; each line is one write(2), so threads do not mix theirs. */
void rf_log_stderr_init(struct rf_log_stderr *out, enum rf_log_level level);
/* The same to another descriptor, borrowed. */
void rf_log_fd_init(struct rf_log_stderr *out, enum rf_log_level level, int fd);
/* rf_log_level_parse reads "error", "warn", "info" or "debug". Errors: RF_EUNKNOWN. */
int rf_log_level_parse(const char *text, enum rf_log_level *out);
const char *rf_log_level_text(enum rf_log_level level);

#endif
