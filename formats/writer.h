/* What a file format's writer is made of: one `const swg_writer swg_writer_<name>` and one row in
 * formats.def. sink.c checks and copies what the caller gave; a writer lays it out. */
#ifndef SWG_FORMATS_WRITER_H
#define SWG_FORMATS_WRITER_H

#include "formats/formats.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

typedef struct swg_writer swg_writer;

struct swg_sink {
    const swg_writer *writer;
    const char *format; /* the writer's word in formats.def */
    const char *path;
    bool force;
    int level;
    uint64_t max_shard_bytes; /* 0 = one file */
    swg_pool *pool;
    const char *element_type; /* of swg_sink_options; valid during open only */
    bool keep_nonfinite;
    uint64_t n_nonfinite; /* stored so far where numbers changed their type */
    swg_arena arena;
    swg_tensor_desc *tensors; /* in the caller's order */
    size_t n_tensors, n_written;
    size_t *by_name;        /* tensor indices sorted by name */
    uint64_t *stored_bytes; /* of tensors already written */
    swg_sink_meta meta;     /* copies, except files: the caller's, valid during open only */
    char *provenance;
    void *state; /* the writer's own */
};

/* For writers that change the type of a tensor's numbers: count those that are not finite, from
 * element 0 on. SWG_CORRUPT, naming the first, unless they are kept. */
swg_status swg_sink_check_finite(swg_sink *sink, const char *name, swg_dtype dtype,
                                 const void *numbers, uint64_t count);

/* SWG_USAGE when an output's folder, which exists, holds anything. */
swg_status swg_sink_check_empty(const char *path);

struct swg_writer {
    /* Refuse what cannot be represented; NULL = nothing is refused. */
    swg_status (*check)(const swg_sink *sink);
    /* Start the output. On failure close() undoes everything. */
    swg_status (*open)(swg_sink *sink);
    swg_status (*write)(swg_sink *sink, size_t tensor, const void *const planes[SWG_PLANE_KINDS],
                        uint64_t *stored_bytes);
    /* A tensor that is not written yet has got another scheme; NULL = schemes are fixed. */
    swg_status (*change_scheme)(swg_sink *sink, size_t tensor);
    /* Make the output durable and visible; its size. close() follows. */
    swg_status (*finish)(swg_sink *sink, uint64_t *bytes);
    /* Free the state; remove what was not finished. */
    void (*close)(swg_sink *sink);
    /* Size of the output without writing it (nothing is open). */
    swg_status (*plan)(swg_sink *sink, uint64_t *bytes, bool *is_exact);
    /* Whether it holds a quantized tensor as it is; NULL = plain tensors only. */
    bool (*holds)(const swg_tensor_desc *desc);
    /* Whether it makes plain matrices of that element type itself; NULL = it makes none. */
    bool (*takes_element_type)(const char *word);
    bool writes_folders;   /* also when no format was named and the path has no known ending */
    bool can_shard;        /* takes max_shard_bytes */
    bool translates_config; /* writes keys of its own, which other programs trust */
    bool keeps_provenance;  /* the history of meta is written */
};

#define SWG_WRITER(name, word, endings, meaning) extern const swg_writer swg_writer_##name;
#include "formats/formats.def"

#endif
