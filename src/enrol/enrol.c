/* enrol.c - the enrolment machine: its object, and what is checked of a request before anybody asks who it is. */
#include "enrol/enrol.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/assert.h"
#include "base/text.h"
#include "enrol/internal.h"

#define ROW(name, help) {#name, help, offsetof(struct rf_enrol_counters, name)},
RF_COUNTERS_DEFINE(enrol, RF_ENROL_COUNTERS, ROW)

void rf_enrol_answer_init(struct rf_enrol_answer *answer, struct rf_mem *mem)
{
    memset(answer, 0, sizeof(*answer));
    rf_buf_init(&answer->certificate, mem, 8192);
}

void rf_enrol_answer_deinit(struct rf_enrol_answer *answer)
{
    rf_buf_deinit(&answer->certificate);
}

void answer_refuse(struct rf_enrol_answer *answer, uint64_t *counter, int status, const char *token,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(answer->reason, sizeof(answer->reason), format, args);
    va_end(args);
    answer->status = status;
    answer->token = token;
    (*counter)++;
}

void answer_failed(struct rf_enrol *enrol, struct rf_enrol_answer *answer, int error)
{
    bool store = error == RF_EBUSY || error == RF_EDATABASE;
    answer_refuse(answer, &enrol->counters.failed, store ? 503 : 500, NULL, "%s",
                  store ? "the server's database does not answer; try again later"
                        : "the server could not do this; its operator finds the cause in its log");
    answer->retry_after_s = store ? 5 : 0;
    rf_log_write(enrol->log, RF_LOG_ERROR, "enrol", "an attempt failed: %s", rf_error_text(error));
}

/*
 * make_decoy writes the hash that an unknown name is verified against: same parameters as a new one, random salt and digest, so that it
 * takes the same time and fits nothing.
 */
static int make_decoy(struct rf_enrol *enrol)
{
    uint8_t random[RF_PASSWORD_SALT_LEN + 32];
    struct rf_buf out, b64;
    uint8_t text[80];
    rf_rng_fill(enrol->secret, random, sizeof(random));
    rf_buf_fixed(&out, enrol->decoy, sizeof(enrol->decoy) - 1);
    rf_buf_printf(&out, "$argon2id$v=19$m=%u,t=%u,p=1", enrol->cost.memory_kib, enrol->cost.passes);
    const size_t cuts[] = {0, RF_PASSWORD_SALT_LEN, sizeof(random)};
    for (int i = 0; i < 2; i++) {
        rf_buf_fixed(&b64, text, sizeof(text));
        rf_base64_put(&b64, rf_view_of(random + cuts[i], cuts[i + 1] - cuts[i]));
        while (b64.len > 0 && text[b64.len - 1] == '=')
            b64.len--;
        rf_buf_u8(&out, '$');
        rf_buf_view_put(&out, rf_buf_view(&b64));
    }
    return rf_buf_error(&out);
}

static bool config_valid(const struct rf_enrol_config *c)
{
    const struct rf_enrol_limits *l = &c->limits;
    return rf_domain_valid(rf_view_str(c->overlay)) && c->id_len >= RF_ID_MIN_LEN &&
           c->id_len <= RF_ID_MAX_LEN && c->validity_ms >= RF_MS_PER_S && c->cost.memory_kib >= 8 &&
           c->cost.passes >= 1 && l->address_burst >= COST_REFUSED && l->name_burst >= 1 &&
           l->name_all_burst >= 1 && l->address_refill_us >= 1 && l->name_refill_us >= 1 &&
           l->name_all_refill_us >= 1 && l->max_count >= 1;
}

int rf_enrol_new(struct rf_mem *mem, struct rf_crypto *crypto, struct rf_enrol_store *store,
                 struct rf_rng *secret, struct rf_log *log, const struct rf_x509 *ca,
                 const struct rf_key *ca_key, const struct rf_enrol_config *config, struct rf_enrol **out)
{
    if (!config_valid(config))
        return RF_EINVAL;
    struct rf_enrol *enrol = rf_zalloc(mem, sizeof(*enrol));
    if (!enrol)
        return RF_ENOMEM;
    *enrol = (struct rf_enrol){.mem = mem,
                               .crypto = crypto,
                               .store = store,
                               .secret = secret,
                               .log = log,
                               .ca = ca,
                               .ca_key = ca_key,
                               .id_len = config->id_len,
                               .validity_ms = config->validity_ms,
                               .cost = config->cost};
    snprintf(enrol->overlay, sizeof(enrol->overlay), "%s", config->overlay);
    const struct rf_enrol_limits *l = &config->limits;
    rf_limit_init(&enrol->addresses, mem, config->seed, l->max_count, l->address_burst, l->address_refill_us);
    rf_limit_init(&enrol->names, mem, config->seed, l->max_count, l->name_burst, l->name_refill_us);
    rf_limit_init(&enrol->names_all, mem, config->seed, l->max_count, l->name_all_burst,
                  l->name_all_refill_us);
    int e = make_decoy(enrol);
    if (e != RF_OK) {
        rf_enrol_free(enrol);
        return e;
    }
    *out = enrol;
    return RF_OK;
}

void rf_enrol_free(struct rf_enrol *enrol)
{
    if (!enrol)
        return;
    rf_limit_deinit(&enrol->addresses);
    rf_limit_deinit(&enrol->names);
    rf_limit_deinit(&enrol->names_all);
    rf_free(enrol->mem, enrol);
}

const struct rf_enrol_counters *rf_enrol_counters(const struct rf_enrol *enrol)
{
    return &enrol->counters;
}

void rf_enrol_attempt_free(struct rf_enrol_attempt *attempt)
{
    if (!attempt)
        return;
    struct rf_mem *mem = attempt->mem;
    rf_free(mem, (void *)(uintptr_t)attempt->spki.p);
    rf_free_secret(mem, attempt, sizeof(*attempt));
}

/* ---- one address ---- */

struct rf_view network_of(const struct rf_addr *peer)
{
    return rf_view_of(peer->ip, peer->family == 6 ? 8 : 4);
}

static bool address_admit(struct rf_enrol *enrol, const struct rf_addr *peer, const struct rf_now *now,
                          struct rf_enrol_answer *answer)
{
    uint64_t wait_us = 0;
    int e = rf_limit_take(&enrol->addresses, network_of(peer), COST_REFUSED, now->mono_us, &wait_us);
    if (e == RF_OK)
        return true;
    if (e != RF_ELIMIT) {
        answer_failed(enrol, answer, e);
        return false;
    }
    answer_refuse(answer, &enrol->counters.limited_address, 429, NULL,
                  "too many attempts from your address; wait and try again");
    answer->retry_after_s = (uint32_t)(wait_us / RF_US_PER_S) + 1;
    return false;
}

/* settle gives back what an attempt that was not refused did not cost. Our own failures cost nothing. */
static void settle(struct rf_enrol *enrol, const struct rf_addr *peer, const struct rf_now *now,
                   const struct rf_enrol_answer *answer)
{
    if (answer->status == 200 || answer->status >= 500)
        rf_limit_give(&enrol->addresses, network_of(peer), COST_REFUSED - COST_ATTEMPT, now->mono_us);
}

/* ---- the form ---- */

static bool check_csr(struct rf_enrol *enrol, struct rf_view der, struct rf_csr *csr,
                      struct rf_enrol_answer *answer)
{
    const char *why;
    if (der.len == 0)
        why = "there is no certificate request (part csr)";
    else if (der.len > RF_ENROL_CSR_MAX_LEN)
        why = "the certificate request is longer than 4096 bytes";
    else {
        int e = enrol->crypto->ops->csr_decode(enrol->crypto, der, csr);
        if (e == RF_OK)
            return true;
        if (e == RF_ENOMEM || e == RF_ECRYPTO) {
            answer_failed(enrol, answer, e);
            return false;
        }
        why = e == RF_EUNKNOWN     ? "keys must be ECDSA P-256, Ed25519 or RSA with 2048 bits"
              : e == RF_ESIGNATURE ? "the certificate request's own signature is wrong"
                                   : "the certificate request is not PKCS#10 in DER";
    }
    answer_refuse(answer, &enrol->counters.refused_csr, 403, TOKEN_CSR, "%s", why);
    return false;
}

/* check_name makes the attempt's name of the field, else of the CSR; both must agree if both are there. */
static bool check_name(struct rf_enrol *enrol, struct rf_view username, struct rf_view email,
                       struct rf_enrol_attempt *attempt, struct rf_enrol_answer *answer)
{
    char from_csr[RF_ENROL_NAME_SIZE];
    if (username.len == 0 && email.len == 0)
        return true; /* a renewal may leave it out; decide_grant knows */
    int e = rf_enrol_name(username.len > 0 ? username : email, enrol->overlay, attempt->user);
    if (e != RF_OK) {
        answer_refuse(answer, &enrol->counters.refused_name, 403, TOKEN_NAME, "%s%s",
                      e == RF_EMISMATCH ? "names of this overlay end in @"
                      : e == RF_ELIMIT
                          ? "the name is too long: at most 64 characters before the @"
                          : "a name is made of letters, digits and . _ + - and begins with a letter or digit",
                      e == RF_EMISMATCH ? enrol->overlay : "");
        return false;
    }
    memcpy(answer->user, attempt->user, sizeof(answer->user));
    if (username.len == 0 || email.len == 0)
        return true;
    if (rf_enrol_name(email, enrol->overlay, from_csr) == RF_OK && strcmp(from_csr, attempt->user) == 0)
        return true;
    answer_refuse(answer, &enrol->counters.refused_csr, 403, TOKEN_CSR,
                  "the certificate request names somebody else than %s", attempt->user);
    return false;
}

static bool check_node_ids(struct rf_enrol *enrol, struct rf_view text, struct rf_enrol_answer *answer)
{
    bool digits = text.len <= 9;
    for (size_t i = 0; i < text.len; i++)
        digits = digits && text.p[i] >= '0' && text.p[i] <= '9';
    if (!digits || (text.len > 0 && text.p[0] == '0')) {
        answer_refuse(answer, &enrol->counters.refused_form, 400, NULL, "nodeids must be a decimal count");
        return false;
    }
    if (text.len == 0 || (text.len == 1 && text.p[0] == '1'))
        return true;
    answer_refuse(answer, &enrol->counters.refused_node_ids, 403, TOKEN_NODE_IDS,
                  "a certificate of this overlay carries one Node-ID; enrol each device by itself");
    return false;
}

/*
 * check_certificate accepts an old certificate of ours for the CSR's key: that entitles to its renewal. What the store knows of the device
 * decides later.
 */
static bool check_certificate(struct rf_enrol *enrol, struct rf_view der, const struct rf_csr *csr,
                              const struct rf_now *now, struct rf_enrol_answer *answer)
{
    struct rf_x509 old;
    struct rf_crypto *crypto = enrol->crypto;
    uint64_t *auth = &enrol->counters.refused_auth;
    if (der.len > RF_ENROL_CSR_MAX_LEN || crypto->ops->x509_decode(crypto, der, &old) != RF_OK) {
        answer_refuse(answer, auth, 403, TOKEN_AUTH, "the old certificate is malformed");
        return false;
    }
    bool ours = crypto->ops->x509_verify(crypto, &old, enrol->ca) == RF_OK && !old.is_ca;
    if (!ours)
        answer_refuse(answer, auth, 403, TOKEN_AUTH, "the old certificate was not issued here");
    else if (old.not_after_ms <= now->wall_ms)
        answer_refuse(answer, auth, 403, TOKEN_AUTH,
                      "the old certificate has expired; enrol again with your password or an invite");
    else if (!rf_view_equal(old.spki, csr->spki))
        answer_refuse(answer, &enrol->counters.refused_csr, 403, TOKEN_CSR,
                      "the certificate request is signed by another key than the old certificate's");
    crypto->ops->x509_deinit(crypto, &old);
    return answer->status == 0;
}

/* check_form checks everything of a request that does not depend on who sent it; false: `answer` is complete. */
static bool check_form(struct rf_enrol *enrol, const struct rf_enrol_request *request,
                       const struct rf_csr *csr, const struct rf_now *now, struct rf_enrol_attempt *attempt,
                       struct rf_enrol_answer *answer)
{
    if (request->password.len > RF_PASSWORD_MAX_LEN || !rf_utf8_valid(request->password)) {
        answer_refuse(answer, &enrol->counters.refused_form, 400, NULL,
                      "a password is at most 1024 bytes of UTF-8");
        return false;
    }
    if (!check_node_ids(enrol, request->nodeids, answer) ||
        !check_name(enrol, request->username, csr->email, attempt, answer))
        return false;
    attempt->has_invite = request->invite.len > 0;
    if (attempt->has_invite) {
        attempt->grant = RF_ENROL_BY_INVITE;
        int e = rf_enrol_invite_hash(enrol->crypto, request->invite, attempt->invite_hash);
        if (e == RF_OK)
            return true;
        if (e == RF_EFORMAT)
            answer_refuse(answer, &enrol->counters.refused_auth, 403, TOKEN_AUTH,
                          "this invite is not known here");
        else
            answer_failed(enrol, answer, e);
        return false;
    }
    if (request->password.len > 0) {
        attempt->grant = RF_ENROL_BY_PASSWORD;
        return true;
    }
    attempt->grant = RF_ENROL_BY_KEY;
    if (request->certificate.len > 0)
        return check_certificate(enrol, request->certificate, csr, now, answer);
    answer_refuse(answer, &enrol->counters.refused_auth, 403, TOKEN_AUTH,
                  "give a password, an invite or the certificate to renew");
    return false;
}

static int attempt_new(struct rf_enrol *enrol, const struct rf_enrol_request *request,
                       const struct rf_csr *csr, struct rf_enrol_attempt **out)
{
    struct rf_enrol_attempt *attempt = rf_zalloc(enrol->mem, sizeof(*attempt));
    if (!attempt)
        return RF_ENOMEM;
    attempt->mem = enrol->mem;
    attempt->peer = request->peer;
    int e = RF_ENOMEM;
    uint8_t *spki = rf_memdup(enrol->mem, csr->spki.p, csr->spki.len);
    if (!spki)
        goto out;
    attempt->spki = rf_view_of(spki, csr->spki.len);
    e = rf_sha256(enrol->crypto, csr->spki, attempt->key_hash);
out:
    if (e != RF_OK)
        rf_enrol_attempt_free(attempt);
    else
        *out = attempt;
    return e;
}

void rf_enrol_begin(struct rf_enrol *enrol, const struct rf_enrol_request *request, const struct rf_now *now,
                    struct rf_enrol_answer *answer, struct rf_enrol_attempt **out)
{
    struct rf_enrol_attempt *attempt = NULL;
    struct rf_csr csr;
    *out = NULL;
    if (!address_admit(enrol, &request->peer, now, answer))
        return;
    if (check_csr(enrol, request->csr, &csr, answer)) {
        int e = attempt_new(enrol, request, &csr, &attempt);
        if (e != RF_OK)
            answer_failed(enrol, answer, e);
        else if (check_form(enrol, request, &csr, now, attempt, answer) &&
                 decide_grant(enrol, attempt, request->password, now, answer)) {
            if (attempt->job.work != RF_PASSWORD_NONE)
                *out = attempt;
            else
                decide_issue(enrol, attempt, now, answer);
        }
        enrol->crypto->ops->csr_deinit(enrol->crypto, &csr);
    }
    if (*out)
        return;
    settle(enrol, &request->peer, now, answer);
    rf_enrol_attempt_free(attempt);
}

void rf_enrol_finish(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                     struct rf_enrol_answer *answer)
{
    memcpy(answer->user, attempt->user, sizeof(answer->user));
    decide_issue(enrol, attempt, now, answer);
    settle(enrol, &attempt->peer, now, answer);
    rf_enrol_attempt_free(attempt);
}
