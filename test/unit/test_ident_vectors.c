/* test_ident_vectors.c - every signature in test/vectors/ verifies, that of messages and of the values inside; bent ones do not. */
#include "test_ident.h"

#include "base/text.h"
#include "support/vector.h"
#include "wire/frame.h"
#include "wire/store.h"

/* All frames but acks and fragments. */
static const char *const messages[] = {
    "ping_req",           "ping_ans",           "attach_req",
    "attach_ans",         "attach_req_noice",   "join_req",
    "join_ans",           "update_peer_ready",  "update_ans",
    "update_neighbors",   "update_full",        "store_single",
    "store_array",        "store_sip_route",    "store_ans",
    "store_sip_uri",      "store_remove",       "store_replica",
    "store_multi_nodeid", "fetch_req",          "fetch_ans",
    "fetch_req_key",      "stat_req",           "stat_ans",
    "find_req",           "find_ans",           "error_forbidden",
    "error_generation",   "error_unknown_kind", "app_attach_req",
    "app_attach_ans",     "leave_req",          "leave_ans",
    "route_query_req",    "route_query_ans",    "probe_req",
    "probe_ans",          "config_update_kind", "config_update_config",
    "ping_via_drr",       "path_track_req",     "path_track_ans",
    "ping_diag",          "store_redir",        "store_acl",
};

struct vectors {
    struct rf_mem_test mem;
    struct rf_crypto *c;
    struct rf_trust *trust;
    struct rf_buf frame, ca;
    struct rf_message m;
};

static void configure(struct vectors *v, const struct rf_id *bad_nodes, size_t bad_node_count)
{
    struct rf_view root = rf_buf_view(&v->ca);
    struct rf_trust_config config = {.overlay = OVERLAY,
                                     .id_len = 16,
                                     .roots = &root,
                                     .root_count = 1,
                                     .bad_nodes = bad_nodes,
                                     .bad_node_count = bad_node_count};

    assert_int_equal(rf_trust_configure(v->trust, &config), 0);
}

static void vectors_init(struct vectors *v)
{
    static const uint64_t seed[2] = {5, 6};

    rf_mem_test_init(&v->mem);
    v->c = rf_crypto_openssl_new(&v->mem.mem);
    rf_buf_init(&v->frame, &v->mem.mem, 1 << 16);
    rf_buf_init(&v->ca, &v->mem.mem, 1 << 16);
    rf_vector_read("cert_ca", &v->ca);
    assert_int_equal(rf_trust_new(v->c, &v->mem.mem, seed, 100, &v->trust), 0);
    configure(v, NULL, 0);
}

static void vectors_deinit(struct vectors *v)
{
    rf_trust_free(v->trust);
    rf_buf_deinit(&v->frame);
    rf_buf_deinit(&v->ca);
    rf_crypto_openssl_free(v->c);
    assert_int_equal(v->mem.live_count, 0);
}

static void load(struct vectors *v, const char *name)
{
    struct rf_frame frame;
    struct rf_view in;

    rf_buf_reset(&v->frame);
    rf_vector_read(name, &v->frame);
    in = rf_buf_view(&v->frame);
    assert_int_equal(rf_frame_next(&in, 5000, &frame), 0);
    assert_int_equal(rf_message_decode(frame.message, 16, &v->m), 0);
}

static void messages_verify(void **state)
{
    struct vectors v;
    (void)state;
    vectors_init(&v);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct rf_signer signer;

        load(&v, messages[i]);
        assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), 0);
        /* alice a1.., bob b0.., dave da..04: nobody else signs */
        assert_true(signer.node_id.b[0] == 0xa1 || signer.node_id.b[0] == 0xb0 ||
                    (signer.node_id.b[0] == 0xda && signer.node_id.b[15] == 4));
        rf_signer_deinit(&signer);
    }
    assert_int_equal(rf_trust_counters(v.trust)->signatures_verified, sizeof(messages) / sizeof(messages[0]));
    assert_true(rf_trust_counters(v.trust)->cert_decoded <= 3); /* each certificate once */
    vectors_deinit(&v);
}

static void bent_messages_do_not(void **state)
{
    static const char *const some[] = {"ping_req", "ping_ans", "store_multi_nodeid"};
    struct vectors v;
    struct rf_signer signer;
    (void)state;
    vectors_init(&v);
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        uint8_t *contents, *value;

        load(&v, some[i]);
        contents = (uint8_t *)(uintptr_t)v.m.contents.p;
        value = (uint8_t *)(uintptr_t)v.m.security.signature.value.p;
        for (size_t k = 0; k < v.m.contents.len; k++) {
            contents[k] ^= 0x40;
            assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), RF_ESIGNATURE);
            contents[k] ^= 0x40;
        }
        for (size_t k = 0; k < v.m.security.signature.value.len; k += 7) {
            value[k] ^= 0x40;
            assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), RF_ESIGNATURE);
            value[k] ^= 0x40;
        }
        v.m.header.overlay ^= 1;
        assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), RF_ESIGNATURE);
        v.m.header.overlay ^= 1;
        v.m.header.transaction_id ^= 1;
        assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), RF_ESIGNATURE);
        v.m.header.transaction_id ^= 1;
        v.m.header.ttl ^= 1; /* not signed */
        assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), 0);
        rf_signer_deinit(&signer);
    }
    vectors_deinit(&v);
}

static void fragments_verify_when_joined(void **state)
{
    struct vectors v;
    struct rf_buf rest;
    struct rf_signer signer;
    (void)state;
    vectors_init(&v);
    rf_buf_init(&rest, &v.mem.mem, 1 << 16);
    for (int n = 1; n <= 2; n++) {
        struct rf_frame frame;
        struct rf_view in;

        rf_buf_reset(&v.frame);
        rf_vector_read(n == 1 ? "fragment_1" : "fragment_2", &v.frame);
        in = rf_buf_view(&v.frame);
        assert_int_equal(rf_frame_next(&in, 5000, &frame), 0);
        assert_int_equal(rf_header_decode(&frame.message, 16, &v.m.header), 0);
        assert_int_equal(v.m.header.fragment & RF_FRAGMENT_OFFSET_MASK, rest.len);
        rf_buf_view_put(&rest, frame.message);
    }
    assert_int_equal(rf_message_decode_rest(rf_buf_view(&rest), &v.m), 0);
    assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), 0);
    rf_signer_deinit(&signer);
    rf_buf_deinit(&rest);
    vectors_deinit(&v);
}

/* check_values verifies the stored values under one Kind; each also with another Resource-ID, time and Kind. */
static size_t check_values(struct vectors *v, struct rf_view resource, const struct rf_kind_values *kind)
{
    struct rf_view list = kind->values;
    struct rf_stored stored;
    size_t signed_count = 0;

    while (list.len > 0) {
        enum rf_model model = rf_kind_model(kind->kind);
        struct rf_stored_data data;
        struct rf_signed input;
        struct rf_signer signer;

        assert_int_equal(rf_stored_next(&list, &stored), 0);
        assert_int_equal(rf_stored_data_decode(&stored, model, &data), 0);
        rf_signed_stored(resource, kind->kind, data.storage_time_ms, model, data.value_raw, &input);
        if (rf_signature_is_none(&data.signature)) {
            assert_int_equal(rf_verify(v->trust, v->m.security.certs, v->m.security.cert_count,
                                       &data.signature, input.parts, input.part_count, NOW_MS, &signer),
                             RF_EUNKNOWN);
            continue;
        }
        assert_int_equal(rf_verify(v->trust, v->m.security.certs, v->m.security.cert_count, &data.signature,
                                   input.parts, input.part_count, NOW_MS, &signer),
                         0);
        rf_signer_deinit(&signer);
        signed_count++;
        rf_signed_stored(resource, kind->kind, data.storage_time_ms + 1, model, data.value_raw, &input);
        assert_int_equal(rf_verify(v->trust, v->m.security.certs, v->m.security.cert_count, &data.signature,
                                   input.parts, input.part_count, NOW_MS, &signer),
                         RF_ESIGNATURE);
        rf_signed_stored(resource, kind->kind + 1, data.storage_time_ms, model, data.value_raw, &input);
        assert_int_equal(rf_verify(v->trust, v->m.security.certs, v->m.security.cert_count, &data.signature,
                                   input.parts, input.part_count, NOW_MS, &signer),
                         RF_ESIGNATURE);
    }
    return signed_count;
}

static void stored_values_verify(void **state)
{
    static const struct {
        const char *name;
        size_t count;
    } cases[] = {
        {"store_single", 1},       {"store_array", 1},  {"store_sip_route", 1},
        {"store_sip_uri", 1},      {"store_remove", 1}, {"store_replica", 1},
        {"store_multi_nodeid", 1}, {"store_redir", 1},  {"store_acl", 2},
    };
    struct vectors v;
    (void)state;
    vectors_init(&v);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_store_req req;
        struct rf_region region;
        size_t count = 0;

        load(&v, cases[i].name);
        rf_region_init(&region, &v.mem.mem, 1 << 16);
        assert_int_equal(rf_store_req_decode(v.m.body, &region, &req), 0);
        for (size_t k = 0; k < req.kind_count; k++)
            count += check_values(&v, req.resource, &req.kinds[k]);
        if (count != cases[i].count)
            fail_msg("%s: %zu", cases[i].name, count);
        rf_region_deinit(&region);
    }
    vectors_deinit(&v);
}

/* The registration in fetch_ans is the one at H("alice@example.org"); the rest of that answer is synthesized. */
static void fetched_values_verify(void **state)
{
    struct rf_view name = VIEW("alice@example.org");
    struct vectors v;
    struct rf_region region;
    struct rf_fetch_ans ans;
    struct rf_id resource;
    size_t count = 0;
    (void)state;
    vectors_init(&v);
    load(&v, "fetch_ans");
    rf_region_init(&region, &v.mem.mem, 1 << 16);
    assert_int_equal(rf_overlay_hash(v.c, &name, 1, 16, &resource), 0);
    assert_int_equal(rf_fetch_ans_decode(v.m.body, &region, &ans), 0);
    for (size_t k = 0; k < ans.kind_count; k++)
        count += check_values(&v, rf_id_view(&resource), &ans.kinds[k]);
    assert_int_equal(count, 1);
    rf_region_deinit(&region);
    vectors_deinit(&v);
}

/* The document of the vectors lists dave's other Node-ID as bad: the whole certificate is refused. */
static void a_bad_node_id_revokes_the_certificate(void **state)
{
    struct rf_id bad;
    struct vectors v;
    struct rf_signer signer;
    (void)state;
    vectors_init(&v);
    assert_int_equal(rf_id_parse("da5e0000000000000000000000000003", &bad), 0);
    configure(&v, &bad, 1);
    load(&v, "store_multi_nodeid");
    assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), RF_EREVOKED);
    load(&v, "ping_req");
    assert_int_equal(rf_verify_message(v.trust, &v.m, NOW_MS, &signer), 0);
    rf_signer_deinit(&signer);
    vectors_deinit(&v);
}

static void hex_of(struct rf_view bytes, struct rf_buf *out)
{
    rf_buf_reset(out);
    rf_hex_put(out, bytes);
    rf_buf_u8(out, 0);
}

/* The keys of 8.1 with the certificates of the vectors make the same SignerIdentity, and for Ed25519 the same signatures. */
static void identities_of_the_vectors_sign_alike(void **state)
{
    static const struct {
        const char *cert, *key, *node_id, *identity;
        enum rf_key_type type;
        const char *message; /* NULL: ECDSA is not deterministic here */
    } cases[] = {
        {"cert_alice", "68a346727978daab9aa51db843329e1a110a0ec1eaa3ed7bb27f4588c8e3d1df",
         "a11ce000000000000000000000000001",
         "0100220420f77ed1c968cedf54857a002cce1571df655eb8b1f1194c6baf44c663e66b7b65", RF_KEY_ED25519,
         "ping_req"},
        {"cert_bob", "2caf1bccba2e2f82430104ce9ffea275fcac43dcc712ab850e5733a264db97d7",
         "b0b00000000000000000000000000002",
         "0100220420aeb0555c61d40efca8ad5b37623d7f34f2b6cfa1ac1553fef747f5156908de65", RF_KEY_P256, NULL},
        {"cert_dave", "8fc46defdfb78616bf2281a099f404e66a636e6b53538cff18666b4bd44f4755",
         "da5e0000000000000000000000000004",
         "0200220420b51b3c2f7dfb9ba8438ae0c74f17e2a361117228f6b3ea493c9af5b504f95ec6", RF_KEY_ED25519,
         "store_multi_nodeid"},
    };
    struct vectors v;
    struct rf_buf der, raw, text, block;
    (void)state;
    vectors_init(&v);
    rf_buf_init(&der, &v.mem.mem, 1 << 14);
    rf_buf_init(&raw, &v.mem.mem, 1 << 14);
    rf_buf_init(&text, &v.mem.mem, 1 << 14);
    rf_buf_init(&block, &v.mem.mem, 1 << 14);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rf_identity identity;
        struct rf_cert *cert;
        struct rf_key *key;
        struct rf_id node_id;

        rf_buf_reset(&der);
        rf_vector_read(cases[i].cert, &der);
        rf_buf_reset(&raw);
        assert_int_equal(rf_hex_decode(rf_view_str(cases[i].key), &raw), 0);
        assert_int_equal(rf_id_parse(cases[i].node_id, &node_id), 0);
        assert_int_equal(v.c->ops->key_from_raw(v.c, cases[i].type, rf_buf_view(&raw), &key), 0);
        assert_int_equal(rf_trust_cert(v.trust, rf_buf_view(&der), NULL, 0, NOW_MS, &cert), 0);
        assert_int_equal(rf_identity_init(&identity, v.c, key, cert, &node_id), 0);
        hex_of(rf_view_of(identity.signer_identity, identity.signer_identity_len), &text);
        assert_string_equal((const char *)text.p, cases[i].identity);
        if (cases[i].message != NULL) {
            struct rf_view whole;

            load(&v, cases[i].message);
            rf_buf_reset(&block);
            assert_int_equal(rf_identity_security_block(&identity, v.m.header.overlay,
                                                        v.m.header.transaction_id, v.m.contents,
                                                        v.m.security.certs, v.m.security.cert_count, &block),
                             0);
            /* the block is the end of the frame, byte for byte */
            whole = rf_buf_view(&v.frame);
            assert_true(block.len < whole.len);
            assert_memory_equal(block.p, whole.p + whole.len - block.len, block.len);
        }
        rf_identity_deinit(&identity);
        rf_cert_release(cert);
    }
    rf_buf_deinit(&der);
    rf_buf_deinit(&raw);
    rf_buf_deinit(&text);
    rf_buf_deinit(&block);
    vectors_deinit(&v);
}

int test_ident_vectors(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_verify),
        cmocka_unit_test(bent_messages_do_not),
        cmocka_unit_test(fragments_verify_when_joined),
        cmocka_unit_test(stored_values_verify),
        cmocka_unit_test(fetched_values_verify),
        cmocka_unit_test(a_bad_node_id_revokes_the_certificate),
        cmocka_unit_test(identities_of_the_vectors_sign_alike),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
