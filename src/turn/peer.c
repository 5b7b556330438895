/* peer.c - whom nobody is relayed to, and how much. */
#include "turn/internal.h"

static bool v4_good(const uint8_t *ip, bool private_peers)
{
    struct rf_addr addr = {.family = 4};
    memcpy(addr.ip, ip, 4);
    if (ip[0] == 0 || ip[0] >= 224) /* this network; multicast, reserved, broadcast */
        return false;
    return private_peers || (!rf_addr_is_loopback(&addr) && !rf_addr_is_private(&addr));
}

/* Addresses of IPv6 that lead to one of IPv4: it decides. */
static const uint8_t *v4_inside(const uint8_t *ip)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t compatible[12];
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t loopback[16] = {[15] = 1};
    if (memcmp(ip, mapped, 12) == 0 || memcmp(ip, nat64, 12) == 0)
        return ip + 12;
    if (memcmp(ip, compatible, 12) == 0 && memcmp(ip, loopback, 16) != 0)
        return ip + 12;
    return ip[0] == 0x20 && ip[1] == 0x02 ? ip + 2 : NULL; /* 6to4 */
}

bool turn_peer_good(const struct rf_turn *turn, const struct rf_addr *peer)
{
    if (peer->port == 0 && peer->family == 0)
        return false;
    if (peer->family == 4)
        return v4_good(peer->ip, turn->private_peers);
    const uint8_t *inside = v4_inside(peer->ip);
    if (inside != NULL)
        return v4_good(inside, turn->private_peers);
    if (rf_addr_is_any(peer) || peer->ip[0] == 0xff) /* multicast */
        return false;
    return turn->private_peers || (!rf_addr_is_loopback(peer) && !rf_addr_is_private(peer));
}

static uint64_t cost_us(const struct turn_bucket *b, size_t len)
{
    return len * RF_US_PER_S / b->per_s;
}

static bool has_room(const struct turn_bucket *b, uint64_t now_us, size_t len)
{
    return b->per_s == 0 || (b->full_us > now_us ? b->full_us - now_us : 0) + cost_us(b, len) <= RF_US_PER_S;
}

static void take(struct turn_bucket *b, uint64_t now_us, size_t len)
{
    if (b->per_s != 0)
        b->full_us = (b->full_us > now_us ? b->full_us : now_us) + cost_us(b, len);
}

bool turn_spend(struct rf_turn *turn, struct turn_user *user, size_t len)
{
    uint64_t now_us = turn_now(turn);
    if (has_room(&turn->bucket, now_us, len) && has_room(&user->bucket, now_us, len)) {
        take(&turn->bucket, now_us, len);
        take(&user->bucket, now_us, len);
        return true;
    }
    turn->counters.over_budget++;
    return false;
}
