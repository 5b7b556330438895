/*
 * test_keep_model.c - the database of conversations beside the store in memory, which shares nothing with it but the reading of a search: random changes to both, and
 * every question answered alike, also after the database was closed, tidied, or its index made anew.
 */
#include "unit/test_keep.h"

#define WORDS 30

static const char *const words[WORDS] = {
    "ah",    "be",     "apple", "apples",  "applet", "application", "banana", "band",   "bandit", "cat",
    "cats",  "dog",    "door",  "doors",   "egg",    "eggplant",    "fish",   "fishes", "go",     "gone",
    "house", "houses", "ice",   "iceberg", "ink",    "joke",        "king",   "kings",  "lemon",  "zoo"};

static const char *random_text(struct rf_rng *rng, char out[200])
{
    size_t len = 0;

    out[0] = '\0';
    for (uint64_t n = rf_rng_below(rng, 6); n > 0; n--)
        len += (size_t)snprintf(out + len, 200 - len, "%s ", words[rf_rng_below(rng, WORDS)]);
    return out;
}

static const uint8_t *random_conversation(struct rf_rng *rng)
{
    return rf_rng_below(rng, 3) == 0 ? kit_b : kit_a;
}

/* A random change; texts and users stay in `text` until the next batch. */
static struct rf_keep_op random_op(struct rf_rng *rng, uint64_t now, char text[200])
{
    static const enum rf_keep_op_type changes[] = {
        RF_KEEP_ENTRY_MOVE,   RF_KEEP_ENTRY_EDIT, RF_KEEP_ENTRY_EDIT, RF_KEEP_ENTRY_DELETE,
        RF_KEEP_ENTRY_REMOVE, RF_KEEP_REACT,      RF_KEEP_REACT,      RF_KEEP_UNREACT};
    static const char *const users[] = {"alice", "bob", "carol"};
    const uint8_t *conversation = random_conversation(rng);
    uint64_t sequence = rf_rng_between(rng, 1, 60), dice = rf_rng_below(rng, 100);
    const char *user = users[rf_rng_below(rng, 3)];
    struct rf_keep_op op;

    if (dice < 45) {
        op = op_text(conversation, rf_rng_below(rng, 12) == 0 ? RF_KEEP_PENDING : rf_rng_below(rng, 50),
                     sequence, random_text(rng, text));
        op.entry.sender = rf_view_str(user);
        op.entry.sent_ms = now;
        if (rf_rng_below(rng, 3) == 0)
            op.entry.raw = op.entry.text;
        if (rf_rng_below(rng, 10) == 0) {
            op.entry.text = op.entry.raw = rf_view_of(NULL, 0);
            op.entry.deleted_ms = now;
        }
        return op;
    }
    if (dice < 50)
        return op_state(conversation, (uint32_t)rf_rng_below(rng, 3), user, random_text(rng, text));
    if (dice < 53)
        return op_no_state(conversation, (uint32_t)rf_rng_below(rng, 3), user);
    if (dice < 60)
        return op_mark(conversation, (uint8_t)rf_rng_below(rng, 2), user, rf_rng_below(rng, 100));
    if (dice == 60 && rf_rng_below(rng, 4) == 0)
        return op_change(RF_KEEP_FORGET, conversation, 1, NULL, NULL, 0);
    enum rf_keep_op_type type = changes[rf_rng_below(rng, RF_COUNT(changes))];
    bool reacts = type == RF_KEEP_REACT || type == RF_KEEP_UNREACT;
    op = op_change(type, conversation, sequence, user,
                   reacts ? words[rf_rng_below(rng, 3)] : random_text(rng, text), now);
    op.change.index = rf_rng_below(rng, 50);
    return op;
}

/* Asks, goes on where answers end, and writes down all that comes. Returns the error. */
static int ask_all(struct kit *k, struct rf_keep_query q, struct rf_buf *out)
{
    for (int i = 0; i < 200; i++) {
        int error = kit_ask(k, &q);
        const struct rf_keep_answer *a = &k->answer;
        if (error != 0)
            return error;
        assert_int_equal(a->damaged_count, 0);
        assert_true(a->count <= (q.limit > 0 ? q.limit : 1));
        for (size_t n = 0; n < a->count; n++) {
            rf_buf_put(out, a->entries[n].conversation, 16);
            rf_keep_export_json(&a->entries[n], NULL, out);
            rf_buf_view_put(out, a->entries[n].raw);
        }
        if (q.type == RF_KEEP_COUNT)
            rf_buf_printf(out, "%llu %llu %llu %llu", (unsigned long long)a->counted.total,
                          (unsigned long long)a->counted.above, (unsigned long long)a->counted.first,
                          (unsigned long long)a->counted.last);
        if (!a->more)
            return 0;
        q.cursor = a->cursor;
    }
    fail();
    return 0;
}

static void same(struct kit *disk, struct kit *memory, struct rf_keep_query q)
{
    struct rf_buf x, y;

    rf_buf_init(&x, rf_mem_system(), SIZE_MAX);
    rf_buf_init(&y, rf_mem_system(), SIZE_MAX);
    int error = ask_all(disk, q, &x);
    assert_int_equal(error, ask_all(memory, q, &y));
    if (!rf_view_equal(rf_buf_view(&x), rf_buf_view(&y)))
        fail_msg("question %d, %.*s: %.*s\nbut in memory %.*s", q.type, (int)q.words.len,
                 (const char *)q.words.p, (int)x.len, (const char *)x.p, (int)y.len, (const char *)y.p);
    rf_buf_deinit(&x);
    rf_buf_deinit(&y);
}

static void compare(struct kit *disk, struct kit *memory, struct rf_rng *rng)
{
    char text[200], states[40000];

    snprintf(states, sizeof(states), "%s", kit_states(disk));
    assert_string_equal(states, kit_states(memory));
    for (int i = 0; i < 6; i++) {
        struct rf_keep_query q = {.type = RF_KEEP_PAGE, .limit = (uint32_t)rf_rng_between(rng, 1, 20)};
        memcpy(q.conversation, random_conversation(rng), 16);
        q.raw = rf_rng_below(rng, 2) == 0;
        q.backwards = rf_rng_below(rng, 2) == 0;
        q.from = q.backwards ? RF_KEEP_MAX_INDEX : rf_rng_below(rng, 20);
        q.max_bytes = rf_rng_below(rng, 2) == 0 ? 0 : 40;
        same(disk, memory, q);
        q.type = RF_KEEP_COUNT;
        same(disk, memory, q);
        q.type = RF_KEEP_FIND;
        q.name = kit_name(1, rf_rng_between(rng, 1, 60));
        same(disk, memory, q);
        q = (struct rf_keep_query){.type = RF_KEEP_SEARCH, .limit = q.limit};
        size_t len = 0;
        for (uint64_t n = rf_rng_between(rng, 1, 3); n > 0; n--) {
            const char *word = words[rf_rng_below(rng, WORDS)];
            uint64_t dice = rf_rng_below(rng, 8);
            int cut = dice < 3 ? (int)rf_rng_between(rng, 1, 6) : 100;
            len += (size_t)snprintf(text + len, sizeof(text) - len,
                                    dice == 3   ? "\"%.*s %s\" "
                                    : dice == 4 ? "-%.*s "
                                    : dice < 3  ? "%.*s* "
                                                : "%.*s ",
                                    cut, word, words[rf_rng_below(rng, WORDS)]);
        }
        q.words = rf_view_of(text, len);
        if (rf_rng_below(rng, 3) == 0)
            memcpy(q.conversation, random_conversation(rng), 16);
        if (rf_rng_below(rng, 4) == 0)
            q.sender = rf_view_str("bob");
        same(disk, memory, q);
    }
}

static void test_same_as_memory(void **state)
{
    struct rf_rng_seeded rng;
    struct kit disk, memory;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        rf_rng_seeded_init(&rng, seed);
        kit_open(&disk, true);
        kit_open(&memory, false);
        uint64_t now = 1;
        for (int round = 0; round < 60; round++) {
            static char texts[20][200];
            struct rf_keep_op ops[20];
            size_t count = (size_t)rf_rng_between(&rng.rng, 1, 20);
            for (size_t i = 0; i < count; i++)
                ops[i] = random_op(&rng.rng, now++, texts[i]);
            assert_int_equal(rf_keep_ops_check(ops, count), 0);
            kit_must(&disk, ops, count);
            kit_must(&memory, ops, count);
            for (uint64_t n = rf_rng_below(&rng.rng, 4); n > 0; n--)
                (void)disk.store->ops->upkeep(disk.store);
            if (rf_rng_below(&rng.rng, 12) == 0)
                kit_reopen(&disk);
            compare(&disk, &memory, &rng.rng);
        }
        kit_close(&disk);
        kit_close(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
