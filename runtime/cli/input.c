/* Reading a subcommand's input whole: see input.h. */
#include "runtime/cli/input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { READ_BYTES = 1 << 16 };

/* Anything that can be read to its end: files, pipes, terminals. */
static swg_status read_stream(FILE *stream, const char *name, swg_strbuf *out)
{
    char bytes[READ_BYTES];
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, stream)) > 0) {
        if (n > INT32_MAX - out->length)
            return swg_error(SWG_LIMIT, "%s has more than the %d bytes that are read at once", name,
                             INT32_MAX);
        swg_strbuf_append(out, bytes, n);
        SWG_TRY(swg_strbuf_status(out));
    }
    return ferror(stream) ? swg_error(SWG_IO, "cannot read %s: %s", name, strerror(errno)) : SWG_OK;
}

swg_status swg_cli_read_input(const char *path, swg_strbuf *out)
{
    if (!path || strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", out);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return swg_error(SWG_IO, "cannot open %s: %s", path, strerror(errno));
    const swg_status status = read_stream(stream, path, out);
    fclose(stream);
    return status;
}
