/* test_link.h - the groups of the link room's tests. */
#ifndef RF_TEST_LINK_H
#define RF_TEST_LINK_H

#include "link_world.h"

int test_link_up(void);
int test_link_refuse(void);
int test_link_life(void);
int test_link_limits(void);
int test_link_engine(void);
int test_link_dtls_engine(void);
int test_link_dtls_hostile(void);
int test_link_dtls_up(void);
int test_link_dtls_send(void);
int test_link_ordered(void);

/* A test of both engines: its state is the engine. */
#define both_engines(fn)                                                                                     \
    {#fn " (gnutls)", fn, NULL, NULL, (void *)(uintptr_t)&rf_engine_gnutls},                                 \
    {                                                                                                        \
#fn " (plain)", fn, NULL, NULL, (void *)(uintptr_t)&rf_engine_plain                                  \
    }

#define both_datagram_engines(fn)                                                                            \
    {#fn " (gnutls)", fn, NULL, NULL, (void *)(uintptr_t)&rf_engine_gnutls_dtls},                            \
    {                                                                                                        \
#fn " (plain)", fn, NULL, NULL, (void *)(uintptr_t)&rf_engine_plain_datagram                         \
    }

#endif
