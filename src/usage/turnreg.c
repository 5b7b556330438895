/* turnreg.c - our relay's TURN-SERVICE entries, see turn.h for what happens when. */
#include "base/error.h"
#include "usage/refresh.h"
#include "usage/turn.h"
#include "wire/value.h"

#define LIFETIME_S   3600
#define FIRST_US     (10 * RF_US_PER_S) /* at most, after coming online */
#define PAUSE_MIN_US (5 * RF_US_PER_S)
#define PAUSE_MAX_US (600 * RF_US_PER_S)
#define TURNREG_MAX  20 /* reload.md 7.1: what NODE-MULTIPLE allows of this Kind */

struct rf_turnreg {
    const struct rf_env *env; /* borrowed */
    struct rf_turnreg_config config;
    bool online, freeing, busy, again; /* again: begin anew when the Store under way has ended */
    struct rf_addr addr;               /* family 0: none */
    uint32_t next;                     /* d of the entry to be stored, or removed, next */
    uint32_t stored;                   /* entries 1 to this stand there */
    struct rf_timer timer;
    uint64_t pause_us;
};

/* How many entries there are to be. */
static uint32_t wanted(const struct rf_turnreg *reg)
{
    uint32_t density = reg->config.conf->turn_density;
    if (reg->addr.family == 0)
        return 0;
    return density < TURNREG_MAX ? density : TURNREG_MAX;
}

static void arm(struct rf_turnreg *reg, uint64_t us)
{
    (void)rf_env_timer_in(reg->env, &reg->timer, us); /* without memory nothing else works */
}

static void begin(struct rf_turnreg *reg, uint64_t at_most_us)
{
    reg->again = reg->busy;
    reg->next = 1;
    if (!reg->busy && reg->online)
        arm(reg, rf_rng_below(reg->env->jitter, at_most_us + 1));
}

static void failed(struct rf_turnreg *reg)
{
    arm(reg, refresh_pause_us(reg->env->jitter, &reg->pause_us, PAUSE_MIN_US, PAUSE_MAX_US));
}

/* After entry `next` was stored or removed. */
static void advance(struct rf_turnreg *reg)
{
    uint32_t count = wanted(reg);
    reg->pause_us = 0;
    if (reg->next <= count && reg->stored < reg->next)
        reg->stored = reg->next;
    reg->next++;
    if (reg->next <= count || reg->next <= reg->stored) {
        arm(reg, 0);
        return;
    }
    reg->stored = count; /* what stood behind is removed */
    reg->next = 1;
    if (count > 0)
        arm(reg, refresh_due_us(reg->env->jitter, reg->config.lifetime_s, 80, 90));
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    struct rf_turnreg *reg = arg;
    if (reg->freeing)
        return;
    reg->busy = false;
    if (reg->again)
        begin(reg, 0);
    else if (result->error != 0)
        failed(reg);
    else
        advance(reg);
}

static int store(struct rf_turnreg *reg)
{
    struct rf_turn_value value = {.iteration = (uint8_t)reg->next, .address = reg->addr};
    bool exists = reg->next <= wanted(reg);
    struct rf_id resource;
    uint8_t bytes[32];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    if (exists)
        rf_turn_value_encode(&value, &buf);
    int error = rf_turn_resource(reg->config.crypto, &reg->config.identity->node_id, reg->next, &resource);
    if (error != 0)
        return error;
    return rf_store_client_store(reg->config.store, reg->config.identity, &resource, RF_KIND_TURN_SERVICE,
                                 rf_view_of(NULL, 0), exists, rf_buf_view(&buf), reg->config.lifetime_s,
                                 on_stored, reg);
}

static void fired(struct rf_timer *timer, void *arg)
{
    struct rf_turnreg *reg = arg;
    (void)timer;
    if (!reg->online || reg->busy || (reg->next > wanted(reg) && reg->next > reg->stored))
        return;
    reg->busy = store(reg) == 0;
    if (!reg->busy)
        failed(reg);
}

void rf_turnreg_set(struct rf_turnreg *reg, const struct rf_addr *addr)
{
    struct rf_addr none = {0};
    addr = addr != NULL ? addr : &none;
    if (rf_addr_equal(addr, &reg->addr))
        return;
    reg->addr = *addr;
    begin(reg, addr->family != 0 ? FIRST_US : 0);
}

void rf_turnreg_online(struct rf_turnreg *reg, bool online)
{
    if (reg->online == online)
        return;
    reg->online = online;
    if (online)
        begin(reg, FIRST_US);
}

void rf_turnreg_configure(struct rf_turnreg *reg, struct rf_conf *conf)
{
    bool other = conf->turn_density != reg->config.conf->turn_density;
    rf_conf_hold(conf);
    rf_conf_release(reg->config.conf);
    reg->config.conf = conf;
    if (other)
        begin(reg, FIRST_US);
}

size_t rf_turnreg_stored(const struct rf_turnreg *reg)
{
    return reg->stored;
}

int rf_turnreg_new(const struct rf_env *env, const struct rf_turnreg_config *config, struct rf_turnreg **out)
{
    struct rf_turnreg *reg = rf_zalloc(env->mem, sizeof(*reg));
    if (reg == NULL)
        return RF_ENOMEM;
    reg->env = env;
    reg->config = *config;
    rf_conf_hold(config->conf);
    if (reg->config.lifetime_s == 0)
        reg->config.lifetime_s = LIFETIME_S;
    reg->next = 1;
    rf_timer_init(&reg->timer, fired, reg);
    *out = reg;
    return 0;
}

void rf_turnreg_free(struct rf_turnreg *reg)
{
    if (reg == NULL)
        return;
    reg->freeing = true;
    rf_store_client_cancel(reg->config.store, reg);
    rf_timer_stop(reg->env->timers, &reg->timer);
    rf_conf_release(reg->config.conf);
    rf_free(reg->env->mem, reg);
}
