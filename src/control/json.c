/* json.c - IDs, addresses, times and bytes as JSON values. */
#include <stdio.h>
#include "base/civil.h"
#include "base/text.h"
#include "control/internal.h"

json_t *control_json_id(const struct rf_id *id)
{
    char text[RF_ID_TEXT_LEN];
    return id->len == 0 ? json_null() : json_string(rf_id_text(id, text));
}

json_t *control_json_hex(struct rf_view bytes)
{
    struct rf_buf text;
    if (bytes.len == 0)
        return json_string("");
    rf_buf_init(&text, rf_mem_system(), SIZE_MAX);
    rf_hex_put(&text, bytes);
    json_t *value = rf_buf_error(&text) == 0 ? json_stringn((const char *)text.p, text.len) : NULL;
    rf_buf_deinit(&text);
    return value;
}

json_t *control_json_view(struct rf_view text)
{
    if (text.len == 0)
        return json_string("");
    return rf_utf8_valid(text) ? json_stringn((const char *)text.p, text.len) : control_json_hex(text);
}

json_t *control_json_cut(const char *text)
{
    json_t *whole = json_string(text);
    char *ascii = whole == NULL ? rf_strdup(rf_mem_system(), text) : NULL;
    if (ascii == NULL)
        return whole;
    for (char *c = ascii; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    json_t *value = json_string(ascii);
    rf_free(rf_mem_system(), ascii);
    return value;
}

json_t *control_json_addr(const struct rf_addr *addr)
{
    char text[RF_ADDR_TEXT_LEN];
    return addr->family == 0 ? json_null() : json_string(rf_addr_text(addr, text));
}

json_t *control_json_time(uint64_t wall_ms)
{
    struct rf_civil c = rf_civil_from_ms(wall_ms);
    char text[48];
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second, (unsigned)(wall_ms % 1000));
    return json_string(text);
}

const char *control_error_name(int error)
{
    switch (error) {
#define X(name, number, text)                                                                                \
    case number:                                                                                             \
        return #name;
        RF_ERRORS(X)
#undef X
    }
    return "RF_EUNKNOWN";
}
