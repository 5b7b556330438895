/* chord_net_links.c - the virtual network: messages, events, links and how they break. */
#include "support/chord_net_internal.h"

/* ---- messages ---- */

struct message *cn_message_copy(const struct message *from)
{
    struct message *copy = cn_fresh(sizeof(*copy));
    *copy = *from;
    copy->body = cn_fresh(from->body_len + 1);
    if (from->body_len)
        memcpy(copy->body, from->body, from->body_len);
    return copy;
}

void cn_message_free(struct message *message)
{
    if (message)
        free(message->body);
    free(message);
}

/* ---- events ---- */

void cn_event_free(struct event *event)
{
    rf_timer_stop(&event->net->timers, &event->timer);
    rf_list_remove(&event->list);
    cn_message_free(event->message);
    free(event);
}

struct event *cn_event_at(struct net *net, enum event_kind kind, size_t node, uint64_t at_us)
{
    struct event *event = cn_fresh(sizeof(*event));
    event->net = net;
    event->kind = kind;
    event->node = node;
    event->incarnation = net->nodes[node].incarnation;
    rf_timer_init(&event->timer, cn_event_fire, event);
    assert_int_equal(rf_timer_set(&net->timers, &event->timer, at_us), 0);
    rf_list_push_back(&net->events, &event->list);
    return event;
}

/* ---- links ---- */

struct net_link *cn_link_get(const struct net *net, uint64_t id)
{
    return id > 0 && id <= net->link_count ? net->links[id - 1] : NULL;
}

size_t cn_other_end(const struct net_link *link, size_t node)
{
    return link->ends[0] == node ? link->ends[1] : link->ends[0];
}

struct net_link *cn_link_between(const struct net *net, size_t a, size_t b)
{
    for (size_t i = net->nodes[a].link_count; i > 0; i--) { /* the newest of several */
        struct net_link *link = cn_link_get(net, net->nodes[a].links[i - 1]);
        if (cn_other_end(link, a) == b)
            return link;
    }
    return NULL;
}

bool net_linked(const struct net *net, size_t a, size_t b)
{
    return cn_link_between(net, a, b) != NULL;
}

size_t net_links_of(const struct net *net, size_t node)
{
    return net->nodes[node].link_count;
}

static void link_put(struct rf_overlay *node, uint64_t id)
{
    if (node->link_count == node->link_cap) {
        node->link_cap = node->link_cap ? 2 * node->link_cap : 16;
        node->links = cn_need(realloc(node->links, node->link_cap * sizeof(node->links[0])));
    }
    node->links[node->link_count++] = id;
}

void cn_link_take(struct rf_overlay *node, uint64_t id)
{
    for (size_t i = 0; i < node->link_count; i++)
        if (node->links[i] == id) {
            memmove(&node->links[i], &node->links[i + 1], (--node->link_count - i) * sizeof(node->links[0]));
            return;
        }
}

bool cn_reachable(const struct net *net, size_t a, size_t b)
{
    return net->nodes[a].alive && net->nodes[b].alive && net->nodes[a].group == net->nodes[b].group;
}

struct rf_conn cn_conn_of(const struct net *net, const struct net_link *link, size_t node)
{
    return (struct rf_conn){.link = link->id,
                            .node = net->nodes[cn_other_end(link, node)].id,
                            .outgoing = link->ends[0] == node,
                            .suspect = false};
}

struct net_link *cn_link_make(struct net *net, size_t from, size_t to)
{
    if (net->link_count == net->link_cap) {
        net->link_cap = net->link_cap ? 2 * net->link_cap : 256;
        net->links = cn_need(realloc(net->links, net->link_cap * sizeof(net->links[0])));
    }
    struct net_link *link = cn_fresh(sizeof(*link));
    link->id = net->link_count + 1;
    link->ends[0] = from;
    link->ends[1] = to;
    link->up = true;
    net->watch_changes = true;
    link->latency_us = rf_rng_between(&net->rng.rng, net->config.latency_low_us, net->config.latency_high_us);
    net->links[net->link_count++] = link;
    link_put(&net->nodes[from], link->id);
    link_put(&net->nodes[to], link->id);
    return link;
}

/* Tells both ends, at the moment when each hears of it. */
void cn_link_break(struct net *net, struct net_link *link, size_t silent_for)
{
    if (!link->up)
        return;
    link->up = false;
    for (size_t i = 0; i < 2; i++)
        cn_link_take(&net->nodes[link->ends[i]], link->id);
    for (size_t i = 0; i < 2; i++) {
        if (!net->nodes[link->ends[i]].alive || link->lost[i] || link->ends[i] == silent_for)
            continue;
        cn_event_at(net, EV_LINK_DOWN, link->ends[i], cn_now(net) + link->latency_us)->link = link->id;
    }
}

void net_cut(struct net *net, size_t a, size_t b)
{
    struct net_link *link = cn_link_between(net, a, b);
    assert_non_null(link);
    cn_link_break(net, link, SIZE_MAX);
}

/* Something went into a link whose other end does not answer: suspicion, then the end of the link. */
static void into_the_void(struct net *net, struct net_link *link, size_t from)
{
    if (link->unacked_us)
        return;
    link->unacked_us = cn_now(net);
    cn_event_at(net, EV_SUSPECT, from, cn_now(net) + RTO_US)->link = link->id;
    struct event *down = cn_event_at(net, EV_LINK_DOWN, from, cn_now(net) + RTO_US + SILENCE_US);
    down->link = link->id;
    down->flag = true;
}

void cn_link_keepalive(struct net *net, size_t from, struct net_link *link, uint64_t quiet_us)
{
    size_t to = cn_other_end(link, from), end = link->ends[0] == from ? 0 : 1;
    if (!link->up || cn_now(net) - link->active_us < quiet_us || link->unacked_us)
        return;
    net->nodes[from].counts.bytes += KEEPALIVE_LEN;
    link->active_us = cn_now(net);
    if (!cn_reachable(net, from, to))
        into_the_void(net, link, from);
    else if (link->lost[1 - end])
        cn_link_break(net, link, SIZE_MAX);
    else
        net->nodes[to].counts.bytes += ACK_LEN;
}

void cn_link_send(struct net *net, size_t from, struct net_link *link, struct message *message)
{
    size_t to = cn_other_end(link, from), end = link->ends[0] == from ? 0 : 1;
    struct net_counts *counts = &net->nodes[from].counts;
    link->active_us = cn_now(net);
    counts->messages++;
    counts->bytes += OVERHEAD + message->body_len + 18 * (message->dest_count + message->path_count);
    if (link->lost[1 - end] && cn_reachable(net, from, to)) { /* it started anew and resets the connection */
        cn_link_break(net, link, SIZE_MAX);
        cn_message_free(message);
        return;
    }
    if (!cn_reachable(net, from, to)) {
        into_the_void(net, link, from);
        cn_message_free(message);
        return;
    }
    link->unacked_us = 0;
    if (rf_rng_below(&net->rng.rng, 1000) < net->config.loss_permille) {
        cn_message_free(message);
        return;
    }
    uint64_t at = cn_now(net) + link->latency_us;
    if (at <= link->last_us[end])
        at = link->last_us[end] + 1;
    link->last_us[end] = at;
    struct event *event = cn_event_at(net, EV_MESSAGE, to, at);
    event->link = link->id;
    event->message = message;
}
