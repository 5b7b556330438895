/*
 * bench_history.c - what keeping conversations costs: appending, loading, reading and searching a history on a disk, with the engine's states beside it. Wall-clock time, since
 * commits wait for the disk; the directory is $TMPDIR.
 *
 *     bench_history [messages, default 1000000]
 *
 * 76 conversations of ten users. Messages of 3 to 22 words out of 50,000, the n-th most frequent one with a frequency of 1/n; every batch also replaces the state of a
 * conversation (12 kB), as the engine does.
 *
 * Lines `NAME VALUE`: history.append_us (a message of the first 10,000, in batches of 100), history.batch_ms (such a batch, durable), history.fill_us (a message of the rest, in
 * batches of 1,000), history.bytes (a message, whole file), history.entry_bytes, history.index_bytes (of a message), history.open_ms, history.load_ms (76 states and 760 marks),
 * history.page_ms (the last 50 of a conversation), history.search.NAME_ms and history.search.NAME_found, history.delete_ms (a message, of 201 at once),
 * history.tidy_ms (upkeep after it, which merges the whole index), history.tidy_steps, history.tidy_once_ms (the longest of them), history.rss_bytes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/rng.h"
#include "crypto/openssl/openssl.h"
#include "db/chat.h"
#include "harness.h"
#include "io/random.h"

#define CONVERSATIONS 76
#define USERS         10
#define WORDS         50000
#define STATE_LEN     12000
#define FIRST         10000

static struct rf_crypto *crypto;
static struct rf_rng_seeded rng;
static struct rf_keep_store *store;
static char path[200];
static const uint8_t key[RF_CHAT_KEY_LEN] = {1, 2, 3};
static uint64_t written, indexes[CONVERSATIONS];

static void open_store(void)
{
    char text[500] = "";
    int r = rf_chat_sqlite_open(rf_mem_system(), crypto, rf_random_system(), path, key, &store, text,
                                sizeof(text));
    if (r != 0)
        fprintf(stderr, "bench_history: %s\n", text);
    must(r, "open");
}

/* The n-th word: syllables, so that beginnings are shared as in a language. */
static size_t put_word(uint64_t n, char *out)
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    size_t len = 0;

    n += 14;
    for (; n > 0; n /= 70) {
        out[len++] = consonants[n % 14];
        out[len++] = vowels[n / 14 % 5];
    }
    return len;
}

static size_t put_text(char *out)
{
    uint64_t words = rf_rng_between(&rng.rng, 3, 22);
    size_t len = 0;

    for (uint64_t i = 0; i < words; i++) {
        double u = (double)(rf_rng_u64(&rng.rng) >> 11) / 9007199254740992.0;
        len += put_word((uint64_t)exp(u * log(WORDS)), out + len);
        out[len++] = ' ';
    }
    return len - 1;
}

static void conversation_id(uint64_t n, uint8_t out[16])
{
    memset(out, 0xcc, 16);
    memcpy(out, &n, sizeof(n));
}

static struct rf_keep_name name_of(uint64_t user, uint64_t sequence)
{
    struct rf_keep_name name = {.device = {.len = 16}, .sequence = sequence};
    memcpy(name.device.b, &user, sizeof(user));
    return name;
}

static void append(size_t batch)
{
    static struct rf_keep_op ops[1001];
    static char texts[1000][400], senders[USERS][32];
    static uint8_t state[STATE_LEN];
    uint64_t conversation = rf_rng_below(&rng.rng, CONVERSATIONS);

    memset(ops, 0, sizeof(ops));
    for (size_t i = 0; i < batch; i++) {
        struct rf_keep_entry *e = &ops[i].entry;
        uint64_t user = rf_rng_below(&rng.rng, USERS);
        if (i % 50 == 0)
            conversation = rf_rng_below(&rng.rng, CONVERSATIONS);
        ops[i].type = RF_KEEP_ENTRY_PUT;
        conversation_id(conversation, e->conversation);
        snprintf(senders[user], sizeof(senders[user]), "user%llu@example.org", (unsigned long long)user);
        e->index = indexes[conversation]++;
        e->kind = 1;
        e->sender = rf_view_str(senders[user]);
        e->name = name_of(user, ++written);
        e->sent_ms = e->received_ms = UINT64_C(1700000000000) + written * 1000;
        e->text = rf_view_of(texts[i], put_text(texts[i]));
    }
    ops[batch].type = RF_KEEP_STATE_PUT;
    conversation_id(conversation, ops[batch].state.conversation);
    ops[batch].state.part = 1;
    ops[batch].state.value = rf_view_of(state, sizeof(state));
    struct rf_keep_batch all = {ops, batch + 1};
    must(store->ops->apply(store, &all, 1), "append");
}

static void states(void)
{
    static uint8_t state[STATE_LEN];

    for (uint64_t i = 0; i < CONVERSATIONS; i++) {
        struct rf_keep_op ops[1 + USERS] = {{.type = RF_KEEP_STATE_PUT}};
        char users[USERS][32];
        conversation_id(i, ops[0].state.conversation);
        ops[0].state.part = 1;
        ops[0].state.value = rf_view_of(state, sizeof(state));
        for (size_t u = 0; u < USERS; u++) {
            ops[1 + u].type = RF_KEEP_MARK;
            conversation_id(i, ops[1 + u].mark.conversation);
            snprintf(users[u], sizeof(users[u]), "user%zu@example.org", u);
            ops[1 + u].mark.principal = rf_view_str(users[u]);
            ops[1 + u].mark.index = i;
        }
        struct rf_keep_batch all = {ops, 1 + USERS};
        must(store->ops->apply(store, &all, 1), "states");
    }
}

static int count_record(void *ctx, const struct rf_keep_record *record)
{
    ++*(size_t *)ctx;
    return record->damaged == NULL ? 0 : RF_EDATABASE;
}

/* One question, and all that follow from it until `limit` entries are there or there are no more; milliseconds. */
static double ask(struct rf_keep_query *q, size_t *found)
{
    double begin = wall_s();
    struct rf_keep_answer answer;

    *found = 0;
    do {
        struct rf_region region;
        rf_region_init(&region, rf_mem_system(), SIZE_MAX);
        store->ops->query(store, q, &region, &answer);
        must(answer.error, "ask");
        *found += answer.count;
        q->cursor = answer.cursor;
        rf_region_deinit(&region);
    } while (answer.more && *found < q->limit);
    return 1000 * (wall_s() - begin);
}

static void search(const char *name, const char *words, bool in_one)
{
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 50, .words = rf_view_str(words)};
    size_t found;

    if (in_one)
        conversation_id(7, q.conversation);
    double ms = ask(&q, &found);
    figure(ms, "history.search.%s_ms", name);
    figure((double)found, "history.search.%s_found", name);
}

static void searches(void)
{
    char common[16] = "", middle[16] = "", rare[16] = "", text[64];

    (void)put_word(1, common);
    (void)put_word(700, middle);
    (void)put_word(45000, rare);
    search("rare", rare, false);
    search("middle", middle, false);
    search("common", common, false);
    search("common_in_one", common, true);
    search("middle_in_one", middle, true);
    snprintf(text, sizeof(text), "%s %s", common, middle);
    search("two", text, false);
    snprintf(text, sizeof(text), "%s %s", rare, middle);
    search("two_rare", text, false);
    snprintf(text, sizeof(text), "%.3s*", middle);
    search("prefix3", text, false);
    snprintf(text, sizeof(text), "%.4s*", rare);
    search("prefix4", text, false);
    search("absent", "notaword", false);
    snprintf(text, sizeof(text), "\"%s %s\"", middle, rare);
    search("phrase", text, false);
    search("scan", "x*", false); /* too short for the index: looks at everything */
}

static void sizes(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    static const struct {
        const char *name, *sql;
    } figures[] = {{"bytes", "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"},
                   {"entry_bytes", "SELECT sum(length(sealed) + length(name) + 10) FROM entry"},
                   {"index_bytes", "SELECT sum(length(block)) FROM word_data"}};

    must(sqlite3_open(path, &db) == SQLITE_OK ? 0 : RF_EDATABASE, "sizes");
    for (size_t i = 0; i < RF_COUNT(figures); i++) {
        if (sqlite3_prepare_v2(db, figures[i].sql, -1, &st, NULL) == SQLITE_OK &&
            sqlite3_step(st) == SQLITE_ROW)
            figure(sqlite3_column_double(st, 0) / (double)written, "history.%s", figures[i].name);
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
}

/* As many messages as make upkeep merge the whole index. */
static void deleting(void)
{
    struct rf_keep_query q = {.type = RF_KEEP_PAGE, .backwards = true, .from = RF_KEEP_MAX_INDEX};
    static struct rf_keep_op ops[RF_KEEP_MAX_LIMIT];
    struct rf_keep_answer answer;
    struct rf_region region;
    double begin, longest = 0;

    rf_region_init(&region, rf_mem_system(), SIZE_MAX);
    conversation_id(7, q.conversation);
    q.limit = (uint32_t)(written / 5000 < RF_KEEP_MAX_LIMIT ? written / 5000 + 1 : RF_KEEP_MAX_LIMIT);
    store->ops->query(store, &q, &region, &answer);
    must(answer.error, "delete");
    for (size_t i = 0; i < answer.count; i++) {
        ops[i].type = RF_KEEP_ENTRY_DELETE;
        memcpy(ops[i].change.conversation, q.conversation, 16);
        ops[i].change.target = answer.entries[i].name;
        ops[i].change.time_ms = 1;
    }
    struct rf_keep_batch batch = {ops, answer.count};
    begin = wall_s();
    must(store->ops->apply(store, &batch, 1), "delete");
    figure(1000 * (wall_s() - begin) / (double)answer.count, "history.delete_ms");
    rf_region_deinit(&region);
    begin = wall_s();
    size_t steps = 0;
    for (bool more = true; more; steps++) {
        double step = wall_s();
        more = store->ops->upkeep(store);
        if (wall_s() - step > longest)
            longest = wall_s() - step;
    }
    figure(1000 * (wall_s() - begin), "history.tidy_ms");
    figure((double)steps, "history.tidy_steps");
    figure(1000 * longest, "history.tidy_once_ms");
}

static void reading(void)
{
    struct rf_keep_query q = {
        .type = RF_KEEP_PAGE, .limit = 50, .backwards = true, .from = RF_KEEP_MAX_INDEX};
    size_t count = 0;
    double begin = wall_s();

    open_store();
    figure(1000 * (wall_s() - begin), "history.open_ms");
    begin = wall_s();
    must(store->ops->load(store, count_record, &count), "load");
    figure(1000 * (wall_s() - begin), "history.load_ms");
    must(count == CONVERSATIONS * (1 + USERS) ? 0 : RF_EDATABASE, "load: records");
    conversation_id(7, q.conversation);
    figure(ask(&q, &count), "history.page_ms");
}

int main(int argc, char **argv)
{
    size_t total = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    const char *tmp = getenv("TMPDIR");
    char dir[100], other[220];
    double begin;

    if (total < 2 * FIRST)
        total = 2 * FIRST;
    snprintf(dir, sizeof(dir), "%s/rf-history-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        must(RF_ESYSTEM, "a directory");
    snprintf(path, sizeof(path), "%s/chat.db", dir);
    crypto = rf_crypto_openssl_new(rf_mem_system());
    rf_rng_seeded_init(&rng, 1);
    open_store();
    states();
    begin = wall_s();
    for (size_t i = 0; i < FIRST; i += 100)
        append(100);
    figure(1e6 * (wall_s() - begin) / FIRST, "history.append_us");
    figure(1000 * (wall_s() - begin) / (FIRST / 100), "history.batch_ms");
    begin = wall_s();
    for (size_t i = FIRST; i + 1000 <= total; i += 1000)
        append(1000);
    figure(1e6 * (wall_s() - begin) / (double)(total - FIRST), "history.fill_us");
    store->ops->close(store);
    sizes();
    reading();
    searches();
    deleting();
    figure(rss_bytes(), "history.rss_bytes");
    store->ops->close(store);
    rf_crypto_openssl_free(crypto);
    unlink(path);
    snprintf(other, sizeof(other), "%s-wal", path);
    unlink(other);
    rmdir(dir);
    return 0;
}
