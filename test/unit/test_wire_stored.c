/* test_wire_stored.c - stored values built, relabelled, and what their signatures cover. */
#include "base/assert.h"
#include "test_wire.h"
#include "wire/store.h"

#define ALICE_RES "45a6b241a242c97f0492d382c390dfa3"

static struct rf_view input_of(const struct rf_signed *input, const struct rf_signature *signature)
{
    struct rf_buf out;
    struct rf_view result;

    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_signed_put(input, signature->identity.raw, &out);
    assert_int_equal(rf_buf_error(&out), 0);
    result = rf_region_copy(wire_region(), rf_buf_view(&out));
    rf_buf_deinit(&out);
    return result;
}

static struct rf_stored_data value_of(const char *name, struct rf_view *resource)
{
    static struct rf_message m;
    struct rf_store_req req;
    struct rf_stored stored;
    struct rf_stored_data data;

    assert_int_equal(rf_message_decode(wire_vector(name), ID_LEN, &m), 0);
    assert_int_equal(rf_store_req_decode(m.body, wire_region(), &req), 0);
    assert_int_equal(rf_stored_next(&req.kinds[0].values, &stored), 0);
    assert_int_equal(rf_stored_data_decode(&stored, rf_kind_model(req.kinds[0].kind), &data), 0);
    if (resource != NULL)
        *resource = req.resource;
    return data;
}

/* Section 8.1: the inputs of two signatures. */
static void test_message_input(void **state)
{
    struct rf_signed input;
    struct rf_message m;

    (void)state;
    assert_int_equal(rf_message_decode(wire_vector("ping_req"), ID_LEN, &m), 0);
    rf_signed_message(m.header.overlay, m.header.transaction_id, m.contents, &input);
    wire_assert_bytes(
        input_of(&input, &m.security.signature),
        wire_hex("4e38fc3f01020304050607010017000000020000000000000100220420f77ed1c968cedf54857a002cc"
                 "e1571df655eb8b1f1194c6baf44c663e66b7b65"));
}

static void test_value_input(void **state)
{
    struct rf_signed input;
    struct rf_view resource;
    struct rf_stored_data data = value_of("store_sip_route", &resource);

    (void)state;
    rf_signed_stored(resource, RF_KIND_SIP_REGISTRATION, data.storage_time_ms, data.model, data.value_raw,
                     &input);
    wire_assert_bytes(input_of(&input, &data.signature),
                      wire_hex("45a6b241a242c97f0492d382c390dfa300000001000001977420dc020010a11ce000000000000"
                               "0000000000000010100000"
                               "02b0200280012287369702e736368656d65733d534950532900120110a11ce000000000000000"
                               "0000000000010100220420"
                               "f77ed1c968cedf54857a002cce1571df655eb8b1f1194c6baf44c663e66b7b65"));
}

/* The index is 0 in the input, whatever it is on the wire. */
static void test_array_input(void **state)
{
    struct rf_signed appended, relabelled;
    struct rf_view resource, list;
    struct rf_stored stored;
    struct rf_stored_data data = value_of("store_array", &resource), again;
    struct rf_buf out;

    (void)state;
    assert_true(data.index == RF_ARRAY_APPEND);
    rf_signed_stored(resource, RF_KIND_CERTIFICATE_BY_NODE, data.storage_time_ms, data.model, data.value_raw,
                     &appended);
    assert_int_equal(appended.part_count, 3);
    wire_assert_bytes(appended.parts[1], wire_hex("00000003 000001977420dc01 00000000"));
    assert_int_equal(appended.parts[2].len, data.value_raw.len - 4);

    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_stored_relabel(&data, 5, 77, &out);
    list = rf_buf_view(&out);
    assert_int_equal(rf_stored_next(&list, &stored), 0);
    assert_int_equal(list.len, 0);
    assert_int_equal(rf_stored_data_decode(&stored, RF_MODEL_ARRAY, &again), 0);
    assert_int_equal(again.index, 5);
    assert_int_equal(again.lifetime_s, 77);
    assert_true(again.storage_time_ms == data.storage_time_ms);
    rf_signed_stored(resource, RF_KIND_CERTIFICATE_BY_NODE, again.storage_time_ms, again.model,
                     again.value_raw, &relabelled);
    wire_assert_bytes(input_of(&relabelled, &again.signature), input_of(&appended, &data.signature));
    rf_buf_deinit(&out);
}

/* What a writer does: value, input, signature, StoredData; the vector comes out. */
static void test_build(void **state)
{
    struct rf_stored_data data = value_of("store_sip_route", NULL), again;
    struct rf_stored stored;
    struct rf_view list;
    struct rf_buf value, signature, out;

    (void)state;
    rf_buf_init(&value, rf_mem_system(), 1 << 16);
    rf_buf_init(&signature, rf_mem_system(), 1 << 16);
    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_data_value_encode(RF_MODEL_DICTIONARY, data.slot, true, data.value, &value);
    wire_assert_bytes(rf_buf_view(&value), data.value_raw);
    rf_signature_encode(&data.signature, &signature);
    wire_assert_bytes(rf_buf_view(&signature), data.signature_raw);
    rf_stored_encode(data.storage_time_ms, data.lifetime_s, rf_buf_view(&value), rf_buf_view(&signature),
                     &out);
    list = rf_buf_view(&out);
    assert_int_equal(rf_stored_next(&list, &stored), 0);
    assert_int_equal(stored.raw.len, out.len);
    assert_int_equal(rf_stored_data_decode(&stored, RF_MODEL_DICTIONARY, &again), 0);
    wire_assert_bytes(again.value, data.value);
    rf_buf_deinit(&value);
    rf_buf_deinit(&signature);
    rf_buf_deinit(&out);
}

/* relabel of another model only shortens the lifetime */
static void test_relabel_dictionary(void **state)
{
    struct rf_stored_data data = value_of("store_sip_route", NULL), again;
    struct rf_stored stored;
    struct rf_view list;
    struct rf_buf out;

    (void)state;
    rf_buf_init(&out, rf_mem_system(), 1 << 16);
    rf_stored_relabel(&data, 9, 10, &out);
    list = rf_buf_view(&out);
    assert_int_equal(rf_stored_next(&list, &stored), 0);
    assert_int_equal(rf_stored_data_decode(&stored, RF_MODEL_DICTIONARY, &again), 0);
    assert_int_equal(again.lifetime_s, 10);
    wire_assert_bytes(again.value_raw, data.value_raw);
    wire_assert_bytes(again.signature_raw, data.signature_raw);
    rf_buf_deinit(&out);
}

/* Synthesized values, as fetch_ans has them. */
static void test_none(void **state)
{
    static const struct {
        enum rf_model model;
        const char *slot, *hex;
    } cases[] = {
        {RF_MODEL_SINGLE, "", "00000018 0000000000000000 00000000 00 00000000 0000 03 0000 0000"},
        {RF_MODEL_ARRAY, "00000007",
         "0000001c 0000000000000000 00000000 00000007 00 00000000 0000 03 0000 0000"},
        {RF_MODEL_DICTIONARY, "aa",
         "0000001b 0000000000000000 00000000 0001 aa 00 00000000 0000 03 0000 0000"},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        struct rf_buf out;
        uint8_t space[64];
        rf_buf_fixed(&out, space, sizeof space);
        rf_stored_none_encode(cases[i].model, wire_hex(cases[i].slot), &out);
        assert_int_equal(rf_buf_error(&out), 0);
        wire_assert_bytes(rf_buf_view(&out), wire_hex(cases[i].hex));
    }
}

static void test_models(void **state)
{
    (void)state;
    assert_int_equal(rf_kind_model(RF_KIND_SIP_REGISTRATION), RF_MODEL_DICTIONARY);
    assert_int_equal(rf_kind_model(RF_KIND_TURN_SERVICE), RF_MODEL_SINGLE);
    assert_int_equal(rf_kind_model(RF_KIND_CERTIFICATE_BY_USER), RF_MODEL_ARRAY);
    assert_int_equal(rf_kind_model(0xf0000001), 0);
    assert_string_equal(rf_model_name(RF_MODEL_ARRAY), "ARRAY");
}

int test_wire_stored(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_message_input, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_value_input, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_array_input, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_build, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_relabel_dictionary, wire_setup, wire_teardown),
        cmocka_unit_test_setup_teardown(test_none, wire_setup, wire_teardown),
        cmocka_unit_test(test_models),
    };
    return cmocka_run_group_tests_name("wire stored", tests, NULL, NULL);
}
