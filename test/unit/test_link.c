/* test_link.c - runs every group of the link room's tests. */
#include "test_link.h"

int main(void)
{
    return test_link_engine() + test_link_up() + test_link_refuse() + test_link_life() + test_link_limits() ==
                   0
               ? 0
               : 1;
}
