/* One mark per model: a figure against another one. See figures.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report/drawing.h"
#include "eval/report/markup.h"

/* One model's place. */
typedef struct mark {
    const swg_report_item *item;
    double x, y, low, high; /* values; the ends are equal where y has no interval */
    double at_x, at_y;      /* pixels */
    bool is_on_front;
} mark;

typedef struct scatter {
    const swg_report *report;
    swg_metric_id x, y;
    bool is_narrow;
    mark *marks;
    size_t n;
    swg_svg_area area;
    swg_axis x_axis, y_axis;
} scatter;

bool swg_scatter_has_points(const swg_report *report, swg_metric_id x, swg_metric_id y)
{
    for (size_t i = 0; i < report->n_items; i++) {
        const swg_report_item *item = &report->items[i];
        if (!item->is_base && !isnan(swg_metric_value(x, item->result)) &&
            !isnan(swg_metric_value(y, item->result)))
            return true;
    }
    return false;
}

/* Whether p is beaten by one of the marks. */
static bool is_beaten(const scatter *s, const mark *p)
{
    for (size_t i = 0; i < s->n; i++) {
        const mark *q = &s->marks[i];
        if (!swg_metric_is_better(s->x, p->x, q->x) && !swg_metric_is_better(s->y, p->y, q->y) &&
            (swg_metric_is_better(s->x, q->x, p->x) || swg_metric_is_better(s->y, q->y, p->y)))
            return true;
    }
    return false;
}

static void collect_marks(scatter *s)
{
    for (size_t i = 0; i < s->report->n_items; i++) {
        mark m = {.item = &s->report->items[i]};
        m.x = swg_metric_value(s->x, m.item->result);
        m.y = swg_metric_value(s->y, m.item->result);
        if (isnan(m.x) || isnan(m.y))
            continue;
        swg_metric_interval(s->y, m.item->result, &m.low, &m.high);
        s->marks[s->n++] = m;
    }
    for (size_t i = 0; i < s->n; i++)
        s->marks[i].is_on_front = !is_beaten(s, &s->marks[i]);
}

/* Axes over all values, and the pixels of all marks. `values` has room for 3 per mark. */
static void fit_axes(scatter *s, double *values)
{
    for (size_t i = 0; i < s->n; i++)
        values[i] = s->marks[i].x;
    s->x_axis = swg_axis_fit(values, s->n, s->area.left, s->area.right);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        values[n++] = s->marks[i].y;
        values[n++] = s->marks[i].high;
        /* An interval that reaches 0 must not stretch a logarithmic axis. */
        if (s->marks[i].low > 0.2 * s->marks[i].y)
            values[n++] = s->marks[i].low;
    }
    s->y_axis = swg_axis_fit(values, n, s->area.bottom, s->area.top);
    for (size_t i = 0; i < s->n; i++) {
        s->marks[i].at_x = swg_axis_at(&s->x_axis, s->marks[i].x);
        s->marks[i].at_y = swg_axis_at(&s->y_axis, s->marks[i].y);
    }
}

static int compare_marks(const void *a, const void *b)
{
    const mark *const *p = a, *const *q = b;
    if ((*p)->at_x != (*q)->at_x)
        return (*p)->at_x < (*q)->at_x ? -1 : 1;
    if ((*p)->at_y != (*q)->at_y)
        return (*p)->at_y < (*q)->at_y ? -1 : 1;
    return *p < *q ? -1 : *p > *q;
}

/* The front as steps: nothing measured lies on its better side. `sorted` has room for all marks. */
static void draw_front(const scatter *s, const mark **sorted, swg_strbuf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->marks[i].is_on_front)
            sorted[n++] = &s->marks[i];
    if (n < 2)
        return;
    qsort(sorted, n, sizeof *sorted, compare_marks);
    swg_strbuf_puts(out, "<path class=\"fr\" d=\"");
    for (size_t i = 0; i < n; i++) {
        const mark *m = sorted[i];
        if (i == 0)
            swg_strbuf_printf(out, "M%.1f %.1f", m->at_x, m->at_y);
        else if (swg_metrics[s->x].more_is_better)
            swg_strbuf_printf(out, "V%.1fH%.1f", m->at_y, m->at_x);
        else
            swg_strbuf_printf(out, "H%.1fV%.1f", m->at_x, m->at_y);
    }
    swg_strbuf_puts(out, "\"/>\n");
}

/* All figures of a mark, as its title. */
static void put_words(const scatter *s, const mark *m, swg_strbuf *out)
{
    char x[48], y[48], interval[112];
    swg_markup_short(out, m->item->result->id, 80);
    swg_strbuf_printf(out, ": %s %s, %s %s", swg_metrics[s->x].title,
                      swg_metric_format(s->x, m->x, x), swg_metrics[s->y].title,
                      swg_metric_format(s->y, m->y, y));
    if (swg_metric_format_interval(s->y, m->item->result, interval))
        swg_strbuf_printf(out, " (%s)", interval);
    if (m->is_on_front)
        swg_strbuf_puts(out, "; on the front");
}

static void draw_mark(const scatter *s, const mark *m, swg_figure_form form, swg_strbuf *out)
{
    char classes[16];
    const bool is_link = form != SWG_FIGURE_FILE;
    if (is_link)
        swg_strbuf_printf(out, "<a href=\"#m%zu\">", (size_t)(m->item - s->report->items));
    swg_strbuf_puts(out, "<g><title>");
    put_words(s, m, out);
    swg_strbuf_puts(out, "</title>");
    if (m->low < m->high) {
        const double top = swg_axis_at(&s->y_axis, m->high),
                     bottom = swg_axis_at(&s->y_axis, m->low);
        snprintf(classes, sizeof classes, "eb s%zu", m->item->series);
        swg_strbuf_printf(out, "<path class=\"%s\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh6M%.1f %.1fh6\"/>",
                          classes, m->at_x, top, bottom, m->at_x - 3, top, m->at_x - 3, bottom);
    }
    swg_svg_mark(out, m->item->series, m->is_on_front || m->item->is_base, m->at_x, m->at_y);
    swg_strbuf_puts(out, is_link ? "</g></a>\n" : "</g>\n");
}

/* --- Names of the marks on the front ---------------------------------------------------------- */

typedef struct box {
    double left, right, top, bottom;
} box;

static bool overlaps(const box *a, const box *b)
{
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

/* Whether a name may stand there: within the figure, and clear of marks and other names. */
static bool is_free(const scatter *s, const box *at, const box *names, size_t n_names)
{
    if (at->left < s->area.left + 2 || at->right > s->area.right + 8 || at->top < s->area.top - 6 ||
        at->bottom > s->area.bottom - 2)
        return false;
    for (size_t i = 0; i < n_names; i++)
        if (overlaps(at, &names[i]))
            return false;
    for (size_t i = 0; i < s->n; i++) {
        const mark *m = &s->marks[i];
        const box around = {m->at_x - 6, m->at_x + 6, m->at_y - 6, m->at_y + 6};
        if (overlaps(at, &around))
            return false;
    }
    return true;
}

static void draw_names(const scatter *s, swg_strbuf *out)
{
    enum { MAX_NAMES = 24 };
    /* Right above, left above, right below, left below, beside. */
    static const int places[][2] = {{1, -1}, {-1, -1}, {1, 1}, {-1, 1}, {1, 0}, {-1, 0}};
    box names[MAX_NAMES];
    size_t n = 0;
    const size_t most = s->is_narrow ? 8 : MAX_NAMES, characters = s->is_narrow ? 22 : 30;
    for (size_t i = 0; i < s->n && n < most; i++) {
        const mark *m = &s->marks[i];
        if (!m->is_on_front && !m->item->is_base)
            continue;
        const size_t length = strlen(m->item->result->id);
        const double width = 6.3 * (double)(length < characters ? length : characters);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            const double x = m->at_x + 8 * places[p][0], y = m->at_y + 4 + 11 * places[p][1];
            const bool is_right = places[p][0] > 0;
            const box at = {is_right ? x : x - width, is_right ? x + width : x, y - 10, y + 3};
            if (!is_free(s, &at, names, n))
                continue;
            swg_svg_text(out, "l", x, y, is_right ? "start" : "end", m->item->result->id,
                         characters);
            names[n++] = at;
            break;
        }
    }
}

/* What the figure shows, in words. */
static void describe(const scatter *s, swg_strbuf *text)
{
    size_t n_front = 0;
    for (size_t i = 0; i < s->n; i++)
        n_front += s->marks[i].is_on_front;
    swg_strbuf_printf(
        text,
        "%zu models, one mark each; %s is better %s, %s is better %s. The dashed line "
        "joins the %zu models that no other one beats in both. The table of models "
        "has the figures.",
        s->n, swg_metrics[s->x].title,
        swg_metrics[s->x].more_is_better ? "to the right" : "to the left", swg_metrics[s->y].title,
        swg_metrics[s->y].more_is_better ? "above" : "below", n_front);
}

swg_status swg_scatter_svg(const swg_report *report, swg_metric_id x, swg_metric_id y,
                           swg_figure_form form, const char *name, swg_strbuf *out)
{
    swg_status status = SWG_OK;
    const bool is_narrow = form == SWG_FIGURE_NARROW;
    const int width = is_narrow ? 360 : 576, height = is_narrow ? 340 : 380;
    scatter s = {.report = report,
                 .x = x,
                 .y = y,
                 .is_narrow = is_narrow,
                 .area = {is_narrow ? 50 : 64, width - (is_narrow ? 14 : 24), 30, height - 46}};
    double *values = NULL;
    const mark **sorted = NULL;
    swg_strbuf text = {0};
    char title[160], heading[96];
    SWG_GO(SWG_NEW(s.marks, report->n_items));
    SWG_GO(SWG_NEW(values, 3 * report->n_items));
    SWG_GO(SWG_NEW(sorted, report->n_items));
    collect_marks(&s);
    fit_axes(&s, values);
    describe(&s, &text);
    snprintf(title, sizeof title, "%s against %s", swg_metrics[y].title, swg_metrics[x].title);
    swg_svg_begin(out, form, name, width, height, title, swg_strbuf_text(&text));
    swg_svg_x_axis(out, &s.x_axis, &s.area, swg_metrics[x].unit, is_narrow ? 5 : 7,
                   swg_metric_heading(x, heading));
    swg_svg_y_axis(out, &s.y_axis, &s.area, swg_metrics[y].unit, is_narrow ? 6 : 8,
                   swg_metric_heading(y, heading));
    draw_front(&s, sorted, out);
    for (size_t i = 0; i < s.n; i++)
        draw_mark(&s, &s.marks[i], form, out);
    draw_names(&s, out);
    swg_svg_end(out);
done:
    swg_strbuf_deinit(&text);
    swg_free(sorted);
    swg_free(values);
    swg_free(s.marks);
    return status;
}
