/* cli_client.c - the CLI's connection to the daemon: one JSON object per line over HOME/control.sock. */
#include <errno.h>
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

int cli_usage(const char *usage, const char *why)
{
    fprintf(stderr, "ringfolk: wrong usage: %s\n  usage: ringfolk [--home DIR] [--json] %s\n", why, usage);
    return CLI_USAGE;
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
        bool absent = error == ENOENT || error == ECONNREFUSED;
        cli_error(
            cli->home, absent ? "no ringfolkd runs on this home" : strerror(error),
            absent ? "start it with: ringfolkd --home DIR (after: ringfolk --home DIR init URL --user NAME)"
                   : NULL);
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
    if (done == len)
        return 0;
    cli_error(cmd, "the daemon closed the connection", NULL);
    return -1;
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
        ssize_t n = recv(client->fd, client->buffer + client->len, client->cap - client->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        client->len += (size_t)n;
    }
}

static void print_json(const json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
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
    const char *text = json_string_value(json_object_get(error, "text"));
    return cli_error(cmd, text != NULL ? text : "failed", json_string_value(json_object_get(error, "hint")));
}

int cli_run(const struct cli *cli, const char *cmd, json_t *args, cli_print_fn item, cli_print_fn result)
{
    struct cli_client client;
    if (cli_connect(cli, &client) != 0) {
        json_decref(args);
        return CLI_FAILED;
    }
    int status = -1;
    if (cli_send(&client, cmd, args) != 0)
        status = CLI_FAILED;
    while (status < 0) {
        json_t *object = cli_read(&client);
        if (object == NULL) {
            status = cli_error(cmd, "the daemon ended before it answered", NULL);
            break;
        }
        json_t *part;
        if (!cli->json)
            cli_clean(object);
        if ((part = json_object_get(object, "item")) != NULL) {
            if (cli->json)
                print_json(part);
            else if (item != NULL)
                item(part);
        } else if ((part = json_object_get(object, "result")) != NULL) {
            if (cli->json && item == NULL) /* what has items is a stream of those */
                print_json(part);
            else if (!cli->json && result != NULL)
                result(part);
            status = CLI_OK;
        } else if ((part = json_object_get(object, "error")) != NULL) {
            status = cli_failure(cmd, part);
        }
        fflush(stdout);
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}
