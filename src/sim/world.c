/* world.c - birth and death of the world: the overlay's keys and document, nodes, shards; and the pace of time. */
#include <stdio.h>
#include "base/assert.h"
#include "crypto/fake/fake.h"
#include "sim/world.h"

#define YEAR_MS (UINT64_C(86400000) * 365)

void rf_sim_scenario_default(struct rf_sim_scenario *scenario)
{
    memset(scenario, 0, sizeof(*scenario));
    scenario->supernodes = 100;
    scenario->bootstraps = 4;
    scenario->registered = SIZE_MAX;
    scenario->devices = 1;
    scenario->duration_us = 600 * RF_US_PER_S;
    scenario->sample_us = 10 * RF_US_PER_S;
    scenario->probe_us = 10 * RF_US_PER_S;
    scenario->disk = true;
    scenario->disk_us = 5000;
    scenario->super_cpu = 1;
    scenario->mega_factor = 20;
    scenario->shutdown_over_us = 10 * RF_US_PER_S;
    scenario->shutdown_pause_us = 120 * RF_US_PER_S;
    rf_sim_net_config_default(&scenario->net);
    scenario->nats = (struct rf_sim_nats){.weights = {[SIM_NAT_FULL_CONE] = 0.1,
                                                      [SIM_NAT_RESTRICTED] = 0.1,
                                                      [SIM_NAT_PORT_RESTRICTED] = 0.62,
                                                      [SIM_NAT_SYMMETRIC] = 0.18},
                                          .hosts = 1,
                                          .timeout_s = 7440,
                                          .flows = 200,
                                          .block_s = 900};
}

/* ---- who is who ---- */

uint32_t sim_user_number(const struct sim_node *n)
{
    return n->index % (uint32_t)n->shard->sim->user_count;
}

void sim_user_of(const struct sim_node *n, char out[48])
{
    snprintf(out, 48, "u%u@example.org", sim_user_number(n));
}

struct rf_id sim_id_of(const struct rf_sim *sim, uint32_t index)
{
    struct sim_stream s = sim_stream_of(sim->config.seed, 'n', index);
    struct rf_id id = {.len = 16};
    if (index < sim->node_count && sim_liar_id(&sim->nodes[index], &id))
        return id;
    for (int i = 0; i < 16; i += 8) {
        uint64_t v = sim_draw(&s);
        for (int k = 0; k < 8; k++)
            id.b[i + k] = (uint8_t)(v >> (56 - 8 * k));
    }
    return id;
}

struct rf_now sim_node_now(const struct sim_node *n, uint64_t now_us)
{
    int64_t drift_ms = (int64_t)(now_us / 1000) * n->drift_ppb / 1000000000;
    return (struct rf_now){SIM_MONO_BASE_US + now_us,
                           (uint64_t)((int64_t)(SIM_EPOCH_MS + now_us / 1000) + n->skew_ms + drift_ms)};
}

/* ---- the overlay's keys ---- */

static int key_of(struct sim_shard *s, uint64_t which, enum rf_key_type type, struct rf_key **out)
{
    struct sim_stream stream = sim_stream_of(s->sim->config.seed, 'c', which);
    uint64_t raw[4] = {sim_draw(&stream), sim_draw(&stream), sim_draw(&stream), sim_draw(&stream)};
    return s->crypto->ops->key_from_raw(s->crypto, type, rf_view_of(raw, sizeof(raw)), out);
}

static int make_ca(struct sim_shard *s, struct rf_buf *der)
{
    struct rf_crypto *c = s->crypto;
    struct rf_x509_spec spec = {.common_name = rf_view_str("simulated CA"),
                                .is_ca = true,
                                .not_before_ms = SIM_EPOCH_MS - YEAR_MS,
                                .not_after_ms = SIM_EPOCH_MS + 10 * YEAR_MS,
                                .serial_lo = 1};
    struct rf_buf spki;
    rf_buf_init(&spki, s->sim->config.mem, RF_CERT_MAX_LEN);
    int error = c->ops->key_spki(c, s->ca_key, &spki);
    if (error == 0)
        error = c->ops->x509_issue(c, &spec, rf_buf_view(&spki), NULL, s->ca_key, der);
    rf_buf_deinit(&spki);
    return error;
}

static int make_signer(struct sim_shard *s, struct rf_identity *out)
{
    struct rf_crypto *c = s->crypto;
    struct rf_id id = sim_id_of(s->sim, UINT32_MAX);
    struct rf_cert_spec spec = {.user = rf_view_str("config@example.org"),
                                .overlay = rf_view_str("example.org"),
                                .node_ids = &id,
                                .node_id_count = 1,
                                .not_before_ms = SIM_EPOCH_MS - YEAR_MS,
                                .not_after_ms = SIM_EPOCH_MS + YEAR_MS,
                                .serial_lo = 2};
    struct rf_key *key;
    struct rf_cert *cert = NULL;
    struct rf_buf spki, der;
    int error = key_of(s, 1, s->sim->config.crypto.key_type, &key);
    if (error != 0)
        return error;
    rf_buf_init(&spki, s->sim->config.mem, RF_CERT_MAX_LEN);
    rf_buf_init(&der, s->sim->config.mem, RF_CERT_MAX_LEN);
    error = c->ops->key_spki(c, key, &spki);
    if (error == 0)
        error = rf_cert_issue(c, &spec, rf_buf_view(&spki), &s->ca, s->ca_key, &der);
    if (error == 0)
        error = rf_cert_decode(c, rf_buf_view(&der), spec.overlay, id.len, &cert);
    if (error == 0)
        error = rf_identity_init(out, c, key, cert, &id);
    if (error != 0)
        c->ops->key_free(c, key);
    rf_cert_release(cert);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    return error;
}

static int write_document(struct rf_sim *sim, struct rf_buf *xml)
{
    struct sim_shard *s = &sim->shards[0];
    const struct rf_sim_scenario *sc = &sim->scenario;
    struct rf_kind_def kinds[] = {{.id = SIM_KIND_VALUE,
                                   .model = RF_MODEL_SINGLE,
                                   .policy = RF_POLICY_USER_MATCH,
                                   .max_count = 1,
                                   .max_size = 1000},
                                  {.id = SIM_KIND_DICTIONARY,
                                   .model = RF_MODEL_DICTIONARY,
                                   .policy = RF_POLICY_USER_MATCH,
                                   .max_count = 16,
                                   .max_size = 1000},
                                  {.id = SIM_KIND_LIST,
                                   .model = RF_MODEL_ARRAY,
                                   .policy = RF_POLICY_USER_MATCH,
                                   .max_count = 100000,
                                   .max_size = 1000}};
    char plugin[] = "CHORD-SELF-TUNING", extension[] = "urn:ietf:params:xml:ns:p2p:self-tuning";
    char *mandatory[] = {extension};
    struct rf_addr bootstraps[16];
    struct rf_identity signer;
    struct rf_conf draft;
    int error = make_signer(s, &signer);
    if (error != 0)
        return error;
    rf_conf_draft(&draft);
    draft.overlay = rf_view_str("example.org");
    draft.sequence = 1;
    draft.no_ice = true;
    draft.roots = &s->ca.der;
    draft.root_count = 1;
    draft.bootstraps = bootstraps;
    for (; draft.bootstrap_count < sc->bootstraps; draft.bootstrap_count++)
        bootstraps[draft.bootstrap_count] = sim_addr_of(&sim->nodes[draft.bootstrap_count]);
    draft.configuration_signers = draft.kind_signers = &signer.node_id;
    draft.configuration_signer_count = draft.kind_signer_count = 1;
    draft.kinds = kinds;
    draft.kind_count = RF_COUNT(kinds);
    if (sc->self_tuning) {
        draft.topology_plugin = plugin;
        draft.mandatory_extensions = mandatory;
        draft.mandatory_extension_count = RF_COUNT(mandatory);
    }
    if (sc->update_interval_s != 0)
        draft.chord_update_interval_s = sc->update_interval_s;
    if (sc->ping_interval_s != 0)
        draft.chord_ping_interval_s = sc->ping_interval_s;
    error = rf_conf_write(&draft, &signer, xml);
    rf_identity_deinit(&signer);
    return error;
}

/* ---- shards ---- */

static struct rf_crypto *make_crypto(struct sim_shard *s)
{
    const struct rf_sim_config *config = &s->sim->config;
    if (config->crypto.make != NULL)
        return config->crypto.make(config->crypto.arg, s->mem, sim_charge, s);
    struct sim_stream secret = sim_stream_of(config->seed, 's', 0);
    struct rf_crypto_fake_config fake = {.seed = {sim_draw(&secret), sim_draw(&secret)},
                                         .rng = &s->rng.rng,
                                         .charge = sim_charge,
                                         .charge_ctx = s};
    rf_rng_seeded_init(&s->rng, config->seed);
    rf_crypto_fake_costs_measured(&fake.costs);
    return rf_crypto_fake_new(s->mem, &fake);
}

static int shard_init(struct rf_sim *sim, size_t index, struct rf_buf *ca_der, struct rf_buf *xml)
{
    struct sim_shard *s = &sim->shards[index];
    s->sim = sim;
    s->index = index;
    s->mem = sim->config.mem;
    if (sim->config.arenas) {
        sim_slab_init(&s->slab, sim->config.mem);
        s->mem = &s->slab.mem;
        int error = sim_den_init(&s->den, s->mem);
        if (error != 0)
            return error;
    }
    sim_history_init(&s->history, sim->config.mem);
    rf_intern_init(&s->values, s->mem, (uint64_t[2]){1, 2});
    rf_buf_init(&s->record, sim->config.mem, SIZE_MAX);
    rf_scratch_init(&s->scratch, sim->config.mem);
    rf_counter_set_init(&s->counters, sim->config.mem);
    s->crypto = make_crypto(s);
    if (s->crypto == NULL)
        return RF_ENOMEM;
    int error = key_of(s, 0, sim->config.crypto.key_type, &s->ca_key);
    if (error == 0 && index == 0)
        error = make_ca(s, ca_der);
    if (error == 0)
        error = s->crypto->ops->x509_decode(s->crypto, rf_buf_view(ca_der), &s->ca);
    if (error == 0 && index == 0)
        error = write_document(sim, xml);
    if (error == 0)
        error = rf_conf_parse(s->crypto, sim->config.mem, rf_buf_view(xml), rf_view_str("example.org"),
                              &s->conf, NULL, 0);
    return error;
}

static void events_drop(struct sim_shard *s, struct sim_event *e)
{
    if (e->type == SIM_EVENT_PERSISTED)
        sim_commit_free(&s->sim->nodes[e->dst], e->commit);
    sim_event_free(s, e);
}

static void crypto_free(struct sim_shard *s)
{
    const struct rf_sim_config *config = &s->sim->config;
    if (s->crypto == NULL)
        return;
    s->crypto->ops->x509_deinit(s->crypto, &s->ca);
    s->crypto->ops->key_free(s->crypto, s->ca_key);
    if (config->crypto.make != NULL)
        config->crypto.release(config->crypto.arg, s->crypto);
    else
        rf_crypto_fake_free(s->crypto);
}

static void shard_deinit(struct sim_shard *s)
{
    struct rf_mem *mem = s->sim->config.mem;
    for (size_t i = 0; i < s->heap_count; i++)
        events_drop(s, s->heap[i]);
    for (struct sim_event *e; (e = s->free_events) != NULL;) {
        s->free_events = e->next;
        rf_free(mem, e);
    }
    sim_history_deinit(&s->history);
    rf_free(mem, s->heap);
    rf_free(mem, s->wakes);
    for (size_t i = 0; i < (s->end_slots + SIM_END_CHUNK - 1) / SIM_END_CHUNK; i++)
        rf_free(mem, s->end_chunks[i]);
    rf_free(mem, s->end_chunks);
    rf_free(mem, s->end_hash);
    rf_free(mem, s->outs);
    rf_conf_release(s->conf);
    rf_intern_deinit(&s->values);
    rf_buf_deinit(&s->record);
    rf_scratch_trim(&s->scratch);
    rf_counter_set_deinit(&s->counters);
    crypto_free(s);
    if (s->sim->config.arenas) {
        sim_den_deinit(&s->den);
        RF_ASSERT(sim_slab_deinit(&s->slab) == 0);
    }
}

static void node_init(struct rf_sim *sim, size_t i)
{
    struct sim_node *n = &sim->nodes[i];
    struct sim_stream s = sim_stream_of(sim->config.seed, 'p', i);
    sim->shard_of[i] = (uint8_t)sim_border_shard(sim, (uint32_t)i);
    n->shard = &sim->shards[sim->shard_of[i]];
    n->index = (uint32_t)i;
    n->super = i < sim->scenario.supernodes;
    n->spare = i < sim->scenario.bootstraps;
    n->mega = n->super && floor((double)(i + 1) * sim->scenario.mega) > floor((double)i * sim->scenario.mega);
    n->slow = 1;
    sim_place_draw(&n->place, !n->super, &s);
    sim_draw(&s);
    n->drift_ppb = (int32_t)((2 * sim_draw_unit(&s) - 1) * sim->scenario.drift_ppm * 1000);
    n->may = !n->super && sim_draw_unit(&s) < sim->scenario.auto_share;
    n->sleeps = sim->config.arenas && !n->super && !n->may;
    n->network = sim_stream_of(sim->config.seed, 'w', i);
    n->life_stream = sim_stream_of(sim->config.seed, 'l', i);
}

static bool scenario_valid(const struct rf_sim_scenario *sc)
{
    return sc->supernodes > 0 && sc->devices > 0 && sc->bootstraps > 0 && sc->bootstraps <= 16 &&
           sc->sample_us > 0 && sc->net.min_latency_us >= 100 && sc->net.super_up_bps > 0 &&
           sc->net.super_down_bps > 0 && sc->net.client_up_bps > 0 && sc->net.client_down_bps > 0 &&
           sc->supernodes < (1u << 24) && sc->clients < (1u << 26) && sc->step_count <= RF_SIM_MAX_STEPS &&
           sc->disk_us > 0 && sc->mega_factor >= 1 && sc->super_cpu > 0 && sc->shutdown_over_us > 0 &&
           sc->shutdown_pause_us > 0 && sc->check_count <= RF_SIM_MAX_CHECKS && sc->nats.hosts > 0 &&
           sc->nats.hosts <= RF_SIM_NAT_HOSTS;
}

int rf_sim_new(const struct rf_sim_config *config, const struct rf_sim_scenario *scenario,
               struct rf_sim **out)
{
    struct rf_buf ca_der, xml;
    if (!scenario_valid(scenario) || config->shards > RF_SIM_MAX_SHARDS)
        return RF_EINVAL;
    struct rf_sim *sim = rf_zalloc(config->mem, sizeof(*sim));
    if (sim == NULL)
        return RF_ENOMEM;
    sim->config = *config;
    if (sim->config.crypto.key_type == 0)
        sim->config.crypto.key_type = RF_KEY_P256;
    sim->scenario = *scenario;
    if (sim->scenario.bootstraps > sim->scenario.supernodes)
        sim->scenario.bootstraps = sim->scenario.supernodes;
    sim->node_count = scenario->supernodes + scenario->clients;
    sim->user_count = (sim->node_count + scenario->devices - 1) / scenario->devices;
    sim->shard_count = config->shards == 0 ? 1 : config->shards;
    sim->end_us = scenario->duration_us;
    sim->loss = scenario->net.loss;
    sim->duplicate = scenario->net.duplicate;
    sim->reorder = scenario->net.reorder;
    sim->plan_stream = sim_stream_of(config->seed, 'P', 0);
    sim->fault_stream = sim_stream_of(config->seed, 'F', 0);
    sim->work_stream = sim_stream_of(config->seed, 'W', 0);
    sim->nodes = rf_zalloc(config->mem, sim->node_count * sizeof(sim->nodes[0]));
    sim->shards = rf_zalloc(config->mem, sim->shard_count * sizeof(sim->shards[0]));
    sim->shard_of = rf_zalloc(config->mem, sim->node_count);
    sim->places = rf_zalloc(config->mem, sim_super_end(sim) * sizeof(sim->places[0]));
    sim_history_init(&sim->history, config->mem);
    rf_buf_init(&ca_der, config->mem, RF_CERT_MAX_LEN);
    rf_buf_init(&xml, config->mem, RF_CONF_MAX_LEN);
    int error = sim->nodes == NULL || sim->shards == NULL || sim->shard_of == NULL || sim->places == NULL
                    ? RF_ENOMEM
                    : 0;
    if (error == 0)
        error = sim_border_new(sim);
    for (size_t i = 0; i < sim->node_count && error == 0; i++)
        node_init(sim, i);
    for (size_t i = 0; i < sim_super_end(sim) && error == 0; i++) {
        struct rf_id id = sim_id_of(sim, (uint32_t)i);
        for (int k = 0; k < 8; k++)
            sim->places[i] = sim->places[i] << 8 | id.b[k];
    }
    for (size_t i = 0; i < sim->shard_count && error == 0; i++)
        error = shard_init(sim, i, &ca_der, &xml);
    if (error == 0)
        error = sim_stats_new(sim);
    if (error == 0)
        error = sim_work_new(sim);
    if (error == 0)
        error = sim_plan_new(sim);
    rf_buf_deinit(&ca_der);
    rf_buf_deinit(&xml);
    if (error != 0)
        rf_sim_free(sim);
    else
        *out = sim;
    return error;
}

void rf_sim_free(struct rf_sim *sim)
{
    if (sim == NULL)
        return;
    struct rf_mem *mem = sim->config.mem;
    for (size_t i = 0; sim->nodes != NULL && i < sim->node_count; i++) {
        struct sim_node *n = &sim->nodes[i];
        if (n->node != NULL)
            sim_host_free(n);
        if (n->shard != NULL && n->shard->sim != NULL)
            sim_disk_wipe(n);
        sim_liar_free(n);
        rf_free(mem, n->log);
    }
    sim_plan_free(sim);
    sim_work_free(sim);
    for (size_t i = 0; sim->shards != NULL && i < sim->shard_count; i++) {
        for (size_t k = 0; k < sim->shard_count; k++)
            for (struct sim_event *e; (e = sim->shards[i].mail[k]) != NULL;) {
                sim->shards[i].mail[k] = e->next;
                events_drop(&sim->shards[i], e);
            }
        if (sim->shards[i].sim != NULL)
            shard_deinit(&sim->shards[i]);
    }
    sim_stats_free(sim);
    sim_history_deinit(&sim->history);
    rf_free(mem, sim->verdict);
    rf_free(mem, sim->places);
    sim_border_free(sim);
    rf_free(mem, sim->shard_of);
    rf_free(mem, sim->shards);
    rf_free(mem, sim->nodes);
    rf_free(mem, sim);
}

size_t rf_sim_shards(const struct rf_sim *sim)
{
    return sim->shard_count;
}

/* ---- the pace of time ---- */

static void hand_over_mail(struct rf_sim *sim)
{
    for (size_t from = 0; from < sim->shard_count; from++)
        for (size_t to = 0; to < sim->shard_count; to++)
            for (struct sim_event *e; (e = sim->shards[from].mail[to]) != NULL;) {
                sim->shards[from].mail[to] = e->next;
                sim_heap_push(&sim->shards[to], e);
            }
}

static uint64_t earliest(const struct rf_sim *sim)
{
    uint64_t at = RF_NEVER;
    for (size_t i = 0; i < sim->shard_count; i++) {
        uint64_t next = sim_shard_next(&sim->shards[i]);
        at = next < at ? next : at;
    }
    return at;
}

bool rf_sim_plan(struct rf_sim *sim, uint64_t *until_us)
{
    hand_over_mail(sim);
    for (;;) {
        uint64_t events = earliest(sim), plan = sim_plan_next(sim);
        if (plan >= sim->end_us && events >= sim->end_us)
            break;
        if (plan <= events) {
            sim->now_us = plan;
            for (size_t i = 0; i < sim->shard_count; i++)
                sim->shards[i].now_us = plan;
            sim_plan_run(sim);
            continue;
        }
        sim->now_us = events;
        *until_us = plan < sim->end_us ? plan : sim->end_us;
        if (sim->shard_count > 1 && events + sim->scenario.net.min_latency_us < *until_us)
            *until_us = events + sim->scenario.net.min_latency_us;
        return true;
    }
    sim->now_us = sim->end_us;
    return false;
}

uint64_t rf_sim_now_us(const struct rf_sim *sim)
{
    return sim->now_us;
}

uint64_t rf_sim_trace_hash(const struct rf_sim *sim)
{
    uint64_t sum = 0;
    if (!sim->config.trace)
        return 0;
    for (size_t i = 0; i < sim->node_count; i++)
        sum += sim_mix(sim->nodes[i].trace ^ sim_mix(i + 1));
    return sum;
}
