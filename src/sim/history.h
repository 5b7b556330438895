/*
 * history.h - what users wrote and saw, what failed meanwhile, and whether the storage kept its word. It knows nothing of the world: the
 * simulator fills it in, a test does so by hand.
 *
 *   history.c         what is noted
 *   history_fault.c   which of what was noted excuses what
 *   history_judge.c   the judgement
 *
 * A *cell* is what one write replaces: the single value of a user, one entry of his dictionary. His list is an array that his devices append to.
 * A write has a version, the storage_time that it was signed with; of two versions in a cell the larger one wins, wherever it was written.
 *
 * What must hold:
 *
 *   lost         what was acknowledged is, at the end, held by those in charge: that version or a newer one; every element of a list
 *   rolled back  a read that began after the acknowledgement shows that version or a newer one; every element
 *   vanished     what one read showed, a read that began after its end shows as well, acknowledged or not
 *   order        no two elements of a list at one index, no element at two, whoever reads when
 *   trespasses   nobody sees or holds what was written by somebody without the right; no such write is acknowledged
 *
 * Excuses, and nothing else counts as one:
 *
 *   all failed   every node of the replica set failed within `settle_us` (the time that the storage has to make new copies of what a lost
 *                node held). A disk that was wiped excuses for ever; nodes that come back with their disks only until they
 *                are back for settle_us. The set is what the acknowledgement named, and later those in charge just before the first failure
 *   split        the read began while the network was split, and its reader, who answered it and who held the write were not all on one side; or
 *                it ended after that and began before the two rings were one again (`until_us`): then nobody knows in which ring
 *                who is. Order is not judged in all that time, and elements may have other indexes afterwards (docs/protocol/storage.md, Logs)
 *   home failed  vanished and order only: what was not yet acknowledged may go with the node that showed it
 */
#ifndef RF_SIM_HISTORY_H
#define RF_SIM_HISTORY_H

#include "base/mem.h"
#include "base/timer.h"

#define SIM_HOLDERS   3
#define SIM_TEXT_LEN  900
#define SIM_VERDICTS  100 /* violations told in full */
#define SIM_NODE_NONE UINT32_MAX

enum sim_form { SIM_FORM_VALUE, SIM_FORM_ENTRY, SIM_FORM_LIST, SIM_FORM_COUNT };

enum sim_outcome {
    SIM_PENDING, /* not ended, or its writer went away: it may have happened */
    SIM_ACKED,
    SIM_FAILED,  /* no answer, or one that does not say that it did not happen */
    SIM_REFUSED, /* forbidden */
};

struct sim_write {
    uint64_t begin_us, end_us;
    uint64_t time_ms;      /* its version */
    uint64_t first_ms;     /* the one that it began with, when that was too old */
    uint64_t place;        /* of the resource: the first eight bytes of its ID */
    uint32_t node, number; /* who wrote, his how many-th write (from 1) */
    uint32_t user;         /* whose resource */
    uint8_t form, key;     /* enum sim_form; of an entry */
    uint8_t outcome;
    bool removal, trespass;
    uint8_t holder_count;
    uint32_t holders[SIM_HOLDERS]; /* home, replicas, as the acknowledgement named them */
};

/* One value as a reader saw it. */
struct sim_seen {
    uint32_t node,
        number; /* whose write, as signature and bytes say; SIM_NODE_NONE: nobody's; a removal has number 0 */
    uint32_t slot; /* key, index */
    uint64_t time_ms;
    bool exists;
};

struct sim_read {
    uint64_t begin_us, end_us;
    uint64_t place;
    uint32_t node, user; /* who read whose */
    uint32_t home;       /* who answered */
    uint8_t form;
    bool audit;     /* nobody's read: what those in charge hold at the end */
    bool rights;    /* what some node holds at the end: only rights are judged */
    size_t from;    /* its values: history->seen[from .. from+count) */
    uint32_t count; /* in the order of their slots */
};

/* Supernodes. */
enum sim_life_type {
    SIM_LIFE_JOINED = 1,
    SIM_LIFE_LEFT,   /* politely, or it fell out of the ring */
    SIM_LIFE_FAILED, /* killed; its disk, if any, survives */
    SIM_LIFE_WIPED,  /* killed, with its disk */
};
struct sim_life {
    uint64_t at_us;
    uint32_t node;
    uint8_t type;
};

struct sim_split {
    uint64_t from_us;
    uint64_t until_us;  /* when what both sides did must be one again; RF_NEVER: it never was */
    uint64_t healed_us; /* messages go through again; RF_NEVER: not yet */
    uint8_t *sides;     /* of each node; owned */
};

struct sim_history {
    struct rf_mem *mem;
    struct sim_write *writes;
    struct sim_read *reads;
    struct sim_seen *seen;
    struct sim_life *lives;
    struct sim_split *splits;
    size_t write_count, read_count, seen_count, life_count, split_count;
    size_t write_cap, read_cap, seen_cap, life_cap, split_cap;
    /* for the judgement: */
    size_t node_count, super_count; /* supernodes come first */
    size_t user_count;              /* node i is a device of user i modulo that */
    const uint64_t *places;         /* of supernodes: the first eight bytes of their Node-IDs; borrowed */
    uint64_t settle_us;
    bool *joined; /* one per supernode: of history_fault.c */
};

void sim_history_init(struct sim_history *h, struct rf_mem *mem);
void sim_history_deinit(struct sim_history *h);
/* These append a copy; what they return is borrowed until the next of its kind. Without memory the program ends: a checker that forgets is none. */
size_t sim_history_write(struct sim_history *h, const struct sim_write *write); /* its index */
struct sim_read *sim_history_read(struct sim_history *h, const struct sim_read *read);
/* sim_history_seen adds a value to the newest read. */
void sim_history_seen(struct sim_history *h, const struct sim_seen *seen);
void sim_history_life(struct sim_history *h, uint32_t node, enum sim_life_type type, uint64_t at_us);
/* sim_history_split: from now on; sides is taken. Ends of splits are for the caller to fill in. */
struct sim_split *sim_history_split(struct sim_history *h, uint64_t from_us, uint8_t *sides);
/* sim_history_merge appends everything of another history but its splits. */
void sim_history_merge(struct sim_history *into, const struct sim_history *from);

/* ---- the judgement ---- */

enum sim_verdict_type {
    SIM_LOST,
    SIM_ROLLED_BACK,
    SIM_VANISHED,
    SIM_ORDER,
    SIM_TRESPASS,
    SIM_VERDICT_COUNT,
};
extern const char *const sim_verdict_names[SIM_VERDICT_COUNT]; /* "lost", "rolled_back" ... as in metrics */

struct sim_violation {
    enum sim_verdict_type type;
    uint64_t at_us;
    char text[SIM_TEXT_LEN];
};

struct sim_verdict {
    size_t counts[SIM_VERDICT_COUNT];
    struct sim_violation told[SIM_VERDICTS]; /* by resource, then time */
    size_t told_count;
    size_t operations; /* writes and reads that ended */
    size_t acked, reads, audits;
    size_t excused; /* reads and audits that would have been violations */
};

/* sim_history_judge sorts what was noted and judges it. verdict: filled in; large. Errors: RF_ENOMEM. */
int sim_history_judge(struct sim_history *h, struct sim_verdict *verdict);

/* ---- history_fault.c; all of it asks a history that sim_history_judge has sorted ---- */

struct sim_excuse_query {
    const struct sim_write *write;
    const struct sim_read *read;
    uint32_t shown_by; /* vanished, order: the node that showed the write before; else SIM_NODE_NONE */
};
bool sim_excused(const struct sim_history *h, const struct sim_excuse_query *query);
/* sim_split_at: is the network split, or not one again? */
bool sim_split_at(const struct sim_history *h, uint64_t from_us, uint64_t to_us);
/* sim_holders_at: the supernodes in charge of a place, nearest first; returns how many. */
size_t sim_holders_at(const struct sim_history *h, uint64_t place, uint64_t at_us, uint32_t out[SIM_HOLDERS]);
/* sim_faults_text adds who was in charge when it was written and when it was read, and what happened to these nodes meanwhile. */
void sim_faults_text(const struct sim_history *h, const struct sim_write *write, const struct sim_read *read,
                     char text[SIM_TEXT_LEN]);
/* sim_text_add appends to a text; what does not fit is cut. */
void sim_text_add(char text[SIM_TEXT_LEN], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
