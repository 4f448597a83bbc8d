/* What libmongocrypt 1.21 has and the header of Debian's 1.7.2 lacks, as far as the driver needs it. */
#include_next <mongocrypt.h>

bool mongocrypt_setopt_retry_kms (mongocrypt_t *crypt, bool enable);
bool mongocrypt_setopt_key_expiration (mongocrypt_t *crypt, uint64_t cache_expiration_ms);
bool mongocrypt_ctx_setopt_algorithm_text (mongocrypt_ctx_t *ctx, mongocrypt_binary_t *opts);
int64_t mongocrypt_kms_ctx_usleep (mongocrypt_kms_ctx_t *kms);
bool mongocrypt_kms_ctx_fail (mongocrypt_kms_ctx_t *kms);

/* The library of the wheel is built without cryptography, which Python brings: crypto.c brings OpenSSL's. */
mongocrypt_t *mongocrypt_new_with_crypto (void);
#define mongocrypt_new mongocrypt_new_with_crypto
