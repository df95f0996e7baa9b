/* swage run: continue a prompt, printing the text as it comes. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"
#include "runtime/cli/cli.h"
#include "runtime/cmd_run_chat.h"
#include "runtime/cmd_run_encoder.h"
#include "runtime/device.h"
#include "runtime/generation.h"
#include "runtime/kv_type.h"

typedef struct arguments {
    const char *prompt, *prompt_file, *system, *passage, *activations, *kv_cache, *tokenizer,
        *device;
    swg_string_list stops;
    int64_t max_tokens, context, seed, top_k, repetition_window;
    double temperature, top_p, min_p, repetition_penalty;
    bool chat, echo, ignore_end;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, prompt, 'p', "prompt", "TEXT",
                      "text to continue (default: none, the model begins a text; -: standard "
                      "input); for encoders: the text or the question"),
    SWG_OPTION_STRING(
        arguments, prompt_file, 0, "prompt-file", "FILE",
        "the same from a file, without the line break at its end (-: standard input)"),
    SWG_OPTION_FLAG(arguments, chat, 0, "chat",
                    "put the prompt into the model's chat template; without a prompt, hold a "
                    "conversation: a message per line of standard input"),
    SWG_OPTION_STRING(arguments, system, 0, "system", "TEXT",
                      "with --chat: what the model is told before the conversation"),
    SWG_OPTION_LIST(arguments, stops, 0, "stop", "TEXT", "end before this text"),
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
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, NULL,
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, "f32",
                      swg_kv_type_help),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu", swg_device_help),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer to use instead of the model's"),
};

/* A run in progress. */
typedef struct run_state {
    const swg_cli *cli;
    const arguments *args;
    swg_session loaded;
    swg_act_precision activations;
    swg_strbuf prompt; /* as given, wherever it comes from */
    bool has_prompt;
    swg_generation *generation;
    swg_ids ids;
    swg_strbuf text; /* the prompt with --echo, and what is generated */
} run_state;

/* --- The prompt ------------------------------------------------------------------------------- */

/* Without the line break at the end of a file, which is not meant. */
static swg_status read_prompt(const char *path, swg_strbuf *out)
{
    swg_text_file file = {0};
    SWG_TRY(swg_text_file_open(path, SWG_TEXT_PROSE, &file));
    const bool has_break = file.length > 0 && file.text[file.length - 1] == '\n';
    const size_t length = file.length - has_break;
    swg_status status = SWG_OK;
    if (length > 0 && memchr(file.text, 0, length))
        status = swg_error(SWG_CORRUPT, "%s is not a plain text: it has a NUL byte", path);
    else
        swg_strbuf_append(out, file.text, length);
    swg_text_file_close(&file);
    return status == SWG_OK ? swg_strbuf_status(out) : status;
}

static swg_status find_prompt(run_state *r)
{
    const arguments *args = r->args;
    if (args->prompt && args->prompt_file)
        return swg_error(SWG_USAGE, "give either a --prompt or a --prompt-file");
    r->has_prompt = args->prompt || args->prompt_file;
    if (args->prompt_file || (args->prompt && strcmp(args->prompt, "-") == 0))
        return read_prompt(args->prompt_file ? args->prompt_file : "-", &r->prompt);
    if (args->prompt)
        swg_strbuf_puts(&r->prompt, args->prompt);
    return swg_strbuf_status(&r->prompt);
}

/* Ids of the prompt; an empty one starts from BOS (or, without BOS, from the end of text, which
 * such models see between texts). */
static swg_status encode_prompt(run_state *r)
{
    const swg_tokenizer *tokenizer = r->loaded.tokenizer;
    const char *const model = r->cli->positionals[0];
    if (r->prompt.length > 0) {
        const swg_status status =
            swg_tokenizer_encode(tokenizer, r->prompt.text, r->prompt.length, NULL, &r->ids);
        if (status != SWG_OK)
            return swg_error_context(status, "%s", model);
    }
    if (r->ids.count > 0)
        return SWG_OK;
    const int32_t bos = swg_tokenizer_bos(tokenizer);
    const int32_t first = bos >= 0 ? bos : swg_tokenizer_eos(tokenizer);
    if (first < 0)
        return swg_error(SWG_USAGE, "%s: %s, and no token begins a text; give %s --prompt", model,
                         r->prompt.length > 0 ? "its tokenizer makes nothing of the prompt"
                                              : "there is no prompt",
                         r->prompt.length > 0 ? "another" : "a");
    SWG_TRY(swg_reserve((void **)&r->ids.data, &r->ids.capacity, 1, sizeof first));
    r->ids.data[r->ids.count++] = first;
    return SWG_OK;
}

/* Say that a chat model's template is not used, unless the prompt has some of it: special tokens
 * that are not put around every text. */
static void mention_template(const run_state *r)
{
    if (!r->loaded.chat || r->args->chat || r->prompt.length == 0)
        return;
    for (size_t i = 1; i < r->ids.count; i++)
        if (swg_tokenizer_is_special(r->loaded.tokenizer, r->ids.data[i]))
            return;
    swg_cli_say(r->cli,
                "%s has a chat template, which a --prompt does not go through without "
                "--chat",
                r->cli->positionals[0]);
}

/* --- Generating ------------------------------------------------------------------------------- */

static swg_generation_options generation_options(const run_state *r)
{
    const arguments *args = r->args;
    swg_generation_options how = {.sampling = swg_sampler_options_default(),
                                  .activations = r->activations,
                                  .max_tokens = (size_t)args->max_tokens,
                                  .ignore_end = args->ignore_end,
                                  .stops = args->stops.items,
                                  .n_stops = args->stops.count};
    how.sampling.temperature = (float)args->temperature;
    how.sampling.top_k = (size_t)args->top_k;
    how.sampling.top_p = (float)args->top_p;
    how.sampling.min_p = (float)args->min_p;
    how.sampling.repetition_penalty = (float)args->repetition_penalty;
    how.sampling.repetition_window = (size_t)args->repetition_window;
    how.sampling.seed = (uint64_t)args->seed;
    return how;
}

/* Positions that a prompt and its continuation need, at most those that there are. */
static swg_status find_context(const run_state *r, size_t *out)
{
    const size_t needed = r->ids.count + (size_t)r->args->max_tokens;
    const size_t most = r->args->context ? (size_t)r->args->context
                                         : (size_t)r->loaded.model->hparams.max_positions;
    if (r->ids.count > most)
        return swg_error(SWG_LIMIT,
                         "the prompt has %zu tokens; the context holds %zu, %s; shorten the "
                         "prompt%s",
                         r->ids.count, most,
                         r->args->context ? "as --context says"
                                          : "as many as the model was made for",
                         r->args->context ? "" : ", or allow more with --context");
    *out = needed < most ? needed : most;
    return SWG_OK;
}

static swg_status print(void *context, const char *text, size_t length)
{
    (void)context;
    return swg_cli_print(text, length);
}

static void explain_nothing(const run_state *r, const swg_generation_result *result)
{
    if (result->n_generated > 0 || strcmp(result->finish, "end") != 0)
        return;
    swg_cli_say(r->cli, "the model ended the text at once%s",
                r->loaded.chat && !r->args->chat ? "; it is a chat model: try --chat" : "");
}

static swg_status report(run_state *r)
{
    const swg_generation_result result = swg_generation_last(r->generation);
    const double rate = result.decode_s > 0 ? (double)result.n_generated / result.decode_s : 0;
    explain_nothing(r, &result);
    if (!r->cli->json) {
        SWG_TRY(swg_cli_print("\n", 1));
        swg_cli_note(r->cli,
                     "%zu prompt tokens in %.3f s, %zu tokens generated at %.1f tokens/s (%s)",
                     r->ids.count, result.prefill_s, result.n_generated, rate, result.finish);
        return SWG_OK;
    }
    swg_json_writer json = {0};
    swg_cli_json_begin(r->cli, &json);
    swg_json_string_n(&json, "text", swg_strbuf_text(&r->text), r->text.length);
    swg_json_uint(&json, "prompt_tokens", r->ids.count);
    swg_json_uint(&json, "generated_tokens", result.n_generated);
    swg_json_string(&json, "finish", result.finish);
    swg_json_double(&json, "prefill_s", result.prefill_s);
    swg_json_double(&json, "decode_tokens_per_s", rate);
    swg_json_int(&json, "seed", r->args->seed);
    swg_json_string(&json, "device", swg_device_name(r->loaded.model));
    return swg_cli_json_print(&json);
}

/* Continue the ids: the same for a text and for a conversation of one message. */
static swg_status continue_ids(run_state *r)
{
    swg_generation_options how = generation_options(r);
    SWG_TRY(find_context(r, &how.context));
    SWG_TRY(swg_generation_new(&r->loaded, &how, &r->generation));
    SWG_TRY(swg_generation_read(r->generation, r->ids.data, r->ids.count,
                                r->args->echo ? &r->text : NULL));
    if (!r->cli->json && r->text.length > 0)
        SWG_TRY(swg_cli_print(r->text.text, r->text.length));
    const swg_status status =
        swg_generation_continue(r->generation, r->cli->json ? NULL : print, NULL, &r->text);
    if (status == SWG_INTERRUPTED && !r->cli->json)
        SWG_TRY(swg_cli_print("\n", 1)); /* the sentence begins its own line */
    SWG_TRY(status);
    return report(r);
}

static swg_status continue_text(run_state *r)
{
    if (r->args->passage)
        return swg_error(SWG_USAGE, "%s continues texts: --passage does not apply",
                         r->cli->positionals[0]);
    if (r->args->system)
        return swg_error(SWG_USAGE, "--system belongs to --chat");
    SWG_TRY(encode_prompt(r));
    mention_template(r);
    return continue_ids(r);
}

static swg_status chat(run_state *r)
{
    /* A conversation's keys and values are kept for as many positions as it may get. */
    enum { USUAL_CONTEXT = 4096 };
    const swg_chat_run conversation = {
        .cli = r->cli, .loaded = &r->loaded, .system = r->args->system};
    if (r->args->passage)
        return swg_error(SWG_USAGE, "--passage does not apply to --chat");
    if (!r->loaded.chat)
        return swg_error(SWG_UNSUPPORTED,
                         "%s has no chat template; give the prompt as it was trained",
                         r->cli->positionals[0]);
    if (r->has_prompt) {
        SWG_TRY(swg_run_chat_prompt(&conversation, swg_strbuf_text(&r->prompt), &r->ids));
        return continue_ids(r);
    }
    if (r->cli->json || r->args->echo)
        return swg_error(SWG_USAGE, "--json and --echo need one --prompt");
    swg_generation_options how = generation_options(r);
    how.context = (size_t)r->loaded.model->hparams.max_positions;
    if (r->args->context)
        how.context = (size_t)r->args->context;
    else if (how.context > USUAL_CONTEXT)
        how.context = USUAL_CONTEXT;
    return swg_run_conversation(&conversation, &how);
}

static swg_status encode_text(const run_state *r)
{
    const arguments *args = r->args;
    const swg_encoder_run encoder = {.cli = r->cli,
                                     .loaded = &r->loaded,
                                     .text = swg_strbuf_text(&r->prompt),
                                     .second = args->passage,
                                     .activations = r->activations};
    if (args->chat || args->system || args->stops.count > 0)
        return swg_error(SWG_USAGE, "%s reads a text: --chat, --system and --stop do not apply",
                         r->cli->positionals[0]);
    if (!r->has_prompt)
        return swg_error(SWG_USAGE, "%s reads a text: give one with --prompt",
                         r->cli->positionals[0]);
    return swg_run_encoder(&encoder);
}

static void choose_precision(run_state *r)
{
    const swg_model *model = r->loaded.model;
    if (!swg_device_is_cpu(model))
        swg_cli_say(r->cli, "computing on %s", swg_device_name(model));
    r->activations =
        swg_device_precision(model, r->args->activations, swg_generation_precision(model));
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    run_state r = {.cli = cli, .args = raw_arguments};
    for (size_t i = 0; i < r.args->stops.count; i++)
        if (!*r.args->stops.items[i])
            SWG_GO(swg_error(SWG_USAGE, "--stop needs a text that is not empty"));
    SWG_GO(find_prompt(&r));
    SWG_GO(swg_session_open_on(r.args->device, cli->positionals[0], r.args->tokenizer, true,
                               cli->n_threads, cli->progress, &r.loaded));
    choose_precision(&r);
    SWG_GO((r.loaded.model->hparams.is_encoder ? encode_text(&r)
            : r.args->chat                     ? chat(&r)
                                               : continue_text(&r)));
done:
    swg_generation_free(&r.generation);
    swg_ids_deinit(&r.ids);
    swg_strbuf_deinit(&r.prompt);
    swg_strbuf_deinit(&r.text);
    swg_session_close(&r.loaded);
    return status;
}

static const swg_example examples[] = {
    {"swage run examples/tiny-tales --prompt \"One morning\" --max-tokens 50 --temperature 0",
     "the model's most likely continuation"},
    {"swage run examples/tiny-tales --temperature 0.8 --top-p 0.95 --seed 7",
     "a text without a prompt, reproducibly random"},
    {"swage run chat-model --chat --system \"Be brief.\" --prompt \"Who wrote Faust?\"",
     "the answer of a chat model"},
    {"swage run chat-model --chat", "a conversation, a message per line"},
    {"swage run bert-answers --prompt \"Who came?\" --passage \"Ann came, Bob stayed.\"",
     "the span of the passage that answers"},
};

const swg_command swg_command_run = {
    .name = "run",
    .synopsis = "MODEL [--prompt TEXT] [--chat] [--max-tokens N] [--temperature T] [--seed S]",
    .summary = "continue a text with a model, or classify it",
    .description =
        "Prints the continuation of the prompt on stdout as it is generated, and nothing else "
        "there; characters are never split. The same model, prompt, options and seed give the same "
        "text for any number of threads. Generation stops at the model's end of text, after "
        "--max-tokens, before a --stop text, or when the context is full.\n\n"
        "--activations is int8 unless it is given or most of the model is not quantized; then f32 "
        "costs next to nothing. On a GPU it is f16.\n\n"
        "With --chat the prompt is a message to a chat model, put into the template that the "
        "model carries, as transformers does; --system goes before it. Without a prompt every line "
        "of standard input is a message, and the model knows the conversation so far (4096 "
        "positions of it, unless --context says otherwise).\n\n"
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
