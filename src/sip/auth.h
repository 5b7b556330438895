/*
 * auth.h - digest authentication of phones (RFC 8760 / 7616 with MD5, as standard phones do; qop=auth).
 * A nonce is a time, a number and a keyed hash of both and of the address it was given to: nothing is stored for one, and nothing is answered
 * with state, before a phone has proved itself. Of the nonces that were used last the count (nc) is remembered: an answer that somebody
 * overheard opens nothing a second time.
 * Wrong answers cost a token of the sender's address; without tokens passwords are not looked at any more (a registered phone's own
 * address and port has tokens of its own, so that others on the same host cannot lock it out).
 */
#ifndef RF_SIP_AUTH_H
#define RF_SIP_AUTH_H

#include "sip/core.h"

struct auth;

#define AUTH_NONCE_S      300 /* a nonce is good for so long */
#define AUTH_TRIES        10  /* wrong answers at once ... */
#define AUTH_TRY_REFILL_S 3   /* ... and one more every so many seconds */

enum auth_verdict { AUTH_OK, AUTH_CHALLENGE, AUTH_STALE, AUTH_LIMITED };

/* auth_new: password is turned into a key at once and not kept. Errors: RF_ENOMEM. */
int auth_new(struct core *core, const char *password, struct auth **out);
void auth_free(struct core *core, struct auth *auth);
#define AUTH_NONCE_TEXT_LEN 41
/* auth_nonce makes the nonce of a challenge to `src` (its port does not matter) at `now_s`. */
void auth_nonce(struct auth *auth, const struct sa *src, uint64_t now_s, char out[AUTH_NONCE_TEXT_LEN]);
/*
 * auth_judge checks the Authorization (or Proxy-Authorization) of a request. now_s: seconds, any monotonic origin.
 * known: the request comes from the address and port of a registered phone.
 */
enum auth_verdict auth_judge(struct core *core, struct auth *auth, const struct sip_msg *msg, bool known,
                             uint64_t now_s);
/* auth_admit is auth_judge with the answer: false when it has answered 401 or 503 itself. */
bool auth_admit(struct core *core, const struct sip_msg *msg);

#endif
