/*
 * fragment.c - putting together what came in fragments (1.7). Only the destination does it.
 *
 * An assembly is begun by the first piece that comes and ends when it is whole, when pieces contradict each other, or after the maximum
 * request lifetime. Its key (D14): for an answer to a call of ours the transaction ID alone, which nobody can guess; for everything else
 * also where it came from, the first via entry, or the link's node if there is none. Pieces may overlap if their bytes agree.
 * One link may fill a quarter of the memory that there is for all.
 */
#include "overlay/internal.h"

#define MAX_RANGES 32 /* gaps in one assembly */
#define KEY_LEN    (1 + 8 + RF_ID_MAX_LEN)
#define LINK_SHARE 4

struct range {
    uint32_t from, to; /* bytes there: from .. to - 1 */
};

struct assembly {
    struct rf_map_node node;
    struct rf_list list;
    uint8_t key[KEY_LEN];
    size_t key_len;
    uint64_t expires_us;
    uint64_t charged_link; /* that the memory is charged to */
    size_t charged_len;
    uint64_t link; /* of the piece at 0: the way back */
    struct rf_id link_node;
    struct rf_header header; /* of the piece at 0 */
    uint8_t *lists;          /* that its views point into, owned; NULL: it has not come yet */
    uint8_t *data;           /* owned */
    size_t cap;
    uint32_t total;                  /* 0: the last piece has not come yet */
    struct range ranges[MAX_RANGES]; /* ascending, with gaps between them */
    size_t range_count;
};

static struct rf_view assembly_key(const struct rf_map_node *node)
{
    const struct assembly *a = RF_CONTAINER(node, struct assembly, node);
    return rf_view_of(a->key, a->key_len);
}

static bool charge(struct rf_overlay *o, struct assembly *assembly, size_t len)
{
    struct conn *conn = conns_find(o, assembly->charged_link);
    size_t max = o->config.max_fragment_bytes;
    if (o->fragments->byte_count + len > max || (conn != NULL && conn->fragment_len + len > max / LINK_SHARE))
        return false;
    o->fragments->byte_count += len;
    assembly->charged_len += len;
    if (conn != NULL)
        conn->fragment_len += len;
    return true;
}

static void discharge(struct rf_overlay *o, const struct assembly *assembly)
{
    struct conn *conn = conns_find(o, assembly->charged_link);
    o->fragments->byte_count -= assembly->charged_len;
    if (conn != NULL)
        conn->fragment_len -= assembly->charged_len;
}

/* Takes it out of the table; it lives on until assembly_free. */
static void assembly_unlink(struct rf_overlay *o, struct assembly *assembly)
{
    rf_map_remove(&o->fragments->map, &assembly->node);
    rf_list_remove(&assembly->list);
    discharge(o, assembly);
}

void assembly_free(struct rf_overlay *o, struct assembly *assembly)
{
    rf_free(o->env->mem, assembly->lists);
    rf_free(o->env->mem, assembly->data);
    rf_free(o->env->mem, assembly);
}

static void drop(struct rf_overlay *o, struct assembly *assembly)
{
    o->counters->dropped_fragment++;
    assembly_unlink(o, assembly);
    assembly_free(o, assembly);
}

static void expire(struct rf_timer *timer, void *arg)
{
    struct rf_overlay *o = arg;
    while (!rf_list_empty(&o->fragments->list)) {
        struct assembly *oldest = RF_LIST_ENTRY(o->fragments->list.next, struct assembly, list);
        if (oldest->expires_us > overlay_now(o)) {
            (void)rf_timer_set(o->env->timers, timer, oldest->expires_us); /* else the next piece sets it */
            return;
        }
        drop(o, oldest);
    }
    fragments_deinit(o); /* who gets none for a while keeps no tables: clients are many */
}

static bool fragments_begin(struct rf_overlay *o)
{
    if (o->fragments != NULL)
        return true;
    o->fragments = rf_zalloc(o->env->mem, sizeof(*o->fragments));
    if (o->fragments == NULL)
        return false;
    rf_map_init(&o->fragments->map, o->env->mem, o->env->seed, assembly_key);
    rf_list_init(&o->fragments->list);
    rf_timer_init(&o->fragments->timer, expire, o);
    return true;
}

void fragments_deinit(struct rf_overlay *o)
{
    if (o->fragments == NULL)
        return;
    rf_timer_stop(o->env->timers, &o->fragments->timer);
    RF_LIST_EACH_SAFE(&o->fragments->list, it)
    {
        struct assembly *assembly = RF_LIST_ENTRY(it, struct assembly, list);
        assembly_unlink(o, assembly);
        assembly_free(o, assembly);
    }
    rf_map_deinit(&o->fragments->map);
    rf_free(o->env->mem, o->fragments);
    o->fragments = NULL;
}

static size_t make_key(const struct rf_overlay *o, const struct arrival *a, uint8_t key[KEY_LEN])
{
    bool answer = calls_find(o, a->header.transaction_id) != NULL;
    struct rf_view via = a->header.via;
    struct rf_dest first;
    struct rf_id from = a->link_node;
    struct rf_buf buf;
    if (via.len > 0 && rf_dest_next(&via, 0, &first) == 0 && first.type == RF_DEST_NODE)
        from = first.id;
    rf_buf_fixed(&buf, key, KEY_LEN);
    rf_buf_u8(&buf, answer);
    rf_buf_u64(&buf, a->header.transaction_id);
    if (!answer)
        rf_buf_view_put(&buf, rf_id_view(&from));
    return buf.len;
}

static struct assembly *assembly_touch(struct rf_overlay *o, const struct arrival *a)
{
    uint8_t key[KEY_LEN];
    size_t key_len = make_key(o, a, key);
    if (!fragments_begin(o))
        return NULL;
    struct rf_map_node *found = rf_map_find(&o->fragments->map, rf_view_of(key, key_len));
    if (found != NULL)
        return RF_CONTAINER(found, struct assembly, node);
    uint64_t expires_us = overlay_now(o) + overlay_lifetime_us(o);
    if (!rf_timer_is_set(&o->fragments->timer) &&
        rf_timer_set(o->env->timers, &o->fragments->timer, expires_us) != 0)
        return NULL;
    struct assembly *assembly = rf_zalloc(o->env->mem, sizeof(*assembly));
    if (assembly == NULL)
        return NULL;
    assembly->charged_link = a->link;
    assembly->expires_us = expires_us;
    memcpy(assembly->key, key, key_len);
    assembly->key_len = key_len;
    if (!charge(o, assembly, sizeof(*assembly)) || rf_map_insert(&o->fragments->map, &assembly->node) != 0) {
        discharge(o, assembly);
        rf_free(o->env->mem, assembly);
        return NULL;
    }
    rf_list_push_back(&o->fragments->list, &assembly->list);
    return assembly;
}

/* The piece at 0 says what the whole message's header is. */
static int take_header(struct rf_overlay *o, struct assembly *assembly, const struct arrival *a)
{
    const struct rf_header *h = &a->header;
    size_t len = h->via.len + h->dests.len + h->options.len;
    if (assembly->lists != NULL)
        return 0;
    if (!charge(o, assembly, len))
        return RF_ELIMIT;
    assembly->lists = rf_alloc(o->env->mem, len);
    if (assembly->lists == NULL)
        return RF_ENOMEM;
    struct rf_buf buf;
    rf_buf_fixed(&buf, assembly->lists, len);
    rf_buf_view_put(&buf, h->via);
    rf_buf_view_put(&buf, h->dests);
    rf_buf_view_put(&buf, h->options);
    assembly->header = *h;
    assembly->header.via = rf_view_of(assembly->lists, h->via.len);
    assembly->header.dests = rf_view_of(assembly->lists + h->via.len, h->dests.len);
    assembly->header.options = rf_view_of(assembly->lists + h->via.len + h->dests.len, h->options.len);
    assembly->link = a->link;
    assembly->link_node = a->link_node;
    return 0;
}

static int make_room(struct rf_overlay *o, struct assembly *assembly, size_t end)
{
    size_t cap = assembly->cap;
    if (end <= cap)
        return 0;
    cap = 2 * cap > end ? 2 * cap : end;
    if (cap > o->config.conf->max_message_size)
        cap = o->config.conf->max_message_size;
    if (!charge(o, assembly, cap - assembly->cap))
        return RF_ELIMIT;
    uint8_t *data = rf_resize(o->env->mem, assembly->data, cap);
    if (data == NULL)
        return RF_ENOMEM;
    assembly->data = data;
    assembly->cap = cap;
    return 0;
}

/* Adds the bytes and their range; RF_ECONFLICT: they differ from those that are there. */
static int add_bytes(struct assembly *assembly, const struct rf_piece *piece)
{
    struct range all = {piece->offset, piece->offset + (uint32_t)piece->data.len};
    struct range kept[MAX_RANGES + 1];
    size_t count = 0, place = 0;
    for (size_t i = 0; i < assembly->range_count; i++) {
        struct range r = assembly->ranges[i];
        uint32_t from = r.from > piece->offset ? r.from : piece->offset;
        uint32_t end = piece->offset + (uint32_t)piece->data.len, to = r.to < end ? r.to : end;
        if (from < to &&
            memcmp(assembly->data + from, piece->data.p + (from - piece->offset), to - from) != 0)
            return RF_ECONFLICT;
        if (r.to < all.from || r.from > all.to) {
            kept[count++] = r;
            place += r.to < all.from;
            continue;
        }
        all.from = r.from < all.from ? r.from : all.from;
        all.to = r.to > all.to ? r.to : all.to;
    }
    if (count == MAX_RANGES)
        return RF_ELIMIT;
    memcpy(assembly->data + piece->offset, piece->data.p, piece->data.len);
    memcpy(assembly->ranges, kept, place * sizeof(kept[0]));
    assembly->ranges[place] = all;
    memcpy(assembly->ranges + place + 1, kept + place, (count - place) * sizeof(kept[0]));
    assembly->range_count = count + 1;
    return 0;
}

static int add_piece(struct rf_overlay *o, struct assembly *assembly, const struct arrival *a,
                     const struct rf_piece *piece)
{
    size_t end = piece->offset + piece->data.len;
    if (end > o->config.conf->max_message_size)
        return RF_ELIMIT;
    if (assembly->total != 0 && (end > assembly->total || (piece->last && end != assembly->total)))
        return RF_ECONFLICT;
    if (piece->last)
        assembly->total = (uint32_t)end;
    if (assembly->range_count > 0 && piece->last && assembly->ranges[assembly->range_count - 1].to > end)
        return RF_ECONFLICT;
    int error = make_room(o, assembly, end);
    if (error == 0)
        error = add_bytes(assembly, piece);
    if (error == 0 && piece->offset == 0)
        error = take_header(o, assembly, a);
    return error;
}

static bool is_complete(const struct assembly *assembly)
{
    return assembly->total != 0 && assembly->range_count == 1 && assembly->ranges[0].from == 0 &&
           assembly->ranges[0].to == assembly->total;
}

struct assembly *fragments_add(struct rf_overlay *o, struct arrival *a)
{
    struct rf_piece piece;
    struct assembly *assembly = NULL;
    o->counters->fragments_received++;
    if (rf_piece_of(&a->header, a->rest, &piece) == 0)
        assembly = assembly_touch(o, a);
    if (assembly == NULL) {
        o->counters->dropped_fragment++;
        return NULL;
    }
    if (add_piece(o, assembly, a, &piece) != 0) {
        drop(o, assembly);
        return NULL;
    }
    if (!is_complete(assembly))
        return NULL;
    assembly_unlink(o, assembly);
    a->header = assembly->header;
    a->link = assembly->link;
    a->link_node = assembly->link_node;
    a->conn = conns_find(o, a->link);
    a->rest = rf_view_of(assembly->data, assembly->total);
    return assembly;
}
