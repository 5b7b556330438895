/* lies.c - what a liar does with one message: swallow it, send it the wrong way, answer it with something else, keep it for later. */
#include "base/region.h"
#include "sim/liar.h"
#include "wire/chord.h"
#include "wire/method.h"
#include "wire/store.h"
#include "wire/value.h"

#define ANSWER_LEN   8192
#define LIFETIME_S   3600
#define RING_ENTRIES 512
#define SHIFT_SHARE  8.0 /* of the mean distance between peers: so far a liar's Update moves its predecessor */

/* A message under consideration. */
struct lie {
    struct sim_node *n;
    struct sim_liar *l;
    struct sim_ref end; /* it came over */
    struct rf_id from;  /* the node there */
    struct rf_view message;
    struct rf_header header;
    struct rf_message whole; /* if `decoded` */
    bool decoded;
    uint16_t code;
    struct rf_dest target;
    bool mine;    /* its node would take it for itself */
    bool passing; /* its node would forward it */
    struct rf_region region;
};

/* ---- what it is ---- */

static bool in_my_range(const struct sim_node *n, const struct rf_id *key)
{
    struct rf_topology_status_entry entries[RING_ENTRIES];
    struct rf_id self = sim_id_of(n->shard->sim, n->index);
    size_t count = rf_node_ring(n->node, entries, RING_ENTRIES);
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == 'p' && entries[i].rank == 1)
            return key->len == self.len && rf_id_between(&entries[i].node, key, &self);
    return false;
}

static bool look(struct lie *lie)
{
    struct rf_view rest = lie->message, dests;
    struct rf_id self = sim_id_of(lie->n->shard->sim, lie->n->index);
    struct rf_dest first;
    if (rf_header_decode(&rest, self.len, &lie->header) != 0)
        return false;
    dests = lie->header.dests;
    if (rf_dest_next(&dests, self.len, &first) != 0 ||
        rf_dest_list_last(lie->header.dests, self.len, &lie->target) != 0)
        return false;
    if (first.type != RF_DEST_NODE && first.type != RF_DEST_RESOURCE)
        return false;
    bool here = first.type == RF_DEST_NODE ? rf_id_equal(&first.id, &self) || rf_id_is_wildcard(&first.id)
                                           : in_my_range(lie->n, &first.id);
    lie->mine = here && lie->header.dest_count == 1;
    lie->passing = !lie->mine;
    if ((lie->header.fragment & RF_FRAGMENT_OFFSET_MASK) == 0)
        (void)rf_view_u16(&(struct rf_view){rest.p, rest.len}, &lie->code);
    lie->whole.header = lie->header;
    lie->decoded = rf_header_is_whole(&lie->header) && rf_message_decode_rest(rest, &lie->whole) == 0;
    return true;
}

/* ---- memory ---- */

static struct rf_view copy(const struct lie *lie, struct rf_view v)
{
    return rf_view_of(rf_memdup(lie->n->shard->sim->config.mem, v.p, v.len), v.len);
}

static struct liar_tale *tale_of(struct lie *lie, const struct rf_id *resource, uint32_t kind)
{
    for (size_t i = 0; i < lie->l->tale_count; i++)
        if (lie->l->tales[i].kind == kind && rf_id_equal(&lie->l->tales[i].resource, resource))
            return &lie->l->tales[i];
    return NULL;
}

/* Some value of that Kind at another resource. */
static struct liar_tale *tale_of_another(struct lie *lie, const struct rf_id *resource, uint32_t kind)
{
    size_t count = lie->l->tale_count;
    size_t first = count > 0 ? sim_draw_below(&lie->l->stream, count) : 0;
    for (size_t i = 0; i < count; i++) {
        struct liar_tale *tale = &lie->l->tales[(first + i) % count];
        if (tale->kind == kind && !rf_id_equal(&tale->resource, resource))
            return tale;
    }
    return NULL;
}

/* What a Store brings, if nothing of that Kind was there before. */
static void remember_values(struct lie *lie)
{
    struct rf_store_req req;
    struct rf_id resource;
    if (!lie->decoded || rf_store_req_decode(lie->whole.body, &lie->region, &req) != 0 ||
        rf_id_from(req.resource, &resource) != 0)
        return;
    for (size_t i = 0; i < req.kind_count && lie->l->tale_count < LIAR_TALES; i++) {
        struct rf_view values = req.kinds[i].values;
        struct rf_stored stored;
        if (tale_of(lie, &resource, req.kinds[i].kind) != NULL || rf_stored_next(&values, &stored) != 0)
            continue;
        struct liar_tale *tale = &lie->l->tales[lie->l->tale_count++];
        *tale = (struct liar_tale){.resource = resource, .kind = req.kinds[i].kind};
        tale->stored = copy(lie, stored.raw);
        for (size_t k = 0; k < lie->whole.security.cert_count && k < LIAR_TALE_CERTS; k++)
            tale->certs[tale->cert_count++] = copy(lie, lie->whole.security.certs[k]);
    }
}

/* Keeps a message now and then, and sends an older one again over some other connection. */
static void repeat_old(struct lie *lie)
{
    struct sim_liar *l = lie->l;
    struct sim_ref none = {0, 0}, end;
    if (sim_draw_below(&l->stream, 4) != 0)
        return;
    const struct rf_view *old = &l->old[sim_draw_below(&l->stream, LIAR_OLD)];
    if (old->len > 0 && liar_any_end(lie->n, none, &end))
        (void)liar_send(lie->n, end, *old);
    struct rf_view *keep = &l->old[l->old_next++ % LIAR_OLD];
    rf_free(lie->n->shard->sim->config.mem, (void *)(uintptr_t)keep->p);
    *keep = copy(lie, lie->message);
}

/* ---- answers ---- */

/* Signs contents as the liar and sends them back along the request's way. */
static bool answer(struct lie *lie, uint16_t code, struct rf_view body, const struct rf_view *certs,
                   size_t cert_count)
{
    const struct rf_conf *conf = lie->n->shard->conf;
    struct rf_mem *mem = lie->n->shard->sim->config.mem;
    struct rf_identity *identity = liar_identity(lie->n);
    struct rf_buf contents, rest, dests, out;
    bool sent = false;
    if (identity == NULL)
        return false;
    rf_buf_init(&contents, mem, 65536);
    rf_buf_init(&rest, mem, 65536);
    rf_buf_init(&dests, mem, 65536);
    rf_buf_init(&out, mem, 65536);
    rf_contents_encode(code, body, rf_view_of(NULL, 0), &contents);
    rf_buf_view_put(&rest, rf_buf_view(&contents));
    rf_dest_list_way_back(lie->header.via, &lie->from, &dests);
    struct rf_header header = {.overlay = conf->overlay_hash,
                               .config_sequence = conf->sequence,
                               .ttl = conf->initial_ttl,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = lie->header.transaction_id,
                               .dests = rf_buf_view(&dests)};
    if (rf_identity_security_block(identity, conf->overlay_hash, header.transaction_id,
                                   rf_buf_view(&contents), certs, cert_count, &rest) == 0) {
        rf_header_encode(&header, rest.len, &out);
        rf_buf_view_put(&out, rf_buf_view(&rest));
        sent = rf_buf_error(&out) == 0 && liar_send(lie->n, lie->end, rf_buf_view(&out));
    }
    rf_buf_deinit(&contents);
    rf_buf_deinit(&rest);
    rf_buf_deinit(&dests);
    rf_buf_deinit(&out);
    return sent;
}

/* What is put under the resource that was asked for. */
struct told {
    struct rf_buf values; /* StoredData one after another */
    const struct rf_view *certs;
    size_t cert_count;
};

/* A value of the liar's own making: newer than anything, well formed, signed by the liar. */
static void put_own(struct lie *lie, const struct rf_id *resource, const struct rf_kind_def *kind,
                    struct told *told)
{
    struct rf_identity *identity = liar_identity(lie->n);
    uint8_t bytes[256];
    uint8_t zero[4] = {0};
    struct rf_buf value;
    struct rf_view slot = rf_view_of(NULL, 0);
    if (identity == NULL)
        return;
    rf_buf_fixed(&value, bytes, sizeof(bytes));
    struct rf_view content = identity->cert->x509.der;
    if (kind->model == RF_MODEL_ARRAY)
        slot = rf_view_of(zero, 4);
    if (kind->id == RF_KIND_SIP_REGISTRATION) {
        uint8_t list[64];
        struct rf_buf dests;
        struct rf_dest self = rf_dest_node(&identity->node_id);
        rf_buf_fixed(&dests, list, sizeof(list));
        rf_dest_encode(&self, &dests);
        struct rf_sip_value sip = {.type = RF_SIP_VALUE_ROUTE, .dests = rf_buf_view(&dests)};
        rf_sip_value_encode(&sip, &value);
        content = rf_buf_view(&value);
        slot = rf_id_view(&identity->node_id);
    } else if (kind->id == SIM_KIND_VALUE) {
        rf_buf_u64(&value, UINT64_C(1) << 40);
        content = rf_buf_view(&value);
    }
    uint64_t wall_ms = sim_node_now(lie->n, lie->n->shard->now_us).wall_ms;
    (void)rf_stored_value_put(identity, resource, kind, slot, true, content, wall_ms, LIFETIME_S,
                              &told->values);
}

static void put_tale(const struct liar_tale *tale, struct told *told)
{
    rf_buf_view_put(&told->values, tale->stored);
    told->certs = tale->certs;
    told->cert_count = tale->cert_count;
}

/* A true value with another content or another time, under its old signature. */
static void put_changed(struct lie *lie, const struct liar_tale *tale, struct told *told)
{
    size_t at = told->values.len, len = tale->stored.len;
    put_tale(tale, told);
    if (rf_buf_error(&told->values) != 0 || len < 40)
        return;
    uint8_t *p = told->values.p + at;
    if (sim_draw_below(&lie->l->stream, 2) == 0)
        p[4 + 5] ^= 1; /* storage_time */
    else
        p[4 + 8 + 4 + 8 + sim_draw_below(&lie->l->stream, 12)] ^= 1; /* somewhere in the value */
}

static void tell(struct lie *lie, enum rf_sim_lie how, const struct rf_id *resource,
                 const struct rf_kind_def *kind, struct told *told)
{
    struct liar_tale *true_one = tale_of(lie, resource, kind->id);
    struct liar_tale *other = tale_of_another(lie, resource, kind->id);
    uint64_t coin = sim_draw_below(&lie->l->stream, 2);
    if (how == RF_SIM_LIE_FORGE && coin == 0 && true_one != NULL)
        put_changed(lie, true_one, told);
    else if (how == RF_SIM_LIE_FORGE)
        put_own(lie, resource, kind, told);
    else if (how == RF_SIM_LIE_REPLAY && true_one != NULL)
        put_tale(true_one, told);
    else if (how == RF_SIM_LIE_ANSWER && coin == 0 && other != NULL)
        put_tale(other, told);
    /* else: there is nothing */
}

static bool answer_fetch(struct lie *lie, enum rf_sim_lie how)
{
    const struct rf_conf *conf = lie->n->shard->conf;
    struct rf_mem *mem = lie->n->shard->sim->config.mem;
    struct rf_fetch_req req;
    struct rf_id resource;
    struct rf_kind_values kind_values = {.generation = sim_node_now(lie->n, lie->n->shard->now_us).wall_ms};
    struct rf_fetch_ans ans = {.kinds = &kind_values, .kind_count = 1};
    struct told told = {.cert_count = 0};
    struct rf_buf body;
    if (!lie->decoded || rf_fetch_req_decode(lie->whole.body, &lie->region, &req) != 0 ||
        rf_id_from(req.resource, &resource) != 0 || req.specifier_count != 1)
        return false;
    const struct rf_kind_def *kind = rf_conf_kind(conf, req.specifiers[0].kind);
    if (kind == NULL || (how == RF_SIM_LIE_REPLAY && tale_of(lie, &resource, kind->id) == NULL))
        return false;
    rf_buf_init(&told.values, mem, ANSWER_LEN);
    rf_buf_init(&body, mem, 2 * ANSWER_LEN);
    tell(lie, how, &resource, kind, &told);
    kind_values.kind = kind->id;
    kind_values.values = rf_buf_view(&told.values);
    rf_fetch_ans_encode(&ans, &body);
    bool sent = rf_buf_error(&told.values) == 0 && rf_buf_error(&body) == 0 &&
                answer(lie, RF_CODE_FETCH_ANS, rf_buf_view(&body), told.certs, told.cert_count);
    rf_buf_deinit(&told.values);
    rf_buf_deinit(&body);
    return sent;
}

/* "It is stored", "I am here": as if the liar were in charge. */
static bool answer_as_owner(struct lie *lie)
{
    uint8_t bytes[512];
    struct rf_buf body;
    struct rf_store_req req;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    if (lie->code == RF_CODE_FETCH_REQ)
        return answer_fetch(lie, 0);
    if (lie->code == RF_CODE_PING_REQ) {
        struct rf_ping_ans ans = {sim_draw(&lie->l->stream),
                                  sim_node_now(lie->n, lie->n->shard->now_us).wall_ms};
        rf_ping_ans_encode(&ans, &body);
        return answer(lie, RF_CODE_PING_ANS, rf_buf_view(&body), NULL, 0);
    }
    if (lie->code != RF_CODE_STORE_REQ || !lie->decoded ||
        rf_store_req_decode(lie->whole.body, &lie->region, &req) != 0 || req.kind_count != 1)
        return false;
    struct rf_store_ans_kind kind = {.kind = req.kinds[0].kind, .generation = req.kinds[0].generation + 1};
    struct rf_store_ans ans = {.kinds = &kind, .kind_count = 1};
    rf_store_ans_encode(&ans, &body);
    return answer(lie, RF_CODE_STORE_ANS, rf_buf_view(&body), NULL, 0);
}

static bool misroute(struct lie *lie)
{
    struct rf_dest from = rf_dest_node(&lie->from);
    bool request = rf_code_is_request(lie->code);
    struct rf_forwarding how = {.via = request ? &from : NULL};
    struct sim_ref end;
    struct rf_buf out;
    if (request && lie->target.type == RF_DEST_RESOURCE && sim_draw_below(&lie->l->stream, 2) == 0)
        return answer_as_owner(lie);
    if (!liar_any_end(lie->n, lie->end, &end))
        return true;
    rf_buf_init(&out, lie->n->shard->sim->config.mem, 65536);
    if (rf_header_forward(lie->message, &lie->header, &how, &out) == 0)
        (void)liar_send(lie->n, end, rf_buf_view(&out));
    rf_buf_deinit(&out);
    return true;
}

/* ---- which lie ---- */

/* A Fetch, or a Store of a writer: those of neighbors, who pass on copies, would show that something is wrong. */
static bool is_data(const struct lie *lie)
{
    struct rf_view body = lie->whole.body, resource;
    uint8_t replica_number = 1;
    if (lie->code != RF_CODE_STORE_REQ || !lie->decoded)
        return lie->code == RF_CODE_FETCH_REQ;
    return rf_view_v(&body, 1, &resource) == 0 && rf_view_u8(&body, &replica_number) == 0 &&
           replica_number == 0;
}

static unsigned possible(const struct lie *lie)
{
    unsigned lies = 0;
    if (lie->l->drops_data ? is_data(lie) : lie->passing)
        lies |= RF_SIM_LIE_DROP;
    if (lie->passing)
        lies |= RF_SIM_LIE_MISROUTE;
    if (lie->code == RF_CODE_FETCH_REQ)
        lies |= RF_SIM_LIE_ANSWER | RF_SIM_LIE_FORGE | RF_SIM_LIE_REPLAY | RF_SIM_LIE_CLAIM;
    return lies & lie->l->lies;
}

/* True: the lie was told, the node does not get the message. */
static bool lie_so(struct lie *lie, unsigned how)
{
    if (how == RF_SIM_LIE_DROP)
        return true;
    if (how == RF_SIM_LIE_MISROUTE)
        return misroute(lie);
    return answer_fetch(lie, (enum rf_sim_lie)how);
}

static bool choose(struct lie *lie)
{
    unsigned lies = possible(lie), count = (unsigned)__builtin_popcount(lies);
    if (count == 0)
        return false;
    for (uint64_t skip = sim_draw_below(&lie->l->stream, count); skip > 0; skip--)
        lies &= lies - 1;
    return lie_so(lie, lies & -lies);
}

bool lie_about(struct sim_node *n, struct sim_ref end, struct rf_view message)
{
    const struct sim_end *from = sim_end_at(n->shard, end);
    struct lie lie = {.n = n,
                      .l = n->liar,
                      .end = end,
                      .from = sim_id_of(n->shard->sim, from->peer_node),
                      .message = message};
    bool told = false;
    if (!look(&lie))
        return true;
    rf_region_init(&lie.region, n->shard->sim->config.mem, 65536);
    if (lie.code == RF_CODE_STORE_REQ)
        remember_values(&lie);
    if (lie.l->active && (lie.l->lies & RF_SIM_LIE_REPLAY) != 0)
        repeat_old(&lie);
    if (lie.l->active)
        told = choose(&lie);
    rf_region_deinit(&lie.region);
    return !told;
}

/* ---- of the liar's own ---- */

static void put_request(struct sim_node *n, const struct rf_header *header, struct rf_view contents,
                        struct rf_buf *out)
{
    struct rf_buf rest;
    struct rf_identity *identity = liar_identity(n);
    if (identity == NULL) {
        rf_buf_fail(out, RF_ENOMEM);
        return;
    }
    rf_buf_init(&rest, n->shard->sim->config.mem, 65536);
    rf_buf_view_put(&rest, contents);
    int error = rf_identity_security_block(identity, header->overlay, header->transaction_id, contents, NULL,
                                           0, &rest);
    rf_header_encode(header, rest.len, out);
    rf_buf_view_put(out, rf_buf_view(&rest));
    if (error != 0)
        rf_buf_fail(out, error);
    rf_buf_deinit(&rest);
}

static struct rf_id random_id(struct sim_node *n)
{
    struct rf_id id = {.len = n->shard->conf->id_len};
    for (size_t i = 0; i < id.len; i++)
        id.b[i] = (uint8_t)sim_draw(&n->liar->stream);
    return id;
}

void lie_flood(struct sim_node *n, struct sim_ref end)
{
    const struct rf_conf *conf = n->shard->conf;
    struct rf_id key = random_id(n);
    struct rf_dest to = rf_dest_resource(&key);
    uint8_t bytes[64];
    struct rf_specifier specifier = {.kind = RF_KIND_SIP_REGISTRATION};
    uint8_t all[2] = {0, 0};
    specifier.model_specifier = rf_view_of(all, sizeof(all));
    struct rf_fetch_req req = {.resource = rf_id_view(&key), .specifiers = &specifier, .specifier_count = 1};
    struct rf_buf dests, body, contents, out;
    struct rf_mem *mem = n->shard->sim->config.mem;
    rf_buf_fixed(&dests, bytes, sizeof(bytes));
    rf_dest_encode(&to, &dests);
    rf_buf_init(&body, mem, 256);
    rf_buf_init(&contents, mem, 512);
    rf_buf_init(&out, mem, 8192);
    rf_fetch_req_encode(&req, &body);
    rf_contents_encode(RF_CODE_FETCH_REQ, rf_buf_view(&body), rf_view_of(NULL, 0), &contents);
    struct rf_header header = {.overlay = conf->overlay_hash,
                               .config_sequence = conf->sequence,
                               .ttl = conf->initial_ttl,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = sim_draw(&n->liar->stream),
                               .dests = rf_buf_view(&dests)};
    put_request(n, &header, rf_buf_view(&contents), &out);
    if (rf_buf_error(&out) == 0)
        (void)liar_send(n, end, rf_buf_view(&out));
    rf_buf_deinit(&body);
    rf_buf_deinit(&contents);
    rf_buf_deinit(&out);
}

/* The nearest predecessor further away than it is, and somebody who does not exist beside every true neighbor. */
static void falsify(struct sim_node *n, struct rf_chord_update *update)
{
    double part = SHIFT_SHARE / (double)n->shard->sim->scenario.supernodes;
    struct rf_id self = sim_id_of(n->shard->sim, n->index), shift = {.len = self.len};
    uint64_t top = (uint64_t)((part < 0.25 ? part : 0.25) * 0x1p64);
    for (int i = 0; i < 8; i++)
        shift.b[i] = (uint8_t)(top >> (56 - 8 * i));
    for (size_t i = 0; i < update->predecessors.count; i++)
        update->predecessors.ids[i] =
            i == 0 ? rf_id_sub(&self, &shift) : rf_id_sub(&update->predecessors.ids[i - 1], &shift);
    for (size_t i = 0; i < update->successors.count; i++)
        update->successors.ids[i] = rf_id_add_small(&update->successors.ids[i], 1 + (uint32_t)i);
}

bool lie_in_update(struct sim_node *n, struct rf_view message, struct rf_buf *out)
{
    struct rf_mem *mem = n->shard->sim->config.mem;
    struct rf_message m;
    struct rf_region region;
    struct rf_chord_update update;
    struct rf_buf body, contents;
    bool told = false;
    if (rf_message_decode(message, n->shard->conf->id_len, &m) != 0 || m.code != RF_CODE_UPDATE_REQ ||
        m.header.via_count > 0)
        return false;
    rf_region_init(&region, mem, 65536);
    rf_buf_init(&body, mem, 65536);
    rf_buf_init(&contents, mem, 65536);
    if (rf_chord_update_decode(m.body, n->shard->conf->id_len, &region, &update) == 0 &&
        update.type != RF_UPDATE_PEER_READY) {
        falsify(n, &update);
        rf_chord_update_encode(&update, &body);
        rf_contents_encode(m.code, rf_buf_view(&body), m.extensions, &contents);
        put_request(n, &m.header, rf_buf_view(&contents), out);
        told = rf_buf_error(out) == 0;
    }
    rf_buf_deinit(&body);
    rf_buf_deinit(&contents);
    rf_region_deinit(&region);
    return told;
}
