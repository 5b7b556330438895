/*
 * anchor_internal.h - what the files of the anchor share: anchor.c (streams, SDPs), anchor_restart.c (ICE begun anew within a call).
 */
#ifndef RF_SIP_ANCHOR_INTERNAL_H
#define RF_SIP_ANCHOR_INTERNAL_H

#include "sip/anchor.h"
#include "sip/stream.h"

#define SDP_MAX_LEN ((size_t)32 * 1024) /* bytes written: below what a frame may carry */

enum side { OURS, THEIRS };

struct kept { /* a text, owned */
    uint8_t *bytes;
    size_t len;
};

enum restart_state { RESTART_NONE, RESTART_GATHERING, RESTART_ASKING };

struct restart {
    enum restart_state state; /* of ours */
    struct sip_request *req;  /* ours, while ASKING */
    struct sip_strans *st;    /* theirs, to be answered when our half is known */
    struct sip_msg *msg;
    struct kept last; /* the offer of theirs that was dealt with last ... */
    uint64_t last_ms; /* ... and when */
    bool again;       /* it could not be begun for want of memory */
    uint64_t wait_ms; /* glare: not before */
    struct tmr tmr;
};

struct anchor {
    struct leg *leg;
    void (*ready)(struct leg *leg);
    struct tmr told; /* ready is called from the loop */
    bool was_told;
    struct stream *streams[ANCHOR_MAX_STREAMS]; /* by m= line; NULL: not anchored, or refused meanwhile */
    struct kept agreed[2], offered[2];          /* by side: the phone's SDP, the other node's */
    unsigned versions;                          /* SDPs of ours that no phone made */
    struct restart restart;
};

/* anchor.c */
struct stream *anchor_stream(const struct anchor *a, size_t i);
bool anchor_is_sdp(struct rf_view type);
void kept_free(struct core *core, struct kept *kept);

/* anchor_restart.c */
void anchor_restart_step(struct anchor *a); /* something has changed: goes on, from the loop */
void anchor_restart_end(struct anchor *a);

#endif
