/* fuzz_wire_binding.c - what is said about a NAT's bindings: decoded, encoded, decoded again: the same. */
#include "base/assert.h"
#include "base/error.h"
#include "wire/binding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t bytes[256];

static struct rf_buf *fresh(struct rf_buf *buf)
{
    rf_buf_fixed(buf, bytes, sizeof(bytes));
    return buf;
}

static void ask_again(struct rf_view body)
{
    struct rf_binding_ask ask, again;
    struct rf_buf buf;
    if (rf_binding_ask_decode(body, &ask) != 0)
        return;
    RF_ASSERT(rf_binding_is_ask(body) && ask.wants <= RF_BINDING_DATAGRAM);
    rf_binding_ask_encode(&ask, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_binding_ask_decode(rf_buf_view(&buf), &again) == 0);
    RF_ASSERT(again.wants == ask.wants && again.silent_ms == ask.silent_ms);
}

static void said_again(struct rf_view body)
{
    struct rf_binding_said said, again;
    struct rf_buf buf;
    if (rf_binding_said_decode(body, &said) != 0)
        return;
    RF_ASSERT(said.outcome <= RF_BINDING_LATER);
    rf_binding_said_encode(&said, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && rf_binding_said_decode(rf_buf_view(&buf), &again) == 0);
    RF_ASSERT(again.outcome == said.outcome && again.silent_ms == said.silent_ms &&
              memcmp(again.token, said.token, sizeof(said.token)) == 0 &&
              rf_addr_equal(&again.seen, &said.seen));
}

static void piece_again(struct rf_view in)
{
    struct rf_binding_piece piece, again;
    struct rf_buf buf;
    if (rf_binding_piece_decode(in, &piece) != 0)
        return;
    RF_ASSERT(rf_binding_is_piece(in) && in.len >= RF_BINDING_PIECE_LEN);
    rf_binding_piece_encode(&piece, fresh(&buf));
    RF_ASSERT(rf_buf_error(&buf) == 0 && buf.len == RF_BINDING_PIECE_LEN &&
              rf_view_equal(rf_buf_view(&buf), rf_view_of(in.p, RF_BINDING_PIECE_LEN)));
    RF_ASSERT(rf_binding_piece_decode(rf_buf_view(&buf), &again) == 0 && again.wait_ms == piece.wait_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rf_view in = rf_view_of(data, len);
    ask_again(in);
    said_again(in);
    piece_again(in);
    return 0;
}
