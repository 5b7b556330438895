/* test_wire_admit.c - what nodes say about admission: there and back, and what is broken or too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "support/wire_buf.h"
#include "wire/addr.h"
#include "wire/admit.h"
#include "wire/code.h"
#include "wire/contents.h"
#include "wire/path.h"
#include "wire/quiet.h"

#define ID_LEN 16

static struct rf_id node(uint8_t last)
{
    uint8_t bytes[ID_LEN] = {[0] = 0xa0, [ID_LEN - 1] = last};
    struct rf_id id;
    assert_int_equal(rf_id_from(rf_view_of(bytes, sizeof(bytes)), &id), 0);
    return id;
}

static struct rf_addr addr(uint8_t last)
{
    struct rf_addr out = {.family = 4, .port = 6084};
    memcpy(out.ip, (uint8_t[]){192, 0, 2, last}, 4);
    return out;
}

/* another experiment's extension, and a critical one of another kind */
static void put_foreign(void)
{
    struct rf_extension foreign = {RF_EXTENSION_EXP, false, rf_view_str("WHAT")};
    struct rf_extension empty = {RF_EXTENSION_EXP, false, rf_view_of(NULL, 0)};
    rf_extension_encode(&foreign, &buf);
    rf_extension_encode(&empty, &buf);
}

static void test_wish(void **state)
{
    static const struct {
        uint8_t sent;
        bool dials;
        enum rf_admit_wish read;
    } cases[] = {{RF_ADMIT_HOME, false, RF_ADMIT_HOME},
                 {RF_ADMIT_HOME, true, RF_ADMIT_HOME},
                 {RF_ADMIT_RESERVE, false, RF_ADMIT_RESERVE},
                 {RF_ADMIT_RESERVE, true, RF_ADMIT_RESERVE},
                 {200, true, RF_ADMIT_HOME}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_buf_reset(&buf);
        put_foreign();
        rf_admit_wish_put((enum rf_admit_wish)cases[i].sent, cases[i].dials, &buf);
        assert_int_equal(rf_buf_error(&buf), 0);
        assert_int_equal(rf_admit_wish_of(rf_buf_view(&buf)), cases[i].read);
        assert_int_equal(rf_admit_dials_of(rf_buf_view(&buf)), cases[i].dials);
        assert_int_equal(rf_admit_wish_of(rf_view_of(buf.p, buf.len - 1)), RF_ADMIT_NONE); /* cut off */
        assert_false(rf_admit_dials_of(rf_view_of(buf.p, buf.len - 1)));
        if (!cases[i].dials)
            continue;
        buf.p[buf.len - 1] = 0xfe; /* flags that nobody knows */
        assert_false(rf_admit_dials_of(rf_buf_view(&buf)));
        assert_int_equal(rf_admit_wish_of(rf_buf_view(&buf)), cases[i].read);
    }
    rf_buf_reset(&buf);
    put_foreign();
    assert_int_equal(rf_admit_wish_of(rf_buf_view(&buf)), RF_ADMIT_NONE);
    assert_false(rf_admit_dials_of(rf_buf_view(&buf)));
}

static void test_supernodes(void **state)
{
    struct rf_addr out[RF_ADMIT_SUPERNODES], in[RF_ADMIT_SUPERNODES + 4];
    (void)state;
    for (size_t i = 0; i < RF_COUNT(in); i++)
        in[i] = addr((uint8_t)i);
    in[1].port = 0;
    memset(in[2].ip, 0, sizeof(in[2].ip));
    put_foreign();
    rf_admit_supernodes_put(in, RF_COUNT(in), &buf);
    assert_int_equal(rf_admit_supernodes_of(rf_buf_view(&buf), out), RF_ADMIT_SUPERNODES);
    assert_true(rf_addr_equal(&out[0], &in[0]) && rf_addr_equal(&out[1], &in[3]));
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(rf_admit_supernodes_of(rf_view_of(buf.p, len), out), 0);
}

static void test_busy(void **state)
{
    struct rf_admit_busy in = {.retry_after_ms = 7000, .alternative_count = 3, .supernode_count = 2}, out;
    (void)state;
    for (size_t i = 0; i < in.alternative_count; i++)
        in.alternatives[i] = node((uint8_t)(i + 1));
    for (size_t i = 0; i < in.supernode_count; i++)
        in.supernodes[i] = addr((uint8_t)(i + 1));
    rf_admit_busy_encode(&in, &buf);
    assert_int_equal(rf_admit_busy_decode(rf_buf_view(&buf), ID_LEN, &out), 0);
    assert_int_equal(out.retry_after_ms, 7000);
    assert_int_equal(out.alternative_count, 3);
    assert_true(rf_id_equal(&out.alternatives[2], &in.alternatives[2]));
    assert_int_equal(out.supernode_count, 2);
    assert_true(rf_addr_equal(&out.supernodes[1], &in.supernodes[1]));
    for (size_t len = 0; len < buf.len; len++)
        assert_true(rf_admit_busy_decode(rf_view_of(buf.p, len), ID_LEN, &out) < 0);
    rf_buf_view_put(&buf, rf_view_str("of a later version"));
    assert_int_equal(rf_admit_busy_decode(rf_buf_view(&buf), ID_LEN, &out), 0);
    assert_int_equal(rf_admit_busy_decode(rf_view_str("overloaded: try later"), ID_LEN, &out), RF_EUNKNOWN);
}

/* thousands of alternatives; IDs that nobody has; a list that is no list of IDs */
static void test_liars(void **state)
{
    struct rf_admit_busy out;
    struct rf_id id;
    (void)state;
    rf_buf_u32(&buf, UINT32_C(0x5246627a));
    rf_buf_u32(&buf, UINT32_MAX);
    size_t mark = rf_buf_open(&buf, 2);
    uint8_t wildcard[ID_LEN];
    memset(wildcard, 0xff, sizeof(wildcard));
    rf_buf_view_put(&buf, rf_view_of(wildcard, sizeof(wildcard)));
    for (unsigned i = 0; i < 4000; i++) {
        id = node((uint8_t)i);
        rf_buf_view_put(&buf, rf_id_view(&id));
    }
    rf_buf_close(&buf, mark, 2);
    rf_buf_u16(&buf, 0);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_int_equal(rf_admit_busy_decode(rf_buf_view(&buf), ID_LEN, &out), 0);
    assert_int_equal(out.alternative_count, RF_ADMIT_ALTERNATIVES);
    id = node(0);
    assert_true(rf_id_equal(&out.alternatives[0], &id));
    assert_int_equal(rf_admit_busy_decode(rf_buf_view(&buf), 20, &out), RF_ELENGTH);

    rf_buf_reset(&buf);
    rf_buf_u32(&buf, UINT32_C(0x5246627a));
    rf_buf_u32(&buf, 0);
    mark = rf_buf_open(&buf, 2);
    memset(wildcard, 0, sizeof(wildcard));
    rf_buf_view_put(&buf, rf_view_of(wildcard, sizeof(wildcard)));
    rf_buf_close(&buf, mark, 2);
    rf_buf_u16(&buf, 0);
    assert_int_equal(rf_admit_busy_decode(rf_buf_view(&buf), ID_LEN, &out), RF_EFORMAT); /* an ID of zeros */
}

static void test_quiet(void **state)
{
    uint8_t other[] = {'R', 'F', 'n', 'b'};
    (void)state;
    put_foreign();
    rf_extension_encode(&(struct rf_extension){.type = RF_EXTENSION_EXP, .contents = rf_view_of(other, 4)},
                        &buf);
    rf_extension_encode(&(struct rf_extension){.type = RF_EXTENSION_EXP, .contents = rf_view_of(other, 3)},
                        &buf);
    assert_false(rf_quiet_of(rf_buf_view(&buf)));
    size_t before = buf.len;
    rf_quiet_put(&buf);
    assert_int_equal(buf.len - before, RF_QUIET_LEN);
    assert_true(rf_quiet_of(rf_buf_view(&buf)));
    assert_false(rf_quiet_of(rf_view_of(NULL, 0)));
}

static void test_path_name(void **state)
{
    (void)state;
    for (size_t len = 0; len <= RF_PATH_NAME_MAX + 1; len++) {
        uint8_t name[RF_PATH_NAME_MAX + 1];
        memset(name, 'n', sizeof(name));
        rf_buf_reset(&buf);
        put_foreign();
        assert_int_equal(rf_path_name_of(rf_buf_view(&buf)).len, 0);
        rf_path_name_put(rf_view_of(name, len), &buf);
        assert_int_equal(rf_buf_error(&buf), 0);
        if (len > RF_PATH_NAME_MAX)
            assert_int_equal(rf_path_name_of(rf_buf_view(&buf)).len, 0);
        else
            assert_true(rf_view_equal(rf_path_name_of(rf_buf_view(&buf)), rf_view_of(name, len)));
        for (size_t cut = 0; cut < buf.len; cut++)
            assert_int_equal(rf_path_name_of(rf_view_of(buf.p, cut)).len, 0);
    }
}

static void test_path_route(void **state)
{
    struct rf_id ids[2] = {{.len = 16, .b = {1}}, {.len = 16, .b = {2}}};
    struct rf_dest route[] = {rf_dest_node(&ids[0]), rf_dest_node(&ids[1])}, last;
    (void)state;
    rf_buf_reset(&buf);
    put_foreign();
    rf_path_name_put(rf_view_str("name"), &buf);
    assert_int_equal(rf_path_route_of(rf_buf_view(&buf)).len, 0);
    rf_path_route_put(route, 2, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    struct rf_view found = rf_path_route_of(rf_buf_view(&buf));
    assert_int_equal(found.len, 2 * 18);
    assert_int_equal(rf_dest_list_last(found, 16, &last), 0);
    assert_true(last.type == RF_DEST_NODE && rf_id_equal(&last.id, &ids[1]));
    assert_true(rf_view_equal(rf_path_name_of(rf_buf_view(&buf)), rf_view_str("name")));
    for (size_t cut = 0; cut < buf.len; cut++)
        assert_int_equal(rf_path_route_of(rf_view_of(buf.p, cut)).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wish, setup, teardown),
        cmocka_unit_test_setup_teardown(test_supernodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_liars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_route, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
