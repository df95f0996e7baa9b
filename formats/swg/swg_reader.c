/* Reading .swg: the directory is checked on opening (swg_directory.c); here frames are decoded,
 * whose bytes are checked against their hash each time they are read. docs/container.md is the
 * specification. */
#include <stdlib.h>
#include <string.h>

#include "formats/reader.h"
#include "formats/swg/frame.h"
#include "formats/swg/swg_directory.h"
#include "runtime/base/hash.h"
#include "runtime/base/weight_format.h"

/* What decoding needs, lent to one thread at a time. Remembers the last frame that was read in
 * part, since neighbouring rows of it are usually wanted next. */
typedef struct swg_scratch {
    struct swg_scratch *next;
    swg_frame_decoder *decoder;
    uint8_t *raw;
    size_t capacity;
    uint64_t frame; /* offset of the frame in `raw`; 0 = none */
} swg_scratch;

static bool claims(const swg_probe *probe)
{
    return !probe->is_directory && probe->head_bytes >= 8 &&
           memcmp(probe->head, SWG_CONTAINER_MAGIC, 8) == 0;
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    swg_container *c = swg_arena_calloc(&source->arena, 1, sizeof *c);
    if (!c)
        return SWG_NO_MEMORY;
    pthread_mutex_init(&c->mutex, NULL);
    source->state = c;
    SWG_TRY(swg_source_map(source, probe->path, &c->map));
    SWG_TRY(swg_directory_read(source));
    return swg_source_add_input(source, probe->path);
}

static void free_scratch(swg_scratch *s)
{
    swg_frame_decoder_free(&s->decoder);
    swg_free(s->raw);
    swg_free(s);
}

static void close_source(swg_source *source)
{
    swg_container *c = source->state;
    if (!c)
        return;
    while (c->free_scratch) {
        swg_scratch *next = c->free_scratch->next;
        free_scratch(c->free_scratch);
        c->free_scratch = next;
    }
    pthread_mutex_destroy(&c->mutex);
    swg_free(c->raw_directory);
    swg_map_close(&c->map);
}

/* --- Reading frames --------------------------------------------------------------------------- */

/* A scratch for this thread, preferably one that still holds the frame. */
static swg_status borrow_scratch(swg_container *c, uint64_t frame, swg_scratch **out)
{
    swg_scratch *found = NULL;
    pthread_mutex_lock(&c->mutex);
    swg_scratch **at = &c->free_scratch;
    for (swg_scratch **s = at; *s; s = &(*s)->next)
        if ((*s)->frame == frame) {
            at = s;
            break;
        }
    if (*at) {
        found = *at;
        *at = found->next;
    }
    pthread_mutex_unlock(&c->mutex);
    swg_status status = SWG_OK;
    if (!found) {
        SWG_GO(SWG_NEW(found, 1));
        SWG_GO(swg_frame_decoder_new(&found->decoder));
    }
    *out = found;
    found = NULL;
done:
    if (found)
        free_scratch(found);
    return status;
}

static void return_scratch(swg_container *c, swg_scratch *s)
{
    pthread_mutex_lock(&c->mutex);
    s->next = c->free_scratch;
    c->free_scratch = s;
    pthread_mutex_unlock(&c->mutex);
}

static swg_status decode(const swg_container *c, swg_frame_decoder *decoder,
                         const swg_stream *stream, uint32_t index, uint8_t *out)
{
    const swg_frame_record *frame = &stream->frames[index];
    const uint8_t *stored = c->map.data + frame->offset;
    swg_status status = SWG_OK;
    if (swg_hash64(stored, frame->stored_bytes) != frame->hash)
        status = swg_error(SWG_CORRUPT, "its bytes do not match their hash");
    else
        status = swg_frame_decode(decoder, swg_stream_frame_shape(stream, index),
                                  (swg_codec)frame->codec, stored, frame->stored_bytes, out);
    if (status == SWG_OK)
        return SWG_OK;
    return swg_error_context(status, "frame %u at byte %llu", index,
                             (unsigned long long)frame->offset);
}

/* The frame, decoded, in the scratch's own buffer. */
static swg_status decode_into_scratch(const swg_container *c, swg_scratch *s,
                                      const swg_stream *stream, uint32_t index)
{
    const size_t bytes = swg_stream_frame_bytes(stream, index);
    if (s->frame == stream->frames[index].offset)
        return SWG_OK;
    s->frame = 0;
    if (s->capacity < bytes) {
        swg_free(s->raw);
        s->capacity = 0;
        SWG_TRY(SWG_NEW_UNINIT(s->raw, bytes));
        s->capacity = bytes;
    }
    SWG_TRY(decode(c, s->decoder, stream, index, s->raw));
    s->frame = stream->frames[index].offset;
    return SWG_OK;
}

/* Bytes [begin, begin + bytes) of a stream: whole frames go straight to their place. */
static swg_status read_stream(swg_container *c, const swg_stream *stream, uint64_t begin,
                              uint64_t bytes, uint8_t *out)
{
    if (bytes == 0)
        return SWG_OK;
    const uint64_t end = begin + bytes;
    swg_scratch *s = NULL;
    swg_status status = SWG_OK;
    SWG_TRY(borrow_scratch(c, stream->frames[begin / stream->frame_bytes].offset, &s));
    while (begin < end) {
        const uint32_t index = (uint32_t)(begin / stream->frame_bytes);
        const uint64_t first = (uint64_t)index * stream->frame_bytes;
        const uint64_t last = first + swg_stream_frame_bytes(stream, index);
        const uint64_t upto = last < end ? last : end;
        if (begin == first && upto == last) {
            SWG_GO(decode(c, s->decoder, stream, index, out));
        } else {
            SWG_GO(decode_into_scratch(c, s, stream, index));
            memcpy(out, s->raw + (begin - first), (size_t)(upto - begin));
        }
        out += upto - begin;
        begin = upto;
    }
done:
    return_scratch(c, s);
    return status;
}

static const swg_stream *stream_of(const swg_stored_tensor *tensor, const swg_plane *plane)
{
    const swg_planes_detail *detail = tensor->detail;
    return &detail->planes[plane - tensor->planes];
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor,
                            const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    const swg_status status =
        read_stream(source->state, stream_of(tensor, plane), row_begin * plane->row_bytes,
                    n_rows * plane->row_bytes, out);
    return status == SWG_OK ? SWG_OK
                            : swg_error_context(status, "%s: tensor %s, %s", source->path,
                                                tensor->desc.name, swg_plane_name(plane->kind));
}

static uint64_t rows_per_read(const swg_stored_tensor *tensor, const swg_plane *plane)
{
    if (plane->bytes == 0)
        return 1;
    const uint64_t rows = stream_of(tensor, plane)->frame_bytes / plane->row_bytes;
    const uint64_t at_least_one = rows ? rows : 1;
    return at_least_one < plane->rows ? at_least_one : plane->rows;
}

static uint64_t plane_stored_bytes(const swg_stored_tensor *tensor, size_t plane)
{
    const swg_planes_detail *detail = tensor->detail;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < detail->planes[plane].n_frames; i++)
        sum += detail->planes[plane].frames[i].stored_bytes;
    return sum;
}

static uint64_t stored_bytes(const swg_stored_tensor *tensor)
{
    const swg_planes_detail *detail = tensor->detail;
    uint64_t sum = 0;
    for (size_t p = 0; p < detail->n_planes; p++)
        sum += plane_stored_bytes(tensor, p);
    return sum;
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    const swg_container *c = source->state;
    const swg_planes_detail *detail = tensor->detail;
    /* A writer puts a plane's frames one after the other, so this is one range per plane. */
    for (size_t p = 0; p < detail->n_planes; p++) {
        const swg_stream *stream = &detail->planes[p];
        for (uint32_t i = 0, next; i < stream->n_frames; i = next) {
            uint64_t end = stream->frames[i].offset + stream->frames[i].stored_bytes;
            for (next = i + 1; next < stream->n_frames && stream->frames[next].offset == end;
                 next++)
                end += stream->frames[next].stored_bytes;
            swg_map_release(&c->map, (size_t)stream->frames[i].offset,
                            (size_t)(end - stream->frames[i].offset));
        }
    }
}

static swg_status load_file(swg_source *source, swg_source_file_entry *file)
{
    const swg_stream *stream = file->detail;
    char *data = swg_malloc((size_t)stream->bytes + 1, 1);
    if (!data)
        return SWG_NO_MEMORY;
    const swg_status status = read_stream(source->state, stream, 0, stream->bytes, (uint8_t *)data);
    if (status != SWG_OK) {
        swg_free(data);
        return swg_error_context(status, "%s: carried file %s", source->path, file->name);
    }
    data[stream->bytes] = '\0';
    file->data = data;
    file->length = (size_t)stream->bytes;
    return SWG_OK;
}

static swg_status fingerprint(swg_source *source, char out[33])
{
    const swg_container *c = source->state;
    swg_hash128_text(c->directory, c->directory_stored, out);
    return SWG_OK;
}

/* --- Verification ----------------------------------------------------------------------------- */

typedef struct verification {
    swg_source *source;
    const swg_progress *progress;
    swg_damage_callback *damaged;
    void *context;
    size_t n_done, n_damaged; /* guarded by the source's mutex */
} verification;

/* Stored and raw hashes of every frame, through the same decoding as reading. */
static swg_status verify_stream(swg_container *c, const swg_stream *stream)
{
    swg_scratch *s = NULL;
    swg_status status = SWG_OK;
    SWG_TRY(borrow_scratch(c, 0, &s));
    for (uint32_t i = 0; i < stream->n_frames; i++) {
        s->frame = 0; /* hash the file's bytes, not a remembered frame's */
        SWG_GO(decode_into_scratch(c, s, stream, i));
        if (swg_hash64(s->raw, swg_stream_frame_bytes(stream, i)) != stream->frames[i].raw_hash)
            SWG_GO(swg_error(SWG_CORRUPT,
                             "frame %u at byte %llu decodes to other bytes than were "
                             "written",
                             i, (unsigned long long)stream->frames[i].offset));
    }
done:
    return_scratch(c, s);
    return status;
}

/* Reading checks what a plane's kind demands of its numbers. */
static swg_status read_through(swg_source *source, size_t tensor, const swg_plane *plane)
{
    const uint64_t step = swg_source_rows_per_read(source, tensor, plane->kind);
    uint8_t *rows;
    SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * plane->row_bytes)));
    swg_status status = SWG_OK;
    for (uint64_t row = 0; row < plane->rows && status == SWG_OK; row += step) {
        const uint64_t left = plane->rows - row;
        status = swg_source_read(source, tensor, plane->kind, row, step < left ? step : left, rows);
    }
    swg_free(rows);
    return status;
}

/* Planes of a format that counts its elements may contradict each other. */
static swg_status check_agreement(swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const uint64_t step = swg_source_rows_per_read(source, tensor, t->planes[0].kind);
    const uint64_t n = swg_tensor_rows(&t->desc);
    float *rows;
    SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * swg_tensor_cols(&t->desc))));
    swg_status status = SWG_OK;
    for (uint64_t row = 0; row < n && status == SWG_OK; row += step)
        status = swg_source_read_f32(source, tensor, row, step < n - row ? step : n - row, rows);
    swg_free(rows);
    return status;
}

static swg_status verify_tensor(swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const swg_planes_detail *detail = t->detail;
    for (size_t p = 0; p < detail->n_planes; p++) {
        const swg_plane *const plane = &t->planes[p];
        const swg_status status = verify_stream(source->state, &detail->planes[p]);
        if (status != SWG_OK)
            return swg_error_context(status, "%s", swg_plane_name(plane->kind));
        if (swg_plane_must_be_finite(plane))
            SWG_TRY(read_through(source, tensor, plane));
    }
    if (swg_weight_format_of(t->desc.scheme)->is_counted)
        SWG_TRY(check_agreement(source, tensor));
    release(source, t);
    return SWG_OK;
}

/* Items: the tensors, then the carried files. Damage is reported and does not stop the others. */
static swg_status verify_item(void *context, size_t index)
{
    verification *v = context;
    swg_source *source = v->source;
    swg_container *c = source->state;
    const bool is_tensor = index < source->n_tensors;
    const swg_source_file_entry *file =
        is_tensor ? NULL : &source->files[index - source->n_tensors];
    swg_status status = SWG_OK;
    if (is_tensor && source->tensors[index].same_as == index)
        status = verify_tensor(source, index);
    else if (file && file->detail)
        status = verify_stream(c, file->detail);
    if (status == SWG_NO_MEMORY)
        return status;
    pthread_mutex_lock(&source->mutex);
    if (status != SWG_OK) {
        v->n_damaged++;
        if (v->damaged)
            v->damaged(v->context, is_tensor ? source->tensors[index].desc.name : file->name,
                       swg_error_message());
    }
    v->n_done++;
    status = swg_progress_step(v->progress, "verifying", "items", v->n_done,
                               source->n_tensors + source->n_files);
    pthread_mutex_unlock(&source->mutex);
    return status;
}

static swg_status verify(swg_source *source, swg_pool *pool, const swg_progress *progress,
                         swg_damage_callback *damaged, void *context)
{
    verification v = {
        .source = source, .progress = progress, .damaged = damaged, .context = context};
    SWG_TRY(swg_pool_for(pool, source->n_tensors + source->n_files, verify_item, &v));
    return v.n_damaged == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s: %zu of %zu tensors and files are damaged",
                           source->path, v.n_damaged, source->n_tensors + source->n_files);
}

const swg_reader swg_reader_swg = {
    .name = "swg",
    .summary = "swage's .swg",
    .claims = claims,
    .ending = ".swg",
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .rows_per_read = rows_per_read,
    .stored_bytes = stored_bytes,
    .plane_stored_bytes = plane_stored_bytes,
    .release = release,
    .load_file = load_file,
    .fingerprint = fingerprint,
    .verify = verify,
};
