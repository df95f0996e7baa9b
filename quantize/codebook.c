/* Fitting codebooks: see codebook.h. */
#include "quantize/codebook.h"

#include <math.h>
#include <string.h>

#include "runtime/base/mem.h"

enum {
    LEAST = -127,    /* numbers of a codebook */
    N_NUMBERS = 255, /* LEAST .. 127 */
    ROUNDS = 3,      /* searches of the scales, each followed by a fit of the numbers */
    BLOCK_ROWS = 16, /* rows that are read together */
    SAMPLE_WEIGHTS = 1 << 18,
    MOST_BLOCKS = 256,
    SCALES = 8,          /* of a whole matrix: its largest weight is the number 127, or beyond it */
    SCALE_DIVISIONS = 10 /* their distance, of the largest */
};

/* Where fitting starts: quantiles of a normal distribution. */
static const int8_t first_numbers[SWG_LEVELS] = {-127, -88, -67, -50, -36, -23, -12, 0,
                                                 10,   20,  31,  43,  56,  71,  92,  127};

/* --- The best numbers ------------------------------------------------------------------------- */

void swg_level_moments_add(swg_level_moments *moments, double t, double weight)
{
    const double step = floor(2 * t) + 256;
    const size_t at = step < 0 ? 0 : step >= SWG_LEVEL_STEPS ? SWG_LEVEL_STEPS - 1 : (size_t)step;
    moments->w[at] += weight;
    moments->wt[at] += weight * t;
    moments->wtt[at] += weight * t * t;
}

/* Moments summed up: entry s is the sum of the steps before s. */
typedef struct running_sums {
    double w[SWG_LEVEL_STEPS + 1], wt[SWG_LEVEL_STEPS + 1], wtt[SWG_LEVEL_STEPS + 1];
} running_sums;

static void sum_up(const swg_level_moments *m, running_sums *out)
{
    out->w[0] = out->wt[0] = out->wtt[0] = 0;
    for (size_t s = 0; s < SWG_LEVEL_STEPS; s++) {
        out->w[s + 1] = out->w[s] + m->w[s];
        out->wt[s + 1] = out->wt[s] + m->wt[s];
        out->wtt[s + 1] = out->wtt[s] + m->wtt[s];
    }
}

/* What the weights of steps [begin, end) lose when they become `number`. */
static double loss(const running_sums *sums, size_t begin, size_t end, int number)
{
    const double w = sums->w[end] - sums->w[begin], wt = sums->wt[end] - sums->wt[begin];
    return sums->wtt[end] - sums->wtt[begin] - 2.0 * number * wt + (double)number * number * w;
}

/* The first step at or above a number, and above the middle of two. */
static size_t step_of(int number)
{
    return (size_t)(2 * number + 256);
}

static size_t step_between(int low, int high)
{
    return (size_t)(low + high + 256);
}

/* best[b]: the least loss of all weights below number b when b is the newest of the numbers chosen
 * so far; from[count][b]: the one before it. */
typedef struct choice {
    double best[N_NUMBERS];
    uint8_t from[SWG_LEVELS][N_NUMBERS];
} choice;

/* Choose one number more. */
static void extend(const running_sums *sums, bool needs_zero, size_t count, choice *c)
{
    double next[N_NUMBERS];
    for (int b = 0; b < N_NUMBERS; b++) {
        const int high = LEAST + b;
        next[b] = INFINITY;
        for (int a = 0; a < b; a++) {
            const int low = LEAST + a;
            if (needs_zero && low < 0 && high > 0)
                continue;
            const size_t middle = step_between(low, high);
            const double total = c->best[a] + loss(sums, step_of(low), middle, low) +
                                 loss(sums, middle, step_of(high), high);
            if (total < next[b]) {
                next[b] = total;
                c->from[count][b] = (uint8_t)a;
            }
        }
    }
    memcpy(c->best, next, sizeof next);
}

double swg_levels_best(const swg_level_moments *moments, bool needs_zero, int8_t out[SWG_LEVELS])
{
    running_sums sums;
    choice c = {.best = {0}};
    sum_up(moments, &sums);
    for (int b = 0; b < N_NUMBERS; b++)
        c.best[b] =
            needs_zero && LEAST + b > 0 ? INFINITY : loss(&sums, 0, step_of(LEAST + b), LEAST + b);
    for (size_t count = 1; count < SWG_LEVELS; count++)
        extend(&sums, needs_zero, count, &c);
    double least = INFINITY;
    int last = N_NUMBERS - 1;
    for (int b = SWG_LEVELS - 1; b < N_NUMBERS; b++) {
        const double total =
            c.best[b] + loss(&sums, step_of(LEAST + b), SWG_LEVEL_STEPS, LEAST + b);
        if (total < least && !(needs_zero && LEAST + b < 0)) {
            least = total;
            last = b;
        }
    }
    for (size_t i = SWG_LEVELS; i-- > 0; last = c.from[i][last])
        out[i] = (int8_t)(LEAST + last);
    return least;
}

/* --- A matrix --------------------------------------------------------------------------------- */

/* The weights that a codebook is fitted to: blocks of rows at equal distances. */
typedef struct sample {
    const swg_quantize_job *job;
    const float *importance;
    swg_levels levels; /* the present ones */
    size_t cols, group, n_groups, n_blocks;
    uint64_t distance;          /* from the first row of a block to that of the next */
    float scale;                /* of the matrix */
    float *x;                   /* [n_blocks][BLOCK_ROWS][cols] */
    swg_level_moments *moments; /* [n_blocks] */
} sample;

static size_t block_rows(const sample *s, size_t block)
{
    const uint64_t left = s->job->rows - block * s->distance;
    return left < BLOCK_ROWS ? (size_t)left : BLOCK_ROWS;
}

static size_t group_length(const sample *s, size_t g)
{
    const size_t left = s->cols - g * s->group;
    return left < s->group ? left : s->group;
}

static swg_status fit_group(const sample *s, const swg_grid_space *space, const float *x,
                            size_t begin, size_t n, swg_level_moments *moments)
{
    const float *importance = s->importance ? s->importance + begin : NULL;
    swg_grid grid;
    SWG_TRY(swg_grid_search(space, x + begin, importance, n, &grid));
    const double scale = (double)grid.scale, factor = scale * scale;
    for (size_t i = 0; i < n && scale != 0; i++)
        swg_level_moments_add(moments, (double)x[begin + i] / scale,
                              factor * (importance ? (double)importance[i] : 1));
    return SWG_OK;
}

/* Scales of a block's groups for the present levels, with the moments that they give. The loss of a
 * weight is importance * scale^2 times the loss of t = x / scale. */
static swg_status fit_block(void *context, size_t block)
{
    const sample *s = context;
    swg_level_moments *moments = &s->moments[block];
    const swg_grid_space space = {.scheme = s->job->scheme, .levels = &s->levels};
    memset(moments, 0, sizeof *moments);
    for (size_t r = 0; r < block_rows(s, block); r++)
        for (size_t g = 0; g < s->n_groups; g++) {
            const float *x = s->x + (block * BLOCK_ROWS + r) * s->cols;
            const size_t begin = g * s->group, n = group_length(s, g);
            const swg_status status = fit_group(s, &space, x, begin, n, moments);
            if (status != SWG_OK)
                return swg_error_context(
                    status, "tensor %s, row %llu, columns %zu to %zu", s->job->name,
                    (unsigned long long)(block * s->distance + r), begin, begin + n - 1);
        }
    return SWG_OK;
}

/* Moments of a block's weights for one scale. */
static swg_status measure_block(void *context, size_t block)
{
    const sample *s = context;
    swg_level_moments *moments = &s->moments[block];
    memset(moments, 0, sizeof *moments);
    for (size_t r = 0; r < block_rows(s, block); r++)
        for (size_t c = 0; c < s->cols; c++)
            swg_level_moments_add(
                moments, (double)s->x[(block * BLOCK_ROWS + r) * s->cols + c] / (double)s->scale,
                s->importance ? (double)s->importance[c] : 1);
    return SWG_OK;
}

static swg_status read_block(void *context, size_t block)
{
    const sample *s = context;
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while fitting the codebook of tensor %s",
                         s->job->name);
    return s->job->read_rows(s->job->context, block * s->distance, block_rows(s, block),
                             s->x + block * BLOCK_ROWS * s->cols);
}

static swg_status sample_init(sample *s)
{
    const uint64_t rows = s->job->rows, all_blocks = (rows - 1) / BLOCK_ROWS + 1;
    const uint64_t fitting = SAMPLE_WEIGHTS / (BLOCK_ROWS * s->job->cols) + 1;
    const uint64_t wanted = fitting < MOST_BLOCKS ? fitting : MOST_BLOCKS;
    s->cols = (size_t)s->job->cols;
    s->group = swg_scheme_group_length(s->job->scheme, s->cols);
    s->n_groups = swg_scheme_groups(s->job->scheme, s->cols);
    s->distance = all_blocks <= wanted ? BLOCK_ROWS : all_blocks / wanted * BLOCK_ROWS;
    s->n_blocks = (size_t)((rows - 1) / s->distance + 1);
    SWG_TRY(SWG_NEW(s->x, s->n_blocks * BLOCK_ROWS * s->cols));
    SWG_TRY(SWG_NEW(s->moments, s->n_blocks));
    return swg_pool_for(s->job->pool, s->n_blocks, read_block, s);
}

/* The numbers that are best for the scales of all blocks, whose moments are added in order, and
 * what they lose. */
static double fit_numbers(const sample *s, bool needs_zero, int8_t out[SWG_LEVELS])
{
    swg_level_moments all = s->moments[0];
    for (size_t b = 1; b < s->n_blocks; b++)
        for (size_t i = 0; i < SWG_LEVEL_STEPS; i++) {
            all.w[i] += s->moments[b].w[i];
            all.wt[i] += s->moments[b].wt[i];
            all.wtt[i] += s->moments[b].wtt[i];
        }
    return swg_levels_best(&all, needs_zero, out);
}

/* The largest magnitude of the sample; 0 where one is not a number to be quantized, which the method
 * will report. */
static float largest_weight(const sample *s)
{
    float largest = 0;
    for (size_t b = 0; b < s->n_blocks; b++)
        for (size_t i = 0; i < block_rows(s, b) * s->cols; i++) {
            const float magnitude = fabsf(s->x[b * BLOCK_ROWS * s->cols + i]);
            if (!(magnitude <= SWG_GRID_MAX_WEIGHT))
                return 0;
            largest = fmaxf(largest, magnitude);
        }
    return largest;
}

/* One scale for the matrix, with its numbers. Outliers beyond +-127 of it become the last number.
 */
static swg_status fit_matrix(sample *s, int8_t out[SWG_LEVELS], float *scale)
{
    const float largest = largest_weight(s) / 127;
    double least = INFINITY;
    memcpy(out, first_numbers, SWG_LEVELS);
    for (int i = 0; i < SCALES && largest > 0; i++) {
        int8_t numbers[SWG_LEVELS];
        s->scale = swg_grid_stored_scale(s->job->scheme.scale_type, 0,
                                         largest * (float)(SCALE_DIVISIONS - i) / SCALE_DIVISIONS);
        if (s->scale == 0)
            continue;
        SWG_TRY(swg_pool_for(s->job->pool, s->n_blocks, measure_block, s));
        const double loss = fit_numbers(s, true, numbers) * (double)s->scale * (double)s->scale;
        if (loss < least) {
            least = loss;
            *scale = s->scale;
            memcpy(out, numbers, SWG_LEVELS);
        }
    }
    return SWG_OK;
}

static swg_status fit_groups(sample *s, int8_t out[SWG_LEVELS])
{
    swg_levels_init(&s->levels, first_numbers);
    for (int round = 0; round < ROUNDS; round++) {
        SWG_TRY(swg_pool_for(s->job->pool, s->n_blocks, fit_block, s));
        fit_numbers(s, s->job->mask != NULL, out);
        swg_levels_init(&s->levels, out);
    }
    return SWG_OK;
}

swg_status swg_codebook_fit(const swg_quantize_job *job, const float *importance,
                            int8_t out[SWG_LEVELS], float *scale)
{
    swg_status status = SWG_OK;
    *scale = 0;
    sample s = {.job = job, .importance = importance};
    SWG_GO(sample_init(&s));
    SWG_GO(job->search == SWG_SEARCH_MATRIX ? fit_matrix(&s, out, scale) : fit_groups(&s, out));
done:
    swg_free(s.moments);
    swg_free(s.x);
    return status;
}
