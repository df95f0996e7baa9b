/* swage run: continue a prompt, printing the text as it comes. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cmd_run_encoder.h"
#include "runtime/exec.h"
#include "runtime/kv_type.h"
#include "runtime/session.h"
#include "runtime/text/sampler.h"

typedef struct arguments {
    const char *prompt, *passage, *activations, *kv_cache, *tokenizer;
    int64_t max_tokens, context, seed, top_k, repetition_window;
    double temperature, top_p, min_p, repetition_penalty;
    bool echo, ignore_end;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, prompt, 'p', "prompt", "TEXT",
                      "text to continue (default: none, the model begins a text); for encoders: "
                      "the text or the question"),
    SWG_OPTION_STRING(arguments, passage, 0, "passage", "TEXT",
                      "for encoders: a second text, which is searched for answers"),
    SWG_OPTION_INT(arguments, max_tokens, 'n', "max-tokens", "N", 1, 1 << 24, "128",
                   "stop after N tokens"),
    SWG_OPTION_DOUBLE(arguments, temperature, 0, "temperature", "T", 0, 100, "0.8",
                      "0 always picks the most likely token; above 1 flattens the distribution"),
    SWG_OPTION_INT(arguments, top_k, 0, "top-k", "N", 0, 1 << 24, "0",
                   "choose only among the N most likely tokens (0 = all)"),
    SWG_OPTION_DOUBLE(arguments, top_p, 0, "top-p", "P", 0.000001, 1, "1",
                      "choose among the most likely tokens that together have probability P"),
    SWG_OPTION_DOUBLE(arguments, min_p, 0, "min-p", "P", 0, 1, "0",
                      "choose among tokens at least P times as likely as the most likely one"),
    SWG_OPTION_DOUBLE(arguments, repetition_penalty, 0, "repetition-penalty", "X", 0.01, 100, "1",
                      "make recent tokens less likely (1 = off)"),
    SWG_OPTION_INT(arguments, repetition_window, 0, "repetition-window", "N", 1, 1 << 24, "64",
                   "number of recent tokens that the penalty applies to"),
    SWG_OPTION_INT(arguments, seed, 0, "seed", "S", 0, 9007199254740992.0, "0",
                   "seed of the random choices"),
    SWG_OPTION_FLAG(arguments, echo, 0, "echo", "print the prompt too"),
    SWG_OPTION_FLAG(arguments, ignore_end, 0, "ignore-end",
                    "continue after the model ends its text"),
    SWG_OPTION_INT(arguments, context, 0, "context", "N", 1, 1 << 24, NULL,
                   "positions to hold (default: what prompt and --max-tokens need, at most the "
                   "model's)"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, "int8",
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, "f32",
                      swg_kv_type_help),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use instead of the model's"),
};

/* A generation in progress. */
typedef struct generation {
    const swg_cli *cli;
    const arguments *args;
    swg_session loaded;
    swg_exec *exec;
    swg_sampler *sampler;
    swg_decoder *decoder;
    swg_ids prompt;
    float *logits;
    swg_strbuf text; /* what --json collects, or what is about to be printed */
    size_t n_generated;
    const char *finish; /* why it ended: "end", "length" or "context" */
    double prefill_s, decode_s;
} generation;

/* Print what has been decoded so far; --json prints everything at the end instead. */
static swg_status flush_text(generation *g)
{
    SWG_TRY(swg_strbuf_status(&g->text));
    if (g->cli->json || g->text.length == 0)
        return SWG_OK;
    SWG_TRY(swg_cli_print(g->text.text, g->text.length));
    g->text.length = 0;
    return SWG_OK;
}

/* Ids of the prompt; an empty one starts from BOS (or, without BOS, from the end of text, which
 * such models see between texts). */
static swg_status encode_prompt(generation *g)
{
    const char *text = g->args->prompt ? g->args->prompt : "";
    const swg_tokenizer *tokenizer = g->loaded.tokenizer;
    if (*text)
        SWG_TRY(swg_tokenizer_encode(tokenizer, text, strlen(text), NULL, &g->prompt));
    if (g->prompt.count > 0)
        return SWG_OK;
    const int32_t bos = swg_tokenizer_bos(tokenizer);
    const int32_t first = bos >= 0 ? bos : swg_tokenizer_eos(tokenizer);
    if (first < 0)
        return swg_error(SWG_USAGE,
                         "this model's tokenizer has no token that begins a text; give a "
                         "--prompt");
    SWG_TRY(swg_reserve((void **)&g->prompt.data, &g->prompt.capacity, 1, sizeof first));
    g->prompt.data[g->prompt.count++] = first;
    return SWG_OK;
}

static swg_status prepare(generation *g)
{
    const arguments *args = g->args;
    if (args->passage)
        return swg_error(SWG_USAGE, "%s continues texts: --passage does not apply",
                         g->cli->positionals[0]);
    SWG_TRY(encode_prompt(g));
    const swg_hparams *h = &g->loaded.model->hparams;
    const size_t needed = g->prompt.count + (size_t)args->max_tokens;
    const size_t most = args->context ? (size_t)args->context : (size_t)h->max_positions;
    if (g->prompt.count > most)
        return swg_error(SWG_LIMIT, "the prompt has %zu tokens; the context holds %zu",
                         g->prompt.count, most);
    const swg_exec_options exec_options = {.size = sizeof exec_options,
                                           .context = needed < most ? needed : most,
                                           .activations = swg_act_named(args->activations),
                                           .kv_type = swg_kv_type_named(args->kv_cache)};
    SWG_TRY(swg_exec_new(g->loaded.model, g->loaded.pool, &exec_options, &g->exec));
    SWG_TRY(SWG_NEW(g->logits, (size_t)h->vocab));
    swg_sampler_options sampling = swg_sampler_options_default();
    sampling.temperature = (float)args->temperature;
    sampling.top_k = (size_t)args->top_k;
    sampling.top_p = (float)args->top_p;
    sampling.min_p = (float)args->min_p;
    sampling.repetition_penalty = (float)args->repetition_penalty;
    sampling.repetition_window = (size_t)args->repetition_window;
    sampling.seed = (uint64_t)args->seed;
    SWG_TRY(swg_sampler_new(&sampling, (size_t)h->vocab, &g->sampler));
    return swg_decoder_new(g->loaded.tokenizer, NULL, &g->decoder);
}

/* Feed the prompt to the model, the sampler and the decoder. */
static swg_status prefill(generation *g)
{
    const double start = swg_clock_s();
    SWG_TRY(swg_exec_run(g->exec, g->prompt.data, g->prompt.count, g->prompt.count - 1, g->logits));
    g->prefill_s = swg_clock_s() - start;
    for (size_t i = 0; i < g->prompt.count; i++) {
        swg_sampler_accept(g->sampler, g->prompt.data[i]);
        SWG_TRY(swg_decoder_feed(g->decoder, g->prompt.data[i], &g->text));
    }
    if (!g->args->echo)
        g->text.length = 0;
    return flush_text(g);
}

/* A text ends with its end token, or where the next one would begin. */
static bool is_end(const generation *g, int32_t id)
{
    return !g->args->ignore_end && (swg_tokenizer_is_end(g->loaded.tokenizer, id) ||
                                    id == swg_tokenizer_bos(g->loaded.tokenizer));
}

static swg_status generate(generation *g)
{
    const double start = swg_clock_s();
    g->finish = "length";
    while (g->n_generated < (size_t)g->args->max_tokens) {
        int32_t id;
        SWG_TRY(swg_sampler_pick(g->sampler, g->logits, &id));
        if (is_end(g, id)) {
            g->finish = "end";
            break;
        }
        g->n_generated++;
        swg_sampler_accept(g->sampler, id);
        SWG_TRY(swg_decoder_feed(g->decoder, id, &g->text));
        SWG_TRY(flush_text(g));
        if (swg_is_interrupted())
            return swg_error(SWG_INTERRUPTED, "interrupted");
        if (g->n_generated == (size_t)g->args->max_tokens)
            break;
        if (swg_exec_position(g->exec) == swg_exec_context(g->exec)) {
            g->finish = "context";
            break;
        }
        SWG_TRY(swg_exec_run(g->exec, &id, 1, 0, g->logits));
    }
    g->decode_s = swg_clock_s() - start;
    SWG_TRY(swg_decoder_finish(g->decoder, &g->text));
    return flush_text(g);
}

static swg_status report(generation *g)
{
    const double decode_rate = g->decode_s > 0 ? (double)g->n_generated / g->decode_s : 0;
    if (!g->cli->json) {
        SWG_TRY(swg_cli_print("\n", 1));
        swg_cli_note(g->cli,
                     "%zu prompt tokens in %.3f s, %zu tokens generated at %.1f tokens/s (%s)",
                     g->prompt.count, g->prefill_s, g->n_generated, decode_rate, g->finish);
        return SWG_OK;
    }
    swg_json_writer json = {0};
    swg_cli_json_begin(g->cli, &json);
    swg_json_string_n(&json, "text", swg_strbuf_text(&g->text), g->text.length);
    swg_json_uint(&json, "prompt_tokens", g->prompt.count);
    swg_json_uint(&json, "generated_tokens", g->n_generated);
    swg_json_string(&json, "finish", g->finish);
    swg_json_double(&json, "prefill_s", g->prefill_s);
    swg_json_double(&json, "decode_tokens_per_s", decode_rate);
    swg_json_int(&json, "seed", g->args->seed);
    return swg_cli_json_print(&json);
}

static swg_status continue_text(generation *g)
{
    SWG_TRY(prepare(g));
    SWG_TRY(prefill(g));
    SWG_TRY(generate(g));
    return report(g);
}

static swg_status encode_text(const generation *g)
{
    const arguments *args = g->args;
    const swg_encoder_run encoder = {.cli = g->cli,
                                     .loaded = &g->loaded,
                                     .text = args->prompt ? args->prompt : "",
                                     .second = args->passage,
                                     .activations = swg_act_named(args->activations)};
    if (!args->prompt)
        return swg_error(SWG_USAGE, "%s reads a text: give one with --prompt",
                         g->cli->positionals[0]);
    return swg_run_encoder(&encoder);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    generation g = {.cli = cli, .args = raw_arguments};
    SWG_GO(swg_session_open(cli->positionals[0], g.args->tokenizer, true, cli->n_threads,
                            cli->progress, &g.loaded));
    SWG_GO(g.loaded.model->hparams.is_encoder ? encode_text(&g) : continue_text(&g));
done:
    swg_decoder_free(&g.decoder);
    swg_sampler_free(&g.sampler);
    swg_exec_free(&g.exec);
    swg_free(g.logits);
    swg_ids_deinit(&g.prompt);
    swg_strbuf_deinit(&g.text);
    swg_session_close(&g.loaded);
    return status;
}

static const swg_example examples[] = {
    {"swage run examples/tiny-tales --prompt \"One morning\" --max-tokens 50 --temperature 0",
     "the model's most likely continuation"},
    {"swage run examples/tiny-tales --temperature 0.8 --top-p 0.95 --seed 7",
     "a text without a prompt, reproducibly random"},
    {"swage run bert-answers --prompt \"Who came?\" --passage \"Ann came, Bob stayed.\"",
     "the span of the passage that answers"},
};

const swg_command swg_command_run = {
    .name = "run",
    .synopsis = "MODEL [--prompt TEXT] [--max-tokens N] [--temperature T] [--seed S]",
    .summary = "Continue a text with a model, or classify it",
    .description =
        "Prints the continuation of the prompt on stdout as it is generated, and nothing else "
        "there; characters are never split. The same model, prompt, options and seed give the same "
        "text for any number of threads. Generation stops at the model's end of text, after "
        "--max-tokens, or when the context is full.\n\n"
        "Encoders do not continue a text; they print their answer about it: classifiers their "
        "labels with probabilities, most likely first (per token, for token classifiers), "
        "question answering models the span of --passage that answers --prompt, masked language "
        "models the most likely tokens for every [MASK].",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
