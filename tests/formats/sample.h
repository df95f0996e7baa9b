/* A small checkpoint in memory for tests of files: tensors of many schemes with planes from a
 * generator, files, metadata; writing it, and comparing a source with it. */
#ifndef SWG_TESTS_FORMATS_SAMPLE_H
#define SWG_TESTS_FORMATS_SAMPLE_H

#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { SAMPLE_MAX_TENSORS = 64 };

/* Write a new file: file systems flush one that is truncated and rewritten, which makes thousands
 * of damaged copies slow. */
void sample_put_file(const char *path, const void *data, size_t length);

typedef struct sample {
    size_t n_tensors;
    swg_tensor_desc tensors[SAMPLE_MAX_TENSORS];
    char names[SAMPLE_MAX_TENSORS][64];
    uint8_t *planes[SAMPLE_MAX_TENSORS][SWG_PLANE_KINDS]; /* by kind */
    swg_file_view files[3];
    const char *metadata[4];
    swg_sink_meta meta;
    swg_rng rng;
    float mean, spread; /* of the floats of the next tensors */
} sample;

/* A configuration, three files, metadata, no tensors yet; floats of mean 0 and spread 0.02. */
void sample_init(sample *s);
void sample_deinit(sample *s);

/* A tensor whose planes are filled by the generator. */
void sample_add(sample *s, const char *name, swg_scheme scheme, uint32_t rank, uint64_t d0,
                uint64_t d1);

/* Take one out again. */
void sample_remove(sample *s, size_t index);

/* A few tensors of every kind; about 2 KiB. */
void sample_add_small(sample *s);

/* Through the writer that the path's ending picks. */
swg_status sample_write(const sample *s, const char *path, const swg_sink_options *options);

/* Every plane of every tensor, whole. */
swg_status sample_compare(const sample *s, swg_source *source);

/* Everything a source offers: verification (if requested), every plane, every file. Returns the
 * first failure, but goes on after it. */
swg_status sample_use(const char *path, bool verify);
swg_status sample_use_bytes(const char *name, const void *bytes, size_t size);

#endif
