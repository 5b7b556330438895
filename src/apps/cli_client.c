/* cli_client.c - the CLI's connection to the daemon: one JSON object per line over HOME/control.sock. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "apps/cli.h"

int cli_error(const char *what, const char *why, const char *hint)
{
    fprintf(stderr, "ringfolk: %s: %s\n", what, why);
    if (hint != NULL)
        fprintf(stderr, "  %s\n", hint);
    return CLI_FAILED;
}

int cli_usage(const struct cli_command *command, const char *why)
{
    fprintf(stderr, "ringfolk: wrong usage: %s\n  usage: ringfolk [--home DIR] [--json] %s\n", why,
            command != NULL ? command->usage : "COMMAND ...");
    return CLI_USAGE;
}

const char *cli_str(const json_t *object, const char *key, const char *none)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s != NULL ? s : none;
}

/* what is wrong with a home whose daemon cannot be spoken with */
static int connect_failed(const char *home, int error)
{
    char path[4096];
    if (error == ECONNREFUSED)
        return cli_error(home,
                         "no ringfolkd runs on this home: its control socket is left from one that ended",
                         "start it with: ringfolkd --home DIR");
    if (error == EACCES || error == EPERM)
        return cli_error(home, strerror(error),
                         "this home belongs to another user; only they and root may use it");
    if (error != ENOENT && error != ENOTDIR)
        return cli_error(home, strerror(error), NULL);
    if (snprintf(path, sizeof(path), "%s/config.json", home) < (int)sizeof(path) && access(path, F_OK) == 0)
        return cli_error(home, "no ringfolkd runs on this home", "start it with: ringfolkd --home DIR");
    return cli_error(home, "there is no node in this home",
                     "choose another --home, or make it with: ringfolk --home DIR init URL --user NAME");
}

int cli_connect(const struct cli *cli, struct cli_client *client)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memset(client, 0, sizeof(*client));
    client->fd = -1;
    int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", cli->home);
    if (len < 0 || (size_t)len >= sizeof(addr.sun_path)) {
        cli_error(cli->home, "the path is too long for a socket", "use a shorter --home");
        return -1;
    }
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        int error = errno;
        if (client->fd >= 0)
            close(client->fd);
        client->fd = -1;
        connect_failed(cli->home, error);
        return -1;
    }
    return 0;
}

void cli_disconnect(struct cli_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->buffer);
    memset(client, 0, sizeof(*client));
    client->fd = -1;
}

int cli_send(struct cli_client *client, const char *cmd, json_t *args)
{
    json_t *request =
        json_pack("{si ss so}", "id", 1, "cmd", cmd, "args", args != NULL ? args : json_object());
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (text == NULL) {
        cli_error(cmd, "out of memory, or an argument is not UTF-8", NULL);
        return -1;
    }
    size_t len = strlen(text), done = 0;
    text[len++] = '\n'; /* in place of the NUL */
    while (done < len) {
        ssize_t n = send(client->fd, text + done, len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    free(text);
    return 0; /* if it closed the connection, it may have said why: reading tells */
}

/* false: whoever read our standard output (`| head`) is gone; writing would tell only at the next line */
static bool wait_for_input(struct cli_client *client)
{
    struct pollfd fds[2] = {{.fd = client->fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int n;
    do
        n = poll(fds, 2, client->timeout_ms > 0 ? client->timeout_ms : -1);
    while (n < 0 && errno == EINTR);
    client->timed_out = n == 0;
    if (client->timed_out)
        return false;
    client->reader_gone = fds[0].revents == 0 && (fds[1].revents & POLLERR) != 0;
    return !client->reader_gone;
}

json_t *cli_read(struct cli_client *client)
{
    for (;;) {
        char *end = client->len > 0 ? memchr(client->buffer, '\n', client->len) : NULL;
        if (end != NULL) {
            size_t line_len = (size_t)(end - client->buffer);
            json_t *object = json_loadb(client->buffer, line_len, 0, NULL);
            client->len -= line_len + 1;
            memmove(client->buffer, end + 1, client->len);
            if (json_is_object(object))
                return object;
            json_decref(object);
            continue;
        }
        if (client->cap - client->len < 4096) {
            char *bigger = realloc(client->buffer, client->cap * 2 + 8192);
            if (bigger == NULL)
                return NULL;
            client->buffer = bigger;
            client->cap = client->cap * 2 + 8192;
        }
        if (!wait_for_input(client))
            return NULL;
        ssize_t n = recv(client->fd, client->buffer + client->len, client->cap - client->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        client->len += (size_t)n;
    }
}

void cli_print_json(const json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
}

bool cli_written(const char *cmd, int *status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    *status =
        cli_error(cmd, "the output could not be written", "is the disk full, or standard output closed?");
    return false;
}

void cli_clean(json_t *value)
{
    const char *key, *text = json_string_value(value);
    size_t index;
    json_t *part;
    if (json_is_object(value))
        json_object_foreach(value, key, part) cli_clean(part);
    else
        json_array_foreach(value, index, part) cli_clean(part);
    char *clean = text != NULL ? strdup(text) : NULL;
    if (clean == NULL)
        return;
    for (unsigned char *c = (unsigned char *)clean; *c != '\0'; c++) {
        if (c[0] < 0x20 || c[0] == 0x7f)
            c[0] = ' ';
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 to U+009F */
            c[0] = c[1] = ' ';
    }
    json_string_set(value, clean);
    free(clean);
}

int cli_failure(const char *cmd, json_t *error)
{
    cli_clean(error);
    return cli_error(cmd, cli_str(error, "text", "failed"),
                     json_string_value(json_object_get(error, "hint")));
}

/* one line of the daemon's; *items counts what was printed. Returns the exit status, -1: more will come */
static int take_line(const struct cli *cli, const struct cli_command *command, json_t *object, size_t *items)
{
    json_t *part;
    if (!cli->json)
        cli_clean(object);
    if ((part = json_object_get(object, "error")) != NULL)
        return cli_failure(command->name, part);
    if ((part = json_object_get(object, "item")) != NULL) {
        ++*items;
        if (cli->json)
            cli_print_json(part);
        else if (command->item != NULL)
            command->item(part);
        return -1;
    }
    if ((part = json_object_get(object, "result")) == NULL)
        return -1;
    if (cli->json && command->item == NULL) /* what has items is a stream of those */
        cli_print_json(part);
    else if (!cli->json && *items == 0 && command->none != NULL)
        puts(command->none);
    else if (!cli->json && command->result != NULL)
        command->result(part);
    return CLI_OK;
}

int cli_ask(const struct cli *cli, const struct cli_command *self, json_t *args, struct cli_client *client)
{
    if (cli_connect(cli, client) != 0) {
        json_decref(args);
        return CLI_FAILED;
    }
    if (cli_send(client, self->name, args) == 0)
        return -1;
    cli_disconnect(client);
    return CLI_FAILED;
}

int cli_begin(const struct cli *cli, const struct cli_command *self, int argc, char **argv,
              struct cli_client *client)
{
    int status;
    json_t *args = cli_args(self, argc, argv, &status);
    return args != NULL ? cli_ask(cli, self, args, client) : status;
}

int cli_run(const struct cli *cli, const struct cli_command *command, json_t *args)
{
    struct cli_client client;
    size_t items = 0;
    int status = cli_ask(cli, command, args, &client);
    if (status >= 0)
        return status;
    while (status < 0) {
        json_t *object = cli_read(&client);
        if (object != NULL) {
            status = take_line(cli, command, object, &items);
            (void)cli_written(command->name, &status);
        } else {
            status = client.reader_gone
                         ? CLI_OK
                         : cli_error(command->name, "the daemon ended before it answered", NULL);
        }
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}
