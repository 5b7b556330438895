/*
 * stream_tls.c - TLS under a stream to a relay (RFC 8656, section 3.1), for nodes behind firewalls that let nothing else out. The engine is that of links; the relay shows the
 * certificate of its node, which must be one of the overlay with the Node-ID that gave us the credentials. We show none: those say who we are.
 *
 * HANDSHAKE until the channel is up and its certificate judged, then UP until it cannot write.
 */
#include "node/internal.h"

#define CERTS_MAX 8

struct stream_tls {
    struct rf_node *node;
    struct rf_id relay;
    struct rf_channel *channel;
    bool up;
};

int stream_tls_new(struct rf_node *node, const struct rf_id *relay, struct rf_buf *wire,
                   struct stream_tls **out)
{
    static const char *const alpn[] = {"stun.turn"}; /* RFC 7443 */
    struct stream_tls *tls = rf_zalloc(node->env.mem, sizeof(*tls));
    if (tls == NULL)
        return RF_ENOMEM;
    tls->node = node;
    tls->relay = *relay;
    int error = node->engine_ops->channel_new(node->engine, false, alpn, RF_COUNT(alpn), rf_view_of(NULL, 0),
                                              &tls->channel);
    if (error == 0)
        error = node->engine_ops->channel_start(tls->channel, wire);
    if (error != 0) {
        stream_tls_free(tls);
        return error;
    }
    *out = tls;
    return 0;
}

void stream_tls_free(struct stream_tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->channel != NULL)
        tls->node->engine_ops->channel_free(tls->channel);
    rf_free(tls->node->env.mem, tls);
}

bool stream_tls_is_up(const struct stream_tls *tls)
{
    return tls->up;
}

/* Is it the relay that we were told of? */
static int judge(struct stream_tls *tls, struct rf_buf *wire)
{
    struct rf_node *node = tls->node;
    struct rf_view certs[CERTS_MAX];
    size_t count = node->engine_ops->channel_peer_certs(tls->channel, certs, CERTS_MAX);
    struct rf_cert *cert = NULL;
    int error = count == 0
                    ? RF_EAUTH
                    : rf_trust_cert(node->trust, certs[0], certs + 1, count - 1, node->now.wall_ms, &cert);
    if (error == 0 && !rf_cert_has_node_id(cert, &tls->relay))
        error = RF_EMISMATCH;
    rf_cert_release(cert);
    if (error == 0)
        return node->engine_ops->channel_admit(tls->channel, wire);
    node->counters.relays_refused++;
    char id[RF_ID_TEXT_LEN];
    rf_log_write(node->env.log, RF_LOG_WARN, "node",
                 "the relay of %s by TLS shows another certificate: not used (%s)",
                 rf_id_text(&tls->relay, id), rf_error_text(error));
    node->engine_ops->channel_refuse(tls->channel, error, wire);
    return error;
}

int stream_tls_input(struct stream_tls *tls, struct rf_view in, struct rf_buf *plain, struct rf_buf *wire)
{
    const struct rf_engine_ops *ops = tls->node->engine_ops;
    int error = ops->channel_input(tls->channel, in, plain, wire);
    enum rf_channel_state state = ops->channel_state(tls->channel);
    if (error == 0 && !tls->up && state == RF_CHANNEL_UP) {
        error = judge(tls, wire);
        tls->up = error == 0;
    }
    return error == 0 && state == RF_CHANNEL_CLOSED ? RF_ECLOSED : error;
}

/* RF_EAGAIN: not up; any other error: it is over. */
int stream_tls_write(struct stream_tls *tls, struct rf_view plain, struct rf_buf *wire)
{
    if (!tls->up)
        return RF_EAGAIN;
    int error = tls->node->engine_ops->channel_write(tls->channel, plain, wire);
    tls->up = error == 0;
    return error;
}
