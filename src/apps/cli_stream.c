/* cli_stream.c - commands that run until something ends: listen, call, answer, shutdown. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "apps/cli.h"

static void show_event(const json_t *e)
{
    const char *type = cli_str(e, "type", "");
    if (cli_chat_event(e))
        return;
    if (strcmp(type, "message") == 0)
        printf("message from %s: %s\n", cli_str(e, "from", ""), cli_str(e, "text", ""));
    else if (strcmp(type, "call") == 0)
        printf("call %s %s %s: %s %s\n", cli_str(e, "call", ""), cli_str(e, "direction", ""),
               cli_str(e, "peer", ""), cli_str(e, "state", ""), cli_str(e, "reason", ""));
    else
        printf("%s %s %s %s\n", type, cli_str(e, "node", ""), cli_str(e, "address", ""),
               cli_str(e, "text", ""));
}

static void print_line(const struct cli *cli, json_t *object, void (*show)(const json_t *))
{
    if (cli->json) {
        cli_print_json(object);
        return;
    }
    cli_clean(object);
    show(object);
}

/* Ctrl-C ends the program at once and well: it is how these commands are ended. Every line was flushed, and a flag would not wake recv. */
static void on_interrupt(int number)
{
    (void)number;
    _exit(CLI_OK);
}

int cli_listen(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct cli_client client;
    signal(SIGINT, on_interrupt);
    int status = cli_begin(cli, self, argc, argv, &client);
    if (status >= 0)
        return status;
    while (status < 0) {
        json_t *object = cli_read(&client);
        json_t *part;
        if (object == NULL)
            status = client.reader_gone ? CLI_OK : cli_error("listen", "the daemon ended", NULL);
        else if ((part = json_object_get(object, "event")) != NULL)
            print_line(cli, part, show_event);
        else if ((part = json_object_get(object, "error")) != NULL)
            status = cli_failure("listen", part);
        if (status < 0)
            (void)cli_written("listen", &status);
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}

/* ---- call and answer: the same options; they end when the call ends ---- */

static void show_call_state(const json_t *item)
{
    printf("%s  %s %s %s\n", cli_str(item, "call", ""), cli_str(item, "state", ""), cli_str(item, "peer", ""),
           cli_str(item, "reason", ""));
}

static void show_call_result(const json_t *r)
{
    const json_t *media = json_object_get(r, "media");
    printf("call ended: %s\n", cli_str(r, "reason", ""));
    if (media != NULL)
        printf("  sent %lld packets, received %lld, lost %lld, jitter %.1f ms\n",
               (long long)json_integer_value(json_object_get(media, "sent")),
               (long long)json_integer_value(json_object_get(media, "received")),
               (long long)json_integer_value(json_object_get(media, "lost")),
               (double)json_integer_value(json_object_get(media, "jitter_us")) / 1000.0);
}

int cli_call(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct cli_client client;
    signal(SIGINT, on_interrupt); /* the daemon hangs up when its call's session goes away */
    int status = cli_begin(cli, self, argc, argv, &client);
    if (status >= 0)
        return status;
    while (status < 0) {
        json_t *object = cli_read(&client);
        json_t *part;
        if (object == NULL)
            status = client.reader_gone ? CLI_OK : cli_error(self->name, "the daemon ended", NULL);
        else if ((part = json_object_get(object, "item")) != NULL)
            print_line(cli, part, show_call_state);
        else if ((part = json_object_get(object, "error")) != NULL)
            status = cli_failure(self->name, part);
        else if ((part = json_object_get(object, "result")) != NULL) {
            print_line(cli, part, show_call_result);
            status = CLI_OK;
        }
        if (object != NULL && status <= CLI_OK)
            (void)cli_written(self->name, &status);
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}

/* ---- shutdown: until the process has ended, so that the next daemon can start on this home ---- */

#define SHUTDOWN_MS 30000

/* the process at the other end; -1: the system does not tell (another PID namespace, an old kernel) */
static int daemon_pidfd(const struct cli_client *client)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid <= 0)
        return -1;
    return pidfd_open(peer.pid, 0);
}

/* waits for the end of the process, or for that of the connection where the process cannot be watched */
static bool ended(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&pfd, 1, SHUTDOWN_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

int cli_shutdown(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    struct cli_client client;
    json_t *object = NULL, *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    if (cli_connect(cli, &client) != 0) {
        json_decref(args);
        return CLI_FAILED;
    }
    int pidfd = daemon_pidfd(&client);
    status = cli_send(&client, self->name, args) == 0 ? CLI_OK : CLI_FAILED;
    if (status == CLI_OK)
        object = cli_read(&client);
    json_t *error = json_object_get(object, "error");
    if (error != NULL)
        status = cli_failure(self->name, error);
    else if (status == CLI_OK && !ended(pidfd >= 0 ? pidfd : client.fd))
        status = cli_error(self->name, "the daemon was told, but has not ended within 30 s",
                           "see what it says; SIGTERM, sent twice, ends it at once");
    else if (status == CLI_OK && cli->json)
        cli_print_json(json_object_get(object, "result"));
    json_decref(object);
    if (pidfd >= 0)
        close(pidfd);
    cli_disconnect(&client);
    return status;
}
