/*
 * split.c - bytes of RELOAD messages by their parts (RFC 6940, section 6): forwarding header, contents, certificates, signature; then what the
 * link adds: frames, acknowledgements, keep-alives, TLS records (what is left of the bytes handed to flows).
 */
#include "split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "wire/code.h"

#define FRAME_LEN     8 /* RFC 6940, section 6.6.2: type, sequence, length */
#define ACK_LEN       9
#define HEADER_LEN    38
#define KEEPALIVE_LEN 57 /* a frame, a header, a destination of 11 bytes: link/frame.c */
#define CODES         64
#define TOLD          6

enum counter { BYTES, FRAMES, ACKS, KEEPALIVES, COUNTERS };
static const char *const counter_names[COUNTERS] = {"bytes_out", "frames_out", "acks_out", "keepalives_out"};

static struct split {
    double header, body, certs, signature, messages;
    double bytes[CODES]; /* by message code */
    uint64_t before[COUNTERS];
} split;

static struct {
    const struct rf_crypto_ops *inner;
    struct rf_crypto_ops ops;
    double signed_count, checked_count, seconds;
} signatures;

static size_t u16_at(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

static size_t u32_at(const uint8_t *p)
{
    return u16_at(p) << 16 | u16_at(p + 2);
}

static void frame(void *ctx, bool outgoing, const struct rf_addr *remote, const struct rf_addr *local,
                  struct rf_view message, uint64_t wall_ms)
{
    (void)ctx, (void)remote, (void)local, (void)wall_ms;
    const uint8_t *p = message.p;
    if (!outgoing || message.len < HEADER_LEN)
        return;
    size_t at = HEADER_LEN + u16_at(p + 32) + u16_at(p + 34) + u16_at(p + 36), header = at;
    if (at + 6 > message.len)
        return;
    size_t code = u16_at(p + at);
    at += 2;
    for (int i = 0; i < 2 && at + 4 <= message.len; i++) /* body, extensions */
        at += 4 + u32_at(p + at);
    if (at + 2 > message.len)
        return;
    size_t certs = 2 + u16_at(p + at);
    split.messages++;
    split.header += (double)header;
    split.body += (double)(at - header);
    split.certs += (double)certs;
    split.signature += (double)(message.len - at - certs);
    split.bytes[code < CODES ? code : CODES - 1] += (double)(message.len + FRAME_LEN);
}

static void add(void *arg, const char *room, const char *name, const char *help, uint64_t value)
{
    (void)help;
    for (int i = 0; i < COUNTERS; i++)
        if (strcmp(room, "link") == 0 && strcmp(name, counter_names[i]) == 0)
            ((uint64_t *)arg)[i] += value;
}

static void count(const struct world *world, uint64_t out[COUNTERS])
{
    memset(out, 0, COUNTERS * sizeof(out[0]));
    for (size_t i = 0; i < world->count; i++)
        rf_node_counters(world->nodes[i].node, add, out);
}

void split_begin(struct world *world)
{
    memset(&split, 0, sizeof(split));
    for (size_t i = 0; i < world->count; i++)
        rf_node_set_tap(world->nodes[i].node, &(struct rf_node_tap){.frame = frame});
    count(world, split.before);
}

static void tell_largest(double scale)
{
    for (int told = 0; told < TOLD; told++) {
        size_t best = 0;
        for (size_t i = 1; i < CODES; i++)
            if (split.bytes[i] > split.bytes[best])
                best = i;
        if (split.bytes[best] <= 0)
            return;
        figure(split.bytes[best] * scale, "ring.idle_%s_bytes", rf_code_name((uint16_t)best));
        split.bytes[best] = 0;
    }
}

void split_end(struct world *world, double seconds)
{
    uint64_t after[COUNTERS];
    double n[COUNTERS], scale = 60 / seconds / (double)world->count;
    count(world, after);
    for (int i = 0; i < COUNTERS; i++)
        n[i] = (double)(after[i] - split.before[i]);
    double inside = split.header + split.body + split.certs + split.signature;
    double keepalives = KEEPALIVE_LEN * n[KEEPALIVES]; /* taps do not see them */
    double frames = FRAME_LEN * n[FRAMES], acks = ACK_LEN * n[ACKS];
    figure(split.messages * scale, "ring.idle_messages");
    figure(n[ACKS] * scale, "ring.idle_acks");
    figure(n[KEEPALIVES] * scale, "ring.idle_keepalives");
    figure(split.header * scale, "ring.idle_header_bytes");
    figure(split.body * scale, "ring.idle_body_bytes");
    figure(split.certs * scale, "ring.idle_certificate_bytes");
    figure(split.signature * scale, "ring.idle_signature_bytes");
    figure(frames * scale, "ring.idle_frame_bytes");
    figure(acks * scale, "ring.idle_ack_bytes");
    figure(keepalives * scale, "ring.idle_keepalive_bytes");
    figure((n[BYTES] - inside - frames - acks - keepalives) * scale, "ring.idle_tls_bytes");
    tell_largest(scale);
    for (size_t i = 0; i < world->count; i++)
        rf_node_set_tap(world->nodes[i].node, NULL);
}

/* ---- signatures ---- */

static int timed_sign(struct rf_crypto *c, const struct rf_key *key, const struct rf_view *parts,
                      size_t part_count, struct rf_buf *out)
{
    double begin = wall_s();
    int error = signatures.inner->sign(c, key, parts, part_count, out);
    signatures.seconds += wall_s() - begin;
    signatures.signed_count++;
    return error;
}

static int timed_verify(struct rf_crypto *c, const struct rf_pubkey *key, enum rf_sig_alg alg,
                        const struct rf_view *parts, size_t part_count, struct rf_view signature)
{
    double begin = wall_s();
    int error = signatures.inner->verify(c, key, alg, parts, part_count, signature);
    signatures.seconds += wall_s() - begin;
    signatures.checked_count++;
    return error;
}

void split_signatures(struct rf_crypto *crypto)
{
    signatures.inner = crypto->ops;
    signatures.ops = *crypto->ops;
    signatures.ops.sign = timed_sign;
    signatures.ops.verify = timed_verify;
    crypto->ops = &signatures.ops;
    signatures.seconds = signatures.signed_count = signatures.checked_count = 0;
}

void split_signatures_told(const char *what, size_t count)
{
    figure(signatures.signed_count / (double)count, "ring.%s_signed", what);
    figure(signatures.checked_count / (double)count, "ring.%s_checked", what);
    figure(signatures.seconds * 1e3 / (double)count, "ring.%s_signatures_ms", what);
    signatures.seconds = signatures.signed_count = signatures.checked_count = 0;
}
