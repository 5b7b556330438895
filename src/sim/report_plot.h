/* report_plot.h - one plot over the time of a run, as inline SVG with its legend. */
#ifndef RF_SIM_REPORT_PLOT_H
#define RF_SIM_REPORT_PLOT_H

#include "base/buf.h"
#include "sim/scenario.h"

#define SIM_PLOT_MAX_LINES 6

struct sim_plot_line {
    const char *label;
    const double *values; /* one per sample; NaN: a gap. Borrowed */
    bool peaks;           /* several samples on one point: the largest counts, not the mean */
};

struct sim_plot {
    const char *title, *unit;
    const char *note; /* below the title; may be NULL */
    bool percent;     /* values are shares, 0..1 */
    bool log;         /* powers of ten on the vertical axis */
    struct sim_plot_line lines[SIM_PLOT_MAX_LINES];
    size_t line_count;
};

/* What all plots of a page share. */
struct sim_axis {
    size_t sample_count;
    double sample_s, duration_s;
    const struct rf_sim_event *events;
    size_t event_count;
};

void sim_plot_put(struct rf_buf *out, const struct sim_axis *axis, const struct sim_plot *plot);

/* sim_html_put writes text with what HTML wants escaped. */
void sim_html_put(struct rf_buf *out, const char *text);
/* sim_number_put writes a number for people: three digits and k, M or G. */
void sim_number_put(struct rf_buf *out, double value);
/* sim_time_put writes seconds as people say them: 90 s, 10 min, 2.5 h. */
void sim_time_put(struct rf_buf *out, double seconds);
/* sim_event_kind: "fault", "cure" or "other", the classes of the page. */
const char *sim_event_kind(enum rf_sim_step_type type);

#endif
