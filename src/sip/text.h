/*
 * text.h - instant texts: SIP MESSAGE (RFC 3428) from phones and commands to every device of the target, and from the overlay to every phone
 * of our user and to whoever listens at the control socket.
 *
 * A device answers 200 when a phone or a listener has the text. When nobody is there it keeps it in memory (TEXT_KEPT_MAX of them) for the next
 * `listen` and answers 202; with the box full, 480. A sender counts both as delivered.
 */
#ifndef RF_SIP_TEXT_H
#define RF_SIP_TEXT_H

#include "sip/core.h"
#include "sip/find.h"

#define TEXT_MAX_LEN  ((size_t)16 * 1024) /* bytes of a body */
#define TEXT_KEPT_MAX 100
#define TEXTS_MAX     200 /* under way at the same time */

/*
 * One text. Outgoing: find -> one MESSAGE for each device -> one has it, or all answered -> answer; the other devices go on. Incoming: one MESSAGE for each phone, one question to
 * the node's side (listeners) -> all answered; if nobody has it, a second question (keep it?) -> answer.
 */
struct text {
    struct rf_list list; /* in core->texts */
    struct core *core;
    uint64_t token;
    bool incoming, asked_to_keep, hurry;
    bool done, rest; /* answered; and other devices are still to get it */
    char peer[AOR_MAX];
    struct sip_msg *msg; /* NULL: a command's */
    struct sip_strans *st;
    struct flow flow; /* of msg */
    uint64_t control; /* a command's, 0: none */
    char *type, *body;
    size_t body_len;
    struct find *find;
    struct rf_list sends;
    size_t expected; /* devices not looked at, sends and questions under way */
    size_t devices, delivered, kept;
    int best;
    struct tmr limit, reap;
};

void text_reap(void *text); /* frees it now */

void text_from_phone(struct core *core, const struct sip_msg *msg);
void text_from_overlay(struct core *core, const struct sip_msg *msg, const struct flow *flow,
                       const char *from);
/* text_place sends for a command: side_text_done(token) is called in the end. Errors: RF_ELIMIT, RF_ENOMEM. */
int text_place(struct core *core, const char *aor, struct rf_view text, uint64_t token);
/* text_heard: the node's side has shown a text to `listeners` listeners (0: nobody) or kept it. */
void text_heard(struct core *core, uint64_t token, size_t listeners, bool kept);
void texts_end_all(struct core *core);

#endif
