/* http_client.h - one HTTPS request at a time, blocking, on libcurl with GnuTLS. Only https; no redirects; no proxy from outside. */
#ifndef RF_IO_HTTP_CLIENT_H
#define RF_IO_HTTP_CLIENT_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/error.h"

struct rf_http_config {
    const char *ca_file;          /* PEM; NULL: the system's roots */
    const char *client_cert_file; /* PEM; NULL: none */
    const char *client_key_file;  /* PEM */
    const char *
        tls_name; /* the server's certificate may also be for this name (the overlay's, D25); NULL: only the URL's */
    uint32_t timeout_ms; /* of the whole request; 0: 15 s */
    size_t body_max_len; /* of the answer; 0: 1 MiB */
};

struct rf_http_reply {
    int status;
    char content_type[128]; /* header values, empty if absent */
    char reason[320];       /* Ringfolk-Reason */
    char etag[128];
    uint32_t retry_after_s;
    struct rf_buf body; /* owned */
    char error[256];    /* a sentence when the function failed */
};
void rf_http_reply_init(struct rf_http_reply *reply, struct rf_mem *mem);
void rf_http_reply_deinit(struct rf_http_reply *reply);

/*
 * rf_http_get / rf_http_post make one request; any HTTP status is RF_OK. if_none_match may be NULL.
 * Errors: RF_EINVAL not an https URL, RF_EUNREACHABLE nobody answers there, RF_EUNTRUSTED the server's certificate, RF_ETIMEOUT,
 * RF_ELIMIT the body is too long, RF_ENOTFOUND ca_file cannot be read, RF_ECLOSED, RF_ESYSTEM; reply->error has the sentence.
 */
int rf_http_get(const struct rf_http_config *config, const char *url, const char *if_none_match,
                struct rf_http_reply *reply);
int rf_http_post(const struct rf_http_config *config, const char *url, const char *content_type,
                 const char *accept, struct rf_view body, struct rf_http_reply *reply);

#endif
