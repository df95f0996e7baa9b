/* Opening an HDF5 file: one walk over all its objects, which finds the datasets and that the file
 * is made of hard links, known types and storage that is really there. Done without libhdf5:
 * version 1.10, which Debian 12 ships, reads and writes beyond its buffers on crafted headers,
 * trees and heaps. */
#include <stdlib.h>
#include <string.h>

#include "formats/hdf5/format/address_set.h"
#include "formats/hdf5/format/hdf5_attribute.h"
#include "formats/hdf5/format/hdf5_group.h"
#include "formats/hdf5/format/hdf5_header.h"
#include "formats/hdf5/format/hdf5_index.h"
#include "formats/hdf5/format/hdf5_read.h"
#include "runtime/base/utf8.h"

enum {
    MAX_DEPTH = 64,
    MAX_PATH_BYTES = 4096,
    SPARE_PATH_BYTES = 1 << 20,
    WALKS_FOR_QUESTIONS = 32,
    SPARE_FOR_QUESTIONS = 64 << 20
};

/* A group or a dataset. */
typedef struct object {
    const char *path;
    uint64_t address;
    swg_h5_entry *entry; /* NULL for a group */
    bool is_twin;        /* a dataset that was found under another name before */
} object;

struct swg_h5_file {
    const char *path;
    const swg_map *map;
    swg_arena arena;
    object *objects; /* in the order of their paths */
    size_t n_objects, object_capacity;
    const swg_h5_entry **entries; /* the datasets among them */
    size_t n_entries;
    /* During the walk. */
    swg_h5_walk walk;
    swg_h5_addresses groups, datasets;
    char name[MAX_PATH_BYTES]; /* the path of the object */
    size_t name_length;
    uint64_t path_bytes; /* of all paths: a crafted file could make many long ones of few bytes */
    /* Work budget shared by all attribute look-ups: otherwise a thousand links to one object would
     * pay for the same walk a thousand times. */
    swg_h5_walk questions;
    unsigned depth;
};

/* --- One object ------------------------------------------------------------------------------- */

/* What the messages of a header say. */
typedef struct description {
    swg_h5_walk *walk;
    uint64_t address;
    bool has_extent, has_type, has_place, is_external;
    swg_h5_extent extent;
    swg_h5_type type;
    swg_h5_place place;
    swg_h5_group group;
    swg_h5_storage storage;
} description;

static bool take_message(description *d, const swg_h5_message *message)
{
    switch (message->type) {
    case SWG_H5_EXTENT:
        d->has_extent = true;
        return swg_h5_parse_extent(message->body, &d->extent);
    case SWG_H5_TYPE:
        d->has_type = true;
        return swg_h5_parse_type(message->body, &d->type);
    case SWG_H5_LAYOUT:
        d->has_place = true;
        return swg_h5_parse_place(message->body, &d->place);
    case SWG_H5_FILTERS:
        return d->storage.n_filters == 0 && swg_h5_parse_filters(message->body, &d->storage);
    case SWG_H5_EXTERNAL:
        d->is_external = true;
        return true;
    default:
        return swg_h5_group_add(&d->group, message->type, message->body);
    }
}

static swg_status visit_message(void *context, const swg_h5_message *message)
{
    description *const d = context;
    const bool is_used = message->type <= SWG_H5_FILTERS || message->type == SWG_H5_SYMBOL_TABLE;
    if (message->is_shared && is_used)
        return swg_h5_unsupported(d->walk, "shares a named type with other objects, which is not "
                                           "read");
    return take_message(d, message)
               ? SWG_OK
               : swg_error(SWG_CORRUPT,
                           "%s: %.300s has a damaged header, or one of a kind "
                           "that is not read",
                           d->walk->path, *d->walk->object ? d->walk->object : "the root group");
}

/* --- Datasets --------------------------------------------------------------------------------- */

static swg_status size_mismatch(const swg_h5_walk *walk, uint64_t declared, uint64_t stored)
{
    return swg_error(SWG_CORRUPT, "%s: %.300s declares %llu bytes, the file holds %llu of them",
                     walk->path, walk->object, (unsigned long long)declared,
                     (unsigned long long)stored);
}

/* Elements in one piece. */
static swg_status find_bytes(const description *d, uint64_t bytes, swg_h5_storage *storage,
                             swg_h5_entry *entry)
{
    const swg_h5_place *const place = &d->place;
    if (place->layout == SWG_H5_COMPACT) { /* counted with the header */
        storage->bytes = place->compact;
        entry->stored_bytes = place->bytes;
        return place->bytes == bytes ? SWG_OK : size_mismatch(d->walk, bytes, place->bytes);
    }
    if (place->address == SWG_H5_NOWHERE || place->bytes < bytes)
        return size_mismatch(d->walk, bytes, place->address == SWG_H5_NOWHERE ? 0 : place->bytes);
    storage->bytes = swg_h5_peek(d->walk, place->address, place->bytes);
    if (!storage->bytes) {
        const uint64_t end = d->walk->map->size;
        return size_mismatch(d->walk, bytes, place->address < end ? end - place->address : 0);
    }
    entry->stored_bytes = place->bytes;
    return swg_h5_count(d->walk, "data", place->address, place->bytes);
}

static swg_status check_kind(const description *d)
{
    if (d->place.layout == SWG_H5_VIRTUAL)
        return swg_h5_unsupported(d->walk, "is a virtual dataset, which is not read");
    if (d->is_external)
        return swg_h5_unsupported(d->walk, "is stored in another file, which is not read");
    if (d->storage.foreign_filter)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %.300s is stored through filter %d; only deflate, shuffle and "
                         "fletcher32 are read",
                         d->walk->path, d->walk->object, d->storage.foreign_filter);
    return SWG_OK;
}

/* Where a dataset of numbers is. Others may not be read, and are looked at no further. */
static swg_status find_storage(swg_arena *arena, description *d, swg_h5_entry *entry)
{
    SWG_TRY(check_kind(d));
    if (!entry->is_numeric || entry->rank > SWG_MAX_RANK)
        return SWG_OK;
    uint64_t bytes = d->type.bytes;
    for (uint32_t i = 0; i < entry->rank; i++)
        if (!swg_u64_mul(bytes, entry->shape[i], &bytes))
            return swg_error(SWG_CORRUPT, "%s: %.300s declares more than 2^64 bytes", d->walk->path,
                             d->walk->object);
    swg_h5_storage *const storage = swg_arena_calloc(arena, 1, sizeof *storage);
    if (!storage)
        return SWG_NO_MEMORY;
    *storage = d->storage;
    storage->elem_bytes = d->type.bytes;
    storage->is_big_endian = d->type.is_big_endian;
    storage->is_chunked = d->place.layout == SWG_H5_CHUNKED;
    entry->storage = storage;
    if (bytes == 0)
        return SWG_OK;
    if (!storage->is_chunked)
        return find_bytes(d, bytes, storage, entry);
    SWG_TRY(
        swg_h5_load_chunks(d->walk, &d->place, &d->extent, arena, storage, &entry->stored_bytes));
    entry->rows_per_chunk = 1;
    for (uint32_t i = 0; i + 1 < entry->rank; i++)
        entry->rows_per_chunk *=
            storage->chunk[i] < entry->shape[i] ? storage->chunk[i] : entry->shape[i];
    return SWG_OK;
}

static swg_status describe_dataset(swg_h5_file *file, description *d, swg_h5_entry *entry)
{
    if (d->extent.is_null)
        return swg_h5_unsupported(&file->walk, "has no extent");
    entry->is_numeric = d->type.is_numeric;
    entry->dtype = d->type.dtype;
    entry->rank = d->extent.rank;
    for (uint32_t i = 0; i < entry->rank && entry->rank <= SWG_MAX_RANK; i++)
        entry->shape[i] = d->extent.size[i];
    return find_storage(&file->arena, d, entry);
}

/* --- The walk --------------------------------------------------------------------------------- */

static swg_status visit_object(swg_h5_file *file, uint64_t address);

static swg_status refuse(const swg_h5_file *file, swg_status status, const char *reason)
{
    return swg_error(status, "%s: %.300s %s", file->path, file->name, reason);
}

static swg_status visit_link(void *context, const swg_h5_link *link)
{
    swg_h5_file *const file = context;
    const size_t before = file->name_length, length = link->name_length;
    if (length == 0 || !swg_name_is_printable(link->name, length))
        return swg_error(SWG_CORRUPT, "%s: a name in %.300s is not printable text", file->path,
                         before ? file->name : "the root group");
    if (length + 2 > MAX_PATH_BYTES - before || memchr(link->name, '/', length))
        return refuse(file, SWG_CORRUPT, "holds names that are too long, or with a slash");
    if (before)
        file->name[file->name_length++] = '/';
    memcpy(file->name + file->name_length, link->name, length);
    file->name_length += length;
    file->name[file->name_length] = '\0';
    if (link->kind == SWG_H5_HARD_LINK)
        SWG_TRY(visit_object(file, link->address));
    else
        return refuse(file, SWG_UNSUPPORTED,
                      link->kind == SWG_H5_SOFT_LINK ? "is a soft link, which is not followed"
                      : link->kind == SWG_H5_OTHER_FILE
                          ? "is a link into another file, which is not followed"
                          : "is a link of an unknown kind");
    file->name_length = before;
    file->name[before] = '\0';
    return SWG_OK;
}

/* Keep the object that is being walked. */
static swg_status add_object(swg_h5_file *file, uint64_t address, object **out)
{
    file->path_bytes += file->name_length;
    if (file->path_bytes > file->map->size + SPARE_PATH_BYTES)
        return refuse(file, SWG_CORRUPT, "and those before it have longer names than fit the file");
    SWG_TRY(swg_reserve((void **)&file->objects, &file->object_capacity, file->n_objects + 1,
                        sizeof *file->objects));
    const char *const path = swg_arena_strndup(&file->arena, file->name, file->name_length);
    if (!path)
        return SWG_NO_MEMORY;
    *out = &file->objects[file->n_objects++];
    **out = (object){.path = path, .address = address};
    return SWG_OK;
}

static swg_status visit_group(swg_h5_file *file, const description *d)
{
    bool is_new;
    object *group;
    SWG_TRY(swg_h5_addresses_add(&file->groups, d->address, &is_new));
    if (!is_new)
        return refuse(file, SWG_CORRUPT, "leads to a group that was reached before");
    if (file->depth == MAX_DEPTH)
        return refuse(file, SWG_CORRUPT, "lies too deep");
    SWG_TRY(add_object(file, d->address, &group));
    file->depth++;
    SWG_TRY(swg_h5_walk_links(&file->walk, &d->group, d->address, visit_link, file));
    file->depth--;
    return SWG_OK;
}

static swg_status add_entry(swg_h5_file *file, uint64_t address, object **out)
{
    SWG_TRY(add_object(file, address, out));
    swg_h5_entry *const entry = swg_arena_calloc(&file->arena, 1, sizeof *entry);
    if (!entry)
        return SWG_NO_MEMORY;
    entry->path = (*out)->path;
    entry->address = address;
    (*out)->entry = entry;
    file->n_entries++;
    return SWG_OK;
}

static swg_status visit_object(swg_h5_file *file, uint64_t address)
{
    object *added;
    bool is_new;
    if (swg_h5_addresses_has(&file->datasets, address)) {
        SWG_TRY(add_entry(file, address, &added));
        added->is_twin = true;
        return SWG_OK;
    }
    if (swg_h5_addresses_has(&file->groups, address))
        return refuse(file, SWG_CORRUPT, "leads to a group that was reached before");
    description d = {.walk = &file->walk, .address = address};
    SWG_TRY(swg_h5_walk_header(&file->walk, address, visit_message, &d));
    if (d.group.has_table || d.group.has_info)
        return visit_group(file, &d);
    if (!d.has_extent || !d.has_type || !d.has_place)
        return refuse(file, SWG_UNSUPPORTED, "is neither a dataset nor a group");
    SWG_TRY(swg_h5_addresses_add(&file->datasets, address, &is_new));
    SWG_TRY(add_entry(file, address, &added));
    return describe_dataset(file, &d, added->entry);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
    const object *const left = a, *const right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return left->is_twin - right->is_twin;
}

static int compare_paths(const void *a, const void *b)
{
    const object *const left = a, *const right = b;
    return strcmp(left->path, right->path);
}

/* Tell twins what the first of them is, and put everything in order. */
static swg_status arrange(swg_h5_file *file)
{
    qsort(file->objects, file->n_objects, sizeof *file->objects, compare_addresses);
    for (size_t i = 1; i < file->n_objects; i++)
        if (file->objects[i].is_twin) {
            const char *const path = file->objects[i].path;
            *file->objects[i].entry = *file->objects[i - 1].entry;
            file->objects[i].entry->path = path;
        }
    qsort(file->objects, file->n_objects, sizeof *file->objects, compare_paths);
    for (size_t i = 1; i < file->n_objects; i++)
        if (compare_paths(&file->objects[i - 1], &file->objects[i]) == 0)
            return swg_error(SWG_CORRUPT, "%s: the name %.300s is there twice", file->path,
                             file->objects[i].path);
    file->entries = swg_arena_calloc(&file->arena, file->n_entries, sizeof *file->entries);
    if (!file->entries)
        return SWG_NO_MEMORY;
    for (size_t i = 0, n = 0; i < file->n_objects; i++)
        if (file->objects[i].entry)
            file->entries[n++] = file->objects[i].entry;
    return SWG_OK;
}

static swg_status walk_file(swg_h5_file *file)
{
    uint64_t root;
    file->walk = (swg_h5_walk){
        .map = file->map, .path = file->path, .object = file->name, .left = file->map->size};
    file->questions = (swg_h5_walk){.map = file->map, .path = file->path};
    file->questions.left = (uint64_t)WALKS_FOR_QUESTIONS * file->map->size + SPARE_FOR_QUESTIONS;
    SWG_TRY(swg_h5_find_root(&file->walk, &root));
    SWG_TRY(visit_object(file, root));
    if (file->n_objects == 0 || file->objects[0].entry)
        return swg_error(SWG_CORRUPT, "%s: the root of the file is not a group", file->path);
    return arrange(file);
}

swg_status swg_h5_open(const char *path, const swg_map *map, swg_h5_file **out)
{
    swg_status status = SWG_OK;
    swg_h5_file *file = NULL;
    SWG_GO(SWG_NEW(file, 1));
    file->map = map;
    file->path = swg_arena_strndup(&file->arena, path, strlen(path));
    SWG_GO(file->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(walk_file(file));
    *out = file;
    file = NULL;
done:
    swg_h5_close(&file);
    return status;
}

void swg_h5_close(swg_h5_file **file)
{
    swg_h5_file *const f = *file;
    if (!f)
        return;
    swg_free(f->objects);
    swg_free(f->groups.slots);
    swg_free(f->datasets.slots);
    swg_arena_deinit(&f->arena);
    SWG_FREE(*file);
}

/* --- Asking ----------------------------------------------------------------------------------- */

const char *swg_h5_path(const swg_h5_file *file)
{
    return file->path;
}

const swg_map *swg_h5_map(const swg_h5_file *file)
{
    return file->map;
}

size_t swg_h5_n_entries(const swg_h5_file *file)
{
    return file->n_entries;
}

const swg_h5_entry *swg_h5_entry_at(const swg_h5_file *file, size_t index)
{
    return file->entries[index];
}

static const object *find_object(const swg_h5_file *file, const char *path)
{
    const object key = {.path = path};
    return bsearch(&key, file->objects, file->n_objects, sizeof *file->objects, compare_paths);
}

const swg_h5_entry *swg_h5_find(const swg_h5_file *file, const char *path)
{
    const object *const found = find_object(file, path);
    return found ? found->entry : NULL;
}

/* An attribute of an object; *is_found tells whether both are there. */
static swg_status find_attribute(swg_h5_file *file, const char *path, const char *name,
                                 swg_h5_attribute *out, bool *is_found)
{
    const object *const found = find_object(file, path);
    *is_found = false;
    file->questions.object = path;
    file->questions.header_bytes = 0; /* counted when the file was opened */
    return found ? swg_h5_find_attribute(&file->questions, found->address, name, out, is_found)
                 : SWG_OK;
}

bool swg_h5_has_attribute(swg_h5_file *file, const char *path, const char *name)
{
    swg_h5_attribute attribute;
    bool is_found;
    return find_attribute(file, path, name, &attribute, &is_found) != SWG_OK || is_found;
}

swg_status swg_h5_read_texts(swg_h5_file *file, const char *path, const char *name,
                             swg_arena *arena, const char *const **out, size_t *count)
{
    swg_h5_attribute attribute;
    bool is_found;
    SWG_TRY(find_attribute(file, path, name, &attribute, &is_found));
    if (!is_found)
        return swg_error(SWG_CORRUPT, "%s: %.300s has no attribute %s", file->path,
                         *path ? path : "the file", name);
    return swg_h5_attribute_texts(&file->questions, &attribute, arena, out, count);
}
