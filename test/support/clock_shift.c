/* clock_shift.c - preloaded (LD_PRELOAD) into a program whose calendar clock is to be wrong by CLOCK_SHIFT_S seconds. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static time_t shift(void)
{
    const char *s = getenv("CLOCK_SHIFT_S");
    return s != NULL ? (time_t)atol(s) : 0;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, id, out);
    if (result == 0 && id == CLOCK_REALTIME)
        out->tv_sec += shift();
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
