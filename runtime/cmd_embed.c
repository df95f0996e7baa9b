/* swage embed: a vector for every line of a text. */
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"
#include "runtime/cli/cli.h"
#include "runtime/embedder.h"

typedef struct arguments {
    const char *text, *output, *format, *pooling, *prompt_name, *activations, *tokenizer;
    int64_t batch, context;
    bool force, normalize, no_normalize;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, text, 0, "text", "FILE",
                      "texts, one per line (default and -: standard input)"),
    SWG_OPTION_STRING(arguments, output, 'o', "output", "OUT",
                      "file for the vectors (default: standard output)"),
    SWG_OPTION_CHOICE(arguments, format, 0, "format", "json|npy|f32", "json",
                      "a line of JSON per vector, NumPy's [texts, columns], or the numbers alone, "
                      "little-endian"),
    SWG_OPTION_INT(arguments, batch, 0, "batch", "N", 1, 4096, "32",
                   "texts computed together, at most"),
    SWG_OPTION_INT(arguments, context, 0, "context", "N", 1, 1 << 24, NULL,
                   "cut texts after N tokens, special ones included (default: the model's "
                   "max_seq_length, or its positions)"),
    {.kind = SWG_OPTION_IS_CHOICE,
     .name = "pooling",
     .metavar = "cls|max|mean|mean_sqrt_len|weightedmean|lasttoken",
     .choices = "cls|max|mean|mean_sqrt_len|weightedmean|lasttoken",
     .help = "how the tokens' rows become one (default: what the checkpoint says, else mean)",
     .offset = offsetof(arguments, pooling)},
    SWG_OPTION_FLAG(arguments, normalize, 0, "normalize",
                    "scale vectors to length 1 (default: what the checkpoint says, else not)"),
    SWG_OPTION_FLAG(arguments, no_normalize, 0, "no-normalize",
                    "leave vectors as long as they are"),
    SWG_OPTION_STRING(arguments, prompt_name, 0, "prompt-name", "NAME",
                      "put this prompt of the checkpoint before every text (default: its "
                      "default_prompt_name)"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, "int8",
                      swg_act_help),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use instead of the model's"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* One run of the command. */
typedef struct job {
    const swg_cli *cli;
    const arguments *args;
    swg_text_file input;
    swg_strbuf result;
    swg_text_view *texts; /* views into the input */
    size_t n;
    swg_session loaded;
    swg_embedder *embedder;
    float *vectors; /* [n][columns] */
    size_t columns;
    swg_embed_counts counts;
} job;

/* --- Computing -------------------------------------------------------------------------------- */

static void override(const arguments *args, swg_sentence *sentence)
{
    for (unsigned i = 0; args->pooling && i < SWG_POOLING_COUNT; i++)
        if (strcmp(swg_pooling_name((swg_pooling)i), args->pooling) == 0)
            sentence->poolings = 1u << i;
    if (args->normalize || args->no_normalize)
        sentence->normalizes = args->normalize;
}

static swg_status compute(job *j)
{
    const arguments *args = j->args;
    swg_embed_options how = {.size = sizeof how,
                             .batch = (size_t)args->batch,
                             .context = (size_t)args->context,
                             .activations = swg_act_named(args->activations)};
    size_t elems;
    SWG_TRY(swg_session_open_encoder(j->cli->positionals[0], args->tokenizer, j->cli->n_threads,
                                     j->cli->progress, &j->loaded));
    override(args, &j->loaded.sentence);
    SWG_TRY(swg_sentence_prompt(&j->loaded.sentence, args->prompt_name, &how.prompt));
    SWG_TRY(swg_embedder_new(&j->loaded, &how, &j->embedder));
    j->columns = swg_embedder_columns(j->embedder);
    if (!swg_size_mul(j->n, j->columns, &elems))
        return swg_error(SWG_LIMIT, "%zu vectors of %zu numbers are too many", j->n, j->columns);
    SWG_TRY(SWG_NEW_UNINIT(j->vectors, elems));
    SWG_TRY(
        swg_embedder_run(j->embedder, j->texts, j->n, j->cli->progress, j->vectors, &j->counts));
    if (j->counts.n_cut)
        swg_cli_say(j->cli,
                    "%llu of %zu texts have more than %zu tokens and were cut, the first in line "
                    "%zu",
                    (unsigned long long)j->counts.n_cut, j->n, j->counts.most,
                    j->counts.first_cut + 1);
    return SWG_OK;
}

/* --- Output ----------------------------------------------------------------------------------- */

static void put_vector(const job *j, size_t i, swg_json_writer *json)
{
    swg_json_begin_array(json, NULL);
    for (size_t c = 0; c < j->columns; c++)
        swg_json_double(json, NULL, (double)j->vectors[i * j->columns + c]);
    swg_json_end_array(json);
}

static swg_status put_lines(job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        swg_json_writer json = {.compact = true};
        put_vector(j, i, &json);
        swg_strbuf_append(&j->result, swg_strbuf_text(&json.out), json.out.length);
        swg_strbuf_puts(&j->result, "\n");
        const swg_status status = swg_strbuf_status(&json.out);
        swg_json_deinit(&json);
        SWG_TRY(status);
    }
    return SWG_OK;
}

/* The header of NumPy's format, version 1.0, is padded to a multiple of 64 bytes. */
static void put_npy_header(job *j)
{
    enum { LEAD = 10, ALIGN = 64 };
    char text[160];
    const int length = snprintf(text, sizeof text,
                                "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }",
                                j->n, j->columns);
    const size_t used = LEAD + (size_t)length + 1, padding = (ALIGN - used % ALIGN) % ALIGN;
    const size_t bytes = (size_t)length + padding + 1;
    const char lead[LEAD] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(bytes & 255), (char)(bytes >> 8)};
    swg_strbuf_append(&j->result, lead, LEAD);
    swg_strbuf_printf(&j->result, "%s%*s\n", text, (int)padding, "");
}

static swg_status make_result(job *j)
{
    const char *format = j->args->format;
    if (strcmp(format, "json") == 0)
        SWG_TRY(put_lines(j));
    else if (strcmp(format, "npy") == 0)
        put_npy_header(j);
    if (strcmp(format, "json") != 0)
        swg_strbuf_append(&j->result, (const char *)j->vectors,
                          j->n * j->columns * sizeof *j->vectors);
    return swg_strbuf_status(&j->result);
}

static swg_status write_file(job *j)
{
    swg_file_writer *writer = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_file_create(j->args->output, j->args->force, j->result.length, &writer));
    SWG_GO(swg_file_append(writer, swg_strbuf_text(&j->result), j->result.length));
    SWG_GO(swg_file_commit(&writer));
done:
    swg_file_abort(&writer);
    return status;
}

static swg_status report(job *j)
{
    swg_json_writer json = {0};
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "model", j->cli->positionals[0]);
    swg_json_uint(&json, "texts", j->n);
    swg_json_uint(&json, "columns", j->columns);
    swg_json_uint(&json, "tokens", j->counts.tokens);
    swg_json_uint(&json, "context", j->counts.most);
    swg_json_uint(&json, "texts_cut", j->counts.n_cut);
    swg_json_bool(&json, "normalized", j->loaded.sentence.normalizes);
    swg_json_begin_array(&json, "pooling");
    for (unsigned i = 0; i < SWG_POOLING_COUNT; i++)
        if (j->loaded.sentence.poolings >> i & 1)
            swg_json_string(&json, NULL, swg_pooling_name((swg_pooling)i));
    swg_json_end_array(&json);
    swg_json_string(&json, "activations", j->args->activations);
    if (j->args->output)
        swg_json_string(&json, "output", j->args->output);
    swg_json_begin_array(&json, "vectors");
    for (size_t i = 0; i < j->n && !j->args->output; i++)
        put_vector(j, i, &json);
    swg_json_end_array(&json);
    return swg_cli_json_print(&json);
}

static swg_status print(job *j)
{
    if (j->args->output || !j->cli->json)
        SWG_TRY(make_result(j));
    if (j->args->output)
        SWG_TRY(write_file(j));
    if (j->cli->json)
        return report(j);
    return j->args->output || j->result.length == 0
               ? SWG_OK
               : swg_cli_print(swg_strbuf_text(&j->result), j->result.length);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    job j = {.cli = cli, .args = raw_arguments};
    if (j.args->normalize && j.args->no_normalize)
        return swg_error(SWG_USAGE, "--normalize and --no-normalize exclude each other");
    if (j.args->output)
        SWG_GO(swg_file_check_target(j.args->output, j.args->force));
    SWG_GO(swg_text_file_open(j.args->text, SWG_TEXT_PROSE, &j.input));
    SWG_GO(swg_split_lines(j.input.text, j.input.length, &j.texts, &j.n));
    if (j.n == 0)
        SWG_GO(swg_error(SWG_USAGE, "%s holds no texts",
                         j.args->text ? j.args->text : "standard input"));
    SWG_GO(compute(&j));
    SWG_GO(print(&j));
done:
    swg_embedder_free(&j.embedder);
    swg_session_close(&j.loaded);
    swg_free(j.vectors);
    swg_free(j.texts);
    swg_text_file_close(&j.input);
    swg_strbuf_deinit(&j.result);
    return status;
}

static const swg_example examples[] = {
    {"swage embed all-MiniLM-L6-v2 --text sentences.txt -o vectors.npy --format npy",
     "vectors as a NumPy array"},
    {"echo 'a cat on a mat' | swage embed minilm-int8.swg", "one vector as JSON"},
    {"swage embed e5-base --text queries.txt --prompt-name query",
     "with a prompt that the checkpoint names"},
};

const swg_command swg_command_embed = {
    .name = "embed",
    .synopsis = "MODEL [--text FILE] [-o OUT] [--format json|npy|f32]",
    .summary = "turn texts into vectors",
    .description =
        "Reads texts, one per line, and prints one vector for each, in their order. MODEL is an "
        "encoder (BERT, RoBERTa, XLM-RoBERTa, DistilBERT), with or without the files of "
        "sentence-transformers: modules.json, 1_Pooling/config.json (pooling), 2_Normalize, "
        "sentence_bert_config.json (max_seq_length, do_lower_case) and "
        "config_sentence_transformers.json (prompts). Every format carries them. Without "
        "modules.json the mean of all tokens' rows is the vector. A head that the model has "
        "besides "
        "is left out.\n\n"
        "Poolings:"
#define SWG_POOLING(name, key, meaning) "\n  " #name ": " meaning "."
#include "runtime/poolings.def"
#undef SWG_POOLING
        "\nSeveral that a checkpoint asks for are concatenated in this order.\n\n"
        "Texts that are too long are cut at their end, and how many is said. Texts of similar "
        "length are computed together; with int8 activations a vector does not depend on the "
        "others.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
