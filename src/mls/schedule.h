/* schedule.h - the secrets of an epoch (RFC 9420, section 8): key schedule, transcript hashes, pre-shared keys. */
#ifndef RF_MLS_SCHEDULE_H
#define RF_MLS_SCHEDULE_H

#include "mls/codec.h"
#include "mls/suite.h"

/* What an epoch's work is done with. Without encryption_secret, which the secret tree takes. */
struct mls_secrets {
    uint8_t sender_data[MLS_HASH_LEN];
    uint8_t exporter[MLS_HASH_LEN];
    uint8_t external[MLS_HASH_LEN];
    uint8_t confirmation[MLS_HASH_LEN];
    uint8_t membership[MLS_HASH_LEN];
    uint8_t resumption[MLS_HASH_LEN];
    uint8_t authenticator[MLS_HASH_LEN];
    uint8_t init[MLS_HASH_LEN];
};

/* mls_joiner: from the epoch before, the path's secret, and the new GroupContext. */
int mls_joiner(const struct mls_kit *kit, const uint8_t init[MLS_HASH_LEN],
               const uint8_t commit_secret[MLS_HASH_LEN], struct rf_view context,
               uint8_t joiner[MLS_HASH_LEN]);
/* mls_welcome_secret: what encrypts the Welcome's GroupInfo. */
int mls_welcome_secret(const struct mls_kit *kit, const uint8_t joiner[MLS_HASH_LEN],
                       const uint8_t psk_secret[MLS_HASH_LEN], uint8_t welcome[MLS_HASH_LEN]);
/* mls_epoch_secrets: all that follows from the joiner secret. mls_secrets_derive: from an epoch secret. */
int mls_epoch_secrets(const struct mls_kit *kit, const uint8_t joiner[MLS_HASH_LEN],
                      const uint8_t psk_secret[MLS_HASH_LEN], struct rf_view context, struct mls_secrets *out,
                      uint8_t encryption[MLS_HASH_LEN]);
int mls_secrets_derive(const struct mls_kit *kit, const uint8_t epoch[MLS_HASH_LEN], struct mls_secrets *out,
                       uint8_t encryption[MLS_HASH_LEN]);
/* mls_welcome_key: key and nonce out of the welcome secret. */
int mls_welcome_key(const struct mls_kit *kit, const uint8_t welcome[MLS_HASH_LEN], uint8_t key[MLS_KEY_LEN],
                    uint8_t nonce[MLS_NONCE_LEN]);

/* mls_psk_next takes one PSK more into psk_secret, which begins as zeros; `index` of `count` in all. Section 8.4. */
int mls_psk_next(const struct mls_kit *kit, const struct mls_psk_id *id, struct rf_view psk, uint16_t index,
                 uint16_t count, uint8_t psk_secret[MLS_HASH_LEN]);

/* Transcript hashes, section 8.2. interim_before: empty in epoch 0. */
int mls_confirmed_hash(const struct mls_kit *kit, struct rf_view interim_before, uint16_t wire_format,
                       struct rf_view content, struct rf_view signature, uint8_t out[MLS_HASH_LEN]);
int mls_interim_hash(const struct mls_kit *kit, struct rf_view confirmed, struct rf_view confirmation_tag,
                     uint8_t out[MLS_HASH_LEN]);
int mls_confirmation_tag(const struct mls_kit *kit, const struct mls_secrets *secrets,
                         struct rf_view confirmed, uint8_t out[MLS_HASH_LEN]);

/* mls_export: MLS-Exporter. */
int mls_export(const struct mls_kit *kit, const struct mls_secrets *secrets, const char *label,
               struct rf_view context, uint8_t *out, size_t len);
/* mls_external_pair: the key pair that external Commits use. mls_external_init_*: their init secret, section 8.3. */
int mls_external_pair(const struct mls_kit *kit, const struct mls_secrets *secrets, struct rf_hpke_pair *out);
int mls_external_init_send(const struct mls_kit *kit, struct rf_view external_pub, uint8_t *kem_output,
                           uint8_t init[MLS_HASH_LEN]);
int mls_external_init_receive(const struct mls_kit *kit, const struct mls_secrets *secrets,
                              struct rf_view kem_output, uint8_t init[MLS_HASH_LEN]);

#endif
