/* ringfolk_enrol_serve.c - `serve`: the HTTPS server around enrol/door.h, until SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "apps/ringfolk_enrol.h"
#include "base/assert.h"
#include "db/enrol.h"
#include "enrol/admin.h"
#include "enrol/door.h"
#include "io/clock.h"
#include "io/https.h"
#include "io/random.h"

#define CONNECTIONS_MAX             2000
#define CONNECTIONS_PER_ADDRESS_MAX 64 /* so that it takes many to fill the house */
#define IDLE_TIMEOUT_S              30
#define REQUEST_TIMEOUT_S           60
#define OTHER_FILES                 64 /* descriptors for all but connections */
#define DOCUMENT_EVERY_S            3600
#define HASH_WORKERS_MAX            4 /* argon2 computations at once: each takes a core and 19 MiB */
#define HASH_QUEUE_MAX              64
#define BUSY_RETRY_S                2

struct server {
    struct enrol_data data;
    struct rf_enrol *enrol;
    struct rf_door door;
    struct rf_https *https;
    bool database_fails; /* as was last logged */
};

/* One request between the handler's calls. */
struct pending {
    struct rf_door_answer answer;
    struct rf_enrol_attempt *attempt; /* NULL once it is decided */
};

/* ---- a request ---- */

static struct rf_view view_or_none(const char *s)
{
    return s ? rf_view_str(s) : (struct rf_view){0};
}

static void run_job(void *arg)
{
    rf_password_run(arg);
}

/* begin does the first part; RF_EAGAIN: a password is being computed. */
static int begin(struct server *server, struct rf_https_request *in, struct pending *p,
                 const struct rf_now *now)
{
    struct rf_door_request request = {
        .method = rf_view_str(in->method),
        .path = rf_view_str(in->path),
        .content_type = view_or_none(in->content_type),
        .if_none_match = view_or_none(in->if_none_match),
        .body = in->body,
        .client_certificate = in->client_certificate,
        .peer = in->peer,
    };
    rf_door_answer_init(&p->answer, server->data.mem);
    rf_door_begin(&server->door, &request, now, &p->answer, &p->attempt);
    if (!p->attempt)
        return RF_OK;
    if (rf_https_work(server->https, in, run_job, &p->attempt->job) == RF_OK)
        return RF_EAGAIN;
    rf_enrol_attempt_free(p->attempt);
    p->attempt = NULL;
    rf_door_refuse(&p->answer, 503, "too many people enrol at this moment; try again in a few seconds");
    p->answer.enrol.retry_after_s = BUSY_RETRY_S;
    return RF_OK;
}

static void fill(const struct rf_door_answer *answer, struct rf_https_response *out)
{
    out->status = answer->status;
    out->body = answer->body;
    if (answer->content_type)
        rf_https_header(out, "Content-Type", "%s", answer->content_type);
    if (answer->enrol.reason[0])
        rf_https_header(out, "Ringfolk-Reason", "%s", answer->enrol.reason);
    if (answer->enrol.retry_after_s > 0)
        rf_https_header(out, "Retry-After", "%u", answer->enrol.retry_after_s);
    if (answer->allow)
        rf_https_header(out, "Allow", "%s", answer->allow);
    if (answer->etag[0])
        rf_https_header(out, "ETag", "%s", answer->etag);
    rf_https_header(out, "Cache-Control", "%s", answer->etag[0] ? "no-cache" : "no-store");
}

/* watch_database logs when the database begins to fail, and when it is back; requests tell only that something is wrong. */
static void watch_database(struct server *server)
{
    const char *why = rf_enrol_db_error(server->data.store);
    bool fails = why[0] != '\0';
    if (fails && !server->database_fails)
        rf_log_write(&server->data.log.log, RF_LOG_ERROR, "database", "it fails: %s", why);
    else if (!fails && server->database_fails)
        rf_log_write(&server->data.log.log, RF_LOG_INFO, "database", "it works again");
    server->database_fails = fails;
}

static int on_request(void *ctx, struct rf_https_request *in, struct rf_https_response *out)
{
    struct server *server = ctx;
    struct pending *p = in->user;
    struct rf_now now;
    rf_clock_read(&now);
    if (!p) {
        in->user = p = rf_zalloc(server->data.mem, sizeof(*p));
        if (!p)
            return RF_ENOMEM;
        int e = begin(server, in, p, &now);
        watch_database(server);
        if (e != RF_OK)
            return e;
    } else if (p->attempt) {
        struct rf_enrol_attempt *attempt = p->attempt;
        p->attempt = NULL;
        rf_door_finish(&server->door, attempt, &now, &p->answer);
        watch_database(server);
    }
    fill(&p->answer, out);
    return RF_OK;
}

static void on_closed(void *ctx, struct rf_https_request *in)
{
    struct server *server = ctx;
    struct pending *p = in->user;
    if (!p)
        return;
    rf_enrol_attempt_free(p->attempt);
    rf_door_answer_deinit(&p->answer);
    rf_free(server->data.mem, p);
    in->user = NULL;
}

/* on_logged writes the access log: no form, no query, no header gets in, and of a path only what is printable. */
static void on_logged(void *ctx, const struct rf_https_request *in, int status, size_t body_len,
                      uint64_t took_us)
{
    struct server *server = ctx;
    const struct pending *p = in->user;
    char path[64], peer[RF_ADDR_TEXT_LEN], node_id[RF_ID_TEXT_LEN] = "";
    snprintf(path, sizeof(path), "%s", in->path);
    for (char *c = path; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    if (p && p->answer.enrol.node_id.len > 0)
        rf_id_text(&p->answer.enrol.node_id, node_id);
    const char *reason = p ? p->answer.enrol.reason : "";
    rf_log_write(&server->data.log.log, RF_LOG_INFO, "access", "%s %.16s %s %d %zu bytes %llu ms %s %s%s",
                 rf_addr_ip_text(&in->peer, peer), in->method, path, status, body_len,
                 (unsigned long long)(took_us / 1000),
                 p && p->answer.enrol.user[0] ? p->answer.enrol.user : "-", node_id, reason);
}

/* ---- start and stop ---- */

static int make_enrol(struct server *server)
{
    struct enrol_data *data = &server->data;
    struct rf_enrol_config config = {
        .overlay = data->settings.overlay,
        .id_len = RF_ID_MIN_LEN,
        .validity_ms = data->settings.certificate_days * ENROL_DAY_MS,
        .cost = RF_PASSWORD_COST_DEFAULT,
        .limits = RF_ENROL_LIMITS_DEFAULT,
    };
    if (data->settings.self_signed)
        return ENROL_OK;
    rf_rng_fill(rf_random_system(), config.seed, sizeof(config.seed));
    int e = rf_enrol_new(data->mem, data->crypto, data->store, rf_random_system(), &data->log.log, &data->ca,
                         data->ca_key, &config, &server->enrol);
    return e == RF_OK ? ENROL_OK : enrol_fail("serve", rf_error_text(e));
}

/* renew_tls makes the HTTPS certificate anew, for the names that init was given. */
static int renew_tls(struct enrol_data *data, const struct rf_addr *listen)
{
    char addr[RF_ADDR_TEXT_LEN];
    const char *names[ENROL_NAMES_MAX + 5];
    size_t count = 0;
    json_t *own = json_object_get(data->settings.json, "names"), *name;
    size_t i;
    uint64_t wall_ms = enrol_wall_ms();
    if (!certs_tls_old(data, wall_ms))
        return ENROL_OK;
    json_array_foreach(own, i, name) if (count < ENROL_NAMES_MAX && json_is_string(name)) names[count++] =
        json_string_value(name);
    names[count++] = "localhost";
    names[count++] = data->settings.overlay;
    if (!rf_addr_is_any(listen))
        names[count++] = rf_addr_ip_text(listen, addr);
    names[count++] = "127.0.0.1";
    names[count++] = "[::1]:0";
    rf_log_write(&data->log.log, RF_LOG_INFO, "serve",
                 "the HTTPS certificate is about to expire: made a new one");
    return certs_make_tls(data, names, count, wall_ms);
}

static unsigned hash_workers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > HASH_WORKERS_MAX ? HASH_WORKERS_MAX : (unsigned)cores;
}

/* connections_max raises the limit of open files as far as the system lets us, and stays below it. */
static unsigned connections_max(void)
{
    struct rlimit files;
    rlim_t wanted = CONNECTIONS_MAX + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return CONNECTIONS_MAX;
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur > 2 * OTHER_FILES ? (unsigned)files.rlim_cur - OTHER_FILES : OTHER_FILES;
}

static int read_text(struct enrol_data *data, const char *name, struct rf_buf *out)
{
    rf_buf_init(out, data->mem, 65536);
    int status = data_read(data, name, out);
    rf_buf_u8(out, 0);
    return status == ENROL_OK && rf_buf_error(out) == RF_OK ? ENROL_OK : ENROL_FAILED;
}

static int start_https(struct server *server, const struct rf_addr *listen)
{
    struct enrol_data *data = &server->data;
    struct rf_buf cert, key, ca;
    int status = read_text(data, "tls.pem", &cert);
    status |= read_text(data, "tls.key", &key);
    status |= read_text(data, "ca.pem", &ca);
    if (status == ENROL_OK) {
        struct rf_https_config config = {
            .listen = *listen,
            .cert_pem = (const char *)cert.p,
            .key_pem = (const char *)key.p,
            .client_ca_pem = data->settings.self_signed ? NULL : (const char *)ca.p,
            .body_max_len = RF_DOOR_BODY_MAX_LEN,
            .connections_max = connections_max(),
            .connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX,
            .idle_timeout_s = IDLE_TIMEOUT_S,
            .request_timeout_s = REQUEST_TIMEOUT_S,
            .workers = hash_workers(),
            .queue_max = HASH_QUEUE_MAX,
            .ctx = server,
            .handle = on_request,
            .closed = on_closed,
            .logged = on_logged,
            .log = &data->log.log,
        };
        int e = rf_https_start(data->mem, &config, &server->https);
        if (e == RF_EEXIST)
            status = enrol_fail(data->settings.listen, "the port is in use; is another server running?");
        else if (e == RF_EUNREACHABLE)
            status = enrol_fail(data->settings.listen,
                                "this computer has no such address; see listen in enrol.json");
        else if (e == RF_EFORBIDDEN)
            status = enrol_fail(data->settings.listen, "this port needs privileges (below 1024)");
        else if (e == RF_EFORMAT)
            status = enrol_fail("tls.pem", "certificate and tls.key do not belong together, or are damaged");
        else if (e != RF_OK)
            status = enrol_fail(data->settings.listen, "this address cannot be listened on");
    }
    if (key.p)
        rf_wipe(key.p, key.cap);
    rf_buf_deinit(&cert);
    rf_buf_deinit(&key);
    rf_buf_deinit(&ca);
    return status;
}

/*
 * renew_document signs the configuration document anew when half of its life is over. With a store of its own, for the server's belongs to the
 * thread that answers; the signer's key is read only when it is needed, so it may be elsewhere.
 */
static void renew_document(struct server *server)
{
    struct enrol_data data;
    uint16_t sequence = 0;
    struct rf_log *log = &server->data.log.log;
    uint64_t wall_ms = enrol_wall_ms();
    int e = data_open(&data, server->data.cli, ENROL_STORE) == ENROL_OK ? RF_OK : RF_EDATABASE;
    if (e == RF_OK)
        e = rf_admin_document_due(data.store, data.crypto, data.mem, wall_ms);
    if (e == RF_OK && data_open_signer(&data) != ENROL_OK)
        e = RF_ENOTFOUND;
    if (e == RF_OK)
        e = rf_admin_document_renew(data.store, data.crypto, data.mem, &data.signer, wall_ms, &sequence);
    if (e == RF_OK)
        rf_log_write(log, RF_LOG_INFO, "serve", "the configuration document is signed anew: %u", sequence);
    else if (e != RF_EEXIST)
        rf_log_write(log, RF_LOG_ERROR, "serve", "the configuration document cannot be signed anew: %s",
                     rf_error_text(e));
    data_close(&data);
}

/* run says that it is ready and does what time asks for until the signal. */
static int run(struct server *server, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = 1};
    if (server->data.cli->json)
        enrol_print(json_pack("{s:s}", "ready", server->data.settings.url));
    else
        printf("ready %s\n", server->data.settings.url);
    if (fflush(stdout) != 0)
        return enrol_fail("serve", "standard output is closed");
    for (unsigned s = 0; sigtimedwait(signals, NULL, &second) < 0; s++) {
        rf_https_tick(server->https);
        if (s % DOCUMENT_EVERY_S == 0)
            renew_document(server);
    }
    return ENROL_OK;
}

int enrol_serve(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct server server = {0};
    struct rf_addr listen;
    sigset_t signals;
    (void)argv;
    if (argc != 0)
        return enrol_usage(self->usage, "serve takes no arguments");
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread is there */
    int status = data_open(&server.data, cli, ENROL_STORE | ENROL_CA);
    if (status == ENROL_OK && rf_addr_parse(server.data.settings.listen, 0, &listen) != RF_OK)
        status = enrol_fail("enrol.json", "listen is no address");
    if (status == ENROL_OK)
        status = renew_tls(&server.data, &listen);
    if (status == ENROL_OK)
        status = make_enrol(&server);
    rf_door_init(&server.door, rf_mem_system(), server.data.crypto, server.data.store, server.enrol);
    if (status == ENROL_OK)
        status = start_https(&server, &listen);
    if (status == ENROL_OK)
        status = run(&server, &signals);
    rf_https_stop(server.https);
    rf_door_deinit(&server.door);
    rf_enrol_free(server.enrol);
    data_close(&server.data);
    return status;
}
