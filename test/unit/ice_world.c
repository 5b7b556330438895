/* ice_world.c - the Internet of the ICE tests. */
#include "ice_world.h"

#include "crypto/openssl/openssl.h"

#define RELAY_PORT 50000

struct packet {
    struct rf_timer timer;
    struct rf_list at;
    struct ice_world *world;
    struct rf_addr from, to;
    uint8_t segment;                /* where it comes out: behind this box, or WORLD_OUTSIDE */
    struct world_host *stream_host; /* on a stream: to this host, or from it */
    bool to_server;
    size_t len;
    uint8_t bytes[];
};

static struct rf_addr v4(uint32_t ip, uint16_t port)
{
    return (struct rf_addr){
        .family = 4,
        .port = port,
        .ip = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}};
}

static uint32_t ip_of(const struct rf_addr *addr)
{
    return (uint32_t)addr->ip[0] << 24 | (uint32_t)addr->ip[1] << 16 | (uint32_t)addr->ip[2] << 8 |
           addr->ip[3];
}

static uint32_t inside_ip(uint8_t nat, unsigned host)
{
    return nat == WORLD_OUTSIDE ? UINT32_C(0x2d000200) + host
                                : UINT32_C(0x0a000000) + (uint32_t)nat * 0x10000 + host;
}

struct rf_addr world_addr(const char *text)
{
    struct rf_addr addr;
    assert_int_equal(rf_addr_parse(text, 0, &addr), 0);
    return addr;
}

/* ---- packets ---- */

static void arrive(struct packet *p);

static void packet_free(struct packet *p)
{
    rf_list_remove(&p->at);
    rf_timer_stop(&p->world->e.timers, &p->timer);
    free(p);
}

static void packet_due(struct rf_timer *timer, void *arg)
{
    struct packet *p = arg;
    (void)timer;
    arrive(p);
    packet_free(p);
}

static struct packet *packet_new(struct ice_world *w, struct rf_view head, struct rf_view bytes, size_t pad)
{
    struct packet *p = calloc(1, sizeof(*p) + head.len + bytes.len + pad);
    assert_non_null(p);
    p->world = w;
    p->len = head.len + bytes.len + pad;
    if (head.len > 0)
        memcpy(p->bytes, head.p, head.len);
    if (bytes.len > 0)
        memcpy(p->bytes + head.len, bytes.p, bytes.len);
    rf_timer_init(&p->timer, packet_due, p);
    rf_list_push_back(&w->packets, &p->at);
    return p;
}

static void launch(struct packet *p)
{
    struct ice_world *w = p->world;
    uint64_t delay_us = w->delay_us;
    if (p->stream_host == NULL && w->jitter_us > 0)
        delay_us += rf_rng_below(&w->e.rng.rng, w->jitter_us);
    w->trace = w->trace * UINT64_C(6364136223846793005) + p->len + w->e.now.mono_us + p->to.port;
    assert_int_equal(rf_timer_set(&w->e.timers, &p->timer, w->e.now.mono_us + delay_us), 0);
}

/* The packet crosses box n from inside; false: dropped. */
static bool cross_out(struct ice_world *w, uint8_t n, struct packet *p)
{
    struct sim_nat_packet packet = {
        .protocol = SIM_NAT_UDP, .port = p->from.port, .remote_ip = ip_of(&p->to), .remote_port = p->to.port};
    uint16_t port;
    if (sim_nat_out(&w->nats[n], &w->e.mem.mem, p->from.ip[3], &packet, w->e.now.mono_us, &port) != 0)
        return false;
    p->from = v4(w->nats[n].ip, port);
    return true;
}

static bool cross_in(struct ice_world *w, uint8_t n, struct packet *p)
{
    struct sim_nat_packet packet = {.protocol = SIM_NAT_UDP,
                                    .port = p->to.port,
                                    .remote_ip = ip_of(&p->from),
                                    .remote_port = p->from.port};
    uint8_t host;
    uint16_t port;
    if (sim_nat_in(&w->nats[n], &packet, w->e.now.mono_us, &host, &port) != 0)
        return false;
    p->to = v4(inside_ip(n, host), port);
    p->segment = n;
    return true;
}

/* The base of a host that has this address in this network; -1: none. */
static int base_at(const struct world_host *h, uint8_t segment, const struct rf_addr *to)
{
    if (h->ice == NULL)
        return -1;
    if (h->nat == segment && rf_addr_equal(&h->addr, to))
        return 0;
    return h->second.family != 0 && h->second_nat == segment && rf_addr_equal(&h->second, to) ? 1 : -1;
}

static bool in_segment(const struct ice_world *w, uint8_t segment, const struct rf_addr *to)
{
    for (size_t i = 0; i < WORLD_HOSTS; i++)
        if (base_at(&w->hosts[i], segment, to) >= 0)
            return true;
    for (size_t i = 0; i < WORLD_NATS; i++)
        if (w->nats[i].ip == ip_of(to) && w->nat_outside[i] == segment)
            return true;
    return segment == WORLD_OUTSIDE && (ip_of(to) >> 8) == 0x2d0000;
}

/* Out through the boxes until the destination is in the same network; then, through boxes, in. false: it does not get there. */
static bool route(struct ice_world *w, struct packet *p)
{
    while (!in_segment(w, p->segment, &p->to)) {
        uint8_t n = p->segment;
        if (n == WORLD_OUTSIDE || !cross_out(w, n, p))
            return false;
        if (w->nats[n].ip == ip_of(&p->to)) { /* a hairpin */
            if (!w->nat_configs[n].hairpin)
                return false;
            break;
        }
        p->segment = w->nat_outside[n];
    }
    for (uint8_t i = 0; i < WORLD_NATS; i++)
        if (w->nats[i].ip != 0 && w->nats[i].ip == ip_of(&p->to)) {
            if (!cross_in(w, i, p))
                return false;
            i = UINT8_MAX; /* perhaps a box behind it */
        }
    return true;
}

static void launch_udp(struct packet *p)
{
    struct ice_world *w = p->world;
    bool lost = rf_rng_below(&w->e.rng.rng, 100) < w->loss_percent;
    if (lost || !route(w, p)) {
        packet_free(p);
        return;
    }
    if (rf_rng_below(&w->e.rng.rng, 100) < w->duplicate_percent) {
        struct packet *twin = packet_new(w, rf_view_of(NULL, 0), rf_view_of(p->bytes, p->len), 0);
        twin->from = p->from;
        twin->to = p->to;
        twin->segment = p->segment;
        launch(twin);
    }
    launch(p);
}

/* ---- the server ---- */

static int server_open(void *ctx, struct rf_turn_alloc *alloc, uint8_t family, bool even,
                       struct rf_addr *relayed, void **socket)
{
    struct ice_world *w = ctx;
    (void)even;
    if (family != 4 || w->opened >= WORLD_SOCKETS)
        return RF_EUNSUPPORTED;
    w->allocs[w->opened] = alloc;
    *relayed = v4(0x2d000001, (uint16_t)(RELAY_PORT + w->opened));
    *socket = (void *)(uintptr_t)++w->opened;
    return 0;
}

static void server_close(void *ctx, void *socket)
{
    struct ice_world *w = ctx;
    w->allocs[(uintptr_t)socket - 1] = NULL;
}

static void server_to_client(struct ice_world *w, const struct rf_turn_from *to, struct rf_view head,
                             struct rf_view bytes, size_t pad, const struct rf_addr *self)
{
    struct packet *p = packet_new(w, head, bytes, pad);
    p->from = *self;
    p->to = to->addr;
    p->segment = WORLD_OUTSIDE;
    if (to->stream) {
        p->stream_host = &w->hosts[to->addr.ip[3]];
        launch(p);
    } else {
        launch_udp(p);
    }
}

static void server_client(struct ice_world *w, const struct rf_turn_from *from, struct rf_view bytes,
                          const struct rf_addr *self)
{
    struct rf_turn_act act;
    rf_turn_client(w->turn, from, bytes, &act);
    if (act.type == RF_TURN_REPLY) {
        server_to_client(w, from, rf_view_of(NULL, 0), act.bytes, 0, self);
    } else if (act.type == RF_TURN_TO_PEER) {
        struct packet *p = packet_new(w, rf_view_of(NULL, 0), act.bytes, 0);
        p->from = v4(0x2d000001, (uint16_t)(RELAY_PORT + (uintptr_t)act.socket - 1));
        p->to = act.peer;
        p->segment = WORLD_OUTSIDE;
        launch_udp(p);
    }
}

static void server_input(struct packet *p)
{
    struct ice_world *w = p->world;
    if (p->to.port < RELAY_PORT) {
        struct rf_turn_from from = {.addr = p->from, .flow = p->to.ip[3]};
        server_client(w, &from, rf_view_of(p->bytes, p->len), &p->to);
        return;
    }
    size_t place = (size_t)(p->to.port - RELAY_PORT);
    struct rf_turn_wrap wrap;
    if (place < WORLD_SOCKETS && w->allocs[place] != NULL &&
        rf_turn_peer(w->turn, w->allocs[place], &p->from, p->len, &wrap)) {
        struct rf_addr self = v4(0x2d000001, 3478);
        server_to_client(w, wrap.to, rf_view_of(wrap.head, wrap.head_len), rf_view_of(p->bytes, p->len),
                         wrap.pad, &self);
    }
}

/* ---- hosts ---- */

static void take_data(struct world_host *h, enum rf_ice_in what, rf_ice_id session, struct rf_view data)
{
    if (what == RF_ICE_IN_OTHER)
        h->other_count++;
    if (what != RF_ICE_IN_DATA)
        return;
    assert_true(session == h->session);
    h->data_count++;
    h->data_len = data.len < sizeof(h->data) ? data.len : sizeof(h->data);
    memcpy(h->data, data.p, h->data_len);
}

static void inject(struct world_host *h, uint8_t base, const struct rf_addr *from, struct rf_view bytes)
{
    rf_ice_id session = 0;
    struct rf_view data = {0};
    enum rf_ice_in what = rf_ice_input(h->ice, base, from, bytes, &session, &data);
    take_data(h, what, session, data);
    world_drain(h);
}

void world_inject(struct world_host *h, const struct rf_addr *from, struct rf_view bytes)
{
    inject(h, 0, from, bytes);
}

static void stream_arrive(struct packet *p)
{
    struct ice_world *w = p->world;
    struct world_host *h = p->stream_host;
    struct rf_turn_from from = {.addr = v4(0x2d000300 + h->index, 9), .flow = h->stream, .stream = true};
    struct rf_addr self = v4(0x2d000001, 3478);
    if (h->stream == 0 || h->ice == NULL)
        return;
    if (p->to_server && p->len == 0) { /* connected */
        rf_ice_stream_up(h->ice, h->stream);
        world_drain(h);
    } else if (p->to_server) {
        server_client(w, &from, rf_view_of(p->bytes, p->len), &self);
    } else {
        rf_ice_id session = 0;
        struct rf_view data = {0};
        enum rf_ice_in what =
            rf_ice_stream_input(h->ice, h->stream, rf_view_of(p->bytes, p->len), &session, &data);
        take_data(h, what, session, data);
        world_drain(h);
    }
}

static void arrive(struct packet *p)
{
    struct ice_world *w = p->world;
    if (p->stream_host != NULL) {
        stream_arrive(p);
        return;
    }
    if (p->segment == WORLD_OUTSIDE && (ip_of(&p->to) >> 8) == 0x2d0000) {
        server_input(p);
        return;
    }
    for (size_t i = 0; i < WORLD_HOSTS; i++) {
        struct world_host *h = &w->hosts[i];
        int base = base_at(h, p->segment, &p->to);
        if (base < 0 || h->udp_blocked)
            continue;
        if (w->tap == NULL || w->tap(w, h, &p->from, rf_view_of(p->bytes, p->len)))
            inject(h, (uint8_t)base, &p->from, rf_view_of(p->bytes, p->len));
    }
}

static void host_datagram(struct world_host *h, uint8_t base, const struct rf_addr *to, struct rf_view head,
                          struct rf_view bytes, size_t pad)
{
    struct packet *p = packet_new(h->world, head, bytes, pad);
    h->sent++;
    assert_true(base == 0 || (base == 1 && h->second.family != 0));
    p->from = base == 0 ? h->addr : h->second;
    p->to = *to;
    p->segment = base == 0 ? h->nat : h->second_nat;
    if (h->udp_blocked)
        packet_free(p);
    else
        launch_udp(p);
}

static void host_stream(struct world_host *h, struct rf_view head, struct rf_view bytes, size_t pad)
{
    struct packet *p = packet_new(h->world, head, bytes, pad);
    p->stream_host = h;
    p->to_server = true;
    launch(p);
}

static void host_event(struct world_host *h, const struct rf_ice_out *out)
{
    if (out->type == RF_ICE_OUT_UNSERVED) {
        h->unserved++;
        h->error = out->error;
    } else if (out->session != h->session) {
        h->older_events++;
        h->error = out->error;
    } else if (out->type == RF_ICE_OUT_GATHERED) {
        h->gathered++;
    } else if (out->type == RF_ICE_OUT_SELECTED) {
        if (h->selected++ == 0)
            h->selected_us = h->world->e.now.mono_us;
    } else if (out->type == RF_ICE_OUT_RESTART) {
        h->restarts++;
        h->error = out->error;
    } else {
        h->failed++;
        h->error = out->error;
    }
}

void world_drain(struct world_host *h)
{
    struct rf_ice_out out;
    struct rf_view none = rf_view_of(NULL, 0);
    while (rf_ice_next(h->ice, &out)) {
        if (out.type == RF_ICE_OUT_DATAGRAM) {
            host_datagram(h, out.base, &out.remote, none, out.bytes, 0);
        } else if (out.type == RF_ICE_OUT_STREAM) {
            if (out.stream == h->stream)
                host_stream(h, none, out.bytes, 0);
        } else if (out.type == RF_ICE_OUT_CONNECT) {
            h->stream = out.stream;
            h->streams++;
            if (h->streams_blocked) {
                h->stream = 0;
                h->streams--;
                rf_ice_stream_down(h->ice, out.stream);
            } else {
                host_stream(h, none, none, 0);
            }
        } else if (out.type == RF_ICE_OUT_DISCONNECT) {
            struct rf_turn_from from = {
                .addr = v4(0x2d000300 + h->index, 9), .flow = h->stream, .stream = true};
            rf_turn_gone(h->world->turn, &from);
            h->stream = 0;
            h->streams--;
        } else {
            host_event(h, &out);
        }
    }
}

struct world_host *world_host(struct ice_world *w, uint8_t nat, bool relay, bool stream)
{
    struct rf_addr servers[2] = {v4(0x2d000001, 3478), v4(0x2d000002, 3478)};
    uint8_t i = 0, server;
    while (w->hosts[i].ice != NULL)
        i++;
    struct world_host *h = &w->hosts[i];
    *h = (struct world_host){.world = w, .index = i, .nat = nat};
    h->addr = v4(inside_ip(nat, 10u + i), WORLD_PORT);
    assert_int_equal(rf_ice_new(&w->e.env, &w->config, &h->ice), 0);
    assert_int_equal(rf_ice_base_set(h->ice, 0, &h->addr, 65535), 0);
    for (size_t s = 0; s < 2; s++)
        assert_int_equal(rf_ice_stun_add(h->ice, &servers[s]), 0);
    struct rf_ice_turn turn = {
        .addr = servers[0], .stream = stream, .user = w->credentials.user, .pass = w->credentials.password};
    if (relay)
        assert_int_equal(rf_ice_turn_add(h->ice, &turn, &server), 0);
    return h;
}

void world_second(struct world_host *h, uint8_t nat)
{
    h->second_nat = nat;
    h->second = v4(inside_ip(nat, 150u + h->index), WORLD_PORT);
    assert_int_equal(rf_ice_base_set(h->ice, 1, &h->second, 1), 0);
}

void world_move(struct world_host *h, uint8_t nat)
{
    h->nat = nat;
    h->addr = v4(inside_ip(nat, 100u + h->index), WORLD_PORT);
    assert_int_equal(rf_ice_base_set(h->ice, 0, &h->addr, 65535), 0);
    world_drain(h);
}

uint8_t world_nat(struct ice_world *w, enum sim_nat_kind kind, uint8_t outside)
{
    uint8_t n = 0;
    while (w->nats[n].ip != 0)
        n++;
    sim_nat_config_default(kind, &w->nat_configs[n]);
    uint32_t ip = outside == WORLD_OUTSIDE ? UINT32_C(0x2d000100) + n + 1u : inside_ip(outside, 200u + n);
    sim_nat_init(&w->nats[n], &w->nat_configs[n], ip);
    w->nat_outside[n] = outside;
    return n;
}

/* ---- the world ---- */

void world_init(struct ice_world *w, uint64_t seed)
{
    *w = (struct ice_world){.delay_us = 10 * RF_US_PER_MS, .signal_us = 40 * RF_US_PER_MS};
    still_env_init(&w->e, seed, rf_mem_system());
    rf_list_init(&w->packets);
    rf_ice_config_default(&w->config);
    w->config.crypto = w->e.crypto;
    w->turn_host = (struct rf_turn_host){.ctx = w, .open = server_open, .close = server_close};
    struct rf_turn_config turn = {
        .crypto = w->e.crypto, .host = &w->turn_host, .realm = "example.org", .max_per_user = 50};
    assert_int_equal(
        rf_turn_credentials(w->e.crypto, turn.secret, "alice", w->e.now.wall_ms + 86400000, &w->credentials),
        0);
    assert_int_equal(rf_turn_new(&w->e.env, &turn, &w->turn), 0);
}

void world_deinit(struct ice_world *w)
{
    for (size_t i = 0; i < WORLD_HOSTS; i++)
        rf_ice_free(w->hosts[i].ice);
    rf_turn_free(w->turn);
    RF_LIST_EACH_SAFE(&w->packets, it)
    packet_free(RF_LIST_ENTRY(it, struct packet, at));
    for (size_t i = 0; i < WORLD_NATS; i++)
        sim_nat_deinit(&w->nats[i], &w->e.mem.mem);
    assert_int_equal(rf_timers_next(&w->e.timers), RF_NEVER);
    rf_timers_deinit(&w->e.timers);
    assert_int_equal(w->e.mem.live_count, 0);
    rf_crypto_openssl_free(w->e.crypto);
}

void world_pass(struct ice_world *w, uint64_t us)
{
    uint64_t until_us = w->e.now.mono_us + us;
    for (;;) {
        for (size_t i = 0; i < WORLD_HOSTS; i++)
            if (w->hosts[i].ice != NULL)
                world_drain(&w->hosts[i]);
        uint64_t next_us = rf_timers_next(&w->e.timers);
        if (next_us > until_us)
            break;
        if (next_us > w->e.now.mono_us) {
            w->e.now.wall_ms += next_us / 1000 - w->e.now.mono_us / 1000;
            w->e.now.mono_us = next_us;
        }
        rf_timers_run(&w->e.timers, w->e.now.mono_us, 1);
    }
    w->e.now.wall_ms += until_us / 1000 - w->e.now.mono_us / 1000;
    w->e.now.mono_us = until_us;
}

/* ---- calls ---- */

static void wait_gathered(struct world_host *h, unsigned count)
{
    for (int i = 0; i < 6000 && h->gathered < count; i++)
        world_pass(h->world, RF_US_PER_MS);
    assert_int_equal(h->gathered, count);
}

static void start(struct world_host *h, struct world_host *other)
{
    struct rf_ice_params params;
    assert_int_equal(rf_ice_local(other->ice, other->session, &params), 0);
    assert_int_equal(rf_ice_start(h->ice, h->session, &params), 0);
    world_drain(h);
}

void world_signal(struct world_host *a, struct world_host *b)
{
    for (int i = 0; i < 6000; i++) {
        struct rf_ice_info ia = world_info(a), ib = world_info(b);
        if (ia.state == RF_ICE_READY && ib.state == RF_ICE_READY)
            break;
        world_pass(a->world, RF_US_PER_MS);
    }
    world_pass(a->world, a->world->signal_us);
    start(b, a);
    world_pass(a->world, a->world->signal_us);
    start(a, b);
}

void world_call(struct world_host *a, struct world_host *b)
{
    struct ice_world *w = a->world;
    struct rf_ice_session_config config = {0};
    if (w->session_config != NULL)
        config = *w->session_config;
    config.controlling = !w->same_roles || w->roles;
    assert_int_equal(rf_ice_open(a->ice, &config, &a->session), 0);
    wait_gathered(a, 1);
    world_pass(w, w->signal_us);
    config.controlling = w->same_roles && w->roles;
    assert_int_equal(rf_ice_open(b->ice, &config, &b->session), 0);
    wait_gathered(b, 1);
    start(b, a);
    world_pass(w, w->signal_us);
    start(a, b);
}

uint64_t world_connect(struct world_host *a, struct world_host *b)
{
    world_call(a, b);
    uint64_t begin_us = a->world->e.now.mono_us;
    for (int i = 0; i < 20000 && (a->selected == 0 || b->selected == 0); i++)
        world_pass(a->world, RF_US_PER_MS);
    if (a->selected == 0 || b->selected == 0)
        return 0;
    uint64_t end_us = a->selected_us > b->selected_us ? a->selected_us : b->selected_us;
    return end_us > begin_us ? end_us - begin_us : 1;
}

bool world_send(struct world_host *h, const char *text)
{
    struct rf_ice_wrap wrap;
    if (rf_ice_send(h->ice, h->session, strlen(text), &wrap) != 0)
        return false;
    struct rf_view head = rf_view_of(wrap.head, wrap.head_len);
    if (wrap.base == RF_ICE_NO_BASE)
        host_stream(h, head, rf_view_str(text), wrap.pad);
    else
        host_datagram(h, wrap.base, &wrap.remote, head, rf_view_str(text), wrap.pad);
    return true;
}

void world_talk(struct world_host *a, struct world_host *b)
{
    struct ice_world *w = a->world;
    unsigned a_had = a->data_count, b_had = b->data_count;
    assert_true(world_send(a, "hello, b"));
    assert_true(world_send(b, "hello, a!"));
    world_pass(w, 10 * w->delay_us + w->jitter_us);
    assert_int_equal(b->data_count, b_had + 1);
    assert_memory_equal(b->data, "hello, b", 8);
    assert_int_equal(b->data_len, 8);
    assert_int_equal(a->data_count, a_had + 1);
    assert_int_equal(a->data_len, 9);
}

struct rf_ice_info world_info(struct world_host *h)
{
    struct rf_ice_info info;
    assert_int_equal(rf_ice_info(h->ice, h->session, &info), 0);
    return info;
}
