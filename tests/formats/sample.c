/* See sample.h. */
#include "tests/formats/sample.h"

#include <stdlib.h>

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
    s->files[1] = (swg_file_view){"empty.txt", "", 0};
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

/* Numbers that look like weights, scales that are finite, codes that crowd around the middle. */
static void sample_fill(sample *s, const swg_tensor_desc *desc, const swg_plane *plane,
                        uint8_t *out)
{
    const swg_dtype dtype = desc->scheme.dtype;
    const bool is_float = dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
    if (plane->kind == SWG_PLANE_CODES && desc->scheme.bits == 4) {
        for (uint64_t i = 0; i < plane->bytes; i++) {
            const int low = 8 + (int)(2.5f * swg_rng_normal(&s->rng));
            const int high = 8 + (int)(2.5f * swg_rng_normal(&s->rng));
            out[i] = (uint8_t)((low & 15) | (high & 15) << 4);
        }
    } else if (plane->kind == SWG_PLANE_SCALES || (plane->kind == SWG_PLANE_VALUES && is_float)) {
        for (uint64_t i = 0; i < plane->bytes / plane->elem_bytes; i++)
            swg_float_store(dtype, out, i, s->mean + s->spread * swg_rng_normal(&s->rng));
    } else {
        for (uint64_t i = 0; i < plane->bytes; i++)
            out[i] = (uint8_t)(128 + (int)(30 * swg_rng_normal(&s->rng)));
    }
}

/* Not Check's: bench_parts makes samples outside of any test. */
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
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        s->planes[index][p] = swg_malloc(planes[p].bytes, 1);
        require(s->planes[index][p] != NULL, "no memory");
        sample_fill(s, desc, &planes[p], s->planes[index][p]);
    }
}

void sample_remove(sample *s, size_t index)
{
    for (size_t p = 0; p < SWG_MAX_PLANES; p++)
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
        for (size_t p = 0; p < SWG_MAX_PLANES; p++)
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
        const void *planes[SWG_MAX_PLANES] = {s->planes[i][0], s->planes[i][1], s->planes[i][2]};
        const swg_status status = swg_sink_write(sink, i, planes);
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
        swg_plane planes[SWG_MAX_PLANES];
        const size_t n_planes = swg_tensor_planes(desc, planes);
        for (size_t p = 0; p < n_planes; p++) {
            uint8_t *data = swg_malloc(planes[p].bytes, 1);
            if (!data)
                return SWG_NO_MEMORY;
            const swg_status status = swg_source_read(source, at, p, 0, planes[p].rows, data);
            const bool is_equal =
                status != SWG_OK || memcmp(data, s->planes[i][p], planes[p].bytes) == 0;
            swg_free(data);
            SWG_TRY(status);
            ck_assert_msg(is_equal, "plane %zu of %s differs", p, desc->name);
        }
    }
    return SWG_OK;
}

static swg_status read_plane(swg_source *source, size_t tensor, size_t plane, const swg_plane *is)
{
    uint8_t *data = swg_malloc(is->bytes, 1);
    if (!data)
        return SWG_NO_MEMORY;
    const swg_status status = swg_source_read(source, tensor, plane, 0, is->rows, data);
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
    if (verify)
        keep_first(&first, swg_source_verify(source, NULL, NULL, NULL, NULL));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        swg_plane planes[SWG_MAX_PLANES];
        const size_t n_planes = swg_tensor_planes(swg_source_tensor(source, i), planes);
        for (size_t p = 0; p < n_planes; p++)
            keep_first(&first, read_plane(source, i, p, &planes[p]));
    }
    for (size_t i = 0; i < swg_source_n_files(source); i++) {
        swg_file_view view;
        keep_first(&first, swg_source_file(source, i, &view));
    }
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
