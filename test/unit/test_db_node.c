/* test_db_node.c - the node's database: what is put in comes out again, and after kill -9 exactly what was committed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/assert.h"
#include "base/rng.h"
#include "db/node.h"

struct fixture {
    char dir[64];
    char path[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "%s/rf-db-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/node.db", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < RF_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
        unlink(name);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct rf_node_store *open_ok(const struct fixture *f)
{
    struct rf_node_store *s = NULL;
    char text[256] = "";
    int error = rf_node_sqlite_open(rf_mem_system(), f->path, &s, text, sizeof(text));
    if (error != 0)
        fail_msg("%d: %s", error, text);
    return s;
}

static struct rf_persist_op put_op(const char *resource, uint32_t kind, struct rf_view slot, uint64_t number,
                                   const char *data, const char *cert)
{
    return (struct rf_persist_op){
        .type = RF_PERSIST_PUT,
        .record = {.resource = rf_view_str(resource),
                   .kind = kind,
                   .slot = slot,
                   .generation = number,
                   .storage_time_ms = number + 1,
                   .expires_ms = UINT64_MAX - (number & 0xffff),
                   .replica_number = 2,
                   .stored_data = rf_view_str(data),
                   .cert = rf_view_str(cert)},
    };
}

static struct rf_persist_op delete_op(const char *resource, uint32_t kind, struct rf_view slot)
{
    return (struct rf_persist_op){
        .type = RF_PERSIST_DELETE,
        .record = {.resource = rf_view_str(resource), .kind = kind, .slot = slot},
    };
}

/* What load shows, as one line per record. */
struct listing {
    char text[4096];
    size_t count;
};

static int list_one(void *ctx, const struct rf_record *r)
{
    struct listing *l = ctx;
    size_t at = strlen(l->text);
    snprintf(l->text + at, sizeof(l->text) - at, "%.*s/%x/%zu:%.*s g%llu t%llu e%llu r%u %.*s %.*s\n",
             (int)r->resource.len, (const char *)r->resource.p, r->kind, r->slot.len, (int)r->slot.len,
             (const char *)r->slot.p, (unsigned long long)r->generation,
             (unsigned long long)r->storage_time_ms, (unsigned long long)(UINT64_MAX - r->expires_ms),
             r->replica_number, (int)r->stored_data.len, (const char *)r->stored_data.p, (int)r->cert.len,
             (const char *)r->cert.p);
    l->count++;
    return 0;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    struct rf_view none = rf_view_of(NULL, 0);
    struct rf_persist_op first[] = {
        put_op("aaaaaaaaaaaaaaaa", 1, rf_view_str("key"), 7, "one", "cert-a"),
        put_op("aaaaaaaaaaaaaaaa", 0xfffffffe, none, UINT64_MAX - 2, "two", "cert-a"),
        put_op("bbbbbbbbbbbbbbbb", 3, rf_view_of("\0\0\0\1", 4), 9, "three", "cert-b"),
    };
    struct rf_persist_op second[] = {
        put_op("aaaaaaaaaaaaaaaa", 1, rf_view_str("key"), 8, "one again", "cert-b"),
        delete_op("bbbbbbbbbbbbbbbb", 3, rf_view_of("\0\0\0\1", 4)),
        delete_op("bbbbbbbbbbbbbbbb", 3, rf_view_of("\0\0\0\2", 4)), /* was never there */
    };
    struct rf_node_batch batches[] = {{1, first, RF_COUNT(first)}, {2, second, RF_COUNT(second)}};
    assert_int_equal(s->ops->apply(s, batches, 2), 0);
    for (int reopened = 0; reopened < 2; reopened++) {
        struct listing l = {.count = 0};
        assert_int_equal(s->ops->load(s, list_one, &l), 0);
        assert_string_equal(l.text, "aaaaaaaaaaaaaaaa/1/3:key g8 t9 e8 r2 one again cert-b\n"
                                    "aaaaaaaaaaaaaaaa/fffffffe/0: g18446744073709551613 t18446744073709551614"
                                    " e65533 r2 two cert-a\n");
        s->ops->close(s);
        s = open_ok(f);
    }
    s->ops->close(s);
}

static void test_tidy(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    struct rf_view none = rf_view_of(NULL, 0);
    const uint64_t now = (uint64_t)time(NULL) * 1000, day = 86400000;
    const uint64_t ends[] = {1, now - 8 * day, now - 6 * day, now + day, UINT64_MAX};
    struct rf_persist_op ops[5];
    for (size_t i = 0; i < 5; i++) {
        ops[i] = put_op("aaaaaaaaaaaaaaaa", (uint32_t)i, none, i, "x", i == 1 ? "cert-old" : "cert");
        ops[i].record.expires_ms = ends[i];
    }
    struct rf_node_batch batch = {1, ops, 5};
    assert_int_equal(s->ops->apply(s, &batch, 1), 0);
    s->ops->close(s);
    s = open_ok(f);
    struct listing l = {.count = 0};
    assert_int_equal(s->ops->load(s, list_one, &l), 0);
    assert_int_equal(l.count, 3); /* ended more than a week ago: gone */
    assert_null(strstr(l.text, "cert-old"));
    s->ops->close(s);
}

static int stop_at_second(void *ctx, const struct rf_record *r)
{
    (void)r;
    size_t *count = ctx;
    return ++*count == 2 ? RF_ECANCELLED : 0;
}

static void test_load_stops(void **state)
{
    struct rf_node_store *s = open_ok(*state);
    struct rf_view none = rf_view_of(NULL, 0);
    struct rf_persist_op ops[3] = {put_op("a", 1, none, 1, "x", "c"), put_op("b", 1, none, 1, "x", "c"),
                                   put_op("c", 1, none, 1, "x", "c")};
    struct rf_node_batch batch = {1, ops, 3};
    assert_int_equal(s->ops->apply(s, &batch, 1), 0);
    size_t count = 0;
    assert_int_equal(s->ops->load(s, stop_at_second, &count), RF_ECANCELLED);
    assert_int_equal(count, 2);
    struct listing l = {.count = 0};
    assert_int_equal(s->ops->load(s, list_one, &l), 0); /* the statement is usable again */
    assert_int_equal(l.count, 3);
    s->ops->close(s);
}

static void test_state(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    assert_int_equal(s->ops->get(s, "conf", &buf), RF_ENOTFOUND);
    assert_int_equal(s->ops->put(s, "conf", rf_view_str("<overlay/>")), 0);
    assert_int_equal(s->ops->put(s, "peers", rf_view_of("\0\1", 2)), 0);
    assert_int_equal(s->ops->put(s, "conf", rf_view_str("<overlay>2</overlay>")), 0);
    assert_int_equal(s->ops->put(s, "peers", rf_view_of(NULL, 0)), 0);
    s->ops->close(s);
    s = open_ok(f);
    assert_int_equal(s->ops->get(s, "conf", &buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_str("<overlay>2</overlay>")));
    assert_int_equal(s->ops->get(s, "peers", &buf), RF_ENOTFOUND);
    rf_buf_deinit(&buf);
    s->ops->close(s);
}

/* Kinds learned from others are many bytes, with zeros among them; an empty value means that there are none any more. */
static void test_kinds(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    uint8_t kinds[50000];
    struct rf_buf buf;
    for (size_t i = 0; i < sizeof(kinds); i++)
        kinds[i] = (uint8_t)(i % 251);
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    assert_int_equal(s->ops->get(s, "kinds", &buf), RF_ENOTFOUND);
    assert_int_equal(s->ops->put(s, "kinds", rf_view_of(kinds, sizeof(kinds))), 0);
    s->ops->close(s);
    s = open_ok(f);
    assert_int_equal(s->ops->get(s, "kinds", &buf), 0);
    assert_true(rf_view_equal(rf_buf_view(&buf), rf_view_of(kinds, sizeof(kinds))));
    assert_int_equal(s->ops->put(s, "kinds", rf_view_of(NULL, 0)), 0);
    s->ops->close(s);
    s = open_ok(f);
    assert_int_equal(s->ops->get(s, "kinds", &buf), RF_ENOTFOUND);
    rf_buf_deinit(&buf);
    s->ops->close(s);
}

static void test_second_process(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    struct rf_node_store *other = NULL;
    char text[256] = "";
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), f->path, &other, text, sizeof(text)), RF_EBUSY);
    assert_non_null(strstr(text, "another process uses the database"));
    s->ops->close(s);
    s = open_ok(f);
    s->ops->close(s);
}

static void write_file(const char *path, const void *bytes, size_t len, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    char junk[8192];
    memset(junk, 'x', sizeof(junk));
    write_file(f->path, junk, sizeof(junk), 0);
    struct rf_node_store *s = NULL;
    char text[256] = "";
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), f->path, &s, text, sizeof(text)), RF_EDATABASE);
    assert_non_null(strstr(text, "damaged"));
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), "/nonexistent/x.db", &s, text, sizeof(text)),
                     RF_EDATABASE);
    assert_non_null(strstr(text, "cannot be opened"));
}

static void test_damaged_pages(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    static char big[3000];
    memset(big, 'd', sizeof(big) - 1);
    for (uint32_t i = 0; i < 40; i++) {
        struct rf_persist_op op = put_op("resource", i, rf_view_of(NULL, 0), i, big, "cert");
        struct rf_node_batch batch = {i, &op, 1};
        assert_int_equal(s->ops->apply(s, &batch, 1), 0);
    }
    s->ops->close(s); /* the last connection moves the log into the file */
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(st.st_size > 20 * 4096);
    char junk[4096];
    memset(junk, 0xa5, sizeof(junk));
    for (off_t page = 1; page < st.st_size / 4096; page++)
        write_file(f->path, junk, sizeof(junk), page * 4096);
    char text[256] = "";
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), f->path, &s, text, sizeof(text)), RF_EDATABASE);
    assert_non_null(strstr(text, "damaged"));
}

static void test_foreign_and_newer(void **state)
{
    struct fixture *f = *state;
    struct rf_node_store *s = open_ok(f);
    s->ops->close(s);
    char text[256] = "";
    /* offset 60: user_version, 68: application_id, both big-endian, in a file without a log */
    write_file(f->path, "\0\0\0\2", 4, 60);
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), f->path, &s, text, sizeof(text)), RF_EVERSION);
    assert_non_null(strstr(text, "newer"));
    write_file(f->path, "\0\0\0\1", 4, 60);
    write_file(f->path, "none", 4, 68);
    assert_int_equal(rf_node_sqlite_open(rf_mem_system(), f->path, &s, text, sizeof(text)), RF_EDATABASE);
    assert_non_null(strstr(text, "no database of a node"));
}

/* ---- kill -9 ---- */

#define BATCH_OPS 5

/* The child writes batches (number n: the same five slots, all with n as their generation, and one slot of its own) and reports each
 * acknowledged number through the pipe. */
static _Noreturn void child_writes(const char *path, int fd, uint64_t from)
{
    struct rf_node_store *s = NULL;
    if (rf_node_sqlite_open(rf_mem_system(), path, &s, NULL, 0) != 0)
        _exit(3);
    for (uint64_t n = from;; n++) {
        struct rf_persist_op ops[BATCH_OPS + 1];
        uint8_t slots[BATCH_OPS];
        for (uint8_t i = 0; i < BATCH_OPS; i++) {
            slots[i] = i;
            ops[i] = put_op("resource-shared-", 1, rf_view_of(&slots[i], 1), n, "payload", "cert");
        }
        ops[BATCH_OPS] = put_op("resource-single-", (uint32_t)n, rf_view_of(NULL, 0), n, "payload", "cert");
        struct rf_node_batch batches[2] = {{n, ops, 3}, {n, ops + 3, BATCH_OPS - 2}};
        if (s->ops->apply(s, batches, 2) != 0)
            _exit(4);
        if (write(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
            _exit(5);
    }
}

struct found {
    uint64_t shared[BATCH_OPS];
    size_t shared_count;
    uint64_t single_count, single_max;
};

static int find_one(void *ctx, const struct rf_record *r)
{
    struct found *found = ctx;
    if (rf_view_equal(r->resource, rf_view_str("resource-shared-"))) {
        found->shared[r->slot.p[0]] = r->generation;
        found->shared_count++;
    } else {
        found->single_count++;
        if (r->generation > found->single_max)
            found->single_max = r->generation;
    }
    return 0;
}

/* Starts the child, lets it acknowledge `acks` batches, waits `us` longer, kills it; returns the last acknowledged number. */
static uint64_t run_and_kill(const struct fixture *f, uint64_t from, uint64_t acks, useconds_t us)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_writes(f->path, fds[1], from);
    }
    close(fds[1]);
    uint64_t last = 0;
    uint64_t n;
    for (uint64_t i = 0; i < acks; i++) {
        assert_int_equal(read(fds[0], &n, sizeof(n)), (ssize_t)sizeof(n));
        last = n;
    }
    usleep(us); /* a random moment of the child's next commits */
    kill(pid, SIGKILL);
    while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
        last = n;
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void test_kill_minus_nine(void **state)
{
    struct fixture *f = *state;
    struct rf_rng_seeded rng;
    rf_rng_seeded_init(&rng, 20);
    uint64_t next = 1;
    for (int round = 0; round < 25; round++) {
        uint64_t acks = rf_rng_between(&rng.rng, 1, 12);
        uint64_t last = run_and_kill(f, next, acks, (useconds_t)rf_rng_below(&rng.rng, 3000));
        struct rf_node_store *s = open_ok(f);
        struct found found = {.shared_count = 0};
        assert_int_equal(s->ops->load(s, find_one, &found), 0);
        s->ops->close(s);
        /* everything acknowledged is there; at most the one batch in flight more; never a part of a batch */
        assert_true(found.single_max == last || found.single_max == last + 1);
        assert_int_equal(found.single_count, found.single_max);
        assert_int_equal(found.shared_count, BATCH_OPS);
        for (size_t i = 0; i < BATCH_OPS; i++)
            assert_int_equal(found.shared[i], found.single_max);
        next = found.single_max + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tidy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_and_newer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_minus_nine, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
