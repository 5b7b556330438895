/*
 * attach_app.c - Attaches and AppAttaches of ours with ICE, and what AppAttaches have beyond that (attach.c): where there is a way to the device, and what is tried when there is none.
 *
 * A connection that stands is used, if it still leads there: one over a path, quiet for a while, is asked first (STANDING: a data frame must be acknowledged within STAND_US; a NAT may have forgotten it, or
 * a computer moved). If it does not it is closed, and all begins anew.
 *
 * Tries, each an AppAttach: with ICE (GATHERING, CALLING, EXPECTING); with ICE and a relay, if there was none the first time; without ICE. The next begins when ICE found no way, when they refuse what has
 * candidates for ICE, or when nobody is here a while after their answer (PATH_US, NODE_APP_AGAIN_US). What was begun goes on, and the first connection counts.
 */
#include "node/internal.h"

#define STAND_US       RF_US_PER_S
#define STAND_STEP_US  (RF_US_PER_S / 20)
#define STAND_QUIET_US RF_US_PER_S
#define PATH_US        (RF_US_PER_S * 5 / 2)
#define DIAL_US        (6 * RF_US_PER_S) /* of an Attach without ICE: a supernode may be busy */

static void tell(const struct attach *a, const char *what)
{
    char id[RF_ID_TEXT_LEN];
    rf_log_write(a->node->env.log, RF_LOG_DEBUG, "node", "%sAttach to %s: %s",
                 a->application != 0 ? "App" : "", rf_id_text(&a->target, id), what);
}

/* ---- a connection that stands ---- */

static int stand(struct attach *a, rf_link_id link)
{
    a->state = ATTACH_STANDING;
    a->standing = link;
    a->called_us = a->node->now.mono_us;
    rf_links_prod(a->node->links, link);
    return rf_env_timer_in(&a->node->env, &a->timer, STAND_STEP_US);
}

static void stand_due(struct attach *a)
{
    struct rf_node *node = a->node;
    struct rf_link_info info;
    rf_link_id link = a->standing;
    struct rf_id peer = a->target;
    bool up = rf_links_info(node->links, link, &info) == 0 && info.state == RF_LINK_UP;
    if (up && info.backlog_len == 0) {
        attach_app_ready(a, link, &peer);
        return;
    }
    if (up && node->now.mono_us - a->called_us < STAND_US &&
        rf_env_timer_in(&node->env, &a->timer, STAND_STEP_US) == 0)
        return;
    a->standing = 0;
    tell(a, "the connection that stands leads nowhere");
    if (up)
        rf_links_close(node->links, link, RF_ETIMEOUT);
    int error = node_cap_room(node, FLOW_APP) ? attach_app_begin(a) : node_cap_wait(a);
    if (error != 0)
        attach_end(a, error, NULL, 0);
}

bool node_attach_must_ask(const struct rf_node *node, const struct rf_link_info *link)
{
    return link->path && (link->suspect || node->now.mono_us - link->heard_us > STAND_QUIET_US);
}

/* ---- tries ---- */

/* They answered, but did not come: their dialling failed, and nobody tells us. If we are a client it may be that nobody can dial us. */
static bool again(struct attach *a)
{
    if (a->application == 0 || a->peer.len == 0 || a->again || a->dialled)
        return false;
    a->again = true;
    tell(a, "they do not come, once more without ICE");
    a->outward = a->outward || (a->node->role == RF_NODE_CLIENT && !node_path_usable(a->node));
    a->promised = false;
    a->state = ATTACH_CALLING;
    return attach_call(a) == 0;
}

int node_attach_gathered(struct attach *a)
{
    a->state = ATTACH_CALLING;
    return attach_call(a);
}

/* The first path had no relay, and it is not there: one with a relay is looked for. */
static bool over_relay(struct attach *a)
{
    struct rf_node *node = a->node;
    if (a->again || a->relayed || !node_path_usable(node) || node_path_relay_known(node) ||
        !node_path_relay_hoped(node) || node_path_thrifty(node))
        return false;
    a->relayed = true;
    tell(a, "once more, with a relay");
    node_path_stuck(node);
    node_path_drop(a);
    attach_cancel(a);
    rf_timer_stop(&node->timers, &a->timer);
    if (node_path_ask(a) != 0)
        return false;
    a->promised = false;
    a->state = ATTACH_GATHERING;
    return true;
}

/* An AppAttach once more, without ICE: they may have none, or datagrams do not pass at all. With an Attach that was tried before. */
void node_attach_pathless(struct attach *a, int error)
{
    a->node->counters.attaches_pathless++;
    if (a->again || over_relay(a))
        return; /* that is under way already */
    if (a->application == 0) {
        attach_end(a, error, NULL, 0);
        return;
    }
    attach_cancel(a);
    rf_timer_stop(&a->node->timers, &a->timer);
    a->again = true;
    tell(a, "no path, once more without ICE");
    a->promised = false;
    a->state = ATTACH_CALLING;
    if (a->node->leaving || attach_call(a) != 0)
        attach_end(a, error, NULL, 0);
}

bool attach_app_due(struct attach *a)
{
    if (a->state == ATTACH_STANDING) {
        stand_due(a);
        return true;
    }
    return (a->path != NULL && over_relay(a)) || again(a);
}

uint64_t attach_patience_us(const struct attach *a)
{
    if (a->application == 0 && a->path == NULL)
        return node_path_usable(a->node) && !a->iced ? DIAL_US : NODE_APP_TIMEOUT_US;
    return a->again ? NODE_APP_TIMEOUT_US : a->path != NULL && !a->relayed ? PATH_US : NODE_APP_AGAIN_US;
}

int attach_app_begin(struct attach *a)
{
    bool path = node_path_usable(a->node) && node_path_ask(a) == 0;
    tell(a, path ? "with ICE" : "without ICE");
    a->called_us = a->node->now.mono_us;
    a->state = path ? ATTACH_GATHERING : ATTACH_CALLING;
    return path ? 0 : attach_call(a);
}

int node_attach_app(struct rf_node *node, const struct rf_app_target *target, rf_link_id standing,
                    void (*done)(void *arg, int error, rf_link_id conn), void *arg)
{
    struct rf_view user = target->user;
    bool twin = standing == 0 && attach_twin(node, &target->node_id, false, target->application) != NULL;
    struct attach *a = attach_new(node, &target->node_id, false, target->application);
    if (a == NULL)
        return RF_ELIMIT;
    a->outward = node->role == RF_NODE_CLIENT && node_outward(node);
    a->user = rf_view_of(user.len > 0 ? rf_memdup(node->env.mem, user.p, user.len) : NULL, user.len);
    a->route = rf_view_of(target->route.len > 0 ? rf_memdup(node->env.mem, target->route.p, target->route.len)
                                                : NULL,
                          target->route.len);
    int error =
        (user.len > 0 && a->user.p == NULL) || (a->route.len > 0 && a->route.p == NULL) ? RF_ENOMEM : 0;
    if (error == 0 && standing != 0) {
        error = stand(a, standing);
    } else if (error == 0 && twin) {
        a->state = ATTACH_EXPECTING; /* the connection that the other one makes is good for both */
        error = rf_env_timer_in(&node->env, &a->timer, NODE_APP_TIMEOUT_US + 5 * RF_US_PER_S);
    } else if (error == 0) {
        a->state = ATTACH_WAITING;
        error = node_cap_room(node, FLOW_APP) ? attach_app_begin(a) : node_cap_wait(a);
    }
    if (error != 0) {
        attach_free(a);
        return error;
    }
    a->done = done;
    a->arg = arg;
    return 0;
}
