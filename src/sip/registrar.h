/*
 * registrar.h - where the user's phones are: bindings from REGISTER (RFC 3261, section 10), several per user, in memory.
 * A phone is reached where it registered from: over UDP at the address its REGISTER came from, over TCP on that connection.
 */
#ifndef RF_SIP_REGISTRAR_H
#define RF_SIP_REGISTRAR_H

#include "sip/core.h"

#define REGISTRAR_MIN_S 30   /* shorter registrations are refused with 423 */
#define REGISTRAR_MAX_S 3600 /* longer ones are shortened */

struct registrar;

struct binding {
    struct rf_list list;
    char *contact; /* URI, owned: the request URI for this phone */
    char *call_id; /* owned */
    uint32_t cseq;
    struct flow flow;
    uint64_t until_ms; /* tmr_jiffies */
};

int registrar_new(struct core *core, struct registrar **out);
void registrar_free(struct core *core, struct registrar *registrar);
/* registrar_request answers an authenticated REGISTER. */
void registrar_request(struct core *core, const struct sip_msg *msg);
/* registrar_knows: the message comes from where a phone is registered. */
bool registrar_knows(struct core *core, const struct sip_msg *msg);
/* registrar_each calls fn for every binding that has not expired; fn must not register. Returns how many. */
size_t registrar_each(struct core *core, void (*fn)(void *arg, const struct binding *binding), void *arg);

#endif
