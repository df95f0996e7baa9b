/* swage tokenize: text to token ids, and ids to text. */
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"
#include "runtime/cli/cli.h"
#include "runtime/text/chat.h"
#include "runtime/text/tokenizer.h"

enum { ID_CHARS = 12 };

typedef struct arguments {
    const char *text;
    bool decode, chat, no_special;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, text, 0, "text", "FILE",
                      "what to encode, or ids to decode (default and -: standard input)"),
    SWG_OPTION_FLAG(arguments, decode, 'd', "decode", "read ids, print their text"),
    SWG_OPTION_FLAG(arguments, chat, 0, "chat",
                    "read a conversation in JSON and encode what the model's chat template makes "
                    "of it; with --json that text too"),
    SWG_OPTION_FLAG(arguments, no_special, 0, "no-special",
                    "no special tokens: add none around the text, and read their spelling "
                    "as text; with --decode, print none"),
};

/* --- Input ------------------------------------------------------------------------------------ */

/* A checkpoint's tokenizer, or else a tokenizer in a file or folder of its own. */
static swg_status open_tokenizer(const char *path, swg_tokenizer **out)
{
    swg_source *source = NULL;
    if (swg_path_is_directory(path))
        return swg_tokenizer_needed(swg_tokenizer_from_path(path, out));
    swg_status status = swg_source_open(path, NULL, &source);
    if (status == SWG_UNSUPPORTED)
        return swg_tokenizer_needed(swg_tokenizer_from_path(path, out));
    if (status == SWG_OK)
        status = swg_tokenizer_needed(swg_tokenizer_from_source(source, out));
    swg_source_close(&source);
    return status;
}

/* --- Output ----------------------------------------------------------------------------------- */

/* Ids in decimal with `separator` between them. There may be millions, so printf is avoided. */
static void put_ids(swg_strbuf *out, const swg_ids *ids, char separator)
{
    for (size_t i = 0; i < ids->count; i++) {
        char digits[ID_CHARS];
        size_t at = sizeof digits;
        uint32_t rest = (uint32_t)ids->data[i];
        do {
            digits[--at] = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest);
        if (i > 0)
            digits[--at] = separator;
        swg_strbuf_append(out, digits + at, sizeof digits - at);
    }
}

/* `rendered`: the text that a chat template made, or NULL. */
static swg_status print_ids(const swg_cli *cli, const swg_tokenizer *tokenizer, const swg_ids *ids,
                            size_t n_bytes, const swg_strbuf *rendered)
{
    swg_strbuf list = {0};
    swg_json_writer json = {0};
    swg_strbuf_puts(&list, cli->json ? "[" : "");
    put_ids(&list, ids, cli->json ? ',' : ' ');
    swg_strbuf_puts(&list, cli->json ? "]" : "\n");
    swg_status status = swg_strbuf_status(&list);
    if (status == SWG_OK && !cli->json)
        status = swg_cli_print(list.text, list.length);
    if (status == SWG_OK && cli->json) {
        swg_cli_json_begin(cli, &json);
        swg_json_uint(&json, "vocabulary", swg_tokenizer_vocab_size(tokenizer));
        swg_json_uint(&json, "text_bytes", n_bytes);
        swg_json_uint(&json, "tokens", ids->count);
        swg_json_raw(&json, "ids", list.text, list.length);
        if (rendered)
            swg_json_string_n(&json, "text", swg_strbuf_text(rendered), rendered->length);
        status = swg_cli_json_print(&json);
    }
    swg_strbuf_deinit(&list);
    return status;
}

static swg_status print_text(const swg_cli *cli, const swg_tokenizer *tokenizer, const swg_ids *ids,
                             const swg_strbuf *text)
{
    swg_json_writer json = {0};
    if (!cli->json)
        return text->length ? swg_cli_print(text->text, text->length) : SWG_OK;
    swg_cli_json_begin(cli, &json);
    swg_json_uint(&json, "vocabulary", swg_tokenizer_vocab_size(tokenizer));
    swg_json_uint(&json, "text_bytes", text->length);
    swg_json_uint(&json, "tokens", ids->count);
    swg_json_string_n(&json, "text", swg_strbuf_text(text), text->length);
    return swg_cli_json_print(&json);
}

/* --- The command ------------------------------------------------------------------------------ */

static swg_status encode(const swg_cli *cli, const arguments *args, const swg_tokenizer *tokenizer,
                         const swg_text_file *input)
{
    const swg_encode_options how = {.add_special = !args->no_special,
                                    .parse_special = !args->no_special};
    swg_ids ids = {0};
    swg_status status = swg_tokenizer_encode(tokenizer, input->text, input->length, &how, &ids);
    if (status != SWG_OK && status != SWG_INTERRUPTED)
        status = swg_error_context(status, "%s", cli->positionals[0]);
    if (status == SWG_OK)
        status = print_ids(cli, tokenizer, &ids, input->length, NULL);
    swg_ids_deinit(&ids);
    return status;
}

static swg_status encode_chat(const swg_cli *cli, const arguments *args,
                              const swg_tokenizer *tokenizer, const swg_text_file *input)
{
    const char *source = cli->positionals[0];
    const char *what = args->text ? args->text : "standard input";
    const swg_encode_options how = {.parse_special = true};
    swg_chat *chat = NULL;
    swg_strbuf text = {0};
    swg_ids ids = {0};
    swg_status status;
    SWG_GO(swg_chat_from_path(source, &chat));
    if (!chat)
        SWG_GO(swg_error(SWG_UNSUPPORTED, "%s has no chat template", source));
    SWG_GO(
        swg_chat_render_json(chat, tokenizer, input->text, input->length, what, time(NULL), &text));
    SWG_GO(swg_tokenizer_encode(tokenizer, swg_strbuf_text(&text), text.length, &how, &ids));
    SWG_GO(print_ids(cli, tokenizer, &ids, text.length, &text));
done:
    swg_ids_deinit(&ids);
    swg_strbuf_deinit(&text);
    swg_chat_free(&chat);
    return status;
}

static swg_status decode(const swg_cli *cli, const arguments *args, const swg_tokenizer *tokenizer,
                         const swg_text_file *input)
{
    const swg_decode_options how = {.skip_special = args->no_special};
    const bool is_stdin = !args->text || strcmp(args->text, "-") == 0;
    swg_ids ids = {0};
    swg_strbuf text = {0};
    swg_status status;
    SWG_GO(
        swg_ids_parse(input->text, input->length, is_stdin ? "standard input" : args->text, &ids));
    SWG_GO(swg_tokenizer_decode(tokenizer, ids.data, ids.count, &how, &text));
    SWG_GO(print_text(cli, tokenizer, &ids, &text));
done:
    swg_strbuf_deinit(&text);
    swg_ids_deinit(&ids);
    return status;
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    const arguments *args = raw_arguments;
    swg_tokenizer *tokenizer = NULL;
    swg_text_file input = {0};
    swg_status status;
    if (args->chat && (args->decode || args->no_special))
        return swg_error(SWG_USAGE, "--chat encodes a conversation: --decode and --no-special do "
                                    "not apply");
    SWG_GO(open_tokenizer(cli->positionals[0], &tokenizer));
    SWG_GO(swg_text_file_open(args->text,
                              args->decode || args->chat ? SWG_TEXT_DATA : SWG_TEXT_PROSE, &input));
    SWG_GO((args->decode ? decode
            : args->chat ? encode_chat
                         : encode)(cli, args, tokenizer, &input));
done:
    swg_text_file_close(&input);
    swg_tokenizer_free(&tokenizer);
    return status;
}

static const swg_example examples[] = {
    {"swage tokenize model.swg --text book.txt", "the ids of a text, on one line"},
    {"echo 1 403 407 | swage tokenize tokenizer.json --decode", "the text of three ids"},
    {"echo '[{\"role\": \"user\", \"content\": \"Hi\"}]' | swage tokenize model --chat",
     "what a chat model reads of a conversation"},
    {"swage tokenize model --text book.txt --no-special --json",
     "ids and counts, without special tokens"},
};

const swg_command swg_command_tokenize = {
    .name = "tokenize",
    .synopsis = "SOURCE [--text FILE] [--decode]",
    .summary = "turn text into token ids, or ids into text",
    .description =
        "Prints the ids of a text, separated by spaces, exactly as the model would see them. "
        "SOURCE is any model with a tokenizer, or the tokenizer alone: a tokenizer.json, a "
        "tokenizer.model (SentencePiece), a tokenizer.bin (llama2.c), BERT's vocab.txt, a GGUF "
        "file "
        "without tensors, or a folder that holds one of the first four or vocab.json and "
        "merges.txt.\n\n"
        "By default the special tokens that belong around a text (its beginning, say) are added, "
        "and special tokens spelled out in the text become those tokens. Use --no-special for text "
        "that is not trusted.\n\n"
        "With --chat, reads a conversation: a JSON array of messages, each with \"role\" and "
        "\"content\", or an object with \"messages\" and what else the template reads (\"tools\"). "
        "The ids are those after which the model answers, exactly as transformers' "
        "apply_chat_template gives them.\n\n"
        "With --decode, reads ids separated by spaces, commas or line breaks and prints their "
        "text, byte for byte and without a line break at its end. In --json, bytes that are not "
        "UTF-8 become U+FFFD.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
