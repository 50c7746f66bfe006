#!/usr/bin/env python3
"""Checks an export of Runledger (docs/sealed-history.md). Ends with 0 where all is proven (VERIFIED), 1 where something is not
(REFUSED), 2 where nothing could be checked, 3 where all holds but what only runledger-verify checks (UNDECIDED)."""
import argparse, base64, contextlib, datetime, functools, hashlib, io, itertools, json, os, re, sys, zipfile
PLACE, LEFT = [""], set()  # what is being checked; what is left to runledger-verify
def need(holds, what):
    if not holds:
        raise ValueError(what)
    return holds
# --- Ed25519 (RFC 8032, 5.1). Keys and signatures of small order are refused.
P, ORDER, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, (0, 1)
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    k, x, y = D * a[0] * a[1] * b[0] * b[1], a[0] * b[1] + a[1] * b[0], a[0] * b[0] + a[1] * b[1]
    return x * pow(1 + k, -1, P) % P, y * pow(1 - k, -1, P) % P
def times(n, a): return add(times(n // 2, add(a, a)), a if n % 2 else ZERO) if n else ZERO
def point(data):
    y = int.from_bytes(data, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    roots = [pow(square, (P + 3) // 8, P) * pow(2, i * (P - 1) // 4, P) % P for i in range(4)]
    return need([x for x in roots if x * x % P == square and x % 2 == data[31] >> 7], "this is no point of the curve")[0], y
BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
def check_signature(key, text, signature):
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    sound = len(signature) == 64 and s < ORDER and r[1] < P and times(8, a) != ZERO != times(8, r)
    need(sound and times(s, BASE) == add(r, times(k, a)), "the signature of a known key is wrong")
# --- Hashes and trees (RFC 6962, 2.1): left of a node is the largest power of two. A proof is the roots of other subtrees.
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def leaf(text): return sha(b"\0", text.encode())
def node(left, right): return sha(b"\1", left, right)
def b64(data): return base64.b64encode(data).decode()
BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?"
def unb64(text): return base64.b64decode(need(re.fullmatch(BASE64, text), "this is not base64 as it should be")[0])
def range_root(start, stop, first, leaves, proof):  # of start..stop, of which the leaves from `first` on are known
    if stop <= first or first + len(leaves) <= start or not leaves:
        return unb64(proof.pop(0)) if stop else sha()
    if stop - start == 1:
        return leaves[start - first]
    middle = start + (1 << (stop - start - 1).bit_length() - 1)
    return node(range_root(start, middle, first, leaves, proof), range_root(middle, stop, first, leaves, proof))
def then_and_now(old, size, root, proof):  # both roots; `root` is the older one while the whole older tree is within
    if old == size:
        return (root or unb64(proof.pop()),) * 2
    sibling, left = unb64(proof.pop()), 1 << (size - 1).bit_length() - 1
    then, now = then_and_now(old, left, root, proof) if old <= left else then_and_now(old - left, size - left, None, proof)
    return (then, node(now, sibling)) if old <= left else (node(sibling, then), node(sibling, now))
def prove(root, tree, *about): need(tree(*about) == root and not about[-1], "a proof does not lead to the root that it should")
# --- Policy, note and checkpoint (C2SP tlog-policy, signed-note, tlog-checkpoint, tlog-proof, tlog-cosignature)
N, HASH = "(?:0|[1-9][0-9]{0,18})", "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
NOTE = (f"(?:c2sp.org/tlog-proof@v1\nindex ({N})((?:\n{HASH})*)\n\n)?([^\0-\x1f]+)\n({N})\n({HASH})\n\n"
        "((?:\u2014 [^\\s+\0-\x1f\x7f-\x9f]+ [A-Za-z0-9+/]{7,}=*\n){1,100})")
def read_key(text, kind):  # its name, its id, and its bytes
    name, key_id, key = text.split("+", 2)
    key = unb64(key)
    need(len(key) == 33 and key[0] == kind and point(key[1:]), "this is no such key")
    return name, need(sha(name.encode(), b"\n", key)[:4].hex() == key_id, "a key is mistyped") and bytes.fromhex(key_id), key
def read_policy(text):  # the keys of logs; by name, how many are needed of which keys or names; the quorum
    rows = [line.split() for line in text.split("\n") if line.strip() and line.strip()[0] != "#"]
    logs = [read_key(words[1], 1) for words in rows if words[0] == "log"]
    parts = {words[1]: (1, {read_key(words[2], 4)}) for words in rows if words[0] == "witness"}
    for _, name, least, *members in [words for words in rows if words[0] == "group"]:
        least = {"any": 1, "all": len(members)}.get(least) or int(least)
        parts[name] = least, need(0 < least <= len(members) and parts.keys() >= {*members} and {*members}, "this is no group")
    (quorum,) = [words[1] for words in rows if words[0] == "quorum"]
    need(len(rows) == len(logs) + len(parts) + 1 and "none" not in parts, "a name is there twice, or a line is not understood")
    return logs, parts, need(quorum in {"none", *parts} and quorum, "there is no such quorum")
def read_note(text):  # index and hashes of a proof; origin, size and root of its checkpoint; who is said to have signed that
    index, path, origin, size, root, end = need(re.fullmatch(NOTE, text), "this is no proof or signed checkpoint").groups()
    return index, path, origin, int(size), unb64(root), [(by, unb64(data)) for by, data in re.findall("\u2014 (.*) (.*)\n", end)]
def trust(policy, note):  # which witnesses have cosigned it, and when
    (logs, parts, quorum), (_, _, origin, size, root, signatures), signed = policy, note, {"none": None}
    keys = [log for log in logs if log[0] == origin] + [key for _, members in parts.values() for key in members]
    for (by, data), key in itertools.product(signatures, keys):
        if (by, data[:4]) == key[:2]:  # what is no key is the name of another part
            time = int.from_bytes(data[4:12], "big") if key[2][0] == 4 else None
            before, signature = ("", data[4:]) if time is None else (f"cosignature/v1\ntime {time}\n", data[12:])
            check_signature(key[2][1:], f"{before}{origin}\n{size}\n{b64(root)}\n".encode(), signature)
            signed[key] = time
    need(signed.keys() & {*logs}, f"no log of the policy has signed it: {origin}")
    for name, (least, members) in parts.items():
        signed.update({name: None} if len(signed.keys() & members) >= least else {})
    need(quorum in signed, f"the policy demands cosignatures by {quorum}")
    return {key[0]: time for key, time in signed.items() if time is not None}
# --- The files of the zip. Each line of JSON can be written in one way only.
TEXT, ID, LONGEST = r'"[^"\\]*(?:\\.[^"\\]*)*"', '"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"', 64 << 20
def part(name, salt): return f'(?:"{name}(?:_base64)?":{TEXT},"{salt}_salt":"{HASH}"|"{salt}_hash":"{HASH}")'
EVENT = (f'{{"run":(?:null|{N}),"revision":{N},"event_id":{ID},"type":{TEXT},"recorded_at":{TEXT},'
         + part("data", "data") + "," + part("metadata", "meta") + "}")
RUN = f'{{"number":{N},"run_id":{ID},"count":[1-9][0-9]{{0,18}},"first":"{HASH}","last":"{HASH}","selected":(?:true|false)}}'
MANIFEST = (f'{{"format":"runledger/export/1","tenant":{TEXT},"exported_at":{TEXT},"selection":{{(?:"run_id":{ID}|(?:"since":'
            f'{TEXT},?)?(?:"until":{TEXT},?)?(?:"kind":{TEXT})?)}},"runs":{{"first":{N},"total":{N},"proof":\\[(?:"{HASH}",?)*]}},'
            f'"administration":(?:true|false),"consistency":\\[(?:{{"size":{N},"proof":\\[(?:"{HASH}",?)*]}},?)*]}}')
HEADS = f"runledger/heads/1\nruns ({N}) ({HASH})\nadmin (?:0 - -|([1-9][0-9]{{0,18}}) ({HASH}) ({HASH}))\n"
def written(value, indent=None):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=(",", ": " if indent else ":"))
def read(pattern, line, *indents):
    value = json.loads(line)
    one_way = line in [written(value, indent) for indent in (None, *indents)] and re.fullmatch(pattern, written(value))
    return need(one_way, "it is not written in the one way that the format has") and value
def lines(archive, name):
    PLACE[0], info = name, archive.NameToInfo.get(name)
    need(info and info.compress_type in (0, 8), "the zip has no such file, or in an unknown form")
    info.file_size = 1 << 62  # read to the end, whatever the zip says of the size
    for number, line in enumerate(iter(functools.partial(io.BufferedReader(archive.open(info)).readline, LONGEST), b""), 1):
        PLACE[0] = f"{name}, line {number}"
        yield need(line[-1:] == b"\n", "the line is too long, or does not end") and line[:-1].decode()
    PLACE[0] = f"{name}, at its end"
def whole(archive, name): return "".join(line + "\n" for line in lines(archive, name)).encode()[:LONGEST].decode()
# --- Events and runs
def moment(text):  # as a pair that is in the order of time
    found = need(re.fullmatch("(.{4}-..-..T(?!24)..:..:..)(?:[.]([0-9]{1,9}))?(Z|[+-]..:[0-5].)", text), "this is no moment")
    return datetime.datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")), (found[2] or "").ljust(9, "0")
def told(data):  # the texts in stored JSON. Readers agree on them where it is spelled as ledgers do, and neither large nor deep
    value = json.loads(data or "{}")
    if data and (written(value).encode() != data or re.search(rb"[0-9]{300}|([\[{][^\[{]*){128}", data)):
        LEFT.add("what JSON in events says that is written in an odd way")
    return {name: text for name, text in dict(value).items() if isinstance(text, str)}
def content(event, name, salt):  # the stored bytes, none where they were erased; and the commitment to them
    if salt + "_hash" in event:
        return b"", unb64(event[salt + "_hash"])
    data = event[name].encode() if name in event else unb64(event[name + "_base64"])
    need(name in event or data.decode(errors="replace").encode() != data, "text stands as base64")
    return data, sha(f"runledger/{salt}/1\0".encode(), unb64(event[salt + "_salt"]), data)
def word(text): return re.sub(rb"[^A-Za-z0-9._:+-]", lambda byte: b"%%%02x" % byte[0][0], text.encode()).decode() or "%"
def chain(source, found, number, run_id, count, first, last):  # recorded_at and data of each event of a stream
    stream, prev = f"run {number} {run_id}" if run_id else "admin", "-"
    for revision in range(count):
        event = read(EVENT, need(next(source, None), f"here should be revision {revision} of {stream}"))
        need((event["run"], event["revision"]) == (number, revision), f"here should be revision {revision} of {stream}")
        (data, data_hash), (meta, meta_hash) = content(event, "data", "data"), content(event, "metadata", "meta")
        said = told(meta)
        for name, own in ("tenant", found["tenant"]), ("run_id", run_id), ("recorded_at", event["recorded_at"]):
            need(own in (None, said.get(name, own)), f"its metadata have another {name}")
        prev = b64(leaf(f"runledger/entry/1\n{stream} {revision}\nprev {prev}\nevent {event['event_id']} {word(event['type'])} "
                        f"{word(event['recorded_at'])}\ndata {b64(data_hash)}\nmeta {b64(meta_hash)}\n"))
        need(revision or prev == first, f"this is not the event that was sealed as the first of {stream}")
        found["events"], found["erased"] = found["events"] + 1, found["erased"] + ("data_hash" in event or "meta_hash" in event)
        yield event["recorded_at"], data
    need(prev == last, f"the events of {stream} do not lead to its head: one is not as it was sealed, or not in its place")
def check(archive, policy, older):
    names, begins = zip(*((info.orig_filename, info.header_offset) for info in archive.infolist()))
    need(len({*names}) == len(names) <= 100 and min(begins) == 0, "the zip has two files of one name, or too much in it")
    manifest = read(MANIFEST, whole(archive, "manifest.json")[:-1], 2)
    asked, first, total = manifest["selection"], manifest["runs"]["first"], manifest["runs"]["total"]
    _, since, until = moment(manifest["exported_at"]), *(at in asked and moment(asked[at]) for at in ("since", "until"))
    note = index, path, origin, size, root, _ = read_note(whole(archive, "heads.tlog-proof"))  # steps 1 and 2
    found = dict(tenant=manifest["tenant"], log=origin, entries=size, cosigned=trust(policy, note), events=0, erased=0)
    text = need(index == str(size - 1), "it is not about the last entry") and whole(archive, "heads.txt")
    prove(root, range_root, 0, size, size - 1, [leaf(text)], path.split()[::-1])
    runs, runs_root, *admin = need(re.fullmatch(HEADS, text), "these are no heads").groups()
    PLACE[0], source = "manifest.json", lines(archive, "events.ndjson")
    need(int(runs) == total, "it has another number of runs than are sealed")
    LEFT.update([name for name in names if re.match("timestamp|continues", name)], re.findall("/t/[0-9a-f]{32}/.*", origin))
    if older:  # step 6
        PLACE[0], (_, _, of, old, old_root, _) = "the older checkpoint", older
        found["since"] = old, trust(policy, older)
        paths = [one["proof"] for one in manifest["consistency"] if one["size"] == old] + [[]] * (old in (0, size))
        need((of == origin or LEFT) and old <= size and paths, "it is of another log, or the export has no proof for its size")
        prove((old_root, root), then_and_now if old else lambda *_: (sha(), root), old, size, old_root, paths[0])
    if manifest["administration"] and admin[0]:  # step 7
        found["administration"] = sum(1 for _ in chain(source, found, None, None, int(admin[0]), *admin[1:]))
    leaves, chosen, when = [], 0, None  # steps 3, 4 and 5
    for number, line in enumerate(lines(archive, "runs.ndjson"), first):
        *head, selected = read(RUN, line).values()
        place, events = f"{PLACE[0]}, run {head[0]} ({head[1]})", chain(source, found, *head)
        need(head[0] == number < total, f"here should be run {number}: the numbers have no gaps")
        leaves.append(leaf("runledger/head/1\n{} {} {} {} {}\n".format(*head)))
        (at, data), PLACE[0] = next(events), place
        when = "before" if since and moment(at) < since else "after" if until and moment(at) >= until else "within"
        of_kind = "kind" not in asked or told(data).get("kind", asked["kind"]) == asked["kind"]
        meets = head[1] == asked["run_id"] if "run_id" in asked else when == "within" and of_kind
        need(selected == meets, "it meets the selection and is not told whole, or the other way round")
        need("run_id" in asked or number == 0 or leaves[1:] or when == "before", "runs before it may be left out")
        chosen, _ = chosen + selected, selected and sum(1 for _ in events)
    last = when == "after" or first + len(leaves) == total and (leaves or not total)
    need(chosen == 1 if "run_id" in asked else last, "runs after it may be left out")
    PLACE[0] = "manifest.json"
    prove(unb64(runs_root), range_root, 0, total, first, leaves, manifest["runs"]["proof"])
    need(next(source, None) is None, "there is more than the export has to tell")
    return dict(found, selection=asked, runs=f"{chosen} of {len(leaves)} from {first} on, of {total}", unchecked=sorted(LEFT))
parser, file, older = argparse.ArgumentParser(description=__doc__), None, None
for name, needed in ("file", {}), ("--policy", {"required": True}), ("--since", {"metavar": "OLD-CHECKPOINT"}):
    parser.add_argument(name, **needed)
asked = parser.parse_args()
try:
    PLACE[0], policy = "the policy", read_policy(open(asked.policy, "rb").read().decode())
    PLACE[0], older = "the older checkpoint", asked.since and read_note(open(asked.since, "rb").read().decode())
    PLACE[0], is_receipt = asked.file, open(asked.file, "rb").peek().lstrip()[:1] == b"{"
    file = need(not is_receipt, "this is a receipt, which runledger-verify checks") and open(asked.file, "rb")
    need(file.seek(-22, 2) and re.fullmatch(b"PK\5\6(?s:.{16})\0\0", file.read()), "it is no zip, or has something after its end")
    found = check(zipfile.ZipFile(file), policy, older)
    code, said = (3, "UNDECIDED: runledger-verify has to check the rest") if LEFT else (0, "VERIFIED: it is what was sealed")
    said += " (docs/verifying.md)" + "".join(f"\n{name:15}{value!a}" for name, value in found.items())
except Exception as error:  # whatever goes wrong, nothing is proven
    code, said = (1, "REFUSED") if file else (2, "verify.py: nothing was checked")
    said += f": {PLACE[0]}: {ascii(str(error))[1:-1]}"
with contextlib.suppress(BrokenPipeError):
    os.write(1, (said + "\n").encode("ascii", "backslashreplace"))
sys.exit(code)
