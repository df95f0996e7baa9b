/* Reading the index of a sharded checkpoint (model.safetensors.index.json and its like): a JSON
 * object whose "weight_map" names a file for each tensor. */
#include "formats/huggingface/shard_index.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/folder.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/utf8.h"

static const size_t max_index_bytes = (size_t)100 << 20;

bool swg_folder_has(const char *folder, const char *name)
{
    /* A longer path cannot be opened. No allocation: asking whose a file is cannot fail. */
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX && swg_path_is_listed(path);
}

static int compare_placements(const void *a, const void *b)
{
    const swg_placement *left = a, *right = b;
    const int by_file = strcmp(left->file, right->file);
    return by_file ? by_file : strcmp(left->tensor, right->tensor);
}

/* Only names beside the index: no path may lead elsewhere. */
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && swg_name_is_printable(name, strlen(name));
}

static swg_status read_placements(const char *path, const swg_json *map, swg_placement *out)
{
    size_t i = 0;
    for (const swg_json *item = swg_json_first(map); item; item = swg_json_next(item)) {
        swg_placement *place = &out[i++];
        place->tensor = swg_json_key(item);
        if (!swg_json_as_string(item, &place->file))
            return swg_error(SWG_CORRUPT, "%s: the shard of tensor %.200s is not a string", path,
                             place->tensor);
        if (!is_plain_name(place->file))
            return swg_error(SWG_CORRUPT,
                             "%s: the shard of tensor %.200s is \"%.200s\", which is not the name "
                             "of a file beside the index",
                             path, place->tensor, place->file);
    }
    qsort(out, i, sizeof *out, compare_placements);
    return SWG_OK;
}

/* The tensors that a shard added are exactly those that the index puts there. */
static swg_status check_shard(const swg_source *source, const char *path, size_t first_tensor,
                              const swg_placement *places, size_t count)
{
    const size_t n_found = source->n_tensors - first_tensor;
    for (size_t i = first_tensor; i < source->n_tensors; i++) {
        const swg_placement wanted = {.tensor = source->tensors[i].desc.name,
                                      .file = places[0].file};
        if (!bsearch(&wanted, places, count, sizeof *places, compare_placements))
            return swg_error(SWG_CORRUPT,
                             "%s: shard %.200s holds tensor %s, which the index does "
                             "not place there",
                             path, wanted.file, wanted.tensor);
    }
    if (n_found != count)
        return swg_error(SWG_CORRUPT,
                         "%s: shard %.200s holds %zu of the %zu tensors that the "
                         "index places there",
                         path, places[0].file, n_found, count);
    return SWG_OK;
}

static swg_status read_shard(swg_source *source, const char *index_path, const char *folder,
                             const swg_placement *places, size_t count, swg_shard_reader *read)
{
    const size_t first_tensor = source->n_tensors;
    char *path = swg_path_join(folder, places[0].file);
    if (!path)
        return SWG_NO_MEMORY;
    swg_status status = SWG_OK;
    SWG_GO(read(source, path));
    SWG_GO(check_shard(source, index_path, first_tensor, places, count));
done:
    swg_free(path);
    return status;
}

static swg_status read_shards(swg_source *source, const char *index_path, const swg_json *map,
                              swg_status (*prepare)(swg_source *source, size_t n_shards),
                              swg_shard_reader *read)
{
    const size_t count = swg_json_count(map);
    char *folder = NULL;
    swg_placement *places;
    SWG_TRY(SWG_NEW(places, count));
    swg_status status = SWG_OK;
    folder = swg_path_dirname(index_path);
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(read_placements(index_path, map, places));
    size_t n_files = 0;
    for (size_t i = 0; i < count; i++)
        n_files += i == 0 || strcmp(places[i].file, places[i - 1].file) != 0;
    SWG_GO(prepare(source, n_files));
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = begin + 1;
        while (end < count && strcmp(places[end].file, places[begin].file) == 0)
            end++;
        SWG_GO(read_shard(source, index_path, folder, places + begin, end - begin, read));
    }
done:
    swg_free(folder);
    swg_free(places);
    return status;
}

swg_status swg_shard_index_read(swg_source *source, const char *path,
                                swg_status (*prepare)(swg_source *source, size_t n_shards),
                                swg_shard_reader *read)
{
    swg_status status = SWG_OK;
    char *text = NULL;
    size_t length = 0;
    swg_json_doc *doc = NULL;
    if (source->memory.data)
        return swg_error(SWG_UNSUPPORTED, "%s lists other files, which are not in memory", path);
    SWG_GO(swg_file_read(path, (size_t)swg_header_limit(max_index_bytes), &text, &length));
    SWG_GO(swg_json_parse(text, length, path, &doc));
    const swg_json *map = swg_json_get(swg_json_root(doc), "weight_map");
    if (!map || swg_json_kind_of(map) != SWG_JSON_OBJECT)
        SWG_GO(swg_error(SWG_CORRUPT, "%s has no weight_map", path));
    SWG_GO(read_shards(source, path, map, prepare, read));
    SWG_GO(swg_source_add_input(source, path));
done:
    swg_json_free(&doc);
    swg_free(text);
    return status;
}
