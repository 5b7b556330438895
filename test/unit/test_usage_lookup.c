/* test_usage_lookup.c - from an AOR to contacts: devices, forwarding, loops and bounds, GRUUs, foreign domains, bad entries. */
#include "test_usage.h"

struct looked {
    bool done;
    int error;
    size_t count, foreign_count, dropped;
    bool partial, loop, too_far;
    char text[1024]; /* contacts as numbers of nodes, with whose AOR */
    char foreign[256];
    struct rf_id responder;
};

static void on_lookup(void *arg, const struct rf_sip_lookup *l)
{
    struct looked *out = arg;
    size_t at = 0;
    assert_false(out->done);
    *out = (struct looked){.done = true,
                           .error = l->error,
                           .count = l->contact_count,
                           .foreign_count = l->foreign_count,
                           .dropped = l->dropped_count,
                           .partial = l->partial,
                           .loop = l->loop,
                           .too_far = l->too_far,
                           .responder = l->responder};
    for (size_t i = 0; i < l->contact_count; i++) {
        const struct rf_sip_contact *c = &l->contacts[i];
        size_t n = 0;
        while (n < USAGE_NODES && !rf_id_equal(&un_node(n)->identity.node_id, &c->node_id))
            n++;
        at += (size_t)snprintf(out->text + at, sizeof(out->text) - at, "%s%zu/%.*s%s", i > 0 ? " " : "", n,
                               (int)(strchr((const char *)c->aor.p, '@') - (const char *)c->aor.p),
                               (const char *)c->aor.p, c->signer == NULL ? "!" : "");
        if (c->signer != NULL)
            assert_true(c->expires_ms > un.net.now.wall_ms && c->storage_time_ms > 0);
        if (i > 0)
            assert_true(l->contacts[i - 1].storage_time_ms >= c->storage_time_ms);
    }
    for (size_t i = 0, f = 0; i < l->foreign_count; i++)
        f += (size_t)snprintf(out->foreign + f, sizeof(out->foreign) - f, "%.*s ", (int)l->foreign[i].len,
                              (const char *)l->foreign[i].p);
}

static bool is_looked(void *arg)
{
    return ((struct looked *)arg)->done;
}

static const struct looked *look(const char *aor)
{
    static struct looked out;
    out = (struct looked){.done = false};
    assert_int_equal(rf_sipreg_lookup(un_sipreg(UDAVE), rf_view_str(aor), on_lookup, &out), 0);
    assert_false(out.done);
    assert_true(un_wait(is_looked, &out, 300));
    return &out;
}

static void route(size_t device, size_t to)
{
    struct rf_id resource = sn_hash(&un.net, un_node(device)->user);
    struct rf_sip_registration r = {.type = RF_SIP_REGISTRATION_ROUTE,
                                    .contact_prefs = rf_view_str("(sip.schemes=SIP)"),
                                    .dests = {rf_dest_node(&un_node(to)->identity.node_id)},
                                    .dest_count = 1};
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    rf_sip_registration_encode(&r, &buf);
    assert_int_equal(un_store(device, &resource, RF_KIND_SIP_REGISTRATION,
                              rf_id_view(&un_node(device)->identity.node_id), rf_buf_view(&buf), 600),
                     0);
    rf_buf_deinit(&buf);
}

static void forward(size_t device, const char *uri)
{
    struct rf_id resource = sn_hash(&un.net, un_node(device)->user);
    struct rf_sip_registration r = {.type = RF_SIP_REGISTRATION_URI, .uri = rf_view_str(uri)};
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 4096);
    rf_sip_registration_encode(&r, &buf);
    assert_int_equal(un_store(device, &resource, RF_KIND_SIP_REGISTRATION,
                              rf_id_view(&un_node(device)->identity.node_id), rf_buf_view(&buf), 600),
                     0);
    rf_buf_deinit(&buf);
}

static void test_devices(void **state)
{
    (void)state;
    assert_int_equal(look("bob@example.org")->error, RF_ENOTFOUND);
    route(UBOB, UBOB);
    route(UALICE, UALICE);
    sn_run(&un.net, RF_US_PER_S);
    route(UALICE2, UALICE2);
    const struct looked *l = look("bob@example.org");
    assert_int_equal(l->error, 0);
    assert_string_equal(l->text, "5/bob");
    assert_string_equal(look("alice@example.org")->text, "4/alice 3/alice"); /* newest first */
    assert_string_equal(look("sip:alice@example.org;x=y")->text, "4/alice 3/alice");
    route(UALICE, UALICE2); /* one device points at the other: one contact */
    assert_string_equal(look("alice@example.org")->text, "4/alice");
}

static void test_forwarding(void **state)
{
    (void)state;
    route(UBOB, UBOB);
    route(UALICE, UALICE);
    forward(UALICE2, "sip:bob@example.org");
    forward(UCAROL, "alice@example.org");
    const struct looked *l = look("carol@example.org");
    assert_int_equal(l->error, 0);
    assert_int_equal(l->count, 2);
    assert_non_null(strstr(l->text, "3/alice"));
    assert_non_null(strstr(l->text, "5/bob"));
    assert_false(l->partial || l->loop);
    /* two ways to one user are no loop; domains are compared as they are hashed */
    forward(UALICE, "bob@Example.ORG");
    l = look("carol@EXAMPLE.org");
    assert_string_equal(l->text, "5/bob");
    assert_false(l->partial || l->loop);
    route(UALICE, UALICE);
    /* loops end */
    forward(UBOB, "sip:carol@example.org");
    l = look("carol@example.org");
    assert_int_equal(l->error, 0);
    assert_string_equal(l->text, "3/alice");
    assert_true(l->loop && !l->too_far);
    forward(UALICE, "carol@example.org");
    l = look("carol@example.org");
    assert_int_equal(l->error, RF_ENOTFOUND);
    assert_true(l->loop);
    forward(UALICE, "alice@example.org");
    assert_int_equal(look("alice@example.org")->error, RF_ENOTFOUND);
}

/* Our own registration: it sends on, says so once it is stored, and stops. */
static void test_own_forwarding(void **state)
{
    (void)state;
    struct rf_sipreg *reg = un_sipreg(UALICE);
    route(UBOB, UBOB);
    rf_sipreg_online(reg, true);
    rf_sipreg_set(reg, true);
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_string_equal(look("alice@example.org")->text, "3/alice");
    assert_string_equal(rf_sipreg_forwarded(reg), "");
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("sip:bob@example.org;x=y")), 0);
    assert_string_equal(rf_sipreg_forwarded(reg), "bob@example.org");
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_string_equal(look("alice@example.org")->text, "5/bob");
    /* refreshed as it is, and changed while a Store is under way */
    sn_run(&un.net, 4000 * RF_US_PER_S);
    route(UBOB, UBOB);
    assert_string_equal(look("alice@example.org")->text, "5/bob");
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("carol@example.org")), 0);
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("")), 0);
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_string_equal(look("alice@example.org")->text, "3/alice");
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("alice@example.org")), RF_EINVAL);
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("bob")), RF_EFORMAT);
    size_t before = un.net.sent[RF_CODE_STORE_REQ];
    assert_int_equal(rf_sipreg_forward(reg, rf_view_str("")), 0); /* nothing changes, nothing is sent */
    sn_run(&un.net, 5 * RF_US_PER_S);
    assert_int_equal(un.net.sent[RF_CODE_STORE_REQ], before);
}

static void test_depth(void **state)
{
    (void)state;
    /* p40 -> p80 -> pc0 -> alice -> bob -> carol: one step more than is followed */
    forward(U40, "p80@example.org");
    forward(U80, "pc0@example.org");
    forward(UC0, "alice@example.org");
    forward(UALICE, "bob@example.org");
    forward(UBOB, "carol@example.org");
    route(UCAROL, UCAROL);
    const struct looked *l = look("p40@example.org");
    assert_int_equal(l->error, RF_ENOTFOUND);
    assert_true(l->partial && l->too_far && !l->loop);
    l = look("p80@example.org");
    assert_string_equal(l->text, "6/carol");
    assert_false(l->partial);
}

static void test_gruus(void **state)
{
    (void)state;
    struct rf_dest dest = rf_dest_node(&un_node(UBOB)->identity.node_id);
    struct rf_buf buf;
    rf_buf_init(&buf, rf_mem_system(), 1024);
    rf_sip_gruu_put(rf_view_str("bob@example.org"), &dest, 1, &buf);
    rf_buf_u8(&buf, 0);
    size_t before = un.net.sent[RF_CODE_FETCH_REQ];
    const struct looked *l = look((const char *)buf.p);
    assert_string_equal(l->text, "5/bob!");                   /* nobody signed it */
    assert_int_equal(un.net.sent[RF_CODE_FETCH_REQ], before); /* nothing needs to be looked up */
    forward(UALICE, (const char *)buf.p);
    assert_string_equal(look("alice@example.org")->text, "5/bob!");
    rf_buf_deinit(&buf);
}

static void test_foreign(void **state)
{
    (void)state;
    const struct looked *l = look("someone@elsewhere.net");
    assert_int_equal(l->error, RF_ENOTFOUND);
    assert_string_equal(l->foreign, "someone@elsewhere.net ");
    forward(UALICE, "sip:someone@elsewhere.net");
    route(UALICE2, UALICE2);
    l = look("alice@example.org");
    assert_int_equal(l->error, 0);
    assert_string_equal(l->text, "4/alice");
    assert_string_equal(l->foreign, "someone@elsewhere.net ");
    forward(UALICE2, "tel:+49123");
    l = look("alice@example.org");
    assert_int_equal(l->dropped, 1);
    struct looked none;
    assert_int_equal(rf_sipreg_lookup(un_sipreg(UDAVE), rf_view_str("nobody"), on_lookup, &none), RF_EFORMAT);
    assert_int_equal(rf_sipreg_lookup(un_sipreg(UDAVE), rf_view_str(""), on_lookup, &none), RF_EFORMAT);
}

static void test_unreachable(void **state)
{
    (void)state;
    un_node(UDAVE)->side = 9;
    assert_int_equal(look("alice@example.org")->error, RF_ETIMEOUT);
    struct looked out = {.done = false}, other = {.done = false};
    assert_int_equal(rf_sipreg_lookup(un_sipreg(UDAVE), rf_view_str("alice@example.org"), on_lookup, &out),
                     0);
    sn_run(&un.net, RF_US_PER_S);
    assert_int_equal(rf_sipreg_lookup(un_sipreg(UDAVE), rf_view_str("bob@example.org"), on_lookup, &other),
                     0);
    un_usages_stop(UDAVE);
    assert_true(out.done && other.done);
    assert_int_equal(out.error, RF_ECANCELLED);
    assert_int_equal(other.error, RF_ECANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, usage_setup, usage_teardown)

int run_usage_lookup_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_devices), TEST(test_forwarding), TEST(test_own_forwarding), TEST(test_depth),
        TEST(test_gruus),   TEST(test_foreign),    TEST(test_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
