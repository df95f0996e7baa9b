/* What a Hugging Face folder holds beside its weights: config.json and the files of the tokenizer,
 * carried verbatim. */
#include <string.h>

#include "formats/reader.h"
#include "runtime/base/header_limit.h"

static const char *const carried_files[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "tokenizer.bin",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
};

const char *swg_tokenizer_file_name(const void *data, size_t length)
{
    const unsigned char *bytes = data;
    const unsigned char piece = 0x0a; /* field 1, length-prefixed */
    size_t at = 0;
    while (at < length && memchr(" \t\r\n", bytes[at], 4))
        at++;
    if (at < length && bytes[at] == '{')
        return "tokenizer.json";
    return length > 2 && bytes[0] == piece && bytes[2] == piece ? "tokenizer.model"
                                                                : "tokenizer.bin";
}

static const size_t max_config_bytes = (size_t)16 << 20;

static swg_status add_config(swg_source *source, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    swg_status status = SWG_OK;
    SWG_GO(swg_file_read(path, (size_t)swg_header_limit(max_config_bytes), &text, &length));
    SWG_GO(swg_source_set_config(source, text, length));
    SWG_GO(swg_source_add_input(source, path));
done:
    swg_free(text);
    return status;
}

swg_status swg_source_add_folder(swg_source *source, const char *folder)
{
    swg_status status = SWG_OK;
    char *path = swg_path_join(folder, "config.json");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    if (swg_path_exists(path))
        SWG_GO(add_config(source, path));
    for (size_t i = 0; i < sizeof carried_files / sizeof carried_files[0]; i++) {
        swg_free(path);
        path = swg_path_join(folder, carried_files[i]);
        SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
        if (!swg_path_exists(path))
            continue;
        SWG_GO(swg_source_add_file(source, carried_files[i], path, NULL));
        SWG_GO(swg_source_add_input(source, path));
    }
done:
    swg_free(path);
    return status;
}
