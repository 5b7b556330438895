/* schedule.c - key schedule, transcript hashes, PSKs, exporter, external init. */
#include "mls/schedule.h"

#include "mls/bytes.h"

#define EXTERNAL_INIT_CONTEXT "MLS 1.0 external init secret"

int mls_joiner(const struct mls_kit *kit, const uint8_t init[MLS_HASH_LEN],
               const uint8_t commit_secret[MLS_HASH_LEN], struct rf_view context,
               uint8_t joiner[MLS_HASH_LEN])
{
    uint8_t x[MLS_HASH_LEN];
    int r = mls_extract(kit, init, rf_view_of(commit_secret, MLS_HASH_LEN), x);

    if (r == 0)
        r = mls_expand(kit, x, "joiner", context, joiner, MLS_HASH_LEN);
    rf_wipe(x, sizeof(x));
    return r;
}

int mls_welcome_secret(const struct mls_kit *kit, const uint8_t joiner[MLS_HASH_LEN],
                       const uint8_t psk_secret[MLS_HASH_LEN], uint8_t welcome[MLS_HASH_LEN])
{
    uint8_t member[MLS_HASH_LEN];
    int r = mls_extract(kit, joiner, rf_view_of(psk_secret, MLS_HASH_LEN), member);

    if (r == 0)
        r = mls_derive(kit, member, "welcome", welcome);
    rf_wipe(member, sizeof(member));
    return r;
}

int mls_secrets_derive(const struct mls_kit *kit, const uint8_t epoch[MLS_HASH_LEN], struct mls_secrets *out,
                       uint8_t encryption[MLS_HASH_LEN])
{
    const struct {
        const char *label;
        uint8_t *to;
    } all[] = {
        {"sender data", out->sender_data},
        {"encryption", encryption},
        {"exporter", out->exporter},
        {"external", out->external},
        {"confirm", out->confirmation},
        {"membership", out->membership},
        {"resumption", out->resumption},
        {"init", out->init},
        {"authentication", out->authenticator},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && r == 0; i++)
        r = mls_derive(kit, epoch, all[i].label, all[i].to);
    return r;
}

int mls_epoch_secrets(const struct mls_kit *kit, const uint8_t joiner[MLS_HASH_LEN],
                      const uint8_t psk_secret[MLS_HASH_LEN], struct rf_view context, struct mls_secrets *out,
                      uint8_t encryption[MLS_HASH_LEN])
{
    uint8_t secret[MLS_HASH_LEN];
    int r = mls_extract(kit, joiner, rf_view_of(psk_secret, MLS_HASH_LEN), secret);

    if (r == 0)
        r = mls_expand(kit, secret, "epoch", context, secret, sizeof(secret));
    if (r == 0)
        r = mls_secrets_derive(kit, secret, out, encryption);
    rf_wipe(secret, sizeof(secret));
    return r;
}

int mls_welcome_key(const struct mls_kit *kit, const uint8_t welcome[MLS_HASH_LEN], uint8_t key[MLS_KEY_LEN],
                    uint8_t nonce[MLS_NONCE_LEN])
{
    int r = mls_expand(kit, welcome, "key", rf_view_of(NULL, 0), key, MLS_KEY_LEN);

    return r != 0 ? r : mls_expand(kit, welcome, "nonce", rf_view_of(NULL, 0), nonce, MLS_NONCE_LEN);
}

int mls_psk_next(const struct mls_kit *kit, const struct mls_psk_id *id, struct rf_view psk, uint16_t index,
                 uint16_t count, uint8_t psk_secret[MLS_HASH_LEN])
{
    static const uint8_t zeros[MLS_HASH_LEN];
    uint8_t input[MLS_HASH_LEN];
    struct rf_buf label;
    int r;

    rf_buf_init(&label, kit->mem, 1 << 16);
    mls_psk_id_encode(id, &label);
    rf_buf_u16(&label, index);
    rf_buf_u16(&label, count);
    if ((r = rf_buf_error(&label)) == 0 && (r = mls_extract(kit, zeros, psk, input)) == 0 &&
        (r = mls_expand(kit, input, "derived psk", rf_buf_view(&label), input, sizeof(input))) == 0)
        r = mls_extract(kit, input, rf_view_of(psk_secret, MLS_HASH_LEN), psk_secret);
    rf_wipe(input, sizeof(input));
    rf_buf_deinit(&label);
    return r;
}

int mls_confirmed_hash(const struct mls_kit *kit, struct rf_view interim_before, uint16_t wire_format,
                       struct rf_view content, struct rf_view signature, uint8_t out[MLS_HASH_LEN])
{
    uint8_t format[2] = {(uint8_t)(wire_format >> 8), (uint8_t)wire_format}, head[MLS_LEN_MAX];
    struct rf_view parts[] = {interim_before, rf_view_of(format, 2), content,
                              rf_view_of(head, mls_len_bytes(head, signature.len)), signature};

    return mls_hash(kit, parts, 5, out);
}

int mls_interim_hash(const struct mls_kit *kit, struct rf_view confirmed, struct rf_view confirmation_tag,
                     uint8_t out[MLS_HASH_LEN])
{
    uint8_t head[MLS_LEN_MAX];
    struct rf_view parts[] = {confirmed, rf_view_of(head, mls_len_bytes(head, confirmation_tag.len)),
                              confirmation_tag};

    return mls_hash(kit, parts, 3, out);
}

int mls_confirmation_tag(const struct mls_kit *kit, const struct mls_secrets *secrets,
                         struct rf_view confirmed, uint8_t out[MLS_HASH_LEN])
{
    return mls_mac(kit, secrets->confirmation, &confirmed, 1, out);
}

int mls_export(const struct mls_kit *kit, const struct mls_secrets *secrets, const char *label,
               struct rf_view context, uint8_t *out, size_t len)
{
    uint8_t secret[MLS_HASH_LEN], hash[MLS_HASH_LEN];
    int r = mls_derive(kit, secrets->exporter, label, secret);

    if (r == 0)
        r = mls_hash(kit, &context, 1, hash);
    if (r == 0)
        r = mls_expand(kit, secret, "exported", rf_view_of(hash, sizeof(hash)), out, len);
    rf_wipe(secret, sizeof(secret));
    return r;
}

int mls_external_pair(const struct mls_kit *kit, const struct mls_secrets *secrets, struct rf_hpke_pair *out)
{
    return mls_derive_pair(kit, secrets->external, out);
}

int mls_external_init_send(const struct mls_kit *kit, struct rf_view external_pub, uint8_t *kem_output,
                           uint8_t init[MLS_HASH_LEN])
{
    struct rf_hpke hpke;
    int r = rf_hpke_send(kit->crypto, kit->suite->kem, kit->rng, external_pub, rf_view_of(NULL, 0), NULL,
                         &hpke, kem_output);

    if (r == 0)
        r = rf_hpke_export(kit->crypto, &hpke, rf_view_str(EXTERNAL_INIT_CONTEXT), init, MLS_HASH_LEN);
    rf_wipe(&hpke, sizeof(hpke));
    return r;
}

int mls_external_init_receive(const struct mls_kit *kit, const struct mls_secrets *secrets,
                              struct rf_view kem_output, uint8_t init[MLS_HASH_LEN])
{
    struct rf_hpke_pair pair;
    struct rf_hpke hpke;
    int r = mls_external_pair(kit, secrets, &pair);

    if (r == 0)
        r = rf_hpke_receive(kit->crypto, kit->suite->kem, kem_output, pair.private, mls_pair_public(&pair),
                            rf_view_of(NULL, 0), NULL, &hpke);
    if (r == 0)
        r = rf_hpke_export(kit->crypto, &hpke, rf_view_str(EXTERNAL_INIT_CONTEXT), init, MLS_HASH_LEN);
    rf_wipe(&hpke, sizeof(hpke));
    rf_wipe(&pair, sizeof(pair));
    return r;
}
