/* test_link_life.c - the life of a link that is up: closing, signs of life, suspicion, lateness, lack of memory. */
#include "test_link.h"

#include <string.h>

static struct world w;

static size_t link_count(const struct world_node *node)
{
    size_t count = 0;
    for (int s = RF_LINK_CONNECTING; s <= RF_LINK_CLOSING; s++)
        count += rf_links_count(node->links, (enum rf_link_state)s);
    return count;
}

/* ---- closing ---- */

static void test_close(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("last words")), 0);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    rf_links_close(w.node[0].links, id, RF_EBUSY); /* the first reason counts */
    assert_int_equal(w.node[0].downs, 0);          /* told later, not inside the call */
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("x")), RF_ENOTFOUND);
    world_run(&w);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[0].reason, RF_ECANCELLED);
    assert_int_equal(w.node[0].down.state, RF_LINK_CLOSING);
    assert_view(rf_buf_view(&w.node[1].received), "last words");
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(w.node[1].reason, RF_EGOODBYE);
    assert_int_equal(link_count(&w.node[0]) + link_count(&w.node[1]), 0);
    assert_int_equal(rf_timers_next(&w.timers), RF_NEVER);
    world_deinit(&w);
}

/* host.message closes its link and goes on reading the message; later messages of the same input are not delivered. */
static void test_close_inside_message(void **state)
{
    static char message[3000];
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    memset(message, 'm', sizeof message);
    w.node[1].close_on_message = true;
    w.node[1].echo = true;
    for (int i = 0; i < 5; i++)
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_of(message, sizeof message)), 0);
    world_run(&w);
    assert_int_equal(w.node[1].messages, 1);
    assert_int_equal(w.node[1].received.len, sizeof message);
    assert_memory_equal(w.node[1].received.p, message, sizeof message);
    assert_int_equal(w.node[1].reason, RF_ECANCELLED);
    assert_int_equal(link_count(&w.node[0]) + link_count(&w.node[1]), 0);
    world_deinit(&w);
}

static void test_close_while_dialling(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    id = world_connect(&w, 0, 1, NULL);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED); /* before the shell has even heard of it */
    world_run(&w);
    assert_int_equal(w.conn_count, 0);
    assert_int_equal(w.node[0].downs, 1);
    w.node[1].deaf = true;
    id = world_connect(&w, 0, 1, NULL);
    world_run(&w);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    world_run(&w);
    assert_false(w.conn[0].end[0].open);
    assert_int_equal(w.node[0].downs, 2);
    assert_int_equal(link_count(&w.node[0]), 0);
    world_deinit(&w);
}

/* The peer takes nothing: the goodbye lingers for five seconds, then the shell is told to drop the connection. */
static void test_close_lingers(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.conn[0].blocked[0] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("x")), 0);
    rf_links_close(w.node[0].links, id, RF_ECANCELLED);
    world_pass(&w, 4900 * RF_US_PER_MS);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(link_count(&w.node[0]), 1);
    world_pass(&w, 200 * RF_US_PER_MS);
    assert_int_equal(link_count(&w.node[0]), 0);
    assert_false(w.conn[0].end[0].open);
    world_deinit(&w);
}

/* ---- signs of life ---- */

/* A day of silence: keep-alives go, nobody above hears of them, the link stays. */
static void test_keepalive(void **state)
{
    uint64_t bytes;

    world_init(&w, *state);
    world_pair(&w);
    bytes = counters(&w.node[0])->bytes_out + counters(&w.node[0])->bytes_in;
    world_pass(&w, 3600 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs + w.node[1].downs, 0);
    assert_int_equal(w.node[0].messages + w.node[1].messages, 0);
    assert_int_equal(w.node[0].suspects + w.node[1].suspects, 0);
    {
        uint64_t out = counters(&w.node[0])->keepalives_out + counters(&w.node[1])->keepalives_out;
        uint64_t in = counters(&w.node[0])->keepalives_in + counters(&w.node[1])->keepalives_in;
        assert_in_range(out, 60, 85); /* one side's timer is the shorter: it speaks for both */
        assert_int_equal(in, out);
        bytes = counters(&w.node[0])->bytes_out + counters(&w.node[0])->bytes_in - bytes;
        assert_true(bytes / out < 140); /* there and the acknowledgement back */
    }
    world_deinit(&w);
}

/* One that only stands by is given three times as long by both ends; called back to duty, it is not. */
static void test_keepalive_slow(void **state)
{
    rf_link_id id, other;
    uint64_t out;

    world_init(&w, *state);
    id = world_pair(&w);
    other = w.conn[0].end[1].flow;
    rf_links_slow(w.node[0].links, id, 3);
    rf_links_slow(w.node[1].links, other, 3);
    rf_links_slow(w.node[0].links, id + 1000, 3); /* no such link */
    world_pass(&w, 3600 * RF_US_PER_S);
    out = counters(&w.node[0])->keepalives_out + counters(&w.node[1])->keepalives_out;
    assert_in_range(out, 20, 23);
    assert_int_equal(w.node[0].downs + w.node[1].downs, 0);
    rf_links_slow(w.node[0].links, id, 2);
    out = counters(&w.node[0])->keepalives_out + counters(&w.node[1])->keepalives_out;
    world_pass(&w, 3600 * RF_US_PER_S);
    out = counters(&w.node[0])->keepalives_out + counters(&w.node[1])->keepalives_out - out;
    assert_in_range(out, 30, 38); /* the less patient end speaks for both */
    world_pass(&w, 60 * RF_US_PER_S);
    rf_links_slow(w.node[0].links, id, 1);
    out = counters(&w.node[0])->keepalives_out;
    world_pass(&w, 60 * RF_US_PER_S);
    assert_in_range(counters(&w.node[0])->keepalives_out, out + 1, out + 2);
    world_deinit(&w);
}

/* One end knows how long the way lasts, the other one is to hear from it before: it does, and says when it did not. */
static void test_lasts(void **state)
{
    rf_link_id id, other;
    uint64_t out;

    world_init(&w, *state);
    id = world_pair(&w);
    other = w.conn[0].end[1].flow;
    rf_links_lasts(w.node[0].links, id, 500 * RF_US_PER_S, true);
    rf_links_lasts(w.node[1].links, other, 480 * RF_US_PER_S, false);
    rf_links_lasts(w.node[0].links, id + 1000, RF_US_PER_S, true); /* no such link */
    world_pass(&w, 36000 * RF_US_PER_S);
    assert_int_equal(counters(&w.node[0])->keepalives_out, 0);
    assert_in_range(counters(&w.node[1])->keepalives_out, 74, 77);
    assert_int_equal(counters(&w.node[0])->keepalives_late, 0);
    rf_links_lasts(w.node[0].links, id, 0, true); /* as before */
    out = counters(&w.node[0])->keepalives_out;
    world_pass(&w, 600 * RF_US_PER_S);
    assert_in_range(counters(&w.node[0])->keepalives_out - out, 9, 12);
    assert_int_equal(counters(&w.node[0])->keepalives_late, 0);
    rf_links_lasts(w.node[0].links, id, 500 * RF_US_PER_S, true);
    rf_links_slow(w.node[1].links, other, 3); /* changes nothing of that */
    world_pass(&w, 600 * RF_US_PER_S);
    out = counters(&w.node[0])->keepalives_out;
    w.conn[0].blocked[1] = true; /* what the peer sends is lost */
    world_pass(&w, 500 * RF_US_PER_S);
    assert_int_equal(counters(&w.node[0])->keepalives_late, 1);
    assert_int_equal(counters(&w.node[0])->keepalives_out, out + 1);
    world_deinit(&w);
}

/* A link costs the heap of timers nothing while nobody waits: neither after an acknowledgement nor after output was taken. */
static void test_no_timer_in_vain(void **state)
{
    rf_link_id id;
    uint64_t quiet_us;

    world_init(&w, *state);
    id = world_pair(&w);
    quiet_us = w.now.mono_us + w.config.keepalive_us * 3 / 4;
    assert_true(rf_timers_next(&w.timers) >= quiet_us);
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("x")), 0);
    assert_int_equal(rf_timers_next(&w.timers), w.now.mono_us + RF_US_PER_S); /* the RTO */
    world_run(&w);
    assert_int_equal(w.node[1].messages, 1);
    assert_true(rf_timers_next(&w.timers) >= quiet_us);
    world_deinit(&w);
}

/* Without an overlay hash nobody sends keep-alives. */
static void test_keepalive_off(void **state)
{
    world_init(&w, *state);
    w.config.overlay_hash = 0;
    world_pair(&w);
    world_pass(&w, 3600 * RF_US_PER_S);
    assert_int_equal(rf_timers_next(&w.timers), RF_NEVER);
    assert_int_equal(counters(&w.node[0])->keepalives_out, 0);
    assert_int_equal(w.node[0].downs, 0);
    world_deinit(&w);
}

/* What asks for a sign of life gets it only on a link that was quiet for long enough; none within the RTO is suspicion. */
static void test_keepalive_asked_for(void **state)
{
    rf_link_id id;
    uint64_t out;

    world_init(&w, *state);
    id = world_pair(&w);
    world_pass(&w, 10 * RF_US_PER_S);
    out = counters(&w.node[0])->keepalives_out;
    rf_links_keepalive(w.node[0].links, id, 20 * RF_US_PER_S);
    rf_links_keepalive(w.node[0].links, id + 1000, 0); /* no such link */
    assert_int_equal(counters(&w.node[0])->keepalives_out, out);
    rf_links_keepalive(w.node[0].links, id, 8 * RF_US_PER_S);
    assert_int_equal(counters(&w.node[0])->keepalives_out, out + 1);
    rf_links_keepalive(w.node[0].links, id, 0); /* one is under way */
    assert_int_equal(counters(&w.node[0])->keepalives_out, out + 1);
    world_run(&w);
    assert_int_equal(w.node[0].suspects, 0);

    w.conn[0].blocked[0] = true;
    world_pass(&w, 10 * RF_US_PER_S);
    rf_links_keepalive(w.node[0].links, id, 8 * RF_US_PER_S);
    world_pass(&w, 999 * RF_US_PER_MS);
    assert_int_equal(w.node[0].suspects, 0);
    world_pass(&w, 1 * RF_US_PER_MS);
    assert_int_equal(w.node[0].suspects, 1);
    world_deinit(&w);
}

static void test_suspect(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.conn[0].blocked[0] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("a")), 0);
    world_pass(&w, 999 * RF_US_PER_MS);
    assert_int_equal(w.node[0].suspects, 0);
    world_pass(&w, 1 * RF_US_PER_MS);
    assert_int_equal(w.node[0].suspects, 1);
    world_pass(&w, 20 * RF_US_PER_S);
    assert_int_equal(w.node[0].suspects, 1);
    w.conn[0].blocked[0] = false; /* it recovers */
    world_run(&w);
    assert_int_equal(w.node[0].unsuspects, 1);
    assert_int_equal(w.node[0].downs, 0);
    assert_view(rf_buf_view(&w.node[1].received), "a");
    world_deinit(&w);
}

/* The peer's process hangs: its kernel takes everything, nothing comes back. */
static void test_silent_peer(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.conn[0].blocked[1] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("a")), 0);
    world_pass(&w, 31 * RF_US_PER_S - 1000);
    assert_int_equal(w.node[0].suspects, 1);
    assert_int_equal(w.node[0].downs, 0);
    world_pass(&w, 1000);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[0].reason, RF_ETIMEOUT);
    assert_int_equal(counters(&w.node[0])->closed_silent, 1);
    world_deinit(&w);
}

/* A half-open link with nothing to say is found by the keep-alive: 60 s silence + 1 s RTO + 30 s. */
static void test_half_open(void **state)
{
    world_init(&w, *state);
    world_pair(&w);
    w.conn[0].end[1].node = NULL; /* its machine is gone, without a word */
    world_pass(&w, 92 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[0].reason, RF_ETIMEOUT);
    world_deinit(&w);
}

/* The RTO follows the round trip: with answers after 3 s nobody is suspected any more. */
static void test_rto_adapts(void **state)
{
    struct rf_link_info info;
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    for (int i = 0; i < 20; i++) {
        w.conn[0].blocked[1] = true;
        assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("a")), 0);
        world_pass(&w, 3 * RF_US_PER_S);
        w.conn[0].blocked[1] = false;
        world_run(&w);
    }
    assert_int_equal(w.node[0].suspects, 1);
    assert_int_equal(w.node[0].unsuspects, 1);
    assert_int_equal(rf_links_info(w.node[0].links, id, &info), 0);
    assert_in_range(info.rtt_us, 2900 * RF_US_PER_MS, 3100 * RF_US_PER_MS);
    world_deinit(&w);
}

/* Our own process slept for an hour: the peer gets time to be heard before it is judged. */
static void test_late(void **state)
{
    rf_link_id id;

    world_init(&w, *state);
    id = world_pair(&w);
    w.conn[0].blocked[1] = true;
    assert_int_equal(rf_links_send(w.node[0].links, id, rf_view_str("a")), 0);
    world_run(&w);
    w.now.mono_us += 3600 * RF_US_PER_S;
    rf_timers_run(&w.timers, w.now.mono_us, 100);
    assert_int_equal(w.node[0].suspects + w.node[0].downs, 0);
    w.conn[0].blocked[1] = false;
    world_pass(&w, 400 * RF_US_PER_MS);
    assert_int_equal(w.node[0].suspects + w.node[0].downs, 0);
    world_pass(&w, 200 * RF_US_PER_S);
    assert_int_equal(w.node[0].suspects + w.node[0].downs, 0);
    world_deinit(&w);
}

static void test_app_idle(void **state)
{
    struct rf_addr addr = world_addr(1);
    rf_link_id id;

    world_init(&w, *state);
    world_node(&w, 0, NULL);
    world_node(&w, 1, NULL);
    assert_int_equal(rf_links_connect(w.node[0].links, &addr, 1, NULL, RF_LINK_APP, 5060, &id), 0);
    world_pass(&w, 299 * RF_US_PER_S);
    assert_int_equal(rf_links_app_send(w.node[0].links, id, rf_view_str("\r\n\r\n")), 0);
    world_pass(&w, 299 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs + w.node[1].downs, 0);
    world_pass(&w, 1 * RF_US_PER_S);
    assert_int_equal(w.node[0].downs, 1);
    assert_int_equal(w.node[1].downs, 1);
    assert_int_equal(counters(&w.node[0])->closed_idle + counters(&w.node[1])->closed_idle, 1);
    world_deinit(&w);
}

/* ---- memory ---- */

/* A conversation in which the allocator stops giving after `allowed` blocks: whatever fails, nothing leaks and nothing breaks. */
static bool conversation(const struct rf_engine_ops *engine, size_t allowed)
{
    struct world_node *a, *b;
    rf_link_id id = 0;
    bool good;

    world_init(&w, engine);
    a = world_node(&w, 0, NULL);
    b = world_node(&w, 1, NULL);
    w.mem.allowed = allowed;
    (void)rf_links_expect(b->links, &a->identity.node_id, RF_LINK_OVERLAY, 0);
    {
        struct rf_addr addr = world_addr(1);
        (void)rf_links_connect(a->links, &addr, 1, &b->identity.node_id, RF_LINK_OVERLAY, 0, &id);
    }
    world_run(&w);
    b->echo = true;
    for (int i = 0; i < 5; i++) {
        (void)rf_links_send(a->links, id, rf_view_str("0123456789"));
        world_run(&w);
    }
    good = a->messages == 5;
    w.mem.allowed = SIZE_MAX;
    world_pass(&w, 200 * RF_US_PER_S);
    if (id)
        rf_links_close(a->links, id, RF_ECANCELLED);
    world_run(&w);
    assert_int_equal(link_count(a) + link_count(b), 0);
    world_deinit(&w);
    return good;
}

static void test_no_memory(void **state)
{
    size_t allowed = 0;

    while (!conversation(*state, allowed))
        assert_true(++allowed < 500);
    assert_true(allowed > 10); /* it did fail in many places before it worked */
}

int test_link_life(void)
{
    const struct CMUnitTest tests[] = {
        both_engines(test_close),
        both_engines(test_close_inside_message),
        both_engines(test_close_while_dialling),
        both_engines(test_close_lingers),
        both_engines(test_keepalive),
        both_engines(test_keepalive_slow),
        both_engines(test_lasts),
        both_engines(test_no_timer_in_vain),
        both_engines(test_keepalive_off),
        both_engines(test_keepalive_asked_for),
        both_engines(test_suspect),
        both_engines(test_silent_peer),
        both_engines(test_half_open),
        both_engines(test_rto_adapts),
        both_engines(test_late),
        both_engines(test_app_idle),
        both_engines(test_no_memory),
    };
    return cmocka_run_group_tests_name("link life", tests, NULL, NULL);
}
