/* media.c - the audio of the daemon's own calls. */
#include "sip/media.h"
#include <netinet/in.h>
#include <time.h>
#include "base/error.h"
#include "sip/g711.h"

#define PACKET_MS       20
#define PACKET_SAMPLES  (WAV_RATE * PACKET_MS / 1000)
#define SENT_REMEMBERED 256   /* packets, 5 s: an echo that takes longer is not recognised */
#define PORT_MIN        16384 /* below the ports that the kernel gives out by itself */
#define PORT_MAX        32766
#define MAX_PAYLOAD     1400

enum { PCMU = 0, PCMA = 8 };

struct sent {
    uint32_t ts;
    bool used;
    uint64_t at_us, hash;
};

struct media {
    struct core *core;
    struct media_config config;
    struct sdp_session *sdp;
    struct sdp_media *audio;
    struct rtp_sock *rtp;
    struct tmr tmr;
    bool started, settled, marked;
    int pt;
    uint32_t ts, ssrc; /* ours next; theirs last */
    uint64_t next_ms;
    size_t played; /* samples of the file */
    bool told;     /* that the file is over */
    bool receiving;
    uint32_t first_ts; /* of the recording ... */
    size_t base;       /* ... stands at this sample */
    struct sent sent[SENT_REMEMBERED];
    struct media_stats stats;
    uint64_t echo_sum_us, echo_count;
};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- receiving ---- */

static void record(struct media *m, const struct rtp_header *hdr, const uint8_t *payload, size_t len)
{
    int16_t samples[MAX_PAYLOAD];
    struct wav_writer *w = m->config.record;

    if (!m->receiving || hdr->ssrc != m->ssrc) { /* a new stream goes on where the old one stood */
        m->receiving = true;
        m->first_ts = hdr->ts;
        m->base = w->count;
    }
    int64_t at = (int64_t)m->base + (int32_t)(hdr->ts - m->first_ts);
    if (at < 0 || len > MAX_PAYLOAD)
        return;
    for (size_t i = 0; i < len; i++)
        samples[i] = hdr->pt == PCMU ? g711_from_ulaw(payload[i]) : g711_from_alaw(payload[i]);
    (void)wav_put(w, (size_t)at, samples, len); /* a full disk ends the recording, not the call */
}

/* One of our own packets that came back? Then it tells the round trip. */
static void look_for_echo(struct media *m, const struct rtp_header *hdr, struct rf_view payload)
{
    struct sent *s = &m->sent[hdr->ts / PACKET_SAMPLES % SENT_REMEMBERED];
    if (!s->used || s->ts != hdr->ts || s->hash != rf_hash64(m->core->seed, payload))
        return;
    s->used = false;
    m->echo_sum_us += now_us() - s->at_us;
    m->echo_count++;
}

static void send_back(struct media *m, const struct rtp_header *hdr, struct rf_view payload)
{
    struct mbuf *mb = mbuf_alloc(RTP_HEADER_SIZE + payload.len);
    if (mb == NULL)
        return;
    mb->pos = mb->end = RTP_HEADER_SIZE;
    if (mbuf_write_mem(mb, payload.p, payload.len) == 0) {
        mb->pos = RTP_HEADER_SIZE;
        if (rtp_send(m->rtp, sdp_media_raddr(m->audio), false, hdr->m, hdr->pt, hdr->ts, mb) == 0)
            m->stats.sent++;
    }
    mem_deref(mb);
}

static void on_rtp(const struct sa *src, const struct rtp_header *hdr, struct mbuf *mb, void *arg)
{
    struct media *m = arg;
    struct rf_view payload = {mbuf_buf(mb), mbuf_get_left(mb)};

    /* a program on this host may send from 127.0.0.1 though its SDP names another of the host's addresses */
    if (!m->settled || (!sa_cmp(src, sdp_media_raddr(m->audio), SA_ADDR) && !sa_is_loopback(src))) {
        COUNT(m->core, rtp_foreign);
        return;
    }
    if ((hdr->pt != PCMU && hdr->pt != PCMA) || payload.len > MAX_PAYLOAD)
        return;
    COUNT(m->core, rtp_received);
    m->stats.received++;
    if (m->config.echo)
        send_back(m, hdr, payload);
    else
        look_for_echo(m, hdr, payload);
    if (m->config.record != NULL)
        record(m, hdr, payload.p, payload.len);
    m->ssrc = hdr->ssrc;
}

/* ---- sending ---- */

static void fill(struct media *m, uint8_t out[PACKET_SAMPLES])
{
    const struct wav_audio *play = m->config.play;
    for (size_t i = 0; i < PACKET_SAMPLES; i++) {
        int16_t sample = 0;
        if (play != NULL && m->played < play->count)
            sample = play->samples[m->played++];
        out[i] = m->pt == PCMU ? g711_to_ulaw(sample) : g711_to_alaw(sample);
    }
}

static void send_packet(struct media *m)
{
    uint8_t payload[PACKET_SAMPLES];
    struct sent *s = &m->sent[m->ts / PACKET_SAMPLES % SENT_REMEMBERED];
    struct mbuf *mb = mbuf_alloc(RTP_HEADER_SIZE + PACKET_SAMPLES);

    if (mb == NULL)
        return;
    fill(m, payload);
    mb->pos = mb->end = RTP_HEADER_SIZE;
    (void)mbuf_write_mem(mb, payload, sizeof(payload));
    mb->pos = RTP_HEADER_SIZE;
    *s = (struct sent){m->ts, true, now_us(), rf_hash64(m->core->seed, rf_view_of(payload, sizeof(payload)))};
    if (rtp_send(m->rtp, sdp_media_raddr(m->audio), false, !m->marked, (uint8_t)m->pt, m->ts, mb) == 0)
        m->stats.sent++;
    m->marked = true;
    mem_deref(mb);
}

static void on_tick(void *arg)
{
    struct media *m = arg;
    uint64_t now = now_us() / 1000;

    if (now > m->next_ms + 500)
        m->next_ms = now; /* we were stopped for a while: do not catch up in a burst */
    while (m->next_ms <= now) {
        if ((sdp_media_dir(m->audio) & SDP_SENDONLY) != 0 && sa_port(sdp_media_raddr(m->audio)) != 0)
            send_packet(m);
        m->ts += PACKET_SAMPLES;
        m->next_ms += PACKET_MS;
    }
    tmr_start(&m->tmr, m->next_ms - now, on_tick, m);
    if (!m->told && m->config.play != NULL && m->played >= m->config.play->count) {
        m->told = true;
        if (m->config.played != NULL)
            m->config.played(m->config.arg);
    }
}

void media_start(struct media *m)
{
    struct sa rtcp;
    if (m->started || !m->settled)
        return;
    m->started = true;
    sdp_media_raddr_rtcp(m->audio, &rtcp);
    rtcp_set_srate(m->rtp, WAV_RATE, WAV_RATE);
    rtcp_start(m->rtp, m->core->aor, &rtcp);
    m->next_ms = now_us() / 1000;
    if (!m->config.echo)
        on_tick(m);
}

/* ---- SDP ---- */

static int add_format(struct media *m, const char *id, const char *name)
{
    return sdp_format_add(NULL, m->audio, false, id, name, WAV_RATE, 1, NULL, NULL, NULL, false, NULL);
}

int media_new(struct core *core, const struct media_config *config, struct media **out)
{
    struct media *m = rf_zalloc(core->mem, sizeof(*m));
    struct sa local = config->local;

    if (m == NULL)
        return RF_ENOMEM;
    m->core = core;
    m->config = *config;
    m->ts = rand_u32();
    m->ts -= m->ts % PACKET_SAMPLES; /* so that `sent` is found by it */
    tmr_init(&m->tmr);
    int err = rtp_listen(&m->rtp, IPPROTO_UDP, &local, PORT_MIN, PORT_MAX, true, on_rtp, NULL, m);
    if (err == 0)
        err = sdp_session_alloc(&m->sdp, &local);
    if (err == 0)
        err = sdp_media_add(&m->audio, m->sdp, sdp_media_audio, sa_port(rtp_local(m->rtp)), sdp_proto_rtpavp);
    if (err == 0)
        err = add_format(m, "0", "PCMU") | add_format(m, "8", "PCMA") |
              sdp_media_set_lattr(m->audio, true, "ptime", "%d", PACKET_MS);
    if (err != 0) {
        media_free(core, m);
        return err == ENOMEM ? RF_ENOMEM : RF_ESYSTEM;
    }
    *out = m;
    return 0;
}

void media_free(struct core *core, struct media *m)
{
    if (m == NULL)
        return;
    tmr_cancel(&m->tmr);
    mem_deref(m->rtp);
    mem_deref(m->sdp);
    rf_free(core->mem, m);
}

static int decode(struct media *m, struct rf_view sdp, bool offer)
{
    struct mbuf *mb = mbuf_alloc(sdp.len + 1);
    const struct sdp_format *format;

    if (mb == NULL)
        return RF_ENOMEM;
    int err = sdp.len == 0 ? EBADMSG : mbuf_write_mem(mb, sdp.p, sdp.len);
    mb->pos = 0;
    if (err == 0)
        err = sdp_decode(m->sdp, mb, offer);
    mem_deref(mb);
    if (err != 0)
        return RF_EFORMAT;
    format = sdp_media_rformat(m->audio, NULL);
    if (format == NULL || sdp_media_rport(m->audio) == 0)
        return RF_EUNSUPPORTED;
    m->pt = format->pt == PCMA ? PCMA : PCMU;
    m->settled = true;
    return 0;
}

int media_offer(struct media *m, struct mbuf **sdp)
{
    return sdp_encode(sdp, m->sdp, true) == 0 ? 0 : RF_ENOMEM;
}

int media_answer(struct media *m, struct rf_view offer, struct mbuf **sdp)
{
    int error = decode(m, offer, true);
    if (error == 0 && sdp_encode(sdp, m->sdp, false) != 0)
        error = RF_ENOMEM;
    return error;
}

int media_accept(struct media *m, struct rf_view answer)
{
    return decode(m, answer, false);
}

int media_offered_ip(struct rf_view sdp, struct sa *out)
{
    struct pl ip;
    if (sdp.len == 0 || re_regex((const char *)sdp.p, sdp.len, "c=IN IP[46]1 [^ \r\n]+", NULL, &ip) != 0)
        return RF_EFORMAT;
    return sa_set(out, &ip, 0) == 0 ? 0 : RF_EFORMAT;
}

/* ---- numbers ---- */

void media_stats(struct media *m, struct media_stats *out)
{
    struct rtcp_stats rtcp;
    *out = m->stats;
    if (m->ssrc != 0 && rtcp_stats(m->rtp, m->ssrc, &rtcp) == 0) {
        out->lost = rtcp.rx.lost > 0 ? (uint64_t)rtcp.rx.lost : 0;
        out->jitter_us = rtcp.rx.jit;
        out->rtt_us = rtcp.rtt;
    }
    if (m->echo_count > 0)
        out->rtt_us = m->echo_sum_us / m->echo_count;
}
