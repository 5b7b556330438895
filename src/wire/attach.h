/*
 * attach.h - bodies of Attach and AppAttach (reload.md 3.7, 3.8), the same for request and answer, and IceCandidate.
 */
#ifndef RF_WIRE_ATTACH_H
#define RF_WIRE_ATTACH_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/region.h"
#include "wire/code.h"

enum rf_ice_type { RF_ICE_HOST = 1, RF_ICE_SRFLX = 2, RF_ICE_RELAY = 4 }; /* 3 is never sent */

struct rf_ice_candidate {
    struct rf_addr addr;
    uint8_t overlay_link; /* enum rf_overlay_link */
    struct rf_view foundation;
    uint32_t priority;
    uint8_t type;              /* enum rf_ice_type */
    struct rf_addr related;    /* SRFLX and RELAY only */
    struct rf_view extensions; /* checked list; rf_ice_extension_next */
};
struct rf_ice_extension {
    struct rf_view name, value;
};
int rf_ice_extension_next(struct rf_view *list, struct rf_ice_extension *out); /* RF_ESHORT */
void rf_ice_extension_encode(const struct rf_ice_extension *extension, struct rf_buf *out);

#define RF_ATTACH_PASSIVE "passive" /* role in requests */
#define RF_ATTACH_ACTIVE  "active"  /* role in answers */

struct rf_attach {
    struct rf_view ufrag, password; /* may be empty without ICE */
    struct rf_view role;
    struct rf_ice_candidate *candidates; /* in the region */
    size_t candidate_count;
    size_t skipped_count; /* candidates left out by the decoder: their type of address is unknown */
    bool send_update;
};
struct rf_app_attach {
    struct rf_view ufrag, password;
    uint16_t application; /* enum rf_application */
    struct rf_view role;
    struct rf_ice_candidate *candidates;
    size_t candidate_count;
    size_t skipped_count;
};
/* Both decode a whole body. Errors: RF_ESHORT, RF_ELENGTH, RF_EFORMAT a bool, RF_EUNKNOWN candidate type, RF_ENOMEM. */
int rf_attach_decode(struct rf_view body, struct rf_region *region, struct rf_attach *out);
int rf_app_attach_decode(struct rf_view body, struct rf_region *region, struct rf_app_attach *out);
void rf_attach_encode(const struct rf_attach *attach, struct rf_buf *out);
void rf_app_attach_encode(const struct rf_app_attach *attach, struct rf_buf *out);

#endif
