/* ways.c - ICE for the SIP thread: sockets and timer around ice/. */
#include "sip/ways_internal.h"
#include <errno.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/error.h"

#define PACKETS_PER_TURN 64
#define TIMERS_PER_TURN  256
#define CONSENT_US       (5 * RF_US_PER_S)    /* RFC 7675, section 5.1 */
#define MOVE_US          (500 * RF_US_PER_MS) /* a check from the new address has had its answer by then */
#define GATHER_RELAY_US  (800 * RF_US_PER_MS) /* nobody's phone rings later for a relay that is silent */
#define SOCKET_BYTES     (256 * 1024)
#define DSCP_EF          0xb8 /* RFC 4594: telephony */

static struct rf_view key_of(const struct rf_map_node *node)
{
    const struct way *way = RF_CONTAINER(node, const struct way, node);
    return rf_view_of(&way->key, sizeof(way->key));
}

struct way *ways_find(struct agent *agent, rf_ice_id id)
{
    const struct way_key key = {agent, id};
    struct rf_map_node *node = rf_map_find(&agent->ways->by_id, rf_view_of(&key, sizeof(key)));
    return node != NULL ? RF_CONTAINER(node, struct way, node) : NULL;
}

static void random_fill(void *ctx, void *out, size_t len)
{
    uint8_t *p = out;
    (void)ctx;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        RF_ASSERT(n > 0 || errno == EINTR);
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

void ways_enter(struct ways *ways)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    ways->now.mono_us = (uint64_t)mono.tv_sec * RF_US_PER_S + (uint64_t)mono.tv_nsec / 1000;
    ways->now.wall_ms = (uint64_t)wall.tv_sec * RF_MS_PER_S + (uint64_t)wall.tv_nsec / 1000000;
}

/* ---- out ---- */

socklen_t ways_sockaddr(const struct rf_addr *addr, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (addr->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(addr->port);
        memcpy(&in6->sin6_addr, addr->ip, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(addr->port);
    memcpy(&in->sin_addr, addr->ip, 4);
    return sizeof(*in);
}

struct rf_addr ways_addr(const struct sockaddr_storage *ss)
{
    struct rf_addr addr = {0};
    if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
        addr.family = 6;
        addr.port = ntohs(in6->sin6_port);
        memcpy(addr.ip, &in6->sin6_addr, 16);
    } else if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
        addr.family = 4;
        addr.port = ntohs(in->sin_port);
        memcpy(addr.ip, &in->sin_addr, 4);
    }
    return addr;
}

static int send_from(struct agent *agent, uint8_t base, const struct rf_addr *to, const void *p, size_t len)
{
    struct sockaddr_storage ss;
    if (base >= RF_ICE_MAX_BASES || agent->bases[base].fd < 0)
        return RF_ESYSTEM;
    socklen_t ss_len = ways_sockaddr(to, &ss);
    return sendto(agent->bases[base].fd, p, len, MSG_DONTWAIT, (struct sockaddr *)&ss, ss_len) >= 0
               ? 0
               : RF_ESYSTEM;
}

static void tell(struct agent *agent, const struct rf_ice_out *out)
{
    struct way *way = ways_find(agent, out->session);
    if (way == NULL)
        return;
    switch (out->type) {
    case RF_ICE_OUT_GATHERED:
        if (!ways_gather_again(way))
            way->handler.ready(way->handler.arg);
        break;
    case RF_ICE_OUT_SELECTED:
        way->handler.selected(way->handler.arg);
        break;
    case RF_ICE_OUT_FAILED:
        way->handler.failed(way->handler.arg, out->error);
        break;
    case RF_ICE_OUT_RESTART:
        way->handler.restart(way->handler.arg);
        break;
    default:
        break;
    }
}

static void on_timer(void *arg);

static bool drain(struct agent *agent)
{
    struct rf_ice_out out;
    bool some = false;
    while (rf_ice_next(agent->ice, &out)) {
        some = true;
        if (out.type == RF_ICE_OUT_DATAGRAM)
            (void)send_from(agent, out.base, &out.remote, out.bytes.p, out.bytes.len);
        else if (out.type == RF_ICE_OUT_STREAM)
            (void)ways_relay_send(agent, out.stream, out.bytes.p, out.bytes.len);
        else if (out.type == RF_ICE_OUT_CONNECT)
            ways_relay_open(agent, &out);
        else if (out.type == RF_ICE_OUT_DISCONNECT)
            ways_relay_close(agent, out.stream);
        else
            tell(agent, &out);
    }
    return some;
}

static void drain_all(struct ways *ways)
{
    bool some = !ways->draining; /* else the one further up the stack goes on */
    if (!some)
        return;
    ways->draining = true;
    while (some) {
        some = false;
        for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
            some = drain(ways->agents[i]) || some;
    }
    ways->draining = false;
}

/* For each packet, so nothing is done if nothing has changed. */
static void arm(struct ways *ways, uint64_t at_us)
{
    if (tmr_isrunning(&ways->tmr) && ways->armed_us == at_us)
        return;
    ways->armed_us = at_us;
    if (at_us == RF_NEVER)
        tmr_cancel(&ways->tmr);
    else
        tmr_start(&ways->tmr, at_us <= ways->now.mono_us ? 1 : (at_us - ways->now.mono_us + 999) / 1000,
                  on_timer, ways);
}

void ways_leave(struct ways *ways)
{
    if (ways->draining)
        return;
    drain_all(ways);
    arm(ways, rf_timers_next(&ways->timers));
}

/* Soon, but not from inside of here. */
static void wake(struct ways *ways)
{
    ways->armed_us = 0;
    tmr_start(&ways->tmr, 0, on_timer, ways);
}

static void on_timer(void *arg)
{
    struct ways *ways = arg;
    ways_enter(ways);
    (void)rf_timers_run(&ways->timers, ways->now.mono_us, TIMERS_PER_TURN);
    ways_leave(ways);
}

/* ---- in ---- */

static void on_packet(struct base *base, uint8_t *packet, size_t len, const struct rf_addr *from)
{
    struct agent *agent = base->agent;
    struct ways *ways = agent->ways;
    rf_ice_id id;
    struct rf_view bytes;
    enum rf_ice_in what = rf_ice_input(agent->ice, base->number, from, rf_view_of(packet, len), &id, &bytes);
    if (what == RF_ICE_IN_DONE)
        drain_all(ways); /* the packet behind an answer may be what it opened the way for */
    else if (what == RF_ICE_IN_OTHER)
        COUNT(ways->core, media_stranger);
    struct way *way = what == RF_ICE_IN_DATA ? ways_find(agent, id) : NULL;
    if (way != NULL && bytes.len > 0) { /* `bytes` lie in our own packet */
        way->heard_us = ways->now.mono_us;
        way->handler.data(way->handler.arg, packet + (bytes.p - packet), bytes.len);
    }
}

static void on_readable(int flags, void *arg)
{
    struct base *base = arg;
    struct ways *ways = base->agent->ways;
    struct packets *p = &ways->packets;
    size_t count = PACKETS_MAX;
    (void)flags;
    ways_enter(ways);
    for (size_t n = 0; n < PACKETS_PER_TURN && count == PACKETS_MAX && base->fd >= 0; n += count) {
        count = packets_read(p, base->fd);
        for (size_t i = 0; i < count && base->fd >= 0; i++) {
            struct rf_addr from = ways_addr(&p->from[i]);
            if (packets_len(p, i) > WAYS_MAX_PACKET)
                COUNT(ways->core, media_oversize);
            else
                on_packet(base, packets_bytes(p, i), packets_len(p, i), &from);
        }
    }
    ways_leave(ways);
}

struct packets *ways_packets(struct ways *ways)
{
    return &ways->packets;
}

/* ---- sockets ---- */

void ways_base_close(struct base *base)
{
    if (base->fd < 0)
        return;
    rf_ice_base_remove(base->agent->ice, base->number);
    fd_close(base->fd);
    close(base->fd);
    base->fd = -1;
}

int ways_base_open(struct base *base, const struct rf_addr *ip)
{
    struct sockaddr_storage ss;
    socklen_t len = ways_sockaddr(ip, &ss);
    int on = 1, bytes = SOCKET_BYTES, tos = DSCP_EF;
    base->used = true;
    int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return RF_ESYSTEM;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (ip->family == 6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    }
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
        fd_listen(fd, FD_READ, on_readable, base) != 0) {
        close(fd);
        return RF_ESYSTEM;
    }
    base->fd = fd;
    struct rf_addr bound = ways_addr(&ss);
    uint16_t preference = (uint16_t)(UINT16_MAX - base->number);
    if (rf_ice_base_set(base->agent->ice, base->number, &bound, preference) == 0)
        return 0;
    ways_base_close(base);
    return RF_ESYSTEM;
}

static size_t slots_per_agent(const struct ways *ways)
{
    return ways->addr_count > 0 ? RF_ICE_MAX_BASES / ways->addr_count : 0;
}

/* The bases of a slot, as bits; 0: none could be opened. */
static uint16_t open_slot(struct agent *agent, size_t slot)
{
    struct ways *ways = agent->ways;
    uint16_t mask = 0;
    for (size_t i = 0; i < ways->addr_count; i++) {
        if (ways->addrs[i].family == 0)
            continue; /* it is gone, and nothing came in its place */
        struct base *base = &agent->bases[slot % slots_per_agent(ways) * ways->addr_count + i];
        if (base->fd >= 0 || ways_base_open(base, &ways->addrs[i]) == 0)
            mask |= (uint16_t)(1U << base->number);
    }
    return mask;
}

/* The first slot in which nobody talks to that device yet. */
static size_t free_slot(const struct ways *ways, const struct rf_id *peer)
{
    bool used[WAYS_MAX_AGENTS * RF_ICE_MAX_BASES] = {false};
    size_t slot = 0;
    for (struct rf_map_node *n = rf_map_next(&ways->by_id, NULL); n != NULL;
         n = rf_map_next(&ways->by_id, n)) {
        const struct way *way = RF_CONTAINER(n, const struct way, node);
        if (rf_id_equal(&way->peer, peer))
            used[way->slot] = true;
    }
    while (slot < RF_COUNT(used) && used[slot])
        slot++;
    return slot;
}

/* ---- agents ---- */

static void agent_free(struct agent *agent)
{
    struct rf_mem *mem = agent->ways->core->mem;
    for (size_t i = 0; agent->ice != NULL && i < RF_ICE_MAX_BASES; i++)
        ways_base_close(&agent->bases[i]);
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        turn_tcp_free(agent->tcps[i]);
    rf_ice_free(agent->ice);
    rf_free(mem, agent);
}

static int agent_new(struct ways *ways, struct agent **out)
{
    struct rf_ice_config config;
    struct agent *agent = rf_zalloc(ways->core->mem, sizeof(*agent));
    if (agent == NULL)
        return RF_ENOMEM;
    agent->ways = ways;
    for (uint8_t i = 0; i < RF_ICE_MAX_BASES; i++)
        agent->bases[i] = (struct base){.agent = agent, .fd = -1, .number = i};
    rf_ice_config_default(&config);
    config.crypto = ways->crypto;
    config.gather_relay_us = GATHER_RELAY_US;
    config.max_sessions = WAYS_MAX;
    config.move_us = MOVE_US;
    int error = rf_ice_new(&ways->env, &config, &agent->ice);
    if (error != 0) {
        agent_free(agent);
        return error;
    }
    ways_add_servers(agent);
    *out = agent;
    return 0;
}

/* The agent that a slot belongs to; they are made in order. */
static int agent_of_slot(struct ways *ways, size_t slot, struct agent **out)
{
    size_t at = slot / slots_per_agent(ways);
    int error = 0;
    if (at >= WAYS_MAX_AGENTS)
        return RF_ELIMIT;
    for (size_t i = 0; i <= at && error == 0; i++)
        if (ways->agents[i] == NULL)
            error = agent_new(ways, &ways->agents[i]);
    *out = ways->agents[at];
    return error;
}

/* ---- ways ---- */

int way_open(struct ways *ways, const struct rf_id *peer, bool controlling, const struct way_handler *handler,
             struct way **out)
{
    struct agent *agent;
    ways_enter(ways);
    if (ways->by_id.count == 0) {
        ways_look_around(ways);
        ways_forget_tcp(ways);
    }
    if (ways->addr_count == 0 || ways->by_id.count >= WAYS_MAX)
        return ways->addr_count > 0 ? RF_ELIMIT : RF_ESYSTEM;
    size_t slot = free_slot(ways, peer);
    int error = agent_of_slot(ways, slot, &agent);
    if (error != 0)
        return error;
    struct rf_ice_session_config config = {
        .controlling = controlling, .bases = open_slot(agent, slot), .consent_us = CONSENT_US};
    struct way *way = config.bases != 0 ? rf_zalloc(ways->core->mem, sizeof(*way)) : NULL;
    if (way == NULL)
        return config.bases != 0 ? RF_ENOMEM : RF_ESYSTEM;
    *way =
        (struct way){.ways = ways, .key = {.agent = agent}, .peer = *peer, .handler = *handler, .slot = slot};
    error = rf_ice_open(agent->ice, &config, &way->key.id);
    if (error == 0 && (error = rf_map_insert(&ways->by_id, &way->node)) != 0)
        rf_ice_close(agent->ice, way->key.id);
    if (error != 0) {
        rf_free(ways->core->mem, way);
        return error;
    }
    ways_watch(ways);
    wake(ways); /* `ready` may be there already: not from inside of here */
    *out = way;
    return 0;
}

void way_close(struct way *way)
{
    if (way == NULL)
        return;
    struct ways *ways = way->ways;
    ways_enter(ways);
    rf_map_remove(&ways->by_id, &way->node);
    rf_ice_close(way->key.agent->ice, way->key.id);
    rf_free(ways->core->mem, way);
    ways_leave(ways);
}

int way_local(struct way *way, struct rf_ice_params *out)
{
    ways_enter(way->ways);
    return rf_ice_local(way->key.agent->ice, way->key.id, out);
}

int way_start(struct way *way, const struct rf_ice_params *remote)
{
    struct ways *ways = way->ways;
    ways_enter(ways);
    int error = rf_ice_start(way->key.agent->ice, way->key.id, remote);
    wake(ways);
    return error;
}

int way_restart(struct way *way)
{
    struct ways *ways = way->ways;
    ways_enter(ways);
    way->again = false; /* it may be another network */
    way->asked = 0;
    way->restarted_us = ways->now.mono_us;
    int error = rf_ice_restart(way->key.agent->ice, way->key.id);
    wake(ways);
    return error;
}

bool way_info(const struct way *way, struct rf_ice_info *out)
{
    return rf_ice_info(way->key.agent->ice, way->key.id, out) == 0 && out->selected;
}

int way_send(struct way *way, uint8_t *bytes, size_t len)
{
    struct ways *ways = way->ways;
    struct rf_ice_wrap wrap;
    ways_enter(ways);
    int error = rf_ice_send(way->key.agent->ice, way->key.id, len, &wrap);
    if (error != 0)
        return error;
    way->sent_us = ways->now.mono_us;
    RF_ASSERT(wrap.head_len <= WAYS_HEAD && wrap.pad <= WAYS_TAIL);
    memcpy(bytes - wrap.head_len, wrap.head, wrap.head_len);
    memset(bytes + len, 0, wrap.pad);
    if (wrap.base == RF_ICE_NO_BASE)
        return ways_relay_send(way->key.agent, wrap.stream, bytes - wrap.head_len,
                               wrap.head_len + len + wrap.pad);
    return send_from(way->key.agent, wrap.base, &wrap.remote, bytes - wrap.head_len,
                     wrap.head_len + len + wrap.pad);
}

/* ---- life ---- */

int ways_new(struct core *core, struct rf_crypto *crypto, bool loopback, struct ways **out)
{
    struct ways *ways = rf_zalloc(core->mem, sizeof(*ways));
    if (ways == NULL)
        return RF_ENOMEM;
    ways->core = core;
    ways->crypto = crypto;
    ways->loopback = loopback;
    ways->rng = (struct rf_rng){.fill = random_fill};
    rf_timers_init(&ways->timers, core->mem);
    rf_map_init(&ways->by_id, core->mem, core->seed, key_of);
    tmr_init(&ways->tmr);
    tmr_init(&ways->watch);
    ways->env = (struct rf_env){.mem = core->mem,
                                .timers = &ways->timers,
                                .now = &ways->now,
                                .secret = &ways->rng,
                                .jitter = &ways->rng,
                                .seed = {core->seed[0], core->seed[1]}};
    ways_enter(ways);
    *out = ways;
    return 0;
}

void ways_free(struct ways *ways)
{
    if (ways == NULL)
        return;
    tmr_cancel(&ways->tmr);
    tmr_cancel(&ways->watch);
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        agent_free(ways->agents[i]);
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        ways_forget_turn(ways, i);
    rf_map_deinit(&ways->by_id);
    rf_timers_deinit(&ways->timers);
    rf_free(ways->core->mem, ways);
}
