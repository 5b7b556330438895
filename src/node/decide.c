/* decide.c - the arithmetic of roles, without state (docs/protocol/roles.md). */
#include "node/internal.h"

#define LACKING (RF_ROLE_FULL * 70 / 100) /* from that load on more supernodes are wanted ... */
#define AIM     (RF_ROLE_FULL * 50 / 100) /* ... so many that it would be that */
#define BUSY                                                                                                 \
    (RF_ROLE_FULL * 40 /                                                                                     \
     100) /* others, at random, must have at least that: one supernode's word is not enough */
#define IDLE     (RF_ROLE_FULL * 20 / 100) /* where it is below that one of the supernodes can go, */
#define IDLE_OWN (RF_ROLE_FULL * 25 / 100) /* if it has at most that itself, */
#define ABSORBS  (RF_ROLE_FULL * 50 / 100) /* and those on both sides have at most that */

uint8_t role_load(size_t homes, size_t clients, size_t max)
{
    size_t wanted = 2 * homes > clients ? 2 * homes : clients; /* each client would like a reserve, too */
    size_t load = max > 0 ? wanted * RF_ROLE_FULL / max : UINT8_MAX;
    return load < UINT8_MAX ? (uint8_t)load : UINT8_MAX;
}

double role_chance(uint8_t load, uint16_t candidates)
{
    double lacking = (double)load / AIM - 1;
    if (load < LACKING)
        return 0;
    if (lacking > 1)
        lacking = 1; /* the ring at most doubles in one interval */
    return lacking / (candidates > 1 ? candidates : 1);
}

bool role_is_needed(uint8_t home_load, double others_load)
{
    return home_load >= LACKING && others_load >= BUSY;
}

bool role_is_idle(uint8_t own_load, double mean_load)
{
    return own_load <= IDLE_OWN && mean_load <= IDLE;
}

bool role_absorbs(uint8_t load)
{
    return load <= ABSORBS;
}

/* ---- which addresses others can reach ---- */

static int scope4(const uint8_t ip[4])
{
    if (ip[0] == 127)
        return 0;
    bool local = ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
                 (ip[0] == 169 && ip[1] == 254) || (ip[0] == 100 && (ip[1] & 0xc0) == 64);
    return local ? 1 : 2;
}

int role_scope(const struct rf_addr *addr)
{
    static const uint8_t loopback[16] = {[15] = 1};
    if (addr->family == 4)
        return scope4(addr->ip);
    if (memcmp(addr->ip, loopback, sizeof(loopback)) == 0)
        return 0;
    bool local = (addr->ip[0] & 0xfe) == 0xfc || (addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80);
    return local ? 1 : 2;
}
