/*
 * ice_world.h - an Internet in memory for ICE agents: hosts, NAT boxes of all kinds (sim/nat.h), two STUN servers of which one is a TURN server (turn/), delay, loss,
 * duplicates, reordering; streams to the TURN server. Time is virtual, everything follows from one seed.
 *
 * Public: servers 45.0.0.1 and 45.0.0.2, boxes 45.0.1.n, hosts 45.0.2.h. Behind box n: hosts 10.n.0.(10+h), boxes 10.n.0.(200+m).
 */
#ifndef RF_TEST_ICE_WORLD_H
#define RF_TEST_ICE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "ice/ice.h"
#include "sim/nat.h"
#include "stun/stun.h"
#include "support/still_env.h"
#include "turn/turn.h"

#define WORLD_HOSTS   4
#define WORLD_NATS    4
#define WORLD_SOCKETS 64
#define WORLD_OUTSIDE 0xff /* of a host or a box: no NAT before it */
#define WORLD_PORT    6084

struct ice_world;
struct world_host {
    struct ice_world *world;
    struct rf_ice *ice;
    uint8_t index, nat;
    bool udp_blocked, streams_blocked;
    uint8_t second_nat;
    struct rf_addr second; /* of base 1, family 0: none */
    struct rf_addr addr;   /* of base 0 */
    uint32_t stream;       /* to the TURN server, 0: none */
    int streams;           /* asked for, and not yet given back */
    rf_ice_id session;     /* what the events below are about */
    unsigned gathered, selected, failed, restarts, unserved;
    unsigned older_events; /* of other sessions */
    int error;
    uint64_t selected_us;
    uint64_t sent;       /* datagrams that left */
    unsigned data_count; /* that came */
    uint8_t data[64];    /* the last */
    size_t data_len;
    unsigned other_count; /* datagrams that were nobody's */
};

struct ice_world {
    struct still_env e;
    struct rf_ice_config config;
    struct world_host hosts[WORLD_HOSTS];
    struct sim_nat nats[WORLD_NATS];
    struct sim_nat_config nat_configs[WORLD_NATS];
    uint8_t nat_outside[WORLD_NATS];
    struct rf_turn *turn;
    struct rf_turn_host turn_host;
    struct rf_turn_credentials credentials;
    struct rf_turn_alloc *allocs[WORLD_SOCKETS];
    size_t opened;
    struct rf_list packets;
    uint64_t delay_us, signal_us; /* one way */
    uint64_t jitter_us;
    unsigned loss_percent, duplicate_percent;
    uint64_t trace; /* a hash of all datagrams and their times */
    bool (*tap)(struct ice_world *world, struct world_host *to, const struct rf_addr *from,
                struct rf_view bytes);                  /* false: dropped */
    const struct rf_ice_session_config *session_config; /* of both; NULL: zero */
    bool same_roles, roles;                             /* both sides have this one */
};

void world_init(struct ice_world *w, uint64_t seed);
void world_deinit(struct ice_world *w); /* frees the agents, and checks that nothing is left */
struct rf_addr world_addr(const char *text);
/* world_nat makes a box in front of everything behind it; outside: the box before it, or WORLD_OUTSIDE. Gives its number. */
uint8_t world_nat(struct ice_world *w, enum sim_nat_kind kind, uint8_t outside);
/* world_host makes a host with an agent that asks both STUN servers, and the TURN server if `relay` (by a stream if `stream`). */
struct world_host *world_host(struct ice_world *w, uint8_t nat, bool relay, bool stream);
void world_second(struct world_host *h, uint8_t nat); /* a second interface, base 1 */
void world_move(struct world_host *h, uint8_t nat);   /* to another network */
void world_pass(struct ice_world *w, uint64_t us);
void world_drain(struct world_host *h);
/* world_call opens sessions on both, and signals until each has what it needs; a controls. world_signal: again, after restarts. */
void world_call(struct world_host *a, struct world_host *b);
void world_signal(struct world_host *a, struct world_host *b);
/* world_connect: call, and wait until both have selected. The virtual time from a's start of checks until both had; 0: they did not connect in 20 s. */
uint64_t world_connect(struct world_host *a, struct world_host *b);
bool world_send(struct world_host *h, const char *text);
/* world_talk: both hear each other. */
void world_talk(struct world_host *a, struct world_host *b);
void world_inject(struct world_host *h, const struct rf_addr *from, struct rf_view bytes);
struct rf_ice_info world_info(struct world_host *h);

#endif
