/* test_overlay_small.c - links that take only small messages: who cuts, who cuts again, and who puts together. */
#include "test_overlay.h"

#include "overlay/internal.h"

#define ROOM 1155 /* of a link over DTLS */

/* What went over the links from each node. */
struct seen {
    size_t messages[ONET_MAX_NODES], pieces[ONET_MAX_NODES], longest[ONET_MAX_NODES];
    size_t shortest_data; /* of the pieces */
};

static bool see(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct seen *seen = arg;
    struct rf_view rest = *message;
    struct rf_header header;
    (void)to;
    assert_int_equal(rf_header_decode(&rest, 16, &header), 0);
    seen->messages[from]++;
    if (message->len > seen->longest[from])
        seen->longest[from] = message->len;
    if (rf_header_is_whole(&header))
        return true;
    seen->pieces[from]++;
    if (seen->shortest_data == 0 || rest.len < seen->shortest_data)
        seen->shortest_data = rest.len;
    return true;
}

struct line {
    struct onet net;
    struct onet_echo echo;
    struct onet_result result;
    struct seen seen;
    uint8_t body[4000];
};

/* A line of so many; rooms[i]: of the link from i to i + 1. The last echoes. */
static void line_init(struct line *l, const size_t *rooms, size_t count)
{
    *l = (struct line){.seen = {.shortest_data = 0}};
    onet_prepare(&l->net, 1, NULL, NULL);
    onet_start(&l->net, count, ONET_LINE);
    for (size_t i = 0; i + 1 < count; i++) { /* the newest link is taken */
        l->net.max_message = rooms[i];
        onet_connect(&l->net, i, i + 1);
    }
    onet_echo_init(&l->net, count - 1, &l->echo);
    for (size_t i = 0; i < sizeof(l->body); i++)
        l->body[i] = (uint8_t)(i * 7 + i / 256);
    l->net.tap = see;
    l->net.tap_arg = &l->seen;
}

static void line_deinit(struct line *l)
{
    for (size_t i = 0; i < l->net.count; i++)
        assert_int_equal(onet_fragments(&l->net, i, NULL), 0);
    onet_deinit(&l->net);
}

/* A request of that length from 0 to the last, and its echo. */
static void line_call(struct line *l, size_t len)
{
    memset(&l->seen, 0, sizeof(l->seen));
    assert_int_equal(onet_call_node(&l->net, 0, l->net.count - 1, rf_view_of(l->body, len), &l->result), 0);
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(l->result.error, 0);
    assert_int_equal(l->result.transmissions, 1);
    assert_int_equal(l->result.body_len, len);
    assert_memory_equal(l->result.body, l->body, len);
}

/* One small link in the middle: whoever sends over it cuts, those behind pass the pieces on, the two ends put together. */
static void in_the_middle(void **state)
{
    static const size_t rooms[] = {0, ROOM, 0, 0};
    struct line *l = calloc(1, sizeof(*l));
    (void)state;
    line_init(l, rooms, 5);
    line_call(l, 2500);
    assert_int_equal(onet_counters(&l->net, 0)->fragments_sent, 0);
    assert_int_equal(onet_counters(&l->net, 1)->fragments_sent, 4); /* the request */
    assert_int_equal(onet_counters(&l->net, 2)->fragments_sent, 3); /* the answer: it does not grow */
    assert_int_equal(onet_counters(&l->net, 3)->fragments_sent, 0);
    assert_int_equal(onet_counters(&l->net, 4)->fragments_sent, 0);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(onet_counters(&l->net, i)->fragments_received, 0);
    assert_int_equal(onet_counters(&l->net, 4)->fragments_received, 4);
    assert_int_equal(onet_counters(&l->net, 0)->fragments_received, 3);
    assert_int_equal(l->echo.header.via_count, 3); /* as if it had come whole */
    assert_true(l->seen.longest[1] <= ROOM);
    assert_true(l->seen.longest[0] > 2500);
    /* what fits is not cut, whichever way it goes */
    line_call(l, 600);
    assert_int_equal(l->seen.pieces[1] + l->seen.pieces[2], 0);
    line_deinit(l);
    free(l);
}

/* Each link smaller than the one before: pieces are cut again, and on the way back pass as they are. */
static void smaller_and_smaller(void **state)
{
    static const size_t rooms[] = {2000, 1000, 500};
    struct line *l = calloc(1, sizeof(*l));
    (void)state;
    line_init(l, rooms, 4);
    line_call(l, 4000);
    for (size_t i = 0; i < 3; i++) {
        assert_true(l->seen.longest[i] <= rooms[i]);
        assert_true(l->seen.pieces[i] > 0);
    }
    assert_true(l->seen.shortest_data >= RF_FRAGMENT_MIN_LEN);
    assert_true(onet_counters(&l->net, 1)->fragments_sent > 0 &&
                onet_counters(&l->net, 2)->fragments_sent > 0);
    assert_int_equal(onet_counters(&l->net, 1)->fragments_received, 0);
    assert_int_equal(onet_counters(&l->net, 2)->fragments_received, 0);
    line_deinit(l);
    free(l);
}

/* There is room left for the via list: over six hops of the same kind nobody cuts again. */
static void alike(void **state)
{
    static const size_t rooms[] = {ROOM, ROOM, ROOM, ROOM, ROOM, ROOM};
    struct line *l = calloc(1, sizeof(*l));
    (void)state;
    line_init(l, rooms, 7);
    line_call(l, 4000);
    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(onet_counters(&l->net, i)->fragments_sent, 0);
        assert_true(l->seen.longest[i] <= ROOM);
    }
    assert_int_equal(onet_counters(&l->net, 0)->fragments_sent, 5);
    line_deinit(l);
    free(l);
}

/* To the node at the other end pieces are as long as may be, equal but for one byte. */
static void next_door(void **state)
{
    static const size_t rooms[] = {ROOM};
    struct line *l = calloc(1, sizeof(*l));
    (void)state;
    line_init(l, rooms, 2);
    line_call(l, 3600);
    assert_int_equal(onet_counters(&l->net, 0)->fragments_sent, 4);
    assert_int_equal(l->seen.pieces[1], 4);
    assert_true(l->seen.shortest_data >= 1000);
    line_deinit(l);
    free(l);
}

/* What left over a link that broke goes over the next one, which takes less. */
static void over_another(void **state)
{
    static const size_t rooms[] = {0};
    struct line *l = calloc(1, sizeof(*l));
    struct rf_buf message, dests;
    uint8_t dest_bytes[32];
    (void)state;
    line_init(l, rooms, 2);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    struct rf_dest dest = rf_dest_node(onet_id(&l->net, 1));
    rf_dest_encode(&dest, &dests);
    struct forged forged = {.code = RF_CODE_EXP_A_REQ, .body = rf_view_of(l->body, 3000)};
    forged.header.ttl = 9;
    forged.header.dests = rf_buf_view(&dests);
    forge(&l->net, &forged, &message);
    uint64_t whole = onet_link_of(&l->net, 0, 1);
    l->net.max_message = ROOM;
    onet_connect(&l->net, 0, 1);
    uint64_t small = onet_link_of(&l->net, 0, 1);
    assert_int_equal(rf_overlay_resend(l->net.nodes[0].overlay, small, rf_buf_view(&message)), 0);
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(l->echo.count, 1);
    assert_int_equal(onet_counters(&l->net, 1)->fragments_received, 4);
    assert_int_equal(rf_overlay_resend(l->net.nodes[0].overlay, whole, rf_buf_view(&message)), 0);
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(onet_counters(&l->net, 1)->answered_from_cache, 1);
    assert_int_equal(onet_counters(&l->net, 1)->fragments_received, 4);
    assert_int_equal(rf_overlay_resend(l->net.nodes[0].overlay, 999, rf_buf_view(&message)), RF_ENOTFOUND);
    rf_buf_deinit(&message);
    line_deinit(l);
    free(l);
}

/* Losses of pieces are repaired from end to end, and what a full link does not take is counted. */
static void loss(void **state)
{
    static const size_t rooms[] = {0, ROOM, 0};
    struct line *l = calloc(1, sizeof(*l));
    size_t good = 0;
    (void)state;
    line_init(l, rooms, 4);
    l->net.loss_percent = 5;
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(onet_call_node(&l->net, 0, 3, rf_view_of(l->body, 2500), &l->result), 0);
        onet_run(&l->net, 16 * RF_US_PER_S);
        assert_int_equal(l->result.done, 1);
        good += l->result.error == 0;
        assert_true(l->result.error != 0 || memcmp(l->result.body, l->body, 2500) == 0);
    }
    assert_true(good >= 28);
    l->net.loss_percent = 0;
    onet_run(&l->net, 16 * RF_US_PER_S);
    l->net.links[l->net.link_count - 2].full = true;
    assert_int_equal(onet_call_node(&l->net, 0, 3, rf_view_of(l->body, 2500), &l->result), 0);
    onet_run(&l->net, 16 * RF_US_PER_S);
    assert_int_equal(l->result.error, RF_ETIMEOUT);
    assert_int_equal(onet_counters(&l->net, 1)->dropped_backlog, 5);
    onet_run(&l->net, 16 * RF_US_PER_S);
    line_deinit(l);
    free(l);
}

/* `count` different Node-IDs that nobody has. */
static void put_nodes(struct rf_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rf_id id = {.len = 16, .b = {0xee, (uint8_t)(i >> 8), (uint8_t)i, 1}};
        struct rf_dest dest = rf_dest_node(&id);
        rf_dest_encode(&dest, out);
    }
}

/* A via list so long that no piece would have room beside it is kept by the node before the small link; the answer finds its way. */
static void long_via(void **state)
{
    static const size_t rooms[] = {0, ROOM};
    struct line *l = calloc(1, sizeof(*l));
    struct rf_buf message, dests, vias;
    uint8_t dest_bytes[32];
    (void)state;
    line_init(l, rooms, 3);
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_buf_init(&vias, rf_mem_system(), 4096);
    struct rf_dest dest = rf_dest_node(onet_id(&l->net, 2));
    rf_dest_encode(&dest, &dests);
    put_nodes(&vias, 45);
    struct forged forged = {.code = RF_CODE_EXP_A_REQ, .body = rf_view_of(l->body, 1200)};
    forged.header.ttl = 9;
    forged.header.dests = rf_buf_view(&dests);
    forged.header.via = rf_buf_view(&vias);
    forge(&l->net, &forged, &message);
    onet_send_raw(&l->net, 0, 1, rf_buf_view(&message));
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(onet_counters(&l->net, 1)->vias_compressed, 1);
    assert_int_equal(onet_counters(&l->net, 1)->fragments_sent, 2);
    assert_int_equal(l->echo.count, 1);
    assert_int_equal(l->echo.via_len, 2);                          /* the ID, which stands for all of it */
    assert_int_equal(onet_counters(&l->net, 1)->forwarded, 2 + 1); /* the answer's pieces, to 0 */
    rf_buf_deinit(&message);
    /* short enough beside two pieces: it stays */
    vias.len = 18 * 20;
    forged.header.via = rf_buf_view(&vias);
    forged.header.transaction_id = 5;
    forge(&l->net, &forged, &message);
    onet_send_raw(&l->net, 0, 1, rf_buf_view(&message));
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(onet_counters(&l->net, 1)->vias_compressed, 1);
    assert_int_equal(l->echo.count, 2);
    assert_int_equal(l->echo.via_len, 18 * 21);
    rf_buf_deinit(&message);
    rf_buf_deinit(&vias);
    line_deinit(l);
    free(l);
}

/* A destination list that leaves no room for 256 bytes: refused, with the reason, as the link takes nothing larger. */
static void long_dests(void **state)
{
    static const size_t rooms[] = {0, ROOM};
    struct line *l = calloc(1, sizeof(*l));
    struct rf_buf message, dests;
    (void)state;
    line_init(l, rooms, 3);
    rf_buf_init(&dests, rf_mem_system(), 4096);
    struct rf_dest dest = rf_dest_node(onet_id(&l->net, 2));
    rf_dest_encode(&dest, &dests);
    put_nodes(&dests, 60);
    struct forged forged = {.code = RF_CODE_EXP_A_REQ, .body = rf_view_of(l->body, 1200)};
    forged.header.ttl = 9;
    forged.header.dests = rf_buf_view(&dests);
    forge(&l->net, &forged, &message);
    onet_send_raw(&l->net, 0, 1, rf_buf_view(&message));
    onet_run(&l->net, RF_US_PER_S);
    assert_int_equal(onet_counters(&l->net, 1)->dropped_too_large, 1);
    assert_int_equal(onet_counters(&l->net, 1)->errors_sent, 1);
    assert_int_equal(onet_counters(&l->net, 1)->forwarded, 0);
    assert_int_equal(l->seen.messages[1], 1); /* the Error */
    rf_buf_deinit(&message);
    rf_buf_deinit(&dests);
    line_deinit(l);
    free(l);
}

int test_overlay_small(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_middle), cmocka_unit_test(smaller_and_smaller), cmocka_unit_test(alike),
        cmocka_unit_test(next_door),     cmocka_unit_test(over_another),        cmocka_unit_test(loss),
        cmocka_unit_test(long_via),      cmocka_unit_test(long_dests),
    };
    return cmocka_run_group_tests_name("overlay_small", tests, NULL, NULL);
}
