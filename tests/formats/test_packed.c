/* Folders of packed codes: the bytes that the formats' specifications mean, what comes back, what
 * is refused. A matrix of known codes is written, and each word of the file is put together here as
 * the specification says it, code by code. */
#include <math.h>

#include "formats/huggingface/quantization_config.h"
#include "formats/json/json.h"
#include "runtime/base/codes.h"
#include "runtime/base/file.h"
#include "runtime/base/numeric.h"
#include "tests/formats/tiny_llama.h"

enum { N = 64, K = 96 };
static const char up_proj[] = "model.layers.0.mlp.up_proj.weight";

/* A model of floats whose up_proj [64, 96] has that scheme, with zero points among the codes. */
static size_t make_sample(tiny_llama *t, sample *s, swg_scheme scheme)
{
    *t = (tiny_llama){.dim = K,
                      .hidden = N,
                      .vocab = 7,
                      .heads = 4,
                      .kv_heads = 2,
                      .scheme = swg_scheme_plain(SWG_F32)};
    tiny_llama_fill(t, s);
    size_t at = 0;
    while (strcmp(s->names[at], up_proj) != 0)
        at++;
    sample_remove(s, at);
    sample_add(s, up_proj, scheme, 2, N, K);
    at = s->n_tensors - 1;
    const size_t n_zeros = swg_scheme_is_plain(scheme) ? 0 : N * swg_scheme_groups(scheme, K);
    for (size_t i = 0; swg_dtype_is_float(scheme.scale_type) && i < n_zeros; i++) /* exact in all */
        swg_float_store(scheme.scale_type, s->planes[at][SWG_PLANE_SCALES], i,
                        0.03125f * (float)(1 + i % 29));
    for (size_t i = 0; scheme.asymmetric && i < n_zeros; i++)
        s->planes[at][SWG_PLANE_ZEROS][i] = (uint8_t)(1 + i % ((1u << scheme.bits) - 1));
    return at;
}

static swg_status write_as(const sample *s, const char *path, const char *format)
{
    return sample_write(
        s, path,
        &(swg_sink_options){.size = sizeof(swg_sink_options), .format = format, .force = true});
}

/* The bytes of a tensor of the folder's file, which the header says. */
static const uint8_t *tensor_in(const uint8_t *file, const char *name, const char *shape)
{
    char entry[160];
    unsigned long long begin = 0;
    snprintf(entry, sizeof entry, "\"%s\":{\"dtype\":", name);
    const char *const header = (const char *)file + 8;
    const char *at = strstr(header, entry);
    ck_assert_msg(at != NULL, "no tensor %s", name);
    ck_assert_msg(strncmp(at + strlen(entry), shape, strlen(shape)) == 0, "%s is %.60s", name,
                  at + strlen(entry));
    at = strstr(at, "\"data_offsets\":[");
    ck_assert_int_eq(sscanf(at, "\"data_offsets\":[%llu", &begin), 1);
    uint64_t length;
    memcpy(&length, file, sizeof length);
    return file + 8 + length + begin;
}

static uint8_t *read_folder(const char *folder, const char *file)
{
    char *path = swg_path_join(folder, file);
    size_t n = 0;
    uint8_t *bytes = swg_test_read_file(path, &n);
    swg_free(path);
    return bytes;
}

static uint32_t word_at(const uint8_t *words, size_t index)
{
    uint32_t word;
    memcpy(&word, words + 4 * index, sizeof word);
    return word;
}

static unsigned code_of(const sample *s, size_t at, size_t row, size_t column)
{
    const unsigned bits = s->tensors[at].scheme.bits;
    return swg_codes_at(bits, s->planes[at][SWG_PLANE_CODES] + row * swg_codes_bytes(bits, K),
                        column);
}

static unsigned zero_of(const sample *s, size_t at, size_t row, size_t group)
{
    const swg_scheme scheme = s->tensors[at].scheme;
    return scheme.asymmetric
               ? s->planes[at][SWG_PLANE_ZEROS][row * swg_scheme_groups(scheme, K) + group]
               : 1u << (scheme.bits - 1);
}

/* What is read from the folder is what was written, and its configuration is as before. */
static void expect_back(const sample *s, size_t at, const char *folder)
{
    swg_source *source = NULL;
    swg_foreign_quantization foreign;
    char *const config = (char *)read_folder(folder, "config.json");
    ck_ok(swg_source_open(folder, NULL, &source));
    ck_ok(swg_foreign_quantization_find(source, &foreign));
    ck_assert(!foreign.is_present);
    ck_assert_ptr_nonnull(strstr(config, "quantization_config"));
    swg_free(config);
    const size_t tensor = swg_source_find(source, up_proj);
    ck_assert_uint_ne(tensor, SIZE_MAX);
    const swg_tensor_desc *desc = swg_source_tensor(source, tensor);
    ck_assert_uint_eq(desc->scheme.bits, s->tensors[at].scheme.bits);
    ck_assert_uint_eq(desc->scheme.group, s->tensors[at].scheme.group);
    ck_assert_int_eq(desc->scheme.asymmetric, s->tensors[at].scheme.asymmetric);
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++) {
        size_t n_planes;
        const swg_plane *planes = swg_source_planes(source, tensor, &n_planes);
        const swg_plane *plane = swg_plane_find(planes, n_planes, (swg_plane_kind)kind);
        if (!plane)
            continue;
        uint8_t *bytes = swg_malloc((size_t)plane->bytes, 1);
        for (uint64_t row = 0; row < N; row += 24) { /* not from row 0 alone */
            const uint64_t n = row + 24 < N ? 24 : N - row;
            ck_ok(swg_source_read(source, tensor, (swg_plane_kind)kind, row, n,
                                  bytes + row * plane->row_bytes));
        }
        if (kind != SWG_PLANE_SCALES || desc->scheme.scale_type == s->tensors[at].scheme.scale_type)
            ck_assert_mem_eq(bytes, s->planes[at][kind], (size_t)plane->bytes);
        swg_free(bytes);
    }
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}

static const swg_scheme sym4 = SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16);
static const swg_scheme asym4 =
    SWG_SCHEME_INT(4, .group = 32, .asymmetric = true, .scale_type = SWG_F16);
static const swg_scheme sym8 = SWG_SCHEME_INT(8, .group = 0, .scale_type = SWG_BF16);

/* Words along the input, low code first; zero points along the output, less 1 in version 1. */
START_TEST(gptq_words_are_the_specifications)
{
    const swg_scheme schemes[] = {sym4, asym4, sym8};
    static const char *const shapes[][2] = {
        {"\"I32\",\"shape\":[12,64]", "\"I32\",\"shape\":[3,8]"},
        {"\"I32\",\"shape\":[12,64]", "\"I32\",\"shape\":[3,8]"},
        {"\"I32\",\"shape\":[24,64]", "\"I32\",\"shape\":[1,16]"}};
    for (size_t i = 0; i < 6; i++) {
        tiny_llama t;
        sample s;
        const size_t at = make_sample(&t, &s, schemes[i / 2]);
        const unsigned bits = schemes[i / 2].bits, per_word = 32 / bits;
        const size_t n_groups = swg_scheme_groups(schemes[i / 2], K);
        const bool is_v1 = i % 2 == 0;
        const char *folder = swg_test_path("gptq");
        ck_ok(write_as(&s, folder, is_v1 ? "gptq" : "gptq-v2"));
        uint8_t *const file = read_folder(folder, "model.safetensors");
        const uint8_t *codes =
            tensor_in(file, "model.layers.0.mlp.up_proj.qweight", shapes[i / 2][0]);
        const uint8_t *zeros =
            tensor_in(file, "model.layers.0.mlp.up_proj.qzeros", shapes[i / 2][1]);
        const uint8_t *index =
            tensor_in(file, "model.layers.0.mlp.up_proj.g_idx", "\"I32\",\"shape\":[96]");
        for (size_t r = 0; r < N; r++)
            for (size_t c = 0; c < K; c++) {
                const uint32_t word = word_at(codes, c / per_word * N + r);
                ck_assert_uint_eq(word >> (c % per_word * bits) & ((1u << bits) - 1),
                                  code_of(&s, at, r, c));
                ck_assert_uint_eq(word_at(index, c), schemes[i / 2].group ? c / 32 : 0);
            }
        for (size_t g = 0; g < n_groups; g++)
            for (size_t r = 0; r < N; r++) {
                const uint32_t word = word_at(zeros, g * (N / per_word) + r / per_word);
                ck_assert_uint_eq((word >> (r % per_word * bits) & ((1u << bits) - 1)) + is_v1,
                                  zero_of(&s, at, r, g));
            }
        if (i == 0)
            ck_assert_uint_eq(word_at(zeros, 0), 0x77777777);
        if (i == 1)
            ck_assert_uint_eq(word_at(zeros, 0), 0x88888888);
        char *const config = (char *)read_folder(folder, "quantize_config.json");
        ck_assert_ptr_nonnull(strstr(config, is_v1 ? "\"checkpoint_format\": \"gptq\""
                                                   : "\"checkpoint_format\": \"gptq_v2\""));
        swg_free(config);
        expect_back(&s, at, folder);
        swg_free(file);
        sample_deinit(&s);
    }
}
END_TEST

/* Scales of GPTQ and AWQ are half precision, [groups, rows]; 3-bit codes are a stream. */
START_TEST(gptq_scales_and_three_bits)
{
    const swg_scheme scheme =
        SWG_SCHEME_INT(3, .group = 32, .asymmetric = true, .scale_type = SWG_F16);
    tiny_llama t;
    sample s;
    const size_t at = make_sample(&t, &s, scheme);
    const char *folder = swg_test_path("gptq3");
    ck_ok(write_as(&s, folder, "gptq"));
    uint8_t *const file = read_folder(folder, "model.safetensors");
    const uint8_t *codes =
        tensor_in(file, "model.layers.0.mlp.up_proj.qweight", "\"I32\",\"shape\":[9,64]");
    const uint8_t *scales =
        tensor_in(file, "model.layers.0.mlp.up_proj.scales", "\"F16\",\"shape\":[3,64]");
    const uint16_t *own = (const uint16_t *)(const void *)s.planes[at][SWG_PLANE_SCALES];
    for (size_t r = 0; r < N; r++) {
        for (size_t g = 0; g < 3; g++) {
            uint16_t half;
            memcpy(&half, scales + 2 * (g * N + r), sizeof half);
            ck_assert_uint_eq(half, own[3 * r + g]);
        }
        for (size_t c = 0; c < K; c++) {
            unsigned code = 0;
            for (size_t bit = 3 * c; bit < 3 * c + 3; bit++)
                code |= (word_at(codes, bit / 32 * N + r) >> (bit % 32) & 1) << (bit - 3 * c);
            ck_assert_uint_eq(code, code_of(&s, at, r, c));
        }
    }
    expect_back(&s, at, folder);
    swg_free(file);
    sample_deinit(&s);
}
END_TEST

/* Words along the output in the order 0 2 4 6 1 3 5 7. */
START_TEST(awq_words_are_the_specifications)
{
    static const unsigned order[] = {0, 2, 4, 6, 1, 3, 5, 7};
    const swg_scheme schemes[] = {sym4, asym4};
    for (size_t i = 0; i < 2; i++) {
        tiny_llama t;
        sample s;
        const size_t at = make_sample(&t, &s, schemes[i]);
        const char *folder = swg_test_path("awq");
        ck_ok(write_as(&s, folder, "awq"));
        uint8_t *const file = read_folder(folder, "model.safetensors");
        const uint8_t *codes =
            tensor_in(file, "model.layers.0.mlp.up_proj.qweight", "\"I32\",\"shape\":[96,8]");
        const uint8_t *zeros =
            tensor_in(file, "model.layers.0.mlp.up_proj.qzeros", "\"I32\",\"shape\":[3,8]");
        for (size_t w = 0; w < N / 8; w++)
            for (size_t slot = 0; slot < 8; slot++) {
                const size_t r = 8 * w + order[slot];
                for (size_t c = 0; c < K; c++)
                    ck_assert_uint_eq(word_at(codes, c * 8 + w) >> (4 * slot) & 15,
                                      code_of(&s, at, r, c));
                for (size_t g = 0; g < 3; g++)
                    ck_assert_uint_eq(word_at(zeros, g * 8 + w) >> (4 * slot) & 15,
                                      zero_of(&s, at, r, g));
            }
        expect_back(&s, at, folder);
        swg_free(file);
        sample_deinit(&s);
    }
}
END_TEST

/* Codes along the input row by row; zero points along the output, group by group. */
START_TEST(compressed_words_are_the_specifications)
{
    const swg_scheme schemes[] = {sym4, asym4, sym8};
    for (size_t i = 0; i < 3; i++) {
        tiny_llama t;
        sample s;
        const size_t at = make_sample(&t, &s, schemes[i]);
        const unsigned bits = schemes[i].bits, per_word = 32 / bits;
        const char *folder = swg_test_path("compressed");
        ck_ok(write_as(&s, folder, "compressed-tensors"));
        uint8_t *const file = read_folder(folder, "model.safetensors");
        const uint8_t *codes =
            tensor_in(file, "model.layers.0.mlp.up_proj.weight_packed",
                      i < 2 ? "\"I32\",\"shape\":[64,12]" : "\"I32\",\"shape\":[64,24]");
        const uint8_t *shape =
            tensor_in(file, "model.layers.0.mlp.up_proj.weight_shape", "\"I64\",\"shape\":[2]");
        ck_assert_uint_eq(word_at(shape, 0), N);
        ck_assert_uint_eq(word_at(shape, 2), K);
        for (size_t r = 0; r < N; r++)
            for (size_t c = 0; c < K; c++)
                ck_assert_uint_eq(word_at(codes, r * (K / per_word) + c / per_word) >>
                                          (c % per_word * bits) &
                                      ((1u << bits) - 1),
                                  code_of(&s, at, r, c));
        if (i == 1) {
            const uint8_t *zeros = tensor_in(file, "model.layers.0.mlp.up_proj.weight_zero_point",
                                             "\"I32\",\"shape\":[8,3]");
            for (size_t r = 0; r < N; r++)
                for (size_t g = 0; g < 3; g++)
                    ck_assert_uint_eq(word_at(zeros, r / 8 * 3 + g) >> (r % 8 * 4) & 15,
                                      zero_of(&s, at, r, g));
        }
        expect_back(&s, at, folder);
        swg_free(file);
        sample_deinit(&s);
    }
}
END_TEST

START_TEST(w8a8_bytes_are_the_specifications)
{
    tiny_llama t;
    sample s;
    const size_t at = make_sample(&t, &s, sym8);
    const char *folder = swg_test_path("w8a8");
    ck_ok(write_as(&s, folder, "w8a8"));
    uint8_t *const file = read_folder(folder, "model.safetensors");
    const uint8_t *codes = tensor_in(file, up_proj, "\"I8\",\"shape\":[64,96]");
    const uint8_t *scales =
        tensor_in(file, "model.layers.0.mlp.up_proj.weight_scale", "\"BF16\",\"shape\":[64,1]");
    ck_assert_mem_eq(scales, s.planes[at][SWG_PLANE_SCALES], 2 * N);
    for (size_t i = 0; i < N * K; i++)
        ck_assert_int_eq((int8_t)codes[i], (int)s.planes[at][SWG_PLANE_CODES][i] - 128);
    expect_back(&s, at, folder);
    swg_free(file);
    sample_deinit(&s);
}
END_TEST

/* What the configurations say, as the programs that read them check it. */
START_TEST(configurations_name_scheme_and_exceptions)
{
    tiny_llama t;
    sample s;
    make_sample(&t, &s, asym4);
    sample_add(&s, "model.layers.1.mlp.up_proj.weight",
               (swg_scheme)SWG_SCHEME_INT(8, .group = 32, .scale_type = SWG_F16), 2, N, K);
    const char *folder = swg_test_path("mixed");
    ck_ok(write_as(&s, folder, "compressed-tensors"));
    char *config = (char *)read_folder(folder, "config.json");
    ck_ok(swg_json_require(config, strlen(config), "config.json", SWG_JSON_OBJECT));
    ck_assert_ptr_nonnull(strstr(config, "\"quant_method\": \"compressed-tensors\""));
    ck_assert_ptr_nonnull(strstr(config, "\"group_1\""));
    ck_assert_ptr_nonnull(strstr(config, "\"model.layers.0.mlp.up_proj\""));
    ck_assert_ptr_nonnull(strstr(config, "\"model.layers.0.mlp.down_proj\""));
    swg_free(config);
    ck_ok(write_as(&s, swg_test_path("mixed-gptq"), "gptq"));
    config = (char *)read_folder(swg_test_path("mixed-gptq"), "config.json");
    ck_assert_ptr_nonnull(strstr(config, "\"-:^model\\\\.layers\\\\.0\\\\.mlp\\\\.down_proj$\""));
    ck_assert_ptr_nonnull(strstr(config, "\"+:^model\\\\.layers\\\\."));
    swg_free(config);
    swg_source *source = NULL; /* both widths are read again */
    ck_ok(swg_source_open(swg_test_path("mixed-gptq"), NULL, &source));
    const size_t second = swg_source_find(source, "model.layers.1.mlp.up_proj.weight");
    ck_assert_uint_eq(swg_source_tensor(source, second)->scheme.bits, 8);
    swg_source_close(&source);
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("mixed-awq"), "awq"));
    sample_deinit(&s);
}
END_TEST

static void expect_refusal(swg_scheme scheme, const char *format, const char *what)
{
    tiny_llama t;
    sample s;
    make_sample(&t, &s, scheme);
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("refused"), format));
    ck_assert_msg(strstr(swg_error_message(), what), "%s is not in: %s", what, swg_error_message());
    ck_assert(!swg_path_exists(swg_test_path("refused")));
    sample_deinit(&s);
}

START_TEST(what_a_layout_cannot_hold_is_refused)
{
    const swg_scheme sym5 = SWG_SCHEME_INT(5, .group = 32, .scale_type = SWG_F16);
    const swg_scheme short_group = SWG_SCHEME_INT(4, .group = 64, .scale_type = SWG_F16);
    expect_refusal(sym5, "gptq", "2, 3, 4 and 8 bits");
    expect_refusal(sym5, "compressed-tensors", "4 and 8 bits");
    expect_refusal(sym8, "awq", "4 bits");
    expect_refusal(sym4, "w8a8", "8 bits");
    expect_refusal((swg_scheme)SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_I8), "gptq",
                   "scale per row");
    expect_refusal(short_group, "gptq", "last group");
    expect_refusal(swg_scheme_plain(SWG_F16), "gptq", "would have none");
    tiny_llama t;
    sample s;
    size_t at =
        make_sample(&t, &s, (swg_scheme)SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F32));
    ((float *)(void *)s.planes[at][SWG_PLANE_SCALES])[3 * 5 + 2] = 0.1f;
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("scale"), "awq"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "group 2 in row 5"));
    sample_deinit(&s);
    at = make_sample(&t, &s, asym4);
    s.planes[at][SWG_PLANE_ZEROS][3 * 7 + 1] = 0;
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("zero"), "gptq"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "group 1 in row 7"));
    ck_ok(write_as(&s, swg_test_path("zero-v2"), "gptq-v2"));
    expect_back(&s, at, swg_test_path("zero-v2"));
    s.planes[at][SWG_PLANE_ZEROS][3 * 7 + 1] = 16;
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("zero"), "awq"));
    sample_add(&s, "lm_head2.lm_head.weight", asym4, 2, N, K);
    ck_status_is(SWG_UNSUPPORTED, write_as(&s, swg_test_path("head"), "awq"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--dequantize-rest"));
    sample_deinit(&s);
}
END_TEST

/* Put `to` into the place of `from` in a file of the folder; both have the same length. */
static void replace(const char *folder, const char *file, const void *from, const void *to,
                    size_t length)
{
    char *path = swg_path_join(folder, file);
    size_t n = 0;
    uint8_t *bytes = swg_test_read_file(path, &n);
    uint8_t *at = memmem(bytes, n, from, length);
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, length);
    sample_put_file(path, bytes, n);
    swg_free(bytes);
    swg_free(path);
}

static void expect_open(const char *folder, swg_status wanted, const char *what)
{
    swg_source *source = NULL;
    swg_status status = swg_source_open(folder, NULL, &source);
    if (status == SWG_OK)
        status = swg_foreign_quantization_refuse(source);
    ck_status_is(wanted, status);
    ck_assert_msg(strstr(swg_error_message(), what), "%s is not in: %s", what, swg_error_message());
    swg_source_close(&source);
}

/* Folders that contradict themselves, and ones of layouts that are not read. */
START_TEST(folders_that_are_not_read_are_refused_by_name)
{
    static const int32_t in_order[4] = {0, 0, 1, 1}, mixed[4] = {0, 1, 0, 1}; /* columns 30 to 33 */
    tiny_llama t;
    sample s;
    make_sample(&t, &s, sym4);
    const char *folder = swg_test_path("broken");
    ck_ok(write_as(&s, folder, "gptq"));
    replace(folder, "model.safetensors", in_order, mixed, sizeof mixed);
    expect_open(folder, SWG_UNSUPPORTED, "desc_act");
    ck_ok(write_as(&s, folder, "gptq"));
    replace(folder, "config.json", "\"checkpoint_format\": \"gptq\"",
            "\"checkpoint_format\": \"gptx\"", 27);
    expect_open(folder, SWG_UNSUPPORTED, "quant_method gptq");
    ck_ok(write_as(&s, folder, "gptq"));
    replace(folder, "model.safetensors", "up_proj.qzeros", "up_proj.qzerox", 14);
    expect_open(folder, SWG_CORRUPT, "no tensor .qzeros");
    ck_ok(write_as(&s, folder, "awq"));
    replace(folder, "config.json", "\"version\": \"gemm\"", "\"version\": \"gemv\"", 17);
    expect_open(folder, SWG_UNSUPPORTED, "quant_method awq");
    ck_ok(write_as(&s, folder, "compressed-tensors"));
    replace(folder, "model.safetensors", "up_proj.weight_shape", "up_proj.weight_shapx", 20);
    expect_open(folder, SWG_CORRUPT, "no tensor .weight_shape");
    sample_deinit(&s);
}
END_TEST

/* Any byte of the header or configuration may be wrong: an error, and nothing worse. */
START_TEST(damaged_folders_are_refused)
{
    static const char *const formats[] = {"gptq", "awq", "compressed-tensors", "w8a8"};
    for (size_t f = 0; f < 4; f++) {
        tiny_llama t;
        sample s;
        make_sample(&t, &s, f < 3 ? asym4 : sym8);
        const char *folder = swg_test_path("damaged");
        ck_ok(write_as(&s, folder, formats[f]));
        char *path = swg_path_join(folder, "model.safetensors");
        size_t n = 0;
        uint8_t *bytes = swg_test_read_file(path, &n);
        uint64_t header;
        memcpy(&header, bytes, sizeof header);
        for (size_t i = 8; i < header; i += 3) {
            bytes[i] ^= 1;
            sample_put_file(path, bytes, n);
            (void)sample_use(folder, true);
            bytes[i] ^= 1;
        }
        swg_free(bytes);
        swg_free(path);
        sample_deinit(&s);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("packed");
    TCase *cases = tcase_create("packed");
    tcase_add_test(cases, gptq_words_are_the_specifications);
    tcase_add_test(cases, gptq_scales_and_three_bits);
    tcase_add_test(cases, awq_words_are_the_specifications);
    tcase_add_test(cases, compressed_words_are_the_specifications);
    tcase_add_test(cases, w8a8_bytes_are_the_specifications);
    tcase_add_test(cases, configurations_name_scheme_and_exceptions);
    tcase_add_test(cases, what_a_layout_cannot_hold_is_refused);
    tcase_add_test(cases, folders_that_are_not_read_are_refused_by_name);
    tcase_add_test(cases, damaged_folders_are_refused);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return suite;
}
