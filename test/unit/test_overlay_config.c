/* test_overlay_config.c - configuration sequence numbers, and documents and Kinds that spread by ConfigUpdate. */
#include "test_overlay.h"

#include "overlay/internal.h"
#include "wire/method.h"

static const uint8_t no_padding[2] = {0, 0};

static void another_name(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->chord_ping_interval_s = 1234;
}

/* Puts document `sequence` in force at one node. */
static void install(struct onet *net, size_t i, uint16_t sequence)
{
    struct rf_conf *conf;
    assert_int_equal(rf_pki_document(&net->pki, sequence, another_name, NULL, &conf), 0);
    rf_overlay_configure(net->nodes[i].overlay, conf);
    rf_conf_release(net->nodes[i].conf);
    net->nodes[i].conf = conf;
}

static uint16_t sequence_of(const struct onet *net, size_t i)
{
    return rf_overlay_conf(net->nodes[i].overlay)->sequence;
}

/* The requester is older: it is told, gets the document, and its request goes out again by itself. */
static void too_old(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 4, NULL, &echo);
    install(&net, 3, 5);
    assert_int_equal(onet_call_node(&net, 0, 3, TEXT("x"), &result), 0);
    onet_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, 0);
    assert_int_equal(echo.count, 1);
    assert_int_equal(sequence_of(&net, 0), 5);
    assert_int_equal(net.nodes[0].configured, 1);
    assert_int_equal(onet_counters(&net, 0)->config_updates_accepted, 1);
    assert_int_equal(onet_counters(&net, 3)->config_updates_sent, 1);
    /* who only forwards does not look at the number */
    assert_int_equal(sequence_of(&net, 1), 1);
    assert_int_equal(rf_overlay_conf(net.nodes[0].overlay)->chord_ping_interval_s, 1234);
    onet_deinit(&net);
}

/* The requester is newer: it gives its document, and asks again. */
static void too_new(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 4, NULL, &echo);
    install(&net, 0, 2);
    struct rf_id key = onet_key(&net, 3);
    assert_int_equal(onet_call_key(&net, 0, &key, TEXT("x"), &result), 0);
    onet_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(echo.count, 1);
    assert_int_equal(sequence_of(&net, 3), 2);
    assert_int_equal(onet_counters(&net, 0)->config_updates_sent, 1);
    onet_deinit(&net);
}

/* A client, which nobody can address but back along the way its request came. */
static void clients(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    size_t k = onet_add_client(&net, 0);
    onet_echo_init(&net, 2, &echo);
    install(&net, 2, 2);
    struct rf_id key = onet_key(&net, 2);
    assert_int_equal(onet_call_key(&net, k, &key, TEXT("x"), &result), 0);
    onet_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(sequence_of(&net, k), 2);
    onet_deinit(&net);
}

/* One push floods the overlay, with nothing but the Pings that neighbors exchange anyway; also over losses. */
static void flood(void **state)
{
    struct onet net;
    (void)state;
    onet_init(&net, 5, 6, ONET_LINE, NULL, NULL);
    net.loss_percent = 20;
    install(&net, 2, 9);
    for (size_t round = 0; round < 12; round++) {
        struct onet_result results[10];
        for (size_t i = 0; i + 1 < 6; i++) {
            struct rf_call call = {.code = RF_CODE_PING_REQ, .body = rf_view_of(no_padding, 2)};
            rf_call_to_node(&call, onet_id(&net, i + 1));
            assert_int_equal(onet_call(&net, i, &call, &results[2 * i]), 0);
            call.dests[0] = rf_dest_node(onet_id(&net, i));
            assert_int_equal(onet_call(&net, i + 1, &call, &results[2 * i + 1]), 0);
        }
        onet_run(&net, 61 * RF_US_PER_S); /* every call ends */
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(sequence_of(&net, i), 9);
        assert_int_equal(net.nodes[i].configured, i != 2);
    }
    onet_deinit(&net);
}

/* It cannot be had: the caller is told why, and the exchange is not tried for ever. */
static void no_agreement(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    net.nodes[0].refuses_documents = true;
    install(&net, 1, 2);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 30 * RF_US_PER_S);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(result.error_code, RF_ERROR_CONFIG_TOO_OLD);
    assert_int_equal(echo.count, 0);
    assert_int_equal(onet_counters(&net, 1)->config_updates_sent, 1); /* once in 10 s */
    assert_true(onet_counters(&net, 1)->config_updates_limited > 0);
    onet_deinit(&net);
    onet_line_init(&net, 2, NULL, &echo);
    net.nodes[1].refuses_documents = true;
    install(&net, 0, 2);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 30 * RF_US_PER_S);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(result.error_code, RF_ERROR_CONFIG_TOO_NEW);
    onet_deinit(&net);
}

struct caught_error {
    size_t count;
    uint16_t error_code;
};

/* Notes the Error that node 1 sends. */
static bool catch_error(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct caught_error *caught = arg;
    struct rf_message m;
    struct rf_error_body error;
    (void)to;
    assert_int_equal(rf_message_decode(*message, 16, &m), 0);
    if (from == 1 && rf_code_is_error(m.code)) {
        assert_int_equal(rf_error_body_decode(m.body, &error), 0);
        caught->count++;
        caught->error_code = error.code;
    }
    return true;
}

/* 65535 is for ConfigUpdate only, and a ConfigUpdate with another number is a request like any. */
static void special_sequence(void **state)
{
    static const struct {
        uint16_t sequence, code, error_code;
    } rows[] = {
        {RF_CONFIG_SEQUENCE_ANY, RF_CODE_PING_REQ, RF_ERROR_CONFIG_TOO_OLD},
        {RF_CONFIG_SEQUENCE_ANY, RF_CODE_CONFIG_UPDATE_REQ, RF_ERROR_INVALID_MESSAGE}, /* its empty body */
        {65530, RF_CODE_CONFIG_UPDATE_REQ, RF_ERROR_CONFIG_TOO_OLD}, /* modulo 65535: before 1 */
        {2, RF_CODE_CONFIG_UPDATE_REQ, RF_ERROR_CONFIG_TOO_NEW},
        {1, RF_CODE_CONFIG_UPDATE_REQ, RF_ERROR_INVALID_MESSAGE},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct onet net;
        struct caught_error caught = {0};
        uint8_t bytes[32];
        struct rf_buf dests, message;
        onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
        net.tap = catch_error;
        net.tap_arg = &caught;
        rf_buf_fixed(&dests, bytes, sizeof(bytes));
        struct rf_dest dest = rf_dest_node(onet_id(&net, 1));
        rf_dest_encode(&dest, &dests);
        struct forged forged = {.code = rows[i].code};
        forged.header.ttl = 9;
        forged.header.config_sequence = rows[i].sequence;
        forged.header.dests = rf_buf_view(&dests);
        forge(&net, &forged, &message);
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, RF_US_PER_S / 10);
        assert_int_equal(caught.count, 1);
        assert_int_equal(caught.error_code, rows[i].error_code);
        rf_buf_deinit(&message);
        onet_deinit(&net);
    }
}

/* ---- documents that are not accepted ---- */

static void push(struct onet *net, uint8_t type, struct rf_view xml, struct onet_result *result)
{
    struct rf_config_update update = {.type = type, .config = xml, .kinds = &xml, .kind_count = 1};
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 100000);
    rf_config_update_encode(&update, &body);
    struct rf_call call = {
        .code = RF_CODE_CONFIG_UPDATE_REQ, .body = rf_buf_view(&body), .config_sequence_any = true};
    rf_call_to_node(&call, onet_id(net, 1));
    assert_int_equal(onet_call(net, 0, &call, result), 0);
    onet_run(net, RF_US_PER_S);
    rf_buf_deinit(&body);
}

static void refused_documents(void **state)
{
    struct onet net;
    struct onet_result result;
    struct rf_conf *conf;
    struct rf_buf xml;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    const struct rf_overlay_counters *counters = onet_counters(&net, 1);
    /* the one it has: fine, nothing happens */
    push(&net, RF_CONFIG_UPDATE_CONFIG, net.pki.conf->xml, &result);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.body_len, 0);
    assert_int_equal(counters->config_updates_accepted + counters->config_updates_refused, 0);
    push(&net, RF_CONFIG_UPDATE_CONFIG, TEXT("<overlay>"), &result);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(counters->config_updates_refused, 1);
    /* newer, but signed by a node without the right to */
    rf_buf_init(&xml, rf_mem_system(), 100000);
    struct rf_conf draft = *net.pki.conf;
    draft.sequence = 7;
    assert_int_equal(rf_conf_write(&draft, &net.nodes[0].identity, &xml), 0);
    push(&net, RF_CONFIG_UPDATE_CONFIG, rf_buf_view(&xml), &result);
    assert_int_equal(result.error_code, RF_ERROR_FORBIDDEN);
    rf_buf_deinit(&xml);
    /* one byte of a good one changed */
    assert_int_equal(rf_pki_document(&net.pki, 8, another_name, NULL, &conf), 0);
    uint8_t *changed = malloc(conf->xml.len);
    memcpy(changed, conf->xml.p, conf->xml.len);
    uint8_t *place = memmem(changed, conf->xml.len, "1234", 4);
    assert_non_null(place);
    *place = '9';
    push(&net, RF_CONFIG_UPDATE_CONFIG, rf_view_of(changed, conf->xml.len), &result);
    assert_int_equal(result.error_code, RF_ERROR_FORBIDDEN);
    assert_int_equal(net.nodes[1].configured, 0);
    *place = '1';
    push(&net, RF_CONFIG_UPDATE_CONFIG, rf_view_of(changed, conf->xml.len), &result);
    assert_int_equal(result.error, 0);
    assert_int_equal(net.nodes[1].configured, 1);
    assert_int_equal(sequence_of(&net, 1), 8);
    free(changed);
    rf_conf_release(conf);
    /* an older one is no news */
    push(&net, RF_CONFIG_UPDATE_CONFIG, net.pki.conf->xml, &result);
    assert_int_equal(result.error, 0);
    assert_int_equal(sequence_of(&net, 1), 8);
    push(&net, RF_CONFIG_UPDATE_KIND, TEXT("<kind-block/>"), &result);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(counters->config_updates_refused, 4);
    assert_int_equal(counters->config_updates_accepted, 1);
    onet_deinit(&net);
}

/* ---- Kinds that came after the document ---- */

static void with_kind(struct rf_conf *draft, void *arg)
{
    static struct rf_kind_def kind;
    kind = (struct rf_kind_def){.id = UINT32_C(0xf0000007),
                                .model = RF_MODEL_SINGLE,
                                .policy = RF_POLICY_USER_MATCH,
                                .max_count = 1,
                                .max_size = 100};
    (void)arg;
    draft->kinds = &kind;
    draft->kind_count = 1;
}

/* The <kind-block> of a document made for the purpose. */
static struct rf_view kind_block(struct onet *net, struct rf_conf **conf)
{
    static const char start[] = "<kind-block", end[] = "</kind-block>";
    assert_int_equal(rf_pki_document(&net->pki, 3, with_kind, NULL, conf), 0);
    struct rf_view xml = (*conf)->xml;
    const uint8_t *from = memmem(xml.p, xml.len, start, strlen(start));
    assert_non_null(from);
    const uint8_t *to = memmem(from, xml.len - (size_t)(from - xml.p), end, strlen(end));
    assert_non_null(to);
    return rf_view_of(from, (size_t)(to - from) + strlen(end));
}

/* A handler that knows a Kind or not. */
static void on_kind(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    const uint32_t kind = UINT32_C(0xf0000007);
    uint8_t bytes[8];
    struct rf_buf info;
    rf_buf_fixed(&info, bytes, sizeof(bytes));
    rf_unknown_kinds_encode(&kind, 1, &info);
    if (rf_conf_kind(rf_overlay_conf(o), kind) == NULL)
        rf_overlay_refuse(o, request, RF_ERROR_UNKNOWN_KIND, rf_buf_view(&info));
    else
        rf_overlay_answer(o, request, TEXT("known"), NULL, 0);
}

static void kinds(void **state)
{
    struct onet net;
    struct onet_result result;
    struct rf_conf *conf;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    struct rf_view block = kind_block(&net, &conf);
    struct rf_overlay *o = net.nodes[2].overlay;
    assert_int_equal(rf_overlay_handle(o, RF_CODE_EXP_B_REQ, on_kind, o), 0);
    struct rf_call call = {.code = RF_CODE_EXP_B_REQ};
    rf_call_to_node(&call, onet_id(&net, 2));
    /* we do not know it either: that is the answer */
    assert_int_equal(onet_call(&net, 1, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error_code, RF_ERROR_UNKNOWN_KIND);
    assert_int_equal(result.info_len, 5);
    /* told to node 1, which tells node 2 when that does not know it, and asks again */
    push(&net, RF_CONFIG_UPDATE_KIND, block, &result);
    assert_int_equal(result.error, 0);
    assert_int_equal(net.nodes[1].configured, 1);
    push(&net, RF_CONFIG_UPDATE_KIND, block, &result);
    assert_int_equal(result.error, 0);
    assert_int_equal(net.nodes[1].configured, 1);
    assert_int_equal(onet_call(&net, 1, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_memory_equal(result.body, "known", 5);
    assert_int_equal(net.nodes[2].configured, 1);
    rf_conf_release(conf);
    onet_deinit(&net);
}

/* A document that does not fit into a message is not pushed; nothing breaks. */
static void small_messages(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->max_message_size = 1200;
}

static void too_large_to_push(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    struct rf_conf *conf;
    (void)state;
    onet_line_init(&net, 2, small_messages, &echo);
    assert_int_equal(rf_pki_document(&net.pki, 2, small_messages, NULL, &conf), 0);
    rf_overlay_configure(net.nodes[1].overlay, conf);
    rf_conf_release(conf);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(result.error_code, RF_ERROR_CONFIG_TOO_OLD);
    assert_int_equal(onet_counters(&net, 1)->config_updates_sent, 0);
    assert_true(onet_counters(&net, 1)->config_updates_limited > 0);
    onet_deinit(&net);
}

/* Somebody sends documents without end: a few are read, the rest costs next to nothing, and what we have is answered always. */
static void bounded(void **state)
{
    struct onet net;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    const struct rf_overlay_counters *counters = onet_counters(&net, 1);
    uint64_t from_us = net.now.mono_us;
    for (char i = 'a'; i <= 'z'; i++) {
        char xml[] = "<overlay>?</overlay>";
        xml[9] = i;
        struct rf_config_update update = {.type = RF_CONFIG_UPDATE_CONFIG, .config = rf_view_str(xml)};
        struct rf_buf body;
        rf_buf_init(&body, rf_mem_system(), 1000);
        rf_config_update_encode(&update, &body);
        struct rf_call call = {.code = RF_CODE_CONFIG_UPDATE_REQ,
                               .body = rf_buf_view(&body),
                               .config_sequence_any = true,
                               .max_transmissions = 1};
        rf_call_to_node(&call, onet_id(&net, 1));
        assert_int_equal(onet_call(&net, 0, &call, &result), 0);
        onet_run(&net, 30 * RF_US_PER_MS);
        rf_buf_deinit(&body);
    }
    assert_true(net.now.mono_us - from_us < RF_US_PER_S);
    assert_in_range(counters->config_updates_refused, 8, 10);
    assert_int_equal(counters->refused_overload + counters->config_updates_refused, 26);
    onet_run(&net, 5 * RF_US_PER_S);
    push(&net, RF_CONFIG_UPDATE_CONFIG, net.pki.conf->xml, &result);
    assert_int_equal(result.error, 0);
    onet_deinit(&net);
}

int test_overlay_config(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_old),           cmocka_unit_test(too_new),
        cmocka_unit_test(clients),           cmocka_unit_test(flood),
        cmocka_unit_test(no_agreement),      cmocka_unit_test(refused_documents),
        cmocka_unit_test(special_sequence),  cmocka_unit_test(kinds),
        cmocka_unit_test(too_large_to_push), cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests_name("overlay_config", tests, NULL, NULL);
}
