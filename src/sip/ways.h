/*
 * ways.h - the ways that media take to other nodes: the SIP thread's ICE agent (ice/), its UDP sockets and its timer.
 *
 * One socket for each local address serves all calls: servers are asked once, a NAT holds one binding. Only a second way to the same device at the same time
 * needs another set of sockets (ICE tells data apart by socket and remote address); such a set is a "slot". An agent of ice/ has room for a few slots; there
 * is one, and more of them only when somebody has that many ways to one device. Sockets are opened when the first way needs them, and anew for other
 * addresses when the machine has moved: the bases of the agent move with them, and ways go on from there.
 *
 * Relays are asked by UDP. When no server has answered by UDP once that should have happened, those that are given for TCP are asked as well (turn_tcp.h).
 *
 * An end that moved: ICE checks from the new address at once, and the other end follows if its NAT lets that in. If not, or if what we send is not
 * answered by anything at all (a gateway that forgot, or the other end moved): `restart`, on which way_restart -> `ready` -> way_start -> `selected` follow.
 *
 * A way: way_open (asks STUN and TURN servers) -> `ready` -> way_local; way_start with the other node's -> `selected`, again when it changes -> `failed`, or
 * way_close. Everything comes from the loop, nothing from inside way_open.
 */
#ifndef RF_SIP_WAYS_H
#define RF_SIP_WAYS_H

#include "ice/ice.h"
#include "sip/core.h"

#define WAYS_MAX_ADDRS  4
#define WAYS_MAX_PACKET 2048 /* bytes of a datagram */
#define WAYS_HEAD       RF_ICE_HEAD_MAX
#define WAYS_TAIL       4 /* room that way_send needs before and behind what it sends */
#define WAYS_MAX_AGENTS 16
#define WAYS_MAX        512

/* The system's form of an address, and back (family 0: another family). */
socklen_t ways_sockaddr(const struct rf_addr *addr, struct sockaddr_storage *out);
struct rf_addr ways_addr(const struct sockaddr_storage *ss);

struct ways;
struct way;

struct way_handler {
    void (*ready)(void *arg);
    void (*selected)(void *arg);
    void (*restart)(
        void *
            arg); /* it leads nowhere any more, most likely; data go there until something else is selected */
    void (*failed)(void *arg, int error);
    /* data: not STUN. `bytes` may be changed. */
    void (*data)(void *arg, uint8_t *bytes, size_t len);
    void *arg;
};

/* ways_new: crypto is the SIP thread's own, borrowed. loopback: its addresses are candidates, too. Errors: RF_ENOMEM, RF_EINVAL. */
int ways_new(struct core *core, struct rf_crypto *crypto, bool loopback, struct ways **out);
void ways_free(struct ways *ways); /* after every way has been closed */

/* Servers, as sip.h tells. Copied. */
struct rf_sip_servers;
void ways_set_servers(struct ways *ways, const struct rf_sip_servers *servers);

/* ways_packets: the SIP thread's scratch for reading (packets.h); borrowed. */
struct packets *ways_packets(struct ways *ways);

/* way_open: to the device `node`. Errors: RF_ELIMIT, RF_ENOMEM, RF_ESYSTEM no socket. */
int way_open(struct ways *ways, const struct rf_id *node, bool controlling, const struct way_handler *handler,
             struct way **out);
void way_close(struct way *way); /* also from within its own handler */
/* way_local: borrowed until the next call for this way. way_start, way_restart: see ice.h. Errors as there. */
int way_local(struct way *way, struct rf_ice_params *out);
int way_start(struct way *way, const struct rf_ice_params *remote);
int way_restart(struct way *way);
bool way_info(const struct way *way, struct rf_ice_info *out); /* false: nothing is selected */
/* way_send: WAYS_HEAD bytes before and WAYS_TAIL bytes behind are written over. Errors: RF_EAGAIN no way yet, RF_ESYSTEM. */
int way_send(struct way *way, uint8_t *bytes, size_t len);

#endif
