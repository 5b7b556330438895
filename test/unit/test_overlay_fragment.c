/* test_overlay_fragment.c - sending in fragments, and putting together what arrives in any order, twice, or not at all. */
#include "test_overlay.h"

#include "overlay/internal.h"

static void over_a_line(void **state)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    uint8_t body[3000];
    (void)state;
    onet_prepare(&net, 1, NULL, NULL);
    net.max_message = 700;
    onet_start(&net, 4, ONET_LINE);
    onet_echo_init(&net, 3, &echo);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(onet_call_node(&net, 0, 3, rf_view_of(body, sizeof(body)), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.body_len, sizeof(body));
    assert_memory_equal(result.body, body, sizeof(body));
    assert_int_equal(echo.via_len, 2 * 18);
    assert_int_equal(echo.header.via_count, 2);
    assert_true(onet_counters(&net, 0)->fragments_sent >= 5);
    assert_int_equal(onet_counters(&net, 0)->fragments_received,
                     onet_counters(&net, 1)->forwarded - onet_counters(&net, 3)->fragments_received);
    assert_int_equal(onet_counters(&net, 1)->fragments_received, 0); /* who forwards puts nothing together */
    assert_int_equal(onet_fragments(&net, 0, NULL), 0);
    assert_int_equal(onet_fragments(&net, 3, NULL), 0);
    /* what fits is sent whole */
    uint64_t sent = onet_counters(&net, 0)->fragments_sent;
    assert_int_equal(onet_call_node(&net, 0, 3, TEXT("x"), &result), 0);
    onet_run(&net, RF_US_PER_S);
    assert_int_equal(result.error, 0);
    assert_int_equal(onet_counters(&net, 0)->fragments_sent, sent);
    onet_deinit(&net);
}

static void lost_twice_and_late(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct onet net;
        struct onet_echo echo;
        struct onet_result *results = calloc(40, sizeof(*results));
        uint8_t body[2500];
        size_t good = 0;
        onet_prepare(&net, seed, NULL, NULL);
        net.max_message = 600;
        onet_start(&net, 3, ONET_LINE);
        onet_echo_init(&net, 2, &echo);
        net.loss_percent = 4;
        net.duplicate_percent = 30;
        net.jitter_us = 2 * RF_US_PER_S;
        for (size_t i = 0; i < 40; i++) {
            memset(body, (int)i, sizeof(body));
            assert_int_equal(onet_call_node(&net, 0, 2, rf_view_of(body, sizeof(body)), &results[i]), 0);
            onet_run(&net, RF_US_PER_S);
        }
        onet_run(&net, 40 * RF_US_PER_S);
        for (size_t i = 0; i < 40; i++) {
            assert_int_equal(results[i].done, 1);
            memset(body, (int)i, sizeof(body));
            if (results[i].error != 0)
                continue;
            good++;
            assert_int_equal(results[i].body_len, sizeof(body));
            assert_memory_equal(results[i].body, body, sizeof(body));
        }
        assert_true(good >= 35);
        assert_true(echo.count <= 40);
        for (size_t i = 0; i < 3; i++) { /* duplicates begin new ones, which end with time */
            size_t bytes, waiting = onet_fragments(&net, i, &bytes);
            assert_int_equal(waiting, 0);
            assert_int_equal(bytes, 0);
        }
        free(results);
        onet_deinit(&net);
    }
}

/* ---- pieces by hand ---- */

struct pieces {
    struct onet net;
    struct onet_echo echo;
    struct rf_buf message; /* of node 0 for node 1 */
    struct rf_header header;
    struct rf_view rest;
};

static void pieces_init(struct pieces *p, void (*adjust)(struct rf_overlay_config *config))
{
    static const uint8_t body[2000] = {1, 2, 3};
    uint8_t bytes[32];
    struct rf_buf dests;
    onet_prepare(&p->net, 1, NULL, NULL);
    p->net.adjust_overlay = adjust;
    onet_start(&p->net, 2, ONET_LINE);
    onet_echo_init(&p->net, 1, &p->echo);
    rf_buf_fixed(&dests, bytes, sizeof(bytes));
    struct rf_dest dest = rf_dest_node(onet_id(&p->net, 1));
    rf_dest_encode(&dest, &dests);
    struct forged forged = {.code = RF_CODE_EXP_A_REQ, .body = rf_view_of(body, sizeof(body))};
    forged.header.ttl = 9;
    forged.header.transaction_id = 77;
    forged.header.dests = rf_buf_view(&dests);
    forge(&p->net, &forged, &p->message);
    p->rest = rf_buf_view(&p->message);
    assert_int_equal(rf_header_decode(&p->rest, 16, &p->header), 0);
}

static void pieces_deinit(struct pieces *p)
{
    rf_buf_deinit(&p->message);
    onet_deinit(&p->net);
}

/* Sends bytes from .. to - 1 as a piece; flip: one byte of it changed; via: a first via entry. */
static void piece(struct pieces *p, size_t from, size_t to, bool last, bool flip, const struct rf_id *via)
{
    uint8_t bytes[4096], via_bytes[32];
    struct rf_buf out, vias;
    struct rf_header header = p->header;
    rf_buf_fixed(&out, bytes, sizeof(bytes));
    rf_buf_fixed(&vias, via_bytes, sizeof(via_bytes));
    header.fragment = RF_FRAGMENT_ALWAYS | (last ? RF_FRAGMENT_LAST : 0) | (uint32_t)from;
    if (via != NULL) {
        struct rf_dest dest = rf_dest_node(via);
        rf_dest_encode(&dest, &vias);
        header.via = rf_buf_view(&vias);
    }
    rf_header_encode(&header, to - from, &out);
    rf_buf_put(&out, p->rest.p + from, to - from);
    if (flip)
        out.p[out.len - 1] ^= 1;
    assert_int_equal(rf_buf_error(&out), 0);
    rf_overlay_receive(p->net.nodes[1].overlay, onet_link_of(&p->net, 1, 0), rf_buf_view(&out));
}

struct script {
    const char *name;
    struct {
        size_t from, to;
        bool flip;
    } pieces[6];
    size_t count;
    size_t executed;
    uint64_t dropped;
};

#define END 100000 /* of the data */
static const struct script scripts[] = {
    {"in order", {{0, 1000, false}, {1000, END, false}}, 2, 1, 0},
    {"backwards", {{1500, END, false}, {700, 1500, false}, {0, 700, false}}, 3, 1, 0},
    {"overlapping alike",
     {{0, 1000, false}, {500, 1500, false}, {300, 1200, false}, {1400, END, false}},
     4,
     1,
     0},
    {"overlapping, different", {{0, 1000, false}, {500, 900, true}, {900, END, false}}, 3, 0, 1},
    {"the same twice", {{0, 1000, false}, {0, 1000, false}, {1000, END, false}}, 3, 1, 0},
    {"a gap", {{0, 1000, false}, {1100, END, false}}, 2, 0, 0},
    {"a gap that closes", {{0, 1000, false}, {1100, END, false}, {1000, 1100, false}}, 3, 1, 0},
    {"touching", {{300, 600, false}, {0, 300, false}, {900, END, false}, {600, 900, false}}, 4, 1, 0},
    {"changed on the way", {{0, 1000, false}, {1000, END, true}}, 2, 0, 0}, /* the signature tells */
};

static void by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(scripts); i++) {
        const struct script *s = &scripts[i];
        struct pieces p;
        pieces_init(&p, NULL);
        for (size_t k = 0; k < s->count; k++) {
            bool last = s->pieces[k].to == END;
            piece(&p, s->pieces[k].from, last ? p.rest.len : s->pieces[k].to, last, s->pieces[k].flip, NULL);
        }
        const struct rf_overlay_counters *counters = onet_counters(&p.net, 1);
        if (p.echo.count != s->executed || counters->dropped_fragment != s->dropped)
            fail_msg("%s: executed %zu, dropped %llu", s->name, p.echo.count,
                     (unsigned long long)counters->dropped_fragment);
        /* what is not complete goes after 15 s, and is counted */
        bool waits = onet_fragments(&p.net, 1, NULL) > 0;
        onet_run(&p.net, 15 * RF_US_PER_S + 1);
        assert_int_equal(counters->dropped_fragment, s->dropped + waits);
        size_t bytes;
        (void)onet_fragments(&p.net, 1, &bytes);
        assert_int_equal(bytes, 0);
        pieces_deinit(&p);
    }
}

/* Pieces that claim different ends, or lie beyond it, or beyond max-message-size. */
static void ends(void **state)
{
    struct pieces p;
    (void)state;
    pieces_init(&p, NULL);
    const struct rf_overlay_counters *counters = onet_counters(&p.net, 1);
    piece(&p, 1000, 1500, true, false, NULL);
    piece(&p, 500, 1000, true, false, NULL);
    assert_int_equal(counters->dropped_fragment, 1);
    piece(&p, 1000, 1500, false, false, NULL);
    piece(&p, 500, 1000, true, false, NULL);
    assert_int_equal(counters->dropped_fragment, 2);
    piece(&p, 500, 1000, true, false, NULL);
    piece(&p, 1000, 1500, false, false, NULL);
    assert_int_equal(counters->dropped_fragment, 3);
    p.rest.p -= 4000; /* only the offset matters */
    piece(&p, 4900, 5001, false, false, NULL);
    assert_int_equal(counters->dropped_fragment, 4);
    size_t bytes;
    (void)onet_fragments(&p.net, 1, &bytes);
    assert_int_equal(bytes, 0);
    assert_int_equal(p.echo.count, 0);
    pieces_deinit(&p);
}

/* Pieces of different origins do not mix; the same origin does, however its pieces came. */
static void origins(void **state)
{
    struct pieces p;
    (void)state;
    pieces_init(&p, NULL);
    struct rf_id other = *onet_id(&p.net, 0);
    other.b[5] = 1;
    piece(&p, 0, 1000, false, false, NULL);
    piece(&p, 1000, p.rest.len, true, false, &other);
    assert_int_equal(p.echo.count, 0);
    assert_int_equal(onet_fragments(&p.net, 1, NULL), 2);
    piece(&p, 1000, p.rest.len, true, false, onet_id(&p.net, 0));
    assert_int_equal(p.echo.count, 1);
    piece(&p, 0, 1000, false, false, &other); /* the same signed bytes: a duplicate */
    assert_int_equal(p.echo.count, 1);
    assert_int_equal(onet_counters(&p.net, 1)->answered_from_cache, 1);
    pieces_deinit(&p);
}

static void little_memory(struct rf_overlay_config *config)
{
    config->max_fragment_bytes = 40000;
}

static void memory(void **state)
{
    struct pieces p;
    (void)state;
    pieces_init(&p, little_memory);
    const struct rf_overlay_counters *counters = onet_counters(&p.net, 1);
    size_t bytes;
    for (size_t i = 0; i < 50; i++) {
        p.header.transaction_id = 1000 + i;
        piece(&p, 0, 1500, false, false, NULL);
    }
    /* one link may fill a quarter */
    assert_in_range(onet_fragments(&p.net, 1, &bytes), 4, 6);
    assert_true(bytes <= 10000);
    assert_true(counters->dropped_fragment >= 40);
    onet_cut(&p.net, 0); /* the memory stays charged until its time is over */
    (void)onet_fragments(&p.net, 1, &bytes);
    assert_true(bytes > 5000);
    onet_connect(&p.net, 0, 1);
    onet_run(&p.net, 15 * RF_US_PER_S + 1);
    (void)onet_fragments(&p.net, 1, &bytes);
    assert_int_equal(bytes, 0);
    p.header.transaction_id = 77;
    piece(&p, 0, 1500, false, false, NULL);
    piece(&p, 1500, p.rest.len, true, false, NULL);
    assert_int_equal(p.echo.count, 1);
    pieces_deinit(&p);
}

/* Many holes: more than one message needs, and bounded. */
static void holes(void **state)
{
    struct pieces p;
    (void)state;
    pieces_init(&p, NULL);
    for (size_t i = 0; i < 32; i++)
        piece(&p, 20 * i, 20 * i + 10, false, false, NULL);
    assert_int_equal(onet_counters(&p.net, 1)->dropped_fragment, 0);
    piece(&p, 20 * 32, 20 * 32 + 10, false, false, NULL);
    assert_int_equal(onet_counters(&p.net, 1)->dropped_fragment, 1);
    pieces_deinit(&p);
}

int test_overlay_fragment(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_line), cmocka_unit_test(lost_twice_and_late),
        cmocka_unit_test(by_hand),     cmocka_unit_test(ends),
        cmocka_unit_test(origins),     cmocka_unit_test(memory),
        cmocka_unit_test(holes),
    };
    return cmocka_run_group_tests_name("overlay_fragment", tests, NULL, NULL);
}
