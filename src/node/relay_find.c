/*
 * relay_find.c - relays that the overlay knows of: their TURN-SERVICE entries stand at places that are random numbers, so a Find at a random place leads to a
 * random one of them (RFC 6940, section 9), and a Fetch there to who offers it.
 */
#include "node/internal.h"
#include "usage/turn.h"
#include "wire/store.h"
#include "wire/value.h"

#define LOOKS 8 /* of rf_node_find_relays */

/* ---- one look ---- */

struct look {
    struct rf_node *node;
    void (*found)(void *arg, const struct rf_node_found_relay *found);
    void (*done)(void *arg, int error);
    void *arg;
};

static void look_end(struct look *l, int error)
{
    struct look look = *l;
    rf_free(l->node->env.mem, l);
    look.done(look.arg, error);
}

static void on_values(void *arg, const struct rf_fetch_result *result)
{
    struct look *l = arg;
    for (size_t i = 0; result->error == 0 && i < result->value_count; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        struct rf_turn_value turn;
        if (!v->exists || v->signer == NULL || rf_turn_value_decode(v->value, &turn) != 0)
            continue;
        l->found(l->arg, &(struct rf_node_found_relay){.node = v->signer->node_id,
                                                       .user = v->signer->cert->user,
                                                       .addr = turn.address,
                                                       .lifetime_s = v->lifetime_s});
    }
    look_end(l, result->error);
}

/* Where the nearest entry stands; RF_ENOTFOUND: there is none around. */
static int read_closest(const struct rf_node *node, const struct rf_reply *reply, struct rf_id *out)
{
    struct rf_find_ans ans;
    int error = reply->error != 0 ? reply->error : rf_find_ans_decode(reply->body, reply->region, &ans);
    for (size_t i = 0; error == 0 && i < ans.kind_count; i++) {
        struct rf_view closest = ans.kinds[i].closest;
        if (ans.kinds[i].kind != RF_KIND_TURN_SERVICE || closest.len != node->identity.node_id.len)
            continue;
        *out = (struct rf_id){.len = (uint8_t)closest.len}; /* all zero: there is none */
        if (memcmp(out->b, closest.p, closest.len) == 0)
            return RF_ENOTFOUND;
        memcpy(out->b, closest.p, closest.len);
        return 0;
    }
    return error != 0 ? error : RF_ENOTFOUND;
}

static void on_found(void *arg, const struct rf_reply *reply)
{
    struct look *l = arg;
    struct rf_id at;
    int error = read_closest(l->node, reply, &at);
    if (error == 0)
        error = rf_store_client_fetch(l->node->store, &at, RF_KIND_TURN_SERVICE, NULL, 0, on_values, l);
    if (error != 0)
        look_end(l, error);
}

int node_relay_look(struct rf_node *node, void (*found)(void *arg, const struct rf_node_found_relay *found),
                    void (*done)(void *arg, int error), void *arg)
{
    uint32_t kind = RF_KIND_TURN_SERVICE;
    struct rf_id place = {.len = node->identity.node_id.len};
    uint8_t bytes[64];
    struct rf_buf body;
    struct look *l = rf_zalloc(node->env.mem, sizeof(*l));
    if (l == NULL)
        return RF_ENOMEM;
    *l = (struct look){.node = node, .found = found, .done = done, .arg = arg};
    rf_rng_fill(node->env.jitter, place.b, place.len);
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_find_req_encode(&(struct rf_find_req){.resource = rf_id_view(&place), .kinds = &kind, .kind_count = 1},
                       &body);
    struct rf_call call = {.code = RF_CODE_FIND_REQ, .body = rf_buf_view(&body), .done = on_found, .arg = l};
    rf_call_to_resource(&call, &place);
    node->counters.relay_searches++;
    int error = rf_overlay_call(node->overlay, &call, NULL);
    if (error != 0)
        rf_free(node->env.mem, l);
    return error;
}

/* ---- several ---- */

struct survey {
    struct rf_node *node;
    void (*each)(void *arg, const struct rf_node_found_relay *found);
    void (*done)(void *arg, int error);
    void *arg;
    struct rf_id told[LOOKS * 2];
    size_t told_count;
    unsigned pending, good;
    int error; /* of the last look that failed */
};

static void survey_found(void *arg, const struct rf_node_found_relay *found)
{
    struct survey *s = arg;
    for (size_t i = 0; i < s->told_count; i++)
        if (rf_id_equal(&s->told[i], &found->node))
            return;
    if (s->told_count == RF_COUNT(s->told))
        return;
    s->told[s->told_count++] = found->node;
    s->each(s->arg, found);
}

static void survey_done(void *arg, int error)
{
    struct survey *s = arg;
    if (error == 0 || error == RF_ENOTFOUND)
        s->good++;
    else
        s->error = error;
    if (--s->pending > 0)
        return;
    struct survey survey = *s;
    rf_free(s->node->env.mem, s);
    survey.done(survey.arg, survey.error == RF_ECANCELLED || survey.good == 0 ? survey.error : 0);
}

int rf_node_find_relays(struct rf_node *node, struct rf_now now,
                        void (*each)(void *arg, const struct rf_node_found_relay *found),
                        void (*done)(void *arg, int error), void *arg)
{
    node_enter(node, now);
    if (node_state(node) != RF_TOPOLOGY_JOINED)
        return RF_ECLOSED;
    struct survey *s = rf_zalloc(node->env.mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    *s = (struct survey){.node = node, .each = each, .done = done, .arg = arg};
    int error = 0;
    for (unsigned i = 0; i < LOOKS && error == 0; i++) {
        error = node_relay_look(node, survey_found, survey_done, s);
        s->pending += error == 0;
    }
    if (s->pending > 0)
        return 0;
    rf_free(node->env.mem, s);
    return error;
}
