/* Schemes and their names, descriptions from outside, planes. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/tensor.h"
#include "runtime/base/utf8.h"

START_TEST(type_names_round_trip)
{
    swg_dtype found;
    for (int i = 0; i < SWG_DTYPE_COUNT; i++) {
        const char *name = swg_dtype_name((swg_dtype)i);
        ck_assert(swg_dtype_parse(name, strlen(name), &found));
        ck_assert_int_eq(found, i);
        ck_assert_uint_gt(swg_dtype_bits((swg_dtype)i), 0);
    }
    ck_assert(!swg_dtype_parse("f32", 3, &found));
    ck_assert(!swg_dtype_parse("F3", 2, &found));
    ck_assert(!swg_dtype_parse("F32 ", 4, &found));
    ck_assert(!swg_dtype_parse("", 0, &found));
    ck_assert(swg_dtype_parse("BF16 and more", 4, &found));
    ck_assert_int_eq(found, SWG_BF16);
}
END_TEST

static swg_scheme scheme_of(unsigned bits, uint32_t group, bool asymmetric, swg_dtype scale_type)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_of_bits(bits, group, asymmetric, scale_type, &scheme));
    return scheme;
}

static void round_trips(swg_scheme scheme)
{
    char name[SWG_SCHEME_NAME_BYTES], again[SWG_SCHEME_NAME_BYTES];
    swg_scheme_name(scheme, name);
    swg_scheme parsed = {.bits = 77};
    ck_ok(swg_scheme_parse(name, strlen(name), &parsed));
    ck_assert_msg(swg_scheme_equal(parsed, scheme), "%s became %s", name,
                  swg_scheme_name(parsed, again));
    /* A name with anything missing or added is a different name. */
    for (size_t length = 0; length < strlen(name); length++) {
        swg_scheme shorter;
        if (swg_scheme_parse(name, length, &shorter) == SWG_OK)
            ck_assert(!swg_scheme_equal(shorter, scheme));
    }
}

static swg_scheme codebook_scheme(uint32_t group, swg_dtype scale_type)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_of_codebook(4, group, scale_type, &scheme));
    return scheme;
}

START_TEST(scheme_names_round_trip)
{
    static const uint32_t groups[] = {0, 32, 64, 128, 256};
    static const swg_dtype scales[] = {SWG_F16, SWG_BF16, SWG_F32, SWG_I8};
    for (int i = 0; i < SWG_DTYPE_COUNT; i++)
        round_trips(swg_scheme_plain((swg_dtype)i));
    for (size_t g = 0; g < 5; g++)
        for (size_t s = 0; s < 4; s++)
            for (int asymmetric = 0; asymmetric < 2; asymmetric++)
                for (unsigned bits = 1; bits <= SWG_CODE_MAX_BITS; bits++)
                    if (swg_bits_are_known(bits))
                        round_trips(scheme_of(bits, groups[g], asymmetric, scales[s]));
    for (size_t g = 0; g < 5; g++)
        for (size_t s = 0; s < 4; s++)
            round_trips(codebook_scheme(groups[g], scales[s]));
    char name[SWG_SCHEME_NAME_BYTES];
    ck_assert_str_eq(swg_scheme_name(scheme_of(4, 64, false, SWG_F16), name), "int4-g64-sym-f16");
    ck_assert_str_eq(swg_scheme_name(scheme_of(8, 0, true, SWG_F32), name), "int8-row-asym-f32");
    ck_assert_str_eq(swg_scheme_name(swg_scheme_plain(SWG_BF16), name), "bf16");
    ck_assert_str_eq(swg_scheme_name(codebook_scheme(128, SWG_F16), name), "codebook4-g128-f16");
}
END_TEST

START_TEST(other_scheme_names_are_refused)
{
    static const char *const names[] = {
        "",
        "F32",
        "int4",
        "int4-g64",
        "int4-g64-sym",
        "int9-g64-sym-f16",
        "int4-g63-sym-f16",
        "int4-g064-sym-f16",
        "int4-g64-sym-f64",
        "int4-g64-SYM-f16",
        "int4-g64-sym-f16 ",
        "int4-g0-sym-f16",
        "int04-g64-sym-f16",
        "int4--sym-f16",
        "codebook3-g64-f16",
        "codebook4-g64-sym-f16",
        "codebook4-f16",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        swg_scheme scheme = {.bits = 77};
        ck_status_is(SWG_UNSUPPORTED, swg_scheme_parse(names[i], strlen(names[i]), &scheme));
        ck_assert_uint_eq(scheme.bits, 77);
        ck_assert_ptr_nonnull(strstr(swg_error_message(), names[i]));
    }
}
END_TEST

START_TEST(groups_of_a_row)
{
    const swg_scheme grouped = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 64);
    const swg_scheme row = SWG_SCHEME_INT(8, .scale_type = SWG_F16);
    ck_assert_uint_eq(swg_scheme_groups(grouped, 1), 1);
    ck_assert_uint_eq(swg_scheme_groups(grouped, 64), 1);
    ck_assert_uint_eq(swg_scheme_groups(grouped, 65), 2);
    ck_assert_uint_eq(swg_scheme_group_length(grouped, 65), 64);
    ck_assert_uint_eq(swg_scheme_groups(row, 65), 1);
    ck_assert_uint_eq(swg_scheme_group_length(row, 65), 65);
    ck_assert_uint_eq(swg_scheme_symmetric_zero(grouped), 8);
    ck_assert_uint_eq(swg_scheme_symmetric_zero(row), 128);
}
END_TEST

static void plane_is(const swg_plane *plane, swg_plane_kind kind, uint64_t rows, uint64_t row_bytes,
                     uint32_t elem_bytes)
{
    ck_assert_int_eq(plane->kind, kind);
    ck_assert_uint_eq(plane->rows, rows);
    ck_assert_uint_eq(plane->row_bytes, row_bytes);
    ck_assert_uint_eq(plane->bytes, rows * row_bytes);
    ck_assert_uint_eq(plane->elem_bytes, elem_bytes);
}

START_TEST(planes_of_quantized_matrices)
{
    swg_plane planes[SWG_PLANE_KINDS];
    /* Odd k: half a byte of padding per row; the last group of 64 columns has one. */
    swg_tensor_desc desc = {"w", scheme_of(4, 64, true, SWG_F16), 2, {3, 65}, 0};
    ck_ok(swg_tensor_desc_check(&desc));
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 3);
    plane_is(&planes[0], SWG_PLANE_CODES, 3, 33, 1);
    plane_is(&planes[1], SWG_PLANE_SCALES, 3, 4, 2);
    plane_is(&planes[2], SWG_PLANE_ZEROS, 3, 2, 1);
    ck_assert_uint_eq(swg_tensor_bytes(&desc), 3 * (33 + 4 + 2));
    desc.scheme = scheme_of(4, 64, true, SWG_I8);
    ck_ok(swg_tensor_desc_check(&desc));
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 4);
    plane_is(&planes[1], SWG_PLANE_SCALES, 3, 2, 1);
    ck_assert(!swg_plane_must_be_finite(&planes[1]));
    plane_is(&planes[2], SWG_PLANE_ROW_SCALES, 3, 2, 2);
    ck_assert(swg_plane_must_be_finite(&planes[2]));
    plane_is(&planes[3], SWG_PLANE_ZEROS, 3, 2, 1);
    desc.scheme = codebook_scheme(64, SWG_F16);
    ck_ok(swg_tensor_desc_check(&desc));
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 3);
    plane_is(&planes[0], SWG_PLANE_CODES, 3, 33, 1);
    plane_is(&planes[1], SWG_PLANE_SCALES, 3, 4, 2);
    plane_is(&planes[2], SWG_PLANE_CODEBOOK, 1, 16, 1);
    desc = (swg_tensor_desc){"w", scheme_of(8, 0, false, SWG_F32), 2, {5, 7}, 0};
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 2);
    plane_is(&planes[0], SWG_PLANE_CODES, 5, 7, 1);
    plane_is(&planes[1], SWG_PLANE_SCALES, 5, 4, 4);
    desc = (swg_tensor_desc){"w", scheme_of(4, 256, false, SWG_BF16), 2, {1, 1}, 0};
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 2);
    plane_is(&planes[0], SWG_PLANE_CODES, 1, 1, 1);
    plane_is(&planes[1], SWG_PLANE_SCALES, 1, 2, 2);
}
END_TEST

START_TEST(planes_of_plain_tensors)
{
    swg_plane planes[SWG_PLANE_KINDS];
    swg_tensor_desc desc = {"w", swg_scheme_plain(SWG_BF16), 3, {2, 3, 5}, 0};
    ck_assert_uint_eq(swg_tensor_planes(&desc, planes), 1);
    plane_is(&planes[0], SWG_PLANE_VALUES, 6, 10, 2);
    ck_assert_uint_eq(swg_tensor_elems(&desc), 30);
    ck_assert_uint_eq(swg_tensor_rows(&desc), 6);
    ck_assert_uint_eq(swg_tensor_cols(&desc), 5);
    desc = (swg_tensor_desc){"scalar", swg_scheme_plain(SWG_F64), 0, {0}, 0};
    ck_ok(swg_tensor_desc_check(&desc));
    swg_tensor_planes(&desc, planes);
    plane_is(&planes[0], SWG_PLANE_VALUES, 1, 8, 8);
    /* Rows of 4-bit elements that are not whole bytes: one row for all. */
    desc = (swg_tensor_desc){"w", swg_scheme_plain(SWG_F4), 2, {4, 3}, 0};
    ck_ok(swg_tensor_desc_check(&desc));
    swg_tensor_planes(&desc, planes);
    plane_is(&planes[0], SWG_PLANE_VALUES, 1, 6, 1);
    desc.shape[1] = 4;
    swg_tensor_planes(&desc, planes);
    plane_is(&planes[0], SWG_PLANE_VALUES, 4, 2, 1);
    desc = (swg_tensor_desc){"empty", swg_scheme_plain(SWG_F32), 2, {0, 9}, 0};
    ck_ok(swg_tensor_desc_check(&desc));
    ck_assert_uint_eq(swg_tensor_bytes(&desc), 0);
    for (int kind = 0; kind < SWG_PLANE_KINDS; kind++)
        ck_assert_str_ne(swg_plane_name((swg_plane_kind)kind), "");
}
END_TEST

START_TEST(hostile_shapes_are_refused)
{
    const uint64_t big = UINT64_C(1) << 32;
    const swg_scheme f32 = swg_scheme_plain(SWG_F32), f4 = swg_scheme_plain(SWG_F4);
    const swg_scheme int4 = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 64);
    const struct {
        swg_status status;
        swg_tensor_desc desc;
    } rows[] = {
        {SWG_UNSUPPORTED, {"rank 5", f32, 5, {1, 1, 1, 1}, 0}},
        {SWG_UNSUPPORTED, {"rank 2^32-1", f32, UINT32_MAX, {1, 1, 1, 1}, 0}},
        {SWG_CORRUPT, {"2^64 elements", f32, 2, {big, big}, 0}},
        {SWG_CORRUPT, {"2^64-1 elements", f32, 1, {UINT64_MAX}, 0}},
        {SWG_CORRUPT, {"wraps to 1", f32, 2, {UINT64_MAX, UINT64_MAX}, 0}},
        {SWG_CORRUPT, {"2^60 elements", f32, 2, {big, big / 16}, 0}},
        /* 2^58 elements of 64 bits: 2^64 bits, which wrapped to a plane of no bytes. */
        {SWG_CORRUPT, {"2^58 elements", swg_scheme_plain(SWG_F64), 1, {UINT64_C(1) << 58}, 0}},
        {SWG_CORRUPT, {"hidden by a zero", f32, 3, {0, UINT64_MAX, 3}, 0}},
        {SWG_CORRUPT, {"hidden by a last zero", f32, 2, {UINT64_MAX, 0}, 0}},
        {SWG_CORRUPT, {"half a byte", f4, 1, {3}, 0}},
        {SWG_CORRUPT, {"quantized vector", int4, 1, {64}, 0}},
        {SWG_CORRUPT, {"quantized cube", int4, 3, {2, 2, 2}, 0}},
        {SWG_CORRUPT, {"quantized without columns", int4, 2, {4, 0}, 0}},
        {SWG_CORRUPT, {"", f32, 1, {1}, 0}},
        {SWG_CORRUPT, {"line\nbreak", f32, 1, {1}, 0}},
        {SWG_CORRUPT, {"escape\033[2J", f32, 1, {1}, 0}},
        {SWG_CORRUPT, {"not utf-8 \xff", f32, 1, {1}, 0}},
        {SWG_CORRUPT, {"next line \xc2\x85", f32, 1, {1}, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        swg_error_clear();
        const swg_status status = swg_tensor_desc_check(&rows[i].desc);
        ck_assert_msg(status == rows[i].status, "%s: status %d", rows[i].desc.name, (int)status);
        ck_assert_str_ne(swg_error_message(), "");
    }
}
END_TEST

START_TEST(names_have_a_limit)
{
    char name[SWG_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[SWG_MAX_NAME] = '\0';
    const swg_tensor_desc desc = {name, swg_scheme_plain(SWG_F32), 1, {1}, 0};
    ck_ok(swg_tensor_desc_check(&desc));
    name[SWG_MAX_NAME] = 'n';
    name[SWG_MAX_NAME + 1] = '\0';
    ck_status_is(SWG_CORRUPT, swg_tensor_desc_check(&desc));
    ck_assert(swg_name_is_printable("\xc3\xa9\xe4\xb8\xad.weight", 12));
    ck_assert(!swg_name_is_printable("a\0b", 3));
    ck_assert(swg_name_is_printable("", 0));
}
END_TEST

START_TEST(shapes_are_spelled)
{
    char text[SWG_SHAPE_TEXT_BYTES];
    swg_tensor_desc desc = {.rank = 0};
    ck_assert_str_eq(swg_tensor_shape_text(&desc, text), "[]");
    desc = (swg_tensor_desc){.rank = 2, .shape = {3, 5}};
    ck_assert_str_eq(swg_tensor_shape_text(&desc, text), "[3, 5]");
    desc.rank = SWG_MAX_RANK; /* the longest fits */
    for (size_t i = 0; i < SWG_MAX_RANK; i++)
        desc.shape[i] = UINT64_MAX;
    ck_assert_uint_eq(strlen(swg_tensor_shape_text(&desc, text)), 22 * SWG_MAX_RANK);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tensor");
    TCase *cases = tcase_create("tensor");
    tcase_add_test(cases, type_names_round_trip);
    tcase_add_test(cases, scheme_names_round_trip);
    tcase_add_test(cases, other_scheme_names_are_refused);
    tcase_add_test(cases, groups_of_a_row);
    tcase_add_test(cases, planes_of_quantized_matrices);
    tcase_add_test(cases, planes_of_plain_tensors);
    tcase_add_test(cases, hostile_shapes_are_refused);
    tcase_add_test(cases, names_have_a_limit);
    tcase_add_test(cases, shapes_are_spelled);
    suite_add_tcase(suite, cases);
    return suite;
}
