/* The superblock and the directory of a .swg: checked whole on opening (every offset, size, count,
 * and that the frames tile the file exactly). docs/container.md is the specification. */
#include "formats/swg/swg_directory.h"

#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/json/json.h"
#include "formats/swg/frame.h"
#include "runtime/base/hash.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/utf8.h"
#include "runtime/base/weight_format.h"

/* --- Superblock and directory ----------------------------------------------------------------- */

static swg_status check_superblock(swg_source *source)
{
    swg_container *c = source->state;
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
    if (required & ~(uint64_t)SWG_KNOWN_FEATURES)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: needs features 0x%llx, which this program does not know; a later "
                         "version may",
                         source->path,
                         (unsigned long long)(required & ~(uint64_t)SWG_KNOWN_FEATURES));
    if (swg_get_le(block + SWG_SUPERBLOCK_ZERO, 4) != 0)
        return swg_error(SWG_CORRUPT, "%s: reserved bytes of the superblock are not zero",
                         source->path);
    if (file_bytes != c->map.size)
        return swg_error(SWG_CORRUPT, "%s: the superblock says %llu bytes, the file has %zu",
                         source->path, (unsigned long long)file_bytes, c->map.size);
    c->features = (uint32_t)required;
    source->optional_features = (uint32_t)swg_get_le(block + SWG_SUPERBLOCK_OPTIONAL, 4);
    return SWG_OK;
}

static swg_status load_directory(swg_source *source)
{
    swg_container *c = source->state;
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

/* A stream's bytes, elem_bytes and symbol_bits are known; its frames follow. */
static swg_status parse_stream(swg_source *source, swg_cursor *cursor, const char *what,
                               swg_stream *stream)
{
    const swg_container *c = source->state;
    stream->frame_bytes = (uint32_t)swg_cursor_number(cursor, 4);
    const uint64_t n_frames = swg_cursor_number(cursor, 4);
    if (cursor->is_short || n_frames > cursor->left / SWG_FRAME_RECORD_BYTES)
        return is_short(source, what);
    const uint64_t each = stream->frame_bytes;
    const uint64_t expected = each ? stream->bytes / each + (stream->bytes % each != 0) : 0;
    if (n_frames != expected || (stream->bytes > 0) != (n_frames > 0) ||
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
        if (frame->codec == SWG_CODEC_RANS && !(c->features & SWG_FEATURE_RANS))
            return swg_error(SWG_CORRUPT,
                             "%s: frame %u of %s has codec %u without its feature, 0x%x",
                             source->path, i, what, frame->codec, SWG_FEATURE_RANS);
        const swg_status status =
            swg_frame_check(swg_stream_frame_shape(stream, i), frame->codec, frame->stored_bytes);
        if (status != SWG_OK)
            return swg_error_context(status, "%s: frame %u of %s", source->path, i, what);
    }
    return SWG_OK;
}

/* The description of a tensor's planes: it says how many elements are stored, and must otherwise be
 * what scheme and shape mean. */
static swg_status parse_description(swg_source *source, swg_cursor *cursor,
                                    swg_stored_tensor *tensor)
{
    swg_plane stored[SWG_PLANE_KINDS] = {0};
    const size_t count = (size_t)swg_cursor_number(cursor, 1);
    bool is_right = count == tensor->n_planes;
    for (size_t p = 0; p < count && is_right; p++) {
        stored[p].kind = (swg_plane_kind)swg_cursor_number(cursor, 1);
        stored[p].elem_bytes = (uint32_t)swg_cursor_number(cursor, 1);
        stored[p].symbol_bits = (uint32_t)swg_cursor_number(cursor, 1);
        is_right = swg_cursor_number(cursor, 1) == 0;
        stored[p].rows = swg_cursor_number(cursor, 8);
        stored[p].row_bytes = swg_cursor_number(cursor, 8);
    }
    if (cursor->is_short)
        return is_short(source, SWG_TAG_TENSORS);
    const swg_weight_format *const format = swg_weight_format_of(tensor->desc.scheme);
    const swg_plane_kind elements =
        swg_scheme_is_quantized(tensor->desc.scheme) ? SWG_PLANE_CODES : SWG_PLANE_VALUES;
    const swg_plane *const plane = swg_plane_find(stored, is_right ? count : 0, elements);
    if (plane && format->is_counted) {
        if (!swg_u64_mul(plane->rows, format->stored_per_row(tensor->desc.scheme),
                         &tensor->desc.n_stored))
            return swg_error(SWG_CORRUPT, "%s: tensor %s stores %llu rows of %s", source->path,
                             tensor->desc.name, (unsigned long long)plane->rows,
                             swg_plane_name(elements));
        SWG_TRY(swg_source_set_planes(source, tensor));
    }
    for (size_t p = 0; p < count && is_right; p++) {
        const swg_plane *const meant = &tensor->planes[p];
        is_right = stored[p].kind == meant->kind && stored[p].elem_bytes == meant->elem_bytes &&
                   stored[p].symbol_bits == meant->symbol_bits && stored[p].rows == meant->rows &&
                   stored[p].row_bytes == meant->row_bytes;
    }
    return is_right ? SWG_OK
                    : swg_error(SWG_CORRUPT,
                                "%s: the planes of tensor %s are not those of its scheme and shape",
                                source->path, tensor->desc.name);
}

static swg_status parse_planes(swg_source *source, swg_cursor *cursor, swg_stored_tensor *tensor)
{
    swg_planes_detail *detail = swg_arena_calloc(&source->arena, 1, sizeof *detail);
    if (!detail)
        return SWG_NO_MEMORY;
    const swg_container *c = source->state;
    if (c->features & SWG_FEATURE_DESCRIBED_PLANES)
        SWG_TRY(parse_description(source, cursor, tensor));
    else if (swg_weight_format_of(tensor->desc.scheme)->is_counted)
        return swg_error(SWG_CORRUPT, "%s: the planes of tensor %s are not described", source->path,
                         tensor->desc.name);
    detail->n_planes = tensor->n_planes;
    for (size_t p = 0; p < detail->n_planes; p++) {
        const swg_plane *const plane = &tensor->planes[p];
        detail->planes[p] = (swg_stream){.bytes = plane->bytes,
                                         .elem_bytes = plane->elem_bytes,
                                         .symbol_bits = plane->symbol_bits};
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
    tensor->desc.n_stored = owner->desc.n_stored;
    tensor->planes = owner->planes;
    tensor->n_planes = owner->n_planes;
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
            !swg_name_is_printable((const char *)text, length))
            return swg_error(SWG_CORRUPT,
                             "%s: carried file %zu has a name that is not the name of a file",
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
    bool is_required;
} sections[] = {
    {SWG_TAG_CONFIG, parse_config, true},          {SWG_TAG_TENSORS, parse_tensors, true},
    {SWG_TAG_FILES, parse_files, false},           {SWG_TAG_METADATA, parse_metadata, false},
    {SWG_TAG_PROVENANCE, parse_provenance, false},
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

/* Frames follow each other without gap or overlap, from superblock to directory. */
static swg_status check_coverage(swg_source *source)
{
    const swg_container *c = source->state;
    const swg_frame_record **all = NULL;
    const size_t most = c->raw_directory_bytes / SWG_FRAME_RECORD_BYTES;
    SWG_TRY(SWG_NEW_UNINIT(all, most));
    size_t count = 0;
    for (size_t i = 0; i < source->n_tensors; i++) {
        const swg_planes_detail *detail = source->tensors[i].detail;
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
            status = swg_error(SWG_CORRUPT, "%s: a frame starts at byte %llu; expected %llu",
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

swg_status swg_directory_read(swg_source *source)
{
    SWG_TRY(check_superblock(source));
    SWG_TRY(load_directory(source));
    const swg_container *c = source->state;
    swg_cursor directory = {.at = c->raw_directory, .left = c->raw_directory_bytes};
    bool seen[N_SECTIONS] = {false};
    while (directory.left > 0)
        SWG_TRY(parse_section(source, &directory, seen));
    for (size_t i = 0; i < N_SECTIONS; i++)
        if (sections[i].is_required && !seen[i])
            return swg_error(SWG_CORRUPT, "%s: section %s is missing", source->path,
                             sections[i].tag);
    return check_coverage(source);
}
