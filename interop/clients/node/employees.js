// Automatic encryption with the Node.js driver. The environment says where everything is; what happened goes to standard output.

const fs = require('node:fs');
const { EJSON } = require('bson');
const { env } = process;

/** The credentials of the key management service, and which authority its certificate is from. */
function kms() {
  if (env.KMS === 'local') {
    return { kmsProviders: { local: { key: fs.readFileSync(env.MASTER_KEY) } } };
  }
  return {
    kmsProviders: { aws: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY } },
    tlsOptions: { aws: { tlsCAFile: env.AWS_CA } },
  };
}

/** What finds the values to encrypt in a command. */
function analysis() {
  if (env.CRYPT_SHARED_LIB) {
    return { cryptSharedLibPath: env.CRYPT_SHARED_LIB, cryptSharedLibRequired: true };
  }
  if (env.MONGOCRYPTD_URI) {
    return { mongocryptdURI: env.MONGOCRYPTD_URI, mongocryptdBypassSpawn: true };
  }
  return {
    mongocryptdSpawnPath: env.MONGOCRYPTD_SPAWN,
    mongocryptdSpawnArgs: [`--port=${env.MONGOCRYPTD_PORT}`, '--idleShutdownTimeoutSecs=60'],
    mongocryptdURI: `mongodb://localhost:${env.MONGOCRYPTD_PORT}`,
  };
}

function say(step, rest) {
  console.log(EJSON.stringify({ step, ...rest }, { relaxed: false }));
}

async function main() {
  const { kmsProviders, tlsOptions } = kms();

  // docs: begin
  const { MongoClient, UUID } = require('mongodb');

  const deterministic = 'AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic';
  const random = 'AEAD_AES_256_CBC_HMAC_SHA_512-Random';
  const keyId = [new UUID(env.DATA_KEY)];
  const schema = {
    bsonType: 'object',
    properties: {
      ssn: { encrypt: { bsonType: 'string', algorithm: deterministic, keyId } },
      salary: { encrypt: { bsonType: 'int', algorithm: random, keyId } },
      address: {
        bsonType: 'object',
        properties: { zip: { encrypt: { bsonType: 'string', algorithm: deterministic, keyId } } },
      },
      visits: { encrypt: { bsonType: 'array', algorithm: random, keyId } },
    },
  };
  const client = new MongoClient(env.MONGODB_URI, {
    autoEncryption: {
      kmsProviders,
      tlsOptions,
      keyVaultNamespace: env.KEY_VAULT,
      schemaMap: { 'hr.employees': schema },
      extraOptions: analysis(),
    },
  });
  const employees = client.db('hr').collection('employees');
  await employees.insertOne({
    name: 'from node',
    ssn: '457-55-5462',
    salary: 5200,
    address: { zip: '10115', city: 'Berlin' },
    visits: ['2026-01-02', { ward: 'B' }],
  });
  const found = await employees.findOne({ ssn: '457-55-5462', name: 'from node' });
  // docs: end

  say('inserted');
  say('found', { document: found });
  say('read', { document: await employees.findOne({ name: 'from fieldcrypt' }) });
  await employees.updateOne({ name: 'from node' }, { $set: { 'address.zip': '20095' } });
  say('counted', { n: await employees.countDocuments({ 'address.zip': '20095' }) });
  try {
    await employees.findOne({ ssn: { $gt: '4' } });
  } catch (refusal) {
    say('refused', { message: refusal.message });
    await client.close();
    return;
  }
  throw new Error('the query was not refused');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
