/* seal.c - SRTP on libsrtp. */
#include "sip/seal.h"
#include <pthread.h>
#include <srtp2/srtp.h>
#include "base/error.h"
#include "sip/seal_gcm.h"

#define RTP_HEAD_LEN  12
#define RTCP_HEAD_LEN 8
#define WINDOW        1024 /* packets that may come late: 20 s of audio, a second of video */

_Static_assert(SEAL_EXTRA >= 4 + 16, "SRTCP index and a GCM tag");

struct ssrcs {
    uint32_t ssrc[SEAL_MAX_SSRCS];
    size_t count;
};

struct seal {
    srtp_t out, in;
    struct ssrcs ours, theirs;
};

static bool is_ready;
static void init_library(void)
{
    is_ready = srtp_init() == srtp_err_status_ok;
    (void)(is_ready && seal_gcm_use()); /* else with libsrtp's own */
}

static int session_new(const struct dtls_keys *keys, const uint8_t *key, bool outward, srtp_t *out)
{
    uint8_t copy[DTLS_KEY_MAX];
    srtp_profile_t profile = keys->profile == DTLS_AEAD_AES_128_GCM ? srtp_profile_aead_aes_128_gcm
                                                                    : srtp_profile_aes128_cm_sha1_80;
    srtp_policy_t policy = {.ssrc = {.type = outward ? ssrc_any_outbound : ssrc_any_inbound},
                            .window_size = WINDOW};
    srtp_err_status_t status = srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile);
    if (status == srtp_err_status_ok)
        status = srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile);
    memcpy(copy, key, sizeof(copy));
    policy.key = copy;
    if (status == srtp_err_status_ok)
        status = srtp_create(out, &policy);
    rf_wipe(copy, sizeof(copy));
    return status == srtp_err_status_ok ? 0 : status == srtp_err_status_alloc_fail ? RF_ENOMEM : RF_ECRYPTO;
}

int seal_new(struct rf_mem *mem, const struct dtls_keys *keys, struct seal **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    if (keys->profile != DTLS_AEAD_AES_128_GCM && keys->profile != DTLS_AES128_CM_SHA1_80)
        return RF_EUNSUPPORTED;
    struct seal *seal = rf_zalloc(mem, sizeof(*seal));
    if (seal == NULL)
        return RF_ENOMEM;
    int error = is_ready ? session_new(keys, keys->ours, true, &seal->out) : RF_ECRYPTO;
    if (error == 0)
        error = session_new(keys, keys->theirs, false, &seal->in);
    if (error != 0)
        seal_free(mem, seal);
    else
        *out = seal;
    return error;
}

void seal_free(struct rf_mem *mem, struct seal *seal)
{
    if (seal == NULL)
        return;
    if (seal->out != NULL)
        (void)srtp_dealloc(seal->out);
    if (seal->in != NULL)
        (void)srtp_dealloc(seal->in);
    rf_free(mem, seal);
}

static uint32_t ssrc_of(const uint8_t *packet, bool rtcp)
{
    const uint8_t *p = packet + (rtcp ? 4 : 8);
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool known(const struct ssrcs *ssrcs, uint32_t ssrc)
{
    for (size_t i = 0; i < ssrcs->count; i++)
        if (ssrcs->ssrc[i] == ssrc)
            return true;
    return false;
}

static int check(const struct ssrcs *ssrcs, const uint8_t *packet, size_t len, bool rtcp)
{
    if (len < (rtcp ? RTCP_HEAD_LEN : RTP_HEAD_LEN) || packet[0] >> 6 != 2)
        return RF_EFORMAT;
    return ssrcs->count < SEAL_MAX_SSRCS || known(ssrcs, ssrc_of(packet, rtcp)) ? 0 : RF_ELIMIT;
}

static int result(struct ssrcs *ssrcs, srtp_err_status_t status, uint32_t ssrc)
{
    switch (status) {
    case srtp_err_status_ok:
        if (!known(ssrcs, ssrc))
            ssrcs->ssrc[ssrcs->count++] = ssrc;
        return 0;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return RF_EDUPLICATE;
    case srtp_err_status_auth_fail:
        return RF_EAUTH;
    case srtp_err_status_parse_err:
    case srtp_err_status_bad_param:
        return RF_EFORMAT;
    default:
        return RF_ECRYPTO;
    }
}

int seal_close(struct seal *seal, uint8_t *packet, size_t *len, bool rtcp)
{
    int error = check(&seal->ours, packet, *len, rtcp), n = (int)*len;
    if (error != 0)
        return error;
    uint32_t ssrc = ssrc_of(packet, rtcp);
    srtp_err_status_t status =
        rtcp ? srtp_protect_rtcp(seal->out, packet, &n) : srtp_protect(seal->out, packet, &n);
    *len = (size_t)n;
    return result(&seal->ours, status, ssrc);
}

int seal_open(struct seal *seal, uint8_t *packet, size_t *len, bool rtcp)
{
    int error = check(&seal->theirs, packet, *len, rtcp), n = (int)*len;
    if (error != 0)
        return error;
    uint32_t ssrc = ssrc_of(packet, rtcp);
    srtp_err_status_t status =
        rtcp ? srtp_unprotect_rtcp(seal->in, packet, &n) : srtp_unprotect(seal->in, packet, &n);
    *len = (size_t)n;
    return result(&seal->theirs, status, ssrc);
}
