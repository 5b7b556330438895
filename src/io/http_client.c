/* http_client.c - one blocking HTTPS request on libcurl. */
#include "io/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "base/assert.h"

#define TIMEOUT_MS     15000
#define CONNECT_MS     10000
#define BODY_MAX_LEN   ((size_t)1024 * 1024)
#define NAME_SIZE      256
#define CONNECT_TO_MAX (2 * NAME_SIZE + 16)

void rf_http_reply_init(struct rf_http_reply *reply, struct rf_mem *mem)
{
    memset(reply, 0, sizeof(*reply));
    rf_buf_init(&reply->body, mem, BODY_MAX_LEN);
}

void rf_http_reply_deinit(struct rf_http_reply *reply)
{
    rf_buf_deinit(&reply->body);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct rf_http_reply *reply = arg;
    rf_buf_put(&reply->body, data, size * count);
    return rf_buf_error(&reply->body) == RF_OK ? size * count : 0;
}

/* take copies a header's value if the line has that name. */
static void take(const char *line, size_t len, const char *name, char *out, size_t out_size)
{
    size_t name_len = strlen(name), n = 0;
    if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && (line[0] == ' ' || line[0] == '\t'))
        line++, len--;
    while (len > 0 && (unsigned char)line[len - 1] <= ' ')
        len--;
    for (; n < len && n + 1 < out_size; n++)
        out[n] = line[n];
    out[n] = '\0';
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct rf_http_reply *reply = arg;
    size_t len = size * count;
    char number[16] = "";
    take(data, len, "content-type", reply->content_type, sizeof(reply->content_type));
    take(data, len, "ringfolk-reason", reply->reason, sizeof(reply->reason));
    take(data, len, "etag", reply->etag, sizeof(reply->etag));
    take(data, len, "retry-after", number, sizeof(number));
    if (number[0] >= '0' && number[0] <= '9')
        reply->retry_after_s = (uint32_t)strtoul(number, NULL, 10);
    return len;
}

/* what_happened turns the library's error into ours and a sentence. `detail` is the library's own text. */
static int what_happened(CURLcode code, const char *url, const char *detail, struct rf_http_reply *reply)
{
    static const struct {
        CURLcode code;
        int error;
        const char *what;
    } table[] = {
        {CURLE_UNSUPPORTED_PROTOCOL, RF_EINVAL, "only https addresses are used"},
        {CURLE_URL_MALFORMAT, RF_EINVAL, "this is not an address"},
        {CURLE_COULDNT_RESOLVE_HOST, RF_EUNREACHABLE, "its name is not known"},
        {CURLE_COULDNT_CONNECT, RF_EUNREACHABLE, "nobody answers there; is the server running?"},
        {CURLE_OPERATION_TIMEDOUT, RF_ETIMEOUT, "no answer in time"},
        {CURLE_PEER_FAILED_VERIFICATION, RF_EUNTRUSTED,
         "its TLS certificate is not trusted; is this the right server, the right CA file and the right "
         "time?"},
        {CURLE_SSL_CACERT_BADFILE, RF_ENOTFOUND, "the CA file cannot be read"},
        {CURLE_SSL_CONNECT_ERROR, RF_ECLOSED, "it speaks no TLS that we can use"},
        {CURLE_SSL_CERTPROBLEM, RF_ENOTFOUND, "the own certificate or key cannot be read"},
        {CURLE_GOT_NOTHING, RF_ECLOSED, "it closed the connection without an answer"},
        {CURLE_RECV_ERROR, RF_ECLOSED, "the connection broke"},
        {CURLE_SEND_ERROR, RF_ECLOSED, "the connection broke"},
        {CURLE_PARTIAL_FILE, RF_ECLOSED, "the connection broke"},
        {CURLE_OUT_OF_MEMORY, RF_ENOMEM, "out of memory"},
        {CURLE_WRITE_ERROR, RF_ELIMIT, "the answer is too long"},
    };
    int error = RF_ESYSTEM;
    const char *what = curl_easy_strerror(code);
    for (size_t i = 0; i < RF_COUNT(table); i++)
        if (table[i].code == code) {
            error = table[i].error;
            what = table[i].what;
        }
    snprintf(reply->error, sizeof(reply->error), "%.120s: %s%s%.80s%s", url, what, detail[0] ? " (" : "",
             detail, detail[0] ? ")" : "");
    return error;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void init_library(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

struct request {
    const struct rf_http_config *config;
    const char *url;
    struct curl_slist *headers;
    bool post;
    struct rf_view body;
};

static void set_options(CURL *curl, const struct request *r, struct rf_http_reply *reply, char *detail)
{
    const struct rf_http_config *c = r->config;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "ringfolk");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(c->timeout_ms ? c->timeout_ms : TIMEOUT_MS));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, reply);
    if (c->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* this one and no other */
    }
    if (c->client_cert_file) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, c->client_cert_file);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, c->client_key_file);
    }
    if (r->post) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.len > 0 ? (const char *)r->body.p : "");
    }
}

/*
 * rename_host makes `url` name `tls_name` while the connection still goes to the host it named: so the server's certificate is checked for
 * that name. Returns a list to be freed, NULL on failure.
 */
static struct curl_slist *rename_host(CURLU *url, const char *tls_name)
{
    char to[CONNECT_TO_MAX];
    char *host = NULL, *port = NULL;
    struct curl_slist *list = NULL;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, tls_name, 0) == CURLUE_OK &&
        (size_t)snprintf(to, sizeof(to), "%s:%s:%s:%s", tls_name, port, host, port) < sizeof(to))
        list = curl_slist_append(NULL, to);
    curl_free(host);
    curl_free(port);
    return list;
}

static CURLcode once_more_by_name(CURL *curl, const struct request *r)
{
    CURLcode code = CURLE_PEER_FAILED_VERIFICATION;
    CURLU *url = curl_url();
    struct curl_slist *to = NULL;
    if (url && curl_url_set(url, CURLUPART_URL, r->url, 0) == CURLUE_OK)
        to = rename_host(url, r->config->tls_name);
    if (to) {
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, to);
        curl_easy_setopt(curl, CURLOPT_CURLU, url);
        code = curl_easy_perform(curl);
    }
    curl_slist_free_all(to);
    curl_url_cleanup(url);
    return code;
}

static int perform(const struct request *r, struct rf_http_reply *reply)
{
    char detail[CURL_ERROR_SIZE] = "";
    long status = 0;
    reply->body.max = r->config->body_max_len ? r->config->body_max_len : BODY_MAX_LEN;
    if (r->config->ca_file && access(r->config->ca_file, R_OK) != 0) {
        snprintf(reply->error, sizeof(reply->error), "the CA file %s cannot be read", r->config->ca_file);
        return RF_ENOTFOUND;
    }
    if (strncasecmp(r->url, "https://", 8) != 0)
        return what_happened(CURLE_UNSUPPORTED_PROTOCOL, r->url, "", reply);
    pthread_once(&once, init_library);
    CURL *curl = curl_easy_init();
    if (!curl)
        return what_happened(CURLE_OUT_OF_MEMORY, r->url, "", reply);
    set_options(curl, r, reply, detail);
    curl_easy_setopt(curl, CURLOPT_URL, r->url);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_PEER_FAILED_VERIFICATION && r->config->tls_name)
        code = once_more_by_name(curl, r);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    int e = code == CURLE_OK ? RF_OK : what_happened(code, r->url, detail, reply);
    curl_easy_cleanup(curl);
    return e;
}

/* add appends a header; on failure the whole list is lost and NULL, as the request then fails for memory anyway. */
static int add(struct curl_slist **list, const char *name, const char *value)
{
    char line[NAME_SIZE + 64];
    if ((size_t)snprintf(line, sizeof(line), "%s: %s", name, value) >= sizeof(line))
        return RF_EINVAL;
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        return RF_ENOMEM;
    *list = longer;
    return RF_OK;
}

int rf_http_get(const struct rf_http_config *config, const char *url, const char *if_none_match,
                struct rf_http_reply *reply)
{
    struct request r = {.config = config, .url = url};
    int e = if_none_match ? add(&r.headers, "If-None-Match", if_none_match) : RF_OK;
    if (e == RF_OK)
        e = perform(&r, reply);
    curl_slist_free_all(r.headers);
    return e;
}

int rf_http_post(const struct rf_http_config *config, const char *url, const char *content_type,
                 const char *accept, struct rf_view body, struct rf_http_reply *reply)
{
    struct request r = {.config = config, .url = url, .post = true, .body = body};
    int e = add(&r.headers, "Content-Type", content_type);
    if (e == RF_OK)
        e = add(&r.headers, "Accept", accept);
    if (e == RF_OK)
        e = add(&r.headers, "Expect", ""); /* the body is short: send it at once */
    if (e == RF_OK)
        e = perform(&r, reply);
    curl_slist_free_all(r.headers);
    return e;
}
