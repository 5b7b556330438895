/* test_node_path.h - what the files of test_node_path share: nodes in an overlay with ICE that talk with each other. */
#ifndef RF_TEST_NODE_PATH_H
#define RF_TEST_NODE_PATH_H

#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "overlay/internal.h"
#include "support/node_net.h"
#include "support/node_relay.h"

#define S   RF_US_PER_S
#define APP 5060

extern struct node_net net;

/* An application that answers what it gets. */
struct talk {
    size_t node;
    size_t ups, downs;
    rf_link_id conn;
    char got[64];
    struct rf_buf kept; /* all of it, while max is set */
    bool done;
    int error;
};
extern struct talk talks[NET_MAX_NODES];

size_t path_add(const char *kind, size_t number, enum rf_node_role role, enum net_nat nat);
void path_start_net(uint64_t seed, size_t supers);
int path_attach(size_t from, size_t to);
void path_say(size_t from, size_t to, const char *text);
struct rf_link_info path_link_of(size_t i);
uint64_t path_relayed(void);
bool path_is_done(struct node_net *n, void *arg);
/* an application */
void path_on_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user, bool outgoing);
void path_on_data(void *ctx, rf_link_id conn, struct rf_view bytes);
void path_on_down(void *ctx, rf_link_id conn, int reason);
void path_on_attached(void *arg, int error, rf_link_id conn);

/* test_node_path_moves.c */
void path_move(size_t i); /* it moves to another network */
void test_upgrade(void **state);
void test_moved(void **state);
void test_moved_relayed(void **state);
void test_moved_in_vain(void **state);
void test_moved_guests_friend(void **state);
void test_moved_from_nobody(void **state);
void test_restart_flood(void **state);

/* test_node_path_overlay.c */
void test_attach(void **state);
void test_attach_wire(void **state);
void test_attach_both(void **state);
void test_attach_moved(void **state);
void test_attach_forgotten(void **state);
void test_attach_ring(void **state);

/* test_node_path_limits.c */
void test_path_flood(void **state);
void test_path_links(void **state);
void test_path_conns(void **state);
void test_path_places(void **state);
void test_relay_owner(void **state);
void test_relay_restarted(void **state);

/* test_node_path_large.c */
void test_large(void **state);

#endif
