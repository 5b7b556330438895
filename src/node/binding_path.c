/*
 * binding_path.c - how long a path may be idle: as long as the NATs of both ends keep it, if both know and say so in the Attach that makes it (docs/protocol/bindings.md). Consent is asked for
 * that often then, and over an overlay link's path no sign of life is needed beside it. When less is known of our NAT later on, or we are behind another one, what was agreed is taken back: that takes nobody's consent, as it is we who ask more often then.
 */
#include "node/binding.h"

#define USUAL_S 15 /* of ice/: nothing is gained below */
#define LINK_US (600 * RF_US_PER_S)

void path_idle_put(const struct rf_node *node, struct rf_buf *out)
{
    uint16_t idle_s = node_binding_idle_s(node);
    if (idle_s > USUAL_S)
        rf_binding_idle_put(idle_s, out);
}

bool path_idle_wanted(struct rf_view extensions)
{
    return rf_binding_idle_of(extensions) > USUAL_S;
}

void path_idle_take(struct path *p, struct rf_view extensions)
{
    uint16_t ours_s = node_binding_idle_s(p->node), theirs_s = rf_binding_idle_of(extensions);
    uint16_t idle_s = ours_s < theirs_s ? ours_s : theirs_s;
    if (idle_s <= USUAL_S)
        return;
    p->idle_s = idle_s;
    rf_ice_idle(p->node->paths->ice, p->session, idle_s * RF_US_PER_S);
}

void path_idle_up(const struct path *p)
{
    if (p->idle_s > 0 && p->application == 0)
        rf_links_lasts(p->node->links, p->link, LINK_US, false);
}

void path_idle_limit(struct rf_node *node, uint64_t most_us)
{
    if (node->paths == NULL)
        return;
    RF_LIST_EACH(&node->paths->all, it)
    {
        struct path *p = RF_LIST_ENTRY(it, struct path, list);
        if (p->idle_s * RF_US_PER_S <= most_us)
            continue;
        p->idle_s = 0;
        rf_ice_idle(node->paths->ice, p->session, 0);
        if (p->up && p->application == 0)
            rf_links_lasts(node->links, p->link, 0, false);
    }
}
