/* llama2.c's three versions: round trips, canonical bytes, refusals, damage. */
#include "formats/bytes/bytes.h"
#include "formats/llama2c/llama2c_layout.h"
#include "runtime/base/file.h"
#include "tests/formats/damage.h"
#include "tests/formats/tiny_llama.h"

static const char *const formats[] = {"llama2c", "llama2c-v1", "llama2c-v2"};

/* Read a file, write it again, and compare the bytes. */
static void check_canonical(const char *path, const char *format)
{
    swg_source *source = NULL;
    swg_sink_meta meta;
    const char *again = swg_test_path("again.bin");
    sample s = {0};
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_sink_meta_from_source(source, &meta));
    s.meta = meta;
    s.n_tensors = swg_source_n_tensors(source);
    for (size_t i = 0; i < s.n_tensors; i++) {
        swg_plane planes[SWG_PLANE_KINDS];
        s.tensors[i] = *swg_source_tensor(source, i);
        const size_t n = swg_tensor_planes(&s.tensors[i], planes);
        for (size_t p = 0; p < n; p++) {
            const swg_plane_kind kind = planes[p].kind;
            s.planes[i][kind] = swg_malloc(planes[p].bytes, 1);
            ck_ok(swg_source_read(source, i, kind, 0, planes[p].rows, s.planes[i][kind]));
        }
    }
    ck_ok(sample_write(
        &s, again,
        &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true, .format = format}));
    size_t n_a = 0, n_b = 0;
    uint8_t *a = swg_test_read_file(path, &n_a), *b = swg_test_read_file(again, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_mem_eq(a, b, n_a);
    swg_free(a);
    swg_free(b);
    sample_deinit(&s);
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
}

START_TEST(floats_come_back)
{
    for (size_t v = 0; v < 2; v++)
        for (int tied = 0; tied < 2; tied++) {
            tiny_llama t = {.dim = 16,
                            .hidden = 20,
                            .vocab = 7,
                            .heads = 4,
                            .kv_heads = 2,
                            .is_tied = tied,
                            .scheme = swg_scheme_plain(SWG_F32)};
            sample s;
            tiny_llama_fill(&t, &s);
            const char *path = swg_test_path("floats.bin");
            tiny_llama_round_trip(&s, path,
                                  &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                      .force = true,
                                                      .format = formats[v]});
            check_canonical(path, formats[v]);
            sample_deinit(&s);
        }
}
END_TEST

START_TEST(groups_come_back)
{
    const uint32_t groups[] = {32, 64};
    for (size_t g = 0; g < 2; g++) {
        tiny_llama t = {.dim = 64,
                        .hidden = 128,
                        .vocab = 5,
                        .heads = 2,
                        .kv_heads = 1,
                        .scheme = SWG_SCHEME_INT(8, .scale_type = SWG_F32, .group = groups[g])};
        sample s;
        tiny_llama_fill(&t, &s);
        const char *path = swg_test_path("groups.bin");
        tiny_llama_round_trip(&s, path,
                              &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
        check_canonical(path, "llama2c");
        sample_deinit(&s);
    }
}
END_TEST

/* Floats quantized in groups: each number is within half a step; odd lengths are read as F32. */
START_TEST(floats_become_groups)
{
    tiny_llama t = {.dim = 48,
                    .hidden = 24,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 2,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    const char *path = swg_test_path("made.bin");
    ck_ok(sample_write(
        &s, path, &(swg_sink_options){.size = sizeof(swg_sink_options), .format = "llama2c-v2"}));
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    ck_assert_uint_eq(swg_get_le(bytes + 37, 4), 8); /* 64 halved until it divides 48 and 24 */
    swg_free(bytes);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    for (size_t i = 0; i < s.n_tensors; i++) {
        const size_t at = swg_source_find(source, s.tensors[i].name);
        const swg_tensor_desc *desc = swg_source_tensor(source, at);
        float values[48 * 48];
        ck_assert_int_eq(desc->scheme.dtype, SWG_F32);
        ck_ok(swg_source_read_f32(source, at, 0, swg_tensor_rows(desc), values));
        const float *wanted = (const float *)(void *)s.planes[i][0];
        for (size_t e = 0; e < swg_tensor_elems(desc); e++)
            ck_assert_float_eq_tol(values[e], wanted[e], 0.15f / 254);
    }
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

static void expect_refusal(const char *what, swg_status status, tiny_llama t, const char *more,
                           const char *format)
{
    sample s;
    t.more = more;
    tiny_llama_fill(&t, &s);
    const char *path = swg_test_path("refused.bin");
    ck_status_is(status, sample_write(&s, path,
                                      &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                          .format = format}));
    ck_assert_msg(strstr(swg_error_message(), what), "%s is not in: %s", what, swg_error_message());
    ck_assert(!swg_path_exists(path));
    sample_deinit(&s);
}

START_TEST(what_the_format_cannot_say_is_refused)
{
    const tiny_llama good = {.dim = 32,
                             .hidden = 32,
                             .vocab = 6,
                             .heads = 2,
                             .kv_heads = 2,
                             .scheme = swg_scheme_plain(SWG_F32)};
    tiny_llama half = good, eight = good;
    half.scheme = swg_scheme_plain(SWG_F16);
    eight.scheme = (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32);
    expect_refusal("hidden_act", SWG_UNSUPPORTED, good, ",\"hidden_act\":\"gelu\"", NULL);
    expect_refusal("rope_scaling", SWG_UNSUPPORTED, good, ",\"rope_scaling\":{\"type\":\"x\"}",
                   NULL);
    expect_refusal("partial_rotary_factor", SWG_UNSUPPORTED, good, ",\"partial_rotary_factor\":0.5",
                   NULL);
    expect_refusal("head_dim", SWG_UNSUPPORTED, good, ",\"head_dim\":8", NULL);
    expect_refusal("--element-type", SWG_UNSUPPORTED, half, NULL, NULL);
    expect_refusal("--dequantize", SWG_UNSUPPORTED, eight, NULL, NULL);
    sample s;
    tiny_llama t = good;
    tiny_llama_fill(&t, &s);
    s.n_tensors--; /* without head */
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("less.bin"), NULL));
    s.n_tensors++;
    sample_deinit(&s);
}
END_TEST

START_TEST(damaged_files_are_refused)
{
    for (size_t v = 0; v < 3; v++) {
        tiny_llama t = {.dim = 4,
                        .hidden = 4,
                        .vocab = 3,
                        .heads = 2,
                        .kv_heads = 1,
                        .is_tied = true,
                        .scheme = swg_scheme_plain(SWG_F32)};
        sample s;
        tiny_llama_fill(&t, &s);
        const char *path = swg_test_path("whole.bin");
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options),
                                               .force = true,
                                               .format = formats[v]}));
        const damage_count count = damage_file_everywhere(path, 1);
        ck_assert_uint_eq(count.cuts_refused, count.cuts);
        ck_assert_uint_gt(count.flips_refused, 0);
        sample_deinit(&s);
    }
}
END_TEST

/* Headers whose sizes overflow when multiplied. */
START_TEST(sizes_are_bounded)
{
    static const int32_t headers[][8] = {
        {1 << 20, 1 << 20, 1 << 12, 1, 1, 1 << 24, 1 << 24, 0}, /* 2^60 bytes meant */
        {4, 4, 1, 0, 0, 3, 4, 0},
        {4, 4, 1, 3, 1, 3, 4, 0},
        {4, 4, -1, 2, 1, 3, 4, 0},
        {4, 4, 1, 2, 1, INT32_MIN, 4, 0},
        {4, 4, 1, 2, 1, 3, 0x7fffffff, 0},
        {0x616b3432, 2, 4, 4, 1, 2, 1, 3}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        uint8_t bytes[512] = {0};
        for (size_t j = 0; j < 8; j++)
            swg_put_le(bytes + 4 * j, 4, (uint32_t)headers[i][j]);
        const swg_status status = sample_use_bytes("sizes.bin", bytes, sizeof bytes);
        ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED, "header %zu: %d", i,
                      (int)status);
    }
}
END_TEST

static swg_status write_again(void *context)
{
    return sample_write(context, swg_test_path("failing.bin"),
                        &(swg_sink_options){.size = sizeof(swg_sink_options),
                                            .force = true,
                                            .format = "llama2c-v2"});
}

static swg_status read_again(void *context)
{
    return sample_use(context, false);
}

START_TEST(failures_are_clean)
{
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    swg_test_each_allocation_fails(write_again, &s);
    swg_test_each_write_fails(write_again, NULL, &s);
    swg_test_each_allocation_fails(read_again, (void *)swg_test_path("failing.bin"));
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("llama2c");
    TCase *cases = tcase_create("llama2c");
    tcase_add_test(cases, floats_come_back);
    tcase_add_test(cases, groups_come_back);
    tcase_add_test(cases, floats_become_groups);
    tcase_add_test(cases, what_the_format_cannot_say_is_refused);
    tcase_add_test(cases, damaged_files_are_refused);
    tcase_add_test(cases, sizes_are_bounded);
    tcase_add_test(cases, failures_are_clean);
    suite_add_tcase(suite, cases);
    return suite;
}
