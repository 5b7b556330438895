/*
 * test_overlay_store.c - what one storage does with requests: every check of reload.md 4.3 in its order with its error and error_info, the
 * three data models, counters, removal, repeats, what Fetch, Stat and Find answer. One supernode alone in its ring, three writers.
 */
#include "test_overlay_store.h"
#include "base/assert.h"

enum { HOME, ALICE, ALICE2, BOB };

static struct sn_net net;
static struct rf_id alice_id, bob_id, elsewhere;

static void small_quota(struct rf_store_config *config)
{
    config->max_user_bytes = 20000;
}

static int setup(void **state)
{
    (void)state;
    sn_init(&net, kit_kinds, kit_kind_count);
    sn_add(&net, "home@example.org", "80", true, small_quota);
    sn_add(&net, "alice@example.org", "11", false, NULL);
    sn_add(&net, "alice@example.org", "12", false, NULL);
    sn_add(&net, "bob@example.org", "13", false, NULL);
    alice_id = sn_hash(&net, "alice@example.org");
    bob_id = sn_hash(&net, "bob@example.org");
    elsewhere = sn_id("77");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sn_deinit(&net);
    return 0;
}

static struct sn_node *node(size_t number)
{
    return &net.nodes[number];
}

static const struct rf_store_counters *counters(void)
{
    return rf_store_counters(node(HOME)->store);
}

/* ---- tables ---- */

struct value_row { /* kit_value with a node's number instead of its pointer; signer -1: not signed */
    int signer;
    uint32_t kind;
    uint64_t generation;
    const char *key;
    uint32_t index;
    const char *text;
    uint64_t time;
    bool broken;
};
struct step {
    const char *what;
    int from;
    int resource; /* ALICE, BOB: H(user); -1: elsewhere */
    struct value_row values[5];
    const char *result;
    const char *then; /* what Kind and Resource of the first value hold now; NULL: not looked at */
};

static void run_step(const struct step *s)
{
    struct kit_value values[5];
    struct sn_reply reply;
    size_t count = 0;
    const struct rf_id *resource = s->resource == ALICE ? &alice_id
                                   : s->resource == BOB ? &bob_id
                                                        : &elsewhere;
    for (; count < 5 && s->values[count].kind != 0; count++) {
        const struct value_row *v = &s->values[count];
        values[count] = (struct kit_value){.signer = v->signer < 0 ? NULL : node((size_t)v->signer),
                                           .kind = v->kind,
                                           .generation = v->generation,
                                           .key = v->key,
                                           .index = v->index,
                                           .text = v->text,
                                           .time = v->time,
                                           .broken = v->broken};
    }
    kit_store(&net, node((size_t)s->from), node(HOME), resource, 0, values, count, &reply);
    if (strcmp(kit_result(&reply), s->result) != 0)
        fail_msg("%s: %s (%.*s), not %s", s->what, kit_result(&reply), (int)reply.info_len,
                 (char *)reply.info, s->result);
    if (s->then == NULL)
        return;
    const char *now = kit_look(&net, node(HOME), resource, s->values[0].kind);
    if (strcmp(now, s->then) != 0)
        fail_msg("%s: now \"%s\", not \"%s\"", s->what, now, s->then);
}

#define APPEND RF_ARRAY_APPEND

static const struct step steps[] = {
    /* single value */
    {"first", ALICE, ALICE, {{ALICE, KIND_SINGLE, .text = "one", .time = 10}}, "ok", "one@10"},
    {"newer", ALICE, ALICE, {{ALICE, KIND_SINGLE, .text = "two", .time = 20}}, "ok", "two@20"},
    {"older",
     ALICE,
     ALICE,
     {{ALICE, KIND_SINGLE, .text = "old", .time = 15}},
     "Error_Data_Too_Old",
     "two@20"},
    {"same time, other bytes",
     ALICE,
     ALICE,
     {{ALICE, KIND_SINGLE, .text = "tow", .time = 20}},
     "Error_Data_Too_Old",
     "two@20"},
    {"byte-identical", ALICE, ALICE, {{ALICE, KIND_SINGLE, .text = "two", .time = 20}}, "ok", "two@20"},
    {"her other device", ALICE2, ALICE, {{ALICE2, KIND_SINGLE, .text = "dev2", .time = 30}}, "ok", "dev2@30"},
    {"passes on what her other device signed",
     ALICE,
     ALICE,
     {{ALICE2, KIND_SINGLE, .text = "dev3", .time = 40}},
     "ok",
     "dev3@40"},
    {"removed", ALICE, ALICE, {{ALICE, KIND_SINGLE, .time = 50}}, "ok", "-@50"},
    {"not before the removal",
     ALICE,
     ALICE,
     {{ALICE, KIND_SINGLE, .text = "x", .time = 45}},
     "Error_Data_Too_Old",
     "-@50"},
    {"after it", ALICE, ALICE, {{ALICE, KIND_SINGLE, .text = "again", .time = 60}}, "ok", "again@60"},
    /* policy and signatures */
    {"not her resource",
     BOB,
     ALICE,
     {{BOB, KIND_SINGLE, .text = "x", .time = 70}},
     "Error_Forbidden",
     "again@60"},
    {"her value, his request",
     BOB,
     ALICE,
     {{ALICE, KIND_SINGLE, .text = "x", .time = 70}},
     "Error_Forbidden",
     "again@60"},
    {"damaged signature",
     ALICE,
     ALICE,
     {{ALICE, KIND_SINGLE, .text = "x", .time = 70, .broken = true}},
     "Error_Forbidden",
     "again@60"},
    {"not signed", ALICE, ALICE, {{-1, KIND_SINGLE, .text = "x", .time = 70}}, "Error_Forbidden", "again@60"},
    {"unknown Kind first",
     BOB,
     ALICE,
     {{BOB, KIND_SINGLE, .text = "x"}, {BOB, KIND_UNKNOWN, .text = "x"}},
     "Error_Unknown_Kind",
     "again@60"},
    /* size */
    {"too long",
     ALICE,
     ALICE,
     {{ALICE, KIND_SINGLE,
       .text = "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
               "90123456789+",
       .time = 70}},
     "Error_Data_Too_Large",
     "again@60"},
    {"rights before size",
     BOB,
     ALICE,
     {{BOB, KIND_SINGLE,
       .text = "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
               "90123456789+"}},
     "Error_Forbidden",
     "again@60"},
    /* array */
    {"append", ALICE, ALICE, {{ALICE, KIND_ARRAY, .index = APPEND, .text = "a", .time = 1}}, "ok", "0=a@1"},
    {"append two",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = APPEND, .text = "b", .time = 2},
      {ALICE, KIND_ARRAY, .index = APPEND, .text = "c", .time = 3}},
     "ok",
     "0=a@1 1=b@2 2=c@3"},
    {"append repeated",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = APPEND, .text = "b", .time = 2}},
     "ok",
     "0=a@1 1=b@2 2=c@3"},
    {"hole",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = 9, .text = "j", .time = 4}},
     "ok",
     "0=a@1 1=b@2 2=c@3 9=j@4"},
    {"one too many",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = APPEND, .text = "k", .time = 5}},
     "Error_Data_Too_Large",
     "0=a@1 1=b@2 2=c@3 9=j@4"},
    {"replaced at the limit",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = 1, .text = "B", .time = 5}},
     "ok",
     "0=a@1 1=B@5 2=c@3 9=j@4"},
    {"removed at the limit",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = 0, .time = 6}},
     "ok",
     "0=-@6 1=B@5 2=c@3 9=j@4"},
    {"removed ones do not count",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = APPEND, .text = "k", .time = 7}},
     "ok",
     "0=-@6 1=B@5 2=c@3 9=j@4 10=k@7"},
    {"one place twice",
     ALICE,
     ALICE,
     {{ALICE, KIND_ARRAY, .index = 1, .text = "x", .time = 8},
      {ALICE, KIND_ARRAY, .index = 1, .text = "y", .time = 9}},
     "Error_Invalid_Message",
     "0=-@6 1=B@5 2=c@3 9=j@4 10=k@7"},
    /* dictionary */
    {"own key", ALICE, ALICE, {{ALICE, KIND_DICT, .text = "a", .time = 1}}, "ok", "<1>=a@1"},
    {"second device", ALICE2, ALICE, {{ALICE2, KIND_DICT, .text = "b", .time = 1}}, "ok", "<1>=a@1 <2>=b@1"},
    {"another's key",
     ALICE,
     ALICE,
     {{ALICE, KIND_DICT, .key = "key", .text = "b", .time = 1}},
     "Error_Forbidden",
     "<1>=a@1 <2>=b@1"},
    {"her other device's key",
     ALICE,
     ALICE,
     {{ALICE2, KIND_DICT, .text = "c", .time = 2}},
     "Error_Forbidden",
     "<1>=a@1 <2>=b@1"},
    /* all or nothing */
    {"atomic within a Kind",
     ALICE,
     ALICE,
     {{ALICE, KIND_LOG, .index = 0, .text = "a", .time = 1},
      {ALICE, KIND_LOG, .index = 1, .text = "b", .time = 1, .broken = true}},
     "Error_Forbidden",
     "0=-!"},
    {"atomic across Kinds",
     ALICE,
     ALICE,
     {{ALICE, KIND_LOG, .index = 0, .text = "a", .time = 1}, {ALICE, KIND_SINGLE, .text = "x", .time = 1}},
     "Error_Data_Too_Old",
     "0=-!"},
    {"two Kinds",
     ALICE,
     ALICE,
     {{ALICE, KIND_LOG, .index = 5, .text = "a", .time = 1},
      {ALICE, KIND_SINGLE, .text = "last", .time = 90}},
     "ok",
     "5=a@1"},
    /* node policies */
    {"H(Node-ID) is elsewhere",
     ALICE,
     -1,
     {{ALICE, KIND_NODE, .text = "x", .time = 1}},
     "Error_Forbidden",
     "-!"},
};

static void test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(steps); i++)
        run_step(&steps[i]);
    assert_int_equal(counters()->duplicates, 2);
    assert_int_equal(counters()->refused_unknown_kind, 1);
    assert_int_equal(counters()->refused_too_large, 2);
    assert_int_equal(counters()->refused_too_old, 4);
    assert_int_equal(counters()->refused_forbidden, 9);
    assert_int_equal(counters()->stores, 17);
    assert_int_equal(counters()->stores_acknowledged, 17);
}

/* ---- error_info ---- */

static void test_unknown_kinds_told(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value values[] = {
        {.signer = node(ALICE), .kind = 0xf00000aa, .text = "x"},
        {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "x"},
        {.signer = node(ALICE), .kind = 0xf00000bb, .text = "x"},
    };
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, values, 3, &reply);
    assert_string_equal(kit_result(&reply), "Error_Unknown_Kind");
    assert_int_equal(reply.info_len, 9);
    assert_memory_equal(reply.info, "\x08\xf0\x00\x00\xaa\xf0\x00\x00\xbb", 9);
    struct kit_want wants[] = {{.kind = KIND_SINGLE}, {.kind = 0xf00000aa}};
    kit_fetch(&net, node(ALICE), node(HOME), false, &alice_id, wants, 2, &reply);
    assert_string_equal(kit_result(&reply), "Error_Unknown_Kind");
    assert_memory_equal(reply.info, "\x04\xf0\x00\x00\xaa", 5);
}

static uint64_t answered_generation(const struct sn_reply *reply, const uint8_t *body, size_t len)
{
    struct rf_region region;
    struct rf_store_ans ans;
    (void)reply;
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_store_ans_decode(rf_view_of(body, len), 16, &region, &ans), 0);
    assert_int_equal(ans.kind_count, 1);
    assert_int_equal(ans.kinds[0].replica_count, 0);
    uint64_t generation = ans.kinds[0].generation;
    rf_region_deinit(&region);
    return generation;
}

static void test_generation(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_SINGLE, .text = "one", .time = 1, .generation = 5};
    /* nothing is there: only 0 fits, and the counters told are 0 */
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Generation_Counter_Too_Low");
    assert_int_equal(answered_generation(&reply, reply.info, reply.info_len), 0);
    v.generation = 0;
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    uint64_t first = answered_generation(&reply, reply.body, reply.body_len);
    assert_true(first >= 1);
    /* compare and swap */
    v.time = 2;
    v.generation = first;
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    uint64_t second = answered_generation(&reply, reply.body, reply.body_len);
    assert_true(second > first);
    v.time = 3;
    uint64_t wrong[] = {first, second + 1, 1};
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        v.generation = wrong[i];
        kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
        assert_string_equal(kit_result(&reply), "Error_Generation_Counter_Too_Low");
        assert_int_equal(answered_generation(&reply, reply.info, reply.info_len), second);
    }
    /* the counter is looked at before the time; a repeat changes no counter */
    v.time = 1;
    v.generation = first;
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Generation_Counter_Too_Low");
    v.time = 2;
    v.generation = second;
    kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    assert_int_equal(answered_generation(&reply, reply.body, reply.body_len), second);
}

/* ---- reading ---- */

static void store_ok(int from, const struct rf_id *resource, struct kit_value v)
{
    struct sn_reply reply;
    v.signer = node((size_t)from);
    kit_store(&net, node((size_t)from), node(HOME), resource, 0, &v, 1, &reply);
    if (reply.error != 0)
        fail_msg("%s %.*s", kit_result(&reply), (int)reply.info_len, (char *)reply.info);
}

static const char *read_text(bool stat, const struct kit_want *wants, size_t count)
{
    static struct sn_reply reply;
    static char text[4096];
    kit_fetch(&net, node(BOB), node(HOME), stat, &alice_id, wants, count, &reply);
    return kit_show(&net, &reply, stat, false, text, sizeof(text));
}

static void test_fetch_arrays(void **state)
{
    (void)state;
    static const uint32_t indices[] = {0, 1, 2, 7, 8};
    static const char *const texts[] = {"a", "b", "c", "h", "i"};
    static const struct {
        uint32_t first, last;
        const char *text;
    } rows[] = {
        {0, APPEND, "0=a@1 1=b@1 2=c@1 7=h@1 8=i@1"},
        {1, 2, "1=b@1 2=c@1"},
        {2, 7, "2=c@1 7=h@1"},
        {3, 6, "3=-!"},
        {8, 8, "8=i@1"},
        {9, APPEND, "9=-!"},
        {APPEND, APPEND, "8=i@1"},
        {100, 200, "100=-!"},
    };
    struct kit_want none = {.kind = KIND_LOG};
    assert_string_equal(read_text(false, &none, 1), "0=-!");
    for (size_t i = 0; i < RF_COUNT(indices); i++)
        store_ok(ALICE, &alice_id,
                 (struct kit_value){.kind = KIND_LOG, .index = indices[i], .text = texts[i], .time = 1});
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct kit_want want = {
            .kind = KIND_LOG, .ranged = true, .first = rows[i].first, .last = rows[i].last};
        assert_string_equal(read_text(false, &want, 1), rows[i].text);
    }
}

static void test_fetch_dictionaries(void **state)
{
    (void)state;
    struct kit_want all = {.kind = KIND_DICT}, key = {.kind = KIND_DICT, .key = "nobody"};
    struct kit_want mine = {.kind = KIND_DICT, .slot = rf_id_view(&node(ALICE2)->identity.node_id)};
    assert_string_equal(read_text(false, &all, 1), "");
    assert_string_equal(read_text(false, &mine, 1), "<2>=-!");
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_DICT, .text = "a", .time = 1});
    store_ok(ALICE2, &alice_id, (struct kit_value){.kind = KIND_DICT, .text = "b", .time = 2});
    assert_string_equal(read_text(false, &all, 1), "<1>=a@1 <2>=b@2");
    assert_string_equal(read_text(false, &mine, 1), "<2>=b@2");
    assert_string_equal(read_text(false, &key, 1), "nobody=-!");
    assert_string_equal(read_text(true, &all, 1), "<1>=1@1 <2>=1@2");
    struct kit_want three[] = {{.kind = KIND_SINGLE}, all, {.kind = KIND_ARRAY}};
    assert_string_equal(read_text(false, three, 3), "-! | <1>=a@1 <2>=b@2 | 0=-!");
    assert_string_equal(read_text(true, three, 3), "- | <1>=1@1 <2>=1@2 | 0=-");
}

static void test_fetch_generation_match(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_region region;
    struct rf_fetch_ans ans;
    struct kit_want want = {.kind = KIND_SINGLE};
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_SINGLE, .text = "a", .time = 1});
    kit_fetch(&net, node(BOB), node(HOME), false, &alice_id, &want, 1, &reply);
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_fetch_ans_decode(rf_view_of(reply.body, reply.body_len), &region, &ans), 0);
    want.generation = ans.kinds[0].generation;
    rf_region_deinit(&region);
    assert_string_equal(read_text(false, &want, 1), "");
    assert_string_equal(read_text(true, &want, 1), "");
    want.generation--;
    assert_string_equal(read_text(false, &want, 1), "a@1");
}

static void test_certificates_go_along(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_DICT};
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_DICT, .text = "a", .time = 1});
    store_ok(ALICE2, &alice_id, (struct kit_value){.kind = KIND_DICT, .text = "b", .time = 2});
    kit_fetch(&net, node(BOB), node(HOME), false, &alice_id, &want, 1, &reply);
    assert_int_equal(reply.cert_count, 3); /* the home's own, and each signer's */
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = 0, .text = "a", .time = 1});
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = 1, .text = "b", .time = 2});
    want.kind = KIND_LOG;
    kit_fetch(&net, node(BOB), node(HOME), false, &alice_id, &want, 1, &reply);
    assert_int_equal(reply.cert_count, 2); /* once */
}

static void test_stat_hash(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_region region;
    struct rf_fetch_ans ans;
    struct rf_stored_meta meta;
    uint8_t hash[RF_SHA256_LEN];
    struct kit_want want = {.kind = KIND_SINGLE};
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_SINGLE, .text = "abc", .time = 1, .lifetime = 100});
    sn_run(&net, 10 * RF_US_PER_S);
    kit_fetch(&net, node(BOB), node(HOME), true, &alice_id, &want, 1, &reply);
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_fetch_ans_decode(rf_view_of(reply.body, reply.body_len), &region, &ans), 0);
    assert_int_equal(rf_stored_meta_next(&ans.kinds[0].values, RF_MODEL_SINGLE, &meta), 0);
    assert_int_equal(rf_sha256(net.pki.crypto, rf_view_of("\0\0\0\3abc", 7), hash), 0);
    assert_int_equal(meta.hash_alg, RF_HASH_SHA256);
    assert_true(rf_view_equal(meta.hash, rf_view_of(hash, sizeof(hash))));
    assert_in_range(meta.lifetime_s, 88, 90); /* what is left */
    rf_region_deinit(&region);
}

static void test_too_large_answers(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_LOG};
    char text[901];
    memset(text, 'x', 900);
    text[900] = '\0';
    for (uint32_t i = 0; i < 8; i++)
        store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = i, .text = text, .time = 1});
    kit_fetch(&net, node(BOB), node(HOME), false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Response_Too_Large"); /* max-message-size */
    want.ranged = true;
    want.last = 1;
    kit_fetch(&net, node(BOB), node(HOME), false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    kit_fetch_req(&net, &alice_id, &want, 1, &body);
    struct sn_raw raw = {.from = node(BOB),
                         .to = node(HOME),
                         .code = RF_CODE_FETCH_REQ,
                         .body = rf_buf_view(&body),
                         .resource = alice_id,
                         .max_response_len = 2000};
    sn_request(&net, &raw, &reply);
    assert_string_equal(kit_result(&reply), "Error_Response_Too_Large"); /* the requester's own limit */
    rf_buf_deinit(&body);
}

static void test_find(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_region region;
    struct rf_buf body;
    struct rf_find_ans ans;
    uint32_t kinds[] = {KIND_SINGLE, KIND_NODE, KIND_UNKNOWN, 0x2};
    static const struct rf_usage_kind barred = {.kind = KIND_DICT, .name = "DICT", .findable = false};
    assert_int_equal(rf_store_add_kind(node(HOME)->store, &barred), 0);
    assert_int_equal(rf_store_add_kind(node(HOME)->store, &barred), RF_EEXIST);
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_SINGLE, .text = "a", .time = 1});
    store_ok(BOB, &bob_id, (struct kit_value){.kind = KIND_SINGLE, .text = "b", .time = 1});
    store_ok(BOB, &bob_id, (struct kit_value){.kind = KIND_LOG, .text = "b", .time = 1});
    const struct rf_id froms[] = {alice_id, bob_id, rf_id_add_small(&alice_id, 1)};
    const struct rf_id wants[] = {alice_id, bob_id, alice_id};
    for (size_t i = 0; i < RF_COUNT(froms); i++) {
        struct rf_find_req req = {rf_id_view(&froms[i]), kinds, 4};
        rf_buf_init(&body, rf_mem_system(), 1 << 16);
        rf_find_req_encode(&req, &body);
        struct sn_raw raw = {
            .from = node(BOB), .to = node(HOME), .code = RF_CODE_FIND_REQ, .body = rf_buf_view(&body)};
        sn_request(&net, &raw, &reply);
        assert_string_equal(kit_result(&reply), "ok");
        rf_region_init(&region, rf_mem_system(), 1 << 16);
        assert_int_equal(rf_find_ans_decode(rf_view_of(reply.body, reply.body_len), &region, &ans), 0);
        assert_int_equal(ans.kind_count, 4);
        assert_true(rf_view_equal(ans.kinds[0].closest, rf_id_view(&wants[i])));
        for (size_t k = 1; k < 4; k++) { /* none known: all zero, of normal length */
            assert_int_equal(ans.kinds[k].closest.len, 16);
            assert_memory_equal(ans.kinds[k].closest.p, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        }
        rf_region_deinit(&region);
        rf_buf_deinit(&body);
    }
    uint32_t out[] = {KIND_DICT, KIND_LOG};
    struct rf_find_req req = {rf_id_view(&alice_id), out, 2};
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    rf_find_req_encode(&req, &body);
    struct sn_raw raw = {
        .from = node(BOB), .to = node(HOME), .code = RF_CODE_FIND_REQ, .body = rf_buf_view(&body)};
    sn_request(&net, &raw, &reply);
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    assert_int_equal(rf_find_ans_decode(rf_view_of(reply.body, reply.body_len), &region, &ans), 0);
    assert_int_equal(ans.kind_count, 1); /* the barred Kind is left out */
    assert_true(rf_view_equal(ans.kinds[0].closest, rf_id_view(&bob_id)));
    rf_region_deinit(&region);
    rf_buf_deinit(&body);
}

/* ---- life of values ---- */

static void test_expiry(void **state)
{
    (void)state;
    struct rf_store_stats stats;
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_SINGLE, .text = "short", .time = 1, .lifetime = 10});
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_LOG, .index = 0, .text = "a", .time = 1, .lifetime = 10});
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_LOG, .index = 1, .text = "b", .time = 1, .lifetime = 100});
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_DICT, .text = "c", .time = 1, .lifetime = 50});
    sn_run(&net, 9 * RF_US_PER_S);
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_SINGLE), "short@1");
    sn_run(&net, 2 * RF_US_PER_S);
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_SINGLE), "-!");
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_LOG), "1=b@1"); /* a gap */
    assert_int_equal(counters()->expired, 2);
    /* a removal stays as long as what it removed would have */
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_DICT, .time = 2, .lifetime = 1});
    sn_run(&net, 30 * RF_US_PER_S);
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_DICT), "<1>=-@2");
    sn_run(&net, 100 * RF_US_PER_S);
    rf_store_stats(node(HOME)->store, &stats);
    assert_int_equal(stats.value_count, 0);
    assert_int_equal(stats.resource_count, 0);
    assert_int_equal(stats.bytes, 0);
    assert_true(rf_list_empty(&node(HOME)->disk)); /* on the disk too */
}

static void test_certificate_ends(void **state)
{
    (void)state;
    const uint64_t day = 86400;
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_SINGLE, .text = "a", .time = 1, .lifetime = 3000000000});
    struct rf_store_stats stats;
    net.wall_base_ms += 29 * day * 1000;
    sn_run(&net, 61 * RF_US_PER_S);
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_SINGLE), "a@1");
    net.wall_base_ms += 2 * day * 1000; /* max_lifetime_s is 30 days, whatever was asked for */
    sn_run(&net, 61 * RF_US_PER_S);
    rf_store_stats(node(HOME)->store, &stats);
    assert_int_equal(stats.value_count, 0);
    net.wall_base_ms += 329 * day * 1000; /* the certificate ends in five days */
    sn_run(&net, 1000);
    uint64_t t = net.now.wall_ms - RF_PKI_WALL_MS;
    store_ok(ALICE, &alice_id,
             (struct kit_value){.kind = KIND_SINGLE, .text = "b", .time = t, .lifetime = 2000000});
    net.wall_base_ms += 4 * day * 1000;
    sn_run(&net, 61 * RF_US_PER_S);
    rf_store_stats(node(HOME)->store, &stats);
    assert_int_equal(stats.value_count, 1);
    net.wall_base_ms += 2 * day * 1000;
    sn_run(&net, 61 * RF_US_PER_S);
    rf_store_stats(node(HOME)->store, &stats);
    assert_int_equal(stats.value_count, 0);
}

static void test_quota(void **state)
{
    (void)state;
    struct sn_reply reply;
    char text[901];
    memset(text, 'x', 900);
    text[900] = '\0';
    uint32_t stored = 0;
    for (uint32_t i = 0; i < 40; i++) {
        struct kit_value v = {.signer = node(ALICE), .kind = KIND_LOG, .index = i, .text = text, .time = 1};
        kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, &v, 1, &reply);
        if (reply.error != 0)
            break;
        stored++;
    }
    assert_in_range(stored, 14, 20);
    assert_string_equal(kit_result(&reply), "Error_Data_Too_Large");
    assert_int_equal(counters()->refused_quota, 1);
    /* her other device shares the quota, bob does not; what is there can be removed and replaced by less */
    struct kit_value v = {.signer = node(ALICE2), .kind = KIND_LOG, .index = 100, .text = text, .time = 1};
    kit_store(&net, node(ALICE2), node(HOME), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Data_Too_Large");
    store_ok(BOB, &bob_id, (struct kit_value){.kind = KIND_LOG, .text = text, .time = 1});
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = 3, .text = "less", .time = 2});
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = 4, .time = 2});
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_LOG, .index = 3, .text = text, .time = 3});
}

static void test_node_quota(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_store_stats stats;
    store_ok(ALICE, &alice_id, (struct kit_value){.kind = KIND_SINGLE, .text = "a", .time = 1});
    rf_store_stats(node(HOME)->store, &stats);
    assert_in_range(stats.bytes, 500, 3000);
    assert_int_equal(stats.own_count, 1);
    struct kit_value v = {.signer = node(BOB), .kind = KIND_SINGLE, .text = "b", .time = 1};
    kit_store(&net, node(BOB), node(HOME), &bob_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
}

/* ---- malformed ---- */

static void test_malformed(void **state)
{
    (void)state;
    static const uint16_t codes[] = {RF_CODE_STORE_REQ, RF_CODE_FETCH_REQ, RF_CODE_STAT_REQ,
                                     RF_CODE_FIND_REQ};
    struct sn_reply reply;
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "a", .time = 1};
    kit_store_req(&net, &alice_id, 0, &v, 1, &body);
    for (size_t c = 0; c < RF_COUNT(codes); c++)
        for (size_t len = 0; len < 60; len += 7) {
            struct sn_raw raw = {
                .from = node(ALICE), .to = node(HOME), .code = codes[c], .body = rf_view_of(body.p, len)};
            sn_request(&net, &raw, &reply);
            assert_string_equal(kit_result(&reply), "Error_Invalid_Message");
        }
    /* a Resource-ID of another length */
    uint8_t odd[64] = {5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0};
    struct sn_raw raw = {
        .from = node(ALICE), .to = node(HOME), .code = RF_CODE_STORE_REQ, .body = rf_view_of(odd, 11)};
    sn_request(&net, &raw, &reply);
    assert_string_equal(kit_result(&reply), "Error_Invalid_Message");
    /* bytes that are no single value */
    body.p[body.len - 1] ^= 1;
    rf_buf_reset(&body);
    struct rf_kind_values values = {.kind = KIND_SINGLE,
                                    .values = rf_view_of("\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0", 16)};
    struct rf_store_req req = {rf_id_view(&alice_id), 0, &values, 1};
    rf_store_req_encode(&req, &body);
    raw.body = rf_buf_view(&body);
    sn_request(&net, &raw, &reply);
    assert_string_equal(kit_result(&reply), "Error_Invalid_Message");
    rf_buf_deinit(&body);
    assert_int_equal(counters()->stores, 0);
}

static void test_clients_store_nothing(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "a", .time = 1};
    kit_store(&net, node(ALICE), node(BOB), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Not_Found");
    struct kit_want want = {.kind = KIND_SINGLE};
    kit_fetch(&net, node(ALICE), node(BOB), false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Not_Found");
}

/* ---- memory ---- */

static void test_out_of_memory(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value values[] = {
        {.signer = node(ALICE), .kind = KIND_LOG, .index = APPEND, .text = "a", .time = 1},
        {.signer = node(ALICE), .kind = KIND_LOG, .index = APPEND, .text = "b", .time = 2},
        {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "c", .time = 3},
    };
    size_t failures = 0;
    for (size_t allowed = 0; allowed < 200; allowed++) {
        size_t live = net.mem.live_count;
        net.mem.allowed = allowed;
        kit_store(&net, node(ALICE), node(HOME), &alice_id, 0, values, 3, &reply);
        net.mem.allowed = SIZE_MAX;
        if (reply.error == 0)
            break;
        failures++;
        assert_string_equal(kit_result(&reply), "Error_Request_Timeout");
        assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_LOG), "0=-!");
        struct rf_store_stats stats;
        rf_store_stats(node(HOME)->store, &stats);
        assert_int_equal(stats.bytes, 0);
        assert_true(net.mem.live_count <= live + 2); /* tables that grew once */
    }
    assert_true(failures > 10);
    assert_string_equal(kit_look(&net, node(HOME), &alice_id, KIND_LOG), "0=a@1 1=b@2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps),
        TEST(test_unknown_kinds_told),
        TEST(test_generation),
        TEST(test_fetch_arrays),
        TEST(test_fetch_dictionaries),
        TEST(test_fetch_generation_match),
        TEST(test_certificates_go_along),
        TEST(test_stat_hash),
        TEST(test_too_large_answers),
        TEST(test_find),
        TEST(test_expiry),
        TEST(test_certificate_ends),
        TEST(test_quota),
        TEST(test_node_quota),
        TEST(test_malformed),
        TEST(test_clients_store_nothing),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
