/*
 * report.h - what a finished run leaves behind: one JSON object for programs, one page for people.
 *
 * The page is a single HTML file: plots as inline SVG, no script, nothing loaded from elsewhere, in light or dark as the reader's system
 * asks. Values under the pointer are shown by the browser itself (<title>).
 */
#ifndef RF_SIM_REPORT_H
#define RF_SIM_REPORT_H

#include "base/buf.h"
#include "sim/scenario.h"
#include "sim/sim.h"

/* What the reports say besides the run itself. All borrowed. */
struct rf_sim_report {
    const struct rf_sim *sim; /* after rf_sim_finish */
    const struct rf_sim_text *text;
    uint64_t seed;
    const char *crypto;   /* "fake" or "openssl" */
    const char *command;  /* the command line that repeats the run */
    double wall_s, cpu_s; /* what the run took of real time and of CPU time */
    uint64_t peak_bytes;  /* largest memory of the process; 0: unknown */
    size_t shards;
};

/* rf_sim_report_json appends one JSON object and a newline. Numbers that nobody knows are null. Errors: RF_ENOMEM, RF_ELIMIT. */
int rf_sim_report_json(const struct rf_sim_report *report, struct rf_buf *out);
/* rf_sim_report_html appends the page. Errors: RF_ENOMEM, RF_ELIMIT. */
int rf_sim_report_html(const struct rf_sim_report *report, struct rf_buf *out);

#endif
