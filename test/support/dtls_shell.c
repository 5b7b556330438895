/*
 * dtls_shell.c - rf_links with DTLS behind one UDP socket on loopback, for witnesses that we did not write (system/test_dtls.py).
 *
 *     dtls_shell DIR listen                          prints "listening PORT"
 *     dtls_shell DIR dial PORT [MESSAGE-IN-HEX]      sends the message once the link is up
 *
 * In DIR it writes ca.der, peer.der and peer.key: its authority, and another node's certificate and key, for the witness. Then `dial` prints
 * "ready" and waits for a line. Datagrams go to DIR/capture.pcap, where our port is called 6084. On standard output: "up NODE resumed=N",
 * "message HEX", "down REASON". A listener sends messages back. It ends after 20 s, or when its standard input does.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/error.h"
#include "io/clock.h"
#include "link/link.h"
#include "support/engine.h"
#include "support/pki.h"
#include "support/real_env.h"

#define LIFE_US   (20 * RF_US_PER_S)
#define NAME_PORT 6084 /* ours, in the capture */

static struct rf_pki pki;
static struct rf_identity own, peer;
static struct rf_trust *trust;
static struct rf_links *links;
static struct rf_now now;
static struct rf_timers timers;
static struct rf_rng_seeded jitter;
static struct rf_env env;
static FILE *capture;
static int fd;
static bool listening;
static uint8_t message[5000];
static size_t message_len;

static void must(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "dtls_shell: %s: %s\n", what, rf_error_text(err));
    exit(1);
}

/* ---- files ---- */

static void write_file(const char *dir, const char *name, struct rf_view bytes)
{
    char path[600];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "wb");
    if (!file || fwrite(bytes.p, 1, bytes.len, file) != bytes.len)
        must(RF_ESYSTEM, path);
    fclose(file);
}

static void write_peer(const char *dir)
{
    struct rf_buf pem;

    rf_buf_init(&pem, rf_mem_system(), 65536);
    must(peer.crypto->ops->key_to_pem(peer.crypto, peer.key, &pem), "key");
    write_file(dir, "ca.der", pki.ca.der);
    write_file(dir, "peer.der", peer.cert->x509.der);
    write_file(dir, "peer.key", rf_buf_view(&pem));
    rf_buf_deinit(&pem);
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* libpcap's format, raw IPv4. */
static void capture_open(const char *dir)
{
    uint8_t head[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0};
    char path[600];

    snprintf(path, sizeof path, "%s/capture.pcap", dir);
    capture = fopen(path, "wb");
    put_le32(head + 16, 65535);
    put_le32(head + 20, 101);
    if (!capture || fwrite(head, 1, sizeof head, capture) != sizeof head)
        must(RF_ESYSTEM, path);
}

static void capture_put(bool out, uint16_t port, struct rf_view bytes)
{
    uint8_t head[16 + 28] = {0}, *ip = head + 16;
    const uint32_t len = (uint32_t)bytes.len + 28;

    put_le32(head, (uint32_t)(now.wall_ms / 1000));
    put_le32(head + 4, (uint32_t)(now.wall_ms % 1000 * 1000));
    put_le32(head + 8, len);
    put_le32(head + 12, len);
    ip[0] = 0x45;
    ip[2] = (uint8_t)(len >> 8);
    ip[3] = (uint8_t)len;
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, (const uint8_t[]){127, 0, 0, out ? 1 : 2, 127, 0, 0, out ? 2 : 1}, 8);
    const uint16_t ports[2] = {out ? NAME_PORT : port, out ? port : NAME_PORT};
    for (int i = 0; i < 2; i++) {
        ip[20 + 2 * i] = (uint8_t)(ports[i] >> 8);
        ip[21 + 2 * i] = (uint8_t)ports[i];
    }
    ip[24] = (uint8_t)((bytes.len + 8) >> 8);
    ip[25] = (uint8_t)(bytes.len + 8);
    fwrite(head, 1, sizeof head, capture);
    fwrite(bytes.p, 1, bytes.len, capture);
    fflush(capture);
}

/* ---- the node ---- */

static void host_up(void *ctx, const struct rf_link_info *link)
{
    (void)ctx;
    printf("up ");
    for (size_t i = 0; i < link->node_id.len; i++)
        printf("%02x", link->node_id.b[i]);
    printf(" resumed=%d\n", link->resumed);
    if (message_len > 0)
        must(rf_links_send(links, link->id, rf_view_of(message, message_len)), "send");
}

static void host_message(void *ctx, rf_link_id link, struct rf_view bytes)
{
    (void)ctx;
    printf("message ");
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.p[i]);
    printf("\n");
    if (listening)
        must(rf_links_send(links, link, bytes), "send back");
}

static void host_down(void *ctx, const struct rf_link_info *link, int reason)
{
    (void)ctx;
    (void)link;
    printf("down %s\n", rf_error_text(reason));
}

static void node_start(void)
{
    const struct rf_link_host host = {.up = host_up, .message = host_message, .down = host_down};
    struct rf_link_config config;

    rf_link_config_default(&config);
    config.datagram_ops = &rf_engine_gnutls_dtls;
    config.trust = trust;
    config.self = own.node_id;
    must(engine_of(&own, config.datagram_ops, &env, &config.datagram_engine), "engine");
    must(rf_links_new(&env, &config, &host, &links), "links");
}

/* ---- the socket ---- */

static void drain(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct rf_flow_action action;

    for (rf_links_next_action(links, &action); action.type != RF_FLOW_NONE;
         rf_links_next_action(links, &action)) {
        if (action.type != RF_FLOW_DATAGRAM)
            continue;
        capture_put(true, action.addr.port, action.bytes);
        to.sin_port = htons(action.addr.port);
        (void)!sendto(fd, action.bytes.p, action.bytes.len, 0, (struct sockaddr *)&to, sizeof to);
    }
    fflush(stdout);
}

static void receive(void)
{
    static uint8_t bytes[65536];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_len);
    struct rf_addr remote = {.family = 4, .port = ntohs(from.sin_port), .ip = {127, 0, 0, 1}};

    if (len <= 0)
        return;
    capture_put(false, remote.port, rf_view_of(bytes, (size_t)len));
    rf_links_datagram_from(links, 0, &remote, rf_view_of(bytes, (size_t)len));
}

static void run(void)
{
    const uint64_t end = now.mono_us + LIFE_US;
    struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    char rest[64];

    while (now.mono_us < end) {
        drain();
        if (poll(polled, 2, 20) < 0)
            return;
        rf_clock_read(&now);
        if (polled[0].revents)
            receive();
        rf_timers_run(&timers, now.mono_us, 100);
        if (polled[1].revents && read(0, rest, sizeof rest) <= 0)
            return;
    }
}

static uint16_t socket_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;

    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, at_len) ||
        getsockname(fd, (struct sockaddr *)&at, &at_len))
        must(RF_ESYSTEM, "socket");
    return ntohs(at.sin_port);
}

static void read_hex(const char *text)
{
    unsigned byte;

    for (; sscanf(text, "%2x", &byte) == 1 && message_len < sizeof message; text += 2)
        message[message_len++] = (uint8_t)byte;
}

int main(int argc, char **argv)
{
    struct rf_link_way way = {.datagrams = true, .addr = {.family = 4, .ip = {127, 0, 0, 1}}};
    rf_link_id id;
    uint16_t port;

    if (argc < 3) {
        fprintf(stderr, "usage: dtls_shell DIR listen | dial PORT [HEX]\n");
        return 2;
    }
    listening = strcmp(argv[2], "listen") == 0;
    rf_clock_read(&now);
    env = real_env(&timers, &now, &jitter);
    must(rf_pki_init(&pki, &(struct rf_pki_config){.overlay = "example.org", .wall_ms = now.wall_ms}), "pki");
    must(rf_pki_node(&pki, "own@example.org", NULL, RF_KEY_P256, &own), "identity");
    must(rf_pki_node(&pki, "peer@example.org", NULL, RF_KEY_P256, &peer), "identity");
    must(rf_pki_trust(&pki, 64, &trust), "trust");
    write_peer(argv[1]);
    capture_open(argv[1]);
    port = socket_open();
    node_start();
    if (listening) {
        printf("listening %u\n", port);
    } else {
        printf("ready\n");
        fflush(stdout);
        char line[16]; /* the witness starts now, with the files above */
        if (!fgets(line, sizeof line, stdin))
            return 1;
        rf_clock_read(&now);
        if (argc > 4)
            read_hex(argv[4]);
        way.addr.port = (uint16_t)atoi(argv[3]);
        must(rf_links_dial(links, &way, 1, NULL, RF_LINK_OVERLAY, 0, &id), "dial");
    }
    run();
    rf_links_free(links);
    fclose(capture);
    return 0;
}
