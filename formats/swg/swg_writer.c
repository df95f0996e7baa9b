/* Writing .swg: 64 zero bytes, the frames of carried files, the frames of each tensor as it comes,
 * the directory, and the superblock last of all. docs/container.md is the specification.
 *
 * Frames are compressed in rounds, in parallel, and get their places in order, so the bytes do not
 * depend on the number of threads. A tensor whose planes equal an earlier one's (by XXH3-128 of
 * scheme, shape and bytes) is not stored again. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/frame.h"
#include "formats/reader.h"
#include "formats/swg/swg_layout.h"
#include "formats/writer.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/weight_format.h"

enum {
    TENSOR_LEVEL = 1,      /* weights are noise: higher levels find nothing more */
    TEXT_LEVEL = 12,       /* at least, for files and the directory */
    SLOTS_PER_THREAD = 4,  /* frames of a round; those of two rounds are in memory */
    FRAME_BYTES = 1 << 20, /* where rows do not matter */
    DIGEST_BYTES = SWG_HASH128_TEXT
};

/* A frame that was compressed, and where it goes. */
typedef struct slot {
    uint8_t *out;
    size_t capacity;
    uint64_t offset;
    uint32_t stored_bytes;
    swg_codec codec;
} slot;

typedef struct tensor_record {
    swg_stream planes[SWG_PLANE_KINDS];
    size_t n_planes;
    size_t first_equal; /* index of the first tensor written with these bytes; its own index */
    char digest[DIGEST_BYTES];
} tensor_record;

typedef struct swg_output {
    swg_file_writer *file;
    tensor_record *tensors;
    swg_stream *files;
    const char **file_names;
    size_t n_files;
    swg_frame_encoder **encoders; /* of each thread */
    size_t n_threads;
    slot *slots;          /* of this round, then of the round before */
    size_t n_slots;       /* of a round */
    size_t *digest_table; /* tensor index + 1; open addressing */
    size_t digest_slots;
} swg_output;

static swg_status check(const swg_sink *sink)
{
    return sink->n_tensors < SWG_OWN_BYTES
               ? SWG_OK
               : swg_error(SWG_UNSUPPORTED, "%s: %zu tensors are too many for a .swg", sink->path,
                           sink->n_tensors);
}

/* --- Frames ----------------------------------------------------------------------------------- */

static swg_status stream_init(swg_sink *sink, uint64_t bytes, uint64_t frame_bytes,
                              swg_stream *stream)
{
    *stream = (swg_stream){.bytes = bytes, .elem_bytes = 1};
    if (bytes == 0)
        return SWG_OK;
    stream->frame_bytes = frame_bytes < FRAME_BYTES ? (uint32_t)frame_bytes : FRAME_BYTES;
    const uint64_t count = (bytes + stream->frame_bytes - 1) / stream->frame_bytes;
    if (count > UINT32_MAX)
        return swg_error(SWG_UNSUPPORTED, "%s: %llu bytes are too many for one plane", sink->path,
                         (unsigned long long)bytes);
    stream->n_frames = (uint32_t)count;
    stream->frames = swg_arena_calloc(&sink->arena, stream->n_frames, sizeof *stream->frames);
    return stream->frames ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status tensor_streams(swg_sink *sink, size_t tensor, tensor_record *record)
{
    const swg_tensor_desc *desc = &sink->tensors[tensor];
    swg_plane planes[SWG_PLANE_KINDS];
    record->n_planes = swg_tensor_planes(desc, planes);
    record->first_equal = tensor;
    for (size_t p = 0; p < record->n_planes; p++) {
        const uint64_t rows = swg_plane_rows_per_frame(&planes[p]);
        SWG_TRY(stream_init(sink, planes[p].bytes, rows * planes[p].row_bytes, &record->planes[p]));
        record->planes[p].elem_bytes = planes[p].elem_bytes;
        record->planes[p].symbol_bits = planes[p].symbol_bits;
    }
    return SWG_OK;
}

static swg_status change_scheme(swg_sink *sink, size_t tensor)
{
    swg_output *output = sink->state;
    output->tensors[tensor] = (tensor_record){0};
    return tensor_streams(sink, tensor, &output->tensors[tensor]);
}

/* Frames of consecutive streams, counted through. */
typedef struct batch {
    swg_output *output;
    swg_stream *streams;
    const void *const *data; /* of each stream */
    int level;
    size_t stream; /* of the first frame of this round */
    uint32_t frame;
    size_t count;  /* frames of this round */
    slot *coding;  /* their slots */
    slot *writing; /* slots of the round before, which have their places */
    size_t n_writing;
} batch;

/* The frame `steps` after the round's first. */
static void batch_frame(const batch *b, size_t steps, size_t *stream, uint32_t *frame)
{
    *stream = b->stream;
    uint64_t at = b->frame + (uint64_t)steps;
    while (at >= b->streams[*stream].n_frames) {
        at -= b->streams[*stream].n_frames;
        ++*stream;
    }
    *frame = (uint32_t)at;
}

static swg_status encode_frame(const batch *b, size_t index)
{
    slot *s = &b->coding[index];
    swg_frame_encoder **encoder = &b->output->encoders[swg_pool_thread_index()];
    size_t stream;
    uint32_t frame;
    batch_frame(b, index, &stream, &frame);
    swg_stream *in = &b->streams[stream];
    const swg_frame_shape shape = swg_stream_frame_shape(in, frame);
    const uint8_t *const raw = (const uint8_t *)b->data[stream] + (uint64_t)frame * in->frame_bytes;
    if (!*encoder)
        SWG_TRY(swg_frame_encoder_new(encoder));
    if (s->capacity < shape.bytes) {
        swg_free(s->out);
        s->capacity = 0;
        SWG_TRY(SWG_NEW_UNINIT(s->out, shape.bytes));
        s->capacity = shape.bytes;
    }
    SWG_TRY(swg_frame_encode(*encoder, b->level, shape, raw, s->out, &s->stored_bytes, &s->codec));
    in->frames[frame].raw_hash = swg_hash64(raw, shape.bytes);
    in->frames[frame].hash = swg_hash64(s->out, s->stored_bytes);
    return SWG_OK;
}

/* Writing the frames of one round goes on beside compressing those of the next. */
static swg_status batch_item(void *context, size_t index)
{
    const batch *b = context;
    if (index >= b->n_writing)
        return encode_frame(b, index - b->n_writing);
    const slot *s = &b->writing[index];
    return swg_file_write_at(b->output->file, s->offset, s->out, s->stored_bytes);
}

/* Frames are in order, one after the other. */
static void place_slot(const batch *b, size_t index)
{
    slot *s = &b->coding[index];
    size_t stream;
    uint32_t frame;
    batch_frame(b, index, &stream, &frame);
    swg_frame_record *record = &b->streams[stream].frames[frame];
    s->offset = swg_file_tell(b->output->file);
    record->offset = s->offset;
    record->stored_bytes = s->stored_bytes;
    record->codec = s->codec;
    swg_file_extend(b->output->file, s->offset + s->stored_bytes);
}

static swg_status write_streams(swg_sink *sink, swg_stream *streams, size_t count,
                                const void *const *data, int level)
{
    swg_output *output = sink->state;
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        left += streams[i].n_frames;
    batch b = {.output = output,
               .streams = streams,
               .data = data,
               .level = level,
               .coding = output->slots,
               .writing = output->slots + output->n_slots};
    while (left > 0 || b.n_writing > 0) {
        b.count = left < output->n_slots ? left : output->n_slots;
        SWG_TRY(swg_pool_for(sink->pool, b.n_writing + b.count, batch_item, &b));
        for (size_t i = 0; i < b.count; i++)
            place_slot(&b, i);
        left -= b.count;
        if (left > 0)
            batch_frame(&b, b.count, &b.stream, &b.frame);
        slot *const written = b.writing;
        b.writing = b.coding;
        b.coding = written;
        b.n_writing = b.count;
    }
    return SWG_OK;
}

/* --- Equal tensors ---------------------------------------------------------------------------- */

static swg_status digest_tensor(const swg_tensor_desc *desc,
                                const void *const planes[SWG_PLANE_KINDS], char out[DIGEST_BYTES])
{
    swg_hash_stream *stream = swg_hash_stream_new();
    if (!stream)
        return SWG_NO_MEMORY;
    uint8_t head[SWG_SCHEME_NAME_BYTES + 4 + 8 * SWG_MAX_RANK] = {0}; /* n_stored shows in planes */
    swg_scheme_name(desc->scheme, (char *)head);
    swg_put_le(head + SWG_SCHEME_NAME_BYTES, 4, desc->rank);
    for (uint32_t i = 0; i < desc->rank; i++)
        swg_put_le(head + SWG_SCHEME_NAME_BYTES + 4 + (size_t)8 * i, 8, desc->shape[i]);
    swg_hash_stream_add(stream, head, sizeof head);
    swg_plane all[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, all);
    for (size_t p = 0; p < n_planes; p++)
        swg_hash_stream_add(stream, planes[all[p].kind], (size_t)all[p].bytes);
    swg_hash_stream_text(&stream, out);
    return SWG_OK;
}

/* The first tensor with this one's digest, which may be itself. */
static size_t first_equal(swg_output *output, size_t tensor)
{
    const char *digest = output->tensors[tensor].digest;
    const size_t mask = output->digest_slots - 1;
    size_t at = (size_t)swg_hash64(digest, DIGEST_BYTES) & mask;
    while (output->digest_table[at]) {
        const size_t other = output->digest_table[at] - 1;
        if (memcmp(output->tensors[other].digest, digest, DIGEST_BYTES) == 0)
            return other;
        at = (at + 1) & mask;
    }
    output->digest_table[at] = tensor + 1;
    return tensor;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored_bytes)
{
    swg_output *output = sink->state;
    tensor_record *record = &output->tensors[tensor];
    SWG_TRY(digest_tensor(&sink->tensors[tensor], planes, record->digest));
    record->first_equal = first_equal(output, tensor);
    *stored_bytes = 0;
    if (record->first_equal != tensor)
        return SWG_OK;
    swg_plane all[SWG_PLANE_KINDS];
    const void *data[SWG_PLANE_KINDS]; /* in storage order, as the streams */
    for (size_t p = 0; p < swg_tensor_planes(&sink->tensors[tensor], all); p++)
        data[p] = planes[all[p].kind];
    SWG_TRY(write_streams(sink, record->planes, record->n_planes, data,
                          sink->level ? sink->level : TENSOR_LEVEL));
    for (size_t p = 0; p < record->n_planes; p++)
        for (uint32_t i = 0; i < record->planes[p].n_frames; i++)
            *stored_bytes += record->planes[p].frames[i].stored_bytes;
    return SWG_OK;
}

/* --- Directory -------------------------------------------------------------------------------- */

static void put(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t number[8];
    swg_put_le(number, bytes, value);
    swg_strbuf_append(out, number, bytes);
}

static void put_text(swg_strbuf *out, unsigned length_bytes, const char *text)
{
    const size_t length = strlen(text);
    put(out, length_bytes, length);
    swg_strbuf_append(out, text, length);
}

static void put_stream(swg_strbuf *out, const swg_stream *stream)
{
    put(out, 4, stream->frame_bytes);
    put(out, 4, stream->n_frames);
    for (uint32_t i = 0; i < stream->n_frames; i++) {
        const swg_frame_record *frame = &stream->frames[i];
        put(out, 8, frame->offset);
        put(out, 4, frame->stored_bytes);
        put(out, 4, frame->codec);
        put(out, 8, frame->hash);
        put(out, 8, frame->raw_hash);
    }
}

static void put_section(swg_strbuf *out, const char *tag, uint32_t flags, const void *data,
                        size_t length)
{
    swg_strbuf_append(out, tag, SWG_TAG_BYTES);
    put(out, 4, flags);
    put(out, 8, length);
    swg_strbuf_append(out, data, length);
}

static bool has_rans(const tensor_record *record)
{
    for (size_t p = 0; p < record->n_planes; p++)
        for (uint32_t i = 0; i < record->planes[p].n_frames; i++)
            if (record->planes[p].frames[i].codec == SWG_CODEC_RANS)
                return true;
    return false;
}

/* Planes are described where the lengths of some do not follow from schemes and shapes. */
static uint32_t required_features(const swg_sink *sink)
{
    const swg_output *output = sink->state;
    uint32_t features = 0;
    for (size_t i = 0; i < sink->n_tensors; i++) {
        if (swg_weight_format_of(sink->tensors[i].scheme)->is_counted)
            features |= SWG_FEATURE_DESCRIBED_PLANES;
        if (has_rans(&output->tensors[i]))
            features |= SWG_FEATURE_RANS;
    }
    return features;
}

static void put_description(swg_strbuf *out, const swg_tensor_desc *desc)
{
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n = swg_tensor_planes(desc, planes);
    put(out, 1, n);
    for (size_t p = 0; p < n; p++) {
        put(out, 1, planes[p].kind);
        put(out, 1, planes[p].elem_bytes);
        put(out, 1, planes[p].symbol_bits);
        put(out, 1, 0);
        put(out, 8, planes[p].rows);
        put(out, 8, planes[p].row_bytes);
    }
}

/* Of equal tensors, the first by name has the frames and the others point to it. */
static swg_status put_tensors(const swg_sink *sink, swg_strbuf *out)
{
    const bool is_described = required_features(sink) & SWG_FEATURE_DESCRIBED_PLANES;
    const swg_output *output = sink->state;
    size_t *owners; /* tensor -> 1 + place by name of the one that has its frames */
    SWG_TRY(SWG_NEW(owners, sink->n_tensors));
    put(out, 4, sink->n_tensors);
    for (size_t place = 0; place < sink->n_tensors; place++) {
        const size_t index = sink->by_name[place];
        const swg_tensor_desc *desc = &sink->tensors[index];
        const tensor_record *record = &output->tensors[index];
        char scheme[SWG_SCHEME_NAME_BYTES];
        put_text(out, 2, desc->name);
        put_text(out, 1, swg_scheme_name(desc->scheme, scheme));
        put(out, 1, desc->rank);
        for (uint32_t i = 0; i < desc->rank; i++)
            put(out, 8, desc->shape[i]);
        size_t *owner = &owners[record->first_equal];
        put(out, 4, *owner ? *owner - 1 : SWG_OWN_BYTES);
        if (*owner)
            continue;
        *owner = place + 1;
        const tensor_record *stored = &output->tensors[record->first_equal];
        if (is_described)
            put_description(out, desc);
        for (size_t p = 0; p < stored->n_planes; p++)
            put_stream(out, &stored->planes[p]);
    }
    swg_free(owners);
    return SWG_OK;
}

static swg_status build_directory(const swg_sink *sink, swg_strbuf *out)
{
    const swg_output *output = sink->state;
    const swg_sink_meta *meta = &sink->meta;
    swg_strbuf part = {0};
    swg_status status = SWG_OK;
    put_section(out, SWG_TAG_CONFIG, SWG_SECTION_REQUIRED, meta->config, meta->config_length);
    SWG_GO(put_tensors(sink, &part));
    put_section(out, SWG_TAG_TENSORS, SWG_SECTION_REQUIRED, swg_strbuf_text(&part), part.length);
    part.length = 0;
    put(&part, 4, output->n_files);
    for (size_t i = 0; i < output->n_files; i++) {
        put_text(&part, 2, output->file_names[i]);
        put(&part, 8, output->files[i].bytes);
        put_stream(&part, &output->files[i]);
    }
    put_section(out, SWG_TAG_FILES, SWG_SECTION_REQUIRED, swg_strbuf_text(&part), part.length);
    part.length = 0;
    put(&part, 4, meta->n_metadata);
    for (size_t i = 0; i < 2 * meta->n_metadata; i++)
        put_text(&part, 4, meta->metadata[i]);
    put_section(out, SWG_TAG_METADATA, 0, swg_strbuf_text(&part), part.length);
    put_section(out, SWG_TAG_PROVENANCE, 0, meta->provenance, strlen(meta->provenance));
    for (size_t i = 0; i < meta->n_extensions; i++)
        put_section(out, meta->extensions[i].tag, 0, meta->extensions[i].data,
                    meta->extensions[i].length);
    SWG_GO(swg_strbuf_status(&part));
    SWG_GO(swg_strbuf_status(out));
    if (out->length > SWG_DIRECTORY_MAX_BYTES)
        SWG_GO(swg_error(SWG_UNSUPPORTED, "%s: a directory of %zu bytes; at most %d are allowed",
                         sink->path, out->length, SWG_DIRECTORY_MAX_BYTES));
done:
    swg_strbuf_deinit(&part);
    return status;
}

static swg_status write_superblock(const swg_sink *sink, uint64_t directory, const uint8_t *stored,
                                   uint32_t stored_bytes, size_t raw_bytes)
{
    swg_output *output = sink->state;
    uint8_t block[SWG_SUPERBLOCK_BYTES] = {0};
    memcpy(block, SWG_CONTAINER_MAGIC, 8);
    swg_put_le(block + SWG_SUPERBLOCK_VERSION, 4, SWG_CONTAINER_VERSION);
    swg_put_le(block + SWG_SUPERBLOCK_REQUIRED, 4, required_features(sink));
    swg_put_le(block + SWG_SUPERBLOCK_OPTIONAL, 4, sink->meta.optional_features);
    swg_put_le(block + SWG_SUPERBLOCK_FILE_BYTES, 8, directory + stored_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_OFFSET, 8, directory);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_STORED, 4, stored_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_RAW, 4, raw_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_HASH, 8, swg_hash64(stored, stored_bytes));
    swg_put_le(block + SWG_SUPERBLOCK_HASH, 8, swg_hash64(block, SWG_SUPERBLOCK_HASH));
    return swg_file_write_at(output->file, 0, block, sizeof block);
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    swg_output *output = sink->state;
    swg_strbuf directory = {0};
    uint8_t *stored = NULL;
    swg_frame_encoder *encoder = NULL;
    swg_status status = SWG_OK;
    SWG_GO(build_directory(sink, &directory));
    SWG_GO(SWG_NEW_UNINIT(stored, directory.length));
    SWG_GO(swg_frame_encoder_new(&encoder));
    uint32_t stored_bytes;
    swg_codec codec; /* told by the lengths */
    SWG_GO(swg_frame_encode(encoder, TEXT_LEVEL,
                            (swg_frame_shape){.bytes = directory.length, .elem_bytes = 1},
                            (const uint8_t *)directory.text, stored, &stored_bytes, &codec));
    const uint64_t at = swg_file_tell(output->file);
    SWG_GO(swg_file_append(output->file, stored, stored_bytes));
    SWG_GO(write_superblock(sink, at, stored, stored_bytes, directory.length));
    SWG_GO(swg_file_commit(&output->file));
    *bytes = at + stored_bytes;
done:
    swg_frame_encoder_free(&encoder);
    swg_free(stored);
    swg_strbuf_deinit(&directory);
    return status;
}

/* --- Start, end, plan ------------------------------------------------------------------------- */

/* Streams of everything, nothing written yet. */
static swg_status make_output(swg_sink *sink)
{
    swg_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    const size_t n_tensors = sink->n_tensors, n_files = sink->meta.n_files;
    output->tensors = swg_arena_calloc(&sink->arena, n_tensors, sizeof *output->tensors);
    output->files = swg_arena_calloc(&sink->arena, n_files, sizeof *output->files);
    output->file_names = swg_arena_calloc(&sink->arena, n_files, sizeof *output->file_names);
    output->digest_slots = 16;
    while (output->digest_slots < 2 * n_tensors)
        output->digest_slots *= 2;
    output->digest_table =
        swg_arena_calloc(&sink->arena, output->digest_slots, sizeof *output->digest_table);
    if (!output->tensors || !output->files || !output->file_names || !output->digest_table)
        return SWG_NO_MEMORY;
    sink->state = output;
    output->n_files = n_files;
    for (size_t i = 0; i < n_files; i++) {
        const swg_file_view *file = &sink->meta.files[i];
        output->file_names[i] = swg_arena_strndup(&sink->arena, file->name, strlen(file->name));
        if (!output->file_names[i])
            return SWG_NO_MEMORY;
        SWG_TRY(stream_init(sink, file->length, FRAME_BYTES, &output->files[i]));
    }
    for (size_t i = 0; i < n_tensors; i++)
        SWG_TRY(tensor_streams(sink, i, &output->tensors[i]));
    return SWG_OK;
}

/* Upper bound: everything stored, the directory not compressed. */
static swg_status bound(const swg_sink *sink, uint64_t *bytes)
{
    const swg_output *output = sink->state;
    swg_strbuf directory = {0};
    const swg_status status = build_directory(sink, &directory);
    uint64_t sum = SWG_SUPERBLOCK_BYTES + directory.length;
    swg_strbuf_deinit(&directory);
    SWG_TRY(status);
    for (size_t i = 0; i < output->n_files; i++)
        sum += output->files[i].bytes;
    for (size_t i = 0; i < sink->n_tensors; i++)
        if (!swg_u64_add(sum, swg_tensor_bytes(&sink->tensors[i]), &sum))
            return swg_error(SWG_UNSUPPORTED, "%s: the tensors together are too large", sink->path);
    *bytes = sum;
    return SWG_OK;
}

static swg_status plan(swg_sink *sink, uint64_t *bytes, bool *is_exact)
{
    SWG_TRY(make_output(sink));
    SWG_TRY(bound(sink, bytes));
    *is_exact = false;
    return SWG_OK;
}

static swg_status open_output(swg_sink *sink)
{
    static const uint8_t nothing[SWG_SUPERBLOCK_BYTES];
    SWG_TRY(make_output(sink));
    swg_output *output = sink->state;
    output->n_threads = swg_pool_threads(sink->pool);
    output->n_slots = SLOTS_PER_THREAD * output->n_threads;
    output->slots = swg_arena_calloc(&sink->arena, 2 * output->n_slots, sizeof *output->slots);
    output->encoders =
        swg_arena_calloc(&sink->arena, output->n_threads, sizeof(swg_frame_encoder *));
    if (!output->slots || !output->encoders)
        return SWG_NO_MEMORY;
    uint64_t size_hint;
    SWG_TRY(bound(sink, &size_hint));
    SWG_TRY(swg_file_create(sink->path, sink->force, size_hint, &output->file));
    SWG_TRY(swg_file_append(output->file, nothing, sizeof nothing));
    const int level = sink->level > TEXT_LEVEL ? sink->level : TEXT_LEVEL;
    for (size_t i = 0; i < output->n_files; i++) {
        const void *const data = sink->meta.files[i].data;
        SWG_TRY(write_streams(sink, &output->files[i], 1, &data, level));
    }
    return SWG_OK;
}

static void close_output(swg_sink *sink)
{
    swg_output *output = sink->state;
    for (size_t i = 0; output->slots && i < 2 * output->n_slots; i++)
        swg_free(output->slots[i].out);
    for (size_t i = 0; output->encoders && i < output->n_threads; i++)
        swg_frame_encoder_free(&output->encoders[i]);
    swg_file_abort(&output->file);
}

static bool holds(const swg_tensor_desc *desc)
{
    return desc != NULL; /* any scheme */
}

const swg_writer swg_writer_swg = {
    .holds = holds,
    .check = check,
    .open = open_output,
    .write = write_tensor,
    .change_scheme = change_scheme,
    .finish = finish,
    .close = close_output,
    .plan = plan,
    .keeps_provenance = true,
};
