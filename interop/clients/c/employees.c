/* Automatic encryption with libmongoc; program says how it is run, ../../README.md what it prints. */

#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>

static void fail (const char *doing, const char *why)
{
   fprintf (stderr, "%s: %s\n", doing, why);
   exit (EXIT_FAILURE);
}

static void check (bool ok, const char *doing, const bson_error_t *error)
{
   if (!ok) {
      fail (doing, error->message);
   }
}

static const char *env (const char *name)
{
   const char *value = getenv (name);
   if (!value) {
      fail (name, "not in the environment");
   }
   return value;
}

/* libmongoc's own handler writes some of what it says to standard output. */
static void log_to_stderr (mongoc_log_level_t level, const char *domain, const char *message, void *data)
{
   (void) data;
   fprintf (stderr, "%s: %s: %s\n", mongoc_log_level_str (level), domain, message);
}

static bson_t *kms_providers (void)
{
   uint8_t key[96];
   FILE *file;

   if (strcmp (env ("KMS"), "aws") == 0) {
      return BCON_NEW ("aws", "{", "accessKeyId", BCON_UTF8 (env ("AWS_ACCESS_KEY_ID")),
                       "secretAccessKey", BCON_UTF8 (env ("AWS_SECRET_ACCESS_KEY")), "}");
   }
   file = fopen (env ("MASTER_KEY"), "rb");
   if (!file || fread (key, 1, sizeof key, file) != sizeof key) {
      fail (env ("MASTER_KEY"), "cannot read 96 bytes");
   }
   fclose (file);
   return BCON_NEW ("local", "{", "key", BCON_BIN (BSON_SUBTYPE_BINARY, key, sizeof key), "}");
}

/* Where the driver gets its commands analysed: a daemon that it starts, one that runs already, or the library. */
static bson_t *analyzer (void)
{
   const char *program = getenv ("MONGOCRYPTD_SPAWN");

   if (program) {
      bson_t *extra;
      /* libmongoc appends mongocryptd to it: so it is the folder, with the slash in the end */
      char *folder = bson_strndup (program, (size_t) (strrchr (program, '/') + 1 - program));
      char *port = bson_strdup_printf ("--port=%s", env ("MONGOCRYPTD_PORT"));
      char *uri = bson_strdup_printf ("mongodb://localhost:%s", env ("MONGOCRYPTD_PORT"));
      extra = BCON_NEW ("mongocryptdSpawnPath", BCON_UTF8 (folder),
                        "mongocryptdSpawnArgs", "[", BCON_UTF8 (port), "--idleShutdownTimeoutSecs=60", "]",
                        "mongocryptdURI", BCON_UTF8 (uri));
      bson_free (folder);
      bson_free (port);
      bson_free (uri);
      return extra;
   }
   if (getenv ("MONGOCRYPTD_URI")) {
      return BCON_NEW ("mongocryptdURI", BCON_UTF8 (env ("MONGOCRYPTD_URI")), "mongocryptdBypassSpawn", BCON_BOOL (true));
   }
   return BCON_NEW ("cryptSharedLibPath", BCON_UTF8 (env ("CRYPT_SHARED_LIB")), "cryptSharedLibRequired", BCON_BOOL (true));
}

static bson_t *schema_map (const char *data_key)
{
   bson_t *map;
   bson_error_t error;
   char *json = bson_strdup_printf (
      "{\"hr.employees\": {\"bsonType\": \"object\", \"encryptMetadata\": {\"keyId\": [{\"$uuid\": \"%s\"}]}, \"properties\": {"
      "  \"ssn\": {\"encrypt\": {\"bsonType\": \"string\", \"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic\"}},"
      "  \"salary\": {\"encrypt\": {\"bsonType\": \"int\", \"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Random\"}},"
      "  \"address\": {\"bsonType\": \"object\", \"properties\": {"
      "    \"zip\": {\"encrypt\": {\"bsonType\": \"string\", \"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic\"}}}},"
      "  \"visits\": {\"encrypt\": {\"bsonType\": \"array\", \"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Random\"}}}}}",
      data_key);

   map = bson_new_from_json ((const uint8_t *) json, -1, &error);
   check (map != NULL, "schema map", &error);
   bson_free (json);
   return map;
}

static void print_first (const char *step, mongoc_collection_t *employees, bson_t *filter)
{
   const bson_t *document;
   bson_error_t error;
   char *json;
   mongoc_cursor_t *cursor = mongoc_collection_find_with_opts (employees, filter, NULL, NULL);

   if (!mongoc_cursor_next (cursor, &document)) {
      check (!mongoc_cursor_error (cursor, &error), step, &error);
      fail (step, "no document");
   }
   json = bson_as_canonical_extended_json (document, NULL);
   printf ("{\"step\":\"%s\",\"document\":%s}\n", step, json);
   bson_free (json);
   mongoc_cursor_destroy (cursor);
   bson_destroy (filter);
}

static void update_and_count (mongoc_collection_t *employees)
{
   bson_error_t error;
   bson_t *filter = BCON_NEW ("name", "from c");
   bson_t *update = BCON_NEW ("$set", "{", "address.zip", "20095", "}");
   bson_t *moved = BCON_NEW ("address.zip", "20095");
   int64_t n;

   check (mongoc_collection_update_one (employees, filter, update, NULL, NULL, &error), "update", &error);
   n = mongoc_collection_count_documents (employees, moved, NULL, NULL, NULL, &error);
   check (n >= 0, "count", &error);
   printf ("{\"step\":\"counted\",\"n\":%lld}\n", (long long) n);
   bson_destroy (filter);
   bson_destroy (update);
   bson_destroy (moved);
}

static void refused (mongoc_collection_t *employees)
{
   const bson_t *document;
   bson_error_t error;
   bson_t *filter = BCON_NEW ("ssn", "{", "$gt", "4", "}");
   bson_t *line;
   char *json;
   mongoc_cursor_t *cursor = mongoc_collection_find_with_opts (employees, filter, NULL, NULL);

   mongoc_cursor_next (cursor, &document);
   if (!mongoc_cursor_error (cursor, &error)) {
      fail ("find {ssn: {$gt: …}}", "not refused");
   }
   line = BCON_NEW ("step", "refused", "message", BCON_UTF8 (error.message));
   json = bson_as_canonical_extended_json (line, NULL);
   printf ("%s\n", json);
   bson_free (json);
   bson_destroy (line);
   mongoc_cursor_destroy (cursor);
   bson_destroy (filter);
}

int main (void)
{
   bson_error_t error;

   mongoc_init ();
   mongoc_log_set_handler (log_to_stderr, NULL);
   /* docs: begin */
   mongoc_auto_encryption_opts_t *encryption = mongoc_auto_encryption_opts_new ();
   bson_t *providers = kms_providers (); /* such as BCON_NEW ("local", "{", "key", BCON_BIN (BSON_SUBTYPE_BINARY, key, 96), "}") */
   bson_t *schemas = schema_map (env ("DATA_KEY"));
   bson_t *extra = analyzer (); /* such as BCON_NEW ("mongocryptdSpawnPath", "/usr/local/bin/"), the folder of mongocryptd */
   mongoc_auto_encryption_opts_set_keyvault_namespace (encryption, "encryption", "__keyVault");
   mongoc_auto_encryption_opts_set_kms_providers (encryption, providers);
   mongoc_auto_encryption_opts_set_schema_map (encryption, schemas);
   mongoc_auto_encryption_opts_set_extra (encryption, extra);
   if (getenv ("AWS_CA")) {
      bson_t *tls = BCON_NEW ("aws", "{", MONGOC_URI_TLSCAFILE, BCON_UTF8 (env ("AWS_CA")), "}");
      mongoc_auto_encryption_opts_set_tls_opts (encryption, tls);
      bson_destroy (tls);
   }
   mongoc_client_t *client = mongoc_client_new (env ("MONGODB_URI"));
   check (mongoc_client_enable_auto_encryption (client, encryption, &error), "automatic encryption", &error);

   mongoc_collection_t *employees = mongoc_client_get_collection (client, "hr", "employees");
   bson_t *employee = BCON_NEW ("name", "from c", "ssn", "457-55-5462", "salary", BCON_INT32 (5200),
                                "address", "{", "zip", "10115", "city", "Berlin", "}",
                                "visits", "[", "2026-01-02", "{", "ward", "B", "}", "]");
   check (mongoc_collection_insert_one (employees, employee, NULL, NULL, &error), "insert", &error);
   /* docs: end */
   printf ("{\"step\":\"inserted\"}\n");
   print_first ("found", employees, BCON_NEW ("ssn", "457-55-5462", "name", "from c"));
   print_first ("read", employees, BCON_NEW ("name", "from fieldcrypt"));
   update_and_count (employees);
   refused (employees);

   bson_destroy (employee);
   bson_destroy (extra);
   bson_destroy (schemas);
   bson_destroy (providers);
   mongoc_auto_encryption_opts_destroy (encryption);
   mongoc_collection_destroy (employees);
   mongoc_client_destroy (client);
   mongoc_cleanup ();
   return EXIT_SUCCESS;
}
