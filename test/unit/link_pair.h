/* link_pair.h - one client and one server of an engine, with certificates of one overlay, for tests of engines by themselves. */
#ifndef RF_TEST_LINK_PAIR_H
#define RF_TEST_LINK_PAIR_H

#include "test_link.h"

struct link_pair {
    struct rf_mem_test mem;
    struct rf_pki pki;
    struct rf_now now;
    struct rf_env env;
    struct rf_rng_seeded rng;
    struct rf_identity identity[2]; /* 0 client, 1 server */
    const struct rf_engine_ops *ops;
    struct rf_engine *engine[2];
    struct rf_channel *channel[2];
    struct rf_buf wire[2];  /* from 0, from 1 */
    struct rf_buf plain[2]; /* what 0 got, what 1 got */
    int error[2];
    bool admitted; /* the client, by the server */
};

void pair_init(struct link_pair *p, const struct rf_engine_ops *ops, enum rf_key_type client,
               enum rf_key_type server);
/* pair_deinit frees all and checks that nothing is left. */
void pair_deinit(struct link_pair *p);
/* pair_reset frees the channels and empties the buffers. */
void pair_reset(struct link_pair *p);
/* Channel i has the other's certificate. */
void pair_assert_shows(const struct link_pair *p, int i);
/* Once the server's channel is up and its peer not judged, the certificate is looked at and the peer admitted, into `wire`. True: just now. */
bool pair_admit(struct link_pair *p, struct rf_buf *wire);

#endif
