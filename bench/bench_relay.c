/*
 * bench_relay.c - the relay alone, for others' clients: measured beside coturn, and tried by coturn's client in the system tests.
 *
 *     bench_relay ADDRESS THREADS [BYTES_PER_S [shared]]
 *
 * shared: its port is a node's, too, as in ringfolkd (io/udp.h). Prints a line of JSON with where it listens and credentials for an hour, serves until the end of its input, prints its counters.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "io/clock.h"
#include "io/random.h"
#include "io/relay.h"
#include "io/sockets.h"
#include "io/udp.h"

static void print_counters(struct rf_relay *relay)
{
    struct rf_turn_status status;
    rf_relay_status(relay, &status, NULL);
    printf("{\"now\": %zu, \"users\": %zu", status.allocations, status.users);
    for (size_t i = 0; i < rf_turn_counter_count; i++)
        printf(", \"%s\": %llu", rf_turn_counter_descs[i].name,
               (unsigned long long)rf_counter_get(&status.counters, &rf_turn_counter_descs[i]));
    printf("}\n");
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "bench_relay: %s: %s\n", what, rf_error_text(error));
    return 1;
}

/* ---- a node that has the port, too, and for which nothing comes ---- */

static void on_input(void *ctx, unsigned base, const struct rf_addr *remote, struct rf_view bytes)
{
    (void)ctx, (void)base, (void)remote, (void)bytes;
}

static void on_stray(void *ctx, const struct rf_addr *from, struct rf_view bytes)
{
    rf_udp_hand(ctx, 0, from, bytes);
}

static int share_port(struct rf_relay_config *config)
{
    struct rf_udp_doorway door = {.input = on_input};
    struct rf_loop *loop; /* nobody turns it */
    struct rf_udp *udp;
    unsigned base;
    int error = rf_loop_new(config->mem, &loop);
    if (error == 0)
        error = rf_udp_new(config->mem, loop, &door, &udp);
    if (error == 0)
        error = rf_udp_open(udp, &config->listen, &base, &config->listen);
    if (error == 0)
        error = rf_udp_share(udp, base, config->threads);
    config->stray = on_stray;
    config->stray_ctx = udp;
    return error;
}

int main(int argc, char **argv)
{
    struct rf_relay_config config = {.mem = rf_mem_system(),
                                     .secret = rf_random_system(),
                                     .crypto_new = rf_crypto_openssl_new,
                                     .crypto_free = rf_crypto_openssl_free,
                                     .turn = {.realm = "bench", .private_peers = true}};
    struct rf_turn_credentials credentials;
    struct rf_relay *relay;
    char text[RF_ADDR_TEXT_LEN];
    struct rf_now now;
    if (argc < 3 || rf_addr_parse(argv[1], 0, &config.listen) != 0) {
        fprintf(stderr, "usage: bench_relay ADDRESS THREADS [BYTES_PER_S [shared]]\n");
        return 2;
    }
    config.threads = (size_t)atoi(argv[2]);
    config.turn.user_bytes_per_s = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    config.turn.max_allocations = config.turn.max_per_user = rf_descriptors_raise();
    rf_rng_fill(config.secret, config.turn.secret, RF_TURN_SECRET_LEN);
    rf_clock_read(&now);
    config.tcp = config.listen;
    int error = argc > 4 ? share_port(&config) : 0;
    if (error == 0)
        error = rf_relay_new(&config, &relay);
    if (error != 0)
        return fail("the relay does not start", error);
    struct rf_crypto *crypto = rf_crypto_openssl_new(rf_mem_system());
    error = rf_turn_credentials(crypto, config.turn.secret, "bench", now.wall_ms + 3600000, &credentials);
    rf_crypto_openssl_free(crypto);
    if (error != 0)
        return fail("no credentials", error);
    printf("{\"address\": \"%s\", ", rf_addr_text(rf_relay_address(relay), text));
    printf("\"tcp\": \"%s\", \"realm\": \"bench\", \"user\": \"%s\", \"password\": \"%s\"}\n",
           rf_addr_text(rf_relay_tcp(relay), text), credentials.user, credentials.password);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    print_counters(relay);
    rf_relay_free(relay);
    return 0;
}
