/* What all methods share: their table, the layout of planes, statistics. See quantize.h. */
#include "quantize/quantize.h"

#include <math.h>
#include <string.h>

#include "quantize/methods.h"
#include "runtime/base/codes.h"
#include "runtime/base/numeric.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/weight_format.h"

static const struct {
    const char *name, *meaning;
    swg_quantize_function *quantize;
} methods[] = {
#define SWG_QUANT_METHOD(name, meaning) {#name, meaning, swg_quantize__##name},
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
};

const char *swg_quant_method_name(swg_quant_method method)
{
    return methods[method].name;
}

const char *swg_quant_method_meaning(swg_quant_method method)
{
    return methods[method].meaning;
}

swg_status swg_quant_method_find(const char *name, swg_quant_method *out)
{
    swg_strbuf known = {0};
    for (int i = 0; i < SWG_QUANT_METHOD_COUNT; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            *out = (swg_quant_method)i;
            swg_strbuf_deinit(&known);
            return SWG_OK;
        }
        swg_strbuf_printf(&known, "%s%s", i ? ", " : "", methods[i].name);
    }
    const swg_status status = swg_error(SWG_USAGE, "unknown quantization method \"%s\"; known: %s",
                                        name, swg_strbuf_text(&known));
    swg_strbuf_deinit(&known);
    return status;
}

static bool is_known_scheme(swg_scheme scheme)
{
    const swg_weight_format *format = swg_weight_format_of(scheme);
    return format->is_integer && format->code_bits == scheme.bits &&
           swg_dtype_is_float(scheme.scale_type);
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
    swg_quant_stats result = {.elems = swg_tensor_elems(&desc), .bytes = swg_tensor_bytes(&desc)};
    SWG_TRY(methods[method].quantize(job, planes, &result));
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
        .zeros = planes[SWG_PLANE_ZEROS],
    };
}

void swg_quant_planes_store_grid(const swg_quant_planes *planes, uint64_t row, size_t g,
                                 swg_grid grid)
{
    const size_t at = (size_t)row * planes->n_groups + g;
    swg_float_store(planes->scheme.scale_type, planes->scales, at, grid.scale);
    if (planes->zeros)
        planes->zeros[at] = grid.zero;
}

void swg_quant_planes_store_codes(const swg_quant_planes *planes, uint64_t row,
                                  const uint8_t *codes)
{
    swg_codes_pack_row(planes->scheme.bits, codes, planes->cols,
                       planes->codes + (size_t)row * planes->code_row_bytes);
}
