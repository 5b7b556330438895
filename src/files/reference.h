/*
 * reference.h - what a message says of a file: how it is called and how to get it, or, of a small one, the file itself. It travels end-to-end encrypted: whoever has it may
 * fetch and read the file.
 *
 *   u8 version (1) | u8 form | u64 size | name v8 | type v8 |
 *     form 1, to be fetched: u8 chunk_bits | id 32 bytes | secret 32 bytes
 *     form 2, small:         the bytes v16
 *
 * Names. A name is what it is saved as, and what people see, so none that could mislead is taken: 1 to 200 bytes of UTF-8 without control characters, separators of paths ('/',
 * '\', ':'), what else shells and other systems make something of ('"', '<', '>', '|', '?', '*'), marks that change the direction of text or are not seen; not with a dot, a minus or a blank in front, nor a dot or a
 * blank at the end.
 */
#ifndef RF_FILES_REFERENCE_H
#define RF_FILES_REFERENCE_H

#include "files/format.h"

#define RF_FILE_MAX_NAME      200
#define RF_FILE_MAX_TYPE      127
#define RF_FILE_MAX_SMALL     32768 /* bytes of a small file */
#define RF_FILE_REFERENCE_LEN (1 + 1 + 8 + 1 + RF_FILE_MAX_NAME + 1 + RF_FILE_MAX_TYPE + 1 + 32 + 32)
#define RF_FILE_SMALL_LEN     (1 + 1 + 8 + 1 + RF_FILE_MAX_NAME + 1 + RF_FILE_MAX_TYPE + 2 + RF_FILE_MAX_SMALL)

struct rf_file_reference {
    bool small;
    struct rf_view name;        /* borrowed */
    struct rf_view type;        /* a media type, "image/png", or empty; borrowed */
    struct rf_file_shape shape; /* small: only the size, which may be 0 */
    uint8_t id[RF_FILE_ID_LEN], secret[RF_FILE_SECRET_LEN]; /* not of small ones */
    struct rf_view bytes;                                   /* of a small one; borrowed */
};

/* rf_file_reference_encode appends. Errors in `out`: RF_EINVAL a field that its decoder would refuse. */
void rf_file_reference_encode(const struct rf_file_reference *reference, struct rf_buf *out);
/* rf_file_reference_decode reads all of `in`; views of `out` point into it. Errors: RF_EVERSION; RF_EUNKNOWN form; RF_ESHORT, RF_ELENGTH; RF_ELIMIT size; RF_EFORMAT
 * name or type. */
int rf_file_reference_decode(struct rf_view in, struct rf_file_reference *out);

bool rf_file_name_valid(struct rf_view name);
/* rf_file_name_clean appends a name that is valid, as like the given one as can be: each character that may not be there becomes '_'. Never empty. Errors in `out`. */
void rf_file_name_clean(struct rf_view name, struct rf_buf *out);
/* rf_file_type_valid: empty, or type/subtype of RFC 6838, section 4.2, without parameters. */
bool rf_file_type_valid(struct rf_view type);

#endif
