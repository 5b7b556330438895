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
 * and are tried again with doubling pauses. What is overtaken comes late, and what overtook it waits for it (head-of-line blocking); with
 * three segments behind it the sender takes it for lost and sends it again (RFC 5681, section 3.2), which ends the wait after one
 * round trip and costs a segment. What comes twice costs the receiver's link that often, and an acknowledgement.
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
    double duplicate;   /* probability that a delivery comes twice */
    double reorder;     /* probability that a delivery is overtaken */
    uint32_t reorder_us; /* how late it is then, mean of an exponential */
    uint64_t super_up_bps, super_down_bps, client_up_bps, client_down_bps; /* bits per second */
    uint32_t window_len;     /* bytes under way and unread per direction of a connection (TCP window) */
    uint32_t syn_timeout_us; /* a dial into nowhere fails after that */
};

#define SIM_SEGMENT_LEN 1448 /* bytes of a full TCP segment on Ethernet, with time stamps */

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
/*
 * sim_net_late: how much later `len` bytes come because a segment of theirs was overtaken; 0: none was. *resent: bytes that the sender sends
 * again because of it.
 */
uint64_t sim_net_late(const struct rf_sim_net_config *config, uint32_t latency_us, double reorder,
                      uint32_t len, struct sim_stream *stream, uint32_t *resent);
/* sim_net_delay: latency plus jitter plus retransmissions for one delivery, drawn from the source's stream. */
uint64_t sim_net_delay(const struct rf_sim_net_config *config, uint32_t latency_us, double loss,
                       struct sim_stream *stream);

#endif
