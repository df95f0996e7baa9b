/* Smoothing for 8-bit activations (Xiao et al. 2022, "SmoothQuant", arXiv 2211.10438): the channels
 * of an input are divided by s and the columns that they meet multiplied by it (scaled_inputs.h),
 * so that a few large channels do not decide the step of the whole token's activations: s = X^a /
 * W^(1 - a),  X the channel's size, W the largest weight of its columns. X is the root mean square
 * of the channel (its maximum, as published, is of one token).
 *
 * The exponent a is one of 0, 0.1 ... 1 or no scaling at all, for each input that which is expected
 * to cost least: with steps of an even rounding error, D^2 / 12, the outputs' squared error is
 *     sum_c |w_c|^2 s_c^2 Dx^2 / 12  +  sum_c (X_c / s_c)^2 sum_rows Dw^2 / 12
 * with Dx = PEAK max_c X_c / s_c / 127 and Dw = max_c |w s| / 127, by the groups of the weights: in
 * those activations are rounded too. */
#include <math.h>
#include <string.h>

#include "quantize/scaled_inputs.h"

enum { EXPONENTS = 11, NONE = EXPONENTS };

/* A token's largest activation of a channel over the channel's root mean square, about. */
static const double peak = 4;
/* Of X and W, relative to the largest: channels that are never used keep a finite scale. */
static const double least_part = 1e-5;

/* The matrices that share an input. */
typedef struct smoothing {
    size_t k, group;
    double *x;       /* [k] root mean square of the channels */
    double *largest; /* [k] largest |w| of a column */
    float *w;        /* [n_rows][k] */
    size_t n_rows;
    double costs[EXPONENTS + 1];
} smoothing;

static void floor_part(double *a, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, a[i]);
    for (size_t i = 0; i < n; i++)
        a[i] = most > 0 ? fmax(a[i], most * least_part) : 1;
}

static double scale_of(const smoothing *m, size_t exponent, size_t c)
{
    const double a = (double)exponent / (EXPONENTS - 1);
    return exponent == NONE ? 1 : pow(m->x[c], a) / pow(m->largest[c], 1 - a);
}

/* The expected cost of one group of columns: see above. */
static double cost_of_group(const smoothing *m, const double *s, size_t begin, size_t end)
{
    double most = 0, inputs = 0, weights = 0, noise = 0;
    for (size_t c = begin; c < end; c++) {
        const double x = m->x[c] / s[c];
        most = fmax(most, x);
        inputs += x * x;
    }
    for (size_t r = 0; r < m->n_rows; r++) {
        double largest = 0;
        for (size_t c = begin; c < end; c++) {
            const double w = (double)m->w[r * m->k + c] * s[c];
            largest = fmax(largest, fabs(w));
            weights += w * w;
        }
        noise += largest * largest;
    }
    return weights * most * most * peak * peak + inputs * noise;
}

static swg_status try_exponent(void *context, size_t exponent)
{
    smoothing *m = context;
    double *s;
    SWG_TRY(SWG_NEW_UNINIT(s, m->k));
    for (size_t c = 0; c < m->k; c++)
        s[c] = scale_of(m, exponent, c);
    for (size_t begin = 0; begin < m->k; begin += m->group) {
        const size_t left = m->k - begin;
        m->costs[exponent] +=
            cost_of_group(m, s, begin, begin + (left < m->group ? left : m->group));
    }
    swg_free(s);
    return SWG_OK;
}

/* All rows of the consumers that will be quantized. */
static swg_status read_rows(const swg_transform_place *place, const swg_plan *plan,
                            const swg_scaled_input *in, smoothing *m)
{
    size_t n = 0;
    m->group = in->k;
    for (size_t i = 0; i < in->n; i++)
        n += (size_t)swg_tensor_rows(&plan->entries[in->consumers[i]].desc);
    SWG_TRY(SWG_NEW_UNINIT(m->w, n * in->k));
    for (size_t i = 0; i < in->n; i++) {
        const swg_plan_entry *entry = &plan->entries[in->consumers[i]];
        const size_t rows = (size_t)swg_tensor_rows(&entry->desc);
        if (!entry->is_quantized)
            continue;
        SWG_TRY(swg_source_read_f32(place->source, in->consumers[i], 0, rows,
                                    m->w + m->n_rows * in->k));
        swg_source_release(place->source, in->consumers[i]);
        m->n_rows += rows;
        m->group = swg_scheme_group_length(entry->dense, in->k);
    }
    for (size_t r = 0; r < m->n_rows; r++)
        for (size_t c = 0; c < in->k; c++)
            m->largest[c] = fmax(m->largest[c], fabs((double)m->w[r * in->k + c]));
    return SWG_OK;
}

static swg_status fit_input(const swg_transform_place *place, const swg_transform_means *means,
                            swg_scaled_input *in)
{
    const char *name = swg_source_tensor(place->source, in->consumers[0])->name;
    const swg_layer_stats *stats;
    smoothing m = {.k = in->k};
    size_t best = NONE;
    swg_status status = SWG_OK;
    SWG_GO(swg_model_stats_get(means->stats, name, &stats));
    if (!stats || !stats->mean_square)
        goto done;
    SWG_GO(SWG_NEW(m.x, in->k));
    SWG_GO(SWG_NEW(m.largest, in->k));
    for (size_t c = 0; c < in->k; c++)
        m.x[c] = sqrt(stats->mean_square[c]);
    SWG_GO(read_rows(place, means->plan, in, &m));
    if (m.n_rows == 0)
        goto done;
    floor_part(m.x, in->k);
    floor_part(m.largest, in->k);
    SWG_GO(swg_pool_for(means->pool, EXPONENTS + 1, try_exponent, &m));
    for (size_t i = 0; i < EXPONENTS; i++)
        best = m.costs[i] < m.costs[best] ? i : best;
    for (size_t c = 0; c < in->k; c++)
        in->map[c] = (float)(1 / scale_of(&m, best, c));
done:
    swg_free(m.w);
    swg_free(m.x);
    swg_free(m.largest);
    return status;
}

static swg_status fit(const swg_transform_place *place, const swg_transform_means *means,
                      void *state)
{
    return swg_scaled_inputs_fit(place, means, state, fit_input);
}

const swg_transform swg_transform_smoothquant = {.open = swg_scaled_inputs_open, .fit = fit};
