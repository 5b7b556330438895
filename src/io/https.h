/*
 * https.h - rf_https: a HTTPS server for few paths and small bodies, on libmicrohttpd with GnuTLS. It runs one thread of its own
 * that calls the handler, and a few worker threads for slow computations that the handler asks for.
 *
 * A request's way: headers and the whole body are read (limits below) -> handle() is called -> it returns RF_OK with the response
 * filled in, or asks for work with rf_https_work and returns RF_EAGAIN: then work() runs in a worker thread, and handle() is called
 * again, in the server's thread, for the same request. Handler calls never overlap.
 */
#ifndef RF_IO_HTTPS_H
#define RF_IO_HTTPS_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"

struct rf_https; /* opaque, owned */

struct rf_https_request {
    const char *method, *path; /* path without query */
    const char *content_type;  /* header values; NULL if absent */
    const char *if_none_match;
    struct rf_view body;
    struct rf_view
        client_certificate; /* DER that the TLS client proved to own; empty if none. Nobody checked who signed it */
    struct rf_addr peer;
    void *user; /* the handler's own, NULL at first; see `closed` */
};

#define RF_HTTPS_HEADERS_MAX 8
struct rf_https_response {
    int status;
    struct {
        const char *name;
        char value[320];
    } headers[RF_HTTPS_HEADERS_MAX];
    size_t header_count;
    struct rf_view body; /* borrowed; copied when handle returns */
};
/* rf_https_header adds a response header; characters that may not stand there become '?'. More than the maximum are dropped. */
void rf_https_header(struct rf_https_response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct rf_https_config {
    struct rf_addr listen;          /* port 0: the kernel chooses */
    const char *cert_pem, *key_pem; /* chain and key; borrowed while _start runs */
    const char *client_ca_pem;      /* ask clients for a certificate, naming this CA; NULL: do not ask */
    size_t body_max_len;            /* longer bodies get 413 and never reach the handler */
    unsigned connections_max, connections_per_address_max;
    unsigned idle_timeout_s;
    unsigned
        request_timeout_s; /* from headers to the end of the answer; first headers: a quarter. See rf_https_tick */
    unsigned workers;      /* computations at once, 1..64 */
    unsigned queue_max; /* computations waiting; more: rf_https_work says RF_EBUSY */

    void *ctx;
    int (*handle)(void *ctx, struct rf_https_request *request, struct rf_https_response *response);
    /* The request is over (also when the client left early); frees request->user. May be NULL. */
    void (*closed)(void *ctx, struct rf_https_request *request);
    /* One call per request after its response is queued: for the access log. body_len: bytes of the response. May be NULL. */
    void (*logged)(void *ctx, const struct rf_https_request *request, int status, size_t body_len,
                   uint64_t took_us);
    struct rf_log *log; /* what the library complains about, at debug level */
};

/* rf_https_start listens. Errors: those of rf_socket_listen (RF_EEXIST the address is in use, ...), RF_EFORMAT certificate or key, RF_ESYSTEM, RF_ENOMEM. */
int rf_https_start(struct rf_mem *mem, const struct rf_https_config *config, struct rf_https **out);
/* rf_https_stop finishes running work, closes everything and frees. NULL allowed. */
void rf_https_stop(struct rf_https *https);
/*
 * rf_https_tick closes the connections that take longer than request_timeout_s lets them: those who send or read a byte now and then are
 * never idle, and would hold their places for ever. Call it once a second or so, from any thread.
 */
void rf_https_tick(struct rf_https *https);
uint16_t rf_https_port(const struct rf_https *https);
/*
 * rf_https_work, called inside handle(), runs `work(arg)` in a worker thread; handle() must then return RF_EAGAIN. `arg` must stay until
 * handle is called again or `closed`. Errors: RF_EBUSY too many are waiting.
 */
int rf_https_work(struct rf_https *https, struct rf_https_request *request, void (*work)(void *arg),
                  void *arg);

#endif
