// What is reported, on disk: written at the call, taken from there by the sender, kept until the ledger has it.
//
//     SPOOL/LEDGER.node/OWNER/lock      whose folder it is; touched while that process lives
//     SPOOL/LEDGER.node/OWNER/REF.run   how a run is known to the ledger: its start, its id, its `Started`
//     SPOOL/LEDGER.node/OWNER/REF.log   its events, a line each
//     SPOOL/LEDGER.node/refused.log     what the ledger refused, and why
//
// One `write` an event, which survives the end of the process, however it comes. LEDGER is a hash of address and tenant;
// no token is ever written. Node has no locks of files, so whether an owner lives is told by its process, and on another
// machine by the lock's age.
import { createHash, randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { RunFile, type Meta } from "./runfile.js";

const REFUSED_LIMIT = 8 << 20;
/** Seconds after which an owner on another machine is taken for dead. */
const SILENT = 60;

/** The folder of one process and one ledger, and what is left by processes that are gone. */
export class Spool {
  readonly folder: string;
  readonly #adopted = new Set<string>();
  #own: string | undefined;

  constructor(folder: string, url: string, tenant: string) {
    const name = createHash("sha256").update(`${url.replace(/\/+$/, "")} ${tenant}`).digest("hex").slice(0, 16);
    this.folder = join(folder, `${name}.node`);
  }

  /** Begins a run. Throws where nothing can be written. */
  create(meta: Meta): RunFile {
    this.#own ??= this.#owner();
    return RunFile.create(this.#own, randomUUID(), meta);
  }

  #owner(): string {
    const own = join(this.folder, `${process.pid}-${randomUUID().slice(0, 8)}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    this.#lock(own);
    return own;
  }

  #lock(owner: string): void {
    const lock = { pid: process.pid, host: hostname(), began: began(process.pid) };
    writeFileSync(join(owner, "lock"), JSON.stringify(lock), { mode: 0o600 });
  }

  /** Says that this process lives. */
  touch(): void {
    for (const owner of [...this.#adopted, ...(this.#own ? [this.#own] : [])]) {
      const now = new Date();
      try {
        utimesSync(join(owner, "lock"), now, now);
      } catch {
        // Somebody has cleared the spool. What is written next says so.
      }
    }
  }

  /** The runs of processes that have died. From now on this process is the one that sends them. */
  adopt(): RunFile[] {
    const found: RunFile[] = [];
    for (const name of existsSync(this.folder) ? readdirSync(this.folder) : []) {
      const owner = join(this.folder, name);
      if (owner === this.#own || this.#adopted.has(owner) || !isDead(owner)) continue;
      const mine = join(this.folder, `${process.pid}-${randomUUID().slice(0, 8)}`);
      try {
        renameSync(owner, mine); // of several processes one succeeds
        this.#lock(mine);
      } catch {
        continue;
      }
      this.#adopted.add(mine);
      for (const entry of readdirSync(mine)) {
        const file = entry.endsWith(".run") ? RunFile.found(join(mine, entry)) : undefined;
        if (file) found.push(file);
      }
    }
    return found;
  }

  /** Removes the folders of the dead of which all is sent. `busy`: folders with runs that are not. */
  tidy(busy: Set<string>): void {
    for (const owner of this.#adopted) {
      if (busy.has(owner)) continue;
      rmSync(owner, { recursive: true, force: true });
      this.#adopted.delete(owner);
    }
  }

  /** Keeps what the ledger refused, for people to look at: at most some 16 MB. */
  setAside(runId: string | null, event: unknown, problem: unknown): void {
    const path = join(this.folder, "refused.log");
    try {
      if (existsSync(path) && statSync(path).size > REFUSED_LIMIT) renameSync(path, `${path}.1`);
      const line = JSON.stringify({ at: new Date().toISOString(), run_id: runId, event, problem });
      appendFileSync(path, `${line}\n`, { mode: 0o600 });
    } catch {
      // It is told by `onTrouble`, too.
    }
  }
}

function isDead(owner: string): boolean {
  const path = join(owner, "lock");
  try {
    const age = (Date.now() - statSync(path).mtimeMs) / 1_000;
    const lock = JSON.parse(readFileSync(path, "utf8")) as { pid: number; host: string; began: string };
    if (lock.host !== hostname()) return age > SILENT;
    return !lives(lock.pid) || began(lock.pid) !== lock.began;
  } catch {
    // A file beside the folders, or a folder whose owner died before it had locked it.
    return statSync(owner, { throwIfNoEntry: false })?.isDirectory() === true && Date.now() - statSync(owner).mtimeMs > SILENT * 1_000;
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process began, so that another one with its number is not taken for it; only Linux tells. */
function began(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop()?.split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
