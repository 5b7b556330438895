/*
 * fuzz_wire_seeds.c - writes the vectors as first inputs for the fuzz targets: `fuzz_wire_seeds DIR` fills DIR/frame, DIR/message,
 * DIR/body and DIR/stored. (A target keeps new inputs in its directory, so they are made in the build tree.)
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "base/assert.h"
#include "support/vector.h"
#include "wire/frame.h"
#include "wire/store.h"

static const char *root;

/* save writes `head` and `rest` to root/target/name. */
static void save(const char *target, const char *name, struct rf_view head, struct rf_view rest)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", root, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    file = fopen(path, "wb");
    RF_ASSERT(file != NULL);
    RF_ASSERT(fwrite(head.p, 1, head.len, file) == head.len);
    RF_ASSERT(rest.len == 0 || fwrite(rest.p, 1, rest.len, file) == rest.len);
    RF_ASSERT(fclose(file) == 0);
}

static void save_choice(const char *target, const char *name, uint8_t choice, struct rf_view rest)
{
    save(target, name, rf_view_of(&choice, 1), rest);
}

/* The first list of stored values, and the first value itself. */
static void save_values(const char *name, struct rf_view body)
{
    static const uint32_t kinds[] = {RF_KIND_SIP_REGISTRATION, RF_KIND_TURN_SERVICE,
                                     RF_KIND_ACCESS_CONTROL_LIST, RF_KIND_REDIR};
    struct rf_region region;
    struct rf_store_req req;
    struct rf_stored stored;
    struct rf_stored_data data;
    enum rf_model model;
    struct rf_view list;
    char other[80];

    rf_region_init(&region, rf_mem_system(), 1 << 20);
    if (rf_store_req_decode(body, &region, &req) == 0 && req.kind_count > 0) {
        model = rf_kind_model(req.kinds[0].kind);
        list = req.kinds[0].values;
        save_choice("stored", name, (uint8_t)(model - 1), list);
        RF_ASSERT(rf_stored_next(&list, &stored) == 0 && rf_stored_data_decode(&stored, model, &data) == 0);
        for (uint8_t i = 0; i < RF_COUNT(kinds); i++) {
            snprintf(other, sizeof other, "%s_value", name);
            if (kinds[i] == req.kinds[0].kind)
                save_choice("stored", other, (uint8_t)(i << 4 | 2 << 2), data.value);
        }
    }
    rf_region_deinit(&region);
}

static void save_vector(const char *name)
{
    struct rf_buf bytes;
    struct rf_frame frame;
    struct rf_message m;
    struct rf_extension extension;
    struct rf_view in;
    char other[80];

    rf_buf_init(&bytes, rf_mem_system(), 1 << 16);
    rf_vector_read(name, &bytes);
    in = rf_buf_view(&bytes);
    if (in.len > 0 && in.p[0] >= RF_FRAME_DATA && rf_frame_next(&in, 5000, &frame) == 0) {
        save("frame", name, rf_view_of("\x01\x2f", 2), rf_buf_view(&bytes));
        save_choice("message", name, 8, frame.message);
        if (frame.type == RF_FRAME_DATA && rf_message_decode(frame.message, 16, &m) == 0) {
            const uint8_t head[2] = {(uint8_t)m.code, 0xff};
            save("body", name, rf_view_of(head, 2), m.body);
            snprintf(other, sizeof other, "%s_extension", name);
            if (rf_extension_find(m.extensions, RF_EXTENSION_DIAGNOSTIC_PING, &extension))
                save("body", other, rf_view_of("\xfe\xff", 2), extension.contents);
            if (m.code == RF_CODE_STORE_REQ)
                save_values(name, m.body);
        }
    }
    rf_buf_deinit(&bytes);
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    DIR *dir = opendir(RF_SOURCE_DIR "/test/vectors");

    if (argc != 2 || dir == NULL)
        return 2;
    root = argv[1];
    mkdir(root, 0777);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        char name[64];
        if (len > 4 && len < sizeof name && strcmp(entry->d_name + len - 4, ".hex") == 0) {
            snprintf(name, sizeof name, "%.*s", (int)(len - 4), entry->d_name);
            save_vector(name);
        }
    }
    closedir(dir);
    return 0;
}
