/*
 * message.h - requests and answers as the rooms above the transport see them: what came in at its destination (rf_request), what is
 * called out (rf_call) and what came back (rf_reply). Bytes, signatures, retransmission and routing are below.
 */
#ifndef RF_OVERLAY_MESSAGE_H
#define RF_OVERLAY_MESSAGE_H

#include "base/env.h"
#include "base/id.h"
#include "base/region.h"
#include "ident/ident.h"
#include "wire/code.h"
#include "wire/contents.h"
#include "wire/dest.h"
#include "wire/header.h"

struct rf_overlay;

/* A request that reached its destination here, verified (2.8): borrowed during the handler's call unless deferred. */
struct rf_request {
    uint64_t link;                    /* that it came over; 0 = from this node itself */
    struct rf_id link_node;           /* the node at the other end of that link */
    const struct rf_message *message; /* decoded: header, code, body, extensions, certificates */
    struct rf_signer signer;          /* who signed it */
    /* addressed to a Resource-ID that we answer for (else to our Node-ID or the wildcard) */
    bool to_resource;
    bool to_wildcard;
    struct rf_id resource;    /* if to_resource */
    struct rf_region *region; /* for decoding; freed with the request */
};

/* Who handles a method. The handler must answer, refuse, defer or (only where the reference says so) ignore it before it returns. */
typedef void (*rf_request_fn)(void *arg, struct rf_request *request);

/* What a call came to; borrowed during the callback. */
struct rf_reply {
    int error; /* 0; RF_EREMOTE (error_code, error_info); RF_ETIMEOUT; RF_ECANCELLED; RF_EUNREACHABLE no way out; RF_ENOMEM */
    /* RF_ERROR_... of wire/code.h; with RF_ETIMEOUT the last one that a node on the path gave: a hint
     * (D11), 0 = none */
    uint16_t error_code;
    struct rf_view error_info;
    struct rf_view body;              /* of the answer, to be decoded by the method's codec */
    const struct rf_message *message; /* NULL without an answer */
    const struct rf_signer *signer;   /* NULL without an answer */
    uint64_t link;                    /* that the answer came over */
    struct rf_id hop; /* the neighbor that the last transmission left over; len 0: none, or to ourselves */
    bool doubted;     /* an earlier answer was not believed */
    uint64_t rtt_us;  /* from the last transmission */
    unsigned transmissions;
    struct rf_region *region; /* for decoding */
};
typedef void (*rf_reply_fn)(void *arg, const struct rf_reply *reply);

#define RF_CALL_MAX_DESTS 8
#define RF_CALL_MAX_AVOID 2
typedef uint64_t rf_call_id; /* 0 = none */

struct rf_call {
    struct rf_dest dests[RF_CALL_MAX_DESTS]; /* destination list; the last is the destination */
    size_t dest_count;
    /* send over this link; 0 = route (then peers ask the topology, clients use their supernode) */
    uint64_t link;
    uint16_t code;               /* request code */
    struct rf_view body;         /* copied */
    struct rf_view extensions;   /* encoded MessageExtensions without their outer length, copied */
    const struct rf_view *certs; /* further certificates for the bucket (DER), copied */
    size_t cert_count;
    uint32_t max_response_len;  /* 0 = no limit */
    unsigned max_transmissions; /* 0 = the reference's 5 */
    uint64_t interval_us;       /* 0 = overlay-reliability-timer */
    bool config_sequence_any;   /* send 65535: ConfigUpdate */
    /* whoever signed may answer for a Resource-ID, but for Errors (2.8 rule 4 is left out): partition checks */
    bool any_responder;
    /* no answer is needed, which an extension says (wire/quiet.h): without one, done is told success and no message after the last interval */
    bool quiet;
    struct rf_id avoid[RF_CALL_MAX_AVOID]; /* neighbors not to be sent over, if there is another way */
    size_t avoid_count;
    struct rf_id distrust[RF_CALL_MAX_AVOID]; /* no answer of these nodes is taken; len 0: none */
    rf_reply_fn done; /* called exactly once, never from inside rf_overlay_call; may be NULL */
    void *arg;
};

/* Helpers to address a call. rf_call_to_node: our way to a Node-ID; rf_call_to_resource: the peer in charge of `id`. */
void rf_call_to_node(struct rf_call *call, const struct rf_id *id);
void rf_call_to_resource(struct rf_call *call, const struct rf_id *id);
void rf_call_via(struct rf_call *call,
                 const struct rf_id *via); /* puts a Node-ID before the destination (source route) */

/*
 * rf_overlay_call signs and sends a request and retransmits it until it is answered (1.4). A request to ourselves (our Node-ID, a Resource-ID
 * that is ours, the wildcard without a link) needs no link. An answer Error_Config_Too_Old/New is not the end: documents are
 * exchanged and the request is sent again under a new transaction ID (1.6). Every transmission takes another first hop than those before it, where there is one; an answer
 * for a Resource-ID by a node that lies too far from it is believed when it came over two ways (docs/decisions/0013-retries-over-other-ways.md). Error_Request_Timeout from the right node is retransmitted.
 * Errors: RF_ELIMIT too many calls under way or message larger than max-message-size, RF_ENOMEM, RF_EINVAL, RF_ECRYPTO, RF_ECLOSED the
 * overlay is being freed; then done is not called.
 */
int rf_overlay_call(struct rf_overlay *overlay, const struct rf_call *call, rf_call_id *out);
/* rf_overlay_cancel forgets a call: done is called with RF_ECANCELLED before it returns. Unknown ids are ignored. */
void rf_overlay_cancel(struct rf_overlay *overlay, rf_call_id id);

/* rf_overlay_handle registers the handler of one request code (1..127, odd). Ping, Probe, ConfigUpdate and PathTrack are taken. Errors:
 * RF_EEXIST, RF_EINVAL, RF_ENOMEM. */
int rf_overlay_handle(struct rf_overlay *overlay, uint16_t code, rf_request_fn fn, void *arg);
/*
 * rf_overlay_answer sends code+1, unless the request says that it needs no answer, with `body`; certs: DER that go into the bucket (for stored values inside). After it the request is answered,
 * whatever it returns. Errors: RF_ELIMIT the answer exceeds max_response_length or max-message-size (Error_Response_Too_Large was sent instead),
 * RF_ENOMEM, RF_ECRYPTO (the requester will ask again).
 */
int rf_overlay_answer(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                      const struct rf_view *certs, size_t cert_count);
/* rf_overlay_answer_ext is the same with encoded MessageExtensions. */
int rf_overlay_answer_ext(struct rf_overlay *overlay, struct rf_request *request, struct rf_view body,
                          struct rf_view extensions, const struct rf_view *certs, size_t cert_count);
/* rf_overlay_room is how many bytes of body and certificates (each costs 3 more) an answer to `request` can hold at most. */
size_t rf_overlay_room(struct rf_overlay *overlay, const struct rf_request *request);
/* rf_overlay_refuse sends an Error response. `info` as the table in 1.12 says for the code, usually a sentence. */
int rf_overlay_refuse(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                      struct rf_view info);
int rf_overlay_refuse_text(struct rf_overlay *overlay, struct rf_request *request, uint16_t error_code,
                           const char *text);
/*
 * rf_overlay_refuse_malformed ends a request whose body its decoder did not take. error: what the decoder returned. RF_EUNKNOWN, a value
 * that selects a variant unknown to us: dropped without a response (2.1); all others: Error_Invalid_Message with `text`.
 */
void rf_overlay_refuse_malformed(struct rf_overlay *overlay, struct rf_request *request, int error,
                                 const char *text);
/* rf_overlay_defer copies the request so that it can be answered later; the copy is freed by answer/refuse on it or rf_overlay_drop (no answer:
 * a retransmission is then handled anew). What was decoded into the region must be decoded again from the copy's message.
 * NULL: out of memory or too many (then it was refused already). What is left at rf_overlay_free is dropped. */
struct rf_request *rf_overlay_defer(struct rf_overlay *overlay, struct rf_request *request);
void rf_overlay_drop(struct rf_overlay *overlay, struct rf_request *deferred);

#endif
