/* stream.h - sim_stream: a small random stream (splitmix64), eight bytes of state, so that a million nodes can have several. */
#ifndef RF_SIM_STREAM_H
#define RF_SIM_STREAM_H

#include <math.h>
#include <stdint.h>

struct sim_stream {
    uint64_t state;
};

static inline uint64_t sim_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* sim_stream_of: the stream number `which` of object `index` under a seed. */
static inline struct sim_stream sim_stream_of(uint64_t seed, uint64_t which, uint64_t index)
{
    return (struct sim_stream){sim_mix(sim_mix(sim_mix(seed + 0x9e3779b97f4a7c15) ^ which) + index)};
}

static inline uint64_t sim_draw(struct sim_stream *s)
{
    return sim_mix(s->state += 0x9e3779b97f4a7c15);
}

/* 0 <= x < 1 */
static inline double sim_draw_unit(struct sim_stream *s)
{
    return (double)(sim_draw(s) >> 11) * 0x1p-53;
}

/* 0 .. limit-1; the bias of 64 bits over `limit` does not matter here */
static inline uint64_t sim_draw_below(struct sim_stream *s, uint64_t limit)
{
    return (uint64_t)(((__uint128_t)sim_draw(s) * limit) >> 64);
}

/* exponential with that mean */
static inline double sim_draw_exp(struct sim_stream *s, double mean)
{
    return -mean * log(1 - sim_draw_unit(s));
}

#endif
