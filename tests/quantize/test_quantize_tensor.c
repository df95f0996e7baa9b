/* Whole matrices: planes against the statistics and against a decoder of its own, the same bytes
 * for any number of threads, refusals, failing allocations. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quantize/quantize.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

typedef struct matrix {
    float *x;
    uint64_t rows, cols;
    uint64_t fail_row; /* reading it fails; UINT64_MAX = never */
} matrix;

static matrix matrix_of(uint64_t rows, uint64_t cols)
{
    matrix m = {.rows = rows, .cols = cols, .fail_row = UINT64_MAX};
    ck_ok(SWG_NEW_UNINIT(m.x, rows * cols));
    swg_rng rng = swg_rng_seeded(swg_test_seed() + rows * 31 + cols);
    for (size_t i = 0; i < rows * cols; i++)
        m.x[i] = 0.04f * swg_rng_normal(&rng);
    return m;
}

static swg_status read_rows(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const matrix *m = context;
    ck_assert_uint_le(row_begin + n_rows, m->rows);
    if (m->fail_row >= row_begin && m->fail_row < row_begin + n_rows)
        return swg_error(SWG_IO, "row %llu cannot be read", (unsigned long long)m->fail_row);
    memcpy(out, m->x + row_begin * m->cols, n_rows * m->cols * sizeof *out);
    return SWG_OK;
}

typedef struct result {
    void *planes[SWG_PLANE_KINDS]; /* by kind */
    swg_plane layout[SWG_PLANE_KINDS];
    size_t n_planes;
    swg_quant_stats stats;
} result;

static swg_scheme scheme_of(unsigned bits, uint32_t group, bool asymmetric, swg_dtype scale_type)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_of_bits(bits, group, asymmetric, scale_type, &scheme));
    return scheme;
}

static void result_deinit(result *r)
{
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
        SWG_FREE(r->planes[kind]);
}

static swg_status quantize(matrix *m, swg_scheme scheme, uint64_t rows_per_read, size_t n_threads,
                           result *out)
{
    const swg_tensor_desc desc = {
        .name = "w", .scheme = scheme, .rank = 2, .shape = {m->rows, m->cols}};
    const swg_quantize_job job = {.name = "w",
                                  .rows = m->rows,
                                  .cols = m->cols,
                                  .scheme = scheme,
                                  .read_rows = read_rows,
                                  .context = m,
                                  .rows_per_read = rows_per_read};
    swg_quantize_job pooled = job;
    swg_status status = SWG_OK;
    *out = (result){0};
    out->n_planes = swg_tensor_planes(&desc, out->layout);
    for (size_t i = 0; i < out->n_planes; i++) {
        uint8_t *plane;
        SWG_GO(SWG_NEW_UNINIT(plane, out->layout[i].bytes));
        out->planes[out->layout[i].kind] = plane;
        memset(plane, 0xa5, out->layout[i].bytes);
    }
    if (n_threads)
        SWG_GO(swg_pool_new(n_threads, &pooled.pool));
    SWG_GO(swg_quantize_tensor(SWG_QUANT_rtn, &pooled, out->planes, &out->stats));
done:
    swg_pool_free(&pooled.pool);
    if (status != SWG_OK)
        result_deinit(out);
    return status;
}

/* w[r][c] by tensor.h's definition. */
static double value_at(const result *r, swg_scheme scheme, uint64_t cols, uint64_t row,
                       uint64_t col)
{
    const uint8_t *codes =
        (const uint8_t *)r->planes[SWG_PLANE_CODES] + row * r->layout[0].row_bytes;
    int code = 0;
    for (unsigned b = 0; b < scheme.bits; b++) {
        const uint64_t bit = col * scheme.bits + b;
        code |= (codes[bit / 8] >> bit % 8 & 1) << b;
    }
    const size_t n_groups = scheme.group ? (cols + scheme.group - 1) / scheme.group : 1;
    const size_t at = row * n_groups + (scheme.group ? col / scheme.group : 0);
    const float row_scale = swg_row_scale_load(r->planes[SWG_PLANE_ROW_SCALES], row);
    const float scale = scheme.scale_type == SWG_I8
                            ? row_scale * ((const int8_t *)r->planes[SWG_PLANE_SCALES])[at]
                            : swg_float_load(scheme.scale_type, r->planes[SWG_PLANE_SCALES], at);
    const int8_t *const book = r->planes[SWG_PLANE_CODEBOOK];
    const uint8_t *const zeros = r->planes[SWG_PLANE_ZEROS];
    const int number = book ? book[code] : code - (zeros ? zeros[at] : 1 << (scheme.bits - 1));
    return (double)(scale * (float)number);
}

static void check_matrix(uint64_t rows, uint64_t cols, swg_scheme scheme)
{
    matrix m = matrix_of(rows, cols);
    result r;
    ck_ok(quantize(&m, scheme, 0, 0, &r));
    double signal = 0, noise = 0, largest = 0;
    for (uint64_t row = 0; row < rows; row++)
        for (uint64_t col = 0; col < cols; col++) {
            const double w = (double)m.x[row * cols + col];
            const double d = value_at(&r, scheme, cols, row, col) - w;
            signal += w * w;
            noise += d * d;
            largest = fmax(largest, fabs(d));
        }
    const unsigned used = (unsigned)(cols * scheme.bits % 8); /* bits of a row's last byte */
    for (uint64_t row = 0; used && row < rows; row++) {       /* the others are 0 */
        const uint8_t *const end =
            (const uint8_t *)r.planes[SWG_PLANE_CODES] + (row + 1) * r.layout[0].row_bytes;
        ck_assert_uint_eq(end[-1] >> used, 0);
    }
    ck_assert_double_eq_tol(swg_quant_relative_error(&r.stats), sqrt(noise / signal), 1e-9);
    ck_assert_double_eq_tol(r.stats.signal, signal, 1e-9 * signal);
    ck_assert_double_eq(r.stats.max_abs_error, largest);
    ck_assert_uint_eq(r.stats.elems, rows * cols);
    uint64_t bytes = 0;
    for (size_t i = 0; i < r.n_planes; i++)
        bytes += r.layout[i].bytes;
    ck_assert_uint_eq(r.stats.bytes, bytes);
    ck_assert_double_eq_tol(swg_quant_bits_per_weight(&r.stats),
                            8.0 * (double)bytes / (double)(rows * cols), 1e-12);
    if (noise > 0)
        ck_assert_double_eq_tol(swg_quant_snr_db(&r.stats), 10 * log10(signal / noise), 1e-6);
    /* Fewer levels for more weights lose more; these bounds hold with a wide margin. */
    ck_assert_double_lt(sqrt(noise / signal), fmax(0.03, 3.2 / (1 << scheme.bits)));
    result_deinit(&r);
    swg_free(m.x);
}

START_TEST(planes_hold_what_the_statistics_say)
{
    static const uint64_t shapes[][2] = {{1, 1}, {3, 33}, {17, 64}, {5, 255}, {9, 1001}};
    static const uint32_t groups[] = {0, 32, 64, 128, 256};
    static const swg_dtype types[] = {SWG_F16, SWG_BF16, SWG_F32, SWG_I8};
    const unsigned bits = (unsigned)_i;
    for (size_t s = 0; swg_bits_are_known(bits) && s < 5; s++)
        for (size_t g = 0; g < 5; g++)
            for (int kind = 0; kind < 8; kind++)
                check_matrix(shapes[s][0], shapes[s][1],
                             scheme_of(bits, groups[g], kind % 2, types[kind / 2]));
}
END_TEST

static swg_scheme codebook_scheme(uint32_t group, swg_dtype scale_type)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_of_codebook(4, group, scale_type, &scheme));
    return scheme;
}

START_TEST(codebook_planes_hold_what_the_statistics_say)
{
    static const uint64_t shapes[][2] = {{1, 1}, {3, 33}, {17, 64}, {9, 1001}, {100, 4}};
    static const uint32_t groups[] = {0, 32, 256};
    for (size_t s = 0; s < 5; s++)
        for (size_t g = 0; g < 3; g++)
            check_matrix(shapes[s][0], shapes[s][1],
                         codebook_scheme(groups[g], g ? SWG_F16 : SWG_I8));
}
END_TEST

/* 8-bit scales are chosen with what they will be in mind: they lose little, on rows of zeros, of
 * subnormals and of groups of very different sizes, too. */
START_TEST(integer_scales_lose_little)
{
    matrix m = matrix_of(16, 512);
    for (size_t i = 0; i < 512; i++) {
        m.x[i] = 0;
        m.x[512 + i] *= 1e-39f;
        m.x[2 * 512 + i] *= i / 64 % 2 ? 1 : 0.01f;
    }
    result integers, floats;
    ck_ok(quantize(&m, scheme_of(4, 64, false, SWG_I8), 0, 0, &integers));
    ck_ok(quantize(&m, scheme_of(4, 64, false, SWG_F32), 0, 0, &floats));
    ck_assert_double_lt(integers.stats.noise, 1.02 * floats.stats.noise);
    ck_assert_uint_eq(integers.stats.bytes, floats.stats.bytes - 16 * (8 * 4 - 8 - 2));
    for (uint64_t row = 0; row < 2; row++)
        for (uint64_t col = 0; col < 512; col++)
            ck_assert_double_le(
                fabs(value_at(&integers, scheme_of(4, 64, false, SWG_I8), 512, row, col)), 1e-37);
    result_deinit(&integers);
    result_deinit(&floats);
    swg_free(m.x);
}
END_TEST

/* Normal weights are nearer to fitted numbers than to integers of as many bits. */
START_TEST(codebooks_lose_less_than_integers)
{
    matrix m = matrix_of(64, 512);
    result codebook, integers;
    ck_ok(quantize(&m, codebook_scheme(64, SWG_F16), 0, 0, &codebook));
    ck_ok(quantize(&m, scheme_of(4, 64, false, SWG_F16), 0, 0, &integers));
    ck_assert_double_lt(codebook.stats.noise, 0.85 * integers.stats.noise);
    ck_assert_uint_eq(codebook.stats.bytes, integers.stats.bytes + 16);
    result_deinit(&codebook);
    result_deinit(&integers);
    swg_free(m.x);
}
END_TEST

START_TEST(bytes_do_not_depend_on_threads)
{
    static const size_t threads[] = {1, 2, 5};
    matrix m = matrix_of(700, 520); /* several blocks */
    const swg_scheme schemes[] = {scheme_of(4, 64, false, SWG_F16), scheme_of(4, 64, true, SWG_F16),
                                  codebook_scheme(64, SWG_F16), scheme_of(4, 64, false, SWG_I8)};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const swg_scheme scheme = schemes[i];
        result alone;
        ck_ok(quantize(&m, scheme, 0, 0, &alone));
        for (size_t t = 0; t < 3; t++) {
            result r;
            ck_ok(quantize(&m, scheme, 0, threads[t], &r));
            for (size_t p = 0; p < r.n_planes; p++)
                ck_assert_mem_eq(r.planes[r.layout[p].kind], alone.planes[r.layout[p].kind],
                                 r.layout[p].bytes);
            ck_assert_mem_eq(&r.stats, &alone.stats, sizeof r.stats);
            result_deinit(&r);
        }
        result r; /* the size of reads changes the order of statistics, never the planes */
        ck_ok(quantize(&m, scheme, 48, 2, &r));
        for (size_t p = 0; p < r.n_planes; p++)
            ck_assert_mem_eq(r.planes[r.layout[p].kind], alone.planes[r.layout[p].kind],
                             r.layout[p].bytes);
        result_deinit(&r);
        result_deinit(&alone);
    }
    swg_free(m.x);
}
END_TEST

/* Some columns are a thousand times as important: they come out better, as with the same importance
 * given to the search directly. */
START_TEST(statistics_give_columns_their_importance)
{
    enum { K = 64 };
    const swg_scheme scheme = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = K);
    static float hessian[K * K];
    double mean_square[K], mean_abs[K] = {0};
    float importance[K], x[K];
    uint8_t codes[K], planes_codes[K];
    matrix m = matrix_of(1, K);
    memcpy(x, m.x, sizeof x);
    for (size_t c = 0; c < K; c++) {
        importance[c] = c % 8 ? 1 : 1000;
        mean_square[c] = (double)importance[c];
        hessian[c * K + c] = importance[c] * 10;
    }
    swg_grid grid;
    ck_ok(swg_grid_search(&(swg_grid_space){.scheme = scheme}, x, importance, K, &grid));
    swg_grid_encode(grid, x, K, codes);
    const swg_layer_stats stats[] = {
        {.name = "w", .k = K, .n_tokens = 10, .mean_square = mean_square, .mean_abs = mean_abs},
        {.name = "w", .k = K, .n_tokens = 10, .hessian = hessian}};
    for (int i = 0; i < 2; i++) {
        uint8_t packed[K / 2];
        uint16_t scale;
        void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_CODES] = packed, [SWG_PLANE_SCALES] = &scale};
        swg_quant_stats cost;
        swg_quantize_job job = {.name = "w",
                                .rows = 1,
                                .cols = K,
                                .scheme = scheme,
                                .stats = &stats[i],
                                .read_rows = read_rows,
                                .context = &m};
        ck_ok(swg_quantize_tensor(SWG_QUANT_rtn, &job, planes, &cost));
        for (size_t c = 0; c < K; c++)
            planes_codes[c] = packed[c / 2] >> c % 2 * 4 & 15;
        ck_assert_mem_eq(planes_codes, codes, K);
    }
    const swg_layer_stats plain = {.name = "w", .k = K, .mean_abs = mean_abs};
    ck_assert(!swg_layer_stats_importance(&plain, importance));
    const swg_layer_stats other = {.name = "w", .k = K - 1, .mean_square = mean_square};
    swg_quantize_job job = {.name = "w",
                            .rows = 1,
                            .cols = K,
                            .scheme = scheme,
                            .stats = &other,
                            .read_rows = read_rows,
                            .context = &m};
    swg_quant_stats cost;
    ck_status_is(SWG_FAILED, swg_quantize_tensor(SWG_QUANT_rtn, &job, NULL, &cost));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "64 columns; the statistics are of 63"));
    swg_free(m.x);
}
END_TEST

START_TEST(masks_make_zeros_and_changes_are_given_back)
{
    enum { ROWS = 9, COLS = 71, MASK_BYTES = (COLS + 7) / 8 };
    matrix m = matrix_of(ROWS, COLS);
    uint8_t mask[ROWS * MASK_BYTES];
    float updated[ROWS * COLS];
    for (size_t i = 0; i < sizeof mask; i++)
        mask[i] = (uint8_t)(i * 89 + 0x35);
    for (int kind = 0; kind < 4; kind++) {
        const swg_scheme scheme = scheme_of(kind % 2 ? 4 : 8, 32, kind / 2, SWG_F16);
        uint8_t codes[ROWS * COLS], zeros[ROWS * 3];
        uint16_t scales[ROWS * 3];
        result r = {.planes = {[SWG_PLANE_CODES] = codes,
                               [SWG_PLANE_SCALES] = scales,
                               [SWG_PLANE_ZEROS] = scheme.asymmetric ? zeros : NULL}};
        swg_tensor_desc desc = {.name = "w", .scheme = scheme, .rank = 2, .shape = {ROWS, COLS}};
        swg_tensor_planes(&desc, r.layout);
        swg_quantize_job job = {.name = "w",
                                .rows = ROWS,
                                .cols = COLS,
                                .scheme = scheme,
                                .mask = mask,
                                .updated = updated,
                                .read_rows = read_rows,
                                .context = &m};
        ck_ok(swg_quantize_tensor(SWG_QUANT_rtn, &job, r.planes, &r.stats));
        double noise = 0;
        for (size_t i = 0; i < ROWS * COLS; i++) {
            const size_t row = i / COLS, col = i % COLS;
            const bool is_kept = mask[row * MASK_BYTES + col / 8] >> col % 8 & 1;
            const double value = value_at(&r, scheme, COLS, row, col);
            ck_assert(is_kept || value == 0);
            ck_assert_float_eq(updated[i], (float)value);
            noise += (value - (double)m.x[i]) * (value - (double)m.x[i]);
        }
        ck_assert_double_eq_tol(r.stats.noise, noise, 1e-9 * noise); /* against what was read */
    }
    swg_free(m.x);
}
END_TEST

START_TEST(bad_weights_are_named)
{
    matrix m = matrix_of(300, 300);
    const swg_scheme scheme = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 64);
    result r;
    m.x[250 * 300 + 70] = NAN;
    ck_status_is(SWG_CORRUPT, quantize(&m, scheme, 0, 2, &r));
    ck_assert_str_eq(swg_error_message(),
                     "tensor w, row 250, columns 64 to 127: weight 6 of the group is not a number");
    m.x[250 * 300 + 70] = 1e9f;
    ck_status_is(SWG_UNSUPPORTED, quantize(&m, scheme, 0, 2, &r));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "tensor w, row 250, columns 64 to 127"));
    m.fail_row = 299;
    m.x[250 * 300 + 70] = 0;
    ck_status_is(SWG_IO, quantize(&m, scheme, 0, 2, &r));
    m.fail_row = UINT64_MAX;
    ck_status_is(SWG_UNSUPPORTED,
                 quantize(&m, (swg_scheme){.bits = 5, .scale_type = SWG_F16}, 0, 0, &r));
    ck_status_is(SWG_UNSUPPORTED,
                 quantize(&m, (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_I16), 0, 0, &r));
    swg_free(m.x);
}
END_TEST

START_TEST(methods_are_found_by_name)
{
    swg_quant_method method;
    ck_ok(swg_quant_method_find("rtn", &method));
    ck_assert_int_eq(method, SWG_QUANT_rtn);
    ck_assert_str_eq(swg_quant_method_name(method), "rtn");
    ck_assert(!swg_quant_method_needs_stats(method));
    const swg_parameter none = {.name = "damping"};
    ck_ok(swg_quant_method_check(method, &none, 0));
    ck_status_is(SWG_USAGE, swg_quant_method_check(method, &none, 1));
    ck_ok(swg_quant_method_check(SWG_QUANT_gptq, &none, 1));
    const swg_parameter wrong[] = {{.name = "damping", .number = 1.5},
                                   {.name = "damping", .number = -0.01},
                                   {.name = "sweeps", .number = 1e9},
                                   {.name = "sweeps", .word = "many"},
                                   {.name = "damp"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_status_is(SWG_USAGE, swg_quant_method_check(SWG_QUANT_gptq, &wrong[i], 1));
    ck_status_is(SWG_USAGE, swg_quant_method_find("rtm", &method));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "rtn"));
}
END_TEST

START_TEST(statistics_add_up)
{
    swg_quant_stats sum = {0};
    ck_assert_double_eq(swg_quant_relative_error(&sum), 0);
    ck_assert(isinf(swg_quant_snr_db(&sum)));
    ck_assert_double_eq(swg_quant_bits_per_weight(&sum), 0);
    const swg_quant_stats a = {
        .elems = 8, .bytes = 6, .signal = 50, .noise = 0.5, .max_abs_error = 0.25};
    swg_quant_stats_add(&sum, &a);
    swg_quant_stats_add(&sum, &a);
    ck_assert_double_eq_tol(swg_quant_relative_error(&sum), 0.1, 1e-15);
    ck_assert_double_eq_tol(swg_quant_snr_db(&sum), 20, 1e-12);
    ck_assert_double_eq(swg_quant_bits_per_weight(&sum), 6);
    ck_assert_double_eq(sum.max_abs_error, 0.25);
}
END_TEST

static swg_status quantize_once(void *context)
{
    result r;
    SWG_TRY(quantize(context,
                     (swg_scheme)SWG_SCHEME_INT(4, .asymmetric = true, .scale_type = SWG_F16), 0, 2,
                     &r));
    result_deinit(&r);
    return SWG_OK;
}

START_TEST(lack_of_memory_is_an_error)
{
    matrix m = matrix_of(20, 40);
    swg_test_each_allocation_fails(quantize_once, &m);
    swg_free(m.x);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("quantize_tensor");
    TCase *c = tcase_create("matrices");
    tcase_add_loop_test(c, planes_hold_what_the_statistics_say, 1, 9);
    tcase_add_test(c, codebook_planes_hold_what_the_statistics_say);
    tcase_add_test(c, codebooks_lose_less_than_integers);
    tcase_add_test(c, integer_scales_lose_little);
    tcase_add_test(c, bytes_do_not_depend_on_threads);
    tcase_add_test(c, statistics_give_columns_their_importance);
    tcase_add_test(c, masks_make_zeros_and_changes_are_given_back);
    tcase_add_test(c, bad_weights_are_named);
    tcase_add_test(c, methods_are_found_by_name);
    tcase_add_test(c, statistics_add_up);
    tcase_add_test(c, lack_of_memory_is_an_error);
    suite_add_tcase(suite, c);
    return suite;
}
