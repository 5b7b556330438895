/* node_relay.c - turn/ on the virtual datagrams of a node_net. */
#include "support/node_relay.h"
#include <stdlib.h>
#include "base/assert.h"
#include "turn/turn.h"

#define RELAY_PORT  3478
#define SOCKETS_MAX 64

struct relay_socket {
    struct rf_turn_alloc *alloc; /* NULL: closed */
};
struct node_relay {
    struct node_net *net;
    size_t node;
    struct rf_env env;
    struct rf_turn_host host;
    struct rf_turn *turn;
    struct relay_socket sockets[SOCKETS_MAX];
};

static uint16_t port_of(const struct node_relay *r, const struct relay_socket *s)
{
    return (uint16_t)(50000 + (s - r->sockets));
}

static int relay_open(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even,
                      struct rf_addr *relayed, void **socket)
{
    struct node_relay *r = ctx;
    (void)family, (void)even;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (r->sockets[i].alloc == NULL) {
            r->sockets[i].alloc = alloc;
            *relayed = r->net->nodes[r->node].addr;
            relayed->port = port_of(r, &r->sockets[i]);
            *socket = &r->sockets[i];
            return 0;
        }
    return RF_ELIMIT;
}

static void relay_close(void *ctx, void *socket)
{
    (void)ctx;
    ((struct relay_socket *)socket)->alloc = NULL;
}

static void from_client(struct node_relay *r, const struct rf_addr *client, struct rf_view bytes)
{
    struct rf_turn_from from = {.addr = *client};
    struct rf_addr own = r->net->nodes[r->node].addr;
    struct rf_turn_act act;
    rf_turn_client(r->turn, &from, bytes, &act);
    own.port = act.type == RF_TURN_TO_PEER ? port_of(r, act.socket) : RELAY_PORT;
    if (act.type != RF_TURN_NOTHING)
        node_net_datagram(r->net, &own, act.type == RF_TURN_TO_PEER ? &act.peer : client, rf_view_of(NULL, 0),
                          act.bytes, 0);
}

static void from_peer(struct node_relay *r, struct relay_socket *s, const struct rf_addr *peer,
                      struct rf_view bytes)
{
    struct rf_addr own = r->net->nodes[r->node].addr;
    struct rf_turn_wrap wrap;
    own.port = RELAY_PORT;
    if (rf_turn_peer(r->turn, s->alloc, peer, bytes.len, &wrap))
        node_net_datagram(r->net, &own, &wrap.to->addr, rf_view_of(wrap.head, wrap.head_len), bytes,
                          wrap.pad);
}

static bool on_datagram(void *ctx, uint16_t port, const struct rf_addr *source, struct rf_view bytes)
{
    struct node_relay *r = ctx;
    if (port == RELAY_PORT)
        from_client(r, source, bytes);
    else if (port >= 50000 && port < 50000 + SOCKETS_MAX && r->sockets[port - 50000].alloc != NULL)
        from_peer(r, &r->sockets[port - 50000], source, bytes);
    else
        return false;
    return true;
}

static void relay_free(void *ctx)
{
    struct node_relay *r = ctx;
    rf_turn_free(r->turn);
    free(r);
}

void node_relay_start(struct node_net *net, size_t i)
{
    struct net_node *n = &net->nodes[i];
    struct rf_relay_server server = {.transport = RF_RELAY_UDP, .address = n->addr};
    struct rf_node_relay_offer offer = {.realm = "example.org", .servers = &server, .server_count = 1};
    struct rf_turn_config config = {.crypto = net->pki.crypto, .realm = "example.org", .private_peers = true};
    struct node_relay *r = calloc(1, sizeof(*r));
    RF_ASSERT(r != NULL);
    r->net = net;
    r->node = i;
    r->env = (struct rf_env){.mem = rf_mem_system(),
                             .timers = &net->events,
                             .now = &net->now,
                             .secret = &n->rng.rng,
                             .jitter = &n->rng.rng};
    r->host = (struct rf_turn_host){.ctx = r, .open = relay_open, .close = relay_close};
    config.host = &r->host;
    rf_rng_fill(&n->rng.rng, config.secret, sizeof(config.secret));
    RF_ASSERT(rf_turn_new(&r->env, &config, &r->turn) == 0);
    n->extra = (struct net_extra){.ctx = r, .datagram = on_datagram, .free = relay_free};
    server.address.port = RELAY_PORT;
    memcpy(offer.secret, config.secret, sizeof(offer.secret));
    RF_ASSERT(rf_node_serve_relay(n->node, &offer, net->now) == 0);
    node_net_settle(net, i);
}

uint64_t node_relay_count(const struct node_net *net, size_t i)
{
    const struct node_relay *r = net->nodes[i].extra.ctx;
    struct rf_turn_status status;
    rf_turn_status(r->turn, &status);
    return status.counters.to_peer + status.counters.to_client;
}

size_t node_relay_allocations(const struct node_net *net, size_t i)
{
    const struct node_relay *r = net->nodes[i].extra.ctx;
    size_t count = 0;
    for (size_t k = 0; k < SOCKETS_MAX; k++)
        count += r->sockets[k].alloc != NULL;
    return count;
}
