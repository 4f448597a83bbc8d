// The part of libmongocrypt's C interface that is called here. INTERFACE lists each function as X(result, name, parameters).

#include <stdbool.h>
#include <stdint.h>

typedef struct mongocrypt mongocrypt_t;
typedef struct mongocrypt_ctx mongocrypt_ctx_t;
typedef struct mongocrypt_binary mongocrypt_binary_t;
typedef struct mongocrypt_status mongocrypt_status_t;

enum {
	STATE_ERROR = 0,
	STATE_NEED_COLLINFO = 1,
	STATE_NEED_MARKINGS = 2,
	STATE_NEED_KEYS = 3,
	STATE_NEED_KMS = 4,
	STATE_READY = 5,
	STATE_DONE = 6,
};

typedef bool crypto_fn(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out,
                       uint32_t *bytes_written, mongocrypt_status_t *status);
typedef bool hmac_fn(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status);
typedef bool hash_fn(void *ctx, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status);
typedef bool random_fn(void *ctx, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status);

#define INTERFACE                                                                                                                         \
	X(const char *, version, (uint32_t * len))                                                                                        \
	X(mongocrypt_binary_t *, binary_new, (void))                                                                                      \
	X(mongocrypt_binary_t *, binary_new_from_data, (uint8_t * data, uint32_t len))                                                    \
	X(uint8_t *, binary_data, (const mongocrypt_binary_t *b))                                                                         \
	X(uint32_t, binary_len, (const mongocrypt_binary_t *b))                                                                           \
	X(void, binary_destroy, (mongocrypt_binary_t * b))                                                                                \
	X(mongocrypt_status_t *, status_new, (void))                                                                                      \
	X(const char *, status_message, (mongocrypt_status_t * s, uint32_t * len))                                                        \
	X(void, status_destroy, (mongocrypt_status_t * s))                                                                                \
	X(mongocrypt_t *, new, (void))                                                                                                    \
	X(bool, setopt_kms_provider_local, (mongocrypt_t * c, mongocrypt_binary_t * key))                                                 \
	X(bool, setopt_schema_map, (mongocrypt_t * c, mongocrypt_binary_t * map))                                                         \
	X(bool, setopt_crypto_hooks, (mongocrypt_t * c, crypto_fn *, crypto_fn *, random_fn *, hmac_fn *, hmac_fn *, hash_fn *, void *)) \
	X(bool, init, (mongocrypt_t * c))                                                                                                 \
	X(bool, status, (mongocrypt_t * c, mongocrypt_status_t * s))                                                                      \
	X(void, destroy, (mongocrypt_t * c))                                                                                              \
	X(mongocrypt_ctx_t *, ctx_new, (mongocrypt_t * c))                                                                                \
	X(bool, ctx_status, (mongocrypt_ctx_t * x, mongocrypt_status_t * s))                                                              \
	X(bool, ctx_setopt_key_id, (mongocrypt_ctx_t * x, mongocrypt_binary_t * id))                                                      \
	X(bool, ctx_setopt_key_alt_name, (mongocrypt_ctx_t * x, mongocrypt_binary_t * name))                                              \
	X(bool, ctx_setopt_algorithm, (mongocrypt_ctx_t * x, const char *algorithm, int len))                                             \
	X(bool, ctx_encrypt_init, (mongocrypt_ctx_t * x, const char *db, int32_t len, mongocrypt_binary_t *cmd))                          \
	X(bool, ctx_decrypt_init, (mongocrypt_ctx_t * x, mongocrypt_binary_t * doc))                                                      \
	X(bool, ctx_explicit_encrypt_init, (mongocrypt_ctx_t * x, mongocrypt_binary_t * doc))                                             \
	X(bool, ctx_explicit_decrypt_init, (mongocrypt_ctx_t * x, mongocrypt_binary_t * doc))                                             \
	X(int, ctx_state, (mongocrypt_ctx_t * x))                                                                                         \
	X(bool, ctx_mongo_op, (mongocrypt_ctx_t * x, mongocrypt_binary_t * op))                                                           \
	X(bool, ctx_mongo_feed, (mongocrypt_ctx_t * x, mongocrypt_binary_t * reply))                                                      \
	X(bool, ctx_mongo_done, (mongocrypt_ctx_t * x))                                                                                   \
	X(bool, ctx_finalize, (mongocrypt_ctx_t * x, mongocrypt_binary_t * out))                                                          \
	X(void, ctx_destroy, (mongocrypt_ctx_t * x))

// Functions that older libraries lack.
#define OPTIONAL                                 \
	X(bool, is_crypto_available, (void)) \
	X(bool, setopt_enable_multiple_collinfo, (mongocrypt_t * c))

struct library {
	char text[128]; // version, and who does the ciphers
	bool own_crypto;
#define X(result, name, parameters) result(*name) parameters;
	INTERFACE OPTIONAL
#undef X
};
