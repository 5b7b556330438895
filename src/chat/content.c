/* content.c - see content.h. */
#include "chat/content.h"
#include "base/assert.h"
#include "base/text.h"
#include "chat/chat.h"
#include "mls/bytes.h"

/* ---- parcels ---- */

int parcel_decode(struct rf_view in, struct parcel *out)
{
    int error = rf_view_u8(&in, &out->type);
    if (error == 0)
        error = rf_view_u16(&in, &out->piece);
    if (error == 0)
        error = rf_view_u16(&in, &out->pieces);
    if (error != 0)
        return error;
    if (out->pieces == 0 || out->piece >= out->pieces || in.len == 0)
        return RF_EFORMAT;
    if (out->pieces > PARCEL_MAX_PIECES)
        return RF_ELIMIT;
    out->bytes = in;
    return 0;
}

void parcel_encode(const struct parcel *parcel, struct rf_buf *out)
{
    rf_buf_u8(out, parcel->type);
    rf_buf_u16(out, parcel->piece);
    rf_buf_u16(out, parcel->pieces);
    rf_buf_view_put(out, parcel->bytes);
}

int welcome_decode(struct rf_view in, struct welcome *out)
{
    int error = rf_view_u32(&in, &out->index);
    if (error == 0)
        error = rf_view_take(&in, CHAT_CHAIN_LEN, &out->chain);
    out->message = in;
    return error;
}

void welcome_encode(const struct welcome *welcome, struct rf_buf *out)
{
    rf_buf_u32(out, welcome->index);
    rf_buf_view_put(out, welcome->chain);
    rf_buf_view_put(out, welcome->message);
}

/* ---- application messages ---- */

int name_decode(struct rf_view *in, struct rf_keep_name *out)
{
    struct rf_view device;
    int error = rf_view_v(in, 1, &device);
    if (error == 0)
        error = rf_id_from(device, &out->device);
    if (error == 0)
        error = rf_view_u64(in, &out->sequence);
    return error == 0 && (out->sequence == 0 || out->sequence > RF_KEEP_MAX_INDEX) ? RF_EFORMAT : error;
}

void name_encode(const struct rf_keep_name *name, struct rf_buf *out)
{
    rf_buf_v(out, 1, rf_id_view(&name->device));
    rf_buf_u64(out, name->sequence);
}

void item_put(enum item_type type, struct rf_view body, struct rf_buf *out)
{
    rf_buf_u8(out, (uint8_t)type);
    rf_buf_v(out, 3, body);
}

int item_next(struct rf_view *items, uint8_t *type, struct rf_view *body)
{
    if (items->len == 0)
        return RF_ENOTFOUND;
    int error = rf_view_u8(items, type);
    return error != 0 ? error : rf_view_v(items, 3, body);
}

int item_react_decode(struct rf_view body, struct item_react *out)
{
    int error = rf_view_bool(&body, &out->on);
    if (error == 0)
        error = name_decode(&body, &out->name);
    out->reaction = body;
    if (error == 0 && (body.len == 0 || body.len > RF_KEEP_MAX_REACTION || !rf_utf8_valid(body)))
        error = RF_EFORMAT;
    return error;
}

/* One item of a type that we know. */
static int item_check(uint8_t type, struct rf_view body)
{
    struct rf_keep_name name;
    struct item_react react;
    switch (type) {
    case ITEM_TEXT:
        return body.len == 0 || body.len > RF_CHAT_MAX_TEXT || !rf_utf8_valid(body) ? RF_EFORMAT : 0;
    case ITEM_REPLY:
    case ITEM_EDIT:
    case ITEM_DELETE:
        return name_decode(&body, &name);
    case ITEM_MENTION:
        return body.len == 0 || body.len > RF_KEEP_MAX_PRINCIPAL ? RF_EFORMAT : 0;
    case ITEM_REACT:
        return item_react_decode(body, &react);
    case ITEM_MARK:
        return body.len < 9 ? RF_ESHORT : 0;
    default:
        return 0; /* of a later version */
    }
}

int say_decode(struct rf_view in, struct say *out)
{
    uint8_t version = 0, type = 0;
    struct rf_view body;
    int error = rf_view_u8(&in, &version);
    if (error == 0 && version != 1)
        error = RF_EVERSION;
    if (error == 0)
        error = rf_view_u64(&in, &out->sent_ms);
    if (error == 0)
        error = rf_view_u32(&in, &out->seen);
    if (error == 0)
        error = rf_view_take(&in, CHAT_CHAIN_LEN, &out->chain);
    out->items = in;
    if (error == 0 && out->sent_ms == 0)
        return RF_EFORMAT; /* no history takes a change without a time */
    size_t count = 0;
    while (error == 0 && (error = item_next(&in, &type, &body)) == 0)
        error = ++count > SAY_MAX_ITEMS ? RF_ELIMIT : item_check(type, body);
    return error == RF_ENOTFOUND ? 0 : error;
}

void say_begin(uint64_t sent_ms, uint32_t seen, const uint8_t chain[CHAT_CHAIN_LEN], struct rf_buf *out)
{
    rf_buf_u8(out, 1);
    rf_buf_u64(out, sent_ms);
    rf_buf_u32(out, seen);
    rf_buf_put(out, chain, CHAT_CHAIN_LEN);
}

/* ---- the group's shape ---- */

int shape_decode(struct rf_view in, struct shape *out)
{
    uint8_t version = 0;
    int error = rf_view_u8(&in, &version);
    if (error == 0 && version != 1)
        return RF_EVERSION;
    if (error == 0)
        error = rf_view_u8(&in, &out->flags);
    if (error == 0)
        error = rf_view_u32(&in, &out->sequence);
    if (error == 0)
        error = rf_view_take(&in, RF_ROSTER_HASH_LEN, &out->roster_hash);
    if (error == 0)
        error = rf_view_v(&in, 2, &out->admins);
    if (error == 0)
        error = rf_view_v(&in, 1, &out->title);
    if (error == 0)
        error = rf_view_v(&in, 2, &out->topic);
    if (error != 0)
        return error;
    if (out->admins.len % RF_ROSTER_TAG_LEN != 0 || out->admins.len == 0 || !rf_utf8_valid(out->title) ||
        !rf_utf8_valid(out->topic))
        return RF_EFORMAT;
    for (size_t i = RF_ROSTER_TAG_LEN; i < out->admins.len; i += RF_ROSTER_TAG_LEN)
        if (memcmp(out->admins.p + i - RF_ROSTER_TAG_LEN, out->admins.p + i, RF_ROSTER_TAG_LEN) >= 0)
            return RF_EFORMAT;
    return out->topic.len > RF_CHAT_MAX_TOPIC ? RF_ELIMIT : 0;
}

void shape_encode(const struct shape *shape, struct rf_buf *out)
{
    rf_buf_u8(out, 1);
    rf_buf_u8(out, shape->flags);
    rf_buf_u32(out, shape->sequence);
    rf_buf_view_put(out, shape->roster_hash);
    rf_buf_v(out, 2, shape->admins);
    rf_buf_v(out, 1, shape->title);
    rf_buf_v(out, 2, shape->topic);
}

int shape_find(struct rf_view extensions, struct shape *out)
{
    while (extensions.len > 0) {
        uint16_t type = 0;
        struct rf_view body;
        if (rf_view_u16(&extensions, &type) != 0 || mls_take_v(&extensions, &body) != 0)
            return RF_EFORMAT;
        if (type == RF_CHAT_SHAPE)
            return shape_decode(body, out);
    }
    return RF_ENOTFOUND;
}

void shape_extensions(const struct shape *shape, struct rf_buf *out)
{
    rf_buf_u16(out, RF_CHAT_SHAPE);
    size_t mark = mls_open(out);
    shape_encode(shape, out);
    mls_close(out, mark);
}

/* ---- key packages in the overlay ---- */

int offer_decode(struct rf_view in, struct offer *out)
{
    int error = rf_view_u16(&in, &out->suite);
    if (error == 0)
        error = rf_view_v(&in, 1, &out->door);
    if (error == 0)
        error = rf_view_v(&in, 2, &out->last_resort);
    if (error == 0)
        error = rf_view_v(&in, 2, &out->packages);
    if (error != 0)
        return error;
    struct rf_view list = out->packages, one;
    while (error == 0 && list.len > 0)
        error = rf_view_v(&list, 2, &one);
    return error == 0 && (out->door.len == 0 || out->last_resort.len == 0) ? RF_EFORMAT : error;
}

void offer_encode(const struct offer *offer, struct rf_buf *out)
{
    rf_buf_u16(out, offer->suite);
    rf_buf_v(out, 1, offer->door);
    rf_buf_v(out, 2, offer->last_resort);
    rf_buf_v(out, 2, offer->packages);
}

/* ---- notes in inboxes ---- */

int invite_decode(struct rf_view in, struct invite *out)
{
    int error = rf_view_take(&in, RF_CONVERSATION_NONCE_LEN, &out->nonce);
    if (error == 0)
        error = rf_view_v(&in, 1, &out->creator);
    if (error == 0)
        error = rf_view_bool(&in, &out->direct);
    if (error == 0)
        error = rf_view_u32(&in, &out->from);
    if (error == 0)
        error = rf_view_v(&in, 1, &out->title);
    if (error == 0)
        error = rf_view_v(&in, 2, &out->text);
    if (error == 0 && (out->creator.len == 0 || !rf_utf8_valid(out->title) || !rf_utf8_valid(out->text)))
        error = RF_EFORMAT;
    return error;
}

void invite_encode(const struct invite *invite, struct rf_buf *out)
{
    rf_buf_view_put(out, invite->nonce);
    rf_buf_v(out, 1, invite->creator);
    rf_buf_bool(out, invite->direct);
    rf_buf_u32(out, invite->from);
    rf_buf_v(out, 1, invite->title);
    rf_buf_v(out, 2, invite->text);
}

int notes_check(struct rf_view in, struct rf_view *list)
{
    uint8_t version = 0, type;
    struct rf_view body;
    int error = rf_view_u8(&in, &version);
    if (error == 0 && version != 1)
        return RF_EVERSION;
    *list = in;
    while (error == 0)
        error = note_next(&in, &type, &body);
    return error == RF_ENOTFOUND ? 0 : error;
}

int note_next(struct rf_view *list, uint8_t *type, struct rf_view *body)
{
    if (list->len == 0)
        return RF_ENOTFOUND;
    int error = rf_view_u8(list, type);
    return error != 0 ? error : rf_view_v(list, 2, body);
}

void note_put(enum note_type type, struct rf_view body, struct rf_buf *out)
{
    rf_buf_u8(out, (uint8_t)type);
    rf_buf_v(out, 2, body);
}

int door_decode(struct rf_view in, struct door_head *out)
{
    int error = rf_view_u64(&in, &out->epoch);
    if (error == 0)
        error = rf_view_u32(&in, &out->next);
    if (error == 0)
        error = rf_view_take(&in, CHAT_CHAIN_LEN, &out->chain);
    out->letter = in;
    return error;
}

void door_encode(const struct door_head *door, struct rf_buf *out)
{
    rf_buf_u64(out, door->epoch);
    rf_buf_u32(out, door->next);
    rf_buf_view_put(out, door->chain);
    rf_buf_view_put(out, door->letter);
}

int door_piece_decode(struct rf_view in, struct door_piece *out)
{
    int error = rf_view_take(&in, DOOR_SET_LEN, &out->set);
    if (error == 0)
        error = rf_view_u16(&in, &out->piece);
    if (error == 0)
        error = rf_view_u16(&in, &out->pieces);
    out->bytes = in;
    return error == 0 && (out->piece >= out->pieces || out->pieces > DOOR_MAX_PIECES) ? RF_EFORMAT : error;
}

void door_piece_encode(const struct door_piece *piece, struct rf_buf *out)
{
    rf_buf_view_put(out, piece->set);
    rf_buf_u16(out, piece->piece);
    rf_buf_u16(out, piece->pieces);
    rf_buf_view_put(out, piece->bytes);
}
