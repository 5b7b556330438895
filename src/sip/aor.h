/* aor.h - an address of record "user@domain" as the overlay knows it, and the same as a SIP URI with escapes (RFC 3261, section 19.1). */
#ifndef RF_SIP_AOR_H
#define RF_SIP_AOR_H

#include "base/view.h"

#define AOR_MAX     256 /* bytes with NUL; a user name has at most 254 */
#define AOR_URI_MAX (AOR_MAX * 3 + 9)

/* aor_from_uri joins the (escaped) user part and the host of a SIP URI; the domain in lower case. Errors: RF_EFORMAT, RF_ELIMIT. */
int aor_from_uri(struct rf_view user, struct rf_view host, char out[AOR_MAX]);
/* aor_to_uri writes "sip:user@domain", or "sips:..."; `aor` is valid (aor_from_uri, rf_name_valid). */
void aor_to_uri(const char *aor, bool sips, char out[AOR_URI_MAX]);
/* aor_uri_clean: a URI as it came may be written into a header line again: no blanks, line ends, brackets or quotes. */
bool aor_uri_clean(struct rf_view uri);
/* aor_equal: the same user at the same domain; domains are compared without case. */
bool aor_equal(const char *a, const char *b);
/* aor_unescape resolves %XX. Errors: RF_EFORMAT a bad escape or a control character, RF_ELIMIT. */
int aor_unescape(struct rf_view text, char *out, size_t max);

#endif
