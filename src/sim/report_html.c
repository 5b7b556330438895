/* report_html.c - the page: verdict, figures, checks, plots, what happened, options, how to repeat it. */
#include <math.h>
#include <string.h>
#include "base/assert.h"
#include "base/error.h"
#include "sim/report.h"
#include "sim/report_plot.h"
#include "sim/report_style.h"

/* ---- plots ---- */

/* A plot of series by their names; lines whose series has no value are left out, and so is a plot without lines. */
static const struct planned {
    const char *title, *unit, *note;
    bool percent, log;
    struct {
        const char *label, *series;
        bool peaks;
    } lines[SIM_PLOT_MAX_LINES];
} plots[] = {
    {"Supernodes online",
     "nodes",
     NULL,
     false,
     false,
     {{"running", "supernodes.up", false}, {"joined", "supernodes.joined", false}}},
    {"Clients online",
     "nodes",
     NULL,
     false,
     false,
     {{"running", "clients.up", false},
      {"joined", "clients.joined", false},
      {"registered, of all nodes", "registered", false}}},
    {"Users that can be reached",
     "% of those that run",
     "By what is true in the whole world: the registration names a way, and he is at its end.",
     false,
     false,
     {{"of all users", "users.reachable", false},
      {"of those that no crash hit", "survivors.reachable", false}}},
    {"Operations that came out right",
     "share",
     "Right: the answer was the one that it had to be. The rest failed or was wrong.",
     true,
     false,
     {{"lookup", "lookup.share", false},
      {"ping", "ping.share", false},
      {"store", "store.share", false},
      {"fetch", "fetch.share", false},
      {"call", "call.share", false}}},
    {"Latency of lookups",
     "ms",
     "Of those that came out right; each step up is ten times as long.",
     false,
     true,
     {{"median", "lookup.p50_ms", false}, {"99%", "lookup.p99_ms", true}}},
    {"Latency of other operations",
     "ms",
     "Of those that came out right; each step up is ten times as long.",
     false,
     true,
     {{"ping median", "ping.p50_ms", false},
      {"ping 99%", "ping.p99_ms", true},
      {"store median", "store.p50_ms", false},
      {"store 99%", "store.p99_ms", true},
      {"fetch median", "fetch.p50_ms", false},
      {"fetch 99%", "fetch.p99_ms", true}}},
    {"CPU load of supernodes",
     "% of what they may use",
     NULL,
     false,
     false,
     {{"mean", "cpu.mean", false}, {"99%", "cpu.p99", true}, {"busiest", "cpu.max", true}}},
    {"Waiting input at the busiest supernode", "ms", NULL, false, false, {{"busiest", "queue.max", true}}},
    {"Budgets of supernodes",
     "% of the budget",
     "Of the supernode that uses most. A budget is a limit that it keeps to by refusing and naming others.",
     false,
     false,
     {{"clients", "budget.clients", true}, {"handshakes", "budget.handshakes", true}}},
    {"Supernodes that shut down",
     "per interval",
     "Because their load was above what they are willing to carry.",
     false,
     false,
     {{"shut down", "shutdowns", true}}},
    {"Links of supernodes",
     "links",
     NULL,
     false,
     false,
     {{"mean", "links.mean", false}, {"most", "links.max", true}}},
    {"Messages sent by supernodes",
     "per second and supernode",
     NULL,
     false,
     false,
     {{"mean", "messages.mean", false},
      {"busiest", "messages.max", true},
      {"maintenance, mean", "maintenance.messages", false}}},
    {"Bytes sent by supernodes",
     "byte/s and supernode",
     "Payload of TCP; each step up is ten times as much.",
     false,
     true,
     {{"mean", "bytes.mean", false},
      {"busiest", "bytes.max", true},
      {"maintenance, mean", "maintenance.bytes", false}}},
    {"Bytes sent by clients", "byte/s and client", NULL, false, false, {{"mean", "client.bytes", false}}},
    {"Wrong neighbors in the ring",
     "supernodes",
     "Supernodes whose successors or predecessors are not the right ones.",
     false,
     false,
     {{"wrong", "ring.wrong", true}}},
    {"Operations",
     "per interval",
     NULL,
     false,
     false,
     {{"lookup", "lookup.count", false},
      {"ping", "ping.count", false},
      {"store", "store.count", false},
      {"fetch", "fetch.count", false},
      {"call", "call.count", false}}},
};

struct page {
    struct rf_buf *out;
    const struct rf_sim_report *report;
    struct sim_axis axis;
    double *shares[RF_SIM_OP_COUNT]; /* right / ended per sample */
};

static const double *series_of(const struct page *page, const char *name)
{
    size_t count = rf_sim_series_count(page->report->sim);

    for (int op = 0; op < RF_SIM_OP_COUNT; op++) {
        const char *op_name = rf_sim_op_name((enum rf_sim_op_type)op);
        size_t len = strlen(op_name);

        if (strncmp(name, op_name, len) == 0 && strcmp(name + len, ".share") == 0)
            return page->shares[op];
    }
    for (size_t i = 0; i < count; i++) {
        struct rf_sim_series series;

        rf_sim_series(page->report->sim, i, &series);
        if (strcmp(series.name, name) == 0)
            return series.values;
    }
    return NULL;
}

/* tells: there is something to see, which values that are all zero or missing are not. */
static bool tells(const struct page *page, const double *values)
{
    for (size_t i = 0; values != NULL && i < page->axis.sample_count; i++)
        if (!isnan(values[i]) && values[i] != 0)
            return true;
    return false;
}

static double mean_of(const struct page *page, const double *values)
{
    double sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < page->axis.sample_count; i++)
        if (!isnan(values[i])) {
            sum += values[i];
            count++;
        }
    return count > 0 ? sum / (double)count : 0;
}

static int make_shares(struct page *page, enum rf_sim_op_type op)
{
    static const char *const ends[] = {".right", ".wrong", ".failed"};
    const double *parts[3];
    double *shares = rf_alloc(page->out->mem, (page->axis.sample_count + 1) * sizeof(*shares));

    if (shares == NULL)
        return RF_ENOMEM;
    page->shares[op] = shares;
    for (int i = 0; i < 3; i++) {
        char name[RF_SIM_NAME_LEN] = "";

        strncat(name, rf_sim_op_name(op), sizeof(name) - 16);
        strcat(name, ends[i]);
        parts[i] = series_of(page, name);
    }
    for (size_t i = 0; i < page->axis.sample_count; i++) {
        double sum = 0;

        for (int k = 0; k < 3; k++)
            sum += parts[k] != NULL && !isnan(parts[k][i]) ? parts[k][i] : 0;
        shares[i] = sum > 0 && parts[0] != NULL ? parts[0][i] / sum : NAN;
    }
    return 0;
}

static void put_planned(struct page *page, const struct planned *planned)
{
    struct sim_plot plot = {.title = planned->title,
                            .unit = planned->unit,
                            .note = planned->note,
                            .percent = planned->percent,
                            .log = planned->log};

    for (size_t i = 0; i < SIM_PLOT_MAX_LINES && planned->lines[i].series != NULL; i++) {
        const double *values = series_of(page, planned->lines[i].series);

        if (tells(page, values))
            plot.lines[plot.line_count++] =
                (struct sim_plot_line){planned->lines[i].label, values, planned->lines[i].peaks};
    }
    if (plot.line_count > 0)
        sim_plot_put(page->out, &page->axis, &plot);
}

/* put_methods shows the messages that make up most of the traffic, the largest first. */
static void put_methods(struct page *page)
{
    struct sim_plot plot = {.title = "Traffic by message",
                            .unit = "byte/s of all nodes",
                            .note = "The six largest; each step up is ten times as much.",
                            .log = true};
    char labels[SIM_PLOT_MAX_LINES][RF_SIM_NAME_LEN];
    const double *taken[SIM_PLOT_MAX_LINES];

    for (; plot.line_count < SIM_PLOT_MAX_LINES; plot.line_count++) {
        size_t n = plot.line_count;
        double most = 0;

        for (size_t i = 0; i < rf_sim_series_count(page->report->sim); i++) {
            struct rf_sim_series series;
            bool new = true;

            rf_sim_series(page->report->sim, i, &series);
            for (size_t k = 0; k < n; k++)
                new = new &&taken[k] != series.values;
            if (strncmp(series.name, "method.", 7) != 0 || !new || mean_of(page, series.values) <= most)
                continue;
            most = mean_of(page, series.values);
            taken[n] = series.values;
            labels[n][0] = 0;
            strncat(labels[n], series.name + 7, strcspn(series.name + 7, "."));
        }
        if (most <= 0)
            break;
        plot.lines[n] = (struct sim_plot_line){labels[n], taken[n], false};
    }
    if (plot.line_count > 0)
        sim_plot_put(page->out, &page->axis, &plot);
}

/* ---- words and tables ---- */

static void put_tile(struct page *page, const char *label, const char *metric, double factor,
                     const char *unit)
{
    double value;

    if (rf_sim_metric(page->report->sim, metric, 0, 0, &value) != 0)
        return;
    rf_buf_printf(page->out, "<div><span>%s</span><b>", label);
    sim_number_put(page->out, value * factor);
    rf_buf_printf(page->out, "<small>%s</small></b></div>", unit);
}

static void put_head(struct page *page)
{
    const struct rf_sim_report *report = page->report;
    bool passed = rf_sim_passed(report->sim);
    struct rf_sim_figures f;

    rf_sim_figures(report->sim, &f);
    rf_buf_str(page->out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    sim_html_put(page->out, report->text->scenario.name);
    rf_buf_printf(page->out,
                  ": %s</title><style>%s</style></head><body><header><p class=\"verdict %s\">%s %s</p><h1>",
                  passed ? "pass" : "fail", sim_report_style, passed ? "pass" : "fail", passed ? "✓" : "✗",
                  passed ? "pass" : "fail");
    sim_html_put(page->out, report->text->title);
    rf_buf_str(page->out, "</h1><p class=\"about\">");
    sim_html_put(page->out, report->text->about);
    rf_buf_str(page->out, "</p><p class=\"facts\">");
    rf_buf_printf(page->out, "%zu supernodes, %zu clients · ", report->text->scenario.supernodes,
                  report->text->scenario.clients);
    sim_time_put(page->out, (double)f.now_us / 1e6);
    rf_buf_str(page->out, " of virtual time in ");
    sim_time_put(page->out, report->wall_s);
    rf_buf_printf(page->out, " · seed %llu · trace %016llx · crypto %s", (unsigned long long)report->seed,
                  (unsigned long long)rf_sim_trace_hash(report->sim), report->crypto);
    rf_buf_str(page->out, "</p><pre>");
    sim_html_put(page->out, report->command);
    rf_buf_str(page->out, "</pre></header>\n<section class=\"tiles\">");
    put_tile(page, "lookups right", "lookup.right_share", 100, "%");
    put_tile(page, "lookup, median", "lookup.p50_ms", 1, "ms");
    put_tile(page, "lookup, 99%", "lookup.p99_ms", 1, "ms");
    put_tile(page, "overlay hops, mean", "hops.mean", 1, "");
    put_tile(page, "sent per supernode", "bytes.mean:mean", 1, "byte/s");
    put_tile(page, "maintenance", "maintenance.bytes:mean", 1, "byte/s");
    put_tile(page, "busiest CPU", "cpu.max:max", 1, "%");
    put_tile(page, "wrong in the ring, at the end", "ring.wrong_last", 1, "");
    rf_buf_str(page->out, "</section>\n");
}

static void put_check_value(struct rf_buf *out, const char *metric, double value)
{
    if (isnan(value))
        rf_buf_str(out, "no data");
    else if (strstr(metric, "share") != NULL)
        rf_buf_printf(out, "%.5g%%", 100 * value);
    else if (strstr(metric, "_ms") != NULL)
        rf_buf_printf(out, "%.4g ms", value);
    else if (strstr(metric, "_s") != NULL && strcmp(strstr(metric, "_s"), "_s") == 0)
        rf_buf_printf(out, "%.4g s", value);
    else
        sim_number_put(out, value);
}

static void put_checks(struct page *page)
{
    struct rf_buf *out = page->out;

    rf_buf_str(out,
               "<section><h2>Checks</h2><table><tr><th></th><th>check</th><th>of</th><th>from</th><th>to</th>"
               "<th class=\"n\">is</th><th class=\"n\">must be</th></tr>\n");
    for (size_t i = 0; i < rf_sim_check_count(page->report->sim); i++) {
        struct rf_sim_check_result r;

        rf_sim_check_result(page->report->sim, i, &r);
        rf_buf_printf(out, "<tr class=\"%s\"><td class=\"mark\">%s</td><td>", r.pass ? "pass" : "fail",
                      r.pass ? "✓ pass" : "✗ fail");
        sim_html_put(out, r.check->name);
        rf_buf_str(out, "</td><td><code>");
        sim_html_put(out, r.check->metric);
        rf_buf_str(out, "</code></td><td>");
        sim_time_put(out, (double)r.check->from_us / 1e6);
        rf_buf_str(out, "</td><td>");
        if (r.check->to_us == 0)
            rf_buf_str(out, "end");
        else
            sim_time_put(out, (double)r.check->to_us / 1e6);
        rf_buf_str(out, "</td><td class=\"n\"><b>");
        put_check_value(out, r.check->metric, r.value);
        rf_buf_printf(out, "</b></td><td class=\"n\">%s ", r.check->at_least ? "≥" : "≤");
        put_check_value(out, r.check->metric, r.check->limit);
        rf_buf_str(out, "</td></tr>\n");
    }
    rf_buf_str(out, "</table></section>\n");
}

static void put_events(struct page *page)
{
    rf_buf_str(page->out, "<section><h2>What happened</h2><table><tr><th class=\"n\">no.</th><th "
                          "class=\"n\">at</th><th>step</th></tr>\n");
    for (size_t i = 0; i < page->axis.event_count; i++) {
        const struct rf_sim_event *event = &page->axis.events[i];

        rf_buf_printf(page->out, "<tr><td class=\"n event-%s\">%zu</td><td class=\"n\">",
                      sim_event_kind(event->type), i + 1);
        sim_time_put(page->out, (double)event->at_us / 1e6);
        rf_buf_str(page->out, "</td><td><code>");
        sim_html_put(page->out, event->text);
        rf_buf_str(page->out, "</code></td></tr>\n");
    }
    rf_buf_str(page->out, "</table></section>\n");
}

static void put_options(struct page *page)
{
    const struct rf_sim_text *text = page->report->text;

    rf_buf_str(
        page->out,
        "<section><h2>Options</h2><table><tr><th>option</th><th>value</th><th>what it means</th></tr>\n");
    for (size_t i = 0; i < text->option_count; i++) {
        const struct rf_sim_option *option = &text->options[i];

        rf_buf_printf(page->out, "<tr%s><td><code>", option->overridden ? " class=\"set\"" : "");
        sim_html_put(page->out, option->name);
        rf_buf_str(page->out, "</code></td><td>");
        sim_html_put(page->out, option->text);
        rf_buf_str(page->out, option->overridden ? " <small>(--set)</small></td><td>" : "</td><td>");
        sim_html_put(page->out, option->meaning);
        rf_buf_str(page->out, "</td></tr>\n");
    }
    rf_buf_str(page->out, "</table></section>\n");
}

int rf_sim_report_html(const struct rf_sim_report *report, struct rf_buf *out)
{
    struct page page = {.out = out, .report = report};
    int error = 0;

    RF_ASSERT(out->mem != NULL);
    page.axis = (struct sim_axis){.sample_count = rf_sim_sample_count(report->sim),
                                  .sample_s = (double)report->text->scenario.sample_us / 1e6,
                                  .duration_s = (double)report->text->scenario.duration_us / 1e6,
                                  .events = report->text->events,
                                  .event_count = report->text->scenario.step_count};
    for (int op = 0; op < RF_SIM_OP_COUNT && error == 0; op++)
        error = make_shares(&page, (enum rf_sim_op_type)op);
    if (error == 0) {
        put_head(&page);
        put_checks(&page);
        rf_buf_str(out, "<section class=\"plots\">\n");
        for (size_t i = 0; i < RF_COUNT(plots); i++)
            put_planned(&page, &plots[i]);
        put_methods(&page);
        rf_buf_str(out, "</section>\n");
        put_events(&page);
        put_options(&page);
        rf_buf_str(
            out,
            "<footer>made by ringfolk-sim; docs/simulator.md says how to read it</footer></body></html>\n");
    }
    for (int op = 0; op < RF_SIM_OP_COUNT; op++)
        rf_free(out->mem, page.shares[op]);
    return error != 0 ? error : rf_buf_error(out);
}
