/* message.c - frames and messages between who asks for files and who has them. */
#include "files/message.h"

#define VERSION 1

enum what { WHAT_ALL = 0, WHAT_SOME = 1 };

static void put_body(const struct rf_file_message *m, struct rf_buf *out)
{
    switch (m->type) {
    case RF_FILE_OPEN:
        rf_buf_u8(out, VERSION);
        if (m->id.len != RF_FILE_ID_LEN || m->access.len != RF_SHA256_LEN)
            rf_buf_fail(out, RF_EINVAL);
        rf_buf_view_put(out, m->id);
        rf_buf_view_put(out, m->access);
        break;
    case RF_FILE_GET:
    case RF_FILE_CANCEL:
        rf_buf_u32(out, m->first);
        rf_buf_u16(out, m->count);
        break;
    case RF_FILE_CLOSE:
        break;
    case RF_FILE_HAVE:
        rf_buf_u8(out, m->all ? WHAT_ALL : WHAT_SOME);
        if (!m->all)
            rf_buf_view_put(out, m->bits);
        break;
    case RF_FILE_REFUSE:
        rf_buf_u8(out, m->why);
        break;
    case RF_FILE_CHUNK:
        rf_buf_u32(out, m->first);
        rf_buf_v(out, 2, m->proof);
        rf_buf_view_put(out, m->sealed);
        break;
    case RF_FILE_MISS:
        rf_buf_u32(out, m->first);
        rf_buf_u8(out, m->why);
        break;
    }
}

void rf_file_message_encode(const struct rf_file_message *m, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 3);
    rf_buf_u8(out, (uint8_t)m->type);
    rf_buf_u16(out, m->channel);
    put_body(m, out);
    rf_buf_close(out, mark, 3);
}

size_t rf_file_message_len(struct rf_view in)
{
    uint32_t len;
    return in.len < RF_FILE_FRAME_LEN || rf_view_u24(&in, &len) != 0 ? 0 : len + (size_t)3;
}

static int take_open(struct rf_view *body, struct rf_file_message *m)
{
    uint8_t version;
    if (rf_view_u8(body, &version) != 0)
        return RF_ELENGTH;
    if (version != VERSION)
        return RF_EVERSION;
    return rf_view_take(body, RF_FILE_ID_LEN, &m->id) != 0 ||
                   rf_view_take(body, RF_SHA256_LEN, &m->access) != 0
               ? RF_ELENGTH
               : 0;
}

static int take_have(struct rf_view *body, struct rf_file_message *m)
{
    uint8_t what;
    if (rf_view_u8(body, &what) != 0)
        return RF_ELENGTH;
    if (what > WHAT_SOME)
        return RF_EFORMAT;
    m->all = what == WHAT_ALL;
    if (m->all)
        return 0;
    return rf_view_take(body, body->len, &m->bits) != 0 || m->bits.len == 0 ||
                   m->bits.len > rf_file_bits_len(RF_FILE_MAX_CHUNKS)
               ? RF_ELENGTH
               : 0;
}

static int take_range(struct rf_view *body, struct rf_file_message *m)
{
    if (rf_view_u32(body, &m->first) != 0 || rf_view_u16(body, &m->count) != 0)
        return RF_ELENGTH;
    return m->count == 0 || m->first > UINT32_MAX - m->count ? RF_EFORMAT : 0;
}

static int take_chunk(struct rf_view *body, struct rf_file_message *m)
{
    if (rf_view_u32(body, &m->first) != 0 || rf_view_v(body, 2, &m->proof) != 0)
        return RF_ELENGTH;
    if (m->proof.len > RF_FILE_MAX_DEPTH * RF_FILE_HASH_LEN || body->len <= RF_AEAD_TAG_LEN ||
        body->len > (1u << RF_FILE_MAX_BITS) + RF_AEAD_TAG_LEN)
        return RF_ELENGTH;
    return rf_view_take(body, body->len, &m->sealed);
}

static int take_body(struct rf_view *body, struct rf_file_message *m)
{
    switch (m->type) {
    case RF_FILE_OPEN:
        return take_open(body, m);
    case RF_FILE_GET:
    case RF_FILE_CANCEL:
        return take_range(body, m);
    case RF_FILE_CLOSE:
        return 0;
    case RF_FILE_HAVE:
        return take_have(body, m);
    case RF_FILE_REFUSE:
        return rf_view_u8(body, &m->why) != 0 ? RF_ELENGTH : 0;
    case RF_FILE_CHUNK:
        return take_chunk(body, m);
    case RF_FILE_MISS:
        return rf_view_u32(body, &m->first) != 0 || rf_view_u8(body, &m->why) != 0 ? RF_ELENGTH : 0;
    }
    return RF_EUNKNOWN;
}

int rf_file_message_next(struct rf_view *in, struct rf_file_message *out)
{
    struct rf_view rest = *in, body;
    struct rf_file_message m = {0};
    uint32_t len;
    if (in->len < RF_FILE_FRAME_LEN)
        return RF_ESHORT;
    uint8_t type = in->p[3];
    if (rf_view_u24(&rest, &len) != 0 || len == 0)
        return RF_ELENGTH;
    if (type < RF_FILE_OPEN || type > RF_FILE_MISS)
        return RF_EUNKNOWN;
    if (len - 1 > (type <= RF_FILE_CLOSE ? RF_FILE_ASK_MAX : RF_FILE_TELL_MAX))
        return RF_ELIMIT;
    if (rf_view_take(&rest, len, &body) != 0)
        return RF_ESHORT;
    body = rf_view_of(body.p + 1, body.len - 1);
    m.type = (enum rf_file_message_type)type;
    if (rf_view_u16(&body, &m.channel) != 0)
        return RF_ELENGTH;
    int error = take_body(&body, &m);
    if (error == 0 && body.len > 0)
        error = RF_ELENGTH;
    if (error != 0)
        return error;
    *in = rest;
    *out = m;
    return 0;
}
