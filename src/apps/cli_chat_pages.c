/* cli_chat_pages.c - chat history, read, search, export: one page after the other, each asked for when the one before was printed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "apps/cli_chat.h"

#define PAGE_ENTRIES 500

/* What is asked, and where its items go. */
struct pages {
    const struct cli *cli;
    const char *cmd;
    struct cli_client client;
    json_t *args;   /* owned: of the next request */
    long long most; /* items; -1: all */
    long long count;
    bool (*item)(struct pages *p, json_t *item); /* false: it could not be written, and that was said */
    void (*show)(const json_t *item);            /* for print_item */
    json_t *kept;                                /* for keep_item: owned */
    FILE *out;                                   /* for write_item */
};

static bool print_item(struct pages *p, json_t *item)
{
    int status;
    if (p->cli->json) {
        cli_print_json(item);
    } else {
        chat_clean(item);
        p->show(item);
    }
    return cli_written(p->cmd, &status);
}

static bool keep_item(struct pages *p, json_t *item)
{
    json_array_append(p->kept, item);
    return true;
}

static bool write_item(struct pages *p, json_t *item)
{
    const char *lines = cli_str(item, "lines", "");
    if (fputs(lines, p->out) >= 0)
        return true;
    cli_error(p->cmd, strerror(errno), "is the disk full?");
    return false;
}

/* one page. -1: there is more, and `args` asks for it; else the exit status */
static int page(struct pages *p)
{
    if (cli_send(&p->client, p->cmd, json_deep_copy(p->args)) != 0)
        return CLI_FAILED;
    for (;;) {
        json_t *part, *object = cli_read(&p->client);
        int status = CLI_OK;
        if (object == NULL)
            return p->client.reader_gone ? CLI_OK
                                         : cli_error(p->cmd, "the daemon ended before it answered", NULL);
        if ((part = json_object_get(object, "error")) != NULL) {
            status = cli_failure(p->cmd, part);
        } else if ((part = json_object_get(object, "item")) != NULL) {
            bool enough = p->most >= 0 && p->count >= p->most;
            p->count += !enough;
            status = enough || p->item(p, part) ? -1 : CLI_FAILED;
            json_decref(object);
            if (status < 0)
                continue;
            return status;
        } else if ((part = json_object_get(object, "result")) != NULL) {
            bool more = json_is_true(json_object_get(part, "more")) && (p->most < 0 || p->count < p->most);
            if (json_is_integer(json_object_get(part, "next")))
                json_object_set(p->args, "from", json_object_get(part, "next"));
            else if (more)
                json_object_set(p->args, "cursor", json_object_get(part, "cursor"));
            if (json_integer_value(json_object_get(part, "damaged")) > 0)
                fprintf(stderr, "ringfolk: %s: %lld entries are damaged on this disk and left out\n", p->cmd,
                        (long long)json_integer_value(json_object_get(part, "damaged")));
            status = more ? -1 : CLI_OK;
        } else {
            json_decref(object);
            continue;
        }
        json_decref(object);
        return status;
    }
}

/* all pages; steals args */
static int all_pages(struct pages *p, const struct cli *cli, const char *cmd, json_t *args)
{
    p->cli = cli;
    p->cmd = cmd;
    p->args = args;
    json_object_set_new(args, "limit", json_integer(PAGE_ENTRIES));
    int status = cli_connect(cli, &p->client) == 0 ? -1 : CLI_FAILED;
    while (status < 0)
        status = page(p);
    cli_disconnect(&p->client);
    json_decref(p->args);
    return status;
}

/* takes `key` out of the arguments: it is ours, not the daemon's; -1: it is not there */
static long long take_number(json_t *args, const char *key)
{
    const json_t *value = json_object_get(args, key);
    long long number = value != NULL ? (long long)json_integer_value(value) : -1;
    json_object_del(args, key);
    return number;
}

static int none_printed(const struct cli *cli, const struct pages *p, int status, const char *none)
{
    if (status == CLI_OK && p->count == 0 && !cli->json && !p->client.reader_gone)
        puts(none);
    return status;
}

/* ---- history ---- */

/* the last ones come newest first */
static int print_last(struct pages *p, const struct cli *cli, int status)
{
    struct pages shown = {.cli = cli, .cmd = "chat history", .show = chat_show_entry};
    for (size_t i = json_array_size(p->kept); status == CLI_OK && i > 0; i--)
        if (!print_item(&shown, json_array_get(p->kept, i - 1)))
            status = CLI_FAILED;
    json_decref(p->kept);
    return status;
}

int chat_run_history(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    struct pages p = {.item = print_item, .show = chat_show_entry};
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    p.most = take_number(args, "last");
    if (p.most >= 0) {
        p.item = keep_item;
        p.kept = json_array();
        json_object_set_new(args, "backwards", json_true());
    }
    status = all_pages(&p, cli, self->name, args);
    if (p.kept != NULL)
        status = print_last(&p, cli, status);
    return none_printed(cli, &p, status, "nothing was said here yet");
}

int chat_run_read(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    struct pages p = {.item = print_item, .show = chat_show_entry, .most = -1};
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    status = all_pages(&p, cli, self->name, args);
    return none_printed(cli, &p, status, "nothing new");
}

/* ---- search ---- */

/* a date, or a date and a time, of this computer's zone; -1: it is none */
static long long date_ms(const char *text, bool end_of_it)
{
    struct tm at = {.tm_isdst = -1};
    const char *rest = strptime(text, "%Y-%m-%d", &at);
    if (rest == NULL)
        return -1;
    bool whole_day = *rest == '\0';
    if (!whole_day && ((*rest != ' ' && *rest != 'T') || (rest = strptime(rest + 1, "%H:%M", &at)) == NULL ||
                       *rest != '\0'))
        return -1;
    if (end_of_it && whole_day)
        at.tm_mday++;
    time_t seconds = mktime(&at);
    if (seconds < 0)
        return -1;
    return (long long)seconds * 1000 + (!end_of_it ? 0 : whole_day ? -1 : 59999);
}

/* false: said so */
static bool take_date(const struct cli_command *self, json_t *args, const char *key, const char *as, bool end)
{
    const char *text = json_string_value(json_object_get(args, key));
    long long ms = text != NULL ? date_ms(text, end) : -1;
    if (text == NULL)
        return true;
    json_object_set_new(args, as, json_integer(ms));
    json_object_del(args, key);
    if (ms < 0)
        cli_usage(self, "a date is like 2026-11-22, or \"2026-11-22 14:05\"");
    return ms >= 0;
}

int chat_run_search(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    struct pages p = {.item = print_item, .show = chat_show_found};
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    p.most = take_number(args, "last");
    if (!take_date(self, args, "since", "from_ms", false) ||
        !take_date(self, args, "until", "until_ms", true)) {
        json_decref(args);
        return CLI_USAGE;
    }
    size_t i;
    json_t *word, *words = json_object_get(args, "words"), *all = json_string("");
    json_array_foreach(words, i, word)
    {
        json_t *longer =
            json_sprintf("%s%s%s", json_string_value(all), i > 0 ? " " : "", json_string_value(word));
        json_decref(all);
        all = longer;
    }
    json_object_set_new(args, "words", all);
    status = all_pages(&p, cli, self->name, args);
    return none_printed(cli, &p, status, "nothing was found");
}

/* ---- export ---- */

static FILE *create_file(const char *cmd, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file != NULL)
        return file;
    if (fd >= 0)
        close(fd);
    cli_error(cmd, errno == EEXIST ? "the file is there already" : strerror(errno),
              errno == EEXIST ? "choose another name, or remove it" : NULL);
    return NULL;
}

static long zone_minutes(void)
{
    time_t now = time(NULL);
    struct tm here;
    localtime_r(&now, &here);
    return here.tm_gmtoff / 60;
}

static int end_file(const struct cli *cli, const struct pages *p, const char *path, int status)
{
    bool written = fflush(p->out) == 0 && fsync(fileno(p->out)) == 0;
    if (fclose(p->out) != 0 || !written) {
        if (status == CLI_OK)
            status = cli_error("chat export", "the file could not be written", "is the disk full?");
    }
    if (status != CLI_OK)
        unlink(path);
    else if (cli->json)
        printf("{\"entries\":%lld}\n", p->count);
    else
        printf("%lld entries written to %s\n", p->count, path);
    return status;
}

int chat_run_export(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    int status;
    struct pages p = {.item = write_item, .most = -1, .out = stdout};
    json_t *args = cli_args(self, argc, argv, &status);
    if (args == NULL)
        return status;
    char *path = NULL;
    const char *file = json_string_value(json_object_get(args, "file"));
    if (file != NULL) {
        path = strdup(file);
        p.out = path != NULL ? create_file(self->name, path) : NULL;
    }
    json_object_del(args, "file");
    json_object_set_new(args, "zone_min", json_integer(zone_minutes()));
    if (p.out == NULL) {
        json_decref(args);
        free(path);
        return CLI_FAILED;
    }
    status = all_pages(&p, cli, self->name, args);
    if (path != NULL)
        status = end_file(cli, &p, path, status);
    free(path);
    return status;
}
