/*
 * test_overlay_store_peers.h - four supernodes and two writers, for the tests of replication and of healing.
 * Peers 10, 40, 80, c0 (first byte of the Node-ID), H("alice@example.org") = 45a6..: home 80, replicas c0 and 10.
 */
#ifndef RF_TEST_OVERLAY_STORE_PEERS_H
#define RF_TEST_OVERLAY_STORE_PEERS_H

#include "base/assert.h"
#include "test_overlay_store.h"

enum { P10, P40, P80, PC0, ALICE, BOB };

static struct sn_net net;
static struct rf_id alice_id, bob_id;

static inline int setup(void **state)
{
    (void)state;
    sn_init(&net, kit_kinds, kit_kind_count);
    sn_add(&net, "p10@example.org", "10", true, NULL);
    sn_add(&net, "p40@example.org", "40", true, NULL);
    sn_add(&net, "p80@example.org", "80", true, NULL);
    sn_add(&net, "pc0@example.org", "c0", true, NULL);
    sn_add(&net, "alice@example.org", "a1", false, NULL);
    sn_add(&net, "bob@example.org", "b0", false, NULL);
    sn_ring_changed(&net, NULL, NULL);
    alice_id = sn_hash(&net, "alice@example.org");
    bob_id = sn_hash(&net, "bob@example.org");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    sn_deinit(&net);
    return 0;
}

static inline struct sn_node *node(size_t number)
{
    return &net.nodes[number];
}

static inline const struct rf_store_counters *counters(size_t number)
{
    return rf_store_counters(node(number)->store);
}

/* What a writer hears. */
struct heard {
    bool done;
    struct rf_store_result result;
    uint64_t at_us;
};

static inline void on_stored(void *arg, const struct rf_store_result *result)
{
    struct heard *heard = arg;
    assert_false(heard->done);
    heard->done = true;
    heard->result = *result;
    heard->at_us = net.now.mono_us;
}

static inline void start_store(size_t writer, const struct rf_id *resource, uint32_t kind,
                               struct rf_view slot, const char *text, uint32_t lifetime, struct heard *heard)
{
    *heard = (struct heard){.done = false};
    struct rf_view value = text != NULL ? rf_view_str(text) : rf_view_of(NULL, 0);
    assert_int_equal(rf_store_client_store(node(writer)->store, &node(writer)->identity, resource, kind, slot,
                                           text != NULL, value, lifetime, on_stored, heard),
                     0);
}

static inline void store_ok(size_t writer, const struct rf_id *resource, uint32_t kind, struct rf_view slot,
                            const char *text)
{
    struct heard heard;
    start_store(writer, resource, kind, slot, text, 3600, &heard);
    for (int i = 0; i < 300 && !heard.done; i++)
        sn_run(&net, 100000);
    assert_true(heard.done);
    if (heard.result.error != 0)
        fail_msg("%s %s", rf_error_text(heard.result.error), rf_error_code_name(heard.result.error_code));
}

static inline struct rf_view none(void)
{
    return rf_view_of(NULL, 0);
}

static inline const char *look(size_t at, const struct rf_id *resource, uint32_t kind)
{
    static char text[512];
    snprintf(text, sizeof(text), "%s", kit_look(&net, node(at), resource, kind));
    char *time = strchr(text, '@');
    if (time != NULL && strchr(text, ' ') == NULL)
        *time = '\0'; /* one value: only what it is */
    return text;
}

static inline void holders(const struct rf_id *resource, uint32_t kind, const char *text, const bool holds[4])
{
    for (size_t i = 0; i < 4; i++) {
        if (!node(i)->alive)
            continue;
        const char *there = look(i, resource, kind);
        if (strcmp(there, holds[i] ? text : "-!") != 0)
            fail_msg("peer %zu holds \"%s\"", i, there);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
