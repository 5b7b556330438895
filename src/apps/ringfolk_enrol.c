/* ringfolk_enrol.c - the enrolment server and its operator's commands. */
#include "apps/ringfolk_enrol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/assert.h"
#include "base/civil.h"
#include "db/enrol.h"
#include "io/clock.h"

static const struct enrol_command commands[] = {
    {"init",
     "init OVERLAY [--listen ADDR:PORT] [--bootstrap ADDR:PORT]... [--self-signed] [--name HOST]... "
     "[--certificate-days N]",
     "make keys, certificates and the configuration document", enrol_init},
    {"serve", "serve", "answer over HTTPS; prints \"ready URL\"", enrol_serve},
    {"user",
     "user add NAME [--password-stdin] | list | disable NAME [--revoke] | enable NAME | password NAME "
     "--password-stdin",
     "who may have certificates", enrol_user},
    {"invite", "invite [--uses N] [--expires 7d] [--user NAME]", "make a code with which somebody enrols",
     enrol_invite},
    {"device", "device list [NAME]", "Node-IDs that were given out", enrol_device},
    {"revoke", "revoke NODE-ID...", "shut devices out, by a new document", enrol_revoke},
    {"config", "config show | set KEY VALUE | keys", "the configuration document", enrol_config},
    {"bootstrap", "bootstrap add ADDR:PORT | remove ADDR:PORT | list", "the nodes that newcomers ask first",
     enrol_bootstrap},
};

int enrol_fail(const char *what, const char *why)
{
    fprintf(stderr, "ringfolk-enrol: %s: %s\n", what, why);
    return ENROL_FAILED;
}

int enrol_usage(const char *usage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ringfolk-enrol: ", stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nusage: ringfolk-enrol --data DIR %s\n", usage);
    va_end(args);
    return ENROL_USAGE;
}

int enrol_fail_db(const struct enrol_data *data, const char *what, int error)
{
    if (error == RF_EDATABASE && data->store && rf_enrol_db_error(data->store)[0])
        return enrol_fail(what, rf_enrol_db_error(data->store));
    if (error == RF_EBUSY)
        return enrol_fail(what, "another process holds the database for too long; try again");
    return enrol_fail(what, rf_error_text(error));
}

void enrol_print(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (text)
        puts(text);
    free(text);
    json_decref(object);
}

uint64_t enrol_wall_ms(void)
{
    struct rf_now now;
    rf_clock_read(&now);
    return now.wall_ms;
}

char *enrol_time(uint64_t ms, char out[ENROL_TIME_SIZE])
{
    struct rf_civil c = rf_civil_from_ms(ms);
    struct rf_buf text;
    rf_buf_fixed(&text, out, ENROL_TIME_SIZE - 1);
    rf_buf_printf(&text, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
                  c.second);
    out[text.len] = '\0';
    return out;
}

static void print_help(FILE *out)
{
    fputs("usage: ringfolk-enrol --data DIR [--db sqlite:PATH | --db postgresql://...] [--json] COMMAND "
          "...\n\n",
          out);
    for (size_t i = 0; i < RF_COUNT(commands); i++)
        fprintf(out, "  %s\n      %s\n", commands[i].usage, commands[i].help);
    fputs("\nExit status: 0 good, 1 failed, 2 wrong usage.\n", out);
}

/* take_global reads one option that stands before or after any command; returns how many words it took, -1: its value is missing. */
static int take_global(struct enrol_cli *cli, char **argv, int left)
{
    static const char *const names[] = {"--data", "--db"};
    const char **const values[] = {&cli->data, &cli->db};
    if (strcmp(argv[0], "--json") == 0) {
        cli->json = true;
        return 1;
    }
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(argv[0], names[i], len) != 0)
            continue;
        if (argv[0][len] == '=') {
            *values[i] = argv[0] + len + 1;
            return 1;
        }
        if (argv[0][len] != '\0')
            continue;
        if (left < 2)
            return -1;
        *values[i] = argv[1];
        return 2;
    }
    return 0;
}

/* take_globals takes the global options out of argv; returns the new argc, or -1. */
static int take_globals(struct enrol_cli *cli, int argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < argc;) {
        int took = take_global(cli, argv + i, argc - i);
        if (took < 0)
            return -1;
        if (took == 0)
            argv[kept++] = argv[i++];
        i += took;
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    struct enrol_cli cli = {.data = getenv("RINGFOLK_ENROL_DATA")};
    umask(077);
    argc = take_globals(&cli, argc, argv);
    if (argc < 0)
        return enrol_usage("COMMAND ...", "--data and --db need a value");
    if (argc < 2) {
        print_help(stderr);
        return ENROL_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return ENROL_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("ringfolk-enrol " RF_VERSION);
        return ENROL_OK;
    }
    for (size_t i = 0; i < RF_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!cli.data || cli.data[0] == '\0')
            return enrol_usage(commands[i].usage, "say which directory: --data DIR");
        int status = commands[i].run(&cli, &commands[i], argc - 2, argv + 2);
        if (fflush(stdout) != 0 && status == ENROL_OK)
            return enrol_fail("the result cannot be written", "standard output is closed or full");
        return status;
    }
    return enrol_usage("COMMAND ...", "there is no command %s; see ringfolk-enrol help", argv[1]);
}
