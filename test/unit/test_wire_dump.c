/* test_wire_dump.c - messages as text. */
#include <stdio.h>
#include "base/assert.h"
#include "test_wire.h"
#include "wire/dump.h"

static const char *dump(struct rf_view message)
{
    struct rf_buf out;
    char *text;

    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    rf_dump_bytes(message, ID_LEN, wire_region(), &out);
    rf_buf_u8(&out, 0);
    assert_int_equal(rf_buf_error(&out), 0);
    text = (char *)rf_region_copy(wire_region(), rf_buf_view(&out)).p;
    rf_buf_deinit(&out);
    return text;
}

/* What must stand in the text of a vector. */
static const struct {
    const char *vector;
    const char *words[6];
} cases[] = {
    {"ping_req",
     {"ping_req(0x17) tid=0102030405060701 ttl=100 via=[] dst=[node:b0b00000000000000000000000000002] "
      "len=487",
      "padding of 0 bytes", "certificates 309 bytes", "cert_hash(4) f77ed1c9", "algorithm 0807, 64 bytes"}},
    {"ping_via_drr",
     {"via=[node:a11ce000000000000000000000000001 compact:8123]", "max_response=4096",
      "DRR over DTLS-UDP-SR-NO-ICE to 203.0.113.20:6084 [node:a11c"}},
    {"attach_req",
     {"dst=[resource:a11ce000000000000000000000000002]", "role \"passive\"",
      "candidate srflx 203.0.113.5:51000 of 192.0.2.10:40000 DTLS-UDP-SR priority 1694498815 foundation "
      "\"3\"",
      "send_update 1"}},
    {"store_sip_route",
     {"resource 45a6b241a242c97f0492d382c390dfa3 replica_number 0",
      "kind 0x1 SIP-REGISTRATION generation 0, 1 values",
      "[a11ce000000000000000000000000001] route \"(sip.schemes=SIPS)\"[node:a11c"}},
    {"store_remove", {"nonexistent signer cert_hash"}},
    {"store_array", {"[4294967295] 309 bytes 3082"}},
    {"store_acl",
     {"[257] item for \"alice@example.org\" kind 0xf0000001 delegation 1", "[258] item for \"bob"}},
    {"store_redir", {"level 2 node 62 namespace \"turn-server\""}},
    {"store_single", {"iteration 3 address 203.0.113.77:3478"}},
    {"stat_ans", {"exists 1, 43 bytes, hash(4) 399484e3"}},
    {"update_full", {"full uptime 3602", "predecessors [", "successors [", "fingers ["}},
    {"leave_req", {"leaving a11ce0", "from_pred [a0000000000000000000"}},
    {"error_forbidden", {"error(0xffff)", "Error_Forbidden(0x2) \"not your resource\""}},
    {"path_track_ans", {"next_hop node:c0", "hop_counter 99", "STATUS_INFO(0x1) 3", "APP_UPTIME(0x8) 7200"}},
    {"probe_req", {"types 010203", "self_tuning_data size 1000 joins 10628 leaves 9000"}},
    {"ping_diag", {"DiagnosticsRequest", "flags 106"}},
    {"config_update_config", {"document \"<overlay xmlns=\\x22urn:ietf"}},
    {"fragment_2", {"fragment=c0000258", "599 bytes of a fragment"}},
    {"find_ans", {"kind 0x2 TURN-SERVICE closest d9a0baf887509df3d02f340fece66a4d"}},
};

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        const char *text = dump(wire_vector(cases[i].vector));
        for (size_t j = 0; j < RF_COUNT(cases[i].words) && cases[i].words[j] != NULL; j++) {
            if (strstr(text, cases[i].words[j]) == NULL) {
                print_message("%s lacks \"%s\":\n%s", cases[i].vector, cases[i].words[j], text);
                fail();
            }
        }
        wire_pool_reset();
    }
}

/* Every message has its code's name, whole lines only, nothing but printable ASCII, and no complaint. */
static void test_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        struct rf_view message = wire_vector(wire_messages[i]);
        struct rf_message m;
        const char *text = dump(message);

        assert_int_equal(rf_message_decode(message, ID_LEN, &m), 0);
        assert_memory_equal(text, rf_code_name(m.code), strlen(rf_code_name(m.code)));
        assert_int_equal(text[strlen(text) - 1], '\n');
        assert_null(strstr(text, "  body "));
        for (const char *p = text; *p != '\0'; p++)
            assert_true(*p == '\n' || (*p >= ' ' && *p < 0x7f));
        wire_pool_reset();
    }
}

static void test_broken(void **state)
{
    struct rf_view good = wire_vector("store_ans");
    struct rf_message m;
    uint8_t copy[1024];

    (void)state;
    assert_string_equal(dump(rf_view_of(good.p, 100)), "message of 100 bytes: more bytes needed\n");
    /* the frame of the message is right, the body is not */
    assert_int_equal(rf_message_decode(good, ID_LEN, &m), 0);
    memcpy(copy, good.p, good.len);
    copy[m.body.p - good.p + 1] ^= 1;
    assert_non_null(strstr(dump(rf_view_of(copy, good.len)), "  body of 48 bytes: "));
}

/* A log line has a limit: the text is cut there, nothing else happens. */
static void test_small_buffer(void **state)
{
    struct rf_view message = wire_vector("update_full");
    struct rf_message m;
    struct rf_buf out;
    char space[100];

    (void)state;
    assert_int_equal(rf_message_decode(message, ID_LEN, &m), 0);
    rf_buf_fixed(&out, space, sizeof space);
    rf_dump_message(&m, ID_LEN, wire_region(), &out);
    assert_int_equal(rf_buf_error(&out), RF_ELIMIT);
    assert_memory_equal(space, "update_req(0x13) tid=", 21);
}

int test_wire_dump(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_words, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_all, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_broken, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_small_buffer, wire_setup, wire_teardown),
    };
    return cmocka_run_group_tests_name("wire dump", tests, NULL, NULL);
}
