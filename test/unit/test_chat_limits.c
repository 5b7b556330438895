/* test_chat_limits.c - where there is too much, too little, or nothing any more: a conversation goes on, or can be left, and the engine never stops for it. */
#include "test_chat.h"
#include "chat/internal.h"

enum { ALICE, BOB, CAROL };
static const char *const three[] = {"alice", "bob", "carol"};
static uint8_t id[RF_CONVERSATION_LEN];

static void start_three(uint64_t seed)
{
    world_init(seed, three, 3);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
}

static struct chat_conv *inside(size_t i)
{
    struct chat_conv *conv = chat_conv_find(chat_of(i), id);
    assert_non_null(conv);
    return conv;
}

static void settle(size_t i)
{
    node_net_settle(&world.net, world.devices[i].node);
}

/* A Welcome of a thousand devices is sent; one of more than can be is refused as too long, and nothing ends. */
static void test_long_welcome(void **state)
{
    struct rf_buf big;
    (void)state;
    start_three(40);
    rf_buf_init(&big, rf_mem_system(), (size_t)8 << 20);
    while (big.len < (size_t)2 << 20)
        rf_buf_str(&big, "a leaf of a tree that is very large ");
    chat_enter(chat_of(ALICE));
    assert_int_equal(out_message(inside(ALICE), OUT_WELCOME, rf_buf_view(&big), NULL), 0);
    while (big.len < (size_t)5 << 20)
        rf_buf_str(&big, "a leaf of a tree that is larger still ");
    assert_int_equal(out_message(inside(ALICE), OUT_WELCOME, rf_buf_view(&big), NULL), RF_ELIMIT);
    chat_leave(chat_of(ALICE));
    settle(ALICE);
    rf_buf_deinit(&big);
    send_text(BOB, id, "past it");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 120, "bob:past it");
    struct rf_chat_info info;
    assert_true(rf_chat_find(chat_of(CAROL), id, &info));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(chat_of(i)->broken, 0);
    world_deinit();
}

/* What was sealed anew while its first form went to the disk waits for its own form to be there. */
static void test_sealed_twice(void **state)
{
    (void)state;
    start_three(41);
    world_run(10 * S);
    struct chat_conv *conv = inside(BOB);
    send_text(BOB, id, "once");
    assert_false(rf_list_empty(&conv->outs));
    struct chat_out *out = RF_LIST_ENTRY(conv->outs.next, struct chat_out, list);
    assert_true(out->sealed.len > 0 && !out->durable); /* on its way to the disk */
    chat_enter(conv->chat);
    out->epoch--; /* as if a Commit had come in */
    out_kick(conv);
    chat_leave(conv->chat);
    assert_non_null(conv->chat->disk.open);
    node_net_run(&world.net, 10 * RF_US_PER_MS);
    rf_chat_kept(conv->chat, conv->chat->disk.token, 0); /* the first one only */
    assert_false(out->durable || out->tried || conv->storing);
    world_deinit();
}

/* After so many messages somebody makes new keys, and a change that another Commit was taken for is still made. */
static void test_new_keys(void **state)
{
    (void)state;
    start_three(42);
    world_run(5 * S);
    uint64_t epoch = rf_mls_epoch(inside(BOB)->group);
    for (int i = 0; i < CHAT_SENT_MAX + 10; i++)
        send_text(BOB, id, "x");
    world_run(60 * S);
    assert_true(rf_mls_epoch(inside(BOB)->group) > epoch);
    assert_true(rf_mls_epoch(inside(BOB)->group) <= epoch + 2);
    assert_true(rf_mls_sent(inside(BOB)->group) < CHAT_SENT_MAX);
    assert_int_equal(rf_mls_epoch(inside(ALICE)->group), rf_mls_epoch(inside(BOB)->group));
    /* alice's Commit of nothing is under way, and the change finds it pending */
    struct rf_buf message;
    rf_buf_init(&message, rf_mem_system(), RF_MLS_MESSAGE_MAX_LEN);
    struct rf_view carol = rf_view_str("carol@example.org");
    chat_enter(chat_of(ALICE));
    assert_int_equal(rf_mls_commit(inside(ALICE)->group, NULL, 0, NULL, &message), 0);
    assert_int_equal(out_message(inside(ALICE), OUT_HANDSHAKE, rf_buf_view(&message), NULL), 0);
    assert_int_equal(rf_chat_kick(chat_of(ALICE), id, &carol, 1, DONE(ALICE)), 0);
    out_kick(inside(ALICE));
    chat_leave(chat_of(ALICE));
    settle(ALICE);
    rf_buf_deinit(&message);
    expect_users(ALICE, id, 2, 30);
    expect_state(CAROL, id, RF_CHAT_ENDED, 30);
    world_deinit();
}

/* All of the log has expired, and it begins again: that is read too. Its indexes are low again, so in the history it stands in front. */
static void test_new_log(void **state)
{
    struct rf_chat_info info;
    (void)state;
    start_three(43);
    send_text(ALICE, id, "old");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "alice:old");
    world_run(10 * S);
    assert_true(rf_chat_find(chat_of(ALICE), id, &info));
    assert_true(info.next_index > 2);
    for (uint64_t i = 0; i < info.next_index; i++)
        world_withhold(&inside(ALICE)->resource, (uint8_t)i);
    send_text(BOB, id, "new");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 120, "bob:new alice:old");
    send_text(CAROL, id, "newer");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 120, "bob:new carol:newer alice:old");
    world_deinit();
}

/* A home tells of entries that nobody has: when another one says what there is, that is read. */
static void test_far_index(void **state)
{
    (void)state;
    start_three(44);
    world_run(10 * S);
    struct chat_conv *conv = inside(BOB);
    chat_enter(conv->chat);
    conv->log_first = conv->log_next = conv->told_next = UINT32_MAX;
    log_kick(conv);
    chat_leave(conv->chat);
    settle(BOB);
    world_run(30 * S);
    send_text(ALICE, id, "hear me");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 120, "alice:hear me");
    world_deinit();
}

/* ---- waiting outside ---- */

static uint8_t invented[RF_CONVERSATION_LEN];

/* A letter of carol's with this invitation in it. */
static void write_invite(size_t i, uint8_t number, struct invite invite)
{
    struct rf_chat *chat = chat_of(i);
    struct rf_buf body, plain, doors, letter, value;
    struct rf_signer signer = {.cert = chat_of(CAROL)->config.identity->cert,
                               .node_id = chat_of(CAROL)->config.identity->node_id};
    struct rf_buf *bufs[] = {&body, &plain, &doors, &letter, &value};
    for (size_t k = 0; k < RF_COUNT(bufs); k++)
        rf_buf_init(bufs[k], rf_mem_system(), 1 << 16);
    invite_encode(&invite, &body);
    rf_buf_u8(&plain, 1);
    note_put(NOTE_INVITE, rf_buf_view(&body), &plain);
    rf_buf_v(&doors, 1, rf_view_of(chat->door.public, chat->door.public_len));
    chat_enter(chat);
    assert_int_equal(
        letter_seal(chat, rf_buf_view(&doors), rf_id_view(&chat->inbox), rf_buf_view(&plain), &letter), 0);
    rf_note_encode(rf_buf_view(&letter), &value);
    struct rf_fetched_value v = {.exists = true,
                                 .value = rf_buf_view(&value),
                                 .storage_time_ms = world.net.now.wall_ms + number,
                                 .signer = &signer};
    inbox_take(chat, &v);
    chat_leave(chat);
    settle(i);
    for (size_t k = 0; k < RF_COUNT(bufs); k++)
        rf_buf_deinit(bufs[k]);
}

static void invent(size_t i, uint8_t number)
{
    uint8_t nonce[RF_CONVERSATION_NONCE_LEN] = {number};
    write_invite(
        i, number,
        (struct invite){.nonce = rf_view_of(nonce, sizeof(nonce)), .creator = rf_view_str("x@example.org")});
}

/* Invitations to what is not there: few of one user wait, and who refused one is rid of it. */
static void test_invented(void **state)
{
    size_t count = 0;
    (void)state;
    start_three(45);
    for (uint8_t n = 1; n <= 20; n++)
        invent(BOB, n);
    RF_LIST_EACH(&chat_of(BOB)->order, it)
    {
        count += RF_LIST_ENTRY(it, const struct chat_conv, list)->state == RF_CHAT_INVITED;
    }
    assert_int_equal(count, 4);
    uint8_t nonce[RF_CONVERSATION_NONCE_LEN] = {1};
    assert_int_equal(rf_conversation_id(world.net.pki.crypto, rf_view_of(nonce, sizeof(nonce)),
                                        rf_view_str("x@example.org"), invented),
                     0);
    assert_int_equal(rf_chat_refuse(chat_of(BOB), invented, DONE(BOB)), 0);
    settle(BOB);
    world_run(60 * S);
    if (state_of(BOB, invented) != RF_CHAT_ENDED)
        assert_int_equal(state_of(BOB, invented), RF_CHAT_JOINING);
    assert_int_equal(
        rf_chat_leave(chat_of(BOB), invented, DONE(BOB)) == 0 || state_of(BOB, invented) == RF_CHAT_ENDED, 1);
    assert_int_equal(rf_chat_forget(chat_of(BOB), invented, DONE(BOB)), 0);
    settle(BOB);
    world_run(S);
    assert_int_equal(state_of(BOB, invented), 0);
    world_deinit();
}

/* Who is waiting for his Welcome looks where his inviter says, not where anybody else does; a user who is named twice is brought in once. */
static void test_from(void **state)
{
    static const char *const names[] = {"alice", "bob", "carol"};
    struct rf_view twice[] = {rf_view_str("bob@example.org"), rf_view_str("bob@example.org")};
    (void)state;
    world_init(51, names, 3);
    assert_int_equal(rf_chat_create(chat_of(ALICE), rf_view_str("team"), false, twice, 2, rf_view_str(""), id,
                                    DONE(ALICE)),
                     0);
    settle(ALICE);
    expect_state(BOB, id, RF_CHAT_INVITED, 60);
    assert_int_equal(world.devices[ALICE].last_error, 0);
    assert_int_equal(rf_chat_accept(chat_of(BOB), id, DONE(BOB)), 0); /* and before he has looked */
    struct chat_conv *conv = inside(BOB);
    uint32_t scan = conv->scan;
    write_invite(BOB, 1,
                 (struct invite){.nonce = rf_view_of(conv->nonce, sizeof(conv->nonce)),
                                 .creator = rf_buf_view(&conv->creator),
                                 .from = 1000});
    assert_int_equal(conv->scan, scan);
    settle(BOB);
    expect_state(BOB, id, RF_CHAT_MEMBER, 60);
    world_deinit();
}

/* ---- too many who ask ---- */

static void test_askers(void **state)
{
    struct rf_view dave = rf_view_str("dave@example.org");
    char name[32];
    uint8_t direct[RF_CONVERSATION_LEN];
    size_t asking = 0;
    (void)state;
    start_three(46);
    chat_enter(chat_of(BOB));
    for (unsigned i = 0; i < CHAT_MAX_PEERS + 50; i++) {
        snprintf(name, sizeof(name), "s%u@example.org", i);
        contact_request(chat_of(BOB), rf_view_str(name), rf_view_str("hello"));
    }
    chat_leave(chat_of(BOB));
    settle(BOB);
    world_run(S);
    RF_LIST_EACH(&chat_of(BOB)->peer_order, it)
    {
        asking += RF_LIST_ENTRY(it, const struct chat_peer, list)->contact == RF_CHAT_CONTACT_ASKING;
    }
    assert_int_equal(asking, 100);
    assert_int_equal(
        rf_chat_create(chat_of(BOB), rf_view_str(""), true, &dave, 1, rf_view_str(""), direct, DONE(BOB)), 0);
    settle(BOB);
    assert_int_equal(chat_of(BOB)->broken, 0);
    send_text(BOB, id, "fine");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "bob:fine");
    world_deinit();
}

/* ---- what cannot be read any more ---- */

static int drop_sent(void *ctx, const struct rf_keep_record *record)
{
    if (record->state != NULL && record->state->part == PART_SENT)
        return rf_chat_load(ctx, &(struct rf_keep_record){.damaged = record->state->conversation});
    return rf_chat_load(ctx, record);
}

/* Which keys were used cannot be read: none is used again, he comes in anew. */
static void test_damaged(void **state)
{
    (void)state;
    start_three(47);
    send_text(BOB, id, "before");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "bob:before");
    world_run(20 * S);
    device_kill(BOB);
    world_load = drop_sent;
    device_start(BOB);
    world_load = NULL;
    expect_state(BOB, id, RF_CHAT_MEMBER, 120);
    assert_int_equal(rf_chat_counters(chat_of(BOB))->rejoins, 1);
    send_text(BOB, id, "after");
    expect_texts(ALL(ALICE, CAROL, BOB), id, 60, "bob:before bob:after");
    world_deinit();
}

/* ---- who knocks, and who does not answer ---- */

static struct {
    struct rf_chat_net real;
    rf_fetched_fn fetched;
    unsigned doors; /* that were written */
    struct rf_id mute;
    unsigned asked;
} net;

static int net_store(void *ctx, const struct rf_id *resource, uint32_t kind, struct rf_view slot, bool exists,
                     struct rf_view value, uint32_t lifetime_s, rf_stored_fn done, void *arg)
{
    net.doors += kind == RF_KIND_DOOR;
    return net.real.store(ctx, resource, kind, slot, exists, value, lifetime_s, done, arg);
}

static void mute_done(void *arg, const struct rf_fetch_result *result)
{
    struct rf_fetch_result bad = *result;
    bad.error = result->error == RF_ECANCELLED ? RF_ECANCELLED : RF_EUNREACHABLE;
    bad.value_count = 0;
    net.fetched(arg, &bad);
}

static int net_lookup(void *ctx, const struct rf_id *resource, uint32_t kind, rf_fetched_fn done, void *arg)
{
    if (kind != RF_KIND_KEY_PACKAGE || !rf_id_equal(resource, &net.mute))
        return net.real.lookup(ctx, resource, kind, done, arg);
    net.asked++;
    net.fetched = done;
    return net.real.lookup(ctx, resource, kind, mute_done, arg);
}

static void net_looks(size_t i)
{
    struct rf_chat_net *n = &chat_of(i)->config.net;
    net.real = *n;
    n->store = net_store;
    n->lookup = net_lookup;
}

/* Somebody knocks: one opens, and the others see it. */
static void test_one_opens(void **state)
{
    (void)state;
    start_three(48);
    world_run(20 * S);
    memset(&net, 0, sizeof(net));
    net_looks(ALICE);
    net_looks(BOB);
    struct chat_conv *conv = inside(CAROL);
    chat_enter(conv->chat);
    assert_int_equal(out_message(conv, OUT_KNOCK,
                                 rf_view_of(chat_of(BOB)->door.public, chat_of(BOB)->door.public_len), NULL),
                     0);
    out_kick(conv);
    chat_leave(conv->chat);
    settle(CAROL);
    world_run(20 * S);
    assert_int_equal(net.doors, 0); /* it stands open for him */
    world_deinit();
}

/* Nobody is told where one user's devices are: the others come in, and what comes next is made. */
static void test_mute(void **state)
{
    static const char *const names[] = {"alice", "bob", "carol"};
    struct rf_view both[] = {rf_view_str("bob@example.org"), rf_view_str("carol@example.org")};
    (void)state;
    world_init(49, names, 3);
    memset(&net, 0, sizeof(net));
    net_looks(ALICE);
    assert_int_equal(chat_resource_of(chat_of(ALICE), both[0], &net.mute), 0);
    assert_int_equal(
        rf_chat_create(chat_of(ALICE), rf_view_str("team"), false, both, 2, rf_view_str(""), id, DONE(ALICE)),
        0);
    settle(ALICE);
    expect_state(CAROL, id, RF_CHAT_INVITED, 300);
    assert_true(net.asked >= 3);
    assert_int_equal(world.devices[ALICE].last_error, RF_EUNREACHABLE);
    world_deinit();
}

/* A start does not write to everybody who ever asked. */
static void test_notes(void **state)
{
    char name[32];
    (void)state;
    start_three(50);
    chat_enter(chat_of(BOB));
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "s%u@example.org", i);
        contact_request(chat_of(BOB), rf_view_str(name), rf_view_str("hello"));
    }
    chat_leave(chat_of(BOB));
    settle(BOB);
    world_run(S);
    device_kill(BOB);
    device_start(BOB);
    assert_true(chat_of(BOB)->peers.count >= 20);
    RF_LIST_EACH(&chat_of(BOB)->peer_order, it)
    {
        const struct chat_peer *peer = RF_LIST_ENTRY(it, const struct chat_peer, list);
        if (peer->contact == RF_CHAT_CONTACT_ASKING)
            assert_false(peer->notes_changed);
    }
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_welcome), cmocka_unit_test(test_sealed_twice),
        cmocka_unit_test(test_new_keys),     cmocka_unit_test(test_new_log),
        cmocka_unit_test(test_far_index),    cmocka_unit_test(test_invented),
        cmocka_unit_test(test_askers),       cmocka_unit_test(test_from),
        cmocka_unit_test(test_damaged),      cmocka_unit_test(test_one_opens),
        cmocka_unit_test(test_mute),         cmocka_unit_test(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
