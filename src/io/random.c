/* random.c - the kernel's random numbers. */
#include "io/random.h"

#include <errno.h>
#include <sys/random.h>
#include "base/assert.h"

static void fill(void *ctx, void *out, size_t len)
{
    uint8_t *p = out;

    (void)ctx;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            RF_ASSERT(errno == EINTR);
            continue;
        }
        p += n;
        len -= (size_t)n;
    }
}

struct rf_rng *rf_random_system(void)
{
    static struct rf_rng rng = {.fill = fill};
    return &rng;
}

void rf_random_seed(struct rf_rng_seeded *out)
{
    rf_rng_seeded_init(out, rf_rng_u64(rf_random_system()));
}
