/* swage eval: perplexity of a model on a text, with everything needed to reproduce the figure. */
#include <stdlib.h>
#include <string.h>

#include "eval/perplexity.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/loaded.h"

typedef struct arguments {
    const char *text, *protocol, *activations, *tokenizer;
    int64_t context, max_tokens;
} arguments;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING, .name = "text", .metavar = "FILE", .is_required = true,
     .help = "text to score, read as it is", .offset = offsetof(arguments, text)},
    SWG_OPTION_CHOICE(arguments, protocol, 0, "protocol", "gptq|llama.cpp|per-doc", "gptq",
                      "how the text is cut and which tokens are scored"),
    SWG_OPTION_INT(arguments, context, 0, "context", "N", 2, 1 << 24, NULL,
                   "tokens a window (default: the protocol's, at most the model's)"),
    SWG_OPTION_INT(arguments, max_tokens, 0, "max-tokens", "N", 2, 1e15, NULL,
                   "use only the first N tokens of the text"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", "f32|int8", "f32",
                      "what quantized weights are multiplied with: f32 measures the weights alone, "
                      "int8 what run and bench do"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use instead of the model's"),
};

/* Everything a measurement uses and finds. */
typedef struct evaluation {
    swg_loaded loaded;
    swg_map text;
    swg_windows windows;
    swg_exec *exec;
    swg_protocol protocol;
    size_t context;
    char text_sha256[SWG_SHA256_TEXT];
    swg_perplexity result;
} evaluation;

/* The protocol's context, bounded by what the model was made for; an explicit one is taken at its
 * word. */
static size_t choose_context(const evaluation *e, const arguments *args)
{
    const size_t most = (size_t)e->loaded.model->hparams.max_positions;
    const size_t usual = swg_protocol_default_context(e->protocol);
    if (args->context)
        return (size_t)args->context;
    return usual && usual < most ? usual : most;
}

static swg_status evaluate(const swg_cli *cli, const arguments *args, evaluation *e)
{
    SWG_TRY(swg_protocol_parse(args->protocol, &e->protocol));
    SWG_TRY(swg_map_open(args->text, &e->text));
    if (e->text.size == 0)
        return swg_error(SWG_FAILED, "%s is empty", args->text);
    swg_sha256_text(e->text.data, e->text.size, e->text_sha256);
    SWG_TRY(swg_loaded_open(cli->positionals[0], args->tokenizer, true, cli->n_threads,
                            cli->progress, &e->loaded));
    e->context = choose_context(e, args);
    SWG_TRY(swg_windows_make(e->protocol, e->loaded.tokenizer, (const char *)e->text.data,
                             e->text.size, e->context, (size_t)args->max_tokens, &e->windows));
    const swg_exec_options exec_options = {
        .context = e->context,
        .activations = strcmp(args->activations, "f32") == 0 ? SWG_ACT_F32 : SWG_ACT_INT8};
    SWG_TRY(swg_exec_new(e->loaded.model, e->loaded.pool, &exec_options, &e->exec));
    return swg_perplexity_measure(e->exec, e->loaded.model, e->loaded.pool, &e->windows,
                                  cli->progress, &e->result);
}

static swg_status report_json(const swg_cli *cli, const arguments *args, const evaluation *e)
{
    swg_json_writer json = {0};
    swg_cli_json_begin(cli, &json);
    swg_json_string(&json, "model", cli->positionals[0]);
    swg_json_double(&json, "perplexity", e->result.perplexity);
    swg_json_double(&json, "mean_nll", e->result.mean_nll);
    swg_json_double(&json, "mean_nll_standard_error", e->result.standard_error);
    swg_json_uint(&json, "tokens_scored", e->result.tokens_scored);
    swg_json_uint(&json, "tokens_total", e->windows.tokens_total);
    swg_json_uint(&json, "windows", e->result.n_windows);
    swg_json_string(&json, "protocol", swg_protocol_name(e->protocol));
    swg_json_uint(&json, "context", e->context);
    swg_json_string(&json, "bos_rule", swg_protocol_bos_rule(e->protocol));
    swg_json_string(&json, "activations", args->activations);
    swg_json_string(&json, "text", args->text);
    swg_json_string(&json, "text_sha256", e->text_sha256);
    swg_json_double(&json, "elapsed_s", e->result.seconds);
    return swg_cli_json_print(&json);
}

static swg_status report_text(const arguments *args, const evaluation *e)
{
    swg_strbuf out = {0};
    swg_strbuf_printf(&out,
                      "perplexity    %.4f\n"
                      "mean NLL      %.6f +- %.6f nats a token (standard error over windows)\n"
                      "tokens        %llu scored of %zu, in %zu windows\n"
                      "protocol      %s, context %zu: %s\n"
                      "BOS           %s\n"
                      "activations   %s\n"
                      "text          %s, sha256 %s\n"
                      "time          %.2f s\n",
                      e->result.perplexity, e->result.mean_nll, e->result.standard_error,
                      (unsigned long long)e->result.tokens_scored, e->windows.tokens_total,
                      e->result.n_windows, swg_protocol_name(e->protocol), e->context,
                      swg_protocol_text(e->protocol), swg_protocol_bos_rule(e->protocol),
                      args->activations, args->text, e->text_sha256, e->result.seconds);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(out.text, out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    const arguments *args = raw_arguments;
    evaluation e = {0};
    swg_status status = evaluate(cli, args, &e);
    if (status == SWG_OK)
        status = cli->json ? report_json(cli, args, &e) : report_text(args, &e);
    swg_exec_free(&e.exec);
    swg_windows_deinit(&e.windows);
    swg_loaded_close(&e.loaded);
    swg_map_close(&e.text);
    return status;
}

static const swg_example examples[] = {
    {"swage eval model.swg --text wiki.test.raw --protocol llama.cpp --context 512",
     "comparable with llama-perplexity"},
    {"swage eval model.swg --text stories.txt --protocol per-doc --json",
     "every story a document of its own; figures for programs"},
};

const swg_command swg_command_eval = {
    .name = "eval",
    .synopsis = "MODEL --text FILE [--protocol NAME] [--context N]",
    .summary = "Measure a model's perplexity on a text",
    .description =
        "Perplexity is exp of the mean negative log-likelihood per scored token. Its value depends "
        "on how the text is cut, so the protocol, context, BOS rule, text hash and token counts are "
        "always given with it. Protocols: gptq (disjoint windows, all tokens but each window's first "
        "scored), llama.cpp (disjoint windows, second halves scored), per-doc (documents separated by "
        "one blank line, all tokens scored). Definitions: docs/perplexity.md.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
