/*
 * credentials.h - short-lived credentials of a relay that check themselves: user name "EXPIRY:NAME", password derived from it by a secret. Who gives
 * them (node/) and who checks them (turn/) share the secret and nothing else.
 */
#ifndef RF_STUN_CREDENTIALS_H
#define RF_STUN_CREDENTIALS_H

#include "crypto/crypto.h"

#define RF_TURN_SECRET_LEN   32
#define RF_TURN_USER_MAX     128
#define RF_TURN_PASSWORD_LEN 43

struct rf_turn_credentials {
    char user[RF_TURN_USER_MAX];
    char password[RF_TURN_PASSWORD_LEN + 1];
};
/*
 * rf_turn_credentials gives `name` (what budgets go by, 1..100 bytes without ':') credentials until `expires_ms` since 1970. Nothing is
 * stored: who knows the secret can check them. Errors: RF_EINVAL name, RF_ECRYPTO.
 */
int rf_turn_credentials(struct rf_crypto *crypto, const uint8_t secret[RF_TURN_SECRET_LEN], const char *name,
                        uint64_t expires_ms, struct rf_turn_credentials *out);
/* rf_turn_password is the password of a whole user name; with a NUL. Errors: RF_ECRYPTO. */
int rf_turn_password(struct rf_crypto *crypto, const uint8_t secret[RF_TURN_SECRET_LEN], struct rf_view user,
                     char out[RF_TURN_PASSWORD_LEN + 1]);
/* rf_turn_user takes "EXPIRY:NAME" apart; `name` borrows. false: it is none. */
bool rf_turn_user(struct rf_view user, uint64_t *expires_s, struct rf_view *name);

#endif
