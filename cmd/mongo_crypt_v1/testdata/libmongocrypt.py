"""Has libmongocrypt, by way of pymongocrypt, load the library and analyse commands with it. Usage: libmongocrypt.py LIBRARY"""

import sys

import bson
from pymongocrypt.binding import ffi, lib
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCrypt, MongoCryptOptions
from pymongocrypt.synchronous.state_machine import MongoCryptCallback

KEY_ID = bson.Binary(b"a" * 16, 4)
SCHEMA = {
    "bsonType": "object",
    "properties": {
        "ssn": {
            "encrypt": {
                "bsonType": "string",
                "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
                "keyId": [KEY_ID],
            }
        }
    },
}


class Callback(MongoCryptCallback):
    def bson_encode(self, doc):
        return bson.encode(doc)

    kms_request = collection_info = mark_command = fetch_keys = insert_data_key = close = None


def crypt(schemas):
    return MongoCrypt(
        MongoCryptOptions(
            {"local": {"key": b"\0" * 96}},
            schema_map=bson.encode(schemas),
            crypt_shared_lib_path=sys.argv[1],
            crypt_shared_lib_required=True,
            enable_multiple_collinfo=True,
        ),
        Callback(),
    )


def marked(schemas, db, command):
    """What libmongocrypt wants next after the analysis, and the command if that is nothing."""
    owner = crypt(schemas)  # outlives the context
    context = owner.encryption_context(db, bson.encode(command))
    if context.state == lib.MONGOCRYPT_CTX_NEED_MONGO_COLLINFO:
        context.complete_mongo_operation()  # the collection has no schema
    if context.state == lib.MONGOCRYPT_CTX_NEED_MONGO_KEYS:
        return "keys", bson.decode(context.mongo_operation())
    if context.state == lib.MONGOCRYPT_CTX_READY:
        return "done", bson.decode(context.finish())
    return "state", context.state


def refused(schemas, db, command):
    try:
        return marked(schemas, db, command)
    except MongoCryptError as error:
        return str(error)


people, plain = {"db.people": SCHEMA}, {"db.people": {"bsonType": "object"}}
failures = 0


def check(what, holds, got):
    global failures
    print("ok  " if holds else "FAIL", what, "" if holds else got)
    failures += not holds


def wants_key(what, got):
    check(what, got[0] == "keys" and KEY_ID in got[1]["$or"][0]["_id"]["$in"], got)


owner = crypt(people)
version = ffi.string(owner.crypt_shared_lib_version).decode()
check("the version", version == "mongo_crypt_v1-fieldcrypt-8.2.0", version)

find = {"find": "people", "filter": {"ssn": "457-55-5462"}}
wants_key("find", marked(people, "db", find))
wants_key("find with $db", marked(people, "db", {**find, "$db": "db"}))
wants_key("explain", marked(people, "db", {"explain": find}))
wants_key("insert", marked(people, "db", {"insert": "people", "documents": [{"ssn": "457-55-5462"}]}))
wants_key("bulkWrite", marked(people, "admin", {"bulkWrite": 1, "ops": [{"insert": 0, "document": {"ssn": "1"}}], "nsInfo": [{"ns": "db.people"}]}))
lookup = {"aggregate": "other", "pipeline": [{"$lookup": {"from": "people", "as": "p", "pipeline": [{"$match": {"ssn": "1"}}]}}], "cursor": {}}
wants_key("$lookup", marked({**people, "db.other": {}}, "db", lookup))

for command in (
    {"find": "people", "filter": {"_id": 1}, "comment": "x"},
    {"find": "people", "filter": {"_id": 1}, "$db": "db", "limit": 1},
    {"explain": {"find": "people", "filter": {"_id": 1}}, "verbosity": "queryPlanner"},
    {"createIndexes": "people", "indexes": [{"key": {"ssn": 1}, "name": "ssn_1"}]},
    {"create": "people", "validator": {"$jsonSchema": SCHEMA}},
):
    for schemas in (people, plain):
        if "validator" not in command or schemas is people:
            got = marked(schemas, "db", command)
            check(f"unchanged: {next(iter(command))}", got == ("done", command), got)

got = marked(people, "db", {"find": "unknown", "filter": {"ssn": 1}})
check("a collection without a schema", got == ("done", {"find": "unknown", "filter": {"ssn": 1}}), got)
got = refused(people, "db", {"find": "people", "filter": {"ssn": {"$gt": "457-55-5462"}}})
check("a refusal", "Invalid match expression operator on encrypted field" in got and "51999" in got and "457" not in got, got)
got = refused({"db.people": {**SCHEMA, "required": ["ssn"]}}, "db", find)
check("a schema that is refused", "only allowed with a remote schema" in got, got)
sys.exit(1 if failures else 0)
