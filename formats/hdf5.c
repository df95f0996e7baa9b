/* The only user of libhdf5. Two things keep it harmless. It does no input or output of its own: a
 * driver of ours gives it the mapped file, bounds checked, or the project's file writer, whose
 * failures it never gets to see (it cannot close a file that it failed to write; ours are kept and
 * reported after the call). And nothing is read before one walk over all objects found that the
 * file is made of hard links, plain types and storage that is really there. */
#include "formats/hdf5.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The interface of 1.10 from whatever version is installed. */
#define H5_USE_110_API
#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "formats/hdf5_chunk.h"
#include "formats/hdf5_header.h"
#include "formats/hdf5_parts.h"
#include "formats/hdf5_text.h"

enum {
    /* As H5F_ACC_RDONLY and H5F_ACC_TRUNC, which end the process when headers and library differ.
     */
    OPEN_TO_READ = 0,
    CREATE_ANEW = 2,
    MAX_DEPTH = 64,
    MAX_PATH_BYTES = 4096
};

/* --- One lock, silence ------------------------------------------------------------------------ */

static pthread_mutex_t library_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_library(void)
{
    pthread_mutex_lock(&library_mutex);
    /* Each time: builds of the library that know threads keep these for each of them. */
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    (void)H5PLset_loading_state(0);
}

static void unlock_library(void)
{
    pthread_mutex_unlock(&library_mutex);
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    char *text = context;
    if (n == 0 && error->desc) {
        strncpy(text, error->desc, 127);
        text[127] = '\0';
    }
    return 0;
}

/* Let go of anything the library gave an identifier for; a negative one is none. */
static void drop(hid_t id)
{
    if (id >= 0)
        (void)H5Idec_ref(id);
}

/* A failure of the library with its own reason. */
static swg_status library_error(swg_status status, const char *path, const char *what,
                                const char *object)
{
    char reason[128] = "no reason given";
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, reason);
    return swg_error(status, "%s: libhdf5 cannot %s %.300s (%s)", path, what,
                     *object ? object : "the file", reason);
}

/* --- The driver ------------------------------------------------------------------------------- */

/* Where the bytes are: a map or a writer. */
typedef struct channel {
    const swg_map *map;
    swg_file_writer *writer;
    uint64_t end;       /* written so far */
    uint64_t eoa;       /* allocated when the library closed it */
    swg_status failure; /* the first of ours; nothing is written behind it */
} channel;

/* What the library holds for an open file; its own part first. */
typedef struct driver_file {
    H5FD_t library;
    channel *channel;
    haddr_t eoa;
} driver_file;

static hid_t driver_id = H5I_INVALID_HID;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t most)
{
    (void)name;
    (void)flags;
    (void)most;
    channel *const *const carried = H5Pget_driver_info(fapl);
    if (!carried || !*carried)
        return NULL;
    driver_file *file = swg_calloc(1, sizeof *file);
    if (!file) {
        (*carried)->failure = SWG_NO_MEMORY;
        return NULL;
    }
    file->channel = *carried;
    return &file->library;
}

static herr_t driver_close(H5FD_t *library)
{
    const driver_file *file = (const driver_file *)library;
    file->channel->eoa = file->eoa;
    swg_free(library);
    return 0;
}

static herr_t driver_query(const H5FD_t *library, unsigned long *flags)
{
    (void)library;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *library, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)library)->eoa;
}

static herr_t driver_set_eoa(H5FD_t *library, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((driver_file *)library)->eoa = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *library, H5FD_mem_t type)
{
    (void)type;
    const channel *c = ((const driver_file *)library)->channel;
    return c->map ? c->map->size : c->end;
}

static herr_t driver_read(H5FD_t *library, H5FD_mem_t type, hid_t dxpl, haddr_t address,
                          size_t bytes, void *out)
{
    (void)type;
    (void)dxpl;
    const channel *c = ((const driver_file *)library)->channel;
    const uint64_t end = c->map ? c->map->size : c->end;
    if (address > end || bytes > end - address)
        return -1;
    if (c->map)
        memcpy(out, c->map->data + address, bytes);
    else if (swg_file_read_at(c->writer, address, out, bytes) != SWG_OK)
        return -1;
    return 0;
}

static herr_t driver_write(H5FD_t *library, H5FD_mem_t type, hid_t dxpl, haddr_t address,
                           size_t bytes, const void *data)
{
    (void)type;
    (void)dxpl;
    channel *c = ((driver_file *)library)->channel;
    if (!c->writer)
        return -1;
    if (c->failure == SWG_OK)
        c->failure = swg_file_write_at(c->writer, address, data, bytes);
    c->end = address + bytes > c->end ? address + bytes : c->end;
    return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600,
#endif
    .name = "swage",
    .maxaddr = (haddr_t)1 << 62,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(channel *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Access properties that lead to `c`; negative on failure. */
static hid_t make_access(channel *c)
{
    if (driver_id < 0)
        driver_id = H5FDregister(&driver_class);
    const hid_t fapl = driver_id < 0 ? H5I_INVALID_HID : H5Pcreate(H5P_FILE_ACCESS);
    if (fapl < 0)
        return fapl;
    if (H5Pset_driver(fapl, driver_id, &c) < 0 ||
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0) {
        H5Pclose(fapl);
        return H5I_INVALID_HID;
    }
    return fapl;
}

/* --- Reading: what is kept -------------------------------------------------------------------- */

struct swg_h5_file {
    const char *path;
    const swg_map *map;
    channel channel;
    hid_t id;
    swg_arena arena;
    swg_h5_entry **entries;
    size_t n_entries, capacity;
    swg_h5_addresses groups;
    swg_h5_addresses datasets;
    uint64_t stored_bytes; /* of all datasets: at most the file */
    hid_t open_dataset;    /* the one read last */
    const swg_h5_entry *open_entry;
    /* During the walk. */
    char object[MAX_PATH_BYTES];
    size_t object_length;
    unsigned depth;
    swg_status walk_status;
};

/* --- Reading: types --------------------------------------------------------------------------- */

static bool float_dtype(hid_t type, size_t size, swg_dtype *out)
{
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
    return H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0 &&
           H5Tget_norm(type) == H5T_NORM_IMPLIED && mantissa == 0 && exponent == mantissa_bits &&
           sign == 8 * size - 1 &&
           swg_h5_float_dtype(size, exponent_bits, mantissa_bits, H5Tget_ebias(type), out);
}

static bool integer_dtype(hid_t type, size_t size, swg_dtype *out)
{
    static const swg_dtype known[2][4] = {{SWG_U8, SWG_U16, SWG_U32, SWG_U64},
                                          {SWG_I8, SWG_I16, SWG_I32, SWG_I64}};
    const H5T_sign_t sign = H5Tget_sign(type);
    const int width = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
    if (width < 0 || (sign != H5T_SGN_NONE && sign != H5T_SGN_2))
        return false;
    *out = known[sign == H5T_SGN_2][width];
    return true;
}

/* What h5py writes for booleans: an enumeration of one byte with FALSE and TRUE. */
static bool is_boolean(hid_t type)
{
    static const char *const names[2] = {"FALSE", "TRUE"};
    if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        unsigned char value = 2;
        char *name = H5Tget_member_name(type, i);
        const bool is_known = name && strcmp(name, names[i]) == 0 &&
                              H5Tget_member_value(type, i, &value) >= 0 && value == i;
        H5free_memory(name);
        if (!is_known)
            return false;
    }
    return true;
}

static bool type_dtype(hid_t type, swg_dtype *out)
{
    const H5T_class_t kind = H5Tget_class(type);
    const size_t size = H5Tget_size(type);
    if (kind == H5T_ENUM && is_boolean(type)) {
        *out = SWG_BOOL;
        return true;
    }
    if (kind != H5T_FLOAT && kind != H5T_INTEGER)
        return false;
    const H5T_order_t order = H5Tget_order(type);
    if ((order != H5T_ORDER_LE && order != H5T_ORDER_BE) || H5Tget_offset(type) != 0 ||
        H5Tget_precision(type) != 8 * size)
        return false;
    return kind == H5T_FLOAT ? float_dtype(type, size, out) : integer_dtype(type, size, out);
}

/* The type of the same numbers in this machine's order; negative on failure. */
static hid_t memory_type(hid_t stored)
{
    const hid_t type = H5Tcopy(stored);
    if (type >= 0 && H5Tget_class(type) != H5T_ENUM && H5Tset_order(type, H5T_ORDER_LE) < 0) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

/* --- Reading: checks of one dataset ----------------------------------------------------------- */

static swg_status refuse(const swg_h5_file *file, swg_status status, const char *what)
{
    return swg_error(status, "%s: %.300s %s", file->path, file->object, what);
}

/* What the file says of a dataset's storage. False when the library cannot tell. */
static bool ask_storage(hid_t dataset, hid_t space, hid_t dcpl, swg_h5_storage *storage)
{
    const H5D_layout_t layout = H5Pget_layout(dcpl);
    storage->layout = layout == H5D_COMPACT      ? SWG_H5_COMPACT
                      : layout == H5D_CONTIGUOUS ? SWG_H5_CONTIGUOUS
                      : layout == H5D_CHUNKED    ? SWG_H5_CHUNKED
                      : layout == H5D_VIRTUAL    ? SWG_H5_VIRTUAL
                                                 : SWG_H5_UNKNOWN;
    storage->is_external = H5Pget_external_count(dcpl) != 0;
    const int n_filters = H5Pget_nfilters(dcpl);
    if (n_filters < 0 || n_filters > SWG_H5_MAX_FILTERS)
        return false;
    for (int i = 0; i < n_filters; i++) {
        unsigned flags, config, value = 0;
        size_t n_values = 1;
        const H5Z_filter_t filter =
            H5Pget_filter2(dcpl, (unsigned)i, &flags, &n_values, &value, 0, NULL, &config);
        if (filter == H5Z_FILTER_SHUFFLE)
            storage->shuffle_bytes = n_values ? value : 1;
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            storage->foreign_filter = filter ? (int)filter : -1;
        storage->filters[storage->n_filters++] = filter == H5Z_FILTER_DEFLATE   ? SWG_H5_DEFLATE
                                                 : filter == H5Z_FILTER_SHUFFLE ? SWG_H5_SHUFFLE
                                                                                : SWG_H5_FLETCHER32;
    }
    if (storage->is_external || storage->foreign_filter)
        return true;
    if (layout == H5D_CONTIGUOUS || layout == H5D_COMPACT || layout == H5D_CHUNKED)
        storage->stored_bytes = H5Dget_storage_size(dataset);
    if (layout == H5D_CONTIGUOUS)
        storage->offset = H5Dget_offset(dataset);
    hsize_t chunk[H5S_MAX_RANK], n_chunks = 0;
    if (layout != H5D_CHUNKED)
        return true;
    if (H5Pget_chunk(dcpl, H5S_MAX_RANK, chunk) != (int)storage->rank)
        return false;
    for (uint32_t i = 0; i < storage->rank; i++)
        storage->chunk[i] = chunk[i];
    if (H5Dget_num_chunks(dataset, space, &n_chunks) >= 0)
        storage->n_chunks = n_chunks;
    return true;
}

static swg_status describe(swg_h5_file *file, hid_t dataset, hid_t space, hid_t type, hid_t dcpl,
                           swg_h5_entry *entry)
{
    hsize_t shape[H5S_MAX_RANK] = {0};
    swg_h5_storage *storage = swg_arena_calloc(&file->arena, 1, sizeof *storage);
    if (!storage)
        return SWG_NO_MEMORY;
    entry->storage = storage;
    storage->elem_bytes = H5Tget_size(type);
    const H5S_class_t kind = H5Sget_simple_extent_type(space);
    const int rank = H5Sget_simple_extent_ndims(space);
    if ((kind != H5S_SCALAR && kind != H5S_SIMPLE) || rank < 0 || rank > SWG_H5_MAX_RANK ||
        H5Sget_simple_extent_dims(space, shape, NULL) != rank)
        return refuse(file, SWG_UNSUPPORTED, "has no extent");
    entry->rank = storage->rank = (uint32_t)rank;
    for (int i = 0; i < rank; i++) {
        storage->shape[i] = shape[i];
        if (rank <= SWG_MAX_RANK)
            entry->shape[i] = shape[i];
    }
    entry->is_numeric = type_dtype(type, &entry->dtype);
    storage->is_big_endian =
        entry->is_numeric && H5Tget_class(type) != H5T_ENUM && H5Tget_order(type) == H5T_ORDER_BE;
    if (!ask_storage(dataset, space, dcpl, storage))
        return library_error(SWG_CORRUPT, file->path, "describe", file->object);
    return swg_h5_check_storage(file->path, file->object, file->map->size, storage,
                                &file->stored_bytes, entry);
}

static swg_status add_entry(swg_h5_file *file, hid_t dataset, uint64_t address)
{
    bool is_new;
    SWG_TRY(swg_h5_addresses_add(&file->datasets, address, &is_new));
    swg_h5_entry *entry = swg_arena_calloc(&file->arena, 1, sizeof *entry);
    if (!entry)
        return SWG_NO_MEMORY;
    entry->address = address;
    entry->path = swg_arena_strndup(&file->arena, file->object, file->object_length);
    if (!entry->path)
        return SWG_NO_MEMORY;
    const uint64_t stored_before = file->stored_bytes;
    const hid_t dcpl = H5Dget_create_plist(dataset);
    const hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    swg_status status = dcpl < 0 || space < 0 || type < 0
                            ? library_error(SWG_CORRUPT, file->path, "describe", file->object)
                            : describe(file, dataset, space, type, dcpl, entry);
    drop(type);
    drop(space);
    drop(dcpl);
    SWG_TRY(status);
    if (!is_new) /* another name of a dataset that was counted */
        file->stored_bytes = stored_before;
    SWG_TRY(swg_reserve((void **)&file->entries, &file->capacity, file->n_entries + 1,
                        sizeof(swg_h5_entry *)));
    file->entries[file->n_entries++] = entry;
    return SWG_OK;
}

/* --- Reading: the walk ------------------------------------------------------------------------ */

static swg_status walk_group(swg_h5_file *file, hid_t group);

static swg_status visit_object(swg_h5_file *file, hid_t parent, const char *name)
{
    H5O_info_t info;
    const hid_t object = H5Oopen(parent, name, H5P_DEFAULT);
    if (object < 0)
        return library_error(SWG_CORRUPT, file->path, "open", file->object);
    swg_status status = SWG_OK;
    if (H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0)
        SWG_GO(library_error(SWG_CORRUPT, file->path, "examine", file->object));
    if (info.type == H5O_TYPE_DATASET) {
        SWG_GO(add_entry(file, object, info.addr));
    } else if (info.type == H5O_TYPE_GROUP) {
        bool is_new;
        SWG_GO(swg_h5_addresses_add(&file->groups, info.addr, &is_new));
        if (!is_new)
            SWG_GO(refuse(file, SWG_CORRUPT, "leads to a group that was reached before"));
        SWG_GO(walk_group(file, object));
    } else {
        SWG_GO(refuse(file, SWG_UNSUPPORTED, "is neither a dataset nor a group"));
    }
done:
    H5Oclose(object);
    return status;
}

static swg_status visit_link(swg_h5_file *file, hid_t group, const char *name,
                             const H5L_info_t *link)
{
    const size_t before = file->object_length, length = strlen(name);
    if (before + length + 2 > MAX_PATH_BYTES)
        return refuse(file, SWG_CORRUPT, "holds names that are too long");
    if (before)
        file->object[file->object_length++] = '/';
    memcpy(file->object + file->object_length, name, length + 1);
    file->object_length += length;
    swg_status status;
    if (!swg_name_is_printable(name, length))
        status = swg_error(SWG_CORRUPT, "%s: a name in it is not printable text", file->path);
    else if (link->type == H5L_TYPE_HARD && !swg_h5_header_is_sound(file->map, link->u.address))
        status =
            refuse(file, SWG_CORRUPT, "has a damaged header, or one of a kind that is not read");
    else if (link->type == H5L_TYPE_HARD)
        status = visit_object(file, group, name);
    else
        status = refuse(file, SWG_UNSUPPORTED,
                        link->type == H5L_TYPE_SOFT ? "is a soft link, which is not followed"
                        : link->type == H5L_TYPE_EXTERNAL
                            ? "is a link into another file, which is not followed"
                            : "is a link of an unknown kind");
    file->object_length = before;
    file->object[before] = '\0';
    return status;
}

static herr_t walk_step(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
    swg_h5_file *file = context;
    file->walk_status = visit_link(file, group, name, link);
    return file->walk_status == SWG_OK ? 0 : -1;
}

static swg_status walk_group(swg_h5_file *file, hid_t group)
{
    if (++file->depth > MAX_DEPTH)
        return refuse(file, SWG_CORRUPT, "lies too deep");
    hsize_t position = 0;
    const herr_t result = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &position, walk_step, file);
    file->depth--;
    if (file->walk_status != SWG_OK)
        return file->walk_status;
    return result < 0 ? library_error(SWG_CORRUPT, file->path, "list", file->object) : SWG_OK;
}

static swg_status open_locked(swg_h5_file *file)
{
    uint64_t root;
    if (!swg_h5_find_root(file->map, &root) || !swg_h5_header_is_sound(file->map, root))
        return swg_error(SWG_CORRUPT,
                         "%s: the superblock or the root group is damaged, or of a "
                         "kind that is not read",
                         file->path);
    const hid_t fapl = make_access(&file->channel);
    if (fapl < 0)
        return library_error(SWG_NO_MEMORY, file->path, "prepare", "");
    file->id = H5Fopen(file->path, OPEN_TO_READ, fapl);
    H5Pclose(fapl);
    if (file->channel.failure != SWG_OK)
        return file->channel.failure;
    if (file->id < 0)
        return library_error(SWG_CORRUPT, file->path, "open", "");
    H5O_info_t info;
    bool is_new;
    if (H5Oget_info2(file->id, &info, H5O_INFO_BASIC) < 0)
        return library_error(SWG_CORRUPT, file->path, "examine", "");
    SWG_TRY(swg_h5_addresses_add(&file->groups, info.addr, &is_new));
    return walk_group(file, file->id);
}

static int compare_paths(const void *a, const void *b)
{
    const swg_h5_entry *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

swg_status swg_h5_open(const char *path, const swg_map *map, swg_h5_file **out)
{
    swg_status status = SWG_OK;
    swg_h5_file *file = NULL;
    SWG_GO(SWG_NEW(file, 1));
    file->id = file->open_dataset = H5I_INVALID_HID;
    file->map = map;
    file->channel.map = map;
    file->path = swg_arena_strndup(&file->arena, path, strlen(path));
    SWG_GO(file->path ? SWG_OK : SWG_NO_MEMORY);
    lock_library();
    status = open_locked(file);
    unlock_library();
    SWG_GO(status);
    if (file->n_entries)
        qsort(file->entries, file->n_entries, sizeof *file->entries, compare_paths);
    *out = file;
    file = NULL;
done:
    swg_h5_close(&file);
    return status;
}

void swg_h5_close(swg_h5_file **file)
{
    swg_h5_file *f = *file;
    if (!f)
        return;
    lock_library();
    if (f->open_dataset >= 0)
        H5Dclose(f->open_dataset);
    if (f->id >= 0)
        H5Fclose(f->id);
    unlock_library();
    swg_free(f->entries);
    swg_free(f->groups.slots);
    swg_free(f->datasets.slots);
    swg_arena_deinit(&f->arena);
    SWG_FREE(*file);
}

const char *swg_h5_path(const swg_h5_file *file)
{
    return file->path;
}

size_t swg_h5_n_entries(const swg_h5_file *file)
{
    return file->n_entries;
}

const swg_h5_entry *swg_h5_entry_at(const swg_h5_file *file, size_t index)
{
    return file->entries[index];
}

const swg_h5_entry *swg_h5_find(const swg_h5_file *file, const char *path)
{
    const swg_h5_entry wanted = {.path = path}, *key = &wanted;
    swg_h5_entry **found = file->n_entries ? bsearch(&key, file->entries, file->n_entries,
                                                     sizeof *file->entries, compare_paths)
                                           : NULL;
    return found ? *found : NULL;
}

/* --- Reading: numbers ------------------------------------------------------------------------- */

static swg_status open_entry(swg_h5_file *file, const swg_h5_entry *entry)
{
    if (file->open_entry == entry)
        return SWG_OK;
    if (file->open_dataset >= 0)
        H5Dclose(file->open_dataset);
    file->open_entry = NULL;
    file->open_dataset = H5Dopen2(file->id, entry->path, H5P_DEFAULT);
    if (file->open_dataset < 0)
        return library_error(SWG_CORRUPT, file->path, "open", entry->path);
    file->open_entry = entry;
    return SWG_OK;
}

static swg_status read_block(swg_h5_file *file, const swg_h5_entry *entry,
                             const uint64_t from[SWG_MAX_RANK], const uint64_t n[SWG_MAX_RANK],
                             void *out)
{
    hsize_t start[SWG_MAX_RANK], count[SWG_MAX_RANK];
    for (uint32_t i = 0; i < entry->rank; i++) {
        start[i] = from[i];
        count[i] = n[i];
    }
    SWG_TRY(open_entry(file, entry));
    const hid_t stored = H5Dget_type(file->open_dataset);
    const hid_t space = H5Dget_space(file->open_dataset);
    const hid_t type = stored < 0 ? stored : memory_type(stored);
    const hid_t memory =
        entry->rank ? H5Screate_simple((int)entry->rank, count, NULL) : H5Screate(H5S_SCALAR);
    herr_t result = -1;
    if (type >= 0 && space >= 0 && memory >= 0 &&
        (entry->rank == 0 ||
         H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0))
        result = H5Dread(file->open_dataset, type, memory, space, H5P_DEFAULT, out);
    const swg_status status =
        result < 0 ? library_error(SWG_CORRUPT, file->path, "read", entry->path) : SWG_OK;
    drop(memory);
    drop(type);
    drop(space);
    drop(stored);
    return status;
}

swg_status swg_h5_read_compact(swg_h5_file *file, const swg_h5_entry *entry,
                               const uint64_t start[SWG_MAX_RANK],
                               const uint64_t count[SWG_MAX_RANK], void *out)
{
    lock_library();
    const swg_status status = read_block(file, entry, start, count, out);
    unlock_library();
    return status;
}

swg_status swg_h5_find_chunk(swg_h5_file *file, const swg_h5_entry *entry,
                             const uint64_t corner[SWG_MAX_RANK], swg_h5_chunk *out)
{
    hsize_t at[SWG_MAX_RANK], bytes = 0;
    haddr_t offset = HADDR_UNDEF;
    unsigned skipped = 0;
    for (uint32_t i = 0; i < entry->rank; i++)
        at[i] = corner[i];
    lock_library();
    swg_status status = open_entry(file, entry);
    if (status == SWG_OK &&
        (H5Dget_chunk_info_by_coord(file->open_dataset, at, &skipped, &offset, &bytes) < 0 ||
         offset == HADDR_UNDEF))
        status = library_error(SWG_CORRUPT, file->path, "find a chunk of", entry->path);
    unlock_library();
    *out = (swg_h5_chunk){.offset = offset, .bytes = bytes, .skipped_filters = skipped};
    return status;
}

const swg_map *swg_h5_map(const swg_h5_file *file)
{
    return file->map;
}

/* --- Reading: attributes ---------------------------------------------------------------------- */

static const char *object_name(const char *object)
{
    return *object ? object : ".";
}

bool swg_h5_has_attribute(swg_h5_file *file, const char *object, const char *name)
{
    lock_library();
    const htri_t exists = H5Aexists_by_name(file->id, object_name(object), name, H5P_DEFAULT);
    unlock_library();
    return exists > 0;
}

swg_status swg_h5_read_texts(swg_h5_file *file, const char *object, const char *name,
                             swg_arena *arena, const char *const **out, size_t *count)
{
    H5O_info_t info;
    lock_library();
    const herr_t result =
        H5Oget_info_by_name2(file->id, object_name(object), &info, H5O_INFO_BASIC, H5P_DEFAULT);
    unlock_library();
    const swg_status status =
        result < 0 ? SWG_CORRUPT : swg_h5_texts(file->map, info.addr, name, arena, out, count);
    if (status != SWG_CORRUPT)
        return status;
    return swg_error(SWG_CORRUPT,
                     "%s: attribute %s of %.300s is not a text or a list of texts in its object's "
                     "header",
                     file->path, name, *object ? object : "the file");
}

/* --- Writing ---------------------------------------------------------------------------------- */

struct swg_h5_output {
    char *path;
    channel channel;
    hid_t id;
};

/* What a call made of it: a failure to write comes before the library's view. */
static swg_status settle(const swg_h5_output *output, bool is_done, const char *object)
{
    if (output->channel.failure != SWG_OK)
        return output->channel.failure;
    return is_done ? SWG_OK : library_error(SWG_FAILED, output->path, "write", object);
}

/* Creation properties without times: the same input gives the same bytes. */
static hid_t make_timeless(hid_t kind)
{
    const hid_t list = H5Pcreate(kind);
    if (list >= 0 && H5Pset_obj_track_times(list, false) < 0) {
        H5Pclose(list);
        return H5I_INVALID_HID;
    }
    return list;
}

swg_status swg_h5_create(const char *path, swg_file_writer *writer, swg_h5_output **out)
{
    swg_status status = SWG_OK;
    swg_h5_output *output = NULL;
    SWG_GO(SWG_NEW(output, 1));
    output->id = H5I_INVALID_HID;
    output->channel.writer = writer;
    output->path = swg_strdup(path);
    SWG_GO(output->path ? SWG_OK : SWG_NO_MEMORY);
    lock_library();
    const hid_t fapl = make_access(&output->channel), fcpl = make_timeless(H5P_FILE_CREATE);
    if (fapl >= 0 && fcpl >= 0)
        output->id = H5Fcreate(path, CREATE_ANEW, fcpl, fapl);
    status = settle(output, output->id >= 0, "");
    drop(fcpl);
    drop(fapl);
    unlock_library();
    SWG_GO(status);
    *out = output;
    output = NULL;
done:
    swg_h5_abort(&output);
    return status;
}

static hid_t stored_type(swg_dtype dtype)
{
    switch (dtype) {
    case SWG_F16: {
        const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
        if (type >= 0 && (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 ||
                          H5Tset_ebias(type, 15) < 0)) {
            H5Tclose(type);
            return H5I_INVALID_HID;
        }
        return type;
    }
    case SWG_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case SWG_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case SWG_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case SWG_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case SWG_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case SWG_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case SWG_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case SWG_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case SWG_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case SWG_U64:
        return H5Tcopy(H5T_STD_U64LE);
    default:
        return H5I_INVALID_HID;
    }
}

/* Every group that `path` leads through. */
static bool make_groups(hid_t file, const char *path)
{
    const hid_t gcpl = make_timeless(H5P_GROUP_CREATE);
    bool is_done = gcpl >= 0;
    char name[MAX_PATH_BYTES];
    for (size_t i = 0; is_done && path[i] && i < sizeof name; i++) {
        name[i] = '\0';
        if (path[i] == '/' && H5Lexists(file, name, H5P_DEFAULT) <= 0) {
            const hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, gcpl, H5P_DEFAULT);
            is_done = group >= 0;
            if (is_done)
                H5Gclose(group);
        }
        name[i] = path[i];
    }
    drop(gcpl);
    return is_done;
}

static bool set_chunks(hid_t dcpl, swg_dtype dtype, uint32_t rank, const uint64_t *shape)
{
    uint64_t box[SWG_MAX_RANK];
    hsize_t chunk[SWG_MAX_RANK];
    const unsigned elem_bytes = swg_dtype_bits(dtype) / 8;
    if (!swg_h5_chunk_box(elem_bytes, rank, shape, box))
        return true; /* nothing to cut */
    for (uint32_t i = 0; i < rank; i++)
        chunk[i] = box[i];
    return H5Pset_chunk(dcpl, (int)rank, chunk) >= 0 &&
           (elem_bytes == 1 || H5Pset_shuffle(dcpl) >= 0) && H5Pset_fletcher32(dcpl) >= 0;
}

swg_status swg_h5_put(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                      const uint64_t *shape, const void *data, uint64_t *stored_bytes)
{
    hsize_t dims[SWG_MAX_RANK] = {0};
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = shape[i];
    lock_library();
    const hid_t dcpl = make_timeless(H5P_DATASET_CREATE), type = stored_type(dtype);
    const hid_t space = rank ? H5Screate_simple((int)rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = H5I_INVALID_HID;
    if (dcpl >= 0 && type >= 0 && space >= 0 && set_chunks(dcpl, dtype, rank, shape) &&
        make_groups(output->id, path))
        dataset = H5Dcreate2(output->id, path, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    bool is_done =
        dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (is_done && stored_bytes)
        *stored_bytes = H5Dget_storage_size(dataset);
    const swg_status status = settle(output, is_done, path);
    drop(dataset);
    drop(space);
    drop(type);
    drop(dcpl);
    unlock_library();
    return status;
}

/* An attribute of one type and extent; closes both. */
static swg_status put_attribute(swg_h5_output *output, const char *object, const char *name,
                                hid_t type, hid_t space, const void *data)
{
    hid_t attribute = H5I_INVALID_HID;
    if (type >= 0 && space >= 0)
        attribute = H5Acreate_by_name(output->id, object_name(object), name, type, space,
                                      H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const bool is_done = attribute >= 0 && H5Awrite(attribute, type, data) >= 0;
    const swg_status status = settle(output, is_done, object);
    drop(attribute);
    drop(space);
    drop(type);
    return status;
}

swg_status swg_h5_put_text(swg_h5_output *output, const char *object, const char *name,
                           const char *text)
{
    lock_library();
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 &&
        (H5Tset_size(type, strlen(text) + 1) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        type = H5I_INVALID_HID;
    }
    const swg_status status =
        put_attribute(output, object, name, type, H5Screate(H5S_SCALAR), text);
    unlock_library();
    return status;
}

static void close_output(swg_h5_output *output, bool *is_done)
{
    lock_library();
    *is_done = output->id < 0 || H5Fclose(output->id) >= 0;
    output->id = H5I_INVALID_HID;
    unlock_library();
}

swg_status swg_h5_finish(swg_h5_output **output, uint64_t *bytes)
{
    swg_h5_output *o = *output;
    swg_status status = SWG_OK;
    bool is_done;
    close_output(o, &is_done);
    SWG_GO(settle(o, is_done, ""));
    /* What the library allocated at the end without writing it belongs to the file too. */
    if (o->channel.eoa > o->channel.end)
        SWG_GO(swg_file_write_at(o->channel.writer, o->channel.eoa - 1, "", 1));
    *bytes = o->channel.eoa > o->channel.end ? o->channel.eoa : o->channel.end;
done:
    swg_h5_abort(output);
    return status;
}

void swg_h5_abort(swg_h5_output **output)
{
    swg_h5_output *o = *output;
    bool is_done;
    if (!o)
        return;
    close_output(o, &is_done);
    swg_free(o->path);
    SWG_FREE(*output);
}
