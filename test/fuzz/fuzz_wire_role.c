/* fuzz_wire_role.c - what others say about roles: decoded, encoded, decoded again: the same. */
#include "base/assert.h"
#include "base/error.h"
#include "wire/role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t bytes[1024];

static struct rf_buf *fresh(struct rf_buf *buf)
{
    rf_buf_fixed(buf, bytes, sizeof(bytes));
    return buf;
}

static void ask_again(struct rf_view body)
{
    struct rf_role_ask ask, again;
    struct rf_buf buf;
    if (rf_role_ask_decode(body, &ask) != 0)
        return;
    RF_ASSERT(rf_role_tag_of(body) == RF_ROLE_ASK);
    if ((ask.wants & RF_ROLE_DIAL) != 0 && ask.address.family == 0)
        return; /* of a family that we do not know: we could not write it */
    rf_role_ask_encode(&ask, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_role_ask_decode(rf_buf_view(&buf), &again) == 0);
    RF_ASSERT(again.wants == ask.wants && rf_addr_equal(&again.address, &ask.address));
}

static void said_again(struct rf_view body)
{
    struct rf_role_said said, again;
    struct rf_buf buf;
    if (rf_role_said_decode(body, &said) != 0)
        return;
    RF_ASSERT(said.dial <= RF_ROLE_DIAL_STRANGER);
    rf_role_said_encode(&said, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_role_said_decode(rf_buf_view(&buf), &again) == 0);
    RF_ASSERT(again.load == said.load && again.dial == said.dial && again.granted == said.granted &&
              again.candidates == said.candidates && again.ring_size == said.ring_size);
}

static void move_again(struct rf_view body)
{
    struct rf_role_move move, again;
    struct rf_buf buf;
    if (rf_role_move_decode(body, 16, &move) != 0)
        return;
    RF_ASSERT(rf_role_tag_of(body) == RF_ROLE_MOVE && move.alternative_count <= RF_ROLE_ALTERNATIVES);
    rf_role_move_encode(&move, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_role_move_decode(rf_buf_view(&buf), 16, &again) == 0);
    RF_ASSERT(again.within_ms == move.within_ms && again.alternative_count == move.alternative_count);
    for (size_t i = 0; i < move.alternative_count; i++)
        RF_ASSERT(rf_id_equal(&again.alternatives[i], &move.alternatives[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_view in = rf_view_of(data, len);
    ask_again(in);
    said_again(in);
    move_again(in);
    return 0;
}
