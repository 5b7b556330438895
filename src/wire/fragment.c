/* fragment.c - pieces of messages (reload.md 1.7): what one is, and how to cut them. */
#include "wire/header.h"
#include "wire/internal.h"

int rf_piece_of(const struct rf_header *header, struct rf_view rest, struct rf_piece *out)
{
    uint32_t offset = header->fragment & RF_FRAGMENT_OFFSET_MASK;

    if (rest.len == 0 || rest.len > RF_FRAGMENT_OFFSET_MASK - offset)
        return RF_ELENGTH;
    *out =
        (struct rf_piece){.offset = offset, .last = (header->fragment & RF_FRAGMENT_LAST) != 0, .data = rest};
    return 0;
}

int rf_split_start(struct rf_split *split, const struct rf_header *header, struct rf_view rest,
                   size_t max_len)
{
    size_t header_len = RF_HEADER_MIN_LEN + header->via.len + header->dests.len + header->options.len;
    size_t room = max_len > header_len ? max_len - header_len : 0, count;
    struct rf_piece whole;
    int error = rf_piece_of(header, rest, &whole);

    if (error != 0)
        return error;
    if (room < rest.len && room < RF_FRAGMENT_MIN_LEN)
        return RF_ELIMIT;
    count = room < rest.len ? (rest.len + room - 1) / room : 1;
    if (count > 1 && rest.len / count < RF_FRAGMENT_MIN_LEN)
        return RF_ELIMIT;
    *split = (struct rf_split){.header = header,
                               .rest = rest,
                               .offset = whole.offset,
                               .piece_len = rest.len / count,
                               .longer_count = rest.len % count};
    return 0;
}

bool rf_split_next(struct rf_split *split, struct rf_buf *out)
{
    struct rf_header header = *split->header;
    struct rf_view piece;
    size_t len = split->piece_len;

    if (split->rest.len == 0)
        return false;
    if (split->longer_count > 0) {
        split->longer_count--;
        len++;
    }
    if (rf_view_take(&split->rest, len, &piece) != 0)
        return false; /* not reached: the pieces add up */
    /* the last piece of a last fragment is the last; a fragment in the middle has none */
    header.fragment = RF_FRAGMENT_ALWAYS | split->offset;
    if (split->rest.len == 0)
        header.fragment |= split->header->fragment & RF_FRAGMENT_LAST;
    split->offset += (uint32_t)len;
    rf_header_encode(&header, piece.len, out);
    rf_buf_view_put(out, piece);
    return true;
}
