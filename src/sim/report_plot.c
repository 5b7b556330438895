/* report_plot.c - plots: scales, lines, marks of events. */
#include "sim/report_plot.h"

#include <math.h>
#include "base/assert.h"

/* in units of the viewBox */
#define WIDTH   620.0
#define HEIGHT  220.0
#define LEFT    52.0
#define RIGHT   10.0
#define TOP     16.0
#define BOTTOM  26.0
#define INNER_W (WIDTH - LEFT - RIGHT)
#define INNER_H (HEIGHT - TOP - BOTTOM)

#define POINTS_MAX 280
#define GAP_MAX    8 /* points without a value that a line goes over */

void sim_html_put(struct rf_buf *out, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '<')
            rf_buf_str(out, "&lt;");
        else if (*text == '>')
            rf_buf_str(out, "&gt;");
        else if (*text == '&')
            rf_buf_str(out, "&amp;");
        else if (*text == '"')
            rf_buf_str(out, "&quot;");
        else
            rf_buf_u8(out, (uint8_t)*text);
    }
}

void sim_number_put(struct rf_buf *out, double value)
{
    double size = fabs(value);

    if (!isfinite(value))
        rf_buf_str(out, "–");
    else if (size >= 1e9)
        rf_buf_printf(out, "%.3gG", value / 1e9);
    else if (size >= 1e6)
        rf_buf_printf(out, "%.3gM", value / 1e6);
    else if (size >= 1e4)
        rf_buf_printf(out, "%.3gk", value / 1e3);
    else if (size >= 1000)
        rf_buf_printf(out, "%.0f", value);
    else
        rf_buf_printf(out, "%.3g", value);
}

void sim_time_put(struct rf_buf *out, double seconds)
{
    if (seconds == 0)
        rf_buf_str(out, "0");
    else if (seconds < 120 && seconds != 60)
        rf_buf_printf(out, "%.4g s", seconds);
    else if (seconds < 7200)
        rf_buf_printf(out, "%.4g min", seconds / 60);
    else if (seconds < 2 * 86400)
        rf_buf_printf(out, "%.4g h", seconds / 3600);
    else
        rf_buf_printf(out, "%.4g d", seconds / 86400);
}

const char *sim_event_kind(enum rf_sim_step_type type)
{
    switch (type) {
    case RF_SIM_STEP_KILL:
    case RF_SIM_STEP_LEAVE:
    case RF_SIM_STEP_CHURN:
    case RF_SIM_STEP_PARTITION:
    case RF_SIM_STEP_CUT:
    case RF_SIM_STEP_SLOW:
    case RF_SIM_STEP_LOSS:
    case RF_SIM_STEP_CLOCK:
    case RF_SIM_STEP_DUPLICATE:
    case RF_SIM_STEP_REORDER:
    case RF_SIM_STEP_NAT_RESET:
        return "fault";
    case RF_SIM_STEP_HEAL:
    case RF_SIM_STEP_RESTART:
        return "cure";
    default:
        return "other";
    }
}

/* A plot while it is drawn. */
struct canvas {
    struct rf_buf *out;
    const struct sim_axis *axis;
    const struct sim_plot *plot;
    double low, high; /* of the vertical axis; of its logarithm with plot->log */
    size_t points;    /* samples are put together to at most POINTS_MAX of them */
};

static double x_of(const struct canvas *c, double seconds)
{
    return LEFT + INNER_W * (c->axis->duration_s > 0 ? seconds / c->axis->duration_s : 0);
}

static double y_of(const struct canvas *c, double value)
{
    double at = c->plot->log ? log10(fmax(value, 1e-9)) : value;

    at = (at - c->low) / (c->high - c->low);
    return TOP + INNER_H * (1 - fmin(fmax(at, 0), 1));
}

/* point_value puts the samples of one point together; NaN when there are none. */
static double point_value(const struct canvas *c, const struct sim_plot_line *line, size_t point)
{
    size_t from = point * c->axis->sample_count / c->points,
           to = (point + 1) * c->axis->sample_count / c->points;
    double sum = 0, most = NAN;
    size_t count = 0;

    for (size_t i = from; i < to; i++) {
        if (isnan(line->values[i]))
            continue;
        sum += line->values[i];
        most = fmax(most, line->values[i]); /* of NaN and a number the number */
        count++;
    }
    if (count == 0)
        return NAN;
    return line->peaks ? most : sum / (double)count;
}

static double point_seconds(const struct canvas *c, size_t point)
{
    return ((double)point + 0.5) * (double)c->axis->sample_count / (double)c->points * c->axis->sample_s;
}

/* find_scale looks for the ends of the vertical axis; false: nothing to show. */
static bool find_scale(struct canvas *c)
{
    double least = NAN, most = NAN;

    for (size_t i = 0; i < c->plot->line_count; i++)
        for (size_t k = 0; k < c->points; k++) {
            double value = point_value(c, &c->plot->lines[i], k);

            if (!c->plot->log || value > 0)
                least = fmin(least, value);
            most = fmax(most, value);
        }
    if (isnan(most))
        return false;
    if (c->plot->log) {
        c->low = floor(log10(fmax(isnan(least) ? most : least, 1e-9)));
        c->high = fmax(ceil(log10(fmax(most, 1e-9))), c->low + 1);
    } else if (c->plot->percent) {
        c->high = 1;
        c->low = least >= 0.99 ? 0.98 : least >= 0.9 ? 0.8 : 0;
    } else {
        double step = pow(10, floor(log10(fmax(most, 1e-9))));

        c->low = 0;
        c->high = most <= 0      ? 1
                  : most <= step ? step
                                 : 2 * step * ceil(most / step / 2); /* four even parts */
    }
    return true;
}

static void put_grid_line(struct canvas *c, double value)
{
    double y = y_of(c, value);

    rf_buf_printf(c->out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                  WIDTH - RIGHT, y, y);
    rf_buf_printf(c->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6,
                  y + 3.5);
    if (c->plot->percent)
        rf_buf_printf(c->out, "%.4g%%", 100 * value);
    else
        sim_number_put(c->out, value);
    rf_buf_str(c->out, "</text>");
}

static void put_vertical_axis(struct canvas *c)
{
    if (c->plot->log) {
        for (double power = c->low; power <= c->high + 0.5; power++)
            put_grid_line(c, pow(10, power));
    } else {
        for (int i = 0; i <= 4; i++)
            put_grid_line(c, c->low + (c->high - c->low) * i / 4);
    }
}

static void put_time_axis(struct canvas *c)
{
    static const double steps[] = {1,    2,    5,    10,    30,    60,    120,   300,    600,   1200,
                                   1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800};
    double step = steps[RF_COUNT(steps) - 1];

    for (size_t i = RF_COUNT(steps); i-- > 0;)
        if (c->axis->duration_s / steps[i] <= 8)
            step = steps[i];
    for (double at = 0; at <= c->axis->duration_s * 1.0001; at += step) {
        double x = x_of(c, at);

        rf_buf_printf(c->out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x,
                      HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
        rf_buf_printf(c->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, HEIGHT - 8,
                      x > WIDTH - 3 * RIGHT ? "end" : "middle");
        sim_time_put(c->out, at);
        rf_buf_str(c->out, "</text>");
    }
}

/* put_events marks what happened: a line where it began, a band as long as it lasted, its number when there is room. */
static void put_events(struct canvas *c)
{
    double last_x = -100;

    for (size_t i = 0; i < c->axis->event_count; i++) {
        const struct rf_sim_event *event = &c->axis->events[i];
        const char *kind = sim_event_kind(event->type);
        double x = x_of(c, (double)event->at_us / 1e6),
               end = x_of(c, (double)(event->at_us + event->over_us) / 1e6);

        if (x > WIDTH - RIGHT)
            continue;
        end = fmin(end, WIDTH - RIGHT);
        rf_buf_printf(c->out, "<g class=\"event %s\"><title>", kind);
        sim_time_put(c->out, (double)event->at_us / 1e6);
        rf_buf_str(c->out, ": ");
        sim_html_put(c->out, event->text);
        rf_buf_str(c->out, "</title>");
        if (end - x > 1)
            rf_buf_printf(c->out, "<rect x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" height=\"%.1f\"/>", x, end - x,
                          TOP, INNER_H);
        rf_buf_printf(c->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, TOP,
                      HEIGHT - BOTTOM);
        if (x - last_x > 16) {
            rf_buf_printf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>", x, TOP - 5,
                          i + 1);
            last_x = x;
        }
        rf_buf_str(c->out, "</g>");
    }
}

/* put_line draws over short gaps: what is measured now and then is a line, too. */
static void put_line(struct canvas *c, size_t number)
{
    const struct sim_plot_line *line = &c->plot->lines[number];
    size_t gap = POINTS_MAX;

    rf_buf_printf(c->out, "<path class=\"s%zu\" d=\"", number + 1);
    for (size_t i = 0; i < c->points; i++, gap++) {
        double value = point_value(c, line, i);

        if (isnan(value))
            continue;
        /* h0: a point that stands alone is a dot, since the ends of lines are round */
        rf_buf_printf(c->out, "%s%.1f %.1f%s", gap <= GAP_MAX ? "L" : "M", x_of(c, point_seconds(c, i)),
                      y_of(c, value), gap <= GAP_MAX ? "" : "h0");
        gap = 0;
    }
    rf_buf_str(c->out, "\"/>");
}

/* put_values lays an invisible column over each point, whose title the browser shows: what was when. */
static void put_values(struct canvas *c)
{
    double width = INNER_W / (double)c->points;

    rf_buf_str(c->out, "<g class=\"values\">");
    for (size_t i = 0; i < c->points; i++) {
        double at = point_seconds(c, i);

        rf_buf_printf(c->out, "<rect x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" height=\"%.1f\"><title>",
                      x_of(c, at) - width / 2, width, TOP, INNER_H);
        sim_time_put(c->out, at);
        for (size_t k = 0; k < c->plot->line_count; k++) {
            double value = point_value(c, &c->plot->lines[k], i);

            rf_buf_printf(c->out, "\n%s: ", c->plot->lines[k].label);
            if (c->plot->percent && !isnan(value))
                rf_buf_printf(c->out, "%.4g%%", 100 * value);
            else
                sim_number_put(c->out, value);
        }
        rf_buf_str(c->out, "</title></rect>");
    }
    rf_buf_str(c->out, "</g>");
}

static void put_heading(const struct canvas *c)
{
    rf_buf_str(c->out, "<figure><figcaption><b>");
    sim_html_put(c->out, c->plot->title);
    rf_buf_str(c->out, "</b> <span class=\"unit\">");
    sim_html_put(c->out, c->plot->unit);
    rf_buf_str(c->out, "</span>");
    if (c->plot->note != NULL) {
        rf_buf_str(c->out, "<p>");
        sim_html_put(c->out, c->plot->note);
        rf_buf_str(c->out, "</p>");
    }
    rf_buf_str(c->out, "<div class=\"legend\">");
    for (size_t i = 0; i < c->plot->line_count; i++) {
        rf_buf_printf(c->out, "<span><i class=\"s%zu\"></i>", i + 1);
        sim_html_put(c->out, c->plot->lines[i].label);
        rf_buf_str(c->out, "</span>");
    }
    rf_buf_str(c->out, "</div>");
    rf_buf_str(c->out, "</figcaption>");
}

void sim_plot_put(struct rf_buf *out, const struct sim_axis *axis, const struct sim_plot *plot)
{
    struct canvas c = {.out = out, .axis = axis, .plot = plot};

    c.points = axis->sample_count < POINTS_MAX ? axis->sample_count : POINTS_MAX;
    if (c.points == 0 || !find_scale(&c))
        return;
    put_heading(&c);
    rf_buf_printf(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    sim_html_put(out, plot->title);
    rf_buf_str(out, "\">");
    put_vertical_axis(&c);
    put_time_axis(&c);
    put_events(&c);
    for (size_t i = 0; i < plot->line_count; i++)
        put_line(&c, i);
    put_values(&c);
    rf_buf_str(out, "</svg></figure>\n");
}
