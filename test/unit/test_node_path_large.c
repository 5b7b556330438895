/* test_node_path_large.c - messages larger than a datagram among whole nodes: some links are TLS, some are paths, and datagrams are lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "test_node_path.h"

#define LEN 4000

struct answer {
    unsigned done;
    int error;
    unsigned transmissions;
};

static void on_answer(void *arg, const struct rf_reply *reply)
{
    struct answer *a = arg;
    a->done++;
    a->error = reply->error;
    a->transmissions = reply->transmissions;
}

static uint64_t pieces(size_t i, const char *name)
{
    return node_net_counter(&net, i, "overlay", name);
}

/* A Ping of LEN bytes by way of whoever is in between. */
static void ping(size_t from, size_t to, struct answer *answer)
{
    static const uint8_t padding[LEN];
    struct rf_buf body;
    rf_call_id id;
    *answer = (struct answer){.done = 0};
    rf_buf_init(&body, rf_mem_system(), LEN + 2);
    rf_buf_v(&body, 2, rf_view_of(padding, LEN));
    struct rf_call call = {
        .code = RF_CODE_PING_REQ, .body = rf_buf_view(&body), .done = on_answer, .arg = answer};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, &id), 0);
    rf_buf_deinit(&body);
    node_net_settle(&net, from);
}

static bool is_linked(size_t from, size_t to)
{
    return rf_overlay_link_of(net.nodes[from].node->overlay, &net.nodes[to].identity.node_id) != 0;
}

/* A client far from a supernode that is linked over paths only: its TLS takes what it sends whole, the supernode before the path cuts, the last one puts together. */
void test_large(void **state)
{
    struct answer answer;
    (void)state;
    path_start_net(71, 5);
    size_t hidden = path_add("h", 0, RF_NODE_SUPERNODE, NET_NAT_PORT);
    assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    node_net_run(&net, 120 * S);
    size_t alice = path_add("a", 0, RF_NODE_CLIENT, NET_NAT_NONE);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    node_net_run(&net, 5 * S);
    assert_false(is_linked(alice, hidden));
    uint64_t sent = pieces(alice, "fragments_sent"), received = pieces(hidden, "fragments_received"), cut = 0;
    for (size_t i = 0; i < hidden; i++)
        cut += pieces(i, "fragments_sent");
    ping(alice, hidden, &answer);
    node_net_run(&net, 2 * S);
    assert_int_equal(answer.done, 1);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.transmissions, 1);
    assert_int_equal(pieces(alice, "fragments_sent"), sent);
    assert_in_range(pieces(hidden, "fragments_received") - received, 4, 6);
    uint64_t now = 0;
    for (size_t i = 0; i < hidden; i++) {
        now += pieces(i, "fragments_sent");
        assert_int_equal(pieces(i, "dropped_fragment"), 0);
    }
    assert_int_equal(now - cut, pieces(hidden, "fragments_received") - received);
    /* what the network loses the link sends again: nobody else notices */
    net.loss_percent = 10;
    for (size_t i = 0; i < 10; i++) {
        ping(hidden, alice, &answer);
        node_net_run(&net, 3 * S);
        assert_int_equal(answer.done, 1);
        assert_int_equal(answer.error, 0);
    }
    assert_true(node_net_counter(&net, hidden, "link", "frames_again") > 0);
    node_net_deinit(&net);
}
