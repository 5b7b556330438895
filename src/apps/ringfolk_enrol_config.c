/* ringfolk_enrol_config.c - `config` and `bootstrap`: look at the configuration document and make new versions of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/ringfolk_enrol.h"
#include "enrol/admin.h"

#define OVERLAY_PORT 6084
#define EXPIRATION   "expiration-days"
#define OWN_KEYS     EXPIRATION ", certificate-days" /* beside rf_admin_conf_keys */

/* load reads the newest document: its text, and parsed if `conf` is not NULL. */
static int load(struct enrol_data *data, struct rf_buf *xml, struct rf_conf **conf)
{
    struct rf_enrol_document document;
    int e = data->store->ops->document_get(data->store, 0, &document, xml);
    if (e == RF_OK && conf)
        e = rf_conf_parse(data->crypto, data->mem, rf_buf_view(xml), (struct rf_view){0}, conf, NULL, 0);
    return e == RF_OK ? ENROL_OK : enrol_fail_db(data, "the configuration document cannot be read", e);
}

static json_t *addr_list(const struct rf_conf *conf)
{
    json_t *list = json_array();
    char text[RF_ADDR_TEXT_LEN];
    for (size_t i = 0; i < conf->bootstrap_count; i++)
        json_array_append_new(list, json_string(rf_addr_text(&conf->bootstraps[i], text)));
    return list;
}

static json_t *id_list(const struct rf_id *ids, size_t count)
{
    json_t *list = json_array();
    char text[RF_ID_TEXT_LEN];
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(rf_id_text(&ids[i], text)));
    return list;
}

static json_t *url_list(const struct rf_conf *conf)
{
    json_t *list = json_array();
    for (size_t i = 0; i < conf->enrolment_url_count; i++)
        json_array_append_new(list, json_string(conf->enrolment_urls[i]));
    return list;
}

static json_t *kind_list(const struct rf_conf *conf)
{
    json_t *list = json_array();
    for (size_t i = 0; i < conf->kind_count; i++) {
        const struct rf_kind_def *k = &conf->kinds[i];
        const char *name = rf_conf_kind_name(k->id);
        json_array_append_new(list, json_pack("{s:I, s:s*, s:i, s:i}", "id", (json_int_t)k->id, "name", name,
                                              "max_count", (int)k->max_count, "max_size", (int)k->max_size));
    }
    return list;
}

static void show_json(const struct enrol_data *data, const struct rf_conf *conf)
{
    char expires[ENROL_TIME_SIZE];
    enrol_print(json_pack(
        "{s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:i, s:b, s:i, s:b, s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:s*}",
        "overlay", data->settings.overlay, "sequence", conf->sequence, "self_signed", conf->self_signed != 0,
        "max_message_size", (int)conf->max_message_size, "initial_ttl", conf->initial_ttl,
        "overlay_reliability_timer", (int)conf->reliability_timer_ms, "chord_update_interval",
        (int)conf->chord_update_interval_s, "chord_ping_interval", (int)conf->chord_ping_interval_s,
        "chord_reactive", conf->chord_reactive, "turn_density", conf->turn_density, "clients_permitted",
        conf->clients_permitted, "no_ice", conf->no_ice, "certificate_days",
        (int)data->settings.certificate_days, "bootstrap", addr_list(conf), "enrollment_servers",
        url_list(conf), "configuration_signers",
        id_list(conf->configuration_signers, conf->configuration_signer_count), "bad_nodes",
        id_list(conf->bad_nodes, conf->bad_node_count), "kinds", kind_list(conf), "expires",
        conf->expiration_ms == UINT64_MAX ? NULL : enrol_time(conf->expiration_ms, expires)));
}

/* show prints the document itself for people: it is text, and what everybody else gets. */
static int show(struct enrol_data *data)
{
    struct rf_buf xml;
    struct rf_conf *conf = NULL;
    rf_buf_init(&xml, data->mem, RF_CONF_MAX_LEN);
    int status = load(data, &xml, data->cli->json ? &conf : NULL);
    if (status == ENROL_OK && conf)
        show_json(data, conf);
    else if (status == ENROL_OK) {
        fwrite(xml.p, 1, xml.len, stdout);
        if (xml.len > 0 && xml.p[xml.len - 1] != '\n')
            putchar('\n');
    }
    if (conf)
        rf_conf_release(conf);
    rf_buf_deinit(&xml);
    return status;
}

static void changed(const struct enrol_data *data, uint16_t sequence)
{
    if (data->cli->json)
        enrol_print(json_pack("{s:i}", "sequence", sequence));
    else
        printf("document %u is in force\n", sequence);
}

static int change(struct enrol_data *data, rf_admin_change *function, void *ctx, uint16_t *sequence)
{
    return rf_admin_document_change(data->store, data->crypto, data->mem, &data->signer, function, ctx,
                                    enrol_wall_ms(), sequence);
}

struct set {
    const char *key, *value;
    uint64_t wall_ms;
};

/* parse_days reads min to ENROL_DAYS_MAX. */
static bool parse_days(const char *text, long min, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return end != text && *end == '\0' && *out >= min && *out <= ENROL_DAYS_MAX;
}

static int change_set(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    const struct set *set = ctx;
    if (strcmp(set->key, EXPIRATION) == 0) {
        long days;
        if (!parse_days(set->value, 0, &days))
            return RF_EINVAL;
        draft->expiration_ms = days == 0 ? UINT64_MAX : set->wall_ms + (uint64_t)days * ENROL_DAY_MS;
        return RF_OK;
    }
    return rf_admin_conf_set(draft, set->key, set->value, region);
}

/* set_days changes what stands in enrol.json: it is the server's business, not the overlay's. */
static int set_days(struct enrol_data *data, const char *value)
{
    long days;
    if (!parse_days(value, 1, &days))
        return enrol_fail("certificate-days", "1 to 3650");
    json_object_set_new(data->settings.json, "certificate_days", json_integer(days));
    int status = data_write_settings(data);
    if (status == ENROL_OK && data->cli->json)
        enrol_print(json_pack("{s:i}", "certificate_days", (int)days));
    else if (status == ENROL_OK)
        puts("certificates will live that long from the next start of serve on");
    return status;
}

static int config_set(struct enrol_data *data, const char *key, const char *value)
{
    struct set set = {key, value, enrol_wall_ms()};
    uint16_t sequence;
    char why[400];
    if (strcmp(key, "certificate-days") == 0)
        return set_days(data, value);
    int e = change(data, change_set, &set, &sequence);
    if (e == RF_OK) {
        changed(data, sequence);
        return ENROL_OK;
    }
    if (e == RF_EUNKNOWN) {
        snprintf(why, sizeof(why), "no such value; there are %s, " OWN_KEYS, rf_admin_conf_keys());
        return enrol_fail(key, why);
    }
    return e == RF_EINVAL ? enrol_fail(key, "this value is out of range") : enrol_fail_db(data, key, e);
}

int enrol_config(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    bool shows = argc == 1 && strcmp(argv[0], "show") == 0, sets = argc == 3 && strcmp(argv[0], "set") == 0;
    if (argc == 1 && strcmp(argv[0], "keys") == 0) {
        if (cli->json)
            enrol_print(json_pack("{s:s++}", "keys", rf_admin_conf_keys(), ", ", OWN_KEYS));
        else
            printf("%s, " OWN_KEYS "\n", rf_admin_conf_keys());
        return ENROL_OK;
    }
    if (!shows && !sets)
        return enrol_usage(self->usage, "say show, set with a key and a value, or keys");
    int status = data_open(&data, cli, sets ? ENROL_STORE | ENROL_SIGNER : ENROL_STORE);
    if (status == ENROL_OK)
        status = shows ? show(&data) : config_set(&data, argv[1], argv[2]);
    data_close(&data);
    return status;
}

/* ---- bootstrap ---- */

static int change_add(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    return rf_admin_bootstrap_add(draft, ctx, region);
}

static int change_remove(void *ctx, struct rf_conf *draft, struct rf_region *region)
{
    return rf_admin_bootstrap_remove(draft, ctx, region);
}

static int bootstrap_list(struct enrol_data *data)
{
    struct rf_buf xml;
    struct rf_conf *conf = NULL;
    char text[RF_ADDR_TEXT_LEN];
    rf_buf_init(&xml, data->mem, RF_CONF_MAX_LEN);
    int status = load(data, &xml, &conf);
    if (status == ENROL_OK && data->cli->json)
        enrol_print(json_pack("{s:o}", "bootstrap", addr_list(conf)));
    for (size_t i = 0; status == ENROL_OK && !data->cli->json && i < conf->bootstrap_count; i++)
        puts(rf_addr_text(&conf->bootstraps[i], text));
    if (conf)
        rf_conf_release(conf);
    rf_buf_deinit(&xml);
    return status;
}

/* Nobody is locked out, so it is no error; but nobody new finds the overlay. */
static void note_if_last(struct enrol_data *data)
{
    struct rf_buf xml;
    struct rf_conf *conf = NULL;
    rf_buf_init(&xml, data->mem, RF_CONF_MAX_LEN);
    if (load(data, &xml, &conf) == ENROL_OK && conf->bootstrap_count == 0)
        fputs("ringfolk-enrol: note: no bootstrap node is left; newcomers cannot join until one is added\n",
              stderr);
    rf_conf_release(conf);
    rf_buf_deinit(&xml);
}

static int bootstrap_change(struct enrol_data *data, bool add, struct rf_addr *addr)
{
    char text[RF_ADDR_TEXT_LEN];
    uint16_t sequence;
    int e = change(data, add ? change_add : change_remove, addr, &sequence);
    rf_addr_text(addr, text);
    if (e == RF_EEXIST)
        return enrol_fail(text, "it is a bootstrap node already");
    if (e == RF_ENOTFOUND)
        return enrol_fail(text, "it is no bootstrap node; see bootstrap list");
    if (e != RF_OK)
        return enrol_fail_db(data, text, e);
    changed(data, sequence);
    if (!add)
        note_if_last(data);
    return ENROL_OK;
}

int enrol_bootstrap(const struct enrol_cli *cli, const struct enrol_command *self, int argc, char **argv)
{
    struct enrol_data data = {0};
    struct rf_addr addr;
    bool lists = argc == 1 && strcmp(argv[0], "list") == 0, adds = argc == 2 && strcmp(argv[0], "add") == 0;
    bool removes = argc == 2 && strcmp(argv[0], "remove") == 0;
    if (!lists && !adds && !removes)
        return enrol_usage(self->usage, "say add or remove with an address, or list");
    if (!lists && rf_addr_parse(argv[1], OVERLAY_PORT, &addr) != RF_OK)
        return enrol_usage(self->usage, "%s: an IP address and a port are needed, e.g. 192.0.2.1:6084",
                           argv[1]);
    int status = data_open(&data, cli, lists ? ENROL_STORE : ENROL_STORE | ENROL_SIGNER);
    if (status == ENROL_OK)
        status = lists ? bootstrap_list(&data) : bootstrap_change(&data, adds, &addr);
    data_close(&data);
    return status;
}
