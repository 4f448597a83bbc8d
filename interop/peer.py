"""libmongocrypt behind a pipe: runs the requests of the Go tests with pymongo's ClientEncryption.

Requests and replies are BSON documents, one after the other, on standard input and output. The first request has what a ClientEncryption is made of; each later
one has {op, ...}. A reply is {ok: value} or {error: text}. Values to encrypt, and decrypted ones, are documents {v: value} in binary, so that BSON
types that Python has no type for pass unchanged.
"""

import struct
import sys

import bson
import pymongo
import pymongocrypt
from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.encryption import ClientEncryption
from pymongo.encryption_options import AutoEncryptionOpts


class Peer:
    def __init__(self, settings):
        self.settings = settings
        self.client = pymongo.MongoClient(settings["uri"])
        self.open()

    def open(self):
        s = self.settings
        self.encryption = ClientEncryption(s["providers"], s["namespace"], self.client, CodecOptions(), kms_tls_options=s["tls"])

    # The public encrypt and decrypt take and give Python values; the attribute behind them takes BSON.

    def encrypt(self, request):
        options = {"algorithm": request["algorithm"]}
        if "keyId" in request:
            options["key_id"] = request["keyId"]
        if "keyAltName" in request:
            options["key_alt_name"] = request["keyAltName"]
        return bson.decode(self.encryption._encryption.encrypt(request["doc"], **options))["v"]

    def decrypt(self, request):
        return bytes(self.encryption._encryption.decrypt(bson.encode({"v": request["value"]})))

    def create(self, request):
        master_key = request.get("masterKey")
        return self.encryption.create_data_key(
            request["provider"],
            master_key=master_key,
            key_alt_names=request.get("keyAltNames") or None,
            key_material=request.get("keyMaterial"),
        )

    def rewrap(self, request):
        result = self.encryption.rewrap_many_data_key(request["filter"], request.get("provider"), request.get("masterKey"))
        return result.bulk_write_result.modified_count if result.bulk_write_result else 0

    def byAltName(self, request):
        key = self.encryption.get_key_by_alt_name(request["keyAltName"])
        return Binary(key["_id"], 4) if key else None

    def addAltName(self, request):
        self.encryption.add_key_alt_name(request["keyId"], request["keyAltName"])

    def delete(self, request):
        return self.encryption.delete_key(request["keyId"]).deleted_count

    def find(self, request):
        """The only document of a collection, as stored or decrypted automatically."""
        s = self.settings
        # without its bypass pymongo would look for a mongocryptd, which it needs for encryption only
        automatic = AutoEncryptionOpts(s["providers"], s["namespace"], kms_tls_options=s["tls"], bypass_auto_encryption=True)
        with pymongo.MongoClient(s["uri"], auto_encryption_opts=automatic if request["decrypt"] else None) as client:
            collection = client[request["database"]].get_collection(request["collection"], CodecOptions(document_class=RawBSONDocument))
            return collection.find_one({}).raw

    def forget(self, _):
        """Starts again with an empty cache of data keys."""
        self.encryption.close()
        self.open()

    def versions(self, _):
        return f"pymongo {pymongo.version}, pymongocrypt {pymongocrypt.__version__}, libmongocrypt {pymongocrypt.libmongocrypt_version()}"


def read():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        return None
    return bson.decode(head + sys.stdin.buffer.read(struct.unpack("<i", head)[0] - 4))


def main():
    peer = Peer(read())
    while request := read():
        try:
            reply = {"ok": getattr(peer, request["op"])(request)}
        except Exception as error:  # whatever it is, the test is told
            reply = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(bson.encode(reply))
        sys.stdout.buffer.flush()
    peer.encryption.close()
    peer.client.close()


main()
