/* test_enrol_faults.c - the store or the memory fails at each possible place: nothing half done, a clear answer, no leak. */
#include "test_enrol.h"

#include <stdio.h>
#include <stdlib.h>
#include "enrol/password.h"

struct scene {
    const char *username, *password;
    bool invite;
};
static const struct scene scenes[] = {
    {"alice", PASSWORD, false}, /* verify, new device */
    {"carol", "new one", true}, /* make a user */
    {"carol", NULL, true},
};

static void test_store_fails(void **state)
{
    (void)state;
    for (size_t s = 0; s < RF_COUNT(scenes); s++) {
        struct world w;
        struct device d;
        char code[RF_ENROL_INVITE_CODE_LEN + 1];
        size_t at = 0;
        int status;
        world_init(&w);
        device_init(&w, &d, RF_KEY_P256, NULL);
        world_invite(&w, NULL, 1, 0, WALL_MS + DAY_MS, code);
        struct memory_tables *start = malloc(sizeof(*start));
        assert_non_null(start);
        *start = w.store->now;
        do {
            struct rf_enrol_answer answer;
            w.store->calls = 0;
            w.store->fail_at = ++at;
            w.store->fail_with = at % 2 ? RF_EDATABASE : RF_EBUSY;
            w.now.mono_us += 1000000000;
            run(&w,
                &(struct ask){.username = scenes[s].username,
                              .password = scenes[s].password,
                              .invite = scenes[s].invite ? code : NULL,
                              .device = &d},
                &answer);
            status = answer.status;
            if (status != 200) {
                assert_int_equal(status, 503);
                assert_true(answer.retry_after_s > 0);
                assert_int_equal(answer.certificate.len, 0); /* nothing is given out that is not recorded */
                assert_memory_equal(&w.store->now, start, sizeof(*start));
                assert_false(w.store->open);
            }
            rf_enrol_answer_deinit(&answer);
            assert_true(at < 50);
        } while (status != 200);
        assert_true(at > 6); /* every kind of call was failed once */
        assert_int_equal(rf_enrol_counters(w.enrol)->failed, at - 1);
        free(start);
        device_deinit(&w, &d);
        world_deinit(&w);
    }
}

static void test_memory_fails(void **state)
{
    struct world w;
    struct device d;
    size_t allowed = 0;
    int status;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    do {
        struct rf_enrol_answer answer;
        char peer[32];
        snprintf(peer, sizeof(peer), "203.0.113.%zu", allowed);
        w.mem.allowed = allowed++;
        run(&w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &d, .peer = peer},
            &answer);
        status = answer.status;
        assert_true(status == 200 || status == 500);
        rf_enrol_answer_deinit(&answer);
        assert_true(allowed < 50);
    } while (status != 200);
    assert_true(allowed > 2);
    device_deinit(&w, &d);
    world_deinit(&w);
    for (size_t n = 0; n < 2; n++) {
        struct rf_enrol *enrol;
        world_init(&w);
        w.mem.allowed = n;
        int e = rf_enrol_new(&w.mem.mem, w.crypto, &w.store->store, &w.rng.rng, NULL, &w.ca, w.ca_key,
                             &w.config, &enrol);
        assert_true(n == 0 ? e == RF_ENOMEM : e == RF_OK);
        w.mem.allowed = SIZE_MAX;
        if (e == RF_OK)
            rf_enrol_free(enrol);
        world_deinit(&w);
    }
}

/* A record that this program did not write: the attempt fails as ours, not as a wrong password. */
static void test_damaged_hash(void **state)
{
    struct world w;
    struct device d;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    strcpy(world_user(&w, "alice@example.org")->password, "$argon2id$v=19$nonsense");
    expect(&w, &(struct ask){.username = "alice", .password = PASSWORD, .device = &d}, 500, NULL, "operator",
           NULL);
    device_deinit(&w, &d);
    world_deinit(&w);
}

static const struct {
    const char *what;
    const char *overlay;
    uint8_t id_len;
    uint64_t validity_ms;
    uint32_t burst;
} configs[] = {
    {"no overlay", "", 16, DAY_MS, 10},     {"no domain", "a b", 16, DAY_MS, 10},
    {"short IDs", OVERLAY, 15, DAY_MS, 10}, {"long IDs", OVERLAY, 21, DAY_MS, 10},
    {"no life", OVERLAY, 16, 0, 10},        {"no attempts", OVERLAY, 16, DAY_MS, 1},
};

static void test_bad_config(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    for (size_t i = 0; i < RF_COUNT(configs); i++) {
        struct rf_enrol_config c = w.config;
        struct rf_enrol *enrol;
        c.overlay = configs[i].overlay;
        c.id_len = configs[i].id_len;
        c.validity_ms = configs[i].validity_ms;
        c.limits.address_burst = configs[i].burst;
        if (rf_enrol_new(&w.mem.mem, w.crypto, &w.store->store, &w.rng.rng, NULL, &w.ca, w.ca_key, &c,
                         &enrol) != RF_EINVAL)
            fail_msg("%s was accepted", configs[i].what);
    }
    world_deinit(&w);
}

/* CSRs that are long, broken or of a key type that is not spoken. */
static void test_bad_csr(void **state)
{
    struct world w;
    struct device d, broken;
    (void)state;
    world_init(&w);
    device_init(&w, &d, RF_KEY_P256, NULL);
    memset(&broken, 0, sizeof(broken));
    rf_buf_init(&broken.csr, rf_mem_system(), 8192);
    struct ask ask = {.username = "alice", .password = PASSWORD, .device = &broken};
    for (size_t cut = 0; cut < d.csr.len; cut += 7) { /* truncated, and with one byte changed */
        rf_buf_reset(&broken.csr);
        rf_buf_put(&broken.csr, d.csr.p, cut);
        w.now.mono_us += 1000000000;
        expect(&w, &ask, 403, "bad_CSR", NULL, NULL);
        rf_buf_put(&broken.csr, d.csr.p + cut, d.csr.len - cut);
        broken.csr.p[cut] ^= 0x55;
        w.now.mono_us += 1000000000;
        expect(&w, &ask, 403, "bad_CSR", NULL, NULL);
    }
    rf_buf_reset(&broken.csr);
    assert_non_null(rf_buf_reserve(&broken.csr, RF_ENROL_CSR_MAX_LEN + 1));
    memset(broken.csr.p, 0x30, broken.csr.len);
    expect(&w, &ask, 403, "bad_CSR", "longer", NULL);
    rf_buf_deinit(&broken.csr);
    device_deinit(&w, &d);
    world_deinit(&w);
}

/* Argon2id: parameters stand in the text, the right password fits, another does not, and a job forgets its password. */
static void test_password(void **state)
{
    struct rf_password_job job = {.work = RF_PASSWORD_MAKE, .cost = {64, 2}, .password_len = 5};
    (void)state;
    memcpy(job.password, "12345", 5);
    rf_password_run(&job);
    assert_int_equal(job.result, RF_OK);
    assert_int_equal(strncmp(job.encoded, "$argon2id$v=19$m=64,t=2,p=1$", 28), 0);
    assert_int_equal(job.password[0], 0);
    job.work = RF_PASSWORD_VERIFY;
    memcpy(job.password, "12345", 5);
    job.password_len = 5;
    rf_password_run(&job);
    assert_int_equal(job.result, RF_OK);
    memcpy(job.password, "12346", 5);
    job.password_len = 5;
    rf_password_run(&job);
    assert_int_equal(job.result, RF_EAUTH);
    job.password_len = 4;
    memcpy(job.password, "1234", 4);
    rf_password_run(&job);
    assert_int_equal(job.result, RF_EAUTH);
    strcpy(job.encoded, "no hash at all");
    rf_password_run(&job);
    assert_int_equal(job.result, RF_ECRYPTO);
    /* from the tests of the reference implementation (P-H-C/phc-winner-argon2, src/test.c): "password", "somesalt" */
    strcpy(job.encoded,
           "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    memcpy(job.password, "password", 8);
    job.password_len = 8;
    rf_password_run(&job);
    assert_int_equal(job.result, RF_OK);
}

int test_enrol_faults(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_fails),  cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_damaged_hash), cmocka_unit_test(test_bad_config),
        cmocka_unit_test(test_bad_csr),      cmocka_unit_test(test_password),
    };
    return cmocka_run_group_tests_name("enrol faults", tests, NULL, NULL);
}
