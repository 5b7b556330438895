/*
 * outward.c - a client that nobody can dial, behind a NAT say, dials who was to dial it (docs/protocol/admission.md).
 *
 * An Attach of a client that was answered is EXPECTING (attach.c). Their connection is not there after PATIENCE_US: we dial the addresses of
 * their answer. Whichever is up first counts, for both sides; the other is given up. Ours was up, and theirs not, or only a path of ICE was: nobody can dial us; we know
 * that for KEEP_US, or until somebody's connection arrives. Who knows it says so in its Attaches, and dials as soon as they are answered: a supernode that
 * understands it answers with the role "passive" and dials nobody, another dials in vain. The same holds for AppAttaches of a client that knows it, or whose
 * first AppAttach was answered without anybody coming; two that nobody can dial are told so.
 */
#include "node/internal.h"
#include "wire/attach.h"

#define PATIENCE_US (2 * RF_US_PER_S)
#define KEEP_US     (3600 * RF_US_PER_S)

bool node_outward(const struct rf_node *node)
{
    return node->undialled_us != 0 && node->now.mono_us - node->undialled_us < KEEP_US;
}

void node_outward_note(struct attach *a, const struct rf_addr *addrs, size_t count)
{
    if ((a->application == 0 ? a->wish == RF_ADMIT_NONE : !a->outward) || a->addrs != NULL)
        return;
    a->addrs = rf_memdup(a->node->env.mem, addrs, count * sizeof(*addrs));
    a->addr_count = a->addrs != NULL ? count : 0; /* without memory they have to come */
}

static void dial(struct attach *a)
{
    struct rf_node *node = a->node;
    bool app = a->application != 0; /* its place is taken already */
    int error = app ? 0 : node_cap_take(node, a->wish == RF_ADMIT_HOME ? FLOW_WAY : FLOW_OTHER);
    if (error == 0)
        error = rf_links_connect(node->links, a->addrs, a->addr_count, &a->peer,
                                 app ? RF_LINK_APP : RF_LINK_OVERLAY, a->application, &a->dial);
    a->dialled = true;
    if (error == 0)
        node->counters.attaches_dialled++;
    else
        a->dial = 0;
    if (error != 0 && a->passive)
        attach_end(a, error, NULL, 0);
    else
        attach_expect(a, NODE_APP_TIMEOUT_US - PATIENCE_US);
}

bool node_outward_expect(struct attach *a)
{
    if (a->addr_count == 0)
        return false;
    if (a->outward)
        dial(a);
    else
        attach_expect(a, PATIENCE_US);
    return true;
}

bool node_outward_due(struct attach *a)
{
    if (a->addr_count == 0 || a->dialled || a->state != ATTACH_EXPECTING ||
        rf_overlay_link_of(a->node->overlay, &a->peer) != 0)
        return false;
    dial(a);
    return true;
}

bool node_outward_asked(const struct rf_node *node, const struct rf_request *request)
{
    return rf_admit_dials_of(request->message->extensions) && node->listen_count > 0;
}

bool node_outward_answer(struct rf_node *node, struct rf_request *request, uint16_t application)
{
    const struct rf_id *them = &request->signer.node_id;
    if (node_outward(node))
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "nobody can dial me either");
    else if (attach_enough(node, them, application))
        attach_refuse_more(node, request);
    else if (!node_cap_room(node, FLOW_APP) ||
             rf_links_expect(node->links, them, RF_LINK_APP, application) != 0)
        rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "no room for another link");
    else
        return attach_answer(node, request, application, RF_ATTACH_PASSIVE, NULL) == 0;
    return false;
}

void node_outward_drop(struct attach *a)
{
    if (a->dial != 0)
        rf_links_close(a->node->links, a->dial, RF_EDUPLICATE); /* told later */
    rf_free(a->node->env.mem, a->addrs);
}

void node_outward_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    if (node_was_dialled(link))
        node->undialled_us = 0;
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (a->dial != link->id)
            continue;
        a->dial = 0; /* not under way any more */
        if (a->promised || a->passive)
            node->undialled_us = node->now.mono_us;
    }
}

void node_outward_link_down(struct rf_node *node, rf_link_id link, int reason)
{
    RF_LIST_EACH(&node->attaches, it)
    {
        struct attach *a = RF_LIST_ENTRY(it, struct attach, list);
        if (a->dial != link)
            continue;
        a->dial = 0;
        if (a->passive && !attach_ice(a))
            attach_end(a, reason, NULL, 0); /* else they may still come */
        return;
    }
}
