/* wire_buf.h - a fresh buffer for each test of a codec: cmocka's setup and teardown around it. */
#ifndef RF_TEST_SUPPORT_WIRE_BUF_H
#define RF_TEST_SUPPORT_WIRE_BUF_H

#include "base/buf.h"

static struct rf_buf buf;

static int setup(void **state)
{
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rf_buf_deinit(&buf);
    return 0;
}

#endif
