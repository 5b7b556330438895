/* cli_doctor.c - `ringfolk doctor`: the daemon's findings, one a line; exit status 1 when there is something to do. */
#include <stdio.h>
#include <string.h>
#include "apps/cli.h"

static void show(const json_t *result)
{
    size_t i;
    const json_t *f;
    json_array_foreach(json_object_get(result, "findings"), i, f)
    {
        const char *finding = cli_str(f, "finding", "");
        printf("%-8s %-12s %s\n", strcmp(finding, "trouble") == 0 ? "TROUBLE" : finding,
               cli_str(f, "about", ""), cli_str(f, "text", ""));
        if (json_is_string(json_object_get(f, "do")))
            printf("%-8s %-12s -> %s\n", "", "", cli_str(f, "do", ""));
    }
}

/* The exit status, -1: it was no answer. */
static int take(const struct cli *cli, const struct cli_command *self, json_t *object)
{
    json_t *result = json_object_get(object, "result"), *error = json_object_get(object, "error");
    if (error != NULL)
        return cli_failure(self->name, error);
    if (result == NULL)
        return -1;
    if (cli->json) {
        cli_print_json(result);
    } else {
        cli_clean(result);
        show(result);
    }
    return json_is_true(json_object_get(result, "healthy")) ? CLI_OK : CLI_FAILED;
}

int cli_doctor(const struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
    struct cli_client client;
    int status = cli_begin(cli, self, argc, argv, &client);
    if (status >= 0)
        return status;
    while (status < 0) {
        json_t *object = cli_read(&client);
        status = object != NULL ? take(cli, self, object)
                                : cli_error(self->name, "the daemon ended before it answered", NULL);
        (void)cli_written(self->name, &status);
        json_decref(object);
    }
    cli_disconnect(&client);
    return status;
}
