/* Preloaded into a process of the tests: lets calls of it fail, and tells of others. Selected by its environment:
   FAULT_ALLOCATION=N  the N-th allocation that libav asks for fails; FAULT_COUNT=PATH gets how many there were.
   FAULT_CLOSE=ERRNO   close(2) of a file in the making fails so, though the descriptor is closed.
   FAULT_SYNC=ERRNO    fsync(2) of a file in the making fails so; FAULT_SYNC_FOLDER=ERRNO that of its folder.
   FAULT_CALLS=PATH    a line for each call that makes, syncs or closes a file in the making, or syncs its folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long allocations;
static long failing = -1;
static int armed;

static int is_libav(void *address) {
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return 0;
    return strstr(info.dli_fname, "/libav") || strstr(info.dli_fname, "/libsw");
}

/* Whether this allocation is to fail. */
static int fails(void *caller) {
    if (!armed || !is_libav(caller)) return 0;
    if (atomic_fetch_add(&allocations, 1) + 1 != failing) return 0;
    errno = ENOMEM; /* as glibc has it, for posix_memalign too */
    return 1;
}

void *malloc(size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
int posix_memalign(void **to, size_t alignment, size_t size) {
    if (fails(__builtin_return_address(0))) return ENOMEM;
    *to = __libc_memalign(alignment, size);
    return *to ? 0 : ENOMEM;
}

static char last_part[4096];

static const char *in_the_making(int fd, char *name, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, name, room - 1);
    if (len < 0) return NULL;
    name[len] = 0;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        return access(last_part, F_OK) ? "folder, renamed" : "folder, not renamed";
    return strstr(name, ".avrope-") ? "part" : NULL;
}

static void tell(const char *call, const char *what) {
    const char *path = getenv("FAULT_CALLS");
    if (!path || !what) return;
    char line[64];
    int len = snprintf(line, sizeof line, "%s %s\n", call, what);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = real(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (write(fd, line, len) != len) abort();
    int (*shut)(int) = dlsym(RTLD_NEXT, "close");
    shut(fd);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    int fd = real(path, flags, mode);
    if (fd >= 0 && flags & O_CREAT && strstr(path, ".avrope-")) {
        strncpy(last_part, path, sizeof last_part - 1);
        tell("create", "part");
    }
    return fd;
}
int fsync(int fd) {
    char name[4096];
    const char *what = in_the_making(fd, name, sizeof name);
    tell("fsync", what);
    const char *wrong = what ? getenv(strcmp(what, "part") ? "FAULT_SYNC_FOLDER" : "FAULT_SYNC") : NULL;
    if (wrong) {
        errno = atoi(wrong);
        return -1;
    }
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}
int close(int fd) {
    char name[4096];
    const char *what = in_the_making(fd, name, sizeof name);
    int part = what && !strcmp(what, "part");
    if (part) tell("close", what);
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    int code = real(fd);
    const char *wrong = getenv("FAULT_CLOSE");
    if (part && wrong) {
        errno = atoi(wrong);
        return -1;
    }
    return code;
}

__attribute__((constructor)) static void begin(void) {
    const char *number = getenv("FAULT_ALLOCATION");
    if (number) failing = atol(number);
    armed = number != NULL;
}
__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAULT_COUNT");
    if (!path) return;
    armed = 0;
    FILE *file = fopen(path, "w");
    fprintf(file, "%ld", atomic_load(&allocations));
    fclose(file);
}
