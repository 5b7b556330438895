/* fuzz_overlay_seeds.c - writes the vectors as first inputs for fuzz_overlay: `fuzz_overlay_seeds DIR`. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "support/vector.h"

#define FRAME_HEAD 8

static void save(const char *dir, const char *name, const char *how, struct rf_buf *bytes)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s_%s", dir, name, how);
    FILE *file = fopen(path, "wb");
    RF_ASSERT(file != NULL && rf_buf_error(bytes) == 0);
    RF_ASSERT(fwrite(bytes->p, 1, bytes->len, file) == bytes->len);
    RF_ASSERT(fclose(file) == 0);
    rf_buf_reset(bytes);
}

/* The message over link 1: as it is; after a call of ours whose transaction ID it gets; twice, deferred and answered. */
static void seeds_of(const char *dir, const char *name, struct rf_view message)
{
    struct rf_buf out;
    rf_buf_init(&out, rf_mem_system(), 1 << 20);
    rf_buf_put(&out, "\x00\xff\x00", 3);
    rf_buf_v(&out, 2, message);
    save(dir, name, "plain", &out);
    rf_buf_put(&out, "\x13\xff\x03\x80\x00", 5);
    rf_buf_v(&out, 2, message);
    save(dir, name, "answer", &out);
    rf_buf_put(&out, "\x23\xff\x00", 3);
    rf_buf_v(&out, 2, message);
    rf_buf_put(&out, "\x02\x05\x00", 3);
    rf_buf_v(&out, 2, message);
    rf_buf_put(&out, "\x05\x00\x02\x05", 4);
    save(dir, name, "twice", &out);
    rf_buf_deinit(&out);
}

int main(int argc, char **argv)
{
    DIR *dir = opendir(RF_SOURCE_DIR "/test/vectors");
    struct dirent *entry;
    RF_ASSERT(argc == 2 && dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char name[300];
        struct rf_buf frame;
        char *end = strstr(entry->d_name, ".hex");
        if (end == NULL || strncmp(entry->d_name, "cert_", 5) == 0 || strncmp(entry->d_name, "ack", 3) == 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(end - entry->d_name), entry->d_name);
        rf_buf_init(&frame, rf_mem_system(), 1 << 20);
        rf_vector_read(name, &frame);
        if (frame.len > FRAME_HEAD)
            seeds_of(argv[1], name, rf_view_of(frame.p + FRAME_HEAD, frame.len - FRAME_HEAD));
        rf_buf_deinit(&frame);
    }
    closedir(dir);
    return 0;
}
