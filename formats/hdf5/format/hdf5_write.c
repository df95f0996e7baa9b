/* Writing HDF5 files: the only user of libhdf5. It does no input or output of its own: a driver of
 * ours gives it the project's file writer, whose failures it never gets to see (it cannot close a
 * file that it failed to write; ours are kept and reported after the call). */
#include "formats/hdf5/format/hdf5_write.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The interface of 1.10 from whatever version is installed. */
#define H5_USE_110_API
#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "formats/hdf5/format/hdf5_write_chunks.h"

enum {
    /* As H5F_ACC_TRUNC, which ends the process when headers and library differ. */
    CREATE_ANEW = 2,
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
static swg_status library_error(const char *path, const char *object)
{
    char reason[128] = "no reason given";
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, reason);
    return swg_error(SWG_FAILED, "%s: libhdf5 cannot write %.300s (%s)", path,
                     *object ? object : "the file", reason);
}

/* --- The driver ------------------------------------------------------------------------------- */

/* Where the bytes go. */
typedef struct channel {
    swg_file_writer *writer;
    const void *placeholder; /* not written: only asked where it belongs */
    uint64_t place;          /* the answer */
    uint64_t end;            /* written so far */
    uint64_t eoa;            /* allocated when the library closed it */
    swg_status failure;      /* the first of ours; nothing is written behind it */
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
    return ((const driver_file *)library)->channel->end;
}

static herr_t driver_read(H5FD_t *library, H5FD_mem_t type, hid_t dxpl, haddr_t address,
                          size_t bytes, void *out)
{
    (void)type;
    (void)dxpl;
    const channel *c = ((const driver_file *)library)->channel;
    if (address > c->end || bytes > c->end - address)
        return -1;
    return swg_file_read_at(c->writer, address, out, bytes) == SWG_OK ? 0 : -1;
}

static herr_t driver_write(H5FD_t *library, H5FD_mem_t type, hid_t dxpl, haddr_t address,
                           size_t bytes, const void *data)
{
    (void)type;
    (void)dxpl;
    channel *c = ((driver_file *)library)->channel;
    if (data == c->placeholder)
        c->place = address;
    else if (c->failure == SWG_OK)
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

/* --- Files ------------------------------------------------------------------------------------ */

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
    return is_done ? SWG_OK : library_error(output->path, object);
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

static bool set_chunks(hid_t dcpl, const swg_h5_cut *cut)
{
    hsize_t chunk[SWG_MAX_RANK];
    for (uint32_t i = 0; i < cut->rank; i++)
        chunk[i] = cut->chunk[i];
    return H5Pset_chunk(dcpl, (int)cut->rank, chunk) >= 0 &&
           (cut->elem_bytes == 1 || H5Pset_shuffle(dcpl) >= 0) && H5Pset_fletcher32(dcpl) >= 0;
}

/* Where each chunk belongs: the library gets the same bytes for all of them, which the driver does
 * not write. They are never read back, and all chunks have the same size. */
static bool place_chunks(channel *c, hid_t dataset, const swg_h5_cut *cut, const void *bytes,
                         uint64_t *places)
{
    bool is_done = true;
    c->placeholder = bytes;
    for (uint64_t i = 0; i < cut->n_chunks && is_done; i++) {
        uint64_t corner[SWG_MAX_RANK];
        hsize_t at[SWG_MAX_RANK];
        swg_h5_cut_corner(cut, i, corner);
        for (uint32_t d = 0; d < cut->rank; d++)
            at[d] = corner[d];
        c->place = UINT64_MAX;
        is_done = H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, at, cut->stored_bytes, bytes) >= 0 &&
                  c->place != UINT64_MAX;
        places[i] = c->place;
    }
    c->placeholder = NULL;
    return is_done;
}

static hid_t make_dataset(const swg_h5_output *output, const char *path, swg_dtype dtype,
                          uint32_t rank, const uint64_t *shape, const swg_h5_cut *cut)
{
    hsize_t dims[SWG_MAX_RANK] = {0};
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = shape[i];
    const hid_t dcpl = make_timeless(H5P_DATASET_CREATE), type = stored_type(dtype);
    const hid_t space = rank ? H5Screate_simple((int)rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = H5I_INVALID_HID;
    if (dcpl >= 0 && type >= 0 && space >= 0 && (!cut || set_chunks(dcpl, cut)) &&
        make_groups(output->id, path))
        dataset = H5Dcreate2(output->id, path, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    drop(space);
    drop(type);
    drop(dcpl);
    return dataset;
}

/* A scalar or an empty dataset, in one piece. */
static swg_status put_whole(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                            const uint64_t *shape, const void *data, uint64_t *stored_bytes)
{
    lock_library();
    const hid_t dataset = make_dataset(output, path, dtype, rank, shape, NULL);
    const hid_t type = dataset < 0 ? dataset : H5Dget_type(dataset);
    const bool is_done =
        type >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (is_done && stored_bytes)
        *stored_bytes = H5Dget_storage_size(dataset);
    const swg_status status = settle(output, is_done, path);
    drop(type);
    drop(dataset);
    unlock_library();
    return status;
}

swg_status swg_h5_put(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                      const uint64_t *shape, const void *data, swg_pool *pool,
                      uint64_t *stored_bytes)
{
    swg_h5_cut cut;
    if (!swg_h5_cut_make(swg_dtype_bits(dtype) / 8, rank, shape, &cut))
        return put_whole(output, path, dtype, rank, shape, data, stored_bytes);
    swg_status status = SWG_OK;
    uint8_t *placeholder = NULL;
    uint64_t *places = NULL;
    SWG_GO(SWG_NEW(placeholder, cut.stored_bytes));
    SWG_GO(SWG_NEW(places, (size_t)cut.n_chunks));
    lock_library();
    const hid_t dataset = make_dataset(output, path, dtype, rank, shape, &cut);
    const bool is_done =
        dataset >= 0 && place_chunks(&output->channel, dataset, &cut, placeholder, places);
    status = settle(output, is_done, path);
    drop(dataset);
    unlock_library();
    SWG_GO(status);
    SWG_GO(swg_h5_put_chunks(&cut, data, places, output->channel.writer, pool));
    if (stored_bytes)
        *stored_bytes = cut.n_chunks * cut.stored_bytes;
done:
    swg_free(places);
    swg_free(placeholder);
    return status;
}

/* An attribute of one type and extent; closes both. */
static swg_status put_attribute(swg_h5_output *output, const char *object, const char *name,
                                hid_t type, hid_t space, const void *data)
{
    hid_t attribute = H5I_INVALID_HID;
    if (type >= 0 && space >= 0)
        attribute = H5Acreate_by_name(output->id, *object ? object : ".", name, type, space,
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
