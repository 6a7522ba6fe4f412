/* Counts every call that changes files below one folder, and ends the process or fails at a chosen one.

Loaded by LD_PRELOAD. TRIPTYCH_SHIM names a file that all processes of one experiment map: `struct control` below, the
same as in shim.py. A process without it, or with mode OFF, is not disturbed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, COUNT, KILL, TORN, POWER, FULL, ONCE };
enum { CALLS = 8192, FILES = 256 };

struct call {
    char name[16];
    char path[112];
};

struct control {
    int mode;   /* KILL: before the call. TORN: after half of a write. POWER: as KILL, and data without fsync is lost. */
    int error;  /* FULL: every call that needs space fails with it from the chosen call on. ONCE: the chosen call fails. */
    long at;    /* the chosen call, from 1 */
    long count; /* calls so far, of all processes */
    char root[256];
    struct call calls[CALLS];
};

static struct control *control;

/* files written since their last fsync, for POWER: a descriptor of our own, and the size that is safe */
static struct {
    int fd;
    dev_t device;
    ino_t inode;
    off_t safe;
    int dirty;
} files[FILES];
static int n_files;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("TRIPTYCH_SHIM");
    if (!path) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (memory != MAP_FAILED) control = memory;
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))next(#name); real; })

/* whether a path, or the file of a descriptor, is below the folder; `out` gets its absolute path */
static int inside(const char *path, char *out) {
    size_t length = strlen(control->root);
    if (path[0] == '/') {
        snprintf(out, PATH_MAX, "%s", path);
    } else {
        char folder[PATH_MAX];
        if (!getcwd(folder, sizeof folder)) return 0;
        if (snprintf(out, PATH_MAX, "%s/%s", folder, path) >= PATH_MAX) return 0;
    }
    return strncmp(out, control->root, length) == 0 && out[length] == '/';
}

static int inside_at(int folder, const char *path, char *out) {
    if (path[0] == '/' || folder == AT_FDCWD) return inside(path, out);
    char link[64], base[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(link, base, sizeof base - 1);
    if (n < 0) return 0;
    base[n] = 0;
    char whole[2 * PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return inside(whole, out);
}

static int inside_fd(int fd, char *out) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/') return 0;
    path[n] = 0;
    return inside(path, out);
}

static void lose_unsafe_data(void) {
    for (int i = 0; i < n_files; i++)
        if (files[i].dirty) syscall(SYS_ftruncate, files[i].fd, files[i].safe);
}

static void end(void) {
    if (control->mode == POWER) lose_unsafe_data();
    control->mode = OFF; /* of an experiment with several processes, one is ended */
    syscall(SYS_kill, getpid(), SIGKILL);
    syscall(SYS_exit_group, 137); /* the first process of a pid namespace does not receive its own signals */
}

/* Count a call. Returns 0 to go on, an error number to fail with, or -1: write a half, then end. */
static int on_call(const char *name, const char *path, int needs_space, int is_write) {
    long number = __sync_add_and_fetch(&control->count, 1);
    if (number <= CALLS) {
        struct call *call = &control->calls[number - 1];
        snprintf(call->name, sizeof call->name, "%s", name);
        snprintf(call->path, sizeof call->path, "%s", path + strlen(control->root));
    }
    switch (control->mode) {
    case KILL:
    case POWER:
        if (number == control->at) end();
        return 0;
    case TORN:
        if (number != control->at) return 0;
        if (is_write) return -1;
        end();
        return 0;
    case FULL: return number >= control->at && needs_space ? control->error : 0;
    case ONCE: return number == control->at ? control->error : 0;
    default: return 0;
    }
}

static void remember(int fd) {
    if (control->mode != POWER) return;
    struct stat status;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
    for (int i = 0; i < n_files; i++)
        if (files[i].device == status.st_dev && files[i].inode == status.st_ino) {
            files[i].dirty = 1;
            return;
        }
    if (n_files == FILES) return;
    int own = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 500);
    if (own < 0) return;
    files[n_files].fd = own;
    files[n_files].device = status.st_dev;
    files[n_files].inode = status.st_ino;
    files[n_files].safe = 0;
    files[n_files].dirty = 1;
    n_files++;
}

static void synced(int fd) {
    struct stat status;
    if (control->mode != POWER || fstat(fd, &status)) return;
    for (int i = 0; i < n_files; i++)
        if (files[i].device == status.st_dev && files[i].inode == status.st_ino) {
            files[i].safe = status.st_size;
            files[i].dirty = 0;
        }
}

#define ACTIVE (control && control->mode != OFF)
#define CHECK(found, name, space, failed)                                                                              \
    if (ACTIVE) {                                                                                                      \
        char path_[PATH_MAX];                                                                                          \
        if (found) {                                                                                                   \
            int error_ = on_call(name, path_, space, 0);                                                               \
            if (error_ > 0) {                                                                                          \
                errno = error_;                                                                                        \
                return failed;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }

/* opening: counts if the file may be created or changed */
#define OPEN_MODE                                                                                                      \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
#define CHANGES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

int open(const char *path, int flags, ...) {
    OPEN_MODE
    if (CHANGES(flags)) CHECK(inside(path, path_), "open", flags & O_CREAT, -1)
    return REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    OPEN_MODE
    if (CHANGES(flags)) CHECK(inside(path, path_), "open", flags & O_CREAT, -1)
    return REAL(open64)(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    OPEN_MODE
    if (CHANGES(flags)) CHECK(inside_at(folder, path, path_), "open", flags & O_CREAT, -1)
    return REAL(openat)(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    OPEN_MODE
    if (CHANGES(flags)) CHECK(inside_at(folder, path, path_), "open", flags & O_CREAT, -1)
    return REAL(openat64)(folder, path, flags, mode);
}
FILE *fopen(const char *path, const char *how) {
    if (how[0] != 'r' || strchr(how, '+')) CHECK(inside(path, path_), "open", 1, NULL)
    return REAL(fopen)(path, how);
}
FILE *fopen64(const char *path, const char *how) {
    if (how[0] != 'r' || strchr(how, '+')) CHECK(inside(path, path_), "open", 1, NULL)
    return REAL(fopen64)(path, how);
}

/* writing: half of it may be written */
#define WRITE(call, half)                                                                                              \
    char path_[PATH_MAX];                                                                                              \
    if (ACTIVE && inside_fd(fd, path_)) {                                                                              \
        int error_ = on_call("write", path_, 1, 1);                                                                    \
        if (error_ > 0) {                                                                                              \
            errno = error_;                                                                                            \
            return -1;                                                                                                 \
        }                                                                                                              \
        if (error_ < 0) {                                                                                              \
            (void)!half;                                                                                               \
            end();                                                                                                     \
        }                                                                                                              \
        remember(fd);                                                                                                  \
    }                                                                                                                  \
    return call;

ssize_t write(int fd, const void *data, size_t n) { WRITE(REAL(write)(fd, data, n), REAL(write)(fd, data, n / 2)) }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    WRITE(REAL(pwrite)(fd, data, n, at), REAL(pwrite)(fd, data, n / 2, at))
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    WRITE(REAL(pwrite64)(fd, data, n, at), REAL(pwrite64)(fd, data, n / 2, at))
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    WRITE(REAL(writev)(fd, parts, n), REAL(write)(fd, parts[0].iov_base, parts[0].iov_len / 2))
}
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) {
    WRITE(REAL(pwritev)(fd, parts, n, at), REAL(pwrite)(fd, parts[0].iov_base, parts[0].iov_len / 2, at))
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t at) {
    WRITE(REAL(pwritev64)(fd, parts, n, at), REAL(pwrite)(fd, parts[0].iov_base, parts[0].iov_len / 2, at))
}
ssize_t copy_file_range(int from, off64_t *a, int fd, off64_t *b, size_t n, unsigned int flags) {
    WRITE(REAL(copy_file_range)(from, a, fd, b, n, flags), REAL(copy_file_range)(from, a, fd, b, n / 2, flags))
}
ssize_t sendfile(int fd, int from, off_t *at, size_t n);
ssize_t sendfile(int fd, int from, off_t *at, size_t n) {
    WRITE(REAL(sendfile)(fd, from, at, n), REAL(sendfile)(fd, from, at, n / 2))
}
ssize_t sendfile64(int fd, int from, off64_t *at, size_t n);
ssize_t sendfile64(int fd, int from, off64_t *at, size_t n) {
    WRITE(REAL(sendfile64)(fd, from, at, n), REAL(sendfile64)(fd, from, at, n / 2))
}

/* names */
int rename(const char *from, const char *to) {
    CHECK(inside(to, path_), "rename", 0, -1)
    return REAL(rename)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    CHECK(inside_at(b, to, path_), "rename", 0, -1)
    return REAL(renameat)(a, from, b, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
    CHECK(inside_at(b, to, path_), "rename", 0, -1)
    return REAL(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) {
    CHECK(inside(to, path_), "link", 1, -1)
    return REAL(link)(from, to);
}
int symlink(const char *from, const char *to) {
    CHECK(inside(to, path_), "symlink", 1, -1)
    return REAL(symlink)(from, to);
}
int unlink(const char *path) {
    CHECK(inside(path, path_), "unlink", 0, -1)
    return REAL(unlink)(path);
}
int unlinkat(int folder, const char *path, int flags) {
    CHECK(inside_at(folder, path, path_), "unlink", 0, -1)
    return REAL(unlinkat)(folder, path, flags);
}
int rmdir(const char *path) {
    CHECK(inside(path, path_), "rmdir", 0, -1)
    return REAL(rmdir)(path);
}
int mkdir(const char *path, mode_t mode) {
    CHECK(inside(path, path_), "mkdir", 1, -1)
    return REAL(mkdir)(path, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
    CHECK(inside_at(folder, path, path_), "mkdir", 1, -1)
    return REAL(mkdirat)(folder, path, mode);
}
int chmod(const char *path, mode_t mode) {
    CHECK(inside(path, path_), "chmod", 0, -1)
    return REAL(chmod)(path, mode);
}
int fchmod(int fd, mode_t mode) {
    CHECK(inside_fd(fd, path_), "chmod", 0, -1)
    return REAL(fchmod)(fd, mode);
}

/* sizes and safety */
#define RESIZE(call)                                                                                                   \
    CHECK(inside_fd(fd, path_), "resize", 1, -1)                                                                       \
    return call;
int ftruncate(int fd, off_t size) { RESIZE(REAL(ftruncate)(fd, size)) }
int ftruncate64(int fd, off64_t size) { RESIZE(REAL(ftruncate64)(fd, size)) }
int truncate(const char *path, off_t size) {
    CHECK(inside(path, path_), "resize", 1, -1)
    return REAL(truncate)(path, size);
}
int fallocate(int fd, int mode, off_t at, off_t n) { RESIZE(REAL(fallocate)(fd, mode, at, n)) }
int fallocate64(int fd, int mode, off64_t at, off64_t n) { RESIZE(REAL(fallocate64)(fd, mode, at, n)) }
int fsync(int fd) {
    CHECK(inside_fd(fd, path_), "fsync", 0, -1)
    int result = REAL(fsync)(fd);
    if (ACTIVE) synced(fd);
    return result;
}
int fdatasync(int fd) {
    CHECK(inside_fd(fd, path_), "fsync", 0, -1)
    int result = REAL(fdatasync)(fd);
    if (ACTIVE) synced(fd);
    return result;
}
