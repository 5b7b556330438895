/* test_crypto_csr.c - certificate requests. */
#include "test_crypto.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

static const enum rf_key_type types[] = {RF_KEY_P256, RF_KEY_RSA2048, RF_KEY_ED25519};

static void requests_are_good_for_others(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < 3; i++) {
        struct rf_key *key;
        struct rf_buf der, spki;
        struct rf_csr csr;
        const uint8_t *p;
        X509_REQ *req;

        rf_buf_init(&der, &f.mem.mem, 1 << 14);
        rf_buf_init(&spki, &f.mem.mem, 1 << 14);
        assert_int_equal(f.c->ops->key_generate(f.c, types[i], &key), 0);
        assert_int_equal(f.c->ops->csr_create(f.c, key, VIEW("alice@example.org"), &der), 0);
        assert_int_equal(f.c->ops->key_spki(f.c, key, &spki), 0);
        assert_int_equal(f.c->ops->csr_decode(f.c, rf_buf_view(&der), &csr), 0);
        assert_true(csr.subject_empty);
        assert_int_equal(csr.key_type, types[i]);
        assert_true(rf_view_equal(csr.email, VIEW("alice@example.org")));
        assert_true(rf_view_equal(csr.spki, rf_buf_view(&spki)));
        f.c->ops->csr_deinit(f.c, &csr);
        p = der.p;
        req = d2i_X509_REQ(NULL, &p, (long)der.len);
        assert_non_null(req);
        assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
        assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(req)), 0);
        X509_REQ_free(req);
        f.c->ops->key_free(f.c, key);
        rf_buf_deinit(&der);
        rf_buf_deinit(&spki);
    }
    fixture_deinit(&f);
}

/* request_by_openssl makes a request as a stranger would: with a subject, several names, an attribute that we do not know. */
static void request_by_openssl(const char *names, const char *common_name, struct rf_buf *out)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    uint8_t *der = NULL;
    int len;

    assert_int_equal(X509_REQ_set_pubkey(req, pkey), 1);
    if (common_name != NULL)
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_ASC,
                                                    (const uint8_t *)common_name, -1, -1, 0),
                         1);
    assert_int_equal(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_ASC,
                                               (const uint8_t *)"secret", -1),
                     1);
    if (names != NULL) {
        STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();

        sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, "digitalSignature"));
        sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names));
        assert_int_equal(X509_REQ_add_extensions(req, list), 1);
        sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    }
    assert_true(X509_REQ_sign(req, pkey, EVP_sha256()) > 0);
    len = i2d_X509_REQ(req, &der);
    rf_buf_reset(out);
    rf_buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(pkey);
}

static void requests_of_others_are_read(void **state)
{
    static const struct {
        const char *names, *common_name, *email;
        int error;
    } cases[] = {
        {"email:bob@example.org", NULL, "bob@example.org", 0},
        {"DNS:x.example.org,email:bob@example.org,URI:http://x", "bob", "bob@example.org", 0},
        {"DNS:x.example.org", NULL, "", 0},
        {NULL, "bob", "", 0},
        {"email:bob@example.org,email:eve@example.org", NULL, "", RF_EFORMAT},
    };
    struct fixture f;
    struct rf_buf der;
    (void)state;
    fixture_init(&f);
    rf_buf_init(&der, &f.mem.mem, 1 << 14);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_csr csr;

        request_by_openssl(cases[i].names, cases[i].common_name, &der);
        assert_int_equal(f.c->ops->csr_decode(f.c, rf_buf_view(&der), &csr), cases[i].error);
        if (cases[i].error != 0)
            continue;
        assert_true(rf_view_equal(csr.email, rf_view_str(cases[i].email)));
        assert_true(csr.subject_empty == (cases[i].common_name == NULL));
        f.c->ops->csr_deinit(f.c, &csr);
    }
    rf_buf_deinit(&der);
    fixture_deinit(&f);
}

int test_crypto_csr(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_good_for_others),
        cmocka_unit_test(requests_of_others_are_read),
    };
    return cmocka_run_group_tests_name("csr", tests, NULL, NULL);
}
