/* test_overlay_calls.c - our own requests: retransmission, who may answer, and how they end. */
#include "test_overlay.h"

#include "overlay/internal.h"
#include "wire/method.h"

static uint64_t last_transaction(const struct onet *net, size_t i)
{
    const struct rf_overlay *o = net->nodes[i].overlay;
    return RF_LIST_ENTRY(o->calls.list.prev, struct call, list)->transaction_id;
}

/* Loses the first `lose` messages of each direction. */
struct loser {
    unsigned lose;
    uint64_t txids[16];
    uint64_t times[16];
    size_t count;
    struct onet *net;
};

static bool lose_first(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct loser *loser = arg;
    struct rf_view rest = *message;
    struct rf_header header;
    (void)to;
    assert_int_equal(rf_header_decode(&rest, 16, &header), 0);
    if (from != 0)
        return true;
    loser->txids[loser->count] = header.transaction_id;
    loser->times[loser->count] = loser->net->now.mono_us;
    return loser->count++ >= loser->lose;
}

static void retransmission(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    struct loser loser = {.lose = 3, .net = &net};
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    net.tap = lose_first;
    net.tap_arg = &loser;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 10 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.transmissions, 4);
    assert_int_equal(result.rtt_us, 20 * RF_US_PER_MS); /* of the last transmission */
    assert_int_equal(loser.count, 4);
    for (size_t i = 1; i < 4; i++) {
        assert_true(loser.txids[i] == loser.txids[0]);
        assert_true(loser.times[i] - loser.times[i - 1] == 3 * RF_US_PER_S);
    }
    assert_int_equal(onet_counters(&net, 0)->retransmissions, 3);
    /* nobody at all: five transmissions, then the end, and the topology is told */
    loser.lose = 100;
    loser.count = 0;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 14999 * RF_US_PER_MS);
    assert_int_equal(result.done, 0);
    onet_run(&net, 2 * RF_US_PER_MS);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, RF_ETIMEOUT);
    assert_int_equal(loser.count, 5);
    assert_int_equal(onet_counters(&net, 0)->timeouts, 1);
    assert_int_equal(net.nodes[0].unresponsive, 1);
    assert_true(rf_id_equal(&net.nodes[0].last_unresponsive, onet_id(&net, 1)));
    /* other numbers for one call */
    struct rf_call call = {.max_transmissions = 2, .interval_us = RF_US_PER_S};
    rf_call_to_node(&call, onet_id(&net, 1));
    loser.count = 0;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 2 * RF_US_PER_S + 1);
    assert_int_equal(result.error, RF_ETIMEOUT);
    assert_int_equal(loser.count, 2);
    onet_deinit(&net);
}

/* Under loss, duplication and reordering every request is executed at most once, and every call ends once. */
static void once_under_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct onet net;
        struct onet_echo echo;
        struct onet_result *results = calloc(200, sizeof(*results));
        size_t good = 0;
        onet_init(&net, seed, 2, ONET_LINE, NULL, NULL);
        onet_echo_init(&net, 1, &echo);
        net.loss_percent = 30;
        net.duplicate_percent = 20;
        net.jitter_us = 4 * RF_US_PER_S;
        for (size_t i = 0; i < 200; i++) {
            char body[8];
            snprintf(body, sizeof(body), "%zu", i);
            assert_int_equal(onet_call_node(&net, 0, 1, rf_view_str(body), &results[i]), 0);
            onet_run(&net, 50 * RF_US_PER_MS);
        }
        onet_run(&net, 20 * RF_US_PER_S);
        for (size_t i = 0; i < 200; i++) {
            char body[8];
            snprintf(body, sizeof(body), "%zu", i);
            assert_int_equal(results[i].done, 1);
            if (results[i].error == 0) {
                good++;
                assert_int_equal(results[i].body_len, strlen(body));
                assert_memory_equal(results[i].body, body, strlen(body));
            } else {
                assert_int_equal(results[i].error, RF_ETIMEOUT);
            }
        }
        assert_true(good >= 170 && good <= 200);
        assert_true(echo.count >= good && echo.count <= 200);
        assert_true(onet_counters(&net, 1)->answered_from_cache > 20);
        free(results);
        onet_deinit(&net);
    }
}

/* ---- who may answer ---- */

struct answer_row {
    const char *name;
    size_t signer; /* of the forged answer: 2 was asked */
    bool to_key;   /* asked for a key of 2's instead of 2 */
    bool any_responder;
    uint16_t code;
    uint16_t error_code; /* in the forged Error */
    size_t counter;
    int error; /* of the call after 20 s of silence from 2 */
    uint16_t reply_code;
};

#define AT(name) offsetof(struct rf_overlay_counters, name)
static const struct answer_row answer_rows[] = {
    {"right", 2, false, false, RF_CODE_EXP_A_ANS, 0, AT(delivered_responses), 0, 0},
    {"right, key", 2, true, false, RF_CODE_EXP_A_ANS, 0, AT(delivered_responses), 0, 0},
    {"wrong signer", 1, false, false, RF_CODE_EXP_A_ANS, 0, AT(dropped_wrong_responder), RF_ETIMEOUT, 0},
    {"wrong signer, key", 1, true, false, RF_CODE_EXP_A_ANS, 0, AT(dropped_wrong_responder), RF_ETIMEOUT, 0},
    {"any signer, key", 1, true, true, RF_CODE_EXP_A_ANS, 0, AT(delivered_responses), 0, 0},
    {"any signer, Error on the way", 1, true, true, RF_CODE_ERROR, RF_ERROR_NOT_FOUND, AT(error_hints),
     RF_ETIMEOUT, RF_ERROR_NOT_FOUND},
    {"any signer, node", 1, false, true, RF_CODE_EXP_A_ANS, 0, AT(dropped_wrong_responder), RF_ETIMEOUT, 0},
    {"other answer", 2, false, false, RF_CODE_PING_ANS, 0, AT(dropped_malformed), RF_ETIMEOUT, 0},
    {"a request's code", 2, false, false, RF_CODE_EXP_A_REQ, 0, AT(delivered_requests), RF_ETIMEOUT, 0},
    {"Error", 2, false, false, RF_CODE_ERROR, RF_ERROR_FORBIDDEN, AT(delivered_responses), RF_EREMOTE,
     RF_ERROR_FORBIDDEN},
    {"Error on the way", 1, false, false, RF_CODE_ERROR, RF_ERROR_TTL_EXCEEDED, AT(error_hints), RF_ETIMEOUT,
     RF_ERROR_TTL_EXCEEDED},
    {"Error on the way, key", 1, true, false, RF_CODE_ERROR, RF_ERROR_NOT_FOUND, AT(error_hints), RF_ETIMEOUT,
     RF_ERROR_NOT_FOUND},
};

static void answer_row_run(const struct answer_row *row)
{
    struct onet net;
    struct onet_result result;
    struct onet_echo own;
    uint8_t dest_bytes[32], body_bytes[64];
    struct rf_buf dests, body, message;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    onet_echo_init(&net, 0, &own);
    net.links[1].full = true; /* 2 itself hears nothing */
    struct rf_call call = {.any_responder = row->any_responder};
    struct rf_id key = onet_key(&net, 2);
    if (row->to_key)
        rf_call_to_resource(&call, &key);
    else
        rf_call_to_node(&call, onet_id(&net, 2));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_buf_fixed(&body, body_bytes, sizeof(body_bytes));
    struct rf_dest dest = rf_dest_node(onet_id(&net, 0));
    rf_dest_encode(&dest, &dests);
    struct rf_error_body error = {row->error_code, TEXT("why")};
    if (row->code == RF_CODE_ERROR)
        rf_error_body_encode(&error, &body);
    struct forged forged = {.signer = row->signer, .code = row->code, .body = rf_buf_view(&body)};
    forged.header.ttl = 50;
    forged.header.transaction_id = last_transaction(&net, 0);
    forged.header.dests = rf_buf_view(&dests);
    forge(&net, &forged, &message);
    onet_send_raw(&net, 1, 0, rf_buf_view(&message));
    onet_run(&net, RF_US_PER_S);
    uint64_t count = *(const uint64_t *)((const char *)onet_counters(&net, 0) + row->counter);
    if (count != 1)
        fail_msg("%s: counted %llu", row->name, (unsigned long long)count);
    assert_int_equal(result.done, row->error != RF_ETIMEOUT);
    onet_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(result.done, 1);
    if (result.error != row->error || result.error_code != row->reply_code)
        fail_msg("%s: %d, %#x", row->name, result.error, result.error_code);
    if (row->error == RF_EREMOTE)
        assert_memory_equal(result.info, "why", 3);
    rf_buf_deinit(&message);
    onet_deinit(&net);
}

static void who_may_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(answer_rows); i++)
        answer_row_run(&answer_rows[i]);
}

/* What needs no answer gets none, and is over when it must have arrived. An Error is heard. */
static void no_answer_needed(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    struct loser loser = {.lose = 100, .net = &net};
    struct rf_call call = {.quiet = true, .max_transmissions = 1, .interval_us = 2 * RF_US_PER_S};
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 2 * RF_US_PER_S - 1);
    assert_int_equal(echo.count, 1);
    assert_int_equal(result.done, 0);
    onet_run(&net, 2);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, 0);
    net.nodes[1].overlay->config.max_deferred = 0;
    echo.defer = true; /* refused */
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 2 * RF_US_PER_S + 1);
    assert_int_equal(result.error, RF_EREMOTE);
    echo.defer = false;
    net.tap = lose_first;
    net.tap_arg = &loser;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0); /* once, and never again */
    onet_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(loser.count, 1);
    assert_int_equal(onet_counters(&net, 0)->timeouts, 0);
    assert_int_equal(net.nodes[0].unresponsive, 0);
    onet_deinit(&net);
}

static void unexpected_answers(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    net.duplicate_percent = 100;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.done, 1);
    /* request twice, each answer twice: one is wanted */
    assert_int_equal(onet_counters(&net, 0)->dropped_unexpected, 3);
    assert_int_equal(onet_counters(&net, 1)->answered_from_cache, 1);
    /* cancelled: told at once, and its answer belongs to nobody */
    net.duplicate_percent = 0;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    rf_overlay_cancel(net.nodes[0].overlay, result.id);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, RF_ECANCELLED);
    rf_overlay_cancel(net.nodes[0].overlay, result.id);
    rf_overlay_cancel(net.nodes[0].overlay, 0);
    rf_overlay_cancel(net.nodes[0].overlay, 999999);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.done, 1);
    assert_int_equal(onet_counters(&net, 0)->dropped_unexpected, 4);
    onet_deinit(&net);
}

/* ---- busy, links that break, no way ---- */

static void busy_is_asked_again(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    net.nodes[1].overlay->config.max_deferred = 0;
    echo.defer = true; /* refused: Error_Request_Timeout */
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(result.done, 0);
    assert_int_equal(echo.count, 2);
    echo.defer = false;
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.transmissions, 3);
    echo.defer = true; /* busy to the end: that is the answer */
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(result.error_code, RF_ERROR_REQUEST_TIMEOUT);
    onet_deinit(&net);
}

static void broken_links(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result, over_link, no_link;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    size_t second = onet_connect(&net, 0, 1);
    net.loss_percent = 100;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S / 10);
    net.loss_percent = 0;
    onet_cut(&net, second);
    /* the other link, at once */
    onet_run(&net, RF_US_PER_S / 2);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.transmissions, 1);
    assert_int_equal(onet_counters(&net, 0)->rerouted, 1);
    /* a call over one link moves to another one of the same node; without any it fails at once, but not from inside */
    second = onet_connect(&net, 0, 1);
    struct rf_call call = {.link = net.links[second].at_a};
    rf_call_to_node(&call, onet_id(&net, 1));
    net.loss_percent = 100;
    assert_int_equal(onet_call(&net, 0, &call, &over_link), 0);
    onet_run(&net, RF_US_PER_S / 10);
    net.loss_percent = 0;
    onet_cut(&net, second);
    onet_run(&net, RF_US_PER_S / 2);
    assert_int_equal(over_link.error, 0);
    net.loss_percent = 100;
    call.link = net.links[0].at_a;
    assert_int_equal(onet_call(&net, 0, &call, &over_link), 0);
    onet_cut(&net, 0);
    assert_int_equal(over_link.done, 0);
    onet_run(&net, RF_US_PER_S / 2);
    assert_int_equal(over_link.error, RF_EUNREACHABLE);
    call.link = 4242;
    assert_int_equal(onet_call(&net, 0, &call, &no_link), 0);
    onet_run(&net, 1);
    assert_int_equal(no_link.error, RF_EUNREACHABLE);
    /* routed, and no way: it waits, and goes out when there is one */
    net.loss_percent = 0;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(result.done, 0);
    onet_connect(&net, 0, 1);
    onet_run(&net, 3 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    onet_cut(&net, net.link_count - 1);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, 16 * RF_US_PER_S);
    assert_int_equal(result.error, RF_EUNREACHABLE);
    assert_int_equal(net.nodes[0].unresponsive, 0); /* nobody was asked */
    onet_deinit(&net);
}

/* ---- arguments, limits, callbacks ---- */

static void few_calls(struct rf_overlay_config *config)
{
    config->max_calls = 2;
}

static void limits(void **state)
{
    struct onet net;
    struct onet_result results[3], bad;
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.adjust_overlay = few_calls;
    onet_start(&net, 2, ONET_LINE);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &results[i]), 0);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &results[2]), RF_ELIMIT);
    rf_overlay_cancel(net.nodes[0].overlay, results[0].id);
    struct rf_call call = {.code = RF_CODE_EXP_A_ANS};
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &bad), RF_EINVAL);
    call = (struct rf_call){.code = RF_CODE_EXP_A_REQ};
    assert_int_equal(onet_call(&net, 0, &call, &bad), RF_EINVAL);
    uint8_t *large = calloc(1, 6000);
    assert_int_equal(onet_call_node(&net, 0, 1, rf_view_of(large, 6000), &bad), RF_ELIMIT);
    free(large);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &results[0]), 0);
    onet_deinit(&net); /* pending calls end with RF_ECANCELLED */
    assert_int_equal(results[0].done, 1);
    assert_int_equal(results[0].error, RF_ECANCELLED);
    assert_int_equal(results[1].error, RF_ECANCELLED);
}

/* Its done cancels another call and starts two new ones. */
struct busy_caller {
    struct rf_overlay *overlay;
    struct onet *net;
    struct onet_result *other;
    struct onet_result next[2];
    size_t done;
};

static void busy_done(void *arg, const struct rf_reply *reply)
{
    struct busy_caller *b = arg;
    (void)reply;
    b->done++;
    rf_overlay_cancel(b->overlay, b->other->id);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(onet_call_node(b->net, 0, i, TEXT("again"), &b->next[i]), 0);
}

static void calls_in_callbacks(void **state)
{
    struct onet net;
    struct onet_echo echo, own;
    struct onet_result other;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    onet_echo_init(&net, 0, &own);
    struct busy_caller busy = {.overlay = net.nodes[0].overlay, .net = &net, .other = &other};
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ, .done = busy_done, .arg = &busy};
    rf_call_to_node(&call, onet_id(&net, 1));
    rf_call_id id;
    assert_int_equal(rf_overlay_call(busy.overlay, &call, &id), 0);
    onet_run(&net, 5 * RF_US_PER_MS);
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("other"), &other), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(busy.done, 1);
    assert_int_equal(other.error, RF_ECANCELLED);
    assert_int_equal(busy.next[0].error, 0);
    assert_int_equal(busy.next[1].error, 0);
    /* nobody needs to be told */
    call = (struct rf_call){.code = RF_CODE_EXP_A_REQ};
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(rf_overlay_call(busy.overlay, &call, NULL), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(onet_counters(&net, 0)->delivered_responses, 4);
    onet_deinit(&net);
}

/* Same seed twice: the same messages, but for what keys and signatures make different. */
struct trace_hash {
    struct onet *net;
    uint64_t hash;
};

static bool hash_messages(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct trace_hash *trace = arg;
    struct rf_view rest = *message;
    struct rf_header header;
    uint64_t seed[2] = {trace->hash, trace->net->now.mono_us * 100 + from * 10 + to};
    assert_int_equal(rf_header_decode(&rest, 16, &header), 0);
    trace->hash = rf_hash64(seed, rf_view_of(&header.transaction_id, sizeof(header.transaction_id)));
    return true;
}

static void same_seed(void **state)
{
    uint64_t hashes[2] = {0, 0};
    (void)state;
    for (size_t run = 0; run < 2; run++) {
        struct onet net;
        struct onet_echo echo;
        struct onet_result results[20];
        struct trace_hash trace = {.net = &net};
        onet_init(&net, 77, 4, ONET_LINE, NULL, NULL);
        net.tap = hash_messages;
        net.tap_arg = &trace;
        onet_echo_init(&net, 3, &echo);
        net.loss_percent = 10;
        net.jitter_us = RF_US_PER_S;
        for (size_t i = 0; i < 20; i++)
            assert_int_equal(onet_call_node(&net, 0, 3, TEXT("x"), &results[i]), 0);
        onet_run(&net, 20 * RF_US_PER_S);
        hashes[run] = trace.hash;
        onet_deinit(&net);
    }
    assert_true(hashes[0] == hashes[1]);
}

int test_overlay_calls(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retransmission),     cmocka_unit_test(once_under_loss),
        cmocka_unit_test(who_may_answer),     cmocka_unit_test(no_answer_needed),
        cmocka_unit_test(unexpected_answers), cmocka_unit_test(busy_is_asked_again),
        cmocka_unit_test(broken_links),       cmocka_unit_test(limits),
        cmocka_unit_test(calls_in_callbacks), cmocka_unit_test(same_seed),
    };
    return cmocka_run_group_tests_name("overlay_calls", tests, NULL, NULL);
}
