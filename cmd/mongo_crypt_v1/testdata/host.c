// A program that loads the library as drivers do, by dlopen, and calls its functions. Usage: host LIBRARY MODE [COUNT]
// Modes that take requests read them from standard input, BSON documents one after the other.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../abi.h"

#define FUNCTION(name) static __typeof__(mongo_crypt_v1_##name) *name;
#define FUNCTIONS(f)                                                                                                                   \
    f(get_version) f(get_version_str) f(status_create) f(status_destroy) f(status_get_error) f(status_get_explanation)                 \
        f(status_get_code) f(lib_create) f(lib_destroy) f(query_analyzer_create) f(query_analyzer_destroy) f(analyze_query) f(bson_free)
FUNCTIONS(FUNCTION)

#define LOAD(name) name = dlsym(library, "mongo_crypt_v1_" #name), check(name != NULL, "symbol " #name);

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

static uint8_t *requests[10000];
static int count;

static void read_requests(void) {
    int32_t n;
    while (fread(&n, 4, 1, stdin) == 1) {
        requests[count] = malloc(n < 4 ? 4 : n);
        memcpy(requests[count], &n, 4);
        check(n <= 4 || fread(requests[count] + 4, n - 4, 1, stdin) == 1, "a whole request");
        count++;
    }
}

// answers writes error, code, length and text of each answer or explanation.
static void answers(mongo_crypt_v1_lib *lib) {
    mongo_crypt_v1_status *status = status_create();
    for (int i = 0; i < count; i++) {
        mongo_crypt_v1_query_analyzer *analyzer = query_analyzer_create(lib, status);
        check(status_get_error(status) == 0, "an analyzer");
        uint32_t len = 99;
        uint8_t *answer = analyze_query(analyzer, requests[i], "db.people", 9, &len, status);
        int32_t head[3] = {status_get_error(status), status_get_code(status), len};
        const void *text = answer;
        check((answer == NULL) == (head[0] != 0) && (answer != NULL || len == 0), "an answer or an error");
        if (answer == NULL) {
            text = status_get_explanation(status);
            head[2] = strlen(text);
        }
        fwrite(head, 4, 3, stdout);
        fwrite(text, head[2], 1, stdout);
        bson_free(answer);
        query_analyzer_destroy(analyzer);
    }
    status_destroy(status);
}

static void nulls(mongo_crypt_v1_lib *lib) {
    mongo_crypt_v1_status *status = status_create();
    uint8_t empty[] = {5, 0, 0, 0, 0};
    uint32_t len = 99;
    check(status_get_error(status) == 0 && status_get_code(status) == 0 && status_get_explanation(status)[0] == 0, "a new status is success");
    check(lib_destroy(NULL, status) != 0 && status_get_error(status) != 0 && status_get_explanation(status)[0] != 0, "no lib to destroy");
    check(lib_destroy(NULL, NULL) != 0, "no lib, no status");
    check(query_analyzer_create(NULL, status) == NULL && status_get_error(status) != 0, "no lib to create from");
    check(query_analyzer_create(NULL, NULL) == NULL, "no lib, no status");
    mongo_crypt_v1_query_analyzer *analyzer = query_analyzer_create(lib, NULL);
    check(analyzer != NULL, "an analyzer without a status");
    check(lib_destroy(lib, status) != 0 && status_get_error(status) != 0, "a lib in use is not destroyed");
    check(analyze_query(NULL, empty, "", 0, &len, status) == NULL && status_get_error(status) != 0 && len == 0, "no analyzer");
    check(analyze_query(analyzer, NULL, "", 0, &len, status) == NULL && status_get_error(status) != 0, "no document");
    check(analyze_query(analyzer, empty, "", 0, NULL, status) == NULL && status_get_error(status) != 0, "no length");
    check(analyze_query(analyzer, empty, NULL, 7, &len, status) == NULL && status_get_error(status) == 2, "no namespace");
    check(analyze_query(analyzer, empty, NULL, 0, &len, NULL) == NULL, "no status");
    uint8_t lying[] = {0xff, 0xff, 0xff, 0x7f, 2, 'a', 0, 0xf0, 0xff, 0xff, 0x7e};
    check(analyze_query(analyzer, lying, "db.c", 4, &len, status) == NULL && status_get_code(status) == 10334, "a length beyond that of messages is not believed");
    query_analyzer_destroy(analyzer);
    query_analyzer_destroy(NULL);
    status_destroy(status);
    status_destroy(NULL);
    bson_free(NULL);
    check(status_get_error(NULL) != 0 && status_get_explanation(NULL) != NULL && status_get_code(NULL) == 0, "no status to ask");
    check(get_version() == 0x0008000200000000 && strncmp(get_version_str(), "mongo_crypt_v1-", 15) == 0, "the version");
    mongo_crypt_v1_lib *second = lib_create(NULL);
    check(second != NULL && lib_destroy(second, NULL) == 0, "a lib without a status");
}

static int rounds;
static mongo_crypt_v1_query_analyzer *shared;

// work analyses all requests over and over, by an analyzer of its own and by one that all threads share.
static void *work(void *lib) {
    mongo_crypt_v1_status *status = status_create();
    mongo_crypt_v1_query_analyzer *own = query_analyzer_create(lib, status);
    for (int i = 0; i < rounds; i++) {
        uint32_t len;
        uint8_t *answer = analyze_query(i % 2 ? own : shared, requests[i % count], "db.people", 9, &len, status);
        check((answer != NULL) == (status_get_error(status) == 0), "an answer or an error");
        check(answer == NULL || (len >= 5 && answer[len - 1] == 0), "a document");
        bson_free(answer);
    }
    query_analyzer_destroy(own);
    status_destroy(status);
    return NULL;
}

static void threads(mongo_crypt_v1_lib *lib) {
    pthread_t all[16];
    for (int i = 0; i < 16; i++) {
        check(pthread_create(&all[i], NULL, work, lib) == 0, "a thread");
    }
    for (int i = 0; i < 16; i++) {
        pthread_join(all[i], NULL);
    }
}

static long resident(void) { // KiB
    long pages = 0, all;
    FILE *f = fopen("/proc/self/statm", "r");
    check(f != NULL && fscanf(f, "%ld %ld", &all, &pages) == 2, "/proc/self/statm");
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

// leak prints by how many bytes malloc's memory, and by how many KiB the whole process, has grown over the rounds, after as many before.
static void leak(mongo_crypt_v1_lib *lib) {
    work(lib);
    size_t heap = mallinfo2().uordblks;
    long before = resident();
    work(lib);
    printf("%zd %ld\n", (ssize_t)(mallinfo2().uordblks - heap), resident() - before);
}

// forks calls everything in a child. An alarm ends a child that hangs.
static void forks(mongo_crypt_v1_lib *lib) {
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        uint32_t len;
        mongo_crypt_v1_status *status = status_create();
        check(analyze_query(shared, requests[0], "db.people", 9, &len, status) == NULL && status_get_error(status) == -1, "no analysis");
        puts(status_get_explanation(status));
        check(lib_create(status) == NULL && query_analyzer_create(lib, status) == NULL && status_get_error(status) == -1, "no lib and analyzer");
        query_analyzer_destroy(shared);
        check(lib_destroy(lib, status) == 0 && status_get_error(status) == 0, "cleaning up");
        status_destroy(status);
        exit(0);
    }
    int status;
    check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ends well");
    uint32_t len;
    uint8_t *answer = analyze_query(shared, requests[0], "db.people", 9, &len, NULL);
    check(answer != NULL, "the parent goes on");
    bson_free(answer);
}

static volatile sig_atomic_t caught;
static void note(int signal) { caught = signal; }

// signals has a handler set before the library was loaded (SIGINT) and one set after it (SIGCHLD), and dies of SIGPIPE.
static void signals(void) {
    signal(SIGCHLD, note);
    if (fork() == 0) {
        _exit(0);
    }
    wait(NULL);
    check(caught == SIGCHLD, "SIGCHLD reaches its handler");
    raise(SIGINT);
    check(caught == SIGINT, "SIGINT reaches its handler");
    int ends[2];
    check(pipe(ends) == 0 && close(ends[0]) == 0, "a pipe");
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    check(write(ends[1], "x", 1) == -1, "an ignored SIGPIPE is an error");
    puts("alive");
    fflush(stdout);
    ignore.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &ignore, NULL);
    check(write(ends[1], "x", 1) == -1, "a SIGPIPE kills");
}

static double seconds(clockid_t of) {
    struct timespec t;
    clock_gettime(of, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    check(argc >= 3, "usage");
    const char *mode = argv[2];
    rounds = argc > 3 ? atoi(argv[3]) : 1;
    signal(SIGINT, note);
    if (!strcmp(mode, "load-in-child") && fork() != 0) { // a child that loads the library itself is no child of a fork
        int status;
        wait(&status);
        return WEXITSTATUS(status);
    }
    double start = seconds(CLOCK_MONOTONIC);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    check(library != NULL, dlerror());
    FUNCTIONS(LOAD)
    mongo_crypt_v1_lib *lib = lib_create(NULL);
    check(lib != NULL, "a lib");
    double loaded = seconds(CLOCK_MONOTONIC);
    read_requests();
    shared = query_analyzer_create(lib, NULL);
    if (!strcmp(mode, "answers")) {
        answers(lib);
    } else if (!strcmp(mode, "nulls")) {
        nulls(lib);
    } else if (!strcmp(mode, "threads")) {
        threads(lib);
    } else if (!strcmp(mode, "leak")) {
        leak(lib);
    } else if (!strcmp(mode, "fork")) {
        forks(lib);
    } else if (!strcmp(mode, "signals")) {
        signals();
    } else if (!strcmp(mode, "time")) {
        work(lib);
        double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
        work(lib);
        printf("%.3f ms to load, %.3f us for a call\n", (loaded - start) * 1e3, (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) / rounds * 1e6);
    } else {
        work(lib); // load-in-child
    }
    query_analyzer_destroy(shared);
    check(lib_destroy(lib, NULL) == 0, "the lib goes");
    return 0;
}
