/* route.c - where a message goes: the rules for the first entry of a destination list (1.2), and the next hop. */
#include "overlay/internal.h"

bool overlay_is_responsible(const struct rf_overlay *o, const struct rf_id *key)
{
    /* a client that happens to get a message for a Resource-ID is not responsible for it */
    return overlay_is_peer(o) && o->topology != NULL && o->ops->responsible(o->topology, key);
}

/* A client whose link is silent may have lost it, and be linked with others. A peer is where it was. */
static bool may_be_elsewhere(const struct rf_overlay *o, const struct conn *conn)
{
    return conn->info.suspect && !rf_overlay_is_peer(o, &conn->info.node);
}

struct conn *route_next_hop(struct rf_overlay *o, const struct rf_dest *dest)
{
    struct rf_id next;
    struct conn *conn = dest->type == RF_DEST_NODE ? conns_best(o, &dest->id) : NULL, *other = NULL;
    if (conn != NULL && !may_be_elsewhere(o, conn))
        return conn;
    if (o->topology != NULL && o->ops->next_hop(o->topology, &dest->id, &next))
        other = conns_best(o, &next);
    return other != NULL ? other : conn;
}

static enum route_type forward_to(struct rf_overlay *o, struct route *out)
{
    out->conn = route_next_hop(o, &out->dest);
    return out->conn != NULL ? ROUTE_FORWARD : ROUTE_NOWHERE;
}

/* A Node-ID that is not ours. */
static enum route_type route_node(struct rf_overlay *o, bool own, struct route *out)
{
    if (!overlay_is_peer(o) && !own)
        return ROUTE_NOWHERE;
    if (overlay_is_peer(o) && o->topology != NULL && o->ops->in_range(o->topology, &out->dest.id) &&
        conns_best(o, &out->dest.id) == NULL)
        return own ? ROUTE_NOWHERE : ROUTE_BAD; /* in our range, not connected: it is not there */
    return forward_to(o, out);
}

static enum route_type route_resource(struct rf_overlay *o, bool own, bool only, struct route *out)
{
    if (out->dest.id.len != overlay_id_len(o) || !only)
        return ROUTE_BAD; /* a Resource-ID stands last (1.3) */
    if (overlay_is_responsible(o, &out->dest.id))
        return ROUTE_DELIVER;
    if (!overlay_is_peer(o) && !own)
        return ROUTE_NOWHERE;
    return forward_to(o, out);
}

/* Decides about one entry; false: there is a next one to look at (our own Node-ID, or an opaque ID expanded). */
static bool route_entry(struct rf_overlay *o, bool own, bool only, bool in_prepend, struct route *out)
{
    struct rf_view saved;
    switch (out->dest.type) {
    case RF_DEST_NODE:
        if (rf_id_is_wildcard(&out->dest.id)) {
            out->type = ROUTE_DELIVER;
            return true;
        }
        if (!rf_id_equal(&out->dest.id, &o->self)) {
            out->type = route_node(o, own, out);
            return true;
        }
        out->type = ROUTE_DELIVER;
        if (!only && !overlay_is_peer(o))
            out->type = ROUTE_NOWHERE; /* a client is no transit */
        return only || !overlay_is_peer(o);
    case RF_DEST_RESOURCE:
        out->type = route_resource(o, own, only, out);
        return true;
    case RF_DEST_COMPACT:
        out->type = ROUTE_BAD;
        if (out->expanded || in_prepend || !opaque_find(o, out->dest.compact, &saved))
            return true;
        out->expanded = true;
        out->prepend = saved;
        return false;
    case RF_DEST_OPAQUE: /* we issue none of this form */
        break;
    }
    out->type = ROUTE_BAD;
    return true;
}

void route_find(struct rf_overlay *o, struct rf_view dests, size_t dest_count, bool own, struct route *out)
{
    *out = (struct route){.type = ROUTE_BAD};
    if (dest_count > OVERLAY_MAX_DESTS)
        return;
    if (dest_count > 1 && rf_dest_list_repeats(dests)) {
        out->type = ROUTE_REPEATS;
        return;
    }
    for (;;) {
        bool in_prepend = out->prepend.len > 0;
        struct rf_view *front = in_prepend ? &out->prepend : &dests;
        struct rf_view after = *front;
        if (rf_dest_next(&after, overlay_id_len(o), &out->dest) != 0) {
            out->type = ROUTE_BAD; /* nothing left */
            return;
        }
        bool only = after.len == 0 && (!in_prepend || dests.len == 0);
        if (route_entry(o, own, only, in_prepend, out))
            return;
        if (in_prepend) {
            out->prepend = after;
        } else {
            dests = after;
            out->drop_count++;
        }
    }
}
