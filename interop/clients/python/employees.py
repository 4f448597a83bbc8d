"""Automatic encryption with pymongo. The environment says where everything is; what happened goes to standard output."""

import os
from pathlib import Path

from bson import json_util
from pymongo.errors import EncryptionError

env = os.environ


def kms():
    """The credentials of the key management service, and which authority its certificate is from."""
    if env["KMS"] == "local":
        return {"local": {"key": Path(env["MASTER_KEY"]).read_bytes()}}, {}
    aws = {"accessKeyId": env["AWS_ACCESS_KEY_ID"], "secretAccessKey": env["AWS_SECRET_ACCESS_KEY"]}
    return {"aws": aws}, {"aws": {"tlsCAFile": env["AWS_CA"]}}


def analysis():
    """What finds the values to encrypt in a command."""
    if "CRYPT_SHARED_LIB" in env:
        return {"crypt_shared_lib_path": env["CRYPT_SHARED_LIB"], "crypt_shared_lib_required": True}
    if "MONGOCRYPTD_URI" in env:
        return {"mongocryptd_uri": env["MONGOCRYPTD_URI"], "mongocryptd_bypass_spawn": True}
    port = env["MONGOCRYPTD_PORT"]
    return {
        "mongocryptd_spawn_path": env["MONGOCRYPTD_SPAWN"],
        "mongocryptd_spawn_args": [f"--port={port}", "--idleShutdownTimeoutSecs=60"],
        "mongocryptd_uri": f"mongodb://localhost:{port}",
    }


def say(step, **rest):
    print(json_util.dumps({"step": step, **rest}, json_options=json_util.CANONICAL_JSON_OPTIONS), flush=True)


kms_providers, kms_tls_options = kms()

# docs: begin
from uuid import UUID

from bson.binary import Binary
from pymongo import MongoClient
from pymongo.encryption import Algorithm
from pymongo.encryption_options import AutoEncryptionOpts

data_key = Binary.from_uuid(UUID(env["DATA_KEY"]))


def encrypted(bson_type, algorithm):
    return {"encrypt": {"bsonType": bson_type, "algorithm": algorithm, "keyId": [data_key]}}


schema = {
    "bsonType": "object",
    "properties": {
        "ssn": encrypted("string", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic),
        "salary": encrypted("int", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random),
        "address": {
            "bsonType": "object",
            "properties": {"zip": encrypted("string", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Deterministic)},
        },
        "visits": encrypted("array", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random),
    },
}
options = AutoEncryptionOpts(
    kms_providers,
    env["KEY_VAULT"],
    schema_map={"hr.employees": schema},
    kms_tls_options=kms_tls_options,
    **analysis(),
)
client = MongoClient(env["MONGODB_URI"], auto_encryption_opts=options)
employees = client.hr.employees
employees.insert_one(
    {
        "name": "from python",
        "ssn": "457-55-5462",
        "salary": 5200,
        "address": {"zip": "10115", "city": "Berlin"},
        "visits": ["2026-01-02", {"ward": "B"}],
    }
)
found = employees.find_one({"ssn": "457-55-5462", "name": "from python"})
# docs: end

say("inserted")
say("found", document=found)
say("read", document=employees.find_one({"name": "from fieldcrypt"}))
employees.update_one({"name": "from python"}, {"$set": {"address.zip": "20095"}})
say("counted", n=employees.count_documents({"address.zip": "20095"}))
try:
    employees.find_one({"ssn": {"$gt": "4"}})
    raise SystemExit("the query was not refused")
except EncryptionError as refusal:
    say("refused", message=str(refusal))
client.close()
