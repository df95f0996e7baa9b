/* Conversations: the text that a chat model's template makes of messages.
 *
 *     swg_chat *chat = NULL;
 *     swg_strbuf prompt = {0};
 *     const swg_chat_message messages[] = {{"user", "What is the capital of France?"}};
 *     SWG_TRY(swg_chat_from_source(source, &chat));            // NULL: the model has no template
 *     SWG_TRY(swg_chat_render(chat, tokenizer, messages, 1, time(NULL), &prompt));
 *     SWG_TRY(swg_tokenizer_encode(tokenizer, prompt.text, prompt.length, &no_special, &ids));
 *
 * The template is the model's own: chat_template.jinja, "chat_template" of tokenizer_config.json (a
 * text, or a list of which "default" is used) or of chat_template.json, tokenizer.chat_template of
 * GGUF. It is rendered as transformers does (runtime/text/jinja); nothing is guessed for a model
 * that has none. Encode the text with add_special false: the template puts the beginning of text
 * where it belongs. A special token that a message spells out becomes that token, as there. */
#ifndef SWG_RUNTIME_TEXT_CHAT_H
#define SWG_RUNTIME_TEXT_CHAT_H

#include <time.h>

#include "formats/formats.h"
#include "runtime/text/tokenizer.h"

typedef struct swg_chat swg_chat;

/* *out becomes NULL when there is no template. The files may be freed afterwards. SWG_CORRUPT for
 * files that are not what their names say; templates are looked at when they are rendered. The
 * caller frees *out. */
swg_status swg_chat_from_files(const swg_file_view *files, size_t n_files, swg_chat **out);
swg_status swg_chat_from_source(swg_source *source, swg_chat **out);
/* From a folder, of which only these small files are read, or any checkpoint. SWG_IO besides. */
swg_status swg_chat_from_path(const char *path, swg_chat **out);
void swg_chat_free(swg_chat **chat); /* NULL inside is accepted */

typedef struct swg_chat_message {
    const char *role;    /* "system", "user", "assistant" */
    const char *content; /* UTF-8 (other bytes become U+FFFD) */
} swg_chat_message;

/* Append the text after which the model answers. `tokenizer` may be NULL: the tokens that begin and
 * end a text are then empty where the files name none. `now` is for templates that give the date.
 * SWG_UNSUPPORTED when the template refuses the messages or needs what is not supported;
 * SWG_FAILED, SWG_CORRUPT, SWG_LIMIT, SWG_NO_MEMORY, SWG_INTERRUPTED as swg_jinja_render and
 * _parse. */
swg_status swg_chat_render(const swg_chat *chat, const swg_tokenizer *tokenizer,
                           const swg_chat_message *messages, size_t n_messages, time_t now,
                           swg_strbuf *out);

/* The same for a request in JSON: an array of messages, or an object with "messages" and whatever
 * else the template reads ("tools", "documents", "add_generation_prompt": default true).
 * `what` names the text in messages. */
swg_status swg_chat_render_json(const swg_chat *chat, const swg_tokenizer *tokenizer,
                                const char *request, size_t length, const char *what, time_t now,
                                swg_strbuf *out);

#endif
