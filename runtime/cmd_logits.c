/* swage logits: the model's raw output for given token ids. */
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"
#include "runtime/cli/cli.h"
#include "runtime/device.h"
#include "runtime/exec.h"
#include "runtime/kv_type.h"
#include "runtime/session.h"

/* Positions computed together: their logits are held until they are written, one row of the whole
 * vocabulary per position (33 MB for a vocabulary of 128,000 tokens). */
enum { PIECE = 64 };

typedef struct arguments {
    const char *ids, *token_type_ids, *output, *activations, *kv_cache, *device;
    bool force;
} arguments;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .name = "ids",
     .metavar = "FILE|1,2,3",
     .is_required = true,
     .help = "token ids: a comma-separated list, or a file of ids separated by spaces, commas or "
             "line breaks",
     .offset = offsetof(arguments, ids)},
    SWG_OPTION_STRING(arguments, token_type_ids, 0, "token-type-ids", "FILE|0,0,1",
                      "token types of the ids, for encoders that have them (default: all 0)"),
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "OUT",
     .is_required = true,
     .help = "file for the logits",
     .offset = offsetof(arguments, output)},
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, NULL,
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, "f32",
                      swg_kv_type_help),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu", swg_device_help),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* A list holds only numbers and separators; anything else is a path. */
static bool is_list(const char *text)
{
    return strspn(text, "0123456789, +-") == strlen(text);
}

static swg_status read_ids(const char *argument, const char *option, swg_ids *out)
{
    swg_text_file file = {.text = argument, .length = strlen(argument)};
    const bool is_file = !is_list(argument);
    const char *what = is_file ? argument : option;
    if (is_file)
        SWG_TRY(swg_text_file_open(argument, SWG_TEXT_DATA, &file));
    const swg_status status = swg_ids_parse(file.text, file.length, what, out);
    swg_text_file_close(&file);
    if (status != SWG_OK)
        return status == SWG_CORRUPT && !is_file ? SWG_USAGE : status; /* the user's own words */
    return out->count ? SWG_OK : swg_error(SWG_USAGE, "%s: no token ids", what);
}

/* One run of the command. */
typedef struct job {
    const swg_cli *cli;
    const arguments *args;
    swg_ids ids, types;
    swg_session loaded;
    swg_exec *exec;
    swg_file_writer *writer;
    swg_act_precision activations;
    size_t rows, columns; /* of the output */
} job;

static swg_status read_input(job *j)
{
    SWG_TRY(read_ids(j->args->ids, "--ids", &j->ids));
    if (!j->args->token_type_ids)
        return SWG_OK;
    SWG_TRY(read_ids(j->args->token_type_ids, "--token-type-ids", &j->types));
    if (j->types.count == j->ids.count)
        return SWG_OK;
    return swg_error(SWG_USAGE, "%zu token types for %zu token ids", j->types.count, j->ids.count);
}

static swg_status prepare(job *j)
{
    SWG_TRY(swg_session_open_on(j->args->device, j->cli->positionals[0], NULL, false,
                                j->cli->n_threads, j->cli->progress, &j->loaded));
    j->activations = swg_device_precision(j->loaded.model, j->args->activations, SWG_ACT_INT8);
    const swg_hparams *h = &j->loaded.model->hparams;
    if (j->types.count > 0 && h->n_token_types == 0)
        return swg_error(SWG_USAGE, "%s has no token types", j->cli->positionals[0]);
    j->rows = h->one_output ? 1 : j->ids.count;
    j->columns = (size_t)h->n_outputs;
    const swg_exec_options exec_options = {.size = sizeof exec_options,
                                           .context = j->ids.count,
                                           .chunk = PIECE,
                                           .activations = j->activations,
                                           .kv_type = swg_kv_type_named(j->args->kv_cache)};
    SWG_TRY(swg_exec_new(j->loaded.model, j->loaded.pool, &exec_options, &j->exec));
    return swg_file_create(j->args->output, j->args->force,
                           (uint64_t)j->rows * j->columns * sizeof(float), &j->writer);
}

/* An encoder reads the whole text at once. */
static swg_status write_encoded(job *j)
{
    float *logits;
    SWG_TRY(SWG_NEW_UNINIT(logits, j->rows * j->columns));
    swg_status status = swg_exec_encode(j->exec, j->ids.data, j->types.data, j->ids.count, logits);
    if (status == SWG_OK)
        status = swg_check_logits(logits, j->rows, j->columns);
    if (status == SWG_OK)
        status = swg_file_append(j->writer, logits, j->rows * j->columns * sizeof *logits);
    swg_free(logits);
    return status;
}

/* Run the ids in pieces and append each piece's rows to the file. */
static swg_status write_pieces(job *j)
{
    float *logits = NULL;
    swg_status status = SWG_OK;
    const size_t count = j->ids.count;
    SWG_GO(SWG_NEW_UNINIT(logits, PIECE * j->columns));
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t n = count - at < PIECE ? count - at : PIECE;
        SWG_GO(swg_progress_step(j->cli->progress, "computing", "tokens", at, count));
        SWG_GO(swg_exec_run(j->exec, j->ids.data + at, n, 0, logits));
        SWG_GO(swg_check_logits(logits, n, j->columns));
        SWG_GO(swg_file_append(j->writer, logits, n * j->columns * sizeof *logits));
    }
done:
    swg_free(logits);
    return status;
}

static swg_status report(const job *j)
{
    if (!j->cli->json) {
        swg_cli_say(j->cli, "%zu positions x %zu logits, float32 little-endian, in %s", j->rows,
                    j->columns, j->args->output);
        if (!swg_device_is_cpu(j->loaded.model))
            swg_cli_say(j->cli, "computed on %s", swg_device_name(j->loaded.model));
        return SWG_OK;
    }
    swg_json_writer json = {0};
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "output", j->args->output);
    swg_json_uint(&json, "positions", j->rows);
    swg_json_uint(&json, "vocabulary", j->columns);
    swg_json_string(&json, "activations", swg_act_name(j->activations));
    swg_json_string(&json, "device", swg_device_name(j->loaded.model));
    swg_json_string(&json, "kv_cache", j->args->kv_cache);
    return swg_cli_json_print(&json);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    job j = {.cli = cli, .args = raw_arguments};
    SWG_GO(read_input(&j));
    SWG_GO(prepare(&j));
    SWG_GO(j.loaded.model->hparams.is_encoder ? write_encoded(&j) : write_pieces(&j));
    SWG_GO(swg_file_commit(&j.writer));
    SWG_GO(report(&j));
done:
    swg_file_abort(&j.writer);
    swg_exec_free(&j.exec);
    swg_ids_deinit(&j.ids);
    swg_ids_deinit(&j.types);
    swg_session_close(&j.loaded);
    return status;
}

static const swg_example examples[] = {
    {"swage logits model.swg --ids 1,403,407 -o logits.f32", "three rows of logits"},
    {"swage logits bert --ids 101,7,102,9,102 --token-type-ids 0,0,0,1,1 -o logits.f32",
     "a pair of texts through an encoder"},
};

const swg_command swg_command_logits = {
    .name = "logits",
    .synopsis = "MODEL --ids FILE|1,2,3 -o OUT",
    .summary = "write the model's logits for given token ids",
    .description = "Runs the model on a sequence of token ids and writes one row of little-endian "
                   "float32 logits per position: [positions, vocabulary], row-major, nothing else. "
                   "Classifiers give one row of labels (per text, or per position), question "
                   "answering start and end per position. "
                   "For comparing implementations and for feeding other tools.\n\n"
                   "--activations is int8 unless it is given, on a GPU f16.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
