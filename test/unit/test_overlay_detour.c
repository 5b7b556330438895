/*
 * test_overlay_detour.c - other ways for our requests: around a node that loses them, around one that answers for what is not its own, and
 * how far somebody may be from a Resource-ID that he answers for. Node 0 asks; all are linked with all.
 */
#include "test_overlay.h"

#include "overlay/internal.h"

#define NODES 16

/* What nodes on the way do to messages from 0. */
struct meddler {
    struct onet *net;
    bool drops[NODES]; /* what goes out to that node is lost */
    bool turns[NODES]; /* its Resource-ID is replaced by that of */
    size_t to;         /* this node, which will answer for it */
    struct rf_id key;
    size_t sent[NODES];
};

static bool meddle(void *arg, size_t from, size_t to, struct rf_view *message)
{
    struct meddler *m = arg;
    struct rf_id other = onet_key(m->net, m->to);
    if (from != 0)
        return true;
    m->sent[to]++;
    uint8_t *p = (uint8_t *)(uintptr_t)message->p;
    for (size_t i = RF_HEADER_MIN_LEN; m->turns[to] && i + 16 <= RF_HEADER_MIN_LEN + 19; i++)
        if (memcmp(p + i, m->key.b, 16) == 0)
            memcpy(p + i, other.b, 16);
    return !m->drops[to];
}

struct world {
    struct onet net;
    struct onet_echo echoes[NODES];
    struct meddler meddler;
    struct onet_result result;
};

/* A key of node `owner`; the first way of 0 goes over node `first`. */
static struct world *begin(size_t owner, size_t first)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    onet_init(&w->net, 1, NODES, ONET_MESH, NULL, NULL);
    for (size_t i = 1; i < NODES; i++)
        onet_echo_init(&w->net, i, &w->echoes[i]);
    w->net.other_ways = w->net.anybody = true;
    w->net.nodes[0].detour = first + 1;
    w->meddler = (struct meddler){.net = &w->net, .key = onet_key(&w->net, owner)};
    w->net.tap = meddle;
    w->net.tap_arg = &w->meddler;
    return w;
}

static void end(struct world *w)
{
    onet_deinit(&w->net);
    free(w);
}

static void ask(struct world *w, struct rf_call *call, uint64_t for_us)
{
    memset(w->meddler.sent, 0, sizeof(w->meddler.sent));
    call->body = TEXT("x");
    rf_call_to_resource(call, &w->meddler.key);
    assert_int_equal(onet_call(&w->net, 0, call, &w->result), 0);
    onet_run(&w->net, for_us);
}

static void around_who_drops(void **state)
{
    struct world *w = begin(5, 3);
    struct rf_call call = {0}, second = {0};
    (void)state;
    w->meddler.drops[3] = w->meddler.drops[1] = true;
    ask(w, &call, 20 * RF_US_PER_S); /* 3 loses it, then 1, then 2 brings it there */
    assert_int_equal(w->result.error, 0);
    assert_int_equal(w->result.transmissions, 3);
    assert_int_equal(w->meddler.sent[3], 1);
    assert_int_equal(w->meddler.sent[1], 1);
    assert_int_equal(w->meddler.sent[2], 1);
    assert_int_equal(onet_counters(&w->net, 0)->detours, 2);
    second.avoid[0] = *onet_id(&w->net, 3);
    second.avoid[1] = *onet_id(&w->net, 1);
    second.avoid_count = 2;
    ask(w, &second, RF_US_PER_S); /* who knows better from the start */
    assert_int_equal(w->result.error, 0);
    assert_int_equal(w->result.transmissions, 1);
    assert_int_equal(w->meddler.sent[2], 1);
    end(w);
}

static void no_other_way(void **state)
{
    struct world *w = begin(5, 3);
    struct rf_call call = {0};
    (void)state;
    w->net.other_ways = false;
    w->meddler.drops[3] = true;
    ask(w, &call, 20 * RF_US_PER_S);
    assert_int_equal(w->result.error, RF_ETIMEOUT);
    assert_int_equal(w->meddler.sent[3], 5);
    assert_int_equal(onet_counters(&w->net, 0)->detours, 0);
    end(w);
}

/* Our neighbor tables show that 3 is not in charge: the right one is asked at once, not after three seconds. */
static void answer_refused(void **state)
{
    struct world *w = begin(5, 3);
    struct rf_call call = {0};
    (void)state;
    w->net.anybody = false;
    w->meddler.turns[3] = true;
    w->meddler.to = 3;
    ask(w, &call, RF_US_PER_S);
    assert_int_equal(w->result.error, 0);
    assert_true(rf_id_equal(&w->result.signer, onet_id(&w->net, 5)));
    assert_int_equal(w->echoes[3].count, 1);
    assert_int_equal(onet_counters(&w->net, 0)->answers_doubted, 1);
    end(w);
}

/* Nothing shows it, but 3 lies below the key: almost a whole ring above it. */
static void answer_doubted(void **state)
{
    struct world *w = begin(5, 3);
    struct rf_call call = {0}, again = {0}, third = {0};
    (void)state;
    w->meddler.turns[3] = true;
    w->meddler.to = 3;
    ask(w, &call, RF_US_PER_S);
    assert_true(rf_id_equal(&w->result.signer, onet_id(&w->net, 5)));
    assert_int_equal(onet_counters(&w->net, 0)->answers_doubted, 1);
    w->meddler.turns[1] = true; /* over two ways the same: it is believed, a ring may look like that */
    ask(w, &again, RF_US_PER_S);
    assert_int_equal(w->result.error, 0);
    assert_true(rf_id_equal(&w->result.signer, onet_id(&w->net, 3)));
    assert_int_equal(onet_counters(&w->net, 0)->answers_doubted, 2);
    memset(w->meddler.turns, 1, sizeof(w->meddler.turns)); /* but not when the caller knows better */
    third.distrust[0] = *onet_id(&w->net, 3);
    ask(w, &third, 30 * RF_US_PER_S);
    assert_int_equal(w->result.error, RF_ETIMEOUT);
    assert_true(w->meddler.sent[1] + w->meddler.sent[2] + w->meddler.sent[3] + w->meddler.sent[4] <= 8);
    end(w);
}

/* Who is known to live in a ring of many does not believe one a quarter of it away. */
static void distance_is_learned(void **state)
{
    struct world *w = begin(5, 3);
    struct rf_call far = {0}, later = {0};
    (void)state;
    w->meddler.turns[3] = true;
    w->meddler.to = 9;
    ask(w, &far, RF_US_PER_S); /* the first answer ever: who knows? */
    assert_true(rf_id_equal(&w->result.signer, onet_id(&w->net, 9)));
    memset(w->meddler.turns, 0, sizeof(w->meddler.turns));
    for (size_t i = 0; i < 40; i++) {
        struct rf_call call = {0};
        w->meddler.key = onet_key(&w->net, 1 + i % (NODES - 1));
        ask(w, &call, RF_US_PER_S);
        assert_int_equal(w->result.error, 0);
    }
    assert_int_equal(onet_counters(&w->net, 0)->answers_doubted, 0);
    assert_true(w->net.nodes[0].overlay->apart[0] < 0.02F);
    w->meddler.key = onet_key(&w->net, 5);
    w->meddler.turns[3] = true;
    ask(w, &later, RF_US_PER_S);
    assert_true(rf_id_equal(&w->result.signer, onet_id(&w->net, 5)));
    assert_int_equal(onet_counters(&w->net, 0)->answers_doubted, 1);
    end(w);
}

int test_overlay_detour(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(around_who_drops),    cmocka_unit_test(no_other_way),
        cmocka_unit_test(answer_refused),      cmocka_unit_test(answer_doubted),
        cmocka_unit_test(distance_is_learned),
    };
    return cmocka_run_group_tests_name("detour", tests, NULL, NULL);
}
