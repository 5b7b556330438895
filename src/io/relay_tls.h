/*
 * relay_tls.h - TLS under the streams of the relay: a context that its threads share, a session for each stream, over its descriptor. Servers only; clients show no certificate,
 * TURN's credentials say who they are.
 */
#ifndef RF_IO_RELAY_TLS_H
#define RF_IO_RELAY_TLS_H

#include "base/mem.h"
#include "base/view.h"

struct relay_tls_context; /* opaque, owned */
struct relay_tls;         /* opaque, owned */

/* relay_tls_context_new takes a PEM chain, own certificate first, and its PEM key; copied. Errors: RF_EFORMAT they are none, or do not belong together; RF_ENOMEM. */
int relay_tls_context_new(struct rf_mem *mem, struct rf_view chain_pem, struct rf_view key_pem,
                          struct relay_tls_context **out);
void relay_tls_context_free(struct relay_tls_context *context);

/* relay_tls_new: the context must outlive the session; fd is borrowed. Errors: RF_ENOMEM. */
int relay_tls_new(struct relay_tls_context *context, int fd, struct relay_tls **out);
void relay_tls_free(struct relay_tls *tls); /* says farewell, if the socket takes it */
/* relay_tls_recv, relay_tls_send: as rf_socket_recv and _send; the handshake goes on by either. Errors: the same, RF_EAUTH it failed. */
int relay_tls_recv(struct relay_tls *tls, void *out, size_t cap, size_t *len);
int relay_tls_send(struct relay_tls *tls, struct rf_view bytes, size_t *sent);
/* relay_tls_wants_write: the handshake waits until the socket takes more. relay_tls_pending: decrypted bytes wait, though the socket is silent. */
bool relay_tls_wants_write(const struct relay_tls *tls);
bool relay_tls_pending(const struct relay_tls *tls);
bool relay_tls_is_up(const struct relay_tls *tls); /* the handshake is done */

#endif
