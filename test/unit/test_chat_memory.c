/* test_chat_memory.c - the engine alone, without an overlay, and with 0, 1, 2 ... allocations allowed: it says so, leaks nothing, and stays whole. */
#include "test_chat.h"
#include "base/rng.h"
#include "base/timer.h"

static struct {
    struct rf_pki pki;
    struct rf_identity identity;
    struct rf_trust *trust;
    struct rf_mem_test mem;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_rng_seeded rng;
    struct rf_env env;
    struct rf_keep_queue queue;
    unsigned done;
} t;

/* ---- an overlay that is not there ---- */

static int no_store(void *ctx, const struct rf_id *resource, uint32_t kind, struct rf_view slot, bool exists,
                    struct rf_view value, uint32_t lifetime_s, rf_stored_fn done, void *arg)
{
    (void)ctx, (void)resource, (void)kind, (void)slot, (void)exists, (void)value, (void)lifetime_s,
        (void)done, (void)arg;
    return RF_EUNREACHABLE;
}

static int no_lookup(void *ctx, const struct rf_id *resource, uint32_t kind, rf_fetched_fn done, void *arg)
{
    (void)ctx, (void)resource, (void)kind, (void)done, (void)arg;
    return RF_EUNREACHABLE;
}

static int no_range(void *ctx, const struct rf_id *resource, uint32_t kind, uint32_t first, uint32_t last,
                    rf_fetched_fn done, void *arg)
{
    (void)ctx, (void)resource, (void)kind, (void)first, (void)last, (void)done, (void)arg;
    return RF_EUNREACHABLE;
}

static void no_cancel(void *ctx, const void *arg)
{
    (void)ctx, (void)arg;
}

static int no_watch(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                    uint32_t next, rf_watch_fn fn, void *arg)
{
    (void)ctx, (void)resource, (void)kind, (void)generation, (void)next, (void)fn, (void)arg;
    return RF_ELIMIT;
}

static void no_known(void *ctx, const struct rf_id *resource, uint32_t kind, uint64_t generation,
                     uint32_t next)
{
    (void)ctx, (void)resource, (void)kind, (void)generation, (void)next;
}

static void no_unwatch(void *ctx, const struct rf_id *resource, uint32_t kind)
{
    (void)ctx, (void)resource, (void)kind;
}

static void count_done(void *arg, const struct rf_chat_result *result)
{
    (void)arg, (void)result;
    t.done++;
}

static void keep_all(struct rf_chat *chat, struct rf_keep_store *store)
{
    struct rf_list jobs;
    rf_list_init(&jobs);
    rf_keep_queue_take(&t.queue, &jobs);
    rf_keep_jobs_run(&t.queue, store, &jobs);
    while (!rf_list_empty(&jobs)) {
        struct rf_keep_job *job = RF_LIST_ENTRY(jobs.next, struct rf_keep_job, list);
        rf_list_remove(&job->list);
        rf_keep_queue_told(&t.queue, job);
        rf_chat_kept(chat, job->token, job->error);
        rf_keep_job_free(job);
    }
}

/* What can be done without an overlay. `asked`: commands that were taken. true: none of it failed. */
static bool use(struct rf_chat *chat, struct rf_keep_store *store, unsigned *asked)
{
    struct rf_view none = {NULL, 0}, bob = rf_view_str("bob@example.org");
    struct rf_chat_text text = {.text = rf_view_str("hello")};
    uint8_t id[RF_CONVERSATION_LEN];
    bool good = rf_chat_loaded(chat) == 0;
    rf_chat_online(chat, good);
    keep_all(chat, store);
    int error = rf_chat_create(chat, rf_view_str("team"), false, &bob, 1, none, id, count_done, NULL);
    *asked += error == 0;
    good &= error == 0;
    keep_all(chat, store);
    if (error == 0) {
        error = rf_chat_send(chat, id, &text, count_done, NULL);
        *asked += error == 0;
        good &= error == 0;
    }
    error = rf_chat_contact_add(chat, bob, none, count_done, NULL);
    *asked += error == 0;
    good &= error == 0;
    good &= rf_chat_set_presence(chat, RF_CHAT_AWAY, rf_view_str("x")) == 0;
    keep_all(chat, store);
    rf_timers_run(&t.timers, t.now.mono_us + 600 * S, 1000);
    keep_all(chat, store);
    return good;
}

static int load_one(void *ctx, const struct rf_keep_record *record)
{
    return rf_chat_load(ctx, record);
}

static struct rf_chat_config config_of(void)
{
    return (struct rf_chat_config){
        .crypto = t.pki.crypto,
        .conf = t.pki.conf,
        .identity = &t.identity,
        .trust = t.trust,
        .net = {no_store, no_lookup, no_range, no_cancel, no_watch, no_known, no_unwatch, NULL},
        .keep = &t.queue.keep,
    };
}

/* One life with so many allocations; what it wrote down must be whole: the next life, with all it wants, loads it. */
static bool live(size_t allowed)
{
    struct rf_chat_config config = config_of();
    struct rf_keep_store *store;
    struct rf_chat *chat = NULL;
    unsigned asked = 0;
    bool good = false;
    t.done = 0;
    assert_int_equal(rf_keep_mem_new(rf_mem_system(), &store), 0);
    t.mem.allowed = allowed;
    int error = rf_chat_new(&t.env, &config, &chat);
    assert_true(error == 0 || error == RF_ENOMEM);
    if (error == 0)
        good = use(chat, store, &asked);
    rf_chat_free(error == 0 ? chat : NULL);
    t.mem.allowed = SIZE_MAX;
    assert_int_equal(t.done, asked); /* each command is answered once */
    assert_int_equal(t.mem.live_count, 0);
    rf_keep_queue_deinit(&t.queue);
    rf_keep_queue_init(&t.queue, rf_mem_system());
    assert_int_equal(rf_chat_new(&t.env, &config, &chat), 0);
    assert_int_equal(store->ops->load(store, load_one, chat), 0);
    assert_int_equal(rf_chat_loaded(chat), 0);
    rf_chat_free(chat);
    assert_int_equal(t.mem.live_count, 0);
    store->ops->close(store);
    rf_keep_queue_deinit(&t.queue);
    rf_keep_queue_init(&t.queue, rf_mem_system());
    return good;
}

static void test_memory(void **state)
{
    size_t allowed = 0;
    (void)state;
    assert_int_equal(rf_pki_init(&t.pki, &(struct rf_pki_config){.no_ice = true}), 0);
    assert_int_equal(rf_pki_node(&t.pki, "alice@example.org", NULL, RF_KEY_P256, &t.identity), 0);
    assert_int_equal(rf_pki_trust(&t.pki, 16, &t.trust), 0);
    rf_mem_test_init(&t.mem);
    rf_timers_init(&t.timers, rf_mem_system());
    rf_rng_seeded_init(&t.rng, 1);
    t.now = (struct rf_now){1000000, RF_PKI_WALL_MS};
    t.env = (struct rf_env){.mem = &t.mem.mem,
                            .timers = &t.timers,
                            .now = &t.now,
                            .secret = &t.rng.rng,
                            .jitter = &t.rng.rng,
                            .seed = {1, 2}};
    rf_keep_queue_init(&t.queue, rf_mem_system());
    while (!live(allowed))
        allowed += 1 + allowed / 40;
    assert_true(allowed > 100);
    rf_keep_queue_deinit(&t.queue);
    rf_timers_deinit(&t.timers);
    rf_trust_free(t.trust);
    rf_identity_deinit(&t.identity);
    rf_pki_deinit(&t.pki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
