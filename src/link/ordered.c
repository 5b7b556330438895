/*
 * ordered.c - an application's bytes over a link of datagrams, all of them and in order: what TLS gives by itself (docs/protocol/links.md).
 *
 * The bytes are cut into pieces that fit into a datagram. A piece is a message of reliable.c: the place of its first byte in the stream, modulo 2^32, as 32 bits, then the bytes. The
 * receiver hands up what comes in its turn and keeps what is early; what it has had is dropped. A piece that cannot be brought over ends the link.
 *
 * Both ends agree on it by the ALPN name ringfolk-stream. Who does not know that has records that are datagrams of the application's.
 */
#include "link/table.h"

#include "base/error.h"

#define PLACE_LEN 4
#define PIECE_MAX 1400
#define EARLY_MAX ((size_t)1 << 20) /* of early pieces, each counted as */
#define EARLY_COST                                                                                           \
    256 /* more than its bytes: tiny ones would cost memory, and time to find their place, without bound */

struct early {
    struct rf_list list;
    uint32_t place;
    size_t len;
    uint8_t bytes[];
};

int ordered_new(struct rf_links *links, struct rf_link *link)
{
    struct link_ordered *s;

    if (!link->is_datagrams || link->purpose != RF_LINK_APP)
        return RF_EFORMAT;
    s = rf_zalloc(links->env->mem, sizeof *s);
    if (!s)
        return RF_ENOMEM;
    rf_list_init(&s->early);
    link->datagrams->ordered = s;
    return 0;
}

static void forget(struct rf_links *links, struct link_ordered *s, struct early *e)
{
    rf_list_remove(&e->list);
    s->early_len -= e->len + EARLY_COST;
    rf_free(links->env->mem, e);
}

void ordered_free(struct rf_links *links, struct rf_link *link)
{
    struct link_ordered *s = link->datagrams ? link->datagrams->ordered : NULL;

    if (!s)
        return;
    RF_LIST_EACH_SAFE(&s->early, it)
    {
        forget(links, s, RF_LIST_ENTRY(it, struct early, list));
    }
    rf_free(links->env->mem, s);
    link->datagrams->ordered = NULL;
}

int ordered_send(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    struct link_ordered *s = link->datagrams->ordered;
    uint8_t piece[PIECE_MAX];
    size_t room = message_room(links, link);

    if (room > sizeof piece)
        room = sizeof piece;
    while (bytes.len > 0) {
        const size_t len = bytes.len < room - PLACE_LEN ? bytes.len : room - PLACE_LEN;
        struct rf_buf buf;
        int err;

        rf_buf_fixed(&buf, piece, sizeof piece);
        rf_buf_u32(&buf, s->out_place);
        rf_buf_put(&buf, bytes.p, len);
        err = reliable_send(links, link, rf_buf_view(&buf));
        if (err) {
            link_end(links, link, err, true); /* a stream with a hole is none */
            return err;
        }
        s->out_place += (uint32_t)len;
        bytes = rf_view_of(bytes.p + len, bytes.len - len);
    }
    return 0;
}

void ordered_prod(struct rf_links *links, struct rf_link *link)
{
    uint8_t place[PLACE_LEN];
    struct rf_buf buf;

    rf_buf_fixed(&buf, place, sizeof place);
    rf_buf_u32(&buf, link->datagrams->ordered->out_place);
    (void)reliable_send(links, link, rf_buf_view(&buf)); /* without memory it is not asked */
}

/*
 * What is early is kept in the order of places; twice the same: once. Most come behind all that are there, so the search begins at the end.
 * Errors: RF_ENOMEM, RF_ELIMIT.
 */
static int keep(struct rf_links *links, struct link_ordered *s, uint32_t place, struct rf_view bytes)
{
    struct rf_list *behind = s->early.prev;
    struct early *e;

    for (; behind != &s->early; behind = behind->prev) {
        const uint32_t theirs = RF_LIST_ENTRY(behind, struct early, list)->place;
        if (theirs == place) {
            links->counters->messages_twice++;
            return 0;
        }
        if ((int32_t)(theirs - place) < 0)
            break;
    }
    if (s->early_len + bytes.len + EARLY_COST > EARLY_MAX)
        return RF_ELIMIT;
    e = rf_alloc(links->env->mem, sizeof *e + bytes.len);
    if (!e)
        return RF_ENOMEM;
    e->place = place;
    e->len = bytes.len;
    memcpy(e->bytes, bytes.p, bytes.len);
    rf_list_init(&e->list);
    rf_list_push_back(behind->next, &e->list); /* that is: in front of the next */
    s->early_len += bytes.len + EARLY_COST;
    return 0;
}

static void hand_up(struct rf_links *links, struct rf_link *link, struct rf_view bytes)
{
    link->datagrams->ordered->in_place += (uint32_t)bytes.len;
    if (links->host.app_data)
        links->host.app_data(links->host.ctx, link->id, bytes);
}

void ordered_input(struct rf_links *links, struct rf_link *link, struct rf_view piece)
{
    struct link_ordered *s = link->datagrams->ordered;
    uint32_t place;
    int err = 0;

    if (rf_view_u32(&piece, &place)) {
        link_end(links, link, RF_EFORMAT, true);
        return;
    }
    if (piece.len == 0)
        return; /* only to be acknowledged */
    if ((int32_t)(place - s->in_place) > 0)
        err = keep(links, s, place, piece);
    else if (place == s->in_place)
        hand_up(links, link, piece);
    else
        links->counters->messages_twice++;
    if (err)
        link_end(links, link, err, true); /* it was acknowledged: it must not be lost */
    while (link->state == RF_LINK_UP && !rf_list_empty(&s->early)) {
        struct early *e = RF_LIST_ENTRY(s->early.next, struct early, list);
        if ((int32_t)(e->place - s->in_place) > 0)
            break;
        rf_list_remove(&e->list); /* whoever is told may do anything */
        rf_list_init(&e->list);
        if (e->place == s->in_place)
            hand_up(links, link, rf_view_of(e->bytes, e->len));
        forget(links, s, e);
    }
}
