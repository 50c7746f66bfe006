#!/usr/bin/env python3
"""Checks an export or a receipt of Runledger (docs/sealed-history.md): verify.py FILE --policy POLICY [--since OLD-CHECKPOINT]
Ends with 0 where all is proven, with 1 where it is refused, and with 2 where nothing could be checked (docs/verifying.md)."""
import argparse, base64, datetime, hashlib, io, itertools, json, re, sys, zipfile
HERE = [""]  # what is being checked
def need(holds, what):
    if not holds: raise ValueError(what)
    return holds
# --- Ed25519 (RFC 8032, 5.1). Keys and signatures of small order are refused.
P, ORDER, ZERO = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493, (0, 1)
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    k, x, y = D * a[0] * a[1] * b[0] * b[1], a[0] * b[1] + a[1] * b[0], a[0] * b[0] + a[1] * b[1]
    return x * pow(1 + k, -1, P) % P, y * pow(1 - k, -1, P) % P
def times(n, a): return ZERO if not n else add(times(n >> 1, add(a, a)), a) if n & 1 else times(n >> 1, add(a, a))
def point(data):
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P); x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    need((x * x - square) % P == 0, "a key or signature is no point of the curve")
    return (x, y) if x & 1 == sign else (P - x, y)
BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
def check_signature(key, text, signature):
    need(len(signature) == 64, "the signature of a known key is wrong")
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    need(s < ORDER and r[1] < P and times(8, a) != ZERO != times(8, r) and times(s, BASE) == add(r, times(k, a)),
         "the signature of a known key is wrong")
# --- Hashes and trees (RFC 6962, 2.1). A proof leads to a root, by hashes taken from its end.
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def leaf(text): return sha(b"\0", text.encode())
def node(left, right): return sha(b"\1", left, right)
def half(leaves): return 1 << (leaves - 1).bit_length() - 1
def b64(data): return base64.b64encode(data).decode()
def unb64(text):
    need(b64(base64.b64decode(text, validate=True)) == text, "this is not base64 as it should be")
    return base64.b64decode(text)
def inclusion(entry, index, size, proof):
    if size == 1: return None if index else entry
    sibling, left = proof.pop(), half(size)
    if index < left: return node(inclusion(entry, index, left, proof), sibling)
    return node(sibling, inclusion(entry, index - left, size - left, proof))
def consistency(old, size, root, proof):  # The root then and now. `root` is given while the subtree is the whole old tree.
    if old == size: return (root or proof.pop(),) * 2
    sibling, left = proof.pop(), half(size)
    then, now = consistency(old, left, root, proof) if old <= left else consistency(old - left, size - left, None, proof)
    return (then, node(now, sibling)) if old <= left else (node(sibling, then), node(sibling, now))
def range_root(first, leaves, start, stop, proof):  # of start..stop, of which the leaves from `first` on are known
    if stop <= first or first + len(leaves) <= start or not leaves: return proof.pop()
    if stop - start == 1: return leaves[start - first]
    right = range_root(first, leaves, start + half(stop - start), stop, proof)
    return node(range_root(first, leaves, start, start + half(stop - start), proof), right)
def prove(root, tree, *about):  # all of a proof must lead to the root
    need(tree(*about) == root and not about[-1], "a proof does not lead to the root that it should")
# --- Policy, note and checkpoint (C2SP tlog-policy, signed-note, tlog-checkpoint, tlog-cosignature)
def decimal(text):
    return int(need(re.fullmatch("0|[1-9][0-9]*", text) and int(text) < 2**64 and text, "this is not written as a number"))
def read_key(text, kind):
    name, key_id, data = text.split("+", 2); data = unb64(data)
    need(name and not re.search(r"\s", name) and len(data) == 33 and data[0] == kind and point(data[1:]), "no such key")
    need(key_id == sha(name.encode(), b"\n", data)[:4].hex(), "a key is mistyped"); return name, data
def read_policy(text):
    logs, parts, quorum = [], {}, None  # parts: each witness's key, each group's threshold and members
    for words in (line.split() for line in text.splitlines()):
        HERE[0], known = "the policy, " + " ".join(words), {"none", *parts}
        if not words or words[0][0] == "#": continue
        if words[0] == "log" and len(words) in (2, 3): logs.append(read_key(words[1], 1))
        elif words[0] == "witness" and len(words) in (3, 4) and words[1] not in known:
            parts[words[1]] = read_key(words[2], 4)
        elif words[0] == "group" and len(words) > 3 and words[1] not in known and known.issuperset(words[3:]):
            least = {"any": 1, "all": len(words) - 3}.get(words[2]) or int(words[2])
            need(1 <= least <= len(words) - 3, "no such threshold"); parts[words[1]] = least, set(words[3:])
        else:
            need(words[0] == "quorum" and len(words) == 2 and words[1] in known and not quorum, "this is not understood")
            quorum = words[1]
    need(quorum, "there is no quorum"); return logs, parts, quorum
def read_note(text):  # its text; origin, size, root; and who is said to have signed
    text, between, lines = text.rpartition("\n\n")
    need(between and not re.search("[\0-\x09\x0b-\x1f]", text + lines) and 0 < lines.count("\n") < 101, "no signed note")
    signed = [re.fullmatch("\u2014 ([^\\s+\x7f-\x9f]+) ([A-Za-z0-9+/=]{8,})", line) for line in lines.split("\n")[:-1]]
    need(all(signed) and lines[-1] == "\n" and all(len(unb64(one[2])) > 4 for one in signed), "a line is no signature")
    origin, size, root = (text.split("\n") + ["", ""])[:3]
    need(origin and text == f"{origin}\n{size}\n{root}" and len(unb64(root)) == 32, "this is no checkpoint")
    return text + "\n", (origin, decimal(size), unb64(root)), [(one[1], unb64(one[2])) for one in signed]
def read_proof(text):  # index, hashes, and the note as it was read and as text
    proof, _, note = text.partition("\n\n"); index, path, _ = read(f"c2sp.org/tlog-proof@v1\nindex {N}((?:\n{HASH})*)", proof)
    return decimal(index), [unb64(each) for each in path.split()], read_note(note), note
def trust(policy, note):  # who has cosigned, and when
    (logs, parts, quorum), (text, (origin, _, _), signatures), reached = policy, note, {"none": ""}
    def signed(name, key):
        at = []
        for data in (data[4:] for by, data in signatures if (by, data[:4]) == (name, sha(name.encode(), b"\n", key)[:4])):
            time, data = (int.from_bytes(data[:8], "big"), data[8:]) if key[0] == 4 else (0, data)
            check_signature(key[1:], (f"cosignature/v1\ntime {time}\n" * (key[0] == 4) + text).encode(), data); at.append(time)
        return at
    need(any([signed(*log) for log in logs if log[0] == origin]), f"no log of the policy has signed it: {origin!a}")
    for name, (what, of) in parts.items():
        at = signed(what, of) if isinstance(what, str) else ["group"] * (len(of & reached.keys()) >= what)
        if at: reached[name] = at[0]
    need(quorum in reached, f"the policy demands cosignatures by {quorum}")
    return {name: str(at) for name, at in reached.items() if isinstance(at, int)}
# --- The files. Each line of JSON can be written in one way only, so that a pattern reads it.
N, HASH, TEXT = "(0|[1-9][0-9]*)", "([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)", r'("[^"\\\0-\x1f]*(?:\\.[^"\\\0-\x1f]*)*")'
ID, HASHES = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", r'\[((?:"[A-Za-z0-9+/]{43}="(?:,(?!])|(?=])))*)]'
def part(name, salt): return f'(?:(?:"{name}":{TEXT}|"{name}_base64":"([^"]*)"),"{salt}_salt":"{HASH}"|"{salt}_hash":"{HASH}")'
EVENT = (f'{{"run":(?:null|{N}),"revision":{N},"event_id":"{ID}","type":{TEXT},"recorded_at":{TEXT},'
         + part("data", "data") + "," + part("metadata", "meta") + "}")
RUN = f'{{"number":{N},"run_id":"{ID}","count":{N},"first":"{HASH}","last":"{HASH}","selected":(true|false)}}'
MANIFEST = (f'{{"format":"runledger/export/1","tenant":{TEXT},"exported_at":{TEXT},"selection":(?:{{"run_id":"{ID}"}}|{{(?:"since"'
            f':{TEXT}(?:,(?!}})|(?=}})))?(?:"until":{TEXT}(?:,(?!}})|(?=}})))?(?:"kind":{TEXT})?}}),"runs":{{"first":{N},"total":{N},'
            f'"proof":{HASHES}}},"administration":(true|false),"consistency":\\[(.*)]}}')
WORD = "([A-Za-z0-9._:+%-]+)"
ENTRY = f"runledger/entry/1\nrun {N} {ID} {N}\nprev (?:-|{HASH})\nevent {ID} {WORD} {WORD}\ndata {HASH}\nmeta {HASH}\n"
OLDER = f'{{"size":{N},"proof":{HASHES}}}'
CONTINUES = (f"runledger/continues/1\nlog ([^\n]+)\nfrom ([^\n]+)\nagrees {N} {HASH}\nknown (?:- - -|(?!- )([^ \n]+) {N} (?:-|{HASH}))\n"
             f"prev (?:-|{HASH})\nat ([^\n]+)\nwhy ([^\n]+)\n")
def named(origin):  # a log's first name, and the how manyth one this is
    found = re.fullmatch("(.*/t/[0-9a-f]{32})/([2-9]|[1-9][0-9]{1,8})", origin, re.S)
    return (found[1], int(found[2])) if found else (origin, 1)
def hashes(text): return [unb64(each) for each in text.replace('"', "").split(",") if each]
def read(pattern, line): return need(re.fullmatch(pattern, line), "it is not written in the one way that the format has").groups()
def string(text):
    need(json.dumps(json.loads(text), ensure_ascii=False) == text, "it is not written in the one way that the format has")
    return json.loads(text)
def once(pairs): return dict(pairs) if len(dict(pairs)) == len(pairs) else json.loads("two of one name")
def texts(value, needed, others=()):  # of a JSON object that has nothing but texts by these names; some may not be there
    need(isinstance(value, dict) and value.keys() <= {*needed, *others} and all(isinstance(value.get(name), str)
         or name in others and value.get(name) is None for name in (*needed, *others)), "it has other members than it should")
    return [value.get(name) for name in (*needed, *others)]
def word(text): return re.sub(rb"[^A-Za-z0-9._:+-]", lambda m: b"%%%02x" % m[0][0], text.encode()).decode() or "%"
def moment(text):
    found = re.fullmatch("([0-9]{4}(?:-[0-9]{2}){2}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2})(?:[.]([0-9]{1,9}))?"
                         "(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))", text)
    try: since = datetime.datetime.fromisoformat(found[1]) - datetime.datetime.min
    except (TypeError, ValueError): return None
    offset = (int(found[4] or 0) * 60 + int(found[5] or 0)) * (-60 if found[3] == "-" else 60)
    return since.days * 86400 + since.seconds - offset, (found[2] or "").ljust(9, "0")
def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)
def members(data):  # of a JSON object in which all readers find the same; of another one, nothing
    def number(text): return 0 if abs(float(text)) < float("inf") else json.loads("no number that all can read")
    try:
        value = json.loads(data.decode(), object_pairs_hook=once, parse_int=number, parse_float=number, parse_constant=number)
        if b"\\u" in data: json.dumps(value, ensure_ascii=False).encode()  # fails for half a surrogate pair
        return value if isinstance(value, dict) and (data.count(b"{") + data.count(b"[") < 128 or depth(value) < 128) else {}
    except (AttributeError, ValueError, RecursionError): return {}
def opened(archive, name):
    HERE[0], info = name, archive.NameToInfo.get(name)
    need(info and info.compress_type in (0, 8), "the zip has no such file, or in an unknown form")
    info.file_size = 1 << 62  # read to the end, whatever the zip says of the size
    return io.BufferedReader(archive.open(info), 1 << 17)
def lines(archive, name):
    with opened(archive, name) as file:
        for number, line in enumerate(iter(lambda: file.readline((64 << 20) + 1), b""), 1):
            HERE[0] = f"{name}, line {number}"; need(line[-1:] == b"\n", "the line is too long, or does not end")
            yield HERE[0], line[:-1].decode()
    while True: yield f"{name}, at its end", None
def whole(archive, name): return opened(archive, name).read((64 << 20) + 1)
# --- Events and runs
def content(name, text, base64, salt, erased):  # the bytes, and the commitment to them
    if text is base64 is salt is None: return None, unb64(erased)
    data = unb64(base64) if text is None else text.encode()
    need(data != data.decode(errors="replace").encode() if text is None else base64 is None, "text stands as base64")
    return data, sha(f"runledger/{name}/1\0".encode(), unb64(salt), data)
def agree(meta, tenant, run_id, recorded):  # what metadata say of their event is what is said of it elsewhere
    metadata = members(meta)
    for name, own, how in ("tenant", tenant, str), ("run_id", run_id, str), ("recorded_at", recorded, word):
        need(own is None or not isinstance(said := metadata.get(name), str) or how(said) == own, f"its metadata have another {name}")
def chain(source, stream, number, run_id, count, first, last, found):  # recorded_at and data of each event of a stream
    prev = None
    for revision in range(count):
        place, line = next(source); place += f", run {number} ({run_id})" if run_id else ""
        HERE[0] = f"{place}, revision {revision}"; need(line is not None, "the file ends before this event")
        run, said, event_id, kind, recorded, *parts = read(EVENT, line)
        need((run, said) == (number, str(revision)), f"here is revision {said} of run {run}")
        recorded, text, meta_text = string(recorded), parts[0] and string(parts[0]), parts[4] and string(parts[4])
        (data, data_hash), (meta, meta_hash) = content("data", text, *parts[1:4]), content("meta", meta_text, *parts[5:])
        agree(meta, found["tenant"], run_id, word(recorded))
        prev = leaf(f"runledger/entry/1\n{stream} {revision}\nprev {b64(prev) if prev else '-'}\nevent {event_id} "
                    f"{word(string(kind))} {word(recorded)}\ndata {b64(data_hash)}\nmeta {b64(meta_hash)}\n")
        need(revision or b64(prev) == first, "this is not the event that was sealed as the first")
        found["events"], found["erased"] = found["events"] + 1, found["erased"] + (data is None or meta is None)
        yield recorded, data
    HERE[0] = place
    need(b64(prev) == last, "the events do not lead to the head: one is not as it was sealed, or not in its place")
def check(archive, policy, older, found):
    names = [info.orig_filename for info in archive.infolist()]
    need(len(set(names)) == len(names) <= 100 and not archive.comment, "the zip has two files of one name, or too much")
    need(min(info.header_offset for info in archive.infolist()) == 0, "the zip has something before its beginning")
    text = whole(archive, "manifest.json").decode(); value = json.loads(text)
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    need(text in (line + "\n", json.dumps(value, ensure_ascii=False, indent=2) + "\n"), "it is not written in a way of the format")
    tenant, at, run_id, since, until, kind, first, total, proof, administration, olders = read(MANIFEST, line)
    need(re.fullmatch(f"(?:{OLDER}(?:,(?!$)|$))*", olders), "consistency is not written in the way of the format")
    first, total, kind, found["tenant"] = decimal(first), decimal(total), kind and string(kind), string(tenant)
    for bound in at, since, until: need(bound is None or moment(string(bound)), "this is no moment: " + ascii(bound))
    since, until = [bound and moment(string(bound)) for bound in (since, until)]
    # 1 and 2: the checkpoint, and the heads as the last entry of its tree
    index, path, note, _ = read_proof(whole(archive, "heads.tlog-proof").decode())
    cosigned, (origin, size, root) = trust(policy, note), note[1]; need(index == size - 1, "it is not about the last entry")
    text = whole(archive, "heads.txt").decode()
    runs, runs_root, *admin = read(f"runledger/heads/1\nruns {N} {HASH}\nadmin (?:0 - -|([1-9][0-9]*) {HASH} {HASH})\n", text)
    prove(root, inclusion, leaf(text), size - 1, size, path); HERE[0] = "manifest.json"
    need(decimal(runs) == total, "it has another number of runs than are sealed")
    def begins(old, old_root):  # an older tree is the beginning of this one
        known = [hashes(path) for at, path in re.findall(OLDER, olders) if at == str(old)] + [[]] * (old in (0, size))
        need(old <= size and known, "it is larger, or the export has no proof for its size")
        if old: prove((old_root, root), consistency, old, size, old_root, known[0])
        else: need(old_root == sha() and not known[0], "it has another root than an empty tree")
    restored, below, prev, oldest, HERE[0] = [], size - 1, None, named(origin)[1], "continues.ndjson"  # begun anew after a restore
    need(oldest > 1 or "continues.ndjson" not in names, "the log was never begun anew")
    for place, line in itertools.takewhile(lambda at: at[1] is not None, lines(archive, "continues.ndjson") if oldest > 1 else ()):
        index, text, path = read(f'{{"index":{N},"text":{TEXT},"proof":{HASHES}}}', line)
        index, text, path = decimal(index), string(text), hashes(path)
        log, was, agrees, agreed, known, had, _, before, at, why = read(CONTINUES, text)
        need((log == origin if not restored else prev == b64(leaf(text)) and named(log)[1] <= oldest) and named(log)[0] == named(was)[0]
             == named(origin)[0] and named(was)[1] < named(log)[1], "it is not the entry with which this log was begun anew")
        need(decimal(agrees) <= index < below and moment(at) and not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", text), "it can't stand here")
        prove(root, inclusion, leaf(text), index, size, path)
        HERE[0] = "manifest.json"
        begins(decimal(agrees), unb64(agreed))
        HERE[0], below, prev, oldest = place, index, before, named(was)[1]
        restored.append(dict(log=log, at=at, why=why, agrees=decimal(agrees), known=known and f"{known} had {decimal(had)}", was=was))
    need(not prev and bool(restored) == (named(origin)[1] > 1), "an entry with which the log was begun anew is missing")
    if older:  # 6: the older tree is the beginning
        HERE[0], (old_origin, old, old_root) = "the older checkpoint", older[1]
        trust(policy, older)
        need(named(old_origin)[0] == named(origin)[0] and named(old_origin)[1] <= named(origin)[1], "it is of another log")
        gone = [one for one in restored if named(one["log"])[1] > named(old_origin)[1] and one["agrees"] < old]
        try: begins(old, old_root)
        except ValueError as error: raise ValueError(f"of before the history was restored: {gone[-1]}" if gone else error)
    if {"timestamp.json", "timestamp.checkpoint", "timestamp.tsr"}.intersection(names):  # 9
        stamp = json.loads(whole(archive, "timestamp.json").decode(), object_pairs_hook=once)
        found["stamped"], *files = check_stamp(stamp, origin, size, root)
        for name, holds in zip(("timestamp.checkpoint", "timestamp.tsr"), files):
            need(whole(archive, name) == holds, "it holds something else than timestamp.json")
    source = lines(archive, "events.ndjson")
    if administration == "true" and admin[0]:  # 7
        for _ in chain(source, "admin", None, None, decimal(admin[0]), *admin[1:], found): pass
    number, heads, selected, when = first, [], 0, None  # 3, 4 and 5: the runs
    for place, line in itertools.takewhile(lambda at: at[1] is not None, lines(archive, "runs.ndjson")):
        said, this, count, begin, end, told = read(RUN, line); place = HERE[0] = f"{place}, run {said} ({this})"
        need(decimal(said) == number < total and decimal(count), f"here should be run {number}: the numbers have no gaps")
        heads.append(leaf(f"runledger/head/1\n{number} {this} {count} {begin} {end}\n"))
        events = chain(source, f"run {number} {this}", said, this, decimal(count), begin, end, found)
        recorded, data = next(events); at, own = moment(recorded), members(data).get("kind") if kind is not None else None
        when = "within" if not (since or until) or not at else "before" if since and at < since else \
            "after" if until and at >= until else "within"
        meets = this == run_id if run_id else when == "within" and (not isinstance(own, str) or own == kind); HERE[0] = place
        need(meets == (told == "true"), "it meets the selection and is not told whole, or the other way round")
        if meets:
            for _ in events: pass
        HERE[0], selected = place, selected + meets
        need(run_id or number == 0 or number > first or when == "before", "runs before it may be left out"); number += 1
    need(selected == 1 if run_id else heads and when == "after" or number == total and bool(heads) == bool(total), "runs after it may be left out, or the one selected")
    HERE[0], proof = "manifest.json", hashes(proof)
    if total: prove(unb64(runs_root), range_root, first, heads, 0, total, proof)
    else: need(unb64(runs_root) == sha() and not proof, "the heads of no runs have another root")
    HERE[0], line = next(source)
    need(line is None, "there is more than the export has to tell")
    return dict(found, restored=restored, origin=origin, size=size, runs=f"{first} to {number - 1} of {total}", selected=selected, cosigned=cosigned,
                selection=value["selection"], older=older and older[1][1])
# --- Receipts, and time stamps (RFC 3161): who has signed these, `openssl ts -verify` says
def der(data, *path):  # what lies within DER at a path of places, each with its tag; `more` bytes say a length above 127
    for place, tag in path:
        for _ in range(place + 1):
            more = max(data[1] - 128, 0); end = 2 + more + (int.from_bytes(data[2:2 + more], "big") if more else data[1])
            need(data[1] != 128 and more < 5 and end <= len(data), "this is no time stamp")
            found, inner, data = data[0], data[2 + more:end], data[end:]
        data = inner if found == tag else need(False, "this is no time stamp")
    return data
def check_stamp(stamp, origin, size, root):  # what it claims, and the two files that it is made of
    path, top = [need(isinstance(each, str) and unb64(each), "this is no hash") for each in stamp.pop("consistency") + []], (0, 0x30)
    entry, data, salt, proof, response = texts(stamp, ("entry", "data", "data_salt", "proof", "response"))
    _, suffix, _, _, _, kind, _, sealed, _ = read(ENTRY, entry)
    need(kind == "Checkpoint" and b64(content("data", data, None, salt, None)[1]) == sealed, "the entry is of something else")
    old, old_root = read(f"{N}\n{HASH}\n", data); need(0 < decimal(old) <= size, "it is of more entries than there are")
    prove((unb64(old_root), root), consistency, int(old), size, unb64(old_root), path)
    index, path, (_, (ledger, stamped, stamped_root), _), note = read_proof(proof)
    mine = named(origin)[0].removesuffix("/t/" + suffix.replace("-", ""))  # and either may have been begun anew
    need(mine != named(origin)[0] and re.fullmatch(re.escape(mine) + "(?:/(?:[2-9]|[1-9][0-9]{1,8}))?", ledger), "the entry is of another log")
    prove(stamped_root, inclusion, leaf(entry), index, stamped, path)
    said = der(unb64(response), top, (1, 0x30), (1, 0xa0), top, (2, 0x30), (1, 0xa0), (0, 4), top)
    need(der(said, (2, 0x30), (1, 4)) == sha(note.encode()), "the response is about other bytes than these")
    at = read(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)((?:[.]\d+)?)Z", der(said, (4, 0x18)).decode("ascii"))
    return "it claims that {} entries were there at {}-{}-{}T{}:{}:{}{}Z".format(old, *at), note.encode(), unb64(response)
def check_receipt(value, policy):
    HERE[0], stamp, names = "receipt", value.pop("time_stamp", None), ("format", "tenant", "entry", "proof")
    others = "data", "data_base64", "data_salt", "metadata", "metadata_base64", "meta_salt"
    form, tenant, entry, proof, *parts = texts(value, names, others)
    need(form == "runledger/receipt/1", "this is another format"); index, path, note, _ = read_proof(proof)
    HERE[0], cosigned, (origin, size, root) = "entry", trust(policy, note), note[1]
    prove(root, inclusion, leaf(entry), index, size, path)
    run, run_id, revision, _, event_id, kind, recorded, data, meta = read(ENTRY, entry)
    for HERE[0], name, part, sealed in ("data", "data", parts[:3], data), ("metadata", "meta", parts[3:], meta):
        holds, committed = content(name, *part, sealed)
        need(b64(committed) == sealed, "these are not the bytes that were sealed, or not their salt")
    agree(holds, tenant, run_id, recorded)
    HERE[0], stamped = "time_stamp", stamp if stamp is None else check_stamp(stamp, origin, size, root)[0]
    return dict(tenant=tenant, origin=origin, run=f"{run} ({run_id})", revision=revision, event=event_id, type=kind,
                recorded=recorded, data=parts[0], size=size, index=index, cosigned=cosigned, stamped=stamped)
def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    for name, needed in ("file", {}), ("--policy", {"required": True}), ("--since", {}): arguments.add_argument(name, **needed)
    asked, older = arguments.parse_args(), None
    try:
        policy = read_policy(open(asked.policy, "rb").read().decode())
        if asked.since:
            HERE[0], text = asked.since, open(asked.since, "rb").read().decode()
            older = read_note(text.partition("\n\n")[2] if text.startswith("c2sp.org/tlog-proof@") else text)
        HERE[0], file = asked.file, open(asked.file, "rb"); is_receipt = file.peek().lstrip()[:1] == b"{"
        need(not (is_receipt and older), "--since is for exports")
    except (OSError, ValueError, IndexError) as error:
        print(f"verify.py: nothing was checked: {HERE[0]}: {error}", file=sys.stderr); return 2
    try:
        if is_receipt: found = check_receipt(json.loads(file.read(1 << 26).decode(), object_pairs_hook=once), policy)
        else:
            end = file.read()[-22:] if not file.seekable() else (file.seek(max(0, file.seek(0, 2) - 22)), file.read())[1]
            need(end[:4] == b"PK\5\6" and end[20:] == b"\0\0", "it is no zip, or has something after its end")
            found = check(zipfile.ZipFile(file), policy, older, {"events": 0, "erased": 0})
    except Exception as error:  # whatever goes wrong, nothing is proven
        print(f"REFUSED: {HERE[0]}: {ascii(str(error))[1:-1]}")
        return 1
    but = ", OF A HISTORY THAT WAS RESTORED, in which something is missing" if found.get("restored") else ""
    print(f"VERIFIED{but}: it is what was sealed. What that proves and what not: docs/verifying.md")
    for name, value in found.items(): print(f"{name:10} {value!a}")
    return 0
if __name__ == "__main__": sys.exit(main())
