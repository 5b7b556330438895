/* log.h - where the core says what happened. One line per call, no secrets, no newline at the end. */
#ifndef RF_BASE_LOG_H
#define RF_BASE_LOG_H

enum rf_log_level { RF_LOG_ERROR, RF_LOG_WARN, RF_LOG_INFO, RF_LOG_DEBUG };

struct rf_log {
    void (*line)(void *ctx, enum rf_log_level level, const char *room,
                 const char *text); /* text is NUL-terminated */
    void *ctx;
    enum rf_log_level level; /* what is less important is not even formatted */
};

/* rf_log_write formats (at most 511 bytes, the rest cut) and hands over; `log` may be NULL. `room` e.g.
 * "link". */
void rf_log_write(struct rf_log *log, enum rf_log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
