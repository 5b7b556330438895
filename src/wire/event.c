/* event.c - the codec of event.h. */
#include "wire/event.h"

#include "wire/internal.h"

#define ITEM_MIN_LEN  17 /* bytes of each, at least: bounds how many a list can hold */
#define STATE_MIN_LEN 1
#define NEWS_MIN_LEN  22
#define LEASE_MIN_LEN 30

enum rf_watch_tag rf_watch_tag_of(struct rf_view body)
{
    uint32_t tag;
    if (rf_view_u32(&body, &tag) != 0)
        return RF_WATCH_NONE;
    return tag == RF_WATCH_TAG_ASK     ? RF_WATCH_ASK
           : tag == RF_WATCH_TAG_EVENT ? RF_WATCH_EVENT
           : tag == RF_WATCH_TAG_HOLD  ? RF_WATCH_HOLD
                                       : RF_WATCH_NONE;
}

static int take_tag(struct rf_view *in, uint32_t wanted)
{
    uint32_t tag;
    return rf_view_u32(in, &tag) != 0 || tag != wanted ? RF_EUNKNOWN : 0;
}

static int take_way(struct rf_view *in, uint8_t id_len, struct rf_watch_way *out)
{
    struct rf_view ids;
    int error = rf_view_v(in, 1, &ids);
    out->count = 0;
    while (error == 0 && ids.len > 0) {
        if (out->count == RF_WATCH_MAX_WAY)
            return RF_ELIMIT;
        error = wire_id(&ids, id_len, &out->nodes[out->count]);
        if (error == 0 && rf_id_is_wildcard(&out->nodes[out->count++]))
            error = RF_EFORMAT;
    }
    return error;
}

static void put_way(const struct rf_watch_way *way, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 1);
    for (size_t i = 0; i < way->count; i++)
        wire_id_put(&way->nodes[i], out);
    rf_buf_close(out, mark, 1);
}

/* Room in the region for as many as the list can hold. */
static int open_list(struct rf_view *in, size_t min_len, size_t size, struct rf_region *region,
                     struct rf_view *list, void **array)
{
    int error = rf_view_v(in, 2, list);
    if (error != 0)
        return error;
    size_t count = list->len / min_len + 1;
    *array = rf_region_array(region, count < RF_WATCH_MAX_ITEMS ? count : RF_WATCH_MAX_ITEMS, size);
    return *array != NULL ? 0 : RF_ENOMEM;
}

/* ---- ask ---- */

static int take_item(struct rf_view *in, struct rf_watch_item *out)
{
    int error = wire_resource(in, &out->resource);
    if (error == 0)
        error = rf_view_u32(in, &out->kind);
    if (error == 0)
        error = rf_view_u64(in, &out->generation);
    return error != 0 ? error : rf_view_u32(in, &out->next);
}

int rf_watch_ask_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                        struct rf_watch_ask *out)
{
    struct rf_view list = {NULL, 0};
    void *items = NULL;
    *out = (struct rf_watch_ask){.lease_s = 0};
    int error = take_tag(&body, RF_WATCH_TAG_ASK);
    if (error == 0)
        error = rf_view_u32(&body, &out->lease_s);
    if (error == 0)
        error = take_way(&body, id_len, &out->way);
    if (error == 0)
        error = open_list(&body, ITEM_MIN_LEN, sizeof(*out->items), region, &list, &items);
    out->items = items;
    while (error == 0 && list.len > 0)
        error = out->item_count == RF_WATCH_MAX_ITEMS ? RF_ELIMIT
                                                      : take_item(&list, &out->items[out->item_count++]);
    return error != 0 ? error : out->item_count > 0 ? 0 : RF_EFORMAT;
}

void rf_watch_ask_encode(const struct rf_watch_ask *ask, struct rf_buf *out)
{
    rf_buf_u32(out, RF_WATCH_TAG_ASK);
    rf_buf_u32(out, ask->lease_s);
    put_way(&ask->way, out);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < ask->item_count; i++) {
        wire_resource_put(ask->items[i].resource, out);
        rf_buf_u32(out, ask->items[i].kind);
        rf_buf_u64(out, ask->items[i].generation);
        rf_buf_u32(out, ask->items[i].next);
    }
    rf_buf_close(out, mark, 2);
}

/* ---- said ---- */

static int take_state(struct rf_view *in, struct rf_watch_state *out)
{
    int error = rf_view_u8(in, &out->outcome);
    if (error == 0 && out->outcome >= RF_WATCH_OUTCOMES)
        out->outcome = RF_WATCH_LATER;
    if (error != 0 || out->outcome != RF_WATCH_HELD)
        return error;
    error = rf_view_u32(in, &out->lease_s);
    if (error == 0)
        error = rf_view_u64(in, &out->generation);
    if (error == 0)
        error = rf_view_u32(in, &out->first);
    return error != 0 ? error : rf_view_u32(in, &out->next);
}

int rf_watch_said_decode(struct rf_view body, struct rf_region *region, struct rf_watch_said *out)
{
    struct rf_view list = {NULL, 0};
    void *states = NULL;
    *out = (struct rf_watch_said){.state_count = 0};
    int error = take_tag(&body, RF_WATCH_TAG_SAID);
    if (error == 0)
        error = wire_resource(&body, &out->from);
    if (error == 0)
        error = open_list(&body, STATE_MIN_LEN, sizeof(*out->states), region, &list, &states);
    out->states = states;
    while (error == 0 && list.len > 0)
        error = out->state_count == RF_WATCH_MAX_ITEMS ? RF_ELIMIT
                                                       : take_state(&list, &out->states[out->state_count++]);
    return error;
}

void rf_watch_said_encode(const struct rf_watch_said *said, struct rf_buf *out)
{
    rf_buf_u32(out, RF_WATCH_TAG_SAID);
    wire_resource_put(said->from, out);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < said->state_count; i++) {
        const struct rf_watch_state *state = &said->states[i];
        rf_buf_u8(out, state->outcome);
        if (state->outcome != RF_WATCH_HELD)
            continue;
        rf_buf_u32(out, state->lease_s);
        rf_buf_u64(out, state->generation);
        rf_buf_u32(out, state->first);
        rf_buf_u32(out, state->next);
    }
    rf_buf_close(out, mark, 2);
}

/* ---- event ---- */

static int take_news(struct rf_view *in, struct rf_watch_news *out)
{
    int error = wire_resource(in, &out->resource);
    if (error == 0)
        error = rf_view_u32(in, &out->kind);
    if (error == 0)
        error = rf_view_u8(in, &out->what);
    if (error == 0)
        error = rf_view_u64(in, &out->generation);
    if (error == 0)
        error = rf_view_u32(in, &out->first);
    if (error == 0)
        error = rf_view_u32(in, &out->next);
    if (out->what != RF_WATCH_OVER)
        out->what = RF_WATCH_CHANGED;
    return error;
}

int rf_watch_event_decode(struct rf_view body, struct rf_region *region, struct rf_watch_event *out)
{
    struct rf_view list = {NULL, 0};
    void *news = NULL;
    *out = (struct rf_watch_event){.news_count = 0};
    int error = take_tag(&body, RF_WATCH_TAG_EVENT);
    if (error == 0)
        error = open_list(&body, NEWS_MIN_LEN, sizeof(*out->news), region, &list, &news);
    out->news = news;
    while (error == 0 && list.len > 0)
        error = out->news_count == RF_WATCH_MAX_ITEMS ? RF_ELIMIT
                                                      : take_news(&list, &out->news[out->news_count++]);
    return error;
}

void rf_watch_event_encode(const struct rf_watch_event *event, struct rf_buf *out)
{
    rf_buf_u32(out, RF_WATCH_TAG_EVENT);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < event->news_count; i++) {
        const struct rf_watch_news *news = &event->news[i];
        wire_resource_put(news->resource, out);
        rf_buf_u32(out, news->kind);
        rf_buf_u8(out, news->what);
        rf_buf_u64(out, news->generation);
        rf_buf_u32(out, news->first);
        rf_buf_u32(out, news->next);
    }
    rf_buf_close(out, mark, 2);
}

/* ---- hold ---- */

static int take_lease(struct rf_view *in, uint8_t id_len, struct rf_watch_lease *out)
{
    struct rf_view member;
    int error = wire_resource(in, &out->resource);
    if (error == 0)
        error = rf_view_u32(in, &out->kind);
    if (error == 0)
        error = wire_id(in, id_len, &out->watcher);
    if (error == 0)
        error = take_way(in, id_len, &out->way);
    if (error == 0)
        error = rf_view_take(in, RF_ROSTER_TAG_LEN, &member);
    if (error == 0)
        memcpy(out->member, member.p, RF_ROSTER_TAG_LEN);
    if (error == 0)
        error = rf_view_u32(in, &out->lease_s);
    if (error == 0)
        error = rf_view_u64(in, &out->generation);
    return error != 0 ? error : rf_view_u32(in, &out->next);
}

int rf_watch_hold_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                         struct rf_watch_hold *out)
{
    struct rf_view list = {NULL, 0};
    void *leases = NULL;
    *out = (struct rf_watch_hold){.lease_count = 0};
    int error = take_tag(&body, RF_WATCH_TAG_HOLD);
    if (error == 0)
        error = open_list(&body, LEASE_MIN_LEN, sizeof(*out->leases), region, &list, &leases);
    out->leases = leases;
    while (error == 0 && list.len > 0)
        error = out->lease_count == RF_WATCH_MAX_ITEMS
                    ? RF_ELIMIT
                    : take_lease(&list, id_len, &out->leases[out->lease_count++]);
    return error;
}

void rf_watch_hold_encode(const struct rf_watch_hold *hold, struct rf_buf *out)
{
    rf_buf_u32(out, RF_WATCH_TAG_HOLD);
    size_t mark = rf_buf_open(out, 2);
    for (size_t i = 0; i < hold->lease_count; i++) {
        const struct rf_watch_lease *lease = &hold->leases[i];
        wire_resource_put(lease->resource, out);
        rf_buf_u32(out, lease->kind);
        wire_id_put(&lease->watcher, out);
        put_way(&lease->way, out);
        rf_buf_put(out, lease->member, RF_ROSTER_TAG_LEN);
        rf_buf_u32(out, lease->lease_s);
        rf_buf_u64(out, lease->generation);
        rf_buf_u32(out, lease->next);
    }
    rf_buf_close(out, mark, 2);
}
