/*
 * expect.c - connections that an Attach or AppAttach announced: which node may come for which purpose. Few at a
 * time and short-lived, so a list, oldest first; what is out of date goes when the list is next looked at. One
 * connection of a node for one purpose is expected at a time: what is announced again is expected for longer.
 */
#include "link/table.h"

#include "base/error.h"

void expect_drop(struct rf_links *links, struct link_expect *expect)
{
    rf_list_remove(&expect->list);
    links->expected_count--;
    rf_free(links->env->mem, expect);
}

static struct link_expect *oldest(const struct rf_links *links)
{
    return RF_LIST_ENTRY(links->expected.next, struct link_expect, list);
}

static void drop_late(struct rf_links *links)
{
    while (!rf_list_empty(&links->expected) && oldest(links)->until_us <= links_now(links))
        expect_drop(links, oldest(links));
}

bool expects_any(struct rf_links *links)
{
    drop_late(links);
    return links->expected_count > 0;
}

static struct link_expect *same(const struct rf_links *links, const struct rf_id *node,
                                enum rf_link_purpose purpose, uint16_t application)
{
    RF_LIST_EACH(&links->expected, it)
    {
        struct link_expect *expect = RF_LIST_ENTRY(it, struct link_expect, list);
        if (expect->purpose == purpose && expect->application == application &&
            rf_id_equal(&expect->node, node))
            return expect;
    }
    return NULL;
}

int expect_add(struct rf_links *links, const struct rf_id *node, enum rf_link_purpose purpose,
               uint16_t application)
{
    struct link_expect *expect;

    drop_late(links);
    expect = same(links, node, purpose, application);
    if (expect) { /* renewed: whoever announces the same again and again pushes nobody out */
        rf_list_remove(&expect->list);
        expect->until_us = links_now(links) + links->config.app_expect_us;
        rf_list_push_back(&links->expected, &expect->list);
        return 0;
    }
    if (links->expected_count >= EXPECT_MAX)
        expect_drop(links, oldest(links));
    expect = rf_zalloc(links->env->mem, sizeof *expect);
    if (!expect)
        return RF_ENOMEM;
    expect->node = *node;
    expect->purpose = purpose;
    expect->application = application;
    expect->until_us = links_now(links) + links->config.app_expect_us;
    rf_list_push_back(&links->expected, &expect->list);
    links->expected_count++;
    return 0;
}

struct link_expect *expect_find(struct rf_links *links, const struct rf_cert *cert,
                                enum rf_link_purpose purpose)
{
    drop_late(links);
    RF_LIST_EACH(&links->expected, it)
    {
        struct link_expect *expect = RF_LIST_ENTRY(it, struct link_expect, list);
        if ((!purpose || expect->purpose == purpose) && rf_cert_has_node_id(cert, &expect->node))
            return expect;
    }
    return NULL;
}

struct link_expect *expect_find_app(struct rf_links *links, const struct rf_cert *cert, bool sip)
{
    struct link_expect *other = NULL;

    drop_late(links);
    RF_LIST_EACH(&links->expected, it)
    {
        struct link_expect *expect = RF_LIST_ENTRY(it, struct link_expect, list);
        if (expect->purpose != RF_LINK_APP || !rf_cert_has_node_id(cert, &expect->node))
            continue;
        if (link_app_is_sip(expect->application) == sip)
            return expect;
        other = other ? other : expect;
    }
    return other;
}

void expects_deinit(struct rf_links *links)
{
    while (!rf_list_empty(&links->expected))
        expect_drop(links, oldest(links));
}
