/* test_keep.c - stores of conversations: what every one of them must do, in memory and on a disk; copies, bytes, the queue, exports. */
#include <jansson.h>
#include "base/text.h"
#include "unit/test_keep.h"

static int setup_disk(void **state)
{
    struct kit *k = calloc(1, sizeof(*k));
    kit_open(k, true);
    *state = k;
    return 0;
}

static int setup_mem(void **state)
{
    struct kit *k = calloc(1, sizeof(*k));
    kit_open(k, false);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

/* ---- states and marks ---- */

static void test_states(void **state)
{
    struct kit *k = *state;

    APPLY(k, op_state(kit_a, 1, "", "mls"), op_state(kit_a, 2, "7", "outbox"),
          op_state(kit_b, 1, "", "other"), op_state(NULL, 9, "bob@example.org", "contact"),
          op_state(NULL, 9, "carol@example.org", NULL));
    APPLY(k, op_state(kit_a, 1, "", "mls two"), op_no_state(kit_a, 2, "7"), op_no_state(kit_a, 3, "never"),
          op_mark(kit_a, 1, "bob", 7), op_mark(kit_a, 2, "bob", 9), op_mark(kit_a, 1, "carol", 3));
    APPLY(k, op_mark(kit_a, 1, "bob", 5), op_mark(kit_a, 1, "carol", 4));
    for (int i = 0; i < 2; i++) {
        assert_string_equal(kit_states(k), "mark conversation-aa/1/bob=7\n"
                                           "mark conversation-aa/1/carol=4\n"
                                           "mark conversation-aa/2/bob=9\n"
                                           "state /9/bob@example.org=contact\n"
                                           "state /9/carol@example.org=\n"
                                           "state conversation-aa/1/=mls two\n"
                                           "state conversation-bb/1/=other\n");
        kit_reopen(k);
    }
}

static int stop_at_once(void *ctx, const struct rf_keep_record *record)
{
    (void)record;
    ++*(size_t *)ctx;
    return RF_ECANCELLED;
}

static void test_load_stops(void **state)
{
    struct kit *k = *state;
    size_t count = 0;

    APPLY(k, op_state(kit_a, 1, "", "x"), op_state(kit_a, 2, "", "y"));
    assert_int_equal(k->store->ops->load(k->store, stop_at_once, &count), RF_ECANCELLED);
    assert_int_equal(count, 1);
    assert_string_equal(kit_states(k), "state conversation-aa/1/=x\nstate conversation-aa/2/=y\n");
}

static void test_large_state(void **state)
{
    struct kit *k = *state;
    static char big[3 << 20];
    static char line[200];

    memset(big, 'b', sizeof(big) - 1);
    APPLY(k, op_state(kit_a, 1, "", big));
    kit_reopen(k);
    snprintf(line, sizeof(line), "state conversation-aa/1/=%.80s", big);
    assert_int_equal(strncmp(kit_states(k), line, strlen(line)), 0);
    APPLY(k, op_state(kit_a, 1, "", "small again"));
    assert_string_equal(kit_states(k), "state conversation-aa/1/=small again\n");
}

/* ---- entries ---- */

static void test_pages(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query q = {.type = RF_KEEP_PAGE, .limit = 2};

    memcpy(q.conversation, kit_a, 16);
    APPLY(k, op_text(kit_a, 3, 1, "three"), op_text(kit_a, 4, 2, "four"), op_text(kit_b, 3, 9, "elsewhere"),
          op_text(kit_a, RF_KEEP_PENDING, 6, "on its way"), op_text(kit_a, 9, 4, "nine"),
          op_text(kit_a, RF_KEEP_PENDING, 7, "another"), op_text(kit_a, 7, 3, "seven"));
    kit_reopen(k);
    assert_string_equal(kit_all(k, kit_a), "3:three 4:four 7:seven 9:nine -1:on its way -1:another");
    assert_string_equal(kit_page(k, &q), "3:three 4:four+");
    q.cursor = k->answer.cursor;
    assert_string_equal(kit_page(k, &q), "7:seven 9:nine+");
    q.cursor = k->answer.cursor;
    q.limit = 1;
    assert_string_equal(kit_page(k, &q), "-1:on its way+");
    q.cursor = k->answer.cursor;
    assert_string_equal(kit_page(k, &q), "-1:another");
    q = (struct rf_keep_query){.type = RF_KEEP_PAGE, .limit = 3, .backwards = true, .from = RF_KEEP_PENDING};
    memcpy(q.conversation, kit_a, 16);
    assert_string_equal(kit_page(k, &q), "-1:another -1:on its way 9:nine+");
    q.cursor = k->answer.cursor;
    assert_string_equal(kit_page(k, &q), "7:seven 4:four 3:three");
    q.cursor = (struct rf_keep_cursor){0, 0};
    q.from = 8;
    assert_string_equal(kit_page(k, &q), "7:seven 4:four 3:three");
    q.backwards = false;
    assert_string_equal(kit_page(k, &q), "9:nine -1:on its way -1:another");
    q.from = 0;
    q.max_bytes = 8;
    assert_string_equal(kit_page(k, &q), "3:three 4:four+");
    q.limit = 0;
    assert_int_equal(kit_ask(k, &q), RF_EINVAL);
    q.limit = RF_KEEP_MAX_LIMIT + 1;
    assert_int_equal(kit_ask(k, &q), RF_EINVAL);
    q.type = 99;
    assert_int_equal(kit_ask(k, &q), RF_EINVAL);
    assert_string_equal(kit_all(k, (const uint8_t *)"not known at all"), "");
}

/* Everything of an entry comes back. */
static void test_whole_entry(void **state)
{
    struct kit *k = *state;
    struct rf_keep_op op = op_text(kit_a, 12, 3, "words");
    struct rf_keep_entry *e = &op.entry;

    e->kind = 77;
    e->flags = 0xfedcba98;
    e->reply_to = kit_name(2, 44);
    e->content = rf_view_of("\0\1\2", 3);
    e->raw = rf_view_str("as it came");
    e->edited_ms = 11;
    memset(e->hash, 0xee, sizeof(e->hash));
    APPLY(k, op);
    kit_reopen(k);
    const struct rf_keep_entry *f = kit_find(k, kit_a, 3, true);
    assert_non_null(f);
    assert_memory_equal(f->conversation, kit_a, 16);
    assert_int_equal(f->index, 12);
    assert_int_equal(f->kind, 77);
    assert_int_equal(f->flags, 0xfedcba98);
    assert_true(rf_view_equal(f->sender, rf_view_str("alice@example.org")));
    assert_true(rf_id_equal(&f->name.device, &e->name.device) && f->name.sequence == 3);
    assert_true(rf_id_equal(&f->reply_to.device, &e->reply_to.device) && f->reply_to.sequence == 44);
    assert_true(f->sent_ms == e->sent_ms && f->received_ms == e->received_ms && f->edited_ms == 11);
    assert_true(f->deleted_ms == 0 && f->deleted_by.len == 0 && f->reaction_count == 0);
    assert_true(rf_view_equal(f->text, e->text) && rf_view_equal(f->content, e->content));
    assert_true(rf_view_equal(f->raw, e->raw));
    assert_memory_equal(f->hash, e->hash, sizeof(f->hash));
    assert_int_equal(kit_find(k, kit_a, 3, false)->raw.len, 0);
    assert_null(kit_find(k, kit_b, 3, false));
    assert_null(kit_find(k, kit_a, 4, false));
}

static void test_changes(void **state)
{
    struct kit *k = *state;
    struct rf_keep_op raw = op_text(kit_a, 1, 1, "first words");

    raw.entry.raw = rf_view_str("raw");
    raw.entry.content = rf_view_str("content");
    APPLY(k, raw, op_text(kit_a, 2, 2, "second"), op_text(kit_a, RF_KEEP_PENDING, 3, "third"));
    APPLY(k, op_change(RF_KEEP_ENTRY_EDIT, kit_a, 1, NULL, "other words", 500),
          op_change(RF_KEEP_ENTRY_MOVE, kit_a, 3, NULL, NULL, 3),
          op_change(RF_KEEP_ENTRY_EDIT, kit_a, 99, NULL, "nobody", 500), /* no such entry: nothing happens */
          op_change(RF_KEEP_ENTRY_MOVE, kit_b, 3, NULL, NULL, 8));
    kit_reopen(k);
    assert_string_equal(kit_all(k, kit_a), "1:other words 2:second 3:third");
    const struct rf_keep_entry *e = kit_find(k, kit_a, 1, true);
    assert_true(e->edited_ms == 500 && e->content.len == 0 && rf_view_equal(e->raw, rf_view_str("raw")));
    APPLY(k, op_change(RF_KEEP_ENTRY_DELETE, kit_a, 1, "bob", NULL, 600),
          op_change(RF_KEEP_ENTRY_EDIT, kit_a, 1, NULL, "too late", 700),
          op_change(RF_KEEP_ENTRY_DELETE, kit_a, 1, "carol", NULL, 800),
          op_change(RF_KEEP_ENTRY_REMOVE, kit_a, 2, NULL, NULL, 0));
    kit_reopen(k);
    assert_string_equal(kit_all(k, kit_a), "1: 3:third");
    e = kit_find(k, kit_a, 1, true);
    assert_true(e->deleted_ms == 600 && rf_view_equal(e->deleted_by, rf_view_str("bob")));
    assert_true(e->text.len == 0 && e->content.len == 0 && e->raw.len == 0);
    assert_true(rf_view_equal(e->sender, rf_view_str("alice@example.org")));
    /* the same name again: it is replaced, in its new place */
    APPLY(k, op_text(kit_a, 9, 3, "third, told anew"), op_text(kit_a, 2, 2, "second again"));
    assert_string_equal(kit_all(k, kit_a), "1: 2:second again 9:third, told anew");
}

static const char *reactions(struct kit *k, uint64_t sequence)
{
    static char text[400];
    const struct rf_keep_entry *e = kit_find(k, kit_a, sequence, false);
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < e->reaction_count; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s:%.*s@%llu ",
                               (int)e->reactions[i].sender.len, (const char *)e->reactions[i].sender.p,
                               (int)e->reactions[i].reaction.len, (const char *)e->reactions[i].reaction.p,
                               (unsigned long long)e->reactions[i].time_ms);
    return text;
}

static void test_reactions(void **state)
{
    struct kit *k = *state;

    APPLY(k, op_text(kit_a, 1, 1, "one"), op_text(kit_a, 2, 2, "two"));
    APPLY(k, op_change(RF_KEEP_REACT, kit_a, 1, "bob", "+1", 10),
          op_change(RF_KEEP_REACT, kit_a, 1, "bob", "heart", 11),
          op_change(RF_KEEP_REACT, kit_a, 1, "carol", "+1", 12),
          op_change(RF_KEEP_REACT, kit_a, 1, "bob", "+1", 13),
          op_change(RF_KEEP_REACT, kit_a, 2, "bob", "+1", 14),
          op_change(RF_KEEP_REACT, kit_a, 7, "bob", "+1", 14));
    kit_reopen(k);
    assert_string_equal(reactions(k, 1), "bob:+1@10 bob:heart@11 carol:+1@12 ");
    APPLY(k, op_change(RF_KEEP_UNREACT, kit_a, 1, "bob", "+1", 15),
          op_change(RF_KEEP_UNREACT, kit_a, 1, "dave", "+1", 15));
    assert_string_equal(reactions(k, 1), "bob:heart@11 carol:+1@12 ");
    APPLY(k, op_text(kit_a, 1, 1, "one, again"));
    assert_string_equal(reactions(k, 1), "bob:heart@11 carol:+1@12 ");
    APPLY(k, op_change(RF_KEEP_ENTRY_DELETE, kit_a, 1, "alice", NULL, 20),
          op_change(RF_KEEP_REACT, kit_a, 1, "bob", "late", 21));
    assert_string_equal(reactions(k, 1), "");
    assert_string_equal(reactions(k, 2), "bob:+1@14 ");
}

static void test_count(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query q = {.type = RF_KEEP_COUNT, .from = 5};

    memcpy(q.conversation, kit_a, 16);
    assert_int_equal(kit_ask(k, &q), 0);
    assert_int_equal(k->answer.counted.total, 0);
    APPLY(k, op_text(kit_a, 2, 1, "x"), op_text(kit_a, 5, 2, "x"), op_text(kit_a, 6, 3, "x"),
          op_text(kit_a, 40, 4, "x"), op_text(kit_a, RF_KEEP_PENDING, 5, "x"), op_text(kit_b, 50, 6, "x"));
    assert_int_equal(kit_ask(k, &q), 0);
    assert_true(k->answer.counted.total == 4 && k->answer.counted.above == 2);
    assert_true(k->answer.counted.first == 2 && k->answer.counted.last == 40);
}

static void test_forget(void **state)
{
    struct kit *k = *state;

    APPLY(k, op_text(kit_a, 1, 1, "gone words"), op_text(kit_a, 2, 2, "gone too"),
          op_text(kit_b, 1, 1, "kept words"), op_state(kit_a, 1, "", "a"), op_state(kit_b, 1, "", "b"),
          op_state(NULL, 1, "", "mine"), op_mark(kit_a, 1, "bob", 1), op_mark(kit_b, 1, "bob", 1),
          op_change(RF_KEEP_REACT, kit_a, 1, "bob", "+1", 10));
    APPLY(k, op_change(RF_KEEP_FORGET, kit_a, 1, NULL, NULL, 0),
          op_change(RF_KEEP_FORGET, (const uint8_t *)"never heard of i", 1, NULL, NULL, 0));
    for (int i = 0; i < 2; i++) {
        assert_string_equal(kit_all(k, kit_a), "");
        assert_string_equal(kit_all(k, kit_b), "1:kept words");
        assert_string_equal(kit_states(k),
                            "mark conversation-bb/1/bob=1\nstate /1/=mine\nstate conversation-bb/1/=b\n");
        assert_string_equal(kit_search(k, NULL, "words"), "1:kept words");
        kit_reopen(k);
    }
    APPLY(k, op_text(kit_a, 1, 1, "back again"));
    assert_string_equal(kit_all(k, kit_a), "1:back again");
}

/* A batch that breaks a limit changes nothing, nor do those committed with it. */
static void test_all_or_nothing(void **state)
{
    struct kit *k = *state;
    static char text[RF_KEEP_MAX_TEXT + 2];
    struct rf_keep_op bad[] = {
        op_text(kit_a, 2, 2, NULL),
        op_text(kit_a, 2, 0, "x"),
        op_text(kit_a, UINT64_MAX, 2, "x"),
        op_change(RF_KEEP_ENTRY_DELETE, kit_a, 1, "bob", NULL, 0),
        op_change(RF_KEEP_REACT, kit_a, 1, "", "+1", 4),
        op_change(RF_KEEP_REACT, kit_a, 1, "bob", "", 4),
        op_mark(kit_a, 1, "", 4),
        op_change(99, kit_a, 1, "bob", NULL, 1),
        op_text((const uint8_t *)"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1, 1, "x"),
        op_change(RF_KEEP_FORGET, (const uint8_t *)"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1, NULL, NULL, 0)};

    memset(text, 'x', sizeof(text) - 1);
    bad[0].entry.text = rf_view_str(text);
    APPLY(k, op_text(kit_a, 1, 1, "first"), op_state(kit_a, 1, "", "old"));
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        struct rf_keep_op good[] = {op_text(kit_a, 3, 3, "third"), op_state(kit_a, 1, "", "new")};
        struct rf_keep_op ops[] = {op_text(kit_b, 3, 3, "third"), bad[i]};
        struct rf_keep_batch batches[] = {{good, 2}, {ops, 2}};
        assert_int_equal(rf_keep_ops_check(ops, 2), RF_EINVAL);
        assert_int_equal(k->store->ops->apply(k->store, batches, 2), RF_EINVAL);
        assert_string_equal(kit_all(k, kit_a), "1:first");
        assert_string_equal(kit_all(k, kit_b), "");
        assert_string_equal(kit_states(k), "state conversation-aa/1/=old\n");
    }
    APPLY(k, op_text(kit_b, 3, 3, "third"));
    assert_string_equal(kit_all(k, kit_b), "3:third");
}

/* ---- search ---- */

static void test_search(void **state)
{
    struct kit *k = *state;
    static const struct {
        const char *words, *found;
    } cases[] = {
        {"fox", "5:a FOX is a fox 1:the quick brown fox"},
        {"Fox the", "1:the quick brown fox"},
        {"quick fox", "1:the quick brown fox"},
        {"\"quick fox\"", ""},
        {"\"brown fox\"", "1:the quick brown fox"},
        {"\"brown fo\"*", "1:the quick brown fox"},
        {"fox -quick", "5:a FOX is a fox"},
        {"-quick fox -\"is a\"", ""},
        {"qu*", "4:quarterly-report.pdf is quite long 1:the quick brown fox"},
        {"quar*", "4:quarterly-report.pdf is quite long"},
        {"quarterly*", "4:quarterly-report.pdf is quite long"},
        {"quarterlyx*", ""},
        {"quart", ""},
        {"report.pdf", "4:quarterly-report.pdf is quite long"},
        {"pdf.report", ""},
        {"q*", "4:quarterly-report.pdf is quite long 1:the quick brown fox"},
        {"is q*", "4:quarterly-report.pdf is quite long"},
        {"nowhere", ""},
        {"12345", "6:room 12345"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd", "7:\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97 friend"},
        {"\xe5\xa5\xbd\xe4\xbd\xa0", ""},
        {"\xe5\xa5\xbd*", "7:\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97 friend"},
    };
    static const char *const wrong[] = {"", "   ", "-fox", "* \" - --", "a b c d e f g h i j k l m n o p q"};

    APPLY(k, op_text(kit_a, 1, 1, "the quick brown fox"), op_text(kit_a, 2, 2, "lazy dogs"),
          op_text(kit_b, 4, 4, "quarterly-report.pdf is quite long"), op_text(kit_a, 5, 5, "a FOX is a fox"),
          op_text(kit_a, 6, 6, "room 12345"),
          op_text(kit_b, 7, 7, "\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97 friend"), op_text(kit_b, 8, 8, ""));
    kit_reopen(k);
    for (size_t i = 0; i < RF_COUNT(cases); i++)
        if (strcmp(kit_search(k, NULL, cases[i].words), cases[i].found) != 0)
            fail_msg("%s: %s", cases[i].words, kit_search(k, NULL, cases[i].words));
    for (size_t i = 0; i < RF_COUNT(wrong); i++) {
        struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 5, .words = rf_view_str(wrong[i])};
        assert_int_equal(kit_ask(k, &q), RF_EINVAL);
    }
    assert_string_equal(kit_search(k, kit_b, "is"), "4:quarterly-report.pdf is quite long");
    assert_string_equal(kit_search(k, kit_a, "is"), "5:a FOX is a fox");
    assert_string_equal(kit_search(k, kit_a, "q*"), "1:the quick brown fox");
    assert_string_equal(kit_search(k, (const uint8_t *)"not known at all", "is"), "");
}

static void test_search_follows(void **state)
{
    struct kit *k = *state;

    APPLY(k, op_text(kit_a, 1, 1, "apple pie"), op_text(kit_a, 2, 2, "apple juice"),
          op_text(kit_a, 3, 3, "apple tree"));
    APPLY(k, op_change(RF_KEEP_ENTRY_EDIT, kit_a, 1, NULL, "cherry pie", 5),
          op_change(RF_KEEP_ENTRY_DELETE, kit_a, 2, "bob", NULL, 5),
          op_change(RF_KEEP_ENTRY_MOVE, kit_a, 3, NULL, NULL, 9));
    while (k->store->ops->upkeep(k->store))
        ;
    assert_string_equal(kit_search(k, NULL, "apple"), "9:apple tree");
    assert_string_equal(kit_search(k, NULL, "juice"), "");
    assert_string_equal(kit_search(k, NULL, "pie"), "1:cherry pie");
    APPLY(k, op_text(kit_a, 1, 1, "plum cake"));
    assert_string_equal(kit_search(k, NULL, "pie"), "");
    assert_string_equal(kit_search(k, NULL, "cake"), "1:plum cake");
    APPLY(k, op_change(RF_KEEP_ENTRY_REMOVE, kit_a, 1, NULL, NULL, 0));
    assert_string_equal(kit_search(k, NULL, "cake"), "");
}

static void test_search_filters(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 2, .words = rf_view_str("word")};
    struct rf_keep_op ops[6];

    for (uint64_t i = 0; i < 6; i++) {
        ops[i] = op_text(kit_a, i, i + 1, "word");
        ops[i].entry.sent_ms = 100 * i;
        if (i % 2 == 1)
            ops[i].entry.sender = rf_view_str("bob");
    }
    assert_int_equal(kit_apply(k, ops, 6), 0);
    assert_string_equal(kit_page(k, &q), "5:word 4:word+");
    q.cursor = k->answer.cursor;
    assert_string_equal(kit_page(k, &q), "3:word 2:word+");
    q.cursor = k->answer.cursor;
    assert_string_equal(kit_page(k, &q), "1:word 0:word");
    q.cursor = (struct rf_keep_cursor){0, 0};
    q.limit = 10;
    q.sender = rf_view_str("bob");
    assert_string_equal(kit_page(k, &q), "5:word 3:word 1:word");
    q.from_ms = 100;
    q.until_ms = 300;
    assert_string_equal(kit_page(k, &q), "3:word 1:word");
    q.max_bytes = 3;
    assert_string_equal(kit_page(k, &q), "3:word+");
}

/* ---- the queue ---- */

/* A store that refuses commits with an operation of state part 666, and notes what it was asked. */
struct fussy {
    struct rf_keep_store store;
    char seen[400];
    bool broken;
};

static int fussy_apply(struct rf_keep_store *store, const struct rf_keep_batch *batches, size_t batch_count)
{
    struct fussy *f = RF_CONTAINER(store, struct fussy, store);
    size_t at = strlen(f->seen);

    for (size_t i = 0; i < batch_count; i++)
        if (f->broken && batches[i].ops[0].state.part == 666)
            return RF_EDATABASE;
    at += (size_t)snprintf(f->seen + at, sizeof(f->seen) - at, "[");
    for (size_t i = 0; i < batch_count; i++)
        at += (size_t)snprintf(f->seen + at, sizeof(f->seen) - at, "%u ", batches[i].ops[0].state.part);
    snprintf(f->seen + at, sizeof(f->seen) - at, "]");
    return 0;
}

static void fussy_query(struct rf_keep_store *store, const struct rf_keep_query *query,
                        struct rf_region *region, struct rf_keep_answer *answer)
{
    struct fussy *f = RF_CONTAINER(store, struct fussy, store);
    size_t at = strlen(f->seen);

    (void)region;
    (void)answer;
    snprintf(f->seen + at, sizeof(f->seen) - at, "?%.*s ", (int)query->words.len,
             (const char *)query->words.p);
}

static const struct rf_keep_store_ops fussy_ops = {.apply = fussy_apply, .query = fussy_query};

/* Runs what is queued and says "token:error ..." */
static const char *run_jobs(struct rf_keep_queue *queue, struct fussy *f, bool tell)
{
    static char text[300];
    struct rf_list jobs;
    size_t at = 0;

    rf_list_init(&jobs);
    rf_keep_queue_take(queue, &jobs);
    rf_keep_jobs_run(queue, &f->store, &jobs);
    text[0] = '\0';
    RF_LIST_EACH_SAFE(&jobs, it)
    {
        struct rf_keep_job *job = RF_LIST_ENTRY(it, struct rf_keep_job, list);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%llu:%d ", (unsigned long long)job->token,
                               job->is_query ? job->answer.error : job->error);
        if (tell)
            rf_keep_queue_told(queue, job);
        rf_keep_job_free(job);
    }
    return text;
}

static void count_ready(void *arg)
{
    ++*(int *)arg;
}

static void test_queue(void **state)
{
    struct fussy f = {.store = {&fussy_ops}, .broken = true};
    struct rf_keep_queue queue;
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .words = rf_view_str("why")};
    char words[] = "changes later";
    int ready = 0;

    (void)state;
    rf_keep_queue_init(&queue, rf_mem_system());
    queue.ready = count_ready;
    queue.ready_arg = &ready;
    const struct rf_keep *keep = &queue.keep;
#define COMMIT(token, part)                                                                                  \
    keep->commit(keep->arg, token, (struct rf_keep_op[]){op_state(kit_a, part, words, words)}, 1)
    COMMIT(1, 1);
    COMMIT(2, 2);
    keep->query(keep->arg, 3, &q);
    COMMIT(4, 4);
    memset(words, 'x', sizeof(words) - 1); /* it was copied */
    assert_int_equal(ready, 4);
    assert_string_equal(run_jobs(&queue, &f, true), "1:0 2:0 3:0 4:0 ");
    assert_string_equal(f.seen, "[1 2 ]?why [4 ]");
    /* one fails: those before it are kept, those after it are not tried until the engine knows */
    f.seen[0] = '\0';
    COMMIT(5, 5);
    COMMIT(6, 666);
    COMMIT(7, 7);
    keep->query(keep->arg, 8, &q);
    COMMIT(9, 9);
    assert_string_equal(run_jobs(&queue, &f, false), "5:0 6:-25 7:-30 8:0 9:-30 ");
    assert_string_equal(f.seen, "[5 ]?why ");
    COMMIT(10, 10);
    assert_string_equal(run_jobs(&queue, &f, true), "10:-30 ");
    f.broken = false;
    COMMIT(11, 666);
    COMMIT(12, 7);
    assert_string_equal(run_jobs(&queue, &f, true), "11:0 12:0 ");
    assert_string_equal(f.seen, "[5 ]?why [666 7 ]");
    /* malformed: refused before it comes to a disk */
    keep->commit(keep->arg, 13, (struct rf_keep_op[]){op_mark(kit_a, 1, "", 1)}, 1);
    assert_string_equal(run_jobs(&queue, &f, true), "13:-8 ");
    COMMIT(14, 14);
    rf_keep_queue_deinit(&queue);
#undef COMMIT
}

/* ---- bytes and exports ---- */

static void test_entry_bytes(void **state)
{
    struct rf_keep_op op = op_text(kit_a, 12, 3, "words");
    struct rf_keep_entry back;
    struct rf_buf first, second;

    (void)state;
    rf_buf_init(&first, rf_mem_system(), 1 << 20);
    rf_buf_init(&second, rf_mem_system(), 1 << 20);
    op.entry.content = rf_view_str("content");
    op.entry.reply_to = kit_name(2, 44);
    rf_keep_entry_encode(&op.entry, &first);
    assert_int_equal(rf_buf_error(&first), 0);
    assert_int_equal(rf_keep_entry_decode(rf_buf_view(&first), &back), 0);
    rf_keep_entry_encode(&back, &second);
    assert_true(rf_view_equal(rf_buf_view(&first), rf_buf_view(&second)));
    for (size_t len = 0; len < first.len; len++)
        assert_true(rf_keep_entry_decode(rf_view_of(first.p, len), &back) != 0);
    rf_buf_u8(&first, 0);
    assert_int_equal(rf_keep_entry_decode(rf_buf_view(&first), &back), RF_ELENGTH);
    first.p[0] = 2;
    assert_int_equal(rf_keep_entry_decode(rf_buf_view(&first), &back), RF_EVERSION);
    rf_buf_reset(&first);
    op.entry.name.sequence = 0;
    rf_keep_entry_encode(&op.entry, &first);
    assert_int_equal(rf_buf_error(&first), RF_EINVAL);
    rf_buf_deinit(&first);
    rf_buf_deinit(&second);
}

static const char *exported(const struct rf_keep_entry *e, bool json, const char *kind)
{
    static char text[2000];
    struct rf_buf buf;

    rf_buf_fixed(&buf, text, sizeof(text) - 1);
    if (json)
        rf_keep_export_json(e, kind, &buf);
    else
        rf_keep_export_text(e, kind, 60, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    text[buf.len] = '\0';
    return text;
}

static void test_export(void **state)
{
    struct rf_keep_op op = op_text(kit_a, 12, 3, "two \"lines\"\nand \x1b[31m red \xff\\");
    struct rf_keep_reaction reactions[] = {{rf_view_str("bob"), rf_view_str("+1"), 1000},
                                           {rf_view_str("carol"), rf_view_str("\xe2\x9d\xa4"), 2000}};

    (void)state;
    op.entry.edited_ms = op.entry.sent_ms + 5000;
    op.entry.reply_to = kit_name(2, 1);
    op.entry.reactions = reactions;
    op.entry.reaction_count = 2;
    assert_string_equal(exported(&op.entry, false, NULL),
                        "[2026-11-22 15:17:03] alice@example.org: two \"lines\"\n    and \xef\xbf\xbd[31m "
                        "red \xef\xbf\xbd\\ (edited)\n"
                        "    +1 by bob\n    \xe2\x9d\xa4 by carol\n");
    const char *line = exported(&op.entry, true, "text");
    assert_int_equal(line[strlen(line) - 1], '\n');
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL); /* a reader that we did not write */
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "index")), 12);
    assert_int_equal(json_integer_value(json_object_get(json, "sequence")), 3);
    assert_string_equal(json_string_value(json_object_get(json, "from")), "alice@example.org");
    assert_string_equal(json_string_value(json_object_get(json, "time")), "2026-11-22T14:17:03.000Z");
    assert_string_equal(json_string_value(json_object_get(json, "edited")), "2026-11-22T14:17:08.000Z");
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "text");
    assert_string_equal(json_string_value(json_object_get(json, "text")),
                        "two \"lines\"\nand \x1b[31m red \xef\xbf\xbd\\");
    assert_int_equal(json_array_size(json_object_get(json, "reactions")), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(json, "reactions"), 1), "reaction")),
        "\xe2\x9d\xa4");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "reply_to"), "sequence")), 1);
    json_decref(json);
    op.entry.text = rf_view_of(NULL, 0);
    op.entry.deleted_ms = 3000;
    op.entry.deleted_by = rf_view_str("bob\nevil");
    op.entry.reaction_count = 0;
    op.entry.index = RF_KEEP_PENDING;
    assert_string_equal(exported(&op.entry, false, NULL),
                        "[2026-11-22 15:17:03] alice@example.org: (deleted by bob\xef\xbf\xbd"
                        "evil)\n");
    json = json_loads(exported(&op.entry, true, NULL), 0, NULL);
    assert_true(json_is_null(json_object_get(json, "index")) && json_object_get(json, "text") == NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "kind")), 1);
    assert_string_equal(json_string_value(json_object_get(json, "deleted_by")), "bob\nevil");
    json_decref(json);
}

/* Each allocation of the store in memory fails once: the change is refused as a whole, and works when there is memory again. */
static void test_no_memory(void **state)
{
    struct rf_mem_test mem;

    (void)state;
    for (size_t allowed = 0; allowed < 200; allowed++) {
        struct kit k;
        rf_mem_test_init(&mem);
        kit_open(&k, false);
        k.store->ops->close(k.store);
        k.store = NULL;
        mem.allowed = allowed;
        int error = rf_keep_mem_new(&mem.mem, &k.store);
        if (error == 0) {
            struct rf_keep_op ops[] = {op_text(kit_a, 1, 1, "one"), op_state(kit_a, 1, "", "x"),
                                       op_change(RF_KEEP_REACT, kit_a, 1, "bob", "+1", 3),
                                       op_mark(kit_b, 1, "bob", 2),
                                       op_change(RF_KEEP_ENTRY_EDIT, kit_a, 1, NULL, "two", 5)};
            error = kit_apply(&k, ops, RF_COUNT(ops));
            mem.allowed = SIZE_MAX;
            assert_string_equal(kit_all(&k, kit_a), error == 0 ? "1:two" : "");
            assert_int_equal(kit_apply(&k, ops, RF_COUNT(ops)), 0);
            assert_string_equal(kit_all(&k, kit_a), "1:two");
        }
        assert_true(error == 0 || error == RF_ENOMEM);
        kit_close(&k);
        assert_int_equal(mem.live_count, 0);
        if (error == 0)
            return;
    }
    fail();
}

#define BOTH(f)                                                                                              \
    {"disk " #f, f, setup_disk, teardown, NULL},                                                             \
    {                                                                                                        \
        "memory " #f, f, setup_mem, teardown, NULL                                                           \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_states),
        BOTH(test_load_stops),
        BOTH(test_large_state),
        BOTH(test_pages),
        BOTH(test_whole_entry),
        BOTH(test_changes),
        BOTH(test_reactions),
        BOTH(test_count),
        BOTH(test_forget),
        BOTH(test_all_or_nothing),
        BOTH(test_search),
        BOTH(test_search_follows),
        BOTH(test_search_filters),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_entry_bytes),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
