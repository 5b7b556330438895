/* cli_show.c - the command table and how results look to people. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/cli.h"
#include "base/assert.h"

static const char *str(const json_t *object, const char *key)
{
    return cli_str(object, key, "-");
}

static long long num(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static double ms(const json_t *object, const char *key)
{
    return (double)num(object, key) / 1000.0;
}

/* The relay of a supernode. */
static void show_own_relay(const json_t *relay, bool supernode)
{
    size_t i;
    const json_t *server;
    if (!json_is_object(relay)) {
        if (supernode)
            printf("relay        none: switched off, or it cannot start (see the log)\n");
        return;
    }
    printf("relay        %lld connections of %lld users, %lld bytes carried, %lld refused or dropped;",
           num(relay, "allocations"), num(relay, "users"), num(relay, "bytes"), num(relay, "refused"));
    json_array_foreach(json_object_get(relay, "servers"), i, server) printf(" %s", json_string_value(server));
    printf("\n");
}

static void show_status(const json_t *r)
{
    const json_t *stored = json_object_get(r, "stored");
    printf("user         %s\nnode         %s\noverlay      %s (configuration %lld)\nrole         %s, %s\n",
           str(r, "user"), str(r, "node"), str(r, "overlay"), num(r, "configuration_sequence"),
           str(r, "role"), str(r, "state"));
    if (json_is_true(json_object_get(r, "role_auto")))
        printf("role auto    %s\n", str(r, "role_why"));
    if (json_is_string(json_object_get(r, "supernode")))
        printf("supernode    %s%s\n", str(r, "supernode"),
               json_is_true(json_object_get(r, "guest")) ? " (its guest)" : "");
    else if (strcmp(str(r, "role"), "client") != 0)
        printf("ring         responsible for %.2f %% of it\nstored       %lld resources (%lld own), %lld "
               "values, %lld bytes\n",
               json_real_value(json_object_get(r, "share_of_ring")) * 100, num(stored, "resources"),
               num(stored, "own_resources"), num(stored, "values"), num(stored, "bytes"));
    show_own_relay(json_object_get(r, "relay"), strcmp(str(r, "role"), "client") != 0);
    if (json_is_integer(json_object_get(r, "max_flows")))
        printf("flows        %lld of at most %lld connections\n", num(r, "flows"), num(r, "max_flows"));
    printf("links        %lld, of these %lld clients\nup           %lld s\nregistered   %s\ncertificate  "
           "valid until %s%s\n",
           num(r, "links"), num(r, "clients"), num(r, "uptime_s"),
           json_is_true(json_object_get(r, "registered")) ? "yes: others find this device" : "not yet",
           str(r, "certificate_expires"),
           json_is_true(json_object_get(r, "certificate_valid")) ? "" : " (EXPIRED)");
    size_t i;
    const json_t *other;
    json_array_foreach(json_object_get(r, "name_claimed_by"), i, other)
        printf("name         claimed by another key, too: node %s\n", json_string_value(other));
}

static void show_peer(const json_t *p)
{
    printf("%-12s %s  %-24s %8.2f ms  %s%s\n", str(p, "relation"), str(p, "node"), str(p, "address"),
           ms(p, "rtt_us"), str(p, "user"),
           strcmp(str(p, "purpose"), "application") == 0 ? " (application)" : "");
}

static void show_ring_entry(const json_t *e)
{
    printf("%-12s %3lld  %s  %s\n", str(e, "relation"), num(e, "rank"), str(e, "node"),
           json_is_true(json_object_get(e, "linked")) ? "linked" : "not linked");
}

static void show_ring_result(const json_t *r)
{
    if (json_real_value(json_object_get(r, "share_of_ring")) == 0) {
        printf("%s: %s as a client: these are the supernodes it is linked with\n", str(r, "node"),
               str(r, "state"));
        return;
    }
    printf("%s: %s, %lld entries, responsible for %.2f %% of the ring\n", str(r, "node"), str(r, "state"),
           num(r, "count"), json_real_value(json_object_get(r, "share_of_ring")) * 100);
}

static void show_whois(const json_t *r)
{
    size_t i;
    json_t *d;
    printf("%s is %s; asked of %s in %.1f ms\n", str(r, "name"), str(r, "presence"), str(r, "stored_at"),
           ms(r, "took_us"));
    json_array_foreach(json_object_get(r, "devices"), i, d)
    {
        printf("  device %s  since %s, until %s\n    certificate SHA-256 %s%s\n", str(d, "node"),
               str(d, "registered"), str(d, "expires"), str(d, "certificate_sha256"),
               json_is_true(json_object_get(d, "self")) ? "  (this one)" : "");
    }
}

static void show_ping(const json_t *r)
{
    printf("%s answered in %.2f ms\n", str(r, "node"), ms(r, "rtt_us"));
}

static void show_hop(const json_t *h)
{
    if (json_is_string(json_object_get(h, "error")))
        printf("%3lld  %s  %s\n", num(h, "hop"), str(h, "node"), str(h, "error"));
    else
        printf("%3lld  %s  %8.2f ms  at %s%s\n", num(h, "hop"), str(h, "node"), ms(h, "rtt_us"),
               str(h, "received"), json_is_true(json_object_get(h, "responsible")) ? "  responsible" : "");
}

static void show_value(const json_t *v)
{
    if (json_is_true(json_object_get(v, "exists")))
        printf("[%s] by %s at %s, %lld s: %s\n", str(v, "slot"), str(v, "signer"), str(v, "storage_time"),
               num(v, "lifetime_s"), str(v, "value"));
    else
        printf("[%s] nothing\n", str(v, "slot"));
}

static void show_fetch_result(const json_t *r)
{
    printf("%lld values at %s, generation %lld%s\n", num(r, "count"), str(r, "stored_at"),
           num(r, "generation"), num(r, "dropped") > 0 ? "; some did not verify and were dropped" : "");
}

static void show_service(const json_t *s)
{
    printf("%-5s %s  %-24s %s\n", str(s, "type"), str(s, "node"), str(s, "address"), str(s, "user"));
}

static void show_relay(const json_t *r)
{
    size_t i;
    json_t *server;
    printf("node      %s\nuser      %s\npassword  %s\nrealm     %s\ngood for  %lld s\n", str(r, "node"),
           str(r, "user"), str(r, "password"), str(r, "realm"), num(r, "expires_s"));
    json_array_foreach(json_object_get(r, "servers"), i, server) printf(
        "%s       %s %s\n", str(server, "transport"), str(server, "address"), cli_str(server, "name", ""));
}

static void show_message(const json_t *r)
{
    printf("delivered to %lld of %lld devices", num(r, "delivered"), num(r, "devices"));
    if (num(r, "kept") > 0)
        printf("; %lld of them keep it until somebody listens", num(r, "kept"));
    putchar('\n');
}

static void show_phone(const json_t *p)
{
    printf("%s  %s  %s  for %lld s\n", str(p, "transport"), str(p, "address"), str(p, "contact"),
           num(p, "expires_s"));
}

static void show_call(const json_t *c)
{
    printf("%s  %-9s %-9s %s\n", str(c, "call"), str(c, "direction"), str(c, "state"), str(c, "peer"));
}

static void show_refresh(const json_t *r)
{
    printf("asking the enrolment server; document %lld is in force until a newer one is found\n",
           num(r, "sequence"));
}

static void show_call_ended(const json_t *c)
{
    printf("%s  ended: %s\n", str(c, "call"), str(c, "reason"));
}

/* ---- from words to arguments ---- */

static json_t *absolute(const char *path)
{
    char *here = path[0] == '/' ? NULL : realpath(".", NULL);
    json_t *full = here != NULL ? json_sprintf("%s/%s", here, path) : json_string(path);
    free(here);
    return full;
}

/* NULL: `why` is a sentence */
static json_t *argument(const struct app_option *option, const char *value, char *why, size_t why_len)
{
    char *end;
    json_t *json = NULL;
    if (option->type == 'b')
        return json_true();
    if (option->type == 'n') {
        long seconds = strtol(value, &end, 10);
        if (*end == '\0' && end != value && seconds >= 1 && seconds <= 86400)
            return json_integer(seconds);
        snprintf(why, why_len, "%s takes seconds, 1 to 86400", option->name);
        return NULL;
    }
    if (option->type == 'i') {
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (*end == '\0' && end != value && number >= 0 && errno == 0)
            return json_integer(number);
        snprintf(why, why_len, "%s takes a number", option->name);
        return NULL;
    }
    json = option->type == 'p' ? absolute(value) : json_string(value);
    if (json == NULL)
        snprintf(why, why_len, "%s is not text in UTF-8", option->name);
    return json;
}

static bool takes_many(const struct app_option *option)
{
    return option->type == 'm' || option->type == 'M' || option->type == 'r';
}

/* the row of the command's next word that has none yet or takes many, or -1; needed: of those that may not be left out */
static int next_word(const struct cli_command *self, const json_t *args, bool needed)
{
    for (size_t i = 0; i < self->option_count; i++) {
        const struct app_option *o = &self->options[i];
        bool given = json_object_get(args, o->key) != NULL;
        if (o->name[0] != '-' && (!given || (takes_many(o) && !needed)) &&
            !(needed && (o->type == 'o' || o->type == 'M')))
            return (int)i;
    }
    return -1;
}

/* steals value */
static void set_argument(json_t *args, const struct app_option *option, json_t *value)
{
    json_t *list = json_object_get(args, option->key);
    if (!takes_many(option)) {
        json_object_set_new(args, option->key, value);
        return;
    }
    if (list == NULL) {
        list = json_array();
        json_object_set_new(args, option->key, list);
    }
    json_array_append_new(list, value);
}

json_t *cli_args(const struct cli_command *self, int argc, char **argv, int *status)
{
    struct app_words words = {.argc = argc, .argv = argv};
    json_t *args = json_object(), *value;
    char why[APP_WRONG_SIZE] = "";
    int row;
    while (why[0] == '\0' && (row = app_next(&words, self->options, self->option_count)) != APP_END) {
        if (row == APP_WORD && (row = next_word(self, args, false)) < 0)
            snprintf(why, sizeof(why), "%.100s is one word too many", words.value);
        else if (row == APP_WRONG)
            snprintf(why, sizeof(why), "%s", words.wrong);
        else if ((value = argument(&self->options[row], words.value, why, sizeof(why))) != NULL)
            set_argument(args, &self->options[row], value);
    }
    if (why[0] == '\0' && (row = next_word(self, args, true)) >= 0)
        snprintf(why, sizeof(why), "%s is missing", self->options[row].name);
    if (why[0] == '\0')
        return args;
    json_decref(args);
    *status = cli_usage(self, why);
    return NULL;
}

static int run_counters(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct cli as_json = *cli;
    int status;
    json_t *args = cli_args(self, argc, argv, &status);
    as_json.json = true; /* a tree of names and numbers: JSON is how people read it, too */
    return args != NULL ? cli_run(&as_json, self, args) : status;
}

/* ---- the commands ---- */

#define NAME_ROW                                                                                             \
    {                                                                                                        \
        "NAME", NULL, "a user, e.g. bob or bob@example.org", "name", 's'                                     \
    }
#define CALL_ROW                                                                                             \
    {                                                                                                        \
        "CALL", NULL, "as `ringfolk calls` and `listen` name it, e.g. c3", "call", 's'                       \
    }
#define TARGET_ROW                                                                                           \
    {                                                                                                        \
        "NODE-ID|NAME", NULL, "a device (32 hexadecimal digits), or a user's first one", "target", 's'       \
    }
#define AUDIO_ROWS                                                                                           \
    {"--play", "WAV", "what the other side hears; the call ends after it unless --for is given", "play",     \
     'p'},                                                                                                   \
        {"--record", "WAV", "where to write what the other side says", "record", 'p'},                       \
    {                                                                                                        \
        "--for", "SECONDS", "hang up after that time, 1 to 86400", "for", 'n'                                \
    }

static const struct app_option name_options[] = {NAME_ROW};
static const struct app_option ping_options[] = {TARGET_ROW};
static const struct app_option trace_options[] = {
    TARGET_ROW,
    {"--resource", NULL, "to where the user's data are stored, not to a device", "resource", 'b'}};
static const struct app_option fetch_options[] = {
    {"KIND", NULL, "SIP-REGISTRATION, CERTIFICATE_BY_USER, CERTIFICATE_BY_NODE, ..., or a number", "kind",
     's'},
    {"NAME|NODE-ID", NULL, "whose values", "name", 's'},
    {"--resource", NULL, "the hexadecimal digits are a Resource-ID, not a Node-ID", "resource", 'b'}};
static const struct app_option services_options[] = {
    {"TYPE", NULL, "turn: relays; without it all", "type", 'o'}};
static const struct app_option relay_options[] = {
    {"--fresh", NULL, "others than those at hand: they do not work", "fresh", 'b'}};
static const struct app_option message_options[] = {
    NAME_ROW, {"TEXT", NULL, "1 to 16384 bytes; put -- before one that begins like an option", "text", 's'}};
static const struct app_option call_options[] = {NAME_ROW, AUDIO_ROWS};
static const struct app_option answer_options[] = {CALL_ROW, AUDIO_ROWS};
static const struct app_option hangup_options[] = {CALL_ROW};

#define OPTIONS(table) table, RF_COUNT(table)

const struct cli_command cli_commands[] = {
    {"init", "init URL --user NAME [--password-stdin | --invite CODE] ...", "enrol and make a home",
     cli_init_options, 0, "the server refused, or the home cannot be written", cli_init, NULL, NULL, NULL},
    {"status", "status", "who and where this node is", NULL, 0, NULL, NULL, NULL, show_status, NULL},
    {"peers", "peers", "its links", NULL, 0, NULL, NULL, show_peer, NULL, "no link is up"},
    {"ring", "ring", "what it knows of the ring", NULL, 0, NULL, NULL, show_ring_entry, show_ring_result,
     "nothing is known of the ring yet"},
    {"whois", "whois NAME", "a user's devices", OPTIONS(name_options),
     "nobody of that name is known or online", NULL, NULL, show_whois, NULL},
    {"ping", "ping NODE-ID|NAME", "round trip over the overlay", OPTIONS(ping_options), "no answer", NULL,
     NULL, show_ping, NULL},
    {"trace", "trace NODE-ID|NAME [--resource]", "every hop of the path, with times", OPTIONS(trace_options),
     "the path ends before its target", NULL, show_hop, NULL, NULL},
    {"fetch", "fetch KIND NAME|NODE-ID [--resource]", "look into the overlay", OPTIONS(fetch_options), NULL,
     NULL, show_value, show_fetch_result, "nothing is stored there"},
    {"services", "services [TYPE]", "services that the overlay knows of", OPTIONS(services_options), NULL,
     NULL, show_service, NULL, "none was found"},
    {"relay", "relay [--fresh]", "credentials for a supernode's relay, for any TURN client",
     OPTIONS(relay_options), "no relay was found", NULL, NULL, show_relay, NULL},
    {"message", "message NAME TEXT", "send a text", OPTIONS(message_options), "it reached no device", NULL,
     NULL, show_message, NULL},
    {"listen", "listen", "print events as they happen, until Ctrl-C", NULL, 0, "the daemon ended", cli_listen,
     NULL, NULL, NULL},
    {"call", "call NAME [--play WAV] [--record WAV] [--for SECONDS]", "make a call, until it ends or Ctrl-C",
     OPTIONS(call_options), "nobody answered; lines printed before tell how far it came", cli_call, NULL,
     NULL, NULL},
    {"answer", "answer CALL [--play WAV] [--record WAV] [--for SECONDS]",
     "answer a call, until it ends or Ctrl-C", OPTIONS(answer_options), "no such call rings", cli_call, NULL,
     NULL, NULL},
    {"hangup", "hangup CALL", "end a call, or reject it", OPTIONS(hangup_options), "no such call", NULL, NULL,
     show_call_ended, NULL},
    {"calls", "calls", "the calls under way", NULL, 0, NULL, NULL, show_call, NULL, "no call is under way"},
    {"phones", "phones", "the phones registered here", NULL, 0, NULL, NULL, show_phone, NULL,
     "no phone is registered here"},
    {"counters", "counters", "every counter of every room, in JSON", NULL, 0, NULL, run_counters, NULL, NULL,
     NULL},
    {"refresh", "refresh", "ask for a newer configuration document now", NULL, 0, NULL, NULL, NULL,
     show_refresh, NULL},
    {"doctor", "doctor", "what is well with this node, what is not, and what to do", NULL, 0,
     "something is to be done", cli_doctor, NULL, NULL, NULL},
    {"shutdown", "shutdown", "end the daemon politely, and wait until it has ended", NULL, 0,
     "it has not ended within 30 s", cli_shutdown, NULL, NULL, NULL},
};
const size_t cli_command_count = RF_COUNT(cli_commands);
