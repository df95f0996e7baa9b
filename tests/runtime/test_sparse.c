/* The sparse weight format: planes of other row counts than the tensor's, through the container,
 * verification and damage, and into a model that computes with it. */
#include <string.h>

#include "formats/formats.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "runtime/base/weight_format.h"
#include "runtime/exec.h"
#include "tests/harness.h"

/* A dense matrix and the planes of its sparse form. */
typedef struct sparse {
    swg_tensor_desc desc;
    float *dense;
    uint8_t *planes[SWG_PLANE_KINDS]; /* by kind */
} sparse;

static void sparse_deinit(sparse *s)
{
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
        SWG_FREE(s->planes[kind]);
    SWG_FREE(s->dense);
}

/* Of numbers [n][k], which become ours. */
static sparse sparse_of(const char *name, swg_dtype dtype, size_t n, size_t k, float *dense)
{
    sparse s = {.dense = dense};
    s.desc = (swg_tensor_desc){.name = name,
                               .scheme = {.format = SWG_FORMAT_sparse, .dtype = dtype},
                               .rank = 2,
                               .shape = {n, k}};
    const size_t mask_bytes = swg_codes_bytes(1, k);
    uint64_t *index;
    uint8_t *row;
    ck_ok(SWG_NEW(s.planes[SWG_PLANE_MASK], n * mask_bytes));
    ck_ok(SWG_NEW(index, n));
    ck_ok(SWG_NEW(s.planes[SWG_PLANE_VALUES], n * k * sizeof(float)));
    ck_ok(SWG_NEW(row, k));
    s.planes[SWG_PLANE_INDEX] = (uint8_t *)index;
    for (size_t r = 0; r < n; r++) {
        for (size_t c = 0; c < k; c++) {
            row[c] = dense[r * k + c] != 0;
            if (row[c])
                swg_float_store(dtype, s.planes[SWG_PLANE_VALUES], s.desc.n_stored++,
                                dense[r * k + c]);
        }
        swg_codes_pack_row(1, row, k, s.planes[SWG_PLANE_MASK] + r * mask_bytes);
        index[r] = s.desc.n_stored;
    }
    swg_free(row);
    return s;
}

/* Halves, so that every type holds them; about `percent` of them are stored. */
static sparse random_sparse(const char *name, swg_dtype dtype, size_t n, size_t k, unsigned percent)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed() + n * 131 + k + percent);
    float *dense;
    ck_ok(SWG_NEW(dense, n * k));
    for (size_t i = 0; i < n * k; i++)
        if (swg_rng_next(&rng) % 100 < percent)
            dense[i] = 0.5f * (float)(1 + swg_rng_next(&rng) % 250);
    return sparse_of(name, dtype, n, k, dense);
}

static void write_all(const char *path, sparse *s, size_t count)
{
    swg_sink *sink = NULL;
    swg_tensor_desc descs[8];
    for (size_t i = 0; i < count; i++)
        descs[i] = s[i].desc;
    ck_ok(swg_sink_open(path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true},
                        &(swg_sink_meta){0}, descs, count, &sink));
    for (size_t i = 0; i < count; i++)
        ck_ok(swg_sink_write(sink, i, (const void *const *)s[i].planes));
    ck_ok(swg_sink_finish(&sink, NULL));
}

/* All rows, and each row on its own. */
static void compare(swg_source *source, const sparse *s)
{
    const size_t at = swg_source_find(source, s->desc.name);
    const size_t n = (size_t)s->desc.shape[0], k = (size_t)s->desc.shape[1];
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    ck_assert(swg_scheme_equal(desc->scheme, s->desc.scheme));
    ck_assert_uint_eq(desc->n_stored, s->desc.n_stored);
    float *values;
    ck_ok(SWG_NEW_UNINIT(values, n * k));
    ck_ok(swg_source_read_f32(source, at, 0, n, values));
    ck_assert_mem_eq(values, s->dense, n * k * sizeof *values);
    for (size_t r = 0; r < n; r++) {
        ck_ok(swg_source_read_f32(source, at, r, 1, values));
        ck_assert_mem_eq(values, s->dense + r * k, k * sizeof *values);
    }
    swg_free(values);
}

START_TEST(sparse_tensors_come_back)
{
    sparse s[] = {
        random_sparse("a", SWG_F32, 1, 1, 100), random_sparse("b", SWG_F16, 37, 129, 30),
        random_sparse("c", SWG_BF16, 5, 8, 0),  random_sparse("d", SWG_F16, 300, 2001, 50),
        random_sparse("e", SWG_F32, 9, 7, 100), random_sparse("f", SWG_F16, 37, 129, 30)};
    enum { COUNT = sizeof s / sizeof *s };
    const char *path = swg_test_path("sparse.swg");
    write_all(path, s, COUNT);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    for (size_t i = 0; i < COUNT; i++)
        compare(source, &s[i]);
    ck_assert_uint_eq(swg_source_same_as(source, 5), 1); /* equal bytes are stored once */
    swg_source_close(&source);
    for (size_t i = 0; i < COUNT; i++)
        sparse_deinit(&s[i]);
}
END_TEST

static void verify_fails(sparse *s, const char *sentence)
{
    const char *path = swg_test_path("lies.swg");
    write_all(path, s, 1);
    swg_source *source = NULL;
    float row[16];
    ck_ok(swg_source_open(path, NULL, &source));
    ck_status_is(SWG_CORRUPT, swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_status status = SWG_OK;
    for (size_t r = 0; r < 6 && status == SWG_OK; r++)
        status = swg_source_read_f32(source, 0, r, 1, row);
    ck_assert_int_eq(status, SWG_CORRUPT);
    ck_assert_msg(strstr(swg_error_message(), sentence), "%s", swg_error_message());
    swg_source_close(&source);
}

START_TEST(planes_that_contradict_each_other_are_refused)
{
    sparse s = random_sparse("w", SWG_F16, 6, 16, 50);
    uint64_t *const index = (uint64_t *)(void *)s.planes[SWG_PLANE_INDEX];
    const uint64_t kept = index[2];
    index[2] = UINT64_MAX;
    verify_fails(&s, "the index of tensor w says");
    index[2] = index[1] ? index[1] - 1 : 0;
    verify_fails(&s, "the index of tensor w says");
    index[2] = kept;
    s.planes[SWG_PLANE_MASK][2] ^= 1;
    verify_fails(&s, "the mask of row 1 of tensor w");
    s.planes[SWG_PLANE_MASK][2] ^= 1;
    index[5]--;
    verify_fails(&s, "the index of tensor w ends at");
    sparse_deinit(&s);
}
END_TEST

/* Programs that do not know described planes refuse the file by its features. */
START_TEST(the_superblock_says_that_planes_are_described)
{
    sparse s = random_sparse("w", SWG_F16, 6, 16, 50);
    const char *path = swg_test_path("features.swg");
    write_all(path, &s, 1);
    size_t length;
    uint8_t *bytes = swg_test_read_file(path, &length);
    ck_assert_uint_eq(bytes[SWG_SUPERBLOCK_REQUIRED], SWG_FEATURE_DESCRIBED_PLANES);
    swg_free(bytes);
    sparse_deinit(&s);
    swg_tensor_desc desc = s.desc;
    desc.scheme = swg_scheme_plain(SWG_F16);
    ck_status_is(SWG_CORRUPT, swg_tensor_desc_check(&desc)); /* plain tensors store all */
    desc = s.desc;
    desc.n_stored = 6 * 16 + 1;
    ck_status_is(SWG_CORRUPT, swg_tensor_desc_check(&desc));
}
END_TEST

/* --- A model of sparse matrices --------------------------------------------------------------- */

enum { MAX_TENSORS = 64, N_IDS = 4, VOCAB = 29 };

/* The fixture with every third element of its matrices 0, as plain or as sparse tensors. */
static void write_model(const char *path, bool is_sparse)
{
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    swg_sink_meta meta;
    sparse all[MAX_TENSORS];
    swg_tensor_desc descs[MAX_TENSORS];
    ck_ok(swg_source_open("tests/runtime/fixtures/llama-linear", NULL, &source));
    ck_ok(swg_sink_meta_from_source(source, &meta));
    const size_t count = swg_source_n_tensors(source);
    ck_assert_uint_le(count, MAX_TENSORS);
    for (size_t i = 0; i < count; i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        const size_t n = (size_t)swg_tensor_elems(desc);
        float *values;
        ck_ok(SWG_NEW_UNINIT(values, n));
        ck_ok(swg_source_read_f32(source, i, 0, swg_tensor_rows(desc), values));
        for (size_t e = 0; desc->rank == 2 && e < n; e += 3)
            values[e] = 0;
        if (desc->rank == 2 && is_sparse) {
            all[i] = sparse_of(desc->name, SWG_F32, (size_t)desc->shape[0], (size_t)desc->shape[1],
                               values);
        } else {
            all[i] = (sparse){.desc = *desc, .planes = {[SWG_PLANE_VALUES] = (uint8_t *)values}};
            all[i].desc.scheme = swg_scheme_plain(SWG_F32);
        }
        descs[i] = all[i].desc;
    }
    ck_ok(swg_sink_open(path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true},
                        &meta, descs, count, &sink));
    for (size_t i = 0; i < count; i++) {
        ck_ok(swg_sink_write(sink, i, (const void *const *)all[i].planes));
        sparse_deinit(&all[i]);
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
}

static void logits_of(const char *path, float out[N_IDS * VOCAB])
{
    static const int32_t ids[N_IDS] = {1, 5, 2, 7};
    swg_source *source = NULL;
    swg_pool *pool = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_pool_new(2, &pool));
    ck_ok(swg_model_load(
        source, &(swg_model_options){.size = sizeof(swg_model_options), .pool = pool}, &model));
    ck_ok(swg_exec_new(model, pool,
                       &(swg_exec_options){.size = sizeof(swg_exec_options), .context = N_IDS},
                       &exec));
    ck_ok(swg_exec_run(exec, ids, N_IDS, 0, out));
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_pool_free(&pool);
    swg_source_close(&source);
}

START_TEST(a_model_computes_with_sparse_matrices)
{
    const char *plain = swg_test_path("plain.swg"), *packed = swg_test_path("packed.swg");
    float wanted[N_IDS * VOCAB], got[N_IDS * VOCAB];
    write_model(plain, false);
    write_model(packed, true);
    logits_of(plain, wanted);
    logits_of(packed, got);
    ck_assert_mem_eq(got, wanted, sizeof got);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("sparse");
    TCase *cases = tcase_create("sparse");
    tcase_add_test(cases, sparse_tensors_come_back);
    tcase_add_test(cases, planes_that_contradict_each_other_are_refused);
    tcase_add_test(cases, the_superblock_says_that_planes_are_described);
    tcase_add_test(cases, a_model_computes_with_sparse_matrices);
    suite_add_tcase(suite, cases);
    return suite;
}
