/* Checkpoints end to end: quantized, written, read back; the report agrees with the file;
 * the same bytes for any number of threads; failures leave no files. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quantize/checkpoint.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "runtime/base/strbuf.h"
#include "tests/harness.h"

/* A small checkpoint of every kind of tensor, as a safetensors file; returns its path. */
static const char *small_checkpoint(void)
{
    static const char header[] =
        "{\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[40,33],\"data_offsets\":[0,5280]},"
        "\"model.layers.0.q_proj.weight\":{\"dtype\":\"F32\",\"shape\":[17,70],"
        "\"data_offsets\":[5280,10040]},"
        "\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[33],\"data_offsets\":[10040,10172]},"
        "\"positions\":{\"dtype\":\"I32\",\"shape\":[7],\"data_offsets\":[10172,10200]}}";
    enum { DATA = 10200 };
    uint8_t file[8 + sizeof header + 8 + DATA] = {0};
    const size_t length = (sizeof header - 1 + 7) / 8 * 8;
    file[0] = (uint8_t)length;
    file[1] = (uint8_t)(length >> 8);
    memset(file + 8, ' ', length);
    memcpy(file + 8, header, sizeof header - 1);
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < DATA / 4; i++)
        swg_float_store(SWG_F32, file + 8 + length, i, 0.1f * swg_rng_normal(&rng));
    const char *path = swg_test_path("small.safetensors");
    swg_test_write_file(path, file, 8 + length + DATA);
    return path;
}

typedef struct setting {
    const char *input, *output;
    swg_recipe_preset preset;
    bool requantize;
    size_t n_threads;
} setting;

/* Quantize `input` to `output`; *plan and *reports (may be NULL) become the caller's. */
static swg_status quantize(const setting *s, swg_plan *plan_out, swg_tensor_report **reports_out)
{
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    swg_pool *pool = NULL;
    swg_recipe *recipe = NULL;
    swg_tensor_use *uses = NULL;
    swg_tensor_desc *descs = NULL, *outputs = NULL;
    swg_tensor_report *reports = NULL;
    swg_plan plan = {0};
    swg_sink_meta meta = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(s->input, NULL, &source));
    SWG_GO(swg_pool_new(s->n_threads, &pool));
    SWG_GO(swg_quantize_source_descs(source, &descs));
    SWG_GO(swg_quantize_source_uses(source, descs, &uses));
    const size_t n = swg_source_n_tensors(source);
    SWG_GO(swg_recipe_from_preset(&s->preset, &recipe));
    recipe->requantize = s->requantize;
    SWG_GO(swg_plan_make(descs, n, uses, recipe, &plan));
    SWG_GO(swg_quantize_output_descs(&plan, &outputs));
    SWG_GO(SWG_NEW(reports, n));
    SWG_GO(swg_sink_meta_from_source(source, &meta));
    swg_sink_options sink_options = swg_sink_options_default();
    sink_options.force = true;
    sink_options.pool = pool;
    SWG_GO(swg_sink_open(s->output, &sink_options, &meta, outputs, n, &sink));
    swg_quantize_options options = swg_quantize_options_default();
    options.pool = pool;
    SWG_GO(swg_quantize_checkpoint(source, &plan, &options, sink, reports));
    SWG_GO(swg_sink_finish(&sink, NULL));
    if (plan_out) {
        *plan_out = plan;
        *reports_out = reports;
        plan = (swg_plan){0};
        reports = NULL;
    }
done:
    swg_sink_abort(&sink);
    swg_sink_meta_deinit(&meta);
    swg_free(reports);
    swg_free(outputs);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
    swg_free(uses);
    swg_free(descs);
    swg_pool_free(&pool);
    swg_source_close(&source);
    return status;
}

/* Compare tensor `i` of both files: dequantized against the original, copied planes byte by byte.
 */
static void check_tensor(swg_source *before, swg_source *after, size_t i,
                         const swg_plan_entry *entry, const swg_tensor_report *report)
{
    const swg_tensor_desc *desc = swg_source_tensor(after, i);
    /* The names in the plan went with the source that it was made for. */
    ck_assert_str_eq(desc->name, swg_source_tensor(before, i)->name);
    ck_assert(swg_scheme_equal(desc->scheme, entry->desc.scheme));
    ck_assert_uint_eq(swg_source_stored_bytes(after, i), report->stored_bytes);
    const uint64_t rows = swg_tensor_rows(desc), elems = swg_tensor_elems(desc);
    if (!entry->is_quantized) {
        const uint64_t bytes = swg_tensor_bytes(desc);
        swg_plane plane[SWG_PLANE_KINDS];
        ck_assert_uint_eq(swg_tensor_planes(desc, plane), 1);
        uint8_t *a, *b;
        ck_ok(SWG_NEW(a, bytes));
        ck_ok(SWG_NEW(b, bytes));
        ck_ok(swg_source_read(before, i, 0, 0, plane[0].rows, a));
        ck_ok(swg_source_read(after, i, 0, 0, plane[0].rows, b));
        ck_assert_mem_eq(a, b, bytes);
        swg_free(a);
        swg_free(b);
        return;
    }
    float *a, *b;
    ck_ok(SWG_NEW(a, elems));
    ck_ok(SWG_NEW(b, elems));
    ck_ok(swg_source_read_f32(before, i, 0, rows, a));
    ck_ok(swg_source_read_f32(after, i, 0, rows, b));
    double signal = 0, noise = 0, largest = 0;
    for (uint64_t e = 0; e < elems; e++) {
        const double d = (double)b[e] - (double)a[e];
        signal += (double)a[e] * (double)a[e];
        noise += d * d;
        largest = fmax(largest, fabs(d));
    }
    ck_assert_double_le(fabs(report->stats.noise - noise), 1e-9 * noise);
    ck_assert_double_le(fabs(report->stats.signal - signal), 1e-9 * signal);
    ck_assert_double_eq(report->stats.max_abs_error, largest);
    swg_free(a);
    swg_free(b);
}

static void check_checkpoint(const setting *s)
{
    swg_plan plan;
    swg_tensor_report *reports;
    ck_ok(quantize(s, &plan, &reports));
    swg_source *before, *after;
    ck_ok(swg_source_open(s->input, NULL, &before));
    ck_ok(swg_source_open(s->output, NULL, &after));
    ck_assert_uint_eq(swg_source_n_tensors(after), plan.n_entries);
    for (size_t i = 0; i < plan.n_entries; i++)
        check_tensor(before, after, i, &plan.entries[i], &reports[i]);
    swg_source_close(&before);
    swg_source_close(&after);
    swg_plan_deinit(&plan);
    swg_free(reports);
}

START_TEST(small_checkpoint_comes_back)
{
    setting s = {.input = small_checkpoint(),
                 .output = swg_test_path("small.swg"),
                 .preset = swg_recipe_preset_default(),
                 .n_threads = 2};
    check_checkpoint(&s);
    s.preset.asymmetric = true;
    s.preset.scale_type = SWG_BF16;
    check_checkpoint(&s);
    s.preset.bits = 8;
    s.preset.group = 0;
    s.preset.embedding_bits = SWG_PRESET_KEEP;
    check_checkpoint(&s);
}
END_TEST

START_TEST(stories260k_comes_back)
{
    const char *model = swg_test_need("models/stories260K/stories260K.bin");
    if (!model)
        return;
    setting s = {.input = model,
                 .output = swg_test_path("stories.swg"),
                 .preset = swg_recipe_preset_default(),
                 .n_threads = 2};
    s.preset.group = 32;
    check_checkpoint(&s);
    s.preset.bits = 8;
    check_checkpoint(&s);
}
END_TEST

START_TEST(file_is_the_same_for_any_number_of_threads)
{
    static const size_t threads[] = {1, 2, 5};
    const char *shared = swg_test_shared("models/stories260K/stories260K.bin");
    setting s = {.input = shared ? shared : small_checkpoint(),
                 .output = swg_test_path("threads.swg"),
                 .preset = swg_recipe_preset_default()};
    uint8_t *first = NULL;
    size_t first_length = 0;
    for (size_t t = 0; t < 3; t++) {
        s.n_threads = threads[t];
        ck_ok(quantize(&s, NULL, NULL));
        size_t length;
        uint8_t *bytes = swg_test_read_file(s.output, &length);
        if (!first) {
            first = bytes;
            first_length = length;
            continue;
        }
        ck_assert_uint_eq(length, first_length);
        ck_assert_mem_eq(bytes, first, length);
        swg_free(bytes);
    }
    swg_free(first);
}
END_TEST

START_TEST(double_quantization_needs_consent)
{
    setting s = {.input = small_checkpoint(),
                 .output = swg_test_path("first.swg"),
                 .preset = swg_recipe_preset_default(),
                 .n_threads = 1};
    s.preset.bits = 8;
    ck_ok(quantize(&s, NULL, NULL));
    s.input = s.output;
    s.output = swg_test_path("second.swg");
    s.preset.bits = 4;
    ck_status_is(SWG_UNSUPPORTED, quantize(&s, NULL, NULL));
    ck_assert(!swg_path_exists(s.output));
    s.requantize = true;
    check_checkpoint(&s);
}
END_TEST

static swg_status quantize_again(void *context)
{
    return quantize(context, NULL, NULL);
}

static void nothing_is_left(void *context)
{
    ck_assert(!swg_path_exists(((const setting *)context)->output));
}

START_TEST(failures_leave_nothing_behind)
{
    setting s = {.input = small_checkpoint(),
                 .output = swg_test_path("failing.swg"),
                 .preset = swg_recipe_preset_default(),
                 .n_threads = 1};
    swg_test_each_write_fails(quantize_again, nothing_is_left, &s);
    swg_test_each_allocation_fails(quantize_again, &s);
}
END_TEST

/* A sparse matrix that is kept has fewer values than elements. */
START_TEST(sparse_matrices_are_kept_as_they_are)
{
    enum { N = 256, LINEAR = 64 };
    static uint8_t mask[N][N / 8] = {{1}};
    static uint64_t index[N];
    static float linear[LINEAR * LINEAR];
    const float value = 3;
    const swg_tensor_desc descs[] = {{.name = "embed_tokens.weight",
                                      .scheme = {.format = SWG_FORMAT_sparse, .dtype = SWG_F32},
                                      .rank = 2,
                                      .shape = {N, N},
                                      .n_stored = 1},
                                     {.name = "q_proj.weight",
                                      .scheme = swg_scheme_plain(SWG_F32),
                                      .rank = 2,
                                      .shape = {LINEAR, LINEAR}}};
    const void *const sparse[SWG_PLANE_KINDS] = {
        [SWG_PLANE_MASK] = mask, [SWG_PLANE_INDEX] = index, [SWG_PLANE_VALUES] = &value};
    const void *const dense[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = linear};
    const swg_sink_meta meta = {.config = "{}", .config_length = 2, .provenance = "[]"};
    setting s = {.input = swg_test_path("sparse.swg"),
                 .output = swg_test_path("kept.swg"),
                 .preset = swg_recipe_preset_default(),
                 .n_threads = 1};
    swg_sink *sink = NULL;
    swg_source *source = NULL;
    float row[N];
    for (size_t i = 0; i < N; i++)
        index[i] = 1;
    ck_ok(swg_sink_open(s.input, NULL, &meta, descs, 2, &sink));
    ck_ok(swg_sink_write(sink, 0, sparse));
    ck_ok(swg_sink_write(sink, 1, dense));
    ck_ok(swg_sink_finish(&sink, NULL));
    s.preset.embedding_bits = SWG_PRESET_KEEP;
    ck_ok(quantize(&s, NULL, NULL));
    ck_ok(swg_source_open(s.output, NULL, &source));
    ck_assert(swg_scheme_equal(swg_source_tensor(source, 0)->scheme, descs[0].scheme));
    ck_ok(swg_source_read_f32(source, 0, 0, 1, row));
    ck_assert(row[0] == value && row[1] == 0);
    swg_source_close(&source);
}
END_TEST

START_TEST(peak_memory_grows_with_the_largest_tensor)
{
    const swg_plan plan = {.largest_bytes = UINT64_C(1) << 30};
    const uint64_t one = swg_quantize_peak_bytes(&plan, 1), two = swg_quantize_peak_bytes(&plan, 2);
    ck_assert_uint_gt(one, plan.largest_bytes);
    ck_assert_uint_gt(two, one);
    ck_assert_uint_le(two, plan.largest_bytes + (UINT64_C(64) << 20));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("quantize_checkpoint");
    TCase *c = tcase_create("checkpoints");
    tcase_add_test(c, small_checkpoint_comes_back);
    tcase_add_test(c, stories260k_comes_back);
    tcase_add_test(c, file_is_the_same_for_any_number_of_threads);
    tcase_add_test(c, double_quantization_needs_consent);
    tcase_add_test(c, failures_leave_nothing_behind);
    tcase_add_test(c, sparse_matrices_are_kept_as_they_are);
    tcase_add_test(c, peak_memory_grows_with_the_largest_tensor);
    suite_add_tcase(suite, c);
    return suite;
}
