/* ringfolk.c - the command people and scripts use: finds the home, the command, and runs it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/cli.h"

#ifndef RF_VERSION
#define RF_VERSION "0.1.0"
#endif

static void print_help(FILE *out)
{
    fprintf(out, "ringfolk " RF_VERSION ": the overlay of ordinary computers\n\n"
                 "usage: ringfolk [--home DIR] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(out, "  %-58s %s\n", cli_commands[i].usage, cli_commands[i].help);
    fprintf(out, "\n  --home DIR   where configuration, keys and database are (default $RINGFOLK_HOME, else "
                 "~/.ringfolk)\n"
                 "  --json       one JSON object per result\n\n"
                 "All commands but init and help speak with a running ringfolkd. Exit status: 0 good, 1 "
                 "failed, 2 wrong usage.\n");
}

static char *default_home(void)
{
    const char *home = getenv("RINGFOLK_HOME");
    if (home != NULL && home[0] != '\0')
        return strdup(home);
    const char *user_home = getenv("HOME");
    if (user_home == NULL || user_home[0] == '\0')
        return NULL;
    char *path = malloc(strlen(user_home) + sizeof("/.ringfolk"));
    if (path != NULL)
        sprintf(path, "%s/.ringfolk", user_home);
    return path;
}

/* Takes --home and --json out of argv wherever they stand before a "--"; returns the new argc, or -1 (said why). */
static int take_globals(struct cli *cli, int argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
        } else if (strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (strncmp(argv[i], "--home=", 7) == 0) {
            cli->home = argv[i] + 7;
        } else if (strcmp(argv[i], "--home") == 0) {
            if (i + 1 == argc) {
                cli_usage("COMMAND ...", "--home needs a directory");
                return -1;
            }
            cli->home = argv[++i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    argc = take_globals(&cli, argc, argv);
    if (argc < 0)
        return CLI_USAGE;
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("ringfolk " RF_VERSION);
        return CLI_OK;
    }
    const struct cli_command *command = NULL;
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, argv[1]) == 0)
            command = &cli_commands[i];
    if (command == NULL) {
        fprintf(stderr, "ringfolk: %s: no such command\n  see: ringfolk help\n", argv[1]);
        return CLI_USAGE;
    }
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        printf("usage: ringfolk [--home DIR] [--json] %s\n  %s\n", command->usage, command->help);
        return CLI_OK;
    }
    char *own_home = NULL;
    if (cli.home == NULL)
        cli.home = own_home = default_home();
    if (cli.home == NULL)
        return cli_error("home", "neither --home nor $RINGFOLK_HOME nor $HOME is set", NULL);
    int status = command->run(&cli, command, argc - 2, argv + 2);
    if (fflush(stdout) != 0 && status == CLI_OK)
        status = cli_error(argv[1], "the output could not be written", NULL);
    free(own_home);
    return status;
}
