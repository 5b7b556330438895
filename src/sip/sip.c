/* sip.c - rf_sip: its life, and the thread that libre works in. */
#include "sip/sip.h"
#include <stdio.h>
#include <time.h>
#include "base/error.h"
#include "base/text.h"
#include "sip/auth.h"
#include "sip/bridge.h"
#include "sip/call.h"
#include "sip/dtls.h"
#include "sip/node_side.h"
#include "sip/registrar.h"
#include "sip/text.h"
#include "sip/ways.h"

#define DEBUG_MODULE "sip" /* re_dbg.h wants them */
#define DEBUG_LEVEL  0
#include <re/re_dbg.h>

#define DEFAULT_CALLS  200
#define DEFAULT_PHONES 16
#define DEFAULT_RING_S 120
#define KEEPALIVE_S    25   /* reload.md 7.3 */
#define FAREWELL_MS    1000 /* for BYEs and their answers to leave */

/* ---- the SIP thread ---- */

static struct rf_view leg_key(const struct rf_map_node *node)
{
    return rf_view_str(RF_CONTAINER(node, struct leg, node)->dialog.local_tag);
}

static void on_wake(int id, void *data, void *arg)
{
    (void)id, (void)data;
    channel_drain(((struct core *)arg)->to_sip);
}

static int core_open(struct rf_sip *sip)
{
    struct core *core = &sip->core;
    const struct rf_addr *listen = &sip->config.listen;
    int error = stack_open(core, listen, sip->why, sip->why_len);

    core->seed[0] = rand_u64();
    core->seed[1] = rand_u64();
    rf_map_init(&core->legs, core->mem, core->seed, leg_key);
    if (error == 0)
        error = bridge_new(core, &core->bridge);
    if (error == 0 && listen->family != 0)
        error = auth_new(core, sip->password, &core->auth);
    if (error == 0 && listen->family != 0)
        error = registrar_new(core, &core->registrar);
    if (error == 0 && sip->config.crypto != NULL)
        error = dtls_identity_new(core->mem, &core->identity);
    if (error == 0 && sip->config.crypto != NULL)
        error = ways_new(core, sip->config.crypto, sip->config.loopback, &core->ways);
    if (error == 0 && mqueue_alloc(&core->mqueue, on_wake, core) != 0)
        error = RF_ESYSTEM;
    return error;
}

static void core_close(struct core *core)
{
    while (!rf_list_empty(
        &core->calls)) /* what did not get its answer in time is torn down by its own timer's function */
        call_reap(RF_LIST_ENTRY(core->calls.next, struct call, list));
    while (!rf_list_empty(&core->texts))
        text_reap(RF_LIST_ENTRY(core->texts.next, struct text, list));
    ways_free(core->ways);
    dtls_identity_free(core->mem, core->identity);
    bridge_free(core, core->bridge);
    registrar_free(core, core->registrar);
    auth_free(core, core->auth);
    rf_map_deinit(&core->legs);
    core->mqueue = mem_deref(core->mqueue);
    stack_close(core);
}

static void tell_started(struct rf_sip *sip, int error)
{
    pthread_mutex_lock(&sip->lock);
    sip->started = true;
    sip->start_error = error;
    pthread_cond_signal(&sip->changed);
    pthread_mutex_unlock(&sip->lock);
}

static void *thread_main(void *arg)
{
    struct rf_sip *sip = arg;
    int error = re_thread_init() == 0 ? 0 : RF_ESYSTEM;

    if (error == 0)
        error = core_open(sip);
    tell_started(sip, error);
    if (error == 0)
        (void)re_main(NULL);
    channel_close(sip->to_sip);
    core_close(&sip->core);
    tmr_cancel(&sip->farewell);
    re_thread_close();
    pthread_mutex_lock(&sip->lock);
    sip->finished = true;
    pthread_mutex_unlock(&sip->lock);
    return NULL;
}

/* ---- its end ---- */

static void on_farewell(void *arg)
{
    struct rf_sip *sip = arg;
    struct core *core = &sip->core;
    bool quiet = rf_list_empty(&core->calls) && rf_list_empty(&core->texts);
    if (quiet || tmr_jiffies() >= sip->farewell_until_ms)
        re_cancel();
    else
        tmr_start(&sip->farewell, 20, on_farewell, sip);
}

static void run_quit(void *owner, struct note *note)
{
    struct core *core = owner;
    struct rf_sip *sip = RF_CONTAINER(core, struct rf_sip, core);
    (void)note;
    core->closing = true;
    calls_end_all(core);
    texts_end_all(core);
    sip->farewell_until_ms = tmr_jiffies() + FAREWELL_MS;
    tmr_start(&sip->farewell, 50, on_farewell, sip);
}

/* The node's thread stands still meanwhile: it does itself what the SIP thread still asks of it. */
static void stop_thread(struct rf_sip *sip)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    bool finished = false;

    pthread_mutex_lock(&sip->lock);
    bool running = sip->started && sip->start_error == 0;
    pthread_mutex_unlock(&sip->lock);
    if (running)
        channel_send(sip->to_sip, sip->quit);
    else
        rf_free(sip->config.mem, sip->quit);
    sip->quit = NULL;
    while (!finished) {
        channel_run(sip->to_node);
        pthread_mutex_lock(&sip->lock);
        finished = sip->finished;
        pthread_mutex_unlock(&sip->lock);
        if (!finished)
            nanosleep(&pause, NULL);
    }
    pthread_join(sip->thread, NULL);
    channel_run(sip->to_node);
}

/* ---- waking each other ---- */

static void wake_node(struct channel *channel, void *ctx)
{
    const struct rf_poster *poster = ctx;
    poster->post(poster->ctx, channel_drain, channel);
}

static void wake_sip(struct channel *channel, void *ctx)
{
    (void)channel;
    (void)mqueue_push(((struct core *)ctx)->mqueue, 0,
                      NULL); /* one at a time is under way: the pipe cannot be full */
}

/* ---- rf_sip ---- */

static void fill_limits(struct rf_sip *sip)
{
    const struct rf_sip_config *c = &sip->config;
    sip->core.limits.calls = c->max_calls != 0 ? c->max_calls : DEFAULT_CALLS;
    sip->core.limits.phones = c->max_phones != 0 ? c->max_phones : DEFAULT_PHONES;
    sip->core.limits.ring_s = c->ring_s != 0 ? c->ring_s : DEFAULT_RING_S;
    sip->core.limits.keepalive_s = c->keepalive_s != 0 ? c->keepalive_s : KEEPALIVE_S;
}

static int set_user(struct core *core, const char *user)
{
    size_t len = strlen(user);
    const char *at = strchr(user, '@');
    if (len >= AOR_MAX || at == NULL || !rf_name_valid(rf_view_of(user, len)))
        return RF_EINVAL;
    struct rf_view name = rf_view_of(user, (size_t)(at - user));
    snprintf(core->aor, sizeof(core->aor), "%s", user);
    core->domain = strchr(core->aor, '@') + 1;
    snprintf(core->user, sizeof(core->user), "%.*s", (int)name.len, user);
    aor_to_uri(core->aor, false, core->uri);
    aor_to_uri(core->aor, true, core->uri_sips);
    return 0;
}

static int prepare(struct rf_sip *sip, const struct rf_sip_config *config)
{
    struct core *core = &sip->core;
    char ip[RF_ADDR_TEXT_LEN] = "127.0.0.1";

    sip->config = *config;
    rf_list_init(&sip->controls);
    rf_list_init(&sip->pendings);
    rf_list_init(&sip->conns);
    rf_list_init(&sip->kept);
    pthread_mutex_init(&sip->lock, NULL);
    pthread_cond_init(&sip->changed, NULL);
    core->mem = config->mem;
    core->counters = &sip->counters;
    rf_list_init(&core->finds);
    rf_list_init(&core->calls);
    rf_list_init(&core->texts);
    fill_limits(sip);
    if (config->user == NULL || set_user(core, config->user) != 0 ||
        (config->listen.family != 0 && (config->password == NULL || config->password[0] == '\0'))) {
        snprintf(sip->why, sip->why_len, "the SIP side needs a user name and, for phones, a password");
        return RF_EINVAL;
    }
    core->echo = config->echo_service || strcmp(core->user, "echo") == 0;
    if (config->media.family != 0 && !rf_addr_is_any(&config->media))
        rf_addr_ip_text(&config->media, ip);
    if (sa_set_str(&core->media_addr, ip, 0) != 0)
        return RF_EINVAL;
    if (config->software != NULL && (core->software = rf_strdup(config->mem, config->software)) == NULL)
        return RF_ENOMEM;
    sip->password = config->password;
    int error = channel_new(config->mem, sip, wake_node, &sip->config.poster, &sip->to_node);
    if (error == 0)
        error = channel_new(config->mem, core, wake_sip, core, &sip->to_sip);
    core->to_node = sip->to_node;
    core->to_sip = sip->to_sip;
    if (error == 0 && (sip->quit = channel_note(sip->to_sip, sizeof(struct note), run_quit)) == NULL)
        error = RF_ENOMEM;
    return error;
}

/* What libre would write to stderr by itself: it tells nothing that does not come back as an error as well. */
static void be_quiet(int level, const char *p, size_t len, void *arg)
{
    (void)level, (void)p, (void)len, (void)arg;
}

static void init_libre(void)
{
    (void)libre_init();
    dbg_handler_set(be_quiet, NULL);
}

static int start_thread(struct rf_sip *sip)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_libre);
    if (pthread_create(&sip->thread, NULL, thread_main, sip) != 0) {
        snprintf(sip->why, sip->why_len, "no thread for SIP");
        return RF_ESYSTEM;
    }
    sip->has_thread = true;
    pthread_mutex_lock(&sip->lock);
    while (!sip->started)
        pthread_cond_wait(&sip->changed, &sip->lock);
    int error = sip->start_error;
    pthread_mutex_unlock(&sip->lock);
    sip->password = NULL;
    return error;
}

int rf_sip_new(const struct rf_sip_config *config, struct rf_sip **out, char *error_text, size_t error_len)
{
    char unused[256];
    struct rf_sip *sip = rf_zalloc(config->mem, sizeof(*sip));
    int error;

    if (sip == NULL) {
        if (error_text != NULL)
            snprintf(error_text, error_len, "the SIP side cannot start: %s", rf_error_text(RF_ENOMEM));
        return RF_ENOMEM;
    }
    sip->why = error_text != NULL && error_len > 0 ? error_text : unused;
    sip->why_len = error_text != NULL && error_len > 0 ? error_len : sizeof(unused);
    sip->why[0] = '\0';
    error = prepare(sip, config);
    if (error == 0)
        error = start_thread(sip);
    if (error == 0)
        error = overlay_open(sip);
    if (error == 0)
        error = commands_open(sip);
    if (error != 0) {
        if (sip->why[0] == '\0')
            snprintf(sip->why, sip->why_len, "the SIP side cannot start: %s", rf_error_text(error));
        rf_sip_free(sip);
        return error;
    }
    sip->why = NULL;
    if (config->listen.family != 0) {
        sip->listening = config->listen;
        sip->listening.port = sa_port(&sip->core.phones_addr);
    }
    *out = sip;
    return 0;
}

void rf_sip_free(struct rf_sip *sip)
{
    struct rf_mem *mem;

    if (sip == NULL)
        return;
    mem = sip->config.mem;
    if (sip->has_thread)
        stop_thread(sip);
    else
        rf_free(mem, sip->quit);
    overlay_close(sip);
    commands_close(sip);
    if (sip->to_node != NULL)
        channel_close(sip->to_node); /* what is posted still runs, and finds nobody */
    channel_unref(sip->to_node);
    channel_free(sip->to_sip);
    rf_free(mem, sip->core.software);
    pthread_cond_destroy(&sip->changed);
    pthread_mutex_destroy(&sip->lock);
    rf_free(mem, sip);
}

/* ---- servers of media ---- */

/* One block: the servers' arrays and strings, copied. */
struct servers_note {
    struct note note; /* extra: the strings */
    struct rf_addr stun[RF_ICE_MAX_STUN];
    struct rf_sip_turn turn[RF_ICE_MAX_TURN];
    struct rf_sip_servers servers;
};

static void run_servers(void *owner, struct note *note)
{
    struct core *core = owner;
    struct servers_note *n = (struct servers_note *)note;
    if (core->ways != NULL)
        ways_set_servers(core->ways, &n->servers);
}

static const char *put_string(char **at, const char *text)
{
    char *copy = *at;
    size_t len = strlen(text) + 1;
    memcpy(copy, text, len);
    *at += len;
    return copy;
}

int rf_sip_set_servers(struct rf_sip *sip, const struct rf_sip_servers *servers)
{
    struct servers_note *n = channel_note(sip->to_sip, sizeof(*n), run_servers);
    size_t stuns = servers->stun_count < RF_ICE_MAX_STUN ? servers->stun_count : RF_ICE_MAX_STUN;
    size_t turns = servers->turn_count < RF_ICE_MAX_TURN ? servers->turn_count : RF_ICE_MAX_TURN, len = 1;

    for (size_t i = 0; i < turns; i++)
        len += strlen(servers->turn[i].user) + strlen(servers->turn[i].password) + 2;
    char *strings = n != NULL ? rf_zalloc(sip->config.mem, len) : NULL;
    if (strings == NULL) {
        rf_free(sip->config.mem, n);
        return RF_ENOMEM;
    }
    n->note.extra = strings;
    for (size_t i = 0; i < stuns; i++)
        n->stun[i] = servers->stun[i];
    for (size_t i = 0; i < turns; i++) {
        n->turn[i].addr = servers->turn[i].addr;
        n->turn[i].stream = servers->turn[i].stream;
        n->turn[i].user = put_string(&strings, servers->turn[i].user);
        n->turn[i].password = put_string(&strings, servers->turn[i].password);
    }
    n->servers = (struct rf_sip_servers){n->stun, stuns, n->turn, turns};
    channel_send(sip->to_sip, n);
    return 0;
}

struct rf_addr rf_sip_listening(const struct rf_sip *sip)
{
    return sip->listening;
}

void rf_sip_counters(const struct rf_sip *sip,
                     void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                uint64_t value),
                     void *arg)
{
    for (size_t i = 0; i < rf_sip_counter_count; i++) {
        const struct rf_counter_desc *d = &rf_sip_counter_descs[i];
        const uint64_t *value = (const uint64_t *)((const char *)&sip->counters + d->offset);
        fn(arg, "sip", d->name, d->help, __atomic_load_n(value, __ATOMIC_RELAXED));
    }
}
