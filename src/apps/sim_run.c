/* sim_run.c - one run of a scenario: threads, progress, what is printed, the files that it leaves. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "apps/sim_main.h"
#include "base/assert.h"
#include "base/error.h"
#include "sim/report.h"

#define PROGRESS_TTY_S      1.0
#define PROGRESS_FILE_S     10.0
#define THREADS_WORTH_NODES 2000 /* below that, waiting for each other costs more than it brings */
#define REPORT_MAX_LEN      ((size_t)256 << 20)
#define VIOLATIONS_SHOWN    5 /* the rest is in the JSON */

/* Nodes' memory is watched by AddressSanitizer only when each block comes from malloc. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENAS false
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(ARENAS)
#define ARENAS false
#elif !defined(ARENAS)
#define ARENAS true
#endif

struct progress {
    bool on, tty;
    double began_s, last_s;
    uint64_t last_us; /* virtual time then */
};

static double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t block_size(void *block)
{
    return malloc_usable_size(block);
}

static void log_line(void *ctx, enum rf_log_level level, const char *room, const char *text)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    (void)ctx;
    fprintf(stderr, "%s %s: %s\n", names[level], room, text);
}

static const char *human_time(double s, char out[24])
{
    if (s < 120)
        snprintf(out, 24, "%.0f s", s);
    else if (s < 7200)
        snprintf(out, 24, "%.0f min", s / 60);
    else
        snprintf(out, 24, "%.1f h", s / 3600);
    return out;
}

/* show_progress tells how far it is, and from the pace since the last time how long the rest will take. */
static void show_progress(struct progress *p, const struct rf_sim *sim)
{
    double now_s = clock_s(CLOCK_MONOTONIC), pace, done;
    struct rf_sim_figures f;
    char at[24], all[24], left[24];

    if (!p->on || now_s - p->last_s < (p->tty ? PROGRESS_TTY_S : PROGRESS_FILE_S))
        return;
    rf_sim_figures(sim, &f);
    pace = (double)(f.now_us - p->last_us) / (now_s - p->last_s); /* virtual us per second */
    done = 100.0 * (double)f.now_us / (double)f.duration_us;
    fprintf(stderr, "%s%3.0f%%  %s of %s, %zu+%zu joined, %.1f M events, about %s left%s",
            p->tty ? "\r\033[K" : "", done, human_time((double)f.now_us / 1e6, at),
            human_time((double)f.duration_us / 1e6, all), f.supernodes_joined, f.clients_joined,
            (double)f.events / 1e6,
            pace > 0 ? human_time((double)(f.duration_us - f.now_us) / pace, left) : "?", p->tty ? "" : "\n");
    p->last_s = now_s;
    p->last_us = f.now_us;
}

/* put_quoted writes a word as a shell reads it. */
static void put_quoted(struct rf_buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=./:,%+@";

    if (word[0] != 0 && word[strspn(word, plain)] == 0) {
        rf_buf_str(out, word);
        return;
    }
    rf_buf_u8(out, '\'');
    for (; *word != 0; word++)
        if (*word == '\'')
            rf_buf_str(out, "'\\''");
        else
            rf_buf_u8(out, (uint8_t)*word);
    rf_buf_u8(out, '\'');
}

/* command_of writes the command that repeats the run. */
static void command_of(const struct sim_options *options, struct rf_buf *out)
{
    rf_buf_str(out, "ringfolk-sim ");
    put_quoted(out, options->scenario);
    rf_buf_printf(out, " --seed %" PRIu64, options->seed);
    for (size_t i = 0; i < options->override_count; i++) {
        rf_buf_str(out, " --set ");
        put_quoted(out, options->overrides[i]);
    }
    if (options->real_crypto)
        rf_buf_str(out, " --real-crypto");
    rf_buf_u8(out, 0);
}

static void print_head(const struct sim_options *options, const struct rf_sim_text *text)
{
    printf("scenario  %s: %s\nseed      %" PRIu64 "\noptions  ", text->scenario.name, text->title,
           options->seed);
    for (size_t i = 0; i < text->option_count; i++) {
        const struct rf_sim_option *option = &text->options[i];

        if (option->own || option->overridden || strcmp(option->name, "supernodes") == 0 ||
            strcmp(option->name, "clients") == 0 || strcmp(option->name, "duration") == 0)
            printf(" %s=%s", option->name, option->text);
    }
    printf("%s\n", options->real_crypto ? " (real crypto)" : "");
    fflush(stdout);
}

static void print_checks(const struct rf_sim *sim)
{
    for (size_t i = 0; i < rf_sim_check_count(sim); i++) {
        struct rf_sim_check_result r;

        rf_sim_check_result(sim, i, &r);
        printf("%s  %-24s %-28s ", r.pass ? "pass" : "FAIL", r.check->name, r.check->metric);
        if (isnan(r.value))
            printf("no data");
        else
            printf("%.6g", r.value);
        printf(" %s %.6g\n", r.check->at_least ? ">=" : "<=", r.check->limit);
    }
}

static void print_violations(const struct rf_sim *sim)
{
    struct rf_sim_violation v;
    size_t i = 0;

    for (; i < VIOLATIONS_SHOWN && rf_sim_violation(sim, i, &v); i++)
        printf("history   %s at %.1f s: %s\n", v.kind, (double)v.at_us / 1e6, v.text);
    if (i == VIOLATIONS_SHOWN && rf_sim_violation(sim, i, &v))
        printf("history   and more: see --json\n");
}

static void print_end(const struct rf_sim_report *report)
{
    struct rf_sim_figures f;
    double value;

    rf_sim_figures(report->sim, &f);
    print_checks(report->sim);
    print_violations(report->sim);
    printf("figures   %.3g M events, %.3g M messages in %.3g s (%.0f k events/s, %zu shards), %.3g MB",
           (double)f.events / 1e6, (double)f.messages / 1e6, report->wall_s,
           (double)f.events / 1e3 / report->wall_s, report->shards, (double)report->peak_bytes / 1e6);
    if (rf_sim_metric(report->sim, "memory.super_bytes", 0, 0, &value) == 0)
        printf("; %.1f kB per supernode", value / 1000);
    if (rf_sim_metric(report->sim, "memory.client_bytes", 0, 0, &value) == 0)
        printf(", %.1f kB per client", value / 1000);
    if (f.asleep > 0)
        printf(" (%.1f kB asleep)", (double)f.asleep_bytes / 1000 / (double)f.asleep);
    printf("\ntrace     %016" PRIx64 "\nverdict   %s\n", rf_sim_trace_hash(report->sim),
           rf_sim_passed(report->sim) ? "pass" : "fail");
    if (!rf_sim_passed(report->sim))
        printf("repeat    %s\n", report->command);
}

static int write_file(const char *path, const struct rf_buf *bytes)
{
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(bytes->p, 1, bytes->len, file) == bytes->len;
    int why = errno;

    if (file != NULL && fclose(file) != 0 && good) {
        good = false;
        why = errno;
    }
    return good ? SIM_PASS : sim_fail(path, strerror(why));
}

static int write_files(const struct sim_options *options, const struct rf_sim_report *report)
{
    struct rf_buf out;
    char path[4096];
    int status = SIM_PASS, error = 0;

    rf_buf_init(&out, rf_mem_system(), REPORT_MAX_LEN);
    if (options->json_file != NULL) {
        if ((error = rf_sim_report_json(report, &out)) == 0)
            status = write_file(options->json_file, &out);
        rf_buf_reset(&out);
    }
    if (options->report_dir != NULL && error == 0 && status == SIM_PASS) {
        if (mkdir(options->report_dir, 0777) != 0 && errno != EEXIST) {
            status = sim_fail(options->report_dir, strerror(errno));
        } else if ((error = rf_sim_report_html(report, &out)) == 0) {
            snprintf(path, sizeof(path), "%s/index.html", options->report_dir);
            if ((status = write_file(path, &out)) == SIM_PASS)
                printf("report    %s\n", path);
        }
    }
    rf_buf_deinit(&out);
    return error != 0 ? sim_fail("report", rf_error_text(error)) : status;
}

static size_t choose_shards(const struct sim_options *options, const struct rf_sim_text *text)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (options->shards > 0)
        return options->shards;
    if (text->scenario.supernodes + text->scenario.clients < THREADS_WORTH_NODES || cores < 2)
        return 1;
    return cores < RF_SIM_MAX_SHARDS ? (size_t)cores : RF_SIM_MAX_SHARDS;
}

/* play drives the simulation to its end. */
static int play(const struct sim_options *options, struct rf_sim *sim)
{
    struct progress progress = {
        .on = !options->quiet, .tty = isatty(STDERR_FILENO) == 1, .last_s = clock_s(CLOCK_MONOTONIC)};
    struct sim_threads *threads = sim_threads_start(sim);
    uint64_t until_us;

    if (threads == NULL)
        return sim_fail("threads", strerror(errno));
    while (rf_sim_plan(sim, &until_us)) {
        sim_threads_run(threads, until_us);
        show_progress(&progress, sim);
    }
    sim_threads_stop(threads);
    rf_sim_finish(sim);
    if (progress.on && progress.tty)
        fputs("\r\033[K", stderr);
    return SIM_PASS;
}

int sim_run(const struct sim_options *options, const struct rf_sim_text *text)
{
    struct rf_log log = {.line = log_line, .level = (enum rf_log_level)options->log_level};
    struct rf_sim_config config = {.mem = sim_memory(),
                                   .block_size = block_size,
                                   .arenas = ARENAS,
                                   .log = options->log_level >= 0 ? &log : NULL,
                                   .log_node = options->log_node,
                                   .seed = options->seed,
                                   .shards = choose_shards(options, text),
                                   .trace = true};
    struct rf_sim_report report = {
        .text = text, .seed = options->seed, .crypto = options->real_crypto ? "openssl" : "fake"};
    double began_s = clock_s(CLOCK_MONOTONIC);
    struct rf_sim *sim = NULL;
    struct rf_buf command;
    struct rusage usage;
    int status, error;

    if (options->real_crypto)
        sim_crypto_real(&config.crypto);
    print_head(options, text);
    if ((error = rf_sim_new(&config, &text->scenario, &sim)) != 0)
        return sim_fail("cannot make the nodes", rf_error_text(error));
    rf_buf_init(&command, rf_mem_system(), 1 << 20);
    command_of(options, &command);
    if ((status = play(options, sim)) == SIM_PASS) {
        getrusage(RUSAGE_SELF, &usage);
        report.sim = sim;
        report.command = (const char *)command.p;
        report.wall_s = clock_s(CLOCK_MONOTONIC) - began_s;
        report.cpu_s = clock_s(CLOCK_PROCESS_CPUTIME_ID);
        report.peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
        report.shards = rf_sim_shards(sim);
        print_end(&report);
        status = write_files(options, &report);
        if (status == SIM_PASS && !rf_sim_passed(sim))
            status = SIM_FAIL;
    }
    rf_buf_deinit(&command);
    rf_sim_free(sim);
    return status;
}
