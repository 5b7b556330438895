/* cli_init.c - `ringfolk init`: gets the configuration document and a certificate, and makes the home. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "apps/cli.h"
#include "apps/enrolling.h"
#include "apps/home.h"
#include "base/text.h"
#include "crypto/openssl/openssl.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/password.h"
#include "io/random.h"

struct init_options {
    const char *url, *user, *invite, *ca;
    bool password_stdin;
    struct home_config config;
};

struct init {
    const struct cli *cli;
    struct init_options options;
    struct rf_crypto *crypto;
    struct rf_key *key;
    struct rf_conf *conf;
    struct rf_cert *cert;
    char password[1025];
    struct rf_enrolling enrolling;
};

/* ---- options ---- */

static bool take_role(const char *text, enum rf_node_role *out)
{
    static const char *const names[] = {"auto", "client", "supernode"};
    for (size_t i = 0; i < RF_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum rf_node_role)(RF_NODE_AUTO + i);
            return true;
        }
    return false;
}

static bool take_service(struct home_config *config, const char *name)
{
    if (strcmp(name, "echo") != 0 || config->service_count == HOME_MAX_SERVICES)
        return false;
    strcpy(config->services[config->service_count++], "echo");
    return true;
}

enum {
    INIT_URL,
    INIT_USER,
    INIT_PASSWORD,
    INIT_INVITE,
    INIT_CA,
    INIT_ROLE,
    INIT_LISTEN,
    INIT_SIP,
    INIT_HTTP,
    INIT_SERVICE
};
const struct app_option cli_init_options[] = {
    [INIT_URL] = {"URL", NULL, "of the enrolment server, https://HOST:PORT", NULL, 0},
    [INIT_USER] = {"--user", "NAME", "who this device belongs to", NULL, 0},
    [INIT_PASSWORD] = {"--password-stdin", NULL, "read the user's password from standard input", NULL, 0},
    [INIT_INVITE] = {"--invite", "CODE", "from the overlay's operator", NULL, 0},
    [INIT_CA] = {"--ca", "FILE", "PEM: who may vouch for the server (default: the system's CAs)", NULL, 0},
    [INIT_ROLE] = {"--role", "ROLE", "auto, client or supernode (default auto)", NULL, 0},
    [INIT_LISTEN] = {"--listen", "ADDR:PORT",
                     "where other nodes reach this one (default 127.0.0.1, any port)", NULL, 0},
    [INIT_SIP] = {"--sip", "ADDR:PORT", "where the user's phones register (default: no phones)", NULL, 0},
    [INIT_HTTP] = {"--http", "ADDR:PORT", "kept for a later version", NULL, 0},
    [INIT_SERVICE] = {"--service", "echo", "be the echo test: answers calls and plays back what it hears",
                      NULL, 0},
};
const size_t cli_init_option_count = RF_COUNT(cli_init_options);

/* one option with its value; NULL or what is wrong with it */
static const char *take_option(struct init_options *o, int row, const char *value)
{
    switch (row) {
    case INIT_USER:
        o->user = value;
        return NULL;
    case INIT_PASSWORD:
        o->password_stdin = true;
        return NULL;
    case INIT_INVITE:
        o->invite = value;
        return NULL;
    case INIT_CA:
        o->ca = value;
        return NULL;
    case INIT_ROLE:
        return take_role(value, &o->config.role) ? NULL : "--role is auto, client or supernode";
    case INIT_LISTEN:
        return rf_addr_parse(value, 0, &o->config.listen) == 0
                   ? NULL
                   : "--listen takes ADDR:PORT, e.g. 192.0.2.1:6084";
    case INIT_SIP:
        return rf_addr_parse(value, 5060, &o->config.sip) == 0 ? NULL
                                                               : "--sip takes ADDR:PORT, e.g. 127.0.0.1:5060";
    case INIT_HTTP:
        return rf_addr_parse(value, 8080, &o->config.http) == 0 ? NULL : "--http takes ADDR:PORT";
    case INIT_SERVICE:
        return take_service(&o->config, value) ? NULL : "--service is echo";
    }
    if (o->url != NULL)
        return "more than one URL";
    o->url = value;
    return NULL;
}

/* what is missing, or NULL */
static const char *complete(struct init_options *o)
{
    if (o->url == NULL)
        return "the enrolment server's URL is missing";
    if (o->user == NULL)
        return "--user NAME is missing";
    if (o->password_stdin && o->invite != NULL)
        return "--password-stdin and --invite do not go together";
    if (o->config.listen.family == 0) {
        if (o->config.role == RF_NODE_SUPERNODE)
            return "a supernode needs --listen ADDR:PORT, an address that others can reach";
        (void)rf_addr_parse("127.0.0.1:0", 0, &o->config.listen);
    }
    if (rf_addr_is_any(&o->config.listen))
        return "--listen needs the address that others shall connect to, not 0.0.0.0 or [::]";
    return NULL;
}

static const char *take_options(struct init_options *o, struct app_words *words)
{
    const char *wrong = NULL;
    int row;
    o->config.role = RF_NODE_AUTO;
    while (wrong == NULL && (row = app_next(words, cli_init_options, cli_init_option_count)) != APP_END)
        wrong = row == APP_WRONG ? words->wrong : take_option(o, row, words->value);
    return wrong != NULL ? wrong : complete(o);
}

/* ---- the steps ---- */

static int read_password(struct init *init)
{
    if (!init->options.password_stdin)
        return 0;
    int error = rf_password_read(init->password, sizeof(init->password));
    if (error == 0)
        return 0;
    return cli_error("init",
                     error == RF_ENOTFOUND ? "no password on standard input"
                                           : "a password has 1 to 1024 bytes, in one line",
                     NULL);
}

static int make_home(struct init *init, char *key_path, size_t key_path_len)
{
    char path[4096];
    const char *home = init->cli->home;
    if (home_path(home, "config.json", path, sizeof(path)) != 0 ||
        home_path(home, "key.pem", key_path, key_path_len) != 0)
        return cli_error(home, "the path is too long", NULL);
    if (access(path, F_OK) == 0)
        return cli_error(home, "there is a node in this home already",
                         "choose another --home, or remove that one first");
    int error = rf_dir_make(home, 0700);
    return error == 0
               ? 0
               : cli_error(home, rf_file_why(error), "choose another --home, one that you may write to");
}

/* A key of an earlier try is used again: its certificate may have been issued although we never saw it. */
static int make_key(struct init *init, const char *key_path)
{
    struct rf_crypto *c = init->crypto;
    struct rf_buf pem;
    rf_buf_init(&pem, rf_mem_system(), (size_t)64 * 1024);
    int error = rf_file_read(key_path, pem.max, &pem);
    if (error == 0) {
        error = c->ops->key_from_pem(c, rf_buf_view(&pem), &init->key);
    } else {
        rf_buf_reset(&pem);
        pem.error = 0;
        error = c->ops->key_generate(c, RF_KEY_P256, &init->key);
        if (error == 0)
            error = c->ops->key_to_pem(c, init->key, &pem);
        if (error == 0)
            error = rf_file_write(key_path, rf_buf_view(&pem), 0600);
    }
    if (pem.p != NULL)
        rf_wipe(pem.p, pem.cap);
    rf_buf_deinit(&pem);
    return error == 0 ? 0 : cli_error(key_path, rf_file_why(error), NULL);
}

static int enrol(struct init *init, uint64_t wall_ms)
{
    struct rf_enrolling *e = &init->enrolling;
    if (rf_enrolling_config(e, init->options.url, NULL, wall_ms, &init->conf) != 0)
        return cli_error(init->options.url, e->sentence, NULL);
    struct rf_enrol_wish wish = {.username = rf_view_str(init->options.user),
                                 .password = rf_view_str(init->password)};
    if (init->options.invite != NULL)
        wish.invite = rf_view_str(init->options.invite);
    bool proof = init->options.password_stdin || init->options.invite != NULL || init->conf->self_signed != 0;
    if (rf_enrolling_certificate(e, init->conf, init->key, &wish, wall_ms, &init->cert) != 0)
        return cli_error(init->options.user, e->sentence,
                         proof ? NULL
                               : "with --invite CODE, or --password-stdin and the password as one line");
    return 0;
}

static int write_file(const struct init *init, const char *name, struct rf_view bytes, unsigned mode)
{
    char path[4096];
    int error = home_path(init->cli->home, name, path, sizeof(path));
    if (error == 0)
        error = rf_file_write(path, bytes, mode);
    return error == 0 ? 0 : cli_error(path, rf_file_why(error), NULL);
}

static int copy_ca(const struct init *init)
{
    struct rf_buf pem;
    rf_buf_init(&pem, rf_mem_system(), (size_t)1024 * 1024);
    int error = rf_file_read(init->options.ca, pem.max, &pem);
    int status = error != 0 ? cli_error(init->options.ca, rf_file_why(error), NULL)
                            : write_file(init, "ca.pem", rf_buf_view(&pem), 0644);
    rf_buf_deinit(&pem);
    return status;
}

static int write_home(struct init *init, struct rf_rng *rng)
{
    static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
    struct home_config *config = &init->options.config;
    snprintf(config->url, sizeof(config->url), "%s", init->options.url);
    snprintf(config->user, sizeof(config->user), "%.*s", (int)init->cert->user.len,
             (const char *)init->cert->user.p);
    config->has_ca = init->options.ca != NULL;
    for (size_t i = 0; i < HOME_SIP_PASSWORD_LEN; i++)
        config->sip_password[i] = alphabet[rf_rng_below(rng, sizeof(alphabet) - 1)];
    if (config->has_ca && copy_ca(init) != 0)
        return CLI_FAILED;
    if (write_file(init, "cert.der", init->cert->x509.der, 0644) != 0 ||
        write_file(init, "overlay.xml", init->conf->xml, 0644) != 0)
        return CLI_FAILED;
    int error = home_save(init->cli->home, config); /* last: a home with it is complete */
    return error == 0 ? 0 : cli_error(init->cli->home, rf_file_why(error), NULL);
}

static void report(const struct init *init)
{
    char node[RF_ID_TEXT_LEN];
    const struct home_config *config = &init->options.config;
    rf_id_text(&init->cert->node_ids[0], node);
    if (init->cli->json) {
        json_t *r = json_pack("{ss ss ss%}", "user", config->user, "node", node, "overlay",
                              (const char *)init->conf->overlay.p, init->conf->overlay.len);
        json_dumpf(r, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(r);
        return;
    }
    printf("%s is enrolled in %.*s as node %s\n", config->user, (int)init->conf->overlay.len,
           (const char *)init->conf->overlay.p, node);
    if (config->sip.family != 0) {
        char at[RF_ADDR_TEXT_LEN];
        printf("phones: register as %s at %s, password %s\n", config->user, rf_addr_text(&config->sip, at),
               config->sip_password);
    }
    printf("start it with: ringfolkd --home %s\n", init->cli->home);
}

int cli_init(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct init init = {.cli = cli};
    char key_path[4096];
    struct app_words words = {.argc = argc, .argv = argv};
    const char *wrong = take_options(&init.options, &words);
    if (wrong != NULL)
        return cli_usage(self, wrong);
    struct rf_rng *rng = rf_random_system();
    struct rf_now now;
    rf_clock_read(&now);
    init.crypto = rf_crypto_openssl_new(rf_mem_system());
    init.enrolling = (struct rf_enrolling){
        .mem = rf_mem_system(), .crypto = init.crypto, .secret = rng, .ca_file = init.options.ca};
    int status = init.crypto == NULL ? cli_error("init", "out of memory", NULL) : 0;
    if (status == 0)
        status = read_password(&init);
    if (status == 0)
        status = make_home(&init, key_path, sizeof(key_path));
    if (status == 0)
        status = make_key(&init, key_path);
    if (status == 0)
        status = enrol(&init, now.wall_ms);
    if (status == 0)
        status = write_home(&init, rng);
    if (status == 0)
        report(&init);
    rf_wipe(init.password, sizeof(init.password));
    rf_cert_release(init.cert);
    rf_conf_release(init.conf);
    if (init.crypto != NULL)
        init.crypto->ops->key_free(init.crypto, init.key);
    rf_crypto_openssl_free(init.crypto);
    return status;
}
