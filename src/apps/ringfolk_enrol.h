/*
 * ringfolk_enrol.h - the inside of the `ringfolk-enrol` command.
 *
 * The data directory (0700) holds
 *   enrol.json              overlay, listening address, database, life of certificates; written last by init
 *   ca.key, ca.pem          the overlay's certificate authority (in a self-signed overlay: of the TLS certificate only)
 *   signer.key, signer.pem  the configuration-signer: a node certificate of its own
 *   tls.key, tls.pem        of the HTTPS server; made anew by `serve` before it expires, unless somebody else's CA issued it
 *   enrol.db                the SQLite database, unless --db names another one
 */
#ifndef RF_APPS_RINGFOLK_ENROL_H
#define RF_APPS_RINGFOLK_ENROL_H

#include <jansson.h>
#include "apps/options.h"
#include "conf/conf.h"
#include "enrol/store.h"
#include "io/files.h"
#include "io/log_stderr.h"

enum { ENROL_OK = 0, ENROL_FAILED = 1, ENROL_USAGE = 2 };

#define ENROL_DAY_MS        ((uint64_t)24 * 3600 * 1000)
#define ENROL_CA_DAYS       ((uint64_t)20 * 365)
#define ENROL_TLS_DAYS      ((uint64_t)365)
#define ENROL_DAYS          90 /* default life of the certificates of nodes */
#define ENROL_DOCUMENT_DAYS 30 /* default life of the configuration document */
#define ENROL_DAYS_MAX      3650
#define ENROL_NAMES_MAX     2 /* of --name */

/* What main understood of the options that every command takes. */
struct enrol_cli {
    const char *data; /* --data, else $RINGFOLK_ENROL_DATA */
    const char *db;   /* --db, else what init was given */
    bool json;
};

/* enrol.json; strings are owned by `json`. */
struct enrol_settings {
    json_t *json;
    const char *overlay, *listen, *url, *db;
    bool self_signed;
    uint32_t certificate_days;
};

/* An opened data directory. What was not asked for is NULL or empty. */
struct enrol_data {
    const struct enrol_cli *cli;
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    struct rf_log_stderr log;
    struct enrol_settings settings;
    struct rf_enrol_store *store;
    struct rf_key *ca_key;
    struct rf_x509 ca;
    bool has_ca, has_signer;
    struct rf_identity signer;
};
enum enrol_parts { ENROL_STORE = 1, ENROL_SIGNER = 2, ENROL_CA = 4 };

/* ---- ringfolk_enrol.c ---- */
/* enrol_fail prints "ringfolk: what: why" and returns ENROL_FAILED; enrol_usage prints why and how, and returns ENROL_USAGE. */
int enrol_fail(const char *what, const char *why);
int enrol_usage(const char *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* enrol_fail_db is enrol_fail with what the database said about `error`, if it was the database. */
int enrol_fail_db(const struct enrol_data *data, const char *what, int error);
/* enrol_print prints the object in one line and frees it. */
void enrol_print(json_t *object);
uint64_t enrol_wall_ms(void);
/* enrol_time writes "2026-11-21T10:32:11Z". */
#define ENROL_TIME_SIZE 24
char *enrol_time(uint64_t ms, char out[ENROL_TIME_SIZE]);

struct enrol_command {
    const char *name, *usage, *help;
    int (*run)(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
    const struct app_option *options; /* words and options, for the help */
    const size_t *option_count;
};
extern const struct app_option enrol_init_options[], enrol_user_options[], enrol_invite_options[];
extern const size_t enrol_init_option_count, enrol_user_option_count, enrol_invite_option_count;
int enrol_init(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_serve(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_user(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_invite(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_device(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_revoke(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_config(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);
int enrol_bootstrap(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv);

/* ---- ringfolk_enrol_data.c ---- */
/* data_open opens the directory of cli->data and the wanted parts; says on stderr what is wrong and returns an exit status. Always close. */
int data_open(struct enrol_data *data, const struct enrol_cli *cli, unsigned parts);
void data_close(struct enrol_data *data);
/* data_base prepares an empty one: memory, crypto, log. */
int data_base(struct enrol_data *data, const struct enrol_cli *cli);
/* data_open_store opens the database. */
int data_open_store(struct enrol_data *data, const char *db, bool create);
/* data_open_signer reads signer.key and signer.pem. */
int data_open_signer(struct enrol_data *data);
/* data_path writes DIR/name. */
#define ENROL_PATH_SIZE 1024
int data_path(const struct enrol_cli *cli, const char *name, char out[ENROL_PATH_SIZE]);
int data_read(const struct enrol_data *data, const char *name, struct rf_buf *out);
int data_write(const struct enrol_data *data, const char *name, struct rf_view bytes, unsigned mode);
/* data_write_settings replaces enrol.json by settings->json. */
int data_write_settings(const struct enrol_data *data);

/* ---- ringfolk_enrol_certs.c: the certificates that init and serve make ---- */
/* certs_make_ca makes a CA for `overlay` into data->ca_key and data->ca, and writes ca.key and ca.pem. */
int certs_make_ca(struct enrol_data *data, const char *overlay, uint64_t wall_ms);
/* certs_make_signer makes data->signer, by the CA or self-signed, and writes its files. */
int certs_make_signer(struct enrol_data *data, const char *overlay, bool self_signed, uint64_t wall_ms);
/* certs_make_tls makes key and certificate of the HTTPS server for the names in `names` (addresses and DNS names) and writes them. */
int certs_make_tls(struct enrol_data *data, const char *const *names, size_t count, uint64_t wall_ms);
/* certs_tls_old: our own CA issued tls.pem and it expires within 30 days, or is gone. */
bool certs_tls_old(const struct enrol_data *data, uint64_t wall_ms);

#endif
