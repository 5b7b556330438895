/*
 * net.h - the virtual network: how long bytes take between two nodes, how fast a node sends and receives, and what faults do to it.
 *
 * Latency. A node has a place on the globe, drawn from a few regions weighted by where the Internet's hosts are, and the height of
 * its access link (lognormal). One way between two nodes: great-circle distance at two thirds of the speed of light, times the stretch
 * of real paths, plus both heights, plus jitter per delivery (exponential). That is the coordinates-plus-height model of Vivaldi (Dabek,
 * Cox, Kaashoek, Morris: "Vivaldi: A Decentralized Network Coordinate System", SIGCOMM 2004, section 5.4), with real distances in
 * place of fitted ones. The weights are chosen so that the round trips have the spread of the measured sets used there (PlanetLab and King, medians
 * of 76 and 159 ms): median 80 to 120 ms, 95th percentile 240 to 320 ms; test_sim holds that.
 *
 * TCP. A connection keeps its order. A lost segment costs a retransmission time-out (delay, nothing else); while a way is cut, bytes wait
 * and are tried again with doubling pauses. Nothing is duplicated or reordered on a connection; datagram flows get that with DTLS (a
 * later issue: their place is sim_net_delay's caller).
 */
#ifndef RF_SIM_NET_H
#define RF_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>

struct sim_stream;

struct rf_sim_net_config {
    double scale; /* of all latencies; 1 */
    uint32_t
        min_latency_us; /* one way, between any two nodes; also the window of parallel shards: a longer one means less waiting; >= 100 */
    uint32_t jitter_us; /* mean of the exponential part added to each delivery */
    double loss;        /* probability that a delivery on a connection needs a retransmission */
    uint64_t super_up_bps, super_down_bps, client_up_bps, client_down_bps; /* bits per second */
    uint32_t window_len;     /* bytes under way and unread per direction of a connection (TCP window) */
    uint32_t syn_timeout_us; /* a dial into nowhere fails after that */
};

/* Where a node is. */
struct sim_place {
    float x, y, z;      /* on the unit sphere */
    uint32_t height_us; /* of its access link, one way */
    uint8_t region;
};

void rf_sim_net_config_default(struct rf_sim_net_config *config);
/* sim_place_draw draws a place; `client`: access links of homes instead of data centres. */
void sim_place_draw(struct sim_place *place, bool client, struct sim_stream *stream);
/* sim_latency: one way without jitter, microseconds, never below min_latency_us. */
uint32_t sim_latency(const struct rf_sim_net_config *config, const struct sim_place *a,
                     const struct sim_place *b);
/* sim_net_delay: latency plus jitter plus retransmissions for one delivery, drawn from the source's stream. */
uint64_t sim_net_delay(const struct rf_sim_net_config *config, uint32_t latency_us, double loss,
                       struct sim_stream *stream);

#endif
