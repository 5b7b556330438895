/* daemon_start.c - from a home directory to a running node, and what is said when that fails. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon_files.h"
#include "base/civil.h"
#include "crypto/openssl/openssl.h"
#include "io/clock.h"
#include "io/random.h"

#define DESCRIPTORS_KEPT ((size_t)512)   /* not for links */
#define LINKS_DEFAULT    ((size_t)12000) /* the node's own limit */

int daemon_say(const char *what, const char *why, const char *hint)
{
    fprintf(stderr, "ringfolkd: %s: %s\n", what, why);
    if (hint != NULL)
        fprintf(stderr, "  %s\n", hint);
    return 1;
}

/* ---- open: what stands in the home ---- */

static int read_home_file(struct daemon *d, const char *name, size_t max_len, struct rf_buf *out)
{
    char path[4096];
    rf_buf_init(out, rf_mem_system(), max_len);
    int error = home_path(d->home, name, path, sizeof(path));
    if (error == 0)
        error = rf_file_read(path, max_len, out);
    if (error != 0)
        return daemon_say(path, rf_file_why(error),
                          error == RF_ENOTFOUND
                              ? "the home is not complete: remove it and run `ringfolk init` again"
                              : NULL);
    return 0;
}

static int take_lock(struct daemon *d)
{
    char path[4096], why[96];
    if (home_path(d->home, "lock", path, sizeof(path)) != 0)
        return daemon_say(d->home, "the path is too long", NULL);
    int error = rf_lock_take(path, &d->lock);
    if (error == RF_EBUSY) {
        snprintf(why, sizeof(why), "a ringfolkd runs on this home already (process %ld)", d->lock.owner);
        return daemon_say(d->home, why, "end it with: ringfolk --home DIR shutdown");
    }
    if (error != 0)
        return daemon_say(path, rf_file_why(error), "a ringfolkd must be able to write to its home");
    d->locked = true;
    return 0;
}

static int read_conf(struct daemon *d)
{
    struct rf_buf xml;
    char why[300];
    if (read_home_file(d, "overlay.xml", RF_CONF_MAX_LEN, &xml) != 0) {
        rf_buf_deinit(&xml);
        return 1;
    }
    int error = rf_conf_parse(d->crypto, rf_mem_system(), rf_buf_view(&xml), rf_view_str(""), &d->conf, why,
                              sizeof(why));
    rf_buf_deinit(&xml);
    return error == 0 ? 0 : daemon_say("overlay.xml", why, NULL);
}

static void take_log_level(struct daemon *d)
{
    enum rf_log_level level = RF_LOG_INFO;
    const char *wanted = getenv("RINGFOLK_LOG");
    if (wanted != NULL)
        (void)rf_log_level_parse(wanted, &level);
    rf_log_stderr_init(&d->log, level);
}

int daemon_open(struct daemon *d, const char *home)
{
    char why[300];
    d->home = home;
    d->control_fd = -1;
    rf_list_init(&d->batches);
    rf_list_init(&d->clients);
    take_log_level(d);
    rf_random_seed(&d->jitter);
    d->crypto = rf_crypto_openssl_new(rf_mem_system());
    if (d->crypto == NULL)
        return daemon_say("crypto", "out of memory", NULL);
    int error = home_load(home, &d->config, why, sizeof(why));
    if (error != 0)
        return daemon_say(home, why,
                          error == RF_ENOTFOUND ? "make one with: ringfolk --home DIR init URL --user NAME"
                                                : NULL);
    if (take_lock(d) != 0 || read_conf(d) != 0 || read_home_file(d, "cert.der", 65536, &d->cert_der) != 0 ||
        read_home_file(d, "key.pem", 65536, &d->key_pem) != 0)
        return 1;
    return 0;
}

/* ---- start: sockets, threads, the node ---- */

#define HOTEL_FLOWS     4
#define KEEPALIVE_S     60
#define KEEPALIVE_MAX_S 600

/* No longer than as usual: nothing is to be learned. */
uint32_t daemon_keepalive_max_s(const struct daemon *d)
{
    size_t usual = d->config.keepalive_s != 0 ? d->config.keepalive_s : KEEPALIVE_S;
    size_t most = d->config.keepalive_max_s != 0 ? d->config.keepalive_max_s : KEEPALIVE_MAX_S;
    return most > usual ? (uint32_t)most : 0;
}

static int new_node(struct daemon *d)
{
    struct rf_now now;
    rf_clock_read(&now);
    struct rf_node_config config = {
        .mem = rf_mem_system(),
        .log = &d->log.log,
        .secret = rf_random_system(),
        .jitter = &d->jitter.rng,
        .crypto = d->crypto,
        .engine_ops = &rf_engine_gnutls,
        .datagram_ops = &rf_engine_gnutls_dtls,
        .conf = d->conf,
        .cert_der = rf_buf_view(&d->cert_der),
        .key_pem = rf_buf_view(&d->key_pem),
        .role = d->config.role,
        .listen = &d->config.listen,
        .listen_count = 1,
        .software = "ringfolk " RF_VERSION,
        .max_links = d->max_links,
        .max_clients = d->config.max_clients,
        .handshakes_per_s = d->config.handshakes_per_s,
        .requests_per_s = d->config.requests_per_s,
        .max_flows = d->config.max_flows == 0 && d->config.hotel ? HOTEL_FLOWS : d->config.max_flows,
        .no_reserve = d->config.hotel,
        .keepalive_s = (uint32_t)d->config.keepalive_s,
        .keepalive_max_s = daemon_keepalive_max_s(d),
        .auto_uptime_s = (uint32_t)d->config.auto_uptime_s,
        .auto_interval_s = (uint32_t)d->config.auto_interval_s,
        .auto_idle_s = (uint32_t)d->config.auto_idle_s,
        .auto_min_ring = (uint32_t)d->config.auto_min_ring,
    };
    return rf_node_new(&config, now, &d->node);
}

static int say_identity(const struct daemon *d, int error)
{
    struct rf_now now;
    char clock[64];
    rf_clock_read(&now);
    struct rf_civil c = rf_civil_from_ms(now.wall_ms);
    switch (error) {
    case RF_EREVOKED:
        return daemon_say(d->config.user, "this device was revoked by the overlay's administrator",
                          "enrol again with a new home: ringfolk --home DIR init URL --user NAME");
    case RF_EEXPIRED:
        return daemon_say(d->config.user, "the certificate has expired and could not be renewed",
                          "enrol again with a new home: ringfolk --home DIR init URL --user NAME");
    case RF_ENOTYET:
        snprintf(clock, sizeof(clock), "it says %04d-%02d-%02d %02d:%02d UTC", c.year, c.month, c.day, c.hour,
                 c.minute);
        fprintf(
            stderr,
            "ringfolkd: clock: the certificate is not valid yet: this computer's clock is probably wrong\n"
            "  %s; set it and start again\n",
            clock);
        return 1;
    case RF_EUNSUPPORTED:
        return daemon_say(
            d->config.user,
            "the overlay needs what this version lacks: ICE, or several Node-IDs in a certificate", NULL);
    case RF_EFORBIDDEN:
        return daemon_say(d->config.user, "the overlay permits no clients",
                          "set \"role\" to \"supernode\" in config.json");
    default:
        return daemon_say(d->config.user, rf_error_text(error),
                          "the home's certificate, key and document do not fit together");
    }
}

/* An expired certificate may still be good for one thing: asking for the next. */
static int make_node(struct daemon *d)
{
    char why[400];
    int error = new_node(d);
    if (error == RF_EEXPIRED && daemon_web_renew_now(d, why, sizeof(why)) == 0)
        error = new_node(d);
    else if (error == RF_EEXPIRED && why[0] != '\0')
        rf_log_write(&d->log.log, RF_LOG_ERROR, "web", "%s", why);
    return error == 0 ? 0 : say_identity(d, error);
}

static int listen_for_links(struct daemon *d)
{
    struct rf_flow_doorway door;
    char text[RF_ADDR_TEXT_LEN];
    uint64_t seed[2];
    rf_rng_fill(rf_random_system(), seed, sizeof(seed));
    if (rf_flows_new(rf_mem_system(), d->loop, daemon_doorway(d, &door), &d->log.log, seed, &d->flows) != 0)
        return daemon_say("listen", "out of memory", NULL);
    int error = rf_flows_listen(d->flows, &d->config.listen, &d->config.listen);
    if (error == 0)
        return 0;
    rf_addr_text(&d->config.listen, text);
    if (error == RF_EEXIST)
        return daemon_say(text, "the port is in use",
                          "another program listens there: end it, or change \"listen\" in config.json");
    return daemon_say(text,
                      error == RF_EUNREACHABLE ? "this computer has no such address"
                      : error == RF_EFORBIDDEN ? "this port needs privileges (below 1024)"
                                               : rf_error_text(error),
                      "change \"listen\" in config.json");
}

static void on_signal(void *arg, int number)
{
    (void)number;
    struct daemon *d = arg;
    if (d->stopping)
        rf_loop_stop(d->loop); /* the second time: at once */
    daemon_stop(d);
}

struct posted {
    struct rf_loop_job job;
    void (*fn)(void *arg);
    void *arg;
};

static void run_posted(struct rf_loop_job *job)
{
    struct posted p = *(struct posted *)job;
    free(job);
    p.fn(p.arg);
}

static void post(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct posted *p = calloc(1, sizeof(*p));
    RF_ASSERT(p != NULL);
    p->job.run = run_posted;
    p->fn = fn;
    p->arg = arg;
    rf_loop_post(((struct daemon *)ctx)->loop, &p->job);
}

static struct rf_now sip_now(void *ctx)
{
    return *rf_loop_now(((struct daemon *)ctx)->loop);
}

static int start_sip(struct daemon *d)
{
    char why[300];
    if (!d->config.media_direct && (d->sip_crypto = rf_crypto_openssl_new(rf_mem_system())) == NULL)
        return daemon_say("sip", "out of memory", NULL);
    struct rf_sip_config config = {
        .mem = rf_mem_system(),
        .log = &d->log.log,
        .node = d->node,
        .control = d->control,
        .poster = {.post = post, .ctx = d},
        .now = sip_now,
        .now_ctx = d,
        .listen = d->config.sip,
        .crypto = d->sip_crypto,
        .media = d->config.listen,
        .user = d->config.user,
        .password = d->config.sip_password,
        .software = "ringfolk " RF_VERSION,
    };
    for (size_t i = 0; i < d->config.service_count; i++)
        config.echo_service |= strcmp(d->config.services[i], "echo") == 0;
    int error = rf_sip_new(&config, &d->sip, why, sizeof(why));
    return error == 0 ? 0 : daemon_say("sip", why, "see \"sip\" in config.json");
}

/* Links take descriptors; disk, control socket, phones and calls must find some, too. */
static void reckon_descriptors(struct daemon *d)
{
    size_t limit = rf_descriptors_raise(),
           links = limit > 4 * DESCRIPTORS_KEPT ? limit - DESCRIPTORS_KEPT : limit / 2;
    if (links >= LINKS_DEFAULT)
        return;
    d->max_links = links;
    rf_log_write(&d->log.log, RF_LOG_INFO, "link", "at most %zu links: %zu files may be open (ulimit -n)",
                 links, limit);
}

int daemon_start(struct daemon *d, const char *capture_path)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    reckon_descriptors(d);
    if (rf_loop_new(rf_mem_system(), &d->loop) != 0 ||
        rf_signals_start(&d->signals, d->loop, numbers, RF_COUNT(numbers), on_signal, d) != 0)
        return daemon_say("loop", "the system refuses", NULL);
    /* sockets first: the node must know the port that others find it at */
    if (listen_for_links(d) != 0 || daemon_udp_open(d) != 0 || make_node(d) != 0 ||
        daemon_disk_open(d) != 0 || daemon_disk_load(d) != 0 || daemon_control_open(d) != 0 ||
        daemon_files_open(d) != 0 || daemon_chat_open(d) != 0 || daemon_web_open(d) != 0 ||
        daemon_doctor_open(d) != 0 || start_sip(d) != 0)
        return 1;
    if (capture_path != NULL && daemon_capture_open(d, capture_path) != 0)
        return 1;
    struct rf_now now;
    rf_clock_read(&now);
    struct rf_node_status status;
    rf_node_status(d->node, &status);
    d->renew_at_ms = status.cert_not_after_ms - (status.cert_not_after_ms - now.wall_ms) / 3;
    d->refresh_at_ms = now.wall_ms + 5000;
    d->task = (struct rf_loop_task){.turn = daemon_turn, .arg = d};
    rf_loop_task_add(d->loop, &d->task);
    daemon_udp_tell_node(d);
    (void)rf_addresses_watch(&d->addresses, d->loop, daemon_udp_moved, d); /* without it TCP notices, later */
    rf_node_start(d->node, now);
    daemon_relay_role(d, status.role == RF_NODE_SUPERNODE);
    if (d->config.forward[0] != '\0' && rf_node_forward(d->node, rf_view_str(d->config.forward), now) != 0)
        return daemon_say(d->config.forward, "calls cannot be forwarded there",
                          "see \"forward\" in config.json");
    rf_node_register(d->node, true, now);
    return 0;
}

void daemon_end_sip(struct daemon *d)
{
    if (d->sip == NULL)
        return;
    rf_sip_free(d->sip);
    d->sip = NULL;
    rf_loop_run_posted(d->loop); /* what its thread still had to say */
}

void daemon_close(struct daemon *d)
{
    daemon_end_sip(d);
    daemon_files_close(d);
    daemon_capture_close(d);
    daemon_relay_close(d);
    daemon_udp_close(d);
    if (d->flows != NULL)
        rf_flows_free(d->flows);
    daemon_chat_finish(d);
    daemon_disk_close(d);
    rf_node_free(d->node); /* ends the commands under way: before their sessions go */
    d->node = NULL;
    daemon_control_close(d);
    daemon_chat_close(d);
    rf_control_free(d->control);
    if (d->loop != NULL) {
        rf_signals_stop(&d->signals);
        rf_addresses_stop(&d->addresses);
        rf_loop_free(d->loop);
    }
    rf_conf_release(d->conf);
    if (d->key_pem.p != NULL)
        rf_wipe(d->key_pem.p, d->key_pem.cap);
    rf_buf_deinit(&d->key_pem);
    rf_buf_deinit(&d->cert_der);
    rf_crypto_openssl_free(d->crypto);
    rf_crypto_openssl_free(d->sip_crypto);
    if (d->locked)
        rf_lock_release(&d->lock);
}
