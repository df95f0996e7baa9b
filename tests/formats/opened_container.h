/* A .swg taken apart, for tests that change its directory and keep the hashes around it correct. */
#ifndef SWG_TESTS_FORMATS_OPENED_CONTAINER_H
#define SWG_TESTS_FORMATS_OPENED_CONTAINER_H

#include "formats/bytes/bytes.h"
#include "formats/swg/frame.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "tests/formats/sample.h"

/* A container in memory whose directory is raw. */
typedef struct opened {
    uint8_t *frames; /* superblock and frames */
    size_t frame_bytes;
    uint8_t *directory;
    size_t directory_bytes;
} opened;

/* The file at `path`; close frees it. */
opened open_container(const char *path);
void close_container(opened *o);

/* Write it with a stored directory and correct outer hashes. */
void save_container(opened *o, const char *path);

#endif
