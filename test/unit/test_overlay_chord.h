/* test_overlay_chord.h - the groups of the topology plugin's test program; each returns how many of its tests failed. */
#ifndef RF_TEST_OVERLAY_CHORD_H
#define RF_TEST_OVERLAY_CHORD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int test_overlay_chord_ring(void);
int test_overlay_chord_candidates(void);
int test_overlay_chord_machine(void);
int test_overlay_chord_grow(void);
int test_overlay_chord_churn(void);
int test_overlay_chord_client(void);

#endif
