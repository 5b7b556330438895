/*
 * role.c - a running node changes its role; its links stay (docs/protocol/roles.md).
 *
 * A client that becomes a peer: what it knew as a client is forgotten, and it joins the ring (join.c), through its home. That one still has the link,
 * and so it is reached all the time. A peer that becomes a client retires first: it leaves the ring (leave.c), stays in LEAVING until storage has
 * handed over everything, at most CHORD_RETIRE_US, and then looks for a home (client.c) among those that it is linked with.
 */
#include "overlay/chord/chord.h"

void chord_retire(struct rf_topology *t)
{
    t->leave_until_us = chord_now(t) + CHORD_RETIRE_US;
    chord_leave(t);
}

bool chord_retire_waits(struct rf_topology *t)
{
    return t->state == RF_TOPOLOGY_LEAVING && t->leave_until_us > chord_now(t) && t->host.handover_pending &&
           t->host.handover_pending(t->host.ctx) > 0;
}

/* Nobody owes anybody anything any more, and Attaches under way are of no interest. */
static void forget(struct rf_topology *t)
{
    chord_client_stop(t);
    chord_join_stop(t);
    chord_maintain_stop(t);
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (conn->update)
            chord_call_cancel(conn->update);
        conn->owe = OWE_NOTHING;
        conn->handover = conn->told = conn->spare = false;
        conn->admitted = ADMITTED_NOT;
        conn->pulled_us = 0;
        conn->pulls = 0;
        conn->needed_us = chord_now(t);
    }
    t->handover_count = 0;
    t->attach_count = 0;
    t->leave_until_us = 0;
    t->first = t->was_joined = false;
    t->crowd_us = 0;
    candidates_deinit(&t->candidates);
}

int chord_become(struct rf_topology *t, enum rf_topology_role role)
{
    struct rf_id home = t->client.home;
    if (t->params.role == role || t->state == RF_TOPOLOGY_LEAVING)
        return 0;
    int error = chord_tables_set(t, role == RF_ROLE_PEER);
    if (error)
        return error;
    forget(t);
    t->params.role = role;
    candidates_init(&t->candidates, t->env->mem, &t->params.self,
                    role == RF_ROLE_CLIENT ? CANDIDATES_NEAR : CANDIDATES_MAX);
    t->candidates.failed_only = role == RF_ROLE_CLIENT;
    ring_tune(&t->ring);
    chord_alarm_soon(t, ALARM_SWEEP, chord_about(t, CHORD_SWEEP_US));
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    struct chord_conn *through = home.len ? chord_conn_find(t, &home) : NULL;
    if (role == RF_ROLE_CLIENT)
        chord_client_start(t);
    else if (through)
        chord_join_through(t, through);
    else
        chord_join_start(t, 0);
    return 0;
}
