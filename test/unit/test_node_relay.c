/* test_node_relay.c - relays over the overlay: found, asked for, given; told about, and not any more; who is refused; what is at hand, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "node/internal.h"
#include "overlay/internal.h"
#include "support/node_net.h"

#define S      RF_US_PER_S
#define SUPERS 4

static struct node_net net;
static const uint8_t secret[RF_TURN_SECRET_LEN] = "of the relay that is tested here";

/* ---- the world ---- */

static size_t add(const char *name, enum rf_node_role role)
{
    size_t i = node_net_add(&net, name, role);
    node_net_start(&net, i);
    return i;
}

static void start(uint64_t seed)
{
    char name[16];
    node_net_init(&net, seed, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < SUPERS; i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        add(name, RF_NODE_SUPERNODE);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    add("alice", RF_NODE_CLIENT);
    add("bob", RF_NODE_CLIENT);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    node_net_run(&net, 20 * S);
}

#define ALICE SUPERS
#define BOB   (SUPERS + 1)

static struct rf_addr addr_of(size_t i, uint16_t port)
{
    struct rf_addr addr = net.nodes[i].addr;
    addr.port = port;
    return addr;
}

static void serve(size_t i, const uint8_t by[RF_TURN_SECRET_LEN])
{
    struct rf_relay_server servers[2] = {
        {.transport = RF_RELAY_UDP, .address = addr_of(i, 6084)},
        {.transport = RF_RELAY_TLS, .address = addr_of(i, 443), .name = rf_view_str("relay.example")}};
    struct rf_node_relay_offer offer = {
        .realm = "example.org", .servers = servers, .server_count = 2, .lifetime_s = 1000};
    memcpy(offer.secret, by, sizeof(offer.secret));
    assert_int_equal(rf_node_serve_relay(net.nodes[i].node, &offer, net.now), 0);
    node_net_settle(&net, i);
}

static void serve_no_more(size_t i)
{
    assert_int_equal(rf_node_serve_relay(net.nodes[i].node, NULL, net.now), 0);
    node_net_settle(&net, i);
}

struct got {
    unsigned count;
    int error;
    struct rf_id node;
    char user[200], password[200];
    size_t server_count;
    struct rf_relay_server servers[RF_RELAY_SERVERS];
    uint64_t expires_us;
};

static void on_relay(void *arg, const struct rf_node_relay *r)
{
    struct got *g = arg;
    g->count++;
    g->error = r->error;
    g->node = r->node;
    if (r->error != 0)
        return;
    snprintf(g->user, sizeof(g->user), "%.*s", (int)r->given.user.len, (const char *)r->given.user.p);
    snprintf(g->password, sizeof(g->password), "%.*s", (int)r->given.password.len,
             (const char *)r->given.password.p);
    g->server_count = r->given.server_count;
    memcpy(g->servers, r->given.servers, sizeof(g->servers));
    g->expires_us = r->expires_us;
}

static bool is_told(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct got *)arg)->count > 0;
}

static struct got want(size_t i, bool fresh)
{
    struct got g = {.count = 0};
    assert_int_equal(rf_node_relay(net.nodes[i].node, fresh, net.now, on_relay, &g), 0);
    assert_int_equal(g.count, 0); /* never from inside */
    node_net_settle(&net, i);
    assert_true(node_net_until(&net, 60 * S, is_told, &g));
    assert_int_equal(g.count, 1);
    return g;
}

static bool is_good(const struct got *g, const uint8_t by[RF_TURN_SECRET_LEN])
{
    char password[RF_TURN_PASSWORD_LEN + 1];
    return rf_turn_password(net.nodes[0].node->crypto, by, rf_view_str(g->user), password) == 0 &&
           strcmp(password, g->password) == 0;
}

struct list {
    bool done;
    int error;
    size_t count;
    struct rf_id nodes[16];
    struct rf_addr addrs[16];
};

static void on_each(void *arg, const struct rf_node_found_relay *found)
{
    struct list *l = arg;
    l->nodes[l->count] = found->node;
    l->addrs[l->count++] = found->addr;
}

static void on_all(void *arg, int error)
{
    struct list *l = arg;
    l->done = true;
    l->error = error;
}

static bool is_done(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct list *)arg)->done;
}

static struct list services(size_t i)
{
    struct list l = {.done = false};
    assert_int_equal(rf_node_find_relays(net.nodes[i].node, net.now, on_each, on_all, &l), 0);
    node_net_settle(&net, i);
    assert_true(node_net_until(&net, 60 * S, is_done, &l));
    assert_int_equal(l.error, 0);
    return l;
}

static bool is_node(size_t i, const struct rf_id *id)
{
    return rf_id_equal(&net.nodes[i].identity.node_id, id);
}

/* ---- found and given ---- */

static void test_advertised(void **state)
{
    (void)state;
    start(1);
    assert_int_equal(services(ALICE).count, 0);
    serve(2, secret);
    node_net_run(&net, 15 * S);
    for (size_t i = 0; i < net.count; i++) {
        struct list l = services(i);
        struct rf_addr addr = addr_of(2, 6084);
        assert_int_equal(l.count, 1);
        assert_true(is_node(2, &l.nodes[0]) && rf_addr_equal(&l.addrs[0], &addr));
    }
    node_net_run(&net, 3 * 3600 * S); /* it is stored again in time */
    assert_int_equal(services(BOB).count, 1);
    serve_no_more(2);
    node_net_run(&net, 5 * S);
    assert_int_equal(services(BOB).count, 0);
    serve(2, secret);
    node_net_run(&net, 15 * S);
    assert_int_equal(services(BOB).count, 1);
    node_net_leave(&net, 2); /* takes it along */
    node_net_run(&net, 5 * S);
    assert_int_equal(services(BOB).count, 0);
    node_net_deinit(&net);
}

/* Nobody that we know of could use a loopback address of another host. */
static void test_not_advertised(void **state)
{
    struct rf_relay_server server = {.transport = RF_RELAY_UDP};
    struct rf_node_relay_offer offer = {.realm = "r", .servers = &server, .server_count = 1};
    (void)state;
    start(2);
    assert_int_equal(rf_addr_parse("127.0.0.1:6084", 0, &server.address), 0);
    assert_int_equal(rf_node_serve_relay(net.nodes[1].node, &offer, net.now), 0);
    server.address = addr_of(2, 6084);
    offer.quiet = true;
    assert_int_equal(rf_node_serve_relay(net.nodes[2].node, &offer, net.now), 0);
    serve(ALICE, secret); /* a client */
    for (size_t i = 0; i < net.count; i++)
        node_net_settle(&net, i);
    node_net_run(&net, 60 * S);
    assert_int_equal(services(BOB).count, 0);
    offer.server_count = 0;
    assert_int_equal(rf_node_serve_relay(net.nodes[2].node, &offer, net.now), RF_EINVAL);
    offer.server_count = RF_RELAY_SERVERS + 1;
    assert_int_equal(rf_node_serve_relay(net.nodes[2].node, &offer, net.now), RF_EINVAL);
    node_net_deinit(&net);
}

static void test_given(void **state)
{
    struct rf_node_relay at_hand;
    (void)state;
    start(3);
    struct got g = want(ALICE, false);
    assert_int_equal(g.error, RF_ENOTFOUND);
    assert_false(rf_node_relay_at_hand(net.nodes[ALICE].node, net.now, &at_hand));
    for (size_t i = 0; i < SUPERS; i++)
        serve(i, secret);
    g = want(ALICE, false);
    assert_int_equal(g.error, 0);
    assert_true(is_good(&g, secret));
    assert_int_equal(g.server_count, 2);
    assert_int_equal(g.servers[0].transport, RF_RELAY_UDP);
    assert_int_equal(g.servers[1].transport, RF_RELAY_TLS);
    assert_int_equal(g.servers[1].address.port, 443);
    assert_true(rf_view_equal(g.servers[1].name, rf_view_str("relay.example")));
    uint64_t asked = node_net_counter(&net, ALICE, "node", "relay_asked");
    struct rf_node_status status;
    rf_node_status(net.nodes[ALICE].node, &status);
    assert_true(rf_id_equal(&g.node, &status.supernode)); /* its home, which it is linked with */
    struct got again = want(ALICE, false);
    assert_string_equal(again.user, g.user);
    assert_int_equal(node_net_counter(&net, ALICE, "node", "relay_asked"), asked);
    assert_true(rf_node_relay_at_hand(net.nodes[ALICE].node, net.now, &at_hand));
    assert_true(rf_id_equal(&at_hand.node, &g.node));
    node_net_run(&net, 2 * S);
    again = want(ALICE, true);
    assert_string_not_equal(again.user, g.user);
    assert_int_equal(node_net_counter(&net, ALICE, "node", "relay_asked"), asked + 1);
    node_net_deinit(&net);
}

/* Only a supernode that it is not linked with has one: it is found on the ring. */
static void test_found(void **state)
{
    size_t far = 0;
    (void)state;
    start(4);
    while (far < SUPERS &&
           rf_overlay_link_of(net.nodes[ALICE].node->overlay, &net.nodes[far].identity.node_id) != 0)
        far++;
    assert_true(far < SUPERS);
    serve(far, secret);
    node_net_run(&net, 15 * S);
    struct got g = want(ALICE, false);
    assert_int_equal(g.error, 0);
    assert_true(is_node(far, &g.node) && is_good(&g, secret));
    assert_true(node_net_counter(&net, ALICE, "node", "relay_searches") > 0);
    node_net_kill(&net, far); /* its entry outlives it */
    node_net_run(&net, 30 * S);
    g = want(ALICE, true);
    assert_int_equal(g.error, RF_ENOTFOUND);
    node_net_deinit(&net);
}

static void test_expiry(void **state)
{
    struct rf_node_relay at_hand;
    (void)state;
    start(5);
    for (size_t i = 0; i < SUPERS; i++)
        serve(i, secret);
    struct got g = want(ALICE, false), later;
    node_net_run(&net, 740 * S);
    later = want(ALICE, false);
    assert_string_equal(later.user, g.user);
    node_net_run(&net, 20 * S); /* less than a quarter is left */
    later = want(ALICE, false);
    assert_string_not_equal(later.user, g.user);
    assert_true(later.expires_us > g.expires_us);
    for (size_t i = 0; i < SUPERS; i++)
        serve_no_more(i);
    node_net_run(&net, 800 * S);
    g = want(ALICE, false); /* nobody gives any: those at hand are good for a while */
    assert_int_equal(g.error, 0);
    assert_string_equal(g.user, later.user);
    node_net_run(&net, 200 * S);
    assert_false(rf_node_relay_at_hand(net.nodes[ALICE].node, net.now, &at_hand));
    assert_int_equal(want(ALICE, false).error, RF_ENOTFOUND);
    node_net_deinit(&net);
}

static void test_rotation(void **state)
{
    static const uint8_t next[RF_TURN_SECRET_LEN] = "and another one, a day afterward";
    (void)state;
    start(6);
    for (size_t i = 0; i < SUPERS; i++)
        serve(i, secret);
    assert_true(is_good(&(struct got){0}, secret) == false);
    struct got g = want(ALICE, false);
    for (size_t i = 0; i < SUPERS; i++)
        serve(i, next);
    assert_string_equal(want(ALICE, false).user, g.user);
    g = want(ALICE, true);
    assert_true(is_good(&g, next) && !is_good(&g, secret));
    node_net_deinit(&net);
}

/* Budgets go by the user: the same for all his devices, another one for others; and nobody can read it. */
static void test_names(void **state)
{
    (void)state;
    start(7);
    size_t second = add("alice", RF_NODE_CLIENT);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    serve(0, secret);
    for (size_t i = 1; i < SUPERS; i++)
        serve_no_more(i);
    node_net_run(&net, 15 * S);
    struct got a = want(ALICE, false), b = want(second, false), c = want(BOB, false);
    assert_int_equal(a.error + b.error + c.error, 0);
    assert_string_equal(strchr(a.user, ':'), strchr(b.user, ':'));
    assert_string_not_equal(strchr(a.user, ':'), strchr(c.user, ':'));
    assert_null(strstr(a.user, "alice"));
    assert_int_equal(strlen(strchr(a.user, ':')), 21);
    node_net_deinit(&net);
}

/* ---- who has none; liars ---- */

struct said {
    bool done;
    int error;
    struct rf_relay_said said;
};

static void on_said(void *arg, const struct rf_reply *reply)
{
    struct said *s = arg;
    s->done = true;
    s->error = reply->error != 0 ? reply->error : rf_relay_said_decode(reply->body, &s->said);
}

static bool is_said(struct node_net *n, void *arg)
{
    (void)n;
    return ((struct said *)arg)->done;
}

static struct said ask(size_t from, size_t to)
{
    struct said s = {.done = false};
    uint8_t bytes[16];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_relay_ask_encode(&buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .body = rf_buf_view(&buf), .done = on_said, .arg = &s};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, NULL), 0);
    node_net_settle(&net, from);
    assert_true(node_net_until(&net, 60 * S, is_said, &s));
    return s;
}

static void test_refused(void **state)
{
    (void)state;
    start(8);
    struct said s = ask(ALICE, 1);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.said.outcome, RF_RELAY_NONE_HERE);
    assert_int_equal(node_net_counter(&net, 1, "node", "relay_refused"), 1);
    s = ask(ALICE, BOB);
    assert_int_equal(s.said.outcome, RF_RELAY_NONE_HERE);
    serve(1, secret);
    assert_int_equal(ask(ALICE, 1).said.outcome, RF_RELAY_GIVEN);
    net.nodes[1].node->admission.closed = true; /* it is about to be a client again */
    assert_int_equal(ask(ALICE, 1).said.outcome, RF_RELAY_NOT_NOW);
    node_net_deinit(&net);
}

/* What is answered in place of credentials; the client goes on to the next one. */
static const char *lie;
static size_t lie_len;

static void answer_lie(void *arg, struct rf_request *request)
{
    (void)rf_overlay_answer(arg, request, rf_view_of(lie, lie_len), NULL, 0);
}

static void make_liar(size_t i)
{
    struct rf_overlay *overlay = net.nodes[i].node->overlay;
    for (size_t k = 0; k < overlay->handler_count; k++)
        if (overlay->handlers[k].code == RF_CODE_EXP_A_REQ) {
            overlay->handlers[k].fn = answer_lie;
            overlay->handlers[k].arg = overlay;
        }
}

static void test_liars(void **state)
{
#define LIE(text)                                                                                            \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
    static const struct {
        const char *bytes;
        size_t len;
    } lies[] = {
        LIE(""),
        LIE("RFrs\0\0\0\0\0\0\0\0\0"),
        LIE("RFta"),
        LIE("RFta\0\0\0\0\1"),
        LIE("RFta\0\0\0\0\1\1u\1p\1r\0\0"),                       /* no server */
        LIE("RFta\0\0\0\0\0\1u\1p\1r\0\012\0\1\6\1\2\3\4\0\7\0"), /* for no time */
        LIE("RFta\0\0\0\0\1\0\1p\1r\0\012\0\1\6\1\2\3\4\0\7\0"),  /* no user */
        LIE("RFta\0\0\0\0\1\1u\0\1r\0\012\0\1\6\1\2\3\4\0\7\0"),  /* no password */
        LIE("RFta\0\0\0\0\1\1u\1p\1r\0\012\0\1\6\1\2\3\4\0\0\0"), /* port 0 */
        LIE("RFta\0\0\0\0\1\1u\1p\1r\0\012\7\1\6\1\2\3\4\0\7\0"), /* a transport of tomorrow only */
        LIE("RFta\1"),
        LIE("RFta\2"),
        LIE("RFta\3later"),
    };
    struct rf_node_status status;
    (void)state;
    start(9);
    rf_node_status(net.nodes[ALICE].node, &status);
    for (size_t i = 0; i < SUPERS; i++)
        if (is_node(i, &status.supernode))
            make_liar(i);
        else
            serve(i, secret);
    node_net_run(&net, 20 * S);
    for (size_t i = 0; i < RF_COUNT(lies); i++) {
        lie = lies[i].bytes;
        lie_len = lies[i].len;
        struct got g = want(ALICE, true);
        if (g.error != 0 || !is_good(&g, secret))
            fail_msg("lie %zu: %d", i, g.error);
    }
    lie = "RFta\0\0\0\0\1\1u\1p\1r\0\012\0\1\6\1\2\3\4\0\7\0";
    lie_len = 27;
    assert_string_equal(want(ALICE, true).user, "u"); /* whole, it would have been taken */
    node_net_deinit(&net);
}

/* ---- not in the overlay; the end ---- */

static void test_ends(void **state)
{
    struct got g = {.count = 0}, h = {.count = 0};
    struct list l = {.done = false};
    (void)state;
    start(10);
    size_t late = node_net_add(&net, "late", RF_NODE_CLIENT);
    node_net_start(&net, late);
    assert_int_equal(rf_node_relay(net.nodes[late].node, false, net.now, on_relay, &g), RF_ECLOSED);
    assert_int_equal(rf_node_find_relays(net.nodes[late].node, net.now, on_each, on_all, &l), RF_ECLOSED);
    assert_int_equal(rf_node_relay(net.nodes[ALICE].node, false, net.now, on_relay, &g), 0);
    assert_int_equal(rf_node_relay(net.nodes[BOB].node, false, net.now, on_relay, &h), 0);
    assert_int_equal(rf_node_find_relays(net.nodes[BOB].node, net.now, on_each, on_all, &l), 0);
    node_net_settle(&net, BOB);
    node_net_run(&net, S / 1000);
    assert_int_equal(rf_node_relay(net.nodes[BOB].node, false, net.now, on_relay, &h),
                     0); /* joins the search */
    node_net_kill(&net, ALICE);
    node_net_kill(&net, BOB);
    assert_int_equal(g.count, 1);
    assert_int_equal(g.error, RF_ECANCELLED);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.error, RF_ECANCELLED);
    assert_true(l.done);
    assert_int_equal(l.error, RF_ECANCELLED);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advertised), cmocka_unit_test(test_not_advertised),
        cmocka_unit_test(test_given),      cmocka_unit_test(test_found),
        cmocka_unit_test(test_expiry),     cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_liars),      cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
