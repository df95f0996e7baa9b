/* Figures of a model's tensors by layer (rows) and kind (columns). See figures.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report/drawing.h"
#include "eval/report/markup.h"
#include "eval/report/palette.h"

enum { MAX_KINDS = 24, MAX_ROWS = 256, CELL_WIDTH = 46, CELL_HEIGHT = 19, LEFT = 62 };

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

typedef struct heat {
    const swg_result *result;
    tensor_value *value;
    double least, most; /* over all detailed models */
    bool is_log;
    const char *kinds[MAX_KINDS];
    size_t n_kinds;
    int64_t n_layers; /* rows; further layers are left out */
} heat;

static void find_range(const swg_report *report, heat *h)
{
    h->least = INFINITY;
    h->most = -INFINITY;
    for (size_t i = 0; i < report->n_items; i++)
        for (size_t t = 0; report->items[i].is_detailed && t < report->items[i].result->n_tensors;
             t++) {
            const double value = h->value(&report->items[i].result->tensors[t]);
            if (isnan(value) || (h->is_log && value <= 0))
                continue;
            h->least = fmin(h->least, value);
            h->most = fmax(h->most, value);
        }
}

static size_t kind_of(heat *h, const swg_result_tensor *tensor)
{
    const char *kind = tensor->kind ? tensor->kind : "";
    for (size_t i = 0; i < h->n_kinds; i++)
        if (strcmp(h->kinds[i], kind) == 0)
            return i;
    if (h->n_kinds == MAX_KINDS)
        return MAX_KINDS;
    h->kinds[h->n_kinds] = kind;
    return h->n_kinds++;
}

/* Columns and rows: kinds in the order of the tensors. */
static void find_grid(heat *h)
{
    for (size_t t = 0; t < h->result->n_tensors; t++) {
        const swg_result_tensor *tensor = &h->result->tensors[t];
        if (tensor->layer < 0 || isnan(h->value(tensor)))
            continue;
        kind_of(h, tensor);
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

/* Names of kinds slant upwards from their columns. */
static void draw_heads(const heat *h, double top, swg_strbuf *out)
{
    for (size_t k = 0; k < h->n_kinds; k++) {
        swg_strbuf_printf(out, "<text class=\"c\" transform=\"translate(%.1f %.1f) rotate(-35)\">",
                          LEFT + CELL_WIDTH * ((double)k + 0.4), top - 5);
        swg_markup_short(out, h->kinds[k], 18);
        swg_strbuf_puts(out, "</text>\n");
    }
}

/* The scale of colours, below the cells. */
static void draw_scale(const heat *h, double top, swg_strbuf *out)
{
    char words[16], classes[16];
    for (size_t step = 0; step < SWG_HEAT_STEPS; step++) {
        const double share = (double)step / (SWG_HEAT_STEPS - 1);
        snprintf(classes, sizeof classes, "h%zu", step);
        swg_svg_rect(out, classes, LEFT + 30.0 * (double)step, top, 30, 10);
        if (step % 4 != 0 || h->most <= h->least)
            continue;
        put_number(words, h->is_log ? h->least * pow(h->most / h->least, share)
                                    : h->least + share * (h->most - h->least));
        swg_svg_text(out, "c q", LEFT + 30.0 * (double)step + 15, top + 22, "middle", words,
                     SIZE_MAX);
    }
}

swg_status swg_heat_svg(const swg_report *report, const swg_result *result, swg_heat_field field,
                        swg_figure_form form, const char *name, swg_strbuf *out)
{
    const size_t quantity = quantity_of(report, field);
    heat h = {.result = result, .value = quantities[quantity].value};
    h.is_log = field == SWG_HEAT_ERROR;
    char title[160], text[240], layer[32];
    const double top = 74;
    find_range(report, &h);
    find_grid(&h);
    const double bottom = top + CELL_HEIGHT * (double)h.n_layers;
    const int scale_width = LEFT + 30 * SWG_HEAT_STEPS + 10;
    int width = LEFT + CELL_WIDTH * (int)h.n_kinds + 40;
    if (width < scale_width)
        width = scale_width;
    snprintf(title, sizeof title, "%s, by layer and kind", quantities[quantity].title);
    snprintf(text, sizeof text,
             "Rows are %lld layers, columns %zu kinds of tensors; darker on light and brighter on "
             "dark is more%s. The table of tensors has the figures.",
             (long long)h.n_layers, h.n_kinds, h.is_log ? ", on a logarithmic scale" : "");
    swg_svg_begin(out, form, name, width, (int)bottom + 48, title, text);
    draw_heads(&h, top, out);
    for (int64_t row = 0; row < h.n_layers; row++) {
        snprintf(layer, sizeof layer, "layer %lld", (long long)row);
        swg_svg_text(out, "c q", LEFT - 6, top + CELL_HEIGHT * (double)row + 13, "end", layer,
                     SIZE_MAX);
    }
    for (size_t t = 0; t < result->n_tensors; t++) {
        const swg_result_tensor *tensor = &result->tensors[t];
        if (tensor->layer < 0 || tensor->layer >= h.n_layers || isnan(h.value(tensor)))
            continue;
        const size_t column = kind_of(&h, tensor);
        if (column < MAX_KINDS)
            draw_cell(&h, tensor, column, top + CELL_HEIGHT * (double)tensor->layer, out);
    }
    draw_scale(&h, bottom + 12, out);
    swg_svg_end(out);
    return SWG_OK;
}
