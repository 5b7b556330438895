/* cli_show.c - the command table and how results look to people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/cli.h"
#include "base/assert.h"

static const char *str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "-";
}

static long long num(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static double ms(const json_t *object, const char *key)
{
    return (double)num(object, key) / 1000.0;
}

static void show_status(const json_t *r)
{
    const json_t *stored = json_object_get(r, "stored");
    printf("user         %s\nnode         %s\noverlay      %s (configuration %lld)\nrole         %s, %s\n",
           str(r, "user"), str(r, "node"), str(r, "overlay"), num(r, "configuration_sequence"),
           str(r, "role"), str(r, "state"));
    if (json_is_string(json_object_get(r, "supernode")))
        printf("supernode    %s\n", str(r, "supernode"));
    else
        printf("ring         responsible for %.2f %% of it\nstored       %lld resources (%lld own), %lld "
               "values, %lld bytes\n",
               json_real_value(json_object_get(r, "share_of_ring")) * 100, num(stored, "resources"),
               num(stored, "own_resources"), num(stored, "values"), num(stored, "bytes"));
    printf("links        %lld, of these %lld clients\nup           %lld s\nreachable    %s\ncertificate  "
           "valid until %s%s\n",
           num(r, "links"), num(r, "clients"), num(r, "uptime_s"),
           json_is_true(json_object_get(r, "registered")) ? "registered" : "not registered yet",
           str(r, "certificate_expires"),
           json_is_true(json_object_get(r, "certificate_valid")) ? "" : " (EXPIRED)");
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

static void show_call_ended(const json_t *c)
{
    printf("%s  ended: %s\n", str(c, "call"), str(c, "reason"));
}

/* ---- the commands that are a request and an answer ---- */

static int no_args(const struct cli *cli, const struct cli_command *self, int argc, cli_print_fn item,
                   cli_print_fn result)
{
    if (argc != 0)
        return cli_usage(self->usage, "no argument is expected");
    return cli_run(cli, self->name, NULL, item, result);
}

static int one_arg(const struct cli *cli, const struct cli_command *self, int argc, char **argv,
                   const char *key, cli_print_fn item, cli_print_fn result)
{
    if (argc != 1)
        return cli_usage(self->usage, "exactly one argument is expected");
    return cli_run(cli, self->name, json_pack("{ss}", key, argv[0]), item, result);
}

static int run_status(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, NULL, show_status);
}

static int run_peers(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, show_peer, NULL);
}

static int run_ring(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, show_ring_entry, show_ring_result);
}

static int run_whois(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    return one_arg(cli, self, argc, argv, "name", NULL, show_whois);
}

static int run_ping(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    return one_arg(cli, self, argc, argv, "target", NULL, show_ping);
}

static int run_trace(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    bool resource = argc == 2 && strcmp(argv[1], "--resource") == 0;
    if (argc != 1 && !resource)
        return cli_usage(self->usage, "a Node-ID or a name is expected");
    return cli_run(cli, self->name, json_pack("{ss sb}", "target", argv[0], "resource", resource), show_hop,
                   NULL);
}

static int run_fetch(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    bool resource = argc == 3 && strcmp(argv[2], "--resource") == 0;
    if (argc != 2 && !resource)
        return cli_usage(self->usage, "a Kind and a name are expected");
    return cli_run(cli, self->name,
                   json_pack("{ss ss sb}", "kind", argv[0], "name", argv[1], "resource", resource),
                   show_value, show_fetch_result);
}

static int run_message(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    if (argc != 2)
        return cli_usage(self->usage, "a name and a text are expected");
    return cli_run(cli, self->name, json_pack("{ss ss}", "name", argv[0], "text", argv[1]), NULL,
                   show_message);
}

static int run_hangup(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    return one_arg(cli, self, argc, argv, "call", NULL, show_call_ended);
}

static int run_calls(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, show_call, NULL);
}

static int run_phones(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, show_phone, NULL);
}

static int run_counters(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_usage(self->usage, "no argument is expected");
    struct cli as_json = *cli;
    as_json.json = true; /* a tree of names and numbers: JSON is how people read it, too */
    return cli_run(&as_json, self->name, NULL, NULL, NULL);
}

static int run_refresh(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, NULL, NULL);
}

static int run_shutdown(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    return no_args(cli, self, argc, NULL, NULL);
}

const struct cli_command cli_commands[] = {
    {"init", "init URL --user NAME [--password-stdin | --invite CODE] ...", "enrol and make a home",
     cli_init},
    {"status", "status", "who and where this node is", run_status},
    {"peers", "peers", "its links", run_peers},
    {"ring", "ring", "what it knows of the ring", run_ring},
    {"whois", "whois NAME", "a user's devices", run_whois},
    {"ping", "ping NODE-ID|NAME", "round trip over the overlay", run_ping},
    {"trace", "trace NODE-ID|NAME [--resource]", "every hop of the path, with times", run_trace},
    {"fetch", "fetch KIND NAME|NODE-ID [--resource]", "look into the overlay", run_fetch},
    {"message", "message NAME TEXT", "send a text", run_message},
    {"listen", "listen", "print events as they happen", cli_listen},
    {"call", "call NAME [--play WAV] [--record WAV] [--for SECONDS]", "make a call", cli_call},
    {"answer", "answer CALL [--play WAV] [--record WAV] [--for SECONDS]", "answer a call", cli_call},
    {"hangup", "hangup CALL", "end a call", run_hangup},
    {"calls", "calls", "the calls under way", run_calls},
    {"phones", "phones", "the phones registered here", run_phones},
    {"counters", "counters", "every counter of every room", run_counters},
    {"refresh", "refresh", "ask for a newer configuration document now", run_refresh},
    {"shutdown", "shutdown", "end the daemon politely", run_shutdown},
};
const size_t cli_command_count = RF_COUNT(cli_commands);
