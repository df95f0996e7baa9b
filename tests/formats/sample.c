/* See sample.h. */
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/formats/sample.h"

#include <stdlib.h>

#include "runtime/base/codes.h"

void sample_put_file(const char *path, const void *data, size_t length)
{
    remove(path);
    swg_test_write_file(path, data, length);
}

void sample_init(sample *s)
{
    *s = (sample){.rng = swg_rng_seeded(swg_test_seed()), .spread = 0.02f};
    static const char config[] = "{\"model_type\":\"sample\",\"vocab_size\":5}";
    s->files[0] = (swg_file_view){"tokenizer.json", "{\"version\":\"1.0\"}", 17};
    s->files[1] = (swg_file_view){"vocab.txt", "", 0};
    s->files[2] = (swg_file_view){"merges.txt", "a b\nc d\na b\nc d\na b\nc d\na b\nc d\n", 32};
    s->metadata[0] = "format";
    s->metadata[1] = "pt";
    s->metadata[2] = "note";
    s->metadata[3] = "caf\xc3\xa9";
    s->meta = (swg_sink_meta){.config = config,
                              .config_length = sizeof config - 1,
                              .files = s->files,
                              .n_files = 3,
                              .metadata = s->metadata,
                              .n_metadata = 2,
                              .provenance = "[{\"tool\":\"test\"}]"};
}

/* Numbers that look like weights, scales that are finite, codes concentrated around the middle. */
static void sample_fill(sample *s, const swg_tensor_desc *desc, const swg_plane *plane,
                        uint8_t *out)
{
    const unsigned bits = plane->symbol_bits;
    if (bits < 8) {
        const size_t cols = (size_t)swg_tensor_cols(desc);
        uint8_t *const codes = swg_malloc(cols, 1);
        ck_assert_ptr_nonnull(codes);
        for (uint64_t row = 0; row < plane->rows; row++) {
            for (size_t c = 0; c < cols; c++) {
                const float from_middle = 0.15f * (float)(1 << bits) * swg_rng_normal(&s->rng);
                codes[c] = (uint8_t)((1 << (bits - 1)) + (int)from_middle);
            }
            swg_codes_pack_row(bits, codes, cols, out + row * plane->row_bytes);
        }
        swg_free(codes);
    } else if (swg_dtype_is_float(plane->type)) {
        for (uint64_t i = 0; i < plane->bytes / plane->elem_bytes; i++)
            swg_float_store(plane->type, out, i, s->mean + s->spread * swg_rng_normal(&s->rng));
    } else {
        for (uint64_t i = 0; i < plane->bytes; i++)
            out[i] = (uint8_t)(128 + (int)(30 * swg_rng_normal(&s->rng)));
    }
}

/* Not Check's: bench_parts makes samples outside any test. */
static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "sample: %s\n", what);
    abort();
}

void sample_add(sample *s, const char *name, swg_scheme scheme, uint32_t rank, uint64_t d0,
                uint64_t d1)
{
    require(s->n_tensors < SAMPLE_MAX_TENSORS, "too many tensors");
    const size_t index = s->n_tensors++;
    snprintf(s->names[index], sizeof s->names[index], "%s", name);
    swg_tensor_desc *desc = &s->tensors[index];
    *desc = (swg_tensor_desc){
        .name = s->names[index], .scheme = scheme, .rank = rank, .shape = {d0, d1}};
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t **const plane = &s->planes[index][planes[p].kind];
        *plane = swg_malloc(planes[p].bytes, 1);
        require(*plane != NULL, "no memory");
        sample_fill(s, desc, &planes[p], *plane);
    }
}

void sample_remove(sample *s, size_t index)
{
    for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
        swg_free(s->planes[index][p]);
    s->n_tensors--;
    for (size_t i = index; i < s->n_tensors; i++) {
        s->tensors[i] = s->tensors[i + 1];
        memcpy(s->names[i], s->names[i + 1], sizeof s->names[i]);
        s->tensors[i].name = s->names[i];
        memcpy(s->planes[i], s->planes[i + 1], sizeof s->planes[i]);
    }
    memset(s->planes[s->n_tensors], 0, sizeof s->planes[0]);
}

void sample_deinit(sample *s)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
            swg_free(s->planes[i][p]);
}

void sample_add_small(sample *s)
{
    sample_add(s, "w.f32", swg_scheme_plain(SWG_F32), 2, 5, 7);
    sample_add(s, "a.bf16", swg_scheme_plain(SWG_BF16), 2, 16, 24);
    sample_add(s, "ids", swg_scheme_plain(SWG_I64), 1, 3, 0);
    sample_add(s, "scalar", swg_scheme_plain(SWG_F64), 0, 0, 0);
    sample_add(s, "nothing", swg_scheme_plain(SWG_F16), 2, 0, 4);
}

swg_status sample_write(const sample *s, const char *path, const swg_sink_options *options)
{
    swg_sink *sink = NULL;
    SWG_TRY(swg_sink_open(path, options, &s->meta, s->tensors, s->n_tensors, &sink));
    for (size_t i = 0; i < s->n_tensors; i++) {
        const swg_status status = swg_sink_write(sink, i, (const void *const *)s->planes[i]);
        if (status != SWG_OK) {
            swg_sink_abort(&sink);
            return status;
        }
    }
    return swg_sink_finish(&sink, NULL);
}

swg_status sample_compare(const sample *s, swg_source *source)
{
    ck_assert_uint_eq(swg_source_n_tensors(source), s->n_tensors);
    for (size_t i = 0; i < s->n_tensors; i++) {
        const size_t at = swg_source_find(source, s->tensors[i].name);
        ck_assert_uint_ne(at, SIZE_MAX);
        const swg_tensor_desc *desc = swg_source_tensor(source, at);
        ck_assert(swg_scheme_equal(desc->scheme, s->tensors[i].scheme));
        ck_assert_uint_eq(desc->rank, s->tensors[i].rank);
        ck_assert_mem_eq(desc->shape, s->tensors[i].shape, desc->rank * sizeof desc->shape[0]);
        swg_plane planes[SWG_PLANE_KINDS];
        const size_t n_planes = swg_tensor_planes(desc, planes);
        for (size_t p = 0; p < n_planes; p++) {
            uint8_t *data = swg_malloc(planes[p].bytes, 1);
            if (!data)
                return SWG_NO_MEMORY;
            const swg_status status =
                swg_source_read(source, at, planes[p].kind, 0, planes[p].rows, data);
            const bool is_equal = status != SWG_OK ||
                                  memcmp(data, s->planes[i][planes[p].kind], planes[p].bytes) == 0;
            swg_free(data);
            SWG_TRY(status);
            ck_assert_msg(is_equal, "the %s of %s differ", swg_plane_name(planes[p].kind),
                          desc->name);
        }
    }
    return SWG_OK;
}

static swg_status read_plane(swg_source *source, size_t tensor, const swg_plane *is)
{
    uint8_t *data = swg_malloc(is->bytes, 1);
    if (!data)
        return SWG_NO_MEMORY;
    const swg_status status = swg_source_read(source, tensor, is->kind, 0, is->rows, data);
    swg_free(data);
    return status;
}

/* The first failure of several steps, with its sentence. */
typedef struct outcome {
    swg_status status;
    char sentence[1024];
} outcome;

static void keep_first(outcome *first, swg_status status)
{
    if (first->status != SWG_OK || status == SWG_OK)
        return;
    first->status = status;
    snprintf(first->sentence, sizeof first->sentence, "%s", swg_error_message());
}

/* Close it too. */
static swg_status use_source(swg_source *source, bool verify)
{
    outcome first = {SWG_OK, ""};
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        swg_plane planes[SWG_PLANE_KINDS];
        const size_t n_planes = swg_tensor_planes(swg_source_tensor(source, i), planes);
        for (size_t p = 0; p < n_planes; p++)
            keep_first(&first, read_plane(source, i, &planes[p]));
    }
    for (size_t i = 0; i < swg_source_n_files(source); i++) {
        swg_file_view view;
        keep_first(&first, swg_source_file(source, i, &view));
    }
    if (verify) /* last: it counts damaged frames, reading says which and why */
        keep_first(&first, swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
    return first.status == SWG_OK ? SWG_OK : swg_error(first.status, "%s", first.sentence);
}

swg_status sample_use(const char *path, bool verify)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(path, NULL, &source));
    return use_source(source, verify);
}

swg_status sample_use_bytes(const char *name, const void *bytes, size_t size)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open_bytes(name, bytes, size, NULL, &source));
    return use_source(source, true);
}
