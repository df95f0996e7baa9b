/* Reading .swg: the superblock and the directory are checked whole on opening (every offset, size,
 * count, and that the frames tile the file exactly); a frame's bytes are checked against their hash
 * each time they are read. docs/container.md is the specification. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/frame.h"
#include "formats/json/json.h"
#include "formats/reader.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/hash.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/utf8.h"

/* What decoding needs, lent to one thread at a time. Remembers the last frame that was read in
 * part, since neighbouring rows of it are usually wanted next. */
typedef struct scratch {
    struct scratch *next;
    swg_frame_decoder *decoder;
    uint8_t *raw;
    size_t capacity;
    uint64_t frame; /* offset of the frame in `raw`; 0 = none */
} scratch;

typedef struct container {
    swg_map map;
    uint64_t directory_offset;
    const uint8_t *directory; /* as stored */
    uint32_t directory_stored;
    uint8_t *raw_directory;
    size_t raw_directory_bytes;
    pthread_mutex_t mutex; /* guards the list */
    scratch *free_scratch;
} container;

/* `detail` of a tensor. */
typedef struct planes_detail {
    swg_stream planes[SWG_MAX_PLANES];
    size_t n_planes;
} planes_detail;

static bool claims(const swg_probe *probe)
{
    return !probe->is_directory && probe->head_bytes >= 8 &&
           memcmp(probe->head, SWG_CONTAINER_MAGIC, 8) == 0;
}

/* --- Superblock and directory ----------------------------------------------------------------- */

static swg_status check_superblock(swg_source *source)
{
    container *c = source->state;
    const uint8_t *block = c->map.data;
    if (c->map.size < SWG_SUPERBLOCK_BYTES)
        return swg_error(SWG_CORRUPT, "%s: %zu bytes are too few for a superblock of %d",
                         source->path, c->map.size, SWG_SUPERBLOCK_BYTES);
    const uint64_t version = swg_get_le(block + SWG_SUPERBLOCK_VERSION, 4);
    const uint64_t required = swg_get_le(block + SWG_SUPERBLOCK_REQUIRED, 4);
    const uint64_t file_bytes = swg_get_le(block + SWG_SUPERBLOCK_FILE_BYTES, 8);
    if (swg_get_le(block + SWG_SUPERBLOCK_HASH, 8) != swg_hash64(block, SWG_SUPERBLOCK_HASH))
        return swg_error(SWG_CORRUPT, "%s: the superblock does not match its hash", source->path);
    if (version != SWG_CONTAINER_VERSION)
        return swg_error(SWG_UNSUPPORTED, "%s: container version %llu; this program reads %d",
                         source->path, (unsigned long long)version, SWG_CONTAINER_VERSION);
    if (required != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: needs features 0x%llx, which this program does not know; a later "
                         "version may",
                         source->path, (unsigned long long)required);
    if (swg_get_le(block + SWG_SUPERBLOCK_ZERO, 4) != 0)
        return swg_error(SWG_CORRUPT, "%s: reserved bytes of the superblock are not zero",
                         source->path);
    if (file_bytes != c->map.size)
        return swg_error(SWG_CORRUPT, "%s: the superblock says %llu bytes, the file has %zu",
                         source->path, (unsigned long long)file_bytes, c->map.size);
    source->optional_features = (uint32_t)swg_get_le(block + SWG_SUPERBLOCK_OPTIONAL, 4);
    return SWG_OK;
}

static swg_status load_directory(swg_source *source)
{
    container *c = source->state;
    const uint8_t *block = c->map.data;
    const uint64_t offset = swg_get_le(block + SWG_SUPERBLOCK_DIR_OFFSET, 8);
    const uint64_t stored = swg_get_le(block + SWG_SUPERBLOCK_DIR_STORED, 4);
    const uint64_t raw = swg_get_le(block + SWG_SUPERBLOCK_DIR_RAW, 4);
    if (offset < SWG_SUPERBLOCK_BYTES || offset > c->map.size || stored != c->map.size - offset)
        return swg_error(
            SWG_CORRUPT, "%s: a directory of %llu bytes at %llu does not end a file of %zu bytes",
            source->path, (unsigned long long)stored, (unsigned long long)offset, c->map.size);
    SWG_TRY(swg_header_limit_check(source->path, "the directory", raw));
    if (raw > SWG_DIRECTORY_MAX_BYTES || stored > raw || stored * SWG_FRAME_MAX_RATIO < raw)
        return swg_error(SWG_CORRUPT,
                         "%s: a directory of %llu bytes cannot come from %llu stored "
                         "bytes",
                         source->path, (unsigned long long)raw, (unsigned long long)stored);
    c->directory_offset = offset;
    c->directory = c->map.data + offset;
    c->directory_stored = (uint32_t)stored;
    if (swg_hash64(c->directory, (size_t)stored) != swg_get_le(block + SWG_SUPERBLOCK_DIR_HASH, 8))
        return swg_error(SWG_CORRUPT, "%s: the directory does not match its hash", source->path);
    SWG_TRY(SWG_NEW_UNINIT(c->raw_directory, (size_t)raw));
    c->raw_directory_bytes = (size_t)raw;
    swg_frame_decoder *decoder = NULL;
    SWG_TRY(swg_frame_decoder_new(&decoder));
    const swg_status status =
        swg_frame_decode(decoder, (swg_frame_shape){.bytes = (size_t)raw, .elem_bytes = 1},
                         stored == raw ? SWG_CODEC_STORED : SWG_CODEC_ZSTD, c->directory,
                         (size_t)stored, c->raw_directory);
    swg_frame_decoder_free(&decoder);
    return status == SWG_OK ? SWG_OK : swg_error_context(status, "%s: directory", source->path);
}

/* --- Sections --------------------------------------------------------------------------------- */

static swg_status is_short(const swg_source *source, const char *section)
{
    return swg_error(SWG_CORRUPT, "%s: section %s of the directory ends early", source->path,
                     section);
}

static swg_status check_end(const swg_source *source, const swg_cursor *cursor, const char *section)
{
    if (cursor->is_short)
        return is_short(source, section);
    return cursor->left == 0 ? SWG_OK
                             : swg_error(SWG_CORRUPT, "%s: %zu bytes too many in section %s",
                                         source->path, cursor->left, section);
}

/* A count of records that take at least `least` bytes each. */
static swg_status read_count(const swg_source *source, swg_cursor *cursor, size_t least,
                             const char *section, size_t *out)
{
    const uint64_t count = swg_cursor_number(cursor, 4);
    if (cursor->is_short || count > cursor->left / least)
        return is_short(source, section);
    *out = (size_t)count;
    return SWG_OK;
}

/* A stream's bytes, elem_bytes and has_nibbles are known; its frames follow. */
static swg_status parse_stream(swg_source *source, swg_cursor *cursor, const char *what,
                               swg_stream *stream)
{
    const container *c = source->state;
    stream->frame_bytes = (uint32_t)swg_cursor_number(cursor, 4);
    const uint64_t n_frames = swg_cursor_number(cursor, 4);
    if (cursor->is_short || n_frames > cursor->left / SWG_FRAME_RECORD_BYTES)
        return is_short(source, what);
    const uint64_t each = stream->frame_bytes;
    const uint64_t due = each ? stream->bytes / each + (stream->bytes % each != 0) : 0;
    if (n_frames != due || (stream->bytes > 0) != (n_frames > 0) ||
        (stream->bytes > 0) != (each > 0) || stream->frame_bytes % stream->elem_bytes != 0)
        return swg_error(SWG_CORRUPT, "%s: %s has %llu bytes in %llu frames of %u", source->path,
                         what, (unsigned long long)stream->bytes, (unsigned long long)n_frames,
                         stream->frame_bytes);
    stream->n_frames = (uint32_t)n_frames;
    stream->frames = swg_arena_calloc(&source->arena, n_frames, sizeof *stream->frames);
    if (!stream->frames)
        return SWG_NO_MEMORY;
    for (uint32_t i = 0; i < n_frames; i++) {
        swg_frame_record *frame = &stream->frames[i];
        frame->offset = swg_cursor_number(cursor, 8);
        frame->stored_bytes = (uint32_t)swg_cursor_number(cursor, 4);
        frame->codec = (uint32_t)swg_cursor_number(cursor, 4);
        frame->hash = swg_cursor_number(cursor, 8);
        frame->raw_hash = swg_cursor_number(cursor, 8);
        if (frame->offset < SWG_SUPERBLOCK_BYTES || frame->offset > c->directory_offset ||
            frame->stored_bytes > c->directory_offset - frame->offset)
            return swg_error(SWG_CORRUPT,
                             "%s: frame %u of %s, %u bytes at %llu, is outside the "
                             "frames",
                             source->path, i, what, frame->stored_bytes,
                             (unsigned long long)frame->offset);
        const swg_status status =
            swg_frame_check(swg_stream_frame_shape(stream, i), frame->codec, frame->stored_bytes);
        if (status != SWG_OK)
            return swg_error_context(status, "%s: frame %u of %s", source->path, i, what);
    }
    return SWG_OK;
}

static swg_status parse_planes(swg_source *source, swg_cursor *cursor, swg_stored_tensor *tensor)
{
    planes_detail *detail = swg_arena_calloc(&source->arena, 1, sizeof *detail);
    if (!detail)
        return SWG_NO_MEMORY;
    swg_plane planes[SWG_MAX_PLANES];
    detail->n_planes = swg_tensor_planes(&tensor->desc, planes);
    for (size_t p = 0; p < detail->n_planes; p++) {
        detail->planes[p] =
            (swg_stream){.bytes = planes[p].bytes,
                         .elem_bytes = planes[p].elem_bytes,
                         .has_nibbles = swg_plane_has_nibbles(&tensor->desc, &planes[p])};
        SWG_TRY(parse_stream(source, cursor, tensor->desc.name, &detail->planes[p]));
    }
    tensor->detail = detail;
    return SWG_OK;
}

/* The tensor whose frames this one shares: an earlier one, alike, with frames of its own. */
static swg_status share_planes(swg_source *source, uint64_t other, swg_stored_tensor *tensor)
{
    const swg_stored_tensor *owner = other < source->n_tensors - 1 ? &source->tensors[other] : NULL;
    if (!owner || owner->same_as != other || owner->desc.rank != tensor->desc.rank ||
        !swg_scheme_equal(owner->desc.scheme, tensor->desc.scheme) ||
        memcmp(owner->desc.shape, tensor->desc.shape, sizeof owner->desc.shape) != 0)
        return swg_error(SWG_CORRUPT, "%s: tensor %s cannot share the bytes of tensor number %llu",
                         source->path, tensor->desc.name, (unsigned long long)other);
    tensor->same_as = (size_t)other;
    tensor->detail = owner->detail;
    return SWG_OK;
}

static swg_status parse_tensor(swg_source *source, swg_cursor *cursor)
{
    const size_t name_length = (size_t)swg_cursor_number(cursor, 2);
    const char *name = (const char *)swg_cursor_take(cursor, name_length);
    const size_t scheme_length = (size_t)swg_cursor_number(cursor, 1);
    const char *scheme_name = (const char *)swg_cursor_take(cursor, scheme_length);
    const uint32_t rank = (uint32_t)swg_cursor_number(cursor, 1);
    if (cursor->is_short)
        return is_short(source, SWG_TAG_TENSORS);
    uint64_t shape[SWG_MAX_RANK] = {0};
    for (uint32_t i = 0; i < rank && i < SWG_MAX_RANK; i++)
        shape[i] = swg_cursor_number(cursor, 8);
    swg_scheme scheme;
    swg_status status = swg_scheme_parse(scheme_name, scheme_length, &scheme);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", source->path);
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, name_length, scheme, rank, shape, &tensor));
    if (source->n_tensors > 1 &&
        strcmp(source->tensors[source->n_tensors - 2].desc.name, tensor->desc.name) >= 0)
        return swg_error(SWG_CORRUPT, "%s: tensor %s is not in the order of names", source->path,
                         tensor->desc.name);
    const uint64_t same_as = swg_cursor_number(cursor, 4);
    if (cursor->is_short)
        return is_short(source, SWG_TAG_TENSORS);
    return same_as == SWG_OWN_BYTES ? parse_planes(source, cursor, tensor)
                                    : share_planes(source, same_as, tensor);
}

static swg_status parse_tensors(swg_source *source, swg_cursor *cursor)
{
    /* Two lengths, a rank, same_as, and a name of one byte. */
    enum { LEAST_RECORD_BYTES = 2 + 1 + 1 + 1 + 4 };
    size_t count;
    SWG_TRY(read_count(source, cursor, LEAST_RECORD_BYTES, SWG_TAG_TENSORS, &count));
    for (size_t i = 0; i < count; i++)
        SWG_TRY(parse_tensor(source, cursor));
    return check_end(source, cursor, SWG_TAG_TENSORS);
}

static swg_status parse_files(swg_source *source, swg_cursor *cursor)
{
    enum { LEAST_RECORD_BYTES = 2 + 8 + 4 + 4 };
    size_t count;
    SWG_TRY(read_count(source, cursor, LEAST_RECORD_BYTES, SWG_TAG_FILES, &count));
    for (size_t i = 0; i < count; i++) {
        char name[SWG_MAX_NAME + 1];
        const size_t length = (size_t)swg_cursor_number(cursor, 2);
        const uint8_t *text = swg_cursor_take(cursor, length);
        swg_stream *stream = swg_arena_calloc(&source->arena, 1, sizeof *stream);
        if (!stream)
            return SWG_NO_MEMORY;
        *stream = (swg_stream){.bytes = swg_cursor_number(cursor, 8), .elem_bytes = 1};
        if (cursor->is_short)
            return is_short(source, SWG_TAG_FILES);
        if (stream->bytes > SWG_MAX_CARRIED_BYTES)
            return swg_error(SWG_LIMIT, "%s: carried file %zu has %llu bytes; at most %d are read",
                             source->path, i, (unsigned long long)stream->bytes,
                             SWG_MAX_CARRIED_BYTES);
        if (length == 0 || length > SWG_MAX_NAME ||
            !swg_name_is_printable((const char *)text, length) || memchr(text, '/', length) ||
            text[0] == '.')
            return swg_error(SWG_CORRUPT,
                             "%s: carried file %zu has a name that is not the plain "
                             "name of a file",
                             source->path, i);
        memcpy(name, text, length);
        name[length] = '\0';
        SWG_TRY(parse_stream(source, cursor, name, stream));
        SWG_TRY(swg_source_add_file(source, name, NULL, stream));
        if (source->n_files != i + 1)
            return swg_error(SWG_CORRUPT, "%s: two carried files are called %s", source->path,
                             name);
    }
    return check_end(source, cursor, SWG_TAG_FILES);
}

/* A text with a 4-byte length, as a string of the source's. */
static swg_status parse_text(swg_source *source, swg_cursor *cursor, const char *section,
                             const char **out)
{
    const size_t length = (size_t)swg_cursor_number(cursor, 4);
    const char *text = (const char *)swg_cursor_take(cursor, length);
    if (!text)
        return is_short(source, section);
    if (memchr(text, '\0', length) || !swg_utf8_is_valid(text, length))
        return swg_error(SWG_CORRUPT, "%s: a text in section %s is not UTF-8 or holds a zero byte",
                         source->path, section);
    *out = swg_arena_strndup(&source->arena, text, length);
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status parse_metadata(swg_source *source, swg_cursor *cursor)
{
    size_t count;
    SWG_TRY(read_count(source, cursor, 4 + 4, SWG_TAG_METADATA, &count));
    for (size_t i = 0; i < count; i++) {
        const char *key = NULL, *value = NULL;
        SWG_TRY(parse_text(source, cursor, SWG_TAG_METADATA, &key));
        SWG_TRY(parse_text(source, cursor, SWG_TAG_METADATA, &value));
        SWG_TRY(swg_source_add_metadata(source, key, value));
    }
    return check_end(source, cursor, SWG_TAG_METADATA);
}

static swg_status parse_config(swg_source *source, swg_cursor *cursor)
{
    return swg_source_set_config(source, (const char *)cursor->at, cursor->left);
}

static swg_status parse_provenance(swg_source *source, swg_cursor *cursor)
{
    SWG_TRY(swg_json_require((const char *)cursor->at, cursor->left, "provenance", SWG_JSON_ARRAY));
    source->provenance = swg_arena_strndup(&source->arena, (const char *)cursor->at, cursor->left);
    return source->provenance ? SWG_OK : SWG_NO_MEMORY;
}

static const struct {
    const char *tag;
    swg_status (*parse)(swg_source *source, swg_cursor *cursor);
} sections[] = {
    {SWG_TAG_CONFIG, parse_config},         {SWG_TAG_TENSORS, parse_tensors},
    {SWG_TAG_FILES, parse_files},           {SWG_TAG_METADATA, parse_metadata},
    {SWG_TAG_PROVENANCE, parse_provenance},
};
enum { N_SECTIONS = sizeof sections / sizeof sections[0] };

static swg_status unknown_section(swg_source *source, const char tag[SWG_TAG_BYTES], uint64_t flags,
                                  const swg_cursor *body)
{
    if (!swg_name_is_printable(tag, SWG_TAG_BYTES))
        return swg_error(SWG_CORRUPT, "%s: a section's tag is not printable", source->path);
    if (flags & SWG_SECTION_REQUIRED)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: needs section %.4s, which this program does not know; a later "
                         "version may",
                         source->path, tag);
    if (source->n_extensions == SWG_MAX_EXTENSIONS)
        return swg_error(SWG_UNSUPPORTED, "%s has more than %d unknown sections", source->path,
                         SWG_MAX_EXTENSIONS);
    for (size_t i = 0; i < source->n_extensions; i++)
        if (memcmp(source->extensions[i].tag, tag, SWG_TAG_BYTES) == 0)
            return swg_error(SWG_CORRUPT, "%s: two sections %.4s", source->path, tag);
    SWG_TRY(swg_reserve((void **)&source->extensions, &source->extension_capacity,
                        source->n_extensions + 1, sizeof *source->extensions));
    swg_extension *extension = &source->extensions[source->n_extensions++];
    *extension = (swg_extension){.data = body->at, .length = body->left};
    memcpy(extension->tag, tag, SWG_TAG_BYTES);
    return SWG_OK;
}

static swg_status parse_section(swg_source *source, swg_cursor *directory, bool seen[N_SECTIONS])
{
    const char *tag = (const char *)swg_cursor_take(directory, SWG_TAG_BYTES);
    const uint64_t flags = swg_cursor_number(directory, 4);
    const uint64_t length = swg_cursor_number(directory, 8);
    const uint8_t *body = swg_cursor_take(directory, length);
    if (directory->is_short)
        return swg_error(SWG_CORRUPT, "%s: the directory ends inside a section", source->path);
    if (flags & ~(uint64_t)SWG_SECTION_REQUIRED)
        return swg_error(SWG_UNSUPPORTED, "%s: unknown flags 0x%llx of a section", source->path,
                         (unsigned long long)flags);
    swg_cursor cursor = {.at = body, .left = (size_t)length};
    for (size_t i = 0; i < N_SECTIONS; i++) {
        if (memcmp(sections[i].tag, tag, SWG_TAG_BYTES) != 0)
            continue;
        if (seen[i])
            return swg_error(SWG_CORRUPT, "%s: two sections %s", source->path, sections[i].tag);
        seen[i] = true;
        return sections[i].parse(source, &cursor);
    }
    return unknown_section(source, tag, flags, &cursor);
}

/* --- Exact coverage --------------------------------------------------------------------------- */

static int compare_frames(const void *a, const void *b)
{
    const swg_frame_record *left = *(const swg_frame_record *const *)a;
    const swg_frame_record *right = *(const swg_frame_record *const *)b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static void collect_frames(const swg_stream *stream, const swg_frame_record **all, size_t *count)
{
    for (uint32_t i = 0; i < stream->n_frames; i++)
        all[(*count)++] = &stream->frames[i];
}

/* Frames stand one behind the other, without gap or overlap, from superblock to directory. */
static swg_status check_coverage(swg_source *source)
{
    const container *c = source->state;
    size_t most = 0;
    const swg_frame_record **all = NULL;
    most = c->raw_directory_bytes / SWG_FRAME_RECORD_BYTES;
    SWG_TRY(SWG_NEW_UNINIT(all, most));
    size_t count = 0;
    for (size_t i = 0; i < source->n_tensors; i++) {
        const planes_detail *detail = source->tensors[i].detail;
        for (size_t p = 0; source->tensors[i].same_as == i && p < detail->n_planes; p++)
            collect_frames(&detail->planes[p], all, &count);
    }
    for (size_t i = 0; i < source->n_files; i++)
        collect_frames(source->files[i].detail, all, &count);
    qsort(all, count, sizeof *all, compare_frames);
    uint64_t end = SWG_SUPERBLOCK_BYTES;
    swg_status status = SWG_OK;
    for (size_t i = 0; i < count && status == SWG_OK; i++) {
        if (all[i]->offset != end)
            status = swg_error(SWG_CORRUPT, "%s: a frame starts at byte %llu, where %llu is due",
                               source->path, (unsigned long long)all[i]->offset,
                               (unsigned long long)end);
        end = all[i]->offset + all[i]->stored_bytes;
    }
    if (status == SWG_OK && end != c->directory_offset)
        status = swg_error(SWG_CORRUPT,
                           "%s: the frames end at byte %llu, the directory starts at "
                           "%llu",
                           source->path, (unsigned long long)end,
                           (unsigned long long)c->directory_offset);
    swg_free(all);
    return status;
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    container *c = swg_arena_calloc(&source->arena, 1, sizeof *c);
    if (!c)
        return SWG_NO_MEMORY;
    pthread_mutex_init(&c->mutex, NULL);
    source->state = c;
    SWG_TRY(swg_map_open(probe->path, &c->map));
    SWG_TRY(check_superblock(source));
    SWG_TRY(load_directory(source));
    swg_cursor directory = {.at = c->raw_directory, .left = c->raw_directory_bytes};
    bool seen[N_SECTIONS] = {false};
    while (directory.left > 0)
        SWG_TRY(parse_section(source, &directory, seen));
    for (size_t i = 0; i < 2; i++)
        if (!seen[i])
            return swg_error(SWG_CORRUPT, "%s: section %s is missing", source->path,
                             sections[i].tag);
    SWG_TRY(check_coverage(source));
    return swg_source_add_input(source, probe->path);
}

static void free_scratch(scratch *s)
{
    swg_frame_decoder_free(&s->decoder);
    swg_free(s->raw);
    swg_free(s);
}

static void close_source(swg_source *source)
{
    container *c = source->state;
    if (!c)
        return;
    while (c->free_scratch) {
        scratch *next = c->free_scratch->next;
        free_scratch(c->free_scratch);
        c->free_scratch = next;
    }
    pthread_mutex_destroy(&c->mutex);
    swg_free(c->raw_directory);
    swg_map_close(&c->map);
}

/* --- Reading frames --------------------------------------------------------------------------- */

/* A scratch for this thread, preferably one that still holds the frame. */
static swg_status borrow_scratch(container *c, uint64_t frame, scratch **out)
{
    scratch *found = NULL;
    pthread_mutex_lock(&c->mutex);
    scratch **at = &c->free_scratch;
    for (scratch **s = at; *s; s = &(*s)->next)
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

static void return_scratch(container *c, scratch *s)
{
    pthread_mutex_lock(&c->mutex);
    s->next = c->free_scratch;
    c->free_scratch = s;
    pthread_mutex_unlock(&c->mutex);
}

static swg_status decode(const container *c, swg_frame_decoder *decoder, const swg_stream *stream,
                         uint32_t index, uint8_t *out)
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
static swg_status decode_into_scratch(const container *c, scratch *s, const swg_stream *stream,
                                      uint32_t index)
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
static swg_status read_stream(container *c, const swg_stream *stream, uint64_t begin,
                              uint64_t bytes, uint8_t *out)
{
    if (bytes == 0)
        return SWG_OK;
    const uint64_t end = begin + bytes;
    scratch *s = NULL;
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

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor, size_t plane,
                            uint64_t row_begin, uint64_t n_rows, void *out)
{
    const planes_detail *detail = tensor->detail;
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&tensor->desc, planes);
    const uint64_t row_bytes = planes[plane].row_bytes;
    const swg_status status = read_stream(source->state, &detail->planes[plane],
                                          row_begin * row_bytes, n_rows * row_bytes, out);
    return status == SWG_OK
               ? SWG_OK
               : swg_error_context(status, "%s: tensor %s, %s", source->path, tensor->desc.name,
                                   swg_plane_name(planes[plane].kind));
}

static uint64_t rows_per_read(const swg_stored_tensor *tensor, size_t plane)
{
    const planes_detail *detail = tensor->detail;
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&tensor->desc, planes);
    if (planes[plane].bytes == 0)
        return 1;
    const uint64_t rows = detail->planes[plane].frame_bytes / planes[plane].row_bytes;
    const uint64_t at_least_one = rows ? rows : 1;
    return at_least_one < planes[plane].rows ? at_least_one : planes[plane].rows;
}

static uint64_t stored_bytes(const swg_stored_tensor *tensor)
{
    const planes_detail *detail = tensor->detail;
    uint64_t sum = 0;
    for (size_t p = 0; p < detail->n_planes; p++)
        for (uint32_t i = 0; i < detail->planes[p].n_frames; i++)
            sum += detail->planes[p].frames[i].stored_bytes;
    return sum;
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    const container *c = source->state;
    const planes_detail *detail = tensor->detail;
    /* A writer puts a plane's frames one behind the other, so this is one range a plane. */
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
    const container *c = source->state;
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
static swg_status verify_stream(container *c, const swg_stream *stream)
{
    scratch *s = NULL;
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

static swg_status verify_scales(swg_source *source, size_t tensor, size_t plane)
{
    const uint64_t step = swg_source_rows_per_read(source, tensor, plane);
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&source->tensors[tensor].desc, planes);
    uint8_t *rows;
    SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * planes[plane].row_bytes)));
    swg_status status = SWG_OK;
    for (uint64_t row = 0; row < planes[plane].rows && status == SWG_OK; row += step) {
        const uint64_t left = planes[plane].rows - row;
        status = swg_source_read(source, tensor, plane, row, step < left ? step : left, rows);
    }
    swg_free(rows);
    return status;
}

static swg_status verify_tensor(swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const planes_detail *detail = t->detail;
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&t->desc, planes);
    for (size_t p = 0; p < detail->n_planes; p++) {
        const swg_status status = verify_stream(source->state, &detail->planes[p]);
        if (status != SWG_OK)
            return swg_error_context(status, "%s", swg_plane_name(planes[p].kind));
        if (planes[p].kind == SWG_PLANE_SCALES)
            SWG_TRY(verify_scales(source, tensor, p));
    }
    release(source, t);
    return SWG_OK;
}

/* Items: the tensors, then the carried files. Damage is reported and does not stop the others. */
static swg_status verify_item(void *context, size_t index)
{
    verification *v = context;
    swg_source *source = v->source;
    container *c = source->state;
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
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .rows_per_read = rows_per_read,
    .stored_bytes = stored_bytes,
    .release = release,
    .load_file = load_file,
    .fingerprint = fingerprint,
    .verify = verify,
};
