/* test_sim_nat.c - NAT boxes: the tables of RFC 4787, timers, ends, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/error.h"
#include "sim/nat.h"

#define S         RF_US_PER_S
#define BOX       0x14000001u
#define OTHER_BOX 0x14000002u
#define A         0x0a000001u
#define B         0x0a000002u
#define SERVER    0x0a0000ffu

static struct sim_nat_config config;
static struct sim_nat box;

static void make(enum sim_nat_kind kind)
{
    sim_nat_deinit(&box, rf_mem_system());
    sim_nat_config_default(kind, &config);
    sim_nat_init(&box, &config, BOX);
}

static int out(uint8_t protocol, uint8_t flags, uint8_t host, uint16_t port, uint32_t ip, uint16_t remote,
               uint64_t at_s, uint16_t *outside)
{
    struct sim_nat_packet p = {protocol, flags, port, ip, remote};
    return sim_nat_out(&box, rf_mem_system(), host, &p, at_s * S, outside);
}

/* The outside port of a packet that must get out. */
static uint16_t sent(uint8_t protocol, uint8_t flags, uint8_t host, uint16_t port, uint32_t ip,
                     uint16_t remote, uint64_t at_s)
{
    uint16_t outside = 0;
    assert_int_equal(out(protocol, flags, host, port, ip, remote, at_s, &outside), 0);
    assert_true(outside >= 1024);
    return outside;
}

static int in(uint8_t protocol, uint8_t flags, uint16_t port, uint32_t ip, uint16_t remote, uint64_t at_s)
{
    struct sim_nat_packet p = {protocol, flags, port, ip, remote};
    uint8_t host = 255;
    uint16_t inside = 0;
    int error = sim_nat_in(&box, &p, at_s * S, &host, &inside);
    assert_true(error != 0 || (host != 255 && inside != 0));
    return error;
}

/*
 * RFC 4787, sections 4.1 and 5. Host 1 sends from port 5000 to A:80. `same`: does what he sends to A:81 and to B:80 leave from the
 * same port? `enters`: may A:80, A:81, B:80 send to that port?
 */
static void test_tables(void **state)
{
    static const struct {
        enum sim_nat_kind kind;
        bool same[2], enters[3];
    } rows[] = {
        {SIM_NAT_FULL_CONE, {true, true}, {true, true, true}},
        {SIM_NAT_RESTRICTED, {true, true}, {true, true, false}},
        {SIM_NAT_PORT_RESTRICTED, {true, true}, {true, false, false}},
        {SIM_NAT_SYMMETRIC, {false, false}, {true, false, false}},
        {SIM_NAT_HOTEL, {false, false}, {true, false, false}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (uint8_t protocol = SIM_NAT_UDP; protocol <= SIM_NAT_TCP; protocol++) {
            uint8_t syn = protocol == SIM_NAT_TCP ? SIM_NAT_SYN : 0;
            make(rows[i].kind);
            uint16_t port = sent(protocol, syn, 1, 5000, A, 80, 0);
            assert_int_equal(in(protocol, syn, port, A, 80, 1) == 0, rows[i].enters[0]);
            assert_int_equal(in(protocol, syn, port, A, 81, 1) == 0, rows[i].enters[1]);
            assert_int_equal(in(protocol, syn, port, B, 80, 1) == 0, rows[i].enters[2]);
            assert_int_equal(in(protocol == SIM_NAT_TCP ? SIM_NAT_UDP : SIM_NAT_TCP, 0, port, A, 80, 1),
                             RF_ENOTFOUND); /* a binding is one protocol's */
            assert_int_equal(sent(protocol, syn, 1, 5000, A, 81, 1) == port, rows[i].same[0]);
            assert_int_equal(sent(protocol, syn, 1, 5000, B, 80, 1) == port, rows[i].same[1]);
            assert_int_equal(sent(protocol, 0, 1, 5000, A, 80, 1), port);
            assert_true(sent(protocol, syn, 1, 5001, A, 80, 1) != port);
            assert_true(sent(protocol, syn, 2, 5000, A, 80, 1) != port); /* never shared: REQ-3 */
        }
}

/* All nine pairs of rules that RFC 4787 names, not only those with a name of their own. */
static void test_rules(void **state)
{
    (void)state;
    for (uint8_t mapping = SIM_NAT_ANY_END; mapping <= SIM_NAT_SAME_ADDRESS_AND_PORT; mapping++)
        for (uint8_t filtering = SIM_NAT_ANY_END; filtering <= SIM_NAT_SAME_ADDRESS_AND_PORT; filtering++) {
            make(SIM_NAT_SYMMETRIC);
            config.mapping = mapping;
            config.filtering = filtering;
            uint16_t port = sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 0);
            assert_int_equal(in(SIM_NAT_UDP, 0, port, A, 81, 0) == 0, filtering <= SIM_NAT_SAME_ADDRESS);
            assert_int_equal(in(SIM_NAT_UDP, 0, port, B, 80, 0) == 0, filtering == SIM_NAT_ANY_END);
            assert_int_equal(sent(SIM_NAT_UDP, 0, 0, 5000, A, 81, 0) == port,
                             mapping <= SIM_NAT_SAME_ADDRESS);
            assert_int_equal(sent(SIM_NAT_UDP, 0, 0, 5000, B, 80, 0) == port, mapping == SIM_NAT_ANY_END);
        }
}

/* ---- hole punching: each kind with each ---- */

struct side {
    struct sim_nat nat;
    struct sim_nat_config config;
    uint32_t to_ip; /* where it sends: what the server told, then where the other's packets come from */
    uint16_t to_port;
    bool heard;
};

static void side_init(struct side *side, enum sim_nat_kind kind, uint32_t ip)
{
    sim_nat_config_default(kind, &side->config);
    sim_nat_init(&side->nat, kind == SIM_NAT_OPEN ? NULL : &side->config, ip);
    side->nat.ip = ip;
    side->heard = false;
}

static uint16_t leave(struct side *side, uint32_t ip, uint16_t port)
{
    struct sim_nat_packet p = {SIM_NAT_UDP, 0, 6000, ip, port};
    uint16_t outside = 6000;
    if (side->nat.config != NULL)
        assert_int_equal(sim_nat_out(&side->nat, rf_mem_system(), 0, &p, 0, &outside), 0);
    return outside;
}

static void send_to(struct side *from, struct side *to)
{
    uint16_t inside = 0, outside = leave(from, from->to_ip, from->to_port);
    struct sim_nat_packet p = {SIM_NAT_UDP, 0, from->to_port, from->nat.ip, outside};
    uint8_t host;
    if (to->nat.config != NULL ? sim_nat_in(&to->nat, &p, 0, &host, &inside) != 0 : p.port != 6000)
        return;
    to->heard = true;
    to->to_ip = from->nat.ip; /* answers go where it came from, as in ICE */
    to->to_port = outside;
}

static void test_hole_punching(void **state)
{
    static const bool reach[SIM_NAT_KINDS][SIM_NAT_KINDS] = {
        /* open, full, restricted, port-restricted, symmetric, hotel */
        {1, 1, 1, 1, 1, 1}, /* open */
        {1, 1, 1, 1, 1, 1}, /* full cone */
        {1, 1, 1, 1, 1, 1}, /* restricted */
        {1, 1, 1, 1, 0, 0}, /* port-restricted */
        {1, 1, 1, 0, 0, 0}, /* symmetric */
        {1, 1, 1, 0, 0, 0}, /* hotel */
    };
    (void)state;
    for (int i = 0; i < SIM_NAT_KINDS; i++)
        for (int k = 0; k < SIM_NAT_KINDS; k++) {
            struct side a, b;
            side_init(&a, (enum sim_nat_kind)i, BOX);
            side_init(&b, (enum sim_nat_kind)k, OTHER_BOX);
            a.to_ip = OTHER_BOX;
            b.to_ip = BOX;
            b.to_port = leave(&a, SERVER, 3478);
            a.to_port = leave(&b, SERVER, 3478);
            for (int round = 0; round < 4; round++) {
                send_to(&a, &b);
                send_to(&b, &a);
            }
            assert_int_equal(a.heard && b.heard, reach[i][k]);
            sim_nat_deinit(&a.nat, rf_mem_system());
            sim_nat_deinit(&b.nat, rf_mem_system());
        }
}

/* ---- timers ---- */

static void test_udp_timer(void **state)
{
    (void)state;
    make(SIM_NAT_FULL_CONE);
    uint16_t port = sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 0);
    assert_int_equal(in(SIM_NAT_UDP, 0, port, A, 80, 119), 0);
    assert_int_equal(in(SIM_NAT_UDP, 0, port, A, 80, 120),
                     RF_ENOTFOUND); /* from outside: no refresh, REQ-6 */
    sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 130);
    sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 240);
    assert_int_equal(in(SIM_NAT_UDP, 0, port, B, 9, 359), 0);
    sent(SIM_NAT_UDP, 0, 0, 5000, B, 80, 350); /* a binding lives as long as one of its flows */
    assert_int_equal(in(SIM_NAT_UDP, 0, port, A, 80, 460), 0);
    assert_int_equal(sim_nat_flows(&box, 460 * S), 1);
    assert_int_equal(box.dropped, 1);
}

static void test_tcp_timer(void **state)
{
    (void)state;
    make(SIM_NAT_PORT_RESTRICTED);
    uint16_t port = sent(SIM_NAT_TCP, SIM_NAT_SYN, 0, 5000, A, 80, 0);
    assert_int_equal(port, 5000);                                         /* preserved */
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 240), RF_ENOTFOUND); /* not answered in time */
    port = sent(SIM_NAT_TCP, SIM_NAT_SYN, 0, 5000, A, 80, 300);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 301), 0);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 301 + 7439), 0); /* both ways refresh it */
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 301 + 2 * 7439), 0);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 301 + 3 * 7440), RF_ENOTFOUND);
    uint16_t other = sent(SIM_NAT_TCP, 0, 0, 5000, A, 80, 301 + 3 * 7440);
    assert_true(other != port); /* in the middle of a connection: never the old port */
}

static void test_tcp_end(void **state)
{
    (void)state;
    make(SIM_NAT_SYMMETRIC);
    uint16_t ignored, port = sent(SIM_NAT_TCP, SIM_NAT_SYN, 0, 5000, A, 80, 0);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 1), 0);
    assert_int_equal(sent(SIM_NAT_TCP, SIM_NAT_END, 0, 5000, A, 80, 10), port);
    assert_int_equal(in(SIM_NAT_TCP, SIM_NAT_END, port, A, 80, 11), 0);
    assert_int_equal(sim_nat_flows(&box, 250 * S), 1);
    assert_int_equal(sim_nat_flows(&box, 251 * S), 0);
    assert_int_equal(out(SIM_NAT_TCP, SIM_NAT_END, 0, 5000, A, 80, 300, &ignored), RF_ENOTFOUND);
    assert_int_equal(sim_nat_flows(&box, 300 * S), 0); /* an end opens nothing */
}

/* ---- ports, resets, limits ---- */

static void test_ports(void **state)
{
    (void)state;
    make(SIM_NAT_FULL_CONE);
    assert_int_equal(sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 0), 5000);
    uint16_t second = sent(SIM_NAT_UDP, 0, 1, 5000, A, 80, 0);
    assert_true(second != 5000);
    assert_int_equal(sent(SIM_NAT_TCP, SIM_NAT_SYN, 1, 5000, A, 80, 0), 5000); /* another protocol's */
    assert_int_equal(sent(SIM_NAT_UDP, 0, 1, 5000, B, 80, 60), second);
    assert_int_equal(sent(SIM_NAT_UDP, 0, 1, 5001, B, 80, 60), 5001);
    assert_true(sent(SIM_NAT_UDP, 0, 0, 53, A, 80, 0) >= 1024);
}

static void test_forward(void **state)
{
    (void)state;
    make(SIM_NAT_SYMMETRIC);
    assert_int_equal(in(SIM_NAT_TCP, SIM_NAT_SYN, 6084, A, 4000, 0), RF_ENOTFOUND);
    assert_int_equal(sim_nat_forward(&box, rf_mem_system(), 3, 6084), 0);
    for (uint64_t day = 0; day < 20; day++) {
        struct sim_nat_packet p = {SIM_NAT_TCP, SIM_NAT_SYN, 6084, A, (uint16_t)(4000 + day)};
        uint16_t port = 0;
        uint8_t host = 0;
        assert_int_equal(sim_nat_in(&box, &p, day * 86400 * S, &host, &port), 0);
        assert_int_equal(host, 3);
        assert_int_equal(port, 6084);
        assert_int_equal(sent(SIM_NAT_TCP, 0, 3, 6084, A, p.remote_port, day * 86400), 6084); /* answers */
    }
    sim_nat_reset(&box, BOX);
    assert_int_equal(in(SIM_NAT_TCP, SIM_NAT_SYN, 6084, B, 1, 0), 0);
    assert_true(sent(SIM_NAT_TCP, SIM_NAT_SYN, 2, 6084, A, 80, 0) != 6084); /* taken */
}

static void test_reset(void **state)
{
    (void)state;
    make(SIM_NAT_FULL_CONE);
    uint16_t port = sent(SIM_NAT_TCP, SIM_NAT_SYN, 0, 5000, A, 80, 0);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 1), 0);
    sim_nat_reset(&box, OTHER_BOX);
    assert_int_equal(box.ip, OTHER_BOX);
    assert_int_equal(in(SIM_NAT_TCP, 0, port, A, 80, 2), RF_ENOTFOUND);
    assert_true(sent(SIM_NAT_TCP, 0, 0, 5000, A, 80, 3) != port);
}

static void test_hotel(void **state)
{
    (void)state;
    make(SIM_NAT_HOTEL);
    uint16_t first = sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 0), guest = sent(SIM_NAT_UDP, 0, 1, 5000, A, 80, 0),
             ignored;
    for (uint16_t i = 1; i < 200; i++)
        sent(SIM_NAT_UDP, 0, 0, 5000, B, i, 1);
    assert_int_equal(out(SIM_NAT_UDP, 0, 0, 5000, B, 200, 2, &ignored), RF_ELIMIT);
    assert_int_equal(out(SIM_NAT_UDP, 0, 0, 5000, A, 80, 3, &ignored), RF_EFORBIDDEN);
    assert_int_equal(in(SIM_NAT_UDP, 0, first, A, 80, 3), RF_ENOTFOUND);
    assert_int_equal(in(SIM_NAT_UDP, 0, guest, A, 80, 3), 0); /* the other guest's */
    sim_nat_reset(&box, BOX);                                 /* the list of the blocked is on its disk */
    assert_int_equal(out(SIM_NAT_UDP, 0, 0, 5000, A, 80, 901, &ignored), RF_EFORBIDDEN);
    sent(SIM_NAT_UDP, 0, 0, 5000, A, 80, 902);
    make(SIM_NAT_HOTEL); /* a flow that ran out does not count */
    for (uint16_t i = 0; i < 1000; i++)
        sent(SIM_NAT_UDP, 0, 0, 5000, B, i, i);
}

static void test_memory(void **state)
{
    struct rf_mem_test mem;
    (void)state;
    assert_true(sizeof(struct sim_nat) <= 32);
    make(SIM_NAT_SYMMETRIC);
    sim_nat_deinit(&box, rf_mem_system());
    for (size_t allowed = 0; allowed < 6; allowed++) {
        uint16_t port, flows = 0;
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        sim_nat_init(&box, &config, BOX);
        for (uint16_t i = 0; i < 12; i++) {
            struct sim_nat_packet p = {SIM_NAT_UDP, 0, 5000, A, i};
            int error = sim_nat_out(&box, &mem.mem, 0, &p, 0, &port);
            assert_true(error == 0 || error == RF_ENOMEM);
            flows += error == 0;
        }
        assert_int_equal(sim_nat_flows(&box, 0), flows);
        sim_nat_deinit(&box, &mem.mem);
        assert_int_equal(mem.live_count, 0);
    }
}

static int end(void **state)
{
    (void)state;
    sim_nat_deinit(&box, rf_mem_system());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_hole_punching), cmocka_unit_test(test_udp_timer),
        cmocka_unit_test(test_tcp_timer),     cmocka_unit_test(test_tcp_end),
        cmocka_unit_test(test_ports),         cmocka_unit_test(test_forward),
        cmocka_unit_test(test_reset),         cmocka_unit_test(test_hotel),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
