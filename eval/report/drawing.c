/* Pieces that all figures are drawn with: see drawing.h. */
#include "eval/report/drawing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report/markup.h"
#include "eval/report/palette.h"

void swg_svg_begin(swg_strbuf *out, swg_figure_form form, const char *name, int width, int height,
                   const char *title, const char *text)
{
    static const char *const classes[] = {[SWG_FIGURE_WIDE] = " class=\"wide\"",
                                          [SWG_FIGURE_NARROW] = " class=\"narrow\"",
                                          [SWG_FIGURE_BOTH] = "",
                                          [SWG_FIGURE_FILE] = ""};
    const char *suffix = form == SWG_FIGURE_NARROW ? "-n" : "";
    swg_strbuf_printf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
        "height=\"%d\"%s role=\"img\" aria-labelledby=\"t-%s%s d-%s%s\">\n"
        "<title id=\"t-%s%s\">",
        width, height, width, height, classes[form], name, suffix, name, suffix, name, suffix);
    swg_markup_text(out, title);
    swg_strbuf_printf(out, "</title>\n<desc id=\"d-%s%s\">", name, suffix);
    swg_markup_text(out, text);
    swg_strbuf_puts(out, "</desc>\n");
    if (form != SWG_FIGURE_FILE)
        return;
    swg_strbuf_puts(out, "<style>\n");
    swg_palette_css(out);
    swg_strbuf_puts(out, swg_figure_css);
    swg_strbuf_puts(out, "</style>\n");
    swg_svg_rect(out, "bg", 0, 0, width, height);
}

void swg_svg_end(swg_strbuf *out)
{
    swg_strbuf_puts(out, "</svg>\n");
}

void swg_svg_line(swg_strbuf *out, const char *classes, double x1, double y1, double x2, double y2)
{
    swg_strbuf_printf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                      classes, x1, y1, x2, y2);
}

void swg_svg_rect(swg_strbuf *out, const char *classes, double x, double y, double width,
                  double height)
{
    swg_strbuf_printf(out,
                      "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                      classes, x, y, width, height);
}

void swg_svg_text(swg_strbuf *out, const char *classes, double x, double y, const char *anchor,
                  const char *text, size_t most)
{
    swg_strbuf_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", classes,
                      x, y, anchor);
    swg_markup_short(out, text, most);
    swg_strbuf_puts(out, "</text>\n");
}

void swg_svg_mark(swg_strbuf *out, size_t series, bool is_filled, double x, double y)
{
    /* Around the origin, about the same area each. */
    static const char *const shapes[] = {
        "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
        "M-4 -4H4V4H-4Z",
        "M0 -5.5L5 4H-5Z",
        "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
        "M0 5.5L5 -4H-5Z",
        "M-1.8 -5H1.8V-1.8H5V1.8H1.8V5H-1.8V1.8H-5V-1.8H-1.8Z",
        "M-5 -2H0L0 -5L5 0L0 5V2H-5Z",
        "M-3 -5H3L5.5 0L3 5H-3L-5.5 0Z",
    };
    swg_strbuf_printf(
        out, "<path class=\"pt s%zu%s\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", series,
        is_filled ? " on" : "", x, y, shapes[series % (sizeof shapes / sizeof *shapes)]);
}

void swg_series_mark(size_t series, swg_strbuf *out)
{
    swg_strbuf_puts(out, "<svg viewBox=\"-7 -7 14 14\" width=\"14\" height=\"14\" "
                         "aria-hidden=\"true\">");
    swg_svg_mark(out, series, true, 0, 0);
    swg_strbuf_puts(out, "</svg>");
}

static void put_tick(char words[48], swg_metric_unit unit, double value)
{
    const double size = fabs(value);
    if (unit == SWG_UNIT_BYTES) {
        swg_unit_format(unit, value, words);
        char *zero = strstr(words, ".0 ");
        if (zero)
            memmove(zero, zero + 2, strlen(zero + 2) + 1);
    } else if (unit == SWG_UNIT_PERCENT)
        snprintf(words, 48, "%.6g %%", 100 * value);
    else if (size != 0 && (size < 1e-4 || size >= 1e7))
        snprintf(words, 48, "%.0e", value);
    else
        snprintf(words, 48, "%.6g", value);
}

void swg_svg_x_axis(swg_strbuf *out, const swg_axis *axis, const swg_svg_area *area,
                    swg_metric_unit unit, size_t max_ticks, const char *title)
{
    double ticks[SWG_AXIS_MAX_TICKS];
    char words[48];
    const size_t n = swg_axis_ticks(axis, max_ticks, ticks);
    for (size_t i = 0; i < n; i++) {
        const double x = swg_axis_at(axis, ticks[i]);
        swg_svg_line(out, "gr", x, area->top, x, area->bottom);
        put_tick(words, unit, ticks[i]);
        swg_svg_text(out, "q", x, area->bottom + 17, "middle", words, SIZE_MAX);
    }
    if (axis->has_zero)
        swg_svg_text(out, "q", axis->zero, area->bottom + 17, "middle", "0", SIZE_MAX);
    swg_svg_line(out, "ax", area->left, area->bottom, area->right, area->bottom);
    swg_svg_text(out, "", (area->left + area->right) / 2, area->bottom + 36, "middle", title,
                 SIZE_MAX);
}

void swg_svg_y_axis(swg_strbuf *out, const swg_axis *axis, const swg_svg_area *area,
                    swg_metric_unit unit, size_t max_ticks, const char *title)
{
    double ticks[SWG_AXIS_MAX_TICKS];
    char words[48];
    const size_t n = swg_axis_ticks(axis, max_ticks, ticks);
    for (size_t i = 0; i < n; i++) {
        const double y = swg_axis_at(axis, ticks[i]);
        swg_svg_line(out, "gr", area->left, y, area->right, y);
        put_tick(words, unit, ticks[i]);
        swg_svg_text(out, "q", area->left - 6, y + 4, "end", words, SIZE_MAX);
    }
    if (axis->has_zero)
        swg_svg_text(out, "q", area->left - 6, axis->zero + 4, "end", "0", SIZE_MAX);
    swg_svg_line(out, "ax", area->left, area->top, area->left, area->bottom);
    /* Above the axis, where it reads without turning the head. */
    swg_svg_text(out, "", area->left - 46 < 4 ? 4 : area->left - 46, area->top - 12, "start", title,
                 SIZE_MAX);
}
