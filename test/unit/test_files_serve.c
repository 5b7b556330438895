/* test_files_serve.c - who gets what, and what becomes of those who ask for too much or say what makes no sense. */
#include <string.h>
#include "test_files.h"

#define BITS  14
#define CHUNK ((uint64_t)1 << BITS)

/* Node 0 has a file; the test plays its peer by hand: what it says and what it hears. */
static struct {
    struct rf_buf heard;
    rf_files_conn conn;
} peer;

static void connect_by_hand(void)
{
    net.conns[net.conn_count++] = (struct net_conn){.open = true, .by_hand = true, .ends = {0, 5}};
    peer.conn = net.conn_count;
    rf_files_up(net.nodes[0].files, peer.conn, &net.nodes[5].id, false, net.now);
}

static void say(const struct rf_file_message *m)
{
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 65536);
    rf_file_message_encode(m, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    rf_files_data(net.nodes[0].files, peer.conn, rf_buf_view(&buf), net.now);
    rf_buf_deinit(&buf);
}

static void open_channel(const struct net_file *f, uint16_t channel, size_t asker, size_t holder)
{
    struct rf_file_keys keys;
    uint8_t access[32];
    assert_int_equal(rf_file_keys(net.crypto, f->secret, &keys), 0);
    assert_int_equal(rf_file_access(net.crypto, &keys, f->id, rf_id_view(&net.nodes[asker].id),
                                    rf_id_view(&net.nodes[holder].id), access),
                     0);
    const struct rf_file_message m = {
        .type = RF_FILE_OPEN, .channel = channel, .id = {f->id, 32}, .access = {access, 32}};
    say(&m);
}

/* The next message that came; false: none. */
static bool hear(struct rf_file_message *m)
{
    struct net_pipe *pipe = &net.conns[peer.conn - 1].to[1];
    static uint8_t taken[400000];
    struct rf_view in = {pipe->p, pipe->len};
    if (pipe->len == 0 || rf_file_message_next(&in, m) != 0)
        return false;
    size_t len = pipe->len - in.len;
    memcpy(taken, pipe->p, len);
    memmove(pipe->p, pipe->p + len, in.len);
    pipe->len = in.len;
    in = rf_view_of(taken, len);
    return rf_file_message_next(&in, m) == 0;
}

static void run_a_while(void)
{
    (void)net_run(100 * 1000, NULL, NULL);
}

static void test_who_may(void **state)
{
    struct rf_file_message m;
    (void)state;
    struct net_file *f = net_make(0, 5 * CHUNK, BITS), other = *f;
    connect_by_hand();
    open_channel(f, 1, 5, 0);
    assert_true(hear(&m) && m.type == RF_FILE_HAVE && m.channel == 1 && m.all);
    open_channel(f, 2, 4, 0); /* what another node would show */
    assert_true(hear(&m) && m.type == RF_FILE_REFUSE && m.channel == 2 && m.why == RF_FILE_WHY_UNKNOWN);
    open_channel(f, 3, 5, 4); /* ... and to another node */
    assert_true(hear(&m) && m.type == RF_FILE_REFUSE && m.why == RF_FILE_WHY_UNKNOWN);
    other.secret[0] ^= 1; /* who knows the id and not the secret */
    open_channel(&other, 4, 5, 0);
    assert_true(hear(&m) && m.type == RF_FILE_REFUSE && m.why == RF_FILE_WHY_UNKNOWN);
    other = *f;
    other.id[31] ^= 1; /* another file: the same answer */
    open_channel(&other, 5, 5, 0);
    assert_true(hear(&m) && m.type == RF_FILE_REFUSE && m.why == RF_FILE_WHY_UNKNOWN);
    /* and nothing comes on a channel that was refused */
    const struct rf_file_message get = {.type = RF_FILE_GET, .channel = 4, .first = 0, .count = 1};
    say(&get);
    run_a_while();
    assert_false(hear(&m));
    assert_int_equal(rf_files_counters(net.nodes[0].files)->asked_wrong, 4);
    for (int i = 0; i < 20; i++)
        open_channel(&other, 5, 5, 0);
    run_a_while();
    assert_false(net.conns[peer.conn - 1].open); /* who guesses is thrown out */
}

static void test_chunks(void **state)
{
    struct rf_file_message m;
    uint8_t leaf[32];
    (void)state;
    struct net_file *f = net_make(0, 5 * CHUNK - 7, BITS);
    connect_by_hand();
    open_channel(f, 1, 5, 0);
    const struct rf_file_message get = {.type = RF_FILE_GET, .channel = 1, .first = 2, .count = 3},
                                 cancel = {.type = RF_FILE_CANCEL, .channel = 1, .first = 3, .count = 1};
    say(&get);
    say(&cancel); /* from the middle */
    run_a_while();
    assert_true(hear(&m) && m.type == RF_FILE_HAVE);
    for (uint32_t i = 2; i < 5; i += 2) {
        assert_true(hear(&m) && m.type == RF_FILE_CHUNK && m.first == i);
        assert_int_equal(rf_file_check(net.crypto, &f->shape, f->id, i, m.sealed, m.proof, leaf), 0);
    }
    assert_false(hear(&m));
}

/* A reader who does not read has a bounded number of bytes under way, and others are served. */
static void test_no_reader(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 400 * CHUNK, BITS);
    connect_by_hand();
    open_channel(f, 1, 5, 0);
    const struct rf_file_message get = {.type = RF_FILE_GET, .channel = 1, .first = 0, .count = 400};
    say(&get);
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 0);
    assert_true(net_run(60 * RF_US_PER_S, net_fetched, &net.nodes[1]));
    assert_true(net.conns[peer.conn - 1].to[1].len <= (size_t)512 << 10);
    assert_true(net.conns[peer.conn - 1].open);
}

static void test_too_much(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 400 * CHUNK, BITS);
    connect_by_hand();
    open_channel(f, 1, 5, 0);
    const struct rf_file_message get = {.type = RF_FILE_GET, .channel = 1, .first = 0, .count = 400};
    for (int i = 0; i < 3; i++) /* 1200 chunks */
        say(&get);
    run_a_while();
    assert_false(net.conns[peer.conn - 1].open);
    assert_int_equal(rf_files_counters(net.nodes[0].files)->bad_messages, 1);
}

static void test_channels_are_few(void **state)
{
    struct rf_file_message m;
    (void)state;
    struct net_file *f = net_make(0, CHUNK, BITS);
    connect_by_hand();
    for (uint16_t i = 0; i < 16; i++) {
        open_channel(f, i, 5, 0);
        assert_true(hear(&m) && m.type == RF_FILE_HAVE);
    }
    open_channel(f, 16, 5, 0);
    assert_true(hear(&m) && m.type == RF_FILE_REFUSE && m.why == RF_FILE_WHY_BUSY);
    const struct rf_file_message close = {.type = RF_FILE_CLOSE, .channel = 3};
    say(&close);
    open_channel(f, 16, 5, 0);
    assert_true(hear(&m) && m.type == RF_FILE_HAVE && m.channel == 16);
}

static void test_nonsense(void **state)
{
    static const uint8_t nonsense[][12] = {
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
        {0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0},
        {0, 0, 9, 2, 0, 1, 0, 0, 1, 0x90, 0, 1}, /* GET of chunk 400 of 400 */
        {'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P', '/', '1'},
    };
    (void)state;
    struct net_file *f = net_make(0, 400 * CHUNK, BITS);
    for (size_t i = 0; i < RF_COUNT(nonsense); i++) {
        connect_by_hand();
        open_channel(f, 1, 5, 0);
        for (size_t at = 0; at < 12; at++) /* byte by byte */
            rf_files_data(net.nodes[0].files, peer.conn, rf_view_of(&nonsense[i][at], 1), net.now);
        run_a_while();
        assert_false(net.conns[peer.conn - 1].open);
        assert_int_equal(rf_files_counters(net.nodes[0].files)->bad_messages, i + 1);
    }
}

/* The file was changed under us: it is not served, we say so, and who fetches goes to others. */
static void test_changed(void **state)
{
    (void)state;
    struct net_file *f = net_make(0, 50 * CHUNK, BITS);
    net_give(2, f, NULL);
    net.nodes[0].read_error = RF_EMISMATCH;
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 0);
    (void)net_run(5 * RF_US_PER_S, NULL, NULL);
    assert_int_equal(net.nodes[0].unreadable, 1);
    assert_int_equal(net.nodes[0].error, RF_EMISMATCH);
    assert_int_equal(net.nodes[1].bad, 0);
    net_source(1, g, 2);
    assert_true(net_run(60 * RF_US_PER_S, net_fetched, &net.nodes[1]));
    assert_true(net_same(f, g));
}

static void test_rate(void **state)
{
    (void)state;
    struct rf_files_config slow = {.send_rate = 1000000};
    net_stop(0);
    net_start(0, &slow);
    struct net_file *f = net_make(0, 200 * CHUNK, BITS), *g = net_fetch(1, f);
    net_source(1, g, 0);
    uint64_t before = net.now.mono_us;
    assert_true(net_run(60 * RF_US_PER_S, net_fetched, &net.nodes[1]));
    uint64_t took = net.now.mono_us - before; /* 3.3 MB, the first quarter of a second's worth at once */
    assert_true(took > 2900000 && took < 4000000);
}

static void test_connections_are_few(void **state)
{
    (void)state;
    struct rf_files_config few = {.max_conns = 1};
    net_stop(0);
    net_start(0, &few);
    struct net_file *f = net_make(0, 5 * CHUNK, BITS);
    connect_by_hand();
    open_channel(f, 1, 5, 0); /* it is in use */
    struct net_file *g = net_fetch(1, f);
    net_source(1, g, 0);
    (void)net_run(5 * RF_US_PER_S, NULL, NULL);
    assert_int_equal(net.nodes[1].fetched, 0);
    assert_true(rf_files_counters(net.nodes[0].files)->connections_refused >= 1);
    const struct rf_file_message close = {.type = RF_FILE_CLOSE, .channel = 1};
    say(&close);
    assert_true(net_run(120 * RF_US_PER_S, net_fetched, &net.nodes[1])); /* it made room */
    assert_false(net.conns[0].open);
}

/* A connection that says nothing of a channel ends, whatever it says. */
static void test_talk_keeps_nothing(void **state)
{
    (void)state;
    net_make(0, CHUNK, BITS);
    connect_by_hand();
    for (size_t i = 0; i < 4; i++) {
        const struct rf_file_message close = {.type = RF_FILE_CLOSE, .channel = 1};
        const struct rf_file_message miss = {.type = RF_FILE_MISS, .channel = 1, .why = 1};
        if (net.conns[0].open) {
            say(&close);
            say(&miss);
        }
        (void)net_run(9 * RF_US_PER_S, NULL, NULL);
    }
    assert_false(net.conns[0].open);
}

/* Strangers who connect and connect: there is room for ours, and for who comes after them. */
static void test_strangers(void **state)
{
    struct rf_id stranger = {.len = 16, .b = {0xee}};
    (void)state;
    struct net_file *f = net_make(0, 5 * CHUNK, BITS), *mine = net_make(1, 5 * CHUNK, BITS);
    const struct rf_files_counters *counters = rf_files_counters(net.nodes[0].files);
    for (size_t i = 0; i < 40; i++) {
        stranger.b[1] = (uint8_t)(i / 2);
        net.conns[net.conn_count++] = (struct net_conn){.open = true, .by_hand = true, .ends = {0, 5}};
        rf_files_up(net.nodes[0].files, net.conn_count, &stranger, false, net.now);
        net.now.mono_us++;
    }
    for (size_t i = 0; i < 3; i++) { /* a third one of the last of them: his first one ends */
        net.conns[net.conn_count++] = (struct net_conn){.open = true, .by_hand = true, .ends = {0, 5}};
        rf_files_up(net.nodes[0].files, net.conn_count, &stranger, false, net.now);
        net.now.mono_us++;
        assert_false(net.conns[38 + i].open);
    }
    struct net_file *g = net_fetch(1, f), *h = net_fetch(0, mine);
    net_source(1, g, 0);
    net_source(0, h, 1);
    assert_true(net_run(2 * RF_US_PER_S, net_fetched, &net.nodes[1]));
    assert_true(net_run(2 * RF_US_PER_S, net_fetched, &net.nodes[0]));
    assert_int_equal(counters->connections_refused, 0);
}

/* The table full of strangers: the one idle for longest gives its place, and only ours may have the last quarter. */
static void test_full_table(void **state)
{
    struct rf_id stranger = {.len = 16, .b = {0xee}};
    struct rf_files_config few = {.max_conns = 8};
    (void)state;
    net_stop(0);
    net_start(0, &few);
    struct net_file *f = net_make(0, 5 * CHUNK, BITS);
    for (size_t i = 0; i < 7; i++) {
        stranger.b[1] = (uint8_t)i;
        net.conns[net.conn_count++] = (struct net_conn){.open = true, .by_hand = true, .ends = {0, 5}};
        rf_files_up(net.nodes[0].files, net.conn_count, &stranger, false, net.now);
        assert_int_equal(net.conns[0].open, i < 6);
        net.now.mono_us++;
    }
    assert_true(net.conns[1].open);
    for (size_t i = 0; i < 4; i++) { /* ours: two in the last quarter, then in the place of strangers */
        stranger.b[1] = (uint8_t)(100 + i);
        net.conns[net.conn_count++] = (struct net_conn){.open = true, .by_hand = true, .ends = {0, 5}};
        rf_files_up(net.nodes[0].files, net.conn_count, &stranger, true, net.now);
        assert_true(net.conns[net.conn_count - 1].open);
        assert_int_equal(net.conns[1].open, i < 2);
    }
    assert_false(net.conns[2].open);
    assert_int_equal(rf_files_counters(net.nodes[0].files)->connections_refused, 0);
    (void)f;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, net_set_up, net_tear_down)

int test_files_serve(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_may),
        TEST(test_chunks),
        TEST(test_no_reader),
        TEST(test_too_much),
        TEST(test_channels_are_few),
        TEST(test_nonsense),
        TEST(test_changed),
        TEST(test_rate),
        TEST(test_connections_are_few),
        TEST(test_talk_keeps_nothing),
        TEST(test_strangers),
        TEST(test_full_table),
    };
    return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
