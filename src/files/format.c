/* format.c - chunks, their encryption, the hash tree above them. */
#include "files/format.h"

#include "base/assert.h"
#include "crypto/hkdf.h"

static const char label_chunk[] = "ringfolk file chunk 1";
static const char label_access[] = "ringfolk file access 1";
static const char label_id[] = "ringfolk file 1";

/* ---- shape ---- */

bool rf_file_shape_valid(const struct rf_file_shape *shape)
{
    return shape->size > 0 && shape->size <= RF_FILE_MAX_SIZE && shape->chunk_bits >= RF_FILE_MIN_BITS &&
           shape->chunk_bits <= RF_FILE_MAX_BITS;
}

uint32_t rf_file_chunk_count(const struct rf_file_shape *shape)
{
    return (uint32_t)((shape->size - 1) >> shape->chunk_bits) + 1;
}

uint32_t rf_file_chunk_len(const struct rf_file_shape *shape, uint32_t index)
{
    uint64_t left = shape->size - ((uint64_t)index << shape->chunk_bits);
    uint32_t whole = UINT32_C(1) << shape->chunk_bits;
    return left < whole ? (uint32_t)left : whole;
}

static uint32_t up(uint32_t count)
{
    return count / 2 + count % 2;
}

unsigned rf_file_depth(const struct rf_file_shape *shape)
{
    unsigned depth = 0;
    for (uint32_t count = rf_file_chunk_count(shape); count > 1; count = up(count))
        depth++;
    return depth;
}

size_t rf_file_node_at(const struct rf_file_shape *shape, unsigned level, uint32_t index)
{
    uint32_t count = rf_file_chunk_count(shape);
    size_t at = 0;
    for (unsigned i = 0; i < level; i++, count = up(count))
        at += count;
    return at + index;
}

size_t rf_file_node_count(const struct rf_file_shape *shape)
{
    return rf_file_node_at(shape, rf_file_depth(shape), 0) + 1;
}

size_t rf_file_proof_at(const struct rf_file_shape *shape, uint32_t index, size_t places[RF_FILE_MAX_DEPTH])
{
    uint32_t count = rf_file_chunk_count(shape);
    size_t at = 0, found = 0;
    for (; count > 1; at += count, count = up(count), index /= 2)
        if ((index ^ 1) < count)
            places[found++] = at + (index ^ 1);
    return found;
}

uint32_t rf_file_bits_count(const uint8_t *bits, uint32_t chunk_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < chunk_count; i++)
        count += rf_file_bit(bits, i);
    return count;
}

/* ---- keys ---- */

int rf_file_keys(struct rf_crypto *c, const uint8_t secret[RF_FILE_SECRET_LEN], struct rf_file_keys *out)
{
    struct rf_view chunk = rf_view_str(label_chunk), access = rf_view_str(label_access);
    int error = rf_hkdf_expand(c, secret, &chunk, 1, out->chunk, sizeof(out->chunk));
    return error != 0 ? error : rf_hkdf_expand(c, secret, &access, 1, out->access, sizeof(out->access));
}

int rf_file_access(struct rf_crypto *c, const struct rf_file_keys *keys, const uint8_t id[RF_FILE_ID_LEN],
                   struct rf_view asker, struct rf_view holder, uint8_t out[RF_SHA256_LEN])
{
    uint8_t asker_len = (uint8_t)asker.len, holder_len = (uint8_t)holder.len;
    struct rf_view parts[] = {rf_view_of(id, RF_FILE_ID_LEN), rf_view_of(&asker_len, 1), asker,
                              rf_view_of(&holder_len, 1), holder};
    RF_ASSERT(asker.len <= UINT8_MAX && holder.len <= UINT8_MAX);
    return c->ops->hmac(c, RF_HASH_SHA256, rf_view_of(keys->access, sizeof(keys->access)), parts,
                        RF_COUNT(parts), out);
}

/* ---- chunks ---- */

static void nonce_of(uint32_t index, uint8_t nonce[RF_AEAD_NONCE_LEN])
{
    memset(nonce, 0, RF_AEAD_NONCE_LEN);
    for (int i = 0; i < 4; i++)
        nonce[RF_AEAD_NONCE_LEN - 1 - i] = (uint8_t)(index >> 8 * i);
}

int rf_file_seal(struct rf_crypto *c, const struct rf_file_keys *keys, uint32_t index, struct rf_view plain,
                 struct rf_buf *out)
{
    uint8_t nonce[RF_AEAD_NONCE_LEN];
    nonce_of(index, nonce);
    return c->ops->aead_seal(c, keys->chunk, nonce, rf_view_of(NULL, 0), plain, out);
}

int rf_file_open(struct rf_crypto *c, const struct rf_file_keys *keys, uint32_t index, struct rf_view sealed,
                 struct rf_buf *out)
{
    uint8_t nonce[RF_AEAD_NONCE_LEN];
    nonce_of(index, nonce);
    return c->ops->aead_open(c, keys->chunk, nonce, rf_view_of(NULL, 0), sealed, out);
}

/* ---- tree ---- */

int rf_file_leaf(struct rf_crypto *c, struct rf_view sealed, uint8_t out[RF_FILE_HASH_LEN])
{
    static const uint8_t leaf = 0;
    struct rf_view parts[] = {rf_view_of(&leaf, 1), sealed};
    return c->ops->hash(c, RF_HASH_SHA256, parts, RF_COUNT(parts), out);
}

int rf_file_node(struct rf_crypto *c, const uint8_t *left, const uint8_t *right,
                 uint8_t out[RF_FILE_HASH_LEN])
{
    static const uint8_t node = 1;
    struct rf_view parts[] = {rf_view_of(&node, 1), rf_view_of(left, RF_FILE_HASH_LEN),
                              rf_view_of(right, RF_FILE_HASH_LEN)};
    return c->ops->hash(c, RF_HASH_SHA256, parts, RF_COUNT(parts), out);
}

int rf_file_id(struct rf_crypto *c, const struct rf_file_shape *shape, const uint8_t *root,
               uint8_t out[RF_FILE_ID_LEN])
{
    uint8_t lengths[9];
    struct rf_buf buf;
    rf_buf_fixed(&buf, lengths, sizeof(lengths));
    rf_buf_u64(&buf, shape->size);
    rf_buf_u8(&buf, shape->chunk_bits);
    struct rf_view parts[] = {rf_view_str(label_id), rf_buf_view(&buf), rf_view_of(root, RF_FILE_HASH_LEN)};
    return c->ops->hash(c, RF_HASH_SHA256, parts, RF_COUNT(parts), out);
}

int rf_file_build(struct rf_crypto *c, const struct rf_file_shape *shape, uint8_t *nodes)
{
    uint32_t count = rf_file_chunk_count(shape);
    uint8_t *level = nodes;
    while (count > 1) {
        uint8_t *above = level + (size_t)count * RF_FILE_HASH_LEN;
        for (uint32_t i = 0; i < up(count); i++) {
            const uint8_t *left = level + (size_t)2 * i * RF_FILE_HASH_LEN;
            uint8_t *out = above + (size_t)i * RF_FILE_HASH_LEN;
            int error = 0;
            if (2 * i + 1 < count)
                error = rf_file_node(c, left, left + RF_FILE_HASH_LEN, out);
            else
                memcpy(out, left, RF_FILE_HASH_LEN);
            if (error != 0)
                return error;
        }
        level = above;
        count = up(count);
    }
    return 0;
}

int rf_file_check(struct rf_crypto *c, const struct rf_file_shape *shape, const uint8_t id[RF_FILE_ID_LEN],
                  uint32_t index, struct rf_view sealed, struct rf_view proof, uint8_t leaf[RF_FILE_HASH_LEN])
{
    uint8_t hash[RF_FILE_HASH_LEN], computed[RF_FILE_ID_LEN];
    uint32_t count = rf_file_chunk_count(shape), at = index;
    size_t places[RF_FILE_MAX_DEPTH];
    RF_ASSERT(index < count);
    int error = rf_file_leaf(c, sealed, leaf);
    if (error != 0)
        return error;
    if (sealed.len != rf_file_chunk_len(shape, index) + (size_t)RF_AEAD_TAG_LEN ||
        proof.len != rf_file_proof_at(shape, index, places) * RF_FILE_HASH_LEN)
        return RF_ELENGTH;
    memcpy(hash, leaf, sizeof(hash));
    for (; count > 1 && error == 0; count = up(count), at /= 2) {
        struct rf_view beside;
        if ((at ^ 1) >= count)
            continue;
        error = rf_view_take(&proof, RF_FILE_HASH_LEN, &beside);
        RF_ASSERT(error == 0);
        error = (at & 1) != 0 ? rf_file_node(c, beside.p, hash, hash) : rf_file_node(c, hash, beside.p, hash);
    }
    if (error == 0)
        error = rf_file_id(c, shape, hash, computed);
    if (error != 0)
        return error;
    return memcmp(computed, id, sizeof(computed)) == 0 ? 0 : RF_EMISMATCH;
}
