/* Maps, paths, and outputs that appear whole or not at all. */
#include "tests/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* A fresh folder of the test's own below the program's. */
static const char *fresh_folder(const char *name)
{
    const char *folder = swg_test_path(name);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    return folder;
}

static const char *in(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return swg_test_path(path);
}

/* Entries of a folder, without "." and "..". */
static int count_entries(const char *name)
{
    DIR *folder = opendir(swg_test_path(name));
    ck_assert_ptr_nonnull(folder);
    int count = -2;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void file_is(const char *path, const char *wanted)
{
    size_t length = 0;
    uint8_t *data = swg_test_read_file(path, &length);
    ck_assert_uint_eq(length, strlen(wanted));
    ck_assert_mem_eq(data, wanted, length);
    swg_free(data);
}

static swg_status write_whole(const char *path, bool force, uint64_t hint, const char *text)
{
    swg_status status = SWG_OK;
    swg_file_writer *writer = NULL;
    SWG_GO(swg_file_create(path, force, hint, &writer));
    SWG_GO(swg_file_append(writer, text, strlen(text) / 2));
    SWG_GO(swg_file_append(writer, text + strlen(text) / 2, strlen(text) - strlen(text) / 2));
    status = swg_file_commit(&writer);
    ck_assert_ptr_null(writer);
done:
    swg_file_abort(&writer);
    return status;
}

START_TEST(an_output_appears_at_commit)
{
    fresh_folder("appears");
    const char *path = in("appears", "out");
    swg_file_writer *writer = NULL;
    ck_ok(swg_file_create(path, false, 1000, &writer));
    ck_ok(swg_file_append(writer, "abc", 3));
    ck_assert_uint_eq(swg_file_tell(writer), 3);
    ck_ok(swg_file_append(writer, NULL, 0));
    ck_ok(swg_file_write_at(writer, 1, "X", 1));
    ck_assert_uint_eq(swg_file_tell(writer), 3);
    ck_assert(!swg_path_exists(path));
    ck_ok(swg_file_seal(writer));
    ck_ok(swg_file_seal(writer));
    ck_assert(!swg_path_exists(path));
    ck_ok(swg_file_commit(&writer));
    ck_assert_ptr_null(writer);
    file_is(path, "aXc");
    ck_assert_int_eq(count_entries("appears"), 1);
}
END_TEST

START_TEST(an_aborted_output_leaves_nothing)
{
    fresh_folder("aborted");
    swg_file_writer *writer = NULL;
    ck_ok(swg_file_create(in("aborted", "out"), false, 0, &writer));
    ck_ok(swg_file_append(writer, "abc", 3));
    ck_assert_int_eq(count_entries("aborted"), 1);
    swg_file_abort(&writer);
    ck_assert_ptr_null(writer);
    swg_file_abort(&writer);
    ck_assert_int_eq(count_entries("aborted"), 0);
    ck_ok(swg_file_create(in("aborted", "out"), false, 0, &writer));
    swg_file_abort_all_from_signal();
    ck_assert_int_eq(count_entries("aborted"), 0);
    swg_file_abort(&writer);
}
END_TEST

START_TEST(force_decides_about_an_existing_file)
{
    fresh_folder("force");
    const char *path = in("force", "out");
    ck_ok(write_whole(path, false, 0, "old"));
    ck_status_is(SWG_USAGE, write_whole(path, false, 0, "new"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--force"));
    file_is(path, "old");
    ck_ok(write_whole(path, true, 0, "new"));
    file_is(path, "new");
    ck_ok(write_whole(in("force", "other"), true, 0, ""));
    file_is(in("force", "other"), "");
    ck_assert_int_eq(count_entries("force"), 2);
}
END_TEST

START_TEST(a_target_that_appears_meanwhile_survives)
{
    fresh_folder("meanwhile");
    const char *path = in("meanwhile", "out");
    swg_file_writer *writer = NULL;
    ck_ok(swg_file_create(path, false, 0, &writer));
    ck_ok(swg_file_append(writer, "mine", 4));
    swg_test_write_file(path, "theirs", 6);
    ck_status_is(SWG_IO, swg_file_commit(&writer));
    ck_assert_ptr_null(writer);
    file_is(path, "theirs");
    ck_assert_int_eq(count_entries("meanwhile"), 1);
}
END_TEST

START_TEST(what_is_not_a_regular_file_is_refused)
{
    fresh_folder("irregular");
    ck_assert_int_eq(mkdir(in("irregular", "folder"), 0700), 0);
    ck_assert_int_eq(mkfifo(in("irregular", "fifo"), 0600), 0);
    for (int force = 0; force < 2; force++) {
        ck_status_is(SWG_USAGE, write_whole(in("irregular", "folder"), force, 0, "x"));
        ck_status_is(SWG_USAGE, write_whole(in("irregular", "fifo"), force, 0, "x"));
        ck_status_is(SWG_USAGE, write_whole("/dev/null", force, 0, "x"));
    }
    swg_map map = {0};
    ck_status_is(SWG_UNSUPPORTED, swg_map_open(in("irregular", "folder"), &map));
    ck_status_is(SWG_UNSUPPORTED, swg_map_open(in("irregular", "fifo"), &map));
    ck_status_is(SWG_UNSUPPORTED, swg_map_open("/dev/null", &map));
    ck_status_is(SWG_IO, swg_map_open(in("irregular", "absent"), &map));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "absent"));
    ck_status_is(SWG_IO, write_whole(in("irregular", "absent/out"), false, 0, "x"));
    ck_assert_int_eq(count_entries("irregular"), 2);
}
END_TEST

START_TEST(a_link_is_written_through)
{
    fresh_folder("links");
    ck_ok(write_whole(in("links", "real"), false, 0, "old"));
    ck_assert_int_eq(symlink("real", in("links", "link")), 0);
    ck_status_is(SWG_USAGE, write_whole(in("links", "link"), false, 0, "new"));
    ck_ok(write_whole(in("links", "link"), true, 0, "new"));
    struct stat info;
    ck_assert_int_eq(lstat(in("links", "link"), &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    file_is(in("links", "real"), "new");
    ck_assert(swg_path_is_same(in("links", "link"), in("links", "real")));
    ck_assert_int_eq(count_entries("links"), 2);
}
END_TEST

typedef struct replacement {
    const char *folder, *path;
    const char *old; /* NULL: there is none */
    bool force;
} replacement;

static swg_status replace(void *context)
{
    const replacement *r = context;
    return write_whole(r->path, r->force, 100, "new contents");
}

static void old_one_is_there_alone(void *context)
{
    const replacement *r = context;
    if (r->old)
        file_is(r->path, r->old);
    ck_assert_int_eq(count_entries(r->folder), r->old ? 1 : 0);
}

START_TEST(each_failing_write_leaves_the_old_file)
{
    fresh_folder("writes");
    char path[512];
    snprintf(path, sizeof path, "%s", in("writes", "out"));
    replacement first = {"writes", path, NULL, false};
    swg_test_each_write_fails(replace, old_one_is_there_alone, &first);
    file_is(path, "new contents");
    swg_test_write_file(path, "old", 3);
    replacement second = {"writes", path, "old", true};
    swg_test_each_write_fails(replace, old_one_is_there_alone, &second);
    file_is(path, "new contents");
    ck_assert_int_eq(count_entries("writes"), 1);
}
END_TEST

START_TEST(each_failing_allocation_is_reported)
{
    fresh_folder("allocations");
    char path[512];
    snprintf(path, sizeof path, "%s", in("allocations", "out"));
    swg_test_write_file(path, "old", 3);
    replacement r = {"allocations", path, "old", true};
    swg_test_each_allocation_fails(replace, &r);
    file_is(path, "new contents");
    ck_assert_int_eq(count_entries("allocations"), 1);
}
END_TEST

/* The folder's name was allocated after the rename: the commit failed and the old file was gone. */
START_TEST(a_commit_without_memory_leaves_the_old_file)
{
    fresh_folder("memory");
    char path[512];
    snprintf(path, sizeof path, "%s", in("memory", "out"));
    swg_test_write_file(path, "old", 3);
    replacement r = {"memory", path, "old", true};
    swg_status status = SWG_NO_MEMORY;
    for (uint64_t n = 1; status == SWG_NO_MEMORY; n++) {
        swg_mem_fail_at(n, false);
        status = replace(&r);
        swg_mem_fail_at(0, false);
        if (status == SWG_NO_MEMORY)
            old_one_is_there_alone(&r);
    }
    ck_assert_int_eq(status, SWG_OK);
    file_is(path, "new contents");
}
END_TEST

/* The file was cut to what had been appended. */
START_TEST(what_is_written_beyond_the_end_survives_the_commit)
{
    fresh_folder("beyond");
    const char *path = in("beyond", "out");
    swg_file_writer *writer = NULL;
    ck_ok(swg_file_create(path, false, 1000, &writer));
    ck_ok(swg_file_append(writer, "ab", 2));
    ck_ok(swg_file_write_at(writer, 4, "ef", 2));
    ck_ok(swg_file_write_at(writer, 2, "cd", 2));
    ck_ok(swg_file_write_at(writer, 100, NULL, 0));
    ck_assert_uint_eq(swg_file_tell(writer), 2);
    ck_ok(swg_file_commit(&writer));
    file_is(path, "abcdef");
}
END_TEST

/* Both were noticed only by the rename, after all the work. */
START_TEST(names_that_cannot_be_written_are_refused_at_once)
{
    fresh_folder("names");
    swg_file_writer *writer = NULL;
    ck_assert_int_eq(symlink("nowhere", in("names", "dangling")), 0);
    for (int force = 0; force < 2; force++) {
        ck_status_is(SWG_USAGE, swg_file_create("", force, 0, &writer));
        ck_status_is(SWG_USAGE, swg_file_create(in("names", "dangling"), force, 0, &writer));
        ck_assert_ptr_null(writer);
    }
    ck_assert_int_eq(count_entries("names"), 1);
}
END_TEST

START_TEST(many_outputs_may_be_open)
{
    enum { LIMIT = 4096 };
    fresh_folder("many");
    static swg_file_writer *writers[LIMIT];
    swg_file_writer *one_more = NULL;
    char name[32];
    for (int i = 0; i < LIMIT; i++) {
        snprintf(name, sizeof name, "out%d", i);
        ck_ok(swg_file_create(in("many", name), false, 0, &writers[i]));
        ck_ok(swg_file_seal(writers[i])); /* so that it holds no descriptor */
    }
    ck_status_is(SWG_LIMIT, swg_file_create(in("many", "more"), false, 0, &one_more));
    ck_assert_int_eq(count_entries("many"), LIMIT);
    for (int i = 0; i < LIMIT; i++)
        swg_file_abort(&writers[i]);
    ck_ok(swg_file_create(in("many", "more"), false, 0, &one_more));
    swg_file_abort(&one_more);
    ck_assert_int_eq(count_entries("many"), 0);
}
END_TEST

START_TEST(files_are_mapped_and_read)
{
    fresh_folder("maps");
    const char *path = in("maps", "data");
    enum { BYTES = 20000 };
    static uint8_t data[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 7);
    swg_test_write_file(path, data, BYTES);
    swg_map map = {0};
    ck_ok(swg_map_open(path, &map));
    ck_assert_uint_eq(map.size, BYTES);
    swg_map_release(&map, 100, 15000);
    swg_map_release(&map, 0, 0);
    ck_assert_mem_eq(map.data, data, BYTES);
    swg_map_close(&map);
    ck_assert_ptr_null(map.data);
    swg_map_close(&map);
    char *text = NULL;
    size_t length = 0;
    ck_status_is(SWG_LIMIT, swg_file_read(path, BYTES - 1, &text, &length));
    ck_assert_ptr_null(text);
    ck_ok(swg_file_read(path, BYTES, &text, &length));
    ck_assert_uint_eq(length, BYTES);
    ck_assert_int_eq(text[BYTES], '\0');
    swg_free(text);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_map)
{
    fresh_folder("empty");
    const char *path = in("empty", "data");
    swg_test_write_file(path, "", 0);
    swg_map map = {.size = 1};
    ck_ok(swg_map_open(path, &map));
    ck_assert_ptr_null(map.data);
    ck_assert_uint_eq(map.size, 0);
    swg_map_release(&map, 0, 0);
    swg_map_close(&map);
    char *text = NULL;
    size_t length = 1;
    ck_ok(swg_file_read(path, 0, &text, &length));
    ck_assert_uint_eq(length, 0);
    ck_assert_str_eq(text, "");
    swg_free(text);
}
END_TEST

START_TEST(paths_are_taken_apart_and_joined)
{
    static const char *const joined[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}};
    static const char *const parts[][3] = {
        {"a/b/c", "a/b", "c"}, {"c", ".", "c"}, {"/c", "/", "c"}, {"./c", ".", "c"}};
    for (size_t i = 0; i < 3; i++) {
        char *path = swg_path_join(joined[i][0], joined[i][1]);
        ck_assert_str_eq(path, joined[i][2]);
        swg_free(path);
    }
    for (size_t i = 0; i < 4; i++) {
        char *folder = swg_path_dirname(parts[i][0]);
        ck_assert_str_eq(folder, parts[i][1]);
        swg_free(folder);
        ck_assert_str_eq(swg_path_basename(parts[i][0]), parts[i][2]);
    }
    ck_assert(swg_path_is_directory("/"));
    ck_assert(!swg_path_is_directory("/dev/null"));
    ck_assert(swg_path_exists("/dev/null"));
    ck_assert(!swg_path_is_same("/", "/dev/null"));
    ck_assert(!swg_path_is_same("/absent", "/absent"));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("file");
    TCase *cases = tcase_create("file");
    tcase_add_test(cases, an_output_appears_at_commit);
    tcase_add_test(cases, an_aborted_output_leaves_nothing);
    tcase_add_test(cases, force_decides_about_an_existing_file);
    tcase_add_test(cases, a_target_that_appears_meanwhile_survives);
    tcase_add_test(cases, what_is_not_a_regular_file_is_refused);
    tcase_add_test(cases, a_link_is_written_through);
    tcase_add_test(cases, each_failing_write_leaves_the_old_file);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    tcase_add_test(cases, a_commit_without_memory_leaves_the_old_file);
    tcase_add_test(cases, what_is_written_beyond_the_end_survives_the_commit);
    tcase_add_test(cases, names_that_cannot_be_written_are_refused_at_once);
    tcase_add_test(cases, many_outputs_may_be_open);
    tcase_add_test(cases, files_are_mapped_and_read);
    tcase_add_test(cases, an_empty_file_is_an_empty_map);
    tcase_add_test(cases, paths_are_taken_apart_and_joined);
    suite_add_tcase(suite, cases);
    return suite;
}
