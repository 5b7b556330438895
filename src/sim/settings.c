/* settings.c - the table of settings. */
#include "sim/settings.h"

#include <stddef.h>
#include "base/assert.h"

#define AT(field) offsetof(struct rf_sim_scenario, field)
#define DAYS(n)   (86400.0 * (n))
#define NODES_MAX 1e7
#define BITS_MAX  1e12
#define EVERYBODY 1e12 /* registered: SIZE_MAX in the struct */

const struct sim_setting sim_settings[] = {
    {"supernodes", "supernodes in all", SIM_COUNT, AT(supernodes), 1, NODES_MAX},
    {"clients", "clients in all", SIM_COUNT, AT(clients), 0, NODES_MAX},
    {"bootstraps", "supernodes that the document names as first contacts", SIM_COUNT, AT(bootstraps), 1, 16},
    {"registered", "nodes of each group that register a user; 1000G or more: all", SIM_COUNT, AT(registered),
     0, EVERYBODY},
    {"devices", "nodes per user; several write to the same values", SIM_COUNT, AT(devices), 1, 16},
    {"duration", "virtual time of the run", SIM_TIME, AT(duration_us), 1, DAYS(30)},
    {"sample", "interval of the series", SIM_TIME, AT(sample_us), 0.1, DAYS(1)},
    {"probe", "interval of ring checks; 0: at the end and after marks", SIM_TIME, AT(probe_us), 0, DAYS(1)},
    {"zipf", "popularity exponent of users looked up; 0: all alike", SIM_REAL, AT(zipf), 0, 4},
    {"update_interval", "chord-update-interval of the document; 0: default", SIM_SECONDS,
     AT(update_interval_s), 0, DAYS(1)},
    {"ping_interval", "chord-ping-interval of the document; 0: default", SIM_SECONDS, AT(ping_interval_s), 0,
     DAYS(1)},
    {"self_tuning", "topology of the document: RFC 7363's, in place of CHORD-RELOAD", SIM_SWITCH,
     AT(self_tuning), 0, 1},
    {"disk", "supernodes have disks that survive crashes", SIM_SWITCH, AT(disk), 0, 1},
    {"disk_time", "until a write is on the disk", SIM_TIME_32, AT(disk_us), 1e-6, 60},
    {"drift", "wall clocks drift by up to +- that many ppm", SIM_REAL, AT(drift_ppm), 0, 1e5},
    {"max_links", "links per supernode; 0: the node's default", SIM_COUNT, AT(max_links), 0, 1e6},
    {"max_clients", "clients per supernode; 0: the node's default, 1000G: no limit", SIM_COUNT,
     AT(max_clients), 0, EVERYBODY},
    {"handshakes_per_s", "per supernode; likewise", SIM_COUNT, AT(handshakes_per_s), 0, EVERYBODY},
    {"requests_per_s", "answered by a supernode; likewise", SIM_COUNT, AT(requests_per_s), 0, EVERYBODY},
    {"backoff", "longest wait before one looks for the overlay again; 0: default", SIM_TIME, AT(backoff_us),
     0, 3600},
    {"super_cpu", "share of a core that supernodes may use; bootstrap nodes have all of it", SIM_REAL,
     AT(super_cpu), 0.001, 1},
    {"mega", "share of supernodes that are larger than the others", SIM_REAL, AT(mega), 0, 1},
    {"mega_factor", "their budgets, CPU and bandwidth are so many times larger", SIM_REAL, AT(mega_factor), 1,
     1000},
    {"shutdown_cpu", "share of a core above which a supernode shuts down; 0: never", SIM_REAL,
     AT(shutdown_cpu), 0, 1},
    {"shutdown_links", "connections above which it does; 0: never", SIM_COUNT, AT(shutdown_links), 0, 1e6},
    {"shutdown_queue", "waiting of its input above which it does; 0: never", SIM_TIME, AT(shutdown_queue_us),
     0, 3600},
    {"shutdown_over", "the time over which that is looked at", SIM_TIME, AT(shutdown_over_us), 0.1, 3600},
    {"shutdown_pause", "median time until it starts again", SIM_TIME, AT(shutdown_pause_us), 0.1, DAYS(1)},
    {"auto", "share of clients with role auto", SIM_REAL, AT(auto_share), 0, 1},
    {"auto_uptime", "role auto: stable after; 0: the node's default", SIM_SECONDS, AT(auto_uptime_s), 0,
     DAYS(1)},
    {"auto_interval", "role auto: looks so often whether it is needed; 0: likewise", SIM_SECONDS,
     AT(auto_interval_s), 0, DAYS(1)},
    {"auto_idle", "role auto: a client again when not needed for so long; 0: likewise", SIM_SECONDS,
     AT(auto_idle_s), 0, DAYS(1)},
    {"auto_min_ring", "role auto: not if so few supernodes were left; 0: likewise", SIM_COUNT,
     AT(auto_min_ring), 0, 1e6},
    {"natted", "share of clients behind NAT boxes", SIM_REAL, AT(natted), 0, 1},
    {"nat_full_cone", "weight of boxes of that kind, see docs/simulator.md", SIM_REAL,
     AT(nats.weights[SIM_NAT_FULL_CONE]), 0, 1000},
    {"nat_restricted", "the same, filtering by address", SIM_REAL, AT(nats.weights[SIM_NAT_RESTRICTED]), 0,
     1000},
    {"nat_port_restricted", "the same, filtering by address and port", SIM_REAL,
     AT(nats.weights[SIM_NAT_PORT_RESTRICTED]), 0, 1000},
    {"nat_symmetric", "the same, a new port for each remote one", SIM_REAL,
     AT(nats.weights[SIM_NAT_SYMMETRIC]), 0, 1000},
    {"nat_hotel", "the same, with a limit of connections", SIM_REAL, AT(nats.weights[SIM_NAT_HOTEL]), 0,
     1000},
    {"nat_hosts", "clients that share a box", SIM_COUNT, AT(nats.hosts), 1, RF_SIM_NAT_HOSTS},
    {"nat_forwarded", "share of boxes that forward a port to their first client", SIM_REAL,
     AT(nats.forwarded), 0, 1},
    {"nat_timeout", "a box forgets connections that idle so long", SIM_SECONDS, AT(nats.timeout_s), 1,
     DAYS(1)},
    {"nat_flows", "connections of a hotel's guest", SIM_NUMBER_32, AT(nats.flows), 1, 60000},
    {"nat_block", "a hotel's guest with more is cut off so long", SIM_SECONDS, AT(nats.block_s), 1, DAYS(1)},
    {"latency_scale", "factor on all latencies", SIM_REAL, AT(net.scale), 0, 100},
    {"min_latency", "one way, between any two nodes", SIM_TIME_32, AT(net.min_latency_us), 1e-4, 10},
    {"jitter", "mean of what is added to each delivery", SIM_TIME_32, AT(net.jitter_us), 0, 10},
    {"loss", "probability that a delivery is retransmitted", SIM_REAL, AT(net.loss), 0, 0.9},
    {"duplicate", "probability that a delivery comes twice", SIM_REAL, AT(net.duplicate), 0, 0.9},
    {"reorder", "probability that a delivery is overtaken", SIM_REAL, AT(net.reorder), 0, 0.9},
    {"reorder_delay", "how late it comes then, mean", SIM_TIME_32, AT(net.reorder_us), 0, 10},
    {"super_up", "bit/s that a supernode sends", SIM_RATE, AT(net.super_up_bps), 1000, BITS_MAX},
    {"super_down", "bit/s that a supernode receives", SIM_RATE, AT(net.super_down_bps), 1000, BITS_MAX},
    {"client_up", "bit/s that a client sends", SIM_RATE, AT(net.client_up_bps), 1000, BITS_MAX},
    {"client_down", "bit/s that a client receives", SIM_RATE, AT(net.client_down_bps), 1000, BITS_MAX},
    {"window", "bytes under way per direction of a connection", SIM_NUMBER_32, AT(net.window_len), 1024,
     1 << 30},
    {"dial_timeout", "a dial into nowhere fails after that", SIM_TIME_32, AT(net.syn_timeout_us), 0.1, 3600},
};
const size_t sim_setting_count = RF_COUNT(sim_settings);

const struct sim_setting *sim_setting_find(struct rf_view name)
{
    if (rf_view_equal(name, rf_view_str("nodes")))
        name = rf_view_str("supernodes");
    for (size_t i = 0; i < sim_setting_count; i++)
        if (rf_view_equal(name, rf_view_str(sim_settings[i].name)))
            return &sim_settings[i];
    return NULL;
}

double sim_setting_get(const struct sim_setting *setting, const struct rf_sim_scenario *scenario)
{
    const void *p = (const char *)scenario + setting->offset;

    switch (setting->type) {
    case SIM_COUNT:
        return *(const size_t *)p == SIZE_MAX ? EVERYBODY : (double)*(const size_t *)p;
    case SIM_TIME:
        return (double)*(const uint64_t *)p / 1e6;
    case SIM_TIME_32:
        return (double)*(const uint32_t *)p / 1e6;
    case SIM_SECONDS:
    case SIM_NUMBER_32:
        return (double)*(const uint32_t *)p;
    case SIM_RATE:
        return (double)*(const uint64_t *)p;
    case SIM_REAL:
        return *(const double *)p;
    default:
        return *(const bool *)p ? 1 : 0;
    }
}

bool sim_setting_put(const struct sim_setting *setting, double value, struct rf_sim_scenario *scenario)
{
    void *p = (char *)scenario + setting->offset;

    if (!(value >= setting->least && value <= setting->most))
        return false;
    switch (setting->type) {
    case SIM_COUNT:
        *(size_t *)p = value >= EVERYBODY ? SIZE_MAX : (size_t)(value + 0.5);
        break;
    case SIM_TIME:
        *(uint64_t *)p = (uint64_t)(value * 1e6 + 0.5);
        break;
    case SIM_TIME_32:
        *(uint32_t *)p = (uint32_t)(value * 1e6 + 0.5);
        break;
    case SIM_SECONDS:
    case SIM_NUMBER_32:
        *(uint32_t *)p = (uint32_t)(value + 0.5);
        break;
    case SIM_RATE:
        *(uint64_t *)p = (uint64_t)(value + 0.5);
        break;
    case SIM_REAL:
        *(double *)p = value;
        break;
    case SIM_SWITCH:
        if (value != 0 && value != 1)
            return false;
        *(bool *)p = value == 1;
        break;
    }
    return true;
}
