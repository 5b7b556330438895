/* stats.c - what happened: samples, probes, series. */
#include "sim/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "sim/ring.h"

static const struct {
    const char *name, *unit;
} fixed[SIM_S_OPS] = {
    [SIM_S_SUPER_UP] = {"supernodes.up", "nodes"},
    [SIM_S_SUPER_JOINED] = {"supernodes.joined", "nodes"},
    [SIM_S_CLIENT_UP] = {"clients.up", "nodes"},
    [SIM_S_CLIENT_JOINED] = {"clients.joined", "nodes"},
    [SIM_S_REGISTERED] = {"registered", "nodes"},
    [SIM_S_LINKS_MEAN] = {"links.mean", "links"},
    [SIM_S_LINKS_MAX] = {"links.max", "links"},
    [SIM_S_CPU_MEAN] = {"cpu.mean", "%"},
    [SIM_S_CPU_P99] = {"cpu.p99", "%"},
    [SIM_S_CPU_MAX] = {"cpu.max", "%"},
    [SIM_S_BYTES_MEAN] = {"bytes.mean", "byte/s"},
    [SIM_S_BYTES_MAX] = {"bytes.max", "byte/s"},
    [SIM_S_MESSAGES_MEAN] = {"messages.mean", "1/s"},
    [SIM_S_MESSAGES_MAX] = {"messages.max", "1/s"},
    [SIM_S_MAINTENANCE_BYTES] = {"maintenance.bytes", "byte/s"},
    [SIM_S_MAINTENANCE_MESSAGES] = {"maintenance.messages", "1/s"},
    [SIM_S_CLIENT_BYTES] = {"client.bytes", "byte/s"},
    [SIM_S_KEEPALIVE_BYTES] = {"keepalive.bytes", "byte/s"},
    [SIM_S_ACK_BYTES] = {"ack.bytes", "byte/s"},
    [SIM_S_HANDSHAKE_BYTES] = {"handshake.bytes", "byte/s"},
    [SIM_S_HANDSHAKES] = {"handshakes", "1/s"},
    [SIM_S_RESUMED] = {"handshakes.resumed", "1/s"},
    [SIM_S_REFUSED] = {"connections.refused", "1/s"},
    [SIM_S_RING_WRONG] = {"ring.wrong", "nodes"},
    [SIM_S_REPLICAS] = {"replicas.disagree", "resources"},
    [SIM_S_QUEUE_MAX] = {"queue.max", "ms"},
    [SIM_S_LOST] = {"lost", "nodes"},
    [SIM_S_PROMOTIONS] = {"promotions", "nodes"},
    [SIM_S_DEMOTIONS] = {"demotions", "nodes"},
    [SIM_S_REACHABLE] = {"users.reachable", "%"},
    [SIM_S_SURVIVORS] = {"survivors.reachable", "%"},
    [SIM_S_OUTSIDERS] = {"outsiders", "nodes"},
    [SIM_S_BUDGET_CLIENTS] = {"budget.clients", "%"},
    [SIM_S_BUDGET_HANDSHAKES] = {"budget.handshakes", "%"},
    [SIM_S_CLIENTS_MAX] = {"clients.max", "clients"},
    [SIM_S_OVER_BUDGET] = {"supernodes.over_budget", "nodes"},
    [SIM_S_SHUTDOWNS] = {"shutdowns", "nodes"},
    [SIM_S_NAT_DROPPED] = {"nat.dropped", "1/s"},
    [SIM_S_NAT_RESET] = {"nat.reset", "1/s"},
};
static const struct {
    const char *name, *unit;
} op_fixed[SIM_OP_SERIES] = {{"count", "operations"},  {"right", "operations"}, {"wrong", "operations"},
                             {"failed", "operations"}, {"p50_ms", "ms"},        {"p99_ms", "ms"}};

/* ---- histograms: bucket i holds values up to 100 us * 2^(i/12) ---- */

#define FIRST_US   100.0
#define PER_DOUBLE 12.0

void sim_histogram_add(struct sim_histogram *h, uint64_t us)
{
    double i = us <= FIRST_US ? 0 : ceil(log2((double)us / FIRST_US) * PER_DOUBLE);
    h->count[i < SIM_BUCKETS ? (size_t)i : SIM_BUCKETS - 1]++;
}

void sim_histogram_merge(struct sim_histogram *into, const struct sim_histogram *h)
{
    for (size_t i = 0; i < SIM_BUCKETS; i++)
        into->count[i] += h->count[i];
}

double sim_histogram_at(const struct sim_histogram *h, double share)
{
    uint64_t all = 0, below = 0;
    for (size_t i = 0; i < SIM_BUCKETS; i++)
        all += h->count[i];
    for (size_t i = 0; i < SIM_BUCKETS && all > 0; i++) {
        below += h->count[i];
        if ((double)below >= share * (double)all)
            return FIRST_US * exp2((double)i / PER_DOUBLE);
    }
    return NAN;
}

/* ---- birth ---- */

static void name_series(struct sim_stats *st)
{
    for (size_t i = 0; i < SIM_S_OPS; i++)
        snprintf(st->names[i], sizeof(st->names[i]), "%s", fixed[i].name);
    for (size_t op = 0; op < RF_SIM_OP_COUNT; op++)
        for (size_t k = 0; k < SIM_OP_SERIES; k++)
            snprintf(st->names[SIM_S_OPS + op * SIM_OP_SERIES + k], sizeof(st->names[0]), "%s.%s",
                     rf_sim_op_name((enum rf_sim_op_type)op), op_fixed[k].name);
    for (size_t code = 0; code < SIM_CODES; code++) {
        const char *name = code == SIM_CODES - 2   ? "error"
                           : code == SIM_CODES - 1 ? "fragment"
                                                   : rf_code_name((uint16_t)code);
        snprintf(st->names[SIM_S_METHODS + code], sizeof(st->names[0]), "method.%s.bytes", name);
    }
}

int sim_stats_new(struct rf_sim *sim)
{
    struct rf_mem *mem = sim->config.mem;
    struct sim_stats *st = rf_zalloc(mem, sizeof(*st));
    if (st == NULL)
        return RF_ENOMEM;
    sim->stats = st;
    st->cap = sim->scenario.duration_us / sim->scenario.sample_us + 2;
    st->probe_cap = 1024;
    st->samples = rf_alloc(mem, st->cap * sizeof(st->samples[0]));
    st->probes = rf_alloc(mem, st->probe_cap * sizeof(st->probes[0]));
    name_series(st);
    bool refused = st->samples == NULL || st->probes == NULL;
    for (size_t i = 0; i < SIM_SERIES_COUNT && !refused; i++)
        refused = (st->values[i] = rf_alloc(mem, st->cap * sizeof(double))) == NULL;
    return refused ? RF_ENOMEM : 0;
}

void sim_stats_free(struct rf_sim *sim)
{
    struct sim_stats *st = sim->stats;
    if (st == NULL)
        return;
    for (size_t i = 0; i < SIM_SERIES_COUNT; i++)
        rf_free(sim->config.mem, st->values[i]);
    rf_free(sim->config.mem, st->samples);
    rf_free(sim->config.mem, st->probes);
    rf_free(sim->config.mem, st);
    sim->stats = NULL;
}

/* ---- samples ---- */

static void merge_tallies(struct rf_sim *sim, struct sim_tally *all)
{
    memset(all, 0, sizeof(*all));
    for (size_t i = 0; i < sim->shard_count; i++) {
        struct sim_tally *t = &sim->shards[i].tally;
        for (size_t k = 0; k < SIM_CODES; k++) {
            all->method_bytes[k] += t->method_bytes[k];
            all->method_messages[k] += t->method_messages[k];
        }
        for (size_t k = 0; k < RF_SIM_OP_COUNT; k++) {
            all->op_started[k] += t->op_started[k];
            all->op_right[k] += t->op_right[k];
            all->op_wrong[k] += t->op_wrong[k];
            all->op_failed[k] += t->op_failed[k];
            sim_histogram_merge(&all->op_latency[k], &t->op_latency[k]);
        }
        for (size_t k = 0; k < SIM_HOPS; k++)
            all->hops[k] += t->hops[k];
        all->keepalive_bytes += t->keepalive_bytes;
        all->ack_bytes += t->ack_bytes;
        all->handshake_bytes += t->handshake_bytes;
        all->client_bytes += t->client_bytes;
        all->lost += t->lost;
        all->promotions += t->promotions;
        all->demotions += t->demotions;
        all->forged += t->forged;
        all->handshakes += t->handshakes;
        all->resumed += t->resumed;
        all->refused += t->refused;
        all->shutdowns += t->shutdowns;
        all->nat_dropped += t->nat_dropped;
        all->nat_reset += t->nat_reset;
        if (t->queue_max_us > all->queue_max_us)
            all->queue_max_us = t->queue_max_us;
        memset(t, 0, sizeof(*t));
    }
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct spread {
    double sum, max;
};
static void spread_add(struct spread *s, double v)
{
    s->sum += v;
    if (v > s->max)
        s->max = v;
}

/* What the supernodes did since the last sample. */
static void sample_supers(struct rf_sim *sim, double seconds)
{
    struct sim_stats *st = sim->stats;
    size_t at = st->count, up = 0;
    struct spread links = {0, 0}, cpu = {0, 0}, bytes = {0, 0}, messages = {0, 0};
    double maintenance_bytes = 0, maintenance_messages = 0;
    struct sim_used used = {0, 0, 0, 0};
    double *cpus = rf_alloc(sim->config.mem, sim_super_end(sim) * sizeof(double));
    RF_ASSERT(cpus != NULL);
    for (size_t i = 0; i < sim_super_end(sim); i++) {
        struct sim_node *n = &sim->nodes[i];
        if (n->node != NULL && sim_is_super(n)) {
            cpus[up] = (double)n->now.cpu_ns / 1e7 / seconds;
            spread_add(&links, n->end_count);
            spread_add(&cpu, cpus[up]);
            spread_add(&bytes, n->now.bytes_out / seconds);
            spread_add(&messages, n->now.messages_out / seconds);
            maintenance_bytes += n->now.maintenance_bytes / seconds;
            maintenance_messages += n->now.maintenance_messages / seconds;
            sim_capacity_sample(n, seconds, &used);
            up++;
        }
        memset(&n->now, 0, sizeof(n->now));
    }
    qsort(cpus, up, sizeof(double), double_compare);
    double count = up > 0 ? (double)up : NAN;
    st->values[SIM_S_LINKS_MEAN][at] = links.sum / count;
    st->values[SIM_S_LINKS_MAX][at] = links.max;
    st->values[SIM_S_CPU_MEAN][at] = cpu.sum / count;
    st->values[SIM_S_CPU_P99][at] = up > 0 ? cpus[(size_t)((double)(up - 1) * 0.99)] : NAN;
    st->values[SIM_S_CPU_MAX][at] = cpu.max;
    st->values[SIM_S_BYTES_MEAN][at] = bytes.sum / count;
    st->values[SIM_S_BYTES_MAX][at] = bytes.max;
    st->values[SIM_S_MESSAGES_MEAN][at] = messages.sum / count;
    st->values[SIM_S_MESSAGES_MAX][at] = messages.max;
    st->values[SIM_S_MAINTENANCE_BYTES][at] = maintenance_bytes / count;
    st->values[SIM_S_MAINTENANCE_MESSAGES][at] = maintenance_messages / count;
    st->values[SIM_S_BUDGET_CLIENTS][at] = 100 * used.clients;
    st->values[SIM_S_BUDGET_HANDSHAKES][at] = 100 * used.handshakes;
    st->values[SIM_S_CLIENTS_MAX][at] = used.most_clients;
    st->values[SIM_S_OVER_BUDGET][at] = (double)used.over;
    rf_free(sim->config.mem, cpus);
}

static void sample_ops(struct sim_stats *st, const struct sim_tally *t)
{
    for (size_t op = 0; op < RF_SIM_OP_COUNT; op++) {
        double **v = &st->values[SIM_S_OPS + op * SIM_OP_SERIES];
        v[SIM_O_COUNT][st->count] = (double)t->op_started[op];
        v[SIM_O_RIGHT][st->count] = (double)t->op_right[op];
        v[SIM_O_WRONG][st->count] = (double)t->op_wrong[op];
        v[SIM_O_FAILED][st->count] = (double)t->op_failed[op];
        v[SIM_O_P50][st->count] = sim_histogram_at(&t->op_latency[op], 0.5) / 1000;
        v[SIM_O_P99][st->count] = sim_histogram_at(&t->op_latency[op], 0.99) / 1000;
    }
}

static double percent(size_t part, size_t all)
{
    return all > 0 ? 100.0 * (double)part / (double)all : NAN;
}

void sim_stats_sample(struct rf_sim *sim)
{
    struct sim_stats *st = sim->stats;
    struct rf_sim_figures f;
    if (st->count == st->cap)
        return;
    double seconds = (double)sim->scenario.sample_us / 1e6;
    struct sim_sample *sample = &st->samples[st->count];
    const struct sim_tally *t = &sample->tally;
    const struct sim_probe *probe = st->probe_count > 0 ? &st->probes[st->probe_count - 1] : NULL;
    sample->at_us = sim->now_us;
    merge_tallies(sim, &sample->tally);
    rf_sim_figures(sim, &f);
    sample_supers(sim, seconds);
    sample_ops(st, t);
    double values[][2] = {
        {SIM_S_SUPER_UP, (double)f.supernodes_up},
        {SIM_S_SUPER_JOINED, (double)f.supernodes_joined},
        {SIM_S_CLIENT_UP, (double)f.clients_up},
        {SIM_S_CLIENT_JOINED, (double)f.clients_joined},
        {SIM_S_REGISTERED, (double)f.registered},
        {SIM_S_CLIENT_BYTES,
         f.clients_up > 0 ? (double)t->client_bytes / seconds / (double)f.clients_up : NAN},
        {SIM_S_KEEPALIVE_BYTES, (double)t->keepalive_bytes / seconds},
        {SIM_S_ACK_BYTES, (double)t->ack_bytes / seconds},
        {SIM_S_HANDSHAKE_BYTES, (double)t->handshake_bytes / seconds},
        {SIM_S_HANDSHAKES, (double)t->handshakes / seconds},
        {SIM_S_RESUMED, (double)t->resumed / seconds},
        {SIM_S_REFUSED, (double)t->refused / seconds},
        {SIM_S_QUEUE_MAX, (double)t->queue_max_us / 1000},
        {SIM_S_LOST, (double)t->lost},
        {SIM_S_PROMOTIONS, (double)t->promotions},
        {SIM_S_DEMOTIONS, (double)t->demotions},
        {SIM_S_SHUTDOWNS, (double)t->shutdowns},
        {SIM_S_RING_WRONG, probe != NULL ? (double)probe->wrong : NAN},
        {SIM_S_REPLICAS, probe != NULL ? (double)probe->disagree : NAN},
        {SIM_S_REACHABLE, probe != NULL ? percent(probe->reach.reachable, probe->reach.running) : NAN},
        {SIM_S_SURVIVORS,
         probe != NULL ? percent(probe->reach.survivors_reachable, probe->reach.survivors) : NAN},
        {SIM_S_OUTSIDERS, probe != NULL ? (double)probe->reach.outsiders : NAN},
        {SIM_S_NAT_DROPPED, (double)t->nat_dropped / seconds},
        {SIM_S_NAT_RESET, (double)t->nat_reset / seconds},
    };
    for (size_t i = 0; i < RF_COUNT(values); i++)
        st->values[(size_t)values[i][0]][st->count] = values[i][1];
    for (size_t i = 0; i < SIM_CODES; i++)
        st->values[SIM_S_METHODS + i][st->count] = (double)t->method_bytes[i] / seconds;
    st->count++;
}

void sim_stats_probe(struct rf_sim *sim)
{
    struct sim_stats *st = sim->stats;
    struct rf_sim_figures f;
    if (st->probe_count == st->probe_cap) {
        st->probe_cap *= 2;
        st->probes = rf_resize(sim->config.mem, st->probes, st->probe_cap * sizeof(st->probes[0]));
        RF_ASSERT(st->probes != NULL);
    }
    rf_sim_figures(sim, &f);
    struct sim_ring ring;
    sim_ring_init(sim, &ring);
    struct sim_probe *probe = &st->probes[st->probe_count++];
    *probe = (struct sim_probe){sim->now_us,
                                sim_ring_settled_wrong(sim, &ring),
                                f.supernodes_joined + f.clients_joined,
                                f.supernodes_up + f.clients_up,
                                f.supernodes_joined,
                                f.supernodes_up,
                                sim_replicas_disagree(sim, &ring),
                                {0}};
    sim_record_ring(sim, probe->wrong == 0 && sim_ring_wrong(sim, &ring) == 0);
    sim_reach_probe(sim, &ring, st->wave_count > 0 ? st->waves[st->wave_count - 1].begin_us : RF_NEVER,
                    sim->now_us >= sim->end_us, &probe->reach);
    sim_ring_deinit(sim, &ring);
}

void sim_stats_wave(struct rf_sim *sim, uint64_t end_us)
{
    struct sim_stats *st = sim->stats;
    if (st->wave_count > 0 && st->waves[st->wave_count - 1].begin_us == sim->now_us) { /* another group */
        if (end_us > st->waves[st->wave_count - 1].end_us)
            st->waves[st->wave_count - 1].end_us = end_us;
    } else if (st->wave_count < RF_COUNT(st->waves))
        st->waves[st->wave_count++] = (struct sim_wave){sim->now_us, end_us};
}

void sim_stats_mark(struct rf_sim *sim)
{
    struct sim_stats *st = sim->stats;
    if (st->mark_count < RF_COUNT(st->marks))
        st->marks[st->mark_count++] = sim->now_us;
}

/* ---- what others read ---- */

void rf_sim_figures(const struct rf_sim *sim, struct rf_sim_figures *out)
{
    *out = (struct rf_sim_figures){.now_us = sim->now_us, .duration_us = sim->end_us};
    for (size_t i = 0; i < sim->shard_count; i++) {
        const struct sim_shard *s = &sim->shards[i];
        out->events += s->events;
        out->wakeups += s->wakeups;
        out->messages += s->messages;
        out->bytes += s->bytes;
        out->supernodes_up += s->super_up;
        out->supernodes_joined += s->super_joined;
        out->clients_up += s->client_up;
        out->clients_joined += s->client_joined;
        out->registered += s->registered;
        out->super_bytes += (uint64_t)s->super_held;
        out->client_bytes += (uint64_t)s->client_held;
        out->connections += s->end_count;
        out->asleep += s->asleep;
        out->asleep_bytes += (uint64_t)s->packed;
        out->shell_bytes += s->end_slots * sizeof(struct sim_end) + s->end_hash_size * sizeof(uint32_t) +
                            s->heap_cap * sizeof(void *) + s->wake_cap * sizeof(struct sim_wake);
    }
    out->connections /= 2;
    out->shell_bytes += sim->node_count * sizeof(struct sim_node);
}

size_t rf_sim_series_count(const struct rf_sim *sim)
{
    (void)sim;
    return SIM_SERIES_COUNT;
}

size_t rf_sim_sample_count(const struct rf_sim *sim)
{
    return sim->stats->count;
}

void rf_sim_series(const struct rf_sim *sim, size_t i, struct rf_sim_series *out)
{
    const char *unit = i < SIM_S_OPS       ? fixed[i].unit
                       : i < SIM_S_METHODS ? op_fixed[(i - SIM_S_OPS) % SIM_OP_SERIES].unit
                                           : "byte/s";
    *out = (struct rf_sim_series){sim->stats->names[i], unit, sim->stats->values[i]};
}
