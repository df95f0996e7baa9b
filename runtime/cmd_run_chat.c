/* A conversation: messages so far through the model's chat template, an answer, the next message.
 * The template is rendered anew for every turn, as it may change earlier ones; what the model has
 * read and what stays the same is not read again. */
#include "runtime/cmd_run_chat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/mem.h"

enum { MAX_LINE = 1 << 24 };

typedef struct conversation {
    const swg_chat_run *run;
    swg_chat_message *messages; /* contents are owned */
    size_t count, capacity;
} conversation;

static void conversation_deinit(conversation *c)
{
    for (size_t i = 0; i < c->count; i++)
        swg_free((char *)(uintptr_t)c->messages[i].content);
    swg_free(c->messages);
}

static swg_status say(conversation *c, const char *role, const char *text)
{
    SWG_TRY(swg_reserve((void **)&c->messages, &c->capacity, c->count + 1, sizeof *c->messages));
    char *copy = swg_strdup(text);
    if (!copy)
        return SWG_NO_MEMORY;
    c->messages[c->count++] = (swg_chat_message){role, copy};
    return SWG_OK;
}

static swg_status encode(const conversation *c, swg_ids *out)
{
    const swg_session *loaded = c->run->loaded;
    const swg_encode_options how = {.parse_special = true};
    swg_strbuf text = {0};
    out->count = 0;
    swg_status status =
        swg_chat_render(loaded->chat, loaded->tokenizer, c->messages, c->count, time(NULL), &text);
    if (status == SWG_OK)
        status =
            swg_tokenizer_encode(loaded->tokenizer, swg_strbuf_text(&text), text.length, &how, out);
    if (status == SWG_OK && out->count == 0)
        status = swg_error(SWG_FAILED, "the chat template makes nothing of these messages");
    if (status != SWG_OK && status != SWG_INTERRUPTED)
        status = swg_error_context(status, "%s", c->run->cli->positionals[0]);
    swg_strbuf_deinit(&text);
    return status;
}

swg_status swg_run_chat_prompt(const swg_chat_run *run, const char *prompt, swg_ids *out)
{
    conversation c = {.run = run};
    swg_status status = SWG_OK;
    if (run->system)
        SWG_GO(say(&c, "system", run->system));
    SWG_GO(say(&c, "user", prompt));
    SWG_GO(encode(&c, out));
done:
    conversation_deinit(&c);
    return status;
}

/* --- Turns ------------------------------------------------------------------------------------ */

/* The next line without its line break; *is_end at the end of the input. */
static swg_status read_line(swg_strbuf *line, bool *is_end)
{
    char part[4096];
    line->length = 0;
    *is_end = false;
    while (fgets(part, sizeof part, stdin)) {
        const size_t n = strlen(part);
        if (line->length + n > MAX_LINE)
            return swg_error(SWG_LIMIT, "a message has more than %d bytes", MAX_LINE);
        const bool is_whole = n > 0 && part[n - 1] == '\n';
        swg_strbuf_append(line, part, is_whole ? n - 1 : n);
        SWG_TRY(swg_strbuf_status(line));
        if (is_whole)
            return SWG_OK;
    }
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted");
    if (ferror(stdin))
        return swg_error(SWG_IO, "cannot read standard input");
    *is_end = line->length == 0;
    return SWG_OK;
}

static swg_status print(void *context, const char *text, size_t length)
{
    (void)context;
    return swg_cli_print(text, length);
}

static swg_status answer(conversation *c, swg_generation *generation)
{
    swg_ids ids = {0};
    swg_strbuf text = {0};
    swg_status status;
    SWG_GO(encode(c, &ids));
    SWG_GO(swg_generation_read(generation, ids.data, ids.count, NULL));
    SWG_GO(swg_generation_continue(generation, print, NULL, &text));
    SWG_GO(swg_cli_print("\n", 1));
    SWG_GO(say(c, "assistant", swg_strbuf_text(&text)));
    const swg_generation_result result = swg_generation_last(generation);
    if (strcmp(result.finish, "length") == 0 || strcmp(result.finish, "context") == 0)
        swg_cli_say(c->run->cli, "the answer was cut off after %zu tokens (%s)", result.n_generated,
                    strcmp(result.finish, "length") == 0 ? "--max-tokens" : "--context");
    else if (text.length == 0)
        swg_cli_say(c->run->cli, "the model ended its answer at once");
    swg_cli_note(c->run->cli, "%zu tokens read in %.3f s, %zu generated (%s)", ids.count,
                 result.prefill_s, result.n_generated, result.finish);
done:
    swg_ids_deinit(&ids);
    swg_strbuf_deinit(&text);
    return status;
}

swg_status swg_run_conversation(const swg_chat_run *run, const swg_generation_options *options)
{
    const bool is_terminal = isatty(STDIN_FILENO);
    conversation c = {.run = run};
    swg_generation *generation = NULL;
    swg_strbuf line = {0};
    swg_status status;
    SWG_GO(swg_generation_new(run->loaded, options, &generation));
    if (run->system)
        SWG_GO(say(&c, "system", run->system));
    if (is_terminal)
        swg_cli_say(run->cli, "a message per line; the end of the input (Ctrl-D) ends the "
                              "conversation");
    for (bool is_end = false; !is_end;) {
        if (is_terminal)
            fputs("> ", stderr);
        SWG_GO(read_line(&line, &is_end));
        if (line.length == 0)
            continue;
        SWG_GO(say(&c, "user", line.text));
        SWG_GO(answer(&c, generation));
    }
    if (is_terminal)
        fputs("\n", stderr);
done:
    swg_generation_free(&generation);
    conversation_deinit(&c);
    swg_strbuf_deinit(&line);
    return status;
}
