/*
 * fuzz_wire_stored.c - a list of StoredData or StoredMetaData in the model, or a value of the Kind, that the first byte chooses: what
 * decodes is encoded again to the same bytes; the signature's input does not depend on an array's index.
 */
#include <stdint.h>
#include "base/assert.h"
#include "support/wire_again.h"
#include "wire/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t kinds[] = {RF_KIND_SIP_REGISTRATION, RF_KIND_TURN_SERVICE, RF_KIND_ACCESS_CONTROL_LIST,
                                 RF_KIND_REDIR, 0xf0000001};

static void put_input(const struct rf_stored_data *data, struct rf_buf *out)
{
    struct rf_signed input;

    rf_signed_stored(rf_view_str("resource"), 7, data->storage_time_ms, data->model, data->value_raw, &input);
    rf_signed_put(&input, data->signature.identity.raw, out);
}

static void check_signed(struct rf_view list, enum rf_model model)
{
    struct rf_stored stored;
    struct rf_stored_data data, moved;
    struct rf_buf relabelled, a, b;

    if (rf_stored_next(&list, &stored) != 0 || rf_stored_data_decode(&stored, model, &data) != 0)
        return;
    rf_buf_init(&relabelled, rf_mem_system(), 1 << 20);
    rf_buf_init(&a, rf_mem_system(), 1 << 20);
    rf_buf_init(&b, rf_mem_system(), 1 << 20);
    rf_stored_relabel(&data, data.index + 1, 1, &relabelled);
    list = rf_buf_view(&relabelled);
    RF_ASSERT(rf_stored_next(&list, &stored) == 0 && list.len == 0);
    RF_ASSERT(rf_stored_data_decode(&stored, model, &moved) == 0);
    RF_ASSERT(moved.lifetime_s == 1 && rf_view_equal(moved.value, data.value));
    put_input(&data, &a);
    put_input(&moved, &b);
    RF_ASSERT(rf_view_equal(rf_buf_view(&a), rf_buf_view(&b)));
    rf_buf_deinit(&relabelled);
    rf_buf_deinit(&a);
    rf_buf_deinit(&b);
}

static void check_selection(struct rf_region *region, struct rf_view bytes, enum rf_model model)
{
    struct rf_selection selection;
    struct rf_buf out;

    if (rf_selection_decode(bytes, model, region, &selection) != 0)
        return;
    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    rf_selection_encode(&selection, model, &out);
    RF_ASSERT(rf_view_equal(rf_buf_view(&out), bytes));
    rf_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = {data, size};
    struct rf_region region;
    struct wire_again again = {.id_len = 16, .region = &region, .strict = true};
    struct rf_buf out;
    enum rf_model model;
    uint32_t kind;
    uint8_t choice;
    int error;

    if (rf_view_u8(&in, &choice) != 0)
        return 0;
    model = (enum rf_model)(1 + (choice & 3) % 3);
    kind = kinds[(choice >> 4) % RF_COUNT(kinds)];
    rf_region_init(&region, rf_mem_system(), 1 << 22);
    rf_buf_init(&out, rf_mem_system(), 1 << 24);
    switch (choice >> 2 & 3) {
    case 0:
        error = wire_again_stored(&again, 0xf0000001, model, in, &out);
        check_signed(in, model);
        break;
    case 1:
        error = wire_again_meta(&again, model, in, &out);
        break;
    case 2:
        error = wire_again_value(&again, kind, in, &out);
        break;
    default:
        error = -1;
        check_selection(&region, in, model);
    }
    RF_ASSERT(error != 0 || rf_view_equal(rf_buf_view(&out), in));
    rf_buf_deinit(&out);
    rf_region_deinit(&region);
    return 0;
}
