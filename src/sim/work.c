/*
 * work.c - operations of users: drawn a second ahead, run by the nodes, judged afterwards.
 *
 * What comes back right is counted at once. Anything else is kept until the next judgement (between two windows, when other shards' nodes may
 * be looked at): an answer "nobody" about a user who has gone, or a ping of a node that has died meanwhile, is nobody's mistake and not counted.
 */
#include "base/assert.h"
#include "sim/plan.h"
#include "sim/work.h"

#define LISTS_US   (10 * RF_US_PER_S) /* who is there is listed anew after so long */
#define SETTLED_US (5 * RF_US_PER_S)  /* a registration is expected to be found everywhere after so long */
#define ZIPF_TRIES 50

struct sim_work {
    struct {
        enum rf_sim_group group;
        double rate;
        uint64_t next_us;
    } ops[RF_SIM_OP_COUNT];
    uint32_t *users, *supers, *sources; /* registered; joined supernodes; joined nodes */
    size_t user_count, super_count, source_count;
    uint64_t listed_us;
    bool listed;
};

static const char *const op_names[RF_SIM_OP_COUNT] = {"lookup", "ping", "store",  "fetch", "call",
                                                      "remove", "put",  "append", "read",  "trespass"};

const char *rf_sim_op_name(enum rf_sim_op_type type)
{
    return (unsigned)type < RF_SIM_OP_COUNT ? op_names[type] : "?";
}

int sim_work_new(struct rf_sim *sim)
{
    struct rf_mem *mem = sim->config.mem;
    struct sim_work *w = rf_zalloc(mem, sizeof(*w));
    if (w == NULL)
        return RF_ENOMEM;
    sim->work = w;
    w->users = rf_alloc(mem, sim->node_count * sizeof(uint32_t));
    w->sources = rf_alloc(mem, sim->node_count * sizeof(uint32_t));
    w->supers = rf_alloc(mem, sim_super_end(sim) * sizeof(uint32_t));
    return w->users == NULL || w->sources == NULL || w->supers == NULL ? RF_ENOMEM : 0;
}

static void ops_free(struct sim_shard *s)
{
    while (s->judged != NULL) {
        struct sim_op *op = s->judged;
        s->judged = op->next;
        rf_free(s->sim->config.mem, op);
    }
}

void sim_work_free(struct rf_sim *sim)
{
    struct sim_work *w = sim->work;
    for (size_t i = 0; sim->shards != NULL && i < sim->shard_count; i++)
        if (sim->shards[i].sim != NULL)
            ops_free(&sim->shards[i]);
    if (w == NULL)
        return;
    rf_free(sim->config.mem, w->users);
    rf_free(sim->config.mem, w->sources);
    rf_free(sim->config.mem, w->supers);
    rf_free(sim->config.mem, w);
    sim->work = NULL;
}

void sim_work_rate(struct rf_sim *sim, enum rf_sim_op_type op, enum rf_sim_group group, double rate)
{
    RF_ASSERT((unsigned)op < RF_SIM_OP_COUNT);
    sim->work->ops[op].group = group;
    sim->work->ops[op].rate = rate;
    sim->work->ops[op].next_us = sim->now_us;
}

/* ---- planning ---- */

static void list_nodes(struct rf_sim *sim)
{
    struct sim_work *w = sim->work;
    if (w->listed && sim->now_us - w->listed_us < LISTS_US && w->user_count > 0)
        return;
    w->user_count = w->super_count = w->source_count = 0;
    for (size_t i = 0; i < sim->node_count; i++) {
        const struct sim_node *n = &sim->nodes[i];
        if (n->joined && n->liar == NULL)
            w->sources[w->source_count++] = n->index;
        if (n->joined && sim_is_super(n))
            w->supers[w->super_count++] = n->index;
        if (n->registered && sim->now_us - n->registered_us >= SETTLED_US)
            w->users[w->user_count++] = n->index;
    }
    w->listed = true;
    w->listed_us = sim->now_us;
}

/* Zipf by rejection (Devroye), exponent above 1 or not: the inverse of the integral of x^-s. */
static size_t draw_rank(struct sim_stream *s, double exponent, size_t count)
{
    if (exponent <= 0 || count < 2)
        return sim_draw_below(s, count);
    double n = (double)count + 0.5, u = sim_draw_unit(s), x;
    if (fabs(exponent - 1) < 1e-6)
        x = 0.5 * pow(2 * n, u);
    else
        x = pow(pow(0.5, 1 - exponent) + u * (pow(n, 1 - exponent) - pow(0.5, 1 - exponent)),
                1 / (1 - exponent));
    size_t rank = (size_t)(x + 0.5);
    return rank < 1 ? 0 : rank > count ? count - 1 : rank - 1;
}

static bool draw_user(struct rf_sim *sim, uint32_t *target)
{
    struct sim_work *w = sim->work;
    if (w->user_count > 0)
        *target = w->users[draw_rank(&sim->work_stream, sim->scenario.zipf, w->user_count)];
    return w->user_count > 0;
}

/* `n`: who does it */
static bool draw_target(struct rf_sim *sim, enum rf_sim_op_type type, struct sim_node *n, uint32_t *target,
                        uint64_t *expect)
{
    struct sim_work *w = sim->work;
    *expect = 0;
    *target = 0;
    switch (type) {
    case RF_SIM_OP_PING:
        if (w->super_count > 0)
            *target = w->supers[sim_draw_below(&sim->work_stream, w->super_count)];
        return w->super_count > 0;
    case RF_SIM_OP_LOOKUP:
    case RF_SIM_OP_CALL:
        return draw_user(sim, target);
    case RF_SIM_OP_FETCH: /* of somebody who has stored something */
    case RF_SIM_OP_READ:
        for (int tries = 0; tries < ZIPF_TRIES && draw_user(sim, target); tries++)
            if (sim_values_draw(sim, type, n, target, expect))
                return true;
        return false;
    default:
        return sim_values_draw(sim, type, n, target, expect);
    }
}

static void plan_op(struct rf_sim *sim, enum rf_sim_op_type type, uint64_t at_us)
{
    struct sim_work *w = sim->work;
    struct sim_node *n = NULL;
    for (int tries = 0; tries < ZIPF_TRIES && w->source_count > 0; tries++) {
        n = &sim->nodes[w->sources[sim_draw_below(&sim->work_stream, w->source_count)]];
        if (n->joined && (w->ops[type].group & (n->super ? RF_SIM_SUPERNODES : RF_SIM_CLIENTS)) != 0)
            break;
        n = NULL;
    }
    uint32_t target;
    uint64_t expect;
    if (n == NULL || !draw_target(sim, type, n, &target, &expect))
        return;
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_OP);
    e->flag = (uint8_t)type;
    e->number = target;
    e->expect = expect;
    e->life = n->life;
    sim_event_post(n, e, n->index, at_us);
}

void sim_work_plan(struct rf_sim *sim, uint64_t until_us)
{
    struct sim_work *w = sim->work;
    list_nodes(sim);
    for (int type = 0; type < RF_SIM_OP_COUNT; type++)
        while (w->ops[type].rate > 0) {
            uint64_t gap = (uint64_t)sim_draw_exp(&sim->work_stream, 1e6 / w->ops[type].rate) + 1;
            if (w->ops[type].next_us >= until_us)
                break;
            plan_op(sim, (enum rf_sim_op_type)type, w->ops[type].next_us);
            w->ops[type].next_us += gap;
        }
}

/* ---- running ---- */

void sim_op_right(struct sim_op *op)
{
    struct sim_shard *s = op->node->shard;
    s->tally.op_right[op->type]++;
    sim_histogram_add(&s->tally.op_latency[op->type], s->now_us - op->started_us);
    rf_free(s->sim->config.mem, op);
}

void sim_op_not_right(struct sim_op *op, int error, bool answered)
{
    struct sim_shard *s = op->node->shard;
    if (error == RF_ECANCELLED) { /* the node that asked is gone */
        rf_free(s->sim->config.mem, op);
        return;
    }
    op->error = error;
    op->answered = answered;
    op->next = s->judged;
    s->judged = op;
}

static void looked_up(void *arg, const struct rf_whois *whois)
{
    struct sim_op *op = arg;
    struct rf_id id = sim_id_of(op->node->shard->sim, op->target);
    for (size_t i = 0; i < whois->device_count && whois->error == 0; i++) /* nobody forwards here */
        op->node->shard->tally.forged += !rf_id_equal(&whois->devices[i].node_id, &id);
    for (size_t i = 0; i < whois->device_count && whois->error == 0; i++)
        if (rf_id_equal(&whois->devices[i].node_id, &id)) {
            sim_op_right(op);
            return;
        }
    sim_op_not_right(op, whois->error, whois->error == 0 || whois->error == RF_ENOTFOUND);
}

static void pinged(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    (void)rtt_us, (void)their_wall_ms;
    if (error == 0)
        sim_op_right(arg);
    else
        sim_op_not_right(arg, error, false);
}

/* A call: found, now along the way that the registration names. */
static void found(void *arg, const struct rf_whois *whois)
{
    struct sim_op *op = arg;
    struct sim_node *n = op->node;
    struct rf_id id = sim_id_of(n->shard->sim, op->target);
    for (size_t i = 0; i < whois->device_count && whois->error == 0; i++) {
        if (!rf_id_equal(&whois->devices[i].node_id, &id))
            continue;
        int error = rf_node_ping_route(n->node, whois->devices[i].route, sim_node_now(n, n->shard->now_us),
                                       pinged, op);
        if (error != 0)
            sim_op_not_right(op, error, false);
        return;
    }
    sim_op_not_right(op, whois->error, whois->error == 0 || whois->error == RF_ENOTFOUND);
}

static int begin(struct sim_node *n, struct sim_op *op)
{
    struct rf_now now = sim_node_now(n, n->shard->now_us);
    struct rf_id id = sim_id_of(n->shard->sim, op->target);
    char name[48];
    switch (op->type) {
    case RF_SIM_OP_LOOKUP:
        sim_user_of(&n->shard->sim->nodes[op->target], name);
        return rf_node_whois(n->node, rf_view_str(name), now, looked_up, op);
    case RF_SIM_OP_CALL:
        sim_user_of(&n->shard->sim->nodes[op->target], name);
        return rf_node_whois(n->node, rf_view_str(name), now, found, op);
    case RF_SIM_OP_PING:
        return rf_node_ping(n->node, &id, now, pinged, op);
    default:
        return sim_values_begin(n, op);
    }
}

void sim_work_begin(struct sim_node *n, enum rf_sim_op_type type, uint32_t target, uint64_t expect)
{
    struct sim_shard *s = n->shard;
    struct sim_op *op = rf_zalloc(s->sim->config.mem, sizeof(*op));
    RF_ASSERT(op != NULL);
    *op = (struct sim_op){
        .node = n, .target = target, .type = (uint8_t)type, .started_us = s->now_us, .expect = expect};
    s->tally.op_started[type]++;
    int error = begin(n, op);
    if (error != 0)
        sim_op_not_right(op, error, false);
}

/* ---- judging ---- */

static bool excused(const struct rf_sim *sim, const struct sim_op *op)
{
    const struct sim_node *target = &sim->nodes[op->target];
    bool user = op->type == RF_SIM_OP_LOOKUP || op->type == RF_SIM_OP_CALL;
    if (user && op->answered)
        return !target->registered || target->registered_us + SETTLED_US > op->started_us;
    if (op->type == RF_SIM_OP_PING || op->type == RF_SIM_OP_CALL)
        return !target->joined || target->joined_us + SETTLED_US > op->started_us;
    return false;
}

void sim_work_judge(struct rf_sim *sim)
{
    for (size_t i = 0; i < sim->shard_count; i++) {
        struct sim_shard *s = &sim->shards[i];
        for (struct sim_op *op; (op = s->judged) != NULL;) {
            s->judged = op->next;
            if (!excused(sim, op))
                (op->answered ? s->tally.op_wrong : s->tally.op_failed)[op->type]++;
            if (sim->config.log != NULL && !excused(sim, op))
                rf_log_write(sim->config.log, RF_LOG_INFO, "sim", "%s of %u by %u at %.3f s: %s: %s",
                             op_names[op->type], op->target, op->node->index, (double)op->started_us / 1e6,
                             op->answered ? "wrong" : "failed", rf_error_text(op->error));
            rf_free(sim->config.mem, op);
        }
    }
}
