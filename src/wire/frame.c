/* frame.c - frames out of records and streams, and the mask of acks. */
#include "wire/frame.h"

#include "base/assert.h"
#include "wire/internal.h"

/* frame_len tells how many bytes the frame at the front of `in` has in all; RF_ESHORT: not known yet. */
static int frame_len(struct rf_view in, size_t max_message_len, size_t *out)
{
    uint8_t type;
    uint32_t sequence, len;
    int error;

    if ((error = rf_view_u8(&in, &type)) != 0)
        return error;
    if (type == RF_FRAME_ACK) {
        *out = RF_FRAME_ACK_LEN;
        return 0;
    }
    if (type != RF_FRAME_DATA)
        return RF_EUNKNOWN;
    if ((error = rf_view_u32(&in, &sequence)) != 0 || (error = rf_view_u24(&in, &len)) != 0)
        return error;
    if (len > max_message_len)
        return RF_ELIMIT;
    *out = RF_FRAME_DATA_LEN + len;
    return 0;
}

int rf_frame_next(struct rf_view *in, size_t max_message_len, struct rf_frame *out)
{
    struct rf_frame frame = {0};
    struct rf_view bytes;
    uint8_t type = 0;
    size_t len;
    int error = frame_len(*in, max_message_len, &len);

    if (error != 0 || (error = rf_view_take(in, len, &bytes)) != 0)
        return error;
    /* all of it is there, so nothing below can fail */
    error = rf_view_u8(&bytes, &type) + rf_view_u32(&bytes, &frame.sequence);
    frame.type = (enum rf_frame_type)type;
    if (frame.type == RF_FRAME_ACK)
        error += rf_view_u32(&bytes, &frame.received);
    else
        error += rf_view_v(&bytes, 3, &frame.message);
    RF_ASSERT(error == 0 && bytes.len == 0);
    *out = frame;
    return 0;
}

void rf_frame_encode(const struct rf_frame *frame, struct rf_buf *out)
{
    rf_buf_u8(out, (uint8_t)frame->type);
    rf_buf_u32(out, frame->sequence);
    if (frame->type == RF_FRAME_ACK)
        rf_buf_u32(out, frame->received);
    else
        rf_buf_v(out, 3, frame->message);
}

void rf_frame_reader_init(struct rf_frame_reader *reader, struct rf_mem *mem, size_t max_message_len)
{
    *reader = (struct rf_frame_reader){.max_message_len = max_message_len};
    rf_buf_init(&reader->pending, mem, SIZE_MAX);
}

void rf_frame_reader_deinit(struct rf_frame_reader *reader)
{
    rf_buf_deinit(&reader->pending);
}

/* fill moves bytes from `in` to the pending frame until it has `len`; RF_ESHORT: there were too few. */
static int fill(struct rf_frame_reader *reader, struct rf_view *in, size_t len)
{
    struct rf_view bytes;
    size_t missing = len > reader->pending.len ? len - reader->pending.len : 0;
    size_t take = missing < in->len ? missing : in->len;

    RF_ASSERT(rf_view_take(in, take, &bytes) == 0);
    rf_buf_view_put(&reader->pending, bytes);
    if (rf_buf_error(&reader->pending) != 0)
        return rf_buf_error(&reader->pending);
    return take < missing ? RF_ESHORT : 0;
}

/* finish completes the pending frame: first up to its length field, then to its end. */
static int finish(struct rf_frame_reader *reader, struct rf_view *in, struct rf_frame *out)
{
    struct rf_view frame;
    size_t len;
    int error;

    while ((error = frame_len(rf_buf_view(&reader->pending), reader->max_message_len, &len)) == RF_ESHORT) {
        len = reader->pending.len == 0 ? 1 : RF_FRAME_DATA_LEN;
        if ((error = fill(reader, in, len)) != 0)
            return error;
    }
    if (error != 0 || (error = fill(reader, in, len)) != 0)
        return error;
    frame = rf_buf_view(&reader->pending);
    reader->used = true;
    return rf_frame_next(&frame, reader->max_message_len, out);
}

int rf_frame_reader_next(struct rf_frame_reader *reader, struct rf_view *in, struct rf_frame *out)
{
    int error;

    if (reader->used) {
        reader->used = false;
        rf_buf_deinit(&reader->pending); /* cut frames are rare, idle links many: keep no memory */
    }
    if (reader->pending.len == 0) {
        error = rf_frame_next(in, reader->max_message_len, out);
        if (error != RF_ESHORT)
            return error;
    }
    return finish(reader, in, out);
}

void rf_ack_log_add(struct rf_ack_log *log, uint32_t sequence, struct rf_frame *ack)
{
    uint32_t ahead = sequence - log->newest,
             behind = log->newest - sequence; /* one of them is small, if it is near */
    unsigned at = 0;

    if (log->seen != 0 && behind < 64) {
        at = behind;
    } else {
        log->seen = log->seen != 0 && ahead < 64 ? log->seen << ahead : 0;
        log->newest = sequence;
    }
    log->seen |= UINT64_C(1) << at;
    *ack = (struct rf_frame){
        .type = RF_FRAME_ACK, .sequence = sequence, .received = (uint32_t)(log->seen >> at) & ~UINT32_C(1)};
}
