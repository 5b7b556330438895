/* main.c - `replay FILE ...` plays scenarios. `replay --broken FILE ...`: each must fail, and say what stands in its first line. */
#include "replay/replay.h"

#include <stdlib.h>
#include <string.h>

#define FAILS "# fails: "

/* The first line of a broken scenario: "# fails: LINE: what it says". */
static bool broken(const char *path)
{
    char first[512] = "", *said = NULL;
    size_t said_len = 0;
    FILE *file = fopen(path, "r"), *errors = open_memstream(&said, &said_len);
    bool ok = file != NULL && errors != NULL && fgets(first, sizeof(first), file) != NULL &&
              strncmp(first, FAILS, strlen(FAILS)) == 0 && !replay_run(path, errors);

    if (file != NULL)
        fclose(file);
    if (errors != NULL)
        fclose(errors);
    first[strcspn(first, "\n")] = '\0';
    ok = ok && strstr(said, first + strlen(FAILS)) != NULL;
    if (!ok)
        fprintf(stderr, "%s: should fail with `%s`, said: %s\n", path, first, said != NULL ? said : "");
    free(said);
    return ok;
}

int main(int argc, char **argv)
{
    bool must_fail = argc > 1 && strcmp(argv[1], "--broken") == 0;
    int failed = 0;

    for (int i = must_fail ? 2 : 1; i < argc; i++)
        failed += must_fail ? !broken(argv[i]) : !replay_run(argv[i], stderr);
    if (argc < (must_fail ? 3 : 2)) {
        fprintf(stderr, "usage: replay [--broken] FILE ...\n");
        return 2;
    }
    return failed > 0;
}
