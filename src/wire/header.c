/* header.c - the forwarding header, decoded, encoded, and changed on the way through a node. */
#include "wire/header.h"

#include "base/assert.h"
#include "wire/internal.h"

#define LIST_MAX_LEN 0xffff

/* check_options walks the options. */
static int check_options(struct rf_view list, size_t *count)
{
    struct rf_option option;
    size_t n = 0;

    for (; list.len > 0; n++) {
        int error = rf_option_next(&list, &option);
        if (error != 0)
            return error;
    }
    *count = n;
    return 0;
}

/* decode_lists reads the three lists whose lengths are next in `at`, and checks their entries. */
static int decode_lists(struct rf_view *at, uint8_t id_len, struct rf_header *out)
{
    uint16_t via_len, dests_len, options_len;
    int error;

    if ((error = rf_view_u16(at, &via_len)) != 0 || (error = rf_view_u16(at, &dests_len)) != 0 ||
        (error = rf_view_u16(at, &options_len)) != 0)
        return error;
    if ((error = rf_view_take(at, via_len, &out->via)) != 0 ||
        (error = rf_view_take(at, dests_len, &out->dests)) != 0 ||
        (error = rf_view_take(at, options_len, &out->options)) != 0)
        return error;
    /* the lists are all there: one that ends inside an entry is broken for good */
    if ((error = rf_dest_list_check(out->via, id_len, &out->via_count)) != 0 ||
        (error = rf_dest_list_check(out->dests, id_len, &out->dest_count)) != 0 ||
        (error = check_options(out->options, &out->option_count)) != 0)
        return error == RF_ESHORT ? RF_ELENGTH : error;
    return out->dest_count > 0 ? 0 : RF_EFORMAT;
}

int rf_header_len(struct rf_view in, size_t *out)
{
    const uint8_t *p = in.p;
    size_t len = RF_HEADER_MIN_LEN;
    uint32_t token;

    if (in.len < RF_HEADER_MIN_LEN)
        return RF_ESHORT;
    if (rf_view_u32(&in, &token) != 0 || token != RF_RELO_TOKEN)
        return RF_EFORMAT;
    if (p[10] != RF_RELO_VERSION)
        return RF_EVERSION;
    for (int i = 32; i < RF_HEADER_MIN_LEN; i += 2) /* the three lengths of lists */
        len += (size_t)p[i] << 8 | p[i + 1];
    *out = len;
    return 0;
}

int rf_header_decode_front(struct rf_view *message, uint8_t id_len, struct rf_header *out)
{
    struct rf_view at = *message;
    struct rf_header h = {0};
    uint32_t token;
    uint8_t version;
    int error;

    if ((error = rf_view_u32(&at, &token)) != 0)
        return error;
    if (token != RF_RELO_TOKEN)
        return RF_EFORMAT;
    if ((error = rf_view_u32(&at, &h.overlay)) != 0 || (error = rf_view_u16(&at, &h.config_sequence)) != 0 ||
        (error = rf_view_u8(&at, &version)) != 0)
        return error;
    if (version != RF_RELO_VERSION)
        return RF_EVERSION;
    if ((error = rf_view_u8(&at, &h.ttl)) != 0 || (error = rf_view_u32(&at, &h.fragment)) != 0 ||
        (error = rf_view_u32(&at, &h.length)) != 0 || (error = rf_view_u64(&at, &h.transaction_id)) != 0 ||
        (error = rf_view_u32(&at, &h.max_response_len)) != 0 || (error = decode_lists(&at, id_len, &h)) != 0)
        return error;
    if ((h.fragment & RF_FRAGMENT_ALWAYS) == 0)
        return RF_EFORMAT;
    h.header_len = message->len - at.len;
    *message = at;
    *out = h;
    return 0;
}

int rf_header_decode(struct rf_view *message, uint8_t id_len, struct rf_header *out)
{
    struct rf_view at = *message;
    struct rf_header h;
    int error = rf_header_decode_front(&at, id_len, &h);

    if (error != 0)
        return error;
    if (h.length != message->len)
        return h.length > message->len ? RF_ESHORT : RF_ELENGTH;
    *message = at;
    *out = h;
    return 0;
}

/* put_fixed writes the 38 bytes that every header has. */
static void put_fixed(const struct rf_header *h, uint8_t ttl, size_t via_len, size_t dests_len,
                      size_t rest_len, struct rf_buf *out)
{
    uint64_t length = (uint64_t)RF_HEADER_MIN_LEN + via_len + dests_len + h->options.len + rest_len;

    if (via_len > LIST_MAX_LEN || dests_len > LIST_MAX_LEN || h->options.len > LIST_MAX_LEN ||
        length > UINT32_MAX)
        rf_buf_fail(out, RF_ELENGTH);
    rf_buf_u32(out, RF_RELO_TOKEN);
    rf_buf_u32(out, h->overlay);
    rf_buf_u16(out, h->config_sequence);
    rf_buf_u8(out, RF_RELO_VERSION);
    rf_buf_u8(out, ttl);
    rf_buf_u32(out, h->fragment);
    rf_buf_u32(out, (uint32_t)length);
    rf_buf_u64(out, h->transaction_id);
    rf_buf_u32(out, h->max_response_len);
    rf_buf_u16(out, (uint16_t)via_len);
    rf_buf_u16(out, (uint16_t)dests_len);
    rf_buf_u16(out, (uint16_t)h->options.len);
}

void rf_header_encode(const struct rf_header *header, size_t rest_len, struct rf_buf *out)
{
    put_fixed(header, header->ttl, header->via.len, header->dests.len, rest_len, out);
    rf_buf_view_put(out, header->via);
    rf_buf_view_put(out, header->dests);
    rf_buf_view_put(out, header->options);
}

int rf_header_forward(struct rf_view message, const struct rf_header *header, const struct rf_forwarding *how,
                      struct rf_buf *out)
{
    uint8_t via_bytes[2 + 255];
    struct rf_buf via_buf;
    struct rf_view via = how->replace_via ? rf_view_of(NULL, 0) : header->via;
    struct rf_view dests = header->dests, rest;
    size_t via_count = how->replace_via ? 0 : header->via_count;

    RF_ASSERT(message.len == header->length && header->header_len <= message.len);
    if (header->ttl == 0)
        return RF_EEXPIRED;
    if (rf_dest_list_skip(&dests, 0, how->drop_count) != 0 || dests.len + how->prepend.len == 0)
        return RF_EINVAL;
    rf_buf_fixed(&via_buf, via_bytes, sizeof via_bytes);
    if (how->via != NULL) {
        rf_dest_encode(how->via, &via_buf);
        via_count++;
    }
    if (rf_buf_error(&via_buf) != 0)
        return rf_buf_error(&via_buf);
    if (via_count > RF_DEST_LIST_MAX || via.len + via_buf.len > LIST_MAX_LEN ||
        dests.len + how->prepend.len > LIST_MAX_LEN)
        return RF_ELIMIT;
    rest = rf_view_of(message.p + header->header_len, message.len - header->header_len);
    put_fixed(header, header->ttl - 1, via.len + via_buf.len, how->prepend.len + dests.len, rest.len, out);
    rf_buf_view_put(out, via);
    rf_buf_view_put(out, rf_buf_view(&via_buf));
    rf_buf_view_put(out, how->prepend);
    rf_buf_view_put(out, dests);
    rf_buf_view_put(out, header->options);
    rf_buf_view_put(out, rest);
    return rf_buf_error(out);
}
