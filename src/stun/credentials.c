/* credentials.c - a relay's credentials, made and derived again. */
#include "stun/credentials.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

int rf_turn_password(struct rf_crypto *crypto, const uint8_t secret[RF_TURN_SECRET_LEN], struct rf_view user,
                     char out[RF_TURN_PASSWORD_LEN + 1])
{
    struct rf_view parts[2] = {rf_view_str("password:"), user};
    uint8_t mac[RF_SHA256_LEN];
    char text[RF_TURN_PASSWORD_LEN + 2]; /* with the '=' */
    struct rf_buf buf;
    int error =
        crypto->ops->hmac(crypto, RF_HASH_SHA256, rf_view_of(secret, RF_TURN_SECRET_LEN), parts, 2, mac);
    if (error != 0)
        return error;
    rf_buf_fixed(&buf, text, sizeof(text));
    rf_base64_put(&buf, rf_view_of(mac, sizeof(mac)));
    memcpy(out, text, RF_TURN_PASSWORD_LEN);
    out[RF_TURN_PASSWORD_LEN] = '\0';
    return rf_buf_error(&buf);
}

int rf_turn_credentials(struct rf_crypto *crypto, const uint8_t secret[RF_TURN_SECRET_LEN], const char *name,
                        uint64_t expires_ms, struct rf_turn_credentials *out)
{
    size_t len = strlen(name);
    if (len == 0 || len > 100 || strchr(name, ':') != NULL)
        return RF_EINVAL;
    snprintf(out->user, sizeof(out->user), "%llu:%s", (unsigned long long)(expires_ms / 1000), name);
    return rf_turn_password(crypto, secret, rf_view_str(out->user), out->password);
}

bool rf_turn_user(struct rf_view user, uint64_t *expires_s, struct rf_view *name)
{
    size_t i = 0;
    *expires_s = 0;
    for (; i < user.len && user.p[i] >= '0' && user.p[i] <= '9' && i < 12; i++)
        *expires_s = *expires_s * 10 + (uint64_t)(user.p[i] - '0');
    if (i == 0 || i >= user.len || user.p[i] != ':' || user.len >= RF_TURN_USER_MAX)
        return false;
    *name = rf_view_of(user.p + i + 1, user.len - i - 1);
    return name->len > 0;
}
