/* link_world.c - a little network for tests of link/. */
#include "link_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "crypto/crypto.h"
#include "crypto/der.h"

/* ---- what the nodes are told ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    struct world_node *node = ctx;
    assert_int_equal(link->state, RF_LINK_UP);
    assert_non_null(link->cert);
    assert_true(rf_cert_has_node_id(link->cert, &link->node_id));
    node->ups++;
    node->up = *link;
}

static void host_message(void *ctx, rf_link_id link, struct rf_view message)
{
    struct world_node *node = ctx;
    node->messages++;
    node->last_link = link;
    if (node->echo)
        (void)rf_links_send(node->links, link, message);
    if (node->close_on_message)
        rf_links_close(node->links, link, RF_ECANCELLED);
    rf_buf_view_put(&node->received, message); /* still readable after that */
}

static void host_too_large(void *ctx, rf_link_id link, struct rf_view front)
{
    struct world_node *node = ctx;

    node->too_large++;
    rf_buf_view_put(&node->received, front);
    if (node->echo)
        assert_int_equal(rf_links_send(node->links, link, rf_view_str("too large")), 0);
    if (node->close_on_message)
        rf_links_close(node->links, link, RF_ECLOSED);
}

static void host_app_data(void *ctx, rf_link_id link, struct rf_view bytes)
{
    struct world_node *node = ctx;
    node->last_link = link;
    rf_buf_view_put(&node->received, bytes);
    if (node->echo)
        (void)rf_links_app_send(node->links, link, bytes);
}

static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    struct world_node *node = ctx;
    struct rf_link_info now;
    node->downs++;
    node->down = *link;
    node->reason = reason;
    assert_true(reason < 0);
    assert_int_equal(rf_links_info(node->links, link->id, &now), 0);
    assert_int_equal(rf_links_send(node->links, link->id, rf_view_str("x")), RF_ENOTFOUND);
}

static void host_suspect(void *ctx, rf_link_id link, bool suspect)
{
    struct world_node *node = ctx;
    struct rf_link_info info;
    assert_int_equal(rf_links_info(node->links, link, &info), 0);
    assert_int_equal(info.suspect, suspect);
    if (suspect)
        node->suspects++;
    else
        node->unsuspects++;
}

/* ---- life ---- */

static void log_line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    (void)ctx;
    if (getenv("RF_TEST_LOG"))
        fprintf(stderr, "%d %s: %s\n", (int)level, room, text);
}

void world_init(struct world *w, const struct rf_engine_ops *engine)
{
    static struct rf_log log = {.line = log_line, .level = RF_LOG_DEBUG};

    memset(w, 0, sizeof *w);
    rf_mem_test_init(&w->mem);
    assert_int_equal(rf_pki_init(&w->pki, &(struct rf_pki_config){.overlay = "example.org", .no_ice = true}),
                     0);
    w->now = (struct rf_now){.mono_us = 5 * RF_US_PER_S, .wall_ms = w->pki.wall_ms};
    rf_timers_init(&w->timers, &w->mem.mem);
    rf_rng_seeded_init(&w->rng, 20251);
    w->env = (struct rf_env){.mem = &w->mem.mem,
                             .timers = &w->timers,
                             .now = &w->now,
                             .secret = &w->rng.rng,
                             .jitter = &w->rng.rng,
                             .log = &log,
                             .seed = {11, 12}};
    w->engine = engine;
    w->fresh_budget[0] = w->fresh_budget[1] = SIZE_MAX;
    rf_link_config_default(&w->config);
    w->config.overlay_hash = OVERLAY_HASH;
    w->config.reserved_links = 0;
}

static void conn_free(struct world_conn *conn)
{
    rf_buf_deinit(&conn->end[0].to);
    rf_buf_deinit(&conn->end[1].to);
}

void world_deinit(struct world *w)
{
    for (size_t i = 0; i < WORLD_NODES; i++) {
        struct world_node *node = &w->node[i];
        if (!node->alive)
            continue;
        rf_links_free(node->links);
        rf_trust_free(node->trust);
        rf_identity_deinit(&node->identity);
        rf_buf_deinit(&node->received);
    }
    for (size_t i = 0; i < w->conn_count; i++)
        conn_free(&w->conn[i]);
    if (w->end)
        w->end(w);
    rf_timers_deinit(&w->timers);
    assert_int_equal(w->mem.live_count, 0);
    rf_pki_deinit(&w->pki);
}

/* The certificate and the intermediates below the root, as a handshake shows them. */
static size_t shown_certs(const struct rf_pki *pki, const struct rf_identity *identity,
                          struct rf_view out[RF_ENGINE_CERTS_MAX])
{
    struct rf_view rest = rf_buf_view(&pki->below);
    size_t count = 1;

    out[0] = identity->cert->x509.der;
    while (rest.len > 0 && count < RF_ENGINE_CERTS_MAX) {
        uint8_t tag;
        assert_int_equal(rf_der_any(&rest, &tag, &out[count++], NULL), 0);
    }
    return count;
}

int world_node_try(struct world *w, size_t i, const struct rf_identity *identity)
{
    const struct rf_link_host host = {.ctx = &w->node[i],
                                      .up = host_up,
                                      .message = host_message,
                                      .too_large = host_too_large,
                                      .app_data = host_app_data,
                                      .down = host_down,
                                      .suspect = host_suspect};
    struct world_node *node = &w->node[i];
    struct rf_link_config config = w->config;
    struct rf_view certs[RF_ENGINE_CERTS_MAX];
    size_t cert_count = shown_certs(node->pki ? node->pki : &w->pki, identity, certs);
    struct rf_buf pem;
    int err;

    rf_buf_init(&pem, rf_mem_system(), 65536);
    assert_int_equal(identity->crypto->ops->key_to_pem(identity->crypto, identity->key, &pem), 0);
    config.engine_ops = w->engine;
    config.trust = node->trust;
    config.self = identity->node_id;
    err = w->engine->engine_new(&w->env, certs, cert_count, rf_buf_view(&pem), &config.engine);
    if (err) {
        rf_buf_deinit(&pem);
        return err;
    }
    if (w->datagram_engine) {
        config.datagram_ops = w->datagram_engine;
        err = config.datagram_ops->engine_new(&w->env, certs, cert_count, rf_buf_view(&pem),
                                              &config.datagram_engine);
    }
    rf_buf_deinit(&pem);
    if (!err)
        err = rf_links_new(&w->env, &config, &host, &node->links);
    if (err)
        w->engine->engine_free(config.engine);
    if (err && config.datagram_engine)
        config.datagram_ops->engine_free(config.datagram_engine);
    return err;
}

struct world_node *world_node(struct world *w, size_t i, struct rf_pki *pki)
{
    struct world_node *node = &w->node[i];
    char user[32];

    snprintf(user, sizeof user, "user%zu@%s", i, (pki ? pki : &w->pki)->config.overlay);
    assert_int_equal(rf_pki_node(pki ? pki : &w->pki, user, NULL, RF_KEY_P256, &node->identity), 0);
    assert_int_equal(rf_pki_trust(pki ? pki : &w->pki, 64, &node->trust), 0);
    node->world = w;
    node->pki = pki;
    node->alive = true;
    node->from = world_addr(0);
    rf_buf_init(&node->received, rf_mem_system(), (size_t)64 << 20);
    assert_int_equal(world_node_try(w, i, &node->identity), 0);
    return node;
}

struct rf_addr world_addr(size_t i)
{
    return (struct rf_addr){.family = 4, .port = (uint16_t)(1000 + i), .ip = {192, 0, 2, 1}};
}

rf_link_id world_connect(struct world *w, size_t from, size_t to, const struct rf_id *expect)
{
    struct rf_addr addr = world_addr(to);
    rf_link_id id;
    assert_int_equal(rf_links_connect(w->node[from].links, &addr, 1, expect, RF_LINK_OVERLAY, 0, &id), 0);
    return id;
}

rf_link_id world_pair(struct world *w)
{
    rf_link_id id;
    world_node(w, 0, NULL);
    world_node(w, 1, NULL);
    id = world_connect(w, 0, 1, &w->node[1].identity.node_id);
    world_run(w);
    assert_int_equal(w->node[0].ups, 1);
    assert_int_equal(w->node[1].ups, 1);
    return id;
}

/* ---- connections ---- */

static struct world_end *end_of(struct world *w, struct world_node *node, rf_link_id flow,
                                struct world_conn **conn)
{
    for (size_t i = 0; i < w->conn_count; i++)
        for (int e = 0; e < 2; e++)
            if (w->conn[i].end[e].open && w->conn[i].end[e].node == node && w->conn[i].end[e].flow == flow) {
                *conn = &w->conn[i];
                return &w->conn[i].end[e];
            }
    return NULL;
}

static struct world_conn *conn_new(struct world *w)
{
    struct world_conn *conn = &w->conn[w->conn_count++];
    assert_true(w->conn_count <= WORLD_CONNS);
    memset(conn, 0, sizeof *conn);
    memcpy(conn->blocked, w->fresh_blocked, sizeof conn->blocked);
    memcpy(conn->budget, w->fresh_budget, sizeof conn->budget);
    rf_buf_init(&conn->end[0].to, rf_mem_system(), (size_t)64 << 20);
    rf_buf_init(&conn->end[1].to, rf_mem_system(), (size_t)64 << 20);
    return conn;
}

static void end_close(struct world_end *end, int reason)
{
    if (!end->open)
        return;
    end->open = false;
    if (end->node)
        rf_links_closed(end->node->links, end->flow, reason);
}

/* The node has closed its end itself. */
static void end_closed(struct world_conn *conn, struct world_end *end)
{
    struct world_end *other = end == &conn->end[0] ? &conn->end[1] : &conn->end[0];

    end->open = false;
    if (!other->node)
        other->open = false;
}

static void dial(struct world *w, struct world_node *node, const struct rf_flow_action *action)
{
    size_t to = (size_t)action->addr.port - 1000;
    struct world_conn *conn = conn_new(w);
    struct rf_addr remote = node->from;

    conn->end[0] =
        (struct world_end){.node = node, .flow = action->flow, .open = true, .to = conn->end[0].to};
    if (to < WORLD_NODES && w->node[to].deaf)
        return;
    if (to >= WORLD_NODES || !w->node[to].alive) {
        end_close(&conn->end[0], RF_EUNREACHABLE);
        return;
    }
    remote.port = (uint16_t)(20000 + w->conn_count);
    conn->end[1].node = &w->node[to];
    if (rf_links_accept(w->node[to].links, &remote, &action->addr, &conn->end[1].flow)) {
        end_close(&conn->end[0], RF_ECLOSED);
        return;
    }
    conn->end[1].open = true;
    conn->connected = true;
    rf_links_connected(node->links, action->flow, &remote);
}

static bool take_actions(struct world *w, struct world_node *node)
{
    struct rf_flow_action action;
    struct world_conn *conn;
    struct world_end *end;
    bool any = false;

    for (;;) {
        rf_links_next_action(node->links, &action);
        if (action.type == RF_FLOW_NONE)
            return any;
        any = true;
        if (action.type == RF_FLOW_DATAGRAM) {
            w->datagram(node, &action);
            continue;
        }
        end = end_of(w, node, action.flow, &conn);
        if (action.type == RF_FLOW_CONNECT) {
            assert_null(end);
            dial(w, node, &action);
        } else if (action.type == RF_FLOW_CLOSE && end) {
            end->closing = true;
            if (rf_links_output(node->links, action.flow).len == 0)
                end_closed(conn, end);
        } else if (action.type == RF_FLOW_OUTPUT) {
            assert_true(rf_links_output(node->links, action.flow).len > 0);
        }
    }
}

/* Takes output from end e, some of it, and finishes a close. */
static bool move_out(struct world *w, struct world_conn *conn, int e)
{
    struct world_end *end = &conn->end[e], *other = &conn->end[!e];
    struct rf_view bytes;
    size_t len;

    if (!end->open || !end->node)
        return false;
    bytes = rf_links_output(end->node->links, end->flow);
    if (bytes.len == 0) {
        if (!end->closing)
            return false;
        end_closed(conn, end);
        return true;
    }
    if (conn->blocked[e] || conn->budget[e] == 0)
        return false;
    len = w->whole ? bytes.len : 1 + rf_rng_below(&w->rng.rng, bytes.len < 3000 ? bytes.len : 3000);
    if (len > conn->budget[e])
        len = conn->budget[e];
    conn->budget[e] -= len;
    rf_buf_put(&other->to, bytes.p, len);
    rf_links_output_done(end->node->links, end->flow, len);
    return true;
}

/* Brings end e some of what is on its way, and the end of the connection after that. */
static bool move_in(struct world *w, struct world_conn *conn, int e)
{
    struct world_end *end = &conn->end[e], *other = &conn->end[!e];
    size_t left = end->to.len - end->to_off, len;
    uint8_t *copy;

    if (!end->open || !end->node || !conn->connected)
        return false;
    if (left == 0) {
        if (other->open)
            return false;
        end_close(end, RF_ECLOSED);
        return true;
    }
    len = w->whole ? left : 1 + rf_rng_below(&w->rng.rng, left < 2000 ? left : 2000);
    copy = malloc(len); /* exactly as long: reading beyond is seen */
    memcpy(copy, end->to.p + end->to_off, len);
    end->to_off += len;
    if (end->to_off == end->to.len) {
        rf_buf_reset(&end->to);
        end->to_off = 0;
    }
    if (!end->closing)
        rf_links_input(end->node->links, end->flow, rf_view_of(copy, len));
    free(copy);
    return true;
}

void world_run(struct world *w)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < WORLD_NODES; i++)
            if (w->node[i].alive)
                any |= take_actions(w, &w->node[i]);
        for (size_t i = 0; i < w->conn_count; i++)
            for (int e = 0; e < 2; e++) {
                any |= move_out(w, &w->conn[i], e);
                any |= move_in(w, &w->conn[i], e);
            }
    }
}

void world_pass(struct world *w, uint64_t us)
{
    uint64_t until = w->now.mono_us + us;

    world_run(w);
    for (;;) {
        uint64_t next = rf_timers_next(&w->timers);
        uint64_t step = next < until ? next : until;
        if (step > w->now.mono_us) {
            w->now.wall_ms += (step - w->now.mono_us) / 1000;
            w->now.mono_us = step;
        }
        if (next > until)
            break;
        rf_timers_run(&w->timers, w->now.mono_us, 1);
        world_run(w);
    }
}

/* ---- strangers and accidents ---- */

struct world_conn *world_stranger(struct world *w, size_t i)
{
    struct world_conn *conn = conn_new(w);
    struct rf_addr remote = {.family = 4, .port = 4711, .ip = {198, 51, 100, 7}}, local = world_addr(i);

    conn->end[1].node = &w->node[i];
    if (rf_links_accept(w->node[i].links, &remote, &local, &conn->end[1].flow))
        return NULL;
    conn->end[0].open = conn->end[1].open = conn->connected = true;
    return conn;
}

void world_stranger_send(struct world *w, struct world_conn *conn, struct rf_view bytes)
{
    rf_buf_view_put(&conn->end[1].to, bytes);
    world_run(w);
}

void world_inject(struct world *w, size_t conn, size_t end, struct rf_view bytes)
{
    rf_buf_view_put(&w->conn[conn].end[end].to, bytes);
}

void world_cut(struct world *w, size_t conn)
{
    end_close(&w->conn[conn].end[0], RF_ECLOSED);
    end_close(&w->conn[conn].end[1], RF_ECLOSED);
    world_run(w);
}
