/* Opening a .keras archive. Keras stores its entries as they are, so the weights are read where
 * they lie in the map; where another program has deflated them they are inflated once, into memory,
 * and only by as much as weights are compressed. */
#include "formats/keras/keras_archive.h"

#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/zip/zip_directory.h"

enum {
    LOCAL_BYTES = 30, /* of a local header, before the name */
    MAX_CONFIG_BYTES = 16 << 20,
    MOST_INFLATED = 64,  /* times the stored bytes: weights are not compressed by more */
    FREE_BYTES = 1 << 20 /* inflated whatever the factor */
};
static const char config_name[] = "config.json";

bool swg_keras_archive_claims(const swg_probe *probe)
{
    static const char *const first[] = {"metadata.json", config_name, SWG_KERAS_WEIGHTS};
    if (probe->head_bytes < LOCAL_BYTES || memcmp(probe->head, "PK\3\4", 4) != 0)
        return false;
    const size_t length = (size_t)swg_get_le(probe->head + 26, 2);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (strlen(first[i]) == length && length <= probe->head_bytes - LOCAL_BYTES &&
            memcmp(probe->head + LOCAL_BYTES, first[i], length) == 0)
            return true;
    return false;
}

static swg_status find(const char *path, const swg_zip *zip, const char *name,
                       const swg_zip_entry **out)
{
    *out = swg_zip_find(zip, name, strlen(name));
    return *out ? SWG_OK
                : swg_error(SWG_UNSUPPORTED, "%s is not a whole Keras archive: it has no %s", path,
                            name);
}

static swg_status open_weights(const char *path, const swg_zip *zip, swg_keras_archive *archive)
{
    const swg_zip_entry *entry;
    SWG_TRY(find(path, zip, SWG_KERAS_WEIGHTS, &entry));
    const uint8_t *bytes = archive->file.data + entry->offset;
    if (entry->is_deflated) {
        SWG_TRY(swg_zip_read(path, &archive->file, entry,
                             FREE_BYTES + MOST_INFLATED * entry->stored_bytes, &archive->inflated));
        bytes = (const uint8_t *)archive->inflated;
    } else if (swg_crc32(0, bytes, (size_t)entry->bytes) != entry->crc32) {
        return swg_error(SWG_CORRUPT, "%s: the bytes of entry %s do not match their CRC", path,
                         SWG_KERAS_WEIGHTS);
    }
    archive->weights = (swg_map){.data = bytes, .size = (size_t)entry->bytes, .is_borrowed = true};
    return SWG_OK;
}

swg_status swg_keras_archive_open(swg_source *source, const char *path, swg_keras_archive *out)
{
    swg_zip zip;
    const swg_zip_entry *entry;
    SWG_TRY(swg_source_map(source, path, &out->file));
    SWG_TRY(swg_zip_open(path, &out->file, true, &source->arena, &zip));
    SWG_TRY(find(path, &zip, config_name, &entry));
    SWG_TRY(swg_zip_read(path, &out->file, entry, MAX_CONFIG_BYTES, &out->config));
    out->config_length = (size_t)entry->bytes;
    return open_weights(path, &zip, out);
}

void swg_keras_archive_close(swg_keras_archive *archive)
{
    swg_free(archive->config);
    swg_free(archive->inflated);
    swg_map_close(&archive->file);
    *archive = (swg_keras_archive){0};
}
