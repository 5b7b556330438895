/*
 * test_overlay_store_heal.c - several storages after something went wrong: partitions, restarts, tampered disks, revoked signers; and
 * certificates that need intermediates on all of these ways.
 */
#include "test_overlay_store_peers.h"

#include "overlay/store_internal.h"

/* ---- partitions ---- */

static void set_side(size_t a, size_t b, size_t c, int side)
{
    node(a)->side = node(b)->side = node(c)->side = side;
    sn_ring_changed(&net, NULL, NULL);
}

static void test_partition_heals(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-before");
    sn_run(&net, RF_US_PER_S);
    /* {10, 80, bob} and {40, c0, alice}: alice's resource has a home on each side */
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "during"); /* on her side: home c0 */
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-during");
    store_ok(BOB, &bob_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "bob-log");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "before");
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "during");
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "during",
            (bool[]){true, false, true, true}); /* the newer one, everywhere */
    struct sn_node *bobs = sn_owner(&net, &bob_id, 0);
    assert_string_equal(look(bobs->number, &bob_id, KIND_SINGLE), "bob-during");
    assert_string_equal(look(bobs->number, &bob_id, KIND_LOG), "1=bob-log");
    /* and quiet again */
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
}

/* The home that takes over knows later than the others that it does: what it refuses until then is not given up. */
static void test_home_learns_late(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    sn_run(&net, RF_US_PER_S);
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "during"); /* home c0 */
    size_t refused = counters(P80)->refused_forbidden, handed_over = counters(PC0)->handed_over;
    node(P80)->unaware = true;
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_true(counters(P80)->refused_forbidden > refused);
    assert_int_equal(counters(PC0)->handed_over, handed_over);
    node(P80)->unaware = false;
    sn_run(&net, 10 * RF_US_PER_S); /* before the other holders offer what they have */
    assert_int_equal(counters(PC0)->handed_over, handed_over + 1);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "during");
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

/* Both sides append to one log while they are apart: afterwards it has all elements, the same on all of its holders. */
static void test_logs_are_joined(void **state)
{
    (void)state;
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    const struct rf_view append = rf_view_of("\xff\xff\xff\xff", 4);
    struct sn_node *alice2 = sn_add(&net, "alice@example.org", "a2", false, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "common");
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "replaced", 60, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(heard.result.error_code, RF_ERROR_FORBIDDEN); /* never replaced */
    alice2->side = 1;
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    static const char *const here[] = {"west-a", "west-b", "west-c"}, *const there[] = {"east-a", "east-b"};
    for (size_t i = 0; i < 3; i++)
        store_ok(ALICE, &alice_id, KIND_LOG, append, here[i]);
    for (size_t i = 0; i < 2; i++)
        store_ok(alice2->number, &alice_id, KIND_LOG, append, there[i]);
    alice2->side = 0;
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 300 * RF_US_PER_S);
    char home[2048];
    snprintf(home, sizeof(home), "%s", kit_look(&net, node(P80), &alice_id, KIND_LOG));
    assert_non_null(strstr(home, "0=common"));
    assert_int_equal(occurrences(home, "="), 6);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(occurrences(home, here[i]), 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(occurrences(home, there[i]), 1);
    assert_string_equal(kit_look(&net, node(PC0), &alice_id, KIND_LOG), home);
    assert_string_equal(kit_look(&net, node(P10), &alice_id, KIND_LOG), home);
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
    /* and it can be removed from, and goes on */
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), NULL);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "after");
    assert_non_null(strstr(kit_look(&net, node(P80), &alice_id, KIND_LOG), "6=after"));
}

static void test_removal_wins_over_older(void **state)
{
    (void)state;
    struct heard heard;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    sn_run(&net, RF_US_PER_S);
    set_side(P10, P80, BOB, 1);
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), NULL, 10, &heard); /* removed on one side only */
    sn_run(&net, 20 * RF_US_PER_S);
    assert_true(heard.done && heard.result.error == 0);
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "-", (bool[]){true, false, true, true}); /* not "before" again */
}

/* ---- replicas that are not what they were ---- */

static const bool all_three[4] = {true, false, true, true};

/* A home that was home before does not take its replicas of then for confirmed. */
static void test_home_again(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "first"); /* 80; c0, 10 */
    sn_run(&net, RF_US_PER_S);
    struct sn_node *fresh = sn_add(&net, "p78@example.org", "78", true, NULL);
    sn_ring_changed(&net, fresh, NULL);
    sn_run(&net, 60 * RF_US_PER_S);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "second"); /* 78; 80, c0 */
    sn_run(&net, RF_US_PER_S);
    assert_string_equal(look(P10, &alice_id, KIND_SINGLE), "-!");
    sn_kill(fresh);
    sn_ring_changed(&net, NULL, fresh);
    sn_run(&net, 60 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "second", all_three);
}

/* A replica is lost and back before the ring is said to have changed, once with its disk and once without. */
static void test_replica_back_at_once(void **state)
{
    (void)state;
    for (int wiped = 0; wiped < 2; wiped++) {
        store_ok(ALICE, &alice_id, KIND_SINGLE, none(), wiped ? "second" : "first");
        store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), wiped ? "log2" : "log1");
        sn_run(&net, 60 * RF_US_PER_S);
        size_t stores = net.sent[RF_CODE_STORE_REQ];
        sn_kill(node(PC0));
        rf_store_neighbor_lost(node(P80)->store, &node(PC0)->identity.node_id);
        if (wiped)
            sn_clear_disk(node(PC0));
        sn_restart(node(PC0));
        rf_store_range_changed(node(P80)->store);
        sn_run(&net, 5 * RF_US_PER_S);
        if (wiped)
            assert_true(net.sent[RF_CODE_STORE_REQ] > stores);
        else
            assert_int_equal(net.sent[RF_CODE_STORE_REQ], stores); /* it was asked, and has it all */
        holders(&alice_id, KIND_SINGLE, wiped ? "second" : "first", all_three);
    }
}

/* A replica is out of reach for a moment, and nobody says that the ring changed: it gets what was stored meanwhile. */
static void test_replica_missed_a_store(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "first");
    sn_run(&net, 60 * RF_US_PER_S);
    node(PC0)->alive = false; /* the ring goes on without it: 10 and 40 hold copies */
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "second");
    sn_run(&net, RF_US_PER_S);
    node(PC0)->alive = true;
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "first");
    rf_store_range_changed(node(P80)->store);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "second");
}

/* Who joins just after a neighbor was lost gets its copies at once; only who stands in for the lost one is held back. */
static void test_joiner_is_not_held_back(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "x"); /* 80; c0, 10 */
    sn_run(&net, 60 * RF_US_PER_S);
    sn_kill(node(P10));
    sn_ring_changed(&net, NULL, node(P10));
    sn_run(&net, 2 * RF_US_PER_S);
    struct sn_node *fresh = sn_add(&net, "p90@example.org", "90", true, NULL);
    sn_ring_changed(&net, fresh, NULL);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_string_equal(look(fresh->number, &alice_id, KIND_SINGLE), "x");
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "-!");
}

/* A replica leaves: who takes its place gets its copies at once, not after the hold-down. */
static void test_left_replica_is_replaced(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "x"); /* 80; c0, 10 */
    sn_run(&net, 60 * RF_US_PER_S);
    rf_store_neighbor_lost(node(P80)->store, &node(PC0)->identity.node_id); /* it still stands in the ring */
    sn_kill(node(PC0));
    sn_ring_changed(&net, NULL, NULL);
    sn_run(&net, 5 * RF_US_PER_S);
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "x");
}

/* The home is lost before a replica got what is older than it: as the new home it asks the other replica before it answers. */
static void test_heir_asks_the_other_replica(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_SINGLE};
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "x"); /* 80; c0, 10 */
    sn_run(&net, 60 * RF_US_PER_S);
    sn_clear_disk(node(PC0));
    sn_restart(node(PC0)); /* nobody noticed, and it did not join anew */
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "-!");
    sn_kill(node(P80));
    sn_ring_changed(&net, NULL, node(P80));
    kit_fetch(&net, node(BOB), node(PC0), false, &alice_id, &want, 1, &reply);
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "x");
}

static const char *aside(size_t at, const char *beside, struct sn_reply *reply)
{
    struct kit_want want = {.kind = KIND_SINGLE};
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    kit_fetch_req(&net, &alice_id, &want, 1, &body);
    struct sn_raw raw = {.from = node(BOB),
                         .to = node(at),
                         .code = RF_CODE_FETCH_REQ,
                         .body = rf_buf_view(&body),
                         .resource = sn_id(beside)};
    sn_request(&net, &raw, reply);
    rf_buf_deinit(&body);
    return kit_result(reply);
}

/* Who is asked for a copy (not as the home) does not say that there is none before it has had the time to get one. */
static void test_no_copy_yet(void **state)
{
    (void)state;
    struct sn_reply reply;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "x"); /* 80; c0, 10 */
    sn_run(&net, 120 * RF_US_PER_S);
    assert_string_equal(aside(PC0, "81", &reply), "ok");
    assert_string_equal(aside(P40, "11", &reply), "Error_Not_Found"); /* it holds none */
    sn_kill(node(P80));
    sn_ring_changed(&net, NULL, node(P80));
    assert_string_equal(aside(P40, "11", &reply), "Error_Request_Timeout"); /* it will */
    assert_string_equal(aside(PC0, "81", &reply), "ok"); /* the home now, whatever it was asked as */
    sn_run(&net, 120 * RF_US_PER_S);
    assert_string_equal(aside(P40, "11", &reply), "ok");
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "x");
}

/* Who need not hold a copy any more does not drop it before the home has it: here no other has. */
static void test_last_copy_is_offered(void **state)
{
    (void)state;
    sn_kill(node(PC0));
    sn_kill(node(P10));
    sn_ring_changed(&net, NULL, NULL);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "only"); /* 80; 40 */
    sn_run(&net, RF_US_PER_S);
    sn_kill(node(P80));
    sn_clear_disk(node(P80));
    sn_restart(node(P80));
    sn_restart(node(PC0));
    sn_restart(node(P10));
    sn_ring_changed(&net, NULL, NULL); /* all at once: three peers stand between alice's resource and 40 */
    sn_run(&net, 120 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "only", all_three);
}

/* One replica that does not answer does not keep the other from getting what it lacks. */
static bool lose_to_c0(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg, (void)from;
    return to == node(PC0) && (code == RF_CODE_STORE_REQ || code == RF_CODE_STAT_REQ);
}

static void test_silent_replica_blocks_nobody(void **state)
{
    (void)state;
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "x", .time = 1};
    struct sn_reply reply;
    net.lose = lose_to_c0;
    sn_kill(node(P10));
    sn_ring_changed(&net, NULL, node(P10)); /* replicas: c0, 40; both are new for alice's resource */
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_restart(node(P10));
    sn_ring_changed(&net, node(P10), NULL);
    sn_run(&net, 120 * RF_US_PER_S);
    assert_string_equal(look(P10, &alice_id, KIND_SINGLE), "x");
}

/* An element of a log that comes at an index of another home is not stored twice. */
static void test_element_came_another_way(void **state)
{
    (void)state;
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    struct sn_reply reply;
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_LOG, .index = 3, .text = "x", .time = 1, .generation = 5};
    kit_store(&net, node(PC0), node(P80), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    v.index = 7; /* signed are the bytes without the index */
    kit_store(&net, node(PC0), node(P80), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    assert_string_equal(look(P80, &alice_id, KIND_LOG), "3=x");
    /* a replica, on the other hand, follows its home */
    sn_run(&net, 10 * RF_US_PER_S);
    assert_string_equal(look(P10, &alice_id, KIND_LOG), "3=x");
    kit_store(&net, node(P80), node(P10), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    assert_string_equal(look(P10, &alice_id, KIND_LOG), "7=x");
    sn_run(&net, RF_US_PER_S);
    size_t rows = 0;
    RF_LIST_EACH(&node(P10)->disk, it)
    {
        rows++;
    }
    assert_int_equal(rows, 1);
}

/* All holders of alice's log have "late" once, at index 2. */
static void late_is_second(void)
{
    char home[512];
    snprintf(home, sizeof(home), "%s", look(P80, &alice_id, KIND_LOG));
    assert_non_null(strstr(home, " 2=late"));
    assert_int_equal(occurrences(home, "="), 3);
    assert_string_equal(look(PC0, &alice_id, KIND_LOG), home);
    assert_string_equal(look(P10, &alice_id, KIND_LOG), home);
}

/* What a replica brings finds its index taken: the replica, like the other one, gets it at the index that the home gave it, and gives up its own. */
static void test_giver_follows(void **state)
{
    (void)state;
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_LOG, .index = 1, .text = "late", .time = 1, .generation = 5};
    struct sn_reply reply;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\xff\xff\xff\xff", 4), "a"); /* 80; c0, 10 */
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\xff\xff\xff\xff", 4), "b");
    sn_run(&net, 60 * RF_US_PER_S);
    v.generation = UINT64_C(1) << 60;
    kit_store(&net, node(PC0), node(P80), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_run(&net, 10 * RF_US_PER_S);
    late_is_second();
    v.index = 5;
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, &v, 1, &reply);
    assert_non_null(strstr(look(PC0, &alice_id, KIND_LOG), " 5=late"));
    kit_store(&net, node(PC0), node(P80), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_run(&net, 10 * RF_US_PER_S);
    late_is_second();
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
}

/* ---- elements that stand twice ---- */

static void make_logs(void)
{
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    net.restarted_kind = &log;
}

static void log_is(const char *text, const size_t at[3])
{
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(look(at[i], &alice_id, KIND_LOG), text);
}

static size_t rows(size_t at)
{
    size_t count = 0;
    RF_LIST_EACH(&node(at)->disk, it)
    {
        count++;
    }
    return count;
}

/* A peer brings its new home an element at both of the indexes that it had: the first stays, in memory and on disk, and so at the replicas. */
static void test_handed_over_twice(void **state)
{
    (void)state;
    make_logs();
    struct kit_value v[] = {
        {.signer = node(ALICE), .kind = KIND_LOG, .index = 3, .text = "x", .time = 1, .generation = 5},
        {.signer = node(ALICE), .kind = KIND_LOG, .index = 7, .text = "x", .time = 1},
    };
    struct sn_reply reply;
    kit_store(&net, node(P40), node(P80), &alice_id, 1, v, 2, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_run(&net, 10 * RF_US_PER_S);
    log_is("3=x", (size_t[]){P80, PC0, P10});
    assert_int_equal(rows(P80), 1);
    /* likewise when the replicas have got it twice already */
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, v, 2, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    log_is("3=x", (size_t[]){P80, PC0, P10});
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(rows(PC0), 1);
}

/* The row of the only element on a peer's disk, once more, at `index` (below 256). */
static void double_row(size_t at, uint8_t index)
{
    const struct sn_record *from = RF_LIST_ENTRY(node(at)->disk.next, struct sn_record, list);
    struct sn_record *to = calloc(1, sizeof(*to));
    size_t len = from->record.resource.len + from->record.slot.len + from->record.stored_data.len +
                 from->record.cert.len;
    *to = *from;
    to->bytes = malloc(len);
    memcpy(to->bytes, from->bytes, len);
    struct rf_view *views[] = {&to->record.resource, &to->record.slot, &to->record.stored_data,
                               &to->record.cert};
    for (size_t i = 0; i < RF_COUNT(views); i++)
        views[i]->p = to->bytes + (views[i]->p - from->bytes);
    to->bytes[to->record.slot.p - to->bytes + 3] = index;
    to->bytes[to->record.stored_data.p - to->bytes + 16 + 3] = index; /* after length, time and lifetime */
    rf_list_push_back(&node(at)->disk, &to->list);
}

/* A replica has an element at an index that another home gave it, and at that of its home: the home sees that when it asks. */
static void test_copy_twice(void **state)
{
    (void)state;
    make_logs();
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\xff\xff\xff\xff", 4), "x");
    sn_run(&net, RF_US_PER_S);
    double_row(PC0, 7);
    sn_restart(node(PC0));
    assert_non_null(strstr(look(PC0, &alice_id, KIND_LOG), "7=x"));
    sn_ring_changed(&net, node(PC0), NULL);
    sn_run(&net, 60 * RF_US_PER_S);
    log_is("0=x", (size_t[]){P80, PC0, P10});
    assert_int_equal(rows(PC0), 1);
    /* and when it becomes the home itself, before it could learn that */
    double_row(PC0, 7);
    sn_restart(node(PC0));
    sn_kill(node(P80));
    sn_ring_changed(&net, node(PC0), node(P80));
    sn_run(&net, 60 * RF_US_PER_S);
    log_is("0=x", (size_t[]){PC0, P10, P40});
    assert_int_equal(rows(PC0), 1);
}

/* What a peer took because a replica did not answer stays for a while, and goes without a change of the ring. */
static void test_stray_copy(void **state)
{
    (void)state;
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_SINGLE, .text = "x", .time = 1, .generation = 5};
    struct sn_reply reply;
    kit_store(&net, node(P80), node(P40), &alice_id, 3, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_run(&net, 100 * RF_US_PER_S);
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "x");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "-!");
    sn_run(&net, 60 * RF_US_PER_S); /* the home had nothing: it has been given it */
    holders(&alice_id, KIND_SINGLE, "x", (bool[]){true, false, true, true});
}

/* ---- pace ---- */

/* What follows the ring goes slower when answers take long, and faster again when they do not. */
static void test_pace(void **state)
{
    (void)state;
    static const struct {
        uint64_t wait_ms, took_ms;
        size_t window;
        uint64_t rest_ms;
    } rows[] = {
        {0, 100, 8, 0},        {0, 700, 8, 0},        {2000, 2000, 4, 0},
        {10, 2000, 4, 0}, /* these waited together */
        {3000, 1500, 2, 0},    {0, 100, 2, 0},        {0, 100, 3, 0},
        {3000, 2000, 1, 2000}, {9000, 9000, 1, 5000}, {0, 400, 2, 5000},
        {0, 100, 2, 5000},     {0, 100, 3, 5000},
    };
    struct rf_store *store = node(P80)->store;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        sn_run(&net, rows[i].wait_ms * RF_US_PER_MS);
        store_sync_answered(store, rows[i].took_ms * RF_US_PER_MS);
        uint64_t until = store->sync->rest_until_us;
        assert_int_equal(store->sync->window, rows[i].window);
        assert_int_equal(until > 0 ? until - net.now.mono_us : 0, rows[i].rest_ms * RF_US_PER_MS);
    }
}

/* Answers that take two seconds: a peer that leaves a replica behind does not send it everything at once, and yet all of it. */
static void test_slow_network(void **state)
{
    (void)state;
    struct heard heard[40];
    for (size_t i = 0; i < RF_COUNT(heard); i++) {
        char name[32];
        snprintf(name, sizeof(name), "k%zu", i);
        start_store(ALICE, &alice_id, KIND_BIG, rf_view_str(name), "x", 3600, &heard[i]);
        sn_run(&net, RF_US_PER_S);
        assert_true(heard[i].done);
    }
    net.latency_us = RF_US_PER_S;
    sn_kill(node(PC0));
    sn_ring_changed(&net, NULL, node(PC0)); /* 40 becomes a replica */
    sn_run(&net, 120 * RF_US_PER_S);
    net.latency_us = 1000;
    assert_string_equal(look(P40, &alice_id, KIND_BIG), look(P80, &alice_id, KIND_BIG));
    assert_true(node(P80)->store->sync->window < STORE_SYNC_PARALLEL);
}

/* ---- restarts ---- */

static void test_restart(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\7", 4), "log");
    sn_run(&net, RF_US_PER_S);
    sn_restart(node(P80));
    sn_ring_changed(&net, node(P80), NULL);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "kept");
    assert_string_equal(look(P80, &alice_id, KIND_LOG), "7=log");
    sn_run(&net, 60 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
    /* the counter goes on */
    struct heard heard;
    const struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint64_t generation = on->record.generation;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "after", 3600, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.result.generation > generation);
}

static void test_disk_was_tampered_with(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "true");
    sn_run(&net, RF_US_PER_S);
    struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint8_t *value = on->bytes + (on->record.stored_data.p - on->bytes) + 16 + 5;
    assert_memory_equal(value, "true", 4);
    memcpy(value, "lies", 4);
    sn_restart(node(P80));
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "-!"); /* found out at its first use */
    sn_run(&net, RF_US_PER_S);
    assert_true(rf_list_empty(&node(P80)->disk));
    sn_ring_changed(&net, node(P80), NULL);
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_SINGLE};
    kit_fetch(&net, node(BOB), node(P80), false, &alice_id, &want, 1,
              &reply); /* as home it asks its successor first */
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "true");
}

static void test_expired_while_down(void **state)
{
    (void)state;
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "short", 30, &heard);
    sn_run(&net, RF_US_PER_S);
    node(P80)->alive = false;
    net.wall_base_ms += 40000;
    sn_run(&net, 1000);
    sn_restart(node(P80));
    struct rf_store_stats stats;
    rf_store_stats(node(P80)->store, &stats);
    assert_int_equal(stats.value_count, 0);
}

/* ---- intermediate certificates ---- */

/* alice's certificate comes from an authority that the root has appointed. */
static void appoint(struct rf_key **key, struct rf_x509 *authority, struct rf_identity *alice)
{
    struct rf_crypto *c = net.pki.crypto;
    struct rf_x509_spec spec = {.common_name = rf_view_str("branch"),
                                .is_ca = true,
                                .not_before_ms = RF_PKI_WALL_MS - 1000,
                                .not_after_ms = RF_PKI_WALL_MS + UINT64_C(86400000),
                                .serial_lo = 1000};
    struct rf_cert_spec leaf = {.user = rf_view_str("alice@example.org"),
                                .overlay = rf_view_str("example.org"),
                                .node_ids = &alice->node_id,
                                .node_id_count = 1,
                                .not_before_ms = spec.not_before_ms,
                                .not_after_ms = spec.not_after_ms,
                                .serial_lo = 1001};
    struct rf_buf spki, der;
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, key), 0);
    assert_int_equal(c->ops->key_spki(c, *key, &spki), 0);
    assert_int_equal(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), &net.pki.ca, net.pki.ca_key, &der), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), authority), 0);
    rf_buf_reset(&spki);
    rf_buf_reset(&der);
    assert_int_equal(c->ops->key_spki(c, alice->key, &spki), 0);
    assert_int_equal(rf_cert_issue(c, &leaf, rf_buf_view(&spki), authority, *key, &der), 0);
    rf_cert_release(alice->cert);
    assert_int_equal(rf_trust_cert(node(ALICE)->trust, rf_buf_view(&der), &authority->der, 1, RF_PKI_WALL_MS,
                                   &alice->cert),
                     0);
    assert_int_equal(alice->cert->chain_count, 1);
    struct rf_identity renamed; /* its SignerIdentity names the new certificate */
    assert_int_equal(rf_identity_init(&renamed, c, alice->key, alice->cert, &alice->node_id), 0);
    rf_cert_release(alice->cert);
    *alice = renamed;
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    size_t *good = arg;
    *good = result->error == 0 && result->dropped_count == 0 ? result->value_count : 99;
}

static void test_intermediates(void **state)
{
    (void)state;
    struct rf_key *key = NULL;
    struct rf_x509 authority;
    appoint(&key, &authority, &node(ALICE)->identity);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "log");
    sn_run(&net, RF_US_PER_S);
    for (int restarted = 0; restarted < 2; restarted++) {
        holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
        assert_int_equal(rf_conf_trust(net.pki.conf, node(BOB)->trust), 0); /* who never saw the authority */
        size_t good = 0;
        assert_int_equal(
            rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_LOG, NULL, 0, on_fetched, &good), 0);
        sn_run(&net, RF_US_PER_S);
        assert_int_equal(good, 1);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(rf_conf_trust(net.pki.conf, node(i)->trust), 0);
        sn_restart(node(P80));
        sn_ring_changed(&net, node(P80), NULL);
        sn_run(&net, 60 * RF_US_PER_S);
    }
    net.pki.crypto->ops->x509_deinit(net.pki.crypto, &authority);
    net.pki.crypto->ops->key_free(net.pki.crypto, key);
}

/* ---- a new document ---- */

static void revoke(struct rf_conf *draft, void *arg)
{
    draft->bad_nodes = arg;
    draft->bad_node_count = 1;
}

static void test_revoked(void **state)
{
    (void)state;
    struct rf_conf *next = NULL;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "hers");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "hers");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "his");
    struct rf_id bad = node(ALICE)->identity.node_id;
    assert_int_equal(rf_pki_document(&net.pki, 9, revoke, &bad, &next), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rf_conf_trust(next, node(i)->trust), 0);
        assert_int_equal(rf_store_configure(node(i)->store, next), 0);
    }
    rf_conf_release(next);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(look(i, &alice_id, KIND_SINGLE), "-!");
        assert_string_equal(look(i, &alice_id, KIND_LOG), "0=-!");
    }
    assert_string_equal(look(sn_owner(&net, &bob_id, 0)->number, &bob_id, KIND_SINGLE), "his");
    sn_run(&net, RF_US_PER_S);
    size_t left = 0;
    for (size_t i = 0; i < 4; i++)
        RF_LIST_EACH(&node(i)->disk, it)
        {
            left++;
        }
    assert_int_equal(left, 3); /* bob's three copies */
}

/* ---- quotas ---- */

/* Whose quota a value counts for: the user's, where an authority vouches for the name, else that node's own (pitfall 24). */
static void test_accounts(void **state)
{
    (void)state;
    for (int self_signed = 0; self_signed < 2; self_signed++) {
        struct rf_pki pki;
        struct rf_identity first, second;
        struct rf_pki_config config = {.self_signed = self_signed ? RF_DIGEST_SHA256 : 0};
        assert_int_equal(rf_pki_init(&pki, &config), 0);
        assert_int_equal(rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_ED25519, &first), 0);
        assert_int_equal(rf_pki_node(&pki, "alice@example.org", NULL, RF_KEY_ED25519, &second), 0);
        struct rf_signer a = {first.cert, first.node_id}, b = {second.cert, second.node_id};
        struct rf_view of_a = rf_principal(&a);
        assert_int_equal(rf_view_equal(of_a, rf_principal(&b)), !self_signed);
        assert_true(
            rf_view_equal(of_a, self_signed ? rf_id_view(&a.node_id) : rf_view_str("alice@example.org")));
        rf_identity_deinit(&first);
        rf_identity_deinit(&second);
        rf_pki_deinit(&pki);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_partition_heals),
        TEST(test_home_learns_late),
        TEST(test_logs_are_joined),
        TEST(test_removal_wins_over_older),
        TEST(test_home_again),
        TEST(test_replica_back_at_once),
        TEST(test_replica_missed_a_store),
        TEST(test_joiner_is_not_held_back),
        TEST(test_left_replica_is_replaced),
        TEST(test_heir_asks_the_other_replica),
        TEST(test_no_copy_yet),
        TEST(test_last_copy_is_offered),
        TEST(test_silent_replica_blocks_nobody),
        TEST(test_element_came_another_way),
        TEST(test_giver_follows),
        TEST(test_handed_over_twice),
        TEST(test_copy_twice),
        TEST(test_stray_copy),
        TEST(test_pace),
        TEST(test_slow_network),
        TEST(test_restart),
        TEST(test_disk_was_tampered_with),
        TEST(test_expired_while_down),
        TEST(test_intermediates),
        TEST(test_revoked),
        TEST(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
