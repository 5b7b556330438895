/* test_policy.c - each access policy with good and bad signers (reload.md 4.7), and chains of access control lists (7.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "overlay/policy.h"
#include "support/pki.h"
#include "wire/value.h"

enum { ALICE, ALICE2, BOB, CAROL, DAVE, SIGNERS };
static const char *const names[SIGNERS] = {"alice@example.org", "alice@example.org", "bob@example.org",
                                           "carol@example.org", "dave@example.org"};
static struct rf_pki pki;
static struct rf_identity identities[SIGNERS];
static struct rf_signer signers[SIGNERS];

static int group_setup(void **state)
{
    (void)state;
    struct rf_pki_config config = {.no_ice = true};
    assert_int_equal(rf_pki_init(&pki, &config), 0);
    for (size_t i = 0; i < SIGNERS; i++) {
        struct rf_id id = {.len = 16,
                           .b = {(uint8_t)(0xa0 + i), [13] = 0x11, [14] = 0x22, [15] = (uint8_t)(0x30 + i)}};
        assert_int_equal(rf_pki_node(&pki, names[i], &id, RF_KEY_ED25519, &identities[i]), 0);
        signers[i] = (struct rf_signer){identities[i].cert, identities[i].node_id};
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIGNERS; i++)
        rf_identity_deinit(&identities[i]);
    rf_pki_deinit(&pki);
    return 0;
}

static struct rf_id hash(struct rf_view first, struct rf_view second)
{
    struct rf_view parts[2] = {first, second};
    struct rf_id id;
    assert_int_equal(rf_overlay_hash(pki.crypto, parts, 2, 16, &id), 0);
    return id;
}

static struct rf_id hash_name(const char *name)
{
    return hash(rf_view_str(name), rf_view_of(NULL, 0));
}

static struct rf_view id_view(int signer)
{
    return rf_id_view(&identities[signer].node_id);
}

static int ask(const struct policy_question *q)
{
    char why[160] = "";
    int error = policy_check(q, why, sizeof(why));
    assert_true((error == 0) == (why[0] == '\0')); /* whoever is refused is told why */
    return error;
}

/* ---- the simple ones ---- */

static void test_simple(void **state)
{
    (void)state;
    const struct rf_view nothing = rf_view_of(NULL, 0);
    const struct rf_id alice = hash_name(names[ALICE]);
    const struct rf_id alice_node = hash(id_view(ALICE), nothing);
    struct rf_id multiple[5];
    for (uint8_t d = 0; d < 5; d++)
        multiple[d] = hash(id_view(ALICE), rf_view_of((uint8_t[]){0, 0, 0, d}, 4));
    const struct {
        const char *what;
        enum rf_policy policy;
        enum rf_model model;
        const struct rf_id *resource;
        int signer;
        int key; /* whose Node-ID; -1: other bytes */
        int error;
    } rows[] = {
        {"own name", RF_POLICY_USER_MATCH, RF_MODEL_SINGLE, &alice, ALICE, -1, 0},
        {"her other device", RF_POLICY_USER_MATCH, RF_MODEL_SINGLE, &alice, ALICE2, -1, 0},
        {"another's name", RF_POLICY_USER_MATCH, RF_MODEL_SINGLE, &alice, BOB, -1, RF_EFORBIDDEN},
        {"name, not node", RF_POLICY_USER_MATCH, RF_MODEL_SINGLE, &alice_node, ALICE, -1, RF_EFORBIDDEN},
        {"own node", RF_POLICY_NODE_MATCH, RF_MODEL_ARRAY, &alice_node, ALICE, -1, 0},
        {"same user, other node", RF_POLICY_NODE_MATCH, RF_MODEL_ARRAY, &alice_node, ALICE2, -1,
         RF_EFORBIDDEN},
        {"node, not name", RF_POLICY_NODE_MATCH, RF_MODEL_ARRAY, &alice, ALICE, -1, RF_EFORBIDDEN},
        {"own key", RF_POLICY_USER_NODE_MATCH, RF_MODEL_DICTIONARY, &alice, ALICE, ALICE, 0},
        {"the other device's key", RF_POLICY_USER_NODE_MATCH, RF_MODEL_DICTIONARY, &alice, ALICE, ALICE2,
         RF_EFORBIDDEN},
        {"key that is no node", RF_POLICY_USER_NODE_MATCH, RF_MODEL_DICTIONARY, &alice, ALICE, -1,
         RF_EFORBIDDEN},
        {"own key elsewhere", RF_POLICY_USER_NODE_MATCH, RF_MODEL_DICTIONARY, &alice, BOB, BOB,
         RF_EFORBIDDEN},
        {"no dictionary", RF_POLICY_USER_NODE_MATCH, RF_MODEL_SINGLE, &alice, ALICE, ALICE, RF_EFORBIDDEN},
        {"i = 0", RF_POLICY_NODE_MULTIPLE, RF_MODEL_SINGLE, &multiple[0], ALICE, -1, RF_EFORBIDDEN},
        {"i = 1", RF_POLICY_NODE_MULTIPLE, RF_MODEL_SINGLE, &multiple[1], ALICE, -1, 0},
        {"i = max", RF_POLICY_NODE_MULTIPLE, RF_MODEL_SINGLE, &multiple[3], ALICE, -1, 0},
        {"i > max", RF_POLICY_NODE_MULTIPLE, RF_MODEL_SINGLE, &multiple[4], ALICE, -1, RF_EFORBIDDEN},
        {"another node's", RF_POLICY_NODE_MULTIPLE, RF_MODEL_SINGLE, &multiple[1], BOB, -1, RF_EFORBIDDEN},
        {"own key", RF_POLICY_NODE_ID_MATCH, RF_MODEL_DICTIONARY, &alice, BOB, BOB, 0},
        {"another's key", RF_POLICY_NODE_ID_MATCH, RF_MODEL_DICTIONARY, &alice, BOB, ALICE, RF_EFORBIDDEN},
        {"no dictionary", RF_POLICY_NODE_ID_MATCH, RF_MODEL_ARRAY, &alice, BOB, BOB, RF_EFORBIDDEN},
        {"no policy", RF_POLICY_NONE, RF_MODEL_SINGLE, &alice, ALICE, -1, RF_EFORBIDDEN},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_kind_def kind = {
            .id = 0xf0000001, .model = rows[i].model, .policy = rows[i].policy, .max_node_multiple = 3};
        struct rf_stored_data data = {.model = rows[i].model,
                                      .exists = true,
                                      .slot = rows[i].key < 0 ? rf_view_str("other") : id_view(rows[i].key)};
        struct policy_question q = {.conf = pki.conf,
                                    .crypto = pki.crypto,
                                    .kind = &kind,
                                    .resource = *rows[i].resource,
                                    .data = &data,
                                    .signer = &signers[rows[i].signer]};
        for (enum policy_role role = POLICY_VALUE; role <= POLICY_READ;
             role++) { /* the same for everybody who asks */
            q.role = role;
            if (ask(&q) != rows[i].error)
                fail_msg("%s (policy %d)", rows[i].what, rows[i].policy);
        }
    }
}

/* The reference's own numbers (8.1): a certificate with two Node-IDs signs with one of them. */
static void test_one_of_several(void **state)
{
    (void)state;
    struct rf_identity dave;
    struct rf_id ids[2] = {{.len = 16, .b = {0xda, 0x5e, [15] = 3}},
                           {.len = 16, .b = {0xda, 0x5e, [15] = 4}}};
    assert_int_equal(rf_pki_node_multi(&pki, "dave@example.org", ids, 2, RF_KEY_ED25519, &dave), 0);
    struct rf_kind_def kind = {.id = 3, .model = RF_MODEL_ARRAY, .policy = RF_POLICY_NODE_MATCH};
    struct rf_stored_data data = {.model = RF_MODEL_ARRAY, .exists = true};
    for (size_t place = 0; place < 2; place++)
        for (size_t signs = 0; signs < 2; signs++) {
            struct rf_signer signer = {dave.cert, ids[signs]};
            struct policy_question q = {.conf = pki.conf,
                                        .crypto = pki.crypto,
                                        .kind = &kind,
                                        .role = POLICY_VALUE,
                                        .resource = hash(rf_id_view(&ids[place]), rf_view_of(NULL, 0)),
                                        .data = &data,
                                        .signer = &signer};
            assert_int_equal(ask(&q), place == signs ? 0 : RF_EFORBIDDEN);
        }
    rf_identity_deinit(&dave);
}

/* ---- chains ---- */

#define KIND  UINT32_C(0xf0000004)
#define OTHER UINT32_C(0xf0000005)

struct item {
    int signer;
    const char *to;
    uint32_t kind;
    bool ad;
};
struct chain_row {
    const char *what;
    struct item items[6];
    int signer;
    bool list; /* the written value is a list item for `to`, not a value of KIND */
    const char *to;
    int error;
};
static const struct chain_row chain_rows[] = {
    {"owner without a list", {{0}}, ALICE, false, NULL, 0},
    {"owner's other device", {{0}}, ALICE2, false, NULL, 0},
    {"stranger without a list", {{0}}, BOB, false, NULL, RF_EFORBIDDEN},
    {"one step",
     {{ALICE, "alice@example.org", KIND, true}, {ALICE, "bob@example.org", KIND, false}},
     BOB,
     false,
     NULL,
     0},
    {"one step, no root", {{ALICE, "bob@example.org", KIND, false}}, BOB, false, NULL, RF_EFORBIDDEN},
    {"root of another Kind",
     {{ALICE, "alice@example.org", OTHER, true}, {ALICE, "bob@example.org", KIND, false}},
     BOB,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"right for another Kind",
     {{ALICE, "alice@example.org", KIND, true}, {ALICE, "bob@example.org", OTHER, false}},
     BOB,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"root without delegation",
     {{ALICE, "alice@example.org", KIND, false}, {ALICE, "bob@example.org", KIND, false}},
     BOB,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"a root of his own", {{BOB, "bob@example.org", KIND, true}}, BOB, false, NULL, RF_EFORBIDDEN},
    {"two steps",
     {{ALICE, "alice@example.org", KIND, true},
      {ALICE, "bob@example.org", KIND, true},
      {BOB, "carol@example.org", KIND, false}},
     CAROL,
     false,
     NULL,
     0},
    {"two steps, any order",
     {{BOB, "carol@example.org", KIND, false},
      {ALICE, "bob@example.org", KIND, true},
      {ALICE, "alice@example.org", KIND, true}},
     CAROL,
     false,
     NULL,
     0},
    {"middle may not delegate",
     {{ALICE, "alice@example.org", KIND, true},
      {ALICE, "bob@example.org", KIND, false},
      {BOB, "carol@example.org", KIND, false}},
     CAROL,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"middle was taken out",
     {{ALICE, "alice@example.org", KIND, true}, {BOB, "carol@example.org", KIND, false}},
     CAROL,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"a second way round a dead end",
     {{ALICE, "alice@example.org", KIND, true},
      {DAVE, "carol@example.org", KIND, true},
      {BOB, "carol@example.org", KIND, true},
      {ALICE, "bob@example.org", KIND, true}},
     CAROL,
     false,
     NULL,
     0},
    {"a cycle",
     {{BOB, "carol@example.org", KIND, true},
      {CAROL, "dave@example.org", KIND, true},
      {DAVE, "bob@example.org", KIND, true}},
     CAROL,
     false,
     NULL,
     RF_EFORBIDDEN},
    {"a cycle with a way out",
     {{BOB, "carol@example.org", KIND, true},
      {CAROL, "bob@example.org", KIND, true},
      {ALICE, "bob@example.org", KIND, true},
      {ALICE, "alice@example.org", KIND, true}},
     CAROL,
     false,
     NULL,
     0},
    /* the list itself */
    {"owner stores the root", {{0}}, ALICE, true, "alice@example.org", 0},
    {"stranger stores a root",
     {{ALICE, "alice@example.org", KIND, true}, {ALICE, "bob@example.org", KIND, true}},
     BOB,
     true,
     "bob@example.org",
     RF_EFORBIDDEN},
    {"delegate adds an item",
     {{ALICE, "alice@example.org", KIND, true}, {ALICE, "bob@example.org", KIND, true}},
     BOB,
     true,
     "carol@example.org",
     0},
    {"who may only write adds one",
     {{ALICE, "alice@example.org", KIND, true}, {ALICE, "bob@example.org", KIND, false}},
     BOB,
     true,
     "carol@example.org",
     RF_EFORBIDDEN},
};

static size_t make_items(const struct item *items, struct policy_acl_item out[6])
{
    size_t count = 0;
    for (; count < 6 && items[count].to != NULL; count++)
        out[count] = (struct policy_acl_item){.to_user = rf_view_str(items[count].to),
                                              .kind = items[count].kind,
                                              .allow_delegation = items[count].ad,
                                              .signer_user = rf_view_str(names[items[count].signer])};
    return count;
}

static uint32_t own_index(int signer)
{
    return UINT32_C(0x11223000) | (uint32_t)signer << 8 | 7;
}

static void test_chains(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(chain_rows); i++) {
        const struct chain_row *row = &chain_rows[i];
        struct policy_acl_item items[6];
        uint8_t bytes[256];
        struct rf_buf value;
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        struct rf_kind_def kind = {.id = row->list ? RF_KIND_ACL : KIND,
                                   .model = RF_MODEL_ARRAY,
                                   .policy = RF_POLICY_USER_CHAIN_ACL};
        if (row->list) {
            struct rf_acl_value item = {
                .to_user = rf_view_str(row->to), .kind = KIND, .allow_delegation = true};
            rf_acl_value_encode(&item, &value);
        }
        struct rf_stored_data data = {.model = RF_MODEL_ARRAY,
                                      .exists = true,
                                      .index = own_index(row->signer),
                                      .value = rf_buf_view(&value)};
        struct policy_question q = {.conf = pki.conf,
                                    .crypto = pki.crypto,
                                    .kind = &kind,
                                    .resource = hash_name(names[ALICE]),
                                    .data = &data,
                                    .signer = &signers[row->signer],
                                    .acl = items};
        q.acl_count = make_items(row->items, items);
        for (enum policy_role role = POLICY_VALUE; role <= POLICY_READ; role++) {
            q.role = role;
            if (ask(&q) != row->error)
                fail_msg("%s, role %d", row->what, role);
        }
    }
}

static void test_chain_slots(void **state)
{
    (void)state;
    struct policy_acl_item items[6];
    static const struct item two[6] = {{ALICE, "alice@example.org", KIND, true},
                                       {ALICE, "bob@example.org", KIND, true}};
    size_t count = make_items(two, items);
    const struct {
        const char *what;
        enum policy_role role;
        int signer;
        uint32_t index;
        int old; /* who wrote what stands there; -1: nothing */
        bool exists;
        int error;
    } rows[] = {
        {"own index", POLICY_VALUE, BOB, UINT32_C(0x11223207), -1, true, 0},
        {"own index, other counter", POLICY_VALUE, BOB, UINT32_C(0x112232ff), -1, true, 0},
        {"another's index", POLICY_VALUE, BOB, UINT32_C(0x11223007), -1, true, RF_EFORBIDDEN},
        {"appended", POLICY_VALUE, BOB, RF_ARRAY_APPEND, -1, true, 0},
        {"the owner too", POLICY_VALUE, ALICE, UINT32_C(0x11223207), -1, true, RF_EFORBIDDEN},
        {"own value again", POLICY_VALUE, BOB, UINT32_C(0x00000001), BOB, true, 0}, /* appended before */
        {"over another's", POLICY_VALUE, BOB, UINT32_C(0x00000001), CAROL, true, RF_EFORBIDDEN},
        {"owner over another's", POLICY_VALUE, ALICE, UINT32_C(0x00000001), CAROL, true, 0},
        {"owner removes another's", POLICY_VALUE, ALICE, UINT32_C(0x00000001), CAROL, false, 0},
        {"takes back his own", POLICY_VALUE, DAVE, UINT32_C(0x00000001), DAVE, false, 0},
        {"overwrites his own without the right", POLICY_VALUE, DAVE, UINT32_C(0x00000001), DAVE, true,
         RF_EFORBIDDEN},
        {"who sends it need not have the index", POLICY_REQUEST, BOB, UINT32_C(0x11223007), -1, true, 0},
        {"a copy has the index it got", POLICY_COPY, BOB, UINT32_C(0x00000001), -1, true, 0},
        {"a copy over another's", POLICY_COPY, BOB, UINT32_C(0x00000001), CAROL, true, RF_EFORBIDDEN},
        {"readers see any index", POLICY_READ, BOB, UINT32_C(0x00000001), -1, true, 0},
    };
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_kind_def kind = {.id = KIND, .model = RF_MODEL_ARRAY, .policy = RF_POLICY_USER_CHAIN_ACL};
        struct rf_stored_data data = {
            .model = RF_MODEL_ARRAY, .exists = rows[i].exists, .index = rows[i].index};
        struct policy_question q = {.conf = pki.conf,
                                    .crypto = pki.crypto,
                                    .kind = &kind,
                                    .resource = hash_name(names[ALICE]),
                                    .data = &data,
                                    .signer = &signers[rows[i].signer],
                                    .role = rows[i].role,
                                    .acl = items,
                                    .acl_count = count,
                                    .old_there = rows[i].old >= 0};
        if (rows[i].old >= 0)
            q.old_user = rf_view_str(names[rows[i].old]);
        if (ask(&q) != rows[i].error)
            fail_msg("%s", rows[i].what);
    }
    /* dictionaries: the key is the signer's Node-ID */
    struct rf_kind_def kind = {.id = KIND, .model = RF_MODEL_DICTIONARY, .policy = RF_POLICY_USER_CHAIN_ACL};
    for (int signer = ALICE; signer <= BOB; signer++)
        for (int key = ALICE; key <= BOB; key++) {
            struct rf_stored_data data = {.model = RF_MODEL_DICTIONARY, .exists = true, .slot = id_view(key)};
            struct policy_question q = {.conf = pki.conf,
                                        .crypto = pki.crypto,
                                        .kind = &kind,
                                        .resource = hash_name(names[ALICE]),
                                        .data = &data,
                                        .signer = &signers[signer],
                                        .role = POLICY_VALUE,
                                        .acl = items,
                                        .acl_count = count};
            assert_int_equal(ask(&q), signer == key ? 0 : RF_EFORBIDDEN);
        }
}

/* ---- names that differ from the user's ---- */

static void test_variable_names(void **state)
{
    (void)state;
    static const char *patterns[] = {"[a-z]+-conf-$USER@$DOMAIN", ".*@nowhere", "($USER", "x"};
    const struct {
        const char *name;
        int signer;
        bool delegated; /* alice's list lets bob write */
        int error;
    } rows[] = {
        {"tea-conf-alice@example.org", ALICE, false, 0},
        {"tea-conf-alice@example.org", ALICE2, false, 0},
        {"tea-conf-alice@example.org", BOB, false, RF_EFORBIDDEN},
        {"tea-conf-alice@example.org", BOB, true, 0},
        {"TEA-conf-alice@example.org", ALICE, false, RF_EFORBIDDEN},
        {"tea-conf-alice@exampleXorg", ALICE, false,
         RF_EFORBIDDEN}, /* the name's dots are no regular expression */
        {"xtea-conf-alice@example.orgx", ALICE, false, RF_EFORBIDDEN},
        {"tea-conf-bob@example.org", ALICE, false, RF_EFORBIDDEN},
        {"tea-conf-bob@example.org", BOB, false, 0},
        {"any@nowhere", ALICE, false,
         RF_EFORBIDDEN}, /* a pattern without $USER and $DOMAIN counts for nothing */
        {"alice@example.org", ALICE, false, RF_EFORBIDDEN},
    };
    struct rf_kind_def kind = {.id = KIND,
                               .model = RF_MODEL_DICTIONARY,
                               .policy = RF_POLICY_USER_CHAIN_ACL,
                               .variable_names = true,
                               .name_patterns = patterns,
                               .name_pattern_count = RF_COUNT(patterns)};
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        uint8_t bytes[256];
        struct rf_buf value;
        rf_buf_fixed(&value, bytes, sizeof(bytes));
        rf_resource_name_encode(rf_view_str(rows[i].name), &value);
        rf_buf_str(&value, "payload");
        struct policy_acl_item items[6];
        static const struct item lets_bob[6] = {{ALICE, "alice@example.org", KIND, true},
                                                {ALICE, "bob@example.org", KIND, false}};
        struct rf_stored_data data = {.model = RF_MODEL_DICTIONARY,
                                      .exists = true,
                                      .slot = id_view(rows[i].signer),
                                      .value = rf_buf_view(&value)};
        struct policy_question q = {.conf = pki.conf,
                                    .crypto = pki.crypto,
                                    .kind = &kind,
                                    .resource = hash_name(rows[i].name),
                                    .data = &data,
                                    .signer = &signers[rows[i].signer],
                                    .role = POLICY_VALUE,
                                    .acl = items};
        q.acl_count = rows[i].delegated ? make_items(lets_bob, items) : 0;
        if (ask(&q) != rows[i].error)
            fail_msg("%s by %s", rows[i].name, names[rows[i].signer]);
        q.resource = hash_name("something else"); /* the name must be the resource's */
        assert_int_equal(ask(&q), RF_EFORBIDDEN);
        data.value.len = 2; /* no ResourceNameExtension */
        assert_int_equal(ask(&q), RF_EFORBIDDEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple),         cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_chains),         cmocka_unit_test(test_chain_slots),
        cmocka_unit_test(test_variable_names),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
