//go:build cgo

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libmongocrypt.h"
#include "openssl.h"

static bool say(char error[ERROR_SIZE], const char *text) {
	snprintf(error, ERROR_SIZE, "%s", text);
	return false;
}

library *library_open(const char *path, char error[ERROR_SIZE]) {
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (so == NULL) {
		say(error, dlerror());
		return NULL;
	}
	library *l = calloc(1, sizeof *l);
#define X(result, name, parameters) *(void **)&l->name = dlsym(so, "mongocrypt_" #name);
	INTERFACE OPTIONAL
#undef X
#define X(result, name, parameters)                                  \
	if (l->name == NULL) {                                       \
		say(error, "it lacks the function mongocrypt_" #name); \
		return NULL;                                         \
	}
	INTERFACE
#undef X
	l->own_crypto = l->is_crypto_available == NULL || l->is_crypto_available();
	if (!l->own_crypto && !openssl_open()) {
		say(error, "it has no ciphers of its own, and there is no libcrypto of OpenSSL to give it");
		return NULL;
	}
	snprintf(l->text, sizeof l->text, "%s, %s", l->version(NULL), l->own_crypto ? "with its own ciphers" : "with OpenSSL's ciphers");
	return l;
}

const char *library_version(const library *l) { return l->text; }

struct crypt {
	const library *l;
	mongocrypt_t *c;
	uint8_t *keys;
	size_t keys_len;
};

// wrap gives data, which the library does not change, in its own form. It takes no null pointer.
static mongocrypt_binary_t *wrap(const library *l, const void *data, size_t len) {
	return l->binary_new_from_data((uint8_t *)(data == NULL ? "" : data), (uint32_t)len);
}

static bool failed(crypt *c, mongocrypt_ctx_t *x, char error[ERROR_SIZE]) {
	mongocrypt_status_t *s = c->l->status_new();
	if (x != NULL)
		c->l->ctx_status(x, s);
	else
		c->l->status(c->c, s);
	const char *text = c->l->status_message(s, NULL);
	say(error, text == NULL ? "it gives no reason" : text);
	c->l->status_destroy(s);
	return false;
}

crypt *crypt_open(const library *l, const uint8_t *master_key, size_t master_key_len, const uint8_t *keys, size_t keys_len, const uint8_t *schema_map,
                  size_t schema_map_len, char error[ERROR_SIZE]) {
	crypt *c = calloc(1, sizeof *c);
	c->l = l;
	c->c = l->new();
	c->keys = malloc(keys_len + 1);
	c->keys_len = keys_len;
	if (keys_len > 0)
		memcpy(c->keys, keys, keys_len);
	mongocrypt_binary_t *key = wrap(l, master_key, master_key_len), *map = wrap(l, schema_map, schema_map_len);
	bool ok = l->setopt_kms_provider_local(c->c, key) && (schema_map_len == 0 || l->setopt_schema_map(c->c, map)) &&
	          (l->own_crypto || l->setopt_crypto_hooks(c->c, openssl_encrypt, openssl_decrypt, openssl_random, openssl_hmac_sha_512,
	                                                   openssl_hmac_sha_256, openssl_sha_256, (void *)l)) &&
	          (l->setopt_enable_multiple_collinfo == NULL || l->setopt_enable_multiple_collinfo(c->c)) && l->init(c->c);
	l->binary_destroy(key);
	l->binary_destroy(map);
	if (ok)
		return c;
	failed(c, NULL, error);
	crypt_close(c);
	return NULL;
}

void crypt_close(crypt *c) {
	c->l->destroy(c->c);
	free(c->keys);
	free(c);
}

static bool feed(crypt *c, mongocrypt_ctx_t *x, const uint8_t *doc, size_t len) {
	mongocrypt_binary_t *b = wrap(c->l, doc, len);
	bool ok = c->l->ctx_mongo_feed(x, b);
	c->l->binary_destroy(b);
	return ok;
}

static uint32_t document_len(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }

// asked says whether a data key's _id, or one of its alt names, stands in the filter of a search. Each document begins with its _id and, if it has
// alt names, they come next; see Options.
static bool asked(const uint8_t *filter, size_t len, const uint8_t *key) {
	static const size_t id = 4 + 1 + sizeof "_id" + 4 + 1, after_id = id + 16;
	if (memmem(filter, len, key + id, 16) != NULL)
		return true;
	const uint8_t *p = key + after_id;
	if (*p != 0x04) // an array
		return false;
	p += 1 + strlen((const char *)p + 1) + 1;
	const uint8_t *end = p + document_len(p) - 1;
	for (p += 4; p < end;) {
		p += 1 + strlen((const char *)p + 1) + 1;
		uint32_t n = document_len(p); // a string's length, its NUL included
		if (memmem(filter, len, p, 4 + n) != NULL)
			return true;
		p += 4 + n;
	}
	return false;
}

static bool feed_keys(crypt *c, mongocrypt_ctx_t *x, const uint8_t *filter, size_t len) {
	for (const uint8_t *key = c->keys; key < c->keys + c->keys_len; key += document_len(key))
		if (asked(filter, len, key) && !feed(c, x, key, document_len(key)))
			return false;
	return true;
}

// The library asks how old the query analysis is before it gives it some of the commands: {isMaster: 1}
static bool feed_analysis(crypt *c, mongocrypt_ctx_t *x, const uint8_t *op, size_t len, const uint8_t *analysis, size_t analysis_len) {
	static const uint8_t reply[] = "\x21\0\0\0\x10ok\0\1\0\0\0\x10maxWireVersion\0\x1b\0\0\0"; // {ok: 1, maxWireVersion: 27}; its final NUL is C's
	static const char hello[] = "isMaster";
	if (len > 5 + sizeof hello && memcmp(op + 5, hello, sizeof hello) == 0)
		return feed(c, x, reply, sizeof reply);
	return feed(c, x, analysis, analysis_len);
}

typedef struct {
	const uint8_t *collections;
	size_t collections_len;
	const uint8_t *analysis;
	size_t analysis_len;
} answers;

// feed_collections answers with those that are asked for, by name, which is the first field of each.
static bool feed_collections(crypt *c, mongocrypt_ctx_t *x, const uint8_t *filter, size_t len, const answers *a) {
	static const size_t name = 4 + 1 + sizeof "name";
	for (const uint8_t *doc = a->collections; doc < a->collections + a->collections_len; doc += document_len(doc))
		if (memmem(filter, len, doc + name, 4 + document_len(doc + name)) != NULL && !feed(c, x, doc, document_len(doc)))
			return false;
	return true;
}

static bool answer(crypt *c, mongocrypt_ctx_t *x, int state, const answers *a) {
	const library *l = c->l;
	mongocrypt_binary_t *op = l->binary_new();
	bool ok = l->ctx_mongo_op(x, op);
	if (ok && state == STATE_NEED_KEYS)
		ok = feed_keys(c, x, l->binary_data(op), l->binary_len(op));
	else if (ok && state == STATE_NEED_MARKINGS)
		ok = feed_analysis(c, x, l->binary_data(op), l->binary_len(op), a->analysis, a->analysis_len);
	else if (ok)
		ok = feed_collections(c, x, l->binary_data(op), l->binary_len(op), a);
	l->binary_destroy(op);
	return ok && l->ctx_mongo_done(x);
}

// finish runs the state machine to its end; unchanged is the result when the library has nothing to do.
static bool finish(crypt *c, mongocrypt_ctx_t *x, const answers *a, bytes *out, char error[ERROR_SIZE]) {
	const library *l = c->l;
	for (int steps = 0; steps < 32; steps++) {
		int state = l->ctx_state(x);
		switch (state) {
		case STATE_NEED_COLLINFO:
		case STATE_NEED_MARKINGS:
		case STATE_NEED_KEYS:
			if (!answer(c, x, state, a))
				return failed(c, x, error);
			break;
		case STATE_READY: {
			mongocrypt_binary_t *b = l->binary_new();
			bool ok = l->ctx_finalize(x, b);
			if (ok) {
				uint8_t *copy = malloc(l->binary_len(b) + 1);
				memcpy(copy, l->binary_data(b), l->binary_len(b));
				*out = (bytes){copy, l->binary_len(b)};
			}
			l->binary_destroy(b);
			return ok || failed(c, x, error);
		}
		case STATE_DONE: // there was nothing to do
			return true;
		case STATE_ERROR:
			return failed(c, x, error);
		default:
			return say(error, "it needs something that local master keys do not need");
		}
	}
	return say(error, "it asks without end");
}

bool crypt_encrypt(crypt *c, const char *db, size_t db_len, const uint8_t *cmd, size_t cmd_len, const uint8_t *collections, size_t collections_len,
                   const uint8_t *analysis, size_t analysis_len, bytes *out, char error[ERROR_SIZE]) {
	answers a = {collections, collections_len, analysis, analysis_len};
	mongocrypt_ctx_t *x = c->l->ctx_new(c->c);
	mongocrypt_binary_t *b = wrap(c->l, cmd, cmd_len);
	bool ok = c->l->ctx_encrypt_init(x, db, (int32_t)db_len, b) ? finish(c, x, &a, out, error) : failed(c, x, error);
	c->l->binary_destroy(b);
	c->l->ctx_destroy(x);
	return ok;
}

bool crypt_decrypt(crypt *c, const uint8_t *doc, size_t len, bytes *out, char error[ERROR_SIZE]) {
	answers none = {0};
	mongocrypt_ctx_t *x = c->l->ctx_new(c->c);
	mongocrypt_binary_t *b = wrap(c->l, doc, len);
	bool ok = c->l->ctx_decrypt_init(x, b) ? finish(c, x, &none, out, error) : failed(c, x, error);
	c->l->binary_destroy(b);
	c->l->ctx_destroy(x);
	return ok;
}

static bool set_alt_name(crypt *c, mongocrypt_ctx_t *x, const uint8_t *name, size_t len) {
	uint8_t *doc = malloc(len + 32); // {keyAltName: name}
	size_t n = 4;
	doc[n++] = 0x02;
	memcpy(doc + n, "keyAltName", sizeof "keyAltName");
	n += sizeof "keyAltName";
	doc[n++] = (uint8_t)(len + 1), doc[n++] = (uint8_t)((len + 1) >> 8), doc[n++] = 0, doc[n++] = 0;
	memcpy(doc + n, name, len);
	n += len;
	doc[n++] = 0, doc[n++] = 0;
	doc[0] = (uint8_t)n, doc[1] = (uint8_t)(n >> 8), doc[2] = 0, doc[3] = 0;
	mongocrypt_binary_t *b = wrap(c->l, doc, n);
	bool ok = c->l->ctx_setopt_key_alt_name(x, b);
	c->l->binary_destroy(b);
	free(doc);
	return ok;
}

bool crypt_encrypt_value(crypt *c, const uint8_t *doc, size_t len, const char *algorithm, const uint8_t *key_id, size_t key_id_len,
                         const uint8_t *alt_name, size_t alt_name_len, bytes *out, char error[ERROR_SIZE]) {
	answers none = {0};
	mongocrypt_ctx_t *x = c->l->ctx_new(c->c);
	mongocrypt_binary_t *b = wrap(c->l, doc, len), *id = wrap(c->l, key_id, key_id_len);
	bool ok = (alt_name_len > 0 ? set_alt_name(c, x, alt_name, alt_name_len) : c->l->ctx_setopt_key_id(x, id)) &&
	          c->l->ctx_setopt_algorithm(x, algorithm, -1) && c->l->ctx_explicit_encrypt_init(x, b);
	ok = ok ? finish(c, x, &none, out, error) : failed(c, x, error);
	c->l->binary_destroy(b);
	c->l->binary_destroy(id);
	c->l->ctx_destroy(x);
	return ok;
}

bool crypt_decrypt_value(crypt *c, const uint8_t *doc, size_t len, bytes *out, char error[ERROR_SIZE]) {
	answers none = {0};
	mongocrypt_ctx_t *x = c->l->ctx_new(c->c);
	mongocrypt_binary_t *b = wrap(c->l, doc, len);
	bool ok = c->l->ctx_explicit_decrypt_init(x, b) ? finish(c, x, &none, out, error) : failed(c, x, error);
	c->l->binary_destroy(b);
	c->l->ctx_destroy(x);
	return ok;
}
