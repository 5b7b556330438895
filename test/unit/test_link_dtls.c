/* test_link_dtls.c - runs every group of the link room's tests with datagrams. */
#include "test_link.h"

int main(void)
{
    return test_link_dtls_engine() + test_link_dtls_up() + test_link_dtls_send() + test_link_dtls_hostile() +
                       test_link_ordered() ==
                   0
               ? 0
               : 1;
}
