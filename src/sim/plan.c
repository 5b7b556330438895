/*
 * plan.c - what happens to the world: starts, stops, faults, churn, and when samples, probes and work are due. It runs between two
 * windows, alone, except for sim_plan_started and sim_plan_stopped, which a shard calls for its own nodes.
 */
#include "base/assert.h"
#include "sim/plan.h"

#define LEAVE_PAUSE_US (5 * RF_US_PER_S) /* who leaves politely needs some time before he can come back */

int sim_plan_new(struct rf_sim *sim)
{
    const struct rf_sim_scenario *sc = &sim->scenario;
    struct sim_plan *p = rf_zalloc(sim->config.mem, sizeof(*p));
    if (p == NULL)
        return RF_ENOMEM;
    sim->plan = p;
    for (size_t i = 0; i < sc->step_count; i++) { /* insertion keeps steps of one time in their order */
        size_t k = i;
        for (; k > 0 && sc->steps[p->order[k - 1]].at_us > sc->steps[i].at_us; k--)
            p->order[k] = p->order[k - 1];
        p->order[k] = (uint16_t)i;
    }
    p->sample_us = sc->sample_us;
    p->probe_us = sc->probe_us != 0 ? sc->probe_us : RF_NEVER;
    p->work_us = RF_NEVER;
    return sim_liars_new(sim);
}

void sim_plan_free(struct rf_sim *sim)
{
    rf_free(sim->config.mem, sim->plan);
    sim->plan = NULL;
}

uint64_t sim_plan_next(const struct rf_sim *sim)
{
    const struct sim_plan *p = sim->plan;
    uint64_t at = p->sample_us;
    if (p->step_next < sim->scenario.step_count && sim->scenario.steps[p->order[p->step_next]].at_us < at)
        at = sim->scenario.steps[p->order[p->step_next]].at_us;
    if (p->probe_us < at)
        at = p->probe_us;
    return p->work_us < at ? p->work_us : at;
}

/* ---- durations ---- */

static uint64_t draw_us(const struct rf_sim_dist *dist, struct sim_stream *s)
{
    double x = dist->median_s, u = sim_draw_unit(s), shape = dist->shape > 0 ? dist->shape : 1.5;
    if (dist->type == RF_SIM_UNIFORM)
        x *= 2 * u;
    else if (dist->type == RF_SIM_EXPONENTIAL)
        x = sim_draw_exp(s, x / log(2));
    else if (dist->type == RF_SIM_PARETO) /* the scale is median / 2^(1/alpha) */
        x = x * pow(2 * (1 - u), -1 / shape);
    return (uint64_t)(x * 1e6);
}

/* ---- whom a step is about ---- */

static bool in_group(const struct sim_node *n, enum rf_sim_group group)
{
    return (group & (n->super ? RF_SIM_SUPERNODES : RF_SIM_CLIENTS)) != 0;
}

static bool fits(const struct sim_node *n, const struct rf_sim_step *step)
{
    if (!in_group(n, step->group) || (step->spare_bootstraps && n->spare))
        return false;
    switch (step->type) {
    case RF_SIM_STEP_START:
        return !n->planned;
    case RF_SIM_STEP_KILL:
    case RF_SIM_STEP_LEAVE:
        return n->node != NULL && !n->stopping;
    case RF_SIM_STEP_RESTART:
        return n->node == NULL && n->started_once;
    case RF_SIM_STEP_NAT_RESET:
        return sim_border_has_box(n);
    default:
        return true;
    }
}

struct pick {
    uint32_t *nodes; /* owned */
    size_t count;
};

/* The nodes that a step is about: count or fraction of those that fit, at random except for starts. */
static struct pick pick(struct rf_sim *sim, const struct rf_sim_step *step)
{
    struct pick p = {rf_alloc(sim->config.mem, sim->node_count * sizeof(uint32_t)), 0};
    size_t fitting = 0;
    RF_ASSERT(p.nodes != NULL);
    for (size_t i = 0; i < sim->node_count; i++)
        if (fits(&sim->nodes[i], step))
            p.nodes[fitting++] = (uint32_t)i;
    p.count = step->count > 0 ? step->count : (size_t)((double)fitting * step->fraction + 0.5);
    if (step->count == 0 && step->fraction == 0)
        p.count = fitting;
    if (p.count > fitting)
        p.count = fitting;
    for (size_t i = 0; i < p.count && step->type != RF_SIM_STEP_START; i++) {
        size_t k = i + sim_draw_below(&sim->fault_stream, fitting - i);
        uint32_t swap = p.nodes[i];
        p.nodes[i] = p.nodes[k];
        p.nodes[k] = swap;
    }
    return p;
}

static uint64_t moment(struct rf_sim *sim, const struct rf_sim_step *step, size_t i, size_t count)
{
    if (step->over_us == 0)
        return sim->now_us;
    double part = ((double)i + sim_draw_unit(&sim->plan_stream)) / (double)count;
    return sim->now_us + (uint64_t)(part * (double)step->over_us);
}

/* ---- starts and stops ---- */

static void post_start(struct sim_node *n, uint64_t at_us)
{
    n->planned = true;
    sim_event_post(n, sim_event_new(n->shard, SIM_EVENT_START), n->index, at_us);
}

static void post_stop(struct sim_node *n, unsigned how, uint32_t epoch, uint64_t at_us)
{
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_STOP);
    e->flag = (uint8_t)how;
    e->number = epoch;
    e->life = n->life;
    sim_event_post(n, e, n->index, at_us);
}

static void step_starts(struct rf_sim *sim, const struct rf_sim_step *step)
{
    struct pick p = pick(sim, step);
    for (size_t i = 0; i < p.count; i++)
        post_start(&sim->nodes[p.nodes[i]], moment(sim, step, i, p.count));
    rf_free(sim->config.mem, p.nodes);
}

static void step_stops(struct rf_sim *sim, const struct rf_sim_step *step)
{
    struct pick p = pick(sim, step);
    unsigned how = step->type == RF_SIM_STEP_LEAVE ? SIM_STOP_LEAVE
                   : step->power                   ? SIM_STOP_POWER
                                                   : SIM_STOP_KILL;
    if (step->wipe)
        how |= SIM_STOP_WIPE;
    if (step->type == RF_SIM_STEP_KILL)
        sim_stats_wave(sim, sim->now_us + step->over_us);
    for (size_t i = 0; i < p.count; i++) {
        struct sim_node *n = &sim->nodes[p.nodes[i]];
        uint64_t at = moment(sim, step, i, p.count);
        n->stopping = true;
        post_stop(n, how, 0, at);
        if (step->pause.median_s <= 0)
            continue;
        uint64_t pause = draw_us(&step->pause, &sim->fault_stream);
        if (step->type == RF_SIM_STEP_LEAVE && pause < LEAVE_PAUSE_US)
            pause = LEAVE_PAUSE_US;
        post_start(n, at + pause + 1);
    }
    rf_free(sim->config.mem, p.nodes);
}

/* ---- churn ---- */

static const struct sim_churn *churn_of(const struct sim_node *n)
{
    const struct sim_plan *p = n->shard->sim->plan;
    const struct sim_churn *churn = &p->churn[n->super ? 0 : 1];
    return churn->epoch == 0 || !churn->on || (churn->spare_bootstraps && n->spare) ? NULL : churn;
}

static void post_session_end(struct sim_node *n, uint64_t now_us)
{
    const struct sim_churn *churn = churn_of(n);
    if (churn == NULL)
        return;
    bool polite = sim_draw_unit(&n->life_stream) < churn->polite;
    post_stop(n,
              polite         ? SIM_STOP_LEAVE
              : churn->power ? SIM_STOP_POWER
                             : SIM_STOP_KILL,
              churn->epoch, now_us + draw_us(&churn->session, &n->life_stream) + 1);
}

void sim_plan_started(struct sim_node *n, uint64_t now_us)
{
    post_session_end(n, now_us);
}

void sim_plan_stopped(struct sim_node *n, uint64_t now_us)
{
    const struct sim_churn *churn = churn_of(n);
    if (churn == NULL || churn->pause.median_s <= 0)
        return;
    uint64_t pause = draw_us(&churn->pause, &n->life_stream);
    sim_event_post(n, sim_event_new(n->shard, SIM_EVENT_START), n->index, now_us + pause + 1);
}

bool sim_plan_stop_holds(const struct sim_node *n, const struct sim_event *e)
{
    const struct sim_churn *churn = churn_of(n);
    return e->number == 0 || (churn != NULL && churn->epoch == e->number);
}

void sim_plan_shutdown(struct sim_node *n, uint64_t now_us)
{
    const struct rf_sim_scenario *sc = &n->shard->sim->scenario;
    post_stop(n, SIM_STOP_KILL, 0, now_us + 1);
    uint64_t pause_us = draw_us(
        &(struct rf_sim_dist){RF_SIM_EXPONENTIAL, (double)sc->shutdown_pause_us / 1e6, 0}, &n->life_stream);
    post_start(n, now_us + pause_us + 2);
}

static void step_churn(struct rf_sim *sim, const struct rf_sim_step *step)
{
    for (int g = 0; g < 2; g++) {
        if ((step->group & (g == 0 ? RF_SIM_SUPERNODES : RF_SIM_CLIENTS)) == 0)
            continue;
        sim->plan->churn[g] = (struct sim_churn){.on = step->session.median_s > 0,
                                                 .epoch = ++sim->plan->epoch,
                                                 .spare_bootstraps = step->spare_bootstraps,
                                                 .power = step->power,
                                                 .polite = step->fraction,
                                                 .session = step->session,
                                                 .pause = step->pause};
    }
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].node != NULL && in_group(&sim->nodes[i], step->group))
            post_session_end(&sim->nodes[i], sim->now_us);
}

/* ---- faults ---- */

static void afflict(struct rf_sim *sim, const struct rf_sim_step *step)
{
    struct pick p = pick(sim, step);
    for (size_t i = 0; i < p.count; i++) {
        struct sim_node *n = &sim->nodes[p.nodes[i]];
        if (step->type == RF_SIM_STEP_PARTITION)
            n->side = 1;
        else if (step->type == RF_SIM_STEP_CUT)
            n->cut_out = true;
        else if (step->type == RF_SIM_STEP_SLOW)
            n->slow = (float)step->factor;
        else if (step->type == RF_SIM_STEP_NAT_RESET)
            sim_border_reset(n, step->new_address);
        else
            n->skew_ms = (int32_t)((2 * sim_draw_unit(&sim->fault_stream) - 1) * step->factor * 1000);
    }
    if (step->type == RF_SIM_STEP_PARTITION || step->type == RF_SIM_STEP_CUT)
        sim_record_split(sim);
    rf_free(sim->config.mem, p.nodes);
}

static void heal(struct rf_sim *sim)
{
    sim_liars_heal(sim);
    sim->loss = sim->scenario.net.loss;
    sim_record_heal(sim);
    sim->duplicate = sim->scenario.net.duplicate;
    sim->reorder = sim->scenario.net.reorder;
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *n = &sim->nodes[i];
        n->side = 0;
        n->cut_out = false;
        n->slow = 1;
        n->skew_ms = 0;
    }
}

static void step_work(struct rf_sim *sim, const struct rf_sim_step *step)
{
    sim_work_rate(sim, step->op, step->group, step->rate);
    sim->plan->work_us = sim->now_us;
}

static void run_step(struct rf_sim *sim, const struct rf_sim_step *step)
{
    switch (step->type) {
    case RF_SIM_STEP_START:
    case RF_SIM_STEP_RESTART:
        step_starts(sim, step);
        break;
    case RF_SIM_STEP_KILL:
    case RF_SIM_STEP_LEAVE:
        step_stops(sim, step);
        break;
    case RF_SIM_STEP_CHURN:
        step_churn(sim, step);
        break;
    case RF_SIM_STEP_PARTITION:
    case RF_SIM_STEP_CUT:
    case RF_SIM_STEP_SLOW:
    case RF_SIM_STEP_CLOCK:
    case RF_SIM_STEP_NAT_RESET:
        afflict(sim, step);
        break;
    case RF_SIM_STEP_HEAL:
        heal(sim);
        break;
    case RF_SIM_STEP_LOSS:
        sim->loss = step->fraction;
        break;
    case RF_SIM_STEP_DUPLICATE:
        sim->duplicate = step->fraction;
        break;
    case RF_SIM_STEP_REORDER:
        sim->reorder = step->fraction;
        break;
    case RF_SIM_STEP_WORK:
        step_work(sim, step);
        break;
    case RF_SIM_STEP_CORRUPT:
        sim_liars_begin(sim, (size_t)(step - sim->scenario.steps));
        break;
    case RF_SIM_STEP_MARK:
        sim_stats_mark(sim);
        break;
    }
}

void sim_plan_run(struct rf_sim *sim)
{
    struct sim_plan *p = sim->plan;
    const struct rf_sim_scenario *sc = &sim->scenario;
    while (p->step_next < sc->step_count && sc->steps[p->order[p->step_next]].at_us <= sim->now_us)
        run_step(sim, &sc->steps[p->order[p->step_next++]]);
    if (p->work_us <= sim->now_us) {
        sim_work_plan(sim, sim->now_us + SIM_WORK_US);
        p->work_us = sim->now_us + SIM_WORK_US;
    }
    if (p->probe_us <= sim->now_us) {
        sim_stats_probe(sim);
        p->probe_us += sc->probe_us;
    }
    if (p->sample_us <= sim->now_us) {
        sim_work_judge(sim);
        sim_stats_sample(sim);
        p->sample_us += sc->sample_us;
    }
}
