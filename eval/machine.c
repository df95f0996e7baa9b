/* What the system says about the machine: see machine.h. */
#include "eval/machine.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "runtime/base/mem.h"

const char *swg_machine_isa(void)
{
    const swg_kernels *kernels;
    swg_isa best = 0;
    if (swg_kernels_best(&kernels) != SWG_OK)
        return NULL;
    for (int op = 0; op < SWG_OP_COUNT; op++) {
        const swg_isa isa = swg_kernels_isa_of(kernels, (swg_op_id)op);
        best = isa > best ? isa : best;
    }
    return swg_isa_name(best);
}

/* Copy without white space at the ends, at most what fits. */
static void take_text(const char *from, size_t length, char out[SWG_MACHINE_TEXT])
{
    while (length > 0 && isspace((unsigned char)*from))
        from++, length--;
    while (length > 0 && isspace((unsigned char)from[length - 1]))
        length--;
    if (length > SWG_MACHINE_TEXT - 1)
        length = SWG_MACHINE_TEXT - 1;
    memcpy(out, from, length);
    out[length] = '\0';
}

static FILE *open_under(const char *root, const char *path)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    return fopen(whole, "re");
}

/* The first line of a file. */
static void read_first_line(const char *root, const char *path, char out[SWG_MACHINE_TEXT])
{
    char line[256];
    FILE *file = open_under(root, path);
    if (!file)
        return;
    if (fgets(line, sizeof line, file))
        take_text(line, strlen(line), out);
    fclose(file);
}

/* x86 has "model name", 64-bit Arm at most "CPU part". */
static void read_cpu(const char *root, char out[SWG_MACHINE_TEXT])
{
    char line[512];
    FILE *file = open_under(root, "/proc/cpuinfo");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        const char *const colon = strchr(line, ':');
        const bool is_name = strncmp(line, "model name", 10) == 0;
        if (!colon || (!is_name && (*out || strncmp(line, "CPU part", 8) != 0)))
            continue;
        take_text(colon + 1, strlen(colon + 1), out);
        if (is_name)
            break;
    }
    fclose(file);
}

/* Of "always [madvise] never" the word in brackets. */
static void keep_chosen(char text[SWG_MACHINE_TEXT])
{
    char *const open = strchr(text, '['), *const close = open ? strchr(open, ']') : NULL;
    if (close) {
        *close = '\0';
        memmove(text, open + 1, strlen(open + 1) + 1);
    }
}

void swg_machine_describe(const char *root, swg_machine *out)
{
    cpu_set_t cpus;
    *out = (swg_machine){.isa = swg_machine_isa(), .memory_bytes = swg_machine_memory_bytes()};
    read_cpu(root, out->cpu);
    read_first_line(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", out->governor);
    read_first_line(root, "/sys/kernel/mm/transparent_hugepage/enabled", out->huge_pages);
    keep_chosen(out->huge_pages);
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        out->n_cpus = (size_t)CPU_COUNT(&cpus);
}
