/* The files of a tokenizer: their usual names, telling a lone one by its content, and taking them
 * from another checkpoint. */
#include "formats/huggingface/tokenizer_files.h"

#include <string.h>

#include "formats/huggingface/carried_names.h"
#include "formats/reader.h"

const char *swg_tokenizer_file_name(const void *data, size_t length)
{
    const unsigned char *bytes = data;
    const unsigned char piece = 0x0a; /* field 1, length-prefixed */
    size_t at = 0;
    while (at < length && memchr(" \t\r\n", bytes[at], 4))
        at++;
    if (at < length && bytes[at] == '{')
        return "tokenizer.json";
    if (length > 0 && bytes[0] == '[') /* "[PAD]", BERT's first line */
        return "vocab.txt";
    return length > 2 && bytes[0] == piece && bytes[2] == piece ? "tokenizer.model"
                                                                : "tokenizer.bin";
}

static void drop_vocabulary(swg_source *source)
{
    size_t kept = 0;
    for (size_t i = 0; i < source->n_files; i++)
        if (swg_folder_file_kind_of(source->files[i].name) == SWG_FILE_VOCABULARY)
            swg_free(source->files[i].data);
        else
            source->files[kept++] = source->files[i];
    source->n_files = kept;
}

swg_status swg_source_take_tokenizer(swg_source *source, swg_source *from)
{
    bool has_vocabulary = false;
    drop_vocabulary(source);
    for (size_t i = 0; i < from->n_files; i++) {
        swg_file_view view;
        const swg_folder_file_kind kind = swg_folder_file_kind_of(from->files[i].name);
        if (kind != SWG_FILE_VOCABULARY && kind != SWG_FILE_SETTINGS)
            continue;
        SWG_TRY(swg_source_file(from, i, &view));
        SWG_TRY(swg_source_add_file_copy(source, view));
        has_vocabulary = has_vocabulary || kind == SWG_FILE_VOCABULARY;
    }
    if (!has_vocabulary)
        return swg_error(SWG_FAILED, "%s carries no tokenizer", from->path);
    for (size_t i = 0; i < from->n_inputs; i++)
        SWG_TRY(swg_source_add_input(source, from->inputs[i]));
    return SWG_OK;
}

swg_status swg_source_take_tokenizer_file(swg_source *source, const char *path)
{
    swg_map map = {0};
    SWG_TRY(swg_map_open(path, &map));
    const char *name = swg_tokenizer_file_name(map.data, map.size);
    swg_map_close(&map);
    drop_vocabulary(source);
    SWG_TRY(swg_source_add_input(source, path));
    return swg_source_add_file(source, name, path, NULL);
}
