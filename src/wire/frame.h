/*
 * frame.h - FramedMessage, the hop-by-hop wrapping of messages on a link (reload.md 3.2, 3.3).
 *
 *     data  80 | sequence u32 | message v24          ack  81 | ack_sequence u32 | received u32
 */
#ifndef RF_WIRE_FRAME_H
#define RF_WIRE_FRAME_H

#include "base/buf.h"

#define RF_FRAME_DATA_LEN 8 /* bytes before the message */
#define RF_FRAME_ACK_LEN  9

enum rf_frame_type { RF_FRAME_DATA = 128, RF_FRAME_ACK = 129 };
struct rf_frame {
    enum rf_frame_type type;
    uint32_t sequence;      /* DATA: of this frame; ACK: of the data frame just received there */
    struct rf_view message; /* DATA, borrowed */
    uint32_t received;      /* ACK: bit n: sequence - n was received too; 0 = unknown. A hint only. */
};

/*
 * rf_frame_next reads one frame from the front of `in` (a DTLS record, or a TLS stream's bytes so far), which moves on.
 * max_message_len: bytes allowed in a message.
 * Errors (`in` unchanged): RF_ESHORT more bytes needed, RF_EUNKNOWN frame type, RF_ELIMIT the message is too large (told as
 * soon as its length is there).
 */
int rf_frame_next(struct rf_view *in, size_t max_message_len, struct rf_frame *out);
/* rf_frame_encode appends a frame. RF_ELENGTH in `out`: message of 2^24 bytes or more. */
void rf_frame_encode(const struct rf_frame *frame, struct rf_buf *out);

/*
 * rf_frame_reader finds the frames in a stream that arrives in any cuts. It copies only frames that are cut, and holds at
 * most one: RF_FRAME_DATA_LEN + max_message_len bytes.
 */
struct rf_frame_reader {
    struct rf_buf pending; /* start of a frame whose end is still to come */
    size_t max_message_len;
    bool used; /* the pending frame was given out by the last call */
};
void rf_frame_reader_init(struct rf_frame_reader *reader, struct rf_mem *mem, size_t max_message_len);
void rf_frame_reader_deinit(struct rf_frame_reader *reader);
/*
 * rf_frame_reader_next takes bytes from the front of `in` up to the end of one frame. The frame is valid until the next call
 * and while those bytes live. Returns 0; RF_ESHORT all of `in` was taken and no frame is whole yet; otherwise the link must
 * be closed: RF_EUNKNOWN, RF_ELIMIT as rf_frame_next, RF_ENOMEM.
 */
int rf_frame_reader_next(struct rf_frame_reader *reader, struct rf_view *in, struct rf_frame *out);

/* The sequence numbers received last on a link, from which the mask of each ack is made (3.3): the newest and 63 before it; one further
 * away begins anew. All zero at the start. */
struct rf_ack_log {
    uint64_t seen; /* bit n: newest - n was received; 0: nothing was */
    uint32_t newest;
};
/* rf_ack_log_add notes a data frame just received and fills its ack. */
void rf_ack_log_add(struct rf_ack_log *log, uint32_t sequence, struct rf_frame *ack);

#endif
