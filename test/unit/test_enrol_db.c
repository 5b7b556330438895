/*
 * test_enrol_db.c - enrol/store.h on a real database. RF_TEST_DB names it (postgresql://...); without it, SQLite in a directory of its own.
 * The same tests run against both: test/system/enrol_postgres.sh starts a private PostgreSQL for the second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/assert.h"
#include "db/enrol.h"

static char where[600], directory[64];

static struct rf_enrol_store *open_db(bool create)
{
    struct rf_enrol_store *s = NULL;
    char why[300] = "";
    int e = rf_enrol_db_open(rf_mem_system(), where, create, &s, why, sizeof(why));
    if (e != RF_OK)
        fail_msg("open: %d %s", e, why);
    return s;
}

static void close_db(struct rf_enrol_store *s)
{
    s->ops->free(s);
}

static void begin(struct rf_enrol_store *s)
{
    int e = s->ops->begin(s);
    if (e != RF_OK)
        fail_msg("begin: %d %s", e, rf_enrol_db_error(s));
}

static void commit(struct rf_enrol_store *s)
{
    int e = s->ops->commit(s);
    if (e != RF_OK)
        fail_msg("commit: %d %s", e, rf_enrol_db_error(s));
}

static struct rf_enrol_user user_of(const char *name)
{
    struct rf_enrol_user u = {.created_ms = 1750000000000};
    snprintf(u.name, sizeof(u.name), "%s", name);
    return u;
}

static struct rf_id id_of(uint8_t byte)
{
    struct rf_id id = {.len = 16};
    memset(id.b, byte, 16);
    return id;
}

static struct rf_enrol_device device_of(uint8_t byte, const char *user)
{
    struct rf_enrol_device d = {.node_id = id_of(byte), .created_ms = 5, .not_after_ms = UINT64_C(1) << 52};
    snprintf(d.user, sizeof(d.user), "%s", user);
    memset(d.key_hash, byte, sizeof(d.key_hash));
    return d;
}

/* Field by field: the bytes between fields are nobody's. */
static void same_user(const struct rf_enrol_user *a, const struct rf_enrol_user *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->password, b->password);
    assert_int_equal(a->disabled, b->disabled);
    assert_int_equal(a->created_ms, b->created_ms);
}

static void same_invite(const struct rf_enrol_invite *a, const struct rf_enrol_invite *b)
{
    assert_memory_equal(a->hash, b->hash, sizeof(a->hash));
    assert_string_equal(a->user, b->user);
    assert_int_equal(a->uses_max, b->uses_max);
    assert_int_equal(a->uses, b->uses);
    assert_int_equal(a->expires_ms, b->expires_ms);
    assert_int_equal(a->created_ms, b->created_ms);
}

static void same_device(const struct rf_enrol_device *a, const struct rf_enrol_device *b)
{
    assert_true(rf_id_equal(&a->node_id, &b->node_id));
    assert_string_equal(a->user, b->user);
    assert_memory_equal(a->key_hash, b->key_hash, sizeof(a->key_hash));
    assert_int_equal(a->created_ms, b->created_ms);
    assert_int_equal(a->not_after_ms, b->not_after_ms);
    assert_int_equal(a->revoked_ms, b->revoked_ms);
}

static void put_user(struct rf_enrol_store *s, const struct rf_enrol_user *u)
{
    begin(s);
    assert_int_equal(s->ops->user_put(s, u), RF_OK);
    commit(s);
}

static int keep_names(void *ctx, const struct rf_enrol_user *u)
{
    char *names = ctx;
    strcat(strcat(names, u->name), " ");
    return strcmp(u->name, "c@x") == 0 ? RF_ECANCELLED : RF_OK;
}

static void test_users(void **state)
{
    struct rf_enrol_store *s = open_db(true);
    struct rf_enrol_user a = user_of("a@x"), got;
    char names[100] = "";
    (void)state;
    assert_int_equal(s->ops->user_get(s, "a@x", &got), RF_ENOTFOUND);
    put_user(s, &a);
    assert_int_equal(s->ops->user_get(s, "a@x", &got), RF_OK);
    same_user(&got, &a);
    snprintf(a.password, sizeof(a.password), "$argon2id$'\";--");
    a.disabled = true;
    put_user(s, &a);
    assert_int_equal(s->ops->user_get(s, "a@x", &got), RF_OK);
    same_user(&got, &a);
    assert_int_equal(s->ops->user_get(s, "A@x", &got), RF_ENOTFOUND);
    for (int i = 0; i < 3; i++) {
        struct rf_enrol_user u = user_of(i == 0 ? "d@x" : i == 1 ? "c@x" : "b@x");
        put_user(s, &u);
    }
    assert_int_equal(s->ops->user_each(s, keep_names, names), RF_ECANCELLED);
    assert_string_equal(names, "a@x b@x c@x ");
    close_db(s);
}

static void test_invites(void **state)
{
    struct rf_enrol_store *s = open_db(false);
    struct rf_enrol_invite a = {.uses_max = 3, .expires_ms = 100, .created_ms = 50, .hash = {0, 39, 255, 10}},
                           b = a, got;
    (void)state;
    b.hash[5] = 1;
    b.expires_ms = 200;
    snprintf(b.user, sizeof(b.user), "bob@x");
    begin(s);
    assert_int_equal(s->ops->invite_put(s, &a), RF_OK);
    assert_int_equal(s->ops->invite_put(s, &b), RF_OK);
    commit(s);
    assert_int_equal(s->ops->invite_get(s, a.hash, &got), RF_OK);
    same_invite(&got, &a);
    a.uses = 2;
    begin(s);
    assert_int_equal(s->ops->invite_put(s, &a), RF_OK);
    commit(s);
    assert_int_equal(s->ops->invite_get(s, a.hash, &got), RF_OK);
    same_invite(&got, &a);
    begin(s);
    assert_int_equal(s->ops->invite_prune(s, 200), RF_OK);
    commit(s);
    assert_int_equal(s->ops->invite_get(s, a.hash, &got), RF_ENOTFOUND);
    assert_int_equal(s->ops->invite_get(s, b.hash, &got), RF_OK);
    same_invite(&got, &b);
    close_db(s);
}

static int count_devices(void *ctx, const struct rf_enrol_device *d)
{
    (void)d;
    ++*(int *)ctx;
    return RF_OK;
}

static void test_devices_and_certs(void **state)
{
    struct rf_enrol_store *s = open_db(false);
    struct rf_enrol_device a = device_of(0x00, "a@x"), b = device_of(0xff, "b@x"), got;
    uint8_t der[2000];
    int count = 0;
    (void)state;
    memset(der, 0, sizeof(der));
    b.node_id.b[3] = 0;
    struct rf_enrol_cert cert = {.serial_hi = INT64_MAX,
                                 .serial_lo = UINT64_MAX,
                                 .node_id = a.node_id,
                                 .issued_ms = 1,
                                 .not_before_ms = 2,
                                 .not_after_ms = 3,
                                 .der = rf_view_of(der, sizeof(der))};
    begin(s);
    assert_int_equal(s->ops->device_put(s, &a), RF_OK);
    assert_int_equal(s->ops->device_put(s, &b), RF_OK);
    struct rf_enrol_device thief = device_of(0x11, "a@x");
    memcpy(thief.key_hash, b.key_hash, sizeof(thief.key_hash));
    assert_int_equal(s->ops->device_put(s, &thief), RF_ECONFLICT);
    assert_int_equal(s->ops->cert_put(s, &cert), RF_OK); /* and the transaction lives on after a conflict */
    assert_int_equal(s->ops->cert_put(s, &cert), RF_ECONFLICT);
    cert.serial_lo--;
    assert_int_equal(s->ops->cert_put(s, &cert), RF_OK);
    commit(s);
    assert_int_equal(s->ops->device_get(s, &a.node_id, &got), RF_OK);
    same_device(&got, &a);
    assert_int_equal(s->ops->device_by_key(s, b.key_hash, &got), RF_OK);
    same_device(&got, &b);
    assert_int_equal(s->ops->device_get(s, &thief.node_id, &got), RF_ENOTFOUND);
    a.revoked_ms = 77;
    begin(s);
    assert_int_equal(s->ops->device_put(s, &a), RF_OK);
    commit(s);
    assert_int_equal(s->ops->device_by_key(s, a.key_hash, &got), RF_OK);
    assert_int_equal(got.revoked_ms, 77);
    assert_int_equal(s->ops->device_each(s, NULL, count_devices, &count), RF_OK);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(s->ops->device_each(s, "b@x", count_devices, &count), RF_OK);
    assert_int_equal(count, 1);
    /* a device of nobody is refused by the database itself */
    struct rf_enrol_device orphan = device_of(0x22, "nobody@x");
    begin(s);
    assert_int_equal(s->ops->device_put(s, &orphan), RF_EDATABASE);
    s->ops->rollback(s);
    assert_true(rf_enrol_db_error(s)[0] != '\0');
    close_db(s);
}

static void test_documents(void **state)
{
    struct rf_enrol_store *s = open_db(false), *other = open_db(false);
    struct rf_enrol_document d = {1, 65534, 9}, got;
    struct rf_buf xml;
    (void)state;
    rf_buf_init(&xml, rf_mem_system(), 1000000);
    assert_int_equal(s->ops->document_get(s, 0, &got, &xml), RF_ENOTFOUND);
    begin(s);
    assert_int_equal(s->ops->document_put(s, &d, rf_view_of("one\0two", 7)), RF_OK);
    assert_int_equal(s->ops->document_put(s, &d, rf_view_str("again")), RF_ECONFLICT);
    commit(s);
    assert_int_equal(other->ops->document_get(other, 0, &got, &xml), RF_OK);
    assert_int_equal(got.number, 1);
    assert_int_equal(got.sequence, 65534);
    assert_int_equal(got.created_ms, 9);
    assert_true(rf_view_equal(rf_buf_view(&xml), rf_view_of("one\0two", 7)));
    rf_buf_reset(&xml);
    assert_int_equal(other->ops->document_get(other, 1, &got, &xml), RF_OK);
    assert_int_equal(xml.len, 0); /* known already */
    d = (struct rf_enrol_document){2, 0, 10};
    char *big = malloc(200000);
    assert_non_null(big);
    memset(big, 'x', 200000);
    begin(s);
    assert_int_equal(s->ops->document_put(s, &d, rf_view_of(big, 200000)), RF_OK);
    commit(s);
    free(big);
    assert_int_equal(other->ops->document_get(other, 1, &got, &xml), RF_OK);
    assert_int_equal(got.number, 2);
    assert_int_equal(got.sequence, 0);
    assert_int_equal(xml.len, 200000);
    rf_buf_deinit(&xml);
    close_db(other);
    close_db(s);
}

static void test_rollback(void **state)
{
    struct rf_enrol_store *s = open_db(false), *other = open_db(false);
    struct rf_enrol_user u = user_of("rolled@x"), got;
    (void)state;
    s->ops->rollback(s); /* without a transaction: harmless */
    begin(s);
    assert_int_equal(s->ops->user_put(s, &u), RF_OK);
    assert_int_equal(s->ops->user_get(s, u.name, &got), RF_OK);
    assert_int_equal(other->ops->user_get(other, u.name, &got),
                     RF_ENOTFOUND); /* nobody else sees it, nobody waits to read */
    s->ops->rollback(s);
    assert_int_equal(s->ops->user_get(s, u.name, &got), RF_ENOTFOUND);
    begin(s);
    assert_int_equal(s->ops->user_put(s, &u), RF_OK);
    close_db(s); /* with an open transaction */
    assert_int_equal(other->ops->user_get(other, u.name, &got), RF_ENOTFOUND);
    close_db(other);
}

/* ---- several at once ---- */

#define THREADS 4
#define ROUNDS  25

/* Each thread, as a process would, counts an invite up in transactions of its own. */
static void *count_up(void *arg)
{
    struct rf_enrol_store *s = NULL;
    long *failed = arg;
    const uint8_t hash[RF_ENROL_HASH_LEN] = {42};
    if (rf_enrol_db_open(rf_mem_system(), where, false, &s, NULL, 0) != RF_OK) {
        ++*failed;
        return NULL;
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct rf_enrol_invite invite;
        if (s->ops->begin(s) != RF_OK) {
            ++*failed;
            continue;
        }
        bool good = s->ops->invite_get(s, hash, &invite) == RF_OK;
        invite.uses++;
        good = good && s->ops->invite_put(s, &invite) == RF_OK && s->ops->commit(s) == RF_OK;
        if (!good) {
            s->ops->rollback(s);
            ++*failed;
        }
    }
    s->ops->free(s);
    return NULL;
}

static void test_serial(void **state)
{
    struct rf_enrol_store *s = open_db(false);
    struct rf_enrol_invite invite = {.hash = {42}, .uses_max = 1000, .expires_ms = UINT64_C(1) << 50};
    pthread_t threads[THREADS];
    long failed[THREADS] = {0};
    (void)state;
    begin(s);
    assert_int_equal(s->ops->invite_put(s, &invite), RF_OK);
    commit(s);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &failed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    assert_int_equal(s->ops->invite_get(s, invite.hash, &invite), RF_OK);
    assert_int_equal(invite.uses, THREADS * ROUNDS);
    close_db(s);
}

/*
 * A process is killed in the middle of its work: each commit that it reported is there, and the store is free at once. It reports through
 * a pipe after each commit.
 */
static void test_killed(void **state)
{
    int report[2], last = -1, n;
    struct rf_enrol_user got;
    char name[32];
    (void)state;
    assert_int_equal(pipe(report), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rf_enrol_store *s = NULL;
        if (rf_enrol_db_open(rf_mem_system(), where, false, &s, NULL, 0) != RF_OK)
            _exit(1);
        for (n = 0;; n++) {
            struct rf_enrol_user u;
            snprintf(name, sizeof(name), "k%d@x", n);
            u = user_of(name);
            if (s->ops->begin(s) != RF_OK || s->ops->user_put(s, &u) != RF_OK || s->ops->commit(s) != RF_OK ||
                write(report[1], &n, sizeof(n)) != sizeof(n))
                _exit(1);
        }
    }
    close(report[1]);
    while (last < 20 && read(report[0], &n, sizeof(n)) == sizeof(n))
        last = n;
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(report[0], &n, sizeof(n)) == sizeof(n))
        last = n;
    close(report[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(last >= 20);
    struct rf_enrol_store *s = open_db(false);
    for (n = 0; n <= last; n++) {
        snprintf(name, sizeof(name), "k%d@x", n);
        assert_int_equal(s->ops->user_get(s, name, &got), RF_OK);
    }
    struct rf_enrol_user after = user_of("after@x");
    put_user(s, &after);
    close_db(s);
}

static void test_refused(void **state)
{
    struct rf_enrol_store *s = NULL;
    char why[300];
    (void)state;
    const struct {
        const char *where;
        int error;
    } bad[] = {
        {"mysql://x", RF_EINVAL},
        {"", RF_EINVAL},
        {"sqlite:/nowhere/at/all/x.db", RF_ENOTFOUND},
        {"postgresql://nobody:sesame@127.0.0.1:1/x", RF_EDATABASE},
    };
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        why[0] = '\0';
        assert_int_equal(rf_enrol_db_open(rf_mem_system(), bad[i].where, false, &s, why, sizeof(why)),
                         bad[i].error);
        assert_true(why[0] != '\0');
        assert_null(strstr(why, "sesame"));
        assert_null(s);
    }
}

/* A file that is no database, and one without our tables. */
static void test_foreign_file(void **state)
{
    struct rf_enrol_store *s = NULL;
    char path[128], at[160], why[300] = "";
    (void)state;
    snprintf(path, sizeof(path), "%s/foreign", directory);
    snprintf(at, sizeof(at), "sqlite:%s", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    assert_int_equal(rf_enrol_db_open(rf_mem_system(), at, true, &s, why, sizeof(why)), RF_EDATABASE);
    assert_non_null(strstr(why, "not a database"));
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(rf_enrol_db_open(rf_mem_system(), at, false, &s, why, sizeof(why)), RF_ENOTFOUND);
    unlink(path);
}

int main(void)
{
    const char *url = getenv("RF_TEST_DB");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_invites),
        cmocka_unit_test(test_devices_and_certs),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_foreign_file),
    };
    snprintf(directory, sizeof(directory), "%s", "/tmp/test_enrol_db.XXXXXX");
    if (!mkdtemp(directory))
        return 1;
    if (url)
        snprintf(where, sizeof(where), "%s", url);
    else
        snprintf(where, sizeof(where), "sqlite:%s/enrol.db", directory);
    int failed =
        cmocka_run_group_tests_name(url ? "enrol on PostgreSQL" : "enrol on SQLite", tests, NULL, NULL);
    const char *const files[] = {"enrol.db", "enrol.db-wal", "enrol.db-shm", "foreign-wal", "foreign-shm"};
    char path[128];
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
    return failed == 0 ? 0 : 1;
}
