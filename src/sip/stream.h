/*
 * stream.h - one anchored m= line: RTP and RTCP of a phone on one side, SRTP over an ICE way to the other node on the other.
 *
 *   phone --RTP--> port pair of ours --> seal_close --> way_send --> the other node        (and the same way back)
 *
 *   GATHERING  stream_open: the way asks its servers -> event `ready`
 *   READY      stream_local tells our half; the other node's is kept by stream_remote; stream_start when offer and answer are both known
 *   CHECKING   ICE; when a pair is selected the active side begins the DTLS handshake
 *   KEYING     -> keys: event `flows`. A way that changes later changes nothing here
 *   FAILED     event `failed`, once, from the loop: no way (15 s), handshake failed (20 s), consent lost (30 s)
 *
 * Restart of ICE (anchor_restart.c): event `moved`; stream_restart, or stream_remote with an offer's new credentials -> `ready` -> stream_start. Meanwhile, and if it comes to
 * nothing, packets go the old way; the keys stay.
 *
 * A packet is dealt with in the loop turn in which it came, in the place where it was received; nothing is allocated for it. What is told apart by the first byte: DTLS
 * 20..63, RTP and RTCP 128..191 (RFC 7983; STUN and ChannelData stay with the way).
 *
 * The phone: packets are taken from the IP addresses that its SDP and its SIP requests name, and the first one tells where to send to (symmetric RTP).
 */
#ifndef RF_SIP_STREAM_H
#define RF_SIP_STREAM_H

#include "sip/core.h"
#include "sip/sdp.h"

struct stream;

struct stream_handler {
    void (*ready)(void *arg);
    void (*flows)(void *arg);                   /* keys are there */
    void (*failed)(void *arg, const char *why); /* a constant */
    void (*moved)(void *arg);                   /* the way leads nowhere any more, most likely; may be NULL */
    void *arg;
};

/* stream_open: to the device `node`; controlling: we sent the INVITE. Errors: those of way_open. */
int stream_open(struct core *core, const struct rf_id *node, bool controlling,
                const struct stream_handler *handler, struct stream **out);
void stream_free(struct stream *stream); /* not from within its handler */
bool stream_is_ready(const struct stream *stream);
bool stream_flows(const struct stream *stream);

/* stream_stand_in: our half for an SDP to the other node. Errors: RF_EAGAIN still gathering. */
int stream_stand_in(struct stream *stream, bool offer, struct sdp_stand_in *out);
/*
 * stream_remote keeps what the m= line number `index` of the other node's SDP says (sdp_secure). In an offer new credentials mean an ICE restart, another
 * fingerprint another handshake. Errors: RF_ENOMEM, RF_EFORBIDDEN an answer that changed what was agreed.
 */
int stream_remote(struct stream *stream, struct rf_view sdp, size_t index, const struct sdp_media *media,
                  bool offer);
/* stream_restart: new credentials of ours. Errors: RF_ENOMEM. stream_restarts: it waits for the other half since. stream_moved: `moved` came since the last restart. */
int stream_restart(struct stream *stream);
bool stream_restarts(const struct stream *stream);
bool stream_moved(const struct stream *stream);
/* stream_renewed: these are other credentials than those known. */
bool stream_renewed(const struct stream *stream, const struct sdp_media *media);
/* stream_start: both halves are known. Errors: RF_EAGAIN a restart still gathers, RF_EINVAL. */
int stream_start(struct stream *stream);

/* stream_listen opens the phone's port pair, once; the RTP port. Errors: RF_ESYSTEM none is free. */
int stream_listen(struct stream *stream, int family, uint16_t *port);
/* stream_phone: where the phone listens (family 0: unknown), and the address that its SIP comes from. */
void stream_phone(struct stream *stream, const struct rf_addr *rtp, const struct rf_addr *rtcp,
                  const struct rf_addr *sip);

#endif
