/* certs.c - the certificate store usage, see certs.h for its states, timers and events. */
#include "usage/certs.h"
#include <stdio.h>
#include "base/error.h"
#include "base/list.h"
#include "usage/refresh.h"

#define CERTS_LIFETIME_S   (7 * 24 * 3600)
#define CERTS_FIRST_US     (1 * RF_US_PER_S) /* at most, after coming online */
#define CERTS_PAUSE_MIN_US (5 * RF_US_PER_S)
#define CERTS_PAUSE_MAX_US (600 * RF_US_PER_S)
#define CERTS_APPEND       UINT32_C(0xffffffff)
#define CERTS_MAX_FOUND    64

enum copy_state { COPY_WANTED = 1, COPY_STORING, COPY_STORED };
struct copy {
    struct rf_certs *certs;
    uint32_t kind;
    enum copy_state state;
    bool renewed; /* the certificate changed while a Store was under way */
    struct rf_timer timer;
    uint64_t pause_us;
};

struct rf_certs {
    const struct rf_env *env; /* borrowed */
    struct rf_certs_config config;
    bool online, freeing;
    struct copy copies[2];  /* by node, by user */
    struct rf_list fetches; /* struct fetch */
};

/* ---- the Kinds ---- */

static int decode(const struct rf_usage_value *value, struct rf_cert **out, char *why, size_t why_len)
{
    const struct rf_conf *conf = value->conf;
    int error = rf_cert_decode(value->crypto, value->data->value, conf->overlay, conf->id_len, out);
    if (error == 0)
        return 0;
    snprintf(why, why_len, "no certificate of this overlay: %s", rf_error_text(error));
    return error == RF_ENOMEM ? error : RF_EFORMAT;
}

static int check_by_node(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_cert *cert = NULL;
    int error = decode(value, &cert, why, why_len);
    if (error == 0 && !rf_cert_has_node_id(cert, &value->signer->node_id)) {
        snprintf(why, why_len, "the certificate is not for the signer's Node-ID");
        error = RF_EFORBIDDEN;
    }
    rf_cert_release(cert);
    return error;
}

static int check_by_user(void *arg, const struct rf_usage_value *value, char *why, size_t why_len)
{
    (void)arg;
    struct rf_cert *cert = NULL;
    int error = decode(value, &cert, why, why_len);
    if (error == 0 && !rf_view_equal(cert->user, value->signer->cert->user)) {
        snprintf(why, why_len, "the certificate is not for the signer's user name");
        error = RF_EFORBIDDEN;
    }
    rf_cert_release(cert);
    return error;
}

int rf_certs_kinds(struct rf_store *store)
{
    static const struct rf_usage_kind by_node = {.kind = RF_KIND_CERTIFICATE_BY_NODE,
                                                 .name = "CERTIFICATE_BY_NODE",
                                                 .findable = false,
                                                 .check = check_by_node};
    static const struct rf_usage_kind by_user = {.kind = RF_KIND_CERTIFICATE_BY_USER,
                                                 .name = "CERTIFICATE_BY_USER",
                                                 .findable = false,
                                                 .check = check_by_user};
    int error = rf_store_add_kind(store, &by_node);
    return error != 0 ? error : rf_store_add_kind(store, &by_user);
}

/* ---- our own certificate ---- */

static int resource_of(const struct rf_certs *certs, uint32_t kind, struct rf_view user,
                       const struct rf_id *node_id, struct rf_id *out)
{
    struct rf_view name = kind == RF_KIND_CERTIFICATE_BY_NODE ? rf_id_view(node_id) : user;
    return rf_overlay_hash(certs->config.crypto, &name, 1, certs->config.conf->id_len, out);
}

static int own_resource(const struct copy *copy, struct rf_id *out)
{
    const struct rf_identity *identity = copy->certs->config.identity;
    return resource_of(copy->certs, copy->kind, identity->cert->user, &identity->node_id, out);
}

static void copy_arm(struct copy *copy, uint64_t delay_us)
{
    rf_env_timer_in(copy->certs->env, &copy->timer, delay_us);
}

static void copy_failed(struct copy *copy)
{
    copy->state = COPY_WANTED;
    copy_arm(copy, refresh_pause_us(copy->certs->env->jitter, &copy->pause_us, CERTS_PAUSE_MIN_US,
                                    CERTS_PAUSE_MAX_US));
}

/* It is there for another lifetime_s. */
static void copy_stored(struct copy *copy, uint32_t lifetime_s)
{
    copy->pause_us = 0;
    copy->state = copy->renewed ? COPY_WANTED : COPY_STORED;
    copy_arm(copy, copy->renewed ? 0 : refresh_due_us(copy->certs->env->jitter, lifetime_s, 80, 90));
    copy->renewed = false;
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct copy *copy = arg;
    if (copy->certs->freeing)
        return;
    if (result->error != 0)
        copy_failed(copy);
    else
        copy_stored(copy, copy->certs->config.lifetime_s);
}

/* Our certificate's entry among those fetched; false: it is not there. */
static bool find_own(const struct copy *copy, const struct rf_fetch_result *result, uint32_t *index,
                     uint32_t *lifetime_s)
{
    const struct rf_identity *identity = copy->certs->config.identity;
    for (size_t i = 0; i < result->value_count; i++) {
        const struct rf_fetched_value *value = &result->values[i];
        struct rf_view slot = value->slot;
        if (!value->exists || value->signer == NULL ||
            !rf_id_equal(&value->signer->node_id, &identity->node_id) ||
            !rf_view_equal(value->value, identity->cert->x509.der) || rf_view_u32(&slot, index) != 0)
            continue;
        *lifetime_s = value->lifetime_s;
        return true;
    }
    return false;
}

static void on_looked(void *arg, const struct rf_fetch_result *result)
{
    struct copy *copy = arg;
    struct rf_certs *certs = copy->certs;
    struct rf_identity *identity = certs->config.identity;
    if (certs->freeing)
        return;
    uint32_t index = CERTS_APPEND, lifetime_s = 0;
    if (result->error == 0 && find_own(copy, result, &index, &lifetime_s) &&
        lifetime_s > certs->config.lifetime_s / 2) {
        copy_stored(copy, lifetime_s); /* after a restart: it is there, and for long */
        return;
    }
    uint8_t slot[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index};
    struct rf_id resource;
    int error = result->error != 0 ? result->error : own_resource(copy, &resource);
    if (error == 0)
        error =
            rf_store_client_store(certs->config.store, identity, &resource, copy->kind, rf_view_of(slot, 4),
                                  true, identity->cert->x509.der, certs->config.lifetime_s, on_stored, copy);
    if (error != 0)
        copy_failed(copy);
}

static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct copy *copy = arg;
    struct rf_id resource;
    if (copy->state == COPY_STORED)
        copy->state = COPY_WANTED; /* due */
    if (!copy->certs->online || copy->state != COPY_WANTED)
        return;
    copy->state = COPY_STORING;
    copy->renewed = false;
    int error = own_resource(copy, &resource);
    if (error == 0)
        error =
            rf_store_client_fetch(copy->certs->config.store, &resource, copy->kind, NULL, 0, on_looked, copy);
    if (error != 0)
        copy_failed(copy);
}

void rf_certs_online(struct rf_certs *certs, bool online)
{
    if (certs->online == online)
        return;
    certs->online = online;
    for (size_t i = 0; i < 2 && online; i++)
        if (certs->copies[i].state == COPY_WANTED)
            copy_arm(&certs->copies[i], rf_rng_below(certs->env->jitter, CERTS_FIRST_US));
}

void rf_certs_renewed(struct rf_certs *certs)
{
    for (size_t i = 0; i < 2; i++) {
        struct copy *copy = &certs->copies[i];
        if (copy->state == COPY_STORING) {
            copy->renewed = true;
            continue;
        }
        copy->state = COPY_WANTED;
        copy_arm(copy, rf_rng_below(certs->env->jitter, CERTS_FIRST_US));
    }
}

bool rf_certs_stored(const struct rf_certs *certs)
{
    return certs->copies[0].state == COPY_STORED && certs->copies[1].state == COPY_STORED;
}

/* ---- others' certificates ---- */

struct fetch {
    struct rf_list list;
    struct rf_certs *certs;
    uint32_t kind;
    struct rf_id node_id;
    struct rf_id resource;
    rf_certs_fn done;
    void *arg;
    size_t user_len;
    uint8_t user[];
};

static bool wanted(const struct fetch *fetch, const struct rf_cert *cert)
{
    if (fetch->kind == RF_KIND_CERTIFICATE_BY_NODE)
        return rf_cert_has_node_id(cert, &fetch->node_id);
    return rf_view_equal(cert->user, rf_view_of(fetch->user, fetch->user_len));
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    struct fetch *fetch = arg;
    struct rf_certs *certs = fetch->certs;
    struct rf_cert *found[CERTS_MAX_FOUND];
    uint64_t times[CERTS_MAX_FOUND];
    struct rf_certs_result out = {.error = result->error,
                                  .certs = found,
                                  .storage_times_ms = times,
                                  .resource = fetch->resource,
                                  .responder = result->responder,
                                  .dropped_count = result->dropped_count};
    for (size_t i = 0; i < result->value_count && out.cert_count < CERTS_MAX_FOUND; i++) {
        const struct rf_fetched_value *value = &result->values[i];
        struct rf_cert *cert = NULL;
        if (!value->exists)
            continue;
        if (rf_trust_cert(certs->config.trust, value->value, NULL, 0, certs->env->now->wall_ms, &cert) != 0 ||
            !wanted(fetch, cert)) {
            rf_cert_release(cert);
            out.dropped_count++;
            continue;
        }
        found[out.cert_count] = cert;
        times[out.cert_count++] = value->storage_time_ms;
    }
    if (out.error == 0 && out.cert_count == 0)
        out.error = RF_ENOTFOUND;
    rf_list_remove(&fetch->list);
    fetch->done(fetch->arg, &out);
    for (size_t i = 0; i < out.cert_count; i++)
        rf_cert_release(found[i]);
    rf_free(certs->env->mem, fetch);
}

static int fetch_start(struct rf_certs *certs, uint32_t kind, struct rf_view user,
                       const struct rf_id *node_id, rf_certs_fn done, void *arg)
{
    struct fetch *fetch = rf_zalloc(certs->env->mem, sizeof(*fetch) + user.len);
    if (fetch == NULL)
        return RF_ENOMEM;
    fetch->certs = certs;
    fetch->kind = kind;
    fetch->done = done;
    fetch->arg = arg;
    fetch->user_len = user.len;
    if (user.len > 0)
        memcpy(fetch->user, user.p, user.len);
    if (node_id != NULL)
        fetch->node_id = *node_id;
    int error = resource_of(certs, kind, user, node_id, &fetch->resource);
    if (error == 0)
        error = rf_store_client_lookup(certs->config.store, &fetch->resource, kind, on_fetched, fetch);
    if (error != 0)
        rf_free(certs->env->mem, fetch);
    else
        rf_list_push_back(&certs->fetches, &fetch->list);
    return error;
}

int rf_certs_fetch_user(struct rf_certs *certs, struct rf_view user, rf_certs_fn done, void *arg)
{
    return fetch_start(certs, RF_KIND_CERTIFICATE_BY_USER, user, NULL, done, arg);
}

int rf_certs_fetch_node(struct rf_certs *certs, const struct rf_id *node_id, rf_certs_fn done, void *arg)
{
    return fetch_start(certs, RF_KIND_CERTIFICATE_BY_NODE, rf_view_of(NULL, 0), node_id, done, arg);
}

/* ---- life ---- */

int rf_certs_new(const struct rf_env *env, const struct rf_certs_config *config, struct rf_certs **out)
{
    struct rf_certs *certs = rf_zalloc(env->mem, sizeof(*certs));
    if (certs == NULL)
        return RF_ENOMEM;
    certs->env = env;
    certs->config = *config;
    rf_conf_hold(config->conf);
    rf_list_init(&certs->fetches);
    if (certs->config.lifetime_s == 0)
        certs->config.lifetime_s = CERTS_LIFETIME_S;
    for (size_t i = 0; i < 2; i++) {
        struct copy *copy = &certs->copies[i];
        copy->certs = certs;
        copy->kind = i == 0 ? RF_KIND_CERTIFICATE_BY_NODE : RF_KIND_CERTIFICATE_BY_USER;
        copy->state = COPY_WANTED;
        rf_timer_init(&copy->timer, on_timer, copy);
    }
    *out = certs;
    return 0;
}

void rf_certs_configure(struct rf_certs *certs, struct rf_conf *conf)
{
    rf_conf_hold(conf);
    rf_conf_release(certs->config.conf);
    certs->config.conf = conf;
}

void rf_certs_free(struct rf_certs *certs)
{
    if (certs == NULL)
        return;
    certs->freeing = true;
    while (!rf_list_empty(&certs->fetches)) /* each tells RF_ECANCELLED and goes */
        rf_store_client_cancel(certs->config.store, RF_LIST_ENTRY(certs->fetches.next, struct fetch, list));
    for (size_t i = 0; i < 2; i++) {
        rf_store_client_cancel(certs->config.store, &certs->copies[i]);
        rf_timer_stop(certs->env->timers, &certs->copies[i].timer);
    }
    rf_conf_release(certs->config.conf);
    rf_free(certs->env->mem, certs);
}
