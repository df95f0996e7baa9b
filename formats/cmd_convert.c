/* swage convert: a checkpoint in another format, bit for bit, or with its quantized tensors written
 * out as floats where that was asked for. One tensor is in memory at a time. */
#include <string.h>

#include "formats/formats.h"
#include "formats/provenance.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/cli/cli.h"
#include "runtime/verdict.h"

typedef struct arguments {
    const char *output, *dequantize, *dequantize_rest, *tokenizer, *element_type, *format,
        *max_shard_bytes;
    const char *nonfinite;
    int64_t level;
    bool force, dry_run;
} arguments;

static const char format_words[] = ""
#define SWG_WRITER(name, word, endings, meaning) "|" word
#include "formats/formats.def"
    ;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "OUT",
     .help = "file whose ending names the format, or folder to write",
     .offset = offsetof(arguments, output),
     .is_required = true},
    SWG_OPTION_CHOICE(arguments, dequantize, 0, "dequantize", "f32|f16|bf16", NULL,
                      "write quantized tensors, and those of float64, as floats of this type"),
    SWG_OPTION_CHOICE(arguments, dequantize_rest, 0, "dequantize-rest", "f32|f16|bf16", NULL,
                      "the same for those quantized tensors alone that the format cannot hold"),
    SWG_OPTION_CHOICE(arguments, element_type, 0, "element-type", "f32|f16|bf16|q8_0|q4_0|q4_1",
                      NULL,
                      "write floats as this type: the matrices of a .gguf, all tensors elsewhere "
                      "(blocks are for a .gguf alone)"),
    {.kind = SWG_OPTION_IS_CHOICE,
     .name = "format",
     .metavar = "FORMAT", /* there are more than fit a line of the help, which explains each */
     .choices = format_words + 1,
     .help = "write this one of the formats above whatever OUT's name is",
     .offset = offsetof(arguments, format)},
    SWG_OPTION_STRING(arguments, max_shard_bytes, 0, "max-shard-bytes", "N",
                      "split a folder's weights into files of at most N bytes (K, M, G: KiB, MiB, "
                      "GiB)"),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level of a .swg; 0 = the default"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer, or checkpoint with one, to pack instead of the one found"),
    SWG_OPTION_CHOICE(arguments, nonfinite, 0, "nonfinite", "error|warn|keep", "error",
                      "what to do about NaN and infinities among numbers that change their type: "
                      "fail, keep them and say so, or keep them"),
    SWG_OPTION_FLAG(
        arguments, dry_run, 'n', "dry-run",
        "print the plan, its bytes (of a .swg an upper bound) and memory; write nothing"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_source *source;
    swg_pool *pool;
    swg_tensor_desc *outputs; /* [n_tensors], in the source's order */
    size_t n_tensors;
    bool changes_floats; /* --element-type is this command's to do, not the writer's */
    swg_sink_meta meta;
    char *provenance;
    uint64_t n_nonfinite; /* among the numbers that were dequantized */
} job;

/* What a run or a dry run did. */
typedef struct outcome {
    uint64_t bytes, peak_memory_bytes;
    bool is_exact;
    uint64_t *stored_bytes; /* of each tensor; NULL = dry run */
} outcome;

/* The element type that a tensor is changed to, a word of a float type; NULL: kept as it is. */
static const char *changed_type(const job *j, const swg_tensor_desc *desc)
{
    const arguments *a = j->a;
    const bool is_plain = swg_scheme_is_plain(desc->scheme);
    const bool is_f64 = is_plain && desc->scheme.dtype == SWG_F64;
    if (a->dequantize && (!is_plain || is_f64))
        return a->dequantize;
    if (a->dequantize_rest && (is_f64 || !swg_sink_holds(a->output, a->format, desc)))
        return a->dequantize_rest;
    const bool is_float = is_plain && (is_f64 || swg_dtype_is_float(desc->scheme.dtype));
    return is_float && j->changes_floats ? a->element_type : NULL;
}

static swg_status plan_outputs(job *j)
{
    const arguments *a = j->a;
    swg_dtype type;
    j->n_tensors = swg_source_n_tensors(j->source);
    j->changes_floats = a->element_type &&
                        swg_dtype_parse_word(a->element_type, strlen(a->element_type), &type) &&
                        !swg_sink_takes_element_type(a->output, a->format, a->element_type);
    SWG_TRY(SWG_NEW(j->outputs, j->n_tensors));
    for (size_t i = 0; i < j->n_tensors; i++) {
        j->outputs[i] = *swg_source_tensor(j->source, i);
        const char *word = changed_type(j, &j->outputs[i]);
        if (word && swg_dtype_parse_word(word, strlen(word), &type)) {
            j->outputs[i].n_stored = 0;
            j->outputs[i].scheme = swg_scheme_plain(type);
        }
    }
    return SWG_OK;
}

/* The history with this step's entry, for outputs that keep one. Without hashes: for a dry run. */
static swg_status add_provenance(job *j, swg_input_hashes *hashes)
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    if (j->a->dequantize)
        swg_json_string(&json, "dequantize", j->a->dequantize);
    if (j->a->dequantize_rest)
        swg_json_string(&json, "dequantize_rest", j->a->dequantize_rest);
    if (j->a->element_type)
        swg_json_string(&json, "element_type", j->a->element_type);
    swg_json_end_object(&json);
    swg_status status = swg_strbuf_status(&json.out);
    const swg_step step = {.command = "convert", .options = swg_strbuf_text(&json.out)};
    if (status == SWG_OK)
        status = swg_provenance_add(j->source, &step, hashes, &j->provenance);
    swg_json_deinit(&json);
    return status;
}

static bool keeps_provenance(const job *j)
{
    return swg_sink_keeps_provenance(j->a->output, j->a->format);
}

/* --- One tensor ------------------------------------------------------------------------------- */

/* Rows of one plane, read in parallel. */
typedef struct reading {
    job *j;
    size_t tensor;
    swg_plane shape; /* of the output's plane */
    uint64_t step;   /* rows an item */
    uint8_t *out;
} reading;

static swg_status dequantize_rows(const reading *r, uint64_t row, uint64_t rows, uint8_t *out)
{
    const swg_tensor_desc *desc = &r->j->outputs[r->tensor];
    const size_t count = (size_t)(rows * swg_tensor_cols(desc));
    if (desc->scheme.dtype == SWG_F32)
        return swg_source_read_f32(r->j->source, r->tensor, row, rows, (float *)(void *)out);
    float *numbers;
    SWG_TRY(SWG_NEW_UNINIT(numbers, count));
    const swg_status status = swg_source_read_f32(r->j->source, r->tensor, row, rows, numbers);
    for (size_t i = 0; status == SWG_OK && i < count; i++)
        swg_float_store(desc->scheme.dtype, out, i, numbers[i]);
    swg_free(numbers);
    return status;
}

static swg_status read_item(void *context, size_t index)
{
    const reading *r = context;
    const uint64_t row = index * r->step, left = r->shape.rows - row;
    const uint64_t rows = r->step < left ? r->step : left;
    uint8_t *out = r->out + row * r->shape.row_bytes;
    const swg_tensor_desc *from = swg_source_tensor(r->j->source, r->tensor);
    if (swg_scheme_equal(from->scheme, r->j->outputs[r->tensor].scheme))
        return swg_source_read(r->j->source, r->tensor, r->shape.kind, row, rows, out);
    return dequantize_rows(r, row, rows, out);
}

static bool keeps_nonfinite(const job *j)
{
    return strcmp(j->a->nonfinite, "error") != 0;
}

/* Scales are finite where they are read, so what is not finite now was beyond the range. */
static swg_status check_dequantized(job *j, size_t tensor, const void *numbers)
{
    const swg_tensor_desc *desc = &j->outputs[tensor];
    uint64_t first = 0;
    const uint64_t n =
        swg_count_nonfinite(desc->scheme.dtype, numbers, swg_tensor_elems(desc), &first);
    j->n_nonfinite += n;
    if (n == 0 || keeps_nonfinite(j))
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: element %llu of tensor %s is not finite, or beyond the range of %s; "
                     "--nonfinite keep makes it infinite",
                     swg_source_path(j->source), (unsigned long long)first, desc->name,
                     swg_dtype_name(desc->scheme.dtype));
}

static swg_status convert_tensor(job *j, swg_sink *sink, size_t tensor)
{
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(&j->outputs[tensor], planes);
    size_t n_stored;
    const swg_plane *const stored = swg_source_planes(j->source, tensor, &n_stored);
    const bool is_same =
        swg_scheme_equal(swg_source_tensor(j->source, tensor)->scheme, j->outputs[tensor].scheme);
    uint8_t *data[SWG_PLANE_KINDS] = {0}; /* by kind */
    const void *views[SWG_PLANE_KINDS] = {0};
    swg_status status = SWG_OK;
    for (size_t p = 0; p < n_planes; p++) {
        const swg_plane_kind kind = planes[p].kind;
        views[kind] = is_same ? swg_source_view(j->source, tensor, kind) : NULL;
        if (views[kind])
            continue;
        SWG_GO(SWG_NEW_UNINIT(data[kind], (size_t)planes[p].bytes));
        reading r = {
            .j = j,
            .tensor = tensor,
            .shape = planes[p],
            .step = swg_source_rows_per_read(j->source, tensor, is_same ? kind : stored[0].kind),
            .out = data[kind]};
        if (planes[p].bytes > 0)
            SWG_GO(swg_pool_for(j->pool, (size_t)((planes[p].rows + r.step - 1) / r.step),
                                read_item, &r));
        if (!is_same)
            SWG_GO(check_dequantized(j, tensor, data[kind]));
        views[kind] = data[kind];
    }
    SWG_GO(swg_sink_write(sink, tensor, views));
done:
    swg_source_release(j->source, tensor);
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
        swg_free(data[kind]);
    return status;
}

/* --- Reports ---------------------------------------------------------------------------------- */

static void json_tensor(const job *j, const outcome *o, size_t tensor, swg_json_writer *json)
{
    char scheme[SWG_SCHEME_NAME_BYTES];
    const swg_tensor_desc *desc = &j->outputs[tensor];
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "name", desc->name);
    swg_json_string(json, "from",
                    swg_scheme_name(swg_source_tensor(j->source, tensor)->scheme, scheme));
    swg_json_string(json, "scheme", swg_scheme_name(desc->scheme, scheme));
    swg_json_uint(json, "raw_bytes", swg_tensor_bytes(desc));
    if (o->stored_bytes)
        swg_json_uint(json, "stored_bytes", o->stored_bytes[tensor]);
    swg_json_end_object(json);
}

static swg_status print_json(const job *j, const outcome *o)
{
    swg_json_writer json = {0};
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "input", swg_source_path(j->source));
    swg_json_string(&json, "input_format", swg_source_format(j->source));
    swg_json_string(&json, "output", j->a->output);
    swg_json_bool(&json, "dry_run", o->stored_bytes == NULL);
    swg_json_uint(&json, "output_bytes", o->bytes);
    swg_json_bool(&json, "output_bytes_exact", o->is_exact);
    swg_json_uint(&json, "peak_memory_bytes", o->peak_memory_bytes);
    swg_json_uint(&json, "nonfinite", j->n_nonfinite);
    swg_json_begin_array(&json, "tensors");
    for (size_t i = 0; i < j->n_tensors; i++)
        json_tensor(j, o, i, &json);
    swg_json_end_array(&json);
    return swg_cli_json_print(&json);
}

static swg_status print_text(const job *j, const outcome *o)
{
    swg_strbuf out = {0};
    char bytes[32], memory[32];
    for (size_t i = 0; i < j->n_tensors && !o->stored_bytes; i++) {
        char from[SWG_SCHEME_NAME_BYTES], to[SWG_SCHEME_NAME_BYTES];
        const swg_tensor_desc *desc = &j->outputs[i];
        swg_strbuf_printf(&out, "%-48s %-18s -> %-18s %14llu B\n", desc->name,
                          swg_scheme_name(swg_source_tensor(j->source, i)->scheme, from),
                          swg_scheme_name(desc->scheme, to),
                          (unsigned long long)swg_tensor_bytes(desc));
    }
    swg_strbuf_printf(&out, "%s: %s%llu bytes (%s), peak memory %s\n", j->a->output,
                      o->is_exact ? "" : "at most ", (unsigned long long)o->bytes,
                      swg_format_bytes(o->bytes, bytes),
                      swg_format_bytes(o->peak_memory_bytes, memory));
    if (!o->is_exact)
        swg_strbuf_puts(&out,
                        "the bytes are an upper bound: what compression saves shows only when "
                        "it is done\n");
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static swg_status print(const job *j, const outcome *o)
{
    return j->cli->json ? print_json(j, o) : print_text(j, o);
}

/* --- The command ------------------------------------------------------------------------------ */

/* The largest tensor as it is mapped and as it is written, and compression's buffers. */
static uint64_t plan_memory(const job *j)
{
    static const uint64_t base_bytes = 16 << 20, thread_bytes = 12 << 20;
    uint64_t largest = 0;
    for (size_t i = 0; i < j->n_tensors; i++) {
        const uint64_t bytes =
            swg_tensor_bytes(swg_source_tensor(j->source, i)) + swg_tensor_bytes(&j->outputs[i]);
        largest = bytes > largest ? bytes : largest;
    }
    return base_bytes + largest + thread_bytes * swg_pool_threads(j->pool);
}

static swg_status dry_run(job *j, const swg_sink_options *sink_options)
{
    outcome o = {.peak_memory_bytes = plan_memory(j)};
    if (keeps_provenance(j)) {
        SWG_TRY(add_provenance(j, NULL));
        j->meta.provenance = j->provenance;
    }
    SWG_TRY(swg_sink_plan_bytes(j->a->output, sink_options, &j->meta, j->outputs, j->n_tensors,
                                &o.bytes, &o.is_exact));
    return print(j, &o);
}

static swg_status write_output(job *j, const swg_sink_options *sink_options)
{
    swg_sink *sink = NULL;
    swg_input_hashes *hashes = NULL;
    swg_status status = SWG_OK;
    outcome o = {.is_exact = true};
    SWG_TRY(SWG_NEW(o.stored_bytes, j->n_tensors));
    if (keeps_provenance(j)) /* others spare reading the whole input once more */
        SWG_GO(swg_input_hashes_start(j->source, j->cli->n_threads, &hashes));
    SWG_GO(swg_sink_open(j->a->output, sink_options, &j->meta, j->outputs, j->n_tensors, &sink));
    for (size_t i = 0; i < j->n_tensors; i++) {
        SWG_GO(swg_progress_step(j->cli->progress, "converting", "tensors", i, j->n_tensors));
        SWG_GO(convert_tensor(j, sink, i));
        o.stored_bytes[i] = swg_sink_stored_bytes(sink, i);
    }
    j->n_nonfinite += swg_sink_nonfinite(sink);
    if (hashes) {
        SWG_GO(add_provenance(j, hashes));
        SWG_GO(swg_sink_set_provenance(sink, j->provenance));
    }
    SWG_GO(swg_sink_finish(&sink, &o.bytes));
    if (j->n_nonfinite && strcmp(j->a->nonfinite, "warn") == 0)
        swg_cli_say(j->cli, "%s: %llu numbers are not finite", j->a->output,
                    (unsigned long long)j->n_nonfinite);
    o.peak_memory_bytes = swg_peak_rss_bytes();
    SWG_GO(print(j, &o));
done:
    swg_sink_abort(&sink);
    swg_input_hashes_free(&hashes);
    swg_free(o.stored_bytes);
    return status;
}

/* The output must not be, or hold, a file that is being read. Shards may have any number in their
 * names, so they may not go where the input is at all. */
static swg_status check_output(const swg_source *source, const char *input, const arguments *a)
{
    const char *const output = a->output;
    char *weights = swg_path_join(output, "model.safetensors");
    char *index = swg_path_join(output, "model.safetensors.index.json");
    char *folder = swg_path_dirname(input);
    const bool has_paths = weights && index && folder;
    const bool is_input =
        has_paths && (swg_source_reads(source, output) || swg_source_reads(source, weights) ||
                      swg_source_reads(source, index) ||
                      (a->max_shard_bytes && swg_path_is_same(folder, output)));
    swg_free(weights);
    swg_free(index);
    swg_free(folder);
    if (!has_paths)
        return SWG_NO_MEMORY;
    return is_input ? swg_error(SWG_USAGE, "%s would replace a file of the input", output) : SWG_OK;
}

/* A model that swage cannot run may be converted, which is said; but a configuration that
 * contradicts itself or the tensors is not passed on in another program's terms. */
static swg_status check_model(const job *j)
{
    swg_verdict verdict;
    SWG_TRY(swg_verdict_make(j->source, &verdict));
    const swg_finding *obstacle = swg_verdict_obstacle(&verdict);
    if (obstacle && obstacle->status == SWG_CORRUPT &&
        swg_sink_translates_config(j->a->output, j->a->format))
        return swg_error(SWG_CORRUPT, "%s", obstacle->sentence);
    swg_verdict_notify(&verdict);
    return SWG_OK;
}

/* A single .safetensors has no place for the rest of a checkpoint. */
static void say_what_is_dropped(const job *j)
{
    static const char ending[] = ".safetensors";
    if (!swg_path_ends_with(j->a->output, ending, sizeof ending - 1))
        return;
    if (j->meta.n_files > 0 || j->meta.config_length > 2)
        swg_cli_say(j->cli,
                    "%s holds tensors and metadata only; name a folder to keep the configuration "
                    "and the tokenizer",
                    j->a->output);
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    job j = {.cli = cli, .a = a};
    swg_status status = SWG_OK;
    const char *input = cli->positionals[0];
    uint64_t max_shard_bytes = 0;
    if (a->max_shard_bytes)
        SWG_TRY(swg_parse_bytes("max-shard-bytes", a->max_shard_bytes, &max_shard_bytes));
    if (swg_path_is_same(input, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", input);
    swg_source_options source_options = swg_source_options_default();
    source_options.tokenizer = a->tokenizer;
    SWG_GO(swg_source_open(input, &source_options, &j.source));
    SWG_GO(check_output(j.source, input, a));
    SWG_GO(check_model(&j));
    SWG_GO(plan_outputs(&j));
    SWG_GO(swg_pool_new(cli->n_threads, &j.pool));
    SWG_GO(swg_sink_meta_from_source(j.source, &j.meta));
    say_what_is_dropped(&j);
    swg_sink_options sink_options = swg_sink_options_default();
    sink_options.format = a->format;
    sink_options.force = a->force;
    sink_options.level = (int)a->level;
    sink_options.pool = j.pool;
    sink_options.element_type = j.changes_floats ? NULL : a->element_type;
    sink_options.keep_nonfinite = keeps_nonfinite(&j);
    sink_options.max_shard_bytes = max_shard_bytes;
    SWG_GO(a->dry_run ? dry_run(&j, &sink_options) : write_output(&j, &sink_options));
done:
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_free(j.outputs);
    swg_pool_free(&j.pool);
    swg_source_close(&j.source);
    return status;
}

static const swg_example examples[] = {
    {"swage convert model-folder -o model.swg", "pack a Hugging Face folder, losing nothing"},
    {"swage convert model.swg -o model-folder", "and back"},
    {"swage convert model-folder -o weights.gguf --element-type q8_0",
     "for engines that load GGUF"},
    {"swage convert quantized.swg -o quantized.gguf", "the same numbers in blocks of a GGUF"},
    {"swage convert quantized.swg -o folder --format gptq --dequantize-rest bf16",
     "the same codes for vLLM"},
    {"swage convert quantized.swg -o folder --dequantize bf16", "floats for other programs"},
    {"swage convert model.swg -o sharded --max-shard-bytes 4G", "weights in files of up to 4 GiB"},
    {"swage convert stories.bin -o stories.swg --tokenizer tokenizer.bin --dry-run",
     "what would be written, and how large"},
};

const swg_command swg_command_convert = {
    .name = "convert",
    .synopsis = "MODEL -o OUT [--dequantize TYPE] [options]",
    .summary = "write a checkpoint in another format",
    .description =
        "Reads any checkpoint and writes the format that --format or else OUT's ending names. "
#define SWG_WRITER(name, word, endings, meaning) word " is " meaning ". "
#include "formats/formats.def"
        "\n\n"
        "Numbers are kept bit for bit. Where their type changes (--dequantize, --element-type, "
        "vectors of a GGUF) NaN, infinities and what is beyond the new type are errors, unless "
        "--nonfinite says otherwise.\n\n"
        "--max-shard-bytes writes model-00001-of-0000N.safetensors and their index in place of one "
        "model.safetensors. It counts the tensors without the headers; a tensor that is larger "
        "gets a file of its own.\n\n"
        "safetensors has no quantized tensors: --dequantize says that they may be written as "
        "floats, and of which type; --dequantize-rest keeps those that the format does hold. A "
        "GGUF keeps its own block types byte for byte and integer codes as the smallest of Q4_0, "
        "Q5_0 and Q8_0 that means the same numbers, and floats as they are unless --element-type "
        "says otherwise.\n\n"
        "The output appears whole or not at all, and never replaces an existing one without "
        "--force.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
