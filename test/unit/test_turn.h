/* test_turn.h - a relay without a network: requests are built, handed in and their answers read. */
#ifndef RF_TEST_TURN_H
#define RF_TEST_TURN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "stun/stun.h"
#include "support/still_env.h"
#include "turn/turn.h"

#define TURN_SOCKETS 64

struct turn_world {
    struct still_env e;
    struct rf_turn_host host;
    struct rf_turn_config config;
    struct rf_turn *turn;
    /* sockets: handles are 1-based indexes */
    struct rf_turn_alloc *allocs[TURN_SOCKETS];
    size_t opened, open;
    int open_error;
    bool asked_even;
    /* what the client knows */
    struct rf_turn_from from;
    struct rf_turn_credentials credentials;
    enum rf_hash alg; /* of the key: MD5, SHA256 */
    char realm[64], nonce[64];
    uint8_t txn;
    uint8_t request[1024];
    struct rf_buf out;
    /* the last answer */
    struct rf_turn_act act;
    struct rf_stun_msg answer;
};

void turn_world_init(struct turn_world *w); /* w->config may be changed before turn_world_start */
void turn_world_start(struct turn_world *w);
void turn_world_deinit(struct turn_world *w); /* checks that no memory and no socket is left */
void turn_pass(struct turn_world *w, uint64_t us);
struct rf_addr turn_addr(const char *text);

/* turn_begin_request, then rf_stun_put on w->out, then turn_send_request: signed if the nonce is known; the answer's error code, or 0. */
void turn_begin_request(struct turn_world *w, uint16_t method);
int turn_send_request(struct turn_world *w);
/* Whole requests. */
int turn_allocate(struct turn_world *w); /* asks for the nonce first if it is not known */
int turn_refresh(struct turn_world *w, uint32_t lifetime_s);
int turn_permit_peer(struct turn_world *w, const char *peer);
int turn_bind_peer(struct turn_world *w, uint16_t number, const char *peer);
/* What comes from the client without an answer. */
void turn_send_data(struct turn_world *w, const char *peer, const char *text);
void turn_send_channel(struct turn_world *w, uint16_t number, const char *text);
/* What comes from a peer at the first allocation's socket; true: *packet goes to the client. */
bool turn_from_peer(struct turn_world *w, const char *peer, const char *text, struct rf_view *packet);
const struct rf_turn_counters *turn_counters(struct turn_world *w);

int test_turn_requests(void);
int test_turn_data(void);
int test_turn_abuse(void);
int test_turn_attacks(void);

#endif
