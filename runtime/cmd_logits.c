/* swage logits: the model's raw output for given token ids. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/exec.h"
#include "runtime/loaded.h"

enum { PIECE = 64, MAX_IDS_BYTES = 1 << 28 };

typedef struct arguments {
    const char *ids, *output, *activations;
    bool force;
} arguments;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING, .name = "ids", .metavar = "FILE|1,2,3", .is_required = true,
     .help = "token ids: a comma-separated list, or a file of ids separated by spaces, commas or "
             "line breaks",
     .offset = offsetof(arguments, ids)},
    {.kind = SWG_OPTION_IS_STRING, .letter = 'o', .name = "output", .metavar = "OUT",
     .is_required = true, .help = "file for the logits", .offset = offsetof(arguments, output)},
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", "int8|f32", "int8",
                      "what quantized weights are multiplied with"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Ids of a text. */
static swg_status parse_ids(const char *text, const char *what, swg_ids *out)
{
    for (const char *at = text;;) {
        while (is_separator(*at))
            at++;
        if (*at == '\0')
            break;
        char *end;
        const long value = strtol(at, &end, 10);
        if (end == at || (*end && !is_separator(*end)) || value < 0 || value > INT32_MAX)
            return swg_error(SWG_USAGE, "%s: \"%.20s\" is not a token id", what, at);
        SWG_TRY(swg_reserve((void **)&out->data, &out->capacity, out->count + 1,
                            sizeof *out->data));
        out->data[out->count++] = (int32_t)value;
        at = end;
    }
    return out->count ? SWG_OK : swg_error(SWG_USAGE, "%s: no token ids", what);
}

/* A list holds only numbers and separators; anything else is a path. */
static bool is_list(const char *text)
{
    return strspn(text, "0123456789, +-") == strlen(text);
}

static swg_status read_ids(const char *argument, swg_ids *out)
{
    if (is_list(argument))
        return parse_ids(argument, "--ids", out);
    char *text = NULL;
    size_t length;
    SWG_TRY(swg_file_read(argument, MAX_IDS_BYTES, &text, &length));
    const swg_status status = strlen(text) == length
                                  ? parse_ids(text, argument, out)
                                  : swg_error(SWG_CORRUPT, "%s holds a NUL byte", argument);
    swg_free(text);
    return status;
}

/* Run the ids in pieces and append each piece's rows to the file. */
static swg_status write_logits(swg_exec *exec, const swg_cli *cli, const swg_ids *ids, size_t vocab,
                               swg_file_writer *writer)
{
    float *logits = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(logits, PIECE * vocab));
    for (size_t at = 0; at < ids->count; at += PIECE) {
        const size_t n = ids->count - at < PIECE ? ids->count - at : PIECE;
        SWG_GO(swg_progress_step(cli->progress, "computing", "tokens", at, ids->count));
        SWG_GO(swg_exec_run(exec, ids->data + at, n, 0, logits));
        SWG_GO(swg_file_append(writer, logits, n * vocab * sizeof *logits));
    }
done:
    swg_free(logits);
    return status;
}

static swg_status report(const swg_cli *cli, const arguments *args, size_t positions, size_t vocab)
{
    if (!cli->json) {
        swg_cli_say(cli, "%zu positions x %zu logits, float32 little-endian, in %s", positions, vocab,
                    args->output);
        return SWG_OK;
    }
    swg_json_writer json = {0};
    swg_cli_json_begin(cli, &json);
    swg_json_string(&json, "output", args->output);
    swg_json_uint(&json, "positions", positions);
    swg_json_uint(&json, "vocabulary", vocab);
    swg_json_string(&json, "activations", args->activations);
    return swg_cli_json_print(&json);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    const arguments *args = raw_arguments;
    swg_status status = SWG_OK;
    swg_loaded loaded = {0};
    swg_ids ids = {0};
    swg_exec *exec = NULL;
    swg_file_writer *writer = NULL;
    SWG_GO(read_ids(args->ids, &ids));
    SWG_GO(swg_loaded_open(cli->positionals[0], NULL, false, cli->n_threads, cli->progress,
                           &loaded));
    const size_t vocab = (size_t)loaded.model->hparams.vocab;
    const swg_exec_options exec_options = {
        .context = ids.count,
        .activations = strcmp(args->activations, "f32") == 0 ? SWG_ACTIVATIONS_F32
                                                             : SWG_ACTIVATIONS_INT8};
    SWG_GO(swg_exec_new(loaded.model, loaded.pool, &exec_options, &exec));
    SWG_GO(swg_file_create(args->output, args->force, (uint64_t)ids.count * vocab * sizeof(float),
                           &writer));
    SWG_GO(write_logits(exec, cli, &ids, vocab, writer));
    SWG_GO(swg_file_commit(&writer));
    SWG_GO(report(cli, args, ids.count, vocab));
done:
    swg_file_abort(&writer);
    swg_exec_free(&exec);
    swg_ids_deinit(&ids);
    swg_loaded_close(&loaded);
    return status;
}

static const swg_example examples[] = {
    {"swage logits model.swg --ids 1,403,407 -o logits.f32", "three rows of logits"},
};

const swg_command swg_command_logits = {
    .name = "logits",
    .synopsis = "MODEL --ids FILE|1,2,3 -o OUT",
    .summary = "Write the model's logits for given token ids",
    .description = "Runs the model on a sequence of token ids and writes one row of little-endian "
                   "float32 logits per position: [positions, vocabulary], row-major, nothing else. "
                   "For comparing implementations and for feeding other tools.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
