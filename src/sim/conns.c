/*
 * conns.c - connections between nodes: TCP as far as a node can tell.
 *
 * An end lives in the shard of its node and is named by slot and generation; the two ends know each other by such references only. States: DIALLING (SYN under
 * way, or held back by a cut) -> OPEN -> free. Bytes of one direction arrive in order. At most window_len of them are sent and not
 * known to be read: what a busy node has not read stays in the sender's output, which its link table watches. While the way to the peer is cut
 * nothing is sent; the end tries again after a pause that doubles. A close sends what is there and forgets the end.
 */
#include "base/assert.h"
#include "sim/world.h"

#define DIAL_RETRY_US 1000000 /* Linux: SYN again after 1, 2, 4 ... s */
#define DATA_RETRY_US 400000
#define RETRY_MAX_US  60000000
#define TRIES_MAX     16
#define PORT_FIRST    32768 /* of dials; like Linux's */
#define PORT_COUNT    28000
#define ACK_LEN       52 /* an acknowledgement with its headers */

/* ---- the table of ends ---- */

static struct sim_end *end_of_slot(const struct sim_shard *s, uint32_t slot)
{
    return &s->end_chunks[slot / SIM_END_CHUNK][slot % SIM_END_CHUNK];
}

struct sim_end *sim_end_at(const struct sim_shard *s, struct sim_ref ref)
{
    if (ref.gen == 0 || ref.slot >= s->end_slots)
        return NULL;
    struct sim_end *end = end_of_slot(s, ref.slot);
    return end->gen == ref.gen && end->state != SIM_END_FREE ? end : NULL;
}

bool sim_conn_linked(const struct sim_node *n, uint32_t peer)
{
    for (uint32_t at = n->first_end; at != 0;) {
        const struct sim_end *end = end_of_slot(n->shard, at - 1);
        if (end->peer_node == peer && end->state == SIM_END_OPEN)
            return true;
        at = end->next_of_node;
    }
    return false;
}

static size_t hash_of(const struct sim_shard *s, uint32_t node, rf_link_id flow)
{
    return sim_mix(flow * 0x9e3779b97f4a7c15 + node) & (s->end_hash_size - 1);
}

static void hash_grow(struct sim_shard *s)
{
    size_t size = s->end_hash_size == 0 ? 1024 : 2 * s->end_hash_size;
    rf_free(s->sim->config.mem, s->end_hash);
    s->end_hash = rf_zalloc(s->sim->config.mem, size * sizeof(s->end_hash[0]));
    RF_ASSERT(s->end_hash != NULL);
    s->end_hash_size = size;
    for (uint32_t slot = 0; slot < s->end_slots; slot++) {
        struct sim_end *end = end_of_slot(s, slot);
        if (end->state == SIM_END_FREE)
            continue;
        size_t h = hash_of(s, end->node, end->flow);
        end->next_hash = s->end_hash[h];
        s->end_hash[h] = slot + 1;
    }
}

static struct sim_end *end_find(const struct sim_node *n, rf_link_id flow, struct sim_ref *ref)
{
    const struct sim_shard *s = n->shard;
    if (s->end_hash_size == 0)
        return NULL;
    for (uint32_t at = s->end_hash[hash_of(s, n->index, flow)]; at != 0;) {
        struct sim_end *end = end_of_slot(s, at - 1);
        if (end->node == n->index && end->flow == flow) {
            *ref = (struct sim_ref){at - 1, end->gen};
            return end;
        }
        at = end->next_hash;
    }
    return NULL;
}

static uint32_t slot_new(struct sim_shard *s)
{
    struct rf_mem *mem = s->sim->config.mem;
    if (s->free_end != 0) {
        uint32_t slot = s->free_end - 1;
        s->free_end = end_of_slot(s, slot)->next_hash;
        return slot;
    }
    if (s->end_slots % SIM_END_CHUNK == 0) {
        size_t chunk = s->end_slots / SIM_END_CHUNK;
        s->end_chunks = rf_resize(mem, s->end_chunks, (chunk + 1) * sizeof(s->end_chunks[0]));
        RF_ASSERT(s->end_chunks != NULL);
        s->end_chunks[chunk] = rf_zalloc(mem, SIM_END_CHUNK * sizeof(struct sim_end));
        RF_ASSERT(s->end_chunks[chunk] != NULL);
    }
    return (uint32_t)s->end_slots++;
}

static struct sim_end *end_new(struct sim_node *n, rf_link_id flow, enum sim_end_state state,
                               const struct sim_node *peer, struct sim_ref *ref)
{
    struct sim_shard *s = n->shard;
    if (s->end_count >= s->end_hash_size)
        hash_grow(s);
    uint32_t slot = slot_new(s);
    struct sim_end *end = end_of_slot(s, slot);
    *end = (struct sim_end){
        .gen = end->gen + 1,
        .node = n->index,
        .peer_node = peer != NULL ? peer->index : UINT32_MAX,
        .flow = flow,
        .state = (unsigned)state & 7,
        .latency_us = peer != NULL ? sim_latency(&s->sim->scenario.net, &n->place, &peer->place) : 0,
        .next_of_node = n->first_end,
    };
    if (n->first_end != 0)
        end_of_slot(s, n->first_end - 1)->prev_of_node = slot + 1;
    n->first_end = slot + 1;
    size_t h = hash_of(s, n->index, flow);
    end->next_hash = s->end_hash[h];
    s->end_hash[h] = slot + 1;
    s->end_count++;
    n->end_count++;
    *ref = (struct sim_ref){slot, end->gen};
    return end;
}

static void end_free(struct sim_node *n, struct sim_end *end, struct sim_ref ref)
{
    struct sim_shard *s = n->shard;
    uint32_t *at = &s->end_hash[hash_of(s, n->index, end->flow)];
    while (*at != ref.slot + 1)
        at = &end_of_slot(s, *at - 1)->next_hash;
    *at = end->next_hash;
    if (end->next_of_node != 0)
        end_of_slot(s, end->next_of_node - 1)->prev_of_node = end->prev_of_node;
    if (end->prev_of_node != 0)
        end_of_slot(s, end->prev_of_node - 1)->next_of_node = end->next_of_node;
    else
        n->first_end = end->next_of_node;
    end->state = SIM_END_FREE;
    end->next_hash = s->free_end;
    s->free_end = ref.slot + 1;
    s->end_count--;
    n->end_count--;
}

/* ---- sending ---- */

static bool blocked(const struct sim_node *from, const struct sim_node *to)
{
    return from->cut_out || from->side != to->side;
}

/* When something that leaves at `at_us` arrives at the other end: never before what went before it. */
static uint64_t arrival(struct sim_node *n, struct sim_end *end, uint64_t late_us, uint64_t at_us)
{
    const struct rf_sim *sim = n->shard->sim;
    uint64_t us =
        at_us + late_us + sim_net_delay(&sim->scenario.net, end->latency_us, sim->loss, &n->network);
    if (us < end->last_us)
        us = end->last_us;
    end->last_us = us;
    return us;
}

/* Sends e, which is taken, to the other end of a connection. False: the box that n is behind dropped it. */
static bool post(struct sim_node *n, struct sim_end *end, struct sim_event *e, uint8_t flags,
                 uint64_t late_us, uint64_t at_us)
{
    uint16_t own = end->dialled ? end->port : SIM_PORT, other = end->dialled ? SIM_PORT : end->port;
    if (!sim_border_out(n, e, end->peer_node, own, other, flags)) {
        sim_event_free(n->shard, e);
        return false;
    }
    sim_event_post(n, e, end->peer_node, arrival(n, end, late_us, at_us));
    return true;
}

/* An answer to an end that we know by an event only. */
static void answer(struct sim_node *n, enum sim_event_type type, const struct sim_event *to,
                   struct sim_ref self)
{
    const struct rf_sim *sim = n->shard->sim;
    const struct sim_node *peer = &sim->nodes[to->src];
    if (blocked(n, peer))
        return;
    struct sim_event *e = sim_event_new(n->shard, type);
    e->end = to->peer;
    e->peer = self;
    uint32_t latency = sim_latency(&sim->scenario.net, &n->place, &peer->place);
    if (sim_border_out(n, e, to->src, to->to_port, to->from_port,
                       type == SIM_EVENT_ACCEPTED ? 0 : SIM_NAT_END))
        sim_event_post(n, e, to->src, n->shard->now_us + latency);
    else
        sim_event_free(n->shard, e);
}

static void retry_later(struct sim_node *n, struct sim_end *end, struct sim_ref ref, uint64_t first_us)
{
    if (end->retrying)
        return;
    uint64_t pause = first_us << end->tries;
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_RETRY);
    e->end = ref;
    e->life = n->life;
    end->retrying = true;
    if (end->tries < TRIES_MAX)
        end->tries++;
    sim_event_post(n, e, n->index, n->shard->now_us + (pause < RETRY_MAX_US ? pause : RETRY_MAX_US));
}

static void send_syn(struct sim_node *n, struct sim_end *end, struct sim_ref ref, uint64_t at_us)
{
    const struct rf_sim *sim = n->shard->sim;
    const struct sim_node *peer = &sim->nodes[end->peer_node];
    if (blocked(n, peer)) {
        retry_later(n, end, ref, DIAL_RETRY_US);
        return;
    }
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_DIAL);
    e->peer = ref;
    post(n, end, e, SIM_NAT_SYN, 0, at_us);
}

void sim_conn_dial(struct sim_node *n, rf_link_id flow, const struct rf_addr *addr, uint64_t at_us)
{
    const struct sim_node *peer = sim_node_at(n, addr);
    struct sim_ref ref;
    struct sim_end *end = end_find(n, flow, &ref);
    if (end != NULL) /* the address before this one of the same link */
        end_free(n, end, ref);
    end = end_new(n, flow, SIM_END_DIALLING, peer, &ref);
    end->dialled = true;
    end->port = (uint16_t)(PORT_FIRST + n->seq % PORT_COUNT);
    if (peer != NULL && peer != n)
        send_syn(n, end, ref, at_us); /* else nobody ever answers */
}

/* The network may deliver it twice or late: that costs links their time, and the sender's what it sends again. */
static uint64_t mishaps(struct sim_node *n, const struct sim_end *end, struct sim_event *e, uint64_t bps)
{
    const struct rf_sim *sim = n->shard->sim;
    uint32_t resent;
    uint64_t late =
        sim_net_late(&sim->scenario.net, end->latency_us, sim->reorder, e->len, &n->network, &resent);
    n->up_free_us += resent * UINT64_C(8000000) / bps;
    if (resent > 0)
        e->marks |= SIM_MARK_RESENT;
    if (sim->duplicate > 0 && sim_draw_unit(&n->network) < sim->duplicate)
        e->marks |= SIM_MARK_TWICE;
    return late;
}

static void send_data(struct sim_node *n, struct sim_end *end, struct sim_ref ref, struct rf_view v,
                      uint64_t at_us)
{
    struct sim_shard *s = n->shard;
    const struct rf_sim_net_config *net = &s->sim->scenario.net;
    uint64_t bps = n->super ? (uint64_t)((double)net->super_up_bps * sim_power(n)) : net->client_up_bps;
    struct sim_event *e = sim_event_new(s, SIM_EVENT_DATA);
    e->bytes = rf_memdup(s->sim->config.mem, v.p, v.len);
    RF_ASSERT(e->bytes != NULL);
    e->len = (uint32_t)v.len;
    e->end = end->peer;
    e->peer = ref;
    uint64_t gone = (n->up_free_us > at_us ? n->up_free_us : at_us) + v.len * 8000000 / bps;
    n->up_free_us = gone;
    n->now.bytes_out += (uint32_t)v.len;
    s->bytes += v.len;
    s->tally.client_bytes += sim_is_super(n) ? 0 : v.len;
    end->sent_len += e->len;
    uint64_t late = mishaps(n, end, e, bps);
    post(n, end, e, 0, late, gone);
}

/* Sends what the node has for the flow, as far as the window goes (all: beyond it). */
static void send_output(struct sim_node *n, struct sim_end *end, struct sim_ref ref, bool all, uint64_t at_us)
{
    struct rf_view v = rf_node_output(n->node, end->flow);
    size_t window = n->shard->sim->scenario.net.window_len;
    size_t room = all ? SIZE_MAX : window > end->sent_len ? window - end->sent_len : 0;
    end->output = false;
    if (v.len == 0)
        return;
    if (blocked(n, &n->shard->sim->nodes[end->peer_node])) {
        end->output = true;
        if (!all)
            retry_later(n, end, ref, DATA_RETRY_US);
        return;
    }
    end->tries = 0;
    end->output = v.len > room;
    if (v.len > room)
        v.len = room;
    if (v.len == 0)
        return;
    send_data(n, end, ref, v, at_us);
    rf_node_output_done(n->node, end->flow, v.len);
}

void sim_conn_output(struct sim_node *n, rf_link_id flow, uint64_t at_us)
{
    struct sim_ref ref;
    struct sim_end *end = end_find(n, flow, &ref);
    if (end != NULL && end->state == SIM_END_OPEN)
        send_output(n, end, ref, false, at_us);
    else /* the other side has closed it already */
        rf_node_output_done(n->node, flow, rf_node_output(n->node, flow).len);
}

bool sim_conn_inject(struct sim_node *n, struct sim_ref ref, struct rf_view bytes)
{
    struct sim_shard *s = n->shard;
    struct sim_end *end = sim_end_at(s, ref);
    if (end == NULL || end->state != SIM_END_OPEN || end->output ||
        end->sent_len + bytes.len > s->sim->scenario.net.window_len ||
        blocked(n, &s->sim->nodes[end->peer_node]))
        return false;
    send_data(n, end, ref, bytes, s->now_us + s->cost_ns / 1000);
    return true;
}

size_t sim_conn_talking(const struct sim_node *n, struct sim_ref *out, size_t max)
{
    size_t count = 0;
    for (uint32_t at = n->first_end; at != 0 && count < max;) {
        const struct sim_end *end = end_of_slot(n->shard, at - 1);
        if (end->talking && end->state == SIM_END_OPEN)
            out[count++] = (struct sim_ref){at - 1, end->gen};
        at = end->next_of_node;
    }
    return count;
}

static void send_close(struct sim_node *n, struct sim_end *end, uint64_t at_us)
{
    if (end->state != SIM_END_OPEN || blocked(n, &n->shard->sim->nodes[end->peer_node]))
        return;
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_CLOSE);
    e->end = end->peer;
    post(n, end, e, SIM_NAT_END, 0, at_us);
}

void sim_conn_close(struct sim_node *n, rf_link_id flow, uint64_t at_us)
{
    struct sim_ref ref;
    struct sim_end *end = end_find(n, flow, &ref);
    if (end == NULL)
        return;
    if (end->state == SIM_END_OPEN)
        send_output(n, end, ref, true, at_us);
    size_t left = rf_node_output(n->node, flow).len; /* held back by a cut: lost */
    rf_node_output_done(n->node, flow, left);
    send_close(n, end, at_us > n->up_free_us ? at_us : n->up_free_us);
    end_free(n, end, ref);
}

void sim_conn_cut_all(struct sim_node *n, bool silent, uint64_t at_us)
{
    while (n->first_end != 0) {
        uint32_t slot = n->first_end - 1;
        struct sim_end *end = end_of_slot(n->shard, slot);
        if (!silent)
            send_close(n, end, at_us);
        end_free(n, end, (struct sim_ref){slot, end->gen});
    }
}

/* ---- receiving ---- */

static void on_dial(struct sim_node *n, const struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    const struct sim_node *peer = &s->sim->nodes[e->src];
    struct sim_ref none = {0, 0}, ref;
    rf_link_id flow;
    if (n->node == NULL || e->to_port != SIM_PORT) {
        if (!n->dark)
            answer(n, SIM_EVENT_REFUSED, e, none);
        return;
    }
    struct rf_addr remote = sim_remote_of(n, e), local = sim_host_addr(n);
    if (rf_node_accept(n->node, &remote, &local, sim_node_now(n, s->now_us), &flow) != 0) {
        s->tally.refused++;
        answer(n, SIM_EVENT_REFUSED, e, none);
        return;
    }
    struct sim_end *end = end_new(n, flow, SIM_END_OPEN, peer, &ref);
    end->peer = e->peer;
    end->port = e->from_port;
    answer(n, SIM_EVENT_ACCEPTED, e, ref);
}

static void on_accepted(struct sim_node *n, const struct sim_event *e)
{
    struct sim_ref none = {0, 0};
    struct sim_end *end = sim_end_at(n->shard, e->end);
    if (end == NULL || n->node == NULL) {
        if (!n->dark)
            answer(n, SIM_EVENT_CLOSE, e, none);
        return;
    }
    struct rf_addr local = sim_host_addr(n);
    local.port = end->port;
    end->state = SIM_END_OPEN;
    end->peer = e->peer;
    end->tries = 0;
    rf_node_connected(n->node, end->flow, &local, sim_node_now(n, n->shard->now_us));
}

/* The end that e is for. NULL: there is none any more, or a box has changed the port that the other side comes from: then it is told
 * (reset). */
static struct sim_end *end_for(struct sim_node *n, const struct sim_event *e)
{
    struct sim_ref none = {0, 0};
    struct sim_end *end = sim_end_at(n->shard, e->end);
    if (end != NULL && n->node != NULL && (end->dialled || end->port == e->from_port))
        return end;
    n->shard->tally.nat_reset += end != NULL && n->node != NULL;
    if (!n->dark)
        answer(n, SIM_EVENT_CLOSE, e, none); /* finds nobody if the peer has closed itself */
    return NULL;
}

static void on_data(struct sim_node *n, const struct sim_event *e)
{
    struct sim_shard *s = n->shard;
    struct sim_end *end = end_for(n, e);
    if (end == NULL)
        return;
    if ((e->marks & SIM_MARK_TWICE) != 0)
        n->up_free_us += ACK_LEN * UINT64_C(8000000) /
                         (n->super ? s->sim->scenario.net.super_up_bps : s->sim->scenario.net.client_up_bps);
    end->read_len += e->len;
    if (end->read_len >= s->sim->scenario.net.window_len / 2) {
        struct sim_event *credit = sim_event_new(s, SIM_EVENT_CREDIT);
        credit->end = end->peer;
        credit->number = end->read_len;
        end->read_len = 0;
        post(n, end, credit, 0, 0, s->now_us);
    }
    s->reading = e->end;
    rf_node_input(n->node, end->flow, rf_view_of(e->bytes, e->len), sim_node_now(n, s->now_us));
    s->reading = (struct sim_ref){0, 0};
}

static void on_close(struct sim_node *n, const struct sim_event *e, int reason)
{
    struct sim_end *end = sim_end_at(n->shard, e->end);
    if (end == NULL)
        return;
    rf_link_id flow = end->flow;
    end_free(n, end, e->end);
    if (n->node != NULL)
        rf_node_closed(n->node, flow, reason, sim_node_now(n, n->shard->now_us));
}

static void on_credit(struct sim_node *n, const struct sim_event *e)
{
    struct sim_end *end = sim_end_at(n->shard, e->end);
    if (end == NULL || (end = end_for(n, e)) == NULL)
        return;
    end->sent_len -= e->number < end->sent_len ? e->number : end->sent_len;
    if (end->output && n->node != NULL)
        send_output(n, end, e->end, false, n->shard->now_us);
}

static void on_retry(struct sim_node *n, const struct sim_event *e)
{
    struct sim_end *end = sim_end_at(n->shard, e->end);
    if (end == NULL)
        return;
    end->retrying = false;
    if (end->state == SIM_END_DIALLING)
        send_syn(n, end, e->end, n->shard->now_us);
    else if (end->output)
        send_output(n, end, e->end, false, n->shard->now_us);
}

bool sim_conn_by_kernel(const struct sim_node *n, const struct sim_event *e)
{
    if (e->type != SIM_EVENT_CREDIT)
        return false;
    const struct sim_end *end = sim_end_at(n->shard, e->end);
    return end == NULL || !end->output;
}

void sim_conn_event(struct sim_node *n, struct sim_event *e)
{
    switch (e->type) {
    case SIM_EVENT_DIAL:
        on_dial(n, e);
        break;
    case SIM_EVENT_ACCEPTED:
        on_accepted(n, e);
        break;
    case SIM_EVENT_REFUSED:
        on_close(n, e, RF_EUNREACHABLE);
        break;
    case SIM_EVENT_DATA:
        on_data(n, e);
        break;
    case SIM_EVENT_CLOSE:
        on_close(n, e, RF_ECLOSED);
        break;
    case SIM_EVENT_CREDIT:
        on_credit(n, e);
        break;
    case SIM_EVENT_RETRY:
        on_retry(n, e);
        break;
    default:
        break;
    }
}
