/* ringfolkd.c - the daemon: one node, its phones, its control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon.h"
#include "apps/options.h"

static const struct app_option options[] = {
    {"--home", "DIR", "made by `ringfolk init` (default $RINGFOLK_HOME, else ~/.ringfolk)", NULL, 0},
    {"--capture", "FILE", "write every RELOAD frame, decrypted, as a capture for tshark", NULL, 0},
};

static int help(void)
{
    puts("usage: ringfolkd [--home DIR] [--capture FILE]\n");
    app_print_options(stdout, options, RF_COUNT(options));
    puts("\nPrints \"ready NODE-ID\" when it has joined. RINGFOLK_LOG=error|warn|info|debug chooses what it "
         "says on\n"
         "stderr. SIGTERM and `ringfolk shutdown` make it leave politely, a second SIGTERM at once.\n"
         "Exit status: 0 ended as told, 1 failed, 2 wrong usage.");
    return fflush(stdout) == 0 ? 0 : daemon_say("help", "the output could not be written", NULL);
}

static int wrong_usage(const char *why)
{
    fprintf(stderr, "ringfolkd: wrong usage: %s\n  usage: ringfolkd [--home DIR] [--capture FILE]\n", why);
    return 2;
}

int main(int argc, char **argv)
{
    static struct daemon d;
    const char *values[RF_COUNT(options)] = {NULL};
    struct app_words words = {.argc = argc - 1, .argv = argv + 1};
    char *own_home = NULL;
    int row;
    if (app_wants_help(argc - 1, argv + 1))
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("ringfolkd " RF_VERSION);
        return 0;
    }
    while ((row = app_next(&words, options, RF_COUNT(options))) != APP_END) {
        if (row < 0)
            return wrong_usage(row == APP_WRONG ? words.wrong : "it takes options only");
        values[row] = words.value;
    }
    const char *home = values[0] != NULL ? values[0] : (own_home = home_default());
    if (home == NULL)
        return daemon_say("home", "neither --home nor $RINGFOLK_HOME nor $HOME is set", "say --home DIR");
    int status = daemon_open(&d, home);
    if (status == 0)
        status = daemon_start(&d, values[1]);
    if (status == 0 && rf_loop_run(d.loop) != 0)
        status = daemon_say("loop", "the system refuses", NULL);
    if (status == 0)
        status = d.status;
    daemon_close(&d);
    free(own_home);
    return status;
}
