/* test_crypto_fake.c - what only the simulator's backend promises: the same every time, real sizes, costs, certificates held once. */
#include "test_crypto.h"

#include <stdio.h>
#include "base/text.h"

struct bill {
    uint64_t ns;
};

static void add(void *ctx, uint64_t ns)
{
    struct bill *bill = ctx;

    bill->ns += ns;
}

static struct rf_crypto *fake(struct rf_rng_seeded *rng, uint64_t rng_seed, uint64_t secret,
                              struct bill *bill)
{
    struct rf_crypto_fake_config config = {
        .seed = {secret, 2}, .rng = &rng->rng, .charge = add, .charge_ctx = bill};

    rf_crypto_fake_costs_measured(&config.costs);
    rf_rng_seeded_init(rng, rng_seed);
    return rf_crypto_fake_new(rf_mem_system(), &config);
}

/* Two backends of one secret make the same keys and signatures and accept each other's; of another secret they do not. */
static void everything_follows_from_the_seeds(void **state)
{
    struct bill bill = {0};
    struct rf_rng_seeded rng[3];
    struct rf_crypto *c[3] = {fake(&rng[0], 5, 1, &bill), fake(&rng[1], 5, 1, &bill),
                              fake(&rng[2], 5, 8, &bill)};
    uint8_t bytes[3][128];
    struct rf_buf sig[3];
    struct rf_view text = VIEW("a text");
    (void)state;

    for (int i = 0; i < 3; i++) {
        struct rf_key *key;

        rf_buf_fixed(&sig[i], bytes[i], sizeof(bytes[i]));
        assert_int_equal(c[i]->ops->key_generate(c[i], RF_KEY_P256, &key), 0);
        assert_int_equal(c[i]->ops->sign(c[i], key, &text, 1, &sig[i]), 0);
        for (int k = 0; k < 3; k++) {
            struct rf_pubkey *pub = crypto_public_of(c[k], key);

            assert_int_equal(
                c[k]->ops->verify(c[k], pub, RF_SIG_ECDSA_SHA256, &text, 1, rf_buf_view(&sig[i])),
                (i == 2) == (k == 2) ? 0 : RF_ESIGNATURE);
            c[k]->ops->pubkey_free(c[k], pub);
        }
        c[i]->ops->key_free(c[i], key);
    }
    assert_true(rf_view_equal(rf_buf_view(&sig[0]), rf_buf_view(&sig[1])));
    assert_false(rf_view_equal(rf_buf_view(&sig[0]), rf_buf_view(&sig[2])));
    for (int i = 0; i < 3; i++)
        rf_crypto_fake_free(c[i]);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t text[2 * RF_HASH_MAX_LEN + 1];
    struct rf_buf out;

    rf_buf_fixed(&out, text, sizeof(text));
    rf_hex_put(&out, rf_view_of(bytes, len));
    rf_buf_u8(&out, 0);
    assert_string_equal((const char *)text, hex);
}

/* The hash of nothing and of a name: whoever changes the mix changes every run that somebody wrote down. */
static void the_mix_stays_what_it_is(void **state)
{
    static const char nothing[] = "b0c3f031bf25b6e76e4c12bd781a6ab9a71d6bd0",
                      name[] = "ae6f13801bb73084b61a446e32d797825ed1380a8d2a93b7437c69b20934d2c5";
    uint8_t out[RF_HASH_MAX_LEN];
    struct fixture f;
    (void)state;

    fixture_init_fake(&f);
    assert_int_equal(rf_sha1(f.c, rf_view_of(NULL, 0), out), 0);
    assert_hex(out, RF_SHA1_LEN, nothing);
    assert_int_equal(rf_sha256(f.c, VIEW("alice@example.org"), out), 0);
    assert_hex(out, RF_SHA256_LEN, name);
    fixture_deinit(&f);
}

/* Names that differ in one place: every bit of their hashes is set in half of them, and changes with every bit of the name. */
static void hashes_are_spread_evenly(void **state)
{
    enum { COUNT = 4096 };
    static uint8_t sums[COUNT][RF_SHA256_LEN];
    struct fixture f;
    (void)state;

    fixture_init_fake(&f);
    for (int i = 0; i < COUNT; i++) {
        char name[32];

        snprintf(name, sizeof(name), "user%d@example.org", i);
        assert_int_equal(rf_sha256(f.c, rf_view_str(name), sums[i]), 0);
    }
    for (int bit = 0; bit < 8 * RF_SHA256_LEN; bit++) {
        int ones = 0, equal = 0;

        for (int i = 0; i < COUNT; i++) {
            int mine = sums[i][bit / 8] >> (bit % 8) & 1;

            ones += mine;
            equal += mine == (sums[i ^ 1][bit / 8] >> (bit % 8) & 1);
        }
        assert_in_range(ones, COUNT / 2 - 200, COUNT / 2 + 200); /* six standard deviations */
        assert_in_range(equal, COUNT / 2 - 300, COUNT / 2 + 300);
    }
    fixture_deinit(&f);
}

static void one_bit_in_changes_half_of_what_comes_out(void **state)
{
    uint8_t text[64] = {0}, before[RF_HASH_MAX_LEN], after[RF_HASH_MAX_LEN];
    struct fixture f;
    (void)state;

    fixture_init_fake(&f);
    assert_int_equal(rf_sha256(f.c, rf_view_of(text, sizeof(text)), before), 0);
    for (size_t bit = 0; bit < 8 * sizeof(text); bit++) {
        int changed = 0;

        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(rf_sha256(f.c, rf_view_of(text, sizeof(text)), after), 0);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        for (int i = 0; i < RF_SHA256_LEN; i++)
            changed += __builtin_popcount(before[i] ^ after[i]);
        assert_in_range(changed, 80, 176); /* 128 are half; six standard deviations */
    }
    fixture_deinit(&f);
}

static void signatures_have_the_sizes_of_real_ones(void **state)
{
    struct fixture f;
    struct rf_key *key;
    size_t sum = 0;
    (void)state;

    fixture_init_fake(&f);
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_P256, &key), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t bytes[80];
        struct rf_view text = rf_view_of(&i, sizeof(i));
        struct rf_buf sig;

        rf_buf_fixed(&sig, bytes, sizeof(bytes));
        assert_int_equal(f.c->ops->sign(f.c, key, &text, 1, &sig), 0);
        assert_in_range(sig.len, 66, 72);
        sum += sig.len;
    }
    assert_in_range(sum, 70500, 71500);
    f.c->ops->key_free(f.c, key);
    fixture_deinit(&f);
}

static void operations_are_charged(void **state)
{
    static const uint8_t message[640];
    struct bill bill = {0};
    struct rf_rng_seeded rng;
    struct rf_crypto *c = fake(&rng, 5, 1, &bill);
    struct rf_crypto_fake_costs costs;
    struct rf_view text = rf_view_of(message, sizeof(message));
    uint8_t bytes[128];
    struct rf_pubkey *pub;
    struct rf_key *key;
    struct rf_buf sig;
    (void)state;

    rf_crypto_fake_costs_measured(&costs);
    assert_int_equal(rf_sha256(c, text, bytes), 0);
    assert_int_equal(bill.ns, costs.hash_ns + 11 * costs.hash_block_ns);
    assert_int_equal(c->ops->key_generate(c, RF_KEY_P256, &key), 0);
    pub = crypto_public_of(c, key);
    bill.ns = 0;
    rf_buf_fixed(&sig, bytes, sizeof(bytes));
    assert_int_equal(c->ops->sign(c, key, &text, 1, &sig), 0);
    assert_int_equal(bill.ns, costs.sign_ns + costs.hash_ns + 11 * costs.hash_block_ns);
    bill.ns = 0;
    bytes[10] ^= 1; /* a forgery costs as much */
    assert_int_equal(c->ops->verify(c, pub, RF_SIG_ECDSA_SHA256, &text, 1, rf_buf_view(&sig)), RF_ESIGNATURE);
    assert_int_equal(bill.ns, costs.verify_ns + costs.hash_ns + 11 * costs.hash_block_ns);
    assert_int_equal(rf_crypto_fake_counts(c)->signatures, 1);
    assert_int_equal(rf_crypto_fake_counts(c)->verifications, 1);
    c->ops->pubkey_free(c, pub);
    c->ops->key_free(c, key);
    rf_crypto_fake_free(c);
}

/* A public key that no private key has: x is made up, the rest follows from it; nothing verifies with it. Another y is refused. */
static void made_up_public_keys_are_refused(void **state)
{
    struct fixture f;
    struct rf_key *key;
    struct rf_pubkey *pub;
    uint8_t bytes[128];
    struct rf_buf spki;
    (void)state;

    fixture_init_fake(&f);
    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    assert_int_equal(f.c->ops->key_generate(f.c, RF_KEY_P256, &key), 0);
    assert_int_equal(f.c->ops->key_spki(f.c, key, &spki), 0);
    assert_int_equal(spki.len, 91); /* as OpenSSL writes it */
    for (size_t i = 0; i < spki.len; i++) {
        int r;

        bytes[i] ^= 1;
        r = f.c->ops->pubkey_from_spki(f.c, rf_buf_view(&spki), &pub);
        assert_true(r == RF_EFORMAT || r == RF_EUNKNOWN);
        bytes[i] ^= 1;
    }
    f.c->ops->key_free(f.c, key);
    fixture_deinit(&f);
}

int test_crypto_fake(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_follows_from_the_seeds),
        cmocka_unit_test(the_mix_stays_what_it_is),
        cmocka_unit_test(hashes_are_spread_evenly),
        cmocka_unit_test(one_bit_in_changes_half_of_what_comes_out),
        cmocka_unit_test(signatures_have_the_sizes_of_real_ones),
        cmocka_unit_test(operations_are_charged),
        cmocka_unit_test(made_up_public_keys_are_refused),
    };
    return cmocka_run_group_tests_name("fake", tests, NULL, NULL);
}
