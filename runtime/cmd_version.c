/* swage version, and swage --version: the version alone on the first line, and below it what bug
 * reports and published figures should state. */
#include "kernels/kernels.h"
#include "kernels/linalg.h"
#include "runtime/base/json_writer.h"
#include "runtime/cli/cli.h"

#if defined(__clang__)
#define COMPILER "Clang " __clang_version__
#else
#define COMPILER "GCC " __VERSION__
#endif
#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "unknown"
#endif
#if defined(NDEBUG)
#define ASSERTIONS false
#else
#define ASSERTIONS true
#endif
#if defined(SWAGE_SANITIZE)
#define SANITIZERS SWAGE_SANITIZE
#else
#define SANITIZERS NULL
#endif

static swg_status print_json(const swg_cli *cli, const char *isa)
{
    const char *sanitizers = SANITIZERS;
    swg_json_writer json = {0};
    swg_cli_json_begin(cli, &json);
    swg_json_begin_object(&json, "build");
    swg_json_string(&json, "type", SWAGE_BUILD_TYPE);
    swg_json_string(&json, "compiler", COMPILER);
    swg_json_string(&json, "architecture", ARCHITECTURE);
    swg_json_bool(&json, "assertions", ASSERTIONS);
    if (sanitizers)
        swg_json_string(&json, "sanitizers", sanitizers);
    else
        swg_json_null(&json, "sanitizers");
    swg_json_end_object(&json);
    swg_json_string(&json, "kernels", isa);
    swg_json_string(&json, "blas", swg_linalg_name());
    return swg_cli_json_print(&json);
}

static swg_status run(const swg_cli *cli, const void *arguments)
{
    (void)arguments;
    const char *sanitizers = SANITIZERS;
    const swg_kernels *kernels;
    SWG_TRY(swg_kernels_best(&kernels));
    const char *isa = swg_isa_name(swg_kernels_isa_of(kernels, SWG_OP_matmul_w4));
    if (cli->json)
        return print_json(cli, isa);
    swg_strbuf text = {0};
    swg_strbuf_printf(&text, "swage %s\nbuild    %s, %s, %s%s%s\nkernels  %s\nblas     %s\n",
                      SWAGE_VERSION, SWAGE_BUILD_TYPE, COMPILER, ARCHITECTURE,
                      sanitizers ? ", sanitizers: " : "", sanitizers ? sanitizers : "", isa,
                      swg_linalg_name());
    swg_status status = swg_strbuf_status(&text);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&text), text.length);
    swg_strbuf_deinit(&text);
    return status;
}

static const swg_example examples[] = {
    {"swage version", "for people"},
    {"swage version --json", "for programs"},
};

const swg_command swg_command_version = {
    .name = "version",
    .synopsis = "[--json]",
    .summary = "print the version, how it was built and what it computes with",
    .description =
        "The first line is the version alone. The lines below it are what bug reports and "
        "published figures should state: build type and compiler, the instruction set of the "
        "kernels here (SWAGE_ISA caps it), and the library that multiplies float matrices.",
    .arguments_bytes = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
