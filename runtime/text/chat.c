/* Conversations: see chat.h. */
#include "runtime/text/chat.h"

#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/mem.h"
#include "runtime/text/jinja/jinja.h"
#include "runtime/text/tokenizer_parts.h"

struct swg_chat {
    char *text; /* of the template */
    size_t length;
    swg_json_doc *settings, *special; /* NULL = no such file */
};

/* --- Finding the template --------------------------------------------------------------------- */

/* "chat_template": a text, or [{"name": "default", "template": ...}, ...]. */
static const char *template_of(const swg_json *settings)
{
    const swg_json *member = swg_json_get(settings, "chat_template");
    const char *text, *name;
    if (swg_json_as_string(member, &text))
        return text;
    if (!member || swg_json_kind_of(member) != SWG_JSON_ARRAY)
        return NULL;
    for (const swg_json *item = swg_json_first(member); item; item = swg_json_next(item))
        if (swg_json_as_string(swg_json_get(item, "name"), &name) && strcmp(name, "default") == 0 &&
            swg_json_as_string(swg_json_get(item, "template"), &text))
            return text;
    return NULL;
}

static swg_status parse_file(const swg_text_files *files, const char *name, swg_json_doc **out)
{
    const swg_file_view *file = swg_text_file(files, name);
    return file ? swg_json_parse(file->data, file->length, name, out) : SWG_OK;
}

static const swg_json *root_of(const swg_json_doc *doc)
{
    return doc ? swg_json_root(doc) : NULL;
}

/* The template's text is a view of `file` or of one of the documents. */
static swg_status find_template(const swg_text_files *files, const swg_chat *chat,
                                swg_json_doc **processor, const char **text, size_t *length)
{
    const swg_file_view *file = swg_text_file(files, "chat_template.jinja");
    *text = file ? file->data : template_of(root_of(chat->settings));
    if (*text)
        *length = file ? file->length : strlen(*text);
    if (*text)
        return SWG_OK;
    SWG_TRY(parse_file(files, "chat_template.json", processor));
    *text = template_of(root_of(*processor));
    *length = *text ? strlen(*text) : 0;
    return SWG_OK;
}

swg_status swg_chat_from_files(const swg_file_view *files, size_t n_files, swg_chat **out)
{
    const swg_text_files all = {.files = files, .n_files = n_files};
    swg_json_doc *processor = NULL;
    swg_chat *chat = NULL;
    const char *text;
    swg_status status;
    *out = NULL;
    SWG_GO(SWG_NEW(chat, 1));
    SWG_GO(parse_file(&all, "tokenizer_config.json", &chat->settings));
    SWG_GO(parse_file(&all, "special_tokens_map.json", &chat->special));
    SWG_GO(find_template(&all, chat, &processor, &text, &chat->length));
    if (!text)
        goto done;
    chat->text = swg_strndup(text, chat->length);
    SWG_GO(chat->text ? SWG_OK : SWG_NO_MEMORY);
    *out = chat;
    chat = NULL;
done:
    swg_json_free(&processor);
    swg_chat_free(&chat);
    return status;
}

swg_status swg_chat_from_source(swg_source *source, swg_chat **out)
{
    const size_t n_files = swg_source_n_files(source);
    swg_file_view *files = NULL;
    swg_status status;
    SWG_GO(SWG_NEW(files, n_files));
    for (size_t i = 0; i < n_files; i++)
        SWG_GO(swg_source_file(source, i, &files[i]));
    SWG_GO(swg_chat_from_files(files, n_files, out));
done:
    if (status != SWG_OK)
        swg_error_context(status, "%s", swg_source_path(source));
    swg_free(files);
    return status;
}

/* The files of a folder that matter here. */
static swg_status from_folder(const char *folder, swg_chat **out)
{
    enum { MAX_FILE_BYTES = 256 << 20 };
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json",
                                        "chat_template.jinja", "chat_template.json"};
    swg_file_view views[sizeof names / sizeof *names];
    size_t n = 0;
    swg_status status = SWG_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == SWG_OK; i++) {
        char *path = swg_path_join(folder, names[i]), *data = NULL;
        size_t length;
        status = path ? SWG_OK : SWG_NO_MEMORY;
        if (path && swg_path_exists(path)) {
            status = swg_file_read(path, MAX_FILE_BYTES, &data, &length);
            if (status == SWG_OK)
                views[n++] = (swg_file_view){names[i], data, length};
        }
        swg_free(path);
    }
    if (status == SWG_OK) {
        status = swg_chat_from_files(views, n, out);
        if (status != SWG_OK)
            swg_error_context(status, "%s", folder);
    }
    for (size_t i = 0; i < n; i++)
        swg_free((char *)(uintptr_t)views[i].data);
    return status;
}

swg_status swg_chat_from_path(const char *path, swg_chat **out)
{
    swg_source *source = NULL;
    if (swg_path_is_directory(path))
        return from_folder(path, out);
    swg_status status = swg_source_open(path, NULL, &source);
    if (status == SWG_OK)
        status = swg_chat_from_source(source, out);
    swg_source_close(&source);
    return status;
}

void swg_chat_free(swg_chat **chat)
{
    if (!*chat)
        return;
    swg_free((*chat)->text);
    swg_json_free(&(*chat)->settings);
    swg_json_free(&(*chat)->special);
    SWG_FREE(*chat);
}

/* --- Rendering -------------------------------------------------------------------------------- */

/* A special token of the template's by its role, where the files or the tokenizer know it. */
static void put_token(swg_json_writer *json, const swg_text_files *files,
                      const swg_tokenizer *tokenizer, const char *role, int32_t fallback)
{
    const char *file, *text = swg_named_token(files, role, &file);
    size_t length = text ? strlen(text) : 0;
    if (!text && fallback >= 0)
        text = swg_tokenizer_token(tokenizer, fallback, &length);
    if (text)
        swg_json_string_n(json, role, text, length);
}

/* What every template may read besides the request. */
static void put_defaults(swg_json_writer *json, const swg_chat *chat,
                         const swg_tokenizer *tokenizer)
{
    static const char *const others[] = {"unk_token", "sep_token", "pad_token", "cls_token",
                                         "mask_token"};
    const swg_text_files files = {.settings = root_of(chat->settings),
                                  .special = root_of(chat->special)};
    swg_json_begin_object(json, NULL);
    swg_json_bool(json, "add_generation_prompt", true);
    swg_json_null(json, "tools");
    swg_json_null(json, "documents");
    put_token(json, &files, tokenizer, "bos_token", tokenizer ? swg_tokenizer_bos(tokenizer) : -1);
    put_token(json, &files, tokenizer, "eos_token", tokenizer ? swg_tokenizer_eos(tokenizer) : -1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        put_token(json, &files, tokenizer, others[i], -1);
    swg_json_end_object(json);
}

/* The request as an object: an array becomes its "messages". */
static swg_status parse_request(const char *request, size_t length, const char *what,
                                swg_json_doc **out)
{
    swg_strbuf object = {0};
    swg_status status;
    SWG_GO(swg_json_parse(request, length, what, out));
    if (swg_json_kind_of(swg_json_root(*out)) == SWG_JSON_ARRAY) {
        swg_json_free(out);
        swg_strbuf_puts(&object, "{\"messages\":");
        swg_strbuf_append(&object, request, length);
        swg_strbuf_puts(&object, "}");
        SWG_GO(swg_strbuf_status(&object));
        SWG_GO(swg_json_parse(object.text, object.length, what, out));
    }
    const swg_json *messages = swg_json_get(swg_json_root(*out), "messages");
    if (!messages || swg_json_kind_of(messages) != SWG_JSON_ARRAY)
        status =
            swg_error(SWG_CORRUPT,
                      "%s is neither an array of messages nor an object with \"messages\"", what);
done:
    swg_strbuf_deinit(&object);
    return status;
}

swg_status swg_chat_render_json(const swg_chat *chat, const swg_tokenizer *tokenizer,
                                const char *request, size_t length, const char *what, time_t now,
                                swg_strbuf *out)
{
    swg_jinja *template = NULL;
    swg_json_doc *given = NULL, *defaults = NULL;
    swg_json_writer json = {.compact = true};
    swg_status status;
    SWG_GO(swg_jinja_parse(chat->text, chat->length, &template));
    SWG_GO(parse_request(request, length, what, &given));
    put_defaults(&json, chat, tokenizer);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_json_parse(json.out.text, json.out.length, "special tokens", &defaults));
    SWG_GO(swg_jinja_render(template, swg_json_root(given), swg_json_root(defaults), now, out));
done:
    swg_json_deinit(&json);
    swg_json_free(&given);
    swg_json_free(&defaults);
    swg_jinja_free(&template);
    return status;
}

swg_status swg_chat_render(const swg_chat *chat, const swg_tokenizer *tokenizer,
                           const swg_chat_message *messages, size_t n_messages, time_t now,
                           swg_strbuf *out)
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_array(&json, NULL);
    for (size_t i = 0; i < n_messages; i++) {
        swg_json_begin_object(&json, NULL);
        swg_json_string(&json, "role", messages[i].role);
        swg_json_string(&json, "content", messages[i].content);
        swg_json_end_object(&json);
    }
    swg_json_end_array(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_chat_render_json(chat, tokenizer, json.out.text, json.out.length,
                                      "the conversation", now, out);
    swg_json_deinit(&json);
    return status;
}
