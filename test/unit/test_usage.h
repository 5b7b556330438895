/* test_usage.h - what the tests of the usages share: a small net whose nodes all have usages. */
#ifndef RF_TEST_USAGE_H
#define RF_TEST_USAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "support/store_net.h"
#include "usage/acl.h"
#include "usage/redir.h"
#include "usage/turn.h"
#include "usage/usages.h"
#include "wire/value.h"

/* Supernodes 40, 80, c0, then clients of alice (two devices), bob, carol, dave. */
enum { U40, U80, UC0, UALICE, UALICE2, UBOB, UCAROL, UDAVE, USAGE_NODES };

struct usage_net {
    struct sn_net net;
    struct rf_usages *usages[USAGE_NODES];
    int registered[USAGE_NODES]; /* what the callback told last; -1 = nothing */
};
extern struct usage_net un;

int usage_setup(void **state);
int usage_teardown(void **state);
struct sn_node *un_node(size_t number);
struct rf_sipreg *un_sipreg(size_t number);
struct rf_certs *un_certs(size_t number);
/* (Re)starts usages, after sn_restart took their storage. */
void un_usages_start(size_t number);
void un_usages_stop(size_t number);
/* Runs until the condition holds, at most `s` virtual seconds; false: it never did. */
bool un_wait(bool (*cond)(void *arg), void *arg, unsigned s);
/* Stores and waits; the error code, or 0. */
uint16_t un_store(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  struct rf_view value, uint32_t lifetime_s);
/* How many existing values there are. */
size_t un_count(const struct rf_id *resource, uint32_t kind);

/* the test groups */
int run_usage_kind_tests(void);
int run_usage_own_tests(void);
int run_usage_lookup_tests(void);

#endif
