/* fuzz_env.h - what fuzzers of machines around STUN share: an environment without memory of its own, steps of the input, a relay's signature. */
#ifndef RF_TEST_SUPPORT_FUZZ_ENV_H
#define RF_TEST_SUPPORT_FUZZ_ENV_H

#include <stdlib.h>

#include "base/env.h"
#include "crypto/fake/fake.h"
#include "stun/stun.h"

struct fuzz_env {
    struct rf_rng_seeded rng;
    struct rf_timers timers;
    struct rf_now now;
    struct rf_env env;
    struct rf_crypto_fake_config fake;
    struct rf_crypto *crypto; /* owned */
};

/* fuzz_env_init: `e` stays where it is; now: as it stands in e->now. */
static inline void fuzz_env_init(struct fuzz_env *e)
{
    rf_rng_seeded_init(&e->rng, 1);
    rf_timers_init(&e->timers, rf_mem_system());
    e->env = (struct rf_env){.mem = rf_mem_system(),
                             .timers = &e->timers,
                             .now = &e->now,
                             .secret = &e->rng.rng,
                             .jitter = &e->rng.rng};
    e->fake = (struct rf_crypto_fake_config){.rng = &e->rng.rng};
    e->crypto = rf_crypto_fake_new(rf_mem_system(), &e->fake);
    if (e->crypto == NULL)
        abort();
}

static inline void fuzz_env_deinit(struct fuzz_env *e)
{
    rf_timers_deinit(&e->timers);
    rf_crypto_fake_free(e->crypto);
}

/* fuzz_step takes a step from the input: a byte that says what, a length, bytes. False: there is none left. */
static inline bool fuzz_step(struct rf_view *in, uint8_t *what, struct rf_view *bytes)
{
    uint8_t len;
    return rf_view_u8(in, what) == 0 && rf_view_u8(in, &len) == 0 && rf_view_take(in, len, bytes) == 0;
}

/* fuzz_attr takes an attribute from the input: type, length, up to 31 bytes. False: there is none left. */
static inline bool fuzz_attr(struct rf_view *in, uint8_t *type, uint8_t *len, struct rf_view *value)
{
    return in->len >= 3 && rf_view_u8(in, type) == 0 && rf_view_u8(in, len) == 0 &&
           rf_view_take(in, *len % 32, value) == 0;
}

/* fuzz_sign adds the integrity of long-term credentials. */
static inline void fuzz_sign(struct rf_buf *out, struct rf_crypto *crypto, const char *user,
                             const char *realm, const char *password)
{
    uint8_t key[RF_STUN_KEY_MAX];
    size_t len;
    if (rf_stun_long_key(crypto, RF_HASH_MD5, rf_view_str(user), rf_view_str(realm), rf_view_str(password),
                         key, &len) != 0)
        abort();
    rf_stun_put_integrity(out, crypto, RF_HASH_SHA1, rf_view_of(key, len));
}

#endif
