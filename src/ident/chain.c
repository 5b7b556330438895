/* chain.c - from a certificate to a root: issuer by issuer, over intermediates if there must be some. */
#include "ident/trust.h"

#define VERIFY_MAX 8 /* signatures tried for one certificate: hostile ones may all bear the same name */

struct search {
    const struct rf_trust *trust;
    const struct rf_view *others;
    size_t other_count;
    uint64_t wall_ms;
    size_t verified;
    struct rf_view path[RF_CERT_MAX_CHAIN]; /* the intermediates used */
    size_t path_len;
    struct trust_window window;
    bool forged; /* somebody bears an issuer's name and did not sign, */
    bool issued; /* or somebody did sign, but leads to no root */
};

static bool may_issue(const struct rf_x509 *issuer, size_t below, uint64_t wall_ms)
{
    return issuer->is_ca && !issuer->unknown_critical && (issuer->key_usage & RF_KEY_USAGE_CERT_SIGN) != 0 &&
           (issuer->path_len < 0 || (size_t)issuer->path_len >= below) && issuer->not_before_ms <= wall_ms &&
           wall_ms <= issuer->not_after_ms;
}

/* issued checks that `issuer`, `below` intermediates above the node's certificate, may have issued `cert` and did. */
static bool issued(struct search *s, const struct rf_x509 *issuer, const struct rf_x509 *cert, size_t below)
{
    struct rf_crypto *crypto = s->trust->crypto;

    if (!rf_view_equal(issuer->subject, cert->issuer) || !may_issue(issuer, below, s->wall_ms))
        return false;
    if (s->verified == VERIFY_MAX)
        return false;
    s->verified++;
    if (crypto->ops->x509_verify(crypto, cert, issuer) != 0) {
        s->forged = true;
        return false;
    }
    s->issued = true;
    return true;
}

static void narrow(struct trust_window *window, const struct rf_x509 *cert)
{
    if (cert->not_before_ms > window->from_ms)
        window->from_ms = cert->not_before_ms;
    if (cert->not_after_ms < window->until_ms)
        window->until_ms = cert->not_after_ms;
}

static bool climb(struct search *s, const struct rf_x509 *cert);

/* try_other goes up over others[i] if that is an issuer of `cert`. */
static bool try_other(struct search *s, size_t i, const struct rf_x509 *cert)
{
    struct rf_crypto *crypto = s->trust->crypto;
    size_t below = s->path_len;
    struct rf_x509 issuer;
    bool found = false;

    for (size_t k = 0; k < below; k++)
        if (rf_view_equal(s->path[k], s->others[i]))
            return false;
    if (crypto->ops->x509_decode(crypto, s->others[i], &issuer) != 0)
        return false;
    if (issued(s, &issuer, cert, below)) {
        s->path[s->path_len++] = s->others[i];
        found = climb(s, &issuer);
        if (found)
            narrow(&s->window, &issuer);
        else
            s->path_len = below;
    }
    crypto->ops->x509_deinit(crypto, &issuer);
    return found;
}

/* climb: a root above `cert`, directly or over others. Its depth is bounded by the length of the path. */
static bool climb(struct search *s, const struct rf_x509 *cert)
{
    const struct trust_rules *rules = s->trust->rules;

    for (size_t i = 0; i < rules->root_count; i++)
        if (issued(s, &rules->roots[i], cert, s->path_len)) {
            narrow(&s->window, &rules->roots[i]);
            return true;
        }
    for (size_t i = 0; i < s->other_count && s->path_len < RF_CERT_MAX_CHAIN; i++)
        if (try_other(s, i, cert))
            return true;
    return false;
}

int cert_chain_check(const struct rf_trust *trust, struct rf_cert *cert, const struct rf_view *others,
                     size_t other_count, uint64_t wall_ms, struct trust_window *window)
{
    struct search s = {
        .trust = trust, .others = others, .other_count = other_count, .wall_ms = wall_ms, .window = *window};

    if (!climb(&s, &cert->x509))
        return s.forged && !s.issued ? RF_ESIGNATURE : RF_EUNTRUSTED;
    *window = s.window;
    return cert_set_chain(cert, s.path, s.path_len);
}
