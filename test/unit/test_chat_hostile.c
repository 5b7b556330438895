/* test_chat_hostile.c - members, homes and strangers who do not keep to the rules: whoever writes what, the others read on, and nobody gets what is not his. */
#include "test_chat.h"
#include "chat/internal.h"
#include "mls/bytes.h"

enum { ALICE, BOB, CAROL, MALLORY };
static const char *const four[] = {"alice", "bob", "carol", "mallory"};
static uint8_t id[RF_CONVERSATION_LEN];

static void start_three(uint64_t seed)
{
    world_init(seed, four, 4);
    make_group((const char *const[]){"bob@example.org", "carol@example.org"}, 2, ALL(BOB, CAROL), id);
}

/* What a device's engine has of the conversation: who can do everything writes what no engine would. */
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

/* A message of these items, with this time in it. */
static void say_raw(size_t i, const struct rf_buf *items, uint64_t sent_ms)
{
    struct chat_conv *conv = inside(i);
    struct rf_keep_name name;
    chat_enter(conv->chat);
    assert_int_equal(out_say(conv, rf_buf_view(items), false, &name), 0);
    out_find(conv, name.sequence)->sent_ms = sent_ms;
    out_kick(conv);
    chat_leave(conv->chat);
    settle(i);
}

/* Bytes as a handshake or as what else this type says. */
static void put_raw(size_t i, enum out_type type, struct rf_view bytes)
{
    struct chat_conv *conv = inside(i);
    chat_enter(conv->chat);
    assert_int_equal(out_message(conv, type, bytes, NULL), 0);
    out_kick(conv);
    chat_leave(conv->chat);
    settle(i);
}

static void put_name(enum item_type type, const struct rf_keep_name *name, struct rf_buf *items)
{
    uint8_t bytes[64];
    struct rf_buf body;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    name_encode(name, &body);
    item_put(type, rf_buf_view(&body), items);
}

static void expect_works(unsigned seconds)
{
    char before[256], expected[300];
    snprintf(before, sizeof(before), "%s", texts_of(ALICE, id));
    snprintf(expected, sizeof(expected), "%s%salice:works", before, before[0] == '\0' ? "" : " ");
    send_text(ALICE, id, "works");
    expect_texts(ALL(ALICE, BOB, CAROL), id, seconds, expected);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(chat_of(i)->broken, 0);
}

/* A change that no history takes, and more items than a message may have: the others leave them out, and read on. */
static void test_unfit(void **state)
{
    struct rf_buf items;
    (void)state;
    start_three(30);
    send_text(BOB, id, "mine");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "bob:mine");
    rf_buf_init(&items, rf_mem_system(), 1 << 20);
    put_name(ITEM_DELETE, &world.devices[BOB].last_name, &items);
    say_raw(BOB, &items, 0);
    world_run(20 * S);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(world.devices[i].events[RF_CHAT_EVENT_DISK], 0);
    rf_buf_reset(&items);
    for (int i = 0; i < 20000; i++)
        item_put(ITEM_MARK, rf_view_of("\1\0\0\0\0\0\0\0\0", 9), &items);
    say_raw(BOB, &items, 1);
    rf_buf_deinit(&items);
    world_run(20 * S);
    assert_int_equal(world.devices[ALICE].events[RF_CHAT_EVENT_MARK], 0);
    assert_true(rf_chat_counters(chat_of(ALICE))->entries_malformed >= 2);
    expect_works(30);
    world_deinit();
}

/* Who came and who went stands in the history for good, whoever was it. */
static void test_lines(void **state)
{
    struct rf_keep_name line = {.sequence = 0};
    struct rf_buf items;
    (void)state;
    start_three(31);
    assert_int_equal(rf_chat_set_topic(chat_of(ALICE), id, rf_view_str("spies"), DONE(ALICE)), 0);
    settle(ALICE);
    world_run(10 * S);
    assert_non_null(strstr(history(CAROL, id), "[topic spies]"));
    line.device = inside(ALICE)->chat->config.identity->node_id;
    rf_buf_init(&items, rf_mem_system(), 1 << 16);
    for (line.sequence = CHAT_HANDSHAKES; line.sequence < inside(ALICE)->handshake; line.sequence++)
        put_name(ITEM_DELETE, &line, &items);
    say_raw(ALICE, &items, 1);
    rf_buf_deinit(&items);
    world_run(10 * S);
    assert_non_null(strstr(history(CAROL, id), "[topic spies]"));
    assert_int_equal(world.devices[CAROL].events[RF_CHAT_EVENT_CHANGED], 0);
    expect_works(30);
    world_deinit();
}

/* ---- a certificate is renewed ---- */

static void test_renewed(void **state)
{
    (void)state;
    start_three(32);
    for (size_t i = 0; i < 3; i++) {
        struct net_node *n = &world.net.nodes[world.devices[i].node];
        assert_int_equal(rf_node_renew(n->node, rf_buf_view(&n->cert), world.net.now), 0);
    }
    send_text(BOB, id, "signed");
    expect_texts(ALL(ALICE, BOB, CAROL), id, 30, "bob:signed");
    assert_int_equal(rf_chat_set_topic(chat_of(ALICE), id, rf_view_str("too"), DONE(ALICE)), 0);
    settle(ALICE);
    expect_works(30);
    world_deinit();
}

/* ---- epochs to come ---- */

static void forge_ahead(size_t i, int count)
{
    struct chat_conv *conv = inside(i);
    for (int k = 0; k < count; k++) {
        struct rf_buf m;
        rf_buf_init(&m, rf_mem_system(), 4096);
        rf_buf_u16(&m, 1); /* mls10 */
        rf_buf_u16(&m, 2); /* PrivateMessage */
        mls_put_v(&m, rf_view_of(id, sizeof(id)));
        rf_buf_u64(&m, rf_mls_epoch(conv->group) + 1000 + (uint64_t)k);
        rf_buf_u8(&m, 1); /* application */
        for (int v = 0; v < 3; v++)
            mls_put_v(&m, rf_view_str("nothing"));
        put_raw(i, OUT_HANDSHAKE, rf_buf_view(&m));
        rf_buf_deinit(&m);
    }
}

/* Whoever writes of epochs to come: nobody gives up his place for that. */
static void test_ahead(void **state)
{
    (void)state;
    start_three(33);
    forge_ahead(BOB, 4);
    world_run(10 * S);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(state_of(i, id), RF_CHAT_MEMBER);
    forge_ahead(CAROL, 4);
    world_run(20 * S);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(state_of(i, id), RF_CHAT_MEMBER);
        assert_int_equal(rf_chat_counters(chat_of(i))->rejoins, 0);
    }
    assert_true(rf_chat_counters(chat_of(ALICE))->entries_undecryptable >= 8);
    expect_works(30);
    world_deinit();
}

/* A Commit is kept from a member: the others have gone on without him, the door shows it, and he comes in again. */
static void test_hole(void **state)
{
    struct rf_chat_info info;
    (void)state;
    start_three(34);
    world_run(10 * S);
    device_kill(BOB);
    assert_true(rf_chat_find(chat_of(ALICE), id, &info));
    assert_int_equal(rf_chat_set_topic(chat_of(ALICE), id, rf_view_str("next"), DONE(ALICE)), 0);
    settle(ALICE);
    world_run(20 * S);
    send_text(ALICE, id, "a");
    expect_texts(ALL(ALICE, CAROL), id, 30, "alice:a");
    send_text(CAROL, id, "c");
    expect_texts(ALL(ALICE, CAROL), id, 30, "alice:a carol:c");
    send_text(ALICE, id, "b");
    expect_texts(ALL(ALICE, CAROL), id, 30, "alice:a carol:c alice:b");
    world_withhold(&inside(ALICE)->resource, (uint8_t)info.next_index);
    device_start(BOB);
    world_run(60 * S);
    assert_int_equal(state_of(BOB, id), RF_CHAT_MEMBER);
    assert_int_equal(rf_chat_counters(chat_of(BOB))->rejoins, 1);
    send_text(CAROL, id, "d");
    expect_texts(ALL(BOB), id, 60, "carol:d");
    world_deinit();
}

/* ---- proposals that are no farewell ---- */

static void test_proposals(void **state)
{
    static const char *const devices[] = {"alice", "bob", "bob"};
    struct rf_mls_change update = {.type = RF_MLS_UPDATE};
    struct rf_buf message;
    (void)state;
    world_init(35, devices, 3);
    make_group((const char *const[]){"bob@example.org"}, 1, ALL(1), id);
    expect_state(2, id, RF_CHAT_MEMBER, 60);
    rf_buf_init(&message, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_mls_propose(inside(1)->group, &update, NULL, &message), 0);
    put_raw(1, OUT_HANDSHAKE, rf_buf_view(&message));
    rf_buf_deinit(&message);
    world_run(S);
    for (int s = 0; s < 20; s++) {
        assert_int_equal(state_of(2, id), RF_CHAT_MEMBER);
        world_run(S);
    }
    send_text(2, id, "still here");
    expect_texts(ALL(0, 1, 2), id, 30, "bob:still here");
    world_deinit();
}

/* ---- a home that helps a member ---- */

static struct {
    struct rf_chat_net real;
    rf_fetched_fn fetched;
    rf_stored_fn stored;
    void *arg;
    bool on;
} home;

static int home_lookup(void *ctx, const struct rf_id *resource, uint32_t kind, rf_fetched_fn done, void *arg)
{
    if (!home.on || kind != RF_KIND_ROSTER)
        return home.real.lookup(ctx, resource, kind, done, arg);
    assert_null(home.fetched);
    home.fetched = done;
    home.arg = arg;
    return 0;
}

static int home_store(void *ctx, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                      bool exists, struct rf_view value, uint32_t lifetime_s, rf_stored_fn done, void *arg)
{
    if (!home.on || kind != RF_KIND_ROSTER)
        return home.real.store(ctx, resource, kind, slot, exists, value, lifetime_s, done, arg);
    assert_null(home.stored);
    home.stored = done;
    home.arg = arg;
    return 0;
}

static void home_cancel(void *ctx, const void *arg)
{
    rf_stored_fn stored = home.stored;
    rf_fetched_fn fetched = home.fetched;
    if (arg == home.arg) {
        home.stored = NULL;
        home.fetched = NULL;
        if (stored != NULL)
            stored(home.arg, &(struct rf_store_result){.error = RF_ECANCELLED});
        if (fetched != NULL)
            fetched(home.arg, &(struct rf_fetch_result){.error = RF_ECANCELLED});
    }
    home.real.cancel(ctx, arg);
}

static void home_takes(size_t i)
{
    struct rf_chat_net *net = &chat_of(i)->config.net;
    memset(&home, 0, sizeof(home));
    home.real = *net;
    net->lookup = home_lookup;
    net->store = home_store;
    net->cancel = home_cancel;
    home.on = true;
}

static bool home_asked(void *arg)
{
    (void)arg;
    return home.stored != NULL || home.fetched != NULL;
}

static void home_stores(size_t i, int error, uint16_t code)
{
    assert_true(world_until(60, home_asked, NULL));
    rf_stored_fn fn = home.stored;
    assert_non_null(fn);
    home.stored = NULL;
    fn(home.arg, &(struct rf_store_result){.error = error, .error_code = code});
    settle(i);
}

static void home_shows(size_t i, struct rf_view roster, const struct rf_signer *signer)
{
    struct rf_fetched_value value = {.exists = true, .value = roster, .signer = signer};
    assert_true(world_until(60, home_asked, NULL));
    rf_fetched_fn fn = home.fetched;
    assert_non_null(fn);
    home.fetched = NULL;
    fn(home.arg, &(struct rf_fetch_result){.values = &value, .value_count = 1});
    settle(i);
}

/* The roster after alice's, with bob among its admins. */
static void forge_roster(struct rf_buf *out)
{
    struct chat_conv *conv = inside(ALICE);
    struct rf_roster roster;
    uint8_t hash[RF_SHA256_LEN], admins[2 * RF_ROSTER_TAG_LEN];
    assert_int_equal(rf_roster_decode(rf_buf_view(&conv->roster), &roster), 0);
    assert_int_equal(rf_sha256(world.net.pki.crypto, rf_buf_view(&conv->roster), hash), 0);
    const uint8_t *bob = group_user(conv, rf_view_str("bob@example.org"))->tag, *alice = roster.admins.p;
    bool first = memcmp(bob, alice, RF_ROSTER_TAG_LEN) < 0;
    memcpy(admins, first ? bob : alice, RF_ROSTER_TAG_LEN);
    memcpy(admins + RF_ROSTER_TAG_LEN, first ? alice : bob, RF_ROSTER_TAG_LEN);
    roster.sequence++;
    roster.previous = rf_view_of(hash, sizeof(hash));
    roster.admins = rf_view_of(admins, sizeof(admins));
    roster.members = rf_view_of(group_user(conv, rf_view_str("carol@example.org"))->tag, RF_ROSTER_TAG_LEN);
    rf_roster_encode(&roster, out);
    assert_int_equal(rf_buf_error(out), 0);
}

/* A home refuses an admin's roster and shows one that a member made: nobody becomes an admin by that. */
static void test_roster(void **state)
{
    struct rf_buf roster;
    (void)state;
    start_three(36);
    world_run(10 * S);
    const struct rf_identity *bob = inside(BOB)->chat->config.identity;
    const struct rf_signer signer = {.cert = bob->cert, .node_id = bob->node_id};
    struct rf_view carol = rf_view_str("carol@example.org");
    rf_buf_init(&roster, rf_mem_system(), 1 << 16);
    forge_roster(&roster);
    home_takes(ALICE);
    assert_int_equal(rf_chat_kick(chat_of(ALICE), id, &carol, 1, DONE(ALICE)), 0);
    settle(ALICE);
    home_stores(ALICE, RF_EREMOTE, RF_ERROR_FORBIDDEN);
    home_shows(ALICE, rf_buf_view(&roster), &signer);
    if (home.stored != NULL)
        home_stores(ALICE, 0, 0); /* made out of the forged one */
    home.on = false;
    expect_users(BOB, id, 2, 60);
    struct rf_chat_info info;
    assert_true(rf_chat_find(chat_of(BOB), id, &info));
    assert_false(info.admin);
    assert_true(world.devices[ALICE].events[RF_CHAT_EVENT_DOUBT] > 0);
    rf_buf_deinit(&roster);
    world_deinit();
}

/* Our place in the group is lost while the home thinks about a roster. */
static void test_lost_between(void **state)
{
    struct rf_view carol = rf_view_str("carol@example.org");
    (void)state;
    start_three(37);
    world_run(10 * S);
    home_takes(ALICE);
    assert_int_equal(rf_chat_kick(chat_of(ALICE), id, &carol, 1, DONE(ALICE)), 0);
    settle(ALICE);
    assert_true(world_until(60, home_asked, NULL));
    chat_enter(chat_of(ALICE));
    group_lost(inside(ALICE));
    chat_leave(chat_of(ALICE));
    if (home_asked(NULL))
        home_stores(ALICE, 0, 0);
    home.on = false;
    expect_state(ALICE, id, RF_CHAT_MEMBER, 120);
    expect_users(BOB, id, 2, 60); /* and what she wanted is made */
    world_deinit();
}

/* ---- a group of the same name ---- */

/* The Welcome of a group that bob made by himself, under the conversation's id, with carol in it. */
static void forge_welcome(struct rf_buf *value)
{
    struct rf_chat *bob = chat_of(BOB), *carol = chat_of(CAROL);
    struct rf_mls_profile profile;
    struct rf_mls_commit_options options = {.tree_in_welcome = true};
    struct rf_mls_event event;
    struct rf_mls *group = NULL;
    struct rf_buf extensions, commit, welcome, content;
    struct rf_buf *bufs[] = {&extensions, &commit, &welcome, &content};
    uint8_t zeros[CHAT_CHAIN_LEN] = {0};
    for (size_t i = 0; i < RF_COUNT(bufs); i++)
        rf_buf_init(bufs[i], rf_mem_system(), 1 << 20);
    struct shape shape = {
        .roster_hash = rf_view_of(zeros, RF_ROSTER_HASH_LEN),
        .admins = rf_view_of(group_user(inside(BOB), rf_view_str("bob@example.org"))->tag, RF_ROSTER_TAG_LEN),
        .title = rf_view_str("team")};
    shape_extensions(&shape, &extensions);
    assert_int_equal(group_profile(bob, &profile), 0);
    assert_int_equal(rf_mls_create(&bob->mls, bob->suite, &profile, 0,
                                   world.net.now.wall_ms / RF_MS_PER_S + 1000000, rf_view_of(id, sizeof(id)),
                                   rf_buf_view(&extensions), &group),
                     0);
    const struct chat_key *key = RF_LIST_ENTRY(carol->keys.all.next, const struct chat_key, list);
    struct rf_mls_change add = {.type = RF_MLS_ADD, .key_package = rf_buf_view(&key->message)};
    assert_int_equal(rf_mls_commit(group, &add, 1, &options, &commit), 0);
    assert_int_equal(rf_mls_process(group, rf_buf_view(&commit), &event), 0);
    welcome_encode(&(struct welcome){0, rf_view_of(zeros, sizeof(zeros)), rf_mls_welcome(group)}, &welcome);
    parcel_encode(&(struct parcel){.type = PARCEL_WELCOME, .pieces = 1, .bytes = rf_buf_view(&welcome)},
                  &content);
    rf_entry_encode(&(struct rf_entry){.sequence = CHAT_HANDSHAKES + 77, .content = rf_buf_view(&content)},
                    value);
    assert_int_equal(rf_buf_error(value), 0);
    rf_mls_free(group);
    for (size_t i = 0; i < RF_COUNT(bufs); i++)
        rf_buf_deinit(bufs[i]);
}

/* Carol is invited by alice: she does not enter a group that another one made under that name. */
static void test_other_group(void **state)
{
    struct rf_view carol = rf_view_str("carol@example.org");
    struct rf_buf value;
    (void)state;
    world_init(38, four, 3);
    make_group((const char *const[]){"bob@example.org"}, 1, ALL(BOB), id);
    assert_int_equal(rf_chat_invite(chat_of(ALICE), id, &carol, 1, rf_view_str(""), DONE(ALICE)), 0);
    settle(ALICE);
    expect_state(CAROL, id, RF_CHAT_INVITED, 60);
    rf_buf_init(&value, rf_mem_system(), 1 << 20);
    forge_welcome(&value);
    struct chat_conv *conv = inside(CAROL);
    const struct rf_identity *bob = inside(BOB)->chat->config.identity;
    const struct rf_signer signer = {.cert = bob->cert, .node_id = bob->node_id};
    struct rf_fetched_value v = {.exists = true, .value = rf_buf_view(&value), .signer = &signer};
    uint32_t scan = conv->scan;
    chat_enter(conv->chat);
    conv->state = RF_CHAT_JOINING;
    conv->scan = scan + 5;
    assert_false(entry_scan(conv, &v));
    conv->scan = scan;
    conv->state = RF_CHAT_INVITED;
    chat_leave(conv->chat);
    rf_buf_deinit(&value);
    assert_int_equal(rf_chat_accept(chat_of(CAROL), id, DONE(CAROL)), 0);
    settle(CAROL);
    expect_state(CAROL, id, RF_CHAT_MEMBER, 60);
    expect_works(30);
    world_deinit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unfit),       cmocka_unit_test(test_lines),
        cmocka_unit_test(test_renewed),     cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_hole),        cmocka_unit_test(test_proposals),
        cmocka_unit_test(test_roster),      cmocka_unit_test(test_lost_between),
        cmocka_unit_test(test_other_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
