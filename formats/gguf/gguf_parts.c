/* Opening a GGUF of one file or several. Source of the keys: llama.cpp's gguf-split. */
#include "formats/gguf/gguf_parts.h"

#include <stdio.h>
#include <string.h>

enum { MOST_PARTS = 4096, ENDING_BYTES = 32 };

/* What a file says of its place among several; one file alone is the first of one. */
typedef struct split {
    int64_t number, count;
} split;

static split split_of(const swg_gguf_header *header)
{
    split s = {.number = 0, .count = 1};
    swg_gguf_as_int(swg_gguf_find(header, "split.no"), &s.number);
    swg_gguf_as_int(swg_gguf_find(header, "split.count"), &s.count);
    s.count = s.count < 1 ? 1 : s.count;
    return s;
}

static swg_status open_one(swg_source *source, const char *path, swg_map *map,
                           swg_gguf_header *header)
{
    SWG_TRY(swg_source_map(source, path, map));
    SWG_TRY(swg_gguf_parse(path, map->data, map->size, &source->arena, header));
    for (size_t i = 0; i < header->n_tensors; i++)
        header->tensors[i].map = map;
    return swg_source_add_input(source, path);
}

/* The ending of part `number`, from 0. */
static void put_ending(int64_t number, int64_t count, char out[ENDING_BYTES])
{
    snprintf(out, ENDING_BYTES, "-%05d-of-%05d.gguf", (int)number + 1, (int)count);
}

/* The path of another part than the one of that path and split. */
static swg_status part_path(const char *path, split own, int64_t number, char **out)
{
    char ending[ENDING_BYTES], wanted[ENDING_BYTES];
    const size_t length = strlen(path);
    put_ending(own.number, own.count, ending);
    put_ending(number, own.count, wanted);
    const size_t n = strlen(ending);
    if (length <= n || strcmp(path + length - n, ending) != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s is file %d of the %d of a split GGUF, but its name does not end with "
                         "%s, by which the others are found",
                         path, (int)own.number + 1, (int)own.count, ending);
    *out = swg_strdup(path);
    if (!*out)
        return SWG_NO_MEMORY;
    memcpy(*out + length - n, wanted, n); /* both have two numbers of five digits */
    return SWG_OK;
}

static swg_status open_other(swg_source *source, const char *path, split own, int64_t number,
                             swg_map *map, swg_gguf_header *header)
{
    char *other = NULL;
    swg_status status = SWG_OK;
    SWG_GO(part_path(path, own, number, &other));
    SWG_GO(open_one(source, other, map, header));
    const split s = split_of(header);
    if (s.number != number || s.count != own.count)
        SWG_GO(swg_error(SWG_CORRUPT, "%s says that it is file %lld of %lld; expected %d of %d",
                         other, (long long)s.number + 1, (long long)s.count, (int)number + 1,
                         (int)own.count));
done:
    swg_free(other);
    return status;
}

/* The tensors of all parts in one header, which has the values of the first. */
static swg_status join(swg_source *source, const swg_gguf_header *headers, swg_gguf_parts *out)
{
    size_t n = 0;
    for (size_t p = 0; p < out->n; p++)
        n += headers[p].n_tensors;
    int64_t promised = (int64_t)n;
    swg_gguf_as_int(swg_gguf_find(&headers[0], "split.tensors.count"), &promised);
    if (promised != (int64_t)n)
        return swg_error(SWG_CORRUPT, "%s: the %zu files hold %zu tensors, %lld were promised",
                         source->path, out->n, n, (long long)promised);
    out->header = headers[0];
    out->header.tensors = swg_arena_calloc(&source->arena, n, sizeof *out->header.tensors);
    if (!out->header.tensors)
        return SWG_NO_MEMORY;
    out->header.n_tensors = 0;
    for (size_t p = 0; p < out->n; p++)
        for (size_t i = 0; i < headers[p].n_tensors; i++)
            out->header.tensors[out->header.n_tensors++] = headers[p].tensors[i];
    return SWG_OK;
}

swg_status swg_gguf_parts_open(swg_source *source, const char *path, swg_gguf_parts *out)
{
    swg_map first = {0};
    swg_gguf_header header;
    swg_status status = SWG_OK;
    swg_gguf_header *headers = NULL;
    SWG_TRY(swg_source_map(source, path, &first));
    SWG_GO(swg_gguf_parse(path, first.data, first.size, &source->arena, &header));
    const split own = split_of(&header);
    if (own.count > MOST_PARTS || own.number < 0 || own.number >= own.count)
        SWG_GO(swg_error(SWG_CORRUPT, "%s says that it is file %lld of %lld", path,
                         (long long)own.number + 1, (long long)own.count));
    if (own.count > 1 && source->memory.data)
        SWG_GO(swg_error(SWG_UNSUPPORTED, "%s is one of the %lld files of a split GGUF", path,
                         (long long)own.count));
    out->maps = swg_arena_calloc(&source->arena, (size_t)own.count, sizeof *out->maps);
    headers = swg_arena_calloc(&source->arena, (size_t)own.count, sizeof *headers);
    SWG_GO(out->maps && headers ? SWG_OK : SWG_NO_MEMORY);
    out->n = (size_t)own.count;
    for (int64_t i = 0; i < own.count; i++)
        if (i != own.number)
            SWG_GO(open_other(source, path, own, i, &out->maps[i], &headers[i]));
    out->maps[own.number] = first;
    first = (swg_map){0};
    headers[own.number] = header;
    for (size_t i = 0; i < header.n_tensors; i++)
        header.tensors[i].map = &out->maps[own.number];
    SWG_GO(join(source, headers, out));
    status = swg_source_add_input(source, path);
done:
    swg_map_close(&first);
    return status;
}

void swg_gguf_parts_close(swg_gguf_parts *parts)
{
    for (size_t i = 0; parts->maps && i < parts->n; i++)
        swg_map_close(&parts->maps[i]);
}
