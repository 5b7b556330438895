/*
 * relay.c - relays: what a supernode that has one answers to those who would like to use it, and how a node finds one (docs/protocol/relay.md).
 *
 * Who has one. The shell runs it and says so (rf_node_serve_relay), with the secret that its threads check credentials by. Anybody who signs with a certificate of the overlay
 * is given credentials that are good for lifetime_s. Budgets go by the user that the certificate names, in a self-signed overlay, where names are claims, by the
 * Node-ID; what strangers see of it on the wire is a keyed hash.
 *
 * Who needs one. Nothing happens until somebody asks (rf_node_relay). Credentials that were given are kept until a quarter of their life is left. Then one search, whoever
 * waits for it: the supernodes that we are linked with are asked, one after the other, a client's home first; then LOOKS times those at a random place of the ring. The first
 * that gives some ends it. If nobody does, what is at hand is used as long as it is good.
 * What was found to be of no use is forgotten (node_relay_forget).
 */
#include "base/text.h"
#include "node/internal.h"

#define LIFETIME_S 3600
#define LOOKS      4
#define AVOID_US   (60 * RF_US_PER_S)
#define NAME_BYTES 10 /* of the hash of a user's name */

struct relay_waiter {
    struct rf_list list;
    void (*done)(void *arg, const struct rf_node_relay *relay);
    void *arg;
};

static void due(struct rf_timer *timer, void *arg);

/* NULL: no memory. */
static struct node_relay *get(struct rf_node *node)
{
    struct node_relay *r = node->relay;
    if (r != NULL)
        return r;
    r = node->relay = rf_zalloc(node->env.mem, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->node = node;
    rf_list_init(&r->waiters);
    rf_timer_init(&r->timer, due, r);
    rf_rng_fill(node->env.secret, r->name_key, sizeof(r->name_key));
    return r;
}

/* ---- texts that outlive a message ---- */

static bool keep_text(char out[RF_RELAY_TEXT_MAX + 1], struct rf_view *text)
{
    if (text->len > RF_RELAY_TEXT_MAX)
        return false;
    if (text->len > 0)
        memcpy(out, text->p, text->len);
    out[text->len] = '\0';
    text->p = (const uint8_t *)out;
    return true;
}

/* The views of `said` borrow from `texts` from now on. */
static bool keep_texts(struct relay_texts *texts, struct rf_relay_said *said)
{
    bool good = keep_text(texts->user, &said->user) && keep_text(texts->password, &said->password) &&
                keep_text(texts->realm, &said->realm);
    for (size_t i = 0; good && i < said->server_count; i++)
        good = keep_text(texts->names[i], &said->servers[i].name);
    return good;
}

/* ---- serving ---- */

/* Of no narrower scope than any supernode that we know of. */
static bool reaches_others(const struct rf_node *node, const struct rf_addr *addr)
{
    int scope = role_scope(addr);
    for (size_t i = 0; i < node->conf->bootstrap_count; i++)
        if (role_scope(&node->conf->bootstraps[i]) > scope)
            return false;
    for (size_t i = 0; i < node->peer_count; i++)
        if (role_scope(&node->peers[i]) > scope)
            return false;
    return true;
}

/* NULL: no memory. */
static struct rf_turnreg *get_turnreg(struct node_relay *r)
{
    struct rf_node *node = r->node;
    struct rf_turnreg_config config = {
        .store = node->store, .identity = &node->identity, .crypto = node->crypto, .conf = node->conf};
    if (r->turnreg == NULL && rf_turnreg_new(&node->env, &config, &r->turnreg) == 0)
        rf_turnreg_online(r->turnreg, node_state(node) == RF_TOPOLOGY_JOINED);
    return r->turnreg;
}

void node_relay_changed(struct rf_node *node)
{
    struct node_relay *r = node->relay;
    const struct rf_addr *addr = NULL;
    if (r == NULL)
        return;
    for (size_t i = 0; r->serving && !r->quiet && addr == NULL && i < r->offer.server_count; i++)
        if (r->offer.servers[i].transport == RF_RELAY_UDP)
            addr = &r->offer.servers[i].address;
    if (addr != NULL && (node->role != RF_NODE_SUPERNODE || !reaches_others(node, addr)))
        addr = NULL;
    if (r->turnreg != NULL || (addr != NULL && get_turnreg(r) != NULL))
        rf_turnreg_set(r->turnreg, addr);
}

void node_relay_online(struct rf_node *node, bool online)
{
    if (node->relay != NULL && node->relay->turnreg != NULL)
        rf_turnreg_online(node->relay->turnreg, online);
    node_relay_changed(node);
}

void node_relay_configure(struct rf_node *node)
{
    if (node->relay != NULL && node->relay->turnreg != NULL)
        rf_turnreg_configure(node->relay->turnreg, node->conf);
}

void node_relay_leave(struct rf_node *node)
{
    if (node->relay != NULL && node->relay->turnreg != NULL)
        rf_turnreg_set(node->relay->turnreg, NULL);
}

int rf_node_serve_relay(struct rf_node *node, const struct rf_node_relay_offer *offer, struct rf_now now)
{
    node_enter(node, now);
    if (offer == NULL) {
        if (node->relay != NULL) {
            node->relay->serving = false;
            rf_wipe(node->relay->secret, sizeof(node->relay->secret));
            node_relay_changed(node);
        }
        return 0;
    }
    struct rf_relay_said said = {.outcome = RF_RELAY_GIVEN, .server_count = offer->server_count};
    struct node_relay *r = get(node);
    if (r == NULL)
        return RF_ENOMEM;
    if (offer->server_count == 0 || offer->server_count > RF_RELAY_SERVERS)
        return RF_EINVAL;
    said.realm = rf_view_str(offer->realm);
    memcpy(said.servers, offer->servers, offer->server_count * sizeof(*offer->servers));
    if (!keep_texts(&r->offer_texts, &said))
        return RF_EINVAL;
    r->offer = said;
    r->lifetime_s = offer->lifetime_s != 0 ? offer->lifetime_s : LIFETIME_S;
    r->quiet = offer->quiet;
    memcpy(r->secret, offer->secret, sizeof(r->secret));
    r->serving = true;
    node_relay_changed(node);
    return 0;
}

/* What budgets go by. */
static int budget_name(struct rf_node *node, const struct rf_signer *signer, char out[2 * NAME_BYTES + 1])
{
    uint8_t mac[RF_SHA256_LEN];
    struct rf_view whose = node->conf->self_signed ? rf_id_view(&signer->node_id) : signer->cert->user;
    struct rf_crypto *c = node->crypto;
    struct rf_buf buf;
    int error =
        c->ops->hmac(c, RF_HASH_SHA256, rf_view_of(node->relay->name_key, RF_SHA256_LEN), &whose, 1, mac);
    rf_buf_fixed(&buf, out, 2 * (size_t)NAME_BYTES);
    rf_hex_put(&buf, rf_view_of(mac, NAME_BYTES));
    out[2 * NAME_BYTES] = '\0';
    return error;
}

/* false: not now */
static bool give(struct rf_node *node, const struct rf_request *request, struct rf_turn_credentials *out)
{
    char name[2 * NAME_BYTES + 1];
    const struct node_relay *r = node->relay;
    uint64_t until_ms = node->now.wall_ms + (uint64_t)r->lifetime_s * 1000;
    return !node->leaving && !node->admission.closed && budget_name(node, &request->signer, name) == 0 &&
           rf_turn_credentials(node->crypto, r->secret, name, until_ms, out) == 0;
}

bool node_relay_answer(struct rf_node *node, struct rf_request *request)
{
    struct rf_relay_said said = {.outcome = RF_RELAY_NONE_HERE};
    struct rf_turn_credentials credentials;
    struct rf_buf body;
    if (!rf_relay_is_ask(request->message->body))
        return false;
    if (node->relay != NULL && node->relay->serving) {
        said = node->relay->offer;
        said.lifetime_s = node->relay->lifetime_s;
        if (give(node, request, &credentials)) {
            said.user = rf_view_str(credentials.user);
            said.password = rf_view_str(credentials.password);
        } else
            said.outcome = RF_RELAY_NOT_NOW;
    }
    if (said.outcome == RF_RELAY_GIVEN)
        node->counters.relay_given++;
    else
        node->counters.relay_refused++;
    rf_buf_init(&body, node->env.mem, 4096);
    rf_relay_said_encode(&said, &body);
    (void)rf_overlay_answer(node->overlay, request, rf_buf_view(&body), NULL, 0); /* it will ask again */
    if (body.p != NULL)
        rf_wipe(body.p, body.len);
    rf_buf_deinit(&body);
    rf_wipe(&credentials, sizeof(credentials));
    return true;
}

/* ---- what is at hand ---- */

bool rf_node_relay_at_hand(const struct rf_node *node, struct rf_now now, struct rf_node_relay *out)
{
    const struct node_relay *r = node->relay;
    if (r == NULL || !r->given || now.mono_us >= r->expires_us)
        return false;
    *out = (struct rf_node_relay){.node = r->giver, .given = r->lease, .expires_us = r->expires_us};
    return true;
}

void node_relay_forget(struct rf_node *node, uint64_t login, bool avoid)
{
    struct node_relay *r = node->relay;
    if (r == NULL || !r->given || rf_hash64(node->env.seed, r->lease.user) != login)
        return;
    node->counters.relays_useless++;
    r->given = false;
    if (avoid) {
        r->avoided = r->giver;
        r->avoid_us = node->now.mono_us + AVOID_US;
    }
}

static bool lasts(const struct node_relay *r)
{
    uint64_t life_us = r->expires_us - r->given_us, now_us = r->node->now.mono_us;
    return r->given && now_us < r->expires_us && r->expires_us - now_us > life_us / 4;
}

/* Ends the search, if one is under way, and tells all who wait. */
static void tell(struct node_relay *r, int error)
{
    struct rf_node_relay result = {.error = error};
    struct rf_list waiters;
    r->searching = false;
    if (error != RF_ECANCELLED && rf_node_relay_at_hand(r->node, r->node->now, &result))
        result.error = 0;
    rf_list_init(&waiters);
    while (!rf_list_empty(&r->waiters)) { /* who asks from inside waits anew */
        struct rf_list *first = r->waiters.next;
        rf_list_remove(first);
        rf_list_push_back(&waiters, first);
    }
    while (!rf_list_empty(&waiters)) {
        struct relay_waiter w = *RF_LIST_ENTRY(waiters.next, struct relay_waiter, list);
        struct relay_waiter *owned = RF_LIST_ENTRY(waiters.next, struct relay_waiter, list);
        rf_list_remove(&owned->list);
        rf_free(r->node->env.mem, owned);
        w.done(w.arg, &result);
    }
}

/* ---- searching ---- */

static void search(struct node_relay *r);

static void add_candidate(struct node_relay *r, const struct rf_id *id)
{
    for (size_t i = 0; i < r->candidate_count; i++)
        if (rf_id_equal(&r->candidates[i], id))
            return;
    if (r->node->now.mono_us < r->avoid_us && rf_id_equal(&r->avoided, id))
        return;
    if (r->candidate_count < RELAY_CANDIDATES && !rf_id_equal(id, &r->node->identity.node_id))
        r->candidates[r->candidate_count++] = *id;
}

static void add_linked(struct node_relay *r)
{
    static const char order[] = "absf"; /* home, reserve, successors, fingers */
    struct rf_topology_status_entry entries[64];
    size_t count = rf_node_ring(r->node, entries, RF_COUNT(entries));
    for (const char *relation = order; *relation != '\0'; relation++)
        for (size_t i = 0; i < count && r->candidate_count < RELAY_CANDIDATES / 2; i++)
            if (entries[i].relation == *relation && entries[i].link != 0)
                add_candidate(r, &entries[i].node);
}

static int take_lease(struct node_relay *r, const struct rf_reply *reply)
{
    struct rf_relay_said said;
    int error = reply->error != 0 ? reply->error : rf_relay_said_decode(reply->body, &said);
    if (error == 0 && (reply->signer == NULL || said.outcome != RF_RELAY_GIVEN || said.server_count == 0 ||
                       said.user.len == 0 || said.password.len == 0 || said.lifetime_s == 0))
        error = RF_ENOTFOUND;
    if (error != 0)
        return error;
    r->given = keep_texts(&r->lease_texts, &said); /* the decoder took none that is too long */
    r->lease = said;
    r->giver = reply->signer->node_id;
    r->given_us = r->node->now.mono_us;
    r->expires_us = r->given_us + said.lifetime_s * RF_US_PER_S;
    return 0;
}

static void on_said(void *arg, const struct rf_reply *reply)
{
    struct node_relay *r = arg;
    if (reply->error == RF_ECANCELLED)
        tell(r, RF_ECANCELLED);
    else if (take_lease(r, reply) == 0)
        tell(r, 0);
    else
        search(r);
}

static bool ask(struct node_relay *r, const struct rf_id *who)
{
    uint8_t bytes[16];
    struct rf_buf body;
    rf_buf_fixed(&body, bytes, sizeof(bytes));
    rf_relay_ask_encode(&body);
    struct rf_call call = {.code = RF_CODE_EXP_A_REQ,
                           .body = rf_buf_view(&body),
                           .link = rf_overlay_link_of(r->node->overlay, who),
                           .max_transmissions = 3,
                           .done = on_said,
                           .arg = r};
    rf_call_to_node(&call, who);
    r->node->counters.relay_asked++;
    return rf_overlay_call(r->node->overlay, &call, NULL) == 0;
}

static void on_found(void *arg, const struct rf_node_found_relay *found)
{
    add_candidate(arg, &found->node);
}

static void on_looked(void *arg, int error)
{
    if (error == RF_ECANCELLED)
        tell(arg, RF_ECANCELLED);
    else
        search(arg);
}

/* The next step: ask the next candidate, or look for more of them, or give up. */
static void search(struct node_relay *r)
{
    while (r->candidate_next < r->candidate_count)
        if (ask(r, &r->candidates[r->candidate_next++]))
            return;
    if (r->looks < LOOKS && r->candidate_count < RELAY_CANDIDATES && r->node->conf->turn_density > 0 &&
        !r->node->leaving) {
        r->looks++;
        if (node_relay_look(r->node, on_found, on_looked, r) == 0)
            return;
    }
    tell(r, RF_ENOTFOUND);
}

static bool is_joined(const struct node_relay *r)
{
    return node_state(r->node) == RF_TOPOLOGY_JOINED && !r->node->leaving;
}

/* Somebody waits. */
static void due(struct rf_timer *timer, void *arg)
{
    struct node_relay *r = arg;
    (void)timer;
    if (r->searching)
        return;
    if (lasts(r) || !is_joined(r)) {
        tell(r, RF_ENOTFOUND);
        return;
    }
    r->searching = true;
    r->candidate_count = r->candidate_next = 0;
    r->looks = 0;
    add_linked(r);
    search(r);
}

int rf_node_relay(struct rf_node *node, bool fresh, struct rf_now now,
                  void (*done)(void *arg, const struct rf_node_relay *relay), void *arg)
{
    node_enter(node, now);
    struct node_relay *r = get(node);
    if (r == NULL)
        return RF_ENOMEM;
    if (fresh && !r->searching)
        r->given = false;
    if (!r->searching && !lasts(r) && !is_joined(r))
        return RF_ECLOSED;
    struct relay_waiter *w = rf_alloc(node->env.mem, sizeof(*w));
    if (w == NULL)
        return RF_ENOMEM;
    int error = r->searching ? 0 : rf_env_timer_in(&node->env, &r->timer, 0);
    if (error != 0) {
        rf_free(node->env.mem, w);
        return error;
    }
    *w = (struct relay_waiter){.done = done, .arg = arg};
    rf_list_push_back(&r->waiters, &w->list);
    return 0;
}

/* ---- the end ---- */

void node_relay_stop(struct rf_node *node)
{
    if (node->relay == NULL)
        return;
    rf_turnreg_free(node->relay->turnreg);
    node->relay->turnreg = NULL;
    node->relay->serving = false;
}

void node_relay_deinit(struct rf_node *node)
{
    struct node_relay *r = node->relay;
    if (r == NULL)
        return;
    rf_timer_stop(&node->timers, &r->timer);
    tell(r, RF_ECANCELLED);
    node->relay = NULL;
    rf_free_secret(node->env.mem, r, sizeof(*r));
}
