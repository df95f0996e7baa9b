/* Keys of cached statistics; see stats_key.h. */
#include "runtime/stats_key.h"

#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/linalg.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

/* The highest instruction set that any operation uses: rounding may depend on it. */
static swg_status used_isa(swg_isa *out)
{
    const swg_kernels *kernels;
    SWG_TRY(swg_kernels_best(&kernels));
    swg_isa most = swg_kernels_isa_of(kernels, (swg_op_id)0);
    for (int op = 1; op < SWG_OP_COUNT; op++) {
        const swg_isa isa = swg_kernels_isa_of(kernels, (swg_op_id)op);
        most = isa > most ? isa : most;
    }
    *out = most;
    return SWG_OK;
}

swg_status swg_stats_key(const swg_stats_subject *s, char **out)
{
    swg_json_writer json = {.compact = true};
    char ids[SWG_HASH128_TEXT];
    swg_status status = SWG_OK;
    swg_isa isa;
    SWG_GO(used_isa(&isa));
    swg_hash128_text(s->ids, s->n_windows * s->window * sizeof *s->ids, ids);
    swg_json_begin_object(&json, NULL);
    if (s->hashes)
        SWG_GO(swg_input_hashes_write(s->hashes, &json));
    swg_json_string(&json, "ids_xxh3_128", ids);
    swg_json_uint(&json, "windows", s->n_windows);
    swg_json_uint(&json, "window_tokens", s->window);
    if (s->seed)
        swg_json_uint(&json, "seed", *s->seed);
    swg_json_string(&json, "linear_algebra", swg_linalg_name());
    swg_json_string(&json, "instruction_set", swg_isa_name(isa));
    if (s->device)
        swg_json_string(&json, "device", s->device);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    char *const key = swg_strdup(json.out.text);
    SWG_GO(key ? SWG_OK : SWG_NO_MEMORY);
    *out = key;
done:
    swg_json_deinit(&json);
    return status;
}

swg_status swg_stats_key_path(const char *key, const char *folder, const char *ending, char **out)
{
    char name[64], hash[SWG_HASH128_TEXT];
    SWG_TRY(swg_make_folders(folder));
    swg_hash128_text(key, strlen(key), hash);
    snprintf(name, sizeof name, "%s.%s", hash, ending);
    char *const path = swg_path_join(folder, name);
    *out = path;
    return path ? SWG_OK : SWG_NO_MEMORY;
}
