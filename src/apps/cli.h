/* cli.h - the inside of the `ringfolk` command: options, the connection to the daemon, output for people and for scripts. */
#ifndef RF_APPS_CLI_H
#define RF_APPS_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "apps/options.h"

/* Exit statuses (design: 0 good, 1 the operation failed, 2 wrong usage). */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
    const char *home; /* --home, else $RINGFOLK_HOME, else ~/.ringfolk; owned by main */
    bool json;        /* --json */
};

/* cli_error prints "ringfolk: what: why" and, if not NULL, a second line with what to do. Returns CLI_FAILED. */
int cli_error(const char *what, const char *why, const char *hint);
struct cli_command;
/* cli_usage prints the sentence and the command's usage line to stderr. Returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *why);
/* cli_str is the string under `key`, else `none`. */
const char *cli_str(const json_t *object, const char *key, const char *none);

/* ---- cli_client.c: one request to the daemon ---- */
struct cli_client {
    int fd;
    char *buffer;
    size_t len, cap;
    bool reader_gone; /* nobody reads our standard output any more: then cli_read ends, too */
    int timeout_ms;   /* cli_read ends after that long; 0: never */
    bool timed_out;   /* it did */
};
/* cli_connect opens HOME/control.sock; on failure it has said so and returns -1. */
int cli_connect(const struct cli *cli, struct cli_client *client);
void cli_disconnect(struct cli_client *client);
/* cli_send sends {"id":1,"cmd":cmd,"args":args}; steals args (NULL: none). 0 or -1 (said so). */
int cli_send(struct cli_client *client, const char *cmd, json_t *args);
/* cli_begin reads the command's words, connects and sends the request. -1: sent, the caller reads and disconnects; else the exit status. */
int cli_begin(const struct cli *cli, const struct cli_command *self, int argc, char **argv,
              struct cli_client *client);
/* cli_ask connects and sends the request; steals args. -1: sent, the caller reads and disconnects; else the exit status. */
int cli_ask(const struct cli *cli, const struct cli_command *self, json_t *args, struct cli_client *client);
/* cli_read returns the next object (owned by the caller), NULL when the daemon is gone. */
json_t *cli_read(struct cli_client *client);

/* cli_clean makes spaces of all control characters in the strings of `value`: what others wrote must not steer the terminal. */
void cli_clean(json_t *value);
/* cli_failure prints the daemon's error object (cleaned) and returns CLI_FAILED. */
int cli_failure(const char *cmd, json_t *error);

/* Prints one item or result of a command for people. */
typedef void (*cli_print_fn)(const json_t *object);
/* cli_print_json prints the object in one line. */
void cli_print_json(const json_t *object);
/* cli_written: what was printed could be written; else it has said so and *status is CLI_FAILED. */
bool cli_written(const char *cmd, int *status);
/* cli_run sends a command and prints its items and result (with --json as they are, one per line); returns the exit status. Steals args. */
int cli_run(const struct cli *cli, const struct cli_command *command, json_t *args);

/* ---- the commands ---- */

struct cli_command {
    const char *name, *usage, *help;
    /* Words and options. `key` is the argument of the request; type 's' text, 'p' a file (made absolute: the daemon has another
     * working directory), 'n' seconds, 'i' a number, 'b' a flag, 'o' text that may be left out, 'm' one or more words ('M': or none), 'r' an option that may
     * come again. All other words are required. */
    const struct app_option *options;
    size_t option_count;
    const char *failed; /* what exit status 1 means beside the usual */
    /* run does it; NULL: a request and its answer, printed by these (NULL prints nothing) */
    int (*run)(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
    cli_print_fn item, result;
    const char *none; /* said to people when there was no item */
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_command cli_chat_commands[]; /* cli_chat.c; their names have two words */
extern const size_t cli_chat_command_count;
/* cli_chat_event prints an event of a conversation, a contact or a presence; false: it is another one. */
bool cli_chat_event(const json_t *event);

/* cli_args reads a command's words by its table into the request's arguments (owned by the caller); NULL: *status is the exit status. */
json_t *cli_args(const struct cli_command *self, int argc, char **argv, int *status);

int cli_init(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
extern const struct app_option cli_init_options[];
extern const size_t cli_init_option_count;
int cli_listen(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int cli_call(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int cli_doctor(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int cli_shutdown(const struct cli *cli, const struct cli_command *self, int argc, char **argv);

#endif
