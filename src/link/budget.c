/*
 * budget.c - how many handshakes per second: each costs CPU time before anybody knows who comes.
 *
 * A leaky bucket measured in time: a handshake puts 1/rate seconds in, time takes them out again, and up to BURST_US fit in. Ours (we dial) are
 * put in as well, they cost the same, but are never held up here. A resumed one costs a quarter: the rest is taken out when that is known.
 * Beyond the full bucket there is a little room for whom we wait for after an Attach, and more for known supernodes: a storm of clients does
 * not keep the ring from mending.
 */
#include "link/table.h"

#define BURST_US    RF_US_PER_S
#define EXPECTED_US (RF_US_PER_S / 4)
#define KNOWN_US    RF_US_PER_S

static uint64_t step_us(const struct rf_links *links)
{
    return links->config.handshakes_per_s ? RF_US_PER_S / links->config.handshakes_per_s : 0;
}

static uint64_t level(const struct rf_links *links)
{
    uint64_t past_us = links_now(links) - links->budget_at_us;
    return links->budget_us > past_us ? links->budget_us - past_us : 0;
}

static void put(struct rf_links *links, uint64_t level_us)
{
    const uint64_t most = BURST_US + KNOWN_US;
    links->budget_us = level_us < most ? level_us : most;
    links->budget_at_us = links_now(links);
}

bool budget_take(struct rf_links *links, const struct rf_addr *remote)
{
    const uint64_t step = step_us(links), after = level(links) + step;
    uint64_t room = BURST_US;

    if (after > room && expects_any(links))
        room += EXPECTED_US;
    if (after > room && links->host.known && links->host.known(links->host.ctx, remote))
        room = BURST_US + KNOWN_US;
    if (step && after > room)
        return false;
    put(links, after);
    return true;
}

void budget_charge(struct rf_links *links)
{
    put(links, level(links) + step_us(links));
}

void budget_resumed(struct rf_links *links)
{
    const uint64_t back = step_us(links) * 3 / 4, now = level(links);

    put(links, now > back ? now - back : 0);
}

size_t rf_links_handshakes_per_s(const struct rf_links *links)
{
    return links->config.handshakes_per_s;
}

bool rf_links_handshake_room(const struct rf_links *links)
{
    return level(links) + step_us(links) <= BURST_US;
}
