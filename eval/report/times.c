/* Times of tokens and requests: percentiles of all models, and the distribution of one. See
 * figures.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report/drawing.h"
#include "eval/report/markup.h"

enum { MAX_BARS = 40 };

static const struct {
    const char *key, *title;
} kinds[SWG_N_TIMES] = {
    [SWG_TIME_ttft_ms] = {"ttft_ms", "Time to the first token"},
    [SWG_TIME_tpot_ms] = {"tpot_ms", "Time per output token"},
    [SWG_TIME_token_ms] = {"token_ms", "Time between two tokens"},
    [SWG_TIME_e2e_ms] = {"e2e_ms", "Time of a whole request"},
};

/* The percentiles of one model, with their intervals; NaN where absent. */
typedef struct bar {
    const swg_report_item *item;
    double p50, p50_low, p50_high, p90, p99, p99_low, p99_high;
} bar;

static bar bar_of(const swg_report_item *item, swg_time_kind kind)
{
    const swg_result *r = item->result;
    switch (kind) {
#define TIME_CASE(key)                                                                             \
    case SWG_TIME_##key:                                                                           \
        return (bar){item,         r->key##_p50, r->key##_p50_low, r->key##_p50_high,              \
                     r->key##_p90, r->key##_p99, r->key##_p99_low, r->key##_p99_high}
        TIME_CASE(ttft_ms);
        TIME_CASE(tpot_ms);
        TIME_CASE(token_ms);
        TIME_CASE(e2e_ms);
#undef TIME_CASE
    case SWG_N_TIMES:
        break;
    }
    return (bar){item, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

const char *swg_time_key(swg_time_kind kind)
{
    return kinds[kind].key;
}

const char *swg_time_title(swg_time_kind kind)
{
    return kinds[kind].title;
}

bool swg_time_has(const swg_report *report, swg_time_kind kind)
{
    for (size_t i = 0; i < report->n_items; i++)
        if (!isnan(bar_of(&report->items[i], kind).p50))
            return true;
    return false;
}

/* The bars of a figure: models in file order, at most MAX_BARS. */
typedef struct times {
    swg_svg_area area;
    bar bars[MAX_BARS];
    size_t n, n_left_out;
    double pitch;    /* from bar to bar */
    bool name_above; /* names stand above the bars, not beside them */
    swg_axis axis;
} times;

static void collect_bars(const swg_report *report, swg_time_kind kind, times *t)
{
    for (size_t i = 0; i < report->n_items; i++) {
        const bar b = bar_of(&report->items[i], kind);
        if (isnan(b.p50))
            continue;
        if (t->n < MAX_BARS)
            t->bars[t->n++] = b;
        else
            t->n_left_out++;
    }
}

static void fit_times(times *t)
{
    enum { PER_BAR = 5 };
    double values[PER_BAR * MAX_BARS];
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const bar *b = &t->bars[i];
        const double all[PER_BAR] = {b->p50, b->p90, b->p99, b->p99_high, b->p50_low};
        memcpy(values + n, all, sizeof all);
        n += PER_BAR;
    }
    t->axis = swg_axis_fit(values, n, t->area.left, t->area.right);
}

/* An interval as a thin line with ends. */
static void draw_interval(const times *t, double low, double high, double y, swg_strbuf *out)
{
    if (isnan(low) || isnan(high))
        return;
    const double from = swg_axis_at(&t->axis, low), to = swg_axis_at(&t->axis, high);
    swg_strbuf_printf(out, "<path class=\"ax\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>",
                      from, y, to, from, y - 3, to, y - 3);
}

static void draw_bar(const times *t, size_t i, swg_strbuf *out)
{
    char p50[48], p90[48], p99[48], classes[16];
    const bar *b = &t->bars[i];
    const double y = t->area.top + t->pitch * ((double)i + 0.5) + (t->name_above ? 7 : 0);
    const double from = swg_axis_at(&t->axis, b->p50);
    double to = from;
    swg_strbuf_puts(out, "<g><title>");
    swg_markup_short(out, b->item->result->id, 80);
    swg_strbuf_printf(out, ": median %s", swg_unit_format(SWG_UNIT_MS, b->p50, p50));
    if (!isnan(b->p90)) {
        to = swg_axis_at(&t->axis, b->p90);
        swg_strbuf_printf(out, ", 90 %% within %s", swg_unit_format(SWG_UNIT_MS, b->p90, p90));
    }
    if (!isnan(b->p99)) {
        to = swg_axis_at(&t->axis, b->p99);
        swg_strbuf_printf(out, ", 99 %% within %s", swg_unit_format(SWG_UNIT_MS, b->p99, p99));
    }
    swg_strbuf_puts(out, "</title>");
    snprintf(classes, sizeof classes, "pt s%zu", b->item->series);
    swg_svg_rect(out, classes, from, y - 4, fmax(to - from, 0.1), 8);
    if (!isnan(b->p90)) {
        const double x = swg_axis_at(&t->axis, b->p90);
        swg_svg_line(out, "ax", x, y - 4, x, y + 4);
    }
    draw_interval(t, b->p50_low, b->p50_high, y, out);
    draw_interval(t, b->p99_low, b->p99_high, y, out);
    swg_svg_mark(out, b->item->series, true, from, y);
    swg_strbuf_puts(out, "</g>\n");
    if (t->name_above)
        swg_svg_text(out, "l", t->area.left, y - 10, "start", b->item->result->id, 40);
    else
        swg_svg_text(out, "l", t->area.left - 8, y + 4, "end", b->item->result->id, 26);
}

swg_status swg_times_svg(const swg_report *report, swg_time_kind kind, swg_figure_form form,
                         const char *name, swg_strbuf *out)
{
    const bool is_narrow = form == SWG_FIGURE_NARROW;
    const int width = is_narrow ? 360 : 760;
    times t = {.name_above = is_narrow, .pitch = is_narrow ? 34 : 24};
    char text[240], heading[96];
    collect_bars(report, kind, &t);
    const int height = (int)(t.pitch * (double)t.n) + 66;
    t.area = (swg_svg_area){is_narrow ? 12 : 184, width - 24, 12, height - 46};
    fit_times(&t);
    snprintf(
        text, sizeof text,
        "%zu models: a mark at the median, a bar to the 99th percentile (or the 90th where that "
        "is all there is), a line across at the 90th, thin lines with ends for intervals%s.",
        t.n, t.n_left_out ? "; further models are left out" : "");
    swg_svg_begin(out, form, name, width, height, kinds[kind].title, text);
    snprintf(heading, sizeof heading, "%s (ms)", kinds[kind].title);
    swg_svg_x_axis(out, &t.axis, &t.area, SWG_UNIT_MS, is_narrow ? 5 : 9, heading);
    for (size_t i = 0; i < t.n; i++)
        draw_bar(&t, i, out);
    swg_svg_end(out);
    return SWG_OK;
}

/* --- The distribution of one model ------------------------------------------------------------ */

swg_status swg_histogram_svg(const swg_result *result, const swg_result_histogram *histogram,
                             swg_figure_form form, const char *name, swg_strbuf *out)
{
    const int width = 360, height = 190;
    const swg_svg_area area = {46, width - 14, 26, height - 46};
    int64_t most = 1;
    char title[160], text[160], heading[96];
    double total = 0;
    for (size_t i = 0; i < histogram->n_bins; i++) {
        most = histogram->counts[i] > most ? histogram->counts[i] : most;
        total += (double)histogram->counts[i];
    }
    const double counts[] = {0, (double)most};
    swg_axis y = swg_axis_fit(counts, 2, area.bottom, area.top);
    const swg_axis x = swg_axis_fit(histogram->edges, histogram->n_bins + 1, area.left, area.right);
    const char *words = histogram->name;
    for (size_t k = 0; k < SWG_N_TIMES; k++)
        if (strcmp(kinds[k].key, histogram->name) == 0)
            words = kinds[k].title;
    snprintf(title, sizeof title, "%.60s: %.60s", result->id, words);
    snprintf(text, sizeof text, "A histogram of %.0f values from %.4g to %.4g ms.", total,
             histogram->edges[0], histogram->edges[histogram->n_bins]);
    swg_svg_begin(out, form, name, width, height, title, text);
    snprintf(heading, sizeof heading, "%.60s (ms)", words);
    swg_svg_x_axis(out, &x, &area, SWG_UNIT_MS, 5, heading);
    swg_svg_y_axis(out, &y, &area, SWG_UNIT_PLAIN, 4, "Count");
    for (size_t i = 0; i < histogram->n_bins; i++) {
        if (histogram->counts[i] == 0)
            continue;
        const double left = swg_axis_at(&x, histogram->edges[i]),
                     right = swg_axis_at(&x, histogram->edges[i + 1]),
                     top = swg_axis_at(&y, (double)histogram->counts[i]);
        swg_svg_rect(out, "s0", left, top, fmax(right - left - 0.5, 0.8), area.bottom - top);
    }
    swg_svg_end(out);
    return SWG_OK;
}
