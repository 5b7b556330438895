/*
 * ways_internal.h - what the files of the ways share: ways.c (sockets, agents, ways), ways_move.c (this machine's addresses, ways that are silent), ways_servers.c (whom agents ask, relays by TCP).
 */
#ifndef RF_SIP_WAYS_INTERNAL_H
#define RF_SIP_WAYS_INTERNAL_H

#include "sip/sip.h"
#include "sip/turn_tcp.h"
#include "sip/packets.h"
#include "sip/ways.h"

#define NO_TURN 0xff

struct way_key { /* no holes: it is hashed */
    struct agent *agent;
    rf_ice_id id;
};
_Static_assert(sizeof(struct way_key) == sizeof(void *) + sizeof(rf_ice_id), "holes");

struct way {
    struct rf_map_node node;
    struct ways *ways;
    struct way_key key;
    struct rf_id peer;
    struct way_handler handler;
    size_t slot;                              /* over all agents */
    bool again;                               /* gathered a second time, with relays by TCP */
    uint64_t sent_us, heard_us, restarted_us; /* data; 0: never */
    unsigned asked;                           /* whether anybody is there, since something was last heard */
};

struct base {
    struct agent *agent;
    int fd; /* -1: none */
    uint8_t number;
    bool used; /* some way began with it */
};

struct agent {
    struct ways *ways;
    struct rf_ice *ice;
    struct base bases[RF_ICE_MAX_BASES];
    uint8_t turns[RF_ICE_MAX_TURN]; /* numbers of ways->turns */
    struct turn_tcp *tcps[RF_ICE_MAX_TURN];
};

struct turn {
    struct rf_addr addr;
    bool stream;
    char *user, *password; /* owned */
};

struct ways {
    struct core *core;
    bool loopback;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_rng rng;
    struct rf_env env;
    struct rf_crypto *crypto;
    struct agent *agents[WAYS_MAX_AGENTS]; /* NULL from the first one that is not needed on */
    struct rf_map by_id;
    struct tmr tmr, watch;
    bool draining;
    bool tcp; /* relays are asked by TCP: nobody answered by UDP */
    struct rf_addr addrs[WAYS_MAX_ADDRS];
    size_t addr_count; /* bases of a slot: it does not change while there are ways */
    struct rf_addr stuns[RF_ICE_MAX_STUN];
    size_t stun_count;
    struct turn turns[RF_ICE_MAX_TURN]; /* user NULL: none */
    uint64_t armed_us;                  /* when tmr fires, while it runs */
    struct packets packets;
};

/* ways.c */
void ways_enter(struct ways *ways); /* at each door: what time it is */
void ways_leave(struct ways *ways); /* does what ice/ wants done, and sets the timer */
struct way *ways_find(struct agent *agent, rf_ice_id id);
int ways_base_open(struct base *base, const struct rf_addr *ip);
void ways_base_close(struct base *base);

/* ways_move.c */
void ways_look_around(struct ways *ways); /* no way is in use: the addresses of now */
void ways_watch(struct ways *ways);       /* from now on, until no way is in use */

/* ways_servers.c */
void ways_add_servers(struct agent *agent); /* to a new one */
void ways_forget_tcp(struct ways *ways); /* without a way in use nobody knows any more whether UDP gets out */
void ways_forget_turn(struct ways *ways, size_t at);
/* ways_gather_again, once for each: no server has answered by UDP, and a relay may be reached by TCP. */
bool ways_gather_again(struct way *way);
void ways_relay_open(struct agent *agent, const struct rf_ice_out *out);
void ways_relay_close(struct agent *agent, uint32_t number);
int ways_relay_send(struct agent *agent, uint32_t number, const void *bytes, size_t len);

#endif
