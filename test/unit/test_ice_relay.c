/* test_ice_relay.c - the TURN client at the relay of turn/: hours of refreshing, what is given back, what gets lost, what is refused. */
#include "ice_world.h"

static size_t allocations(struct ice_world *w)
{
    struct rf_turn_status status;
    rf_turn_status(w->turn, &status);
    return status.allocations;
}

static void relayed_pair(struct ice_world *w, struct world_host **a, struct world_host **b, bool stream)
{
    world_init(w, 1);
    *a = world_host(w, world_nat(w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, stream);
    *b = world_host(w, world_nat(w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, false);
    (*a)->udp_blocked = stream;
    assert_true(world_connect(*a, *b) > 0);
    assert_true(world_info(*a).relayed);
}

/* Nonces last 10 minutes, allocations too, channels as well, permissions 5: three hours are many renewals. */
static void hours(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct ice_world w;
        struct world_host *a, *b;
        relayed_pair(&w, &a, &b, stream != 0);
        struct rf_turn_status status;
        rf_turn_status(w.turn, &status);
        uint64_t no_permission = status.counters.no_permission; /* checks that came before we had one */
        for (int minute = 0; minute < 180; minute++) {
            world_talk(a, b);
            world_pass(&w, 60 * RF_US_PER_S);
        }
        assert_int_equal(a->failed + b->failed + a->restarts + b->restarts, 0);
        assert_int_equal(rf_ice_counters(a->ice)->allocations, 1);
        rf_turn_status(w.turn, &status);
        assert_int_equal(status.counters.no_permission, no_permission);
        assert_int_equal(status.counters.refused_credentials, 0);
        rf_ice_close(a->ice, a->session);
        rf_ice_close(b->ice, b->session);
        world_pass(&w, 29 * RF_US_PER_S);
        assert_true(allocations(&w) > 0);
        world_pass(&w, 2 * RF_US_PER_S);
        assert_int_equal(allocations(&w), 0);
        assert_int_equal(a->stream, 0);
        world_deinit(&w);
    }
}

/* Data go by ChannelData once a channel is bound: 4 bytes instead of 36. */
static void channels(void **state)
{
    struct ice_world w;
    struct world_host *a, *b;
    struct rf_ice_wrap wrap;
    (void)state;
    relayed_pair(&w, &a, &b, true);
    assert_int_equal(rf_ice_send(a->ice, a->session, 5, &wrap), 0);
    assert_int_equal(wrap.base, RF_ICE_NO_BASE);
    world_talk(a, b);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(rf_ice_send(a->ice, a->session, 5, &wrap), 0);
    assert_int_equal(wrap.head_len, RF_TURN_CHANNEL_HEADER_LEN);
    assert_int_equal(wrap.pad, 3); /* on a stream */
    assert_int_equal(rf_ice_send(a->ice, a->session, RF_ICE_MAX_PAYLOAD + 1, &wrap), RF_ELENGTH);
    assert_int_equal(rf_ice_send(a->ice, a->session + 100, 5, &wrap), RF_ENOTFOUND);
    world_talk(a, b);
    world_deinit(&w);
}

/* Several sessions share one allocation. */
static void shared(void **state)
{
    struct ice_world w;
    struct rf_ice_session_config config = {.controlling = true, .relaying = RF_ICE_RELAY_ONLY};
    struct rf_ice_params params;
    rf_ice_id ids[20];
    (void)state;
    world_init(&w, 1);
    struct world_host *a = world_host(&w, WORLD_OUTSIDE, true, false);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(rf_ice_open(a->ice, &config, &ids[i]), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(allocations(&w), 1);
    assert_int_equal(rf_ice_counters(a->ice)->allocations, 1);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(rf_ice_local(a->ice, ids[i], &params), 0);
        assert_int_equal(params.candidate_count, 1);
        assert_int_equal(params.candidates[0].kind, RF_ICE_KIND_RELAY);
        rf_ice_close(a->ice, ids[i]);
    }
    world_deinit(&w);
}

/* Another process, and its owner has renamed it. */
static void restart_server(struct ice_world *w)
{
    struct rf_turn_config turn = {
        .crypto = w->e.crypto, .host = &w->turn_host, .realm = "elsewhere.org", .max_per_user = 50};
    rf_turn_free(w->turn);
    assert_int_equal(rf_turn_new(&w->e.env, &turn, &w->turn), 0);
}

/* The relay has forgotten us: the next renewal tells, and a restart of the session helps. A stream to it is given back before there is another. */
static void forgotten(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct ice_world w;
        struct world_host *a, *b;
        relayed_pair(&w, &a, &b, stream != 0);
        uint32_t before = a->stream;
        restart_server(&w);
        for (int i = 0; i < 600 && (stream != 0 ? a->restarts : a->restarts + b->restarts) == 0; i++)
            world_pass(&w, RF_US_PER_S);
        assert_true(a->restarts + b->restarts > 0);
        world_pass(&w, 20 * RF_US_PER_S);
        assert_true(stream == 0 || (a->stream != 0 && a->stream != before));
        assert_int_equal(a->streams, stream);
        a->selected = b->selected = 0;
        assert_int_equal(rf_ice_restart(a->ice, a->session), 0);
        assert_int_equal(rf_ice_restart(b->ice, b->session), 0);
        world_signal(a, b);
        world_pass(&w, 5 * RF_US_PER_S);
        assert_int_equal(a->selected, 1);
        assert_int_equal(b->selected, 1);
        world_talk(a, b);
        world_deinit(&w);
    }
}

static void stream_breaks(void **state)
{
    struct ice_world w;
    struct world_host *a, *b;
    (void)state;
    relayed_pair(&w, &a, &b, true);
    uint32_t stream = a->stream;
    struct rf_turn_from from = {.addr = world_addr("45.0.3.0:9"), .flow = stream, .stream = true};
    rf_turn_gone(w.turn, &from);
    a->stream = 0;
    rf_ice_stream_down(a->ice, stream);
    world_drain(a);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(a->restarts, 1);
    assert_true(a->stream != 0 && a->stream != stream); /* connected anew */
    a->selected = b->selected = 0;
    assert_int_equal(rf_ice_restart(a->ice, a->session), 0);
    assert_int_equal(rf_ice_restart(b->ice, b->session), 0);
    world_signal(a, b);
    world_pass(&w, 2 * RF_US_PER_S);
    assert_int_equal(a->selected, 1);
    world_talk(a, b);
    world_deinit(&w);
}

/* Gathering ends at once where the relay refuses, in time where nobody answers; and goes on without it. */
static void refused(void **state)
{
    struct ice_world w;
    (void)state;
    world_init(&w, 1);
    struct world_host *a = world_host(&w, world_nat(&w, SIM_NAT_PORT_RESTRICTED, WORLD_OUTSIDE), true, false);
    struct world_host *b = world_host(&w, WORLD_OUTSIDE, true, true);
    struct rf_ice_session_config config = {.controlling = true};
    assert_int_equal(rf_ice_turn_login(a->ice, 0, "1900000000:alice", "wrong"), 0);
    assert_int_equal(rf_ice_turn_login(a->ice, 1, "1900000000:alice", "wrong"), RF_ENOTFOUND);
    b->streams_blocked = true;
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    assert_int_equal(rf_ice_open(b->ice, &config, &b->session), 0);
    world_pass(&w, 200 * RF_US_PER_MS);
    assert_int_equal(a->gathered, 1);
    assert_int_equal(b->gathered, 1);
    assert_int_equal(rf_ice_counters(a->ice)->allocations_failed, 1);
    assert_int_equal(rf_ice_counters(b->ice)->allocations_failed, 1);
    struct rf_ice_params params;
    assert_int_equal(rf_ice_local(a->ice, a->session, &params), 0);
    assert_int_equal(params.candidate_count, 2);
    assert_int_equal(params.candidates[0].kind, RF_ICE_KIND_HOST);
    assert_int_equal(params.candidates[1].kind, RF_ICE_KIND_SRFLX);
    assert_true(rf_addr_equal(&params.candidates[1].related, &a->addr));
    /* with good credentials, a while later */
    world_pass(&w, 5 * RF_US_PER_S);
    assert_int_equal(rf_ice_turn_login(a->ice, 0, w.credentials.user, w.credentials.password), 0);
    assert_int_equal(rf_ice_restart(a->ice, a->session), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(rf_ice_local(a->ice, a->session, &params), 0);
    assert_int_equal(params.candidate_count, 3);
    assert_int_equal(params.candidates[2].kind, RF_ICE_KIND_RELAY);
    world_deinit(&w);
}

static void silent(void **state)
{
    struct ice_world w;
    struct rf_ice_behaviour behaviour;
    (void)state;
    world_init(&w, 1);
    struct world_host *a = world_host(&w, WORLD_OUTSIDE, true, false);
    struct rf_ice_session_config config = {.controlling = true, .relaying = RF_ICE_RELAY_NEVER};
    a->udp_blocked = true;
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    world_pass(&w, 499 * RF_US_PER_MS);
    assert_int_equal(a->gathered, 0);
    world_pass(&w, 2 * RF_US_PER_MS);
    assert_int_equal(a->gathered, 1);
    config.relaying = RF_ICE_RELAY_IF_NEEDED;
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    world_pass(&w, 2990 * RF_US_PER_MS);
    assert_int_equal(a->gathered, 1);
    world_pass(&w, 20 * RF_US_PER_MS);
    assert_int_equal(a->gathered, 2);
    assert_int_equal(rf_ice_behaviour(a->ice, 0, &behaviour), 0);
    assert_int_equal(behaviour.mapping, RF_ICE_MAPPING_UNKNOWN);
    world_pass(&w, 60 * RF_US_PER_S);
    assert_int_equal(rf_ice_behaviour(a->ice, 0, &behaviour), 0);
    assert_int_equal(behaviour.mapping, RF_ICE_MAPPING_BLOCKED);
    assert_int_equal(behaviour.asked, 2);
    assert_int_equal(rf_ice_behaviour(a->ice, 1, &behaviour), RF_EINVAL);
    world_deinit(&w);
}

/* A new process on the port of one that had an allocation: 437, and it makes room. */
static void same_port_again(void **state)
{
    struct ice_world w;
    struct world_host *a, *b;
    (void)state;
    relayed_pair(&w, &a, &b, false);
    size_t before = allocations(&w);
    struct rf_ice_session_config config = {.controlling = true, .relaying = RF_ICE_RELAY_ONLY};
    uint8_t nat = a->nat;
    rf_ice_free(a->ice);
    a->ice = NULL;
    a = world_host(&w, nat, true, false);
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(a->gathered, 1);
    assert_int_equal(rf_ice_counters(a->ice)->allocations, 1);
    assert_int_equal(allocations(&w), before);
    world_deinit(&w);
}

/* The first server sends everybody to the second one. */
static bool try_alternate(struct ice_world *w, struct world_host *to, const struct rf_addr *from,
                          struct rf_view bytes)
{
    struct rf_addr other = world_addr("45.0.0.2:3478");
    struct rf_stun_msg m;
    uint8_t room[100];
    struct rf_buf out;
    (void)w;
    if (rf_stun_decode(bytes, &m) != 0 || m.method != RF_TURN_ALLOCATE || from->ip[3] != 1)
        return true;
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, RF_STUN_ERROR, RF_TURN_ALLOCATE, m.txn);
    rf_stun_put_error(&out, RF_STUN_TRY_ALTERNATE);
    rf_stun_put_address(&out, RF_STUN_ALTERNATE_SERVER, false, &other);
    assert_int_equal(rf_stun_end(&out), 0);
    world_inject(to, from, rf_buf_view(&out));
    return false;
}

static void alternate_server(void **state)
{
    struct ice_world w;
    struct rf_ice_session_config config = {.controlling = true, .relaying = RF_ICE_RELAY_ONLY};
    (void)state;
    world_init(&w, 1);
    w.tap = try_alternate;
    struct world_host *a = world_host(&w, WORLD_OUTSIDE, true, false);
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(a->gathered, 1);
    assert_int_equal(rf_ice_counters(a->ice)->allocations, 1);
    world_deinit(&w);
}

/* The relay refuses some peers: their pairs fail, others work. */
static bool forbid(struct ice_world *w, struct world_host *to, const struct rf_addr *from,
                   struct rf_view bytes)
{
    struct rf_stun_msg m;
    uint8_t room[100];
    struct rf_buf out;
    if (to != &w->hosts[0] || rf_stun_decode(bytes, &m) != 0 || m.class != RF_STUN_SUCCESS ||
        (m.method != RF_TURN_CREATE_PERMISSION && m.method != RF_TURN_CHANNEL_BIND))
        return true;
    rf_buf_fixed(&out, room, sizeof(room));
    rf_stun_begin(&out, RF_STUN_ERROR, m.method, m.txn);
    rf_stun_put_error(&out, RF_TURN_FORBIDDEN);
    assert_int_equal(rf_stun_end(&out), 0);
    world_inject(to, from, rf_buf_view(&out));
    return false;
}

static void peers_refused(void **state)
{
    struct ice_world w;
    (void)state;
    world_init(&w, 1);
    w.tap = forbid;
    struct world_host *a = world_host(&w, world_nat(&w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, false);
    struct world_host *b = world_host(&w, world_nat(&w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE), true, false);
    assert_true(world_connect(a, b) > 0);
    assert_true(rf_ice_counters(a->ice)->permissions_refused > 0);
    assert_int_equal(world_info(a).remote_kind, RF_ICE_KIND_RELAY); /* over b's relay only */
    assert_true(world_info(a).local_kind != RF_ICE_KIND_RELAY);
    world_talk(a, b);
    world_deinit(&w);
}

/* No server any more: gathering ends with what is there; a base that moves while the relay is asked. */
static void servers_change(void **state)
{
    struct ice_world w;
    struct rf_ice_session_config config = {.controlling = true};
    struct rf_addr servers[2] = {world_addr("45.0.0.1:3478"), world_addr("45.0.0.2:3478")};
    struct rf_ice_params params;
    (void)state;
    world_init(&w, 1);
    struct world_host *a = world_host(&w, world_nat(&w, SIM_NAT_PORT_RESTRICTED, WORLD_OUTSIDE), true, false);
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    world_pass(&w, 12 * RF_US_PER_MS);
    world_move(a, world_nat(&w, SIM_NAT_PORT_RESTRICTED, WORLD_OUTSIDE));
    world_pass(&w, RF_US_PER_S);
    assert_int_equal(a->gathered, 1);
    assert_int_equal(rf_ice_counters(a->ice)->allocations, 1);
    assert_int_equal(rf_ice_local(a->ice, a->session, &params), 0);
    assert_true(rf_addr_equal(&params.candidates[0].addr, &a->addr));
    rf_ice_close(a->ice, a->session);
    rf_ice_turn_remove(a->ice, 0);
    rf_ice_turn_remove(a->ice, 0);
    world_pass(&w, 20 * RF_US_PER_S);
    a->udp_blocked = true;
    a->gathered = 0;
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    for (size_t i = 0; i < 2; i++) {
        world_drain(a);
        assert_int_equal(a->gathered, 0);
        rf_ice_stun_remove(a->ice, &servers[i]);
        rf_ice_stun_remove(a->ice, &servers[i]);
    }
    world_drain(a);
    assert_int_equal(a->gathered, 1);
    world_deinit(&w);
}

/* What the servers' answers tell about the box. */
static void behaviours(void **state)
{
    static const struct {
        enum sim_nat_kind kind;
        enum rf_ice_mapping mapping;
        bool preserves;
    } rows[] = {{SIM_NAT_OPEN, RF_ICE_MAPPING_NONE, true},
                {SIM_NAT_FULL_CONE, RF_ICE_MAPPING_INDEPENDENT, true},
                {SIM_NAT_RESTRICTED, RF_ICE_MAPPING_INDEPENDENT, true},
                {SIM_NAT_PORT_RESTRICTED, RF_ICE_MAPPING_INDEPENDENT, true},
                {SIM_NAT_SYMMETRIC, RF_ICE_MAPPING_DEPENDENT, false},
                {SIM_NAT_HOTEL, RF_ICE_MAPPING_DEPENDENT, false}};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct ice_world w;
        struct rf_ice_behaviour b;
        world_init(&w, 1);
        uint8_t nat =
            rows[i].kind == SIM_NAT_OPEN ? WORLD_OUTSIDE : world_nat(&w, rows[i].kind, WORLD_OUTSIDE);
        struct world_host *a = world_host(&w, nat, false, false);
        rf_ice_probe(a->ice);
        world_pass(&w, RF_US_PER_S);
        assert_int_equal(rf_ice_behaviour(a->ice, 0, &b), 0);
        assert_int_equal(b.mapping, rows[i].mapping);
        assert_int_equal(b.preserves_port, rows[i].preserves);
        assert_int_equal(b.answered, 2);
        assert_in_range(b.rtt_us, 1, 20 * RF_US_PER_MS);
        world_deinit(&w);
    }
}

/* A server that is taken away takes with it what went over it, and nothing else. */
static void removed(void **state)
{
    struct ice_world w;
    struct world_host *a, *b;
    (void)state;
    relayed_pair(&w, &a, &b, false);
    bool over_a = world_info(a).local_kind == RF_ICE_KIND_RELAY;
    struct world_host *h = over_a ? a : b;
    rf_ice_turn_remove(h->ice, 0);
    world_drain(h);
    assert_int_equal(h->failed, 1);
    assert_int_equal(h->error, RF_ECLOSED);
    world_pass(&w, RF_US_PER_S);
    assert_in_range(allocations(&w), 0, 1);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours),
        cmocka_unit_test(channels),
        cmocka_unit_test(shared),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(stream_breaks),
        cmocka_unit_test(refused),
        cmocka_unit_test(silent),
        cmocka_unit_test(behaviours),
        cmocka_unit_test(removed),
        cmocka_unit_test(peers_refused),
        cmocka_unit_test(servers_change),
        cmocka_unit_test(same_port_again),
        cmocka_unit_test(alternate_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
