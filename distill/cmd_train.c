/* swage train: a language model from nothing but a configuration and texts, or a classifier from
 * another model and labelled texts (cmd_classifier.h). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "distill/cmd_classifier.h"
#include "distill/training_text.h"
#include "formats/json/json.h"
#include "formats/json/json_copy.h"
#include "formats/provenance.h"
#include "kernels/linalg.h"
#include "quantize/checkpoint.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/hparams.h"
#include "runtime/initial_weights.h"
#include "runtime/text/bpe_trainer.h"

typedef struct arguments {
    const char *output, *config, *init, *tokenizer;
    swg_string_list texts;
    int64_t new_tokens, level;
    bool documents, force;
    swg_training_arguments training;
    swg_classifier_arguments labelled;
} arguments;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "OUT",
     .help = "what to write: a folder, or any other output of `swage convert`",
     .offset = offsetof(arguments, output),
     .is_required = true},
    {.kind = SWG_OPTION_IS_STRING,
     .name = "config",
     .metavar = "FILE",
     .help = "config.json: the model's architecture and sizes",
     .offset = offsetof(arguments, config)},
    SWG_OPTION_STRING(arguments, init, 0, "init", "MODEL",
                      "with --data: the model to start from instead of --config"),
    {.kind = SWG_OPTION_IS_LIST,
     .letter = 'c',
     .name = "text",
     .metavar = "FILE",
     .help = "text to train on (may be repeated); the end of the last is held out to judge by",
     .offset = offsetof(arguments, texts)},
    SWG_OPTION_FLAG(arguments, documents, 0, "documents",
                    "blank lines of the texts separate documents"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use: tokenizer.json, tokenizer.model or tokenizer.bin"),
    SWG_OPTION_INT(arguments, new_tokens, 0, "train-tokenizer", "N", 0, SWG_BPE_MOST_TOKENS, "0",
                   "train a byte-level tokenizer of N tokens on the texts instead; vocab_size, "
                   "bos_token_id and eos_token_id of the configuration become its own"),
    SWG_TRAINING_OPTIONS(arguments, "0.001, with --data " SWG_CLASSIFIER_RATES, "0.1", "32"),
    SWG_CLASSIFIER_OPTIONS(arguments),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level of a .swg; 0 = the container's default"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

enum { MOST_CONFIG_BYTES = 16 << 20, MOST_TOKENIZER_BYTES = 256 << 20, MOST_FILES = 2 };

/* Everything between the arguments and the printed result. */
typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_strbuf config, tokenizer_text;
    swg_file_view files[MOST_FILES]; /* of the tokenizer */
    size_t n_files;
    swg_source *source; /* the model as training begins */
    swg_tensor_desc *inputs, *outputs;
    swg_plan plan;
    swg_pool *pool;
    swg_training_text text;
    swg_trainer *trainer;
    swg_sink_meta meta;
    swg_training training;
    char *provenance;
} job;

/* --- The tokenizer ---------------------------------------------------------------------------- */

/* What tokenizer_config.json says of a trained tokenizer. */
static const char settings[] = "{\n"
                               "  \"add_bos_token\": false,\n"
                               "  \"add_prefix_space\": false,\n"
                               "  \"bos_token\": \"<|endoftext|>\",\n"
                               "  \"clean_up_tokenization_spaces\": false,\n"
                               "  \"eos_token\": \"<|endoftext|>\",\n"
                               "  \"tokenizer_class\": \"PreTrainedTokenizerFast\"\n"
                               "}\n";

static swg_status train_on_files(const job *j, swg_bpe_trainer *trainer)
{
    const swg_string_list *texts = &j->a->texts;
    for (size_t i = 0; i < texts->count; i++) {
        swg_map file = {0};
        SWG_TRY(swg_progress_step(j->cli->progress, "reading texts", "files", i, texts->count));
        SWG_TRY(swg_map_open(texts->items[i], &file));
        const swg_status status = swg_bpe_trainer_add(trainer, (const char *)file.data, file.size);
        swg_map_close(&file);
        SWG_TRY(status);
    }
    return SWG_OK;
}

static swg_status train_tokenizer(job *j)
{
    swg_status status = SWG_OK;
    swg_bpe_trainer *trainer = NULL;
    SWG_GO(swg_bpe_trainer_new(&trainer));
    SWG_GO(train_on_files(j, trainer));
    SWG_GO(swg_bpe_trainer_finish(trainer, (size_t)j->a->new_tokens, j->cli->progress,
                                  &j->tokenizer_text));
    j->files[j->n_files++] = (swg_file_view){"tokenizer.json", swg_strbuf_text(&j->tokenizer_text),
                                             j->tokenizer_text.length};
    j->files[j->n_files++] =
        (swg_file_view){"tokenizer_config.json", settings, sizeof settings - 1};
done:
    swg_bpe_trainer_free(&trainer);
    return status;
}

static swg_status append_file(const char *path, size_t most, swg_strbuf *out)
{
    char *text = NULL;
    size_t length = 0;
    SWG_TRY(swg_file_read(path, most, &text, &length));
    swg_strbuf_append(out, text, length);
    swg_free(text);
    return swg_strbuf_status(out);
}

static swg_status read_tokenizer(job *j)
{
    SWG_TRY(append_file(j->a->tokenizer, MOST_TOKENIZER_BYTES, &j->tokenizer_text));
    const char *text = swg_strbuf_text(&j->tokenizer_text);
    const size_t length = j->tokenizer_text.length;
    j->files[j->n_files++] = (swg_file_view){swg_tokenizer_file_name(text, length), text, length};
    return SWG_OK;
}

/* --- The configuration ------------------------------------------------------------------------ */

/* Members that a trained tokenizer decides. */
static bool is_of_tokenizer(const char *key)
{
    return strcmp(key, "vocab_size") == 0 || strcmp(key, "bos_token_id") == 0 ||
           strcmp(key, "eos_token_id") == 0;
}

static swg_status write_config(const swg_json *root, size_t vocab, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    for (const swg_json *v = swg_json_first(root); v; v = swg_json_next(v))
        if (!is_of_tokenizer(swg_json_key(v)))
            SWG_TRY(swg_json_copy(v, json, swg_json_key(v)));
    swg_json_uint(json, "bos_token_id", 0);
    swg_json_uint(json, "eos_token_id", 0);
    swg_json_uint(json, "vocab_size", vocab);
    swg_json_end_object(json);
    swg_strbuf_puts(&json->out, "\n");
    return swg_strbuf_status(&json->out);
}

/* Put the trained tokenizer's size and ids into the configuration. */
static swg_status complete_config(job *j)
{
    swg_status status = SWG_OK;
    swg_tokenizer *tokenizer = NULL;
    swg_json_doc *doc = NULL;
    swg_json_writer json = {0};
    SWG_GO(swg_tokenizer_from_files(j->files, j->n_files, NULL, &tokenizer));
    SWG_GO(swg_json_parse(j->config.text, j->config.length, j->a->config, &doc));
    if (swg_json_kind_of(swg_json_root(doc)) != SWG_JSON_OBJECT)
        SWG_GO(swg_error(SWG_CORRUPT, "%s is not a JSON object", j->a->config));
    SWG_GO(write_config(swg_json_root(doc), swg_tokenizer_vocab_size(tokenizer), &json));
    swg_strbuf_deinit(&j->config);
    j->config = json.out;
    json.out = (swg_strbuf){0};
done:
    swg_json_deinit(&json);
    swg_json_free(&doc);
    swg_tokenizer_free(&tokenizer);
    return status;
}

static swg_status read_hparams(const job *j, swg_hparams *out)
{
    const swg_arch *arch;
    SWG_TRY(swg_hparams_read(swg_strbuf_text(&j->config), j->config.length, &arch, out));
    return out->task == SWG_OUTPUT_NEXT_TOKEN
               ? SWG_OK
               : swg_error(SWG_UNSUPPORTED,
                           "%s: only models that predict the next token can be trained on a text",
                           j->a->config);
}

/* --- The work --------------------------------------------------------------------------------- */

static swg_status read_texts(job *j, const swg_hparams *hparams)
{
    enum { USUAL_WINDOW = 512 };
    const arguments *a = j->a;
    const size_t most = (size_t)hparams->max_positions;
    const size_t usual = most < USUAL_WINDOW ? most : USUAL_WINDOW;
    const size_t window = a->training.window ? (size_t)a->training.window : usual;
    swg_tokenizer *tokenizer = NULL;
    swg_status status = SWG_OK;
    if (window > most)
        return swg_error(SWG_USAGE, "windows of %zu tokens; the model has %zu positions", window,
                         most);
    SWG_GO(swg_tokenizer_needed(swg_tokenizer_from_source(j->source, &tokenizer)));
    SWG_GO(swg_tokenizer_limit_ids(tokenizer, (size_t)hparams->vocab));
    SWG_GO(swg_training_text_read(tokenizer, a->texts.items, a->texts.count, a->documents, window,
                                  j->cli->progress, &j->text));
done:
    swg_tokenizer_free(&tokenizer);
    return status;
}

static swg_status check_arguments(const arguments *a)
{
    if (!a->texts.count)
        return swg_error(SWG_USAGE, "what to train on? Give --text or --data");
    if (!a->config)
        return swg_error(SWG_USAGE, "which model? Give --config");
    SWG_TRY(swg_training_check(&a->training));
    if (!a->tokenizer == !a->new_tokens)
        return swg_error(SWG_USAGE, a->tokenizer
                                        ? "--tokenizer and --train-tokenizer are both given"
                                        : "which tokenizer? Give --tokenizer or --train-tokenizer");
    return swg_sink_check_path(a->output, a->force);
}

static swg_training_output output_of(const job *j)
{
    return (swg_training_output){.path = j->a->output,
                                 .provenance = j->provenance,
                                 .force = j->a->force,
                                 .level = (int)j->a->level,
                                 .pool = j->pool,
                                 .meta = &j->meta,
                                 .tensors = j->outputs,
                                 .n_tensors = j->plan.n_entries};
}

static swg_status prepare(job *j)
{
    const arguments *a = j->a;
    swg_hparams hparams;
    SWG_TRY(check_arguments(a));
    SWG_TRY(append_file(a->config, MOST_CONFIG_BYTES, &j->config));
    SWG_TRY(a->tokenizer ? read_tokenizer(j) : train_tokenizer(j));
    if (a->new_tokens)
        SWG_TRY(complete_config(j));
    SWG_TRY(read_hparams(j, &hparams));
    SWG_TRY(swg_initial_weights(j->config.text, j->config.length, j->files, j->n_files,
                                (uint64_t)a->training.seed, &j->source));
    SWG_TRY(read_texts(j, &hparams));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    SWG_TRY(swg_plan_make_plain(j->inputs, swg_source_n_tensors(j->source), &j->plan));
    SWG_TRY(swg_quantize_output_descs(&j->plan, &j->outputs));
    swg_trainer_options training = swg_trainer_options_default();
    training.pool = j->pool;
    training.window = j->text.window;
    swg_training_set(&a->training, &training);
    SWG_TRY(swg_trainer_new(j->source, &j->plan, &training, &j->trainer));
    SWG_TRY(swg_sink_meta_from_source(j->source, &j->meta));
    const swg_training_output output = output_of(j);
    SWG_TRY(swg_training_check_output(&output));
    SWG_TRY(swg_training_log_open(&a->training, j->cli, a->force, false, &j->training.log));
    return SWG_OK;
}

/* What the result depends on beside configuration and tokenizer. */
static void write_settings(const job *j, swg_json_writer *json)
{
    swg_json_string(json, "text_sha256", j->text.sha256);
    swg_json_uint(json, "window_tokens", j->text.window);
    swg_json_bool(json, "documents", j->a->documents);
    swg_training_write(&j->a->training, json);
    swg_json_string(json, "linear_algebra", swg_linalg_name());
}

static swg_status train(job *j)
{
    swg_distill_options how;
    swg_json_writer *json = &j->training.settings;
    json->compact = true;
    swg_json_begin_object(json, NULL);
    write_settings(j, json);
    swg_json_end_object(json);
    SWG_TRY(swg_training_begin(&j->training, &how));
    how.pool = j->pool;
    how.ids = j->text.ids.data;
    how.n_windows = j->text.n_windows;
    how.window = j->text.window;
    how.weights[SWG_LOSS_kl] = 0;
    how.weights[SWG_LOSS_ce] = 1;
    swg_cli_say(j->cli, "%" PRIu64 " weights, %zu tokens of text in windows of %zu",
                swg_trainer_n_weights(j->trainer), j->text.ids.count, j->text.window);
    return swg_distill(j->trainer, NULL, &how, &j->training.result);
}

static swg_status add_provenance(job *j)
{
    swg_status status = SWG_OK;
    swg_input_hashes *hashes = NULL;
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    write_settings(j, &json);
    swg_json_uint(&json, "steps_taken", j->training.result.steps);
    swg_json_double(&json, "perplexity", exp(j->training.result.best.nll));
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_input_hashes_start(j->source, j->cli->n_threads, &hashes));
    const swg_step step = {.command = "train", .options = swg_strbuf_text(&json.out)};
    SWG_GO(swg_provenance_add(j->source, &step, hashes, &j->provenance));
done:
    swg_input_hashes_free(&hashes);
    swg_json_deinit(&json);
    return status;
}

static swg_status print(const job *j, uint64_t file_bytes)
{
    const swg_distill_result *r = &j->training.result;
    if (j->cli->json) {
        swg_json_writer json = {0};
        swg_cli_json_begin(j->cli, &json);
        swg_json_string(&json, "output", j->a->output);
        swg_json_uint(&json, "file_bytes", file_bytes);
        swg_json_uint(&json, "steps", r->steps);
        swg_json_uint(&json, "tokens", r->tokens);
        swg_json_uint(&json, "weights", swg_trainer_n_weights(j->trainer));
        swg_json_uint(&json, "text_tokens", j->text.ids.count);
        swg_json_double(&json, "perplexity_before", exp(r->first.nll));
        swg_json_double(&json, "perplexity", exp(r->best.nll));
        swg_json_uint(&json, "best_step", r->best.step);
        swg_training_log_write_memory(&j->training.log, &json);
        swg_json_double(&json, "elapsed_s", r->seconds);
        return swg_cli_json_print(&json);
    }
    printf("%" PRIu64 " weights trained for %" PRIu64 " steps on %" PRIu64 " tokens in %.1f s\n",
           swg_trainer_n_weights(j->trainer), r->steps, r->tokens, r->seconds);
    printf("perplexity of the held-out text: %.4f before, %.4f after step %" PRIu64 ", the best\n",
           exp(r->first.nll), exp(r->best.nll), r->best.step);
    return SWG_OK;
}

static swg_status write_output(job *j, uint64_t *bytes)
{
    SWG_TRY(add_provenance(j));
    const swg_training_output output = output_of(j);
    return swg_training_write_output(j->trainer, &output, bytes);
}

/* --- Classifiers ------------------------------------------------------------------------------ */

static swg_status check_labelled(const arguments *a)
{
    if (a->texts.count || a->documents)
        return swg_error(SWG_USAGE, "--%s is not for --data",
                         a->texts.count ? "text" : "documents");
    if (!a->init == !a->config)
        return swg_error(SWG_USAGE, a->init ? "--init and --config are both given"
                                            : "which model? Give --init or --config");
    if (a->new_tokens || (a->config && !a->tokenizer))
        return swg_error(SWG_USAGE, "--data needs a tokenizer that is there: give --tokenizer");
    if (a->init && swg_path_is_same(a->init, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", a->init);
    return swg_sink_check_path(a->output, a->force);
}

/* What the classifier is made of: a checkpoint, or new weights. */
static swg_status open_start(job *j)
{
    const arguments *a = j->a;
    swg_source_options how = swg_source_options_default();
    how.tokenizer = a->tokenizer;
    if (a->init)
        return swg_source_open(a->init, &how, &j->source);
    SWG_TRY(append_file(a->config, MOST_CONFIG_BYTES, &j->config));
    SWG_TRY(read_tokenizer(j));
    return swg_initial_weights(j->config.text, j->config.length, j->files, j->n_files,
                               (uint64_t)a->training.seed, &j->source);
}

static swg_status train_classifier(job *j)
{
    const arguments *a = j->a;
    SWG_TRY(check_labelled(a));
    SWG_TRY(open_start(j));
    const swg_classifier_request request = {.cli = j->cli,
                                            .command = "train",
                                            .labelled = &a->labelled,
                                            .training = &a->training,
                                            .output = a->output,
                                            .force = a->force,
                                            .level = (int)a->level,
                                            .start = j->source,
                                            .origin = j->source,
                                            .ce = 1,
                                            .temperature = 1};
    return swg_classifier_run(&request);
}

static swg_status train_language(job *j)
{
    uint64_t bytes = 0;
    SWG_TRY(prepare(j));
    const swg_status trained = train(j);
    if (swg_training_has_result(&j->training, trained))
        SWG_TRY(write_output(j, &bytes));
    SWG_TRY(swg_training_end(&j->training, trained));
    return print(j, bytes);
}

static swg_status run(const swg_cli *cli, const void *values)
{
    arguments given = *(const arguments *)values, *const a = &given;
    job j = {.cli = cli, .a = a, .training = {.arguments = &a->training, .output = a->output}};
    swg_status status = swg_classifier_check(&a->labelled, &a->training);
    if (!a->labelled.data)
        swg_training_settle(&a->training, 1e-3, 32);
    if (status == SWG_OK)
        status = a->labelled.data ? train_classifier(&j) : train_language(&j);
    swg_training_deinit(&j.training);
    swg_trainer_free(&j.trainer);
    swg_training_text_deinit(&j.text);
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_plan_deinit(&j.plan);
    swg_free(j.outputs);
    swg_free(j.inputs);
    swg_source_close(&j.source);
    swg_strbuf_deinit(&j.config);
    swg_strbuf_deinit(&j.tokenizer_text);
    return status;
}

static const swg_option_need needs[] = {
    SWG_TRAINING_NEEDS,
    SWG_CLASSIFIER_NEEDS,
    {"init", "data"},
    {"documents", "text"},
};

static const swg_example examples[] = {
    {"swage train --config config.json --train-tokenizer 512 --text book.txt -o trained --steps 20 "
     "--window 64 --held-out 4",
     "a model and its tokenizer from nothing but a text"},
    {"swage train --config config.json --tokenizer model/tokenizer.json --text stories.txt "
     "--documents -o trained --steps 10 --window 32 --held-out 4",
     "with a tokenizer that is there, on a text of many documents"},
    {"swage train --init bert --data labelled.jsonl --eval-data labelled.jsonl --epochs 2 -o tuned",
     "a classifier of texts"},
};

const swg_command swg_command_train = {
    .name = "train",
    .synopsis = "--config FILE --tokenizer FILE|--train-tokenizer N --text FILE... -o OUT "
                "--steps N|--minutes N [options] | --init MODEL --data FILE --epochs N -o OUT "
                "[options]",
    .summary = "train a language model from nothing, or a classifier of texts",
    .description =
        "Makes a model of the configuration's architecture and sizes with random weights, trains "
        "it with AdamW to predict the next token of the texts, judges it on their end, and writes "
        "the best weights with configuration and tokenizer. Needs about 20 bytes per weight.\n\n"
        "Every document begins with the tokenizer's beginning of text or, where it has none, its "
        "end of text. With --steps the result is the same for any number of threads; with "
        "--minutes it depends on the speed of the machine.\n\n"
        "With --data a classifier is trained: from MODEL, an encoder of BERT's family or a "
        "recurrent model, whose head is kept when it has all labels of the data and made anew "
        "otherwise; or from a configuration. With --eval-data accuracy and macro F1 are measured "
        "after every epoch, and the weights with the best accuracy are written.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .needs = needs,
    .n_needs = sizeof needs / sizeof *needs,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 0,
    .max_positionals = 0,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
