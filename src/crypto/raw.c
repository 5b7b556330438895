/* raw.c - keys as protocols carry them that name the type elsewhere: the bare point or the 32 bytes. */
#include "crypto/crypto.h"
#include "crypto/x509.h"

/* What stands in front of the key in a SubjectPublicKeyInfo (RFC 5480, RFC 8410). */
static const uint8_t p256_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t ed25519_head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

size_t rf_dh_public_len(enum rf_dh_group group)
{
    return group == RF_DH_P256 ? 65 : group == RF_DH_X25519 ? 32 : 0;
}

int rf_key_public(struct rf_crypto *c, const struct rf_key *key, struct rf_buf *out)
{
    uint8_t bytes[256];
    struct rf_view raw;
    enum rf_key_type type = c->ops->key_type(key);
    struct rf_buf spki;
    int r;

    if (type != RF_KEY_P256 && type != RF_KEY_ED25519)
        return RF_EUNKNOWN;
    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    if ((r = c->ops->key_spki(c, key, &spki)) != 0 ||
        (r = rf_spki_type(rf_buf_view(&spki), &type, &raw)) != 0)
        return r;
    rf_buf_view_put(out, raw);
    return rf_buf_error(out);
}

int rf_pubkey_from_raw(struct rf_crypto *c, enum rf_key_type type, struct rf_view raw, struct rf_pubkey **out)
{
    uint8_t bytes[sizeof(p256_head) + 65];
    struct rf_buf spki;

    if (type != RF_KEY_P256 && type != RF_KEY_ED25519)
        return RF_EUNKNOWN;
    if (raw.len != (type == RF_KEY_P256 ? 65 : 32))
        return RF_EFORMAT;
    rf_buf_fixed(&spki, bytes, sizeof(bytes));
    if (type == RF_KEY_P256)
        rf_buf_put(&spki, p256_head, sizeof(p256_head));
    else
        rf_buf_put(&spki, ed25519_head, sizeof(ed25519_head));
    rf_buf_view_put(&spki, raw);
    return c->ops->pubkey_from_spki(c, rf_buf_view(&spki), out);
}
