/* test_node_sip.c - from a name to a connection: forwarded users, registered destination lists, what devices want to be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "node/internal.h"
#include "support/node_net.h"

#define S      RF_US_PER_S
#define SUPERS 3

/* three supernodes, then alice, bob and carol */
enum { ALICE = SUPERS, BOB, CAROL, NODES };

struct world {
    struct node_net net;
    size_t ups[NODES];
    rf_link_id conn; /* alice's last */
};

struct party {
    struct world *world;
    size_t index;
};

static void app_up(void *ctx, rf_link_id conn, const struct rf_id *node_id, struct rf_view user,
                   bool outgoing)
{
    struct party *p = ctx;
    (void)node_id, (void)user, (void)outgoing;
    p->world->ups[p->index]++;
    if (p->index == ALICE)
        p->world->conn = conn;
}

static void app_data(void *ctx, rf_link_id conn, struct rf_view bytes)
{
    (void)ctx, (void)conn, (void)bytes;
}

static void app_down(void *ctx, rf_link_id conn, int reason)
{
    (void)ctx, (void)conn, (void)reason;
}

static bool registered(struct node_net *net, void *index)
{
    struct rf_node_status status;
    rf_node_status(net->nodes[*(size_t *)index].node, &status);
    return status.registered;
}

static void world_init(struct world *w, struct party parties[NODES])
{
    static const char *const users[NODES] = {"s0", "s1", "s2", "alice", "bob", "carol"};
    *w = (struct world){.conn = 0};
    node_net_init(&w->net, 11, 2, &rf_engine_plain, NULL, NULL);
    for (size_t i = 0; i < NODES; i++) {
        node_net_add(&w->net, users[i], i < SUPERS ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
        node_net_start(&w->net, i);
        assert_true(node_net_until(&w->net, 60 * S, node_net_all_joined, NULL));
        if (i < SUPERS)
            continue;
        parties[i] = (struct party){w, i};
        for (uint16_t application = 5060; application <= 5061; application++) {
            const struct rf_node_app app = {&parties[i], app_up, app_data, app_down};
            assert_int_equal(rf_node_set_app(w->net.nodes[i].node, application, &app), 0);
        }
        rf_node_register(w->net.nodes[i].node, true, w->net.now);
        node_net_settle(&w->net, i);
        assert_true(node_net_until(&w->net, 60 * S, registered, &i));
    }
}

/* ---- what alice finds ---- */

struct found {
    bool done;
    int error;
    size_t count;
    bool exists, loop;
    struct rf_device device; /* the first one ... */
    char aor[64];            /* ... with what it borrows */
    uint8_t route[256];
};

static void on_found(void *arg, const struct rf_whois *w)
{
    struct found *f = arg;
    *f = (struct found){
        .done = true, .error = w->error, .count = w->device_count, .exists = w->exists, .loop = w->loop};
    if (w->device_count == 0)
        return;
    f->device = w->devices[0];
    memcpy(f->aor, f->device.aor.p, f->device.aor.len);
    memcpy(f->route, f->device.route.p, f->device.route.len);
    f->device.aor.p = (const uint8_t *)f->aor;
    f->device.route.p = f->route;
}

static bool is_found(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct found *)arg)->done;
}

static void find(struct world *w, const char *name, struct found *f)
{
    *f = (struct found){.done = false};
    assert_int_equal(rf_node_whois(w->net.nodes[ALICE].node, rf_view_str(name), w->net.now, on_found, f), 0);
    node_net_settle(&w->net, ALICE);
    assert_true(node_net_until(&w->net, 40 * S, is_found, f));
}

struct attached {
    bool done;
    int error;
};

static void on_attached(void *arg, int error, rf_link_id conn)
{
    (void)conn;
    *(struct attached *)arg = (struct attached){true, error};
}

static bool is_attached(struct node_net *net, void *arg)
{
    (void)net;
    return ((struct attached *)arg)->done;
}

static int attach(struct world *w, const struct rf_device *device, struct rf_view user)
{
    struct attached a = {.done = false};
    const struct rf_app_target target = {
        .node_id = device->node_id, .user = user, .route = device->route, .application = device->application};
    int error = rf_node_app_attach(w->net.nodes[ALICE].node, &target, w->net.now, on_attached, &a);
    if (error != 0)
        return error;
    node_net_settle(&w->net, ALICE);
    assert_true(node_net_until(&w->net, 90 * S, is_attached, &a));
    node_net_run(&w->net, S); /* until the other end is up, too */
    return a.error;
}

/* ---- tests ---- */

static void forward(struct world *w, size_t from, const char *to)
{
    assert_int_equal(rf_node_forward(w->net.nodes[from].node, rf_view_str(to), w->net.now), 0);
    assert_string_equal(rf_node_forwarded(w->net.nodes[from].node), to);
    node_net_settle(&w->net, from);
    node_net_run(&w->net, 5 * S);
}

static void test_forwarded(void **state)
{
    struct world w;
    struct party parties[NODES];
    (void)state;
    world_init(&w, parties);
    forward(&w, CAROL, "bob@example.org");
    struct found f;
    find(&w, "carol@example.org", &f);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.count, 1);
    assert_true(rf_id_equal(&f.device.node_id, &w.net.nodes[BOB].identity.node_id));
    assert_string_equal(f.aor, "bob@example.org");
    /* his certificate is right, hers would be wrong */
    assert_int_equal(attach(&w, &f.device, rf_view_str("carol@example.org")), RF_EAUTH);
    assert_int_equal(attach(&w, &f.device, f.device.aor), 0);
    assert_int_equal(w.ups[BOB], 1);
    assert_int_equal(w.ups[CAROL], 0);
    /* in a circle; to nobody; then no more */
    forward(&w, BOB, "carol@example.org");
    find(&w, "carol@example.org", &f);
    assert_int_equal(f.error, RF_ELIMIT);
    assert_true(f.loop && f.exists);
    forward(&w, BOB, "nobody@example.org");
    find(&w, "carol@example.org", &f);
    assert_int_equal(f.error, RF_ENOTFOUND);
    assert_true(f.exists && !f.loop);
    forward(&w, CAROL, "");
    find(&w, "carol@example.org", &f);
    assert_string_equal(f.aor, "carol@example.org");
    assert_int_equal(rf_node_forward(w.net.nodes[BOB].node, rf_view_str("bob@example.org"), w.net.now),
                     RF_EINVAL);
    node_net_deinit(&w.net);
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    assert_int_equal(result->error, 0);
    *(bool *)arg = true;
}

/* bob's registration as another implementation may write it: a list of two, sips only */
static void register_by_hand(struct world *w, size_t via)
{
    struct net_node *bob = &w->net.nodes[BOB];
    struct rf_sip_registration r = {
        .type = RF_SIP_REGISTRATION_ROUTE,
        .contact_prefs = rf_view_str("(sip.schemes=SIPS)"),
        .dests = {rf_dest_node(&w->net.nodes[via].identity.node_id), rf_dest_node(&bob->identity.node_id)},
        .dest_count = 2};
    struct rf_id resource;
    struct rf_buf value;
    bool stored = false;
    rf_buf_init(&value, rf_mem_system(), 4096);
    rf_sip_registration_encode(&r, &value);
    assert_int_equal(rf_node_resource_of(bob->node, rf_view_str("bob@example.org"), &resource), 0);
    assert_int_equal(rf_store_client_store(bob->node->store, &bob->node->identity, &resource,
                                           RF_KIND_SIP_REGISTRATION, rf_id_view(&bob->identity.node_id), true,
                                           rf_buf_view(&value), 3600, on_stored, &stored),
                     0);
    node_net_settle(&w->net, BOB);
    node_net_run(&w->net, 5 * S);
    assert_true(stored);
    rf_buf_deinit(&value);
}

static void test_list_of_two(void **state)
{
    struct world w;
    struct party parties[NODES];
    (void)state;
    world_init(&w, parties);
    rf_node_register(w.net.nodes[BOB].node, false, w.net.now);
    node_net_settle(&w.net, BOB);
    node_net_run(&w.net, 5 * S);
    register_by_hand(&w, 2);
    struct found f;
    find(&w, "bob@example.org", &f);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.device.application, 5061);
    assert_int_equal(f.device.route.len, 2 * (2 + 16));
    assert_memory_equal(f.device.route.p + 2, w.net.nodes[2].identity.node_id.b, 16);
    assert_int_equal(attach(&w, &f.device, f.device.aor), 0);
    assert_int_equal(w.ups[BOB], 1);
    rf_node_app_close(w.net.nodes[ALICE].node, w.conn, w.net.now);
    node_net_settle(&w.net, ALICE);
    node_net_run(&w.net, 2 * S);
    /* the request goes by that node and no other way: without it nobody answers, though the overlay would find bob */
    node_net_kill(&w.net, 2);
    node_net_run(&w.net, 30 * S);
    assert_int_not_equal(attach(&w, &f.device, f.device.aor), 0);
    f.device.route.len = 0;
    assert_int_equal(attach(&w, &f.device, f.device.aor), 0);
    assert_int_equal(w.ups[BOB], 2);
    node_net_deinit(&w.net);
}

static bool dials(struct node_net *net, void *arg)
{
    (void)arg;
    return net->nodes[BOB].node->dial_count > 0;
}

static bool alice_dials(struct node_net *net, void *arg)
{
    (void)arg;
    const struct rf_list *list = &net->nodes[ALICE].node->attaches;
    return !rf_list_empty(list) && RF_LIST_ENTRY(list->next, struct attach, list)->dial != 0;
}

/* bob answers, but what he dials does not come about: alice asks once more instead of waiting for nothing, and dials herself */
static void test_dial_lost(void **state)
{
    struct world w;
    struct party parties[NODES];
    struct found f;
    (void)state;
    world_init(&w, parties);
    find(&w, "bob@example.org", &f);
    for (size_t lost = 1; lost <= 2; lost++) {
        struct attached a = {.done = false};
        const struct rf_app_target target = {
            .node_id = f.device.node_id, .user = f.device.aor, .route = f.device.route, .application = 5060};
        uint64_t began = w.net.now.mono_us;
        w.net.nodes[ALICE].node->undialled_us = 0; /* she thinks that nobody can dial her by now */
        assert_int_equal(rf_node_app_attach(w.net.nodes[ALICE].node, &target, w.net.now, on_attached, &a), 0);
        node_net_settle(&w.net, ALICE);
        assert_true(node_net_until(&w.net, 10 * S, dials, NULL));
        struct rf_node *bob = w.net.nodes[BOB].node, *alice = w.net.nodes[ALICE].node;
        rf_links_close(bob->links, RF_LIST_ENTRY(bob->dials.next, struct dial, list)->link, RF_ETIMEOUT);
        node_net_settle(&w.net, BOB);
        node_net_run(&w.net, S);
        assert_false(a.done);
        if (lost == 2) {
            assert_true(node_net_until(&w.net, 10 * S, alice_dials, NULL));
            rf_links_close(alice->links, RF_LIST_ENTRY(alice->attaches.next, struct attach, list)->dial,
                           RF_ETIMEOUT);
            node_net_settle(&w.net, ALICE);
        }
        assert_true(node_net_until(&w.net, 60 * S, is_attached, &a));
        assert_int_equal(a.error, lost == 1 ? 0 : RF_ETIMEOUT);
        assert_in_range((w.net.now.mono_us - began) / S, 4, 5);
        if (lost == 1)
            rf_node_app_close(w.net.nodes[ALICE].node, w.conn, w.net.now);
        node_net_settle(&w.net, ALICE);
        node_net_run(&w.net, 2 * S);
    }
    node_net_deinit(&w.net);
}

static void test_bad_routes(void **state)
{
    struct world w;
    struct party parties[NODES];
    uint8_t bytes[512];
    struct rf_buf route;
    (void)state;
    world_init(&w, parties);
    struct found f;
    find(&w, "bob@example.org", &f);
    assert_int_equal(f.device.application, 5060);
    /* it leads to somebody else; it is cut short; it is longer than any list */
    rf_buf_fixed(&route, bytes, sizeof(bytes));
    struct rf_dest dest = rf_dest_node(&w.net.nodes[CAROL].identity.node_id);
    rf_dest_encode(&dest, &route);
    f.device.route = rf_buf_view(&route);
    assert_int_equal(attach(&w, &f.device, f.device.aor), RF_EINVAL);
    f.device.route.len--;
    assert_int_equal(attach(&w, &f.device, f.device.aor), RF_EINVAL);
    for (size_t i = 0; i < 8; i++)
        rf_dest_encode(&dest, &route);
    f.device.route = rf_buf_view(&route);
    assert_int_equal(attach(&w, &f.device, f.device.aor), RF_ELIMIT);
    assert_int_equal(w.ups[BOB] + w.ups[CAROL], 0);
    node_net_deinit(&w.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_list_of_two),
        cmocka_unit_test(test_bad_routes),
        cmocka_unit_test(test_dial_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
