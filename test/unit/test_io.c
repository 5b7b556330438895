/* test_io.c - runs every group of the io room's tests. */
#include "test_io.h"

int main(void)
{
    return test_io_loop() + test_io_files() + test_io_sockets() + test_io_flows() + test_io_password() == 0
               ? 0
               : 1;
}
