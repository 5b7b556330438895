/* text.h - hex, base64, UTF-8 and name rules. */
#ifndef RF_BASE_TEXT_H
#define RF_BASE_TEXT_H

#include "base/buf.h"

/* rf_hex_put appends lower-case hex; rf_hex_decode appends the bytes of an even number of hex digits
 * (RF_EFORMAT else). */
void rf_hex_put(struct rf_buf *out, struct rf_view bytes);
int rf_hex_decode(struct rf_view text, struct rf_buf *out);
/* Base64 (RFC 4648, standard alphabet, padded). Decoding skips white space. Errors: RF_EFORMAT. */
void rf_base64_put(struct rf_buf *out, struct rf_view bytes);
int rf_base64_decode(struct rf_view text, struct rf_buf *out);
/* rf_utf8_valid: well-formed UTF-8 without NUL. */
bool rf_utf8_valid(struct rf_view text);
/* rf_name_valid: a user name `local@domain`: one '@', printable UTF-8 without spaces and control characters,
 * <= 254 bytes, a domain as rf_domain_valid. */
bool rf_name_valid(struct rf_view name);
/* rf_domain_valid: letters, digits, hyphens and dots as in a DNS name, 1..253 bytes. */
bool rf_domain_valid(struct rf_view domain);
/* rf_name_domain returns what follows the '@' (len 0 if there is none). */
struct rf_view rf_name_domain(struct rf_view name);

#endif
