/* ways_servers.c - whom the agents ask for addresses and relays, and the connections to relays by TCP. */
#include "base/error.h"
#include "sip/ways_internal.h"

/* ---- servers of an agent ---- */

/* Those that are not there yet; TCP only if it is needed. */
static void add_turns(struct agent *agent)
{
    struct ways *ways = agent->ways;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++) {
        const struct turn *t = &ways->turns[i];
        const struct rf_ice_turn turn = {
            .addr = t->addr, .stream = t->stream, .user = t->user, .pass = t->password};
        if (t->user != NULL && (!t->stream || ways->tcp) && agent->turns[i] == NO_TURN &&
            rf_ice_turn_add(agent->ice, &turn, &agent->turns[i]) != 0)
            agent->turns[i] = NO_TURN;
    }
}

void ways_add_servers(struct agent *agent)
{
    struct ways *ways = agent->ways;
    memset(agent->turns, NO_TURN, sizeof(agent->turns));
    for (size_t i = 0; i < ways->stun_count; i++)
        (void)rf_ice_stun_add(agent->ice, &ways->stuns[i]);
    add_turns(agent);
}

void ways_forget_tcp(struct ways *ways)
{
    for (size_t i = 0; ways->tcp && i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        for (size_t k = 0; k < RF_ICE_MAX_TURN; k++)
            if (ways->turns[k].stream && ways->agents[i]->turns[k] != NO_TURN) {
                rf_ice_turn_remove(ways->agents[i]->ice, ways->agents[i]->turns[k]);
                ways->agents[i]->turns[k] = NO_TURN;
            }
    ways->tcp = false;
}

/* ---- a new list ---- */

static void set_stuns(struct ways *ways, struct agent *agent, const struct rf_sip_servers *servers)
{
    for (size_t i = 0; i < ways->stun_count; i++) {
        bool stays = false;
        for (size_t j = 0; j < servers->stun_count; j++)
            stays = stays || rf_addr_equal(&ways->stuns[i], &servers->stun[j]);
        if (!stays)
            rf_ice_stun_remove(agent->ice, &ways->stuns[i]);
    }
    for (size_t i = 0; i < servers->stun_count; i++)
        (void)rf_ice_stun_add(agent->ice, &servers->stun[i]);
}

static bool same_turn(const struct turn *a, const struct rf_sip_turn *b)
{
    return a->user != NULL && a->stream == b->stream && rf_addr_equal(&a->addr, &b->addr);
}

static const struct rf_sip_turn *turn_at(const struct rf_sip_servers *servers, const struct turn *turn)
{
    for (size_t i = 0; i < servers->turn_count; i++)
        if (same_turn(turn, &servers->turn[i]))
            return &servers->turn[i];
    return NULL;
}

void ways_forget_turn(struct ways *ways, size_t at)
{
    struct turn *t = &ways->turns[at];
    if (t->password != NULL)
        rf_free_secret(ways->core->mem, t->password, strlen(t->password));
    rf_free(ways->core->mem, t->user);
    *t = (struct turn){0};
}

/* A server that stays keeps its place, so that allocations live on; its credentials are the new ones. */
static void set_turn(struct ways *ways, size_t at, const struct rf_sip_turn *to)
{
    struct turn *t = &ways->turns[at];
    bool stays = to != NULL && t->user != NULL;
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++) {
        struct agent *agent = ways->agents[i];
        if (agent->turns[at] != NO_TURN && stays)
            (void)rf_ice_turn_login(agent->ice, agent->turns[at], to->user, to->password);
        else if (agent->turns[at] != NO_TURN)
            rf_ice_turn_remove(agent->ice, agent->turns[at]);
        if (!stays)
            agent->turns[at] = NO_TURN;
    }
    ways_forget_turn(ways, at);
    if (to == NULL)
        return;
    *t = (struct turn){to->addr, to->stream, rf_strdup(ways->core->mem, to->user),
                       rf_strdup(ways->core->mem, to->password)};
    if (t->user == NULL || t->password == NULL)
        ways_forget_turn(ways, at);
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        add_turns(ways->agents[i]);
}

static void set_turns(struct ways *ways, const struct rf_sip_servers *servers)
{
    size_t free_at = 0;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        if (ways->turns[i].user != NULL)
            set_turn(ways, i, turn_at(servers, &ways->turns[i]));
    for (size_t j = 0; j < servers->turn_count; j++) {
        bool known = false;
        for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
            known = known || same_turn(&ways->turns[i], &servers->turn[j]);
        while (free_at < RF_ICE_MAX_TURN && ways->turns[free_at].user != NULL)
            free_at++;
        if (!known && free_at < RF_ICE_MAX_TURN)
            set_turn(ways, free_at, &servers->turn[j]);
    }
}

void ways_set_servers(struct ways *ways, const struct rf_sip_servers *servers)
{
    ways_enter(ways);
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        set_stuns(ways, ways->agents[i], servers);
    ways->stun_count = servers->stun_count < RF_ICE_MAX_STUN ? servers->stun_count : RF_ICE_MAX_STUN;
    for (size_t i = 0; i < ways->stun_count; i++)
        ways->stuns[i] = servers->stun[i];
    set_turns(ways, servers);
    ways_leave(ways);
}

static bool is_silent(const struct agent *agent)
{
    struct rf_ice_behaviour b;
    unsigned asked = 0;
    for (uint8_t i = 0; i < RF_ICE_MAX_BASES; i++) {
        if (agent->bases[i].fd < 0 || rf_ice_behaviour(agent->ice, i, &b) != 0)
            continue;
        if (b.answered > 0)
            return false;
        asked += b.asked;
    }
    return asked > 0;
}

bool ways_gather_again(struct way *way)
{
    struct ways *ways = way->ways;
    bool some = false;
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        some = some || (ways->turns[i].user != NULL && ways->turns[i].stream);
    if (way->again || !some || !is_silent(way->key.agent))
        return false;
    way->again = ways->tcp = true;
    for (size_t i = 0; i < WAYS_MAX_AGENTS && ways->agents[i] != NULL; i++)
        add_turns(ways->agents[i]);
    return rf_ice_restart(way->key.agent->ice, way->key.id) == 0;
}

/* ---- relays by TCP ---- */

static struct turn_tcp **relay_of(struct agent *agent, uint32_t number)
{
    for (size_t i = 0; number != 0 && i < RF_ICE_MAX_TURN; i++)
        if (agent->tcps[i] != NULL && turn_tcp_number(agent->tcps[i]) == number)
            return &agent->tcps[i];
    return NULL;
}

static void relay_up(void *arg, uint32_t number)
{
    struct agent *agent = arg;
    ways_enter(agent->ways);
    rf_ice_stream_up(agent->ice, number);
    ways_leave(agent->ways);
}

void ways_relay_close(struct agent *agent, uint32_t number)
{
    struct turn_tcp **at = relay_of(agent, number);
    if (at == NULL)
        return;
    turn_tcp_free(*at);
    *at = NULL;
}

static void relay_down(void *arg, uint32_t number)
{
    struct agent *agent = arg;
    ways_enter(agent->ways);
    ways_relay_close(agent, number);
    rf_ice_stream_down(agent->ice, number);
    ways_leave(agent->ways);
}

static bool relay_message(void *arg, uint32_t number, uint8_t *bytes, size_t len)
{
    struct agent *agent = arg;
    struct ways *ways = agent->ways;
    rf_ice_id id;
    struct rf_view data;
    ways_enter(ways);
    enum rf_ice_in what = rf_ice_stream_input(agent->ice, number, rf_view_of(bytes, len), &id, &data);
    struct way *way = what == RF_ICE_IN_DATA ? ways_find(agent, id) : NULL;
    if (way != NULL && data.len > 0) {
        way->heard_us = ways->now.mono_us;
        way->handler.data(way->handler.arg, bytes + (data.p - bytes), data.len);
    }
    ways_leave(ways);
    return relay_of(agent, number) != NULL;
}

void ways_relay_open(struct agent *agent, const struct rf_ice_out *out)
{
    const struct turn_tcp_handler handler = {relay_up, relay_down, relay_message, agent};
    for (size_t i = 0; i < RF_ICE_MAX_TURN; i++)
        if (agent->tcps[i] == NULL) {
            if (turn_tcp_new(agent->ways->core->mem, out->stream, &out->remote, &handler, &agent->tcps[i]) ==
                0)
                return;
            break;
        }
    rf_ice_stream_down(agent->ice, out->stream);
}

int ways_relay_send(struct agent *agent, uint32_t number, const void *bytes, size_t len)
{
    struct turn_tcp **at = relay_of(agent, number);
    return at != NULL ? turn_tcp_send(*at, bytes, len) : RF_EAGAIN;
}
