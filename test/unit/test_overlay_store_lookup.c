/*
 * test_overlay_store_lookup.c - readers who do not take "there is nothing" from one node: what the replicas hold is found although its home is silent, lies
 * or sends what does not verify; what is nowhere is asked for twice and no more.
 */
#include "test_overlay_store.h"

#include "wire/code.h"

enum { P40, P80, PC0, PF0, ALICE, BOB };

static struct sn_net net;
static struct rf_id alice_id, nobody_id;

static void answer_ping(void *arg, struct rf_request *request)
{
    uint8_t bytes[16];
    struct rf_buf body;
    struct rf_ping_ans ans = {1, 2};
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_ping_ans_encode(&ans, &body);
    rf_overlay_answer(arg, request, rf_buf_view(&body), NULL, 0);
}

static int setup(void **state)
{
    static const char *const peers[] = {"40", "80", "c0", "f0"};
    (void)state;
    sn_init(&net, kit_kinds, kit_kind_count);
    for (size_t i = 0; i < RF_COUNT(peers); i++) {
        struct sn_node *peer = sn_add(&net, "peer@example.org", peers[i], true, NULL);
        assert_int_equal(rf_overlay_handle(peer->overlay, RF_CODE_PING_REQ, answer_ping, peer->overlay), 0);
    }
    sn_add(&net, "alice@example.org", "a1", false, NULL);
    sn_add(&net, "bob@example.org", "b0", false, NULL);
    sn_ring_changed(&net, NULL, NULL);
    sn_run(&net, RF_US_PER_S);
    alice_id = sn_hash(&net, "alice@example.org"); /* home 80, replicas c0 and f0 */
    nobody_id = sn_hash(&net, "nobody@example.org");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sn_deinit(&net);
    return 0;
}

static void on_stored(void *arg, const struct rf_store_result *r)
{
    *(int *)arg = r->error;
}

static void store(const char *text)
{
    struct sn_node *alice = &net.nodes[ALICE];
    int error = 1;
    assert_int_equal(rf_store_client_store(alice->store, &alice->identity, &alice_id, KIND_SINGLE,
                                           rf_view_of(NULL, 0), true, rf_view_str(text), 3600, on_stored,
                                           &error),
                     0);
    sn_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(error, 0);
}

struct found {
    size_t done, count;
    int error;
    char text[64];
    struct rf_id responder;
};

static void on_found(void *arg, const struct rf_fetch_result *r)
{
    struct found *f = arg;
    f->done++;
    f->error = r->error;
    f->responder = r->responder;
    for (size_t i = 0; i < r->value_count; i++) {
        f->count += r->values[i].exists;
        if (r->values[i].exists)
            snprintf(f->text, sizeof(f->text), "%.*s", (int)r->values[i].value.len, r->values[i].value.p);
    }
}

static struct found look_for(const struct rf_id *resource)
{
    struct found f = {0};
    memset(net.sent, 0, sizeof(net.sent));
    assert_int_equal(rf_store_client_lookup(net.nodes[BOB].store, resource, KIND_SINGLE, on_found, &f), 0);
    assert_int_equal(f.done, 0);
    sn_run(&net, 60 * RF_US_PER_S);
    assert_int_equal(f.done, 1);
    return f;
}

/* Says that there is nothing. */
static void empty(void *arg, struct sn_node *from, struct rf_buf *body)
{
    struct rf_region region;
    struct rf_fetch_ans ans;
    if (from != arg)
        return;
    rf_region_init(&region, rf_mem_system(), 65536);
    if (rf_fetch_ans_decode(rf_buf_view(body), &region, &ans) == 0) {
        ans.kinds[0].values = rf_view_of(NULL, 0);
        rf_buf_reset(body);
        rf_fetch_ans_encode(&ans, body);
    }
    rf_region_deinit(&region);
}

/* Changes the value's text, which its owner signed. */
static void forge(void *arg, struct sn_node *from, struct rf_buf *body)
{
    for (size_t i = 0; from == arg && i + 4 <= body->len; i++)
        if (memcmp(body->p + i, "here", 4) == 0)
            memcpy(body->p + i, "HERE", 4);
}

static void test_good(void **state)
{
    (void)state;
    store("here");
    struct found f = look_for(&alice_id);
    assert_string_equal(f.text, "here");
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 1); /* no more than a Fetch */
    f = look_for(&nobody_id);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.count, 0);
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 2); /* and one more where there is nothing */
    assert_int_equal(rf_store_counters(net.nodes[BOB].store)->lookups_doubted, 1);
    assert_int_equal(rf_store_counters(net.nodes[BOB].store)->lookups_saved, 0);
}

static void test_home_lies(void **state)
{
    void (*const lies[])(void *, struct sn_node *, struct rf_buf *) = {empty, forge};
    (void)state;
    store("here");
    for (size_t i = 0; i < RF_COUNT(lies); i++) {
        net.tamper = lies[i];
        net.tamper_arg = &net.nodes[P80];
        struct found f = look_for(&alice_id);
        assert_int_equal(f.error, 0);
        assert_string_equal(f.text, "here");
        assert_true(rf_id_equal(&f.responder, &net.nodes[PC0].identity.node_id));
        assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 2);
        assert_int_equal(rf_store_counters(net.nodes[BOB].store)->lookups_saved, i + 1);
    }
}

static bool lose_fetches(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)from;
    return to == arg && code == RF_CODE_FETCH_REQ;
}

static bool lose_all(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)from, (void)code;
    return to == arg;
}

static void test_home_silent(void **state)
{
    (void)state;
    store("here");
    net.lose = lose_fetches; /* it answers Pings, so its neighbors see nothing wrong */
    net.lose_arg = &net.nodes[P80];
    struct found f = look_for(&alice_id);
    assert_int_equal(f.error, 0);
    assert_string_equal(f.text, "here");
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 4); /* three to the home */
    assert_int_equal(net.sent[RF_CODE_PING_REQ], 1);
    net.lose = lose_all;
    f = look_for(&alice_id);
    assert_int_equal(f.error, RF_ETIMEOUT);
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 6); /* three, and three over other ways */
    assert_int_equal(net.sent[RF_CODE_PING_REQ], 3);
}

/* Only the first Fetch is answered. */
static bool lose_later(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    size_t *seen = arg;
    (void)from, (void)to;
    return code == RF_CODE_FETCH_REQ && (*seen)++ > 0;
}

/* The home's word that there is nothing at all is told when nobody else answers; a removal that could not be told as its owner signed it is not. */
static void test_removed_and_silent(void **state)
{
    struct sn_node *alice = &net.nodes[ALICE];
    size_t seen = 0;
    int error = 1;
    (void)state;
    store("here");
    assert_int_equal(rf_store_client_store(alice->store, &alice->identity, &alice_id, KIND_SINGLE,
                                           rf_view_of(NULL, 0), false, rf_view_of(NULL, 0), 3600, on_stored,
                                           &error),
                     0);
    sn_run(&net, 2 * RF_US_PER_S);
    assert_int_equal(error, 0);
    struct found f = look_for(&alice_id);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.count, 0);
    net.lose = lose_later;
    net.lose_arg = &seen;
    f = look_for(&alice_id);
    assert_int_equal(f.error, RF_ETIMEOUT);
    seen = 0;
    f = look_for(&nobody_id);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.count, 0);
    assert_true(rf_id_equal(&f.responder, &sn_owner(&net, &nobody_id, 0)->identity.node_id));
}

struct pair {
    struct sn_node *first, *second;
    void (*lie)(void *arg, struct sn_node *from, struct rf_buf *body);
};

static void both(void *arg, struct sn_node *from, struct rf_buf *body)
{
    const struct pair *pair = arg;
    if (from == pair->first || from == pair->second)
        pair->lie(from, from, body);
}

/* Two liars side by side are believed by who knows no better, but not once a lie was seen. */
static void test_both_lie(void **state)
{
    struct pair pair = {&net.nodes[P80], &net.nodes[PC0], empty};
    (void)state;
    store("here");
    net.tamper = both;
    net.tamper_arg = &pair;
    struct found f = look_for(&alice_id);
    assert_int_equal(f.error, 0);
    assert_int_equal(f.count, 0);
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 2);
    pair.lie = forge; /* which shows */
    f = look_for(&alice_id);
    assert_string_equal(f.text, "here");
    assert_true(rf_id_equal(&f.responder, &net.nodes[PF0].identity.node_id));
    assert_int_equal(net.sent[RF_CODE_FETCH_REQ], 3);
    pair.lie = empty;
    f = look_for(&alice_id);
    assert_string_equal(f.text, "here");
    sn_run(&net, 601 * RF_US_PER_S); /* and is forgotten */
    f = look_for(&alice_id);
    assert_int_equal(f.count, 0);
}

/* Nobody asks for ever. */
static void test_none_answers(void **state)
{
    struct pair pair = {&net.nodes[P80], &net.nodes[PF0], forge};
    (void)state;
    store("here");
    net.tamper = both;
    net.tamper_arg = &pair;
    net.lose = lose_all;
    net.lose_arg = &net.nodes[PC0];
    struct found f = look_for(&alice_id);
    assert_int_equal(f.count, 0);
    assert_true(net.sent[RF_CODE_FETCH_REQ] <= 14);
}

static void test_cancelled(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms <= 16000; ms += 4000) { /* in each of its states */
        struct found f = {0};
        net.lose = lose_all;
        net.lose_arg = &net.nodes[P80];
        assert_int_equal(rf_store_client_lookup(net.nodes[BOB].store, &alice_id, KIND_SINGLE, on_found, &f),
                         0);
        sn_run(&net, ms * RF_US_PER_MS);
        size_t before = f.done;
        rf_store_client_cancel(net.nodes[BOB].store, &f);
        assert_int_equal(f.done, 1);
        assert_true(before == 1 || f.error == RF_ECANCELLED);
    }
}

/* A copy is told to who asks for it by the Resource-ID after its home, but not what one need not hold. */
static void test_beside(void **state)
{
    uint8_t bytes[64];
    struct rf_buf body;
    struct rf_specifier specifier = {.kind = KIND_SINGLE};
    struct rf_fetch_req req = {
        .resource = rf_id_view(&alice_id), .specifiers = &specifier, .specifier_count = 1};
    struct sn_reply reply;
    (void)state;
    store("here");
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_fetch_req_encode(&req, &body);
    for (size_t i = P40; i <= PF0; i++) {
        struct sn_raw raw = {.from = &net.nodes[BOB],
                             .to = &net.nodes[i],
                             .code = RF_CODE_FETCH_REQ,
                             .body = rf_buf_view(&body),
                             .resource = rf_id_add_small(&alice_id, 1)};
        sn_request(&net, &raw, &reply);
        bool holds = i != P40; /* home, two replicas, and one that has nothing to do with it */
        assert_int_equal(reply.error, holds ? 0 : RF_EREMOTE);
        assert_int_equal(reply.error_code, holds ? 0 : RF_ERROR_NOT_FOUND);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good),     TEST(test_home_lies),    TEST(test_home_silent), TEST(test_removed_and_silent),
        TEST(test_both_lie), TEST(test_none_answers), TEST(test_cancelled),   TEST(test_beside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
