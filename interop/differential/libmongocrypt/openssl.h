#include "interface.h"

typedef struct library library;

bool openssl_open(void);
crypto_fn openssl_encrypt, openssl_decrypt;
hmac_fn openssl_hmac_sha_512, openssl_hmac_sha_256;
hash_fn openssl_sha_256;
random_fn openssl_random;
