/* sign.c - signatures: a keyed mix of the message, in the shape of a real one. */
#include "crypto/fake/backend.h"

#include "crypto/der.h"

/* signature_put writes the one signature that a key makes for a message. */
static void signature_put(enum rf_key_type type, const uint8_t signing[MIX_OUT_LEN],
                          const struct rf_view *parts, size_t part_count, uint64_t *len, struct rf_buf *out)
{
    uint8_t sum[MIX_OUT_LEN], more[256];
    struct mix m;

    mix_init(&m, MIX_SIGNATURE, (uint64_t)type);
    mix_put(&m, rf_view_of(signing, MIX_OUT_LEN));
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].len > 0)
            mix_put(&m, parts[i]);
    mix_end(&m, sum);
    *len = m.len - MIX_OUT_LEN;
    if (type == RF_KEY_P256) { /* two numbers of 256 bits: 70 to 72 bytes as a rule */
        size_t whole = rf_der_open(out, RF_DER_SEQUENCE);
        struct rf_view number[2] = {rf_view_of(sum, 32), rf_view_of(more, 32)};

        mix_expand(sum, more, 32);
        for (int i = 0; i < 2; i++) {
            while (number[i].len > 1 && number[i].p[0] == 0)
                number[i] = rf_view_of(number[i].p + 1, number[i].len - 1);
            rf_der_put_uint(out, number[i]);
        }
        rf_der_close(out, whole);
    } else {
        size_t size = type == RF_KEY_ED25519 ? 64 : 256;

        mix_expand(sum, more, size);
        rf_buf_put(out, more, size);
    }
}

int fake_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts, size_t part_count,
              struct rf_buf *out)
{
    struct backend *b = backend_of(c);
    uint64_t len;

    signature_put(key->type, key->signing, parts, part_count, &len, out);
    b->counts.signatures++;
    charge(b, b->config.costs.sign_ns);
    charge_hash(b, len);
    return rf_buf_error(out);
}

int fake_verify(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    struct backend *b = backend_of(c);
    uint8_t bytes[RF_SIGNATURE_MAX_LEN];
    struct rf_buf right;
    uint64_t len;

    if (alg != rf_sig_alg_of(key->type))
        return RF_EUNKNOWN;
    rf_buf_fixed(&right, bytes, sizeof(bytes));
    signature_put(key->type, key->signing, parts, part_count, &len, &right);
    b->counts.verifications++;
    charge(b, b->config.costs.verify_ns);
    charge_hash(b, len);
    return rf_view_equal(rf_buf_view(&right), signature) ? 0 : RF_ESIGNATURE;
}
