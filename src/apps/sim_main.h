/* sim_main.h - what the files of ringfolk-sim share. */
#ifndef RF_APPS_SIM_MAIN_H
#define RF_APPS_SIM_MAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sim/scenario.h"
#include "sim/sim.h"

enum { SIM_PASS = 0, SIM_FAIL = 1, SIM_USAGE = 2 };

/* What the command line says. */
struct sim_options {
    const char *scenario; /* name or file */
    uint64_t seed;
    const char *overrides[RF_SIM_MAX_OVERRIDES];
    size_t override_count;
    const char *json_file, *report_dir; /* NULL: none */
    bool real_crypto;
    bool quiet;
    size_t shards; /* 0: by size and cores */
    int log_level; /* enum rf_log_level; -1: no log */
    size_t log_node;
};

/* The scenarios of the folder scenarios/, built into the program (cmake/embed.cmake), sorted by name. */
struct sim_embedded {
    const char *name;
    const unsigned char *text;
    size_t len;
};
extern const struct sim_embedded sim_scenarios[];
extern const size_t sim_scenario_count;

/* sim_fail writes "ringfolk-sim: what: why" to stderr and returns SIM_FAIL. */
int sim_fail(const char *what, const char *why);

/* sim_wrong does the same, with the usage behind it; SIM_USAGE. */
int sim_wrong(const char *what, const char *why);

/* sim_show.c: what the program knows, on stdout. */
int sim_list(void);
int sim_settings_list(void);
int sim_show(const char *name);
/* sim_find: the embedded scenario of that name, or NULL. */
const struct sim_embedded *sim_find(const char *name);

/* sim_load finds a scenario by name or reads the file, and parses it with the overrides. SIM_USAGE when something is wrong with them. */
int sim_load(const struct sim_options *options, struct rf_sim_text *out);
/* sim_run plays the scenario, tells of it on stdout, writes the files; SIM_PASS, SIM_FAIL. */
int sim_run(const struct sim_options *options, const struct rf_sim_text *text);

/* sim_memory.c: the system's allocator, with huge pages for large blocks. */
struct rf_mem *sim_memory(void);

/* sim_threads.c: the shards of one window on threads of their own. */
struct sim_threads;
struct sim_threads *sim_threads_start(struct rf_sim *sim); /* NULL: the system refused */
void sim_threads_run(struct sim_threads *threads, uint64_t until_us);
void sim_threads_stop(struct sim_threads *threads); /* NULL allowed */

/* sim_crypto.c: OpenSSL's backend for each shard, charging what the fake one charges. */
void sim_crypto_real(struct rf_sim_crypto *out);

#endif
