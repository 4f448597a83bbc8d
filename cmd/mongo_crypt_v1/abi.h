// The functions of the query analysis library that MongoDB's drivers load (crypt_shared), as fieldcrypt's library has them.
//
// One lib serves a whole process. A lib and its analyzers may be used by many threads at once, a status by one at a time. A status may
// be NULL wherever a function takes one; every function that takes one sets it, to success too. Nothing here may be called from a
// signal handler. In a child of a fork of a process that had the library loaded, lib_create, query_analyzer_create and analyze_query fail.

#ifndef MONGO_CRYPT_V1_H
#define MONGO_CRYPT_V1_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define MONGO_CRYPT_V1_API __declspec(dllexport)
#else
#define MONGO_CRYPT_V1_API __attribute__((visibility("default")))
#endif

// What a function can end with. Callers should tell success from the rest only.
typedef enum {
    MONGO_CRYPT_V1_SUCCESS = 0,
    MONGO_CRYPT_V1_ERROR_UNKNOWN = -1,         // the library cannot work in this process
    MONGO_CRYPT_V1_ERROR_ENOMEM = 1,           // out of memory
    MONGO_CRYPT_V1_ERROR_EXCEPTION = 2,        // the command, or its schema, is refused: code and explanation say why
    MONGO_CRYPT_V1_ERROR_INVALID_HANDLE = 5,   // an argument is NULL, or a lib still has analyzers
} mongo_crypt_v1_error;

typedef struct mongo_crypt_v1_status mongo_crypt_v1_status;
typedef struct mongo_crypt_v1_lib mongo_crypt_v1_lib;
typedef struct mongo_crypt_v1_query_analyzer mongo_crypt_v1_query_analyzer;

// The version of crypt_shared whose requests are understood: major, minor, patch and zero, 16 bits each from the highest.
MONGO_CRYPT_V1_API uint64_t mongo_crypt_v1_get_version(void);

// The version for people. The string is the library's.
MONGO_CRYPT_V1_API const char *mongo_crypt_v1_get_version_str(void);

// A status that says success; NULL when there is no memory. To be destroyed by status_destroy, which takes NULL too.
MONGO_CRYPT_V1_API mongo_crypt_v1_status *mongo_crypt_v1_status_create(void);
MONGO_CRYPT_V1_API void mongo_crypt_v1_status_destroy(mongo_crypt_v1_status *status);

// A mongo_crypt_v1_error.
MONGO_CRYPT_V1_API int mongo_crypt_v1_status_get_error(const mongo_crypt_v1_status *status);

// A text for people that holds no value of the command; never NULL. It is the status's, until that is used or destroyed.
MONGO_CRYPT_V1_API const char *mongo_crypt_v1_status_get_explanation(const mongo_crypt_v1_status *status);

// The error number that a MongoDB server would give, 51999 where none is known; 0 for all but MONGO_CRYPT_V1_ERROR_EXCEPTION.
MONGO_CRYPT_V1_API int mongo_crypt_v1_status_get_code(const mongo_crypt_v1_status *status);

// A lib; NULL on an error. To be destroyed once all its analyzers are, which gives a mongo_crypt_v1_error; the lib stays when it fails.
MONGO_CRYPT_V1_API mongo_crypt_v1_lib *mongo_crypt_v1_lib_create(mongo_crypt_v1_status *status);
MONGO_CRYPT_V1_API int mongo_crypt_v1_lib_destroy(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status);

// An analyzer; NULL on an error. It is cheap: one for each command will do. query_analyzer_destroy takes NULL too.
MONGO_CRYPT_V1_API mongo_crypt_v1_query_analyzer *mongo_crypt_v1_query_analyzer_create(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status);
MONGO_CRYPT_V1_API void mongo_crypt_v1_query_analyzer_destroy(mongo_crypt_v1_query_analyzer *analyzer);

// Analyses one command with its schemas and gives {hasEncryptionPlaceholders, schemaRequiresEncryption, result}, *bson_len bytes to be
// freed by bson_free; NULL on an error, *bson_len is 0 then. document is one BSON document: as many bytes are read as its first
// four say, up to 48,000,000; more is an error. The ns_len bytes at ns are "db.collection", of which the database counts, for a document without $db; ns may be NULL otherwise.
MONGO_CRYPT_V1_API uint8_t *mongo_crypt_v1_analyze_query(mongo_crypt_v1_query_analyzer *analyzer, const uint8_t *document, const char *ns,
                                                         uint32_t ns_len, uint32_t *bson_len, mongo_crypt_v1_status *status);

// Frees what analyze_query gave; NULL is nothing to free.
MONGO_CRYPT_V1_API void mongo_crypt_v1_bson_free(uint8_t *bson);

#ifdef __cplusplus
}
#endif

#endif
