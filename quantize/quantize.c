/* What all methods share: their table, the layout of planes, statistics. See quantize.h. */
#include "quantize/quantize.h"

#include <math.h>
#include <string.h>

#include "quantize/codebook.h"
#include "quantize/method_words.h"
#include "quantize/methods.h"
#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"

typedef enum method_needs { NOTHING, STATS, SENSITIVITY } method_needs;

static const struct {
    const char *name, *parameters;
    method_needs needs;
    swg_quantize_function *quantize;
} methods[] = {
#define SWG_QUANT_METHOD(name, needs, parameters, meaning)                                         \
    {#name, parameters, needs, swg_quantize__##name},
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
};

const char *swg_quant_method_name(swg_quant_method method)
{
    return methods[method].name;
}

bool swg_quant_method_needs_stats(swg_quant_method method)
{
    return methods[method].needs == STATS;
}

bool swg_quant_method_needs_sensitivity(swg_quant_method method)
{
    return methods[method].needs == SENSITIVITY;
}

swg_status swg_quant_method_find(const char *name, swg_quant_method *out)
{
    const char *names[SWG_QUANT_METHOD_COUNT];
    size_t found = 0;
    for (int i = 0; i < SWG_QUANT_METHOD_COUNT; i++)
        names[i] = methods[i].name;
    SWG_TRY(swg_method_find("quantization method", name, names, SWG_QUANT_METHOD_COUNT, &found));
    *out = (swg_quant_method)found;
    return SWG_OK;
}

swg_status swg_quant_method_check(swg_quant_method method, const swg_parameter *parameters,
                                  size_t n)
{
    return swg_method_check_parameters(methods[method].name, methods[method].parameters, parameters,
                                       n);
}

/* --- One matrix ------------------------------------------------------------------------------- */

static bool is_known_scheme(swg_scheme scheme)
{
    const swg_weight_format *format = swg_weight_format_of(scheme);
    return (format->is_integer || format->has_codebook) && format->code_bits == scheme.bits &&
           swg_scale_type_is_known(scheme.scale_type);
}

swg_status swg_quantize_job_importance(const swg_quantize_job *job, float **out)
{
    *out = NULL;
    if (!job->stats)
        return SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(*out, job->stats->k));
    if (!swg_layer_stats_importance(job->stats, *out))
        SWG_FREE(*out);
    return SWG_OK;
}

/* Choose and store the codebook of a scheme that has one, and the scale of a whole matrix. */
static swg_status make_codebook(const swg_quantize_job *job, int8_t *stored, swg_levels *out)
{
    float scale = 0;
    if (job->codebook) {
        memcpy(stored, job->codebook, SWG_LEVELS);
    } else {
        float *importance;
        SWG_TRY(swg_quantize_job_importance(job, &importance));
        const swg_status status = swg_codebook_fit(job, importance, stored, &scale);
        swg_free(importance);
        SWG_TRY(status);
    }
    swg_levels_init(out, stored);
    out->scale = scale;
    if (job->mask && out->value[out->zero] != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s: a codebook without the number 0 cannot keep a mask's zeros",
                         job->name);
    return SWG_OK;
}

/* What the statistics saw. */
static void count_inputs(const swg_layer_stats *in, swg_quant_stats *stats)
{
    stats->n_inputs = in->k;
    stats->n_tokens = in->n_tokens;
    for (size_t i = 0; i < in->k; i++)
        stats->n_dead += in->mean_square ? in->mean_square[i] == 0
                         : in->hessian   ? in->hessian[i * in->k + i] == 0
                                         : 0;
}

swg_status swg_quantize_tensor(swg_quant_method method, const swg_quantize_job *job,
                               void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats)
{
    if (!is_known_scheme(job->scheme))
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s: cannot quantize to %u bits with scales of type %s", job->name,
                         job->scheme.bits, swg_dtype_name(job->scheme.scale_type));
    const swg_tensor_desc desc = {
        .name = job->name, .scheme = job->scheme, .rank = 2, .shape = {job->rows, job->cols}};
    SWG_TRY(swg_tensor_desc_check(&desc));
    if (methods[method].needs == STATS && !job->stats)
        return swg_error(SWG_FAILED, "tensor %s: method %s needs statistics of the layer's inputs",
                         job->name, methods[method].name);
    if (job->stats && job->stats->k != job->cols)
        return swg_error(SWG_FAILED, "tensor %s has %llu columns; the statistics are of %zu",
                         job->name, (unsigned long long)job->cols, job->stats->k);
    swg_quant_stats result = {.elems = swg_tensor_elems(&desc), .bytes = swg_tensor_bytes(&desc)};
    swg_quantize_job with_levels = *job;
    swg_levels levels;
    if (swg_scheme_has_codebook(job->scheme)) {
        SWG_TRY(make_codebook(job, planes[SWG_PLANE_CODEBOOK], &levels));
        with_levels.levels = &levels;
    }
    SWG_TRY(methods[method].quantize(&with_levels, planes, &result));
    if (job->stats)
        count_inputs(job->stats, &result);
    *stats = result;
    return SWG_OK;
}

/* --- Statistics ------------------------------------------------------------------------------- */

double swg_quant_relative_error(const swg_quant_stats *stats)
{
    return stats->noise > 0 ? sqrt(stats->noise / stats->signal) : 0;
}

double swg_quant_snr_db(const swg_quant_stats *stats)
{
    return stats->noise > 0 ? 10 * log10(stats->signal / stats->noise) : INFINITY;
}

double swg_quant_bits_per_weight(const swg_quant_stats *stats)
{
    return stats->elems ? 8.0 * (double)stats->bytes / (double)stats->elems : 0;
}

void swg_quant_stats_add(swg_quant_stats *sum, const swg_quant_stats *part)
{
    sum->elems += part->elems;
    sum->bytes += part->bytes;
    sum->signal += part->signal;
    sum->noise += part->noise;
    sum->max_abs_error = fmax(sum->max_abs_error, part->max_abs_error);
    sum->output_noise += part->output_noise;
    sum->plain_output_noise += part->plain_output_noise;
    sum->n_fallback_rows += part->n_fallback_rows;
    sum->damping = fmax(sum->damping, part->damping);
    sum->n_attempts = part->n_attempts > sum->n_attempts ? part->n_attempts : sum->n_attempts;
    sum->n_inputs += part->n_inputs;
    sum->n_dead += part->n_dead;
    if (sum->n_tokens == 0 || (part->n_tokens > 0 && part->n_tokens < sum->n_tokens))
        sum->n_tokens = part->n_tokens;
}

void swg_quant_stats_measure(swg_quant_stats *stats, swg_grid grid, const float *x,
                             const uint8_t *codes, size_t n)
{
    double signal = 0, noise = 0, largest = stats->max_abs_error;
    for (size_t i = 0; i < n; i++) {
        const double w = (double)x[i];
        const double d = (double)swg_grid_value(grid, codes[i]) - w;
        signal += w * w;
        noise += d * d;
        largest = fmax(largest, fabs(d));
    }
    stats->signal += signal;
    stats->noise += noise;
    stats->max_abs_error = largest;
}

/* --- Planes ----------------------------------------------------------------------------------- */

swg_quant_planes swg_quant_planes_view(const swg_quantize_job *job,
                                       void *const planes[SWG_PLANE_KINDS])
{
    const size_t cols = (size_t)job->cols;
    return (swg_quant_planes){
        .scheme = job->scheme,
        .cols = cols,
        .group = swg_scheme_group_length(job->scheme, cols),
        .n_groups = swg_scheme_groups(job->scheme, cols),
        .code_row_bytes = swg_codes_bytes(job->scheme.bits, cols),
        .codes = planes[SWG_PLANE_CODES],
        .scales = planes[SWG_PLANE_SCALES],
        .row_scales = planes[SWG_PLANE_ROW_SCALES],
        .zeros = planes[SWG_PLANE_ZEROS],
    };
}

swg_status swg_quantize_job_space(const swg_quantize_job *job, const float *x,
                                  const float *importance, swg_grid_space *out)
{
    swg_grid_space space = {.scheme = job->scheme, .search = job->search, .levels = job->levels};
    *out = space;
    if (!swg_scheme_has_row_scales(job->scheme))
        return SWG_OK;
    const size_t cols = (size_t)job->cols, group = swg_scheme_group_length(job->scheme, cols);
    float largest = 0;
    for (size_t begin = 0; begin < cols; begin += group) {
        const size_t n = cols - begin < group ? cols - begin : group;
        swg_grid grid;
        const swg_status status =
            swg_grid_search(&space, x + begin, importance ? importance + begin : NULL, n, &grid);
        if (status != SWG_OK)
            return swg_error_context(status, "columns %zu to %zu", begin, begin + n - 1);
        largest = fmaxf(largest, fabsf(grid.scale));
    }
    /* A row of zeros, or all but: any scale will do. */
    const float exact = fmaxf(largest / 127, 0x1p-126f);
    out->row_scale = swg_bf16_to_f32(swg_f32_to_bf16(exact));
    return SWG_OK;
}

void swg_quant_planes_store_grid(const swg_quant_planes *planes, uint64_t row, size_t g,
                                 swg_grid grid)
{
    const size_t at = (size_t)row * planes->n_groups + g;
    if (planes->row_scales) {
        swg_float_store(SWG_BF16, planes->row_scales, (size_t)row, grid.row_scale);
        ((int8_t *)planes->scales)[at] = (int8_t)rintf(grid.scale / grid.row_scale);
    } else {
        swg_float_store(planes->scheme.scale_type, planes->scales, at, grid.scale);
    }
    if (planes->zeros)
        planes->zeros[at] = grid.zero;
}

void swg_quant_planes_store_codes(const swg_quant_planes *planes, uint64_t row,
                                  const uint8_t *codes)
{
    swg_codes_pack_row(planes->scheme.bits, codes, planes->cols,
                       planes->codes + (size_t)row * planes->code_row_bytes);
}

void swg_quantize_job_mask_row(const swg_quantize_job *job, uint64_t row, float *x)
{
    if (!job->mask)
        return;
    const uint8_t *mask = job->mask + row * ((job->cols + 7) / 8);
    for (size_t c = 0; c < job->cols; c++)
        if (!(mask[c / 8] >> c % 8 & 1))
            x[c] = 0;
}

void swg_quant_planes_update(const swg_quant_planes *planes, const swg_quantize_job *job,
                             uint64_t row, size_t g, swg_grid grid, const uint8_t *codes)
{
    if (!job->updated)
        return;
    const size_t begin = g * planes->group, left = planes->cols - begin;
    const size_t n = left < planes->group ? left : planes->group;
    float *out = job->updated + row * planes->cols + begin;
    for (size_t i = 0; i < n; i++)
        out[i] = swg_grid_value(grid, codes[i]);
}
