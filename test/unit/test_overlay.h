/* test_overlay.h - the groups of the overlay room's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_OVERLAY_H
#define RF_TEST_OVERLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/error.h"
#include "support/overlay_net.h"

int test_overlay_route(void);
int test_overlay_forward(void);
int test_overlay_calls(void);
int test_overlay_requests(void);
int test_overlay_fragment(void);
int test_overlay_small(void);
int test_overlay_config(void);
int test_overlay_diag(void);
int test_overlay_faults(void);
int test_overlay_doors(void);
int test_overlay_detour(void);

#define TEXT(literal) rf_view_of((literal), sizeof(literal) - 1)

/* A message signed by a node of the net, for tests that need one which no overlay would send. */
struct forged {
    size_t signer;
    struct rf_header
        header; /* overlay 0: the net's; ttl 0xff: initial-ttl; fragment 0: whole; sequence 0: the document's */
    uint16_t code;
    struct rf_view body, extensions;
};
void forge(struct onet *net, const struct forged *forged, struct rf_buf *out);

#endif
