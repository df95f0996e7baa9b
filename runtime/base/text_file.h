/* Texts that a user names: files, pipes and standard input, read whole and checked once.
 *
 *     swg_text_file file;
 *     SWG_TRY(swg_text_file_open(path, SWG_TEXT_PROSE, &file));
 *     use(file.text, file.length);
 *     swg_text_file_close(&file);
 *
 * What is not a text - UTF-16, a model, an archive, anything with a NUL byte at its beginning - is
 * refused with the way out. The byte-order mark of UTF-8 is skipped, and a notice says so. */
#ifndef SWG_RUNTIME_BASE_TEXT_FILE_H
#define SWG_RUNTIME_BASE_TEXT_FILE_H

#include "runtime/base/file.h"
#include "runtime/base/strbuf.h"

typedef enum swg_text_use {
    SWG_TEXT_PROSE, /* a model reads it: a notice says when it is HTML, JSON objects or not UTF-8 */
    SWG_TEXT_DATA   /* lists, tables, JSON: their reader says what is wrong with them */
} swg_text_use;

typedef struct swg_text_file {
    const char *text; /* [length], a NUL after it only where `read` holds it; never NULL */
    size_t length;
    swg_map bytes;   /* the whole file, the byte-order mark too */
    swg_strbuf read; /* what a pipe gave; empty for a mapped file */
} swg_text_file;

/* `path` NULL and "-" mean standard input. SWG_IO; SWG_LIMIT for more than 2^31 bytes of a pipe;
 * SWG_UNSUPPORTED for files of known kinds that are not texts, SWG_CORRUPT for those with NUL
 * bytes; SWG_INTERRUPTED. The caller closes *out. */
swg_status swg_text_file_open(const char *path, swg_text_use use, swg_text_file *out);
void swg_text_file_close(swg_text_file *file);

/* The check alone, of bytes in memory: where the text begins in *begin. */
swg_status swg_text_check(const char *name, const char *bytes, size_t length, swg_text_use use,
                          size_t *begin);

#endif
