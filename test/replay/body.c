/*
 * body.c - the methods' bodies from the fields of a line:
 *
 *     ping_req            padding=BYTES                 probe_req     types=1,2,3
 *     attach_req, attach_ans   role=TEXT candidate=ADDR (0.0.0.0:0: none) send_update=yes
 *     join_req            as=P (whose Node-ID it claims)
 *     leave_req           as=P successors=P,P or predecessors=P,P
 *     update_req          type=ready|neighbors|full predecessors=P,P successors=P,P uptime=S
 *     store_req           at=RESOURCE value=TEXT|none kind=N lifetime=S storage_time_ms=OFFSET replica=N generation=N owner=P
 *     fetch_req, stat_req, find_req   at=RESOURCE kind=N
 *     config_update_req   document=SEQUENCE             route_query_req   for=RESOURCE
 *     path_track_req      for=P flags=N                 error         error=Error_...
 *     raw=HEX             these bytes, for any code
 *     Answers: ping_ans, join_ans, update_ans, leave_ans, config_update_ans need nothing; store_ans kind=N generation=N replicas=P,P;
 *     fetch_ans kind=N; route_query_ans next=P
 *
 * RESOURCE: H:name (that user's), H:P (a peer's user), HEX (its first digits). Times are of the node's clock.
 */
#include "replay/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/text.h"
#include "overlay/usage.h"
#include "wire/attach.h"
#include "wire/chord.h"
#include "wire/diag.h"
#include "wire/method.h"
#include "wire/store.h"

#define MAX_IDS 16

const char *arg(const struct words *w, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < w->count; i++)
        if (strncmp(w->word[i], key, len) == 0 && w->word[i][len] == '=')
            return w->word[i] + len + 1;
    return NULL;
}

uint64_t arg_number(const struct words *w, const char *key, uint64_t otherwise)
{
    const char *text = arg(w, key);

    return text != NULL ? (uint64_t)strtoll(text, NULL, 0) : otherwise;
}

bool resource_of(struct world *w, const char *text, struct rf_id *out)
{
    char user[64];
    const struct peer *p;
    struct rf_view name;

    if (strncmp(text, "H:", 2) != 0)
        return id_by_digits(text, out) ? true : world_fail(w, "no resource: %s", text);
    p = world_find(w, text + 2);
    snprintf(user, sizeof(user), "%s@example.org", text + 2);
    name = p != NULL ? p->identity.cert->user : rf_view_str(user);
    return rf_overlay_hash(w->pki.crypto, &name, 1, 16, out) == 0;
}

static bool node_id_of(struct world *w, const char *name, struct rf_id *out)
{
    const struct peer *p = world_find(w, name);

    if (p != NULL)
        *out = p->identity.node_id;
    else if (strcmp(name, "node") == 0)
        *out = w->identity.node_id;
    else if (strcmp(name, "any") == 0)
        *out = rf_id_wildcard(16);
    else
        return world_fail(w, "who is %s?", name);
    return true;
}

bool destinations_put(struct world *w, const char *text, struct rf_buf *out)
{
    char names[TEXT_MAX], *rest = names, *name;
    struct rf_dest dest;
    struct rf_id id;

    snprintf(names, sizeof(names), "%s", text);
    while ((name = strsep(&rest, ",")) != NULL) {
        bool resource = strncmp(name, "res:", 4) == 0 || strncmp(name, "H:", 2) == 0;
        if (strcmp(name, "opaque") == 0) {
            dest = rf_dest_compact(0x8123);
        } else if (resource) {
            if (!resource_of(w, name[0] == 'H' ? name : name + 4, &id))
                return false;
            dest = rf_dest_resource(&id);
        } else {
            if (!node_id_of(w, name, &id))
                return false;
            dest = rf_dest_node(&id);
        }
        rf_dest_encode(&dest, out);
    }
    return true;
}

static bool ids_of(struct world *w, const char *text, struct rf_id ids[MAX_IDS], struct rf_id_list *out)
{
    char names[TEXT_MAX], *rest = names, *name;

    *out = (struct rf_id_list){ids, 0};
    if (text == NULL || *text == '\0')
        return true;
    snprintf(names, sizeof(names), "%s", text);
    while ((name = strsep(&rest, ",")) != NULL)
        if (out->count == MAX_IDS || !node_id_of(w, name, &ids[out->count++]))
            return false;
    return true;
}

uint16_t error_by_name(const char *name)
{
    for (unsigned code = 1; code < 0x100; code++)
        if (strcmp(rf_error_code_name((uint16_t)code), name) == 0)
            return (uint16_t)code;
    return 0;
}

/* ---- one function for each sort of body ---- */

static bool put_ping(struct peer *p, const struct words *words, struct rf_buf *out)
{
    size_t len = arg_number(words, "padding", 0);
    uint8_t *padding = calloc(1, len + 1);

    (void)p;
    rf_ping_req_encode(rf_view_of(padding, len), out);
    free(padding);
    return true;
}

static bool put_ping_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    rf_ping_ans_encode(
        &(struct rf_ping_ans){.response_id = arg_number(words, "id", 7),
                              .time_ms = p->world->now.wall_ms + arg_number(words, "time_ms", 0)},
        out);
    return true;
}

static bool put_probe(struct peer *p, const struct words *words, struct rf_buf *out)
{
    uint8_t types[16];
    size_t count = 0;
    const char *text = arg(words, "types");

    (void)p;
    for (; text != NULL && *text != '\0' && count < sizeof(types); text += *text == ',')
        types[count++] = (uint8_t)strtoul(text, (char **)(uintptr_t)&text, 0);
    rf_probe_req_encode(rf_view_of(types, count), out);
    return true;
}

static bool put_attach(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *role = arg(words, "role"), *candidate = arg(words, "candidate"),
               *update = arg(words, "send_update");
    struct rf_ice_candidate c = {.addr = p->addr,
                                 .overlay_link =
                                     (uint8_t)arg_number(words, "link", RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE),
                                 .foundation = rf_view_str("1"),
                                 .priority = (126u << 24) + (65535u << 8) + 255,
                                 .type = RF_ICE_HOST};

    if (candidate != NULL && rf_addr_parse(candidate, 6084, &c.addr) != 0)
        return world_fail(p->world, "no address: %s", candidate);
    rf_attach_encode(&(struct rf_attach){.role = rf_view_str(role != NULL ? role : RF_ATTACH_PASSIVE),
                                         .candidates = &c,
                                         .candidate_count = c.addr.port != 0,
                                         .send_update = update != NULL && strcmp(update, "yes") == 0},
                     out);
    return true;
}

static bool put_attach_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct words with = *words;
    char role[] = "role=active";

    with.word[with.count++] = role; /* the first one of a key is used */
    return put_attach(p, &with, out);
}

static bool put_join(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *as = arg(words, "as");
    struct rf_member m = {.node = p->identity.node_id};

    if (as != NULL && !node_id_of(p->world, as, &m.node))
        return false;
    rf_member_encode(&m, out);
    return true;
}

static bool put_leave(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *as = arg(words, "as"), *successors = arg(words, "successors");
    struct rf_member m = {.node = p->identity.node_id};
    struct rf_chord_leave leave = {.type = successors != NULL ? RF_LEAVE_FROM_SUCC : RF_LEAVE_FROM_PRED};
    struct rf_id ids[MAX_IDS];
    struct rf_buf data;

    if (as != NULL && !node_id_of(p->world, as, &m.node))
        return false;
    if (!ids_of(p->world, successors != NULL ? successors : arg(words, "predecessors"), ids, &leave.nodes))
        return false;
    rf_buf_init(&data, rf_mem_system(), 4096);
    rf_chord_leave_encode(&leave, &data);
    m.data = rf_buf_view(&data);
    rf_member_encode(&m, out);
    rf_buf_deinit(&data);
    return true;
}

static bool put_update(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *type = arg(words, "type");
    struct rf_id predecessors[MAX_IDS], successors[MAX_IDS];
    struct rf_chord_update u = {.uptime_s = (uint32_t)arg_number(words, "uptime", 1000),
                                .type = type == NULL || strcmp(type, "neighbors") == 0 ? RF_UPDATE_NEIGHBORS
                                        : strcmp(type, "full") == 0                    ? RF_UPDATE_FULL
                                                                    : RF_UPDATE_PEER_READY};

    if (!ids_of(p->world, arg(words, "predecessors"), predecessors, &u.predecessors) ||
        !ids_of(p->world, arg(words, "successors"), successors, &u.successors))
        return false;
    rf_chord_update_encode(&u, out);
    return true;
}

static bool resource_arg(struct peer *p, const struct words *words, const char *key, struct rf_id *out)
{
    char own[32];
    const char *text = arg(words, key);

    snprintf(own, sizeof(own), "H:%s", p->name);
    return resource_of(p->world, text != NULL ? text : own, out);
}

static bool put_store(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct world *w = p->world;
    const char *value = arg(words, "value"), *owner = arg(words, "owner");
    struct rf_kind_values kind = {.kind = (uint32_t)arg_number(words, "kind", 0xf0000001),
                                  .generation = arg_number(words, "generation", 0)};
    const struct rf_kind_def *def = rf_conf_kind(w->documents[0], kind.kind);
    struct peer *signer = owner != NULL ? world_find(w, owner) : p;
    struct rf_kind_def unknown = {.id = kind.kind, .model = RF_MODEL_SINGLE};
    bool exists = value == NULL || strcmp(value, "none") != 0;
    struct rf_id resource;
    struct rf_buf values;

    if (signer == NULL || !resource_arg(p, words, "at", &resource))
        return world_fail(w, "store_req: whose, where?");
    if (def == NULL)
        def = &unknown;
    rf_buf_init(&values, rf_mem_system(), MESSAGE_MAX);
    rf_stored_value_put(&signer->identity, &resource, def,
                        rf_view_of("\377\377\377\377", def->model == RF_MODEL_ARRAY ? 4 : 0), exists,
                        exists ? rf_view_str(value != NULL ? value : "x") : rf_view_str(""),
                        w->now.wall_ms + arg_number(words, "storage_time_ms", 0),
                        (uint32_t)arg_number(words, "lifetime", 3600), &values);
    kind.values = rf_buf_view(&values);
    rf_store_req_encode(&(struct rf_store_req){.resource = rf_id_view(&resource),
                                               .replica_number = (uint8_t)arg_number(words, "replica", 0),
                                               .kinds = &kind,
                                               .kind_count = 1},
                        out);
    rf_buf_deinit(&values);
    return true;
}

static bool put_store_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct rf_id ids[MAX_IDS];
    struct rf_id_list replicas;
    struct rf_store_ans_kind kind = {.kind = (uint32_t)arg_number(words, "kind", 0xf0000001),
                                     .generation = arg_number(words, "generation", 1)};

    if (!ids_of(p->world, arg(words, "replicas"), ids, &replicas))
        return false;
    kind.replicas = replicas.ids;
    kind.replica_count = replicas.count;
    rf_store_ans_encode(&(struct rf_store_ans){&kind, 1}, out);
    return true;
}

static bool put_fetch(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct rf_array_range all = {0, RF_ARRAY_LAST};
    uint8_t model[32];
    struct rf_buf specifier;
    struct rf_specifier s = {.kind = (uint32_t)arg_number(words, "kind", 0xf0000001)};
    struct rf_id resource;

    if (!resource_arg(p, words, "at", &resource))
        return false;
    rf_buf_fixed(&specifier, model, sizeof(model));
    if (s.kind == 0xf0000002)
        rf_selection_encode(&(struct rf_selection){.ranges = &all, .range_count = 1}, RF_MODEL_ARRAY,
                            &specifier);
    s.model_specifier = rf_buf_view(&specifier);
    rf_fetch_req_encode(&(struct rf_fetch_req){rf_id_view(&resource), &s, 1}, out);
    return true;
}

static bool put_fetch_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct rf_kind_values kind = {.kind = (uint32_t)arg_number(words, "kind", 0xf0000001)};

    (void)p;
    rf_fetch_ans_encode(&(struct rf_fetch_ans){&kind, 1}, out);
    return true;
}

static bool put_find(struct peer *p, const struct words *words, struct rf_buf *out)
{
    uint32_t kind = (uint32_t)arg_number(words, "kind", 0xf0000001);
    struct rf_id resource;

    if (!resource_arg(p, words, "at", &resource))
        return false;
    rf_find_req_encode(&(struct rf_find_req){rf_id_view(&resource), &kind, 1}, out);
    return true;
}

static bool put_config(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct rf_conf *conf = world_find_document(p->world, (uint16_t)arg_number(words, "document", 0));

    if (conf == NULL)
        return world_fail(p->world, "no such document");
    rf_config_update_encode(&(struct rf_config_update){.type = RF_CONFIG_UPDATE_CONFIG, .config = conf->xml},
                            out);
    return true;
}

static bool put_route(struct peer *p, const struct words *words, struct rf_buf *out)
{
    struct rf_id id;

    if (!resource_arg(p, words, "for", &id))
        return false;
    rf_route_query_encode(&(struct rf_route_query){.destination = rf_dest_resource(&id)}, out);
    return true;
}

static bool put_route_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *next = arg(words, "next");
    struct rf_id id;

    if (!node_id_of(p->world, next != NULL ? next : p->name, &id))
        return false;
    rf_route_query_ans_encode(&id, out);
    return true;
}

static bool put_path_track(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *whom = arg(words, "for");
    struct rf_path_track_req req = {.request = {.expiration_ms = p->world->now.wall_ms + 15000,
                                                .initiated_ms = p->world->now.wall_ms,
                                                .flags = arg_number(words, "flags", 0)}};
    struct rf_id id;

    if (!node_id_of(p->world, whom != NULL ? whom : "node", &id))
        return false;
    req.destination = rf_dest_node(&id);
    rf_path_track_req_encode(&req, out);
    return true;
}

static bool put_error(struct peer *p, const struct words *words, struct rf_buf *out)
{
    const char *name = arg(words, "error");
    uint16_t code = name != NULL ? error_by_name(name) : 0;

    if (code == 0)
        return world_fail(p->world, "error=Error_...");
    rf_error_body_encode(&(struct rf_error_body){.code = code}, out);
    return true;
}

static bool put_join_ans(struct peer *p, const struct words *words, struct rf_buf *out)
{
    (void)p, (void)words;
    rf_join_ans_encode(rf_view_str(""), out);
    return true;
}

static bool put_empty(struct peer *p, const struct words *words, struct rf_buf *out)
{
    (void)p, (void)words, (void)out;
    return true;
}

static const struct {
    uint16_t code;
    bool (*put)(struct peer *p, const struct words *words, struct rf_buf *out);
} bodies[] = {
    {RF_CODE_PING_REQ, put_ping},
    {RF_CODE_PING_ANS, put_ping_ans},
    {RF_CODE_PROBE_REQ, put_probe},
    {RF_CODE_ATTACH_REQ, put_attach},
    {RF_CODE_ATTACH_ANS, put_attach_ans},
    {RF_CODE_JOIN_REQ, put_join},
    {RF_CODE_JOIN_ANS, put_join_ans},
    {RF_CODE_LEAVE_REQ, put_leave},
    {RF_CODE_LEAVE_ANS, put_empty},
    {RF_CODE_UPDATE_REQ, put_update},
    {RF_CODE_UPDATE_ANS, put_empty},
    {RF_CODE_STORE_REQ, put_store},
    {RF_CODE_STORE_ANS, put_store_ans},
    {RF_CODE_FETCH_REQ, put_fetch},
    {RF_CODE_FETCH_ANS, put_fetch_ans},
    {RF_CODE_STAT_REQ, put_fetch},
    {RF_CODE_FIND_REQ, put_find},
    {RF_CODE_CONFIG_UPDATE_REQ, put_config},
    {RF_CODE_CONFIG_UPDATE_ANS, put_empty},
    {RF_CODE_ROUTE_QUERY_REQ, put_route},
    {RF_CODE_ROUTE_QUERY_ANS, put_route_ans},
    {RF_CODE_PATH_TRACK_REQ, put_path_track},
    {RF_CODE_ERROR, put_error},
};

bool body_put(struct peer *p, uint16_t code, const struct words *words, struct rf_buf *out)
{
    const char *raw = arg(words, "raw");

    if (raw != NULL)
        return rf_hex_decode(rf_view_str(raw), out) == 0 ? true : world_fail(p->world, "no hex: %s", raw);
    for (size_t i = 0; i < RF_COUNT(bodies); i++)
        if (bodies[i].code == code)
            return bodies[i].put(p, words, out);
    return world_fail(p->world, "no body for %s: raw=HEX", rf_code_name(code));
}
