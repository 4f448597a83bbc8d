// Explicit encryption in mongosh. Automatic encryption it refuses by itself, whatever analyses the commands, unless the server calls itself Atlas or
// MongoDB Enterprise; the last step shows it. Run by: mongosh --nodb --file employees.js

const fs = require('node:fs');
const { env } = process;

/** The credentials of the key management service, and which authority its certificate is from. */
function kms() {
  if (env.KMS === 'local') {
    return { kmsProviders: { local: { key: BinData(0, fs.readFileSync(env.MASTER_KEY).toString('base64')) } } };
  }
  return {
    kmsProviders: { aws: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY } },
    tlsOptions: { aws: { tlsCAFile: env.AWS_CA } },
  };
}

function say(step, rest) {
  print(EJSON.stringify({ step, ...rest }, { relaxed: false }));
}

const { kmsProviders, tlsOptions } = kms();

// docs: begin
const dataKey = UUID(env.DATA_KEY);
const mongo = Mongo(env.MONGODB_URI, {
  keyVaultNamespace: env.KEY_VAULT,
  kmsProviders,
  tlsOptions,
  bypassAutoEncryption: true, // what is read is decrypted all the same
});
const encryption = mongo.getClientEncryption();
const deterministic = (value) => encryption.encrypt(dataKey, value, 'AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic');
const random = (value) => encryption.encrypt(dataKey, value, 'AEAD_AES_256_CBC_HMAC_SHA_512-Random');

const employees = mongo.getDB('hr').employees;
employees.insertOne({
  name: 'from mongosh',
  ssn: deterministic('457-55-5462'),
  salary: random(5200),
  address: { zip: deterministic('10115'), city: 'Berlin' },
  visits: random(['2026-01-02', { ward: 'B' }]),
});
const found = employees.findOne({ ssn: deterministic('457-55-5462'), name: 'from mongosh' });
// docs: end

say('inserted');
say('found', { document: found });
say('read', { document: employees.findOne({ name: 'from fieldcrypt' }) });
employees.updateOne({ name: 'from mongosh' }, { $set: { 'address.zip': deterministic('20095') } });
say('counted', { n: employees.countDocuments({ 'address.zip': deterministic('20095') }) });
try {
  const ssn = { encrypt: { bsonType: 'string', algorithm: 'AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic', keyId: [dataKey] } };
  const schemaMap = { 'hr.employees': { bsonType: 'object', properties: { ssn } } };
  const automatic = Mongo(env.MONGODB_URI, { keyVaultNamespace: env.KEY_VAULT, kmsProviders, tlsOptions, schemaMap });
  automatic.getDB('hr').employees.findOne({ ssn: '457-55-5462' });
} catch (refusal) {
  say('refused', { message: refusal.message });
}
