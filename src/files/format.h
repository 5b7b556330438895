/*
 * format.h - a file as members exchange it: chunks, each encrypted, under a hash tree (docs/protocol/files.md).
 *
 *   plain bytes --cut--> chunks of 2^chunk_bits bytes, the last one shorter --AES-128-GCM, nonce = chunk number--> sealed chunks, 16 bytes longer each
 *   sealed chunks --SHA-256--> leaves --pairs--> ... --> root;  file id = SHA-256 over size, chunk_bits and root
 *
 * The tree is that of RFC 9162, section 2.1: leaf = H(0x00 || chunk), node = H(0x01 || left || right). Level by level, what has no right neighbour goes up as it is.
 * A file's nodes are kept as one array: level 0 (the leaves), then level 1, and so on up to the root; rf_file_node_at tells where.
 *
 * Everything of a file follows from one secret of 32 bytes, random for each file; who has the id only can tell nothing and gets nothing.
 */
#ifndef RF_FILES_FORMAT_H
#define RF_FILES_FORMAT_H

#include "base/buf.h"
#include "crypto/crypto.h"

#define RF_FILE_ID_LEN     32
#define RF_FILE_SECRET_LEN 32
#define RF_FILE_HASH_LEN   32
#define RF_FILE_MAX_SIZE   (UINT64_C(2) << 30) /* bytes: 2 GiB */
#define RF_FILE_MIN_BITS   14
#define RF_FILE_MAX_BITS   18
#define RF_FILE_BITS       16 /* what we choose: docs/decisions/0030-files.md */
#define RF_FILE_MAX_CHUNKS ((uint32_t)(RF_FILE_MAX_SIZE >> RF_FILE_MIN_BITS))
#define RF_FILE_MAX_DEPTH  17 /* levels above the leaves of so many chunks */

struct rf_file_shape {
    uint64_t size;      /* plain bytes, 1 .. RF_FILE_MAX_SIZE */
    uint8_t chunk_bits; /* RF_FILE_MIN_BITS .. RF_FILE_MAX_BITS */
};

/* rf_file_shape_valid: the numbers are in range; all functions below want that. */
bool rf_file_shape_valid(const struct rf_file_shape *shape);
uint32_t rf_file_chunk_count(const struct rf_file_shape *shape);
/* rf_file_chunk_len: plain bytes of a chunk, 1 .. 2^chunk_bits; index < count. */
uint32_t rf_file_chunk_len(const struct rf_file_shape *shape, uint32_t index);
/* rf_file_depth: levels above the leaves, 0 .. RF_FILE_MAX_DEPTH. */
unsigned rf_file_depth(const struct rf_file_shape *shape);
size_t rf_file_node_count(const struct rf_file_shape *shape); /* of all levels */
/* rf_file_node_at: the place of a node in the array of all; level <= depth, index below the level's count. */
size_t rf_file_node_at(const struct rf_file_shape *shape, unsigned level, uint32_t index);
/* rf_file_proof_at writes the places of the nodes that prove a chunk, from the leaves up; returns how many. */
size_t rf_file_proof_at(const struct rf_file_shape *shape, uint32_t index, size_t places[RF_FILE_MAX_DEPTH]);

/* What follows from a file's secret; wipe it after use. */
struct rf_file_keys {
    uint8_t chunk[RF_AEAD_KEY_LEN];
    uint8_t access[RF_SHA256_LEN]; /* of rf_file_access */
};
/* Errors of all functions below: the backend's, and those named. */
int rf_file_keys(struct rf_crypto *c, const uint8_t secret[RF_FILE_SECRET_LEN], struct rf_file_keys *out);

/*
 * rf_file_access is what who asks for a file shows to who has it: an HMAC over id and both Node-IDs, so that it is of no use to anybody else or towards anybody else.
 */
int rf_file_access(struct rf_crypto *c, const struct rf_file_keys *keys, const uint8_t id[RF_FILE_ID_LEN],
                   struct rf_view asker, struct rf_view holder, uint8_t out[RF_SHA256_LEN]);

/* rf_file_seal appends chunk `index`, encrypted; rf_file_open the other way (RF_EAUTH). One key never seals two texts for one index: compare the leaf before it leaves. */
int rf_file_seal(struct rf_crypto *c, const struct rf_file_keys *keys, uint32_t index, struct rf_view plain,
                 struct rf_buf *out);
int rf_file_open(struct rf_crypto *c, const struct rf_file_keys *keys, uint32_t index, struct rf_view sealed,
                 struct rf_buf *out);

int rf_file_leaf(struct rf_crypto *c, struct rf_view sealed, uint8_t out[RF_FILE_HASH_LEN]);
int rf_file_node(struct rf_crypto *c, const uint8_t *left, const uint8_t *right,
                 uint8_t out[RF_FILE_HASH_LEN]);
int rf_file_id(struct rf_crypto *c, const struct rf_file_shape *shape, const uint8_t *root,
               uint8_t out[RF_FILE_ID_LEN]);
/* rf_file_build fills in all levels above the leaves; nodes: rf_file_node_count hashes. */
int rf_file_build(struct rf_crypto *c, const struct rf_file_shape *shape, uint8_t *nodes);
/*
 * rf_file_check: is `sealed` chunk `index` of this file?
 * proof  the hashes at rf_file_proof_at, one behind the other
 * leaf   filled in any case but for the backend's errors
 * Errors: RF_ELENGTH the chunk or the proof has another length than it must, RF_EMISMATCH it is not of this file.
 */
int rf_file_check(struct rf_crypto *c, const struct rf_file_shape *shape, const uint8_t id[RF_FILE_ID_LEN],
                  uint32_t index, struct rf_view sealed, struct rf_view proof,
                  uint8_t leaf[RF_FILE_HASH_LEN]);

/* Bits, one for each chunk: bit 7 of byte 0 is chunk 0. */
static inline size_t rf_file_bits_len(uint32_t chunk_count)
{
    return (chunk_count + 7) / 8;
}
static inline bool rf_file_bit(const uint8_t *bits, uint32_t index)
{
    return (bits[index / 8] >> (7 - index % 8) & 1) != 0;
}
static inline void rf_file_bit_set(uint8_t *bits, uint32_t index)
{
    bits[index / 8] = (uint8_t)(bits[index / 8] | 0x80u >> index % 8);
}
static inline void rf_file_bit_clear(uint8_t *bits, uint32_t index)
{
    bits[index / 8] = (uint8_t)(bits[index / 8] & ~(0x80u >> index % 8));
}
uint32_t rf_file_bits_count(const uint8_t *bits, uint32_t chunk_count);

#endif
