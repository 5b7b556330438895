/* test_node_links.c - a node's links: messages that are too large, intermediates, and the rules of Attach (3.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "link/table.h"
#include "node/internal.h"
#include "overlay/internal.h"
#include "support/node_net.h"
#include "wire/attach.h"
#include "wire/method.h"

#define S RF_US_PER_S

static struct node_net net;

/* One supernode, and then others that join it. */
static void start(size_t supernodes, size_t clients)
{
    for (size_t i = 0; i < supernodes + clients; i++) {
        char name[] = {i < supernodes ? 's' : 'c', (char)('0' + i), 0};
        node_net_add(&net, name, i < supernodes ? RF_NODE_SUPERNODE : RF_NODE_CLIENT);
    }
    for (size_t i = 0; i < net.count; i++) {
        node_net_start(&net, i);
        assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    }
    node_net_run(&net, 40 * S);
}

/* ---- messages that are too large ---- */

struct seen {
    unsigned errors;
    uint16_t code;
    uint64_t transaction_id;
};

static void see_errors(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                       struct rf_view bytes, uint64_t wall_ms)
{
    struct seen *seen = ctx;
    struct rf_message message;
    struct rf_error_body body;
    (void)remote, (void)local, (void)wall_ms;
    if (outgoing || rf_message_decode(bytes, 16, &message) != 0 || !rf_code_is_error(message.code))
        return;
    assert_int_equal(rf_error_body_decode(message.body, &body), 0);
    seen->errors++;
    seen->code = body.code;
    seen->transaction_id = message.header.transaction_id;
}

/* node 1 sends 6000 bytes that begin like a message of this code */
static void send_large(uint16_t code)
{
    static uint8_t bytes[6000];
    struct rf_dest dest = rf_dest_node(&net.nodes[0].identity.node_id);
    struct rf_node *node = net.nodes[1].node;
    uint8_t dest_bytes[64];
    struct rf_buf dests, message;
    rf_buf_fixed(&dests, dest_bytes, sizeof(dest_bytes));
    rf_dest_encode(&dest, &dests);
    struct rf_header header = {.overlay = node->conf->overlay_hash,
                               .config_sequence = node->conf->sequence,
                               .ttl = 10,
                               .fragment = RF_FRAGMENT_WHOLE,
                               .transaction_id = 4711,
                               .dests = rf_buf_view(&dests)};
    rf_buf_fixed(&message, bytes, sizeof(bytes));
    rf_header_encode(&header, sizeof(bytes) - RF_HEADER_MIN_LEN - dests.len, &message);
    rf_buf_u16(&message, code);
    assert_int_equal(rf_buf_error(&message), 0);
    rf_links_set_max_message(node->links, sizeof(bytes));
    uint64_t link = rf_overlay_link_of(node->overlay, &net.nodes[0].identity.node_id);
    assert_int_equal(rf_links_send(node->links, link, rf_view_of(bytes, sizeof(bytes))), 0);
    node_net_settle(&net, 1);
    node_net_run(&net, S);
}

static void test_too_large(void **state)
{
    (void)state;
    struct seen seen = {0};
    node_net_init(&net, 1, 1, &rf_engine_gnutls, NULL, NULL);
    start(2, 0);
    rf_node_set_tap(net.nodes[1].node, &(struct rf_node_tap){.ctx = &seen, .frame = see_errors});
    send_large(RF_CODE_PING_REQ);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.code, RF_ERROR_MESSAGE_TOO_LARGE);
    assert_true(seen.transaction_id == 4711);
    assert_int_equal(node_net_counter(&net, 0, "link", "message_too_large"), 1);
    assert_true(net.nodes[1].events[RF_NODE_EVENT_LINK_DOWN] >= 1);
    /* a response is nobody's business */
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    node_net_run(&net, 40 * S);
    send_large(RF_CODE_PING_ANS);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(node_net_counter(&net, 0, "link", "message_too_large"), 2);
    node_net_deinit(&net);
}

/* ---- intermediates ---- */

static void test_intermediates(void **state)
{
    (void)state;
    struct rf_node *alone;
    node_net_init(&net, 2, 1, &rf_engine_gnutls, NULL, NULL);
    assert_int_equal(rf_pki_below(&net.pki), 0);
    assert_int_equal(rf_pki_below(&net.pki), 0);
    start(2, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(node_net_joined(&net, i));
        assert_int_equal(net.nodes[i].node->identity.cert->chain_count, 2);
    }
    /* renewed with what it needs, and without */
    struct net_node *n = &net.nodes[1];
    assert_int_equal(rf_node_renew(n->node, rf_buf_view(&n->cert), net.now), 0);
    struct rf_node_config config = {.mem = rf_mem_system(),
                                    .secret = &net.rng.rng,
                                    .jitter = &net.rng.rng,
                                    .crypto = net.pki.crypto,
                                    .engine_ops = &rf_engine_gnutls,
                                    .conf = net.pki.conf,
                                    .cert_der = n->identity.cert->x509.der,
                                    .key_pem = rf_buf_view(&n->key_pem),
                                    .role = RF_NODE_CLIENT};
    assert_int_equal(rf_node_new(&config, net.now, &alone), RF_EUNTRUSTED);
    config.cert_der = rf_view_of(n->cert.p, n->cert.len - 1);
    assert_int_equal(rf_node_new(&config, net.now, &alone), RF_EFORMAT);
    node_net_kill(&net, 0); /* the others must find each other anew */
    node_net_start(&net, 0);
    assert_true(node_net_until(&net, 120 * S, node_net_all_joined, NULL));
    node_net_deinit(&net);
}

/* ---- Attach: what is asked and what comes back ---- */

struct outcome {
    unsigned answers, errors;
    uint16_t code;
};

static void answered(void *arg, const struct rf_reply *reply)
{
    struct outcome *o = arg;
    o->answers += reply->error == 0;
    o->errors += reply->error == RF_EREMOTE;
    o->code = reply->error_code;
}

static struct rf_ice_candidate candidate_at(const struct rf_addr *addr, uint8_t link, uint32_t priority)
{
    return (struct rf_ice_candidate){.addr = *addr,
                                     .overlay_link = link,
                                     .foundation = rf_view_str("1"),
                                     .priority = priority,
                                     .type = RF_ICE_HOST};
}

static void attach_begin(size_t from, size_t to, const char *role, struct rf_ice_candidate *candidates,
                         size_t count, bool send_update, struct outcome *outcome)
{
    struct rf_attach body = {.role = rf_view_str(role),
                             .candidates = candidates,
                             .candidate_count = count,
                             .send_update = send_update};
    struct rf_buf bytes;
    rf_call_id id;
    rf_buf_init(&bytes, rf_mem_system(), 4096);
    rf_attach_encode(&body, &bytes);
    struct rf_call call = {
        .code = RF_CODE_ATTACH_REQ, .body = rf_buf_view(&bytes), .done = answered, .arg = outcome};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, &id), 0);
    rf_buf_deinit(&bytes);
    node_net_settle(&net, from);
}

static struct outcome attach(size_t from, size_t to, const char *role, struct rf_ice_candidate *candidates,
                             size_t count, bool send_update)
{
    struct outcome outcome = {0};
    attach_begin(from, to, role, candidates, count, send_update, &outcome);
    node_net_run(&net, 20 * S);
    return outcome;
}

/* with the candidate where the sender really is */
static struct outcome plain_attach(size_t from, size_t to, bool send_update)
{
    struct rf_ice_candidate c = candidate_at(&net.nodes[from].addr, RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE, 1);
    return attach(from, to, RF_ATTACH_PASSIVE, &c, 1, send_update);
}

static bool linked(size_t a, size_t b)
{
    return rf_overlay_link_of(net.nodes[a].node->overlay, &net.nodes[b].identity.node_id) != 0;
}

static void assert_refused(struct outcome outcome, uint16_t code)
{
    assert_int_equal(outcome.answers, 0);
    assert_int_equal(outcome.errors, 1);
    assert_int_equal(outcome.code, code);
}

/* One supernode, 0, and two clients, 1 and 2, that are not linked with each other. */
static void two_clients(uint64_t seed)
{
    node_net_init(&net, seed, 1, &rf_engine_plain, NULL, NULL);
    start(1, 2);
    assert_false(linked(1, 2));
}

static void test_roles(void **state)
{
    static const char *const wrong[] = {"active", "", "Passive", "passive ", "actpass"};
    (void)state;
    two_clients(3);
    struct rf_ice_candidate c = candidate_at(&net.nodes[1].addr, RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE, 1);
    for (size_t i = 0; i < RF_COUNT(wrong); i++)
        assert_refused(attach(1, 2, wrong[i], &c, 1, false), RF_ERROR_INVALID_MESSAGE);
    assert_false(linked(1, 2));
    assert_int_equal(plain_attach(1, 2, false).answers, 1);
    assert_true(linked(1, 2));
    node_net_deinit(&net);
}

static struct handler *handler_of(struct rf_node *node, uint16_t code)
{
    for (size_t i = 0; i < node->overlay->handler_count; i++)
        if (node->overlay->handlers[i].code == code)
            return &node->overlay->handlers[i];
    fail_msg("no handler");
    return NULL;
}

/* What the node under attack is told instead of a good answer. */
static struct rf_view bad_answer;

static void answer_badly(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    assert_int_equal(rf_overlay_answer(node->overlay, request, bad_answer, NULL, 0), 0);
}

struct done {
    unsigned count;
    int error;
};

static void app_done(void *arg, int error, rf_link_id conn)
{
    struct done *d = arg;
    (void)conn;
    d->count++;
    d->error = error;
}

/* An answer that is none fails the Attach at once, and is counted. */
static void test_bad_answers(void **state)
{
    static const char *const roles[] = {"passive", "active", NULL};
    (void)state;
    two_clients(4);
    struct rf_node *victim = net.nodes[1].node, *villain = net.nodes[2].node;
    assert_int_equal(rf_node_set_app(victim, 5060, &node_net_deaf_app), 0);
    handler_of(villain, RF_CODE_APP_ATTACH_REQ)->fn = answer_badly;
    for (size_t i = 0; i < RF_COUNT(roles); i++) {
        struct done done = {0};
        struct rf_buf bytes;
        rf_buf_init(&bytes, rf_mem_system(), 4096);
        struct rf_app_attach body = {.application = 5060,
                                     .role = rf_view_str(roles[i] ? roles[i] : "active")};
        rf_app_attach_encode(&body, &bytes);
        bytes.len -= roles[i] == NULL;
        bad_answer = rf_buf_view(&bytes);
        struct rf_app_target target = {.node_id = net.nodes[2].identity.node_id, .application = 5060};
        assert_int_equal(rf_node_app_attach(victim, &target, net.now, app_done, &done), 0);
        node_net_settle(&net, 1);
        node_net_run(&net, S);
        bool good = i == 1; /* well formed: it is waited for a connection, in vain */
        assert_int_equal(done.count, good ? 0 : 1);
        node_net_run(&net, 20 * S);
        assert_int_equal(done.count, 1);
        assert_int_equal(done.error < 0, 1);
        rf_buf_deinit(&bytes);
    }
    assert_int_equal(node_net_counter(&net, 1, "node", "attaches_bad_answer"), 2);
    node_net_deinit(&net);
}

/* ---- candidates ---- */

static unsigned seen_requests;

/* Looks at the candidates that a node offers: host, TLS without ICE, the priorities of 3.7. */
static void see_candidates(void *arg, struct rf_request *request)
{
    struct rf_node *node = arg;
    struct rf_attach body;
    assert_int_equal(rf_attach_decode(request->message->body, request->region, &body), 0);
    assert_int_equal(body.candidate_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct rf_ice_candidate *c = &body.candidates[i];
        assert_int_equal(c->priority, 126 * 0x1000000 + (65535 - (uint32_t)i) * 0x100 + 255);
        assert_int_equal(c->overlay_link, RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE);
        assert_int_equal(c->type, RF_ICE_HOST);
        assert_int_equal(c->addr.port, 6084 + i);
    }
    assert_true(rf_view_equal(body.role, rf_view_str(RF_ATTACH_PASSIVE)));
    seen_requests++;
    rf_overlay_refuse_text(node->overlay, request, RF_ERROR_FORBIDDEN, "seen");
}

static void test_candidates(void **state)
{
    (void)state;
    two_clients(5);
    struct rf_addr nobody = net.nodes[2].addr, *listen = rf_alloc(rf_mem_system(), 3 * sizeof(*listen));
    struct rf_node *node = net.nodes[1].node, *looker = net.nodes[2].node;
    for (int i = 0; i < 3; i++) {
        listen[i] = net.nodes[1].addr;
        listen[i].port = (uint16_t)(6084 + i);
    }
    rf_free(rf_mem_system(), node->listen);
    node->listen = listen;
    node->listen_count = 3;
    struct handler *handler = handler_of(looker, RF_CODE_ATTACH_REQ), usual = *handler;
    handler->fn = see_candidates;
    node_attach_wish(node, &net.nodes[2].identity.node_id, false, NULL, 0, false);
    node_net_settle(&net, 1);
    node_net_run(&net, S);
    assert_int_equal(seen_requests, 1);
    /* of candidates of both sorts only ours is dialled, although it is the least wanted */
    *handler = usual;
    nobody.ip[3] = 77;
    struct rf_ice_candidate mixed[3] = {candidate_at(&nobody, 1, 30), candidate_at(&nobody, 3, 20),
                                        candidate_at(&net.nodes[1].addr, 4, 10)};
    assert_refused(attach(1, 2, RF_ATTACH_PASSIVE, mixed, 2, false), RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(attach(1, 2, RF_ATTACH_PASSIVE, mixed, 3, false).answers, 1);
    assert_int_equal(node_net_counter(&net, 2, "link", "connect_failed"), 0);
    assert_true(linked(1, 2));
    node_net_deinit(&net);
}

/* ---- Attaches that meet ---- */

/* node 2 has an Attach of its own for a resource under way */
static struct attach *own_attach(bool resource, bool promised, size_t peer)
{
    struct rf_node *node = net.nodes[2].node;
    struct attach *a = rf_zalloc(node->env.mem, sizeof(*a));
    a->node = node;
    a->state = ATTACH_EXPECTING;
    a->target =
        resource ? rf_id_add_small(&net.nodes[2].identity.node_id, 1) : net.nodes[peer].identity.node_id;
    a->resource = resource;
    a->promised = promised;
    a->peer = net.nodes[peer].identity.node_id;
    rf_list_push_back(&node->attaches, &a->list);
    node->attach_count++;
    return a;
}

static void own_attach_over(struct attach *a)
{
    rf_list_remove(&a->list);
    a->node->attach_count--;
    rf_free(a->node->env.mem, a);
}

/* Theirs comes while ours, to a Resource-ID or to them, is answered: In_Progress, if they said that they dial us. */
static void test_crossing(void **state)
{
    (void)state;
    for (int resource = 0; resource < 2; resource++) {
        two_clients(6);
        struct attach *ours = own_attach(resource, true, 1);
        assert_refused(plain_attach(1, 2, false), RF_ERROR_IN_PROGRESS);
        assert_false(linked(1, 2));
        own_attach_over(ours);
        /* they said In_Progress: it is theirs that we wait for */
        (void)own_attach(resource, false, 1);
        assert_int_equal(plain_attach(1, 2, false).answers, 1);
        assert_true(linked(1, 2));
        assert_int_equal(net.nodes[2].node->attach_count, 0);
        node_net_deinit(&net);
    }
}

/* node `at` has an Attach of its own to `peer` under way, in this state */
static struct attach *own_in_state(size_t at, size_t peer, enum attach_state state)
{
    struct attach *a = attach_new(net.nodes[at].node, &net.nodes[peer].identity.node_id, false, 0);
    assert_non_null(a);
    a->state = state;
    a->called_us = net.now.mono_us;
    return a;
}

/* Where no request of ours has left yet theirs is served, whoever has the larger Node-ID. */
static void test_nothing_sent_yet(void **state)
{
    static const enum attach_state states[] = {ATTACH_WAITING, ATTACH_STANDING, ATTACH_GATHERING};
    (void)state;
    for (size_t i = 0; i < RF_COUNT(states); i++) {
        two_clients(6);
        bool larger = rf_id_compare(&net.nodes[1].identity.node_id, &net.nodes[2].identity.node_id) > 0;
        size_t at = larger ? 1 : 2, from = larger ? 2 : 1;
        (void)own_in_state(at, from, states[i]);
        assert_int_equal(plain_attach(from, at, false).answers, 1);
        assert_true(linked(1, 2));
        assert_int_equal(net.nodes[at].node->attach_count, 0); /* it was good for ours, too */
        node_net_deinit(&net);
    }
}

/* Ours gives way when theirs is accepted, not before; and if that comes to nothing, ours is asked after all. */
static void test_gives_way(void **state)
{
    (void)state;
    two_clients(6);
    struct rf_node *node = net.nodes[2].node;
    struct rf_addr nobody = net.nodes[1].addr;
    nobody.ip[3] = 77;
    net.dead = nobody;
    struct rf_ice_candidate bad = candidate_at(&nobody, RF_OVERLAY_LINK_DTLS_UDP_SR_NO_ICE, 1),
                            dead = candidate_at(&nobody, RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE, 1);
    struct attach *ours = own_in_state(2, 1, ATTACH_CALLING);
    ours->called_us = 0;
    struct outcome outcome = {0};
    attach_begin(1, 2, RF_ATTACH_PASSIVE, &bad, 1, false, &outcome);
    node_net_run(&net, S);
    assert_refused(outcome, RF_ERROR_INVALID_MESSAGE);
    assert_int_equal(ours->state, ATTACH_CALLING);
    outcome = (struct outcome){0};
    attach_begin(1, 2, RF_ATTACH_PASSIVE, &dead, 1, false, &outcome);
    node_net_run(&net, S);
    assert_int_equal(outcome.answers, 1);
    assert_int_equal(ours->state, ATTACH_EXPECTING);
    node_net_run(&net, 8 * S); /* nobody is there: he who was to be dialled is asked to dial */
    assert_true(linked(1, 2));
    assert_int_equal(node->attach_count, 0);
    node_net_deinit(&net);
}

/* Two dials to one node, as when both sides' Attaches to Resource-IDs cross: the one that is not up yet is given up. */
static void test_one_link_of_two_dials(void **state)
{
    (void)state;
    two_clients(7);
    struct rf_addr nobody = net.nodes[1].addr;
    rf_link_id link;
    nobody.ip[3] = 77;
    struct rf_ice_candidate c = candidate_at(&nobody, RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE, 1);
    struct rf_node *node = net.nodes[2].node;
    net.dead = nobody; /* connections there get no answer at all */
    struct outcome outcome = {0};
    attach_begin(1, 2, RF_ATTACH_PASSIVE, &c, 1, false, &outcome);
    node_net_run(&net, S);
    assert_int_equal(outcome.answers, 1);
    assert_int_equal(node->dial_count, 1);
    assert_int_equal(
        rf_links_connect(net.nodes[1].node->links, &net.nodes[2].addr, 1, NULL, RF_LINK_OVERLAY, 0, &link),
        0);
    node_net_settle(&net, 1);
    node_net_run(&net, S);
    assert_true(linked(1, 2));
    assert_int_equal(node->dial_count, 0);
    assert_int_equal(rf_links_count(node->links, RF_LINK_CONNECTING), 0);
    node_net_deinit(&net);
}

/* A second Attach of one that is linked: In_Progress; the link is suspect: answered, and there is another one. */
static void test_linked_already(void **state)
{
    (void)state;
    two_clients(8);
    struct rf_node *node = net.nodes[2].node;
    assert_int_equal(plain_attach(1, 2, false).answers, 1);
    rf_link_id first = rf_overlay_link_of(node->overlay, &net.nodes[1].identity.node_id);
    assert_true(first != 0);
    assert_refused(plain_attach(1, 2, true), RF_ERROR_IN_PROGRESS);
    assert_true(rf_overlay_link_of(node->overlay, &net.nodes[1].identity.node_id) == first);
    link_find(node->links, first)->suspect = true; /* nothing has been acknowledged for a while */
    rf_overlay_link_suspect(node->overlay, first, true);
    assert_int_equal(plain_attach(1, 2, false).answers, 1);
    assert_true(rf_overlay_link_of(node->overlay, &net.nodes[1].identity.node_id) != first);
    node_net_deinit(&net);
}

/* No room for another link: told so at once, and not answered as if there were. */
static void test_full(void **state)
{
    (void)state;
    two_clients(9);
    struct rf_node *node = net.nodes[2].node;
    size_t before = node->links->config.max_links;
    node->links->config.max_links = node->links->map.count;
    assert_refused(plain_attach(1, 2, true), RF_ERROR_FORBIDDEN);
    assert_int_equal(node_net_counter(&net, 2, "node", "attaches_refused_full"), 1);
    assert_int_equal(node->dial_count, 0);
    node->links->config.max_links = before;
    assert_int_equal(plain_attach(1, 2, true).answers, 1);
    assert_true(linked(1, 2));
    node_net_deinit(&net);
}

/* ---- num_resources of Probe ---- */

struct probed {
    unsigned count;
    uint32_t resources;
};

static void probe_answered(void *arg, const struct rf_reply *reply)
{
    struct probed *p = arg;
    struct rf_view infos;
    struct rf_probe_info info;
    assert_int_equal(reply->error, 0);
    assert_int_equal(rf_probe_ans_decode(reply->body, &infos), 0);
    assert_int_equal(rf_probe_info_next(&infos, &info), 0);
    assert_int_equal(info.type, RF_PROBE_NUM_RESOURCES);
    assert_int_equal(infos.len, 0);
    p->count++;
    p->resources = info.number;
}

static uint32_t probe(size_t from, size_t to)
{
    static const uint8_t wanted[] = {1, RF_PROBE_NUM_RESOURCES}; /* list8 of one */
    struct probed p = {0};
    rf_call_id id;
    struct rf_call call = {.code = RF_CODE_PROBE_REQ,
                           .body = rf_view_of(wanted, sizeof(wanted)),
                           .done = probe_answered,
                           .arg = &p};
    rf_call_to_node(&call, &net.nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net.nodes[from].node->overlay, &call, &id), 0);
    node_net_settle(&net, from);
    node_net_run(&net, S);
    assert_int_equal(p.count, 1);
    return p.resources;
}

/* The only supernode holds everybody's: the registration and the certificates of each user and node, each resource once. */
static void test_num_resources(void **state)
{
    (void)state;
    two_clients(10);
    struct rf_store_stats stats;
    uint32_t before = probe(1, 0);
    rf_store_stats(net.nodes[0].node->store, &stats);
    assert_int_equal(before, stats.resource_count);
    size_t i = node_net_add(&net, "another", RF_NODE_CLIENT);
    node_net_start(&net, i);
    rf_node_register(net.nodes[i].node, true, net.now);
    node_net_settle(&net, i);
    node_net_run(&net, 20 * S);
    rf_store_stats(net.nodes[0].node->store, &stats);
    assert_int_equal(probe(1, 0), stats.resource_count);
    assert_int_equal(stats.resource_count, before + 2); /* its user's and its node's */
    assert_int_equal(probe(0, 1), 0);                   /* a client stores nothing for others */
    node_net_deinit(&net);
}

/* ---- memory ---- */

/* Counts the bytes that are allocated; each block begins with its size. */
struct counted {
    struct rf_mem mem;
    size_t bytes;
};

#define COUNTED_HEAD 16

static void *counted_resize(void *ctx, void *ptr, size_t size)
{
    struct counted *c = ctx;
    uint8_t *block = ptr != NULL ? (uint8_t *)ptr - COUNTED_HEAD : NULL;
    size_t old = 0;
    if (block != NULL)
        memcpy(&old, block, sizeof(old));
    c->bytes += size - old;
    if (size == 0) {
        free(block);
        return NULL;
    }
    block = realloc(block, COUNTED_HEAD + size);
    assert_non_null(block);
    memcpy(block, &size, sizeof(size));
    return block + COUNTED_HEAD;
}

/* What an idle, registered client costs, without TLS and certificates: on its own side, and on its supernode's. */
static void test_idle_client_memory(void **state)
{
    enum { CLIENTS = 20 };
    (void)state;
    struct counted mem[1 + CLIENTS];
    struct rf_store_stats stats;
    node_net_init(&net, 11, 1, &rf_engine_plain, NULL, NULL);
    start(1, 0);
    node_net_kill(&net, 0);
    for (size_t i = 0; i <= CLIENTS; i++) {
        mem[i] = (struct counted){.mem = {counted_resize, &mem[i]}};
        if (i > 0)
            node_net_add(&net, "client", RF_NODE_CLIENT);
        net.nodes[i].mem = &mem[i].mem;
    }
    node_net_start(&net, 0);
    node_net_run(&net, 60 * S);
    size_t alone = mem[0].bytes;
    rf_store_stats(net.nodes[0].node->store, &stats);
    size_t stored = stats.bytes;
    for (size_t i = 1; i <= CLIENTS; i++) {
        node_net_start(&net, i);
        rf_node_register(net.nodes[i].node, true, net.now);
        node_net_settle(&net, i);
    }
    node_net_run(&net, 120 * S);
    assert_true(node_net_all_joined(&net, NULL));
    rf_store_stats(net.nodes[0].node->store, &stats);
    for (size_t i = 1; i <= CLIENTS; i++)
        assert_in_range(mem[i].bytes, 1000, 14000); /* 11.6 kB when nothing was sent since the last upkeep */
    assert_true(stats.bytes > stored);
    assert_in_range((mem[0].bytes - alone) / CLIENTS, 1000,
                    6700); /* two stored certificates, a registration and kept answers included */
    node_net_deinit(&net);
    for (size_t i = 0; i <= CLIENTS; i++)
        assert_int_equal(mem[i].bytes, 0);
}

/* ---- a computer that moves ---- */

/* Links that leave from an address that is gone end at once, and it finds its way back; where the address is still there nothing ends. */
static void test_moved(void **state)
{
    (void)state;
    struct rf_addr elsewhere[2];
    node_net_init(&net, 3, 1, &rf_engine_plain, NULL, NULL);
    start(2, 0);
    assert_int_equal(rf_addr_parse("10.9.9.9:0", 0, &elsewhere[0]), 0);
    elsewhere[1] = net.nodes[1].addr;
    elsewhere[1].port = 0;
    unsigned downs = net.nodes[1].events[RF_NODE_EVENT_LINK_DOWN];
    rf_node_moved(net.nodes[1].node, elsewhere, 2, net.now);
    node_net_settle(&net, 1);
    node_net_run(&net, 5 * S);
    assert_int_equal(net.nodes[1].events[RF_NODE_EVENT_LINK_DOWN], downs);
    rf_node_moved(net.nodes[1].node, elsewhere, 1, net.now);
    node_net_settle(&net, 1);
    node_net_run(&net, S / 100);
    assert_true(net.nodes[1].events[RF_NODE_EVENT_LINK_DOWN] > downs);
    assert_true(node_net_until(&net, 60 * S, node_net_all_joined, NULL));
    node_net_run(&net, 30 * S);
    assert_true(rf_overlay_link_of(net.nodes[1].node->overlay, &net.nodes[0].identity.node_id) != 0);
    node_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_intermediates),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_nothing_sent_yet),
        cmocka_unit_test(test_gives_way),
        cmocka_unit_test(test_one_link_of_two_dials),
        cmocka_unit_test(test_linked_already),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_num_resources),
        cmocka_unit_test(test_idle_client_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
