/* Replacing a checkpoint's tokenizer by another. swg_tokenizer_file_name is declared in formats.h.
 */
#ifndef SWG_FORMATS_HUGGINGFACE_TOKENIZER_FILES_H
#define SWG_FORMATS_HUGGINGFACE_TOKENIZER_FILES_H

#include "formats/formats.h"

/* Replace the tokenizer that the source carries: by the tokenizer files of another checkpoint
 * (SWG_FAILED when it has none), or by a lone file, under the name that its content calls for. */
swg_status swg_source_take_tokenizer(swg_source *source, swg_source *from);
swg_status swg_source_take_tokenizer_file(swg_source *source, const char *path);

#endif
