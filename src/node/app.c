/* app.c - application connections (AppAttach): who takes which application, and the bytes both ways. */
#include "node/internal.h"

#define KEEPALIVE_LEN 4
#define ROOM_LEN      ((size_t)512 << 10) /* half of what a link takes */

int rf_node_set_app(struct rf_node *node, uint16_t application, const struct rf_node_app *app)
{
    if (application == 0 || node->app_count == NODE_MAX_APPS)
        return application == 0 ? RF_EINVAL : RF_ELIMIT;
    if (node_app_find(node, application) != NULL)
        return RF_EEXIST;
    struct node_app *apps = rf_resize(node->env.mem, node->apps, (node->app_count + 1) * sizeof(*apps));
    if (apps == NULL)
        return RF_ENOMEM;
    node->apps = apps;
    apps[node->app_count++] = (struct node_app){application, *app};
    return 0;
}

void rf_node_unset_app(struct rf_node *node, uint16_t application)
{
    for (size_t i = 0; i < node->app_count; i++)
        if (node->apps[i].application == application) {
            node->apps[i] = node->apps[--node->app_count];
            return;
        }
}

const struct rf_node_app *node_app_find(struct rf_node *node, uint16_t application)
{
    for (size_t i = 0; i < node->app_count; i++)
        if (node->apps[i].application == application)
            return &node->apps[i].app;
    return NULL;
}

struct app_conn *node_app_conn_of(struct rf_node *node, const struct rf_id *target, uint16_t application)
{
    RF_LIST_EACH(&node->app_conns, it)
    {
        struct app_conn *conn = RF_LIST_ENTRY(it, struct app_conn, list);
        if (conn->application == application && rf_id_equal(&conn->node_id, target))
            return conn;
    }
    return NULL;
}

struct app_conn *node_app_conn(const struct rf_node *node, rf_link_id link)
{
    RF_LIST_EACH(&node->app_conns, it)
    {
        struct app_conn *conn = RF_LIST_ENTRY(it, struct app_conn, list);
        if (conn->link == link)
            return conn;
    }
    return NULL;
}

void node_app_up(struct rf_node *node, const struct rf_link_info *link, bool outgoing)
{
    const struct rf_node_app *app = node_app_find(node, link->application);
    struct app_conn *conn = app != NULL ? rf_zalloc(node->env.mem, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        rf_links_close(node->links, link->id, app != NULL ? RF_ENOMEM : RF_EUNSUPPORTED);
        return;
    }
    conn->link = link->id;
    conn->node_id = link->node_id;
    conn->application = link->application;
    conn->outgoing = outgoing;
    conn->used_us = node->now.mono_us;
    rf_list_push_front(&node->app_conns, &conn->list);
    app->up(app->ctx, link->id, &link->node_id, link->cert->user, outgoing);
}

/* A few bytes are a keep-alive (RFC 5626: line ends). */
static void note_use(const struct rf_node *node, struct app_conn *conn, struct rf_view bytes)
{
    if (conn != NULL && bytes.len > KEEPALIVE_LEN)
        conn->used_us = node->now.mono_us;
}

void node_app_data(void *ctx, rf_link_id link, struct rf_view bytes)
{
    struct rf_node *node = ctx;
    struct app_conn *conn = node_app_conn(node, link);
    const struct rf_node_app *app = conn != NULL ? node_app_find(node, conn->application) : NULL;
    note_use(node, conn, bytes);
    if (app != NULL)
        app->data(app->ctx, link, bytes);
}

void node_app_down(struct rf_node *node, const struct rf_link_info *link, int reason)
{
    struct app_conn *conn = node_app_conn(node, link->id);
    if (conn == NULL)
        return;
    const struct rf_node_app *app = node_app_find(node, conn->application);
    rf_list_remove(&conn->list);
    rf_free(node->env.mem, conn);
    if (app != NULL)
        app->down(app->ctx, link->id, reason);
}

void node_app_deinit(struct rf_node *node)
{
    RF_LIST_EACH_SAFE(&node->app_conns, it)
    {
        rf_free(node->env.mem, RF_LIST_ENTRY(it, struct app_conn, list));
    }
    rf_list_init(&node->app_conns);
    rf_free(node->env.mem, node->apps);
    node->apps = NULL;
    node->app_count = 0;
}

int rf_node_app_attach(struct rf_node *node, const struct rf_app_target *target, struct rf_now now,
                       void (*done)(void *arg, int error, rf_link_id conn), void *arg)
{
    node_enter(node, now);
    if (node_app_find(node, target->application) == NULL ||
        rf_id_equal(&target->node_id, &node->identity.node_id))
        return RF_EINVAL;
    struct app_conn *conn = node_app_conn_of(node, &target->node_id, target->application);
    struct rf_link_info info;
    if (conn != NULL && rf_links_info(node->links, conn->link, &info) == 0 && info.state == RF_LINK_UP) {
        if (target->user.len > 0 && !rf_view_equal(target->user, info.cert->user))
            return RF_EAUTH;
        if (node_attach_must_ask(node, &info))
            return node_attach_app(node, target, conn->link, done, arg);
        done(arg, 0, conn->link);
        return 0;
    }
    return node_attach_app(node, target, 0, done, arg);
}

int rf_node_app_send(struct rf_node *node, rf_link_id conn, struct rf_view bytes, struct rf_now now)
{
    node_enter(node, now);
    note_use(node, node_app_conn(node, conn), bytes);
    return rf_links_app_send(node->links, conn, bytes);
}

size_t rf_node_app_room(const struct rf_node *node, rf_link_id conn)
{
    struct rf_link_info info;
    if (rf_links_info(node->links, conn, &info) != 0 || info.state != RF_LINK_UP ||
        info.purpose != RF_LINK_APP || info.backlog_len >= ROOM_LEN)
        return 0;
    return ROOM_LEN - info.backlog_len;
}

void rf_node_app_hold(struct rf_node *node, rf_link_id conn, bool held, struct rf_now now)
{
    struct app_conn *found = node_app_conn(node_enter(node, now), conn);
    if (found == NULL)
        return;
    found->held = held;
    found->used_us = node->now.mono_us;
    if (held)
        node_cap_held(node);
}

void rf_node_app_close(struct rf_node *node, rf_link_id conn, struct rf_now now)
{
    node_enter(node, now);
    rf_links_close(node->links, conn, RF_ECLOSED);
}
