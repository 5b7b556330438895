/* test_ice_chaos.c - a few minutes of bad luck by seed: losses, moves, restarts of sessions, of the relay and of boxes; then quiet, and a restart must connect. */
#include "ice_world.h"

#define STEPS 40

struct chaos {
    struct ice_world w;
    struct world_host *ends[2];
    uint8_t networks[WORLD_NATS];
};

static uint64_t below(struct chaos *c, uint64_t limit)
{
    return rf_rng_below(&c->w.e.rng.rng, limit);
}

static void new_relay(struct ice_world *w)
{
    struct rf_turn_config turn = {
        .crypto = w->e.crypto, .host = &w->turn_host, .realm = "example.org", .max_per_user = 50};
    rf_turn_free(w->turn);
    assert_int_equal(rf_turn_new(&w->e.env, &turn, &w->turn), 0);
}

/* Restarts both and lets each have what it can; false: one of them was not ready. */
static bool restart_both(struct chaos *c)
{
    struct rf_ice_params params;
    bool all = true;
    for (int i = 0; i < 2; i++)
        (void)rf_ice_restart(c->ends[i]->ice, c->ends[i]->session);
    world_pass(&c->w, 4 * RF_US_PER_S);
    for (int i = 0; i < 2; i++) {
        struct world_host *h = c->ends[i], *other = c->ends[1 - i];
        all = rf_ice_local(other->ice, other->session, &params) == 0 &&
              rf_ice_start(h->ice, h->session, &params) == 0 && all;
    }
    return all;
}

static void reopen(struct chaos *c, bool controlling_first)
{
    struct rf_ice_session_config config = {.consent_us = 5 * RF_US_PER_S};
    for (int i = 0; i < 2; i++) {
        rf_ice_close(c->ends[i]->ice, c->ends[i]->session);
        config.controlling = (i == 0) == controlling_first;
        assert_int_equal(rf_ice_open(c->ends[i]->ice, &config, &c->ends[i]->session), 0);
        c->ends[i]->selected = c->ends[i]->failed = c->ends[i]->gathered = 0;
    }
}

static void misfortune(struct chaos *c)
{
    struct ice_world *w = &c->w;
    struct world_host *h = c->ends[below(c, 2)];
    switch (below(c, 9)) {
    case 0:
        w->loss_percent = (unsigned)below(c, 60);
        break;
    case 1:
        w->jitter_us = below(c, 200) * RF_US_PER_MS;
        w->duplicate_percent = (unsigned)below(c, 30);
        break;
    case 2:
    case 3:
        world_move(h, c->networks[below(c, WORLD_NATS)]);
        break;
    case 4:
        (void)restart_both(c);
        break;
    case 5:
        (void)rf_ice_restart(h->ice, h->session); /* and the other one never hears of it */
        break;
    case 6:
        new_relay(w);
        break;
    case 7: {
        struct sim_nat *nat = &w->nats[below(c, WORLD_NATS)];
        if (nat->ip != 0)
            sim_nat_reset(nat, nat->ip);
        break;
    }
    default:
        reopen(c, below(c, 2) == 0);
    }
}

static void chaos_init(struct chaos *c, uint64_t seed)
{
    world_init(&c->w, seed);
    for (size_t i = 0; i < WORLD_NATS; i++)
        c->networks[i] =
            i == 0 ? WORLD_OUTSIDE : world_nat(&c->w, (enum sim_nat_kind)(1 + below(c, 5)), WORLD_OUTSIDE);
    for (int i = 0; i < 2; i++)
        c->ends[i] = world_host(&c->w, c->networks[below(c, WORLD_NATS)], true, below(c, 4) == 0);
    reopen(c, true);
}

static void one_life(uint64_t seed)
{
    struct chaos c;
    chaos_init(&c, seed);
    struct ice_world *w = &c.w;
    for (int i = 0; i < STEPS; i++) {
        misfortune(&c);
        (void)world_send(c.ends[below(&c, 2)], "anybody there?");
        world_pass(w, below(&c, 4) == 0 ? below(&c, 60) * RF_US_PER_S : below(&c, 3000) * RF_US_PER_MS);
    }
    w->loss_percent = w->duplicate_percent = 0;
    w->jitter_us = 0;
    world_pass(w, 60 * RF_US_PER_S); /* what was sent to the dead has been given up */
    unsigned wanted;
    do { /* again only if it asks for that: an allocation that the relay has forgotten is noticed when it is used */
        wanted = c.ends[0]->restarts + c.ends[1]->restarts;
        c.ends[0]->selected = c.ends[1]->selected = 0;
        if (!restart_both(&c))
            fail_msg("seed %u: not ready", (unsigned)seed);
        world_pass(w, 12 * RF_US_PER_S);
    } while (c.ends[0]->restarts + c.ends[1]->restarts > wanted);
    if (c.ends[0]->selected == 0 || c.ends[1]->selected == 0)
        fail_msg("seed %u: not connected", (unsigned)seed);
    world_talk(c.ends[0], c.ends[1]);
    world_pass(w, 200 * RF_US_PER_S);
    world_talk(c.ends[0], c.ends[1]);
    world_deinit(w);
}

static void lives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        one_life(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
