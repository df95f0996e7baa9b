/* How the command handles an interruption, and an input that disappears while it is read. */
#ifndef SWG_RUNTIME_CLI_SIGNALS_H
#define SWG_RUNTIME_CLI_SIGNALS_H

/* Install the handlers; call once, before any work.
 *   SIGINT, SIGTERM, SIGHUP  first: long work stops at its next step; second: temporary files are
 *                            removed and the process ends at once (130)
 *   SIGPIPE                  temporary files are removed, then the signal ends the process as usual
 *   SIGBUS                   a mapped input was shortened: message, temporary files removed, exit 3
 *   SIGXFSZ                  ignored, so that a write over the limit is an ordinary error
 * Signals that the parent ignores stay ignored. Also opens standard descriptors that are closed, so
 * that no output file can get such a number and receive what is printed. */
void swg_signals_install(void);

#endif
