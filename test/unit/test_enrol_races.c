/* test_enrol_races.c - attempts that overlap, limits of rate, and what time and words must not tell. */
#include "test_enrol.h"

#include <stdio.h>

#define AUTH "failed_authentication"
#define NAME "username_not_available"

/* One attempt cut in two, so that a test does something between. */
struct half {
    struct rf_enrol_answer answer;
    struct rf_enrol_attempt *attempt;
};

static void half_begin(struct world *w, const struct ask *ask, struct half *h)
{
    struct rf_enrol_request request;
    fill_request(ask, &request);
    rf_enrol_answer_init(&h->answer, rf_mem_system());
    rf_enrol_begin(w->enrol, &request, &w->now, &h->answer, &h->attempt);
    assert_non_null(h->attempt);
    rf_password_run(&h->attempt->job);
    assert_int_equal(h->attempt->job.password_len, 0); /* gone as soon as it is not needed */
}

static void half_finish(struct world *w, struct half *h, int status, const char *token)
{
    rf_enrol_finish(w->enrol, h->attempt, &w->now, &h->answer);
    if (h->answer.status != status)
        fail_msg("status %d (%s), expected %d", h->answer.status, h->answer.reason, status);
    if (token)
        assert_string_equal(h->answer.token, token);
    rf_enrol_answer_deinit(&h->answer);
}

/* Two take the last use of an invite at the same time, or the same name. */
static void test_one_invite_twice(void **state)
{
    struct world w;
    struct device d[2];
    struct half h[2];
    char code[RF_ENROL_INVITE_CODE_LEN + 1], many[RF_ENROL_INVITE_CODE_LEN + 1];
    (void)state;
    world_init(&w);
    for (int i = 0; i < 2; i++)
        device_init(&w, &d[i], RF_KEY_P256, NULL);
    world_invite(&w, NULL, 1, 0, WALL_MS + DAY_MS, code);
    half_begin(&w, &(struct ask){.username = "x", .password = "first", .invite = code, .device = &d[0]},
               &h[0]);
    half_begin(&w, &(struct ask){.username = "y", .password = "second", .invite = code, .device = &d[1]},
               &h[1]);
    half_finish(&w, &h[1], 200, NULL);
    half_finish(&w, &h[0], 403, AUTH);
    assert_null(world_user(&w, "x@example.org"));
    world_invite(&w, NULL, 5, 0, WALL_MS + DAY_MS, many);
    half_begin(&w, &(struct ask){.username = "z", .password = "first", .invite = many, .device = &d[0]},
               &h[0]);
    device_deinit(&w, &d[1]);
    device_init(&w, &d[1], RF_KEY_P256, NULL);
    half_begin(&w, &(struct ask){.username = "z", .password = "second", .invite = many, .device = &d[1]},
               &h[1]);
    half_finish(&w, &h[0], 200, NULL);
    half_finish(&w, &h[1], 403, NAME);
    for (int i = 0; i < 2; i++)
        device_deinit(&w, &d[i]);
    world_deinit(&w);
}

/* While the password was computed, the operator changed it, disabled the user, or let the invite expire. */
static void test_changed_meanwhile(void **state)
{
    struct world w;
    struct device d;
    struct half h;
    char code[RF_ENROL_INVITE_CODE_LEN + 1];
    const struct ask ask = {.username = "alice", .password = PASSWORD, .device = &d};
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    half_begin(&w, &ask, &h);
    world_user(&w, "alice@example.org")->password[40] ^= 1;
    half_finish(&w, &h, 403, AUTH);
    world_user(&w, "alice@example.org")->password[40] ^= 1;
    half_begin(&w, &ask, &h);
    world_user(&w, "alice@example.org")->disabled = true;
    half_finish(&w, &h, 403, AUTH);
    world_invite(&w, NULL, 1, 0, WALL_MS + DAY_MS, code);
    half_begin(&w, &(struct ask){.username = "x", .password = "p", .invite = code, .device = &d}, &h);
    w.now.wall_ms += DAY_MS;
    half_finish(&w, &h, 403, AUTH);
    assert_int_equal(w.store->now.cert_count, 0);
    device_deinit(&w, &d);
    world_deinit(&w);
}

/* The shell gives an attempt up: nothing leaks, nothing changes. */
static void test_given_up(void **state)
{
    struct world w;
    struct device d;
    struct half h;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    half_begin(&w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &d}, &h);
    rf_enrol_attempt_free(h.attempt);
    rf_enrol_attempt_free(NULL);
    rf_enrol_answer_deinit(&h.answer);
    assert_int_equal(w.store->commits, 0);
    device_deinit(&w, &d);
    world_deinit(&w);
}

/* An unknown name costs the same computation as a known one, and is told in the same words. */
static void test_decoy(void **state)
{
    struct world w;
    struct device d;
    struct half known, unknown, no_password;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    half_begin(&w, &(struct ask){.username = "alice", .password = "x", .device = &d}, &known);
    half_begin(&w, &(struct ask){.username = "nobody1", .password = "x", .device = &d}, &unknown);
    half_begin(&w, &(struct ask){.username = "bob", .password = "x", .device = &d}, &no_password);
    const char *a = known.attempt->job.encoded, *b = unknown.attempt->job.encoded;
    size_t head = strlen("$argon2id$v=19$m=8,t=1,p=1$");
    assert_int_equal(strncmp(a, b, head), 0);
    assert_int_equal(strlen(a), strlen(b));
    assert_int_equal(unknown.attempt->job.work, known.attempt->job.work);
    assert_int_equal(unknown.attempt->job.result, RF_EAUTH); /* it was really computed, and is well-formed */
    assert_int_equal(no_password.attempt->job.result, RF_EAUTH);
    unknown.attempt->job.result = RF_OK; /* even if it fitted */
    rf_enrol_finish(w.enrol, known.attempt, &w.now, &known.answer);
    rf_enrol_finish(w.enrol, unknown.attempt, &w.now, &unknown.answer);
    rf_enrol_finish(w.enrol, no_password.attempt, &w.now, &no_password.answer);
    assert_int_equal(unknown.answer.status, 403);
    assert_string_equal(known.answer.reason, unknown.answer.reason);
    assert_string_equal(known.answer.reason, no_password.answer.reason);
    rf_enrol_answer_deinit(&known.answer);
    rf_enrol_answer_deinit(&unknown.answer);
    rf_enrol_answer_deinit(&no_password.answer);
    device_deinit(&w, &d);
    world_deinit(&w);
}

static void limited(struct world *w, const struct ask *ask, const char *why, uint32_t min_s, uint32_t max_s)
{
    struct rf_enrol_answer answer;
    run(w, ask, &answer);
    assert_int_equal(answer.status, 429);
    assert_null(answer.token);
    assert_non_null(strstr(answer.reason, why));
    if (answer.retry_after_s < min_s || answer.retry_after_s > max_s)
        fail_msg("Retry-After %u", answer.retry_after_s);
    rf_enrol_answer_deinit(&answer);
}

static void wrong(struct world *w, const char *name, const struct device *d, const char *peer)
{
    expect(w, &(struct ask){.username = name, .password = "x", .device = d, .peer = peer}, 403, AUTH, NULL,
           NULL);
}

/* Five wrong passwords for one name from one network: then even the right one has to wait there. Successes cost nothing. */
static void test_name_limit(void **state)
{
    struct world w;
    struct device d;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    const struct ask right = {.username = "alice", .password = PASSWORD, .device = &d};
    struct ask elsewhere = right;
    elsewhere.peer = "192.0.2.2";
    for (int i = 0; i < 20; i++)
        expect(&w, &right, 200, NULL, NULL, NULL);
    for (int i = 0; i < 5; i++)
        wrong(&w, "ALICE", &d, NULL);
    limited(&w, &right, "this name", 30, 31);
    expect(&w, &elsewhere, 200, NULL, NULL, NULL);
    wrong(&w, "nobody1", &d, NULL);
    w.now.mono_us += 30000000;
    expect(&w, &right, 200, NULL, NULL, NULL);
    /* names that do not exist are limited in the same way */
    for (int i = 0; i < 5; i++)
        wrong(&w, "nobody1", &d, NULL);
    limited(&w, &(struct ask){.username = "nobody1", .password = "x", .device = &d}, "this name", 1, 31);
    assert_int_equal(rf_enrol_counters(w.enrol)->limited_name, 2);
    device_deinit(&w, &d);
    world_deinit(&w);
}

/*
 * Whoever guesses a name's password from one network, for as long as he likes, does not keep its owner out. From many networks he does, as
 * long as he goes on; but not those who have an invite, or a certificate to renew.
 */
static void test_nobody_is_locked_out(void **state)
{
    struct world w;
    struct device d, second;
    struct rf_enrol_answer answer;
    char peer[32], code[RF_ENROL_INVITE_CODE_LEN + 1];
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    device_init(&w, &second, RF_KEY_P256, NULL);
    const struct ask right = {.username = "alice", .password = PASSWORD, .device = &d, .peer = "192.0.2.2"};
    for (int i = 0; i < 300; i++) {
        run(&w, &(struct ask){.username = "alice", .password = "x", .device = &d, .peer = "198.51.100.1"},
            &answer);
        assert_true(answer.status == 403 || answer.status == 429);
        rf_enrol_answer_deinit(&answer);
        w.now.mono_us += 1000000;
        if (i % 50 == 49)
            expect(&w, &right, 200, NULL, NULL, &d);
    }
    w.now.mono_us += 60000000;
    for (int i = 0; i < 12; i++) {
        snprintf(peer, sizeof(peer), "198.51.100.%d", 10 + i);
        wrong(&w, "alice", &d, peer);
    }
    limited(&w, &right, "this name", 3, 4);
    limited(&w, &right, "this name", 3, 4); /* and waiting in vain costs nothing */
    expect(&w, &(struct ask){.device = &d, .certificate = &d}, 200, NULL, NULL, NULL);
    world_invite(&w, "alice@" OVERLAY, 1, 0, WALL_MS + DAY_MS, code);
    expect(&w, &(struct ask){.username = "alice", .invite = code, .device = &second}, 200, NULL, NULL, NULL);
    w.now.mono_us += 3000000;
    expect(&w, &right, 200, NULL, NULL, NULL);
    device_deinit(&w, &second);
    device_deinit(&w, &d);
    world_deinit(&w);
}

/* An address that is refused again and again; IPv6 neighbours in one /64 share. */
static void test_address_limit(void **state)
{
    struct world w;
    struct device d;
    char name[32];
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    rf_enrol_free(w.enrol);
    w.config.limits.address_burst = 20;
    w.config.limits.address_refill_us = 1000000;
    assert_int_equal(rf_enrol_new(&w.mem.mem, w.crypto, &w.store->store, &w.rng.rng, NULL, &w.ca, w.ca_key,
                                  &w.config, &w.enrol),
                     RF_OK);
    const char *peers[2][3] = {{"192.0.2.1", "192.0.2.1", "192.0.2.2"},
                               {"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}};
    for (int family = 0; family < 2; family++) {
        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof(name), "nobody%d%d", family, i);
            expect(&w,
                   &(struct ask){.username = name, .password = "x", .device = &d, .peer = peers[family][0]},
                   403, AUTH, NULL, NULL);
        }
        const struct ask again = {
            .username = "alice", .password = PASSWORD, .device = &d, .peer = peers[family][1]};
        limited(&w, &again, "your address", 5, 6);
        struct ask other = again;
        other.peer = peers[family][2];
        expect(&w, &other, 200, NULL, NULL, NULL);
        w.now.mono_us += 5000000;
        expect(&w, &again, 200, NULL, NULL,
               NULL); /* and a success costs one only: the next comes after one second */
        w.now.mono_us += 1000000;
        expect(&w, &again, 200, NULL, NULL, NULL);
    }
    device_deinit(&w, &d);
    world_deinit(&w);
}

/* Neither password nor code nor hash ever gets into an answer. */
static void test_no_secrets(void **state)
{
    struct world w;
    struct device d;
    char code[RF_ENROL_INVITE_CODE_LEN + 1];
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    world_invite(&w, NULL, 1, 1, WALL_MS + DAY_MS, code);
    const struct ask asks[] = {
        {.username = "alice", .password = "sesame sesame", .device = &d},
        {.username = "carol", .invite = code, .device = &d},
        {.username = "sesame sesame",
         .password = "sesame sesame",
         .device = &d}, /* typed into the wrong field */
        {.username = "carol", .invite = "sesame sesame", .device = &d},
        {.username = "carol", .nodeids = "sesame sesame", .device = &d},
    };
    for (size_t i = 0; i < RF_COUNT(asks); i++) {
        struct rf_enrol_answer answer;
        run(&w, &asks[i], &answer);
        assert_true(answer.status >= 400);
        assert_null(strstr(answer.reason, "sesame"));
        assert_null(strstr(answer.reason, code));
        assert_null(strstr(answer.reason, "argon2"));
        assert_null(strstr(answer.user, "sesame"));
        rf_enrol_answer_deinit(&answer);
    }
    device_deinit(&w, &d);
    world_deinit(&w);
}

int test_enrol_races(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_invite_twice), cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_given_up),         cmocka_unit_test(test_decoy),
        cmocka_unit_test(test_name_limit),       cmocka_unit_test(test_nobody_is_locked_out),
        cmocka_unit_test(test_address_limit),    cmocka_unit_test(test_no_secrets),
    };
    return cmocka_run_group_tests_name("enrol races and limits", tests, NULL, NULL);
}
