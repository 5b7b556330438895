/*
 * selftune.c - CHORD-SELF-TUNING (RFC 7363; reload.md 5.10): the period of stabilization follows from how fast peers come and go.
 *
 * Recovery is periodic only. When the one timer fires: estimates are made anew, the first predecessor and the first successor get our
 * neighbors-Update and nobody else does, some fingers are asked for their estimates by ProbeReqs that carry ours, and the timer is set for the period that
 * follows from all of them. Estimates of others count until it fires next. reload.md's letters: N size, U failure rate of a peer, L join rate, M
 * peers in the Routing Table, K failures remembered.
 */
#include <math.h>

#include "overlay/chord/chord.h"

#define HISTORY_PART   4 /* K is so much of the Routing Table */
#define DAY_S          86400.0
#define INTERVAL_MIN_S 15.0
#define INTERVAL_MAX_S 3600.0
#define PERCENTILE     75

struct estimate {
    double size, join_rate, leave_rate; /* rates per second: of the overlay, of one peer */
};

/* U = f / (M Tf'): with fewer than K failures this moment counts as one, and the join is the first entry. */
static double failure_rate(const struct rf_topology *t)
{
    const struct chord_tuning *tuning = t->tuning;
    size_t keep = t->ring.count / HISTORY_PART, have = chord_tuning_losses(t);
    keep = keep < 2 ? 2 : keep > CHORD_LOSSES ? CHORD_LOSSES : keep;
    uint64_t last_us = chord_now(t), first_us = t->start_us;
    size_t failures = have + 1;
    if (have >= keep) {
        last_us = tuning->lost_us[(have - 1) % CHORD_LOSSES];
        first_us = tuning->lost_us[(have - keep) % CHORD_LOSSES];
        failures = keep;
    }
    double span_s = (double)(last_us - first_us) / CHORD_S;
    return (double)failures / ((double)(t->ring.count + 1) * (span_s > 1 ? span_s : 1));
}

/* The age in the middle of those in the Routing Table, ours included; seconds. */
static double middle_age_s(const struct rf_topology *t)
{
    double ages[RING_MAX_PEERS + 1];
    ages[0] = (double)(chord_now(t) - t->start_us) / CHORD_S;
    size_t count = 1 + chord_tuning_ages(t, ages + 1, RF_COUNT(ages) - 1);
    chord_tuning_sort(ages, count);
    return ages[count / 2] > 1 ? ages[count / 2] : 1;
}

static struct estimate own_estimate(const struct rf_topology *t)
{
    double size = ring_size(&t->ring);
    return (struct estimate){size, size / middle_age_s(t), failure_rate(t)};
}

static uint32_t rounded_up(double value)
{
    double up = ceil(value);
    return up < 1 ? 1 : up < UINT32_MAX ? (uint32_t)up : UINT32_MAX;
}

bool chord_tuning_tell(const struct rf_topology *t, struct rf_self_tuning *out)
{
    if (!t->params.self_tuning || t->params.role != RF_ROLE_PEER || t->state != RF_TOPOLOGY_JOINED)
        return false;
    struct estimate e = own_estimate(t);
    *out = (struct rf_self_tuning){rounded_up(e.size), rounded_up(e.join_rate * DAY_S),
                                   rounded_up(e.leave_rate * DAY_S)};
    return true;
}

void chord_tuning_hear(struct rf_topology *t, const struct rf_self_tuning *data)
{
    struct chord_tuning *tuning = t->params.self_tuning ? chord_tuning_own(t) : NULL;
    if (!tuning)
        return;
    tuning->heard[tuning->heard_count % CHORD_HEARD] = *data;
    tuning->heard_count++;
}

static double percentile(double *values, size_t count)
{
    chord_tuning_sort(values, count);
    return values[(count - 1) * PERCENTILE / 100];
}

/* Ours and what was heard since the last time. */
static struct estimate shared_estimate(struct rf_topology *t)
{
    struct chord_tuning *tuning = t->tuning;
    struct estimate own = own_estimate(t);
    double sizes[CHORD_HEARD + 1] = {own.size}, joins[CHORD_HEARD + 1] = {own.join_rate},
                               leaves[CHORD_HEARD + 1] = {own.leave_rate};
    size_t count = !tuning ? 0 : tuning->heard_count < CHORD_HEARD ? tuning->heard_count : CHORD_HEARD;
    for (size_t i = 0; i < count; i++) {
        sizes[i + 1] = tuning->heard[i].network_size;
        joins[i + 1] = tuning->heard[i].join_rate / DAY_S;
        leaves[i + 1] = tuning->heard[i].leave_rate / DAY_S;
    }
    if (tuning)
        tuning->heard_count = 0;
    return (struct estimate){percentile(sizes, count + 1), percentile(joins, count + 1),
                             percentile(leaves, count + 1)};
}

/* The period, seconds. */
static double interval_s(const struct estimate *e)
{
    double hops = log2(e->size < 2 ? 2 : e->size), hops2 = hops * hops;
    double by_leaves = 1 / (2 * e->leave_rate) / hops2, by_joins = e->size / (e->join_rate * hops2);
    double least = by_leaves < by_joins ? by_leaves : by_joins;
    return least < INTERVAL_MIN_S ? INTERVAL_MIN_S : least > INTERVAL_MAX_S ? INTERVAL_MAX_S : least;
}

static void probed(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_extension extension;
    struct rf_self_tuning data;
    if (reply->error == 0 && reply->message &&
        rf_extension_find(reply->message->extensions, RF_EXTENSION_SELF_TUNING_DATA, &extension) &&
        rf_self_tuning_decode(extension.contents, &data) == 0)
        chord_tuning_hear(call->t, &data);
}

static void probe(struct rf_topology *t, const struct rf_id *finger)
{
    static const uint8_t types[] = {RF_PROBE_UPTIME};
    const struct chord_conn *conn = chord_conn_find(t, finger);
    struct rf_self_tuning data;
    uint8_t data_bytes[16], body_bytes[8], extension_bytes[32];
    struct rf_buf contents, body, extensions;
    if (!conn || !chord_tuning_tell(t, &data))
        return;
    rf_buf_fixed(&contents, data_bytes, sizeof(data_bytes));
    rf_self_tuning_encode(&data, &contents);
    rf_buf_fixed(&extensions, extension_bytes, sizeof(extension_bytes));
    rf_extension_encode(&(struct rf_extension){RF_EXTENSION_SELF_TUNING_DATA, false, rf_buf_view(&contents)},
                        &extensions);
    rf_buf_fixed(&body, body_bytes, sizeof(body_bytes));
    rf_probe_req_encode(rf_view_of(types, sizeof(types)), &body);
    struct rf_call call = {.code = RF_CODE_PROBE_REQ,
                           .link = conn->link,
                           .body = rf_buf_view(&body),
                           .extensions = rf_buf_view(&extensions),
                           .max_transmissions = 2};
    rf_call_to_node(&call, finger);
    chord_call(t, &call, probed);
}

void chord_selftune(struct rf_topology *t)
{
    struct estimate estimate = shared_estimate(t);
    struct rf_id fingers[RING_MAX_FINGERS];
    size_t count = ring_fingers(&t->ring, fingers, RING_MAX_FINGERS);
    double next_s = interval_s(&estimate);
    chord_alarm_in(t, ALARM_STABILIZE, chord_about(t, (uint64_t)(next_s * (double)CHORD_S)));
    struct chord_conn *pred = t->tables->pred_count ? chord_conn_find(t, &t->tables->pred[0]) : NULL;
    struct chord_conn *succ = t->tables->succ_count ? chord_conn_find(t, &t->tables->succ[0]) : NULL;
    if (pred)
        chord_owe(t, pred, OWE_NEIGHBORS);
    if (succ)
        chord_owe(t, succ, OWE_NEIGHBORS);
    for (size_t asked = 0; asked < t->params.peers_to_probe && count > 0; asked++) {
        size_t i = rf_rng_below(t->env->jitter, count);
        probe(t, &fingers[i]);
        fingers[i] = fingers[--count];
    }
}
