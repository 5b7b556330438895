/* ringfolkd.c - the daemon: one node, its phones, its control socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apps/daemon.h"

static const char usage[] =
    "usage: ringfolkd [--home DIR] [--capture FILE]\n"
    "\n"
    "  --home DIR      made by `ringfolk init` (default $RINGFOLK_HOME, else ~/.ringfolk)\n"
    "  --capture FILE  write every RELOAD frame, decrypted, as a capture for tshark\n"
    "\n"
    "Prints \"ready NODE-ID\" when it has joined. RINGFOLK_LOG=error|warn|info|debug chooses what it\n"
    "says on stderr. SIGTERM makes it leave politely, a second one at once.\n";

static char *default_home(void)
{
    const char *home = getenv("RINGFOLK_HOME"), *user_home = getenv("HOME");
    char *path = NULL;
    if (home != NULL && home[0] != '\0')
        return strdup(home);
    if (user_home == NULL || asprintf(&path, "%s/.ringfolk", user_home) < 0)
        return NULL;
    return path;
}

int main(int argc, char **argv)
{
    static struct daemon d;
    char *own_home = NULL;
    const char *home = NULL, *capture = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("ringfolkd " RF_VERSION);
            return 0;
        }
        const char **value = strcmp(argv[i], "--home") == 0      ? &home
                             : strcmp(argv[i], "--capture") == 0 ? &capture
                                                                 : NULL;
        if (value == NULL || i + 1 == argc) {
            fprintf(stderr, "ringfolkd: wrong usage: %s\n%s", argv[i], usage);
            return 2;
        }
        *value = argv[++i];
    }
    if (home == NULL)
        home = own_home = default_home();
    if (home == NULL)
        return daemon_say("home", "neither --home nor $RINGFOLK_HOME nor $HOME is set", NULL);
    int status = daemon_open(&d, home);
    if (status == 0)
        status = daemon_start(&d, capture);
    if (status == 0 && rf_loop_run(d.loop) != 0)
        status = daemon_say("loop", "the system refuses", NULL);
    if (status == 0)
        status = d.status;
    daemon_close(&d);
    free(own_home);
    return status;
}
