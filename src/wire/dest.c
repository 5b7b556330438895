/* dest.c - Destination and lists of them. */
#include "wire/dest.h"

#include "base/assert.h"
#include "base/text.h"
#include "wire/internal.h"

#define COMPACT_BIT 0x8000

struct rf_dest rf_dest_node(const struct rf_id *id)
{
    return (struct rf_dest){.type = RF_DEST_NODE, .id = *id};
}

struct rf_dest rf_dest_resource(const struct rf_id *id)
{
    return (struct rf_dest){.type = RF_DEST_RESOURCE, .id = *id};
}

struct rf_dest rf_dest_opaque(struct rf_view bytes)
{
    return (struct rf_dest){.type = RF_DEST_OPAQUE, .bytes = bytes};
}

struct rf_dest rf_dest_compact(uint16_t value)
{
    return (struct rf_dest){.type = RF_DEST_COMPACT, .compact = value | COMPACT_BIT};
}

/* payload is what a node, resource or opaque entry holds. */
static struct rf_view payload(const struct rf_dest *dest)
{
    return dest->id.len > 0 ? rf_id_view(&dest->id) : dest->bytes;
}

bool rf_dest_equal(const struct rf_dest *a, const struct rf_dest *b)
{
    if (a->type != b->type)
        return false;
    return a->type == RF_DEST_COMPACT ? a->compact == b->compact : rf_view_equal(payload(a), payload(b));
}

/* decode_data fills `out` from the data of the long form; `data` is exactly that. */
static int decode_data(uint8_t type, struct rf_view data, uint8_t id_len, struct rf_dest *out)
{
    int error;

    out->type = (enum rf_dest_type)type;
    switch (type) {
    case RF_DEST_NODE:
        return wire_node_id(data, id_len, &out->id);
    case RF_DEST_RESOURCE:
    case RF_DEST_OPAQUE:
        if ((error = rf_view_v(&data, 1, &out->bytes)) != 0)
            return RF_ELENGTH;
        if (type == RF_DEST_RESOURCE && out->bytes.len >= RF_ID_MIN_LEN && out->bytes.len <= RF_ID_MAX_LEN)
            RF_ASSERT(rf_id_from(out->bytes, &out->id) == 0);
        return wire_end(data);
    default:
        return RF_EUNKNOWN;
    }
}

int rf_dest_next(struct rf_view *list, uint8_t id_len, struct rf_dest *out)
{
    struct rf_view at = *list, data;
    struct rf_dest dest = {0};
    uint8_t type;
    int error;

    if (at.len > 0 && (at.p[0] & 0x80) != 0) {
        dest.type = RF_DEST_COMPACT;
        error = rf_view_u16(&at, &dest.compact);
    } else if ((error = rf_view_u8(&at, &type)) == 0 && (error = rf_view_v(&at, 1, &data)) == 0) {
        error = decode_data(type, data, id_len, &dest);
    }
    if (error != 0)
        return error;
    *list = at;
    *out = dest;
    return 0;
}

int rf_dest_list_check(struct rf_view list, uint8_t id_len, size_t *count)
{
    struct rf_dest dest;
    size_t n = 0;

    while (list.len > 0) {
        int error = rf_dest_next(&list, id_len, &dest);
        if (error != 0)
            return error;
        if (++n > RF_DEST_LIST_MAX)
            return RF_ELIMIT;
    }
    if (count != NULL)
        *count = n;
    return 0;
}

int rf_dest_list_last(struct rf_view list, uint8_t id_len, struct rf_dest *out)
{
    struct rf_dest dest;
    int error = rf_dest_list_check(list, id_len, NULL);

    if (error != 0)
        return error;
    if (list.len == 0)
        return RF_ENOTFOUND;
    while (list.len > 0)
        RF_ASSERT(rf_dest_next(&list, id_len, &dest) == 0);
    *out = dest;
    return 0;
}

int rf_dest_list_skip(struct rf_view *list, uint8_t id_len, size_t count)
{
    struct rf_view at = *list;
    struct rf_dest dest;

    for (; count > 0; count--) {
        int error = rf_dest_next(&at, id_len, &dest);
        if (error != 0)
            return error;
    }
    *list = at;
    return 0;
}

/* split_list stores the bytes of each entry of a checked list; returns how many. */
static size_t split_list(struct rf_view list, struct rf_view entries[RF_DEST_LIST_MAX])
{
    struct rf_dest dest;
    size_t n = 0;

    while (list.len > 0) {
        const uint8_t *start = list.p;
        RF_ASSERT(n < RF_DEST_LIST_MAX && rf_dest_next(&list, 0, &dest) == 0);
        entries[n++] = rf_view_of(start, (size_t)(list.p - start));
    }
    return n;
}

bool rf_dest_list_repeats(struct rf_view list)
{
    struct rf_view entries[RF_DEST_LIST_MAX];
    size_t n = split_list(list, entries);

    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (rf_view_equal(entries[i], entries[j]))
                return true;
        }
    }
    return false;
}

/* entry_len is the length of the entry at the front of a checked list. */
static size_t entry_len(struct rf_view list)
{
    return (list.p[0] & 0x80) != 0 ? 2 : 2 + (size_t)list.p[1];
}

bool rf_dest_list_has(struct rf_view list, enum rf_dest_type type)
{
    for (; list.len > 0; list = rf_view_of(list.p + entry_len(list), list.len - entry_len(list)))
        if (list.p[0] == (uint8_t)type)
            return true;
    return false;
}

size_t rf_dest_list_visits(struct rf_view list, const struct rf_id *node)
{
    size_t n = 0;

    for (; list.len > 0; list = rf_view_of(list.p + entry_len(list), list.len - entry_len(list)))
        n += list.p[0] == RF_DEST_NODE && list.p[1] == node->len &&
             memcmp(list.p + 2, node->b, node->len) == 0;
    return n;
}

/* first_visit is the first place at which the Node-ID of entries[at] stands. Opaque IDs of different nodes may look alike: only itself. */
static size_t first_visit(const struct rf_view *entries, size_t at)
{
    size_t i = 0;

    if (entries[at].p[0] != RF_DEST_NODE)
        return at;
    while (!rf_view_equal(entries[i], entries[at]))
        i++;
    return i;
}

void rf_dest_list_way_back(struct rf_view via, const struct rf_id *from, struct rf_buf *out)
{
    struct rf_view entries[RF_DEST_LIST_MAX + 1];
    uint8_t bytes[2 + RF_ID_MAX_LEN];
    struct rf_dest sender = rf_dest_node(from);
    size_t n = split_list(via, entries);
    struct rf_buf last;

    rf_buf_fixed(&last, bytes, sizeof bytes);
    rf_dest_encode(&sender, &last);
    entries[n++] = rf_buf_view(&last);
    while (n > 0) {
        n = first_visit(entries, n - 1);
        rf_buf_view_put(out, entries[n]);
    }
}

void rf_dest_encode(const struct rf_dest *dest, struct rf_buf *out)
{
    struct rf_view data = payload(dest);

    switch (dest->type) {
    case RF_DEST_COMPACT:
        if ((dest->compact & COMPACT_BIT) == 0)
            break;
        rf_buf_u16(out, dest->compact);
        return;
    case RF_DEST_NODE:
        if (dest->id.len == 0)
            break;
        rf_buf_u8(out, RF_DEST_NODE);
        rf_buf_v(out, 1, data);
        return;
    case RF_DEST_RESOURCE:
    case RF_DEST_OPAQUE:
        if (data.len > 254)
            break;
        rf_buf_u8(out, (uint8_t)dest->type);
        rf_buf_u8(out, (uint8_t)(data.len + 1));
        rf_buf_v(out, 1, data);
        return;
    }
    rf_buf_fail(out, RF_EINVAL);
}

void rf_dest_text(const struct rf_dest *dest, struct rf_buf *out)
{
    switch (dest->type) {
    case RF_DEST_COMPACT:
        rf_buf_printf(out, "compact:%04x", dest->compact);
        return;
    case RF_DEST_NODE:
        rf_buf_str(out, "node:");
        break;
    case RF_DEST_RESOURCE:
        rf_buf_str(out, "resource:");
        break;
    case RF_DEST_OPAQUE:
        rf_buf_str(out, "opaque:");
        break;
    }
    rf_hex_put(out, payload(dest));
}

void rf_dest_list_text(struct rf_view list, struct rf_buf *out)
{
    struct rf_dest dest;
    const char *gap = "";

    rf_buf_str(out, "[");
    while (list.len > 0 && rf_dest_next(&list, 0, &dest) == 0) {
        rf_buf_str(out, gap);
        rf_dest_text(&dest, out);
        gap = " ";
    }
    rf_buf_str(out, "]");
}
