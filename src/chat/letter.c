/* letter.c - letters: bytes closed for some devices by their door keys (HPKE, RFC 9180), see content.h. */
#include "chat/internal.h"

#define KEY_ID_LEN     4
#define SEALED_KEY_LEN (RF_AEAD_KEY_LEN + RF_AEAD_TAG_LEN)
static const uint8_t nonce[RF_AEAD_NONCE_LEN]; /* each key closes one letter */

static enum rf_dh_group group_of(size_t public_len)
{
    return public_len == rf_dh_public_len(RF_DH_P256) ? RF_DH_P256 : RF_DH_X25519;
}

static int key_id(struct rf_chat *chat, struct rf_view public, uint8_t out[RF_SHA256_LEN])
{
    return rf_sha256(chat->config.crypto, public, out);
}

static int put_recipient(struct rf_chat *chat, struct rf_view public, struct rf_view aad,
                         const uint8_t key[RF_AEAD_KEY_LEN], struct rf_buf *out)
{
    struct rf_crypto *c = chat->config.crypto;
    enum rf_dh_group kem = group_of(public.len);
    struct rf_hpke hpke;
    uint8_t enc[RF_DH_PUBLIC_MAX_LEN], id[RF_SHA256_LEN];
    int error =
        rf_hpke_send(c, kem, chat->env->secret, public, rf_view_str("ringfolk letter"), NULL, &hpke, enc);
    if (error == 0)
        error = key_id(chat, public, id);
    if (error == 0) {
        rf_buf_put(out, id, KEY_ID_LEN);
        rf_buf_v(out, 1, rf_view_of(enc, rf_dh_public_len(kem)));
        error = rf_hpke_seal(c, &hpke, aad, rf_view_of(key, RF_AEAD_KEY_LEN), out);
    }
    rf_wipe(&hpke, sizeof(hpke));
    return error;
}

int letter_seal(struct rf_chat *chat, struct rf_view doors, struct rf_view aad, struct rf_view plain,
                struct rf_buf *out)
{
    uint8_t key[RF_AEAD_KEY_LEN];
    struct rf_view one;
    int error = 0;
    rf_rng_fill(chat->env->secret, key, sizeof(key));
    rf_buf_u8(out, 1);
    size_t mark = rf_buf_open(out, 2);
    while (error == 0 && doors.len > 0) {
        error = rf_view_v(&doors, 1, &one);
        if (error == 0)
            error = put_recipient(chat, one, aad, key, out);
        if (error == RF_EFORMAT) /* a key that is none: that device can not be reached so */
            error = 0;
    }
    rf_buf_close(out, mark, 2);
    if (error == 0)
        error = chat->config.crypto->ops->aead_seal(chat->config.crypto, key, nonce, aad, plain, out);
    rf_wipe(key, sizeof(key));
    return error != 0 ? error : rf_buf_error(out);
}

/* The key of the letter, from the place that is ours. */
static int find_key(struct rf_chat *chat, struct rf_view aad, struct rf_view recipients, struct rf_buf *key)
{
    struct rf_view public = rf_view_of(chat->door.public, chat->door.public_len), id, enc, sealed;
    uint8_t own[RF_SHA256_LEN];
    int error = key_id(chat, public, own);
    while (error == 0 && recipients.len > 0) {
        struct rf_hpke hpke;
        error = rf_view_take(&recipients, KEY_ID_LEN, &id);
        if (error == 0)
            error = rf_view_v(&recipients, 1, &enc);
        if (error == 0)
            error = rf_view_take(&recipients, SEALED_KEY_LEN, &sealed);
        if (error != 0 || memcmp(id.p, own, KEY_ID_LEN) != 0 || enc.len != public.len)
            continue;
        int opened = rf_hpke_receive(chat->config.crypto, chat->kem, enc, chat->door.private, public,
                                     rf_view_str("ringfolk letter"), NULL, &hpke);
        if (opened == 0)
            opened = rf_hpke_open(chat->config.crypto, &hpke, aad, sealed, key);
        rf_wipe(&hpke, sizeof(hpke));
        if (opened == 0)
            return 0;
    }
    return error != 0 ? error : RF_ENOTFOUND;
}

bool letter_is_for(struct rf_chat *chat, struct rf_view letter, struct rf_view public)
{
    struct rf_view recipients, id, enc, sealed;
    uint8_t version = 0, wanted[RF_SHA256_LEN];
    if (rf_view_u8(&letter, &version) != 0 || version != 1 || rf_view_v(&letter, 2, &recipients) != 0 ||
        key_id(chat, public, wanted) != 0)
        return false;
    while (rf_view_take(&recipients, KEY_ID_LEN, &id) == 0 && rf_view_v(&recipients, 1, &enc) == 0 &&
           rf_view_take(&recipients, SEALED_KEY_LEN, &sealed) == 0)
        if (memcmp(id.p, wanted, KEY_ID_LEN) == 0)
            return true;
    return false;
}

int letter_open(struct rf_chat *chat, struct rf_view aad, struct rf_view letter, struct rf_buf *out)
{
    struct rf_view recipients;
    struct rf_buf key;
    uint8_t version = 0;
    int error = rf_view_u8(&letter, &version);
    if (error == 0 && version != 1)
        return RF_EVERSION;
    if (error == 0)
        error = rf_view_v(&letter, 2, &recipients);
    rf_buf_init(&key, chat->mem, 256);
    if (error == 0)
        error = find_key(chat, aad, recipients, &key);
    if (error == 0 && key.len != RF_AEAD_KEY_LEN)
        error = RF_EFORMAT;
    if (error == 0)
        error = chat->config.crypto->ops->aead_open(chat->config.crypto, key.p, nonce, aad, letter, out);
    rf_buf_deinit(&key);
    return error;
}
