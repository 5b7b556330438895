/*
 * fuzz_overlay_watch.c - a home under anybody's Watch requests, leases, Events, rosters and entries. The input is a list of commands: bodies of exp_a as they come or
 * with a tag put before them; values of the Kinds of conversations, signed; time that passes; a watcher that is away. In the end, when every lease has ended, nothing of
 * them is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "overlay/watch.h"
#include "support/store_net.h"
#include "usage/chatlog.h"
#include "wire/store.h"

static struct sn_net net;
static struct sn_node *peers[2], *clients[2];
static uint8_t id[RF_CONVERSATION_LEN];
static struct rf_id resource, inbox;
static struct sn_reply reply;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t take(struct rf_view *in)
{
    uint8_t v = 0;
    (void)rf_view_u8(in, &v);
    return v;
}

static struct rf_view take_some(struct rf_view *in)
{
    size_t len = take(in);
    struct rf_view some = {in->p, len < in->len ? len : in->len};
    *in = rf_view_of(in->p + some.len, in->len - some.len);
    return some;
}

static void on_exp_a(void *arg, struct rf_request *request)
{
    struct sn_node *n = arg;
    if (!rf_store_watch_request(n->store, request))
        rf_overlay_refuse_text(n->overlay, request, RF_ERROR_INVALID_MESSAGE, "not known here");
}

static void on_told(void *arg, const struct rf_watch_told *told)
{
    (void)arg;
    RF_ASSERT(told->outcome < RF_WATCH_OUTCOMES);
}

static struct sn_node *add(const char *user, const char *node_id, bool peer)
{
    struct sn_node *n = sn_add(&net, user, node_id, peer, NULL);
    RF_ASSERT(rf_chatlog_kinds(n->store) == 0);
    RF_ASSERT(rf_overlay_handle(n->overlay, RF_CODE_EXP_A_REQ, on_exp_a, n) == 0);
    return n;
}

static void send(struct sn_node *from, struct sn_node *to, uint16_t code, struct rf_view body)
{
    struct sn_raw raw = {.from = from, .to = to, .code = code, .body = body, .to_node = true};
    sn_request(&net, &raw, &reply);
    RF_ASSERT(reply.error == 0 || reply.error == RF_EREMOTE || reply.error == RF_ETIMEOUT);
}

/* A body; with a tag, and places that are there, where the input says so. */
static void request(struct rf_view *in)
{
    static const char *const tags[4] = {"RFwq", "RFev", "RFwh", ""};
    struct sn_node *from = take(in) & 1 ? peers[1] : clients[0], *to = take(in) & 1 ? peers[0] : clients[1];
    uint8_t how = take(in), bytes[512];
    struct rf_buf buf;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_buf_str(&buf, tags[how & 3]);
    if ((how & 4) != 0) { /* a Watch for one place */
        struct rf_watch_item item = {.resource = rf_id_view(how & 8 ? &resource : &inbox),
                                     .kind = RF_KIND_ROSTER + (how >> 4) % 5,
                                     .next = how};
        struct rf_watch_ask ask = {.lease_s = take(in), .items = &item, .item_count = 1};
        rf_buf_reset(&buf);
        rf_watch_ask_encode(&ask, &buf);
        from = clients[how >> 7];
        to = peers[0];
    } else {
        rf_buf_view_put(&buf, take_some(in));
    }
    send(from, to, RF_CODE_EXP_A_REQ, rf_buf_view(&buf));
}

static void value(struct rf_view *in)
{
    uint8_t how = take(in), bytes[1024], req_bytes[1600];
    struct sn_node *writer = clients[how & 1];
    const struct rf_kind_def *kind = rf_conf_kind(net.pki.conf, RF_KIND_ROSTER + (how >> 1) % 4);
    struct rf_view slot = kind->model == RF_MODEL_SINGLE  ? rf_view_of(NULL, 0)
                          : kind->model == RF_MODEL_ARRAY ? rf_view_of("\xff\xff\xff\xff", 4)
                                                          : rf_id_view(&writer->identity.node_id);
    struct rf_roster roster = {
        .creator = rf_principal(&(struct rf_signer){clients[0]->identity.cert, clients[0]->identity.node_id}),
        .previous = rf_view_of("01234567890123456789012345678901", 32),
        .nonce = rf_view_of("0123456789abcdef", 16),
        .sequence = how >> 6};
    uint8_t tag[RF_ROSTER_TAG_LEN];
    struct rf_buf content, data, body;
    rf_buf_fixed(&content, bytes, sizeof(bytes));
    if (kind->id == RF_KIND_ROSTER && (how & 8) != 0) {
        RF_ASSERT(rf_conversation_tag(net.pki.crypto, id, roster.creator, tag) == 0);
        roster.admins = rf_view_of(tag, sizeof(tag));
        rf_roster_encode(&roster, &content);
    } else {
        rf_buf_view_put(&content, take_some(in));
    }
    rf_buf_init(&data, rf_mem_system(), 4096);
    rf_buf_fixed(&body, req_bytes, sizeof(req_bytes));
    if (rf_stored_value_put(&writer->identity, how & 16 ? &inbox : &resource, kind, slot, true,
                            rf_buf_view(&content), net.now.wall_ms, 100, &data) == 0) {
        struct rf_kind_values values = {.kind = kind->id, .values = rf_buf_view(&data)};
        struct rf_store_req req = {rf_id_view(how & 16 ? &inbox : &resource), 0, &values, 1};
        rf_store_req_encode(&req, &body);
        if (rf_buf_error(&body) == 0)
            send(writer, peers[how >> 7], RF_CODE_STORE_REQ, rf_buf_view(&body));
    }
    rf_buf_deinit(&data);
}

static void command(struct rf_view *in)
{
    switch (take(in) % 8) {
    case 0:
        sn_run(&net, (uint64_t)take(in) * 100000);
        break;
    case 1:
        clients[1]->alive = !clients[1]->alive;
        break;
    case 2:
        (void)rf_watch_add(clients[1]->store, &resource, RF_KIND_LOG, take(in), 0, on_told, NULL);
        rf_watch_online(clients[1]->store, take(in) & 1);
        break;
    case 3:
        rf_watch_remove(clients[1]->store, &resource, RF_KIND_LOG);
        break;
    case 4:
    case 5:
        value(in);
        break;
    default:
        request(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = {data, size};
    if (peers[0] == NULL) {
        sn_init(&net, NULL, 0);
        peers[0] = add("p80@example.org", "80", true);
        peers[1] = add("pc0@example.org", "c0", true);
        clients[0] = add("alice@example.org", "a1", false);
        clients[1] = add("bob@example.org", "b1", false);
        sn_ring_changed(&net, NULL, NULL);
        RF_ASSERT(rf_conversation_id(net.pki.crypto, rf_view_of("0123456789abcdef", 16),
                                     rf_view_str("alice@example.org"), id) == 0);
        RF_ASSERT(rf_conversation_resource(net.pki.crypto, id, net.pki.conf->id_len, &resource) == 0);
        inbox = sn_hash(&net, "alice@example.org");
    }
    net.wall_base_ms = net.pki.wall_ms - net.now.mono_us / 1000; /* certificates end */
    sn_run(&net, 1000);
    for (int i = 0; i < 16 && in.len > 0; i++)
        command(&in);
    rf_watch_remove(clients[1]->store, &resource, RF_KIND_LOG);
    clients[1]->alive = true;
    sn_run(&net, UINT64_C(7) * 3600 * RF_US_PER_S); /* no lease is longer than six hours */
    for (size_t i = 0; i < 2; i++) {
        struct rf_watch_stats stats;
        rf_watch_stats(peers[i]->store, &stats);
        RF_ASSERT(stats.leases == 0 && stats.watchers == 0 && stats.watched == 0);
    }
    return 0;
}
