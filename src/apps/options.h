/* options.h - the words behind a program's name: options, their values and other words; and the help, made of the same tables. */
#ifndef RF_APPS_OPTIONS_H
#define RF_APPS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A row of a command's table. Rows whose name has no dashes in front are its other words, in order: only the help reads them. */
struct app_option {
    const char *name;  /* "--user", "NODE-ID" */
    const char *value; /* how the help calls its value, "NAME"; NULL: it has none */
    const char *help;
    const char *key; /* for the program's own use, may be NULL */
    char type;       /* the same */
};

#define APP_WRONG_SIZE 200
enum { APP_END = -1, APP_WORD = -2, APP_WRONG = -3 };

/* Words being read; zero but for argc and argv (without the program's or command's own name). */
struct app_words {
    int argc;
    char **argv;
    int at;
    bool words_only;            /* a "--" was read */
    const char *value;          /* out: of the option, NULL for a flag; or the word */
    char wrong[APP_WRONG_SIZE]; /* out: a sentence, after APP_WRONG */
};
/*
 * app_next reads the next option or word: the option's row (0 and up) as `--name value` or `--name=value`, APP_WORD, APP_END, or APP_WRONG:
 * an option that is not in the table, lacks its value, or has one too many. What stands behind "--" are words; so is what begins
 * with a dash and cannot be an option's name ("-5 degrees").
 */
int app_next(struct app_words *words, const struct app_option *options, size_t count);
/*
 * app_globals takes the options of the table out of argv, wherever they stand before a "--".
 * values  one per row, set for those that are there ("" for a flag); the last one wins
 * wrong   a sentence when -1 is returned
 * Returns the new argc.
 */
int app_globals(int argc, char **argv, const struct app_option *options, size_t count, const char **values,
                char wrong[APP_WRONG_SIZE]);
/* app_wants_help: one of the words is --help or -h. */
bool app_wants_help(int argc, char **argv);
/* app_print_options prints one line per row. */
void app_print_options(FILE *out, const struct app_option *options, size_t count);

#endif
