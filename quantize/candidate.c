/* What candidates cost, from a sample of rows. See candidate.h. */
#include "quantize/candidate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/swg/frame.h"
#include "quantize/entropy.h"
#include "quantize/gptq.h"
#include "quantize/group_grid.h"
#include "quantize/second_order.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* Rows sampled of a matrix: at least so many, and so many weights, and of long ones one in so many;
 * of tables, whose rows differ as tokens are common or rare, more of them. */
enum {
    LEAST_SAMPLE = 12,
    LEAST_WEIGHTS = 8192,
    SAMPLED_FRACTION = 256,
    SAMPLED_OF_TABLE = 32,
    LEAST_OF_TABLE = 512,
    SYMBOLS = 256,
    BLOCK_ROWS = 64
};

/* What a plane's coding must save to be used, as the container has it (frame.c). */
static const double coded_at_most = 1 - 1.0 / 64;

/* Of a table of codes, per symbol that occurs, about. */
#define TABLE_BYTES 0.75

/* zstd's level for weights in a container; and what is left of the codes where rows count as
 * repeated. */
enum { FRAME_LEVEL = 1 };
#define REPETITIVE 0.95

/* --- The list --------------------------------------------------------------------------------- */

static const unsigned widths[] = {
#define SWG_INTEGER_FORMAT(name, bits) bits,
#include "runtime/base/weight_formats.def"
};
static const uint32_t groups[] = {32, 64, 128, 256, 0};
enum {
    N_WIDTHS = sizeof widths / sizeof *widths,
    N_GROUPS = sizeof groups / sizeof *groups,
    BESIDE_STEPS =
        64, /* group of grids that are tried beside steps, which hardly any is better than */
    N_GRIDS = N_WIDTHS * N_GROUPS * 2,
    STEPS_APART = 4, /* those that are estimated; the others are interpolated */
    N_STEPS = 59 * STEPS_APART + 1
};

/* Losses of the entropy method: a factor of 2^(1/8) is a sixteenth of a bit. */
static const double least_step_loss = 1e-13;

/* Of one length of group alone, or of all (0). */
static void add_grids(const char *method, uint32_t group, swg_candidate *out, size_t *n)
{
    for (size_t i = 0; i < N_GRIDS; i++) {
        const unsigned bits = widths[i / 2 / N_GROUPS];
        if (group && groups[i / 2 % N_GROUPS] != group)
            continue;
        out[(*n)++] = (swg_candidate){.method = method,
                                      .bits = bits,
                                      .group = groups[i / 2 % N_GROUPS],
                                      .zero_points = i % 2,
                                      .scale_type = bits == 8 ? SWG_BF16 : SWG_F16};
    }
}

static void add_steps(swg_candidate *out, size_t *n)
{
    for (size_t i = 0; i < N_STEPS; i++) {
        char digits[16]; /* few, so that a recipe can be read */
        snprintf(digits, sizeof digits, "%.3g", least_step_loss * exp2((double)i / 8));
        out[(*n)++] = (swg_candidate){.method = "entropy",
                                      .bits = 8,
                                      .scale_type = SWG_BF16,
                                      .step_loss = strtod(digits, NULL)};
    }
}

swg_status swg_candidates(const char *method, swg_candidate **out, size_t *n)
{
    const bool is_gptq = !method || strcmp(method, "gptq") == 0;
    const bool is_entropy = !method || strcmp(method, "entropy") == 0;
    const bool is_rtn = method && strcmp(method, "rtn") == 0;
    if (!is_gptq && !is_entropy && !is_rtn)
        return swg_error(SWG_USAGE,
                         "the search for a recipe has no candidates of method %s; it has those of "
                         "gptq, entropy and rtn",
                         method);
    *n = 0;
    SWG_TRY(SWG_NEW(*out, N_GRIDS + N_STEPS));
    if (is_gptq || is_rtn)
        add_grids(is_rtn ? "rtn" : "gptq", is_entropy ? BESIDE_STEPS : 0, *out, n);
    if (is_entropy)
        add_steps(*out, n);
    return SWG_OK;
}

void swg_candidate_setting(const swg_candidate *c, swg_parameter *parameter,
                           swg_recipe_setting *out)
{
    *out = (swg_recipe_setting){.given = SWG_RECIPE_FORMAT | SWG_RECIPE_BITS | SWG_RECIPE_GROUP |
                                         SWG_RECIPE_ZERO_POINTS | SWG_RECIPE_SCALE_TYPE |
                                         SWG_RECIPE_METHOD | SWG_RECIPE_PARAMETERS,
                                .format = "int",
                                .bits = c->bits,
                                .group = c->group,
                                .zero_points = c->zero_points,
                                .scale_type = c->scale_type,
                                .method = c->method};
    if (c->step_loss == 0)
        return;
    *parameter = (swg_parameter){.name = "loss", .number = c->step_loss};
    out->parameters = parameter;
    out->n_parameters = 1;
}

static swg_status scheme_of(const swg_candidate *c, swg_scheme *out)
{
    return swg_scheme_of_bits(c->bits, c->group, c->zero_points, c->scale_type, out);
}

/* --- Weights of the columns ------------------------------------------------------------------- */

swg_status swg_candidate_weights(const swg_layer_stats *stats, float *out)
{
    swg_second_order so;
    const size_t k = stats->k, group = k < 64 ? k : 64;
    SWG_TRY(swg_second_order_init(&so, stats->name, stats->hessian, k, group, SWG_DAMPING_DEFAULT));
    for (size_t i = 0; i < k; i++) {
        const double u = (double)so.factor[i * k + i];
        out[so.order[i]] = (float)(1 / (u * u * (double)stats->n_tokens));
    }
    swg_second_order_deinit(&so);
    return SWG_OK;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static int compare_counts(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The sum of all inner nodes of the code's tree. Two queues, both ascending: the symbols, and the
 * inner nodes in the order in which they come up. */
double swg_huffman_bits(const uint64_t *counts, size_t n)
{
    uint64_t leaf[SYMBOLS], inner[SYMBOLS];
    size_t n_leaves = 0, n_inner = 0, l = 0, i = 0;
    double bits = 0;
    for (size_t s = 0; s < n; s++)
        if (counts[s])
            leaf[n_leaves++] = counts[s];
    qsort(leaf, n_leaves, sizeof *leaf, compare_counts);
    while (n_leaves > 1 && n_inner + 1 < n_leaves) {
        uint64_t sum = 0;
        for (int side = 0; side < 2; side++)
            sum += i == n_inner || (l < n_leaves && leaf[l] <= inner[i]) ? leaf[l++] : inner[i++];
        inner[n_inner++] = sum;
        bits += (double)sum;
    }
    return bits;
}

/* Counts of the symbols of one plane's sample. */
typedef struct histogram {
    uint64_t counts[SYMBOLS];
} histogram;

static double entropy_bits(const histogram *h, double total)
{
    double bits = 0;
    for (size_t s = 0; s < SYMBOLS; s++)
        if (h->counts[s])
            bits -= (double)h->counts[s] * log2((double)h->counts[s] / total);
    return bits;
}

/* Bytes of `n` symbols that take `bits` bits uncoded and are distributed like the sample. Codes may
 * go to a coder that spends fractions of bits. */
static double plane_bytes(const histogram *h, double bits, bool are_codes, uint64_t n)
{
    double total = 0, table = 0;
    for (size_t s = 0; s < SYMBOLS; s++) {
        total += (double)h->counts[s];
        table += h->counts[s] > 0 ? TABLE_BYTES : 0;
    }
    if (total == 0)
        return bits / 8 * (double)n;
    double coded = swg_huffman_bits(h->counts, SYMBOLS) / total;
    const double finest = are_codes ? entropy_bits(h, total) / total : coded;
    coded = finest < coded * coded_at_most ? finest : coded;
    coded += 8 * table / (double)n;
    return (coded < bits * coded_at_most ? coded : bits) / 8 * (double)n;
}

/* --- The sample ------------------------------------------------------------------------------- */

typedef struct sample {
    const swg_candidate_matrix *matrix;
    const swg_candidate *candidates;
    size_t n_candidates;
    size_t n, cols;
    uint64_t *rows;                      /* [n] which */
    float *x;                            /* [n][cols] */
    float *steps;                        /* [n] of method entropy at a loss of 1 */
    double *product, *look_up;           /* [n] sensitivity of the rows; 0 where there is none */
    double product_norm, look_up_norm;   /* sum of sensitivity times weighted square of the row */
    double product_total, look_up_total; /* the same over all rows of the matrix */
    swg_candidate_cost *out;
} sample;

static double sensitivity_of(const double *of_rows, uint64_t row)
{
    return of_rows ? of_rows[row] : 0;
}

/* Sum of weight * x^2 (weights NULL = 1). */
static double square(const float *x, const float *weights, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i] * (weights ? (double)weights[i] : 1);
    return sum;
}

/* Norms of a block of rows of the whole matrix. */
typedef struct totals {
    const swg_candidate_matrix *matrix;
    double *product, *look_up; /* [blocks] */
} totals;

static swg_status add_block(void *context, size_t index)
{
    const totals *t = context;
    const swg_quantize_job *job = t->matrix->job;
    const uint64_t begin = (uint64_t)index * BLOCK_ROWS, left = job->rows - begin;
    const uint64_t n = left < BLOCK_ROWS ? left : BLOCK_ROWS;
    const size_t cols = (size_t)job->cols;
    swg_status status = SWG_OK;
    float *x = NULL;
    SWG_GO(SWG_NEW_UNINIT(x, n * cols));
    SWG_GO(job->read_rows(job->context, begin, n, x));
    for (uint64_t r = 0; r < n; r++) {
        const float *row = x + r * cols;
        const swg_row_sensitivity *s = t->matrix->sensitivity;
        t->product[index] +=
            sensitivity_of(s->product, begin + r) * square(row, t->matrix->weights, cols);
        t->look_up[index] += sensitivity_of(s->look_up, begin + r) * square(row, NULL, cols);
    }
done:
    swg_free(x);
    return status;
}

static swg_status find_totals(sample *s)
{
    const swg_quantize_job *job = s->matrix->job;
    const size_t n_blocks = (size_t)((job->rows - 1) / BLOCK_ROWS + 1);
    totals t = {.matrix = s->matrix};
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(t.product, n_blocks));
    SWG_GO(SWG_NEW(t.look_up, n_blocks));
    SWG_GO(swg_pool_for(job->pool, n_blocks, add_block, &t));
    for (size_t i = 0; i < n_blocks; i++) {
        s->product_total += t.product[i];
        s->look_up_total += t.look_up[i];
    }
done:
    swg_free(t.product);
    swg_free(t.look_up);
    return status;
}

/* Rows at equal distances. */
static swg_status take_rows(sample *s)
{
    const swg_candidate_matrix *m = s->matrix;
    const swg_quantize_job *job = m->job;
    const bool is_table = m->sensitivity->look_up != NULL;
    const uint64_t least = is_table ? LEAST_OF_TABLE : LEAST_SAMPLE;
    const uint64_t part = job->rows / (is_table ? SAMPLED_OF_TABLE : SAMPLED_FRACTION);
    uint64_t wanted = swg_ceil_div(LEAST_WEIGHTS, job->cols);
    wanted = wanted > least ? wanted : least;
    wanted = wanted > part ? wanted : part;
    s->n = (size_t)(wanted < job->rows ? wanted : job->rows);
    s->cols = (size_t)job->cols;
    SWG_TRY(SWG_NEW(s->rows, s->n));
    SWG_TRY(SWG_NEW_UNINIT(s->x, s->n * s->cols));
    SWG_TRY(SWG_NEW(s->product, s->n));
    SWG_TRY(SWG_NEW(s->look_up, s->n));
    for (size_t i = 0; i < s->n; i++) {
        const uint64_t row = s->rows[i] = (2 * i + 1) * job->rows / (2 * s->n);
        float *x = s->x + i * s->cols;
        SWG_TRY(job->read_rows(job->context, row, 1, x));
        s->product[i] = sensitivity_of(m->sensitivity->product, row);
        s->look_up[i] = sensitivity_of(m->sensitivity->look_up, row);
        s->product_norm += s->product[i] * square(x, m->weights, s->cols);
        s->look_up_norm += s->look_up[i] * square(x, NULL, s->cols);
    }
    return SWG_OK;
}

/* Where no sampled row matters, all count the same, and so does the whole matrix in proportion. */
static void even_out(const float *x, const float *weights, size_t n, size_t cols, double total,
                     double *of_rows, double *norm)
{
    if (*norm > 0 || total == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        of_rows[i] = 1;
        *norm += square(x + i * cols, weights, cols);
    }
}

/* Steps of the sampled rows. They go with the square root of the loss. */
static swg_status find_steps(sample *s)
{
    const swg_row_sensitivity *of_rows = s->matrix->sensitivity;
    float *all;
    double spread = 0;
    for (size_t c = 0; s->matrix->weights && c < s->cols; c++)
        spread += (double)s->matrix->weights[c] / (double)s->cols;
    SWG_TRY(SWG_NEW_UNINIT(s->steps, s->n));
    SWG_TRY(SWG_NEW_UNINIT(all, of_rows->rows));
    swg_entropy_steps(of_rows, spread, 1, all);
    for (size_t i = 0; i < s->n; i++)
        s->steps[i] = s->rows[i] < of_rows->rows ? all[s->rows[i]] : INFINITY;
    swg_free(all);
    return SWG_OK;
}

/* --- One candidate ---------------------------------------------------------------------------- */

/* What a candidate makes of the sample. */
typedef struct outcome {
    double product, look_up; /* sums of sensitivity times error */
    histogram codes, scales_low, scales_high, zeros;
} outcome;

static void count_scale(swg_dtype type, float scale, outcome *o)
{
    uint8_t bytes[4] = {0};
    swg_float_store(type, bytes, 0, scale);
    o->scales_low.counts[bytes[0]]++;
    o->scales_high.counts[bytes[1]]++;
}

/* The grid of part of a sampled row. */
static swg_status find_grid(const sample *s, const swg_candidate *candidate, swg_scheme scheme,
                            size_t r, const float *x, const float *weights, size_t n, swg_grid *out)
{
    const swg_grid_space space = {.scheme = scheme, .search = SWG_SEARCH_MSE};
    if (candidate->step_loss == 0)
        return swg_grid_search(&space, x, weights, n, out);
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    const float step = s->steps[r] * (float)sqrt(candidate->step_loss);
    *out = swg_gptq_step_grid(scheme, swg_entropy_limited(step, largest, scheme.bits));
    return SWG_OK;
}

static swg_status try_row(const sample *s, const swg_candidate *candidate, swg_scheme scheme,
                          size_t r, uint8_t *codes, outcome *o)
{
    const size_t group = swg_scheme_group_length(scheme, s->cols);
    const float *weights = s->matrix->weights;
    /* Corrected weights fall anywhere in a step, also where the source's are all smaller than one.
     */
    const bool is_step = candidate->step_loss > 0;
    for (size_t begin = 0; begin < s->cols; begin += group) {
        const size_t left = s->cols - begin, n = left < group ? left : group;
        const float *x = s->x + r * s->cols + begin;
        const float *w = weights ? weights + begin : NULL;
        swg_grid grid;
        SWG_TRY(find_grid(s, candidate, scheme, r, x, w, n, &grid));
        swg_grid_encode(grid, x, n, codes + begin);
        const double square_of_step = (double)grid.scale * (double)grid.scale / 12;
        for (size_t i = 0; i < n; i++) {
            const double d = (double)swg_grid_value(grid, codes[begin + i]) - (double)x[i];
            const double e = is_step ? square_of_step : d * d;
            o->product += s->product[r] * e * (w ? (double)w[i] : 1);
            o->look_up += s->look_up[r] * e;
            o->codes.counts[codes[begin + i]]++;
        }
        count_scale(scheme.scale_type, grid.scale, o);
        o->zeros.counts[grid.zero]++;
    }
    return SWG_OK;
}

/* What the codes of the sample [n] take, with repeated rows found, of what their frequencies alone
 * tell: many rows are nearly the same where tokens hardly occur. */
static swg_status find_repetition(const uint8_t *codes, size_t n, const histogram *h, double *out)
{
    const size_t most = SWG_FRAME_MAX_BYTES, count = n < most ? n : most;
    const swg_frame_shape shape = {.bytes = count, .elem_bytes = 1, .symbol_bits = 8};
    swg_status status = SWG_OK;
    swg_frame_encoder *encoder = NULL;
    uint8_t *coded = NULL;
    uint32_t length;
    swg_codec codec;
    SWG_GO(swg_frame_encoder_new(&encoder));
    SWG_GO(SWG_NEW_UNINIT(coded, count));
    SWG_GO(swg_frame_encode(encoder, FRAME_LEVEL, shape, codes, coded, &length, &codec));
    const double ratio = (double)length / plane_bytes(h, 8, true, count);
    *out = ratio < REPETITIVE ? ratio : 1;
done:
    swg_free(coded);
    swg_frame_encoder_free(&encoder);
    return status;
}

static double compressed_bytes(const swg_quantize_job *job, swg_scheme scheme, const outcome *o,
                               double repetition)
{
    const uint64_t n_codes = job->rows * job->cols;
    const uint64_t n_groups = job->rows * swg_scheme_groups(scheme, (size_t)job->cols);
    /* The low byte of a scale is noise, of which a sample tells nothing. */
    double bytes = repetition * plane_bytes(&o->codes, scheme.bits, true, n_codes) +
                   (double)n_groups + plane_bytes(&o->scales_high, 8, false, n_groups);
    if (scheme.asymmetric)
        bytes += plane_bytes(&o->zeros, 8, false, n_groups);
    return bytes;
}

/* Whether a candidate lies between two of the same method that are estimated; *before is the index
 * of the first of them. */
static bool is_between(const sample *s, size_t index, size_t *before)
{
    size_t first = index;
    while (first > 0 && s->candidates[first - 1].step_loss > 0)
        first--;
    const size_t place = (index - first) % STEPS_APART;
    *before = index - place;
    return s->candidates[index].step_loss > 0 && place > 0 &&
           *before + STEPS_APART < s->n_candidates;
}

/* Between two steps bytes follow the logarithm of the loss. */
static void interpolate(const sample *s)
{
    size_t before;
    for (size_t i = 0; i < s->n_candidates; i++) {
        if (!is_between(s, i, &before))
            continue;
        const swg_candidate_cost a = s->out[before], b = s->out[before + STEPS_APART];
        const double part = (double)(i - before) / STEPS_APART;
        s->out[i] = (swg_candidate_cost){
            .loss = a.loss > 0 && b.loss > 0 ? a.loss * pow(b.loss / a.loss, part) : b.loss,
            .bytes = a.bytes + part * (b.bytes - a.bytes)};
    }
}

static swg_status try_candidate(void *context, size_t index)
{
    const sample *s = context;
    size_t before;
    swg_status status = SWG_OK;
    outcome *o = NULL;
    uint8_t *codes = NULL;
    double repetition = 1;
    swg_scheme scheme;
    if (is_between(s, index, &before))
        return SWG_OK;
    SWG_GO(scheme_of(&s->candidates[index], &scheme));
    SWG_GO(SWG_NEW(o, 1));
    SWG_GO(SWG_NEW_UNINIT(codes, s->n * s->cols));
    for (size_t r = 0; r < s->n; r++)
        SWG_GO(try_row(s, &s->candidates[index], scheme, r, codes + r * s->cols, o));
    SWG_GO(find_repetition(codes, s->n * s->cols, &o->codes, &repetition));
    const double product =
        s->product_norm > 0 ? o->product / s->product_norm * s->product_total : 0;
    const double look_up =
        s->look_up_norm > 0 ? o->look_up / s->look_up_norm * s->look_up_total : 0;
    s->out[index] =
        (swg_candidate_cost){.loss = (product + look_up) / 2,
                             .bytes = compressed_bytes(s->matrix->job, scheme, o, repetition)};
done:
    swg_free(codes);
    swg_free(o);
    return status == SWG_OK ? SWG_OK : swg_error_context(status, "tensor %s", s->matrix->job->name);
}

swg_status swg_candidates_cost(const swg_candidate_matrix *m, const swg_candidate *candidates,
                               size_t n, swg_candidate_cost *out)
{
    swg_status status = SWG_OK;
    sample s = {.matrix = m, .candidates = candidates, .n_candidates = n, .out = out};
    SWG_GO(take_rows(&s));
    SWG_GO(find_totals(&s));
    SWG_GO(find_steps(&s));
    even_out(s.x, m->weights, s.n, s.cols, s.product_total, s.product, &s.product_norm);
    even_out(s.x, NULL, s.n, s.cols, s.look_up_total, s.look_up, &s.look_up_norm);
    SWG_GO(swg_pool_for(m->job->pool, n, try_candidate, &s));
    interpolate(&s);
done:
    swg_free(s.rows);
    swg_free(s.x);
    swg_free(s.steps);
    swg_free(s.product);
    swg_free(s.look_up);
    return status;
}
