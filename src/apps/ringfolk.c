/* ringfolk.c - the command people and scripts use: finds the home, the command, and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/cli.h"
#include "apps/home.h"
#include "base/assert.h"

#ifndef RF_VERSION
#define RF_VERSION "0.1.0"
#endif

/* Commands of two words: the first one, and what they are about. */
static const struct {
    const char *word, *usage, *help;
} families[] = {
    {"contact", "contact add|accept|refuse|block|remove|list ...", "people you know"},
    {"chat", "chat new|with|accept|send|read|list|...", "conversations: all was kept while you were away"},
};

static const struct cli_command *find_command(const char *first, const char *second)
{
    size_t len = strlen(first);
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, first) == 0)
            return &cli_commands[i];
    for (size_t i = 0; i < cli_chat_command_count; i++) {
        const char *name = cli_chat_commands[i].name;
        if (strncmp(name, first, len) == 0 && (name[len] == '\0' || (name[len] == ' ' && second != NULL &&
                                                                     strcmp(name + len + 1, second) == 0)))
            return &cli_chat_commands[i];
    }
    return NULL;
}

static int find_family(const char *word)
{
    for (size_t i = 0; i < RF_COUNT(families); i++)
        if (strcmp(families[i].word, word) == 0)
            return (int)i;
    return -1;
}

static void print_help(FILE *out)
{
    fprintf(out, "ringfolk " RF_VERSION ": the overlay of ordinary computers\n\n"
                 "usage: ringfolk [--home DIR] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(out, "  %-58s %s\n", cli_commands[i].usage, cli_commands[i].help);
    for (size_t i = 0; i < RF_COUNT(families); i++)
        fprintf(out, "  %-58s %s\n", families[i].usage, families[i].help);
    for (size_t i = 0; i < cli_chat_command_count; i++)
        if (strchr(cli_chat_commands[i].name, ' ') == NULL)
            fprintf(out, "  %-58s %s\n", cli_chat_commands[i].usage, cli_chat_commands[i].help);
    fprintf(
        out,
        "\n  --home DIR   where configuration, keys and database are (default $RINGFOLK_HOME, else "
        "~/.ringfolk)\n"
        "  --json       one JSON object per result\n\n"
        "`ringfolk COMMAND --help` tells more of one. All but init and help speak with a running ringfolkd.\n"
        "Exit status: 0 good, 1 failed, 2 wrong usage.\n");
}

static void print_command_help(const struct cli_command *command)
{
    size_t count = command->run == cli_init ? cli_init_option_count : command->option_count;
    printf("usage: ringfolk [--home DIR] [--json] %s\n  %s\n\n", command->usage, command->help);
    app_print_options(stdout, command->options, count);
    printf("%sExit status: 0 good, 1 failed%s%s, 2 wrong usage.\n", count > 0 ? "\n" : "",
           command->failed != NULL ? ": " : "", command->failed != NULL ? command->failed : "");
}

static void print_family(FILE *out, size_t family)
{
    const char *word = families[family].word;
    fprintf(out, "usage: ringfolk [--home DIR] [--json] %s COMMAND ...\n  %s\n\n", word,
            families[family].help);
    for (size_t i = 0; i < cli_chat_command_count; i++) {
        const struct cli_command *c = &cli_chat_commands[i];
        if (strncmp(c->name, word, strlen(word)) != 0)
            continue;
        if (strlen(c->usage) <= 44)
            fprintf(out, "  %-44s %s\n", c->usage, c->help);
        else
            fprintf(out, "  %s\n  %-44s %s\n", c->usage, "", c->help);
    }
    fprintf(
        out,
        "\n`ringfolk %s COMMAND --help` tells more of one.\nExit status: 0 good, 1 failed, 2 wrong usage.\n",
        word);
}

static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
    char *own_home = NULL;
    if (cli->home == NULL)
        cli->home = own_home = home_default();
    if (cli->home == NULL)
        return cli_error("home", "neither --home nor $RINGFOLK_HOME nor $HOME is set", "say --home DIR");
    if (command->run != NULL) {
        int status = command->run(cli, command, argc, argv);
        free(own_home);
        return status;
    }
    int status;
    json_t *args = cli_args(command, argc, argv, &status);
    if (args != NULL)
        status = cli_run(cli, command, args);
    free(own_home);
    return status;
}

/* `help` or `help COMMAND`, and what begins with a dash */
static int run_help(int argc, char **argv)
{
    const struct cli_command *command = argc > 2 ? find_command(argv[2], argv[3]) : NULL;
    int family = argc > 2 ? find_family(argv[2]) : -1;
    if (strcmp(argv[1], "--version") == 0)
        puts("ringfolk " RF_VERSION);
    else if (command != NULL)
        print_command_help(command);
    else if (family >= 0)
        print_family(stdout, (size_t)family);
    else
        print_help(stdout);
    return CLI_OK;
}

/* the first word is a family's, and the second none of its commands */
static int misused_family(size_t family, int argc, char **argv)
{
    bool asked = app_wants_help(argc - 2, argv + 2) || (argc > 2 && strcmp(argv[2], "help") == 0);
    if (!asked && argc > 2)
        fprintf(stderr, "ringfolk: %s %s: no such command\n", argv[1], argv[2]);
    print_family(asked ? stdout : stderr, family);
    return asked ? CLI_OK : CLI_USAGE;
}

int main(int argc, char **argv)
{
    static const struct app_option globals[] = {{"--home", "DIR", NULL, NULL, 0},
                                                {"--json", NULL, NULL, NULL, 0}};
    const char *values[RF_COUNT(globals)] = {NULL};
    static const char *const helps[] = {"help", "--help", "-h", "--version"};
    char wrong[APP_WRONG_SIZE];
    int status = -1;
    argc = app_globals(argc, argv, globals, RF_COUNT(globals), values, wrong);
    struct cli cli = {.home = values[0], .json = values[1] != NULL};
    if (argc < 0)
        return cli_usage(NULL, wrong);
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < RF_COUNT(helps) && status < 0; i++)
        if (strcmp(argv[1], helps[i]) == 0)
            status = run_help(argc, argv);
    const struct cli_command *command = find_command(argv[1], argv[2]);
    int family = find_family(argv[1]), words = command != NULL && strchr(command->name, ' ') != NULL ? 3 : 2;
    if (status < 0 && command == NULL && family >= 0)
        return misused_family((size_t)family, argc, argv);
    if (status < 0 && command == NULL) {
        fprintf(stderr, "ringfolk: %s: no such %s\n  see: ringfolk help\n", argv[1],
                argv[1][0] == '-' ? "option" : "command");
        return CLI_USAGE;
    }
    if (status < 0 && app_wants_help(argc - words, argv + words)) {
        print_command_help(command);
        status = CLI_OK;
    }
    if (status < 0)
        status = run_command(&cli, command, argc - words, argv + words);
    if (status == CLI_OK)
        (void)cli_written(command != NULL ? command->name : argv[1], &status);
    return status;
}
