/* test_chat.c - conversations of several whole nodes: made, joined, written to, left. */
#include "test_chat.h"

enum { ALICE, BOB, CAROL };
static const char *const three[] = {"alice", "bob", "carol"};
static uint8_t id[RF_CONVERSATION_LEN];

static void test_group(void **state)
{
    (void)state;
    world_init(1, three, 3);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
    assert_int_equal(world.devices[ALICE].last_error, 0);
    assert_int_equal(users_in(ALICE, id), 3);
    send_text(ALICE, id, "hello");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello");
    send_text(BOB, id, "hi");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello bob:hi");
    send_text(CAROL, id, "hey");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 20, "alice:hello bob:hi carol:hey");
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
