/*
 * plain_kit.h - what the two engines without protection, of streams and of datagrams, share: certificates, names of protocols, and the
 * contents of a hello:
 *
 *     v8 of v8 ALPN names (client: offered, server: the one chosen or none) | v16 of v16 certificates, DER, leaf first
 *
 * Each begins its channel with struct rf_channel and puts plain_* into its table where nothing is to be added.
 */
#ifndef RF_LINK_PLAIN_KIT_H
#define RF_LINK_PLAIN_KIT_H

#include "link/engine.h"

#define PLAIN_HELLO_LEN    20480
#define PLAIN_ALPN_MAX     4
#define PLAIN_ALPN_MAX_LEN 15

struct rf_engine {
    const struct rf_env *env;
    uint8_t *certs; /* v16 each, as in the hello; owned */
    size_t certs_len;
    size_t mtu; /* datagrams */
};

struct rf_channel {
    struct rf_engine *engine;
    enum rf_channel_state state;
    bool server;
    size_t alpn_count;
    char offered[PLAIN_ALPN_MAX][PLAIN_ALPN_MAX_LEN + 1];
    char alpn[PLAIN_ALPN_MAX_LEN + 1];
    struct rf_buf hello;       /* the peer's, kept for its certificates until they are judged */
    struct rf_view peer_certs; /* v16 each */
    uint32_t dropped;          /* datagrams: records that were */
};

/* Those without an explanation are what engine.h says of the name behind `plain_`. */
int plain_engine_new(const struct rf_env *env, const struct rf_view *certs, size_t cert_count,
                     struct rf_view key_pem, struct rf_engine **out);
void plain_engine_free(struct rf_engine *engine);
int plain_engine_set_identity(struct rf_engine *engine, const struct rf_view *certs, size_t cert_count,
                              struct rf_view key_pem);
/* plain_channel_new: `len` bytes, zeroed, the front of them filled. Errors: RF_EINVAL, RF_ENOMEM. */
int plain_channel_new(size_t len, struct rf_engine *engine, bool server, const char *const *alpn,
                      size_t alpn_count, struct rf_channel **out);
void plain_channel_free(struct rf_channel *channel);
/* plain_put_hello appends our hello's contents. */
void plain_put_hello(const struct rf_channel *channel, struct rf_buf *out);
/* plain_read_hello takes the contents of the peer's off `in`, whose bytes are channel->hello's. Errors: RF_ESHORT there must be more, RF_EAUTH no
 * certificate, RF_EFORMAT none of the names is ours. */
int plain_read_hello(struct rf_channel *channel, struct rf_view *in);
int plain_channel_admit(struct rf_channel *channel, struct rf_buf *wire);
enum rf_channel_state plain_channel_state(const struct rf_channel *channel);
size_t plain_channel_peer_certs(const struct rf_channel *channel, struct rf_view *out, size_t max);
const char *plain_channel_alpn(const struct rf_channel *channel);
bool plain_channel_resumed(const struct rf_channel *channel);
/* The entries of a table that are the same for both. */
#define PLAIN_OPS                                                                                            \
    .engine_free = plain_engine_free, .engine_set_identity = plain_engine_set_identity,                      \
    .channel_free = plain_channel_free, .channel_admit = plain_channel_admit,                                \
    .channel_state = plain_channel_state, .channel_peer_certs = plain_channel_peer_certs,                    \
    .channel_alpn = plain_channel_alpn, .channel_resumed = plain_channel_resumed

#endif
