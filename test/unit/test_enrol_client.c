/* test_enrol_client.c - the client's side against the server's door, and answers that it must not believe. */
#include "test_enrol.h"

#include <stdio.h>
#include "enrol/client.h"
#include "enrol/door.h"
#include "support/pki.h"

static const struct {
    const char *text;
    int error;
    const char *url;
} urls[] = {
    {"https://127.0.0.1:8443", RF_OK, "https://127.0.0.1:8443/.well-known/reload-config"},
    {"https://example.org/", RF_OK, "https://example.org/.well-known/reload-config"},
    {"HTTPS://example.org", RF_OK, "https://example.org/.well-known/reload-config"},
    {"example.org:8443", RF_OK, "https://example.org:8443/.well-known/reload-config"},
    {"https://[::1]:8443", RF_OK, "https://[::1]:8443/.well-known/reload-config"},
    {"https://example.org/my/overlay.relo", RF_OK, "https://example.org/my/overlay.relo"},
    {"http://example.org", RF_EINVAL, NULL},
    {"file:///tmp/x", RF_EINVAL, NULL},
    {"https://", RF_EFORMAT, NULL},
    {"", RF_EFORMAT, NULL},
    {"https:///path", RF_EFORMAT, NULL},
    {"https://user:pass@example.org", RF_EFORMAT, NULL},
    {"https://a b", RF_EFORMAT, NULL},
    {"https://a\r\nX: y", RF_EFORMAT, NULL},
};

static void test_urls(void **state)
{
    char out[RF_ENROL_URL_SIZE], longer[RF_ENROL_URL_SIZE + 16];
    (void)state;
    for (size_t i = 0; i < RF_COUNT(urls); i++) {
        int e = rf_enrol_client_config_url(urls[i].text, out);
        if (e != urls[i].error || (e == RF_OK && strcmp(out, urls[i].url) != 0))
            fail_msg("%s: %d %s", urls[i].text, e, e == RF_OK ? out : "");
    }
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(rf_enrol_client_config_url(longer, out), RF_ELIMIT);
}

/* A server made of the test PKI: its CA signs, its document says so. */
struct pair {
    struct rf_pki pki;
    struct memory_store *store;
    struct rf_rng_seeded rng;
    struct rf_enrol *enrol;
    struct rf_door door;
    struct rf_now now;
    struct rf_key *key;
};

static void pair_init(struct pair *p, int self_signed)
{
    memset(p, 0, sizeof(*p));
    assert_int_equal(rf_pki_init(&p->pki, &(struct rf_pki_config){.self_signed = self_signed}), RF_OK);
    p->store = memory_store_new();
    rf_rng_seeded_init(&p->rng, 11);
    p->now = (struct rf_now){1000, RF_PKI_WALL_MS};
    assert_int_equal(p->pki.crypto->ops->key_generate(p->pki.crypto, RF_KEY_P256, &p->key), RF_OK);
    if (self_signed)
        return;
    struct rf_enrol_config config = {.overlay = OVERLAY,
                                     .id_len = 16,
                                     .validity_ms = 90 * DAY_MS,
                                     .cost = {8, 1},
                                     .limits = RF_ENROL_LIMITS_DEFAULT};
    assert_int_equal(rf_enrol_new(rf_mem_system(), p->pki.crypto, &p->store->store, &p->rng.rng, NULL,
                                  &p->pki.ca, p->pki.ca_key, &config, &p->enrol),
                     RF_OK);
    rf_door_init(&p->door, rf_mem_system(), p->pki.crypto, &p->store->store, p->enrol);
    struct rf_enrol_invite *row = &p->store->now.invites[p->store->now.invite_count++];
    assert_int_equal(
        rf_enrol_invite_hash(p->pki.crypto, rf_view_str("00000000000000000000000000"), row->hash), RF_OK);
    row->uses_max = 5;
    row->expires_ms = RF_PKI_WALL_MS + DAY_MS;
}

static void pair_deinit(struct pair *p)
{
    if (p->enrol) {
        rf_door_deinit(&p->door);
        rf_enrol_free(p->enrol);
    }
    memory_store_free(p->store);
    p->pki.crypto->ops->key_free(p->pki.crypto, p->key);
    rf_pki_deinit(&p->pki);
}

/* exchange posts what the client made to the door and gives the client the answer. */
static int exchange(struct pair *p, const struct rf_enrol_wish *wish, const struct rf_key *key,
                    struct rf_cert **out, char *sentence)
{
    char type[RF_ENROL_CONTENT_TYPE_SIZE];
    struct rf_buf body;
    struct rf_door_answer answer;
    struct rf_enrol_attempt *attempt;
    rf_buf_init(&body, rf_mem_system(), 32768);
    assert_int_equal(rf_enrol_client_request(p->pki.crypto, key, p->pki.conf, &p->rng.rng, wish, &body, type),
                     RF_OK);
    struct rf_door_request request = {.method = rf_view_str("POST"),
                                      .path = rf_view_str("/enrol"),
                                      .content_type = rf_view_str(type),
                                      .body = rf_buf_view(&body)};
    assert_int_equal(rf_addr_parse("192.0.2.7", 0, &request.peer), RF_OK);
    rf_door_answer_init(&answer, rf_mem_system());
    rf_door_begin(&p->door, &request, &p->now, &answer, &attempt);
    if (attempt) {
        rf_password_run(&attempt->job);
        rf_door_finish(&p->door, attempt, &p->now, &answer);
    }
    struct rf_enrol_reply reply = {.status = answer.status,
                                   .content_type = rf_view_str(answer.content_type),
                                   .reason = rf_view_str(answer.enrol.reason),
                                   .retry_after_s = answer.enrol.retry_after_s,
                                   .body = answer.body};
    int e = rf_enrol_client_answer(p->pki.crypto, key, p->pki.conf, wish->username, &reply, p->now.wall_ms,
                                   out, sentence);
    rf_door_answer_deinit(&answer);
    rf_buf_deinit(&body);
    return e;
}

static void test_enrol_and_renew(void **state)
{
    struct pair p;
    struct rf_cert *cert = NULL, *renewed = NULL;
    char sentence[RF_ENROL_SENTENCE_SIZE];
    (void)state;
    pair_init(&p, 0);
    struct rf_enrol_wish wish = {.username = rf_view_str("Carol"),
                                 .password = rf_view_str("p"),
                                 .invite = rf_view_str("00000000000000000000000000")};
    assert_int_equal(exchange(&p, &wish, p.key, &cert, sentence), RF_OK);
    assert_true(rf_view_equal(cert->user, rf_view_str("carol@example.org")));
    assert_string_equal(sentence, "");
    uint64_t renew_at = rf_enrol_client_renew_at(cert, &p.rng.rng);
    assert_in_range(renew_at, RF_PKI_WALL_MS + 59 * DAY_MS, RF_PKI_WALL_MS + 70 * DAY_MS);
    p.now.wall_ms = renew_at;
    wish = (struct rf_enrol_wish){.username = rf_view_str("carol"), .certificate = cert->x509.der};
    assert_int_equal(exchange(&p, &wish, p.key, &renewed, sentence), RF_OK);
    assert_true(rf_id_equal(&renewed->node_ids[0], &cert->node_ids[0]));
    assert_true(renewed->x509.not_after_ms > cert->x509.not_after_ms);
    rf_cert_release(cert);
    rf_cert_release(renewed);
    wish = (struct rf_enrol_wish){.username = rf_view_str("carol"), .password = rf_view_str("q")};
    assert_int_equal(exchange(&p, &wish, p.key, &cert, sentence), RF_EAUTH);
    assert_non_null(strstr(sentence, "wrong user name or password"));
    pair_deinit(&p);
}

/* A document is asked for at the usual pace, or before it expires if that is earlier, and never in a hurry. */
static void test_refresh_at(void **state)
{
    static const struct {
        uint64_t expires_ms, every_ms, from_ms, to_ms;
    } rows[] = {
        {UINT64_MAX, DAY_MS, DAY_MS, DAY_MS * 5 / 4},
        {WALL_MS + 30 * DAY_MS, DAY_MS, DAY_MS, DAY_MS * 5 / 4},
        {WALL_MS + DAY_MS, DAY_MS, 600000, DAY_MS},
        {WALL_MS + 3600000, DAY_MS, 600000, 3600000},
        {WALL_MS + 5, DAY_MS, 600000, 600000},
        {WALL_MS + 5, 60000, 60000, 60000},
        {WALL_MS, DAY_MS, DAY_MS, DAY_MS * 5 / 4}, /* expired: its server may be away */
        {1, 300000, 300000, 375000},
    };
    struct rf_rng_seeded rng;
    (void)state;
    rf_rng_seeded_init(&rng, 11);
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        uint64_t least = UINT64_MAX, most = 0;
        for (int n = 0; n < 200; n++) {
            uint64_t at_ms =
                rf_enrol_client_refresh_at(rows[i].expires_ms, rows[i].every_ms, WALL_MS, &rng.rng);
            assert_in_range(at_ms, WALL_MS + rows[i].from_ms, WALL_MS + rows[i].to_ms);
            least = at_ms < least ? at_ms : least;
            most = at_ms > most ? at_ms : most;
        }
        uint64_t range = rows[i].to_ms - rows[i].from_ms; /* and not all at once */
        assert_true(most - least >= range / 2);
    }
}

static const struct {
    int status;
    const char *body, *reason;
    uint32_t retry_after_s;
    int error;
    const char *sentence;
} refusals[] = {
    {403, "failed_authentication", "wrong", 0, RF_EAUTH, "did not accept your password or invite: wrong"},
    {403, "username_not_available\n", "", 0, RF_EEXIST, "cannot give you this name"},
    {403, "Node-IDs_not_available", "", 0, RF_ELIMIT, "no further Node-ID"},
    {403, "bad_CSR", "\x1b[2Jboo", 0, RF_EFORMAT, ": ?[2Jboo"},
    {403, "something_new", "because", 0, RF_EREMOTE, "refused: because"},
    {429, "slow down", "too many attempts", 17, RF_EAGAIN, "in 17 seconds: too many"},
    {503, "", "", 0, RF_EAGAIN, "try again later"},
    {404, "", "", 0, RF_EREMOTE, "no enrolment server"},
    {500, "", "", 0, RF_EREMOTE, "HTTP status 500"},
    {301, "", "", 0, RF_EREMOTE, "HTTP status 301"},
    {200, "not a certificate", "", 0, RF_EFORMAT, "cannot be used"},
    {200, "", "", 0, RF_EFORMAT, "cannot be used"},
};

static void test_refusals(void **state)
{
    struct pair p;
    (void)state;
    pair_init(&p, 0);
    for (size_t i = 0; i < RF_COUNT(refusals); i++) {
        struct rf_cert *cert = NULL;
        char sentence[RF_ENROL_SENTENCE_SIZE];
        struct rf_enrol_reply reply = {.status = refusals[i].status,
                                       .reason = rf_view_str(refusals[i].reason),
                                       .retry_after_s = refusals[i].retry_after_s,
                                       .body = rf_view_str(refusals[i].body)};
        int e = rf_enrol_client_answer(p.pki.crypto, p.key, p.pki.conf, rf_view_str("carol"), &reply,
                                       RF_PKI_WALL_MS, &cert, sentence);
        if (e != refusals[i].error || !strstr(sentence, refusals[i].sentence))
            fail_msg("%d %s: %d \"%s\"", refusals[i].status, refusals[i].body, e, sentence);
        assert_null(cert);
    }
    pair_deinit(&p);
}

/* Certificates that a wrong or hostile server could send. */
static void test_wrong_certificates(void **state)
{
    struct pair p, other;
    struct rf_identity node;
    struct rf_key *key;
    struct rf_cert *cert = NULL, *good = NULL;
    char sentence[RF_ENROL_SENTENCE_SIZE];
    (void)state;
    pair_init(&p, 0);
    pair_init(&other, 0);
    struct rf_crypto *c = p.pki.crypto;
    const struct rf_enrol_wish wish = {.username = rf_view_str("carol"),
                                       .invite = rf_view_str("00000000000000000000000000")};
    assert_int_equal(exchange(&p, &wish, p.key, &good, sentence), RF_OK);
    struct rf_enrol_reply reply = {.status = 200, .body = good->x509.der};
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, &key), RF_OK);
    assert_int_equal(rf_enrol_client_answer(c, key, p.pki.conf, rf_view_str("carol"), &reply, RF_PKI_WALL_MS,
                                            &cert, sentence),
                     RF_EMISMATCH);
    assert_non_null(strstr(sentence, "another key"));
    assert_int_equal(rf_enrol_client_answer(c, p.key, p.pki.conf, rf_view_str("dave"), &reply, RF_PKI_WALL_MS,
                                            &cert, sentence),
                     RF_EMISMATCH);
    assert_non_null(strstr(sentence, "another name"));
    /* another CA of the same name */
    int e = rf_enrol_client_answer(c, p.key, other.pki.conf, rf_view_str("carol"), &reply, RF_PKI_WALL_MS,
                                   &cert, sentence);
    assert_int_equal(e, RF_ESIGNATURE);
    assert_non_null(strstr(sentence, "root"));
    assert_int_equal(rf_enrol_client_answer(c, p.key, p.pki.conf, rf_view_str("carol"), &reply,
                                            RF_PKI_WALL_MS - DAY_MS / 2, &cert, sentence),
                     RF_ENOTYET);
    assert_non_null(strstr(sentence, "clock"));
    assert_int_equal(rf_enrol_client_answer(c, p.key, p.pki.conf, rf_view_str("carol"), &reply,
                                            RF_PKI_WALL_MS + 91 * DAY_MS, &cert, sentence),
                     RF_EEXPIRED);
    assert_int_equal(rf_pki_node(&p.pki, "carol@example.org", NULL, RF_KEY_P256, &node), RF_OK);
    reply.body = node.cert->x509.der;
    assert_int_equal(rf_enrol_client_answer(c, p.key, p.pki.conf, rf_view_str("carol"), &reply,
                                            RF_PKI_WALL_MS, &cert, sentence),
                     RF_EMISMATCH);
    assert_null(cert);
    rf_identity_deinit(&node);
    c->ops->key_free(c, key);
    rf_cert_release(good);
    pair_deinit(&other);
    pair_deinit(&p);
}

static void test_bad_wishes(void **state)
{
    struct pair p;
    char type[RF_ENROL_CONTENT_TYPE_SIZE];
    struct rf_buf body;
    (void)state;
    pair_init(&p, 0);
    const struct {
        const char *username;
        int error;
    } wishes[] = {{"", RF_EINVAL}, {"a b", RF_EFORMAT}, {"alice@example.com", RF_EFORMAT}};
    for (size_t i = 0; i < RF_COUNT(wishes); i++) {
        struct rf_enrol_wish wish = {.username = rf_view_str(wishes[i].username)};
        rf_buf_init(&body, rf_mem_system(), 32768);
        assert_int_equal(
            rf_enrol_client_request(p.pki.crypto, p.key, p.pki.conf, &p.rng.rng, &wish, &body, type),
            wishes[i].error);
        rf_buf_deinit(&body);
    }
    struct rf_enrol_wish wish = {.username = rf_view_str("alice")};
    rf_buf_init(&body, rf_mem_system(), 100); /* no room */
    assert_int_equal(rf_enrol_client_request(p.pki.crypto, p.key, p.pki.conf, &p.rng.rng, &wish, &body, type),
                     RF_ELIMIT);
    rf_buf_deinit(&body);
    pair_deinit(&p);
}

static void test_self_signed(void **state)
{
    struct pair p;
    struct rf_cert *cert = NULL, *checked = NULL;
    struct rf_trust *trust;
    (void)state;
    pair_init(&p, RF_DIGEST_SHA256);
    assert_int_equal(rf_enrol_client_self_signed(p.pki.crypto, p.key, p.pki.conf, &p.rng.rng,
                                                 rf_view_str("Alice"), RF_PKI_WALL_MS, 90 * DAY_MS, &cert),
                     RF_OK);
    assert_true(rf_view_equal(cert->user, rf_view_str("alice@example.org")));
    assert_int_equal(rf_pki_trust(&p.pki, 8, &trust), RF_OK);
    assert_int_equal(rf_trust_cert(trust, cert->x509.der, NULL, 0, RF_PKI_WALL_MS, &checked), RF_OK);
    rf_cert_release(checked);
    rf_trust_free(trust);
    rf_cert_release(cert);
    assert_int_equal(rf_enrol_client_self_signed(p.pki.crypto, p.key, p.pki.conf, &p.rng.rng,
                                                 rf_view_str("a b"), RF_PKI_WALL_MS, DAY_MS, &cert),
                     RF_EFORMAT);
    pair_deinit(&p);
    pair_init(&p, 0);
    assert_int_equal(rf_enrol_client_self_signed(p.pki.crypto, p.key, p.pki.conf, &p.rng.rng,
                                                 rf_view_str("alice"), RF_PKI_WALL_MS, DAY_MS, &cert),
                     RF_EFORBIDDEN);
    pair_deinit(&p);
}

int test_enrol_client(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refresh_at),         cmocka_unit_test(test_urls),
        cmocka_unit_test(test_enrol_and_renew),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wrong_certificates), cmocka_unit_test(test_bad_wishes),
        cmocka_unit_test(test_self_signed),
    };
    return cmocka_run_group_tests_name("enrol client", tests, NULL, NULL);
}
