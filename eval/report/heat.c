/* Figures of a model's tensors by layer (rows) and kind (columns). See figures.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report/drawing.h"
#include "eval/report/markup.h"
#include "eval/report/palette.h"

enum {
    MAX_KINDS = 24,
    MAX_ROWS = 256,
    MAX_NAME = 24, /* characters of a kind's name */
    CELL_WIDTH = 46,
    CELL_HEIGHT = 19,
    LEFT = 62,
    SCALE_STEP = 36 /* width of a colour in the scale */
};

typedef double tensor_value(const swg_result_tensor *tensor);

static double sensitivity_of(const swg_result_tensor *t)
{
    return t->sensitivity_kld;
}
static double weighted_error_of(const swg_result_tensor *t)
{
    return t->weighted_error;
}
static double relative_error_of(const swg_result_tensor *t)
{
    return t->relative_error;
}
static double bits_of(const swg_result_tensor *t)
{
    return t->bits_per_weight;
}
static double sparsity_of(const swg_result_tensor *t)
{
    return t->sparsity;
}

/* What cells may show: the first one of a field that any detailed model has. */
static const struct {
    swg_heat_field field;
    tensor_value *value;
    const char *title;
} quantities[] = {
    {SWG_HEAT_ERROR, sensitivity_of, "KL divergence when only this tensor is compressed"},
    {SWG_HEAT_ERROR, weighted_error_of, "Error of outputs on the calibration text, relative"},
    {SWG_HEAT_ERROR, relative_error_of, "Error of weights, relative"},
    {SWG_HEAT_BITS, bits_of, "Bits per weight"},
    {SWG_HEAT_SPARSITY, sparsity_of, "Share of weights that are zero"},
};
enum { N_QUANTITIES = sizeof quantities / sizeof quantities[0] };

static bool has_value(const swg_result *r, tensor_value *value)
{
    for (size_t i = 0; i < r->n_tensors; i++)
        if (value(&r->tensors[i]) > 0 && r->tensors[i].layer >= 0)
            return true;
    return false;
}

/* Index of the quantity of a field; N_QUANTITIES when no detailed model has one. */
static size_t quantity_of(const swg_report *report, swg_heat_field field)
{
    for (size_t q = 0; q < N_QUANTITIES; q++)
        for (size_t i = 0; i < report->n_items && quantities[q].field == field; i++)
            if (report->items[i].is_detailed &&
                has_value(report->items[i].result, quantities[q].value))
                return q;
    return N_QUANTITIES;
}

const char *swg_heat_title(const swg_report *report, swg_heat_field field)
{
    const size_t quantity = quantity_of(report, field);
    return quantity < N_QUANTITIES ? quantities[quantity].title : "";
}

bool swg_heat_has(const swg_report *report, const swg_result *result, swg_heat_field field)
{
    const size_t quantity = quantity_of(report, field);
    return quantity < N_QUANTITIES && has_value(result, quantities[quantity].value);
}

/* Names of kinds, in the order in which they were met. */
typedef struct kind_list {
    const char *names[MAX_KINDS];
    size_t count;
} kind_list;

typedef struct heat {
    const swg_result *result;
    tensor_value *value;
    const char *title;
    double least, most; /* over all detailed models */
    bool is_log;
    kind_list compressed; /* kinds that some model compresses; empty: no model says so of any */
    kind_list kinds;      /* the columns */
    int64_t n_layers; /* rows; further layers are left out */
} heat;

/* Place of a tensor's kind in the list; `count` where it is not there. */
static size_t find_kind(const kind_list *list, const swg_result_tensor *tensor)
{
    size_t at = 0;
    while (at < list->count && strcmp(list->names[at], tensor->kind ? tensor->kind : "") != 0)
        at++;
    return at;
}

static void add_kind(kind_list *list, const swg_result_tensor *tensor)
{
    if (find_kind(list, tensor) == list->count && list->count < MAX_KINDS)
        list->names[list->count++] = tensor->kind ? tensor->kind : "";
}

/* Vectors that stay as they are (norms, biases) have as many bits as ever: among the matrices they
 * would take all of the scale. */
static void find_compressed_kinds(const swg_report *report, heat *h)
{
    for (size_t i = 0; i < report->n_items; i++)
        for (size_t t = 0; report->items[i].is_detailed && t < report->items[i].result->n_tensors;
             t++) {
            const swg_result_tensor *tensor = &report->items[i].result->tensors[t];
            if (tensor->layer >= 0 && (tensor->relative_error > 0 || tensor->weighted_error > 0 ||
                                       tensor->sensitivity_kld > 0 || tensor->sparsity > 0))
                add_kind(&h->compressed, tensor);
        }
}

/* Whether a tensor may have a cell. */
static bool is_shown(const heat *h, const swg_result_tensor *tensor)
{
    return tensor->layer >= 0 && !isnan(h->value(tensor)) &&
           (h->compressed.count == 0 || find_kind(&h->compressed, tensor) < h->compressed.count);
}

static void find_range(const swg_report *report, heat *h)
{
    h->least = INFINITY;
    h->most = -INFINITY;
    for (size_t i = 0; i < report->n_items; i++)
        for (size_t t = 0; report->items[i].is_detailed && t < report->items[i].result->n_tensors;
             t++) {
            const swg_result_tensor *tensor = &report->items[i].result->tensors[t];
            const double value = h->value(tensor);
            if (!is_shown(h, tensor) || (h->is_log && value <= 0))
                continue;
            h->least = fmin(h->least, value);
            h->most = fmax(h->most, value);
        }
}

/* Columns and rows: kinds in the order of the tensors. */
static void find_grid(heat *h)
{
    for (size_t t = 0; t < h->result->n_tensors; t++) {
        const swg_result_tensor *tensor = &h->result->tensors[t];
        if (!is_shown(h, tensor))
            continue;
        add_kind(&h->kinds, tensor);
        if (tensor->layer >= h->n_layers)
            h->n_layers = tensor->layer + 1;
    }
    if (h->n_layers > MAX_ROWS)
        h->n_layers = MAX_ROWS;
}

static size_t step_of(const heat *h, double value)
{
    if (h->most <= h->least)
        return h->most > 0 ? SWG_HEAT_STEPS / 2 : 0;
    double share = (value - h->least) / (h->most - h->least);
    if (h->is_log)
        share = value <= 0 ? 0 : log(value / h->least) / log(h->most / h->least);
    return (size_t)(fmin(fmax(share, 0), 1) * (SWG_HEAT_STEPS - 1) + 0.5);
}

static void put_number(char words[16], double value)
{
    const double size = fabs(value);
    if (size != 0 && size < 1e-3)
        snprintf(words, 16, "%.0e", value);
    else
        snprintf(words, 16, size >= 100 ? "%.0f" : size >= 1 ? "%.2f" : "%.3f", value);
}

static void draw_cell(const heat *h, const swg_result_tensor *tensor, size_t column, double top,
                      swg_strbuf *out)
{
    char words[16], classes[16];
    const double value = h->value(tensor), left = LEFT + CELL_WIDTH * (double)column;
    const size_t step = step_of(h, value);
    swg_strbuf_puts(out, "<g><title>");
    swg_markup_short(out, tensor->name, 120);
    swg_strbuf_printf(out, ": %.4g</title>", value);
    snprintf(classes, sizeof classes, "h%zu", step);
    swg_svg_rect(out, classes, left, top, CELL_WIDTH - 1, CELL_HEIGHT - 1);
    snprintf(classes, sizeof classes, "c th%zu", step);
    put_number(words, value);
    swg_svg_text(out, classes, left + (CELL_WIDTH - 1) / 2.0, top + 13, "middle", words, SIZE_MAX);
    swg_strbuf_puts(out, "</g>\n");
}

/* Names of kinds slant upwards from their columns: how far they reach to the right of the first
 * column's left edge, and upwards. */
static void heads_extent(const heat *h, double *right, double *up)
{
    const double letter = 5.8; /* width, about */
    *right = *up = 0;
    for (size_t k = 0; k < h->kinds.count; k++) {
        const size_t length = strlen(h->kinds.names[k]);
        const double width = letter * (double)(length < MAX_NAME ? length : MAX_NAME);
        *right = fmax(*right, CELL_WIDTH * ((double)k + 0.4) + width * cos(35 * M_PI / 180) + 8);
        *up = fmax(*up, width * sin(35 * M_PI / 180) + 16);
    }
}

static void draw_heads(const heat *h, double top, swg_strbuf *out)
{
    for (size_t k = 0; k < h->kinds.count; k++) {
        swg_strbuf_printf(out, "<text class=\"c\" transform=\"translate(%.1f %.1f) rotate(-35)\">",
                          LEFT + CELL_WIDTH * ((double)k + 0.4), top - 5);
        swg_markup_short(out, h->kinds.names[k], MAX_NAME);
        swg_strbuf_puts(out, "</text>\n");
    }
}

/* The scale of colours and what it measures, below the cells. */
static void draw_scale(const heat *h, double top, swg_strbuf *out)
{
    char words[160], classes[16];
    for (size_t step = 0; step < SWG_HEAT_STEPS; step++) {
        const double share = (double)step / (SWG_HEAT_STEPS - 1);
        snprintf(classes, sizeof classes, "h%zu", step);
        swg_svg_rect(out, classes, LEFT + SCALE_STEP * (double)step, top, SCALE_STEP, 10);
        if (step % 2 != 0 || h->most <= h->least)
            continue;
        put_number(words, h->is_log ? h->least * pow(h->most / h->least, share)
                                    : h->least + share * (h->most - h->least));
        swg_svg_text(out, "c q", LEFT + SCALE_STEP * ((double)step + 0.5), top + 22, "middle",
                     words, SIZE_MAX);
    }
    snprintf(words, sizeof words, "%s%s", h->title, h->is_log ? ", logarithmic" : "");
    swg_svg_text(out, "c q", LEFT, top + 38, "start", words, SIZE_MAX);
}

swg_status swg_heat_svg(const swg_report *report, const swg_result *result, swg_heat_field field,
                        swg_figure_form form, const char *name, swg_strbuf *out)
{
    const size_t quantity = quantity_of(report, field);
    heat h = {.result = result,
              .value = quantities[quantity].value,
              .title = quantities[quantity].title,
              .is_log = field == SWG_HEAT_ERROR};
    char title[160], text[240], layer[32];
    double right, top;
    find_compressed_kinds(report, &h);
    find_range(report, &h);
    find_grid(&h);
    heads_extent(&h, &right, &top);
    const double bottom = top + CELL_HEIGHT * (double)h.n_layers;
    const int width =
        LEFT + (int)fmax(fmax(right, CELL_WIDTH * (double)h.kinds.count),
                         fmax(SCALE_STEP * SWG_HEAT_STEPS, 5.2 * (double)strlen(h.title) + 70));
    snprintf(title, sizeof title, "%s, by layer and kind", quantities[quantity].title);
    snprintf(text, sizeof text,
             "Rows are %lld layers, columns %zu kinds of tensors; darker on light and brighter on "
             "dark is more%s. The table of tensors has the figures.",
             (long long)h.n_layers, h.kinds.count, h.is_log ? ", on a logarithmic scale" : "");
    swg_svg_begin(out, form, name, width, (int)bottom + 58, title, text);
    draw_heads(&h, top, out);
    for (int64_t row = 0; row < h.n_layers; row++) {
        snprintf(layer, sizeof layer, "layer %lld", (long long)row);
        swg_svg_text(out, "c q", LEFT - 6, top + CELL_HEIGHT * (double)row + 13, "end", layer,
                     SIZE_MAX);
    }
    for (size_t t = 0; t < result->n_tensors; t++) {
        const swg_result_tensor *tensor = &result->tensors[t];
        if (!is_shown(&h, tensor) || tensor->layer >= h.n_layers)
            continue;
        const size_t column = find_kind(&h.kinds, tensor);
        if (column < h.kinds.count)
            draw_cell(&h, tensor, column, top + CELL_HEIGHT * (double)tensor->layer, out);
    }
    draw_scale(&h, bottom + 12, out);
    swg_svg_end(out);
    return SWG_OK;
}
