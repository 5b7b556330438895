/* ways_move.c - the addresses of this machine while calls live, and ways that have fallen silent. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>
#include "sip/ways_internal.h"

#define WATCH_MS     200
#define ASK_US       (600 * RF_US_PER_MS) /* nothing has come for so long, although we send: is anybody there? */
#define SILENT_US    (1500 * RF_US_PER_MS) /* nobody is ... */
#define PATIENT_US   RF_US_PER_S /* ... which the controlled end believes later, so that only one begins */
#define SPEAKS_US    (500 * RF_US_PER_MS) /* who has sent something so recently would notice */
#define LEAST_ASKED  3
#define RESTARTED_US (5 * RF_US_PER_S) /* not again so soon */

/* ---- addresses ---- */

static bool is_link_local(const struct rf_addr *a)
{
    return a->family == 6 ? a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80
                          : a->ip[0] == 169 && a->ip[1] == 254;
}

static size_t scan(bool loopback, struct rf_addr *out)
{
    struct ifaddrs *list = NULL;
    size_t count = 0;
    if (getifaddrs(&list) != 0)
        return 0;
    for (int family = 4; family <= 6; family += 2)
        for (const struct ifaddrs *i = list; i != NULL && count < WAYS_MAX_ADDRS; i = i->ifa_next) {
            if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
                continue;
            struct sockaddr_storage ss = {0};
            memcpy(&ss, i->ifa_addr,
                   i->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in));
            struct rf_addr a = ways_addr(&ss);
            if (a.family == family && !is_link_local(&a) && rf_addr_is_loopback(&a) == loopback)
                out[count++] = (a.port = 0, a);
        }
    freeifaddrs(list);
    return count;
}

/* Loopback only if asked for, or if there is nothing else. */
static size_t addresses(const struct ways *ways, struct rf_addr *out)
{
    size_t count = scan(ways->loopback, out);
    return count > 0 ? count : scan(!ways->loopback, out);
}

static bool has(const struct rf_addr *list, size_t count, const struct rf_addr *addr)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].family != 0 && rf_addr_same_ip(&list[i], addr))
            return true;
    return false;
}

void ways_look_around(struct ways *ways)
{
    struct rf_addr now[WAYS_MAX_ADDRS];
    memset(now, 0, sizeof(now));
    size_t count = addresses(ways, now);
    bool same = count == ways->addr_count;
    for (size_t i = 0; same && i < count; i++)
        same = ways->addrs[i].family != 0 && rf_addr_same_ip(&now[i], &ways->addrs[i]);
    if (same)
        return;
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        for (size_t k = 0; k < RF_ICE_MAX_BASES; k++) {
            ways_base_close(&ways->agents[i]->bases[k]);
            ways->agents[i]->bases[k].used = false;
        }
    memcpy(ways->addrs, now, sizeof(now));
    ways->addr_count = count;
}

/* ---- the machine moves while ways are in use ---- */

/* A socket at the new address takes the old one's place; agents learn that the base has moved, not that it went and came. */
static void move_base(struct base *base, const struct rf_addr *to)
{
    if (!base->used)
        return;
    if (to->family != 0) {
        if (base->fd >= 0) {
            fd_close(base->fd);
            close(base->fd);
            base->fd = -1;
        }
        if (ways_base_open(base, to) == 0)
            return;
        rf_ice_base_remove(base->agent->ice, base->number);
    }
    ways_base_close(base);
}

static void move(struct ways *ways, size_t at, const struct rf_addr *to)
{
    ways->addrs[at] = *to;
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        for (size_t k = at; k < RF_ICE_MAX_BASES; k += ways->addr_count)
            move_base(&ways->agents[i]->bases[k], to);
}

/* One that is new, of that family if there is one. */
static struct rf_addr successor(const struct ways *ways, const struct rf_addr *now, size_t count,
                                uint8_t family)
{
    struct rf_addr best = {0};
    for (size_t i = 0; i < count; i++)
        if (!has(ways->addrs, ways->addr_count, &now[i]) && (best.family == 0 || now[i].family == family) &&
            best.family != family)
            best = now[i];
    return best;
}

/* Without any address it is between two networks: it waits for the next one. */
static void follow(struct ways *ways)
{
    struct rf_addr now[WAYS_MAX_ADDRS];
    memset(now, 0, sizeof(now));
    bool on_loopback = ways->addrs[0].family != 0 && rf_addr_is_loopback(&ways->addrs[0]);
    size_t count = scan(on_loopback, now);
    bool moved = false;
    for (size_t i = 0; count > 0 && i < ways->addr_count; i++) {
        if (ways->addrs[i].family != 0 && has(now, count, &ways->addrs[i]))
            continue;
        struct rf_addr to = successor(ways, now, count, ways->addrs[i].family);
        if (to.family == 0 && ways->addrs[i].family == 0)
            continue;
        move(ways, i, &to);
        moved = true;
    }
    if (moved)
        core_log(ways->core, RF_LOG_INFO,
                 "the addresses of this machine have changed: calls go on from the new ones");
}

/* ---- silence ---- */

static void listen_for(struct way *way, uint64_t now_us)
{
    struct rf_ice_info info;
    if (!way_info(way, &info) || info.state != RF_ICE_CONNECTED)
        return;
    uint64_t heard_us = info.heard_us > way->heard_us ? info.heard_us : way->heard_us;
    uint64_t limit_us = SILENT_US + (info.controlling ? 0 : PATIENT_US);
    if (now_us - heard_us < ASK_US) {
        way->asked = 0;
        return;
    }
    if (way->sent_us == 0 || now_us - way->sent_us > SPEAKS_US)
        return; /* consent will tell in time */
    if (now_us - heard_us >= limit_us && way->asked >= LEAST_ASKED) {
        if (way->restarted_us == 0 || now_us - way->restarted_us >= RESTARTED_US)
            way->handler.restart(way->handler.arg);
        return;
    }
    way->asked++;
    rf_ice_ask(way->key.agent->ice, way->key.id);
}

static void on_watch(void *arg)
{
    struct ways *ways = arg;
    if (ways->by_id.count == 0)
        return;
    tmr_start(&ways->watch, WATCH_MS, on_watch, ways);
    ways_enter(ways);
    follow(ways);
    for (struct rf_map_node *n = rf_map_next(&ways->by_id, NULL); n != NULL; n = rf_map_next(&ways->by_id, n))
        listen_for(RF_CONTAINER(n, struct way, node), ways->now.mono_us);
    ways_leave(ways);
}

void ways_watch(struct ways *ways)
{
    if (!tmr_isrunning(&ways->watch))
        tmr_start(&ways->watch, WATCH_MS, on_watch, ways);
}
