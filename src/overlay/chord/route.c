/* route.c - the questions that the overlay and its storage ask the topology (reload.md 5.3, 5.4, 2.8 rule 4, 4.3 check 2). */
#include "overlay/chord/chord.h"

#define CHORD_MAX_TRIED 8

static bool in_ring(const struct rf_topology *t)
{
    return t->params.role == RF_ROLE_PEER && t->state == RF_TOPOLOGY_JOINED;
}

bool chord_responsible(const struct rf_topology *t, const struct rf_id *key)
{
    return in_ring(t) && ring_responsible(&t->ring, key);
}

bool chord_in_range(const struct rf_topology *t, const struct rf_id *key)
{
    return chord_responsible(t, key);
}

/*
 * A key between our second predecessor and our first goes to the second by the rule, which sends it to the first. While the second has
 * not told us that it knows the first (which joined at us just now), this would come back to us.
 */
static bool newcomer(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    size_t count = t->ring.count;
    if (count < 2 || t->ring.peers[count - 1].avoid)
        return false;
    const struct rf_id *first = &t->ring.peers[count - 1].node, *second = &t->ring.peers[count - 2].node;
    const struct chord_conn *conn = chord_conn_find(t, second);
    if (!rf_id_between(second, key, first) || !conn || rf_id_equal(&conn->successor, first))
        return false;
    *out = *first;
    return true;
}

static bool client_next_hop(const struct rf_topology *t, struct rf_id *out)
{
    if (t->client.home.len && chord_conn_find(t, &t->client.home)) {
        *out = t->client.home;
        return true;
    }
    if (t->join.boot.len && chord_conn_find(t, &t->join.boot)) {
        *out = t->join.boot;
        return true;
    }
    return false;
}

bool chord_next_hop(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    if (key->len != t->params.self.len)
        return false;
    const struct chord_conn *conn = chord_conn_find(t, key);
    if (conn && !conn->suspect) {
        *out = *key;
        return true;
    }
    if (t->params.role == RF_ROLE_CLIENT)
        return client_next_hop(t, out);
    if (ring_responsible(&t->ring, key)) {
        bool leaving = t->state == RF_TOPOLOGY_LEAVING && t->ring.count > 0;
        if (leaving)
            *out = t->ring.peers[0].node;
        return leaving; /* else ours, or about to be (JOINING): nobody else's */
    }
    return newcomer(t, key, out) || ring_best_hop(&t->ring, key, out);
}

static bool is_tried(const struct rf_id *node, const struct rf_id *tried, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rf_id_equal(node, &tried[i]))
            return true;
    return false;
}

/* The first of a client's supernodes that was not tried. */
static bool client_other_hop(const struct rf_topology *t, const struct rf_id *tried, size_t count,
                             struct rf_id *out)
{
    const struct rf_id *hops[] = {&t->client.home, &t->client.reserve, &t->join.boot};
    for (size_t i = 0; i < 3; i++)
        if (hops[i]->len && chord_conn_find(t, hops[i]) && !is_tried(hops[i], tried, count)) {
            *out = *hops[i];
            return true;
        }
    return false;
}

/* Any that was not tried: by chance, or, without `rng`, the first from our successor on. */
static bool any_hop(const struct rf_topology *t, const struct rf_id *tried, size_t count, struct rf_rng *rng,
                    struct rf_id *out)
{
    size_t first = rng && t->ring.count ? (size_t)rf_rng_below(rng, t->ring.count) : 0;
    for (size_t i = 0; i < t->ring.count; i++) {
        const struct ring_peer *peer = &t->ring.peers[(first + i) % t->ring.count];
        if (peer->avoid || is_tried(&peer->node, tried, count))
            continue;
        *out = peer->node;
        return true;
    }
    return false;
}

/* The best hop when those that were tried are avoided, as a suspect peer is; where none of the others leads nearer, one that does not. */
bool chord_other_hop(const struct rf_topology *t, const struct rf_id *key, const struct rf_id *tried,
                     size_t tried_count, struct rf_rng *rng, struct rf_id *out)
{
    bool avoided[CHORD_MAX_TRIED], found;
    if (tried_count > CHORD_MAX_TRIED || key->len != t->params.self.len)
        return false;
    if (t->params.role == RF_ROLE_CLIENT)
        return client_other_hop(t, tried, tried_count, out);
    if (ring_responsible(&t->ring, key))
        return false;
    if (rng)
        return any_hop(t, tried, tried_count, rng, out);
    for (size_t i = 0; i < tried_count; i++) {
        struct ring_peer *peer = ring_find(&t->ring, &tried[i]);
        avoided[i] = peer && !peer->avoid;
        if (avoided[i])
            peer->avoid = true;
    }
    found = ring_best_hop(&t->ring, key, out) && !is_tried(out, tried, tried_count);
    for (size_t i = 0; i < tried_count; i++)
        if (avoided[i])
            ring_find(&t->ring, &tried[i])->avoid = false;
    return found || any_hop(t, tried, tried_count, NULL, out);
}

bool chord_as_close(const struct rf_topology *t, const struct rf_id *signer, const struct rf_id *key)
{
    return ring_as_close(&t->ring, signer, key);
}

size_t chord_replicas(const struct rf_topology *t, struct rf_id *out, size_t max)
{
    return in_ring(t) ? ring_successors(&t->ring, out, max) : 0;
}

bool chord_is_peer(const struct rf_topology *t, const struct rf_id *node)
{
    const struct chord_conn *conn = chord_conn_find(t, node);
    return conn != NULL && conn->peer;
}

bool chord_ring_is_single(const struct rf_topology *t)
{
    return in_ring(t) && t->ring.count == 0;
}

bool chord_may_replicate(const struct rf_topology *t, const struct rf_id *sender, const struct rf_id *key)
{
    return t->params.role == RF_ROLE_PEER && ring_may_replicate(&t->ring, sender, key);
}

bool chord_should_hold(const struct rf_topology *t, const struct rf_id *key)
{
    return t->params.role == RF_ROLE_PEER && ring_should_hold(&t->ring, key);
}

bool chord_owner(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    if (t->params.role != RF_ROLE_PEER || t->ring.count == 0)
        return false;
    if (t->state == RF_TOPOLOGY_LEAVING && ring_responsible(&t->ring, key)) {
        *out = t->ring.peers[0].node; /* it takes over what was ours */
        return true;
    }
    return ring_owner(&t->ring, key, out);
}

static size_t put(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t n, size_t max,
                  const struct rf_id *node, char relation, unsigned rank)
{
    const struct chord_conn *conn = chord_conn_find(t, node);
    if (n == max || node->len == 0)
        return n;
    out[n] = (struct rf_topology_status_entry){.node = *node, .relation = relation, .rank = rank};
    if (conn) {
        out[n].link = conn->link;
        out[n].uptime_s = conn->uptime_s;
    }
    return n + 1;
}

size_t chord_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max)
{
    size_t n = 0;
    if (t->params.role == RF_ROLE_CLIENT) {
        n = put(t, out, n, max, &t->client.home, 'a', 1);
        return put(t, out, n, max, &t->client.reserve, 'b', 1);
    }
    for (size_t i = t->tables->pred_count; i > 0; i--)
        n = put(t, out, n, max, &t->tables->pred[i - 1], 'p', (unsigned)i);
    for (size_t i = 0; i < t->tables->succ_count; i++)
        n = put(t, out, n, max, &t->tables->succ[i], 's', (unsigned)i + 1);
    for (size_t i = 0; i < t->ring.count; i++)
        if (t->ring.peers[i].finger)
            n = put(t, out, n, max, &t->ring.peers[i].node, 'f',
                    ring_slot_entry(&t->ring, ring_slot_of(&t->ring, &t->ring.peers[i].node)));
    return n;
}

double chord_share(const struct rf_topology *t)
{
    if (!in_ring(t))
        return 0;
    if (t->ring.count == 0)
        return 1;
    struct rf_id share = rf_id_sub(&t->params.self, &t->ring.peers[t->ring.count - 1].node);
    return rf_id_as_double(&share);
}

double chord_size(const struct rf_topology *t)
{
    return in_ring(t) ? ring_size(&t->ring) : 0;
}
