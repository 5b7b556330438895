/* test_watch.c - Watch and Event: who is told of what, once, by whoever is home; limits; who means no good. */
#include "test_conversation.h"

#define MAX_TOLD 64

/* What one watcher was told about the places that it watches. */
struct ear {
    size_t count;
    struct rf_watch_told list[MAX_TOLD];
    size_t node;
    bool reads; /* says that it read what it was told */
};
static struct ear ears[CV_NODES];

static void on_told(void *arg, const struct rf_watch_told *told)
{
    struct ear *ear = arg;
    assert_true(ear->count < MAX_TOLD);
    ear->list[ear->count++] = *told;
    if (ear->reads && told->outcome == RF_WATCH_HELD)
        rf_watch_known(cv_node(ear->node)->store, &told->resource, told->kind, told->generation, told->next);
}

static void listen(size_t number, const struct rf_id *resource, uint32_t kind)
{
    struct ear *ear = &ears[number];
    ear->node = number;
    ear->reads = true;
    assert_int_equal(rf_watch_add(cv_node(number)->store, resource, kind, 0, 0, on_told, ear), 0);
    rf_watch_online(cv_node(number)->store, true);
}

static const struct rf_watch_told *last(size_t number)
{
    assert_true(ears[number].count > 0);
    return &ears[number].list[ears[number].count - 1];
}

static struct rf_watch_stats stats(size_t number)
{
    struct rf_watch_stats out;
    rf_watch_stats(cv_node(number)->store, &out);
    return out;
}

static int setup(void **state)
{
    memset(ears, 0, sizeof(ears));
    (void)conversation_setup(state);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(BOB, CAROL)), 0);
    return 0;
}

static void test_told_of_an_entry(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    listen(MALLORY, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(ears[BOB].count, 0); /* nothing is there */
    assert_int_equal(last(MALLORY)->outcome, RF_WATCH_FORBIDDEN);
    assert_int_equal(stats(BOB).held, 1);
    assert_int_equal(stats(cv_home()).leases, 1);
    uint64_t sent_us = net.now.mono_us;
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    while (ears[BOB].count == 0)
        sn_run(&net, 1000);
    assert_in_range(net.now.mono_us - sent_us, 0, 50000);
    assert_int_equal(last(BOB)->next, 1);
    assert_int_equal(last(BOB)->first, 0);
    sn_run(&net, 20 * RF_US_PER_S);
    assert_int_equal(ears[BOB].count, 1);
    assert_int_equal(ears[MALLORY].count, 1);
    assert_int_equal(cv_counters(cv_home())->events, 1);
}

/* A burst is told in few Events, the last of which knows of all. */
static void test_burst(void **state)
{
    (void)state;
    struct cv_heard heard[50];
    listen(BOB, &cv.resource, RF_KIND_LOG);
    listen(CAROL, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    for (size_t i = 0; i < RF_COUNT(heard); i++) {
        cv_start(ALICE, i + 1, "x", &heard[i]);
        sn_run(&net, 10000);
    }
    cv_wait(heard, RF_COUNT(heard));
    sn_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 50);
    assert_int_equal(last(CAROL)->next, 50);
    assert_in_range(ears[BOB].count, 2, 4); /* in half a second, one after half a second */
    assert_in_range(cv_counters(cv_home())->events, 4, 8);
}

/* "What is new in these?" one request for all of one home, after an absence. */
static void test_many_places(void **state)
{
    (void)state;
    struct sn_node *bob = cv_node(BOB);
    char name[32];
    for (int i = 0; i < 76; i++) {
        snprintf(name, sizeof(name), "friend%d@example.org", i);
        struct rf_id id = sn_hash(&net, name);
        listen(BOB, &id, RF_KIND_PRESENCE);
    }
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(stats(BOB).held, 76);
    size_t first = cv_counters(BOB)->watch_requests;
    assert_int_equal(first, 76); /* each by its Resource-ID, the first time */
    rf_watch_online(bob->store, false);
    sn_run(&net, 60 * RF_US_PER_S);
    rf_watch_online(bob->store, true);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(cv_counters(BOB)->watch_requests, first + 5);
    assert_int_equal(stats(BOB).held, 76);
    /* asked about once more, when the replicas have the leases, and renewed before they end, together: after ten minutes, then every 19 */
    sn_run(&net, UINT64_C(2) * 3600 * RF_US_PER_S);
    assert_int_equal(stats(BOB).held, 76);
    assert_in_range(cv_counters(BOB)->watch_requests, first + 10 + 5 * 6, first + 10 + 5 * 8);
    size_t leases = 0;
    for (size_t i = 0; i < PEERS; i++)
        leases += stats(i).leases;
    assert_int_equal(leases, 3 * 76); /* at each home, and its replicas */
}

/* A home that says that it has everything. */
static void claim_all(void *arg, struct sn_node *from, struct rf_buf *body)
{
    const struct rf_view *reaches = arg;
    struct rf_watch_said said;
    struct rf_region region;
    if (from->number != PC0 || body->len < 4 || memcmp(body->p, "RFws", 4) != 0)
        return;
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_watch_said_decode(rf_buf_view(body), &region, &said), 0);
    said.from = *reaches;
    for (size_t i = 0; i < said.state_count; i++)
        if (said.states[i].outcome == RF_WATCH_ELSEWHERE)
            said.states[i] = (struct rf_watch_state){.outcome = RF_WATCH_HELD, .lease_s = 600};
    struct rf_buf wrong;
    rf_buf_init(&wrong, rf_mem_system(), 1 << 16);
    rf_watch_said_encode(&said, &wrong);
    rf_buf_reset(body);
    rf_buf_put(body, wrong.p, wrong.len);
    rf_buf_deinit(&wrong);
    rf_region_deinit(&region);
}

/* What it says about the range takes no place from others, neither at first nor when all is renewed. */
static void test_home_claims_all(void **state)
{
    (void)state;
    struct rf_view ranges[2] = {rf_id_view(&cv_node(PC0)->identity.node_id),
                                rf_id_view(&cv_node(P10)->identity.node_id)};
    struct rf_id ids[76];
    char name[32];
    for (size_t i = 0; i < RF_COUNT(ids); i++) {
        snprintf(name, sizeof(name), "friend%zu@example.org", i);
        ids[i] = sn_hash(&net, name);
    }
    net.tamper = claim_all;
    for (size_t k = 0; k < RF_COUNT(ranges); k++) {
        net.tamper_arg = &ranges[k];
        for (size_t i = 0; i < RF_COUNT(ids); i++)
            listen(k == 0 ? BOB : CAROL, &ids[i], RF_KIND_PRESENCE);
        for (int again = 0; again < 3; again++) {
            sn_run(&net, 1300 * RF_US_PER_S);
            for (size_t i = 0; i < RF_COUNT(ids); i++) {
                struct store_watch *watch = sn_owner(&net, &ids[i], 0)->store->watch;
                struct watch_place *place = watch_place_find(watch, &ids[i], RF_KIND_PRESENCE);
                assert_non_null(place);
                assert_int_equal(place->count, k + 1);
            }
        }
    }
    net.tamper = NULL;
}

static void test_missed_while_away(void **state)
{
    (void)state;
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    listen(BOB, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 1); /* told at once, as it knew nothing */
    struct watch_lease *lease = NULL;
    assert_int_equal(watch_lease_get(cv_node(cv_home())->store->watch, &cv.resource, RF_KIND_LOG,
                                     &cv_node(BOB)->identity.node_id, &lease),
                     0);
    lease->until_us += 6 * 3600 * RF_US_PER_S; /* as one who has much to renew would have it */
    rf_watch_online(cv_node(BOB)->store, false);
    cv_node(BOB)->alive = false;
    assert_int_equal(cv_append(ALICE, 2, "two"), 0);
    sn_run(&net, 300 * RF_US_PER_S); /* three Events in vain */
    assert_int_equal(stats(cv_home()).leases, 1);
    sn_run(&net, 3000 * RF_US_PER_S); /* and two more */
    assert_int_equal(stats(cv_home()).leases, 0);
    assert_int_equal(cv_counters(cv_home())->watchers_dropped, 1);
    assert_int_equal(cv_counters(cv_home())->events_failed, 5);
    cv_node(BOB)->alive = true;
    rf_watch_online(cv_node(BOB)->store, true);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 2);
}

/* ---- the ring ---- */

/* The home is killed: a replica of it goes on telling, without the watcher having done anything. */
static void test_home_is_killed(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    listen(CAROL, &cv.resource, RF_KIND_LOG);
    sn_run(&net, 15 * RF_US_PER_S);
    size_t home = cv_home(), requests = cv_counters(BOB)->watch_requests;
    sn_kill(cv_node(home));
    sn_ring_changed(&net, NULL, cv_node(home));
    assert_int_not_equal(cv_home(), home);
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 1);
    assert_int_equal(last(CAROL)->next, 1);
    assert_in_range(cv_counters(BOB)->watch_requests, requests + 1,
                    requests + 1); /* by that it knows the new home */
    assert_int_equal(cv_append(ALICE, 2, "two"), 0);
    sn_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 2);
    assert_in_range(cv_counters(BOB)->watch_requests, requests + 1,
                    requests + 2); /* it makes sure of a new one */
    /* the second home has replicas of its own, which go on when it dies in turn */
    sn_run(&net, 10 * RF_US_PER_S);
    home = cv_home();
    sn_kill(cv_node(home));
    sn_ring_changed(&net, NULL, cv_node(home));
    assert_int_equal(cv_append(ALICE, 3, "three"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 3);
}

/* The home is killed before it gave a new lease to anybody, and something is stored at once: the watcher hears of it all the same, in seconds. */
static void test_home_is_killed_at_once(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S / 4);
    size_t home = cv_home();
    assert_int_equal(stats(BOB).held, 1);
    for (size_t i = 0; i < PEERS; i++)
        assert_int_equal(stats(i).leases, i == home);
    sn_kill(cv_node(home));
    sn_ring_changed(&net, NULL, cv_node(home));
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    sn_run(&net, 30 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 1);
}

/* A peer that joins becomes home: it is given the leases, and tells. */
static void test_home_moves(void **state)
{
    (void)state;
    char id[9];
    listen(BOB, &cv.resource, RF_KIND_LOG);
    sn_run(&net, 5 * RF_US_PER_S);
    snprintf(id, sizeof(id), "%02x", cv.resource.b[0] + 1u);
    struct sn_node *fresh = sn_add(&net, "new@example.org", id, true, NULL);
    cv_start_node(fresh);
    sn_ring_changed(&net, fresh, NULL);
    assert_int_equal(cv_home(), fresh->number);
    sn_run(&net, 10 * RF_US_PER_S);
    assert_int_equal(stats(fresh->number).leases, 1);
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 1);
    size_t count = ears[BOB].count;
    assert_int_equal(cv_append(ALICE, 2, "two"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(ears[BOB].count, count + 1); /* by one of them only */
    size_t leases = 0;
    for (size_t i = 0; i < net.count; i++)
        leases += net.nodes[i].peer ? stats(i).leases : 0;
    assert_int_equal(leases, 3);
}

/* ---- rights and limits ---- */

static void test_removed_member(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    listen(CAROL, &cv.resource, RF_KIND_LOG);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(CAROL)), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(last(BOB)->outcome, RF_WATCH_FORBIDDEN);
    assert_int_equal(ears[CAROL].count, 0);
    size_t count = ears[BOB].count;
    assert_int_equal(cv_append(ALICE, 1, "without bob"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(ears[BOB].count, count);
    assert_int_equal(last(CAROL)->next, 1);
}

static void test_rules(void **state)
{
    (void)state;
    struct rf_id alices = sn_hash(&net, "alice@example.org");
    const struct {
        size_t watcher;
        uint32_t kind;
        enum rf_watch_outcome outcome;
    } rows[] = {
        {ALICE2, RF_KIND_INBOX, RF_WATCH_HELD},
        {BOB, RF_KIND_INBOX, RF_WATCH_FORBIDDEN},
        {MALLORY, RF_KIND_PRESENCE, RF_WATCH_HELD},
        {ALICE, RF_KIND_ROSTER, RF_WATCH_FORBIDDEN}, /* no conversation there */
        {ALICE, RF_KIND_ACCESS_CONTROL_LIST, RF_WATCH_UNKNOWN_KIND},
        {ALICE, UINT32_C(0xf00000aa), RF_WATCH_UNKNOWN_KIND},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        size_t held = stats(rows[i].watcher).held;
        listen(rows[i].watcher, &alices, rows[i].kind);
        sn_run(&net, RF_US_PER_S);
        if (rows[i].outcome == RF_WATCH_HELD)
            assert_int_equal(stats(rows[i].watcher).held, held + 1);
        else
            assert_int_equal(last(rows[i].watcher)->outcome, rows[i].outcome);
    }
    /* inbox and presence are told of */
    struct rf_view mallorys = rf_id_view(&cv_node(MALLORY)->identity.node_id);
    struct rf_view key = rf_id_view(&cv_node(ALICE)->identity.node_id), note = rf_view_of("\1x", 2);
    assert_int_equal(cv_store(MALLORY, &alices, RF_KIND_INBOX, mallorys, true, note, 3600), 0);
    assert_int_equal(cv_store(ALICE, &alices, RF_KIND_PRESENCE, key, true, note, 300), 0);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(last(ALICE2)->kind, RF_KIND_INBOX);
    assert_int_equal(last(ALICE2)->next, 1);
    assert_int_equal(last(MALLORY)->kind, RF_KIND_PRESENCE);
}

static void test_removed_watch(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    assert_int_equal(rf_watch_add(cv_node(BOB)->store, &cv.resource, RF_KIND_LOG, 0, 0, on_told, NULL),
                     RF_EEXIST);
    sn_run(&net, RF_US_PER_S);
    rf_watch_remove(cv_node(BOB)->store, &cv.resource, RF_KIND_LOG);
    rf_watch_remove(cv_node(BOB)->store, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(stats(cv_home()).leases, 0);
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(cv_counters(cv_home())->events, 0);
    assert_int_equal(ears[BOB].count, 0);
}

/* ---- requests by hand ---- */

static void ask(size_t from, uint32_t lease_s, size_t count, struct sn_reply *reply,
                struct rf_watch_said *said, struct rf_region *region)
{
    static struct rf_watch_item items[RF_WATCH_MAX_ITEMS];
    static struct rf_id ids[RF_WATCH_MAX_ITEMS];
    struct rf_watch_ask body = {.lease_s = lease_s, .items = items, .item_count = count};
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 1 << 17);
    for (size_t i = 0; i < count; i++) {
        ids[i] = cv_node(cv_home())->identity.node_id; /* its own place, and those just below */
        struct rf_id less = rf_id_add_small(&(struct rf_id){.len = ids[i].len}, (uint32_t)i);
        ids[i] = rf_id_sub(&ids[i], &less);
        items[i] = (struct rf_watch_item){.resource = rf_id_view(&ids[i]), .kind = RF_KIND_PRESENCE};
    }
    rf_watch_ask_encode(&body, &buf);
    struct sn_raw raw = {.from = cv_node(from),
                         .to = cv_node(cv_home()),
                         .code = RF_CODE_EXP_A_REQ,
                         .body = rf_buf_view(&buf),
                         .to_node = true};
    sn_request(&net, &raw, reply);
    rf_buf_deinit(&buf);
    *said = (struct rf_watch_said){.state_count = 0};
    if (reply->error == 0)
        assert_int_equal(rf_watch_said_decode(rf_view_of(reply->body, reply->body_len), region, said), 0);
}

static size_t outcomes(const struct rf_watch_said *said, enum rf_watch_outcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < said->state_count; i++)
        count += said->states[i].outcome == outcome;
    return count;
}

static void test_limits(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_watch_said said;
    struct rf_region region;
    rf_region_init(&region, rf_mem_system(), 1 << 20);
    ask(BOB, UINT32_MAX, 1, &reply, &said, &region);
    assert_int_equal(said.states[0].outcome, RF_WATCH_HELD);
    assert_int_equal(said.states[0].lease_s, WATCH_MAX_LEASE_S);
    assert_int_equal(said.from.len, 16);
    /* it says no clearly, and what was there stays */
    struct store_watch *watch = cv_node(cv_home())->store->watch;
    watch->lease_count += WATCH_MAX_LEASES - 3;
    ask(BOB, 60, 10, &reply, &said, &region);
    watch->lease_count -= WATCH_MAX_LEASES - 3;
    assert_int_equal(said.state_count, 10);
    assert_int_equal(outcomes(&said, RF_WATCH_HELD), 3);
    assert_int_equal(outcomes(&said, RF_WATCH_FULL), 7);
    assert_int_equal(stats(cv_home()).leases, 3);
    ask(BOB, 0, 10, &reply, &said, &region);
    assert_int_equal(outcomes(&said, RF_WATCH_ENDED), 10);
    assert_int_equal(stats(cv_home()).leases, 0);
    /* a lease that is not renewed ends */
    ask(BOB, 60, 10, &reply, &said, &region);
    assert_int_equal(stats(cv_home()).leases, 10);
    sn_run(&net, 130 * RF_US_PER_S);
    assert_int_equal(stats(cv_home()).leases, 0);
    assert_int_equal(stats(cv_home()).watchers, 0);
    assert_int_equal(stats(cv_home()).watched, 0);
    rf_region_deinit(&region);
}

static uint16_t send_raw(size_t from, size_t to, struct rf_view body)
{
    struct sn_reply reply;
    struct sn_raw raw = {
        .from = cv_node(from), .to = cv_node(to), .code = RF_CODE_EXP_A_REQ, .body = body, .to_node = true};
    sn_request(&net, &raw, &reply);
    return reply.error == 0 ? 0 : reply.error_code;
}

static struct rf_view hold_of(struct rf_buf *buf, size_t watcher)
{
    struct rf_watch_lease lease = {.resource = rf_id_view(&cv.resource),
                                   .kind = RF_KIND_LOG,
                                   .watcher = cv_node(watcher)->identity.node_id,
                                   .lease_s = 1000};
    struct rf_watch_hold hold = {&lease, 1};
    rf_buf_reset(buf);
    rf_watch_hold_encode(&hold, buf);
    return rf_buf_view(buf);
}

/* Leases that a neighbour of the home invents: no way of a watcher who asked there changes, and the table is not filled. */
static void test_invented_leases(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_watch_said said;
    struct rf_region region;
    struct rf_buf buf;
    struct watch_lease *lease = NULL;
    rf_region_init(&region, rf_mem_system(), 1 << 20);
    rf_buf_init(&buf, rf_mem_system(), 4096);
    size_t home = cv_home(), near = (home + 1) % PEERS;
    struct store_watch *watch = watch_of(cv_node(home)->store);
    struct rf_watch_lease evil = {.resource = rf_id_view(&cv.resource),
                                  .kind = RF_KIND_LOG,
                                  .watcher = cv_node(BOB)->identity.node_id,
                                  .way = {.count = 1, .nodes = {cv_node(MALLORY)->identity.node_id}},
                                  .lease_s = 1000};
    struct rf_watch_hold hold = {&evil, 1};
    rf_watch_hold_encode(&hold, &buf);
    ask(BOB, 600, 1, &reply, &said, &region);
    assert_int_equal(send_raw(near, home, rf_buf_view(&buf)), 0);
    assert_int_equal(stats(home).leases, 2);
    assert_int_equal(
        watch_lease_get(watch, &cv_node(home)->identity.node_id, RF_KIND_PRESENCE, &evil.watcher, &lease), 0);
    assert_int_equal(lease->watcher->way.count, 0);
    assert_int_equal(watch->taken_count, 1);
    /* one giver's share, and that of all */
    watch->givers[WATCH_GIVERS - 1].count += WATCH_MAX_PER_GIVER - 1;
    assert_int_equal(send_raw(near, home, hold_of(&buf, CAROL)), RF_ERROR_FORBIDDEN);
    watch->givers[WATCH_GIVERS - 1].count -= WATCH_MAX_PER_GIVER - 1;
    watch->taken_count += WATCH_MAX_TAKEN - 1;
    assert_int_equal(send_raw(near, home, hold_of(&buf, CAROL)), RF_ERROR_FORBIDDEN);
    watch->taken_count -= WATCH_MAX_TAKEN - 1;
    assert_int_equal(send_raw(near, home, hold_of(&buf, CAROL)), 0);
    assert_int_equal(watch->taken_count, 2);
    /* what is asked for pushes them out, and what was taken counts no more when it is asked for */
    watch->lease_count += WATCH_MAX_LEASES - 3;
    ask(MALLORY, 60, 2, &reply, &said, &region);
    watch->lease_count -= WATCH_MAX_LEASES - 3;
    assert_int_equal(outcomes(&said, RF_WATCH_HELD), 2);
    assert_int_equal(watch->taken_count, 0);
    assert_int_equal(cv_counters(home)->leases_pushed_out, 2);
    assert_int_equal(send_raw(near, home, hold_of(&buf, CAROL)), 0);
    assert_int_equal(watch->taken_count, 1);
    listen(CAROL, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(watch->taken_count, 0);
    assert_int_equal(stats(home).leases, 4);
    rf_buf_deinit(&buf);
    rf_region_deinit(&region);
}

static struct rf_view event_of(struct rf_buf *buf, uint32_t next)
{
    struct rf_watch_news news = {.resource = rf_id_view(&cv.resource),
                                 .kind = RF_KIND_LOG,
                                 .what = RF_WATCH_CHANGED,
                                 .generation = 77,
                                 .next = next};
    struct rf_watch_event event = {&news, 1};
    rf_buf_reset(buf);
    rf_watch_event_encode(&event, buf);
    return rf_buf_view(buf);
}

static void test_hostile(void **state)
{
    (void)state;
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    size_t home = cv_home();
    /* leases by who is none of the homes */
    size_t other = (home + PEERS - 1) % PEERS; /* holds nothing of that place */
    assert_int_equal(send_raw(MALLORY, other, hold_of(&buf, BOB)), RF_ERROR_FORBIDDEN);
    assert_int_equal(stats(other).leases, 0);
    assert_int_equal(cv_counters(other)->leases_refused, 1);
    /* Events about what is not watched; by who is not the home */
    assert_int_equal(send_raw(MALLORY, BOB, event_of(&buf, 5)), RF_ERROR_NOT_FOUND);
    listen(BOB, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    size_t requests = cv_counters(BOB)->watch_requests;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(send_raw(MALLORY, BOB, event_of(&buf, 5 + i)), 0);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(ears[BOB].count, 0);
    assert_in_range(cv_counters(BOB)->watch_requests, requests + 1, requests + 1); /* it asked once */
    assert_int_equal(stats(BOB).held, 1);
    /* clients are no homes */
    assert_int_equal(send_raw(MALLORY, BOB, rf_view_of("RFwq\0\0\0\1\0\0\0", 11)), RF_ERROR_NOT_FOUND);
    static const struct {
        const char *body;
        size_t len;
    } rows[] = {{"RFwq", 4}, {"RFwq\0\0\0\1\0\0\0", 11}, {"RFwq\0\0\0\1\0\0\2\1", 12},
                {"RFwh", 4}, {"RFwh\0\1\0", 7},          {"RFwh\0\1\1", 7},
                {"RFev", 4}, {"RFev\0\3abc", 9},         {"RFxx", 4}};
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (send_raw(MALLORY, home, rf_view_of(rows[i].body, rows[i].len)) != RF_ERROR_INVALID_MESSAGE)
            fail_msg("row %zu", i);
    rf_buf_deinit(&buf);
}

/* A watcher that says that it does not watch is not told again. */
static void test_unwanted(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_watch_said said;
    struct rf_region region;
    rf_region_init(&region, rf_mem_system(), 1 << 20);
    ask(BOB, 600, 1, &reply, &said, &region); /* by hand: the node does not know that it watches */
    struct rf_id place = cv_node(cv_home())->identity.node_id;
    struct watch_lease *lease = NULL;
    struct store_watch *watch = cv_node(cv_home())->store->watch;
    assert_int_equal(
        watch_lease_get(watch, &place, RF_KIND_PRESENCE, &cv_node(BOB)->identity.node_id, &lease), 0);
    lease->generation = 5; /* something changed */
    watch_news(watch, lease);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(stats(cv_home()).leases, 0);
    assert_int_equal(cv_counters(cv_home())->events_failed, 0);
    rf_region_deinit(&region);
}

/* Every allocation fails once: nobody is told wrong, nothing leaks. */
static void test_no_memory(void **state)
{
    (void)state;
    listen(BOB, &cv.resource, RF_KIND_LOG);
    for (size_t k = 0; k < 40; k++) {
        net.mem.allowed = k;
        rf_watch_online(cv_node(BOB)->store, false);
        rf_watch_online(cv_node(BOB)->store, true);
        sn_run(&net, 100000);
        net.mem.allowed = SIZE_MAX;
        sn_run(&net, 5 * RF_US_PER_S);
    }
    assert_int_equal(stats(BOB).held, 1);
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_int_equal(last(BOB)->next, 1);
}

static void test_old_entries_are_gone(void **state)
{
    (void)state;
    assert_int_equal(cv_store(ALICE, &cv.resource, RF_KIND_LOG, rf_view_of("\xff\xff\xff\xff", 4), true,
                              rf_view_of("\1\0\0\0\0\0\0\0\1x", 10), 20),
                     0);
    assert_int_equal(cv_append(ALICE, 2, "stays"), 0);
    sn_run(&net, 120 * RF_US_PER_S);
    listen(BOB, &cv.resource, RF_KIND_LOG);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(last(BOB)->first, 1);
    assert_int_equal(last(BOB)->next, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, conversation_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_told_of_an_entry),
        TEST(test_burst),
        TEST(test_many_places),
        TEST(test_missed_while_away),
        TEST(test_home_is_killed),
        TEST(test_home_is_killed_at_once),
        TEST(test_home_moves),
        TEST(test_removed_member),
        TEST(test_rules),
        TEST(test_removed_watch),
        TEST(test_limits),
        TEST(test_hostile),
        TEST(test_unwanted),
        TEST(test_home_claims_all),
        TEST(test_invented_leases),
        TEST(test_no_memory),
        TEST(test_old_entries_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
