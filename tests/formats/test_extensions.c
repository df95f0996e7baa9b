/* What a later version adds to a .swg and marks as optional goes through convert and quantize; what
 * it marks as required stops them. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "tests/formats/sample.h"
#include "tests/formats/tiny_llama.h"

static const char text[] = "what a later version knows";
enum { OPTIONAL_FEATURE = 0x40, UNSUPPORTED_EXIT = 4 };

/* The micro model, as a later version might have written it. */
static void write_later_version(const char *path)
{
    const char *plain = swg_test_path("plain.swg");
    ck_ok(swg_micro_model_write(plain, NULL, NULL, NULL, 1));
    swg_source *source = NULL;
    ck_ok(swg_source_open(plain, NULL, &source));
    swg_sink_meta meta;
    ck_ok(swg_sink_meta_from_source(source, &meta));
    const swg_extension extension = {.tag = {'X', 'T', 'R', 'A'}, .data = text, .length = 26};
    meta.extensions = &extension;
    meta.n_extensions = 1;
    meta.optional_features = OPTIONAL_FEATURE;
    const size_t n_tensors = swg_source_n_tensors(source);
    swg_tensor_desc tensors[64];
    ck_assert_uint_le(n_tensors, 64);
    for (size_t i = 0; i < n_tensors; i++)
        tensors[i] = *swg_source_tensor(source, i);
    swg_sink *sink = NULL;
    ck_ok(swg_sink_open(path, NULL, &meta, tensors, n_tensors, &sink));
    for (size_t i = 0; i < n_tensors; i++) {
        void *data = swg_malloc((size_t)swg_tensor_bytes(&tensors[i]), 1);
        ck_ok(swg_source_read(source, i, 0, 0, swg_tensor_rows(&tensors[i]), data));
        ck_ok(swg_sink_write(sink, i, (const void *const[SWG_PLANE_KINDS]){data}));
        swg_free(data);
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
}

/* Exit code of a command, in a process of its own: it ends with its standard output closed. */
static int run(const char *command, const char *input, const char *output)
{
    char *argv[] = {"swage", (char *)command, (char *)input, "-o", (char *)output, "--quiet", NULL};
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
        _exit(swg_cli_main(6, argv));
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_extension(const char *path)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    size_t count = 0;
    const swg_extension *extensions = swg_source_extensions(source, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_mem_eq(extensions[0].tag, "XTRA", 4);
    ck_assert_uint_eq(extensions[0].length, 26);
    ck_assert_mem_eq(extensions[0].data, text, 26);
    swg_sink_meta meta;
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_assert_uint_eq(meta.optional_features, OPTIONAL_FEATURE);
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
}

START_TEST(optional_ones_go_through_the_commands)
{
    const char *later = swg_test_path("later.swg"), *copy = swg_test_path("copy.swg");
    write_later_version(later);
    expect_extension(later);
    ck_assert_int_eq(run("convert", later, copy), 0);
    expect_extension(copy);
    const char *quantized = swg_test_path("quantized.swg");
    ck_assert_int_eq(run("quantize", later, quantized), 0);
    expect_extension(quantized);
}
END_TEST

START_TEST(a_required_feature_stops_the_commands)
{
    const char *path = swg_test_path("required.swg"), *out = swg_test_path("stopped.swg");
    write_later_version(path);
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    swg_put_le(bytes + SWG_SUPERBLOCK_REQUIRED, 4, 1u << 31);
    swg_put_le(bytes + SWG_SUPERBLOCK_HASH, 8, swg_hash64(bytes, SWG_SUPERBLOCK_HASH));
    sample_put_file(path, bytes, length);
    swg_free(bytes);
    ck_assert_int_eq(run("convert", path, out), UNSUPPORTED_EXIT);
    ck_assert_int_eq(run("quantize", path, out), UNSUPPORTED_EXIT);
    ck_assert(!swg_path_exists(out));
}
END_TEST

/* A history that would be a command to the terminal (CSI, in its one-character form). */
START_TEST(inspect_prints_no_control_characters)
{
    const char *path = swg_test_path("control.swg"), *printed = swg_test_path("printed");
    sample s;
    sample_init(&s);
    s.meta.provenance = "[{\"tool\":\"\xc2\x9b"
                        "2J\"}]";
    sample_add_small(&s);
    ck_ok(sample_write(&s, path, NULL));
    sample_deinit(&s);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char *argv[] = {"swage", "inspect", (char *)path, NULL};
        ck_assert_ptr_nonnull(freopen(printed, "w", stdout));
        _exit(swg_cli_main(3, argv));
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    size_t length = 0;
    uint8_t *out = swg_test_read_file(printed, &length);
    ck_assert_ptr_nonnull(memmem(out, length, "provenance: (not printable", 26));
    ck_assert_ptr_null(memmem(out, length, "\xc2\x9b", 2));
    swg_free(out);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("extensions");
    TCase *cases = tcase_create("extensions");
    tcase_add_test(cases, optional_ones_go_through_the_commands);
    tcase_add_test(cases, a_required_feature_stops_the_commands);
    tcase_add_test(cases, inspect_prints_no_control_characters);
    suite_add_tcase(suite, cases);
    return suite;
}
