/* chord_net_check.c - what must hold in a virtual network that has come to rest: the ideal ring, lookups, clients. */
#include "support/chord_net.h"

#include <stdio.h>
#include <stdlib.h>

static const struct rf_topology_ops *ops(void)
{
    return &rf_topology_chord;
}

static int by_id(const void *a, const void *b)
{
    const struct rf_overlay *const *x = a, *const *y = b;
    return rf_id_compare(&(*x)->id, &(*y)->id);
}

size_t net_peers(const struct net *net, size_t out[NET_MAX_NODES])
{
    static const struct rf_overlay *sorted[NET_MAX_NODES];
    size_t n = 0;
    for (size_t i = 0; i < net->node_count; i++)
        if (net->nodes[i].alive && net->nodes[i].role == RF_ROLE_PEER)
            sorted[n++] = &net->nodes[i];
    qsort(sorted, n, sizeof(sorted[0]), by_id);
    for (size_t i = 0; i < n; i++)
        out[i] = sorted[i]->number;
    return n;
}

static bool fault(char *why, size_t why_len, const char *what, size_t node, size_t detail)
{
    if (why)
        snprintf(why, why_len, "node %zu: %s (%zu)", node, what, detail);
    return false;
}

/* The peer `place` steps from peer `i` going up (down if negative). */
static const struct rf_overlay *at(const struct net *net, const size_t *peers, size_t count, size_t i,
                                   long place)
{
    long n = (long)count;
    return &net->nodes[peers[(((long)i + place) % n + n) % n]];
}

static bool tables_right(const struct net *net, const size_t *peers, size_t count, size_t i, char *why,
                         size_t len)
{
    struct rf_topology_status_entry entries[300];
    const struct rf_overlay *self = &net->nodes[peers[i]];
    size_t n = ops()->status(self->topology, entries, 300), succ = 0, pred = 0;
    size_t most = count - 1;
    for (size_t k = 0; k < n; k++) {
        const struct rf_topology_status_entry *e = &entries[k];
        if (e->relation == 'f' || e->rank > net->exact_rank)
            continue;
        bool up = e->relation == 's';
        long place = up ? (long)e->rank : -(long)e->rank;
        const struct rf_overlay *ideal = at(net, peers, count, i, place);
        size_t there = net_find(net, &e->node);
        if (there != ideal->number && !net->nodes[there].alive)
            return fault(why, len, up ? "dead successor" : "dead predecessor", self->number, there);
        if (there != ideal->number)
            return fault(why, len, up ? "wrong successor, rank" : "wrong predecessor, rank", self->number,
                         e->rank);
        if (!net_linked(net, self->number, ideal->number) || e->link == 0)
            return fault(why, len, "not linked with neighbor", self->number, ideal->number);
        succ += up;
        pred += !up;
    }
    size_t wanted = most < 3 ? most : 3;
    if (succ < wanted || pred < wanted)
        return fault(why, len, "too few neighbors", self->number, succ < pred ? succ : pred);
    return true;
}

/* Exactly the right peer claims `key`. */
static bool claimed_right(const struct net *net, const size_t *peers, size_t count, const struct rf_id *key,
                          size_t owner, char *why, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        bool claims = ops()->responsible(net->nodes[peers[i]].topology, key);
        if (claims != (i == owner))
            return fault(why, len, claims ? "claims too much" : "claims too little", peers[i], owner);
    }
    return true;
}

bool net_ideal(const struct net *net, char *why, size_t why_len)
{
    static size_t peers[NET_MAX_NODES];
    size_t count = net_peers(net, peers);
    for (size_t i = 0; i < count; i++) {
        const struct rf_overlay *self = &net->nodes[peers[i]];
        if (self->state != RF_TOPOLOGY_JOINED)
            return fault(why, why_len, "not joined, state", self->number, self->state);
        if (ops()->ring_is_single(self->topology) != (count == 1))
            return fault(why, why_len, "alone", self->number, count);
        if (!tables_right(net, peers, count, i, why, why_len))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct rf_id *id = &net->nodes[peers[i]].id;
        struct rf_id after = rf_id_add_small(id, 1);
        if (!claimed_right(net, peers, count, id, i, why, why_len) ||
            !claimed_right(net, peers, count, &after, (i + 1) % count, why, why_len))
            return false;
    }
    return true;
}

uint64_t net_converge(struct net *net, uint64_t limit_us)
{
    uint64_t start = net->now.mono_us;
    char why[200] = "";
    while (!net_ideal(net, why, sizeof(why))) {
        if (net->now.mono_us - start >= limit_us) {
            print_message("seed %llu: not converged after %llu s: %s\n", (unsigned long long)net->config.seed,
                          (unsigned long long)(limit_us / NET_S), why);
            return UINT64_MAX;
        }
        net_run(net, NET_S / 4);
    }
    return net->now.mono_us - start;
}

int net_lookup(const struct net *net, size_t from, const struct rf_id *key, size_t *end)
{
    size_t node = from;
    for (int hops = 0; hops < 100; hops++) {
        const struct rf_overlay *self = &net->nodes[node];
        struct rf_id next;
        if (ops()->responsible(self->topology, key)) {
            *end = node;
            return hops;
        }
        if (!ops()->next_hop(self->topology, key, &next))
            return -1;
        size_t to = net_find(net, &next);
        if (to == net->node_count || !net_linked(net, node, to) || !net->nodes[to].alive)
            return -1;
        node = to;
    }
    return -1;
}

static size_t owner_of(const struct net *net, const size_t *peers, size_t count, const struct rf_id *key)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_compare(&net->nodes[peers[i]].id, key) >= 0)
            return peers[i];
    return peers[0];
}

bool net_clients_ideal(const struct net *net, char *why, size_t why_len)
{
    static size_t peers[NET_MAX_NODES];
    size_t count = net_peers(net, peers);
    for (size_t i = 0; i < net->node_count; i++) {
        const struct rf_overlay *self = &net->nodes[i];
        struct rf_topology_status_entry entries[4];
        struct rf_id hop;
        if (!self->alive || self->role != RF_ROLE_CLIENT)
            continue;
        if (self->state != RF_TOPOLOGY_JOINED)
            return fault(why, why_len, "client not joined", i, self->state);
        size_t n = ops()->status(self->topology, entries, 4);
        size_t owner = owner_of(net, peers, count, &self->id);
        if (n < 1 || entries[0].relation != 'a' || net_find(net, &entries[0].node) != owner)
            return fault(why, why_len, "client at the wrong supernode, right is", i, owner);
        if (!net_linked(net, i, owner) || !ops()->in_range(net->nodes[owner].topology, &self->id))
            return fault(why, why_len, "client not linked with its supernode", i, owner);
        if (!ops()->next_hop(self->topology, &net->nodes[peers[0]].id, &hop) ||
            !rf_id_equal(&hop, &net->nodes[owner].id)) {
            bool direct = rf_id_equal(&hop, &net->nodes[peers[0]].id) && net_linked(net, i, peers[0]);
            if (!direct)
                return fault(why, why_len, "client sends elsewhere", i, owner);
        }
        if (ops()->responsible(self->topology, &self->id))
            return fault(why, why_len, "a client claims keys", i, 0);
        if (count > 1 && (n < 2 || entries[1].relation != 'b' || entries[1].link == 0 ||
                          net_find(net, &entries[1].node) == owner))
            return fault(why, why_len, "client without a second supernode", i, n);
    }
    return true;
}

struct net_counts net_totals(const struct net *net)
{
    struct net_counts sum = {0};
    for (size_t i = 0; i < net->node_count; i++) {
        sum.messages += net->nodes[i].counts.messages;
        sum.bytes += net->nodes[i].counts.bytes;
        for (size_t k = 0; k < 64; k++)
            sum.requests[k] += net->nodes[i].counts.requests[k];
    }
    return sum;
}
