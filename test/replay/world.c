/* world.c - the shell of the node under test: clock, disk, document; who is who. */
#include "replay/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/text.h"
#include "wire/dump.h"

#define MAX_ROUNDS 10000 /* of give and take at one moment */

static struct rf_kind_def kinds[] = {
    {.id = 0xf0000001,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 1,
     .max_size = 100},
    {.id = 0xf0000002,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 4,
     .max_size = 100},
};

bool world_fail(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->why, TEXT_MAX, format, args);
    va_end(args);
    return false;
}

static void log_line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    const struct world *w = ctx;

    fprintf(stderr, "%10.3f %d %s: %s\n", (double)w->now.mono_us / 1e6, level, room, text);
}

static void tap(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                struct rf_view message, uint64_t wall_ms)
{
    struct world *w = ctx;
    char text[TEXT_MAX], addr[RF_ADDR_TEXT_LEN];

    (void)local, (void)wall_ms;
    describe(w, message, text);
    fprintf(stderr, "%10.3f %s %s %s\n", (double)w->now.mono_us / 1e6, outgoing ? "->" : "<-",
            rf_addr_ip_text(remote, addr), text);
}

void world_init(struct world *w, char *why)
{
    *w = (struct world){.why = why, .seed = 1};
    w->settings.sequence = 1;
    w->now = (struct rf_now){RF_US_PER_S, RF_PKI_WALL_MS};
    rf_timers_init(&w->timers, rf_mem_system());
    w->env = (struct rf_env){.mem = rf_mem_system(),
                             .timers = &w->timers,
                             .now = &w->now,
                             .secret = &w->rng.rng,
                             .jitter = &w->rng.rng};
    if (getenv("REPLAY_LOG") != NULL)
        w->log = (struct rf_log){log_line, w, RF_LOG_DEBUG};
}

void world_deinit(struct world *w)
{
    rf_node_free(w->node);
    conns_free(w);
    for (size_t i = 0; i < w->peer_count; i++)
        peer_deinit(&w->peers[i]);
    for (size_t i = 0; i < w->document_count; i++)
        rf_conf_release(w->documents[i]);
    if (w->identity.cert != NULL)
        rf_identity_deinit(&w->identity);
    rf_pki_deinit(&w->pki);
    rf_timers_deinit(&w->timers);
}

bool world_set(struct world *w, const struct words *words)
{
    const char *bootstrap = arg(words, "bootstrap");
    struct rf_conf_settings *s = &w->settings;

    if (w->made)
        return world_fail(w, "set comes before the first peer");
    w->seed = arg_number(words, "seed", w->seed);
    s->sequence = (uint16_t)arg_number(words, "sequence", s->sequence);
    s->max_message = (uint32_t)arg_number(words, "max_message", s->max_message);
    s->timer_ms = (uint32_t)arg_number(words, "timer_ms", s->timer_ms);
    s->update_s = (uint32_t)arg_number(words, "update_s", s->update_s);
    s->ping_s = (uint32_t)arg_number(words, "ping_s", s->ping_s);
    s->ttl = (uint8_t)arg_number(words, "ttl", s->ttl);
    if (bootstrap != NULL)
        snprintf(w->bootstraps, sizeof(w->bootstraps), "%s", bootstrap);
    return true;
}

/* ---- documents ---- */

static void adjust(struct rf_conf *draft, void *arg_)
{
    struct world *w = arg_;
    const struct rf_conf_settings *s = &w->settings;
    char names[TEXT_MAX], *rest = names, *name;

    if (s->max_message != 0 || w->other_max_message != 0)
        draft->max_message_size = w->other_max_message != 0 ? w->other_max_message : s->max_message;
    if (s->timer_ms != 0)
        draft->reliability_timer_ms = s->timer_ms;
    if (s->ttl != 0)
        draft->initial_ttl = s->ttl;
    if (s->update_s != 0)
        draft->chord_update_interval_s = s->update_s;
    if (s->ping_s != 0)
        draft->chord_ping_interval_s = s->ping_s;
    draft->bootstraps = w->bootstrap_addrs;
    snprintf(names, sizeof(names), "%s", w->bootstraps[0] != '\0' ? w->bootstraps : "node");
    for (draft->bootstrap_count = 0; (name = strsep(&rest, ",")) != NULL; draft->bootstrap_count++) {
        const struct peer *p = world_find(w, name);
        RF_ASSERT(draft->bootstrap_count < MAX_PEERS);
        w->bootstrap_addrs[draft->bootstrap_count] = p != NULL ? p->addr : w->addr;
    }
    if (w->bad != NULL) {
        draft->bad_nodes = (struct rf_id *)(uintptr_t)w->bad;
        draft->bad_node_count = 1;
    }
}

static bool make_document(struct world *w, uint16_t sequence)
{
    int error;

    if (w->document_count == MAX_DOCUMENTS)
        return world_fail(w, "too many documents");
    error = rf_pki_document(&w->pki, sequence, adjust, w, &w->documents[w->document_count]);
    if (error != 0)
        return world_fail(w, "no document: %s", rf_error_text(error));
    w->document_count++;
    return true;
}

bool world_document(struct world *w, const struct words *words)
{
    const char *bad = arg(words, "bad");
    const struct peer *p = bad != NULL ? world_find(w, bad) : NULL;
    bool ok;

    if (bad != NULL && p == NULL && strcmp(bad, "node") != 0)
        return world_fail(w, "no peer %s", bad);
    w->bad = bad == NULL ? NULL : p != NULL ? &p->identity.node_id : &w->identity.node_id;
    w->other_max_message = (uint32_t)arg_number(words, "max_message", 0);
    ok = make_document(w, (uint16_t)strtoul(words->count > 1 ? words->word[1] : "0", NULL, 10));
    w->bad = NULL;
    w->other_max_message = 0;
    return ok;
}

struct rf_conf *world_find_document(struct world *w, uint16_t sequence)
{
    for (size_t i = 0; i < w->document_count; i++)
        if (w->documents[i]->sequence == sequence)
            return w->documents[i];
    return NULL;
}

/* ---- who is who ---- */

static bool make(struct world *w)
{
    if (w->made)
        return true;
    w->made = true;
    rf_rng_seeded_init(&w->rng, w->seed);
    rf_rng_seeded_init(&w->node_rng, w->seed + 1);
    RF_ASSERT(rf_addr_parse("10.0.0.1:6084", 0, &w->addr) == 0);
    return rf_pki_init(
               &w->pki,
               &(struct rf_pki_config){.no_ice = true, .kinds = kinds, .kind_count = RF_COUNT(kinds)}) == 0
               ? true
               : world_fail(w, "no overlay");
}

bool id_by_digits(const char *digits, struct rf_id *out)
{
    char hex[] = "00000000000000000000000000000000";
    size_t len = strlen(digits);

    if (len > sizeof(hex) - 1)
        return false;
    memcpy(hex, digits, len);
    return rf_id_parse(hex, out) == 0;
}

/* "peer NAME id HEX [user U]", "node ROLE id HEX [user U]" */
static bool make_identity(struct world *w, const struct words *words, const char *name,
                          struct rf_identity *out)
{
    char user[64];
    struct rf_id id;

    if (words->count < 4 || strcmp(words->word[2], "id") != 0)
        return world_fail(w, "an id is missing");
    snprintf(user, sizeof(user), "%s@example.org",
             words->count >= 6 && strcmp(words->word[4], "user") == 0 ? words->word[5] : name);
    if (!id_by_digits(words->word[3], &id) || !make(w))
        return world_fail(w, "no Node-ID: %s", words->word[3]);
    /* Ed25519: all signatures are of one length, and the same bytes in every run */
    return rf_pki_node(&w->pki, user, &id, RF_KEY_ED25519, out) == 0 ? true : world_fail(w, "no certificate");
}

bool world_peer(struct world *w, const struct words *words)
{
    struct peer *p = &w->peers[w->peer_count];
    char addr[32];

    if (words->count < 4 || w->peer_count == MAX_PEERS || strlen(words->word[1]) >= sizeof(p->name))
        return world_fail(w, "peer NAME id HEX");
    *p = (struct peer){.world = w};
    snprintf(p->name, sizeof(p->name), "%s", words->word[1]);
    if (!make_identity(w, words, p->name, &p->identity))
        return false;
    snprintf(addr, sizeof(addr), "10.0.0.%zu:6084", w->peer_count + 2);
    RF_ASSERT(rf_addr_parse(addr, 0, &p->addr) == 0);
    RF_ASSERT(rf_engine_plain.engine_new(&w->env, &p->identity.cert->x509.der, 1, rf_view_str(""),
                                         &p->engine) == 0);
    rf_buf_init(&p->got, rf_mem_system(), MESSAGE_MAX);
    rf_buf_init(&p->sent, rf_mem_system(), MESSAGE_MAX);
    rf_buf_init(&p->kept, rf_mem_system(), MESSAGE_MAX);
    w->peer_count++;
    return true;
}

bool world_node(struct world *w, const struct words *words)
{
    struct rf_buf pem;
    int error;

    if (words->count < 4 || w->node != NULL)
        return world_fail(w, "node ROLE id HEX, once");
    if (!make_identity(w, words, "node", &w->identity) || !make_document(w, w->settings.sequence))
        return false;
    rf_buf_init(&pem, rf_mem_system(), 4096);
    RF_ASSERT(w->pki.crypto->ops->key_to_pem(w->pki.crypto, w->identity.key, &pem) == 0);
    struct rf_node_config config = {
        .mem = rf_mem_system(),
        .log = w->log.line != NULL ? &w->log : NULL,
        .secret = &w->node_rng.rng,
        .jitter = &w->node_rng.rng,
        .crypto = w->pki.crypto,
        .engine_ops = &rf_engine_plain,
        .conf = w->documents[0],
        .cert_der = w->identity.cert->x509.der,
        .key_pem = rf_buf_view(&pem),
        .role = strcmp(words->word[1], "client") == 0      ? RF_NODE_CLIENT
                : strcmp(words->word[1], "supernode") == 0 ? RF_NODE_SUPERNODE
                                                           : RF_NODE_AUTO,
        .listen = &w->addr,
        .listen_count = 1,
        .software = "replay",
    };
    error = rf_node_new(&config, w->now, &w->node);
    rf_buf_deinit(&pem);
    if (error != 0)
        return world_fail(w, "no node: %s", rf_error_text(error));
    if (w->log.line != NULL)
        rf_node_set_tap(w->node, &(struct rf_node_tap){.ctx = w, .frame = tap});
    rf_node_start(w->node, w->now);
    world_settle(w);
    return true;
}

struct peer *world_find(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (strcmp(w->peers[i].name, name) == 0)
            return &w->peers[i];
    return NULL;
}

const char *world_name(const struct world *w, const struct rf_id *id, char out[RF_ID_TEXT_LEN])
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (rf_id_equal(&w->peers[i].identity.node_id, id))
            return w->peers[i].name;
    if (w->identity.cert != NULL && rf_id_equal(&w->identity.node_id, id))
        return "node";
    return rf_id_is_wildcard(id) ? "any" : rf_id_text(id, out);
}

/* ---- what the node asks of its shell ---- */

static void persist(struct world *w, uint64_t token)
{
    if (w->disk_holds) {
        RF_ASSERT(w->held_count < RF_COUNT(w->held));
        w->held[w->held_count++] = token;
    } else {
        rf_node_persisted(w->node, token, w->disk_fails ? RF_EDATABASE : 0, w->now);
    }
}

void world_disk_goes(struct world *w)
{
    size_t count = w->held_count;

    w->held_count = 0;
    w->disk_holds = w->disk_fails = false;
    for (size_t i = 0; i < count; i++)
        rf_node_persisted(w->node, w->held[i], 0, w->now);
}

static void take(struct world *w, const struct rf_node_out *out)
{
    if (out->type == RF_NODE_OUT_PERSIST) {
        persist(w, out->token);
    } else if (out->type == RF_NODE_OUT_EVENT) {
        RF_ASSERT(w->event_count < MAX_EVENTS);
        w->events[w->event_count++] = out->event.type;
        rf_log_write(w->log.line != NULL ? &w->log : NULL, RF_LOG_DEBUG, "event", "%s %s",
                     rf_node_event_name(out->event.type), out->event.text);
    } else if (out->type == RF_NODE_OUT_LEFT) {
        w->left = true;
    } else if (out->type == RF_NODE_OUT_FLOW) {
        if (out->flow.type == RF_FLOW_CONNECT)
            peer_dialled(w, &out->flow);
        else if (out->flow.type == RF_FLOW_OUTPUT)
            peer_take(w, out->flow.flow);
        else if (out->flow.type == RF_FLOW_CLOSE)
            peer_flow_closed(w, out->flow.flow);
    }
}

void world_settle(struct world *w)
{
    struct rf_node_out out;
    size_t rounds = 0;
    bool more = true;

    while (w->node != NULL && more) {
        RF_ASSERT(rounds++ < MAX_ROUNDS);
        more = peer_deliver(w);
        while (rf_node_next(w->node, &out)) {
            more = true;
            take(w, &out);
        }
    }
}

bool world_step(struct world *w, uint64_t at_us)
{
    uint64_t next_us = rf_node_deadline(w->node);

    if (next_us > at_us)
        return false;
    if (next_us > w->now.mono_us) {
        w->now.wall_ms = RF_PKI_WALL_MS + (next_us - RF_US_PER_S) / 1000;
        w->now.mono_us = next_us;
    }
    rf_node_tick(w->node, w->now);
    world_settle(w);
    return true;
}
