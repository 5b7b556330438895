/*
 * address.c - how many connections, and how fast, from one address: one IPv4 address or one IPv6 /64.
 *
 * The rate is a token bucket kept as one moment in time: each connection moves it forward by 1/rate, it never
 * lags more than a second behind now, and it may not run ahead of now. An address without connections is
 * remembered for its bucket only, the oldest are forgotten beyond ADDRESS_IDLE_MAX.
 */
#include "link/table.h"

#include "base/error.h"

static struct rf_view address_key(const struct rf_map_node *node)
{
    const struct link_address *address = RF_CONTAINER(node, struct link_address, node);
    return rf_view_of(address->key, sizeof address->key);
}

static void forget(struct rf_links *links, struct link_address *address)
{
    rf_map_remove(&links->addresses, &address->node);
    rf_list_remove(&address->idle);
    links->idle_address_count--;
    rf_free(links->env->mem, address);
}

static int address_get(struct rf_links *links, const struct rf_addr *remote, struct link_address **out)
{
    struct link_address *address;
    struct rf_map_node *node;
    uint8_t key[sizeof address->key] = {remote->family};

    memcpy(key + 1, remote->ip, remote->family == 4 ? 4 : 8);
    node = rf_map_find(&links->addresses, rf_view_of(key, sizeof key));
    if (node) {
        *out = RF_CONTAINER(node, struct link_address, node);
        return 0;
    }
    address = rf_zalloc(links->env->mem, sizeof *address);
    if (!address)
        return RF_ENOMEM;
    memcpy(address->key, key, sizeof key);
    rf_list_init(&address->idle);
    if (rf_map_insert(&links->addresses, &address->node)) {
        rf_free(links->env->mem, address);
        return RF_ENOMEM;
    }
    rf_list_push_back(&links->idle_addresses, &address->idle);
    links->idle_address_count++;
    if (links->idle_address_count > ADDRESS_IDLE_MAX)
        forget(links, RF_LIST_ENTRY(links->idle_addresses.next, struct link_address, idle));
    *out = address;
    return 0;
}

static bool take_token(struct rf_links *links, struct link_address *address)
{
    uint64_t rate = links->config.accept_per_s_per_address, now = links_now(links) + RF_US_PER_S;

    if (rate == 0)
        return true;
    if (address->tokens_us < now - RF_US_PER_S)
        address->tokens_us = now - RF_US_PER_S;
    if (address->tokens_us + RF_US_PER_S / rate > now)
        return false;
    address->tokens_us += RF_US_PER_S / rate;
    return true;
}

int address_admit(struct rf_links *links, const struct rf_addr *remote, struct link_address **out)
{
    struct link_address *address;
    int err = address_get(links, remote, &address);

    if (err)
        return err;
    if (links->config.max_per_address && address->link_count >= links->config.max_per_address)
        return RF_ELIMIT;
    if (!take_token(links, address))
        return RF_ELIMIT;
    if (address->link_count++ == 0) {
        rf_list_remove(&address->idle);
        links->idle_address_count--;
    }
    *out = address;
    return 0;
}

void address_leave(struct rf_links *links, struct link_address *address)
{
    if (!address || --address->link_count > 0)
        return;
    rf_list_push_back(&links->idle_addresses, &address->idle);
    links->idle_address_count++;
    if (links->idle_address_count > ADDRESS_IDLE_MAX)
        forget(links, RF_LIST_ENTRY(links->idle_addresses.next, struct link_address, idle));
}

void addresses_init(struct rf_links *links)
{
    rf_map_init(&links->addresses, links->env->mem, links->env->seed, address_key);
    rf_list_init(&links->idle_addresses);
}

void addresses_deinit(struct rf_links *links)
{
    struct rf_map_node *node;

    while ((node = rf_map_drain(&links->addresses)) != NULL)
        rf_free(links->env->mem, RF_CONTAINER(node, struct link_address, node));
    rf_map_deinit(&links->addresses);
}
