/* ringfolk_enrol_init.c - `init`: everything that an overlay needs before its first node. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "apps/ringfolk_enrol.h"
#include "base/assert.h"
#include "base/text.h"
#include "enrol/admin.h"
#include "enrol/door.h"
#include "io/files.h"
#include "io/sockets.h"

#define BOOTSTRAPS_MAX 32
#define DEFAULT_LISTEN "0.0.0.0:8443"
#define DEFAULT_PORT   8443
#define OVERLAY_PORT   6084

struct wish {
    char overlay[RF_ENROL_NAME_SIZE];
    struct rf_addr listen;
    struct rf_addr bootstraps[BOOTSTRAPS_MAX];
    size_t bootstrap_count;
    const char *names[ENROL_NAMES_MAX];
    size_t name_count;
    bool self_signed;
    int days;
};

/* ---- options ---- */

static int parse_overlay(const char *text, char out[RF_ENROL_NAME_SIZE], const char *usage)
{
    size_t len = strlen(text);
    if (!rf_domain_valid(rf_view_of(text, len)) || len > 180)
        return enrol_usage(usage, "%s is no name for an overlay; it looks like a domain, e.g. example.org",
                           text);
    for (size_t i = 0; i <= len; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    return ENROL_OK;
}

enum { INIT_OVERLAY, INIT_LISTEN, INIT_BOOTSTRAP, INIT_NAME, INIT_SELF_SIGNED, INIT_DAYS };
const struct app_option enrol_init_options[] = {
    [INIT_OVERLAY] = {"OVERLAY", NULL, "its name, a domain of yours", NULL, 0},
    [INIT_LISTEN] = {"--listen", "ADDR:PORT",
                     "of the server (default " DEFAULT_LISTEN "); port 0: a free one", NULL, 0},
    [INIT_BOOTSTRAP] = {"--bootstrap", "ADDR:PORT", "a supernode that newcomers ask first; may be repeated",
                        NULL, 0},
    [INIT_NAME] = {"--name", "HOST", "host name by which nodes reach the server; may be repeated once", NULL,
                   0},
    [INIT_SELF_SIGNED] = {"--self-signed", NULL,
                          "nobody enrols: names are claims, keys make their own certificates", NULL, 0},
    [INIT_DAYS] = {"--certificate-days", "N", "life of the nodes' certificates, 1 to 3650 (default 90)", NULL,
                   0},
};
const size_t enrol_init_option_count = RF_COUNT(enrol_init_options);

/* one option or word with its value */
static int parse_option(int row, const char *value, struct wish *wish, const char *usage)
{
    char rest;
    switch (row) {
    case INIT_LISTEN:
        if (rf_addr_parse(value, DEFAULT_PORT, &wish->listen) != RF_OK)
            return enrol_usage(usage, "--listen %s: an IP address and a port are needed, e.g. 192.0.2.1:8443",
                               value);
        return ENROL_OK;
    case INIT_BOOTSTRAP:
        if (wish->bootstrap_count == BOOTSTRAPS_MAX)
            return enrol_usage(usage, "at most %d bootstrap nodes", BOOTSTRAPS_MAX);
        if (rf_addr_parse(value, OVERLAY_PORT, &wish->bootstraps[wish->bootstrap_count]) != RF_OK)
            return enrol_usage(
                usage, "--bootstrap %s: an IP address and a port are needed, e.g. 192.0.2.1:6084", value);
        wish->bootstrap_count++;
        return ENROL_OK;
    case INIT_NAME:
        if (wish->name_count == ENROL_NAMES_MAX || !rf_domain_valid(rf_view_str(value)))
            return enrol_usage(usage, "--name %s: at most %d host names", value, ENROL_NAMES_MAX);
        wish->names[wish->name_count++] = value;
        return ENROL_OK;
    case INIT_SELF_SIGNED:
        wish->self_signed = true;
        return ENROL_OK;
    case INIT_DAYS:
        if (sscanf(value, "%d%c", &wish->days, &rest) != 1 || wish->days < 1 || wish->days > 3650)
            return enrol_usage(usage, "--certificate-days %s: 1 to 3650", value);
        return ENROL_OK;
    }
    if (wish->overlay[0] != '\0')
        return enrol_usage(usage, "%s is one word too many", value);
    return parse_overlay(value, wish->overlay, usage);
}

static int parse(struct wish *wish, const char *usage, int argc, char **argv)
{
    struct app_words words = {.argc = argc, .argv = argv};
    int row;
    memset(wish, 0, sizeof(*wish));
    wish->days = ENROL_DAYS;
    rf_addr_parse(DEFAULT_LISTEN, DEFAULT_PORT, &wish->listen);
    while ((row = app_next(&words, enrol_init_options, enrol_init_option_count)) != APP_END) {
        if (row == APP_WRONG)
            return enrol_usage(usage, "%s", words.wrong);
        if (parse_option(row, words.value, wish, usage) != ENROL_OK)
            return ENROL_USAGE;
    }
    return wish->overlay[0] != '\0' ? ENROL_OK : enrol_usage(usage, "name one overlay");
}

/* ---- the pieces ---- */

/* choose_port lets the kernel choose for port 0, so that the document can name the port. */
static int choose_port(struct rf_addr *addr)
{
    int fd;
    if (addr->port != 0)
        return ENROL_OK;
    int error = rf_socket_listen(addr, &fd, addr);
    if (error == RF_EUNREACHABLE)
        return enrol_fail("--listen", "this computer has no such address");
    if (error != RF_OK)
        return enrol_fail("--listen", rf_error_text(error));
    rf_socket_close(fd);
    return ENROL_OK;
}

/* server_url is what nodes will be told: the first --name, else the address itself, else the overlay's name. */
static void server_url(const struct wish *wish, char *out, size_t size)
{
    char addr[RF_ADDR_TEXT_LEN];
    if (wish->name_count > 0)
        snprintf(out, size, "https://%s:%u", wish->names[0], wish->listen.port);
    else if (rf_addr_is_any(&wish->listen))
        snprintf(out, size, "https://%s:%u", wish->overlay, wish->listen.port);
    else
        snprintf(out, size, "https://%s", rf_addr_text(&wish->listen, addr));
}

static int make_tls(struct enrol_data *data, const struct wish *wish, uint64_t wall_ms)
{
    char addr[RF_ADDR_TEXT_LEN];
    const char *names[ENROL_NAMES_MAX + 5];
    size_t count = 0;
    for (size_t i = 0; i < wish->name_count; i++)
        names[count++] = wish->names[i];
    names[count++] = "localhost";
    names[count++] = wish->overlay;
    if (!rf_addr_is_any(&wish->listen)) {
        rf_addr_ip_text(&wish->listen, addr);
        names[count++] = addr;
    }
    names[count++] = "127.0.0.1";
    names[count++] = "[::1]:0";
    return certs_make_tls(data, names, count, wall_ms);
}

/* The Kinds of the certificate store and of the SIP usage; sizes so that a value fits into one message. */
static const struct rf_kind_def kinds[] = {
    {.id = 0x1,
     .model = RF_MODEL_DICTIONARY,
     .policy = RF_POLICY_USER_NODE_MATCH,
     .max_count = 64,
     .max_size = 1000,
     .domain_restricted = true},
    {.id = 0x3, .model = RF_MODEL_ARRAY, .policy = RF_POLICY_NODE_MATCH, .max_count = 4, .max_size = 2000},
    {.id = 0x10, .model = RF_MODEL_ARRAY, .policy = RF_POLICY_USER_MATCH, .max_count = 128, .max_size = 2000},
};

static int make_document(struct enrol_data *data, const struct wish *wish, const char *url, uint64_t wall_ms)
{
    char enrol_url[400];
    char *urls[] = {enrol_url};
    struct rf_view roots[] = {data->ca.der};
    struct rf_kind_def own_kinds[RF_COUNT(kinds)];
    struct rf_addr bootstraps[BOOTSTRAPS_MAX];
    struct rf_conf draft;
    snprintf(enrol_url, sizeof(enrol_url), "%s" RF_DOOR_ENROL_PATH, url);
    memcpy(own_kinds, kinds, sizeof(kinds));
    memcpy(bootstraps, wish->bootstraps, sizeof(bootstraps));
    rf_conf_draft(&draft);
    draft.overlay = rf_view_str(wish->overlay);
    draft.sequence = 1;
    draft.expiration_ms = wall_ms + ENROL_DOCUMENT_DAYS * ENROL_DAY_MS;
    draft.id_len = RF_ID_MIN_LEN;
    draft.max_message_size =
        65536; /* a ConfigUpdate carries the whole document, which grows with every revocation */
    draft.bootstraps = bootstraps;
    draft.bootstrap_count = wish->bootstrap_count;
    draft.configuration_signers = draft.kind_signers = &data->signer.node_id;
    draft.configuration_signer_count = draft.kind_signer_count = 1;
    draft.kinds = own_kinds;
    draft.kind_count = RF_COUNT(kinds);
    if (wish->self_signed)
        draft.self_signed = RF_DIGEST_SHA256;
    else {
        draft.roots = roots;
        draft.enrolment_urls = urls;
        draft.root_count = draft.enrolment_url_count = 1;
    }
    int e = rf_admin_document_first(data->store, &data->signer, &draft, wall_ms);
    if (e == RF_EEXIST)
        return enrol_fail("init", "the database holds the document of another overlay already");
    return e == RF_OK ? ENROL_OK : enrol_fail_db(data, "the configuration document cannot be made", e);
}

static int make_settings(struct enrol_data *data, const struct wish *wish, const char *url)
{
    char addr[RF_ADDR_TEXT_LEN];
    json_t *names = json_array();
    for (size_t i = 0; i < wish->name_count; i++)
        json_array_append_new(names, json_string(wish->names[i]));
    data->settings.json =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o}", "overlay", wish->overlay, "listen",
                  rf_addr_text(&wish->listen, addr), "url", url, "db", data->cli->db ? data->cli->db : "",
                  "self_signed", wish->self_signed, "certificate_days", wish->days, "names", names);
    return data->settings.json ? data_write_settings(data) : enrol_fail("enrol.json", "out of memory");
}

/* make_directory makes DIR, 0700, and refuses one that init has been through. */
static int make_directory(const struct enrol_cli *cli)
{
    char path[ENROL_PATH_SIZE];
    if (data_path(cli, "enrol.json", path) != ENROL_OK)
        return ENROL_FAILED;
    if (access(path, F_OK) == 0)
        return enrol_fail(cli->data, "an overlay has been made here already; take another directory");
    /* what an init that was cut short left behind */
    static const char *const rests[] = {"enrol.db", "enrol.db-wal", "enrol.db-shm"};
    for (size_t i = 0; i < RF_COUNT(rests); i++)
        if (data_path(cli, rests[i], path) == ENROL_OK)
            unlink(path);
    int e = rf_dir_make(cli->data, 0700);
    if (e == RF_OK && chmod(cli->data, 0700) != 0)
        return enrol_fail(cli->data, strerror(errno));
    return e == RF_OK ? ENROL_OK : enrol_fail(cli->data, rf_file_why(e));
}

static void report(const struct enrol_cli *cli, const struct wish *wish, const char *url)
{
    char ca[ENROL_PATH_SIZE], addr[RF_ADDR_TEXT_LEN];
    data_path(cli, "ca.pem", ca);
    rf_addr_text(&wish->listen, addr);
    if (cli->json) {
        enrol_print(json_pack("{s:s, s:s, s:s, s:s, s:b}", "overlay", wish->overlay, "url", url, "listen",
                              addr, "ca", ca, "self_signed", wish->self_signed));
        return;
    }
    printf("overlay %s is made in %s\n", wish->overlay, cli->data);
    printf("start the server:  ringfolk-enrol --data %s serve\n", cli->data);
    if (!wish->self_signed)
        printf("add a user:        ringfolk-enrol --data %s user add alice\n", cli->data);
    printf("on a device:       ringfolk init %s --ca %s --user alice%s\n", url, ca,
           wish->self_signed ? "" : " --invite CODE");
}

int enrol_init(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct wish wish;
    struct enrol_data data = {0};
    char url[300];
    uint64_t wall_ms = enrol_wall_ms();
    int status = parse(&wish, self->usage, argc, argv);
    if (status != ENROL_OK)
        return status;
    if (choose_port(&wish.listen) != ENROL_OK || make_directory(cli) != ENROL_OK)
        return ENROL_FAILED;
    server_url(&wish, url, sizeof(url));
    status = data_base(&data, cli);
    if (status == ENROL_OK)
        status = certs_make_ca(&data, wish.overlay, wall_ms);
    if (status == ENROL_OK)
        status = certs_make_signer(&data, wish.overlay, wish.self_signed, wall_ms);
    if (status == ENROL_OK)
        status = make_tls(&data, &wish, wall_ms);
    if (status == ENROL_OK)
        status = data_open_store(&data, cli->db, true);
    if (status == ENROL_OK)
        status = make_document(&data, &wish, url, wall_ms);
    if (status == ENROL_OK)
        status = make_settings(&data, &wish, url);
    if (status == ENROL_OK)
        report(cli, &wish, url);
    data_close(&data);
    return status;
}
