/* chord.c - Join, Leave, Update, RouteQuery. */
#include "wire/chord.h"

#include "wire/internal.h"

int rf_id_list_decode(struct rf_view *in, uint8_t id_len, struct rf_region *region, struct rf_id_list *out)
{
    struct rf_view at = *in, list;
    struct rf_id_list ids;
    int error = rf_view_v(&at, 2, &list);

    if (error != 0)
        return error;
    if (id_len < RF_ID_MIN_LEN || id_len > RF_ID_MAX_LEN)
        return RF_EINVAL;
    if (list.len % id_len != 0)
        return RF_ELENGTH;
    ids.count = list.len / id_len;
    ids.ids = rf_region_array(region, ids.count, sizeof *ids.ids);
    if (ids.ids == NULL)
        return RF_ENOMEM;
    for (size_t i = 0; i < ids.count; i++) {
        if ((error = wire_id(&list, id_len, &ids.ids[i])) != 0)
            return error;
    }
    *in = at;
    *out = ids;
    return 0;
}

void rf_id_list_encode(const struct rf_id_list *list, struct rf_buf *out)
{
    size_t mark = rf_buf_open(out, 2);

    for (size_t i = 0; i < list->count; i++)
        wire_id_put(&list->ids[i], out);
    rf_buf_close(out, mark, 2);
}

int rf_member_decode(struct rf_view body, uint8_t id_len, struct rf_member *out)
{
    struct rf_member member;
    int error;

    if ((error = wire_id(&body, id_len, &member.node)) != 0 ||
        (error = rf_view_v(&body, 2, &member.data)) != 0 || (error = wire_end(body)) != 0)
        return error;
    *out = member;
    return 0;
}

void rf_member_encode(const struct rf_member *member, struct rf_buf *out)
{
    wire_id_put(&member->node, out);
    rf_buf_v(out, 2, member->data);
}

int rf_join_ans_decode(struct rf_view body, struct rf_view *data)
{
    struct rf_view bytes;
    int error;

    if ((error = rf_view_v(&body, 2, &bytes)) != 0 || (error = wire_end(body)) != 0)
        return error;
    *data = bytes;
    return 0;
}

void rf_join_ans_encode(struct rf_view data, struct rf_buf *out)
{
    rf_buf_v(out, 2, data);
}

int rf_chord_leave_decode(struct rf_view data, uint8_t id_len, struct rf_region *region,
                          struct rf_chord_leave *out)
{
    struct rf_chord_leave leave;
    int error;

    if ((error = rf_view_u8(&data, &leave.type)) != 0)
        return error;
    if (leave.type != RF_LEAVE_FROM_SUCC && leave.type != RF_LEAVE_FROM_PRED)
        return RF_EUNKNOWN;
    if ((error = rf_id_list_decode(&data, id_len, region, &leave.nodes)) != 0 ||
        (error = wire_end(data)) != 0)
        return error;
    *out = leave;
    return 0;
}

void rf_chord_leave_encode(const struct rf_chord_leave *leave, struct rf_buf *out)
{
    rf_buf_u8(out, leave->type);
    rf_id_list_encode(&leave->nodes, out);
}

int rf_chord_update_decode(struct rf_view body, uint8_t id_len, struct rf_region *region,
                           struct rf_chord_update *out)
{
    struct rf_chord_update update = {0};
    int error;

    if ((error = rf_view_u32(&body, &update.uptime_s)) != 0 || (error = rf_view_u8(&body, &update.type)) != 0)
        return error;
    if (update.type < RF_UPDATE_PEER_READY || update.type > RF_UPDATE_FULL)
        return RF_EUNKNOWN;
    if (update.type != RF_UPDATE_PEER_READY &&
        ((error = rf_id_list_decode(&body, id_len, region, &update.predecessors)) != 0 ||
         (error = rf_id_list_decode(&body, id_len, region, &update.successors)) != 0))
        return error;
    if (update.type == RF_UPDATE_FULL &&
        (error = rf_id_list_decode(&body, id_len, region, &update.fingers)) != 0)
        return error;
    if ((error = wire_end(body)) != 0)
        return error;
    *out = update;
    return 0;
}

void rf_chord_update_encode(const struct rf_chord_update *update, struct rf_buf *out)
{
    rf_buf_u32(out, update->uptime_s);
    rf_buf_u8(out, update->type);
    if (update->type != RF_UPDATE_PEER_READY) {
        rf_id_list_encode(&update->predecessors, out);
        rf_id_list_encode(&update->successors, out);
    }
    if (update->type == RF_UPDATE_FULL)
        rf_id_list_encode(&update->fingers, out);
}

int rf_route_query_decode(struct rf_view body, uint8_t id_len, struct rf_route_query *out)
{
    struct rf_route_query query;
    int error;

    if ((error = rf_view_bool(&body, &query.send_update)) != 0 ||
        (error = rf_dest_next(&body, id_len, &query.destination)) != 0 ||
        (error = rf_view_v(&body, 2, &query.data)) != 0 || (error = wire_end(body)) != 0)
        return error;
    *out = query;
    return 0;
}

void rf_route_query_encode(const struct rf_route_query *query, struct rf_buf *out)
{
    rf_buf_bool(out, query->send_update);
    rf_dest_encode(&query->destination, out);
    rf_buf_v(out, 2, query->data);
}

int rf_route_query_ans_decode(struct rf_view body, uint8_t id_len, struct rf_id *next_peer)
{
    return wire_node_id(body, id_len, next_peer);
}

void rf_route_query_ans_encode(const struct rf_id *next_peer, struct rf_buf *out)
{
    wire_id_put(next_peer, out);
}
