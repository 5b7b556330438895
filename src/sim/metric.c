/* metric.c - figures over a stretch of time, by name, and the checks made of them. */
#include <stdio.h>
#include "sim/stats.h"

#define HEALED_SHARE     0.99
#define HEALED_MORE      0.999
#define SETTLE_FACTOR    1.5
#define SETTLE_MEAN_US   (30 * RF_US_PER_S)
#define SETTLE_BEFORE_US (300 * RF_US_PER_S)

/* ---- over series ---- */

static const double *series_of(const struct sim_stats *st, const char *name, size_t len)
{
    for (size_t i = 0; i < SIM_SERIES_COUNT; i++)
        if (strlen(st->names[i]) == len && memcmp(st->names[i], name, len) == 0)
            return st->values[i];
    return NULL;
}

static bool within(uint64_t at_us, uint64_t from_us, uint64_t to_us)
{
    return at_us > from_us && at_us <= to_us;
}

/* The mean of a series over the half minute that ends with sample `i`; NaN: no value. */
static double mean_until(const struct sim_stats *st, const double *values, size_t i)
{
    double sum = 0;
    size_t count = 0;
    for (size_t k = i + 1; k > 0 && st->samples[k - 1].at_us + SETTLE_MEAN_US > st->samples[i].at_us; k--)
        if (!isnan(values[k - 1])) {
            sum += values[k - 1];
            count++;
        }
    return sum / (double)count;
}

static uint64_t last_mark(const struct sim_stats *st, uint64_t from_us)
{
    uint64_t mark_us = from_us;
    for (size_t i = 0; i < st->mark_count; i++)
        if (st->marks[i] <= from_us)
            mark_us = st->marks[i];
    return mark_us;
}

/* From the last mark on until the series was what it had been before, and stayed so. */
static int settle_metric(const struct sim_stats *st, const double *values, uint64_t from_us, uint64_t to_us,
                         double *out)
{
    uint64_t mark_us = last_mark(st, from_us), settled_us = RF_NEVER;
    double before = 0;
    size_t count = 0;
    for (size_t i = 0; i < st->count; i++) {
        uint64_t at_us = st->samples[i].at_us;
        if (at_us <= mark_us && at_us + SETTLE_BEFORE_US > mark_us && !isnan(values[i])) {
            before += values[i];
            count++;
        } else if (at_us > mark_us && at_us <= to_us && count > 0) {
            if (!(mean_until(st, values, i) <= SETTLE_FACTOR * before / (double)count))
                settled_us = RF_NEVER;
            else if (settled_us == RF_NEVER)
                settled_us = at_us;
        }
    }
    *out = (double)(settled_us - mark_us) / 1e6;
    return settled_us != RF_NEVER ? 0 : RF_ESHORT;
}

static int series_metric(const struct sim_stats *st, const char *name, uint64_t from_us, uint64_t to_us,
                         double *out)
{
    const char *colon = strrchr(name, ':');
    const double *values = colon != NULL ? series_of(st, name, (size_t)(colon - name)) : NULL;
    double sum = 0, min = INFINITY, max = -INFINITY, last = NAN;
    size_t count = 0;
    if (values == NULL)
        return RF_ENOTFOUND;
    if (strcmp(colon, ":settle_s") == 0)
        return settle_metric(st, values, from_us, to_us, out);
    for (size_t i = 0; i < st->count; i++) {
        if (!within(st->samples[i].at_us, from_us, to_us) || isnan(values[i]))
            continue;
        count++;
        sum += values[i];
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
        last = values[i];
    }
    if (strcmp(colon, ":mean") == 0)
        *out = sum / (double)count;
    else if (strcmp(colon, ":max") == 0)
        *out = max;
    else if (strcmp(colon, ":min") == 0)
        *out = min;
    else if (strcmp(colon, ":last") == 0)
        *out = last;
    else if (strcmp(colon, ":sum") == 0)
        *out = sum;
    else
        return RF_ENOTFOUND;
    return count > 0 ? 0 : RF_ESHORT;
}

/* ---- over operations ---- */

struct op_sum {
    uint64_t right, wrong, failed;
    struct sim_histogram latency;
};

static void sum_ops(const struct sim_stats *st, size_t op, uint64_t from_us, uint64_t to_us,
                    struct op_sum *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < st->count; i++) {
        const struct sim_tally *t = &st->samples[i].tally;
        if (!within(st->samples[i].at_us, from_us, to_us))
            continue;
        sum->right += t->op_right[op];
        sum->wrong += t->op_wrong[op];
        sum->failed += t->op_failed[op];
        sim_histogram_merge(&sum->latency, &t->op_latency[op]);
    }
}

static double histogram_mean(const struct sim_histogram *h)
{
    double sum = 0, count = 0;
    struct sim_histogram one;
    for (size_t i = 0; i < SIM_BUCKETS; i++) {
        if (h->count[i] == 0)
            continue;
        memset(&one, 0, sizeof(one));
        one.count[i] = 1;
        sum += sim_histogram_at(&one, 1) * h->count[i];
        count += h->count[i];
    }
    return sum / count;
}

static int op_metric(const struct sim_stats *st, size_t op, const char *what, uint64_t from_us,
                     uint64_t to_us, double *out)
{
    struct op_sum sum;
    sum_ops(st, op, from_us, to_us, &sum);
    double ended = (double)(sum.right + sum.wrong + sum.failed);
    if (strcmp(what, "right_share") == 0)
        *out = (double)sum.right / ended;
    else if (strcmp(what, "ended") == 0)
        *out = ended;
    else if (strcmp(what, "mean_ms") == 0)
        *out = histogram_mean(&sum.latency) / 1000;
    else if (strcmp(what, "p50_ms") == 0)
        *out = sim_histogram_at(&sum.latency, 0.5) / 1000;
    else if (strcmp(what, "p95_ms") == 0)
        *out = sim_histogram_at(&sum.latency, 0.95) / 1000;
    else if (strcmp(what, "p99_ms") == 0)
        *out = sim_histogram_at(&sum.latency, 0.99) / 1000;
    else
        return RF_ENOTFOUND;
    return isnan(*out) ? RF_ESHORT : 0;
}

/* ---- hops ---- */

static int hops_metric(const struct sim_stats *st, const char *what, uint64_t from_us, uint64_t to_us,
                       double *out)
{
    uint64_t hops[SIM_HOPS] = {0};
    double all = 0, sum = 0, below = 0;
    unsigned max = 0, p99 = 0;
    for (size_t i = 0; i < st->count; i++)
        for (unsigned k = 0; k < SIM_HOPS && within(st->samples[i].at_us, from_us, to_us); k++)
            hops[k] += st->samples[i].tally.hops[k];
    for (unsigned k = 0; k < SIM_HOPS; k++) {
        all += (double)hops[k];
        sum += (double)hops[k] * k;
        max = hops[k] > 0 ? k : max;
    }
    for (unsigned k = 0; k < SIM_HOPS && below < 0.99 * all; k++) {
        below += (double)hops[k];
        p99 = k;
    }
    if (strcmp(what, "mean") == 0)
        *out = sum / all;
    else if (strcmp(what, "p99") == 0)
        *out = p99;
    else if (strcmp(what, "max") == 0)
        *out = max;
    else
        return RF_ENOTFOUND;
    return all > 0 ? 0 : RF_ESHORT;
}

static int messages_per_lookup(const struct sim_stats *st, uint64_t from_us, uint64_t to_us, double *out)
{
    struct op_sum lookups, fetches;
    double messages = 0;
    sum_ops(st, RF_SIM_OP_LOOKUP, from_us, to_us, &lookups);
    sum_ops(st, RF_SIM_OP_FETCH, from_us, to_us, &fetches);
    for (size_t i = 0; i < st->count; i++)
        if (within(st->samples[i].at_us, from_us, to_us))
            messages += (double)(st->samples[i].tally.method_messages[RF_CODE_FETCH_REQ] +
                                 st->samples[i].tally.method_messages[RF_CODE_FETCH_ANS]);
    double ended = (double)(lookups.right + lookups.wrong + lookups.failed + fetches.right + fetches.wrong +
                            fetches.failed);
    *out = messages / ended;
    return ended > 0 ? 0 : RF_ESHORT;
}

/* ---- healing ---- */

static bool ring_right(const struct sim_probe *p)
{
    return p->wrong == 0;
}
static bool all_joined(const struct sim_probe *p)
{
    return (double)p->joined >= HEALED_SHARE * (double)p->up;
}

static bool supers_joined(const struct sim_probe *p)
{
    return p->supers_joined == p->supers_up;
}

static bool replicas_agree(const struct sim_probe *p)
{
    return p->disagree == 0;
}

static bool share_is(size_t part, size_t all, double share)
{
    return (double)part >= share * (double)all;
}

static bool survivors_reached(const struct sim_probe *p)
{
    return share_is(p->reach.survivors_reachable, p->reach.survivors, HEALED_SHARE);
}

static bool survivors_reached_more(const struct sim_probe *p)
{
    return share_is(p->reach.survivors_reachable, p->reach.survivors, HEALED_MORE);
}

static bool all_reached(const struct sim_probe *p)
{
    return share_is(p->reach.reachable, p->reach.running, HEALED_SHARE);
}

/* From mark_us until it was good and stayed so until to_us. Never: no data. */
static int heal_after(const struct sim_stats *st, bool (*good)(const struct sim_probe *p), uint64_t mark_us,
                      uint64_t to_us, double *out)
{
    uint64_t healed_us = RF_NEVER;
    for (size_t i = 0; i < st->probe_count; i++) {
        const struct sim_probe *p = &st->probes[i];
        if (p->at_us < mark_us || p->at_us > to_us)
            continue;
        if (!good(p))
            healed_us = RF_NEVER;
        else if (healed_us == RF_NEVER)
            healed_us = p->at_us;
    }
    if (healed_us == RF_NEVER)
        return RF_ESHORT;
    *out = (double)(healed_us - mark_us) / 1e6;
    return 0;
}

/* From the last mark at or before from_us (or from_us itself) on. */
static int heal_metric(const struct sim_stats *st, bool (*good)(const struct sim_probe *p), uint64_t from_us,
                       uint64_t to_us, double *out)
{
    return heal_after(st, good, last_mark(st, from_us), to_us, out);
}

/* The longest of the waves that ended in that time. */
static int wave_metric(const struct sim_stats *st, bool (*good)(const struct sim_probe *p), uint64_t from_us,
                       uint64_t to_us, double *out)
{
    size_t count = 0;
    *out = 0;
    for (size_t i = 0; i < st->wave_count; i++) {
        bool last = i + 1 == st->wave_count || st->waves[i + 1].begin_us > to_us;
        uint64_t until_us = last ? to_us : st->waves[i + 1].begin_us;
        double heal_s;
        if (st->waves[i].end_us < from_us || st->waves[i].end_us > until_us)
            continue;
        if (heal_after(st, good, st->waves[i].end_us, until_us, &heal_s) != 0)
            return RF_ESHORT;
        *out = heal_s > *out ? heal_s : *out;
        count++;
    }
    return count > 0 ? 0 : RF_ESHORT;
}

static int reach_metric(const struct sim_stats *st, const char *what, uint64_t from_us, uint64_t to_us,
                        double *out)
{
    if (strcmp(what, "heal_s") == 0)
        return wave_metric(st, survivors_reached, from_us, to_us, out);
    if (strcmp(what, "heal999_s") == 0)
        return wave_metric(st, survivors_reached_more, from_us, to_us, out);
    if (strcmp(what, "all_heal_s") == 0)
        return wave_metric(st, all_reached, from_us, to_us, out);
    return RF_ENOTFOUND;
}

/* ---- all of them ---- */

static int memory_metric(const struct rf_sim *sim, bool super, double *out)
{
    struct rf_sim_figures f;
    rf_sim_figures(sim, &f);
    size_t up = super ? f.supernodes_up : f.clients_up;
    *out = (double)(super ? f.super_bytes : f.client_bytes) / (double)up;
    return up > 0 && sim->config.block_size != NULL ? 0 : RF_ESHORT;
}

static int last_wrong(const struct sim_stats *st, double *out)
{
    if (st->probe_count == 0)
        return RF_ESHORT;
    *out = (double)st->probes[st->probe_count - 1].wrong;
    return 0;
}

static int forged_metric(const struct sim_stats *st, uint64_t from_us, uint64_t to_us, double *out)
{
    *out = 0;
    for (size_t i = 0; i < st->count; i++)
        if (within(st->samples[i].at_us, from_us, to_us))
            *out += (double)st->samples[i].tally.forged;
    return 0;
}

static int lost_metric(const struct sim_stats *st, uint64_t from_us, uint64_t to_us, double *out)
{
    *out = 0;
    for (size_t i = 0; i < st->count; i++)
        if (within(st->samples[i].at_us, from_us, to_us))
            *out += (double)st->samples[i].tally.lost;
    return 0;
}

int rf_sim_metric(const struct rf_sim *sim, const char *name, uint64_t from_us, uint64_t to_us, double *out)
{
    const struct sim_stats *st = sim->stats;
    if (to_us == 0)
        to_us = RF_NEVER;
    if (strchr(name, ':') != NULL)
        return series_metric(st, name, from_us, to_us, out);
    for (size_t op = 0; op < RF_SIM_OP_COUNT; op++) {
        const char *prefix = rf_sim_op_name((enum rf_sim_op_type)op);
        size_t len = strlen(prefix);
        if (strncmp(name, prefix, len) == 0 && name[len] == '.')
            return op_metric(st, op, name + len + 1, from_us, to_us, out);
    }
    if (strncmp(name, "hops.", 5) == 0)
        return hops_metric(st, name + 5, from_us, to_us, out);
    if (strcmp(name, "messages_per_lookup") == 0)
        return messages_per_lookup(st, from_us, to_us, out);
    if (strcmp(name, "ring.wrong_last") == 0)
        return last_wrong(st, out);
    if (strcmp(name, "ring.heal_s") == 0)
        return heal_metric(st, ring_right, from_us, to_us, out);
    if (strcmp(name, "joined.heal_s") == 0)
        return heal_metric(st, all_joined, from_us, to_us, out);
    if (strcmp(name, "supernodes.heal_s") == 0)
        return heal_metric(st, supers_joined, from_us, to_us, out);
    if (strcmp(name, "replicas.heal_s") == 0)
        return heal_metric(st, replicas_agree, from_us, to_us, out);
    if (strncmp(name, "history.", 8) == 0)
        return sim_record_metric(sim, name + 8, from_us, to_us, out);
    if (strncmp(name, "reachable.", 10) == 0)
        return reach_metric(st, name + 10, from_us, to_us, out);
    if (strcmp(name, "memory.super_bytes") == 0)
        return memory_metric(sim, true, out);
    if (strcmp(name, "memory.client_bytes") == 0)
        return memory_metric(sim, false, out);
    if (strcmp(name, "forged") == 0)
        return forged_metric(st, from_us, to_us, out);
    if (strcmp(name, "killed_by_nobody") == 0)
        return lost_metric(st, from_us, to_us, out);
    return RF_ENOTFOUND;
}

/* ---- checks ---- */

void rf_sim_finish(struct rf_sim *sim)
{
    struct sim_stats *st = sim->stats;
    if (st->finished)
        return;
    st->finished = true;
    sim_work_judge(sim);
    sim_stats_probe(sim);
    if (st->count == 0 || st->samples[st->count - 1].at_us < sim->now_us)
        sim_stats_sample(sim);
    sim_record_judge(sim);
    for (size_t i = 0; i < sim->scenario.check_count; i++) {
        const struct rf_sim_check *c = &sim->scenario.checks[i];
        struct rf_sim_check_result *r = &st->results[i];
        double value = NAN;
        int error = rf_sim_metric(sim, c->metric, c->from_us, c->to_us, &value);
        *r = (struct rf_sim_check_result){.check = c, .value = error == 0 ? value : NAN};
        r->pass = error == 0 && (c->at_least ? value >= c->limit : value <= c->limit);
    }
}

size_t rf_sim_check_count(const struct rf_sim *sim)
{
    return sim->scenario.check_count;
}

void rf_sim_check_result(const struct rf_sim *sim, size_t i, struct rf_sim_check_result *out)
{
    *out = sim->stats->results[i];
}

bool rf_sim_passed(const struct rf_sim *sim)
{
    for (size_t i = 0; i < sim->scenario.check_count; i++)
        if (!sim->stats->results[i].pass)
            return false;
    return sim->stats->finished;
}
