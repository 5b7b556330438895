/*
 * test_overlay_store_client.c - the reader's and writer's side: everything verified, bad values dropped, rollback noticed, large
 * answers fetched in pieces, storage_time repaired, calls cancelled. Two homes in one ring, and readers that store nothing.
 */
#include "test_overlay_store.h"
#include "base/assert.h"

enum { P40, P80, ALICE, ALICE2, BOB };

static struct sn_net net;
static struct rf_id alice_id;

static int setup(void **state)
{
    (void)state;
    sn_init(&net, kit_kinds, kit_kind_count);
    sn_add(&net, "p40@example.org", "40", true, NULL);
    sn_add(&net, "p80@example.org", "80", true, NULL);
    sn_add(&net, "alice@example.org", "a1", false, NULL);
    sn_add(&net, "alice@example.org", "a2", false, NULL);
    sn_add(&net, "bob@example.org", "b0", false, NULL);
    sn_ring_changed(&net, NULL, NULL);
    sn_run(&net, RF_US_PER_S);
    alice_id = sn_hash(&net, "alice@example.org"); /* home 80 */
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

/* ---- fetched, as text ---- */

struct fetched {
    bool done;
    int error;
    uint16_t error_code;
    size_t count, dropped, rollbacks, unsigned_count;
    char text[8192];
    struct rf_id responder;
    uint64_t bytes;
};

static void on_fetched(void *arg, const struct rf_fetch_result *r)
{
    struct fetched *f = arg;
    assert_false(f->done);
    *f = (struct fetched){.done = true,
                          .error = r->error,
                          .error_code = r->error_code,
                          .count = r->value_count,
                          .dropped = r->dropped_count,
                          .responder = r->responder};
    size_t at = 0;
    for (size_t i = 0; i < r->value_count; i++) {
        const struct rf_fetched_value *v = &r->values[i];
        f->rollbacks += v->rollback;
        f->unsigned_count += v->signer == NULL;
        f->bytes += v->value.len;
        if (at + 100 < sizeof(f->text))
            at += (size_t)snprintf(f->text + at, sizeof(f->text) - at, "%s%.*s", i > 0 ? " " : "",
                                   v->exists && v->value.len < 40 ? (int)v->value.len : 1,
                                   v->exists ? (const char *)v->value.p : "-");
    }
}

static void wait_fetched(struct fetched *f)
{
    for (int i = 0; i < 600 && !f->done; i++)
        sn_run(&net, 100000);
    assert_true(f->done);
}

static const struct fetched *fetch(size_t reader, const struct rf_id *resource, uint32_t kind)
{
    static struct fetched f;
    f = (struct fetched){.done = false};
    assert_int_equal(rf_store_client_fetch(node(reader)->store, resource, kind, NULL, 0, on_fetched, &f), 0);
    assert_false(f.done); /* never from inside */
    wait_fetched(&f);
    return &f;
}

struct stored {
    bool done;
    struct rf_store_result result;
};

static void on_stored(void *arg, const struct rf_store_result *r)
{
    struct stored *s = arg;
    assert_false(s->done);
    s->done = true;
    s->result = *r;
    s->result.error_info = rf_view_of(NULL, 0);
}

static struct rf_store_result put(size_t writer, uint32_t kind, struct rf_view slot, const char *text,
                                  uint32_t lifetime)
{
    struct stored s = {.done = false};
    struct rf_view value = text != NULL ? rf_view_str(text) : rf_view_of(NULL, 0);
    assert_int_equal(rf_store_client_store(node(writer)->store, &node(writer)->identity, &alice_id, kind,
                                           slot, text != NULL, value, lifetime, on_stored, &s),
                     0);
    assert_false(s.done);
    for (int i = 0; i < 600 && !s.done; i++)
        sn_run(&net, 100000);
    assert_true(s.done);
    return s.result;
}

static struct rf_view none(void)
{
    return rf_view_of(NULL, 0);
}
static struct rf_view key_of(size_t n)
{
    return rf_id_view(&node(n)->identity.node_id);
}
static struct rf_view append(void)
{
    return rf_view_of("\xff\xff\xff\xff", 4);
}

/* ---- good answers ---- */

static void test_round_trip(void **state)
{
    (void)state;
    const struct fetched *f = fetch(BOB, &alice_id, KIND_SINGLE);
    assert_int_equal(f->error, 0);
    assert_string_equal(f->text, "-"); /* synthesized */
    assert_int_equal(f->unsigned_count, 1);
    assert_int_equal(put(ALICE, KIND_SINGLE, none(), "one", 60).error, 0);
    assert_int_equal(put(ALICE, KIND_DICT, key_of(ALICE), "first", 60).error, 0);
    assert_int_equal(put(ALICE2, KIND_DICT, key_of(ALICE2), "second", 60).error, 0);
    f = fetch(BOB, &alice_id, KIND_SINGLE);
    assert_string_equal(f->text, "one");
    assert_int_equal(f->unsigned_count, 0);
    assert_true(rf_id_equal(&f->responder, &node(P80)->identity.node_id));
    f = fetch(P80, &alice_id, KIND_DICT); /* a supernode asks itself */
    assert_string_equal(f->text, "first second");
    assert_int_equal(put(ALICE, KIND_DICT, key_of(ALICE), NULL, 60).error, 0);
    f = fetch(P40, &alice_id, KIND_DICT);
    assert_string_equal(f->text, "- second");
    assert_int_equal(f->unsigned_count, 0); /* removed, and signed so */
    /* chosen slots */
    struct fetched some = {.done = false};
    struct rf_view keys[] = {key_of(ALICE2), rf_view_str("nothing there")};
    assert_int_equal(
        rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_DICT, keys, 2, on_fetched, &some), 0);
    wait_fetched(&some);
    assert_string_equal(some.text, "second -");
    assert_int_equal(
        rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_UNKNOWN, NULL, 0, on_fetched, &some),
        RF_EUNKNOWN);
    assert_int_equal(
        rf_store_client_fetch_range(node(BOB)->store, &alice_id, KIND_DICT, 0, 1, on_fetched, &some),
        RF_EINVAL);
}

static void test_refused(void **state)
{
    (void)state;
    struct rf_store_result r = put(BOB, KIND_SINGLE, none(), "not mine", 60);
    assert_int_equal(r.error, RF_EREMOTE);
    assert_int_equal(r.error_code, RF_ERROR_FORBIDDEN);
}

/* ---- bad answers ---- */

static void break_value(void *arg, struct sn_node *from, struct rf_buf *body)
{
    const char *what = arg;
    (void)from;
    uint8_t *p = memmem(body->p, body->len, what, strlen(what));
    if (p != NULL)
        *p ^= 0x20;
}

static void test_bad_values_dropped(void **state)
{
    (void)state;
    assert_int_equal(put(ALICE, KIND_DICT, key_of(ALICE), "first", 60).error, 0);
    assert_int_equal(put(ALICE2, KIND_DICT, key_of(ALICE2), "second", 60).error, 0);
    net.tamper = break_value; /* the home changes a value */
    static char second[] = "second";
    net.tamper_arg = second;
    const struct fetched *f = fetch(BOB, &alice_id, KIND_DICT);
    assert_int_equal(f->error, 0);
    assert_string_equal(f->text, "first");
    assert_int_equal(f->dropped, 1);
    net.tamper_arg = (char[]){0x02, 0}; /* and bytes of the structure itself */
    f = fetch(BOB, &alice_id, KIND_DICT);
    assert_true(f->error != 0 || f->dropped > 0 || f->count == 2);
}

/* What an honest home would never have taken, but a dishonest one may hold. */
static void plant(size_t home, const struct rf_id *resource, const struct kit_value *v, struct rf_view slot)
{
    struct rf_buf data;
    rf_buf_init(&data, rf_mem_system(), 1 << 16);
    kit_put_value(&net, resource, v, &data);
    struct rf_record record = {.resource = rf_id_view(resource),
                               .kind = v->kind,
                               .slot = slot,
                               .generation = 5,
                               .storage_time_ms = RF_PKI_WALL_MS + v->time,
                               .expires_ms = net.now.wall_ms + 3600000,
                               .stored_data = rf_buf_view(&data),
                               .cert = v->signer->identity.cert->x509.der};
    assert_int_equal(rf_store_load(node(home)->store, &record), 0);
    rf_buf_deinit(&data);
}

static int only_good(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    (void)why;
    (void)why_len;
    return rf_view_equal(value->data->value, rf_view_str("good")) ? 0 : RF_EFORMAT;
}

static void test_policy_of_readers(void **state)
{
    (void)state;
    /* signatures are right, but bob may not write here, nor alice under another's key */
    struct kit_value bobs = {.signer = node(BOB), .kind = KIND_SINGLE, .text = "bob", .time = 1};
    struct kit_value key = {.signer = node(ALICE), .kind = KIND_DICT, .key = "other", .text = "x", .time = 1};
    struct kit_value good = {.signer = node(ALICE), .kind = KIND_DICT, .text = "good", .time = 1};
    plant(P80, &alice_id, &bobs, none());
    plant(P80, &alice_id, &key, rf_view_str("other"));
    plant(P80, &alice_id, &good, key_of(ALICE));
    const struct fetched *f = fetch(BOB, &alice_id, KIND_SINGLE);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->dropped, 1);
    f = fetch(BOB, &alice_id, KIND_DICT);
    assert_string_equal(f->text, "good");
    assert_int_equal(f->dropped, 1);
    /* the usage has its say as well */
    static const struct rf_usage_kind usage = {.kind = KIND_DICT, .name = "DICT", .check = only_good};
    assert_int_equal(rf_store_add_kind(node(BOB)->store, &usage), 0);
    assert_int_equal(put(ALICE2, KIND_DICT, key_of(ALICE2), "bad", 60).error, 0);
    f = fetch(BOB, &alice_id, KIND_DICT);
    assert_string_equal(f->text, "good");
    assert_int_equal(f->dropped, 2);
}

static void test_rollback(void **state)
{
    (void)state;
    struct kit_value old = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "old", .time = 10};
    struct kit_value fresh = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "fresh", .time = 20};
    plant(P80, &alice_id, &fresh, none());
    plant(P40, &alice_id, &old, none());
    assert_int_equal(fetch(BOB, &alice_id, KIND_SINGLE)->rollbacks, 0);
    assert_int_equal(fetch(BOB, &alice_id, KIND_SINGLE)->rollbacks, 0);
    sn_kill(node(P80)); /* the next home shows the older value */
    const struct fetched *f = fetch(BOB, &alice_id, KIND_SINGLE);
    assert_string_equal(f->text, "old");
    assert_int_equal(f->rollbacks, 1);
    assert_int_equal(fetch(ALICE2, &alice_id, KIND_SINGLE)->rollbacks,
                     0); /* who never saw the other cannot know */
}

static void test_nobody_answers(void **state)
{
    (void)state;
    node(BOB)->side = 3;
    const struct fetched *f = fetch(BOB, &alice_id, KIND_SINGLE);
    assert_int_equal(f->error, RF_ETIMEOUT);
}

/* ---- large ---- */

static char large[901];

static void test_large_dictionary(void **state)
{
    (void)state;
    memset(large, 'x', 900);
    for (int i = 0; i < 37; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%02d", i);
        assert_int_equal(put(ALICE, KIND_BIG, rf_view_str(key), large, 600).error, 0);
    }
    const struct fetched *f = fetch(BOB, &alice_id, KIND_BIG);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->count, 37);
    assert_int_equal(f->bytes, 37 * 900);
}

static void test_large_array(void **state)
{
    (void)state;
    memset(large, 'x', 900);
    for (int i = 0; i < 70; i++)
        assert_int_equal(put(ALICE, KIND_LOG, append(), large, 600).error, 0);
    struct kit_value far = {
        .signer = node(ALICE), .kind = KIND_LOG, .index = 0xfff00000, .text = "far", .time = 1};
    const struct fetched *f = fetch(BOB, &alice_id, KIND_LOG);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->count, 70);
    plant(P80, &alice_id, &far, rf_view_of("\xff\xf0\0\0", 4)); /* sparse */
    f = fetch(BOB, &alice_id, KIND_LOG);
    assert_int_equal(f->error, 0);
    assert_int_equal(f->bytes, 70 * 900 + 3);
    struct fetched range = {.done = false};
    assert_int_equal(rf_store_client_fetch_range(node(BOB)->store, &alice_id, KIND_LOG, 50, RF_ARRAY_LAST,
                                                 on_fetched, &range),
                     0);
    wait_fetched(&range);
    assert_int_equal(range.error, 0);
    assert_int_equal(range.bytes, 20 * 900 + 3);
    range = (struct fetched){.done = false};
    assert_int_equal(
        rf_store_client_fetch_range(node(BOB)->store, &alice_id, KIND_LOG, 10, 19, on_fetched, &range), 0);
    wait_fetched(&range);
    assert_int_equal(range.bytes, 10 * 900);
    struct fetched single = {.done = false};
    struct rf_view slots[] = {rf_view_of("\0\0\0\3", 4), rf_view_of("\xff\xf0\0\0", 4),
                              rf_view_of("\0\0\0\x63", 4)};
    assert_int_equal(
        rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_LOG, slots, 3, on_fetched, &single), 0);
    wait_fetched(&single);
    assert_int_equal(single.bytes, 903);
    assert_int_equal(single.unsigned_count, 1); /* index 99 does not exist */
}

/* ---- storage_time ---- */

static void test_clock_behind(void **state)
{
    (void)state;
    /* her other device's clock is an hour ahead: hers stores all the same */
    struct kit_value ahead = {.signer = node(ALICE2), .kind = KIND_SINGLE, .text = "ahead", .time = 3600000};
    struct sn_reply reply;
    kit_store(&net, node(ALICE2), node(P80), &alice_id, 0, &ahead, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    struct rf_store_result r = put(ALICE, KIND_SINGLE, none(), "now", 60);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.storage_time_ms, RF_PKI_WALL_MS + 3600001);
    assert_string_equal(fetch(BOB, &alice_id, KIND_SINGLE)->text, "now");
    /* and never goes back afterwards, over a restart too (node/ keeps the number) */
    assert_int_equal(rf_store_last_time(node(ALICE)->store), r.storage_time_ms);
    r = put(ALICE, KIND_LOG, append(), "log", 60);
    assert_int_equal(r.storage_time_ms, RF_PKI_WALL_MS + 3600002);
    sn_restart(node(ALICE));
    rf_store_set_last_time(node(ALICE)->store, r.storage_time_ms);
    rf_store_set_last_time(node(ALICE)->store, 1);
    r = put(ALICE, KIND_LOG, append(), "log 2", 60);
    assert_int_equal(r.storage_time_ms, RF_PKI_WALL_MS + 3600003);
}

/* ---- cancelling ---- */

static void test_cancel(void **state)
{
    (void)state;
    struct fetched a = {.done = false}, b = {.done = false};
    struct stored s = {.done = false};
    struct rf_store *store = node(ALICE)->store;
    assert_int_equal(rf_store_client_fetch(store, &alice_id, KIND_SINGLE, NULL, 0, on_fetched, &a), 0);
    assert_int_equal(rf_store_client_fetch(store, &alice_id, KIND_DICT, NULL, 0, on_fetched, &b), 0);
    assert_int_equal(rf_store_client_store(store, &node(ALICE)->identity, &alice_id, KIND_SINGLE, none(),
                                           true, rf_view_str("x"), 60, on_stored, &s),
                     0);
    rf_store_client_cancel(store, &a);
    assert_true(a.done && !b.done && !s.done);
    assert_int_equal(a.error, RF_ECANCELLED);
    rf_store_client_cancel(store, &s);
    assert_true(s.done && !b.done);
    assert_int_equal(s.result.error, RF_ECANCELLED);
    rf_store_client_cancel(store, &a); /* harmless */
    wait_fetched(&b);
    assert_int_equal(b.error, 0);
    /* what is under way when the storage goes ends as well */
    a.done = s.done = false;
    assert_int_equal(rf_store_client_fetch(store, &alice_id, KIND_SINGLE, NULL, 0, on_fetched, &a), 0);
    assert_int_equal(rf_store_client_store(store, &node(ALICE)->identity, &alice_id, KIND_SINGLE, none(),
                                           true, rf_view_str("y"), 60, on_stored, &s),
                     0);
    sn_restart(node(ALICE));
    assert_true(a.done && s.done);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t refused = 0;
    assert_int_equal(put(ALICE, KIND_DICT, key_of(ALICE), "first", 36000).error, 0);
    for (size_t allowed = 0; allowed < 300; allowed++) {
        struct fetched f = {.done = false};
        net.mem.allowed = allowed;
        int error = rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_DICT, NULL, 0, on_fetched, &f);
        if (error == 0) {
            for (int i = 0; i < 300 && !f.done; i++)
                sn_run(&net, 100000);
            assert_true(f.done);
            error = f.error;
        } else {
            assert_false(f.done);
        }
        net.mem.allowed = SIZE_MAX;
        if (error == 0) {
            assert_string_equal(f.text, "first");
            break;
        }
        refused++;
    }
    assert_in_range(refused, 5, 299);
}

/* ---- shared resources ---- */

static void put_acl(size_t signer, uint32_t index, const char *to, uint32_t kind, bool delegate,
                    uint64_t time, const char *result)
{
    uint8_t bytes[256];
    struct rf_buf value;
    struct sn_reply reply;
    struct rf_acl_value item = {.to_user = rf_view_str(to), .kind = kind, .allow_delegation = delegate};
    rf_buf_fixed(&value, bytes, sizeof(bytes));
    rf_acl_value_encode(&item, &value);
    struct kit_value v = {.signer = node(signer),
                          .kind = RF_KIND_ACL,
                          .index = index,
                          .bytes = rf_buf_view(&value),
                          .time = time};
    kit_store(&net, node(signer), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), result);
}

static void test_shared(void **state)
{
    (void)state;
    struct sn_reply reply;
    uint32_t alice0 = 0x00000000, bob0 = 0x00000000; /* last 24 bits of a1000.. and b0000.. are 0 */
    struct kit_value v = {.signer = node(BOB), .kind = KIND_SHARED_KEY, .text = "bobs", .time = 1};
    kit_store(&net, node(BOB), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Forbidden");
    put_acl(ALICE, alice0, "alice@example.org", KIND_SHARED_KEY, true, 1, "ok"); /* root */
    put_acl(ALICE, alice0 + 1, "bob@example.org", KIND_SHARED_KEY, false, 2, "ok");
    put_acl(BOB, bob0 + 2, "carol@example.org", KIND_SHARED_KEY, false, 3,
            "Error_Forbidden"); /* may write, not delegate */
    kit_store(&net, node(BOB), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    const struct fetched *f = fetch(ALICE2, &alice_id, KIND_SHARED_KEY);
    assert_string_equal(f->text, "bobs");
    assert_int_equal(fetch(ALICE2, &alice_id, RF_KIND_ACL)->count, 2);
    /* the right is taken back: readers do not take bob's value any more, nor does the home take another */
    struct kit_value gone = {.signer = node(ALICE), .kind = RF_KIND_ACL, .index = alice0 + 1, .time = 10};
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &gone, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    f = fetch(ALICE2, &alice_id, KIND_SHARED_KEY);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->dropped, 1);
    v.time = 20;
    kit_store(&net, node(BOB), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Forbidden");
    v.text = NULL; /* but he may take back what is his */
    v.time = 21;
    kit_store(&net, node(BOB), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),         TEST(test_refused),
        TEST(test_bad_values_dropped), TEST(test_policy_of_readers),
        TEST(test_rollback),           TEST(test_nobody_answers),
        TEST(test_large_dictionary),   TEST(test_large_array),
        TEST(test_clock_behind),       TEST(test_cancel),
        TEST(test_out_of_memory),      TEST(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
