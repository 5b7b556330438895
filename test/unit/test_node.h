/* test_node.h - the parts of the test of whole nodes. */
#ifndef RF_TEST_UNIT_TEST_NODE_H
#define RF_TEST_UNIT_TEST_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "support/node_net.h"

#define S RF_US_PER_S

/* test_net makes `supernodes` supernodes (s0, s1, ...; all of them started and joined) and returns their count. */
void test_net(struct node_net *net, uint64_t seed, size_t supernodes, const struct rf_engine_ops *engine);
/* test_client adds a client, starts it and waits until it has joined and is registered. */
size_t test_client(struct node_net *net, const char *user);
/* test_whois asks node i and returns how many devices were found; -error otherwise. where: who answered (may be NULL). */
int test_whois(struct node_net *net, size_t i, const char *name, struct rf_id *where);
bool test_registered(struct node_net *net, void *index);
/* test_ring_right checks the ring's correctness: every running supernode's nearest predecessor and successor. */
bool test_ring_right(struct node_net *net, void *arg);

/* test_node_faults.c */
void test_two_killed(void **state);
void test_restart_keeps_records(void **state);
void test_disk_refuses(void **state);
void test_partition(void **state);
void test_revoked(void **state);
void test_all_restart(void **state);
void test_graceful_leave(void **state);
void test_garbage(void **state);

/* test_node_documents.c */
void test_kinds_outlive_a_restart(void **state);
void test_kinds_and_new_documents(void **state);
void test_unmet_documents(void **state);
void test_unmet_by_role(void **state);

#endif
