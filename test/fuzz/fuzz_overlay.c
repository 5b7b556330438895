/*
 * fuzz_overlay.c - one overlay (bob of the vectors) between two links, and everything that may come over them.
 *
 * The first byte: bit 0 every signature verifies, bit 1 lengths in headers are made right, bit 2 it is a client, bit 3 its
 * links take small messages only, one smaller than the other, bit 4 responses get the transaction ID of its last call, bit 5 handlers defer. The second byte: so many allocations are
 * granted (255: all). Then steps: 0, 1 a message over that link (length u16, bytes); 2 so many tenths of a second pass; 3 a call; 4 a link
 * goes or comes; 5 what was deferred is answered; 6 the last call is cancelled; 7 a trace.
 */
#include <stdio.h>
#include <stdlib.h>
#include "crypto/openssl/openssl.h"
#include "overlay/internal.h"
#include "support/vector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define WALL_MS      UINT64_C(1750000000000)
#define MAX_DEFERRED 8

static struct rf_crypto *crypto;
static const struct rf_crypto_ops *real_ops;
static struct rf_crypto_ops lenient_ops;
static struct rf_trust *trust;
static struct rf_conf *conf;
static struct rf_identity bob;
static struct rf_id nodes[2]; /* alice, dave */

static struct {
    struct rf_overlay *overlay;
    struct rf_now now;
    struct rf_env env;
    struct rf_timers timers;
    uint8_t flags;
    bool up[2];
    struct rf_request *deferred[MAX_DEFERRED];
    size_t deferred_count, started, ended;
    rf_call_id last_call;
} run;

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fuzz_overlay: %s\n", what);
    abort();
}

/* ---- a topology of three ---- */

struct rf_topology {
    struct rf_mem *mem;
};

static int topology_create(const struct rf_env *env, const struct rf_topology_params *params,
                           const struct rf_topology_host *host, struct rf_topology **out)
{
    (void)params, (void)host;
    *out = rf_zalloc(env->mem, sizeof(**out));
    if (*out == NULL)
        return RF_ENOMEM;
    (*out)->mem = env->mem;
    return 0;
}

static void topology_destroy(struct rf_topology *t)
{
    rf_free(t->mem, t);
}

static void topology_link_up(struct rf_topology *t, const struct rf_conn *conn, bool bootstrap)
{
    (void)t, (void)conn, (void)bootstrap;
}

static void topology_link_down(struct rf_topology *t, const struct rf_conn *conn, int reason)
{
    (void)t, (void)conn, (void)reason;
}

static void topology_unresponsive(struct rf_topology *t, const struct rf_id *node)
{
    (void)t, (void)node;
}

static bool topology_responsible(const struct rf_topology *t, const struct rf_id *key)
{
    (void)t;
    return key->b[0] >= 0xa2 && key->b[0] <= 0xb0;
}

static bool topology_next_hop(const struct rf_topology *t, const struct rf_id *key, struct rf_id *out)
{
    (void)t;
    *out = nodes[key->b[0] > 0xb0];
    return true;
}

static bool topology_as_close(const struct rf_topology *t, const struct rf_id *signer,
                              const struct rf_id *key)
{
    (void)t, (void)key;
    return signer->b[0] > 0x20;
}

static size_t topology_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max)
{
    (void)t, (void)out, (void)max;
    return 0;
}

static double topology_share(const struct rf_topology *t)
{
    (void)t;
    return 0.5;
}

static const struct rf_topology_ops ops = {
    .name = "THREE",
    .create = topology_create,
    .destroy = topology_destroy,
    .link_up = topology_link_up,
    .link_down = topology_link_down,
    .unresponsive = topology_unresponsive,
    .responsible = topology_responsible,
    .in_range = topology_responsible,
    .next_hop = topology_next_hop,
    .as_close = topology_as_close,
    .status = topology_status,
    .share = topology_share,
};

/* ---- what is there once ---- */

static int verify_all(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                      const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    (void)c, (void)key, (void)alg, (void)parts, (void)part_count, (void)signature;
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char scalar[] = "\x2c\xaf\x1b\xcc\xba\x2e\x2f\x82\x43\x01\x04\xce\x9f\xfe\xa2\x75"
                                 "\xfc\xac\x43\xdc\xc7\x12\xab\x85\x0e\x57\x33\xa2\x64\xdb\x97\xd7";
    const uint64_t seed[2] = {1, 2};
    struct rf_buf xml, der;
    struct rf_cert *cert;
    struct rf_key *key;
    (void)argc;
    (void)argv;
    crypto = rf_crypto_openssl_new(rf_mem_system());
    real_ops = crypto->ops;
    lenient_ops = *real_ops;
    lenient_ops.verify = verify_all;
    rf_buf_init(&xml, rf_mem_system(), 1 << 20);
    rf_buf_init(&der, rf_mem_system(), 1 << 20);
    rf_vector_read("config.xml", &xml);
    rf_vector_read("cert_bob", &der);
    check(rf_conf_parse(crypto, rf_mem_system(), rf_buf_view(&xml), rf_view_str("example.org"), &conf, NULL,
                        0) == 0,
          "document");
    check(rf_trust_new(crypto, rf_mem_system(), seed, 100, &trust) == 0 && rf_conf_trust(conf, trust) == 0,
          "trust");
    check(rf_trust_cert(trust, rf_buf_view(&der), NULL, 0, WALL_MS, &cert) == 0, "certificate");
    check(crypto->ops->key_from_raw(crypto, RF_KEY_P256, rf_view_of(scalar, 32), &key) == 0, "key");
    check(rf_identity_init(&bob, crypto, key, cert, &cert->node_ids[0]) == 0, "identity");
    rf_cert_release(cert);
    rf_buf_deinit(&xml);
    rf_buf_deinit(&der);
    check(rf_id_parse("a11ce000000000000000000000000001", &nodes[0]) == 0, "alice");
    check(rf_id_parse("da5e0000000000000000000000000003", &nodes[1]) == 0, "dave");
    return 0;
}

/* ---- one run ---- */

static size_t host_max_message(void *ctx, uint64_t link)
{
    (void)ctx;
    if ((run.flags & 8) == 0)
        return 0;
    return link == 1 ? 700 : 1155;
}

static int host_send(void *ctx, uint64_t link, struct rf_view message)
{
    struct rf_view rest = message;
    struct rf_header header;
    check(link == 1 || link == 2, "sent on a link that is not there");
    check(rf_header_decode(&rest, 16, &header) == 0, "sent what is malformed");
    check(message.len <= conf->max_message_size, "sent what is too large");
    size_t max = host_max_message(ctx, link);
    if (max != 0 && message.len > max) {
        check(message.len - rest.len + 2 * RF_FRAGMENT_MIN_LEN > max, "not cut, though it could have been");
        return RF_ELIMIT;
    }
    return run.up[link - 1] ? 0 : RF_ENOTFOUND;
}

static void host_configured(void *ctx, struct rf_conf *next)
{
    (void)ctx, (void)next;
}

static void host_disconnect(void *ctx, uint64_t link)
{
    (void)ctx;
    run.up[link - 1] = false;
}

static void on_request(void *arg, struct rf_request *request)
{
    struct rf_overlay *o = arg;
    (void)rf_overlay_room(o, request);
    if ((run.flags & 0x20) != 0 && run.deferred_count < MAX_DEFERRED) {
        struct rf_request *later = rf_overlay_defer(o, request);
        if (later != NULL)
            run.deferred[run.deferred_count++] = later;
    } else if (request->message->body.len % 2 == 0) {
        (void)rf_overlay_answer(o, request, request->message->body, request->message->security.certs, 1);
    } else {
        (void)rf_overlay_refuse(o, request, RF_ERROR_FORBIDDEN, request->message->body);
    }
}

static void on_reply(void *arg, const struct rf_reply *reply)
{
    (void)arg;
    check(reply->error != 0 || reply->message != NULL, "a reply without an answer");
    run.ended++;
}

static void on_traced(void *arg, int error)
{
    (void)arg, (void)error;
    run.ended++;
}

static void start_call(uint8_t choice)
{
    struct rf_call call = {.code = choice & 0x80 ? RF_CODE_PING_REQ : RF_CODE_STORE_REQ, .done = on_reply};
    struct rf_id key = nodes[choice & 1];
    key.b[0] = choice;
    if (choice & 0x40)
        rf_call_to_resource(&call, &key);
    else
        rf_call_to_node(&call, &nodes[choice & 1]);
    call.link = choice & 0x20 ? (choice & 1) + 1 : 0;
    run.started += rf_overlay_call(run.overlay, &call, &run.last_call) == 0;
}

static void toggle(size_t i)
{
    run.up[i] = !run.up[i];
    if (run.up[i])
        rf_overlay_link_up(run.overlay, i + 1, &nodes[i], i == 0, false);
    else
        rf_overlay_link_down(run.overlay, i + 1, RF_ECLOSED);
}

static void answer_deferred(void)
{
    for (size_t i = 0; i < run.deferred_count; i++) {
        if (i % 2 == 0)
            (void)rf_overlay_answer(run.overlay, run.deferred[i], rf_view_str("late"), NULL, 0);
        else
            rf_overlay_drop(run.overlay, run.deferred[i]);
    }
    run.deferred_count = 0;
}

/* A message in a block of its own, changed as the flags say. */
static void message_in(size_t link, struct rf_view bytes)
{
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    struct rf_buf fix;
    memcpy(copy, bytes.p, bytes.len);
    if ((run.flags & 2) != 0 && bytes.len >= RF_HEADER_MIN_LEN) {
        rf_buf_fixed(&fix, copy + 16, 4);
        rf_buf_u32(&fix, (uint32_t)bytes.len);
    }
    if ((run.flags & 0x10) != 0 && bytes.len >= RF_HEADER_MIN_LEN &&
        !rf_list_empty(&run.overlay->calls.list)) {
        rf_buf_fixed(&fix, copy + 20, 8);
        rf_buf_u64(&fix, RF_LIST_ENTRY(run.overlay->calls.list.prev, struct call, list)->transaction_id);
    }
    rf_overlay_receive(run.overlay, link, rf_view_of(copy, bytes.len));
    free(copy);
}

static void pass(uint64_t us)
{
    run.now.mono_us += us;
    run.now.wall_ms += us / RF_US_PER_MS;
    rf_timers_run(&run.timers, run.now.mono_us, 10000);
}

static void step(uint8_t op, struct rf_view *in)
{
    uint8_t byte = 0;
    uint16_t len = 0;
    struct rf_view bytes;
    if (op % 8 < 2) {
        (void)rf_view_u16(in, &len);
        if (rf_view_take(in, len < in->len ? len : in->len, &bytes) == 0)
            message_in(op % 8 + 1, bytes);
        return;
    }
    (void)rf_view_u8(in, &byte);
    if (op % 8 == 2)
        pass(byte * RF_US_PER_S / 10);
    else if (op % 8 == 3)
        start_call(byte);
    else if (op % 8 == 4)
        toggle(byte & 1);
    else if (op % 8 == 5)
        answer_deferred();
    else if (op % 8 == 6)
        rf_overlay_cancel(run.overlay, run.last_call);
    else
        run.started += rf_overlay_trace(run.overlay, &nodes[byte & 1], byte & 2, NULL, on_traced, NULL) == 0;
}

static void begin(struct rf_mem *mem, struct rf_rng_seeded *rng)
{
    run.env = (struct rf_env){
        .mem = mem, .timers = &run.timers, .now = &run.now, .secret = &rng->rng, .jitter = &rng->rng};
    struct rf_overlay_config config;
    struct rf_overlay_host host = {.send = host_send,
                                   .max_message = host_max_message,
                                   .configured = host_configured,
                                   .disconnect = host_disconnect};
    rf_overlay_config_default(&config);
    config.conf = conf;
    config.crypto = crypto;
    config.trust = trust;
    config.identity = &bob;
    config.role = run.flags & 4 ? RF_ROLE_CLIENT : RF_ROLE_PEER;
    config.topology = &ops;
    check(rf_overlay_new(&run.env, &config, &host, &run.overlay) == 0, "no overlay");
    for (uint16_t code = 1; code < 0x40; code += 2) /* but those that it answers by itself */
        (void)rf_overlay_handle(run.overlay, code, on_request, run.overlay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = rf_view_of(data, size);
    struct rf_mem_test mem;
    struct rf_rng_seeded rng;
    uint8_t allowed = 255, op;
    memset(&run, 0, sizeof(run));
    (void)rf_view_u8(&in, &run.flags);
    (void)rf_view_u8(&in, &allowed);
    crypto->ops = run.flags & 1 ? &lenient_ops : real_ops;
    run.now = (struct rf_now){1000 * RF_US_PER_S, WALL_MS};
    rf_mem_test_init(&mem);
    rf_rng_seeded_init(&rng, 1);
    rf_timers_init(&run.timers, rf_mem_system());
    begin(&mem.mem, &rng);
    toggle(0);
    toggle(1);
    mem.allowed = allowed == 255 ? SIZE_MAX : allowed;
    while (rf_view_u8(&in, &op) == 0)
        step(op, &in);
    pass(60 * RF_US_PER_S);
    rf_overlay_free(run.overlay);
    check(run.started == run.ended, "a call that did not end once");
    check(mem.live_count == 0, "memory left");
    rf_timers_deinit(&run.timers);
    return 0;
}
