/*
 * bench_store.c - how many Stores and Fetches per second and core one supernode's storage does, without transport, links and disk.
 *
 *     bench_store [USERS]     default 4,000 users with one SIP registration each
 *
 * cold: the signer's certificate was never seen (it is decoded and its chain checked); warm: it is in the cache. In a running supernode
 * the message around a Store has warmed the cache already. What the message itself costs is bench_forward's and bench_super's business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/error.h"
#include "overlay/overlay.h"
#include "overlay/store.h"
#include "support/pki.h"
#include "wire/store.h"

#define KIND UINT32_C(0x1) /* SIP-REGISTRATION */

struct user {
    struct rf_identity identity;
    struct rf_id resource;
    uint8_t body[2][512]; /* Store requests: first, refreshed */
    size_t body_len[2];
    struct rf_cert *cert; /* as the message's verification left it */
};

static struct rf_pki pki;
static struct user *users;
static size_t user_count = 4000;
static struct rf_now now = {.mono_us = 1000000, .wall_ms = RF_PKI_WALL_MS};
static struct rf_request_fn_entry {
    rf_request_fn fn;
    void *arg;
} handlers[128];
static uint64_t answered, refused;
static size_t answer_len;

static void must(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "bench_store: %s: %s\n", what, rf_error_text(error));
    exit(1);
}

/* ---- below the storage: a ring of one, answers that go nowhere ---- */

static bool yes(const struct rf_topology *t, const struct rf_id *key)
{
    (void)t, (void)key;
    return true;
}
static bool single(const struct rf_topology *t)
{
    (void)t;
    return true;
}
static size_t nobody(const struct rf_topology *t, struct rf_id *out, size_t max)
{
    (void)t, (void)out, (void)max;
    return 0;
}
static size_t no_status(const struct rf_topology *t, struct rf_topology_status_entry *out, size_t max)
{
    (void)t, (void)out, (void)max;
    return 0;
}
static enum rf_topology_state joined(const struct rf_topology *t)
{
    (void)t;
    return RF_TOPOLOGY_JOINED;
}
static const struct rf_topology_ops topology = {.responsible = yes,
                                                .should_hold = yes,
                                                .ring_is_single = single,
                                                .replicas = nobody,
                                                .status = no_status,
                                                .state = joined};

const struct rf_topology_ops *rf_overlay_topology(const struct rf_overlay *overlay, struct rf_topology **t)
{
    (void)overlay;
    *t = NULL;
    return &topology;
}
int rf_overlay_handle(struct rf_overlay *overlay, uint16_t code, rf_request_fn fn, void *arg)
{
    (void)overlay;
    handlers[code] = (struct rf_request_fn_entry){fn, arg};
    return 0;
}
int rf_overlay_answer(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                      const struct rf_view *certs, size_t cert_count)
{
    (void)overlay, (void)request;
    answered++;
    answer_len += body.len;
    for (size_t i = 0; i < cert_count; i++)
        answer_len += certs[i].len;
    return 0;
}
int rf_overlay_refuse(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                      struct rf_view info)
{
    (void)overlay, (void)request, (void)error_code, (void)info;
    refused++;
    return 0;
}
int rf_overlay_refuse_text(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                           const char *text)
{
    return rf_overlay_refuse(overlay, request, error_code, rf_view_str(text));
}
void rf_overlay_refuse_malformed(struct rf_overlay *overlay, struct rf_request *request, int error,
                                 const char *text)
{
    (void)error;
    rf_overlay_refuse_text(overlay, request, 0, text);
}
size_t rf_overlay_room(struct rf_overlay *overlay, const struct rf_request *request)
{
    (void)overlay, (void)request;
    return 3800;
}
struct rf_request *rf_overlay_defer(struct rf_overlay *overlay, struct rf_request *request)
{
    (void)overlay;
    return request;
}
void rf_overlay_drop(struct rf_overlay *overlay, struct rf_request *deferred)
{
    (void)overlay, (void)deferred;
}
int rf_overlay_call(struct rf_overlay *overlay, const struct rf_call *call, rf_call_id *out)
{
    (void)overlay, (void)call, (void)out;
    return RF_EUNREACHABLE;
}
void rf_overlay_cancel(struct rf_overlay *overlay, rf_call_id id)
{
    (void)overlay, (void)id;
}
void rf_call_to_node(struct rf_call *call, const struct rf_id *id)
{
    (void)call, (void)id;
}
void rf_call_to_resource(struct rf_call *call, const struct rf_id *id)
{
    (void)call, (void)id;
}

/* ---- requests ---- */

static void make_user(struct user *u, size_t number)
{
    char name[40];
    snprintf(name, sizeof(name), "user%zu@example.org", number);
    must(rf_pki_node(&pki, name, NULL, RF_KEY_P256, &u->identity), "a certificate");
    struct rf_view part = rf_view_str(name);
    must(rf_overlay_hash(pki.crypto, &part, 1, 16, &u->resource), "a hash");
    const struct rf_kind_def *kind = rf_conf_kind(pki.conf, KIND);
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[400];
        struct rf_buf value, body;
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        rf_buf_fixed(&body, u->body[i], sizeof(u->body[i]));
        must(rf_stored_value_put(&u->identity, &u->resource, kind, rf_id_view(&u->identity.node_id), true,
                                 rf_view_str("a registration of about this many bytes, prefs and a list"),
                                 RF_PKI_WALL_MS + i, 3600, &value),
             "a value");
        struct rf_kind_values values = {.kind = KIND, .values = rf_buf_view(&value)};
        struct rf_store_req req = {.resource = rf_id_view(&u->resource), .kinds = &values, .kind_count = 1};
        rf_store_req_encode(&req, &body);
        must(rf_buf_error(&body), "a request");
        u->body_len[i] = body.len;
    }
    u->cert = u->identity.cert;
}

static void request(struct user *u, uint16_t code, struct rf_view body)
{
    static struct rf_message message;
    struct rf_region region;
    rf_region_init(&region, rf_mem_system(), 1 << 16);
    message.code = code;
    message.body = body;
    message.security.certs[0] = u->cert->x509.der;
    message.security.cert_count = 1;
    struct rf_request r = {.link = 1,
                           .message = &message,
                           .signer = {u->cert, u->identity.node_id},
                           .to_resource = true,
                           .resource = u->resource,
                           .region = &region};
    handlers[code].fn(handlers[code].arg, &r);
    rf_region_deinit(&region);
}

static void figure(const char *name, uint64_t count, clock_t started)
{
    double s = (double)(clock() - started) / CLOCKS_PER_SEC;
    printf("%s %.0f\n", name, (double)count / s);
}

static void stores(const char *name, size_t which)
{
    clock_t started = clock();
    for (size_t i = 0; i < user_count; i++)
        request(&users[i], RF_CODE_STORE_REQ, rf_view_of(users[i].body[which], users[i].body_len[which]));
    figure(name, user_count, started);
}

static void reads(const char *name, uint16_t code, size_t rounds)
{
    uint8_t bytes[64];
    clock_t started = clock();
    for (size_t n = 0; n < rounds * user_count; n++) {
        struct user *u = &users[(n * 7919) % user_count];
        struct rf_buf body;
        rf_buf_fixed(&body, bytes, sizeof(bytes));
        uint32_t kind = KIND;
        struct rf_specifier specifier = {.kind = KIND,
                                         .model_specifier = rf_view_of("\0\0", 2)}; /* all keys */
        struct rf_fetch_req fetch = {rf_id_view(&u->resource), &specifier, 1};
        struct rf_find_req find = {rf_id_view(&u->resource), &kind, 1};
        if (code == RF_CODE_FIND_REQ)
            rf_find_req_encode(&find, &body);
        else
            rf_fetch_req_encode(&fetch, &body);
        request(u, code, rf_buf_view(&body));
    }
    figure(name, rounds * user_count, started);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        user_count = strtoul(argv[1], NULL, 10);
    must(rf_pki_init(&pki, &(struct rf_pki_config){.no_ice = true}), "the PKI");
    users = calloc(user_count, sizeof(*users));
    must(users == NULL ? RF_ENOMEM : 0, "memory");
    for (size_t i = 0; i < user_count; i++)
        make_user(&users[i], i);
    struct rf_timers timers;
    struct rf_rng_seeded rng;
    struct rf_store_config config;
    struct rf_trust *trust = NULL;
    struct rf_store *store = NULL;
    struct rf_store_host host = {.ctx = NULL};
    rf_timers_init(&timers, rf_mem_system());
    rf_rng_seeded_init(&rng, 1);
    struct rf_env env = {.mem = rf_mem_system(),
                         .timers = &timers,
                         .now = &now,
                         .secret = &rng.rng,
                         .jitter = &rng.rng,
                         .seed = {1, 2}};
    must(rf_pki_trust(&pki, 2 * user_count, &trust), "the trust");
    rf_store_config_default(&config);
    config.conf = pki.conf;
    config.crypto = pki.crypto;
    config.trust = trust;
    config.self = (struct rf_id){.len = 16, .b = {0x80}};
    must(rf_store_new(&env, &config, NULL, &host, &store), "the storage");
    stores("store.stores_cold_per_core", 0);
    stores("store.stores_warm_per_core", 1);
    stores("store.repeats_per_core", 1);
    reads("store.fetches_per_core", RF_CODE_FETCH_REQ, 20);
    reads("store.stats_per_core", RF_CODE_STAT_REQ, 20);
    reads("store.finds_per_core", RF_CODE_FIND_REQ, 20);
    struct rf_store_stats stats;
    rf_store_stats(store, &stats);
    printf("store.bytes_per_value %.0f\n", (double)stats.bytes / (double)stats.value_count);
    must(refused != 0 || answered != 63 * user_count || stats.value_count != user_count ? RF_ECONFLICT : 0,
         "the answers");
    rf_store_free(store);
    rf_trust_free(trust);
    rf_timers_deinit(&timers);
    for (size_t i = 0; i < user_count; i++)
        rf_identity_deinit(&users[i].identity);
    free(users);
    rf_pki_deinit(&pki);
    return 0;
}
