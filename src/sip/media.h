/*
 * media.h - the audio of the daemon's own calls: SDP offer/answer (RFC 3264) with the codecs of codec.h, RTP and RTCP (RFC 3550) in packets of 20 ms.
 * It plays a file (then silence) and records what arrives, or sends back what arrives (echo).
 */
#ifndef RF_SIP_MEDIA_H
#define RF_SIP_MEDIA_H

#include "sip/core.h"
#include "sip/wav.h"

struct media;

struct media_stats {
    uint64_t sent, received; /* packets */
    uint64_t lost;           /* of theirs, by sequence numbers */
    uint64_t jitter_us;
    uint64_t rtt_us; /* 0: not known. Of an echo of our own packets, else by RTCP */
};

struct media_config {
    struct sa local;           /* IP address for RTP */
    bool echo;                 /* send back what comes */
    struct wav_audio *play;    /* borrowed for the media's life; NULL: silence */
    struct wav_writer *record; /* borrowed; NULL: not recorded */
    void (*played)(void *arg); /* the file has been sent; may be NULL */
    void *arg;
};

/* Errors: RF_ESYSTEM no port, RF_ENOMEM. */
int media_new(struct core *core, const struct media_config *config, struct media **out);
void media_free(struct core *core, struct media *media);
/* media_offer and media_answer write SDP into a new mbuf (owned by the caller). media_answer reads an offer first, or a later one again.
 * Errors: RF_EFORMAT not SDP, RF_EUNSUPPORTED no common codec, RF_ENOMEM. */
int media_offer(struct media *media, struct mbuf **sdp);
int media_answer(struct media *media, struct rf_view offer, struct mbuf **sdp);
/* media_accept takes the answer to our offer. Errors: RF_EFORMAT, RF_EUNSUPPORTED. */
int media_accept(struct media *media, struct rf_view answer);
/* media_start begins to send, once; after media_answer or media_accept. */
void media_start(struct media *media);
void media_stats(struct media *media, struct media_stats *out);
/* media_offered_ip: the address in the first audio line of an SDP. Errors: RF_EFORMAT. */
int media_offered_ip(struct rf_view sdp, struct sa *out);

#endif
