/* sipvalue.c - SIP registrations as bytes: the value, AORs, GRUUs, and which AORs may be registered (RFC 7904, reload.md 7.3). */
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "usage/sipreg.h"
#include "wire/value.h"

#define SIP_PATTERN_LEN 512
#define SIP_GRUU_LEN    1024 /* bytes of a decoded destination list */
#define SIP_PREFS_DEPTH 16   /* brackets within brackets of contact_prefs */

static int dests_decode(struct rf_view list, uint8_t id_len, struct rf_dest *out, size_t *count)
{
    *count = 0;
    while (list.len > 0) {
        if (*count == RF_SIP_MAX_DESTS)
            return RF_ELIMIT;
        int error = rf_dest_next(&list, id_len, &out[*count]);
        if (error != 0)
            return RF_EFORMAT;
        (*count)++;
    }
    return *count > 0 ? 0 : RF_EFORMAT;
}

int rf_sip_registration_decode(struct rf_view value, uint8_t id_len, struct rf_sip_registration *out)
{
    struct rf_sip_value sip;
    int error = rf_sip_value_decode(value, id_len, &sip);
    if (error != 0)
        return error == RF_ELIMIT ? error : RF_EFORMAT;
    *out = (struct rf_sip_registration){.uri = sip.uri, .contact_prefs = sip.contact_prefs};
    if (sip.type == RF_SIP_VALUE_URI) {
        out->type = RF_SIP_REGISTRATION_URI;
        return sip.uri.len > 0 && rf_utf8_valid(sip.uri) ? 0 : RF_EFORMAT;
    }
    out->type = RF_SIP_REGISTRATION_ROUTE;
    return dests_decode(sip.dests, id_len, out->dests, &out->dest_count);
}

void rf_sip_registration_encode(const struct rf_sip_registration *registration, struct rf_buf *out)
{
    uint8_t bytes[RF_SIP_MAX_DESTS * 260];
    struct rf_buf dests;
    rf_buf_fixed(&dests, bytes, sizeof(bytes));
    for (size_t i = 0; i < registration->dest_count; i++)
        rf_dest_encode(&registration->dests[i], &dests);
    if (rf_buf_error(&dests) != 0)
        rf_buf_fail(out, rf_buf_error(&dests));
    struct rf_sip_value sip = {
        .type = registration->type == RF_SIP_REGISTRATION_URI ? RF_SIP_VALUE_URI : RF_SIP_VALUE_ROUTE,
        .uri = registration->uri,
        .contact_prefs = registration->contact_prefs,
        .dests = rf_buf_view(&dests),
    };
    rf_sip_value_encode(&sip, out);
}

/* ---- domains ---- */

static bool same_domain(struct rf_view a, struct rf_view b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (tolower(a.p[i]) != tolower(b.p[i]))
            return false;
    return true;
}

/* Does the pattern match the whole domain? One that does not compile matches nothing. */
static bool pattern_matches(const char *pattern, const char *domain)
{
    char whole[SIP_PATTERN_LEN];
    regex_t regex;
    int len = snprintf(whole, sizeof(whole), "^(%s)$", pattern);
    if (len < 0 || (size_t)len >= sizeof(whole) ||
        regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB | REG_ICASE) != 0)
        return false;
    bool match = regexec(&regex, domain, 0, NULL, 0) == 0;
    regfree(&regex);
    return match;
}

int rf_sip_aor_allowed(const struct rf_conf *conf, const struct rf_kind_def *kind, struct rf_view aor)
{
    if (!rf_name_valid(aor))
        return RF_EFORMAT;
    if (!kind->domain_restricted)
        return 0;
    struct rf_view domain = rf_name_domain(aor);
    if (!kind->domain_enable)
        return same_domain(domain, conf->overlay) ? 0 : RF_EFORBIDDEN;
    char text[256]; /* rf_name_valid: at most 253 bytes */
    RF_ASSERT(domain.len < sizeof(text));
    memcpy(text, domain.p, domain.len);
    text[domain.len] = '\0';
    for (size_t i = 0; i < kind->domain_pattern_count; i++)
        if (pattern_matches(kind->domain_patterns[i], text))
            return 0;
    return RF_EFORBIDDEN;
}

static bool starts_with(struct rf_view v, const char *text)
{
    size_t len = strlen(text);
    if (v.len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (tolower(v.p[i]) != text[i])
            return false;
    return true;
}

static struct rf_view without_scheme(struct rf_view uri)
{
    size_t skip = starts_with(uri, "sips:") ? 5 : starts_with(uri, "sip:") ? 4 : 0;
    return rf_view_of(uri.p + skip, uri.len - skip);
}

int rf_sip_uri_aor(struct rf_view uri, struct rf_view *out)
{
    struct rf_view aor = without_scheme(uri);
    for (size_t i = 0; i < aor.len; i++)
        if (aor.p[i] == ';' || aor.p[i] == '?')
            aor.len = i;
    if (!rf_name_valid(aor))
        return RF_EFORMAT;
    *out = aor;
    return 0;
}

/* ---- GRUU ---- */

/* The value of the parameter gr; false: there is none. */
static bool gr_parameter(struct rf_view uri, struct rf_view *out)
{
    struct rf_view rest = uri;
    while (rest.len > 0) {
        const uint8_t *semicolon = memchr(rest.p, ';', rest.len);
        if (semicolon == NULL)
            return false;
        rest = rf_view_of(semicolon + 1, rest.len - (size_t)(semicolon + 1 - rest.p));
        if (!starts_with(rest, "gr="))
            continue;
        *out = rf_view_of(rest.p + 3, rest.len - 3);
        for (size_t i = 0; i < out->len; i++)
            if (out->p[i] == ';' || out->p[i] == '?')
                out->len = i;
        return true;
    }
    return false;
}

int rf_sip_gruu_decode(struct rf_view uri, uint8_t id_len, struct rf_dest out[RF_SIP_MAX_DESTS],
                       struct rf_view *owner, size_t *dest_count)
{
    struct rf_view gr;
    uint8_t text[4 * SIP_GRUU_LEN / 3 + 4], bytes[SIP_GRUU_LEN];
    if (!gr_parameter(uri, &gr))
        return RF_ENOTFOUND;
    if (gr.len > sizeof(text))
        return RF_ELIMIT;
    for (size_t i = 0; i < gr.len; i++)
        text[i] = gr.p[i] == '~' ? '=' : gr.p[i];
    struct rf_buf list;
    rf_buf_fixed(&list, bytes, sizeof(bytes));
    int error = rf_sip_uri_aor(uri, owner);
    if (error == 0 && rf_base64_decode(rf_view_of(text, gr.len), &list) != 0)
        error = RF_EFORMAT;
    error = error != 0 ? error : dests_decode(rf_buf_view(&list), id_len, out, dest_count);
    for (size_t i = 0; i < *dest_count && error == 0; i++)
        if (out[i].id.len == 0 && out[i].type != RF_DEST_COMPACT)
            error = RF_EFORMAT; /* an opaque ID would point into our buffer, and nobody can use another's */
        else
            out[i].bytes = rf_view_of(NULL, 0);
    return error;
}

void rf_sip_gruu_put(struct rf_view aor, const struct rf_dest *dests, size_t dest_count, struct rf_buf *out)
{
    uint8_t bytes[SIP_GRUU_LEN];
    struct rf_buf list;
    rf_buf_fixed(&list, bytes, sizeof(bytes));
    for (size_t i = 0; i < dest_count; i++)
        rf_dest_encode(&dests[i], &list);
    if (rf_buf_error(&list) != 0)
        rf_buf_fail(out, rf_buf_error(&list));
    rf_buf_view_put(out, aor);
    rf_buf_str(out, ";gr=");
    size_t from = out->len;
    rf_base64_put(out, rf_buf_view(&list));
    for (size_t i = from; i < out->len && rf_buf_error(out) == 0; i++)
        if (out->p[i] == '=')
            out->p[i] = '~';
}

/* ---- contact_prefs ---- */

/*
 * The part of RFC 2533 that is needed: filter = "(" ("&" | "|") filter* ")" | "(!" filter ")" | "(" name "=" value ")". A comparison with another
 * capability than sip.schemes, or with another operator, is open: it decides nothing.
 */
enum truth { NO, OPEN, YES };

static void skip_blanks(struct rf_view *in)
{
    while (in->len > 0 && isspace(in->p[0]))
        *in = rf_view_of(in->p + 1, in->len - 1);
}

static bool take(struct rf_view *in, char c)
{
    skip_blanks(in);
    bool there = in->len > 0 && in->p[0] == (uint8_t)c;
    if (there)
        *in = rf_view_of(in->p + 1, in->len - 1);
    return there;
}

static bool take_word(struct rf_view *in, const char *word)
{
    skip_blanks(in);
    bool there = starts_with(*in, word);
    if (there)
        *in = rf_view_of(in->p + strlen(word), in->len - strlen(word));
    return there;
}

/* what stands between the brackets of one comparison */
static enum truth compare_scheme(struct rf_view in, const char *scheme)
{
    if (!take_word(&in, "sip.schemes") || !take(&in, '='))
        return OPEN;
    bool quoted = take(&in, '"') || take(&in, '<');
    bool fits = take_word(&in, scheme);
    if (quoted)
        (void)(take(&in, '"') || take(&in, '>'));
    skip_blanks(&in);
    return fits && in.len == 0 ? YES : NO;
}

static int eval_filter(struct rf_view *in, const char *scheme, unsigned depth, enum truth *out);

static int eval_list(struct rf_view *in, const char *scheme, unsigned depth, bool all, enum truth *out)
{
    *out = all ? YES : NO;
    while (!take(in, ')')) {
        enum truth one;
        int error = eval_filter(in, scheme, depth + 1, &one);
        if (error != 0)
            return error;
        if (all ? one < *out : one > *out)
            *out = one;
    }
    return 0;
}

static int eval_filter(struct rf_view *in, const char *scheme, unsigned depth, enum truth *out)
{
    if (depth > SIP_PREFS_DEPTH || !take(in, '('))
        return RF_EFORMAT;
    bool all = take(in, '&');
    if (all || take(in, '|'))
        return eval_list(in, scheme, depth, all, out);
    if (take(in, '!')) {
        int error = eval_filter(in, scheme, depth + 1, out);
        *out = YES - *out;
        return error == 0 && take(in, ')') ? 0 : RF_EFORMAT;
    }
    const uint8_t *end = in->len > 0 ? memchr(in->p, ')', in->len) : NULL;
    if (end == NULL)
        return RF_EFORMAT;
    size_t len = (size_t)(end - in->p);
    *out = compare_scheme(rf_view_of(in->p, len), scheme);
    *in = rf_view_of(end + 1, in->len - len - 1);
    return 0;
}

static bool scheme_excluded(struct rf_view prefs, const char *scheme)
{
    enum truth truth = OPEN;
    int error = eval_filter(&prefs, scheme, 0, &truth);
    skip_blanks(&prefs);
    return error == 0 && prefs.len == 0 && truth == NO;
}

bool rf_sip_prefs_sips(struct rf_view prefs)
{
    return scheme_excluded(prefs, "sip") && !scheme_excluded(prefs, "sips");
}

/* ---- the Kind ---- */

static int check(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_sip_registration registration;
    if (rf_sip_registration_decode(value->data->value, value->resource.len, &registration) != 0) {
        snprintf(why, why_len, "no SipRegistration");
        return RF_EFORMAT;
    }
    /* USER-NODE-MATCH has seen to it that this is the resource of the signer's name */
    if (rf_sip_aor_allowed(value->conf, value->kind, value->signer->cert->user) != 0) {
        snprintf(why, why_len, "AORs of that domain are not registered here");
        return RF_EFORBIDDEN;
    }
    return 0;
}

int rf_sipreg_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind kind = {
        .kind = RF_KIND_SIP_REGISTRATION, .name = "SIP-REGISTRATION", .findable = false, .check = check};
    return rf_store_add_kind(store, &kind);
}
