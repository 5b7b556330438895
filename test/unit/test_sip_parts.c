/* test_sip_parts.c - what sip/ is made of: the best answer of a fork, addresses, G.711, WAV files, digest authentication. */
#include "test_sip.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "sip/aor.h"
#include "sip/auth.h"
#include "sip/codec.h"
#include "sip/fork.h"
#include "sip/g711.h"
#include "sip/wav.h"

/* ---- fork ---- */

static void best_answer(void **state)
{
    static const struct {
        int codes[4], heard;
    } rows[] = {
        {{486}, 486},      {{480, 486}, 486}, {{486, 480, 408}, 486}, {{404, 480}, 480}, {{408, 404}, 408},
        {{603, 486}, 603}, {{486, 600}, 600}, {{500, 486}, 486},      {{503}, 500},      {{503, 480}, 480},
        {{302}, 480},      {{302, 500}, 500}, {{401}, 480},           {{407, 486}, 486}, {{487, 480}, 480},
        {{0}, 480},        {{488, 480}, 488}, {{486, 488}, 486},      {{403, 480}, 403}, {{606, 200}, 606},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int best = 0, backwards = 0;
        for (size_t k = 0; k < 4; k++) {
            best = fork_better(best, rows[i].codes[k]);
            backwards = fork_better(backwards, rows[i].codes[3 - k]);
        }
        assert_int_equal(fork_final(best), rows[i].heard);
        assert_int_equal(fork_final(backwards), rows[i].heard); /* the order of arrival does not matter */
    }
    assert_true(fork_ends_all(603) && !fork_ends_all(486));
    assert_string_equal(fork_reason(486), "Busy Here");
    assert_string_equal(fork_reason(499), "Failed");
}

/* ---- addresses ---- */

static void addresses(void **state)
{
    static const struct {
        const char *user, *host, *aor, *uri; /* aor NULL: refused */
    } rows[] = {
        {"alice", "example.org", "alice@example.org", "sip:alice@example.org"},
        {"alice", "EXAMPLE.org", "alice@example.org", "sip:alice@example.org"},
        {"j%c3%bcrg", "example.org", "j\xc3\xbcrg@example.org", "sip:j%C3%BCrg@example.org"},
        {"a;b?c", "x", "a;b?c@x", "sip:a;b?c@x"},
        {"a%22b", "x", "a\"b@x", "sip:a%22b@x"},
        {"%61", "x", "a@x", "sip:a@x"},
        {"", "x", NULL, NULL},
        {"a", "", NULL, NULL},
        {"a%", "x", NULL, NULL},
        {"a%4", "x", NULL, NULL},
        {"a%zz", "x", NULL, NULL},
        {"a%00", "x", NULL, NULL},
        {"a%0d%0aRoute", "x", NULL, NULL},
        {"a%40b", "x", NULL, NULL},
        {"a%20b", "x", NULL, NULL},
        {"a%ff", "x", NULL, NULL},
    };
    char aor[AOR_MAX], uri[AOR_URI_MAX], longest[400];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int error = aor_from_uri(rf_view_str(rows[i].user), rf_view_str(rows[i].host), aor);
        assert_int_equal(error, rows[i].aor != NULL ? 0 : RF_EFORMAT);
        if (error != 0)
            continue;
        assert_string_equal(aor, rows[i].aor);
        aor_to_uri(aor, false, uri);
        assert_string_equal(uri, rows[i].uri);
    }
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(aor_from_uri(rf_view_of(longest, 300), rf_view_str("x"), aor), RF_ELIMIT);
    assert_int_equal(aor_from_uri(rf_view_str("x"), rf_view_of(longest, 254), aor), RF_ELIMIT);
    assert_true(aor_uri_clean(rf_view_str("sip:a%20b@x;transport=tcp?h=v")));
    assert_true(aor_uri_clean(rf_view_str("sip:j\xc3\xbcrg@x")));
    static const char *const dirty[] = {"",         "sip:a b@x", "sip:a@x\r\n y", "sip:a@x>",
                                        "<sip:a@x", "sip:\"a@x", "sip:a\x7f"};
    for (size_t i = 0; i < sizeof(dirty) / sizeof(dirty[0]); i++)
        assert_false(aor_uri_clean(rf_view_str(dirty[i])));
    assert_true(aor_equal("a@X.org", "a@x.ORG"));
    assert_false(aor_equal("A@x.org", "a@x.org"));
    assert_false(aor_equal("a@x.org", "a@x.net"));
    assert_false(aor_equal("a", "a"));
}

/* ---- G.711: ITU-T G.711, tables 1a and 2a: decision values and character signals ---- */

static void g711(void **state)
{
    static const struct {
        int16_t sample;
        uint8_t ulaw, alaw;
    } known[] = {{0, 0xff, 0xd5},     {-1, 0x7f, 0x55},    {1000, 0xce, 0xfa},
                 {-1000, 0x4e, 0x7a}, {32767, 0x80, 0xaa}, {-32768, 0x00, 0x2a}};
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(g711_to_ulaw(known[i].sample), known[i].ulaw);
        assert_int_equal(g711_to_alaw(known[i].sample), known[i].alaw);
    }
    assert_int_equal(g711_from_ulaw(0x00), -32124);
    assert_int_equal(g711_from_alaw(0x2a), -32256);
    for (int code = 0; code < 256; code++) {
        int again = g711_to_ulaw(g711_from_ulaw((uint8_t)code));
        assert_true(again == code || code == 0x7f); /* -0 becomes 0 */
        assert_int_equal(g711_to_alaw(g711_from_alaw((uint8_t)code)), code);
    }
    for (int s = -32000; s < 32000; s += 7) { /* the error is bounded by half a step of the segment */
        int bound = abs(s) / 16 + 16;
        assert_true(abs(g711_from_ulaw(g711_to_ulaw((int16_t)s)) - s) <= bound);
        assert_true(abs(g711_from_alaw(g711_to_alaw((int16_t)s)) - s) <= bound);
    }
}

/* ---- codecs ---- */

/* A second of a tone comes back as loud as it went, and of the same pitch. */
static void codecs(void **state)
{
    size_t count;
    const struct codec_format *formats = codec_formats(&count);
    struct codec *codec;
    (void)state;
    assert_true(count >= 2);
    for (size_t f = 0; f < count; f++) {
        int16_t in[CODEC_SAMPLES], out[CODEC_MAX_SAMPLES];
        uint8_t payload[CODEC_MAX_PAYLOAD];
        int64_t energy_in = 0, energy_out = 0;
        int crossings = 0, last = 0;
        assert_int_equal(codec_new(rf_mem_system(), formats[f].name, &codec), 0);
        assert_int_equal(codec_clock_rate(codec), formats[f].clock_rate);
        for (int i = 0; i < 50; i++) {
            for (int k = 0; k < CODEC_SAMPLES; k++)
                in[k] = (int16_t)(12000 * sin((i * CODEC_SAMPLES + k) * 2 * 3.14159265 * 440 / CODEC_RATE));
            size_t len = codec_encode(codec, in, payload);
            assert_true(len > 0 && len <= CODEC_SAMPLES);
            assert_int_equal(codec_decode(codec, rf_view_of(payload, len), out), CODEC_SAMPLES);
            for (int k = 0; k < CODEC_SAMPLES; k++) {
                energy_in += in[k] * in[k];
                energy_out += out[k] * out[k];
                crossings += last < 0 && out[k] >= 0;
                last = out[k];
            }
        }
        assert_in_range(energy_out, energy_in * 7 / 10, energy_in * 13 / 10);
        assert_in_range(crossings, 430, 450);
        codec_free(rf_mem_system(), codec);
    }
    assert_int_equal(codec_new(rf_mem_system(), "G729", &codec), RF_EUNSUPPORTED);
    assert_int_equal(codec_new(rf_mem_system(), "pcma", &codec), 0);
    codec_free(rf_mem_system(), codec);
}

/* whatever comes over the network decodes to something that fits, or to nothing */
static void codec_noise(void **state)
{
    size_t count;
    const struct codec_format *formats = codec_formats(&count);
    (void)state;
    srand(3);
    for (size_t f = 0; f < count; f++) {
        struct codec *codec;
        int16_t out[CODEC_MAX_SAMPLES];
        uint8_t payload[CODEC_MAX_PAYLOAD];
        assert_int_equal(codec_new(rf_mem_system(), formats[f].name, &codec), 0);
        for (int i = 0; i < 2000; i++) {
            size_t len = (size_t)rand() % (i % 2 != 0 ? 40 : sizeof(payload));
            for (size_t k = 0; k < len; k++)
                payload[k] = (uint8_t)rand();
            assert_true(codec_decode(codec, rf_view_of(payload, len), out) <= CODEC_MAX_SAMPLES);
        }
        assert_int_equal(codec_decode(codec, rf_view_of(payload, 0), out), 0);
        codec_free(rf_mem_system(), codec);
    }
}

/* ---- WAV ---- */

static size_t put(uint8_t *out, const char *what, uint32_t number, int width)
{
    size_t n = strlen(what);
    memcpy(out, what, n);
    for (int i = 0; i < width; i++)
        out[n++] = (uint8_t)(number >> (8 * i));
    return n;
}

/* a header, then `frames` frames of a constant */
static size_t make_wav(uint8_t *out, unsigned rate, unsigned channels, unsigned bits, size_t frames,
                       int value)
{
    size_t data = frames * channels * bits / 8, n = 0;
    n += put(out + n, "RIFF", (uint32_t)(36 + data), 4);
    n += put(out + n, "WAVEfmt ", 16, 4);
    n += put(out + n, "", 1, 2);
    n += put(out + n, "", channels, 2);
    n += put(out + n, "", rate, 4);
    n += put(out + n, "", rate * channels * bits / 8, 4);
    n += put(out + n, "", channels * bits / 8, 2);
    n += put(out + n, "", bits, 2);
    n += put(out + n, "data", (uint32_t)data, 4);
    for (size_t i = 0; i < frames * channels; i++)
        n += put(out + n, "", (uint32_t)(bits == 8 ? value / 256 + 128 : value), (int)bits / 8);
    return n;
}

static void wav_formats(void **state)
{
    static const struct {
        unsigned rate, channels, bits;
    } rows[] = {{8000, 1, 16},  {8000, 2, 16}, {8000, 1, 8},   {16000, 1, 16},
                {44100, 2, 16}, {48000, 2, 8}, {11025, 1, 16}, {4000, 1, 16}};
    static uint8_t file[300000];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wav_audio audio;
        const char *why = "";
        size_t len = make_wav(file, rows[i].rate, rows[i].channels, rows[i].bits, rows[i].rate, 5120);
        assert_int_equal(wav_parse(rf_mem_system(), rf_view_of(file, len), &audio, &why), 0);
        assert_int_equal(audio.count, 8000); /* a second */
        for (size_t k = 0; k < audio.count; k++)
            assert_int_equal(audio.samples[k], 5120);
        rf_free(rf_mem_system(), audio.samples);
    }
}

static void wav_broken(void **state)
{
    static uint8_t good[2000], bad[2000];
    size_t len = make_wav(good, 8000, 1, 16, 100, 1);
    struct wav_audio audio;
    const char *why;
    (void)state;
    for (size_t cut = 0; cut < len; cut++) { /* every truncation */
        why = NULL;
        int error = wav_parse(rf_mem_system(), rf_view_of(good, cut), &audio, &why);
        assert_int_equal(error, cut < 12 ? RF_EFORMAT : RF_ESHORT);
        assert_non_null(why);
    }
    static const struct {
        size_t at;
        uint8_t value;
        int error;
    } edits[] = {{0, 'X', RF_EFORMAT},     {8, 'X', RF_EFORMAT},      {16, 8, RF_EFORMAT},
                 {20, 3, RF_EUNSUPPORTED}, {22, 0, RF_EUNSUPPORTED},  {22, 3, RF_EUNSUPPORTED},
                 {25, 0, RF_EUNSUPPORTED}, {34, 24, RF_EUNSUPPORTED}, {32, 4, RF_EFORMAT},
                 {43, 0xff, RF_ESHORT},    {36, 'x', RF_ESHORT},      {19, 0x7f, RF_ESHORT}};
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        memcpy(bad, good, len);
        bad[edits[i].at] = edits[i].value;
        assert_int_equal(wav_parse(rf_mem_system(), rf_view_of(bad, len), &audio, &why), edits[i].error);
        assert_null(audio.samples);
    }
    len = make_wav(good, 8000, 1, 16, 0, 1);
    assert_int_equal(wav_parse(rf_mem_system(), rf_view_of(good, len), &audio, &why), RF_EFORMAT);
    assert_int_equal(wav_load(rf_mem_system(), "/nonexistent.wav", &audio, &why), RF_ENOTFOUND);
    assert_int_equal(wav_load(rf_mem_system(), "/", &audio, &why), RF_ESYSTEM);
    struct rf_mem_test mem;
    rf_mem_test_init(&mem);
    mem.allowed = 0;
    len = make_wav(good, 8000, 1, 16, 10, 1);
    assert_int_equal(wav_parse(&mem.mem, rf_view_of(good, len), &audio, &why), RF_ENOMEM);
}

/* at any moment the file is one that can be read; what was not written is silence */
static void wav_recording(void **state)
{
    char path[] = "/tmp/test_sip_wav_XXXXXX";
    struct wav_writer w;
    struct wav_audio audio;
    const char *why = "";
    int16_t samples[160];
    (void)state;
    close(mkstemp(path));
    assert_int_equal(wav_create(&w, path, &why), 0);
    assert_int_equal(wav_load(rf_mem_system(), path, &audio, &why),
                     RF_EFORMAT); /* valid, but nothing in it yet */
    assert_string_equal(why, "it holds no samples");
    for (int i = 0; i < 160; i++)
        samples[i] = (int16_t)(i - 80);
    for (size_t i = 0; i < 60; i++) { /* 1.2 s, one packet lost, two exchanged */
        size_t at = i == 20 ? 21 : i == 21 ? 20 : i;
        if (i != 30)
            assert_int_equal(wav_put(&w, at * 160, samples, 160), 0);
        if (i ==
            40) { /* the process dies here: the header tells of what was there half a second ago at most */
            assert_int_equal(wav_load(rf_mem_system(), path, &audio, &why), 0);
            assert_true(audio.count >= 41 * 160 - 4000 && audio.count <= 41 * 160);
            rf_free(rf_mem_system(), audio.samples);
        }
    }
    assert_int_equal(wav_put(&w, WAV_MAX_SAMPLES, samples, 1), RF_ELIMIT);
    wav_close(&w);
    assert_int_equal(wav_put(&w, 0, samples, 1), RF_ESYSTEM);
    wav_close(&w);
    assert_int_equal(wav_load(rf_mem_system(), path, &audio, &why), 0);
    assert_int_equal(audio.count, 60 * 160);
    for (size_t i = 0; i < audio.count; i++)
        assert_int_equal(audio.samples[i], i / 160 == 30 ? 0 : (int)(i % 160) - 80);
    rf_free(rf_mem_system(), audio.samples);
    assert_int_equal(wav_create(&w, "/nonexistent/x.wav", &why), RF_ESYSTEM);
    assert_string_equal(why, "its folder does not exist");
    unlink(path);
}

/* ---- digest ---- */

struct auth_world {
    struct core core;
    struct rf_sip_counters counters;
    char nonce[64];
};

static struct sip_msg *message(const char *authorization, const char *call_id, const char *ip)
{
    struct mbuf *mb = mbuf_alloc(2048);
    struct sip_msg *msg = NULL;
    mbuf_printf(
        mb,
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\nTo: <sip:a@b>\r\n"
        "From: <sip:a@b>;tag=1\r\nCall-ID: %s\r\nCSeq: 1 REGISTER\r\n%s\r\n",
        call_id, authorization);
    mb->pos = 0;
    assert_int_equal(sip_msg_decode(&msg, mb), 0);
    mem_deref(mb);
    sa_set_str(&msg->src, ip, 5060);
    return msg;
}

static void hex(const uint8_t *bytes, char out[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void answer(char *out, size_t max, const char *user, const char *password, const char *nonce,
                   unsigned nc)
{
    uint8_t md[16];
    char ha1[33], ha2[33], response[33];
    md5_printf(md, "%s:example.org:%s", user, password);
    hex(md, ha1);
    md5_printf(md, "REGISTER:sip:example.org");
    hex(md, ha2);
    if (nc > 0)
        md5_printf(md, "%s:%s:%08x:c:auth:%s", ha1, nonce, nc, ha2);
    else
        md5_printf(md, "%s:%s:%s", ha1, nonce, ha2);
    hex(md, response);
    snprintf(out, max,
             "Authorization: Digest username=\"%s\", realm=\"example.org\", nonce=\"%s\", "
             "uri=\"sip:example.org\", "
             "response=\"%s\"",
             user, nonce, response);
    size_t len = strlen(out);
    snprintf(out + len, max - len, nc > 0 ? ", qop=auth, nc=%08x, cnonce=\"c\"\r\n" : "\r\n", nc);
}

static enum auth_verdict judge_from(struct auth_world *w, const char *header, const char *call_id,
                                    const char *ip)
{
    struct sip_msg *msg = message(header, call_id, ip);
    enum auth_verdict verdict = auth_judge(&w->core, w->core.auth, msg, false, 1001);
    mem_deref(msg);
    return verdict;
}

static enum auth_verdict judge(struct auth_world *w, const char *header, bool known, uint64_t now_s)
{
    struct sip_msg *msg = message(header, "x", "127.0.0.1");
    enum auth_verdict verdict = auth_judge(&w->core, w->core.auth, msg, known, now_s);
    mem_deref(msg);
    return verdict;
}

static struct auth_world auth_world_new(char nonce[AUTH_NONCE_TEXT_LEN])
{
    struct auth_world w = {.core = {.mem = rf_mem_system(), .aor = "alice@example.org", .user = "alice"}};
    struct sa home;
    assert_int_equal(sa_set_str(&home, "127.0.0.1", 1), 0);
    w.core.domain = "example.org";
    assert_int_equal(auth_new(&w.core, "secret", &w.core.auth), 0);
    auth_nonce(w.core.auth, &home, 1000, nonce);
    return w;
}

/* What somebody overheard opens nothing: not a second time, not from elsewhere. */
static void digest_replayed(void **state)
{
    char nonce[AUTH_NONCE_TEXT_LEN], first[600], second[600], line[600];
    struct auth_world w = auth_world_new(nonce);
    (void)state;
    w.core.counters = &w.counters;
    answer(first, sizeof(first), "alice", "secret", nonce, 1);
    answer(second, sizeof(second), "alice", "secret", nonce, 2);
    assert_int_equal(judge_from(&w, first, "a", "127.0.0.1"), AUTH_OK);
    assert_int_equal(judge_from(&w, first, "a", "127.0.0.1"), AUTH_OK); /* the same datagram twice */
    assert_int_equal(judge_from(&w, first, "b", "127.0.0.1"), AUTH_STALE);
    assert_int_equal(judge_from(&w, first, "a", "127.0.0.2"), AUTH_CHALLENGE);
    assert_int_equal(judge_from(&w, second, "b", "127.0.0.2"), AUTH_CHALLENGE);
    assert_int_equal(judge_from(&w, second, "b", "127.0.0.1"), AUTH_OK);
    assert_int_equal(judge_from(&w, first, "a", "127.0.0.1"), AUTH_STALE);
    answer(line, sizeof(line), "alice", "secret", nonce,
           0); /* who does not count gets a nonce for each request */
    assert_int_equal(judge_from(&w, line, "c", "127.0.0.1"), AUTH_STALE);
    assert_int_equal(w.counters.phone_auth_replayed, 3);
    struct sa home;
    assert_int_equal(sa_set_str(&home, "127.0.0.1", 1), 0);
    auth_nonce(w.core.auth, &home, 1000, nonce);
    answer(line, sizeof(line), "alice", "secret", nonce, 0);
    assert_int_equal(judge_from(&w, line, "c", "127.0.0.1"), AUTH_OK);
    assert_int_equal(judge_from(&w, line, "d", "127.0.0.1"), AUTH_STALE);
    auth_free(&w.core, w.core.auth);
}

static void digest(void **state)
{
    char nonce[AUTH_NONCE_TEXT_LEN], old[AUTH_NONCE_TEXT_LEN], line[600];
    struct auth_world w = auth_world_new(nonce);
    (void)state;
    w.core.counters = &w.counters;
    assert_int_equal(judge(&w, "", false, 1000), AUTH_CHALLENGE);
    answer(line, sizeof(line), "alice", "secret", nonce, 1);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_OK);
    assert_int_equal(judge(&w, line, false, 1000 + AUTH_NONCE_S), AUTH_OK);
    assert_int_equal(judge(&w, line, false, 1001 + AUTH_NONCE_S), AUTH_STALE); /* right password, old nonce */
    assert_int_equal(judge(&w, line, false, 999), AUTH_STALE);                 /* from the future */
    answer(line, sizeof(line), "alice@example.org", "secret", nonce, 2);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_OK);
    assert_int_equal(w.counters.phone_auth_failed, 0);
    answer(line, sizeof(line), "bob", "secret", nonce, 1);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_CHALLENGE);
    answer(line, sizeof(line), "alice", "wrong", nonce, 1);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_CHALLENGE);
    assert_int_equal(w.counters.phone_auth_failed, 2);
    memcpy(old, nonce, sizeof(old)); /* a nonce that we did not make costs nothing and opens nothing */
    old[20] = old[20] == '0' ? '1' : '0';
    answer(line, sizeof(line), "alice", "secret", old, 1);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_CHALLENGE);
    assert_int_equal(w.counters.phone_auth_failed, 2);
    assert_int_equal(judge(&w, "Authorization: Digest username=\"alice\"\r\n", false, 1001), AUTH_CHALLENGE);
    assert_int_equal(judge(&w, "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", false, 1001), AUTH_CHALLENGE);
    /* guessing: after AUTH_TRIES wrong ones nothing is looked at, not even the right one; a known phone is not touched; time heals */
    answer(line, sizeof(line), "alice", "wrong", nonce, 1);
    for (int i = 0; i < AUTH_TRIES; i++)
        (void)judge(&w, line, false, 1001);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_LIMITED);
    answer(line, sizeof(line), "alice", "secret", nonce, 3);
    assert_int_equal(judge(&w, line, false, 1001), AUTH_LIMITED);
    assert_int_equal(judge(&w, line, true, 1001), AUTH_OK);
    assert_int_equal(judge(&w, line, false, 1001 + AUTH_TRY_REFILL_S), AUTH_OK);
    auth_free(&w.core, w.core.auth);
}

/* ---- time ---- */

static void never(void *arg)
{
    (void)arg;
    fail();
}

/* libre's own timers run by the clock that nobody sets (clock.c) */
static void timers_are_monotonic(void **state)
{
    struct timespec t;
    struct tmr tmr;
    (void)state;
    tmr_init(&tmr);
    tmr_start(&tmr, 5000, never, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    assert_in_range(tmr.jfs, now_ms, now_ms + 5000);
    assert_in_range(tmr_jiffies(), now_ms, now_ms + 4000);
    tmr_cancel(&tmr);
}

int test_sip_parts(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_answer),
        cmocka_unit_test(addresses),
        cmocka_unit_test(g711),
        cmocka_unit_test(codecs),
        cmocka_unit_test(codec_noise),
        cmocka_unit_test(wav_formats),
        cmocka_unit_test(wav_broken),
        cmocka_unit_test(wav_recording),
        cmocka_unit_test(digest),
        cmocka_unit_test(digest_replayed),
        cmocka_unit_test(timers_are_monotonic),
    };
    return cmocka_run_group_tests_name("sip parts", tests, NULL, NULL);
}
