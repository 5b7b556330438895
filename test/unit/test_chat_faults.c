/* test_chat_faults.c - devices that die at any moment, disks that refuse, homes that die: everything that was said reaches everybody once, in one order. */
#include "test_chat.h"
#include "base/rng.h"
#include "node/internal.h"
#include "overlay/store_internal.h"
#include "usage/chatlog.h"

enum { ALICE, BOB, CAROL };
static const char *const three[] = {"alice", "bob", "carol"};
static uint8_t id[RF_CONVERSATION_LEN];

static void start_three(uint64_t seed)
{
    world_init(seed, three, 3);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
}

static bool same_texts(void *arg)
{
    unsigned wanted = *(unsigned *)arg, spaces = 1;
    const char *a = texts_of(ALICE, id), *b = texts_of(BOB, id), *c = texts_of(CAROL, id);
    if (a[0] == '\0')
        return wanted == 0;
    for (const char *p = a; *p != '\0'; p++)
        spaces += *p == ' ';
    for (size_t i = 0; i < 3; i++) {
        struct rf_chat_info info;
        if (!world.devices[i].on || !rf_chat_find(chat_of(i), id, &info) || info.unsent > 0)
            return false;
    }
    return spaces == wanted && strcmp(a, b) == 0 && strcmp(b, c) == 0;
}

static void fail_unequal(uint64_t seed)
{
    for (size_t i = 0; i < 3; i++)
        fprintf(stderr, "%zu: %s\n", i, history(i, id));
    fail_msg("seed %lu: they differ, or not all of it came", (unsigned long)seed);
}

/* Each device says its numbers, dies at random moments, and comes back. Every text that was taken over (done was called) must be there once. */
static void chaos(uint64_t seed)
{
    struct rf_rng_seeded rng;
    unsigned said[3] = {0, 0, 0}, wanted = 0;
    rf_rng_seeded_init(&rng, seed);
    start_three(seed);
    for (int i = 0; i < 40; i++) {
        size_t d = (size_t)rf_rng_below(&rng.rng, 3);
        unsigned before = world.devices[d].done;
        uint64_t what = rf_rng_below(&rng.rng, 10);
        char text[32];
        if (!world.devices[d].on) {
            device_start(d);
        } else if (what < 5 && state_of(d, id) == RF_CHAT_MEMBER) {
            snprintf(text, sizeof(text), "%s%u", three[d], said[d]);
            send_text(d, id, text);
            while (world.devices[d].done == before) /* until it is on the disk: only then it is promised */
                world_run(10 * RF_US_PER_MS);
            said[d]++;
            wanted++;
        } else if (what == 5 && d == ALICE) {
            snprintf(text, sizeof(text), "topic %d", i);
            assert_int_equal(rf_chat_set_topic(chat_of(d), id, rf_view_str(text), DONE(d)), 0);
            node_net_settle(&world.net, world.devices[d].node);
        } else if (what < 9) {
            world_run(rf_rng_below(&rng.rng, 30) * 10 * RF_US_PER_MS);
            device_kill(d);
        }
        world_run(rf_rng_below(&rng.rng, 40) * 10 * RF_US_PER_MS);
    }
    for (size_t d = 0; d < 3; d++)
        if (!world.devices[d].on)
            device_start(d);
    if (!world_until(300, same_texts, &wanted))
        fail_unequal(seed);
    for (size_t d = 0; d < 3; d++) {
        char text[32];
        for (unsigned k = 0; k < said[d]; k++) { /* in the order in which he said them */
            const char *all = texts_of(ALICE, id);
            snprintf(text, sizeof(text), "%s:%s%u", three[d], three[d], k);
            assert_non_null(strstr(all, text));
        }
        assert_int_equal(rf_chat_counters(chat_of(d))->entries_undecryptable, 0);
        assert_int_equal(rf_chat_counters(chat_of(d))->doubts, 0);
    }
    world_deinit();
}

static void test_chaos(void **state)
{
    (void)state;
    const char *one = getenv("CHAT_SEED");
    uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1,
             last = one != NULL                    ? first
                    : getenv("CHAT_SEEDS") != NULL ? strtoull(getenv("CHAT_SEEDS"), NULL, 10)
                                                   : 4;
    for (uint64_t seed = first; seed <= last; seed++)
        chaos(seed);
}

/* A full disk: nothing is shown or sent that is not on it; when there is room again it goes on. */
static void test_disk(void **state)
{
    (void)state;
    start_three(11);
    world.devices[BOB].disk_fails = true;
    send_text(BOB, id, "from a full disk");
    send_text(ALICE, id, "hello");
    world_run(20 * S);
    assert_string_equal(texts_of(ALICE, id), "alice:hello");
    assert_string_equal(texts_of(BOB, id), "");
    assert_int_equal(world.devices[BOB].events[RF_CHAT_EVENT_DISK], 1);
    world.devices[BOB].disk_fails = false;
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "alice:hello bob:from a full disk");
    assert_int_equal(world.devices[BOB].events[RF_CHAT_EVENT_DISK], 2);
    world_deinit();
}

/* In an overlay of short messages everything is cut into pieces. */
static void test_short_messages(void **state)
{
    static char text[20000];
    (void)state;
    world_message_size = 6000;
    start_three(12);
    memset(text, 'x', sizeof(text) - 1);
    send_text(CAROL, id, text);
    char expected[256];
    snprintf(expected, sizeof(expected), "carol:%.200s", text);
    expect_texts(ALL(ALICE, BOB, CAROL), id, 60, expected);
    device_kill(BOB);
    send_text(ALICE, id, "after");
    device_start(BOB);
    strcat(expected, " alice:after");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 60, expected);
    world_message_size = 65536;
    world_deinit();
}

/* What a message costs the disk does not grow with the group's state. */
static void test_cost(void **state)
{
    (void)state;
    start_three(13);
    world_run(5 * S);
    size_t before = world.devices[BOB].commit_bytes;
    for (int i = 0; i < 50; i++)
        send_text(ALICE, id, "hello");
    world_run(60 * S);
    size_t cost = (world.devices[BOB].commit_bytes - before) / 50;
    assert_in_range(cost, 100, 1500);
    world_deinit();
}

/* A device loses its database, and keeps its keys: it comes in again by itself, with nobody else there, and what it says is read by all. */
static void test_lost_disk(void **state)
{
    (void)state;
    start_three(14);
    send_text(BOB, id, "before");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "bob:before");
    world_run(20 * S); /* the door is written */
    device_kill(BOB);
    device_lose_disk(BOB);
    device_kill(ALICE);
    device_kill(CAROL);
    device_start(BOB);
    expect_state(BOB, id, RF_CHAT_INVITED, 60); /* the note is still in the inbox */
    assert_int_equal(rf_chat_accept(chat_of(BOB), id, DONE(BOB)), 0);
    expect_state(BOB, id, RF_CHAT_MEMBER, 90);
    assert_int_equal(world.devices[BOB].events[RF_CHAT_EVENT_REJOINED], 1);
    assert_int_equal(rf_chat_counters(chat_of(BOB))->rejoins, 1);
    send_text(BOB, id, "after");
    expect_texts(ALL(BOB), id, 60, "bob:after");
    device_start(ALICE);
    device_start(CAROL);
    expect_texts(ALL(ALICE, CAROL), id, 60, "bob:before bob:after");
    send_text(CAROL, id, "welcome back");
    expect_texts(ALL(ALICE, CAROL), id, 60, "bob:before bob:after carol:welcome back");
    expect_texts(ALL(BOB), id, 60, "bob:after carol:welcome back");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rf_chat_counters(chat_of(i))->entries_undecryptable, 0);
    world_deinit();
}

/* The same where the door is of an epoch that is over: it knocks, and another member opens. */
static void test_knock(void **state)
{
    (void)state;
    start_three(15);
    world_run(20 * S);
    device_kill(BOB);
    device_lose_disk(BOB);
    assert_int_equal(rf_chat_set_topic(chat_of(ALICE), id, rf_view_str("next"), DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    world_run(300 * RF_US_PER_MS);
    device_kill(ALICE); /* before she has written the door */
    device_start(BOB);
    expect_state(BOB, id, RF_CHAT_INVITED, 60);
    assert_int_equal(rf_chat_accept(chat_of(BOB), id, DONE(BOB)), 0);
    expect_state(BOB, id, RF_CHAT_MEMBER, 300);
    send_text(BOB, id, "in");
    expect_texts(ALL(BOB, CAROL), id, 60, "bob:in");
    device_start(ALICE);
    expect_texts(ALL(ALICE), id, 60, "bob:in");
    world_deinit();
}

/* The homes leave out the entry at this index from now on. */
static void withhold(uint8_t index)
{
    uint8_t slot[4] = {0, 0, 0, index};
    struct rf_id resource;
    unsigned taken = 0;
    assert_int_equal(
        rf_conversation_resource(world.net.pki.crypto, id, world.net.pki.conf->id_len, &resource), 0);
    for (size_t i = 0; i < WORLD_SUPERS; i++) {
        struct store_index *stored = &world.net.nodes[i].node->store->index;
        const struct store_set *set = store_index_set(stored, rf_id_view(&resource), RF_KIND_LOG);
        struct store_value *value = set != NULL ? store_set_value(set, rf_view_of(slot, 4)) : NULL;
        if (value == NULL)
            continue;
        store_index_take(stored, value);
        store_value_free(stored, value);
        taken++;
    }
    assert_true(taken > 0);
}

/* A home that leaves an entry out is found out; the rest is read. */
static void test_withheld(void **state)
{
    struct rf_chat_info info;
    (void)state;
    start_three(16);
    world_run(5 * S);
    device_kill(BOB);
    assert_true(rf_chat_find(chat_of(ALICE), id, &info));
    uint8_t index = (uint8_t)info.next_index;
    send_text(ALICE, id, "this");
    expect_texts(ALL(ALICE, CAROL), id, 30, "alice:this");
    send_text(CAROL, id, "that");
    expect_texts(ALL(ALICE, CAROL), id, 30, "alice:this carol:that");
    withhold(index);
    device_start(BOB);
    expect_texts(ALL(BOB), id, 60, "carol:that");
    assert_int_equal(world.devices[BOB].events[RF_CHAT_EVENT_DOUBT], 1);
    assert_int_equal(world.devices[BOB].events[RF_CHAT_EVENT_MISSED], 1);
    assert_true(rf_chat_find(chat_of(BOB), id, &info));
    assert_true(info.doubted);
    assert_int_equal(rf_chat_counters(chat_of(ALICE))->doubts, 0);
    world_deinit();
}

/* Many messages, read after an absence in few batches. */
static void test_many(void **state)
{
    struct rf_chat_info info;
    (void)state;
    start_three(17);
    device_kill(BOB);
    for (int i = 0; i < 400; i++)
        send_text(i % 2 == 0 ? ALICE : CAROL, id, "x");
    for (int i = 0; i < 120; i++) {
        assert_true(rf_chat_find(chat_of(ALICE), id, &info));
        if (info.unsent == 0 && rf_chat_find(chat_of(CAROL), id, &info) && info.unsent == 0)
            break;
        world_run(S);
    }
    assert_int_equal(info.unsent, 0);
    size_t commits = world.devices[BOB].commits;
    device_start(BOB);
    uint64_t from_us = world.net.now.mono_us;
    while (rf_chat_counters(chat_of(BOB))->entries_read < 400 && world.net.now.mono_us < from_us + 60 * S)
        world_run(50 * RF_US_PER_MS);
    assert_in_range(world.net.now.mono_us - from_us, 0, 15 * S);
    assert_in_range(world.devices[BOB].commits - commits, 1, 30);
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chaos),          cmocka_unit_test(test_disk),
                                       cmocka_unit_test(test_short_messages), cmocka_unit_test(test_cost),
                                       cmocka_unit_test(test_lost_disk),      cmocka_unit_test(test_knock),
                                       cmocka_unit_test(test_withheld),       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
