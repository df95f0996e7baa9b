/* Whole commands with an allocation or a write failing, each in turn: exit codes 5 and 6, a
 * sentence, and nothing left beside the outputs. Reaches the readers that the tests of folders do
 * not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/notice.h"
#include "runtime/cli/options.h"
#include "tests/formats/tiny_llama.h"

enum { MOST_WORDS = 16 };

/* --- Inputs, in the test's own folder, which is the working folder of the commands -------------
 */

static void put(const char *name, const char *text)
{
    swg_test_write_file(swg_test_path(name), text, strlen(text));
}

static void copy(const char *from, const char *to)
{
    size_t length;
    uint8_t *bytes = swg_test_read_file(from, &length);
    swg_test_write_file(swg_test_path(to), bytes, length);
    swg_free(bytes);
}

static void make_folder(const char *name)
{
    ck_assert(mkdir(swg_test_path(name), 0777) == 0 || errno == EEXIST);
}

static const char chat_settings[] =
    "{\"chat_template\": \"{% for m in messages %}{{ m.content|trim }}{% endfor %}\"}";

/* A language model of four positions; its matrices [32, 64] can be packed. */
static void write_llama(const char *path, const char *format, swg_scheme scheme)
{
    tiny_llama t = {.dim = 64,
                    .hidden = 32,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = scheme,
                    .seed = 7};
    sample s;
    tiny_llama_fill(&t, &s);
    size_t head = 0;
    while (strcmp(s.names[head], "model.embed_tokens.weight") != 0)
        head++;
    sample_remove(&s, head);
    sample_add(&s, "model.embed_tokens.weight", swg_scheme_plain(SWG_F32), 2, t.vocab, t.dim);
    for (size_t i = 0; i < s.n_tensors; i++) {
        const swg_tensor_desc *desc = &s.tensors[i];
        const size_t n = !desc->scheme.asymmetric
                             ? 0
                             : desc->shape[0] * swg_scheme_groups(desc->scheme, desc->shape[1]);
        if (n > 0)
            memset(s.planes[i][SWG_PLANE_ZEROS], 7, n);
    }
    s.files[0] = (swg_file_view){"tokenizer.json", tiny_tokenizer, strlen(tiny_tokenizer)};
    s.files[1] = (swg_file_view){"tokenizer_config.json", chat_settings, sizeof chat_settings - 1};
    s.meta.n_files = 2;
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .format = format}));
    sample_deinit(&s);
}

static void write_encoder(void)
{
    make_folder("encoder");
    make_folder("encoder/1_Pooling");
    copy("tests/runtime/fixtures/bert-model/config.json", "encoder/config.json");
    copy("tests/runtime/fixtures/bert-model/model.safetensors", "encoder/model.safetensors");
    put("encoder/vocab.txt",
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nann\nbob\ncame\nstayed\nwho\nand\nthen\nhe\nshe\nthe\n"
        "dog\ncat\nran\nsaw\na\nin\nhouse\nold\n##s\n##ed\n##ing\n.\n?\n,\n");
    put("encoder/tokenizer_config.json", "{\"tokenizer_class\": \"BertTokenizer\"}");
    put("encoder/modules.json",
        "[{\"path\": \"\", \"type\": \"x.Transformer\"}, {\"path\": \"1_Pooling\", \"type\": "
        "\"x.Pooling\"}, {\"type\": \"x.Normalize\"}]");
    put("encoder/1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}");
    put("encoder/config_sentence_transformers.json", "{\"prompts\": {\"query\": \"who \"}}");
    put("texts", "Ann came\nthe dogs ran, bob stayed.\n");
    put("pairs.tsv", "Ann came\tbob came\t1\nthe dog\tthe cat ran\t0\nwho\tshe\t3\n");
    put("pairs.jsonl", "{\"sentence1\": \"ann\", \"sentence2\": \"bob\", \"score\": 1}\n"
                       "{\"sentence1\": \"dog\", \"sentence2\": \"who\", \"score\": 2}\n"
                       "{\"sentence1\": \"ran\", \"sentence2\": \"saw\", \"score\": 0}\n");
}

static void write_inputs(void)
{
    const swg_scheme floats = swg_scheme_plain(SWG_F32);
    const swg_scheme sym4 = SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16);
    const swg_scheme asym4 =
        SWG_SCHEME_INT(4, .group = 32, .asymmetric = true, .scale_type = SWG_F16);
    const swg_scheme rows8 = SWG_SCHEME_INT(8, .group = 0, .scale_type = SWG_BF16);
    write_llama(swg_test_path("llama"), NULL, floats);
    write_llama(swg_test_path("gptq"), "gptq", asym4);
    write_llama(swg_test_path("awq"), "awq", asym4);
    write_llama(swg_test_path("compressed"), "compressed-tensors", sym4);
    write_llama(swg_test_path("w8a8"), "w8a8", rows8);
    write_encoder();
    put("conversation.json", "[{\"role\": \"user\", \"content\": \" ab \"}]");
    put("text", "\xef\xbb\xbf"
                "abc abc abc abc ab c ab ab c\n");
    put("prompt", "ab");
    put("items.jsonl", "{\"context\": \"a\", \"choices\": [\"b\", \"c\"], \"gold\": 1}\n");
    copy("tests/runtime/keras/bidirectional.keras", "network.keras");
}

/* --- Running a command in this process ---------------------------------------------------------
 */

static const swg_command *find(const char *name)
{
    const swg_command *const *command = swg_cli_commands();
    while (*command && strcmp((*command)->name, name) != 0)
        command++;
    ck_assert_msg(*command != NULL, "no command %s", name);
    return *command;
}

/* What main() does, without its exit. */
static swg_status run_words(void *context)
{
    const char *const *words = context;
    const swg_command *command = find(words[0]);
    swg_parsed parsed;
    size_t n = 0;
    while (words[n])
        n++;
    const swg_progress silent = {0};
    char notice[SWG_NOTICE_BYTES];
    SWG_TRY(swg_options_parse(command, words + 1, n - 1, &parsed));
    const swg_cli cli = {
        .command = command->name,
        .json = parsed.common.json,
        .quiet = true,
        .n_threads = 1,
        .progress = &silent,
        .positionals = parsed.positionals,
        .n_positionals = parsed.n_positionals,
    };
    const swg_status status = command->run(&cli, parsed.arguments);
    while (swg_notice_take(notice))
        continue;
    swg_parsed_deinit(&parsed);
    return status;
}

/* --- The cases ---------------------------------------------------------------------------------
 */

static const char *const reading[][MOST_WORDS] = {
    {"inspect", "gptq", "--json"},
    {"inspect", "awq"},
    {"inspect", "compressed"},
    {"inspect", "w8a8"},
    {"inspect", "encoder"},
    {"inspect", "network.keras"},
    {"verify", "gptq"},
    {"tokenize", "encoder", "--text", "texts"},
    {"tokenize", "llama", "--chat", "--text", "conversation.json"},
    {"tokenize", "llama", "--text", "text", "--json"},
    {"run", "llama", "--chat", "--prompt", "ab", "-n", "1", "--temperature", "0"},
    {"run", "llama", "--prompt-file", "prompt", "--stop", "b", "-n", "1"},
    {"embed", "encoder", "--text", "texts", "--prompt-name", "query"},
    {"embed", "encoder", "--text", "texts", "--json"},
    {"eval", "encoder", "--ref", "encoder", "--text", "texts"},
    {"eval", "encoder", "--data", "pairs.tsv"},
    {"eval", "encoder", "--data", "pairs.jsonl", "--json"},
    {"eval", "llama", "--data", "items.jsonl", "--data-format", "choices"},
    {"eval", "llama", "--text", "text", "--json"},
};

static const char *const writing[][MOST_WORDS] = {
    {"convert", "gptq", "-o", "packed", "--format", "gptq", "--force"},
    {"convert", "awq", "-o", "out.swg", "--force"},
    {"convert", "llama", "-o", "out.gguf", "--force"},
    {"convert", "encoder", "-o", "out", "--force"},
    {"convert", "network.keras", "-o", "out.swg", "--force"},
    {"embed", "encoder", "--text", "texts", "-o", "out.npy", "--force"},
    {"quantize", "llama", "-o", "out2.swg", "--format", "int", "--force"},
};

/* Names in the working folder that writers use until they are done. */
static void nothing_is_left(void *context)
{
    DIR *folder = opendir(".");
    (void)context;
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        ck_assert_msg(!strstr(entry->d_name, "swage-tmp"), "%s was left", entry->d_name);
    closedir(folder);
}

/* The commands' results are not this program's. */
static int kept_stdout;

static void silence(void)
{
    fflush(stdout);
    kept_stdout = dup(STDOUT_FILENO);
    const int null = open("/dev/null", O_WRONLY);
    ck_assert_int_ge(kept_stdout, 0);
    ck_assert_int_ge(dup2(null, STDOUT_FILENO), 0);
    close(null);
}

static void speak(void)
{
    fflush(stdout);
    ck_assert_int_ge(dup2(kept_stdout, STDOUT_FILENO), 0);
    close(kept_stdout);
}

static char *home;

static void enter(void)
{
    home = getcwd(NULL, 0);
    ck_assert_ptr_nonnull(home);
    write_inputs();
    ck_assert_int_eq(chdir(swg_test_path(".")), 0);
}

static void leave(void)
{
    ck_assert_int_eq(chdir(home), 0);
    free(home);
}

START_TEST(failing_allocations_end_what_reads)
{
    swg_test_each_allocation_fails(run_words, (void *)reading[_i]);
}
END_TEST

START_TEST(failing_allocations_and_writes_end_what_writes)
{
    swg_test_each_allocation_fails(run_words, (void *)writing[_i]);
    swg_test_each_write_fails(run_words, nothing_is_left, (void *)writing[_i]);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("command_failures");
    TCase *cases = tcase_create("command_failures");
    tcase_add_unchecked_fixture(cases, enter, leave);
    tcase_add_checked_fixture(cases, silence, speak);
    tcase_add_loop_test(cases, failing_allocations_end_what_reads, 0,
                        sizeof reading / sizeof *reading);
    tcase_add_loop_test(cases, failing_allocations_and_writes_end_what_writes, 0,
                        sizeof writing / sizeof *writing);
    tcase_set_timeout(cases, 300);
    suite_add_tcase(suite, cases);
    return suite;
}
