/*
 * path_relay.c - the relay that paths may lead over: whose, and with which credentials (relay.c asks the overlay for them).
 *
 * Of the two ends of a path one relay is enough, and who is seen at the same address by all needs none: his checks arrive at the relay of the other, or he is reached directly.
 * So only a node whose NAT shows everybody another address, or lets no datagrams out, has one; or one that does not know, or found no way a short while ago.
 *
 * The first path that is wanted asks; it, and whoever comes meanwhile, waits for the answer, WAIT_US at most. Where nobody has a relay nobody is asked again for AGAIN_US. ice/ is
 * told of the relay's UDP server; of its TCP server, and of that by TLS, when datagrams do not get out of here at all; of both while that is not known. Of TCP and TLS only that one over which something came back (stream.c). Credentials that change are told to it as a login;
 * a relay of before is left as it is, for the sessions over it, until there is no room.
 *
 * A relay that makes no allocation: its credentials, which may be of before it was started anew, are not used for the next path, and others are asked for; of somebody else for AVOID_US, unless it was only them that it did not take. Of several servers
 * that one login is for all must have failed, if it is for want of an answer: they may be behind different doors of one firewall.
 *
 * Where flows are few (node_path_thrifty) all paths are relayed, over one flow that they share: no supernode is asked how it sees us, nothing is sent to another device's candidates. That flow is by TCP, as the one
 * home: it ends when the allocation does, whereas a gateway remembers datagrams for minutes. Where nobody has a relay there are no paths.
 */
#include "node/internal.h"

#define WAIT_US  (RF_US_PER_S * 3 / 2)
#define AGAIN_US (60 * RF_US_PER_S)
#define STUCK_US (3600 * RF_US_PER_S)
#define TEXT_LEN (RF_RELAY_TEXT_MAX + 1)
#define THRIFTY  8 /* fewer flows than these are few */
#define MAKING   2 /* a path that is being made: who says how we are seen, and a candidate that leads nowhere */

static void text(char out[TEXT_LEN], struct rf_view v)
{
    size_t len = v.len < TEXT_LEN - 1 ? v.len : TEXT_LEN - 1;
    memcpy(out, v.p, len);
    out[len] = '\0';
}

bool node_path_thrifty(const struct rf_node *node)
{
    return node->role != RF_NODE_SUPERNODE && (node->no_reserve || node->max_flows < THRIFTY);
}

/* One that is ending has no flow but that of its session, which goes with it. */
static bool is_being_made(const struct rf_node *node, const struct path *p)
{
    struct rf_link_info info;
    return p->link == 0 || (rf_links_info(node->links, p->link, &info) == 0 && info.state < RF_LINK_UP);
}

size_t node_path_flows(const struct rf_node *node)
{
    const struct paths *paths = node->paths;
    size_t count = 0;
    if (paths == NULL)
        return 0;
    if (node_path_thrifty(node))
        return paths->stream_count > 0 ? paths->stream_count : paths->count > 0;
    RF_LIST_EACH(&paths->all, it)
    {
        count += is_being_made(node, RF_LIST_ENTRY(it, struct path, list)) ? MAKING : 0;
    }
    return count;
}

static bool in_use(const struct paths *paths)
{
    RF_LIST_EACH(&paths->all, it)
    {
        if (RF_LIST_ENTRY(it, struct path, list)->session != 0)
            return true;
    }
    return false;
}

static void forget(struct paths *paths, size_t at)
{
    rf_ice_turn_remove(paths->ice, paths->relays[at].number);
    memmove(&paths->relays[at], &paths->relays[at + 1],
            (--paths->relay_count - at) * sizeof(paths->relays[0]));
}

/* The one with this address and transport; relay_count: none. */
static size_t find(const struct paths *paths, const struct rf_relay_server *server)
{
    bool stream = server->transport != RF_RELAY_UDP, tls = server->transport == RF_RELAY_TLS;
    size_t i = 0;
    while (i < paths->relay_count && (paths->relays[i].stream != stream || paths->relays[i].tls != tls ||
                                      !rf_addr_equal(&paths->relays[i].addr, &server->address)))
        i++;
    return i;
}

/* A new one. Room is made by forgetting others: all of another login that nobody uses, else the oldest. */
static void add_server(struct paths *paths, const struct rf_relay_server *server,
                       const struct rf_ice_turn *turn, const struct rf_id *whose, uint64_t login)
{
    while (paths->relay_count > 0 && ((!in_use(paths) && paths->relays[0].user != login) ||
                                      paths->relay_count == RF_COUNT(paths->relays)))
        forget(paths, 0);
    size_t at = paths->relay_count;
    paths->relays[at].addr = server->address;
    paths->relays[at].stream = turn->stream;
    paths->relays[at].tls = server->transport == RF_RELAY_TLS;
    paths->relays[at].node = *whose;
    paths->relays[at].user = login;
    paths->relays[at].unserved = false;
    paths->relay_count += rf_ice_turn_add(paths->ice, turn, &paths->relays[at].number) == 0;
}

static void use_server(struct rf_node *node, const struct rf_relay_server *server,
                       const struct rf_relay_said *given, const struct rf_id *whose)
{
    struct paths *paths = node->paths;
    char user[TEXT_LEN], pass[TEXT_LEN];
    struct rf_ice_turn turn = {
        .addr = server->address, .stream = server->transport != RF_RELAY_UDP, .user = user, .pass = pass};
    uint64_t login = rf_hash64(node->env.seed, given->user);
    size_t at = find(paths, server);
    bool is_there = at < paths->relay_count;
    text(user, given->user);
    text(pass, given->password);
    if (is_there && rf_id_equal(&paths->relays[at].node, whose)) {
        if (paths->relays[at].user != login) { /* without memory the old ones are good for a while */
            (void)rf_ice_turn_login(paths->ice, paths->relays[at].number, user, pass);
            paths->relays[at].unserved = false;
        }
        paths->relays[at].user = login;
    } else if (!is_there || !in_use(paths)) { /* anybody can name this address as his */
        if (is_there)
            forget(paths, at);
        add_server(paths, server, &turn, whose, login);
    }
    rf_wipe(pass, sizeof(pass));
}

const struct rf_id *node_path_relay_tls(const struct rf_node *node, const struct rf_addr *addr)
{
    const struct paths *paths = node->paths;
    for (size_t i = 0; i < paths->relay_count; i++)
        if (paths->relays[i].tls && rf_addr_equal(&paths->relays[i].addr, addr))
            return &paths->relays[i].node;
    return NULL;
}

static bool serves(const struct rf_relay_said *given, enum rf_relay_transport transport)
{
    for (size_t i = 0; i < given->server_count; i++)
        if (given->servers[i].transport == transport)
            return true;
    return false;
}

/* By UDP, unless that does not get out of here; by TCP, unless it does; by TLS where nothing gets out by UDP, and nothing is known of TCP or it leads nowhere. Of a thrifty one there is one at a time. */
static void choose(struct rf_node *node, const struct rf_relay_said *given, bool used[RF_RELAY_TRANSPORTS])
{
    struct rf_addr seen;
    enum rf_node_datagrams fares = node_path_fares(node, &seen);
    uint8_t way = node->paths->stream_way;
    bool blocked = fares == RF_DATAGRAMS_BLOCKED, tls = serves(given, RF_RELAY_TLS);
    bool tcp = serves(given, RF_RELAY_TCP) && (way != RF_RELAY_TLS || !tls);
    used[RF_RELAY_UDP] = !blocked;
    used[RF_RELAY_TCP] = tcp && (blocked || fares == RF_DATAGRAMS_UNKNOWN);
    used[RF_RELAY_TLS] = tls && blocked && way != RF_RELAY_TCP;
    if (!node_path_thrifty(node))
        return;
    used[RF_RELAY_TCP] = tcp;
    used[RF_RELAY_TLS] = tls && !tcp;
    used[RF_RELAY_UDP] = !tcp && !tls;
}

static bool use_relay(struct rf_node *node, const struct rf_node_relay *relay)
{
    const struct rf_relay_said *given = &relay->given;
    bool used[RF_RELAY_TRANSPORTS];
    bool any = false;
    bool stays = node_path_thrifty(node) && node->paths->relay_count > 0 && in_use(node->paths);
    choose(node, given, used);
    for (size_t i = 0; i < given->server_count; i++)
        if (used[given->servers[i].transport] &&
            (!stays || find(node->paths, &given->servers[i]) < node->paths->relay_count)) {
            used[given->servers[i].transport] = false;
            any = true;
            use_server(node, &given->servers[i], given, &relay->node);
        }
    return any || stays;
}

void node_path_relays_forget(struct rf_node *node)
{
    while (node->paths->relay_count > 0)
        forget(node->paths, 0);
}

/* ---- asking ---- */

static void on_given(void *arg, const struct rf_node_relay *relay)
{
    struct rf_node *node = arg;
    struct paths *paths = node->paths;
    paths->relay_asked = false;
    if (relay->error == RF_ECANCELLED || node->leaving)
        return;
    rf_timer_stop(&node->timers, &paths->relay_timer);
    paths->unrelayed = relay->error != 0 || !use_relay(node, relay);
    paths->unrelayed_us = node->now.mono_us;
    node_paths_open(node);
}

static void waited(struct rf_timer *timer, void *arg)
{
    (void)timer;
    node_paths_open(arg);
}

void node_path_relay_unserved(struct rf_node *node, uint8_t number, int error)
{
    struct paths *paths = node->paths;
    uint64_t login = 0;
    bool all = true;
    for (size_t i = 0; i < paths->relay_count; i++)
        if (paths->relays[i].number == number) {
            paths->relays[i].unserved = true;
            login = paths->relays[i].user;
        }
    for (size_t i = 0; i < paths->relay_count; i++)
        all = all && (paths->relays[i].user != login || paths->relays[i].unserved);
    if (login != 0 && (all || error != RF_EUNREACHABLE))
        node_relay_forget(node, login, error != RF_EAUTH);
}

void node_path_stuck(struct rf_node *node)
{
    node->paths->failed_us = node->now.mono_us;
}

bool node_path_relay_known(const struct rf_node *node)
{
    const struct paths *paths = node->paths;
    struct rf_node_relay at_hand;
    if (!rf_node_relay_at_hand(node, node->now, &at_hand))
        return false;
    uint64_t login = rf_hash64(node->env.seed, at_hand.given.user);
    for (size_t i = 0; i < paths->relay_count; i++)
        if (paths->relays[i].user == login)
            return true;
    return false;
}

static bool nobody_has_one(const struct rf_node *node)
{
    return node->paths->unrelayed && node->now.mono_us - node->paths->unrelayed_us < AGAIN_US;
}

bool node_path_relay_hoped(const struct rf_node *node)
{
    return node->role != RF_NODE_SUPERNODE && !nobody_has_one(node);
}

bool node_path_relay(struct rf_node *node)
{
    struct paths *paths = node->paths;
    struct rf_node_relay at_hand;
    bool stuck = paths->failed_us != 0 && node->now.mono_us - paths->failed_us < STUCK_US;
    struct rf_addr seen;
    enum rf_node_datagrams fares = node_path_fares(node, &seen);
    bool alike = fares == RF_DATAGRAMS_OPEN || fares == RF_DATAGRAMS_ALIKE;
    if (node->role == RF_NODE_SUPERNODE || (alike && !stuck))
        return true;
    if (rf_node_relay_at_hand(node, node->now, &at_hand) && use_relay(node, &at_hand))
        return true;
    if (nobody_has_one(node))
        return true;
    if (!paths->relay_asked && rf_node_relay(node, false, node->now, on_given, node) != 0)
        return true;
    paths->relay_asked = true;
    if (!rf_timer_is_set(&paths->relay_timer)) {
        rf_timer_init(&paths->relay_timer, waited, node);
        return rf_env_timer_in(&node->env, &paths->relay_timer, WAIT_US) != 0;
    }
    return false;
}
