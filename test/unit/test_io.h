/* test_io.h - the groups of the io room's tests. */
#ifndef RF_TEST_IO_H
#define RF_TEST_IO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int test_io_loop(void);
int test_io_files(void);
int test_io_sockets(void);
int test_io_flows(void);
int test_io_password(void);

#endif
