/* test_chat.c - conversations of several whole nodes: made, joined, written to, left. */
#include "test_chat.h"

enum { ALICE, BOB, CAROL, DAVE };
static const char *const four[] = {"alice", "bob", "carol", "dave"};
static uint8_t id[RF_CONVERSATION_LEN];

static void start_three(uint64_t seed)
{
    world_init(seed, four, 4);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
    assert_int_equal(world.devices[ALICE].last_error, 0);
}

static void test_group(void **state)
{
    (void)state;
    start_three(1);
    assert_int_equal(users_in(ALICE, id), 3);
    send_text(ALICE, id, "hello");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello");
    send_text(BOB, id, "hi");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello bob:hi");
    send_text(CAROL, id, "hey");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello bob:hi carol:hey");
    world_deinit();
}

/* Devices end and come back; what they missed is read, what they said before is there, and nothing twice. */
static void test_restarts(void **state)
{
    (void)state;
    start_three(2);
    send_text(ALICE, id, "one");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:one");
    for (size_t i = 0; i < 3; i++)
        device_kill(i);
    world_run(30 * S);
    for (size_t i = 0; i < 3; i++)
        device_start(i);
    send_text(BOB, id, "two");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 60, "alice:one bob:two");
    device_kill(BOB);
    send_text(ALICE, id, "three");
    assert_int_equal(rf_chat_set_title(chat_of(ALICE), id, rf_view_str("new title"), DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    world_run(10 * S);
    send_text(CAROL, id, "four");
    expect_texts(ALL(ALICE, CAROL), id, 60, "alice:one bob:two alice:three carol:four");
    device_kill(ALICE);
    device_kill(CAROL); /* nobody else is there when bob comes */
    device_start(BOB);
    expect_texts(ALL(BOB), id, 60, "alice:one bob:two alice:three carol:four");
    struct rf_chat_info info;
    assert_true(rf_chat_find(chat_of(BOB), id, &info));
    assert_true(rf_view_equal(info.title, rf_view_str("new title")));
    send_text(BOB, id, "five");
    device_start(ALICE);
    device_start(CAROL);
    expect_texts(ALL(ALICE, BOB, CAROL), id, 60, "alice:one bob:two alice:three carol:four bob:five");
    world_deinit();
}

/* More epochs than anybody remembers pass while bob is away, and he has something to say from before. */
static void test_absence(void **state)
{
    char expected[512] = "";
    (void)state;
    start_three(3);
    device_kill(BOB);
    for (int i = 0; i < 8; i++) {
        char text[16];
        snprintf(text, sizeof(text), "t%d", i);
        assert_int_equal(rf_chat_set_topic(chat_of(ALICE), id, rf_view_str(text), DONE(ALICE)), 0);
        send_text(i % 2 == 0 ? ALICE : CAROL, id, text);
        snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s%s:%s",
                 i > 0 ? " " : "", i % 2 == 0 ? "alice" : "carol", text);
        expect_texts(ALL(ALICE, CAROL), id, 60, expected);
        world_run(2 * S);
    }
    device_start(BOB);
    send_text(BOB, id, "late"); /* before he has read anything */
    snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), " bob:late");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 90, expected);
    assert_int_equal(rf_chat_counters(chat_of(BOB))->entries_undecryptable, 0);
    world_deinit();
}

static void test_kick_and_invite(void **state)
{
    (void)state;
    start_three(4);
    struct rf_view bob = rf_view_str("bob@example.org"), dave = rf_view_str("dave@example.org");
    assert_int_equal(rf_chat_kick(chat_of(BOB), id, &bob, 1, DONE(BOB)), RF_EFORBIDDEN);
    assert_int_equal(rf_chat_kick(chat_of(ALICE), id, &bob, 1, DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    expect_state(BOB, id, RF_CHAT_ENDED, 60);
    expect_users(CAROL, id, 2, 30);
    send_text(CAROL, id, "secret");
    expect_texts(ALL(ALICE, CAROL), id, 30, "carol:secret");
    expect_texts(ALL(BOB), id, 5, "");
    assert_int_equal(rf_chat_invite(chat_of(ALICE), id, &dave, 1, rf_view_str("you too"), DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    expect_state(DAVE, id, RF_CHAT_INVITED, 60);
    assert_int_equal(rf_chat_accept(chat_of(DAVE), id, DONE(DAVE)), 0);
    expect_state(DAVE, id, RF_CHAT_MEMBER, 60);
    send_text(DAVE, id, "here");
    expect_texts(ALL(DAVE), id, 30, "dave:here"); /* not what was before him */
    expect_texts(ALL(ALICE, CAROL), id, 30, "carol:secret dave:here");
    /* and bob once more */
    world_run(12 * S);
    assert_int_equal(rf_chat_invite(chat_of(ALICE), id, &bob, 1, rf_view_str("sorry"), DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    expect_state(BOB, id, RF_CHAT_INVITED, 60);
    assert_int_equal(rf_chat_accept(chat_of(BOB), id, DONE(BOB)), 0);
    expect_state(BOB, id, RF_CHAT_MEMBER, 60);
    send_text(BOB, id, "thanks");
    expect_texts(ALL(BOB), id, 30, "bob:thanks");
    expect_texts(ALL(ALICE, CAROL), id, 30, "carol:secret dave:here bob:thanks");
    world_deinit();
}

static void test_leave(void **state)
{
    (void)state;
    start_three(5);
    assert_int_equal(rf_chat_leave(chat_of(ALICE), id, DONE(ALICE)), RF_EFORBIDDEN); /* the only admin */
    assert_int_equal(rf_chat_leave(chat_of(BOB), id, DONE(BOB)), 0);
    node_net_settle(&world.net, world.devices[BOB].node);
    expect_state(BOB, id, RF_CHAT_ENDED, 60);
    expect_users(CAROL, id, 2, 30);
    send_text(CAROL, id, "bye");
    expect_texts(ALL(ALICE, CAROL), id, 60, "carol:bye");
    struct rf_view carol = rf_view_str("carol@example.org");
    assert_int_equal(rf_chat_set_role(chat_of(ALICE), id, carol, RF_CHAT_ADMIN_ROLE, DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    world_run(20 * S);
    assert_int_equal(world.devices[ALICE].last_error, 0);
    assert_int_equal(rf_chat_leave(chat_of(ALICE), id, DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    expect_state(ALICE, id, RF_CHAT_ENDED, 60);
    expect_users(CAROL, id, 1, 30);
    send_text(CAROL, id, "alone");
    expect_texts(ALL(CAROL), id, 60, "carol:bye carol:alone");
    assert_int_equal(rf_chat_leave(chat_of(CAROL), id, DONE(CAROL)), 0);
    expect_state(CAROL, id, RF_CHAT_ENDED, 10);
    assert_int_equal(rf_chat_forget(chat_of(CAROL), id, DONE(CAROL)), 0);
    world_run(S);
    assert_int_equal(state_of(CAROL, id), 0);
    assert_string_equal(history(CAROL, id), "");
    world_deinit();
}

/* An invitation that is refused: the others see him go. */
static void test_refuse(void **state)
{
    (void)state;
    world_init(6, four, 2);
    struct rf_view bob = rf_view_str("bob@example.org");
    assert_int_equal(
        rf_chat_create(chat_of(ALICE), rf_view_str(""), false, &bob, 1, rf_view_str(""), id, DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    expect_state(BOB, id, RF_CHAT_INVITED, 60);
    assert_int_equal(rf_chat_refuse(chat_of(BOB), id, DONE(BOB)), 0);
    node_net_settle(&world.net, world.devices[BOB].node);
    expect_state(BOB, id, RF_CHAT_ENDED, 60);
    expect_users(ALICE, id, 1, 60);
    world_deinit();
}

/* Two admins change the group at the same moment, again and again: each change is made in the end. */
static void test_races(void **state)
{
    (void)state;
    start_three(7);
    struct rf_view bob = rf_view_str("bob@example.org");
    assert_int_equal(rf_chat_set_role(chat_of(ALICE), id, bob, RF_CHAT_ADMIN_ROLE, DONE(ALICE)), 0);
    node_net_settle(&world.net, world.devices[ALICE].node);
    world_run(10 * S);
    unsigned done = world.devices[ALICE].done + world.devices[BOB].done;
    for (int i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "x%d", i);
        assert_int_equal(rf_chat_set_title(chat_of(ALICE), id, rf_view_str(text), DONE(ALICE)), 0);
        assert_int_equal(rf_chat_set_topic(chat_of(BOB), id, rf_view_str(text), DONE(BOB)), 0);
        node_net_settle(&world.net, world.devices[ALICE].node);
        node_net_settle(&world.net, world.devices[BOB].node);
        world_run(20 * S);
    }
    assert_int_equal(world.devices[ALICE].done + world.devices[BOB].done, done + 10);
    assert_true(rf_chat_counters(chat_of(ALICE))->commits_beaten +
                    rf_chat_counters(chat_of(BOB))->commits_beaten >
                0);
    for (size_t i = 0; i < 3; i++) {
        struct rf_chat_info info;
        assert_true(rf_chat_find(chat_of(i), id, &info));
        assert_true(rf_view_equal(info.title, rf_view_str("x4")));
        assert_true(rf_view_equal(info.topic, rf_view_str("x4")));
    }
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group),   cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_absence), cmocka_unit_test(test_kick_and_invite),
        cmocka_unit_test(test_leave),   cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
