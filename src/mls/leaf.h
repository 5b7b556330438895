/* leaf.h - leaf nodes and key packages: made and examined (RFC 9420, sections 7.2, 7.3, 10.1). */
#ifndef RF_MLS_LEAF_H
#define RF_MLS_LEAF_H

#include "mls/mls.h"
#include "mls/tree.h"

/* Where a leaf stands, as its signature names it; not in those of key packages. */
struct mls_place {
    struct rf_view group_id;
    uint32_t leaf;
};

/* mls_leaf_sign appends the leaf with a signature over it. `place` NULL: source key_package. */
int mls_leaf_sign(const struct mls_kit *kit, const struct rf_key *key, const struct mls_leaf *leaf,
                  const struct mls_place *place, struct rf_buf *out);
/* mls_leaf_verify: the leaf's signature. Errors: those of mls_verify. */
int mls_leaf_verify(const struct mls_kit *kit, const struct mls_leaf *leaf, const struct mls_place *place);
/*
 * mls_leaf_check: everything about one leaf but its lifetime and its neighbours: keys, suite and version, extensions, signature, certificate and key, the
 * application's rules. `source` 0: any (a stored tree). Errors: RF_EINVAL, RF_EUNSUPPORTED, RF_ESIGNATURE, RF_EFORMAT, RF_EMISMATCH the certificate is of
 * another key, the rules'.
 */
int mls_leaf_check(const struct mls_kit *kit, const struct rf_mls_rules *rules, const struct mls_leaf *leaf,
                   uint8_t source, const struct mls_place *place);
/* mls_leaf_identity_check: only who it is: certificate and key, the rules. */
int mls_leaf_identity_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                            const struct mls_leaf *leaf);
/* mls_leaf_meets: it lists all that a group with these GroupContext extensions asks of members. Errors: RF_EUNSUPPORTED, RF_EFORMAT. */
int mls_leaf_meets(const struct mls_leaf *leaf, struct rf_view context_extensions);
/* mls_context_extensions_check: the list itself: no doubles, decodable, credentials of external senders by the rules. */
int mls_context_extensions_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                                 struct rf_view extensions);
/* mls_members_meet: every leaf meets `context_extensions` and lists every credential type in use. Errors: RF_EUNSUPPORTED. */
int mls_members_meet(const struct mls_tree *tree, struct rf_view context_extensions);
/* mls_successor: the rules let `next` take the place of `old`. */
int mls_successor(const struct mls_kit *kit, const struct rf_mls_rules *rules, const struct mls_leaf *old,
                  const struct mls_leaf *next);
/* mls_key_package_check: for a group of the kit's suite; not its lifetime. */
int mls_key_package_check(const struct mls_kit *kit, const struct rf_mls_rules *rules,
                          const struct mls_key_package *kp);
void mls_identity(const struct mls_kit *kit, const struct mls_leaf *leaf, struct rf_mls_identity *out);

/* A leaf of ours that is being made: its lists, and the bytes behind the views. */
struct mls_leaf_draft {
    struct mls_leaf leaf;
    struct rf_buf bytes; /* to be freed */
};
/* mls_leaf_from_profile fills in all but the encryption key and what depends on the source. Errors: RF_EINVAL the key does not fit the suite, RF_ENOMEM. */
int mls_leaf_from_profile(const struct mls_kit *kit, const struct rf_mls_profile *profile, bool last_resort,
                          struct mls_leaf_draft *out);

#endif
