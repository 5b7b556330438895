/*
 * ice_shell.c - our ICE agent over real UDP sockets and, to a TURN server, over TCP: for tests with agents that we did not write.
 *
 *     ice_shell [-c] [-b IP]... [-s STUN] [-t TURN | -T TURN] [-u USER -p PASSWORD] [-r] [-k SECONDS]
 *
 * -c controlling; -b a base (default 127.0.0.1); -t TURN by UDP, -T by TCP; -r relayed candidates only; -k stay so long after the first data and
 * say at the end whether they still came. Lines on standard output: "local UFRAG PASSWORD CANDIDATES", "selected MS direct|relayed",
 * "data TEXT", "failed ERROR", "alive"; on standard input one line "remote UFRAG PASSWORD CANDIDATES". CANDIDATES are split by ';', each is
 * FOUNDATION,PRIORITY,ADDRESS,KIND[,RELATED].
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "ice/ice.h"
#include "stun/stun.h"

#define LINE_MAX_LEN 8192

struct shell {
    struct rf_timers timers;
    struct rf_now now;
    struct rf_env env;
    struct rf_rng rng;
    struct rf_ice *ice;
    rf_ice_id session;
    int sockets[RF_ICE_MAX_BASES];
    size_t base_count;
    int tcp;
    uint32_t stream;
    bool connecting;
    uint8_t tcp_in[70000];
    size_t tcp_len;
    uint64_t started_us, stay_us, heard_us, said_us;
    unsigned selected, heard;
    bool done;
};
static struct shell sh = {.tcp = -1};

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void rng_fill(void *ctx, void *p, size_t len)
{
    (void)ctx;
    if (getrandom(p, len, 0) != (ssize_t)len)
        die("getrandom");
}

static void clock_read(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    sh.now.mono_us = (uint64_t)t.tv_sec * RF_US_PER_S + (uint64_t)t.tv_nsec / 1000;
    clock_gettime(CLOCK_REALTIME, &t);
    sh.now.wall_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static socklen_t to_sockaddr(const struct rf_addr *addr, struct sockaddr_storage *out)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof(*out));
    if (addr->family == 4) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(addr->port);
        memcpy(&in4->sin_addr, addr->ip, 4);
        return sizeof(*in4);
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    memcpy(&in6->sin6_addr, addr->ip, 16);
    return sizeof(*in6);
}

static struct rf_addr from_sockaddr(const struct sockaddr_storage *in)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)in;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;
    struct rf_addr addr = {.family = in->ss_family == AF_INET ? 4 : 6};
    addr.port = ntohs(addr.family == 4 ? in4->sin_port : in6->sin6_port);
    memcpy(addr.ip, addr.family == 4 ? (const void *)&in4->sin_addr : (const void *)&in6->sin6_addr,
           addr.family == 4 ? 4 : 16);
    return addr;
}

static struct rf_addr parse(const char *text)
{
    struct rf_addr addr;
    if (rf_addr_parse(text, 0, &addr) != 0) {
        fprintf(stderr, "ice_shell: %s is no address\n", text);
        exit(2);
    }
    return addr;
}

static void add_base(const char *ip)
{
    struct sockaddr_storage sa;
    struct rf_addr addr = parse(ip);
    socklen_t len = to_sockaddr(&addr, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0)
        die("bind");
    len = sizeof(sa);
    getsockname(fd, (struct sockaddr *)&sa, &len);
    addr = from_sockaddr(&sa);
    uint8_t base = (uint8_t)sh.base_count++;
    sh.sockets[base] = fd;
    if (rf_ice_base_set(sh.ice, base, &addr, (uint16_t)(UINT16_MAX - base)) != 0)
        die("base");
}

/* ---- out ---- */

static void send_udp(uint8_t base, const struct rf_addr *to, const void *bytes, size_t len)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = to_sockaddr(to, &sa);
    (void)sendto(sh.sockets[base], bytes, len, 0, (struct sockaddr *)&sa, sa_len);
}

static void stream_close(void)
{
    uint32_t stream = sh.stream;
    if (sh.tcp >= 0)
        close(sh.tcp);
    sh.tcp = -1;
    sh.stream = 0;
    rf_ice_stream_down(sh.ice, stream);
}

static void send_tcp(const void *bytes, size_t len)
{
    if (sh.tcp >= 0 && send(sh.tcp, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        stream_close();
}

static void stream_open(const struct rf_ice_out *out)
{
    struct sockaddr_storage sa;
    socklen_t len = to_sockaddr(&out->remote, &sa);
    sh.stream = out->stream;
    sh.tcp_len = 0;
    sh.tcp = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sh.connecting = true;
    if (connect(sh.tcp, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
        stream_close();
}

static void say(const char *text)
{
    struct rf_ice_wrap wrap;
    uint8_t whole[512] = {0};
    size_t len = strlen(text);
    if (rf_ice_send(sh.ice, sh.session, len, &wrap) != 0)
        return;
    memcpy(whole, wrap.head, wrap.head_len);
    memcpy(whole + wrap.head_len, text, len);
    len += wrap.head_len + (size_t)wrap.pad;
    if (wrap.base == RF_ICE_NO_BASE)
        send_tcp(whole, len);
    else
        send_udp(wrap.base, &wrap.remote, whole, len);
}

static void print_local(void)
{
    struct rf_ice_params p;
    char text[2][RF_ADDR_TEXT_LEN];
    if (rf_ice_local(sh.ice, sh.session, &p) != 0)
        exit(2);
    printf("local %.*s %.*s ", (int)p.ufrag.len, (const char *)p.ufrag.p, (int)p.password.len,
           (const char *)p.password.p);
    for (size_t i = 0; i < p.candidate_count; i++) {
        const struct rf_ice_cand *c = &p.candidates[i];
        printf("%s%s,%u,%s,%u", i > 0 ? ";" : "", c->foundation, c->priority, rf_addr_text(&c->addr, text[0]),
               c->kind);
        if (c->related.family != 0)
            printf(",%s", rf_addr_text(&c->related, text[1]));
    }
    printf("\n");
}

static void event(const struct rf_ice_out *out)
{
    struct rf_ice_info info = {0};
    (void)rf_ice_info(sh.ice, sh.session, &info);
    if (out->type == RF_ICE_OUT_GATHERED) {
        print_local();
    } else if (out->type == RF_ICE_OUT_SELECTED) {
        sh.selected++;
        printf("selected %.1f %s\n", (double)(sh.now.mono_us - sh.started_us) / 1000,
               info.relayed ? "relayed" : "direct");
    } else if (out->type != RF_ICE_OUT_UNSERVED) {
        printf("failed %s\n", rf_error_text(out->error));
        sh.done = true;
    }
}

static void drain(void)
{
    struct rf_ice_out out;
    while (rf_ice_next(sh.ice, &out)) {
        if (out.type == RF_ICE_OUT_DATAGRAM)
            send_udp(out.base, &out.remote, out.bytes.p, out.bytes.len);
        else if (out.type == RF_ICE_OUT_STREAM)
            send_tcp(out.bytes.p, out.bytes.len);
        else if (out.type == RF_ICE_OUT_CONNECT)
            stream_open(&out);
        else if (out.type == RF_ICE_OUT_DISCONNECT)
            stream_close();
        else
            event(&out);
    }
    fflush(stdout);
}

/* ---- in ---- */

static void take(enum rf_ice_in what, struct rf_view data)
{
    if (what != RF_ICE_IN_DATA)
        return;
    if (sh.heard++ == 0)
        printf("data %.*s\n", (int)data.len, (const char *)data.p);
    if (sh.heard_us == 0)
        sh.stay_us += sh.now.mono_us;
    sh.heard_us = sh.now.mono_us;
}

static void read_udp(uint8_t base)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    uint8_t bytes[2048];
    ssize_t got =
        recvfrom(sh.sockets[base], bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&sa, &len);
    if (got < 0)
        return;
    struct rf_addr from = from_sockaddr(&sa);
    rf_ice_id session;
    struct rf_view data = {0};
    enum rf_ice_in what = rf_ice_input(sh.ice, base, &from, rf_view_of(bytes, (size_t)got), &session, &data);
    take(what, data);
}

static int frame_len(struct rf_view in, size_t *len)
{
    return in.len > 0 && (in.p[0] & 0xc0) == 0x40 ? rf_turn_channel_frame(in, len) : rf_stun_frame(in, len);
}

static void read_tcp(void)
{
    ssize_t got = recv(sh.tcp, sh.tcp_in + sh.tcp_len, sizeof(sh.tcp_in) - sh.tcp_len, MSG_DONTWAIT);
    size_t len, at = 0;
    if (got <= 0) {
        stream_close();
        return;
    }
    sh.tcp_len += (size_t)got;
    while (frame_len(rf_view_of(sh.tcp_in + at, sh.tcp_len - at), &len) == 0 && sh.tcp_len - at >= len) {
        rf_ice_id session;
        struct rf_view data = {0};
        enum rf_ice_in what =
            rf_ice_stream_input(sh.ice, sh.stream, rf_view_of(sh.tcp_in + at, len), &session, &data);
        take(what, data);
        at += len;
    }
    memmove(sh.tcp_in, sh.tcp_in + at, sh.tcp_len - at);
    sh.tcp_len -= at;
}

static void read_remote(void)
{
    static char line[LINE_MAX_LEN], ufrag[300], pass[300], list[LINE_MAX_LEN];
    struct rf_ice_cand cands[RF_ICE_MAX_REMOTE];
    size_t count = 0;
    char *rest = NULL;
    if (fgets(line, sizeof(line), stdin) == NULL) {
        sh.done = true;
        return;
    }
    if (sscanf(line, "remote %299s %299s %8191s", ufrag, pass, list) != 3)
        exit(2);
    for (char *one = strtok_r(list, ";", &rest); one != NULL && count < RF_COUNT(cands);
         one = strtok_r(NULL, ";", &rest)) {
        struct rf_ice_cand c = {0};
        char addr[100];
        unsigned kind;
        if (sscanf(one, "%32[^,],%u,%99[^,],%u", c.foundation, &c.priority, addr, &kind) != 4)
            exit(2);
        c.addr = parse(addr);
        c.kind = (uint8_t)kind;
        cands[count++] = c;
    }
    struct rf_ice_params remote = {rf_view_str(ufrag), rf_view_str(pass), cands, count};
    sh.started_us = sh.now.mono_us;
    int error = rf_ice_start(sh.ice, sh.session, &remote);
    if (error != 0) {
        fprintf(stderr, "ice_shell: start: %s\n", rf_error_text(error));
        exit(2);
    }
}

/* ---- the loop ---- */

static bool turn_round(void)
{
    struct pollfd fds[RF_ICE_MAX_BASES + 2];
    size_t n = 0;
    for (; n < sh.base_count; n++)
        fds[n] = (struct pollfd){.fd = sh.sockets[n], .events = POLLIN};
    fds[n] = (struct pollfd){.fd = sh.started_us == 0 ? 0 : -1, .events = POLLIN};
    fds[n + 1] = (struct pollfd){.fd = sh.tcp, .events = sh.connecting ? POLLOUT : POLLIN};
    uint64_t next_us = rf_timers_next(&sh.timers);
    uint64_t wait_us = next_us > sh.now.mono_us ? next_us - sh.now.mono_us : 0;
    struct timespec wait = {.tv_nsec = (long)(wait_us < 50000 ? wait_us * 1000 : 50000000)};
    if (ppoll(fds, n + 2, &wait, NULL) < 0)
        return false;
    clock_read();
    for (size_t i = 0; i < sh.base_count; i++)
        if ((fds[i].revents & POLLIN) != 0)
            read_udp((uint8_t)i);
    if (fds[n].revents != 0)
        read_remote();
    if (sh.tcp >= 0 && fds[n + 1].revents != 0 && sh.connecting) {
        sh.connecting = false;
        rf_ice_stream_up(sh.ice, sh.stream);
    } else if (sh.tcp >= 0 && fds[n + 1].revents != 0) {
        read_tcp();
    }
    rf_timers_run(&sh.timers, sh.now.mono_us, SIZE_MAX);
    drain();
    if (sh.selected > 0 && sh.now.mono_us - sh.said_us > 100 * RF_US_PER_MS) {
        sh.said_us = sh.now.mono_us;
        say("hello from ice_shell");
    }
    return !sh.done && (sh.heard_us == 0 || sh.now.mono_us < sh.stay_us + 500 * RF_US_PER_MS);
}

static void options(int argc, char **argv, struct rf_ice_session_config *config, struct rf_ice_turn *turn)
{
    for (int o; (o = getopt(argc, argv, "cb:s:t:T:u:p:rk:")) != -1;) {
        struct rf_addr addr;
        if (o == 'c')
            config->controlling = true;
        else if (o == 'b')
            add_base(optarg);
        else if (o == 's') {
            addr = parse(optarg);
            rf_ice_stun_add(sh.ice, &addr);
        } else if (o == 't' || o == 'T') {
            turn->addr = parse(optarg);
            turn->stream = o == 'T';
        } else if (o == 'u')
            turn->user = optarg;
        else if (o == 'p')
            turn->pass = optarg;
        else if (o == 'r')
            config->relaying = RF_ICE_RELAY_ONLY;
        else if (o == 'k')
            sh.stay_us = (uint64_t)atoi(optarg) * RF_US_PER_S;
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct rf_ice_config config;
    struct rf_ice_session_config session = {.consent_us = 5 * RF_US_PER_S};
    struct rf_ice_turn turn = {0};
    uint8_t server;
    sh.rng = (struct rf_rng){.fill = rng_fill};
    rf_timers_init(&sh.timers, rf_mem_system());
    clock_read();
    sh.env = (struct rf_env){
        .mem = rf_mem_system(), .timers = &sh.timers, .now = &sh.now, .secret = &sh.rng, .jitter = &sh.rng};
    rf_ice_config_default(&config);
    config.crypto = rf_crypto_openssl_new(rf_mem_system());
    if (rf_ice_new(&sh.env, &config, &sh.ice) != 0)
        die("ice");
    options(argc, argv, &session, &turn);
    if (sh.base_count == 0)
        add_base("127.0.0.1");
    if (turn.addr.family != 0 && rf_ice_turn_add(sh.ice, &turn, &server) != 0)
        die("turn");
    if (rf_ice_open(sh.ice, &session, &sh.session) != 0)
        die("open");
    drain();
    while (turn_round())
        ;
    if (sh.heard_us + RF_US_PER_S > sh.now.mono_us && sh.heard_us != 0)
        printf("alive\n");
    rf_ice_close(sh.ice, sh.session);
    rf_ice_free(sh.ice);
    rf_timers_deinit(&sh.timers);
    rf_crypto_openssl_free(config.crypto);
    return sh.heard_us != 0 ? 0 : 1;
}
