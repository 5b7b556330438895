/* ringfolk_enrol_data.c - the data directory of the enrolment server. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "apps/ringfolk_enrol.h"
#include "crypto/openssl/openssl.h"
#include "db/enrol.h"
#include "io/files.h"

#define FILE_MAX_LEN ((size_t)64 * 1024)

int data_path(const struct enrol_cli *cli, const char *name, char out[ENROL_PATH_SIZE])
{
    if (snprintf(out, ENROL_PATH_SIZE, "%s/%s", cli->data, name) >= ENROL_PATH_SIZE)
        return enrol_fail(cli->data, "the path is too long");
    return ENROL_OK;
}

/* fail_file says what is wrong with a file, and what to do about it. */
static int fail_file(const char *path, int error)
{
    if (error == RF_ENOTFOUND)
        return enrol_fail(path, "there is no such file; has this directory been made with init?");
    return enrol_fail(path, rf_file_why(error));
}

/* warn_if_open: a key that others can read is a key that others have. DIR is 0700, so this takes a copy or a restored backup. */
static void warn_if_open(const char *path)
{
    struct stat st;
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".key") == 0 && stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        fprintf(stderr, "ringfolk-enrol: note: others can read %s; chmod 600 it\n", path);
}

int data_read(const struct enrol_data *data, const char *name, struct rf_buf *out)
{
    char path[ENROL_PATH_SIZE];
    if (data_path(data->cli, name, path) != ENROL_OK)
        return ENROL_FAILED;
    warn_if_open(path);
    int e = rf_file_read(path, FILE_MAX_LEN, out);
    return e == RF_OK ? ENROL_OK : fail_file(path, e);
}

int data_write(const struct enrol_data *data, const char *name, struct rf_view bytes, unsigned mode)
{
    char path[ENROL_PATH_SIZE];
    if (data_path(data->cli, name, path) != ENROL_OK)
        return ENROL_FAILED;
    int e = rf_file_write(path, bytes, mode);
    return e == RF_OK ? ENROL_OK : fail_file(path, e);
}

int data_base(struct enrol_data *data, const struct enrol_cli *cli)
{
    memset(data, 0, sizeof(*data));
    data->cli = cli;
    data->mem = rf_mem_system();
    data->crypto = rf_crypto_openssl_new(data->mem);
    rf_log_stderr_init(&data->log, RF_LOG_INFO);
    return data->crypto ? ENROL_OK : enrol_fail("start", "out of memory");
}

int data_open_store(struct enrol_data *data, const char *db, bool create)
{
    char path[ENROL_PATH_SIZE], where[ENROL_PATH_SIZE + 8], why[300];
    if (!db || db[0] == '\0') {
        if (data_path(data->cli, "enrol.db", path) != ENROL_OK)
            return ENROL_FAILED;
        snprintf(where, sizeof(where), "sqlite:%s", path);
        db = where;
    }
    int e = rf_enrol_db_open(data->mem, db, create, &data->store, why, sizeof(why));
    if (e != RF_OK)
        data->store = NULL;
    return e == RF_OK ? ENROL_OK : enrol_fail("the database cannot be opened", why);
}

static int read_settings(struct enrol_data *data)
{
    struct enrol_settings *s = &data->settings;
    struct rf_buf text;
    json_error_t error;
    int self_signed = 0, days = 0;
    rf_buf_init(&text, data->mem, FILE_MAX_LEN);
    int status = data_read(data, "enrol.json", &text);
    if (status == ENROL_OK) {
        s->json = json_loadb((const char *)text.p, text.len, 0, &error);
        if (!s->json ||
            json_unpack(s->json, "{s:s, s:s, s:s, s?s, s:b, s:i}", "overlay", &s->overlay, "listen",
                        &s->listen, "url", &s->url, "db", &s->db, "self_signed", &self_signed,
                        "certificate_days", &days) != 0 ||
            days < 1 || days > ENROL_DAYS_MAX)
            status = enrol_fail("enrol.json", "it is damaged; restore it from a backup");
        s->self_signed = self_signed != 0;
        s->certificate_days = (uint32_t)days;
    }
    rf_buf_deinit(&text);
    return status;
}

int data_write_settings(const struct enrol_data *data)
{
    char *text = json_dumps(data->settings.json, JSON_INDENT(2));
    if (!text)
        return enrol_fail("enrol.json", "out of memory");
    int status = data_write(data, "enrol.json", rf_view_str(text), 0600);
    free(text);
    return status;
}

/* read_key and read_cert read one PEM file each. */
static int read_key(struct enrol_data *data, const char *name, struct rf_key **out)
{
    struct rf_buf pem;
    rf_buf_init(&pem, data->mem, FILE_MAX_LEN);
    int status = data_read(data, name, &pem);
    if (status == ENROL_OK && data->crypto->ops->key_from_pem(data->crypto, rf_buf_view(&pem), out) != RF_OK)
        status = enrol_fail(name, "this is no private key in PKCS#8 PEM");
    if (pem.p)
        rf_wipe(pem.p, pem.cap);
    rf_buf_deinit(&pem);
    return status;
}

static int read_cert(struct enrol_data *data, const char *name, struct rf_buf *der)
{
    struct rf_buf pem;
    rf_buf_init(&pem, data->mem, FILE_MAX_LEN);
    int status = data_read(data, name, &pem);
    struct rf_view rest = rf_buf_view(&pem);
    if (status == ENROL_OK && rf_pem_next(&rest, "CERTIFICATE", der) != RF_OK)
        status = enrol_fail(name, "this is no certificate in PEM");
    rf_buf_deinit(&pem);
    return status;
}

static int open_ca(struct enrol_data *data)
{
    struct rf_buf der;
    rf_buf_init(&der, data->mem, FILE_MAX_LEN);
    int status = read_key(data, "ca.key", &data->ca_key);
    if (status == ENROL_OK)
        status = read_cert(data, "ca.pem", &der);
    if (status == ENROL_OK) {
        data->has_ca = data->crypto->ops->x509_decode(data->crypto, rf_buf_view(&der), &data->ca) == RF_OK;
        if (!data->has_ca)
            status = enrol_fail("ca.pem", "this is no certificate");
    }
    rf_buf_deinit(&der);
    return status;
}

int data_open_signer(struct enrol_data *data)
{
    struct rf_key *key = NULL;
    struct rf_cert *cert = NULL;
    struct rf_buf der;
    rf_buf_init(&der, data->mem, FILE_MAX_LEN);
    int status = read_key(data, "signer.key", &key);
    if (status == ENROL_OK)
        status = read_cert(data, "signer.pem", &der);
    if (status != ENROL_OK)
        goto out;
    struct rf_view overlay = rf_view_str(data->settings.overlay);
    if (rf_cert_decode(data->crypto, rf_buf_view(&der), overlay, RF_ID_MIN_LEN, &cert) != RF_OK ||
        rf_identity_init(&data->signer, data->crypto, key, cert, &cert->node_ids[0]) != RF_OK)
        status = enrol_fail("signer.pem", "it is not the certificate of signer.key for this overlay");
    else {
        data->has_signer = true;
        key = NULL;
    }
out:
    rf_cert_release(cert);
    data->crypto->ops->key_free(data->crypto, key);
    rf_buf_deinit(&der);
    return status;
}

int data_open(struct enrol_data *data, const struct enrol_cli *cli, unsigned parts)
{
    int status = data_base(data, cli);
    if (status == ENROL_OK)
        status = read_settings(data);
    if (status == ENROL_OK && (parts & ENROL_CA))
        status = open_ca(data);
    if (status == ENROL_OK && (parts & ENROL_SIGNER))
        status = data_open_signer(data);
    if (status == ENROL_OK && (parts & ENROL_STORE))
        status = data_open_store(data, cli->db ? cli->db : data->settings.db, false);
    return status;
}

void data_close(struct enrol_data *data)
{
    if (data->store)
        data->store->ops->free(data->store);
    if (data->has_signer)
        rf_identity_deinit(&data->signer);
    if (data->has_ca)
        data->crypto->ops->x509_deinit(data->crypto, &data->ca);
    if (data->ca_key)
        data->crypto->ops->key_free(data->crypto, data->ca_key);
    json_decref(data->settings.json);
    if (data->crypto)
        rf_crypto_openssl_free(data->crypto);
}
