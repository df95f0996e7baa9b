/* Packing into sparse formats: whatever the payload, the rows that come back are the dense ones
 * with their zeros; through the container too; what cannot be packed is refused. */
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "runtime/base/sparse_pack.h"
#include "tests/harness.h"

enum { ROWS = 48, COLS = 140 };

typedef struct packed {
    swg_tensor_desc dense, desc;
    void *from[SWG_PLANE_KINDS], *planes[SWG_PLANE_KINDS];
    bool is_zero[ROWS * COLS];
} packed;

static void make_planes(const swg_tensor_desc *desc, void *planes[SWG_PLANE_KINDS], swg_rng *rng)
{
    swg_plane all[SWG_PLANE_KINDS];
    const size_t n = swg_tensor_planes(desc, all);
    for (size_t p = 0; p < n; p++) {
        uint8_t *plane;
        ck_ok(SWG_NEW(plane, (size_t)all[p].bytes));
        planes[all[p].kind] = plane;
        const size_t count = (size_t)(all[p].bytes / all[p].elem_bytes);
        for (size_t i = 0; rng && i < count; i++)
            if (all[p].elem_bytes > 1)
                swg_float_store(all[p].type, plane, i, 0.25f + (float)(swg_rng_next(rng) % 64));
            else
                plane[i] = (uint8_t)swg_rng_next(rng);
    }
    for (size_t r = 0; rng && planes[SWG_PLANE_CODES] && r < ROWS; r++) { /* padding bits are 0 */
        const unsigned bits = desc->scheme.bits;
        uint8_t codes[COLS],
            *row = (uint8_t *)planes[SWG_PLANE_CODES] + r * swg_codes_bytes(bits, COLS);
        swg_codes_unpack_row(bits, row, COLS, codes);
        swg_codes_pack_row(bits, codes, COLS, row);
    }
}

/* Zeros of a pattern that the format can have, `percent` of single ones. */
static void make_zeros(packed *p, unsigned percent, swg_rng *rng)
{
    const swg_scheme scheme = p->desc.scheme;
    for (size_t i = 0; i < ROWS * COLS; i++)
        p->is_zero[i] = swg_rng_next(rng) % 100 < percent;
    for (size_t i = 0; scheme.format == SWG_FORMAT_pairs && i < ROWS * COLS; i += 4) {
        const unsigned first = (unsigned)(swg_rng_next(rng) % 3);
        for (unsigned j = 0; j < 4; j++)
            p->is_zero[i + j] = j == first || j == 3;
    }
    for (size_t i = 0; scheme.format == SWG_FORMAT_blocks && i < ROWS * COLS; i++)
        p->is_zero[i] = p->is_zero[i / COLS / scheme.block * scheme.block * COLS + i % COLS];
}

static packed pack(const char *name, unsigned percent)
{
    packed p = {.desc = {.name = "w", .rank = 2, .shape = {ROWS, COLS}}};
    swg_rng rng = swg_rng_seeded(swg_test_seed() + percent);
    ck_ok(swg_scheme_parse(name, strlen(name), &p.desc.scheme));
    p.dense = p.desc;
    p.dense.scheme = swg_sparse_dense(p.desc.scheme);
    make_planes(&p.dense, p.from, &rng);
    make_zeros(&p, percent, &rng);
    uint64_t count;
    ck_assert(swg_weight_format_of(p.desc.scheme)
                  ->sparse->count(p.desc.scheme, p.is_zero, ROWS, COLS, &count));
    p.desc.n_stored = count;
    ck_ok(swg_tensor_desc_check(&p.desc));
    make_planes(&p.desc, p.planes, NULL);
    ck_ok(
        swg_sparse_pack(&p.desc, p.dense.scheme, (const void *const *)p.from, p.is_zero, p.planes));
    return p;
}

static void packed_deinit(packed *p)
{
    for (size_t i = 0; i < SWG_PLANE_KINDS; i++) {
        swg_free(p->from[i]);
        swg_free(p->planes[i]);
    }
}

static const char *const names[] = {
    "sparse-f32",
    "sparse-bf16",
    "sparse-int4-g64-sym-f16",
    "sparse-int3-row-asym-f32",
    "sparse-int8-g32-asym-bf16",
    "sparse-int5-g128-sym-f16",
    "2of4-f16",
    "2of4-int4-g64-sym-f16",
    "2of4-int2-g32-asym-f16",
    "2of4-int6-row-sym-f32",
    "block16x1-f32",
    "block16x1-int4-g64-sym-f16",
    "block6x1-int3-g32-asym-f16",
    "block48x1-int8-row-sym-f32",
};
enum { N_NAMES = sizeof names / sizeof *names };

static void compare(const packed *p, const float *wanted, const float *got, size_t row, size_t n)
{
    for (size_t i = 0; i < n * COLS; i++) {
        const float value = p->is_zero[row * COLS + i] ? 0 : wanted[row * COLS + i];
        ck_assert_msg(got[i] == value, "row %zu, element %zu: %g, not %g", row, i, (double)got[i],
                      (double)value);
    }
}

START_TEST(rows_come_back)
{
    static float dense[ROWS * COLS], rows[ROWS * COLS];
    packed p = pack(names[_i], 55);
    char name[SWG_SCHEME_NAME_BYTES];
    ck_assert_str_eq(swg_scheme_name(p.desc.scheme, name), names[_i]);
    ck_ok(swg_tensor_rows_f32(&p.dense, (const void *const *)p.from, 0, ROWS, dense));
    ck_ok(swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 0, ROWS, rows));
    compare(&p, dense, rows, 0, ROWS);
    for (size_t r = 0; r + 3 <= ROWS; r += 5) {
        ck_ok(swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, r, 3, rows));
        compare(&p, dense, rows, r, 3);
    }
    packed_deinit(&p);
}
END_TEST

START_TEST(files_come_back)
{
    static float dense[ROWS * COLS], rows[ROWS * COLS];
    packed p = pack(names[_i], 40);
    const char *path = swg_test_path("pack.swg");
    swg_sink *sink = NULL;
    swg_source *source = NULL;
    ck_ok(swg_sink_open(path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true},
                        &(swg_sink_meta){0}, &p.desc, 1, &sink));
    ck_ok(swg_sink_write(sink, 0, (const void *const *)p.planes));
    ck_ok(swg_sink_finish(&sink, NULL));
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_eq(swg_source_tensor(source, 0)->n_stored, p.desc.n_stored);
    ck_assert(swg_scheme_equal(swg_source_tensor(source, 0)->scheme, p.desc.scheme));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    ck_ok(swg_tensor_rows_f32(&p.dense, (const void *const *)p.from, 0, ROWS, dense));
    ck_ok(swg_source_read_f32(source, 0, 0, ROWS, rows));
    compare(&p, dense, rows, 0, ROWS);
    swg_source_close(&source);
    packed_deinit(&p);
}
END_TEST

/* A plane that says something else than the others. */
START_TEST(contradictions_are_found)
{
    static float rows[ROWS * COLS];
    packed p = pack("sparse-int4-g64-sym-f16", 50);
    ((uint8_t *)p.planes[SWG_PLANE_MASK])[3] ^= 1;
    ck_status_is(SWG_CORRUPT,
                 swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 0, ROWS, rows));
    packed_deinit(&p);
    p = pack("sparse-int4-g64-sym-f16", 50);
    ((uint64_t *)p.planes[SWG_PLANE_INDEX])[ROWS - 1] -= 9;
    ck_status_is(SWG_CORRUPT,
                 swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 0, ROWS, rows));
    packed_deinit(&p);
    p = pack("2of4-int4-g64-sym-f16", 50);
    ((uint8_t *)p.planes[SWG_PLANE_POSITIONS])[5] = 0x00;
    ck_status_is(SWG_CORRUPT,
                 swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 0, ROWS, rows));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "do not ascend"));
    packed_deinit(&p);
    p = pack("block16x1-f32", 50);
    ((uint8_t *)p.planes[SWG_PLANE_MASK])[0] ^= 2;
    ck_status_is(SWG_CORRUPT,
                 swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 20, 3, rows) == SWG_OK
                     ? swg_tensor_rows_f32(&p.desc, (const void *const *)p.planes, 0, 1, rows)
                     : SWG_OK);
    packed_deinit(&p);
}
END_TEST

START_TEST(other_patterns_are_refused)
{
    packed p = pack("2of4-f16", 50);
    p.is_zero[0] = p.is_zero[1] = p.is_zero[2] = true;
    ck_status_is(SWG_FAILED, swg_sparse_pack(&p.desc, p.dense.scheme, (const void *const *)p.from,
                                             p.is_zero, p.planes));
    packed_deinit(&p);
    p = pack("block16x1-f32", 50);
    p.is_zero[0] = !p.is_zero[0];
    ck_status_is(SWG_FAILED, swg_sparse_pack(&p.desc, p.dense.scheme, (const void *const *)p.from,
                                             p.is_zero, p.planes));
    packed_deinit(&p);
    swg_tensor_desc desc = {.name = "w", .rank = 2, .shape = {3, 6}};
    static const char *const impossible[] = {"2of4-f16", "block2x1-f16"};
    for (size_t i = 0; i < 2; i++) {
        ck_ok(swg_scheme_parse(impossible[i], strlen(impossible[i]), &desc.scheme));
        ck_status_is(SWG_CORRUPT, swg_tensor_desc_check(&desc));
    }
    static const char *const unknown[] = {"sparse-int7-g64-sym-f16",
                                          "block1x1-f16",
                                          "block65x1-f16",
                                          "block016x1-f16",
                                          "2of4-i8",
                                          "sparse-",
                                          "block16x2-f16"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_status_is(SWG_UNSUPPORTED,
                     swg_scheme_parse(unknown[i], strlen(unknown[i]), &desc.scheme));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("sparse_pack");
    TCase *all = tcase_create("sparse_pack");
    tcase_add_loop_test(all, rows_come_back, 0, N_NAMES);
    tcase_add_loop_test(all, files_come_back, 0, N_NAMES);
    tcase_add_test(all, contradictions_are_found);
    tcase_add_test(all, other_patterns_are_refused);
    suite_add_tcase(suite, all);
    return suite;
}
