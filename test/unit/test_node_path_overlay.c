/* test_node_path_overlay.c - Attaches with ICE: overlay links over paths, where nobody can be dialled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "test_node_path.h"

static rf_link_id overlay_link(size_t from, size_t to)
{
    return rf_overlay_link_of(net.nodes[from].node->overlay, &net.nodes[to].identity.node_id);
}

static bool has_path(size_t from, size_t to)
{
    struct rf_link_info info;
    return rf_links_info(net.nodes[from].node->links, overlay_link(from, to), &info) == 0 && info.path &&
           info.purpose == RF_LINK_OVERLAY;
}

struct pair {
    size_t a, b;
};

static bool are_linked(struct node_net *n, void *arg)
{
    const struct pair *p = arg;
    (void)n;
    return overlay_link(p->a, p->b) != 0 && overlay_link(p->b, p->a) != 0;
}

static void want_link(size_t from, size_t to, bool send_update)
{
    node_attach_wish(net.nodes[from].node, &net.nodes[to].identity.node_id, false, NULL, 0, send_update);
    node_net_settle(&net, from);
}

/* Two that nobody can dial. */
static struct pair two(uint64_t seed, enum net_nat a, enum net_nat b, bool relays)
{
    path_start_net(seed, 3);
    for (size_t i = 0; i < 3 && relays; i++)
        node_relay_start(&net, i);
    struct pair p = {.a = path_add("a", 0, RF_NODE_CLIENT, a)};
    p.b = path_add("b", 0, RF_NODE_CLIENT, b);
    assert_true(node_net_until(&net, 90 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    assert_false(are_linked(&net, &p));
    return p;
}

/* Sends a message of this many bytes, and gets one back, over their link. */
struct echo {
    bool done;
    int error;
};

static void echoed(void *arg, const struct rf_reply *reply)
{
    struct echo *e = arg;
    e->done = true;
    e->error = reply->error;
}

static void ping(size_t from, size_t to, size_t len)
{
    struct echo e = {0};
    struct rf_buf body;
    rf_call_id id;
    uint64_t before = node_net_counter(&net, from, "link", "frames_out");
    rf_buf_init(&body, rf_mem_system(), len + 16);
    rf_buf_u16(&body, (uint16_t)len);
    for (size_t i = 0; i < len; i++)
        rf_buf_u8(&body, (uint8_t)i);
    struct rf_call call = {.code = RF_CODE_PING_REQ,
                           .body = rf_buf_view(&body),
                           .link = overlay_link(from, to),
                           .done = echoed,
                           .arg = &e};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, &id), 0);
    rf_buf_deinit(&body);
    node_net_settle(&net, from);
    node_net_run(&net, S);
    assert_true(e.done);
    assert_int_equal(e.error, 0);
    assert_true(node_net_counter(&net, from, "link", "frames_out") > before);
}

/* One asks the other for a link: with ICE at once, since it found out that nobody can dial it, or first without, in vain; with a relay where it takes one. It carries messages of all sizes, both ways. */
void test_attach(void **state)
{
    static const struct {
        enum net_nat a, b;
        bool relays, linked;
    } cases[] = {{NET_NAT_CONE, NET_NAT_PORT, false, true},
                 {NET_NAT_PORT, NET_NAT_PORT, false, true},
                 {NET_NAT_PORT, NET_NAT_SYMMETRIC, false, false},
                 {NET_NAT_PORT, NET_NAT_SYMMETRIC, true, true},
                 {NET_NAT_BLOCKED, NET_NAT_PORT, false, false}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct pair p = two(50 + i, cases[i].a, cases[i].b, cases[i].relays);
        assert_true(node_outward(net.nodes[p.a].node));
        if (i % 2 == 1)
            net.nodes[p.a].node->undialled_us = 0;
        want_link(p.a, p.b, false);
        if (node_net_until(&net, 15 * S, are_linked, &p) != cases[i].linked)
            fail_msg("case %zu: %slinked", i, cases[i].linked ? "not " : "");
        node_net_run(&net, S);
        assert_int_equal(node_net_counter(&net, p.a, "node", "attaches_ice"), 1);
        if (cases[i].linked) {
            assert_true(has_path(p.a, p.b) && has_path(p.b, p.a));
            for (size_t len = 1; len < 4000; len = len * 3 + 500) {
                ping(p.a, p.b, len);
                ping(p.b, p.a, len);
            }
        }
        node_net_run(&net, 30 * S);
        assert_int_equal(net.nodes[p.a].node->attach_count, 0);
        assert_int_equal(net.nodes[p.a].node->paths->count, cases[i].linked);
        assert_int_equal(net.nodes[p.b].node->paths->count, cases[i].linked);
        node_net_deinit(&net);
    }
}

/* ---- what is on the wire ---- */

static struct rf_attach seen_attach;
static struct rf_region seen_region;
static void (*really)(void *arg, struct rf_request *request);

static void see(void *arg, struct rf_request *request)
{
    assert_int_equal(
        rf_attach_decode(rf_region_copy(&seen_region, request->message->body), &seen_region, &seen_attach),
        0);
    really(arg, request);
}

/* As a node that knows ICE only. */
static void only_ice(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct offer offer;
    if (node_offer_get(false, request->message->body, request->region, &offer) == 0 &&
        !node_path_offered(&offer))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "with ICE, please");
    else
        see(arg, request);
}

static void assert_ice(const struct rf_attach *body, const char *role)
{
    assert_true(body->ufrag.len >= 4 && body->password.len >= 22); /* RFC 8839, section 5.4 */
    assert_true(rf_view_equal(body->role, rf_view_str(role)));
    assert_true(body->candidate_count >= 1);
    for (size_t i = 0; i < body->candidate_count; i++) {
        const struct rf_ice_candidate *c = &body->candidates[i];
        assert_int_equal(c->overlay_link, RF_OVERLAY_LINK_DTLS_UDP_SR);
        assert_true(c->type == RF_ICE_HOST || c->type == RF_ICE_SRFLX || c->type == RF_ICE_RELAY);
        assert_int_equal(c->priority >> 24, c->type == RF_ICE_HOST ? 126 : c->type == RF_ICE_SRFLX ? 100 : 0);
        assert_int_equal(c->related.family != 0, c->type != RF_ICE_HOST);
    }
}

struct answer {
    bool done;
    struct rf_attach body;
};

static void got_answer(void *arg, const struct rf_reply *reply)
{
    struct answer *a = arg;
    a->done = true;
    assert_int_equal(reply->error, 0);
    assert_int_equal(rf_attach_decode(rf_region_copy(&seen_region, reply->body), &seen_region, &a->body), 0);
}

/* Requests and answers as RFC 6940 has them. Who refuses an Attach without ICE is asked with it at once. */
static void look_at_requests(struct pair p)
{
    struct rf_overlay *overlay = net.nodes[p.b].node->overlay;
    struct handler *handler = NULL;
    for (size_t i = 0; i < overlay->handler_count; i++)
        if (overlay->handlers[i].code == RF_CODE_ATTACH_REQ)
            handler = &overlay->handlers[i];
    assert_non_null(handler);
    really = handler->fn;
    handler->fn = only_ice;
    net.nodes[p.a].node->undialled_us = 0;
    want_link(p.a, p.b, true);
    assert_true(node_net_until(&net, S, are_linked, &p));
    handler->fn = really;
    assert_ice(&seen_attach, RF_ATTACH_PASSIVE);
    assert_true(seen_attach.send_update);
}

void test_attach_wire(void **state)
{
    static const char password[] = "passwordpasswordpassword";
    struct answer answer = {0};
    struct rf_buf bytes;
    rf_call_id id;
    (void)state;
    struct pair p = two(63, NET_NAT_CONE, NET_NAT_PORT, false);
    rf_region_init(&seen_region, rf_mem_system(), 1 << 20);
    look_at_requests(p);
    /* what another implementation might send, to a supernode; what it says of candidates leads nowhere */
    struct rf_ice_candidate mine = {.addr = net.nodes[p.a].addr,
                                    .overlay_link = RF_OVERLAY_LINK_DTLS_UDP_SR,
                                    .foundation = rf_view_str("x"),
                                    .priority = 1,
                                    .type = RF_ICE_HOST};
    struct rf_attach body = {.ufrag = rf_view_str("abcd"),
                             .password = rf_view_str(password),
                             .role = rf_view_str(RF_ATTACH_PASSIVE),
                             .candidates = &mine,
                             .candidate_count = 1};
    rf_buf_init(&bytes, rf_mem_system(), 4096);
    rf_attach_encode(&body, &bytes);
    struct rf_call call = {
        .code = RF_CODE_ATTACH_REQ, .body = rf_buf_view(&bytes), .done = got_answer, .arg = &answer};
    size_t to = overlay_link(p.a, 1) == 0 ? 1 : 2;
    assert_true(overlay_link(p.a, to) == 0);
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[p.a].node->overlay, &call, &id), 0);
    rf_buf_deinit(&bytes);
    node_net_settle(&net, p.a);
    node_net_run(&net, 2 * S);
    assert_true(answer.done);
    assert_ice(&answer.body, RF_ATTACH_ACTIVE);
    assert_int_equal(net.nodes[to].node->paths->count, 1);
    node_net_run(&net, 20 * S); /* nobody is there */
    assert_int_equal(net.nodes[to].node->paths->count, 0);
    rf_region_deinit(&seen_region);
    node_net_deinit(&net);
}

/* Both ask at once: one link. */
void test_attach_both(void **state)
{
    (void)state;
    struct pair p = two(60, NET_NAT_PORT, NET_NAT_PORT, false);
    want_link(p.a, p.b, false);
    want_link(p.b, p.a, false);
    assert_true(node_net_until(&net, S, are_linked, &p));
    node_net_run(&net, 20 * S);
    assert_true(has_path(p.a, p.b) && has_path(p.b, p.a));
    for (size_t i = p.a; i <= p.b; i++) {
        assert_int_equal(net.nodes[i].node->paths->count, 1);
        assert_int_equal(net.nodes[i].node->attach_count, 0);
        assert_int_equal(net.nodes[i].node->undialled_us != 0, true); /* nobody has dialled */
    }
    node_net_deinit(&net);
}

/* The way of an overlay link changes under it, too. */
void test_attach_moved(void **state)
{
    (void)state;
    struct pair p = two(61, NET_NAT_PORT, NET_NAT_PORT, false);
    want_link(p.a, p.b, false);
    assert_true(node_net_until(&net, S, are_linked, &p));
    node_net_run(&net, S);
    rf_link_id before = overlay_link(p.a, p.b);
    for (size_t i = 0; i < 4; i++) {
        path_move(i % 2 == 0 ? p.a : p.b);
        node_net_run(&net, 4 * S);
        ping(p.a, p.b, 100);
        ping(p.b, p.a, 3000);
    }
    assert_true(overlay_link(p.a, p.b) == before);
    node_net_deinit(&net);
}

/* They have forgotten the path, and say so over that very path: its link ends, and no more. */
void test_attach_forgotten(void **state)
{
    (void)state;
    struct pair p = two(64, NET_NAT_PORT, NET_NAT_PORT, false);
    want_link(p.a, p.b, false);
    assert_true(node_net_until(&net, S, are_linked, &p));
    node_net_run(&net, S);
    struct rf_node *node = net.nodes[p.a].node;
    struct path *path = RF_LIST_ENTRY(node->paths->all.next, struct path, list);
    for (size_t i = 0; i < 3; i++) /* nobody else is left to pass it on */
        node_net_kill(&net, i);
    node_net_run(&net, S / 10);
    assert_true(are_linked(&net, &p));
    RF_LIST_ENTRY(net.nodes[p.b].node->paths->all.next, struct path, list)->name_len = 0;
    uint64_t asked = node->counters.paths_restarted;
    path_restart(path);
    node_net_settle(&net, p.a);
    node_net_run(&net, 2 * S);
    assert_int_equal(node->counters.paths_restarted, asked + 1);
    assert_int_equal(node->paths->count, 0);
    assert_false(are_linked(&net, &p));
    node_net_deinit(&net);
}

struct checked {
    bool done;
    struct rf_node_checkup result;
};

static void checked(void *arg, const struct rf_node_checkup *result)
{
    struct checked *c = arg;
    c->done = true;
    c->result = *result;
}

/* What a check says of whether others can connect with this node. */
static enum rf_node_reach reach_of(size_t i)
{
    struct checked c = {0};
    assert_int_equal(rf_node_checkup(net.nodes[i].node, net.now, checked, &c), 0);
    node_net_settle(&net, i);
    node_net_run(&net, 10 * S);
    assert_true(c.done);
    assert_int_equal(c.result.error, 0);
    return c.result.reach;
}

/* A supernode that nobody can dial, by its owner's wish: it is in the ring, linked over paths with those who were to dial it. It knows, whoever began those. */
void test_attach_ring(void **state)
{
    size_t paths = 0, known = 0;
    (void)state;
    path_start_net(62, 5);
    size_t hidden = path_add("h", 0, RF_NODE_SUPERNODE, NET_NAT_PORT);
    assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    node_net_run(&net, 120 * S);
    for (size_t i = 0; i < hidden; i++)
        paths += has_path(hidden, i) && has_path(i, hidden);
    assert_true(paths >= 2);
    assert_true(node_outward(net.nodes[hidden].node)); /* it knows now that nobody can dial it */
    assert_false(node_outward(net.nodes[0].node));
    for (size_t i = 0; i < hidden; i++) { /* of one that has dialled all others it is not known */
        enum rf_node_reach reach = reach_of(i);
        assert_true(reach == RF_REACH_YES || reach == RF_REACH_UNKNOWN);
        known += reach == RF_REACH_YES;
    }
    assert_true(known >= 3);
    assert_int_equal(reach_of(hidden), RF_REACH_NO);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    rf_node_register(net.nodes[alice].node, true, net.now);
    node_net_settle(&net, alice);
    node_net_run(&net, 20 * S);
    struct rf_node_status status;
    rf_node_status(net.nodes[alice].node, &status);
    assert_true(status.registered);
    node_net_deinit(&net);
}
