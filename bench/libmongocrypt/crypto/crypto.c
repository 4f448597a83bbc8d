/* For a libmongocrypt that was built without cryptography, such as that of pymongocrypt's wheel: loaded before it (LD_PRELOAD), gives every handle that it makes
 * OpenSSL's primitives. The algorithms are fetched once, which libmongocrypt itself, where it is built with OpenSSL, does not do: what is measured with these
 * is, if anything, too fast. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <mongocrypt.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

static EVP_CIPHER *aes_256_cbc;
static EVP_MD *sha512, *sha256;

static unsigned char *data(mongocrypt_binary_t *b) { return mongocrypt_binary_data(b); }

static int length(mongocrypt_binary_t *b) { return (int)mongocrypt_binary_len(b); }

static bool done(bool ok, const char *what, mongocrypt_status_t *status) {
	if (!ok)
		mongocrypt_status_set(status, MONGOCRYPT_STATUS_ERROR_CLIENT, 1, what, -1);
	return ok;
}

/* libmongocrypt pads itself. */
static bool cbc(int encrypt, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written) {
	int n = 0, rest = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_CipherInit_ex2(ctx, aes_256_cbc, data(key), data(iv), encrypt, NULL) && EVP_CIPHER_CTX_set_padding(ctx, 0) &&
	          EVP_CipherUpdate(ctx, data(out), &n, data(in), length(in)) && EVP_CipherFinal_ex(ctx, data(out) + n, &rest);

	EVP_CIPHER_CTX_free(ctx);
	*written = (uint32_t)(n + rest);
	return ok;
}

static bool encrypt(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                    mongocrypt_status_t *status) {
	(void)ctx;
	return done(cbc(1, key, iv, in, out, written), "AES-256-CBC encryption", status);
}

static bool decrypt(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                    mongocrypt_status_t *status) {
	(void)ctx;
	return done(cbc(0, key, iv, in, out, written), "AES-256-CBC decryption", status);
}

static bool hmac(const EVP_MD *hash, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	return done(HMAC(hash, data(key), length(key), data(in), (size_t)length(in), data(out), NULL) != NULL, "HMAC", status);
}

static bool hmac_sha_512(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)ctx;
	return hmac(sha512, key, in, out, status);
}

static bool hmac_sha_256(void *ctx, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)ctx;
	return hmac(sha256, key, in, out, status);
}

static bool sha_256(void *ctx, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)ctx;
	return done(EVP_Digest(data(in), (size_t)length(in), data(out), NULL, sha256, NULL) == 1, "SHA-256", status);
}

static bool random_bytes(void *ctx, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status) {
	(void)ctx;
	return done(RAND_bytes(data(out), (int)count) == 1, "random bytes", status);
}

__attribute__((constructor)) static void fetch(void) {
	aes_256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

mongocrypt_t *mongocrypt_new(void) {
	mongocrypt_t *(*original)(void) = (mongocrypt_t * (*)(void)) dlsym(RTLD_NEXT, "mongocrypt_new");
	mongocrypt_t *crypt = original();

	if (crypt && !mongocrypt_setopt_crypto_hooks(crypt, encrypt, decrypt, random_bytes, hmac_sha_512, hmac_sha_256, sha_256, NULL)) {
		mongocrypt_destroy(crypt);
		return NULL;
	}
	return crypt;
}
