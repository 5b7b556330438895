/* test_sip_net.c - a network of rf_sip objects: the functions of rf_node that sip/ and control/ use, as doubles that join them directly. */
#include "test_sip.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/text.h"
#include "crypto/openssl/openssl.h"

struct rf_node {
    struct sip_net *net;
    struct sip_node *owner;
    char user[256], shown[256];
    struct rf_id id;
    struct rf_node_app apps[2]; /* sip, sips */
    bool has_app[2], hidden, wants_sips, late;
    struct attach *asked; /* while it is late */
    char forward[256];
    uint8_t route[2];
};

/* one end of a connection */
struct end {
    rf_link_id id;
    size_t app;
    struct rf_node *node; /* NULL: gone */
    bool held;
    struct end *other;
    struct end *next;
};

/* what happens in the node's thread next */
struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
};

struct sip_net {
    struct sip_node *nodes[NET_MAX_NODES];
    size_t node_count;
    struct end *ends;
    rf_link_id next_id;
    uint8_t next_node;
    pthread_mutex_t lock;
    struct job *first, **last;
    int wake;
    char *sniffed;
    size_t sniffed_len;
    struct rf_mem mem; /* of the SIP sides: the system's, with refusals */
    unsigned one_in, draw;
    bool mute, anchor;
    struct rf_crypto *cryptos[64]; /* of the nodes that anchor media, until the net ends */
    size_t crypto_count;
    const char *tamper;
};

void net_anchor(struct sip_net *net, bool anchor)
{
    net->anchor = anchor;
}

void net_tamper(struct sip_net *net, const char *before)
{
    net->tamper = before;
}

static struct rf_crypto *crypto_of(struct sip_net *net)
{
    if (!net->anchor)
        return NULL;
    assert_true(net->crypto_count < sizeof(net->cryptos) / sizeof(net->cryptos[0]));
    struct rf_crypto *crypto = rf_crypto_openssl_new(rf_mem_system());
    assert_non_null(crypto);
    net->cryptos[net->crypto_count++] = crypto;
    return crypto;
}

/* used by several threads: the draw is atomic, its order need not be */
static void *starving_resize(void *ctx, void *ptr, size_t size)
{
    struct sip_net *net = ctx;
    unsigned one_in = __atomic_load_n(&net->one_in, __ATOMIC_RELAXED);
    if (one_in != 0 && size != 0) {
        unsigned x = __atomic_add_fetch(&net->draw, 0x9e3779b9, __ATOMIC_RELAXED);
        x = (x ^ x >> 16) * 0x7feb352d;
        if ((x ^ x >> 15) % one_in == 0)
            return NULL;
    }
    return rf_mem_system()->resize(rf_mem_system()->ctx, ptr, size);
}

void net_starve(struct sip_net *net, unsigned one_in, unsigned seed)
{
    __atomic_store_n(&net->draw, seed, __ATOMIC_RELAXED);
    __atomic_store_n(&net->one_in, one_in, __ATOMIC_RELAXED);
}

static void post(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct sip_net *net = ctx;
    struct job *job = calloc(1, sizeof(*job));
    uint64_t one = 1;
    assert_non_null(job);
    job->fn = fn;
    job->arg = arg;
    pthread_mutex_lock(&net->lock);
    *net->last = job;
    net->last = &job->next;
    pthread_mutex_unlock(&net->lock);
    assert_int_equal(write(net->wake, &one, sizeof(one)), sizeof(one));
}

static void run_jobs(struct sip_net *net)
{
    for (;;) {
        pthread_mutex_lock(&net->lock);
        struct job *job = net->first;
        if (job != NULL && (net->first = job->next) == NULL)
            net->last = &net->first;
        pthread_mutex_unlock(&net->lock);
        if (job == NULL)
            return;
        job->fn(job->arg);
        free(job);
    }
}

void net_turn(struct sip_net *net, int fd, int ms)
{
    struct pollfd fds[2] = {{.fd = net->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t count;
    run_jobs(net);
    if (poll(fds, fd >= 0 ? 2 : 1, ms) > 0 && (fds[0].revents & POLLIN) != 0)
        assert_int_equal(read(net->wake, &count, sizeof(count)), sizeof(count));
    run_jobs(net);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct rf_now now_of(void *ctx)
{
    (void)ctx;
    return (struct rf_now){.mono_us = now_ms() * 1000, .wall_ms = 1800000000000};
}

/* ---- doubles: application connections ---- */

static size_t app_of(uint16_t application)
{
    assert_true(application == RF_SIP_APPLICATION || application == RF_SIPS_APPLICATION);
    return application == RF_SIPS_APPLICATION;
}

int rf_node_set_app(struct rf_node *node, uint16_t application, const struct rf_node_app *app)
{
    node->apps[app_of(application)] = *app;
    node->has_app[app_of(application)] = true;
    return 0;
}

void rf_node_unset_app(struct rf_node *node, uint16_t application)
{
    node->has_app[app_of(application)] = false;
}

static struct end *end_of(struct sip_net *net, rf_link_id id)
{
    for (struct end *e = net->ends; e != NULL; e = e->next)
        if (e->id == id && e->node != NULL)
            return e;
    return NULL;
}

static struct rf_node *node_of(struct sip_net *net, const struct rf_id *id)
{
    for (size_t i = 0; i < net->node_count; i++)
        if (rf_id_equal(&net->nodes[i]->node->id, id))
            return net->nodes[i]->node;
    return NULL;
}

static struct end *end_new(struct rf_node *node, size_t app)
{
    struct end *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    e->id = ++node->net->next_id;
    e->app = app;
    e->node = node;
    e->next = node->net->ends;
    node->net->ends = e;
    return e;
}

static struct end *join(struct rf_node *from, struct rf_node *to, size_t app)
{
    for (struct end *e = from->net->ends; e != NULL; e = e->next)
        if (e->node == from && e->other->node == to && e->app == app)
            return e;
    struct end *a = end_new(from, app), *b = end_new(to, app);
    a->other = b;
    b->other = a;
    if (from->has_app[app])
        from->apps[app].up(from->apps[app].ctx, a->id, &to->id, rf_view_str(to->shown), true);
    if (to->has_app[app] && b->node != NULL) /* the first one may have closed it already */
        to->apps[app].up(to->apps[app].ctx, b->id, &from->id, rf_view_str(from->shown), false);
    return a;
}

struct attach {
    struct rf_node *node;
    struct rf_id target;
    size_t app;
    char user[256];
    void (*done)(void *arg, int error, rf_link_id conn);
    void *arg;
};

static void run_attach(void *arg)
{
    struct attach a = *(struct attach *)arg;
    free(arg);
    struct rf_node *to = node_of(a.node->net, &a.target);
    if (to != NULL && to->late) {
        assert_null(to->asked);
        to->asked = malloc(sizeof(a));
        *to->asked = a;
        return;
    }
    if (to == NULL)
        a.done(a.arg, RF_ETIMEOUT, 0);
    else if (strcmp(to->shown, a.user) != 0)
        a.done(a.arg, RF_EAUTH, 0);
    else
        a.done(a.arg, 0, join(a.node, to, a.app)->id);
}

/* what the devices of run_whois carry as their route: the last byte of the Node-ID is enough to see that it comes back */
static void check_route(const struct rf_app_target *target)
{
    assert_int_equal(target->route.len, 2);
    assert_int_equal(target->route.p[0], 'r');
    assert_int_equal(target->route.p[1], target->node_id.b[0]);
}

int rf_node_app_attach(struct rf_node *node, const struct rf_app_target *target, struct rf_now now,
                       void (*done)(void *arg, int error, rf_link_id conn), void *arg)
{
    struct attach *a = calloc(1, sizeof(*a));
    (void)now;
    if (target->route.len > 0)
        check_route(target); /* an answer over a lost connection knows none */
    *a = (struct attach){.node = node,
                         .target = target->node_id,
                         .app = app_of(target->application),
                         .done = done,
                         .arg = arg};
    memcpy(a->user, target->user.p, target->user.len);
    post(node->net, run_attach, a);
    return 0;
}

struct delivery {
    struct sip_net *net;
    rf_link_id id;
    size_t len;
    uint8_t bytes[];
};

static void run_delivery(void *arg)
{
    struct delivery *d = arg;
    struct end *e = end_of(d->net, d->id);
    if (e != NULL && e->node->has_app[e->app] && !d->net->mute)
        e->node->apps[e->app].data(e->node->apps[e->app].ctx, e->id, rf_view_of(d->bytes, d->len));
    free(d);
}

static void sniff(struct sip_net *net, struct rf_view bytes)
{
    net->sniffed = realloc(net->sniffed, net->sniffed_len + bytes.len + 1);
    memcpy(net->sniffed + net->sniffed_len, bytes.p, bytes.len);
    net->sniffed_len += bytes.len;
    net->sniffed[net->sniffed_len] = '\0';
}

static void deliver(struct sip_net *net, rf_link_id id, struct rf_view bytes)
{
    struct delivery *d = malloc(sizeof(*d) + bytes.len);
    *d = (struct delivery){.net = net, .id = id, .len = bytes.len};
    memcpy(d->bytes, bytes.p, bytes.len);
    post(net, run_delivery, d);
}

/* A copy in which the hexadecimal digit behind net->tamper is another one; NULL: it stays as it is. */
static uint8_t *tampered(struct sip_net *net, struct rf_view *bytes)
{
    size_t len = net->tamper != NULL ? strlen(net->tamper) : 0;
    const uint8_t *at = len > 0 ? memmem(bytes->p, bytes->len, net->tamper, len) : NULL;
    if (at == NULL || at + len >= bytes->p + bytes->len)
        return NULL;
    uint8_t *copy = malloc(bytes->len);
    assert_non_null(copy);
    memcpy(copy, bytes->p, bytes->len);
    uint8_t *digit = copy + (at + len - bytes->p);
    *digit = *digit == '0' ? '1' : '0';
    bytes->p = copy;
    return copy;
}

int rf_node_app_send(struct rf_node *node, rf_link_id conn, struct rf_view bytes, struct rf_now now)
{
    struct end *e = end_of(node->net, conn);
    (void)now;
    if (e == NULL || e->other->node == NULL)
        return RF_ECLOSED;
    uint8_t *changed = tampered(node->net, &bytes);
    sniff(node->net, bytes);
    /* in two pieces: a stream keeps no borders */
    size_t cut = bytes.len > 7 ? bytes.len / 3 : bytes.len;
    deliver(node->net, e->other->id, rf_view_of(bytes.p, cut));
    if (cut < bytes.len)
        deliver(node->net, e->other->id, rf_view_of(bytes.p + cut, bytes.len - cut));
    free(changed);
    return 0;
}

static void end_down(struct end *e)
{
    struct rf_node *node = e->node;
    e->node = NULL;
    if (node != NULL && node->has_app[e->app])
        node->apps[e->app].down(node->apps[e->app].ctx, e->id, RF_ECLOSED);
}

void rf_node_app_hold(struct rf_node *node, rf_link_id conn, bool held, struct rf_now now)
{
    struct end *e = end_of(node->net, conn);
    (void)now;
    if (e != NULL)
        e->held = held;
}

void rf_node_app_close(struct rf_node *node, rf_link_id conn, struct rf_now now)
{
    struct end *e = end_of(node->net, conn);
    (void)now;
    if (e == NULL)
        return;
    end_down(e);
    end_down(e->other);
}

/* ---- doubles: names ---- */

int rf_node_full_name(const struct rf_node *node, const char *name, struct rf_buf *out)
{
    rf_buf_str(out, name);
    if (strchr(name, '@') == NULL)
        rf_buf_printf(out, "@%s", strchr(node->user, '@') + 1);
    return rf_buf_error(out) != 0 ? rf_buf_error(out) : rf_name_valid(rf_buf_view(out)) ? 0 : RF_EFORMAT;
}

struct whois {
    struct rf_node *node;
    char name[256];
    void (*done)(void *arg, const struct rf_whois *whois);
    void *arg;
};

/* the devices of `name` and of whom they forward to */
static void collect(struct whois *q, const char *name, unsigned depth, struct rf_device *devices,
                    struct rf_whois *w)
{
    w->loop |= depth > 0 && strcmp(name, q->name) == 0;
    if (w->loop || depth > 4)
        return;
    for (size_t i = 0; i < q->node->net->node_count; i++) {
        struct rf_node *n = q->node->net->nodes[i]->node;
        if (strcmp(n->user, name) != 0)
            continue;
        w->exists = true;
        if (n->forward[0] != '\0')
            collect(q, n->forward, depth + 1, devices, w);
        else if (!n->hidden)
            devices[w->device_count++] =
                (struct rf_device){.node_id = n->id,
                                   .aor = rf_view_str(n->user),
                                   .route = {n->route, sizeof(n->route)},
                                   .application = n->wants_sips ? RF_SIPS_APPLICATION : RF_SIP_APPLICATION,
                                   .self = n == q->node};
    }
}

static void run_whois(void *arg)
{
    struct whois q = *(struct whois *)arg;
    struct rf_device devices[NET_MAX_NODES];
    struct rf_whois w = {.name = rf_view_str(q.name), .devices = devices};
    free(arg);
    collect(&q, q.name, 0, devices, &w);
    w.error = w.device_count > 0 ? 0 : w.loop ? RF_ELIMIT : RF_ENOTFOUND;
    q.done(q.arg, &w);
}

int rf_node_forward(struct rf_node *node, struct rf_view aor, struct rf_now now)
{
    (void)now;
    if (rf_view_equal(aor, rf_view_str(node->user)))
        return RF_EINVAL;
    snprintf(node->forward, sizeof(node->forward), "%.*s", (int)aor.len, (const char *)aor.p);
    return 0;
}

const char *rf_node_forwarded(const struct rf_node *node)
{
    return node->forward;
}

int rf_node_whois(struct rf_node *node, struct rf_view full_name, struct rf_now now,
                  void (*done)(void *arg, const struct rf_whois *whois), void *arg)
{
    struct whois *q = calloc(1, sizeof(*q));
    (void)now;
    *q = (struct whois){.node = node, .done = done, .arg = arg};
    memcpy(q->name, full_name.p, full_name.len);
    post(node->net, run_whois, q);
    return 0;
}

/* ---- doubles: what control/ mentions and no test here asks for ---- */

void rf_node_status(const struct rf_node *node, struct rf_node_status *out)
{
    *out = (struct rf_node_status){.node_id = node->id, .state = RF_TOPOLOGY_JOINED};
}
const struct rf_conf *rf_node_conf(const struct rf_node *node)
{
    (void)node;
    return NULL;
}
void rf_node_each_link(const struct rf_node *node,
                       void (*fn)(void *arg, const struct rf_link_info *info, char relation), void *arg)
{
    (void)node, (void)fn, (void)arg;
}
size_t rf_node_ring(const struct rf_node *node, struct rf_topology_status_entry *out, size_t max)
{
    (void)node, (void)out, (void)max;
    return 0;
}
void rf_node_counters(const struct rf_node *node,
                      void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                 uint64_t value),
                      void *arg)
{
    (void)node, (void)fn, (void)arg;
}
const char *rf_node_event_name(enum rf_node_event_type type)
{
    (void)type;
    return "event";
}
int rf_node_relay(struct rf_node *node, bool fresh, struct rf_now now,
                  void (*done)(void *arg, const struct rf_node_relay *relay), void *arg)
{
    (void)node, (void)fresh, (void)now, (void)done, (void)arg;
    return RF_ECLOSED;
}
int rf_node_find_relays(struct rf_node *node, struct rf_now now,
                        void (*each)(void *arg, const struct rf_node_found_relay *found),
                        void (*done)(void *arg, int error), void *arg)
{
    (void)node, (void)now, (void)each, (void)done, (void)arg;
    return RF_ECLOSED;
}
int rf_node_ping(struct rf_node *node, const struct rf_id *target, struct rf_now now,
                 void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms), void *arg)
{
    (void)node, (void)target, (void)now, (void)done, (void)arg;
    return RF_EUNSUPPORTED;
}
int rf_node_trace(struct rf_node *node, const struct rf_id *target, bool resource, struct rf_now now,
                  void (*hop)(void *arg, const struct rf_trace_hop *hop), void (*done)(void *arg, int error),
                  void *arg)
{
    (void)node, (void)target, (void)resource, (void)now, (void)hop, (void)done, (void)arg;
    return RF_EUNSUPPORTED;
}
int rf_node_fetch(struct rf_node *node, const struct rf_id *resource, uint32_t kind, struct rf_now now,
                  void (*done)(void *arg, const struct rf_fetch_result *result), void *arg)
{
    (void)node, (void)resource, (void)kind, (void)now, (void)done, (void)arg;
    return RF_EUNSUPPORTED;
}
int rf_node_resource_of(const struct rf_node *node, struct rf_view resource_name, struct rf_id *out)
{
    (void)node, (void)resource_name, (void)out;
    return RF_EUNSUPPORTED;
}

/* ---- the control side ---- */

static void control_send(void *ctx, struct rf_session *session, const char *line, size_t len)
{
    struct sip_node *node = rf_session_user(session);
    (void)ctx;
    if (node == NULL || node->lines_len + len >= sizeof(node->lines))
        return;
    memcpy(node->lines + node->lines_len, line, len);
    node->lines_len += len;
    node->lines[node->lines_len] = '\0';
}

static void control_shutdown(void *ctx)
{
    (void)ctx;
}

void net_command(struct sip_net *net, struct sip_node *node, const char *json)
{
    (void)net;
    if (node->session == NULL)
        node->session = rf_control_open(node->control, node);
    rf_control_input(node->control, node->session, json, strlen(json));
    rf_control_input(node->control, node->session, "\n", 1);
}

bool net_wait_line(struct sip_net *net, struct sip_node *node, size_t *from, const char *text, int ms)
{
    uint64_t until = now_ms() + patience(ms);
    for (;;) {
        const char *found = strstr(node->lines + *from, text);
        if (found != NULL) {
            *from = (size_t)(found - node->lines) + strlen(text);
            return true;
        }
        if (now_ms() >= until)
            return false;
        net_turn(net, -1, 20);
    }
}

/* ---- life ---- */

struct sip_net *net_new(void)
{
    struct sip_net *net = calloc(1, sizeof(*net));
    assert_non_null(net);
    net->last = &net->first;
    net->mem = (struct rf_mem){starving_resize, net};
    pthread_mutex_init(&net->lock, NULL);
    net->wake = eventfd(0, EFD_CLOEXEC);
    assert_true(net->wake >= 0);
    return net;
}

struct sip_node *net_add(struct sip_net *net, const char *user, bool echo)
{
    struct sip_node *node = calloc(1, sizeof(*node));
    struct rf_env env = {.mem = rf_mem_system()};
    struct rf_control_host host = {
        .ctx = net, .now = now_of, .send = control_send, .shutdown = control_shutdown};
    char why[200] = "";

    assert_non_null(node);
    node->node = calloc(1, sizeof(*node->node));
    node->node->net = net;
    node->node->owner = node;
    snprintf(node->node->user, sizeof(node->node->user), "%s", user);
    snprintf(node->node->shown, sizeof(node->node->shown), "%s", user);
    node->node->id = (struct rf_id){.len = 16, .b = {++net->next_node}};
    memcpy(node->node->route, (const uint8_t[]){'r', net->next_node}, 2);
    assert_int_equal(rf_control_new(&env, node->node, &host, &node->control), 0);
    const struct rf_sip_config config = {
        .mem = &net->mem,
        .node = node->node,
        .control = node->control,
        .poster = {post, net},
        .now = now_of,
        .listen = {.family = 4, .ip = {127, 0, 0, 1}},
        .crypto = crypto_of(net),
        .loopback = true,
        .user = user,
        .password = "secret",
        .echo_service = echo,
        .software = "ringfolk test",
        .ring_s = 3,
        .keepalive_s = 1,
    };
    int error = rf_sip_new(&config, &node->sip, why, sizeof(why));
    assert_string_equal(why, "");
    assert_int_equal(error, 0);
    node->phones = rf_sip_listening(node->sip);
    net->nodes[net->node_count++] = node;
    return node;
}

int net_start(struct sip_net *net, struct sip_node *node, struct rf_mem *mem, struct rf_addr listen,
              struct rf_sip **out, char *why, size_t why_len)
{
    const struct rf_sip_config config = {
        .mem = mem,
        .node = node->node,
        .poster = {post, net},
        .now = now_of,
        .listen = listen,
        .user = node->node->user,
        .password = "secret",
        .software = "x",
    };
    return rf_sip_new(&config, out, why, why_len);
}

void net_stop(struct sip_net *net, struct rf_sip *sip)
{
    rf_sip_free(sip);
    run_jobs(net);
}

void net_break(struct sip_net *net, struct sip_node *node)
{
    for (struct end *e = net->ends; e != NULL; e = e->next)
        if (e->node == node->node) {
            end_down(e);
            end_down(e->other);
        }
}

void net_remove(struct sip_net *net, struct sip_node *node)
{
    rf_sip_free(node->sip);
    run_jobs(net);
    net_break(net, node);
    for (size_t i = 0; i < net->node_count; i++)
        if (net->nodes[i] == node) {
            net->nodes[i] = net->nodes[--net->node_count];
            break;
        }
    if (node->session != NULL)
        rf_control_close(node->control, node->session);
    rf_control_free(node->control);
    free(node->node);
    free(node);
}

void net_free(struct sip_net *net)
{
    while (net->node_count > 0)
        net_remove(net, net->nodes[net->node_count - 1]);
    run_jobs(net);
    while (net->ends != NULL) {
        struct end *e = net->ends;
        net->ends = e->next;
        free(e);
    }
    while (net->crypto_count > 0)
        rf_crypto_openssl_free(net->cryptos[--net->crypto_count]);
    close(net->wake);
    pthread_mutex_destroy(&net->lock);
    free(net->sniffed);
    free(net);
}

void net_hide(struct sip_node *node, bool hidden)
{
    node->node->hidden = hidden;
}

void net_late(struct sip_node *node, bool late)
{
    struct attach *asked = node->node->asked;
    node->node->late = late;
    if (!late && asked != NULL) {
        node->node->asked = NULL;
        run_attach(asked);
    }
}

bool net_asked(const struct sip_node *node)
{
    return node->node->asked != NULL;
}

void net_prefer_sips(struct sip_node *node)
{
    node->node->wants_sips = true;
}

void net_lie(struct sip_node *node, const char *user)
{
    snprintf(node->node->shown, sizeof(node->node->shown), "%s", user);
}

size_t net_held(struct sip_net *net)
{
    size_t n = 0;
    for (struct end *e = net->ends; e != NULL; e = e->next)
        n += e->node != NULL && e->held;
    return n;
}

size_t net_conns(struct sip_net *net)
{
    size_t n = 0;
    for (struct end *e = net->ends; e != NULL; e = e->next)
        n += e->node != NULL;
    return n / 2;
}

void net_inject(struct sip_net *net, struct sip_node *from, struct sip_node *to, const char *bytes,
                size_t len)
{
    deliver(net, join(from->node, to->node, 0)->other->id, rf_view_of(bytes, len));
}

void net_mute(struct sip_net *net, bool mute)
{
    net->mute = mute;
}

const char *net_sniffed(struct sip_net *net)
{
    return net->sniffed != NULL ? net->sniffed : "";
}

struct counter_query {
    const char *name;
    uint64_t value;
    bool found;
};

static void on_counter(void *arg, const char *room, const char *name, const char *help, uint64_t value)
{
    struct counter_query *q = arg;
    assert_string_equal(room, "sip");
    assert_true(help[0] != '\0');
    if (strcmp(name, q->name) == 0) {
        q->value = value;
        q->found = true;
    }
}

uint64_t net_counter(const struct sip_node *node, const char *name)
{
    struct counter_query q = {.name = name};
    rf_sip_counters(node->sip, on_counter, &q);
    assert_true(q.found);
    return q.value;
}
