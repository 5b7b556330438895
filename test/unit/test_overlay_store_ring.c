/*
 * test_overlay_store_ring.c - several storages: durable acknowledgement, replication, handover, loss of the home.
 */
#include "test_overlay_store_peers.h"

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

enum { USERS = 60 };

/* One value of a user who has no node of his own here. */
static struct rf_id store_for(const char *name)
{
    struct rf_identity identity;
    struct rf_id id = sn_hash(&net, name);
    struct heard heard = {.done = false};
    assert_int_equal(rf_pki_node(&net.pki, name, NULL, RF_KEY_ED25519, &identity), 0);
    assert_int_equal(rf_store_client_store(node(ALICE)->store, &identity, &id, KIND_BIG, rf_view_str("k"),
                                           true, rf_view_str(name), 3600, on_stored, &heard),
                     0);
    sn_run(&net, RF_US_PER_S);
    assert_true(heard.done);
    /* the request's signer is alice: forbidden; the value's signer must send it himself */
    assert_int_equal(heard.result.error_code, RF_ERROR_FORBIDDEN);
    struct sn_node self = *node(ALICE); /* the user's own node, for one request */
    self.identity = identity;
    struct kit_value v = {.signer = &self, .kind = KIND_BIG, .key = "k", .text = name, .time = 5};
    struct sn_reply reply;
    kit_store(&net, &self, sn_owner(&net, &id, 0), &id, 0, &v, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    rf_identity_deinit(&identity);
    return id;
}

static void test_handover(void **state)
{
    (void)state;
    static char names[USERS][32];
    struct rf_id ids[USERS], low = sn_id("40"), high = sn_id("60");
    size_t in_range = 0;
    for (size_t i = 0; i < USERS; i++) {
        snprintf(names[i], sizeof(names[i]), "user%zu@example.org", i);
        ids[i] = store_for(names[i]);
        in_range += rf_id_between(&low, &ids[i], &high);
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

static bool lose_fetches(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    const size_t *silent = arg; /* 80, or 80 and c0 */
    for (size_t i = 0; i < *silent; i++)
        if (code == RF_CODE_FETCH_REQ && to == node(P80 + i))
            return true;
    return code == RF_CODE_STORE_REQ && from == node(P80);
}

/* The former home is too busy to answer: its replica is asked. Is that one silent as well nobody is told that there is nothing. */
static void test_former_home_is_silent(void **state)
{
    (void)state;
    struct sn_reply reply;
    struct kit_want want = {.kind = KIND_SINGLE};
    store_ok(ALICE, &alice_id, KIND_SINGLE, none(), "there");
    size_t silent = 2;
    net.lose = lose_fetches;
    net.lose_arg = &silent;
    struct sn_node *fresh = join("60");
    kit_fetch(&net, node(BOB), fresh, false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "Error_Request_Timeout");
    silent = 1;
    kit_fetch(&net, node(BOB), fresh, false, &alice_id, &want, 1, &reply);
    assert_string_equal(kit_result(&reply), "ok");
    assert_string_equal(look(net.count - 1, &alice_id, KIND_SINGLE), "there");
    net.lose = NULL;
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
        TEST(test_former_home_is_silent),
        TEST(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
