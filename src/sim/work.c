/*
 * work.c - operations of users: drawn a second ahead, run by the nodes, judged afterwards.
 *
 * What comes back right is counted at once. Anything else is kept until the next judgement (between two windows, when other shards' nodes may
 * be looked at): an answer "nobody" about a user who has gone, or a ping of a node that has died meanwhile, is nobody's mistake and not counted.
 */
#include "base/assert.h"
#include "sim/plan.h"

#define LISTS_US   (10 * RF_US_PER_S) /* who is there is listed anew after so long */
#define SETTLED_US (5 * RF_US_PER_S)  /* a registration is expected to be found everywhere after so long */
#define VALUE_LEN  100
#define LIFETIME_S 86400
#define ZIPF_TRIES 50

struct sim_op {
    struct sim_op *next; /* waiting for judgement */
    struct sim_node *node;
    uint32_t target;
    uint8_t type;
    bool answered; /* with something that is not right: wrong rather than failed */
    int error;
    uint64_t started_us, expect;
};

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

static const char *const op_names[RF_SIM_OP_COUNT] = {"lookup", "ping", "store", "fetch"};

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
    w->supers = rf_alloc(mem, sim->scenario.supernodes * sizeof(uint32_t));
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
        if (n->joined)
            w->sources[w->source_count++] = n->index;
        if (n->joined && n->super)
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

static bool draw_target(struct rf_sim *sim, enum rf_sim_op_type type, uint32_t *target, uint64_t *expect)
{
    struct sim_work *w = sim->work;
    *expect = 0;
    *target = 0;
    if (type == RF_SIM_OP_STORE)
        return true;
    if (type == RF_SIM_OP_PING) {
        if (w->super_count > 0)
            *target = w->supers[sim_draw_below(&sim->work_stream, w->super_count)];
        return w->super_count > 0;
    }
    for (int tries = 0; tries < ZIPF_TRIES && w->user_count > 0; tries++) {
        *target = w->users[draw_rank(&sim->work_stream, sim->scenario.zipf, w->user_count)];
        *expect = sim->nodes[*target].acked;
        if (type == RF_SIM_OP_LOOKUP || *expect > 0)
            return true;
    }
    return false;
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
    if (!draw_target(sim, type, &target, &expect) || n == NULL)
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

static void right(struct sim_op *op)
{
    struct sim_shard *s = op->node->shard;
    s->tally.op_right[op->type]++;
    sim_histogram_add(&s->tally.op_latency[op->type], s->now_us - op->started_us);
    rf_free(s->sim->config.mem, op);
}

static void not_right(struct sim_op *op, int error, bool answered)
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
    for (size_t i = 0; i < whois->device_count && whois->error == 0; i++)
        if (rf_id_equal(&whois->devices[i].node_id, &id)) {
            right(op);
            return;
        }
    not_right(op, whois->error, whois->error == 0 || whois->error == RF_ENOTFOUND);
}

static void pinged(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    (void)rtt_us, (void)their_wall_ms;
    if (error == 0)
        right(arg);
    else
        not_right(arg, error, false);
}

static void stored(void *arg, const struct rf_store_result *result)
{
    struct sim_op *op = arg;
    if (result->error != 0) {
        not_right(op, result->error, false);
        return;
    }
    if (op->expect > op->node->acked)
        op->node->acked = (uint32_t)op->expect;
    right(op);
}

static void fetched(void *arg, const struct rf_fetch_result *result)
{
    struct sim_op *op = arg;
    for (size_t i = 0; i < result->value_count && result->error == 0; i++) {
        struct rf_view v = result->values[i].value;
        uint64_t number = 0;
        if (result->values[i].exists && rf_view_u64(&v, &number) == 0 && number >= op->expect) {
            right(op);
            return;
        }
    }
    not_right(op, result->error, result->error == 0 || result->error == RF_ENOTFOUND);
}

static int resource_of(struct sim_node *n, uint32_t user, struct rf_id *out)
{
    char name[48];
    sim_user_of(&n->shard->sim->nodes[user], name);
    return rf_node_resource_of(n->node, rf_view_str(name), out);
}

static int begin(struct sim_node *n, struct sim_op *op)
{
    struct rf_now now = sim_node_now(n, n->shard->now_us);
    struct rf_id id = sim_id_of(n->shard->sim, op->target);
    char name[48];
    uint8_t value[VALUE_LEN] = {0};
    int error;
    switch (op->type) {
    case RF_SIM_OP_LOOKUP:
        sim_user_of(&n->shard->sim->nodes[op->target], name);
        return rf_node_whois(n->node, rf_view_str(name), now, looked_up, op);
    case RF_SIM_OP_PING:
        return rf_node_ping(n->node, &id, now, pinged, op);
    case RF_SIM_OP_FETCH:
        error = resource_of(n, op->target, &id);
        return error != 0 ? error : rf_node_fetch(n->node, &id, SIM_KIND_VALUE, now, fetched, op);
    default:
        op->expect = ++n->stored;
        for (int i = 0; i < 8; i++)
            value[i] = (uint8_t)(op->expect >> (56 - 8 * i));
        error = resource_of(n, n->index, &id);
        return error != 0 ? error
                          : rf_node_store(n->node, &id, SIM_KIND_VALUE, rf_view_of(NULL, 0), true,
                                          rf_view_of(value, sizeof(value)), LIFETIME_S, now, stored, op);
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
        not_right(op, error, false);
}

/* ---- judging ---- */

static bool excused(const struct rf_sim *sim, const struct sim_op *op)
{
    const struct sim_node *target = &sim->nodes[op->target];
    if (op->type == RF_SIM_OP_LOOKUP && op->answered)
        return !target->registered || target->registered_us + SETTLED_US > op->started_us;
    if (op->type == RF_SIM_OP_PING)
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
