/* log.c - formats one log line and hands it to whoever listens. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void rf_log_write(struct rf_log *log, enum rf_log_level level, const char *room, const char *format, ...)
{
    char text[512];
    va_list args;
    if (log == NULL || log->line == NULL || level > log->level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* names and texts of strangers end up here: no line of a log may be forged with them */
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    log->line(log->ctx, level, room, text);
}
