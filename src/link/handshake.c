/*
 * handshake.c - from a connection to an authenticated peer.
 *
 * An outgoing link dials its addresses one after the other; an attempt ends with a refused or silent connection,
 * a failed or slow handshake, or a peer that is not wanted, and then the next address is tried under the same
 * number. An accepted link gets its channel with its first bytes, so that a connection that never speaks costs
 * little. When the channel is UP the certificate is judged: trusted now, not our own, the node that was
 * expected. Only then host.up is called, and a server hands out the ticket for a resumption.
 */
#include "link/table.h"

#include "base/assert.h"
#include "base/error.h"

static const char alpn_reload[] = "reload";
static const char alpn_sip[] = "sip/2";

/* ---- dialling ---- */

int dial_new(struct rf_links *links, const struct rf_addr *addrs, size_t addr_count,
             const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
             struct link_dial **out)
{
    struct link_dial *dial = rf_zalloc(links->env->mem, sizeof *dial + addr_count * sizeof *addrs);

    if (!dial)
        return RF_ENOMEM;
    if (expect)
        dial->expect = *expect;
    dial->purpose = purpose;
    dial->application = application;
    dial->addr_count = addr_count;
    memcpy(dial->addrs, addrs, addr_count * sizeof *addrs);
    *out = dial;
    return 0;
}

bool dial_next(struct rf_links *links, struct rf_link *link)
{
    struct link_dial *dial = link->dial;

    if (!dial || dial->next >= dial->addr_count)
        return false;
    if (watch_deadline(links, link, links->config.connect_timeout_us))
        return false;
    link->remote = dial->addrs[dial->next++];
    if (link->state != RF_LINK_CONNECTING)
        link_set_state(links, link, RF_LINK_CONNECTING);
    link->want_connect = true;
    link_want(links, link);
    return true;
}

void link_fail(struct rf_links *links, struct rf_link *link, int reason)
{
    char text[RF_ADDR_TEXT_LEN];

    rf_log_write(links->env->log, RF_LOG_DEBUG, "link", "%s %s failed: %s",
                 link->outgoing ? "connection to" : "connection from", rf_addr_text(&link->remote, text),
                 rf_error_text(reason));
    if (!link->dial || link->dial->next >= link->dial->addr_count) {
        link_end(links, link, reason, false);
        return;
    }
    /* the alert for this attempt is not worth a second flow number */
    if (link->channel)
        links->config.engine_ops->channel_free(link->channel);
    link->channel = NULL;
    out_discard(links, link);
    link->want_close = link->flow_open;
    if (!dial_next(links, link))
        link_end(links, link, reason, false);
}

/* ---- channel ---- */

static const char *alpn_for(enum rf_link_purpose purpose, uint16_t application)
{
    if (purpose == RF_LINK_OVERLAY)
        return alpn_reload;
    return application == 5060 || application == 5061 ? alpn_sip : NULL;
}

int channel_open(struct rf_links *links, struct rf_link *link)
{
    const char *names[2] = {alpn_reload, alpn_sip};
    char remote[RF_ADDR_TEXT_LEN];
    struct rf_view resume_key = {NULL, 0};
    size_t count = 2;

    if (link->outgoing) {
        names[0] = alpn_for(link->dial->purpose, link->dial->application);
        count = names[0] != NULL;
        resume_key = rf_view_str(rf_addr_text(&link->remote, remote));
    }
    return links->config.engine_ops->channel_new(links->config.engine, !link->outgoing, names, count,
                                                 resume_key, &link->channel);
}

/* ---- judgement ---- */

/* The Node-ID that the peer goes by: the expected one, or the first of its certificate. */
static int choose_node(struct rf_links *links, const struct rf_link *link, const struct rf_cert *cert,
                       struct rf_id *out)
{
    struct link_expect *expect;

    if (rf_cert_has_node_id(cert, &links->config.self))
        return RF_EDUPLICATE;
    *out = cert->node_ids[0];
    if (link->outgoing && link->dial->expect.len > 0) {
        if (!rf_cert_has_node_id(cert, &link->dial->expect))
            return RF_EMISMATCH;
        *out = link->dial->expect;
    } else if (!link->outgoing) {
        expect = expect_find(links, cert, (enum rf_link_purpose)0);
        if (expect)
            *out = expect->node;
    }
    return 0;
}

static int judge(struct rf_links *links, struct rf_link *link, struct rf_cert **out, struct rf_id *node_id)
{
    struct rf_view certs[PEER_CERTS_MAX];
    size_t count = links->config.engine_ops->channel_peer_certs(link->channel, certs, PEER_CERTS_MAX);
    struct rf_cert *cert;
    int err;

    if (count == 0) {
        links->counters.cert_refused++;
        return RF_EAUTH;
    }
    err = rf_trust_cert(links->config.trust, certs[0], certs + 1, count - 1, links->env->now->wall_ms, &cert);
    if (err) {
        links->counters.cert_refused++;
        return err;
    }
    err = choose_node(links, link, cert, node_id);
    if (err) {
        links->counters.self_connect += err == RF_EDUPLICATE;
        links->counters.wrong_node += err == RF_EMISMATCH;
        rf_cert_release(cert);
        return err;
    }
    *out = cert;
    return 0;
}

/* An accepted link's purpose; uses up what was expected. */
static void choose_purpose(struct rf_links *links, struct rf_link *link)
{
    const char *alpn = links->config.engine_ops->channel_alpn(link->channel);
    struct link_expect *app = expect_find(links, link->cert, RF_LINK_APP);
    struct link_expect *overlay = expect_find(links, link->cert, RF_LINK_OVERLAY);

    link->purpose = RF_LINK_OVERLAY;
    if (strcmp(alpn, alpn_sip) == 0 || (!*alpn && app && !overlay)) {
        link->purpose = RF_LINK_APP;
        if (app) {
            link->application = app->application;
            expect_drop(links, app);
        }
    } else if (overlay) {
        expect_drop(links, overlay);
    }
}

static int admit(struct rf_links *links, struct rf_link *link)
{
    struct rf_buf *wire;
    size_t mark;
    int err;

    wire = out_begin(links, link, &mark);
    err = links->config.engine_ops->channel_admit(link->channel, wire);
    out_end(links, link, mark);
    return err;
}

static void refuse(struct rf_links *links, struct rf_link *link, int err)
{
    struct rf_buf *wire;
    size_t mark;
    char text[RF_ADDR_TEXT_LEN];

    rf_log_write(links->env->log, RF_LOG_INFO, "link", "peer %s refused: %s",
                 rf_addr_text(&link->remote, text), rf_error_text(err));
    wire = out_begin(links, link, &mark);
    links->config.engine_ops->channel_refuse(link->channel, err, wire);
    out_end(links, link, mark);
}

void link_up(struct rf_links *links, struct rf_link *link)
{
    const struct rf_engine_ops *ops = links->config.engine_ops;
    const uint64_t now = links_now(links), keepalive = links->config.keepalive_us;
    struct rf_link_info info;
    int err = judge(links, link, &link->cert, &link->node_id);

    if (err) {
        refuse(links, link, err);
        link_fail(links, link, err);
        return;
    }
    if (!link->outgoing)
        choose_purpose(links, link);
    err = admit(links, link);
    if (err) {
        links->counters.handshake_failed++;
        link_end(links, link, err, false);
        return;
    }
    links->counters.handshakes++;
    link->resumed = ops->channel_resumed(link->channel);
    links->counters.handshakes_resumed += link->resumed;
    if (link->resumed)
        budget_resumed(links);
    rf_free(links->env->mem, link->dial);
    link->dial = NULL;
    link->was_up = true;
    link->up_since_us = link->activity_us = now;
    /* both ends start together: jitter, so that one of them is enough */
    link->keepalive_us = keepalive - rf_rng_below(links->env->jitter, keepalive / 4 + 1);
    link_set_state(links, link, RF_LINK_UP);
    rf_timer_stop(links->env->timers, &link->timer);
    watch(links, link);
    link_info(link, &info);
    if (links->host.up)
        links->host.up(links->host.ctx, &info);
}
