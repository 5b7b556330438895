/* test_wire.h - the groups of the wire room's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_WIRE_H
#define RF_TEST_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/region.h"

#define ID_LEN 16

int test_wire_vectors(void);
int test_wire_fields(void);
int test_wire_header(void);
int test_wire_fragment(void);
int test_wire_frame(void);
int test_wire_broken(void);
int test_wire_stored(void);
int test_wire_dump(void);

/* Bytes from hex with blanks, e.g. "01 06 c0000201 17c4"; freed at the end of the test that resets the pool. */
struct rf_view wire_hex(const char *hex);
struct rf_id wire_node(const char *hex);
/* The message of a vector's data frame; kept until the pool is reset. */
struct rf_view wire_vector(const char *name);
void wire_pool_reset(void);
/* cmocka set-up and tear-down that give each test an empty pool. */
int wire_setup(void **state);
int wire_teardown(void **state);
struct rf_region *wire_region(void); /* of the pool */

void wire_assert_bytes(struct rf_view got, struct rf_view want);

/* Names of all vectors that hold one whole message in a data frame. */
extern const char *const wire_messages[];
extern const size_t wire_message_count;

#endif
