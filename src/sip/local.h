/*
 * local.h - calls of the daemon itself: a leg without SIP, whose audio is media.h: the commands call and answer, and the echo service.
 *
 * A called local leg: asked whether anyone listens at the control socket (0: nobody, 480) -> rings until `answer`, `hangup` or the end. With the
 * echo service it answers at once. A calling one has its SDP offer ready before the first INVITE.
 * Timers: `for` seconds after the answer; a second after the end of the played file when no time was given; every 250 ms the question
 * whether the command's session is still there.
 */
#ifndef RF_SIP_LOCAL_H
#define RF_SIP_LOCAL_H

#include "sip/call.h"

/* What a command said; strings may be empty. */
struct local_wish {
    uint64_t control; /* the command, as side.h numbers it */
    char play[1024], record[1024];
    unsigned for_s; /* 0: no limit */
};

/* From the control socket. Each ends the command sooner or later. */
void local_call(struct core *core, const char *aor, const struct local_wish *wish);
void local_answer(struct core *core, const char *call_id, const struct local_wish *wish);
void local_hangup(struct core *core, const char *call_id, uint64_t control);
void local_list(struct core *core, uint64_t control);
void local_phones(struct core *core, uint64_t control);
void local_cancelled(struct core *core, uint64_t control); /* the session is gone */
void local_listeners(struct core *core, unsigned call_number, size_t count);

/* From call.c, leg.c and relay.c. */
void local_ring(struct call *call);
void local_call_changed(struct leg *leg);
int local_answered(struct leg *leg, const struct content *answer);
void local_acked(struct leg *leg, const struct content *content);
/* local_request answers a request within the call; answer: a body, borrowed until the next one. Returns a SIP code. */
int local_request(struct leg *leg, const char *method, const struct content *content, struct content *answer);
/* local_flows: what is sent from now on is heard by the other node (anchor.h). */
void local_flows(struct leg *leg);
void local_stop(struct leg *leg, const char *reason);
void local_free(struct leg *leg);

#endif
