/* wav.c - RIFF WAVE files in and out. */
#include "sip/wav.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"

#define WAV_HEADER_LEN 44

/* ---- reading ---- */

struct format {
    uint16_t channels, bits;
    uint32_t rate;
    bool seen;
};

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

static int refuse(int error, const char *text, const char **why)
{
    *why = text;
    return error;
}

static int read_format(struct rf_view chunk, struct format *f, const char **why)
{
    if (chunk.len < 16)
        return refuse(RF_EFORMAT, "its format chunk is too short", why);
    uint32_t tag = le16(chunk.p);
    if (tag == 0xfffe && chunk.len >= 40) /* WAVE_FORMAT_EXTENSIBLE: the real one starts the sub-format */
        tag = le16(chunk.p + 24);
    f->channels = (uint16_t)le16(chunk.p + 2);
    f->rate = le32(chunk.p + 4);
    f->bits = (uint16_t)le16(chunk.p + 14);
    if (tag != 1 || (f->bits != 8 && f->bits != 16))
        return refuse(RF_EUNSUPPORTED, "it is not 8 or 16 bit PCM", why);
    if (f->channels < 1 || f->channels > 2)
        return refuse(RF_EUNSUPPORTED, "it is neither mono nor stereo", why);
    if (f->rate < 4000 || f->rate > 192000)
        return refuse(RF_EUNSUPPORTED, "its sample rate is not between 4 and 192 kHz", why);
    if (le16(chunk.p + 12) != f->channels * f->bits / 8u)
        return refuse(RF_EFORMAT, "its frame size disagrees with channels and bits", why);
    f->seen = true;
    return 0;
}

/* one frame as one sample */
static int frame_value(const struct format *f, const uint8_t *p)
{
    int sum = 0;
    for (unsigned c = 0; c < f->channels; c++)
        sum += f->bits == 16 ? (int16_t)le16(p + 2 * c) : (p[c] - 128) * 256;
    return sum / f->channels;
}

/* To 8 kHz: each output sample is the mean of the input frames of its time (a box filter), or the nearest one when the rate is lower. */
static int convert(struct rf_mem *mem, const struct format *f, struct rf_view data, struct wav_audio *out,
                   const char **why)
{
    size_t frame_len = f->channels * f->bits / 8u;
    uint64_t frames = data.len / frame_len;
    uint64_t count = frames * WAV_RATE / f->rate;

    if (count == 0)
        return refuse(RF_EFORMAT, "it holds no samples", why);
    if (count > WAV_MAX_SAMPLES)
        return refuse(RF_ELIMIT, "it is longer than an hour", why);
    out->samples = rf_alloc(mem, count * sizeof(*out->samples));
    if (out->samples == NULL)
        return refuse(RF_ENOMEM, "out of memory", why);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t from = i * f->rate / WAV_RATE, to = (i + 1) * f->rate / WAV_RATE;
        int64_t sum = 0;
        to = to > from ? to : from + 1;
        to = to < frames ? to : frames;
        for (uint64_t k = from; k < to; k++)
            sum += frame_value(f, data.p + k * frame_len);
        out->samples[i] = (int16_t)(sum / (int64_t)(to - from));
    }
    out->count = count;
    return 0;
}

int wav_parse(struct rf_mem *mem, struct rf_view file, struct wav_audio *out, const char **why)
{
    struct format format = {0};

    *out = (struct wav_audio){0};
    if (file.len < 12 || memcmp(file.p, "RIFF", 4) != 0 || memcmp(file.p + 8, "WAVE", 4) != 0)
        return refuse(RF_EFORMAT, "it is not a WAV file", why);
    file = rf_view_of(file.p + 12, file.len - 12);
    while (file.len >= 8) {
        struct rf_view chunk = {file.p + 8, le32(file.p + 4)};
        if (chunk.len > file.len - 8)
            return refuse(RF_ESHORT, "it is truncated: a chunk is longer than the file", why);
        if (memcmp(file.p, "fmt ", 4) == 0) {
            int error = read_format(chunk, &format, why);
            if (error != 0)
                return error;
        } else if (memcmp(file.p, "data", 4) == 0) {
            return format.seen ? convert(mem, &format, chunk, out, why)
                               : refuse(RF_EFORMAT, "its samples come before their format", why);
        }
        size_t used = 8 + chunk.len + (chunk.len & 1);
        used = used < file.len ? used : file.len; /* a missing pad byte at the very end does no harm */
        file = rf_view_of(file.p + used, file.len - used);
    }
    return refuse(RF_ESHORT, "it is truncated: it has no samples", why);
}

int wav_load(struct rf_mem *mem, const char *path, struct wav_audio *out, const char **why)
{
    struct stat info;
    int error = 0;
    uint8_t *bytes = NULL;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not stop us */

    *out = (struct wav_audio){0};
    if (fd < 0)
        return errno == ENOENT ? refuse(RF_ENOTFOUND, "there is no such file", why)
                               : refuse(RF_ESYSTEM, "it cannot be opened", why);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        error = refuse(RF_ESYSTEM, "it is not a regular file", why);
    else if (info.st_size > (off_t)WAV_MAX_FILE)
        error = refuse(RF_ELIMIT, "it is larger than 64 MiB", why);
    else if ((bytes = rf_alloc(mem, (size_t)info.st_size + 1)) == NULL)
        error = refuse(RF_ENOMEM, "out of memory", why);
    while (error == 0 && len < (size_t)info.st_size) {
        ssize_t n = read(fd, bytes + len, (size_t)info.st_size - len);
        if (n < 0)
            error = refuse(RF_ESYSTEM, "it cannot be read", why);
        else if (n == 0)
            break;
        else
            len += (size_t)n;
    }
    if (error == 0)
        error = wav_parse(mem, rf_view_of(bytes, len), out, why);
    rf_free(mem, bytes);
    close(fd);
    return error;
}

/* ---- writing ---- */

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

static int write_all(int fd, const uint8_t *bytes, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, at);
        if (n <= 0)
            return RF_ESYSTEM;
        bytes += n;
        len -= (size_t)n;
        at += n;
    }
    return 0;
}

static int write_header(struct wav_writer *w)
{
    uint8_t h[WAV_HEADER_LEN];
    uint32_t len = (uint32_t)(w->count * 2);

    memcpy(h, "RIFF....WAVEfmt ", 16);
    put32(h + 4, WAV_HEADER_LEN - 8 + len);
    put32(h + 16, 16);
    put16(h + 20, 1);
    put16(h + 22, 1);
    put32(h + 24, WAV_RATE);
    put32(h + 28, WAV_RATE * 2);
    put16(h + 32, 2);
    put16(h + 34, 16);
    memcpy(h + 36, "data", 4);
    put32(h + 40, len);
    w->told = w->count;
    return write_all(w->fd, h, sizeof(h), 0);
}

int wav_create(struct wav_writer *writer, const char *path, const char **why)
{
    *writer =
        (struct wav_writer){.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644)};
    if (writer->fd < 0)
        return refuse(RF_ESYSTEM,
                      errno == ENOENT   ? "its folder does not exist"
                      : errno == EACCES ? "permission denied"
                      : errno == EISDIR ? "it is a folder"
                                        : "it cannot be created",
                      why);
    if (write_header(writer) != 0) {
        wav_close(writer);
        return refuse(RF_ESYSTEM, "it cannot be written", why);
    }
    return 0;
}

int wav_put(struct wav_writer *w, size_t position, const int16_t *samples, size_t count)
{
    uint8_t bytes[2 * 512];

    if (w->fd < 0 || position > WAV_MAX_SAMPLES || count > WAV_MAX_SAMPLES - position)
        return w->fd < 0 ? RF_ESYSTEM : RF_ELIMIT;
    while (count > 0) {
        size_t n = count < 512 ? count : 512;
        for (size_t i = 0; i < n; i++)
            put16(bytes + 2 * i, (uint16_t)samples[i]);
        int error = write_all(w->fd, bytes, 2 * n, (off_t)(WAV_HEADER_LEN + 2 * position));
        if (error != 0)
            return error;
        samples += n;
        count -= n;
        position += n;
    }
    w->count = position > w->count ? position : w->count;
    return w->count >= w->told + WAV_RATE / 2 ? write_header(w) : 0;
}

void wav_close(struct wav_writer *w)
{
    if (w->fd < 0)
        return;
    (void)write_header(w); /* a full disk was told by wav_put */
    close(w->fd);
    w->fd = -1;
}
