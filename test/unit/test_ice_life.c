/* test_ice_life.c - what happens to sessions: conflicts of roles, consent, restarts, roaming, upgrades, limits; memory that runs out anywhere. */
#include "ice_world.h"

struct two {
    struct ice_world w;
    struct world_host *a, *b;
};

static void two_init(struct two *t, uint64_t seed, enum sim_nat_kind a, enum sim_nat_kind b)
{
    world_init(&t->w, seed);
    t->a = world_host(&t->w, a == SIM_NAT_OPEN ? WORLD_OUTSIDE : world_nat(&t->w, a, WORLD_OUTSIDE), true,
                      false);
    t->b = world_host(&t->w, b == SIM_NAT_OPEN ? WORLD_OUTSIDE : world_nat(&t->w, b, WORLD_OUTSIDE), true,
                      false);
}

static void role_conflicts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        for (uint64_t seed = 1; seed < 9; seed++) {
            struct two t;
            two_init(&t, seed, SIM_NAT_PORT_RESTRICTED, SIM_NAT_FULL_CONE);
            t.w.same_roles = true;
            t.w.roles = i == 0;
            assert_in_range(world_connect(t.a, t.b), 1, 400 * RF_US_PER_MS);
            assert_true(world_info(t.a).controlling != world_info(t.b).controlling);
            assert_in_range(
                rf_ice_counters(t.a->ice)->role_conflicts + rf_ice_counters(t.b->ice)->role_conflicts, 1, 6);
            world_talk(t.a, t.b);
            world_deinit(&t.w);
        }
}

static void consent(void **state)
{
    struct two t;
    const struct rf_ice_session_config config = {.consent_us = 5 * RF_US_PER_S};
    (void)state;
    two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
    t.w.session_config = &config;
    assert_true(world_connect(t.a, t.b) > 0);
    uint64_t before = rf_ice_counters(t.a->ice)->consents;
    world_pass(&t.w, 600 * RF_US_PER_S);
    assert_in_range(rf_ice_counters(t.a->ice)->consents - before, 33,
                    53); /* idle: as keep-alives, no other goes */
    assert_int_equal(rf_ice_counters(t.a->ice)->keepalives, 0);
    world_talk(t.a, t.b); /* the NATs' bindings have lasted */
    world_pass(&t.w, 20 * RF_US_PER_S);
    before = rf_ice_counters(t.a->ice)->consents;
    for (size_t i = 0; i < 240; i++) {
        assert_true(world_send(t.a, "still here"));
        world_pass(&t.w, RF_US_PER_S / 4);
    }
    assert_in_range(rf_ice_counters(t.a->ice)->consents - before, 9, 16); /* in use */
    rf_ice_free(t.b->ice);
    t.b->ice = NULL;
    world_pass(&t.w, 20 * RF_US_PER_S);
    assert_int_equal(t.a->failed, 0);
    world_pass(&t.w, 16 * RF_US_PER_S);
    assert_int_equal(t.a->failed, 1);
    assert_int_equal(t.a->error, RF_EEXPIRED);
    assert_int_equal(rf_ice_counters(t.a->ice)->lost, 1);
    uint64_t sent = t.a->sent;
    assert_false(world_send(t.a, "without consent")); /* RFC 7675, section 5.1: nothing is sent any more */
    world_pass(&t.w, 60 * RF_US_PER_S);
    assert_true(t.a->sent == sent);
    world_deinit(&t.w);
}

/* Both agreed on longer rests: silent as long as that while idle, consent as ever in use, from the first datagram on; the end of the other one is noticed 30 s after the first question. */
static void rests(void **state)
{
    struct two t;
    const struct rf_ice_session_config config = {.consent_us = 5 * RF_US_PER_S};
    (void)state;
    two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
    t.w.session_config = &config;
    assert_true(world_connect(t.a, t.b) > 0);
    rf_ice_idle(t.a->ice, t.a->session, 100 * RF_US_PER_S);
    rf_ice_idle(t.b->ice, t.b->session, 100 * RF_US_PER_S);
    world_pass(&t.w, 60 * RF_US_PER_S);
    uint64_t before = rf_ice_counters(t.a->ice)->consents;
    world_pass(&t.w, 1200 * RF_US_PER_S);
    assert_in_range(rf_ice_counters(t.a->ice)->consents - before, 12, 16);
    assert_int_equal(rf_ice_counters(t.a->ice)->keepalives, 0);
    before = rf_ice_counters(t.a->ice)->consents;
    world_talk(t.a, t.b); /* the NATs' bindings have lasted */
    world_pass(&t.w, RF_US_PER_S);
    assert_int_equal(rf_ice_counters(t.a->ice)->consents - before, 1); /* asked for at once */
    for (size_t i = 0; i < 60; i++) {
        assert_true(world_send(t.a, "still here"));
        world_pass(&t.w, RF_US_PER_S);
    }
    assert_in_range(rf_ice_counters(t.a->ice)->consents - before, 9, 17);
    rf_ice_idle(t.a->ice, t.a->session, 0); /* as ever again */
    world_pass(&t.w, 30 * RF_US_PER_S);
    before = rf_ice_counters(t.a->ice)->consents;
    world_pass(&t.w, 600 * RF_US_PER_S);
    assert_in_range(rf_ice_counters(t.a->ice)->consents - before, 33, 53);
    assert_int_equal(t.a->failed, 0);
    rf_ice_idle(t.a->ice, t.a->session, 100 * RF_US_PER_S);
    world_pass(&t.w, 300 * RF_US_PER_S);
    rf_ice_free(t.b->ice);
    t.b->ice = NULL;
    assert_true(world_send(t.a, "are you there?"));
    world_pass(&t.w, 28 * RF_US_PER_S);
    assert_int_equal(t.a->failed, 0);
    world_pass(&t.w, 8 * RF_US_PER_S);
    assert_int_equal(t.a->failed, 1);
    assert_int_equal(t.a->error, RF_EEXPIRED);
    world_deinit(&t.w);
}

static void keepalives(void **state)
{
    struct two t;
    (void)state;
    two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
    assert_true(world_connect(t.a, t.b) > 0);
    world_pass(&t.w, 60 * RF_US_PER_S); /* the allocations that nobody needs are given back meanwhile */
    uint64_t sent = t.a->sent;
    world_pass(&t.w, 150 * RF_US_PER_S);
    assert_int_equal(t.a->sent - sent, 10);
    for (int i = 0; i < 20; i++) { /* who sends needs no keep-alives */
        assert_true(world_send(t.a, "hello"));
        world_pass(&t.w, 10 * RF_US_PER_S);
    }
    assert_in_range(rf_ice_counters(t.a->ice)->keepalives, 13, 15);
    struct rf_turn_status status;
    rf_turn_status(t.w.turn, &status);
    assert_int_equal(status.allocations, 0);
    world_deinit(&t.w);
}

static void restart(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct two t;
        two_init(&t, 1, relayed != 0 ? SIM_NAT_SYMMETRIC : SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
        assert_true(world_connect(t.a, t.b) > 0);
        assert_int_equal(rf_ice_restart(t.a->ice, t.a->session), 0);
        assert_int_equal(rf_ice_restart(t.b->ice, t.b->session), 0);
        world_talk(t.a, t.b); /* the old way is good until the new one stands */
        world_signal(t.a, t.b);
        world_talk(t.a, t.b);
        world_pass(&t.w, RF_US_PER_S);
        assert_int_equal(t.a->selected, 2);
        assert_int_equal(t.b->selected, 2);
        assert_int_equal(world_info(t.a).relayed, relayed);
        world_talk(t.a, t.b);
        world_pass(&t.w, 60 * RF_US_PER_S);
        world_talk(t.a, t.b);
        world_deinit(&t.w);
    }
}

/* A restart that leads to nothing leaves what was there. */
static void restart_without_answer(void **state)
{
    struct two t;
    (void)state;
    two_init(&t, 1, SIM_NAT_OPEN, SIM_NAT_PORT_RESTRICTED);
    assert_true(world_connect(t.a, t.b) > 0);
    assert_int_equal(rf_ice_restart(t.a->ice, t.a->session), 0);
    world_pass(&t.w, RF_US_PER_S);
    struct rf_ice_params wrong = {.ufrag = rf_view_str("nobody"),
                                  .password = rf_view_str("nobodynobodynobodynobody")};
    assert_int_equal(rf_ice_start(t.a->ice, t.a->session, &wrong), 0);
    world_pass(&t.w, 30 * RF_US_PER_S);
    assert_int_equal(t.a->failed, 0);
    assert_int_equal(t.a->restarts, 0); /* there is no need for another */
    assert_int_equal(world_info(t.a).state, RF_ICE_CONNECTED);
    world_talk(t.a, t.b);
    world_deinit(&t.w);
}

static bool drop_all(struct ice_world *world, struct world_host *to, const struct rf_addr *from,
                     struct rf_view bytes)
{
    (void)world, (void)to, (void)from, (void)bytes;
    return false;
}

/* One that leads to nothing while the old way leads nowhere either: RESTART tells both ends, and another one helps. */
static void restart_in_vain(void **state)
{
    struct two t;
    (void)state;
    two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
    assert_true(world_connect(t.a, t.b) > 0);
    assert_int_equal(rf_ice_restart(t.a->ice, t.a->session), 0);
    assert_int_equal(rf_ice_restart(t.b->ice, t.b->session), 0);
    world_pass(&t.w, RF_US_PER_S);
    t.w.tap = drop_all;
    world_signal(t.a, t.b);
    world_pass(&t.w, 9 * RF_US_PER_S);
    assert_int_equal(t.a->restarts, 1);
    assert_int_equal(t.b->restarts, 1);
    assert_int_equal(t.a->error, RF_EAGAIN);
    t.w.tap = NULL;
    assert_int_equal(rf_ice_restart(t.a->ice, t.a->session), 0);
    assert_int_equal(rf_ice_restart(t.b->ice, t.b->session), 0);
    world_signal(t.a, t.b);
    world_pass(&t.w, RF_US_PER_S);
    world_talk(t.a, t.b);
    assert_int_equal(t.a->restarts, 1);
    world_deinit(&t.w);
}

/* One moves, the other can be reached from anywhere: no signalling is needed, whoever controls. */
static void roaming(void **state)
{
    (void)state;
    for (int who = 0; who < 2; who++) {
        struct two t;
        two_init(&t, 1, SIM_NAT_FULL_CONE, SIM_NAT_FULL_CONE);
        uint8_t elsewhere = world_nat(&t.w, SIM_NAT_PORT_RESTRICTED, WORLD_OUTSIDE);
        struct world_host *mover = who == 0 ? t.a : t.b, *other = who == 0 ? t.b : t.a;
        assert_true(world_connect(t.a, t.b) > 0);
        world_pass(&t.w, 40 * RF_US_PER_S);
        world_move(mover, elsewhere);
        world_pass(&t.w, 900 * RF_US_PER_MS);
        assert_int_equal(mover->restarts, 0);
        assert_int_equal(rf_ice_counters(other->ice)->selected_direct, 2);
        world_talk(t.a, t.b);
        world_pass(&t.w, 300 * RF_US_PER_S);
        assert_int_equal(mover->restarts + mover->failed + other->failed, 0);
        world_talk(t.a, t.b);
        world_deinit(&t.w);
    }
}

/* Two interfaces: the one in use goes away, the other one takes over. */
static void second_interface(void **state)
{
    (void)state;
    for (int who = 0; who < 2; who++) {
        struct two t;
        two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_FULL_CONE);
        uint8_t mobile = world_nat(&t.w, SIM_NAT_SYMMETRIC, WORLD_OUTSIDE);
        world_second(t.a, mobile);
        if (who == 0)
            assert_true(world_connect(t.a, t.b) > 0);
        else
            assert_true(world_connect(t.b, t.a) > 0);
        world_pass(&t.w, 5 * RF_US_PER_S);
        uint8_t used = world_info(t.a).base;
        rf_ice_base_remove(t.a->ice, used);
        world_drain(t.a);
        world_pass(&t.w, RF_US_PER_S);
        assert_int_equal(t.a->restarts + t.b->restarts, 0);
        assert_int_equal(world_info(t.a).base, 1 - used);
        world_talk(t.a, t.b);
        world_pass(&t.w, 100 * RF_US_PER_S);
        world_talk(t.a, t.b);
        rf_ice_base_remove(t.a->ice, (uint8_t)(1 - used)); /* nothing is left to send from */
        world_drain(t.a);
        world_pass(&t.w, RF_US_PER_S);
        assert_int_equal(t.a->restarts, 1);
        assert_false(world_send(t.a, "from nowhere"));
        world_pass(&t.w, 100 * RF_US_PER_S);
        world_deinit(&t.w);
    }
}

/* The other's NAT lets nobody in: RESTART tells, and signalling helps. */
static void roaming_with_signalling(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct two t;
        two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, relayed != 0 ? SIM_NAT_SYMMETRIC : SIM_NAT_PORT_RESTRICTED);
        uint8_t elsewhere = world_nat(&t.w, SIM_NAT_PORT_RESTRICTED, WORLD_OUTSIDE);
        assert_true(world_connect(t.a, t.b) > 0);
        world_pass(&t.w, 10 * RF_US_PER_S);
        uint64_t begin_us = t.w.e.now.mono_us;
        world_move(t.a, elsewhere);
        for (int i = 0; i < 2000 && t.a->restarts == 0; i++)
            world_pass(&t.w, RF_US_PER_MS);
        assert_int_equal(t.a->restarts, 1);
        t.a->selected = t.b->selected = 0;
        assert_int_equal(rf_ice_restart(t.a->ice, t.a->session), 0);
        assert_int_equal(rf_ice_restart(t.b->ice, t.b->session), 0);
        world_signal(t.a, t.b);
        for (int i = 0; i < 2000 && (t.a->selected == 0 || t.b->selected == 0); i++)
            world_pass(&t.w, RF_US_PER_MS);
        uint64_t took_us = t.w.e.now.mono_us - begin_us;
        print_message("moved, back after %u ms (%s)\n", (unsigned)(took_us / 1000),
                      relayed != 0 ? "relayed" : "direct");
        assert_in_range(took_us, 1, 3 * RF_US_PER_S);
        world_talk(t.a, t.b);
        world_deinit(&t.w);
    }
}

static bool no_direct_yet(struct ice_world *w, struct world_host *to, const struct rf_addr *from,
                          struct rf_view bytes)
{
    (void)to;
    (void)bytes;
    return from->ip[2] == 0 ||
           w->e.now.mono_us > UINT64_C(1000000000) + 2 * RF_US_PER_S; /* servers, or late enough */
}

/* Directly only after two seconds: relayed first, then direct, and nothing that is sent is lost. */
static void upgrade(void **state)
{
    struct two t;
    (void)state;
    two_init(&t, 1, SIM_NAT_PORT_RESTRICTED, SIM_NAT_PORT_RESTRICTED);
    t.w.tap = no_direct_yet;
    assert_true(world_connect(t.a, t.b) > 0);
    assert_true(world_info(t.a).relayed);
    assert_true(world_info(t.b).relayed);
    unsigned sent = 0;
    for (; sent < 4000; sent++) {
        assert_true(world_send(t.a, "from a"));
        assert_true(world_send(t.b, "from b"));
        world_pass(&t.w, 2 * RF_US_PER_MS);
    }
    world_pass(&t.w, RF_US_PER_S);
    assert_false(world_info(t.a).relayed);
    assert_false(world_info(t.b).relayed);
    assert_int_equal(rf_ice_counters(t.a->ice)->upgraded, 1);
    assert_int_equal(rf_ice_counters(t.b->ice)->upgraded, 1);
    assert_int_equal(t.a->data_count, sent);
    assert_int_equal(t.b->data_count, sent);
    world_pass(&t.w, 60 * RF_US_PER_S);
    struct rf_turn_status status;
    rf_turn_status(t.w.turn, &status);
    assert_int_equal(status.allocations, 0);
    world_talk(t.a, t.b);
    world_deinit(&t.w);
}

/* A second session of the same two sockets takes over from the first. */
static void same_sockets(void **state)
{
    struct two t;
    (void)state;
    two_init(&t, 1, SIM_NAT_OPEN, SIM_NAT_OPEN);
    assert_true(world_connect(t.a, t.b) > 0);
    t.a->gathered = t.b->gathered = t.a->selected = t.b->selected = 0;
    assert_true(world_connect(t.a, t.b) > 0);
    world_talk(t.a, t.b);
    assert_int_equal(t.a->older_events, 1);
    assert_int_equal(t.b->older_events, 1);
    assert_int_equal(t.a->error, RF_EDUPLICATE);
    assert_int_equal(rf_ice_counters(t.a->ice)->taken_over, 1);
    world_deinit(&t.w);
}

/* Candidates that come late, and such as are none. */
static void late_candidates(void **state)
{
    struct two t;
    struct rf_ice_params params, none;
    struct rf_ice_session_config config = {.controlling = true};
    (void)state;
    two_init(&t, 1, SIM_NAT_OPEN, SIM_NAT_OPEN);
    struct rf_ice_cand bad = {.addr = world_addr("224.0.0.1:5353"), .kind = RF_ICE_KIND_HOST, .priority = 1};
    assert_int_equal(rf_ice_open(t.a->ice, &config, &t.a->session), 0);
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EAGAIN);
    config.controlling = false;
    assert_int_equal(rf_ice_open(t.b->ice, &config, &t.b->session), 0);
    world_pass(&t.w, RF_US_PER_S);
    assert_int_equal(rf_ice_local(t.b->ice, t.b->session, &params), 0);
    none = params;
    none.candidate_count = 0;
    assert_int_equal(rf_ice_start(t.a->ice, t.a->session, &none), 0);
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EINVAL);
    bad.addr = world_addr("0.0.0.1:5353");
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EINVAL);
    bad.addr = world_addr("[ff02::1]:5353");
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EINVAL);
    bad = params.candidates[0];
    bad.kind = RF_ICE_KIND_PRFLX;
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EINVAL);
    bad.kind = 7;
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &bad), RF_EINVAL);
    assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session + 9, &bad), RF_ENOTFOUND);
    for (size_t i = 0; i < params.candidate_count; i++)
        assert_int_equal(rf_ice_add_remote(t.a->ice, t.a->session, &params.candidates[i]), 0);
    assert_int_equal(rf_ice_local(t.a->ice, t.a->session, &params), 0);
    params.candidate_count = 0;
    assert_int_equal(rf_ice_start(t.b->ice, t.b->session, &params), 0); /* b learns of a by its checks */
    world_pass(&t.w, RF_US_PER_S);
    assert_int_equal(t.a->selected, 1);
    assert_int_equal(t.b->selected, 1);
    assert_int_equal(world_info(t.b).remote_kind, RF_ICE_KIND_PRFLX);
    world_talk(t.a, t.b);
    world_deinit(&t.w);
}

static void limits(void **state)
{
    struct ice_world w;
    struct rf_ice_cand cands[60];
    struct rf_ice_session_config config = {.controlling = true};
    rf_ice_id id;
    (void)state;
    world_init(&w, 1);
    w.config.max_sessions = 2;
    struct world_host *a = world_host(&w, WORLD_OUTSIDE, false, false);
    for (uint8_t i = 1; i < 5; i++) {
        struct rf_addr addr = a->addr;
        addr.port = (uint16_t)(addr.port + i);
        assert_int_equal(rf_ice_base_set(a->ice, i, &addr, i), 0);
    }
    assert_int_equal(rf_ice_base_set(a->ice, RF_ICE_MAX_BASES, &a->addr, 1), RF_EINVAL);
    config.bases = 1;
    assert_int_equal(rf_ice_open(a->ice, &config, &id), 0);
    config.bases = 31;
    rf_ice_probe(a->ice); /* bases 1 to 4 are no sockets of this world: nothing may be sent from them */
    rf_ice_close(a->ice, id);
    for (uint8_t i = 0; i < 60; i++) {
        cands[i] = (struct rf_ice_cand){
            .addr = world_addr("45.0.9.1:1000"), .kind = RF_ICE_KIND_HOST, .priority = 1000};
        cands[i].addr.port = (uint16_t)(cands[i].addr.port + i);
        snprintf(cands[i].foundation, sizeof(cands[i].foundation), "f%u", i);
    }
    struct rf_ice *ice;
    assert_int_equal(rf_ice_new(&w.e.env, &w.config, &ice), 0);
    for (uint8_t i = 0; i < 5; i++) {
        struct rf_addr addr = a->addr;
        addr.port = (uint16_t)(addr.port + i);
        assert_int_equal(rf_ice_base_set(ice, i, &addr, i), 0);
    }
    assert_int_equal(rf_ice_open(ice, &config, &id), 0);
    struct rf_ice_params remote = {.ufrag = rf_view_str("abcd"),
                                   .password = rf_view_str("aaaaaaaaaaaaaaaaaaaaaa"),
                                   .candidates = cands,
                                   .candidate_count = 60};
    remote.password.len--;
    assert_int_equal(rf_ice_start(ice, id, &remote), RF_EINVAL);
    remote.password.len++;
    remote.ufrag.len = 3;
    assert_int_equal(rf_ice_start(ice, id, &remote), RF_EINVAL);
    remote.ufrag = rf_view_str("ab:d");
    assert_int_equal(rf_ice_start(ice, id, &remote), RF_EINVAL);
    remote.ufrag = rf_view_str("abcd");
    assert_int_equal(rf_ice_start(ice, id, &remote), 0);
    assert_int_equal(rf_ice_start(ice, id, &remote), RF_EBUSY);
    struct rf_ice_info info;
    assert_int_equal(rf_ice_info(ice, id, &info), 0);
    assert_int_equal(info.pair_count, RF_ICE_MAX_PAIRS);
    assert_true(rf_ice_counters(ice)->limited > 0);
    assert_int_equal(rf_ice_open(ice, &config, &id), 0);
    assert_int_equal(rf_ice_open(ice, &config, &id), RF_ELIMIT);
    /* 100 pairs, and not one datagram in less than 5 ms, 10 for ordinary checks */
    struct rf_ice_out out;
    unsigned count = 0;
    for (uint64_t until = w.e.now.mono_us + 300 * RF_US_PER_MS; w.e.now.mono_us < until;
         w.e.now.mono_us += RF_US_PER_MS) {
        rf_timers_run(&w.e.timers, w.e.now.mono_us, SIZE_MAX);
        while (rf_ice_next(ice, &out))
            count += out.type == RF_ICE_OUT_DATAGRAM;
    }
    assert_in_range(count, 29, 31);
    rf_ice_free(ice);
    world_deinit(&w);
}

/* Memory ends after the n-th allocation, and is back later: nothing is leaked, nothing breaks, and those who try again connect. */
static void no_memory(void **state)
{
    (void)state;
    for (size_t n = 0; n < 120; n++) {
        struct two t;
        struct rf_ice_session_config config = {.controlling = true};
        two_init(&t, 1, SIM_NAT_SYMMETRIC, SIM_NAT_PORT_RESTRICTED);
        t.w.e.mem.allowed = n;
        if (rf_ice_open(t.a->ice, &config, &t.a->session) == 0) {
            config.controlling = false;
            if (rf_ice_open(t.b->ice, &config, &t.b->session) == 0) {
                struct rf_ice_params params;
                world_pass(&t.w, RF_US_PER_S);
                if (rf_ice_local(t.a->ice, t.a->session, &params) == 0)
                    (void)rf_ice_start(t.b->ice, t.b->session, &params);
                if (rf_ice_local(t.b->ice, t.b->session, &params) == 0)
                    (void)rf_ice_start(t.a->ice, t.a->session, &params);
                world_pass(&t.w, RF_US_PER_S);
            }
        }
        t.w.e.mem.allowed = SIZE_MAX;
        world_pass(&t.w, 20 * RF_US_PER_S);
        rf_ice_close(t.a->ice, t.a->session);
        rf_ice_close(t.b->ice, t.b->session);
        t.a->gathered = t.b->gathered = t.a->selected = t.b->selected = 0;
        world_pass(&t.w, 3 * RF_US_PER_S);
        if (world_connect(t.a, t.b) == 0)
            fail_msg("not connected after %u allocations", (unsigned)n);
        world_talk(t.a, t.b);
        world_deinit(&t.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_conflicts),
        cmocka_unit_test(consent),
        cmocka_unit_test(rests),
        cmocka_unit_test(keepalives),
        cmocka_unit_test(restart),
        cmocka_unit_test(restart_without_answer),
        cmocka_unit_test(restart_in_vain),
        cmocka_unit_test(roaming),
        cmocka_unit_test(second_interface),
        cmocka_unit_test(roaming_with_signalling),
        cmocka_unit_test(upgrade),
        cmocka_unit_test(same_sockets),
        cmocka_unit_test(late_candidates),
        cmocka_unit_test(limits),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
