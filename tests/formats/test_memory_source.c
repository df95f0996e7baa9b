/* Checkpoints opened from memory: the same as from the file, at any alignment, and nothing beside
 * them. */
#include "formats/provenance.h"
#include "runtime/base/file.h"
#include "tests/formats/sample.h"
#include "tests/formats/tiny_llama.h"

static const char *const names[] = {"m.swg", "m.safetensors", "m.gguf", "m.h5", "m.bin"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static void planes_are_equal(swg_source *a, swg_source *b)
{
    ck_assert_uint_eq(swg_source_n_tensors(a), swg_source_n_tensors(b));
    for (size_t i = 0; i < swg_source_n_tensors(a); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(a, i);
        ck_assert_str_eq(desc->name, swg_source_tensor(b, i)->name);
        swg_plane planes[SWG_PLANE_KINDS];
        const size_t n_planes = swg_tensor_planes(desc, planes);
        for (size_t p = 0; p < n_planes; p++) {
            uint8_t *left = swg_malloc(planes[p].bytes, 1);
            uint8_t *right = swg_malloc(planes[p].bytes, 1);
            ck_ok(swg_source_read(a, i, planes[p].kind, 0, planes[p].rows, left));
            ck_ok(swg_source_read(b, i, planes[p].kind, 0, planes[p].rows, right));
            ck_assert_mem_eq(left, right, planes[p].bytes);
            const void *view = swg_source_view(b, i, planes[p].kind);
            ck_assert(!view || (uintptr_t)view % planes[p].elem_bytes == 0);
            ck_assert(!view || memcmp(view, left, planes[p].bytes) == 0);
            swg_free(left);
            swg_free(right);
        }
    }
}

static const char *write_model(const char *name)
{
    const char *path = swg_test_path(name);
    tiny_llama t = {.dim = 8,
                    .hidden = 8,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    sample_deinit(&s);
    return path;
}

/* With the hashes of what was read. */
static char *history_of(swg_source *source)
{
    swg_input_hashes *hashes = NULL;
    const swg_step step = {.command = "test"};
    char *text = NULL;
    ck_ok(swg_input_hashes_start(source, 2, &hashes));
    ck_ok(swg_provenance_add(source, &step, hashes, &text));
    swg_input_hashes_free(&hashes);
    return text;
}

START_TEST(memory_gives_what_the_file_gives)
{
    const char *path = write_model(names[_i]);
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    for (size_t offset = 0; offset < 4; offset++) {
        uint8_t *block = swg_malloc(length + offset, 1);
        memcpy(block + offset, bytes, length);
        swg_source *file = NULL, *memory = NULL;
        ck_ok(swg_source_open(path, NULL, &file));
        ck_ok(swg_source_open_bytes("a name", block + offset, length, NULL, &memory));
        ck_assert_str_eq(swg_source_path(memory), "a name");
        ck_assert_str_eq(swg_source_format(memory), swg_source_format(file));
        ck_ok(swg_source_verify(memory, NULL, NULL, NULL, NULL));
        for (size_t i = 0; i < swg_source_n_tensors(memory); i++)
            swg_source_release(memory, i); /* the bytes stay the caller's */
        planes_are_equal(file, memory);
        char *histories[2] = {history_of(file), history_of(memory)};
        ck_assert_str_eq(histories[0], histories[1]);
        swg_free(histories[0]);
        swg_free(histories[1]);
        swg_source_close(&file);
        swg_source_close(&memory);
        ck_assert_mem_eq(block + offset, bytes, length);
        swg_free(block);
    }
    swg_free(bytes);
}
END_TEST

/* The name happens to be a path, with a configuration and a tokenizer in the same folder. */
START_TEST(nothing_beside_it_is_read)
{
    static const char *const folders[] = {"model.safetensors", "llama.bin"};
    swg_test_write_file(swg_test_path("config.json"), "{\"from\":\"disk\"}", 15);
    swg_test_write_file(swg_test_path("tokenizer.bin"), "tokens", 6);
    for (size_t i = 0; i < 2; i++) {
        const char *path = write_model(folders[i]);
        size_t length = 0;
        uint8_t *bytes = swg_test_read_file(path, &length);
        swg_source *source = NULL;
        ck_ok(swg_source_open(path, NULL, &source));
        ck_assert_uint_eq(swg_source_n_files(source), 1);
        ck_assert(swg_source_reads(source, path));
        swg_source_close(&source);
        ck_ok(swg_source_open_bytes(path, bytes, length, NULL, &source));
        ck_assert_uint_eq(swg_source_n_files(source), 0);
        ck_assert_ptr_null(strstr(swg_source_config(source, &length), "disk"));
        ck_assert(!swg_source_reads(source, path));
        swg_source_close(&source);
        swg_free(bytes);
    }
}
END_TEST

START_TEST(what_is_not_one_whole_file_is_refused)
{
    swg_source *source = NULL;
    ck_status_is(SWG_CORRUPT, swg_source_open_bytes("empty", "", 0, NULL, &source));
    ck_status_is(SWG_UNSUPPORTED, swg_source_open_bytes("text", "words", 5, NULL, &source));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "text is a text, not a checkpoint"));
    static const char *const indices[] = {"a.safetensors.index.json", "a.bin.index.json"};
    static const char index[] = "{\"weight_map\":{\"w\":\"one.safetensors\"}}";
    for (size_t i = 0; i < 2; i++)
        ck_status_is(SWG_UNSUPPORTED,
                     swg_source_open_bytes(indices[i], index, sizeof index - 1, NULL, &source));
    ck_assert_ptr_null(source);
}
END_TEST

static swg_status open_in_memory(void *context)
{
    const swg_map *file = context;
    return sample_use_bytes("m", file->data, file->size);
}

START_TEST(each_allocation_may_fail)
{
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(write_model("m.swg"), &length);
    swg_map file = {.data = bytes, .size = length};
    swg_test_each_allocation_fails(open_in_memory, &file);
    swg_free(bytes);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("memory_source");
    TCase *cases = tcase_create("memory_source");
    tcase_add_loop_test(cases, memory_gives_what_the_file_gives, 0, N_NAMES);
    tcase_add_test(cases, nothing_beside_it_is_read);
    tcase_add_test(cases, what_is_not_one_whole_file_is_refused);
    tcase_add_test(cases, each_allocation_may_fail);
    suite_add_tcase(suite, cases);
    return suite;
}
