/* test_node_path_limits.c - who comes by ICE and wants more than his share; what counts as a connection while a path ends; whose a relay is that two name as theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "test_node_path.h"

/* ---- an attacker ---- */

#define SUPERS 3

struct outcome {
    unsigned good, refused, other;
};

static void answered(void *arg, const struct rf_reply *reply)
{
    struct outcome *a = arg;
    bool refused = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_FORBIDDEN;
    a->good += reply->error == 0;
    a->refused += refused;
    a->other += reply->error != 0 && !refused;
}

/* An Attach (application 0) or AppAttach with ICE, by way of others, as from one that has lost its links; at its address nobody answers checks. */
static void ask_for_path(size_t from, size_t to, uint16_t application, struct outcome *a)
{
    static const char password[] = "passwordpasswordpassword";
    struct rf_addr nobody = net.nodes[from].addr;
    nobody.ip[3] = 200;
    struct rf_ice_candidate candidate = {.addr = nobody,
                                         .overlay_link = RF_OVERLAY_LINK_DTLS_UDP_SR,
                                         .foundation = rf_view_str("x"),
                                         .priority = 1,
                                         .type = RF_ICE_HOST};
    struct rf_attach attach = {.ufrag = rf_view_str("abcd"),
                               .password = rf_view_str(password),
                               .role = rf_view_str(RF_ATTACH_PASSIVE),
                               .candidates = &candidate,
                               .candidate_count = 1};
    struct rf_app_attach app = {.ufrag = attach.ufrag,
                                .password = attach.password,
                                .application = application,
                                .role = attach.role,
                                .candidates = &candidate,
                                .candidate_count = 1};
    struct rf_buf body, wish;
    rf_buf_init(&body, rf_mem_system(), 4096);
    rf_buf_init(&wish, rf_mem_system(), 64);
    if (application != 0)
        rf_app_attach_encode(&app, &body);
    else
        rf_attach_encode(&attach, &body);
    if (application == 0)
        rf_admit_wish_put(RF_ADMIT_HOME, false, &wish);
    struct rf_call call = {.code = application != 0 ? RF_CODE_APP_ATTACH_REQ : RF_CODE_ATTACH_REQ,
                           .body = rf_buf_view(&body),
                           .extensions = rf_buf_view(&wish),
                           .done = answered,
                           .arg = a};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, NULL), 0);
    rf_buf_deinit(&body);
    rf_buf_deinit(&wish);
    node_net_settle(&net, from);
}

static size_t links_between(size_t at, size_t with)
{
    uint64_t links[16];
    return rf_overlay_links_of(net.nodes[at].node->overlay, &net.nodes[with].identity.node_id, links,
                               RF_COUNT(links));
}

/* A supernode that is linked with none of these two. */
static size_t stranger_to(size_t a, size_t b)
{
    for (size_t i = 0; i < SUPERS; i++)
        if (links_between(i, a) + links_between(i, b) == 0)
            return i;
    fail();
    return 0;
}

static void attacker_and_friend(uint64_t seed, size_t *attacker, size_t *friend)
{
    path_start_net(seed, SUPERS);
    *attacker = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    *friend = path_add("f", 0, RF_NODE_CLIENT, NET_NAT_PORT);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 30 * S);
}

/* Ten requests for paths that lead nowhere, of either sort, at once and one after the other: three of a sort are looked for, the others refused; another node gets what it wants meanwhile. When the three have come to nothing
 * there is room again. */
void test_path_flood(void **state)
{
    static const uint16_t applications[] = {0, APP};
    (void)state;
    for (size_t which = 0; which < RF_COUNT(applications); which++) {
        struct outcome a = {0}, again = {0}, friends = {0}, on = {0};
        size_t attacker, friend;
        attacker_and_friend(90 + which, &attacker, &friend);
        size_t victim = stranger_to(attacker, friend);
        const struct paths *paths = net.nodes[victim].node->paths;
        for (size_t i = 0; i < 10; i++) {
            ask_for_path(attacker, victim, applications[which], &a);
            node_net_run(&net, i < 5 ? 0 : S / 10);
            assert_true(paths->count <= 3);
        }
        node_net_run(&net, S);
        assert_int_equal(a.good, 3);
        assert_int_equal(a.refused, 7);
        ask_for_path(friend, victim, applications[which], &friends);
        node_net_run(&net, S);
        assert_int_equal(friends.good, 1);
        for (size_t i = 0; i < 4; i++) { /* whoever asks on has given up the one before */
            ask_for_path(attacker, victim, applications[which], &on);
            node_net_run(&net, S);
            assert_true(paths->count <= 4);
        }
        assert_int_equal(on.good, 4);
        node_net_run(&net, 20 * S);
        assert_int_equal(paths->count, 0);
        assert_int_equal(links_between(victim, attacker), 0);
        for (size_t i = 0; i < 4; i++)
            ask_for_path(attacker, victim, applications[which], &again);
        node_net_run(&net, S);
        assert_int_equal(again.good, 3);
        assert_int_equal(again.refused, 1);
        assert_int_equal(a.other + again.other + friends.other, 0);
        node_net_deinit(&net);
    }
}

/* Its gateway gives it another port: what came from the one before and from this one are not the same to ice/, and what stands there is not told. */
static void from_elsewhere(size_t i)
{
    struct net_node *n = &net.nodes[i];
    n->mapping_count = 0;
    n->mapping_first = (uint16_t)(n->mapping_first != 0 ? n->mapping_first + 1000 : 41000);
}

/* It makes one overlay link after the other over paths, and each time acts as if it had none. */
void test_path_links(void **state)
{
    size_t attacker, friend, made = 0, most = 0;
    (void)state;
    attacker_and_friend(92, &attacker, &friend);
    size_t victim = stranger_to(attacker, friend);
    struct rf_node *node = net.nodes[attacker].node;
    const struct rf_id *id = &net.nodes[victim].identity.node_id;
    for (size_t i = 0; i < 8; i++) {
        uint64_t links[8];
        from_elsewhere(attacker);
        struct attach *a = attach_new(node, id, false, 0);
        assert_non_null(a);
        a->wish = RF_ADMIT_HOME;
        assert_true(attach_ice(a));
        node_net_settle(&net, attacker);
        node_net_run(&net, S);
        size_t count = rf_overlay_links_of(node->overlay, id, links, RF_COUNT(links));
        made += count > 0;
        most = links_between(victim, attacker) > most ? links_between(victim, attacker) : most;
        for (size_t k = 0; k < count; k++)
            rf_overlay_link_down(node->overlay, links[k], RF_ECLOSED); /* the connection stands */
        node_net_run(&net, 5 * S);
    }
    assert_true(made >= 3);
    assert_int_equal(most, 3);
    node_net_run(&net, 60 * S);
    assert_true(links_between(victim, attacker) <= 2);
    node_net_deinit(&net);
}

static size_t conns_of(size_t i)
{
    size_t count = 0;
    RF_LIST_EACH(&net.nodes[i].node->app_conns, it)
    {
        count++;
    }
    return count;
}

/* The same with connections of an application: four, and no more. Those that lead nowhere end with consent. */
void test_path_conns(void **state)
{
    size_t attacker, friend;
    (void)state;
    attacker_and_friend(93, &attacker, &friend);
    size_t victim = stranger_to(attacker, friend);
    struct rf_app_target target = {.node_id = net.nodes[victim].identity.node_id, .application = APP};
    for (size_t i = 0; i < 6; i++) {
        struct talk *t = &talks[attacker];
        from_elsewhere(attacker);
        t->done = false;
        assert_int_equal(node_attach_app(net.nodes[attacker].node, &target, 0, path_on_attached, t), 0);
        node_net_settle(&net, attacker);
        node_net_run(&net, S);
        assert_int_equal(conns_of(victim), i < 4 ? i + 1 : 4);
        assert_int_equal(t->done && t->error == 0, i < 4);
        RF_LIST_EACH(&net.nodes[attacker].node->app_conns, it)
        {
            RF_LIST_ENTRY(it, struct app_conn, list)->application = 1; /* it does not know that it has it */
        }
    }
    node_net_run(&net, 90 * S);
    assert_true(conns_of(victim) <= 1);
    node_net_deinit(&net);
}

/* ---- places ---- */

/* A path whose link ends needs no place of those that paths have while they are being made: its session is what is left of it. */
void test_path_places(void **state)
{
    size_t alice, bob;
    (void)state;
    attacker_and_friend(94, &alice, &bob);
    struct rf_node *node = net.nodes[alice].node;
    assert_int_equal(path_attach(alice, bob), 0);
    assert_int_equal(node->paths->count, 1);
    assert_int_equal(node_path_flows(node), 0); /* up: one flow, which is its link's */
    rf_links_close(node->links, talks[alice].conn, RF_ECLOSED);
    assert_int_equal(node->paths->count, 1);
    assert_int_equal(node_path_flows(node), 0);
    node_net_settle(&net, alice);
    node_net_run(&net, S);
    assert_int_equal(node->paths->count, 0);
    node_net_deinit(&net);
}

/* ---- whose a relay is ---- */

/* As if this supernode had given us credentials for a relay at that address. */
static void give(struct rf_node *node, size_t giver, const struct rf_addr *addr, const char *user)
{
    struct node_relay *r = node->relay;
    r->given = true;
    r->giver = net.nodes[giver].identity.node_id;
    r->lease = (struct rf_relay_said){.outcome = RF_RELAY_GIVEN,
                                      .lifetime_s = 3600,
                                      .user = rf_view_str(user),
                                      .password = rf_view_str("password"),
                                      .realm = rf_view_str("example.org"),
                                      .servers = {{.transport = RF_RELAY_UDP, .address = *addr}},
                                      .server_count = 1};
    r->given_us = node->now.mono_us;
    r->expires_us = r->given_us + 3600 * S;
    node_path_stuck(node); /* it needs one */
    assert_true(node_path_relay(node));
}

static void relay_is(const struct rf_node *node, size_t giver, const char *user)
{
    const struct paths *paths = node->paths;
    assert_int_equal(paths->relay_count, 1);
    assert_true(rf_id_equal(&paths->relays[0].node, &net.nodes[giver].identity.node_id));
    assert_int_equal(paths->relays[0].user, rf_hash64(node->env.seed, rf_view_str(user)));
}

/* As if its supernode had been started anew: it knows neither allocations nor credentials of before. */
static void restart_relay(size_t i)
{
    net.nodes[i].extra.free(net.nodes[i].extra.ctx);
    node_relay_start(&net, i);
}

/* Every relay was started anew since we got credentials that are good for an hour: the first connection that takes one shows it, and is made with others. */
void test_relay_restarted(void **state)
{
    size_t alice, bob;
    (void)state;
    path_start_net(96, SUPERS);
    for (size_t i = 0; i < SUPERS; i++)
        node_relay_start(&net, i);
    alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_SYMMETRIC);
    bob = path_add("b", 0, RF_NODE_CLIENT, NET_NAT_SYMMETRIC);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    assert_int_equal(path_attach(alice, bob), 0);
    for (size_t times = 0; times < 4; times++) {
        bool stands =
            times % 2 ==
            1; /* the connection is there still, and leads nowhere; else their allocations were given back */
        if (!stands) {
            rf_links_close(net.nodes[alice].node->links, talks[alice].conn, RF_ECLOSED);
            node_net_settle(&net, alice);
        }
        node_net_run(&net, stands ? 12 * S : 60 * S);
        for (size_t i = 0; i < SUPERS; i++)
            restart_relay(i);
        node_net_run(&net, 5 * S);
        if (path_attach(alice, bob) != 0)
            fail_msg("the %zu. time", times + 1);
        path_say(alice, bob, "hello");
    }
    assert_true(node_net_counter(&net, alice, "node", "relays_useless") +
                    node_net_counter(&net, bob, "node", "relays_useless") >=
                2);
    node_net_deinit(&net);
}

static void ignore_relay(void *arg, const struct rf_node_relay *relay)
{
    (void)arg, (void)relay;
}

/* Another supernode names the address of the relay that is in use as its own: the sessions over it keep their credentials. Who gave those can renew them; when nobody uses it any more it is the other one's. */
void test_relay_owner(void **state)
{
    size_t alice, bob;
    (void)state;
    attacker_and_friend(95, &alice, &bob);
    struct rf_node *node = net.nodes[alice].node;
    struct rf_addr addr = net.nodes[0].addr;
    assert_int_equal(rf_node_relay(node, true, net.now, ignore_relay, NULL), 0);
    node_net_run(&net, 20 * S); /* nobody has one */
    addr.port = 3478;
    give(node, 0, &addr, "zero");
    relay_is(node, 0, "zero");
    assert_int_equal(path_attach(alice, bob), 0); /* a session that may use it */
    give(node, 1, &addr, "one");
    relay_is(node, 0, "zero");
    give(node, 0, &addr, "zero again");
    relay_is(node, 0, "zero again");
    rf_links_close(node->links, talks[alice].conn, RF_ECLOSED);
    node_net_settle(&net, alice);
    node_net_run(&net, S);
    give(node, 1, &addr, "one");
    relay_is(node, 1, "one");
    node_net_deinit(&net);
}
