/*
 * call.h - calls: one leg towards who calls (`a`), one for each phone or device that is called, of which one wins (`b`). Back-to-back: every SIP
 * leg is a dialog of its own; what means something end to end (SDP, INFO, session updates, ...) is passed from one to the other.
 *
 * Call states: SETUP (looking for devices, INVITEs out) -> RINGING (a device rings) -> UP (answered) -> ENDED (farewells may still be under way;
 * freed when every leg is DONE).
 * Events: lookup and connections (find.h); of a leg: progress, answer, failure, hang-up by either side; cancel by the caller; command
 * hangup. Timers: ring_s without an answer; T1..T2 retransmission of our 2xx until ACK, 64*T1 until it is given up.
 *
 * Leg states: NEW (no INVITE yet) -> CALLING -> RINGING -> UP -> DONE; CANCELLING between CANCEL and the final response. The caller's leg is
 * CALLING until it is UP or DONE.
 */
#ifndef RF_SIP_CALL_H
#define RF_SIP_CALL_H

#include "sip/dialog.h"
#include "sip/find.h"

struct local;  /* local.h: a leg that is this daemon itself */
struct anchor; /* anchor.h: the media of an overlay leg */

enum leg_kind { LEG_PHONE = 1, LEG_OVERLAY, LEG_LOCAL };
enum leg_state { LEG_NEW, LEG_CALLING, LEG_RINGING, LEG_UP, LEG_CANCELLING, LEG_DONE };
enum call_state { CALL_SETUP, CALL_RINGING, CALL_UP, CALL_ENDED };

/* A 2xx of ours that waits for its ACK. */
struct accepted {
    struct mbuf *mb; /* NULL: none */
    struct sip_msg *msg;
    struct sa dst;
    struct tmr again, give_up;
    uint32_t seq;
    unsigned delay_ms;
};
/* A 2xx of theirs, and the ACK that it got. */
struct acknowledged {
    bool due, sent;
    uint32_t seq;
    char *type;
    uint8_t *body;
    size_t body_len;
};

struct leg {
    struct rf_list list;     /* in call->legs */
    struct rf_map_node node; /* in core->legs once the local tag is known */
    bool mapped;
    struct call *call;
    enum leg_kind kind;
    enum leg_state state;
    unsigned number; /* within the call */
    struct flow flow;
    struct device device; /* overlay */
    struct dialog dialog;
    struct sip_request *req; /* our INVITE under way */
    uint32_t req_seq;
    struct sip_strans *st; /* their INVITE under way ... */
    struct sip_msg *msg;   /* ... and the request itself; the first one of `a` stays for the call's life */
    struct accepted ok;
    struct acknowledged ack;
    struct local *local;
    struct anchor *anchor; /* NULL: its media go as the SDPs say */
    struct find *find;     /* a new connection is sought */
    bool bye_due;          /* it is sought only to say BYE */
    bool refused;          /* its failure has been counted */
};

struct call {
    struct rf_list list; /* in core->calls */
    struct core *core;
    unsigned number;
    char id[16]; /* "c17" */
    enum call_state state;
    bool incoming;
    char peer[AOR_MAX];
    struct rf_list legs, relays;
    struct leg *a, *b;
    unsigned leg_count;
    struct find *find;
    size_t expected;      /* devices that have not become legs yet */
    int best;             /* of the codes so far */
    bool offered;         /* forks know the offer */
    struct content offer; /* borrowed from a->msg or a's local */
    struct tmr ring, reap;
    const char *reason; /* why it ended, in words */
};

/* ---- call.c ---- */

/* An authenticated phone's INVITE; an INVITE from the overlay whose From has been checked. Both answer for themselves. */
void call_from_phone(struct core *core, const struct sip_msg *msg);
void call_from_overlay(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                       const struct device *from);
/* call_place begins a call of the daemon itself: `local` becomes its leg `a`. Errors: RF_ELIMIT, RF_ENOMEM. */
int call_place(struct core *core, const char *aor, struct local *local, struct content offer,
               struct call **out);

struct leg *call_add_leg(struct call *call, enum leg_kind kind);
/* What becomes of a called leg. msg may be NULL (local legs, time-outs). */
void call_progress(struct leg *leg, int code, const struct sip_msg *msg);
void call_answered(struct leg *leg, const struct sip_msg *msg, const struct content *content);
void call_failed(struct leg *leg, int code, const struct sip_msg *msg); /* code 0: it was never a candidate */
/* call_end ends the call in whatever state. by: the leg that said so (DONE already), or NULL. code: what a caller still waiting hears. */
void call_end(struct call *call, struct leg *by, int code, const char *reason);
/* call_media_failed: the media of that leg have no way or no keys. why: a constant. */
void call_media_failed(struct leg *leg, const char *why);
struct call *call_by_id(struct core *core, const char *id);
struct leg *call_other(struct leg *leg); /* the other end of an answered call, NULL if there is none */
void calls_end_all(struct core *core);
void calls_conn_lost(struct core *core, rf_link_id conn);
bool calls_use_conn(struct core *core, rf_link_id conn);
const char *call_state_name(const struct call *call);
void call_legs_changed(struct call *call); /* frees the call, later, when it is over */
void call_reap(void *call);                /* frees it now */

/* ---- leg.c: one SIP leg ---- */

int leg_map(struct leg *leg); /* after its local tag is known */
struct leg *leg_by_tag(struct core *core, const struct pl *tag);
void leg_deinit(struct leg *leg);
/* leg_invite sends the call's INVITE on leg->flow to its dialog's target. Failure is told to the call. */
void leg_invite(struct leg *leg);
void leg_cancel(struct leg *leg); /* a called leg that has not answered */
void leg_reject(struct leg *leg, int code,
                const struct sip_msg *from); /* the caller's leg: final answer, DONE */
void leg_accept(struct leg *leg, const struct sip_msg *from,
                const struct content *content); /* 200 to its INVITE */
void leg_ack(struct leg *leg, const struct content *content);
void leg_bye(struct leg *leg);
/* A request inside its dialog, a response that no transaction took. */
void leg_request(struct core *core, struct leg *leg, const struct sip_msg *msg);
void leg_stray_response(struct leg *leg, const struct sip_msg *msg);
void leg_conn_lost(struct leg *leg);
bool leg_can_reply(const struct leg *leg); /* the connection of its requests is still there */

/* ---- relay.c: requests within a call, from one leg to the other ---- */

void relay_request(struct leg *leg, const struct sip_msg *msg);
void relay_reinvite(struct leg *leg, const struct sip_msg *msg);
void relays_end(struct call *call);
bool relays_offer(const struct call *call); /* an offer or its answer is under way in an UPDATE */

#endif
