/* ring.c - the ring as one node sees it: order, neighbor tables, responsibility, next hop. */
#include "overlay/chord/ring.h"

#include <math.h>

#include "base/assert.h"
#include "base/error.h"

static size_t within(size_t v, size_t low, size_t high)
{
    return v < low ? low : v > high ? high : v;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void ring_init(struct ring *ring, struct rf_mem *mem, const struct rf_id *self, size_t successor_min,
               size_t predecessor_min, size_t finger_wanted)
{
    *ring = (struct ring){.mem = mem, .self = *self};
    ring->successor_min = within(successor_min, 1, RING_MAX_NEIGHBORS);
    ring->predecessor_min = within(predecessor_min, 1, RING_MAX_NEIGHBORS);
    ring->finger_wanted = within(finger_wanted, 0, RING_MAX_FINGERS);
    ring->successor_count = ring->successor_min;
    ring->predecessor_count = ring->predecessor_min;
    ring->size = 1;
}

void ring_deinit(struct ring *ring)
{
    rf_free(ring->mem, ring->peers);
    ring->peers = NULL;
    ring->count = ring->cap = 0;
}

/* The first index whose distance is at least `distance`. */
static size_t lower_bound(const struct ring *ring, const struct rf_id *distance)
{
    return ring->count == 0
               ? 0
               : rf_id_lower_bound(&ring->peers->distance, ring->count, sizeof(ring->peers[0]), distance);
}

/* A key's distance from us; false: it is no ID of this ring. */
static bool distance_of(const struct ring *ring, const struct rf_id *key, struct rf_id *out)
{
    if (key->len != ring->self.len)
        return false;
    *out = rf_id_sub(key, &ring->self);
    return true;
}

static size_t find_index(const struct ring *ring, const struct rf_id *node)
{
    struct rf_id distance;
    if (!distance_of(ring, node, &distance))
        return ring->count;
    size_t i = lower_bound(ring, &distance);
    return i < ring->count && rf_id_equal(&ring->peers[i].distance, &distance) ? i : ring->count;
}

struct ring_peer *ring_find(const struct ring *ring, const struct rf_id *node)
{
    size_t i = find_index(ring, node);
    return i < ring->count ? &ring->peers[i] : NULL;
}

static bool index_is_neighbor(const struct ring *ring, size_t i)
{
    return i < ring->successor_count || i + ring->predecessor_count >= ring->count;
}

static void remove_index(struct ring *ring, size_t i)
{
    ring->rtt_sum_us -= ring->peers[i].rtt_us;
    ring->rtt_count -= ring->peers[i].rtt_us > 0;
    memmove(&ring->peers[i], &ring->peers[i + 1], (ring->count - i - 1) * sizeof(ring->peers[0]));
    ring->count--;
}

/* Room for one more at index `i`, which may move: a full table gives up one that is in no table for a neighbor. */
static int make_room(struct ring *ring, size_t *i)
{
    if (ring->count == RING_MAX_PEERS) {
        if (*i >= ring->successor_count && *i + ring->predecessor_count <= ring->count)
            return RF_ELIMIT;
        size_t victim = ring->successor_count;
        while (ring->peers[victim].finger)
            victim++;
        RF_ASSERT(!index_is_neighbor(ring, victim)); /* the tables together are smaller than the limit */
        remove_index(ring, victim);
        if (victim < *i)
            --*i;
        return 0;
    }
    if (ring->count < ring->cap)
        return 0;
    size_t cap = ring->cap ? 2 * ring->cap : 2;
    struct ring_peer *peers = rf_resize(ring->mem, ring->peers, cap * sizeof(peers[0]));
    if (!peers)
        return RF_ENOMEM;
    ring->peers = peers;
    ring->cap = cap;
    return 0;
}

int ring_add(struct ring *ring, const struct rf_id *node)
{
    struct ring_peer peer = {.node = *node};
    if (rf_id_is_zero(node) || rf_id_is_wildcard(node) || !distance_of(ring, node, &peer.distance) ||
        rf_id_is_zero(&peer.distance))
        return RF_EINVAL;
    size_t i = lower_bound(ring, &peer.distance);
    if (i < ring->count && rf_id_equal(&ring->peers[i].distance, &peer.distance))
        return RF_EEXIST;
    int error = make_room(ring, &i);
    if (error)
        return error;
    memmove(&ring->peers[i + 1], &ring->peers[i], (ring->count - i) * sizeof(ring->peers[0]));
    ring->peers[i] = peer;
    ring->count++;
    return 0;
}

bool ring_remove(struct ring *ring, const struct rf_id *node)
{
    size_t i = find_index(ring, node);
    if (i == ring->count)
        return false;
    remove_index(ring, i);
    return true;
}

size_t ring_successors(const struct ring *ring, struct rf_id *out, size_t max)
{
    size_t n = smaller(smaller(ring->successor_count, ring->count), max);
    for (size_t i = 0; i < n; i++)
        out[i] = ring->peers[i].node;
    return n;
}

size_t ring_predecessors(const struct ring *ring, struct rf_id *out, size_t max)
{
    size_t n = smaller(smaller(ring->predecessor_count, ring->count), max);
    for (size_t i = 0; i < n; i++)
        out[i] = ring->peers[ring->count - 1 - i].node;
    return n;
}

size_t ring_fingers(const struct ring *ring, struct rf_id *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < ring->count && n < max; i++) {
        if (!ring->peers[i].finger)
            continue;
        size_t at = n++; /* the order by distance is the numerical one but for the place where it wraps */
        while (at > 0 && rf_id_compare(&out[at - 1], &ring->peers[i].node) > 0) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = ring->peers[i].node;
    }
    return n;
}

size_t ring_successor_rank(const struct ring *ring, const struct rf_id *node)
{
    size_t i = find_index(ring, node);
    return i < ring->count && i < ring->successor_count ? i + 1 : 0;
}

size_t ring_predecessor_rank(const struct ring *ring, const struct rf_id *node)
{
    size_t i = find_index(ring, node);
    return i < ring->count && ring->count - i <= ring->predecessor_count ? ring->count - i : 0;
}

bool ring_is_neighbor(const struct ring *ring, const struct rf_id *node)
{
    size_t i = find_index(ring, node);
    return i < ring->count && index_is_neighbor(ring, i);
}

bool ring_wants_neighbor(const struct ring *ring, const struct rf_id *node)
{
    struct rf_id distance;
    if (!distance_of(ring, node, &distance) || rf_id_is_zero(&distance))
        return false;
    size_t i = lower_bound(ring, &distance);
    return i < larger(ring->successor_count, ring->successor_goal) ||
           i + larger(ring->predecessor_count, ring->predecessor_goal) > ring->count;
}

bool ring_is_whole(const struct ring *ring)
{
    return ring->count < ring->successor_count + ring->predecessor_count;
}

double ring_size(const struct ring *ring)
{
    if (ring_is_whole(ring))
        return (double)ring->count + 1;
    const struct rf_id *up = &ring->peers[ring->successor_count - 1].distance;
    const struct rf_id *far = &ring->peers[ring->count - ring->predecessor_count].distance;
    struct rf_id zero = {.len = ring->self.len};
    struct rf_id down = rf_id_sub(&zero, far);
    double span = rf_id_as_double(up) + rf_id_as_double(&down);
    double size = (double)(ring->successor_count + ring->predecessor_count) / span;
    /* We know that many for certain; crafted IDs next to ours must not make it infinite. */
    if (size < (double)ring->count + 1)
        size = (double)ring->count + 1;
    return size < 1e9 ? size : 1e9;
}

bool ring_responsible(const struct ring *ring, const struct rf_id *key)
{
    struct rf_id distance;
    if (!distance_of(ring, key, &distance))
        return false;
    if (ring->count == 0 || rf_id_is_zero(&distance))
        return true;
    return rf_id_compare(&distance, &ring->peers[ring->count - 1].distance) > 0;
}

bool ring_next_hop(const struct ring *ring, const struct rf_id *key, struct rf_id *out)
{
    struct rf_id distance;
    if (ring->count == 0 || !distance_of(ring, key, &distance))
        return false;
    size_t above = lower_bound(ring, &distance);
    if (above < ring->count && rf_id_equal(&ring->peers[above].distance, &distance))
        above++;
    for (size_t i = above; i > 0; i--) /* rule 2: nearest from below */
        if (!ring->peers[i - 1].avoid) {
            *out = ring->peers[i - 1].node;
            return true;
        }
    for (size_t i = above; i < ring->count && above == 0; i++) /* rule 3: our successor */
        if (!ring->peers[i].avoid) {
            *out = ring->peers[i].node;
            return true;
        }
    *out = ring->peers[above > 0 ? above - 1 : 0].node;
    return true;
}

static bool usable(const struct ring *ring, const struct rf_id *node)
{
    const struct ring_peer *peer = ring_find(ring, node);
    return peer && !peer->avoid;
}

/* Is the peer, the first one above the key, in charge of it as its last Update showed? A range that is far too large is not believed. */
static bool is_in_charge(const struct ring *ring, const struct ring_peer *peer, const struct rf_id *key)
{
    if (peer->avoid || peer->before.len != key->len || !rf_id_between(&peer->before, key, &peer->node))
        return false;
    struct rf_id range = rf_id_sub(&peer->node, &peer->before);
    return rf_id_as_double(&range) * ring->size <= RING_RANGE_MAX;
}

/* Hops that follow when `part` of the ring still lies between: one inside of what neighbor tables show, else by the measured law. */
static double hops_left(const struct ring *ring, double part)
{
    double peers = part * ring->size, shown = (double)ring->successor_count;
    return peers <= shown ? 1 : 1 + RING_HOPS_PER_E * log(peers / shown);
}

/*
 * Does the way to the key lead over a peer that lies `left` below it (negative: above)? Every step makes the shorter of the two ways round
 * shorter, so nothing goes in a circle. From below it steps over the key only to who named the peers around it: others may go by rule 2.
 */
static bool leads_on(const struct ring_peer *peer, double left, double key)
{
    bool we_are_above = 1 - key < key;
    double ours = we_are_above ? 1 - key : key;
    if (left >= 0)
        return left < ours;
    return -left < ours && (we_are_above || -left <= (double)peer->reach);
}

static const struct ring_peer *quickest(const struct ring *ring, const struct rf_id *distance)
{
    const struct ring_peer *best = NULL;
    const double key = rf_id_as_double(distance);
    const double mean = ring->rtt_count ? (double)ring->rtt_sum_us / (double)ring->rtt_count : 1;
    double best_cost = 0;
    for (size_t i = 0; i < ring->count; i++) {
        const struct ring_peer *peer = &ring->peers[i];
        double left = key - rf_id_as_double(&peer->distance);
        if (peer->avoid || !leads_on(peer, left, key))
            continue;
        double cost = (peer->rtt_us ? peer->rtt_us : mean) + mean * hops_left(ring, left < 0 ? -left : left);
        if (!best || cost < best_cost) {
            best = peer;
            best_cost = cost;
        }
    }
    return best;
}

bool ring_best_hop(const struct ring *ring, const struct rf_id *key, struct rf_id *out)
{
    struct rf_id distance, owner;
    if (ring->count == 0 || !distance_of(ring, key, &distance))
        return false;
    if (ring_owner(ring, key, &owner) && usable(ring, &owner)) {
        *out = owner;
        return true;
    }
    size_t above = lower_bound(ring, &distance);
    const struct ring_peer *peer = above < ring->count ? &ring->peers[above] : NULL;
    if (!peer || !is_in_charge(ring, peer, key))
        peer = quickest(ring, &distance);
    if (!peer)
        return ring_next_hop(ring, key, out);
    *out = peer->node;
    return true;
}

bool ring_owner(const struct ring *ring, const struct rf_id *key, struct rf_id *out)
{
    struct rf_id distance;
    if (!distance_of(ring, key, &distance) || ring_responsible(ring, key))
        return false;
    size_t i = lower_bound(ring, &distance); /* not past the end: then the key would be ours */
    RF_ASSERT(i < ring->count);
    bool below_known = i == 0 || index_is_neighbor(ring, i - 1);
    bool gapless =
        ring_is_whole(ring) || i < ring->successor_count || i + ring->predecessor_count > ring->count;
    if (!index_is_neighbor(ring, i) || !below_known || !gapless)
        return false;
    *out = ring->peers[i].node;
    return true;
}

bool ring_as_close(const struct ring *ring, const struct rf_id *signer, const struct rf_id *key)
{
    if (signer->len != ring->self.len || key->len != ring->self.len)
        return false;
    struct rf_id reach = rf_id_sub(signer, key);
    for (size_t i = 0; i < ring->count; i++) {
        if (!index_is_neighbor(ring, i))
            continue;
        struct rf_id nearer = rf_id_sub(&ring->peers[i].node, key);
        if (rf_id_compare(&nearer, &reach) < 0)
            return false;
    }
    return true;
}

/* How many predecessors of ours lie in [from, self)? At most `limit` are counted. */
static size_t predecessors_from(const struct ring *ring, const struct rf_id *from, size_t limit)
{
    struct rf_id distance = rf_id_sub(from, &ring->self);
    size_t n = 0;
    while (n < limit && n < ring->count &&
           rf_id_compare(&ring->peers[ring->count - 1 - n].distance, &distance) >= 0)
        n++;
    return n;
}

bool ring_may_replicate(const struct ring *ring, const struct rf_id *sender, const struct rf_id *key)
{
    if (sender->len != ring->self.len || key->len != ring->self.len || rf_id_equal(sender, &ring->self))
        return false;
    struct rf_id to_self = rf_id_sub(&ring->self, key), to_sender = rf_id_sub(sender, key);
    if (rf_id_compare(&to_sender, &to_self) >= 0)
        return false; /* going up from the key, we come before the sender */
    struct rf_id after = rf_id_add_small(sender, 1);
    return rf_id_equal(&after, &ring->self) || predecessors_from(ring, &after, 2) <= 1;
}

bool ring_should_hold(const struct ring *ring, const struct rf_id *key)
{
    if (key->len != ring->self.len)
        return false;
    return ring_responsible(ring, key) || predecessors_from(ring, key, 3) < 3;
}

/* ---- sizes and fingers ---- */

static unsigned id_bits(const struct ring *ring)
{
    return 8u * ring->self.len;
}

/* The number of leading zero bits of a distance that is not 0. */
static unsigned leading_zeros(const struct rf_id *distance)
{
    unsigned n = 0;
    for (int i = 0; i < distance->len; i++) {
        if (distance->b[i])
            return n + (unsigned)__builtin_clz(distance->b[i]) - 24;
        n += 8;
    }
    return n;
}

static unsigned bit_at(const struct rf_id *id, unsigned from_top)
{
    return id->b[from_top / 8] >> (7 - from_top % 8) & 1u;
}

static size_t slot_of_distance(const struct ring *ring, const struct rf_id *distance)
{
    unsigned level = leading_zeros(distance); /* 0 = the far half */
    if (level >= ring->levels)
        return ring_slots(ring);
    size_t part = 0;
    for (unsigned b = 0; b < ring->split_bits; b++)
        part = part << 1 | bit_at(distance, level + 1 + b);
    return ((size_t)level << ring->split_bits) + part;
}

/* The slot's lowest distance; its size is 2^`size_bit`. */
static struct rf_id slot_low(const struct ring *ring, size_t slot, unsigned *size_bit)
{
    unsigned level = (unsigned)(slot >> ring->split_bits);
    size_t part = slot & (((size_t)1 << ring->split_bits) - 1);
    struct rf_id low = rf_id_pow2(ring->self.len, id_bits(ring) - 1 - level);
    *size_bit = id_bits(ring) - 1 - level - ring->split_bits;
    for (unsigned b = 0; b < ring->split_bits; b++)
        if (part >> b & 1) {
            struct rf_id bit = rf_id_pow2(ring->self.len, *size_bit + b);
            low = rf_id_add(&low, &bit);
        }
    return low;
}

size_t ring_slots(const struct ring *ring)
{
    return (size_t)ring->levels << ring->split_bits;
}

size_t ring_slot_of(const struct ring *ring, const struct rf_id *node)
{
    struct rf_id distance;
    if (!distance_of(ring, node, &distance) || rf_id_is_zero(&distance))
        return ring_slots(ring);
    return slot_of_distance(ring, &distance);
}

unsigned ring_slot_entry(const struct ring *ring, size_t slot)
{
    return (unsigned)(slot >> ring->split_bits) + 1;
}

static bool slot_wanted(const struct ring *ring, size_t slot)
{
    return slot < ring_slots(ring) && (slot >> ring->split_bits) % (ring->stride ? ring->stride : 1) == 0;
}

bool ring_slot_missing(const struct ring *ring, size_t slot)
{
    if (ring_is_whole(ring) || !slot_wanted(ring, slot))
        return false;
    unsigned size_bit;
    struct rf_id low = slot_low(ring, slot, &size_bit);
    struct rf_id size = rf_id_pow2(ring->self.len, size_bit);
    struct rf_id end = rf_id_add(&low, &size); /* 0 for the last one of the far half */
    size_t i = lower_bound(ring, &low);
    if (i < ring->count && (rf_id_is_zero(&end) || rf_id_compare(&ring->peers[i].distance, &end) < 0))
        return false;
    /* i is the first peer above the slot, i - 1 the last one below: neighbors side by side leave no room. */
    bool succ_shown = i < ring->successor_count;
    bool pred_shown = i + ring->predecessor_count > ring->count;
    return !succ_shown && !pred_shown;
}

bool ring_slot_far_finger(const struct ring *ring, size_t slot)
{
    for (size_t i = 0; i < ring->count; i++) {
        const struct ring_peer *peer = &ring->peers[i];
        if (peer->finger && slot_of_distance(ring, &peer->distance) == slot)
            return !index_is_neighbor(ring, i) && 2ull * peer->rtt_us * ring->rtt_count > ring->rtt_sum_us;
    }
    return false;
}

double ring_slot_peers(const struct ring *ring, size_t slot)
{
    unsigned size_bit;
    slot_low(ring, slot, &size_bit);
    return ldexp(ring->size, -(int)(id_bits(ring) - size_bit));
}

struct rf_id ring_slot_start(const struct ring *ring, size_t slot)
{
    unsigned size_bit;
    struct rf_id low = slot_low(ring, slot, &size_bit);
    return rf_id_add(&ring->self, &low);
}

struct rf_id ring_slot_random(const struct ring *ring, size_t slot, struct rf_rng *rng)
{
    unsigned size_bit;
    struct rf_id low = slot_low(ring, slot, &size_bit), offset = {.len = ring->self.len};
    rf_rng_fill(rng, offset.b, offset.len);
    unsigned zero_bits = id_bits(ring) - size_bit;
    for (unsigned b = 0; b < zero_bits; b++)
        offset.b[b / 8] &= (uint8_t) ~(0x80u >> b % 8);
    low = rf_id_add(&low, &offset);
    return rf_id_add(&ring->self, &low);
}

/* Fewer fingers than there are entries, if links are to be few: half of what neighbors leave, since the other half come from others. */
static void thin_out(struct ring *ring, double log2_size)
{
    double room = (ring->links - (double)(ring->successor_count + ring->predecessor_count)) / 2;
    double entries = log2_size - log2((double)ring->successor_count); /* nearer ones are neighbors */
    ring->stride = 1;
    if (ring->links == 0)
        return;
    while (ring->split_bits > 0 && entries * (1u << ring->split_bits) > room)
        ring->split_bits--;
    while (ring->stride < RING_MAX_STRIDE && entries / ring->stride > room)
        ring->stride++;
}

static size_t tuned(size_t now, size_t least, double neighbors, size_t shown)
{
    size_t wanted = within((size_t)ceil(neighbors), least, RING_MAX_NEIGHBORS);
    if (shown && wanted > shown + 1)
        return within(shown + 1, least, RING_MAX_NEIGHBORS);
    if (wanted > now)
        return wanted;
    return wanted + 1 < now ? wanted + 1
                            : now; /* shrinks late, so that the estimate's noise does not move it */
}

/* ---- what is known of a peer ---- */

void ring_named(struct ring *ring, const struct rf_id *node, const struct rf_id *before,
                const struct rf_id *far)
{
    struct ring_peer *peer = ring_find(ring, node);
    if (!peer)
        return;
    peer->before = before ? *before : (struct rf_id){0};
    struct rf_id below = far ? rf_id_sub(node, far) : (struct rf_id){.len = ring->self.len};
    double part = rf_id_as_double(&below), most = (double)RING_RANGE_MAX / ring->size;
    peer->reach = (float)(RING_REACH_SHARE * (part < most ? part : most));
}

void ring_measured(struct ring *ring, const struct rf_id *node, uint32_t rtt_us)
{
    struct ring_peer *peer = ring_find(ring, node);
    if (!peer)
        return;
    ring->rtt_sum_us += (uint64_t)rtt_us - peer->rtt_us;
    ring->rtt_count += (rtt_us > 0) - (peer->rtt_us > 0);
    peer->rtt_us = rtt_us;
}

/* The finger that is there stays unless another is clearly nearer. */
static double finger_cost(const struct ring *ring, size_t i, double mean)
{
    const struct ring_peer *peer = &ring->peers[i];
    double rtt = peer->rtt_us ? peer->rtt_us : mean;
    return index_is_neighbor(ring, i) ? -1 : peer->finger ? rtt * RING_FINGER_STAYS : rtt;
}

void ring_elect(struct ring *ring)
{
    size_t i = 0;
    double mean = ring->rtt_count ? (double)ring->rtt_sum_us / (double)ring->rtt_count : 1;
    while (i < ring->count) {
        size_t slot = slot_of_distance(ring, &ring->peers[i].distance), best = i, end = i;
        for (; end < ring->count && slot_of_distance(ring, &ring->peers[end].distance) == slot; end++)
            if (finger_cost(ring, end, mean) < finger_cost(ring, best, mean))
                best = end;
        for (; i < end; i++)
            ring->peers[i].finger = slot_wanted(ring, slot) && i == best;
    }
}

bool ring_grows(const struct ring *ring)
{
    return ring->successor_goal > ring->successor_count || ring->predecessor_goal > ring->predecessor_count;
}

bool ring_grown(struct ring *ring)
{
    ring->successor_ready = ring->successor_goal;
    ring->predecessor_ready = ring->predecessor_goal;
    return ring_grows(ring);
}

/* The finger slots that a ring of that many entries is worth. */
static size_t slots_for(unsigned levels)
{
    if (levels < RING_LARGE_LEVELS)
        return 0;
    return (size_t)levels << (levels < RING_HUGE_LEVELS ? RING_LARGE_SPLIT : RING_HUGE_SPLIT);
}

void ring_tune(struct ring *ring)
{
    ring->size = ring_size(ring);
    double log2_size = log2(ring->size);
    double most = ring->links ? ring->links * RING_NEIGHBOR_SHARE : log2_size,
           wanted = log2_size < most ? log2_size : most;
    ring->successor_goal = tuned(ring->successor_count, ring->successor_min, wanted, ring->successor_shown);
    ring->predecessor_goal =
        tuned(ring->predecessor_count, ring->predecessor_min, wanted, ring->predecessor_shown);
    if (!ring->waits || ring->successor_goal <= larger(ring->successor_count, ring->successor_ready))
        ring->successor_count = ring->successor_goal;
    if (!ring->waits || ring->predecessor_goal <= larger(ring->predecessor_count, ring->predecessor_ready))
        ring->predecessor_count = ring->predecessor_goal;
    ring->successor_ready = ring->predecessor_ready = 0;
    unsigned levels = (unsigned)ceil(log2_size);
    if (levels > ring->levels || levels + 1 < ring->levels)
        ring->levels = levels;
    if (ring->levels > ring->finger_wanted)
        ring->levels = (unsigned)ring->finger_wanted;
    size_t slots = larger(ring->finger_wanted, slots_for(ring->levels));
    ring->split_bits = 0;
    while (ring->levels && ((size_t)ring->levels << (ring->split_bits + 1)) <= slots && ring->split_bits < 5)
        ring->split_bits++;
    thin_out(ring, log2_size);
    ring_elect(ring);
}
