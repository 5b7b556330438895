/* test_enrol.c - the enrolment room's test program: its world, and the groups one after the other. */
#include "test_enrol.h"

#include <stdio.h>
#include "crypto/openssl/openssl.h"

void world_invite(struct world *w, const char *user, uint32_t uses, uint32_t used, uint64_t expires_ms,
                  char *code)
{
    struct rf_enrol_invite *row = &w->store->now.invites[w->store->now.invite_count++];
    rf_enrol_invite_code(&w->rng.rng, code);
    assert_int_equal(rf_enrol_invite_hash(w->crypto, rf_view_str(code), row->hash), RF_OK);
    snprintf(row->user, sizeof(row->user), "%s", user ? user : "");
    row->uses_max = uses;
    row->uses = used;
    row->expires_ms = expires_ms;
}

static void add_user(struct world *w, const char *name, const char *password, bool disabled)
{
    struct rf_enrol_user *row = &w->store->now.users[w->store->now.user_count++];
    snprintf(row->name, sizeof(row->name), "%s", name);
    row->disabled = disabled;
    if (!password)
        return;
    struct rf_password_job job = {
        .work = RF_PASSWORD_MAKE, .cost = w->config.cost, .password_len = strlen(password)};
    memcpy(job.password, password, job.password_len);
    rf_password_run(&job);
    assert_int_equal(job.result, RF_OK);
    memcpy(row->password, job.encoded, sizeof(row->password));
}

static void make_ca(struct world *w)
{
    struct rf_buf spki, der;
    struct rf_x509_spec spec = {.common_name = rf_view_str("test CA"),
                                .is_ca = true,
                                .not_before_ms = WALL_MS - DAY_MS,
                                .not_after_ms = WALL_MS + 1000 * DAY_MS,
                                .serial_lo = 1};
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    assert_int_equal(w->crypto->ops->key_generate(w->crypto, RF_KEY_P256, &w->ca_key), RF_OK);
    assert_int_equal(w->crypto->ops->key_spki(w->crypto, w->ca_key, &spki), RF_OK);
    assert_int_equal(w->crypto->ops->x509_issue(w->crypto, &spec, rf_buf_view(&spki), NULL, w->ca_key, &der),
                     RF_OK);
    assert_int_equal(w->crypto->ops->x509_decode(w->crypto, rf_buf_view(&der), &w->ca), RF_OK);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    rf_mem_test_init(&w->mem);
    w->crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_non_null(w->crypto);
    rf_rng_seeded_init(&w->rng, 7);
    w->store = memory_store_new();
    w->now = (struct rf_now){.mono_us = 1000000, .wall_ms = WALL_MS};
    w->config = (struct rf_enrol_config){
        .overlay = OVERLAY,
        .id_len = 16,
        .validity_ms = RF_ENROL_VALIDITY_MS,
        .cost = {.memory_kib = 8, .passes = 1},
        .limits = {.address_burst = 1000,
                   .address_refill_us = 1000,
                   .name_burst = 5,
                   .name_refill_us = 30000000,
                   .name_all_burst = 12,
                   .name_all_refill_us = 3000000,
                   .max_count = 64},
    };
    make_ca(w);
    add_user(w, "alice@" OVERLAY, PASSWORD, false);
    add_user(w, "bob@" OVERLAY, NULL, false);
    add_user(w, "dora@" OVERLAY, PASSWORD, true);
    assert_int_equal(rf_enrol_new(&w->mem.mem, w->crypto, &w->store->store, &w->rng.rng, NULL, &w->ca,
                                  w->ca_key, &w->config, &w->enrol),
                     RF_OK);
}

void world_deinit(struct world *w)
{
    rf_enrol_free(w->enrol);
    assert_int_equal(w->mem.live_count, 0);
    assert_false(w->store->open);
    memory_store_free(w->store);
    w->crypto->ops->x509_deinit(w->crypto, &w->ca);
    w->crypto->ops->key_free(w->crypto, w->ca_key);
    rf_crypto_openssl_free(w->crypto);
}

struct rf_enrol_user *world_user(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->store->now.user_count; i++)
        if (strcmp(w->store->now.users[i].name, name) == 0)
            return &w->store->now.users[i];
    return NULL;
}

void device_init(struct world *w, struct device *d, enum rf_key_type type, const char *email)
{
    memset(d, 0, sizeof(*d));
    rf_buf_init(&d->csr, rf_mem_system(), 8192);
    rf_buf_init(&d->certificate, rf_mem_system(), 8192);
    assert_int_equal(w->crypto->ops->key_generate(w->crypto, type, &d->key), RF_OK);
    assert_int_equal(w->crypto->ops->csr_create(w->crypto, d->key,
                                                email ? rf_view_str(email) : (struct rf_view){0}, &d->csr),
                     RF_OK);
}

void device_deinit(struct world *w, struct device *d)
{
    w->crypto->ops->key_free(w->crypto, d->key);
    rf_buf_deinit(&d->csr);
    rf_buf_deinit(&d->certificate);
}

static struct rf_view view_of(const char *s)
{
    return s ? rf_view_str(s) : (struct rf_view){0};
}

void fill_request(const struct ask *ask, struct rf_enrol_request *out)
{
    memset(out, 0, sizeof(*out));
    assert_int_equal(rf_addr_parse(ask->peer ? ask->peer : "192.0.2.1", 0, &out->peer), RF_OK);
    out->username = view_of(ask->username);
    out->password = view_of(ask->password);
    out->invite = view_of(ask->invite);
    out->nodeids = view_of(ask->nodeids);
    if (ask->device)
        out->csr = rf_buf_view(&ask->device->csr);
    if (ask->certificate)
        out->certificate = rf_buf_view(&ask->certificate->certificate);
}

void run(struct world *w, const struct ask *ask, struct rf_enrol_answer *answer)
{
    struct rf_enrol_request request;
    struct rf_enrol_attempt *attempt;
    fill_request(ask, &request);
    rf_enrol_answer_init(answer, rf_mem_system());
    rf_enrol_begin(w->enrol, &request, &w->now, answer, &attempt);
    if (!attempt)
        return;
    assert_int_equal(answer->status, 0);
    rf_password_run(&attempt->job);
    rf_enrol_finish(w->enrol, attempt, &w->now, answer);
}

void expect(struct world *w, const struct ask *ask, int status, const char *token, const char *reason_part,
            struct device *into)
{
    struct rf_enrol_answer answer;
    run(w, ask, &answer);
    if (answer.status != status)
        fail_msg("status %d (%s), expected %d", answer.status, answer.reason, status);
    if (token)
        assert_string_equal(answer.token ? answer.token : "none", token);
    else
        assert_null(answer.token);
    if (reason_part && !strstr(answer.reason, reason_part))
        fail_msg("reason \"%s\" lacks \"%s\"", answer.reason, reason_part);
    if (status != 200) {
        assert_int_equal(answer.certificate.len, 0);
        assert_int_equal(answer.node_id.len, 0);
        assert_true(answer.reason[0] != '\0');
    } else if (into) {
        rf_buf_reset(&into->certificate);
        rf_buf_view_put(&into->certificate, rf_buf_view(&answer.certificate));
        into->node_id = answer.node_id;
    }
    rf_enrol_answer_deinit(&answer);
}

int main(void)
{
    return test_enrol_limit() + test_enrol_multipart() + test_enrol_name() + test_enrol_decide() +
                       test_enrol_races() + test_enrol_faults() + test_enrol_admin() + test_enrol_door() +
                       test_enrol_client() ==
                   0
               ? 0
               : 1;
}
