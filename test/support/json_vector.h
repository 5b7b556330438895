/*
 * json_vector.h - vectors that are JSON arrays of cases with binary values in hex: those of test/vectors/<dir>, and the longer originals beside
 * the source tree (../shared/data/<dir>) where they are.
 */
#ifndef RF_TEST_SUPPORT_JSON_VECTOR_H
#define RF_TEST_SUPPORT_JSON_VECTOR_H

#include <jansson.h>
#include "base/view.h"

/* rf_json_vector_run calls `check` for every case of the original of `name` ("mls/treekem"), or, if there is none, of test/vectors/. The test
 * fails if there is neither. Views handed out by the readers below live until the next case. Gives the number of cases. */
size_t rf_json_vector_run(const char *name, void (*check)(const json_t *one));

/* rf_json_hex decodes the hex of the member `key` (rf_json_hex_of: of a string); null or absent: an empty view with p NULL. */
struct rf_view rf_json_hex(const json_t *object, const char *key);
struct rf_view rf_json_hex_of(const json_t *string);
/* rf_json_text and rf_json_number: members that must be there. */
const char *rf_json_text(const json_t *object, const char *key);
uint64_t rf_json_number(const json_t *object, const char *key);

#endif
