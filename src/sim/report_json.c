/* report_json.c - a run as one JSON object. */
#include "sim/report.h"

#include <math.h>
#include "base/assert.h"
#include "base/error.h"

static void put_string(struct rf_buf *out, const char *text)
{
    rf_buf_u8(out, '"');
    for (; *text != 0; text++) {
        uint8_t c = (uint8_t)*text;

        if (c == '"' || c == '\\')
            rf_buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            rf_buf_printf(out, "\\u%04x", c);
        else
            rf_buf_u8(out, c);
    }
    rf_buf_u8(out, '"');
}

static void put_double(struct rf_buf *out, double value)
{
    if (isfinite(value))
        rf_buf_printf(out, "%.10g", value);
    else
        rf_buf_str(out, "null");
}

static void put_key(struct rf_buf *out, const char *key, bool *first)
{
    rf_buf_str(out, *first ? "\n  " : ",\n  ");
    *first = false;
    put_string(out, key);
    rf_buf_str(out, ": ");
}

static void put_options(const struct rf_sim_report *report, struct rf_buf *out)
{
    const struct rf_sim_text *text = report->text;
    const char *comma = "";

    rf_buf_str(out, "{");
    for (size_t i = 0; i < text->option_count; i++) {
        const struct rf_sim_option *option = &text->options[i];

        rf_buf_str(out, comma);
        put_string(out, option->name);
        rf_buf_str(out, ": ");
        if (isnan(option->value))
            put_string(out, option->text);
        else
            put_double(out, option->value);
        comma = ", ";
    }
    rf_buf_str(out, "}");
}

static void put_checks(const struct rf_sim_report *report, struct rf_buf *out)
{
    size_t count = rf_sim_check_count(report->sim);

    rf_buf_str(out, "[");
    for (size_t i = 0; i < count; i++) {
        struct rf_sim_check_result result;

        rf_sim_check_result(report->sim, i, &result);
        rf_buf_str(out, i > 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        put_string(out, result.check->name);
        rf_buf_printf(out, ", \"pass\": %s, \"value\": ", result.pass ? "true" : "false");
        put_double(out, result.value);
        rf_buf_str(out, ", \"limit\": ");
        put_double(out, result.check->limit);
        rf_buf_printf(out, ", \"wanted\": \"%s\", \"metric\": ", result.check->at_least ? ">=" : "<=");
        put_string(out, result.check->metric);
        rf_buf_str(out, "}");
    }
    rf_buf_str(out, count > 0 ? "\n  ]" : "]");
}

/* What is worth knowing of most runs; those that a run has no data for are left out. */
static const char *const metrics[] = {
    "lookup.right_share",
    "lookup.ended",
    "lookup.mean_ms",
    "lookup.p50_ms",
    "lookup.p95_ms",
    "lookup.p99_ms",
    "ping.right_share",
    "ping.p50_ms",
    "store.right_share",
    "store.p50_ms",
    "store.p99_ms",
    "fetch.right_share",
    "fetch.p50_ms",
    "fetch.p99_ms",
    "history.operations",
    "history.reads",
    "history.excused",
    "history.lost",
    "history.rolled_back",
    "history.vanished",
    "history.order",
    "history.trespasses",
    "hops.mean",
    "hops.p99",
    "hops.max",
    "messages_per_lookup",
    "ring.wrong_last",
    "bytes.mean:mean",
    "maintenance.bytes:mean",
    "maintenance.messages:mean",
    "client.bytes:mean",
    "links.mean:last",
    "links.max:max",
    "cpu.mean:mean",
    "cpu.max:max",
    "queue.max:max",

    "killed_by_nobody",
};

static void put_metrics(const struct rf_sim_report *report, struct rf_buf *out)
{
    const char *comma = "";

    rf_buf_str(out, "{");
    for (size_t i = 0; i < RF_COUNT(metrics); i++) {
        double value;

        if (rf_sim_metric(report->sim, metrics[i], 0, 0, &value) != 0)
            continue;
        rf_buf_str(out, comma);
        put_string(out, metrics[i]);
        rf_buf_str(out, ": ");
        put_double(out, value);
        comma = ", ";
    }
    rf_buf_str(out, "}");
}

/* put_violations: what the history of stored values found wrong, the first hundred. */
static void put_violations(const struct rf_sim_report *report, struct rf_buf *out)
{
    struct rf_sim_violation violation;
    size_t i;

    rf_buf_str(out, "[");
    for (i = 0; rf_sim_violation(report->sim, i, &violation); i++) {
        rf_buf_str(out, i > 0 ? ",\n    {\"kind\": " : "\n    {\"kind\": ");
        put_string(out, violation.kind);
        rf_buf_str(out, ", \"at_s\": ");
        put_double(out, (double)violation.at_us / 1e6);
        rf_buf_str(out, ", \"what\": ");
        put_string(out, violation.text);
        rf_buf_str(out, "}");
    }
    rf_buf_str(out, i > 0 ? "\n  ]" : "]");
}

static void put_figures(const struct rf_sim_report *report, struct rf_buf *out)
{
    struct rf_sim_figures f;

    rf_sim_figures(report->sim, &f);
    rf_buf_printf(
        out,
        "{\"virtual_s\": %.6g, \"events\": %llu, \"messages\": %llu, \"bytes\": %llu, \"supernodes_up\": "
        "%zu, "
        "\"supernodes_joined\": %zu, \"clients_up\": %zu, \"clients_joined\": %zu, \"registered\": %zu, "
        "\"connections\": %zu}",
        (double)f.now_us / 1e6, (unsigned long long)f.events, (unsigned long long)f.messages,
        (unsigned long long)f.bytes, f.supernodes_up, f.supernodes_joined, f.clients_up, f.clients_joined,
        f.registered, f.connections);
}

/* put_machine: what depends on the machine and on its mood, so apart from what the seed decides. */
static void put_machine(const struct rf_sim_report *report, struct rf_buf *out)
{
    struct rf_sim_figures f;

    rf_sim_figures(report->sim, &f);
    rf_buf_printf(out,
                  "{\"wall_s\": %.6g, \"cpu_s\": %.6g, \"peak_bytes\": %llu, \"super_bytes\": %llu, "
                  "\"client_bytes\": %llu, \"shell_bytes\": %llu, \"asleep\": %zu, \"asleep_bytes\": %llu, "
                  "\"shards\": %zu, \"events_per_s\": ",
                  report->wall_s, report->cpu_s, (unsigned long long)report->peak_bytes,
                  (unsigned long long)f.super_bytes, (unsigned long long)f.client_bytes,
                  (unsigned long long)f.shell_bytes, f.asleep, (unsigned long long)f.asleep_bytes,
                  report->shards);
    put_double(out, (double)f.events / report->wall_s);
    rf_buf_str(out, "}");
}

int rf_sim_report_json(const struct rf_sim_report *report, struct rf_buf *out)
{
    bool first = true;

    rf_buf_str(out, "{");
    put_key(out, "scenario", &first);
    put_string(out, report->text->scenario.name);
    put_key(out, "title", &first);
    put_string(out, report->text->title);
    put_key(out, "seed", &first);
    rf_buf_printf(out, "%llu", (unsigned long long)report->seed);
    put_key(out, "crypto", &first);
    put_string(out, report->crypto);
    put_key(out, "options", &first);
    put_options(report, out);
    put_key(out, "verdict", &first);
    put_string(out, rf_sim_passed(report->sim) ? "pass" : "fail");
    put_key(out, "trace_hash", &first);
    rf_buf_printf(out, "\"%016llx\"", (unsigned long long)rf_sim_trace_hash(report->sim));
    put_key(out, "command", &first);
    put_string(out, report->command);
    put_key(out, "checks", &first);
    put_checks(report, out);
    put_key(out, "metrics", &first);
    put_metrics(report, out);
    put_key(out, "violations", &first);
    put_violations(report, out);
    put_key(out, "figures", &first);
    put_figures(report, out);
    put_key(out, "machine", &first);
    put_machine(report, out);
    rf_buf_str(out, "\n}\n");
    return rf_buf_error(out);
}
