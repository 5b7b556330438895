/* proposals.h - the list of a Commit: examined, applied (RFC 9420, sections 12.1, 12.2, 12.3). */
#ifndef RF_MLS_PROPOSALS_H
#define RF_MLS_PROPOSALS_H

#include "mls/group.h"

struct mls_listed {
    struct mls_proposal proposal;
    struct mls_sender sender;
    const struct mls_cached *cached; /* by reference; NULL: by value */
};

struct mls_list {
    struct rf_mem *mem;
    struct mls_listed *at;
    size_t count, cap;
};
void mls_list_init(struct mls_list *list, struct rf_mem *mem);
void mls_list_deinit(struct mls_list *list);
int mls_list_add(struct mls_list *list, const struct mls_proposal *proposal, struct mls_sender sender,
                 const struct mls_cached *cached);

/* Who commits: a member at `leaf`, or one who adds itself. */
struct mls_committer {
    bool external;
    uint32_t leaf;                 /* external: decided by mls_list_apply */
    const struct mls_leaf *joiner; /* external: the leaf that is to come in; borrowed */
};

/* What a list did. */
struct mls_applied {
    struct mls_nodes added;    /* nodes of new leaves */
    struct mls_nodes removed;  /* leaves */
    struct rf_view extensions; /* the GroupContext's; into the list, or into the old epoch */
    struct rf_view kem_output; /* external_init */
    uint16_t psk_count;
    bool path_required;
    bool closes; /* reinit */
    bool own_removed;
    const struct mls_cached *own_update;
};
/* mls_applied_take hands the lists over, as leaves; `joined`: one more that came, or RF_MLS_NO_LEAF. Errors: RF_ENOMEM. */
int mls_applied_take(struct mls_applied *applied, uint32_t joined, struct mls_nodes *added,
                     struct mls_nodes *removed);
void mls_applied_deinit(struct mls_applied *applied);

/* mls_list_read makes the list of a received commit. Errors: RF_ENOTFOUND an unknown reference, RF_EINVAL a reference in an external Commit, RF_ENOMEM. */
int mls_list_read(struct rf_mls *group, const struct mls_commit *commit, struct mls_sender sender,
                  struct mls_list *out);
/* mls_list_check: sections 12.2, 12.3, in the current epoch of the group. Errors: RF_EINVAL, RF_EDUPLICATE, RF_ENOTFOUND, RF_EUNSUPPORTED, RF_EFORMAT,
 * RF_ESIGNATURE, those of the rules. */
int mls_list_check(const struct rf_mls *group, const struct mls_epoch *epoch, const struct mls_list *list,
                   const struct mls_committer *committer);
/* mls_list_apply changes tree and keys of `next` and says what came of it; the committer's place is known then. Errors: RF_ENOMEM, RF_ELIMIT, and what is wrong
 * with the resulting members: RF_EDUPLICATE keys, RF_EUNSUPPORTED; RF_ENOTFOUND an Update of ours whose key we do not have. Section 12.3, 12.4.2. */
int mls_list_apply(const struct mls_kit *kit, const struct mls_epoch *epoch, struct mls_epoch *next,
                   const struct mls_list *list, struct mls_committer *committer, struct mls_applied *out);
/* mls_list_psk_secret: of the list's PSKs. Errors: RF_ENOTFOUND one is unknown, RF_ENOMEM, RF_ECRYPTO. */
int mls_list_psk_secret(struct rf_mls *group, const struct mls_list *list, uint16_t count,
                        uint8_t psk_secret[MLS_HASH_LEN]);
/* mls_psk_find appends a PSK's secret. `group` NULL: a group that is being joined. */
int mls_psk_find(const struct rf_mls_env *env, const struct rf_mls *group, const struct mls_psk_id *id,
                 struct rf_buf *out);

#endif
