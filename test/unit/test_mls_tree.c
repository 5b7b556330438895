/* test_mls_tree.c - tree arithmetic, the ratchet tree, paths: by the vectors of the MLS working group. */
#include "test_mls.h"

#include "mls/treekem.h"

/* ---- arithmetic ---- */

static void check_math(const json_t *one)
{
    static const char *const names[] = {"left", "right", "parent", "sibling"};
    uint32_t leaves = (uint32_t)rf_json_number(one, "n_leaves"), nodes = mls_node_count(leaves);

    assert_int_equal(nodes, rf_json_number(one, "n_nodes"));
    assert_int_equal(mls_root(leaves), rf_json_number(one, "root"));
    for (uint32_t x = 0; x < nodes; x++)
        for (int i = 0; i < 4; i++) {
            const json_t *expected = json_array_get(json_object_get(one, names[i]), x);
            bool defined = i < 2 ? !mls_is_leaf(x) : x != mls_root(leaves);

            assert_int_equal(json_is_integer(expected), defined);
            if (defined)
                assert_int_equal(i == 0   ? mls_left(x)
                                 : i == 1 ? mls_right(x)
                                 : i == 2 ? mls_parent(x)
                                          : mls_sibling(x),
                                 json_integer_value(expected));
        }
}

static void arithmetic(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/tree-math", check_math), 10);
    for (uint32_t a = 0; a < 16; a++)
        for (uint32_t b = 0; b < 16; b++) {
            uint32_t x = 2 * a;
            unsigned level = 0;

            for (; !mls_below(2 * b, x); x = mls_parent(x))
                level++;
            assert_int_equal(mls_common_level(a, b), level);
            assert_int_equal(mls_ancestor(a, level), x);
            assert_true(a >= mls_first_leaf(x) && b < mls_leaves_end(x));
        }
}

/* ---- operations ---- */

static void check_operation(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    struct rf_view in = rf_json_hex(one, "proposal");
    struct mls_proposal proposal;
    struct mls_tree tree;
    struct rf_buf encoded;
    uint8_t hash[32];
    uint32_t leaf;

    OK(mls_tree_decode(kit, rf_json_hex(one, "tree_before"), &tree));
    OK(mls_tree_root_hash(kit, &tree, hash));
    mls_assert_view(rf_view_of(hash, 32), rf_json_hex(one, "tree_hash_before"));
    OK(mls_proposal_decode(&in, &proposal));
    if (proposal.type == MLS_ADD) {
        OK(mls_tree_add(&tree, proposal.add.leaf.whole, &leaf));
    } else if (proposal.type == MLS_UPDATE) {
        OK(mls_tree_update(&tree, (uint32_t)rf_json_number(one, "proposal_sender"), proposal.update.whole));
    } else {
        mls_tree_remove(&tree, proposal.removed);
        mls_tree_truncate(&tree);
    }
    rf_buf_init(&encoded, kit->mem, 1 << 20);
    mls_tree_encode(&tree, &encoded);
    mls_assert_view(rf_buf_view(&encoded), rf_json_hex(one, "tree_after"));
    OK(mls_tree_root_hash(kit, &tree, hash));
    mls_assert_view(rf_view_of(hash, 32), rf_json_hex(one, "tree_hash_after"));
    rf_buf_deinit(&encoded);
    mls_tree_deinit(&tree);
}

static void operations(void **state)
{
    (void)state;
    assert_int_equal(rf_json_vector_run("mls/tree-operations", check_operation), 5);
}

/* ---- validation ---- */

/* unusable: of the right form, but nobody can encrypt to it: X25519's zero, and a point that is not on P-256. */
static struct rf_view unusable(const struct mls_kit *kit)
{
    static const uint8_t keys[2][RF_DH_PUBLIC_MAX_LEN] = {{0}, {4}};

    return rf_view_of(keys[kit->suite->id - 1], kit->suite->public_len);
}

/* Every parent's hash and every list of unmerged leaves counts: each, changed by itself, makes the tree invalid. */
static void break_parents(const struct mls_kit *kit, struct mls_tree *tree)
{
    for (uint32_t node = 1; node < mls_node_count(tree->leaf_count); node += 2) {
        const struct mls_tree_parent *parent = mls_tree_parent(tree, node);
        struct mls_tree broken;
        uint8_t hash[32], key[RF_DH_PUBLIC_MAX_LEN];

        if (parent == NULL)
            continue;
        memcpy(hash, parent->parent_hash, sizeof(hash));
        memcpy(key, parent->key, sizeof(key));
        if (node != mls_root(tree->leaf_count) && parent->parent_hash_len > 0) {
            hash[5] ^= 1;
            OK(mls_tree_copy(tree, &broken));
            OK(mls_tree_set_parent(&broken, node, rf_view_of(key, parent->key_len), rf_view_of(hash, 32)));
            assert_true(mls_tree_check(kit, &broken) < 0);
            mls_tree_deinit(&broken);
        }
        hash[5] ^= 1;
        key[9] ^= 1;
        OK(mls_tree_copy(tree, &broken));
        OK(mls_tree_set_parent(&broken, node, rf_view_of(key, parent->key_len),
                               rf_view_of(parent->parent_hash, parent->parent_hash_len)));
        assert_true(mls_tree_check(kit, &broken) < 0);
        mls_tree_deinit(&broken);
        OK(mls_tree_copy(tree, &broken));
        OK(mls_tree_set_parent(&broken, node, unusable(kit),
                               rf_view_of(parent->parent_hash, parent->parent_hash_len)));
        assert_true(mls_tree_check(kit, &broken) < 0);
        if (node == 1)
            assert_int_equal(mls_tree_check(kit, &broken), RF_EFORMAT);
        mls_tree_deinit(&broken);
    }
}

/* Keys that nobody could encrypt to stop at the door. */
static void unusable_keys(const struct mls_kit *kit, const struct mls_leaf *good,
                          const struct mls_place *place)
{
    struct mls_key_package kp = {.suite = kit->suite->id, .init_key = unusable(kit), .leaf = *good};
    struct mls_leaf leaf = *good;

    leaf.encryption_key = unusable(kit);
    assert_int_equal(mls_leaf_check(kit, NULL, &leaf, 0, place), RF_EFORMAT);
    assert_int_equal(mls_key_package_check(kit, NULL, &kp), RF_EFORMAT);
}

static void check_validation(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    const json_t *resolutions = json_object_get(one, "resolutions"),
                 *hashes = json_object_get(one, "tree_hashes");
    struct mls_tree tree;
    struct rf_buf encoded;
    uint8_t hash[32];

    OK(mls_tree_decode(kit, rf_json_hex(one, "tree"), &tree));
    assert_int_equal(json_array_size(hashes), mls_node_count(tree.leaf_count));
    for (uint32_t x = 0; x < mls_node_count(tree.leaf_count); x++) {
        const json_t *expected = json_array_get(resolutions, x);
        struct mls_nodes got;

        mls_nodes_init(&got, kit->mem);
        OK(mls_tree_resolution(&tree, x, &got));
        assert_int_equal(got.count, json_array_size(expected));
        for (size_t i = 0; i < got.count; i++)
            assert_int_equal(got.at[i], json_integer_value(json_array_get(expected, i)));
        mls_nodes_deinit(&got);
        OK(mls_tree_hash(kit, &tree, x, hash));
        mls_assert_view(rf_view_of(hash, 32), rf_json_hex_of(json_array_get(hashes, x)));
    }
    OK(mls_tree_check(kit, &tree));
    for (uint32_t i = 0; i < tree.leaf_count; i++) {
        struct mls_place place = {rf_json_hex(one, "group_id"), i};

        if (mls_tree_leaf(&tree, i) != NULL)
            OK(mls_leaf_check(kit, NULL, mls_tree_leaf(&tree, i), 0, &place));
        if (mls_tree_leaf(&tree, i) != NULL)
            unusable_keys(kit, mls_tree_leaf(&tree, i), &place);
        place.leaf++;
        if (mls_tree_leaf(&tree, i) != NULL && mls_tree_leaf(&tree, i)->source != MLS_SOURCE_KEY_PACKAGE)
            assert_int_equal(mls_leaf_check(kit, NULL, mls_tree_leaf(&tree, i), 0, &place), RF_ESIGNATURE);
    }
    rf_buf_init(&encoded, kit->mem, 1 << 20);
    mls_tree_encode(&tree, &encoded);
    mls_assert_view(rf_buf_view(&encoded), rf_json_hex(one, "tree"));
    rf_buf_deinit(&encoded);
    break_parents(kit, &tree);
    mls_tree_deinit(&tree);
}

static void validation(void **state)
{
    (void)state;
    assert_true(rf_json_vector_run("mls/tree-validation", check_validation) >= 8);
}

/* ---- paths ---- */

/* What a leaf of the vector knows. */
static bool private_keys(const struct mls_kit *kit, const json_t *one, const struct mls_tree *tree,
                         uint32_t leaf, struct mls_keys *keys, struct rf_view *signature_key)
{
    const json_t *all = json_object_get(one, "leaves_private");

    memset(keys, 0, sizeof(*keys));
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *p = json_array_get(all, i), *secrets = json_object_get(p, "path_secrets");

        if (rf_json_number(p, "index") != leaf)
            continue;
        mls_keys_set(keys, 0, rf_json_hex(p, "encryption_priv").p);
        for (size_t k = 0; k < json_array_size(secrets); k++) {
            const json_t *s = json_array_get(secrets, k);
            struct rf_hpke_pair pair;
            struct rf_view key;
            uint8_t node[32];

            OK(mls_derive(kit, rf_json_hex(s, "path_secret").p, "node", node));
            OK(mls_derive_pair(kit, node, &pair));
            assert_true(mls_tree_key(tree, (uint32_t)rf_json_number(s, "node"), &key));
            mls_assert_view(mls_pair_public(&pair), key);
            mls_keys_set(keys, mls_level((uint32_t)rf_json_number(s, "node")), pair.private);
        }
        *signature_key = rf_json_hex(p, "signature_priv");
        return true;
    }
    return false;
}

static void context_put(const struct mls_kit *kit, const json_t *one, struct mls_tree *tree,
                        struct rf_buf *out)
{
    struct mls_group_context gc = {.suite = kit->suite->id, .epoch = rf_json_number(one, "epoch")};
    uint8_t hash[32];

    OK(mls_tree_root_hash(kit, tree, hash));
    gc.group_id = rf_json_hex(one, "group_id");
    gc.tree_hash = rf_view_of(hash, sizeof(hash));
    gc.confirmed_transcript_hash = rf_json_hex(one, "confirmed_transcript_hash");
    rf_buf_reset(out);
    mls_group_context_encode(&gc, out);
}

static void check_received(const struct mls_kit *kit, const json_t *one, const json_t *u,
                           struct rf_view encoded, struct rf_view expected_secret,
                           struct rf_view expected_hash)
{
    uint32_t sender = (uint32_t)rf_json_number(u, "sender");
    struct rf_view in = encoded, signature_key;
    struct mls_nodes nobody = {.mem = kit->mem};
    struct mls_update_path update;
    struct mls_tree before, after;
    struct mls_path path;
    struct rf_buf context;

    OK(mls_update_path_decode(&in, &update));
    OK(mls_tree_decode(kit, rf_json_hex(one, "ratchet_tree"), &before));
    OK(mls_tree_copy(&before, &after));
    OK(mls_path_apply(kit, &after, sender, &update, &nobody, &path));
    rf_buf_init(&context, kit->mem, 4096);
    context_put(kit, one, &after, &context);
    if (expected_hash.len > 0) {
        uint8_t hash[32];

        OK(mls_tree_root_hash(kit, &after, hash));
        mls_assert_view(rf_view_of(hash, 32), expected_hash);
    }
    OK(mls_tree_check(kit, &after));
    for (uint32_t leaf = 0; leaf < before.leaf_count; leaf++) {
        struct mls_keys keys;
        uint8_t secret[32];

        if (leaf == sender || !private_keys(kit, one, &before, leaf, &keys, &signature_key))
            continue;
        OK(mls_path_open(kit, &after, sender, leaf, &path, &update, &nobody, rf_buf_view(&context), &keys,
                         secret));
        mls_assert_view(rf_view_of(secret, 32), expected_secret);
    }
    rf_buf_deinit(&context);
    mls_tree_deinit(&after);
    mls_tree_deinit(&before);
}

/* A path of our own on the same tree: everybody comes to the same secret. */
static void check_made(const struct mls_kit *kit, const json_t *one, const json_t *u)
{
    uint32_t sender = (uint32_t)rf_json_number(u, "sender");
    struct mls_nodes nobody = {.mem = kit->mem};
    struct mls_path_draft draft;
    struct rf_buf context, path;
    struct rf_view private;
    struct mls_keys keys;
    struct mls_tree tree;
    struct rf_key *key;

    OK(mls_tree_decode(kit, rf_json_hex(one, "ratchet_tree"), &tree));
    assert_true(private_keys(kit, one, &tree, sender, &keys, &private));
    OK(kit->crypto->ops->key_from_raw(kit->crypto, kit->suite->key_type, private, &key));
    OK(mls_path_make(kit, &tree, sender, mls_tree_leaf(&tree, sender), rf_json_hex(one, "group_id"), key,
                     &keys, &draft));
    rf_buf_init(&context, kit->mem, 4096);
    rf_buf_init(&path, kit->mem, 1 << 20);
    context_put(kit, one, &tree, &context);
    OK(mls_path_encode(kit, &tree, sender, &draft, &nobody, rf_buf_view(&context), &path));
    check_received(kit, one, u, rf_buf_view(&path), rf_view_of(draft.commit_secret, 32), NOTHING);
    rf_buf_deinit(&context);
    rf_buf_deinit(&path);
    kit->crypto->ops->key_free(kit->crypto, key);
    mls_tree_deinit(&tree);
}

static void check_treekem(const json_t *one)
{
    const struct mls_kit *kit = mls_kit_of(one);
    const json_t *paths = json_object_get(one, "update_paths");

    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *u = json_array_get(paths, i);

        check_received(kit, one, u, rf_json_hex(u, "update_path"), rf_json_hex(u, "commit_secret"),
                       rf_json_hex(u, "tree_hash_after"));
        check_made(kit, one, u);
    }
}

static void paths(void **state)
{
    (void)state;
    assert_true(rf_json_vector_run("mls/treekem", check_treekem) >= 6);
}

static void broken_trees(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int error;
    } broken[] = {
        {"", 0, RF_EFORMAT},
        {"\x00", 1, RF_EINVAL},
        {"\x01\x00", 2, RF_EINVAL},
        {"\x00\x00", 2, RF_EFORMAT},
        {"\x02\x01\x03", 3, RF_EUNKNOWN},
        {"\x02\x01\x02", 3, RF_EINVAL},
        {"\x03\x00\x01\x01", 4, RF_EINVAL},
        {"\x01\x02", 2, RF_EFORMAT},
    };
    struct mls_tree tree;

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_int_equal(mls_tree_decode(&mls.kit[0], rf_view_of(broken[i].bytes, broken[i].len), &tree),
                         broken[i].error);
}

int test_mls_tree(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic), cmocka_unit_test(operations),   cmocka_unit_test(validation),
        cmocka_unit_test(paths),      cmocka_unit_test(broken_trees),
    };

    return cmocka_run_group_tests_name("mls_tree", tests, mls_set_up, mls_tear_down);
}
