//go:build cgo

// The functions of abi.h. Everything that needs no analysis is done here, without the Go runtime: so that it is cheap, and works
// in a forked child, where the runtime is dead.

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "_cgo_export.h"
#include "abi.h"

struct mongo_crypt_v1_status {
    mongo_crypt_v1_error error;
    int code;
    char *explanation; // NULL when there is none, or was no memory for it
};

struct mongo_crypt_v1_lib {
    uintptr_t analyzer; // handle of the Go side
    atomic_uint_fast32_t in_use;
};

struct mongo_crypt_v1_query_analyzer {
    mongo_crypt_v1_lib *lib;
};

// Set in the children of forks. The runtime's threads are not there, so that a call into Go would wait for ever.
static atomic_bool forked;

#ifndef _WIN32
static void note_fork(void) { atomic_store(&forked, 1); }

// Before anything else can have called in. The library is never unloaded: Go sees to that.
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, note_fork); }
#endif

// take sets a status; the explanation becomes the status's own.
static void take(mongo_crypt_v1_status *status, mongo_crypt_v1_error error, int code, char *explanation) {
    if (status == NULL) {
        free(explanation);
        return;
    }
    free(status->explanation);
    status->error = error;
    status->code = code;
    status->explanation = explanation;
}

static void set(mongo_crypt_v1_status *status, mongo_crypt_v1_error error, const char *explanation) {
    take(status, error, 0, explanation == NULL ? NULL : strdup(explanation));
}

static int usable(mongo_crypt_v1_status *status) {
    if (!atomic_load(&forked)) {
        return 1;
    }
    set(status, MONGO_CRYPT_V1_ERROR_UNKNOWN,
        "this process was forked from one that had the library loaded, in which it cannot work; "
        "fork before the parent makes its first client, or use the daemon (fieldcrypt mongocryptd) and mongocryptdURI");
    return 0;
}

static int present(const void *argument, const char *missing, mongo_crypt_v1_status *status) {
    if (argument == NULL) {
        set(status, MONGO_CRYPT_V1_ERROR_INVALID_HANDLE, missing);
    }
    return argument != NULL;
}

uint64_t mongo_crypt_v1_get_version(void) { return (uint64_t)8 << 48 | (uint64_t)2 << 32; }

const char *mongo_crypt_v1_get_version_str(void) { return "mongo_crypt_v1-fieldcrypt-8.2.0"; }

mongo_crypt_v1_status *mongo_crypt_v1_status_create(void) { return calloc(1, sizeof(mongo_crypt_v1_status)); }

void mongo_crypt_v1_status_destroy(mongo_crypt_v1_status *status) {
    if (status != NULL) {
        free(status->explanation);
        free(status);
    }
}

int mongo_crypt_v1_status_get_error(const mongo_crypt_v1_status *status) {
    return status == NULL ? MONGO_CRYPT_V1_ERROR_INVALID_HANDLE : status->error;
}

const char *mongo_crypt_v1_status_get_explanation(const mongo_crypt_v1_status *status) {
    if (status == NULL) {
        return "the status is NULL";
    }
    if (status->explanation == NULL) {
        return status->error == MONGO_CRYPT_V1_SUCCESS ? "" : "out of memory";
    }
    return status->explanation;
}

int mongo_crypt_v1_status_get_code(const mongo_crypt_v1_status *status) { return status == NULL ? 0 : status->code; }

mongo_crypt_v1_lib *mongo_crypt_v1_lib_create(mongo_crypt_v1_status *status) {
    if (!usable(status)) {
        return NULL;
    }
    mongo_crypt_v1_lib *lib = calloc(1, sizeof *lib);
    if (lib == NULL) {
        set(status, MONGO_CRYPT_V1_ERROR_ENOMEM, NULL);
        return NULL;
    }
    lib->analyzer = fieldcryptOpen();
    set(status, MONGO_CRYPT_V1_SUCCESS, NULL);
    return lib;
}

int mongo_crypt_v1_lib_destroy(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status) {
    if (!present(lib, "lib is NULL", status)) {
        return MONGO_CRYPT_V1_ERROR_INVALID_HANDLE;
    }
    if (atomic_load(&lib->in_use) > 0) {
        set(status, MONGO_CRYPT_V1_ERROR_INVALID_HANDLE, "lib still has query analyzers: destroy them first");
        return MONGO_CRYPT_V1_ERROR_INVALID_HANDLE;
    }
    if (!atomic_load(&forked)) { // in a child the Go side's part stays, so that cleaning up works everywhere
        fieldcryptClose(lib->analyzer);
    }
    free(lib);
    set(status, MONGO_CRYPT_V1_SUCCESS, NULL);
    return MONGO_CRYPT_V1_SUCCESS;
}

mongo_crypt_v1_query_analyzer *mongo_crypt_v1_query_analyzer_create(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status) {
    if (!present(lib, "lib is NULL", status) || !usable(status)) {
        return NULL;
    }
    mongo_crypt_v1_query_analyzer *analyzer = malloc(sizeof *analyzer);
    if (analyzer == NULL) {
        set(status, MONGO_CRYPT_V1_ERROR_ENOMEM, NULL);
        return NULL;
    }
    analyzer->lib = lib;
    atomic_fetch_add(&lib->in_use, 1);
    set(status, MONGO_CRYPT_V1_SUCCESS, NULL);
    return analyzer;
}

void mongo_crypt_v1_query_analyzer_destroy(mongo_crypt_v1_query_analyzer *analyzer) {
    if (analyzer != NULL) {
        atomic_fetch_sub(&analyzer->lib->in_use, 1);
        free(analyzer);
    }
}

uint8_t *mongo_crypt_v1_analyze_query(mongo_crypt_v1_query_analyzer *analyzer, const uint8_t *document, const char *ns, uint32_t ns_len,
                                      uint32_t *bson_len, mongo_crypt_v1_status *status) {
    if (bson_len != NULL) {
        *bson_len = 0;
    }
    if (!present(analyzer, "analyzer is NULL", status) || !present(document, "document is NULL", status) ||
        !present(bson_len, "bson_len is NULL", status) || !usable(status)) {
        return NULL;
    }
    fieldcrypt_outcome outcome = {0};
    fieldcryptAnalyze(analyzer->lib->analyzer, (uint8_t *)document, (char *)ns, ns == NULL ? 0 : ns_len, &outcome);
    if (outcome.bson != NULL) {
        *bson_len = outcome.len;
        set(status, MONGO_CRYPT_V1_SUCCESS, NULL);
    } else if (outcome.code == 0) {
        set(status, MONGO_CRYPT_V1_ERROR_ENOMEM, NULL);
    } else {
        take(status, MONGO_CRYPT_V1_ERROR_EXCEPTION, outcome.code, outcome.explanation);
    }
    return outcome.bson;
}

void mongo_crypt_v1_bson_free(uint8_t *bson) { free(bson); }
