/* cli_stream.c - commands that run until something ends: listen, call, answer. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "apps/cli.h"

static const char *str(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : "";
}

static void show_event(const json_t *e)
{
    const char *type = str(e, "type");
    if (strcmp(type, "message") == 0)
        printf("message from %s: %s\n", str(e, "from"), str(e, "text"));
    else if (strcmp(type, "call") == 0)
        printf("call %s %s %s: %s %s\n", str(e, "call"), str(e, "direction"), str(e, "peer"), str(e, "state"),
               str(e, "reason"));
    else
        printf("%s %s %s %s\n", type, str(e, "node"), str(e, "address"), str(e, "text"));
    fflush(stdout);
}

static void print_line(const struct cli *cli, json_t *object, void (*show)(const json_t *))
{
    if (!cli->json) {
        cli_clean(object);
        show(object);
        return;
    }
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

int cli_listen(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_usage(self->usage, "no argument is expected");
    struct cli_client client;
    if (cli_connect(cli, &client) != 0)
        return CLI_FAILED;
    int status = cli_send(&client, "listen", NULL) == 0 ? -1 : CLI_FAILED;
    while (status < 0) {
        json_t *object = cli_read(&client);
        json_t *part;
        if (object == NULL)
            status = cli_error("listen", "the daemon ended", NULL);
        else if ((part = json_object_get(object, "event")) != NULL)
            print_line(cli, part, show_event);
        else if ((part = json_object_get(object, "error")) != NULL)
            status = cli_failure("listen", part);
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}

/* ---- call and answer: the same options; they end when the call ends ---- */

static void show_call_state(const json_t *item)
{
    printf("%s  %s %s %s\n", str(item, "call"), str(item, "state"), str(item, "peer"), str(item, "reason"));
    fflush(stdout);
}

static void show_call_result(const json_t *r)
{
    const json_t *media = json_object_get(r, "media");
    printf("call ended: %s\n", str(r, "reason"));
    if (media != NULL)
        printf("  sent %lld packets, received %lld, lost %lld, jitter %.1f ms\n",
               (long long)json_integer_value(json_object_get(media, "sent")),
               (long long)json_integer_value(json_object_get(media, "received")),
               (long long)json_integer_value(json_object_get(media, "lost")),
               (double)json_integer_value(json_object_get(media, "jitter_us")) / 1000.0);
}

static json_t *absolute(const char *path)
{
    /* the daemon has another working directory */
    if (path[0] == '/')
        return json_string(path);
    char *here = realpath(".", NULL);
    json_t *full = here != NULL ? json_sprintf("%s/%s", here, path) : json_string(path);
    free(here);
    return full;
}

static json_t *call_args(const struct cli_command *self, int argc, char **argv, int *status)
{
    bool answer = strcmp(self->name, "answer") == 0;
    json_t *args = json_object();
    *status = 0;
    for (int i = 0; i < argc && *status == 0; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--play") == 0 && more) {
            json_object_set_new(args, "play", absolute(argv[++i]));
        } else if (strcmp(argv[i], "--record") == 0 && more) {
            json_object_set_new(args, "record", absolute(argv[++i]));
        } else if (strcmp(argv[i], "--for") == 0 && more) {
            char *end;
            long seconds = strtol(argv[++i], &end, 10);
            if (*end != '\0' || end == argv[i] || seconds < 1 || seconds > 86400)
                *status = cli_usage(self->usage, "--for takes seconds, 1 to 86400");
            json_object_set_new(args, "for", json_integer(seconds));
        } else if (argv[i][0] == '-' || json_object_get(args, answer ? "call" : "name") != NULL) {
            *status = cli_usage(self->usage, "an option that does not exist, or more than one target");
        } else {
            json_object_set_new(args, answer ? "call" : "name", json_string(argv[i]));
        }
    }
    if (*status == 0 && json_object_get(args, answer ? "call" : "name") == NULL)
        *status = cli_usage(self->usage, answer ? "which call?" : "whom to call?");
    if (*status == 0)
        return args;
    json_decref(args);
    return NULL;
}

/* ends the program at once: every line was flushed, and a flag would not wake recv, which the system restarts */
static void on_interrupt(int number)
{
    (void)number;
    _exit(CLI_OK);
}

int cli_call(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    json_t *args = call_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    struct cli_client client;
    if (cli_connect(cli, &client) != 0) {
        json_decref(args);
        return CLI_FAILED;
    }
    /* Ctrl-C ends the program; the daemon hangs up when its call's session goes away */
    signal(SIGINT, on_interrupt);
    status = cli_send(&client, self->name, args) == 0 ? -1 : CLI_FAILED;
    while (status < 0) {
        json_t *object = cli_read(&client);
        json_t *part;
        if (object == NULL)
            status = cli_error(self->name, "the daemon ended", NULL);
        else if ((part = json_object_get(object, "item")) != NULL)
            print_line(cli, part, show_call_state);
        else if ((part = json_object_get(object, "error")) != NULL)
            status = cli_failure(self->name, part);
        else if ((part = json_object_get(object, "result")) != NULL) {
            print_line(cli, part, show_call_result);
            status = CLI_OK;
        }
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}
