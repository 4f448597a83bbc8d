//go:build cgo

// The ciphers for builds of libmongocrypt that have none of their own, such as that of the Python package: OpenSSL's.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "openssl.h"

static struct {
	void *(*EVP_CIPHER_CTX_new)(void);
	void (*EVP_CIPHER_CTX_free)(void *);
	const void *(*EVP_aes_256_cbc)(void);
	int (*EVP_CipherInit_ex)(void *, const void *, void *, const unsigned char *, const unsigned char *, int);
	int (*EVP_CIPHER_CTX_set_padding)(void *, int);
	int (*EVP_CipherUpdate)(void *, unsigned char *, int *, const unsigned char *, int);
	const void *(*EVP_sha512)(void);
	const void *(*EVP_sha256)(void);
	unsigned char *(*HMAC)(const void *, const void *, int, const unsigned char *, size_t, unsigned char *, unsigned int *);
	int (*EVP_Digest)(const void *, size_t, unsigned char *, unsigned int *, const void *, void *);
	int (*RAND_bytes)(unsigned char *, int);
} ssl;

bool openssl_open(void) {
	static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.3.dylib", "libcrypto.so", "libcrypto.dylib"};
	void *so = NULL;
	for (size_t i = 0; so == NULL && i < sizeof names / sizeof *names; i++)
		so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (so == NULL)
		return false;
#define FIND(name) \
	if ((*(void **)&ssl.name = dlsym(so, #name)) == NULL) \
		return false
	FIND(EVP_CIPHER_CTX_new);
	FIND(EVP_CIPHER_CTX_free);
	FIND(EVP_aes_256_cbc);
	FIND(EVP_CipherInit_ex);
	FIND(EVP_CIPHER_CTX_set_padding);
	FIND(EVP_CipherUpdate);
	FIND(EVP_sha512);
	FIND(EVP_sha256);
	FIND(HMAC);
	FIND(EVP_Digest);
	FIND(RAND_bytes);
#undef FIND
	return true;
}

// The context is the library, which reads the arguments.

static bool cbc(void *l, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                int encrypt) {
	const library *lib = l;
	int n = 0;
	void *x = ssl.EVP_CIPHER_CTX_new();
	bool ok = x != NULL && ssl.EVP_CipherInit_ex(x, ssl.EVP_aes_256_cbc(), NULL, lib->binary_data(key), lib->binary_data(iv), encrypt) == 1 &&
	          ssl.EVP_CIPHER_CTX_set_padding(x, 0) == 1 && // it is padded by the caller
	          ssl.EVP_CipherUpdate(x, lib->binary_data(out), &n, lib->binary_data(in), (int)lib->binary_len(in)) == 1;
	ssl.EVP_CIPHER_CTX_free(x);
	*written = (uint32_t)n;
	return ok;
}

bool openssl_encrypt(void *l, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                     mongocrypt_status_t *status) {
	(void)status;
	return cbc(l, key, iv, in, out, written, 1);
}

bool openssl_decrypt(void *l, mongocrypt_binary_t *key, mongocrypt_binary_t *iv, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written,
                     mongocrypt_status_t *status) {
	(void)status;
	return cbc(l, key, iv, in, out, written, 0);
}

static bool hmac(const library *lib, const void *hash, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out) {
	unsigned int n = lib->binary_len(out);
	return ssl.HMAC(hash, lib->binary_data(key), (int)lib->binary_len(key), lib->binary_data(in), lib->binary_len(in), lib->binary_data(out), &n) != NULL;
}

bool openssl_hmac_sha_512(void *l, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)status;
	return hmac(l, ssl.EVP_sha512(), key, in, out);
}

bool openssl_hmac_sha_256(void *l, mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)status;
	return hmac(l, ssl.EVP_sha256(), key, in, out);
}

bool openssl_sha_256(void *l, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
	(void)status;
	const library *lib = l;
	unsigned int n = lib->binary_len(out);
	return ssl.EVP_Digest(lib->binary_data(in), lib->binary_len(in), lib->binary_data(out), &n, ssl.EVP_sha256(), NULL) == 1;
}

bool openssl_random(void *l, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status) {
	(void)status;
	const library *lib = l;
	return ssl.RAND_bytes(lib->binary_data(out), (int)count) == 1;
}
