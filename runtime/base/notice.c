/* A short queue of sentences: see notice.h. It allocates nothing. */
#include "runtime/base/notice.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NOTICES = 8 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char notices[MAX_NOTICES][SWG_NOTICE_BYTES];
static size_t n_notices;

void swg_notice(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&mutex);
    if (n_notices < MAX_NOTICES) {
        vsnprintf(notices[n_notices], SWG_NOTICE_BYTES, format, arguments);
        size_t same = 0;
        while (strcmp(notices[same], notices[n_notices]) != 0)
            same++;
        n_notices += same == n_notices;
    }
    pthread_mutex_unlock(&mutex);
    va_end(arguments);
}

bool swg_notice_take(char out[SWG_NOTICE_BYTES])
{
    pthread_mutex_lock(&mutex);
    const bool is_there = n_notices > 0;
    if (is_there) {
        memcpy(out, notices[0], SWG_NOTICE_BYTES);
        memmove(notices[0], notices[1], --n_notices * SWG_NOTICE_BYTES);
    }
    pthread_mutex_unlock(&mutex);
    return is_there;
}
