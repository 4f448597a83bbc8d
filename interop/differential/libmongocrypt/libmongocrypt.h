//go:build cgo

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ERROR_SIZE = 512 };

// A run of bytes that somebody else owns, or, as a result, that the caller frees.
typedef struct {
	const uint8_t *data;
	size_t len;
} bytes;

typedef struct library library;
typedef struct crypt crypt;

library *library_open(const char *path, char error[ERROR_SIZE]);
const char *library_version(const library *l);

// keys are BSON documents one after the other; it is copied.
crypt *crypt_open(const library *l, const uint8_t *master_key, size_t master_key_len, const uint8_t *keys, size_t keys_len, const uint8_t *schema_map,
                  size_t schema_map_len, char error[ERROR_SIZE]);
void crypt_close(crypt *c);

// collections are BSON documents one after the other, as listCollections answers; the library is given those that it asks for by name.
// All return false, with the reason in error, or true with what the library made in out.

bool crypt_encrypt(crypt *c, const char *db, size_t db_len, const uint8_t *cmd, size_t cmd_len, const uint8_t *collections, size_t collections_len,
                   const uint8_t *analysis, size_t analysis_len, bytes *out, char error[ERROR_SIZE]);
bool crypt_decrypt(crypt *c, const uint8_t *doc, size_t len, bytes *out, char error[ERROR_SIZE]);
bool crypt_encrypt_value(crypt *c, const uint8_t *doc, size_t len, const char *algorithm, const uint8_t *key_id, size_t key_id_len,
                         const uint8_t *alt_name, size_t alt_name_len, bytes *out, char error[ERROR_SIZE]);
bool crypt_decrypt_value(crypt *c, const uint8_t *doc, size_t len, bytes *out, char error[ERROR_SIZE]);
