/* crc.h - the FINGERPRINT of a message: CRC-32 (ITU V.42) XOR a constant. */
#ifndef RF_STUN_CRC_H
#define RF_STUN_CRC_H

#include "base/view.h"

/* stun_fingerprint: of `before`, as if the header's length were `len`. */
uint32_t stun_fingerprint(struct rf_view before, uint16_t len);

#endif
