/* Lets a program be loaded once and run often. ffmpeg's two hundred libraries take longer to link than most of what tests
 * ask of it. Preloaded, this stops the program before its main() and reads requests from stdin; each is run by a fork of
 * the linked process, so that main() is as new every time. A request: its length (four bytes), then strings with a NUL at
 * the end of each: the file for stdout, the file for stderr, the arguments. The answer on stdout: what waitpid() says of it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int Main(int, char **, char **);

static Main *program;

static int read_all(char *to, size_t len) {
    while (len > 0) {
        ssize_t got = read(0, to, len);
        if (got <= 0)
            return 0;
        to += got;
        len -= (size_t)got;
    }
    return 1;
}

static void answer(int32_t word) {
    if (write(1, &word, sizeof word) != sizeof word)
        _exit(1);
}

static void reopen(int fd, const char *path, int flags) {
    int opened = open(path, flags, 0600);
    if (opened < 0 || dup2(opened, fd) < 0)
        _exit(127);
    close(opened);
}

static int serve(int argc, char **argv, char **environment) {
    unsetenv("LD_PRELOAD");
    /* Ready. */
    answer(-1);
    uint32_t len;
    while (read_all((char *)&len, sizeof len)) {
        char *text = malloc(len);
        /* argv has the script as well where the program is one; every argument has a NUL. */
        char **arguments = calloc((size_t)argc + len + 1, sizeof *arguments);
        if (!text || !arguments || !read_all(text, len))
            return 1;
        pid_t child = fork();
        if (child == 0) {
            char *out = text, *err = out + strlen(out) + 1;
            reopen(0, "/dev/null", O_RDONLY);
            reopen(1, out, O_WRONLY);
            reopen(2, err, O_WRONLY);
            memcpy(arguments, argv, (size_t)argc * sizeof *argv);
            int count = argc;
            for (char *next = err + strlen(err) + 1; next < text + len; next += strlen(next) + 1)
                arguments[count++] = next;
            return program(count, arguments, environment);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 1;
        answer(status);
        free(arguments);
        free(text);
    }
    return 0;
}

typedef int Start(Main *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

int __libc_start_main(Main *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*end)(void),
                      void *stack) {
    program = main;
    Start *start = (Start *)dlsym(RTLD_NEXT, "__libc_start_main");
    return start(serve, argc, argv, init, fini, end, stack);
}
