/* record.c - what the history is told of the world, and its judgement at the end. */
#include "base/assert.h"
#include "sim/stats.h"
#include "sim/work.h"

#define SETTLE_US                                                                                            \
    (90 * RF_US_PER_S) /* new copies of what a lost node held: it is found out, held back for 30 s, sent */
#define ONE_AGAIN_US                                                                                         \
    (60 * RF_US_PER_S) /* after the ring is one again, until both sides' values are: offers wait up to 20 s */

void sim_record_life(struct sim_node *n, enum sim_life_type type)
{
    if (sim_is_super(n))
        sim_history_life(&n->shard->history, n->index, type, n->shard->now_us);
}

void sim_record_split(struct rf_sim *sim)
{
    uint8_t *sides = rf_alloc(sim->config.mem, sim->node_count);
    RF_ASSERT(sides != NULL);
    for (size_t i = 0; i < sim->node_count; i++)
        sides[i] = (uint8_t)(sim->nodes[i].side | (sim->nodes[i].cut_out ? 0x80 : 0));
    sim_history_split(&sim->history, sim->now_us, sides);
}

void sim_record_heal(struct rf_sim *sim)
{
    for (size_t i = 0; i < sim->history.split_count; i++)
        if (sim->history.splits[i].healed_us == RF_NEVER)
            sim->history.splits[i].healed_us = sim->now_us;
}

void sim_record_ring(struct rf_sim *sim, bool right)
{
    for (size_t i = 0; i < sim->history.split_count && right; i++)
        if (sim->history.splits[i].healed_us <= sim->now_us && sim->history.splits[i].until_us == RF_NEVER)
            sim->history.splits[i].until_us = sim->now_us + ONE_AGAIN_US;
}

static void tell(struct rf_sim *sim)
{
    for (size_t i = 0; i < sim->verdict->told_count; i++)
        rf_log_write(sim->config.log, RF_LOG_WARN, "history", "%s: %s",
                     sim_verdict_names[sim->verdict->told[i].type], sim->verdict->told[i].text);
}

void sim_record_judge(struct rf_sim *sim)
{
    struct sim_history *h = &sim->history;
    for (size_t i = 0; i < sim->shard_count; i++) /* theirs stay: operations may still end with their nodes */
        sim_history_merge(h, &sim->shards[i].history);
    h->node_count = sim->node_count;
    h->super_count = sim_super_end(sim);
    h->user_count = sim->user_count;
    h->places = sim->places;
    h->settle_us = SETTLE_US;
    if (h->write_count > 0)
        sim_replicas_audit(sim, h);
    sim->verdict = rf_alloc(sim->config.mem, sizeof(*sim->verdict));
    RF_ASSERT(sim->verdict != NULL && sim_history_judge(h, sim->verdict) == 0);
    tell(sim);
}

int sim_record_metric(const struct rf_sim *sim, const char *what, uint64_t from_us, uint64_t to_us,
                      double *out)
{
    const struct sim_verdict *v = sim->verdict;
    const struct {
        const char *name;
        size_t value;
    } figures[] = {{"operations", v != NULL ? v->operations : 0},
                   {"reads", v != NULL ? v->reads : 0},
                   {"excused", v != NULL ? v->excused : 0}};
    if (v == NULL)
        return RF_ESHORT;
    for (size_t i = 0; i < RF_COUNT(figures); i++)
        if (strcmp(what, figures[i].name) == 0) {
            *out = (double)figures[i].value;
            return 0;
        }
    for (size_t i = 0; i < SIM_VERDICT_COUNT; i++) {
        if (strcmp(what, sim_verdict_names[i]) != 0)
            continue;
        if (v->operations == 0)
            return RF_ESHORT; /* nothing was tried */
        size_t told = 0;      /* in that time; without a time also what is not told in full */
        for (size_t k = 0; k < v->told_count; k++)
            told += v->told[k].type == i && v->told[k].at_us >= from_us && v->told[k].at_us <= to_us;
        size_t count = from_us == 0 && to_us >= sim->end_us ? v->counts[i] : told;
        *out = (double)count;
        return 0;
    }
    return RF_ENOTFOUND;
}

bool rf_sim_violation(const struct rf_sim *sim, size_t i, struct rf_sim_violation *out)
{
    if (sim->verdict == NULL || i >= sim->verdict->told_count)
        return false;
    const struct sim_violation *v = &sim->verdict->told[i];
    *out = (struct rf_sim_violation){sim_verdict_names[v->type], v->at_us, v->text};
    return true;
}
