"""Lets aics-tlog and pymerkle judge an export. Run by scripts/check-sealed, with the folder of the files."""

import base64
import json
import pathlib
import sys

import aics_tlog
import pymerkle

folder = pathlib.Path(sys.argv[1])
read = lambda name: (folder / name).read_text()
unbase64 = lambda text: base64.b64decode(text, validate=True)

log = aics_tlog.parse_vkey(read("log.vkey").strip())
witnesses = [aics_tlog.parse_vkey(line) for line in read("witnesses.vkeys").split()]


def tree(text):
    """Origin, size and root of a checkpoint that the log has signed and all three witnesses have cosigned."""
    result = aics_tlog.verify_checkpoint(aics_tlog.parse_note(text), log, witnesses, 3)
    assert result.ok, result
    return aics_tlog.parse_checkpoint(aics_tlog.parse_note(text).text)


proof, _, note = read("heads.tlog-proof").partition("\n\n")
newer, older = tree(note), tree(read("older"))
print("aics-tlog: note and three cosignatures, a tree of", newer.size)

_, index, *path = proof.split("\n")
heads, path = read("heads.txt").encode(), [unbase64(line) for line in path]
at = int(index.removeprefix("index "))
assert aics_tlog.verify_leaf_inclusion(heads, at, newer.size, path, newer.root)
assert not aics_tlog.verify_leaf_inclusion(b"other", at, newer.size, path, newer.root)
print("aics-tlog: heads.txt is entry", at)

for known in json.loads(read("manifest.json"))["consistency"]:
    if known["size"] == older.size:
        steps = [unbase64(step) for step in known["proof"]]
        assert aics_tlog.verify_consistency(older.size, newer.size, older.root, newer.root, steps)
        assert not aics_tlog.verify_consistency(older.size, newer.size, newer.root, newer.root, steps)
        break
else:
    sys.exit("there is no proof for the older tree")
print("aics-tlog: the tree of", older.size, "is the beginning of that of", newer.size)

runs = pymerkle.InmemoryTree(algorithm="sha256")
for run in map(json.loads, read("runs.ndjson").splitlines()):
    line = "{number} {run_id} {count} {first} {last}".format(**run)
    runs.append_entry(f"runledger/head/1\n{line}\n".encode())
sealed = heads.decode().split("\n")[1].split(" ")[2]
assert base64.b64encode(runs.get_root()).decode() == sealed
print("pymerkle: the heads of all runs have the root", sealed)
