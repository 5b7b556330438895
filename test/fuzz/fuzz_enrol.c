/*
 * fuzz_enrol.c - request bodies at the enrolment server's door. The first byte chooses what the rest is:
 *   0  a line with a Content-Type, then a body          1  the front of a good form, the CSR follows
 *   2  a CSR in a good form                             3  an old certificate in a good form
 * Whatever comes, the answer has a status and a sentence, and certificates come with a record only.
 */
#include <stdlib.h>
#include "base/assert.h"
#include "crypto/openssl/openssl.h"
#include "enrol/door.h"
#include "enrol/multipart.h"
#include "support/enrol_store.h"

#define WALL_MS  UINT64_C(1750000000000)
#define DAY_MS   ((uint64_t)24 * 3600 * 1000)
#define BOUNDARY "XbX"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct rf_crypto *crypto;
static struct rf_key *ca_key, *key;
static struct rf_x509 ca;
static struct rf_buf csr;
static struct memory_store *store;
static struct memory_tables *start;
static struct rf_rng_seeded rng;

static void need(int error)
{
    if (error != RF_OK)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct rf_buf spki, der;
    struct rf_x509_spec spec = {.common_name = rf_view_str("CA"),
                                .is_ca = true,
                                .not_after_ms = WALL_MS + 1000 * DAY_MS,
                                .serial_lo = 1};
    struct rf_password_job job = {
        .work = RF_PASSWORD_MAKE, .cost = {8, 1}, .password = "secret", .password_len = 6};
    (void)argc;
    (void)argv;
    crypto = rf_crypto_openssl_new(rf_mem_system());
    rf_buf_init(&spki, rf_mem_system(), 4096);
    rf_buf_init(&der, rf_mem_system(), 4096);
    rf_buf_init(&csr, rf_mem_system(), 4096);
    need(crypto->ops->key_generate(crypto, RF_KEY_P256, &ca_key));
    need(crypto->ops->key_spki(crypto, ca_key, &spki));
    need(crypto->ops->x509_issue(crypto, &spec, rf_buf_view(&spki), NULL, ca_key, &der));
    need(crypto->ops->x509_decode(crypto, rf_buf_view(&der), &ca));
    need(crypto->ops->key_generate(crypto, RF_KEY_ED25519, &key));
    need(crypto->ops->csr_create(crypto, key, rf_view_str("alice@example.org"), &csr));
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
    store = memory_store_new();
    rf_password_run(&job);
    need(job.result);
    struct rf_enrol_user *user = &store->now.users[store->now.user_count++];
    strcpy(user->name, "alice@example.org");
    strcpy(user->password, job.encoded);
    struct rf_enrol_invite *invite = &store->now.invites[store->now.invite_count++];
    need(rf_enrol_invite_hash(crypto, rf_view_str("00000000000000000000000000"), invite->hash));
    invite->uses_max = 1;
    invite->expires_ms = WALL_MS + DAY_MS;
    start = malloc(sizeof(*start));
    if (!start)
        abort();
    *start = store->now;
    return 0;
}

/* make_body builds the request of one mode; returns its Content-Type. */
static struct rf_view make_body(uint8_t mode, struct rf_view rest, struct rf_buf *body)
{
    struct rf_view type = rf_view_str("multipart/form-data; boundary=" BOUNDARY);
    if (mode == 0) {
        const uint8_t *end = rest.len > 0 ? memchr(rest.p, '\n', rest.len) : NULL;
        size_t line = end ? (size_t)(end - rest.p) : rest.len;
        rf_buf_put(body, rest.p + line + (end ? 1 : 0), rest.len - line - (end ? 1 : 0));
        return rf_view_of(rest.p, line);
    }
    if (mode == 1)
        rf_buf_view_put(body, rest);
    else {
        rf_multipart_put(body, BOUNDARY, "username", NULL, rf_view_str("alice"));
        if (mode == 2)
            rf_multipart_put(body, BOUNDARY, "password", NULL, rf_view_str("secret"));
        rf_multipart_put(body, BOUNDARY, mode == 2 ? "csr" : "certificate", "application/octet-stream", rest);
    }
    if (mode != 2)
        rf_multipart_put(body, BOUNDARY, "csr", "application/pkcs10", rf_buf_view(&csr));
    rf_multipart_end(body, BOUNDARY);
    return type;
}

static void check(const struct rf_door_answer *answer)
{
    bool issued = answer->status == 200;
    RF_ASSERT(issued == (store->now.cert_count == start->cert_count + 1));
    RF_ASSERT(issued || (answer->status >= 400 && answer->status < 500 && answer->enrol.reason[0] != '\0'));
    RF_ASSERT(!issued || rf_view_equal(answer->body, store->now.certs[start->cert_count].cert.der));
    for (const char *c = answer->enrol.reason; *c; c++)
        RF_ASSERT(*c >= ' ' && *c <= '~'); /* goes into a header */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rf_now now = {1000000, WALL_MS};
    const struct rf_enrol_config config = {.overlay = "example.org",
                                           .id_len = 16,
                                           .validity_ms = 90 * DAY_MS,
                                           .cost = {8, 1},
                                           .limits = RF_ENROL_LIMITS_DEFAULT};
    struct rf_enrol *enrol;
    struct rf_door door;
    struct rf_door_answer answer;
    struct rf_enrol_attempt *attempt;
    struct rf_buf body;
    if (size < 1)
        return 0;
    store->now = *start;
    rf_rng_seeded_init(&rng, 1);
    need(rf_enrol_new(rf_mem_system(), crypto, &store->store, &rng.rng, NULL, &ca, ca_key, &config, &enrol));
    rf_door_init(&door, rf_mem_system(), crypto, &store->store, enrol);
    rf_buf_init(&body, rf_mem_system(), RF_DOOR_BODY_MAX_LEN);
    struct rf_door_request request = {.method = rf_view_str("POST"), .path = rf_view_str("/enrol")};
    request.content_type = make_body(data[0] & 3, rf_view_of(data + 1, size - 1), &body);
    request.body = rf_buf_view(&body);
    request.peer.family = 4;
    rf_door_answer_init(&answer, rf_mem_system());
    rf_door_begin(&door, &request, &now, &answer, &attempt);
    if (attempt) {
        rf_password_run(&attempt->job);
        rf_door_finish(&door, attempt, &now, &answer);
    }
    check(&answer);
    rf_door_answer_deinit(&answer);
    rf_buf_deinit(&body);
    rf_door_deinit(&door);
    rf_enrol_free(enrol);
    return 0;
}
