/* swage verify: check every stored byte of a checkpoint and name what is damaged. */
#include "formats/formats.h"
#include "runtime/cli/cli.h"

typedef struct report {
    const swg_cli *cli;
    swg_json_writer json;      /* the array of damaged things, as it grows */
    swg_json_writer nonfinite; /* the array of tensors with such numbers */
    swg_strbuf text;
} report;

static void note_damage(void *context, const char *what, const char *sentence)
{
    report *r = context;
    swg_json_begin_object(&r->json, NULL);
    swg_json_string(&r->json, "name", what);
    swg_json_string(&r->json, "error", sentence);
    swg_json_end_object(&r->json);
    swg_strbuf_printf(&r->text, "%sdamaged%s: %s: %s\n", swg_cli_style(r->cli, SWG_STYLE_BAD),
                      swg_cli_style(r->cli, SWG_STYLE_NONE), what, sentence);
}

static void note_nonfinite(void *context, const swg_nonfinite *found)
{
    report *r = context;
    swg_json_begin_object(&r->nonfinite, NULL);
    swg_json_string(&r->nonfinite, "name", found->name);
    swg_json_uint(&r->nonfinite, "count", found->count);
    swg_json_uint(&r->nonfinite, "first_row", found->row);
    swg_json_uint(&r->nonfinite, "first_column", found->column);
    swg_json_end_object(&r->nonfinite);
    swg_strbuf_printf(&r->text,
                      "%snot finite%s: %s: %llu numbers are NaN or infinite, the first in row "
                      "%llu, column %llu\n",
                      swg_cli_style(r->cli, SWG_STYLE_BAD), swg_cli_style(r->cli, SWG_STYLE_NONE),
                      found->name, (unsigned long long)found->count, (unsigned long long)found->row,
                      (unsigned long long)found->column);
}

static swg_status print(const swg_cli *cli, const swg_source *source, report *r, bool is_ok)
{
    if (cli->json) {
        swg_json_writer json = {0};
        swg_cli_json_begin(cli, &json);
        swg_json_string(&json, "path", swg_source_path(source));
        swg_json_string(&json, "format", swg_source_format(source));
        swg_json_uint(&json, "tensors", swg_source_n_tensors(source));
        swg_json_uint(&json, "files", swg_source_n_files(source));
        swg_json_bool(&json, "ok", is_ok);
        swg_json_raw(&json, "damaged", swg_strbuf_text(&r->json.out), r->json.out.length);
        swg_json_raw(&json, "nonfinite", swg_strbuf_text(&r->nonfinite.out),
                     r->nonfinite.out.length);
        return swg_cli_json_print(&json);
    }
    if (is_ok)
        swg_strbuf_printf(&r->text, "%s: %s, %zu tensors and %zu files are %swhole%s\n",
                          swg_source_path(source), swg_source_format(source),
                          swg_source_n_tensors(source), swg_source_n_files(source),
                          swg_cli_style(cli, SWG_STYLE_GOOD), swg_cli_style(cli, SWG_STYLE_NONE));
    SWG_TRY(swg_strbuf_status(&r->text));
    return swg_cli_print(swg_strbuf_text(&r->text), r->text.length);
}

/* Every byte against its hash, then every number. SWG_CORRUPT when anything is wrong. */
static swg_status check(const swg_cli *cli, swg_source *source, swg_pool *pool, report *r)
{
    size_t n_tensors = 0;
    SWG_TRY(swg_source_verify(source, pool, cli->progress, note_damage, r));
    SWG_TRY(swg_source_find_nonfinite(source, pool, cli->progress, note_nonfinite, r, &n_tensors));
    return n_tensors == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s: %zu of %zu tensors hold numbers that are not finite",
                           swg_source_path(source), n_tensors, swg_source_n_tensors(source));
}

static swg_status run(const swg_cli *cli, const void *arguments)
{
    (void)arguments;
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    swg_pool *pool = NULL;
    report r = {.cli = cli, .json = {.compact = true}, .nonfinite = {.compact = true}};
    char sentence[1024];
    SWG_GO(swg_source_open(cli->positionals[0], NULL, &source));
    SWG_GO(swg_pool_new(cli->n_threads, &pool));
    swg_json_begin_array(&r.json, NULL);
    swg_json_begin_array(&r.nonfinite, NULL);
    const swg_status found = check(cli, source, pool, &r);
    swg_json_end_array(&r.json);
    swg_json_end_array(&r.nonfinite);
    if (found != SWG_OK && found != SWG_CORRUPT)
        SWG_GO(found);
    snprintf(sentence, sizeof sentence, "%s", swg_error_message());
    SWG_GO(print(cli, source, &r, found == SWG_OK));
    /* Printing may have left another sentence. */
    status = found == SWG_OK ? SWG_OK : swg_error(found, "%s", sentence);
done:
    swg_json_deinit(&r.json);
    swg_json_deinit(&r.nonfinite);
    swg_strbuf_deinit(&r.text);
    swg_pool_free(&pool);
    swg_source_close(&source);
    return status;
}

static const swg_example examples[] = {
    {"swage verify model.swg", "check every byte against its hash"},
    {"swage verify model-folder --json", "structure and readability of a format without hashes"},
};

const swg_command swg_command_verify = {
    .name = "verify",
    .synopsis = "MODEL",
    .summary = "check a checkpoint and name every damaged tensor",
    .description =
        "Reads all of a checkpoint. A .swg carries a hash of every stored piece and of what it "
        "decodes to, so any damage is found and named. Formats without hashes are checked for "
        "structure (sizes, offsets, names) and for being readable; a changed number in them "
        "cannot be told from another number.\n\n"
        "NaN and infinity among the weights are found too, and named by tensor, row and column: "
        "what is computed from them is nonsense.\n\n"
        "Exits with 0 when the checkpoint is whole and with 3 when anything is damaged or not "
        "finite.",
    .arguments_bytes = 1,
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
