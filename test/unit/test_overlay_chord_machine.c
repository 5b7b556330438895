/* test_overlay_chord_machine.c - single messages and events: what is refused, what is bounded, what lack of memory does. */
#include "test_overlay_chord.h"

#include <math.h>

#include "base/error.h"
#include "support/chord_net.h"

static const struct rf_topology_ops *ops(void)
{
    return &rf_topology_chord;
}

static void ring_of(struct net *net, uint64_t seed, size_t count)
{
    struct net_config config;
    net_config_default(&config);
    config.seed = seed;
    net_init(net, &config);
    for (size_t i = 0; i < count; i++) {
        size_t node = net_add(net, RF_ROLE_PEER, NULL);
        if (i == 0)
            net_boot(net, node);
        net_start(net, node, i == 0);
        net_run(net, NET_S);
    }
    assert_true(net_converge(net, 30 * NET_S) != UINT64_MAX);
}

static uint64_t counter(const struct net *net, size_t node, const char *name)
{
    const struct rf_counter_desc *descs;
    size_t count;
    const void *counters = ops()->counters(net->nodes[node].topology, &descs, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(descs[i].name, name) == 0)
            return rf_counter_get(counters, &descs[i]);
    fail_msg("no counter %s", name);
    return 0;
}

static struct rf_view member(struct rf_buf *buf, const struct rf_id *node, struct rf_view data)
{
    rf_buf_reset(buf);
    rf_member_encode(&(struct rf_member){*node, data}, buf);
    return rf_buf_view(buf);
}

static void joins_refused(void **state)
{
    struct net net;
    struct rf_buf buf;
    struct rf_view nothing = rf_view_of(NULL, 0);
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    ring_of(&net, 1, 4);
    size_t client = net_add(&net, RF_ROLE_CLIENT, NULL), joiner = net_add(&net, RF_ROLE_CLIENT, NULL);
    net_start(&net, client, false);
    net_start(&net, joiner, false); /* a client that will forge Joins */
    net_run(&net, 10 * NET_S);
    for (size_t i = 0; i < 4; i++)
        if (!net_linked(&net, joiner, i))
            net_link(&net, joiner, i);
    net_link(&net, joiner, client);
    const struct rf_id *own = &net.nodes[joiner].id, *other = &net.nodes[client].id;
    size_t refused = 0;
    for (size_t i = 0; i < 4; i++) {
        bool ours = ops()->responsible(net.nodes[i].topology, own);
        assert_int_equal(net_forge(&net, joiner, i, NULL, RF_CODE_JOIN_REQ, rf_view_str("no join"), NULL),
                         RF_ERROR_INVALID_MESSAGE);
        assert_int_equal(
            net_forge(&net, joiner, i, NULL, RF_CODE_JOIN_REQ, member(&buf, other, nothing), NULL),
            RF_ERROR_FORBIDDEN);
        assert_int_equal(
            net_forge(&net, joiner, i, other, RF_CODE_JOIN_REQ, member(&buf, other, nothing), NULL),
            RF_ERROR_FORBIDDEN); /* not the node at the other end of the link */
        if (!ours)
            assert_int_equal(
                net_forge(&net, joiner, i, NULL, RF_CODE_JOIN_REQ, member(&buf, own, nothing), NULL),
                RF_ERROR_NOT_FOUND);
        refused += counter(&net, i, "joins_refused");
    }
    assert_int_equal(refused, 15);
    assert_int_equal(
        net_forge(&net, joiner, client, NULL, RF_CODE_JOIN_REQ, member(&buf, own, nothing), NULL),
        RF_ERROR_NOT_FOUND);
    assert_true(net_ideal(&net, NULL, 0));
    rf_buf_deinit(&buf);
    net_deinit(&net);
}

static void leaves(void **state)
{
    struct net net;
    struct rf_buf buf;
    static const uint8_t bad_data[] = {3, 0, 0}; /* type 3 */
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    ring_of(&net, 2, 6);
    const struct rf_id *own = &net.nodes[1].id, *other = &net.nodes[2].id;
    assert_int_equal(net_forge(&net, 1, 0, NULL, RF_CODE_LEAVE_REQ, rf_view_str("?"), NULL),
                     RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(net_forge(&net, 1, 0, NULL, RF_CODE_LEAVE_REQ,
                               member(&buf, own, rf_view_of(bad_data, sizeof bad_data)), NULL),
                     -1); /* what is unknown gets no answer (2.1) */
    assert_int_equal(
        net_forge(&net, 1, 0, NULL, RF_CODE_LEAVE_REQ, member(&buf, other, rf_view_of(NULL, 0)), NULL),
        RF_ERROR_FORBIDDEN);
    assert_int_equal(
        net_forge(&net, 1, 0, other, RF_CODE_LEAVE_REQ, member(&buf, other, rf_view_of(NULL, 0)), NULL),
        RF_ERROR_FORBIDDEN);
    assert_int_equal(counter(&net, 0, "leaves_received"), 0);
    assert_int_equal(
        net_forge(&net, 1, 0, NULL, RF_CODE_LEAVE_REQ, member(&buf, own, rf_view_of(NULL, 0)), NULL), 0);
    assert_int_equal(counter(&net, 0, "leaves_received"), 1);
    assert_int_equal(counter(&net, 0, "neighbors_lost"), 1);
    assert_false(net_ideal(&net, NULL, 0)); /* node 0 believes it */
    rf_buf_deinit(&buf);
    net_deinit(&net);
}

static void updates_refused(void **state)
{
    struct net net;
    static const uint8_t unknown_type[] = {0, 0, 0, 1, 9};
    static const uint8_t ready[] = {0, 0, 0, 1, 1};
    (void)state;
    ring_of(&net, 3, 4);
    net_run(&net, 30 * NET_S); /* all have said what there is to say */
    const struct rf_id *other = &net.nodes[2].id;
    uint64_t received = counter(&net, 0, "updates_received");
    assert_int_equal(net_forge(&net, 1, 0, NULL, RF_CODE_UPDATE_REQ, rf_view_str("x"), NULL),
                     RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(net_forge(&net, 1, 0, NULL, RF_CODE_UPDATE_REQ, rf_view_of(unknown_type, 5), NULL), -1);
    assert_int_equal(net_forge(&net, 1, 0, other, RF_CODE_UPDATE_REQ, rf_view_of(ready, 5), NULL),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(counter(&net, 0, "updates_refused"), 3);
    assert_int_equal(counter(&net, 0, "updates_received"), received);
    assert_int_equal(net_forge(&net, 1, 0, NULL, RF_CODE_UPDATE_REQ, rf_view_of(ready, 5), NULL), 0);
    assert_int_equal(counter(&net, 0, "updates_received"), received + 1);
    net_deinit(&net);
}

static void put_fakes(struct net *net, struct rf_buf *buf, const struct rf_id *near, size_t count)
{
    struct rf_id ids[280];
    struct rf_chord_update update = {.uptime_s = 1, .type = RF_UPDATE_FULL};
    for (size_t i = 0; i < count; i++) {
        ids[i] = rf_id_add_small(near, (uint32_t)rf_rng_below(&net->rng.rng, 1000000));
        if (i % 3 == 0)
            net_random_id(net, &ids[i]);
    }
    update.predecessors = update.successors = (struct rf_id_list){ids, count / 3};
    update.fingers = (struct rf_id_list){ids, count / 3};
    rf_buf_reset(buf);
    rf_chord_update_encode(&update, buf);
    assert_int_equal(rf_buf_error(buf), 0);
}

/* A peer that names nodes that do not exist, as many and as often as it can. */
static void malicious_updates(void **state)
{
    struct net net;
    struct rf_buf buf;
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 100000);
    ring_of(&net, 4, 10);
    uint64_t attaches = net.nodes[0].counts.requests[RF_CODE_ATTACH_REQ];
    size_t liar = 1;
    assert_true(net_linked(&net, liar, 0));
    struct rf_id below = rf_id_sub(&net.nodes[0].id, &(struct rf_id){.len = 16, .b[12] = 1});
    for (int i = 0; i < 100 && net_linked(&net, liar, 0); i++) {
        put_fakes(&net, &buf, i % 2 ? &net.nodes[0].id : &below, 270);
        assert_int_equal(net_forge(&net, liar, 0, NULL, RF_CODE_UPDATE_REQ, rf_buf_view(&buf), NULL), 0);
        net_run(&net, NET_S / 5);
    }
    struct rf_topology_status_entry entries[300];
    assert_true(ops()->status(net.nodes[0].topology, entries, 300) < 9 + 9 + 32);
    assert_true(counter(&net, 0, "hints_ignored") > 1000);
    attaches = net.nodes[0].counts.requests[RF_CODE_ATTACH_REQ] - attaches;
    /* 20 s at 5 in a second and the first 24, each sent at most 5 times, and what the ring itself asks for */
    assert_true(attaches < 5 * (20 * 5 + 24) + 100);
    net_run(&net, 60 * NET_S);
    assert_true(net_converge(&net, 60 * NET_S) != UINT64_MAX); /* nobody real was displaced for long */
    rf_buf_deinit(&buf);
    net_deinit(&net);
}

static struct rf_view query(struct rf_buf *buf, const struct rf_dest *dest, bool send_update)
{
    rf_buf_reset(buf);
    rf_route_query_encode(&(struct rf_route_query){.send_update = send_update, .destination = *dest}, buf);
    return rf_buf_view(buf);
}

static void route_queries(void **state)
{
    struct net net;
    struct rf_buf buf, answer;
    struct rf_id next;
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    rf_buf_init(&answer, rf_mem_system(), 1000);
    ring_of(&net, 5, 5);
    for (size_t to = 1; to < 5; to++) {
        struct rf_dest dest = rf_dest_resource(&net.nodes[to].id);
        rf_buf_reset(&answer);
        assert_int_equal(
            net_forge(&net, 0, to, NULL, RF_CODE_ROUTE_QUERY_REQ, query(&buf, &dest, false), &answer), 0);
        assert_int_equal(rf_route_query_ans_decode(rf_buf_view(&answer), 16, &next), 0);
        assert_true(rf_id_equal(&next, &net.nodes[to].id)); /* it is in charge itself */
        dest = rf_dest_node(&net.nodes[0].id);
        rf_buf_reset(&answer);
        assert_int_equal(
            net_forge(&net, 0, to, NULL, RF_CODE_ROUTE_QUERY_REQ, query(&buf, &dest, false), &answer), 0);
        assert_int_equal(rf_route_query_ans_decode(rf_buf_view(&answer), 16, &next), 0);
        assert_true(rf_id_equal(&next, &net.nodes[0].id)); /* directly connected */
    }
    struct rf_dest opaque = rf_dest_compact(0x8123), own = rf_dest_node(&net.nodes[1].id);
    assert_int_equal(net_forge(&net, 0, 1, NULL, RF_CODE_ROUTE_QUERY_REQ, query(&buf, &opaque, false), NULL),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(net_forge(&net, 0, 1, NULL, RF_CODE_ROUTE_QUERY_REQ, rf_view_str(""), NULL),
                     RF_ERROR_INVALID_MESSAGE);
    net_run(&net, 30 * NET_S); /* all have said what there is to say */
    uint64_t updates = counter(&net, 0, "updates_received");
    for (int i = 0; i < 20; i++) /* asked for often, sent at a bounded rate */
        assert_int_equal(net_forge(&net, 0, 1, NULL, RF_CODE_ROUTE_QUERY_REQ, query(&buf, &own, true), NULL),
                         0);
    net_run(&net, NET_S);
    updates = counter(&net, 0, "updates_received") - updates;
    assert_true(updates >= 1 && updates <= 17);
    size_t client = net_add(&net, RF_ROLE_CLIENT, NULL);
    net_start(&net, client, false);
    net_run(&net, 5 * NET_S);
    net_link(&net, 0, client);
    assert_int_equal(
        net_forge(&net, 0, client, NULL, RF_CODE_ROUTE_QUERY_REQ, query(&buf, &own, false), NULL),
        RF_ERROR_NOT_FOUND);
    rf_buf_deinit(&buf);
    rf_buf_deinit(&answer);
    net_deinit(&net);
}

/* Who is not linked with us gets its Update too, the way it asked; what it does with it is its own matter. */
static void route_query_from_afar(void **state)
{
    struct net net;
    struct rf_buf buf;
    rf_call_id id;
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1000);
    ring_of(&net, 5, 40);
    const size_t near = 1; /* not the bootstrap node, which knows everybody */
    size_t far = 2;
    while (far < 40 && net_linked(&net, near, far))
        far++;
    assert_true(far < 40);
    for (int wanted = 0; wanted < 2; wanted++) {
        struct rf_dest own = rf_dest_node(&net.nodes[far].id);
        struct rf_call call = {.code = RF_CODE_ROUTE_QUERY_REQ, .body = query(&buf, &own, wanted == 1)};
        uint64_t refused = counter(&net, near, "updates_refused");
        rf_call_to_node(&call, &net.nodes[far].id);
        assert_int_equal(rf_overlay_call(&net.nodes[near], &call, &id), 0);
        net_run(&net, NET_S / 2);
        assert_int_equal(counter(&net, near, "updates_refused") - refused, wanted); /* ours wants a link */
    }
    assert_false(net_linked(&net, near, far));
    rf_buf_deinit(&buf);
    net_deinit(&net);
}

/* Where nothing is to be found the search for fingers becomes rare: its pauses double up to chord-ping-interval, 4 Pings at most each. */
static void finger_searches(void **state)
{
    enum { PEERS = 40, HOUR = 3600 };
    struct net net;
    uint64_t pings[PEERS];
    size_t early[PEERS] = {0}, late[PEERS] = {0}, most_early = 0, all_late = 0;
    (void)state;
    ring_of(&net, 12, PEERS);
    for (size_t i = 0; i < PEERS; i++)
        pings[i] = counter(&net, i, "finger_pings");
    for (size_t s = 0; s < 2 * HOUR; s++) {
        net_run(&net, NET_S);
        for (size_t i = 0; i < PEERS; i++) {
            uint64_t now = counter(&net, i, "finger_pings"), more = now - pings[i];
            pings[i] = now;
            assert_true(more <= 4);
            *(s < HOUR ? &early[i] : &late[i]) += more > 0;
        }
    }
    for (size_t i = 0; i < PEERS; i++) {
        most_early = early[i] > most_early ? early[i] : most_early;
        all_late += late[i];
    }
    print_message("finger searches of a peer: at most %zu in the first hour, %.1f on average in the second\n",
                  most_early, (double)all_late / PEERS);
    /* 5 s, 10 s, ... 3600 s, each a bit more or less; who loses a finger to a nearer one begins anew */
    assert_true(most_early >= 2 && most_early <= 28);
    assert_true(all_late <= 2 * PEERS); /* who finds one begins anew */
    net_deinit(&net);
}

/* A suspect link is routed around at once, and its node given up if it does not answer; if it does, it stays. */
static void suspicion(void **state)
{
    struct net net;
    struct rf_id hop;
    (void)state;
    ring_of(&net, 6, 8);
    struct rf_overlay *self = &net.nodes[0];
    struct rf_topology_status_entry entries[64];
    size_t n = ops()->status(self->topology, entries, 64), k = 0;
    while (k < n && !(entries[k].relation == 's' && entries[k].rank == 2))
        k++;
    assert_true(k < n);
    struct rf_conn conn = {.link = entries[k].link, .node = entries[k].node, .suspect = true};
    struct rf_id one = rf_id_pow2(conn.node.len, 0), key = rf_id_sub(&conn.node, &one);
    assert_true(ops()->next_hop(self->topology, &key, &hop) && rf_id_equal(&hop, &conn.node));
    ops()->link_suspect(self->topology, &conn);
    assert_true(ops()->next_hop(self->topology, &key, &hop) && !rf_id_equal(&hop, &conn.node));
    net_run(&net, 3 * NET_S);
    assert_int_equal(counter(&net, 0, "neighbors_lost"), 0); /* it answered */
    conn.suspect = false;
    ops()->link_suspect(self->topology, &conn);
    assert_true(ops()->next_hop(self->topology, &key, &hop) && rf_id_equal(&hop, &conn.node));
    ops()->unresponsive(self->topology, &conn.node);
    net_run(&net, 5 * NET_S);
    assert_true(net_ideal(&net, NULL, 0));

    net_crash(&net, net_find(&net, &conn.node), true);
    ops()->unresponsive(self->topology, &conn.node); /* somebody's call timed out */
    net_run(&net, 10 * NET_S);
    assert_int_equal(counter(&net, 0, "neighbors_lost"), 1);
    net_deinit(&net);
}

/* A second link to the same node replaces the first; the end of the old one changes nothing. */
static void two_links(void **state)
{
    struct net net;
    (void)state;
    ring_of(&net, 7, 4);
    net_link(&net, 1, 0);
    net_run(&net, 10 * NET_S);
    assert_true(net_ideal(&net, NULL, 0));
    uint64_t lost = counter(&net, 0, "neighbors_lost");
    struct rf_conn stale = {.link = 1, .node = net.nodes[1].id};
    ops()->link_down(net.nodes[0].topology, &stale, RF_ECLOSED);
    assert_int_equal(counter(&net, 0, "neighbors_lost"), lost);
    net_deinit(&net);
}

static void shares_and_status(void **state)
{
    struct net net;
    double sum = 0;
    (void)state;
    ring_of(&net, 8, 9);
    for (size_t i = 0; i < 9; i++) {
        struct rf_topology_status_entry entries[64], few[2];
        size_t n = ops()->status(net.nodes[i].topology, entries, 64), succ = 0, pred = 0;
        assert_int_equal(ops()->status(net.nodes[i].topology, few, 2), 2);
        for (size_t k = 0; k < n; k++) {
            succ += entries[k].relation == 's';
            pred += entries[k].relation == 'p';
            assert_true(entries[k].link != 0 && entries[k].rank >= 1);
        }
        assert_true(succ >= 3 && pred >= 3);
        sum += ops()->share(net.nodes[i].topology);
        struct rf_id replicas[2];
        assert_int_equal(ops()->replicas(net.nodes[i].topology, replicas, 2), 2);
    }
    assert_true(fabs(sum - 1.0) < 1e-9);
    net_deinit(&net);
}

static void reconfigured(void **state)
{
    struct net net;
    struct rf_topology_params params;
    (void)state;
    ring_of(&net, 9, 5);
    params = net.config.params;
    params.self = net.nodes[1].id; /* not taken over */
    params.role = RF_ROLE_CLIENT;
    params.update_interval_us = 10 * NET_S;
    uint64_t before = counter(&net, 0, "updates_sent");
    net_run(&net, 100 * NET_S);
    uint64_t slow = counter(&net, 0, "updates_sent") - before;
    ops()->configure(net.nodes[0].topology, &params);
    net_run(&net, 100 * NET_S);
    uint64_t fast = counter(&net, 0, "updates_sent") - before - slow;
    assert_true(fast >= 30 && slow < 15);
    assert_true(net_ideal(&net, NULL, 0));
    net_deinit(&net);
}

/* The host tells a joiner that nobody else is there: it is the ring, and others find it. */
static void first_after_all(void **state)
{
    struct net net;
    struct net_config config;
    (void)state;
    net_config_default(&config);
    net_init(&net, &config);
    net_boot(&net, net_add(&net, RF_ROLE_PEER, NULL));
    net_start(&net, 0, false);
    net_run(&net, 20 * NET_S);
    assert_int_equal(net.nodes[0].state, RF_TOPOLOGY_JOINING);
    ops()->start(net.nodes[0].topology, true);
    assert_int_equal(net.nodes[0].state, RF_TOPOLOGY_JOINED);
    net_start(&net, net_add(&net, RF_ROLE_PEER, NULL), false);
    assert_true(net_converge(&net, 10 * NET_S) != UINT64_MAX);
    net_deinit(&net);
}

/* The same object leaves and joins again, its links still there. */
static void leaves_and_returns(void **state)
{
    struct net net;
    (void)state;
    ring_of(&net, 10, 6);
    for (int round = 0; round < 3; round++) {
        ops()->leave(net.nodes[2].topology);
        net_run(&net, round == 1 ? NET_S : 20 * NET_S);
        assert_int_equal(net.nodes[2].state, RF_TOPOLOGY_IDLE);
        assert_true(ops()->share(net.nodes[2].topology) == 0.0);
        ops()->start(net.nodes[2].topology, false);
        assert_true(net_converge(&net, 30 * NET_S) != UINT64_MAX);
    }
    net_deinit(&net);
}

/* A bootstrap node that takes a link and never answers: the link goes, others do not pile up beside it, and another one is found. */
static void mute_bootstrap(void **state)
{
    struct net net;
    struct net_config config;
    (void)state;
    net_config_default(&config);
    net_init(&net, &config);
    size_t mute = net_add(&net, RF_ROLE_PEER, NULL), sound = net_add(&net, RF_ROLE_PEER, NULL);
    net_boot(&net, mute);
    net_start(&net, mute, true);
    net_run(&net, NET_S);
    size_t joiner = net_add(&net, RF_ROLE_PEER, NULL);
    net_start(&net, joiner, false);
    while (!net_linked(&net, joiner, mute))
        net_run(&net, NET_MS);
    net.nodes[mute].group = 1;
    net_run(&net, 5 * NET_S);
    assert_int_equal(net_links_of(&net, joiner), 0);
    assert_int_equal(net.nodes[joiner].state, RF_TOPOLOGY_JOINING);
    net_boot(&net, sound);
    net_start(&net, sound, true);
    net_run(&net, 60 * NET_S);
    assert_int_equal(net.nodes[joiner].state, RF_TOPOLOGY_JOINED);
    net.nodes[mute].group = 0;
    assert_true(net_converge(&net, 180 * NET_S) != UINT64_MAX);
    net_deinit(&net);
}

/* Three days alone: it goes on looking for others, and not too often. */
static void long_alone(void **state)
{
    struct net net;
    (void)state;
    ring_of(&net, 11, 1);
    net_run(&net, 3 * 86400 * NET_S);
    uint64_t checks = counter(&net, 0, "partition_checks");
    assert_true(checks > 3 * 86400 / 90 && checks < 3 * 86400 / 30 + 20);
    assert_int_equal(net.nodes[0].state, RF_TOPOLOGY_JOINED);
    net_deinit(&net);
}

/* The object can end at any moment of a life with joins, losses and leaves. */
static void ends_anywhere(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 40; step++) {
        struct net net;
        struct net_config config;
        net_config_default(&config);
        config.seed = step;
        net_init(&net, &config);
        for (size_t i = 0; i < 4; i++) {
            net_add(&net, i == 3 ? RF_ROLE_CLIENT : RF_ROLE_PEER, NULL);
            if (i == 0)
                net_boot(&net, 0);
            net_start(&net, i, i == 0);
            net_run(&net, step * 20 * NET_MS);
        }
        if (step % 2)
            net_leave(&net, 1);
        net_run(&net, step % 7 * 100 * NET_MS);
        net_deinit(&net); /* asserts that all memory came back */
    }
}

static void without_memory(void **state)
{
    struct net net;
    struct net_config config;
    (void)state;
    for (size_t allowed = 0; allowed < 12; allowed++) { /* creation */
        struct rf_mem_test mem;
        struct rf_timers timers;
        struct rf_now now = {.mono_us = 5};
        struct rf_rng_seeded rng;
        struct rf_overlay overlay = {0};
        struct rf_topology *t = NULL;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        rf_timers_init(&timers, &mem.mem);
        rf_rng_seeded_init(&rng, 1);
        struct rf_env env = {
            .mem = &mem.mem, .timers = &timers, .now = &now, .secret = &rng.rng, .jitter = &rng.rng};
        struct rf_topology_host host = {.overlay = &overlay};
        net_config_default(&config);
        config.params.role = RF_ROLE_PEER;
        config.params.self = (struct rf_id){.len = 16, .b[3] = 7};
        int error = ops()->create(&env, &config.params, &host, &t);
        assert_true(error == 0 || error == RF_ENOMEM);
        if (error == 0)
            ops()->destroy(t);
        rf_timers_deinit(&timers);
        assert_int_equal(mem.live_count, 0);
    }
    for (uint64_t seed = 1; seed <= 5; seed++) { /* life: short of memory again and again, then enough */
        net_config_default(&config);
        config.seed = seed;
        net_init(&net, &config);
        net_boot(&net, net_add(&net, RF_ROLE_PEER, NULL));
        net_start(&net, 0, true);
        for (size_t i = 1; i < 8; i++) {
            net_start(&net, net_add(&net, i < 7 ? RF_ROLE_PEER : RF_ROLE_CLIENT, NULL), false);
            net.mem.allowed = rf_rng_below(&net.rng.rng, 40);
            net_run(&net, NET_S);
            net.mem.allowed = SIZE_MAX;
        }
        assert_true(net_converge(&net, 120 * NET_S) != UINT64_MAX);
        net_deinit(&net);
    }
}

int test_overlay_chord_machine(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_refused),      cmocka_unit_test(leaves),
        cmocka_unit_test(updates_refused),    cmocka_unit_test(malicious_updates),
        cmocka_unit_test(route_queries),      cmocka_unit_test(route_query_from_afar),
        cmocka_unit_test(finger_searches),    cmocka_unit_test(suspicion),
        cmocka_unit_test(two_links),          cmocka_unit_test(shares_and_status),
        cmocka_unit_test(reconfigured),       cmocka_unit_test(first_after_all),
        cmocka_unit_test(leaves_and_returns), cmocka_unit_test(long_alone),
        cmocka_unit_test(mute_bootstrap),     cmocka_unit_test(ends_anywhere),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("overlay_chord_machine", tests, NULL, NULL);
}
