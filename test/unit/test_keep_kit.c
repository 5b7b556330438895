/* test_keep_kit.c - a store of conversations for tests: opening, short words, what it holds as text. */
#include "unit/test_keep.h"

#include <unistd.h>
#include "crypto/openssl/openssl.h"
#include "db/chat.h"

const uint8_t kit_a[16] = "conversation-aa", kit_b[16] = "conversation-bb";
static const uint8_t none[16];

int kit_try(struct kit *k, char *text, size_t text_len)
{
    return rf_chat_sqlite_open(k->mem, k->crypto, &k->rng.rng, k->path, k->key, &k->store, text, text_len);
}

static void open_ok(struct kit *k)
{
    char text[500] = "";
    int error = kit_try(k, text, sizeof(text));
    if (error != 0)
        fail_msg("%d: %s", error, text);
}

void kit_open(struct kit *k, bool on_disk)
{
    memset(k, 0, sizeof(*k));
    k->on_disk = on_disk;
    k->mem = rf_mem_system();
    rf_rng_seeded_init(&k->rng, 5);
    rf_region_init(&k->region, k->mem, SIZE_MAX);
    if (!on_disk) {
        assert_int_equal(rf_keep_mem_new(k->mem, &k->store), 0);
        return;
    }
    memset(k->key, 7, sizeof(k->key));
    k->crypto = rf_crypto_openssl_new(k->mem);
    assert_non_null(k->crypto);
    snprintf(k->dir, sizeof(k->dir), "%s/rf-chat-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(k->dir));
    snprintf(k->path, sizeof(k->path), "%s/chat.db", k->dir);
    open_ok(k);
}

void kit_close(struct kit *k)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    if (k->store != NULL)
        k->store->ops->close(k->store);
    rf_region_deinit(&k->region);
    if (!k->on_disk)
        return;
    for (size_t i = 0; i < RF_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", k->path, ends[i]);
        unlink(name);
    }
    rmdir(k->dir);
    rf_crypto_openssl_free(k->crypto);
}

void kit_reopen(struct kit *k)
{
    if (!k->on_disk)
        return;
    k->store->ops->close(k->store);
    k->store = NULL;
    open_ok(k);
}

/* ---- changes ---- */

struct rf_keep_name kit_name(uint64_t device, uint64_t sequence)
{
    struct rf_keep_name name = {.device = {.len = 16}, .sequence = sequence};
    memcpy(name.device.b, &device, sizeof(device));
    return name;
}

static struct rf_view view(const char *text)
{
    return text != NULL ? rf_view_str(text) : rf_view_of(NULL, 0);
}

struct rf_keep_op op_state(const uint8_t *conversation, uint32_t part, const char *name, const char *value)
{
    struct rf_keep_op op = {.type = RF_KEEP_STATE_PUT};
    memcpy(op.state.conversation, conversation != NULL ? conversation : none, 16);
    op.state.part = part;
    op.state.name = view(name);
    op.state.value = view(value);
    return op;
}

struct rf_keep_op op_no_state(const uint8_t *conversation, uint32_t part, const char *name)
{
    struct rf_keep_op op = op_state(conversation, part, name, NULL);
    op.type = RF_KEEP_STATE_DELETE;
    return op;
}

struct rf_keep_op op_text(const uint8_t *conversation, uint64_t index, uint64_t sequence, const char *text)
{
    struct rf_keep_op op = {.type = RF_KEEP_ENTRY_PUT};
    memcpy(op.entry.conversation, conversation, 16);
    op.entry.index = index;
    op.entry.kind = 1;
    op.entry.sender = rf_view_str("alice@example.org");
    op.entry.name = kit_name(1, sequence);
    op.entry.sent_ms = UINT64_C(1795357020000) + sequence * 1000;
    op.entry.received_ms = op.entry.sent_ms + 120;
    op.entry.text = view(text);
    return op;
}

struct rf_keep_op op_change(enum rf_keep_op_type type, const uint8_t *conversation, uint64_t sequence,
                            const char *by, const char *text, uint64_t number)
{
    struct rf_keep_op op = {.type = type};
    memcpy(op.change.conversation, conversation, 16);
    op.change.target = kit_name(1, sequence);
    op.change.by = view(by);
    op.change.text = view(text);
    op.change.index = number;
    op.change.time_ms = number;
    return op;
}

struct rf_keep_op op_mark(const uint8_t *conversation, uint8_t kind, const char *who, uint64_t index)
{
    struct rf_keep_op op = {.type = RF_KEEP_MARK};
    memcpy(op.mark.conversation, conversation, 16);
    op.mark.kind = kind;
    op.mark.principal = view(who);
    op.mark.index = index;
    op.mark.time_ms = 5;
    return op;
}

int kit_apply(struct kit *k, const struct rf_keep_op *ops, size_t count)
{
    struct rf_keep_batch batch = {ops, count};
    return k->store->ops->apply(k->store, &batch, 1);
}

void kit_must(struct kit *k, const struct rf_keep_op *ops, size_t count)
{
    int error = kit_apply(k, ops, count);
    if (error != 0)
        fail_msg("%d: %s", error, k->store->ops->error_text(k->store));
}

/* ---- questions ---- */

int kit_ask(struct kit *k, const struct rf_keep_query *query)
{
    rf_region_deinit(&k->region);
    rf_region_init(&k->region, k->mem, SIZE_MAX);
    k->store->ops->query(k->store, query, &k->region, &k->answer);
    return k->answer.error;
}

const char *kit_page(struct kit *k, const struct rf_keep_query *query)
{
    static char text[65536];
    size_t at = 0;

    if (kit_ask(k, query) != 0)
        fail_msg("%d: %s", k->answer.error, k->store->ops->error_text(k->store));
    text[0] = '\0';
    for (size_t i = 0; i < k->answer.count; i++) {
        const struct rf_keep_entry *e = &k->answer.entries[i];
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%lld:%.*s", i > 0 ? " " : "",
                               e->index == RF_KEEP_PENDING ? -1LL : (long long)e->index, (int)e->text.len,
                               e->deleted_ms != 0 ? "" : (const char *)e->text.p);
        assert_true(at < sizeof(text) - 2);
    }
    if (k->answer.more)
        snprintf(text + at, sizeof(text) - at, "+");
    return text;
}

const char *kit_all(struct kit *k, const uint8_t *conversation)
{
    struct rf_keep_query q = {.type = RF_KEEP_PAGE, .limit = 1000};
    memcpy(q.conversation, conversation, 16);
    return kit_page(k, &q);
}

const char *kit_search(struct kit *k, const uint8_t *conversation, const char *words)
{
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 1000, .words = rf_view_str(words)};
    if (conversation != NULL)
        memcpy(q.conversation, conversation, 16);
    return kit_page(k, &q);
}

const struct rf_keep_entry *kit_find(struct kit *k, const uint8_t *conversation, uint64_t sequence, bool raw)
{
    struct rf_keep_query q = {.type = RF_KEEP_FIND, .name = kit_name(1, sequence), .raw = raw};
    memcpy(q.conversation, conversation, 16);
    assert_int_equal(kit_ask(k, &q), 0);
    assert_true(k->answer.count <= 1);
    return k->answer.count == 1 ? &k->answer.entries[0] : NULL;
}

struct lines {
    char line[200][160];
    size_t count;
};

static int show(void *ctx, const struct rf_keep_record *record)
{
    struct lines *l = ctx;
    const struct rf_keep_state *s = record->state;
    const struct rf_keep_mark *m = record->mark;

    assert_true(l->count < RF_COUNT(l->line));
    char *line = l->line[l->count++];
    if (record->damaged != NULL)
        snprintf(line, sizeof(l->line[0]), "damaged %.16s", (const char *)record->damaged);
    else if (s != NULL)
        snprintf(line, sizeof(l->line[0]), "state %.16s/%u/%.*s=%.*s", (const char *)s->conversation, s->part,
                 (int)s->name.len, (const char *)s->name.p, (int)s->value.len, (const char *)s->value.p);
    else
        snprintf(line, sizeof(l->line[0]), "mark %.16s/%u/%.*s=%llu", (const char *)m->conversation, m->kind,
                 (int)m->principal.len, (const char *)m->principal.p, (unsigned long long)m->index);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

const char *kit_states(struct kit *k)
{
    static char text[40000];
    static struct lines l;
    size_t at = 0;

    l.count = 0;
    int error = k->store->ops->load(k->store, show, &l);
    if (error != 0)
        fail_msg("%d: %s", error, k->store->ops->error_text(k->store));
    qsort(l.line, l.count, sizeof(l.line[0]), by_text);
    text[0] = '\0';
    for (size_t i = 0; i < l.count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\n", l.line[i]);
    return text;
}
