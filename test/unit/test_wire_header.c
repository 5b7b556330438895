/* test_wire_header.c - destination lists, and messages on their way through a forwarding node. */
#include "base/assert.h"
#include "support/wire_again.h"
#include "test_wire.h"
#include "wire/contents.h"

#define ALICE "a11ce000000000000000000000000001"
#define BOB   "b0b00000000000000000000000000002"
#define CAROL "ca201000000000000000000000000003"

/* ---- Destination ---- */

static const struct {
    const char *hex;
    int error;
    enum rf_dest_type type;
    size_t len; /* of what it holds */
} dests[] = {
    {"0110 " BOB, 0, RF_DEST_NODE, 16},
    {"0211 10 45a6b241a242c97f0492d382c390dfa3", 0, RF_DEST_RESOURCE, 16},
    {"0201 00", 0, RF_DEST_RESOURCE, 0},
    {"0204 03 010203", 0, RF_DEST_RESOURCE, 3},
    {"0305 04 01020304", 0, RF_DEST_OPAQUE, 4},
    {"0301 00", 0, RF_DEST_OPAQUE, 0},
    {"8123", 0, RF_DEST_COMPACT, 0},
    {"ffff", 0, RF_DEST_COMPACT, 0},
    {"", RF_ESHORT, 0, 0},
    {"81", RF_ESHORT, 0, 0},
    {"01", RF_ESHORT, 0, 0},
    {"0110 b0b0", RF_ESHORT, 0, 0},
    {"0110 00000000000000000000000000000000", RF_EFORMAT, 0, 0}, /* never on the wire */
    {"010f b0b000000000000000000000000002", RF_ELENGTH, 0, 0},   /* 15 bytes */
    {"0111 b0b0000000000000000000000000000201", RF_ELENGTH, 0, 0},
    {"0200", RF_ELENGTH, 0, 0},                                   /* no inner length */
    {"0210 10 45a6b241a242c97f0492d382c390df", RF_ELENGTH, 0, 0}, /* inner length too long */
    {"0205 03 01020304", RF_ELENGTH, 0, 0},                       /* inner length too short */
    {"0304 04 010203", RF_ELENGTH, 0, 0},
    {"0001 00", RF_EUNKNOWN, 0, 0},
    {"0400", RF_EUNKNOWN, 0, 0},
    {"7f00", RF_EUNKNOWN, 0, 0},
};

static void test_dest(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(dests); i++) {
        struct rf_view bytes = wire_hex(dests[i].hex), in = bytes;
        struct rf_dest dest;
        struct rf_buf out;
        uint8_t space[256];

        assert_int_equal(rf_dest_next(&in, ID_LEN, &dest), dests[i].error);
        if (dests[i].error != 0) {
            assert_ptr_equal(in.p, bytes.p);
            assert_int_equal(in.len, bytes.len);
            continue;
        }
        assert_int_equal(in.len, 0);
        assert_int_equal(dest.type, dests[i].type);
        if (dest.type != RF_DEST_COMPACT)
            assert_int_equal(dest.id.len > 0 ? dest.id.len : dest.bytes.len, dests[i].len);
        rf_buf_fixed(&out, space, sizeof space);
        rf_dest_encode(&dest, &out);
        assert_int_equal(rf_buf_error(&out), 0);
        wire_assert_bytes(rf_buf_view(&out), bytes);
    }
}

/* Overlays with other Node-ID lengths; 0 takes each of them. */
static void test_dest_id_len(void **state)
{
    struct rf_view twenty = wire_hex("0114 0102030405060708090a0b0c0d0e0f1011121314"), in = twenty;
    struct rf_dest dest;

    (void)state;
    assert_int_equal(rf_dest_next(&in, 16, &dest), RF_ELENGTH);
    assert_int_equal(rf_dest_next(&in, 0, &dest), 0);
    assert_int_equal(dest.id.len, 20);
    in = twenty;
    assert_int_equal(rf_dest_next(&in, 20, &dest), 0);
    assert_int_equal(in.len, 0);
}

static void test_dest_encode_errors(void **state)
{
    const struct rf_dest bad[] = {
        {.type = RF_DEST_COMPACT, .compact = 0x0123},
        {.type = RF_DEST_NODE},
        {.type = RF_DEST_OPAQUE, .bytes = {(const uint8_t *)"", 255}},
        {.type = (enum rf_dest_type)7},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        uint8_t space[300];
        struct rf_buf out;
        rf_buf_fixed(&out, space, sizeof space);
        rf_dest_encode(&bad[i], &out);
        assert_int_equal(rf_buf_error(&out), RF_EINVAL);
    }
    assert_int_equal(rf_dest_compact(0x0123).compact, 0x8123);
}

static void test_dest_lists(void **state)
{
    struct rf_view list = wire_hex("0110" ALICE " 8123 0110" BOB), rest = list;
    struct rf_view twice = wire_hex("0110" ALICE " 8123 0110" ALICE);
    struct rf_id alice = wire_node(ALICE), bob = wire_node(BOB), carol = wire_node(CAROL);
    struct rf_dest dest, a = rf_dest_node(&alice), r = rf_dest_resource(&alice);
    struct rf_buf out;
    uint8_t space[64];
    size_t count;

    (void)state;
    assert_int_equal(rf_dest_list_check(list, ID_LEN, &count), 0);
    assert_int_equal(count, 3);
    assert_false(rf_dest_list_repeats(list));
    assert_true(rf_dest_list_repeats(twice));
    assert_int_equal(rf_dest_list_last(list, ID_LEN, &dest), 0);
    assert_true(rf_id_equal(&dest.id, &bob));
    assert_int_equal(rf_dest_list_last(rf_view_of(NULL, 0), ID_LEN, &dest), RF_ENOTFOUND);
    assert_int_equal(rf_dest_list_skip(&rest, ID_LEN, 2), 0);
    assert_int_equal(rest.len, 18);
    assert_int_equal(rf_dest_list_skip(&rest, ID_LEN, 2), RF_ESHORT);
    assert_int_equal(rest.len, 18);
    rf_buf_fixed(&out, space, sizeof space);
    rf_dest_list_way_back(list, &carol, &out);
    wire_assert_bytes(rf_buf_view(&out), wire_hex("0110" CAROL " 0110" BOB " 8123 0110" ALICE));
    assert_true(rf_dest_list_has(list, RF_DEST_NODE));
    assert_false(rf_dest_list_has(list, RF_DEST_RESOURCE));
    assert_true(rf_dest_list_has(wire_hex("8202 0110" BOB " 021110" ALICE), RF_DEST_RESOURCE));
    assert_false(rf_dest_list_has(wire_hex("8202 03050402020202"), RF_DEST_RESOURCE));
    assert_int_equal(rf_dest_list_visits(twice, &alice), 2);
    assert_int_equal(rf_dest_list_visits(twice, &bob), 0);
    assert_int_equal(rf_dest_list_visits(rf_view_of(NULL, 0), &bob), 0);
    assert_true(rf_dest_equal(&a, &a));
    assert_false(rf_dest_equal(&a, &r));
    assert_false(rf_dest_equal(&a, &dest));
}

/* The way back without the circles that the way there had. */
static void test_dest_way_back(void **state)
{
    static const struct {
        const char *via, *back;
    } rows[] = {
        {"", "0110" CAROL},
        {"0110" ALICE, "0110" CAROL " 0110" ALICE},
        {"0110" ALICE " 0110" CAROL " 0110" BOB, "0110" CAROL " 0110" ALICE}, /* through carol, and again */
        {"0110" CAROL " 0110" BOB, "0110" CAROL},
        {"0110" ALICE " 0110" BOB " 0110" ALICE " 0110" BOB, "0110" CAROL " 0110" BOB " 0110" ALICE},
        {"8123 0110" ALICE " 8123", "0110" CAROL " 8123 0110" ALICE " 8123"}, /* of two nodes, perhaps */
    };
    struct rf_id carol = wire_node(CAROL);
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        uint8_t space[128];
        struct rf_buf out;
        rf_buf_fixed(&out, space, sizeof space);
        rf_dest_list_way_back(wire_hex(rows[i].via), &carol, &out);
        wire_assert_bytes(rf_buf_view(&out), wire_hex(rows[i].back));
    }
}

/* A list may be as long as ttl allows and a bit more, not as long as its bytes allow. */
static void test_dest_list_limit(void **state)
{
    static uint8_t bytes[2 * (RF_DEST_LIST_MAX + 1)];
    size_t count;

    (void)state;
    for (size_t i = 0; i <= RF_DEST_LIST_MAX; i++) {
        bytes[2 * i] = (uint8_t)(0x80 | i >> 8);
        bytes[2 * i + 1] = (uint8_t)i;
    }
    assert_int_equal(rf_dest_list_check(rf_view_of(bytes, 2 * RF_DEST_LIST_MAX), ID_LEN, &count), 0);
    assert_int_equal(count, RF_DEST_LIST_MAX);
    assert_false(rf_dest_list_repeats(rf_view_of(bytes, 2 * RF_DEST_LIST_MAX)));
    assert_int_equal(rf_dest_list_check(rf_view_of(bytes, sizeof bytes), ID_LEN, &count), RF_ELIMIT);
}

/* ---- forwarding ---- */

static struct rf_view forward(struct rf_view message, const struct rf_forwarding *how,
                              struct rf_header *after)
{
    struct rf_header header;
    struct rf_view rest = message, result;
    struct rf_buf out;

    assert_int_equal(rf_header_decode(&rest, ID_LEN, &header), 0);
    rf_buf_init(&out, rf_mem_system(), 1 << 17);
    assert_int_equal(rf_header_forward(message, &header, how, &out), 0);
    result = rf_region_copy(wire_region(), rf_buf_view(&out));
    rf_buf_deinit(&out);
    /* what follows the header is verbatim */
    message = result;
    assert_int_equal(rf_header_decode(&message, ID_LEN, after), 0);
    wire_assert_bytes(message, rest);
    assert_int_equal(after->ttl, header.ttl - 1);
    assert_true(after->transaction_id == header.transaction_id);
    wire_assert_bytes(after->options, header.options);
    return result;
}

static void test_forward(void **state)
{
    struct rf_id alice = wire_node(ALICE);
    struct rf_dest via = rf_dest_node(&alice), compact = rf_dest_compact(0x123);
    struct rf_view message = wire_vector("ping_req"), next;
    struct rf_header h;

    (void)state;
    /* the next hop is known by state: nothing but the ttl changes */
    next = forward(message, &(struct rf_forwarding){0}, &h);
    assert_int_equal(next.len, message.len);
    assert_int_equal(next.p[11], 99);
    assert_memory_equal(next.p, message.p, 11);
    assert_memory_equal(next.p + 12, message.p + 12, message.len - 12);

    next = forward(message, &(struct rf_forwarding){.via = &via}, &h);
    assert_int_equal(next.len, message.len + 18);
    wire_assert_bytes(h.via, wire_hex("0110" ALICE));
    wire_assert_bytes(h.dests, wire_hex("0110" BOB));

    /* the second hop appends */
    next = forward(next, &(struct rf_forwarding){.via = &compact}, &h);
    wire_assert_bytes(h.via, wire_hex("0110" ALICE "8123"));

    /* our own entry off, an opaque ID expanded, the via list kept here */
    next = forward(next,
                   &(struct rf_forwarding){.drop_count = 1,
                                           .prepend = wire_hex("0303 02 0102 0110" ALICE),
                                           .replace_via = true,
                                           .via = &compact},
                   &h);
    wire_assert_bytes(h.via, wire_hex("8123"));
    wire_assert_bytes(h.dests, wire_hex("0303 02 0102 0110" ALICE));
    assert_int_equal(h.dest_count, 2);
    next = forward(next, &(struct rf_forwarding){.drop_count = 1, .replace_via = true}, &h);
    assert_int_equal(h.via.len, 0);
    wire_assert_bytes(h.dests, wire_hex("0110" ALICE));
    forward(wire_vector("ping_via_drr"), &(struct rf_forwarding){.via = &via}, &h); /* with an option */
    assert_int_equal(h.via_count, 3);
}

static void test_forward_errors(void **state)
{
    struct rf_view message = wire_vector("ping_req"), rest = message, many;
    struct rf_dest via = rf_dest_compact(1), bad = {.type = RF_DEST_NODE};
    struct rf_header h;
    struct rf_buf out;
    uint8_t space[2048], zero_ttl[1024], list[2 * RF_DEST_LIST_MAX];

    (void)state;
    assert_int_equal(rf_header_decode(&rest, ID_LEN, &h), 0);
    rf_buf_fixed(&out, space, sizeof space);
    assert_int_equal(rf_header_forward(message, &h, &(struct rf_forwarding){.drop_count = 1}, &out),
                     RF_EINVAL);
    assert_int_equal(rf_header_forward(message, &h, &(struct rf_forwarding){.drop_count = 2}, &out),
                     RF_EINVAL);
    assert_int_equal(rf_header_forward(message, &h, &(struct rf_forwarding){.via = &bad}, &out), RF_EINVAL);
    assert_int_equal(out.len, 0);
    memcpy(zero_ttl, message.p, message.len);
    zero_ttl[11] = 0;
    message = rest = rf_view_of(zero_ttl, message.len);
    assert_int_equal(rf_header_decode(&rest, ID_LEN, &h), 0);
    assert_int_equal(rf_header_forward(message, &h, &(struct rf_forwarding){0}, &out), RF_EEXPIRED);

    /* a via list that is full */
    for (size_t i = 0; i < sizeof list; i += 2) {
        list[i] = (uint8_t)(0x80 | i >> 9);
        list[i + 1] = (uint8_t)(i / 2);
    }
    h.via = rf_view_of(list, sizeof list);
    h.ttl = 5;
    rf_header_encode(&h, 4, &out);
    rf_buf_u32(&out, 0);
    assert_int_equal(rf_buf_error(&out), 0);
    many = rest = rf_buf_view(&out);
    assert_int_equal(rf_header_decode(&rest, ID_LEN, &h), 0);
    rf_buf_fixed(&out, zero_ttl, sizeof zero_ttl);
    assert_int_equal(rf_header_forward(many, &h, &(struct rf_forwarding){.via = &via}, &out), RF_ELIMIT);
    /* no room in the output */
    assert_int_equal(rf_header_forward(many, &h, &(struct rf_forwarding){0}, &out), RF_ELIMIT);
}

/* ---- broken headers ---- */

static const struct {
    const char *name;
    size_t at; /* byte of ping_req's message that is set to `value` */
    uint8_t value;
    int error;
} broken[] = {
    {"token", 0, 0x52, RF_EFORMAT},
    {"version of the drafts", 10, 0x01, RF_EVERSION},
    {"version", 10, 0x0b, RF_EVERSION},
    {"fragment bit clear", 12, 0x40, RF_EFORMAT},
    {"length too long", 19, 0xe8, RF_ESHORT},
    {"length too short", 19, 0xe6, RF_ELENGTH},
    {"huge length", 16, 0xff, RF_ESHORT},
    {"huge via list", 32, 0xff, RF_ESHORT},
    {"via list cut inside an entry", 33, 0x02, RF_ELENGTH},
    {"no destination", 35, 0x00, RF_EFORMAT},
    {"destination list cut", 35, 0x11, RF_ELENGTH},
    {"destination list one byte long", 35, 0x13, RF_ELENGTH},
    {"huge options", 36, 0xff, RF_ESHORT},
    {"options cut", 37, 0x03, RF_ELENGTH},
    {"destination type", 38, 0x09, RF_EUNKNOWN},
    {"Node-ID length", 39, 0x0f, RF_ELENGTH},
    {"code 0", 57, 0x00, RF_EFORMAT},
    {"huge body", 58, 0xff, RF_ESHORT},
    {"body eats the rest", 60, 0x01, RF_ESHORT},
    {"huge extensions", 64, 0xff, RF_ESHORT},
    {"extension cut", 67, 0x02, RF_ESHORT},
    {"certificates beyond the end", 68, 0xff, RF_ESHORT},
    {"certificate list longer than its entries", 69, 0x39, RF_ELENGTH},
    {"certificate type", 70, 0x01, RF_EUNKNOWN},
    {"certificate length", 72, 0x34, RF_ELENGTH},
    {"identity type", 384, 0x04, RF_EUNKNOWN},
    {"identity type none with a value", 384, 0x03, RF_ELENGTH},
    {"identity length", 386, 0x21, RF_ELENGTH},
    {"hash length", 388, 0x1f, RF_ELENGTH},
    {"signature length", 422, 0x3f, RF_ELENGTH},
    {"signature too long", 422, 0x41, RF_ESHORT},
};

static void test_broken(void **state)
{
    struct rf_view good = wire_vector("ping_req");
    struct rf_message m;

    (void)state;
    assert_int_equal(good.p[384], 1); /* the SignerIdentity stands where the table thinks */
    for (size_t i = 0; i < RF_COUNT(broken); i++) {
        uint8_t *copy = rf_memdup(rf_mem_system(), good.p, good.len);
        int error;

        copy[broken[i].at] = broken[i].value;
        error = rf_message_decode(rf_view_of(copy, good.len), ID_LEN, &m);
        if (error != broken[i].error)
            print_message("%s: %s\n", broken[i].name, rf_error_text(error));
        assert_int_equal(error, broken[i].error);
        rf_free(rf_mem_system(), copy);
    }
}

/* Reserved bits of the fragment field are ignored. */
static void test_reserved_bits(void **state)
{
    struct rf_view good = wire_vector("ping_req");
    struct rf_message m;
    uint8_t copy[1024];

    (void)state;
    memcpy(copy, good.p, good.len);
    copy[12] = 0xff;
    assert_int_equal(rf_message_decode(rf_view_of(copy, good.len), ID_LEN, &m), 0);
    assert_true(rf_header_is_whole(&m.header));
}

int test_wire_header(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dest, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_dest_id_len, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_dest_encode_errors, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_dest_lists, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_dest_way_back, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_dest_list_limit, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_forward, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_forward_errors, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_broken, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_reserved_bits, wire_setup, wire_teardown),
    };
    return cmocka_run_group_tests_name("wire header", tests, NULL, NULL);
}
