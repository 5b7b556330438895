/*
 * test_db_chat.c - the database of conversations: nothing in its file can be read or moved about, what was deleted is gone from it, damage is told and survived, and
 * after kill -9 it holds exactly what was committed.
 */
#include "unit/test_keep.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    struct kit *k = calloc(1, sizeof(*k));
    kit_open(k, true);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_close(*state);
    free(*state);
    return 0;
}

static void shut(struct kit *k)
{
    k->store->ops->close(k->store);
    k->store = NULL;
}

static void tidy_all(struct kit *k)
{
    int steps = 0;
    while (k->store->ops->upkeep(k->store))
        assert_true(++steps < 10000);
}

/* What another program does to the closed file. */
static void meddle(struct kit *k, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    shut(k);
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
    char text[500] = "";
    int error = kit_try(k, text, sizeof(text));
    if (error != 0)
        fail_msg("%d: %s", error, text);
}

/* Does the database, or its log, hold these bytes? */
static bool file_has(const struct kit *k, const void *bytes, size_t len)
{
    static const char *const ends[] = {"", "-wal"};
    bool found = false;

    for (size_t i = 0; i < RF_COUNT(ends) && !found; i++) {
        char name[128];
        struct stat st;
        snprintf(name, sizeof(name), "%s%s", k->path, ends[i]);
        int fd = open(name, O_RDONLY);
        if (fd < 0)
            continue;
        assert_int_equal(fstat(fd, &st), 0);
        uint8_t *p = malloc((size_t)st.st_size + 1);
        assert_non_null(p);
        assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
        found = memmem(p, (size_t)st.st_size, bytes, len) != NULL;
        free(p);
        close(fd);
    }
    return found;
}

/* ---- secrecy ---- */

static void test_nothing_readable(void **state)
{
    struct kit *k = *state;
    static const char *const secrets[] = {"Donaudampfschiff", "donaudampfschiff", "alice@example",
                                          "bob@example",      "Kaffeekranz",      "conversation-aa",
                                          "the raw value",    "thumbsup"};
    struct rf_keep_op op = op_text(kit_a, 1, 1, "Donaudampfschiff fahrt Donaudampfschiff");

    op.entry.raw = rf_view_str("the raw value");
    op.entry.content = rf_view_str("Kaffeekranz content");
    APPLY(k, op, op_state(kit_a, 1, "bob@example.org", "title Kaffeekranz"),
          op_mark(kit_a, 1, "bob@example.org", 1),
          op_change(RF_KEEP_REACT, kit_a, 1, "bob@example.org", "thumbsup", 7));
    for (int closed = 0; closed < 2; closed++) {
        for (size_t i = 0; i < RF_COUNT(secrets); i++)
            if (file_has(k, secrets[i], strlen(secrets[i])))
                fail_msg("%s stands in the file", secrets[i]);
        assert_true(file_has(k, "CREATE TABLE", 12)); /* the looking itself works */
        if (!closed)
            shut(k);
    }
}

static void test_rights(void **state)
{
    struct kit *k = *state;
    struct stat st;
    char wal[128];

    APPLY(k, op_text(kit_a, 1, 1, "x"));
    snprintf(wal, sizeof(wal), "%s-wal", k->path);
    assert_int_equal(stat(k->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    shut(k);
    assert_int_equal(chmod(k->path, 0644), 0);
    assert_int_equal(kit_try(k, NULL, 0), 0);
    assert_int_equal(stat(k->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_rows_are_bound(void **state)
{
    struct kit *k = *state;
    struct rf_keep_op one = op_text(kit_a, 1, 1, "one"), two = op_text(kit_a, 2, 2, "two");

    one.entry.raw = rf_view_str("raw one");
    two.entry.raw = rf_view_str("raw two");
    APPLY(k, one, two, op_text(kit_a, 3, 3, "three"), op_text(kit_a, 4, 4, "four"),
          op_text(kit_b, 1, 5, "five"), op_state(kit_a, 1, "", "a"), op_state(kit_a, 2, "", "b"),
          op_state(kit_b, 2, "", "c"), op_change(RF_KEEP_REACT, kit_a, 3, "bob", "+1", 7),
          op_change(RF_KEEP_REACT, kit_a, 4, "bob", "-1", 7));
#define SWAP(table, column, key, x, y)                                                                       \
    "CREATE TEMP TABLE t AS SELECT " key " AS k, " column " AS c FROM " table ";"                            \
    "UPDATE " table " SET " column " = (SELECT c FROM t WHERE k = " y ") WHERE " key " = " x ";"             \
    "UPDATE " table " SET " column " = (SELECT c FROM t WHERE k = " x ") WHERE " key " = " y ";"
    meddle(k, SWAP("raw", "sealed", "entry", "1", "2"));
    assert_string_equal(kit_all(k, kit_a), "1:one 2:two 3:three 4:four");
    assert_int_equal(kit_find(k, kit_a, 1, true)->raw.len, 0);
    meddle(k, SWAP("reaction", "sealed", "entry", "3", "4"));
    assert_int_equal(kit_find(k, kit_a, 3, false)->reaction_count, 0);
    meddle(k, SWAP("entry", "sealed", "id", "1", "2"));
    assert_string_equal(kit_all(k, kit_a), "3:three 4:four");
    assert_int_equal(k->answer.damaged_count, 2);
    meddle(k, "UPDATE entry SET idx = 9 WHERE id = 3");
    assert_string_equal(kit_all(k, kit_a), "4:four");
    meddle(k, "UPDATE entry SET conversation = 3 - conversation WHERE id = 5");
    assert_string_equal(kit_all(k, kit_b), "");
    meddle(k, SWAP("state", "sealed", "rowid", "1", "2"));
    assert_string_equal(kit_states(k),
                        "damaged conversation-aa\ndamaged conversation-aa\nstate conversation-bb/2/=c\n");
    meddle(k, "UPDATE state SET conversation = 3 - conversation");
    assert_string_equal(kit_states(k),
                        "damaged conversation-aa\ndamaged conversation-bb\ndamaged conversation-bb\n");
    /* what is damaged can be written anew, and deleted */
    APPLY(k, op_text(kit_a, 1, 1, "one again"), op_state(kit_a, 1, "", "a"),
          op_change(RF_KEEP_ENTRY_DELETE, kit_a, 2, "bob", NULL, 9),
          op_change(RF_KEEP_ENTRY_REMOVE, kit_a, 3, NULL, NULL, 0));
    assert_string_equal(kit_all(k, kit_a), "1:one again 2: 4:four");
#undef SWAP
}

static void test_wrong_key(void **state)
{
    struct kit *k = *state;
    char text[500] = "";

    APPLY(k, op_text(kit_a, 1, 1, "x"));
    shut(k);
    k->key[31] ^= 1;
    assert_int_equal(kit_try(k, text, sizeof(text)), RF_EAUTH);
    assert_non_null(strstr(text, "chat.key"));
    k->key[31] ^= 1;
    assert_int_equal(kit_try(k, text, sizeof(text)), 0);
    assert_string_equal(kit_all(k, kit_a), "1:x");
}

/* The first `len` bytes behind the nonce of a row's ciphertext. */
static size_t sealed_of(struct kit *k, const char *sql, uint8_t out[64])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;

    shut(k);
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    size_t len = (size_t)sqlite3_column_bytes(st, 0);
    len = len > 24 ? 24 : len;
    memcpy(out, sqlite3_column_blob(st, 0), len);
    sqlite3_finalize(st);
    sqlite3_close(db);
    assert_int_equal(kit_try(k, NULL, 0), 0);
    return len;
}

/* What stands in the index for words, sorted. */
struct terms {
    char term[60][12];
    size_t count;
};

static void index_terms(struct kit *k, struct terms *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;

    out->count = 0;
    shut(k);
    assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, word, row)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT term FROM v ORDER BY term", -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        assert_true(out->count < RF_COUNT(out->term) && sqlite3_column_bytes(st, 0) == 8);
        snprintf(out->term[out->count++], sizeof(out->term[0]), "%s",
                 (const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    assert_int_equal(kit_try(k, NULL, 0), 0);
}

/* How many of the terms in `all` that are not in `but` the file has: the ends of them, since FTS5 leaves out what two neighbors begin with. */
static size_t terms_in_file(const struct kit *k, const struct terms *all, const struct terms *but)
{
    size_t found = 0;

    for (size_t i = 0; i < all->count; i++) {
        bool old = false;
        for (size_t n = 0; n < but->count; n++)
            old = old || strcmp(all->term[i], but->term[n]) == 0;
        found += !old && file_has(k, all->term[i] + 3, 5);
    }
    return found;
}

static void test_deleted_is_gone(void **state)
{
    struct kit *k = *state;
    uint8_t entry[64], raw[64], reaction[64], old_state[64], edited[64];
    struct rf_keep_op op = op_text(kit_a, 2, 2, "unusual vocabulary");
    struct terms before, with, after;

    op.entry.raw = rf_view_str("raw of two");
    APPLY(k, op_text(kit_a, 1, 1, "plain words"), op_state(kit_a, 1, "", "old secrets of the group"),
          op_text(kit_a, 3, 3, "plain words"));
    index_terms(k, &before);
    APPLY(k, op, op_change(RF_KEEP_REACT, kit_a, 2, "bob", "+1", 7));
    size_t entry_len = sealed_of(k, "SELECT sealed FROM entry WHERE idx = 2", entry);
    size_t raw_len = sealed_of(k, "SELECT sealed FROM raw", raw);
    size_t reaction_len = sealed_of(k, "SELECT sealed FROM reaction", reaction);
    size_t state_len = sealed_of(k, "SELECT sealed FROM state", old_state);
    size_t edited_len = sealed_of(k, "SELECT sealed FROM entry WHERE idx = 3", edited);
    assert_true(file_has(k, entry, entry_len) && file_has(k, raw, raw_len) &&
                file_has(k, reaction, reaction_len) && file_has(k, old_state, state_len) &&
                file_has(k, edited, edited_len));
    index_terms(k, &with);
    assert_int_equal(with.count, before.count + 6); /* two words, their first three and five letters */
    assert_int_equal(terms_in_file(k, &with, &before), 6);
    APPLY(k, op_change(RF_KEEP_ENTRY_DELETE, kit_a, 2, "bob", NULL, 9), op_state(kit_a, 1, "", "new secrets"),
          op_change(RF_KEEP_ENTRY_EDIT, kit_a, 3, NULL, "words plain", 9));
    tidy_all(k);
    assert_false(file_has(k, entry, entry_len));
    assert_false(file_has(k, raw, raw_len));
    assert_false(file_has(k, reaction, reaction_len));
    assert_false(file_has(k, old_state, state_len));
    assert_false(file_has(k, edited, edited_len));
    assert_int_equal(terms_in_file(k, &with, &before), 0);
    index_terms(k, &after);
    assert_int_equal(after.count, before.count);
    assert_string_equal(kit_all(k, kit_a), "1:plain words 2: 3:words plain");
}

/* ---- search, what only unicode61 knows ---- */

static void test_accents(void **state)
{
    struct kit *k = *state;

    APPLY(k, op_text(kit_a, 1, 1, "Z\xc3\xbcrich"), op_text(kit_a, 2, 2, "caf\xc3\xa9 \xc3\x89T\xc3\x89"),
          op_text(kit_a, 3, 3, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80"));
    assert_string_equal(kit_search(k, NULL, "zurich"), "1:Z\xc3\xbcrich");
    assert_string_equal(kit_search(k, NULL, "Z\xc3\x9cR*"), "1:Z\xc3\xbcrich");
    assert_string_equal(kit_search(k, NULL, "ete cafe"), "2:caf\xc3\xa9 \xc3\x89T\xc3\x89");
    assert_string_equal(kit_search(k, NULL, "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5*"),
                        "3:\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80");
    assert_string_equal(kit_search(k, NULL, "\xd0\x9c\xd0\x98\xd0\xa0"),
                        "3:\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80");
}

/* A question looks at so many texts at most, and then says how to go on. */
static void test_long_search(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 5, .words = rf_view_str("h*")};
    static struct rf_keep_op ops[9000];
    size_t asked = 0, found = 0;

    for (uint64_t i = 0; i < RF_COUNT(ops); i++)
        ops[i] = op_text(kit_a, i, i + 1, i == 10 || i == 4500 ? "hit" : "miss");
    assert_int_equal(kit_apply(k, ops, RF_COUNT(ops)), 0);
    do {
        assert_int_equal(kit_ask(k, &q), 0);
        found += k->answer.count;
        q.cursor = k->answer.cursor;
        assert_true(++asked < 10);
    } while (k->answer.more);
    assert_int_equal(found, 2);
    assert_int_equal(asked, 3);
}

/* ---- damage ---- */

static void write_file(const char *path, const void *bytes, size_t len, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static void expect(struct kit *k, int error, const char *words)
{
    char text[500] = "";
    int r = kit_try(k, text, sizeof(text));
    if (r != error || strstr(text, words) == NULL)
        fail_msg("%d: %s", r, text);
}

static void test_not_a_database(void **state)
{
    struct kit *k = *state;
    char junk[8192];
    struct kit other = *k;

    APPLY(k, op_text(kit_a, 1, 1, "x"));
    expect(&other, RF_EBUSY, "another process uses the database");
    shut(k);
    /* offset 60: user_version, 68: application_id, both big-endian, in a file without a log */
    write_file(k->path, "\0\0\0\2", 4, 60);
    expect(k, RF_EVERSION, "newer");
    write_file(k->path, "\0\0\0\1", 4, 60);
    write_file(k->path, "none", 4, 68);
    expect(k, RF_EDATABASE, "no database of conversations");
    write_file(k->path, "RFCH", 4, 68);
    assert_int_equal(kit_try(k, NULL, 0), 0);
    assert_string_equal(kit_all(k, kit_a), "1:x");
    shut(k);
    memset(junk, 'x', sizeof(junk));
    write_file(k->path, junk, sizeof(junk), 0);
    expect(k, RF_EDATABASE, "keep chat.key");
    snprintf(other.path, sizeof(other.path), "%s/none/chat.db", k->dir);
    expect(&other, RF_EDATABASE, "cannot be opened");
    snprintf(other.path, sizeof(other.path), "%s/link", k->dir);
    assert_int_equal(symlink(k->path, other.path), 0);
    expect(&other, RF_EDATABASE, "cannot be opened");
    unlink(other.path);
}

static void test_another_users_file(void **state)
{
    struct kit *k = *state;
    struct kit other = *k;

    if (geteuid() == 0) {
        snprintf(other.path, sizeof(other.path), "%s/theirs", k->dir);
        write_file(other.path, "", 0, 0);
        assert_int_equal(chown(other.path, 4242, 4242), 0);
    } else {
        snprintf(other.path, sizeof(other.path), "/etc/passwd");
    }
    expect(&other, RF_EFORBIDDEN, "another user");
    if (geteuid() == 0)
        unlink(other.path);
}

static void fill(struct kit *k)
{
    static char words[40][120];
    struct rf_keep_op ops[40];

    for (uint64_t i = 0; i < 40; i++) {
        snprintf(words[i], sizeof(words[i]),
                 "common number%llu and something to make it a little longer than it was before it",
                 (unsigned long long)i);
        ops[i] = op_text(i % 2 == 0 ? kit_a : kit_b, i, i + 1, words[i]);
    }
    assert_int_equal(kit_apply(k, ops, 40), 0);
    APPLY(k, op_state(kit_a, 1, "", "state"));
}

static void test_damaged_pages(void **state)
{
    struct kit *k = *state;
    char junk[4096];
    struct stat st;

    fill(k);
    shut(k);
    assert_int_equal(stat(k->path, &st), 0);
    assert_true(st.st_size > 10 * 4096);
    memset(junk, 0xa5, sizeof(junk));
    for (off_t page = 1; page < st.st_size / 4096; page++)
        write_file(k->path, junk, sizeof(junk), page * 4096);
    expect(k, RF_EDATABASE, "keep chat.key");
}

/* One page after the other is damaged: it is told, or does not matter; never a crash, and never a wrong word. */
static void test_each_page(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 100, .words = rf_view_str("number8")};
    char junk[4096], text[500], wal[128];
    size_t told = 0, fine = 0;
    struct stat st;

    fill(k);
    shut(k);
    assert_int_equal(stat(k->path, &st), 0);
    char *whole = malloc((size_t)st.st_size);
    assert_non_null(whole);
    int fd = open(k->path, O_RDONLY);
    assert_int_equal(read(fd, whole, (size_t)st.st_size), st.st_size);
    close(fd);
    memset(junk, 0xa5, sizeof(junk));
    snprintf(wal, sizeof(wal), "%s-wal", k->path);
    for (off_t page = 1; page < st.st_size / 4096; page++) {
        unlink(wal);
        assert_int_equal(truncate(k->path, st.st_size), 0);
        write_file(k->path, whole, (size_t)st.st_size, 0);
        write_file(k->path, junk, sizeof(junk), page * 4096);
        text[0] = '\0';
        if (kit_try(k, text, sizeof(text)) != 0) {
            assert_true(strlen(text) > 20);
            k->store = NULL;
            told++;
            continue;
        }
        int error = kit_ask(k, &q);
        assert_true(error == 0 || error == RF_EDATABASE);
        for (size_t i = 0; error == 0 && i < k->answer.count; i++)
            assert_true(memcmp(k->answer.entries[i].text.p, "common number8 ", 15) == 0);
        if (error == 0 && k->answer.count == 1)
            fine++;
        else
            told++;
        shut(k);
    }
    free(whole);
    assert_true(told > 3 && fine > 3);
}

static void test_damaged_index(void **state)
{
    static const char *const damages[] = {"UPDATE word_data SET block = x'ffffffffffff'",
                                          "DELETE FROM word_data WHERE id > 10",
                                          "UPDATE word_data SET block = x'ffffffff' WHERE id = 10"};
    struct kit *k = *state;

    fill(k);
    for (size_t i = 0; i < RF_COUNT(damages); i++) {
        meddle(k, damages[i]);
        /* whoever meets the damage first, a commit or a question, it is made anew and nothing is missed */
        if (i % 2 == 0)
            APPLY(k, op_change(RF_KEEP_ENTRY_EDIT, kit_a, 1, NULL, "common again", 5));
        assert_true(strstr(kit_search(k, NULL, "number8"), "8:common number8") != NULL);
        (void)kit_search(k, NULL, "common");
        assert_int_equal(k->answer.count, 40);
        APPLY(k, op_change(RF_KEEP_ENTRY_DELETE, kit_b, 2, "bob", NULL, 5),
              op_text(kit_b, 1, 2, "common back"));
        tidy_all(k);
        kit_reopen(k);
        assert_true(strstr(kit_search(k, NULL, "number8"), "8:common number8") != NULL);
        (void)kit_search(k, NULL, "common");
        assert_int_equal(k->answer.count, 40);
    }
}

/* The index is filled again in steps; it may be stopped in the middle, and go on in another life. */
static void test_index_again(void **state)
{
    struct kit *k = *state;
    static struct rf_keep_op ops[1800];

    for (uint64_t i = 0; i < RF_COUNT(ops); i++)
        ops[i] = op_text(kit_a, i, i + 1, i % 100 == 7 ? "needle in the hay" : "hay");
    assert_int_equal(kit_apply(k, ops, RF_COUNT(ops)), 0);
    meddle(k, "INSERT INTO word(word) VALUES('delete-all'); INSERT OR REPLACE INTO meta VALUES('unindexed', "
              "x'0000000000000000')");
    for (int step = 0; step < 8; step++) {
        (void)kit_search(k, NULL, "needle");
        assert_int_equal(k->answer.count, step < 2 ? 18 : 19);
        if (step == 1)
            APPLY(k, op_text(kit_a, 5000, 5000, "a needle"),
                  op_change(RF_KEEP_ENTRY_EDIT, kit_a, 8, NULL, "needle edited", 4));
        (void)k->store->ops->upkeep(k->store);
        if (step == 2)
            kit_reopen(k);
    }
    tidy_all(k);
    (void)kit_search(k, NULL, "hay -needle");
    assert_true(k->answer.count == 1000 && k->answer.more);
    (void)kit_search(k, NULL, "hay needle");
    assert_int_equal(k->answer.count, 17);
    assert_string_equal(kit_search(k, NULL, "needle edited"), "7:needle edited");
}

static void test_no_memory(void **state)
{
    struct kit *k = *state;
    struct rf_mem *system = k->mem;
    struct rf_mem_test mem;
    size_t failures = 0;

    for (size_t allowed = 0;; allowed++) {
        shut(k);
        rf_mem_test_init(&mem);
        mem.allowed = allowed;
        k->mem = &mem.mem;
        int error = kit_try(k, NULL, 0);
        if (error == 0) {
            error = kit_apply(k,
                              (struct rf_keep_op[]){op_text(kit_a, 1, allowed + 1, "one"),
                                                    op_state(kit_b, 1, "", "x"),
                                                    op_mark(kit_b, 1, "bob", allowed + 2)},
                              3);
            struct rf_keep_query q = {.type = RF_KEEP_SEARCH, .limit = 5, .words = rf_view_str("one")};
            if (error == 0)
                error = kit_ask(k, &q);
            rf_region_deinit(&k->region);
            shut(k);
        }
        assert_int_equal(mem.live_count, 0);
        k->mem = system;
        rf_region_init(&k->region, system, SIZE_MAX);
        assert_int_equal(kit_try(k, NULL, 0), 0);
        if (error == 0)
            break;
        assert_int_equal(error, RF_ENOMEM);
        failures++;
    }
    assert_true(failures > 5);
}

/* ---- kill -9 ---- */

#define BATCH 5

/* The child writes batches and reports each acknowledged number. Batch n: an entry of its own, the same five states with n, and an edit of the first entry. */
static _Noreturn void child_writes(struct kit *k, int fd, uint64_t from)
{
    if (kit_try(k, NULL, 0) != 0)
        _exit(3);
    for (uint64_t n = from;; n++) {
        char number[24];
        struct rf_keep_op ops[BATCH + 2];
        snprintf(number, sizeof(number), "n%llu", (unsigned long long)n);
        for (uint32_t i = 0; i < BATCH; i++)
            ops[i] = op_state(kit_a, i, "", number);
        ops[BATCH] = op_text(kit_b, n, n, number);
        ops[BATCH + 1] = op_change(RF_KEEP_ENTRY_EDIT, kit_b, 1, NULL, number, n);
        struct rf_keep_batch batches[2] = {{ops, 3}, {ops + 3, BATCH - 1}};
        if (k->store->ops->apply(k->store, batches, 2) != 0)
            _exit(4);
        if (write(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
            _exit(5);
        if (n % 3 == 0)
            (void)k->store->ops->upkeep(k->store);
    }
}

static uint64_t run_and_kill(struct kit *k, uint64_t from, uint64_t acks, useconds_t us)
{
    int fds[2], status = 0;
    uint64_t last = 0, n;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_writes(k, fds[1], from);
    }
    close(fds[1]);
    for (uint64_t i = 0; i < acks; i++) {
        assert_int_equal(read(fds[0], &n, sizeof(n)), (ssize_t)sizeof(n));
        last = n;
    }
    usleep(us); /* a random moment of the child's next commits */
    kill(pid, SIGKILL);
    while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
        last = n;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void test_kill_minus_nine(void **state)
{
    struct kit *k = *state;
    struct rf_keep_query count = {.type = RF_KEEP_COUNT};
    uint64_t next = 1;

    memcpy(count.conversation, kit_b, 16);
    for (int round = 0; round < 12; round++) {
        uint64_t acks = rf_rng_between(&k->rng.rng, 1, 10);
        useconds_t us = (useconds_t)rf_rng_below(&k->rng.rng, 4000);
        char number[32], want[400] = "";
        shut(k);
        uint64_t last = run_and_kill(k, next, acks, us);
        assert_int_equal(kit_try(k, NULL, 0), 0);
        /* everything acknowledged is there; at most the one batch in flight more; never a part of a batch */
        assert_int_equal(kit_ask(k, &count), 0);
        uint64_t have = k->answer.counted.total;
        assert_true(k->answer.counted.last == have && (have == last || have == last + 1));
        for (uint32_t i = 0; i < BATCH; i++)
            snprintf(want + strlen(want), sizeof(want) - strlen(want), "state conversation-aa/%u/=n%llu\n", i,
                     (unsigned long long)have);
        assert_string_equal(kit_states(k), want);
        snprintf(number, sizeof(number), "n%llu", (unsigned long long)have);
        (void)kit_search(k, NULL, number);
        assert_int_equal(k->answer.count, have == 1 ? 1 : 2);
        next = have + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_readable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_are_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_search, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_users_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_index_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_minus_nine, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
