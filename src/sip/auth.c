/* auth.c - digest authentication of phones. */
#include "sip/auth.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/error.h"
#include "sip/registrar.h"

#define AUTH_SOURCES 64 /* addresses whose wrong answers are remembered; the longest unused one makes room */
#define AUTH_USED    64 /* nonces whose counts are remembered; the oldest makes room */
#define NONCE_LEN    (AUTH_NONCE_TEXT_LEN - 1) /* hex digits: 16 of time, 8 of number, 16 of keyed hash */

struct source {
    struct sa addr; /* with port for registered phones */
    double tokens;
    uint64_t last_s;
};

/* A nonce that has been used with the right password. */
struct used {
    char nonce[NONCE_LEN]; /* NULs: none */
    uint64_t count;        /* the highest nc; 0 without one */
    uint64_t request;      /* which request brought it: it may be sent again */
};

struct auth {
    uint8_t ha1_short[MD5_SIZE]; /* MD5(user:realm:password) for "alice" ... */
    uint8_t ha1_full[MD5_SIZE];  /* ... and for "alice@example.org" */
    uint64_t key[2];             /* of nonces */
    struct source sources[AUTH_SOURCES];
    uint32_t number; /* of nonces made */
    struct used used[AUTH_USED];
    size_t used_next;
};

int auth_new(struct core *core, const char *password, struct auth **out)
{
    struct auth *auth = rf_zalloc(core->mem, sizeof(*auth));
    if (auth == NULL)
        return RF_ENOMEM;
    md5_printf(auth->ha1_short, "%s:%s:%s", core->user, core->domain, password);
    md5_printf(auth->ha1_full, "%s:%s:%s", core->aor, core->domain, password);
    auth->key[0] = rand_u64();
    auth->key[1] = rand_u64();
    *out = auth;
    return 0;
}

void auth_free(struct core *core, struct auth *auth)
{
    if (auth != NULL)
        rf_free_secret(core->mem, auth, sizeof(*auth));
}

/* ---- nonces ---- */

static void nonce_put(const struct auth *auth, const struct sa *src, uint64_t made_s, uint32_t number,
                      char out[AUTH_NONCE_TEXT_LEN])
{
    uint8_t bound[16];
    uint32_t address = sa_hash(src, SA_ADDR);
    for (int i = 0; i < 8; i++)
        bound[i] = (uint8_t)(made_s >> (56 - 8 * i));
    memcpy(bound + 8, &number, 4);
    memcpy(bound + 12, &address, 4);
    snprintf(out, NONCE_LEN + 1, "%016llx%08x%016llx", (unsigned long long)made_s, number,
             (unsigned long long)rf_hash64(auth->key, rf_view_of(bound, sizeof(bound))));
}

void auth_nonce(struct auth *auth, const struct sa *src, uint64_t now_s, char out[AUTH_NONCE_TEXT_LEN])
{
    nonce_put(auth, src, now_s, auth->number++, out);
}

/* 0 ours and fresh, RF_EEXPIRED ours and old, RF_EFORMAT not ours, or given to another address */
static int nonce_check(const struct auth *auth, const struct pl *nonce, const struct sa *src, uint64_t now_s)
{
    char made[17] = {0}, number[9] = {0}, expected[AUTH_NONCE_TEXT_LEN];
    if (nonce->l != NONCE_LEN)
        return RF_EFORMAT;
    memcpy(made, nonce->p, 16);
    memcpy(number, nonce->p + 16, 8);
    uint64_t made_s = strtoull(made, NULL, 16);
    nonce_put(auth, src, made_s, (uint32_t)strtoul(number, NULL, 16), expected);
    if (!rf_view_equal_secret(rf_view_of(expected, NONCE_LEN), view_of_pl(nonce)))
        return RF_EFORMAT;
    return made_s + AUTH_NONCE_S < now_s || made_s > now_s ? RF_EEXPIRED : 0;
}

/* Has this answer been seen before? The count of a nonce rises with each request; only the very same request may come again. */
static bool replayed(struct auth *auth, const struct httpauth_digest_resp *resp, const struct sip_msg *msg)
{
    uint64_t count = pl_isset(&resp->nc) ? pl_x64(&resp->nc) : 0;
    uint64_t request = rf_hash64(auth->key, view_of_pl(&msg->callid)) ^ msg->cseq.num;
    for (size_t i = 0; i < AUTH_USED; i++) {
        struct used *u = &auth->used[i];
        if (memcmp(u->nonce, resp->nonce.p, NONCE_LEN) != 0)
            continue;
        bool good = count > u->count || (count == u->count && request == u->request);
        if (good) {
            u->count = count;
            u->request = request;
        }
        return !good;
    }
    struct used *u = &auth->used[auth->used_next++ % AUTH_USED];
    memcpy(u->nonce, resp->nonce.p, NONCE_LEN);
    u->count = count;
    u->request = request;
    return false;
}

/* ---- limits ---- */

static struct source *source_of(struct auth *auth, const struct sa *addr, bool known, uint64_t now_s)
{
    struct source *oldest = &auth->sources[0];
    for (size_t i = 0; i < AUTH_SOURCES; i++) {
        struct source *s = &auth->sources[i];
        bool ported = sa_port(&s->addr) != 0;
        if (s->last_s != 0 && ported == known && sa_cmp(&s->addr, addr, known ? SA_ALL : SA_ADDR)) {
            s->tokens += (double)(now_s - s->last_s) / AUTH_TRY_REFILL_S;
            s->tokens = s->tokens > AUTH_TRIES ? AUTH_TRIES : s->tokens;
            s->last_s = now_s;
            return s;
        }
        if (s->last_s < oldest->last_s)
            oldest = s;
    }
    *oldest = (struct source){.addr = *addr, .tokens = AUTH_TRIES, .last_s = now_s};
    if (!known)
        sa_set_port(&oldest->addr, 0);
    return oldest;
}

/* ---- the verdict ---- */

/* the Authorization header for our realm */
static bool find_response(const struct core *core, const struct sip_msg *msg,
                          struct httpauth_digest_resp *out)
{
    for (const struct le *le = list_head(&msg->hdrl); le != NULL; le = le->next) {
        const struct sip_hdr *hdr = le->data;
        if ((hdr->id == SIP_HDR_AUTHORIZATION || hdr->id == SIP_HDR_PROXY_AUTHORIZATION) &&
            httpauth_digest_response_decode(out, &hdr->val) == 0 && pl_strcmp(&out->realm, core->domain) == 0)
            return true;
    }
    return false;
}

enum auth_verdict auth_judge(struct core *core, struct auth *auth, const struct sip_msg *msg, bool known,
                             uint64_t now_s)
{
    struct httpauth_digest_resp resp;
    if (!find_response(core, msg, &resp))
        return AUTH_CHALLENGE;
    int nonce = nonce_check(auth, &resp.nonce, &msg->src, now_s);
    if (nonce == RF_EFORMAT)
        return AUTH_CHALLENGE; /* of an earlier life, or made up: no password is looked at */
    struct source *source = source_of(auth, &msg->src, known, now_s);
    if (source->tokens < 1)
        return AUTH_LIMITED;
    const uint8_t *ha1 = pl_strcmp(&resp.username, core->user) == 0  ? auth->ha1_short
                         : pl_strcmp(&resp.username, core->aor) == 0 ? auth->ha1_full
                                                                     : NULL;
    if (ha1 == NULL || httpauth_digest_response_auth(&resp, &msg->met, ha1) != 0) {
        source->tokens -= 1;
        COUNT(core, phone_auth_failed);
        return AUTH_CHALLENGE;
    }
    if (nonce == 0 && replayed(auth, &resp, msg)) {
        COUNT(core, phone_auth_replayed);
        return AUTH_STALE;
    }
    return nonce == RF_EEXPIRED ? AUTH_STALE : AUTH_OK;
}

bool auth_admit(struct core *core, const struct sip_msg *msg)
{
    char nonce[AUTH_NONCE_TEXT_LEN];
    uint64_t now_s = tmr_jiffies() / 1000;
    bool known = registrar_knows(core, msg);
    enum auth_verdict verdict = auth_judge(core, core->auth, msg, known, now_s);

    if (verdict == AUTH_OK)
        return true;
    COUNT(core, phone_refused);
    if (verdict == AUTH_LIMITED) {
        COUNT(core, phone_auth_limited);
        (void)sip_replyf(core->phones, msg, 503, "Too Many Wrong Passwords",
                         "Retry-After: 30\r\nContent-Length: 0\r\n\r\n");
        return false;
    }
    if (verdict == AUTH_STALE)
        COUNT(core, phone_auth_stale);
    auth_nonce(core->auth, &msg->src, now_s, nonce);
    (void)sip_replyf(core->phones, msg, 401, "Unauthorized",
                     "WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\", algorithm=MD5, qop=\"auth\"%s\r\n"
                     "Content-Length: 0\r\n\r\n",
                     core->domain, nonce, verdict == AUTH_STALE ? ", stale=true" : "");
    return false;
}
