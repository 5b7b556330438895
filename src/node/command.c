/* command.c - what people and programs ask of the overlay: whois, ping, trace, fetch. */
#include "base/text.h"
#include "node/internal.h"
#include "wire/code.h"
#include "wire/method.h"

#define ROUTES_MAX_LEN (RF_SIP_MAX_CONTACTS * RF_SIP_MAX_DESTS * (size_t)256)

int rf_node_full_name(const struct rf_node *node, const char *name, struct rf_buf *out)
{
    struct rf_view given = rf_view_str(name);
    size_t at = out->len;
    if (rf_view_equal(given, rf_view_str("")))
        return RF_EFORMAT;
    struct rf_view domain = rf_name_domain(given);
    size_t local_len = domain.len == 0 ? given.len : given.len - domain.len;
    rf_buf_put(out, given.p, local_len);
    if (domain.len == 0) {
        rf_buf_str(out, "@");
        domain = node->conf->overlay;
    }
    for (size_t i = 0; i < domain.len; i++) /* domains are lower case before they are hashed (D31) */
        rf_buf_u8(out, domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (uint8_t)(domain.p[i] + 32) : domain.p[i]);
    if (rf_buf_error(out) != 0)
        return RF_ELIMIT;
    return rf_name_valid(rf_view_of(out->p + at, out->len - at)) ? 0 : RF_EFORMAT;
}

int rf_node_resource_of(const struct rf_node *node, struct rf_view resource_name, struct rf_id *out)
{
    return rf_overlay_hash(node->crypto, &resource_name, 1, node->conf->id_len, out);
}

void rf_node_register(struct rf_node *node, bool on, struct rf_now now)
{
    node_enter(node, now);
    node->register_on = on;
    rf_sipreg_set(rf_usages_sipreg(node->usages), on);
}

int rf_node_forward(struct rf_node *node, struct rf_view aor, struct rf_now now)
{
    node_enter(node, now);
    return rf_sipreg_forward(rf_usages_sipreg(node->usages), aor);
}

const char *rf_node_forwarded(const struct rf_node *node)
{
    return rf_sipreg_forwarded(rf_usages_sipreg(node->usages));
}

/* ---- whois: the registration; if there is none, whether a certificate of that name exists ---- */

struct whois_call {
    struct rf_node *node;
    uint64_t started_us;
    struct rf_whois result;
    struct rf_view name; /* owned */
    void (*done)(void *arg, const struct rf_whois *whois);
    void *arg;
};

static void whois_end(struct whois_call *w)
{
    w->result.name = w->name;
    w->result.took_us = w->node->now.mono_us - w->started_us;
    w->done(w->arg, &w->result);
    struct rf_mem *mem = w->node->env.mem;
    rf_free(mem, (void *)(uintptr_t)w->name.p);
    rf_free(mem, w);
}

static void whois_certs(void *arg, const struct rf_certs_result *found)
{
    struct whois_call *w = arg;
    w->result.error = found->error != 0 && found->error != RF_ENOTFOUND ? found->error : RF_ENOTFOUND;
    w->result.exists = found->error == 0 && found->cert_count > 0;
    whois_end(w);
}

/* routes: where the encoded destination lists go; a device whose list finds no room there is left out */
static void add_device(struct whois_call *w, const struct rf_sip_contact *c, struct rf_device *devices,
                       struct rf_buf *routes)
{
    size_t at = routes->len;
    for (size_t i = 0; i < c->dest_count; i++)
        rf_dest_encode(&c->dests[i], routes);
    if (rf_buf_error(routes) != 0)
        return;
    struct rf_device *d = &devices[w->result.device_count++];
    *d = (struct rf_device){
        .node_id = c->node_id,
        .aor = c->aor,
        .route = {NULL, routes->len - at},
        .application = rf_sip_prefs_sips(c->contact_prefs) ? 5061 : 5060,
        .registered_ms = c->storage_time_ms,
        .expires_ms = c->expires_ms,
        .self = rf_id_equal(&c->node_id, &w->node->identity.node_id),
    };
    if (c->signer != NULL)
        memcpy(d->cert_sha256, c->signer->cert->sha256, RF_SHA256_LEN);
}

static void add_devices(struct whois_call *w, const struct rf_sip_lookup *found, struct rf_device *devices,
                        struct rf_buf *routes)
{
    for (size_t i = 0; i < found->contact_count && found->error == 0; i++)
        add_device(w, &found->contacts[i], devices, routes);
    const uint8_t *at = routes->p; /* which does not move any more */
    for (size_t i = 0; i < w->result.device_count; at += devices[i++].route.len)
        devices[i].route.p = at;
    w->result.devices = devices;
}

static void whois_lookup(void *arg, const struct rf_sip_lookup *found)
{
    struct whois_call *w = arg;
    struct rf_device devices[RF_SIP_MAX_CONTACTS];
    struct rf_buf routes;
    rf_buf_init(&routes, w->node->env.mem, ROUTES_MAX_LEN);
    add_devices(w, found, devices, &routes);
    w->result.error = found->error;
    w->result.resource = found->resource;
    w->result.responder = found->responder;
    w->result.exists = w->result.device_count > 0;
    bool nobody = found->error == RF_ENOTFOUND || (found->error == 0 && w->result.device_count == 0);
    if (nobody && (found->loop || found->too_far)) {
        w->result.error = RF_ELIMIT;
        w->result.exists = true;
        w->result.loop = found->loop;
    } else if (nobody) {
        rf_buf_deinit(
            &routes); /* there is no device; perhaps for want of memory, with a part of its route in here */
        if (rf_certs_fetch_user(rf_usages_certs(w->node->usages), w->name, whois_certs, w) == 0)
            return;
        w->result.error = RF_ENOTFOUND;
    }
    whois_end(w);
    rf_buf_deinit(&routes);
}

int rf_node_whois(struct rf_node *node, struct rf_view full_name, struct rf_now now,
                  void (*done)(void *arg, const struct rf_whois *whois), void *arg)
{
    node_enter(node, now);
    struct whois_call *w = rf_zalloc(node->env.mem, sizeof(*w));
    if (w == NULL)
        return RF_ENOMEM;
    uint8_t *name = rf_memdup(node->env.mem, full_name.p, full_name.len);
    *w = (struct whois_call){
        .node = node, .started_us = now.mono_us, .name = {name, full_name.len}, .done = done, .arg = arg};
    int error =
        name == NULL ? RF_ENOMEM : rf_sipreg_lookup(rf_usages_sipreg(node->usages), w->name, whois_lookup, w);
    if (error != 0) {
        rf_free(node->env.mem, name);
        rf_free(node->env.mem, w);
    }
    return error;
}

/* ---- ping ---- */

struct ping_call {
    struct rf_mem *mem;
    void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms);
    void *arg;
};

static void ping_reply(void *arg, const struct rf_reply *reply)
{
    struct ping_call p = *(struct ping_call *)arg;
    rf_free(p.mem, arg);
    struct rf_ping_ans answer = {0};
    int error = reply->error;
    if (error == 0)
        error = rf_ping_ans_decode(reply->body, &answer);
    p.done(p.arg, error, reply->rtt_us, answer.time_ms);
}

/* call: where to; the rest of it is filled in here. */
static int ping(struct rf_node *node, struct rf_call *call,
                void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms), void *arg)
{
    static const uint8_t no_padding[2] = {0, 0};
    struct ping_call *p = rf_alloc(node->env.mem, sizeof(*p));
    if (p == NULL)
        return RF_ENOMEM;
    *p = (struct ping_call){node->env.mem, done, arg};
    call->code = RF_CODE_PING_REQ;
    call->body = rf_view_of(no_padding, sizeof(no_padding));
    call->done = ping_reply;
    call->arg = p;
    rf_call_id id;
    int error = rf_overlay_call(node->overlay, call, &id);
    if (error != 0)
        rf_free(node->env.mem, p);
    return error;
}

int rf_node_ping(struct rf_node *node, const struct rf_id *target, struct rf_now now,
                 void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms), void *arg)
{
    node_enter(node, now);
    struct rf_call call = {.dest_count = 0};
    rf_call_to_node(&call, target);
    return ping(node, &call, done, arg);
}

int rf_node_ping_route(struct rf_node *node, struct rf_view route, struct rf_now now,
                       void (*done)(void *arg, int error, uint64_t rtt_us, uint64_t their_wall_ms), void *arg)
{
    node_enter(node, now);
    struct rf_call call = {.dest_count = 0};
    for (; route.len > 0; call.dest_count++) {
        if (call.dest_count == RF_CALL_MAX_DESTS)
            return RF_ELIMIT;
        if (rf_dest_next(&route, node->conf->id_len, &call.dests[call.dest_count]) != 0)
            return RF_EINVAL;
    }
    return call.dest_count > 0 ? ping(node, &call, done, arg) : RF_EINVAL;
}

int rf_node_trace(struct rf_node *node, const struct rf_id *target, bool resource, struct rf_now now,
                  void (*hop)(void *arg, const struct rf_trace_hop *hop), void (*done)(void *arg, int error),
                  void *arg)
{
    node_enter(node, now);
    return rf_overlay_trace(node->overlay, target, resource, hop, done, arg);
}

int rf_node_fetch(struct rf_node *node, const struct rf_id *resource, uint32_t kind, struct rf_now now,
                  void (*done)(void *arg, const struct rf_fetch_result *result), void *arg)
{
    node_enter(node, now);
    if (rf_conf_kind(node->conf, kind) == NULL)
        return RF_EUNKNOWN;
    return rf_store_client_lookup(node->store, resource, kind, done, arg);
}

bool rf_node_peek(const struct rf_node *node, const struct rf_id *resource, uint32_t kind,
                  struct rf_view slot, struct rf_view *value)
{
    return rf_store_peek(node->store, resource, kind, slot, value);
}

void rf_node_each_held(const struct rf_node *node, uint32_t kind,
                       void (*fn)(void *arg, const struct rf_store_held *held), void *arg)
{
    rf_store_each(node->store, kind, fn, arg);
}

int rf_node_add_kind(struct rf_node *node, const struct rf_usage_kind *kind)
{
    return rf_store_add_kind(node->store, kind);
}

bool rf_node_peek_registration(const struct rf_node *node, const struct rf_id *resource,
                               const struct rf_id *device, struct rf_id *host)
{
    struct rf_sip_registration registration;
    struct rf_view value;
    if (!rf_node_peek(node, resource, RF_KIND_SIP_REGISTRATION, rf_id_view(device), &value) ||
        rf_sip_registration_decode(value, node->conf->id_len, &registration) != 0 ||
        registration.type != RF_SIP_REGISTRATION_ROUTE || registration.dests[0].type != RF_DEST_NODE)
        return false;
    *host = registration.dests[0].id;
    return true;
}

int rf_node_store(struct rf_node *node, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                  bool exists, struct rf_view value, uint32_t lifetime_s, struct rf_now now,
                  rf_stored_fn done, void *arg)
{
    node_enter(node, now);
    return rf_store_client_store(node->store, &node->identity, resource, kind, slot, exists, value,
                                 lifetime_s, done, arg);
}
