/*
 * bench_files.c - what a chunk of a file costs, by its size: sealing, hashing and proving on the side that gives it; checking and opening on the side that gets it. One thread, in memory, CPU time.
 *
 *     bench_files [MB, default 256]
 *
 * Lines `NAME VALUE`, for chunk_bits 14 to 18: files.BITS.give_mb_per_s, take_mb_per_s (10^6 bytes), proof_percent (of a file of 2 GiB), tree_bytes (of such a file).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "crypto/openssl/openssl.h"
#include "files/files.h"

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r)
{
    if (r != 0) {
        fprintf(stderr, "bench_files: %s\n", rf_error_text(r));
        exit(1);
    }
}

static void print(unsigned bits, const char *name, double value)
{
    printf("files.%u.%s %.2f\n", bits, name, value);
    fflush(stdout);
}

/* A chunk with its proof, as it travels. */
static void give(struct rf_crypto *c, const struct rf_file_keys *keys, const struct rf_file_shape *shape,
                 const uint8_t *nodes, uint32_t index, const uint8_t *plain, struct rf_buf *out)
{
    size_t places[RF_FILE_MAX_DEPTH], count = rf_file_proof_at(shape, index, places);
    uint8_t proof[RF_FILE_MAX_DEPTH * RF_FILE_HASH_LEN], leaf[RF_FILE_HASH_LEN];
    uint32_t len = rf_file_chunk_len(shape, index);

    for (size_t i = 0; i < count; i++)
        memcpy(proof + i * RF_FILE_HASH_LEN, nodes + places[i] * RF_FILE_HASH_LEN, RF_FILE_HASH_LEN);
    rf_buf_reset(out);
    rf_files_chunk_front(1, index, rf_view_of(proof, count * RF_FILE_HASH_LEN), len + RF_AEAD_TAG_LEN, out);
    size_t before = out->len;
    must(rf_file_seal(c, keys, index, rf_view_of(plain, len), out));
    must(rf_file_leaf(c, rf_view_of(out->p + before, out->len - before), leaf));
    if (memcmp(leaf, nodes + (size_t)index * RF_FILE_HASH_LEN, sizeof(leaf)) != 0)
        must(RF_EMISMATCH);
}

static void measure(struct rf_crypto *c, unsigned bits, uint64_t size)
{
    const struct rf_file_shape shape = {size, (uint8_t)bits}, largest = {RF_FILE_MAX_SIZE, (uint8_t)bits};
    uint32_t chunks = rf_file_chunk_count(&shape), len = UINT32_C(1) << bits;
    uint8_t secret[RF_FILE_SECRET_LEN] = {1}, id[RF_FILE_ID_LEN], leaf[RF_FILE_HASH_LEN];
    uint8_t *nodes = calloc(rf_file_node_count(&shape), RF_FILE_HASH_LEN), *plain = calloc(1, len);
    size_t places[RF_FILE_MAX_DEPTH];
    struct rf_file_keys keys;
    struct rf_buf message, opened;
    struct rf_file_message m;
    double begin, gave = 0, took = 0;

    must(nodes == NULL || plain == NULL ? RF_ENOMEM : 0);
    must(rf_file_keys(c, secret, &keys));
    rf_buf_init(&message, rf_mem_system(), (size_t)1 << 20);
    rf_buf_init(&opened, rf_mem_system(), (size_t)1 << 20);
    for (uint32_t i = 0; i < chunks; i++) {
        rf_buf_reset(&message);
        must(rf_file_seal(c, &keys, i, rf_view_of(plain, len), &message));
        must(rf_file_leaf(c, rf_buf_view(&message), nodes + (size_t)i * RF_FILE_HASH_LEN));
    }
    must(rf_file_build(c, &shape, nodes));
    must(rf_file_id(c, &shape, nodes + (rf_file_node_count(&shape) - 1) * RF_FILE_HASH_LEN, id));
    for (uint32_t i = 0; i < chunks; i++) {
        begin = cpu_s();
        give(c, &keys, &shape, nodes, i, plain, &message);
        gave += cpu_s() - begin;
        struct rf_view in = rf_buf_view(&message);
        begin = cpu_s();
        must(rf_file_message_next(&in, &m));
        must(rf_file_check(c, &shape, id, i, m.sealed, m.proof, leaf));
        rf_buf_reset(&opened);
        must(rf_file_open(c, &keys, i, m.sealed, &opened));
        took += cpu_s() - begin;
    }
    print(bits, "give_mb_per_s", (double)size / 1e6 / gave);
    print(bits, "take_mb_per_s", (double)size / 1e6 / took);
    print(bits, "proof_percent",
          100.0 * (double)(rf_file_proof_at(&largest, 0, places) * RF_FILE_HASH_LEN) / (double)len);
    print(bits, "tree_bytes", (double)(rf_file_node_count(&largest) * RF_FILE_HASH_LEN));
    rf_buf_deinit(&message);
    rf_buf_deinit(&opened);
    free(nodes);
    free(plain);
}

int main(int argc, char **argv)
{
    uint64_t size = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    struct rf_crypto *c = rf_crypto_openssl_new(rf_mem_system());

    must(c == NULL ? RF_ENOMEM : size == 0 || size > RF_FILE_MAX_SIZE ? RF_EINVAL : 0);
    for (unsigned bits = RF_FILE_MIN_BITS; bits <= RF_FILE_MAX_BITS; bits++)
        measure(c, bits, size);
    rf_crypto_openssl_free(c);
    return 0;
}
