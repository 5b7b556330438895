/* test_conversation.c - rosters and logs at their homes: who may do what, one order for all, nothing acknowledged lost. */
#include "test_conversation.h"

static void found(void)
{
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(BOB, CAROL)), 0);
}

static struct rf_view none(void)
{
    return rf_view_of(NULL, 0);
}

/* ---- rosters ---- */

static void test_founding(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    /* nobody else founds it, whoever he says it belongs to */
    assert_int_equal(cv_change(MALLORY, CV_LIST(MALLORY), CV_NOBODY), RF_ERROR_FORBIDDEN);
    size_t len =
        cv_roster(&cv, "mallory@example.org", 0, none(), CV_LIST(MALLORY), CV_NOBODY, bytes, sizeof(bytes));
    assert_int_equal(
        cv_store(MALLORY, &cv.resource, RF_KIND_ROSTER, none(), true, rf_view_of(bytes, len), 3600),
        RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_append(ALICE, 1, "too early"), RF_ERROR_FORBIDDEN);
    found();
    assert_int_equal(cv_append(ALICE, 1, "hello"), 0);
    assert_int_equal(cv_append(ALICE2, 1, "her other device"), 0);
    assert_int_equal(cv_append(BOB, 1, "hi"), 0);
    assert_int_equal(cv_append(MALLORY, 1, "me too"), RF_ERROR_FORBIDDEN);
    assert_string_equal(cv_log(cv_home()), "0=hello 1=her other device 2=hi");
}

static void test_rosters_follow_each_other(void **state)
{
    (void)state;
    uint8_t first[2048], bytes[2048];
    found();
    size_t first_len = cv.roster_len;
    memcpy(first, cv.roster, first_len);
    struct rf_view before = rf_view_of(first, first_len);
    assert_int_equal(cv_change(BOB, CV_LIST(ALICE, BOB), CV_LIST(CAROL)), RF_ERROR_FORBIDDEN); /* no admin */
    assert_int_equal(cv_change(ALICE, CV_LIST(BOB), CV_LIST(CAROL)),
                     RF_ERROR_FORBIDDEN); /* not without himself */
    static const struct {
        uint32_t sequence;
        bool chained;
    } wrong[] = {{1, false}, {2, true}, {0, true}, {0, false}};
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        size_t len =
            cv_roster(&cv, "alice@example.org", wrong[i].sequence, wrong[i].chained ? before : none(),
                      CV_LIST(ALICE, BOB), CV_NOBODY, bytes, sizeof(bytes));
        if (cv_store(ALICE, &cv.resource, RF_KIND_ROSTER, none(), true, rf_view_of(bytes, len), 60) !=
            RF_ERROR_FORBIDDEN)
            fail_msg("row %zu", i);
    }
    /* the same again keeps it alive, by its admin only */
    assert_int_equal(cv_store(ALICE2, &cv.resource, RF_KIND_ROSTER, none(), true, before, 86400), 0);
    assert_int_equal(cv_store(BOB, &cv.resource, RF_KIND_ROSTER, none(), true, before, 86400),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_store(ALICE, &cv.resource, RF_KIND_ROSTER, none(), false, none(), 60),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE, BOB), CV_LIST(CAROL)), 0);
    assert_int_equal(cv.sequence, 1);
    /* bob takes her out; she can not come back by the roster that she made */
    assert_int_equal(cv_change(BOB, CV_LIST(BOB), CV_LIST(CAROL)), 0);
    assert_int_equal(cv_store(ALICE, &cv.resource, RF_KIND_ROSTER, none(), true, before, 86400),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE, BOB), CV_LIST(CAROL)), RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_append(ALICE, 1, "gone"), RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_append(CAROL, 1, "still here"), 0);
}

/* Two admins change it at once: one of them is told, and an entry of who is removed stands before that or is refused. */
static void test_races(void **state)
{
    (void)state;
    uint8_t a[2048], b[2048];
    struct cv_heard heard[3];
    found();
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE, BOB), CV_LIST(CAROL)), 0);
    struct rf_view before = rf_view_of(cv.roster, cv.roster_len);
    size_t a_len =
        cv_roster(&cv, "alice@example.org", 2, before, CV_LIST(ALICE, BOB), CV_NOBODY, a, sizeof(a));
    size_t b_len = cv_roster(&cv, "alice@example.org", 2, before, CV_LIST(BOB), CV_LIST(CAROL), b, sizeof(b));
    cv_start(CAROL, 1, "at the last moment", &heard[2]);
    uint16_t first = cv_store(ALICE, &cv.resource, RF_KIND_ROSTER, none(), true, rf_view_of(a, a_len), 3600);
    uint16_t second = cv_store(BOB, &cv.resource, RF_KIND_ROSTER, none(), true, rf_view_of(b, b_len), 3600);
    assert_int_equal(first, 0);
    assert_int_equal(second, RF_ERROR_FORBIDDEN);
    cv_wait(&heard[2], 1);
    assert_int_equal(heard[2].error, 0);
    assert_int_equal(cv_append(CAROL, 2, "too late"), RF_ERROR_FORBIDDEN);
    assert_string_equal(cv_log(cv_home()), "0=at the last moment");
}

/* ---- one order ---- */

static void same_everywhere(void)
{
    const char *home = cv_log(cv_home());
    size_t holders = 0;
    for (size_t i = 0; i < PEERS; i++) {
        const char *there = cv_log(i);
        if (!cv_node(i)->alive || there[0] == '\0')
            continue;
        holders++;
        assert_string_equal(there, home);
    }
    assert_true(holders >= 3);
}

static void test_many_at_once(void **state)
{
    (void)state;
    static const size_t writers[] = {ALICE, ALICE2, BOB, CAROL};
    struct cv_heard heard[80];
    char text[16];
    found();
    for (size_t i = 0; i < RF_COUNT(heard); i++) {
        snprintf(text, sizeof(text), "<%zu>", i);
        cv_start(writers[i % RF_COUNT(writers)], i / RF_COUNT(writers) + 1, text, &heard[i]);
        if (i % 9 == 0)
            sn_run(&net, 3000);
    }
    cv_wait(heard, RF_COUNT(heard));
    sn_run(&net, RF_US_PER_S);
    for (size_t i = 0; i < RF_COUNT(heard); i++) {
        snprintf(text, sizeof(text), "<%zu>", i);
        assert_int_equal(heard[i].error, 0);
        assert_int_equal(cv_count(cv_log(cv_home()), text), 1);
    }
    assert_int_equal(cv_count(cv_log(cv_home()), "="), RF_COUNT(heard));
    assert_non_null(strstr(cv_log(cv_home()), " 79="));
    same_everywhere();
}

static bool lose_answers(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    const struct rf_id *home = arg;
    return code == RF_CODE_STORE_ANS && rf_id_equal(&from->identity.node_id, home) && !to->peer;
}

/* The home has the entry, and its replicas; the writer does not hear of it, and the home dies. */
static void test_home_dies_before_the_answer(void **state)
{
    (void)state;
    for (int wiped = 0; wiped < 2; wiped++) {
        struct cv_heard heard;
        size_t home = cv_home();
        struct rf_id home_id = cv_node(home)->identity.node_id;
        if (wiped == 0)
            found();
        net.lose = lose_answers;
        net.lose_arg = &home_id;
        cv_start(BOB, 1 + (uint64_t)wiped, wiped ? "second" : "first", &heard);
        sn_run(&net, wiped ? 8000 : 200000); /* once before any replica has it */
        assert_false(heard.done);
        sn_kill(cv_node(home));
        sn_ring_changed(&net, NULL, cv_node(home));
        cv_wait(&heard, 1);
        net.lose = NULL;
        assert_int_equal(heard.error, 0);
        assert_int_equal(cv_count(cv_log(cv_home()), wiped ? "second" : "first"), 1);
        cv_restart(home);
        sn_ring_changed(&net, cv_node(home), NULL);
        sn_run(&net, 120 * RF_US_PER_S);
        assert_int_equal(cv_count(cv_log(cv_home()), wiped ? "second" : "first"), 1);
        same_everywhere();
    }
}

/* Both sides of a partition write, one of them changes the roster; afterwards there is one order of all that was acknowledged. */
static void test_partition(void **state)
{
    (void)state;
    static const char *const east[] = {"e1", "e2", "e3", "e4"}, *const west[] = {"w1", "w2", "w3"};
    found();
    assert_int_equal(cv_append(ALICE, 1, "common"), 0);
    sn_run(&net, RF_US_PER_S);
    /* the home and one replica's successor on one side: each side has a home */
    size_t home = cv_home();
    const size_t apart[] = {home, (home + 2) % PEERS, BOB};
    cv_side(1, apart, RF_COUNT(apart));
    sn_run(&net, 60 * RF_US_PER_S);
    for (size_t i = 0; i < RF_COUNT(east); i++)
        assert_int_equal(cv_append(ALICE, 2 + i, east[i]), 0);
    for (size_t i = 0; i < RF_COUNT(west); i++)
        assert_int_equal(cv_append(BOB, 1 + i, west[i]), 0);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(CAROL)), 0); /* bob is out, on her side */
    cv_side(0, apart, RF_COUNT(apart));
    sn_run(&net, 300 * RF_US_PER_S);
    const char *log = cv_log(cv_home());
    assert_int_equal(strncmp(log, "0=common ", 9), 0);
    assert_int_equal(cv_count(log, "="), 1 + RF_COUNT(east) + RF_COUNT(west));
    for (size_t i = 0; i < RF_COUNT(east); i++)
        assert_int_equal(cv_count(log, east[i]), 1);
    for (size_t i = 0; i < RF_COUNT(west); i++)
        assert_int_equal(cv_count(log, west[i]), 1);
    for (size_t i = 1; i < RF_COUNT(west); i++) /* each side's among themselves as they were */
        assert_true(strstr(log, west[i - 1]) < strstr(log, west[i]));
    for (size_t i = 1; i < RF_COUNT(east); i++)
        assert_true(strstr(log, east[i - 1]) < strstr(log, east[i]));
    same_everywhere();
    assert_int_equal(cv_append(BOB, 9, "out"), RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_append(CAROL, 1, "after"), 0);
    same_everywhere();
}

/* A peer that joins between home and resource gets roster and log, and asks for the roster itself when a writer is there first. */
static void test_new_home(void **state)
{
    (void)state;
    char id[9];
    found();
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    snprintf(id, sizeof(id), "%02x", cv.resource.b[0] + 1u);
    struct sn_node *peer = sn_add(&net, "new@example.org", id, true, NULL);
    cv_start_node(peer);
    sn_ring_changed(&net, peer, NULL);
    assert_int_equal(cv_home(), peer->number);
    assert_int_equal(cv_append(BOB, 1, "two"), 0);
    assert_int_equal(cv_append(MALLORY, 1, "no"), RF_ERROR_FORBIDDEN);
    sn_run(&net, 60 * RF_US_PER_S);
    assert_string_equal(cv_log(peer->number), "0=one 1=two");
}

/* ---- limits ---- */

static void small_quota(struct rf_store_config *config)
{
    config->max_user_bytes = 8000;
}

static void test_quota(void **state)
{
    (void)state;
    static char text[1001];
    conversation_setup_with(NULL, 0, small_quota);
    memset(text, 'x', sizeof(text) - 1);
    found();
    uint16_t code = 0;
    unsigned count = 0;
    for (; count < 20 && code == 0; count++)
        code = cv_append(BOB, 1 + count, text);
    assert_int_equal(code, RF_ERROR_DATA_TOO_LARGE);
    assert_in_range(count, 5, 8);
    assert_true(cv_counters(cv_home())->refused_quota > 0);
    assert_int_equal(cv_append(CAROL, 1, text), 0); /* hers is another one */
    sn_deinit(&net);
}

static const struct rf_kind_def small_log = {.id = RF_KIND_LOG,
                                             .model = RF_MODEL_ARRAY,
                                             .policy = RF_POLICY_ROSTER,
                                             .max_count = 10,
                                             .max_size = 2000};

/* The oldest go, at home and replicas; they do not come back from a peer that was away. */
static void test_retention(void **state)
{
    (void)state;
    char text[16];
    conversation_setup_with(&small_log, 1, NULL);
    found();
    size_t home = cv_home(), away = (home + 1) % PEERS;
    for (unsigned i = 0; i < 25; i++) {
        if (i == 8) {
            sn_kill(cv_node(away));
            sn_ring_changed(&net, NULL, cv_node(away));
        }
        snprintf(text, sizeof(text), "<%u>", i);
        assert_int_equal(cv_append(ALICE, 1 + i, text), 0);
    }
    assert_int_equal(strncmp(cv_log(home), "15=<15> ", 8), 0);
    assert_int_equal(cv_count(cv_log(home), "="), 10);
    assert_true(cv_counters(home)->retired >= 15);
    cv_restart(away);
    sn_ring_changed(&net, cv_node(away), NULL);
    sn_run(&net, 200 * RF_US_PER_S);
    assert_int_equal(strncmp(cv_log(home), "15=<15> ", 8), 0);
    assert_string_equal(cv_log(away), cv_log(home));
    same_everywhere();
    cv_restart(home); /* and what the disk has is no more than that */
    assert_int_equal(cv_count(cv_log(home), "="), 10);
    size_t sent = net.sent[RF_CODE_STORE_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_in_range(net.sent[RF_CODE_STORE_REQ], sent, sent + 4);
    sn_deinit(&net);
}

/* ---- reading ---- */

struct read {
    bool done;
    int error;
    size_t count;
    uint32_t first;
};

static void on_read(void *arg, const struct rf_fetch_result *result)
{
    struct read *read = arg;
    *read = (struct read){.done = true, .error = result->error, .first = UINT32_MAX};
    for (size_t i = 0; i < result->value_count; i++) {
        struct rf_view slot = result->values[i].slot;
        uint32_t index = 0;
        assert_int_equal(rf_view_u32(&slot, &index), 0);
        if (!result->values[i].exists)
            continue;
        read->count++;
        read->first = index < read->first ? index : read->first;
    }
}

/* Everything since index 20, in pieces that fit. */
static void test_everything_since(void **state)
{
    (void)state;
    static char text[801];
    struct read read = {.done = false};
    memset(text, 'y', sizeof(text) - 1);
    found();
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(cv_append(i % 2 ? ALICE : BOB, 1 + i, text), 0);
    size_t asked = net.sent[RF_CODE_FETCH_REQ];
    assert_int_equal(rf_store_client_fetch_range(cv_node(CAROL)->store, &cv.resource, RF_KIND_LOG, 20,
                                                 RF_ARRAY_LAST, on_read, &read),
                     0);
    sn_run(&net, 20 * RF_US_PER_S);
    assert_true(read.done && read.error == 0);
    assert_int_equal(read.count, 40);
    assert_in_range(net.sent[RF_CODE_FETCH_REQ] - asked, 14, 27); /* halves alone would take 33 */
    assert_int_equal(read.first, 20);
}

/* ---- who means no good ---- */

static void test_hostile(void **state)
{
    (void)state;
    const struct rf_view append = rf_view_of("\xff\xff\xff\xff", 4), at0 = rf_view_of("\0\0\0\0", 4);
    const struct rf_view entry = rf_view_of("\1\0\0\0\0\0\0\0\5x", 10);
    struct rf_id alices = sn_hash(&net, "alice@example.org");
    found();
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    const struct {
        const char *what;
        size_t writer;
        const struct rf_id *resource;
        uint32_t kind;
        struct rf_view slot;
        bool exists;
        struct rf_view value;
        uint16_t code;
    } rows[] = {
        {"replaces", ALICE, &cv.resource, RF_KIND_LOG, at0, true, entry, RF_ERROR_FORBIDDEN},
        {"removes her own", ALICE, &cv.resource, RF_KIND_LOG, at0, false, none(), RF_ERROR_FORBIDDEN},
        {"no entry", BOB, &cv.resource, RF_KIND_LOG, append, true, rf_view_str("junk"),
         RF_ERROR_INVALID_MESSAGE},
        {"empty entry", BOB, &cv.resource, RF_KIND_LOG, append, true, rf_view_of("\1\0\0\0\0\0\0\0\5", 9),
         RF_ERROR_INVALID_MESSAGE},
        {"no such conversation", BOB, &alices, RF_KIND_LOG, append, true, entry, RF_ERROR_FORBIDDEN},
        {"roster elsewhere", ALICE, &alices, RF_KIND_ROSTER, none(), true,
         rf_view_of(cv.roster, cv.roster_len), RF_ERROR_FORBIDDEN},
        {"no roster", ALICE, &cv.resource, RF_KIND_ROSTER, none(), true, rf_view_str("junk"),
         RF_ERROR_FORBIDDEN},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        if (cv_store(rows[i].writer, rows[i].resource, rows[i].kind, rows[i].slot, rows[i].exists,
                     rows[i].value, 3600) != rows[i].code)
            fail_msg("%s", rows[i].what);
    assert_string_equal(cv_log(cv_home()), "0=one");
}

/* A value signed by one, sent to the home as a copy by a peer that it knows. */
static uint16_t pass_on(size_t signer, uint32_t kind, struct rf_view slot, struct rf_view value)
{
    struct sn_reply reply;
    struct rf_buf list, body;
    struct sn_node *writer = cv_node(signer);
    rf_buf_init(&list, rf_mem_system(), 4096);
    rf_buf_init(&body, rf_mem_system(), 4096);
    uint64_t now_ms = net.wall_base_ms + net.now.mono_us / 1000;
    assert_int_equal(rf_stored_value_put(&writer->identity, &cv.resource, rf_conf_kind(net.pki.conf, kind),
                                         slot, true, value, now_ms, 3600, &list),
                     0);
    struct rf_kind_values values = {
        .kind = kind, .generation = 1000, .values = rf_buf_view(&list), .value_count = 1};
    struct rf_store_req req = {
        .resource = rf_id_view(&cv.resource), .replica_number = 1, .kinds = &values, .kind_count = 1};
    rf_store_req_encode(&req, &body);
    struct rf_view cert = writer->identity.cert->x509.der;
    struct sn_raw raw = {.from = cv_node((cv_home() + 1) % PEERS),
                         .to = cv_node(cv_home()),
                         .code = RF_CODE_STORE_REQ,
                         .body = rf_buf_view(&body),
                         .certs = &cert,
                         .cert_count = 1,
                         .to_node = true};
    sn_request(&net, &raw, &reply);
    rf_buf_deinit(&list);
    rf_buf_deinit(&body);
    return reply.error == 0 ? 0 : reply.error_code;
}

/* A peer that may pass values on to the home is no founder and no member by that. */
static void test_hostile_copies(void **state)
{
    (void)state;
    const struct {
        const char *what;
        bool unsettled;
        size_t signer;
        uint32_t sequence;
        const size_t *admins;
        uint16_t code;
    } rows[] = {
        {"takes it over", false, MALLORY, 7, CV_LIST(MALLORY), RF_ERROR_FORBIDDEN},
        {"a member takes it over", false, BOB, 2, CV_LIST(ALICE, BOB), RF_ERROR_FORBIDDEN},
        {"its own admin goes back", false, ALICE, 0, CV_LIST(ALICE), RF_ERROR_FORBIDDEN},
        {"goes back while the ring changes", true, ALICE, 0, CV_LIST(ALICE), RF_ERROR_FORBIDDEN},
        {"the other side's, of the same moment", false, ALICE, 1, CV_LIST(ALICE, CAROL), 0},
        {"one that was made elsewhere", false, CAROL, 5, CV_LIST(ALICE, CAROL), 0},
        {"an admin who was made elsewhere", true, BOB, 9, CV_LIST(ALICE, BOB), 0},
    };
    const struct {
        const char *what;
        bool unsettled;
        size_t signer;
        const char *index;
        uint16_t code;
    } entries[] = {
        {"a stranger's entry", false, MALLORY, "\0\0\0\1", RF_ERROR_FORBIDDEN},
        {"a member's", false, BOB, "\0\0\0\1", 0},
        {"of one who may have left", true, CAROL, "\0\0\0\2", 0},
    };
    uint8_t bytes[2048];
    found();
    assert_int_equal(cv_append(ALICE, 1, "one"), 0);
    assert_int_equal(cv_change(ALICE, CV_LIST(ALICE), CV_LIST(BOB, CAROL)), 0);
    const struct rf_view before = rf_view_of(cv.roster, cv.roster_len);
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        sn_run(&net, 300 * RF_US_PER_S);
        if (rows[i].unsettled)
            rf_store_joined(cv_node(cv_home())->store);
        size_t len = cv_roster(&cv, "alice@example.org", rows[i].sequence, before, rows[i].admins, CV_NOBODY,
                               bytes, sizeof(bytes));
        if (pass_on(rows[i].signer, RF_KIND_ROSTER, none(), rf_view_of(bytes, len)) != rows[i].code)
            fail_msg("%s", rows[i].what);
        if (rows[i].code == 0) /* it is the one that is there now */
            assert_true(rf_view_equal(store_roster(cv_node(cv_home())->store, rf_id_view(&cv.resource)),
                                      rf_view_of(bytes, len)));
    }
    for (size_t i = 0; i < RF_COUNT(entries); i++) {
        sn_run(&net, 300 * RF_US_PER_S);
        if (entries[i].unsettled)
            rf_store_joined(cv_node(cv_home())->store);
        if (pass_on(entries[i].signer, RF_KIND_LOG, rf_view_of(entries[i].index, 4),
                    rf_view_of("\1\0\0\0\0\0\0\0\1x", 10)) != entries[i].code)
            fail_msg("%s", entries[i].what);
    }
    assert_string_equal(cv_log(cv_home()), "0=one 1=x 2=x");
}

/* ---- inbox and presence ---- */

static void test_inbox(void **state)
{
    (void)state;
    struct rf_id alices = sn_hash(&net, "alice@example.org");
    struct rf_view mallorys = rf_id_view(&cv_node(MALLORY)->identity.node_id);
    struct rf_view bobs = rf_id_view(&cv_node(BOB)->identity.node_id), note = rf_view_of("\1hello", 6);
    const struct {
        const char *what;
        size_t writer;
        struct rf_view key;
        bool exists;
        struct rf_view value;
        uint16_t code;
        unsigned wait_s;
    } rows[] = {
        {"a stranger", MALLORY, mallorys, true, note, 0, 0},
        {"again at once", MALLORY, mallorys, true, note, RF_ERROR_FORBIDDEN, 0},
        {"again later", MALLORY, mallorys, true, note, 0, 11},
        {"another's key", MALLORY, bobs, true, note, RF_ERROR_FORBIDDEN, 0},
        {"nothing in it", BOB, bobs, true, rf_view_of("\1", 1), RF_ERROR_INVALID_MESSAGE, 0},
        {"bob", BOB, bobs, true, note, 0, 0},
        {"removes another's", MALLORY, bobs, false, none(), RF_ERROR_FORBIDDEN, 0},
        {"the owner puts words into his mouth", ALICE, bobs, true, note, RF_ERROR_FORBIDDEN, 20},
        {"the owner clears up", ALICE2, bobs, false, none(), 0, 0},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        sn_run(&net, rows[i].wait_s * RF_US_PER_S);
        if (cv_store(rows[i].writer, &alices, RF_KIND_INBOX, rows[i].key, rows[i].exists, rows[i].value,
                     30 * 86400) != rows[i].code)
            fail_msg("%s", rows[i].what);
    }
    struct rf_view there;
    struct sn_node *home = sn_owner(&net, &alices, 0);
    assert_true(rf_store_peek(home->store, &alices, RF_KIND_INBOX, mallorys, &there));
    assert_false(rf_store_peek(home->store, &alices, RF_KIND_INBOX, bobs, &there));
    net.wall_base_ms += (uint64_t)RF_INBOX_MAX_S * RF_MS_PER_S; /* whatever lifetime he wished */
    sn_run(&net, 120 * RF_US_PER_S);
    assert_false(rf_store_peek(home->store, &alices, RF_KIND_INBOX, mallorys, &there));
}

static void test_presence(void **state)
{
    (void)state;
    struct rf_id alices = sn_hash(&net, "alice@example.org");
    struct rf_view key = rf_id_view(&cv_node(ALICE)->identity.node_id), there;
    struct rf_view note = rf_view_of("\1online", 7);
    assert_int_equal(cv_store(ALICE, &alices, RF_KIND_PRESENCE, key, true, note, 86400), 0);
    assert_int_equal(cv_store(MALLORY, &alices, RF_KIND_PRESENCE, key, true, note, 86400),
                     RF_ERROR_FORBIDDEN);
    assert_int_equal(cv_store(ALICE2, &alices, RF_KIND_PRESENCE, key, true, note, 86400), RF_ERROR_FORBIDDEN);
    struct sn_node *home = sn_owner(&net, &alices, 0);
    assert_true(rf_store_peek(home->store, &alices, RF_KIND_PRESENCE, key, &there));
    sn_run(&net, (RF_PRESENCE_MAX_S + 61) * RF_US_PER_S);
    assert_false(rf_store_peek(home->store, &alices, RF_KIND_PRESENCE, key, &there));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CV_TEST(test_founding),
        CV_TEST(test_rosters_follow_each_other),
        CV_TEST(test_races),
        CV_TEST(test_many_at_once),
        CV_TEST(test_home_dies_before_the_answer),
        CV_TEST(test_partition),
        CV_TEST(test_new_home),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_retention),
        CV_TEST(test_everything_since),
        CV_TEST(test_hostile),
        CV_TEST(test_hostile_copies),
        CV_TEST(test_inbox),
        CV_TEST(test_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
