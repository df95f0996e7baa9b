/* The journal of finished matrices: see journal.h. A header of 64 bytes (magic, size of a report,
 * hash of the key), then records: a head, the name, the setting, the report and the planes. */
#include "quantize/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

enum { HEADER_BYTES = 64, MAX_TEXT = 1 << 16 };
static const char magic[9] = "swgjrnl1";

/* The head of a record, as stored. */
typedef struct head {
    uint32_t name_bytes, setting_bytes;
    uint64_t plane_bytes, planes_hash;
    uint64_t hash; /* of the fields before, name, setting and report */
} head;

typedef struct record {
    char *name, *setting;
    swg_tensor_report report;
    uint64_t offset, bytes, hash; /* of the planes */
} record;

struct swg_journal {
    char *path;
    int fd;
    bool is_owned; /* locked: no other process writes it */
    uint64_t end; /* where the next record goes */
    record *records;
    size_t n_records, capacity, n_found;
};

static swg_status io_error(const char *what, const swg_journal *j)
{
    return swg_error(SWG_IO, "cannot %s %s: %s", what, j->path, strerror(errno));
}

/* Whether all bytes could be read. */
static bool read_at(const swg_journal *j, uint64_t offset, void *data, size_t bytes)
{
    for (uint8_t *at = data; bytes > 0;) {
        const ssize_t n = pread(j->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return true;
}

static swg_status write_at(const swg_journal *j, uint64_t offset, const void *data, size_t bytes)
{
    for (const uint8_t *at = data; bytes > 0;) {
        const ssize_t n = pwrite(j->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return io_error("write", j);
        at += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return SWG_OK;
}

/* --- Records ---------------------------------------------------------------------------------- */

static swg_status hash_head(const head *h, const char *name, const char *setting,
                            const swg_tensor_report *report, uint64_t *out)
{
    const size_t fixed = offsetof(head, hash);
    const size_t bytes = fixed + h->name_bytes + h->setting_bytes + sizeof *report;
    uint8_t *all;
    SWG_TRY(SWG_NEW_UNINIT(all, bytes));
    memcpy(all, h, fixed);
    memcpy(all + fixed, name, h->name_bytes);
    memcpy(all + fixed + h->name_bytes, setting, h->setting_bytes);
    memcpy(all + fixed + h->name_bytes + h->setting_bytes, report, sizeof *report);
    *out = swg_hash64(all, bytes);
    swg_free(all);
    return SWG_OK;
}

static void record_deinit(record *r)
{
    swg_free(r->name);
    swg_free(r->setting);
}

static swg_status keep_record(swg_journal *j, record *r)
{
    SWG_TRY(swg_reserve((void **)&j->records, &j->capacity, j->n_records + 1, sizeof *j->records));
    j->records[j->n_records++] = *r;
    j->end = r->offset + r->bytes;
    *r = (record){0};
    return SWG_OK;
}

/* The record at the end of those read so far; *found false where there is no whole one. */
static swg_status read_record(swg_journal *j, uint64_t file_bytes, bool *found)
{
    swg_status status = SWG_OK;
    record r = {0};
    head h;
    uint64_t at = j->end + sizeof h, hash = 0;
    *found = false;
    if (!read_at(j, j->end, &h, sizeof h) || h.name_bytes > MAX_TEXT || h.setting_bytes > MAX_TEXT)
        return SWG_OK;
    SWG_GO(SWG_NEW(r.name, (size_t)h.name_bytes + 1));
    SWG_GO(SWG_NEW(r.setting, (size_t)h.setting_bytes + 1));
    if (!read_at(j, at, r.name, h.name_bytes) ||
        !read_at(j, at + h.name_bytes, r.setting, h.setting_bytes) ||
        !read_at(j, at + h.name_bytes + h.setting_bytes, &r.report, sizeof r.report))
        goto done;
    at += h.name_bytes + h.setting_bytes + sizeof r.report;
    SWG_GO(hash_head(&h, r.name, r.setting, &r.report, &hash));
    if (hash != h.hash || (unsigned)r.report.method >= SWG_QUANT_METHOD_COUNT || at > file_bytes ||
        h.plane_bytes > file_bytes - at)
        goto done;
    r.offset = at;
    r.bytes = h.plane_bytes;
    r.hash = h.planes_hash;
    SWG_GO(keep_record(j, &r));
    *found = true;
done:
    record_deinit(&r);
    return status;
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status read_records(swg_journal *j)
{
    const off_t size = lseek(j->fd, 0, SEEK_END);
    bool found = size > 0;
    while (found)
        SWG_TRY(read_record(j, (uint64_t)size, &found));
    j->n_found = j->n_records;
    return SWG_OK;
}

static swg_status begin(swg_journal *j, const char *key)
{
    uint8_t header[HEADER_BYTES] = {0}, there[HEADER_BYTES];
    const uint64_t report_bytes = sizeof(swg_tensor_report), hash = swg_hash64(key, strlen(key));
    memcpy(header, magic, sizeof magic - 1);
    memcpy(header + 8, &report_bytes, sizeof report_bytes);
    memcpy(header + 16, &hash, sizeof hash);
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (j->fd < 0)
        return io_error("open", j);
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        return swg_error(SWG_FAILED, "%s is in use: another process makes the same output",
                         j->path);
    j->is_owned = true;
    j->end = HEADER_BYTES;
    if (read_at(j, 0, there, sizeof there) && memcmp(there, header, sizeof header) == 0)
        SWG_TRY(read_records(j));
    if (ftruncate(j->fd, (off_t)(j->n_records ? j->end : 0)) != 0)
        return io_error("set the length of", j);
    return write_at(j, 0, header, sizeof header);
}

swg_status swg_journal_open(const char *path, const char *key, swg_journal **out)
{
    swg_journal *j = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(j, 1));
    j->fd = -1;
    j->path = swg_strdup(path);
    SWG_GO(j->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(begin(j, key));
    *out = j;
    j = NULL;
done:
    swg_journal_close(&j);
    return status;
}

void swg_journal_close(swg_journal **journal)
{
    swg_journal *j = *journal;
    if (!j)
        return;
    if (j->is_owned && j->n_records == 0)
        (void)unlink(j->path);
    for (size_t i = 0; i < j->n_records; i++)
        record_deinit(&j->records[i]);
    swg_free(j->records);
    if (j->fd >= 0)
        close(j->fd);
    swg_free(j->path);
    SWG_FREE(*journal);
}

void swg_journal_finish(swg_journal **journal)
{
    if (*journal)
        (void)unlink((*journal)->path);
    swg_journal_close(journal);
}

/* --- Use -------------------------------------------------------------------------------------- */

size_t swg_journal_n_found(const swg_journal *j)
{
    return j->n_found;
}

size_t swg_journal_n_records(const swg_journal *j)
{
    return j->n_records;
}

static const record *find(const swg_journal *j, const char *name, const char *setting)
{
    for (size_t i = j->n_records; i-- > 0;)
        if (strcmp(j->records[i].name, name) == 0 && strcmp(j->records[i].setting, setting) == 0)
            return &j->records[i];
    return NULL;
}

bool swg_journal_has(const swg_journal *j, const char *name, const char *setting)
{
    return find(j, name, setting) != NULL;
}

/* Hash of all planes: of the hashes of each. */
static uint64_t hash_planes(const swg_plane *layout, size_t n, void *const planes[SWG_PLANE_KINDS])
{
    uint64_t hashes[SWG_PLANE_KINDS];
    for (size_t i = 0; i < n; i++)
        hashes[i] = swg_hash64(planes[layout[i].kind], layout[i].bytes);
    return swg_hash64(hashes, n * sizeof *hashes);
}

bool swg_journal_take(swg_journal *j, const char *name, const char *setting,
                      const swg_plane *layout, size_t n, void *const planes[SWG_PLANE_KINDS],
                      swg_tensor_report *report)
{
    const record *r = find(j, name, setting);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += layout[i].bytes;
    if (!r || r->bytes != bytes)
        return false;
    uint64_t at = r->offset;
    for (size_t i = 0; i < n; i++) {
        if (!read_at(j, at, planes[layout[i].kind], layout[i].bytes))
            return false;
        at += layout[i].bytes;
    }
    *report = r->report;
    return hash_planes(layout, n, planes) == r->hash;
}

swg_status swg_journal_add(swg_journal *j, const char *name, const char *setting,
                           const swg_plane *layout, size_t n, void *const planes[SWG_PLANE_KINDS],
                           const swg_tensor_report *report)
{
    swg_status status = SWG_OK;
    record r = {.name = swg_strdup(name), .setting = swg_strdup(setting), .report = *report};
    head h = {.name_bytes = (uint32_t)strlen(name), .setting_bytes = (uint32_t)strlen(setting)};
    uint64_t at = j->end + sizeof h;
    SWG_GO(r.name && r.setting ? SWG_OK : SWG_NO_MEMORY);
    r.hash = h.planes_hash = hash_planes(layout, n, planes);
    for (size_t i = 0; i < n; i++)
        h.plane_bytes += layout[i].bytes;
    r.bytes = h.plane_bytes;
    SWG_GO(hash_head(&h, name, setting, report, &h.hash));
    SWG_GO(write_at(j, at, name, h.name_bytes));
    SWG_GO(write_at(j, at += h.name_bytes, setting, h.setting_bytes));
    SWG_GO(write_at(j, at += h.setting_bytes, report, sizeof *report));
    r.offset = at += sizeof *report;
    for (size_t i = 0; i < n; at += layout[i++].bytes)
        SWG_GO(write_at(j, at, planes[layout[i].kind], layout[i].bytes));
    SWG_GO(write_at(j, j->end, &h, sizeof h));
    SWG_GO(keep_record(j, &r));
done:
    record_deinit(&r);
    return status;
}
