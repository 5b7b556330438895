/* liar.c - who lies and from when on, where those stand that claimed their Node-IDs, what passes the filter; floods. */
#include "sim/liar.h"

#include "base/assert.h"
#include "wire/frame.h"

#define FLOOD_US (100 * RF_US_PER_MS)
#define FIRST_SEQUENCE                                                                                       \
    UINT32_C(                                                                                                \
        0x80000000) /* of injected frames: the node never sends so many, so it does not mind their acks */

/* A keep-alive's destination list (docs/protocol/links.md): what a swallowed message becomes, so that it is acknowledged. */
static const uint8_t nobody[] = {3, 9, 8, 0, 0, 0, 0, 0, 0, 0, 0};

/* ---- who ---- */

static bool may_lie(const struct sim_node *n, const struct rf_sim_step *step)
{
    return n->super && n->liar == NULL && !(step->spare_bootstraps && n->spare);
}

/* The Node-ID right above a victim's Resource-ID: whoever stands there is in charge of what is known of that user. */
static int claim(struct rf_sim *sim, struct sim_liar *liar, uint32_t victim, uint32_t place)
{
    char name[48];
    struct rf_id key;
    sim_user_of(&sim->nodes[victim], name);
    struct rf_view user = rf_view_str(name);
    struct sim_shard *s = &sim->shards[0];
    int error = rf_overlay_hash(s->crypto, &user, 1, s->conf->id_len, &key);
    if (error == 0)
        liar->claimed = rf_id_add_small(&key, 1 + place);
    return error;
}

static struct sim_liar *liar_new(struct rf_sim *sim, const struct rf_sim_step *step, size_t number,
                                 uint32_t index)
{
    struct sim_liar *liar = rf_zalloc(sim->config.mem, sizeof(*liar));
    if (liar == NULL)
        return NULL;
    liar->lies = step->lies;
    liar->rate = step->rate > 0 ? step->rate : 500;
    liar->drops_data = number % 2 == 1;
    liar->stream = sim_stream_of(sim->config.seed, 'L', index);
    liar->sequence = FIRST_SEQUENCE;
    liar->tales = rf_zalloc(sim->config.mem, LIAR_TALES * sizeof(liar->tales[0]));
    if (liar->tales == NULL) {
        rf_free(sim->config.mem, liar);
        return NULL;
    }
    return liar;
}

/* Draws the liars of one step. Those who claim Node-IDs stand `together` at one victim, then at the next. */
static int draw_liars(struct rf_sim *sim, const struct rf_sim_step *step, uint64_t number)
{
    struct sim_stream s = sim_stream_of(sim->config.seed, 'V', number);
    size_t supers = sim->scenario.supernodes, together = step->together > 0 ? step->together : 1;
    size_t want = step->count > 0 ? step->count : (size_t)((double)supers * step->fraction + 0.5);
    uint32_t victim = 0;
    int error = 0;
    for (size_t i = 0, tries = 0; i < want && tries < 100 * supers && error == 0; tries++) {
        struct sim_node *n = &sim->nodes[sim_draw_below(&s, supers)];
        if (!may_lie(n, step))
            continue;
        n->liar = liar_new(sim, step, i, n->index);
        if (n->liar == NULL)
            return RF_ENOMEM;
        if (i % together == 0)
            victim = (uint32_t)sim_draw_below(&s, sim->node_count);
        if ((step->lies & RF_SIM_LIE_CLAIM) != 0)
            error = claim(sim, n->liar, victim, (uint32_t)(i % together));
        n->liar_step = (uint16_t)number;
        i++;
    }
    return error;
}

int sim_liars_new(struct rf_sim *sim)
{
    int error = 0;
    for (size_t i = 0; i < sim->scenario.step_count && error == 0; i++)
        if (sim->scenario.steps[i].type == RF_SIM_STEP_CORRUPT)
            error = draw_liars(sim, &sim->scenario.steps[i], i);
    return error;
}

static void tale_free(struct rf_mem *mem, struct liar_tale *tale)
{
    rf_free(mem, (void *)(uintptr_t)tale->stored.p);
    for (size_t i = 0; i < tale->cert_count; i++)
        rf_free(mem, (void *)(uintptr_t)tale->certs[i].p);
}

void sim_liar_free(struct sim_node *n)
{
    struct rf_mem *mem = n->shard->sim->config.mem;
    struct sim_liar *l = n->liar;
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->tale_count; i++)
        tale_free(mem, &l->tales[i]);
    for (size_t i = 0; i < LIAR_OLD; i++)
        rf_free(mem, (void *)(uintptr_t)l->old[i].p);
    if (l->identified)
        rf_identity_deinit(&l->identity);
    rf_free(mem, l->tales);
    rf_free(mem, l);
    n->liar = NULL;
}

bool sim_liar_id(const struct sim_node *n, struct rf_id *out)
{
    if (n->liar == NULL || n->liar->claimed.len == 0)
        return false;
    *out = n->liar->claimed;
    return true;
}

/* ---- from when on ---- */

static void post_flood(struct sim_node *n)
{
    struct sim_event *e = sim_event_new(n->shard, SIM_EVENT_LIE);
    e->life = n->life;
    sim_event_post(n, e, n->index, n->shard->now_us + FLOOD_US);
}

void sim_liars_begin(struct rf_sim *sim, size_t step)
{
    for (size_t i = 0; i < sim->scenario.supernodes; i++) {
        struct sim_node *n = &sim->nodes[i];
        if (n->liar == NULL || n->liar_step != step)
            continue;
        n->liar->active = true;
        n->liar->flood_us = sim->now_us;
        if ((n->liar->lies & RF_SIM_LIE_FLOOD) != 0 && n->node != NULL)
            post_flood(n);
    }
}

void sim_liars_heal(struct rf_sim *sim)
{
    for (size_t i = 0; i < sim->scenario.supernodes; i++)
        if (sim->nodes[i].liar != NULL)
            sim->nodes[i].liar->active = false;
}

void sim_liar_wake(struct sim_node *n)
{
    struct sim_liar *l = n->liar;
    struct sim_ref none = {0, 0}, end;
    if (l == NULL || !l->active)
        return;
    uint64_t now_us = n->shard->now_us;
    size_t count = (size_t)(l->rate * (double)(now_us - l->flood_us) / 1e6);
    l->flood_us = now_us;
    for (size_t i = 0; i < count && i < l->rate && liar_any_end(n, none, &end); i++)
        lie_flood(n, end);
    post_flood(n);
}

/* ---- what lies.c needs ---- */

struct rf_identity *liar_identity(struct sim_node *n)
{
    struct sim_liar *l = n->liar;
    struct sim_shard *s = n->shard;
    struct rf_crypto *c = s->crypto;
    struct rf_id id = sim_id_of(s->sim, n->index);
    struct rf_cert *cert = NULL;
    struct rf_key *key = NULL;
    struct rf_buf pem, der;
    if (l->identified)
        return &l->identity;
    rf_buf_init(&pem, s->sim->config.mem, 65536);
    rf_buf_init(&der, s->sim->config.mem, RF_CERT_MAX_LEN);
    int error = sim_host_cert(n, &pem, &der);
    if (error == 0)
        error = rf_cert_decode(c, rf_buf_view(&der), s->conf->overlay, id.len, &cert);
    if (error == 0)
        error = c->ops->key_from_pem(c, rf_buf_view(&pem), &key);
    if (error == 0)
        error = rf_identity_init(&l->identity, c, key, cert, &id);
    if (error != 0)
        c->ops->key_free(c, key);
    l->identified = error == 0;
    rf_cert_release(cert);
    rf_buf_deinit(&pem);
    rf_buf_deinit(&der);
    return l->identified ? &l->identity : NULL;
}

bool liar_send(struct sim_node *n, struct sim_ref end, struct rf_view message)
{
    struct rf_buf record;
    rf_buf_init(&record, n->shard->sim->config.mem, message.len + 256);
    int error = sim_engine_record(n, message, n->liar->sequence++, &record);
    bool sent = error == 0 && sim_conn_inject(n, end, rf_buf_view(&record));
    rf_buf_deinit(&record);
    return sent;
}

bool liar_any_end(struct sim_node *n, struct sim_ref but, struct sim_ref *out)
{
    struct sim_ref ends[LIAR_ENDS];
    size_t count = sim_conn_talking(n, ends, LIAR_ENDS), kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sim_end *end = sim_end_at(n->shard, ends[i]);
        if (n->shard->sim->nodes[end->peer_node].super && (ends[i].slot != but.slot || but.gen == 0))
            ends[kept++] = ends[i];
    }
    if (kept == 0)
        return false;
    *out = ends[sim_draw_below(&n->liar->stream, kept)];
    return true;
}

/* ---- the filter ---- */

static void put_nothing(struct sim_node *n, const struct rf_frame *frame, struct rf_buf *plain)
{
    uint8_t bytes[RF_HEADER_MIN_LEN + sizeof(nobody)];
    struct rf_buf message;
    struct rf_header header = {.overlay = n->shard->conf->overlay_hash,
                               .ttl = 1,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = sim_draw(&n->liar->stream),
                               .dests = rf_view_of(nobody, sizeof(nobody))};
    rf_buf_fixed(&message, bytes, sizeof(bytes));
    rf_header_encode(&header, 0, &message);
    struct rf_frame empty = {
        .type = RF_FRAME_DATA, .sequence = frame->sequence, .message = rf_buf_view(&message)};
    rf_frame_encode(&empty, plain);
}

void sim_liar_in(struct sim_node *n, struct rf_view in, struct rf_buf *plain)
{
    struct sim_ref from = n->shard->reading;
    struct sim_end *end = sim_end_at(n->shard, from);
    if (end != NULL)
        end->talking = true;
    while (in.len > 0) {
        struct rf_frame frame;
        struct rf_view before = in;
        if (rf_frame_next(&in, 0xffffff, &frame) != 0) { /* an application's bytes */
            rf_buf_view_put(plain, in);
            return;
        }
        if (frame.type != RF_FRAME_DATA || end == NULL || lie_about(n, from, frame.message))
            rf_buf_put(plain, before.p, before.len - in.len);
        else
            put_nothing(n, &frame, plain);
    }
}

bool sim_liar_out(struct sim_node *n, struct rf_view in, struct rf_buf *plain)
{
    bool changed = false;
    if (!n->liar->active || (n->liar->lies & RF_SIM_LIE_CLAIM) == 0)
        return false;
    while (in.len > 0) {
        struct rf_frame frame;
        struct rf_view before = in;
        struct rf_buf lie;
        if (rf_frame_next(&in, 0xffffff, &frame) != 0) {
            rf_buf_view_put(plain, in);
            break;
        }
        rf_buf_init(&lie, n->shard->sim->config.mem, 65536);
        if (frame.type == RF_FRAME_DATA && lie_in_update(n, frame.message, &lie)) {
            frame.message = rf_buf_view(&lie);
            rf_frame_encode(&frame, plain);
            changed = true;
        } else {
            rf_buf_put(plain, before.p, before.len - in.len);
        }
        rf_buf_deinit(&lie);
    }
    return changed && rf_buf_error(plain) == 0;
}
