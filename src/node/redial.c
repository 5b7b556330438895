/*
 * redial.c - dialling who was linked with us. One dial at a time; it ends with its link up, or down, and is told to the topology.
 *
 * A supernode notes where the peers are that it is or was linked with, so that a lost one can be dialled although no message finds it (overlay/chord/lost.c).
 *
 * A client dials its home anew when their link becomes suspect: a gateway may have forgotten it, and then home is as well as ever. It waits up to HOME_US before, in case the acknowledgement is
 * only late, which all clients of a busy home would see. When the new link is up messages go over it (returns.c); if home is gone, the topology finds that out itself.
 */
#include "node/internal.h"

#define CONTACTS_MIN 16
#define CONTACTS_MAX 128
#define HOME_US      (RF_US_PER_S / 2)

static struct contact *contact_of(const struct rf_node *node, const struct rf_id *id)
{
    for (size_t i = 0; i < node->redial.count; i++)
        if (rf_id_equal(&node->redial.contacts[i].node, id))
            return &node->redial.contacts[i];
    return NULL;
}

/* Of those that are not linked the one noted first; all are: any. */
static struct contact *victim(struct rf_node *node)
{
    struct redial *r = &node->redial;
    for (size_t i = 0; i < r->count; i++) {
        struct contact *it = &r->contacts[(r->next + i) % r->count];
        if (rf_overlay_link_of(node->overlay, &it->node) != 0)
            continue;
        r->next = (r->next + i + 1) % r->count;
        return it;
    }
    r->next = (r->next + 1) % r->count;
    return &r->contacts[r->next];
}

static struct contact *contact_new(struct rf_node *node)
{
    struct redial *r = &node->redial;
    if (r->count == CONTACTS_MAX)
        return victim(node);
    if (r->count == r->cap) {
        size_t cap = r->cap == 0 ? CONTACTS_MIN : 2 * r->cap;
        struct contact *contacts = rf_resize(node->env.mem, r->contacts, cap * sizeof(*contacts));
        if (contacts == NULL)
            return NULL; /* another time */
        r->contacts = contacts;
        r->cap = cap;
    }
    return &r->contacts[r->count++];
}

void node_redial_note(struct rf_node *node, const struct rf_id *id, const struct rf_addr *addr)
{
    if (node->role != RF_NODE_SUPERNODE || addr->family == 0)
        return;
    struct contact *contact = contact_of(node, id);
    if (contact == NULL)
        contact = contact_new(node);
    if (contact != NULL)
        *contact = (struct contact){*id, *addr};
}

int node_redial_wish(void *ctx, const struct rf_id *id)
{
    struct rf_node *node = ctx;
    const struct contact *contact = contact_of(node, id);
    if (contact == NULL)
        return RF_ENOTFOUND;
    if (node->redial.dialling != 0 || node->leaving)
        return RF_EBUSY;
    node->redial.target = *id;
    return rf_links_connect(node->links, &contact->addr, 1, id, RF_LINK_OVERLAY, 0, &node->redial.dialling);
}

/* ---- home ---- */

bool node_redial_home_addr(const struct rf_node *node, struct rf_addr *out)
{
    struct rf_link_info home;
    if (node->role == RF_NODE_SUPERNODE || node->home.len == 0 ||
        rf_links_info(node->links, rf_overlay_link_of(node->overlay, &node->home), &home) != 0)
        return false;
    *out = home.remote;
    for (size_t i = 0; i < node->peer_count && !home.outgoing; i++)
        if (rf_addr_same_ip(&node->peers[i], &home.remote)) {
            *out = node->peers[i];
            return true;
        }
    return home.outgoing;
}

static bool home_is_suspect(const struct rf_node *node)
{
    struct rf_link_info home;
    return rf_links_info(node->links, rf_overlay_link_of(node->overlay, &node->home), &home) == 0 &&
           home.suspect;
}

static void home_due(struct rf_timer *timer, void *arg)
{
    struct rf_node *node = arg;
    struct redial *r = &node->redial;
    struct rf_addr addr;
    (void)timer;
    if (r->dialling != 0 || node->leaving || !node_redial_home_addr(node, &addr) || !home_is_suspect(node) ||
        node_cap_take(node, FLOW_WAY) != 0)
        return;
    r->target = node->home;
    if (rf_links_connect(node->links, &addr, 1, &r->target, RF_LINK_OVERLAY, 0, &r->dialling) != 0)
        r->dialling = 0;
}

void node_redial_suspect(struct rf_node *node, rf_link_id link)
{
    struct redial *r = &node->redial;
    if (node->role == RF_NODE_SUPERNODE || node->home.len == 0 || rf_timer_is_set(&r->timer) ||
        rf_overlay_link_of(node->overlay, &node->home) != link)
        return;
    rf_timer_init(&r->timer, home_due, node);
    (void)rf_env_timer_in(&node->env, &r->timer, rf_rng_below(node->env.jitter, HOME_US));
}

/* ---- how a dial ends ---- */

void node_redial_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    if (link->id != node->redial.dialling)
        return;
    node->redial.dialling = 0;
    rf_overlay_attached(node->overlay, &link->node_id, &link->node_id, 0);
}

void node_redial_link_down(struct rf_node *node, const struct rf_link_info *link, int reason)
{
    if (link->id != node->redial.dialling)
        return;
    struct rf_id target = node->redial.target;
    node->redial.dialling = 0;
    rf_overlay_attached(node->overlay, &target, NULL, reason);
}

void node_redial_deinit(struct rf_node *node)
{
    rf_timer_stop(&node->timers, &node->redial.timer);
    rf_free(node->env.mem, node->redial.contacts);
}
