/*
 * decide.c - who may have a certificate, and the making of it.
 *
 * decide_grant looks at the store without a transaction to find out whether there is a password to compute; decide_issue looks again, inside
 * the transaction that issues, so that nothing which changed meanwhile (the invite used, the password changed, the user disabled, the
 * device revoked) is overlooked.
 */
#include "base/assert.h"
#include "enrol/internal.h"
#include "ident/ident.h"

#define NODE_ID_TRIES 8

static void refuse_auth(struct rf_enrol *enrol, struct rf_enrol_answer *answer, const char *why)
{
    answer_refuse(answer, &enrol->counters.refused_auth, 403, TOKEN_AUTH, "%s", why);
}

/* A wrong password and an unknown name are told in the same words. */
static void refuse_password(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                            struct rf_enrol_answer *answer)
{
    if (attempt->has_invite)
        answer_refuse(answer, &enrol->counters.refused_name, 403, TOKEN_NAME,
                      "the name %s is taken; if it is yours, give its password or ask for an invite to it",
                      attempt->user);
    else
        refuse_auth(enrol, answer, "wrong user name or password");
}

/* live_device finds the device of the attempt's key: RF_OK if it belongs to the attempt's user (any, if that is empty), is not revoked
 * and its certificate has not expired. */
static int live_device(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                       const struct rf_now *now, struct rf_enrol_device *out)
{
    int e = enrol->store->ops->device_by_key(enrol->store, attempt->key_hash, out);
    if (e != RF_OK)
        return e;
    if (attempt->user[0] != '\0' && strcmp(attempt->user, out->user) != 0)
        return RF_EMISMATCH;
    if (out->revoked_ms != 0)
        return RF_EREVOKED;
    return out->not_after_ms > now->wall_ms ? RF_OK : RF_EEXPIRED;
}

/* ---- first look ---- */

/* name_key: who is guessed at, and from where. */
#define NAME_KEY_SIZE (16 + RF_ENROL_NAME_SIZE)
static struct rf_view name_key(const struct rf_enrol_attempt *attempt, uint8_t out[NAME_KEY_SIZE])
{
    struct rf_view network = network_of(&attempt->peer);
    size_t name_len = strlen(attempt->user);
    memcpy(out, network.p, network.len);
    memcpy(out + network.len, attempt->user, name_len);
    return rf_view_of(out, network.len + name_len);
}

/*
 * name_take takes the tokens of a name before a password is verified: of those for the attempt's network, then of those for all. Who guesses
 * from one network shuts out that network only, and at its slow pace never uses up what all have.
 */
static int name_take(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt, const struct rf_now *now,
                     uint64_t *wait_us)
{
    uint8_t bytes[NAME_KEY_SIZE];
    struct rf_view key = name_key(attempt, bytes);
    int e = rf_limit_take(&enrol->names, key, 1, now->mono_us, wait_us);
    if (e != RF_OK)
        return e;
    e = rf_limit_take(&enrol->names_all, rf_view_str(attempt->user), 1, now->mono_us, wait_us);
    if (e != RF_OK)
        rf_limit_give(&enrol->names, key, 1, now->mono_us);
    return e;
}

/* name_give puts them back: the password was right. */
static void name_give(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                      const struct rf_now *now)
{
    uint8_t bytes[NAME_KEY_SIZE];
    rf_limit_give(&enrol->names, name_key(attempt, bytes), 1, now->mono_us);
    rf_limit_give(&enrol->names_all, rf_view_str(attempt->user), 1, now->mono_us);
}

static bool name_admit(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                       const struct rf_now *now, struct rf_enrol_answer *answer)
{
    uint64_t wait_us = 0;
    int e = name_take(enrol, attempt, now, &wait_us);
    if (e == RF_OK)
        return true;
    if (e == RF_ELIMIT) {
        answer_refuse(answer, &enrol->counters.limited_name, 429, NULL,
                      "too many attempts for this name; wait and try again");
        answer->retry_after_s = (uint32_t)(wait_us / RF_US_PER_S) + 1;
    } else
        answer_failed(enrol, answer, e);
    return false;
}

static void job_password(struct rf_enrol_attempt *attempt, enum rf_password_work work,
                         struct rf_view password)
{
    RF_ASSERT(password.len <= RF_PASSWORD_MAX_LEN);
    attempt->job.work = work;
    memcpy(attempt->job.password, password.p, password.len);
    attempt->job.password_len = password.len;
}

static bool grant_by_password(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt,
                              struct rf_view password, const struct rf_now *now,
                              struct rf_enrol_answer *answer)
{
    struct rf_enrol_user user;
    attempt->grant = RF_ENROL_BY_PASSWORD;
    if (attempt->user[0] == '\0') {
        refuse_auth(enrol, answer, "give your user name");
        return false;
    }
    if (!name_admit(enrol, attempt, now, answer))
        return false;
    int e = enrol->store->ops->user_get(enrol->store, attempt->user, &user);
    if (e != RF_OK && e != RF_ENOTFOUND) {
        answer_failed(enrol, answer, e);
        return false;
    }
    attempt->decoy = e == RF_ENOTFOUND || user.password[0] == '\0';
    memcpy(attempt->job.encoded, attempt->decoy ? enrol->decoy : user.password, sizeof(attempt->job.encoded));
    job_password(attempt, RF_PASSWORD_VERIFY, password);
    return true;
}

/* invite_why returns why an invite does not entitle, NULL if it does. */
static const char *invite_why(int error, const struct rf_enrol_invite *invite,
                              const struct rf_enrol_attempt *attempt, const struct rf_now *now)
{
    if (error == RF_ENOTFOUND)
        return "this invite is not known here";
    if (invite->user[0] != '\0' && strcmp(invite->user, attempt->user) != 0)
        return "this invite is for another name";
    if (invite->uses >= invite->uses_max)
        return "this invite has been used already";
    if (invite->expires_ms <= now->wall_ms)
        return "this invite has expired";
    return NULL;
}

/* name_refused tells whether a name is not to be had by an invite that is bound to nobody; then `answer` is complete. found: of user_get. */
static bool name_refused(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt, int found,
                         struct rf_enrol_answer *answer)
{
    if (found == RF_OK)
        refuse_password(enrol, attempt, answer);
    else if (found != RF_ENOTFOUND)
        answer_failed(enrol, answer, found);
    else if (rf_enrol_name_reserved(attempt->user))
        answer_refuse(answer, &enrol->counters.refused_name, 403, TOKEN_NAME,
                      "the name %s is kept for a service", attempt->user);
    return answer->status != 0;
}

static bool grant_by_invite(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, struct rf_view password,
                            const struct rf_now *now, struct rf_enrol_answer *answer)
{
    struct rf_enrol_invite invite;
    struct rf_enrol_device device;
    if (attempt->user[0] == '\0') {
        refuse_auth(enrol, answer, "give the user name that you want");
        return false;
    }
    int e = enrol->store->ops->invite_get(enrol->store, attempt->invite_hash, &invite);
    if (e != RF_OK && e != RF_ENOTFOUND) {
        answer_failed(enrol, answer, e);
        return false;
    }
    const char *why = invite_why(e, &invite, attempt, now);
    if (why && e == RF_OK && live_device(enrol, attempt, now, &device) == RF_OK) {
        attempt->grant = RF_ENROL_BY_KEY; /* used up by this very device, whose answer was lost */
        return true;
    }
    if (why) {
        refuse_auth(enrol, answer, why);
        return false;
    }
    if (invite.user[0] == '\0') {
        struct rf_enrol_user user;
        e = enrol->store->ops->user_get(enrol->store, attempt->user, &user);
        if (e == RF_OK && password.len > 0)
            return grant_by_password(enrol, attempt, password, now, answer);
        if (name_refused(enrol, attempt, e, answer))
            return false;
    }
    if (password.len > 0) {
        job_password(attempt, RF_PASSWORD_MAKE, password);
        attempt->job.cost = enrol->cost;
        rf_rng_fill(enrol->secret, attempt->job.salt, sizeof(attempt->job.salt));
    }
    return true;
}

bool decide_grant(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, struct rf_view password,
                  const struct rf_now *now, struct rf_enrol_answer *answer)
{
    switch (attempt->grant) {
    case RF_ENROL_BY_INVITE:
        return grant_by_invite(enrol, attempt, password, now, answer);
    case RF_ENROL_BY_PASSWORD:
        return grant_by_password(enrol, attempt, password, now, answer);
    case RF_ENROL_BY_KEY:
        return true;
    }
    return false;
}

/* ---- inside the transaction ---- */

/* What a transaction did, to be counted once it is committed. */
struct done {
    bool user_created, renewed;
};

/* check_invite uses the invite and makes or changes its user. */
static int check_invite(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                        struct rf_enrol_user *user, struct rf_enrol_answer *answer, struct done *done)
{
    struct rf_enrol_store *store = enrol->store;
    struct rf_enrol_invite invite;
    int e = store->ops->invite_get(store, attempt->invite_hash, &invite);
    if (e != RF_OK && e != RF_ENOTFOUND)
        return e;
    const char *why = invite_why(e, &invite, attempt, now);
    if (why) {
        refuse_auth(enrol, answer, why);
        return RF_OK;
    }
    e = store->ops->user_get(store, attempt->user, user);
    if (e != RF_OK && e != RF_ENOTFOUND)
        return e;
    if (e == RF_OK && invite.user[0] == '\0') {
        refuse_password(enrol, attempt, answer);
        return RF_OK;
    }
    if (e == RF_ENOTFOUND) {
        memset(user, 0, sizeof(*user));
        memcpy(user->name, attempt->user, sizeof(user->name));
        user->created_ms = now->wall_ms;
        done->user_created = true;
    }
    if (attempt->job.work == RF_PASSWORD_MAKE)
        memcpy(user->password, attempt->job.encoded, sizeof(user->password));
    invite.uses++;
    int put = store->ops->invite_put(store, &invite);
    return put != RF_OK ? put : store->ops->user_put(store, user);
}

/* check_grant looks whether the entitlement still holds; a refusal is in `answer` then. */
static int check_grant(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                       struct rf_enrol_user *user, struct rf_enrol_answer *answer, struct done *done)
{
    struct rf_enrol_device device;
    if (attempt->grant == RF_ENROL_BY_INVITE)
        return check_invite(enrol, attempt, now, user, answer, done);
    if (attempt->grant == RF_ENROL_BY_KEY) {
        int e = live_device(enrol, attempt, now, &device);
        if (e == RF_EDATABASE || e == RF_EBUSY || e == RF_ENOMEM)
            return e;
        if (e != RF_OK) {
            refuse_auth(enrol, answer,
                        e == RF_EREVOKED ? "this device has been revoked"
                        : e == RF_EEXPIRED
                            ? "the old certificate has expired; enrol again with your password or an invite"
                            : "no device with this key is known for this name");
            return RF_OK;
        }
        memcpy(attempt->user, device.user, sizeof(attempt->user));
        memcpy(answer->user, device.user, sizeof(answer->user));
    }
    int e = enrol->store->ops->user_get(enrol->store, attempt->user, user);
    if (e != RF_OK && e != RF_ENOTFOUND)
        return e;
    bool changed =
        attempt->grant == RF_ENROL_BY_PASSWORD && strcmp(user->password, attempt->job.encoded) != 0;
    if (e == RF_ENOTFOUND || changed)
        refuse_password(enrol, attempt, answer);
    return RF_OK;
}

struct live_count {
    uint64_t wall_ms;
    size_t count;
};

static int count_live(void *ctx, const struct rf_enrol_device *device)
{
    struct live_count *live = ctx;
    if (device->revoked_ms == 0 && device->not_after_ms > live->wall_ms)
        live->count++;
    return RF_OK;
}

static int new_node_id(struct rf_enrol *enrol, struct rf_id *out)
{
    struct rf_enrol_device taken;
    for (int i = 0; i < NODE_ID_TRIES; i++) {
        uint8_t bytes[RF_ID_MAX_LEN];
        rf_rng_fill(enrol->secret, bytes, enrol->id_len);
        int e = rf_id_from(rf_view_of(bytes, enrol->id_len), out);
        if (e != RF_OK)
            return e;
        if (rf_id_is_zero(out) || rf_id_is_wildcard(out))
            continue;
        e = enrol->store->ops->device_get(enrol->store, out, &taken);
        if (e != RF_OK)
            return e == RF_ENOTFOUND ? RF_OK : e;
    }
    return RF_ECRYPTO; /* the random numbers repeat */
}

/* find_device fills in the device of the attempt's key: the known one, or a new one with a fresh Node-ID. */
static int find_device(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                       const struct rf_now *now, struct rf_enrol_device *device,
                       struct rf_enrol_answer *answer)
{
    struct rf_enrol_store *store = enrol->store;
    int e = store->ops->device_by_key(store, attempt->key_hash, device);
    if (e == RF_OK) {
        if (strcmp(device->user, attempt->user) != 0)
            answer_refuse(answer, &enrol->counters.refused_csr, 403, TOKEN_CSR,
                          "this key belongs to a device of another user; make a new key");
        else if (device->revoked_ms != 0)
            answer_refuse(answer, &enrol->counters.refused_csr, 403, TOKEN_CSR,
                          "this key belongs to a device that has been revoked; make a new key");
        return RF_OK;
    }
    if (e != RF_ENOTFOUND)
        return e;
    struct live_count live = {now->wall_ms, 0};
    e = store->ops->device_each(store, attempt->user, count_live, &live);
    if (e == RF_OK && live.count >= RF_ENROL_DEVICES_MAX) {
        answer_refuse(answer, &enrol->counters.refused_node_ids, 403, TOKEN_NODE_IDS,
                      "%s has %zu devices already; have one of them revoked", attempt->user, live.count);
        return RF_OK;
    }
    if (e != RF_OK)
        return e;
    memset(device, 0, sizeof(*device));
    memcpy(device->user, attempt->user, sizeof(device->user));
    memcpy(device->key_hash, attempt->key_hash, sizeof(device->key_hash));
    device->created_ms = now->wall_ms;
    return new_node_id(enrol, &device->node_id);
}

/* make_certificate signs into answer->certificate and describes it in `cert`. Whole seconds: X.509 has no finer ones. */
static int make_certificate(struct rf_enrol *enrol, const struct rf_enrol_attempt *attempt,
                            const struct rf_now *now, const struct rf_enrol_device *device,
                            struct rf_enrol_answer *answer, struct rf_enrol_cert *cert)
{
    uint8_t uri[128 + RF_ENROL_NAME_SIZE];
    struct rf_buf text;
    rf_buf_fixed(&text, uri, sizeof(uri));
    rf_reload_uri_put(&text, &device->node_id, rf_view_str(enrol->overlay));
    if (rf_buf_error(&text) != RF_OK)
        return rf_buf_error(&text);
    struct rf_view uri_view = rf_buf_view(&text);
    uint64_t from_ms = now->wall_ms > RF_ENROL_BACKDATE_MS ? now->wall_ms - RF_ENROL_BACKDATE_MS : 0;
    uint64_t to_ms = now->wall_ms + enrol->validity_ms;
    *cert = (struct rf_enrol_cert){
        .serial_hi = (rf_rng_u64(enrol->secret) >> 1) | 1, /* positive, and never zero */
        .serial_lo = rf_rng_u64(enrol->secret),
        .node_id = device->node_id,
        .issued_ms = now->wall_ms,
        .not_before_ms = from_ms - from_ms % RF_MS_PER_S,
        .not_after_ms =
            to_ms < enrol->ca->not_after_ms ? to_ms - to_ms % RF_MS_PER_S : enrol->ca->not_after_ms,
    };
    struct rf_x509_spec spec = {
        .email = rf_view_str(attempt->user),
        .uris = &uri_view,
        .uri_count = 1,
        .not_before_ms = cert->not_before_ms,
        .not_after_ms = cert->not_after_ms,
        .serial_hi = cert->serial_hi,
        .serial_lo = cert->serial_lo,
    };
    int e = enrol->crypto->ops->x509_issue(enrol->crypto, &spec, attempt->spki, enrol->ca, enrol->ca_key,
                                           &answer->certificate);
    cert->der = rf_buf_view(&answer->certificate);
    return e;
}

/* issue does everything between begin and commit. RF_OK with answer->status != 0: refused. */
static int issue(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                 struct rf_enrol_answer *answer, struct done *done)
{
    struct rf_enrol_store *store = enrol->store;
    struct rf_enrol_user user = {0};
    struct rf_enrol_device device;
    struct rf_enrol_cert cert;
    int e = check_grant(enrol, attempt, now, &user, answer, done);
    if (e != RF_OK || answer->status != 0)
        return e;
    if (user.disabled) {
        refuse_auth(enrol, answer, "this user has been disabled; ask the operator of the overlay");
        return RF_OK;
    }
    e = find_device(enrol, attempt, now, &device, answer);
    if (e != RF_OK || answer->status != 0)
        return e;
    done->renewed = device.not_after_ms != 0;
    e = make_certificate(enrol, attempt, now, &device, answer, &cert);
    if (e != RF_OK)
        return e;
    device.not_after_ms = cert.not_after_ms;
    e = store->ops->device_put(store, &device);
    if (e == RF_OK)
        e = store->ops->cert_put(store, &cert);
    answer->node_id = device.node_id;
    return e;
}

void decide_issue(struct rf_enrol *enrol, struct rf_enrol_attempt *attempt, const struct rf_now *now,
                  struct rf_enrol_answer *answer)
{
    struct rf_enrol_store *store = enrol->store;
    struct done done = {0};
    if (attempt->job.result == RF_EAUTH || (attempt->decoy && attempt->job.result == RF_OK)) {
        refuse_password(enrol, attempt, answer);
        return;
    }
    int e = attempt->job.result;
    if (e == RF_OK)
        e = store->ops->begin(store);
    if (e == RF_OK)
        e = issue(enrol, attempt, now, answer, &done);
    if (e == RF_OK && answer->status == 0)
        e = store->ops->commit(store);
    else
        store->ops->rollback(store);
    if (e == RF_OK && answer->status == 0) {
        answer->status = 200;
        if (done.renewed)
            enrol->counters.renewed++;
        else
            enrol->counters.issued++;
        enrol->counters.users_created += done.user_created;
        if (attempt->job.work == RF_PASSWORD_VERIFY)
            name_give(enrol, attempt, now);
        return;
    }
    rf_buf_reset(&answer->certificate);
    memset(&answer->node_id, 0, sizeof(answer->node_id));
    if (e != RF_OK)
        answer_failed(enrol, answer, e);
}
