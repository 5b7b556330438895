/* test_link_refuse.c - who must not get a link, and what broken peers cost: their own link. */
#include "test_link.h"

#include <string.h>
#include "wire/header.h"

static struct world w;

static void assert_no_links(const struct world_node *node)
{
    for (int s = RF_LINK_CONNECTING; s <= RF_LINK_CLOSING; s++)
        assert_int_equal(rf_links_count(node->links, (enum rf_link_state)s), 0);
}

static void test_wrong_node(void **state)
{
    world_init(&w, *state);
    for (size_t i = 0; i < 3; i++)
        world_node(&w, i, NULL);
    world_connect(&w, 0, 1, &w.node[2].identity.node_id);
    world_run(&w);
    assert_int_equal(w.node[0].ups, 0);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[0].reason, RF_EMISMATCH);
    assert_int_equal(counters(&w.node[0])->wrong_node, 1);
    assert_no_links(&w.node[0]);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

static void test_self(void **state)
{
    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_connect(&w, 0, 0, NULL);
    world_run(&w);
    assert_int_equal(w.node[0].ups, 0);
    assert_true(counters(&w.node[0])->self_connect >= 1);
    assert_no_links(&w.node[0]);
    world_deinit(&w);
}

/* The two sides trust different authorities, or belong to different overlays. */
static void foreign(void **state, const char *overlay, int reason)
{
    struct rf_pki other;

    world_init(&w, *state);
    assert_int_equal(rf_pki_init(&other, &(struct rf_pki_config){.overlay = overlay}), 0);
    world_node(&w, 0, NULL);
    world_node(&w, 1, &other);
    world_connect(&w, 0, 1, NULL);
    world_connect(&w, 1, 0, NULL);
    world_run(&w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w.node[i].ups, 0);
        assert_int_equal(w.node[i].messages, 0);
        assert_true(counters(&w.node[i])->cert_refused >= 1);
        assert_true(w.node[i].reason == reason || w.node[i].reason == RF_ESIGNATURE ||
                    w.node[i].reason == RF_EREMOTE || w.node[i].reason == RF_ECLOSED);
        assert_no_links(&w.node[i]);
    }
    world_deinit(&w);
    rf_pki_deinit(&other);
}

static void test_untrusted(void **state)
{
    foreign(state, "example.org", RF_EUNTRUSTED);
}

static void test_foreign_overlay(void **state)
{
    foreign(state, "other.example", RF_EMISMATCH);
}

static void test_expired(void **state)
{
    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    w.now.wall_ms += UINT64_C(3) * 365 * 86400 * 1000;
    world_connect(&w, 0, 1, NULL);
    world_run(&w);
    assert_true(w.node[0].reason == RF_EEXPIRED || w.node[1].reason == RF_EEXPIRED);
    assert_true(counters(&w.node[0])->cert_refused + counters(&w.node[1])->cert_refused >= 1);
    w.now.wall_ms -= UINT64_C(6) * 365 * 86400 * 1000;
    world_connect(&w, 0, 1, NULL);
    world_run(&w);
    assert_true(w.node[0].reason == RF_ENOTYET || w.node[1].reason == RF_ENOTYET);
    assert_int_equal(w.node[0].ups + w.node[1].ups, 0);
    world_deinit(&w);
}

static struct rf_trust_config trust_without(const struct rf_id *bad)
{
    return (struct rf_trust_config){.overlay = rf_view_str("example.org"),
                                    .id_len = 16,
                                    .roots = &w.pki.ca.der,
                                    .root_count = 1,
                                    .bad_nodes = bad,
                                    .bad_node_count = bad ? 1 : 0};
}

static void test_revoked(void **state)
{
    struct rf_trust_config trust;

    world_init(&w, *state);
    world_pair(&w);
    trust = trust_without(&w.node[0].identity.node_id);
    assert_int_equal(rf_trust_configure(w.node[1].trust, &trust), 0);
    assert_int_equal(w.node[1].downs, 0);
    rf_links_recheck(w.node[1].links); /* the link that is up goes */
    world_run(&w);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_EREVOKED);
    assert_int_equal(w.node[0].downs, 1);
    world_connect(&w, 0, 1, NULL); /* and no new one comes, in neither direction */
    world_connect(&w, 1, 0, NULL);
    world_run(&w);
    assert_int_equal(w.node[1].ups, 1);
    assert_true(counters(&w.node[1])->cert_refused >= 3);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

static void test_recheck_keeps_the_good(void **state)
{
    struct rf_trust_config trust;

    world_init(&w, *state);
    world_pair(&w);
    trust = trust_without(NULL);
    assert_int_equal(rf_trust_configure(w.node[1].trust, &trust), 0);
    rf_links_recheck(w.node[1].links);
    world_run(&w);
    assert_int_equal(w.node[1].downs, 0);
    world_deinit(&w);
}

/* ---- strangers ---- */

#define BYTES(text)                                                                                          \
    {                                                                                                        \
        (const uint8_t *)(text), sizeof(text) - 1                                                            \
    }
static const struct rf_view garbage[] = {
    BYTES("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    BYTES("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    BYTES("\x16\x03\x01\xff\xff\x01\x00\xff\xff\x03\x03"),
    BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    BYTES("RFPL\x02"),                    /* another version of the plain hello */
    BYTES("RFPL\x01\x00\x00\x00"),        /* no certificate */
    BYTES("RFPL\x01\x03\x09xx\x00\x01x"), /* a broken list of names */
    BYTES("SSH-2.0-OpenSSH_9.2\r\n"),
    BYTES("\x00"),
};

static void test_garbage_before(void **state)
{
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct world_conn *conn;

        world_init(&w, *state);
        world_node(&w, 1, NULL);
        conn = world_stranger(&w, 1);
        world_stranger_send(&w, conn, garbage[i]);
        world_pass(&w, w.config.handshake_timeout_us + 6 * RF_US_PER_S);
        assert_false(conn->end[1].open);
        assert_int_equal(counters(&w.node[1])->handshake_failed + counters(&w.node[1])->handshake_timeout, 1);
        assert_int_equal(w.node[1].ups, 0);
        assert_int_equal(w.node[1].downs, 1);
        assert_no_links(&w.node[1]);
        world_deinit(&w);
    }
}

/* Who connects and says nothing is sent away in time, and costs no channel until then. */
static void test_silent_stranger(void **state)
{
    struct world_conn *conn;

    world_init(&w, *state);
    world_node(&w, 1, NULL);
    conn = world_stranger(&w, 1);
    world_pass(&w, w.config.handshake_timeout_us - 1000);
    assert_true(conn->end[1].open);
    world_pass(&w, 1000);
    assert_false(conn->end[1].open);
    assert_int_equal(counters(&w.node[1])->handshake_timeout, 1);
    assert_int_equal(w.node[1].reason, RF_ETIMEOUT);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

/* The client side: whoever is there accepts and never answers. */
static void test_silent_server(void **state)
{
    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    w.fresh_blocked[1] = true;
    world_connect(&w, 0, 1, NULL);
    world_pass(&w, 0);
    assert_int_equal(rf_links_count(w.node[0].links, RF_LINK_HANDSHAKE), 1);
    world_pass(&w, w.config.handshake_timeout_us);
    assert_int_equal(w.node[0].reason, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->handshake_timeout, 1);
    world_pass(&w, 20 * RF_US_PER_S);
    assert_no_links(&w.node[0]);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

/* The connection breaks after any number of bytes from the client, or from the server. */
static void test_truncated(void **state)
{
    for (size_t limit = 0; limit < 2400; limit += 113) {
        for (int side = 0; side < 2; side++) {
            world_init(&w, *state);
            w.fresh_budget[side] = limit;
            world_node(&w, 0, NULL);
            world_node(&w, 1, NULL);
            world_connect(&w, 0, 1, NULL);
            world_run(&w);
            world_cut(&w, 0);
            assert_no_links(&w.node[0]);
            assert_no_links(&w.node[1]);
            assert_int_equal(w.node[0].downs, 1);
            assert_int_equal(w.node[1].downs, 1);
            world_deinit(&w);
        }
    }
}

/* ---- bad bytes after the handshake ---- */

static void test_garbage_after(void **state)
{
    uint8_t junk[64];

    world_init(&w, *state);
    world_pair(&w);
    memset(junk, 0x17, sizeof junk);
    junk[1] = junk[2] = 3; /* a TLS record that nobody encrypted */
    junk[3] = 0;
    junk[4] = 59;
    world_inject(&w, 0, 1, rf_view_of(junk, sizeof junk));
    world_run(&w);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_EFORMAT);
    assert_int_equal(w.node[0].downs, 1);
    assert_no_links(&w.node[0]);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

/* What a peer with a good certificate may still send (as one plain record). */
struct bad_frame {
    struct rf_view bytes;
    int reason;
    unsigned messages; /* that get through before */
};
static const struct bad_frame bad_frames[] = {
    {BYTES("\x7f\x00\x00\x00\x00\x00\x00\x01x"), RF_EUNKNOWN, 0}, /* no such frame type */
    {BYTES("\x80\x00\x00\x00\x00\x00\x13\x88"), 0, 0},            /* 5000 bytes are to come */
    {BYTES("\x80\x00\x00\x00\x00\x00\x13\x89"), 0,
     0}, /* 5001: its header may be answered, so that is waited for */
    {BYTES("\x80\x00\x00\x00\x00\xff\xff\xff"
           "12345678901234567890123456789012345678"),
     RF_ELIMIT, 0}, /* no header at all */
    {BYTES("\x80\x00\x00\x00\x00\x00\x13\x89"
           "\xd2\x45\x4c\x4f\x4e\x38\xfc\x3f\x00\x01\x0b\x64\xc0\x00\x00\x00\x00\x00\x13\x89"
           "12345678\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00"),
     RF_ELIMIT, 0}, /* another version */
    {BYTES("\x80\x00\x00\x00\x00\x00\x13\x89"
           "\xd2\x45\x4c\x4f\x4e\x38\xfc\x3f\x00\x01\x0a\x64\xc0\x00\x00\x00\x00\x00\x13\x89"
           "12345678\x00\x00\x00\x00\x09\x00\x0a\x00\x00\x61"),
     RF_ELIMIT, 0}, /* its header is as large as a message may be: 38 + 4961 = 4999, and the code */
    {BYTES("\x80\x00\x00\x00\x00\x00\x00\x01x\xff"), RF_EUNKNOWN, 1},    /* a good one first */
    {BYTES("\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00"), RF_EUNKNOWN, 0}, /* an ack, then nonsense */
    {BYTES("\x80\x00\x00\x00\x00\x00\x00\x05he"), 0, 0},                 /* cut: nothing happens yet */
    {BYTES("\x81\xff\xff\xff\xff\xff\xff\xff\xff"), 0, 0},               /* an ack of what was never sent */
};

static void test_bad_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++) {
        struct rf_buf record;

        world_init(&w, &rf_engine_plain);
        world_pair(&w);
        rf_buf_init(&record, rf_mem_system(), 200);
        rf_buf_u8(&record, 1);
        rf_buf_v(&record, 3, bad_frames[i].bytes);
        world_inject(&w, 0, 1, rf_buf_view(&record));
        rf_buf_deinit(&record);
        world_run(&w);
        assert_int_equal(w.node[1].downs, bad_frames[i].reason != 0);
        assert_int_equal(w.node[1].reason, bad_frames[i].reason);
        assert_int_equal(counters(&w.node[1])->message_too_large, bad_frames[i].reason == RF_ELIMIT);
        assert_int_equal(counters(&w.node[1])->frames_bad, bad_frames[i].reason == RF_EUNKNOWN);
        assert_int_equal(w.node[1].messages, bad_frames[i].messages);
        assert_int_equal(w.node[0].downs, bad_frames[i].reason != 0);
        world_deinit(&w);
    }
}

/* One byte more than a message may have: its header and code are told, an answer goes out, then the link ends. */
static void too_large(const struct rf_engine_ops *engine, bool close_inside)
{
    static uint8_t bytes[5001];
    struct rf_header header = {.overlay = OVERLAY_HASH,
                               .ttl = 100,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = 77,
                               .dests = rf_view_of("\x01\x10"
                                                   "1234567890123456",
                                                   18)};
    const size_t front_len = RF_HEADER_MIN_LEN + 18 + 2;
    struct rf_buf message;
    rf_link_id id;

    world_init(&w, engine);
    id = world_pair(&w);
    w.node[1].echo = true;
    w.node[1].close_on_message = close_inside;
    rf_buf_fixed(&message, bytes, sizeof bytes);
    rf_header_encode(&header, sizeof bytes - front_len + 2, &message);
    rf_links_set_max_message(w.node[0].links, sizeof bytes);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(bytes, sizeof bytes)), 0);
    world_run(&w);
    assert_int_equal(w.node[1].too_large, 1);
    assert_true(rf_view_equal(rf_buf_view(&w.node[1].received), rf_view_of(bytes, front_len)));
    assert_int_equal(w.node[1].messages, 0);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, close_inside ? RF_ECLOSED : RF_ELIMIT);
    assert_int_equal(counters(&w.node[1])->message_too_large, 1);
    assert_view(rf_buf_view(&w.node[0].received), "too large");
    assert_int_equal(w.node[0].downs, 1);
    assert_no_links(&w.node[0]);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

static void test_too_large(void **state)
{
    too_large(*state, false);
    too_large(*state, true);
}

/* The length of such a message, and then nothing: the link does not stand for ever. */
static void test_too_large_cut(void **state)
{
    static const uint8_t record[] = {1, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0x13, 0x89};

    (void)state;
    world_init(&w, &rf_engine_plain);
    world_pair(&w);
    world_inject(&w, 0, 1, rf_view_of(record, sizeof record));
    world_pass(&w, 200 * RF_US_PER_S);
    assert_int_equal(w.node[1].too_large, 0);
    assert_int_equal(w.node[1].downs, 1);
    assert_no_links(&w.node[1]);
    world_deinit(&w);
}

/* A link that breaks in the middle of a message: the message is not delivered. */
static void test_cut_in_message(void **state)
{
    static uint8_t message[4000];
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.conn[0].budget[0] = sizeof message;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)), 0);
    world_run(&w);
    world_cut(&w, 0);
    assert_int_equal(w.node[1].messages, 0);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_ECLOSED);
    world_deinit(&w);
}

int test_link_refuse(void)
{
    const struct CMUnitTest tests[] = {
        both_engines(test_wrong_node),
        both_engines(test_self),
        both_engines(test_untrusted),
        both_engines(test_foreign_overlay),
        both_engines(test_expired),
        both_engines(test_revoked),
        both_engines(test_recheck_keeps_the_good),
        both_engines(test_garbage_before),
        both_engines(test_silent_stranger),
        both_engines(test_silent_server),
        both_engines(test_truncated),
        both_engines(test_garbage_after),
        cmocka_unit_test(test_bad_frames),
        both_engines(test_too_large),
        cmocka_unit_test(test_too_large_cut),
        both_engines(test_cut_in_message),
    };
    return cmocka_run_group_tests_name("link refuse", tests, NULL, NULL);
}
