/* Checkpoint files: one way to read them all, one way to write them all.
 *
 *     swg_source *source;
 *     SWG_TRY(swg_source_open("model-folder", NULL, &source));
 *     for (size_t i = 0; i < swg_source_n_tensors(source); i++)
 *         puts(swg_source_tensor(source, i)->name);
 *     swg_source_close(&source);
 *
 * A checkpoint is a configuration, tensors and named files. Whatever the format, it is presented in
 * one convention, so that nobody above this folder asks which format it came from:
 *   - the configuration is Hugging Face's config.json (readers of other formats write one);
 *   - tensors carry their Hugging Face names and rotary pairing (halves), and the layout [out, in]
 *     (GPT-2's Conv1D weights, which Hugging Face stores [in, out], are transposed: conv1d.h);
 *   - files are carried verbatim under their usual names (tokenizer.json, tokenizer.bin, ...).
 *
 * Everything in a file is hostile: readers check every length, count and offset once, on opening,
 * before use, and never allocate more than the file justifies. */
#ifndef SWG_FORMATS_FORMATS_H
#define SWG_FORMATS_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct swg_source swg_source;

typedef struct swg_source_options {
    size_t size;           /* of this struct */
    const char *tokenizer; /* path of a tokenizer file to use instead of the one found; default
                              NULL: none */
} swg_source_options;

swg_source_options swg_source_options_default(void);

/* Open a checkpoint of any format that formats.def has a reader of: a file (with config.json and
 * tokenizer beside it where the format keeps them there) or a folder. The format is told by
 * content, not by name. `options` may be NULL. SWG_IO, SWG_CORRUPT, SWG_UNSUPPORTED with a sentence
 * that names the file. */
swg_status swg_source_open(const char *path, const swg_source_options *options, swg_source **out);

/* The same for a checkpoint that is one file in memory. `name` is what messages call it; `bytes`,
 * at any alignment, stay the caller's and must outlive the source. Nothing is looked for beside it:
 * the configuration and tokenizer are those inside, and an index of several files is refused. */
swg_status swg_source_open_bytes(const char *name, const void *bytes, size_t size,
                                 const swg_source_options *options, swg_source **out);
void swg_source_close(swg_source **source); /* NULL inside is accepted */

const char *swg_source_format(const swg_source *source); /* "safetensors", "gguf", ... */
const char *swg_source_path(const swg_source *source);   /* as given to open */

/* Whether `path` is one of the files that the checkpoint is read from. */
bool swg_source_reads(const swg_source *source, const char *path);

/* Tensors, sorted by name bytes; the description lives as long as the source. A wrapper's prefix
 * that every name has ("_orig_mod." of torch.compile, "module." of data-parallel training) is left
 * out. */
size_t swg_source_n_tensors(const swg_source *source);
const char *swg_source_removed_prefix(const swg_source *source); /* that prefix; "" = none */
const swg_tensor_desc *swg_source_tensor(const swg_source *source, size_t index);
/* Index of the tensor with that name, or SIZE_MAX. O(log n). */
size_t swg_source_find(const swg_source *source, const char *name);
/* Index of the earlier tensor whose stored bytes this one shares (tied tensors stored once), or
 * its own index. */
size_t swg_source_same_as(const swg_source *source, size_t index);

/* The planes of a tensor in storage order; how many in *n. Valid as long as the source. */
const swg_plane *swg_source_planes(const swg_source *source, size_t tensor, size_t *n);

/* Rows [row_begin, row_begin + n_rows) of one plane of a tensor, in the canonical layout of
 * tensor.h, to `out` (n_rows * row_bytes). Safe from several threads, and cheapest when row_begin
 * is a multiple of swg_source_rows_per_read and n_rows is that (or less at the end): such a read
 * decompresses each frame once. SWG_CORRUPT, naming tensor and offset, when stored bytes do not
 * match their hash. */
swg_status swg_source_read(swg_source *source, size_t tensor, swg_plane_kind kind,
                           uint64_t row_begin, uint64_t n_rows, void *out);

/* A whole plane where it lies in a mapped file: canonical layout, aligned for its elements, valid
 * as long as the source. NULL when it has to be read (compressed, rearranged or misaligned). */
const void *swg_source_view(const swg_source *source, size_t tensor, swg_plane_kind kind);

/* Best number of rows a read: a multiple of 16 where the plane has that many, about 256 KiB-1 MiB.
 */
uint64_t swg_source_rows_per_read(swg_source *source, size_t tensor, swg_plane_kind kind);

/* Rows of a tensor as the floats that they mean, [n_rows][cols], whatever its format.
 * SWG_UNSUPPORTED for plain tensors of types other than F32, F16, BF16 and F64. Safe from several
 * threads. */
swg_status swg_source_read_f32(swg_source *source, size_t tensor, uint64_t row_begin,
                               uint64_t n_rows, float *out);

/* Bytes of the tensor as stored (after compression); equals swg_tensor_bytes for plain formats. */
uint64_t swg_source_stored_bytes(const swg_source *source, size_t tensor);

/* The same of its planes [plane], in storage order. */
uint64_t swg_source_plane_stored_bytes(const swg_source *source, size_t tensor, size_t plane);

/* Say that a tensor is done with, so that its pages may be dropped: they are read again when it is
 * read again. Safe from several threads, also while one reads the tensor. */
void swg_source_release(swg_source *source, size_t tensor);

/* The configuration, as JSON text with a NUL after it; "{}" when the checkpoint has none. */
const char *swg_source_config(const swg_source *source, size_t *length);

/* Files carried verbatim. `data` has a NUL after its `length` bytes. */
typedef struct swg_file_view {
    const char *name;
    const char *data;
    size_t length;
} swg_file_view;
size_t swg_source_n_files(const swg_source *source);
const char *swg_source_file_name(const swg_source *source, size_t index); /* loads nothing */
swg_status swg_source_file(swg_source *source, size_t index, swg_file_view *out);
/* What else lies in a checkpoint's folder and is neither read nor carried, for a sentence: "a, b
 * and 3 more"; "" when there is nothing. Names that start with a dot do not count. */
const char *swg_source_left_out(const swg_source *source);
/* By name; SWG_FAILED with a sentence when there is none. */
swg_status swg_source_find_file(swg_source *source, const char *name, swg_file_view *out);

/* The usual name of a tokenizer's file by its content: "tokenizer.json" when it is JSON,
 * "tokenizer.model" when it begins as a SentencePiece model does (two length-prefixed fields number
 * 1, a piece and its text), "vocab.txt" when it begins with a bracket, else "tokenizer.bin". */
const char *swg_tokenizer_file_name(const void *data, size_t length);

/* Free-form string metadata (safetensors __metadata__), as pairs. */
size_t swg_source_n_metadata(const swg_source *source);
void swg_source_metadata(const swg_source *source, size_t index, const char **key,
                         const char **value);

/* History of the checkpoint as JSON array text (newest last; "[]" when unknown): see
 * swg_sink_meta.provenance and provenance.h. */
const char *swg_source_provenance(const swg_source *source);

/* Sections of a .swg that this version does not know and that may be carried along unread
 * (docs/container.md). Views that live as long as the source. */
typedef struct swg_extension {
    char tag[4];
    const void *data;
    size_t length;
} swg_extension;
const swg_extension *swg_source_extensions(const swg_source *source, size_t *count);

/* Check every stored byte against its hash and bounds; calls `damaged` (may be NULL) for each
 * tensor or file that fails, and goes on. SWG_CORRUPT when any did. Formats without hashes are
 * checked for structure and for readability. */
typedef void swg_damage_callback(void *context, const char *what, const char *sentence);
swg_status swg_source_verify(swg_source *source, swg_pool *pool, const swg_progress *progress,
                             swg_damage_callback *damaged, void *context);

/* Find the tensors that hold numbers that are not finite; calls `found` for each with how many and
 * the first's row and column (in the matrix of all its rows). Damage stops it: verify first.
 * *n_tensors (may be NULL) receives how many there are. Statuses of swg_source_read. */
typedef struct swg_nonfinite {
    const char *name;
    uint64_t count, row, column;
} swg_nonfinite;
typedef void swg_nonfinite_callback(void *context, const swg_nonfinite *found);
swg_status swg_source_find_nonfinite(swg_source *source, swg_pool *pool,
                                     const swg_progress *progress, swg_nonfinite_callback *found,
                                     void *context, size_t *n_tensors);

/* --- Writing ---------------------------------------------------------------------------------- */

typedef struct swg_sink swg_sink;

/* What goes into the new checkpoint besides tensors. Views; copied where needed. */
typedef struct swg_sink_meta {
    const char *config; /* JSON text */
    size_t config_length;
    const swg_file_view *files;
    size_t n_files;
    const char *const *metadata; /* 2 * n_metadata strings: key, value, ... */
    size_t n_metadata;
    const char
        *provenance; /* JSON array text, "[]" for none: what .swg keeps, other formats drop */
    const swg_extension *extensions; /* .swg keeps them, other formats drop them */
    size_t n_extensions;
    uint32_t optional_features; /* bits of a .swg's superblock that this version does not know */
} swg_sink_meta;

/* Fill a meta with all that a source carries (views into it, valid while it is open; all carried
 * files are loaded). The caller frees meta->files and meta->metadata with swg_sink_meta_deinit. */
swg_status swg_sink_meta_from_source(swg_source *source, swg_sink_meta *out);
void swg_sink_meta_deinit(swg_sink_meta *meta);

typedef struct swg_sink_options {
    size_t size;              /* of this struct */
    const char *format;       /* a writer's word in formats.def; default NULL: by the path's
                                 ending, a folder when it has none */
    bool force;               /* replace an existing output; default false */
    int level;                /* zstd level for .swg; default 0: the writer's */
    uint64_t max_shard_bytes; /* of a folder: split the weights into files with at most that many
                                 bytes of tensors, and write their index (a larger tensor gets a
                                 file of its own); default 0: one file. SWG_USAGE for other
                                 outputs. */
    swg_pool *pool;           /* compresses in parallel; default NULL: the caller only */
    const char *element_type; /* what a .gguf holds matrices of floats as: "f32", "f16", "bf16",
                                 "q8_0", "q4_0", "q4_1" (rounded as ggml's reference does);
                                 default NULL: as they are. SWG_USAGE for outputs that do not take
                                 it (swg_sink_takes_element_type). */
    bool keep_nonfinite;      /* with element_type: store what is NaN or infinite, or beyond that
                                 type, as NaN or infinity (swg_sink_nonfinite counts them); default
                                 false: SWG_CORRUPT or SWG_UNSUPPORTED. Blocks cannot hold them at
                                 all. */
} swg_sink_options;

swg_sink_options swg_sink_options_default(void);

/* Whether an output of that path could be opened, which its ending or a folder that is there names
 * the format of: for commands that work long before they open it. Nothing is made. SWG_USAGE when
 * it exists and `force` is false; SWG_IO when what it is to lie in is not a folder or cannot be
 * written to; SWG_UNSUPPORTED when no format is written under that name. */
swg_status swg_sink_check_path(const char *path, bool force);

/* Whether what would be written under that path (in that format, unless NULL) keeps
 * swg_sink_meta.provenance. */
bool swg_sink_keeps_provenance(const char *path, const char *format);

/* Whether it gets the configuration in the format's own terms, so that one that contradicts itself
 * must not be written. */
bool swg_sink_translates_config(const char *path, const char *format);

/* Whether that output holds a quantized tensor as it is (it may still refuse its numbers), and
 * whether it makes plain matrices of that element type itself. */
bool swg_sink_holds(const char *path, const char *format, const swg_tensor_desc *desc);
bool swg_sink_takes_element_type(const char *path, const char *format, const char *word);

/* Start an output holding exactly these tensors (sorted by name or not; schemes as they will be
 * stored). Refuses what the format cannot represent, before anything is written: SWG_UNSUPPORTED
 * with a sentence that says what and how to allow it. */
swg_status swg_sink_open(const char *path, const swg_sink_options *options,
                         const swg_sink_meta *meta, const swg_tensor_desc *tensors,
                         size_t n_tensors, swg_sink **out);

/* Store a tensor that is not written yet in another scheme than it was announced with. SWG_FAILED
 * when it is written, or the format fixes schemes at the start (.swg does not). */
swg_status swg_sink_change_scheme(swg_sink *sink, size_t tensor, swg_scheme scheme);

/* Write one whole tensor: all its planes by kind (NULL where it has none), canonical layout. Every
 * tensor of the list is written once, in the order of the list. A tensor whose planes equal an
 * earlier one's bytes is stored once where the format allows. The planes are the caller's again on
 * return. */
swg_status swg_sink_write(swg_sink *sink, size_t tensor, const void *const planes[SWG_PLANE_KINDS]);

/* Stored bytes of a tensor already written. */
uint64_t swg_sink_stored_bytes(const swg_sink *sink, size_t tensor);

/* Numbers stored so far that are NaN or infinite where numbers changed their type. */
uint64_t swg_sink_nonfinite(const swg_sink *sink);

/* Replace the provenance text before finishing (results known only now). Copied. */
swg_status swg_sink_set_provenance(swg_sink *sink, const char *provenance);

/* Finish, make durable, give the target its name; frees and clears *sink in every case. *bytes
 * (may be NULL) receives the size of everything written. On failure the old target is as it was. */
swg_status swg_sink_finish(swg_sink **sink, uint64_t *bytes);
void swg_sink_abort(swg_sink **sink); /* NULL inside is accepted */

/* Upper bound of the output file's size for a dry run: exact for formats without compression. */
swg_status swg_sink_plan_bytes(const char *path, const swg_sink_options *options,
                               const swg_sink_meta *meta, const swg_tensor_desc *tensors,
                               size_t n_tensors, uint64_t *bytes, bool *is_exact);

#endif
