/*
 * daemon_relay.c - the relay of a supernode: started when the node is one, ended when it is none any more; its secret, which is made anew every ROTATE_US; what status and counters
 * say of it. Credentials are given by the node (node/relay.c), with the same secret.
 */
#include <stdio.h>
#include <string.h>
#include "apps/daemon.h"
#include "crypto/der.h"
#include "crypto/openssl/openssl.h"
#include "io/files.h"
#include "io/random.h"

#define ROTATE_US   (24 * 3600 * RF_US_PER_S)
#define KBIT        125 /* bytes */
#define KBIT_S      ((size_t)50000)
#define USER_KBIT_S ((size_t)5000)
#define SERVERS_MAX (RF_RELAY_TRANSPORTS + 1)
#define PEM_MAX     65536
#define REALM_MAX   127

/* What others see of an address that the relay has here. */
static struct rf_addr told_of(const struct daemon *d, struct rf_addr at)
{
    const struct rf_addr *told = &d->config.relay.address;
    uint16_t port = at.port;
    if (rf_addr_is_any(&at))
        at = d->config.listen;
    if (told->family == at.family && rf_addr_same_ip(&at, &d->config.listen))
        at = *told;
    at.port = port;
    return at;
}

/* How it can be reached, the way that others are to try first in front: by UDP, by TCP at the node's own port, then where it was configured. */
static size_t list_servers(const struct daemon *d, struct rf_relay_server out[SERVERS_MAX])
{
    const struct rf_addr *at[RF_RELAY_TRANSPORTS] = {rf_relay_address(d->relay), rf_relay_tcp(d->relay),
                                                     rf_relay_tls(d->relay)};
    size_t count = 0;
    for (size_t i = 0; i < RF_RELAY_TRANSPORTS; i++) {
        if (i == RF_RELAY_TCP)
            out[count++] = (struct rf_relay_server){.transport = i, .address = told_of(d, d->config.listen)};
        if (at[i]->family != 0)
            out[count++] = (struct rf_relay_server){.transport = i, .address = told_of(d, *at[i])};
    }
    if (rf_relay_tls(d->relay)->family != 0)
        out[count - 1].name = rf_view_str(d->config.relay.tls_name);
    return count;
}

static void tell_node(struct daemon *d)
{
    char realm[REALM_MAX + 1];
    struct rf_relay_server servers[SERVERS_MAX];
    struct rf_view overlay = rf_node_conf(d->node)->overlay;
    struct rf_node_relay_offer offer = {.realm = realm, .servers = servers};
    offer.server_count = list_servers(d, servers);
    snprintf(realm, sizeof(realm), "%.*s", (int)overlay.len, (const char *)overlay.p);
    memcpy(offer.secret, d->relay_secret, sizeof(offer.secret));
    if (rf_node_serve_relay(d->node, &offer, *rf_loop_now(d->loop)) != 0)
        rf_log_write(&d->log.log, RF_LOG_WARN, "relay", "the node cannot offer it: out of memory");
    rf_wipe(&offer, sizeof(offer));
}

static uint64_t bytes_of(size_t kbit, size_t otherwise)
{
    return (uint64_t)(kbit != 0 ? kbit : otherwise) * KBIT;
}

/* In the relay's threads. */
static void on_stray(void *ctx, const struct rf_addr *from, struct rf_view bytes)
{
    struct daemon *d = ctx;
    rf_udp_hand(d->udp, d->udp_base, from, bytes);
}

static int read_pem(struct daemon *d, const char *name, struct rf_buf *out)
{
    char path[4096];
    int error = name[0] == '/' ? snprintf(path, sizeof(path), "%s", name) >= (int)sizeof(path)
                               : home_path(d->home, name, path, sizeof(path));
    error = error != 0 ? RF_ELIMIT : rf_file_read(path, PEM_MAX, out);
    if (error != 0)
        rf_log_write(&d->log.log, RF_LOG_WARN, "relay", "no TLS: %s: %s", path, rf_file_why(error));
    return error;
}

/* The files that are named, or the node's own certificate, which only nodes of the overlay trust. */
static int take_pem(struct daemon *d, struct rf_buf *chain, struct rf_buf *key)
{
    const struct home_relay *c = &d->config.relay;
    if (c->tls_cert[0] != '\0') {
        int error = read_pem(d, c->tls_cert, chain);
        return error != 0 ? error : read_pem(d, c->tls_key, key);
    }
    struct rf_view der = rf_buf_view(&d->cert_der), one;
    while (der.len > 0 && rf_buf_error(chain) == 0) {
        int error = rf_der_any(&der, &(uint8_t){0}, &one, NULL);
        if (error != 0)
            return error;
        rf_pem_put(chain, "CERTIFICATE", one);
    }
    rf_buf_view_put(key, rf_buf_view(&d->key_pem));
    return rf_buf_error(chain) != 0 ? rf_buf_error(chain) : rf_buf_error(key);
}

/* TCP and TLS are extras: what cannot be is left out, and said. */
static int open_relay(struct daemon *d, struct rf_relay_config *config)
{
    struct rf_buf chain, key;
    char text[RF_ADDR_TEXT_LEN];
    int error;
    rf_buf_init(&chain, rf_mem_system(), PEM_MAX);
    rf_buf_init(&key, rf_mem_system(), PEM_MAX);
    if (config->tls.family != 0 && take_pem(d, &chain, &key) != 0)
        config->tls.family = 0;
    config->tls_chain = rf_buf_view(&chain);
    config->tls_key = rf_buf_view(&key);
    while ((error = rf_relay_new(config, &d->relay)) != 0 && (config->tls.family | config->tcp.family) != 0) {
        struct rf_addr *left_out = config->tls.family != 0 ? &config->tls : &config->tcp;
        rf_log_write(&d->log.log, RF_LOG_WARN, "relay", "not at %s: %s", rf_addr_text(left_out, text),
                     error == RF_EEXIST       ? "the port is in use"
                     : error == RF_EFORBIDDEN ? "this port needs privileges (below 1024)"
                     : error == RF_EFORMAT ? "\"relay_tls_cert\" and \"relay_tls_key\" do not belong together"
                                           : rf_error_text(error));
        left_out->family = 0;
    }
    rf_buf_deinit(&chain);
    if (key.p != NULL)
        rf_wipe(key.p, key.cap);
    rf_buf_deinit(&key);
    return error;
}

static int start(struct daemon *d)
{
    const struct home_relay *c = &d->config.relay;
    struct rf_view overlay = rf_node_conf(d->node)->overlay;
    char realm[REALM_MAX + 1];
    snprintf(realm, sizeof(realm), "%.*s", (int)overlay.len, (const char *)overlay.p);
    rf_rng_fill(rf_random_system(), d->relay_secret, sizeof(d->relay_secret));
    struct rf_relay_config config = {
        .mem = rf_mem_system(),
        .listen = d->config.listen,
        .relayed = {d->config.listen},
        .tcp = c->tcp,
        .tls = c->tls,
        .port_low = (uint16_t)c->port_low,
        .port_high = (uint16_t)c->port_high,
        .threads = c->threads,
        .secret = rf_random_system(),
        .crypto_new = rf_crypto_openssl_new,
        .crypto_free = rf_crypto_openssl_free,
        .turn = {.realm = realm,
                 .max_allocations = c->allocations,
                 .max_per_user = c->user_allocations,
                 .bytes_per_s = bytes_of(c->kbit_s, KBIT_S),
                 .user_bytes_per_s = bytes_of(c->user_kbit_s, USER_KBIT_S),
                 .private_peers = c->private_peers},
    };
    config.told[0] = c->address;
    if (d->udp_open && rf_udp_share(d->udp, d->udp_base, c->threads != 0 ? c->threads : 1) == 0) {
        config.stray = on_stray;
        config.stray_ctx = d;
    } else {
        config.listen.port = 0; /* this kernel cannot tell who a datagram is for: a port of its own */
    }
    memcpy(config.turn.secret, d->relay_secret, sizeof(config.turn.secret));
    int error = open_relay(d, &config);
    rf_wipe(&config.turn.secret, sizeof(config.turn.secret));
    return error;
}

/* STUN over TCP (RFC 8656, section 3.1) begins with two zero bits, TLS with 22. */
static bool is_turn(void *ctx, struct rf_view bytes)
{
    (void)ctx;
    return bytes.len > 0 && bytes.p[0] < 4;
}

static void take_turn(void *ctx, int fd, const struct rf_addr *remote, struct rf_view bytes)
{
    rf_relay_take(((struct daemon *)ctx)->relay, fd, remote, bytes);
}

static void begin(struct daemon *d)
{
    struct rf_flow_foreign foreign = {.ctx = d, .is = is_turn, .take = take_turn};
    char text[RF_ADDR_TEXT_LEN];
    int error = start(d);
    if (error != 0) {
        rf_log_write(&d->log.log, RF_LOG_WARN, "relay", "there is none: %s: %s",
                     rf_addr_text(&d->config.listen, text),
                     error == RF_EINVAL   ? "\"listen\" must be one address of this computer"
                     : error == RF_EEXIST ? "another program has the UDP port"
                                          : rf_error_text(error));
        d->relay_wanted = false; /* until the role changes */
        return;
    }
    d->relay_rotate_us = rf_loop_now(d->loop)->mono_us + ROTATE_US;
    rf_flows_set_foreign(d->flows, &foreign);
    tell_node(d);
    rf_log_write(&d->log.log, RF_LOG_INFO, "relay", "serving at %s",
                 rf_addr_text(rf_relay_address(d->relay), text));
}

static void end(struct daemon *d)
{
    (void)rf_node_serve_relay(d->node, NULL, *rf_loop_now(d->loop));
    rf_flows_set_foreign(d->flows, NULL);
    rf_relay_free(d->relay);
    d->relay = NULL;
    rf_wipe(d->relay_secret, sizeof(d->relay_secret));
    rf_log_write(&d->log.log, RF_LOG_INFO, "relay", "ended: this node is no supernode any more");
}

void daemon_relay_role(struct daemon *d, bool supernode)
{
    d->relay_wanted = supernode && !d->config.relay.off;
}

uint64_t daemon_relay_turn(struct daemon *d)
{
    uint64_t now_us = rf_loop_now(d->loop)->mono_us;
    if (d->relay_wanted && d->relay == NULL)
        begin(d);
    else if (!d->relay_wanted && d->relay != NULL)
        end(d);
    if (d->relay != NULL && now_us >= d->relay_rotate_us) {
        d->relay_rotate_us = now_us + ROTATE_US;
        rf_rng_fill(rf_random_system(), d->relay_secret, sizeof(d->relay_secret));
        rf_relay_rotate(d->relay, d->relay_secret);
        tell_node(d);
    }
    return d->relay != NULL ? d->relay_rotate_us : RF_NEVER;
}

void daemon_relay_close(struct daemon *d)
{
    rf_relay_free(d->relay);
    d->relay = NULL;
    rf_wipe(d->relay_secret, sizeof(d->relay_secret));
}

/* ---- what it says ---- */

void daemon_relay_status(struct daemon *d, json_t *status)
{
    struct rf_turn_status s;
    struct rf_relay_server servers[SERVERS_MAX];
    char text[RF_ADDR_TEXT_LEN], whole[RF_ADDR_TEXT_LEN + 8];
    if (d->relay == NULL) {
        json_object_set_new(status, "relay", json_null());
        return;
    }
    rf_relay_status(d->relay, &s, NULL);
    json_t *list = json_array();
    size_t count = list_servers(d, servers);
    for (size_t i = 0; i < count; i++) {
        snprintf(whole, sizeof(whole), "%s:%s", rf_relay_transport_name(servers[i].transport),
                 rf_addr_text(&servers[i].address, text));
        json_array_append_new(list, json_string(whole));
    }
    json_object_set_new(
        status, "relay",
        json_pack(
            "{so sI sI sI sI}", "servers", list, "users", (json_int_t)s.users, "allocations",
            (json_int_t)s.allocations, "bytes",
            (json_int_t)(s.counters.to_peer_bytes + s.counters.to_client_bytes), "refused",
            (json_int_t)(s.counters.refused_quota + s.counters.refused_capacity + s.counters.over_budget)));
}

static void tell_all(const void *counters, const struct rf_counter_desc *descs, size_t count,
                     void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                uint64_t value),
                     void *arg)
{
    for (size_t i = 0; i < count; i++)
        fn(arg, "relay", descs[i].name, descs[i].help, rf_counter_get(counters, &descs[i]));
}

void daemon_relay_counters(struct daemon *d,
                           void (*fn)(void *arg, const char *room, const char *name, const char *help,
                                      uint64_t value),
                           void *arg)
{
    struct rf_turn_status s;
    if (d->relay == NULL)
        return;
    struct rf_relay_counters streams;
    rf_relay_status(d->relay, &s, &streams);
    tell_all(&s.counters, rf_turn_counter_descs, rf_turn_counter_count, fn, arg);
    tell_all(&streams, rf_relay_counter_descs, rf_relay_counter_count, fn, arg);
}
