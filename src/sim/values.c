/*
 * values.c - operations on stored values, and what the history notes of them.
 *
 * A user has a single value, a dictionary of SIM_KEYS entries and a list. All his devices write to them, everybody reads them. The bytes of a
 * value name the node that wrote it and count its writes, so a reader knows which write he sees; a removal is known by its signer and time.
 */
#include <stdio.h>
#include "base/assert.h"
#include "sim/work.h"

#define VALUE_LEN  100
#define LIFETIME_S 86400
#define STRANGERS  50 /* draws of somebody who is not the same user */

static const uint32_t kinds[SIM_FORM_COUNT] = {SIM_KIND_VALUE, SIM_KIND_DICTIONARY, SIM_KIND_LIST};

/* ---- planning: `expect` of an event ---- */

/* of a write: form and key */
static uint64_t place_code(enum sim_form form, uint64_t key)
{
    return (uint64_t)form << 8 | key;
}

/* The newest acknowledged version of a user's single value, twice, plus 1 if it is a removal. */
static uint64_t newest(const struct rf_sim *sim, uint32_t user)
{
    uint64_t code = 0;
    for (size_t i = user; i < sim->node_count; i += sim->user_count)
        code = sim->nodes[i].acked > code ? sim->nodes[i].acked : code;
    return code;
}

bool sim_values_draw(struct rf_sim *sim, enum rf_sim_op_type type, struct sim_node *n, uint32_t *target,
                     uint64_t *expect)
{
    struct sim_stream *s = &sim->work_stream;
    switch (type) {
    case RF_SIM_OP_FETCH:
        *expect = newest(sim, sim_user_number(&sim->nodes[*target]));
        return *expect > 0;
    case RF_SIM_OP_READ:
        *expect = sim_draw_below(s, 2) == 0 ? SIM_FORM_ENTRY : SIM_FORM_LIST;
        return true;
    case RF_SIM_OP_PUT:
        *expect = place_code(SIM_FORM_ENTRY, sim_draw_below(s, SIM_KEYS));
        break;
    case RF_SIM_OP_APPEND:
        *expect = place_code(SIM_FORM_LIST, 0);
        break;
    case RF_SIM_OP_REMOVE:
        *expect = sim_draw_below(s, 2) == 0 ? place_code(SIM_FORM_VALUE, 0)
                                            : place_code(SIM_FORM_ENTRY, sim_draw_below(s, SIM_KEYS));
        break;
    case RF_SIM_OP_TRESPASS:
        *expect = place_code((enum sim_form)sim_draw_below(s, SIM_FORM_COUNT), 0);
        for (int tries = 0; tries < STRANGERS; tries++) {
            *target = (uint32_t)sim_draw_below(s, sim->node_count);
            if (sim_user_number(&sim->nodes[*target]) != sim_user_number(n))
                return true;
        }
        return false;
    default: /* STORE */
        *expect = place_code(SIM_FORM_VALUE, 0);
        break;
    }
    *target = n->index;
    return true;
}

/* ---- who is who ---- */

int sim_values_resource(const struct rf_sim *sim, uint32_t user, struct rf_id *out)
{
    const struct sim_shard *s = &sim->shards[0];
    char name[48];
    sim_user_of(&sim->nodes[user], name);
    struct rf_view view = rf_view_str(name);
    return rf_overlay_hash(s->crypto, &view, 1, s->conf->id_len, out);
}

static uint64_t place_of(const struct rf_id *id)
{
    uint64_t place = 0;
    for (int i = 0; i < 8; i++)
        place = place << 8 | id->b[i];
    return place;
}

uint64_t sim_values_place(const struct rf_sim *sim, uint32_t user)
{
    struct rf_id id;
    return sim_values_resource(sim, user, &id) == 0 ? place_of(&id) : 0;
}

uint32_t sim_values_user(const struct rf_sim *sim, const uint64_t *places, const struct rf_id *resource)
{
    uint64_t place = place_of(resource);
    for (uint32_t i = 0; i < sim->user_count; i++)
        if (places[i] == place)
            return i;
    return SIM_NODE_NONE;
}

static uint32_t super_of(const struct rf_sim *sim, const struct rf_id *id)
{
    uint64_t place = place_of(id);
    for (uint32_t i = 0; i < sim_super_end(sim); i++)
        if (sim->places[i] == place)
            return i;
    return SIM_NODE_NONE;
}

static int resource_of(struct sim_node *n, uint32_t target, struct rf_id *out)
{
    char name[48];
    sim_user_of(&n->shard->sim->nodes[target], name);
    return rf_node_resource_of(n->node, rf_view_str(name), out);
}

/* ---- writing ---- */

static void note_ack(struct sim_op *op, const struct sim_write *w)
{
    uint64_t code = 2 * w->time_ms + w->removal;
    if (w->form == SIM_FORM_VALUE && !w->trespass && code > op->node->acked)
        op->node->acked = code;
}

static void stored(void *arg, const struct rf_store_result *result)
{
    struct sim_op *op = arg;
    const struct rf_sim *sim = op->node->shard->sim;
    if (op->write > op->node->shard->history.write_count) { /* the world ends, the history has been judged */
        sim_op_not_right(op, result->error, false);
        return;
    }
    struct sim_write *w = &op->node->shard->history.writes[op->write - 1];
    bool forbidden = result->error == RF_EREMOTE && result->error_code == RF_ERROR_FORBIDDEN;
    w->end_us = op->node->shard->now_us;
    w->time_ms = result->storage_time_ms > w->time_ms ? result->storage_time_ms : w->time_ms;
    w->outcome = result->error == RF_ECANCELLED ? SIM_PENDING
                 : result->error == 0           ? SIM_ACKED
                 : forbidden                    ? SIM_REFUSED
                                                : SIM_FAILED;
    if (result->error == 0) {
        w->holders[w->holder_count++] = super_of(sim, &result->responder);
        for (size_t i = 0; i < result->replica_count && w->holder_count < SIM_HOLDERS; i++)
            w->holders[w->holder_count++] = super_of(sim, &result->replicas[i]);
        note_ack(op, w);
    }
    if (w->trespass ? forbidden : result->error == 0)
        sim_op_right(op);
    else
        sim_op_not_right(op, result->error, w->trespass && result->error == 0);
}

static int begin_write(struct sim_node *n, struct sim_op *op)
{
    struct sim_shard *s = n->shard;
    struct rf_now now = sim_node_now(n, s->now_us);
    struct sim_write w = {
        .begin_us = s->now_us,
        .end_us = s->now_us,
        .time_ms = now.wall_ms,
        .first_ms = now.wall_ms,
        .node = n->index,
        .number = ++n->written,
        .user = sim_user_number(&s->sim->nodes[op->target]),
        .form = (uint8_t)(op->expect >> 8),
        .key = (uint8_t)op->expect,
        .removal = op->type == RF_SIM_OP_REMOVE,
        .trespass = op->type == RF_SIM_OP_TRESPASS,
    };
    struct rf_id id;
    uint8_t value[VALUE_LEN] = {0}, slot[4] = {0xff, 0xff, 0xff, 0xff};
    for (int i = 0; i < 4; i++) {
        value[i] = (uint8_t)(w.node >> (24 - 8 * i));
        value[4 + i] = (uint8_t)(w.number >> (24 - 8 * i));
    }
    if (w.form == SIM_FORM_ENTRY)
        slot[0] = w.key;
    size_t slot_len = w.form == SIM_FORM_LIST ? 4 : w.form == SIM_FORM_ENTRY ? 1 : 0;
    int error = resource_of(n, op->target, &id);
    if (error != 0)
        return error;
    w.place = place_of(&id);
    op->form = w.form;
    op->write = sim_history_write(&s->history, &w) + 1;
    error = rf_node_store(n->node, &id, kinds[w.form], rf_view_of(slot, slot_len), !w.removal,
                          rf_view_of(value, w.removal ? 0 : sizeof(value)), LIFETIME_S, now, stored, op);
    if (error != 0)
        s->history.writes[op->write - 1].outcome = SIM_FAILED;
    return error;
}

/* ---- reading ---- */

void sim_values_seen(const struct rf_sim *sim, enum sim_form form, uint32_t user, struct rf_view slot,
                     struct rf_view value, const struct rf_id *signer, struct sim_seen *out)
{
    uint32_t at = 0;
    uint8_t key = 0;
    if (form == SIM_FORM_LIST)
        (void)rf_view_u32(&slot, &at);
    else if (form == SIM_FORM_ENTRY && rf_view_u8(&slot, &key) == 0)
        at = key;
    out->slot = at;
    out->node = SIM_NODE_NONE;
    if (out->exists) {
        if (rf_view_u32(&value, &out->node) != 0 || rf_view_u32(&value, &out->number) != 0 ||
            out->node >= sim->node_count) {
            out->node = SIM_NODE_NONE;
            return;
        }
        struct rf_id id = sim_id_of(sim, out->node);
        if (!rf_id_equal(&id, signer))
            out->node = SIM_NODE_NONE;
        return;
    }
    for (size_t i = user; i < sim->node_count; i += sim->user_count) {
        struct rf_id id = sim_id_of(sim, (uint32_t)i);
        if (rf_id_equal(&id, signer))
            out->node = (uint32_t)i;
    }
}

static void note_read(struct sim_op *op, const struct rf_fetch_result *result)
{
    struct sim_shard *s = op->node->shard;
    struct rf_id id;
    uint32_t user = sim_user_number(&s->sim->nodes[op->target]);
    if (result->error != 0 || resource_of(op->node, op->target, &id) != 0)
        return;
    sim_history_read(&s->history, &(struct sim_read){.begin_us = op->started_us,
                                                     .end_us = s->now_us,
                                                     .place = place_of(&id),
                                                     .node = op->node->index,
                                                     .user = user,
                                                     .home = super_of(s->sim, &result->responder),
                                                     .form = op->form});
    for (size_t i = 0; i < result->value_count; i++) {
        const struct rf_fetched_value *v = &result->values[i];
        struct sim_seen seen = {.time_ms = v->storage_time_ms, .exists = v->exists};
        if (v->signer == NULL) /* nobody's: nothing there */
            continue;
        sim_values_seen(s->sim, (enum sim_form)op->form, user, v->slot, v->value, &v->signer->node_id, &seen);
        sim_history_seen(&s->history, &seen);
    }
    for (size_t i = 0; i < result->dropped_count; i++) /* the reader found that it is nobody's to write */
        sim_history_seen(&s->history, &(struct sim_seen){.node = SIM_NODE_NONE, .exists = true});
}

/* Is it what was acknowledged when the operation was planned, or newer? */
static bool expected(const struct sim_op *op, const struct rf_fetch_result *result)
{
    if (op->type != RF_SIM_OP_FETCH)
        return true; /* the history judges it */
    for (size_t i = 0; i < result->value_count; i++)
        if (result->values[i].signer != NULL)
            return result->values[i].storage_time_ms >= op->expect / 2;
    return (op->expect & 1) != 0;
}

static void fetched(void *arg, const struct rf_fetch_result *result)
{
    struct sim_op *op = arg;
    if (result->error != RF_ECANCELLED)
        note_read(op, result);
    if (result->error == 0 && expected(op, result))
        sim_op_right(op);
    else
        sim_op_not_right(op, result->error, result->error == 0 || result->error == RF_ENOTFOUND);
}

int sim_values_begin(struct sim_node *n, struct sim_op *op)
{
    struct rf_id id;
    if (op->type != RF_SIM_OP_FETCH && op->type != RF_SIM_OP_READ)
        return begin_write(n, op);
    op->form = op->type == RF_SIM_OP_FETCH ? SIM_FORM_VALUE : (uint8_t)op->expect;
    int error = resource_of(n, op->target, &id);
    return error != 0
               ? error
               : rf_node_fetch(n->node, &id, kinds[op->form], sim_node_now(n, n->shard->now_us), fetched, op);
}
