/* Quantized matrices in a GGUF: blocks keep their type through every format that holds them, and
 * integer codes become blocks that mean the same numbers. */
#include <math.h>

#include "formats/gguf/gguf_blocks.h"
#include "runtime/base/notice.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"
#include "tests/formats/gguf_vectors.h"
#include "tests/formats/tiny_llama.h"

static const char name[] = "model.layers.0.mlp.up_proj.weight";
enum { COLS = 256, ROWS = 64 };

/* A model whose up_proj [64, 256] has that scheme. */
static size_t make_sample(tiny_llama *t, sample *s, swg_scheme scheme)
{
    *t = (tiny_llama){.dim = COLS,
                      .hidden = ROWS,
                      .vocab = 7,
                      .heads = 4,
                      .kv_heads = 2,
                      .scheme = swg_scheme_plain(SWG_F32)};
    tiny_llama_fill(t, s);
    size_t at = 0;
    while (strcmp(s->names[at], name) != 0)
        at++;
    sample_remove(s, at);
    sample_add(s, name, scheme, 2, ROWS, COLS);
    return s->n_tensors - 1;
}

/* Fill the planes of a tensor of blocks with the package's. */
static void fill_blocks(sample *s, size_t at, const decode_vector *vector)
{
    const uint64_t bytes = swg_tensor_bytes(&s->tensors[at]);
    for (uint64_t i = 0; i < bytes; i++)
        s->planes[at][SWG_PLANE_GGML][i] = vector->blocks[i % vector->bytes];
}

static void expect_values(const sample *s, size_t at, const char *path)
{
    swg_source *source = NULL;
    static float wanted[ROWS * COLS], got[ROWS * COLS];
    ck_ok(swg_source_open(path, NULL, &source));
    const size_t tensor = swg_source_find(source, name);
    ck_assert_uint_ne(tensor, SIZE_MAX);
    ck_ok(
        swg_tensor_rows_f32(&s->tensors[at], (const void *const *)s->planes[at], 0, ROWS, wanted));
    ck_ok(swg_source_read_f32(source, tensor, 0, ROWS, got));
    for (size_t i = 0; i < ROWS * COLS; i++)
        ck_assert_msg(got[i] == wanted[i], "element %zu is %.9g, not %.9g", i, (double)got[i],
                      (double)wanted[i]);
    swg_source_close(&source);
}

static void write_anew(const sample *s, const char *path, const char *element_type)
{
    ck_ok(sample_write(s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options),
                                           .force = true,
                                           .element_type = element_type}));
}

/* Through GGUF and our container, every type comes back under its name with its bytes. */
START_TEST(blocks_come_back_as_they_were)
{
    const decode_vector *vector = &decode_vectors[_i];
    const swg_block_type *type = swg_block_type_find(vector->type);
    const bool is_ours = type->id == SWG_BLOCK_Q8_0 || type->id == SWG_BLOCK_Q4_0;
    tiny_llama t;
    sample s;
    char scheme[SWG_SCHEME_NAME_BYTES];
    const size_t at = make_sample(&t, &s, swg_scheme_ggml(type->id, type->bits));
    fill_blocks(&s, at, vector);
    const char *const paths[] = {swg_test_path("blocks.gguf"), swg_test_path("blocks.swg")};
    for (size_t p = 0; p < 2; p++) {
        write_anew(&s, paths[p], NULL);
        expect_values(&s, at, paths[p]);
        if (is_ours && p == 0)
            continue; /* matrices of these two are read as codes */
        swg_source *source = NULL;
        ck_ok(swg_source_open(paths[p], NULL, &source));
        ck_ok(sample_compare(&s, source));
        ck_assert_str_eq(
            swg_scheme_name(swg_source_tensor(source, swg_source_find(source, name))->scheme,
                            scheme),
            type->name);
        ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
        swg_source_close(&source);
    }
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("blocks-folder"), NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), type->name));
    sample_deinit(&s);
}
END_TEST

/* An infinite scale is refused by whoever reads or writes the block. */
START_TEST(infinite_scales_are_refused)
{
    const decode_vector *vector = &decode_vectors[_i];
    const swg_block_type *type = swg_block_type_find(vector->type);
    if (type->halves[0] < 0)
        return;
    tiny_llama t;
    sample s;
    const size_t at = make_sample(&t, &s, swg_scheme_ggml(type->id, type->bits));
    fill_blocks(&s, at, vector);
    const char *path = swg_test_path("infinite.gguf");
    write_anew(&s, path, NULL);
    size_t n = 0;
    uint8_t *bytes = swg_test_read_file(path, &n);
    uint8_t *const block = memmem(bytes, n, vector->blocks, vector->bytes);
    ck_assert_ptr_nonnull(block);
    block[type->halves[0]] = 0;
    block[type->halves[0] + 1] = 0x7c;
    sample_put_file(path, bytes, n);
    swg_source *source = NULL;
    float row[COLS];
    ck_ok(swg_source_open(path, NULL, &source));
    ck_status_is(SWG_CORRUPT,
                 swg_source_read_f32(source, swg_source_find(source, name), 0, 1, row));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), name));
    ck_status_is(SWG_CORRUPT, swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
    s.planes[at][SWG_PLANE_GGML][type->halves[0]] = 0;
    s.planes[at][SWG_PLANE_GGML][type->halves[0] + 1] = 0xfc;
    ck_status_is(SWG_CORRUPT, sample_write(&s, swg_test_path("infinite.swg"), NULL));
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

/* Zero points within the codes. */
static void bound_zeros(sample *s, size_t at)
{
    const swg_scheme scheme = s->tensors[at].scheme;
    const size_t n = ROWS * swg_scheme_groups(scheme, COLS);
    for (size_t i = 0; scheme.asymmetric && i < n; i++)
        s->planes[at][SWG_PLANE_ZEROS][i] &= (uint8_t)((1u << scheme.bits) - 1);
}

/* Codes of every width and group become the smallest type that holds them exactly. */
START_TEST(integer_codes_become_blocks)
{
    static const struct {
        unsigned bits;
        bool asymmetric;
        const char *type;
    } cases[] = {{2, false, "Q4_0"}, {2, true, "Q4_0"}, {3, false, "Q4_0"}, {3, true, "Q4_0"},
                 {4, false, "Q4_0"}, {4, true, "Q5_0"}, {5, false, "Q5_0"}, {5, true, "Q8_0"},
                 {6, false, "Q8_0"}, {6, true, "Q8_0"}, {8, false, "Q8_0"}, {8, true, NULL}};
    static const uint32_t groups[] = {32, 64, 128, 256, 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
            swg_scheme scheme;
            tiny_llama t;
            sample s;
            ck_ok(swg_scheme_of_bits(cases[i].bits, groups[g], cases[i].asymmetric,
                                     g % 2 ? SWG_BF16 : SWG_F16, &scheme));
            const swg_gguf_type *type = swg_gguf_type_of_scheme(scheme);
            ck_assert_int_eq(type != NULL, cases[i].type != NULL);
            const size_t at = make_sample(&t, &s, scheme);
            bound_zeros(&s, at);
            const char *path = swg_test_path("codes.gguf");
            if (type) {
                ck_assert_str_eq(type->name, cases[i].type);
                write_anew(&s, path, NULL);
                expect_values(&s, at, path);
            } else {
                ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("none.gguf"), NULL));
            }
            sample_deinit(&s);
        }
}
END_TEST

/* Blocks have half-precision scales: integers under a scale per row are none. */
START_TEST(scales_of_scales_are_no_blocks)
{
    const swg_scheme scheme = SWG_SCHEME_INT(4, .scale_type = SWG_I8, .group = 32);
    ck_assert_ptr_null(swg_gguf_type_of_scheme(scheme));
}
END_TEST

/* Asked for, Q4_1 keeps codes and scales and rounds minima, which is said. */
START_TEST(q4_1_is_made_on_request)
{
    tiny_llama t;
    sample s;
    char said[SWG_NOTICE_BYTES];
    const swg_scheme scheme =
        SWG_SCHEME_INT(4, .asymmetric = true, .scale_type = SWG_F16, .group = 32);
    const size_t at = make_sample(&t, &s, scheme);
    bound_zeros(&s, at);
    const char *path = swg_test_path("q4_1.gguf");
    while (swg_notice_take(said))
        ;
    write_anew(&s, path, "q4_1");
    ck_assert(swg_notice_take(said));
    ck_assert_ptr_nonnull(strstr(said, "minima"));
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    const size_t tensor = swg_source_find(source, name);
    ck_assert_uint_eq(swg_source_tensor(source, tensor)->scheme.ggml, SWG_BLOCK_Q4_1);
    float wanted[COLS], got[COLS];
    ck_ok(swg_tensor_rows_f32(&s.tensors[at], (const void *const *)s.planes[at], 3, 1, wanted));
    ck_ok(swg_source_read_f32(source, tensor, 3, 1, got));
    for (size_t i = 0; i < COLS; i++) /* half precision has 11 bits, the minimum is 15 scales */
        ck_assert_float_le(fabsf(got[i] - wanted[i]), 0.1f * 15 / 2048);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* What no block holds is refused by tensor, row and group. */
START_TEST(codes_that_no_block_holds_are_refused)
{
    tiny_llama t;
    sample s;
    const swg_scheme scheme =
        SWG_SCHEME_INT(4, .asymmetric = true, .scale_type = SWG_F32, .group = 64);
    const size_t at = make_sample(&t, &s, scheme);
    float *const scales = (float *)(void *)s.planes[at][SWG_PLANE_SCALES];
    bound_zeros(&s, at);
    for (size_t i = 0; i < ROWS * COLS / 64; i++)
        scales[i] = 0.25f;
    const char *path = swg_test_path("refused.gguf");
    scales[4 * 5 + 2] = 0.1f; /* 24 bits */
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "scale of group 2 in row 5"));
    scales[4 * 5 + 2] = 0.25f;
    s.planes[at][SWG_PLANE_ZEROS][4 * 7 + 1] = 16;
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "zero point of group 1 in row 7"));
    s.planes[at][SWG_PLANE_ZEROS][4 * 7 + 1] = 15;
    ck_ok(sample_write(&s, path, NULL));
    expect_values(&s, at, path);
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    enum { N_TYPES = sizeof decode_vectors / sizeof *decode_vectors };
    Suite *suite = suite_create("gguf_blocks");
    TCase *cases = tcase_create("gguf_blocks");
    tcase_add_loop_test(cases, blocks_come_back_as_they_were, 0, N_TYPES);
    tcase_add_loop_test(cases, infinite_scales_are_refused, 0, N_TYPES);
    tcase_add_test(cases, integer_codes_become_blocks);
    tcase_add_test(cases, scales_of_scales_are_no_blocks);
    tcase_add_test(cases, q4_1_is_made_on_request);
    tcase_add_test(cases, codes_that_no_block_holds_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
