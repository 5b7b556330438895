/* test_overlay_requests.c - requests of others: duplicates, answers, refusals, deferring, budgets, all the Errors on the way. */
#include "test_overlay.h"

#include "overlay/internal.h"
#include "wire/admit.h"
#include "wire/method.h"

/* A forged request of node 0 for node 1, on its way back whatever node 1 says about it. */
struct asked {
    size_t count; /* messages that came back */
    uint16_t code, error_code;
    struct rf_header header;
    struct rf_option option; /* the first of the answer */
    uint8_t option_data[16];
};

static bool catch_answer(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct asked *asked = arg;
    struct rf_message m;
    struct rf_error_body error;
    (void)to;
    if (from != 1 || rf_message_decode(*message, 16, &m) != 0 || !rf_code_is_response(m.code))
        return true;
    asked->count++;
    asked->code = m.code;
    asked->header = m.header;
    asked->error_code = 0;
    if (rf_code_is_error(m.code)) {
        assert_int_equal(rf_error_body_decode(m.body, &error), 0);
        asked->error_code = error.code;
    }
    struct rf_view options = m.header.options;
    asked->option.type = 0;
    if (options.len > 0) {
        assert_int_equal(rf_option_next(&options, &asked->option), 0);
        assert_true(asked->option.data.len <= sizeof(asked->option_data));
        memcpy(asked->option_data, asked->option.data.p, asked->option.data.len);
    }
    return false;
}

static void make_request(struct onet *net, size_t signer, uint64_t transaction_id, struct rf_view body,
                         struct rf_view options, struct rf_view extensions, struct rf_buf *out)
{
    uint8_t bytes[64];
    struct rf_buf dests;
    struct rf_dest dest = rf_dest_node(onet_id(net, 1));
    rf_buf_fixed(&dests, bytes, sizeof(bytes));
    rf_dest_encode(&dest, &dests);
    struct forged forged = {
        .signer = signer, .code = RF_CODE_EXP_A_REQ, .body = body, .extensions = extensions};
    forged.header.ttl = 9;
    forged.header.transaction_id = transaction_id;
    forged.header.dests = rf_buf_view(&dests);
    forged.header.options = options;
    forge(net, &forged, out);
}

#define NOTHING rf_view_of(NULL, 0)

static void send_request(struct onet *net, size_t signer, uint64_t transaction_id, struct rf_view body)
{
    struct rf_buf message;
    make_request(net, signer, transaction_id, body, NOTHING, NOTHING, &message);
    onet_send_raw(net, 0, 1, rf_buf_view(&message));
    onet_run(net, 50 * RF_US_PER_MS);
    rf_buf_deinit(&message);
}

static void duplicates(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct asked asked = {0};
    struct rf_buf message;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    onet_echo_init(&net, 1, &echo);
    net.tap = catch_answer;
    net.tap_arg = &asked;
    make_request(&net, 0, 5, TEXT("x"), NOTHING, NOTHING, &message);
    for (size_t i = 1; i <= 4; i++) {
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, 50 * RF_US_PER_MS);
        assert_int_equal(asked.count, i);
        assert_int_equal(asked.code, RF_CODE_EXP_A_ANS);
        assert_int_equal(echo.count, 1);
    }
    assert_int_equal(onet_counters(&net, 1)->answered_from_cache, 3);
    assert_int_equal(rf_trust_counters(net.nodes[1].trust)->signatures_verified,
                     1); /* known by their bytes */
    /* other bytes, same transaction and signer: verified, and known all the same */
    send_request(&net, 0, 5, TEXT("changed"));
    assert_int_equal(echo.count, 1);
    assert_int_equal(asked.count, 5);
    assert_int_equal(rf_trust_counters(net.nodes[1].trust)->signatures_verified, 2);
    /* another signer with the same transaction ID is another request */
    send_request(&net, 2, 5, TEXT("x"));
    assert_int_equal(echo.count, 2);
    /* after the request lifetime it is a new one; until then not */
    onet_run(&net, 14 * RF_US_PER_S);
    onet_send_raw(&net, 0, 1, rf_buf_view(&message));
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(echo.count, 2);
    onet_run(&net, 6 * RF_US_PER_S); /* kept answers go together, some seconds late */
    onet_send_raw(&net, 0, 1, rf_buf_view(&message));
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(echo.count, 3);
    rf_buf_deinit(&message);
    onet_deinit(&net);
}

/* The request lifetime follows the document's timer, but not below 15 s. */
static void slow_timer(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->reliability_timer_ms = 10000;
}

static void lifetime(void **state)
{
    struct onet net;
    struct onet_echo echo;
    (void)state;
    onet_line_init(&net, 2, slow_timer, &echo);
    send_request(&net, 0, 5, TEXT("x"));
    onet_run(&net, 49 * RF_US_PER_S);
    send_request(&net, 0, 5, TEXT("x"));
    assert_int_equal(echo.count, 1);
    onet_run(&net, 6 * RF_US_PER_S);
    send_request(&net, 0, 5, TEXT("x"));
    assert_int_equal(echo.count, 2);
    onet_deinit(&net);
}

static void few_answers(struct rf_overlay_config *config)
{
    config->max_cached_answers = 3;
}

static void bounded_cache(void **state)
{
    struct onet net;
    struct onet_echo echo;
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.adjust_overlay = few_answers;
    onet_start(&net, 2, ONET_LINE);
    onet_echo_init(&net, 1, &echo);
    for (uint64_t i = 1; i <= 5; i++)
        send_request(&net, 0, i, TEXT("x"));
    assert_int_equal(echo.count, 5);
    assert_int_equal(net.nodes[1].overlay->answers->count, 3);
    send_request(&net, 0, 5, TEXT("x"));
    send_request(&net, 0, 4, TEXT("x"));
    send_request(&net, 0, 3, TEXT("x"));
    assert_int_equal(echo.count, 5);
    send_request(&net, 0, 2, TEXT("x")); /* the oldest were forgotten */
    assert_int_equal(echo.count, 6);
    onet_deinit(&net);
}

static void deferred(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result results[3];
    (void)state;
    onet_line_init(&net, 4, NULL, &echo);
    struct rf_overlay *o = net.nodes[3].overlay;
    echo.defer = true;
    for (size_t i = 0; i < 3; i++) {
        char body[4] = {(char)('a' + i), '!', 0};
        assert_int_equal(onet_call_node(&net, 0, 3, rf_view_str(body), &results[i]), 0);
    }
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(echo.count, 3);
    assert_int_equal(echo.deferred_count, 3);
    assert_int_equal(onet_counters(&net, 3)->dropped_being_answered, 3); /* their retransmissions */
    /* the copy is whole: body, lists, signer */
    struct rf_request *r = echo.deferred[1];
    assert_true(rf_view_equal(r->message->body, TEXT("b!")));
    assert_true(rf_id_equal(&r->signer.node_id, onet_id(&net, 0)));
    assert_int_equal(r->message->header.via_count, 2);
    assert_int_equal(rf_overlay_answer(o, r, TEXT("late"), NULL, 0), 0);
    assert_int_equal(rf_overlay_refuse_text(o, echo.deferred[2], RF_ERROR_DATA_TOO_LARGE, "no"), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(results[1].error, 0);
    assert_memory_equal(results[1].body, "late", 4);
    assert_int_equal(results[2].error, RF_EREMOTE);
    assert_int_equal(results[2].error_code, RF_ERROR_DATA_TOO_LARGE);
    assert_int_equal(results[0].done, 0);
    /* dropped: the next retransmission is handled anew */
    rf_overlay_drop(o, echo.deferred[0]);
    echo.defer = false;
    onet_run(&net, 3 * RF_US_PER_S);
    assert_int_equal(echo.count, 4);
    assert_int_equal(results[0].error, 0);
    assert_memory_equal(results[0].body, "a!", 2);
    /* what is left is freed with the overlay */
    echo.defer = true;
    assert_int_equal(onet_call_node(&net, 0, 3, TEXT("x"), &results[0]), 0);
    onet_run(&net, RF_US_PER_S);
    onet_deinit(&net);
    assert_int_equal(results[0].error, RF_ECANCELLED);
}

/* An answer after the link has gone comes with the retransmission over another one. */
static void answer_after_the_link(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    echo.defer = true;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    onet_cut(&net, 0);
    assert_int_equal(rf_overlay_answer(net.nodes[1].overlay, echo.deferred[0], TEXT("x"), NULL, 0), 0);
    assert_int_equal(onet_counters(&net, 1)->dropped_no_route, 1);
    onet_connect(&net, 0, 1);
    onet_run(&net, 3 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(echo.count, 1);
    onet_deinit(&net);
}

static void sizes(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    struct rf_call call = {.max_response_len = 1500};
    (void)state;
    onet_line_init(&net, 3, NULL, &echo);
    rf_call_to_node(&call, onet_id(&net, 2));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    size_t room = echo.room;
    assert_true(room > 700 && room < 1500);
    /* exactly that much fits (signatures of Ed25519 are 64 bytes, the room counts with 72) */
    for (size_t i = 0; i < 2; i++) {
        echo.answer_len = room + (i == 0 ? 0 : 9);
        assert_int_equal(onet_call(&net, 0, &call, &result), 0);
        onet_run(&net, RF_US_PER_S);
        assert_int_equal(echo.last_error, i == 0 ? 0 : RF_ELIMIT);
        assert_int_equal(result.error, i == 0 ? 0 : RF_EREMOTE);
        if (i == 0)
            assert_int_equal(result.header.length, 1500 - 8 - 18); /* node 1 took itself off the list */
        else
            assert_int_equal(result.error_code, RF_ERROR_RESPONSE_TOO_LARGE);
    }
    /* without a wish of the requester, max-message-size is the limit */
    call.max_response_len = 0;
    echo.answer_len = 4900;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error_code, RF_ERROR_RESPONSE_TOO_LARGE);
    assert_true(echo.room > 4000 && echo.room < 4900);
    echo.answer_len = echo.room;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    onet_deinit(&net);
}

/* ---- what a request may ask of us ---- */

static void options_and_extensions(void **state)
{
    static const struct {
        const char *name;
        uint8_t option, flags;
        uint16_t extension;
        bool critical;
        uint16_t error_code;
        bool copied;
    } rows[] = {
        {"plain", 0, 0, 0, false, 0, false},
        {"option", 99, 0, 0, false, 0, false},
        {"copied option", 99, RF_OPTION_RESPONSE_COPY | RF_OPTION_IGNORE_STATE_KEEPING, 0, false, 0, true},
        {"critical option", 99, RF_OPTION_DESTINATION_CRITICAL, 0, false,
         RF_ERROR_UNSUPPORTED_FORWARDING_OPTION, false},
        {"critical and copied", 99, RF_OPTION_DESTINATION_CRITICAL | RF_OPTION_RESPONSE_COPY, 0, false,
         RF_ERROR_UNSUPPORTED_FORWARDING_OPTION, true},
        {"for forwarders", 99, RF_OPTION_FORWARD_CRITICAL, 0, false, 0, false}, /* we do not forward it */
        {"routing mode", RF_OPTION_EXTENSIVE_ROUTING_MODE, RF_OPTION_DESTINATION_CRITICAL, 0, false,
         RF_ERROR_UNKNOWN_EXTENSION, false},
        {"routing mode, not critical", RF_OPTION_EXTENSIVE_ROUTING_MODE, RF_OPTION_IGNORE_STATE_KEEPING, 0,
         false, RF_ERROR_UNKNOWN_EXTENSION, false},
        {"extension", 0, 0, 500, false, 0, false},
        {"critical extension", 0, 0, 500, true, RF_ERROR_UNKNOWN_EXTENSION, false},
        {"self-tuning", 0, 0, RF_EXTENSION_SELF_TUNING_DATA, false, 0, false},
        {"critical self-tuning", 0, 0, RF_EXTENSION_SELF_TUNING_DATA, true, RF_ERROR_UNKNOWN_EXTENSION,
         false},
        {"critical Diagnostic_Ping in no Ping", 0, 0, RF_EXTENSION_DIAGNOSTIC_PING, true,
         RF_ERROR_UNKNOWN_EXTENSION, false},
    };
    struct onet net;
    struct onet_echo echo;
    struct asked asked = {0};
    (void)state;
    onet_line_init(&net, 2, NULL, &echo);
    net.tap = catch_answer;
    net.tap_arg = &asked;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        uint8_t option_bytes[32], extension_bytes[32];
        struct rf_buf options, extensions, message;
        struct rf_option option = {rows[i].option, rows[i].flags, TEXT("opt")};
        struct rf_extension extension = {rows[i].extension, rows[i].critical, TEXT("ext")};
        rf_buf_fixed(&options, option_bytes, sizeof(option_bytes));
        rf_buf_fixed(&extensions, extension_bytes, sizeof(extension_bytes));
        if (option.type != 0)
            rf_option_encode(&option, &options);
        if (extension.type != 0)
            rf_extension_encode(&extension, &extensions);
        make_request(&net, 0, 100 + i, TEXT("x"), rf_buf_view(&options), rf_buf_view(&extensions), &message);
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, RF_US_PER_S / 10);
        rf_buf_deinit(&message);
        assert_int_equal(asked.count, i + 1);
        if (asked.error_code != rows[i].error_code || (asked.option.type != 0) != rows[i].copied)
            fail_msg("%s: Error %#x, option %d", rows[i].name, asked.error_code, asked.option.type);
        if (rows[i].copied) {
            assert_int_equal(asked.option.type, 99);
            assert_int_equal(asked.option.flags, rows[i].flags & RF_OPTION_IGNORE_STATE_KEEPING);
            assert_memory_equal(asked.option_data, "opt", 3);
        }
        assert_int_equal(asked.header.ttl, 100);
        assert_int_equal(asked.header.max_response_len, 0);
        assert_int_equal(asked.header.via.len, 0);
    }
    onet_deinit(&net);
}

/* What a body says by a value unknown to us is dropped without a response, what is merely wrong is told (2.1). */
static void unknown_variants(void **state)
{
    static const struct {
        const char *name;
        uint16_t code;
        struct rf_view body;
        uint16_t error_code; /* 0: silence */
    } rows[] = {
        {"ConfigUpdate of type 3", RF_CODE_CONFIG_UPDATE_REQ, {(const uint8_t *)"\3\0\0\0\3\0\0\0", 8}, 0},
        {"ConfigUpdate cut",
         RF_CODE_CONFIG_UPDATE_REQ,
         {(const uint8_t *)"\1\0\0\0\3\0\0", 7},
         RF_ERROR_INVALID_MESSAGE},
        {"PathTrack to type 9", RF_CODE_PATH_TRACK_REQ, {(const uint8_t *)"\11\1x", 3}, 0},
        {"PathTrack to type 0", RF_CODE_PATH_TRACK_REQ, {(const uint8_t *)"\0\1x", 3}, 0},
        {"PathTrack cut", RF_CODE_PATH_TRACK_REQ, {(const uint8_t *)"\1\20x", 3}, RF_ERROR_INVALID_MESSAGE},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct onet net;
        struct onet_result result;
        onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
        struct rf_call call = {.code = rows[i].code, .body = rows[i].body, .max_transmissions = 2};
        rf_call_to_node(&call, onet_id(&net, 1));
        assert_int_equal(onet_call(&net, 0, &call, &result), 0);
        onet_run(&net, 7 * RF_US_PER_S);
        uint64_t dropped = rows[i].error_code == 0 ? 2 : 0; /* each transmission anew */
        if (result.error_code != rows[i].error_code || result.done != 1 ||
            onet_counters(&net, 1)->dropped_malformed != dropped)
            fail_msg("%s: Error %#x, %llu dropped", rows[i].name, result.error_code,
                     (unsigned long long)onet_counters(&net, 1)->dropped_malformed);
        assert_int_equal(result.error, rows[i].error_code == 0 ? RF_ETIMEOUT : RF_EREMOTE);
        onet_deinit(&net);
    }
}

static void methods(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    struct rf_overlay *o = net.nodes[1].overlay;
    assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, RF_EREMOTE);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    onet_echo_init(&net, 1, &echo);
    struct rf_call call = {.code = 0x7ffd}; /* a code that no table has */
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    rf_request_fn fn = o->handlers[0].fn;
    assert_int_equal(rf_overlay_handle(o, RF_CODE_EXP_A_REQ, fn, NULL), RF_EEXIST);
    assert_int_equal(rf_overlay_handle(o, RF_CODE_PING_REQ, fn, NULL), RF_EEXIST);
    assert_int_equal(rf_overlay_handle(o, RF_CODE_EXP_A_ANS, fn, NULL), RF_EINVAL);
    assert_int_equal(rf_overlay_handle(o, 129, fn, NULL), RF_EINVAL);
    assert_int_equal(rf_overlay_handle(o, RF_CODE_ERROR, fn, NULL), RF_EINVAL);
    onet_deinit(&net);
}

/* ---- the budget ---- */

static size_t good_results(const struct onet_result *results, size_t count)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++)
        good += results[i].done == 1 && results[i].error == 0;
    return good;
}

static void overload(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result *results = calloc(100, sizeof(*results)), ping, other;
    static const uint8_t no_padding[2] = {0, 0};
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.max_requests_per_s = 10;
    onet_start(&net, 3, ONET_MESH);
    onet_echo_init(&net, 1, &echo);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(onet_call_node(&net, 0, 1, TEXT("x"), &results[i]), 0);
    struct rf_call call = {.code = RF_CODE_PING_REQ, .body = rf_view_of(no_padding, 2)};
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &ping), 0);
    assert_int_equal(onet_call_node(&net, 2, 1, TEXT("x"), &other), 0);
    onet_run(&net, RF_US_PER_S / 10);
    /* a second's worth, the maintenance of the same link, and other links */
    assert_int_equal(good_results(results, 100), 10);
    assert_int_equal(echo.count, 11);
    assert_int_equal(ping.error, 0);
    assert_int_equal(ping.done, 1);
    assert_int_equal(other.error, 0);
    assert_int_equal(onet_counters(&net, 1)->refused_overload, 90);
    assert_int_equal(onet_counters(&net, 1)->errors_sent, 40); /* these are told, within the rate */
    /* who was told, or not, asks again */
    onet_run(&net, 16 * RF_US_PER_S);
    size_t good = good_results(results, 100);
    assert_int_equal(good, 50); /* at 0, 3, 6, 9 and 12 s */
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(results[i].done, 1);
        if (results[i].error != 0)
            assert_true(results[i].error == RF_ETIMEOUT || results[i].error_code == RF_ERROR_REQUEST_TIMEOUT);
    }
    free(results);
    onet_deinit(&net);
}

/* Copies that neighbors send are maintenance, but not what comes from afar. */
static void replica_stores(void **state)
{
    static const uint8_t replica[] = {1, 'r', 2, 0, 0, 0, 0}, first[] = {1, 'r', 0, 0, 0, 0, 0};
    struct onet net;
    struct onet_result result;
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.max_requests_per_s = 1;
    onet_start(&net, 3, ONET_LINE);
    struct rf_call call = {
        .code = RF_CODE_STORE_REQ, .body = rf_view_of(first, sizeof(first)), .max_transmissions = 1};
    rf_call_to_node(&call, onet_id(&net, 1));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(onet_call(&net, 0, &call, &result), 0);
        onet_run(&net, 30 * RF_US_PER_MS);
        /* there is no storage here: the first is refused as unknown, the second at the budget */
        assert_int_equal(onet_counters(&net, 1)->refused_overload, i);
    }
    call.body = rf_view_of(replica, sizeof(replica));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 30 * RF_US_PER_MS);
    assert_int_equal(onet_counters(&net, 1)->refused_overload, 1);
    assert_int_equal(result.error_code, RF_ERROR_INVALID_MESSAGE);
    /* the same from node 0 for node 2, through node 1 */
    rf_call_to_node(&call, onet_id(&net, 2));
    call.dests[0] = call.dests[1];
    call.dest_count = 1;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(onet_call(&net, 0, &call, &result), 0);
        onet_run(&net, 50 * RF_US_PER_MS);
    }
    assert_int_equal(onet_counters(&net, 2)->refused_overload, 1);
    onet_deinit(&net);
}

static void little_in_all(struct rf_overlay_config *config)
{
    config->max_requests_per_s_total = 10;
}

/* Over all links: the ring first, then who is served, then clients that would like to be. */
static void overload_in_all(void **state)
{
    static const uint8_t leave[] = {0, 0};
    uint8_t wish_bytes[32];
    struct onet net;
    struct onet_echo echo;
    struct onet_result results[20], client, ring;
    struct rf_buf wish;
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.adjust_overlay = little_in_all;
    onet_start(&net, 3, ONET_MESH);
    onet_echo_init(&net, 1, &echo);
    for (size_t i = 0; i < 20; i++) /* from two nodes in turn */
        assert_int_equal(onet_call_node(&net, i % 2 ? 0 : 2, 1, TEXT("x"), &results[i]), 0);
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(good_results(results, 20), 10);
    assert_int_equal(onet_counters(&net, 1)->refused_overload, 10);
    /* what is of the ring goes on: an unknown method here, but nobody refuses it for want of time */
    struct rf_call call = {
        .code = RF_CODE_LEAVE_REQ, .body = rf_view_of(leave, sizeof(leave)), .max_transmissions = 1};
    rf_call_to_node(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &ring), 0);
    call.code = RF_CODE_ATTACH_REQ;
    assert_int_equal(onet_call(&net, 2, &call, &ring), 0);
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(onet_counters(&net, 1)->refused_overload, 10);
    assert_int_equal(ring.error_code, RF_ERROR_INVALID_MESSAGE);
    /* a client that comes waits until the bucket is more than half full */
    rf_buf_fixed(&wish, wish_bytes, sizeof(wish_bytes));
    rf_admit_wish_put(RF_ADMIT_HOME, false, &wish);
    call.extensions = rf_buf_view(&wish);
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(onet_call(&net, 0, &call, &client), 0);
    assert_int_equal(onet_call_node(&net, 2, 1, TEXT("y"), &results[0]), 0);
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(results[0].error, 0);
    assert_int_equal(onet_counters(&net, 1)->refused_overload, 11);
    onet_run(&net, 6 * RF_US_PER_S);
    assert_int_equal(onet_call(&net, 0, &call, &client), 0);
    onet_run(&net, RF_US_PER_S / 10);
    assert_int_equal(client.error_code, RF_ERROR_INVALID_MESSAGE); /* nobody handles it here */
    onet_deinit(&net);
}

int test_overlay_requests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates),
        cmocka_unit_test(overload_in_all),
        cmocka_unit_test(lifetime),
        cmocka_unit_test(bounded_cache),
        cmocka_unit_test(deferred),
        cmocka_unit_test(answer_after_the_link),
        cmocka_unit_test(sizes),
        cmocka_unit_test(options_and_extensions),
        cmocka_unit_test(unknown_variants),
        cmocka_unit_test(methods),
        cmocka_unit_test(overload),
        cmocka_unit_test(replica_stores),
    };
    return cmocka_run_group_tests_name("overlay_requests", tests, NULL, NULL);
}
