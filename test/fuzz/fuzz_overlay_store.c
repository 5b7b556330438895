/*
 * fuzz_overlay_store.c - the storage under anybody's requests. The input is a list of commands: well-signed Stores of all models, counters
 * and times; raw bodies for Store, Fetch, Stat and Find; time that passes; a disk that fails; restarts. After each command the storage
 * must be alive, and in the end, when everything has ended, empty, on the disk too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "support/store_net.h"
#include "wire/store.h"

#define KINDS    5
#define MONTH_MS (UINT64_C(31) * 86400000)
static const struct rf_kind_def kinds[KINDS] = {
    {.id = 0xf0000001,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 1,
     .max_size = 100},
    {.id = 0xf0000002,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 8,
     .max_size = 100},
    {.id = 0xf0000003,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 4,
     .max_size = 100},
    {.id = 0xf0000004,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_CHAIN_ACL,
     .max_count = 8,
     .max_size = 100},
    {.id = 0x4, .model = RF_MODEL_ARRAY, .policy = RF_POLICY_USER_CHAIN_ACL, .max_count = 8, .max_size = 100},
};
static const uint16_t codes[4] = {RF_CODE_STORE_REQ, RF_CODE_FETCH_REQ, RF_CODE_STAT_REQ, RF_CODE_FIND_REQ};

static struct sn_net net;
static struct sn_node *home, *writers[2];
static struct rf_id resources[2];
static struct sn_reply reply;

static uint8_t take(struct rf_view *in)
{
    uint8_t v = 0;
    (void)rf_view_u8(in, &v);
    return v;
}

static void send(struct sn_node *from, uint16_t code, struct rf_view body, bool to_node,
                 const struct rf_id *resource)
{
    struct rf_view cert = writers[0]->identity.cert->x509.der;
    struct sn_raw raw = {.from = from,
                         .to = home,
                         .code = code,
                         .body = body,
                         .certs = &cert,
                         .cert_count = 1,
                         .to_node = to_node,
                         .resource = *resource};
    sn_request(&net, &raw, &reply);
    /* a value that selects an unknown variant is dropped without a response (reload.md 2.1) */
    RF_ASSERT(reply.error == 0 || reply.error == RF_EREMOTE || reply.error == RF_ETIMEOUT);
}

static void store(struct rf_view *in)
{
    struct sn_node *writer = writers[take(in) & 1];
    const struct rf_id *resource = &resources[take(in) & 1];
    const struct rf_kind_def *kind = &kinds[take(in) % KINDS];
    uint8_t how = take(in), index[4] = {how & 1 ? 0xff : 0, how & 1 ? 0xff : 0, how & 1 ? 0xff : 0, take(in)};
    struct rf_view slot = kind->model == RF_MODEL_SINGLE  ? rf_view_of(NULL, 0)
                          : kind->model == RF_MODEL_ARRAY ? rf_view_of(index, 4)
                                                          : rf_id_view(&writer->identity.node_id);
    uint8_t bytes[1024], req_bytes[2048];
    struct rf_buf data, req_buf;
    rf_buf_fixed(&data, bytes, sizeof(bytes));
    rf_buf_fixed(&req_buf, req_bytes, sizeof(req_bytes));
    struct rf_view value = {in->p, in->len < 20 ? in->len : 20};
    bool exists = (how & 2) != 0;
    if (rf_stored_value_put(&writer->identity, resource, kind, slot, exists,
                            exists ? value : rf_view_of(NULL, 0), net.now.wall_ms - 8 + (how >> 4),
                            how & 4 ? 10 : 1000, &data) != 0)
        return;
    if ((how & 8) != 0 && data.len > 0)
        data.p[take(in) % data.len] ^= 1;
    struct rf_kind_values values = {
        .kind = kind->id, .generation = take(in) % 3, .values = rf_buf_view(&data)};
    struct rf_store_req req = {rf_id_view(resource), (uint8_t)(take(in) % 4 == 0 ? take(in) : 0), &values, 1};
    rf_store_req_encode(&req, &req_buf);
    if (rf_buf_error(&req_buf) == 0)
        send(writer, RF_CODE_STORE_REQ, rf_buf_view(&req_buf), false, resource);
}

static void raw(struct rf_view *in)
{
    uint16_t code = codes[take(in) & 3];
    bool to_node = take(in) & 1;
    struct rf_view body;
    size_t len = take(in);
    if (rf_view_take(in, len < in->len ? len : in->len, &body) == 0)
        send(writers[0], code, body, to_node, &resources[0]);
}

static void command(struct rf_view *in)
{
    switch (take(in) % 8) {
    case 0:
        raw(in);
        break;
    case 1:
        sn_run(&net, (uint64_t)take(in) * 100000);
        break;
    case 2:
        home->disk_error = take(in) & 1 ? RF_EDATABASE : 0;
        break;
    case 3:
        sn_restart(home);
        break;
    default:
        store(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = {data, size};
    struct rf_store_stats stats;
    if (home == NULL) {
        sn_init(&net, kinds, KINDS);
        home = sn_add(&net, "home@example.org", "80", true, NULL);
        writers[0] = sn_add(&net, "alice@example.org", "a1", false, NULL);
        writers[1] = sn_add(&net, "bob@example.org", "b1", false, NULL);
        resources[0] = sn_hash(&net, "alice@example.org");
        resources[1] = sn_hash(&net, "bob@example.org");
    }
    for (int i = 0; i < 24 && in.len > 0; i++)
        command(&in);
    home->disk_error = 0;
    net.wall_base_ms += MONTH_MS; /* lifetimes are not signed, and cut at a month */
    sn_run(&net, 20 * RF_US_PER_S);
    sn_run(&net, 61 * RF_US_PER_S);
    rf_store_stats(home->store, &stats);
    RF_ASSERT(stats.value_count == 0 && stats.resource_count == 0 && stats.bytes == 0);
    sn_restart(home); /* what a failing disk did not remove has ended meanwhile */
    rf_store_stats(home->store, &stats);
    RF_ASSERT(stats.value_count == 0);
    sn_clear_disk(home);
    net.wall_base_ms -= MONTH_MS;
    return 0;
}
