/* nat.c - a NAT box: its flows, the ports that it gives, what it lets in. nat.h tells the rules. */
#include "sim/nat.h"

#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "sim/stream.h"

#define PORT_FIRST 1024u /* RFC 4787, REQ-3: never a well-known one for what is none */
#define PORT_COUNT (65536u - PORT_FIRST)
#define FLOWS_MAX  60000u
#define FEW        4

enum flow_state {
    FLOW_UDP = 1,
    FLOW_OPENING,
    FLOW_ESTABLISHED,
    FLOW_CLOSING,
    FLOW_FORWARD, /* no flow: a port that stays open, for TCP and UDP */
    FLOW_BLOCK,   /* no flow: the host is cut off */
};
struct sim_nat_flow {
    uint32_t remote_ip;
    uint32_t last_ms;
    uint16_t remote_port, inside_port, outside_port;
    uint8_t host, state;
};

void sim_nat_config_default(enum sim_nat_kind kind, struct sim_nat_config *config)
{
    static const struct sim_nat_config kinds[SIM_NAT_KINDS] = {
        {"open", SIM_NAT_ANY_END, SIM_NAT_ANY_END, true, true, 0, 0, 0, 0, 0},
        {"full-cone", SIM_NAT_ANY_END, SIM_NAT_ANY_END, true, true, 0, 0, 0, 0, 0},
        {"restricted", SIM_NAT_ANY_END, SIM_NAT_SAME_ADDRESS, true, true, 0, 0, 0, 0, 0},
        {"port-restricted", SIM_NAT_ANY_END, SIM_NAT_SAME_ADDRESS_AND_PORT, true, false, 0, 0, 0, 0, 0},
        {"symmetric", SIM_NAT_SAME_ADDRESS_AND_PORT, SIM_NAT_SAME_ADDRESS_AND_PORT, false, false, 0, 0, 0, 0,
         0},
        {"hotel", SIM_NAT_SAME_ADDRESS_AND_PORT, SIM_NAT_SAME_ADDRESS_AND_PORT, false, false, 200, 900, 0, 0,
         0},
    };
    *config = kinds[kind];
    config->udp_s = 120;        /* RFC 4787, REQ-5 */
    config->tcp_s = 7440;       /* RFC 5382, REQ-5: 2 hours 4 minutes */
    config->transitory_s = 240; /* RFC 5382, REQ-5 */
}

void sim_nat_init(struct sim_nat *nat, const struct sim_nat_config *config, uint32_t ip)
{
    *nat = (struct sim_nat){.config = config, .ip = ip};
}

void sim_nat_deinit(struct sim_nat *nat, struct rf_mem *mem)
{
    rf_free(mem, nat->flows);
    *nat = (struct sim_nat){.flows = NULL};
}

/* ---- flows ---- */

static uint32_t ms_of(uint64_t now_us)
{
    return (uint32_t)(now_us / 1000);
}

static bool alive(const struct sim_nat *nat, const struct sim_nat_flow *f, uint32_t now_ms)
{
    uint32_t life_s = f->state == FLOW_UDP           ? nat->config->udp_s
                      : f->state == FLOW_ESTABLISHED ? nat->config->tcp_s
                      : f->state == FLOW_BLOCK       ? nat->config->block_s
                                                     : nat->config->transitory_s;
    return f->state == FLOW_FORWARD || now_ms - f->last_ms < (uint64_t)life_s * 1000;
}

static bool is_flow(const struct sim_nat_flow *f)
{
    return f->state < FLOW_FORWARD;
}

static bool same_protocol(const struct sim_nat_flow *f, uint8_t protocol)
{
    return f->state == FLOW_FORWARD || (is_flow(f) && (f->state == FLOW_UDP) == (protocol == SIM_NAT_UDP));
}

static bool matches(const struct sim_nat_flow *f, uint8_t rule, const struct sim_nat_packet *p)
{
    return f->state == FLOW_FORWARD || rule == SIM_NAT_ANY_END ||
           (f->remote_ip == p->remote_ip &&
            (rule == SIM_NAT_SAME_ADDRESS || f->remote_port == p->remote_port));
}

static void sweep(struct sim_nat *nat, uint32_t now_ms)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < nat->flow_count; i++)
        if (alive(nat, &nat->flows[i], now_ms))
            nat->flows[kept++] = nat->flows[i];
    nat->flow_count = kept;
}

static struct sim_nat_flow *flow_add(struct sim_nat *nat, struct rf_mem *mem, uint32_t now_ms)
{
    if (nat->flow_count == nat->flow_cap)
        sweep(nat, now_ms);
    if (nat->flow_count == nat->flow_cap) {
        unsigned cap =
            nat->flow_cap + (nat->flow_cap < FEW ? 1 : nat->flow_cap / 2); /* most hold two or three */
        void *p = cap > FLOWS_MAX ? NULL : rf_resize(mem, nat->flows, cap * sizeof(nat->flows[0]));
        if (p == NULL)
            return NULL;
        nat->flows = p;
        nat->flow_cap = (uint16_t)cap;
    }
    struct sim_nat_flow *f = &nat->flows[nat->flow_count++];
    memset(f, 0, sizeof(*f));
    f->last_ms = now_ms;
    return f;
}

static bool blocked(const struct sim_nat *nat, uint8_t host, uint32_t now_ms)
{
    for (uint16_t i = 0; i < nat->flow_count; i++)
        if (nat->flows[i].state == FLOW_BLOCK && nat->flows[i].host == host &&
            alive(nat, &nat->flows[i], now_ms))
            return true;
    return false;
}

unsigned sim_nat_flows(const struct sim_nat *nat, uint64_t now_us)
{
    unsigned count = 0;
    for (uint16_t i = 0; i < nat->flow_count; i++)
        count += is_flow(&nat->flows[i]) && alive(nat, &nat->flows[i], ms_of(now_us));
    return count;
}

int sim_nat_forward(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, uint16_t port)
{
    struct sim_nat_flow *f = flow_add(nat, mem, 0);
    if (f == NULL)
        return RF_ENOMEM;
    f->state = FLOW_FORWARD;
    f->host = host;
    f->inside_port = f->outside_port = port;
    return 0;
}

bool sim_nat_forwards(const struct sim_nat *nat, uint16_t port)
{
    for (uint16_t i = 0; i < nat->flow_count; i++)
        if (nat->flows[i].state == FLOW_FORWARD && nat->flows[i].outside_port == port)
            return true;
    return false;
}

void sim_nat_reset(struct sim_nat *nat, uint32_t ip)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < nat->flow_count; i++)
        if (!is_flow(&nat->flows[i]))
            nat->flows[kept++] = nat->flows[i];
    nat->flow_count = kept;
    nat->ip = ip;
}

/* ---- outside ports ---- */

static bool port_free(const struct sim_nat *nat, uint8_t protocol, uint16_t port, uint32_t now_ms)
{
    for (uint16_t i = 0; i < nat->flow_count; i++) {
        const struct sim_nat_flow *f = &nat->flows[i];
        if (f->outside_port == port && same_protocol(f, protocol) && alive(nat, f, now_ms))
            return false;
    }
    return true;
}

/* Ports are never shared ("overloaded", RFC 4787 REQ-3). 0: none is free. */
static uint16_t port_new(struct sim_nat *nat, const struct sim_nat_packet *p, uint32_t now_ms)
{
    bool first = p->protocol == SIM_NAT_UDP || (p->flags & SIM_NAT_SYN) != 0;
    if (nat->config->preserve && first && p->port >= PORT_FIRST &&
        port_free(nat, p->protocol, p->port, now_ms))
        return p->port;
    uint64_t start = sim_mix(((uint64_t)nat->ip << 32) + ++nat->ports_given);
    for (uint32_t i = 0; i < PORT_COUNT; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
        if (port != p->port && port_free(nat, p->protocol, port, now_ms))
            return port;
    }
    return 0;
}

/* ---- packets ---- */

/* The host is above the limit: its flows are forgotten, and it is cut off for a time. */
static int block(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, uint32_t now_ms)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < nat->flow_count; i++)
        if (!is_flow(&nat->flows[i]) || nat->flows[i].host != host)
            nat->flows[kept++] = nat->flows[i];
    nat->flow_count = kept;
    struct sim_nat_flow *f = flow_add(nat, mem, now_ms);
    if (f == NULL)
        return RF_ENOMEM;
    f->state = FLOW_BLOCK;
    f->host = host;
    return RF_ELIMIT;
}

static int flow_new(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, const struct sim_nat_packet *p,
                    const struct sim_nat_flow *binding, uint32_t now_ms, uint16_t *port)
{
    unsigned count = 0;
    uint8_t state = p->protocol == SIM_NAT_UDP                         ? FLOW_UDP
                    : binding != NULL || (p->flags & SIM_NAT_SYN) == 0 ? FLOW_ESTABLISHED
                                                                       : FLOW_OPENING;
    *port = binding != NULL ? binding->outside_port : 0;
    for (uint16_t i = 0; i < nat->flow_count; i++)
        count += is_flow(&nat->flows[i]) && nat->flows[i].host == host && alive(nat, &nat->flows[i], now_ms);
    if (nat->config->max_flows > 0 && count >= nat->config->max_flows)
        return block(nat, mem, host, now_ms);
    if (*port == 0 && (*port = port_new(nat, p, now_ms)) == 0)
        return RF_ELIMIT;
    struct sim_nat_flow *f = flow_add(nat, mem, now_ms); /* binding is not valid any more */
    if (f == NULL)
        return RF_ENOMEM;
    f->state = state;
    f->host = host;
    f->inside_port = p->port;
    f->outside_port = *port;
    f->remote_ip = p->remote_ip;
    f->remote_port = p->remote_port;
    return 0;
}

int sim_nat_out(struct sim_nat *nat, struct rf_mem *mem, uint8_t host, const struct sim_nat_packet *p,
                uint64_t now_us, uint16_t *port)
{
    uint32_t now_ms = ms_of(now_us);
    const struct sim_nat_flow *binding = NULL;
    if (blocked(nat, host, now_ms))
        return RF_EFORBIDDEN;
    for (uint16_t i = 0; i < nat->flow_count; i++) {
        struct sim_nat_flow *f = &nat->flows[i];
        if (!same_protocol(f, p->protocol) || f->host != host || f->inside_port != p->port ||
            !alive(nat, f, now_ms))
            continue;
        if (f->state != FLOW_FORWARD && matches(f, SIM_NAT_SAME_ADDRESS_AND_PORT, p)) {
            f->last_ms = now_ms;
            if (p->flags & SIM_NAT_END)
                f->state = FLOW_CLOSING;
            *port = f->outside_port;
            return 0;
        }
        if (matches(f, nat->config->mapping, p))
            binding = f;
    }
    if (p->flags & SIM_NAT_END)
        return RF_ENOTFOUND;
    return flow_new(nat, mem, host, p, binding, now_ms, port);
}

int sim_nat_in(struct sim_nat *nat, const struct sim_nat_packet *p, uint64_t now_us, uint8_t *host,
               uint16_t *port)
{
    uint32_t now_ms = ms_of(now_us);
    int error = RF_ENOTFOUND;
    for (uint16_t i = 0; i < nat->flow_count; i++) {
        struct sim_nat_flow *f = &nat->flows[i];
        if (f->outside_port != p->port || !same_protocol(f, p->protocol) || !alive(nat, f, now_ms))
            continue;
        bool own = f->state != FLOW_FORWARD && matches(f, SIM_NAT_SAME_ADDRESS_AND_PORT, p);
        if (error != 0)
            error = RF_EFORBIDDEN;
        if (own && f->state != FLOW_UDP) {
            f->last_ms = now_ms;
            f->state = p->flags & SIM_NAT_END ? FLOW_CLOSING : f->state;
            f->state = f->state == FLOW_OPENING ? FLOW_ESTABLISHED : f->state;
        }
        if (!own && !matches(f, nat->config->filtering, p))
            continue;
        *host = f->host;
        *port = f->inside_port;
        error = 0;
    }
    if (error == 0 && blocked(nat, *host, now_ms))
        error = RF_EFORBIDDEN;
    nat->dropped += error != 0;
    return error;
}
