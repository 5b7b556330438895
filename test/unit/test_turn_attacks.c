/*
 * test_turn_attacks.c - one attack after the other on a relay that Alice uses. Each is counted and gets its attacker nothing, nothing is kept for it, and what Alice sends and hears goes on.
 * docs/protocol/relay.md lists them.
 */
#include "base/assert.h"
#include "test_turn.h"

#define PEER "198.51.100.1:1"

/* Whose requests the world makes. */
struct person {
    struct rf_turn_from from;
    struct rf_turn_credentials credentials;
    char nonce[64];
};

static struct person alice;

static struct person person_of(const struct turn_world *w)
{
    struct person p = {.from = w->from, .credentials = w->credentials};
    memcpy(p.nonce, w->nonce, sizeof(p.nonce));
    return p;
}

static void become(struct turn_world *w, const struct person *p)
{
    w->from = p->from;
    w->credentials = p->credentials;
    memcpy(w->nonce, p->nonce, sizeof(p->nonce));
}

static void begin(struct turn_world *w)
{
    turn_world_init(w);
    w->config.max_per_user = 2;
    w->config.user_bytes_per_s = 1000;
    turn_world_start(w);
    assert_int_equal(turn_allocate(w), 0);
    assert_int_equal(turn_bind_peer(w, 0x4000, PEER), 0);
    alice = person_of(w);
    w->from.addr = turn_addr("203.0.113.66:6666"); /* Mallory, who has good credentials, too */
    w->nonce[0] = '\0';
    assert_int_equal(rf_turn_credentials(w->e.crypto, w->config.secret, "mallory", w->e.now.wall_ms + 3600000,
                                         &w->credentials),
                     0);
}

static void alice_is_well(struct turn_world *w)
{
    struct rf_view packet;
    become(w, &alice);
    turn_send_channel(w, 0x4000, "out");
    assert_int_equal(w->act.type, RF_TURN_TO_PEER);
    assert_true(turn_from_peer(w, PEER, "in", &packet));
    assert_int_equal(turn_refresh(w, 600), 0);
    assert_int_equal(turn_bind_peer(w, 0x4000, PEER), 0);
}

/* ---- the attacks ---- */

static void no_credentials(struct turn_world *w)
{
    for (int i = 0; i < 10; i++) {
        w->nonce[0] = '\0';
        turn_begin_request(w, RF_TURN_ALLOCATE);
        assert_int_equal(turn_send_request(w), RF_STUN_UNAUTHENTICATED);
    }
}

static void guessed_password(struct turn_world *w)
{
    w->credentials.password[0] ^= 1;
    for (int i = 0; i < 10; i++)
        assert_int_equal(turn_allocate(w), RF_STUN_UNAUTHENTICATED);
}

static void expired_credentials(struct turn_world *w)
{
    assert_int_equal(
        rf_turn_credentials(w->e.crypto, w->config.secret, "mallory", w->e.now.wall_ms - 1, &w->credentials),
        0);
    assert_int_equal(turn_allocate(w), RF_STUN_UNAUTHENTICATED);
}

static void another_ones_nonce(struct turn_world *w)
{
    memcpy(w->nonce, alice.nonce, sizeof(alice.nonce));
    assert_int_equal(turn_allocate(w), RF_STUN_STALE_NONCE);
}

static void another_ones_allocation(struct turn_world *w)
{
    w->from = alice.from;
    memcpy(w->nonce, alice.nonce, sizeof(alice.nonce));
    assert_int_equal(turn_refresh(w, 0), RF_TURN_WRONG_CREDENTIALS);
    assert_int_equal(turn_permit_peer(w, "198.51.100.66:1"), RF_TURN_WRONG_CREDENTIALS);
}

static void peers_of_the_relays_host(struct turn_world *w)
{
    static const char *const peers[] = {"127.0.0.1:22", "10.0.0.1:80", "192.168.1.1:80", "169.254.169.254:80",
                                        "0.0.0.0:22"};
    assert_int_equal(turn_allocate(w), 0);
    for (size_t i = 0; i < RF_COUNT(peers); i++) {
        assert_int_equal(turn_permit_peer(w, peers[i]), RF_TURN_FORBIDDEN);
        assert_int_equal(turn_bind_peer(w, 0x4000, peers[i]), RF_TURN_FORBIDDEN);
        turn_send_data(w, peers[i], "let me in");
        assert_int_equal(w->act.type, RF_TURN_NOTHING);
    }
    assert_int_equal(turn_refresh(w, 0), 0);
}

static void peers_not_asked_for(struct turn_world *w)
{
    struct rf_view packet;
    assert_int_equal(turn_allocate(w), 0);
    turn_send_data(w, "198.51.100.7:1", "unasked");
    assert_int_equal(w->act.type, RF_TURN_NOTHING);
    assert_false(turn_from_peer(w, "198.51.100.7:1", "to Alice", &packet));
    assert_int_equal(turn_refresh(w, 0), 0);
}

/* Returns how many bytes of answers came for the bytes sent. */
static double ask(struct turn_world *w, uint16_t method, uint32_t count, bool from_everywhere)
{
    size_t sent = 0, came = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (from_everywhere)
            memcpy(w->from.addr.ip, (uint8_t[]){77, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 4);
        w->from.addr.port = (uint16_t)(1024 + i % 60000);
        w->nonce[0] = '\0';
        turn_begin_request(w, method);
        (void)turn_send_request(w);
        sent += w->out.len;
        came += w->act.type == RF_TURN_REPLY ? w->act.bytes.len : 0;
    }
    return (double)came / (double)sent;
}

static void flood_of_bindings_for_one(struct turn_world *w)
{
    assert_true(ask(w, RF_STUN_BINDING, 20000, false) < 0.05);
    assert_in_range(turn_counters(w)->bindings, 1, 200);
}

static void flood_of_bindings_from_all(struct turn_world *w)
{
    size_t live = w->e.mem.live_count;
    assert_true(ask(w, RF_STUN_BINDING, 300000, true) < 1.5);
    assert_int_equal(w->e.mem.live_count, live);
}

static void flood_of_allocates_from_all(struct turn_world *w)
{
    size_t live = w->e.mem.live_count;
    assert_true(ask(w, RF_TURN_ALLOCATE, 100000, true) < 1);
    assert_int_equal(w->e.mem.live_count, live);
}

/* What somebody heard Alice send, from another address, and from hers while it is as it was. */
static void replay(struct turn_world *w)
{
    struct rf_turn_act act;
    struct rf_stun_msg m;
    uint8_t kept[sizeof(w->request)];
    struct person mallory = person_of(w);
    int code;
    become(w, &alice);
    turn_begin_request(w, RF_TURN_ALLOCATE);
    rf_stun_put_u32(&w->out, RF_TURN_REQUESTED_TRANSPORT, UINT32_C(17) << 24);
    assert_int_equal(turn_send_request(w), RF_TURN_ALLOCATION_MISMATCH);
    size_t len = w->out.len;
    memcpy(kept, w->request, len);
    rf_turn_client(w->turn, &w->from, rf_view_of(kept, len), &act);
    assert_int_equal(rf_stun_decode(act.bytes, &m), 0);
    assert_int_equal(rf_stun_error_code(&m, &code, NULL), 0);
    assert_int_equal(code, RF_TURN_ALLOCATION_MISMATCH);
    rf_turn_client(w->turn, &mallory.from, rf_view_of(kept, len), &act);
    assert_int_equal(rf_stun_decode(act.bytes, &m), 0);
    assert_int_equal(rf_stun_error_code(&m, &code, NULL), 0);
    assert_int_equal(code, RF_STUN_STALE_NONCE);
}

static void all_ports_taken(struct turn_world *w)
{
    w->open_error = RF_ELIMIT;
    for (int i = 0; i < 5; i++)
        assert_int_equal(turn_allocate(w), RF_TURN_INSUFFICIENT_CAPACITY);
    w->open_error = 0;
}

static void too_many_allocations(struct turn_world *w)
{
    for (int i = 0; i < 5; i++) {
        w->from.addr.port++;
        w->nonce[0] = '\0';
        assert_int_equal(turn_allocate(w), i < 2 ? 0 : RF_TURN_ALLOCATION_QUOTA_REACHED);
    }
}

static void too_much_data(struct turn_world *w)
{
    assert_int_equal(turn_allocate(w), 0);
    assert_int_equal(turn_bind_peer(w, 0x4000, PEER), 0);
    for (int i = 0; i < 1000; i++)
        turn_send_channel(w, 0x4000, "one hundred bytes and their bucket is empty after ten of these");
}

static void nonsense(struct turn_world *w)
{
    struct rf_turn_act act;
    uint8_t bytes[100];
    for (int i = 0; i < 1000; i++) {
        rf_rng_fill(&w->e.rng.rng, bytes, sizeof(bytes));
        rf_turn_client(w->turn, &w->from, rf_view_of(bytes, sizeof(bytes)), &act);
        assert_int_equal(act.type, RF_TURN_NOTHING);
    }
}

static void each_is_counted_and_refused(void **state)
{
#define AT(counter) offsetof(struct rf_turn_counters, counter)
    static const struct {
        void (*attack)(struct turn_world *w);
        size_t counter;
        uint64_t least;
        size_t kept; /* allocations of the attacker's that are his by right */
    } rows[] = {
        {no_credentials, AT(unauthenticated), 10, 0},
        {guessed_password, AT(refused_credentials), 9, 0},
        {expired_credentials, AT(refused_credentials), 1, 0},
        {another_ones_nonce, AT(unauthenticated), 1, 0},
        {another_ones_allocation, AT(refused_other), 2, 0},
        {peers_of_the_relays_host, AT(refused_peer), 10, 0},
        {peers_of_the_relays_host, AT(no_permission), 5, 0},
        {peers_not_asked_for, AT(no_permission), 2, 0},
        {flood_of_bindings_for_one, AT(unauthenticated_dropped), 19800, 0},
        {flood_of_bindings_from_all, AT(unauthenticated_dropped), 50000, 0},
        {flood_of_allocates_from_all, AT(unauthenticated_dropped), 50000, 0},
        {replay, AT(unauthenticated), 1, 0},
        {all_ports_taken, AT(refused_capacity), 5, 0},
        {too_many_allocations, AT(refused_quota), 3, 2},
        {too_much_data, AT(over_budget), 900, 1},
        {nonsense, AT(malformed), 500, 0},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct turn_world w;
        uint64_t before, after;
        begin(&w);
        memcpy(&before, (const uint8_t *)turn_counters(&w) + rows[i].counter, sizeof(before));
        rows[i].attack(&w);
        memcpy(&after, (const uint8_t *)turn_counters(&w) + rows[i].counter, sizeof(after));
        if (after - before < rows[i].least)
            fail_msg("row %zu: counted %llu", i, (unsigned long long)(after - before));
        assert_int_equal(w.open, 1 + rows[i].kept);
        alice_is_well(&w);
        turn_world_deinit(&w);
    }
}

int test_turn_attacks(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_counted_and_refused)};
    return cmocka_run_group_tests_name("turn attacks", tests, NULL, NULL);
}
