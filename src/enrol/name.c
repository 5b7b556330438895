/* name.c - which user names there may be, and how they are written. */
#include "base/assert.h"
#include "base/text.h"
#include "enrol/enrol.h"

#define LOCAL_MAX_LEN 64 /* RFC 5321, section 4.5.3.1.1 */

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* local_char: may c stand at `at` of a local part? Dots stand alone and inside, as in addresses of mail. */
static bool local_char(const char *local, size_t at, size_t len)
{
    char c = local[at];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    if (c == '.')
        return at > 0 && at + 1 < len && local[at - 1] != '.';
    return at > 0 && (c == '_' || c == '+' || c == '-');
}

int rf_enrol_name(struct rf_view text, const char *overlay, char out[RF_ENROL_NAME_SIZE])
{
    const uint8_t *at = text.len > 0 ? memchr(text.p, '@', text.len) : NULL;
    size_t local_len = at ? (size_t)(at - text.p) : text.len;
    size_t domain_len = strlen(overlay);
    if (local_len == 0)
        return RF_EFORMAT;
    if (local_len > LOCAL_MAX_LEN || local_len + 1 + domain_len > 254)
        return RF_ELIMIT;
    for (size_t i = 0; i < local_len; i++) {
        out[i] = lower(text.p[i]);
        if (!local_char(out, i, local_len))
            return RF_EFORMAT;
    }
    if (at) {
        if (text.len - local_len - 1 != domain_len)
            return RF_EMISMATCH;
        for (size_t i = 0; i < domain_len; i++)
            if (lower(at[1 + i]) != lower((uint8_t)overlay[i]))
                return RF_EMISMATCH;
    }
    out[local_len] = '@';
    for (size_t i = 0; i < domain_len; i++)
        out[local_len + 1 + i] = lower((uint8_t)overlay[i]);
    out[local_len + 1 + domain_len] = '\0';
    return RF_OK;
}

bool rf_enrol_name_reserved(const char *name)
{
    /* services of the overlay, and names that people take for its operator (RFC 2142) */
    static const char *const reserved[] = {
        "echo",      "voicemail", "conference", "gateway",  "relay",     "turn",  "directory",  "config",
        "enrol",     "enroll",    "ringfolk",   "admin",    "root",      "abuse", "postmaster", "hostmaster",
        "webmaster", "security",  "support",    "operator", "emergency", "sos",   "anonymous",  "nobody",
    };
    size_t len = strcspn(name, "@");
    for (size_t i = 0; i < RF_COUNT(reserved); i++)
        if (strlen(reserved[i]) == len && memcmp(reserved[i], name, len) == 0)
            return true;
    return false;
}
