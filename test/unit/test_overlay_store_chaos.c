/*
 * test_overlay_store_chaos.c - random Stores while peers die and come back from their disks, the net splits and heals, and messages get
 * lost; one seed decides everything. Then everything heals, and it must hold:
 *
 *   - every acknowledged value is there, or a newer one in its place; every acknowledged element of a log exactly once
 *   - home and both replicas have the very same, nobody else has anything
 *   - nothing moves any more
 */
#include "base/assert.h"
#include "test_overlay_store.h"

enum { PEERS = 6, ALICE = PEERS, ALICE2, BOB, WRITERS_END };
#define STORES_MAX 400

static struct sn_net net;
static struct rf_rng_seeded rng;

/* Room for a whole log in one answer. */
static void large_messages(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->max_message_size = 16000;
}

static const struct rf_usage_kind log_kind = {.kind = KIND_LOG, .name = "LOG", .append_only = true};

/* One Store of a writer and what became of it. */
struct
try {
    bool done, acked;
    struct rf_id resource;
    uint32_t kind;
    char slot[8];
    size_t slot_len;
    char text[24]; /* empty: removal */
    uint64_t storage_time_ms;
};
static struct try tries[STORES_MAX];
static size_t try_count;

static uint64_t dice(uint64_t sides)
{
    return rf_rng_below(&rng.rng, sides);
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct try *t = arg;
    t->done = true;
    t->acked = result->error == 0;
    t->storage_time_ms = result->storage_time_ms;
}

static void random_store(void)
{
    static const char *const keys[] = {"k0", "k1", "k2", "k3"};
    if (try_count == STORES_MAX)
        return;
    struct sn_node *writer = &net.nodes[ALICE + dice(WRITERS_END - ALICE)];
    struct try *t = &tries[try_count];
    *t = (struct try){.resource = sn_hash(&net, writer->user)};
    switch (dice(3)) {
    case 0:
        t->kind = KIND_SINGLE;
        break;
    case 1:
        t->kind = KIND_LOG;
        memset(t->slot, 0xff, 4);
        t->slot_len = 4;
        break;
    default:
        t->kind = KIND_BIG;
        t->slot_len = 2;
        memcpy(t->slot, keys[dice(4)], 2);
    }
    bool exists = t->kind == KIND_LOG || dice(8) != 0;
    if (exists)
        snprintf(t->text, sizeof(t->text), "<%zu>", try_count);
    if (rf_store_client_store(writer->store, &writer->identity, &t->resource, t->kind,
                              rf_view_of(t->slot, t->slot_len), exists, rf_view_str(t->text), 90000,
                              on_stored, t) == 0)
        try_count++;
}

static size_t alive(void)
{
    size_t count = 0;
    for (size_t i = 0; i < PEERS; i++)
        count += net.nodes[i].alive;
    return count;
}

static void random_fault(void)
{
    struct sn_node *peer = &net.nodes[dice(PEERS)];
    switch (dice(6)) {
    case 0:
    case 1:
        if (peer->alive && alive() > 3) {
            sn_kill(peer);
            sn_ring_changed(&net, NULL, peer);
        }
        break;
    case 2:
    case 3:
        if (!peer->alive) {
            sn_restart(peer);
            sn_ring_changed(&net, peer, NULL);
        }
        break;
    case 4: /* a split somewhere */
        for (size_t i = 0; i < net.count; i++)
            net.nodes[i].side = (int)dice(2);
        sn_ring_changed(&net, NULL, NULL);
        break;
    default: /* one whole again */
        for (size_t i = 0; i < net.count; i++)
            net.nodes[i].side = 0;
        sn_ring_changed(&net, NULL, NULL);
    }
}

static unsigned loss_percent;
static bool lose(void *arg, struct sn_node *from, struct sn_node *to, uint16_t code)
{
    (void)arg;
    (void)from;
    (void)to;
    (void)code;
    return dice(100) < loss_percent;
}

/* Whether the shown text holds `slot=...` with at least that time, or the log's element once. */
static void check_try(const struct try *t, const char *shown)
{
    if (t->kind == KIND_LOG) {
        const char *first = strstr(shown, t->text);
        if (first == NULL || strstr(first + 1, t->text) != NULL)
            fail_msg("%s is there %s: %s", t->text, first == NULL ? "not" : "twice", shown);
        return;
    }
    char slot[16] = "";
    if (t->slot_len > 0)
        snprintf(slot, sizeof(slot), "%.*s=", (int)t->slot_len, t->slot);
    const char *at = strstr(shown, slot);
    const char *time = at != NULL ? strchr(at, '@') : NULL;
    if (time == NULL || RF_PKI_WALL_MS + strtoull(time + 1, NULL, 10) < t->storage_time_ms)
        fail_msg("%s%s @%llu is lost: %s", slot, t->text,
                 (unsigned long long)(t->storage_time_ms - RF_PKI_WALL_MS), shown);
}

static void check_copies(const struct rf_id *resource, uint32_t kind)
{
    char home[8192];
    struct sn_node *owner = sn_owner(&net, resource, 0);
    snprintf(home, sizeof(home), "%s", kit_look(&net, owner, resource, kind));
    size_t copies = 0;
    for (size_t i = 0; i < PEERS; i++) {
        const char *there = kit_look(&net, &net.nodes[i], resource, kind);
        bool empty = strcmp(there, "") == 0 || strcmp(there, "-!") == 0 || strcmp(there, "0=-!") == 0;
        if (!empty && strcmp(there, home) != 0)
            fail_msg("peer %zu has \"%s\"\nthe home %zu \"%s\"", i, there, owner->number, home);
        copies += !empty;
    }
    for (size_t i = 0; i < try_count; i++)
        if (tries[i].acked && tries[i].kind == kind && rf_id_equal(&tries[i].resource, resource)) {
            assert_int_equal(copies, 3);
            check_try(&tries[i], home);
        }
}

static void run_seed(uint64_t seed)
{
    static const char *const ids[PEERS] = {"10", "38", "60", "88", "b0", "d8"};
    struct rf_pki_config config = {
        .kinds = kit_kinds, .kind_count = kit_kind_count, .no_ice = true, .adjust = large_messages};
    sn_init_pki(&net, &config);
    rf_rng_seeded_init(&rng, seed);
    try_count = 0;
    for (size_t i = 0; i < PEERS; i++) {
        char user[32];
        snprintf(user, sizeof(user), "p%zu@example.org", i);
        struct sn_node *peer = sn_add(&net, user, ids[i], true, NULL);
        assert_int_equal(rf_store_add_kind(peer->store, &log_kind), 0);
    }
    net.restarted_kind = &log_kind;
    sn_add(&net, "alice@example.org", "a1", false, NULL);
    sn_add(&net, "alice@example.org", "a2", false, NULL);
    sn_add(&net, "bob@example.org", "b1", false, NULL);
    sn_ring_changed(&net, NULL, NULL);
    net.lose = lose;
    for (int round = 0; round < 150; round++) {
        loss_percent = round % 30 < 20 ? 3 : 25;
        random_store();
        if (dice(4) == 0)
            random_fault();
        sn_run(&net, rf_rng_between(&rng.rng, 10000, 8 * RF_US_PER_S));
    }
    loss_percent = 0;
    for (size_t i = 0; i < net.count; i++)
        net.nodes[i].side = 0;
    for (size_t i = 0; i < PEERS; i++)
        if (!net.nodes[i].alive)
            sn_restart(&net.nodes[i]);
    sn_ring_changed(&net, NULL, NULL);
    sn_run(&net, 400 * RF_US_PER_S);
    size_t sent = net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_STAT_REQ] + net.sent[RF_CODE_FETCH_REQ];
    sn_run(&net, 600 * RF_US_PER_S);
    assert_int_equal(net.sent[RF_CODE_STORE_REQ] + net.sent[RF_CODE_STAT_REQ] + net.sent[RF_CODE_FETCH_REQ],
                     sent);
    size_t acked = 0;
    for (size_t i = 0; i < try_count; i++) {
        assert_true(tries[i].done);
        acked += tries[i].acked;
    }
    assert_true(acked > try_count / 4);
    static const char *const users[] = {"alice@example.org", "bob@example.org"};
    static const uint32_t kinds[] = {KIND_SINGLE, KIND_LOG, KIND_BIG};
    for (size_t u = 0; u < 2; u++)
        for (size_t k = 0; k < RF_COUNT(kinds); k++) {
            struct rf_id resource = sn_hash(&net, users[u]);
            check_copies(&resource, kinds[k]);
        }
    sn_deinit(&net);
}

static void test_seeds(void **state)
{
    (void)state;
    const char *one = getenv("STORE_CHAOS_SEED"); /* to look at a failure again */
    /* 7 and 47 left a copy where none belonged, 130 an element twice at a replica */
    static const uint64_t seeds[] = {1, 2, 3, 4, 5, 6, 7, 47, 130};
    for (size_t i = 0; i < RF_COUNT(seeds); i++) {
        uint64_t seed = one != NULL ? strtoull(one, NULL, 10) : seeds[i];
        print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
        if (one != NULL)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
