/* test_files_format.c - the tree at the vectors of Certificate Transparency, a file made by another implementation, references, names, messages. */
#include <string.h>
#include "base/text.h"
#include "test_files.h"

static struct rf_crypto *crypto;

static int set_up(void **state)
{
    (void)state;
    crypto = rf_crypto_openssl_new(rf_mem_system());
    return crypto == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    rf_crypto_openssl_free(crypto);
    return 0;
}

static void is_hex(const uint8_t *bytes, const char *hex)
{
    uint8_t wanted[32];
    struct rf_buf buf;
    rf_buf_fixed(&buf, wanted, sizeof(wanted));
    assert_int_equal(rf_hex_decode(rf_view_str(hex), &buf), 0);
    assert_memory_equal(bytes, wanted, buf.len);
}

/* The inputs and roots of the reference implementation of Certificate Transparency (RFC 6962; merkletree tests of google/certificate-transparency). */
static void test_tree_vectors(void **state)
{
    static const char *const inputs[] = {
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    (void)state;
    for (uint32_t count = 1; count <= RF_COUNT(roots); count++) {
        struct rf_file_shape shape = {((uint64_t)(count - 1) << 14) + 1, 14};
        uint8_t nodes[32 * 32];
        assert_int_equal(rf_file_chunk_count(&shape), count);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t input[16];
            struct rf_buf buf;
            rf_buf_fixed(&buf, input, sizeof(input));
            assert_int_equal(rf_hex_decode(rf_view_str(inputs[i]), &buf), 0);
            assert_int_equal(rf_file_leaf(crypto, rf_buf_view(&buf), nodes + (size_t)i * 32), 0);
        }
        assert_int_equal(rf_file_build(crypto, &shape, nodes), 0);
        is_hex(nodes + (rf_file_node_count(&shape) - 1) * 32, roots[count - 1]);
    }
}

/* Made by hashlib and the AESGCM of Python's `cryptography`; docs/protocol/files.md shows the same. */
static void test_file_vector(void **state)
{
    static const struct rf_file_shape shape = {40000, 14};
    uint8_t secret[32], nodes[6 * 32], id[32], access[32], leaf[32], ids[2][16];
    static uint8_t plain[40000];
    struct rf_file_keys keys;
    struct rf_buf sealed;
    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7 + 3);
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    assert_int_equal(rf_file_keys(crypto, secret, &keys), 0);
    is_hex(keys.chunk, "abb3dbbaab8362a3b7d9ab8e4b29accf");
    is_hex(keys.access, "9c5367cbf6a7770e283a71a0aaee75d09ec8cf263947ee08f7a549fa80131fe5");
    assert_int_equal(rf_file_node_count(&shape), 6);
    rf_buf_init(&sealed, rf_mem_system(), 100000);
    for (uint32_t i = 0; i < 3; i++) {
        rf_buf_reset(&sealed);
        assert_int_equal(rf_file_seal(crypto, &keys, i,
                                      rf_view_of(plain + i * 16384, rf_file_chunk_len(&shape, i)), &sealed),
                         0);
        assert_int_equal(rf_file_leaf(crypto, rf_buf_view(&sealed), nodes + i * 32), 0);
    }
    assert_int_equal(rf_file_build(crypto, &shape, nodes), 0);
    is_hex(nodes + 5 * 32, "fee781278a8a629521498ce00e643c718995d08c5a82a98ded7180a14b3c1056");
    assert_int_equal(rf_file_id(crypto, &shape, nodes + 5 * 32, id), 0);
    is_hex(id, "b48f32136fb5e89a932df527f01fc5a111776a22343321aafa95fda5c6d6e961");
    memset(ids[0], 0xaa, 16);
    memset(ids[1], 0xbb, 16);
    assert_int_equal(
        rf_file_access(crypto, &keys, id, rf_view_of(ids[0], 16), rf_view_of(ids[1], 16), access), 0);
    is_hex(access, "b1677a90409bff517c64bc6aeae2cb7cf757d525b694c9388b7a4f032aeb430e");
    /* chunk 2 has no neighbour: its proof is one node */
    struct rf_view proof = {nodes + 3 * 32, 32};
    assert_int_equal(rf_file_check(crypto, &shape, id, 2, rf_buf_view(&sealed), proof, leaf), 0);
    assert_memory_equal(leaf, nodes + 2 * 32, 32);
    assert_int_equal(rf_file_check(crypto, &shape, id, 1, rf_buf_view(&sealed), proof, leaf), RF_ELENGTH);
    sealed.p[3] ^= 1;
    assert_int_equal(rf_file_check(crypto, &shape, id, 2, rf_buf_view(&sealed), proof, leaf), RF_EMISMATCH);
    rf_buf_deinit(&sealed);
}

/* Every chunk of trees of every small size has a proof that holds for it and for no other one. */
static void test_proofs(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 40; count++) {
        struct rf_file_shape shape = {((uint64_t)(count - 1) << 14) + 1, 14};
        uint8_t nodes[100 * 32], id[32], leaf[32], byte[17] = {0}, proof[RF_FILE_MAX_DEPTH * 32];
        size_t places[RF_FILE_MAX_DEPTH], total = rf_file_node_count(&shape);
        for (uint32_t i = 0; i < count; i++) {
            byte[0] = (uint8_t)i;
            assert_int_equal(rf_file_leaf(crypto, rf_view_of(byte, sizeof(byte)), nodes + (size_t)i * 32), 0);
        }
        assert_int_equal(rf_file_build(crypto, &shape, nodes), 0);
        assert_int_equal(rf_file_id(crypto, &shape, nodes + (total - 1) * 32, id), 0);
        for (uint32_t i = 0; i < count; i++) {
            size_t len = rf_file_proof_at(&shape, i, places);
            for (size_t p = 0; p < len; p++)
                memcpy(proof + p * 32, nodes + places[p] * 32, 32);
            byte[0] = (uint8_t)i;
            /* only the last chunk is one byte long in this shape: the others fail by their length, after the leaf */
            int error = rf_file_check(crypto, &shape, id, i, rf_view_of(byte, sizeof(byte)),
                                      rf_view_of(proof, len * 32), leaf);
            assert_int_equal(error, i == count - 1 ? 0 : RF_ELENGTH);
            assert_memory_equal(leaf, nodes + (size_t)i * 32, 32);
        }
    }
}

/* ---- references ---- */

static const struct rf_file_reference far_one = {.name = {(const uint8_t *)"Bericht 2026.pdf", 16},
                                                 .type = {(const uint8_t *)"application/pdf", 15},
                                                 .shape = {123456789, 16},
                                                 .id = {1, 2, 3},
                                                 .secret = {4, 5, 6}};

static void test_references(void **state)
{
    uint8_t bytes[RF_FILE_SMALL_LEN];
    struct rf_file_reference again,
        small = {
            .small = true, .name = far_one.name, .shape = {5, 0}, .bytes = {(const uint8_t *)"hello", 5}};
    struct rf_buf buf;
    (void)state;
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_file_reference_encode(&far_one, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_true(buf.len <= RF_FILE_REFERENCE_LEN);
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(rf_file_reference_decode(rf_view_of(bytes, len), &again), RF_ESHORT);
    assert_int_equal(rf_file_reference_decode(rf_buf_view(&buf), &again), 0);
    assert_true(rf_view_equal(again.name, far_one.name) && rf_view_equal(again.type, far_one.type));
    assert_true(!again.small && again.shape.size == 123456789 && again.shape.chunk_bits == 16);
    assert_memory_equal(again.id, far_one.id, 32);
    assert_memory_equal(again.secret, far_one.secret, 32);
    rf_buf_u8(&buf, 0);
    assert_int_equal(rf_file_reference_decode(rf_buf_view(&buf), &again), RF_ELENGTH);
    bytes[0] = 2;
    assert_int_equal(rf_file_reference_decode(rf_buf_view(&buf), &again), RF_EVERSION);
    rf_buf_reset(&buf);
    rf_file_reference_encode(&small, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    assert_int_equal(rf_file_reference_decode(rf_buf_view(&buf), &again), 0);
    assert_true(again.small && rf_view_equal(again.bytes, small.bytes));
    bytes[9] = 6; /* a size that is not that of the bytes */
    assert_int_equal(rf_file_reference_decode(rf_buf_view(&buf), &again), RF_ELENGTH);
}

static void test_reference_limits(void **state)
{
    static uint8_t large[RF_FILE_MAX_SMALL + 1], bytes[RF_FILE_SMALL_LEN + 1];
    static const struct {
        uint64_t size;
        uint8_t bits;
    } bad[] = {{0, 16}, {RF_FILE_MAX_SIZE + 1, 16}, {1, 13}, {1, 19}, {UINT64_MAX, 16}};
    struct rf_buf buf;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        struct rf_file_reference r = far_one;
        r.shape = (struct rf_file_shape){bad[i].size, bad[i].bits};
        rf_buf_fixed(&buf, bytes, sizeof(bytes));
        rf_file_reference_encode(&r, &buf);
        assert_int_equal(rf_buf_error(&buf), RF_EINVAL);
    }
    struct rf_file_reference small = {.small = true,
                                      .name = far_one.name,
                                      .shape = {RF_FILE_MAX_SMALL, 0},
                                      .bytes = {large, RF_FILE_MAX_SMALL}};
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_file_reference_encode(&small, &buf);
    assert_int_equal(rf_buf_error(&buf), 0);
    small.shape.size = small.bytes.len = sizeof(large);
    rf_buf_fixed(&buf, bytes, sizeof(bytes));
    rf_file_reference_encode(&small, &buf);
    assert_int_equal(rf_buf_error(&buf), RF_EINVAL);
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *clean; /* NULL: it is good as it is */
    } names[] = {
        {"holiday.jpg", NULL},
        {"\xc3\x9c"
         "bersicht \xe2\x80\x93 \xe6\x97\xa5\xe6\x9c\xac.txt",
         NULL},
        {"\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9.png", NULL}, /* a joiner between two people */
        {"a.tar.gz", NULL},
        {"../../etc/passwd", "_._.._etc_passwd"},
        {"..", "__"},
        {".", "_"},
        {".bashrc", "_bashrc"},
        {"-rf", "_rf"},
        {"C:\\x", "C__x"},
        {"a\nb", "a_b"},
        {"a\x7f", "a_"},
        {"\xc2\x85x", "_x"},
        {"photo\xe2\x80\xaegpj.exe", "photo_gpj.exe"}, /* right-to-left override */
        {"a\xe2\x81\xa6"
         "b",
         "a_b"}, /* isolate */
        {"\xef\xbb\xbfx", "_x"},
        {"a\xe2\x80\x8b.txt", "a_.txt"}, /* zero width space */
        {" x", "_x"},
        {"x ", "x_"},
        {"x.", "x_"},
        {"what?.txt", "what_.txt"},
        {"\xff\xfe", "file"},
        {"", "file"},
    };
    char text[RF_FILE_MAX_NAME + 1];
    struct rf_buf buf;
    (void)state;
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        const char *wanted = names[i].clean != NULL ? names[i].clean : names[i].name;
        assert_int_equal(rf_file_name_valid(rf_view_str(names[i].name)), names[i].clean == NULL);
        rf_buf_fixed(&buf, text, sizeof(text));
        rf_file_name_clean(rf_view_str(names[i].name), &buf);
        rf_buf_u8(&buf, 0);
        assert_int_equal(rf_buf_error(&buf), 0);
        assert_string_equal(text, wanted);
        assert_true(rf_file_name_valid(rf_view_str(text)));
    }
    /* too long: the extension stays, no character is cut */
    char longer[400] = {0};
    for (size_t i = 0; i < 130; i++)
        strcat(longer, "\xc3\xa4");
    strcat(longer, ".jpeg");
    assert_false(rf_file_name_valid(rf_view_str(longer)));
    rf_buf_fixed(&buf, text, sizeof(text));
    rf_file_name_clean(rf_view_str(longer), &buf);
    assert_true(buf.len <= RF_FILE_MAX_NAME && buf.len > RF_FILE_MAX_NAME - 3);
    assert_true(rf_file_name_valid(rf_buf_view(&buf)));
    assert_memory_equal(text + buf.len - 5, ".jpeg", 5);
    static const char *const good_types[] = {"", "image/png", "application/vnd.oasis.opendocument.text",
                                             "image/svg+xml"};
    static const char *const bad_types[] = {"image",           "/png",  "image/", "a/b/c",
                                            "text/plain; x=y", "a b/c", "text/\n"};
    for (size_t i = 0; i < RF_COUNT(good_types); i++)
        assert_true(rf_file_type_valid(rf_view_str(good_types[i])));
    for (size_t i = 0; i < RF_COUNT(bad_types); i++)
        assert_false(rf_file_type_valid(rf_view_str(bad_types[i])));
}

/* ---- messages ---- */

static void test_messages(void **state)
{
    static uint8_t block[64], large[100000];
    static const struct rf_file_message good[] = {
        {.type = RF_FILE_OPEN, .channel = 7, .id = {block, 32}, .access = {block + 32, 32}},
        {.type = RF_FILE_GET, .channel = 65535, .first = 131071, .count = 1},
        {.type = RF_FILE_CANCEL, .channel = 1, .first = 0, .count = 64},
        {.type = RF_FILE_CLOSE, .channel = 0},
        {.type = RF_FILE_HAVE, .channel = 7, .all = true},
        {.type = RF_FILE_HAVE, .channel = 7, .bits = {block, 5}},
        {.type = RF_FILE_REFUSE, .channel = 7, .why = RF_FILE_WHY_BUSY},
        {.type = RF_FILE_CHUNK, .channel = 7, .first = 3, .proof = {block, 64}, .sealed = {large, 65552}},
        {.type = RF_FILE_MISS, .channel = 7, .first = 3, .why = RF_FILE_WHY_NOT_HERE},
    };
    struct rf_buf buf, again;
    (void)state;
    rf_buf_init(&buf, rf_mem_system(), 1 << 20);
    rf_buf_init(&again, rf_mem_system(), 1 << 20);
    for (size_t i = 0; i < RF_COUNT(good); i++) {
        struct rf_file_message m;
        rf_buf_reset(&buf);
        rf_buf_reset(&again);
        rf_file_message_encode(&good[i], &buf);
        assert_int_equal(rf_buf_error(&buf), 0);
        assert_int_equal(rf_file_message_len(rf_buf_view(&buf)), buf.len);
        struct rf_view in = {buf.p, buf.len - 1};
        assert_int_equal(rf_file_message_next(&in, &m), RF_ESHORT);
        assert_int_equal(in.len, buf.len - 1);
        in = rf_buf_view(&buf);
        assert_int_equal(rf_file_message_next(&in, &m), 0);
        assert_int_equal(in.len, 0);
        rf_file_message_encode(&m, &again);
        assert_true(rf_view_equal(rf_buf_view(&again), rf_buf_view(&buf)));
    }
    rf_buf_deinit(&buf);
    rf_buf_deinit(&again);
}

static void test_broken_messages(void **state)
{
    static const struct {
        const char *hex;
        int error;
    } bad[] = {
        {"00000001", RF_ELENGTH},
        {"00000100", RF_EUNKNOWN},
        {"00000309", RF_EUNKNOWN},
        {"0000010400", RF_ELENGTH},
        {"0000040400ff00", RF_ELENGTH}, /* CLOSE with a byte more */
        {"0100000200", RF_ELIMIT},      /* a GET of 64 kB */
        {"ffffff07", RF_ELIMIT},        /* a CHUNK of 16 MB */
        {"00000902000100000000"
         "0000",
         RF_EFORMAT}, /* GET of nothing */
        {"0000090200"
         "01ffffffff"
         "0001",
         RF_EFORMAT},
        {"0000040501"
         "0002",
         RF_EFORMAT}, /* HAVE of an unknown sort */
        {"0000040501"
         "0001",
         RF_ELENGTH}, /* some, and no bits */
        {"00000a0700010000000000"
         "0000",
         RF_ELENGTH}, /* CHUNK without a chunk */
        {"0000040101"
         "0002",
         RF_EVERSION},
    };
    (void)state;
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        uint8_t bytes[64];
        struct rf_buf buf;
        struct rf_file_message m;
        rf_buf_fixed(&buf, bytes, sizeof(bytes));
        assert_int_equal(rf_hex_decode(rf_view_str(bad[i].hex), &buf), 0);
        struct rf_view in = rf_buf_view(&buf);
        assert_int_equal(rf_file_message_next(&in, &m), bad[i].error);
    }
}

int test_files_format(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_vectors),     cmocka_unit_test(test_file_vector),
        cmocka_unit_test(test_proofs),           cmocka_unit_test(test_references),
        cmocka_unit_test(test_reference_limits), cmocka_unit_test(test_names),
        cmocka_unit_test(test_messages),         cmocka_unit_test(test_broken_messages),
    };
    return cmocka_run_group_tests_name("format", tests, set_up, tear_down);
}
