/* From one format to another and back: equal tensors, equal bytes where a format has one encoding,
 * and outputs that appear whole or not at all. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/file.h"
#include "tests/formats/sample.h"

/* What convert does, without the command. */
static swg_status copy_checkpoint(const char *from, const char *to, const swg_sink_options *options)
{
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    swg_sink_meta meta = {0};
    swg_tensor_desc *tensors = NULL;
    uint8_t *planes[SWG_PLANE_KINDS] = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(from, NULL, &source));
    SWG_GO(swg_sink_meta_from_source(source, &meta));
    const size_t count = swg_source_n_tensors(source);
    SWG_GO(SWG_NEW(tensors, count));
    for (size_t i = 0; i < count; i++)
        tensors[i] = *swg_source_tensor(source, i);
    SWG_GO(swg_sink_open(to, options, &meta, tensors, count, &sink));
    for (size_t i = 0; i < count; i++) {
        swg_plane shapes[SWG_PLANE_KINDS];
        const size_t n_planes = swg_tensor_planes(&tensors[i], shapes);
        for (size_t p = 0; p < n_planes; p++) {
            uint8_t **const plane = &planes[shapes[p].kind];
            SWG_GO(SWG_NEW_UNINIT(*plane, shapes[p].bytes));
            SWG_GO(swg_source_read(source, i, shapes[p].kind, 0, shapes[p].rows, *plane));
        }
        SWG_GO(swg_sink_write(sink, i, (const void *const *)planes));
        for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
            SWG_FREE(planes[kind]);
    }
    SWG_GO(swg_sink_finish(&sink, NULL));
done:
    for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
        swg_free(planes[p]);
    swg_sink_abort(&sink);
    swg_free(tensors);
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
    return status;
}

static void expect_equal_files(const char *a, const char *b)
{
    size_t a_length = 0, b_length = 0;
    uint8_t *a_bytes = swg_test_read_file(a, &a_length);
    uint8_t *b_bytes = swg_test_read_file(b, &b_length);
    ck_assert_uint_eq(a_length, b_length);
    ck_assert_mem_eq(a_bytes, b_bytes, a_length);
    swg_free(a_bytes);
    swg_free(b_bytes);
}

static void expect_equal_checkpoints(const char *a, const char *b)
{
    swg_source *left = NULL, *right = NULL;
    ck_ok(swg_source_open(a, NULL, &left));
    ck_ok(swg_source_open(b, NULL, &right));
    const size_t count = swg_source_n_tensors(left);
    ck_assert_uint_eq(count, swg_source_n_tensors(right));
    for (size_t i = 0; i < count; i++) {
        const swg_tensor_desc *desc = swg_source_tensor(left, i);
        ck_assert_str_eq(desc->name, swg_source_tensor(right, i)->name);
        ck_assert_mem_eq(desc->shape, swg_source_tensor(right, i)->shape, sizeof desc->shape);
        const size_t bytes = swg_tensor_bytes(desc);
        swg_plane plane[SWG_PLANE_KINDS];
        swg_tensor_planes(desc, plane);
        uint8_t *x = swg_malloc(bytes, 1), *y = swg_malloc(bytes, 1);
        ck_ok(swg_source_read(left, i, 0, 0, plane[0].rows, x));
        ck_ok(swg_source_read(right, i, 0, 0, plane[0].rows, y));
        ck_assert_mem_eq(x, y, bytes);
        swg_free(x);
        swg_free(y);
    }
    size_t a_length = 0, b_length = 0;
    const char *config = swg_source_config(left, &a_length);
    ck_assert_mem_eq(config, swg_source_config(right, &b_length), a_length);
    ck_assert_uint_eq(a_length, b_length);
    for (size_t i = 0; i < swg_source_n_files(left); i++) {
        swg_file_view x, y;
        ck_ok(swg_source_file(left, i, &x));
        ck_ok(swg_source_find_file(right, x.name, &y));
        ck_assert_uint_eq(x.length, y.length);
        ck_assert_mem_eq(x.data, y.data, x.length);
    }
    swg_source_close(&left);
    swg_source_close(&right);
}

static void round_trip(const char *shared)
{
    const char *model = swg_test_need(shared);
    if (!model)
        return;
    static int trip;
    char packed[2][256], folder[2][256], weights[2][300];
    trip++;
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "trip%d-%d.swg", trip, i);
        snprintf(packed[i], sizeof packed[i], "%s", swg_test_path(name));
        snprintf(name, sizeof name, "trip%d-%d", trip, i);
        snprintf(folder[i], sizeof folder[i], "%s", swg_test_path(name));
        snprintf(weights[i], sizeof weights[i], "%s/model.safetensors", folder[i]);
    }
    ck_ok(copy_checkpoint(model, packed[0], NULL));
    expect_equal_checkpoints(model, packed[0]);
    ck_ok(copy_checkpoint(packed[0], folder[0], NULL));
    expect_equal_checkpoints(model, folder[0]);
    ck_ok(copy_checkpoint(folder[0], packed[1], NULL));
    expect_equal_checkpoints(model, packed[1]);
    ck_ok(copy_checkpoint(packed[1], folder[1], NULL));
    expect_equal_checkpoints(model, folder[1]);
    expect_equal_files(weights[0], weights[1]);
    expect_equal_files(packed[0], packed[1]);
    size_t length = 0;
    swg_free(swg_test_read_file(packed[0], &length));
    printf("%s: .swg of %zu bytes\n", shared, length);
}

START_TEST(float_folder)
{
    round_trip("models/novels-6m");
}
END_TEST

START_TEST(bf16_shards)
{
    round_trip("fixtures/llama-tiny-bf16-sharded");
}
END_TEST

START_TEST(llama2c)
{
    round_trip("models/stories260K/stories260K.bin");
}
END_TEST

START_TEST(single_file_keeps_tensors_and_metadata)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("single.safetensors");
    uint64_t planned = 0;
    bool is_exact = false;
    ck_ok(swg_sink_plan_bytes(path, NULL, &s.meta, s.tensors, s.n_tensors, &planned, &is_exact));
    ck_assert(is_exact);
    ck_ok(sample_write(&s, path, NULL));
    size_t length = 0;
    char *bytes = (char *)swg_test_read_file(path, &length);
    ck_assert_uint_eq(length, planned);
    /* Wide types first, then names; the header ends on a multiple of 8. */
    ck_assert_ptr_eq(strstr(bytes + 8, "{\"__metadata__\":{\"format\":\"pt\""), bytes + 8);
    ck_assert(strstr(bytes + 8, "\"ids\"") < strstr(bytes + 8, "\"scalar\""));
    ck_assert(strstr(bytes + 8, "\"scalar\"") < strstr(bytes + 8, "\"w.f32\""));
    ck_assert(strstr(bytes + 8, "\"w.f32\"") < strstr(bytes + 8, "\"a.bf16\""));
    ck_assert_int_eq(bytes[0] % 8, 0);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(sample_compare(&s, source));
    ck_assert_uint_eq(swg_source_n_metadata(source), 2);
    ck_assert(swg_source_reads(source, path));
    swg_source_close(&source);
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

START_TEST(dequantizing_is_never_silent)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32), 2, 4,
               40);
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("q.safetensors"), NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--dequantize"));
    ck_assert(!swg_path_exists(swg_test_path("q.safetensors")));
    sample_deinit(&s);
}
END_TEST

/* --- Failures from outside -------------------------------------------------------------------- */

static swg_status write_and_read_folder(void *context)
{
    const sample *s = context;
    const char *path = swg_test_path("failing");
    SWG_TRY(sample_write(s, path,
                         &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(path, NULL, &source));
    swg_status status = sample_compare(s, source);
    float numbers[64];
    if (status == SWG_OK)
        status = swg_source_read_f32(source, swg_source_find(source, "a.bf16"), 1, 1, numbers);
    if (status == SWG_OK)
        status = swg_source_verify(source, NULL, NULL, NULL, NULL);
    swg_source_close(&source);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    swg_test_each_allocation_fails(write_and_read_folder, &s);
    sample_deinit(&s);
}
END_TEST

static swg_status read_shared(void *context)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(context, NULL, &source));
    swg_file_view file;
    swg_status status = swg_source_n_files(source) ? swg_source_file(source, 0, &file) : SWG_OK;
    swg_source_close(&source);
    return status;
}

START_TEST(each_allocation_of_readers_may_fail)
{
    static const char *const models[] = {"models/stories260K/stories260K.bin",
                                         "fixtures/llama-tiny-bf16-sharded"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = swg_test_need(models[i]);
        if (path)
            swg_test_each_allocation_fails(read_shared, (void *)path);
    }
}
END_TEST

static swg_status write_new_folder(void *context)
{
    return sample_write(context, swg_test_path("new-folder"), NULL);
}

static void nothing_is_left(void *context)
{
    (void)context;
    ck_assert(!swg_path_exists(swg_test_path("new-folder")));
}

START_TEST(each_write_may_fail)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    swg_test_each_write_fails(write_new_folder, nothing_is_left, &s);
    sample_deinit(&s);
}
END_TEST

START_TEST(existing_outputs_need_force)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *folder = swg_test_path("existing");
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    sample_put_file(swg_test_path("existing/config.json"), "{}", 2);
    ck_status_is(SWG_USAGE, sample_write(&s, folder, NULL));
    ck_assert(!swg_path_exists(swg_test_path("existing/model.safetensors")));
    ck_ok(sample_write(&s, folder,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    const char *file = swg_test_path("a-file");
    sample_put_file(file, "x", 1);
    ck_status_is(SWG_USAGE, sample_write(&s, file,
                                         &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                             .force = true}));
    sample_deinit(&s);
}
END_TEST

/* What a plan for an empty checkpoint under that name says. */
static swg_status plan_named(const char *stem, const char *ending)
{
    char path[512];
    uint64_t bytes;
    bool is_exact;
    const swg_sink_meta meta = {0};
    snprintf(path, sizeof path, "%s%s", swg_test_path(stem), ending);
    return swg_sink_plan_bytes(path, NULL, &meta, NULL, 0, &bytes, &is_exact);
}

/* Every row of formats.def: an ending that is written is not that of a file that is only read. */
START_TEST(endings_name_formats)
{
    static const char *const refused[] = {
#define SWG_READER(name, endings) endings,
#define SWG_FOREIGN(endings)      endings,
#include "formats/formats.def"
    };
    size_t n_refused = 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", refused[i]);
        for (char *ending = strtok(text, " "); ending; ending = strtok(NULL, " "), n_refused++) {
            ck_status_is(SWG_UNSUPPORTED, plan_named("model", ending));
            ck_assert_ptr_nonnull(strstr(swg_error_message(), ".safetensors"));
            const char *folder = swg_test_path("folder");
            char path[512];
            snprintf(path, sizeof path, "%s%s", folder, ending);
            ck_assert_int_eq(mkdir(path, 0777), 0);
            ck_ok(plan_named("folder", ending)); /* an existing folder is a folder */
        }
    }
    ck_assert_uint_ge(n_refused, 6);
    ck_ok(plan_named("model", ""));
    ck_ok(plan_named("model", ".v2"));
    ck_ok(plan_named("model", ".swg"));
    ck_ok(plan_named("model", ".hdf5"));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("roundtrip");
    TCase *cases = tcase_create("roundtrip");
    tcase_add_test(cases, float_folder);
    tcase_add_test(cases, bf16_shards);
    tcase_add_test(cases, llama2c);
    tcase_add_test(cases, single_file_keeps_tensors_and_metadata);
    tcase_add_test(cases, dequantizing_is_never_silent);
    tcase_add_test(cases, each_allocation_may_fail);
    tcase_add_test(cases, each_allocation_of_readers_may_fail);
    tcase_add_test(cases, each_write_may_fail);
    tcase_add_test(cases, existing_outputs_need_force);
    tcase_add_test(cases, endings_name_formats);
    suite_add_tcase(suite, cases);
    return suite;
}
