/* media.c - the audio of the daemon's own calls. */
#include "sip/media.h"
#include <netinet/in.h>
#include <time.h>
#include "base/error.h"
#include "sip/codec.h"

#define SENT_REMEMBERED 256   /* packets, 5 s: an echo that takes longer is not recognised */
#define PORT_MIN        16384 /* below the ports that the kernel gives out by itself */
#define PORT_MAX        32766

_Static_assert(CODEC_RATE == WAV_RATE, "codecs and files have one rate");

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
    struct codec *codec; /* that we send with; NULL until SDP has settled it */
    struct codec *heard; /* that the recording decodes with, NULL before the first packet */
    bool started, marked;
    int pt, heard_pt;
    uint32_t ts, step; /* of our next packet; between two */
    uint32_t ssrc;     /* theirs, last */
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

/* The codec of a packet: they may change between those that both have. NULL: out of memory. */
static struct codec *heard_codec(struct media *m, int pt)
{
    const struct sdp_format *format = sdp_media_lformat(m->audio, pt);
    struct codec *codec;
    if (m->heard != NULL && m->heard_pt == pt)
        return m->heard;
    if (format == NULL || codec_new(m->core->mem, format->name, &codec) != 0)
        return NULL;
    codec_free(m->core->mem, m->heard);
    m->heard = codec;
    m->heard_pt = pt;
    m->receiving = false; /* timestamps may count differently */
    return codec;
}

static void record(struct media *m, const struct rtp_header *hdr, struct rf_view payload)
{
    int16_t samples[CODEC_MAX_SAMPLES];
    struct wav_writer *w = m->config.record;
    struct codec *codec = heard_codec(m, hdr->pt);

    if (codec == NULL)
        return;
    if (!m->receiving || hdr->ssrc != m->ssrc) { /* a new stream goes on where the old one stood */
        m->receiving = true;
        m->first_ts = hdr->ts;
        m->base = w->count;
    }
    int ticks = (int)(codec_clock_rate(codec) / WAV_RATE); /* of the timestamp for one sample */
    int64_t at = (int64_t)m->base + (int32_t)(hdr->ts - m->first_ts) / ticks;
    size_t count = codec_decode(codec, payload, samples);
    if (at >= 0 && count > 0)
        (void)wav_put(w, (size_t)at, samples, count); /* a full disk ends the recording, not the call */
}

static struct sent *sent_at(struct media *m, uint32_t ts)
{
    return &m->sent[ts / m->step % SENT_REMEMBERED];
}

/* One of our own packets that came back? Then it tells the round trip. */
static void look_for_echo(struct media *m, const struct rtp_header *hdr, struct rf_view payload)
{
    struct sent *s = sent_at(m, hdr->ts);
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
    if (m->codec == NULL || (!sa_cmp(src, sdp_media_raddr(m->audio), SA_ADDR) && !sa_is_loopback(src))) {
        COUNT(m->core, rtp_foreign);
        return;
    }
    if (sdp_media_lformat(m->audio, hdr->pt) == NULL || payload.len > CODEC_MAX_PAYLOAD)
        return;
    COUNT(m->core, rtp_received);
    m->stats.received++;
    if (m->config.echo)
        send_back(m, hdr, payload);
    else
        look_for_echo(m, hdr, payload);
    if (m->config.record != NULL)
        record(m, hdr, payload);
    m->ssrc = hdr->ssrc;
}

/* ---- sending ---- */

static void fill(struct media *m, int16_t out[CODEC_SAMPLES])
{
    const struct wav_audio *play = m->config.play;
    for (size_t i = 0; i < CODEC_SAMPLES; i++)
        out[i] = play != NULL && m->played < play->count ? play->samples[m->played++] : 0;
}

static void send_packet(struct media *m)
{
    int16_t samples[CODEC_SAMPLES];
    uint8_t payload[CODEC_MAX_PAYLOAD];
    struct mbuf *mb = mbuf_alloc(RTP_HEADER_SIZE + sizeof(payload));

    if (mb == NULL)
        return;
    fill(m, samples);
    size_t len = codec_encode(m->codec, samples, payload);
    mb->pos = mb->end = RTP_HEADER_SIZE;
    (void)mbuf_write_mem(mb, payload, len);
    mb->pos = RTP_HEADER_SIZE;
    *sent_at(m, m->ts) =
        (struct sent){m->ts, true, now_us(), rf_hash64(m->core->seed, rf_view_of(payload, len))};
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
        m->ts += m->step;
        m->next_ms += CODEC_PACKET_MS;
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
    if (m->started || m->codec == NULL)
        return;
    m->started = true;
    sdp_media_raddr_rtcp(m->audio, &rtcp);
    rtcp_set_srate(m->rtp, codec_clock_rate(m->codec), codec_clock_rate(m->codec));
    rtcp_start(m->rtp, m->core->aor, &rtcp);
    m->next_ms = now_us() / 1000;
    if (!m->config.echo)
        on_tick(m);
}

/* ---- SDP ---- */

static int add_formats(struct media *m)
{
    size_t count;
    const struct codec_format *f = codec_formats(&count);
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++)
        err = sdp_format_add(NULL, m->audio, false, f[i].id, f[i].name, f[i].clock_rate, f[i].channels, NULL,
                             NULL, NULL, false, NULL);
    return err;
}

int media_new(struct core *core, const struct media_config *config, struct media **out)
{
    struct media *m = rf_zalloc(core->mem, sizeof(*m));
    struct sa local = config->local,
              any; /* the address may go while the call goes on over this machine's loopback */

    sa_init(&any, sa_af(&local));

    if (m == NULL)
        return RF_ENOMEM;
    m->core = core;
    m->config = *config;
    m->ts = rand_u32();
    tmr_init(&m->tmr);
    int err = rtp_listen(&m->rtp, IPPROTO_UDP, sa_is_loopback(&local) ? &local : &any, PORT_MIN, PORT_MAX,
                         true, on_rtp, NULL, m);
    if (err == 0)
        err = sdp_session_alloc(&m->sdp, &local);
    if (err == 0)
        err = sdp_media_add(&m->audio, m->sdp, sdp_media_audio, sa_port(rtp_local(m->rtp)), sdp_proto_rtpavp);
    if (err == 0)
        err = add_formats(m) | sdp_media_set_lattr(m->audio, true, "ptime", "%d", CODEC_PACKET_MS);
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
    codec_free(core->mem, m->codec);
    codec_free(core->mem, m->heard);
    rf_free(core->mem, m);
}

/* The codec that both have, from now on. G.711 needs no name in SDP. */
static int settle(struct media *m, const struct sdp_format *theirs)
{
    const char *name = theirs->name != NULL ? theirs->name : theirs->pt == 8 ? "PCMA" : "PCMU";
    struct codec *codec;
    int error = codec_new(m->core->mem, name, &codec);
    if (error != 0)
        return error;
    codec_free(m->core->mem, m->codec);
    m->codec = codec;
    m->pt = theirs->pt;
    m->step = codec_clock_rate(codec) * CODEC_PACKET_MS / 1000;
    m->ts -= m->ts % m->step; /* so that `sent` is found by it */
    return 0;
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
    return settle(m, format);
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
