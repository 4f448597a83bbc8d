// Automatic encryption with the official Java driver; program says how it is run, ../../README.md what it prints.

import com.mongodb.AutoEncryptionSettings;
import com.mongodb.ConnectionString;
import com.mongodb.MongoClientException;
import com.mongodb.MongoClientSettings;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Updates;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.bson.BsonDocument;
import org.bson.Document;
import org.bson.json.JsonMode;
import org.bson.json.JsonWriterSettings;

public final class Employees {
    private static final JsonWriterSettings CANONICAL = JsonWriterSettings.builder().outputMode(JsonMode.EXTENDED).build();

    public static void main(String[] args) throws Exception {
        // docs: begin
        BsonDocument schema = BsonDocument.parse("""
            {bsonType: "object", encryptMetadata: {keyId: [{$uuid: "%s"}]}, properties: {
                ssn: {encrypt: {bsonType: "string", algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}},
                salary: {encrypt: {bsonType: "int", algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
                address: {bsonType: "object", properties: {
                    zip: {encrypt: {bsonType: "string", algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}}}},
                visits: {encrypt: {bsonType: "array", algorithm: "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}
            """.formatted(env("DATA_KEY")));
        AutoEncryptionSettings.Builder encryption = AutoEncryptionSettings.builder()
            .keyVaultNamespace(env("KEY_VAULT")) // such as encryption.__keyVault
            .kmsProviders(kmsProviders())        // such as Map.of("local", Map.of("key", masterKey)), 96 bytes
            .schemaMap(Map.of("hr.employees", schema))
            .extraOptions(analyzer());           // such as Map.of("mongocryptdSpawnPath", "/usr/local/bin/mongocryptd")
        if (System.getenv("AWS_CA") != null) {
            encryption.kmsProviderSslContextMap(Map.of("aws", trusting(env("AWS_CA"))));
        }
        MongoClientSettings settings = MongoClientSettings.builder()
            .applyConnectionString(new ConnectionString(env("MONGODB_URI")))
            .autoEncryptionSettings(encryption.build())
            .build();
        try (MongoClient client = MongoClients.create(settings)) {
            MongoCollection<Document> employees = client.getDatabase("hr").getCollection("employees");
            employees.insertOne(new Document("name", "from java")
                .append("ssn", "457-55-5462")
                .append("salary", 5200)
                .append("address", new Document("zip", "10115").append("city", "Berlin"))
                .append("visits", List.of("2026-01-02", new Document("ward", "B"))));
            Document found = employees.find(Filters.and(Filters.eq("ssn", "457-55-5462"), Filters.eq("name", "from java"))).first();
            // docs: end
            System.out.println("{\"step\":\"inserted\"}");
            print("found", found);
            print("read", employees.find(Filters.eq("name", "from fieldcrypt")).first());

            employees.updateOne(Filters.eq("name", "from java"), Updates.set("address.zip", "20095"));
            long n = employees.countDocuments(Filters.eq("address.zip", "20095"));
            System.out.println("{\"step\":\"counted\",\"n\":" + n + "}");

            try {
                employees.find(Filters.gt("ssn", "4")).first();
                throw new IllegalStateException("find {ssn: {$gt: …}} was not refused");
            } catch (MongoClientException refused) {
                System.out.println(new Document("step", "refused").append("message", refused.getMessage()).toJson());
            }
        }
    }

    private static Map<String, Map<String, Object>> kmsProviders() throws Exception {
        return env("KMS").equals("aws")
            ? Map.of("aws", Map.of("accessKeyId", env("AWS_ACCESS_KEY_ID"), "secretAccessKey", env("AWS_SECRET_ACCESS_KEY")))
            : Map.of("local", Map.of("key", Files.readAllBytes(Path.of(env("MASTER_KEY")))));
    }

    /** Where the driver gets its commands analysed: a daemon that it starts, one that runs already, or the library. */
    private static Map<String, Object> analyzer() {
        if (System.getenv("MONGOCRYPTD_SPAWN") != null) {
            String port = env("MONGOCRYPTD_PORT");
            return Map.of(
                "mongocryptdSpawnPath", env("MONGOCRYPTD_SPAWN"),
                "mongocryptdSpawnArgs", List.of("--port=" + port, "--idleShutdownTimeoutSecs=60"),
                "mongocryptdURI", "mongodb://localhost:" + port);
        }
        if (System.getenv("MONGOCRYPTD_URI") != null) {
            return Map.of("mongocryptdURI", env("MONGOCRYPTD_URI"), "mongocryptdBypassSpawn", true);
        }
        return Map.of("cryptSharedLibPath", env("CRYPT_SHARED_LIB"), "cryptSharedLibRequired", true);
    }

    private static SSLContext trusting(String ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(ca))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static void print(String step, Document document) {
        if (document == null) {
            throw new IllegalStateException(step + ": no document");
        }
        System.out.println("{\"step\":\"" + step + "\",\"document\":" + document.toJson(CANONICAL) + "}");
    }

    private static String env(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalArgumentException("the environment lacks " + name);
        }
        return value;
    }
}
