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

static const char alpn_brief[] = "reload-brief"; /* docs/protocol/links.md */
static const char alpn_reload[] = "reload";
static const char alpn_sip[] = "sip/2";
static const char alpn_stream[] =
    "ringfolk-stream"; /* an application's bytes in order, over datagrams; docs/protocol/links.md */

/* ---- dialling ---- */

int dial_new(struct rf_links *links, const struct rf_link_way *ways, size_t way_count,
             const struct rf_id *expect, enum rf_link_purpose purpose, uint16_t application,
             struct link_dial **out)
{
    struct link_dial *dial = rf_zalloc(links->env->mem, sizeof *dial + way_count * sizeof *ways);

    if (!dial)
        return RF_ENOMEM;
    if (expect)
        dial->expect = *expect;
    dial->purpose = purpose;
    dial->application = application;
    dial->way_count = way_count;
    if (way_count > 0)
        memcpy(dial->ways, ways, way_count * sizeof *ways);
    *out = dial;
    return 0;
}

bool dial_next(struct rf_links *links, struct rf_link *link)
{
    struct link_dial *dial = link->dial;

    while (dial && dial->next < dial->way_count && dial->ways[dial->next].datagrams) {
        link->remote = dial->ways[dial->next].addr;
        if (datagrams_dial(links, link, &dial->ways[dial->next++]) == 0)
            return true;
    }
    if (!dial || dial->next >= dial->way_count)
        return false;
    if (watch_deadline(links, link, links->config.connect_timeout_us))
        return false;
    link->remote = dial->ways[dial->next++].addr;
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
    if (!link->dial || link->dial->next >= link->dial->way_count) {
        link_end(links, link, reason, false);
        return;
    }
    /* the alert for this attempt is not worth a second flow number */
    if (link->channel)
        link_ops(links, link)->channel_free(link->channel);
    link->channel = NULL;
    if (link->is_datagrams)
        datagrams_free(links, link);
    out_discard(links, link);
    link->want_close = link->flow_open;
    if (!dial_next(links, link))
        link_end(links, link, reason, false);
}

/* ---- channel ---- */

/* What a client offers: returns how many of `names`. */
static size_t alpn_for(const struct rf_links *links, const struct rf_link *link, const char *names[2])
{
    const uint16_t application = link->dial->application;
    const bool sip = link_app_is_sip(application);
    size_t count = 0;

    if (link->dial->purpose == RF_LINK_OVERLAY) {
        names[count++] = alpn_brief;
        names[count++] = alpn_reload;
        return count;
    }
    if (link->is_datagrams && !links->config.app_records)
        names[count++] = alpn_stream;
    if (sip)
        names[count++] = alpn_sip;
    return count;
}

static bool for_application(const char *alpn)
{
    return strcmp(alpn, alpn_sip) == 0 || strcmp(alpn, alpn_stream) == 0;
}

int channel_open(struct rf_links *links, struct rf_link *link)
{
    const char *names[4] = {alpn_brief, alpn_reload, alpn_sip, alpn_stream};
    char remote[RF_ADDR_TEXT_LEN];
    struct rf_view resume_key = {NULL, 0};
    size_t count = link->is_datagrams && !links->config.app_records ? 4 : 3;

    link->renewed = false;
    if (link->outgoing) {
        count = alpn_for(links, link, names);
        resume_key = rf_view_str(rf_addr_text(&link->remote, remote));
        if (link->is_datagrams && link->is_path) /* whose addresses are not his for long */
            resume_key = rf_id_view(&link->dial->expect);
    }
    return link_ops(links, link)
        ->channel_new(link->is_datagrams ? links->config.datagram_engine : links->config.engine,
                      !link->outgoing, names, count, resume_key, &link->channel);
}

bool channel_ensure(struct rf_links *links, struct rf_link *link)
{
    int err;

    if (link->channel)
        return true;
    err = channel_open(links, link);
    if (err) {
        link_fail(links, link, err);
        report_ended(links);
        return false;
    }
    if (link->is_datagrams)
        budget_charge(links);
    return true;
}

/* ---- judgement ---- */

/* On a path the Attach said what the link is for; a client that says something else came by mistake. */
static bool fits_attach(const struct rf_links *links, const struct rf_link *link)
{
    const char *alpn = link_ops(links, link)->channel_alpn(link->channel);

    return link->outgoing || !link->dial || !*alpn || for_application(alpn) == (link->purpose == RF_LINK_APP);
}

/* The Node-ID that the peer goes by: the expected one, or the first of its certificate. */
static int choose_node(struct rf_links *links, const struct rf_link *link, const struct rf_cert *cert,
                       struct rf_id *out)
{
    struct link_expect *expect;

    if (rf_cert_has_node_id(cert, &links->config.self))
        return RF_EDUPLICATE;
    if (!fits_attach(links, link))
        return RF_EMISMATCH;
    *out = cert->node_ids[0];
    if (link->dial && link->dial->expect.len > 0) {
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
    size_t count = link_ops(links, link)->channel_peer_certs(link->channel, certs, PEER_CERTS_MAX);
    struct rf_cert *cert;
    int err;

    if (count == 0) {
        links->counters->cert_refused++;
        return RF_EAUTH;
    }
    err = rf_trust_cert(links->config.trust, certs[0], certs + 1, count - 1, links->env->now->wall_ms, &cert);
    if (err) {
        links->counters->cert_refused++;
        return err;
    }
    err = choose_node(links, link, cert, node_id);
    if (err) {
        links->counters->self_connect += err == RF_EDUPLICATE;
        links->counters->wrong_node += err == RF_EMISMATCH;
        rf_cert_release(cert);
        return err;
    }
    *out = cert;
    return 0;
}

/* An accepted link's purpose; uses up what was expected. */
static void choose_purpose(struct rf_links *links, struct rf_link *link)
{
    const char *alpn = link_ops(links, link)->channel_alpn(link->channel);
    struct link_expect *app = expect_find_app(links, link->cert, strcmp(alpn, alpn_sip) == 0);
    struct link_expect *overlay = expect_find(links, link->cert, RF_LINK_OVERLAY);

    link->purpose = RF_LINK_OVERLAY;
    /* without a name it is what was announced last: an Attach may have been refused since */
    if (for_application(alpn) || (!*alpn && app && (!overlay || app->until_us > overlay->until_us))) {
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
    err = link_ops(links, link)->channel_admit(link->channel, wire);
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
    link_ops(links, link)->channel_refuse(link->channel, err, wire);
    out_end(links, link, mark);
}

void link_up(struct rf_links *links, struct rf_link *link)
{
    const struct rf_engine_ops *ops = link_ops(links, link);
    const uint64_t now = links_now(links);
    struct rf_link_info info;
    int err = judge(links, link, &link->cert, &link->node_id);

    if (err) {
        refuse(links, link, err);
        link_fail(links, link, err);
        return;
    }
    if (!link->dial)
        choose_purpose(links, link);
    err = strcmp(ops->channel_alpn(link->channel), alpn_stream) == 0 ? ordered_new(links, link) : 0;
    if (!err)
        err = admit(links, link);
    if (err) {
        links->counters->handshake_failed++;
        link_end(links, link, err, false);
        return;
    }
    links->counters->handshakes++;
    link->resumed = ops->channel_resumed(link->channel);
    links->counters->handshakes_resumed += link->resumed;
    link->renewed |= link->resumed && links->renewed; /* a session may hold the old one */
    link->brief = strcmp(ops->channel_alpn(link->channel), alpn_brief) == 0;
    if (link->resumed)
        budget_resumed(links);
    rf_free(links->env->mem, link->dial);
    link->dial = NULL;
    link->was_up = true;
    link->up_since_us = link->activity_us = now;
    link_set_state(links, link, RF_LINK_UP);
    rf_timer_stop(links->env->timers, &link->timer);
    watch(links, link);
    quiet_watch(links, link);
    link_info(links, link, &info);
    if (links->host.up)
        links->host.up(links->host.ctx, &info);
}
