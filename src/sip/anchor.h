/*
 * anchor.h - the media of one leg to another node: which m= lines of its SDPs this node carries itself (stream.h), and what the SDPs become on their way.
 *
 * When keys are there the daemon's own audio is told (local_flows), so that nothing of a file is played to nobody.
 *
 * An anchor belongs to an overlay leg, from before its INVITE goes out (or rings anybody here) until the call ends. anchor_new begins to gather; `ready` comes
 * once, from the loop. Every fork of a call has an anchor of its own; the phones that ring here share the caller's.
 *
 * When an end moves ICE is begun anew between the two nodes alone (anchor_restart.c).
 *
 * Not anchored, so that media go as the SDPs say: an offer of the other node without ICE and DTLS (an older one), and an offer of a phone that brings
 * DTLS-SRTP itself. Refused (port 0): m= lines that are no RTP/AVP(F), those beyond ANCHOR_MAX_STREAMS, and those that a re-INVITE adds.
 */
#ifndef RF_SIP_ANCHOR_H
#define RF_SIP_ANCHOR_H

#include "sip/call.h"

#define ANCHOR_MAX_STREAMS 4

/* anchor_wants: a leg whose INVITE carries `offer` (empty: none) is to be anchored. incoming: the offer is another node's. */
bool anchor_wants(struct core *core, struct rf_view offer, bool incoming);
/* anchor_new: leg->anchor is there afterwards. ready(leg): streams can tell their half. Errors: RF_EFORMAT no SDP, those of stream_open. */
int anchor_new(struct leg *leg, struct rf_view offer, void (*ready)(struct leg *leg));
void anchor_free(struct leg *leg); /* none: nothing */
/* anchor_flows: the other node hears what is sent now: no stream waits for its keys. True also for a leg without an anchor. */
bool anchor_flows(const struct leg *leg);

/*
 * anchor_restart_asked: the other node's request within the call is an offer that changes nothing but ICE's credentials; it has been dealt with. anchor_restarts: an offer or
 * answer for that leg is under way without the phone's knowledge. anchor_conn_lost: so are requests on the connection that is gone.
 */
bool anchor_restart_asked(struct leg *leg, const struct sip_msg *msg);
bool anchor_restarts(const struct leg *leg);
void anchor_conn_lost(struct leg *leg);

/* What goes on instead of a body. */
struct passed {
    struct content content;
    struct rf_buf buf; /* owned */
};
/*
 * anchor_pass: `content` of leg `from` on its way to leg `to`, one of which may be anchored; `out` is filled always, to be ended by passed_deinit.
 * offer: it is one; else an answer, the final or an early one. Returns 0 or the SIP code (488, 415, 500) with which the request is to be refused or the call to be
 * ended.
 */
int anchor_pass(struct leg *from, struct leg *to, bool offer, const struct content *content,
                struct passed *out);
void passed_deinit(struct passed *passed);

#endif
