/* The files that a checkpoint carries beside its weights, by their names in a Hugging Face folder. */
#ifndef SWG_FORMATS_HUGGINGFACE_CARRIED_NAMES_H
#define SWG_FORMATS_HUGGINGFACE_CARRIED_NAMES_H

#include <stdbool.h>

/* What a carried file is about. */
typedef enum swg_folder_file_kind {
    SWG_FILE_VOCABULARY, /* tokens or their merges: another tokenizer replaces it */
    SWG_FILE_SETTINGS,   /* of the tokenizer: kept unless the other tokenizer has its own */
    SWG_FILE_SENTENCE,   /* says how a vector is made of a text: a classifier has none */
    SWG_FILE_OTHER       /* neither */
} swg_folder_file_kind;

typedef struct swg_folder_file {
    const char *name;
    swg_folder_file_kind kind;
} swg_folder_file;

/* All of them, and so the only names that a checkpoint of any format may carry; the last has name == NULL. */
extern const swg_folder_file swg_folder_files[];

/* Whether a file of that name is carried: no path, no configuration, no weights, no code. */
bool swg_folder_file_is_known(const char *name);
swg_folder_file_kind swg_folder_file_kind_of(const char *name); /* SWG_FILE_OTHER if unknown */

#endif
