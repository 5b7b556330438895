/*
 * client.c - a client and its supernodes (reload.md 1.9, 6.4; docs/protocol/admission.md).
 *
 * Home is the peer in charge of our Node-ID: then whoever knows our Node-ID reaches us. If that one has no room, or cannot be found, another
 * is home and we are its guest: only who goes through it reaches us, so the host is told (homed), which publishes that way. A
 * second one, the reserve, is kept linked if the host allows it; it is home's successor where possible, since that is the one that takes over home's range.
 * Both are asked to admit us, by an Attach, also when a link is there: a link that nobody asked for is closed after a while.
 *
 * Steps. WAIT (back-off) -> BOOTSTRAP: a link to some bootstrap or remembered node -> LOCATE: a RouteQuery tells
 * whether it is in the ring and in charge of us; it is asked to admit us, or else whoever is in charge of the Resource-ID after ours -> JOINED.
 * Refused (chord_client_refused): REDIRECTED, a random wait that doubles with each refusal -> LOCATE with one of the alternatives that were
 * named, at random, as its guest. Nobody refuses, and nobody answers: the bootstrap node is asked to take us as a guest.
 * Whatever fails more than a few times in a row is asked for later and later.
 * Events while JOINED. An Update of home whose range leaves us out, or a check that names another peer: a Ping to the Resource-ID after ours
 * finds the new home, the old one becomes the reserve; if the new one refuses, we stay as a guest. A guest looks for its own place after GUEST_US,
 * or TROUBLE_US if nobody refused. Home lost: the reserve is home at once, and, unless we are guests, the right one is looked for a random moment
 * later. Reserve lost: the next one of home's list, after a random moment. Both lost: JOINING, WAIT with full jitter. This computer moved: the same, without the waits.
 * Clients are many and mostly idle: once all is settled nothing happens but a check of home, at first after CHORD_CLIENT_CHECK_US and then twice
 * as late each time, up to CHORD_CLIENT_CALM_US. That home lives is shown by the link's keep-alives, that its range changed by its Updates. That it does
 * not its neighbors in the ring see first: the reserve's Update says that it is in charge of us now, and home has to show that it lives.
 */
#include "overlay/chord/chord.h"

#define BOOTSTRAP_US (30 * CHORD_S)
#define LOCATE_US    (10 * CHORD_S)
#define SLOW_US      (2 * CHORD_S)
#define SPREAD_US    (2 * CHORD_S) /* a lost supernode's clients do not all move in the same moment, */
#define MOVED_US     (2 * CHORD_S) /* ... but who loses links so soon after this computer moved comes alone */

#define GUEST_LOW_US   (600 * CHORD_S) /* a guest asks for its own place at a random time from .. to */
#define GUEST_HIGH_US  (1200 * CHORD_S)
#define TROUBLE_US     (10 * CHORD_S) /* about: one that found nobody there */
#define REDIRECT_US    (CHORD_S / 4)  /* before an alternative is asked: random in 0 .. that * 2^n, */
#define REDIRECT_MAX   7              /* ... n at most; so the attempts of a minute are few */
#define RESERVE_US     (1 * CHORD_S)  /* the same before a reserve is asked again, */
#define RESERVE_MAX    9              /* ... n at most */
#define FAILURES_FREE  4  /* Attaches in a row may fail before the next wait 1 s and a random time in */
#define FAILURES_MAX   13 /* ... 0 .. 1 s * 2^(n - FREE), n at most */
#define RETRY_AFTER_US (60 * CHORD_S) /* what a refusal may ask for at most */
#define DOUBT_US       (1 * CHORD_S) /* home has shown that it lives if something went over its link since then */

static struct chord_conn *linked(const struct rf_topology *t, const struct rf_id *node)
{
    return node->len ? chord_conn_find(t, node) : NULL;
}

static void go(struct rf_topology *t, enum chord_step step, uint64_t timeout_us)
{
    t->join.step = step;
    chord_alarm_in(t, ALARM_JOIN, timeout_us);
}

/* Links and Attaches have to be looked after for a while. */
static void sweep_soon(struct rf_topology *t)
{
    chord_alarm_soon(t, ALARM_SWEEP, CHORD_S);
}

/* How long it takes longer than usual until the next one is asked. */
static uint64_t delay(struct rf_topology *t, unsigned failures)
{
    return failures <= FAILURES_FREE
               ? 0
               : CHORD_S + rf_rng_below(t->env->jitter, CHORD_S << (failures - FAILURES_FREE));
}

/* A random time, where others may have lost the same supernode. */
static uint64_t spread(struct rf_topology *t)
{
    bool moved = t->client.moved_us != 0 && chord_now(t) - t->client.moved_us < MOVED_US;
    return moved ? 0 : chord_wait(t, SPREAD_US);
}

static void count_failure(uint8_t *failures)
{
    *failures = (uint8_t)(*failures + (*failures < FAILURES_MAX));
}

static void check_soon(struct rf_topology *t)
{
    t->client.check_us = CHORD_CLIENT_CHECK_US;
    chord_alarm_in(t, ALARM_CHECK, chord_about(t, t->client.check_us));
}

static void retry(struct rf_topology *t)
{
    struct rf_id after = rf_id_add_small(&t->params.self, 1);
    chord_attach_forget(t, &after);
    t->counters->join_retries++;
    go(t, STEP_WAIT, chord_backoff(t, t->join.attempts++));
}

void chord_client_start(struct rf_topology *t)
{
    t->join = (struct chord_join){0};
    go(t, STEP_WAIT, 0);
}

void chord_client_stop(struct rf_topology *t)
{
    if (t->client.locate)
        chord_call_cancel(t->client.locate);
    rf_free(t->env->mem, t->client.list);
    t->client = (struct chord_client){.list = NULL};
    chord_alarm_stop(t, ALARM_JOIN);
    chord_alarm_stop(t, ALARM_PURSUE);
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
    t->counters->guests += new_guest;
    if (t->host.homed)
        t->host.homed(t->host.ctx, &t->client.home, guest);
}

static void joined(struct rf_topology *t)
{
    t->was_joined = true;
    t->counters->joins++;
    t->join.step = STEP_NONE;
    t->join.attempts = 0;
    chord_alarm_stop(t, ALARM_JOIN);
    chord_set_state(t, RF_TOPOLOGY_JOINED);
}

static void set_home(struct rf_topology *t, struct chord_conn *conn, bool guest)
{
    struct rf_id old = t->client.home;
    t->client.target = (struct rf_id){0};
    t->client.refusals = 0;
    if (!guest)
        t->client.failures = 0;
    t->join.step = STEP_NONE;
    if (t->state == RF_TOPOLOGY_JOINED && rf_id_equal(&old, &conn->node)) {
        if (t->client.guest != guest)
            tell_home(t, guest);
        return;
    }
    t->client.home = conn->node;
    t->client.list_count = 0;
    t->client.informed = false;
    t->client.reserve_failures = 0; /* it names others */
    t->counters->homes_changed++;
    if (rf_id_equal(&t->client.reserve, &conn->node) || !linked(t, &t->client.reserve))
        t->client.reserve = linked(t, &old) && !rf_id_equal(&old, &conn->node) ? old : (struct rf_id){0};
    check_soon(t);
    sweep_soon(t);
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
    sweep_soon(t);
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
        chord_alarm_in(t, ALARM_JOIN, chord_about(t, TROUBLE_US) + delay(t, t->client.failures));
}

/* While this reserve was asked it was found to be in charge of us: there is one Attach at a time. */
static void ask_as_home_now(struct rf_topology *t, int error)
{
    t->client.target = (struct rf_id){0};
    if (error)
        count_failure(&t->client.failures);
    chord_alarm_soon(t, ALARM_JOIN,
                     error ? chord_about(t, 5 * CHORD_S) + delay(t, t->client.failures) : CHORD_S);
}

static void reserve_attached(struct rf_topology *t, const struct rf_id *target, const struct rf_id *node,
                             int error)
{
    if (t->state == RF_TOPOLOGY_JOINED && rf_id_equal(target, &t->client.target))
        ask_as_home_now(t, error);
    if (!error) {
        if (!linked(t, &t->client.reserve))
            t->client.reserve = *node;
        t->client.reserve_refusals = t->client.reserve_failures = 0;
        chord_alarm_soon(t, ALARM_PURSUE, CHORD_S);
        return;
    }
    count_failure(&t->client.reserve_failures);
    uint64_t wait_us = delay(t, t->client.reserve_failures);
    if (rf_id_equal(target, &t->client.reserve) && wait_us < 5 * CHORD_S)
        wait_us = 5 * CHORD_S; /* there is a link all the same */
    if (wait_us > 0)
        t->client.reserve_after_us = chord_now(t) + wait_us;
    chord_alarm_soon(t, ALARM_PURSUE, 0);
}

/* Where nobody refused, the own place is looked for again soon. */
static void home_attached(struct rf_topology *t, const struct rf_id *node, bool guest)
{
    bool redirected = t->client.refusals > 0;
    sweep_soon(t);
    aim(t, node, guest);
    struct chord_conn *conn = chord_conn_find(t, node);
    if (!conn)
        return; /* chord_client_link */
    set_home(t, conn, guest);
    if (guest)
        chord_alarm_in(t, ALARM_JOIN,
                       redirected ? rf_rng_between(t->env->jitter, GUEST_LOW_US, GUEST_HIGH_US)
                                  : chord_about(t, TROUBLE_US) + delay(t, t->client.failures));
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
    sweep_soon(t);
    t->client.target = (struct rf_id){0};
    if (purpose == FOR_PLACE)
        count_failure(&t->client.failures);
    if (t->state == RF_TOPOLOGY_JOINED)
        chord_alarm_soon(t, ALARM_JOIN, chord_about(t, 5 * CHORD_S) + delay(t, t->client.failures));
    else if (t->join.step == STEP_LOCATE && boot && was_place)
        be_guest_of(t, boot);
    else if (t->join.step == STEP_LOCATE)
        retry(t);
}

void chord_client_link(struct rf_topology *t, struct chord_conn *conn)
{
    sweep_soon(t);
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
        if (rf_rng_below(t->env->jitter, ++usable) == 0)
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
    t->client.reserve_after_us = chord_now(t) + RESERVE_US + rf_rng_below(t->env->jitter, RESERVE_US << n);
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
        go(t, STEP_REDIRECTED, chord_wait(t, REDIRECT_US << n));
    } else if (t->state != RF_TOPOLOGY_JOINING)
        chord_alarm_in(t, ALARM_JOIN, retry_after_us + rf_rng_below(t->env->jitter, TROUBLE_US));
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
    sweep_soon(t);
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
    chord_alarm_in(t, ALARM_JOIN, rf_rng_between(t->env->jitter, GUEST_LOW_US, GUEST_HIGH_US));
}

/* It serves us from now on and has to know: until now it was the reserve, or a link that was there by chance. */
static void ask_home(struct rf_topology *t, struct chord_conn *conn, bool guest)
{
    struct rf_id node = conn->node;
    become(t, &node, conn->link, guest);
}

/* Who is about to leave has asked us to look for another: the reserve, or one of those that it names. Until that one has taken us we stay. */
void chord_client_asked_away(struct rf_topology *t, const struct rf_redirect *redirect)
{
    struct chord_conn *reserve = linked(t, &t->client.reserve), *from = linked(t, &redirect->from);
    if (!from || t->params.role != RF_ROLE_CLIENT || t->state != RF_TOPOLOGY_JOINED)
        return;
    candidates_rest(&t->candidates, &redirect->from, chord_now(t), chord_now(t) + redirect->retry_after_us);
    from->admitted = ADMITTED_NOT; /* so that a refusal elsewhere is not the end of it */
    if (rf_id_equal(&redirect->from, &t->client.reserve))
        reserve_refused(t, redirect);
    else if (rf_id_equal(&redirect->from, &t->client.home) && reserve && !reserve->suspect)
        ask_home(t, reserve, true);
    else if (rf_id_equal(&redirect->from, &t->client.home))
        redirected(t, redirect, redirect->retry_after_us);
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

static bool may_have_reserve(const struct rf_topology *t)
{
    return !t->host.reserve || t->host.reserve(t->host.ctx);
}

static void find_reserve(struct rf_topology *t)
{
    sweep_soon(t);
    if (!may_have_reserve(t)) {
        t->client.reserve = (struct rf_id){0};
        return;
    }
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
    bool settled =
        reserve ? reserve->admitted == ADMITTED_RESERVE : t->client.list_count == 0 || !may_have_reserve(t);
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
    struct rf_id *list = count > 0 ? rf_resize(t->env->mem, t->client.list, count * sizeof(*list)) : NULL;
    if (list != NULL)
        t->client.list = list;
    t->client.list_count = list != NULL ? count : 0;
    for (size_t i = 0; i < t->client.list_count; i++)
        list[i] = i < news->succ_count ? news->succ[i] : news->pred[i - news->succ_count];
}

/* Who else says that our place is in its range is home's successor, and home has fallen silent, or is about to tell us that it gave it away. */
static void doubt_home(struct rf_topology *t, const struct chord_conn *from, const struct chord_news *news)
{
    struct chord_conn *home = linked(t, &t->client.home);
    if (home && !t->client.guest && t->host.keepalive && news->pred_count > 0 &&
        !has_left_range(t, &from->node, news))
        t->host.keepalive(t->host.ctx, home->link, DOUBT_US);
}

void chord_client_news(struct rf_topology *t, struct chord_conn *from, const struct chord_news *news)
{
    if (!news->lists)
        return;
    if (!rf_id_equal(&from->node, &t->client.home)) {
        doubt_home(t, from, news);
        return;
    }
    take_list(t, news);
    bool first_news = !t->client.informed;
    t->client.informed = true;
    if (t->client.guest && news->pred_count > 0 && !has_left_range(t, &from->node, news))
        tell_home(t, false); /* its range has come to include us */
    if (!t->client.guest && has_left_range(t, &from->node, news))
        chord_alarm_soon(t, ALARM_JOIN, rf_rng_below(t->env->jitter, CHORD_S / 2));
    if (!linked(t, &t->client.reserve))
        chord_alarm_soon(t, ALARM_PURSUE, rf_rng_below(t->env->jitter, first_news ? CHORD_S / 10 : CHORD_S));
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

static void home_lost(struct rf_topology *t)
{
    t->client.home = (struct rf_id){0};
    t->client.list_count = 0;
    struct chord_conn *next = another(t);
    if (next) {
        bool guest = t->client.guest;
        uint64_t wait_us = spread(t);
        t->counters->failovers++;
        set_home(t, next, guest);
        if (!guest)
            chord_alarm_in(t, ALARM_JOIN, wait_us);
        ask_home(t, next, guest);
        return;
    }
    t->client.guest = false;
    t->client.reserve = t->client.target = (struct rf_id){0};
    t->counters->rejoins++;
    chord_set_state(t, RF_TOPOLOGY_JOINING);
    go(t, STEP_WAIT, spread(t));
}

/* Whoever waits for a better moment need not any more. */
void chord_client_moved(struct rf_topology *t)
{
    if (t->params.role != RF_ROLE_CLIENT)
        return;
    t->client.moved_us = chord_now(t) != 0 ? chord_now(t) : 1;
    if (t->state != RF_TOPOLOGY_JOINING || t->join.step != STEP_WAIT)
        return;
    t->join.attempts = 0;
    go(t, STEP_WAIT, 0);
}

void chord_client_lost(struct rf_topology *t, const struct rf_id *node)
{
    sweep_soon(t);
    if (rf_id_equal(node, &t->client.target))
        t->client.target = (struct rf_id){0};
    if (rf_id_equal(node, &t->client.reserve)) {
        t->client.reserve = (struct rf_id){0};
        chord_alarm_soon(t, ALARM_PURSUE, spread(t));
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
    t->client.check_us =
        2 * t->client.check_us < CHORD_CLIENT_CALM_US ? 2 * t->client.check_us : CHORD_CLIENT_CALM_US;
    chord_alarm_in(t, ALARM_CHECK, chord_about(t, t->client.check_us));
    bool turn = t->client.checks++ % 3 == 2, alone = !may_have_reserve(t);
    struct chord_conn *conn = linked(t, turn && !alone ? &t->client.reserve : &t->client.home);
    if (conn)
        chord_check(t, conn);
    if (alone != (linked(t, &t->client.reserve) == NULL))
        chord_alarm_soon(t, ALARM_PURSUE, CHORD_S); /* now it may, or may not any more */
}

static bool is_needed(const struct rf_topology *t, const struct chord_conn *conn)
{
    return (t->state == RF_TOPOLOGY_JOINING && rf_id_equal(&conn->node, &t->join.boot)) ||
           rf_id_equal(&conn->node, &t->client.home) || rf_id_equal(&conn->node, &t->client.reserve) ||
           rf_id_equal(&conn->node, &t->client.target);
}

/*
 * How long a link that nothing needs is kept. That by which we came in at most until the next sweep: its other end would go on sending over it what is for us, and does not hear when our gateway forgets us. What
 * it is sending goes to our home. It is kept where it may become the reserve, and by a guest: answers that are on their way there would not find him.
 */
static uint64_t grace(const struct rf_topology *t, const struct chord_conn *conn)
{
    bool came_over = t->state == RF_TOPOLOGY_JOINED && rf_id_equal(&conn->node, &t->join.boot);
    bool has_reserve = !may_have_reserve(t) || linked(t, &t->client.reserve);
    return came_over && has_reserve && !t->client.guest ? 0 : CHORD_CLIENT_GRACE_US;
}

/* Gives up links that nothing needs; comes again as long as there is one, or an Attach under way. */
void chord_client_sweep(struct rf_topology *t)
{
    uint64_t now = chord_now(t);
    bool again = false;
    chord_attaches_expire(t);
    RF_LIST_EACH_SAFE(&t->conn_list, it)
    {
        struct chord_conn *conn = RF_LIST_ENTRY(it, struct chord_conn, list);
        bool spare = !is_needed(t, conn);
        if (spare && !conn->spare)
            conn->needed_us = now;
        conn->spare = spare;
        if (!conn->wanted || !spare)
            continue;
        if (conn->check || now - conn->needed_us < grace(t, conn)) {
            again = true;
            continue;
        }
        t->counters->links_released++;
        ring_remove(&t->ring, &conn->node);
        chord_conn_release(t, conn);
    }
    if (again || t->attach_count > 0)
        chord_alarm_soon(t, ALARM_SWEEP, chord_about(t, CHORD_CLIENT_GRACE_US));
}

void chord_client_checked(struct rf_topology *t, struct chord_conn *conn, const struct rf_id *named)
{
    if (!rf_id_equal(&conn->node, &t->client.home))
        return;
    if (rf_id_equal(named, &conn->node)) {
        if (t->client.guest)
            tell_home(t, false); /* its range has come to include us */
    } else if (!t->client.guest)
        chord_alarm_soon(t, ALARM_JOIN, rf_rng_below(t->env->jitter, CHORD_S));
}
