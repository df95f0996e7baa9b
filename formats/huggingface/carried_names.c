/* See carried_names.h. A name that is not in this table is carried by no format: a .swg could
 * otherwise turn into a folder in which other programs find code, or other weights. */
#include "formats/huggingface/carried_names.h"

#include <stddef.h>
#include <string.h>

const swg_folder_file swg_folder_files[] = {
    {"tokenizer.json", SWG_FILE_VOCABULARY},
    {"tokenizer_config.json", SWG_FILE_SETTINGS},
    {"special_tokens_map.json", SWG_FILE_SETTINGS},
    {"added_tokens.json", SWG_FILE_SETTINGS},
    {"tokenizer.model", SWG_FILE_VOCABULARY},
    {"tokenizer.bin", SWG_FILE_VOCABULARY},
    {"vocab.json", SWG_FILE_VOCABULARY},
    {"vocab.txt", SWG_FILE_VOCABULARY},
    {"merges.txt", SWG_FILE_VOCABULARY},
    {"chat_template.jinja", SWG_FILE_OTHER},
    {"chat_template.json", SWG_FILE_OTHER},
    {"preprocessor_config.json", SWG_FILE_OTHER},
    {"generation_config.json", SWG_FILE_OTHER},
    {"quantize_config.json", SWG_FILE_OTHER},
    {"modules.json", SWG_FILE_SENTENCE},
    {"1_Pooling/config.json", SWG_FILE_SENTENCE},
    {"2_Normalize/config.json", SWG_FILE_SENTENCE},
    {"sentence_bert_config.json", SWG_FILE_SENTENCE},
    {"config_sentence_transformers.json", SWG_FILE_SENTENCE},
    {NULL, SWG_FILE_OTHER},
};

static const swg_folder_file *find(const char *name)
{
    const swg_folder_file *file = swg_folder_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    return file;
}

bool swg_folder_file_is_known(const char *name)
{
    return find(name)->name != NULL;
}

swg_folder_file_kind swg_folder_file_kind_of(const char *name)
{
    return find(name)->kind;
}
