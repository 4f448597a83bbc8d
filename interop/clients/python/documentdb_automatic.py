"""Amazon DocumentDB with automatic encryption: documentdb.py, once there is a mongocryptd. No value is encrypted by hand any more."""

import os

from bson import json_util
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption
from pymongo.encryption_options import AutoEncryptionOpts
from pymongo.errors import EncryptionError

env = os.environ


def say(step, **rest):
    print(json_util.dumps({"step": step, **rest}, json_options=json_util.CANONICAL_JSON_OPTIONS), flush=True)


kms_providers = {"aws": {"accessKeyId": env["AWS_ACCESS_KEY_ID"], "secretAccessKey": env["AWS_SECRET_ACCESS_KEY"]}}
kms_tls_options = {"aws": {"tlsCAFile": env["AWS_CA"]}}  # not for AWS itself
key_vault_namespace = env["KEY_VAULT"]

with MongoClient(env["MONGODB_URI"], retryWrites=False) as plain:
    encryption = ClientEncryption(kms_providers, key_vault_namespace, plain, CodecOptions(), kms_tls_options=kms_tls_options)
    key = encryption.create_data_key(
        "aws",
        master_key={"region": "us-east-1", "key": env["AWS_KEY_ARN"], "endpoint": env["AWS_KMS_ENDPOINT"]},
        key_alt_names=["documentdb"],
    )
    encryption.close()


def encrypted(bson_type, algorithm):
    return {"encrypt": {"bsonType": bson_type, "algorithm": algorithm, "keyId": [key]}}


schema = {
    "bsonType": "object",
    "properties": {
        "ssn": encrypted("string", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic),
        "salary": encrypted("int", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random),
    },
}
options = AutoEncryptionOpts(
    kms_providers,
    key_vault_namespace,
    schema_map={"hr.employees": schema},
    kms_tls_options=kms_tls_options,
    mongocryptd_uri=env["MONGOCRYPTD_URI"],
    mongocryptd_bypass_spawn=True,
)
client = MongoClient(env["MONGODB_URI"], auto_encryption_opts=options, retryWrites=False)
employees = client.hr.employees
employees.insert_one({"name": "from documentdb_automatic", "ssn": "457-55-5462", "salary": 5200})
say("inserted")
say("found", document=employees.find_one({"ssn": "457-55-5462"}))
try:
    employees.find_one({"salary": {"$gt": 5000}})
    raise SystemExit("the query was not refused")
except EncryptionError as refusal:
    say("refused", message=str(refusal))
client.close()
