/*
 * dialog.h - one dialog of ours with a phone or a device: identifiers, sequence numbers, and how its requests are built (RFC 3261, section 12).
 * The next hop is always the flow that the dialog lives on; route sets are not used: there is no proxy between.
 */
#ifndef RF_SIP_DIALOG_H
#define RF_SIP_DIALOG_H

#include "sip/core.h"

struct dialog {
    char *call_id, *local_tag, *remote_tag; /* owned; remote_tag NULL: not known yet */
    char *local, *remote; /* "<sip:alice@example.org>", what To and From carry before their tags; owned */
    char *target;         /* URI of requests; owned */
    uint32_t local_seq, remote_seq;
    bool remote_seq_known;
};

/* What a message brings along and what is passed on from one dialog to another; borrowed from the message. */
struct content {
    struct rf_view type; /* Content-Type; len 0: no body */
    struct rf_view body;
};
struct content content_of(const struct sip_msg *msg);

#define TAG_TEXT_LEN 17
/* dialog_tag writes 64 bits as libre writes the tags of replies. */
void dialog_tag(uint64_t tag, char out[TAG_TEXT_LEN]);

/* dialog_out begins a dialog with a new Call-ID and tag. local, remote: URIs without brackets; target: request URI. Errors: RF_ENOMEM. */
int dialog_out(struct core *core, struct dialog *d, const char *local, const char *remote,
               const char *target);
/* dialog_in begins one from a request without To tag; local_tag stays NULL until dialog_set_tag. Errors: RF_EFORMAT no Contact, or
 * URIs that we cannot repeat, RF_ENOMEM. */
int dialog_in(struct core *core, struct dialog *d, const struct sip_msg *msg);
int dialog_set_tag(struct core *core, struct dialog *d, uint64_t tag);
/* dialog_learn takes tag and Contact of a response or the Contact of a request that refreshes the target. Errors: RF_ENOMEM. */
int dialog_learn(struct core *core, struct dialog *d, const struct sip_msg *msg);
/* dialog_accepts checks a request's Call-ID, tags and CSeq and notes the latter. Errors: RF_ENOTFOUND not of this dialog, RF_EDUPLICATE old CSeq. */
int dialog_accepts(struct dialog *d, const struct sip_msg *msg);
void dialog_deinit(struct core *core, struct dialog *d);

/* One request. Everything is borrowed for the call. */
struct request {
    const char *method;
    uint32_t seq;
    const struct sip_msg
        *passed;       /* travels on: its headers (see passed_headers), one hop less; NULL: our own */
    const char *extra; /* further header lines with their CR LF, may be NULL */
    struct content content;
    bool contact; /* the method needs a Contact */
};
/*
 * dialog_send sends it on `flow`. resp NULL: no answer is waited for by us (an ACK goes without a transaction, others with one).
 * reqp: as libre's, NULL allowed. Errors: RF_ESYSTEM what libre says, RF_ECLOSED the
 * connection is gone, RF_ENOMEM.
 */
int dialog_send(struct core *core, const struct dialog *d, const struct flow *flow, const struct request *r,
                struct sip_request **reqp, sip_resp_h *resp, void *arg);
/* dialog_bye sends BYE and forgets it. */
void dialog_bye(struct core *core, struct dialog *d, const struct flow *flow);

/* passed_headers appends the header fields of `msg` that mean something end to end. */
int passed_headers(struct mbuf *mb, const struct sip_msg *msg);
/*
 * reply_passing answers `msg` with `code` and, when `from` is not NULL, that message's reason, end-to-end headers and body; contact: URI or NULL.
 * mbp: as libre's sip_treplyf. Errors: RF_ESYSTEM.
 */
int reply_passing(struct core *core, struct sip *sip, struct sip_strans **st, struct mbuf **mbp,
                  const struct sip_msg *msg, int code, const struct sip_msg *from, const char *contact,
                  const struct content *content);
/* bad_extension: a Require that we cannot pass on (anything but "timer"): the token, len 0 if none (RFC 3261, section 8.2.2.3). */
struct rf_view bad_extension(const struct sip_msg *msg);
/* extension_refused: there is one, and it was answered with 420. */
bool extension_refused(struct sip *sip, const struct sip_msg *msg);

#endif
