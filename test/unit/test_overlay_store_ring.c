/*
 * test_overlay_store_ring.c - several storages: durable acknowledgement, replication, handover, loss of the home, partitions, restarts.
 * Peers 10, 40, 80, c0 (first byte of the Node-ID), H("alice@example.org") = 45a6..: home 80, replicas c0 and 10.
 */
#include "test_overlay_store.h"
#include "base/assert.h"

enum { P10, P40, P80, PC0, ALICE, BOB };

static struct sn_net net;
static struct rf_id alice_id, bob_id;

static int setup(void **state)
{
    (void)state;
    sn_init(&net, kit_kinds, kit_kind_count);
    sn_add(&net, "p10@example.org", "10", true, NULL);
    sn_add(&net, "p40@example.org", "40", true, NULL);
    sn_add(&net, "p80@example.org", "80", true, NULL);
    sn_add(&net, "pc0@example.org", "c0", true, NULL);
    sn_add(&net, "alice@example.org", "a1", false, NULL);
    sn_add(&net, "bob@example.org", "b0", false, NULL);
    sn_ring_changed(&net, NULL, NULL);
    alice_id = sn_hash(&net, "alice@example.org");
    bob_id = sn_hash(&net, "bob@example.org");
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

static const struct rf_store_counters *counters(size_t number)
{
    return rf_store_counters(node(number)->store);
}

/* What a writer hears. */
struct heard {
    bool done;
    struct rf_store_result result;
    uint64_t at_us;
};

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct heard *heard = arg;
    assert_false(heard->done);
    heard->done = true;
    heard->result = *result;
    heard->at_us = net.now.mono_us;
}

static void start_store(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                        const char *text, uint32_t lifetime, struct heard *heard)
{
    *heard = (struct heard){.done = false};
    struct rf_view value = text != NULL ? rf_view_str(text) : rf_view_of(NULL, 0);
    assert_int_equal(rf_store_client_store(node(writer)->store, &node(writer)->identity, resource, kind, slot,
                                           text != NULL, value, lifetime, on_stored, heard),
                     0);
}

static void store_ok(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                     const char *text)
{
    struct heard heard;
    start_store(writer, resource, kind, slot, text, 3600, &heard);
    for (int i = 0; i < 300 && !heard.done; i++)
        sn_run(&net, 100000);
    assert_true(heard.done);
    if (heard.result.error != 0)
        fail_msg("%s %s", rf_error_text(heard.result.error), rf_error_code_name(heard.result.error_code));
}

static struct rf_view none(void)
{
    return rf_view_of(NULL, 0);
}

static const char *look(size_t at, const struct rf_id *resource, uint32_t kind)
{
    static char text[512];
    snprintf(text, sizeof(text), "%s", kit_look(&net, node(at), resource, kind));
    char *time = strchr(text, '@');
    if (time != NULL && strchr(text, ' ') == NULL)
        *time = '\0'; /* one value: only what it is */
    return text;
}

static void holders(const struct rf_id *resource, uint32_t kind, const char *text, const bool holds[4])
{
    for (size_t i = 0; i < 4; i++) {
        if (!node(i)->alive)
            continue;
        const char *there = look(i, resource, kind);
        if (strcmp(there, holds[i] ? text : "-!") != 0)
            fail_msg("peer %zu holds \"%s\"", i, there);
    }
}

/* ---- acknowledgement ---- */

static void test_replicated(void **state)
{
    (void)state;
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "hello", 3600, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.done);
    assert_int_equal(heard.result.error, 0);
    assert_true(rf_id_equal(&heard.result.responder, &node(P80)->identity.node_id));
    assert_int_equal(heard.result.replica_count, 2);
    assert_true(rf_id_equal(&heard.result.replicas[0], &node(PC0)->identity.node_id));
    assert_true(rf_id_equal(&heard.result.replicas[1], &node(P10)->identity.node_id));
    holders(&alice_id, KIND_SINGLE, "hello", (bool[]){true, false, true, true});
    static const uint8_t numbers[] = {2, 0, 0, 1};
    for (size_t i = 0; i < 4; i++)
        if (i != P40) {
            const struct sn_record *on = RF_LIST_ENTRY(node(i)->disk.next, struct sn_record, list);
            assert_int_equal(on->record.replica_number, numbers[i]);
            assert_int_equal(on->record.generation,
                             heard.result.generation); /* copies have the home's counter */
        }
    assert_int_equal(counters(P80)->replica_confirmed, 2);
    /* and then it is quiet */
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
}

static void test_waits_for_disk(void **state)
{
    (void)state;
    struct heard heard;
    node(P80)->disk_stopped = true;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "x", 3600, &heard);
    sn_run(&net, 2 * RF_US_PER_S);
    assert_false(heard.done);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE),
                        "x"); /* reads may show what is not acknowledged yet */
    node(P80)->disk_stopped = false;
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.done);
    assert_int_equal(heard.result.error, 0);
}

static bool lose_to_replicas(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg;
    (void)from;
    return code == RF_CODE_STORE_REQ && (to == node(PC0) || to == node(P10));
}

static void test_next_successor(void **state)
{
    (void)state;
    struct heard heard;
    uint64_t start = net.now.mono_us;
    net.lose = lose_to_replicas; /* both answer to nothing */
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "x", 3600, &heard);
    sn_run(&net, 12 * RF_US_PER_S);
    assert_true(heard.done);
    assert_int_equal(heard.result.error, 0);
    assert_in_range(heard.at_us - start, 5 * RF_US_PER_S, 11 * RF_US_PER_S);
    /* 40 took it although it is not in the replica set; as such it must be told by a plausible home */
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "x");
    net.lose = NULL;
    sn_run(&net, 120 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "x", (bool[]){true, true, true, true});
}

static bool lose_all_copies(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg;
    (void)to;
    return code == RF_CODE_STORE_REQ && from->peer;
}

static void test_no_replica(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "x", .time = 1};
    net.lose = lose_all_copies;
    uint64_t start = net.now.mono_us;
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Request_Timeout");
    assert_in_range(net.now.mono_us - start, 13 * RF_US_PER_S, 15 * RF_US_PER_S);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "x"); /* the data stay */
    /* the writer repeats: once a replica is there he is told so */
    net.lose = NULL;
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    sn_run(&net, 120 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "x", (bool[]){true, false, true, true});
}

static void test_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        if (i != P80)
            sn_kill(node(i));
    sn_ring_changed(&net, NULL, NULL);
    uint64_t start = net.now.mono_us;
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "x", 3600, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.done);
    assert_int_equal(heard.result.error, 0);
    assert_int_equal(heard.result.replica_count, 0);
    assert_true(heard.at_us - start < 50000);
}

static void test_followers(void **state)
{
    (void)state;
    /* the same Store arrives several times while the first is under way: all are answered by its end, one copy is made */
    struct sn_reply replies[3];
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_LOG, .index = RF_ARRAY_APPEND, .text = "x", .time = 1};
    struct rf_view cert = node(ALICE)->identity.cert->x509.der;
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    kit_store_req(&net, &alice_id, 0, &v, 1, &body);
    struct sn_raw raw = {.from = node(ALICE),
                         .to = node(P80),
                         .code = RF_CODE_STORE_REQ,
                         .body = rf_buf_view(&body),
                         .certs = &cert,
                         .cert_count = 1,
                         .resource = alice_id};
    node(P80)->disk_stopped = true;
    for (size_t i = 0; i < 3; i++)
        sn_request_start(&net, &raw, &replies[i]);
    sn_run(&net, 100000);
    for (size_t i = 0; i < 3; i++)
        assert_false(replies[i].done);
    node(P80)->disk_stopped = false;
    sn_run(&net, RF_US_PER_S);
    for (size_t i = 0; i < 3; i++) {
        assert_true(replies[i].done);
        assert_string_equal(kit_result(&replies[i]), "ok");
    }
    assert_string_equal(look(P80, &alice_id, KIND_LOG), "0=x");
    assert_int_equal(counters(P80)->duplicates, 2);
    rf_buf_deinit(&body);
}

/* ---- the disk fails ---- */

static void test_disk_fails(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct rf_store_stats stats;
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "first", .time = 1};
    node(P80)->disk_error = RF_EDATABASE;
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Request_Timeout");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "-!");
    sn_run(&net, 60 * RF_US_PER_S);
    rf_store_stats(node(P80)->store, &stats);
    assert_int_equal(stats.bytes, 0);
    node(P80)->disk_error = 0;
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    node(P80)->disk_error = RF_EDATABASE;
    v.text = "second";
    v.time = 2;
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Request_Timeout");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "first"); /* put back */
    assert_int_equal(counters(P80)->persist_failed, 2);
}

static void test_overlapping_writes(void **state)
{
    (void)state;
    /* each row: which of three writes to one place the disk refuses, and what is there in the end */
    static const struct {
        bool fails[3];
        const char *left;
    } rows[] = {
        {{false, false, false}, "c"}, {{true, false, false}, "c"}, {{false, true, false}, "c"},
        {{false, false, true}, "b"},  {{true, true, false}, "c"},  {{false, true, true}, "a"},
        {{true, false, true}, "b"},   {{true, true, true}, "0"},
    };
    static const char *const texts[] = {"a", "b", "c"};
    for (size_t i = 0; i < 4; i++)
        if (i != P80)
            sn_kill(node(i)); /* only the disk matters here */
    sn_ring_changed(&net, NULL, NULL);
    for (size_t r = 0; r < RF_COUNT(rows); r++) {
        struct sn_reply replies[3];
        struct kit_value v = {.signer = node(ALICE), .kind = KIND_SINGLE, .text = "0", .time = 100 * r + 1};
        kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &replies[0]);
        assert_string_equal(kit_result(&replies[0]), "ok");
        node(P80)->disk_us = 10000;
        uint64_t start = net.now.mono_us;
        struct rf_buf body[3];
        struct rf_view cert = node(ALICE)->identity.cert->x509.der;
        for (size_t i = 0; i < 3; i++) {
            rf_buf_init(&body[i], rf_mem_system(), 1 << 16);
            v.text = texts[i];
            v.time++;
            kit_store_req(&net, &alice_id, 0, &v, 1, &body[i]);
            struct sn_raw raw = {.from = node(ALICE),
                                 .to = node(P80),
                                 .code = RF_CODE_STORE_REQ,
                                 .body = rf_buf_view(&body[i]),
                                 .certs = &cert,
                                 .cert_count = 1,
                                 .resource = alice_id};
            sn_request_start(&net, &raw, &replies[i]);
            sn_run(&net, 1000);
        }
        /* they arrive 1 ms apart, the disk ends each 10 ms later, in order */
        for (size_t i = 0; i < 3; i++) {
            node(P80)->disk_error = rows[r].fails[i] ? RF_EDATABASE : 0;
            sn_run(&net, start + i * 1000 + 15500 - net.now.mono_us);
        }
        sn_run(&net, RF_US_PER_S);
        node(P80)->disk_error = 0;
        for (size_t i = 0; i < 3; i++) {
            assert_true(replies[i].done);
            assert_string_equal(kit_result(&replies[i]), rows[r].fails[i] ? "Error_Request_Timeout" : "ok");
            rf_buf_deinit(&body[i]);
        }
        assert_string_equal(look(P80, &alice_id, KIND_SINGLE), rows[r].left);
        const struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
        assert_ptr_equal(on->list.next, &node(P80)->disk);
        const uint8_t *end = on->record.stored_data.p + 16 + 1 + 4;
        assert_int_equal(*end, rows[r].left[0]); /* the disk has the same */
    }
}

/* ---- who may pass values on ---- */

static void test_plausible_senders(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_SINGLE, .generation = 7, .text = "x", .time = 1};
    static const struct {
        size_t from, to;
        const char *result;
    } rows[] = {
        {P80, PC0, "ok"},              /* home -> first replica */
        {P80, P10, "ok"},              /* home -> second */
        {PC0, P10, "Error_Forbidden"}, /* a replica is no home */
        {P40, PC0, "Error_Forbidden"}, /* cannot be responsible */
        {P80, P40, "Error_Forbidden"}, /* is no replica (but see below) */
        {ALICE, PC0, "Error_Forbidden"},
        {ALICE, P10, "Error_Forbidden"},
        {PC0, P80, "ok"}, /* handed to the home by one of its replicas */
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        kit_store(&net, node(rows[i].from), node(rows[i].to), &alice_id, 1, &v, 1, &reply);
        if (strcmp(kit_result(&reply), rows[i].result) != 0)
            fail_msg("row %zu: %s", i, kit_result(&reply));
    }
    kit_store(&net, node(P80), node(P40), &alice_id, 3, &v, 1,
              &reply); /* stands in for a replica that does not answer */
    assert_string_equal(kit_result(&reply), "ok");
    kit_store(&net, node(PC0), node(P40), &alice_id, 3, &v, 1, &reply); /* c0 is not the home */
    assert_string_equal(kit_result(&reply), "Error_Forbidden");
    /* a copy needs a counter and a real index; its signature and policy are checked */
    v.time = 2;
    v.generation = 0;
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Invalid_Message");
    v.generation = 8;
    v.broken = true;
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Forbidden");
    struct kit_value foreign = {
        .signer = node(BOB), .kind = KIND_SINGLE, .generation = 8, .text = "x", .time = 2};
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, &foreign, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Forbidden");
    struct kit_value append = {
        .signer = node(ALICE), .kind = KIND_LOG, .generation = 8, .index = RF_ARRAY_APPEND, .text = "x"};
    kit_store(&net, node(P80), node(PC0), &alice_id, 1, &append, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Invalid_Message");
    /* only the home takes a writer's Store */
    v.broken = false;
    v.generation = 0;
    kit_store(&net, node(ALICE), node(PC0), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Not_Found");
}

/* ---- the ring changes ---- */

static void test_home_lost(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    sn_run(&net, RF_US_PER_S);
    sn_kill(node(P80));
    sn_ring_changed(&net, NULL, node(P80));
    sn_run(&net, RF_US_PER_S);
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "kept"); /* the new home has it */
    /* c0's successors are the same as before, so there are three copies again at once */
    holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, true, false, true});
    /* new Stores work at once and survive the next loss */
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "newer");
    sn_kill(node(PC0));
    sn_ring_changed(&net, NULL, node(PC0));
    sn_run(&net, RF_US_PER_S);
    assert_string_equal(look(P10, &alice_id, KIND_SINGLE), "newer");
}

static bool lose_to_c0(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg;
    (void)from;
    return code == RF_CODE_STORE_REQ && to == node(PC0);
}

/* Acknowledged by the home and its second replica; the home goes, and the first replica, now home, never had it. */
static void test_only_the_second_replica_has_it(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4),
             "old"); /* c0 knows the resource, but not all of it */
    sn_run(&net, RF_US_PER_S);
    net.lose = lose_to_c0;
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "acked");
    sn_kill(node(P80));
    sn_ring_changed(&net, NULL, node(P80));
    net.lose = NULL;
    sn_run(&net, RF_US_PER_S);
    assert_null(strstr(kit_look(&net, node(PC0), &alice_id, KIND_LOG), "acked"));
    sn_run(&net, 25 * RF_US_PER_S);
    assert_non_null(strstr(kit_look(&net, node(PC0), &alice_id, KIND_LOG), "acked"));
    sn_run(&net, 60 * RF_US_PER_S);
    size_t sent = net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_STAT_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_STAT_REQ], sent);
}

/* A restart of a peer whose neighbors have everything moves no values: they are asked, and have them. */
static void test_restart_is_cheap(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 20; i++)
        store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of((uint8_t[]){0, 0, 0, i}, 4), "x");
    store_ok(ALICE, &alice_id, KIND_DICT, rf_id_view(&node(ALICE)->identity.node_id), "y");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "z");
    sn_run(&net, RF_US_PER_S);
    size_t stores = net.sent[RF_CODE_STORE_REQ];
    for (size_t i = 0; i < 4; i++) {
        sn_restart(node(i));
        sn_ring_changed(&net, node(i), NULL);
        sn_run(&net, 60 * RF_US_PER_S);
    }
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], stores);
    assert_in_range(net.sent[RF_CODE_STAT_REQ], 1, 40);
}

static void test_replica_lost_before_hold_down_ends(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "old");
    sn_kill(node(PC0));
    sn_ring_changed(&net, NULL, node(PC0));
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 10 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent); /* nothing moves */
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4),
             "new"); /* but Stores go to the new replica set */
    sn_run(&net, RF_US_PER_S);
    assert_string_equal(look(P40, &alice_id, KIND_LOG), "0=new");
    assert_string_equal(look(P40, &alice_id, KIND_SINGLE), "-!");
    node(PC0)->alive = true; /* it comes back in time */
    sn_ring_changed(&net, NULL, NULL);
    sn_run(&net, 60 * RF_US_PER_S);
    assert_string_equal(look(PC0, &alice_id, KIND_LOG), "0=new");
    assert_string_equal(look(P40, &alice_id, KIND_LOG), "0=-!"); /* no replica any more: dropped */
    assert_true(counters(P40)->dropped_foreign >= 1);
}

static struct sn_node *join(const char *id)
{
    struct sn_node *fresh = sn_add(&net, "fresh@example.org", id, true, NULL);
    sn_ring_changed(&net, fresh, NULL);
    return fresh;
}

static size_t waiting_most;
static size_t waiting_now(void)
{
    return rf_store_handover_pending(node(P80)->store);
}

static size_t under_way, under_way_most;
static void see_store(void *arg, struct sn_node *to, const struct rf_request *request)
{
    (void)arg;
    (void)to;
    if (request->message->code == RF_CODE_STORE_REQ && request->link_node.b[0] == 0x80) {
        under_way++;
        under_way_most = under_way > under_way_most ? under_way : under_way_most;
    }
}

static void test_handover(void **state)
{
    (void)state;
    enum { USERS = 60 };
    static char names[USERS][32];
    struct rf_id ids[USERS];
    size_t in_range = 0;
    for (size_t i = 0; i < USERS; i++) {
        struct rf_identity identity;
        snprintf(names[i], sizeof(names[i]), "user%zu@example.org", i);
        ids[i] = sn_hash(&net, names[i]);
        assert_int_equal(rf_pki_node(&net.pki, names[i], NULL, RF_KEY_ED25519, &identity), 0);
        struct heard heard = {.done = false};
        assert_int_equal(rf_store_client_store(node(ALICE)->store, &identity, &ids[i], KIND_BIG,
                                               rf_view_str("k"), true, rf_view_str(names[i]), 3600, on_stored,
                                               &heard),
                         0);
        sn_run(&net, RF_US_PER_S);
        assert_true(heard.done);
        /* the request's signer is alice: forbidden; the value's signer must send it himself */
        assert_int_equal(heard.result.error_code, RF_ERROR_FORBIDDEN);
        struct sn_node *owner = sn_owner(&net, &ids[i], 0);
        struct rf_id low = sn_id("40"), high = sn_id("60");
        in_range += rf_id_between(&low, &ids[i], &high);
        struct sn_node self = *node(ALICE); /* the user's own node, for one request */
        self.identity = identity;
        struct kit_value v = {.signer = &self, .kind = KIND_BIG, .key = "k", .text = names[i], .time = 5};
        struct sn_reply reply;
        kit_store(&net, &self, owner, &ids[i], 0, &v, 1, &reply);
        assert_string_equal(kit_result(&reply), "ok");
        rf_identity_deinit(&identity);
    }
    assert_true(in_range >= 3);
    size_t before = net.sent[RF_CODE_STORE_REQ];
    net.see = see_store;
    struct sn_node *fresh = join("60");
    assert_true(rf_store_handover_pending(node(P80)->store) > 0); /* from the very moment on */
    waiting_most = 0;
    for (int i = 0; i < 400 && waiting_now() > 0; i++) {
        waiting_most = waiting_now() > waiting_most ? waiting_now() : waiting_most;
        sn_run(&net, 5000);
        under_way = 0;
    }
    assert_int_equal(waiting_now(), 0);
    assert_true(waiting_most >= in_range);
    assert_true(under_way_most <= 8); /* a few at once */
    sn_run(&net, 120 * RF_US_PER_S);
    net.see = NULL;
    size_t moved = 0;
    for (size_t i = 0; i < USERS; i++) {
        struct rf_id low = sn_id("40"), high = sn_id("60");
        if (!rf_id_between(&low, &ids[i], &high))
            continue;
        moved++;
        size_t copies = 0;
        for (size_t p = 0; p < net.count; p++)
            if (net.nodes[p].peer) {
                const char *there = kit_look(&net, &net.nodes[p], &ids[i], KIND_BIG);
                bool holds = strstr(there, names[i]) != NULL;
                copies += holds;
                /* home 60, replicas 80 and c0; 10 lets go */
                assert_int_equal(holds, &net.nodes[p] == fresh || p == P80 || p == PC0);
            }
        assert_int_equal(copies, 3);
    }
    assert_int_equal(moved, in_range);
    assert_int_equal(counters(P80)->handed_over, in_range);
    /* bounded: each moved value once to its new home, a few to confirm replicas that have them already */
    assert_true(net.sent[RF_CODE_STORE_REQ] - before <= 8 * USERS);
    before = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], before);
}

static void test_joiner_takes_before_its_place(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct sn_node *fresh = sn_add(&net, "fresh@example.org", "60", true, NULL);
    fresh->joining = true; /* linked to 80, no place in the ring yet (5.5 steps 5 to 7) */
    struct kit_value v = {
        .signer = node(ALICE), .kind = KIND_SINGLE, .generation = 7, .text = "early", .time = 1};
    kit_store(&net, node(P80), fresh, &alice_id, 1, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    v.generation = 0;
    kit_store(&net, node(ALICE), fresh, &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Not_Found"); /* a writer's Store is refused as long */
    fresh->joining = false;
    sn_ring_changed(&net, fresh, NULL);
    struct kit_want want = {.kind = KIND_SINGLE};
    kit_fetch(&net, node(BOB), fresh, false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    assert_string_equal(look(net.count - 1, &alice_id, KIND_SINGLE), "early");
}

static bool lose_handover(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg;
    return code == RF_CODE_STORE_REQ && from == node(P80) && to == &net.nodes[net.count - 1];
}

static void test_new_home_asks_the_former(void **state)
{
    (void)state;
    struct sn_reply reply;
    char text[512];
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t append[4] = {0xff, 0xff, 0xff, 0xff};
        static const char *const texts[] = {"a", "b", "c"};
        store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of(append, 4), texts[i]);
    }
    net.lose = lose_handover; /* what 80 hands over does not arrive for a while */
    struct sn_node *fresh = join("60");
    struct kit_want want = {.kind = KIND_LOG, .ranged = true, .first = 1, .last = RF_ARRAY_LAST};
    kit_fetch(&net, node(BOB), fresh, false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    kit_show(&net, &reply, false, false, text, sizeof(text));
    assert_non_null(strstr(text, "1=b"));
    assert_non_null(strstr(text, "2=c"));
    /* and an array goes on at its end */
    struct kit_value v = {.signer = node(ALICE), .kind = KIND_ARRAY, .index = 2, .text = "z", .time = 900000};
    kit_store(&net, node(ALICE), node(P80), &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Not_Found");
    v = (struct kit_value){
        .signer = node(ALICE), .kind = KIND_LOG, .index = RF_ARRAY_APPEND, .text = "d", .time = 900000};
    kit_store(&net, node(ALICE), fresh, &alice_id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    net.lose = NULL;
    sn_run(&net, 120 * RF_US_PER_S);
    const char *all = kit_look(&net, fresh, &alice_id, KIND_LOG);
    assert_non_null(strstr(all, "3=d"));
    assert_string_equal(all, kit_look(&net, node(P80), &alice_id, KIND_LOG)); /* its replica */
}

static void test_pieces(void **state)
{
    (void)state;
    /* far more than one message holds: it moves in pieces, whole */
    char text[901];
    memset(text, 'x', 900);
    text[900] = '\0';
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t append[4] = {0xff, 0xff, 0xff, 0xff};
        store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of(append, 4), text);
    }
    for (uint32_t i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof(key), "key%u", i);
        store_ok(ALICE, &alice_id, KIND_BIG, rf_view_str(key), text);
    }
    struct sn_node *fresh = join("60");
    sn_run(&net, 60 * RF_US_PER_S);
    struct rf_store_stats stats;
    rf_store_stats(fresh->store, &stats);
    assert_int_equal(stats.value_count, 25);
    assert_int_equal(stats.own_count, 1);
    rf_store_stats(node(P10)->store, &stats);
    assert_int_equal(stats.value_count, 0);
}

/* ---- partitions ---- */

static void set_side(size_t a, size_t b, size_t c, int side)
{
    node(a)->side = node(b)->side = node(c)->side = side;
    sn_ring_changed(&net, NULL, NULL);
}

static void test_partition_heals(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-before");
    sn_run(&net, RF_US_PER_S);
    /* {10, 80, bob} and {40, c0, alice}: alice's resource has a home on each side */
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "during"); /* on her side: home c0 */
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "bob-during");
    store_ok(BOB, &bob_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "bob-log");
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "before");
    assert_string_equal(look(PC0, &alice_id, KIND_SINGLE), "during");
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "during",
            (bool[]){true, false, true, true}); /* the newer one, everywhere */
    struct sn_node *bobs = sn_owner(&net, &bob_id, 0);
    assert_string_equal(look(bobs->number, &bob_id, KIND_SINGLE), "bob-during");
    assert_string_equal(look(bobs->number, &bob_id, KIND_LOG), "1=bob-log");
    /* and quiet again */
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

/* Both sides append to one log while they are apart: afterwards it has all elements, the same on all of its holders. */
static void test_logs_are_joined(void **state)
{
    (void)state;
    static const struct rf_usage_kind log = {.kind = KIND_LOG, .name = "LOG", .append_only = true};
    const struct rf_view append = rf_view_of("\xff\xff\xff\xff", 4);
    struct sn_node *alice2 = sn_add(&net, "alice@example.org", "a2", false, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rf_store_add_kind(node(i)->store, &log), 0);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "common");
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "replaced", 60, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_int_equal(heard.result.error_code, RF_ERROR_FORBIDDEN); /* never replaced */
    alice2->side = 1;
    set_side(P10, P80, BOB, 1);
    sn_run(&net, 60 * RF_US_PER_S);
    static const char *const here[] = {"west-a", "west-b", "west-c"}, *const there[] = {"east-a", "east-b"};
    for (size_t i = 0; i < 3; i++)
        store_ok(ALICE, &alice_id, KIND_LOG, append, here[i]);
    for (size_t i = 0; i < 2; i++)
        store_ok(alice2->number, &alice_id, KIND_LOG, append, there[i]);
    alice2->side = 0;
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 300 * RF_US_PER_S);
    char home[2048];
    snprintf(home, sizeof(home), "%s", kit_look(&net, node(P80), &alice_id, KIND_LOG));
    assert_non_null(strstr(home, "0=common"));
    assert_int_equal(occurrences(home, "="), 6);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(occurrences(home, here[i]), 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(occurrences(home, there[i]), 1);
    assert_string_equal(kit_look(&net, node(PC0), &alice_id, KIND_LOG), home);
    assert_string_equal(kit_look(&net, node(P10), &alice_id, KIND_LOG), home);
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ], sent);
    /* and it can be removed from, and goes on */
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), NULL);
    store_ok(ALICE, &alice_id, KIND_LOG, append, "after");
    assert_non_null(strstr(kit_look(&net, node(P80), &alice_id, KIND_LOG), "6=after"));
}

static void test_removal_wins_over_older(void **state)
{
    (void)state;
    struct heard heard;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "before");
    sn_run(&net, RF_US_PER_S);
    set_side(P10, P80, BOB, 1);
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), NULL, 10, &heard); /* removed on one side only */
    sn_run(&net, 20 * RF_US_PER_S);
    assert_true(heard.done && heard.result.error == 0);
    set_side(P10, P80, BOB, 0);
    sn_run(&net, 180 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "-", (bool[]){true, false, true, true}); /* not "before" again */
}

/* ---- restarts ---- */

static void test_restart(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\7", 4), "log");
    sn_run(&net, RF_US_PER_S);
    sn_restart(node(P80));
    sn_ring_changed(&net, node(P80), NULL);
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "kept");
    assert_string_equal(look(P80, &alice_id, KIND_LOG), "7=log");
    sn_run(&net, 60 * RF_US_PER_S);
    holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
    /* the counter goes on */
    struct heard heard;
    const struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint64_t generation = on->record.generation;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "after", 3600, &heard);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.result.generation > generation);
}

static void test_disk_was_tampered_with(void **state)
{
    (void)state;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "true");
    sn_run(&net, RF_US_PER_S);
    struct sn_record *on = RF_LIST_ENTRY(node(P80)->disk.next, struct sn_record, list);
    uint8_t *value = on->bytes + (on->record.stored_data.p - on->bytes) + 16 + 5;
    assert_memory_equal(value, "true", 4);
    memcpy(value, "lies", 4);
    sn_restart(node(P80));
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "-!"); /* found out at its first use */
    sn_run(&net, RF_US_PER_S);
    assert_true(rf_list_empty(&node(P80)->disk));
    sn_ring_changed(&net, node(P80), NULL);
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_SINGLE};
    kit_fetch(&net, node(BOB), node(P80), false, &alice_id, &want, 1,
              &reply); /* as home it asks its successor first */
    assert_string_equal(look(P80, &alice_id, KIND_SINGLE), "true");
}

static void test_expired_while_down(void **state)
{
    (void)state;
    struct heard heard;
    start_store(ALICE, &alice_id, KIND_SINGLE, none(), "short", 30, &heard);
    sn_run(&net, RF_US_PER_S);
    node(P80)->alive = false;
    net.wall_base_ms += 40000;
    sn_run(&net, 1000);
    sn_restart(node(P80));
    struct rf_store_stats stats;
    rf_store_stats(node(P80)->store, &stats);
    assert_int_equal(stats.value_count, 0);
}

/* ---- intermediate certificates ---- */

/* alice's certificate comes from an authority that the root has appointed. */
static void appoint(struct rf_key **key, struct rf_x509 *authority, struct rf_identity *alice)
{
    struct rf_crypto *c = net.pki.crypto;
    struct rf_x509_spec spec = {.common_name = rf_view_str("branch"),
                                .is_ca = true,
                                .not_before_ms = RF_PKI_WALL_MS - 1000,
                                .not_after_ms = RF_PKI_WALL_MS + UINT64_C(86400000),
                                .serial_lo = 1000};
    struct rf_cert_spec leaf = {.user = rf_view_str("alice@example.org"),
                                .overlay = rf_view_str("example.org"),
                                .node_ids = &alice->node_id,
                                .node_id_count = 1,
                                .not_before_ms = spec.not_before_ms,
                                .not_after_ms = spec.not_after_ms,
                                .serial_lo = 1001};
    struct rf_buf spki, der;
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, key), 0);
    assert_int_equal(c->ops->key_spki(c, *key, &spki), 0);
    assert_int_equal(c->ops->x509_issue(c, &spec, rf_buf_view(&spki), &net.pki.ca, net.pki.ca_key, &der), 0);
    assert_int_equal(c->ops->x509_decode(c, rf_buf_view(&der), authority), 0);
    rf_buf_reset(&spki);
    rf_buf_reset(&der);
    assert_int_equal(c->ops->key_spki(c, alice->key, &spki), 0);
    assert_int_equal(rf_cert_issue(c, &leaf, rf_buf_view(&spki), authority, *key, &der), 0);
    rf_cert_release(alice->cert);
    assert_int_equal(rf_trust_cert(node(ALICE)->trust, rf_buf_view(&der), &authority->der, 1, RF_PKI_WALL_MS,
                                   &alice->cert),
                     0);
    assert_int_equal(alice->cert->chain_count, 1);
    struct rf_identity renamed; /* its SignerIdentity names the new certificate */
    assert_int_equal(rf_identity_init(&renamed, c, alice->key, alice->cert, &alice->node_id), 0);
    rf_cert_release(alice->cert);
    *alice = renamed;
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    size_t *good = arg;
    *good = result->error == 0 && result->dropped_count == 0 ? result->value_count : 99;
}

static void test_intermediates(void **state)
{
    (void)state;
    struct rf_key *key = NULL;
    struct rf_x509 authority;
    appoint(&key, &authority, &node(ALICE)->identity);
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "kept");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\0", 4), "log");
    sn_run(&net, RF_US_PER_S);
    for (int restarted = 0; restarted < 2; restarted++) {
        holders(&alice_id, KIND_SINGLE, "kept", (bool[]){true, false, true, true});
        assert_int_equal(rf_conf_trust(net.pki.conf, node(BOB)->trust), 0); /* who never saw the authority */
        size_t good = 0;
        assert_int_equal(
            rf_store_client_fetch(node(BOB)->store, &alice_id, KIND_LOG, NULL, 0, on_fetched, &good), 0);
        sn_run(&net, RF_US_PER_S);
        assert_int_equal(good, 1);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(rf_conf_trust(net.pki.conf, node(i)->trust), 0);
        sn_restart(node(P80));
        sn_ring_changed(&net, node(P80), NULL);
        sn_run(&net, 60 * RF_US_PER_S);
    }
    net.pki.crypto->ops->x509_deinit(net.pki.crypto, &authority);
    net.pki.crypto->ops->key_free(net.pki.crypto, key);
}

/* ---- a new document ---- */

static void revoke(struct rf_conf *draft, void *arg)
{
    draft->bad_nodes = arg;
    draft->bad_node_count = 1;
}

static void test_revoked(void **state)
{
    (void)state;
    struct rf_conf *next = NULL;
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "hers");
    store_ok(ALICE, &alice_id, KIND_LOG, rf_view_of("\0\0\0\1", 4), "hers");
    store_ok(BOB, &bob_id, KIND_SINGLE, none(), "his");
    struct rf_id bad = node(ALICE)->identity.node_id;
    assert_int_equal(rf_pki_document(&net.pki, 9, revoke, &bad, &next), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rf_conf_trust(next, node(i)->trust), 0);
        assert_int_equal(rf_store_configure(node(i)->store, next), 0);
    }
    rf_conf_release(next);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(look(i, &alice_id, KIND_SINGLE), "-!");
        assert_string_equal(look(i, &alice_id, KIND_LOG), "0=-!");
    }
    assert_string_equal(look(sn_owner(&net, &bob_id, 0)->number, &bob_id, KIND_SINGLE), "his");
    sn_run(&net, RF_US_PER_S);
    size_t left = 0;
    for (size_t i = 0; i < 4; i++)
        RF_LIST_EACH(&node(i)->disk, it)
        {
            left++;
        }
    assert_int_equal(left, 3); /* bob's three copies */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replicated),
        TEST(test_waits_for_disk),
        TEST(test_next_successor),
        TEST(test_no_replica),
        TEST(test_alone),
        TEST(test_followers),
        TEST(test_disk_fails),
        TEST(test_overlapping_writes),
        TEST(test_plausible_senders),
        TEST(test_home_lost),
        TEST(test_only_the_second_replica_has_it),
        TEST(test_restart_is_cheap),
        TEST(test_replica_lost_before_hold_down_ends),
        TEST(test_handover),
        TEST(test_joiner_takes_before_its_place),
        TEST(test_new_home_asks_the_former),
        TEST(test_pieces),
        TEST(test_partition_heals),
        TEST(test_logs_are_joined),
        TEST(test_removal_wins_over_older),
        TEST(test_restart),
        TEST(test_disk_was_tampered_with),
        TEST(test_expired_while_down),
        TEST(test_intermediates),
        TEST(test_revoked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
