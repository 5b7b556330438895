/* conns.c - the nodes that we are linked with, and the calls and Attaches that are under way. */
#include "overlay/chord/chord.h"

static struct rf_view conn_key(const struct rf_map_node *node)
{
    return rf_id_view(&RF_CONTAINER(node, struct chord_conn, by_node)->node);
}

void chord_conns_init(struct rf_topology *t)
{
    rf_map_init(&t->conns, t->env->mem, t->env->seed, conn_key);
    rf_list_init(&t->conn_list);
    rf_list_init(&t->owed_list);
    rf_list_init(&t->calls);
}

/* At the end of the object's life: nobody is told anything any more. */
void chord_conns_deinit(struct rf_topology *t)
{
    while (!rf_list_empty(&t->calls))
        chord_call_cancel(RF_LIST_ENTRY(t->calls.next, struct chord_call, list));
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        conn->update = conn->check = NULL;
    }
    while (!rf_list_empty(&t->conn_list))
        chord_conn_free(t, RF_LIST_ENTRY(t->conn_list.next, struct chord_conn, list));
    rf_map_deinit(&t->conns);
    rf_free(t->env->mem, t->attaches);
}

struct chord_conn *chord_conn_find(const struct rf_topology *t, const struct rf_id *node)
{
    struct rf_map_node *found = rf_map_find(&t->conns, rf_id_view(node));
    return found ? RF_CONTAINER(found, struct chord_conn, by_node) : NULL;
}

struct chord_conn *chord_conn_touch(struct rf_topology *t, const struct rf_id *node, uint64_t link)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn)
        return conn;
    if (node->len != t->params.self.len || rf_id_equal(node, &t->params.self))
        return NULL;
    conn = rf_zalloc(t->env->mem, sizeof(*conn));
    if (!conn) {
        t->counters->no_memory++;
        return NULL;
    }
    conn->node = *node;
    conn->link = link;
    conn->up_us = conn->heard_us = conn->needed_us = chord_now(t);
    if (rf_map_insert(&t->conns, &conn->by_node)) {
        rf_free(t->env->mem, conn);
        t->counters->no_memory++;
        return NULL;
    }
    rf_list_push_back(&t->conn_list, &conn->list);
    rf_list_init(&conn->owed);
    return conn;
}

void chord_conn_free(struct rf_topology *t, struct chord_conn *conn)
{
    if (conn->update)
        chord_call_cancel(conn->update);
    if (conn->check)
        chord_call_cancel(conn->check);
    if (conn->handover)
        t->handover_count--;
    rf_map_remove(&t->conns, &conn->by_node);
    rf_list_remove(&conn->list);
    rf_list_remove(&conn->owed);
    rf_free(t->env->mem, conn);
}

void chord_conn_release(struct rf_topology *t, struct chord_conn *conn)
{
    uint64_t link = conn->link;
    chord_conn_free(t, conn);
    t->host.disconnect(t->host.ctx, link);
}

/* ---- calls ---- */

/*
 * The first transmission of a call over a link was answered: so long a round trip takes, with what the peer needs to sign. If no answer was needed, the
 * acknowledgement of its frame shows it. The shortest counts most: what is longer had to wait somewhere.
 */
static void measure(struct chord_call *call, bool answered)
{
    struct rf_topology *t = call->t;
    struct chord_conn *conn = chord_conn_find(t, &call->node);
    if (!conn || !call->link || conn->link != call->link)
        return;
    uint64_t took_us = answered ? chord_now(t) - call->sent_us : t->host.rtt(t->host.ctx, call->link);
    if (took_us >= CHORD_CHECK_TRY_US || (took_us == 0 && !answered))
        return;
    uint32_t rtt_us = took_us ? (uint32_t)took_us : 1;
    conn->rtt_us =
        conn->rtt_us && rtt_us > conn->rtt_us ? conn->rtt_us + (rtt_us - conn->rtt_us) / 8 : rtt_us;
    ring_measured(&t->ring, &conn->node, conn->rtt_us);
}

static void call_done(void *arg, const struct rf_reply *reply)
{
    struct chord_call *call = arg;
    struct rf_topology *t = call->t;
    rf_list_remove(&call->list);
    if (!t->closing && reply->error == 0)
        measure(call, reply->message != NULL);
    if (!t->closing)
        call->done(call, reply);
    rf_free(t->env->mem, call);
}

struct chord_call *chord_call(struct rf_topology *t, struct rf_call *proto,
                              void (*done)(struct chord_call *call, const struct rf_reply *reply))
{
    struct chord_call *call = rf_zalloc(t->env->mem, sizeof(*call));
    if (!call) {
        t->counters->no_memory++;
        return NULL;
    }
    const struct rf_dest *last = &proto->dests[proto->dest_count - 1];
    call->t = t;
    call->done = done;
    call->link = proto->link;
    call->sent_us = chord_now(t);
    if (last->type == RF_DEST_NODE)
        call->node = last->id;
    call->key = last->id;
    proto->done = call_done;
    proto->arg = call;
    if (rf_overlay_call(t->host.overlay, proto, &call->id)) {
        rf_free(t->env->mem, call);
        t->counters->no_memory++;
        return NULL;
    }
    rf_list_push_back(&t->calls, &call->list);
    return call;
}

void chord_call_cancel(struct chord_call *call)
{
    rf_overlay_cancel(call->t->host.overlay, call->id);
}

struct chord_call *chord_call_ping(struct rf_topology *t, const struct rf_id *key, const struct rf_id *via,
                                   uint64_t link,
                                   void (*done)(struct chord_call *call, const struct rf_reply *reply))
{
    struct rf_call call = {.code = RF_CODE_PING_REQ, .link = link, .max_transmissions = 3};
    call.any_responder = via != NULL; /* a partition check: who answers need not be of our ring */
    uint8_t body[8];
    struct rf_buf buf;
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_ping_req_encode(rf_view_of(NULL, 0), &buf);
    call.body = rf_buf_view(&buf);
    rf_call_to_resource(&call, key);
    if (via)
        rf_call_via(&call, via);
    return chord_call(t, &call, done);
}

struct chord_call *chord_call_route_query(struct rf_topology *t, const struct chord_conn *conn,
                                          const struct rf_dest *dest, bool send_update, unsigned tries,
                                          void (*done)(struct chord_call *call, const struct rf_reply *reply))
{
    struct rf_route_query query = {.send_update = send_update, .destination = *dest};
    struct rf_call call = {.code = RF_CODE_ROUTE_QUERY_REQ, .link = conn->link, .max_transmissions = tries};
    uint8_t body[64];
    struct rf_buf buf;
    rf_buf_fixed(&buf, body, sizeof(body));
    rf_route_query_encode(&query, &buf);
    RF_ASSERT(rf_buf_error(&buf) == 0);
    call.body = rf_buf_view(&buf);
    call.interval_us = CHORD_CHECK_TRY_US;
    rf_call_to_node(&call, &conn->node);
    return chord_call(t, &call, done);
}

/* ---- Attaches ---- */

static struct chord_attach *attach_find(struct rf_topology *t, const struct rf_id *target)
{
    for (size_t i = 0; i < t->attach_count; i++)
        if (rf_id_equal(&t->attaches[i].target, target))
            return &t->attaches[i];
    return NULL;
}

static void attach_remove(struct rf_topology *t, struct chord_attach *attach)
{
    *attach = t->attaches[--t->attach_count];
    if (t->attach_count > 0)
        return;
    rf_free(t->env->mem, t->attaches);
    t->attaches = NULL;
    t->attach_cap = 0;
}

void chord_attaches_lost(struct rf_topology *t, const struct rf_id *informer)
{
    for (size_t i = 0; i < t->attach_count;) {
        struct chord_attach *attach = &t->attaches[i];
        if (attach->routed && !attach->answered && rf_id_equal(&attach->informer, informer))
            attach_remove(t,
                          attach); /* says nothing about the target: it is asked for again on another way */
        else
            i++;
    }
}

void chord_attach_forget(struct rf_topology *t, const struct rf_id *target)
{
    struct chord_attach *attach = attach_find(t, target);
    if (attach)
        attach_remove(t, attach);
}

uint64_t chord_attach_age(const struct rf_topology *t, const struct rf_id *target)
{
    const struct chord_attach *attach = attach_find((struct rf_topology *)(uintptr_t)t, target);
    return attach ? chord_now(t) - attach->start_us + 1 : 0;
}

bool chord_attaching(const struct rf_topology *t, const struct rf_id *target)
{
    return chord_attach_age(t, target) > 0;
}

static bool take_token(struct rf_topology *t)
{
    uint64_t now = chord_now(t);
    t->tokens += (double)(now - t->token_us) / CHORD_S * CHORD_ATTACH_RATE;
    t->token_us = now;
    if (t->tokens > CHORD_ATTACH_BURST)
        t->tokens = CHORD_ATTACH_BURST;
    if (t->tokens < 1)
        return false;
    t->tokens -= 1;
    return true;
}

static bool attach_room(struct rf_topology *t)
{
    if (t->attach_count < t->attach_cap)
        return true;
    size_t cap = t->attach_cap ? 2 * t->attach_cap : 4;
    struct chord_attach *attaches = rf_resize(t->env->mem, t->attaches, cap * sizeof(attaches[0]));
    if (!attaches) {
        t->counters->no_memory++;
        return false;
    }
    t->attaches = attaches;
    t->attach_cap = cap;
    return true;
}

bool chord_attach(struct rf_topology *t, const struct rf_id *target, bool resource,
                  const struct rf_id *informer, uint64_t link, enum chord_purpose purpose, bool rated)
{
    struct chord_attach *attach = attach_find(t, target);
    if (attach)
        return true;
    if (t->attach_count == CHORD_MAX_ATTACHES || (rated && !take_token(t))) {
        t->counters->attaches_limited++;
        return false;
    }
    if (!attach_room(t))
        return false;
    attach = &t->attaches[t->attach_count++];
    *attach = (struct chord_attach){.target = *target, .resource = resource, .purpose = purpose};
    attach->start_us = chord_now(t);
    attach->deadline_us = attach->start_us + CHORD_ATTACH_US;
    const struct chord_conn *via = informer ? chord_conn_find(t, informer) : NULL;
    if (informer)
        attach->informer = *informer;
    attach->routed = via != NULL;
    t->counters->attaches++;
    /* the record may move while the host works: it is not used after this */
    uint64_t over = via && !link ? via->link : link;
    const struct rf_id *through = via ? &via->node : NULL;
    if (t->params.role == RF_ROLE_CLIENT && t->host.admit)
        t->host.admit(t->host.ctx, target, resource, through, over, purpose == FOR_RESERVE);
    else
        t->host.attach(t->host.ctx, target, resource, through, over, true);
    return true;
}

bool chord_redial(struct rf_topology *t, const struct rf_id *node)
{
    if (attach_find(t, node))
        return true;
    if (!t->host.redial || t->attach_count == CHORD_MAX_ATTACHES || !attach_room(t))
        return false;
    struct chord_attach *attach = &t->attaches[t->attach_count++];
    *attach = (struct chord_attach){.target = *node, .purpose = FOR_LOST, .start_us = chord_now(t)};
    attach->deadline_us = attach->start_us + CHORD_ATTACH_US;
    if (t->host.redial(t->host.ctx, node) == 0)
        return true;
    chord_attach_forget(t, node);
    return false;
}

static void attach_failed(struct rf_topology *t, const struct chord_attach *attach, int error)
{
    if (attach->purpose == FOR_LOST)
        return; /* no news of it */
    t->counters->attaches_failed++;
    if (attach->resource)
        return;
    if (error == RF_EUNREACHABLE) { /* our way there broke: says nothing about the target */
        candidates_rest(&t->candidates, &attach->target, chord_now(t), chord_now(t) + CHORD_S);
        return;
    }
    candidates_failed(&t->candidates, &attach->target, chord_now(t));
    struct chord_conn *informer = attach->informer.len ? chord_conn_find(t, &attach->informer) : NULL;
    if (informer)
        informer->bad_hints++;
}

static enum chord_admitted admitted_by(const struct chord_attach *attach)
{
    return attach->purpose == FOR_RESERVE ? ADMITTED_RESERVE : ADMITTED_HOME;
}

/* How an Attach ended is told to whoever wanted it. */
static void attach_told(struct rf_topology *t, const struct chord_attach *attach, const struct rf_id *node,
                        int error)
{
    if (t->params.role == RF_ROLE_CLIENT)
        chord_client_attached(t, &attach->target, node, error, attach->purpose);
    else if (attach->purpose == FOR_PLACE)
        chord_join_attached(t, node, error);
    else {
        chord_pursue(t);
        chord_join_step(t);
    }
}

void chord_on_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node, int error)
{
    struct chord_attach *found = attach_find(t, target);
    if (!found || found->answered)
        return;
    struct chord_attach attach = *found;
    if (error || !node) {
        attach_remove(t, found);
        attach_failed(t, &attach, error);
        attach_told(t, &attach, NULL, error ? error : RF_ETIMEOUT);
        return;
    }
    struct chord_conn *conn = chord_conn_find(t, node);
    if (attach.purpose == FOR_FINGER)
        t->finger_wait_us = CHORD_FINGER_LOW_US;
    if (conn) {
        attach_remove(t, found);
        conn->admitted = admitted_by(&attach);
        if (conn->up_us >= attach.start_us)
            conn->wanted = conn->attached = true;
        conn->needed_us = chord_now(t);
    } else {
        found->answered = true;
        found->target = *node;
        found->deadline_us = chord_now(t) + 10 * CHORD_S;
    }
    attach_told(t, &attach, node, 0);
}

void chord_on_refused(struct rf_topology *t, const struct rf_id *target, const struct rf_redirect *redirect)
{
    struct chord_attach *found = attach_find(t, target);
    if (!found || found->answered)
        return;
    enum chord_purpose purpose = found->purpose;
    if (t->params.role != RF_ROLE_CLIENT) {
        chord_on_attached(t, target, NULL, RF_EBUSY);
        return;
    }
    attach_remove(t, found);
    t->counters->refusals++;
    chord_client_refused(t, redirect, purpose);
}

bool chord_attach_claim(struct rf_topology *t, struct chord_conn *conn, bool *lost)
{
    struct chord_attach *attach = attach_find(t, &conn->node);
    if (!attach)
        return false;
    conn->admitted = admitted_by(attach);
    *lost = attach->purpose == FOR_LOST;
    if (attach->answered)
        attach_remove(t, attach);
    return true;
}

void chord_attaches_expire(struct rf_topology *t)
{
    for (size_t i = 0; i < t->attach_count;) {
        struct chord_attach attach = t->attaches[i];
        if (chord_now(t) < attach.deadline_us) {
            i++;
            continue;
        }
        attach_remove(t, &t->attaches[i]);
        attach_failed(t, &attach, RF_ETIMEOUT);
        attach_told(t, &attach, NULL, RF_ETIMEOUT);
        i = 0; /* what was told may have changed the list */
    }
}
