/* The swage command. Subcommands: commands.def; everything else: cli.c. */
#include "runtime/cli/cli.h"

int main(int argc, char **argv)
{
    return swg_cli_main(argc, argv);
}
