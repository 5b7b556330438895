/* test_overlay_store_kit.c - see test_overlay_store.h. */
#include "test_overlay_store.h"
#include "base/assert.h"

const struct rf_kind_def kit_kinds[] = {
    {.id = 0x1,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 16,
     .max_size = 512},
    {.id = 0x4,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_CHAIN_ACL,
     .max_count = 64,
     .max_size = 512},
    {.id = KIND_SINGLE,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 1,
     .max_size = 100},
    {.id = KIND_ARRAY,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 4,
     .max_size = 100},
    {.id = KIND_DICT,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 3,
     .max_size = 100},
    {.id = KIND_SHARED,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_CHAIN_ACL,
     .max_count = 64,
     .max_size = 200},
    {.id = KIND_SHARED_KEY,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_CHAIN_ACL,
     .max_count = 64,
     .max_size = 200},
    {.id = KIND_NODE,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_NODE_MATCH,
     .max_count = 1,
     .max_size = 100},
    {.id = KIND_MULTIPLE,
     .model = RF_MODEL_SINGLE,
     .policy = RF_POLICY_NODE_MULTIPLE,
     .max_count = 1,
     .max_size = 100,
     .max_node_multiple = 3},
    {.id = KIND_BIG,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 2000,
     .max_size = 3000},
    {.id = KIND_LOG,
     .model = RF_MODEL_ARRAY,
     .policy = RF_POLICY_USER_MATCH,
     .max_count = 5000,
     .max_size = 1000},
};
const size_t kit_kind_count = RF_COUNT(kit_kinds);

static struct rf_view slot_of(const struct rf_kind_def *kind, const struct kit_value *v, uint8_t index[4])
{
    if (kind->model == RF_MODEL_DICTIONARY)
        return v->key != NULL ? rf_view_str(v->key) : rf_id_view(&v->signer->identity.node_id);
    if (kind->model == RF_MODEL_SINGLE)
        return rf_view_of(NULL, 0);
    for (int i = 0; i < 4; i++)
        index[i] = (uint8_t)(v->index >> (24 - 8 * i));
    return rf_view_of(index, 4);
}

void kit_put_value(struct sn_net *net, const struct rf_id *resource, const struct kit_value *v,
                   struct rf_buf *out)
{
    static const struct rf_kind_def unknown = {.id = KIND_UNKNOWN, .model = RF_MODEL_SINGLE};
    const struct rf_kind_def *kind = rf_conf_kind(net->pki.conf, v->kind);
    struct rf_view value = v->text != NULL ? rf_view_str(v->text) : v->bytes;
    uint8_t index[4];
    if (kind == NULL)
        kind = &unknown;
    struct rf_view slot = slot_of(kind, v, index);
    bool exists = v->text != NULL || v->bytes.len > 0;
    uint32_t lifetime = v->no_lifetime ? 0 : v->lifetime > 0 ? v->lifetime : 3600;
    if (v->signer == NULL) {
        struct rf_stored_data data = {.storage_time_ms = RF_PKI_WALL_MS + v->time,
                                      .lifetime_s = lifetime,
                                      .model = kind->model,
                                      .slot = slot,
                                      .index = v->index,
                                      .exists = exists,
                                      .value = value,
                                      .signature = rf_signature_none};
        rf_stored_data_encode(&data, out);
        return;
    }
    struct rf_identity *identity = (struct rf_identity *)&v->signer->identity;
    assert_int_equal(rf_stored_value_put(identity, resource, kind, slot, exists, value,
                                         RF_PKI_WALL_MS + v->time, lifetime, out),
                     0);
    if (v->broken)
        out->p[out->len - 1] ^= 1;
}

void kit_store_req(struct sn_net *net, const struct rf_id *resource, uint8_t replica,
                   const struct kit_value *values, size_t count, struct rf_buf *out)
{
    struct rf_buf lists[8];
    struct rf_kind_values kinds[8];
    struct rf_store_req req = {.resource = rf_id_view(resource), .replica_number = replica, .kinds = kinds};
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || values[i].kind != values[i - 1].kind) {
            rf_buf_init(&lists[req.kind_count], rf_mem_system(), 1 << 20);
            kinds[req.kind_count++] =
                (struct rf_kind_values){.kind = values[i].kind, .generation = values[i].generation};
        }
        kit_put_value(net, resource, &values[i], &lists[req.kind_count - 1]);
    }
    for (size_t i = 0; i < req.kind_count; i++)
        kinds[i].values = rf_buf_view(&lists[i]);
    rf_store_req_encode(&req, out);
    assert_int_equal(rf_buf_error(out), 0);
    for (size_t i = 0; i < req.kind_count; i++)
        rf_buf_deinit(&lists[i]);
}

void kit_store(struct sn_net *net, struct sn_node *from, struct sn_node *to, const struct rf_id *resource,
               uint8_t replica, const struct kit_value *values, size_t count, struct sn_reply *reply)
{
    struct rf_view certs[16];
    size_t cert_count = 0;
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 20);
    kit_store_req(net, resource, replica, values, count, &body);
    for (size_t i = 0; i < count && cert_count < RF_COUNT(certs); i++)
        if (values[i].signer != NULL)
            certs[cert_count++] = values[i].signer->identity.cert->x509.der;
    struct sn_raw raw = {.from = from,
                         .to = to,
                         .code = RF_CODE_STORE_REQ,
                         .body = rf_buf_view(&body),
                         .certs = certs,
                         .cert_count = cert_count,
                         .to_node = replica > 0,
                         .resource = *resource};
    sn_request(net, &raw, reply);
    rf_buf_deinit(&body);
}

void kit_fetch_req(struct sn_net *net, const struct rf_id *resource, const struct kit_want *wants,
                   size_t count, struct rf_buf *out)
{
    struct rf_specifier specifiers[8];
    struct rf_buf selections[8];
    for (size_t i = 0; i < count; i++) {
        const struct rf_kind_def *kind = rf_conf_kind(net->pki.conf, wants[i].kind);
        struct rf_array_range range = {0, RF_ARRAY_LAST};
        if (wants[i].ranged)
            range = (struct rf_array_range){wants[i].first, wants[i].last};
        struct rf_view key = wants[i].key != NULL ? rf_view_str(wants[i].key) : wants[i].slot;
        struct rf_selection selection = {
            .ranges = &range, .range_count = 1, .keys = &key, .key_count = key.len > 0};
        rf_buf_init(&selections[i], rf_mem_system(), 1 << 16);
        rf_selection_encode(&selection, kind != NULL ? kind->model : RF_MODEL_SINGLE, &selections[i]);
        specifiers[i] =
            (struct rf_specifier){wants[i].kind, wants[i].generation, rf_buf_view(&selections[i])};
    }
    struct rf_fetch_req req = {rf_id_view(resource), specifiers, count};
    rf_fetch_req_encode(&req, out);
    assert_int_equal(rf_buf_error(out), 0);
    for (size_t i = 0; i < count; i++)
        rf_buf_deinit(&selections[i]);
}

void kit_fetch(struct sn_net *net, struct sn_node *from, struct sn_node *to, bool stat,
               const struct rf_id *resource, const struct kit_want *wants, size_t count,
               struct sn_reply *reply)
{
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 20);
    kit_fetch_req(net, resource, wants, count, &body);
    struct sn_raw raw = {.from = from,
                         .to = to,
                         .code = stat ? RF_CODE_STAT_REQ : RF_CODE_FETCH_REQ,
                         .body = rf_buf_view(&body),
                         .resource = *resource};
    sn_request(net, &raw, reply);
    rf_buf_deinit(&body);
}

static size_t show_slot(struct sn_net *net, enum rf_model model, struct rf_view slot, uint32_t index,
                        char *out, size_t len)
{
    if (model == RF_MODEL_SINGLE)
        return 0;
    if (model == RF_MODEL_ARRAY)
        return (size_t)snprintf(out, len, "%u=", index);
    for (size_t i = 0; i < net->count; i++)
        if (rf_view_equal(slot, rf_id_view(&net->nodes[i].identity.node_id)))
            return (size_t)snprintf(out, len, "<%zu>=", i);
    return (size_t)snprintf(out, len, "%.*s=", (int)slot.len, (const char *)slot.p);
}

static size_t show_time(uint64_t time, char *out, size_t len)
{
    return time == 0 ? 0 : (size_t)snprintf(out, len, "@%lld", (long long)(time - RF_PKI_WALL_MS));
}

static size_t show_value(struct sn_net *net, const struct rf_kind_def *kind, struct rf_view *list, bool stat,
                         char *out, size_t len)
{
    size_t at;
    if (stat) {
        struct rf_stored_meta meta;
        assert_int_equal(rf_stored_meta_next(list, kind->model, &meta), 0);
        at = show_slot(net, kind->model, meta.slot, meta.index, out, len);
        at += (size_t)snprintf(out + at, len - at, meta.exists ? "%u" : "-", meta.value_len);
        return at + show_time(meta.storage_time_ms, out + at, len - at);
    }
    struct rf_stored stored;
    struct rf_stored_data data;
    assert_int_equal(rf_stored_next(list, &stored), 0);
    assert_int_equal(rf_stored_data_decode(&stored, kind->model, &data), 0);
    at = show_slot(net, kind->model, data.slot, data.index, out, len);
    at += (size_t)snprintf(out + at, len - at, "%.*s%s", data.exists ? (int)data.value.len : 1,
                           data.exists ? (const char *)data.value.p : "-",
                           rf_signature_is_none(&data.signature) ? "!" : "");
    return at + show_time(data.storage_time_ms, out + at, len - at);
}

const char *kit_show(struct sn_net *net, const struct sn_reply *reply, bool stat, bool generations, char *out,
                     size_t out_len)
{
    struct rf_region region;
    struct rf_fetch_ans ans;
    size_t at = 0;
    if (reply->error != 0)
        return kit_result(reply);
    rf_region_init(&region, rf_mem_system(), 1 << 20);
    assert_int_equal(rf_fetch_ans_decode(rf_view_of(reply->body, reply->body_len), &region, &ans), 0);
    out[0] = '\0';
    for (size_t i = 0; i < ans.kind_count; i++) {
        const struct rf_kind_def *kind = rf_conf_kind(net->pki.conf, ans.kinds[i].kind);
        struct rf_view list = ans.kinds[i].values;
        at += (size_t)snprintf(out + at, out_len - at, "%s", i > 0 ? " | " : "");
        if (generations)
            at += (size_t)snprintf(out + at, out_len - at, "#%llu ",
                                   (unsigned long long)ans.kinds[i].generation);
        for (size_t n = 0; list.len > 0; n++) {
            at += (size_t)snprintf(out + at, out_len - at, "%s", n > 0 ? " " : "");
            at += show_value(net, kind, &list, stat, out + at, out_len - at);
        }
    }
    rf_region_deinit(&region);
    return out;
}

const char *kit_result(const struct sn_reply *reply)
{
    if (reply->error == 0)
        return "ok";
    return reply->error == RF_EREMOTE ? rf_error_code_name(reply->error_code) : rf_error_text(reply->error);
}

const char *kit_look(struct sn_net *net, struct sn_node *at, const struct rf_id *resource, uint32_t kind)
{
    static char text[8192];
    static struct sn_reply reply;
    struct kit_want want = {.kind = kind};
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 1 << 16);
    kit_fetch_req(net, resource, &want, 1, &body);
    struct sn_raw raw = {
        .from = at, .to = at, .code = RF_CODE_FETCH_REQ, .body = rf_buf_view(&body), .to_node = true};
    sn_request(net, &raw, &reply);
    rf_buf_deinit(&body);
    return kit_show(net, &reply, false, false, text, sizeof(text));
}
