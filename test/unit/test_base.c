/* test_base.c - runs every group of the base room's tests. */
#include "test_base.h"

int main(void)
{
    return test_base_addr() + test_base_bytes() + test_base_civil() + test_base_id() + test_base_map() +
                       test_base_mem() + test_base_misc() + test_base_rng() + test_base_text() +
                       test_base_timer() ==
                   0
               ? 0
               : 1;
}
