/* aor.c - addresses of record and SIP URIs. */
#include "sip/aor.h"
#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include "base/error.h"
#include "base/text.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (uint8_t)tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int aor_unescape(struct rf_view text, char *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.p[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return RF_EFORMAT;
            c = high << 4 | low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return RF_EFORMAT;
        if (n + 1 >= max)
            return RF_ELIMIT;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

int aor_from_uri(struct rf_view user, struct rf_view host, char out[AOR_MAX])
{
    int error = aor_unescape(user, out, AOR_MAX);
    size_t n = error == 0 ? strlen(out) : 0;

    if (error != 0)
        return error;
    if (n == 0 || host.len == 0)
        return RF_EFORMAT;
    if (n + 1 + host.len >= AOR_MAX)
        return RF_ELIMIT;
    out[n++] = '@';
    for (size_t i = 0; i < host.len; i++)
        out[n++] = (char)tolower(host.p[i]);
    out[n] = '\0';
    return rf_name_valid(rf_view_of(out, n)) ? 0 : RF_EFORMAT;
}

bool aor_uri_clean(struct rf_view uri)
{
    for (size_t i = 0; i < uri.len; i++)
        if (uri.p[i] <= ' ' || uri.p[i] == 0x7f || strchr("<>\"", uri.p[i]) != NULL)
            return false;
    return uri.len > 0;
}

bool aor_equal(const char *a, const char *b)
{
    const char *at_a = strrchr(a, '@'), *at_b = strrchr(b, '@');
    return at_a != NULL && at_b != NULL && at_a - a == at_b - b && memcmp(a, b, (size_t)(at_a - a)) == 0 &&
           strcasecmp(at_a, at_b) == 0;
}

void aor_to_uri(const char *aor, bool sips, char out[AOR_URI_MAX])
{
    const char *at = strrchr(aor, '@');
    size_t n = (size_t)snprintf(out, AOR_URI_MAX, "%s", sips ? "sips:" : "sip:");

    for (const char *p = aor; p < at && n + 4 < AOR_URI_MAX; p++) {
        /* unreserved and user-unreserved of RFC 3261 */
        if (isalnum((unsigned char)*p) || strchr("-_.!~*'()&=+$,;?/", *p) != NULL)
            out[n++] = *p;
        else
            n += (size_t)snprintf(out + n, AOR_URI_MAX - n, "%%%02X", (unsigned char)*p);
    }
    snprintf(out + n, AOR_URI_MAX - n, "%s", at != NULL ? at : "@");
}
