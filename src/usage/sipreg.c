/* sipreg.c - our own device kept registered, see sipreg.h for states, timer and events. */
#include "base/error.h"
#include "usage/refresh.h"
#include "usage/siplocal.h"

#define SIPREG_LIFETIME_S   3600
#define SIPREG_FIRST_US     (500 * RF_US_PER_MS) /* at most, after coming online */
#define SIPREG_PAUSE_MIN_US (2 * RF_US_PER_S)
#define SIPREG_PAUSE_MAX_US (300 * RF_US_PER_S)

int sipreg_resource(const struct rf_sipreg *reg, struct rf_view aor, struct rf_id *out)
{
    return rf_overlay_hash(reg->config.crypto, &aor, 1, reg->config.conf->id_len, out);
}

static void tell(struct rf_sipreg *reg, bool registered)
{
    if (reg->told == registered)
        return;
    reg->told = registered;
    if (reg->config.changed != NULL && !reg->freeing)
        reg->config.changed(reg->config.arg, registered);
}

static void arm(struct rf_sipreg *reg, uint64_t delay_us)
{
    rf_env_timer_in(reg->env, &reg->timer, delay_us);
}

static void want(struct rf_sipreg *reg, uint64_t delay_us)
{
    reg->state = SIPREG_WANTED;
    reg->changed = false;
    arm(reg, delay_us);
}

static void removed(struct rf_sipreg *reg, int error)
{
    void (*done)(void *, int) = reg->removed;
    reg->removed = NULL;
    if (done != NULL)
        done(reg->removed_arg, error);
}

static void go(struct rf_sipreg *reg);

static void failed(struct rf_sipreg *reg)
{
    if (reg->expires_us <= reg->env->now->mono_us) {
        reg->expires_us = 0;
        tell(reg, false);
    }
    want(reg, refresh_pause_us(reg->env->jitter, &reg->pause_us, SIPREG_PAUSE_MIN_US, SIPREG_PAUSE_MAX_US));
}

static void on_removed(void *arg, const struct rf_store_result *result)
{
    struct rf_sipreg *reg = arg;
    if (!reg->freeing) {
        reg->state = SIPREG_OFF;
        reg->expires_us = 0;
        tell(reg, false);
    }
    removed(reg, result->error);
    if (!reg->freeing && reg->on) /* switched on again meanwhile */
        want(reg, 0);
}

static int value_put(const struct rf_sipreg *reg, struct rf_buf *out)
{
    struct rf_sip_registration registration = {
        .type = RF_SIP_REGISTRATION_ROUTE,
        .contact_prefs = rf_view_str(reg->contact_prefs),
        .dest_count = reg->dest_count,
    };
    if (reg->forward != NULL)
        registration =
            (struct rf_sip_registration){.type = RF_SIP_REGISTRATION_URI, .uri = rf_view_str(reg->forward)};
    if (reg->dest_count > 0)
        memcpy(registration.dests, reg->dests, reg->dest_count * sizeof(reg->dests[0]));
    if (reg->dest_count == 0) {
        registration.dests[0] = rf_dest_node(&reg->config.identity->node_id);
        registration.dest_count = 1;
    }
    rf_sip_registration_encode(&registration, out);
    return rf_buf_error(out);
}

static int store(struct rf_sipreg *reg, bool exists, rf_stored_fn done)
{
    struct rf_identity *identity = reg->config.identity;
    struct rf_id resource;
    struct rf_buf value;
    rf_buf_init(&value, reg->env->mem, UINT16_MAX);
    int error = sipreg_resource(reg, identity->cert->user, &resource);
    if (error == 0 && exists)
        error = value_put(reg, &value);
    if (error == 0)
        error = rf_store_client_store(reg->config.store, identity, &resource, RF_KIND_SIP_REGISTRATION,
                                      rf_id_view(&identity->node_id), exists, rf_buf_view(&value),
                                      reg->config.lifetime_s, done, reg);
    rf_buf_deinit(&value);
    return error;
}

static void remove_now(struct rf_sipreg *reg)
{
    rf_timer_stop(reg->env->timers, &reg->timer);
    reg->state = SIPREG_REMOVING;
    int error = reg->online ? store(reg, false, on_removed) : RF_EUNREACHABLE;
    if (error == 0)
        return;
    reg->state = SIPREG_OFF;
    tell(reg, false);
    removed(reg, error);
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct rf_sipreg *reg = arg;
    if (reg->freeing)
        return;
    if (result->error == 0) {
        reg->pause_us = 0;
        reg->expires_us = reg->env->now->mono_us + reg->config.lifetime_s * RF_US_PER_S;
    }
    if (!reg->on) {
        remove_now(reg); /* a Store that nobody acknowledged may have arrived all the same */
        return;
    }
    if (result->error != 0) {
        failed(reg);
        return;
    }
    reg->state = SIPREG_REGISTERED;
    arm(reg, refresh_due_us(reg->env->jitter, reg->config.lifetime_s, 70, 80));
    if (reg->changed)
        want(reg, 0);
    tell(reg, true);
}

static void go(struct rf_sipreg *reg)
{
    reg->state = SIPREG_STORING;
    reg->changed = false;
    if (store(reg, true, on_stored) != 0)
        failed(reg);
}

static void on_timer(struct rf_timer *timer, void *arg)
{
    (void)timer;
    struct rf_sipreg *reg = arg;
    if (reg->state == SIPREG_REGISTERED)
        reg->state = SIPREG_WANTED; /* due */
    if (reg->state == SIPREG_WANTED && reg->online)
        go(reg);
}

/* ---- commands ---- */

void rf_sipreg_set(struct rf_sipreg *reg, bool on)
{
    if (reg->on == on)
        return;
    reg->on = on;
    if (on) {
        if (reg->state == SIPREG_OFF)
            want(reg, rf_rng_below(reg->env->jitter, SIPREG_FIRST_US));
        return;
    }
    if (reg->state == SIPREG_REGISTERED || (reg->state == SIPREG_WANTED && reg->expires_us > 0)) {
        remove_now(reg);
    } else if (reg->state == SIPREG_WANTED) {
        rf_timer_stop(reg->env->timers, &reg->timer);
        reg->state = SIPREG_OFF;
    }
}

int rf_sipreg_remove(struct rf_sipreg *reg, void (*done)(void *arg, int error), void *arg)
{
    if (reg->removed != NULL)
        return RF_EBUSY;
    reg->removed = done;
    reg->removed_arg = arg;
    rf_sipreg_set(reg, false);
    if (reg->state == SIPREG_OFF)
        removed(reg, 0); /* unless it was told already */
    return 0;
}

void rf_sipreg_online(struct rf_sipreg *reg, bool online)
{
    if (reg->online == online)
        return;
    reg->online = online;
    if (online && reg->state == SIPREG_WANTED)
        arm(reg, rf_rng_below(reg->env->jitter, SIPREG_FIRST_US));
}

/* What is stored says something else than we do now. */
static void renew(struct rf_sipreg *reg)
{
    if (reg->state == SIPREG_REGISTERED)
        want(reg, 0);
    else if (reg->state == SIPREG_STORING)
        reg->changed = true;
}

/* Homes that tell us of changes reach us likewise. */
static void set_watch_way(struct rf_sipreg *reg)
{
    struct rf_watch_way way = {.count = 0};
    for (size_t i = 0; i + 1 < reg->dest_count && way.count < RF_WATCH_MAX_WAY; i++)
        if (reg->dests[i].type == RF_DEST_NODE)
            way.nodes[way.count++] = reg->dests[i].id;
    rf_watch_set_way(reg->config.store, &way);
}

int rf_sipreg_route(struct rf_sipreg *reg, const struct rf_dest *dests, size_t dest_count)
{
    if (dest_count > RF_SIP_MAX_DESTS)
        return RF_ELIMIT;
    bool same = dest_count == reg->dest_count;
    for (size_t i = 0; i < dest_count && same; i++)
        same = rf_dest_equal(&dests[i], &reg->dests[i]);
    if (same)
        return 0;
    for (size_t i = 0; i < dest_count; i++)
        if (dests[i].id.len == 0 && dests[i].type != RF_DEST_COMPACT)
            return RF_EINVAL; /* borrowed bytes would outlive their owner */
    struct rf_dest *copy =
        dest_count > 0 ? rf_memdup(reg->env->mem, dests, dest_count * sizeof(*dests)) : NULL;
    if (copy == NULL && dest_count > 0)
        return RF_ENOMEM;
    for (size_t i = 0; i < dest_count; i++)
        copy[i].bytes = rf_view_of(NULL, 0);
    rf_free(reg->env->mem, reg->dests);
    reg->dests = copy;
    reg->dest_count = dest_count;
    set_watch_way(reg);
    renew(reg);
    return 0;
}

int rf_sipreg_forward(struct rf_sipreg *reg, struct rf_view aor)
{
    struct rf_view name = aor;
    char *forward = NULL;
    if (aor.len > 0) {
        if (rf_sip_uri_aor(aor, &name) != 0)
            return RF_EFORMAT;
        if (rf_view_equal(name, reg->config.identity->cert->user))
            return RF_EINVAL;
        forward = rf_zalloc(reg->env->mem, name.len + 1);
        if (forward == NULL)
            return RF_ENOMEM;
        memcpy(forward, name.p, name.len);
    }
    if (!rf_view_equal(rf_view_str(rf_sipreg_forwarded(reg)), name))
        renew(reg);
    rf_free(reg->env->mem, reg->forward);
    reg->forward = forward;
    return 0;
}

const char *rf_sipreg_forwarded(const struct rf_sipreg *reg)
{
    return reg->forward != NULL ? reg->forward : "";
}

bool rf_sipreg_registered(const struct rf_sipreg *reg)
{
    return reg->told;
}

/* ---- life ---- */

int rf_sipreg_new(const struct rf_env *env, const struct rf_sipreg_config *config, struct rf_sipreg **out)
{
    struct rf_sipreg *reg = rf_zalloc(env->mem, sizeof(*reg));
    if (reg == NULL)
        return RF_ENOMEM;
    reg->env = env;
    reg->config = *config;
    reg->contact_prefs =
        rf_strdup(env->mem, config->contact_prefs != NULL ? config->contact_prefs : "(sip.schemes=SIP)");
    if (reg->contact_prefs == NULL) {
        rf_free(env->mem, reg);
        return RF_ENOMEM;
    }
    reg->config.contact_prefs = reg->contact_prefs;
    rf_conf_hold(config->conf);
    if (reg->config.lifetime_s == 0)
        reg->config.lifetime_s = SIPREG_LIFETIME_S;
    reg->state = SIPREG_OFF;
    rf_timer_init(&reg->timer, on_timer, reg);
    rf_list_init(&reg->lookups);
    *out = reg;
    return 0;
}

void rf_sipreg_configure(struct rf_sipreg *reg, struct rf_conf *conf)
{
    rf_conf_hold(conf);
    rf_conf_release(reg->config.conf);
    reg->config.conf = conf;
}

void rf_sipreg_free(struct rf_sipreg *reg)
{
    if (reg == NULL)
        return;
    reg->freeing = true;
    sip_lookups_cancel(reg);
    rf_store_client_cancel(reg->config.store, reg);
    removed(reg, RF_ECANCELLED);
    rf_timer_stop(reg->env->timers, &reg->timer);
    rf_conf_release(reg->config.conf);
    rf_free(reg->env->mem, reg->contact_prefs);
    rf_free(reg->env->mem, reg->forward);
    rf_free(reg->env->mem, reg->dests);
    rf_free(reg->env->mem, reg);
}
