/* store_net_node.c - the doubles of store_net.h: the disk, and nodes that start, die and start again. */
#include "support/store_net_internal.h"

/* ---- the disk ---- */

struct sn_write {
    struct rf_timer timer;
    struct sn_node *node;
    uint64_t token;
    struct sn_record ops[512];
    size_t op_count;
};

static void record_copy(const struct rf_record *from, struct sn_record *out)
{
    const struct rf_view *views[4] = {&from->resource, &from->slot, &from->stored_data, &from->cert};
    struct rf_view *outs[4] = {&out->record.resource, &out->record.slot, &out->record.stored_data,
                               &out->record.cert};
    size_t len = 1;
    for (size_t i = 0; i < 4; i++)
        len += views[i]->len;
    out->record = *from;
    out->bytes = malloc(len);
    uint8_t *at = out->bytes;
    for (size_t i = 0; i < 4; i++) {
        if (views[i]->len > 0)
            memcpy(at, views[i]->p, views[i]->len);
        *outs[i] = rf_view_of(at, views[i]->len);
        at += views[i]->len;
    }
}

static void record_remove(struct sn_node *node, const struct rf_record *r)
{
    RF_LIST_EACH_SAFE(&node->disk, it)
    {
        struct sn_record *on = RF_LIST_ENTRY(it, struct sn_record, list);
        if (on->record.kind != r->kind || !rf_view_equal(on->record.resource, r->resource) ||
            !rf_view_equal(on->record.slot, r->slot))
            continue;
        rf_list_remove(&on->list);
        free(on->bytes);
        free(on);
    }
}

static void on_disk(struct rf_timer *timer, void *arg)
{
    struct sn_write *write = arg;
    struct sn_node *node = write->node;
    (void)timer;
    if (node->disk_stopped) {
        assert_int_equal(rf_timer_set(&node->net->events, &write->timer, node->net->now.mono_us + 100000), 0);
        return;
    }
    int error = node->disk_error;
    for (size_t i = 0; i < write->op_count; i++) {
        struct sn_record *op = &write->ops[i];
        if (error == 0) {
            record_remove(node, &op->record);
            if (op->record.cert.len > 0) {
                struct sn_record *on = calloc(1, sizeof(*on));
                record_copy(&op->record, on);
                rf_list_push_back(&node->disk, &on->list);
            }
        }
        free(op->bytes);
    }
    if (node->store != NULL)
        rf_store_persisted(node->store, write->token, error);
    free(write);
}

static int sn_persist(void *ctx, uint64_t token, const struct rf_persist_op *ops, size_t op_count)
{
    struct sn_node *node = ctx;
    node->persist_calls++;
    struct sn_write *write = calloc(1, sizeof(*write));
    assert_true(op_count <= RF_COUNT(write->ops));
    write->node = node;
    write->token = token;
    for (size_t i = 0; i < op_count; i++) {
        record_copy(&ops[i].record, &write->ops[i]);
        assert_int_equal(ops[i].type == RF_PERSIST_PUT, ops[i].record.cert.len > 0);
    }
    write->op_count = op_count;
    rf_timer_init(&write->timer, on_disk, write);
    assert_int_equal(rf_timer_set(&node->net->events, &write->timer, node->net->now.mono_us + node->disk_us),
                     0);
    return 0;
}

/* ---- nodes ---- */

static void (*sn_tweak)(struct rf_store_config *config);

static void start(struct sn_node *n)
{
    struct sn_net *net = n->net;
    struct rf_store_config config;
    rf_store_config_default(&config);
    config.conf = net->pki.conf;
    config.crypto = net->pki.crypto;
    config.trust = n->trust;
    config.self = n->identity.node_id;
    config.peer = n->peer;
    if (sn_tweak != NULL)
        sn_tweak(&config);
    struct rf_store_host host = {.ctx = n, .persist = sn_persist};
    n->overlay = calloc(1, sizeof(*n->overlay));
    n->overlay->node = n;
    n->overlay->next_call = net->now.mono_us;
    rf_list_init(&n->overlay->calls);
    rf_list_init(&n->overlay->requests);
    rf_timers_init(&n->timers, rf_mem_system());
    n->env = (struct rf_env){.mem = &net->mem.mem,
                             .timers = &n->timers,
                             .now = &net->now,
                             .secret = &n->rng.rng,
                             .jitter = &n->rng.rng,
                             .seed = {n->number, 2}};
    assert_int_equal(rf_store_new(&n->env, &config, n->overlay, &host, &n->store), 0);
}

static void stop(struct sn_node *n)
{
    rf_store_free(n->store);
    n->store = NULL;
    assert_true(rf_list_empty(&n->overlay->calls));
    RF_LIST_EACH_SAFE(&n->overlay->requests, it)
    {
        sn_incoming_free(RF_LIST_ENTRY(it, struct sn_incoming, list));
    }
    free(n->overlay);
    n->overlay = NULL;
    assert_int_equal(rf_timers_next(&n->timers), RF_NEVER); /* the storage left none */
    rf_timers_deinit(&n->timers);
}

struct rf_id sn_id(const char *hex)
{
    char text[33] = "00000000000000000000000000000000";
    memcpy(text, hex, strlen(hex));
    struct rf_id id;
    assert_int_equal(rf_id_parse(text, &id), 0);
    return id;
}

struct rf_id sn_hash(struct sn_net *net, const char *name)
{
    struct rf_view part = rf_view_str(name);
    struct rf_id id;
    assert_int_equal(rf_overlay_hash(net->pki.crypto, &part, 1, net->pki.conf->id_len, &id), 0);
    return id;
}

struct sn_node *sn_add(struct sn_net *net, const char *user, const char *id, bool peer,
                       void (*tweak)(struct rf_store_config *config))
{
    assert_true(net->count < SN_MAX_NODES - 1);
    struct sn_node *n = &net->nodes[net->count];
    *n = (struct sn_node){.net = net, .number = net->count, .peer = peer, .alive = true, .disk_us = 1000};
    net->count++;
    snprintf(n->user, sizeof(n->user), "%s", user);
    struct rf_id node_id;
    if (id != NULL)
        node_id = sn_id(id);
    assert_int_equal(rf_pki_node(&net->pki, user, id != NULL ? &node_id : NULL, RF_KEY_ED25519, &n->identity),
                     0);
    assert_int_equal(rf_pki_trust(&net->pki, 64, &n->trust), 0);
    rf_rng_seeded_init(&n->rng, 100 + n->number);
    rf_list_init(&n->disk);
    sn_tweak = tweak;
    start(n);
    sn_tweak = NULL;
    return n;
}

void sn_clear_disk(struct sn_node *node)
{
    RF_LIST_EACH_SAFE(&node->disk, it)
    {
        struct sn_record *on = RF_LIST_ENTRY(it, struct sn_record, list);
        rf_list_remove(&on->list);
        free(on->bytes);
        free(on);
    }
}

void sn_kill(struct sn_node *node)
{
    node->alive = false;
}

static int load_all(struct sn_node *n)
{
    RF_LIST_EACH(&n->disk, it)
    {
        int error = rf_store_load(n->store, &RF_LIST_ENTRY(it, struct sn_record, list)->record);
        if (error != 0 && error != RF_EEXPIRED)
            return error;
    }
    return 0;
}

void sn_restart(struct sn_node *node)
{
    stop(node);
    node->alive = true;
    start(node);
    if (node->peer && node->net->restarted_kind != NULL)
        assert_int_equal(rf_store_add_kind(node->store, node->net->restarted_kind), 0);
    assert_int_equal(load_all(node), 0);
}

void sn_ring_changed(struct sn_net *net, struct sn_node *joined, struct sn_node *lost)
{
    for (size_t i = 0; i < net->count; i++) {
        struct sn_node *n = &net->nodes[i];
        if (!sn_in_ring(n))
            continue;
        if (lost != NULL && lost->side == n->side)
            rf_store_neighbor_lost(n->store, &lost->identity.node_id);
        if (n == joined)
            rf_store_joined(n->store);
        else
            rf_store_range_changed(n->store);
    }
}

void sn_run(struct sn_net *net, uint64_t us)
{
    uint64_t end = net->now.mono_us + us;
    for (;;) {
        uint64_t next = rf_timers_next(&net->events);
        for (size_t i = 0; i < net->count; i++)
            if (net->nodes[i].store != NULL && rf_timers_next(&net->nodes[i].timers) < next)
                next = rf_timers_next(&net->nodes[i].timers);
        if (next > end)
            next = end;
        if (next > net->now.mono_us) {
            net->now.mono_us = next;
        }
        net->now.wall_ms = net->wall_base_ms + net->now.mono_us / 1000;
        size_t fired = rf_timers_run(&net->events, net->now.mono_us, 1);
        for (size_t i = 0; i < net->count && fired == 0; i++)
            if (net->nodes[i].alive && net->nodes[i].store != NULL)
                fired = rf_timers_run(&net->nodes[i].timers, net->now.mono_us, 1);
            else if (net->nodes[i].store != NULL && rf_timers_next(&net->nodes[i].timers) <= net->now.mono_us)
                fired = rf_timers_run(&net->nodes[i].timers, net->now.mono_us, 1); /* nobody hears it */
        if (fired == 0 && net->now.mono_us >= end)
            return;
    }
}

void sn_init_pki(struct sn_net *net, const struct rf_pki_config *config)
{
    memset(net, 0, sizeof(*net));
    assert_int_equal(rf_pki_init(&net->pki, config), 0);
    rf_mem_test_init(&net->mem);
    net->mem.allowed = SIZE_MAX;
    net->now = (struct rf_now){.mono_us = 1000000, .wall_ms = net->pki.wall_ms};
    net->wall_base_ms = net->pki.wall_ms - net->now.mono_us / 1000;
    net->latency_us = 5000;
    rf_timers_init(&net->events, rf_mem_system());
}

void sn_init(struct sn_net *net, const struct rf_kind_def *kinds, size_t kind_count)
{
    struct rf_pki_config config = {.kinds = kinds, .kind_count = kind_count, .no_ice = true};
    sn_init_pki(net, &config);
}

void sn_deinit(struct sn_net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        struct sn_node *n = &net->nodes[i];
        stop(n);
        n->alive = false;
    }
    sn_run(net, 60 * RF_US_PER_S); /* deliveries and disk writes under way end */
    for (size_t i = 0; i < net->count; i++) {
        struct sn_node *n = &net->nodes[i];
        sn_clear_disk(n);
        rf_trust_free(n->trust);
        rf_identity_deinit(&n->identity);
    }
    assert_int_equal(rf_timers_next(&net->events), RF_NEVER);
    rf_timers_deinit(&net->events);
    rf_pki_deinit(&net->pki);
    assert_int_equal(net->mem.live_count, 0);
}
