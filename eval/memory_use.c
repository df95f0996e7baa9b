/* Memory as the system counts it: see memory_use.h. */
#include "eval/memory_use.h"

#include <stdio.h>
#include <string.h>

bool swg_memory_use_read(const char *root, swg_memory_use *out)
{
    char line[256];
    swg_memory_use use = {0};
    const struct {
        const char *key;
        uint64_t *bytes;
    } fields[] = {{"Rss:", &use.rss},
                  {"Pss:", &use.pss},
                  {"Pss_Anon:", &use.pss_anon},
                  {"Pss_File:", &use.pss_file}};
    enum { N_FIELDS = sizeof fields / sizeof fields[0] };
    bool is_read[N_FIELDS] = {false};
    snprintf(line, sizeof line, "%s/proc/self/smaps_rollup", root);
    FILE *const file = fopen(line, "re");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file))
        for (size_t i = 0; i < N_FIELDS; i++) {
            unsigned long long kib;
            const size_t length = strlen(fields[i].key);
            if (strncmp(line, fields[i].key, length) != 0 ||
                sscanf(line + length, "%llu kB", &kib) != 1)
                continue;
            *fields[i].bytes = 1024 * (uint64_t)kib;
            is_read[i] = true;
        }
    fclose(file);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (!is_read[i])
            return false;
    *out = use;
    return true;
}
