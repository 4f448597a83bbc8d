<?php
// Automatic encryption with the mongodb extension; program says how it is run, ../../README.md what it prints.

use MongoDB\BSON;
use MongoDB\Driver;

function env(string $name): string
{
    $value = getenv($name);
    if ($value === false) {
        throw new RuntimeException("the environment lacks $name");
    }
    return $value;
}

function kmsProviders(): array
{
    if (env('KMS') === 'aws') {
        return ['aws' => ['accessKeyId' => env('AWS_ACCESS_KEY_ID'), 'secretAccessKey' => env('AWS_SECRET_ACCESS_KEY')]];
    }
    return ['local' => ['key' => new BSON\Binary(file_get_contents(env('MASTER_KEY')), BSON\Binary::TYPE_GENERIC)]];
}

/** Where the driver gets its commands analysed: a daemon that it starts, one that runs already, or the library. */
function analyzer(): array
{
    if (getenv('MONGOCRYPTD_SPAWN')) {
        $port = env('MONGOCRYPTD_PORT');
        return [
            'mongocryptdSpawnPath' => dirname(env('MONGOCRYPTD_SPAWN')) . '/', // the driver appends mongocryptd
            'mongocryptdSpawnArgs' => ["--port=$port", '--idleShutdownTimeoutSecs=60'],
            'mongocryptdURI' => "mongodb://localhost:$port",
        ];
    }
    if (getenv('MONGOCRYPTD_URI')) {
        return ['mongocryptdURI' => env('MONGOCRYPTD_URI'), 'mongocryptdBypassSpawn' => true];
    }
    return ['cryptSharedLibPath' => env('CRYPT_SHARED_LIB'), 'cryptSharedLibRequired' => true];
}

function write(array $line): void
{
    echo json_encode($line, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
}

/** Extended JSON of the first document. */
function first(Driver\Manager $manager, array $filter): string
{
    $cursor = $manager->executeQuery('hr.employees', new Driver\Query($filter, ['limit' => 1]));
    foreach ($cursor as $document) {
        return BSON\toCanonicalExtendedJSON(BSON\fromPHP($document));
    }
    throw new RuntimeException('no document');
}

// docs: begin
$dataKey = new BSON\Binary(hex2bin(str_replace('-', '', env('DATA_KEY'))), BSON\Binary::TYPE_UUID);
$encrypted = fn (string $type, string $algorithm): array => ['encrypt' => [
    'bsonType' => $type, 'keyId' => [$dataKey], 'algorithm' => "AEAD_AES_256_CBC_HMAC_SHA_512-$algorithm",
]];
$schema = ['bsonType' => 'object', 'properties' => [
    'ssn' => $encrypted('string', 'Deterministic'),
    'salary' => $encrypted('int', 'Random'),
    'address' => ['bsonType' => 'object', 'properties' => ['zip' => $encrypted('string', 'Deterministic')]],
    'visits' => $encrypted('array', 'Random'),
]];
$manager = new Driver\Manager(env('MONGODB_URI'), [], ['autoEncryption' => [
    'keyVaultNamespace' => env('KEY_VAULT'), // such as encryption.__keyVault
    'kmsProviders' => kmsProviders(),        // such as ['local' => ['key' => new BSON\Binary($masterKey)]], 96 bytes
    'schemaMap' => ['hr.employees' => $schema],
    'extraOptions' => analyzer(),            // such as ['mongocryptdSpawnPath' => '/usr/local/bin/'], the folder of mongocryptd
    'tlsOptions' => getenv('AWS_CA') ? ['aws' => ['tlsCAFile' => getenv('AWS_CA')]] : [],
]]);
$insert = new Driver\BulkWrite();
$insert->insert([
    'name' => 'from php', 'ssn' => '457-55-5462', 'salary' => 5200,
    'address' => ['zip' => '10115', 'city' => 'Berlin'],
    'visits' => ['2026-01-02', ['ward' => 'B']],
]);
$manager->executeBulkWrite('hr.employees', $insert);
// docs: end
write(['step' => 'inserted']);
echo '{"step":"found","document":', first($manager, ['ssn' => '457-55-5462', 'name' => 'from php']), "}\n";
echo '{"step":"read","document":', first($manager, ['name' => 'from fieldcrypt']), "}\n";

$update = new Driver\BulkWrite();
$update->update(['name' => 'from php'], ['$set' => ['address.zip' => '20095']]);
$manager->executeBulkWrite('hr.employees', $update);
$count = new Driver\Command(['count' => 'employees', 'query' => ['address.zip' => '20095']]);
write(['step' => 'counted', 'n' => $manager->executeCommand('hr', $count)->toArray()[0]->n]);

try {
    first($manager, ['ssn' => ['$gt' => '4']]);
} catch (Driver\Exception\Exception $refused) {
    write(['step' => 'refused', 'message' => $refused->getMessage()]);
    exit(0);
}
throw new RuntimeException('find {ssn: {$gt: …}} was not refused');
