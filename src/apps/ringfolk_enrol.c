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

static const struct app_option device_options[] = {{"NAME", NULL, "only this user's", NULL, 0}};
static const struct app_option revoke_options[] = {
    {"NODE-ID", NULL, "32 hexadecimal digits, as device list prints them; up to 64", NULL, 0}};
static const struct app_option config_options[] = {
    {"show", NULL, "the signed document; with --json its values", NULL, 0},
    {"set KEY VALUE", NULL, "sign a new document with this value", NULL, 0},
    {"keys", NULL, "what can be set", NULL, 0}};
static const struct app_option bootstrap_options[] = {
    {"ADDR:PORT", NULL, "of a supernode; port 6084 if none is given", NULL, 0}};

#define OWN(table)                                                                                           \
    table, &(const size_t)                                                                                   \
    {                                                                                                        \
        RF_COUNT(table)                                                                                      \
    }

static const struct enrol_command commands[] = {
    {"init",
     "init OVERLAY [--listen ADDR:PORT] [--bootstrap ADDR:PORT]... [--self-signed] [--name HOST]... "
     "[--certificate-days N]",
     "make keys, certificates and the configuration document", enrol_init, enrol_init_options,
     &enrol_init_option_count},
    {"serve", "serve", "answer over HTTPS until SIGTERM; prints \"ready URL\"", enrol_serve, NULL, NULL},
    {"user",
     "user add NAME [--password-stdin] | list | disable NAME [--revoke] | enable NAME | password NAME "
     "--password-stdin",
     "who may have certificates", enrol_user, enrol_user_options, &enrol_user_option_count},
    {"invite", "invite [--uses N] [--expires 7d] [--user NAME]", "make a code with which somebody enrols",
     enrol_invite, enrol_invite_options, &enrol_invite_option_count},
    {"device", "device list [NAME]", "Node-IDs that were given out", enrol_device, OWN(device_options)},
    {"revoke", "revoke NODE-ID...", "shut devices out, by a new document", enrol_revoke, OWN(revoke_options)},
    {"config", "config show | set KEY VALUE | keys", "the configuration document", enrol_config,
     OWN(config_options)},
    {"bootstrap", "bootstrap add ADDR:PORT | remove ADDR:PORT | list", "the nodes that newcomers ask first",
     enrol_bootstrap, OWN(bootstrap_options)},
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
    fputs("\n`ringfolk-enrol COMMAND --help` tells more of one. --data may be $RINGFOLK_ENROL_DATA.\n"
          "Exit status: 0 good, 1 failed, 2 wrong usage.\n",
          out);
}

static void print_command_help(const struct enrol_command *command)
{
    printf("usage: ringfolk-enrol --data DIR [--json] %s\n  %s\n\n", command->usage, command->help);
    if (command->options != NULL)
        app_print_options(stdout, command->options, *command->option_count);
    printf("%sExit status: 0 good, 1 failed, 2 wrong usage.\n", command->options != NULL ? "\n" : "");
}

static const struct enrol_command *find_command(const char *name)
{
    for (size_t i = 0; i < RF_COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run(const struct enrol_cli *cli, int argc, char **argv)
{
    const struct enrol_command *command = find_command(argv[1]);
    if (is_help(argv[1])) {
        command = argc > 2 ? find_command(argv[2]) : NULL;
        if (command != NULL)
            print_command_help(command);
        else
            print_help(stdout);
        return ENROL_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("ringfolk-enrol " RF_VERSION);
        return ENROL_OK;
    }
    if (command == NULL)
        return enrol_usage("COMMAND ...", "there is no %s %s; see ringfolk-enrol help",
                           argv[1][0] == '-' ? "option" : "command", argv[1]);
    if (app_wants_help(argc - 2, argv + 2)) {
        print_command_help(command);
        return ENROL_OK;
    }
    if (!cli->data || cli->data[0] == '\0')
        return enrol_usage(command->usage, "say which directory: --data DIR");
    return command->run(cli, command, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    static const struct app_option globals[] = {
        {"--data", "DIR", NULL, NULL, 0}, {"--db", "URL", NULL, NULL, 0}, {"--json", NULL, NULL, NULL, 0}};
    const char *values[RF_COUNT(globals)] = {getenv("RINGFOLK_ENROL_DATA")};
    char wrong[APP_WRONG_SIZE];
    umask(077);
    argc = app_globals(argc, argv, globals, RF_COUNT(globals), values, wrong);
    if (argc < 0)
        return enrol_usage("COMMAND ...", "%s", wrong);
    if (argc < 2) {
        print_help(stderr);
        return ENROL_USAGE;
    }
    struct enrol_cli cli = {.data = values[0], .db = values[1], .json = values[2] != NULL};
    int status = run(&cli, argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == ENROL_OK)
        return enrol_fail("the result cannot be written", "standard output is closed or full");
    return status;
}
