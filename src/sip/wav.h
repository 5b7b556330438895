/*
 * wav.h - RIFF WAVE files: reads 8 or 16 bit PCM of any usual rate, mono or stereo, as 8 kHz mono; writes 8 kHz 16 bit mono such that the file
 * is valid at any moment, even when the process is killed.
 *
 *     0  "RIFF" u32 size-8 "WAVE"
 *    12  "fmt " u32 16  u16 format=1 (PCM)  u16 channels  u32 rate  u32 bytes/s  u16 bytes/frame  u16 bits
 *    36  "data" u32 length  samples            (little endian; other chunks may stand between)
 */
#ifndef RF_SIP_WAV_H
#define RF_SIP_WAV_H

#include "base/mem.h"
#include "base/view.h"

#define WAV_RATE        8000
#define WAV_MAX_FILE    ((size_t)64 * 1024 * 1024)   /* bytes read */
#define WAV_MAX_SAMPLES ((size_t)WAV_RATE * 60 * 60) /* read or written: an hour */

struct wav_audio {
    int16_t *samples; /* 8 kHz mono; owned, rf_free */
    size_t count;
};

/*
 * wav_parse reads a whole file. why: the reason in words, borrowed (a constant), set on error.
 * Errors: RF_EFORMAT no WAVE file or parts missing, RF_ESHORT truncated, RF_EUNSUPPORTED not PCM or a rate we cannot convert,
 * RF_ELIMIT too long, RF_ENOMEM.
 */
int wav_parse(struct rf_mem *mem, struct rf_view file, struct wav_audio *out, const char **why);
/* wav_load is wav_parse of the file at `path`. Errors besides: RF_ENOTFOUND, RF_ESYSTEM cannot be read. */
int wav_load(struct rf_mem *mem, const char *path, struct wav_audio *out, const char **why);

/* wav_writer: a recording. Samples may come in any order; what was never written is silence. */
struct wav_writer {
    int fd;       /* -1: closed */
    size_t count; /* samples of the file, so far */
    size_t told;  /* samples the header tells of */
};
/* wav_create makes or overwrites `path`. Errors: RF_ESYSTEM with `why`. */
int wav_create(struct wav_writer *writer, const char *path, const char **why);
/* wav_put writes samples at `position`; the header follows twice a second. Errors: RF_ELIMIT beyond an hour, RF_ESYSTEM disk full. */
int wav_put(struct wav_writer *writer, size_t position, const int16_t *samples, size_t count);
void wav_close(struct wav_writer *writer);

#endif
