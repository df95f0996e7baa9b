/* Pieces that all figures are drawn with. */
#ifndef SWG_EVAL_REPORT_DRAWING_H
#define SWG_EVAL_REPORT_DRAWING_H

#include "eval/report/axis.h"
#include "eval/report/figures.h"

/* Begin an SVG element of that size in pixels: its title and description, and in a file of its own
 * the style sheet and the background. `title` and `text` are plain text. */
void swg_svg_begin(swg_strbuf *out, swg_figure_form form, const char *name, int width, int height,
                   const char *title, const char *text);
void swg_svg_end(swg_strbuf *out);

void swg_svg_line(swg_strbuf *out, const char *classes, double x1, double y1, double x2, double y2);
void swg_svg_rect(swg_strbuf *out, const char *classes, double x, double y, double width,
                  double height);
/* Text, escaped and cut after `most` characters; anchor "start", "middle" or "end". */
void swg_svg_text(swg_strbuf *out, const char *classes, double x, double y, const char *anchor,
                  const char *text, size_t most);

/* The mark of a series around a point: shape and colour. */
void swg_svg_mark(swg_strbuf *out, size_t series, bool is_filled, double x, double y);

/* An axis with its grid, ticks and title: below the area, or to its left. The area goes from
 * (left, top) to (right, bottom). */
typedef struct swg_svg_area {
    double left, right, top, bottom;
} swg_svg_area;
void swg_svg_x_axis(swg_strbuf *out, const swg_axis *axis, const swg_svg_area *area,
                    swg_metric_unit unit, size_t max_ticks, const char *title);
void swg_svg_y_axis(swg_strbuf *out, const swg_axis *axis, const swg_svg_area *area,
                    swg_metric_unit unit, size_t max_ticks, const char *title);

#endif
