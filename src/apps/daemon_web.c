/*
 * daemon_web.c - what the daemon asks of the enrolment server by itself: a renewed certificate at two thirds of the old one's life, and a
 * newer configuration document: at start, every few minutes (supernodes) or once a day (clients), before it expires, when no supernode
 * answers, and on the command `refresh`. The web thread waits; the loop does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon.h"
#include "apps/enrolling.h"
#include "crypto/openssl/openssl.h"
#include "io/random.h"

#define REFRESH_CLIENT_MS    ((uint64_t)24 * 3600 * 1000)
#define REFRESH_SUPERNODE_MS ((uint64_t)5 * 60 * 1000)
#define OUTDATED_MS          ((uint64_t)60 * 1000)
#define PROBE_MS             4000
#define RETRY_MS             ((uint64_t)10 * 60 * 1000)

/* A job has its own crypto backend and its own copy of the document: both belong to one thread at a time. */
struct web_job {
    struct rf_work work;
    struct daemon *d;
    struct rf_crypto *crypto;
    bool renew; /* else: refresh the document */
    struct rf_enrolling enrolling;
    struct rf_conf *conf; /* in force; then the new one */
    struct rf_conf *next;
    struct rf_key *key;
    struct rf_cert *cert;
    uint64_t wall_ms;
    char ca[4096];
    int error;
    void (*told)(void *arg, int error, const char *sentence); /* of daemon_web_probe */
    void *told_arg;
};

static void web_clean(struct web_job *j)
{
    rf_conf_release(j->conf);
    rf_conf_release(j->next);
    rf_cert_release(j->cert);
    if (j->crypto != NULL)
        j->crypto->ops->key_free(j->crypto, j->key);
    rf_crypto_openssl_free(j->crypto);
}

static int web_prepare(struct daemon *d, const struct rf_conf *conf, struct web_job *j)
{
    j->d = d;
    j->crypto = rf_crypto_openssl_new(rf_mem_system());
    if (j->crypto == NULL)
        return RF_ENOMEM;
    j->enrolling =
        (struct rf_enrolling){.mem = rf_mem_system(), .crypto = j->crypto, .secret = rf_random_system()};
    if (d->config.has_ca && home_path(d->home, "ca.pem", j->ca, sizeof(j->ca)) == 0)
        j->enrolling.ca_file = j->ca;
    int error = rf_conf_parse(j->crypto, rf_mem_system(), conf->xml, conf->overlay, &j->conf, NULL, 0);
    if (error == 0)
        error = j->crypto->ops->key_from_pem(j->crypto, rf_buf_view(&d->key_pem), &j->key);
    return error;
}

static int web_renew(struct web_job *j)
{
    struct daemon *d = j->d;
    struct rf_enrol_wish wish = {.username = rf_view_str(d->config.user),
                                 .certificate = rf_buf_view(&d->cert_der)};
    return rf_enrolling_certificate(&j->enrolling, j->conf, j->key, &wish, j->wall_ms, &j->cert);
}

static void web_run(struct rf_work *work)
{
    struct web_job *j = (struct web_job *)work;
    if (j->renew)
        j->error = web_renew(j);
    else
        j->error = rf_enrolling_config(&j->enrolling, j->d->config.url, j->conf, j->wall_ms, &j->next);
}

static bool take_certificate(struct daemon *d, struct rf_cert *cert)
{
    struct rf_view der = cert->x509.der;
    int error = rf_node_renew(d->node, der, *rf_loop_now(d->loop));
    if (error != 0) {
        rf_log_write(&d->log.log, RF_LOG_ERROR, "web", "the renewed certificate cannot be used: %s",
                     rf_error_text(error));
        return false;
    }
    rf_buf_reset(&d->cert_der);
    rf_buf_view_put(&d->cert_der, der);
    daemon_disk_file(d, "cert.der", der);
    rf_log_write(&d->log.log, RF_LOG_INFO, "web", "the certificate is renewed");
    return true;
}

static void web_done(struct rf_work *work)
{
    struct web_job *j = (struct web_job *)work;
    struct daemon *d = j->d;
    uint64_t now_ms = rf_loop_now(d->loop)->wall_ms;
    if (j->told != NULL)
        j->told(j->told_arg, j->error, j->enrolling.sentence);
    else
        d->web_busy = false;
    if (d->node != NULL && j->error == 0 && j->renew) {
        if (take_certificate(d, j->cert))
            d->renew_at_ms = rf_enrol_client_renew_at(j->cert, &d->jitter.rng);
    } else if (d->node != NULL && j->error == 0) {
        int error = rf_node_offer_conf(d->node, j->next->xml, true, *rf_loop_now(d->loop));
        if (error != 0 && error != RF_EEXIST)
            rf_log_write(&d->log.log, RF_LOG_ERROR, "web",
                         "the new configuration document cannot be used: %s", rf_error_text(error));
    } else if (j->error != RF_EEXIST) { /* nothing newer is good news */
        rf_log_write(&d->log.log, j->renew ? RF_LOG_WARN : RF_LOG_INFO, "web", "%s: %s",
                     j->renew ? "the certificate was not renewed" : "no newer configuration document",
                     j->enrolling.sentence);
        if (j->renew)
            d->renew_at_ms = now_ms + RETRY_MS;
    }
    web_clean(j);
    free(j);
}

static struct web_job *web_job_new(struct daemon *d)
{
    struct web_job *j = calloc(1, sizeof(*j));
    if (j == NULL || web_prepare(d, rf_node_conf(d->node), j) != 0) {
        if (j != NULL)
            web_clean(j);
        free(j);
        return NULL;
    }
    j->work.run = web_run;
    j->work.done = web_done;
    j->wall_ms = rf_loop_now(d->loop)->wall_ms;
    return j;
}

static void web_post(struct daemon *d, bool renew)
{
    struct web_job *j = web_job_new(d);
    if (j == NULL)
        return; /* tried again at the next turn that is due */
    j->renew = renew;
    d->web_busy = true;
    rf_worker_post(d->web, &j->work);
}

void daemon_web_probe(struct daemon *d, void (*done)(void *arg, int error, const char *sentence), void *arg)
{
    struct web_job *j = web_job_new(d);
    if (j == NULL) {
        done(arg, RF_ENOMEM, "out of memory");
        return;
    }
    j->enrolling.timeout_ms = PROBE_MS;
    j->told = done;
    j->told_arg = arg;
    rf_worker_post(d->web, &j->work);
}

static void run_refresh(void *ctx, struct rf_control_call *call, json_t *args)
{
    (void)args;
    struct daemon *d = ctx;
    d->refresh_at_ms = 0; /* at the end of this turn */
    rf_call_result(call, json_pack("{sI}", "sequence", (json_int_t)rf_node_conf(d->node)->sequence));
}

int daemon_web_open(struct daemon *d)
{
    d->refresh_command =
        (struct rf_command){.name = "refresh",
                            .help = "ask the enrolment server for a newer configuration document",
                            .run = run_refresh,
                            .ctx = d};
    return rf_control_add(d->control, &d->refresh_command) == 0
               ? 0
               : daemon_say("refresh", "out of memory", NULL);
}

void daemon_web_outdated(struct daemon *d)
{
    uint64_t now_ms = rf_loop_now(d->loop)->wall_ms, soon_ms = d->refreshed_ms + OUTDATED_MS;
    /* every round of bootstrapping that fails says so: the server shall not feel each */
    d->refresh_at_ms = now_ms >= soon_ms ? 0 : soon_ms < d->refresh_at_ms ? soon_ms : d->refresh_at_ms;
}

void daemon_web_turn(struct daemon *d)
{
    uint64_t now_ms = rf_loop_now(d->loop)->wall_ms;
    if (d->web_busy || d->stopping || d->node == NULL)
        return;
    if (now_ms >= d->renew_at_ms) {
        d->renew_at_ms = now_ms + RETRY_MS;
        web_post(d, true);
    } else if (now_ms >= d->refresh_at_ms) {
        uint64_t every_ms = d->config.role == RF_NODE_SUPERNODE ? REFRESH_SUPERNODE_MS : REFRESH_CLIENT_MS;
        d->refresh_at_ms = rf_enrol_client_refresh_at(rf_node_conf(d->node)->expiration_ms, every_ms, now_ms,
                                                      &d->jitter.rng);
        d->refreshed_ms = now_ms;
        web_post(d, false);
    }
}

int daemon_web_renew_now(struct daemon *d, char *why, size_t why_len)
{
    struct web_job job = {.renew = true};
    struct rf_now now;
    rf_clock_read(&now);
    int error = web_prepare(d, d->conf, &job);
    job.wall_ms = now.wall_ms;
    if (error == 0)
        error = web_renew(&job);
    if (error == 0) {
        rf_buf_reset(&d->cert_der);
        rf_buf_view_put(&d->cert_der, job.cert->x509.der);
        char path[4096];
        if (home_path(d->home, "cert.der", path, sizeof(path)) == 0)
            error = rf_file_write(path, job.cert->x509.der, 0644);
    }
    snprintf(why, why_len, "%s", error != 0 ? job.enrolling.sentence : "");
    web_clean(&job);
    return error;
}
