/* Telling files apart by their first bytes, and what paths that do not exist were meant as. */
#include "runtime/base/file_kind.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/file.h"

/* Bytes that say what a file is, where they stand at a fixed place. */
typedef struct magic {
    swg_file_kind kind;
    size_t at, length;
    const char *bytes;
} magic;

#define MAGIC(kind, at, bytes)                                                                     \
    {                                                                                              \
        SWG_FILE_##kind, at, sizeof(bytes) - 1, bytes                                              \
    }
static const magic magics[] = {
    MAGIC(LFS_POINTER, 0, "version https://git-lfs.github.com/spec/"),
    MAGIC(UTF32, 0, "\xff\xfe\0\0"), /* begins as UTF-16 does */
    MAGIC(UTF32, 0, "\0\0\xfe\xff"),
    MAGIC(UTF16, 0, "\xff\xfe"),
    MAGIC(UTF16, 0, "\xfe\xff"),
    MAGIC(GZIP, 0, "\x1f\x8b"),
    MAGIC(BZIP2, 4, "1AY&SY"),
    MAGIC(XZ, 0,
          "\xfd"
          "7zXZ\0"),
    MAGIC(ZSTD, 0, "\x28\xb5\x2f\xfd"),
    MAGIC(SEVEN_ZIP, 0, "7z\xbc\xaf\x27\x1c"),
    MAGIC(RAR, 0, "Rar!\x1a\x07"),
    MAGIC(TAR, 257, "ustar"),
    MAGIC(PDF, 0, "%PDF-"),
    MAGIC(PARQUET, 0, "PAR1\x15"),
    MAGIC(SQLITE, 0, "SQLite format 3"),
    MAGIC(IMAGE, 0, "\x89PNG\r\n\x1a\n"),
    MAGIC(IMAGE, 0, "\xff\xd8\xff"),
    MAGIC(PROGRAM, 0,
          "\x7f"
          "ELF"),
    MAGIC(NUMPY, 0, "\x93NUMPY"),
    MAGIC(FLATBUFFER, 4, "TFL3"),
    MAGIC(ONNX, 2, "\x12\x07pytorch"), /* the producer, after the version */
    MAGIC(ONNX, 2,
          "\x12\x0d"
          "onnx.quantize"),
    MAGIC(ONNX, 2, "\x12\x08tf2onnx"),
    MAGIC(GGML, 0, "lmgg"),
    MAGIC(GGML, 0, "tjgg"),
    MAGIC(GGML, 0, "fmgg"),
    MAGIC(SWG, 0, "\x89SWG\r\n\x1a\n"),
    MAGIC(GGUF, 0, "GGUF\1\0\0\0"),
    MAGIC(GGUF, 0, "GGUF\2\0\0\0"),
    MAGIC(GGUF, 0, "GGUF\3\0\0\0"),
    MAGIC(GGUF, 0, "GGUF\0\0\0"), /* the other byte order */
    MAGIC(HDF5, 0, "\x89HDF\r\n\x1a\n"),
    MAGIC(ZIP, 0, "PK\3\4"),
    MAGIC(ZIP, 0, "PK\5\6"),
    MAGIC(PICKLE, 0, "\x80\2"),
    MAGIC(PICKLE, 0, "\x80\3"),
    MAGIC(PICKLE, 0, "\x80\4"),
    MAGIC(PICKLE, 0, "\x80\5"),
    MAGIC(SAFETENSORS, 8, "{\""), /* after a length below 2^32: see is_safetensors */
};
enum { N_MAGICS = sizeof magics / sizeof *magics };

static bool is_safetensors(const char *bytes)
{
    static const char zeros[4] = {0};
    return memcmp(bytes + 4, zeros, sizeof zeros) == 0;
}

/* The first characters of a page, after blanks and a byte-order mark. */
static bool is_html(const char *bytes, size_t length)
{
    static const char *const beginnings[] = {"<!doctype html", "<html", "<head>"};
    size_t at = swg_has_byte_order_mark(bytes, length) ? SWG_BYTE_ORDER_MARK_BYTES : 0;
    while (at < length && memchr(" \t\r\n", bytes[at], 4))
        at++;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const size_t n = strlen(beginnings[i]);
        if (length - at >= n && strncasecmp(bytes + at, beginnings[i], n) == 0)
            return true;
    }
    return false;
}

/* UTF-16 without a mark: every second byte of a text in Latin letters is zero. */
static bool is_plain_utf16(const char *bytes, size_t length)
{
    enum { ENOUGH = 8, LOOKED_AT = 64 };
    const size_t n = (length < LOOKED_AT ? length : LOOKED_AT) / 2;
    size_t low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low += bytes[2 * i] == 0 && isprint((unsigned char)bytes[2 * i + 1]);
        high += bytes[2 * i + 1] == 0 && isprint((unsigned char)bytes[2 * i]);
    }
    return n >= ENOUGH && (low == n || high == n);
}

swg_file_kind swg_file_kind_of(const void *bytes, size_t length)
{
    for (size_t i = 0; i < N_MAGICS; i++) {
        const magic *m = &magics[i];
        if (length >= m->at + m->length &&
            memcmp((const char *)bytes + m->at, m->bytes, m->length) == 0 &&
            (m->kind != SWG_FILE_SAFETENSORS || is_safetensors(bytes)))
            return m->kind;
    }
    if (is_html(bytes, length))
        return SWG_FILE_HTML;
    return is_plain_utf16(bytes, length) ? SWG_FILE_UTF16 : SWG_FILE_UNKNOWN;
}

const char *swg_file_kind_sentence(swg_file_kind kind)
{
    static const char *const sentences[] = {
        "",
#define SWG_FILE_KIND(name, sentence) sentence,
#include "runtime/base/file_kinds.def"
#undef SWG_FILE_KIND
    };
    return sentences[kind];
}

swg_status swg_file_refuse_mistaken(const char *path, const void *bytes, size_t length)
{
    const swg_file_kind kind = length ? swg_file_kind_of(bytes, length) : SWG_FILE_UNKNOWN;
    if (kind == SWG_FILE_UNKNOWN || kind >= SWG_FILE_CHECKPOINTS)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, "%s %s", path, swg_file_kind_sentence(kind));
}

bool swg_has_byte_order_mark(const void *bytes, size_t length)
{
    return length >= SWG_BYTE_ORDER_MARK_BYTES &&
           memcmp(bytes, "\xef\xbb\xbf", SWG_BYTE_ORDER_MARK_BYTES) == 0;
}

/* --- Paths that are not there ------------------------------------------------------------------
 */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Characters of a name on a hub. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (n > 0 && text[n] && strchr("._-", text[n])))
        n++;
    return n;
}

/* "owner/name", and perhaps ":tag": neither a path that begins somewhere nor one into a folder that
 * exists. `length` leaves the tag out. */
static bool is_hub_name(const char *path, size_t *length)
{
    const size_t owner = name_length(path);
    const size_t name = path[owner] == '/' ? name_length(path + owner + 1) : 0;
    char folder[256];
    if (owner == 0 || name == 0 || owner >= sizeof folder)
        return false;
    snprintf(folder, sizeof folder, "%.*s", (int)owner, path);
    *length = owner + 1 + name;
    return (path[*length] == '\0' || path[*length] == ':') && !swg_path_exists(folder);
}

/* "name:tag". */
static bool is_ollama_name(const char *path)
{
    const size_t name = name_length(path);
    const size_t tag = path[name] == ':' ? name_length(path + name + 1) : 0;
    return tag > 0 && path[name + 1 + tag] == '\0';
}

swg_status swg_explain_missing(swg_status status, const char *path)
{
    static const char hub[] = "hf://", no_download[] = "swage downloads nothing";
    size_t length = 0;
    char before[512];
    if (status == SWG_OK || swg_path_exists(path))
        return status;
    snprintf(before, sizeof before, "%s", swg_error_message());
    const char *name = begins_with(path, hub) ? path + sizeof hub - 1 : path;
    if (is_hub_name(name, &length))
        return swg_error(status,
                         "%s; %s: \"hf download %.*s --local-dir %.*s\" fetches the model of "
                         "that name from Hugging Face",
                         before, no_download, (int)length, name,
                         (int)(name + length - strchr(name, '/') - 1), strchr(name, '/') + 1);
    if (strstr(path, "://"))
        return swg_error(status,
                         "%s; %s: fetch the file first (\"curl -LO %.200s\") and give its path",
                         before, no_download, path);
    if (is_ollama_name(path))
        return swg_error(status,
                         "%s; %s: for a model of ollama give the file that \"ollama show "
                         "--modelfile %s\" names after FROM",
                         before, no_download, path);
    return status;
}
