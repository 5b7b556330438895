/*
 * border.c - who is behind which NAT box, what addresses that gives, and the way of packets through boxes.
 *
 * Addresses. Node i has 20.0.0.0 plus i, or is host h of a box and has 192.168.0.2 plus h inside; the box has the address of its
 * first client outside, and another one, 64 million higher, after each change of it (16 of them in turn). All listen on SIM_PORT, which the outside
 * reaches only where the box forwards it.
 *
 * Boxes lie in one table, one for `hosts` clients after one another, made only if the scenario has any: then an open client costs the 32
 * bytes of a place in the table, one behind a box these and 16 for each flow. All clients of a box are of one shard, so that a box is touched
 * by one thread; its address alone is read by all, and changes between windows only.
 */
#include "base/assert.h"
#include "sim/world.h"

#define FIRST_IP  0x14000000u /* 20.0.0.0 */
#define INSIDE_IP 0xc0a80002u /* 192.168.0.2 */
#define INDEX_MAX (1u << 26)
#define ADDRESSES 16

/* ---- boxes ---- */

static struct sim_nat *box_at(const struct rf_sim *sim, uint32_t index)
{
    if (sim->boxes == NULL || index < sim->scenario.supernodes)
        return NULL;
    struct sim_nat *box = &sim->boxes[(index - sim->scenario.supernodes) / sim->scenario.nats.hosts];
    return box->config != NULL ? box : NULL;
}

static struct sim_nat *box_of(const struct sim_node *n)
{
    return n->super ? NULL : box_at(n->shard->sim, n->index);
}

static uint8_t host_of(const struct sim_node *n)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    return (uint8_t)((n->index - sc->supernodes) % sc->nats.hosts);
}

static uint32_t owner_of(const struct rf_sim *sim, uint32_t index)
{
    uint32_t first = (uint32_t)sim->scenario.supernodes, hosts = (uint32_t)sim->scenario.nats.hosts;
    return index < first ? index : first + (index - first) / hosts * hosts;
}

static enum sim_nat_kind draw_kind(const struct rf_sim_nats *nats, struct sim_stream *s)
{
    double sum = 0;
    for (int kind = SIM_NAT_FULL_CONE; kind < SIM_NAT_KINDS; kind++)
        sum += nats->weights[kind];
    double at = sim_draw_unit(s) * sum;
    for (int kind = SIM_NAT_FULL_CONE; kind < SIM_NAT_KINDS; kind++)
        if ((at -= nats->weights[kind]) < 0)
            return (enum sim_nat_kind)kind;
    return SIM_NAT_PORT_RESTRICTED;
}

int sim_border_new(struct rf_sim *sim)
{
    const struct rf_sim_scenario *sc = &sim->scenario;
    const struct rf_sim_nats *nats = &sc->nats;
    if (sc->natted <= 0 || sc->clients == 0)
        return 0;
    if (sim->node_count > INDEX_MAX)
        return RF_EINVAL;
    sim->box_count = (sc->clients + nats->hosts - 1) / nats->hosts;
    sim->boxes = rf_zalloc(sim->config.mem, sim->box_count * sizeof(sim->boxes[0]));
    if (sim->boxes == NULL)
        return RF_ENOMEM;
    for (int kind = 0; kind < SIM_NAT_KINDS; kind++) {
        struct sim_nat_config *config = &sim->nat_configs[kind];
        sim_nat_config_default((enum sim_nat_kind)kind, config);
        config->tcp_s = nats->timeout_s;
        if (config->transitory_s > nats->timeout_s)
            config->transitory_s = nats->timeout_s;
        if (config->max_flows > 0)
            config->max_flows = (uint16_t)nats->flows;
        config->block_s = nats->block_s;
    }
    for (size_t i = 0; i < sim->box_count; i++) {
        struct sim_stream s = sim_stream_of(sim->config.seed, 'b', i);
        uint32_t owner = (uint32_t)(sc->supernodes + i * nats->hosts);
        if (sim_draw_unit(&s) >= sc->natted)
            continue;
        sim_nat_init(&sim->boxes[i], &sim->nat_configs[draw_kind(nats, &s)], FIRST_IP + owner);
        if (sim_draw_unit(&s) < nats->forwarded &&
            sim_nat_forward(&sim->boxes[i], sim->config.mem, 0, SIM_PORT) != 0)
            return RF_ENOMEM;
    }
    return 0;
}

void sim_border_free(struct rf_sim *sim)
{
    for (size_t i = 0; sim->boxes != NULL && i < sim->box_count; i++)
        sim_nat_deinit(&sim->boxes[i], sim->config.mem);
    rf_free(sim->config.mem, sim->boxes);
}

size_t sim_border_shard(const struct rf_sim *sim, uint32_t index)
{
    if (sim->boxes != NULL)
        index = owner_of(sim, index);
    struct sim_stream s = sim_stream_of(sim->config.seed, 'n', index);
    return (size_t)((sim_draw(&s) >> 32) * sim->shard_count >> 32);
}

bool sim_border_has_box(const struct sim_node *n)
{
    return box_of(n) != NULL;
}

void sim_border_reset(struct sim_node *n, bool new_address)
{
    struct sim_nat *box = box_of(n);
    uint32_t turn = (box->ip - FIRST_IP) / INDEX_MAX;
    if (new_address)
        turn = (turn + 1) % ADDRESSES;
    sim_nat_reset(box, FIRST_IP + turn * INDEX_MAX + owner_of(n->shard->sim, n->index));
}

/* ---- addresses ---- */

static struct rf_addr addr_of(uint32_t ip, uint16_t port)
{
    return (struct rf_addr){
        .family = 4,
        .port = port,
        .ip = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}};
}

static uint32_t ip_of(const struct sim_node *n)
{
    const struct sim_nat *box = box_of(n);
    return box != NULL ? box->ip : FIRST_IP + n->index;
}

struct rf_addr sim_addr_of(const struct sim_node *n)
{
    return addr_of(ip_of(n), SIM_PORT);
}

struct rf_addr sim_host_addr(const struct sim_node *n)
{
    return box_of(n) != NULL ? addr_of(INSIDE_IP + host_of(n), SIM_PORT) : sim_addr_of(n);
}

struct rf_addr sim_listen_addr(const struct sim_node *n)
{
    const struct sim_nat *box = box_of(n);
    return box != NULL && host_of(n) == 0 && sim_nat_forwards(box, SIM_PORT) ? sim_addr_of(n)
                                                                             : sim_host_addr(n);
}

static bool same_box(const struct sim_node *a, const struct sim_node *b)
{
    const struct sim_nat *box = box_of(a);
    return box != NULL && box == box_of(b);
}

static struct sim_node *host_at(const struct sim_node *from, uint32_t host)
{
    const struct rf_sim *sim = from->shard->sim;
    uint32_t index = owner_of(sim, from->index) + host;
    return box_of(from) != NULL && host < sim->scenario.nats.hosts && index < sim->node_count
               ? &sim->nodes[index]
               : NULL;
}

struct sim_node *sim_node_at(const struct sim_node *from, const struct rf_addr *addr)
{
    const struct rf_sim *sim = from->shard->sim;
    uint32_t ip =
        (uint32_t)addr->ip[0] << 24 | (uint32_t)addr->ip[1] << 16 | (uint32_t)addr->ip[2] << 8 | addr->ip[3];
    if (addr->family != 4 || addr->port != SIM_PORT)
        return NULL;
    if (ip >= INSIDE_IP && ip < INSIDE_IP + RF_SIM_NAT_HOSTS)
        return host_at(from, ip - INSIDE_IP);
    uint32_t index = sim->boxes != NULL ? (ip - FIRST_IP) % INDEX_MAX : ip - FIRST_IP;
    if (ip < FIRST_IP || index >= sim->node_count || ip_of(&sim->nodes[index]) != ip)
        return NULL;
    struct sim_node *n = &sim->nodes[index];
    const struct sim_nat *box = box_of(from);
    return same_box(from, n) && !(box->config->hairpin && sim_nat_forwards(box, SIM_PORT)) ? NULL : n;
}

struct rf_addr sim_remote_of(const struct sim_node *n, const struct sim_event *e)
{
    const struct sim_node *peer = &n->shard->sim->nodes[e->src];
    struct rf_addr addr = same_box(n, peer) ? sim_host_addr(peer) : sim_addr_of(peer);
    addr.port = e->from_port;
    return addr;
}

/* ---- packets ---- */

bool sim_border_out(struct sim_node *n, struct sim_event *e, uint32_t dst, uint16_t from_port,
                    uint16_t to_port, uint8_t flags)
{
    struct rf_sim *sim = n->shard->sim;
    struct sim_nat *box = box_of(n);
    const struct sim_node *peer = &sim->nodes[dst];
    e->from_port = from_port;
    e->to_port = to_port;
    if (box == NULL || same_box(n, peer))
        return true;
    struct sim_nat_packet packet = {SIM_NAT_TCP, flags, from_port, ip_of(peer), to_port};
    if (sim_nat_out(box, sim->config.mem, host_of(n), &packet, n->shard->now_us, &e->from_port) == 0)
        return true;
    n->shard->tally.nat_dropped++;
    return false;
}

bool sim_border_in(struct sim_node *n, struct sim_event *e)
{
    struct sim_nat *box = box_of(n);
    const struct sim_node *peer = &n->shard->sim->nodes[e->src];
    bool end = e->type == SIM_EVENT_CLOSE || e->type == SIM_EVENT_REFUSED;
    uint8_t host;
    if ((e->marks & SIM_MARK_INSIDE) != 0)
        return true;
    e->marks |= SIM_MARK_INSIDE;
    if (box == NULL || same_box(n, peer))
        return true;
    struct sim_nat_packet packet = {.protocol = SIM_NAT_TCP,
                                    .flags = end                         ? SIM_NAT_END
                                             : e->type == SIM_EVENT_DIAL ? SIM_NAT_SYN
                                                                         : 0,
                                    .port = e->to_port,
                                    .remote_ip = ip_of(peer),
                                    .remote_port = e->from_port};
    if (sim_nat_in(box, &packet, n->shard->now_us, &host, &e->to_port) == 0 && host == host_of(n))
        return true;
    n->shard->tally.nat_dropped++;
    return false;
}
