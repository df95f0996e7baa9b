/* Writing HDF5 files: chunks go to the file at once, everything that describes them is built in
 * memory at the end, children before the groups that lead to them. */
#include "formats/hdf5/format/hdf5_write.h"

#include <stdlib.h>
#include <string.h>

#include "formats/hdf5/format/hdf5_write_messages.h"
#include "runtime/base/mem.h"

enum { SUPERBLOCK_BYTES = 48 };

typedef struct attribute {
    const char *name, *text;
    struct attribute *next;
} attribute;

typedef struct dataset {
    const char *path;
    swg_dtype dtype;
    uint32_t rank;
    uint64_t shape[SWG_MAX_RANK];
    bool has_chunks, is_scalar;
    swg_h5_cut cut;
    uint64_t first;    /* where its chunks begin */
    uint8_t number[8]; /* a scalar's */
    attribute *attributes;
} dataset;

struct swg_h5_output {
    swg_file_writer *writer; /* NULL: only count */
    swg_arena arena;
    dataset *datasets;
    size_t n_datasets, capacity;
    attribute *attributes; /* of the root */
    uint64_t end;          /* of the chunks written so far */
    swg_strbuf tail;       /* what comes after the last chunk */
};

swg_status swg_h5_create(swg_file_writer *writer, swg_h5_output **out)
{
    swg_h5_output *output;
    SWG_TRY(SWG_NEW(output, 1));
    output->writer = writer;
    output->end = SUPERBLOCK_BYTES;
    *out = output;
    return SWG_OK;
}

swg_status swg_h5_put(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                      const uint64_t *shape, const void *data, swg_pool *pool,
                      uint64_t *stored_bytes)
{
    SWG_TRY(swg_reserve((void **)&output->datasets, &output->capacity, output->n_datasets + 1,
                        sizeof *output->datasets));
    dataset *added = &output->datasets[output->n_datasets];
    const unsigned elem_bytes = swg_dtype_bits(dtype) / 8;
    *added = (dataset){.dtype = dtype, .rank = rank, .first = output->end, .is_scalar = rank == 0};
    added->path = swg_arena_strndup(&output->arena, path, strlen(path));
    if (!added->path)
        return SWG_NO_MEMORY;
    if (rank)
        memcpy(added->shape, shape, rank * sizeof *shape);
    added->has_chunks = swg_h5_cut_make(elem_bytes, rank, shape, &added->cut);
    if (added->is_scalar && data)
        memcpy(added->number, data, elem_bytes);
    uint64_t bytes = added->is_scalar ? elem_bytes : 0;
    if (added->has_chunks) {
        bytes = added->cut.n_chunks * added->cut.stored_bytes;
        if (output->writer)
            SWG_TRY(swg_h5_write_chunks(&added->cut, data, output->end, output->writer, pool));
        output->end += bytes;
    }
    output->n_datasets++;
    if (stored_bytes)
        *stored_bytes = bytes;
    return SWG_OK;
}

swg_status swg_h5_put_text(swg_h5_output *output, const char *name, const char *text)
{
    attribute **at = output->n_datasets ? &output->datasets[output->n_datasets - 1].attributes
                                        : &output->attributes;
    attribute *added = swg_arena_calloc(&output->arena, 1, sizeof *added);
    if (!added)
        return SWG_NO_MEMORY;
    added->name = swg_arena_strndup(&output->arena, name, strlen(name));
    added->text = swg_arena_strndup(&output->arena, text, strlen(text));
    if (!added->name || !added->text)
        return SWG_NO_MEMORY;
    while (*at)
        at = &(*at)->next;
    *at = added;
    return SWG_OK;
}

/* --- What describes the chunks ---------------------------------------------------------------- */

/* The file's address of what is appended next. */
static uint64_t next_address(const swg_h5_output *output)
{
    return output->end + output->tail.length;
}

static void put_attributes(swg_h5_output *output, const attribute *list)
{
    for (; list; list = list->next)
        swg_h5_put_attribute(&output->tail, list->name, list->text);
}

/* Returns the address of its header. */
static uint64_t describe_dataset(swg_h5_output *output, const dataset *d)
{
    swg_strbuf *const tail = &output->tail;
    const uint64_t index = next_address(output);
    if (d->has_chunks)
        swg_h5_put_index(tail, &d->cut, index, d->first);
    const uint64_t header = next_address(output);
    const size_t start = swg_h5_begin_header(tail);
    swg_h5_put_dataset(tail, d->dtype, d->rank, d->shape, d->has_chunks ? &d->cut : NULL, index,
                       d->is_scalar ? d->number : NULL);
    put_attributes(output, d->attributes);
    swg_h5_end_header(tail, start);
    return header;
}

/* A member of a group: a dataset, or the group of all datasets from `begin` to `end`, whose paths
 * go on alike up to a slash. */
typedef struct member {
    size_t begin, end, name_length;
    bool is_group;
} member;

/* The member that begins with dataset `begin` of a group whose datasets end at `end`; their paths
 * have `depth` bytes in common, which end with a slash. */
static member next_member(const swg_h5_output *output, size_t begin, size_t end, size_t depth)
{
    const char *const name = output->datasets[begin].path + depth;
    member m = {.begin = begin, .end = begin + 1, .name_length = strcspn(name, "/")};
    m.is_group = name[m.name_length] == '/';
    while (m.is_group && m.end < end &&
           strncmp(output->datasets[m.end].path + depth, name, m.name_length + 1) == 0)
        m.end++;
    return m;
}

/* A group of datasets [begin, end), in the order of their paths; *header is where its header is. A
 * path has at most SWG_MAX_NAME bytes, which bounds the recursion. */
static swg_status describe_group(swg_h5_output *output, size_t begin, size_t end, size_t depth,
                                 const attribute *attributes, uint64_t *header)
{
    uint64_t *addresses = NULL;
    swg_status status = SWG_OK;
    size_t n = 0;
    SWG_GO(SWG_NEW_UNINIT(addresses, end - begin));
    for (size_t i = begin; i < end; n++) {
        const member m = next_member(output, i, end, depth);
        if (m.is_group)
            SWG_GO(describe_group(output, m.begin, m.end, depth + m.name_length + 1, NULL,
                                  &addresses[n]));
        else
            addresses[n] = describe_dataset(output, &output->datasets[i]);
        i = m.end;
    }
    *header = next_address(output);
    const size_t start = swg_h5_begin_header(&output->tail);
    swg_h5_put_group(&output->tail);
    n = 0;
    for (size_t i = begin; i < end; n++) {
        const member m = next_member(output, i, end, depth);
        swg_h5_put_link(&output->tail, output->datasets[i].path + depth, m.name_length,
                        addresses[n]);
        i = m.end;
    }
    put_attributes(output, attributes);
    swg_h5_end_header(&output->tail, start);
done:
    swg_free(addresses);
    return status;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const dataset *)a)->path, ((const dataset *)b)->path);
}

/* Signature, version, bytes of an offset and of a length, flags, base, extension, end, root,
 * checksum. */
static void put_superblock(swg_strbuf *out, uint64_t end, uint64_t root)
{
    swg_strbuf_append(out, "\x89HDF\r\n\x1a\n", 8);
    swg_h5_put_number(out, 1, 3);
    swg_h5_put_number(out, 1, 8);
    swg_h5_put_number(out, 1, 8);
    swg_h5_put_number(out, 1, 0);
    swg_h5_put_number(out, 8, 0);
    swg_h5_put_nowhere(out);
    swg_h5_put_number(out, 8, end);
    swg_h5_put_number(out, 8, root);
    swg_h5_put_checksum(out, 0);
}

swg_status swg_h5_finish(swg_h5_output **output, uint64_t *bytes)
{
    swg_h5_output *o = *output;
    swg_strbuf superblock = {0};
    swg_status status = SWG_OK;
    uint64_t root = 0;
    if (o->n_datasets)
        qsort(o->datasets, o->n_datasets, sizeof *o->datasets, compare_paths);
    SWG_GO(describe_group(o, 0, o->n_datasets, 0, o->attributes, &root));
    SWG_GO(swg_strbuf_status(&o->tail));
    put_superblock(&superblock, next_address(o), root);
    SWG_GO(swg_strbuf_status(&superblock));
    if (o->writer) {
        SWG_GO(swg_file_write_at(o->writer, o->end, o->tail.text, o->tail.length));
        SWG_GO(swg_file_write_at(o->writer, 0, superblock.text, superblock.length));
    }
    *bytes = next_address(o);
done:
    swg_strbuf_deinit(&superblock);
    swg_h5_abort(output);
    return status;
}

void swg_h5_abort(swg_h5_output **output)
{
    swg_h5_output *o = *output;
    if (!o)
        return;
    swg_free(o->datasets);
    swg_strbuf_deinit(&o->tail);
    swg_arena_deinit(&o->arena);
    SWG_FREE(*output);
}
