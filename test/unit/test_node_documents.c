/* test_node_documents.c - documents and Kinds at whole nodes: kept over restarts, and left for when they cannot be met. */
#include "test_node.h"

#include "node/internal.h"
#include "wire/method.h"

#define TIDES UINT32_C(0xf0000007)

static void with_tides(struct rf_conf *draft, void *arg)
{
    draft->kinds = arg;
    draft->kind_count = 1;
}

static struct rf_kind_def tides(uint32_t max_size)
{
    return (struct rf_kind_def){.id = TIDES,
                                .model = RF_MODEL_SINGLE,
                                .policy = RF_POLICY_USER_MATCH,
                                .max_count = 1,
                                .max_size = max_size};
}

static struct rf_conf *document(struct node_net *net, uint16_t sequence, struct rf_kind_def *kind)
{
    struct rf_conf *conf;
    assert_int_equal(rf_pki_document(&net->pki, sequence, kind != NULL ? with_tides : NULL, kind, &conf), 0);
    return conf;
}

struct sent {
    bool done;
    int error;
    uint16_t error_code;
};

static void on_reply(void *arg, const struct rf_reply *reply)
{
    struct sent *sent = arg;
    *sent = (struct sent){true, reply->error, reply->error_code};
}

/* Node `from` tells node `to` by ConfigUpdate. */
static struct sent push(struct node_net *net, size_t from, size_t to, const struct rf_config_update *update)
{
    struct sent sent = {.done = false};
    struct rf_buf body;
    rf_buf_init(&body, rf_mem_system(), 100000);
    rf_config_update_encode(update, &body);
    struct rf_call call = {.code = RF_CODE_CONFIG_UPDATE_REQ,
                           .body = rf_buf_view(&body),
                           .config_sequence_any = true,
                           .done = on_reply,
                           .arg = &sent};
    rf_call_to_node(&call, &net->nodes[to].identity.node_id);
    assert_int_equal(rf_overlay_call(net->nodes[from].node->overlay, &call, &(rf_call_id){0}), 0);
    rf_buf_deinit(&body);
    node_net_settle(net, from);
    node_net_run(net, S);
    return sent;
}

/* Tells node 0 of the Kind by a <kind-block> alone. */
static void teach_tides(struct node_net *net, size_t from)
{
    static const char end[] = "</kind-block>";
    struct rf_kind_def kind = tides(100);
    struct rf_conf *conf = document(net, 9, &kind);
    const uint8_t *begin = memmem(conf->xml.p, conf->xml.len, "<kind-block", 11);
    const uint8_t *stop =
        begin != NULL ? memmem(begin, conf->xml.len - (size_t)(begin - conf->xml.p), end, strlen(end)) : NULL;
    assert_non_null(stop);
    struct rf_view block = rf_view_of(begin, (size_t)(stop + strlen(end) - begin));
    struct rf_config_update update = {.type = RF_CONFIG_UPDATE_KIND, .kinds = &block, .kind_count = 1};
    struct sent sent = push(net, from, 0, &update);
    assert_true(sent.done);
    assert_int_equal(sent.error, 0);
    rf_conf_release(conf);
}

static const struct rf_kind_def *known(const struct node_net *net, size_t i)
{
    return rf_conf_kind(rf_node_conf(net->nodes[i].node), TIDES);
}

static void on_stored(void *arg, const struct rf_store_result *result)
{
    *(int *)arg = result->error;
}

static void on_fetched(void *arg, const struct rf_fetch_result *result)
{
    *(size_t *)arg = result->error == 0 && result->value_count == 1 && result->values[0].exists ? 1 : 0;
}

static void restart(struct node_net *net, size_t i)
{
    node_net_kill(net, i);
    node_net_run(net, 5 * S);
    node_net_start(net, i);
    assert_true(node_net_until(net, 60 * S, node_net_all_joined, NULL));
}

/* What came by ConfigUpdate is there after a restart, and so is what was stored under it. */
void test_kinds_outlive_a_restart(void **state)
{
    (void)state;
    struct node_net net;
    struct rf_id resource;
    int stored = -1;
    size_t found = 0;
    test_net(&net, 110, 1, &rf_engine_plain);
    size_t alice = test_client(&net, "alice");
    assert_null(known(&net, 0));
    teach_tides(&net, alice);
    assert_non_null(known(&net, 0));
    assert_true(net.nodes[0].conf_kinds.len > 0);
    struct rf_node *node = net.nodes[0].node;
    assert_int_equal(rf_node_resource_of(node, rf_view_str(net.nodes[0].user), &resource), 0);
    assert_int_equal(rf_store_client_store(node->store, &node->identity, &resource, TIDES,
                                           rf_view_of(NULL, 0), true, rf_view_str("high"), 3600, on_stored,
                                           &stored),
                     0);
    node_net_settle(&net, 0);
    node_net_run(&net, 5 * S);
    assert_int_equal(stored, 0);
    restart(&net, 0);
    assert_non_null(known(&net, 0));
    assert_int_equal(known(&net, 0)->max_size, 100);
    assert_int_equal(rf_node_fetch(net.nodes[0].node, &resource, TIDES, net.now, on_fetched, &found), 0);
    node_net_settle(&net, 0);
    node_net_run(&net, 5 * S);
    assert_int_equal(found, 1);
    /* bytes that are no Kinds, or not ours, are no reason to stay down */
    assert_int_equal(rf_node_load_kinds(net.nodes[0].node, rf_view_str("tides")), RF_EFORMAT);
    assert_non_null(known(&net, 0));
    node_net_deinit(&net);
}

/* A new document leaves them as they are unless it defines them itself. */
void test_kinds_and_new_documents(void **state)
{
    (void)state;
    struct node_net net;
    struct rf_kind_def own = tides(7);
    test_net(&net, 111, 2, &rf_engine_plain);
    teach_tides(&net, 1);
    struct rf_conf *second = document(&net, 2, NULL), *third = document(&net, 3, &own);
    assert_int_equal(rf_node_offer_conf(net.nodes[0].node, second->xml, false, net.now), 0);
    node_net_settle(&net, 0);
    assert_int_equal(rf_node_conf(net.nodes[0].node)->sequence, 2);
    assert_int_equal(known(&net, 0)->max_size, 100);
    assert_true(net.nodes[0].conf_kinds.len > 0);
    assert_int_equal(rf_node_offer_conf(net.nodes[0].node, third->xml, false, net.now), 0);
    node_net_settle(&net, 0);
    assert_int_equal(known(&net, 0)->max_size, 7);
    assert_int_equal(net.nodes[0].conf_kinds.len, 0);
    restart(&net, 0);
    assert_int_equal(known(&net, 0)->max_size, 7);
    rf_conf_release(second);
    rf_conf_release(third);
    node_net_deinit(&net);
}

static bool has_left(struct node_net *net, void *index)
{
    return net->nodes[*(size_t *)index].left;
}

/* A genuine document that asks for what we lack: the node says so and leaves, and does not keep it. A forged one does nothing. */
void test_unmet_documents(void **state)
{
    (void)state;
    struct node_net net;
    struct rf_buf xml;
    size_t victim = 2;
    test_net(&net, 112, 3, &rf_engine_plain);
    rf_buf_init(&xml, rf_mem_system(), 100000);
    assert_int_equal(
        rf_pki_document_with(&net.pki, 2, "<mandatory-extension>urn:nobody:has</mandatory-extension>", &xml),
        0);
    struct rf_config_update update = {.type = RF_CONFIG_UPDATE_CONFIG};
    uint8_t *place = memmem(xml.p, xml.len, "urn:nobody", 10);
    place[0] = 'v'; /* not what was signed */
    update.config = rf_buf_view(&xml);
    struct sent sent = push(&net, 1, victim, &update);
    assert_int_equal(sent.error_code, RF_ERROR_FORBIDDEN);
    assert_int_equal(rf_node_offer_conf(net.nodes[victim].node, rf_buf_view(&xml), false, net.now),
                     RF_ESIGNATURE);
    node_net_run(&net, 5 * S);
    assert_int_equal(net.nodes[victim].events[RF_NODE_EVENT_UNMET], 0);
    assert_true(node_net_joined(&net, victim));
    place[0] = 'u';
    sent = push(&net, 1, victim, &update);
    assert_int_equal(sent.error, 0);
    assert_true(node_net_until(&net, 10 * S, has_left, &victim));
    assert_int_equal(net.nodes[victim].events[RF_NODE_EVENT_UNMET], 1);
    assert_non_null(strstr(net.nodes[victim].last_text[RF_NODE_EVENT_UNMET], "urn:nobody:has"));
    assert_int_equal(net.nodes[victim].conf_xml.len, 0); /* the next start is with the old one */
    node_net_kill(&net, victim);
    assert_true(node_net_until(&net, 60 * S, test_ring_right, NULL));
    rf_buf_deinit(&xml);
    node_net_deinit(&net);
}

static void no_clients(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->clients_permitted = false;
}

static void with_ice(struct rf_conf *draft, void *arg)
{
    (void)arg;
    draft->no_ice = false;
}

/* The same for what only the node knows that it lacks. */
void test_unmet_by_role(void **state)
{
    (void)state;
    struct node_net net;
    struct rf_conf *barred, *ice;
    test_net(&net, 113, 2, &rf_engine_plain);
    size_t alice = test_client(&net, "alice");
    assert_int_equal(rf_pki_document(&net.pki, 2, no_clients, NULL, &barred), 0);
    assert_int_equal(rf_pki_document(&net.pki, 3, with_ice, NULL, &ice), 0);
    assert_int_equal(rf_node_offer_conf(net.nodes[0].node, barred->xml, false, net.now), 0);
    assert_int_equal(rf_node_offer_conf(net.nodes[alice].node, barred->xml, true, net.now), RF_EUNSUPPORTED);
    node_net_settle(&net, alice);
    assert_true(node_net_until(&net, 10 * S, has_left, &alice));
    assert_non_null(strstr(net.nodes[alice].last_text[RF_NODE_EVENT_UNMET], "client"));
    assert_int_equal(rf_node_offer_conf(net.nodes[0].node, ice->xml, false, net.now), RF_EUNSUPPORTED);
    node_net_settle(&net, 0);
    assert_non_null(strstr(net.nodes[0].last_text[RF_NODE_EVENT_UNMET], "ICE"));
    rf_conf_release(barred);
    rf_conf_release(ice);
    node_net_deinit(&net);
}
