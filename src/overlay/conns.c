/*
 * conns.c - the Connection Table: which links there are, and which node is at the other end of each.
 *
 * Two links to one node come about when both sides attach at the same time. Messages then take the newest one that is not suspect,
 * or the newest. The topology hears of nodes, not of links (overlay.h).
 */
#include "overlay/internal.h"

static struct rf_view link_key(const struct rf_map_node *node)
{
    const struct conn *conn = RF_CONTAINER(node, struct conn, by_link);
    return rf_view_of(&conn->info.link, sizeof(conn->info.link));
}

static struct rf_view node_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct peer, by_node)->node);
}

void conns_init(struct rf_overlay *o)
{
    rf_map_init(&o->conns.by_link, o->env->mem, o->env->seed, link_key);
    rf_map_init(&o->conns.by_node, o->env->mem, o->env->seed, node_key);
}

static void conn_free(struct rf_overlay *o, struct conn *conn)
{
    rf_cert_release(conn->theirs);
    rf_cert_release(conn->ours);
    rf_free(o->env->mem, conn);
}

void conns_deinit(struct rf_overlay *o)
{
    struct rf_map_node *node;
    while ((node = rf_map_drain(&o->conns.by_link)) != NULL)
        conn_free(o, RF_CONTAINER(node, struct conn, by_link));
    while ((node = rf_map_drain(&o->conns.by_node)) != NULL)
        rf_free(o->env->mem, RF_CONTAINER(node, struct peer, by_node));
    rf_map_deinit(&o->conns.by_link);
    rf_map_deinit(&o->conns.by_node);
}

struct conn *conns_find(const struct rf_overlay *o, uint64_t link)
{
    struct rf_map_node *node = rf_map_find(&o->conns.by_link, rf_view_of(&link, sizeof(link)));
    return node != NULL ? RF_CONTAINER(node, struct conn, by_link) : NULL;
}

static struct peer *peer_find(const struct rf_overlay *o, const struct rf_id *id)
{
    struct rf_map_node *node = rf_map_find(&o->conns.by_node, rf_id_view(id));
    return node != NULL ? RF_CONTAINER(node, struct peer, by_node) : NULL;
}

struct conn *conns_best(const struct rf_overlay *o, const struct rf_id *node)
{
    struct peer *peer = peer_find(o, node);
    return peer != NULL ? peer->best : NULL;
}

static void peer_choose(struct peer *peer)
{
    peer->best = NULL;
    RF_LIST_EACH(&peer->conns, it)
    {
        struct conn *conn = RF_LIST_ENTRY(it, struct conn, list);
        if (peer->best == NULL || (peer->best->info.suspect && !conn->info.suspect))
            peer->best = conn;
    }
}

static struct peer *peer_touch(struct rf_overlay *o, const struct rf_id *node)
{
    struct peer *peer = peer_find(o, node);
    if (peer != NULL)
        return peer;
    peer = rf_zalloc(o->env->mem, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    peer->node = *node;
    rf_list_init(&peer->conns);
    if (rf_map_insert(&o->conns.by_node, &peer->by_node) != 0) {
        rf_free(o->env->mem, peer);
        return NULL;
    }
    return peer;
}

static void peer_free_if_empty(struct rf_overlay *o, struct peer *peer)
{
    if (!rf_list_empty(&peer->conns))
        return;
    rf_map_remove(&o->conns.by_node, &peer->by_node);
    rf_free(o->env->mem, peer);
}

static struct conn *conn_new(struct rf_overlay *o, uint64_t link, const struct rf_id *node)
{
    struct peer *peer = peer_touch(o, node);
    struct conn *conn = peer != NULL ? rf_zalloc(o->env->mem, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        if (peer != NULL)
            peer_free_if_empty(o, peer);
        return NULL;
    }
    conn->peer = peer;
    conn->info = (struct rf_conn){.link = link, .node = *node};
    if (rf_map_insert(&o->conns.by_link, &conn->by_link) != 0) {
        rf_free(o->env->mem, conn);
        peer_free_if_empty(o, peer);
        return NULL;
    }
    rf_list_push_front(&peer->conns, &conn->list);
    return conn;
}

/* Which certificates do the two ends keep with the link? */
static void agree_on_certs(struct rf_overlay *o, struct conn *conn)
{
    bool ours = false;
    struct rf_cert *theirs = NULL;
    if (o->host.kept_cert != NULL && conn->theirs == NULL)
        theirs = o->host.kept_cert(o->host.ctx, conn->info.link, &ours);
    if (theirs == NULL)
        return;
    conn->theirs = rf_cert_hold(theirs);
    if (ours)
        conn->ours = rf_cert_hold(o->config.identity->cert);
}

int conns_verify(struct rf_overlay *o, const struct conn *conn, const struct rf_message *message,
                 struct rf_signer *out)
{
    uint64_t wall_ms = o->env->now->wall_ms;
    int error = rf_verify_message(o->config.trust, message, wall_ms, out);
    if (error != RF_ENOTFOUND || conn == NULL || conn->theirs == NULL)
        return error;
    const struct rf_signature *signature = &message->security.signature;
    struct rf_view certs[1 + RF_CERT_MAX_CHAIN] = {conn->theirs->x509.der};
    struct rf_signed input;
    for (size_t i = 0; i < conn->theirs->chain_count; i++)
        certs[1 + i] = conn->theirs->chain[i];
    rf_signed_message(message->header.overlay, message->header.transaction_id, message->contents, &input);
    return rf_verify(o->config.trust, certs, 1 + conn->theirs->chain_count, signature, input.parts,
                     input.part_count, wall_ms, out);
}

void rf_overlay_link_up(struct rf_overlay *o, uint64_t link, const struct rf_id *node, bool outgoing,
                        bool bootstrap)
{
    struct conn *conn = conns_find(o, link);
    if (node->len != o->self.len || rf_id_equal(node, &o->self))
        return;
    if (conn == NULL)
        conn = conn_new(o, link, node);
    if (conn == NULL || !rf_id_equal(&conn->info.node, node)) {
        overlay_log(o, WARN, "a link is given up: %s", conn == NULL ? "out of memory" : "its node changed");
        o->host.disconnect(o->host.ctx, link);
        return;
    }
    conn->info.outgoing = outgoing;
    conn->info.suspect = false;
    conn->max_message = o->host.max_message != NULL ? o->host.max_message(o->host.ctx, link) : 0;
    agree_on_certs(o, conn);
    peer_choose(conn->peer);
    conn->peer->told = link;
    struct rf_conn info = conn->info;
    if (o->topology != NULL)
        o->ops->link_up(o->topology, &info, bootstrap);
}

void rf_overlay_link_down(struct rf_overlay *o, uint64_t link, int reason)
{
    struct conn *conn = conns_find(o, link);
    if (conn == NULL)
        return;
    struct peer *peer = conn->peer;
    struct rf_conn info = conn->info;
    bool replaced = peer->best == conn || peer->told == link; /* what the topology has in mind, or should */
    rf_list_remove(&conn->list);
    rf_map_remove(&o->conns.by_link, &conn->by_link);
    conn_free(o, conn);
    peer_choose(peer);
    struct conn *best = peer->best;
    if (best != NULL)
        info = best->info;
    else
        info.link = peer->told;
    if (replaced)
        peer->told = info.link;
    peer_free_if_empty(o, peer);
    calls_link_down(o, link);
    if (o->topology == NULL)
        return;
    if (best == NULL)
        o->ops->link_down(o->topology, &info, reason);
    else if (replaced)
        o->ops->link_up(o->topology, &info, false);
}

void rf_overlay_link_suspect(struct rf_overlay *o, uint64_t link, bool suspect)
{
    struct conn *conn = conns_find(o, link);
    if (conn == NULL || conn->info.suspect == suspect)
        return;
    conn->info.suspect = suspect;
    peer_choose(conn->peer);
    struct rf_conn info = conn->peer->best->info;
    if (o->topology != NULL && (conn->peer->best == conn || info.suspect))
        o->ops->link_suspect(o->topology, &info);
}

uint64_t rf_overlay_link_of(const struct rf_overlay *o, const struct rf_id *node)
{
    const struct conn *conn = conns_best(o, node);
    return conn != NULL ? conn->info.link : 0;
}

size_t rf_overlay_links_of(const struct rf_overlay *o, const struct rf_id *node, uint64_t *out, size_t max)
{
    const struct peer *peer = peer_find(o, node);
    size_t count = 0;
    if (peer == NULL)
        return 0;
    RF_LIST_EACH(&peer->conns, it)
    {
        if (count == max)
            break;
        out[count++] = RF_LIST_ENTRY(it, struct conn, list)->info.link;
    }
    return count;
}

size_t rf_overlay_conns(const struct rf_overlay *o, struct rf_conn *out, size_t max)
{
    size_t count = 0;
    for (struct rf_map_node *node = NULL;
         count < max && (node = rf_map_next(&o->conns.by_link, node)) != NULL;)
        out[count++] = RF_CONTAINER(node, struct conn, by_link)->info;
    return count;
}
