/* test_overlay_doors.c - what passes between node/, the overlay and its topology plugin, and what changes while messages wait. */
#include "test_overlay.h"

#include "overlay/internal.h"
#include "wire/diag.h"

static void both_ways(void **state)
{
    struct onet net;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    struct onet_node *node = &net.nodes[0];
    struct rf_overlay *o = node->overlay;
    const struct rf_topology_host *host = &node->host;
    struct rf_topology *topology;
    struct rf_conn conns[4];
    const struct rf_id *other = onet_id(&net, 1);
    rf_overlay_start(o, true);
    rf_overlay_leave(o);
    rf_overlay_attached(o, other, other, 0);
    rf_overlay_bootstrap_failed(o);
    rf_overlay_update_wanted(o, other);
    rf_overlay_configure(o, net.pki.conf);
    assert_true(node->starts == 1 && node->leaves == 1 && node->attached == 1 && node->bootstrap_failed == 1);
    assert_true(node->updates_wanted == 1 && node->reconfigured == 1);
    assert_ptr_equal(host->overlay, o);
    host->attach(host->ctx, other, false, NULL, 0, true);
    host->bootstrap(host->ctx);
    host->disconnect(host->ctx, 1);
    host->state(host->ctx, RF_TOPOLOGY_JOINED);
    host->range_changed(host->ctx);
    host->neighbor_lost(host->ctx, other);
    assert_true(node->wishes == 2 && node->disconnects == 1 && node->states == 1 && node->ranges == 1 &&
                node->lost == 1);
    assert_int_equal(host->handover_pending(host->ctx), 42);
    assert_string_equal(rf_overlay_topology(o, &topology)->name, "FIXED");
    assert_non_null(topology);
    assert_true(rf_id_equal(rf_overlay_self(o), onet_id(&net, 0)));
    assert_ptr_equal(rf_overlay_conf(o), net.pki.conf);
    assert_int_equal(rf_overlay_conns(o, conns, 0), 0);
    assert_int_equal(rf_overlay_conns(o, conns, 4), 1);
    assert_true(rf_id_equal(&conns[0].node, other) && conns[0].outgoing &&
                conns[0].link == net.links[0].at_a);
    /* a link to ourselves, or one whose node changes, is none */
    rf_overlay_link_up(o, 77, onet_id(&net, 0), true, false);
    assert_int_equal(rf_overlay_conns(o, conns, 4), 1);
    rf_overlay_link_up(o, conns[0].link, onet_id(&net, 0), true, false);
    struct rf_id stranger = onet_key(&net, 1);
    rf_overlay_link_up(o, conns[0].link, &stranger, true, false);
    assert_int_equal(node->disconnects, 2);
    /* a bootstrap link is told once more */
    size_t ups = node->link_ups;
    rf_overlay_link_up(o, conns[0].link, other, true, true);
    assert_int_equal(node->link_ups, ups + 1);
    assert_int_equal(rf_overlay_conns(o, conns, 4), 1);
    onet_deinit(&net);
    rf_overlay_free(NULL);
}

/* What found no way goes out as soon as the topology has joined. */
static void joined(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    struct onet_node *node = &net.nodes[0];
    struct rf_id key = onet_key(&net, 1);
    node->stranger = true;
    assert_int_equal(onet_call_key(&net, 0, &key, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.done, 0);
    node->stranger = false;
    node->host.state(node->host.ctx, RF_TOPOLOGY_JOINED);
    onet_run(&net, RF_US_PER_S / 2);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, 0);
    onet_deinit(&net);
}

/* Our own key passes to another peer between the call and the tick: the request goes there. */
static void range_moves(void **state)
{
    struct onet net;
    struct onet_echo echo, own;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    onet_echo_init(&net, 0, &own);
    onet_echo_init(&net, 1, &echo);
    struct rf_id key = onet_key(&net, 0);
    struct rf_call call = {.any_responder = true};
    rf_call_to_resource(&call, &key);
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    net.nodes[0].stranger = true;
    net.nodes[0].detour = 1 + 1;
    net.nodes[1].detour = 0 + 1; /* it does not want it either, and sends it back: dropped there as a loop */
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(own.count, 0);
    assert_int_equal(onet_counters(&net, 0)->forwarded, 1);
    assert_int_equal(onet_counters(&net, 1)->dropped_loop, 1);
    net.nodes[0].stranger = false;
    onet_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(own.count, 1);
    assert_int_equal(result.error, 0);
    onet_deinit(&net);
}

/* A way through ourselves first is no way at all, and busy nodes that fall silent were busy. */
static void small_things(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    struct rf_call call = {0};
    rf_call_to_node(&call, onet_id(&net, 1));
    rf_call_via(&call, onet_id(&net, 0));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(echo.via_len, 0);
    net.nodes[1].overlay->config.max_deferred = 0;
    echo.defer = true;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    net.loss_percent = 100;
    onet_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(result.error_code, RF_ERROR_REQUEST_TIMEOUT);
    onet_deinit(&net);
}

/* A request that forbids keeping state is not shortened: it is refused when it grows too large. */
static void no_state_kept(void **state)
{
    struct onet net;
    struct rf_buf message, dests, vias, options;
    uint8_t dest_bytes[32], via_bytes[64], option_bytes[16];
    static const uint8_t body[5000];
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_buf_fixed(&vias, via_bytes, sizeof(via_bytes));
    rf_buf_fixed(&options, option_bytes, sizeof(option_bytes));
    struct rf_id key = onet_key(&net, 2), far = onet_key(&net, 0);
    struct rf_dest dest = rf_dest_resource(&key), via = rf_dest_node(&far);
    struct rf_option option = {.type = 99, .flags = RF_OPTION_IGNORE_STATE_KEEPING};
    rf_dest_encode(&dest, &dests);
    rf_dest_encode(&via, &vias);
    for (size_t i = 0; i < 2; i++) {
        struct forged forged = {.code = RF_CODE_EXP_A_REQ, .body = rf_view_of(body, 10)};
        forged.header.ttl = 9;
        forged.header.dests = rf_buf_view(&dests);
        forged.header.via = rf_buf_view(&vias);
        forged.header.options = rf_buf_view(&options);
        forge(&net, &forged, &message);
        forged.body.len = 5000 - message.len + 10; /* exactly as large as allowed */
        rf_buf_deinit(&message);
        forge(&net, &forged, &message);
        assert_int_equal(message.len, 5000);
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, RF_US_PER_S);
        assert_int_equal(onet_counters(&net, 1)->vias_compressed, 1);
        assert_int_equal(onet_counters(&net, 1)->dropped_too_large, i);
        rf_buf_deinit(&message);
        rf_option_encode(&option, &options);
    }
    onet_deinit(&net);
}

/* Notes how many certificates each message carries. */
struct cert_counts {
    size_t counts[8], count;
};

static bool count_certs(void *arg, size_t from, size_t to, struct rf_view *bytes)
{
    struct cert_counts *seen = arg;
    struct rf_message *message = calloc(1, sizeof(*message));
    (void)from;
    (void)to;
    assert_non_null(message);
    assert_int_equal(rf_message_decode(*bytes, 16, message), 0);
    assert_true(seen->count < RF_COUNT(seen->counts));
    seen->counts[seen->count++] = message->security.cert_count;
    free(message);
    return true;
}

/* Between the two ends of a link that keep each other's certificates there are none in messages; further away there are. */
static void certs_left_out(void **state)
{
    struct onet net;
    struct onet_echo echo[3];
    struct onet_result result;
    struct cert_counts seen = {.count = 0};
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.brief = true;
    onet_start(&net, 3, ONET_LINE);
    for (size_t i = 0; i < 3; i++)
        onet_echo_init(&net, i, &echo[i]);
    net.tap = count_certs;
    net.tap_arg = &seen;
    assert_int_equal(onet_call_node(&net, 0, 1, rf_view_str("to the next"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(seen.count, 2);
    assert_true(seen.counts[0] == 0 && seen.counts[1] == 0);
    assert_int_equal(onet_counters(&net, 0)->sent_brief, 1);
    assert_int_equal(onet_counters(&net, 1)->sent_brief, 1);
    /* over another one, both ways */
    seen.count = 0;
    assert_int_equal(onet_call_node(&net, 0, 2, rf_view_str("to the one behind"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(seen.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(seen.counts[i], 1);
    /* what the trust remembers does not matter: the link has it */
    seen.count = 0;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(rf_conf_trust(net.pki.conf, net.nodes[i].trust), 0); /* forgets all certificates */
    assert_int_equal(onet_call_node(&net, 1, 0, rf_view_str("back"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(seen.count == 2 && seen.counts[0] == 0 && seen.counts[1] == 0);
    onet_deinit(&net);
    /* the other end keeps an old certificate of ours: the new one goes along, theirs need not */
    seen.count = 0;
    onet_prepare(&net, 2, NULL, NULL);
    net.brief = net.renewed = true;
    onet_start(&net, 2, ONET_LINE);
    for (size_t i = 0; i < 2; i++)
        onet_echo_init(&net, i, &echo[i]);
    net.tap = count_certs;
    net.tap_arg = &seen;
    assert_int_equal(onet_call_node(&net, 0, 1, rf_view_str("renewed"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(seen.count == 2 && seen.counts[0] == 1 && seen.counts[1] == 0);
    onet_deinit(&net);
}

int test_overlay_doors(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),    cmocka_unit_test(joined),        cmocka_unit_test(range_moves),
        cmocka_unit_test(small_things), cmocka_unit_test(no_state_kept), cmocka_unit_test(certs_left_out),
    };
    return cmocka_run_group_tests_name("overlay_doors", tests, NULL, NULL);
}
