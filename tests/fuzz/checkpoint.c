/* All that can be asked of a checkpoint, for the fuzz targets of its readers. */
#include <stdlib.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"

static void demand_sentence(swg_status status)
{
    if (status != SWG_OK && swg_error_message()[0] == '\0')
        abort();
}

static swg_status read_tensor(swg_source *source, size_t index)
{
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(swg_source_tensor(source, index), planes);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *data;
        SWG_TRY(SWG_NEW_UNINIT(data, (size_t)planes[p].bytes));
        const swg_status status = swg_source_read(source, index, p, 0, planes[p].rows, data);
        swg_free(data);
        SWG_TRY(status);
    }
    return SWG_OK;
}

static void use(swg_source *source)
{
    swg_file_view file;
    demand_sentence(swg_source_verify(source, NULL, NULL, NULL, NULL));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        demand_sentence(read_tensor(source, i));
    for (size_t i = 0; i < swg_source_n_files(source); i++)
        demand_sentence(swg_source_file(source, i, &file));
}

void fuzz_checkpoint(const uint8_t *data, size_t size)
{
    char path[64];
    swg_source *source = NULL;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    swg_error_clear();
    const swg_status status = swg_source_open(path, NULL, &source);
    demand_sentence(status);
    if (status == SWG_OK)
        use(source);
    swg_source_close(&source);
    close(fd);
}
