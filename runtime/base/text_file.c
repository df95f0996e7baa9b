/* Reading and checking texts: see text_file.h. Regular files are mapped, so that a text of any size
 * costs no memory; pipes are read into it. */
#include "runtime/base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file_kind.h"
#include "runtime/base/notice.h"
#include "runtime/base/progress.h"
#include "runtime/base/utf8.h"

/* What is looked at: a binary file has a NUL byte early. */
enum { LOOKED_AT = 1 << 16, READ_BYTES = 1 << 16 };

/* --- Checking ----------------------------------------------------------------------------------
 */

/* The first byte that is not UTF-8, or `length`. */
static size_t first_bad_byte(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const size_t n = swg_utf8_decode(text + at, length - at, NULL);
        if (n == 0)
            return at;
        at += n;
    }
    return length;
}

/* Whether the first two lines are JSON objects. */
static bool is_json_lines(const char *text, size_t length)
{
    const char *line_end = memchr(text, '\n', length);
    const size_t first = line_end ? (size_t)(line_end - text) : length;
    const size_t last = first > 0 && text[first - 1] == '\r' ? first - 1 : first;
    const bool is_object = last > 2 && text[0] == '{' && text[1] == '"' && text[last - 1] == '}';
    return is_object && (first + 1 >= length || text[first + 1] == '{');
}

/* Say what will be read as prose and was probably not meant so. */
static void notice_oddities(const char *name, const char *text, size_t length)
{
    const size_t n = length < LOOKED_AT ? length : swg_utf8_complete_prefix(text, LOOKED_AT);
    const size_t bad = first_bad_byte(text, n);
    if (swg_file_kind_of(text, length) == SWG_FILE_HTML)
        swg_notice("%.200s is an HTML page; its tags are read as text", name);
    else if (is_json_lines(text, length))
        swg_notice("%.200s holds a JSON object per line; braces, keys and all are read as text "
                   "(eval reads labelled items with --data)",
                   name);
    if (bad < n)
        swg_notice("%.200s is not UTF-8 at byte %zu; make UTF-8 of it, if it is Latin-1 by: iconv "
                   "-f ISO-8859-1 -t UTF-8 OLD >NEW",
                   name, bad);
}

swg_status swg_text_check(const char *name, const char *bytes, size_t length, swg_text_use use,
                          size_t *begin)
{
    const size_t looked_at = length < LOOKED_AT ? length : LOOKED_AT;
    const swg_file_kind kind = length ? swg_file_kind_of(bytes, length) : SWG_FILE_UNKNOWN;
    const char *nul = length ? memchr(bytes, 0, looked_at) : NULL;
    if (kind != SWG_FILE_UNKNOWN && kind != SWG_FILE_HTML)
        return swg_error(SWG_UNSUPPORTED, "%s is not a plain text: it %s", name,
                         swg_file_kind_sentence(kind));
    if (nul)
        return swg_error(SWG_CORRUPT, "%s is not a plain text: byte %zu is NUL, as in binary files",
                         name, (size_t)(nul - bytes));
    *begin = 0;
    if (swg_has_byte_order_mark(bytes, length)) {
        *begin = SWG_BYTE_ORDER_MARK_BYTES;
        swg_notice("%.200s begins with a byte-order mark, which is skipped", name);
    }
    if (use == SWG_TEXT_PROSE && length > *begin)
        notice_oddities(name, bytes + *begin, length - *begin);
    return SWG_OK;
}

/* --- Reading -----------------------------------------------------------------------------------
 */

/* To the end, or to an early NUL byte: what will be refused is not read on. */
static swg_status read_stream(int fd, const char *name, swg_strbuf *out)
{
    char bytes[READ_BYTES];
    while (out->length > LOOKED_AT || !memchr(swg_strbuf_text(out), 0, out->length)) {
        const ssize_t n = read(fd, bytes, sizeof bytes);
        if (n == 0)
            return SWG_OK;
        if (swg_is_interrupted())
            return swg_error(SWG_INTERRUPTED, "interrupted");
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return swg_error(SWG_IO, "cannot read %s: %s", name, strerror(errno));
        if ((size_t)n > INT32_MAX - out->length)
            return swg_error(SWG_LIMIT, "%s has more than the %d bytes that are read at once", name,
                             INT32_MAX);
        swg_strbuf_append(out, bytes, (size_t)n);
        SWG_TRY(swg_strbuf_status(out));
    }
    return SWG_OK;
}

static bool is_pipe(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 &&
           (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode) || S_ISSOCK(info.st_mode));
}

static swg_status read_bytes(const char *path, bool is_stdin, swg_text_file *file)
{
    if (!is_stdin && !is_pipe(path))
        return swg_map_open(path, &file->bytes);
    const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return swg_error(SWG_IO, "cannot open %s: %s", path, strerror(errno));
    const swg_status status = read_stream(fd, is_stdin ? "standard input" : path, &file->read);
    if (!is_stdin)
        close(fd);
    file->bytes = (swg_map){.data = (const uint8_t *)swg_strbuf_text(&file->read),
                            .size = file->read.length,
                            .is_borrowed = true};
    return status;
}

swg_status swg_text_file_open(const char *path, swg_text_use use, swg_text_file *out)
{
    const bool is_stdin = !path || strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    swg_status status = SWG_OK;
    swg_text_file file = {0};
    size_t begin = 0;
    SWG_GO(read_bytes(path, is_stdin, &file));
    const char *bytes = file.bytes.data ? (const char *)file.bytes.data : "";
    SWG_GO(swg_text_check(name, bytes, file.bytes.size, use, &begin));
    file.text = bytes + begin;
    file.length = file.bytes.size - begin;
    *out = file;
    file = (swg_text_file){0};
done:
    swg_text_file_close(&file);
    return status;
}

void swg_text_file_close(swg_text_file *file)
{
    swg_map_close(&file->bytes);
    swg_strbuf_deinit(&file->read);
    *file = (swg_text_file){0};
}
