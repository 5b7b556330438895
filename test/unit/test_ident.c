/* test_ident.c - runs every group of the ident room's tests. */
#include "test_ident.h"

void fixture_init(struct fixture *f)
{
    rf_mem_test_init(&f->mem);
    f->c = rf_crypto_openssl_new(&f->mem.mem);
    assert_non_null(f->c);
    authority_init(f, &f->root, &(struct authority_spec){.name = "root"});
}

void fixture_deinit(struct fixture *f)
{
    authority_deinit(f, &f->root);
    rf_crypto_openssl_free(f->c);
    assert_int_equal(f->mem.live_count, 0);
}

void authority_init(struct fixture *f, struct authority *a, const struct authority_spec *spec)
{
    struct rf_x509_spec x = {
        .common_name = rf_view_str(spec->name),
        .is_ca = true,
        .no_sub_ca = spec->no_sub_ca,
        .not_before_ms = spec->not_before_ms != 0 ? spec->not_before_ms : NOW_MS - DAY_MS,
        .not_after_ms = spec->not_after_ms != 0 ? spec->not_after_ms : NOW_MS + 1000 * DAY_MS,
        .serial_lo = 7};
    struct rf_buf spki, der;

    rf_buf_init(&spki, &f->mem.mem, 4096);
    rf_buf_init(&der, &f->mem.mem, 4096);
    assert_int_equal(f->c->ops->key_generate(f->c, RF_KEY_P256, &a->key), 0);
    assert_int_equal(f->c->ops->key_spki(f->c, a->key, &spki), 0);
    assert_int_equal(f->c->ops->x509_issue(f->c, &x, rf_buf_view(&spki),
                                           spec->issuer != NULL ? &spec->issuer->x509 : NULL,
                                           spec->issuer != NULL ? spec->issuer->key : a->key, &der),
                     0);
    assert_int_equal(f->c->ops->x509_decode(f->c, rf_buf_view(&der), &a->x509), 0);
    rf_buf_deinit(&spki);
    rf_buf_deinit(&der);
}

void authority_deinit(struct fixture *f, struct authority *a)
{
    f->c->ops->x509_deinit(f->c, &a->x509);
    f->c->ops->key_free(f->c, a->key);
}

struct rf_key *node_cert(struct fixture *f, const struct node_spec *spec, struct rf_buf *der)
{
    struct rf_cert_spec c = {
        .user = rf_view_str(spec->user != NULL ? spec->user : "a@example.org"),
        .overlay = rf_view_str(spec->overlay != NULL ? spec->overlay : "example.org"),
        .node_ids = spec->ids,
        .node_id_count = spec->id_count,
        .not_before_ms = spec->not_before_ms != 0 ? spec->not_before_ms : NOW_MS - DAY_MS,
        .not_after_ms = spec->not_after_ms != 0 ? spec->not_after_ms : NOW_MS + 100 * DAY_MS,
        .serial_lo = 99};
    const struct rf_key *sign_with = spec->sign_with;
    struct rf_buf spki;
    struct rf_key *key;

    rf_buf_init(&spki, &f->mem.mem, 4096);
    assert_int_equal(f->c->ops->key_generate(f->c, spec->type != 0 ? spec->type : RF_KEY_ED25519, &key), 0);
    assert_int_equal(f->c->ops->key_spki(f->c, key, &spki), 0);
    if (sign_with == NULL)
        sign_with = spec->issuer != NULL ? spec->issuer->key : key;
    rf_buf_reset(der);
    assert_int_equal(rf_cert_issue(f->c, &c, rf_buf_view(&spki),
                                   spec->issuer != NULL ? &spec->issuer->x509 : NULL, sign_with, der),
                     0);
    rf_buf_deinit(&spki);
    return key;
}

struct rf_id id(uint8_t n)
{
    struct rf_id out = {.len = 16, .b = {0xa1}};

    out.b[15] = n;
    return out;
}

void trust_configure(struct fixture *f, struct rf_trust *trust, int self_signed, const struct rf_id *bad,
                     size_t bad_count)
{
    struct rf_trust_config config = {.overlay = OVERLAY,
                                     .id_len = 16,
                                     .roots = &f->root.x509.der,
                                     .root_count = 1,
                                     .self_signed = self_signed,
                                     .bad_nodes = bad,
                                     .bad_node_count = bad_count};

    assert_int_equal(rf_trust_configure(trust, &config), 0);
}

struct rf_trust *trust_new(struct fixture *f, size_t cache_count)
{
    static const uint64_t seed[2] = {3, 4};
    struct rf_trust *trust;

    assert_int_equal(rf_trust_new(f->c, &f->mem.mem, seed, cache_count, &trust), 0);
    trust_configure(f, trust, 0, NULL, 0);
    return trust;
}

int main(void)
{
    int failed = test_ident_cert() + test_ident_trust() + test_ident_vectors() + test_ident_verify();

    return failed == 0 ? 0 : 1;
}
