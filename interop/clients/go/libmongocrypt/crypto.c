/* The cryptographic primitives that libmongocrypt asks for where it is built without, by OpenSSL. */

#include "mongocrypt.h"
#undef mongocrypt_new

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

static unsigned char *data (mongocrypt_binary_t *b) { return mongocrypt_binary_data (b); }

static int length (mongocrypt_binary_t *b) { return (int) mongocrypt_binary_len (b); }

static bool done (bool ok, const char *what, mongocrypt_status_t *status)
{
   if (!ok) {
      mongocrypt_status_set (status, MONGOCRYPT_STATUS_ERROR_CLIENT, 1, what, -1);
   }
   return ok;
}

/* libmongocrypt pads itself. */
static bool aes_256_cbc (int encrypt, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written)
{
   int n = 0, rest = 0;
   EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
   bool ok = ctx && EVP_CipherInit_ex (ctx, EVP_aes_256_cbc (), NULL, data (key), data (iv), encrypt) && EVP_CIPHER_CTX_set_padding (ctx, 0) &&
             EVP_CipherUpdate (ctx, data (out), &n, data (in), length (in)) && EVP_CipherFinal_ex (ctx, data (out) + n, &rest);

   EVP_CIPHER_CTX_free (ctx);
   *written = (uint32_t) (n + rest);
   return ok;
}

static bool encrypt (void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                     mongocrypt_status_t *status)
{
   (void) ctx;
   return done (aes_256_cbc (1, key, iv, in, out, written), "AES-256-CBC encryption", status);
}

static bool decrypt (void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                     mongocrypt_status_t *status)
{
   (void) ctx;
   return done (aes_256_cbc (0, key, iv, in, out, written), "AES-256-CBC decryption", status);
}

static bool hmac (const EVP_MD *hash, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status)
{
   return done (HMAC (hash, data (key), length (key), data (in), (size_t) length (in), data (out), NULL) != NULL, "HMAC", status);
}

static bool hmac_sha_512 (void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status)
{
   (void) ctx;
   return hmac (EVP_sha512 (), key, in, out, status);
}

static bool hmac_sha_256 (void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status)
{
   (void) ctx;
   return hmac (EVP_sha256 (), key, in, out, status);
}

static bool sha_256 (void *ctx, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status)
{
   (void) ctx;
   return done (EVP_Digest (data (in), (size_t) length (in), data (out), NULL, EVP_sha256 (), NULL) == 1, "SHA-256", status);
}

static bool random_bytes (void *ctx, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status)
{
   (void) ctx;
   return done (RAND_bytes (data (out), (int) count) == 1, "random bytes", status);
}

mongocrypt_t *mongocrypt_new_with_crypto (void)
{
   mongocrypt_t *crypt = mongocrypt_new ();

   if (crypt && !mongocrypt_setopt_crypto_hooks (crypt, encrypt, decrypt, random_bytes, hmac_sha_512, hmac_sha_256, sha_256, NULL)) {
      mongocrypt_destroy (crypt);
      return NULL;
   }
   return crypt;
}
