/* test_overlay_forward.c - the way of a message through forwarding nodes, and what they drop. */
#include "test_overlay.h"

#include "overlay/internal.h"

/* What was seen on the links. */
struct seen {
    struct onet *net;
    size_t count;
    struct {
        size_t from, to;
        struct rf_header header;
        uint16_t code;
        uint8_t via[1024], dests[1024];
        size_t via_len, dests_len;
    } list[64];
};

static bool watch(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct seen *seen = arg;
    struct rf_view rest = *message;
    struct rf_header header;
    assert_int_equal(rf_header_decode(&rest, 16, &header), 0);
    assert_true(seen->count < RF_COUNT(seen->list));
    seen->list[seen->count].from = from;
    seen->list[seen->count].to = to;
    seen->list[seen->count].header = header;
    seen->list[seen->count].code = forward_code(&header, rest);
    seen->list[seen->count].via_len = header.via.len;
    seen->list[seen->count].dests_len = header.dests.len;
    if (header.via.len > 0)
        memcpy(seen->list[seen->count].via, header.via.p, header.via.len);
    memcpy(seen->list[seen->count].dests, header.dests.p, header.dests.len);
    seen->count++;
    return true;
}

/* The list as node numbers, "01"; R a Resource-ID, ? anything else. */
static const char *names(const struct onet *net, const uint8_t *bytes, size_t len)
{
    static char text[64];
    struct rf_view list = rf_view_of(bytes, len);
    struct rf_dest dest;
    size_t n = 0;
    while (list.len > 0 && rf_dest_next(&list, 16, &dest) == 0) {
        char c = dest.type == RF_DEST_RESOURCE ? 'R' : '?';
        for (size_t i = 0; i < net->count && dest.type == RF_DEST_NODE; i++)
            if (rf_id_equal(&dest.id, onet_id(net, i)))
                c = (char)('0' + i);
        text[n++] = c;
    }
    text[n] = '\0';
    return text;
}

static void line_of_five(void **state)
{
    static const char *const vias[] = {"", "0", "01", "012"};
    static const char *const dests[] = {"3210", "210", "10", "0"};
    struct onet net;
    struct seen seen = {0};
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 5, NULL, &echo);
    net.tap = watch;
    net.tap_arg = &seen;
    assert_int_equal(onet_call_node(&net, 0, 4, TEXT("hello"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.body_len, 5);
    assert_memory_equal(result.body, "hello", 5);
    assert_true(rf_id_equal(&result.signer, onet_id(&net, 4)));
    assert_int_equal(result.rtt_us, 80 * RF_US_PER_MS);
    assert_int_equal(result.transmissions, 1);
    assert_int_equal(seen.count, 8);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(seen.list[i].from, i);
        assert_int_equal(seen.list[i].code, RF_CODE_EXP_A_REQ);
        assert_int_equal(seen.list[i].header.ttl, 100 - i);
        assert_string_equal(names(&net, seen.list[i].via, seen.list[i].via_len), vias[i]);
        assert_string_equal(names(&net, seen.list[i].dests, seen.list[i].dests_len), "4");
        assert_int_equal(seen.list[4 + i].from, 4 - i);
        assert_int_equal(seen.list[4 + i].code, RF_CODE_EXP_A_ANS);
        assert_int_equal(seen.list[4 + i].header.ttl, 100 - i);
        assert_int_equal(seen.list[4 + i].via_len, 0);
        assert_string_equal(names(&net, seen.list[4 + i].dests, seen.list[4 + i].dests_len), dests[i]);
        assert_true(seen.list[4 + i].header.transaction_id == seen.list[0].header.transaction_id);
    }
    assert_string_equal(names(&net, echo.via, echo.via_len), "012");
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(onet_counters(&net, i)->forwarded, 2);
    assert_int_equal(onet_counters(&net, 4)->delivered_requests, 1);
    assert_int_equal(onet_counters(&net, 0)->delivered_responses, 1);
    onet_deinit(&net);
}

static void to_a_key_and_to_ourselves(void **state)
{
    struct onet net;
    struct onet_echo echo, own;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 5, ONET_LINE, NULL, NULL);
    onet_echo_init(&net, 3, &echo);
    onet_echo_init(&net, 0, &own);
    struct rf_id key = onet_key(&net, 3);
    assert_int_equal(onet_call_key(&net, 0, &key, TEXT("k"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(echo.to_resource && rf_id_equal(&result.signer, onet_id(&net, 3)));
    /* our own key, our Node-ID, the wildcard: no link needed */
    uint64_t messages = net.messages;
    key = onet_key(&net, 0);
    assert_int_equal(onet_call_key(&net, 0, &key, TEXT("self"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(own.to_resource && own.link == 0);
    assert_int_equal(onet_call_node(&net, 0, 0, TEXT("self"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    struct rf_id wildcard = rf_id_wildcard(16);
    struct rf_call call = {.body = TEXT("any")};
    rf_call_to_node(&call, &wildcard);
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(own.to_wildcard);
    assert_int_equal(own.count, 3);
    assert_int_equal(net.messages, messages);
    assert_int_equal(onet_counters(&net, 0)->looped_back, 6);
    onet_deinit(&net);
}

static void source_routes(void **state)
{
    struct onet net;
    struct seen seen = {.net = &net};
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 5, ONET_MESH, NULL, NULL);
    onet_echo_init(&net, 4, &echo);
    net.tap = watch;
    net.tap_arg = &seen;
    /* 0 -> 2 -> 3 -> 4, although 0 is linked with all of them */
    struct rf_call call = {.body = TEXT("x")};
    rf_call_to_node(&call, onet_id(&net, 4));
    rf_call_via(&call, onet_id(&net, 2));
    rf_call_via(&call, onet_id(&net, 3));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_string_equal(names(&net, echo.via, echo.via_len), "02");
    assert_int_equal(seen.count, 6);
    assert_string_equal(names(&net, seen.list[0].dests, seen.list[0].dests_len), "234");
    assert_string_equal(names(&net, seen.list[1].dests, seen.list[1].dests_len), "34");
    assert_string_equal(names(&net, seen.list[2].dests, seen.list[2].dests_len), "4");
    assert_string_equal(names(&net, seen.list[3].dests, seen.list[3].dests_len), "320");
    /* to a key through a named node, and over a named link to whoever is there */
    struct rf_id key = onet_key(&net, 4), wildcard = rf_id_wildcard(16);
    call = (struct rf_call){.body = TEXT("x")};
    rf_call_to_resource(&call, &key);
    rf_call_via(&call, onet_id(&net, 1));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_string_equal(names(&net, echo.via, echo.via_len), "0");
    call = (struct rf_call){.body = TEXT("x"), .link = onet_link_of(&net, 0, 4)};
    rf_call_to_node(&call, &wildcard);
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(echo.to_wildcard && echo.via_len == 0);
    assert_int_equal(result.link, onet_link_of(&net, 0, 4));
    onet_deinit(&net);
}

/* A source route that leads through node 1 twice: the answer need not. */
static void way_back_without_circles(void **state)
{
    struct onet net;
    struct seen seen = {.net = &net};
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    size_t k = onet_add_client(&net, 1);
    onet_echo_init(&net, k, &echo);
    net.tap = watch;
    net.tap_arg = &seen;
    struct rf_call call = {.body = TEXT("x")};
    rf_call_to_node(&call, onet_id(&net, k));
    rf_call_via(&call, onet_id(&net, 2));
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.transmissions, 1);
    assert_string_equal(names(&net, echo.via, echo.via_len), "012");
    assert_int_equal(seen.count, 4 + 2);
    assert_string_equal(names(&net, seen.list[4].dests, seen.list[4].dests_len), "10");
    onet_deinit(&net);
}

static void clients(void **state)
{
    struct onet net;
    struct onet_echo of_client, of_peer;
    struct onet_result result;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    size_t k = onet_add_client(&net, 0), m = onet_add_client(&net, 2);
    onet_echo_init(&net, m, &of_client);
    onet_echo_init(&net, 2, &of_peer);
    /* client to client, over their supernodes */
    assert_int_equal(onet_call_node(&net, k, m, TEXT("hi"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(rf_id_equal(&result.signer, onet_id(&net, m)));
    assert_string_equal(names(&net, of_client.via, of_client.via_len), "301");
    /* a client and a key of its own supernode's */
    struct rf_id key = onet_key(&net, 2);
    assert_int_equal(onet_call_key(&net, m, &key, TEXT("mine"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_true(of_peer.to_resource);
    /* a client that is not there: silence, and a timeout after 15 s */
    struct rf_id ghost = *onet_id(&net, m);
    ghost.b[3] ^= 0xff;
    struct rf_call call = {.body = TEXT("?")};
    rf_call_to_node(&call, &ghost);
    assert_int_equal(onet_call(&net, k, &call, &result), 0);
    onet_run(&net, 14 * RF_US_PER_S);
    assert_int_equal(result.done, 0);
    onet_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(result.error, RF_ETIMEOUT);
    assert_int_equal(result.transmissions, 5);
    assert_int_equal(onet_counters(&net, 2)->dropped_bad_destination, 5);
    assert_int_equal(net.nodes[k].unresponsive, 1);
    /* a client forwards nothing, and is responsible for nothing */
    assert_int_equal(onet_counters(&net, m)->forwarded, 0);
    call = (struct rf_call){.body = TEXT("?"), .link = onet_link_of(&net, 2, m), .max_transmissions = 1};
    rf_call_to_resource(&call, &key);
    assert_int_equal(onet_call(&net, 2, &call, &result), 0);
    onet_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(result.error, RF_ETIMEOUT);
    assert_int_equal(onet_counters(&net, m)->dropped_no_route, 1);
    onet_deinit(&net);
}

/* ---- what is dropped, and what is told about it ---- */

struct drop_row {
    const char *name;
    struct rf_header header;
    size_t counter;      /* offset */
    uint16_t error_code; /* told to the sender, 0 nothing */
    enum { AS_IS, TO_KEY_2, TO_SELF_TWICE, OPTION, OPTION_KNOWN, LOOP, VIA_KEY, VIA_TWICE, VIA_OFTEN } how;
    uint16_t code; /* 0: exp_a */
    size_t body_len;
};

#define AT(name) offsetof(struct rf_overlay_counters, name)
static const struct drop_row drop_rows[] = {
    {"foreign overlay",
     {.overlay = 0x12345678, .ttl = 100},
     AT(dropped_overlay),
     RF_ERROR_INCOMPATIBLE_WITH_OVERLAY,
     AS_IS,
     0,
     0},
    {"ttl above initial", {.ttl = 101}, AT(dropped_ttl), RF_ERROR_TTL_EXCEEDED, AS_IS, 0, 0},
    {"ttl ran out", {.ttl = 0}, AT(dropped_ttl), RF_ERROR_TTL_EXCEEDED, TO_KEY_2, 0, 0},
    {"an entry twice",
     {.ttl = 9},
     AT(dropped_bad_destination),
     RF_ERROR_INVALID_MESSAGE,
     TO_SELF_TWICE,
     0,
     0},
    {"critical option", {.ttl = 9}, AT(dropped_option), RF_ERROR_UNSUPPORTED_FORWARDING_OPTION, OPTION, 0, 0},
    {"known option",
     {.ttl = 9},
     AT(forwarded),
     RF_ERROR_UNKNOWN_EXTENSION,
     OPTION_KNOWN,
     0,
     0}, /* node 2 answers, but not directly */
    {"back to the sender", {.ttl = 9}, AT(dropped_loop), RF_ERROR_UPSTREAM_MISROUTING, LOOP, 0, 0},
    {"ttl ran out, diagnostic",
     {.ttl = 0},
     AT(dropped_ttl),
     RF_ERROR_TTL_HOPS_EXCEEDED,
     TO_KEY_2,
     RF_CODE_PATH_TRACK_REQ,
     0},
    {"Resource-ID in the via list", {.ttl = 9}, AT(dropped_via), 0, VIA_KEY, 0, 0},
    {"here for the third time", {.ttl = 9}, AT(forwarded), RF_ERROR_INVALID_MESSAGE, VIA_TWICE, 0, 0},
    {"here once too often", {.ttl = 9}, AT(dropped_loop), RF_ERROR_LOOP_DETECTED, VIA_OFTEN, 0, 0},
    {"too large", {.ttl = 9}, AT(dropped_too_large), RF_ERROR_MESSAGE_TOO_LARGE, AS_IS, 0, 6000},
};

static void put_row_lists(const struct onet *net, const struct drop_row *row, struct rf_buf *dests,
                          struct rf_buf *options)
{
    struct rf_id id = onet_key(net, row->how == LOOP ? 0 : 2);
    struct rf_dest dest = row->how == AS_IS || row->how == TO_SELF_TWICE ? rf_dest_node(onet_id(net, 1))
                                                                         : rf_dest_resource(&id);
    rf_dest_encode(&dest, dests);
    if (row->how == TO_SELF_TWICE)
        rf_dest_encode(&dest, dests);
    struct rf_option option = {.type = row->how == OPTION ? 77 : RF_OPTION_EXTENSIVE_ROUTING_MODE,
                               .flags = RF_OPTION_FORWARD_CRITICAL,
                               .data = TEXT("abc")};
    if (row->how == OPTION || row->how == OPTION_KNOWN)
        rf_option_encode(&option, options);
}

/* Node 1 stands in the list itself, or a key does. */
static void put_row_via(const struct onet *net, const struct drop_row *row, struct rf_buf *via)
{
    struct rf_id key = onet_key(net, 2);
    struct rf_dest dest = row->how == VIA_KEY ? rf_dest_resource(&key) : rf_dest_node(onet_id(net, 1));
    size_t count = row->how == VIA_KEY     ? 1
                   : row->how == VIA_TWICE ? 2
                   : row->how == VIA_OFTEN ? OVERLAY_MAX_VISITS
                                           : 0;
    struct rf_dest first = rf_dest_node(onet_id(net, 0));
    if (count > 0)
        rf_dest_encode(&first, via);
    while (count-- > 0)
        rf_dest_encode(&dest, via);
}

/* The Error that node 1 sends back to node 0. */
struct caught {
    size_t count;
    uint16_t error_code;
    uint64_t transaction_id;
};

static bool catch_error(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct caught *caught = arg;
    struct rf_message m;
    struct rf_error_body error;
    if (from != 1 || to != 0)
        return true;
    assert_int_equal(rf_message_decode(*message, 16, &m), 0);
    assert_int_equal(m.code, RF_CODE_ERROR);
    assert_int_equal(rf_error_body_decode(m.body, &error), 0);
    caught->count++;
    caught->error_code = error.code;
    caught->transaction_id = m.header.transaction_id;
    return true;
}

static void drops(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(drop_rows); i++) {
        const struct drop_row *row = &drop_rows[i];
        struct onet net;
        struct caught caught = {0};
        uint8_t dest_bytes[128], option_bytes[128], via_bytes[512];
        struct rf_buf dests, options, via, message;
        onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
        net.tap = catch_error;
        net.tap_arg = &caught;
        rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
        rf_buf_fixed(&options, option_bytes, sizeof(option_bytes));
        rf_buf_fixed(&via, via_bytes, sizeof(via_bytes));
        put_row_lists(&net, row, &dests, &options);
        put_row_via(&net, row, &via);
        static const uint8_t body[6000];
        struct forged forged = {.header = row->header,
                                .code = row->code != 0 ? row->code : RF_CODE_EXP_A_REQ,
                                .body = rf_view_of(body, row->body_len)};
        forged.header.dests = rf_buf_view(&dests);
        forged.header.options = rf_buf_view(&options);
        forged.header.via = rf_buf_view(&via);
        forged.header.transaction_id = 4711;
        forge(&net, &forged, &message);
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, RF_US_PER_S / 10);
        uint64_t count = *(const uint64_t *)((const char *)onet_counters(&net, 1) + row->counter);
        bool answered = row->counter == AT(forwarded); /* by node 2, through node 1 */
        if (count != 1 + (uint64_t)answered || caught.error_code != row->error_code)
            fail_msg("%s: counted %llu, Error %#x", row->name, (unsigned long long)count, caught.error_code);
        assert_int_equal(caught.count, row->error_code != 0);
        if (caught.count > 0)
            assert_true(caught.transaction_id == 4711);
        rf_buf_deinit(&message);
        /* nobody is told about a response */
        forged.code = RF_CODE_EXP_A_ANS;
        forge(&net, &forged, &message);
        onet_send_raw(&net, 0, 1, rf_buf_view(&message));
        onet_run(&net, RF_US_PER_S / 10);
        assert_int_equal(caught.count, row->error_code != 0);
        rf_buf_deinit(&message);
        onet_deinit(&net);
    }
}

static void malformed(void **state)
{
    struct onet net;
    struct rf_buf message, dests;
    uint8_t dest_bytes[64];
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    struct rf_dest dest = rf_dest_node(onet_id(&net, 1));
    rf_dest_encode(&dest, &dests);
    struct forged forged = {
        .header = {.ttl = 9, .transaction_id = 1}, .code = RF_CODE_EXP_A_REQ, .body = TEXT("x")};
    forged.header.dests = rf_buf_view(&dests);
    forge(&net, &forged, &message);
    /* any prefix, and any version but ours */
    for (size_t len = 0; len < message.len; len += 7)
        rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 0), rf_view_of(message.p, len));
    const struct rf_overlay_counters *counters = onet_counters(&net, 1);
    assert_int_equal(counters->received, (message.len + 6) / 7);
    assert_int_equal(counters->dropped_malformed, counters->received);
    message.p[10] = 1;
    rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 0), rf_buf_view(&message));
    assert_int_equal(counters->dropped_overlay, 1);
    message.p[10] = 0x0a;
    /* a link that nobody told us of */
    rf_overlay_receive(net.nodes[1].overlay, 999, rf_buf_view(&message));
    assert_int_equal(counters->dropped_unknown_link, 1);
    /* a changed body does not verify */
    message.p[message.len - 1] ^= 1;
    rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 0), rf_buf_view(&message));
    assert_int_equal(counters->dropped_signature, 1);
    assert_int_equal(counters->errors_sent, 0);
    rf_buf_deinit(&message);
    onet_deinit(&net);
}

static void errors_are_limited(void **state)
{
    struct onet net;
    struct rf_buf message, dests;
    uint8_t dest_bytes[64];
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    struct rf_id key = onet_key(&net, 2);
    struct rf_dest dest = rf_dest_resource(&key);
    rf_dest_encode(&dest, &dests);
    struct forged forged = {
        .header = {.ttl = 0, .transaction_id = 1}, .code = RF_CODE_EXP_A_REQ, .body = TEXT("x")};
    forged.header.dests = rf_buf_view(&dests);
    forge(&net, &forged, &message);
    for (size_t i = 0; i < 100; i++)
        rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 0), rf_buf_view(&message));
    assert_int_equal(onet_counters(&net, 1)->errors_sent, 40);
    assert_int_equal(onet_counters(&net, 1)->errors_limited, 60);
    /* another link has its own share, and time brings it back */
    rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 2), rf_buf_view(&message));
    assert_int_equal(onet_counters(&net, 1)->errors_sent, 41);
    onet_run(&net, RF_US_PER_S / 2);
    for (size_t i = 0; i < 100; i++)
        rf_overlay_receive(net.nodes[1].overlay, onet_link_of(&net, 1, 0), rf_buf_view(&message));
    assert_int_equal(onet_counters(&net, 1)->errors_sent, 51);
    rf_buf_deinit(&message);
    onet_deinit(&net);
}

/* A via list that would make the message too large is kept on the way, and the response finds its way all the same. */
static void compressed_vias(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    (void)state;
    onet_line_init(&net, 8, NULL, &echo);
    /* as large as a message may be when it leaves; each hop needs 18 bytes more */
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ};
    uint8_t *body = calloc(1, 5000);
    size_t len = 5000;
    rf_call_to_node(&call, onet_id(&net, 7));
    do
        call.body = rf_view_of(body, --len);
    while (onet_call(&net, 0, &call, &result) == RF_ELIMIT);
    assert_true(len > 4000);
    rf_overlay_cancel(net.nodes[0].overlay, result.id);
    assert_int_equal(result.error, RF_ECANCELLED);
    call.body.len -=
        20; /* room for one hop: the next keeps the list, and so on, also lists with such an ID in them */
    echo.answer_len = 10;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    uint64_t compressed = 0;
    for (size_t i = 0; i < 8; i++)
        compressed += onet_counters(&net, i)->vias_compressed;
    assert_int_equal(compressed, 3);
    assert_int_equal(echo.via_len, 2);
    /* one that leaves no room at all is refused on the way, as a hint */
    call.body.len = len;
    assert_int_equal(onet_call(&net, 0, &call, &result), 0);
    onet_run(&net, 16 * RF_US_PER_S);
    assert_int_equal(result.error, RF_ETIMEOUT);
    assert_int_equal(result.error_code, RF_ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(onet_counters(&net, 1)->dropped_too_large, 1 + 5); /* with the cancelled one */
    free(body);
    onet_deinit(&net);
}

static void backlog(void **state)
{
    struct onet net;
    struct onet_result result;
    struct onet_echo echo;
    (void)state;
    onet_line_init(&net, 3, NULL, &echo);
    net.links[1].full = true; /* 1 - 2 */
    assert_int_equal(onet_call_node(&net, 0, 2, TEXT("x"), &result), 0);
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(onet_counters(&net, 1)->dropped_backlog, 2);
    net.links[1].full = false;
    onet_run(&net, 4 * RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.transmissions, 3);
    onet_deinit(&net);
}

int test_overlay_forward(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_of_five),    cmocka_unit_test(to_a_key_and_to_ourselves),
        cmocka_unit_test(source_routes),   cmocka_unit_test(way_back_without_circles),
        cmocka_unit_test(clients),         cmocka_unit_test(drops),
        cmocka_unit_test(malformed),       cmocka_unit_test(errors_are_limited),
        cmocka_unit_test(compressed_vias), cmocka_unit_test(backlog),
    };
    return cmocka_run_group_tests_name("overlay_forward", tests, NULL, NULL);
}
