/*
 * scratch.h - rf_scratch: the buffers that a node's rooms use within one call of the shell and keep so that the next one allocates nothing. Nothing in
 * them outlives the call, so all nodes of a thread may share one set; idle nodes are many, and busy ones find it warm.
 */
#ifndef RF_BASE_SCRATCH_H
#define RF_BASE_SCRATCH_H

#include "base/buf.h"

struct rf_scratch {
    struct rf_buf plain;       /* link/: what an input decrypted to */
    struct rf_buf frame, acks; /* link/: what is being sent */
    struct rf_buf out, piece;  /* overlay/: the message that is being sent, a fragment of it */
    struct rf_buf contents, rest, brief, lists; /* overlay/: parts of a message of ours */
    bool shared;                                /* whoever was given it leaves its memory alone */
};

/* rf_scratch_init: empty buffers; nothing is allocated yet. `mem` borrowed. */
void rf_scratch_init(struct rf_scratch *scratch, struct rf_mem *mem);
/* rf_scratch_trim frees the buffers' memory; they can be used again. */
void rf_scratch_trim(struct rf_scratch *scratch);

/* rf_scratch_share gives `given`, or, when that is NULL, a set of one's own out of `mem`; rf_scratch_leave ends that. NULL: out of memory. */
struct rf_scratch *rf_scratch_share(struct rf_scratch *given, struct rf_mem *mem);
void rf_scratch_leave(struct rf_scratch *scratch, struct rf_mem *mem);

#endif
