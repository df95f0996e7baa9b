/* What is read of the system and of names: machines from files like those of /proc and /sys, and
 * where tensors stand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/energy.h"
#include "eval/machine.h"
#include "eval/memory_use.h"
#include "eval/tensor_place.h"
#include "runtime/base/file.h"
#include "tests/harness.h"

static void put_file(const char *root, const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, folder);
    ck_ok(swg_make_folders(path));
    snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(machines)
{
    char root[256];
    swg_machine m;
    snprintf(root, sizeof root, "%s", swg_test_path("machine"));
    swg_machine_describe(root, &m);
    ck_assert_str_eq(m.cpu, "");
    ck_assert_str_eq(m.governor, "");
    ck_assert_str_eq(m.huge_pages, "");
    ck_assert_uint_ge(m.n_cpus, 1);
    put_file(root, "/proc", "cpuinfo",
             "processor\t: 0\nCPU part\t: 0xd0c\nmodel name\t: A Fast One @ 3 GHz \n"
             "model name\t: another\n");
    put_file(root, "/sys/devices/system/cpu/cpu0/cpufreq", "scaling_governor", "powersave\n");
    put_file(root, "/sys/kernel/mm/transparent_hugepage", "enabled", "always [madvise] never\n");
    swg_machine_describe(root, &m);
    ck_assert_str_eq(m.cpu, "A Fast One @ 3 GHz");
    ck_assert_str_eq(m.governor, "powersave");
    ck_assert_str_eq(m.huge_pages, "madvise");
    put_file(root, "/proc", "cpuinfo", "CPU part\t: 0xd0c\nCPU part\t: 0xd0d\n");
    swg_machine_describe(root, &m);
    ck_assert_str_eq(m.cpu, "0xd0c");
}
END_TEST

START_TEST(memory)
{
    char root[256];
    swg_memory_use use;
    snprintf(root, sizeof root, "%s", swg_test_path("memory"));
    ck_assert(!swg_memory_use_read(root, &use));
    put_file(root, "/proc/self", "smaps_rollup",
             "5581a000-7ffd3000 ---p 00000000 00:00 0    [rollup]\nRss:    2048 kB\n"
             "Pss:    1500 kB\nPss_Anon:  1000 kB\nPss_File:   500 kB\nPss_Shmem:  0 kB\n");
    ck_assert(swg_memory_use_read(root, &use));
    ck_assert(use.rss == 2048 * 1024 && use.pss == 1500 * 1024);
    ck_assert(use.pss_anon == 1000 * 1024 && use.pss_file == 500 * 1024);
    put_file(root, "/proc/self", "smaps_rollup", "Rss: 2048 kB\nPss: 1500 kB\n");
    ck_assert(!swg_memory_use_read(root, &use));
}
END_TEST

START_TEST(energy)
{
    char root[256];
    swg_energy before, after;
    snprintf(root, sizeof root, "%s", swg_test_path("energy"));
    swg_energy_read(root, &before);
    ck_assert_uint_eq(before.n, 0);
    ck_assert_ptr_nonnull(strstr(before.reason, "no energy counter"));
    ck_assert(isnan(swg_energy_between(&before, &before)));
    put_file(root, "/sys/class/powercap/intel-rapl:0", "energy_uj", "9000000\n");
    put_file(root, "/sys/class/powercap/intel-rapl:0", "max_energy_range_uj", "10000000\n");
    put_file(root, "/sys/class/powercap/intel-rapl:1", "energy_uj", "500\n");
    swg_energy_read(root, &before);
    ck_assert_uint_eq(before.n, 2);
    put_file(root, "/sys/class/powercap/intel-rapl:0", "energy_uj", "500000\n"); /* wrapped */
    put_file(root, "/sys/class/powercap/intel-rapl:1", "energy_uj", "1000500\n");
    swg_energy_read(root, &after);
    ck_assert_double_le(fabs(swg_energy_between(&before, &after) - 2.5), 1e-9);
    ck_assert(isnan(swg_energy_between(&after, &before))); /* the second has no known range */
}
END_TEST

START_TEST(places_of_tensors)
{
    static const struct {
        const char *name;
        int64_t layer;
        const char *kind;
    } rows[] = {
        {"model.layers.3.self_attn.q_proj.weight", 3, "q_proj"},
        {"model.embed_tokens.weight", -1, "embed_tokens"},
        {"blk.12.attn_q.weight", 12, "attn_q"},
        {"h.0.attn.c_attn.bias", 0, "c_attn"},
        {"model.layers.1.mlp.experts.7.w1.weight", 1, "w1"},
        {"lm_head.weight", -1, "lm_head"},
        {"weight", -1, ""},
        {"", -1, ""},
        {"a..5.", 5, "a"},
        {"x.99999999999.y", -1, "y"},
    };
    char kind[SWG_TENSOR_KIND_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(swg_tensor_place(rows[i].name, kind), rows[i].layer);
        ck_assert_str_eq(kind, rows[i].kind);
    }
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(swg_tensor_place(name, kind), -1);
    ck_assert_uint_eq(strlen(kind), SWG_TENSOR_KIND_BYTES - 1);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("machine");
    TCase *tests = tcase_create("machine");
    tcase_add_test(tests, machines);
    tcase_add_test(tests, memory);
    tcase_add_test(tests, energy);
    tcase_add_test(tests, places_of_tensors);
    suite_add_tcase(suite, tests);
    return suite;
}
