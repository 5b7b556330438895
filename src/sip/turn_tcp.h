/*
 * turn_tcp.h - a TCP connection to a relay, for machines whose UDP does not get out (RFC 8656, section 2.1): whole STUN messages and ChannelData go in and out.
 *
 *   CONNECTING -> UP (told) -> closed by the other side, an error, or a message that is none (told: down), or turn_tcp_free
 *
 * What does not fit into the system's buffer waits, up to TURN_TCP_WAITING bytes; media beyond that are dropped, as a network would do.
 */
#ifndef RF_SIP_TURN_TCP_H
#define RF_SIP_TURN_TCP_H

#include "sip/ways.h"

#define TURN_TCP_WAITING 16384
#define TURN_TCP_MAX     (WAYS_MAX_PACKET + 64) /* bytes of a message */

struct turn_tcp;
struct turn_tcp_handler {
    void (*up)(void *arg, uint32_t number);
    void (*down)(void *arg, uint32_t number);
    /* message: may be changed. false: the connection was freed meanwhile. */
    bool (*message)(void *arg, uint32_t number, uint8_t *bytes, size_t len);
    void *arg;
};
/* turn_tcp_new: everything is told from the loop. Errors: RF_ENOMEM, RF_ESYSTEM. */
int turn_tcp_new(struct rf_mem *mem, uint32_t number, const struct rf_addr *to,
                 const struct turn_tcp_handler *handler, struct turn_tcp **out);
void turn_tcp_free(struct turn_tcp *tcp); /* also from within its handler */
uint32_t turn_tcp_number(const struct turn_tcp *tcp);
/* turn_tcp_send: errors RF_EAGAIN not UP, or too much is waiting. */
int turn_tcp_send(struct turn_tcp *tcp, const uint8_t *bytes, size_t len);

#endif
