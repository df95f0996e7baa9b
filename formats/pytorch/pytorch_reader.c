/* Reading PyTorch checkpoints (torch.save since 1.6): a zip of stored entries with data.pkl, which
 * describes a state dict, and one entry a storage. Nothing is executed: pickle.c reads the
 * description. A folder with pytorch_model.bin, or with its index and shards, is a Hugging Face
 * folder like any other. Tensors that are views with strides are gathered; those that share a
 * storage's very elements are tied. */
#include <stdlib.h>
#include <string.h>

#include "formats/pytorch/pickle.h"
#include "formats/huggingface/shard_index.h"
#include "formats/zip/zip_directory.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/utf8.h"

static const char single_name[] = "pytorch_model.bin";
static const char index_name[] = "pytorch_model.bin.index.json";
static const size_t max_pickle_bytes = (size_t)64 << 20;

typedef struct torch_file {
    const char *path;
    swg_map map;
    swg_zip zip;
    const char *prefix; /* folder inside the archive, with its slash; in the map */
    size_t prefix_length;
} torch_file;

typedef struct torch_state {
    torch_file *files;
    size_t n_files;
} torch_state;

/* `detail` of a tensor. */
typedef struct torch_view {
    const torch_file *file;
    const swg_zip_entry *entry;
    bool is_contiguous;
    uint64_t stride[SWG_MAX_RANK]; /* in elements */
} torch_view;

/* --- Whose file ------------------------------------------------------------------------------- */

/* What torch.save wrote before 1.6: a pickled magic number. */
static const char legacy_magic[] = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";

static bool is_index_path(const char *path)
{
    static const char ending[] = ".bin.index.json";
    return swg_path_ends_with(path, ending, sizeof ending - 1);
}

static bool claims(const swg_probe *probe)
{
    if (probe->is_directory)
        return swg_folder_has(probe->path, single_name) || swg_folder_has(probe->path, index_name);
    return is_index_path(probe->path) ||
           (probe->head_bytes >= 4 && memcmp(probe->head, "PK\3\4", 4) == 0) ||
           (probe->head_bytes >= sizeof legacy_magic - 1 &&
            memcmp(probe->head, legacy_magic, sizeof legacy_magic - 1) == 0);
}

/* --- The archive ------------------------------------------------------------------------------ */

static const swg_zip_entry *find_record(const torch_file *file, const char *name, size_t length)
{
    char path[512];
    if (file->prefix_length + length > sizeof path)
        return NULL;
    memcpy(path, file->prefix, file->prefix_length);
    memcpy(path + file->prefix_length, name, length);
    return swg_zip_find(&file->zip, path, file->prefix_length + length);
}

/* "<folder>/data.pkl" tells the folder that everything is in. */
static swg_status find_pickle(torch_file *file, const swg_zip_entry **out)
{
    static const char ending[] = "/data.pkl";
    const size_t length = sizeof ending - 1;
    *out = NULL;
    for (size_t i = 0; i < file->zip.n_entries; i++) {
        const swg_zip_entry *entry = &file->zip.entries[i];
        if (entry->name_length <= length ||
            memcmp(entry->name + entry->name_length - length, ending, length) != 0)
            continue;
        if (*out)
            return swg_error(SWG_CORRUPT, "%s holds several data.pkl", file->path);
        *out = entry;
        file->prefix = entry->name;
        file->prefix_length = entry->name_length - length + 1;
    }
    if (!*out)
        return swg_error(SWG_UNSUPPORTED,
                         "%s is a zip archive without data.pkl, so not a PyTorch checkpoint; "
                         "unpack it, and give the model that it holds",
                         file->path);
    const uint64_t most = swg_header_limit(max_pickle_bytes);
    if ((*out)->bytes > most)
        return swg_error(SWG_LIMIT, "%s: data.pkl has %llu bytes; at most %llu are read",
                         file->path, (unsigned long long)(*out)->bytes, (unsigned long long)most);
    return SWG_OK;
}

static swg_status check_byte_order(const torch_file *file)
{
    static const char name[] = "byteorder", little[] = "little";
    const swg_zip_entry *entry = find_record(file, name, sizeof name - 1);
    if (!entry) /* older than the record: written by little-endian machines */
        return SWG_OK;
    if (entry->bytes == sizeof little - 1 &&
        memcmp(file->map.data + entry->offset, little, sizeof little - 1) == 0)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s was saved on a big-endian machine; load and save it on a little-endian "
                     "one",
                     file->path);
}

/* --- Tensors ---------------------------------------------------------------------------------- */

/* The tensor's elements are all in the storage, and no more than it has. */
static swg_status check_view(const char *path, const char *name, const swg_pickle_tensor *t)
{
    const uint64_t n_elems = t->storage->storage.n_elems;
    uint64_t last = t->offset, count = 1;
    bool fits = true;
    for (size_t i = 0; i < t->rank; i++) {
        uint64_t span;
        fits = fits && swg_u64_mul(count, t->shape[i], &count);
        if (count == 0)
            return SWG_OK;
        fits = fits && swg_u64_mul(t->shape[i] - 1, t->stride[i], &span) &&
               swg_u64_add(last, span, &last);
    }
    if (!fits || last >= n_elems)
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %s reaches element %llu of a storage with %llu of them", path,
                         name, (unsigned long long)last, (unsigned long long)n_elems);
    if (count > n_elems)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tensor %s repeats the %llu elements of its storage as %llu; save it "
                         "after .contiguous()",
                         path, name, (unsigned long long)n_elems, (unsigned long long)count);
    return SWG_OK;
}

static bool is_contiguous(const swg_pickle_tensor *t)
{
    uint64_t step = 1;
    for (size_t i = t->rank; i-- > 0;) {
        if (t->shape[i] != 1 && t->stride[i] != step)
            return false;
        step *= t->shape[i];
    }
    return true;
}

static swg_status find_storage(const torch_file *file, const char *name,
                               const swg_pickle_value *storage, const swg_zip_entry **out)
{
    char record[64] = "data/";
    const size_t prefix = strlen(record), length = storage->storage.key_length;
    const uint64_t width = swg_dtype_bits(storage->storage.dtype) / 8;
    uint64_t bytes;
    *out = NULL;
    if (length < sizeof record - prefix) {
        memcpy(record + prefix, storage->storage.key, length);
        *out = find_record(file, record, prefix + length);
    }
    if (!*out)
        return swg_error(SWG_CORRUPT, "%s: the storage of tensor %s is not in the archive",
                         file->path, name);
    if (!swg_u64_mul(storage->storage.n_elems, width, &bytes) || bytes != (*out)->bytes)
        return swg_error(SWG_CORRUPT,
                         "%s: the storage of tensor %s should have %llu elements of %llu bytes, "
                         "its record has %llu bytes",
                         file->path, name, (unsigned long long)storage->storage.n_elems,
                         (unsigned long long)width, (unsigned long long)(*out)->bytes);
    return SWG_OK;
}

static swg_status add_tensor(swg_source *source, const torch_file *file,
                             const swg_pickle_value *key, const swg_pickle_tensor *t)
{
    const swg_dtype dtype = t->storage->storage.dtype;
    swg_stored_tensor *tensor;
    torch_view *view = swg_arena_calloc(&source->arena, 1, sizeof *view);
    if (!view)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_source_add_tensor(source, key->text, key->length, swg_scheme_plain(dtype),
                                  (uint32_t)(t->rank > UINT32_MAX ? UINT32_MAX : t->rank), t->shape,
                                  &tensor));
    tensor->detail = view;
    SWG_TRY(check_view(file->path, tensor->desc.name, t));
    SWG_TRY(find_storage(file, tensor->desc.name, t->storage, &view->entry));
    view->file = file;
    view->is_contiguous = is_contiguous(t);
    memcpy(view->stride, t->stride, sizeof view->stride);
    tensor->map = &file->map;
    /* An empty tensor may claim any offset. */
    const uint64_t skipped = swg_tensor_elems(&tensor->desc) ? t->offset : 0;
    tensor->offset = (size_t)(view->entry->offset + skipped * (swg_dtype_bits(dtype) / 8));
    return SWG_OK;
}

/* The dictionary of tensors: the whole, or what training programs put beside other things. */
static const swg_pickle_value *find_state_dict(const swg_pickle_value *root)
{
    static const char *const keys[] = {"state_dict", "model_state_dict", "model"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const swg_pickle_value *inner = swg_pickle_get(root, keys[i]);
        if (inner && inner->kind == SWG_PICKLE_DICT)
            return inner;
    }
    return root;
}

static swg_status add_tensors(swg_source *source, const torch_file *file,
                              const swg_pickle_value *root)
{
    const swg_pickle_value *dict = find_state_dict(root);
    if (dict->kind != SWG_PICKLE_DICT)
        return swg_error(SWG_UNSUPPORTED, "%s holds a %s, not a dictionary of tensors", file->path,
                         swg_pickle_kind_name(dict->kind));
    for (size_t i = 0; i + 1 < dict->n_items; i += 2) {
        const swg_pickle_value *key = dict->items[i], *value = dict->items[i + 1];
        if (key->kind != SWG_PICKLE_TEXT || !swg_name_is_printable(key->text, key->length))
            return swg_error(SWG_CORRUPT, "%s: a key of the state dict is not printable text",
                             file->path);
        if (value->kind != SWG_PICKLE_TENSOR)
            return swg_error(SWG_UNSUPPORTED,
                             "%s: \"%.*s\" is a %s, not a tensor; save the state dict alone",
                             file->path, (int)(key->length < 200 ? key->length : 200), key->text,
                             swg_pickle_kind_name(value->kind));
        SWG_TRY(add_tensor(source, file, key, value->tensor));
    }
    return SWG_OK;
}

/* --- Tied tensors ----------------------------------------------------------------------------- */

static int compare_views(const void *a, const void *b, void *context)
{
    const swg_stored_tensor *tensors = context;
    const size_t left = *(const size_t *)a, right = *(const size_t *)b;
    const swg_stored_tensor *one = &tensors[left], *other = &tensors[right];
    if (one->map != other->map)
        return one->map < other->map ? -1 : 1;
    if (one->offset != other->offset)
        return one->offset < other->offset ? -1 : 1;
    return left < right ? -1 : left > right;
}

static bool is_same_view(const swg_stored_tensor *a, const swg_stored_tensor *b)
{
    const torch_view *left = a->detail, *right = b->detail;
    return a->map == b->map && a->offset == b->offset && left->entry == right->entry &&
           a->desc.rank == b->desc.rank && swg_scheme_equal(a->desc.scheme, b->desc.scheme) &&
           memcmp(a->desc.shape, b->desc.shape, sizeof a->desc.shape) == 0 &&
           left->is_contiguous == right->is_contiguous &&
           (left->is_contiguous || memcmp(left->stride, right->stride, sizeof left->stride) == 0);
}

static swg_status tie_tensors(swg_source *source)
{
    size_t *order;
    SWG_TRY(SWG_NEW(order, source->n_tensors));
    for (size_t i = 0; i < source->n_tensors; i++)
        order[i] = i;
    qsort_r(order, source->n_tensors, sizeof *order, compare_views, source->tensors);
    for (size_t i = 1; i < source->n_tensors; i++)
        if (swg_tensor_elems(&source->tensors[order[i]].desc) > 0 &&
            is_same_view(&source->tensors[order[i - 1]], &source->tensors[order[i]]))
            source->tensors[order[i]].same_as = source->tensors[order[i - 1]].same_as;
    swg_free(order);
    return SWG_OK;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static swg_status prepare_files(swg_source *source, size_t count)
{
    torch_state *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    state->files = swg_arena_calloc(&source->arena, count, sizeof *state->files);
    return state->files ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status open_file(swg_source *source, const char *path)
{
    torch_state *state = source->state;
    torch_file *file = &state->files[state->n_files];
    const swg_zip_entry *entry;
    const swg_pickle_value *root;
    swg_arena pickle = {0};
    swg_status status = SWG_OK;
    file->path = swg_arena_strndup(&source->arena, path, strlen(path));
    SWG_GO(file->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_source_map(source, path, &file->map));
    state->n_files++;
    if (file->map.size >= sizeof legacy_magic - 1 &&
        memcmp(file->map.data, legacy_magic, sizeof legacy_magic - 1) == 0)
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "%s has the format that torch.save wrote before 1.6; load and save it "
                         "with a later one",
                         path));
    SWG_GO(swg_zip_open(path, &file->map, false, &source->arena, &file->zip));
    SWG_GO(find_pickle(file, &entry));
    SWG_GO(check_byte_order(file));
    status = swg_pickle_read(file->map.data + entry->offset, (size_t)entry->bytes, &pickle, &root);
    if (status != SWG_OK) {
        (void)swg_error_context(status, "%s", path);
        goto done;
    }
    SWG_GO(add_tensors(source, file, root));
    SWG_GO(swg_source_add_input(source, path));
done:
    swg_arena_deinit(&pickle);
    return status;
}

static swg_status open_single(swg_source *source, const char *path)
{
    SWG_TRY(prepare_files(source, 1));
    return open_file(source, path);
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    swg_status status = SWG_OK;
    char *folder = probe->is_directory ? swg_strdup(probe->path) : swg_path_dirname(probe->path);
    char *path = NULL;
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    path =
        !probe->is_directory
            ? swg_strdup(probe->path)
            : swg_path_join(folder, swg_folder_has(folder, single_name) ? single_name : index_name);
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(is_index_path(path) ? swg_shard_index_read(source, path, prepare_files, open_file)
                               : open_single(source, path));
    SWG_GO(tie_tensors(source));
    SWG_GO(swg_source_add_folder(source, folder));
done:
    swg_free(path);
    swg_free(folder);
    return status;
}

static void close_source(swg_source *source)
{
    torch_state *state = source->state;
    for (size_t i = 0; state && i < state->n_files; i++)
        swg_map_close(&state->files[i].map);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* One row of a view, element by element. */
static void gather_row(const swg_stored_tensor *tensor, uint64_t row, uint8_t *out)
{
    const torch_view *view = tensor->detail;
    const uint64_t *const shape = tensor->desc.shape;
    const size_t width = swg_dtype_bits(tensor->desc.scheme.dtype) / 8;
    uint64_t at = 0;
    for (uint32_t d = tensor->desc.rank - 1; d-- > 0;) {
        at += row % shape[d] * view->stride[d];
        row /= shape[d];
    }
    const uint8_t *from = tensor->map->data + tensor->offset + at * width;
    const size_t step = (size_t)view->stride[tensor->desc.rank - 1] * width;
    const uint64_t columns = swg_tensor_cols(&tensor->desc);
    for (uint64_t column = 0; column < columns; column++)
        memcpy(out + column * width, from + column * step, width);
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor,
                            const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    (void)source;
    const torch_view *view = tensor->detail;
    if (view->is_contiguous) {
        swg_source_read_mapped(tensor, plane, row_begin, n_rows, out);
        return SWG_OK;
    }
    for (uint64_t i = 0; i < n_rows && plane->row_bytes > 0; i++)
        gather_row(tensor, row_begin + i, (uint8_t *)out + i * plane->row_bytes);
    return SWG_OK;
}

/* --- Checking --------------------------------------------------------------------------------- */

/* What a damaged record is to the user: the first tensor in it, or the archive. One pass for all of
 * a file's records, of which every one may be damaged. */
static swg_status name_records(const swg_source *source, const torch_file *file,
                               const char ***names)
{
    SWG_TRY(SWG_NEW(*names, file->zip.n_entries));
    for (size_t i = 0; i < file->zip.n_entries; i++)
        (*names)[i] = swg_path_basename(file->path);
    for (size_t i = source->n_tensors; i-- > 0;) {
        const torch_view *view = source->tensors[i].detail;
        if (view->file == file)
            (*names)[view->entry - file->zip.entries] = source->tensors[i].desc.name;
    }
    return SWG_OK;
}

static swg_status verify_file(const swg_source *source, const torch_file *file,
                              const swg_progress *progress, swg_damage_callback *damaged,
                              void *context, size_t *n_damaged)
{
    const char **names;
    swg_status status = SWG_OK;
    SWG_TRY(name_records(source, file, &names));
    for (size_t i = 0; i < file->zip.n_entries; i++) {
        const swg_zip_entry *entry = &file->zip.entries[i];
        SWG_GO(swg_progress_step(progress, "verifying", "records", i, file->zip.n_entries));
        const uint32_t crc = swg_crc32(0, file->map.data + entry->offset, (size_t)entry->bytes);
        swg_map_release(&file->map, (size_t)entry->offset, (size_t)entry->bytes);
        if (crc == entry->crc32)
            continue;
        ++*n_damaged;
        (void)swg_error(SWG_CORRUPT,
                        "%s: the record at byte %llu has the CRC %08x, its directory says %08x",
                        file->path, (unsigned long long)entry->offset, crc, entry->crc32);
        if (damaged)
            damaged(context, names[i], swg_error_message());
    }
done:
    swg_free(names);
    return status;
}

static swg_status verify(swg_source *source, swg_pool *pool, const swg_progress *progress,
                         swg_damage_callback *damaged, void *context)
{
    (void)pool;
    const torch_state *state = source->state;
    size_t n_damaged = 0;
    for (size_t i = 0; i < state->n_files; i++)
        SWG_TRY(verify_file(source, &state->files[i], progress, damaged, context, &n_damaged));
    return n_damaged == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s: %zu records are damaged", source->path, n_damaged);
}

const swg_reader swg_reader_torch_zip = {
    .name = "torch",
    .summary = "PyTorch state dict (.bin, .pt: file or Hugging Face folder)",
    .claims = claims,
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .verify = verify,
};
