/* invite.c - invite codes: 26 letters of Crockford's base32, made to be read aloud and typed. */
#include "enrol/enrol.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void rf_enrol_invite_code(struct rf_rng *secret, char out[RF_ENROL_INVITE_CODE_LEN + 1])
{
    uint8_t random[RF_ENROL_INVITE_CODE_LEN];
    rf_rng_fill(secret, random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        out[i] = alphabet[random[i] & 31];
    out[sizeof(random)] = '\0';
    rf_wipe(random, sizeof(random));
}

/* plain_char folds what people confuse; 0: not of the alphabet. */
static char plain_char(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        c = (uint8_t)(c - 'A' + 'a');
    if (c == 'o')
        return '0';
    if (c == 'i' || c == 'l')
        return '1';
    return c != 0 && strchr(alphabet, c) ? (char)c : 0;
}

int rf_enrol_invite_hash(struct rf_crypto *crypto, struct rf_view code, uint8_t out[RF_ENROL_HASH_LEN])
{
    char plain[RF_ENROL_INVITE_CODE_LEN];
    size_t len = 0;
    for (size_t i = 0; i < code.len; i++) {
        if (code.p[i] == '-' || code.p[i] == ' ')
            continue;
        char c = plain_char(code.p[i]);
        if (c == 0 || len == sizeof(plain))
            return RF_EFORMAT;
        plain[len++] = c;
    }
    if (len != sizeof(plain))
        return RF_EFORMAT;
    int e = rf_sha256(crypto, rf_view_of(plain, len), out);
    rf_wipe(plain, sizeof(plain));
    return e;
}
