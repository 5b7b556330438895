/* test_wire.c - runs every group of the wire room's tests; helpers they share. */
#include "test_wire.h"

#include <stdio.h>
#include "base/assert.h"
#include "base/id.h"
#include "base/text.h"
#include "support/vector.h"
#include "wire/frame.h"

const char *const wire_messages[] = {
    "ping_req",           "ping_ans",           "attach_req",
    "attach_ans",         "attach_req_noice",   "join_req",
    "join_ans",           "update_peer_ready",  "update_ans",
    "update_neighbors",   "update_full",        "store_single",
    "store_array",        "store_sip_route",    "store_ans",
    "store_sip_uri",      "store_remove",       "store_replica",
    "store_multi_nodeid", "fetch_req",          "fetch_ans",
    "fetch_req_key",      "stat_req",           "stat_ans",
    "find_req",           "find_ans",           "error_forbidden",
    "error_generation",   "error_unknown_kind", "app_attach_req",
    "app_attach_ans",     "leave_req",          "leave_ans",
    "route_query_req",    "route_query_ans",    "probe_req",
    "probe_ans",          "config_update_kind", "config_update_config",
    "ping_via_drr",       "path_track_req",     "path_track_ans",
    "ping_diag",          "store_redir",        "store_acl",
};
const size_t wire_message_count = RF_COUNT(wire_messages);

static struct rf_region pool;

int wire_setup(void **state)
{
    (void)state;
    rf_region_init(&pool, rf_mem_system(), (size_t)64 << 20);
    return 0;
}

int wire_teardown(void **state)
{
    (void)state;
    rf_region_deinit(&pool);
    return 0;
}

void wire_pool_reset(void)
{
    rf_region_reset(&pool);
}

struct rf_region *wire_region(void)
{
    return &pool;
}

static struct rf_view keep(struct rf_buf *buf)
{
    struct rf_view kept = rf_region_copy(&pool, rf_buf_view(buf));

    assert_int_equal(rf_buf_error(buf), 0);
    rf_buf_deinit(buf);
    return kept;
}

struct rf_view wire_hex(const char *hex)
{
    struct rf_buf digits, bytes;

    rf_buf_init(&digits, rf_mem_system(), 1 << 20);
    rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
    for (; *hex != '\0'; hex++) {
        if (*hex != ' ')
            rf_buf_u8(&digits, (uint8_t)*hex);
    }
    assert_int_equal(rf_hex_decode(rf_buf_view(&digits), &bytes), 0);
    rf_buf_deinit(&digits);
    return keep(&bytes);
}

struct rf_id wire_node(const char *hex)
{
    struct rf_id id;

    assert_int_equal(rf_id_parse(hex, &id), 0);
    return id;
}

struct rf_view wire_vector(const char *name)
{
    struct rf_buf bytes;
    struct rf_frame frame;
    struct rf_view in;

    rf_buf_init(&bytes, rf_mem_system(), 1 << 20);
    rf_vector_read(name, &bytes);
    in = keep(&bytes);
    assert_int_equal(rf_frame_next(&in, 5000, &frame), 0);
    assert_int_equal(frame.type, RF_FRAME_DATA);
    assert_int_equal(in.len, 0);
    return frame.message;
}

void wire_assert_bytes(struct rf_view got, struct rf_view want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0)
        assert_memory_equal(got.p, want.p, want.len);
}

int main(void)
{
    int failed = test_wire_vectors() + test_wire_fields() + test_wire_header() + test_wire_fragment() +
                 test_wire_frame() + test_wire_broken() + test_wire_stored() + test_wire_dump();

    return failed == 0 ? 0 : 1;
}
