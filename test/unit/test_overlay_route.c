/* test_overlay_route.c - the destination rules of reload.md 1.2 as a table, and opaque IDs. */
#include "test_overlay.h"

#include "overlay/internal.h"

/*
 * Entries of a list: 0..2 peers A B C (linked as a line A - B - C), k the client of B, w wildcard, a b c Resource-IDs that A B C are
 * responsible for, x a Node-ID in B's range that is not connected, y one in A's range, o opaque of the long form, z a compact one
 * that was never issued, i one that B issued for [A, k], r a Resource-ID of a foreign length.
 */
struct row {
    char at; /* the node that decides: A B C or k */
    const char *list;
    bool own;
    enum route_type type;
    size_t drop_count;
    char next;           /* FORWARD: to whom */
    const char *prepend; /* what remains of an expanded opaque ID */
};

static const struct row rows[] = {
    /* wildcard: ours, always */
    {'B', "w", false, ROUTE_DELIVER, 0, 0, ""},
    {'B', "w0", false, ROUTE_DELIVER, 0, 0, ""},
    {'k', "w", false, ROUTE_DELIVER, 0, 0, ""},
    /* our own Node-ID */
    {'B', "1", false, ROUTE_DELIVER, 0, 0, ""},
    {'B', "12", false, ROUTE_FORWARD, 1, 'C', ""},
    {'B', "1c", false, ROUTE_FORWARD, 1, 'C', ""},
    {'B', "1b", false, ROUTE_DELIVER, 1, 0, ""},
    {'B', "1w", false, ROUTE_DELIVER, 1, 0, ""},
    {'k', "k", false, ROUTE_DELIVER, 0, 0, ""},
    {'k', "k0", false, ROUTE_NOWHERE, 0, 0, ""}, /* a client is no transit */
    /* Resource-IDs */
    {'B', "b", false, ROUTE_DELIVER, 0, 0, ""},
    {'B', "b0", false, ROUTE_BAD, 0, 0, ""},
    {'B', "a", false, ROUTE_FORWARD, 0, 'A', ""},
    {'B', "a2", false, ROUTE_BAD, 0, 0, ""},
    {'A', "c", false, ROUTE_FORWARD, 0, 'B', ""},
    {'B', "r", false, ROUTE_BAD, 0, 0, ""},
    {'k', "b", false, ROUTE_NOWHERE, 0, 0, ""},
    {'k', "b", true, ROUTE_FORWARD, 0, 'B', ""},
    {'k', "a", true, ROUTE_FORWARD, 0, 'B', ""},
    /* Node-IDs in our range */
    {'B', "k", false, ROUTE_FORWARD, 0, 'k', ""},
    {'B', "1k", false, ROUTE_FORWARD, 1, 'k', ""},
    {'B', "x", false, ROUTE_BAD, 0, 0, ""},
    {'B', "x", true, ROUTE_NOWHERE, 0, 0, ""},
    {'B', "1x", false, ROUTE_BAD, 1, 0, ""},
    /* other Node-IDs: a link, else the topology */
    {'A', "1", false, ROUTE_FORWARD, 0, 'B', ""},
    {'A', "2", false, ROUTE_FORWARD, 0, 'B', ""},
    {'A', "k", false, ROUTE_FORWARD, 0, 'B', ""},
    {'A', "x", false, ROUTE_FORWARD, 0, 'B', ""},
    {'B', "y", false, ROUTE_FORWARD, 0, 'A', ""},
    {'k', "0", false, ROUTE_NOWHERE, 0, 0, ""},
    {'k', "0", true, ROUTE_FORWARD, 0, 'B', ""},
    {'k', "1", true, ROUTE_FORWARD, 0, 'B', ""},
    /* opaque IDs */
    {'B', "o", false, ROUTE_BAD, 0, 0, ""},
    {'B', "z", false, ROUTE_BAD, 0, 0, ""},
    {'B', "1z", false, ROUTE_BAD, 1, 0, ""},
    {'A', "i", false, ROUTE_BAD, 0, 0, ""},
    {'B', "i", false, ROUTE_FORWARD, 1, 'A', "0k"},
    {'B', "1i", false, ROUTE_FORWARD, 2, 'A', "0k"},
    {'B', "1i2", false, ROUTE_FORWARD, 2, 'A', "0k"},
    /* the same entry twice */
    {'B', "11", false, ROUTE_REPEATS, 0, 0, ""},
    {'B', "020", false, ROUTE_REPEATS, 0, 0, ""},
    {'B', "1aa", false, ROUTE_REPEATS, 0, 0, ""},
    {'B', "zz", false, ROUTE_REPEATS, 0, 0, ""},
    {'B', "ii", false, ROUTE_REPEATS, 0, 0, ""},
    {'B', "0a", false, ROUTE_FORWARD, 0, 'A', ""},
};

static struct rf_dest issued;

static struct rf_dest dest_of(const struct onet *net, char c)
{
    static const uint8_t bytes[5] = {1, 2, 3, 4, 5};
    struct rf_id id = rf_id_wildcard(16);
    switch (c) {
    case '0':
    case '1':
    case '2':
        return rf_dest_node(onet_id(net, (size_t)(c - '0')));
    case 'k':
        return rf_dest_node(onet_id(net, 3));
    case 'w':
        return rf_dest_node(&id);
    case 'a':
    case 'b':
    case 'c':
        id = onet_key(net, (size_t)(c - 'a'));
        return rf_dest_resource(&id);
    case 'x':
    case 'y':
        id = onet_key(net, c == 'x' ? 1 : 0);
        return rf_dest_node(&id);
    case 'o':
        return rf_dest_opaque(rf_view_of(bytes, sizeof(bytes)));
    case 'r':
        return (struct rf_dest){.type = RF_DEST_RESOURCE, .bytes = rf_view_of(bytes, sizeof(bytes))};
    case 'z': /* the slot that was issued, of another generation */
        return rf_dest_compact(issued.compact ^ 0x1000);
    default:
        assert_int_equal(c, 'i');
        return issued;
    }
}

static void put_list(const struct onet *net, const char *list, struct rf_buf *out)
{
    for (; *list != '\0'; list++) {
        struct rf_dest dest = dest_of(net, *list);
        rf_dest_encode(&dest, out);
    }
    assert_int_equal(rf_buf_error(out), 0);
}

static void the_table(void **state)
{
    struct onet net;
    uint8_t bytes[512], expected[512];
    struct rf_buf list;
    (void)state;
    onet_init(&net, 1, 3, ONET_LINE, NULL, NULL);
    assert_int_equal(onet_add_client(&net, 1), 3);
    rf_buf_fixed(&list, bytes, sizeof(bytes));
    put_list(&net, "k", &list);
    assert_int_equal(opaque_keep(net.nodes[1].overlay, rf_buf_view(&list), onet_id(&net, 0), &issued), 0);
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        size_t at = row->at == 'k' ? 3 : (size_t)(row->at - 'A');
        struct rf_buf prepend;
        struct route route;
        rf_buf_fixed(&list, bytes, sizeof(bytes));
        rf_buf_fixed(&prepend, expected, sizeof(expected));
        put_list(&net, row->list, &list);
        put_list(&net, row->prepend, &prepend);
        route_find(net.nodes[at].overlay, rf_buf_view(&list), strlen(row->list), row->own, &route);
        if (route.type != row->type || route.drop_count != row->drop_count)
            fail_msg("row %zu: at %c \"%s\": type %d, dropped %zu", i, row->at, row->list, route.type,
                     route.drop_count);
        assert_true(rf_view_equal(route.prepend, rf_buf_view(&prepend)));
        if (row->type == ROUTE_FORWARD) {
            size_t next = row->next == 'k' ? 3 : (size_t)(row->next - 'A');
            if (!rf_id_equal(&route.conn->info.node, onet_id(&net, next)))
                fail_msg("row %zu: at %c \"%s\": not to %c", i, row->at, row->list, row->next);
        }
    }
    onet_deinit(&net);
}

static void too_many_entries(void **state)
{
    struct onet net;
    struct rf_buf list;
    struct route route;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    rf_buf_init(&list, rf_mem_system(), 100000);
    for (uint32_t i = 0; i < OVERLAY_MAX_DESTS + 1; i++) {
        struct rf_id id = rf_id_add_small(onet_id(&net, 0), i);
        struct rf_dest dest = rf_dest_node(&id);
        if (i < OVERLAY_MAX_DESTS)
            rf_dest_encode(&dest, &list);
        else {
            route_find(net.nodes[1].overlay, rf_buf_view(&list), i, false, &route);
            assert_int_equal(route.type, ROUTE_FORWARD);
            rf_dest_encode(&dest, &list);
            route_find(net.nodes[1].overlay, rf_buf_view(&list), i + 1, false, &route);
            assert_int_equal(route.type, ROUTE_BAD);
        }
    }
    rf_buf_deinit(&list);
    onet_deinit(&net);
}

/* An opaque ID lives for the maximum request lifetime, and its slot is not reused before that. */
static void opaque_life(void **state)
{
    struct onet net;
    struct rf_dest first, dest;
    struct rf_view saved;
    uint8_t bytes[64];
    struct rf_buf via;
    (void)state;
    onet_init(&net, 3, 2, ONET_LINE, NULL, NULL);
    struct rf_overlay *o = net.nodes[0].overlay;
    rf_buf_fixed(&via, bytes, sizeof(bytes));
    put_list(&net, "0", &via);
    assert_false(opaque_find(o, 0x8000, &saved));
    assert_int_equal(opaque_keep(o, rf_buf_view(&via), onet_id(&net, 1), &first), 0);
    assert_int_equal(first.type, RF_DEST_COMPACT);
    assert_true(opaque_find(o, first.compact, &saved));
    assert_int_equal(saved.len, 2 * 18); /* [node 1, node 0]: the way back */
    assert_memory_equal(saved.p + 2, onet_id(&net, 1)->b, 16);
    assert_memory_equal(saved.p + 20, onet_id(&net, 0)->b, 16);
    for (size_t i = 1; i < OVERLAY_OPAQUE_SLOTS; i++) {
        assert_int_equal(opaque_keep(o, rf_buf_view(&via), onet_id(&net, 1), &dest), 0);
        assert_int_not_equal(dest.compact & 0xfff, first.compact & 0xfff);
    }
    assert_int_equal(opaque_keep(o, rf_buf_view(&via), onet_id(&net, 1), &dest), RF_ELIMIT);
    assert_true(opaque_find(o, first.compact, &saved));
    onet_run(&net, 15 * RF_US_PER_S);
    assert_false(opaque_find(o, first.compact, &saved));
    bool reused = false;
    for (size_t i = 0; i < OVERLAY_OPAQUE_SLOTS && !reused; i++) {
        assert_int_equal(opaque_keep(o, rf_buf_view(&via), onet_id(&net, 1), &dest), 0);
        assert_int_not_equal(dest.compact, first.compact); /* the generation went up */
        reused = (dest.compact & 0xfff) == (first.compact & 0xfff);
    }
    assert_true(reused);
    assert_false(opaque_find(o, first.compact, &saved));
    onet_deinit(&net);
}

/*
 * The newer of two links is suspect for a moment, so that the older one is used, and ends: the topology hears that, or it would take the end of the
 * older one for that of a link which it does not use.
 */
static void suspect_link_ends(void **state)
{
    struct onet net;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    struct rf_overlay *o = net.nodes[0].overlay;
    const struct onet_node *node = &net.nodes[0];
    uint64_t old = net.links[0].at_a;
    size_t second = onet_connect(&net, 0, 1);
    uint64_t new = net.links[second].at_a;
    assert_int_equal(node->last_link_up, new);
    rf_overlay_link_suspect(o, new, true);
    size_t ups = node->link_ups;
    onet_cut(&net, second);
    assert_int_equal(node->link_ups, ups + 1);
    assert_int_equal(node->last_link_up, old);
    onet_cut(&net, 0);
    assert_int_equal(node->link_downs, 1);
    onet_deinit(&net);
}

/* Two links to one node: the newest that is not suspect is used, and the topology hears of nodes only. */
static void two_links(void **state)
{
    struct onet net;
    (void)state;
    onet_init(&net, 1, 2, ONET_LINE, NULL, NULL);
    struct rf_overlay *o = net.nodes[0].overlay;
    const struct onet_node *node = &net.nodes[0];
    uint64_t old = net.links[0].at_a;
    size_t second = onet_connect(&net, 0, 1);
    uint64_t new = net.links[second].at_a;
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), new);
    rf_overlay_link_suspect(o, new, true);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), old);
    assert_int_equal(node->suspects, 0);
    rf_overlay_link_suspect(o, old, true);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), new);
    assert_int_equal(node->suspects, 1);
    rf_overlay_link_suspect(o, old, false);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), old);
    rf_overlay_link_suspect(o, new, false);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), new);
    size_t ups = node->link_ups;
    onet_cut(&net, second);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), old);
    assert_int_equal(node->link_downs, 0);
    assert_int_equal(node->link_ups, ups + 1); /* this one from now on */
    assert_int_equal(node->last_link_up, old);
    onet_cut(&net, 0);
    assert_int_equal(rf_overlay_link_of(o, onet_id(&net, 1)), 0);
    assert_int_equal(node->link_downs, 1);
    rf_overlay_link_down(o, new, RF_ECLOSED); /* unknown: ignored */
    assert_int_equal(node->link_downs, 1);
    onet_deinit(&net);
}

int test_overlay_route(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),   cmocka_unit_test(too_many_entries),
        cmocka_unit_test(opaque_life), cmocka_unit_test(suspect_link_ends),
        cmocka_unit_test(two_links),
    };
    return cmocka_run_group_tests_name("overlay_route", tests, NULL, NULL);
}
