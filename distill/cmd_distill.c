/* swage distill: train a student to predict what a teacher predicts. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "distill/cmd_classifier.h"
#include "quantize/cmd_calibration.h"
#include "quantize/checkpoint.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/hparams.h"

typedef struct arguments {
    const char *output, *teacher, *student_config, *student_layers, *text, *recipe, *bits,
        *group_size, *embedding_bits, *cache;
    int64_t tokens, level, top_k;
    double temperature, kl, ce, hidden_mse, hidden_cosine, attention_mse, grid_rate;
    swg_training_arguments training;
    swg_classifier_arguments labelled;
    bool keep_mask, documents, asymmetric, force;
} arguments;

static const char bit_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
    ;

enum { MOST_TOKENS = 1 << 30 }; /* of a text; also what is used unless --tokens says less */

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "OUT",
     .help = "what to write: any output of `swage convert`, or a .swg, which holds codes",
     .offset = offsetof(arguments, output),
     .is_required = true},
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'T',
     .name = "teacher",
     .metavar = "MODEL",
     .help = "the model to predict like: usually the one that STUDENT was compressed from",
     .offset = offsetof(arguments, teacher),
     .is_required = true},
    SWG_OPTION_STRING(
        arguments, student_config, 0, "student-config", "FILE",
        "instead of STUDENT: config.json of a new model, which gets random weights and "
        "the teacher's tokenizer"),
    SWG_OPTION_STRING(arguments, student_layers, 0, "student-layers", "LIST",
                      "instead of STUDENT: the teacher with these of its layers alone, like 0,2,4"),
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'c',
     .name = "text",
     .metavar = "FILE",
     .help = "text to train on; its end is held out to judge by",
     .offset = offsetof(arguments, text)},
    SWG_OPTION_FLAG(arguments, documents, 0, "documents",
                    "blank lines of the text separate documents that each begin with BOS"),
    SWG_OPTION_INT(arguments, tokens, 0, "tokens", "N", 2, MOST_TOKENS, "1073741824",
                   "largest number of tokens of the text to use"),
    SWG_TRAINING_OPTIONS(arguments, "0.0003, with --data " SWG_CLASSIFIER_RATES, "0", "8"),
    SWG_CLASSIFIER_OPTIONS(arguments),
    SWG_OPTION_DOUBLE(arguments, kl, 0, "kl-weight", "W", 0, 1e6, "1",
                      "weight of the divergence from the teacher"),
    SWG_OPTION_DOUBLE(arguments, ce, 0, "ce-weight", "W", 0, 1e6, "0",
                      "weight of the cross-entropy of the text itself"),
    SWG_OPTION_DOUBLE(
        arguments, hidden_mse, 0, "hidden-mse-weight", "W", 0, 1e6, "0",
        "weight of the squared difference between the rows that leave layers of both"),
    SWG_OPTION_DOUBLE(arguments, hidden_cosine, 0, "hidden-cosine-weight", "W", 0, 1e6, "0",
                      "weight of 1 - the cosine between these rows"),
    SWG_OPTION_DOUBLE(
        arguments, attention_mse, 0, "attention-mse-weight", "W", 0, 1e6, "0",
        "weight of the squared difference between attention scores of layers of both, "
        "which have as many heads"),
    SWG_OPTION_DOUBLE(arguments, temperature, 0, "temperature", "T", 0.01, 100, "1",
                      "divide the logits of both by this in the divergence"),
    SWG_OPTION_STRING(
        arguments, cache, 0, "teacher-cache", "FILE",
        "keep the teacher's likeliest tokens for the whole text in this file and train "
        "on them: the teacher runs once, and not at all where the file is there"),
    SWG_OPTION_INT(
        arguments, top_k, 0, "teacher-top-k", "K", 0, 1 << 20, "0",
        "with --teacher-cache: tokens kept per position; all others count as one; 0 = 64, or 256 "
        "of a vocabulary of more than 16384"),
    SWG_OPTION_FLAG(arguments, keep_mask, 0, "keep-mask",
                    "weights of matrices that are zero stay zero: a pruned student stays pruned"),
    SWG_OPTION_CHOICE(arguments, bits, 'b', "bits", bit_words + 1, NULL,
                      "train through rounding to this many bits: the codes that are written are "
                      "those that were trained with"),
    SWG_OPTION_CHOICE(arguments, group_size, 0, "group-size", "32|64|128|256|row", NULL,
                      "with --bits: weights of a row that share a scale"),
    SWG_OPTION_FLAG(arguments, asymmetric, 0, "asymmetric",
                    "with --bits: store a zero point for every group"),
    SWG_OPTION_CHOICE(arguments, embedding_bits, 0, "embedding-bits", bit_words + 1, NULL,
                      "with --bits: bits of embeddings and output heads (default 8)"),
    SWG_OPTION_DOUBLE(arguments, grid_rate, 0, "scale-rate", "F", 0, 1000, "1",
                      "rate of scales and zero points, as a multiple of --rate"),
    SWG_OPTION_STRING(arguments, recipe, 'r', "recipe", "FILE",
                      "JSON that says how each tensor is quantized (docs/recipes.md), instead of "
                      "--bits; codes are chosen by rounding to nearest whatever its methods"),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level of a .swg; 0 = the container's default"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* Everything between open checkpoints and the printed result. */
typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_student_choice student;
    swg_recipe *recipe; /* NULL: nothing is quantized */
    swg_source *source, *teacher_source;
    swg_tensor_desc *inputs, *outputs;
    swg_tensor_use *uses;
    swg_plan plan;
    swg_pool *pool;
    swg_calibration_ids text;
    swg_trainer *trainer;
    swg_model *teacher; /* NULL: its predictions are in the cache */
    swg_teacher_cache *cache;
    swg_sink_meta meta;
    swg_training training;
    char *provenance;
} job;

/* --- What is written -------------------------------------------------------------------------- */

static swg_status make_recipe(job *j)
{
    enum { MOST_BYTES = 64 << 20 };
    const arguments *a = j->a;
    swg_recipe_preset preset = swg_recipe_preset_default();
    char *text = NULL;
    size_t length = 0;
    if (a->recipe && a->bits)
        return swg_error(SWG_USAGE, "--recipe and --bits both say what is quantized");
    if (a->recipe) {
        SWG_TRY(swg_file_read(a->recipe, MOST_BYTES, &text, &length));
        const swg_status status = swg_recipe_parse(text, length, a->recipe, &j->recipe);
        swg_free(text);
        return status;
    }
    if (!a->bits)
        return SWG_OK;
    preset.bits = (unsigned)strtoul(a->bits, NULL, 10);
    if (a->embedding_bits)
        preset.embedding_bits = (unsigned)strtoul(a->embedding_bits, NULL, 10);
    if (a->group_size)
        preset.group =
            strcmp(a->group_size, "row") == 0 ? 0 : (uint32_t)strtoul(a->group_size, NULL, 10);
    preset.asymmetric = a->asymmetric;
    return swg_recipe_from_preset(&preset, &j->recipe);
}

/* Training moves the scale of every group by itself: one of a whole matrix cannot stay one. */
static swg_status check_plan(const job *j)
{
    for (size_t i = 0; i < j->plan.n_entries; i++) {
        const swg_plan_entry *entry = &j->plan.entries[i];
        if (entry->is_quantized && entry->search == SWG_SEARCH_MATRIX && j->a->grid_rate > 0)
            return swg_error(SWG_UNSUPPORTED,
                             "tensor %s: one scale of the whole matrix (\"search\": \"matrix\") "
                             "cannot be trained; --scale-rate 0 keeps it",
                             entry->desc.name);
    }
    return SWG_OK;
}

static swg_status make_plan(job *j)
{
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    if (!j->recipe)
        SWG_TRY(swg_plan_make_plain(j->inputs, swg_source_n_tensors(j->source), &j->plan));
    else {
        j->recipe->requantize = true;
        SWG_TRY(swg_quantize_source_uses(j->source, j->inputs, &j->uses));
        SWG_TRY(swg_plan_make(j->inputs, swg_source_n_tensors(j->source), j->uses, j->recipe,
                              &j->plan));
    }
    SWG_TRY(check_plan(j));
    return swg_quantize_output_descs(&j->plan, &j->outputs);
}

/* --- What is printed -------------------------------------------------------------------------- */

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
        swg_json_uint(&json, "zeros_kept", swg_trainer_n_zeros(j->trainer));
        swg_json_double(&json, "kld_before", r->first.kld);
        swg_json_double(&json, "kld", r->best.kld);
        swg_json_double(&json, "perplexity_before", exp(r->first.nll));
        swg_json_double(&json, "perplexity", exp(r->best.nll));
        swg_json_double(&json, "perplexity_teacher", exp(r->first.nll_teacher));
        swg_json_uint(&json, "best_step", r->best.step);
        swg_training_log_write_memory(&j->training.log, &json);
        swg_json_double(&json, "elapsed_s", r->seconds);
        return swg_cli_json_print(&json);
    }
    printf("%" PRIu64 " steps on %" PRIu64 " tokens in %.1f s; the best was step %" PRIu64 "\n",
           r->steps, r->tokens, r->seconds, r->best.step);
    printf("held-out text   before      after       teacher\n");
    printf("divergence      %-10.6f  %-10.6f  0\n", r->first.kld, r->best.kld);
    printf("perplexity      %-10.4f  %-10.4f  %.4f\n", exp(r->first.nll), exp(r->best.nll),
           exp(r->first.nll_teacher));
    return SWG_OK;
}

/* --- The work --------------------------------------------------------------------------------- */

static swg_calibration_arguments text_arguments(const arguments *a)
{
    return (swg_calibration_arguments){.text = a->text,
                                       .tokens = a->tokens,
                                       .window = a->training.window,
                                       .documents = a->documents};
}

static swg_status read_text(job *j)
{
    const swg_calibration_arguments from = text_arguments(j->a);
    return swg_calibration_arguments_read(&from, j->source, 0, &j->text);
}

static swg_status check_paths(const char *input, const arguments *a)
{
    return input && swg_path_is_same(input, a->output)
               ? swg_error(SWG_USAGE, "%s is both the input and the output", input)
               : swg_sink_check_path(a->output, a->force);
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

static swg_status load_teacher(job *j)
{
    swg_model_options how = swg_model_options_default();
    how.pool = j->pool;
    return swg_model_load(j->teacher_source, &how, &j->teacher);
}

/* The student's tokens, from its configuration. */
static swg_status read_vocab(const job *j, size_t *out)
{
    size_t length;
    const swg_arch *arch;
    swg_hparams hparams;
    const char *config = swg_source_config(j->source, &length);
    SWG_TRY(swg_hparams_read(config, length, &arch, &hparams));
    *out = (size_t)hparams.n_outputs;
    return SWG_OK;
}

static swg_status make_cache(job *j, const swg_teacher_cache_subject *subject)
{
    const swg_teacher_cache_work work = {
        .pool = j->pool, .progress = j->cli->progress, .batch = (size_t)j->a->training.batch};
    SWG_TRY(load_teacher(j));
    SWG_TRY(swg_teacher_cache_make(j->a->cache, subject, j->teacher, &work));
    swg_model_free(&j->teacher);
    swg_cli_say(j->cli, "the teacher's predictions are kept in %s", j->a->cache);
    return SWG_OK;
}

/* The tail that all other tokens are together has more to say in a large vocabulary. */
static size_t usual_top_k(size_t vocab)
{
    return vocab > 16384 ? 256 : 64;
}

/* Open the cache of the teacher's predictions, which is made if there is none. */
static swg_status open_cache(job *j)
{
    const arguments *a = j->a;
    swg_teacher_cache_subject subject = {.ids = j->text.text.ids,
                                         .n_windows = j->text.text.n_windows,
                                         .window = j->text.text.window,
                                         .k = (size_t)a->top_k,
                                         .temperature = a->temperature};
    swg_input_hashes *hashes = NULL;
    char *identity = NULL;
    swg_status status = SWG_OK;
    SWG_GO(read_vocab(j, &subject.vocab));
    if (subject.k == 0)
        subject.k = usual_top_k(subject.vocab);
    if (subject.k > subject.vocab)
        subject.k = subject.vocab;
    SWG_GO(swg_input_hashes_start(j->teacher_source, j->cli->n_threads, &hashes));
    SWG_GO(swg_teacher_cache_identity(&subject, j->text.sha256, hashes, &identity));
    subject.identity = identity;
    if (!swg_path_exists(a->cache))
        SWG_GO(make_cache(j, &subject));
    SWG_GO(swg_teacher_cache_open(a->cache, &subject, &j->cache));
done:
    swg_input_hashes_free(&hashes);
    swg_free(identity);
    return status;
}

/* What goes with a cache of the teacher's predictions, and without. */
static swg_status check_cache(const arguments *a)
{
    if (a->cache && (a->hidden_mse > 0 || a->hidden_cosine > 0 || a->attention_mse > 0))
        return swg_error(
            SWG_USAGE,
            "--teacher-cache has the teacher's predictions, and not what --%s compares "
            "with, which is inside its layers",
            a->hidden_mse > 0      ? "hidden-mse-weight"
            : a->hidden_cosine > 0 ? "hidden-cosine-weight"
                                   : "attention-mse-weight");
    if (a->cache && a->kl <= 0)
        return swg_error(SWG_USAGE, "--teacher-cache is of use only with --kl-weight");
    return SWG_OK;
}

static swg_status prepare(job *j)
{
    const arguments *a = j->a;
    SWG_TRY(swg_training_check(&a->training));
    SWG_TRY(check_paths(j->student.input, a));
    SWG_TRY(make_recipe(j));
    SWG_TRY(swg_source_open(a->teacher, NULL, &j->teacher_source));
    SWG_TRY(
        swg_student_open(&j->student, j->teacher_source, (uint64_t)a->training.seed, &j->source));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    SWG_TRY(make_plan(j));
    SWG_TRY(read_text(j));
    SWG_TRY(a->cache ? open_cache(j) : load_teacher(j));
    swg_trainer_options training = swg_trainer_options_default();
    training.pool = j->pool;
    training.window = j->text.text.window;
    training.keep_zeros = a->keep_mask;
    swg_training_set(&a->training, &training);
    SWG_TRY(swg_trainer_new(j->source, &j->plan, &training, &j->trainer));
    SWG_TRY(swg_sink_meta_from_source(j->source, &j->meta));
    const swg_training_output output = output_of(j);
    SWG_TRY(swg_training_check_output(&output));
    SWG_TRY(swg_training_log_open(&a->training, j->cli, a->force, true, &j->training.log));
    return SWG_OK;
}

/* What the result depends on beside the inputs. */
static void write_settings(const job *j, swg_json_writer *json)
{
    const arguments *a = j->a;
    const swg_calibration_arguments from = text_arguments(a);
    swg_student_write(&j->student, j->source, json);
    swg_calibration_arguments_write(&from, &j->text, NULL, json);
    swg_training_write(&a->training, json);
    swg_json_double(json, "kl_weight", a->kl);
    swg_json_double(json, "ce_weight", a->ce);
    swg_json_double(json, "hidden_mse_weight", a->hidden_mse);
    swg_json_double(json, "hidden_cosine_weight", a->hidden_cosine);
    swg_json_double(json, "attention_mse_weight", a->attention_mse);
    swg_json_double(json, "temperature", a->temperature);
    if (j->cache)
        swg_json_uint(json, "teacher_top_k", swg_teacher_cache_k(j->cache));
    swg_json_bool(json, "keep_mask", a->keep_mask);
    swg_json_double(json, "scale_rate", a->grid_rate);
}

static swg_status train(job *j)
{
    const arguments *a = j->a;
    swg_distill_options how;
    swg_json_writer *settings = &j->training.settings;
    settings->compact = true;
    swg_json_begin_object(settings, NULL);
    write_settings(j, settings);
    if (j->recipe)
        swg_recipe_write(j->recipe, settings, "recipe");
    swg_json_end_object(settings);
    SWG_TRY(swg_training_begin(&j->training, &how));
    how.pool = j->pool;
    how.ids = j->text.text.ids;
    how.n_windows = j->text.text.n_windows;
    how.window = j->text.text.window;
    how.weights[SWG_LOSS_kl] = a->kl;
    how.weights[SWG_LOSS_ce] = a->ce;
    how.weights[SWG_LOSS_hidden_mse] = a->hidden_mse;
    how.weights[SWG_LOSS_hidden_cosine] = a->hidden_cosine;
    how.weights[SWG_LOSS_attention_mse] = a->attention_mse;
    how.temperature = a->temperature;
    how.cache = j->cache;
    how.adamw.grid_rate = a->grid_rate;
    return swg_distill(j->trainer, j->teacher, &how, &j->training.result);
}

/* A student that is new has the history of what it was made from and with, its teacher. */
static swg_status add_provenance(job *j)
{
    swg_source *origin = j->student.input ? j->source : j->teacher_source;
    swg_status status = SWG_OK;
    swg_input_hashes *hashes = NULL;
    swg_json_writer options_json = {.compact = true};
    swg_json_begin_object(&options_json, NULL);
    write_settings(j, &options_json);
    swg_json_uint(&options_json, "steps_taken", j->training.result.steps);
    swg_json_double(&options_json, "kld", j->training.result.best.kld);
    swg_json_end_object(&options_json);
    SWG_GO(swg_strbuf_status(&options_json.out));
    SWG_GO(swg_input_hashes_start(origin, j->cli->n_threads, &hashes));
    status = swg_command_history(origin, "distill", options_json.out.text, j->recipe, hashes,
                                 &j->provenance);
done:
    swg_input_hashes_free(&hashes);
    swg_json_deinit(&options_json);
    return status;
}

static swg_status write_output(job *j, uint64_t *bytes)
{
    SWG_TRY(add_provenance(j));
    const swg_training_output output = output_of(j);
    return swg_training_write_output(j->trainer, &output, bytes);
}

/* The name of an option that is given and goes with a text alone, or NULL. */
static const char *text_option(const arguments *a)
{
    const struct {
        bool is_given;
        const char *name;
    } options_of_text[] = {{a->documents, "documents"},
                           {a->bits != NULL, "bits"},
                           {a->group_size != NULL, "group-size"},
                           {a->embedding_bits != NULL, "embedding-bits"},
                           {a->asymmetric, "asymmetric"},
                           {a->recipe != NULL, "recipe"},
                           {a->keep_mask, "keep-mask"},
                           {a->tokens < MOST_TOKENS, "tokens"},
                           {a->grid_rate != 1, "scale-rate"},
                           {a->hidden_mse > 0, "hidden-mse-weight"},
                           {a->hidden_cosine > 0, "hidden-cosine-weight"},
                           {a->attention_mse > 0, "attention-mse-weight"},
                           {a->cache != NULL, "teacher-cache"}};
    for (size_t i = 0; i < sizeof options_of_text / sizeof *options_of_text; i++)
        if (options_of_text[i].is_given)
            return options_of_text[i].name;
    return NULL;
}

/* What goes with labelled texts, and without. */
static swg_status check_labelled(const arguments *a)
{
    SWG_TRY(swg_classifier_check(&a->labelled, &a->training));
    if (!a->text == !a->labelled.data)
        return swg_error(SWG_USAGE, a->text ? "--text and --data are both given"
                                            : "what to train on? Give --text or --data");
    const char *const of_text = text_option(a);
    if (a->labelled.data && of_text)
        return swg_error(SWG_UNSUPPORTED, "--%s is not for --data", of_text);
    if (a->temperature != 1 && a->kl <= 0)
        return swg_error(SWG_USAGE, "--temperature is of use only with --kl-weight");
    if (a->grid_rate != 1 && !a->bits && !a->recipe)
        return swg_error(SWG_USAGE, "--scale-rate is of use only with --bits or --recipe");
    return a->kl > 0 || a->ce > 0 || a->hidden_mse > 0 || a->hidden_cosine > 0 ||
                   a->attention_mse > 0
               ? SWG_OK
               : swg_error(SWG_USAGE, "the weights of all losses are 0");
}

/* A student of a classifier. */
static swg_status distil_classifier(const swg_cli *cli, const arguments *a,
                                    const swg_student_choice *student)
{
    swg_source *source = NULL, *teacher = NULL;
    swg_status status = SWG_OK;
    SWG_GO(check_paths(student->input, a));
    SWG_GO(swg_source_open(a->teacher, NULL, &teacher));
    SWG_GO(swg_student_open(student, teacher, (uint64_t)a->training.seed, &source));
    const swg_classifier_request request = {.cli = cli,
                                            .command = "distill",
                                            .labelled = &a->labelled,
                                            .training = &a->training,
                                            .output = a->output,
                                            .force = a->force,
                                            .level = (int)a->level,
                                            .start = source,
                                            .origin = student->input ? source : teacher,
                                            .teacher = teacher,
                                            .student = student,
                                            .kl = a->kl,
                                            .ce = a->ce,
                                            .temperature = a->temperature};
    SWG_GO(swg_classifier_run(&request));
done:
    swg_source_close(&source);
    swg_source_close(&teacher);
    return status;
}

static swg_status run(const swg_cli *cli, const void *values)
{
    arguments given = *(const arguments *)values, *const a = &given;
    job j = {.cli = cli,
             .a = a,
             .student = {.input = cli->n_positionals ? cli->positionals[0] : NULL,
                         .config = a->student_config,
                         .layers = a->student_layers},
             .training = {.arguments = &a->training, .output = a->output}};
    swg_status status = SWG_OK;
    uint64_t bytes = 0;
    SWG_GO(check_labelled(a));
    if (a->labelled.data)
        return distil_classifier(cli, a, &j.student);
    SWG_GO(check_cache(a));
    swg_training_settle(&given.training, 3e-4, 8);
    SWG_GO(prepare(&j));
    const swg_status trained = train(&j);
    if (swg_training_has_result(&j.training, trained))
        SWG_GO(write_output(&j, &bytes));
    SWG_GO(swg_training_end(&j.training, trained));
    SWG_GO(print(&j, bytes));
done:
    swg_training_deinit(&j.training);
    swg_trainer_free(&j.trainer);
    swg_model_free(&j.teacher);
    swg_teacher_cache_free(&j.cache);
    swg_calibration_ids_deinit(&j.text);
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_plan_deinit(&j.plan);
    swg_free(j.outputs);
    swg_free(j.uses);
    swg_free(j.inputs);
    swg_source_close(&j.source);
    swg_source_close(&j.teacher_source);
    swg_recipe_free(&j.recipe);
    return status;
}

static const swg_option_need needs[] = {
    SWG_TRAINING_NEEDS,     SWG_CLASSIFIER_NEEDS,       {"group-size", "bits"},
    {"asymmetric", "bits"}, {"embedding-bits", "bits"}, {"teacher-top-k", "teacher-cache"},
};

static const swg_example examples[] = {
    {"swage distill model -T model -c book.txt -o small.swg --bits 3 --steps 20 --window 64",
     "train through rounding to 3 bits"},
    {"swage distill model -T model -c book.txt -o recovered --keep-mask --steps 10 --window 64 "
     "--held-out 4",
     "what is zero stays zero: recover what pruning lost"},
    {"swage distill -T model --student-layers 0,2 -c book.txt -o shorter --steps 10 --window 64 "
     "--held-out 4",
     "a student of two of the teacher's layers"},
    {"swage distill -T model --student-config config.json -c book.txt -o student --steps 10 "
     "--window 64 --held-out 4",
     "a student of another shape"},
    {"swage distill -T bert --student-layers 0 --data labelled.jsonl --epochs 2 -o bert-small",
     "a classifier of one layer that learns from a larger one"},
};

const swg_command swg_command_distill = {
    .name = "distill",
    .synopsis = "STUDENT|--student-config FILE|--student-layers LIST -T TEACHER -o OUT "
                "-c FILE --steps N|--minutes N | --data FILE --epochs N [options]",
    .summary = "train a compressed or smaller model to predict what the original predicts",
    .description =
        "Trains all float weights of STUDENT with AdamW so that its predictions on a text come "
        "close to the teacher's, judges on the end of the text, and writes the best weights. "
        "Needs about 16 bytes per weight.\n\n"
        "STUDENT is usually compressed from the teacher. --student-config makes a new one of any "
        "shape with the teacher's vocabulary, --student-layers one that starts from some of its "
        "layers. With --data the teacher is a classifier, whose probabilities of labels the "
        "student "
        "learns.\n\n"
        "With --keep-mask a pruned student stays pruned. With --bits or --recipe it is trained "
        "through rounding (straight-through estimator), and the output holds exactly the codes "
        "that it was trained with. With --steps the result is the same for any number of "
        "threads; with --minutes it depends on the speed of the machine.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .needs = needs,
    .n_needs = sizeof needs / sizeof *needs,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 0,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
