/*
 * detour.c - other ways for our requests, when the first one loses them or lies (docs/decisions/0013-retries-over-other-ways.md).
 *
 * Every transmission after the first leaves over a neighbor that none before it took: the second over the next best one, later ones over any. An answer for a
 * Resource-ID that comes from further above it than peers lie apart here is doubted: the request goes out at once over another way, and only what
 * comes over two ways is believed. How far peers lie apart is learned from the answers themselves: their median distance, which few liars cannot move.
 */
#include "overlay/internal.h"

#define MAX_DOUBTS    3 /* answers of one call */
#define RANDOM_FROM   3 /* transmissions before this one take the next best way */
#define FAR_MEDIANS   14 /* of exponential distances one in 16,000 is further; the median is known to a third */
#define LEAST_KNOWN   10 /* answers; before that only what lies half the ring away is doubted */
#define UNKNOWN_LIMIT 0.5
#define LEAST_STEP    0.1f
#define MOST_COUNTED  32

/* ---- how far apart ---- */

static float middle(const float v[3])
{
    float low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];
    return v[2] < low ? low : v[2] > high ? high : v[2];
}

/* The first three are kept, from then on apart[0] follows the median in steps that grow smaller. */
static void learn(struct rf_overlay *o, float distance)
{
    if (o->apart_count < 3) {
        o->apart[o->apart_count++] = distance;
        if (o->apart_count == 3)
            o->apart[0] = middle(o->apart);
        return;
    }
    float step = 1 / (float)o->apart_count;
    step = 1 + (step > LEAST_STEP ? step : LEAST_STEP);
    o->apart[0] *= distance > o->apart[0] ? step : 1 / step;
    o->apart_count += o->apart_count < MOST_COUNTED;
}

static double far_limit(const struct rf_overlay *o)
{
    double limit = o->apart_count < LEAST_KNOWN ? UNKNOWN_LIMIT : FAR_MEDIANS * (double)o->apart[0];
    return limit < UNKNOWN_LIMIT ? limit : UNKNOWN_LIMIT;
}

/* ---- other ways ---- */

static bool other_hop(struct rf_overlay *o, const struct call *call, const struct rf_id *key,
                      struct rf_rng *rng, struct rf_id *out)
{
    return o->topology != NULL && o->ops->other_hop != NULL &&
           o->ops->other_hop(o->topology, key, call->tried, call->tried_count, rng, out);
}

static void note(struct call *call, const struct rf_id *node)
{
    if (call->tried_count < CALL_MAX_TRIED)
        call->tried[call->tried_count++] = *node;
    else
        call->tried[call->tried_next++ % CALL_MAX_TRIED] = *node;
}

struct conn *detour_way(struct call *call, const struct route *route)
{
    struct rf_overlay *o = call->overlay;
    struct conn *conn = route->conn, *other;
    const struct rf_id *key = &route->dest.id;
    bool direct = route->dest.type == RF_DEST_NODE && rf_id_equal(&conn->info.node, key);
    bool random = call->transmissions >= RANDOM_FROM;
    struct rf_id next;
    if (direct)
        return conn;
    if (call->tried_count > 0 && other_hop(o, call, key, random ? o->env->jitter : NULL, &next) &&
        (other = conns_best(o, &next)) != NULL) {
        o->counters->detours += other != conn;
        conn = other;
    }
    note(call, &conn->info.node);
    return conn;
}

/* ---- doubts ---- */

static void ask_again(struct call *call, const struct arrival *a, const struct rf_id *signer)
{
    struct rf_overlay *o = call->overlay;
    o->counters->answers_doubted++;
    call->doubts++;
    call->doubted = *signer;
    call->doubted_link = a->link;
    call->transmissions -= call->transmissions > 0; /* it was answered, in a way */
    (void)rf_env_timer_in(o->env, &call->timer, 0); /* is set: cannot fail */
}

static bool may_go_elsewhere(const struct call *call, const struct arrival *a)
{
    struct rf_id next;
    return call->target.type == RF_DEST_RESOURCE && call->link == 0 && a->conn != NULL &&
           call->doubts < MAX_DOUBTS && other_hop(call->overlay, call, &call->target.id, NULL, &next);
}

void detour_refused(struct call *call, const struct arrival *a, const struct rf_id *signer)
{
    bool known = call->doubted.len > 0 && rf_id_equal(&call->doubted, signer);
    if (!(known && a->link == call->doubted_link) && may_go_elsewhere(call, a))
        ask_again(call, a, signer);
}

bool detour_doubts(struct call *call, const struct arrival *a, const struct rf_id *signer)
{
    struct rf_overlay *o = call->overlay;
    const struct rf_id *key = &call->target.id;
    for (size_t i = 0; i < RF_CALL_MAX_AVOID; i++)
        if (call->distrust[i].len > 0 && rf_id_equal(&call->distrust[i], signer)) {
            detour_refused(call, a, signer);
            return true;
        }
    if (call->target.type != RF_DEST_RESOURCE || call->link != 0 || call->any_responder || a->conn == NULL ||
        signer->len != key->len)
        return false;
    struct rf_id distance = rf_id_sub(signer, key);
    if (rf_id_as_double(&distance) <= far_limit(o)) {
        learn(o, (float)rf_id_as_double(&distance));
        return false;
    }
    bool again = call->doubted.len > 0 && rf_id_equal(&call->doubted, signer);
    if (again || !may_go_elsewhere(call, a))
        return again && a->link == call->doubted_link; /* the same once more; over two ways it is believed */
    ask_again(call, a, signer);
    return true;
}
