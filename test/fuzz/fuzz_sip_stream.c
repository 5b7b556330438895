/*
 * fuzz_sip_stream.c - the door of datagrams: DTLS records into a handshake that is under way, packets into SRTP of both profiles. The input is a list of
 * datagrams, each a length (2 bytes) and bytes; some are the handshake's own with a byte changed.
 */
#include <stdlib.h>
#include "base/error.h"
#include "sip/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
    uint8_t last[DTLS_MAX_LEN];
    size_t len;
};

static void keep(void *arg, struct rf_view datagram)
{
    struct end *end = arg;
    end->len = datagram.len <= sizeof(end->last) ? datagram.len : 0;
    memcpy(end->last, datagram.p, end->len);
}

static struct dtls_identity *identity;
static struct seal *seals[2];

static void prepare(void)
{
    static const uint16_t profiles[2] = {DTLS_AES128_CM_SHA1_80, DTLS_AEAD_AES_128_GCM};
    if (identity != NULL)
        return;
    if (dtls_identity_new(rf_mem_system(), &identity) != 0)
        abort();
    for (size_t i = 0; i < 2; i++) {
        const struct dtls_keys keys = {.profile = profiles[i], .key_len = 28, .ours = {1}, .theirs = {2}};
        if (seal_new(rf_mem_system(), &keys, &seals[i]) != 0)
            abort();
    }
}

static void into_srtp(struct rf_view bytes)
{
    _Alignas(8) uint8_t packet[DTLS_MAX_LEN + SEAL_EXTRA];
    for (size_t i = 0; i < 2; i++) {
        size_t len = bytes.len;
        bool rtcp = seal_is_rtcp(bytes.p);
        memcpy(packet, bytes.p, len);
        if (seal_open(seals[i], packet, &len, rtcp) == 0)
            abort(); /* nobody knows the key */
        memcpy(packet, bytes.p, len = bytes.len);
        if (seal_close(seals[i], packet, &len, rtcp) == 0 && len > bytes.len + SEAL_EXTRA)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rf_view in = {data, size}, bytes;
    struct end ends[2] = {{.len = 0}, {.len = 0}};
    struct dtls *dtls[2];
    struct sdp_print print = {.hash = SDP_SHA256, .len = SDP_PRINT_LEN};

    prepare();
    memcpy(print.bytes, dtls_identity_print(identity), SDP_PRINT_LEN);
    for (size_t i = 0; i < 2; i++) {
        struct dtls_config config = {.mem = rf_mem_system(),
                                     .identity = identity,
                                     .active = i == 0,
                                     .print = print,
                                     .send = keep,
                                     .arg = &ends[i]};
        if (dtls_new(&config, &dtls[i]) != 0)
            return 0;
        (void)dtls_start(dtls[i]);
    }
    for (size_t to = 1; rf_view_v(&in, 2, &bytes) == 0 && bytes.len > 0 && bytes.len <= DTLS_MAX_LEN;
         to = 1 - to) {
        if (bytes.len == 2 &&
            ends[1 - to].len > 0) { /* what the other end sent last, a byte of it changed (or not) */
            ends[1 - to].last[bytes.p[0] % ends[1 - to].len] ^= bytes.p[1];
            (void)dtls_input(dtls[to], rf_view_of(ends[1 - to].last, ends[1 - to].len));
        } else {
            (void)dtls_input(dtls[to], bytes);
            if (bytes.len >= 2)
                into_srtp(bytes);
        }
    }
    for (size_t i = 0; i < 2; i++)
        dtls_free(dtls[i]);
    return 0;
}
