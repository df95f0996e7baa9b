/* attention. */
#include "kernels/check/case_values.h"
#include "runtime/base/numeric.h"

#include <math.h>
#include <stdio.h>

/* Key ranges: all the same, causal, a window, or anything. */
static void key_ranges(swg_check_case *c, size_t index, size_t n_keys)
{
    for (size_t i = 0; i < c->m; i++) {
        c->key_begin[i] = 0;
        c->key_end[i] = (uint32_t)n_keys;
        const size_t causal = n_keys > c->m ? n_keys - c->m + i + 1 : 1 + i * n_keys / c->m;
        if (index % 4 == 1 || index % 4 == 2)
            c->key_end[i] = (uint32_t)(causal < n_keys ? causal : n_keys);
        if (index % 4 == 2)
            c->key_begin[i] = c->key_end[i] > 21 ? c->key_end[i] - 21 : 0;
        if (index % 4 == 3) {
            c->key_begin[i] = (uint32_t)swg_check_below(c->rng, n_keys);
            c->key_end[i] =
                c->key_begin[i] + 1 + (uint32_t)swg_check_below(c->rng, n_keys - c->key_begin[i]);
        }
    }
}

/* Cut the keys into runs: one, or several of different lengths, even of a single key. */
static void key_runs(swg_check_case *c, size_t n_runs)
{
    c->n_runs = n_runs < c->k ? n_runs : c->k;
    c->run_first[0] = 0;
    for (size_t run = 1; run < c->n_runs; run++) {
        const size_t least = c->run_first[run - 1] + 1, most = c->k - (c->n_runs - run);
        c->run_first[run] = least + swg_check_below(c->rng, most - least + 1);
    }
    c->run_first[c->n_runs] = c->k;
}

/* Where in its buffer key j is, counted in keys: runs are stored in reverse order, so that a kernel
 * that reads on past a run finds the wrong keys. */
static size_t place_of(const swg_check_case *c, size_t j)
{
    size_t run = 0;
    while (j >= c->run_first[run + 1])
        run++;
    return c->k - c->run_first[run + 1] + (j - c->run_first[run]);
}

/* Elements of keys or values: floats of the flavour, the same as halves, or any 8-bit integers,
 * with the scales that make them as large. */
static swg_status add_rows(swg_check_case *c, const char *name, swg_check_flavour kind, float large)
{
    static const size_t bytes[] = {[SWG_KV_F32] = 4, [SWG_KV_F16] = 2, [SWG_KV_INT8] = 1};
    const size_t n = (c->k - 1) * c->stride + c->n;
    void *rows;
    float *floats = swg_arena_calloc(&c->arena, n, sizeof *floats);
    SWG_TRY(swg_check_add_buffer(c, name, CHECK_IN, n * bytes[c->kv_type], &rows));
    if (!floats)
        return SWG_NO_MEMORY;
    swg_check_fill(c, floats, n, kind, large);
    for (size_t i = 0; i < n; i++)
        if (c->kv_type == SWG_KV_INT8)
            ((int8_t *)rows)[i] = (int8_t)swg_rng_next(c->rng);
        else
            swg_float_store(c->kv_type == SWG_KV_F16 ? SWG_F16 : SWG_F32, rows, i, floats[i]);
    c->bytes += (double)n * (double)bytes[c->kv_type];
    return SWG_OK;
}

/* One scale per key or value. */
static swg_status add_scales(swg_check_case *c, const char *name, float large)
{
    float *scales;
    SWG_TRY(swg_check_add_buffer(c, name, CHECK_IN, c->k * 4, &scales));
    for (size_t i = 0; i < c->k; i++)
        scales[i] = large * (float)swg_rng_uniform(c->rng) / 100;
    return SWG_OK;
}

enum { OUT, KEYS, VALUES, SCORES, KEY_SCALES, VALUE_SCALES, QUERIES };

/* OUT [m][head_dim] holds q when in place, QUERIES is absent then; SCORES is scratch. n is
 * head_dim, k the number of keys. */
static swg_status generate_attention(swg_check_case *c, size_t index, bool for_timing)
{
    static const size_t heads[] = {64, 32, 128, 16, 80, 96, 1, 7, 8, 17, 48, 65, 4, 33};
    c->n = for_timing ? 64 : heads[index % (sizeof heads / sizeof *heads)];
    c->k = for_timing ? 512 : swg_check_size(c, index, 200);
    c->m = for_timing ? 16 : 1 + swg_check_below(c->rng, 13);
    c->stride = c->n + (for_timing ? 0 : 3 * (index % 2));
    c->in_place = index % 3 == 0;
    c->scale = 1 / sqrtf((float)c->n);
    c->kv_type = for_timing ? SWG_KV_F32 : (swg_kv_type)swg_check_below(c->rng, SWG_KV_TYPE_COUNT);
    key_ranges(c, for_timing ? 0 : index, c->k);
    key_runs(c, for_timing ? 1 : 1 + index / 2 % SWG_CHECK_RUNS);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *out, *scores, *q;
    SWG_TRY(swg_check_add_buffer(c, "out", CHECK_OUT, c->m * c->n * 4, &out));
    SWG_TRY(add_rows(c, "k", CHECK_NORMAL, 1));
    SWG_TRY(add_rows(c, "v", kind == CHECK_LARGE ? CHECK_NORMAL : kind, 1000));
    SWG_TRY(
        swg_check_add_buffer(c, "scores", CHECK_SCRATCH, 8 * swg_round_up(c->k, 16) * 4, &scores));
    SWG_TRY(add_scales(c, "k scales", 2));
    SWG_TRY(add_scales(c, "v scales", 1000));
    q = out;
    if (!c->in_place)
        SWG_TRY(swg_check_add_buffer(c, "q", CHECK_IN, c->m * c->n * 4, &q));
    swg_check_fill(c, q, c->m * c->n, kind, 20);
    c->ops = 4.0 * (double)c->m * (double)c->n * (double)c->k;
    snprintf(c->text, sizeof c->text,
             "head_dim %zu, %zu queries, %zu keys, runs %zu, ranges %zu, type %d, %s%s", c->n, c->m,
             c->k, c->n_runs, index % 4, (int)c->kv_type, swg_check_flavour_name(kind),
             c->in_place ? ", in place" : "");
    return SWG_OK;
}

static void invoke_attention(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    static const size_t bytes[] = {[SWG_KV_F32] = 4, [SWG_KV_F16] = 2, [SWG_KV_INT8] = 1};
    float *out[SWG_CHECK_QUERIES];
    const float *q[SWG_CHECK_QUERIES];
    for (size_t i = 0; i < c->m; i++) {
        out[i] = (float *)at[OUT] + i * c->n;
        q[i] = c->in_place ? out[i] : (const float *)at[QUERIES] + i * c->n;
    }
    swg_kv_run runs[SWG_CHECK_RUNS];
    for (size_t run = 0; run < c->n_runs; run++) {
        const size_t first = c->run_first[run], place = place_of(c, first);
        const size_t offset = place * c->stride * bytes[c->kv_type];
        runs[run] = (swg_kv_run){.k = (const uint8_t *)at[KEYS] + offset,
                                 .v = (const uint8_t *)at[VALUES] + offset,
                                 .n = c->run_first[run + 1] - first};
        if (c->kv_type == SWG_KV_INT8) {
            runs[run].k_scales = (const float *)at[KEY_SCALES] + place;
            runs[run].v_scales = (const float *)at[VALUE_SCALES] + place;
        }
    }
    const swg_attention a = {.n_queries = c->m,
                             .head_dim = c->n,
                             .q = q,
                             .out = out,
                             .key_begin = c->key_begin,
                             .key_end = c->key_end,
                             .runs = runs,
                             .n_runs = c->n_runs,
                             .kv_type = c->kv_type,
                             .kv_stride = c->stride,
                             .scale = c->scale,
                             .scores = at[SCORES],
                             .scores_stride = swg_round_up(c->k, 16)};
    kernels->attention(&a);
}

/* Element d of key or value j, times its scale. */
static double element(const swg_check_case *c, size_t rows, size_t scales, size_t j, size_t d)
{
    const void *const data = swg_check_initial(c, rows);
    const size_t at = place_of(c, j) * c->stride + d;
    if (c->kv_type == SWG_KV_INT8)
        return ((const int8_t *)data)[at] *
               (double)((const float *)swg_check_initial(c, scales))[place_of(c, j)];
    return swg_float_load(c->kv_type == SWG_KV_F16 ? SWG_F16 : SWG_F32, data, at);
}

/* Of 8-bit keys and values, what rounding a query to codes adds to the error of a score whose key
 * has elements of that size together. */
static double query_error(const swg_check_case *c, const float *q, double key_size)
{
    double absmax = 0;
    for (size_t d = 0; d < c->n; d++)
        absmax = fmax(absmax, fabs((double)q[d]));
    return c->kv_type == SWG_KV_INT8 ? 0.51 * absmax / SWG_QUERY_CODES * key_size * c->scale : 0;
}

/* What rounding weights to codes adds to the error of element d: half a code for each key, and what
 * is too small for codes. `weights` are those of keys [begin, end), without value scales. */
static double weight_error(const swg_check_case *c, size_t begin, size_t end, const double *weights,
                           size_t d)
{
    double error = 0;
    const float *scales = swg_check_initial(c, VALUE_SCALES);
    for (size_t j = begin; c->kv_type == SWG_KV_INT8 && j < end; j++) {
        double largest = SWG_ACT_MIN;
        for (size_t l = j / SWG_WEIGHT_KEYS * SWG_WEIGHT_KEYS;
             l < (j / SWG_WEIGHT_KEYS + 1) * SWG_WEIGHT_KEYS; l++)
            if (l >= begin && l < end)
                largest = fmax(largest, weights[l - begin] * (double)scales[place_of(c, l)]);
        const double code =
            element(c, VALUES, VALUE_SCALES, j, d) / fmax((double)scales[place_of(c, j)], 1e-30);
        error += 0.51 * largest / SWG_WEIGHT_CODES * fabs(code) + SWG_ACT_MIN * fabs(code);
    }
    return error;
}

/* One query. A score is off by at most (head_dim + 2) CHECK_EPS of its magnitudes; the error of the
 * largest score shifts all alike, but each difference is rounded again; the exponential adds 2
 * CHECK_EPS; the sums of n terms add n CHECK_EPS each. 8-bit types add the rounding to codes. */
static bool check_query(const swg_check_case *c, size_t i, const float *out, char *failure)
{
    const float *q = (const float *)swg_check_initial(c, c->in_place ? OUT : QUERIES) + i * c->n;
    const size_t begin = c->key_begin[i], end = c->key_end[i];
    double max = -INFINITY, largest_error = 0, spread = 0, sum = 0;
    double scores[SWG_CHECK_KEYS];
    for (size_t j = begin; j < end; j++) {
        double dot = 0, magnitude = 0, key_size = 0;
        for (size_t d = 0; d < c->n; d++) {
            const double key = element(c, KEYS, KEY_SCALES, j, d), term = (double)q[d] * key;
            dot += term;
            magnitude += fabs(term);
            key_size += fabs(key);
        }
        scores[j - begin] = dot * c->scale;
        max = fmax(max, scores[j - begin]);
        largest_error = fmax(largest_error, ((double)c->n + 2) * CHECK_EPS * magnitude * c->scale +
                                                query_error(c, q, key_size));
    }
    for (size_t j = begin; j < end; j++) {
        const double difference = max - scores[j - begin];
        spread = fmax(spread, fmin(difference, 90)); /* beyond, the exponential is 0 */
        scores[j - begin] = exp(-difference);
        sum += scores[j - begin];
    }
    const double n_keys = (double)(end - begin);
    const double relative = expm1(4 * largest_error) + (2 * spread + 2 * n_keys + 9) * CHECK_EPS;
    for (size_t d = 0; d < c->n; d++) {
        double wanted = 0, magnitude = 0;
        for (size_t j = begin; j < end; j++) {
            const double value = element(c, VALUES, VALUE_SCALES, j, d);
            wanted += scores[j - begin] / sum * value;
            magnitude += scores[j - begin] / sum * fabs(value);
        }
        const double flushed = n_keys * 1.3e-38 * 5000; /* weights below exp(-87.3), |v| < 5000 */
        const double rounded = weight_error(c, begin, end, scores, d) * (1 + relative) / sum;
        if (!swg_check_near(out[d], wanted, relative * magnitude + flushed + rounded, "out",
                            i * c->n + d, failure))
            return false;
    }
    return true;
}

static bool check_attention(const swg_check_case *c, void *const at[], char *failure)
{
    const float *out = at[0];
    for (size_t i = 0; i < c->m; i++)
        if (!check_query(c, i, out + i * c->n, failure))
            return false;
    return true;
}

const swg_op_check swg_check__attention = {generate_attention, invoke_attention, check_attention};
