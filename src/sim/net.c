/* net.c - the latency model: places on the globe, access links, jitter, retransmissions. */
#include "sim/net.h"

#include <math.h>
#include <stddef.h>
#include "base/clock.h"
#include "sim/stream.h"

#define EARTH_KM         6371.0
#define KM_PER_MS        200.0    /* light in fibre */
#define PATH_STRETCH     1.12     /* routed over great circle */
#define RTO_MIN_US       200000.0 /* Linux TCP_RTO_MIN */
#define RTO_TRIES_MAX    6
#define DUP_ACKS         3   /* RFC 5681, section 3.2 */
#define SUPER_HEIGHT_MS  1.5 /* medians of the access link's one-way height */
#define CLIENT_HEIGHT_MS 4.0
#define HEIGHT_SIGMA     0.7

/*
 * Shares follow where hosts of today's peer-to-peer networks are; spread_deg is the standard deviation around the centre; detour_ms is what one
 * way out of the region costs beyond geography, because its cables go around (Europe to East Asia: 200 to 250 ms there and back).
 */
static const struct region {
    const char *name;
    double share, latitude, longitude, spread_deg, detour_ms;
} regions[] = {
    {"north-america-east", 0.22, 39, -80, 6, 0},
    {"north-america-west", 0.09, 38, -119, 5, 0},
    {"europe-west", 0.38, 49, 6, 6, 0},
    {"europe-east", 0.09, 53, 32, 8, 3},
    {"asia-east", 0.09, 34, 122, 8, 44},
    {"asia-south", 0.045, 15, 88, 10, 42},
    {"south-america", 0.045, -20, -52, 8, 30},
    {"oceania", 0.02, -33, 148, 6, 15},
    {"africa", 0.02, 5, 20, 15, 25},
};
#define REGION_COUNT (sizeof(regions) / sizeof(regions[0]))

void rf_sim_net_config_default(struct rf_sim_net_config *config)
{
    *config = (struct rf_sim_net_config){
        .scale = 1,
        .min_latency_us = 4000,
        .jitter_us = 1000,
        .loss = 0.002,
        .reorder_us = 10000,
        .super_up_bps = 100000000,
        .super_down_bps = 100000000,
        .client_up_bps = 10000000,
        .client_down_bps = 50000000,
        .window_len = 65536,
        .syn_timeout_us = 60000000,
    };
}

static double draw_normal(struct sim_stream *stream)
{
    double a = sqrt(-2 * log(1 - sim_draw_unit(stream)));
    return a * cos(2 * M_PI * sim_draw_unit(stream));
}

void sim_place_draw(struct sim_place *place, bool client, struct sim_stream *stream)
{
    double at = sim_draw_unit(stream);
    size_t r = 0;
    while (r + 1 < REGION_COUNT && at >= regions[r].share)
        at -= regions[r++].share;
    double lat = (regions[r].latitude + regions[r].spread_deg * draw_normal(stream)) * M_PI / 180;
    double lon = (regions[r].longitude + regions[r].spread_deg * draw_normal(stream)) * M_PI / 180;
    double height = (client ? CLIENT_HEIGHT_MS : SUPER_HEIGHT_MS) * exp(HEIGHT_SIGMA * draw_normal(stream));
    *place = (struct sim_place){.x = (float)(cos(lat) * cos(lon)),
                                .y = (float)(cos(lat) * sin(lon)),
                                .z = (float)sin(lat),
                                .height_us = (uint32_t)(height * 1000),
                                .region = (uint8_t)r};
}

uint32_t sim_latency(const struct rf_sim_net_config *config, const struct sim_place *a,
                     const struct sim_place *b)
{
    double dot = (double)a->x * b->x + (double)a->y * b->y + (double)a->z * b->z;
    double km = EARTH_KM * acos(dot > 1 ? 1 : dot < -1 ? -1 : dot);
    double us = km / KM_PER_MS * PATH_STRETCH * 1000 + a->height_us + b->height_us;
    if (a->region != b->region)
        us += 1000 * (regions[a->region].detour_ms + regions[b->region].detour_ms);
    us *= config->scale;
    return us < config->min_latency_us ? config->min_latency_us : (uint32_t)us;
}

uint64_t sim_net_late(const struct rf_sim_net_config *config, uint32_t latency_us, double reorder,
                      uint32_t len, struct sim_stream *stream, uint32_t *resent)
{
    *resent = 0;
    if (reorder <= 0 || sim_draw_unit(stream) >= reorder)
        return 0;
    uint64_t us = (uint64_t)sim_draw_exp(stream, config->reorder_us);
    if (len <= DUP_ACKS * SIM_SEGMENT_LEN)
        return us;
    *resent = SIM_SEGMENT_LEN;
    return us < 2 * (uint64_t)latency_us ? us : 2 * (uint64_t)latency_us;
}

uint64_t sim_net_delay(const struct rf_sim_net_config *config, uint32_t latency_us, double loss,
                       struct sim_stream *stream)
{
    uint64_t us = latency_us;
    if (config->jitter_us > 0)
        us += (uint64_t)sim_draw_exp(stream, config->jitter_us);
    double rto = RTO_MIN_US + 2.0 * latency_us;
    for (int tries = 0; loss > 0 && tries < RTO_TRIES_MAX && sim_draw_unit(stream) < loss; tries++, rto *= 2)
        us += (uint64_t)rto;
    return us;
}
