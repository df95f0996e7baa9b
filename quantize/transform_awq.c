/* Activation-aware scaling (Lin et al. 2023, "AWQ", arXiv 2306.00978): the input channels of a
 * layer are divided by s, its columns multiplied by it, so that columns with large inputs lose less
 * to rounding (scaled_inputs.h).
 *
 * s = mean|x|^r / sqrt(max min), r of 0, 0.05 ... 0.95 with the least output error tr(D H D^T),
 * where D is what rounding the scaled columns to nearest changes; the error hardly has more than
 * one minimum, so every fourth r is tried first, then nearer neighbours of the best. It is summed
 * over the layers that share the input, over at most SAMPLE rows of each. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "quantize/scaled_inputs.h"

enum { RATIOS = 20, FIRST_STEP = 4, SAMPLE = 64 };
static const double least_scale = 1e-4;

/* --- Scales ----------------------------------------------------------------------------------- */

/* The scales of one ratio: [k]. */
static void scales_of(const swg_layer_stats *stats, size_t ratio, double *s)
{
    double least = INFINITY, most = 0;
    for (size_t c = 0; c < stats->k; c++) {
        s[c] = fmax(pow(stats->mean_abs[c], (double)ratio / RATIOS), least_scale);
        least = fmin(least, s[c]);
        most = fmax(most, s[c]);
    }
    for (size_t c = 0; c < stats->k; c++)
        s[c] = ratio == 0 ? 1 : s[c] / sqrt(most * least);
}

/* d [k] = what rounding w s to nearest changes, divided by s again; `importance` is that of the
 * scaled columns. */
static swg_status rounding_error(const swg_grid_space *space, const float *w, const double *s,
                                 const float *importance, size_t k, float *scratch, float *d)
{
    const size_t group = swg_scheme_group_length(space->scheme, k);
    for (size_t c = 0; c < k; c++)
        scratch[c] = (float)((double)w[c] * s[c]);
    for (size_t begin = 0; begin < k; begin += group) {
        const size_t n = k - begin < group ? k - begin : group;
        swg_grid grid;
        SWG_TRY(swg_grid_search(space, scratch + begin, importance + begin, n, &grid));
        for (size_t c = begin; c < begin + n; c++)
            d[c] = (float)(((double)swg_grid_value(grid, swg_grid_code(grid, scratch[c])) -
                            (double)scratch[c]) /
                           s[c]);
    }
    return SWG_OK;
}

/* The sampled rows of the consumers, and the errors of the ratios that were tried. */
typedef struct trial {
    const swg_layer_stats *stats;
    float *w;               /* [n_rows][k] */
    swg_grid_space *spaces; /* [n_rows] */
    size_t n_rows;
    size_t ratios[RATIOS], n_ratios; /* those tried together */
    double errors[RATIOS];           /* negative = not tried yet */
    size_t best;
} trial;

static swg_status try_ratio(void *context, size_t index)
{
    trial *t = context;
    const size_t ratio = t->ratios[index];
    const size_t k = t->stats->k;
    float *d = NULL, *product = NULL, *scratch = NULL, *importance = NULL;
    double *s = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(d, t->n_rows * k));
    SWG_GO(SWG_NEW_UNINIT(product, t->n_rows * k));
    SWG_GO(SWG_NEW_UNINIT(scratch, k));
    SWG_GO(SWG_NEW_UNINIT(importance, k));
    SWG_GO(SWG_NEW_UNINIT(s, k));
    scales_of(t->stats, ratio, s);
    for (size_t c = 0; c < k; c++)
        importance[c] = (float)(t->stats->mean_square[c] / (s[c] * s[c]));
    for (size_t r = 0; r < t->n_rows; r++)
        SWG_GO(rounding_error(&t->spaces[r], t->w + r * k, s, importance, k, scratch, d + r * k));
    swg_sgemm_nt(t->n_rows, k, k, d, k, t->stats->hessian, k, product, k);
    t->errors[ratio] = 0;
    for (size_t i = 0; i < t->n_rows * k; i++)
        t->errors[ratio] += (double)d[i] * (double)product[i];
done:
    swg_free(s);
    swg_free(importance);
    swg_free(scratch);
    swg_free(product);
    swg_free(d);
    return status;
}

static void add_ratio(trial *t, size_t ratio)
{
    if (ratio < RATIOS && t->errors[ratio] < 0)
        t->ratios[t->n_ratios++] = ratio;
}

/* Try the ratios that were added, and remember the best of all so far. */
static swg_status try_ratios(swg_pool *pool, trial *t)
{
    SWG_TRY(swg_pool_for(pool, t->n_ratios, try_ratio, t));
    for (size_t i = 0; i < t->n_ratios; i++)
        t->best = t->errors[t->ratios[i]] < t->errors[t->best] ? t->ratios[i] : t->best;
    t->n_ratios = 0;
    return SWG_OK;
}

static swg_status find_ratio(swg_pool *pool, trial *t)
{
    for (size_t ratio = 0; ratio < RATIOS; ratio++)
        t->errors[ratio] = -1;
    for (size_t ratio = 0; ratio < RATIOS; ratio += FIRST_STEP)
        add_ratio(t, ratio);
    SWG_TRY(try_ratios(pool, t));
    for (size_t step = FIRST_STEP / 2; step > 0; step /= 2) {
        add_ratio(t, t->best - step); /* below 0 it wraps, and is none of them */
        add_ratio(t, t->best + step);
        SWG_TRY(try_ratios(pool, t));
    }
    return SWG_OK;
}

/* Read at most SAMPLE rows, evenly spaced, of every consumer that will be quantized. */
static swg_status sample(const swg_transform_place *place, const swg_plan *plan,
                         const swg_scaled_input *in, trial *t)
{
    SWG_TRY(SWG_NEW_UNINIT(t->w, SWG_SCALED_MAX_CONSUMERS * SAMPLE * in->k));
    SWG_TRY(SWG_NEW(t->spaces, SWG_SCALED_MAX_CONSUMERS * SAMPLE));
    for (size_t i = 0; i < in->n; i++) {
        const swg_plan_entry *entry = &plan->entries[in->consumers[i]];
        const uint64_t rows = swg_tensor_rows(&entry->desc);
        const uint64_t n = rows < SAMPLE ? rows : SAMPLE;
        for (uint64_t r = 0; entry->is_quantized && r < n; r++) {
            SWG_TRY(swg_source_read_f32(place->source, in->consumers[i], r * rows / n, 1,
                                        t->w + t->n_rows * in->k));
            t->spaces[t->n_rows++] =
                (swg_grid_space){.scheme = entry->dense, .search = entry->search};
        }
        swg_source_release(place->source, in->consumers[i]);
    }
    return SWG_OK;
}

static swg_status fit_input(const swg_transform_place *place, const swg_transform_means *means,
                            swg_scaled_input *in)
{
    const char *name = swg_source_tensor(place->source, in->consumers[0])->name;
    trial t = {0};
    double *s = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_model_stats_get(means->stats, name, &t.stats));
    if (!t.stats || !t.stats->mean_abs || !t.stats->mean_square)
        goto done;
    SWG_GO(SWG_NEW_UNINIT(s, in->k));
    SWG_GO(sample(place, means->plan, in, &t));
    if (t.n_rows == 0)
        goto done;
    SWG_GO(find_ratio(means->pool, &t));
    scales_of(t.stats, t.best, s);
    for (size_t c = 0; c < in->k; c++)
        in->map[c] = (float)(1 / s[c]);
done:
    swg_free(s);
    swg_free(t.w);
    swg_free(t.spaces);
    return status;
}

static swg_status fit(const swg_transform_place *place, const swg_transform_means *means,
                      void *state)
{
    return swg_scaled_inputs_fit(place, means, state, fit_input);
}

const swg_transform swg_transform_awq = {.open = swg_scaled_inputs_open, .fit = fit};
