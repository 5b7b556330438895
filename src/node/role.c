/*
 * role.c - role `auto`: a client that others can reach becomes a supernode while they are short of room, and a client again when they are
 * not (docs/protocol/roles.md). What supernodes answer is in role_serve.c, the arithmetic in decide.c.
 *
 * Steps of a client. WAITING: not joined, or not up for long enough. PROBING: it is not known that supernodes can connect with us. READY: it is; we ask
 * whether we are needed. CHOSEN: we are; a random wait, then home is asked once more. JOINING: we look for our place in the ring; meanwhile our
 * old home still has us.
 * Steps of a supernode. SERVING: it looks how much is going on around it. MOVING: nobody is admitted any more, clients are asked to move. RETIRING: it
 * leaves the ring and hands over what it stores. Then it is a client: WAITING.
 * One timer: every interval, a quarter more or less (CHOSEN: the wait; JOINING, MOVING, RETIRING: STEP_US).
 *
 * Reachable: as many supernodes as ROLE_WITNESSES (or as there are, if fewer) have connected with us, not we with them, and not long ago. They do so for
 * Attaches; those that did not are asked to dial us (RF_ROLE_DIAL), if there are too few a remembered one is linked with for that.
 * Needed: home says that it is short of room, and others, found at random keys, say that they are not idle. So no single supernode can make us one.
 */
#include "node/internal.h"

#define UPTIME_US   (20 * 60 * RF_US_PER_S)
#define INTERVAL_US (120 * RF_US_PER_S)
#define IDLE_US     (30 * 60 * RF_US_PER_S)
#define MIN_RING    8

#define SEEN_US     (6 * 3600 * RF_US_PER_S) /* a connection shows so long that we can be reached */
#define STEP_US     (RF_US_PER_S / 2)
#define JOIN_US     (90 * RF_US_PER_S) /* a place in the ring is looked for so long */
#define MOVE_US     (60 * RF_US_PER_S) /* clients have so long to move */
#define RETIRE_US   (75 * RF_US_PER_S) /* more than the topology waits for */
#define REDRAWS     3                  /* random keys that lead to home itself */
#define TURN_SHARE  4                  /* one of so many intervals in which it could begins a retirement */
#define SAMPLES_MIN 3

static void go(struct rf_node *node, enum role_step step, uint64_t delay_us)
{
    node->auto_role->step = step;
    (void)rf_env_timer_in(&node->env, &node->auto_role->timer,
                          delay_us); /* without memory nothing else works */
}

static uint64_t about(struct rf_node *node, uint64_t us)
{
    return rf_rng_between(node->env.jitter, us - us / 4, us + us / 4);
}

/* ---- reachable? ---- */

void node_role_seen(struct rf_node *node, const struct rf_id *id)
{
    struct auto_role *r = node->auto_role;
    size_t at = 0;
    if (r == NULL)
        return;
    while (at < r->seen_count && !rf_id_equal(&r->seen[at].node, id))
        at++;
    if (at == ROLE_SEEN) { /* the one that is longest ago */
        at = 0;
        for (size_t i = 1; i < ROLE_SEEN; i++)
            at = r->seen[i].at_us < r->seen[at].at_us ? i : at;
    } else if (at == r->seen_count)
        r->seen_count++;
    r->seen[at].node = *id;
    r->seen[at].at_us = node->now.mono_us;
}

static bool is_seen(const struct rf_node *node, const struct rf_id *id)
{
    for (size_t i = 0; i < node->auto_role->seen_count; i++)
        if (rf_id_equal(&node->auto_role->seen[i].node, id) &&
            node->now.mono_us - node->auto_role->seen[i].at_us < SEEN_US)
            return true;
    return false;
}

/* Links that supernodes made. */
static void look_at_link(void *arg, const struct rf_link_info *info)
{
    struct rf_node *node = arg;
    if (info->state == RF_LINK_UP && info->purpose == RF_LINK_OVERLAY && node_was_dialled(info) &&
        rf_overlay_is_peer(node->overlay, &info->node_id))
        node_role_seen(node, &info->node_id);
}

static size_t witnesses(const struct rf_node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < node->auto_role->seen_count; i++)
        count += is_seen(node, &node->auto_role->seen[i].node);
    return count;
}

static size_t witnesses_wanted(const struct rf_node *node)
{
    return node->auto_role->ring_size == 1 ? 1 : ROLE_WITNESSES;
}

const struct rf_addr *node_role_address(const struct rf_node *node)
{
    int wanted = 0;
    for (size_t i = 0; i < node->conf->bootstrap_count; i++)
        if (role_scope(&node->conf->bootstraps[i]) > wanted)
            wanted = role_scope(&node->conf->bootstraps[i]);
    for (size_t i = 0; i < node->peer_count; i++)
        if (role_scope(&node->peers[i]) > wanted)
            wanted = role_scope(&node->peers[i]);
    for (size_t i = 0; i < node->listen_count; i++)
        if (role_scope(&node->listen[i]) >= wanted)
            return &node->listen[i];
    return NULL;
}

/* ---- asking ---- */

static bool home_of(const struct rf_node *node, char relation, struct rf_topology_status_entry *out)
{
    struct rf_topology_status_entry entries[8];
    size_t count = rf_node_ring(node, entries, RF_COUNT(entries));
    for (size_t i = 0; i < count; i++)
        if (entries[i].relation == relation && entries[i].link != 0) {
            *out = entries[i];
            return true;
        }
    return false;
}

/* Sends the question; link 0: it is routed. False: it could not be sent. */
static bool ask(struct rf_node *node, const struct rf_id *target, bool resource, uint64_t link, uint8_t wants,
                rf_reply_fn done)
{
    struct rf_role_ask body = {.wants = wants};
    uint8_t bytes[64];
    struct rf_buf buf;
    if ((wants & RF_ROLE_DIAL) != 0)
        body.address = *node_role_address(node);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_role_ask_encode(&body, &buf);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ,
                           .body = rf_buf_view(&buf),
                           .link = link,
                           .max_transmissions = 3,
                           .done = done,
                           .arg = node};
    if (resource)
        rf_call_to_resource(&call, target);
    else
        rf_call_to_node(&call, target);
    if ((wants & RF_ROLE_DIAL) != 0 &&
        rf_links_expect(node->links, target, RF_LINK_APP, ROLE_APPLICATION) != 0)
        return false;
    return rf_overlay_call(node->overlay, &call, NULL) == 0;
}

/* 0, or why the answer is of no use. */
static int read_said(const struct rf_reply *reply, struct rf_role_said *out)
{
    int error = reply->error != 0 ? reply->error : rf_role_said_decode(reply->body, out);
    return error == 0 && (out->ring_size == 0 || reply->signer == NULL) ? RF_EINVAL : error;
}

static void take_sample(struct auto_role *r, uint8_t load)
{
    r->samples[r->sample_count++ % ROLE_SAMPLES] = load;
}

static double mean_sample(const struct auto_role *r)
{
    size_t count = r->sample_count < ROLE_SAMPLES ? r->sample_count : ROLE_SAMPLES;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += r->samples[i];
    return count > 0 ? sum / (double)count : 0;
}

/* ---- a client ---- */

static void promote(struct rf_node *node);
static void ask_somebody(struct rf_node *node);

static bool is_ready(const struct rf_node *node)
{
    return node->auto_role->step == ROLE_READY && node_state(node) == RF_TOPOLOGY_JOINED && !node->leaving;
}

/* Home is short of room, and somebody else is not idle. */
static void decide(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    bool enough = r->ring_size == 1 || role_is_needed(r->home_load, mean_sample(r));
    double chance = role_chance(r->home_load, r->candidates);
    r->needed = enough && chance > 0;
    if (!r->needed || (double)rf_rng_below(node->env.jitter, 1000000) >= chance * 1e6)
        return;
    go(node, ROLE_CHOSEN, rf_rng_below(node->env.jitter, r->interval_us / 2 + 1));
}

static void somebody_said(void *arg, const struct rf_reply *reply)
{
    struct rf_node *node = arg;
    struct auto_role *r = node->auto_role;
    struct rf_role_said said;
    if (reply->error == RF_ECANCELLED || !is_ready(node) || read_said(reply, &said) != 0)
        return;
    if (rf_id_equal(&reply->signer->node_id, &r->home)) {
        if (r->redraws++ < REDRAWS)
            ask_somebody(node);
        return;
    }
    take_sample(r, said.load);
    decide(node);
}

static void ask_somebody(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    struct rf_id key = {.len = node->identity.node_id.len};
    if (r->redraws < REDRAWS)
        rf_rng_fill(node->env.jitter, key.b, key.len);
    else /* home has most of a small ring: who comes behind it */
        key = rf_id_add_small(&r->home, 1);
    (void)ask(node, &key, true, 0, 0, somebody_said);
}

static void home_said(void *arg, const struct rf_reply *reply)
{
    struct rf_node *node = arg;
    struct auto_role *r = node->auto_role;
    struct rf_role_said said;
    if (reply->error == RF_ECANCELLED || read_said(reply, &said) != 0)
        return;
    r->home = reply->signer->node_id;
    r->home_load = said.load;
    r->candidates = said.candidates;
    r->ring_size = said.ring_size;
    r->needed = false;
    if (role_chance(said.load, 1) <= 0)
        r->sample_count = 0; /* what others say counts only while home is short of room */
    if (r->step == ROLE_CHOSEN && role_chance(said.load, 1) > 0)
        promote(node);
    else if (r->step == ROLE_CHOSEN)
        go(node, ROLE_READY, about(node, r->interval_us)); /* others were faster */
    else if (is_ready(node) && role_chance(said.load, 1) > 0) {
        r->redraws = 0;
        if (said.ring_size == 1)
            decide(node);
        else
            ask_somebody(node);
    }
}

static void dialled(void *arg, const struct rf_reply *reply)
{
    (void)arg, (void)reply; /* the connection comes, or it does not */
}

/* Asks who is linked with us and has not connected with us to do so. False: all have. */
static bool ask_to_dial(struct rf_node *node, char relation)
{
    struct rf_topology_status_entry entry;
    if (!home_of(node, relation, &entry) || is_seen(node, &entry.node))
        return false;
    return ask(node, &entry.node, false, entry.link, RF_ROLE_DIAL, dialled);
}

/* The link with a witness is of no use any more, nor is an Attach for one. Unless others need it: it may have become home's, the reserve's, or, as long as we have no home, the one that we come back in over. */
static void let_go(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    struct rf_topology_status_entry entry;
    bool needed = node_state(node) != RF_TOPOLOGY_JOINED ||
                  (home_of(node, 'a', &entry) && entry.link == r->way) ||
                  (home_of(node, 'b', &entry) && entry.link == r->way);
    rf_link_id way = r->way;
    r->way = 0;
    r->called = false;
    if (way != 0 && !needed)
        rf_links_close(node->links, way, RF_ECLOSED);
}

/* A link with some supernode that we know of, one after the other, so that it can be asked: see node_role_link_up. Nobody need have told us where others than home are: once in a round who comes behind home in the
 * ring is asked for one, by an Attach, for which it dials us. */
static void seek_witness(struct rf_node *node, const struct rf_id *home)
{
    struct auto_role *r = node->auto_role;
    let_go(node);
    size_t count = node->peer_count + node->conf->bootstrap_count;
    if (node_cap_take(node, FLOW_OTHER) != 0)
        return;
    size_t at = r->sought++ % (count + 1);
    if (at == count) {
        struct rf_id behind = rf_id_add_small(home, 1);
        r->called = true;
        node_attach_wish(node, &behind, true, NULL, 0, true);
        return;
    }
    const struct rf_addr *addr =
        at < node->peer_count ? &node->peers[at] : &node->conf->bootstraps[at - node->peer_count];
    if (rf_links_connect(node->links, addr, 1, NULL, RF_LINK_OVERLAY, 0, &r->way) != 0)
        r->way = 0;
}

static void probe(struct rf_node *node, const struct rf_id *home)
{
    bool asked = ask_to_dial(node, 'a');
    if (!ask_to_dial(node, 'b') && !asked)
        seek_witness(node, home);
}

static void look_as_client(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    struct rf_topology_status_entry home;
    bool up = node->now.mono_us - node->started_us >= r->uptime_us && node->now.mono_us >= r->not_before_us;
    enum role_step step = ROLE_WAITING;
    r->needed = false;
    rf_links_each(node->links, look_at_link, node);
    if (node_state(node) == RF_TOPOLOGY_JOINED && home_of(node, 'a', &home) && up &&
        node_role_address(node) != NULL)
        step = witnesses(node) >= witnesses_wanted(node) ? ROLE_READY : ROLE_PROBING;
    if (step != ROLE_PROBING)
        let_go(node);
    uint64_t wait_us = about(node, r->interval_us);
    go(node, step, step == ROLE_PROBING && wait_us > ROLE_PROBE_US ? ROLE_PROBE_US : wait_us);
    if (step == ROLE_PROBING)
        probe(node, &home.node);
    if (step != ROLE_WAITING)
        (void)ask(node, &home.node, false, home.link, step == ROLE_READY ? RF_ROLE_CANDIDATE : 0, home_said);
}

/* ---- from client to supernode and back ---- */

static void tell_role(struct rf_node *node, enum rf_node_role role, const char *text)
{
    rf_log_write(node->env.log, RF_LOG_INFO, "node", "%s", text);
    struct node_out *told =
        node_event(node, RF_NODE_EVENT_ROLE, &node->identity.node_id, NULL, 0, "%s", text);
    if (told != NULL)
        told->out.event.number = role;
}

static void be_client(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    node->role = RF_NODE_CLIENT;
    node_returns_stop(node);
    node_admit_stop(node);
    (void)rf_store_set_peer(node->store, false); /* which does not fail */
    r->low_since_us = 0;
    r->sample_count = 0;
    r->not_before_us = node->now.mono_us + r->idle_us;
    go(node, ROLE_WAITING, about(node, r->interval_us));
    r->returning = true;
    (void)rf_overlay_become(node->overlay, RF_ROLE_CLIENT); /* which does not fail */
    r->returning = false;
}

static void promote(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    if (rf_store_set_peer(node->store, true) != 0) {
        go(node, ROLE_READY, about(node, r->interval_us));
        return;
    }
    node->counters.promotions++;
    node->role = RF_NODE_SUPERNODE;
    (void)node_admit_start(node);
    node_admit_links(node);
    node_upkeep_homed(node, &(struct rf_id){0}); /* no link stands by any more */
    r->sample_count = 0;
    r->low_since_us = 0;
    r->deadline_us = node->now.mono_us + JOIN_US;
    go(node, ROLE_JOINING, STEP_US);
    if (rf_overlay_become(node->overlay, RF_ROLE_PEER) != 0) {
        be_client(node);
        return;
    }
    tell_role(node, RF_NODE_SUPERNODE, "a supernode from now on: the overlay needs more of them");
}

static void look_for_place(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    if (node_state(node) == RF_TOPOLOGY_JOINED)
        go(node, ROLE_SERVING, about(node, r->interval_us));
    else if (node->now.mono_us < r->deadline_us)
        go(node, ROLE_JOINING, STEP_US);
    else {
        be_client(node);
        tell_role(node, RF_NODE_CLIENT, "a client again: there was no way into the ring");
    }
}

/* ---- a supernode that may go ---- */

static void neighbor_said(void *arg, const struct rf_reply *reply)
{
    struct rf_node *node = arg;
    struct rf_role_said said;
    if (reply->error != RF_ECANCELLED && node->auto_role->step == ROLE_SERVING &&
        read_said(reply, &said) == 0)
        take_sample(node->auto_role, said.load);
}

/* Those on both sides of us must let us go, one after the other; so of neighbors only one goes at a time. */
static void side_said(void *arg, const struct rf_reply *reply)
{
    struct rf_node *node = arg;
    struct auto_role *r = node->auto_role;
    struct rf_role_said said;
    struct rf_topology_status_entry entry;
    if (reply->error == RF_ECANCELLED || r->step != ROLE_SERVING || read_said(reply, &said) != 0 ||
        !said.granted || !role_absorbs(said.load) || node->leaving)
        return;
    if (!r->half_granted && node_role_side(node, 's', &entry) &&
        !rf_id_equal(&entry.node, &reply->signer->node_id)) {
        r->half_granted = true;
        (void)ask(node, &entry.node, false, entry.link, RF_ROLE_RETIRE, side_said);
        return;
    }
    r->half_granted = false;
    r->deadline_us = node->now.mono_us + MOVE_US;
    node->admission.closed = true;
    go(node, ROLE_MOVING, 0);
    rf_log_write(node->env.log, RF_LOG_INFO, "node", "not needed as a supernode: clients are asked to move");
}

static void look_as_supernode(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    struct rf_topology_status_entry entry;
    size_t samples = r->sample_count;
    uint8_t own = node_role_load(node);
    double ring = node_role_ring_size(node);
    go(node, ROLE_SERVING, about(node, r->interval_us));
    if (node_state(node) != RF_TOPOLOGY_JOINED)
        return;
    if (samples < SAMPLES_MIN || !role_is_idle(own, mean_sample(r)) || ring <= r->min_ring)
        r->low_since_us = 0;
    else if (r->low_since_us == 0)
        r->low_since_us = node->now.mono_us;
    else if (node->now.mono_us - r->low_since_us >= r->idle_us &&
             rf_rng_below(node->env.jitter, TURN_SHARE) == 0 && node_role_side(node, 'p', &entry)) {
        r->half_granted = false;
        (void)ask(node, &entry.node, false, entry.link, RF_ROLE_RETIRE, side_said);
        return;
    }
    if (node_role_neighbor(node, &entry))
        (void)ask(node, &entry.node, false, entry.link, 0, neighbor_said);
}

static void look_at_moving(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    bool gone = node_admit_ask_away(node, r->deadline_us);
    rf_log_write(node->env.log, RF_LOG_DEBUG, "node", "clients left: %zu at home, %zu in reserve",
                 node->admission.counts[VISITOR_HOME], node->admission.counts[VISITOR_RESERVE]);
    if (!gone && node->now.mono_us < r->deadline_us) {
        go(node, ROLE_MOVING, STEP_US);
        return;
    }
    node->counters.demotions++;
    r->deadline_us = node->now.mono_us + RETIRE_US;
    go(node, ROLE_RETIRING, STEP_US);
    tell_role(node, RF_NODE_CLIENT, "a client from now on: there are enough supernodes");
    rf_overlay_retire(node->overlay);
}

/* What could not be handed over must not be lost: then it takes its place again. */
static void look_at_retiring(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    if (node_state(node) == RF_TOPOLOGY_LEAVING && node->now.mono_us < r->deadline_us) {
        go(node, ROLE_RETIRING, STEP_US);
    } else if (rf_store_handover_pending(node->store) > 0) {
        node->counters.demotions_failed++;
        node->admission.closed = false;
        r->low_since_us = 0;
        go(node, ROLE_SERVING, about(node, r->interval_us));
        rf_overlay_start(node->overlay, false);
        tell_role(node, RF_NODE_SUPERNODE, "a supernode still: nobody took what is stored here");
    } else {
        be_client(node);
    }
}

static void fired(struct rf_timer *timer, void *arg)
{
    struct rf_node *node = arg;
    struct rf_topology_status_entry home;
    (void)timer;
    if (node->leaving)
        return;
    switch (node->auto_role->step) {
    case ROLE_FIXED:
        break;
    case ROLE_WAITING:
    case ROLE_PROBING:
    case ROLE_READY:
        look_as_client(node);
        break;
    case ROLE_CHOSEN: /* an answer goes on from here; without one it begins anew */
        if (node_state(node) == RF_TOPOLOGY_JOINED && !node->auto_role->asked_again &&
            home_of(node, 'a', &home) &&
            ask(node, &home.node, false, home.link, RF_ROLE_CANDIDATE, home_said)) {
            node->auto_role->asked_again = true;
            go(node, ROLE_CHOSEN, ROLE_PROBE_US);
        } else {
            go(node, ROLE_WAITING, about(node, node->auto_role->interval_us));
        }
        return;
    case ROLE_JOINING:
        look_for_place(node);
        break;
    case ROLE_SERVING:
        look_as_supernode(node);
        break;
    case ROLE_MOVING:
        look_at_moving(node);
        break;
    case ROLE_RETIRING:
        look_at_retiring(node);
        break;
    }
    node->auto_role->asked_again = false;
}

/* ---- links ---- */

bool node_role_link_up(struct rf_node *node, const struct rf_link_info *link)
{
    struct auto_role *r = node->auto_role;
    if (node_was_dialled(link))
        node_checkup_dialled(node, &link->node_id);
    if (link->purpose == RF_LINK_APP && link->application == ROLE_APPLICATION) {
        /* whoever dialled is done with its handshake before we are: it leaves the end to us */
        if (node_was_dialled(link)) {
            node_role_seen(node, &link->node_id);
            rf_links_close(node->links, link->id, RF_ECLOSED);
        }
        return true;
    }
    return r != NULL && r->way != 0 && link->id == r->way &&
           rf_overlay_link_of(node->overlay, &link->node_id) != 0 &&
           (rf_links_close(node->links, link->id, RF_EDUPLICATE), true);
}

/* Is it the one that we asked for by an Attach, for which its other end dials us, and which nothing else needs? If a supernode has dialled it, it counts when we look next (look_at_link). */
static bool was_called(const struct rf_node *node, const struct rf_link_info *link)
{
    struct rf_topology_status_entry reserve;
    const struct auto_role *r = node->auto_role;
    return r->called && r->way == 0 && r->step == ROLE_PROBING && node_state(node) == RF_TOPOLOGY_JOINED &&
           link->purpose == RF_LINK_OVERLAY && node_was_dialled(link) &&
           !rf_id_equal(&link->node_id, &node->home) &&
           !(home_of(node, 'b', &reserve) && rf_id_equal(&link->node_id, &reserve.node));
}

void node_role_link_ready(struct rf_node *node, const struct rf_link_info *link)
{
    struct auto_role *r = node->auto_role;
    if (r == NULL)
        return;
    if (was_called(node, link)) {
        r->called = false;
        r->way = link->id;
        return;
    }
    if (r->way == 0 || link->id != r->way || node_role_address(node) == NULL)
        return;
    (void)ask(node, &link->node_id, false, link->id, RF_ROLE_DIAL, dialled);
}

void node_role_link_down(struct rf_node *node, const struct rf_link_info *link)
{
    struct auto_role *r = node->auto_role;
    if (r == NULL)
        return;
    if (link->id == r->way)
        r->way = 0;
    if (link->purpose == RF_LINK_APP && link->application == ROLE_APPLICATION && link->outgoing &&
        r->dials > 0)
        r->dials--;
}

/* ---- life ---- */

int node_role_init(struct rf_node *node, const struct rf_node_config *config)
{
    if (config->role == RF_NODE_CLIENT)
        return 0; /* it stays one, and answers nothing */
    struct auto_role *r = node->auto_role = rf_zalloc(config->mem, sizeof(*r));
    if (r == NULL)
        return RF_ENOMEM;
    r->step = config->role == RF_NODE_AUTO ? ROLE_WAITING : ROLE_FIXED;
    r->uptime_us = config->auto_uptime_s != 0 ? config->auto_uptime_s * RF_US_PER_S : UPTIME_US;
    r->interval_us = config->auto_interval_s != 0 ? config->auto_interval_s * RF_US_PER_S : INTERVAL_US;
    r->idle_us = config->auto_idle_s != 0 ? config->auto_idle_s * RF_US_PER_S : IDLE_US;
    r->min_ring = config->auto_min_ring != 0 ? config->auto_min_ring : MIN_RING;
    rf_timer_init(&r->timer, fired, node);
    return 0;
}

void node_role_start(struct rf_node *node)
{
    struct auto_role *r = node->auto_role;
    if (r != NULL && r->step != ROLE_FIXED)
        (void)rf_env_timer_in(&node->env, &r->timer, about(node, r->interval_us));
}

void node_role_deinit(struct rf_node *node)
{
    if (node->auto_role != NULL)
        rf_timer_stop(&node->timers, &node->auto_role->timer);
    rf_free(node->env.mem, node->auto_role);
    node->auto_role = NULL;
}

bool node_role_changes(const struct rf_node *node)
{
    const struct auto_role *r = node->auto_role;
    return r != NULL && (r->step == ROLE_JOINING || r->step == ROLE_RETIRING || r->returning);
}
