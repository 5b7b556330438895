/* test_node.c - whole nodes on a virtual clock: join, find, connect, trace; the same seed gives the same run. */
#include "unit/test_node.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- helpers ---- */

void test_net(struct node_net *net, uint64_t seed, size_t supernodes, const struct rf_engine_ops *engine)
{
    node_net_init(net, seed, supernodes > 1 ? 2 : 1, engine, NULL, NULL);
    for (size_t i = 0; i < supernodes; i++) {
        char name[32];
        snprintf(name, sizeof(name), "s%zu", i);
        node_net_add(net, name, RF_NODE_SUPERNODE);
    }
    node_net_start(net, 0);
    assert_true(node_net_until(net, 30 * S, node_net_all_joined, NULL));
    for (size_t i = 1; i < supernodes; i++)
        node_net_start(net, i);
    assert_true(node_net_until(net, 60 * S, node_net_all_joined, NULL));
    assert_true(node_net_until(net, 60 * S, test_ring_right, NULL));
}

bool test_registered(struct node_net *net, void *index)
{
    struct rf_node_status status;
    struct net_node *n = &net->nodes[*(size_t *)index];
    if (n->node == NULL)
        return false;
    rf_node_status(n->node, &status);
    return status.registered;
}

size_t test_client(struct node_net *net, const char *user)
{
    size_t i = node_net_add(net, user, RF_NODE_CLIENT);
    node_net_start(net, i);
    rf_node_register(net->nodes[i].node, true, net->now);
    node_net_settle(net, i);
    assert_true(node_net_until(net, 60 * S, test_registered, &i));
    return i;
}

struct whois_seen {
    bool done;
    int error;
    size_t count;
    bool exists;
    struct rf_id where;
};

static void whois_done(void *arg, const struct rf_whois *w)
{
    struct whois_seen *seen = arg;
    assert_false(seen->done);
    *seen = (struct whois_seen){true, w->error, w->device_count, w->exists, w->responder};
}

static bool whois_is_done(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct whois_seen *)arg)->done;
}

int test_whois(struct node_net *net, size_t i, const char *name, struct rf_id *where)
{
    struct whois_seen seen = {0};
    assert_int_equal(rf_node_whois(net->nodes[i].node, rf_view_str(name), net->now, whois_done, &seen), 0);
    node_net_settle(net, i);
    assert_true(node_net_until(net, 40 * S, whois_is_done, &seen));
    if (where != NULL)
        *where = seen.where;
    return seen.error != 0 ? seen.error : (int)seen.count;
}

static int compare_ids(const void *a, const void *b)
{
    return rf_id_compare(a, b);
}

static bool has_neighbor(const struct net_node *n, char relation, const struct rf_id *wanted)
{
    struct rf_topology_status_entry entries[256];
    size_t count = rf_node_ring(n->node, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == relation && entries[i].rank == 1 && rf_id_equal(&entries[i].node, wanted))
            return true;
    /* in a ring of two the one other node stands in one of the lists only once */
    for (size_t i = 0; i < count && count <= 2; i++)
        if (rf_id_equal(&entries[i].node, wanted))
            return true;
    return false;
}

bool test_ring_right(struct node_net *net, void *arg)
{
    (void)arg;
    struct rf_id ids[NET_MAX_NODES];
    size_t count = 0;
    for (size_t i = 0; i < net->count; i++)
        if (net->nodes[i].node != NULL && net->nodes[i].role == RF_NODE_SUPERNODE)
            ids[count++] = net->nodes[i].identity.node_id;
    qsort(ids, count, sizeof(ids[0]), compare_ids);
    for (size_t i = 0; i < net->count && count > 1; i++) {
        struct net_node *n = &net->nodes[i];
        if (n->node == NULL || n->role != RF_NODE_SUPERNODE)
            continue;
        size_t at = 0;
        while (!rf_id_equal(&ids[at], &n->identity.node_id))
            at++;
        if (!has_neighbor(n, 's', &ids[(at + 1) % count]) ||
            !has_neighbor(n, 'p', &ids[(at + count - 1) % count]))
            return false;
    }
    return true;
}

/* ---- tests ---- */

static void test_first(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 1, 1, &rf_engine_plain);
    assert_int_equal(net.nodes[0].events[RF_NODE_EVENT_JOINED], 1);
    struct rf_node_status status;
    rf_node_status(net.nodes[0].node, &status);
    assert_true(status.share > 0.999);
    node_net_deinit(&net);
}

/* An ordinary node that reaches nobody must not declare itself the ring, and says why it waits. */
static void test_nobody_there(void **state)
{
    (void)state;
    struct node_net net;
    node_net_init(&net, 2, 1, &rf_engine_plain, NULL, NULL);
    node_net_add(&net, "s0", RF_NODE_SUPERNODE); /* never started */
    size_t other = node_net_add(&net, "s1", RF_NODE_SUPERNODE);
    size_t client = node_net_add(&net, "alice", RF_NODE_CLIENT);
    node_net_start(&net, other);
    node_net_start(&net, client);
    node_net_run(&net, 120 * S);
    assert_false(node_net_joined(&net, other));
    assert_false(node_net_joined(&net, client));
    assert_true(net.nodes[other].events[RF_NODE_EVENT_UNREACHABLE] >= 2);
    assert_non_null(strstr(net.nodes[client].last_text[RF_NODE_EVENT_UNREACHABLE], "10.0.0.1:6084"));
    node_net_start(&net, 0); /* and then somebody is there */
    assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    node_net_deinit(&net);
}

static void test_ring_of_eight(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 3, 8, &rf_engine_plain);
    double share = 0;
    for (size_t i = 0; i < 8; i++) {
        struct rf_node_status status;
        rf_node_status(net.nodes[i].node, &status);
        share += status.share;
    }
    assert_true(share > 0.999 && share < 1.001);
    node_net_deinit(&net);
}

/* All start at the same moment, both bootstrap nodes among them: one ring must come of it. */
static void test_all_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 14; seed++) {
        struct node_net net;
        node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
        for (int i = 0; i < 8; i++)
            node_net_start(&net, node_net_add(&net, (char[]){'s', (char)('0' + i), 0}, RF_NODE_SUPERNODE));
        assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
        assert_true(node_net_until(&net, 300 * S, test_ring_right, NULL));
        node_net_deinit(&net);
    }
}

/* One supernode is the ring; others join it within the same milliseconds, over links of different speed. */
static void test_join_together(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct node_net net;
        node_net_init(&net, seed, 1, &rf_engine_plain, NULL, NULL);
        net.latency_us = 100;
        net.jitter_us = 3000;
        for (int i = 0; i < 5; i++)
            node_net_add(&net, (char[]){'s', (char)('0' + i), 0}, RF_NODE_SUPERNODE);
        node_net_start(&net, 0);
        assert_true(node_net_until(&net, 10 * S, node_net_all_joined, NULL));
        for (size_t i = 1; i < 5; i++) {
            node_net_start(&net, i);
            node_net_run(&net, rf_rng_below(&net.rng.rng, 8000));
        }
        if (!node_net_until(&net, 6 * S, node_net_all_joined, NULL))
            fail_msg("seed %llu: not all joined in 6 s", (unsigned long long)seed);
        assert_true(node_net_until(&net, 60 * S, test_ring_right, NULL));
        node_net_deinit(&net);
    }
}

static bool first_joined(struct node_net *net, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < net->count; i++)
        if (node_net_joined(net, i))
            return true;
    return false;
}

/* A power cut is over: nobody is in the ring, and all bootstrap nodes that are asked say so. One begins when it has asked the others. */
static void test_cold_start(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 204; seed++) {
        struct node_net net;
        node_net_init(&net, seed, 4, &rf_engine_plain, NULL, NULL);
        net.latency_us = 40000;
        net.jitter_us = 20000;
        for (int i = 0; i < 10; i++)
            node_net_add(&net, (char[]){'s', (char)('0' + i), 0}, RF_NODE_SUPERNODE);
        for (size_t i = net.count; i > 0; i--)
            node_net_start(&net, i - 1);
        if (!node_net_until(&net, 3 * S, first_joined, NULL))
            fail_msg("seed %llu: nobody has begun in 3 s", (unsigned long long)seed);
        if (!node_net_until(&net, 15 * S, node_net_all_joined, NULL))
            fail_msg("seed %llu: not all joined in 15 s", (unsigned long long)seed);
        assert_true(node_net_until(&net, 20 * S, test_ring_right, NULL));
        node_net_kill(&net, 0); /* they find each other outside, and the ring all the same */
        node_net_kill(&net, 1);
        node_net_run(&net, S);
        node_net_start(&net, 0);
        node_net_start(&net, 1);
        assert_true(node_net_until(&net, 20 * S, node_net_all_joined, NULL));
        assert_true(node_net_until(&net, 20 * S, test_ring_right, NULL));
        for (size_t i = 0; i < net.count; i++)
            assert_int_equal(node_net_counter(&net, i, "topology", "partitions_found"), 0);
        node_net_deinit(&net);
    }
}

static void whois_over(const struct rf_engine_ops *engine)
{
    struct node_net net;
    struct rf_id where, asked;
    test_net(&net, 4, 5, engine);
    size_t alice = test_client(&net, "alice");
    test_client(&net, "bob");
    size_t bob2 = test_client(&net, "bob");
    assert_int_equal(test_whois(&net, alice, "bob@example.org", &where), 2);
    assert_int_equal(test_whois(&net, bob2, "alice@example.org", NULL), 1);
    assert_int_equal(test_whois(&net, 0, "bob@example.org", &asked), 2);
    assert_true(rf_id_equal(&where, &asked));
    assert_int_equal(test_whois(&net, alice, "nobody@example.org", NULL), RF_ENOTFOUND);
    node_net_deinit(&net);
}

static void test_whois_plain(void **state)
{
    (void)state;
    whois_over(&rf_engine_plain);
}

static void test_whois_tls(void **state)
{
    (void)state;
    whois_over(&rf_engine_gnutls);
}

/* ---- ping and trace ---- */

struct ping_seen {
    bool done;
    int error;
    uint64_t rtt_us, time_ms;
};

static void ping_done(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms)
{
    *(struct ping_seen *)arg = (struct ping_seen){true, error, rtt_us, their_wall_ms};
}

static bool ping_is_done(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct ping_seen *)arg)->done;
}

static struct ping_seen ping(struct node_net *net, size_t i, const struct rf_id *target)
{
    struct ping_seen seen = {0};
    assert_int_equal(rf_node_ping(net->nodes[i].node, target, net->now, ping_done, &seen), 0);
    node_net_settle(net, i);
    assert_true(node_net_until(net, 40 * S, ping_is_done, &seen));
    return seen;
}

struct trace_seen {
    bool done;
    int error;
    size_t hops;
    struct rf_trace_hop last;
};

static void trace_hop(void *arg, const struct rf_trace_hop *hop)
{
    struct trace_seen *seen = arg;
    seen->hops++;
    assert_int_equal(hop->hop, seen->hops);
    seen->last = *hop;
}

static void trace_done(void *arg, int error)
{
    struct trace_seen *seen = arg;
    seen->done = true;
    seen->error = error;
}

static bool trace_is_done(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct trace_seen *)arg)->done;
}

static void test_ping_and_trace(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 5, 8, &rf_engine_plain);
    size_t alice = test_client(&net, "alice"), bob = test_client(&net, "bob");
    struct ping_seen p = ping(&net, alice, &net.nodes[bob].identity.node_id);
    assert_int_equal(p.error, 0);
    assert_in_range(p.rtt_us, 2 * 2 * 5000,
                    2 * 10 * 5000); /* client to client: at least two links each way */
    assert_in_range(p.time_ms, net.now.wall_ms - 1000, net.now.wall_ms);
    struct rf_id nobody = rf_id_add_small(&net.nodes[bob].identity.node_id, 1);
    assert_int_equal(ping(&net, alice, &nobody).error, RF_ETIMEOUT);

    struct trace_seen t = {0};
    struct rf_id resource, where;
    assert_int_equal(rf_node_resource_of(net.nodes[alice].node, rf_view_str("bob@example.org"), &resource),
                     0);
    assert_int_equal(
        rf_node_trace(net.nodes[alice].node, &resource, true, net.now, trace_hop, trace_done, &t), 0);
    node_net_settle(&net, alice);
    assert_true(node_net_until(&net, 60 * S, trace_is_done, &t));
    assert_int_equal(t.error, 0);
    assert_true(t.last.responsible);
    assert_int_equal(test_whois(&net, alice, "bob@example.org", &where), 1);
    assert_true(rf_id_equal(&t.last.node, &where));
    node_net_deinit(&net);
}

/* ---- application connections ---- */

struct party {
    struct node_net *net;
    size_t index;
    unsigned ups, downs;
    rf_link_id conn;
    bool outgoing;
    char user[64], got[256];
    bool attached;
    int error;
};

static void app_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user,
                   bool outgoing)
{
    struct party *p = ctx;
    (void)node_id;
    p->ups++;
    p->conn = conn;
    p->outgoing = outgoing;
    snprintf(p->user, sizeof(p->user), "%.*s", (int)user.len, (const char *)user.p);
}

static void app_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    struct party *p = ctx;
    assert_int_equal(conn, p->conn);
    snprintf(p->got + strlen(p->got), sizeof(p->got) - strlen(p->got), "%.*s", (int)bytes.len,
             (const char *)bytes.p);
}

static void app_down(void *ctx, rf_link_id conn, int reason)
{
    struct party *p = ctx;
    (void)conn, (void)reason;
    p->downs++;
}

static void attached(void *arg, int error, rf_link_id conn)
{
    struct party *p = arg;
    p->attached = true;
    p->error = error;
    if (error == 0)
        assert_int_equal(conn, p->conn);
}

static bool is_attached(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct party *)arg)->attached;
}

static void party_init(struct party *p, struct node_net *net, size_t index)
{
    struct rf_node_app app = {p, app_up, app_data, app_down};
    *p = (struct party){.net = net, .index = index};
    assert_int_equal(rf_node_set_app(net->nodes[index].node, 5060, &app), 0);
}

static int party_attach(struct party *p, size_t to, const char *user)
{
    struct node_net *net = p->net;
    p->attached = false;
    const struct rf_app_target target = {
        .node_id = net->nodes[to].identity.node_id, .user = rf_view_str(user), .application = 5060};
    int error = rf_node_app_attach(net->nodes[p->index].node, &target, net->now, attached, p);
    node_net_settle(net, p->index);
    if (error != 0)
        return error;
    assert_true(node_net_until(net, 60 * S, is_attached, p));
    return p->error;
}

static void app_attach_over(const struct rf_engine_ops *engine)
{
    struct node_net net;
    struct party a, b;
    test_net(&net, 6, 4, engine);
    size_t alice = test_client(&net, "alice"), bob = test_client(&net, "bob"),
           carol = test_client(&net, "carol");
    party_init(&a, &net, alice);
    party_init(&b, &net, bob);
    assert_int_equal(party_attach(&a, bob, "bob@example.org"), 0);
    assert_int_equal(a.ups, 1);
    assert_true(a.outgoing);
    assert_string_equal(a.user, "bob@example.org");
    assert_int_equal(rf_node_app_send(net.nodes[alice].node, a.conn, rf_view_str("hello "), net.now), 0);
    assert_int_equal(rf_node_app_send(net.nodes[alice].node, a.conn, rf_view_str("bob"), net.now), 0);
    node_net_settle(&net, alice);
    node_net_run(&net, S);
    assert_int_equal(b.ups, 1);
    assert_false(b.outgoing);
    assert_string_equal(b.user, "alice@example.org");
    assert_string_equal(b.got, "hello bob");
    /* the connection that stands is used again, but not under another name */
    assert_int_equal(party_attach(&b, alice, "alice@example.org"), 0);
    assert_int_equal(b.ups, 1);
    assert_int_equal(party_attach(&a, bob, "carol@example.org"), RF_EAUTH);
    /* carol has no SIP: refused, not timed out */
    assert_int_equal(party_attach(&a, carol, ""), RF_EREMOTE);
    rf_node_app_close(net.nodes[bob].node, b.conn, net.now);
    node_net_settle(&net, bob);
    node_net_run(&net, S);
    assert_int_equal(a.downs, 1);
    assert_int_equal(b.downs, 1);
    node_net_deinit(&net);
}

static void test_app_attach_plain(void **state)
{
    (void)state;
    app_attach_over(&rf_engine_plain);
}

static void test_app_attach_tls(void **state)
{
    (void)state;
    app_attach_over(&rf_engine_gnutls);
}

/* Both call each other at the same moment: both get a connection. */
static void test_app_attach_both(void **state)
{
    (void)state;
    struct node_net net;
    struct party a, b;
    test_net(&net, 7, 3, &rf_engine_plain);
    size_t alice = test_client(&net, "alice"), bob = test_client(&net, "bob");
    party_init(&a, &net, alice);
    party_init(&b, &net, bob);
    const struct rf_app_target target = {.node_id = net.nodes[alice].identity.node_id, .application = 5060};
    assert_int_equal(rf_node_app_attach(net.nodes[bob].node, &target, net.now, attached, &b), 0);
    node_net_settle(&net, bob);
    assert_int_equal(node_net_counter(&net, bob, "topology", "joins"), 1);
    assert_int_equal(party_attach(&a, bob, "bob@example.org"), 0);
    assert_true(node_net_until(&net, 60 * S, is_attached, &b));
    assert_int_equal(b.error, 0);
    node_net_deinit(&net);
}

/* ---- determinism ---- */

static uint64_t run_hash(uint64_t seed)
{
    struct node_net net;
    uint64_t hash = 0;
    test_net(&net, seed, 4, &rf_engine_plain);
    size_t alice = test_client(&net, "alice");
    test_whois(&net, alice, "alice@example.org", NULL);
    for (size_t i = 0; i < net.count; i++)
        hash = hash * 31 + node_net_counter(&net, i, "link", "frames_in") * 7 +
               node_net_counter(&net, i, "overlay",
                                "received"); /* not bytes: ECDSA signatures differ in length */
    hash = hash * 31 + net.now.mono_us;
    node_net_deinit(&net);
    return hash;
}

static void test_name(void **state)
{
    (void)state;
    struct node_net net;
    test_net(&net, 8, 1, &rf_engine_plain);
    static const struct {
        const char *given, *full;
    } rows[] = {
        {"bob", "bob@example.org"},
        {"bob@Example.ORG", "bob@example.org"},
        {"Bob", "Bob@example.org"},
        {"bob@other.net", "bob@other.net"},
        {"", NULL},
        {"a b", NULL},
        {"bob@", NULL},
        {"@example.org", NULL},
        {"a@b@c", NULL},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        uint8_t bytes[300];
        struct rf_buf out;
        rf_buf_fixed(&out, bytes, sizeof(bytes));
        int error = rf_node_full_name(net.nodes[0].node, rows[i].given, &out);
        if (rows[i].full == NULL) {
            assert_int_equal(error, RF_EFORMAT);
            continue;
        }
        assert_int_equal(error, 0);
        assert_true(rf_view_equal(rf_buf_view(&out), rf_view_str(rows[i].full)));
    }
    node_net_deinit(&net);
}

static void with_ice(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->no_ice = false;
}

static void without_clients(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->clients_permitted = false;
}

static int start_error(void (*adjust)(struct rf_conf *draft, void *arg), enum rf_node_role role)
{
    struct node_net net;
    struct rf_node *node = NULL;
    node_net_init(&net, 9, 1, &rf_engine_plain, adjust, NULL);
    struct net_node *n = &net.nodes[node_net_add(&net, "alice", role)];
    rf_rng_seeded_init(&n->rng, 1);
    struct rf_node_config config = {
        .mem = rf_mem_system(),
        .secret = &n->rng.rng,
        .jitter = &n->rng.rng,
        .crypto = net.pki.crypto,
        .engine_ops = &rf_engine_plain,
        .conf = net.pki.conf,
        .cert_der = n->identity.cert->x509.der,
        .key_pem = rf_buf_view(&n->key_pem),
        .role = role,
        .listen = &n->addr,
        .listen_count = 1,
    };
    int error = rf_node_new(&config, net.now, &node);
    rf_node_free(node);
    node_net_deinit(&net);
    return error;
}

/* A node stays out of an overlay that it cannot serve, or that does not want it. */
static void test_refused_documents(void **state)
{
    (void)state;
    assert_int_equal(start_error(NULL, RF_NODE_CLIENT), 0);
    assert_int_equal(start_error(with_ice, RF_NODE_SUPERNODE), RF_EUNSUPPORTED);
    assert_int_equal(start_error(without_clients, RF_NODE_CLIENT), RF_EFORBIDDEN);
    assert_int_equal(start_error(without_clients, RF_NODE_AUTO), RF_EFORBIDDEN);
    assert_int_equal(start_error(without_clients, RF_NODE_SUPERNODE), 0);
}

static void test_same_seed(void **state)
{
    (void)state;
    assert_int_equal(run_hash(77), run_hash(77));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_ring_of_eight),
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_join_together),
        cmocka_unit_test(test_cold_start),
        cmocka_unit_test(test_whois_plain),
        cmocka_unit_test(test_whois_tls),
        cmocka_unit_test(test_ping_and_trace),
        cmocka_unit_test(test_app_attach_plain),
        cmocka_unit_test(test_app_attach_tls),
        cmocka_unit_test(test_app_attach_both),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_refused_documents),
        cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_two_killed),
        cmocka_unit_test(test_restart_keeps_records),
        cmocka_unit_test(test_all_restart),
        cmocka_unit_test(test_disk_refuses),
        cmocka_unit_test(test_partition),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_kinds_outlive_a_restart),
        cmocka_unit_test(test_kinds_and_new_documents),
        cmocka_unit_test(test_unmet_documents),
        cmocka_unit_test(test_unmet_by_role),
        cmocka_unit_test(test_graceful_leave),
        cmocka_unit_test(test_garbage),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* one test by name, while looking for a fault */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
