/*
 * message.h - what two nodes say on a connection of application RF_FILES_APPLICATION (docs/protocol/files.md).
 *
 *   u24 length of what follows | u8 type | body
 *
 * Both ends may ask and both may have files, so a connection has two independent directions. Who asks numbers his channels, one for each file that he asks for.
 *
 *   asker -> holder   OPEN    u16 channel | u8 version (1) | id 32 bytes | access 32 bytes   is it there, and which chunks? On an open channel: again
 *                     GET     u16 channel | u32 first | u16 count                            these chunks, please
 *                     CANCEL  u16 channel | u32 first | u16 count                            these not any more
 *                     CLOSE   u16 channel
 *   holder -> asker   HAVE    u16 channel | u8 what: 0 all chunks; 1 those whose bits follow (one for each chunk, the first in bit 7 of byte 0, the rest of the last byte 0)
 *                     REFUSE  u16 channel | u8 why                                           the channel is closed
 *                     CHUNK   u16 channel | u32 index | proof v16 | sealed chunk, to the end
 *                     MISS    u16 channel | u32 index | u8 why                               that chunk will not come
 */
#ifndef RF_FILES_MESSAGE_H
#define RF_FILES_MESSAGE_H

#include "files/format.h"

#define RF_FILE_FRAME_LEN   4                               /* length and type */
#define RF_FILE_CHUNK_FRONT (RF_FILE_FRAME_LEN + 2 + 4 + 2) /* of a CHUNK, before its proof */
#define RF_FILE_ASK_MAX     68 /* longest message to a holder, without its frame */
#define RF_FILE_TELL_MAX                                                                                     \
    (2 + 4 + 2 + RF_FILE_MAX_DEPTH * RF_FILE_HASH_LEN + (1u << RF_FILE_MAX_BITS) +                           \
     RF_AEAD_TAG_LEN) /* longest to an asker */

enum rf_file_message_type {
    RF_FILE_OPEN = 1,
    RF_FILE_GET,
    RF_FILE_CANCEL,
    RF_FILE_CLOSE,
    RF_FILE_HAVE,
    RF_FILE_REFUSE,
    RF_FILE_CHUNK,
    RF_FILE_MISS
};

enum rf_file_why {
    RF_FILE_WHY_UNKNOWN = 1, /* not there, or you may not have it: which of both is not told */
    RF_FILE_WHY_BUSY,        /* later, perhaps */
    RF_FILE_WHY_GONE,        /* it was there, and was removed or changed, or cannot be read */
    RF_FILE_WHY_NOT_HERE,    /* MISS: that chunk is not there (yet) */
};

struct rf_file_message {
    enum rf_file_message_type type;
    uint16_t channel;
    uint8_t why;
    uint32_t first;               /* GET, CANCEL; CHUNK, MISS: the index */
    uint16_t count;               /* GET, CANCEL */
    bool all;                     /* HAVE */
    struct rf_view bits;          /* HAVE, not all; borrowed */
    struct rf_view id;            /* OPEN; borrowed */
    struct rf_view access;        /* OPEN; borrowed */
    struct rf_view proof, sealed; /* CHUNK; borrowed */
};

/* rf_file_message_encode appends message and frame. Errors in `out`: RF_EINVAL, the builder's. */
void rf_file_message_encode(const struct rf_file_message *message, struct rf_buf *out);
/*
 * rf_file_message_next looks for a whole message at the front of `in` and takes it out.
 * Errors: RF_ESHORT more bytes needed (`in` unchanged); the connection is of no use any more: RF_EUNKNOWN type, RF_ELIMIT longer than any of its type, RF_ELENGTH,
 * RF_EVERSION, RF_EFORMAT.
 */
int rf_file_message_next(struct rf_view *in, struct rf_file_message *out);
/* rf_file_message_len is how long a message is with its frame, as its first RF_FILE_FRAME_LEN bytes say; 0: fewer are there. */
size_t rf_file_message_len(struct rf_view in);

#endif
