/* test_chat_kit.c - see test_chat.h. */
#include "test_chat.h"
#include "link/engine.h"
#include "node/internal.h"
#include "overlay/store_internal.h"

#define STEP_US (10 * RF_US_PER_MS)

struct world world;
uint32_t world_message_size = 65536;
int (*world_load)(void *chat, const struct rf_keep_record *record);

/* ---- devices ---- */

void on_done(void *arg, const struct rf_chat_result *result)
{
    struct device *d = arg;
    d->done++;
    d->last_error = result->error;
    d->last_name = result->name;
}

static void on_event(void *arg, const struct rf_chat_event *event)
{
    struct device *d = arg;
    assert_true((size_t)event->type < RF_COUNT(d->events));
    d->events[event->type]++;
    if (event->type == RF_CHAT_EVENT_INVITED)
        memcpy(d->invited, event->conversation, sizeof(d->invited));
    if (getenv("CHAT_LOG") != NULL)
        fprintf(stderr, "%10.3f %s(%td): %s %.*s %d\n", (double)world.net.now.mono_us / 1e6, d->name,
                d - world.devices, rf_chat_event_name(event->type), (int)event->text.len,
                (const char *)event->text.p, event->error);
}

static int load_one(void *ctx, const struct rf_keep_record *record)
{
    return world_load != NULL ? world_load(ctx, record) : rf_chat_load(ctx, record);
}

struct rf_chat *chat_of(size_t i)
{
    return rf_node_chat(world.net.nodes[world.devices[i].node].node, world.net.now);
}

void device_start(size_t i)
{
    struct device *d = &world.devices[i];
    struct rf_node_chat_config config = {.keep = &d->queue.keep, .event = on_event, .event_arg = d};
    memset(config.secret, (int)(i + 1), sizeof(config.secret));
    rf_keep_queue_init(&d->queue, rf_mem_system());
    node_net_start(&world.net, d->node);
    assert_int_equal(rf_node_open_chat(world.net.nodes[d->node].node, &config, world.net.now), 0);
    assert_int_equal(d->store->ops->load(d->store, load_one, chat_of(i)), 0);
    assert_int_equal(rf_chat_loaded(chat_of(i)), 0);
    d->on = true;
}

void device_kill(size_t i)
{
    struct device *d = &world.devices[i];
    node_net_kill(&world.net, d->node);
    rf_keep_queue_deinit(&d->queue);
    d->on = false;
}

void device_lose_disk(size_t i)
{
    struct device *d = &world.devices[i];
    assert_false(d->on);
    d->store->ops->close(d->store);
    assert_int_equal(rf_keep_mem_new(rf_mem_system(), &d->store), 0);
}

static void count_bytes(struct device *d, const struct rf_keep_job *job)
{
    d->commits++;
    for (size_t i = 0; i < job->op_count; i++)
        if (job->ops[i].type == RF_KEEP_STATE_PUT)
            d->commit_bytes += job->ops[i].state.value.len;
        else if (job->ops[i].type == RF_KEEP_ENTRY_PUT)
            d->commit_bytes += job->ops[i].entry.text.len + job->ops[i].entry.raw.len;
}

static void disk_run(size_t i)
{
    struct device *d = &world.devices[i];
    struct rf_list jobs;
    rf_list_init(&jobs);
    rf_keep_queue_take(&d->queue, &jobs);
    if (!d->disk_fails)
        rf_keep_jobs_run(&d->queue, d->store, &jobs);
    while (!rf_list_empty(&jobs)) {
        struct rf_keep_job *job = RF_LIST_ENTRY(jobs.next, struct rf_keep_job, list);
        rf_list_remove(&job->list);
        if (!job->is_query && !d->disk_fails) {
            assert_int_equal(job->error, 0);
            count_bytes(d, job);
        }
        rf_keep_queue_told(&d->queue, job);
        if (job->is_query)
            rf_chat_answered(chat_of(i), job->token, &job->answer);
        else
            rf_chat_kept(chat_of(i), job->token, d->disk_fails ? RF_EDATABASE : job->error);
        rf_keep_job_free(job);
    }
    node_net_settle(&world.net, d->node);
}

/* ---- the world ---- */

static void adjust(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->max_message_size = world_message_size; /* as ringfolk-enrol makes it, or less */
}

void world_init(uint64_t seed, const char *const *users, size_t count)
{
    char name[16];
    node_net_init(&world.net, seed, 2, &rf_engine_plain, adjust, NULL);
    for (size_t i = 0; i < WORLD_SUPERS; i++) {
        snprintf(name, sizeof(name), "s%zu", i);
        node_net_add(&world.net, name, RF_NODE_SUPERNODE);
        node_net_start(&world.net, i);
        assert_true(node_net_until(&world.net, 120 * S, node_net_all_joined, NULL));
    }
    world.count = count;
    for (size_t i = 0; i < count; i++) {
        struct device *d = &world.devices[i];
        *d = (struct device){.name = users[i]};
        d->node = node_net_add(&world.net, users[i], RF_NODE_CLIENT);
        assert_int_equal(rf_keep_mem_new(rf_mem_system(), &d->store), 0);
        device_start(i);
    }
    assert_true(node_net_until(&world.net, 120 * S, node_net_all_joined, NULL));
    world_run(5 * S);
}

void world_deinit(void)
{
    for (size_t i = 0; i < world.count; i++) {
        if (world.devices[i].on)
            device_kill(i);
        world.devices[i].store->ops->close(world.devices[i].store);
    }
    node_net_deinit(&world.net);
}

static void world_step(void)
{
    node_net_run(&world.net, STEP_US);
    for (size_t i = 0; i < world.count; i++)
        if (world.devices[i].on)
            disk_run(i);
}

void world_run(uint64_t us)
{
    for (uint64_t at = 0; at < us; at += STEP_US)
        world_step();
}

bool world_until(unsigned seconds, bool (*done)(void *arg), void *arg)
{
    for (uint64_t at = 0; at < seconds * S; at += STEP_US) {
        if (done(arg))
            return true;
        world_step();
    }
    return done(arg);
}

void world_withhold(const struct rf_id *resource, uint8_t index)
{
    uint8_t slot[4] = {0, 0, 0, index};
    unsigned taken = 0;
    for (size_t i = 0; i < WORLD_SUPERS; i++) {
        struct store_index *stored = &world.net.nodes[i].node->store->index;
        const struct store_set *set = store_index_set(stored, rf_id_view(resource), RF_KIND_LOG);
        struct store_value *value = set != NULL ? store_set_value(set, rf_view_of(slot, 4)) : NULL;
        if (value == NULL)
            continue;
        store_index_take(stored, value);
        store_value_free(stored, value);
        taken++;
    }
    assert_true(taken > 0);
}

/* ---- looking ---- */

static void put_entry(const struct rf_keep_entry *e, bool all, char *text, size_t *len, size_t max)
{
    int n = 0;
    const char *gap = *len > 0 ? " " : "";
    int who = 0;
    while (who < (int)e->sender.len && e->sender.p[who] != '@')
        who++;
    if (e->kind == RF_CHAT_KIND_TEXT)
        n = snprintf(text + *len, max - *len, "%s%.*s:%.*s", gap, who, (const char *)e->sender.p,
                     e->text.len < 200 ? (int)e->text.len : 200, (const char *)e->text.p);
    else if (all)
        n = snprintf(text + *len, max - *len, "%s[%s %.*s]", gap, rf_chat_kind_name(e->kind),
                     (int)e->text.len, (const char *)e->text.p);
    *len += (size_t)n;
    assert_true(*len < max);
}

static const char *page(size_t i, const uint8_t *id, bool all)
{
    static char texts[4][1 << 16];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    size_t len = 0;
    struct rf_keep_query query = {.type = RF_KEEP_PAGE, .limit = 1000};
    struct rf_keep_answer answer;
    struct rf_region region;
    memcpy(query.conversation, id, sizeof(query.conversation));
    rf_region_init(&region, rf_mem_system(), (size_t)64 << 20);
    text[0] = '\0';
    world.devices[i].store->ops->query(world.devices[i].store, &query, &region, &answer);
    assert_int_equal(answer.error, 0);
    for (size_t k = 0; k < answer.count; k++)
        put_entry(&answer.entries[k], all, text, &len, sizeof(texts[0]));
    rf_region_deinit(&region);
    return text;
}

const char *history(size_t i, const uint8_t *id)
{
    return page(i, id, true);
}

const char *texts_of(size_t i, const uint8_t *id)
{
    return page(i, id, false);
}

struct wanted {
    const size_t *devices;
    size_t count;
    const uint8_t *id;
    const char *texts;
};

static bool have_texts(void *arg)
{
    const struct wanted *w = arg;
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(page(w->devices[i], w->id, false), w->texts) != 0)
            return false;
    return true;
}

void expect_texts(const size_t *devices, size_t count, const uint8_t *id, unsigned seconds, const char *texts)
{
    struct wanted w = {devices, count, id, texts};
    if (world_until(seconds, have_texts, &w))
        return;
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "device %zu: %s\n", devices[i], history(devices[i], id));
    fail_msg("expected: %s", texts);
}

void send_text(size_t i, const uint8_t *id, const char *text)
{
    struct rf_chat_text t = {.text = rf_view_str(text)};
    assert_int_equal(rf_chat_send(chat_of(i), id, &t, DONE(i)), 0);
    node_net_settle(&world.net, world.devices[i].node);
}

enum rf_chat_state state_of(size_t i, const uint8_t *id)
{
    struct rf_chat_info info;
    return rf_chat_find(chat_of(i), id, &info) ? info.state : 0;
}

size_t users_in(size_t i, const uint8_t *id)
{
    struct rf_chat_info info;
    return rf_chat_find(chat_of(i), id, &info) ? info.user_count : 0;
}

struct state_wanted {
    size_t device;
    const uint8_t *id;
    enum rf_chat_state state;
    size_t users;
};

static bool has_state(void *arg)
{
    const struct state_wanted *w = arg;
    return state_of(w->device, w->id) == w->state;
}

static bool has_users(void *arg)
{
    const struct state_wanted *w = arg;
    return users_in(w->device, w->id) == w->users;
}

void expect_state(size_t i, const uint8_t *id, enum rf_chat_state state, unsigned seconds)
{
    struct state_wanted w = {i, id, state, 0};
    if (!world_until(seconds, has_state, &w))
        fail_msg("device %zu is %s, not %s", i, rf_chat_state_name(state_of(i, id)),
                 rf_chat_state_name(state));
}

void expect_users(size_t i, const uint8_t *id, size_t count, unsigned seconds)
{
    struct state_wanted w = {i, id, 0, count};
    if (!world_until(seconds, has_users, &w))
        fail_msg("device %zu sees %zu users, not %zu", i, users_in(i, id), count);
}

void make_group(const char *const *users, size_t count, const size_t *devices, size_t device_count,
                uint8_t *id)
{
    struct rf_view names[WORLD_DEVICES];
    for (size_t i = 0; i < count; i++)
        names[i] = rf_view_str(users[i]);
    assert_int_equal(rf_chat_create(chat_of(0), rf_view_str("team"), false, names, count, rf_view_str("come"),
                                    id, DONE(0)),
                     0);
    node_net_settle(&world.net, world.devices[0].node);
    for (size_t i = 0; i < device_count; i++) {
        expect_state(devices[i], id, RF_CHAT_INVITED, 60);
        assert_int_equal(rf_chat_accept(chat_of(devices[i]), id, DONE(devices[i])), 0);
        node_net_settle(&world.net, world.devices[devices[i]].node);
    }
    for (size_t i = 0; i < device_count; i++)
        expect_state(devices[i], id, RF_CHAT_MEMBER, 60);
}
