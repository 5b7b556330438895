/*
 * moved.c - this computer has other addresses, or another way out: it went to another network, or its router has restarted.
 *
 * TCP would notice after many seconds. A link, or a stream to a relay, whose local address is gone cannot live: it ends, and the overlay is looked for from where we are now. Of one whose address
 * is still there the peer is asked for a sign of life; without one within the RTO the topology hears that it is suspect. Home is where it was: it is dialled first.
 */
#include "node/internal.h"

#define MOVED_MAX                                                                                            \
    64 /* links that are looked at: a client has a few, and a supernode's do not leave from elsewhere all at once */

struct moved {
    const struct rf_addr *addrs;
    size_t addr_count;
    rf_link_id gone[MOVED_MAX], here[MOVED_MAX];
    size_t gone_count, here_count;
};

static void look_at_link(void *arg, const struct rf_link_info *info)
{
    struct moved *m = arg;
    if (info->state != RF_LINK_UP || info->datagrams || info->local.family == 0)
        return;
    bool here = rf_addr_ip_among(&info->local, m->addrs, m->addr_count);
    if (here && m->here_count < MOVED_MAX)
        m->here[m->here_count++] = info->id;
    else if (!here && m->gone_count < MOVED_MAX)
        m->gone[m->gone_count++] = info->id;
}

void rf_node_moved(struct rf_node *node, const struct rf_addr *addrs, size_t count, struct rf_now now)
{
    struct moved m = {.addrs = addrs, .addr_count = count};
    node_enter(node, now);
    if (node->left || node->revoked)
        return;
    (void)node_redial_home_addr(node, &node->bootstrap.first);
    rf_overlay_moved(node->overlay);
    rf_links_each(node->links, look_at_link, &m);
    for (size_t i = 0; i < m.gone_count; i++)
        rf_links_close(node->links, m.gone[i], RF_EUNREACHABLE);
    node_streams_moved(node, addrs, count);
    if (node->paths != NULL && m.gone_count > 0)
        node->paths->stream_way = 0; /* it is another firewall */
    for (size_t i = 0; i < m.here_count; i++)
        rf_links_keepalive(node->links, m.here[i], RF_US_PER_S);
}
