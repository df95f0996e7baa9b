/* What a file really is, whatever its name says: for sentences about files that are not what was
 * expected. A first download is often a Git LFS pointer or an HTML page; texts come as UTF-16, or
 * turn out to be models. Every place that takes a file from a user asks here, once. */
#ifndef SWG_RUNTIME_BASE_FILE_KIND_H
#define SWG_RUNTIME_BASE_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"

typedef enum swg_file_kind {
    SWG_FILE_UNKNOWN, /* none of the table's */
#define SWG_FILE_KIND(name, sentence) SWG_FILE_##name,
#include "runtime/base/file_kinds.def"
#undef SWG_FILE_KIND
    SWG_FILE_CHECKPOINTS = SWG_FILE_SWG, /* the first that a reader of models takes */
} swg_file_kind;

/* By the first bytes of a file of `length`: 512 are enough to know all kinds, fewer know less. */
swg_file_kind swg_file_kind_of(const void *bytes, size_t length);

/* "is a Git LFS pointer, not ...; run ...": what follows the file's name; "" for UNKNOWN. */
const char *swg_file_kind_sentence(swg_file_kind kind);

/* Refuse, with `path` and the way out, what is certainly not a model nor a part of one: the kinds
 * before SWG_FILE_CHECKPOINTS. SWG_UNSUPPORTED. */
swg_status swg_file_refuse_mistaken(const char *path, const void *bytes, size_t length);

/* Add to the recorded sentence about a path that was not found what it was probably meant as - a
 * model's name on Hugging Face or of ollama, an address - and how to get that. Returns `status`.
 * `status` stays as it is, and so does the sentence, when the path exists or looks like a path. */
swg_status swg_explain_missing(swg_status status, const char *path);

enum { SWG_BYTE_ORDER_MARK_BYTES = 3 };
/* Whether a text begins with the byte-order mark of UTF-8. */
bool swg_has_byte_order_mark(const void *bytes, size_t length);

#endif
