"""Amazon DocumentDB with explicit encryption: the way of its guide, for a server for which there is no mongocryptd. The data key is made and wrapped by AWS KMS,
values are encrypted one by one, and what is read is decrypted automatically. Only the host and the credentials come from the environment."""

import os

from bson import json_util
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption
from pymongo.encryption_options import AutoEncryptionOpts

env = os.environ


def say(step, **rest):
    print(json_util.dumps({"step": step, **rest}, json_options=json_util.CANONICAL_JSON_OPTIONS), flush=True)


kms_providers = {"aws": {"accessKeyId": env["AWS_ACCESS_KEY_ID"], "secretAccessKey": env["AWS_SECRET_ACCESS_KEY"]}}
kms_tls_options = {"aws": {"tlsCAFile": env["AWS_CA"]}}  # not for AWS itself
key_vault_namespace = env["KEY_VAULT"]

options = AutoEncryptionOpts(kms_providers, key_vault_namespace, bypass_auto_encryption=True, kms_tls_options=kms_tls_options)
client = MongoClient(env["MONGODB_URI"], auto_encryption_opts=options, retryWrites=False)
database, collection = key_vault_namespace.split(".", 1)
client[database][collection].create_index("keyAltNames", unique=True)

encryption = ClientEncryption(kms_providers, key_vault_namespace, client, CodecOptions(), kms_tls_options=kms_tls_options)
encryption.create_data_key(
    "aws",
    master_key={"region": "us-east-1", "key": env["AWS_KEY_ARN"], "endpoint": env["AWS_KMS_ENDPOINT"]},
    key_alt_names=["documentdb"],
)


def encrypt(value, algorithm=Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic):
    return encryption.encrypt(value, algorithm, key_alt_name="documentdb")


employees = client.hr.employees
employees.insert_one(
    {
        "name": "from documentdb",
        "ssn": encrypt("457-55-5462"),
        "salary": encrypt(5200, Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random),
    }
)
say("inserted")
say("found", document=employees.find_one({"ssn": encrypt("457-55-5462")}))
encryption.close()
client.close()
