/* commit.h - Commits: received and made; and what follows from them: GroupInfo and Welcome (RFC 9420, section 12.4). */
#ifndef RF_MLS_COMMIT_H
#define RF_MLS_COMMIT_H

#include "mls/proposals.h"

/* What a received Commit leads to; nothing of the group has changed yet. */
struct mls_received {
    struct mls_epoch *next;          /* NULL: we were removed */
    struct mls_nodes added, removed; /* leaves */
    uint32_t sender;                 /* leaf in the new epoch */
    bool own_removed, closes;
};
void mls_received_deinit(struct mls_received *received);
/* mls_commit_receive examines a Commit whose signature was checked, and builds the next epoch. Errors: as rf_mls_process. Section 12.4.2. */
int mls_commit_receive(struct rf_mls *group, const struct mls_frame *frame, struct mls_received *out);

/* What a Commit is made from. All borrowed. */
struct mls_making {
    struct rf_mls *group;
    struct mls_epoch *from;      /* the epoch that it ends */
    const struct mls_list *list; /* examined */
    struct mls_committer who;
    const struct mls_leaf *fields; /* of the committer's new leaf; NULL: no path */
    const uint8_t *init;           /* init secret of `from`, or of the external init */
    uint16_t wire_format;
    struct rf_view authenticated_data;
    bool tree_in_welcome;
};
/* mls_commit_make appends the Commit's MLSMessage and gives what is pending then (owned). Errors: as rf_mls_commit. Section 12.4.1. */
int mls_commit_make(struct mls_making *making, struct rf_buf *out, struct mls_pending **pending);
/* mls_next_check: what must hold of the members that a list and a path lead to. Errors: RF_EDUPLICATE, RF_EUNSUPPORTED, RF_ENOMEM. */
int mls_next_check(const struct mls_epoch *from, const struct mls_epoch *next,
                   const struct mls_applied *applied, bool path);

/* ---- welcome.c ---- */

/* mls_group_info_put appends a signed GroupInfo of this epoch. */
int mls_group_info_put(const struct mls_kit *kit, struct mls_epoch *epoch, const struct rf_key *key,
                       bool with_tree, bool with_external_pub, struct rf_buf *out);
/* What a Welcome is made from. */
struct mls_welcoming {
    const struct mls_kit *kit;
    struct mls_epoch *next;
    const struct rf_key *key;
    const struct mls_list *list;
    const struct mls_applied *applied;
    const struct mls_path_draft *draft; /* NULL: no path */
    const uint8_t *joiner, *psk_secret;
    bool with_tree;
};
int mls_welcome_put(const struct mls_welcoming *w, struct rf_buf *out);
/* mls_info_check puts a received GroupInfo's context and tree into `epoch` and examines both: signature, tree hash, parent hashes, leaves (section 12.4.3.1).
 * `tree` empty: from its extension. Errors: as rf_mls_join. */
int mls_info_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                   const struct mls_group_info *info, struct rf_view tree, struct mls_epoch *epoch);

#endif
