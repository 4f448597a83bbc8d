"""Runs pymongo's tests of automatic encryption with pymongo's own runner, and prints a JSON line for each.

ROUTES has where connections go instead of where the tests want them, {"host:port": "host:port"}; a name that begins with a dot stands for all hosts under it.
Queryable Encryption is left out, and so are the files that do not encrypt automatically. Of the specification's tests that are prose, which pymongo has as classes,
those are run that ask mongocryptd something and need no more of a server than the files do. The arguments are those of pytest.
"""

import json
import os
import socket
import sys
from pathlib import Path

cache = Path(__file__).resolve().parent.parent / ".cache" / "pymongospec"
sys.path[:0] = [str(cache), str(cache / "packages")]

import pytest

PROSE = [
    "TestBsonSizeBatches",
    "TestBypassSpawningMongocryptdProse",
    "TestClientMaxWireVersion",
    "TestDeadlockProse",
    "TestEncryptedBulkWrite",
    "TestExternalKeyVault",
    "TestNoSessionsSupport",
]

routes = json.loads(os.environ["ROUTES"])
getaddrinfo = socket.getaddrinfo


def routed(host, port, *args, **kwargs):
    wanted = f"{host}:{port}"
    for name, target in routes.items():
        if wanted == name or name[0] == "." and wanted.endswith(name):
            host, _, port = target.rpartition(":")
            return getaddrinfo(host, int(port), *args, **kwargs)
    return getaddrinfo(host, port, *args, **kwargs)


class Results:
    def __init__(self, out):
        self.out = out

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.cls.__name__ in PROSE or encrypts_automatically(getattr(item.cls, "TEST_SPEC", {}))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if report.when == "call" or report.outcome != "passed":
            print(json.dumps(result(item, report)), file=self.out, flush=True)
        return report


def encrypts_automatically(spec):
    if spec.get("description", "").startswith(("fle2", "QE-Text")):
        return False
    return any("autoEncryptOpts" in entity.get("client", {}) for entity in spec.get("createEntities", []))


def result(item, report):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    file, test = names(item)
    return {"file": file, "test": test, "outcome": report.outcome, "reason": reason}


def names(item):
    """What the file says, or for prose the class and the method."""
    spec = getattr(item.cls, "TEST_SPEC", None)
    if not spec:
        return item.cls.__name__, item.name
    return spec["description"], {name(test["description"]): test["description"] for test in spec["tests"]}[item.name]


def name(description):
    """What pymongo's runner calls the method for a test."""
    return "test_" + description.strip(". ").replace(" ", "_").replace(".", "_")


if __name__ == "__main__":
    socket.getaddrinfo = routed
    os.chdir(cache)
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # standard output is for the results, and nobody else's words
    pytest.main(["-q", "-s", "-p", "no:cacheprovider", "test/test_encryption.py", *sys.argv[1:]], plugins=[Results(results)])
