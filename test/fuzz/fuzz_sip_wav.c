/* fuzz_sip_wav.c - WAV files: read or refused with words; never more samples than the file can hold. */
#include <stdint.h>
#include <stdlib.h>
#include "sip/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wav_audio audio;
    const char *why = NULL;
    int error = wav_parse(rf_mem_system(), rf_view_of(data, size), &audio, &why);

    if (error == 0 && (audio.count == 0 || audio.count > size * 2))
        abort(); /* 4 kHz, 8 bit: two samples of ours for each byte */
    if (error != 0 && (why == NULL || audio.samples != NULL))
        abort();
    rf_free(rf_mem_system(), audio.samples);
    return 0;
}
