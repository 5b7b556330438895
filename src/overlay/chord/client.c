/*
 * client.c - a client and its supernodes (reload.md 1.9, 6.4; docs/protocol/admission.md).
 *
 * Home is the peer in charge of our Node-ID: then whoever knows our Node-ID reaches us. If that one has no room, or cannot be found, another
 * is home and we are its guest: only who goes through it reaches us, so the host is told (homed), which publishes that way. A
 * second one, the reserve, is kept linked; it is home's successor where possible, since that is the one that takes over home's range.
 * Both are asked to admit us, by an Attach, also when a link is there: a link that nobody asked for is closed after a while.
 *
 * Steps. WAIT (back-off) -> BOOTSTRAP: a link to some bootstrap or remembered node -> LOCATE: a RouteQuery tells
 * whether it is in the ring and in charge of us; it is asked to admit us, or else whoever is in charge of the Resource-ID after ours -> JOINED.
 * Refused (chord_client_refused): REDIRECTED, a random wait that doubles with each refusal -> LOCATE with one of the alternatives that were
 * named, at random, as its guest. Nobody refuses, and nobody answers: the bootstrap node is asked to take us as a guest.
 * Events while JOINED. An Update of home whose range leaves us out, or a check that names another peer: a Ping to the Resource-ID after ours
 * finds the new home, the old one becomes the reserve; if the new one refuses, we stay as a guest. A guest looks for its own place after GUEST_US,
 * or TROUBLE_US if nobody refused. Home lost: the reserve is home at once, and, unless we are guests, the right one is looked for a random moment
 * later. Reserve lost: the next one of home's list, after a random moment. Both lost: JOINING, WAIT with full jitter.
 */
#include "overlay/chord/chord.h"

#define BOOTSTRAP_US (30 * CHORD_S)
#define LOCATE_US    (10 * CHORD_S)
#define SLOW_US      (2 * CHORD_S)
#define SPREAD_US    (2 * CHORD_S) /* a lost supernode's clients do not all move in the same moment */

#define GUEST_LOW_US   (600 * CHORD_S) /* a guest asks for its own place at a random time from .. to */
#define GUEST_HIGH_US  (1200 * CHORD_S)
#define TROUBLE_US     (10 * CHORD_S) /* about: one that found nobody there */
#define REDIRECT_US    (CHORD_S / 4)  /* before an alternative is asked: random in 0 .. that * 2^n, */
#define REDIRECT_MAX   7              /* ... n at most; so the attempts of a minute are few */
#define RESERVE_US     (1 * CHORD_S)  /* the same before a reserve is asked again, */
#define RESERVE_MAX    9              /* ... n at most */
#define RETRY_AFTER_US (60 * CHORD_S) /* what a refusal may ask for at most */

static struct chord_conn *linked(const struct rf_topology *t, const struct rf_id *node)
{
    return node->len ? chord_conn_find(t, node) : NULL;
}

static void go(struct rf_topology *t, enum chord_step step, uint64_t timeout_us)
{
    t->join.step = step;
    chord_alarm_in(t, ALARM_JOIN, timeout_us);
}

static void retry(struct rf_topology *t)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    chord_attach_forget(t, &after);
    t->counters.join_retries++;
    go(t, STEP_WAIT, chord_backoff(t, t->join.attempts++));
}

void chord_client_start(struct rf_topology *t)
{
    t->join = (struct chord_join){0};
    go(t, STEP_WAIT, 0);
}

/* ---- home ---- */

static void aim(struct rf_topology *t, const struct rf_id *node, bool guest)
{
    t->client.target = *node;
    t->client.target_guest = guest;
}

static void tell_home(struct rf_topology *t, bool guest)
{
    bool new_guest = guest && !t->client.guest;
    t->client.guest = guest;
    t->counters.guests += new_guest;
    if (t->host.homed)
        t->host.homed(t->host.ctx, &t->client.home, guest);
}

static void joined(struct rf_topology *t)
{
    t->was_joined = true;
    t->counters.joins++;
    t->join.step = STEP_NONE;
    t->join.attempts = 0;
    chord_alarm_stop(t, ALARM_JOIN);
    chord_alarm_in(t, ALARM_CHECK, chord_about(t, CHORD_CLIENT_CHECK_US));
    chord_alarm_soon(t, ALARM_SWEEP, CHORD_SWEEP_US);
    chord_set_state(t, RF_TOPOLOGY_JOINED);
}

static void set_home(struct rf_topology *t, struct chord_conn *conn, bool guest)
{
    struct rf_id old = t->client.home;
    t->client.target = (struct rf_id){0};
    t->client.refusals = 0;
    t->join.step = STEP_NONE;
    if (t->state == RF_TOPOLOGY_JOINED && rf_id_equal(&old, &conn->node)) {
        if (t->client.guest != guest)
            tell_home(t, guest);
        return;
    }
    t->client.home = conn->node;
    t->client.list_count = 0;
    t->client.informed = false;
    t->counters.homes_changed++;
    if (rf_id_equal(&t->client.reserve, &conn->node) || !linked(t, &t->client.reserve))
        t->client.reserve = linked(t, &old) && !rf_id_equal(&old, &conn->node) ? old : (struct rf_id){0};
    conn->needed_us = chord_now(t);
    if (conn->peer)
        chord_pull(t, conn); /* its Update may be old */
    chord_alarm_soon(t, ALARM_PURSUE, CHORD_PURSUE_US);
    tell_home(t, guest);
    if (t->state != RF_TOPOLOGY_JOINED)
        joined(t);
}

/* This node is to be home: as soon as it has admitted us. */
static void become(struct rf_topology *t, const struct rf_id *node, uint64_t link, bool guest)
{
    struct chord_conn *conn = chord_conn_find(t, node);
    if (conn && conn->admitted == ADMITTED_HOME) {
        set_home(t, conn, guest);
        return;
    }
    aim(t, node, guest);
    struct rf_id *via = linked(t, &t->client.home) ? &t->client.home : &t->join.boot;
    if (conn) {
        via = NULL;
        link = conn->link;
    }
    chord_attach(t, node, false, via && via->len ? via : NULL, link, guest ? FOR_GUEST : FOR_PLACE, false);
}

static void located(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    if (t->client.locate != call)
        return;
    t->client.locate = NULL;
    if (reply->error == RF_ECANCELLED)
        return;
    if (reply->error == 0 && reply->signer && !rf_id_equal(&reply->signer->node_id, &t->params.self))
        become(t, &reply->signer->node_id, call->link, false);
    else if (t->state == RF_TOPOLOGY_JOINING)
        retry(t);
    else
        chord_alarm_soon(t, ALARM_JOIN, chord_about(t, 10 * CHORD_S));
}

static void ping_place(struct rf_topology *t, uint64_t link)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    if (!t->client.locate)
        t->client.locate = chord_call_ping(t, &after, NULL, link, located);
    if (!t->client.locate)
        chord_alarm_soon(t, ALARM_JOIN, CHORD_S);
}

/* The bootstrap node says where the way to our place begins, or that it is not in the ring itself. */
static void boot_answered(struct chord_call *call, const struct rf_reply *reply)
{
    struct rf_topology *t = call->t;
    struct rf_id next, after = rf_id_add_small(&t->params.self, 1);
    struct chord_conn *boot = linked(t, &t->join.boot);
    if (t->client.locate != call)
        return;
    t->client.locate = NULL;
    if (t->state != RF_TOPOLOGY_JOINING || t->join.step != STEP_LOCATE || reply->error == RF_ECANCELLED)
        return;
    bool outside = reply->error == RF_EREMOTE && reply->error_code == RF_ERROR_NOT_FOUND;
    if (!boot || outside || (reply->error && reply->error != RF_EREMOTE))
        retry(t);
    else if (reply->error == 0 && rf_route_query_ans_decode(reply->body, t->params.self.len, &next) == 0 &&
             rf_id_equal(&next, &boot->node))
        become(t, &boot->node, boot->link, false);
    else
        chord_attach(t, &after, true, NULL, boot->link, FOR_PLACE, false);
}

static void locate_first(struct rf_topology *t, const struct chord_conn *boot)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    struct rf_dest place = rf_dest_resource(&after);
    t->join.boot = boot->node;
    t->join.boot_link = boot->link;
    go(t, STEP_LOCATE, LOCATE_US);
    if (t->client.locate)
        chord_call_cancel(t->client.locate);
    t->client.locate = chord_call_route_query(t, boot, &place, false, 3, boot_answered);
    if (!t->client.locate)
        retry(t);
}

void chord_client_bootstrap(struct rf_topology *t, struct chord_conn *boot)
{
    if (t->state != RF_TOPOLOGY_JOINING || t->join.step != STEP_BOOTSTRAP)
        return;
    if (boot)
        locate_first(t, boot);
    else
        retry(t);
}

/* Nobody says no, and nobody answers: whom we are linked with may take us until the ring is found. */
static void be_guest_of(struct rf_topology *t, const struct chord_conn *boot)
{
    struct rf_id node = boot->node;
    go(t, STEP_LOCATE, LOCATE_US);
    become(t, &node, boot->link, true);
    if (t->state == RF_TOPOLOGY_JOINED) /* it had admitted us before */
        chord_alarm_in(t, ALARM_JOIN, chord_about(t, TROUBLE_US));
}

static void reserve_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                             int error)
{
    if (error && rf_id_equal(target, &t->client.reserve))
        t->client.reserve_after_us = chord_now(t) + 5 * CHORD_S; /* there is a link all the same */
    if (!error && !linked(t, &t->client.reserve))
        t->client.reserve = *node;
    if (!error)
        t->client.reserve_refusals = 0;
    chord_alarm_soon(t, ALARM_PURSUE, error ? 0 : CHORD_S);
}

/* Where nobody refused, the own place is looked for again soon. */
static void home_attached(struct rf_topology *t, const struct rf_id *node, bool guest)
{
    bool redirected = t->client.refusals > 0;
    aim(t, node, guest);
    struct chord_conn *conn = chord_conn_find(t, node);
    if (!conn)
        return; /* chord_client_link */
    set_home(t, conn, guest);
    if (guest)
        chord_alarm_in(t, ALARM_JOIN,
                       redirected ? rf_rng_between(t->env.jitter, GUEST_LOW_US, GUEST_HIGH_US)
                                  : chord_about(t, TROUBLE_US));
}

void chord_client_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                           int error, enum chord_purpose purpose)
{
    if (purpose == FOR_RESERVE) {
        reserve_attached(t, target, node, error);
        return;
    }
    if (!error && !rf_id_equal(node, &t->params.self)) {
        home_attached(t, node, purpose == FOR_GUEST);
        return;
    }
    struct chord_conn *boot = linked(t, &t->join.boot);
    bool was_place = !rf_id_equal(target, &t->client.target);
    t->client.target = (struct rf_id){0};
    if (t->state == RF_TOPOLOGY_JOINED)
        chord_alarm_soon(t, ALARM_JOIN, chord_about(t, 5 * CHORD_S));
    else if (t->join.step == STEP_LOCATE && boot && was_place)
        be_guest_of(t, boot);
    else if (t->join.step == STEP_LOCATE)
        retry(t);
}

void chord_client_link(struct rf_topology *t, struct chord_conn *conn)
{
    if (conn->admitted && rf_id_equal(&conn->node, &t->client.target))
        home_attached(t, &conn->node, t->client.target_guest);
}

/* ---- refused ---- */

/* One of those that were named, at random: none that we know to be of no use. */
static bool choose_alternative(struct rf_topology *t, const struct rf_redirect *redirect, struct rf_id *out)
{
    size_t usable = 0;
    for (size_t i = 0; i < redirect->alternative_count; i++) {
        const struct rf_id *node = &redirect->alternatives[i];
        const struct candidate *known = candidates_find(&t->candidates, node);
        if (node->len != t->params.self.len || rf_id_equal(node, &t->params.self) ||
            rf_id_equal(node, &redirect->from) || (known && !candidate_usable(known, chord_now(t))))
            continue;
        if (rf_rng_below(t->env.jitter, ++usable) == 0)
            *out = *node;
    }
    return usable > 0;
}

/* The refuser's place in the list is an alternative's; asked later, and later each time. */
static void reserve_refused(struct rf_topology *t, const struct rf_redirect *redirect)
{
    struct rf_id other;
    unsigned n = t->client.reserve_refusals;
    t->client.reserve_refusals += n < RESERVE_MAX;
    t->client.reserve_after_us = chord_now(t) + RESERVE_US + rf_rng_below(t->env.jitter, RESERVE_US << n);
    if (rf_id_equal(&t->client.reserve, &redirect->from))
        t->client.reserve = (struct rf_id){0};
    if (choose_alternative(t, redirect, &other))
        for (size_t i = 0; i < t->client.list_count; i++)
            if (rf_id_equal(&t->client.list[i], &redirect->from))
                t->client.list[i] = other;
    chord_alarm_soon(t, ALARM_PURSUE, t->client.reserve_after_us - chord_now(t));
}

/* Without an alternative the way into the overlay may take us, unless it is the one that refused. */
static void redirected(struct rf_topology *t, const struct rf_redirect *redirect, uint64_t retry_after_us)
{
    struct rf_id other;
    struct chord_conn *boot = linked(t, &t->join.boot);
    unsigned n = t->client.refusals;
    t->client.refusals += n < REDIRECT_MAX;
    t->client.target = (struct rf_id){0};
    if (choose_alternative(t, redirect, &other)) {
        aim(t, &other, true);
        go(t, STEP_REDIRECTED, rf_rng_below(t->env.jitter, REDIRECT_US << n));
    } else if (t->state != RF_TOPOLOGY_JOINING)
        chord_alarm_in(t, ALARM_JOIN, retry_after_us + rf_rng_below(t->env.jitter, TROUBLE_US));
    else if (boot && !rf_id_equal(&boot->node, &redirect->from))
        be_guest_of(t, boot);
    else
        retry(t); /* there are others than this one, and each time it takes longer */
}

void chord_client_refused(struct rf_topology *t, const struct rf_redirect *redirect,
                          enum chord_purpose purpose)
{
    uint64_t retry_after_us =
        redirect->retry_after_us < RETRY_AFTER_US ? redirect->retry_after_us : RETRY_AFTER_US;
    candidates_rest(&t->candidates, &redirect->from, chord_now(t), chord_now(t) + retry_after_us);
    if (purpose == FOR_RESERVE) {
        reserve_refused(t, redirect);
        return;
    }
    struct chord_conn *home = linked(t, &t->client.home);
    if (t->state != RF_TOPOLOGY_JOINED || !home || home->admitted != ADMITTED_HOME) {
        redirected(t, redirect, retry_after_us);
        return;
    }
    t->client.target = (struct rf_id){0}; /* where we are we may stay */
    set_home(t, home, true);
    chord_alarm_in(t, ALARM_JOIN, rf_rng_between(t->env.jitter, GUEST_LOW_US, GUEST_HIGH_US));
}

/* The wait before an alternative is over. */
static void ask_alternative(struct rf_topology *t)
{
    struct rf_id node = t->client.target;
    bool joining = t->state == RF_TOPOLOGY_JOINING;
    go(t, joining ? STEP_LOCATE : STEP_NONE, LOCATE_US);
    if (node.len && (linked(t, &t->join.boot) || linked(t, &t->client.home)))
        become(t, &node, 0, true);
    else if (joining)
        retry(t);
}

/* ---- reserve ---- */

static bool reserve_usable(const struct rf_topology *t, const struct rf_id *node)
{
    const struct candidate *known = candidates_find(&t->candidates, node);
    return !rf_id_equal(node, &t->client.home) && !rf_id_equal(node, &t->params.self) &&
           (!known || candidate_usable(known, chord_now(t)));
}

static void find_reserve(struct rf_topology *t)
{
    struct chord_conn *reserve = linked(t, &t->client.reserve);
    if ((reserve && reserve->admitted == ADMITTED_RESERVE) || chord_attaching(t, &t->client.reserve) ||
        chord_now(t) < t->client.reserve_after_us)
        return;
    if (reserve) { /* it was home, or is so by chance: it has to know */
        chord_attach(t, &reserve->node, false, NULL, reserve->link, FOR_RESERVE, true);
        return;
    }
    t->client.reserve = (struct rf_id){0};
    for (size_t i = 0; i < t->client.list_count; i++) {
        struct rf_id node = t->client.list[i];
        struct chord_conn *conn = chord_conn_find(t, &node);
        if (!reserve_usable(t, &node))
            continue;
        if (chord_attach_age(t, &node) > SLOW_US)
            continue; /* probably dead; the next one is asked as well */
        if (conn && conn->admitted == ADMITTED_RESERVE)
            t->client.reserve = node;
        else
            chord_attach(t, &node, false, conn ? NULL : &t->client.home, conn ? conn->link : 0, FOR_RESERVE,
                         true);
        return;
    }
}

/* What is unfinished: home's Update, a reserve. */
void chord_client_pursue(struct rf_topology *t)
{
    struct chord_conn *home = linked(t, &t->client.home);
    if (t->state != RF_TOPOLOGY_JOINED || !home)
        return;
    if (!t->client.informed)
        chord_pull(t, home);
    find_reserve(t);
    struct chord_conn *reserve = linked(t, &t->client.reserve);
    bool settled = reserve ? reserve->admitted == ADMITTED_RESERVE : t->client.list_count == 0;
    uint64_t wait_us = chord_about(t, SLOW_US), after_us = t->client.reserve_after_us;
    if (t->client.informed && after_us > chord_now(t) + wait_us)
        wait_us = after_us - chord_now(t);
    if (!t->client.informed || !settled)
        chord_alarm_soon(t, ALARM_PURSUE, wait_us);
}

/* ---- events ---- */

static bool has_left_range(const struct rf_topology *t, const struct rf_id *home,
                           const struct chord_news *news)
{
    return news->pred_count > 0 && !rf_id_between(&news->pred[0], &t->params.self, home);
}

/* Without memory there is no list until the next Update. */
static void take_list(struct rf_topology *t, const struct chord_news *news)
{
    size_t count = news->succ_count + news->pred_count;
    struct rf_id *list = count > 0 ? rf_resize(t->env.mem, t->client.list, count * sizeof(*list)) : NULL;
    if (list != NULL)
        t->client.list = list;
    t->client.list_count = list != NULL ? count : 0;
    for (size_t i = 0; i < t->client.list_count; i++)
        list[i] = i < news->succ_count ? news->succ[i] : news->pred[i - news->succ_count];
}

void chord_client_news(struct rf_topology *t, struct chord_conn *from, const struct chord_news *news)
{
    if (!news->lists || !rf_id_equal(&from->node, &t->client.home))
        return;
    take_list(t, news);
    bool first_news = !t->client.informed;
    t->client.informed = true;
    if (!t->client.guest && has_left_range(t, &from->node, news))
        chord_alarm_soon(t, ALARM_JOIN, rf_rng_below(t->env.jitter, CHORD_S / 2));
    if (!linked(t, &t->client.reserve))
        chord_alarm_soon(t, ALARM_PURSUE, rf_rng_below(t->env.jitter, first_news ? CHORD_S / 10 : CHORD_S));
}

/* Some other linked peer, the reserve first. */
static struct chord_conn *another(const struct rf_topology *t)
{
    struct chord_conn *reserve = linked(t, &t->client.reserve);
    if (reserve)
        return reserve;
    RF_LIST_EACH(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        if (conn->peer && !conn->suspect)
            return conn;
    }
    return NULL;
}

/* It serves us from now on and has to know: until now it was the reserve, or a link that was there by chance. */
static void ask_home(struct rf_topology *t, struct chord_conn *conn, bool guest)
{
    struct rf_id node = conn->node;
    become(t, &node, conn->link, guest);
}

static void home_lost(struct rf_topology *t)
{
    t->client.home = (struct rf_id){0};
    t->client.list_count = 0;
    struct chord_conn *next = another(t);
    if (next) {
        bool guest = t->client.guest;
        uint64_t wait_us = rf_rng_below(t->env.jitter, SPREAD_US);
        t->counters.failovers++;
        set_home(t, next, guest);
        if (!guest)
            chord_alarm_in(t, ALARM_JOIN, wait_us);
        ask_home(t, next, guest);
        return;
    }
    t->client.guest = false;
    t->client.reserve = t->client.target = (struct rf_id){0};
    t->counters.rejoins++;
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    go(t, STEP_WAIT, rf_rng_below(t->env.jitter, SPREAD_US));
}

void chord_client_lost(struct rf_topology *t, const struct rf_id *node)
{
    if (rf_id_equal(node, &t->client.target))
        t->client.target = (struct rf_id){0};
    if (rf_id_equal(node, &t->client.reserve)) {
        t->client.reserve = (struct rf_id){0};
        chord_alarm_soon(t, ALARM_PURSUE, rf_rng_below(t->env.jitter, SPREAD_US));
    }
    if (rf_id_equal(node, &t->client.home) && t->state == RF_TOPOLOGY_JOINED)
        home_lost(t);
    if (rf_id_equal(node, &t->join.boot)) {
        t->join.boot = (struct rf_id){0};
        if (t->state == RF_TOPOLOGY_JOINING && t->join.step == STEP_LOCATE)
            retry(t);
    }
}

void chord_client_alarm(struct rf_topology *t)
{
    struct chord_conn *home = linked(t, &t->client.home), *known;
    if (t->join.step == STEP_REDIRECTED) {
        ask_alternative(t);
        return;
    }
    if (t->state == RF_TOPOLOGY_JOINED) {
        if (home)
            ping_place(t, home->link);
        return;
    }
    switch (t->join.step) {
    case STEP_WAIT:
        known = another(t);
        if (known && t->join.attempts % 2 == 0) {
            locate_first(t, known);
            break;
        }
        go(t, STEP_BOOTSTRAP, BOOTSTRAP_US);
        t->host.bootstrap(t->host.ctx);
        break;
    case STEP_LOCATE:
        known = linked(t, &t->join.boot);
        if (known && !chord_attaching(t, &known->node)) {
            be_guest_of(t, known);
            break;
        }
        retry(t);
        break;
    case STEP_BOOTSTRAP:
        retry(t);
        break;
    default:
        break;
    }
}

void chord_client_check(struct rf_topology *t)
{
    chord_alarm_in(t, ALARM_CHECK, chord_about(t, CHORD_CLIENT_CHECK_US));
    bool turn = t->client.checks++ % 3 == 2;
    struct chord_conn *conn = linked(t, turn ? &t->client.reserve : &t->client.home);
    if (conn)
        chord_check(t, conn);
}

void chord_client_checked(struct rf_topology *t, struct chord_conn *conn, const struct rf_id *named)
{
    if (!rf_id_equal(&conn->node, &t->client.home))
        return;
    if (rf_id_equal(named, &conn->node)) {
        if (t->client.guest)
            tell_home(t, false); /* its range has come to include us */
    } else if (!t->client.guest)
        chord_alarm_soon(t, ALARM_JOIN, rf_rng_below(t->env.jitter, CHORD_S));
}
