/* fuzz_chat.c - all that members give each other: decoded, encoded again: the same bytes. The first byte chooses the decoder. */
#include "base/assert.h"
#include "chat/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rf_buf out;

static void same(struct rf_view in)
{
    RF_ASSERT(rf_buf_error(&out) == 0 && rf_view_equal(rf_buf_view(&out), in));
}

static void log_values(uint8_t which, struct rf_view in)
{
    struct parcel parcel;
    struct welcome welcome;
    struct rf_view body;
    struct say say;
    uint8_t type;
    if (which == 0 && parcel_decode(in, &parcel) == 0) {
        RF_ASSERT(parcel.piece < parcel.pieces && parcel.pieces <= PARCEL_MAX_PIECES);
        parcel_encode(&parcel, &out);
        same(in);
    } else if (which == 1 && welcome_decode(in, &welcome) == 0) {
        welcome_encode(&welcome, &out);
        same(in);
    } else if (which == 2 && say_decode(in, &say) == 0) {
        say_begin(say.sent_ms, say.seen, say.chain.p, &out);
        while (item_next(&say.items, &type, &body) == 0)
            item_put((enum item_type)type, body, &out);
        RF_ASSERT(say.items.len == 0);
        same(in);
    }
}

static void group_values(uint8_t which, struct rf_view in)
{
    struct shape shape, again;
    struct offer offer;
    struct rf_view one;
    if (which == 3 && shape_decode(in, &shape) == 0) {
        shape_encode(&shape, &out);
        RF_ASSERT(out.len <= in.len); /* bytes behind are passed over */
        same(rf_view_of(in.p, out.len));
        rf_buf_reset(&out);
        shape_extensions(&shape, &out);
        RF_ASSERT(shape_find(rf_buf_view(&out), &again) == 0 && rf_view_equal(shape.title, again.title));
    } else if (which == 4) {
        (void)shape_find(in, &shape);
    } else if (which == 5 && offer_decode(in, &offer) == 0) {
        offer_encode(&offer, &out);
        same(rf_view_of(in.p, out.len));
        while (offer.packages.len > 0)
            RF_ASSERT(rf_view_v(&offer.packages, 2, &one) == 0);
    }
}

static void letters(uint8_t which, struct rf_view in)
{
    struct rf_view list, body;
    struct invite invite;
    struct door_head door;
    struct door_piece piece;
    uint8_t type;
    if (which == 6 && notes_check(in, &list) == 0) {
        rf_buf_u8(&out, 1);
        while (note_next(&list, &type, &body) == 0) {
            (void)invite_decode(body, &invite);
            note_put((enum note_type)type, body, &out);
        }
        same(in);
    } else if (which == 7 && invite_decode(in, &invite) == 0) {
        invite_encode(&invite, &out);
        same(rf_view_of(in.p, out.len));
    } else if (which == 8 && door_decode(in, &door) == 0) {
        door_encode(&door, &out);
        same(in);
    } else if (which == 9 && door_piece_decode(in, &piece) == 0) {
        RF_ASSERT(piece.piece < piece.pieces && piece.pieces <= DOOR_MAX_PIECES);
        door_piece_encode(&piece, &out);
        same(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct rf_view in = {data + 1, len - 1};
    rf_buf_init(&out, rf_mem_system(), 1 << 22);
    log_values(data[0], in);
    group_values(data[0], in);
    letters(data[0], in);
    rf_buf_deinit(&out);
    return 0;
}
