/* node_relay.h - a TURN server for the nodes of a node_net: turn/ on virtual datagrams, at port 3478 of one of them. */
#ifndef RF_TEST_SUPPORT_NODE_RELAY_H
#define RF_TEST_SUPPORT_NODE_RELAY_H

#include "support/node_net.h"

/* node_relay_start lets node i serve one, and say so; ended by node_net_deinit. */
void node_relay_start(struct node_net *net, size_t i);
/* node_relay_count: datagrams relayed so far, both ways. */
uint64_t node_relay_count(const struct node_net *net, size_t i);

/* node_relay_allocations: how many stand now. */
size_t node_relay_allocations(const struct node_net *net, size_t i);

#endif
