/* What a file format's reader is made of: one `const swg_reader swg_reader_<name>` and one row in
 * formats.def. A reader fills a swg_source while opening; source*.c do everything that formats have
 * in common (look-up, files, dequantizing, fingerprints, verification). */
#ifndef SWG_FORMATS_READER_H
#define SWG_FORMATS_READER_H

#include <pthread.h>

#include "formats/formats.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* What is known of a path before a reader is chosen. */
enum { SWG_PROBE_BYTES = 512 };
typedef struct swg_probe {
    const char *path;
    bool is_directory;
    uint8_t head[SWG_PROBE_BYTES]; /* the file's first bytes; zero beyond head_bytes */
    size_t head_bytes;
    uint64_t file_bytes;
} swg_probe;

/* More carried files or metadata entries than these are refused: no checkpoint has them, and they
 * are looked up one by one. */
enum { SWG_MAX_FILES = 1024, SWG_MAX_METADATA = 4096 };

/* Of one carried file: tokenizers and the like; the largest vocabularies in use have 40 MB. */
enum { SWG_MAX_CARRIED_BYTES = 256 << 20 };

/* A tensor of a source. Bytes of mapped formats are at map->data + offset, in canonical layout;
 * other readers keep what they need in `detail` (of the source's arena). */
typedef struct swg_stored_tensor swg_stored_tensor;
struct swg_stored_tensor {
    swg_tensor_desc desc;
    const swg_plane *planes; /* of the source's arena */
    size_t n_planes;
    size_t same_as;
    const swg_map *map;
    size_t offset;
    bool is_transposed; /* the map holds the plain matrix column by column (conv1d.h) */
    /* Rows of a plane of a tensor that the file holds in another layout (packed_codes.h); NULL: as
     * the reader reads all of them. */
    swg_status (*read)(swg_source *source, const swg_stored_tensor *tensor, const swg_plane *plane,
                       uint64_t row_begin, uint64_t n_rows, void *out);
    void *detail;
};

/* A file carried verbatim: loaded when first asked for, from `path` or by reader->load_file. */
typedef struct swg_source_file_entry {
    const char *name;
    const char *path; /* NULL: load_file */
    void *detail;
    char *data; /* NULL until loaded */
    size_t length;
} swg_source_file_entry;

typedef struct swg_reader swg_reader;

struct swg_source {
    const swg_reader *reader;
    const char *path;
    swg_map memory;  /* of a source that is not a file; else no data */
    swg_arena arena; /* names, details */
    swg_stored_tensor *tensors;
    size_t n_tensors, tensor_capacity;
    swg_plane *spare_planes; /* of the arena, for the tensors to come */
    size_t n_spare_planes;
    swg_source_file_entry *files;
    size_t n_files, file_capacity;
    const char **metadata; /* 2 * n_metadata */
    size_t n_metadata, metadata_capacity;
    const char **inputs; /* paths of every file read, for the fingerprint */
    size_t n_inputs, input_capacity;
    swg_extension *extensions;
    size_t n_extensions, extension_capacity;
    uint32_t optional_features;
    const char *config, *provenance;
    size_t config_length;
    const char *removed_prefix; /* of all names: a wrapper's */
    const char *left_out;       /* of a folder: names, for a sentence */
    pthread_mutex_t mutex; /* guards loading of files, and what a reader says */
    void *state;           /* the reader's own */
};

struct swg_reader {
    const char *name;
    const char *summary; /* "Hugging Face safetensors (file or folder)" */
    /* Whether this reader takes the path: decided by content alone. */
    bool (*claims)(const swg_probe *probe);
    /* ".gguf": a file with this ending that no reader claims is opened by this one, which says what
     * is wrong with it; NULL when others use the ending too. */
    const char *ending;
    /* Fill the source. On failure swg_source_close undoes everything, close() included. */
    swg_status (*open)(swg_source *source, const swg_probe *probe);
    void (*close)(swg_source *source);
    /* The rest may be NULL: mapped formats need none of it.
     * Rows of a plane (range already checked). */
    swg_status (*read)(swg_source *source, const swg_stored_tensor *tensor, const swg_plane *plane,
                       uint64_t row_begin, uint64_t n_rows, void *out);
    uint64_t (*rows_per_read)(const swg_stored_tensor *tensor, const swg_plane *plane);
    uint64_t (*stored_bytes)(const swg_stored_tensor *tensor);
    uint64_t (*plane_stored_bytes)(const swg_stored_tensor *tensor, size_t plane);
    void (*release)(swg_source *source, const swg_stored_tensor *tensor);
    swg_status (*load_file)(swg_source *source, swg_source_file_entry *file);
    swg_status (*fingerprint)(swg_source *source, char out[33]);
    swg_status (*verify)(swg_source *source, swg_pool *pool, const swg_progress *progress,
                         swg_damage_callback *damaged, void *context);
};

#define SWG_READER(name, endings) extern const swg_reader swg_reader_##name;
#include "formats/formats.def"

/* --- For readers while opening ------------------------------------------------------------------
 * Strings are copied. SWG_NO_MEMORY, or what the check of the description says. */
swg_status swg_source_add_tensor(swg_source *source, const char *name, size_t name_length,
                                 swg_scheme scheme, uint32_t rank, const uint64_t *shape,
                                 swg_stored_tensor **out);
/* Check a tensor's description and derive its planes: again where a reader has
 * changed the description. */
swg_status swg_source_set_planes(swg_source *source, swg_stored_tensor *tensor);
/* Put the tensors into the order of names (swg_source_open does it after the reader). SWG_CORRUPT
 * when two have one name. */
swg_status swg_source_sort_tensors(swg_source *source);
/* `path` or `detail` says where the bytes are. SWG_CORRUPT for names that are not those of
 * swg_folder_files (huggingface/carried_names.h). A second file of one name replaces the first. */
swg_status swg_source_add_file(swg_source *source, const char *name, const char *path,
                               void *detail);
/* The same with the file's bytes, which are copied. */
swg_status swg_source_add_file_copy(swg_source *source, swg_file_view file);
swg_status swg_source_add_metadata(swg_source *source, const char *key, const char *value);
swg_status swg_source_add_input(swg_source *source, const char *path);
/* SWG_CORRUPT unless the text is a JSON object. */
swg_status swg_source_set_config(swg_source *source, const char *text, size_t length);

/* Map one of the source's files, or borrow its memory. SWG_UNSUPPORTED for files that are certainly
 * not weights (runtime/base/file_kind.h). The reader closes *out. */
swg_status swg_source_map(const swg_source *source, const char *path, swg_map *out);

/* Read a plain plane from the map of its tensor. */
void swg_source_read_mapped(const swg_stored_tensor *tensor, const swg_plane *plane,
                            uint64_t row_begin, uint64_t n_rows, void *out);

/* config.json and the tokenizer files of a folder that are there (hf_folder.c); none for a source
 * in memory. */
swg_status swg_source_add_folder(swg_source *source, const char *folder);

/* Set left_out of a source whose path is a folder, when it has its inputs and files. */
swg_status swg_source_list_left_out(swg_source *source);

/* SWG_UNSUPPORTED for a folder that no reader takes, with what it holds instead: an adapter, a
 * cache, a file that may be a model. `known` lists the formats. SWG_IO. */
swg_status swg_folder_refuse(const char *path, const char *known);

/* Rows per frame or read: about 512 KiB, a multiple of 16 where 16 rows fit into 1 MiB, at least
 * one row, at most what there is (but 1 for an empty plane). */
uint64_t swg_plane_rows_per_frame(const swg_plane *plane);

/* Whether `count` numbers of a plane are what its kind demands; the index of the first that is not
 * finite, though it must be, in *bad. */
bool swg_plane_is_valid(const swg_plane *plane, const void *numbers, size_t count, size_t *bad);

#endif
