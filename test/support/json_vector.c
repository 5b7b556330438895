/* json_vector.c - reads vectors in JSON. */
#include "support/json_vector.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/region.h"
#include "base/text.h"

#define REGION_MAX_LEN ((size_t)64 << 20)

static struct rf_region region; /* of the current case */

static json_t *load(const char *name)
{
    static const char *const places[] = {RF_SOURCE_DIR "/../shared/data", RF_SOURCE_DIR "/test/vectors"};
    char path[600];
    json_error_t error;

    for (size_t i = 0; i < 2; i++) {
        json_t *json;

        snprintf(path, sizeof(path), "%s/%s.json", places[i], name);
        if ((json = json_load_file(path, 0, &error)) != NULL)
            return json;
    }
    fprintf(stderr, "no vector %s: %s\n", path, error.text);
    abort();
}

size_t rf_json_vector_run(const char *name, void (*check)(const json_t *one))
{
    json_t *json = load(name);
    size_t count = json_array_size(json);

    rf_region_init(&region, rf_mem_system(), REGION_MAX_LEN);
    for (size_t i = 0; i < count; i++) {
        check(json_array_get(json, i));
        rf_region_reset(&region);
    }
    rf_region_deinit(&region);
    json_decref(json);
    return count;
}

struct rf_view rf_json_hex_of(const json_t *string)
{
    struct rf_buf out;
    size_t len = json_string_length(string) / 2;
    uint8_t *p;

    if (!json_is_string(string))
        return rf_view_of(NULL, 0);
    if ((p = rf_region_alloc(&region, len)) == NULL)
        abort();
    rf_buf_fixed(&out, p, len);
    if (rf_hex_decode(rf_view_of(json_string_value(string), json_string_length(string)), &out) != 0 ||
        out.len != len)
        abort();
    return rf_view_of(p, len);
}

struct rf_view rf_json_hex(const json_t *object, const char *key)
{
    return rf_json_hex_of(json_object_get(object, key));
}

const char *rf_json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (text == NULL) {
        fprintf(stderr, "no text %s\n", key);
        abort();
    }
    return text;
}

uint64_t rf_json_number(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);

    if (!json_is_integer(number)) {
        fprintf(stderr, "no number %s\n", key);
        abort();
    }
    return (uint64_t)json_integer_value(number);
}
