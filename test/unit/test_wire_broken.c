/* test_wire_broken.c - tables of bodies and values: good ones the vectors lack, and broken ones with the error they earn. */
#include "base/assert.h"
#include "support/wire_again.h"
#include "test_wire.h"
#include "wire/attach.h"
#include "wire/chord.h"
#include "wire/diag.h"
#include "wire/method.h"
#include "wire/store.h"
#include "wire/value.h"

#define ALICE "a11ce000000000000000000000000001"
#define ZERO  "00000000000000000000000000000000"
#define SLOT0 "0000000000000000 00000000" /* storage_time, lifetime */
#define NONE  "0000 03 0000 0000"         /* no signature */

static const struct {
    uint16_t code;
    const char *hex;
    int error;
} bodies[] = {
    {RF_CODE_PING_REQ, "0000", 0},
    {RF_CODE_PING_REQ, "0001", RF_ESHORT},
    {RF_CODE_PING_REQ, "0000 00", RF_ELENGTH},
    {RF_CODE_PING_ANS, "0000000000000001 0000000000000002 00", RF_ELENGTH},
    {RF_CODE_UPDATE_ANS, "", 0},
    {RF_CODE_LEAVE_ANS, "00", RF_ELENGTH},
    {RF_CODE_CONFIG_UPDATE_ANS, "00", RF_ELENGTH},

    {RF_CODE_PROBE_REQ, "00", 0},
    {RF_CODE_PROBE_REQ, "02 01", RF_ESHORT},
    {RF_CODE_PROBE_ANS, "0000", 0},
    {RF_CODE_PROBE_ANS, "0007 09 05 0102030405", 0}, /* an unknown type is told as it is */
    {RF_CODE_PROBE_ANS, "0005 01 03 010203", RF_ELENGTH},
    {RF_CODE_PROBE_ANS, "0007 01 05 0102030405", RF_ELENGTH},
    {RF_CODE_PROBE_ANS, "0006 01 05 01020304", RF_ESHORT},
    {RF_CODE_PROBE_ANS, "0002 00 00", RF_EFORMAT},

    /* Attach: ufrag, password, role, candidates, send_update */
    {RF_CODE_ATTACH_REQ, "00 00 00 0000 00", 0},
    {RF_CODE_ATTACH_REQ, "00 00 00 0000 02", RF_EFORMAT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0000", RF_ESHORT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0000 01 00", RF_ELENGTH},
    {RF_CODE_ATTACH_REQ, "ff 00 00 0000 01", RF_ESHORT},
    {RF_CODE_ATTACH_REQ, "00 00 00 ffff 01", RF_ESHORT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0011 01 06 c0000201 17c4 04 01 31 00000001 01 0000 00", RF_ESHORT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 01 06 c0000201 17c4 04 01 31 00000001 01 0000 00", 0},
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 01 06 c0000201 17c4 04 01 31 00000001 03 0000 00",
     RF_EUNKNOWN}, /* prflx */
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 01 06 c0000201 17c4 04 01 31 00000001 00 0000 00", RF_EUNKNOWN},
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 01 06 c0000201 17c4 04 01 31 00000001 02 0000 00",
     RF_EFORMAT}, /* no related */
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 00 06 c0000201 17c4 04 01 31 00000001 01 0000 00", RF_EFORMAT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0012 02 06 c0000201 17c4 04 01 31 00000001 01 0000 00", RF_ELENGTH},
    {RF_CODE_ATTACH_REQ, "00 00 00 0011 01 05 c0000201 17 04 01 31 00000001 01 0000 00", RF_ELENGTH},
    {RF_CODE_ATTACH_REQ, "00 00 00 0015 01 06 c0000201 17c4 04 01 31 00000001 01 0003 000100 00", RF_ESHORT},
    {RF_CODE_ATTACH_REQ, "00 00 00 0016 01 06 c0000201 17c4 04 01 31 00000001 01 0004 00000000 00", 0},
    {RF_CODE_APP_ATTACH_REQ, "00 00 13c4 00 0000", 0},
    {RF_CODE_APP_ATTACH_REQ, "00 00 13c4 00 0000 00", RF_ELENGTH}, /* no send_update here */
    {RF_CODE_APP_ATTACH_REQ, "00 00 00 0000 01", RF_ESHORT},       /* an Attach body */

    {RF_CODE_JOIN_REQ, ALICE "0000", 0},
    {RF_CODE_JOIN_REQ, ZERO "0000", RF_EFORMAT},
    {RF_CODE_JOIN_REQ, ALICE "0001", RF_ESHORT},
    {RF_CODE_JOIN_ANS, "0001 00", 0},
    {RF_CODE_JOIN_ANS, "0001 00 00", RF_ELENGTH},
    {RF_CODE_LEAVE_REQ, ALICE "0003 010000", 0},
    {RF_CODE_LEAVE_REQ, ALICE "0003 030000", RF_EUNKNOWN},
    {RF_CODE_LEAVE_REQ, ALICE "0004 01000101", RF_ELENGTH},
    {RF_CODE_LEAVE_REQ, ALICE "0004 01000001", RF_ELENGTH},
    {RF_CODE_UPDATE_REQ, "00000001 01", 0},
    {RF_CODE_UPDATE_REQ, "00000001 01 00", RF_ELENGTH},
    {RF_CODE_UPDATE_REQ, "00000001 00", RF_EUNKNOWN},
    {RF_CODE_UPDATE_REQ, "00000001 04 0000 0000 0000", RF_EUNKNOWN},
    {RF_CODE_UPDATE_REQ, "00000001 02 0000 0000", 0},
    {RF_CODE_UPDATE_REQ, "00000001 02 0000 0000 0000", RF_ELENGTH},
    {RF_CODE_UPDATE_REQ, "00000001 03 0000 0000", RF_ESHORT},
    {RF_CODE_UPDATE_REQ, "00000001 02 000f" ALICE "0000", RF_ELENGTH},
    {RF_CODE_UPDATE_REQ, "00000001 02 0010" ZERO "0000", RF_EFORMAT},
    {RF_CODE_UPDATE_REQ, "00000001 02 fff0" ALICE "0000", RF_ESHORT},
    {RF_CODE_ROUTE_QUERY_REQ, "01 8123 0000", 0},
    {RF_CODE_ROUTE_QUERY_REQ, "03 8123 0000", RF_EFORMAT},
    {RF_CODE_ROUTE_QUERY_REQ, "00 0400 0000", RF_EUNKNOWN},
    {RF_CODE_ROUTE_QUERY_ANS, ALICE "00", RF_ELENGTH},
    {RF_CODE_ROUTE_QUERY_ANS, ZERO, RF_EFORMAT},

    /* Store */
    {RF_CODE_STORE_REQ, "00 00 00000000", 0},
    {RF_CODE_STORE_REQ, "01 aa 00 00000010 f0000001 0000000000000000 00000000", 0},
    {RF_CODE_STORE_REQ, "01 aa 00 00000010 f0000001 0000000000000000 00000001", RF_ESHORT},
    {RF_CODE_STORE_REQ, "01 aa 00 0000000f f0000001 0000000000000000 000000", RF_ESHORT},
    {RF_CODE_STORE_REQ, "01 aa 00 ffffffff f0000001 0000000000000000 00000000", RF_ESHORT},
    {RF_CODE_STORE_REQ, "01 aa 00 00000010 f0000001 0000000000000000 00000000 00", RF_ELENGTH},
    {RF_CODE_STORE_REQ,
     "01 aa 00 00000020 f0000001 0000000000000000 00000000 f0000001 0000000000000001 00000000",
     RF_EDUPLICATE},
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000001f f0000001 0000000000000000 0000000f 0000000b 0000000000000000 000000",
     RF_ELENGTH}, /* a StoredData too short for its own head */
    {RF_CODE_STORE_REQ, "01 aa 00 00000020 f0000001 0000000000000000 00000010 0000000c " SLOT0, RF_EINVAL},
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000002c 00000002 0000000000000000 0000001c 00000018 " SLOT0 "00 00000000" NONE, 0},
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000002c 00000002 0000000000000000 0000001c 00000018 " SLOT0 "02 00000000" NONE, RF_EFORMAT},
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000002d 00000002 0000000000000000 0000001d 00000019 " SLOT0 "00 00000001 aa" NONE,
     RF_EFORMAT}, /* a value that does not exist has none */
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000002d 00000002 0000000000000000 0000001d 00000019 " SLOT0 "00 00000000" NONE "00",
     RF_ELENGTH},
    {RF_CODE_STORE_REQ,
     "01 aa 00 0000002c 00000002 0000000000000000 0000001c 00000018 " SLOT0 "00 ffffffff" NONE, RF_ESHORT},
    {RF_CODE_STORE_REQ, "ff 00", RF_ESHORT},
    {RF_CODE_STORE_ANS, "0000", 0},
    {RF_CODE_STORE_ANS, "000e 00000001 0000000000000001 0000", 0},
    {RF_CODE_STORE_ANS, "000f 00000001 0000000000000001 0001 aa", RF_ELENGTH},
    {RF_CODE_STORE_ANS, "001c 00000001 0000000000000001 0000 00000001 0000000000000001 0000", RF_EDUPLICATE},

    /* Fetch */
    {RF_CODE_FETCH_REQ, "00 0000", 0},
    {RF_CODE_FETCH_REQ, "00 000e 00000002 0000000000000000 0000", 0},
    {RF_CODE_FETCH_REQ, "00 0010 00000002 0000000000000000 0002 0000", RF_ELENGTH},
    {RF_CODE_FETCH_REQ, "00 0010 00000003 0000000000000000 0002 0000", 0},
    {RF_CODE_FETCH_REQ, "00 0018 00000003 0000000000000000 000a 0008 00000001 00000001", 0},
    {RF_CODE_FETCH_REQ, "00 0018 00000003 0000000000000000 000a 0008 00000002 00000001", RF_EFORMAT},
    {RF_CODE_FETCH_REQ, "00 0018 00000003 0000000000000000 000a 0007 00000001 00000001", RF_ELENGTH},
    {RF_CODE_FETCH_REQ, "00 0020 00000003 0000000000000000 0012 0010 00000001 00000004 00000005 ffffffff", 0},
    {RF_CODE_FETCH_REQ, "00 0020 00000003 0000000000000000 0012 0010 00000001 00000004 00000004 ffffffff",
     RF_EFORMAT},
    {RF_CODE_FETCH_REQ, "00 0013 00000001 0000000000000000 0005 0003 0001 aa", 0},
    {RF_CODE_FETCH_REQ, "00 0012 00000001 0000000000000000 0004 0002 0001", RF_ESHORT},
    {RF_CODE_FETCH_REQ, "00 0010 00000001 0000000000000000 0002 0001", RF_ESHORT},
    {RF_CODE_FETCH_REQ, "00 000e f0000001 0000000000000000 0000",
     RF_EINVAL}, /* strict: the model must be known */
    {RF_CODE_FETCH_REQ, "00 001c 00000002 0000000000000000 0000 00000002 0000000000000000 0000",
     RF_EDUPLICATE},
    {RF_CODE_FETCH_ANS, "00000000", 0},
    {RF_CODE_FETCH_ANS, "00000010 00000002 0000000000000000 00000000", 0},
    {RF_CODE_STAT_ANS, "00000028 00000002 0000000000000000 00000018 00000014" SLOT0 "00 00000000 00 01 aa",
     0},
    {RF_CODE_STAT_ANS, "00000028 00000002 0000000000000000 00000018 00000014" SLOT0 "00 00000000 00 00 aa",
     RF_ELENGTH},
    {RF_CODE_STAT_ANS, "00000027 00000002 0000000000000000 00000017 00000013" SLOT0 "02 00000000 00 00",
     RF_EFORMAT},
    {RF_CODE_FIND_REQ, "00 00", 0},
    {RF_CODE_FIND_REQ, "00 04 00000002", 0},
    {RF_CODE_FIND_REQ, "00 05 00000002 00", RF_ELENGTH},
    {RF_CODE_FIND_REQ, "00 08 00000002 00000002", RF_EDUPLICATE},
    {RF_CODE_FIND_ANS, "0005 00000002 00", 0}, /* D22: an empty ID */
    {RF_CODE_FIND_ANS, "000a 00000002 00 00000002 00", RF_EDUPLICATE},
    {RF_CODE_FIND_ANS, "0006 00000002 02 aa", RF_ESHORT},

    {RF_CODE_CONFIG_UPDATE_REQ, "01 00000003 000000", 0},
    {RF_CODE_CONFIG_UPDATE_REQ, "01 00000004 000000 00", RF_ELENGTH},
    {RF_CODE_CONFIG_UPDATE_REQ, "01 00000003 000001", RF_ELENGTH},
    {RF_CODE_CONFIG_UPDATE_REQ, "01 00000002 0000", RF_ELENGTH},
    {RF_CODE_CONFIG_UPDATE_REQ, "03 00000003 000000", RF_EUNKNOWN},
    {RF_CODE_CONFIG_UPDATE_REQ, "02 00000008 000005 0001 aa 0000", 0},
    {RF_CODE_CONFIG_UPDATE_REQ, "02 00000007 000004 0001 aa 00", RF_ESHORT},
    {RF_CODE_CONFIG_UPDATE_REQ, "02 ffffffff 000000", RF_ESHORT},

    {RF_CODE_ERROR, "0002 0000", 0},
    {RF_CODE_ERROR, "7777 0002 abcd", 0},
    {RF_CODE_ERROR, "0002 0001", RF_ESHORT},
    {RF_CODE_ERROR, "0002 0000 00", RF_ELENGTH},
    {RF_CODE_ERROR, "000c 0004 03 000001", RF_ELENGTH},
    {RF_CODE_ERROR, "000c 0001 04", RF_ESHORT},

    /* diagnostics: both lengths say the same (D33) */
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000000 00000000", 0},
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000001 00000000", RF_ELENGTH},
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000006 00000006 0040 00000000", 0},
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000006 00000006 003f 00000000", RF_EFORMAT},
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000005 00000005 0040 000000", RF_ESHORT},
    {RF_CODE_PATH_TRACK_REQ, "8123" ZERO "0000000000000000 00000000 00000000 00", RF_ELENGTH},
    {RF_CODE_PATH_TRACK_ANS, "8123" ZERO "0000000000000000 05 00000004 00000004 0006 0000", 0},
    {RF_CODE_PATH_TRACK_ANS, "8123" ZERO "0000000000000000 05 00000004 00000004 0006 0001", RF_ESHORT},
    {RF_CODE_PATH_TRACK_ANS, "8123" ZERO "0000000000000000 05 00000000 00000004 0006 0000", RF_ELENGTH},
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bodies); i++) {
        struct wire_again again = {.id_len = ID_LEN, .region = wire_region(), .strict = true};
        struct rf_view body = wire_hex(bodies[i].hex);
        uint8_t *exact = rf_memdup(rf_mem_system(), body.p, body.len);
        struct rf_buf out;
        int error;

        rf_buf_init(&out, rf_mem_system(), 1 << 16);
        error = wire_again_body(&again, bodies[i].code, rf_view_of(exact, body.len), &out);
        if (error != bodies[i].error)
            print_message("%s %s: %s\n", rf_code_name(bodies[i].code), bodies[i].hex, rf_error_text(error));
        assert_int_equal(error, bodies[i].error);
        if (error == 0)
            wire_assert_bytes(rf_buf_view(&out), body);
        rf_buf_deinit(&out);
        rf_free(rf_mem_system(), exact);
    }
}

/* ---- values of Kinds ---- */

static const struct {
    uint32_t kind;
    const char *hex;
    int error;
} values[] = {
    {RF_KIND_SIP_REGISTRATION, "01 0002 0000", 0},
    {RF_KIND_SIP_REGISTRATION, "01 0003 0000 00", RF_ELENGTH},
    {RF_KIND_SIP_REGISTRATION, "01 0002 0001", RF_ESHORT},
    {RF_KIND_SIP_REGISTRATION, "01 0002 0000 00", RF_ELENGTH},
    {RF_KIND_SIP_REGISTRATION, "00 0002 0000", RF_EUNKNOWN},
    {RF_KIND_SIP_REGISTRATION, "03 0002 0000", RF_EUNKNOWN},
    {RF_KIND_SIP_REGISTRATION, "02 0006 0000 0002 8123", 0},
    {RF_KIND_SIP_REGISTRATION, "02 0004 0000 0000", RF_EFORMAT}, /* at least one destination */
    {RF_KIND_SIP_REGISTRATION, "02 0005 0000 0001 81", RF_ESHORT},
    {RF_KIND_TURN_SERVICE, "03 01 06 cb00714d 0d96", 0},
    {RF_KIND_TURN_SERVICE, "03 02 12 20010db8000000000000000000000010 0d96", 0},
    {RF_KIND_TURN_SERVICE, "03 03 02 0d96", RF_EUNKNOWN},
    {RF_KIND_TURN_SERVICE, "03 00 06 cb00714d 0d96", RF_EFORMAT},
    {RF_KIND_TURN_SERVICE, "03 01 06 cb00714d 0d96 00", RF_ELENGTH},
    {RF_KIND_REDIR, "00 0002 8123 0001 61 0002 003e 0000", 0},
    {RF_KIND_REDIR, "09 0000 0000 0002 003e 0001 aa", 0}, /* an unknown extension */
    {RF_KIND_REDIR, "00 0002 0100 0001 61 0002 003e 0000", RF_ELENGTH},
    {RF_KIND_REDIR, "00 0002 8123 0001 61 0002 003e 0000 00", RF_ELENGTH},
    {RF_KIND_ACCESS_CONTROL_LIST, "0001 61 f0000001 01", 0},
    {RF_KIND_ACCESS_CONTROL_LIST, "0001 61 f0000001 02", RF_EFORMAT},
    {RF_KIND_ACCESS_CONTROL_LIST, "0001 61 f0000001 01 00", RF_ELENGTH},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(values); i++) {
        struct wire_again again = {.id_len = ID_LEN, .region = wire_region(), .strict = true};
        struct rf_view value = wire_hex(values[i].hex);
        struct rf_buf out;
        int error;

        rf_buf_init(&out, rf_mem_system(), 1 << 16);
        error = wire_again_value(&again, values[i].kind, value, &out);
        if (error != values[i].error)
            print_message("%s %s: %s\n", rf_kind_name(values[i].kind), values[i].hex, rf_error_text(error));
        assert_int_equal(error, values[i].error);
        if (error == 0)
            wire_assert_bytes(rf_buf_view(&out), value);
        rf_buf_deinit(&out);
    }
}

/* The ACL of a Kind with variable names starts with a ResourceNameExtension. */
static void test_acl_names(void **state)
{
    struct rf_view value = wire_hex("01 0003 0001 62 0001 61 f0000001 01"), rest, name;
    struct rf_acl_value acl;
    struct rf_buf out;
    uint8_t space[32];

    (void)state;
    assert_int_equal(rf_acl_value_decode(value, true, &acl), 0);
    wire_assert_bytes(acl.resource_name, rf_view_str("b"));
    wire_assert_bytes(acl.to_user, rf_view_str("a"));
    rf_buf_fixed(&out, space, sizeof space);
    rf_acl_value_encode(&acl, &out);
    wire_assert_bytes(rf_buf_view(&out), value);
    assert_int_not_equal(rf_acl_value_decode(value, false, &acl), 0);
    assert_int_equal(rf_acl_value_decode(wire_hex("02 0003 0001 62 0001 61 f0000001 01"), true, &acl),
                     RF_EUNKNOWN);
    rest = wire_hex("01 0002 0001 62");
    assert_int_equal(rf_resource_name_decode(&rest, &name), RF_ELENGTH);
    assert_int_equal(rest.len, 6);
}

/* Candidates with an unknown type of address are left out, the others stay. */
static void test_unknown_addresses(void **state)
{
    struct rf_view body = wire_hex("00 00 00 0036"
                                   "07 03 aabbcc 01 01 31 00000001 01 0000"
                                   "01 06 c0000201 17c4 04 01 32 00000002 01 0000"
                                   "01 06 c0000201 17c4 01 01 33 00000003 02 09 01 aa 0000"
                                   "00");
    struct rf_attach attach;

    (void)state;
    assert_int_equal(rf_attach_decode(body, wire_region(), &attach), 0);
    assert_int_equal(attach.skipped_count, 2);
    assert_int_equal(attach.candidate_count, 1);
    assert_int_equal(attach.candidates[0].priority, 2);
}

static void test_routing_mode(void **state)
{
    static const struct {
        const char *hex;
        int error;
        size_t dest_count;
    } cases[] = {
        {"01 01 01 06 c0000201 17c4 02 8123", 0, 1},
        {"02 01 01 06 c0000201 17c4 04 8123 8124", 0, 2},
        {"02 01 01 06 c0000201 17c4 00", 0, 0}, /* for the responder to refuse */
        {"01 01 09 01 aa 02 8123", 0, 1},
        {"03 01 01 06 c0000201 17c4 02 8123", RF_EUNKNOWN, 0},
        {"01 01 01 06 c0000201 17c4 01 81", RF_ESHORT, 0},
        {"01 01 01 06 c0000201 17c4 02 8123 00", RF_ELENGTH, 0},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_routing_mode mode;
        assert_int_equal(rf_routing_mode_decode(wire_hex(cases[i].hex), ID_LEN, &mode), cases[i].error);
        if (cases[i].error == 0)
            assert_int_equal(mode.dest_count, cases[i].dest_count);
    }
}

/* Structures that only we could build wrongly are refused by the encoders. */
static void test_encoders_refuse(void **state)
{
    uint8_t space[512], long_bytes[300] = {0};
    struct rf_id unset = {0};
    struct rf_addr no_addr = {0};
    struct rf_view too_long = rf_view_of(long_bytes, sizeof long_bytes);
    struct rf_buf out;

    (void)state;
#define REFUSED(error, call)                                                                                 \
    do {                                                                                                     \
        rf_buf_fixed(&out, space, sizeof space);                                                             \
        call;                                                                                                \
        assert_int_equal(rf_buf_error(&out), error);                                                         \
    } while (0)
    REFUSED(RF_EINVAL, rf_route_query_ans_encode(&unset, &out));
    REFUSED(RF_EINVAL, rf_member_encode(&(struct rf_member){0}, &out));
    REFUSED(RF_EINVAL, rf_turn_value_encode(&(struct rf_turn_value){.address = no_addr}, &out));
    REFUSED(RF_EINVAL, rf_sip_value_encode(&(struct rf_sip_value){.type = 9}, &out));
    REFUSED(RF_EINVAL, rf_config_update_encode(&(struct rf_config_update){.type = 0}, &out));
    REFUSED(RF_EINVAL, rf_diag_number_encode(RF_DIAG_SOFTWARE_VERSION, 1, &out));
    REFUSED(RF_ELENGTH, rf_probe_req_encode(too_long, &out));
    REFUSED(RF_ELENGTH, rf_find_req_encode(&(struct rf_find_req){.resource = too_long}, &out));
    REFUSED(RF_ELENGTH,
            rf_find_req_encode(&(struct rf_find_req){.resource = rf_view_of(long_bytes, 255)}, &out));
    REFUSED(RF_EINVAL, rf_data_value_encode(RF_MODEL_SINGLE, rf_view_str("x"), true, too_long, &out));
    REFUSED(RF_EINVAL, rf_data_value_encode(RF_MODEL_ARRAY, rf_view_str("x"), true, too_long, &out));
    REFUSED(RF_EINVAL, rf_data_value_encode(RF_MODEL_DICTIONARY, rf_view_str("x"), false, too_long, &out));
    REFUSED(RF_EINVAL, rf_data_value_encode((enum rf_model)0, rf_view_str(""), true, too_long, &out));
#undef REFUSED
}

/* More Kinds than a message may hold. */
static void test_limits(void **state)
{
    struct rf_store_req req = {.kind_count = RF_STORE_MAX_KINDS + 1};
    struct rf_buf out;
    struct rf_view body;

    (void)state;
    req.kinds = rf_region_array(wire_region(), req.kind_count, sizeof *req.kinds);
    for (size_t i = 0; i < req.kind_count; i++)
        req.kinds[i].kind = (uint32_t)i + 1;
    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_store_req_encode(&req, &out);
    assert_int_equal(rf_buf_error(&out), 0);
    assert_int_equal(rf_store_req_decode(rf_buf_view(&out), wire_region(), &req), RF_ELIMIT);
    rf_buf_reset(&out);
    req.kind_count--;
    rf_store_req_encode(&req, &out);
    body = rf_buf_view(&out);
    assert_int_equal(rf_store_req_decode(body, wire_region(), &req), 0);
    assert_int_equal(req.kind_count, RF_STORE_MAX_KINDS);
    rf_buf_deinit(&out);
}

/* More certificates than a bucket may hold. */
static void test_cert_limit(void **state)
{
    struct rf_view certs[RF_MESSAGE_MAX_CERTS + 1];
    struct rf_security security;
    struct rf_buf out;

    (void)state;
    for (size_t i = 0; i <= RF_MESSAGE_MAX_CERTS; i++)
        certs[i] = rf_view_str("x");
    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    for (size_t n = RF_MESSAGE_MAX_CERTS; n <= RF_MESSAGE_MAX_CERTS + 1; n++) {
        rf_buf_reset(&out);
        rf_certs_encode(certs, n, &out);
        rf_signature_encode(&rf_signature_none, &out);
        assert_int_equal(rf_security_decode(rf_buf_view(&out), &security),
                         n == RF_MESSAGE_MAX_CERTS ? 0 : RF_ELIMIT);
    }
    rf_buf_deinit(&out);
}

int test_wire_broken(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bodies, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_values, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_acl_names, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_addresses, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_routing_mode, wire_setup, wire_teardown),
        cmocka_unit_test(test_encoders_refuse),
        cmocka_unit_test_setup_teardown(test_limits, wire_setup, wire_teardown),
        cmocka_unit_test(test_cert_limit),
    };
    return cmocka_run_group_tests_name("wire broken", tests, NULL, NULL);
}
