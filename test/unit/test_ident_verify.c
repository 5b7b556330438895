/* test_ident_verify.c - own signatures, and finding the certificate of somebody else's. */
#include "test_ident.h"

#include <stdio.h>

struct node {
    struct rf_identity identity;
    struct rf_buf der;
};

static void node_init(struct fixture *f, struct node *n, const struct node_spec *spec)
{
    struct rf_cert *cert;
    struct rf_key *key;

    rf_buf_init(&n->der, &f->mem.mem, 8192);
    key = node_cert(f, spec, &n->der);
    assert_int_equal(rf_cert_decode(f->c, rf_buf_view(&n->der), OVERLAY, 16, &cert), 0);
    assert_int_equal(rf_identity_init(&n->identity, f->c, key, cert, &spec->ids[spec->id_count - 1]), 0);
    rf_cert_release(cert);
}

static void node_deinit(struct node *n)
{
    rf_identity_deinit(&n->identity);
    rf_buf_deinit(&n->der);
}

/* signature_of signs `text` in two parts; the result points into a static buffer. */
static struct rf_signature signature_of(struct node *n, struct rf_view text)
{
    static uint8_t bytes[1024];
    struct rf_view parts[2] = {{text.p, text.len / 2}, {text.p + text.len / 2, text.len - text.len / 2}}, in;
    struct rf_signature out;
    struct rf_buf buf;

    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    assert_int_equal(rf_identity_sign(&n->identity, parts, 2, &buf), 0);
    in = rf_buf_view(&buf);
    assert_int_equal(rf_signature_decode(&in, &out), 0);
    assert_int_equal(in.len, 0);
    return out;
}

static int verify(struct rf_trust *trust, const struct rf_view *bucket, size_t count,
                  const struct rf_signature *signature, struct rf_view text, struct rf_id *node_id)
{
    struct rf_signer signer = {.cert = NULL};
    int r = rf_verify(trust, bucket, count, signature, &text, 1, NOW_MS, &signer);

    assert_true((signer.cert != NULL) == (r == 0));
    *node_id = signer.node_id;
    rf_signer_deinit(&signer);
    return r;
}

static void signers_are_found_in_bucket_or_cache(void **state)
{
    static const enum rf_key_type types[] = {RF_KEY_P256, RF_KEY_RSA2048, RF_KEY_ED25519};
    struct rf_view text = VIEW("some text"), other_text = VIEW("some texts");
    struct fixture f;
    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < 6; i++) {
        size_t ids = i % 2 == 0 ? 1 : 3; /* cert_hash, or cert_hash_node_id */
        struct rf_trust *trust = trust_new(&f, 10);
        struct node n, other;
        struct rf_signature signature;
        struct rf_view bucket[3];
        struct rf_id signer;

        node_init(
            &f, &n,
            &(struct node_spec){
                .issuer = &f.root, .ids = {id(1), id(2), id(3)}, .id_count = ids, .type = types[i / 2]});
        node_init(&f, &other, &(struct node_spec){.issuer = &f.root, .ids = {id(9)}, .id_count = 1});
        bucket[0] = VIEW("junk");
        bucket[1] = rf_buf_view(&other.der);
        bucket[2] = rf_buf_view(&n.der);
        signature = signature_of(&n, text);
        assert_int_equal(signature.identity.type,
                         ids == 1 ? RF_IDENTITY_CERT_HASH : RF_IDENTITY_CERT_HASH_NODE_ID);
        assert_int_equal(verify(trust, bucket, 2, &signature, text, &signer), RF_ENOTFOUND);
        assert_int_equal(rf_trust_counters(trust)->signer_unknown, 1);
        assert_int_equal(verify(trust, bucket, 3, &signature, text, &signer), 0);
        assert_true(rf_id_equal(&signer, &n.identity.node_id));
        assert_int_equal(signer.b[15], ids);
        assert_int_equal(verify(trust, NULL, 0, &signature, text, &signer), 0); /* cached now */
        assert_int_equal(signer.b[15], ids);
        assert_int_equal(verify(trust, bucket, 3, &signature, other_text, &signer), RF_ESIGNATURE);
        assert_int_equal(rf_trust_counters(trust)->signatures_bad, 1);
        assert_int_equal(rf_trust_counters(trust)->signatures_verified, 2);
        signature.sig_alg = 2; /* dsa */
        assert_int_equal(verify(trust, bucket, 3, &signature, text, &signer), RF_EUNKNOWN);
        assert_int_equal(n.identity.signatures_made, 1);
        node_deinit(&n);
        node_deinit(&other);
        rf_trust_free(trust);
    }
    fixture_deinit(&f);
}

/* rename_signer signs with another SignerIdentity than rf_identity would choose. */
static struct rf_signature rename_signer(struct node *n, enum rf_identity_type type, uint8_t hash_alg,
                                         struct rf_view hash, struct rf_view text)
{
    struct rf_signer_identity name = {.type = (uint8_t)type, .hash_alg = hash_alg, .hash = hash};
    struct rf_buf out;

    rf_buf_fixed(&out, n->identity.signer_identity, sizeof(n->identity.signer_identity));
    rf_signer_identity_encode(&name, &out);
    assert_int_equal(rf_buf_error(&out), 0);
    n->identity.signer_identity_len = out.len;
    return signature_of(n, text);
}

static void one_form_of_name_fits_a_certificate(void **state)
{
    struct rf_view text = VIEW("some text"), parts[2];
    struct fixture f;
    struct rf_trust *trust;
    struct node one, two;
    struct rf_signature s;
    struct rf_id one_id = id(1), signer;
    uint8_t hash[RF_HASH_MAX_LEN];
    (void)state;
    fixture_init(&f);
    node_init(&f, &one, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1});
    node_init(&f, &two, &(struct node_spec){.issuer = &f.root, .ids = {id(5), id(6)}, .id_count = 2});
    for (int cached = 0; cached < 2; cached++) {
        struct rf_view one_der = rf_buf_view(&one.der), two_der = rf_buf_view(&two.der);
        struct rf_cert *cert;

        trust = trust_new(&f, 10);
        if (cached) {
            assert_int_equal(rf_trust_cert(trust, one_der, NULL, 0, NOW_MS, &cert), 0);
            rf_cert_release(cert);
            assert_int_equal(rf_trust_cert(trust, two_der, NULL, 0, NOW_MS, &cert), 0);
            rf_cert_release(cert);
        }
        /* several Node-IDs: cert_hash would not say which */
        s = rename_signer(&two, RF_IDENTITY_CERT_HASH, RF_HASH_SHA256,
                          rf_view_of(two.identity.cert->sha256, 32), text);
        assert_int_equal(verify(trust, &two_der, 1, &s, text, &signer), RF_EMISMATCH);
        /* one Node-ID: cert_hash is mandatory */
        parts[0] = rf_id_view(&one_id);
        parts[1] = one_der;
        assert_int_equal(f.c->ops->hash(f.c, RF_HASH_SHA256, parts, 2, hash), 0);
        s = rename_signer(&one, RF_IDENTITY_CERT_HASH_NODE_ID, RF_HASH_SHA256, rf_view_of(hash, 32), text);
        assert_int_equal(verify(trust, &one_der, 1, &s, text, &signer), RF_EMISMATCH);
        /* SHA-1 names nobody here (D3) */
        assert_int_equal(rf_sha1(f.c, one_der, hash), 0);
        s = rename_signer(&one, RF_IDENTITY_CERT_HASH, RF_HASH_SHA1, rf_view_of(hash, 20), text);
        assert_int_equal(verify(trust, &one_der, 1, &s, text, &signer), RF_EUNKNOWN);
        s = rename_signer(&one, RF_IDENTITY_CERT_HASH, RF_HASH_SHA256, rf_view_of(hash, 20), text);
        assert_int_equal(verify(trust, &one_der, 1, &s, text, &signer), RF_ENOTFOUND);
        s = rename_signer(&one, RF_IDENTITY_NONE, 0, rf_view_of(NULL, 0), text);
        assert_int_equal(verify(trust, &one_der, 1, &s, text, &signer), RF_EUNKNOWN);
        s = rename_signer(&one, RF_IDENTITY_CERT_HASH, RF_HASH_SHA256,
                          rf_view_of(one.identity.cert->sha256, 32), text);
        assert_int_equal(verify(trust, &one_der, 1, &s, text, &signer), 0);
        rf_trust_free(trust);
    }
    node_deinit(&one);
    node_deinit(&two);
    fixture_deinit(&f);
}

/* The SignerIdentity is part of what is signed: one signer's value does not pass under another name of the same key. */
static void the_name_is_signed_too(void **state)
{
    struct rf_view text = VIEW("some text");
    struct fixture f;
    struct rf_trust *trust;
    struct node n;
    struct rf_signature five, six;
    struct rf_view der;
    struct rf_id signer, other = id(5);
    struct rf_identity second;
    uint8_t bytes[256];
    struct rf_buf buf;
    struct rf_view in;
    (void)state;
    fixture_init(&f);
    trust = trust_new(&f, 10);
    node_init(&f, &n, &(struct node_spec){.issuer = &f.root, .ids = {id(5), id(6)}, .id_count = 2});
    der = rf_buf_view(&n.der);
    assert_int_equal(rf_identity_init(&second, f.c, n.identity.key, n.identity.cert, &other), 0);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    assert_int_equal(rf_identity_sign(&second, &text, 1, &buf), 0);
    in = rf_buf_view(&buf);
    assert_int_equal(rf_signature_decode(&in, &five), 0);
    six = signature_of(&n, text);
    assert_int_equal(verify(trust, &der, 1, &six, text, &signer), 0);
    assert_int_equal(signer.b[15], 6);
    assert_int_equal(verify(trust, &der, 1, &five, text, &signer), 0);
    assert_int_equal(signer.b[15], 5);
    five.identity = six.identity;
    assert_int_equal(verify(trust, &der, 1, &five, text, &signer), RF_ESIGNATURE);
    rf_cert_release(second.cert); /* the key is n's */
    node_deinit(&n);
    rf_trust_free(trust);
    fixture_deinit(&f);
}

static void identities_need_the_right_key(void **state)
{
    struct fixture f;
    struct node n;
    struct rf_identity identity;
    struct rf_key *key;
    struct rf_id one = id(1), two = id(2);
    (void)state;
    fixture_init(&f);
    node_init(&f, &n, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1});
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_ED25519, &key), 0);
    assert_int_equal(rf_identity_init(&identity, f.c, key, n.identity.cert, &one), RF_EMISMATCH);
    assert_int_equal(rf_identity_init(&identity, f.c, n.identity.key, n.identity.cert, &two), RF_EINVAL);
    f.c->ops->key_free(f.c, key);
    identity = (struct rf_identity){.crypto = NULL};
    rf_identity_deinit(&identity); /* harmless */
    node_deinit(&n);
    fixture_deinit(&f);
}

static void too_many_parts_are_refused(void **state)
{
    struct rf_view parts[17];
    struct fixture f;
    struct rf_trust *trust;
    struct node n;
    struct rf_signer signer;
    struct rf_signature s;
    struct rf_view der, in;
    uint8_t bytes[256];
    struct rf_buf out;
    (void)state;
    fixture_init(&f);
    trust = trust_new(&f, 10);
    node_init(&f, &n, &(struct node_spec){.issuer = &f.root, .ids = {id(1)}, .id_count = 1});
    der = rf_buf_view(&n.der);
    for (size_t i = 0; i < 17; i++)
        parts[i] = VIEW("x");
    for (size_t count = 0; count <= 17; count++) {
        int r;

        rf_buf_fixed(&out, bytes, sizeof(bytes));
        r = rf_identity_sign(&n.identity, parts, count, &out);
        assert_int_equal(r, count <= 15 ? 0 : RF_ELIMIT);
        if (r != 0) {
            assert_int_equal(rf_verify(trust, &der, 1, &s, parts, count, NOW_MS, &signer), RF_ELIMIT);
            continue;
        }
        in = rf_buf_view(&out);
        assert_int_equal(rf_signature_decode(&in, &s), 0);
        assert_int_equal(rf_verify(trust, &der, 1, &s, parts, count, NOW_MS, &signer), 0);
        rf_signer_deinit(&signer);
    }
    node_deinit(&n);
    rf_trust_free(trust);
    fixture_deinit(&f);
}

static void security_blocks_carry_each_certificate_once(void **state)
{
    struct fixture f;
    struct authority middle;
    struct rf_trust *trust;
    struct node n, other;
    struct rf_view extra[4], many[RF_MESSAGE_MAX_CERTS];
    char names[RF_MESSAGE_MAX_CERTS][8];
    struct rf_buf block;
    struct rf_security security;
    struct rf_signer signer;
    struct rf_message m = {.contents = VIEW("contents")};
    struct rf_cert *cert;
    struct rf_view middle_der;
    (void)state;
    fixture_init(&f);
    trust = trust_new(&f, 10);
    rf_buf_init(&block, &f.mem.mem, 1 << 16);
    authority_init(&f, &middle, &(struct authority_spec){.name = "middle", .issuer = &f.root});
    middle_der = middle.x509.der;
    node_init(&f, &n, &(struct node_spec){.issuer = &middle, .ids = {id(1)}, .id_count = 1});
    node_init(&f, &other, &(struct node_spec){.issuer = &f.root, .ids = {id(2)}, .id_count = 1});
    /* the identity's certificate learns its chain when it is checked */
    assert_int_equal(rf_trust_cert(trust, rf_buf_view(&n.der), &middle_der, 1, NOW_MS, &cert), 0);
    rf_cert_release(n.identity.cert);
    n.identity.cert = cert;
    extra[0] = rf_buf_view(&other.der);
    extra[1] = rf_buf_view(&n.der);
    extra[2] = rf_buf_view(&other.der);
    extra[3] = middle_der;
    m.header.overlay = 5;
    m.header.transaction_id = 6;
    assert_int_equal(rf_identity_security_block(&n.identity, 5, 6, m.contents, extra, 4, &block), 0);
    assert_int_equal(rf_security_decode(rf_buf_view(&block), &security), 0);
    assert_int_equal(security.cert_count, 3);
    assert_true(rf_view_equal(security.certs[0], rf_buf_view(&n.der)));
    assert_true(rf_view_equal(security.certs[1], middle_der));
    assert_true(rf_view_equal(security.certs[2], rf_buf_view(&other.der)));
    m.security = security;
    trust_configure(&f, trust, 0, NULL, 0); /* somebody who has seen nothing yet */
    assert_int_equal(rf_verify_message(trust, &m, NOW_MS, &signer), 0);
    rf_signer_deinit(&signer);

    for (size_t i = 0; i < RF_MESSAGE_MAX_CERTS; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        many[i] = rf_view_str(names[i]);
    }
    rf_buf_reset(&block);
    assert_int_equal(
        rf_identity_security_block(&n.identity, 5, 6, m.contents, many, RF_MESSAGE_MAX_CERTS - 2, &block), 0);
    rf_buf_reset(&block);
    assert_int_equal(
        rf_identity_security_block(&n.identity, 5, 6, m.contents, many, RF_MESSAGE_MAX_CERTS - 1, &block),
        RF_ELIMIT);
    node_deinit(&n);
    node_deinit(&other);
    authority_deinit(&f, &middle);
    rf_trust_free(trust);
    rf_buf_deinit(&block);
    fixture_deinit(&f);
}

int test_ident_verify(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(signers_are_found_in_bucket_or_cache),
        cmocka_unit_test(one_form_of_name_fits_a_certificate),
        cmocka_unit_test(the_name_is_signed_too),
        cmocka_unit_test(identities_need_the_right_key),
        cmocka_unit_test(too_many_parts_are_refused),
        cmocka_unit_test(security_blocks_carry_each_certificate_once),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
