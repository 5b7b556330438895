/*
 * tree.h - the ratchet tree: who is a member, and the public keys of the nodes above them (RFC 9420, sections 4, 7.7 to 7.9, 12.4.3.3).
 * Leaves and parents are shared by reference count between copies of a tree and never change; so a copy costs two arrays, and whoever
 * builds the next epoch changes a copy and throws it away when something is wrong.
 *
 * Hashes are kept per node and forgotten with a change at or below it.
 */
#ifndef RF_MLS_TREE_H
#define RF_MLS_TREE_H

#include "mls/codec.h"
#include "mls/suite.h"
#include "mls/treemath.h"

struct mls_tree_leaf {
    size_t refs;
    struct rf_pubkey *signer; /* the signature key, decoded when it is first used */
    struct mls_leaf leaf;     /* views into bytes */
    uint8_t bytes[];
};

struct mls_tree_parent {
    size_t refs;
    uint8_t key[RF_DH_PUBLIC_MAX_LEN];
    size_t key_len;
    uint8_t parent_hash[MLS_HASH_LEN];
    size_t parent_hash_len; /* 0 or MLS_HASH_LEN */
    size_t unmerged_count;
    uint32_t unmerged[]; /* leaf indices, rising */
};

struct mls_tree {
    struct rf_mem *mem;
    struct rf_crypto *crypto;
    size_t public_len;                /* of keys: the suite's */
    uint32_t leaf_count;              /* a power of two */
    struct mls_tree_leaf **leaves;    /* leaf_count; NULL: blank */
    struct mls_tree_parent **parents; /* leaf_count - 1; node x is at x / 2 */
    uint8_t *hashes;                  /* MLS_HASH_LEN for each node */
    uint8_t *hashed;                  /* for each node: its hash is known */
};

/* A list of nodes that grows. */
struct mls_nodes {
    struct rf_mem *mem;
    uint32_t *at;
    size_t count, cap;
};
static inline void mls_nodes_init(struct mls_nodes *nodes, struct rf_mem *mem)
{
    *nodes = (struct mls_nodes){.mem = mem};
}
void mls_nodes_deinit(struct mls_nodes *nodes);
int mls_nodes_add(struct mls_nodes *nodes, uint32_t node);
bool mls_nodes_has(const struct mls_nodes *nodes, uint32_t node);

/* mls_tree_init makes a tree of one blank leaf; mls_tree_deinit frees it (also one of zeros). Errors: RF_ENOMEM. */
int mls_tree_init(struct mls_tree *tree, const struct mls_kit *kit);
void mls_tree_deinit(struct mls_tree *tree);
int mls_tree_copy(const struct mls_tree *from, struct mls_tree *out);
/* mls_tree_decode reads a ratchet_tree and nothing behind it. Errors: those of the codec; RF_EINVAL the last node is blank, a leaf at a
 * parent's place or the reverse, a list of unmerged leaves that does not rise; RF_ELIMIT too many leaves; RF_ENOMEM. Section 12.4.3.3. */
int mls_tree_decode(const struct mls_kit *kit, struct rf_view in, struct mls_tree *out);
void mls_tree_encode(const struct mls_tree *tree, struct rf_buf *out);

/* mls_tree_leaf, mls_tree_parent: NULL: blank, or not there. Borrowed until the tree changes. */
const struct mls_leaf *mls_tree_leaf(const struct mls_tree *tree, uint32_t leaf);
const struct mls_tree_parent *mls_tree_parent(const struct mls_tree *tree, uint32_t node);
/* mls_tree_key: the node's encryption key; false: it is blank. */
bool mls_tree_key(const struct mls_tree *tree, uint32_t node, struct rf_view *key);

/* ---- changes; errors: RF_ENOMEM, RF_ELIMIT too many leaves ---- */

/* mls_tree_set_leaf puts a copy of the encoded leaf there, and does nothing else. */
int mls_tree_set_leaf(struct mls_tree *tree, uint32_t leaf, struct rf_view encoded);
/* mls_tree_share_leaf puts another tree's leaf at the same place there, blank if it is. */
void mls_tree_share_leaf(struct mls_tree *tree, const struct mls_tree *from, uint32_t leaf);
/* mls_tree_free_place: where the next leaf goes, the leftmost blank one; leaf_count: the tree will be extended. */
uint32_t mls_tree_free_place(const struct mls_tree *tree);
/* mls_tree_grow_for extends the tree until it has leaf `leaf`. */
int mls_tree_grow_for(struct mls_tree *tree, uint32_t leaf);
/* mls_tree_add puts a leaf at the free place, unmerged in what stands above it. */
int mls_tree_add(struct mls_tree *tree, struct rf_view encoded, uint32_t *leaf);
/* mls_tree_update replaces a leaf and blanks its direct path; mls_tree_remove blanks both. */
int mls_tree_update(struct mls_tree *tree, uint32_t leaf, struct rf_view encoded);
void mls_tree_remove(struct mls_tree *tree, uint32_t leaf);
void mls_tree_truncate(struct mls_tree *tree);
void mls_tree_blank_path(struct mls_tree *tree, uint32_t leaf);
/* mls_tree_set_parent: a new key and parent hash, no unmerged leaves. */
int mls_tree_set_parent(struct mls_tree *tree, uint32_t node, struct rf_view key, struct rf_view parent_hash);

/* mls_tree_resolution appends the node's resolution. Section 4.1.1. */
int mls_tree_resolution(const struct mls_tree *tree, uint32_t node, struct mls_nodes *out);

/* A filtered direct path: from the leaf up, each node with its child that is not on the path. Section 4.1.2. */
struct mls_path {
    unsigned count;
    uint32_t node[MLS_LEVELS_MAX], copath[MLS_LEVELS_MAX];
};
int mls_tree_filtered_path(const struct mls_tree *tree, uint32_t leaf, struct mls_path *out);

/* ---- tree_hash.c ---- */

/* mls_tree_hash: of a node; keeps it in the tree. Section 7.8. */
int mls_tree_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t node, uint8_t out[MLS_HASH_LEN]);
int mls_tree_root_hash(const struct mls_kit *kit, struct mls_tree *tree, uint8_t out[MLS_HASH_LEN]);
/* mls_tree_parent_hash: what a node below `parent` holds as parent_hash, when `sibling` is the child on the other side. Section 7.9. */
int mls_tree_parent_hash(const struct mls_kit *kit, struct mls_tree *tree, uint32_t parent, uint32_t sibling,
                         uint8_t out[MLS_HASH_LEN]);
/* mls_tree_check examines a tree that was received, but for its leaves' own contents: lists of unmerged leaves, keys that stand there twice,
 * parent hashes. Errors: RF_EINVAL, RF_EDUPLICATE, RF_EMISMATCH parent hashes, RF_ENOMEM. Sections 7.9.2, 12.4.3.1. */
int mls_tree_check(const struct mls_kit *kit, struct mls_tree *tree);
/* mls_tree_unique: no encryption key stands at two nodes, no signature key at two leaves. Errors: RF_EDUPLICATE, RF_ENOMEM. */
int mls_tree_unique(const struct mls_tree *tree);
/* mls_tree_verify: a signature of the leaf's owner; as mls_verify, but its key is decoded once only. RF_ENOTFOUND: a blank leaf. */
int mls_tree_verify(const struct mls_kit *kit, const struct mls_tree *tree, uint32_t leaf, const char *label,
                    const struct rf_view *parts, size_t part_count, struct rf_view signature);
/* mls_tree_has_key: some node has this encryption key. mls_tree_find_signer: the leaf with this signature key; false: none. */
bool mls_tree_has_key(const struct mls_tree *tree, struct rf_view key);
bool mls_tree_find_signer(const struct mls_tree *tree, struct rf_view signature_key, uint32_t *leaf);

#endif
