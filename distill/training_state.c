/* Files that training reads back. See training_state.h. A magic number, the blocks, and the hash of
 * both. */
#include "distill/training_state.h"

#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

enum { MAGIC_BYTES = sizeof((swg_state_kind *)NULL)->magic };

const swg_state_kind swg_state_of_training = {.magic = {'s', 'w', 'g', 't', 'r', 'a', 'i', '2'},
                                              .what = "the state of a training"};

struct swg_state_writer {
    swg_file_writer *file;
    swg_hash_stream *hash;
};

struct swg_state_reader {
    char *path;
    swg_map map;
    size_t at, end; /* of the blocks that are left */
};

/* --- Writing ---------------------------------------------------------------------------------- */

swg_status swg_state_put(swg_state_writer *writer, const void *data, size_t bytes)
{
    swg_hash_stream_add(writer->hash, data, bytes);
    return swg_file_append(writer->file, data, bytes);
}

swg_status swg_state_put_text(swg_state_writer *writer, const char *text)
{
    const uint64_t length = strlen(text);
    SWG_TRY(swg_state_put(writer, &length, sizeof length));
    return swg_state_put(writer, text, (size_t)length);
}

swg_status swg_state_create(const char *path, const swg_state_kind *kind, swg_state_writer **out)
{
    swg_state_writer *writer = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(writer, 1));
    writer->hash = swg_hash_stream_new();
    SWG_GO(writer->hash ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_file_create(path, true, 0, &writer->file));
    SWG_GO(swg_state_put(writer, kind->magic, MAGIC_BYTES));
    *out = writer;
    writer = NULL;
done:
    swg_state_abort(&writer);
    return status;
}

swg_status swg_state_commit(swg_state_writer **writer)
{
    char hash[SWG_HASH128_TEXT];
    swg_hash_stream_text(&(*writer)->hash, hash);
    swg_status status = swg_file_append((*writer)->file, hash, sizeof hash);
    if (status == SWG_OK)
        status = swg_file_commit(&(*writer)->file);
    swg_state_abort(writer);
    return status;
}

void swg_state_abort(swg_state_writer **writer)
{
    if (!*writer)
        return;
    swg_file_abort(&(*writer)->file);
    swg_hash_stream_free(&(*writer)->hash);
    SWG_FREE(*writer);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status check(const swg_state_reader *reader, const swg_state_kind *kind)
{
    char hash[SWG_HASH128_TEXT];
    const swg_map *map = &reader->map;
    if (map->size < MAGIC_BYTES + sizeof hash || memcmp(map->data, kind->magic, MAGIC_BYTES) != 0)
        return swg_error(SWG_CORRUPT, "%s is not %s by this version", reader->path, kind->what);
    swg_hash128_text(map->data, map->size - sizeof hash, hash);
    return memcmp(map->data + map->size - sizeof hash, hash, sizeof hash) == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s does not match its hash", reader->path);
}

swg_status swg_state_open(const char *path, const swg_state_kind *kind, swg_state_reader **out)
{
    swg_state_reader *reader = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(reader, 1));
    reader->path = swg_strdup(path);
    SWG_GO(reader->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_map_open(path, &reader->map));
    SWG_GO(check(reader, kind));
    reader->at = MAGIC_BYTES;
    reader->end = reader->map.size - SWG_HASH128_TEXT;
    *out = reader;
    reader = NULL;
done:
    swg_state_close(&reader);
    return status;
}

void swg_state_close(swg_state_reader **reader)
{
    if (!*reader)
        return;
    swg_map_close(&(*reader)->map);
    swg_free((*reader)->path);
    SWG_FREE(*reader);
}

swg_status swg_state_get(swg_state_reader *reader, void *data, size_t bytes)
{
    if (bytes > reader->end - reader->at)
        return swg_error(SWG_CORRUPT, "%s has %zu bytes where %zu are needed", reader->path,
                         reader->end - reader->at, bytes);
    if (bytes)
        memcpy(data, reader->map.data + reader->at, bytes);
    reader->at += bytes;
    return SWG_OK;
}

const void *swg_state_rest(swg_state_reader *reader, size_t *bytes)
{
    const void *rest = reader->map.data + reader->at;
    *bytes = reader->end - reader->at;
    reader->at = reader->end;
    return rest;
}

swg_status swg_state_expect_text(swg_state_reader *reader, const char *text, const char *what)
{
    uint64_t length = 0;
    SWG_TRY(swg_state_get(reader, &length, sizeof length));
    if (length > reader->end - reader->at)
        return swg_error(SWG_CORRUPT, "%s has %zu bytes where %llu are needed", reader->path,
                         reader->end - reader->at, (unsigned long long)length);
    const char *saved = (const char *)reader->map.data + reader->at;
    if (length != strlen(text) || memcmp(saved, text, (size_t)length) != 0)
        return swg_error(SWG_USAGE, "%s was saved with other %s:\n%.*s\nnot\n%s", reader->path,
                         what, (int)(length < 4096 ? length : 4096), saved, text);
    reader->at += (size_t)length;
    return SWG_OK;
}
