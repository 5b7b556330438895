/* test_base.h - the groups of the base room's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_BASE_H
#define RF_TEST_BASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int test_base_addr(void);
int test_base_bytes(void);
int test_base_civil(void);
int test_base_id(void);
int test_base_map(void);
int test_base_mem(void);
int test_base_misc(void);
int test_base_rng(void);
int test_base_text(void);
int test_base_timer(void);

#endif
