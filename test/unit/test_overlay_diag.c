/* test_overlay_diag.c - Ping, Probe, diagnostics and traces. */
#include "test_overlay.h"

#include "overlay/internal.h"
#include "wire/diag.h"
#include "wire/method.h"

static const uint8_t no_padding[2] = {0, 0};

static int call_body(struct onet *net, size_t from, size_t to, uint16_t code, struct rf_view body,
                     struct rf_view extensions, struct onet_result *result)
{
    struct rf_call call = {.code = code, .body = body, .extensions = extensions};
    rf_call_to_node(&call, onet_id(net, to));
    int error = onet_call(net, from, &call, result);
    onet_run(net, RF_US_PER_S);
    return error;
}

static void ping(void **state)
{
    struct onet net;
    struct onet_result result;
    struct rf_ping_ans first, second;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    assert_int_equal(
        call_body(&net, 0, 2, RF_CODE_PING_REQ, rf_view_of(no_padding, 2), rf_view_of(NULL, 0), &result), 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(rf_ping_ans_decode(rf_view_of(result.body, result.body_len), &first), 0);
    assert_int_equal(first.time_ms, RF_PKI_WALL_MS + 20);
    assert_false(result.extension);
    assert_int_equal(
        call_body(&net, 0, 2, RF_CODE_PING_REQ, rf_view_of(no_padding, 2), rf_view_of(NULL, 0), &result), 0);
    assert_int_equal(rf_ping_ans_decode(rf_view_of(result.body, result.body_len), &second), 0);
    assert_true(first.response_id != second.response_id);
    assert_int_equal(call_body(&net, 0, 2, RF_CODE_PING_REQ, TEXT("x"), rf_view_of(NULL, 0), &result), 0);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    onet_deinit(&net);
}

static size_t three(void *arg)
{
    (void)arg;
    return 3;
}

static void probe(void **state)
{
    static const uint8_t types[] = {5,  RF_PROBE_UPTIME,          RF_PROBE_NUM_RESOURCES,
                                    99, RF_PROBE_RESPONSIBLE_SET, 0};
    struct onet net;
    struct onet_result result;
    struct rf_view infos;
    struct rf_probe_info info;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    onet_run(&net, 100 * RF_US_PER_S);
    for (int hook = 0; hook < 2; hook++) {
        if (hook)
            rf_overlay_set_resource_count(net.nodes[1].overlay, three, NULL);
        assert_int_equal(
            call_body(&net, 0, 1, RF_CODE_PROBE_REQ, rf_view_of(types, 6), rf_view_of(NULL, 0), &result), 0);
        assert_int_equal(result.error, 0);
        assert_int_equal(rf_probe_ans_decode(rf_view_of(result.body, result.body_len), &infos), 0);
        assert_int_equal(rf_probe_info_next(&infos, &info), 0);
        assert_int_equal(info.type, RF_PROBE_UPTIME);
        assert_int_equal(info.number, 100 + hook);
        if (hook) {
            assert_int_equal(rf_probe_info_next(&infos, &info), 0);
            assert_int_equal(info.type, RF_PROBE_NUM_RESOURCES);
            assert_int_equal(info.number, 3);
        }
        assert_int_equal(rf_probe_info_next(&infos, &info), 0);
        assert_int_equal(info.type, RF_PROBE_RESPONSIBLE_SET);
        assert_int_equal(info.number, 250000000);
        assert_int_equal(infos.len, 0);
    }
    assert_int_equal(call_body(&net, 0, 1, RF_CODE_PROBE_REQ, TEXT("xy"), rf_view_of(NULL, 0), &result), 0);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    onet_deinit(&net);
}

/* ---- diagnostics ---- */

struct diag_row {
    const char *name;
    int64_t expires_ms; /* from now; initiated is now */
    uint64_t flags;
    uint16_t error_code;
    const char *kinds; /* of the answer, a letter each: kind - 1 + 'a' */
};

#define FLAG(kind) RF_DIAG_FLAG(RF_DIAG_##kind)
static const struct diag_row diag_rows[] = {
    {"nothing asked", 60000, 0, 0, ""},
    {"allowed", 60000, FLAG(STATUS_INFO) | FLAG(ROUTING_TABLE_SIZE) | FLAG(APP_UPTIME), 0, "abh"},
    {"version", 60000, FLAG(SOFTWARE_VERSION), 0, "f"},
    {"everything", 60000, UINT64_MAX, 0, "abfhj"},
    {"not told", 60000, FLAG(BATTERY_STATUS) | FLAG(MEMORY_FOOTPRINT), RF_ERROR_FORBIDDEN, ""},
    {"partly told", 60000, FLAG(BATTERY_STATUS) | FLAG(APP_UPTIME), 0, "h"},
    {"by the hook", 60000, FLAG(DATASIZE_STORED), 0, "j"},
    {"expired", 0, FLAG(APP_UPTIME), RF_ERROR_MESSAGE_EXPIRED, ""},
    {"expired long ago", -100000, FLAG(APP_UPTIME), RF_ERROR_MESSAGE_EXPIRED, ""},
    {"too far ahead", 600001, FLAG(APP_UPTIME), RF_ERROR_INVALID_MESSAGE, ""},
};

static int fill_kind(void *arg, uint16_t kind, struct rf_buf *out)
{
    (void)arg;
    if (kind != RF_DIAG_DATASIZE_STORED)
        return RF_ENOTFOUND;
    rf_diag_number_encode(kind, 4096, out);
    return 0;
}

static void check_infos(const struct diag_row *row, const struct rf_diag_ans *ans)
{
    struct rf_view infos = ans->infos;
    struct rf_diag_info info;
    char kinds[32];
    size_t n = 0;
    uint64_t number;
    while (infos.len > 0) {
        assert_int_equal(rf_diag_info_next(&infos, &info), 0);
        kinds[n++] = (char)(info.kind - 1 + 'a');
        if (info.kind == RF_DIAG_SOFTWARE_VERSION) {
            assert_int_equal(info.contents.len, 7);
            assert_memory_equal(info.contents.p, "test 1", 7); /* with its NUL */
            continue;
        }
        assert_int_equal(rf_diag_info_number(&info, &number), 0);
        if (info.kind == RF_DIAG_ROUTING_TABLE_SIZE)
            assert_int_equal(number, 2); /* though one is known in two relations */
        if (info.kind == RF_DIAG_DATASIZE_STORED)
            assert_int_equal(number, 4096);
    }
    kinds[n] = '\0';
    if (strcmp(kinds, row->kinds) != 0)
        fail_msg("%s: %s", row->name, kinds);
}

/* The request of a row in a Diagnostic_Ping extension, or in PathTrack for `target`. */
static void ask(struct onet *net, const struct diag_row *row, const struct rf_dest *target,
                struct onet_result *result)
{
    uint8_t bytes[256], extension_bytes[256];
    struct rf_buf body, extensions;
    struct rf_diag_req req = {.initiated_ms = net->now.wall_ms,
                              .expiration_ms = net->now.wall_ms + (uint64_t)row->expires_ms,
                              .flags = row->flags};
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_buf_fixed(&extensions, extension_bytes, sizeof(extension_bytes));
    if (target != NULL) {
        struct rf_path_track_req path = {*target, req};
        rf_path_track_req_encode(&path, &body);
        assert_int_equal(
            call_body(net, 0, 2, RF_CODE_PATH_TRACK_REQ, rf_buf_view(&body), rf_view_of(NULL, 0), result), 0);
        return;
    }
    rf_diag_req_encode(&req, &body);
    struct rf_extension extension = {RF_EXTENSION_DIAGNOSTIC_PING, false, rf_buf_view(&body)};
    rf_extension_encode(&extension, &extensions);
    assert_int_equal(
        call_body(net, 0, 2, RF_CODE_PING_REQ, rf_view_of(no_padding, 2), rf_buf_view(&extensions), result),
        0);
}

/* Keeps the extension of the answer on its way to node 0. */
struct extension_tap {
    uint8_t bytes[512];
    size_t len;
};

static bool keep_extension(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct extension_tap *tap = arg;
    struct rf_extension extension;
    struct rf_message m;
    (void)from;
    assert_int_equal(rf_message_decode(*message, 16, &m), 0);
    if (to == 0 && m.code == RF_CODE_PING_ANS &&
        rf_extension_find(m.extensions, RF_EXTENSION_DIAGNOSTIC_PING, &extension)) {
        assert_false(extension.critical);
        assert_true(extension.contents.len <= sizeof(tap->bytes));
        memcpy(tap->bytes, extension.contents.p, extension.contents.len);
        tap->len = extension.contents.len;
    }
    return true;
}

static void diagnostics(void **state)
{
    struct onet net;
    struct onet_result result;
    struct extension_tap tap;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    rf_overlay_set_diagnostics(net.nodes[2].overlay, fill_kind, NULL);
    net.tap = keep_extension;
    net.tap_arg = &tap;
    for (size_t i = 0; i < RF_COUNT(diag_rows); i++) {
        const struct diag_row *row = &diag_rows[i];
        struct rf_dest target = rf_dest_node(onet_id(&net, 1));
        struct rf_diag_ans ans;
        struct rf_path_track_ans path;
        uint64_t asked_ms = net.now.wall_ms;
        tap.len = 0;
        ask(&net, row, NULL, &result);
        if (result.error_code != row->error_code)
            fail_msg("%s: Error %#x", row->name, result.error_code);
        if (row->error_code == 0) {
            assert_true(tap.len > 0 && result.extension);
            assert_int_equal(rf_diag_ans_decode(rf_view_of(tap.bytes, tap.len), &ans), 0);
            assert_int_equal(ans.hop_counter, 99); /* as received */
            assert_int_equal(ans.initiated_ms, asked_ms);
            assert_int_equal(ans.received_ms, asked_ms + 20);
            check_infos(row, &ans);
        }
        ask(&net, row, &target, &result);
        assert_int_equal(result.error_code, row->error_code);
        if (row->error_code == 0) {
            assert_int_equal(rf_path_track_ans_decode(rf_view_of(result.body, result.body_len), 16, &path),
                             0);
            assert_true(rf_id_equal(&path.next_hop.id, onet_id(&net, 1)));
            check_infos(row, &path.response);
        }
    }
    onet_deinit(&net);
}

static void path_track_targets(void **state)
{
    struct onet net;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 4, ONET_LINE, NULL, NULL);
    size_t k = onet_add_client(&net, 2);
    struct rf_id key1 = onet_key(&net, 1), key2 = onet_key(&net, 2), wildcard = rf_id_wildcard(16),
                 ghost = key2;
    ghost.b[9] = 1;
    const struct {
        struct rf_dest target;
        int next; /* node, -1 refused */
    } rows[] = {
        {rf_dest_resource(&key2), 2}, /* node 2 itself: the end */
        {rf_dest_resource(&key1), 1},
        {rf_dest_node(onet_id(&net, 2)), 2},
        {rf_dest_node(onet_id(&net, 3)), 3},
        {rf_dest_node(onet_id(&net, 0)), 1},
        {rf_dest_node(onet_id(&net, k)), (int)k},
        {rf_dest_node(&ghost), 2}, /* would be here, and is not */
        {rf_dest_node(&wildcard), 2},
        {rf_dest_compact(0x8001), -1},
        {rf_dest_opaque(TEXT("x")), -1},
    };
    const struct diag_row row = {"", 1000, 0, 0, ""};
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_path_track_ans path;
        ask(&net, &row, &rows[i].target, &result);
        if (rows[i].next < 0) {
            assert_int_equal(result.error_code, RF_ERROR_FORBIDDEN);
            continue;
        }
        assert_int_equal(result.error, 0);
        assert_int_equal(rf_path_track_ans_decode(rf_view_of(result.body, result.body_len), 16, &path), 0);
        assert_true(rf_id_equal(&path.next_hop.id, onet_id(&net, (size_t)rows[i].next)));
    }
    assert_int_equal(call_body(&net, 0, 2, RF_CODE_PATH_TRACK_REQ, TEXT("x"), rf_view_of(NULL, 0), &result),
                     0);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    onet_deinit(&net);
}

/* ---- traces ---- */

struct traced {
    const struct onet *net;
    struct rf_trace_hop hops[40];
    size_t count, done;
    int error;
};

static void on_hop(void *arg, const struct rf_trace_hop *hop)
{
    struct traced *t = arg;
    assert_int_equal(t->done, 0);
    t->hops[t->count++] = *hop;
}

static void on_done(void *arg, int error)
{
    struct traced *t = arg;
    t->done++;
    t->error = error;
}

static void trace(struct onet *net, size_t from, const struct rf_id *target, bool resource, struct traced *t)
{
    *t = (struct traced){.net = net};
    assert_int_equal(rf_overlay_trace(net->nodes[from].overlay, target, resource, on_hop, on_done, t), 0);
    assert_int_equal(t->count + t->done, 0); /* never from inside */
    onet_run(net, 30 * RF_US_PER_S);
    assert_int_equal(t->done, 1);
}

static void traces(void **state)
{
    struct onet net;
    struct traced t;
    (void)state;
    onet_init(&net, 1, 5, ONET_LINE, NULL, NULL);
    size_t k = onet_add_client(&net, 3), m = onet_add_client(&net, 1);
    struct rf_id key = onet_key(&net, 4), own = onet_key(&net, 0), ghost = key;
    trace(&net, 0, &key, true, &t);
    assert_int_equal(t.error, 0);
    assert_int_equal(t.count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct rf_trace_hop *hop = &t.hops[i];
        assert_int_equal(hop->hop, i + 1);
        assert_true(rf_id_equal(&hop->node, onet_id(&net, i + 1)));
        assert_int_equal(hop->error, 0);
        assert_int_equal(hop->rtt_us, 20 * RF_US_PER_MS * (i + 1));
        assert_int_equal(hop->responsible, i == 3);
        assert_int_equal(hop->routing_table_size, 4);
    }
    /* a client, from a client */
    trace(&net, m, onet_id(&net, k), false, &t);
    assert_int_equal(t.error, 0);
    assert_int_equal(t.count, 4); /* 1 2 3 k */
    assert_true(rf_id_equal(&t.hops[0].node, onet_id(&net, 1)));
    assert_true(rf_id_equal(&t.hops[3].node, onet_id(&net, k)));
    /* our own key, and a node that is not there */
    trace(&net, 0, &own, true, &t);
    assert_int_equal(t.error, 0);
    assert_int_equal(t.count, 1);
    assert_true(t.hops[0].responsible && rf_id_equal(&t.hops[0].node, onet_id(&net, 0)));
    ghost.b[7] = 7;
    trace(&net, 0, &ghost, false, &t);
    assert_int_equal(t.error, RF_ENOTFOUND);
    assert_int_equal(t.count, 4);
    /* a node that has no next hop says so */
    onet_cut(&net, 2);
    trace(&net, 0, &key, true, &t);
    assert_int_equal(t.error, RF_EREMOTE);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.hops[1].error, RF_EREMOTE);
    assert_int_equal(t.hops[1].error_code, RF_ERROR_NOT_FOUND);
    onet_deinit(&net);
}

static void broken_traces(void **state)
{
    struct onet net;
    struct traced t, pending[3];
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    struct rf_id key = onet_key(&net, 2), wrong = {.len = 17};
    assert_int_equal(rf_overlay_trace(net.nodes[0].overlay, &wrong, true, on_hop, on_done, &t), RF_EINVAL);
    net.loss_percent = 100;
    trace(&net, 0, &key, true, &t);
    assert_int_equal(t.error, RF_ETIMEOUT);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.hops[0].error, RF_ETIMEOUT);
    onet_cut(&net, 0);
    trace(&net, 0, &key, true, &t);
    assert_int_equal(t.error, RF_EUNREACHABLE);
    assert_int_equal(t.count, 0);
    /* freed meanwhile: begun, and not yet begun */
    onet_connect(&net, 0, 1);
    for (size_t i = 0; i < 3; i++) {
        pending[i] = (struct traced){.net = &net};
        assert_int_equal(rf_overlay_trace(net.nodes[0].overlay, &key, true, on_hop, on_done, &pending[i]), 0);
        if (i == 1)
            onet_run(&net, 1000);
    }
    onet_deinit(&net);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pending[i].done, 1);
        assert_int_equal(pending[i].error, RF_ECANCELLED);
        assert_int_equal(pending[i].count, 0);
    }
}

/* Two nodes that each name the other, for a key of node 3's. */
static void circles(void **state)
{
    struct onet net;
    struct onet_result result;
    struct traced t;
    (void)state;
    onet_init(&net, 1, 4, ONET_MESH, NULL, NULL);
    struct rf_id key = onet_key(&net, 3);
    net.nodes[0].detour = 1 + 1;
    net.nodes[1].detour = 2 + 1;
    net.nodes[2].detour = 1 + 1;
    trace(&net, 0, &key, true, &t);
    assert_int_equal(t.error, RF_ELIMIT);
    assert_int_equal(t.count, 2);
    assert_false(t.hops[0].responsible || t.hops[1].responsible);
    /* a message does not go round there until its ttl is used up */
    uint64_t messages = net.messages;
    assert_int_equal(onet_call_key(&net, 0, &key, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(onet_counters(&net, 2)->dropped_loop, 1);
    assert_int_equal(net.messages - messages, 4); /* two hops, and the Error back */
    onet_deinit(&net);
}

int test_overlay_diag(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping),        cmocka_unit_test(probe),
        cmocka_unit_test(diagnostics), cmocka_unit_test(path_track_targets),
        cmocka_unit_test(traces),      cmocka_unit_test(broken_traces),
        cmocka_unit_test(circles),
    };
    return cmocka_run_group_tests_name("overlay_diag", tests, NULL, NULL);
}
