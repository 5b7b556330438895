/* seen.c - which entries of a device were read, and the pieces of messages that are not whole yet. */
#include "chat/internal.h"

#define PIECES_MAX_LEN ((size_t)4 << 20) /* of a conversation */

struct rf_map_node *chat_find_id(const struct rf_map *map, const struct rf_id *id)
{
    return rf_map_find(map, rf_id_view(id));
}

static struct chat_seen *seen_find(const struct rf_map *map, const struct rf_id *device)
{
    struct rf_map_node *node = chat_find_id(map, device);
    return node == NULL ? NULL : RF_CONTAINER(node, struct chat_seen, node);
}

bool seen_has(const struct rf_map *map, const struct rf_id *device, uint64_t sequence)
{
    const struct chat_seen *s = seen_find(map, device);
    if (s == NULL || sequence > s->highest)
        return false;
    uint64_t back = s->highest - sequence;
    return back == 0 || back > 64 || (s->below >> (back - 1) & 1) != 0;
}

struct chat_seen *seen_add(struct rf_chat *chat, struct rf_map *map, const struct rf_id *device,
                           uint64_t sequence)
{
    struct chat_seen *s = seen_find(map, device);
    if (s == NULL) {
        s = rf_zalloc(chat->mem, sizeof(*s));
        if (s == NULL)
            return NULL;
        s->device = *device;
        s->highest = sequence;
        if (rf_map_insert(map, &s->node) != 0) {
            rf_free(chat->mem, s);
            return NULL;
        }
    } else if (sequence > s->highest) {
        uint64_t on = sequence - s->highest;
        s->below = on > 64 ? 0 : (on == 64 ? 0 : s->below << on) | UINT64_C(1) << ((on - 1) & 63);
        s->highest = sequence;
    } else if (sequence < s->highest && s->highest - sequence <= 64) {
        s->below |= UINT64_C(1) << (s->highest - sequence - 1);
    }
    return s;
}

void seen_clear(struct rf_chat *chat, struct rf_map *map)
{
    for (struct rf_map_node *n = rf_map_drain(map); n != NULL; n = rf_map_drain(map))
        rf_free(chat->mem, RF_CONTAINER(n, struct chat_seen, node));
}

int seen_load(struct rf_chat *chat, struct rf_map *map, struct rf_view name, struct rf_view value)
{
    struct rf_id device;
    uint64_t highest = 0, below = 0;
    if (rf_id_from(name, &device) != 0 || rf_view_u64(&value, &highest) != 0 ||
        rf_view_u64(&value, &below) != 0 || value.len != 0)
        return RF_EFORMAT;
    struct chat_seen *s = seen_add(chat, map, &device, highest);
    if (s == NULL)
        return RF_ENOMEM;
    s->below = below;
    return 0;
}

/* ---- pieces ---- */

static struct rf_view piece_name(const struct rf_id *device, uint64_t sequence,
                                 uint8_t out[RF_ID_MAX_LEN + 8])
{
    struct rf_buf buf;
    rf_buf_fixed(&buf, out, RF_ID_MAX_LEN + 8);
    rf_buf_u64(&buf, sequence);
    rf_buf_view_put(&buf, rf_id_view(device));
    return rf_buf_view(&buf);
}

static int piece_add(struct chat_conv *conv, const struct rf_id *device, uint64_t sequence,
                     const struct parcel *parcel)
{
    struct chat_piece *p = rf_zalloc(conv->chat->mem, sizeof(*p) + parcel->bytes.len);
    if (p == NULL)
        return RF_ENOMEM;
    memcpy(p + 1, parcel->bytes.p, parcel->bytes.len);
    p->device = *device;
    p->sequence = sequence;
    p->parcel = *parcel;
    p->parcel.bytes = rf_view_of(p + 1, parcel->bytes.len);
    rf_list_push_back(&conv->pieces, &p->list);
    conv->pieces_len += parcel->bytes.len;
    return 0;
}

int piece_load(struct chat_conv *conv, struct rf_view name, struct rf_view value)
{
    struct rf_id device;
    struct parcel parcel;
    uint64_t sequence = 0;
    if (rf_view_u64(&name, &sequence) != 0 || rf_id_from(name, &device) != 0 ||
        parcel_decode(value, &parcel) != 0)
        return RF_EFORMAT;
    return piece_add(conv, &device, sequence, &parcel);
}

static void piece_free(struct chat_conv *conv, struct chat_piece *p, bool drop)
{
    uint8_t name[RF_ID_MAX_LEN + 8];
    if (drop)
        save_drop(conv->chat, conv, PART_PIECE, piece_name(&p->device, p->sequence, name));
    conv->pieces_len -= p->parcel.bytes.len;
    rf_list_remove(&p->list);
    rf_free(conv->chat->mem, p);
}

void pieces_clear(struct chat_conv *conv)
{
    while (!rf_list_empty(&conv->pieces))
        piece_free(conv, RF_LIST_ENTRY(conv->pieces.next, struct chat_piece, list), false);
}

static struct chat_piece *piece_find(struct chat_conv *conv, const struct chat_entry *e, uint16_t number)
{
    RF_LIST_EACH(&conv->pieces, it)
    {
        struct chat_piece *p = RF_LIST_ENTRY(it, struct chat_piece, list);
        if (p->sequence == e->first_sequence + number && rf_id_equal(&p->device, &e->name.device) &&
            p->parcel.piece == number && p->parcel.pieces == e->parcel.pieces &&
            p->parcel.type == e->parcel.type)
            return p;
    }
    return NULL;
}

/* The last piece has come: all before it are put together, and go. */
static bool piece_join(struct chat_conv *conv, struct chat_entry *e, struct rf_buf *whole)
{
    bool all = true;
    for (uint16_t i = 0; i + 1 < e->parcel.pieces; i++)
        all = all && piece_find(conv, e, i) != NULL;
    for (uint16_t i = 0; i + 1 < e->parcel.pieces; i++) {
        struct chat_piece *p = piece_find(conv, e, i);
        if (p == NULL)
            continue;
        if (all)
            rf_buf_view_put(whole, p->parcel.bytes);
        piece_free(conv, p, true);
    }
    rf_buf_view_put(whole, e->parcel.bytes);
    e->whole = rf_buf_view(whole);
    if (rf_buf_error(whole) == RF_ELIMIT)
        conv->chat->counters.entries_malformed++;
    else if (rf_buf_error(whole) != 0)
        save_break(conv->chat);
    return all && rf_buf_error(whole) == 0;
}

bool piece_take(struct chat_conv *conv, struct chat_entry *e, struct rf_buf *whole)
{
    uint8_t name[RF_ID_MAX_LEN + 8];
    e->first_sequence = e->name.sequence - e->parcel.piece;
    e->whole = e->parcel.bytes;
    if (e->parcel.pieces == 1)
        return true;
    if (e->parcel.piece >= e->name.sequence) {
        conv->chat->counters.entries_malformed++;
        return false;
    }
    if (e->parcel.piece + 1 == e->parcel.pieces)
        return piece_join(conv, e, whole);
    while (conv->pieces_len + e->parcel.bytes.len >
           PIECES_MAX_LEN) /* the oldest are those of writers who gave up */
        piece_free(conv, RF_LIST_ENTRY(conv->pieces.next, struct chat_piece, list), true);
    struct chat_piece *former = piece_find(conv, e, e->parcel.piece); /* the writer made it anew */
    if (former != NULL)
        piece_free(conv, former, false);
    if (piece_add(conv, &e->name.device, e->name.sequence, &e->parcel) != 0)
        save_break(conv->chat);
    save_state(conv->chat, conv, PART_PIECE, piece_name(&e->name.device, e->name.sequence, name),
               e->entry.content);
    return false;
}
