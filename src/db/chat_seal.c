/*
 * chat_seal.c - rows are sealed with AES-128-GCM under a key of their table, bound to the table, the conversation, the row's number, its index in the log and its name; what
 * names a row outside is a keyed hash. A sealed row: nonce 12 bytes (random) | ciphertext | tag 16 bytes.
 *
 * All keys come from the device's key and a salt of the file, by HKDF (RFC 5869).
 */
#include "crypto/hkdf.h"
#include "db/chat_internal.h"

#define AAD_MAX (1 + RF_KEEP_CONVERSATION_LEN + 16 + CHAT_NAME_LEN)

static int expand(struct rf_crypto *crypto, const uint8_t prk[RF_SHA256_LEN], const char *label,
                  uint8_t number, uint8_t *out, size_t len)
{
    struct rf_view parts[2] = {rf_view_str(label), rf_view_of(&number, 1)};

    return rf_hkdf_expand(crypto, prk, parts, 2, out, len);
}

int chat_keys_derive(struct rf_crypto *crypto, const uint8_t key[RF_CHAT_KEY_LEN], struct rf_view salt,
                     struct chat_keys *out)
{
    struct rf_view parts[2] = {rf_view_str("ringfolk chat database"), rf_view_of(key, RF_CHAT_KEY_LEN)};
    uint8_t prk[RF_SHA256_LEN];
    int r = rf_hkdf_extract(crypto, salt, parts, 2, prk);

    for (size_t i = 0; i < CHAT_TABLES && r == 0; i++)
        r = expand(crypto, prk, "seal", (uint8_t)i, out->seal[i], sizeof(out->seal[i]));
    if (r == 0)
        r = expand(crypto, prk, "name", 0, out->name, sizeof(out->name));
    if (r == 0)
        r = expand(crypto, prk, "word", 0, out->word, sizeof(out->word));
    rf_wipe(prk, sizeof(prk));
    return r;
}

static struct rf_view aad_of(const struct chat_place *place, uint8_t bytes[AAD_MAX])
{
    struct rf_buf aad;

    RF_ASSERT(place->name.len <= CHAT_NAME_LEN);
    rf_buf_fixed(&aad, bytes, AAD_MAX);
    rf_buf_u8(&aad, (uint8_t)place->table);
    rf_buf_put(&aad, place->conversation, sizeof(place->conversation));
    rf_buf_u64(&aad, place->id);
    rf_buf_u64(&aad, place->index);
    rf_buf_view_put(&aad, place->name);
    return rf_buf_view(&aad);
}

int chat_seal(struct chat_sqlite *s, const struct chat_place *place, struct rf_view plain)
{
    uint8_t bytes[AAD_MAX], nonce[RF_AEAD_NONCE_LEN];

    rf_rng_fill(s->rng, nonce, sizeof(nonce));
    rf_buf_reset(&s->sealed);
    rf_buf_put(&s->sealed, nonce, sizeof(nonce));
    int r = s->crypto->ops->aead_seal(s->crypto, s->keys.seal[place->table], nonce, aad_of(place, bytes),
                                      plain, &s->sealed);
    return r == 0 ? 0 : chat_broken(s, r, rf_error_text(r));
}

int chat_open(struct chat_sqlite *s, const struct chat_place *place, struct rf_view sealed,
              struct rf_buf *out)
{
    uint8_t bytes[AAD_MAX], nonce[RF_AEAD_NONCE_LEN];

    if (sealed.len < sizeof(nonce))
        return RF_EAUTH;
    memcpy(nonce, sealed.p, sizeof(nonce));
    return s->crypto->ops->aead_open(s->crypto, s->keys.seal[place->table], nonce, aad_of(place, bytes),
                                     rf_view_of(sealed.p + sizeof(nonce), sealed.len - sizeof(nonce)), out);
}

int chat_name(struct chat_sqlite *s, enum chat_table table, const uint8_t *conversation, uint64_t number,
              struct rf_view a, struct rf_view b, uint8_t out[CHAT_NAME_LEN])
{
    uint8_t head[1 + RF_KEEP_CONVERSATION_LEN + 8 + 4], mac[RF_SHA256_LEN];
    struct rf_view parts[3] = {rf_view_of(head, sizeof(head)), a, b};
    struct rf_buf buf;

    rf_buf_fixed(&buf, head, sizeof(head));
    rf_buf_u8(&buf, (uint8_t)table);
    rf_buf_put(&buf, conversation, RF_KEEP_CONVERSATION_LEN);
    rf_buf_u64(&buf, number);
    rf_buf_u32(&buf, (uint32_t)a.len);
    int r = s->crypto->ops->hmac(s->crypto, RF_HASH_SHA256, rf_view_of(s->keys.name, sizeof(s->keys.name)),
                                 parts, 3, mac);
    if (r != 0)
        return chat_broken(s, r, rf_error_text(r));
    memcpy(out, mac, CHAT_NAME_LEN);
    return 0;
}
