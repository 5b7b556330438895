/* mix.c - the fast hash. */
#include "crypto/fake/mix.h"

/* odd numbers without a pattern: digits of the golden ratio, and primes of the xxHash family's size */
#define K0 UINT64_C(0x9e3779b97f4a7c15)
#define K1 UINT64_C(0xc2b2ae3d27d4eb4f)
#define K2 UINT64_C(0x165667b19e3779f9)
#define K3 UINT64_C(0xd6e8feb86659fd93)

#define END_ROUNDS 4

static uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static uint64_t load(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

/* Every line can be undone when the words are known: no state is reached from two. */
static inline void step(uint64_t s[4], uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    uint64_t a = rotate((s[0] ^ w0) * K0, 29), b = rotate((s[1] ^ w1) * K1, 33);
    uint64_t c = rotate((s[2] ^ w2) * K2, 31), d = rotate((s[3] ^ w3) * K3, 27);

    a += b;
    c += d;
    d ^= a;
    b ^= c;
    s[0] = a;
    s[1] = b;
    s[2] = c;
    s[3] = d;
}

static void step_block(uint64_t s[4], const uint8_t *p)
{
    step(s, load(p), load(p + 8), load(p + 16), load(p + 24));
}

void mix_init(struct mix *m, enum mix_purpose purpose, uint64_t number)
{
    m->s[0] = K3 * (uint64_t)purpose;
    m->s[1] = K2 ^ number;
    m->s[2] = K1;
    m->s[3] = K0;
    m->len = 0;
    step(m->s, 0, 0, 0, 0);
}

void mix_put(struct mix *m, struct rf_view bytes)
{
    size_t held = (size_t)(m->len % MIX_BLOCK_LEN);

    m->len += bytes.len;
    if (held > 0 && held + bytes.len >= MIX_BLOCK_LEN) {
        memcpy(m->held + held, bytes.p, MIX_BLOCK_LEN - held);
        step_block(m->s, m->held);
        bytes.p += MIX_BLOCK_LEN - held;
        bytes.len -= MIX_BLOCK_LEN - held;
        held = 0;
    }
    if (held == 0)
        for (; bytes.len >= MIX_BLOCK_LEN; bytes.p += MIX_BLOCK_LEN, bytes.len -= MIX_BLOCK_LEN)
            step_block(m->s, bytes.p);
    if (bytes.len > 0)
        memcpy(m->held + held, bytes.p, bytes.len);
}

void mix_end(struct mix *m, uint8_t out[MIX_OUT_LEN])
{
    size_t held = (size_t)(m->len % MIX_BLOCK_LEN);

    if (held > 0) {
        memset(m->held + held, 0, MIX_BLOCK_LEN - held);
        step_block(m->s, m->held);
    }
    step(m->s, m->len, K0, 0, 0);
    for (int round = 0; round < END_ROUNDS; round++) {
        for (int i = 0; i < 4; i++)
            m->s[i] ^= m->s[i] >> 32;
        step(m->s, K1, K2, K3, (uint64_t)round);
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            out[8 * i + k] = (uint8_t)(m->s[i] >> (8 * k));
}

void mix_expand(const uint8_t seed[MIX_OUT_LEN], uint8_t *out, size_t len)
{
    uint8_t some[MIX_OUT_LEN];
    struct mix m;

    for (uint64_t number = 0; len > 0; number++) {
        size_t take = len < sizeof(some) ? len : sizeof(some);

        mix_init(&m, MIX_EXPAND, number);
        mix_put(&m, rf_view_of(seed, MIX_OUT_LEN));
        mix_end(&m, some);
        memcpy(out, some, take);
        out += take;
        len -= take;
    }
}
