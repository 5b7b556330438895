/* settings.c - single values of the configuration document by the names of their elements (reload.md 6.2). */
#include "base/assert.h"
#include "enrol/admin.h"

enum setting_type { SETTING_U8, SETTING_U32, SETTING_BOOL, SETTING_URL };

struct setting {
    const char *key;
    enum setting_type type;
    size_t offset; /* in struct rf_conf */
    uint32_t min, max;
};

#define AT(field) offsetof(struct rf_conf, field)
/* Smaller messages than 1000 bytes could not carry a Join with two certificates; larger than 16 MiB no length field of a link frame. */
static const struct setting settings[] = {
    {"max-message-size", SETTING_U32, AT(max_message_size), 1000, 16777215},
    {"initial-ttl", SETTING_U8, AT(initial_ttl), 1, 255},
    {"overlay-reliability-timer", SETTING_U32, AT(reliability_timer_ms), 200, 60000},
    {"chord-update-interval", SETTING_U32, AT(chord_update_interval_s), 1, 86400},
    {"chord-ping-interval", SETTING_U32, AT(chord_ping_interval_s), 1, 86400},
    {"chord-reactive", SETTING_BOOL, AT(chord_reactive), 0, 1},
    {"turn-density", SETTING_U8, AT(turn_density), 0, 255},
    {"clients-permitted", SETTING_BOOL, AT(clients_permitted), 0, 1},
    {"no-ice", SETTING_BOOL, AT(no_ice), 0, 1},
    {"enrollment-server", SETTING_URL, AT(enrolment_urls), 0, 0},
};

const char *rf_admin_conf_keys(void)
{
    return "max-message-size, initial-ttl, overlay-reliability-timer, chord-update-interval, "
           "chord-ping-interval, "
           "chord-reactive, turn-density, clients-permitted, no-ice, enrollment-server";
}

static int parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    if (text[0] == '\0' || strlen(text) > 9)
        return RF_EINVAL;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return RF_EINVAL;
        n = n * 10 + (uint64_t)(*c - '0');
    }
    if (n < min || n > max)
        return RF_EINVAL;
    *out = (uint32_t)n;
    return RF_OK;
}

static int parse_bool(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *out || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? RF_OK : RF_EINVAL;
}

/* set_url replaces all enrolment servers by one. */
static int set_url(struct rf_conf *draft, const char *url, struct rf_region *region)
{
    size_t len = strlen(url);
    if (strncmp(url, "https://", 8) != 0 || len < 9 || len > 500)
        return RF_EINVAL;
    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] >= 127 || strchr("<>&\"'", url[i]))
            return RF_EINVAL;
    char **urls = rf_region_array(region, 1, sizeof(*urls));
    char *copy = rf_region_alloc(region, len + 1);
    if (!urls || !copy)
        return RF_ENOMEM;
    memcpy(copy, url, len + 1);
    urls[0] = copy;
    draft->enrolment_urls = urls;
    draft->enrolment_url_count = 1;
    return RF_OK;
}

static int set_value(struct rf_conf *draft, const struct setting *s, const char *value,
                     struct rf_region *region)
{
    void *field = (char *)draft + s->offset;
    uint32_t number = 0;
    bool flag = false;
    int e;
    switch (s->type) {
    case SETTING_U8:
        e = parse_number(value, s->min, s->max, &number);
        if (e == RF_OK)
            *(uint8_t *)field = (uint8_t)number;
        return e;
    case SETTING_U32:
        e = parse_number(value, s->min, s->max, &number);
        if (e == RF_OK)
            *(uint32_t *)field = number;
        return e;
    case SETTING_BOOL:
        e = parse_bool(value, &flag);
        if (e == RF_OK)
            *(bool *)field = flag;
        return e;
    case SETTING_URL:
        return set_url(draft, value, region);
    }
    return RF_EUNKNOWN;
}

int rf_admin_conf_set(struct rf_conf *draft, const char *key, const char *value, struct rf_region *region)
{
    for (size_t i = 0; i < RF_COUNT(settings); i++)
        if (strcmp(settings[i].key, key) == 0)
            return set_value(draft, &settings[i], value, region);
    return RF_EUNKNOWN;
}
