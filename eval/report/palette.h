/* Colours of the report, and the style sheet and script that its page carries. */
#ifndef SWG_EVAL_REPORT_PALETTE_H
#define SWG_EVAL_REPORT_PALETTE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/strbuf.h"

/* A colour in light and dark: 0xRRGGBB. */
typedef struct swg_colour {
    const char *name; /* of its variable in the style sheet */
    uint32_t light, dark;
} swg_colour;

/* What is written or drawn (`front`) and what lies behind it: the contrast of each pair is at least
 * `least` (WCAG 2.1: 4.5 for text, 3 for parts of figures). */
typedef struct swg_colour_pair {
    const char *front, *behind;
    double least;
} swg_colour_pair;

enum { SWG_HEAT_STEPS = 9 };

extern const swg_colour swg_colours[];
extern const size_t swg_n_colours;
extern const swg_colour_pair swg_colour_pairs[];
extern const size_t swg_n_colour_pairs;

/* The contrast of two colours as WCAG 2.1 defines it, 1 to 21. */
double swg_contrast(uint32_t a, uint32_t b);

/* The variables of all colours and, per step of the heat maps, the text colour on it: for light,
 * dark and paper. */
void swg_palette_css(swg_strbuf *out);

extern const char swg_page_css[];   /* of the page around the figures */
extern const char swg_figure_css[]; /* of the figures, in the page and in files of their own */
extern const char swg_page_script[];

#endif
