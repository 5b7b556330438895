/* queue.c - what the node has for its shell: the queue behind rf_node_next. */
#include <stdarg.h>
#include <stdio.h>
#include "node/internal.h"

struct node_out *node_out_new(struct rf_node *node, enum rf_node_out_type type)
{
    struct node_out *o = rf_zalloc(node->env.mem, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->out.type = type;
    rf_region_init(&o->region, node->env.mem, (size_t)64 * 1024 * 1024);
    rf_list_push_back(&node->outs, &o->list);
    return o;
}

void node_out_free(struct rf_node *node, struct node_out *o)
{
    if (o == NULL)
        return;
    rf_list_remove(&o->list);
    rf_region_deinit(&o->region);
    rf_free(node->env.mem, o);
}

void node_outs_deinit(struct rf_node *node)
{
    node_out_free(node, node->current);
    node->current = NULL;
    RF_LIST_EACH_SAFE(&node->outs, it)
    {
        node_out_free(node, RF_LIST_ENTRY(it, struct node_out, list));
    }
}

struct node_out *node_event(struct rf_node *node, enum rf_node_event_type type, const struct rf_id *id,
                            const struct rf_addr *addr, int error, const char *format, ...)
{
    struct node_out *o = node_out_new(node, RF_NODE_OUT_EVENT);
    if (o == NULL)
        return NULL; /* an event is news, not state: without memory it is lost */
    o->out.event.type = type;
    o->out.event.error = error;
    if (id != NULL)
        o->out.event.node_id = *id;
    if (addr != NULL)
        o->out.event.addr = *addr;
    if (format != NULL) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(o->out.event.text, sizeof(o->out.event.text), format, ap);
        va_end(ap);
    }
    return o;
}

const char *rf_node_event_name(enum rf_node_event_type type)
{
    static const char *const names[] = {
        [RF_NODE_EVENT_JOINED] = "joined",
        [RF_NODE_EVENT_LOST] = "lost",
        [RF_NODE_EVENT_UNREACHABLE] = "unreachable",
        [RF_NODE_EVENT_LINK_UP] = "link-up",
        [RF_NODE_EVENT_LINK_DOWN] = "link-down",
        [RF_NODE_EVENT_CONF] = "configuration",
        [RF_NODE_EVENT_REVOKED] = "revoked",
        [RF_NODE_EVENT_EXPIRING] = "certificate-expiring",
        [RF_NODE_EVENT_EXPIRED] = "certificate-expired",
        [RF_NODE_EVENT_CLOCK] = "clock",
        [RF_NODE_EVENT_UNMET] = "configuration-unmet",
        [RF_NODE_EVENT_REGISTERED] = "registered",
        [RF_NODE_EVENT_ROLE] = "role",
    };
    if ((size_t)type >= RF_COUNT(names) || names[type] == NULL)
        return "unknown";
    return names[type];
}

bool rf_node_next(struct rf_node *node, struct rf_node_out *out)
{
    node_out_free(node, node->current);
    node->current = NULL;
    if (!rf_list_empty(&node->outs)) {
        struct node_out *o = RF_LIST_ENTRY(node->outs.next, struct node_out, list);
        rf_list_remove(&o->list);
        node->current = o;
        *out = o->out;
        return true;
    }
    do {
        memset(out, 0, sizeof(*out));
        if (node_path_next(node, out))
            return true;
        out->type = RF_NODE_OUT_FLOW;
        if (node_stream_next(node, &out->flow))
            return true;
        rf_links_next_action(node->links, &out->flow);
        if (out->flow.type == RF_FLOW_NONE)
            return !rf_list_empty(&node->outs) &&
                   rf_node_next(node, out); /* what the events of paths led to */
    } while (!node_path_action(node, out));
    return true;
}
