/* See learned_rounding.h. */
#include "quantize/learned_rounding.h"

#include <string.h>

#include "runtime/base/mem.h"

static const float least_factor = 0.5f, largest_factor = 2;

swg_status swg_learner_init(swg_learner *out, const swg_second_order *so, size_t max_rows)
{
    swg_status status = SWG_OK;
    const size_t weights = max_rows * so->k, groups = max_rows * so->n_groups;
    swg_learner l = {.max_rows = max_rows};
    SWG_GO(SWG_NEW_UNINIT(l.offsets, weights));
    SWG_GO(SWG_NEW_UNINIT(l.factors, groups));
    SWG_GO(SWG_NEW_UNINIT(l.start, groups));
    SWG_GO(SWG_NEW_UNINIT(l.trial_grids, groups));
    SWG_GO(SWG_NEW_UNINIT(l.trial, weights));
    SWG_GO(SWG_NEW_UNINIT(l.d, weights));
    SWG_GO(SWG_NEW_UNINIT(l.gradient, weights));
    SWG_GO(SWG_NEW_UNINIT(l.errors, 2 * max_rows));
    *out = l;
    l = (swg_learner){0};
done:
    swg_learner_deinit(&l);
    return status;
}

void swg_learner_deinit(swg_learner *l)
{
    SWG_FREE(l->offsets);
    SWG_FREE(l->factors);
    SWG_FREE(l->start);
    SWG_FREE(l->trial_grids);
    SWG_FREE(l->trial);
    SWG_FREE(l->d);
    SWG_FREE(l->gradient);
    SWG_FREE(l->errors);
}

/* Columns [begin, end) of one row: a group. */
typedef struct group {
    const float *w;
    const bool *is_zero; /* or NULL */
    float *offsets, *d;
    uint8_t *codes;
    size_t begin, end;
} group;

static bool is_zero(const group *g, size_t c)
{
    return g->is_zero && g->is_zero[c];
}

static float sign(double x)
{
    return (float)((x > 0) - (x < 0));
}

/* Codes of a group on a grid, with the present offsets, and what they change. */
static void encode(const group *g, swg_grid grid)
{
    for (size_t c = g->begin; c < g->end; c++) {
        g->codes[c] =
            is_zero(g, c) ? grid.zero : swg_grid_code(grid, g->w[c] + g->offsets[c] * grid.scale);
        g->d[c] = swg_grid_value(grid, g->codes[c]) - g->w[c];
    }
}

/* Move a group's offsets and factor against the signs of their gradients by `step`; `gradient` is
 * dE/dQ. */
static void move(const group *g, swg_grid grid, const float *gradient, float step, float *factor)
{
    double slope = 0;
    for (size_t c = g->begin; c < g->end && grid.scale != 0; c++) {
        if (is_zero(g, c))
            continue;
        const float t = g->w[c] / grid.scale, code = (float)swg_grid_number(grid, g->codes[c]);
        const float beyond = t + g->offsets[c] - code;
        const bool is_clamped =
            (g->codes[c] == 0 && beyond < -0.5f) || (g->codes[c] == grid.max_code && beyond > 0.5f);
        slope += (double)gradient[c] * ((double)code - (is_clamped ? 0 : (double)t));
        if (is_clamped)
            continue;
        const float v = g->offsets[c] - step * sign((double)gradient[c]) * sign((double)grid.scale);
        g->offsets[c] = v < -0.5f ? -0.5f : v > 0.5f ? 0.5f : v;
    }
    const float a = *factor - step * sign(slope) * sign((double)grid.scale);
    *factor = a < least_factor ? least_factor : a > largest_factor ? largest_factor : a;
}

/* One row's pieces, group by group. */
static group group_of(const swg_learner *l, const swg_second_order *so, const float *w,
                      const bool *zeros, size_t r, size_t g)
{
    const size_t k = so->k, begin = g * so->group;
    return (group){.w = w + r * k,
                   .is_zero = zeros ? zeros + r * k : NULL,
                   .offsets = l->offsets + r * k,
                   .d = l->d + r * k,
                   .codes = l->trial + r * k,
                   .begin = begin,
                   .end = begin + so->group < k ? begin + so->group : k};
}

static swg_status begin(swg_learner *l, const swg_second_order *so, const swg_grid_space *spaces,
                        const float *importance, const float *w, const bool *zeros, size_t n_rows)
{
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t g = 0; g < so->n_groups; g++) {
            const group of = group_of(l, so, w, zeros, r, g);
            SWG_TRY(swg_grid_search(&spaces[r], of.w + of.begin, importance + of.begin,
                                    of.end - of.begin, &l->start[r * so->n_groups + g]));
            l->factors[r * so->n_groups + g] = 1;
        }
        memset(l->offsets + r * so->k, 0, so->k * sizeof *l->offsets);
    }
    return SWG_OK;
}

/* Codes by the present offsets and factors, their errors and gradients. */
static void try_codes(swg_learner *l, const swg_second_order *so, const swg_grid_space *spaces,
                      const float *w, const bool *zeros, size_t n_rows)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < so->n_groups; g++) {
            const group of = group_of(l, so, w, zeros, r, g);
            swg_grid *grid = &l->trial_grids[r * so->n_groups + g];
            *grid = l->start[r * so->n_groups + g];
            const float wanted = fabsf(grid->scale) * l->factors[r * so->n_groups + g];
            const float stored =
                swg_grid_stored_scale(spaces[r].scheme.scale_type, grid->row_scale, wanted);
            if (stored > 0)
                grid->scale = copysignf(stored, grid->scale);
            encode(&of, *grid);
        }
    swg_second_order_loss(so, l->d, n_rows, l->gradient, l->errors);
}

/* The first codes are kept whatever their error is: it may be beyond a float. */
static void keep_better(swg_learner *l, const swg_second_order *so, bool is_first, size_t n_rows,
                        uint8_t *codes, swg_grid *grids)
{
    double *least = l->errors + l->max_rows;
    for (size_t r = 0; r < n_rows; r++) {
        if (!is_first && !(l->errors[r] < least[r]))
            continue;
        least[r] = l->errors[r];
        memcpy(codes + r * so->k, l->trial + r * so->k, so->k);
        memcpy(grids + r * so->n_groups, l->trial_grids + r * so->n_groups,
               so->n_groups * sizeof *grids);
    }
}

swg_status swg_learner_run(swg_learner *l, const swg_second_order *so, const swg_grid_space *spaces,
                           const float *importance, const swg_learning_options *options,
                           const float *w, const bool *zeros, size_t n_rows, uint8_t *codes,
                           swg_grid *grids)
{
    SWG_TRY(begin(l, so, spaces, importance, w, zeros, n_rows));
    for (unsigned t = 0;; t++) {
        try_codes(l, so, spaces, w, zeros, n_rows);
        keep_better(l, so, t == 0, n_rows, codes, grids);
        if (t == options->n_steps)
            return SWG_OK;
        const double left = 1 - (double)t / options->n_steps;
        const float step = (float)(options->rate / options->n_steps * left);
        for (size_t r = 0; r < n_rows; r++)
            for (size_t g = 0; g < so->n_groups; g++) {
                const group of = group_of(l, so, w, zeros, r, g);
                move(&of, l->trial_grids[r * so->n_groups + g], l->gradient + r * so->k, step,
                     &l->factors[r * so->n_groups + g]);
            }
    }
}
