/* assert.c - what happens when our own code is wrong: say where, and stop. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void rf_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "ringfolk: internal error: %s:%d: %s\n", file, line, what);
    abort();
}
