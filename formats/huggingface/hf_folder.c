/* What a Hugging Face folder holds beside its weights: config.json and the files that are carried
 * verbatim (tokenizer_files.h). */
#include <string.h>

#include "formats/huggingface/carried_names.h"
#include "formats/reader.h"
#include "runtime/base/folder.h"
#include "runtime/base/header_limit.h"

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
    if (source->memory.data)
        return SWG_OK;
    swg_status status = SWG_OK;
    bool is_there = false;
    char *path = swg_path_join(folder, "config.json");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_path_find(path, &is_there));
    if (is_there)
        SWG_GO(add_config(source, path));
    for (const swg_folder_file *file = swg_folder_files; file->name; file++) {
        swg_free(path);
        path = swg_path_join(folder, file->name);
        SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
        SWG_GO(swg_path_find(path, &is_there));
        if (!is_there)
            continue;
        SWG_GO(swg_source_add_file(source, file->name, path, NULL));
        SWG_GO(swg_source_add_input(source, path));
    }
done:
    swg_free(path);
    return status;
}
