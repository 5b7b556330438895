/*
 * nat.h - a NAT box as a pure object: which outside port a host's packets leave from, and which packets from outside come in.
 *
 * Words are those of RFC 4787 (UDP) and RFC 5382 (TCP). A box keeps one entry per session ("flow": protocol, host, inside port, remote address
 * and port) with the outside port that it was given. Mapping and filtering follow from the entries that live:
 *
 *   mapping    a packet from inside takes the outside port of a living flow of its host and port: of any (endpoint-independent), of one to
 *              the same address (address-dependent), of one to the same address and port (address and port-dependent); else a new port
 *   filtering  a packet to an outside port comes in if a flow lives there: any, one to its source's address, one to address and port
 *
 * So a binding lives as long as one of its flows. Timers of a flow: UDP, refreshed by packets from inside only (RFC 4787, REQ-6); TCP by both
 * ways, one for established connections, a short one (transitory, RFC 5382 REQ-5) before the first answer and after an end. What has run out is
 * forgotten when somebody looks.
 *
 * A TCP packet that is no SYN and finds no flow (it ran out, the box was restarted) leaves from a new port, never from its old one: the other side does
 * not know that connection and resets it. Boxes that give the old port back when it is free are kinder than that.
 *
 * A hotel's gateway counts the flows of each guest; one above the limit and it forgets the guest's flows and drops all that he
 * sends for a time.
 */
#ifndef RF_SIM_NAT_H
#define RF_SIM_NAT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

enum sim_nat_kind {
    SIM_NAT_OPEN = 0, /* no translation, nothing filtered */
    SIM_NAT_FULL_CONE,
    SIM_NAT_RESTRICTED,
    SIM_NAT_PORT_RESTRICTED,
    SIM_NAT_SYMMETRIC,
    SIM_NAT_HOTEL, /* symmetric, with a limit of flows */
    SIM_NAT_KINDS
};
enum sim_nat_rule { SIM_NAT_ANY_END = 0, SIM_NAT_SAME_ADDRESS, SIM_NAT_SAME_ADDRESS_AND_PORT };

struct sim_nat_config {
    const char *name;
    uint8_t mapping, filtering; /* enum sim_nat_rule */
    bool preserve;              /* the outside port is the inside one while that is free */
    bool hairpin;               /* hosts reach each other by the outside address */
    uint16_t max_flows;         /* of one host; 0: no limit */
    uint32_t block_s;           /* who goes above is cut off for so long */
    uint32_t udp_s, tcp_s, transitory_s;
};

enum sim_nat_protocol { SIM_NAT_UDP = 1, SIM_NAT_TCP };
enum { SIM_NAT_SYN = 1, SIM_NAT_END = 2 }; /* what a TCP packet is: the first; the last (FIN, RST) */

struct sim_nat_packet {
    uint8_t protocol, flags;
    uint16_t port; /* from inside: the host's; from outside: the box's that it goes to */
    uint32_t remote_ip;
    uint16_t remote_port;
};

struct sim_nat_flow; /* 16 bytes */
/* A box: 32 bytes, and 16 for each flow. Zero-filled: an open one. */
struct sim_nat {
    struct sim_nat_flow *flows;          /* owned */
    const struct sim_nat_config *config; /* borrowed; NULL: open */
    uint32_t ip;
    uint32_t ports_given; /* decides the next port */
    uint32_t dropped;     /* packets from outside that found no way in */
    uint16_t flow_count, flow_cap;
};

/* sim_nat_config_default: the rules of a kind with the time-outs that RFC 4787 and RFC 5382 recommend as the least. */
void sim_nat_config_default(enum sim_nat_kind kind, struct sim_nat_config *config);
void sim_nat_init(struct sim_nat *nat, const struct sim_nat_config *config, uint32_t ip);
void sim_nat_deinit(struct sim_nat *nat, struct rf_mem *mem);
/* sim_nat_forward: packets to the outside port `port` always come in, to the same port of `host`. Errors: RF_ENOMEM. */
int sim_nat_forward(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, uint16_t port);
bool sim_nat_forwards(const struct sim_nat *nat, uint16_t port);
/* sim_nat_reset: the box restarts; forwarded ports and blocks stay, flows are gone. ip: its outside address from now on. */
void sim_nat_reset(struct sim_nat *nat, uint32_t ip);
/*
 * sim_nat_out: a packet of a host goes out. *port: the outside port that the remote side sees.
 * Errors: RF_ELIMIT too many flows or no port is free, RF_EFORBIDDEN the host is blocked, RF_ENOTFOUND the end of a flow that is not there,
 * RF_ENOMEM. The packet is dropped then.
 */
int sim_nat_out(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, const struct sim_nat_packet *packet,
                uint64_t now_us, uint16_t *port);
/*
 * sim_nat_in: a packet comes to one of the box's ports. *host and *port: who gets it.
 * Errors: RF_ENOTFOUND nothing is mapped to that port, RF_EFORBIDDEN filtered, or the host is blocked. The packet is dropped then.
 */
int sim_nat_in(struct sim_nat *nat, const struct sim_nat_packet *packet, uint64_t now_us, uint8_t *host,
               uint16_t *port);
/* sim_nat_flows: how many live now, without forwarded ports and blocks. */
unsigned sim_nat_flows(const struct sim_nat *nat, uint64_t now_us);

#endif
