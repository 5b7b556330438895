/*
 * admit.h - what nodes say to each other about admission (docs/protocol/admission.md): bytes inside the extension points of RELOAD, so that
 * who does not know them does not notice. Each begins with a tag of four letters; bytes behind what we know are ignored.
 *
 *   in an Attach request, exp extension, not critical     "RFad" u8 wish, u8 flags (0 if it is missing); in an AppAttach: wish 0
 *   in an Attach answer, exp extension, not critical      "RFsn" IpAddressPort supernodes<0..2^16-1>
 *   in an Error_Exp_A, error_info                         "RFbz" u32 retry_after_ms, NodeId alternatives<0..2^16-1>,
 *                                                                IpAddressPort supernodes<0..2^16-1>
 */
#ifndef RF_WIRE_ADMIT_H
#define RF_WIRE_ADMIT_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/id.h"

#define RF_ADMIT_ALTERNATIVES 8 /* at most: more are not read */
#define RF_ADMIT_SUPERNODES   8 /* likewise */

/* What a client wants of the supernode that it asks to be linked with. */
enum rf_admit_wish {
    RF_ADMIT_NONE,    /* no client, or one that does not say */
    RF_ADMIT_HOME,    /* be the supernode through which I am reached */
    RF_ADMIT_RESERVE, /* stand by */
};

/*
 * rf_admit_wish_put appends the whole extension; rf_admit_wish_of finds it in a checked list. Unknown wishes: RF_ADMIT_HOME. dials: nobody
 * can dial the client, it dials who answers; rf_admit_dials_of reads that.
 */
void rf_admit_wish_put(enum rf_admit_wish wish, bool dials, struct rf_buf *out);
enum rf_admit_wish rf_admit_wish_of(struct rf_view extensions);
bool rf_admit_dials_of(struct rf_view extensions);

/* Addresses of other supernodes, to be remembered. The same for an answer; returns how many are in `out`, 0 without the extension. */
void rf_admit_supernodes_put(const struct rf_addr *addrs, size_t count, struct rf_buf *out);
size_t rf_admit_supernodes_of(struct rf_view extensions, struct rf_addr out[RF_ADMIT_SUPERNODES]);

struct rf_admit_busy {
    uint32_t retry_after_ms; /* not to be asked again before */
    struct rf_id alternatives[RF_ADMIT_ALTERNATIVES];
    size_t alternative_count;
    struct rf_addr supernodes[RF_ADMIT_SUPERNODES];
    size_t supernode_count;
};
/* rf_admit_busy_decode reads an error_info. Errors: RF_EUNKNOWN it is not of this kind; RF_ESHORT, RF_ELENGTH, RF_EFORMAT malformed. */
int rf_admit_busy_decode(struct rf_view info, uint8_t id_len, struct rf_admit_busy *out);
void rf_admit_busy_encode(const struct rf_admit_busy *busy, struct rf_buf *out);

#endif
