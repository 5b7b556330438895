/* test_overlay_faults.c - memory that is refused at any point: nothing leaks, every call ends once, and things go on when there is some. */
#include "test_overlay.h"

#include "overlay/internal.h"

#define MAX_ALLOCATIONS 400

static int fail_after(struct onet *net, size_t allowed)
{
    net->mem.allowed = allowed;
    return 0;
}

static void new_overlay(void **state)
{
    struct onet net;
    (void)state;
    onet_init(&net, 1, 1, ONET_LINE, NULL, NULL);
    struct rf_overlay_config config = net.nodes[0].overlay->config;
    struct rf_overlay_host host = net.nodes[0].overlay->host;
    size_t allowed = 0;
    for (int error = RF_ENOMEM; error != 0; allowed++) {
        struct rf_overlay *o = NULL;
        size_t live = net.mem.live_count;
        fail_after(&net, allowed);
        error = rf_overlay_new(&net.nodes[0].env, &config, &host, &o);
        assert_true(error == 0 || error == RF_ENOMEM);
        if (error == 0)
            rf_overlay_free(o);
        assert_int_equal(net.mem.live_count, live);
    }
    assert_in_range(allowed, 2, 20);
    fail_after(&net, SIZE_MAX);
    onet_deinit(&net);
}

/* Links, calls, fragments, deferred answers, a trace, while only so many allocations are granted; then it must work again. */
static void everything(size_t allowed, bool *refused)
{
    struct onet net;
    struct onet_echo echo;
    struct onet_result results[3], again;
    uint8_t body[1500] = {0};
    int errors[3];
    onet_prepare(&net, 1, NULL, NULL);
    net.max_message = 800;
    onet_start(&net, 3, ONET_LINE);
    onet_echo_init(&net, 2, &echo);
    fail_after(&net, allowed);
    size_t second = onet_connect(&net, 0, 1);
    errors[0] = onet_call_node(&net, 0, 2, rf_view_of(body, sizeof(body)), &results[0]);
    onet_run(&net, RF_US_PER_S);
    echo.defer = true;
    errors[1] = onet_call_node(&net, 0, 2, TEXT("x"), &results[1]);
    onet_run(&net, RF_US_PER_S);
    errors[2] = onet_call_node(&net, 2, 2, TEXT("self"), &results[2]);
    onet_run(&net, RF_US_PER_S);
    for (size_t i = 0; i < echo.deferred_count; i++)
        rf_overlay_answer(net.nodes[2].overlay, echo.deferred[i], TEXT("late"), NULL, 0);
    echo.defer = false;
    onet_cut(&net, second);
    onet_run(&net, 20 * RF_US_PER_S);
    *refused = net.mem.allowed == 0;
    for (size_t i = 0; i < 3; i++) {
        if (errors[i] != 0)
            assert_int_equal(errors[i], RF_ENOMEM);
        assert_int_equal(results[i].done, errors[i] == 0);
    }
    fail_after(&net, SIZE_MAX);
    if (rf_overlay_link_of(net.nodes[0].overlay, onet_id(&net, 1)) == 0)
        onet_connect(&net, 0, 1);
    assert_int_equal(onet_call_node(&net, 0, 2, rf_view_of(body, sizeof(body)), &again), 0);
    onet_run(&net, 10 * RF_US_PER_S);
    assert_int_equal(again.error, 0);
    onet_deinit(&net);
}

static void refused_memory(void **state)
{
    bool refused = true;
    size_t allowed = 0;
    (void)state;
    for (; refused && allowed < MAX_ALLOCATIONS; allowed++)
        everything(allowed, &refused);
    assert_false(refused);
    assert_true(allowed > 30);
}

int test_overlay_faults(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_overlay),
        cmocka_unit_test(refused_memory),
    };
    return cmocka_run_group_tests_name("overlay_faults", tests, NULL, NULL);
}
