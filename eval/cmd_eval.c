/* swage eval: how good a model is on a text or on labelled items, with everything needed to
 * reproduce the figure. */
#include <math.h>
#include <string.h>

#include "eval/few_shot.h"
#include "eval/machine.h"
#include "eval/model_identity.h"
#include "eval/task.h"
#include "kernels/linalg.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"
#include "runtime/cli/cli.h"
#include "runtime/device.h"
#include "runtime/kv_type.h"
#include "runtime/session.h"

/* "|perplexity|...": the tables' names as an option's choices. */
static const char task_words[] = ""
#define SWG_EVAL_TASK(name, text) "|" #name
#include "eval/tasks.def"
#undef SWG_EVAL_TASK
    ;
static const char protocol_words[] = ""
#define SWG_PROTOCOL(id, name, output, context, overlap, bos, text) "|" name
#include "eval/protocols.def"
#undef SWG_PROTOCOL
    ;

typedef struct arguments {
    const char *text, *data, *data_format, *few_shot, *ref, *task, *protocol, *prep, *activations,
        *kv_cache, *tokenizer, *device;
    int64_t context, stride, max_tokens, shots, shots_seed;
    double max_kld, max_perplexity_increase;
    const char *records, *swap, *unit, *results;
    bool resume, sensitivity;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, text, 0, "text", "FILE",
                      "text to score (--prep says how it is prepared)"),
    SWG_OPTION_STRING(
        arguments, data, 0, "data", "FILE",
        "items, one JSON object per line: text, label and optionally text_pair; scored pairs; or "
        "context, choices and gold"),
    SWG_OPTION_CHOICE(arguments, data_format, 0, "data-format", SWG_CHOICE_FORMAT_CHOICES, NULL,
                      "form of multiple-choice items (default: choices)"),
    SWG_OPTION_STRING(arguments, few_shot, 0, "few-shot", "FILE",
                      "text put before every multiple-choice context as it is: solved examples; "
                      "with --shots a file of items"),
    SWG_OPTION_INT(arguments, shots, 0, "shots", "N", 1, 1000, NULL,
                   "draw N items of --few-shot and put them, solved, before every context"),
    SWG_OPTION_INT(arguments, shots_seed, 0, "shots-seed", "S", 0, 9007199254740992.0, "1",
                   "seed of that drawing"),
    SWG_OPTION_STRING(arguments, ref, 0, "ref", "MODEL",
                      "compare with this model, usually the one that was compressed"),
    SWG_OPTION_CHOICE(arguments, task, 0, "task", task_words + 1, NULL,
                      "what to measure (default: the first task that fits the model)"),
    SWG_OPTION_CHOICE(arguments, protocol, 0, "protocol", protocol_words + 1, NULL,
                      "how the text is cut and which tokens are scored (default: the first that "
                      "fits the model)"),
    SWG_OPTION_CHOICE(arguments, prep, 0, "prep", SWG_TEXT_PREP_CHOICES, NULL,
                      "how the text is prepared first (default: lm-eval for that protocol, else "
                      "raw, as task cosine always reads it)"),
    SWG_OPTION_INT(arguments, context, 0, "context", "N", 2, 1 << 24, NULL,
                   "tokens per window (default: the protocol's, at most the model's)"),
    SWG_OPTION_INT(arguments, stride, 0, "stride", "N", 1, 1 << 24, NULL,
                   "tokens between the beginnings of windows that overlap (default: the "
                   "protocol's)"),
    SWG_OPTION_INT(arguments, max_tokens, 0, "max-tokens", "N", 2, 1e15, NULL,
                   "use only the first N tokens of the text"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, NULL,
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, "f32",
                      swg_kv_type_help),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu", swg_device_help),
    SWG_OPTION_DOUBLE(arguments, max_kld, 0, "max-kld", "X", 0, 1e6, NULL,
                      "with --ref: exit 7 when the mean divergence is above X nats per token"),
    SWG_OPTION_DOUBLE(arguments, max_perplexity_increase, 0, "max-perplexity-increase", "R", -1,
                      1e6, NULL,
                      "with --ref: exit 7 when the perplexity is above (1 + R) times the "
                      "reference's"),
    SWG_OPTION_FLAG(arguments, sensitivity, 0, "sensitivity",
                    "with --ref: which tensors or layers cause the divergence (task sensitivity)"),
    SWG_OPTION_CHOICE(arguments, swap, 0, "swap", "into-ref|into-model", NULL,
                      "with --sensitivity: compress tensors of the reference one at a time "
                      "(default), or restore those of the model"),
    SWG_OPTION_CHOICE(arguments, unit, 0, "unit", "tensor|layer", NULL,
                      "with --sensitivity: what is swapped at a time (default: tensor)"),
    SWG_OPTION_STRING(arguments, results, 0, "results", "FILE",
                      "with --sensitivity: append a record for swage report, which maps it"),
    SWG_OPTION_STRING(arguments, records, 0, "records", "FILE",
                      "write a line of JSON for every window or item as soon as it is measured"),
    SWG_OPTION_FLAG(arguments, resume, 0, "resume",
                    "continue a file of --records that is not finished"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use instead of the model's"),
};

/* Everything a measurement uses and produces. */
typedef struct evaluation {
    const swg_cli *cli;
    const arguments *args;
    swg_eval_source source;
    const char *path; /* of the text or data */
    swg_text_file file;
    swg_prepared_text prepared;
    swg_text_file few_shot;
    swg_strbuf prefix; /* its text, or examples drawn from it */
    swg_session loaded, ref;
    const swg_eval_task *task;
    swg_act_precision activations;
    char sha256[SWG_SHA256_TEXT];
    swg_records records;
    double seconds;
    swg_eval_report report;
} evaluation;

static swg_status open_input(evaluation *e)
{
    const arguments *args = e->args;
    if (!args->text == !args->data)
        return swg_error(SWG_USAGE, "give either --text or --data");
    if (args->data && args->prep)
        return swg_error(SWG_USAGE, "--prep prepares a --text; --data is read as it is");
    if (args->text && args->data_format)
        return swg_error(SWG_USAGE, "--data-format is the form of --data, not of a --text");
    e->source = args->text ? SWG_EVAL_TEXT : SWG_EVAL_DATA;
    e->path = args->text ? args->text : args->data;
    SWG_TRY(swg_text_file_open(e->path, args->text ? SWG_TEXT_PROSE : SWG_TEXT_DATA, &e->file));
    if (e->file.length == 0)
        return swg_error(SWG_CORRUPT, "%s is empty", e->path);
    swg_sha256_text(e->file.bytes.data, e->file.bytes.size, e->sha256);
    return SWG_OK;
}

static swg_status prepare(evaluation *e, swg_eval_input *input)
{
    if (e->source != SWG_EVAL_TEXT)
        return SWG_OK;
    input->prep =
        input->protocol == SWG_PROTOCOL_lm_eval ? SWG_TEXT_PREP_lm_eval : SWG_TEXT_PREP_raw;
    if (e->args->prep)
        input->prep = swg_text_prep_named(e->args->prep);
    SWG_TRY(swg_text_prepare(input->prep, e->file.text, e->file.length, &e->prepared));
    input->prepared = &e->prepared;
    input->bytes = swg_strbuf_text(&e->prepared.text);
    input->length = e->prepared.text.length;
    return SWG_OK;
}

static swg_status read_few_shot(evaluation *e, swg_eval_input *input)
{
    if (!e->args->few_shot)
        return e->args->shots ? swg_error(SWG_USAGE, "--shots are drawn from a file of items: give "
                                                     "it as --few-shot")
                              : SWG_OK;
    if (strcmp(e->task->name, "choice") != 0)
        return swg_error(SWG_USAGE, "--few-shot is for multiple choice (task choice)");
    const arguments *args = e->args;
    SWG_TRY(swg_text_file_open(args->few_shot, args->shots ? SWG_TEXT_DATA : SWG_TEXT_PROSE,
                               &e->few_shot));
    if (args->shots)
        SWG_TRY(swg_few_shot_draw(input->choice_format, args->few_shot, e->few_shot.text,
                                  e->few_shot.length, (size_t)args->shots,
                                  (uint64_t)args->shots_seed, &e->prefix));
    else
        swg_strbuf_append(&e->prefix, e->few_shot.text, e->few_shot.length);
    SWG_TRY(swg_strbuf_status(&e->prefix));
    input->prefix = swg_strbuf_text(&e->prefix);
    return SWG_OK;
}

/* SWG_GATE for a figure beyond its limit, or that could not be measured. A limit of NaN is none. */
static swg_status check_gate(const char *what, double value, double limit)
{
    if (isnan(limit) || value <= limit)
        return SWG_OK;
    return swg_error(SWG_GATE, "%s is %.6g, above the limit of %.6g", what, value, limit);
}

static swg_status check_gates(const evaluation *e)
{
    SWG_TRY(check_gate("the mean divergence", e->report.kld_mean, e->args->max_kld));
    return check_gate("the relative increase of the perplexity", e->report.perplexity_increase,
                      e->args->max_perplexity_increase);
}

/* Gates are about figures that only one task has: said before any work. */
static swg_status check_gates_fit(const evaluation *e)
{
    if ((isnan(e->args->max_kld) && isnan(e->args->max_perplexity_increase)) ||
        strcmp(e->task->name, "divergence") == 0 ||
        (isnan(e->args->max_perplexity_increase) && strcmp(e->task->name, "sensitivity") == 0))
        return SWG_OK;
    return swg_error(SWG_USAGE, "--max-kld and --max-perplexity-increase compare with a model on a "
                                "text: give --ref MODEL and --text");
}

/* --sensitivity is a short form of its task; what goes with it, with nothing else. */
static swg_status take_sensitivity(evaluation *e, swg_eval_input *input, const char **task)
{
    const arguments *args = e->args;
    *task = args->task;
    if (args->sensitivity && args->task && strcmp(args->task, "sensitivity") != 0)
        return swg_error(SWG_USAGE, "--sensitivity is task sensitivity, not task %s", args->task);
    if (args->sensitivity)
        *task = "sensitivity";
    const char *const without = args->swap      ? "--swap"
                                : args->unit    ? "--unit"
                                : args->results ? "--results"
                                                : NULL;
    if (without && (!*task || strcmp(*task, "sensitivity") != 0))
        return swg_error(SWG_USAGE, "%s goes with --sensitivity", without);
    input->swap = (swg_eval_swap){.model_path = e->cli->positionals[0],
                                  .ref_path = args->ref,
                                  .direction = args->swap && strcmp(args->swap, "into-model") == 0
                                                   ? SWG_SWAP_INTO_MODEL
                                                   : SWG_SWAP_INTO_REF,
                                  .by_layer = args->unit && strcmp(args->unit, "layer") == 0,
                                  .results = args->results};
    return SWG_OK;
}

/* The files by which texts become tokens: the tokenizer, whichever it is, among those carried. */
static swg_status write_files_hash(const evaluation *e, swg_json_writer *head)
{
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    swg_hash_stream *hash = NULL;
    swg_source_options how = swg_source_options_default();
    char text[SWG_HASH128_TEXT];
    how.tokenizer = e->args->tokenizer;
    SWG_GO(swg_source_open(e->cli->positionals[0], &how, &source));
    hash = swg_hash_stream_new();
    SWG_GO(hash ? SWG_OK : SWG_NO_MEMORY);
    for (size_t i = 0; i < swg_source_n_files(source); i++) {
        swg_file_view file;
        SWG_GO(swg_source_file(source, i, &file));
        swg_hash_stream_add(hash, file.name, strlen(file.name) + 1);
        swg_hash_stream_add(hash, file.data, file.length);
    }
    swg_hash_stream_text(&hash, text);
    swg_json_string(head, "files_hash", text);
done:
    swg_hash_stream_free(&hash);
    swg_source_close(&source);
    return status;
}

/* What figures depend on besides the task's own settings. */
static swg_status begin_records(evaluation *e, swg_eval_input *input)
{
    const arguments *args = e->args;
    swg_model_identity model, ref;
    if (args->resume && !args->records)
        return swg_error(SWG_USAGE, "--resume continues a file of --records: give its name");
    if (!args->records)
        return SWG_OK;
    if (!e->task->has_records)
        return swg_error(SWG_USAGE, "task %s has no --records", e->task->name);
    SWG_TRY(swg_model_identify(e->cli->positionals[0], e->cli->n_threads, &model));
    if (args->ref)
        SWG_TRY(swg_model_identify(args->ref, e->cli->n_threads, &ref));
    e->records = (swg_records){.path = args->records, .resume = args->resume};
    swg_records_begin(&e->records);
    swg_json_writer *head = &e->records.head;
    swg_json_string(head, "task", e->task->name);
    swg_json_string(head, "model_hash", model.hash);
    if (args->ref)
        swg_json_string(head, "ref_hash", ref.hash);
    swg_json_string(head, e->source == SWG_EVAL_TEXT ? "text_sha256" : "data_sha256", e->sha256);
    swg_json_string(head, "activations", swg_act_name(e->activations));
    swg_json_string(head, "kv_cache", args->kv_cache);
    swg_json_string(head, "device", swg_device_name(e->loaded.model));
    swg_json_string(head, "isa", swg_machine_isa());
    swg_json_string(head, "linalg", swg_linalg_name());
    SWG_TRY(write_files_hash(e, head));
    input->records = &e->records;
    return SWG_OK;
}

/* The JSON object is opened here and closed by report_json; the task writes its members between. */
static swg_status evaluate(evaluation *e)
{
    const arguments *args = e->args;
    SWG_TRY(open_input(e));
    SWG_TRY(swg_session_open_on(args->device, e->cli->positionals[0], args->tokenizer, true,
                                e->cli->n_threads, e->cli->progress, &e->loaded));
    e->activations = swg_device_precision(e->loaded.model, args->activations, SWG_ACT_F32);
    if (args->ref)
        SWG_TRY(swg_session_open_on(args->device, args->ref, NULL, false, e->cli->n_threads,
                                    e->cli->progress, &e->ref));
    swg_eval_input input = {.loaded = &e->loaded,
                            .ref = args->ref ? &e->ref : NULL,
                            .path = e->path,
                            .bytes = e->file.text,
                            .length = e->file.length,
                            .context = (size_t)args->context,
                            .stride = (size_t)args->stride,
                            .max_tokens = (size_t)args->max_tokens,
                            .choice_format = args->data_format
                                                 ? swg_choice_format_named(args->data_format)
                                                 : SWG_CHOICE_FORMAT_choices,
                            .prefix = "",
                            .activations = e->activations,
                            .kv_type = swg_kv_type_named(args->kv_cache),
                            .progress = e->cli->progress};
    const char *task;
    SWG_TRY(take_sensitivity(e, &input, &task));
    SWG_TRY(swg_eval_choose(task, args->protocol, e->source, args->ref != NULL,
                            (swg_output_kind)e->loaded.model->hparams.task, &e->task,
                            &input.protocol));
    SWG_TRY(check_gates_fit(e));
    SWG_TRY(begin_records(e, &input));
    swg_cli_json_begin(e->cli, &e->report.json);
    swg_json_string(&e->report.json, "model", e->cli->positionals[0]);
    if (args->ref)
        swg_json_string(&e->report.json, "ref", args->ref);
    swg_json_string(&e->report.json, "task", e->task->name);
    SWG_TRY(read_few_shot(e, &input));
    const double start = swg_clock_s();
    SWG_TRY(prepare(e, &input));
    SWG_TRY(e->task->run(&input, &e->report));
    e->seconds = swg_clock_s() - start;
    SWG_TRY(swg_strbuf_status(&e->report.json.out));
    return swg_strbuf_status(&e->report.text);
}

static swg_status report_json(evaluation *e)
{
    const bool is_text = e->source == SWG_EVAL_TEXT;
    swg_json_writer *json = &e->report.json;
    swg_json_string(json, "activations", swg_act_name(e->activations));
    swg_json_string(json, "device", swg_device_name(e->loaded.model));
    swg_json_string(json, "kv_cache", e->args->kv_cache);
    swg_json_string(json, is_text ? "text" : "data", e->path);
    swg_json_string(json, is_text ? "text_sha256" : "data_sha256", e->sha256);
    swg_json_double(json, "elapsed_s", e->seconds);
    return swg_cli_json_print(json);
}

static swg_status report_text(evaluation *e)
{
    swg_strbuf *text = &e->report.text;
    swg_strbuf_printf(text,
                      "activations   %s\n"
                      "KV cache      %s\n"
                      "device        %s\n"
                      "%-14s%s, sha256 %s\n"
                      "time          %.2f s\n",
                      swg_act_name(e->activations), e->args->kv_cache,
                      swg_device_name(e->loaded.model),
                      e->source == SWG_EVAL_TEXT ? "text" : "data", e->path, e->sha256, e->seconds);
    SWG_TRY(swg_strbuf_status(text));
    return swg_cli_print(text->text, text->length);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    evaluation e = {
        .cli = cli, .args = raw_arguments, .report = {.kld_mean = NAN, .perplexity_increase = NAN}};
    SWG_GO(evaluate(&e));
    SWG_GO(cli->json ? report_json(&e) : report_text(&e));
    SWG_GO(check_gates(&e));
done:
    swg_records_deinit(&e.records);
    swg_json_deinit(&e.report.json);
    swg_strbuf_deinit(&e.report.text);
    swg_session_close(&e.ref);
    swg_session_close(&e.loaded);
    swg_strbuf_deinit(&e.prefix);
    swg_text_file_close(&e.few_shot);
    swg_prepared_text_deinit(&e.prepared);
    swg_text_file_close(&e.file);
    return status;
}

static const swg_option_need needs[] = {{"shots-seed", "shots"}};

static const swg_example examples[] = {
    {"swage eval model.swg --text wiki.test.raw --protocol llama.cpp --context 512",
     "comparable with llama-perplexity"},
    {"swage eval model.swg --text wiki.test.raw --protocol lm-eval",
     "comparable with lm-evaluation-harness's task wikitext"},
    {"swage eval model.swg --ref model --text wiki.test.raw --max-kld 0.05",
     "exit code 7 when compression moved the predictions further than that"},
    {"swage eval model.swg --text stories.txt --protocol per-doc --json",
     "every story a separate document; figures as JSON"},
    {"swage eval model.swg --ref model --text wiki.test.raw",
     "how far compression moved the predictions"},
    {"swage eval model.swg --text wiki.test.raw --records windows.jsonl --resume",
     "a record of every window; the same command goes on after an interruption"},
    {"swage eval quantized.swg --ref model --text wiki.test.raw --sensitivity",
     "which tensors cause the divergence"},
    {"swage eval minilm-int8.swg --ref all-MiniLM-L6-v2 --text sentences.txt",
     "how far compression moved vectors of texts"},
    {"swage eval minilm-int8.swg --data sts-test.tsv", "how well they follow scored similarity"},
    {"swage eval model.swg --ref model --data hellaswag_val.jsonl --data-format hellaswag",
     "accuracy in multiple choice, and which items compression flipped"},
    {"swage eval bert --task classify --data labelled.jsonl", "accuracy of a classifier"},
};

const swg_command swg_command_eval = {
    .name = "eval",
    .synopsis = "MODEL --text FILE | --data FILE [--ref MODEL] [--task NAME] [--protocol NAME] "
                "[--context N]",
    .summary = "measure how good a model is on a text or on labelled items",
    .description =
        "A task is what is measured, a protocol how a text is cut for it. Definitions: "
        "docs/perplexity.md. --activations is f32 unless it is given, on a GPU f16, to which "
        "a model's --ref is rounded there too."
#define SWG_EVAL_TASK(name, text) "\n\nTask " #name ", " text "."
#include "eval/tasks.def"
#undef SWG_EVAL_TASK
#define SWG_PROTOCOL(id, name, output, context, overlap, bos, text)                                \
    "\n\nProtocol " name ": " text "."
#include "eval/protocols.def"
#undef SWG_PROTOCOL
    ,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .needs = needs,
    .n_needs = sizeof needs / sizeof needs[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
