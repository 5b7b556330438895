/* json.c - IDs, addresses, times and bytes as JSON values. */
#include <stdio.h>
#include "base/text.h"
#include "control/internal.h"

json_t *control_json_id(const struct rf_id *id)
{
    char text[RF_ID_TEXT_LEN];
    return id->len == 0 ? json_null() : json_string(rf_id_text(id, text));
}

json_t *control_json_hex(struct rf_view bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(bytes.len * 2 + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = digits[bytes.p[i] >> 4];
        text[2 * i + 1] = digits[bytes.p[i] & 15];
    }
    json_t *value = json_stringn(text, bytes.len * 2);
    free(text);
    return value;
}

json_t *control_json_view(struct rf_view text)
{
    if (text.len == 0)
        return json_string("");
    return rf_utf8_valid(text) ? json_stringn((const char *)text.p, text.len) : control_json_hex(text);
}

json_t *control_json_addr(const struct rf_addr *addr)
{
    char text[RF_ADDR_TEXT_LEN];
    return addr->family == 0 ? json_null() : json_string(rf_addr_text(addr, text));
}

json_t *control_json_time(uint64_t wall_ms)
{
    /* days to civil date, after Howard Hinnant's description of the calendar's 400-year cycle */
    uint64_t days = wall_ms / 86400000, ms = wall_ms % 86400000;
    int64_t z = (int64_t)days + 719468;
    int64_t era = z / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    char text[48];
    snprintf(text, sizeof(text), "%04lld-%02d-%02dT%02u:%02u:%02u.%03uZ", (long long)year, month, day,
             (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
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
