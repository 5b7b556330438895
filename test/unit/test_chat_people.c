/* test_chat_people.c - contacts, presence, chats of two, several devices of a user, and what is done to messages. */
#include "test_chat.h"

enum { ALICE, BOB, CAROL, BOB2 };
static const char *const users[] = {"alice", "bob", "carol", "bob"};
static uint8_t id[RF_CONVERSATION_LEN];

struct contact_wanted {
    size_t device;
    const char *user;
    enum rf_chat_contact_state state;
    enum rf_chat_availability availability;
    bool found;
};

static void see_contact(void *arg, const struct rf_chat_contact *contact)
{
    struct contact_wanted *w = arg;
    w->found |= rf_view_equal(contact->user, rf_view_str(w->user)) && contact->state == w->state &&
                contact->presence.availability == w->availability;
}

static bool has_contact(void *arg)
{
    struct contact_wanted *w = arg;
    w->found = false;
    rf_chat_each_contact(chat_of(w->device), see_contact, w);
    return w->found;
}

static void expect_contact(size_t i, const char *user, enum rf_chat_contact_state state,
                           enum rf_chat_availability availability, unsigned seconds)
{
    struct contact_wanted w = {i, user, state, availability, false};
    if (!world_until(seconds, has_contact, &w))
        fail_msg("%s is not %s and %s for %zu", user, rf_chat_contact_state_name(state),
                 rf_chat_availability_name(availability), i);
}

static void settle(size_t i)
{
    node_net_settle(&world.net, world.devices[i].node);
}

static void befriend(void)
{
    struct rf_view alice = rf_view_str("alice@example.org"), bob = rf_view_str("bob@example.org");
    assert_int_equal(rf_chat_contact_add(chat_of(ALICE), bob, rf_view_str("it is me"), DONE(ALICE)), 0);
    settle(ALICE);
    expect_contact(BOB, "alice@example.org", RF_CHAT_CONTACT_ASKING, RF_CHAT_OFFLINE, 60);
    assert_int_equal(world.devices[ALICE].last_error, 0);
    assert_int_equal(rf_chat_contact_accept(chat_of(BOB), alice, DONE(BOB)), 0);
    settle(BOB);
    expect_contact(ALICE, "bob@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_ONLINE, 60);
    expect_contact(BOB, "alice@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_ONLINE, 60);
}

static void test_contacts(void **state)
{
    (void)state;
    world_init(21, users, 3);
    befriend();
    struct rf_view nobody = rf_view_str("nobody@example.org"), alice = rf_view_str("alice@example.org"),
                   carol = rf_view_str("carol@example.org");
    assert_int_equal(rf_chat_contact_add(chat_of(ALICE), nobody, rf_view_str(""), DONE(ALICE)), 0);
    settle(ALICE);
    world_run(20 * S);
    assert_int_equal(world.devices[ALICE].last_error, RF_ENOTFOUND);
    /* presence */
    assert_int_equal(rf_chat_set_presence(chat_of(BOB), RF_CHAT_AWAY, rf_view_str("lunch")), 0);
    settle(BOB);
    expect_contact(ALICE, "bob@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_AWAY, 20);
    assert_int_equal(rf_chat_set_presence(chat_of(BOB), RF_CHAT_INVISIBLE, rf_view_str("")), 0);
    settle(BOB);
    expect_contact(ALICE, "bob@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_OFFLINE, 20);
    device_kill(BOB);
    device_start(BOB);
    expect_contact(BOB, "alice@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_ONLINE, 60);
    device_kill(ALICE); /* nobody says that she has gone */
    expect_contact(BOB, "alice@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_OFFLINE, 400);
    device_start(ALICE);
    expect_contact(BOB, "alice@example.org", RF_CHAT_CONTACT_ACCEPTED, RF_CHAT_ONLINE, 60);
    /* refused and blocked */
    assert_int_equal(rf_chat_contact_add(chat_of(CAROL), alice, rf_view_str("hi"), DONE(CAROL)), 0);
    settle(CAROL);
    expect_contact(ALICE, "carol@example.org", RF_CHAT_CONTACT_ASKING, RF_CHAT_OFFLINE, 60);
    assert_int_equal(rf_chat_contact_refuse(chat_of(ALICE), carol, DONE(ALICE)), 0);
    settle(ALICE);
    expect_contact(CAROL, "alice@example.org", RF_CHAT_CONTACT_REFUSED, RF_CHAT_OFFLINE, 60);
    assert_int_equal(rf_chat_contact_block(chat_of(ALICE), carol, DONE(ALICE)), 0);
    world_run(12 * S);
    assert_int_equal(rf_chat_contact_add(chat_of(CAROL), alice, rf_view_str("hi"), DONE(CAROL)), 0);
    settle(CAROL);
    world_run(20 * S);
    expect_contact(ALICE, "carol@example.org", RF_CHAT_CONTACT_BLOCKED, RF_CHAT_OFFLINE, 1);
    assert_true(rf_chat_counters(chat_of(ALICE))->notes_blocked > 0);
    world_deinit();
}

/* A contact's chat of two is accepted at once; what is done to its messages. */
static void test_direct(void **state)
{
    (void)state;
    world_init(22, users, 3);
    befriend();
    struct rf_view bob = rf_view_str("bob@example.org"), none = {NULL, 0};
    uint8_t again[RF_CONVERSATION_LEN];
    assert_int_equal(rf_chat_create(chat_of(ALICE), none, true, &bob, 1, none, id, DONE(ALICE)), 0);
    settle(ALICE);
    expect_state(BOB, id, RF_CHAT_MEMBER, 60);
    assert_int_equal(rf_chat_create(chat_of(ALICE), none, true, &bob, 1, none, again, DONE(ALICE)),
                     RF_EEXIST);
    assert_memory_equal(again, id, sizeof(id));
    send_text(ALICE, id, "helo");
    expect_texts(ALL(ALICE, BOB), id, 30, "alice:helo");
    struct rf_keep_name name = world.devices[ALICE].last_name;
    assert_int_equal(rf_chat_edit(chat_of(BOB), id, &name, rf_view_str("forged"), DONE(BOB)), 0);
    assert_int_equal(rf_chat_edit(chat_of(ALICE), id, &name, rf_view_str("hello"), DONE(ALICE)), 0);
    settle(BOB);
    settle(ALICE);
    expect_texts(ALL(ALICE, BOB), id, 30, "alice:hello");
    assert_int_equal(rf_chat_react(chat_of(BOB), id, &name, rf_view_str("+1"), true, DONE(BOB)), 0);
    settle(BOB);
    unsigned changed = world.devices[ALICE].events[RF_CHAT_EVENT_CHANGED];
    world_run(10 * S);
    assert_true(world.devices[ALICE].events[RF_CHAT_EVENT_CHANGED] > changed);
    expect_texts(ALL(ALICE, BOB), id, 5, "alice:hello");
    assert_int_equal(rf_chat_delete(chat_of(ALICE), id, &name, DONE(ALICE)), 0);
    settle(ALICE);
    expect_texts(ALL(ALICE, BOB), id, 30, "alice:");
    /* marks */
    struct rf_chat_info info;
    send_text(ALICE, id, "read me");
    expect_texts(ALL(BOB), id, 30, "alice: alice:read me");
    assert_true(rf_chat_find(chat_of(BOB), id, &info));
    assert_true(info.read_index < info.next_index);
    assert_int_equal(rf_chat_mark(chat_of(BOB), id, RF_CHAT_MARK_READ, info.next_index - 1), 0);
    settle(BOB);
    unsigned marks = world.devices[ALICE].events[RF_CHAT_EVENT_MARK];
    world_run(10 * S);
    assert_true(world.devices[ALICE].events[RF_CHAT_EVENT_MARK] > marks);
    world_deinit();
}

/* Two devices of bob, one of which comes later: both are in, and what one accepts the other need not be asked. */
static void test_devices(void **state)
{
    (void)state;
    world_init(23, users, 4);
    device_kill(BOB2);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
    send_text(ALICE, id, "one");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "alice:one");
    device_start(BOB2); /* its key packages were there: it was added, and told */
    expect_state(BOB2, id, RF_CHAT_MEMBER, 120);
    send_text(BOB2, id, "two");
    expect_texts(ALL(ALICE, BOB, CAROL, BOB2), id, 60, "alice:one bob:two");
    assert_int_equal(users_in(ALICE, id), 3);
    world_deinit();
}

static void test_new_device(void **state)
{
    (void)state;
    world_init(24, users, 3);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
    send_text(ALICE, id, "one");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "alice:one");
    struct device *d = &world.devices[BOB2];
    *d = (struct device){.name = "bob"};
    d->node = node_net_add(&world.net, "bob", RF_NODE_CLIENT);
    assert_int_equal(rf_keep_mem_new(rf_mem_system(), &d->store), 0);
    world.count = 4;
    device_start(BOB2);
    expect_state(BOB2, id, RF_CHAT_MEMBER, 120);
    send_text(BOB2, id, "two");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 60, "alice:one bob:two");
    expect_texts(ALL(BOB2), id, 60, "bob:two");
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_contacts), cmocka_unit_test(test_direct),
                                       cmocka_unit_test(test_devices), cmocka_unit_test(test_new_device)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
