/* The files that a checkpoint carries beside its weights, by their names in a Hugging Face folder,
 * and the replacing of a checkpoint's tokenizer by another. swg_tokenizer_file_name is declared in
 * formats.h. */
#ifndef SWG_FORMATS_HUGGINGFACE_TOKENIZER_FILES_H
#define SWG_FORMATS_HUGGINGFACE_TOKENIZER_FILES_H

#include "formats/formats.h"

/* What a carried file is to the tokenizer. */
typedef enum swg_folder_file_kind {
    SWG_FILE_VOCABULARY, /* tokens or their merges: another tokenizer replaces it */
    SWG_FILE_SETTINGS,   /* of the tokenizer: kept unless the other tokenizer has its own */
    SWG_FILE_OTHER       /* not the tokenizer's */
} swg_folder_file_kind;

typedef struct swg_folder_file {
    const char *name;
    swg_folder_file_kind kind;
} swg_folder_file;

/* All of them; the last has name == NULL. */
extern const swg_folder_file swg_folder_files[];

/* Replace the tokenizer that the source carries: by the tokenizer files of another checkpoint
 * (SWG_FAILED when it has none), or by a lone file, under the name that its content calls for. */
swg_status swg_source_take_tokenizer(swg_source *source, swg_source *from);
swg_status swg_source_take_tokenizer_file(swg_source *source, const char *path);

#endif
