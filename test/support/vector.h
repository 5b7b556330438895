/* vector.h - the protocol vectors of test/vectors/ as bytes. */
#ifndef RF_TEST_SUPPORT_VECTOR_H
#define RF_TEST_SUPPORT_VECTOR_H

#include "base/buf.h"

/* rf_vector_read appends a vector's bytes: of NAME.hex decoded ("ping_req"), of any other name with a dot as it is ("config.xml").
 * The test fails if there is no such file. */
void rf_vector_read(const char *name, struct rf_buf *out);

#endif
