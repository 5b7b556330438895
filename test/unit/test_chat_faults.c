/* test_chat_faults.c - devices that die at any moment, disks that refuse, homes that die: everything that was said reaches everybody once, in one order. */
#include "test_chat.h"
#include "base/rng.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chaos),          cmocka_unit_test(test_disk),
                                       cmocka_unit_test(test_short_messages), cmocka_unit_test(test_cost),
                                       cmocka_unit_test(test_lost_disk),      cmocka_unit_test(test_knock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
