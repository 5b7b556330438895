/* home.c - config.json of a node's home, read strictly and written whole. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "apps/home.h"
#include "io/files.h"
#include "io/relay.h"

char *home_default(void)
{
    const char *home = getenv("RINGFOLK_HOME"), *user_home = getenv("HOME");
    char *path = NULL;
    if (home != NULL && home[0] != '\0')
        return strdup(home);
    if (user_home == NULL || user_home[0] == '\0' || asprintf(&path, "%s/.ringfolk", user_home) < 0)
        return NULL;
    return path;
}

int home_path(const char *home, const char *name, char *out, size_t out_len)
{
    int len = snprintf(out, out_len, "%s/%s", home, name);
    return len < 0 || (size_t)len >= out_len ? RF_ELIMIT : 0;
}

static const char *const role_names[] = {
    [RF_NODE_AUTO] = "auto", [RF_NODE_CLIENT] = "client", [RF_NODE_SUPERNODE] = "supernode"};

static bool take_text(const json_t *root, const char *key, char *out, size_t out_len)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (text == NULL)
        return json_object_get(root, key) == NULL;
    return snprintf(out, out_len, "%s", text) < (int)out_len;
}

static bool take_addr(const json_t *root, const char *key, struct rf_addr *out)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (text == NULL)
        return json_object_get(root, key) == NULL;
    return rf_addr_parse(text, 0, out) == 0;
}

static bool take_role(const json_t *root, enum rf_node_role *out)
{
    const char *text = json_string_value(json_object_get(root, "role"));
    for (size_t i = 1; text != NULL && i < RF_COUNT(role_names); i++)
        if (strcmp(role_names[i], text) == 0) {
            *out = (enum rf_node_role)i;
            return true;
        }
    return false;
}

static bool take_services(const json_t *root, struct home_config *out)
{
    const json_t *list = json_object_get(root, "services");
    if (list != NULL && !json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || out->service_count == HOME_MAX_SERVICES)
            return false;
        char *place = out->services[out->service_count++];
        if (snprintf(place, sizeof(out->services[0]), "%s", text) >= (int)sizeof(out->services[0]))
            return false;
    }
    return true;
}

/* a number from 1 to `max`; without the key it stays 0 */
static bool take_number(const json_t *root, const char *key, size_t max, size_t *out)
{
    const json_t *value = json_object_get(root, key);
    if (value == NULL)
        return true;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || (uint64_t)number > max)
        return false;
    *out = (size_t)number;
    return true;
}

static bool take_mode(const json_t *root, bool *hotel)
{
    const json_t *value = json_object_get(root, "mode");
    const char *mode = value != NULL ? json_string_value(value) : "usual";
    *hotel = mode != NULL && strcmp(mode, "hotel") == 0;
    return *hotel || (mode != NULL && strcmp(mode, "usual") == 0);
}

/* numbers with a default */
static const struct number_key {
    const char *key;
    size_t offset;
} number_keys[] = {{"auto_uptime_s", offsetof(struct home_config, auto_uptime_s)},
                   {"auto_interval_s", offsetof(struct home_config, auto_interval_s)},
                   {"auto_idle_s", offsetof(struct home_config, auto_idle_s)},
                   {"auto_min_ring", offsetof(struct home_config, auto_min_ring)},
                   {"max_flows", offsetof(struct home_config, max_flows)},
                   {"keepalive_s", offsetof(struct home_config, keepalive_s)},
                   {"keepalive_max_s", offsetof(struct home_config, keepalive_max_s)},
                   {"relay_threads", offsetof(struct home_config, relay.threads)},
                   {"relay_kbit_s", offsetof(struct home_config, relay.kbit_s)},
                   {"relay_user_kbit_s", offsetof(struct home_config, relay.user_kbit_s)},
                   {"relay_allocations", offsetof(struct home_config, relay.allocations)},
                   {"relay_user_allocations", offsetof(struct home_config, relay.user_allocations)},
                   {"relay_port_low", offsetof(struct home_config, relay.port_low)},
                   {"relay_port_high", offsetof(struct home_config, relay.port_high)}};

static size_t *number_of(const struct home_config *config, size_t i)
{
    return (size_t *)((uintptr_t)config + number_keys[i].offset);
}

static bool take_flag(const json_t *root, const char *key, bool otherwise, bool *out)
{
    const json_t *value = json_object_get(root, key);
    *out = value != NULL ? json_is_true(value) : otherwise;
    return value == NULL || json_is_boolean(value);
}

/* the key that is wrong, or NULL; the numbers are there already */
static const char *take_relay(const json_t *root, struct home_relay *out)
{
    bool on;
    if (!take_flag(root, "relay", true, &on))
        return "relay";
    out->off = !on;
    if (!take_flag(root, "relay_private_peers", false, &out->private_peers))
        return "relay_private_peers";
    if (!take_addr(root, "relay_address", &out->address))
        return "relay_address";
    if (!take_addr(root, "relay_tcp", &out->tcp))
        return "relay_tcp";
    if (!take_addr(root, "relay_tls", &out->tls))
        return "relay_tls";
    if (!take_text(root, "relay_tls_cert", out->tls_cert, sizeof(out->tls_cert)))
        return "relay_tls_cert";
    if (!take_text(root, "relay_tls_key", out->tls_key, sizeof(out->tls_key)) ||
        (out->tls_key[0] == '\0') != (out->tls_cert[0] == '\0'))
        return "relay_tls_key";
    if (!take_text(root, "relay_tls_name", out->tls_name, sizeof(out->tls_name)))
        return "relay_tls_name";
    if (out->threads > RF_RELAY_MAX_THREADS)
        return "relay_threads";
    if (out->port_low > UINT16_MAX || out->port_high > UINT16_MAX || out->port_low > out->port_high ||
        (out->port_low == 0) != (out->port_high == 0))
        return "relay_port_low";
    return NULL;
}

/* the key that is wrong, or NULL */
static const char *take_all(const json_t *root, struct home_config *out)
{
    if (!take_text(root, "url", out->url, sizeof(out->url)) || out->url[0] == '\0')
        return "url";
    if (!take_text(root, "user", out->user, sizeof(out->user)) || out->user[0] == '\0')
        return "user";
    if (!take_role(root, &out->role))
        return "role";
    if (!take_addr(root, "listen", &out->listen) || out->listen.family == 0)
        return "listen";
    if (!take_addr(root, "sip", &out->sip))
        return "sip";
    if (!take_addr(root, "http", &out->http))
        return "http";
    if (!take_text(root, "sip_password", out->sip_password, sizeof(out->sip_password)))
        return "sip_password";
    if (!take_text(root, "forward", out->forward, sizeof(out->forward)))
        return "forward";
    if (!take_number(root, "max_clients", 1000000, &out->max_clients))
        return "max_clients";
    if (!take_number(root, "handshakes_per_s", 1000000, &out->handshakes_per_s))
        return "handshakes_per_s";
    if (!take_number(root, "requests_per_s", 1000000, &out->requests_per_s))
        return "requests_per_s";
    if (!take_mode(root, &out->hotel))
        return "mode";
    for (size_t i = 0; i < RF_COUNT(number_keys); i++)
        if (!take_number(root, number_keys[i].key, 1000000, number_of(out, i)))
            return number_keys[i].key;
    if (!take_services(root, out))
        return "services";
    if (!take_flag(root, "media_direct", false, &out->media_direct))
        return "media_direct";
    const char *wrong = take_relay(root, &out->relay);
    if (wrong != NULL)
        return wrong;
    if (json_object_get(root, "ca") != NULL && !json_is_boolean(json_object_get(root, "ca")))
        return "ca";
    out->has_ca = json_is_true(json_object_get(root, "ca"));
    return NULL;
}

int home_load(const char *home, struct home_config *out, char *error_text, size_t error_text_len)
{
    char path[4096];
    struct rf_buf text;
    memset(out, 0, sizeof(*out));
    rf_buf_init(&text, rf_mem_system(), (size_t)64 * 1024);
    int error = home_path(home, "config.json", path, sizeof(path));
    if (error == 0)
        error = rf_file_read(path, text.max, &text);
    if (error != 0) {
        snprintf(error_text, error_text_len,
                 error == RF_ENOTFOUND ? "no configuration there" : "config.json: %s", rf_file_why(error));
        rf_buf_deinit(&text);
        return error;
    }
    json_error_t where;
    json_t *root = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &where);
    rf_buf_deinit(&text);
    const char *wrong = json_is_object(root) ? take_all(root, out) : "";
    if (root == NULL)
        snprintf(error_text, error_text_len, "config.json, line %d: %s", where.line, where.text);
    else if (!json_is_object(root))
        snprintf(error_text, error_text_len, "config.json: it holds no JSON object");
    else if (wrong != NULL)
        snprintf(error_text, error_text_len, "config.json: \"%s\" is missing or wrong", wrong);
    json_decref(root);
    return root == NULL || wrong != NULL ? RF_EFORMAT : 0;
}

static void put_addr(json_t *root, const char *key, const struct rf_addr *addr)
{
    char text[RF_ADDR_TEXT_LEN];
    if (addr->family != 0)
        json_object_set_new(root, key, json_string(rf_addr_text(addr, text)));
}

static void put_text(json_t *root, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(root, key, json_string(text));
}

int home_save(const char *home, const struct home_config *config)
{
    char path[4096];
    int error = home_path(home, "config.json", path, sizeof(path));
    if (error != 0)
        return error;
    json_t *root = json_object();
    json_object_set_new(root, "url", json_string(config->url));
    json_object_set_new(root, "user", json_string(config->user));
    json_object_set_new(root, "role", json_string(role_names[config->role]));
    put_addr(root, "listen", &config->listen);
    put_addr(root, "sip", &config->sip);
    put_addr(root, "http", &config->http);
    if (config->sip_password[0] != '\0')
        json_object_set_new(root, "sip_password", json_string(config->sip_password));
    if (config->max_clients != 0)
        json_object_set_new(root, "max_clients", json_integer((json_int_t)config->max_clients));
    if (config->handshakes_per_s != 0)
        json_object_set_new(root, "handshakes_per_s", json_integer((json_int_t)config->handshakes_per_s));
    if (config->requests_per_s != 0)
        json_object_set_new(root, "requests_per_s", json_integer((json_int_t)config->requests_per_s));
    for (size_t i = 0; i < RF_COUNT(number_keys); i++)
        if (*number_of(config, i) != 0)
            json_object_set_new(root, number_keys[i].key, json_integer((json_int_t)*number_of(config, i)));
    if (config->relay.off)
        json_object_set_new(root, "relay", json_false());
    if (config->relay.private_peers)
        json_object_set_new(root, "relay_private_peers", json_true());
    put_addr(root, "relay_address", &config->relay.address);
    put_addr(root, "relay_tcp", &config->relay.tcp);
    put_addr(root, "relay_tls", &config->relay.tls);
    put_text(root, "relay_tls_cert", config->relay.tls_cert);
    put_text(root, "relay_tls_key", config->relay.tls_key);
    put_text(root, "relay_tls_name", config->relay.tls_name);
    if (config->hotel)
        json_object_set_new(root, "mode", json_string("hotel"));
    if (config->forward[0] != '\0')
        json_object_set_new(root, "forward", json_string(config->forward));
    json_t *services = json_array();
    for (size_t i = 0; i < config->service_count; i++)
        json_array_append_new(services, json_string(config->services[i]));
    json_object_set_new(root, "services", services);
    json_object_set_new(root, "ca", json_boolean(config->has_ca));
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    error = text != NULL ? rf_file_write(path, rf_view_str(text), 0600) : RF_ENOMEM;
    free(text);
    return error;
}
