/*
 * den.h - where clients sleep: the memory of many nodes of which one at a time is awake.
 *
 * Between two events, a minute apart, a client's node is ten kilobytes in a hundred blocks that look like those of every other client. So all clients of a
 * shard live in turn at the same addresses, and who has no event is kept as what differs from a pattern, the image of one of them:
 *
 *     window:  bits (which blocks are used) | blocks of 16 bytes | blocks of 32 bytes | ... | blocks of 32 kB
 *
 * Addresses inside stay true, since everybody comes back to where he was; nothing of a node knows that it slept. What is asleep nobody may look at. A
 * block goes to the lowest place that is free among those of its size, so that nodes that did the same look the same. What does not fit comes from
 * the allocator below, and is awake all the time.
 *
 * One den for each shard: no locks.
 */
#ifndef RF_SIM_DEN_H
#define RF_SIM_DEN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/mem.h"

#define DEN_ROOM_LEN ((size_t)1 << 15) /* for the blocks of one size; none is larger */
#define DEN_STEP     16
#define DEN_FINE_LEN                                                                                         \
    512 /* up to there sizes are multiples of DEN_STEP, then there are eight to each doubling */
#define DEN_BLOCKS   256 /* of one size at most */
#define DEN_SIZES    (DEN_FINE_LEN / DEN_STEP + 6 * 8)
#define DEN_PATTERNS 32

struct den_pattern;
struct packer;
struct sim_den {
    struct rf_mem mem;    /* what its nodes are given */
    struct rf_mem *under; /* borrowed */
    const struct packer *packer;
    uint8_t *block, *window; /* owned; in it, aligned */
    uint8_t *written, *like; /* scratch: what is being packed, and what it is compared with */
    struct {
        uint32_t size, count;       /* of a block; of blocks */
        uint32_t bits_at, bits_len; /* its words of bits in the window */
        uint32_t at, used;          /* its blocks; bytes that were used since the last one woke */
    } sizes[DEN_SIZES];
    uint32_t bits_len;                          /* words of bits of all sizes */
    struct den_pattern *patterns[DEN_PATTERNS]; /* owned; NULL: none */
    size_t chosen, tried;   /* the one that is used, and one that may be better; DEN_PATTERNS: none */
    size_t trials, lens[2]; /* of both so far */
    uint64_t typical;       /* how often a typical one went to sleep */
};

/* sim_den_init prepares an empty one; `den` must not move afterwards. Errors: RF_ENOMEM. */
int sim_den_init(struct sim_den *den, struct rf_mem *under);
void sim_den_deinit(struct sim_den *den); /* nobody may be asleep any more */
/* sim_den_sleep packs what lives in the window; a `typical` one may be tried as a pattern. The den is then anybody's. Owned; NULL: out of memory,
 * nothing has changed. */
void *sim_den_sleep(struct sim_den *den, bool typical);
/* sim_den_wake gives the window to one who slept; frees `asleep`. Who lived there before is gone. */
void sim_den_wake(struct sim_den *den, void *asleep);
void sim_den_clear(struct sim_den *den); /* for a new one */
/* sim_den_empty: has whoever lives there freed all blocks? */
bool sim_den_empty(const struct sim_den *den);
/* sim_den_plainly: from now on without what not every processor has. For tests: it makes no other difference. */
void sim_den_plainly(struct sim_den *den);
/* sim_den_size: what a block takes; bytes. */
size_t sim_den_size(const struct sim_den *den, const void *block);
/* sim_den_packed: what somebody asleep takes; bytes. */
size_t sim_den_packed(const void *asleep);

#endif
