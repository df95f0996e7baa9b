/* What a checkpoint is: see model_identity.h. */
#include "eval/model_identity.h"

#include <string.h>
#include <sys/stat.h>

#include "formats/formats.h"
#include "formats/json/json.h"
#include "formats/provenance.h"

static uint64_t parameters_of(const swg_source *source)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        if (swg_source_same_as(source, i) == i)
            sum += swg_tensor_elems(swg_source_tensor(source, i));
    return sum;
}

/* What swg_input_hashes_write wrote. */
static swg_status read_inputs(const char *text, size_t length, swg_model_identity *out)
{
    swg_json_doc *document = NULL;
    swg_strbuf hashes = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_json_parse(text, length, "the list of inputs", &document));
    const swg_json *const files =
        swg_json_get(swg_json_get(swg_json_root(document), "input"), "files");
    for (const swg_json *v = swg_json_first(files); v; v = swg_json_next(v)) {
        const char *hash = "";
        int64_t bytes = 0;
        if (!swg_json_as_string(swg_json_get(v, "xxh3_128"), &hash))
            swg_json_as_string(swg_json_get(v, "directory_xxh3_128"), &hash);
        swg_json_as_int(swg_json_get(v, "bytes"), &bytes);
        out->file_bytes += (uint64_t)bytes;
        swg_strbuf_puts(&hashes, hash);
    }
    SWG_GO(swg_strbuf_status(&hashes));
    if (hashes.length == SWG_HASH128_TEXT - 1)
        memcpy(out->hash, hashes.text, SWG_HASH128_TEXT);
    else
        swg_hash128_text(swg_strbuf_text(&hashes), hashes.length, out->hash);
done:
    swg_strbuf_deinit(&hashes);
    swg_json_free(&document);
    return status;
}

swg_status swg_model_identify(const char *path, size_t n_threads, swg_model_identity *out)
{
    swg_source *source = NULL;
    swg_input_hashes *hashes = NULL;
    swg_json_writer json = {.compact = true};
    swg_model_identity made = {0};
    struct stat about;
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(path, NULL, &source));
    SWG_GO(swg_input_hashes_start(source, n_threads, &hashes));
    swg_json_begin_object(&json, NULL);
    SWG_GO(swg_input_hashes_write(hashes, &json));
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(read_inputs(json.out.text, json.out.length, &made));
    if (made.file_bytes == 0 && stat(path, &about) == 0) /* a directory's hash names no bytes */
        made.file_bytes = (uint64_t)about.st_size;
    made.parameters = parameters_of(source);
    *out = made;
done:
    swg_json_deinit(&json);
    swg_input_hashes_free(&hashes);
    swg_source_close(&source);
    return status;
}
