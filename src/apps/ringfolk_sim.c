/* ringfolk_sim.c - the simulator's program: a scenario, a seed, a verdict. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/sim_main.h"
#include "base/assert.h"
#include "base/error.h"

static const char usage[] =
    "usage: ringfolk-sim SCENARIO|FILE [--seed N] [--set KEY=VALUE]... [--json FILE] [--report DIR]\n"
    "                    [--real-crypto] [--shards N] [--quiet] [--log error|warn|info|debug] [--log-node "
    "N]\n"
    "       ringfolk-sim list                 the scenarios, one line each\n"
    "       ringfolk-sim show SCENARIO        a scenario's text, to read it or to begin one's own with\n"
    "       ringfolk-sim settings             what every scenario has: name, default, meaning\n"
    "\n"
    "One seed decides everything: the same seed, scenario and options give the same trace. Exit status 0: "
    "every check passed,\n"
    "1: one did not, 2: wrong usage. docs/simulator.md says more.\n";

int sim_fail(const char *what, const char *why)
{
    fprintf(stderr, "ringfolk-sim: %s: %s\n", what, why);
    return SIM_FAIL;
}

int sim_wrong(const char *what, const char *why)
{
    sim_fail(what, why);
    fputs(usage, stderr);
    return SIM_USAGE;
}

/* base_name: the scenario's name is the file's, without folders and ".scn". */
static void base_name(const char *path, char out[RF_SIM_NAME_LEN])
{
    const char *slash = strrchr(path, '/');
    size_t len;

    snprintf(out, RF_SIM_NAME_LEN, "%s", slash != NULL ? slash + 1 : path);
    len = strlen(out);
    if (len > 4 && strcmp(out + len - 4, ".scn") == 0)
        out[len - 4] = 0;
}

int sim_load(const struct sim_options *options, struct rf_sim_text *out)
{
    static uint8_t bytes[RF_SIM_TEXT_MAX_LEN + 1];
    const struct sim_embedded *embedded = sim_find(options->scenario);
    struct rf_view text;
    char name[RF_SIM_NAME_LEN], why[256];

    if (embedded != NULL) {
        text = rf_view_of(embedded->text, embedded->len);
    } else {
        FILE *file = fopen(options->scenario, "rb");

        if (file == NULL) {
            sim_fail(options->scenario,
                     errno == ENOENT ? "no such scenario or file: see ringfolk-sim list" : strerror(errno));
            return SIM_USAGE;
        }
        text = rf_view_of(bytes, fread(bytes, 1, sizeof(bytes), file));
        fclose(file);
    }
    base_name(options->scenario, name);
    if (rf_sim_text_parse(name, text, options->overrides, options->override_count, out, why, sizeof(why)) !=
        0) {
        sim_fail(options->scenario, why);
        return SIM_USAGE;
    }
    return SIM_PASS;
}

static bool number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == 0 && *out <= most;
}

static bool log_level(const char *text, int *out)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (*out = 0; *out < (int)RF_COUNT(names); ++*out)
        if (strcmp(names[*out], text) == 0)
            return true;
    return false;
}

/* take_valued handles an option that has a value; false: the value is no good for it. */
static bool take_valued(struct sim_options *options, const char *name, const char *value, bool *known)
{
    uint64_t n = 0;

    *known = true;
    if (strcmp(name, "--seed") == 0)
        return number(value, UINT64_MAX, &options->seed);
    if (strcmp(name, "--json") == 0)
        return (options->json_file = value)[0] != 0;
    if (strcmp(name, "--report") == 0)
        return (options->report_dir = value)[0] != 0;
    if (strcmp(name, "--log") == 0)
        return log_level(value, &options->log_level);
    if (strcmp(name, "--set") == 0) {
        if (options->override_count == RF_SIM_MAX_OVERRIDES || strchr(value, '=') == NULL)
            return false;
        options->overrides[options->override_count++] = value;
        return true;
    }
    if (strcmp(name, "--shards") == 0) {
        bool good = number(value, RF_SIM_MAX_SHARDS, &n) && n > 0;

        options->shards = (size_t)n;
        return good;
    }
    if (strcmp(name, "--log-node") == 0) {
        bool good = number(value, SIZE_MAX, &n);

        options->log_node = (size_t)n;
        return good;
    }
    return *known = false;
}

static int take_options(int argc, char **argv, struct sim_options *options)
{
    for (int i = 1; i < argc; i++) {
        bool known = true;

        if (strcmp(argv[i], "--real-crypto") == 0)
            options->real_crypto = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            options->quiet = true;
        else if (argv[i][0] != '-' && options->scenario == NULL)
            options->scenario = argv[i];
        else if (argv[i][0] != '-' || i + 1 == argc)
            return sim_wrong(argv[i], argv[i][0] == '-' ? "an option that is unknown or lacks its value"
                                                        : "one scenario at a time");
        else if (!take_valued(options, argv[i], argv[i + 1], &known))
            return sim_wrong(argv[i], known ? "not a value for it" : "no such option");
        else
            i++;
    }
    return options->scenario != NULL ? SIM_PASS
                                     : sim_wrong("no scenario", "name one, or see ringfolk-sim list");
}

int main(int argc, char **argv)
{
    static struct rf_sim_text text;
    struct sim_options options = {.seed = 1, .log_level = -1, .log_node = SIZE_MAX};
    int status;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return SIM_PASS;
    }
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return sim_list();
    if (argc == 2 && strcmp(argv[1], "settings") == 0)
        return sim_settings_list();
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return sim_show(argv[2]);
    if ((status = take_options(argc, argv, &options)) != SIM_PASS ||
        (status = sim_load(&options, &text)) != SIM_PASS)
        return status;
    return sim_run(&options, &text);
}
