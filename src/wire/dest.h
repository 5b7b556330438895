/*
 * dest.h - Destination, the entry of via and destination lists (reload.md 2.2):
 *
 *     0vvvvvvv length data[length]     type v: 1 node: Node-ID; 2 resource: v8 Resource-ID; 3 opaque: v8
 *     1vvvvvvv vvvvvvvv                the 16-bit opaque form, two bytes in all
 *
 * A list is kept as the bytes it came in and read entry by entry; forwarding then allocates nothing.
 * `id_len` is the overlay's node-id-length (16..20); 0 accepts each of them.
 */
#ifndef RF_WIRE_DEST_H
#define RF_WIRE_DEST_H

#include "base/buf.h"
#include "base/id.h"

enum rf_dest_type {
    RF_DEST_NODE = 1,
    RF_DEST_RESOURCE = 2,
    RF_DEST_OPAQUE = 3,
    RF_DEST_COMPACT = 0x80, /* the 16-bit opaque form */
};

#define RF_DEST_LIST_MAX 512 /* entries in one list; ttl allows 255 hops */

struct rf_dest {
    enum rf_dest_type type;
    uint16_t compact; /* COMPACT: all 16 bits, the top one set */
    struct rf_id id;  /* NODE; RESOURCE of 16..20 bytes; otherwise len 0 */
    struct rf_view
        bytes; /* OPAQUE, and RESOURCE of another length (0..254 bytes): borrowed. Decoders set it always
                             for RESOURCE and OPAQUE; the encoder looks at it only if id is unset. */
};

/* Destinations that own their bytes. rf_dest_compact sets the top bit of `value`. rf_dest_opaque borrows. */
struct rf_dest rf_dest_node(const struct rf_id *id);
struct rf_dest rf_dest_resource(const struct rf_id *id);
struct rf_dest rf_dest_opaque(struct rf_view bytes);
struct rf_dest rf_dest_compact(uint16_t value);
bool rf_dest_equal(const struct rf_dest *a, const struct rf_dest *b);

/*
 * rf_dest_next reads one entry from the front of `list`, which moves on; on error it is unchanged. An empty list is
 * RF_ESHORT: iterate with `while (list.len > 0)`.
 * Errors: RF_ESHORT the list ends inside an entry, RF_ELENGTH lengths disagree or a Node-ID is not of id_len,
 * RF_EUNKNOWN type, RF_EFORMAT a Node-ID of zeros.
 */
int rf_dest_next(struct rf_view *list, uint8_t id_len, struct rf_dest *out);
/*
 * rf_dest_list_check walks a whole list. count: entries, may be NULL.
 * Errors: those of rf_dest_next, RF_ELIMIT more than RF_DEST_LIST_MAX entries.
 */
int rf_dest_list_check(struct rf_view list, uint8_t id_len, size_t *count);
/* rf_dest_list_last reads the last entry. Errors: as rf_dest_list_check, RF_ENOTFOUND empty. */
int rf_dest_list_last(struct rf_view list, uint8_t id_len, struct rf_dest *out);
/* rf_dest_list_skip moves `list` past its first `count` entries. Errors: as rf_dest_next. */
int rf_dest_list_skip(struct rf_view *list, uint8_t id_len, size_t count);
/* rf_dest_list_repeats: some entry stands twice in a checked list (to be refused, reload.md 1.2). */
bool rf_dest_list_repeats(struct rf_view list);
/* Of a checked list, without decoding it: does an entry of `type` stand in it (not COMPACT); how often does a Node-ID. */
bool rf_dest_list_has(struct rf_view list, enum rf_dest_type type);
size_t rf_dest_list_visits(struct rf_view list, const struct rf_id *node);

/* rf_dest_encode appends one entry. A compact value without its top bit, opaque bytes > 254: RF_EINVAL in `out`. */
void rf_dest_encode(const struct rf_dest *dest, struct rf_buf *out);
/*
 * rf_dest_list_way_back appends a response's destination list (1.3): the node that the request came from and its via list, reversed. Circles
 * are left out: who stands twice in a destination list has it rejected (1.2), and knew the way on when the request passed first.
 */
void rf_dest_list_way_back(struct rf_view via, const struct rf_id *from, struct rf_buf *out);
/* rf_dest_text appends "node:a11c...", "resource:...", "opaque:...", "compact:8123"; the list form has brackets. */
void rf_dest_text(const struct rf_dest *dest, struct rf_buf *out);
void rf_dest_list_text(struct rf_view list, struct rf_buf *out);

#endif
