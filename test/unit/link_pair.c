/* link_pair.c - two engines for tests of engines by themselves. */
#include "link_pair.h"

#include <string.h>
#include "support/engine.h"

void pair_init(struct link_pair *p, const struct rf_engine_ops *ops, enum rf_key_type client,
               enum rf_key_type server)
{
    memset(p, 0, sizeof *p);
    rf_mem_test_init(&p->mem);
    rf_rng_seeded_init(&p->rng, 7);
    p->now = (struct rf_now){RF_US_PER_S, 1000};
    p->env = (struct rf_env){
        .mem = &p->mem.mem, .now = &p->now, .jitter = &p->rng.rng, .secret = &p->rng.rng, .seed = {1, 2}};
    p->ops = ops;
    assert_int_equal(rf_pki_init(&p->pki, &(struct rf_pki_config){.overlay = "example.org"}), 0);
    assert_int_equal(rf_pki_node(&p->pki, "a@example.org", NULL, client, &p->identity[0]), 0);
    assert_int_equal(rf_pki_node(&p->pki, "b@example.org", NULL, server, &p->identity[1]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_of(&p->identity[i], ops, &p->env, &p->engine[i]), 0);
        rf_buf_init(&p->wire[i], &p->mem.mem, (size_t)1 << 24);
        rf_buf_init(&p->plain[i], &p->mem.mem, (size_t)1 << 24);
    }
}

void pair_reset(struct link_pair *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->channel[i])
            p->ops->channel_free(p->channel[i]);
        p->channel[i] = NULL;
        rf_buf_reset(&p->wire[i]);
        rf_buf_reset(&p->plain[i]);
        p->error[i] = 0;
    }
    p->admitted = false;
}

void pair_deinit(struct link_pair *p)
{
    pair_reset(p);
    for (int i = 0; i < 2; i++) {
        p->ops->engine_free(p->engine[i]);
        rf_identity_deinit(&p->identity[i]);
        rf_buf_deinit(&p->wire[i]);
        rf_buf_deinit(&p->plain[i]);
    }
    assert_int_equal(p->mem.live_count, 0);
    rf_pki_deinit(&p->pki);
}

void pair_assert_shows(const struct link_pair *p, int i)
{
    struct rf_view certs[4];

    assert_int_equal(p->ops->channel_peer_certs(p->channel[i], certs, 4), 1);
    assert_true(rf_view_equal(certs[0], p->identity[!i].cert->x509.der));
}

bool pair_admit(struct link_pair *p, struct rf_buf *wire)
{
    if (p->admitted || !p->channel[1] || p->ops->channel_state(p->channel[1]) != RF_CHANNEL_UP)
        return false;
    p->admitted = true;
    pair_assert_shows(p, 1); /* who is not judged yet */
    assert_int_equal(p->ops->channel_admit(p->channel[1], wire), 0);
    return true;
}
