/*
 * webrtc_answer.c - answers a browser's offer with the streams of sip/ and sends its audio back: a witness for ICE, DTLS and SRTP that we did not write.
 *
 *   webrtc_answer < OFFER        the offer (SDP) up to the end of stdin or a line "."; the answer is written to stdout with a line "." behind it, then
 *                                "selected direct", "flows", and at the end of 20 s "packets IN OUT"
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "crypto/openssl/openssl.h"
#include "sip/dtls.h"
#include "sip/stream.h"
#include "sip/ways.h"

#define SECONDS 20

static struct rf_sip_counters counters;
static char offer[65536];
static struct stream *stream;
static int echo_fd;

/* core.h's: nobody reads a log here */
void core_log(struct core *core, enum rf_log_level level, const char *format, ...)
{
    va_list args;
    (void)core, (void)level;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void read_offer(void)
{
    char line[4096];
    size_t len = 0;
    while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, ".\n") != 0 &&
           len + sizeof(line) < sizeof(offer)) {
        memcpy(offer + len, line, strlen(line));
        len += strlen(line);
    }
}

static void echo(int flags, void *arg)
{
    char packet[2048];
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    ssize_t n;
    (void)flags, (void)arg;
    while ((n = recvfrom(echo_fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&ss, &len)) > 0)
        (void)sendto(echo_fd, packet, (size_t)n, 0, (struct sockaddr *)&ss, len);
}

static void on_end(void *arg)
{
    (void)arg;
    printf("packets %llu %llu\n", (unsigned long long)counters.media_rtp_in,
           (unsigned long long)counters.media_rtp_out);
    re_cancel();
}

/* A phone that takes PCMU and sends it back. */
static void on_ready(void *arg)
{
    struct sdp_facts facts;
    struct sdp_stand_in s[SDP_MAX_MEDIA] = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    struct rf_addr phone = {.family = 4, .ip = {127, 0, 0, 1}}, none = {0};
    struct rf_buf out;
    uint16_t port;
    static const char answer[] =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVPF 0\r\na=mid:0\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";
    (void)arg;
    echo_fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (echo_fd < 0 || bind(echo_fd, (struct sockaddr *)&in, len) != 0 ||
        getsockname(echo_fd, (struct sockaddr *)&in, &len) != 0 ||
        fd_listen(echo_fd, FD_READ, echo, NULL) != 0)
        _exit(2);
    phone.port = ntohs(in.sin_port);
    rf_buf_init(&out, rf_mem_system(), 65536);
    if (sdp_read(rf_view_str(offer), &facts) != 0 || facts.count != 1 || !sdp_secure(&facts.media[0]) ||
        stream_remote(stream, rf_view_str(offer), 0, &facts.media[0], true) != 0 ||
        stream_listen(stream, AF_INET, &port) != 0 || stream_stand_in(stream, false, &s[0]) != 0 ||
        sdp_rewrite(rf_view_str(answer), s, 1, &out) != 0 || stream_start(stream) != 0) {
        fprintf(stderr, "this offer cannot be answered\n");
        _exit(2);
    }
    stream_phone(stream, &phone, &none, &phone);
    printf("%.*s.\n", (int)out.len, (const char *)out.p);
    rf_buf_deinit(&out);
}

static void on_flows(void *arg)
{
    (void)arg;
    printf("flows\n");
}

static void on_failed(void *arg, const char *why)
{
    (void)arg;
    printf("failed: %s\n", why);
    re_cancel();
}

int main(void)
{
    static struct core core;
    struct tmr end;
    const struct stream_handler handler = {
        .ready = on_ready, .flows = on_flows, .failed = on_failed, .arg = NULL};
    const struct rf_id browser = {.len = 16};
    struct rf_crypto *crypto = rf_crypto_openssl_new(rf_mem_system());

    setvbuf(stdout, NULL, _IOLBF, 0);
    read_offer();
    core = (struct core){.mem = rf_mem_system(), .counters = &counters, .seed = {1, 2}};
    if (libre_init() != 0 || crypto == NULL || dtls_identity_new(core.mem, &core.identity) != 0 ||
        ways_new(&core, crypto, false, &core.ways) != 0 ||
        stream_open(&core, &browser, false, &handler, &stream) != 0)
        return 2;
    tmr_init(&end);
    tmr_start(&end, SECONDS * 1000, on_end, NULL);
    (void)re_main(NULL);
    tmr_cancel(&end);
    stream_free(stream);
    ways_free(core.ways);
    dtls_identity_free(core.mem, core.identity);
    rf_crypto_openssl_free(crypto);
    libre_close();
    return counters.media_rtp_in > 0 && counters.media_rtp_out > 0 ? 0 : 1;
}
