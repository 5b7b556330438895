/* test_link_io.c - links over real TCP on loopback: rf_links behind rf_flows in one loop, on the machine's clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "io/clock.h"
#include "io/flows.h"
#include "io/sockets.h"
#include "link/link.h"
#include "support/engine.h"
#include "support/pki.h"
#include "support/real_env.h"

#define LINKS 30

struct shell {
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_links *links;
    struct rf_flows *flows;
    struct rf_addr at;
    unsigned ups, downs, resumed;
    uint64_t received, messages;
    bool echo;
};

static struct rf_loop *loop;
static struct rf_pki pki;
static struct rf_timers timers;
static struct rf_rng_seeded jitter;
static struct rf_env env;
static struct shell shells[2];
static struct rf_loop_task task;

/* ---- rf_flow_doorway -> rf_links ---- */

static int door_accept(void *ctx, const struct rf_addr *remote, const struct rf_addr *local, uint64_t *flow)
{
    return rf_links_accept(((struct shell *)ctx)->links, remote, local, flow);
}
static void door_connected(void *ctx, uint64_t flow, const struct rf_addr *local)
{
    rf_links_connected(((struct shell *)ctx)->links, flow, local);
}
static void door_closed(void *ctx, uint64_t flow, int reason)
{
    rf_links_closed(((struct shell *)ctx)->links, flow, reason);
}
static void door_input(void *ctx, uint64_t flow, struct rf_view bytes)
{
    rf_links_input(((struct shell *)ctx)->links, flow, bytes);
}
static void door_next(void *ctx, struct rf_flow_order *out)
{
    struct rf_flow_action action;
    rf_links_next_action(((struct shell *)ctx)->links, &action);
    *out = (struct rf_flow_order){(enum rf_flow_order_type)action.type, action.flow, action.addr};
}
static struct rf_view door_output(void *ctx, uint64_t flow)
{
    return rf_links_output(((struct shell *)ctx)->links, flow);
}
static void door_output_done(void *ctx, uint64_t flow, size_t len)
{
    rf_links_output_done(((struct shell *)ctx)->links, flow, len);
}
_Static_assert((int)RF_FLOW_CONNECT == (int)RF_FLOW_ORDER_CONNECT &&
                   (int)RF_FLOW_OUTPUT == (int)RF_FLOW_ORDER_OUTPUT &&
                   (int)RF_FLOW_CLOSE == (int)RF_FLOW_ORDER_CLOSE,
               "the two lists are the same");

/* ---- what the links tell ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    struct shell *shell = ctx;
    shell->ups++;
    shell->resumed += link->resumed;
}
static void host_message(void *ctx, rf_link_id link, struct rf_view message)
{
    struct shell *shell = ctx;
    shell->messages++;
    shell->received += message.len;
    if (shell->echo)
        assert_int_equal(rf_links_send(shell->links, link, message), 0);
}
static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)link;
    assert_true(reason < 0);
    ((struct shell *)ctx)->downs++;
}

/* ---- life ---- */

static uint64_t turn(void *arg)
{
    (void)arg;
    rf_timers_run(&timers, rf_loop_now(loop)->mono_us, 1000);
    for (int i = 0; i < 2; i++)
        if (shells[i].flows)
            rf_flows_drain(shells[i].flows);
    return rf_timers_next(&timers);
}

static void shell_start(struct shell *shell, const char *user)
{
    const struct rf_flow_doorway door = {shell,      door_accept, door_connected, door_closed,
                                         door_input, door_next,   door_output,    door_output_done};
    const struct rf_link_host host = {
        .ctx = shell, .up = host_up, .message = host_message, .down = host_down};
    struct rf_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    struct rf_link_config config;

    assert_int_equal(rf_pki_node(&pki, user, NULL, RF_KEY_P256, &shell->identity), 0);
    assert_int_equal(rf_pki_trust(&pki, 100, &shell->trust), 0);
    rf_link_config_default(&config);
    config.engine_ops = &rf_engine_gnutls;
    config.trust = shell->trust;
    config.self = shell->identity.node_id;
    config.accept_per_s_per_address = 0;
    assert_int_equal(engine_of(&shell->identity, config.engine_ops, &env, &config.engine), 0);
    assert_int_equal(rf_links_new(&env, &config, &host, &shell->links), 0);
    assert_int_equal(rf_flows_new(env.mem, loop, &door, NULL, env.seed, &shell->flows), 0);
    assert_int_equal(rf_flows_listen(shell->flows, &any, &shell->at), 0);
}

static void shell_stop(struct shell *shell)
{
    rf_flows_free(shell->flows);
    shell->flows = NULL;
    rf_links_free(shell->links);
    rf_trust_free(shell->trust);
    rf_identity_deinit(&shell->identity);
}

static int setup(void **state)
{
    struct rf_now now;

    (void)state;
    rf_clock_read(&now);
    memset(shells, 0, sizeof shells);
    assert_int_equal(
        rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org", .wall_ms = now.wall_ms}), 0);
    assert_int_equal(rf_loop_new(rf_mem_system(), &loop), 0);
    env = real_env(&timers, rf_loop_now(loop), &jitter);
    task = (struct rf_loop_task){.turn = turn};
    rf_loop_task_add(loop, &task);
    shell_start(&shells[0], "a@example.org");
    shell_start(&shells[1], "b@example.org");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shell_stop(&shells[0]);
    shell_stop(&shells[1]);
    rf_loop_free(loop);
    rf_timers_deinit(&timers);
    rf_pki_deinit(&pki);
    return 0;
}

#define TURN_UNTIL(condition)                                                                                \
    for (int turns_ = 0; !(condition); turns_++) {                                                           \
        assert_true(turns_ < 100000);                                                                        \
        assert_int_equal(rf_loop_once(loop, RF_US_PER_S), 0);                                                \
    }

static rf_link_id dial(void)
{
    rf_link_id id;
    assert_int_equal(rf_links_connect(shells[0].links, &shells[1].at, 1, &shells[1].identity.node_id,
                                      RF_LINK_OVERLAY, 0, &id),
                     0);
    return id;
}

static void test_links(void **state)
{
    static uint8_t message[4000];
    rf_link_id id[LINKS];

    (void)state;
    shells[1].echo = true;
    for (int i = 0; i < LINKS; i++)
        id[i] = dial();
    TURN_UNTIL(shells[0].ups == LINKS && shells[1].ups == LINKS);
    for (int n = 0; n < 10; n++) {
        for (int i = 0; i < LINKS; i++)
            assert_int_equal(rf_links_send(shells[0].links, id[i], rf_view_of(message, sizeof message)), 0);
        TURN_UNTIL(shells[0].messages == (uint64_t)LINKS * (uint64_t)(n + 1));
    }
    assert_int_equal(shells[0].received, sizeof message * 10 * LINKS);
    for (int i = 0; i < LINKS; i++)
        rf_links_close(shells[0].links, id[i], RF_ECANCELLED);
    TURN_UNTIL(shells[1].downs == LINKS && shells[0].downs == LINKS);
    TURN_UNTIL(rf_flows_count(shells[0].flows) + rf_flows_count(shells[1].flows) == 0);
    /* again: sessions are resumed now */
    shells[0].ups = shells[0].resumed = 0;
    id[0] = dial();
    TURN_UNTIL(shells[0].ups == 1);
    assert_int_equal(shells[0].resumed, 1);
}

static void test_nobody_there(void **state)
{
    struct rf_addr nobody;
    rf_link_id id;
    int fd;

    (void)state;
    nobody = (struct rf_addr){.family = 4, .ip = {127, 0, 0, 1}};
    assert_int_equal(rf_socket_listen(&nobody, &fd, &nobody), 0);
    rf_socket_close(fd);
    assert_int_equal(rf_links_connect(shells[0].links, &nobody, 1, NULL, RF_LINK_OVERLAY, 0, &id), 0);
    TURN_UNTIL(shells[0].downs == 1);
    assert_int_equal(rf_links_counters(shells[0].links)->connect_failed, 1);
}

/* A stranger with a plain socket: an HTTP request gets a TLS alert and the end of the connection. */
static void test_stranger(void **state)
{
    struct rf_addr local;
    uint8_t answer[100];
    size_t len = 0;
    int fd;

    (void)state;
    assert_int_equal(rf_socket_connect(&shells[1].at, &fd), 0);
    TURN_UNTIL(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 0) == 1);
    assert_int_equal(rf_socket_connected(fd, &local), 0);
    assert_int_equal(rf_socket_send(fd, rf_view_str("GET / HTTP/1.1\r\n\r\n"), &len), 0);
    TURN_UNTIL(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1);
    assert_int_equal(rf_socket_recv(fd, answer, sizeof answer, &len), 0);
    assert_int_equal(answer[0], 21); /* alert */
    TURN_UNTIL(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1);
    assert_int_equal(rf_socket_recv(fd, answer, sizeof answer, &len), RF_ECLOSED);
    rf_socket_close(fd);
    assert_int_equal(rf_links_counters(shells[1].links)->handshake_failed, 1);
    assert_int_equal(rf_flows_count(shells[1].flows), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stranger, setup, teardown),
    };
    return cmocka_run_group_tests_name("link over io", tests, NULL, NULL);
}
