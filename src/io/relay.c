/* relay.c - the relay's threads: birth, sockets, death. */
#include "io/relay.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/relay_thread.h"
#include "io/sockaddr.h"
#include "io/sockets.h"

#define CLIENTS_BUFFER (4 << 20) /* of the common socket; the system may give less */
#define PEERS_BUFFER   (256 << 10)
#define PORT_TRIES     64

#define X(name, help) {#name, help, offsetof(struct rf_relay_counters, name)},
RF_COUNTERS_DEFINE(relay, RF_RELAY_COUNTERS, X)
#undef X

struct rf_relay {
    struct rf_relay_config config; /* listen: with the port that it became */
    struct relay_thread *threads;
    size_t thread_count;
    size_t takes;                  /* streams taken so far: each thread has its turn */
    struct relay_tls_context *tls; /* owned, of all threads; NULL: no TLS */
};

/* ---- sockets ---- */

/* With datagrams joined by the kernel. */
static int udp_open(const struct rf_addr *addr, bool shared, int buffer, int *fd)
{
    static const int on = 1;
    int error = rf_socket_udp(addr, shared, buffer, fd);
    if (error == 0)
        (void)setsockopt(*fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
    return error;
}

/* ---- what turn/ asks for ---- */

static const struct rf_addr *relayed_address(const struct rf_relay *relay, uint8_t family)
{
    for (size_t i = 0; i < 2; i++)
        if (relay->config.relayed[i].family == family)
            return &relay->config.relayed[i];
    return NULL;
}

/* The port to try next: of the range at random, or the kernel's choice. */
static uint16_t some_port(struct relay_thread *t, bool even)
{
    const struct rf_relay_config *c = &t->relay->config;
    if (c->port_low == 0)
        return 0;
    uint16_t port = (uint16_t)rf_rng_between(&t->jitter.rng, c->port_low, c->port_high);
    return even ? port & 0xfffe : port;
}

/* What peers see of an address of ours. */
static void tell_outside(const struct rf_relay *relay, struct rf_addr *addr)
{
    for (size_t i = 0; i < 2; i++)
        if (relay->config.told[i].family == addr->family)
            memcpy(addr->ip, relay->config.told[i].ip, sizeof(addr->ip));
}

static int open_port(struct relay_thread *t, struct rf_addr addr, bool even, struct rf_addr *relayed, int *fd)
{
    int error = RF_ELIMIT;
    for (int i = 0; i < PORT_TRIES; i++) {
        addr.port = some_port(t, even);
        if (addr.port != 0 && addr.port < t->relay->config.port_low)
            continue;
        error = udp_open(&addr, false, PEERS_BUFFER, fd);
        if (error == RF_EEXIST)
            continue;
        if (error != 0)
            return error;
        error = sockaddr_local(*fd, relayed);
        if (error == 0 && (!even || relayed->port % 2 == 0)) {
            tell_outside(t->relay, relayed);
            return 0;
        }
        close(*fd);
    }
    return error != 0 && error != RF_EEXIST ? error : RF_ELIMIT;
}

static int host_open(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even,
                     struct rf_addr *relayed, void **socket)
{
    struct relay_thread *t = ctx;
    const struct rf_addr *addr = relayed_address(t->relay, family);
    if (addr == NULL)
        return RF_EUNSUPPORTED;
    struct relay_socket *s = rf_zalloc(t->env.mem, sizeof(*s));
    if (s == NULL)
        return RF_ENOMEM;
    int error = open_port(t, *addr, even, relayed, &s->fd);
    if (error == 0) {
        s->thread = t;
        s->alloc = alloc;
        relay_line_init(&s->line);
        error = rf_loop_watch(t->loop, s->fd, RF_LOOP_READ, relay_peers_ready, s);
        if (error != 0)
            close(s->fd);
    }
    if (error != 0) {
        rf_free(t->env.mem, s);
        return error;
    }
    *socket = s;
    return 0;
}

static void host_close(void *ctx, void *socket)
{
    struct relay_thread *t = ctx;
    struct relay_socket *s = socket;
    relay_forget(s);
    rf_loop_unwatch(t->loop, s->fd);
    close(s->fd);
    rf_free(t->env.mem, s);
}

void relay_stray(struct relay_thread *t, const struct rf_addr *from, struct rf_view bytes)
{
    const struct rf_relay_config *c = &t->relay->config;
    c->stray(c->stray_ctx, from, bytes);
}

/* ---- a thread ---- */

static uint64_t turn(void *arg)
{
    struct relay_thread *t = arg;
    relay_flush(t);
    relay_streams_flush(t);
    rf_timers_run(&t->timers, rf_loop_now(t->loop)->mono_us, SIZE_MAX);
    return rf_timers_next(&t->timers);
}

static void *run(void *arg)
{
    struct relay_thread *t = arg;
    (void)rf_loop_run(t->loop);
    return NULL;
}

static uint64_t share(uint64_t whole, size_t parts)
{
    return (whole + parts - 1) / parts;
}

static int thread_turn(struct relay_thread *t)
{
    const struct rf_relay *relay = t->relay;
    struct rf_turn_config config = relay->config.turn;
    t->host = (struct rf_turn_host){.ctx = t, .open = host_open, .close = host_close};
    config.crypto = t->crypto;
    config.host = &t->host;
    config.max_allocations = share(config.max_allocations, relay->thread_count);
    config.bytes_per_s = share(config.bytes_per_s, relay->thread_count);
    config.user_bytes_per_s = share(config.user_bytes_per_s, relay->thread_count);
    return rf_turn_new(&t->env, &config, &t->turn);
}

static int thread_open(struct relay_thread *t, struct rf_relay *relay)
{
    const struct rf_relay_config *c = &relay->config;
    t->relay = relay;
    t->shares = c->stray != NULL;
    t->fd = t->tcp.fd = t->tls.fd = -1;
    t->tls_context = relay->tls;
    rf_list_init(&t->streams_ready);
    rf_timers_init(&t->timers, c->mem);
    rf_rng_seeded_init(&t->jitter, rf_rng_u64(c->secret));
    t->env =
        (struct rf_env){.mem = c->mem, .timers = &t->timers, .jitter = &t->jitter.rng, .secret = c->secret};
    rf_rng_fill(c->secret, t->env.seed, sizeof(t->env.seed));
    int error = rf_loop_new(c->mem, &t->loop);
    if (error != 0)
        return error;
    t->env.now = rf_loop_now(t->loop);
    t->crypto = c->crypto_new(c->mem);
    error = t->crypto != NULL ? relay_path_open(t) : RF_ENOMEM;
    if (error == 0)
        error = thread_turn(t);
    if (error == 0)
        error = udp_open(&relay->config.listen, true, CLIENTS_BUFFER, &t->fd);
    if (error == 0)
        error = sockaddr_local(t->fd, &relay->config.listen); /* the port that the others share */
    if (error == 0)
        error = rf_loop_watch(t->loop, t->fd, RF_LOOP_READ, relay_clients_ready, t);
    if (error == 0 && c->tcp.family != 0)
        error = relay_streams_open(t, false, &relay->config.tcp);
    if (error == 0 && c->tls.family != 0)
        error = relay_streams_open(t, true, &relay->config.tls);
    t->task = (struct rf_loop_task){.turn = turn, .arg = t};
    rf_list_init(&t->task.list);
    if (error == 0)
        rf_loop_task_add(t->loop, &t->task);
    return error;
}

static void thread_close(struct relay_thread *t)
{
    if (t->running) {
        rf_loop_stop(t->loop);
        pthread_join(t->id, NULL);
    }
    if (t->relay == NULL)
        return;
    t->closing = true;
    relay_streams_close(t);
    rf_turn_free(t->turn);
    if (t->task.turn != NULL)
        rf_loop_task_remove(&t->task);
    if (t->fd >= 0) {
        rf_loop_unwatch(t->loop, t->fd);
        close(t->fd);
    }
    relay_path_close(t);
    if (t->crypto != NULL)
        t->relay->config.crypto_free(t->crypto);
    rf_loop_free(t->loop);
    rf_timers_deinit(&t->timers);
}

/* ---- the relay ---- */

static int check(struct rf_relay *relay)
{
    struct rf_relay_config *c = &relay->config;
    if (c->threads > RF_RELAY_MAX_THREADS || c->port_low > c->port_high ||
        (c->port_low == 0) != (c->port_high == 0))
        return RF_EINVAL;
    if (c->relayed[0].family == 0 && c->relayed[1].family == 0)
        c->relayed[0] = c->listen;
    for (size_t i = 0; i < 2; i++)
        if (c->relayed[i].family != 0 && rf_addr_is_any(&c->relayed[i]))
            return RF_EINVAL;
    return 0;
}

/* Threads share a port, and with them would any program of the same user: so first it is tried whether somebody has it. */
static int is_free(const struct rf_addr *addr)
{
    int fd, error = addr->family != 0 && addr->port != 0 ? rf_socket_listen(addr, &fd, NULL) : RF_EAGAIN;
    if (error == 0)
        rf_socket_close(fd);
    return error == RF_EAGAIN ? 0 : error;
}

int rf_relay_new(const struct rf_relay_config *config, struct rf_relay **out)
{
    struct rf_relay *relay = rf_zalloc(config->mem, sizeof(*relay));
    if (relay == NULL)
        return RF_ENOMEM;
    relay->config = *config;
    relay->thread_count = config->threads != 0 ? config->threads : 1;
    int error = check(relay);
    if (error == 0)
        error = is_free(&config->tcp);
    if (error == 0)
        error = is_free(&config->tls);
    if (error == 0 && config->tls.family != 0)
        error = relay_tls_context_new(config->mem, config->tls_chain, config->tls_key, &relay->tls);
    relay->config.tls_chain = relay->config.tls_key = rf_view_of(NULL, 0);
    if (error == 0) {
        relay->threads = rf_zalloc(config->mem, relay->thread_count * sizeof(*relay->threads));
        error = relay->threads != NULL ? 0 : RF_ENOMEM;
    }
    for (size_t i = 0; error == 0 && i < relay->thread_count; i++)
        error = thread_open(&relay->threads[i], relay);
    for (size_t i = 0; error == 0 && i < relay->thread_count; i++) {
        struct relay_thread *t = &relay->threads[i];
        t->running = pthread_create(&t->id, NULL, run, t) == 0;
        error = t->running ? 0 : RF_ESYSTEM;
    }
    if (error != 0) {
        rf_relay_free(relay);
        return error;
    }
    *out = relay;
    return 0;
}

void rf_relay_free(struct rf_relay *relay)
{
    if (relay == NULL)
        return;
    for (size_t i = 0; relay->threads != NULL && i < relay->thread_count; i++)
        thread_close(&relay->threads[i]);
    relay_tls_context_free(relay->tls);
    rf_wipe(relay->config.turn.secret, sizeof(relay->config.turn.secret));
    rf_free(relay->config.mem, relay->threads);
    rf_free(relay->config.mem, relay);
}

const struct rf_addr *rf_relay_address(const struct rf_relay *relay)
{
    return &relay->config.listen;
}

struct take {
    struct rf_loop_job job;
    struct relay_thread *thread;
    int fd;
    struct rf_addr remote;
    size_t len;
    uint8_t bytes[];
};

static void do_take(struct rf_loop_job *job)
{
    struct take *take = RF_CONTAINER(job, struct take, job);
    if (take->thread->closing)
        rf_socket_close(take->fd);
    else
        relay_stream_take(take->thread, take->fd, &take->remote, rf_view_of(take->bytes, take->len));
    rf_free(take->thread->env.mem, take);
}

void rf_relay_take(struct rf_relay *relay, int fd, const struct rf_addr *remote, struct rf_view bytes)
{
    struct take *take = rf_alloc(relay->config.mem, sizeof(*take) + bytes.len);
    if (take == NULL) {
        rf_socket_close(fd);
        return;
    }
    *take = (struct take){.job = {.run = do_take},
                          .thread = &relay->threads[relay->takes++ % relay->thread_count],
                          .fd = fd,
                          .remote = *remote,
                          .len = bytes.len};
    memcpy(take->bytes, bytes.p, bytes.len);
    rf_loop_post(take->thread->loop, &take->job);
}

const struct rf_addr *rf_relay_tcp(const struct rf_relay *relay)
{
    return &relay->config.tcp;
}

const struct rf_addr *rf_relay_tls(const struct rf_relay *relay)
{
    return &relay->config.tls;
}

/* ---- what the threads are asked and told ---- */

/* Something that every thread does for the one who asks; it waits until they have. */
struct ask {
    struct rf_loop_job job;
    void (*fn)(struct relay_thread *t, void *arg);
    void *arg;
    struct relay_thread *thread;
    pthread_mutex_t *lock;
    pthread_cond_t *told;
    bool done;
};

static void do_ask(struct rf_loop_job *job)
{
    struct ask *a = RF_CONTAINER(job, struct ask, job);
    a->fn(a->thread, a->arg);
    pthread_mutex_lock(a->lock);
    a->done = true;
    pthread_cond_signal(a->told);
    pthread_mutex_unlock(a->lock);
}

static void ask_all(struct rf_relay *relay, void (*fn)(struct relay_thread *t, void *arg), void *arg)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t told = PTHREAD_COND_INITIALIZER;
    for (size_t i = 0; i < relay->thread_count; i++) {
        struct ask a = {.job = {.run = do_ask},
                        .fn = fn,
                        .arg = arg,
                        .thread = &relay->threads[i],
                        .lock = &lock,
                        .told = &told};
        rf_loop_post(relay->threads[i].loop, &a.job);
        pthread_mutex_lock(&lock);
        while (!a.done)
            pthread_cond_wait(&told, &lock);
        pthread_mutex_unlock(&lock);
    }
    pthread_cond_destroy(&told);
    pthread_mutex_destroy(&lock);
}

struct sum {
    struct rf_turn_status *status;
    struct rf_relay_counters counters;
};

static void add(void *sum, const void *one, const struct rf_counter_desc *descs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *(uint64_t *)((char *)sum + descs[i].offset) += rf_counter_get(one, &descs[i]);
}

static void add_status(struct relay_thread *t, void *arg)
{
    struct sum *sum = arg;
    struct rf_turn_status one;
    rf_turn_status(t->turn, &one);
    sum->status->allocations += one.allocations;
    sum->status->users += one.users;
    add(&sum->status->counters, &one.counters, rf_turn_counter_descs, rf_turn_counter_count);
    add(&sum->counters, &t->counters, rf_relay_counter_descs, rf_relay_counter_count);
}

void rf_relay_status(struct rf_relay *relay, struct rf_turn_status *out, struct rf_relay_counters *counters)
{
    struct sum sum = {.status = out};
    memset(out, 0, sizeof(*out));
    ask_all(relay, add_status, &sum);
    if (counters != NULL)
        *counters = sum.counters;
}

static void rotate(struct relay_thread *t, void *arg)
{
    rf_turn_rotate(t->turn, arg);
}

void rf_relay_rotate(struct rf_relay *relay, const uint8_t secret[RF_TURN_SECRET_LEN])
{
    uint8_t copy[RF_TURN_SECRET_LEN];
    memcpy(copy, secret, sizeof(copy));
    ask_all(relay, rotate, copy);
    rf_wipe(copy, sizeof(copy));
}
